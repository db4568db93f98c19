//! dlt's incremental cursor: which rows are new, and what the next run starts from.

use std::cmp::Ordering;
use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sha3::Shake128;
use sha3::digest::{ExtendableOutput, Update, XofReader};

use super::sorted_json;
use crate::config::OnCursorMissing;
use crate::page::JsonPath;

/// Why a row cannot be placed before or after the cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IncrementalError {
    /// The field is missing or null.
    #[error("a row has no value at cursor `{path}`")]
    Missing {
        /// The cursor's path.
        path: String,
    },
    /// Neither two numbers nor two texts.
    #[error("the values at cursor `{path}` are of types that cannot be compared")]
    Incomparable {
        /// The cursor's path.
        path: String,
    },
}

impl IncrementalError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "load such rows with `on_cursor_value_missing = \"include\"`, or leave them out with `\"exclude\"`"
            }
            Self::Incomparable { .. } => "name a field whose values are all numbers or all texts",
        }
    }
}

/// Follows the cursor of one resource through a run.
///
/// Rows below the start are dropped, and so are rows at the start that the last run loaded already: their
/// hashes are in the state. Values are compared as the JSON has them, texts as texts, as dlt does.
#[derive(Debug)]
pub struct Incremental {
    path: JsonPath,
    key: Vec<String>,
    on_missing: OnCursorMissing,
    initial: Value,
    /// The newest value when the run began.
    start: Value,
    start_hashes: HashSet<String>,
    last: Value,
    last_hashes: Vec<String>,
    admitted: bool,
    stored: Option<Map<String, Value>>,
}

impl Incremental {
    /// Takes up the cursor where the resource's state has it. `key` names the primary key's fields.
    pub fn new(
        path: &JsonPath,
        key: &[String],
        on_missing: OnCursorMissing,
        initial: Option<&Value>,
        resource_state: Option<&Map<String, Value>>,
    ) -> Self {
        let stored = resource_state
            .and_then(|state| state.get("incremental")?.get(path.as_str())?.as_object())
            .cloned();
        let initial = initial.cloned().unwrap_or(Value::Null);
        let known = stored.as_ref().and_then(|stored| stored.get("last_value")).cloned();
        let start = known.filter(|value| !value.is_null()).unwrap_or_else(|| initial.clone());
        let hashes = stored.as_ref().and_then(|stored| stored.get("unique_hashes")?.as_array());
        let last_hashes: Vec<String> =
            hashes.into_iter().flatten().filter_map(|hash| hash.as_str().map(str::to_owned)).collect();
        Self {
            path: path.clone(),
            key: key.to_vec(),
            on_missing,
            initial,
            last: start.clone(),
            start,
            start_hashes: last_hashes.iter().cloned().collect(),
            last_hashes,
            admitted: false,
            stored,
        }
    }

    /// Whether the row is to be loaded; moves the cursor.
    ///
    /// # Errors
    /// The row has no cursor value and that is not allowed, or values of different types meet.
    pub fn admit(&mut self, row: &RawValue) -> Result<bool, IncrementalError> {
        let value = self.path.find(row).and_then(|value| serde_json::from_str::<Value>(value.get()).ok());
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return match self.on_missing {
                OnCursorMissing::Include => Ok(true),
                OnCursorMissing::Exclude => Ok(false),
                OnCursorMissing::Raise => Err(IncrementalError::Missing { path: self.path.to_string() }),
            };
        };
        if !self.start.is_null() {
            match self.compare(&value, &self.start)? {
                Ordering::Less => return Ok(false),
                Ordering::Equal if self.start_hashes.contains(&self.hash(row)) => return Ok(false),
                _ => {}
            }
        }
        let order = if self.last.is_null() { Ordering::Greater } else { self.compare(&value, &self.last)? };
        match order {
            Ordering::Greater => {
                self.last = value;
                self.last_hashes = vec![self.hash(row)];
            }
            Ordering::Equal => self.last_hashes.push(self.hash(row)),
            Ordering::Less => {}
        }
        self.admitted = true;
        Ok(true)
    }

    /// The resource's `incremental` entry for this cursor: unchanged if no row was admitted.
    pub fn finish(self) -> (String, Map<String, Value>) {
        let path = self.path.to_string();
        if let (false, Some(stored)) = (self.admitted, &self.stored) {
            return (path, stored.clone());
        }
        let state = json!({
            "initial_value": self.initial,
            "last_value": self.last,
            "unique_hashes": self.last_hashes,
            "start_value": self.start,
        });
        match state {
            Value::Object(state) => (path, state),
            _ => (path, Map::new()),
        }
    }

    fn compare(&self, a: &Value, b: &Value) -> Result<Ordering, IncrementalError> {
        let order = match (a, b) {
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
                (Some(a), Some(b)) => Some(a.cmp(&b)),
                _ => a.as_f64().zip(b.as_f64()).and_then(|(a, b)| a.partial_cmp(&b)),
            },
            _ => None,
        };
        order.ok_or_else(|| IncrementalError::Incomparable { path: self.path.to_string() })
    }

    /// dlt's hash of a row at the boundary: over its key, else over all of it.
    fn hash(&self, row: &RawValue) -> String {
        let row: Value = serde_json::from_str(row.get()).unwrap_or(Value::Null);
        let field = |name: &String| row.get(name).cloned().unwrap_or(Value::Null);
        let identity = match self.key.as_slice() {
            [] => row,
            [name] => field(name),
            names => names.iter().map(field).collect(),
        };
        let mut hash = Shake128::default();
        hash.update(sorted_json(&identity).as_bytes());
        let mut digest = [0; 9];
        hash.finalize_xof().read(&mut digest);
        STANDARD_NO_PAD.encode(digest)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn incremental(key: &[&str], state: Option<Value>) -> Incremental {
        let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
        let state = state.map(|state| Map::from_iter([("incremental".to_owned(), json!({ "u": state }))]));
        Incremental::new(&"u".parse().unwrap(), &key, OnCursorMissing::Raise, None, state.as_ref())
    }

    #[test]
    fn hashes_are_dlts() {
        assert_eq!(incremental(&["id"], None).hash(&raw(r#"{"id": 3}"#)), "Cn/dwi436vBb");
        assert_eq!(incremental(&[], None).hash(&raw(r#"{"u": "a", "id": 1}"#)), "sOh9XvLXs9JB");
    }

    #[test]
    fn rows_are_admitted_once() {
        let mut first = incremental(&["id"], None);
        assert!(first.admit(&raw(r#"{"id": 1, "u": 5}"#)).unwrap());
        assert!(first.admit(&raw(r#"{"id": 2, "u": 7}"#)).unwrap());
        assert!(first.admit(&raw(r#"{"id": 3, "u": 7.0}"#)).unwrap());
        let (path, state) = first.finish();
        assert_eq!(path, "u");
        assert_eq!(state["last_value"], 7);
        assert_eq!(state["unique_hashes"].as_array().unwrap().len(), 2);

        let mut second = incremental(&["id"], Some(Value::Object(state.clone())));
        assert!(!second.admit(&raw(r#"{"id": 1, "u": 5}"#)).unwrap());
        assert!(!second.admit(&raw(r#"{"id": 2, "u": 7}"#)).unwrap());
        assert_eq!(incremental(&["id"], Some(Value::Object(state.clone()))).finish().1, state);
        assert!(second.admit(&raw(r#"{"id": 4, "u": 7}"#)).unwrap());
        let (_, after) = second.finish();
        assert_eq!(after["start_value"], 7);
        assert_eq!(after["unique_hashes"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn what_cannot_be_placed_is_an_error() {
        let mut cursor = incremental(&["id"], None);
        assert!(matches!(cursor.admit(&raw(r#"{"u": null}"#)), Err(IncrementalError::Missing { .. })));
        assert!(cursor.admit(&raw(r#"{"u": "2024"}"#)).unwrap());
        assert!(matches!(cursor.admit(&raw(r#"{"u": 1}"#)), Err(IncrementalError::Incomparable { .. })));
    }
}
