//! What a dataset answers those who look at it.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::RunRecord;
use crate::state::LoadId;

/// One row of `_forebay_runs`, as stored.
#[derive(Debug, Clone)]
pub struct StoredRun {
    /// The load that committed it.
    pub load_id: LoadId,
    /// Name of the pipeline.
    pub pipeline: String,
    /// What the resource did.
    pub record: RunRecord,
    /// Version of forebay that wrote it.
    pub forebay_version: String,
}

/// One row of `_forebay_columns`: where a column comes from, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnOrigin {
    /// Name of the table.
    pub table: String,
    /// Name of the column.
    pub column: String,
    /// Path from the row of the resource: `$.planConnections[*].planId`.
    pub source_path: String,
    /// The first load with rows that had it.
    pub load_id: LoadId,
    /// When that load was written, in Unix microseconds.
    pub first_seen: i64,
}

/// The answer to a query.
#[derive(Debug, Clone)]
pub struct QueryResult {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Whether there were more rows than asked for.
    pub is_cut: bool,
}
