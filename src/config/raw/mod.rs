//! The file as it is written. These types are the one description of its form: serde reads the file into them,
//! [`super::check`] reports every deviation from their JSON Schema, and editors get the same schema. Doc comments
//! here are what editors show.
//!
//! Extensions of the schema that [`super::check`] reads: `x-later` lists keys, tags and values that dlt has and this
//! version does not, `x-instead` says what to do without words that are not known; `x-hint` says what to write when the form is
//! wrong; `x-any-case` lets words be written in upper or lower case. There is no `Debug` on these types, since they hold secrets in plain text.
//!
//! Shorthands (text or table) are untagged enums. That would spoil serde's messages, but no one sees those: the form
//! is checked before serde runs.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

mod auth;
mod client;
mod endpoint;
mod incremental;
mod paginator;
mod process;
mod responses;

pub(in crate::config) use auth::*;
pub(in crate::config) use client::*;
pub(in crate::config) use endpoint::*;
pub(in crate::config) use incremental::*;
pub(in crate::config) use paginator::*;
pub(in crate::config) use process::*;
pub(in crate::config) use responses::*;

use super::raw_hints::{
    RawColumns, RawContract, RawDeletes, RawKeys, RawNestedHints, RawSchema, RawWriteDisposition, TABLE_KEYS,
    instead_of_table_keys,
};

/// A pipeline: one API, what to read from it, and where it goes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "forebay pipeline")]
pub(in crate::config) struct RawConfig {
    /// Names, and where rows go.
    pub pipeline: RawPipeline,
    /// The API as a whole: address, credentials, limits.
    pub client: RawClient,
    /// What goes beyond dlt's rules for tables.
    pub schema: Option<RawSchema>,
    /// Keys that every resource gets unless it has its own. `columns`, `protect`, `endpoint.params` and `endpoint.json` are
    /// merged key by key, all else is replaced.
    pub resource_defaults: Option<RawDefaults>,
    /// What is read: each one a table.
    #[schemars(extend("x-hint" = "begin each with a line [[resources]], in two brackets"))]
    pub resources: Vec<RawResourceForm>,
}

/// Names, and where rows go.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawPipeline {
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
    /// Key of the hashes that `protect` makes, at least 16 characters: best `${A_VARIABLE}`. With another key, the same
    /// values have other hashes.
    pub hash_key: Option<RawScalar>,
    /// Folder for unfinished runs, beside this file unless absolute. Default: `.forebay`.
    pub work_dir: Option<String>,
}

/// Declares a struct with the keys that resources and their defaults share. (serde cannot combine `flatten` with
/// `deny_unknown_fields`.)
macro_rules! resource_keys {
    ($(#[$meta:meta])* struct $name:ident { $($(#[$key_meta:meta])* $key:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(extend("x-later" = TABLE_KEYS, "x-instead" = instead_of_table_keys()))]
        pub(in crate::config) struct $name {
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
            /// `hard` removes them. Needs `merge` and a `primary_key`, and beside `endpoint.incremental` its
            /// `full_scan_every`. Default: `keep`.
            pub deletes: Option<RawDeletes>,
            /// Whether rows are loaded. An unselected resource is read only if a selected one takes values from its
            /// rows. Default: true.
            pub selected: Option<bool>,
            /// Fields of the parent's row that are added to each row, as `_<parent>_<field>`.
            pub include_from_parent: Option<Vec<String>>,
            /// What is done to each row before it is kept: steps in jq, in the order of the list.
            pub processing_steps: Option<Vec<RawStep>>,
            /// Which fields rows keep, and by which names.
            pub fields: Option<RawFields>,
            /// Fields whose values must not be kept as they are → `hash`, `mask`, `drop`, or `{ mask = 4 }`, which shows
            /// the last four characters. Fields are named as in `fields`, by the names before `rename`. Merged with
            /// those of `resource_defaults`.
            #[schemars(with = "Option<BTreeMap<String, RawProtection>>")]
            pub protect: Option<IndexMap<String, RawProtection>>,
            /// How many requests may be under way at once, for different rows of the parent. Default: 16; 1 if the
            /// endpoint `mutates`.
            #[schemars(range(min = 1))]
            pub max_in_flight: Option<u32>,
            /// dlt's switch for the same: `false` is `max_in_flight = 1`. Rows come in the same order either way.
            pub parallelized: Option<bool>,
            /// Higher goes first when requests wait for the quota. Default: 0.
            pub priority: Option<i32>,
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
    #[derive(Default)]
    struct RawResource {
        /// Name of the resource; also its table and its path, unless they are given.
        name: String,
    }
}

/// A resource, which may be just its name.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawResourceForm {
    /// With settings.
    Settings(Box<RawResource>),
    /// Just the name.
    Name(String),
}

impl From<RawResourceForm> for RawResource {
    fn from(form: RawResourceForm) -> Self {
        match form {
            RawResourceForm::Settings(resource) => *resource,
            RawResourceForm::Name(name) => Self { name, ..Self::default() },
        }
    }
}

/// A single value.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(untagged)]
pub(in crate::config) enum RawScalar {
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
    pub(in crate::config) fn to_text(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            // `Display` of a float drops the `.0`.
            Self::Number(value) => Value::from(*value).to_string(),
            Self::Text(value) => value.clone(),
        }
    }

    /// The value as JSON has it.
    pub(in crate::config) fn to_json(&self) -> Value {
        match self {
            Self::Boolean(value) => (*value).into(),
            Self::Integer(value) => (*value).into(),
            Self::Number(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
        }
    }
}
