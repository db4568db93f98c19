//! The file as it is written. These types are the one description of its form: serde reads the file into them,
//! [`super::check`] reports every deviation from their JSON Schema, and editors get the same schema. Doc comments
//! here are what editors show.
//!
//! Extensions of the schema that [`super::check`] reads: `x-later` lists keys, tags and values that dlt has and this
//! version does not, `x-instead` says what to do without some of them; `x-hint` says what to write when the form is
//! wrong. There is no `Debug` on these types, since they hold secrets in plain text.
//!
//! Shorthands (text or table) are untagged enums. That would spoil serde's messages, but no one sees those: the form
//! is checked before serde runs.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::raw_hints::{
    RawColumns, RawContract, RawDeletes, RawKeys, RawNestedHints, RawSchema, RawWriteDisposition,
};

/// A pipeline: one API, what to read from it, and where it goes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "forebay pipeline")]
pub(super) struct RawConfig {
    /// Names, and where rows go.
    pub pipeline: RawPipeline,
    /// The API as a whole: address, credentials, limits.
    pub client: RawClient,
    /// What goes beyond dlt's rules for tables.
    pub schema: Option<RawSchema>,
    /// Keys that every resource gets unless it has its own. `columns`, `endpoint.params` and `endpoint.json` are
    /// merged key by key, all else is replaced.
    pub resource_defaults: Option<RawDefaults>,
    /// What is read: each one a table.
    pub resources: Vec<RawResource>,
}

/// Names, and where rows go.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPipeline {
    /// Name of the pipeline (dlt: `pipeline_name`). State and unfinished runs are found by it.
    pub name: String,
    /// Schema of the tables in the database (dlt: `dataset_name`). Default: `<name>_dataset`.
    pub dataset: Option<String>,
    /// Name of the source, which is also the name of dlt's schema document. Default: `name`.
    pub source: Option<String>,
    /// Database to load into: `duckdb:file.duckdb` (beside this file), `duckdb:///absolute/file.duckdb` or
    /// `postgres://user@host:port/database?sslmode=…`. The password is best left to `${A_VARIABLE}`, `PGPASSWORD` or
    /// `~/.pgpass`. Default: `duckdb:<name>.duckdb`.
    pub destination: Option<String>,
    /// Folder for unfinished runs, beside this file unless absolute. Default: `.forebay`.
    pub work_dir: Option<String>,
}

/// The API as a whole: address, credentials, limits.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["session"]))]
pub(super) struct RawClient {
    /// Address that paths are appended to, like `https://api.example.com/v1`.
    pub base_url: String,
    /// Headers of each request to `base_url`.
    #[schemars(with = "Option<BTreeMap<String, RawScalar>>")]
    pub headers: Option<IndexMap<String, RawScalar>>,
    /// Credentials; sent to `base_url`'s origin only.
    pub auth: Option<RawAuth>,
    /// Paginator of the resources that have none of their own.
    pub paginator: Option<RawPaginator>,
    /// Limits of the API, all of which hold at once: `25/s`, `300/min`, `10000/h`, `100/10s`. Default: `["25/s"]`;
    /// `[]` for none.
    pub rate_limits: Option<Vec<String>>,
    /// How requests that fail for a passing reason are tried again.
    pub retry: Option<RawRetry>,
    /// Limit for one attempt, from connecting to the last byte. Default: `60s`.
    pub timeout: Option<String>,
    /// Largest response that is accepted, decompressed. Default: `64MiB`.
    pub max_body_size: Option<String>,
}

/// How requests that fail for a passing reason are tried again.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetry {
    /// Attempts in total, the first included. Default: 5.
    #[schemars(range(min = 1))]
    pub max_attempts: Option<u32>,
    /// Delay before the second attempt; doubles with each further one. Default: `1s`.
    pub initial_delay: Option<String>,
    /// Longest delay of our own choosing. Default: `60s`.
    pub max_delay: Option<String>,
    /// Longest delay that the server may ask for; a longer one ends the resource. Default: `1h`.
    pub max_server_delay: Option<String>,
}

/// Credentials. Without a `type`: `bearer`.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(
    transform = bearer_by_default,
    extend("x-later" = ["http_basic", "oauth2_client_credentials"], "x-hint" = "write a table, like { type = \"bearer\", token = \"${API_TOKEN}\" }")
)]
pub(super) enum RawAuth {
    /// `Authorization: Bearer <token>`.
    Bearer {
        /// The token; best `${A_VARIABLE}`.
        token: String,
    },
    /// A key in a header or query parameter.
    ApiKey {
        /// Name of the header or parameter. Default: `Authorization`.
        name: Option<String>,
        /// The key; best `${A_VARIABLE}`.
        api_key: String,
        /// Where the key goes. Default: `header`.
        location: Option<RawLocation>,
    },
}

/// Where an API key goes.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-later" = ["cookie"]))]
pub(super) enum RawLocation {
    /// A request header.
    Header,
    /// A query parameter.
    Query,
    /// The same as `query`.
    Param,
}

/// Lets the tag of the `bearer` branch be left out, as dlt does.
fn bearer_by_default(schema: &mut schemars::Schema) {
    let branches = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    for branch in branches.into_iter().flatten() {
        if branch.pointer("/properties/type/const").and_then(Value::as_str) == Some("bearer")
            && let Some(required) = branch.get_mut("required").and_then(Value::as_array_mut)
        {
            required.retain(|key| key != "type");
        }
    }
}

/// How to get from one page to the next.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum RawPaginator {
    /// By name, for the kind that needs no settings.
    Name(RawPaginatorName),
    /// With settings.
    Settings(RawPaginatorSettings),
}

/// Paginators that need no settings.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-later" = ["auto", "json_link", "json_response", "header_link"]))]
pub(super) enum RawPaginatorName {
    /// One page is all there is.
    SinglePage,
    /// A token in each page, at `cursors.next`, leads to the next.
    Cursor,
    /// Pages are numbered from 0 and asked for with `page`.
    PageNumber,
}

/// A paginator with its settings.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(extend("x-later" = ["auto", "json_link", "json_response", "header_link", "header_cursor", "offset"]))]
pub(super) enum RawPaginatorSettings {
    /// A token in each page leads to the next.
    Cursor(RawCursor),
    /// Pages are numbered.
    PageNumber(RawPageNumber),
    /// One page is all there is.
    SinglePage {},
}

/// A token in each page leads to the next.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCursor {
    /// Where a page has the token. Default: `cursors.next`.
    pub cursor_path: Option<String>,
    /// Query parameter that gets the token. Default: `cursor`, unless there is a `cursor_body_path`.
    pub cursor_param: Option<String>,
    /// Where the token goes in the JSON body, like `query.after`; in place of `cursor_param`.
    pub cursor_body_path: Option<String>,
    /// Where a page tells whether more follow; `false` ends the reading.
    pub has_more_path: Option<String>,
    /// Whether a page without rows is the last. Default: false.
    pub stop_after_empty_page: Option<bool>,
    /// Number of pages after which the reading stops and the resource counts as partial.
    #[schemars(range(min = 1))]
    pub max_pages: Option<u64>,
    /// Where a page tells how many rows there are in all; the number is compared with what was read.
    pub total_rows_path: Option<String>,
}

/// Pages are numbered. At least one of `total_path`, `maximum_page`, `has_more_path` and `stop_after_empty_page` has
/// to end the reading.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPageNumber {
    /// Number of the API's first page. Default: 0.
    pub base_page: Option<u64>,
    /// Number of the page to start at. Default: `base_page`.
    pub page: Option<u64>,
    /// Query parameter that gets the number. Default: `page`, unless there is a `page_body_path`.
    pub page_param: Option<String>,
    /// Where the number goes in the JSON body; in place of `page_param`.
    pub page_body_path: Option<String>,
    /// Where a page tells how many pages there are.
    pub total_path: Option<String>,
    /// First page number that is not read any more.
    pub maximum_page: Option<u64>,
    /// Whether a page without rows is the last. Default: true.
    pub stop_after_empty_page: Option<bool>,
    /// Where a page tells whether more follow; `false` ends the reading.
    pub has_more_path: Option<String>,
    /// Number of pages after which the reading stops and the resource counts as partial.
    #[schemars(range(min = 1))]
    pub max_pages: Option<u64>,
    /// Where a page tells how many rows there are in all; the number is compared with what was read.
    pub total_rows_path: Option<String>,
}

/// Declares a struct with the keys that resources and their defaults share. (serde cannot combine `flatten` with
/// `deny_unknown_fields`.)
macro_rules! resource_keys {
    ($(#[$meta:meta])* struct $name:ident { $($(#[$key_meta:meta])* $key:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(extend("x-later" = [
            "processing_steps", "parallelized", "table_format", "file_format", "references", "parent_table_name",
        ]))]
        pub(super) struct $name {
            $($(#[$key_meta])* pub $key: $type,)*
            /// The request: a path, or a table.
            pub endpoint: Option<RawEndpoint>,
            /// Name of the table. Default: the resource's name.
            pub table_name: Option<String>,
            /// What happens to rows that are in the table already. Default: `append`.
            pub write_disposition: Option<RawWriteDisposition>,
            /// Field, or fields, that identify a row. `merge` replaces rows by it.
            pub primary_key: Option<RawKeys>,
            /// Field, or fields, of a group of rows that `merge` replaces together.
            pub merge_key: Option<RawKeys>,
            /// What is known of columns beforehand: column name → hints, or a list of tables each with a `name`.
            pub columns: Option<RawColumns>,
            /// What may change by itself when rows bring something new: `evolve`, `freeze`, `discard_row`,
            /// `discard_value`, or a table of `tables`, `columns` and `data_type`. Default: everything may.
            pub schema_contract: Option<RawContract>,
            /// What is known of child tables beforehand: the field that holds the list → hints. For a list that is
            /// deeper down, the fields that lead to it are joined by `__`, as in the name of its table.
            #[schemars(with = "Option<BTreeMap<String, RawNestedHints>>")]
            pub nested_hints: Option<IndexMap<String, RawNestedHints>>,
            /// What happens to rows that the API no longer has, after a run that read all of it: `soft` marks them,
            /// `hard` removes them. Needs `merge` and a `primary_key`, and no `endpoint.incremental`. Default: `keep`.
            pub deletes: Option<RawDeletes>,
            /// Whether rows are loaded. An unselected resource is read only if a selected one takes values from its
            /// rows. Default: true.
            pub selected: Option<bool>,
            /// Fields of the parent's row that are added to each row, as `_<parent>_<field>`.
            pub include_from_parent: Option<Vec<String>>,
            /// How deep lists and objects become tables and columns; what is deeper stays JSON.
            pub max_table_nesting: Option<u32>,
        }
    };
}

resource_keys! {
    /// Keys that every resource gets unless it has its own.
    #[derive(Default)]
    struct RawDefaults {}
}

resource_keys! {
    /// One endpoint and the table it becomes.
    struct RawResource {
        /// Name of the resource; also its table and its path, unless they are given.
        name: String,
    }
}

/// The request.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum RawEndpoint {
    /// Just the path.
    Path(String),
    /// With settings.
    Settings(Box<RawEndpointSettings>),
}

/// The request, with settings.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["data", "response_actions"]))]
pub(super) struct RawEndpointSettings {
    /// Path below `base_url`, or an absolute URL. `{resources.<parent>.<field>}` makes it one request per row of the
    /// parent. Default: the resource's name.
    pub path: Option<String>,
    /// Default: `GET`.
    pub method: Option<RawMethod>,
    /// Query parameters.
    #[schemars(with = "Option<BTreeMap<String, RawParam>>")]
    pub params: Option<IndexMap<String, RawParam>>,
    /// JSON body of a `POST`.
    pub json: Option<Map<String, Value>>,
    /// Headers, over the client's.
    #[schemars(with = "Option<BTreeMap<String, RawScalar>>")]
    pub headers: Option<IndexMap<String, RawScalar>>,
    /// Credentials in place of the client's.
    pub auth: Option<RawAuth>,
    /// Where a page has its rows, like `data` or `data.records`. Default: found on the first page.
    pub data_selector: Option<String>,
    /// How to get from one page to the next.
    pub paginator: Option<RawPaginator>,
    /// What the next run starts from. Default: it reads everything.
    pub incremental: Option<RawIncremental>,
}

/// HTTP method.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
pub(super) enum RawMethod {
    /// Reads.
    #[serde(rename = "GET")]
    Get,
    /// Sends a JSON body.
    #[serde(rename = "POST")]
    Post,
}

/// What the next run starts from: a field of the rows (`cursor_path`) or the paginator's cursor (`page_cursor`).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = [
    "end_value", "end_param", "convert", "transform", "last_value_func", "primary_key", "row_order", "lag",
    "range_start", "range_end", "allow_external_schedulers",
]))]
pub(super) struct RawIncremental {
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
pub(super) enum RawOnMissing {
    /// The resource fails.
    Raise,
    /// The row is loaded.
    Include,
    /// The row is dropped.
    Exclude,
}

/// A query parameter.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-hint" = "for dlt's { type = \"resolve\" } write \"{resources.<parent>.<field>}\"; for { type = \"incremental\" } write endpoint.incremental with a start_param"))]
pub(super) enum RawParam {
    /// Sent once.
    One(RawScalar),
    /// Sent once per element.
    Several(Vec<RawScalar>),
}

/// A single value.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum RawScalar {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Number(f64),
    /// Text.
    Text(String),
}

impl RawScalar {
    /// The value as requests carry it. Booleans are written as JSON has them.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            // `Display` of a float drops the `.0`.
            Self::Number(value) => Value::from(*value).to_string(),
            Self::Text(value) => value.clone(),
        }
    }

    /// The value as JSON has it.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Boolean(value) => (*value).into(),
            Self::Integer(value) => (*value).into(),
            Self::Number(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
        }
    }
}
