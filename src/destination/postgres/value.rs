//! Values that come out of queries.

use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{Decode, Row as _, TypeInfo, ValueRef};

use super::super::sql::{Cell, Row};

/// Takes a row over from the driver. Types that are neither text nor integer are to be cast in the query.
pub(super) fn read(row: &PgRow) -> sqlx::Result<Row> {
    (0..row.len()).map(|index| cell(row, index)).collect::<sqlx::Result<_>>().map(Row)
}

/// A text, or an integer: 0 and 1 for booleans.
fn cell(row: &PgRow, index: usize) -> sqlx::Result<Cell> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let type_name = value.type_info().name().to_owned();
    let cell = match type_name.as_str() {
        "TEXT" | "VARCHAR" | "NAME" | "CHAR" => {
            <String as Decode<'_, Postgres>>::decode(value).map(Cell::Text)
        }
        "INT8" => <i64 as Decode<'_, Postgres>>::decode(value).map(Cell::Int),
        "INT4" => <i32 as Decode<'_, Postgres>>::decode(value).map(|number| Cell::Int(number.into())),
        "INT2" => <i16 as Decode<'_, Postgres>>::decode(value).map(|number| Cell::Int(number.into())),
        "OID" => <Oid as Decode<'_, Postgres>>::decode(value).map(|oid| Cell::Int(oid.0.into())),
        "BOOL" => <bool as Decode<'_, Postgres>>::decode(value).map(|is_true| Cell::Int(is_true.into())),
        other => Err(format!("column {index} has type {other}, which has to be cast to text").into()),
    };
    cell.map_err(sqlx::Error::Decode)
}
