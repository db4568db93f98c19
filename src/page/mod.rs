//! A received page: JSON text, checked once, and lookups that parse only what is asked for.
//!
//! Rows stay the bytes that came ([`RawValue`]): numbers keep every digit, keys their order, and nothing is
//! copied until a value reaches its column.

mod complaint;
mod count;
mod detect;
mod formats;
mod keyed;
mod object;
mod path;
mod repair;

use serde_json::Value;
use serde_json::value::RawValue;

pub use detect::detect_rows;
pub use formats::{CsvFormat, Format, FormatError, from_csv, from_ndjson};
pub use keyed::from_keyed;
pub use object::{Fields, fields};
pub use path::{JsonPath, JsonPathError};
pub use repair::repair;

/// Fields by which APIs tell rows apart.
pub const ID_NAMES: [&str; 5] = ["id", "_id", "uuid", "guid", "key"];

/// The body of one response, its outermost level parsed.
#[derive(Debug)]
pub struct Page<'a> {
    root: &'a RawValue,
    /// Fields of the root, if it is an object: most lookups start here.
    fields: Option<Fields<'a>>,
}

impl<'a> Page<'a> {
    /// Parses a body. The whole text is checked to be JSON; numbers and strings are not decoded.
    ///
    /// # Errors
    /// The body is not one JSON document in UTF-8.
    pub fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        let root: &RawValue = serde_json::from_slice(formats::without_mark(body))?;
        let fields = match root.get().as_bytes().first() {
            Some(b'{') => Some(fields(root)?),
            _ => None,
        };
        Ok(Self { root, fields })
    }

    /// The first value at `path`, if there is one. A JSON `null` is a value.
    pub fn get(&self, path: &JsonPath) -> Option<&'a RawValue> {
        match (path.singular_steps(), &self.fields) {
            (Some([first, rest @ ..]), Some(fields)) => path::descend(fields.get(first.as_key()?)?, rest),
            _ => path.find(self.root),
        }
    }

    /// All values at `path`, in document order.
    pub fn get_all(&self, path: &JsonPath) -> Vec<&'a RawValue> {
        match path.singular_steps() {
            Some(_) => self.get(path).into_iter().collect(),
            None => path.find_all(self.root),
        }
    }

    /// The value at `path`, decoded. Meant for cursors, flags and totals; numbers beyond 64 bits become doubles.
    pub fn value(&self, path: &JsonPath) -> Option<Value> {
        serde_json::from_str(self.get(path)?.get()).ok()
    }

    /// Names of the root's fields, for messages.
    pub fn keys(&self) -> Vec<String> {
        let fields = self.fields.as_ref();
        fields.map_or_else(Vec::new, |fields| fields.iter().map(|(key, _)| key.to_string()).collect())
    }

    /// The whole document.
    pub fn root(&self) -> &'a RawValue {
        self.root
    }
}

/// Splits a selected value into rows, as dlt does: an array gives its elements, null none, anything else is one row.
///
/// # Errors
/// The text is not JSON; cannot happen for a value that a [`Page`] gave.
pub fn rows(selected: &RawValue) -> Result<Vec<&RawValue>, serde_json::Error> {
    match selected.get().as_bytes().first() {
        Some(b'[') => serde_json::from_str(selected.get()),
        Some(b'n') => Ok(Vec::new()),
        _ => Ok(vec![selected]),
    }
}

/// How many rows [`rows`] would give.
pub fn row_count(selected: &RawValue) -> usize {
    match selected.get().as_bytes().first() {
        Some(b'[') => count::count_elements(selected.get().as_bytes()),
        Some(b'n') => 0,
        _ => 1,
    }
}

/// Whether Python, and so dlt, takes a value for true: null, `false`, 0, and empty texts, lists and objects are not.
pub fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn get(body: &str, path: &str) -> Option<String> {
        let page = Page::parse(body.as_bytes()).unwrap();
        page.get(&path.parse().unwrap()).map(|value| value.get().to_owned())
    }

    #[test]
    fn paths_find_values() {
        let body = r#"{"a": {"b": [1, {"c": "x"}]}, "data": [], "n": null, "we\u0069rd": 2}"#;
        assert_eq!(get(body, "a.b[1].c").as_deref(), Some("\"x\""));
        assert_eq!(get(body, "$.a.b[0]").as_deref(), Some("1"));
        assert_eq!(get(body, "data").as_deref(), Some("[]"));
        assert_eq!(get(body, "n").as_deref(), Some("null"));
        assert_eq!(get(body, "weird").as_deref(), Some("2"));
        assert_eq!(get(body, "a.x"), None);
        assert_eq!(get(body, "data.x"), None);
        assert_eq!(get("[[1,2]]", "[0][1]").as_deref(), Some("2"));
        assert_eq!(get("[1]", "$").as_deref(), Some("[1]"));
    }

    #[test]
    fn a_repeated_key_means_its_last_value() {
        assert_eq!(get(r#"{"a": 1, "a": 2}"#, "a").as_deref(), Some("2"));
    }

    #[test]
    fn anything_but_one_json_document_is_refused() {
        for body in ["", "<html>", "{\"a\":1", "{} {}", "{\"a\":01}"] {
            assert!(Page::parse(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Page::parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn truth_is_as_in_python() {
        for value in [json!(null), json!(false), json!(0), json!(-0.0), json!(""), json!([]), json!({})] {
            assert!(!is_truthy(&value), "{value}");
        }
        for value in [json!(true), json!(-1), json!(0.1), json!("0"), json!([0]), json!({"a": null})] {
            assert!(is_truthy(&value), "{value}");
        }
    }

    #[test]
    fn rows_follow_dlt() {
        let count = |body: &str| rows(Page::parse(body.as_bytes()).unwrap().root()).unwrap().len();
        assert_eq!(count("[{}, 1, []]"), 3);
        assert_eq!(count("null"), 0);
        assert_eq!(count("{\"id\": 1}"), 1);
        assert_eq!(count("7"), 1);
    }
}
