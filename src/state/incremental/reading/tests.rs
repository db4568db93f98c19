//! Ranges of all kinds, and the rows that they let in.

use proptest::strategy::Strategy;
use serde_json::json;

use super::super::Incremental;
use super::super::cursor::tests::{field, in_state, keyed, raw, state};
use super::*;
use crate::config::OnCursorMissing;

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
    let reading = Reading::of(&field, &begin).unwrap();
    let count = reading.window_count();
    let sent: Vec<_> = (0..count)
        .map(|series| {
            let range = reading.range(series);
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
    let stored =
        in_state(state(json!("2024-01-01T00:00:00Z"), json!("2024-03-01T10:00:00.123456789Z"), json!([])));
    let now = parse_instant_setting("2024-03-03T09:00:00Z").unwrap();
    let begin = Begin { state: Some(&stored), now, ..Begin::default() };
    let fine = CursorField { window: Some(Step::Months(1)), ..field.clone() };
    for field in [&field, &fine] {
        let reading = Reading::of(field, &begin).unwrap();
        assert_eq!(reading.range(0).start_to_send().unwrap(), "2024-03-01T10:00:00.123456789Z");
    }
    let reading = Reading::of(&field, &begin).unwrap();
    assert_eq!(reading.window_count(), 2);
    assert_eq!(reading.range(1).end_to_send().unwrap(), "2024-03-03T10:00:00.123456000Z");
    let mut cursor = Incremental::new(&field, &keyed(&["id"]), &begin).unwrap();
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
        let text = |minute: i64| TimeForm::UTC.write(minute * 60_000_000);
        let (from, to) = (start, start + length);
        let asked = backfill(&text(from), Some(&text(to)), Some(step));
        let begin = Begin { backfill: Some(&asked), ..Begin::default() };
        let mut cursor = Incremental::new(&field(), &keyed(&["id"]), &begin).unwrap();
        let windows = Reading::of(&field(), &begin).unwrap().window_count();
        for minute in rows {
            let row = raw(&json!({ "u": text(minute) }).to_string());
            let count = (0..windows).filter(|series| cursor.admit(&row, *series).unwrap()).count();
            proptest::prop_assert_eq!(count, usize::from(minute >= from && minute < to), "{}", minute);
        }
    }
}
