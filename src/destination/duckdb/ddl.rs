//! Tables and columns: what is there, and adding what is missing.

use super::super::DestinationError;
use super::super::chain::ROOT_ID;
use super::super::evolution::{Changes, ExistingTables, TableColumns};
use super::column_type::sql_type;
use super::connection::{Database, quote};
use crate::schema::{Column, Schema, Table};

/// Tables of the dataset with their columns. Empty if there is no dataset.
pub(super) fn existing_tables(database: &Database) -> Result<ExistingTables, DestinationError> {
    let names = database.rows(
        format_args!("list the tables of dataset `{}`", database.dataset_name()),
        "SELECT lower(table_name), lower(column_name) FROM duckdb_columns() \
         WHERE database_name = ? AND lower(schema_name) = lower(?) ORDER BY table_name, column_index",
        [database.catalog(), database.dataset_name()],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    )?;
    let mut tables = ExistingTables::new();
    for (table, column) in names {
        tables.entry(table).or_default().insert(column);
    }
    Ok(tables)
}

/// Creates the dataset if it is missing.
pub(super) fn create_dataset(database: &Database) -> Result<(), DestinationError> {
    let sql = format!("CREATE SCHEMA IF NOT EXISTS {}", database.dataset());
    database.execute_batch(format_args!("create dataset `{}`", database.dataset_name()), &sql)
}

/// Lets SQL name the tables of the dataset without it, if there is a dataset.
pub(super) fn use_dataset(database: &Database) {
    let _ = database.connection().execute_batch(&format!("USE {}", database.dataset()));
}

/// Makes the tables hold what a schema says.
///
/// Runs before any row is changed: DuckDB 1.5 refuses to commit an ALTER that follows a DELETE or UPDATE of the same
/// table.
pub(super) fn apply(database: &Database, changes: &Changes<'_>) -> Result<(), DestinationError> {
    for created in &changes.created {
        create_table(database, created)?;
    }
    for added in &changes.added {
        for column in &added.columns {
            add_column(database, &added.table.name, column)?;
        }
    }
    Ok(())
}

fn create_table(database: &Database, created: &TableColumns<'_>) -> Result<(), DestinationError> {
    let name = &created.table.name;
    let columns = created
        .columns
        .iter()
        .map(|column| {
            let not_null = if column.is_nullable() { "" } else { " NOT NULL" };
            Ok(format!("{} {}{not_null}", quote(&column.name), sql_type(name, column)?))
        })
        .collect::<Result<Vec<_>, DestinationError>>()?;
    let sql = format!("CREATE TABLE {} ({})", database.table(name), columns.join(", "));
    database.execute_batch(format_args!("create table `{name}`"), &sql)
}

/// Adds a nullable column, whatever the schema says: DuckDB adds no other kind, and rows that are there have no
/// value for it.
fn add_column(database: &Database, table: &str, column: &Column) -> Result<(), DestinationError> {
    let sql = format!(
        "ALTER TABLE {} ADD COLUMN {} {}",
        database.table(table),
        quote(&column.name),
        sql_type(table, column)?
    );
    database.execute_batch(format_args!("add column `{}` to table `{table}`", column.name), &sql)
}

/// Gives rows that are there the id of their root row where the column for it is new, so that they go when it is
/// replaced: the tables were appended to before they were merged. Runs after every ALTER.
pub(super) fn fill_root_ids(
    database: &Database,
    schema: &Schema,
    changes: &Changes<'_>,
) -> Result<(), DestinationError> {
    let has_new_root_id =
        |added: &&TableColumns<'_>| added.columns.iter().any(|column| column.name == ROOT_ID);
    let mut filled: Vec<_> = changes.added.iter().filter(has_new_root_id).collect();
    filled.sort_by_key(|added| depth(schema, added.table));
    filled.into_iter().try_for_each(|added| fill_root_ids_of(database, schema, added.table))
}

fn fill_root_ids_of(database: &Database, schema: &Schema, table: &Table) -> Result<(), DestinationError> {
    let Some(parent) = table.parent.as_ref().and_then(|name| schema.tables.get(name)) else {
        return Ok(());
    };
    let source = if parent.parent.is_none() { "_dlt_id" } else { ROOT_ID };
    let sql = format!(
        "UPDATE {} AS child SET {ROOT_ID} = parent.{source} FROM {} AS parent \
         WHERE child._dlt_parent_id = parent._dlt_id",
        database.table(&table.name),
        database.table(&parent.name),
    );
    database.execute(format_args!("fill column `{ROOT_ID}` of table `{}`", table.name), &sql, []).map(drop)
}

/// How many parents a table has.
fn depth(schema: &Schema, table: &Table) -> usize {
    let mut depth = 0;
    let mut table = table;
    if schema.root_of(table).is_none() {
        return depth;
    }
    while let Some(parent) = table.parent.as_ref().and_then(|name| schema.tables.get(name)) {
        depth += 1;
        table = parent;
    }
    depth
}
