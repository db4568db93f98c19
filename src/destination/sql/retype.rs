//! Columns that get another type, if every value that is there survives it.

use super::super::DestinationError;
use super::super::evolution::ExistingTables;
use super::database::{Database, quote};
use crate::normalize::Retype;
use crate::schema::{Column, Schema};

/// Changes columns of tables that were there before the load. Those that have the type already stay as they are, and
/// so does whether null is allowed.
///
/// Runs before any row is changed: see [`super::ddl::apply`].
///
/// # Errors
/// [`DestinationError::CannotWiden`] if values would be lost.
pub(crate) fn apply(
    database: &dyn Database,
    schema: &Schema,
    retyped: &[Retype],
    existing: &ExistingTables,
) -> Result<(), DestinationError> {
    let is_there = |retype: &&Retype| {
        existing
            .get(&retype.table.to_lowercase())
            .is_some_and(|columns| columns.contains(&retype.column.to_lowercase()))
    };
    for retype in retyped.iter().filter(is_there) {
        let listed = schema.tables.get(&retype.table).and_then(|table| table.columns.get(&retype.column));
        if let Some(column) = listed {
            change(database, &retype.table, column)?;
        }
    }
    Ok(())
}

fn change(database: &dyn Database, table: &str, column: &Column) -> Result<(), DestinationError> {
    let to = database.sql_type(table, column)?;
    let from = database.current_type(table, &column.name)?;
    if from.eq_ignore_ascii_case(&to) {
        return Ok(());
    }
    convert(database, table, column, &from, &to).map_err(|error| match error {
        // A view or an index of somebody's may be in the way, or a value that the engine fails on.
        DestinationError::Statement { reason, .. } => {
            let (table, column) = (table.to_owned(), column.name.clone());
            DestinationError::CannotRetype { table, column, from, to, reason }
        }
        other => other,
    })
}

fn convert(
    database: &dyn Database,
    table: &str,
    column: &Column,
    from: &str,
    to: &str,
) -> Result<(), DestinationError> {
    let is_empty = count(database, table, &column.name, "")? == 0;
    // Between some types there is no cast, and nulls need none.
    let conversion =
        if is_empty { Conversion::nulls(to) } else { database.conversion(&quote(&column.name), from, to) };
    let row_count = count(database, table, &column.name, &format!(" AND {}", conversion.loses))?;
    if row_count > 0 {
        let (table, column) = (table.to_owned(), column.name.clone());
        let (from, to) = (from.to_owned(), to.to_owned());
        return Err(DestinationError::CannotWiden { table, column, from, to, row_count });
    }
    // The column is written anew as a whole, within the transaction.
    database.before_changes()?;
    let sql = format!(
        "ALTER TABLE {} ALTER COLUMN {} SET DATA TYPE {to} USING {}",
        database.table(table),
        quote(&column.name),
        conversion.value
    );
    let action = format_args!("change column `{}` of table `{table}` from {from} to {to}", column.name);
    database.execute_batch(&action, &sql)
}

/// How many values that are not null meet `condition`.
fn count(
    database: &dyn Database,
    table: &str,
    column: &str,
    condition: &str,
) -> Result<u64, DestinationError> {
    let sql = format!(
        "SELECT count(*) FROM {} WHERE {} IS NOT NULL{condition}",
        database.table(table),
        quote(column)
    );
    let action = format_args!("check the values of column `{column}` of table `{table}`");
    database.count(&action, &sql)
}

/// What becomes of a value.
#[derive(Debug)]
pub(crate) struct Conversion {
    /// The new value.
    pub(crate) value: String,
    /// The condition that the new value is not the same.
    pub(crate) loses: String,
}

impl Conversion {
    /// For a column without values.
    fn nulls(to: &str) -> Self {
        Self { value: format!("CAST(NULL AS {to})"), loses: "false".to_owned() }
    }
}
