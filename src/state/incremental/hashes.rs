//! dlt's way to tell rows with the newest value apart, of which more may come in the next run: by hashes in the state.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use indexmap::IndexSet;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha3::Shake128;
use sha3::digest::{ExtendableOutput, Update, XofReader};

use crate::config::{CursorField, RangeEdge};
use crate::schema::{Disposition, MergeStrategy, TableHints};
use crate::state::sorted_json;

/// Bytes of a hash, and of one that dlt wrote before 1.29.
const HASH_BYTES: usize = 9;
const LEGACY_HASH_BYTES: usize = 15;
/// Characters of a hash that dlt wrote before 1.29.
const LEGACY_HASH_LENGTH: usize = 20;

/// So many rows of one value are remembered where rows that come again do no harm; and from so many on people are told
/// where they all have to be. dlt keeps them all.
const MANY_HASHES: usize = 10_000;

/// Hashes of the rows where a run starts, and where the next one will.
#[derive(Debug)]
pub(super) struct BoundaryHashes {
    key: Vec<String>,
    /// Whether rows are told apart at all.
    is_active: bool,
    /// How many are kept.
    max: usize,
    start: HashSet<String>,
    start_bytes: usize,
    newest: IndexSet<String>,
    newest_bytes: usize,
}

impl BoundaryHashes {
    /// Takes up the hashes that are stored.
    pub(super) fn of(
        field: &CursorField,
        hints: &TableHints,
        stored: Option<&Map<String, Value>>,
        is_stateless: bool,
    ) -> Self {
        let key = field.boundary_key.clone();
        // dlt's rule. Rows that are read again on purpose are for the destination to tell apart.
        let is_active = !is_stateless
            && field.range_start == RangeEdge::Closed
            && field.lag.is_none_or(|lag| lag == 0.0)
            && key.as_ref().is_none_or(|key| !key.is_empty());
        let stored = stored.and_then(|stored| stored.get("unique_hashes")?.as_array());
        let stored = stored.into_iter().flatten().filter_map(|hash| hash.as_str().map(str::to_owned));
        let newest: IndexSet<String> = stored.filter(|_| is_active).collect();
        let is_legacy = newest.iter().any(|hash| hash.len() == LEGACY_HASH_LENGTH);
        let bytes = if is_legacy { LEGACY_HASH_BYTES } else { HASH_BYTES };
        Self {
            key: key.unwrap_or_else(|| hints.primary_key.clone()),
            is_active,
            max: if merges_by_key(hints) { MANY_HASHES } else { usize::MAX },
            start: newest.iter().cloned().collect(),
            start_bytes: bytes,
            newest,
            newest_bytes: bytes,
        }
    }

    /// Whether a row where the run starts was loaded already.
    pub(super) fn has(&self, row: &RawValue) -> bool {
        self.is_active && self.start.contains(&self.hash(row, self.start_bytes))
    }

    /// Takes a row with the newest value.
    pub(super) fn keep(&mut self, row: &RawValue) {
        if self.is_active && self.newest.len() < self.max {
            let hash = self.hash(row, self.newest_bytes);
            self.newest.insert(hash);
        }
    }

    /// Forgets the rows with the value that was the newest.
    pub(super) fn clear(&mut self) {
        self.newest.clear();
        self.newest_bytes = HASH_BYTES;
    }

    /// How many rows have to be remembered, if they are so many that people should know.
    pub(super) fn too_many(&self) -> Option<usize> {
        let count = self.newest.len();
        (count >= MANY_HASHES && self.max > MANY_HASHES).then_some(count)
    }

    /// What the next run starts with.
    pub(super) fn into_newest(self) -> IndexSet<String> {
        self.newest
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

/// Hash of a row, whatever its key.
pub(super) fn whole_hash(row: &RawValue) -> String {
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
    use serde_json::json;

    use super::super::cursor::tests::{admitted, field, incremental, keyed, raw, state};
    use super::super::{Begin, Incremental};
    use super::*;
    use crate::schema::History;

    #[test]
    fn hashes_are_dlts() {
        let hash = |key: &[&str], row: &str| {
            BoundaryHashes::of(&field(), &keyed(key), None, false).hash(&raw(row), HASH_BYTES)
        };
        assert_eq!(hash(&["id"], r#"{"id": 3}"#), "Cn/dwi436vBb");
        assert_eq!(hash(&[], r#"{"u": "a", "id": 1}"#), "sOh9XvLXs9JB");
        // A row that lacks its key is told apart by all of it.
        assert_eq!(hash(&["key"], r#"{"u": "a", "id": 1}"#), "sOh9XvLXs9JB");
    }

    #[test]
    fn hashes_of_older_dlts_still_count() {
        let legacy = BoundaryHashes::of(&field(), &keyed(&["id"]), None, false)
            .hash(&raw(r#"{"id": 3}"#), LEGACY_HASH_BYTES);
        assert_eq!(legacy.len(), LEGACY_HASH_LENGTH);
        let mut cursor = incremental(&["id"], Some(state(json!(1), json!(7), json!([legacy]))));
        assert_eq!(admitted(&mut cursor, json!([[3, 7], [4, 7]])), [4]);
        let (_, after) = cursor.finish().unwrap();
        let lengths =
            after["unique_hashes"].as_array().unwrap().iter().map(|hash| hash.as_str().unwrap().len());
        assert_eq!(
            lengths.collect::<Vec<_>>(),
            [20, 20],
            "old ones are kept as they are until the value moves"
        );
        let mut cursor = incremental(&["id"], Some(state(json!(1), json!(7), json!([legacy]))));
        admitted(&mut cursor, json!([[3, 7], [5, 8]]));
        assert_eq!(cursor.finish().unwrap().1["unique_hashes"][0].as_str().unwrap().len(), 12);
    }

    #[test]
    fn hashes_are_bounded_where_rows_that_come_again_take_their_own_place() {
        let rows: Value = (0..12_000).map(|id| json!([id, 7])).collect();
        let mut appended = incremental(&["id"], None);
        admitted(&mut appended, rows.clone());
        assert!(appended.warnings()[0].starts_with("12000 rows share the newest value at cursor `u`"));
        assert_eq!(appended.finish().unwrap().1["unique_hashes"].as_array().unwrap().len(), 12_000);

        let merge = Disposition::Merge { strategy: None, history: History::default() };
        let hints = TableHints { disposition: Some(merge), ..keyed(&["id"]) };
        let mut merged = Incremental::new(&field(), &hints, &Begin::default()).unwrap();
        admitted(&mut merged, rows);
        assert!(merged.warnings().is_empty());
        assert_eq!(merged.finish().unwrap().1["unique_hashes"].as_array().unwrap().len(), MANY_HASHES);
    }
}
