//! `incremental`: what the next run starts from.

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawScalar;
use crate::config::raw_hints::RawKeys;

/// Declares the keys of dlt's `incremental`, which may stand for themselves or be the value of a parameter. (serde
/// cannot combine `flatten` with `deny_unknown_fields`.)
macro_rules! incremental_keys {
    ($(#[$meta:meta])* struct $name:ident { $($(#[$key_meta:meta])* $key:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[serde(deny_unknown_fields)]
        #[schemars(extend(
            "x-later" = ["allow_external_schedulers"],
            "x-instead" = {
                "allow_external_schedulers": "leave it out, and give the range to `forebay run` with `--from` and `--to`",
            }
        ))]
        pub(in crate::config) struct $name {
            $($(#[$key_meta])* pub $key: $type,)*
            /// Field that only grows, like `updated_at`. The next run asks for, and keeps, rows from its greatest value
            /// on.
            pub cursor_path: Option<String>,
            /// Where the first run starts.
            pub initial_value: Option<RawScalar>,
            /// jq expression that makes of a value what is sent, like `fromdateiso8601`. What is kept stays as it is.
            pub convert: Option<String>,
            /// dlt's older name of `convert`.
            pub transform: Option<String>,
            /// Which value the next run starts from: `max`, or `min` for a field that only shrinks. Default: `max`.
            pub last_value_func: Option<RawLastValue>,
            /// Field, or fields, by which rows of the newest value are told apart; `[]`: they are not, and come again.
            /// Default: the resource's `primary_key`, else the whole row.
            pub primary_key: Option<RawKeys>,
            /// In which order the API gives rows: a run then asks for no page beyond the range. Default: any.
            pub row_order: Option<RawRowOrder>,
            /// How far before the newest value a run starts: seconds, for days days, for numbers a number. Default: 0.
            #[schemars(range(min = 0), extend("x-hint" = "write seconds, like 3600; days, if values are days"))]
            pub lag: Option<f64>,
            /// What to do with rows without the field. Default: `raise`.
            pub on_cursor_value_missing: Option<RawOnMissing>,
            /// Whether rows at the start are kept. Default: `closed`, those that are new.
            pub range_start: Option<RawRangeEdge>,
            /// How often a run reads everything all the same, like `24h`. With `deletes`, only such runs tell what is
            /// gone. Default: never.
            pub full_scan_every: Option<String>,
        }
    };
}

incremental_keys! {
    /// What the next run starts from: a field of the rows (`cursor_path`) or the paginator's cursor (`page_cursor`).
    #[derive(Deserialize, JsonSchema, Default)]
    struct RawIncremental {
        /// `true`: the next run goes on after the last page cursor of this one. It sees new rows only, never changes.
        page_cursor: Option<bool>,
        /// Where to end. With it nothing is remembered: each run reads from `initial_value` to here.
        end_value: Option<RawScalar>,
        /// Query parameter that gets the start value.
        start_param: Option<String>,
        /// Query parameter that gets the end value.
        end_param: Option<String>,
        /// Whether rows at the end are kept. Default: `open`, they are not.
        range_end: Option<RawRangeEdge>,
        /// The longest range that the API is asked for at once, like `30d`: a run asks for one after the other.
        window: Option<String>,
    }
}

incremental_keys! {
    /// A query parameter that gets the start value: `incremental` with this as its `start_param`.
    #[derive(Deserialize, JsonSchema)]
    struct RawIncrementalParam {}
}

impl RawIncrementalParam {
    /// The same as a table of its own, for the parameter `name`.
    pub(in crate::config) fn with_start_param(&self, name: &str) -> RawIncremental {
        RawIncremental {
            page_cursor: None,
            cursor_path: self.cursor_path.clone(),
            initial_value: self.initial_value.clone(),
            end_value: None,
            start_param: Some(name.to_owned()),
            end_param: None,
            convert: self.convert.clone(),
            transform: self.transform.clone(),
            last_value_func: self.last_value_func,
            primary_key: self.primary_key.clone(),
            row_order: self.row_order,
            lag: self.lag,
            on_cursor_value_missing: self.on_cursor_value_missing,
            range_start: self.range_start,
            range_end: None,
            window: None,
            full_scan_every: self.full_scan_every.clone(),
        }
    }
}

/// Which value the next run starts from.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawLastValue {
    /// The greatest.
    Max,
    /// The least.
    Min,
}

/// In which order rows come.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawRowOrder {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

/// Whether the edge of a range is in it.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawRangeEdge {
    /// It is not.
    Open,
    /// It is.
    Closed,
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
