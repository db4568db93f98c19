//! What a database lacks of a schema. Columns and tables are only ever added, as in dlt.

use indexmap::{IndexMap, IndexSet};

use super::Deletes;
use super::chain::ROOT_ID;
use crate::schema::{Column, DELETED_AT, DataType, DeleteMode, Hint, MergeStrategy, Schema, Table};

/// Tables of a dataset with their columns, all in lower case, in the order of the database.
pub(crate) type ExistingTables = IndexMap<String, IndexSet<String>>;

/// What has to be added before rows of a schema fit.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    /// Tables to create, with all their columns.
    pub(crate) created: Vec<TableColumns<'a>>,
    /// Columns to add to tables that are there.
    pub(crate) added: Vec<TableColumns<'a>>,
}

/// Columns that one table gets.
#[derive(Debug)]
pub(crate) struct TableColumns<'a> {
    /// The table.
    pub(crate) table: &'a Table,
    /// The columns, in the order of the schema.
    pub(crate) columns: Vec<Column>,
}

impl<'a> Changes<'a> {
    /// Compares `schema` with what is there. Tables without seen data and columns without a type do not count.
    ///
    /// Two columns are added even where the schema does not list them. Children of merged tables get `_dlt_root_id`:
    /// a table that was appended to before learns of the column only with its next row, but its rows have to go with
    /// their root now. Tables in which `deletes` marks rows get the column for it, which dlt need not know.
    pub(crate) fn between(schema: &'a Schema, deletes: &[Deletes], existing: &ExistingTables) -> Self {
        let mut changes = Self::default();
        for table in schema.tables.values().filter(|table| table.has_seen_data()) {
            let unlisted = unlisted_columns(schema, deletes, table);
            let unlisted = unlisted.into_iter().filter(|column| !table.columns.contains_key(&column.name));
            let mut columns: Vec<Column> = typed_columns(table).cloned().chain(unlisted).collect();
            let Some(there) = existing.get(&table.name.to_lowercase()) else {
                changes.created.push(TableColumns { table, columns });
                continue;
            };
            columns.retain(|column| !there.contains(&column.name.to_lowercase()));
            if !columns.is_empty() {
                changes.added.push(TableColumns { table, columns });
            }
        }
        changes
    }

    /// Whether all of the schema is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.created.is_empty() && self.added.is_empty()
    }
}

/// Columns that are in the database: those of a known type.
fn typed_columns(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.values().filter(|column| column.data_type.is_some())
}

fn unlisted_columns(schema: &Schema, deletes: &[Deletes], table: &Table) -> Vec<Column> {
    let mut columns = Vec::new();
    if needs_root_id(schema, table) {
        columns.push(Column::new(ROOT_ID, DataType::Text).not_null().with(Hint::RootKey));
    }
    if deletes.iter().any(|deletes| deletes.table == table.name && deletes.mode == DeleteMode::Soft) {
        columns.push(Column::new(DELETED_AT, DataType::Timestamp));
    }
    columns
}

/// Whether rows of a child table go by the id of their root row. Those of old versions never go.
fn needs_root_id(schema: &Schema, table: &Table) -> bool {
    table.parent.is_some()
        && schema
            .root_of(table)
            .and_then(Table::merge_strategy)
            .is_some_and(|strategy| strategy != MergeStrategy::Scd2)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::schema::WriteDisposition;

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
        check_schema(&schema(disposition), &[], existing, expected);
    }

    fn check_schema(schema: &Schema, deletes: &[Deletes], existing: &[(&str, &[&str])], expected: &str) {
        let existing = existing
            .iter()
            .map(|(table, columns)| {
                ((*table).to_owned(), columns.iter().map(|column| (*column).to_owned()).collect())
            })
            .collect();
        let changes = Changes::between(schema, deletes, &existing);
        let show = |sign: &str, part: &TableColumns<'_>| {
            let names: Vec<_> = part.columns.iter().map(|column| column.name.as_str()).collect();
            format!("{sign}{}({})", part.table.name, names.join(","))
        };
        let created = changes.created.iter().map(|part| show("+", part));
        let found: Vec<_> = created.chain(changes.added.iter().map(|part| show("", part))).collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn only_what_is_missing_is_added() {
        use WriteDisposition::{Append, Merge};
        check(Append, &[], "+t(id) +t__c(value)");
        check(Append, &[("t", &["id"])], "+t__c(value)");
        check(Append, &[("t", &["other"]), ("t__c", &["value"])], "t(id)");
        check(Append, &[("t", &["id", "more"]), ("t__c", &["value"])], "");
        check(Merge, &[("t", &["id"]), ("t__c", &["value"])], "t__c(_dlt_root_id)");
        check(Merge, &[("t", &["id"]), ("t__c", &["value", "_dlt_root_id"])], "");
        check(Merge, &[("t", &["id"])], "+t__c(value,_dlt_root_id)");
    }

    #[test]
    fn children_of_versions_need_no_root_id() {
        let mut schema = schema(WriteDisposition::Merge);
        schema.tables["t"].other.insert("x-merge-strategy".to_owned(), "scd2".into());
        check_schema(&schema, &[], &[("t", &["id"]), ("t__c", &["value"])], "");
    }

    #[test]
    fn marks_of_deleted_rows_have_a_column() {
        let schema = schema(WriteDisposition::Merge);
        let check = |mode, existing: &[(&str, &[&str])], expected| {
            let deletes = Deletes { table: "t".to_owned(), mode, max_share: 0.5 };
            check_schema(&schema, &[deletes], existing, expected);
        };
        let child: (&str, &[&str]) = ("t__c", &["value", "_dlt_root_id"]);
        check(DeleteMode::Soft, &[child], "+t(id,_forebay_deleted_at)");
        check(DeleteMode::Soft, &[child, ("t", &["id"])], "t(_forebay_deleted_at)");
        check(DeleteMode::Soft, &[child, ("t", &["id", DELETED_AT])], "");
        check(DeleteMode::Hard, &[child, ("t", &["id"])], "");
    }
}
