//! Rows → tables → Arrow. Pure but for the spill files that keep memory bounded.

use std::path::PathBuf;

use crate::schema::Schema;

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
    /// Arrow IPC streams, in order. A file may lack columns that were met later: they are null in it.
    pub files: Vec<PathBuf>,
}
