//! What dlt and forebay ask for, keep and remember when they read what is new: the same, run after run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::config;
use super::scene::{Scene, Stage};
use crate::script::Script;

/// Rows of an event log in the first run and in the second. One row alone has the newest value: of several, dlt
/// remembers the hashes in any order.
fn times(run: usize) -> Value {
    let mut rows = vec![
        json!({ "id": 1, "at": "2024-01-01T00:00:00Z" }),
        json!({ "id": 2, "at": "2024-01-01T01:00:00Z" }),
        json!({ "id": 3, "at": "2024-01-02T00:00:00Z" }),
    ];
    if run > 0 {
        rows.push(json!({ "id": 4, "at": "2024-01-01T23:30:00Z" }));
        rows.push(json!({ "id": 5, "at": "2024-01-02T00:00:00Z" }));
        rows.push(json!({ "id": 6, "at": "2024-01-03T00:00:00Z" }));
    }
    Value::from(rows)
}

fn numbers(run: usize) -> Value {
    let mut rows =
        vec![json!({ "id": 1, "at": 10 }), json!({ "id": 2, "at": null }), json!({ "id": 3, "at": 30 })];
    if run > 0 {
        rows.push(json!({ "id": 4, "at": 5 }));
        rows.push(json!({ "id": 5, "at": 40 }));
    }
    Value::from(rows)
}

/// Endpoints by name; those of numbers begin with `number`.
fn endpoints() -> Vec<(&'static str, Value)> {
    let start = "2024-01-01T00:00:00Z";
    let time = |more: Value| {
        let mut incremental = json!({ "cursor_path": "at", "initial_value": start, "start_param": "since" });
        incremental.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "incremental": incremental })
    };
    let number = |more: Value| {
        let mut incremental =
            json!({ "cursor_path": "at", "start_param": "since", "on_cursor_value_missing": "include" });
        incremental.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "incremental": incremental })
    };
    let no_param = json!({ "cursor_path": "at", "initial_value": start });
    vec![
        ("plain", time(json!({}))),
        ("lag", time(json!({ "lag": 3600 }))),
        ("lag_to_the_first", time(json!({ "lag": 360_000 }))),
        ("ended", time(json!({ "end_value": "2024-01-02T00:00:00Z", "end_param": "until" }))),
        ("ended_closed", time(json!({ "end_value": "2024-01-02T00:00:00Z", "range_end": "closed" }))),
        ("opened", time(json!({ "range_start": "open" }))),
        ("not_told_apart", time(json!({ "primary_key": [] }))),
        ("own_key", time(json!({ "primary_key": "at" }))),
        ("ordered", time(json!({ "row_order": "desc" }))),
        (
            "of_param",
            json!({ "params": { "since": { "type": "incremental", "cursor_path": "at", "initial_value": start } } }),
        ),
        (
            "in_text",
            json!({ "params": { "q": "from {incremental.start_value} of {incremental.initial_value}" }, "incremental": no_param }),
        ),
        ("numbers", number(json!({}))),
        ("numbers_down", number(json!({ "last_value_func": "min", "initial_value": 30 }))),
        ("numbers_lag", number(json!({ "lag": 25, "initial_value": 1 }))),
        ("numbers_excluded", number(json!({ "on_cursor_value_missing": "exclude" }))),
        ("numbers_ended", number(json!({ "initial_value": 5, "end_value": 30, "range_start": "open" }))),
    ]
}

/// Both programs run twice on every endpoint; tables, schema, state and requests are the same.
pub(super) fn compare(stage: Stage) {
    let run = Arc::new(AtomicUsize::new(0));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (now, seen) = (Arc::clone(&run), Arc::clone(&asked));
    let api = Script::start(move |target| {
        seen.lock().unwrap().push(target.to_owned());
        let now = now.load(Ordering::SeqCst);
        let rows = if target.starts_with("/number") { numbers(now) } else { times(now) };
        json!({ "data": rows }).to_string()
    });
    let resources: Vec<_> = endpoints()
        .into_iter()
        .map(|(name, mut endpoint)| {
            endpoint["data_selector"] = json!("data");
            endpoint["paginator"] = json!("single_page");
            json!({ "name": name, "primary_key": "id", "endpoint": endpoint })
        })
        .collect();
    let scene = Scene::of(stage, &config("log", &api.url(), &json!(resources)));
    for number in 0..2 {
        run.store(number, Ordering::SeqCst);
        let taken = || {
            let mut taken = std::mem::take(&mut *asked.lock().unwrap());
            taken.sort();
            taken
        };
        scene.script("load.py", "dlt-home", "dlt", &[]).unwrap();
        let dlts = taken();
        scene.forebay("forebay").unwrap();
        // dlt writes a colon in a query as it is, or not.
        let plain = |targets: Vec<String>| -> Vec<String> {
            targets.into_iter().map(|target| target.replace("%3A", ":").replace("%20", "+")).collect()
        };
        assert_eq!(plain(taken()), plain(dlts), "requests of run {number}");
        scene.compare("log_data", "dlt", "forebay").unwrap();
    }
}
