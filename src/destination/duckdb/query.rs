//! Reading for people: SQL that cannot write.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};

use super::super::{DestinationError, QueryResult};
use super::connection::{DatabaseFile, failed};

/// UTC as an offset.
const OFFSET: &str = "+00:00";

/// Runs `sql` and keeps at most `limit` rows.
pub(super) fn query(
    database: &DatabaseFile,
    sql: &str,
    limit: Option<usize>,
) -> Result<QueryResult, DestinationError> {
    const ACTION: &str = "run the query";
    let error = |error: duckdb::Error| failed(ACTION, &error);
    let mut statement = database.connection().prepare(sql).map_err(error)?;
    // Rows are taken by `step`, which returns errors; the iterator panics on them.
    let schema = with_offsets(&statement.stream_arrow([]).map_err(error)?.get_schema());
    let mut result = QueryResult { schema, batches: Vec::new(), is_cut: false };
    let mut left = limit.unwrap_or(usize::MAX);
    while let Some(rows) = statement.step().map_err(error)? {
        let columns = RecordBatch::from(&rows).columns().iter().map(with_offset).collect();
        let batch = RecordBatch::try_new(result.schema.clone(), columns).map_err(|error| {
            DestinationError::Statement { action: ACTION.to_owned(), reason: error.to_string() }
        })?;
        if batch.num_rows() > left {
            result.is_cut = true;
            result.batches.push(batch.slice(0, left));
            break;
        }
        left -= batch.num_rows();
        result.batches.push(batch);
    }
    if result.batches.is_empty() {
        // So that the names of the columns are printed.
        result.batches.push(RecordBatch::new_empty(result.schema.clone()));
    }
    Ok(result)
}

/// Instants come in the zone `UTC`, a name that Arrow cannot print without a database of zones; as an offset it
/// can. Zones inside of lists and structs stay as they are.
fn with_offset(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            Arc::new(column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone(OFFSET))
        }
        _ => column.clone(),
    }
}

fn with_offsets(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some(OFFSET.into()));
            Arc::new(field.as_ref().clone().with_data_type(zoned))
        }
        _ => field.clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
