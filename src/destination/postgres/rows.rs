//! Rows of a package into their table by binary `COPY`, one batch at a time.

use std::collections::HashMap;
use std::path::Path;

use arrow::array::RecordBatch;
use indexmap::IndexSet;

use super::super::sql::{Database, Row, SpillFile, Target, quote};
use super::super::{DestinationError, Repaired};
use super::copy::{CopyColumn, Encoder, ServerType};
use super::database::{ARRIVAL, OpenDataset};
use crate::normalize::TableRows;

/// Rows that are written at a time: while the server takes them in, the next ones are written.
const PIECE_ROWS: usize = 512;

/// Types of a table's columns: what the encoder writes, if it can, and the server's name of it.
type ServerTypes = HashMap<String, (Option<ServerType>, String)>;

/// Appends all rows to a target with `columns`. Columns that a file lacks get their default. Returns how many rows came.
pub(super) fn append(
    database: &OpenDataset,
    rows: &TableRows,
    columns: &IndexSet<String>,
    target: Target<'_>,
) -> Result<u64, DestinationError> {
    let name = match target {
        Target::Dataset(name) => database.table(name),
        Target::Temporary(name) => database.temporary(name),
    };
    let types = server_types(database, &rows.table, &name)?;
    let mut next_row = matches!(target, Target::Temporary(_)).then_some(0);
    let mut count = 0;
    for file in &rows.files {
        let copy = FileCopy { database, table: &rows.table, target: &name, types: &types };
        let copied = copy.run(file, columns, next_row)?;
        count += copied;
        next_row = next_row.map(|row| row + copied.cast_signed());
    }
    Ok(count)
}

/// One file on its way into a table.
struct FileCopy<'a> {
    database: &'a OpenDataset,
    /// Name of the table that the rows are for.
    table: &'a str,
    /// The table that they go to, for SQL.
    target: &'a str,
    types: &'a ServerTypes,
}

impl FileCopy<'_> {
    /// Copies all rows, numbered from `next_row` if they are to be numbered.
    fn run(
        &self,
        file: &Path,
        columns: &IndexSet<String>,
        next_row: Option<i64>,
    ) -> Result<u64, DestinationError> {
        let spill = SpillFile::open(file, columns)?;
        let fields = spill.fields();
        let mut names: Vec<_> = fields.iter().map(|field| quote(field.name())).collect();
        let columns = fields
            .iter()
            .map(|field| {
                let to = self.server_type(field.name())?;
                Ok(CopyColumn { name: field.name().clone(), from: field.data_type().clone(), to })
            })
            .collect::<Result<Vec<_>, DestinationError>>()?;
        let mut encoder = Encoder::new(self.table, columns)?;
        if let Some(next_row) = next_row {
            names.push(quote(ARRIVAL));
            encoder = encoder.with_row_numbers(next_row);
        }
        let sql = format!("COPY {} ({}) FROM STDIN (FORMAT BINARY)", self.target, names.join(", "));
        let mut is_started = false;
        let mut pieces = Pieces { spill, batch: None, next: 0 };
        let action = format_args!("append rows to table `{}`", self.table);
        let count = self.database.session.copy_in(&action, &sql, |buffer| {
            if !is_started {
                buffer.extend_from_slice(Encoder::HEADER);
                is_started = true;
            }
            let Some(piece) = pieces.next()? else {
                buffer.extend_from_slice(&Encoder::TRAILER);
                return Ok(false);
            };
            encoder.encode(&piece, buffer)?;
            Ok(true)
        })?;
        let repaired = encoder.repairs().map(|(column, value_count)| Repaired {
            table: self.table.to_owned(),
            column: column.to_owned(),
            value_count,
        });
        self.database.repaired.borrow_mut().extend(repaired);
        Ok(count)
    }

    fn server_type(&self, column: &str) -> Result<ServerType, DestinationError> {
        let failed = |reason: String| DestinationError::Statement {
            action: format!("append rows to table `{}`", self.table),
            reason,
        };
        match self.types.get(column) {
            Some((Some(known), _)) => Ok(*known),
            Some((None, name)) => Err(failed(format!(
                "its column `{column}` was made of type {name}, which rows are not written in"
            ))),
            None => Err(failed(format!("it has no column `{column}`"))),
        }
    }
}

/// The rows of a file, [`PIECE_ROWS`] at a time.
struct Pieces {
    spill: SpillFile,
    batch: Option<RecordBatch>,
    /// The first row of the batch that is still to come.
    next: usize,
}

impl Pieces {
    fn next(&mut self) -> Result<Option<RecordBatch>, DestinationError> {
        loop {
            if let Some(batch) = self.batch.as_ref().filter(|batch| self.next < batch.num_rows()) {
                let length = PIECE_ROWS.min(batch.num_rows() - self.next);
                let piece = batch.slice(self.next, length);
                self.next += length;
                return Ok(Some(piece));
            }
            (self.batch, self.next) = (self.spill.next_batch()?, 0);
            if self.batch.is_none() {
                return Ok(None);
            }
        }
    }
}

/// Types of the columns of a table, as they are now: somebody may have changed them.
fn server_types(database: &OpenDataset, table: &str, target: &str) -> Result<ServerTypes, DestinationError> {
    let rows = database.rows(
        &format_args!("read the column types of table `{table}`"),
        "SELECT attname::text, coalesce(nullif(typbasetype, 0), atttypid)::bigint, format_type(atttypid, atttypmod) \
         FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_type AS t ON t.oid = atttypid \
         WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped",
        &[target.into()],
    )?;
    let read = |row: &Row| {
        let server_type = u32::try_from(row.int(1)?).ok().and_then(ServerType::from_oid);
        Ok((row.text(0)?, (server_type, row.text(2)?)))
    };
    rows.iter().map(read).collect()
}
