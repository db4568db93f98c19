//! Rows of a package into their table, one batch at a time.

use std::path::Path;

use indexmap::IndexSet;

use super::super::DestinationError;
use super::super::sql::{SpillFile, Target};
use super::connection::{DatabaseFile, failed};
use crate::normalize::TableRows;

/// Rows that DuckDB's appender gathers before it writes them to the table. With its own limit of 204,800 a load of
/// wide rows takes twice the memory and no less time.
const FLUSH_ROWS: usize = 5_000;

/// Appends all rows to a target with `columns`. Columns that a file lacks are null. Returns how many rows came.
pub(super) fn append(
    database: &DatabaseFile,
    rows: &TableRows,
    columns: &IndexSet<String>,
    target: Target<'_>,
) -> Result<u64, DestinationError> {
    rows.files
        .iter()
        .try_fold(0, |count, file| Ok(count + append_file(database, &rows.table, columns, target, file)?))
}

fn append_file(
    database: &DatabaseFile,
    table: &str,
    columns: &IndexSet<String>,
    target: Target<'_>,
    file: &Path,
) -> Result<u64, DestinationError> {
    let mut spill = SpillFile::open(file, columns)?;
    let fields = spill.fields();
    let action = format_args!("append rows to table `{table}`");
    let names: Vec<_> = fields.iter().map(|field| field.name().as_str()).collect();
    let (name, catalog, dataset) = match target {
        Target::Dataset(name) => (name, database.catalog(), database.dataset_name()),
        Target::Temporary(name) => (name, "temp", "main"),
    };
    let mut appender = database
        .connection()
        .appender_with_columns_to_catalog_and_db(name, catalog, dataset, &names)
        .map_err(|error| failed(action, &error))?;
    let (mut count, mut unflushed) = (0, 0);
    while let Some(batch) = spill.next_batch()? {
        count += batch.num_rows();
        unflushed += batch.num_rows();
        appender.append_record_batch(batch).map_err(|error| failed(action, &error))?;
        if unflushed >= FLUSH_ROWS {
            appender.flush().map_err(|error| failed(action, &error))?;
            unflushed = 0;
        }
    }
    #[cfg(test)]
    super::super::failpoint::pass();
    appender.flush().map_err(|error| failed(action, &error))?;
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}
