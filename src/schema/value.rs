//! JSON values as columns meet them, and the types dlt infers from them.

use std::borrow::Cow;

use super::{DataType, timestamp};

/// Digits of the longest integer that a `wei` column holds.
const WEI_DIGITS: usize = 38;

/// One JSON value on its way into a column, borrowed from the page where that is possible.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// The digits of a longer integer, up to 38 of them. dlt fails on these.
    Wide(&'a str),
    /// A finite number with a point or an exponent.
    Float(f64),
    /// A string, decoded.
    Text(Cow<'a, str>),
    /// An object or array that is kept whole, as it came.
    Json(&'a str),
}

impl<'a> Value<'a> {
    /// Reads a JSON number. One that no number type holds stays text: nothing of it is lost.
    pub(crate) fn number(text: &'a str) -> Self {
        if let Some(value) = short_integer(text.as_bytes()) {
            return Self::Int(value);
        }
        if text.contains(['.', 'e', 'E']) {
            return match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Self::Float(value),
                _ => Self::Text(Cow::Borrowed(text)),
            };
        }
        match text.parse() {
            Ok(value) => Self::Int(value),
            Err(_) if text.trim_start_matches('-').len() <= WEI_DIGITS => Self::Wide(text),
            Err(_) => Self::Text(Cow::Borrowed(text)),
        }
    }

    /// The type of the value itself: dlt's type for its Python type, which names variant columns.
    pub(crate) fn own_type(&self) -> DataType {
        match self {
            Self::Bool(_) => DataType::Bool,
            Self::Int(_) => DataType::Bigint,
            Self::Wide(_) => DataType::Wei,
            Self::Float(_) => DataType::Double,
            Self::Text(_) | Self::Null => DataType::Text,
            Self::Json(_) => DataType::Json,
        }
    }

    /// The type of a new column that begins with this value: text that is an instant makes a timestamp.
    pub(crate) fn inferred_type(&self) -> DataType {
        match self {
            Self::Text(text) if timestamp::parse_instant(text).is_some() => DataType::Timestamp,
            other => other.own_type(),
        }
    }
}

/// Integers of up to 18 digits, which most numbers are and which cannot overflow.
fn short_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_dlt() {
        let text = |text: &'static str| Value::Text(Cow::Borrowed(text));
        let cases = [
            (Value::number("1"), DataType::Bigint),
            (Value::number("-9223372036854775808"), DataType::Bigint),
            (Value::number("9223372036854775808"), DataType::Wei),
            (Value::number("-99999999999999999999999999999999999999"), DataType::Wei),
            (Value::number("100000000000000000000000000000000000000"), DataType::Text),
            (Value::number("1.0"), DataType::Double),
            (Value::number("1e5"), DataType::Double),
            (Value::number("1e999"), DataType::Text),
            (Value::Bool(true), DataType::Bool),
            (text("x"), DataType::Text),
            (text("2024-01-15"), DataType::Text),
            (text("2024-01-15T10:00:00Z"), DataType::Timestamp),
            (Value::Json("{}"), DataType::Json),
        ];
        for (value, expected) in cases {
            assert_eq!(value.inferred_type(), expected, "{value:?}");
        }
    }
}
