//! Which rows are new, and what the next run starts from.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use indexmap::IndexSet;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sha3::Shake128;
use sha3::digest::{ExtendableOutput, Update, XofReader};

use super::error::IncrementalError;
use super::reading::{Begin, Place, Reading, stored};
use super::row_order::breaks;
use crate::config::{CursorField, OnCursorMissing, RangeEdge};
use crate::schema::{Disposition, Kind, MergeStrategy, Point, TableHints};
use crate::state::sorted_json;

/// Bytes of a hash, and of one that dlt wrote before 1.29.
const HASH_BYTES: usize = 9;
const LEGACY_HASH_BYTES: usize = 15;
/// Characters of a hash that dlt wrote before 1.29.
const LEGACY_HASH_LENGTH: usize = 20;

/// So many rows of one value are remembered where rows that come again do no harm; and from so many on people are told
/// where they all have to be. dlt keeps them all.
const MANY_HASHES: usize = 10_000;

/// Follows the cursor of one resource through a run.
///
/// Rows out of the range are dropped, and so are rows at its start that the last run loaded already: their
/// hashes are in the state. Unlike in dlt, numbers and times are compared by what they say, even if they are texts.
#[derive(Debug)]
pub struct Incremental {
    field: CursorField,
    key: Vec<String>,
    reading: Reading,
    /// Whether rows at the start are told apart by hashes.
    has_hashes: bool,
    /// How many hashes are kept.
    max_hashes: usize,
    start_hashes: HashSet<String>,
    start_hash_bytes: usize,
    /// The newest value.
    last: Option<Point>,
    last_hashes: IndexSet<String>,
    last_hash_bytes: usize,
    admitted: bool,
    stored: Option<Map<String, Value>>,
    /// Rows without a value that are in one window already.
    unplaced: HashSet<String>,
    /// The value of the row before, and its pagination.
    before: Option<(u64, Point)>,
    is_out_of_order: bool,
    kinds: BTreeSet<Kind>,
}

impl Incremental {
    /// Takes up the cursor of a resource where `begin` has it.
    ///
    /// # Errors
    /// See [`Reading::of`].
    pub fn new(field: &CursorField, hints: &TableHints, begin: &Begin<'_>) -> Result<Self, IncrementalError> {
        let reading = Reading::of(field, begin)?;
        let stored = stored(field, begin.state).filter(|_| !reading.is_stateless()).cloned();
        let key = field.boundary_key.clone();
        // dlt's rule. Rows that are read again on purpose are for the destination to tell apart.
        let has_hashes = !reading.is_stateless()
            && field.range_start == RangeEdge::Closed
            && field.lag.is_none_or(|lag| lag == 0.0)
            && key.as_ref().is_none_or(|key| !key.is_empty());
        let newest = stored.as_ref().and_then(|stored| stored.get("last_value")).cloned();
        let last = newest.filter(|value| !value.is_null()).or_else(|| field.initial_value.clone());
        let hashes = stored.as_ref().and_then(|stored| stored.get("unique_hashes")?.as_array());
        let hashes = hashes.into_iter().flatten().filter_map(|hash| hash.as_str().map(str::to_owned));
        let last_hashes: IndexSet<String> = hashes.filter(|_| has_hashes).collect();
        let is_legacy = last_hashes.iter().any(|hash| hash.len() == LEGACY_HASH_LENGTH);
        let hash_bytes = if is_legacy { LEGACY_HASH_BYTES } else { HASH_BYTES };
        Ok(Self {
            key: key.unwrap_or_else(|| hints.primary_key.clone()),
            field: field.clone(),
            reading,
            has_hashes,
            max_hashes: if merges_by_key(hints) { MANY_HASHES } else { usize::MAX },
            start_hashes: last_hashes.iter().cloned().collect(),
            start_hash_bytes: hash_bytes,
            last: last.map(Point::new),
            last_hashes,
            last_hash_bytes: hash_bytes,
            admitted: false,
            stored,
            unplaced: HashSet::new(),
            before: None,
            is_out_of_order: false,
            kinds: BTreeSet::new(),
        })
    }

    /// Whether a row of a pagination is to be loaded; moves the cursor.
    ///
    /// # Errors
    /// The row has no cursor value and that is not allowed, or values of different types meet.
    pub fn admit(&mut self, row: &RawValue, series: u64) -> Result<bool, IncrementalError> {
        let value = self.field.cursor_path.find(row);
        let value = value.and_then(|value| serde_json::from_str::<Value>(value.get()).ok());
        let Some(value) = value.filter(|value| !value.is_null()).map(Point::new) else {
            return self.without_value(row);
        };
        self.look_at(&value, series);
        let range = self.reading.range(series);
        match range.place(&value)? {
            Place::Before | Place::Beyond => return Ok(false),
            Place::AtStart if self.has_hashes => {
                if self.start_hashes.contains(&self.hash(row, self.start_hash_bytes)) {
                    return Ok(false);
                }
            }
            Place::AtStart | Place::Within => {}
        }
        let order = match &self.last {
            Some(last) => range.compare(&value, last)?,
            None => Ordering::Greater,
        };
        match order {
            Ordering::Greater => {
                self.last = Some(value);
                self.last_hashes.clear();
                self.last_hash_bytes = HASH_BYTES;
                self.keep_hash(row);
            }
            Ordering::Equal => self.keep_hash(row),
            Ordering::Less => {}
        }
        self.admitted = true;
        Ok(true)
    }

    fn without_value(&mut self, row: &RawValue) -> Result<bool, IncrementalError> {
        match self.field.on_missing {
            OnCursorMissing::Raise => {
                Err(IncrementalError::Missing { path: self.field.cursor_path.to_string() })
            }
            OnCursorMissing::Exclude => Ok(false),
            OnCursorMissing::Include => {
                self.admitted = true;
                // It is in no window, so that every one may have it.
                Ok(self.reading.window_count() == 1 || self.unplaced.insert(whole_hash(row)))
            }
        }
    }

    /// Notes what people should know of the values.
    fn look_at(&mut self, value: &Point, series: u64) {
        self.kinds.extend(value.kind());
        let Some(promised) = self.field.row_order else { return };
        if let Some((before_series, before)) = &self.before
            && *before_series == series
            && let Ok(found) = self.reading.range(series).compare(value, before)
        {
            self.is_out_of_order |= breaks(promised, found);
        }
        self.before = Some((series, value.clone()));
    }

    fn keep_hash(&mut self, row: &RawValue) {
        if self.has_hashes && self.last_hashes.len() < self.max_hashes {
            let hash = self.hash(row, self.last_hash_bytes);
            self.last_hashes.insert(hash);
        }
    }

    /// What people should know of the values that came.
    pub fn warnings(&self) -> Vec<String> {
        let path = &self.field.cursor_path;
        let mut warnings = Vec::new();
        if self.is_out_of_order {
            warnings.push(format!(
                "rows did not come in the order of `{path}` that `row_order` promises, so all pages were read"
            ));
        }
        if self.kinds.len() > 1 {
            let name = |kind: &Kind| match kind {
                Kind::Numbers => "numbers",
                Kind::Times => "times",
                Kind::Texts => "other texts",
            };
            let kinds: Vec<_> = self.kinds.iter().map(name).collect();
            warnings.push(format!(
                "the values at cursor `{path}` are {}; those that are not of one kind are compared as texts",
                kinds.join(" and ")
            ));
        }
        if self.last_hashes.len() >= MANY_HASHES && self.max_hashes > MANY_HASHES {
            warnings.push(format!(
                "{} rows share the newest value at cursor `{path}`, and the state has to remember each of them; \
                 use a finer cursor, or `merge` with a primary_key",
                self.last_hashes.len()
            ));
        }
        warnings
    }

    /// The resource's `incremental` entry for this cursor: unchanged if no row was admitted. `None` if the reading
    /// leaves no trace.
    pub fn finish(self) -> Option<(String, Map<String, Value>)> {
        if self.reading.is_stateless() {
            return None;
        }
        let path = self.field.cursor_path.to_string();
        let (initial, start) = match self.stored {
            Some(stored) if !self.admitted => return Some((path, stored)),
            // dlt keeps the first start that there ever was.
            Some(stored) => (
                stored.get("initial_value").cloned().unwrap_or(Value::Null),
                stored.get("last_value").cloned().unwrap_or(Value::Null),
            ),
            None => {
                let initial = self.field.initial_value.clone().unwrap_or(Value::Null);
                (initial.clone(), initial)
            }
        };
        let state = json!({
            "initial_value": initial,
            "last_value": self.last.map_or(Value::Null, |last| last.value().clone()),
            "unique_hashes": self.last_hashes,
            "start_value": start,
        });
        match state {
            Value::Object(state) => Some((path, state)),
            _ => None,
        }
    }

    /// dlt's hash of a row at the boundary: over its key, else over all of it. A row that lacks a part of its key is
    /// like no other (dlt fails on it).
    fn hash(&self, row: &RawValue, bytes: usize) -> String {
        let row: Value = serde_json::from_str(row.get()).unwrap_or(Value::Null);
        let parts: Option<Vec<Value>> = self.key.iter().map(|name| row.get(name).cloned()).collect();
        let identity = match parts.as_deref() {
            None | Some([]) => row,
            Some([part]) => part.clone(),
            Some(parts) => parts.iter().cloned().collect(),
        };
        digest(&identity, bytes)
    }
}

fn whole_hash(row: &RawValue) -> String {
    digest(&serde_json::from_str(row.get()).unwrap_or(Value::Null), LEGACY_HASH_BYTES)
}

fn digest(identity: &Value, bytes: usize) -> String {
    let mut hash = Shake128::default();
    hash.update(sorted_json(identity).as_bytes());
    let mut digest = vec![0; bytes];
    hash.finalize_xof().read(&mut digest);
    STANDARD_NO_PAD.encode(digest)
}

/// Whether a row that comes again takes its own place.
fn merges_by_key(hints: &TableHints) -> bool {
    let merges = matches!(
        &hints.disposition,
        Some(Disposition::Merge {
            strategy: None | Some(MergeStrategy::DeleteInsert | MergeStrategy::Upsert),
            ..
        })
    );
    merges && !hints.primary_key.is_empty()
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
