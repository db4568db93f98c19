//! `endpoint`: the request.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    RawCredentials, RawIncremental, RawIncrementalParam, RawPaginator, RawResponseAction, RawResponseFormat,
    RawScalar,
};

/// The request.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawEndpoint {
    /// Just the path.
    Path(String),
    /// With settings.
    Settings(Box<RawEndpointSettings>),
}

/// The request, with settings.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawEndpointSettings {
    /// Path below `base_url`, or an absolute URL. `{resources.<parent>.<field>}` makes it one request per row of the
    /// parent; a bare `{name}` takes the value of `params.name`. Default: the resource's name.
    pub path: Option<String>,
    /// Default: `GET`. `PUT`, `PATCH` and `DELETE` need `mutates = true`.
    pub method: Option<RawMethod>,
    /// Query parameters.
    #[schemars(with = "Option<BTreeMap<String, RawParam>>")]
    pub params: Option<IndexMap<String, RawParam>>,
    /// JSON body.
    pub json: Option<Map<String, Value>>,
    /// Body in place of `json`: a table is sent as a form, a text as it is.
    pub data: Option<RawData>,
    /// Headers, over the client's.
    #[schemars(with = "Option<BTreeMap<String, RawScalar>>")]
    pub headers: Option<IndexMap<String, RawScalar>>,
    /// Credentials in place of the client's.
    pub auth: Option<RawCredentials>,
    /// Limit for one attempt, from connecting to the last byte. Default: the client's.
    #[schemars(extend("x-hint" = "write a number and a unit, like \"60s\""))]
    pub timeout: Option<String>,
    /// Whether the requests change data. Then the resource runs only if it is named on the command line. Default:
    /// false.
    pub mutates: Option<bool>,
    /// Whether each request has a key by which the API knows one that is repeated: true for the header
    /// `Idempotency-Key`, or the name of another one. Default: true if `mutates`.
    pub idempotency_key: Option<RawIdempotencyKey>,
    /// Where a page has its rows, like `data` or `data.records`. Default: found on the first page.
    pub data_selector: Option<String>,
    /// How to get from one page to the next.
    pub paginator: Option<RawPaginator>,
    /// What the next run starts from. Default: it reads everything.
    #[schemars(extend("x-hint" = "write a table, like { cursor_path = \"updated_at\" }"))]
    pub incremental: Option<RawIncremental>,
    /// What single answers mean. Default: a status of 400 or more is an error, all else is a page.
    pub response_actions: Option<Vec<RawResponseAction>>,
    /// Whether a page without anything at the data selector has no rows. Default: false, it is an error.
    pub optional: Option<bool>,
    /// What answers are written in. Default: what their `Content-Type` says, and JSON unless it says otherwise.
    pub response_format: Option<RawResponseFormat>,
    /// The rows are the fields of an object, like `{"a": {…}, "b": {…}}`; this is the field that gets their names.
    pub keyed_by: Option<String>,
    /// Whether an answer that is the same as in the last run is not sent again (`ETag`, `Last-Modified`). Default:
    /// false.
    pub conditional: Option<bool>,
    /// Limits of this endpoint, besides the client's.
    #[schemars(extend("x-hint" = "write a list, like [\"25/s\"]"))]
    pub rate_limits: Option<Vec<String>>,
    /// What one request costs of limits that count cost. Default: 1.
    #[schemars(range(min = 1))]
    pub cost: Option<u32>,
}

/// HTTP method, in upper or lower case.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(extend("x-any-case" = true))]
pub(in crate::config) enum RawMethod {
    /// Reads.
    Get,
    /// Reads, by what the body asks for; or makes something, if the endpoint `mutates`.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

/// A query parameter.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawParam {
    /// Sent once.
    One(RawScalar),
    /// Sent once per element.
    Several(Vec<RawScalar>),
    /// A value that is not known beforehand.
    Table(RawParamTable),
}

/// A parameter whose value is not known beforehand.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::config) enum RawParamTable {
    /// A field of the parent's row, for `{name}` in the path: dlt's older form of `{resources.<parent>.<field>}`.
    Resolve {
        /// The parent.
        resource: String,
        /// The field.
        field: String,
    },
    /// Where the run starts: `incremental` with this as its `start_param`.
    Incremental(Box<RawIncrementalParam>),
}

/// A body that is no JSON.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawData {
    /// Sent as it is. Without a `Content-Type`, unless `headers` has one.
    Text(String),
    /// Sent as a form.
    Form(#[schemars(with = "BTreeMap<String, RawField>")] IndexMap<String, RawField>),
}

/// A field of a form.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawField {
    /// Sent once.
    One(RawScalar),
    /// Sent once per element.
    Several(Vec<RawScalar>),
}

/// The key by which an API knows a request that is repeated.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawIdempotencyKey {
    /// Whether it is sent, as `Idempotency-Key`.
    Sent(bool),
    /// The header that has it.
    Header(String),
}
