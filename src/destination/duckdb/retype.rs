//! Columns that get another type, if every value that is there survives it.

use super::super::DestinationError;
use super::super::evolution::ExistingTables;
use super::column_type::sql_type;
use super::connection::{Database, quote};
use crate::normalize::Retype;
use crate::schema::{Column, Schema};

/// Whole numbers up to here are doubles without loss.
const LARGEST_EXACT_DOUBLE: &str = "9007199254740992";

/// Changes columns of tables that were there before the load. Those that have the type already stay as they are, and
/// so does whether null is allowed.
///
/// Runs before any row is changed: see [`super::ddl::apply`].
///
/// # Errors
/// [`DestinationError::CannotWiden`] if values would be lost.
pub(super) fn apply(
    database: &Database,
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

fn change(database: &Database, table: &str, column: &Column) -> Result<(), DestinationError> {
    let to = sql_type(table, column)?;
    let from = current_type(database, table, &column.name)?;
    if from.eq_ignore_ascii_case(&to) {
        return Ok(());
    }
    let is_empty = count(database, table, &column.name, "")? == 0;
    // Between some types there is no cast, and nulls need none.
    let conversion =
        if is_empty { Conversion::nulls(&to) } else { Conversion::between(&quote(&column.name), &from, &to) };
    let row_count = count(database, table, &column.name, &format!(" AND {}", conversion.loses))?;
    if row_count > 0 {
        let (table, column) = (table.to_owned(), column.name.clone());
        return Err(DestinationError::CannotWiden { table, column, from, to, row_count });
    }
    // The column is written anew as a whole, within the transaction.
    database.lift_memory_limit()?;
    let sql = format!(
        "ALTER TABLE {} ALTER COLUMN {} SET DATA TYPE {to} USING {}",
        database.table(table),
        quote(&column.name),
        conversion.value
    );
    let action = format_args!("change column `{}` of table `{table}` from {from} to {to}", column.name);
    database.execute_batch(action, &sql)
}

fn current_type(database: &Database, table: &str, column: &str) -> Result<String, DestinationError> {
    let data_type = database.first(
        format_args!("read the type of column `{column}` of table `{table}`"),
        "SELECT data_type FROM duckdb_columns() WHERE database_name = ? AND lower(schema_name) = lower(?) \
         AND lower(table_name) = lower(?) AND lower(column_name) = lower(?)",
        [database.catalog(), database.dataset_name(), table, column],
        |row| row.get(0),
    )?;
    Ok(data_type.unwrap_or_default())
}

/// How many values that are not null meet `condition`.
fn count(database: &Database, table: &str, column: &str, condition: &str) -> Result<u64, DestinationError> {
    let sql = format!(
        "SELECT count(*) FROM {} WHERE {} IS NOT NULL{condition}",
        database.table(table),
        quote(column)
    );
    let action = format_args!("check the values of column `{column}` of table `{table}`");
    Ok(database.first(action, &sql, [], |row| row.get(0))?.unwrap_or_default())
}

/// What becomes of a value.
struct Conversion {
    /// The new value.
    value: String,
    /// The condition that the new value is not the same.
    loses: String,
}

impl Conversion {
    /// For a column without values.
    fn nulls(to: &str) -> Self {
        Self { value: format!("CAST(NULL AS {to})"), loses: "false".to_owned() }
    }

    fn between(column: &str, from: &str, to: &str) -> Self {
        match (from, to) {
            (_, "VARCHAR") => Self { value: text(column, from), loses: "false".to_owned() },
            ("TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" | "HUGEINT", "DOUBLE") => Self {
                value: format!("CAST({column} AS DOUBLE)"),
                loses: format!("{column} NOT BETWEEN -{LARGEST_EXACT_DOUBLE} AND {LARGEST_EXACT_DOUBLE}"),
            },
            _ => {
                let value = format!("TRY_CAST({column} AS {to})");
                let loses = format!("TRY_CAST({value} AS {from}) IS DISTINCT FROM {column}");
                Self { value, loses }
            }
        }
    }
}

/// The text of a value, as dlt writes it into a column of text: Python's words for numbers (the shortest text that reads
/// back as the same double) and truth values, Base64 for bytes. Instants are ISO 8601, in UTC.
fn text(column: &str, from: &str) -> String {
    let without_zeros = |text: &str| format!("regexp_replace({text}, '\\.?0+$', '')");
    match from {
        "BOOLEAN" => format!("CASE WHEN {column} THEN 'True' WHEN NOT {column} THEN 'False' END"),
        "BLOB" => format!("to_base64({column})"),
        "TIMESTAMP WITH TIME ZONE" => {
            let utc = format!("make_timestamp(epoch_us({column}))");
            format!("{} || 'Z'", without_zeros(&format!("strftime({utc}, '%Y-%m-%dT%H:%M:%S.%f')")))
        }
        decimal if decimal.starts_with("DECIMAL") && !decimal.ends_with(",0)") => {
            without_zeros(&format!("CAST({column} AS VARCHAR)"))
        }
        naive if naive.starts_with("TIMESTAMP") => format!("replace(CAST({column} AS VARCHAR), ' ', 'T')"),
        _ => format!("CAST({column} AS VARCHAR)"),
    }
}
