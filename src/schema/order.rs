//! Which of two values is the later one: by what they say, not by how they are written.
//!
//! dlt compares texts as texts, so that `9` comes after `10` and an hour with an offset where its letters put it.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::timestamp::parse_setting;

/// A value, read once for many comparisons.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    value: Value,
    meaning: Meaning,
}

/// What a value is to be compared by.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meaning {
    Number,
    /// A text that is a decimal number; the instant if it is a compact date, too.
    Digits(Option<i64>),
    /// A text that is a day or an instant.
    Instant(i64),
    Text,
    /// Nothing that has an order.
    Other,
}

/// What values of a cursor are, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Numbers, as such or as texts.
    Numbers,
    /// Days or instants.
    Times,
    /// Any other text.
    Texts,
}

impl Point {
    pub(crate) fn new(value: Value) -> Self {
        let meaning = match &value {
            Value::Number(_) => Meaning::Number,
            Value::String(text) => match (is_decimal(text), parse_setting(text)) {
                (true, instant) => Meaning::Digits(instant.filter(|_| text.len() == 8)),
                (false, Some(instant)) => Meaning::Instant(instant),
                (false, None) => Meaning::Text,
            },
            _ => Meaning::Other,
        };
        Self { value, meaning }
    }

    /// As the JSON has it.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// `None` for what has no order.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self.meaning {
            Meaning::Number | Meaning::Digits(None) => Some(Kind::Numbers),
            // A compact date is both.
            Meaning::Digits(Some(_)) | Meaning::Other => None,
            Meaning::Instant(_) => Some(Kind::Times),
            Meaning::Text => Some(Kind::Texts),
        }
    }

    /// The order of two values; `None` if they have none: a number and a text, a list.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (&self.value, &other.value) {
            (Value::Number(a), Value::Number(b)) => numbers(a, b),
            (Value::String(a), Value::String(b)) => Some(match (self.meaning, other.meaning) {
                (Meaning::Digits(_), Meaning::Digits(_)) => decimals(a, b),
                (
                    Meaning::Instant(x) | Meaning::Digits(Some(x)),
                    Meaning::Instant(y) | Meaning::Digits(Some(y)),
                ) => x.cmp(&y).then_with(|| beyond_micros(a).cmp(beyond_micros(b))),
                _ => a.cmp(b),
            }),
            _ => None,
        }
    }
}

fn numbers(a: &Number, b: &Number) -> Option<Ordering> {
    let whole = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// Digits, with a sign before and a fraction behind them at most.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction)
}

/// Compares decimal texts of any length exactly.
fn decimals(a: &str, b: &str) -> Ordering {
    let (a_negative, a) = magnitude(a);
    let (b_negative, b) = magnitude(b);
    let order = a.0.len().cmp(&b.0.len()).then_with(|| a.cmp(&b));
    match (a_negative, b_negative) {
        (false, false) => order,
        (true, true) => order.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

/// Whether a decimal text is below zero, and its digits before and after the point without idle zeros.
fn magnitude(text: &str) -> (bool, (&str, &str)) {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let parts = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    (digits.len() < text.len() && parts != ("", ""), parts)
}

/// The digits of a time that go beyond microseconds.
fn beyond_micros(text: &str) -> &str {
    let fraction = text.split_once(['.', ',']).map_or("", |(_, rest)| rest);
    let end = fraction.find(|char: char| !char.is_ascii_digit()).unwrap_or(fraction.len());
    fraction[..end].get(6..).unwrap_or("").trim_end_matches('0')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn order(a: &Value, b: &Value) -> Option<Ordering> {
        Point::new(a.clone()).compare(&Point::new(b.clone()))
    }

    #[test]
    fn values_are_compared_by_what_they_say() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, expected) in [
            (json!(9), json!(10), Less),
            (json!(7), json!(7.0), Equal),
            (json!(u64::MAX), json!(i64::MAX), Greater),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), Greater),
            (json!("9"), json!("10"), Less),
            (json!("-9"), json!("-10"), Greater),
            (json!("-0"), json!("0.0"), Equal),
            (json!("007"), json!("7"), Equal),
            (json!("1.50"), json!("1.5"), Equal),
            (json!("1.05"), json!("1.5"), Less),
            (json!("123456789012345678901234567890"), json!("99"), Greater),
            // The same instant in other words.
            (json!("2024-01-01T00:00:00Z"), json!("2024-01-01T01:00:00.000+01:00"), Equal),
            (json!("2024-01-01T00:30:00+01:00"), json!("2024-01-01T00:00:00Z"), Less),
            (json!("2024-01-01T00:00:00.9Z"), json!("2024-01-01T00:00:00.10Z"), Greater),
            (json!("2024-01-01T00:00:00Z"), json!("2024-01-01T00:00:00.001Z"), Less),
            (json!("2024-01-01"), json!("2024-01-01T00:00:00Z"), Equal),
            (json!("20240102"), json!("2024-01-01T12:00:00Z"), Greater),
            (json!("2024-01-01 10:00"), json!("2024-01-01T09:00:00Z"), Greater),
            // Digits beyond microseconds count.
            (json!("2024-01-01T00:00:00.123456789Z"), json!("2024-01-01T00:00:00.123456790Z"), Less),
            // What is neither stays text.
            (json!("a9"), json!("a10"), Greater),
            (json!("v1"), json!("2024-01-01"), Greater),
            (json!("10:30:00"), json!("9:30:00"), Less),
        ] {
            assert_eq!(order(&a, &b), Some(expected), "{a} {b}");
            assert_eq!(order(&b, &a), Some(expected.reverse()), "{b} {a}");
        }
    }

    #[test]
    fn what_has_no_order_is_not_compared() {
        for (a, b) in [(json!("1"), json!(1)), (json!(true), json!(false)), (json!([1]), json!([1]))] {
            assert_eq!(order(&a, &b), None, "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn decimal_texts_are_compared_as_numbers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
            prop_assert_eq!(order(&json!(a.to_string()), &json!(b.to_string())), Some(a.cmp(&b)));
        }

        /// No three values go round in a circle.
        #[test]
        fn times_have_an_order(seconds in proptest::collection::vec(0_i64..200_000, 3), hours in proptest::collection::vec(-3_i64..=3, 3)) {
            let texts: Vec<Value> = seconds.iter().zip(&hours).map(|(second, hour)| {
                let local = second + hour * 3600 + 10 * 86_400;
                let (day, rest) = (local / 86_400, local % 86_400);
                let sign = if *hour < 0 { '-' } else { '+' };
                json!(format!("2024-01-{:02}T{:02}:{:02}:{:02}{sign}{:02}:00", day, rest / 3600, rest / 60 % 60, rest % 60, hour.abs()))
            }).collect();
            for (a, x) in texts.iter().zip(&seconds) {
                for (b, y) in texts.iter().zip(&seconds) {
                    prop_assert_eq!(order(a, b), Some(x.cmp(y)), "{} {}", a, b);
                }
            }
        }
    }
}
