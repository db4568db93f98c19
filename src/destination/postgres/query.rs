//! Reading for people: SQL that cannot write.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL128_MAX_SCALE, DataType, Field, Schema};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgColumn, PgRow};
use sqlx::{AssertSqlSafe, Column, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef};

use super::super::sql::{Cell, Database, literal, quote};
use super::super::{DestinationError, QueryResult};
use super::database::OpenDataset;
use super::privileges;

const ACTION: &str = "run the query";

/// Runs `sql` and keeps at most `limit` rows. Tables of the dataset need no prefix.
pub(super) fn query(
    database: &OpenDataset,
    sql: &str,
    limit: Option<usize>,
) -> Result<QueryResult, DestinationError> {
    check_readable(database)?;
    let begin = format!(
        "BEGIN READ ONLY; SELECT set_config('search_path', {} || ', ' || current_setting('search_path'), true)",
        literal(&quote(&database.dataset))
    );
    database.execute_batch(&ACTION, &begin)?;
    let limit = limit.unwrap_or(usize::MAX);
    let answer = database.session.run(&ACTION, async |connection| {
        // Preparing tells the columns, and refuses more than one statement: a second one could end the transaction
        // that may only read.
        let prepared = connection.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str()).await?;
        let columns: Vec<PgColumn> = prepared.columns().to_vec();
        // A transaction that may only read lets COPY write files and start programs.
        if columns.is_empty() {
            return Ok(None);
        }
        // By the simple protocol: all values come as text, those of types that the driver does not know, too.
        let mut stream = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch(&mut *connection);
        let mut rows = Vec::new();
        while let Some(row) = stream.try_next().await? {
            rows.push(texts(&row)?);
            if rows.len() > limit {
                break;
            }
        }
        Ok(Some((columns, rows)))
    });
    let not_a_query = || failed("only queries are run, and it would return nothing".to_owned());
    let (columns, rows) = answer.map_err(of_query)?.ok_or_else(not_a_query)?;
    let is_cut = rows.len() > limit;
    let rows = &rows[..rows.len().min(limit)];
    let arrays: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let texts = rows.iter().map(|row| row.get(index).and_then(Option::as_deref));
            Kind::of(column.type_info().name()).array(texts)
        })
        .collect();
    let fields = columns.iter().zip(&arrays);
    let fields = fields.map(|(column, array)| Field::new(column.name(), array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batch = RecordBatch::try_new_with_options(
        Arc::clone(&schema),
        arrays,
        &arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len())),
    );
    let batch = batch.map_err(|error| failed(error.to_string()))?;
    Ok(QueryResult { schema, batches: vec![batch], is_cut })
}

fn failed(reason: String) -> DestinationError {
    DestinationError::Statement { action: ACTION.to_owned(), reason }
}

/// A server that takes no changes is as it should be here, and people know of no prepared statements.
fn of_query(error: DestinationError) -> DestinationError {
    match error {
        DestinationError::ReadOnly { reason, .. } => failed(reason),
        DestinationError::Statement { reason, .. } if reason.contains("multiple commands") => {
            failed("only one statement can be run".to_owned())
        }
        other => other,
    }
}

/// Schemas that are not there, or not for this role, are left out of the search path silently.
fn check_readable(database: &OpenDataset) -> Result<(), DestinationError> {
    let dataset = &database.dataset;
    let found = database.first(
        &format_args!("look for schema `{dataset}`"),
        "SELECT current_database()::text, current_user::text, \
         (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = $1)::int",
        &[dataset.into()],
    )?;
    let Some(row) = found else { return Ok(()) };
    match row.0.get(2) {
        Some(Cell::Int(1)) => Ok(()),
        Some(Cell::Int(_)) => Err(DestinationError::PermissionDenied {
            action: format!("use schema `{dataset}`"),
            reason: format!("role `{}` may not", row.text(1)?),
            hint: privileges::READ,
        }),
        _ => Err(DestinationError::NoDataset { dataset: dataset.clone(), database: row.text(0)? }),
    }
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

/// What becomes of a type of the server: what it looks like is what DuckDB's does.
enum Kind {
    Bool,
    Int,
    Float,
    Decimal,
    /// With a `T` between day and time, as everywhere here.
    Instant,
    Time,
    Text,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "BOOL" => Self::Bool,
            "INT2" | "INT4" | "INT8" => Self::Int,
            "FLOAT4" | "FLOAT8" => Self::Float,
            "NUMERIC" => Self::Decimal,
            "TIMESTAMP" | "TIMESTAMPTZ" => Self::Instant,
            "TIME" => Self::Time,
            _ => Self::Text,
        }
    }

    fn array<'a>(&self, texts: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
        fn parsed<T: FromStr>(text: Option<&str>) -> Option<T> {
            text?.parse().ok()
        }
        match self {
            Self::Bool => Arc::new(texts.map(|text| text.map(|text| text == "t")).collect::<BooleanArray>()),
            Self::Int => Arc::new(texts.map(parsed::<i64>).collect::<Int64Array>()),
            Self::Float => Arc::new(texts.map(parsed::<f64>).collect::<Float64Array>()),
            Self::Decimal => decimals(&texts.collect()),
            Self::Instant => Arc::new(texts.map(|text| text.map(instant)).collect::<StringArray>()),
            Self::Time => Arc::new(texts.map(|text| text.map(time)).collect::<StringArray>()),
            Self::Text => Arc::new(texts.collect::<StringArray>()),
        }
    }
}

/// Numbers, with as many digits after the point as one of them has; texts if one is too long for a number, or `NaN`.
fn decimals(texts: &StringArray) -> ArrayRef {
    let fraction = |text: &str| text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let scale = texts.iter().flatten().map(fraction).max().unwrap_or_default();
    let numbers = i8::try_from(scale).ok().filter(|scale| *scale <= DECIMAL128_MAX_SCALE).and_then(|scale| {
        let numbers = DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale);
        cast_with_options(texts, &numbers, &CastOptions { safe: false, ..CastOptions::default() }).ok()
    });
    numbers.unwrap_or_else(|| Arc::new(texts.clone()))
}

/// `2024-01-01 10:00:00.5+00` as `2024-01-01T10:00:00.500Z`. Sessions are in UTC.
fn instant(text: &str) -> String {
    match text.split_once(' ') {
        Some((day, rest)) => match rest.strip_suffix("+00") {
            Some(utc) => format!("{day}T{}Z", time(utc)),
            None => format!("{day}T{}", time(rest)),
        },
        None => text.to_owned(),
    }
}

/// `10:00:00.5` as `10:00:00.500`: thousandths or millionths, as Arrow writes them.
fn time(text: &str) -> String {
    match text.split_once('.') {
        Some((seconds, fraction)) if fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{seconds}.{fraction:0<width$}", width = if fraction.len() <= 3 { 3 } else { 6 })
        }
        _ => text.to_owned(),
    }
}
