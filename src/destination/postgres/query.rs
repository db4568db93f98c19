//! Reading for people: SQL that cannot write.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgColumn, PgRow};
use sqlx::{AssertSqlSafe, Column, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef};

use super::super::sql::{Database, literal, quote};
use super::super::{DestinationError, QueryResult};
use super::database::OpenDataset;

const ACTION: &str = "run the query";

/// Runs `sql` and keeps at most `limit` rows. Tables of the dataset need no prefix.
pub(super) fn query(
    database: &OpenDataset,
    sql: &str,
    limit: Option<usize>,
) -> Result<QueryResult, DestinationError> {
    let begin = format!(
        "BEGIN READ ONLY; SELECT set_config('search_path', {} || ', ' || current_setting('search_path'), true)",
        literal(&quote(&database.dataset))
    );
    database.execute_batch(&ACTION, &begin)?;
    let limit = limit.unwrap_or(usize::MAX);
    let (columns, rows) = database.session.run(&ACTION, async |connection| {
        // Preparing tells the columns, and refuses more than one statement: a second one could end the transaction
        // that may only read.
        let prepared = connection.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str()).await?;
        let columns: Vec<PgColumn> = prepared.columns().to_vec();
        // By the simple protocol: all values come as text, those of types that the driver does not know, too.
        let mut answer = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch(&mut *connection);
        let mut rows = Vec::new();
        while let Some(row) = answer.try_next().await? {
            rows.push(texts(&row)?);
            if rows.len() > limit {
                break;
            }
        }
        Ok((columns, rows))
    })?;
    let is_cut = rows.len() > limit;
    let rows = &rows[..rows.len().min(limit)];
    let kinds: Vec<_> = columns.iter().map(|column| Kind::of(column.type_info().name())).collect();
    let fields =
        columns.iter().zip(&kinds).map(|(column, kind)| Field::new(column.name(), kind.arrow(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = kinds.iter().enumerate().map(|(index, kind)| kind.array(rows, index)).collect();
    let batch = RecordBatch::try_new_with_options(
        Arc::clone(&schema),
        arrays,
        &arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len())),
    );
    let batch = batch.map_err(|error| DestinationError::Statement {
        action: ACTION.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(QueryResult { schema, batches: vec![batch], is_cut })
}

fn texts(row: &PgRow) -> sqlx::Result<Vec<Option<String>>> {
    let text = |index: usize| {
        let value = row.try_get_raw(index)?;
        if value.is_null() {
            return Ok(None);
        }
        value.as_str().map(|text| Some(text.to_owned())).map_err(sqlx::Error::Decode)
    };
    (0..row.len()).map(text).collect()
}

/// What becomes of a type of the server.
enum Kind {
    Bool,
    Int,
    Float,
    /// With a `T` between day and time, as everywhere here.
    Instant,
    Text,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "BOOL" => Self::Bool,
            "INT2" | "INT4" | "INT8" => Self::Int,
            "FLOAT4" | "FLOAT8" => Self::Float,
            "TIMESTAMP" | "TIMESTAMPTZ" => Self::Instant,
            _ => Self::Text,
        }
    }

    fn arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Instant | Self::Text => DataType::Utf8,
        }
    }

    fn array(&self, rows: &[Vec<Option<String>>], index: usize) -> ArrayRef {
        let texts = || rows.iter().map(|row| row.get(index).and_then(Option::as_deref));
        match self {
            Self::Bool => {
                Arc::new(texts().map(|text| text.map(|text| text == "t")).collect::<BooleanArray>())
            }
            Self::Int => {
                Arc::new(texts().map(|text| text.and_then(|text| text.parse().ok())).collect::<Int64Array>())
            }
            Self::Float => Arc::new(
                texts().map(|text| text.and_then(|text| text.parse().ok())).collect::<Float64Array>(),
            ),
            Self::Instant => Arc::new(texts().map(|text| text.map(instant)).collect::<StringArray>()),
            Self::Text => Arc::new(texts().collect::<StringArray>()),
        }
    }
}

/// `2024-01-01 10:00:00+00` as `2024-01-01T10:00:00Z`. Sessions are in UTC.
fn instant(text: &str) -> String {
    let text = text.replacen(' ', "T", 1);
    match text.strip_suffix("+00") {
        Some(utc) => format!("{utc}Z"),
        None => text,
    }
}
