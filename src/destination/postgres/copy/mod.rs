//! Arrow batches as the server's binary COPY format, written straight from the arrays.
//!
//! A row is the number of its fields and, for each, a length and the value as the type's `recv` function reads it. The
//! server converts nothing, so each column is written in the type that it has there.

mod conversion;
mod json;
mod numeric;
mod server_type;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;

use self::conversion::{Cells, Conversion, Written};
use super::super::DestinationError;

pub(crate) use server_type::ServerType;

/// What a column's rows hold, and what the server has for them.
#[derive(Debug, Clone)]
pub(crate) struct CopyColumn {
    /// Its name, for messages.
    pub(crate) name: String,
    /// The type in the batches.
    pub(crate) from: DataType,
    /// The type in the server.
    pub(crate) to: ServerType,
}

/// Writes the rows of one table, batch after batch.
///
/// The stream is [`Encoder::HEADER`], all that [`Encoder::encode`] writes, and [`Encoder::TRAILER`].
#[derive(Debug)]
pub(crate) struct Encoder {
    table: String,
    columns: Vec<EncodedColumn>,
    /// Number of the next row, if rows are numbered.
    next_row: Option<i64>,
}

#[derive(Debug)]
struct EncodedColumn {
    column: CopyColumn,
    conversion: Conversion,
    repaired: u64,
}

impl Encoder {
    /// What comes before the rows: the signature, no flags, no extension.
    pub(crate) const HEADER: &'static [u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    /// What comes after them.
    pub(crate) const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

    /// An encoder of batches that have these columns, in this order.
    ///
    /// # Errors
    /// There is a column whose values cannot be written in the server's type.
    pub(crate) fn new(table: &str, columns: Vec<CopyColumn>) -> Result<Self, DestinationError> {
        let encoded = |column: CopyColumn| match Conversion::between(&column.from, column.to) {
            Some(conversion) => Ok(EncodedColumn { column, conversion, repaired: 0 }),
            None => {
                let CopyColumn { name, from, to } = column;
                Err(failed(table, format!("column `{name}` is of type {to} there, which takes no {from}")))
            }
        };
        let columns = columns.into_iter().map(encoded).collect::<Result<_, _>>()?;
        Ok(Self { table: table.to_owned(), columns, next_row: None })
    }

    /// The same encoder with a last column more, of type `bigint`: the number of the row, counted from `first` over all
    /// batches.
    #[must_use]
    pub(crate) fn with_row_numbers(self, first: i64) -> Self {
        Self { next_row: Some(first), ..self }
    }

    /// Writes the rows of a batch.
    ///
    /// # Errors
    /// The batch has other columns than the encoder is for, or a value that its column in the server cannot hold.
    /// A part of the batch may have been written then.
    pub(crate) fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), DestinationError> {
        let arrays = batch.columns();
        if arrays.len() != self.columns.len() {
            let reason = format!("there are {} columns instead of {}", arrays.len(), self.columns.len());
            return Err(failed(&self.table, reason));
        }
        let cells = |(column, array)| {
            let EncodedColumn { column: CopyColumn { name, from, .. }, conversion, .. }: &EncodedColumn =
                column;
            Cells::of(array, *conversion).ok_or_else(|| {
                failed(&self.table, format!("column `{name}` has {} instead of {from}", array.data_type()))
            })
        };
        let cells = self.columns.iter().zip(arrays).map(cells).collect::<Result<Vec<_>, _>>()?;
        // A table has 1,600 columns at most.
        let count = (cells.len() + usize::from(self.next_row.is_some())) as u16;
        for row in 0..batch.num_rows() {
            out.extend_from_slice(&count.to_be_bytes());
            for ((cells, column), array) in cells.iter().zip(&mut self.columns).zip(arrays) {
                match cells.write(row, out) {
                    Written::Whole => (),
                    Written::Repaired => column.repaired += 1,
                    Written::Misfit => return Err(misfit(&self.table, &column.column, array, row)),
                }
            }
            if let Some(number) = &mut self.next_row {
                out.extend_from_slice(&(size_of::<i64>() as u32).to_be_bytes());
                out.extend_from_slice(&number.to_be_bytes());
                *number += 1;
            }
        }
        Ok(())
    }

    /// Columns whose values were changed so that the server takes them, and how many were: text lost its NULs, JSON its
    /// NULs and halves of surrogate pairs, and numbers in JSON that are too long became strings.
    pub(crate) fn repairs(&self) -> impl Iterator<Item = (&str, u64)> {
        let repaired = self.columns.iter().filter(|column| column.repaired > 0);
        repaired.map(|column| (column.column.name.as_str(), column.repaired))
    }
}

fn misfit(table: &str, column: &CopyColumn, array: &ArrayRef, row: usize) -> DestinationError {
    let CopyColumn { name, to, .. } = column;
    let value = array_value_to_string(array, row).unwrap_or_else(|error| error.to_string());
    failed(table, format!("{value} does not fit into column `{name}`, which is of type {to} there"))
}

fn failed(table: &str, reason: String) -> DestinationError {
    DestinationError::Statement { action: format!("append rows to table `{table}`"), reason }
}
