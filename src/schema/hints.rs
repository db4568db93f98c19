//! What a config says of a table: dlt's resource hints, in the names of the source.

use serde::{Deserialize, Serialize};

use super::{Column, Contract, Hint, WriteDisposition};

/// Hints of a root table, or of a child table that a resource names in `nested_hints`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableHints {
    /// What happens to rows that are there already. `None` in a child table: as in its root table.
    pub disposition: Option<Disposition>,
    /// Identity of a row.
    pub primary_key: Vec<String>,
    /// Group of rows replaced together.
    pub merge_key: Vec<String>,
    /// Columns in the order of the file, names as written. Those with a type are created even if they are never seen.
    pub columns: Vec<Column>,
    /// How many levels of lists and objects become tables and columns; below, they stay JSON.
    pub max_table_nesting: Option<u32>,
    /// What may change by itself. `None`: everything.
    pub contract: Option<Contract>,
    /// Child tables: the keys that lead to the list, as written, and what holds for it.
    pub nested: Vec<(Vec<String>, TableHints)>,
}

impl TableHints {
    /// Whether they name a key: then they make a root table.
    pub(crate) fn has_keys(&self) -> bool {
        let keyed = |column: &Column| column.has(Hint::PrimaryKey) || column.has(Hint::MergeKey);
        !self.primary_key.is_empty() || !self.merge_key.is_empty() || self.columns.iter().any(keyed)
    }

    /// The write disposition alone. dlt's default is `append`.
    pub fn write_disposition(&self) -> WriteDisposition {
        match self.disposition {
            None | Some(Disposition::Append) => WriteDisposition::Append,
            Some(Disposition::Replace) => WriteDisposition::Replace,
            Some(Disposition::Merge { .. }) => WriteDisposition::Merge,
        }
    }

    /// Whether new rows take the place of all that are there, so that a part of them must not be loaded: `scd2`
    /// retires what it does not see.
    pub(crate) fn replaces_all(&self) -> bool {
        matches!(
            self.disposition,
            Some(Disposition::Replace | Disposition::Merge { strategy: Some(MergeStrategy::Scd2), .. })
        )
    }
}

/// What happens to rows that are there already, with the settings of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Disposition {
    /// They stay; new rows are added.
    Append,
    /// They go; the new rows are all there is. dlt's three strategies differ in the way, not in the result.
    Replace,
    /// Rows meet by key.
    Merge {
        /// `None`: not given, which is `delete-insert` and leaves no trace in dlt's schema.
        strategy: Option<MergeStrategy>,
        /// Settings of [`MergeStrategy::Scd2`].
        history: History,
    },
}

/// How rows of a merge meet. dlt keeps it as `x-merge-strategy` in the root table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeStrategy {
    /// Rows with the key of a new row are deleted, then the new rows are inserted.
    DeleteInsert,
    /// Rows with the key of a new row are updated, others inserted.
    Upsert,
    /// Rows with a key that is there are dropped, others inserted.
    InsertOnly,
    /// Rows that are no longer the same are retired, with the time; new versions are inserted.
    Scd2,
}

/// Settings of [`MergeStrategy::Scd2`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Columns for the begin and end of a version. `None`: `_dlt_valid_from` and `_dlt_valid_to`.
    pub validity_columns: Option<[String; 2]>,
    /// The end of a version that is valid now, in place of null: an ISO 8601 instant.
    pub active_record_timestamp: Option<String>,
    /// The begin of new versions and end of old ones, in place of the time of the load: an ISO 8601 instant.
    pub boundary_timestamp: Option<String>,
    /// A field of the source that changes whenever the row does, in place of a hash of the row.
    pub row_version_column: Option<String>,
}

/// What happens to rows of a table that a proven complete read of the API no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteMode {
    /// They stay and carry the time in `_forebay_deleted_at`.
    Soft,
    /// They go, with everything below them.
    Hard,
}

/// Column that [`DeleteMode::Soft`] marks rows with: when a load found them gone; null otherwise.
pub const DELETED_AT: &str = "_forebay_deleted_at";

/// What happens when a value does not fit the type of its column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TypeConflict {
    /// It goes to a variant column, as in dlt.
    #[default]
    Variant,
    /// The column gets a type that holds all its values, if there is one; else as with `Variant`.
    Widen,
}

/// What goes beyond dlt's rules. The default is dlt's way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchemaOptions {
    /// What happens when a value does not fit the type of its column.
    pub on_type_conflict: TypeConflict,
    /// Whether fields that were only ever null become columns (of text, until a value says otherwise).
    pub null_columns: bool,
    /// Whether resources and lists without rows become tables.
    pub empty_tables: bool,
    /// Whether child tables of all root tables carry `_dlt_root_id` (dlt: `root_key` of a source).
    pub root_key: bool,
}
