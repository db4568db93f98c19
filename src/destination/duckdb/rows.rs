//! Rows of a package into their table, one batch at a time.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use indexmap::IndexSet;

use super::super::DestinationError;
use super::super::sql::Target;
use super::connection::{DatabaseFile, failed};
use crate::normalize::{TURN, TableRows};

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
    let unreadable = |error: ArrowError| spill_error(file, &error);
    let opened = File::open(file).map_err(|error| spill_error(file, &error))?;
    let reader = StreamReader::try_new(BufReader::new(opened), None).map_err(unreadable)?;
    let fields = Fields::of(&reader.schema(), columns);
    let action = format_args!("append rows to table `{table}`");
    let names: Vec<_> = fields.known.iter().map(|(_, name)| name.as_str()).collect();
    let (name, catalog, dataset) = match target {
        Target::Dataset(name) => (name, database.catalog(), database.dataset_name()),
        Target::Temporary(name) => (name, "temp", "main"),
    };
    let mut appender = database
        .connection()
        .appender_with_columns_to_catalog_and_db(name, catalog, dataset, &names)
        .map_err(|error| failed(action, &error))?;
    let (mut count, mut unflushed) = (0, 0);
    for batch in reader {
        let batch = batch.map_err(unreadable)?;
        count += batch.num_rows();
        unflushed += batch.num_rows();
        let batch = fields.select(&batch).map_err(unreadable)?;
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

fn spill_error(file: &Path, error: &impl std::fmt::Display) -> DestinationError {
    DestinationError::Spill { file: file.display().to_string(), reason: error.to_string() }
}

/// Fields of a file: those that the table has, and others, which may only hold nulls. [`TURN`] is none of either where
/// rows go to their table at once.
struct Fields {
    known: Vec<(usize, String)>,
    unknown: Vec<(usize, String)>,
}

impl Fields {
    fn of(schema: &SchemaRef, columns: &IndexSet<String>) -> Self {
        let fields = schema.fields().iter().enumerate().map(|(index, field)| (index, field.name().clone()));
        let (known, unknown): (Vec<_>, Vec<_>) =
            fields.partition(|(_, name)| columns.contains(&name.to_lowercase()));
        let unknown = unknown.into_iter().filter(|(_, name)| name != TURN).collect();
        Self { known, unknown }
    }

    fn select(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let has_value =
            |&&(index, _): &&(usize, String)| batch.column(index).logical_null_count() < batch.num_rows();
        if let Some((_, name)) = self.unknown.iter().find(has_value) {
            return Err(ArrowError::SchemaError(format!("column `{name}` is not in the table")));
        }
        let known: Vec<_> = self.known.iter().map(|(index, _)| *index).collect();
        batch.project(&known)
    }
}
