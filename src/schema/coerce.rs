//! dlt's rules for a value that meets a column of another type.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::pytext::{decimal_text, float_text, parse_float, parse_int, strip};
use super::timestamp::{self, DAY, Moment};
use super::value::Value;
use super::{Capabilities, Column, DataType};

/// Digits that Arrow's decimals hold.
const ARROW_DIGITS: u32 = 38;
/// First and last second that Python has a date for.
const EPOCH_RANGE: std::ops::Range<f64> = -62_135_596_800.0..253_402_300_800.0;

/// A value in the form its column stores.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Text, JSON as text, and decimals of more digits than Arrow's have.
    Text(Cow<'a, str>),
    /// A 64-bit integer.
    Int(i64),
    /// A double.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Microseconds since 1970, UTC.
    Instant(i64),
    /// Days since 1970.
    Day(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// A decimal without its point.
    Decimal(i128),
    /// Bytes.
    Binary(Vec<u8>),
}

/// The part of a column that decides how values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColumnType {
    /// dlt's type.
    pub(crate) data_type: DataType,
    /// Digits of a decimal, bits of an integer, most characters of a text; 0: as many as there are.
    pub(crate) precision: u32,
    /// Digits after the point of a decimal.
    pub(crate) scale: u32,
    /// Whether a timestamp carries its zone.
    pub(crate) zoned: bool,
}

impl ColumnType {
    /// Whole numbers of 64 bits.
    pub(crate) const BIGINT: Self =
        Self { data_type: DataType::Bigint, precision: 64, scale: 0, zoned: true };

    /// Plain text.
    pub(crate) const TEXT: Self = Self { data_type: DataType::Text, precision: 0, scale: 0, zoned: true };

    /// The type of a complete column in a database; `None` if it has none yet.
    pub(crate) fn of(column: &Column, capabilities: &Capabilities) -> Option<Self> {
        let data_type = column.data_type?;
        let (precision, scale) = match data_type {
            DataType::Decimal | DataType::Wei => capabilities.decimal_digits(column),
            DataType::Text => (capabilities.text_limit(column).unwrap_or(0), 0),
            DataType::Bigint => (integer_bits(column).max(capabilities.min_integer_bits), 0),
            _ => (0, 0),
        };
        Some(Self { data_type, precision, scale, zoned: column.timezone.unwrap_or(true) })
    }

    /// Whether values are texts: those of any length, and numbers of more digits than Arrow's decimals have.
    pub(crate) fn is_textual(self) -> bool {
        match self.data_type {
            DataType::Text | DataType::Json => true,
            DataType::Decimal | DataType::Wei => self.precision > ARROW_DIGITS,
            _ => false,
        }
    }

    /// The same integers as decimals without a fraction: what those of more than 64 bits travel as.
    pub(crate) const fn as_digits(self) -> Self {
        Self { precision: ARROW_DIGITS, scale: 0, ..self }
    }
}

/// Bits of the smallest integer type that holds what a column asks for.
fn integer_bits(column: &Column) -> u32 {
    match column.precision.unwrap_or(64) {
        0..=8 => 8,
        9..=16 => 16,
        17..=32 => 32,
        33..=64 => 64,
        _ => 128,
    }
}

/// Fits a value into a column; `None` if it has to go to a variant column. Null fits nowhere: it is no value.
pub(crate) fn coerce<'a>(column: ColumnType, value: &Value<'a>) -> Option<Cell<'a>> {
    match column.data_type {
        DataType::Text => to_text(value).filter(|text| is_within(text, column.precision)).map(Cell::Text),
        DataType::Bigint if column.precision > 64 => to_wide_int(value).map(Cell::Decimal),
        DataType::Bigint => to_int(value).filter(|number| has_bits(*number, column.precision)).map(Cell::Int),
        DataType::Double => to_float(value).map(Cell::Float),
        DataType::Bool => to_bool(value).map(Cell::Bool),
        DataType::Timestamp => to_instant(value).map(Cell::Instant),
        DataType::Date => to_day(value).map(Cell::Day),
        DataType::Time => to_time(value).map(Cell::Time),
        DataType::Decimal | DataType::Wei if column.is_textual() => {
            to_digits(value, column).map(|digits| Cell::Text(Cow::Owned(digits)))
        }
        DataType::Decimal | DataType::Wei => to_decimal(value, column).map(Cell::Decimal),
        DataType::Binary => to_binary(value).map(Cell::Binary),
        DataType::Json => to_json(value).map(Cell::Text),
    }
}

fn to_text<'a>(value: &Value<'a>) -> Option<Cow<'a, str>> {
    Some(match value {
        Value::Null => return None,
        Value::Text(text) => text.clone(),
        Value::Bool(true) => Cow::Borrowed("True"),
        Value::Bool(false) => Cow::Borrowed("False"),
        Value::Int(number) => Cow::Owned(number.to_string()),
        Value::Wide(digits) => Cow::Borrowed(digits),
        Value::Float(number) => Cow::Owned(float_text(*number)),
        Value::Json(text) => Cow::Owned(super::json::compact(text)),
    })
}

/// Whether a text has at most `limit` characters, if there is a limit. Where there is one NUL is left out.
fn is_within(text: &str, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    limit == 0 || text.len() <= limit || text.chars().filter(|symbol| *symbol != '\0').count() <= limit
}

fn to_int(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Float(number) if number.fract() == 0.0 => integer_of(*number),
        Value::Text(text) => i64::try_from(parse_int(text)?).ok(),
        _ => None,
    }
}

/// Whether an integer fits into so many bits.
fn has_bits(number: i64, bits: u32) -> bool {
    let bound = 1_i128 << (bits.clamp(1, 64) - 1);
    (-bound..bound).contains(&i128::from(number))
}

fn to_wide_int(value: &Value<'_>) -> Option<i128> {
    let number = match value {
        Value::Int(number) => i128::from(*number),
        Value::Wide(digits) => digits.parse().ok()?,
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e38 => *number as i128,
        Value::Text(text) => parse_int(text)?,
        _ => return None,
    };
    (number.unsigned_abs() < 10_u128.pow(ARROW_DIGITS)).then_some(number)
}

/// The integer equal to a double that has no fraction.
fn integer_of(number: f64) -> Option<i64> {
    // 2^63 is a double, the largest 64-bit integer is not.
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    (-BOUND..BOUND).contains(&number).then_some(number as i64)
}

fn to_float(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Float(number) => Some(*number),
        Value::Int(number) => Some(*number as f64),
        Value::Wide(digits) => wide_to_float(digits),
        Value::Text(text) if strip(text).starts_with("0x") => Some(parse_int(text)? as f64),
        Value::Text(text) => parse_float(text),
        _ => None,
    }
}

/// dlt gives up digits of integers up to 2^64 and fails on larger ones: those have to be equal to the double.
fn wide_to_float(digits: &str) -> Option<f64> {
    let number: f64 = digits.parse().ok()?;
    (digits.parse::<u64>().is_ok() || format!("{number:.0}") == digits).then_some(number)
}

fn to_bool(value: &Value<'_>) -> Option<bool> {
    const YES: [&str; 5] = ["yes", "true", "t", "y", "1"];
    const NO: [&str; 5] = ["no", "false", "f", "n", "0"];
    match value {
        Value::Bool(value) => Some(*value),
        Value::Int(number) => Some(*number != 0),
        Value::Wide(_) => Some(true),
        Value::Float(number) => Some(*number != 0.0),
        Value::Text(text) if YES.iter().any(|word| text.eq_ignore_ascii_case(word)) => Some(true),
        Value::Text(text) if NO.iter().any(|word| text.eq_ignore_ascii_case(word)) => Some(false),
        _ => None,
    }
}

fn to_instant(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Text(text) => match timestamp::parse(text) {
            Some(Moment::Instant(micros)) => Some(micros),
            Some(Moment::Day(day)) => Some(i64::from(day) * DAY),
            Some(Moment::Time(_)) => None,
            None => epoch(parse_float(text)?),
        },
        Value::Int(number) => epoch(*number as f64),
        Value::Float(number) => epoch(*number),
        _ => None,
    }
}

/// Seconds since 1970 as microseconds, rounded half to even as Python does.
fn epoch(seconds: f64) -> Option<i64> {
    EPOCH_RANGE.contains(&seconds).then(|| {
        let whole = seconds.floor();
        whole as i64 * 1_000_000 + ((seconds - whole) * 1e6).round_ties_even() as i64
    })
}

fn to_day(value: &Value<'_>) -> Option<i32> {
    i32::try_from(to_instant(value)?.div_euclid(DAY)).ok()
}

fn to_time(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Text(text) => match timestamp::parse(text)? {
            Moment::Time(micros) => Some(micros),
            _ => None,
        },
        _ => None,
    }
}

fn to_decimal(value: &Value<'_>, column: ColumnType) -> Option<i128> {
    match value {
        Value::Int(number) => scale_integer(i128::from(*number), column),
        Value::Wide(digits) => scale_integer(digits.parse().ok()?, column),
        Value::Float(number) => parse_decimal(&float_text(*number), column),
        Value::Text(text) => {
            if strip(text).starts_with("0x") {
                return scale_integer(parse_int(text)?, column);
            }
            parse_decimal(&decimal_text(text), column)
        }
        _ => None,
    }
}

fn scale_integer(number: i128, column: ColumnType) -> Option<i128> {
    let scaled = number.checked_mul(10_i128.checked_pow(column.scale)?)?;
    in_precision(scaled, column)
}

fn in_precision(scaled: i128, column: ColumnType) -> Option<i128> {
    let bound = 10_u128.checked_pow(column.precision)?;
    (scaled.unsigned_abs() < bound).then_some(scaled)
}

/// What a decimal number is written of.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
}

fn parts(text: &str) -> Option<Parts<'_>> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.as_bytes().first()? {
        b'-' => (true, &mantissa[1..]),
        b'+' => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    (whole.len() + fraction.len() > 0).then_some(Parts { negative, whole, fraction, exponent })
}

/// A decimal number, rounded half away from zero to the column's scale as the database would.
fn parse_decimal(text: &str, column: ColumnType) -> Option<i128> {
    let Parts { negative, whole, fraction, exponent } = parts(text)?;
    // Digits up to the column's last place; the one after it decides the rounding.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(column.scale);
    let mut scaled: i128 = 0;
    let mut count = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
        if count < kept {
            scaled = scaled.checked_mul(10)?.checked_add(digit)?;
        } else if count == kept && digit >= 5 {
            scaled += 1;
        }
        count += 1;
    }
    if scaled != 0 && count < kept {
        scaled = scaled.checked_mul(10_i128.checked_pow(u32::try_from(kept - count).ok()?)?)?;
    }
    in_precision(if negative { -scaled } else { scaled }, column)
}

/// A decimal number of any length as `-12.5`.
fn to_digits(value: &Value<'_>, column: ColumnType) -> Option<String> {
    match value {
        Value::Int(number) => round_digits(&number.to_string(), column),
        Value::Wide(digits) => round_digits(digits, column),
        Value::Float(number) => round_digits(&float_text(*number), column),
        Value::Text(text) if strip(text).starts_with("0x") => {
            round_digits(&parse_int(text)?.to_string(), column)
        }
        Value::Text(text) => round_digits(&decimal_text(text), column),
        _ => None,
    }
}

/// The same as [`parse_decimal`], digit by digit.
fn round_digits(text: &str, column: ColumnType) -> Option<String> {
    let Parts { negative, whole, fraction, exponent } = parts(text)?;
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = &digits[zeros..];
    let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()? + i64::from(exponent);
    if !digits.is_empty() && point > i64::from(column.precision) - i64::from(column.scale) {
        return None;
    }
    let (Ok(kept), false) = (usize::try_from(point + i64::from(column.scale)), digits.is_empty()) else {
        return Some("0".to_owned());
    };
    // The number without its point: the scale says where that is.
    let mut rounded: Vec<u8> = digits.iter().copied().chain(std::iter::repeat(b'0')).take(kept).collect();
    if digits.get(kept).is_some_and(|digit| *digit >= b'5') {
        add_one(&mut rounded);
    }
    let scale = usize::try_from(column.scale).ok()?;
    if rounded.len() > usize::try_from(column.precision).ok()? {
        return None;
    }
    let digits = format!("{:0>width$}", String::from_utf8(rounded).ok()?, width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    let sign = if negative { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

/// Adds one to the number that digits are.
fn add_one(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

fn to_binary(value: &Value<'_>) -> Option<Vec<u8>> {
    match value {
        Value::Text(text) => match text.strip_prefix("0x") {
            Some(hex) => hex_bytes(hex),
            None => STANDARD.decode(text.as_bytes()).ok(),
        },
        Value::Int(number) => {
            let bytes = u64::try_from(*number).ok()?.to_le_bytes();
            let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            Some(bytes[..length].to_vec())
        }
        _ => None,
    }
}

/// Python's `bytes.fromhex`: pairs of digits, white space between them.
fn hex_bytes(hex: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    for group in hex.split_ascii_whitespace() {
        if group.len() % 2 != 0 {
            return None;
        }
        for pair in group.as_bytes().chunks(2) {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            bytes.push(u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?);
        }
    }
    Some(bytes)
}

fn to_json<'a>(value: &Value<'a>) -> Option<Cow<'a, str>> {
    match value {
        Value::Json(text) => Some(Cow::Owned(super::json::compact(text))),
        Value::Text(text) => {
            // Read whole, since numbers that no double holds are no JSON to dlt.
            serde_json::from_str::<serde_json::Value>(text).ok()?;
            Some(Cow::Owned(super::json::compact(text)))
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(data_type: DataType, value: &Value<'_>, expected: impl Into<Option<Cell<'static>>>) {
        let column = ColumnType::of(&Column::new("c", data_type), &Capabilities::ROOMY).unwrap();
        assert_eq!(coerce(column, value), expected.into(), "{value:?} into {data_type:?}");
    }

    fn check_precision(
        data_type: DataType,
        precision: u32,
        value: &Value<'_>,
        expected: impl Into<Option<Cell<'static>>>,
    ) {
        let column = Column { precision: Some(precision), ..Column::new("c", data_type) };
        let column = ColumnType::of(&column, &Capabilities::ROOMY).unwrap();
        assert_eq!(coerce(column, value), expected.into(), "{value:?} into {data_type:?} of {precision}");
    }

    fn text(text: &str) -> Value<'_> {
        Value::Text(Cow::Borrowed(text))
    }

    fn stored(text: &'static str) -> Option<Cell<'static>> {
        Some(Cell::Text(Cow::Borrowed(text)))
    }

    #[test]
    fn text_takes_all() {
        check(DataType::Text, &Value::Bool(true), stored("True"));
        check(DataType::Text, &Value::Int(-7), stored("-7"));
        check(DataType::Text, &Value::Float(1e300), stored("1e+300"));
        check(DataType::Text, &Value::Float(2.0), stored("2.0"));
        check(DataType::Text, &Value::Wide("99999999999999999999"), stored("99999999999999999999"));
        check(DataType::Text, &Value::Json("{ \"a\" : [1, 2] }"), stored("{\"a\":[1,2]}"));
    }

    #[test]
    fn numbers_take_what_is_equal() {
        let int = |value| Some(Cell::Int(value));
        check(DataType::Bigint, &text(" 0x1f "), int(31));
        check(DataType::Bigint, &text("1.0"), None);
        check(DataType::Bigint, &Value::Float(2.0), int(2));
        check(DataType::Bigint, &Value::Float(2.5), None);
        check(DataType::Bigint, &Value::Float(1e300), None);
        check(DataType::Bigint, &Value::Bool(true), None);
        check_precision(DataType::Bigint, 8, &Value::Int(-128), int(-128));
        check_precision(DataType::Bigint, 8, &Value::Int(128), None);
        check_precision(DataType::Bigint, 32, &text("2147483648"), None);
        let wide = |value| Some(Cell::Decimal(value));
        check_precision(DataType::Bigint, 128, &Value::Int(-1), wide(-1));
        check_precision(DataType::Bigint, 128, &Value::Wide("9223372036854775808"), wide(1 << 63));
        check_precision(DataType::Bigint, 128, &Value::Float(1e300), None);
        check(DataType::Bigint, &Value::Wide("9223372036854775808"), None);
        check(DataType::Double, &text("1e5"), Some(Cell::Float(1e5)));
        check(DataType::Double, &text("0x1f"), Some(Cell::Float(31.0)));
        check(DataType::Double, &text("nan"), None);
        check(
            DataType::Double,
            &Value::Wide("18446744073709551615"),
            Some(Cell::Float(18446744073709551616.0)),
        );
        check(
            DataType::Double,
            &Value::Wide("36893488147419103232"),
            Some(Cell::Float(36893488147419103232.0)),
        );
        check(DataType::Double, &Value::Wide("36893488147419103233"), None);
        check(DataType::Double, &Value::Int(3), Some(Cell::Float(3.0)));
        check(DataType::Double, &Value::Bool(true), None);
        check(DataType::Bool, &text("YES"), Some(Cell::Bool(true)));
        check(DataType::Bool, &text("off"), None);
        check(DataType::Bool, &Value::Float(0.0), Some(Cell::Bool(false)));
    }

    #[test]
    fn times_take_iso_text_and_epochs() {
        let instant = |micros| Some(Cell::Instant(micros));
        check(DataType::Timestamp, &text("1970-01-02"), instant(DAY));
        check(DataType::Timestamp, &text("1.5"), instant(1_500_000));
        check(DataType::Timestamp, &text("1700000000"), instant(1_700_000_000_000_000));
        check(DataType::Timestamp, &Value::Int(1), instant(1_000_000));
        check(DataType::Timestamp, &Value::Float(-0.5), instant(-500_000));
        check(DataType::Timestamp, &Value::Int(i64::MAX), None);
        check(DataType::Timestamp, &text("10:00"), None);
        check(DataType::Timestamp, &text("0x10"), None);
        check(DataType::Timestamp, &text("soon"), None);
        check(DataType::Timestamp, &Value::Bool(true), None);
        check(DataType::Date, &text("1970-01-02T01:00:00+02:00"), Some(Cell::Day(0)));
        check(DataType::Date, &Value::Int(86_400), Some(Cell::Day(1)));
        check(DataType::Time, &text("00:00:01"), Some(Cell::Time(1_000_000)));
        check(DataType::Time, &Value::Int(1), None);
    }

    #[test]
    fn decimals_are_exact() {
        let decimal = |value| Some(Cell::Decimal(value));
        check(DataType::Decimal, &text("1.5"), decimal(1_500_000_000));
        check(DataType::Decimal, &text("-0.0000000015"), decimal(-2));
        check(DataType::Decimal, &text("1e-3"), decimal(1_000_000));
        check(DataType::Decimal, &text(".5"), decimal(500_000_000));
        check(DataType::Decimal, &text("0e99"), decimal(0));
        check(DataType::Decimal, &text("1e40"), None);
        check(DataType::Decimal, &text("x"), None);
        check(DataType::Decimal, &text(" _1__0._5 "), decimal(10_500_000_000));
        check(DataType::Decimal, &text("\u{661}.\u{662}"), decimal(1_200_000_000));
        check(DataType::Decimal, &text("nan"), None);
        check(DataType::Decimal, &Value::Float(0.1), decimal(100_000_000));
        check(DataType::Wei, &text("0x10"), decimal(16));
        check(
            DataType::Wei,
            &Value::Wide("99999999999999999999999999999999999999"),
            decimal(10_i128.pow(38) - 1),
        );
        check(DataType::Wei, &Value::Bool(true), None);
    }

    #[test]
    fn numbers_of_any_length_are_rounded_digit_by_digit() {
        let check = |digits: (u32, u32), value: &Value<'_>, expected: Option<&'static str>| {
            let column =
                ColumnType { data_type: DataType::Wei, precision: digits.0, scale: digits.1, zoned: true };
            let expected = expected.map(|text| Cell::Text(text.into()));
            assert_eq!(coerce(column, value), expected, "{value:?} into {digits:?}");
        };
        let nines = "9".repeat(78);
        let too_long = format!("1{}", "0".repeat(78));
        let cases = [
            ("1.25", Some("1.25")),
            ("-0.50", Some("-0.5")),
            ("000", Some("0")),
            ("-0", Some("0")),
            (
                "1e-78",
                Some("0.000000000000000000000000000000000000000000000000000000000000000000000000000001"),
            ),
            (
                "5e-79",
                Some("0.000000000000000000000000000000000000000000000000000000000000000000000000000001"),
            ),
            ("4.9e-79", Some("0")),
            ("1e-2000000000", Some("0")),
            ("0e2000000000", Some("0")),
            ("1e78", None),
            ("1e2000000000", None),
            ("0xff", Some("255")),
            ("abc", None),
            ("", None),
        ];
        for (number, expected) in cases {
            check((156, 78), &text(number), expected);
        }
        check((156, 78), &text("1e40"), Some("10000000000000000000000000000000000000000"));
        assert_eq!(
            round_digits(&nines, ColumnType { precision: 156, scale: 78, ..ColumnType::TEXT }),
            Some(nines)
        );
        check((156, 78), &text(&too_long), None);
        check((40, 1), &text("0.95"), Some("1"));
        check((40, 0), &Value::Float(0.5), Some("1"));
        check((40, 0), &text(&format!("{}.5", "9".repeat(40))), None);
        check((40, 40), &text("0.99"), Some("0.99"));
        check((40, 40), &Value::Int(1), None);
        check((40, 0), &Value::Wide("-18446744073709551616"), Some("-18446744073709551616"));
        check((40, 0), &Value::Bool(true), None);
    }

    #[test]
    fn text_is_held_to_its_limit() {
        let limited = ColumnType { precision: 3, ..ColumnType::TEXT };
        for (value, fits) in [("", true), ("äöü", true), ("abcd", false), ("abc ", false), ("ab\0c", true)]
        {
            assert_eq!(coerce(limited, &text(value)).is_some(), fits, "{value:?}");
        }
        assert_eq!(coerce(limited, &Value::Bool(true)), None);
    }

    #[test]
    fn hinted_json_and_binary() {
        check(DataType::Json, &text("[1, 2]"), stored("[1,2]"));
        check(DataType::Json, &text("nope"), None);
        check(DataType::Json, &text("[1E400]"), None);
        check(DataType::Json, &Value::Int(1), None);
        check(DataType::Binary, &text("0x01ff"), Some(Cell::Binary(vec![1, 255])));
        check(DataType::Binary, &text("AQI="), Some(Cell::Binary(vec![1, 2])));
        check(DataType::Binary, &text("AQI"), None);
        check(DataType::Binary, &Value::Int(300), Some(Cell::Binary(vec![0x2c, 1])));
    }
}
