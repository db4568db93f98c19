//! Which values go to which types of the server, and how.

use std::borrow::Cow;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array,
    Int64Array, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{self as arrow_types, DataType, TimeUnit};
use memchr::{memchr, memchr_iter};

use super::server_type::ServerType;
use super::{json, numeric};
use crate::schema::{Cell, ColumnType, Value, coerce};

/// Days from 1970 to 2000, where the server's time begins.
const EPOCH_DAYS: i32 = 10_957;
const DAY: i64 = 86_400_000_000;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY;
/// Length of a field that is null.
pub(super) const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// `jsonb`'s only version.
const JSONB_VERSION: u8 = 1;

/// How values of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conversion {
    Int(Number),
    /// Whole numbers of more than 64 bits.
    WideInt(Number),
    Decimal,
    /// Numbers of more digits than Arrow's decimals have, as text.
    Digits,
    Float(Number),
    Bool,
    BoolText,
    Text,
    Jsonb,
    Instant,
    Day,
    DayInstant,
    Time,
    Binary,
}

/// What a number becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
}

impl Conversion {
    /// How values of an Arrow type are written to a type of the server; `None` if they are not.
    pub(super) fn between(from: &DataType, to: ServerType) -> Option<Self> {
        use ServerType as Server;
        Some(match (from, to) {
            (DataType::Int64, _) => Self::Int(Number::of(to)?),
            (DataType::Float64, Server::Int2 | Server::Int4 | Server::Int8) => return None,
            (DataType::Float64, _) => Self::Float(Number::of(to)?),
            (DataType::Decimal128(..), Server::Numeric) => Self::Decimal,
            (DataType::Decimal128(_, 0), Server::Int2 | Server::Int4 | Server::Int8) => {
                Self::WideInt(Number::of(to)?)
            }
            (DataType::Boolean, Server::Bool) => Self::Bool,
            (DataType::Boolean, Server::Text | Server::Varchar) => Self::BoolText,
            (DataType::Utf8, Server::Text | Server::Varchar | Server::Bpchar | Server::Json) => Self::Text,
            (DataType::Utf8, Server::Jsonb) => Self::Jsonb,
            (DataType::Utf8, Server::Numeric) => Self::Digits,
            (DataType::Timestamp(TimeUnit::Microsecond, _), Server::TimestampTz | Server::Timestamp) => {
                Self::Instant
            }
            (DataType::Date32, Server::Date) => Self::Day,
            (DataType::Date32, Server::TimestampTz | Server::Timestamp) => Self::DayInstant,
            (DataType::Time64(TimeUnit::Microsecond), Server::Time) => Self::Time,
            (DataType::Binary, Server::Bytea) => Self::Binary,
            _ => return None,
        })
    }
}

impl Number {
    fn of(server_type: ServerType) -> Option<Self> {
        Some(match server_type {
            ServerType::Int2 => Self::Int2,
            ServerType::Int4 => Self::Int4,
            ServerType::Int8 => Self::Int8,
            ServerType::Float4 => Self::Float4,
            ServerType::Float8 => Self::Float8,
            ServerType::Numeric => Self::Numeric,
            ServerType::Text | ServerType::Varchar => Self::Text,
            _ => return None,
        })
    }
}

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Whole,
    /// Without what the server's type cannot hold.
    Repaired,
    /// It is not written: the server's type cannot hold it at all.
    Misfit,
}

/// The values of one column of a batch, ready to be written one after the other.
pub(super) struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Int(&'a Int64Array, Number),
    WideInt(&'a Decimal128Array, Number),
    Decimal(&'a Decimal128Array),
    Digits(&'a StringArray),
    Float(&'a Float64Array, Number),
    Bool(&'a BooleanArray),
    BoolText(&'a BooleanArray),
    /// Whether no value needs a repair is found out for all of them at once.
    Text(&'a StringArray, bool),
    Jsonb(&'a StringArray, bool),
    Instant(&'a TimestampMicrosecondArray),
    Day(&'a Date32Array),
    DayInstant(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    Binary(&'a BinaryArray),
}

impl<'a> Cells<'a> {
    /// `None` if the array has other values than the conversion is for.
    pub(super) fn of(array: &'a ArrayRef, conversion: Conversion) -> Option<Self> {
        let values = match conversion {
            Conversion::Int(number) => Values::Int(array.as_primitive_opt()?, number),
            Conversion::WideInt(number) => {
                let array = array.as_primitive_opt::<arrow_types::Decimal128Type>()?;
                Values::WideInt((array.scale() == 0).then_some(array)?, number)
            }
            Conversion::Decimal => Values::Decimal(array.as_primitive_opt()?),
            Conversion::Digits => Values::Digits(array.as_string_opt()?),
            Conversion::Float(number) => Values::Float(array.as_primitive_opt()?, number),
            Conversion::Bool => Values::Bool(array.as_boolean_opt()?),
            Conversion::BoolText => Values::BoolText(array.as_boolean_opt()?),
            Conversion::Text => {
                let texts = array.as_string_opt()?;
                Values::Text(texts, memchr(0, all_text(texts)).is_none())
            }
            Conversion::Jsonb => {
                let texts = array.as_string_opt()?;
                Values::Jsonb(texts, !json::is_suspect(all_text(texts)))
            }
            Conversion::Instant => Values::Instant(array.as_primitive_opt()?),
            Conversion::Day => Values::Day(array.as_primitive_opt()?),
            Conversion::DayInstant => Values::DayInstant(array.as_primitive_opt()?),
            Conversion::Time => Values::Time(array.as_primitive_opt()?),
            Conversion::Binary => Values::Binary(array.as_binary_opt()?),
        };
        Some(Self { nulls: array.nulls(), values })
    }

    /// Writes the field of a row, its length first.
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) -> Written {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(&NULL);
            return Written::Whole;
        }
        match &self.values {
            Values::Int(array, number) => return write_int(array.value(row), *number, out),
            Values::WideInt(array, number) => {
                let Ok(value) = i64::try_from(array.value(row)) else { return Written::Misfit };
                return write_int(value, *number, out);
            }
            Values::Decimal(array) => {
                let value = array.value(row);
                numeric::write(out, value < 0, value.unsigned_abs(), -i32::from(array.scale()));
            }
            Values::Digits(array) => {
                let is_number = numeric::write_digits(out, array.value(row));
                return if is_number { Written::Whole } else { Written::Misfit };
            }
            Values::Float(array, number) => return write_float(array.value(row), *number, out),
            Values::Bool(array) => write_fixed(out, [u8::from(array.value(row))]),
            Values::BoolText(array) => return write_as_text(&Value::Bool(array.value(row)), out),
            Values::Text(array, is_clean) => return write_text(array.value(row), *is_clean, out),
            Values::Jsonb(array, is_clean) => return write_jsonb(array.value(row), *is_clean, out),
            Values::Instant(array) => return write_instant(Some(array.value(row)), out),
            Values::Day(array) => {
                let Some(since) = array.value(row).checked_sub(EPOCH_DAYS) else { return Written::Misfit };
                write_fixed(out, since.to_be_bytes());
            }
            Values::DayInstant(array) => {
                return write_instant(i64::from(array.value(row)).checked_mul(DAY), out);
            }
            Values::Time(array) => write_fixed(out, array.value(row).to_be_bytes()),
            Values::Binary(array) => write_bytes(out, array.value(row)),
        }
        Written::Whole
    }
}

/// The text of all rows, one after the other.
fn all_text(array: &StringArray) -> &[u8] {
    let offsets = array.value_offsets();
    let bounds = offsets.first().zip(offsets.last());
    let range =
        bounds.and_then(|(first, last)| Some(usize::try_from(*first).ok()?..usize::try_from(*last).ok()?));
    range.and_then(|range| array.value_data().get(range)).unwrap_or_default()
}

fn write_fixed<const SIZE: usize>(out: &mut Vec<u8>, bytes: [u8; SIZE]) {
    out.extend_from_slice(&(SIZE as u32).to_be_bytes());
    out.extend_from_slice(&bytes);
}

/// Arrow's text and bytes have lengths of 31 bits, as the server's have.
fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn write_int(value: i64, number: Number, out: &mut Vec<u8>) -> Written {
    match number {
        Number::Int2 => match i16::try_from(value) {
            Ok(value) => write_fixed(out, value.to_be_bytes()),
            Err(_) => return Written::Misfit,
        },
        Number::Int4 => match i32::try_from(value) {
            Ok(value) => write_fixed(out, value.to_be_bytes()),
            Err(_) => return Written::Misfit,
        },
        Number::Int8 => write_fixed(out, value.to_be_bytes()),
        Number::Float4 => write_fixed(out, (value as f32).to_be_bytes()),
        Number::Float8 => write_fixed(out, (value as f64).to_be_bytes()),
        Number::Numeric => numeric::write(out, value < 0, u128::from(value.unsigned_abs()), 0),
        Number::Text => return write_as_text(&Value::Int(value), out),
    }
    Written::Whole
}

fn write_float(value: f64, number: Number, out: &mut Vec<u8>) -> Written {
    match number {
        Number::Float8 => write_fixed(out, value.to_be_bytes()),
        Number::Float4 if value.is_finite() && !(value as f32).is_finite() => return Written::Misfit,
        Number::Float4 => write_fixed(out, (value as f32).to_be_bytes()),
        // Up to version 13 numbers have no infinity, and text has no number's name for it.
        _ if !value.is_finite() => return Written::Misfit,
        Number::Text => return write_as_text(&Value::Float(value), out),
        Number::Numeric => match scientific(value.abs()) {
            Some((magnitude, exponent)) => numeric::write(out, value < 0.0, magnitude, exponent),
            None => return Written::Misfit,
        },
        Number::Int2 | Number::Int4 | Number::Int8 => return Written::Misfit,
    }
    Written::Whole
}

/// The shortest digits that mean a double, as a whole number times a power of ten.
fn scientific(value: f64) -> Option<(u128, i32)> {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.parse::<i32>().ok()? - i32::try_from(fraction.len()).ok()?;
    Some(([whole, fraction].concat().parse().ok()?, exponent))
}

/// Writes a value as a column of text would have got it.
fn write_as_text(value: &Value<'_>, out: &mut Vec<u8>) -> Written {
    match coerce(ColumnType::TEXT, value) {
        Some(Cell::Text(text)) => write_bytes(out, text.as_bytes()),
        _ => return Written::Misfit,
    }
    Written::Whole
}

/// Writes text without NUL, which the server's text cannot hold, and which dlt leaves out, too.
fn write_text(text: &str, is_clean: bool, out: &mut Vec<u8>) -> Written {
    let bytes = text.as_bytes();
    if is_clean || memchr(0, bytes).is_none() {
        write_bytes(out, bytes);
        return Written::Whole;
    }
    let length = bytes.len() - memchr_iter(0, bytes).count();
    out.extend_from_slice(&(length as u32).to_be_bytes());
    bytes.split(|byte| *byte == 0).for_each(|part| out.extend_from_slice(part));
    Written::Repaired
}

fn write_jsonb(text: &str, is_clean: bool, out: &mut Vec<u8>) -> Written {
    let is_short = text.len() < json::SHORT;
    if is_short && (is_clean || !json::is_suspect(text.as_bytes())) {
        write_json(text, out);
        return Written::Whole;
    }
    let repaired = json::repair(text);
    write_json(&repaired, out);
    if matches!(repaired, Cow::Owned(_)) { Written::Repaired } else { Written::Whole }
}

fn write_json(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32 + 1).to_be_bytes());
    out.push(JSONB_VERSION);
    out.extend_from_slice(text.as_bytes());
}

/// Writes microseconds since 1970. The server takes the two ends for infinity, so they are not reached.
fn write_instant(micros: Option<i64>, out: &mut Vec<u8>) -> Written {
    match micros.and_then(|micros| micros.checked_sub(EPOCH_MICROS)) {
        Some(i64::MIN) | None => return Written::Misfit,
        Some(since) => write_fixed(out, since.to_be_bytes()),
    }
    Written::Whole
}
