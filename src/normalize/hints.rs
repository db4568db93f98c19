//! The hints of a resource on their way into the schema, as dlt writes them before it sees the first row.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::error::WarningKind;
use super::root::RootTable;
use crate::schema::{
    Column, DataType, Disposition, Hint, History, MergeStrategy, Schema, Table, TableHints, WriteDisposition,
    normalize_identifier, normalize_path, renamed,
};

/// What of the hints was not taken over: a table, a column of it if one is meant, and the reason.
pub(super) type Refused = (String, String, WarningKind);

/// dlt's names for the columns that say how long a version of a row was valid.
const VALIDITY_COLUMNS: [&str; 2] = ["_dlt_valid_from", "_dlt_valid_to"];
/// The column that tells versions of a row apart unless the source has one.
const ROW_ID: &str = "_dlt_id";

impl RootTable {
    /// Writes what the resource says of its root table `name` into the schema.
    pub(super) fn list(&self, schema: &mut Schema, name: &str, max_length: usize) -> Vec<Refused> {
        let mut table = table(&self.hints, self.cursor_field.as_deref(), max_length);
        name.clone_into(&mut table.name);
        table.write_disposition = Some(self.hints.write_disposition());
        table.resource = Some(self.resource.clone());
        if let Some(nesting) = self.hints.max_table_nesting {
            table.other.insert("x-normalizer".to_owned(), json!({ "max_nesting": nesting }));
        }
        merge(schema, table)
    }

    /// Writes `hints` of the table `name` of lists in rows of `parent` into the schema. One with keys is a root table.
    pub(super) fn list_nested(
        &self,
        schema: &mut Schema,
        name: &str,
        parent: &str,
        hints: &TableHints,
        max_length: usize,
    ) -> Vec<Refused> {
        let mut table = table(hints, None, max_length);
        name.clone_into(&mut table.name);
        table.write_disposition = hints.disposition.as_ref().map(|_| hints.write_disposition());
        if table.columns.values().any(|column| column.says("primary_key") || column.says("merge_key")) {
            table.resource = Some(self.resource.clone());
            // What dlt takes for given of a root table.
            let known = schema.tables.get(name).and_then(|known| known.write_disposition);
            table.write_disposition = table.write_disposition.or(known).or(Some(WriteDisposition::Append));
        } else {
            table.parent = Some(parent.to_owned());
        }
        merge(schema, table)
    }

    /// Parts of the names of tables that the resource says something of: its root table's, and the keys that lead to
    /// lists. Tables above others come first.
    pub(super) fn nested_paths(&self, max_length: usize) -> Vec<(Vec<String>, &TableHints)> {
        let root = normalize_path(&self.table, max_length);
        let nested = self.hints.nested.iter().map(|(keys, hints)| {
            let keys = keys.iter().map(|key| normalize_identifier(key));
            (std::iter::once(root.clone()).chain(keys).collect::<Vec<_>>(), hints)
        });
        let mut nested: Vec<_> = nested.collect();
        nested.sort_by_key(|(path, _)| path.len());
        nested
    }
}

fn merge(schema: &mut Schema, mut hints: Table) -> Vec<Refused> {
    let name = hints.name.clone();
    let Some(known) = schema.tables.get_mut(&name) else {
        schema.tables.insert(name, hints);
        return Vec::new();
    };
    let stays_nested = known.parent.is_some() && hints.parent.is_none();
    if stays_nested {
        hints.write_disposition = None;
    }
    let kept = known.merge_hints(hints);
    let kept = kept.into_iter().map(|column| (name.clone(), column, WarningKind::TypeKept));
    let nested = stays_nested.then(|| (name.clone(), String::new(), WarningKind::StaysNested));
    kept.chain(nested).collect()
}

/// The columns and settings that hints make, without name and place.
fn table(hints: &TableHints, cursor: Option<&str>, max_length: usize) -> Table {
    let mut columns = IndexMap::new();
    for column in &hints.columns {
        columns.insert(column.name.clone(), column.clone());
    }
    set_key(&mut columns, Hint::PrimaryKey, &hints.primary_key);
    set_key(&mut columns, Hint::MergeKey, &hints.merge_key);
    let mut table = Table::root("", "", WriteDisposition::Append);
    table.resource = None;
    if let Some(Disposition::Merge { strategy: Some(strategy), history }) = &hints.disposition {
        table.other.insert("x-merge-strategy".to_owned(), json!(strategy));
        if *strategy == MergeStrategy::Scd2 {
            add_history(&mut columns, &mut table.other, history);
        }
    }
    if let Some(cursor) = cursor {
        let column = columns.entry(cursor.to_owned());
        column.or_insert_with(|| Column::hinted(cursor)).set(Hint::Incremental);
    }
    table.columns = renamed(columns.into_values(), |name| normalize_path(name, max_length));
    table
}

/// Makes columns a key in place of those that say so themselves. They cannot be null unless they say they can.
fn set_key(columns: &mut IndexMap<String, Column>, hint: Hint, keys: &[String]) {
    if keys.is_empty() {
        return;
    }
    columns.values_mut().for_each(|column| drop(column.hints.shift_remove(hint.key())));
    for key in keys {
        let column = columns.entry(key.clone()).or_insert_with(|| Column::hinted(key.as_str()));
        column.set(hint);
        column.nullable = column.nullable.or(Some(false));
    }
}

/// Adds what dlt's strategy `scd2` keeps history with.
fn add_history(columns: &mut IndexMap<String, Column>, table: &mut Map<String, Value>, history: &History) {
    if let Some(boundary) = &history.boundary_timestamp {
        table.insert("x-boundary-timestamp".to_owned(), json!(boundary));
    }
    let [from, to] = match &history.validity_columns {
        Some([from, to]) => [from.as_str(), to.as_str()],
        None => VALIDITY_COLUMNS,
    };
    let valid_from = Column::new(from, DataType::Timestamp).with(Hint::ValidFrom);
    let mut valid_to = Column::new(to, DataType::Timestamp).with(Hint::ValidTo);
    valid_to.hints.insert("x-active-record-timestamp".to_owned(), json!(history.active_record_timestamp));
    // The same version may come back after it was gone: these ids are not unique, and child rows do not go by them.
    let version = history.row_version_column.as_deref().unwrap_or(ROW_ID);
    let mut version = Column::hinted(version).not_null().with(Hint::RowVersion);
    for hint in [Hint::Unique, Hint::RowKey] {
        version.hints.insert(hint.key().to_owned(), Value::Bool(false));
    }
    for column in [valid_from, valid_to, version] {
        columns.insert(column.name.clone(), column);
    }
}
