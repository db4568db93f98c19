//! A table: columns in order, how rows are written, where it hangs.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::column::{Column, Hint};
use super::hints::MergeStrategy;

/// Mark of a table that is new to its contract, beside `seen-data`.
const EVOLVES_ONCE: &str = "evolve-columns-once";

/// What happens to rows that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteDisposition {
    /// They stay; new rows are added.
    Append,
    /// They go; the new rows are all there is.
    Replace,
    /// Those with the key of a new row go, with their child rows (dlt's delete-insert).
    Merge,
    /// dlt's mark for its own tables: not written by loads.
    Skip,
}

/// One table as dlt's schema document has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Normalized name.
    pub name: String,
    /// By name, in the order the database has them.
    pub columns: IndexMap<String, Column>,
    /// Root tables only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_disposition: Option<WriteDisposition>,
    /// The resource that made a root table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The table a child table hangs from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Everything else, kept as found.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Table {
    /// An empty root table.
    pub fn root(name: impl Into<String>, resource: impl Into<String>, disposition: WriteDisposition) -> Self {
        Self {
            name: name.into(),
            columns: IndexMap::new(),
            write_disposition: Some(disposition),
            resource: Some(resource.into()),
            parent: None,
            other: Map::new(),
        }
    }

    /// An empty child table.
    pub fn child(name: impl Into<String>, parent: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            columns: IndexMap::new(),
            write_disposition: None,
            resource: None,
            parent: Some(parent.into()),
            other: Map::new(),
        }
    }

    /// Appends a column, or replaces the one of that name in place.
    pub fn add(&mut self, column: Column) {
        self.columns.insert(column.name.clone(), column);
    }

    /// Names of the columns with a hint, in column order.
    pub fn columns_with(&self, hint: Hint) -> impl Iterator<Item = &str> {
        self.columns.values().filter(move |column| column.has(hint)).map(|column| column.name.as_str())
    }

    /// How rows of a merged root table meet those that are there; `None` if they do not.
    pub fn merge_strategy(&self) -> Option<MergeStrategy> {
        (self.write_disposition == Some(WriteDisposition::Merge)).then(|| {
            let named =
                self.other.get("x-merge-strategy").and_then(|name| MergeStrategy::deserialize(name).ok());
            named.unwrap_or(MergeStrategy::DeleteInsert)
        })
    }

    /// How many levels of lists and objects in rows of the table become tables and columns, if that is settled.
    pub(crate) fn max_nesting(&self) -> Option<u32> {
        let settled = self.other.get("x-normalizer")?.get("max_nesting")?.as_u64()?;
        u32::try_from(settled).ok()
    }

    /// Notes that rows were seen, so that dlt creates and lists the table.
    pub fn mark_seen(&mut self) {
        self.note(|normalizer| {
            normalizer.shift_remove(EVOLVES_ONCE);
            normalizer.insert("seen-data".to_owned(), Value::Bool(true));
        });
    }

    /// Notes that the first rows may add columns whatever the contract says.
    pub(crate) fn evolve_once(&mut self) {
        self.note(|normalizer| drop(normalizer.insert(EVOLVES_ONCE.to_owned(), Value::Bool(true))));
    }

    /// Changes what dlt's normalizer keeps of the table.
    fn note(&mut self, change: impl FnOnce(&mut Map<String, Value>)) {
        if let Some(normalizer) =
            self.other.entry("x-normalizer").or_insert_with(|| json!({})).as_object_mut()
        {
            change(normalizer);
        }
    }

    /// Whether the first rows may add columns whatever the contract says.
    pub(crate) fn evolves_once(&self) -> bool {
        self.other.get("x-normalizer").and_then(|normalizer| normalizer.get(EVOLVES_ONCE))
            == Some(&Value::Bool(true))
    }

    /// Whether rows were ever seen: only such tables are in the database.
    pub fn has_seen_data(&self) -> bool {
        self.other.get("x-normalizer").and_then(|normalizer| normalizer.get("seen-data"))
            == Some(&Value::Bool(true))
    }
}
