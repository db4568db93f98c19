//! Which rows are new, and what the next run starts from.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::error::IncrementalError;
use super::hashes::{BoundaryHashes, whole_hash};
use super::reading::{Begin, Place, Reading, stored};
use super::row_order::breaks;
use crate::config::{CursorField, OnCursorMissing};
use crate::schema::{Kind, Point, TableHints};

/// Follows the cursor of one resource through a run.
///
/// Rows out of the range are dropped, and so are rows at its start that the last run loaded already: their
/// hashes are in the state. Unlike in dlt, numbers and times are compared by what they say, even if they are texts.
#[derive(Debug)]
pub struct Incremental {
    field: CursorField,
    reading: Reading,
    hashes: BoundaryHashes,
    /// The newest value.
    last: Option<Point>,
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
        let newest = stored.as_ref().and_then(|stored| stored.get("last_value")).cloned();
        let last = newest.filter(|value| !value.is_null()).or_else(|| field.initial_value.clone());
        Ok(Self {
            field: field.clone(),
            hashes: BoundaryHashes::of(field, hints, stored.as_ref(), reading.is_stateless()),
            reading,
            last: last.map(Point::new),
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
            Place::AtStart if self.hashes.has(row) => return Ok(false),
            Place::AtStart | Place::Within => {}
        }
        let order = match &self.last {
            Some(last) => range.compare(&value, last)?,
            None => Ordering::Greater,
        };
        match order {
            Ordering::Greater => {
                self.last = Some(value);
                self.hashes.clear();
                self.hashes.keep(row);
            }
            Ordering::Equal => self.hashes.keep(row),
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
        if let Some(count) = self.hashes.too_many() {
            warnings.push(format!(
                "{count} rows share the newest value at cursor `{path}`, and the state has to remember each of them; \
                 use a finer cursor, or `merge` with a primary_key"
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
            "unique_hashes": self.hashes.into_newest(),
            "start_value": start,
        });
        match state {
            Value::Object(state) => Some((path, state)),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[expect(clippy::needless_pass_by_value, reason = "literals read best where they stand")]
pub(super) mod tests {
    use super::*;
    use crate::config::{LastValue, RangeEdge, RowOrder};

    pub(crate) fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    pub(crate) fn field() -> CursorField {
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

    pub(crate) fn keyed(key: &[&str]) -> TableHints {
        TableHints {
            primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
            ..TableHints::default()
        }
    }

    pub(crate) fn in_state(cursor: Value) -> Map<String, Value> {
        Map::from_iter([("incremental".to_owned(), json!({ "u": cursor }))])
    }

    fn following(field: &CursorField, key: &[&str], state: Option<Value>) -> Incremental {
        let state = state.map(in_state);
        let begin = Begin { state: state.as_ref(), ..Begin::default() };
        Incremental::new(field, &keyed(key), &begin).unwrap()
    }

    pub(crate) fn incremental(key: &[&str], state: Option<Value>) -> Incremental {
        following(&field(), key, state)
    }

    /// The ids of rows that are let in; rows are `[id, cursor value]`.
    pub(crate) fn admitted(cursor: &mut Incremental, rows: Value) -> Vec<i64> {
        let rows = rows.as_array().unwrap().iter();
        let new = rows.filter(|row| {
            let row = raw(&json!({ "id": row[0], "u": row[1] }).to_string());
            cursor.admit(&row, 0).unwrap()
        });
        new.map(|row| row[0].as_i64().unwrap()).collect()
    }

    /// A state that dlt writes.
    pub(crate) fn state(initial: Value, last: Value, hashes: Value) -> Value {
        json!({ "initial_value": initial, "last_value": last, "unique_hashes": hashes, "start_value": initial })
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
}
