//! Values that go into statements and come out of queries.

use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{Decode, Row as _, TypeInfo, ValueRef};

/// A value for `$1`…
#[derive(Debug, Clone, Copy)]
pub(crate) enum Param<'a> {
    /// `text`; other types by a cast in the statement: `$1::timestamptz`.
    Text(&'a str),
    /// `bigint`.
    Int(i64),
}

/// A row of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row(Vec<Cell>);

/// A value of a [`Row`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// No value.
    Null,
    /// A text or name.
    Text(String),
    /// An integer of any width; 0 and 1 for booleans.
    Int(i64),
}

impl Row {
    /// The text in column `index`, counted from 0; empty if there is none.
    pub(crate) fn text(&self, index: usize) -> String {
        self.maybe_text(index).unwrap_or_default()
    }

    /// The text in column `index`, if there is one.
    pub(crate) fn maybe_text(&self, index: usize) -> Option<String> {
        match self.0.get(index) {
            Some(Cell::Text(text)) => Some(text.clone()),
            Some(Cell::Int(number)) => Some(number.to_string()),
            Some(Cell::Null) | None => None,
        }
    }

    /// The integer in column `index`; 0 if there is none.
    pub(crate) fn int(&self, index: usize) -> i64 {
        match self.0.get(index) {
            Some(Cell::Int(number)) => *number,
            _ => 0,
        }
    }

    /// Takes a row over from the driver. Types that are neither text nor integer are to be cast in the query.
    pub(super) fn read(row: &PgRow) -> sqlx::Result<Self> {
        (0..row.len()).map(|index| cell(row, index)).collect::<sqlx::Result<_>>().map(Self)
    }
}

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
