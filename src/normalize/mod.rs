//! Rows → tables → Arrow. Pure but for the spill files that keep memory bounded.
//!
//! A row is taken apart as text: scalars of the row first, then nested objects (the last one first), then lists,
//! whose elements become rows of child tables. That is dlt's order, and with it the order of new columns.

mod apart;
mod canonical;
mod column;
mod contract;
mod error;
mod finish;
mod hints;
mod ids;
mod put;
mod retype;
mod root;
mod roots;
mod row;
mod scan;
mod shape;
mod spill;
mod store;
mod table;

use std::path::PathBuf;

use serde_json::value::RawValue;

pub use error::{Discarded, Example, NormalizeError, Warning, WarningKind};
pub(crate) use retype::replace as replace_retype;
pub use root::RootTable;

use crate::schema::{Capabilities, DataType, Schema, SchemaOptions};
use crate::state::LoadId;
use row::Rows;

/// The outcome of normalizing a package: settled schema, rows as Arrow IPC files.
#[derive(Debug)]
pub struct Normalized {
    /// The schema with every change the rows needed, not bumped yet.
    pub schema: Schema,
    /// Tables that got rows, parents before children; of tables with versions also those whose rows were all let go.
    pub tables: Vec<TableRows>,
    /// Columns that an earlier load made with another type than they have in [`Normalized::schema`] now.
    pub retyped: Vec<Retype>,
    /// Where in the rows the columns of this package come from.
    pub origins: Vec<Origin>,
}

/// A column that gets another type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retype {
    /// Name of the table.
    pub table: String,
    /// Name of the column.
    pub column: String,
    /// The type it gets.
    pub data_type: DataType,
}

/// Where a column comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name of the table.
    pub table: String,
    /// Name of the column.
    pub column: String,
    /// Path from the row of the resource, keys as the API has them: `$.planConnections[*].planId`.
    pub path: String,
}

/// What a normalizer is to do.
#[derive(Debug)]
pub struct NormalizeJob {
    /// The schema that the destination has.
    pub schema: Schema,
    /// The root tables that rows are for.
    pub roots: Vec<RootTable>,
    /// The package.
    pub load_id: LoadId,
    /// Where files go; it is there.
    pub spill_dir: PathBuf,
    /// What the destination can hold.
    pub capabilities: Capabilities,
    /// What goes beyond dlt's rules.
    pub options: SchemaOptions,
    /// Columns that get another type: what earlier tries with the same rows asked for. One that is listed with the
    /// type it has is not to be widened: its misfits go to variant columns.
    pub retyped: Vec<Retype>,
}

/// Column of files that no table has: the number of the root row that a row came with, for tables whose rows have ids
/// that follow from their key. Such a row may come twice in a load, and its children have the same ids then. No field
/// gets a name with an underscore at its end.
pub(crate) const TURN: &str = "_forebay_turn_";

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
    /// A normalizer without rows yet.
    pub fn new(job: NormalizeJob) -> Self {
        Self { rows: Rows::new(job) }
    }

    /// Adds a row of the root table `root`, an index into [`NormalizeJob::roots`]. `extra` are fields that do not
    /// stand in the row itself.
    ///
    /// # Errors
    /// A key is missing or null, a value fits nowhere, its contract forbids the row, or the disk is full.
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
    /// The disk is full, or columns need other types: then the package is to be normalized again.
    pub fn finish(self) -> Result<Normalized, NormalizeError> {
        self.rows.finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
