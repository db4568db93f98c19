//! What a pipeline remembers between runs: cursors, kept as dlt keeps them, in the destination.

mod document;
mod incremental;
mod load_id;

pub use document::{PipelineState, StateError};
pub use incremental::{
    Backfill, Begin, Incremental, IncrementalError, NoStep, Range, Reading, RowOrderWatch, STEP_RULE, Step,
};
pub use load_id::LoadId;

use serde_json::Value;

/// The key below a resource's state that holds what this program remembers beyond dlt.
pub const OWN_STATE: &str = "forebay";
/// Below [`OWN_STATE`]: when everything was last read, for resources with `full_scan_every`.
pub const FULL_SCAN_AT: &str = "full_scan_at";

/// Unix microseconds as an instant in UTC, to the second: `2024-01-31T12:00:00Z`.
pub fn utc_text(micros: i64) -> String {
    TimeForm::UTC.write(micros)
}

use crate::schema::{TimeForm, json_float_text};

/// Compact JSON with sorted keys and raw non-ASCII, numbers as Python's `orjson` writes them: the text that dlt hashes.
pub fn sorted_json(value: &Value) -> String {
    let mut text = String::new();
    write_sorted(&mut text, value);
    text
}

fn write_sorted(out: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            write_each(out, ['{', '}'], fields, |out, (key, value)| {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(out, value);
            });
        }
        Value::Array(elements) => write_each(out, ['[', ']'], elements, write_sorted),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => out.push_str(&json_float_text(float)),
            None => out.push_str(&number.to_string()),
        },
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn write_each<T>(
    out: &mut String,
    [open, close]: [char; 2],
    elements: impl IntoIterator<Item = T>,
    write: impl Fn(&mut String, T),
) {
    out.push(open);
    for (position, element) in elements.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write(out, element);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_for_hashes_is_that_of_orjson() {
        let check = |json: &str, expected: &str| {
            let value = serde_json::from_str(json).unwrap_or(Value::Null);
            assert_eq!(sorted_json(&value), expected);
        };
        check(
            r#"{"b": [1, 2.0, {"d": null, "c": "é\u0001"}], "a": -0.0}"#,
            "{\"a\":-0.0,\"b\":[1,2.0,{\"c\":\"é\\u0001\",\"d\":null}]}",
        );
        check(
            "[1e16, 1e-5, 1e-6, 1.5e300, 1E5, 18446744073709551615]",
            "[1e+16,0.00001,1e-6,1.5e+300,100000.0,18446744073709551615]",
        );
        check("{}", "{}");
        check("[]", "[]");
    }
}
