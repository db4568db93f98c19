//! JSON in the one form that dlt hashes: compact, keys in order, text unescaped, numbers as Python's `orjson` writes
//! them.

use std::borrow::Cow;
use std::fmt::Write;

use super::scan::Walk;
use crate::schema::{Value, decode, json_float_text};

/// Writes an object of these fields. Of several fields of a name the last one counts.
fn write_object<'a>(out: &mut String, fields: impl IntoIterator<Item = (Cow<'a, str>, &'a str)>) {
    let mut fields: Vec<_> = fields.into_iter().collect();
    // Stable, so that the last one of a name stays last.
    fields.sort_by(|(left, _), (right, _)| left.cmp(right));
    out.push('{');
    let mut separator = "";
    for (position, (name, value)) in fields.iter().enumerate() {
        if fields.get(position + 1).is_some_and(|(next, _)| next == name) {
            continue;
        }
        out.push_str(separator);
        separator = ",";
        write_text(out, name);
        out.push(':');
        write_raw(out, value);
    }
    out.push('}');
}

/// The fields of an object, names decoded, values as they stand in the text.
pub(super) fn fields<'a>(mut object: Walk<'a>) -> impl Iterator<Item = (Cow<'a, str>, &'a str)> {
    object.enter();
    std::iter::from_fn(move || object.raw_member().map(|(name, value)| (decode(name), value)))
}

/// The text of an object of these fields that dlt's row hashes are of: its own fields do not count.
pub(super) fn content<'a>(fields: impl Iterator<Item = (Cow<'a, str>, &'a str)>) -> String {
    let mut out = String::new();
    write_object(&mut out, fields.filter(|(name, _)| !name.starts_with("_dlt")));
    out
}

/// The text of an object of these fields, in order, that dlt's hashes of keys are of.
pub(super) fn key<'a>(fields: impl Iterator<Item = (&'a str, &'a Value<'a>)>) -> String {
    let mut out = String::from("{");
    for (position, (name, value)) in fields.enumerate() {
        if position > 0 {
            out.push(',');
        }
        write_text(&mut out, name);
        out.push(':');
        write_value(&mut out, value);
    }
    out.push('}');
    out
}

/// Writes any JSON value.
fn write_raw(out: &mut String, raw: &str) {
    match raw.as_bytes().first() {
        Some(b'{') => write_object(out, fields(Walk::new(raw))),
        Some(b'[') => {
            let mut walk = Walk::new(raw);
            walk.enter();
            out.push('[');
            let mut separator = "";
            while walk.has_element() {
                out.push_str(separator);
                separator = ",";
                write_raw(out, walk.raw());
            }
            out.push(']');
        }
        Some(b'"') => write_text(out, &decode(raw.get(1..raw.len() - 1).unwrap_or_default())),
        Some(b't' | b'f' | b'n') | None => out.push_str(raw),
        Some(_) => write_number(out, raw),
    }
}

/// Writes a value as a column meets it.
fn write_value(out: &mut String, value: &Value<'_>) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        // Writing to a `String` cannot fail.
        Value::Int(number) => drop(write!(out, "{number}")),
        Value::Wide(digits) => out.push_str(digits),
        Value::Float(number) => out.push_str(&json_float_text(*number)),
        Value::Text(text) => write_text(out, text),
        Value::Json(raw) => write_raw(out, raw),
    }
}

fn write_number(out: &mut String, raw: &str) {
    match Value::number(raw) {
        // Python reads an infinite number, which is null in JSON.
        Value::Text(_) if raw.contains(['.', 'e', 'E']) => out.push_str("null"),
        Value::Text(digits) => out.push_str(&digits),
        number => write_value(out, &number),
    }
}

fn write_text(out: &mut String, text: &str) {
    // Writing text as JSON cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &str) {
        let mut out = String::new();
        write_raw(&mut out, raw);
        assert_eq!(out, expected);
    }

    #[test]
    fn numbers_are_written_as_orjson_writes_them() {
        // By orjson 3.11, of what Python reads from the text.
        for (raw, expected) in [
            ("1", "1"),
            ("-0", "0"),
            ("1.0", "1.0"),
            ("-0.0", "-0.0"),
            ("1E5", "100000.0"),
            ("1.50", "1.5"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("123456789012345680.0", "1.2345678901234568e+17"),
            ("0.0001", "0.0001"),
            ("1e-5", "0.00001"),
            ("0.00001234", "0.00001234"),
            ("1e-6", "1e-6"),
            ("5e-324", "5e-324"),
            ("1e300", "1e+300"),
            ("0.1000000000000000055", "0.1"),
            ("1e999", "null"),
            ("18446744073709551615", "18446744073709551615"),
            ("100000000000000000000000000000000000000000", "100000000000000000000000000000000000000000"),
        ] {
            check(raw, expected);
        }
    }

    #[test]
    fn keys_are_in_order_and_text_is_unescaped() {
        let raw = r#"{ "b" : [ 1 , {"z": null, "B": true, "\u00e9": 3} ], "a\u0000\u001f\/\"": "\u007f\u2028\n\b", "b": [] }"#;
        check(raw, "{\"a\\u0000\\u001f/\\\"\":\"\u{7f}\u{2028}\\n\\b\",\"b\":[]}");
        check(
            r#"[{"z": null, "B": true, "\u00e9": 3}, "", "a\""]"#,
            "[{\"B\":true,\"z\":null,\"é\":3},\"\",\"a\\\"\"]",
        );
    }
}
