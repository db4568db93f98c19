//! Rows → tables → Arrow. Pure but for the spill files that keep memory bounded.
//!
//! A row is taken apart as text: scalars of the row first, then nested objects (the last one first), then lists,
//! whose elements become rows of child tables. That is dlt's order, and with it the order of new columns.

mod column;
mod error;
mod ids;
mod root;
mod row;
mod scan;
mod shape;
mod spill;
mod store;
mod table;

use std::path::PathBuf;

use serde_json::value::RawValue;

pub use error::{NormalizeError, Warning, WarningKind};
pub use root::RootTable;

use crate::schema::Schema;
use crate::state::LoadId;
use row::Rows;

/// The outcome of normalizing a package: settled schema, rows as Arrow IPC files.
#[derive(Debug)]
pub struct Normalized {
    /// The schema with every change the rows needed, not bumped yet.
    pub schema: Schema,
    /// Tables that got rows, parents before children.
    pub tables: Vec<TableRows>,
}

/// Rows of one table.
#[derive(Debug)]
pub struct TableRows {
    /// Name of the table in [`Normalized::schema`].
    pub table: String,
    /// How many rows there are.
    pub row_count: u64,
    /// Arrow IPC streams, in order. A file lacks columns that none of its rows has a value for: they are null.
    pub files: Vec<PathBuf>,
}

/// Turns rows of a package into tables.
///
/// Memory is bounded by the batches that are not written yet, about 32 MB, and by what is known of the shape of
/// rows. After an error the normalizer is of no use; its files may be removed.
#[derive(Debug)]
pub struct Normalizer {
    rows: Rows,
}

impl Normalizer {
    /// A normalizer for rows of `roots`, onto the tables of `schema`. Files go to `spill_dir`, which is there;
    /// names are at most `max_identifier_length` bytes long.
    pub fn new(
        schema: Schema,
        roots: Vec<RootTable>,
        load_id: LoadId,
        spill_dir: PathBuf,
        max_identifier_length: usize,
    ) -> Self {
        Self { rows: Rows::new(schema, roots, load_id, spill_dir, max_identifier_length) }
    }

    /// Adds a row of the root table `root`, an index into what [`Normalizer::new`] was given. `extra` are fields
    /// that do not stand in the row itself.
    ///
    /// # Errors
    /// A key is missing or null, a value fits nowhere, or the disk is full.
    pub fn row(
        &mut self,
        root: usize,
        row: &RawValue,
        extra: &[(&str, &RawValue)],
    ) -> Result<(), NormalizeError> {
        self.rows.root(root, row.get(), extra)
    }

    /// What was settled by a rule so far, in the order it first happened.
    pub fn warnings(&self) -> &[Warning] {
        self.rows.warnings()
    }

    /// Writes the last batches.
    ///
    /// # Errors
    /// A key was in no row, or the disk is full.
    pub fn finish(self) -> Result<Normalized, NormalizeError> {
        self.rows.finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
