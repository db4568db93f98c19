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

    /// Whether all rows before the newest value came, though there are more beyond the last page.
    ///
    /// # Errors
    /// They did not come in order.
    pub fn check_cut(&self) -> Result<(), IncrementalError> {
        if self.reading.may_be_cut() && self.is_out_of_order {
            return Err(IncrementalError::CutOutOfOrder { path: self.field.cursor_path.to_string() });
        }
        Ok(())
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
#[expect(clippy::needless_pass_by_value, reason = "literals read best where they stand")]
mod tests {
    use proptest::strategy::Strategy;

    use super::*;
    use crate::config::{LastValue, RowOrder};
    use crate::schema::History;
    use crate::state::{Backfill, Step};

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn field() -> CursorField {
        CursorField {
            cursor_path: "u".parse().unwrap(),
            initial_value: None,
            end_value: None,
            start_param: None,
            end_param: None,
            sends_start_in_text: false,
            sends_end_in_text: false,
            sends_initial_in_text: false,
            convert: None,
            last_value_func: LastValue::Max,
            boundary_key: None,
            row_order: None,
            lag: None,
            on_missing: OnCursorMissing::Raise,
            range_start: RangeEdge::Closed,
            range_end: RangeEdge::Open,
            window: None,
            full_scan_every: None,
        }
    }

    fn keyed(key: &[&str]) -> TableHints {
        TableHints {
            primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
            ..TableHints::default()
        }
    }

    fn in_state(cursor: Value) -> Map<String, Value> {
        Map::from_iter([("incremental".to_owned(), json!({ "u": cursor }))])
    }

    fn following(field: &CursorField, key: &[&str], state: Option<Value>) -> Incremental {
        let state = state.map(in_state);
        let begin = Begin { state: state.as_ref(), ..Begin::default() };
        Incremental::new(field, &keyed(key), &begin).unwrap()
    }

    fn incremental(key: &[&str], state: Option<Value>) -> Incremental {
        following(&field(), key, state)
    }

    /// The ids of rows that are let in; rows are `[id, cursor value]`.
    fn admitted(cursor: &mut Incremental, rows: Value) -> Vec<i64> {
        let rows = rows.as_array().unwrap().iter();
        let new = rows.filter(|row| {
            let row = raw(&json!({ "id": row[0], "u": row[1] }).to_string());
            cursor.admit(&row, 0).unwrap()
        });
        new.map(|row| row[0].as_i64().unwrap()).collect()
    }

    /// A state that dlt writes.
    fn state(initial: Value, last: Value, hashes: Value) -> Value {
        json!({ "initial_value": initial, "last_value": last, "unique_hashes": hashes, "start_value": initial })
    }

    #[test]
    fn hashes_are_dlts() {
        let hash = |key: &[&str], row: &str| incremental(key, None).hash(&raw(row), HASH_BYTES);
        assert_eq!(hash(&["id"], r#"{"id": 3}"#), "Cn/dwi436vBb");
        assert_eq!(hash(&[], r#"{"u": "a", "id": 1}"#), "sOh9XvLXs9JB");
        // A row that lacks its key is told apart by all of it.
        assert_eq!(hash(&["key"], r#"{"u": "a", "id": 1}"#), "sOh9XvLXs9JB");
    }

    #[test]
    fn hashes_of_older_dlts_still_count() {
        let legacy = incremental(&["id"], None).hash(&raw(r#"{"id": 3}"#), LEGACY_HASH_BYTES);
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
    fn rows_are_admitted_once() {
        let mut first = incremental(&["id"], None);
        assert_eq!(admitted(&mut first, json!([[1, 5], [2, 7], [3, 7.0], [3, 7]])), [1, 2, 3, 3]);
        let (path, stored) = first.finish().unwrap();
        assert_eq!(path, "u");
        let keys: Vec<_> = stored.keys().cloned().collect();
        assert_eq!(keys, ["initial_value", "last_value", "unique_hashes", "start_value"]);
        assert_eq!(stored["last_value"], 7);
        assert_eq!(stored["unique_hashes"].as_array().unwrap().len(), 2);

        let mut second = incremental(&["id"], Some(Value::Object(stored.clone())));
        assert_eq!(admitted(&mut second, json!([[1, 5], [2, 7]])), [] as [i64; 0]);
        assert_eq!(second.finish().unwrap().1, stored);
        let mut third = incremental(&["id"], Some(Value::Object(stored)));
        assert_eq!(admitted(&mut third, json!([[2, 7], [4, 7]])), [4]);
        let (_, after) = third.finish().unwrap();
        assert_eq!(after["start_value"], 7);
        assert_eq!(after["unique_hashes"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn the_start_is_what_the_range_and_the_function_make_it() {
        use LastValue::{Max, Min};
        let rows = || json!([[1, 4], [2, 5], [3, 6], [4, 9], [5, 10], [6, 11]]);
        for (name, field, expected, last) in [
            ("closed", field(), vec![2, 3, 4, 5, 6], 11),
            ("open", CursorField { range_start: RangeEdge::Open, ..field() }, vec![3, 4, 5, 6], 11),
            ("min", CursorField { last_value_func: Min, ..field() }, vec![1, 2], 4),
            (
                "min, open",
                CursorField { last_value_func: Min, range_start: RangeEdge::Open, ..field() },
                vec![1],
                4,
            ),
            ("lag", CursorField { lag: Some(1.0), ..field() }, vec![1, 2, 3, 4, 5, 6], 11),
            (
                "lag, not beyond the first",
                CursorField { lag: Some(100.0), initial_value: Some(json!(5)), ..field() },
                vec![2, 3, 4, 5, 6],
                11,
            ),
            ("lag of min", CursorField { lag: Some(1.0), last_value_func: Min, ..field() }, vec![1, 2, 3], 4),
            ("max", CursorField { last_value_func: Max, ..field() }, vec![2, 3, 4, 5, 6], 11),
        ] {
            let mut cursor = following(&field, &["id"], Some(state(json!(1), json!(5), json!([]))));
            assert_eq!(admitted(&mut cursor, rows()), expected, "{name}");
            let (_, after) = cursor.finish().unwrap();
            assert_eq!((&after["last_value"], &after["start_value"]), (&json!(last), &json!(5)), "{name}");
            assert_eq!(after["initial_value"], 1, "{name}: dlt keeps the first start");
        }
    }

    #[test]
    fn an_end_makes_a_reading_that_leaves_no_trace() {
        let ranged = CursorField { initial_value: Some(json!(5)), end_value: Some(json!(10)), ..field() };
        let rows = || json!([[1, 4], [2, 5], [3, 6], [4, 9], [5, 10], [6, 11]]);
        for (name, field, expected) in [
            ("open", ranged.clone(), vec![2, 3, 4]),
            ("closed", CursorField { range_end: RangeEdge::Closed, ..ranged.clone() }, vec![2, 3, 4, 5]),
            ("both open", CursorField { range_start: RangeEdge::Open, ..ranged.clone() }, vec![3, 4]),
            (
                "min",
                CursorField {
                    initial_value: Some(json!(10)),
                    end_value: Some(json!(5)),
                    last_value_func: LastValue::Min,
                    ..ranged
                },
                vec![3, 4, 5],
            ),
        ] {
            // Whatever is stored: a range begins at its start, and lag does not count.
            let field = CursorField { lag: Some(3.0), ..field };
            let mut cursor =
                following(&field, &["id"], Some(state(json!(1), json!(9), json!(["Cn/dwi436vBb"]))));
            assert_eq!(admitted(&mut cursor, rows()), expected, "{name}");
            assert_eq!(cursor.finish(), None, "{name}");
        }
    }

    #[test]
    fn rows_at_the_start_come_again_where_nothing_tells_them_apart() {
        let known = || Some(state(json!(1), json!(7), json!(["Cn/dwi436vBb"])));
        let rows = || json!([[3, 7], [4, 7]]);
        assert_eq!(admitted(&mut incremental(&["id"], known()), rows()), [4]);
        let key = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let own_key = CursorField { boundary_key: key(&["id"]), ..field() };
        assert_eq!(admitted(&mut following(&own_key, &["u"], known()), rows()), [4]);
        for field in
            [CursorField { boundary_key: key(&[]), ..field() }, CursorField { lag: Some(1.0), ..field() }]
        {
            let mut cursor = following(&field, &["id"], known());
            assert_eq!(admitted(&mut cursor, rows()), [3, 4]);
            assert_eq!(cursor.finish().unwrap().1["unique_hashes"], json!([]));
        }
    }

    #[test]
    fn times_are_compared_as_times() {
        let known = state(json!(null), json!("2024-01-01T12:00:00Z"), json!([]));
        let mut cursor = incremental(&["id"], Some(known));
        let rows = json!([
            [1, "2024-01-01T12:30:00+01:00"],
            [2, "2024-01-01T13:00:00.000+01:00"],
            [3, "2024-01-01T11:59:59-01:00"],
            [4, "2024-01-01T12:00:00.5Z"],
        ]);
        assert_eq!(admitted(&mut cursor, rows), [2, 3, 4]);
        assert_eq!(cursor.finish().unwrap().1["last_value"], "2024-01-01T11:59:59-01:00");
    }

    #[test]
    fn what_cannot_be_placed_is_an_error() {
        let mut cursor = incremental(&["id"], None);
        assert!(matches!(cursor.admit(&raw(r#"{"u": null}"#), 0), Err(IncrementalError::Missing { .. })));
        assert!(cursor.admit(&raw(r#"{"u": "2024"}"#), 0).unwrap());
        assert!(matches!(cursor.admit(&raw(r#"{"u": 1}"#), 0), Err(IncrementalError::Incomparable { .. })));
    }

    #[test]
    fn missing_and_null_are_alike() {
        for (on_missing, expected) in [(OnCursorMissing::Include, true), (OnCursorMissing::Exclude, false)] {
            let mut cursor = following(&CursorField { on_missing, ..field() }, &[], None);
            for row in [r#"{"u": null}"#, r#"{"id": 1}"#] {
                assert_eq!(cursor.admit(&raw(row), 0), Ok(expected), "{row}");
            }
            assert_eq!(cursor.finish().unwrap().1["last_value"], Value::Null);
        }
    }

    #[test]
    fn a_full_scan_reads_everything_and_never_goes_back() {
        let stored = in_state(state(json!(1), json!(7), json!(["Cn/dwi436vBb"])));
        let begin = Begin { state: Some(&stored), is_full_scan: true, ..Begin::default() };
        let field = CursorField { initial_value: Some(json!(3)), ..field() };
        let mut cursor = Incremental::new(&field, &keyed(&["id"]), &begin).unwrap();
        assert_eq!(cursor.reading.range(0).start_to_send(), None);
        assert_eq!(admitted(&mut cursor, json!([[1, 1], [2, 5], [3, 7]])), [1, 2, 3]);
        let (_, after) = cursor.finish().unwrap();
        assert_eq!((&after["last_value"], &after["unique_hashes"]), (&json!(7), &json!(["Cn/dwi436vBb"])));
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

    #[test]
    fn rows_out_of_order_and_values_of_several_kinds_are_told() {
        let ordered = CursorField { row_order: Some(RowOrder::Asc), ..field() };
        let mut cursor = following(&ordered, &["id"], None);
        admitted(&mut cursor, json!([[1, 1], [2, 3], [3, 3]]));
        assert_eq!(cursor.warnings(), [] as [&str; 0]);
        admitted(&mut cursor, json!([[4, 2]]));
        assert!(cursor.warnings()[0].starts_with("rows did not come in the order of `u`"));
        let mut cursor = incremental(&["id"], None);
        admitted(&mut cursor, json!([[1, "2024-01-01"], [2, "20240102"], [3, "soon"]]));
        assert!(cursor.warnings()[0].starts_with("the values at cursor `u` are times and other texts"));
    }

    fn backfill(from: &str, to: Option<&str>, window: Option<Step>) -> Backfill {
        Backfill { from: from.to_owned(), to: to.map(str::to_owned), window }
    }

    #[test]
    fn every_row_of_a_range_is_in_one_window() {
        let months = Step::Months(1);
        let asked = backfill("2024-01-31", Some("2024-04-15"), Some(months));
        let begin = Begin { backfill: Some(&asked), ..Begin::default() };
        let field = CursorField {
            initial_value: Some(json!("2020-01-01")),
            on_missing: OnCursorMissing::Include,
            ..field()
        };
        let mut cursor = Incremental::new(&field, &keyed(&["id"]), &begin).unwrap();
        let count = cursor.reading.window_count();
        let sent: Vec<_> = (0..count)
            .map(|series| {
                let range = cursor.reading.range(series);
                [range.start_to_send(), range.end_to_send()]
                    .map(|value| value.unwrap().as_str().unwrap().to_owned())
            })
            .collect();
        assert_eq!(
            sent,
            [["2024-01-31", "2024-02-29"], ["2024-02-29", "2024-03-31"], ["2024-03-31", "2024-04-15"]]
        );
        // The API is free with its edges: each window gets every row.
        let days = [
            "2024-01-30",
            "2024-01-31",
            "2024-02-28T23:59:59Z",
            "2024-02-29",
            "2024-03-31",
            "2024-04-14",
            "2024-04-15",
        ];
        let mut seen = Vec::new();
        for series in 0..count {
            for day in days {
                if cursor.admit(&raw(&json!({ "u": day }).to_string()), series).unwrap() {
                    seen.push(day);
                }
            }
            assert_eq!(
                cursor.admit(&raw("{}"), series),
                Ok(series == 0),
                "a row without a value is in the first"
            );
        }
        assert_eq!(seen, days[1..6]);
        assert_eq!(cursor.finish(), None);
    }

    #[test]
    fn ranges_that_a_cursor_does_not_have_are_refused() {
        let dates = CursorField { initial_value: Some(json!("2024-01-01")), ..field() };
        let numbers = CursorField { initial_value: Some(json!(1)), ..field() };
        let hours = Some(Step::Minutes(60));
        for (field, asked, message) in [
            (&dates, backfill("x", None, None), "`x` is no time"),
            (&numbers, backfill("2024-01-01", None, None), "`2024-01-01` is no whole number"),
            (&numbers, backfill("5", None, None), "needs an end"),
            (&dates, backfill("2024-01-02", Some("2024-01-02"), None), "holds nothing"),
            (
                &dates,
                backfill("2024-01-02T12:00:00Z", Some("2024-01-05"), None),
                "`2024-01-02T12:00:00Z` cannot be said",
            ),
            (&dates, backfill("2024-01-02", Some("2024-01-05"), hours), "windows of `1h` cannot be said"),
            (&dates, backfill("2024-01-02", Some("2024-01-05"), Some(Step::Count(5))), "do not go with"),
            (&numbers, backfill("1", Some("5"), hours), "do not go with"),
            (&numbers, backfill("1", Some("5000000"), Some(Step::Count(1))), "too small"),
        ] {
            let begin = Begin { backfill: Some(&asked), now: 1_750_000_000_000_000, ..Begin::default() };
            let error = Reading::of(field, &begin).unwrap_err();
            assert!(error.to_string().contains(message), "{asked:?}: {error}");
        }
    }

    #[test]
    fn a_run_with_windows_starts_where_the_state_is_and_ends_beyond_the_present() {
        let field = CursorField {
            initial_value: Some(json!("2024-01-01T00:00:00Z")),
            window: Some(Step::Minutes(24 * 60)),
            ..field()
        };
        let stored = in_state(state(
            json!("2024-01-01T00:00:00Z"),
            json!("2024-03-01T10:00:00.123456789Z"),
            json!([]),
        ));
        let now = crate::schema::parse_instant_setting("2024-03-03T09:00:00Z").unwrap();
        let begin = Begin { state: Some(&stored), now, ..Begin::default() };
        let fine = CursorField { window: Some(Step::Months(1)), ..field.clone() };
        for field in [&field, &fine] {
            let cursor = Incremental::new(field, &keyed(&["id"]), &begin).unwrap();
            assert_eq!(cursor.reading.range(0).start_to_send().unwrap(), "2024-03-01T10:00:00.123456789Z");
        }
        let mut cursor = Incremental::new(&field, &keyed(&["id"]), &begin).unwrap();
        assert_eq!(cursor.reading.window_count(), 2);
        assert_eq!(cursor.reading.range(1).end_to_send().unwrap(), "2024-03-03T10:00:00.123456000Z");
        // A row that came after the run began is kept: the next run starts from it.
        assert!(cursor.admit(&raw(r#"{"u": "2024-03-04T00:00:00Z"}"#), 1).unwrap());
        assert_eq!(cursor.finish().unwrap().1["last_value"], "2024-03-04T00:00:00Z");
    }

    proptest::proptest! {
        /// However a range is cut, each row of it is let in once, and no other is.
        #[test]
        fn windows_of_any_size_take_each_row_once(
            start in 0_i64..100_000,
            length in 1_i64..100_000,
            rows in proptest::collection::vec(-10_000_i64..250_000, 0..20),
            step in proptest::prop_oneof![(10_u32..5000).prop_map(Step::Minutes), (1_u32..4).prop_map(Step::Months)],
        ) {
            let text = |minute: i64| crate::schema::TimeForm::UTC.write(minute * 60_000_000);
            let (from, to) = (start, start + length);
            let asked = backfill(&text(from), Some(&text(to)), Some(step));
            let begin = Begin { backfill: Some(&asked), ..Begin::default() };
            let mut cursor = Incremental::new(&field(), &keyed(&["id"]), &begin).unwrap();
            for minute in rows {
                let row = raw(&json!({ "u": text(minute) }).to_string());
                let count = (0..cursor.reading.window_count()).filter(|series| cursor.admit(&row, *series).unwrap()).count();
                proptest::prop_assert_eq!(count, usize::from(minute >= from && minute < to), "{}", minute);
            }
        }
    }
}
