//! Reading for people: SQL that cannot write.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::super::DestinationError;
use super::connection::{Database, failed};

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

/// Runs `sql` and keeps at most `limit` rows.
pub(super) fn query(
    database: &Database,
    sql: &str,
    limit: Option<usize>,
) -> Result<QueryResult, DestinationError> {
    const ACTION: &str = "run the query";
    let error = |error: duckdb::Error| failed(ACTION, &error);
    let mut statement = database.connection().prepare(sql).map_err(error)?;
    // Rows are taken by `step`, which returns errors; the iterator panics on them.
    let schema = statement.stream_arrow([]).map_err(error)?.get_schema();
    let mut result = QueryResult { schema, batches: Vec::new(), is_cut: false };
    let mut left = limit.unwrap_or(usize::MAX);
    while let Some(rows) = statement.step().map_err(error)? {
        let batch = RecordBatch::from(&rows);
        if batch.num_rows() > left {
            result.is_cut = true;
            result.batches.push(batch.slice(0, left));
            break;
        }
        left -= batch.num_rows();
        result.batches.push(batch);
    }
    Ok(result)
}
