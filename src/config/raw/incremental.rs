//! `incremental`: what the next run starts from.

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawScalar;

/// What the next run starts from: a field of the rows (`cursor_path`) or the paginator's cursor (`page_cursor`).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = [
    "end_value", "end_param", "convert", "transform", "last_value_func", "primary_key", "row_order", "lag",
    "range_start", "range_end", "allow_external_schedulers",
]))]
pub(in crate::config) struct RawIncremental {
    /// Field that only grows, like `updated_at`. The next run asks for, and keeps, rows from its greatest value on.
    pub cursor_path: Option<String>,
    /// Where the first run starts.
    pub initial_value: Option<RawScalar>,
    /// Query parameter that gets the start value.
    pub start_param: Option<String>,
    /// What to do with rows without the field. Default: `raise`.
    pub on_cursor_value_missing: Option<RawOnMissing>,
    /// `true`: the next run goes on after the last page cursor of this one. It sees new rows only, never changes.
    pub page_cursor: Option<bool>,
}

/// What to do with rows that lack the cursor field.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawOnMissing {
    /// The resource fails.
    Raise,
    /// The row is loaded.
    Include,
    /// The row is dropped.
    Exclude,
}
