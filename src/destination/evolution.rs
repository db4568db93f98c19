//! What a database lacks of a schema. Columns and tables are only ever added, as in dlt.

use indexmap::{IndexMap, IndexSet};

use super::chain::{ROOT_ID, root_of};
use crate::schema::{Column, DataType, Hint, Schema, Table, WriteDisposition};

/// Tables of a dataset with their columns, all in lower case, in the order of the database.
pub(crate) type ExistingTables = IndexMap<String, IndexSet<String>>;

/// What has to be added before rows of a schema fit.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    /// Tables to create, with all their columns.
    pub(crate) created: Vec<&'a Table>,
    /// Columns to add to tables that are there.
    pub(crate) added: Vec<AddedColumns<'a>>,
}

/// Columns to add to one table.
#[derive(Debug)]
pub(crate) struct AddedColumns<'a> {
    /// The table.
    pub(crate) table: &'a Table,
    /// The columns, in the order of the schema.
    pub(crate) columns: Vec<Column>,
}

impl<'a> Changes<'a> {
    /// Compares `schema` with what is there. Tables without seen data and columns without a type do not count.
    ///
    /// Children of merged tables get `_dlt_root_id` even where the schema does not list it yet: a table that was
    /// appended to before learns of the column only with its next row, but its rows have to go with their root
    /// now.
    pub(crate) fn between(schema: &'a Schema, existing: &ExistingTables) -> Self {
        let mut changes = Self::default();
        for table in schema.tables.values().filter(|table| table.has_seen_data()) {
            let Some(columns) = existing.get(&table.name.to_lowercase()) else {
                changes.created.push(table);
                continue;
            };
            let is_missing = |column: &Column| !columns.contains(&column.name.to_lowercase());
            let mut missing: Vec<Column> =
                typed_columns(table).filter(|column| is_missing(column)).cloned().collect();
            let root_id = root_id_column();
            if needs_root_id(schema, table) && !table.columns.contains_key(ROOT_ID) && is_missing(&root_id) {
                missing.push(root_id);
            }
            if !missing.is_empty() {
                changes.added.push(AddedColumns { table, columns: missing });
            }
        }
        changes
    }
}

/// Columns that are in the database: those of a known type.
pub(crate) fn typed_columns(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.values().filter(|column| column.data_type.is_some())
}

fn root_id_column() -> Column {
    Column::new(ROOT_ID, DataType::Text).not_null().with(Hint::RootKey)
}

fn needs_root_id(schema: &Schema, table: &Table) -> bool {
    table.parent.is_some()
        && root_of(schema, table).is_some_and(|root| root.write_disposition == Some(WriteDisposition::Merge))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn schema(disposition: WriteDisposition) -> Schema {
        let mut schema = Schema::new("src");
        let mut root = Table::root("t", "t", disposition);
        root.add(Column::new("id", DataType::Bigint));
        let mut untyped = Column::new("later", DataType::Text);
        untyped.data_type = None;
        root.add(untyped);
        root.mark_seen();
        let mut child = Table::child("t__c", "t");
        child.add(Column::new("value", DataType::Text));
        child.mark_seen();
        let unseen = Table::root("u", "u", disposition);
        for table in [root, child, unseen] {
            schema.tables.insert(table.name.clone(), table);
        }
        schema
    }

    fn check(disposition: WriteDisposition, existing: &[(&str, &[&str])], expected: &str) {
        let existing = existing
            .iter()
            .map(|(table, columns)| {
                ((*table).to_owned(), columns.iter().map(|column| (*column).to_owned()).collect())
            })
            .collect();
        let schema = schema(disposition);
        let changes = Changes::between(&schema, &existing);
        let mut found: Vec<_> = changes.created.iter().map(|table| format!("+{}", table.name)).collect();
        for added in &changes.added {
            let names: Vec<_> = added.columns.iter().map(|column| column.name.as_str()).collect();
            found.push(format!("{}({})", added.table.name, names.join(",")));
        }
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn only_what_is_missing_is_added() {
        use WriteDisposition::{Append, Merge};
        check(Append, &[], "+t +t__c");
        check(Append, &[("t", &["id"])], "+t__c");
        check(Append, &[("t", &["other"]), ("t__c", &["value"])], "t(id)");
        check(Append, &[("t", &["id", "more"]), ("t__c", &["value"])], "");
        check(Merge, &[("t", &["id"]), ("t__c", &["value"])], "t__c(_dlt_root_id)");
        check(Merge, &[("t", &["id"]), ("t__c", &["value", "_dlt_root_id"])], "");
    }
}
