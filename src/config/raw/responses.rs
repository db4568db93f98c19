//! `response_actions` and `response_format`: what is made of answers.

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawScalar;

/// What an answer means, where its status alone does not say: all conditions that are given hold for it. Of several
/// that fit, the first one counts.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawResponseAction {
    /// Status of the answer: 404, or a hundred of them, like "4xx".
    pub status_code: Option<RawStatusCode>,
    /// Text that the body contains, of an error answer its first 64 KiB.
    pub content: Option<String>,
    /// Path in the body, as JSON. Without `equals`: there is something but null, false, 0 or what is empty.
    pub json_path: Option<String>,
    /// The value at `json_path`; numbers and texts are compared as texts.
    pub equals: Option<RawScalar>,
    /// Name of a header that the answer has.
    pub header: Option<String>,
    /// Text that `header` contains, in any case.
    pub value: Option<String>,
    /// What is made of the answer.
    pub action: RawAction,
}

/// A status, or a hundred of them.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawStatusCode {
    /// One.
    Code(u16),
    /// One, or a hundred: "4xx".
    Text(String),
}

/// What is made of an answer.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-instead" = { "raise": "did you mean `fail`?" }))]
pub(in crate::config) enum RawAction {
    /// Its pagination ends without it; the pages before it stay. Of a child, the other rows of the parent go on.
    Ignore,
    /// The request is repeated, like one that failed with a 503.
    Retry,
    /// The request failed, and the resource with it.
    Fail,
    /// Its pagination ends; the rows of this page are taken, unless the status is one of an error.
    Stop,
    /// It has no rows; the pagination goes on, unless the status is one of an error.
    Empty,
}

/// What answers are written in.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawResponseFormat {
    /// By name.
    Name(RawFormatName),
    /// With settings.
    Settings(RawFormatSettings),
}

/// Formats by name.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawFormatName {
    /// One JSON document.
    Json,
    /// A JSON document per line, each a row.
    Ndjson,
    /// Comma-separated values below a line of names.
    Csv,
}

/// Formats with settings.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::config) enum RawFormatSettings {
    /// Comma-separated values.
    Csv(RawCsv),
}

/// Comma-separated values.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawCsv {
    /// What stands between two values: one character. Default: a comma.
    pub delimiter: Option<String>,
    /// Names of the columns, for files that do not begin with them.
    pub header: Option<Vec<String>>,
}
