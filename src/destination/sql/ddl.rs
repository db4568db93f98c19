//! Tables and columns: what is there, and adding what is missing.

use super::super::DestinationError;
use super::super::chain::ROOT_ID;
use super::super::evolution::{Changes, TableColumns};
use super::database::{Database, quote};
use crate::schema::{Column, Hint, Schema, Table};

/// Makes the tables hold what a schema says.
///
/// Runs before any row is changed: DuckDB 1.5 refuses to commit an ALTER that follows a DELETE or UPDATE of the same
/// table.
pub(crate) fn apply(database: &dyn Database, changes: &Changes<'_>) -> Result<(), DestinationError> {
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

fn create_table(database: &dyn Database, created: &TableColumns<'_>) -> Result<(), DestinationError> {
    let name = &created.table.name;
    let columns = created
        .columns
        .iter()
        .map(|column| {
            let not_null = if column.is_nullable() { "" } else { " NOT NULL" };
            Ok(format!("{} {}{not_null}", quote(&column.name), database.sql_type(name, column)?))
        })
        .collect::<Result<Vec<_>, DestinationError>>()?;
    let sql = format!("CREATE TABLE {} ({})", database.table(name), columns.join(", "));
    database.execute_batch(&format_args!("create table `{name}`"), &sql)
}

/// Declares columns of new tables unique, as dlt does where an engine takes it. Runs once the rows are in: the index is
/// sorted in one go then, which takes a fraction of the time of as many single entries.
pub(crate) fn make_unique(database: &dyn Database, changes: &Changes<'_>) -> Result<(), DestinationError> {
    if !database.dialect().has_unique {
        return Ok(());
    }
    for TableColumns { table, columns } in &changes.created {
        let name = database.table(&table.name);
        let unique = columns.iter().filter(|column| column.says(Hint::Unique.key()));
        let added: Vec<_> = unique.map(|column| format!("ADD UNIQUE ({})", quote(&column.name))).collect();
        if !added.is_empty() {
            let action = format_args!("declare columns of table `{}` unique", table.name);
            database.execute_batch(&action, &format!("ALTER TABLE {name} {}", added.join(", ")))?;
        }
    }
    Ok(())
}

/// Adds a nullable column, whatever the schema says: rows that are there have no value for it.
fn add_column(database: &dyn Database, table: &str, column: &Column) -> Result<(), DestinationError> {
    let sql = format!(
        "ALTER TABLE {} ADD COLUMN {} {}",
        database.table(table),
        quote(&column.name),
        database.sql_type(table, column)?
    );
    database.execute_batch(&format_args!("add column `{}` to table `{table}`", column.name), &sql)
}

/// Gives rows that are there the id of their root row where the column for it is new, so that they go when it is
/// replaced: the tables were appended to before they were merged. Runs after every ALTER.
pub(crate) fn fill_root_ids(
    database: &dyn Database,
    schema: &Schema,
    changes: &Changes<'_>,
) -> Result<(), DestinationError> {
    let has_new_root_id =
        |added: &&TableColumns<'_>| added.columns.iter().any(|column| column.name == ROOT_ID);
    let mut filled: Vec<_> = changes.added.iter().filter(has_new_root_id).collect();
    filled.sort_by_key(|added| depth(schema, added.table));
    filled.into_iter().try_for_each(|added| fill_root_ids_of(database, schema, added.table))
}

fn fill_root_ids_of(database: &dyn Database, schema: &Schema, table: &Table) -> Result<(), DestinationError> {
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
    database.execute(&format_args!("fill column `{ROOT_ID}` of table `{}`", table.name), &sql, &[]).map(drop)
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
