//! The part of the file that says something of tables: columns, keys, contracts, write dispositions. As in
//! [`super::raw`], doc comments are what editors show.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What is known of columns beforehand: a table of column name → hints, or a list of tables each with a `name`.
/// Names are those of the source.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum RawColumns {
    /// By name.
    Named(#[schemars(with = "BTreeMap<String, RawColumn>")] IndexMap<String, Map<String, Value>>),
    /// In a list, each with its `name`.
    Listed(#[schemars(with = "Vec<RawColumn>")] Vec<Map<String, Value>>),
}

/// What is known of a column. Its type makes the column exist even if no row ever has it. `x-…` keys go into dlt's
/// schema as they are.
#[derive(JsonSchema)]
#[schemars(extend("additionalProperties" = false, "patternProperties" = { "^x-": true }))]
#[expect(dead_code, reason = "the form alone: hints are read and merged key by key, as dlt does it")]
pub(super) struct RawColumn {
    /// Name of the field, in a list of columns.
    name: Option<String>,
    /// Type of the column. Default: that of its first value.
    data_type: Option<RawDataType>,
    /// Whether null is allowed. Default: true.
    nullable: Option<bool>,
    /// Digits of a `decimal` (38 at most), bits of a `bigint` (8, 16, 32, 64, 128), digits of a second of a
    /// `timestamp` or `time`, length of a `text` or `binary`.
    precision: Option<u32>,
    /// Digits of a `decimal` after the point.
    scale: Option<u32>,
    /// Whether a `timestamp` carries its zone. Default: true.
    timezone: Option<bool>,
    /// What the column means; goes into dlt's schema.
    description: Option<String>,
    /// Whether the table is partitioned by it, where the database can.
    partition: Option<bool>,
    /// Whether the table is clustered by it, where the database can.
    cluster: Option<bool>,
    /// Whether no two rows share a value.
    unique: Option<bool>,
    /// Whether the table is sorted by it, where the database can.
    sort: Option<bool>,
    /// Whether it is part of the row's identity. The resource's `primary_key` does away with this one.
    primary_key: Option<bool>,
    /// Whether it identifies a row of this table for its child tables.
    row_key: Option<bool>,
    /// Whether it holds the `row_key` of the parent table.
    parent_key: Option<bool>,
    /// Whether it holds the `row_key` of the root table.
    root_key: Option<bool>,
    /// Whether it is part of the group that `merge` replaces together. The resource's `merge_key` does away with
    /// this one.
    merge_key: Option<bool>,
    /// Whether it was made for values that did not fit another column.
    variant: Option<bool>,
    /// Whether a value (of a truth value: true) means that the row is to be deleted. Needs `merge`.
    hard_delete: Option<bool>,
    /// Which of the rows with one primary key in a load stays: that with the least value (`asc`) or the greatest
    /// (`desc`). Needs `merge`.
    dedup_sort: Option<RawSortOrder>,
    /// Whether an incremental resource follows it; `endpoint.incremental` sets this by itself.
    incremental: Option<bool>,
}

/// dlt's data types.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "the form alone, as of columns")]
pub(super) enum RawDataType {
    /// Text.
    Text,
    /// A whole number, 64 bits unless a precision says otherwise.
    Bigint,
    /// A number with a fraction, in 64 bits.
    Double,
    /// True or false.
    Bool,
    /// An instant.
    Timestamp,
    /// A calendar date.
    Date,
    /// A time of day.
    Time,
    /// An exact number, 38 digits with 9 after the point unless hinted.
    Decimal,
    /// An exact whole number of 38 digits.
    Wei,
    /// Bytes.
    Binary,
    /// JSON, kept whole.
    Json,
}

/// Which row of several stays.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "the form alone, as of columns")]
pub(super) enum RawSortOrder {
    /// That with the least value.
    Asc,
    /// That with the greatest value.
    Desc,
}

/// What may change by itself when rows bring something new: one mode for everything, or a table of `tables`,
/// `columns` and `data_type`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum RawContract {
    /// One mode for everything.
    Mode(RawContractMode),
    /// A mode for each kind of change.
    Modes(RawContractModes),
}

/// A mode for each kind of change. What is not given may change.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawContractModes {
    /// New tables.
    pub tables: Option<RawContractMode>,
    /// New columns of tables that were there before.
    pub columns: Option<RawContractMode>,
    /// Values that do not fit the type of their column.
    pub data_type: Option<RawContractMode>,
}

/// What happens to rows that would change the schema.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawContractMode {
    /// The schema changes.
    Evolve,
    /// The resource fails.
    Freeze,
    /// The row is dropped, with everything below it.
    DiscardRow,
    /// The value is dropped; of a new table, all rows are.
    DiscardValue,
}

/// Keys of dlt's tables that say nothing here.
pub(super) const TABLE_KEYS: [&str; 4] = ["table_format", "file_format", "references", "parent_table_name"];

/// What to do without them.
pub(super) fn instead_of_table_keys() -> Value {
    json!({
        "table_format": "leave it out: the destination has one format of tables",
        "file_format": "leave it out: rows go to the destination without files",
        "references": "leave it out: it changes no table",
        "parent_table_name": "leave it out: lists in rows become child tables by themselves",
    })
}

/// What is known of a child table beforehand.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = TABLE_KEYS, "x-instead" = instead_of_table_keys()))]
pub(super) struct RawNestedHints {
    /// What is known of columns: column name → hints, or a list.
    pub columns: Option<RawColumns>,
    /// What may change by itself. Default: as in the root table.
    pub schema_contract: Option<RawContract>,
    /// What happens to rows that are in the table already. Default: as in the root table; with a key of its own
    /// `append`.
    pub write_disposition: Option<RawWriteDisposition>,
    /// Field, or fields, that identify a row. With it the table stands on its own, without link to its parent.
    pub primary_key: Option<RawKeys>,
    /// Field, or fields, of a group of rows. With it the table stands on its own, without link to its parent.
    pub merge_key: Option<RawKeys>,
}

/// What happens to rows that are in the table already.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum RawWriteDisposition {
    /// By name.
    Name(RawDisposition),
    /// With a strategy.
    Settings(RawDispositionSettings),
}

/// What happens to rows that are in the table already, by name.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
#[schemars(extend(
    "x-later" = ["skip"],
    "x-instead" = {
        "skip": "set `selected = false` in its place",
        "delete-insert": MERGE_STRATEGY, "upsert": MERGE_STRATEGY, "insert-only": MERGE_STRATEGY, "scd2": MERGE_STRATEGY,
    }
))]
pub(super) enum RawDisposition {
    /// They stay; new rows are added.
    Append,
    /// They go; the new rows are all there is.
    Replace,
    /// Those with the key of a new row go, with their child rows.
    Merge,
}

/// A write disposition with a strategy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "x-later" = ["deduplicated", "source_filter", "destination_scope", "skip_unchanged_rows"],
    "x-instead" = {
        "deduplicated": "leave it out: of rows with one key, the last is kept",
        "source_filter": "leave rows out with a `filter` in `processing_steps`",
        "destination_scope": "give a `merge_key`: then rows go or are retired only where new ones of their group came",
        "skip_unchanged_rows": "leave it out: rows that did not change are written again as they are",
    }
))]
pub(super) struct RawDispositionSettings {
    /// The disposition.
    pub disposition: RawDisposition,
    /// How `merge` is done. Default: `delete-insert`.
    pub strategy: Option<RawStrategy>,
    /// `scd2`: names of the two columns for begin and end of a version. Default: `_dlt_valid_from` and
    /// `_dlt_valid_to`.
    pub validity_column_names: Option<Vec<String>>,
    /// `scd2`: end of the version that is valid now, like `9999-12-31`. Default: null.
    pub active_record_timestamp: Option<String>,
    /// `scd2`: begin of new versions and end of old ones. Default: the time of the load.
    pub boundary_timestamp: Option<String>,
    /// `scd2`: field that changes whenever the row does. Default: a hash of the row.
    pub row_version_column_name: Option<String>,
}

/// What to do with a strategy that stands where the disposition should.
const MERGE_STRATEGY: &str =
    "it is a strategy of `merge`: write { disposition = \"merge\", strategy = \"…\" }";

/// What to do with a strategy of `replace`.
pub(super) const REPLACE_STRATEGY: &str =
    "leave it out: `replace` is always atomic here, and has the result that all of dlt's strategies have";

/// How `merge` is done.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend(
    "x-later" = ["cdc", "truncate-and-insert", "insert-from-staging", "staging-optimized"],
    "x-instead" = {
        "truncate-and-insert": REPLACE_STRATEGY, "insert-from-staging": REPLACE_STRATEGY,
        "staging-optimized": REPLACE_STRATEGY,
        "cdc": "use `upsert`, and `deletes` for the rows that the API no longer has",
    }
))]
pub(super) enum RawStrategy {
    /// Rows with the key of a new row are deleted, then the new rows are inserted.
    DeleteInsert,
    /// Rows with the primary key of a new row are updated, others inserted.
    Upsert,
    /// New rows whose primary key is there already are dropped, others inserted.
    InsertOnly,
    /// Versions of rows are kept, each with the time from and to which it was valid; a row that is gone is retired.
    Scd2,
}

/// One field, or several.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(untagged)]
pub(super) enum RawKeys {
    /// One field.
    One(String),
    /// Several fields, together.
    Several(Vec<String>),
}

/// What happens to rows that the API no longer has, after a run that read all of it.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum RawDeletes {
    /// By name.
    Mode(RawDeleteMode),
    /// With a limit of its own.
    Settings(RawDeletesSettings),
}

/// What happens to rows that the API no longer has, by name.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawDeleteMode {
    /// They stay as they are, as in dlt.
    Keep,
    /// They stay, and `_forebay_deleted_at` says when they were found gone.
    Soft,
    /// They go, with their child rows.
    Hard,
}

/// What happens to rows that the API no longer has, with a limit.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDeletesSettings {
    /// Marked or removed.
    pub mode: RawDeleteMode,
    /// Largest part of the table's rows that one run may mark or remove, above 0 and up to 1; beyond it all of them
    /// stay, and the run says so. Default: 0.2.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub max_share: Option<f64>,
}

/// What goes beyond dlt's rules for tables. Without it, tables are dlt's.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSchema {
    /// What happens when a value does not fit the type of its column. Default: `variant`.
    pub on_type_conflict: Option<RawTypeConflict>,
    /// Whether fields that were only ever null become columns. Default: false.
    pub null_columns: Option<bool>,
    /// Whether resources and lists without rows become tables. Default: false.
    pub empty_tables: Option<bool>,
    /// Whether all child tables carry `_dlt_root_id`, not only those of merged tables (dlt: `root_key` of a source).
    /// Default: false.
    pub root_key: Option<bool>,
}

/// What happens when a value does not fit the type of its column.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawTypeConflict {
    /// It goes to a column of its own, `<column>__v_<type>`, as in dlt.
    Variant,
    /// The column gets a type that holds all its values, if there is one; else as with `variant`.
    Widen,
}
