//! What a run asks for, keeps and remembers when it reads what is new.

#![expect(clippy::needless_pass_by_value, reason = "literals read best where they stand")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use forebay::state::PipelineState;
use serde_json::{Value, json};

use super::api::{Api, Call, Reply};
use super::scene::Scene;

/// An API with a list of events, `[id, at]`, that may change between runs.
struct Feed {
    api: Api,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Feed {
    /// Answers with all events.
    fn new(events: Value) -> Self {
        Self::answering(events, |_, events| Reply::json(&json!({ "data": events })))
    }

    fn answering(events: Value, answer: impl Fn(&Call, Vec<Value>) -> Reply + Send + Sync + 'static) -> Self {
        let events = Arc::new(Mutex::new(rows_of(&events)));
        let listed = Arc::clone(&events);
        let api = Api::start(move |call| {
            let events = listed.lock().unwrap().clone();
            answer(call, events)
        });
        Self { api, events }
    }

    fn set(&self, events: Value) {
        *self.events.lock().unwrap() = rows_of(&events);
    }

    fn scene(&self, config: &str) -> Scene {
        Scene::new(&self.api, config)
    }
}

/// `[[1, "a"], …]` → `[{"id": 1, "at": "a"}, …]`; a pair without a value has no field.
fn rows_of(pairs: &Value) -> Vec<Value> {
    let pairs = pairs.as_array().unwrap().iter();
    pairs
        .map(|pair| match pair.get(1) {
            Some(at) => json!({ "id": pair[0], "at": at }),
            None => json!({ "id": pair[0] }),
        })
        .collect()
}

/// A resource `events` with these endpoint settings; rows are appended, so that a repeated one shows.
fn events(endpoint: &str) -> String {
    format!(
        "[[resources]]\nname = \"events\"\nprimary_key = \"id\"\n[resources.endpoint]\npaginator = \"single_page\"\n\
         data_selector = \"data\"\n{endpoint}\n"
    )
}

/// What the database's newest state holds of a resource.
fn state(scene: &Scene, resource: &str) -> Value {
    let stored = "SELECT state FROM _dlt_pipeline_state ORDER BY version DESC LIMIT 1";
    let text = scene.db().value(stored);
    let state = PipelineState::decode(text.as_str().unwrap(), "rest").unwrap();
    state.resource("rest", resource).cloned().map_or(Value::Null, Value::Object)
}

fn cursor(scene: &Scene) -> Value {
    state(scene, "events")["incremental"]["at"].clone()
}

/// Ids in the order of loading.
fn ids(scene: &Scene) -> Vec<i64> {
    scene.column("events", "id").iter().map(|id| id.as_i64().unwrap()).collect()
}

fn sorted_ids(scene: &Scene) -> Vec<i64> {
    let mut ids = ids(scene);
    ids.sort_unstable();
    ids
}

#[test]
fn the_start_is_sent_in_every_place_that_dlt_knows() {
    let incremental = "incremental = { cursor_path = \"at\", initial_value = 3 }";
    for (endpoint, expected) in [
        (
            "incremental = { cursor_path = \"at\", initial_value = 3, start_param = \"since\" }",
            "/events?since={}|",
        ),
        (
            "params = { since = { type = \"incremental\", cursor_path = \"at\", initial_value = 3 } }",
            "/events?since={}|",
        ),
        (
            &format!("params = {{ q = \"at>{{incremental.start_value}}\" }}\n{incremental}"),
            "/events?q=at%3E{}|",
        ),
        (&format!("path = \"events/{{incremental.last_value}}/all\"\n{incremental}"), "/events/{}/all|"),
        (
            &format!(
                "method = \"POST\"\njson = {{ from = \"{{incremental.start_value}}\", text = \"since {{incremental.start_value}}\" }}\n{incremental}"
            ),
            "/events|{\"from\":{},\"text\":\"since {}\"}",
        ),
        (&format!("headers = {{ X-Since = \"{{incremental.start_value}}\" }}\n{incremental}"), "/events|{}"),
    ] {
        let feed = Feed::new(json!([[1, 3], [2, 7]]));
        let scene = feed.scene(&events(endpoint));
        scene.run_well();
        scene.run_well();
        let sent: Vec<_> = feed
            .api
            .calls()
            .into_iter()
            .zip(feed.api.targets())
            .map(|(call, target)| {
                let header = call.header("x-since").unwrap_or_default();
                format!("{target}|{}{header}", call.body)
            })
            .collect();
        assert_eq!(sent, ["3", "7"].map(|start| expected.replace("{}", start)), "{endpoint}");
        assert_eq!(ids(&scene), [1, 2], "{endpoint}");
    }
}

#[test]
fn a_first_run_without_a_start_sends_none() {
    let feed = Feed::new(json!([[1, 3]]));
    let scene = feed.scene(&events("incremental = { cursor_path = \"at\", start_param = \"since\" }"));
    scene.run_well();
    scene.run_well();
    assert_eq!(feed.api.targets(), ["/events", "/events?since=3"]);
}

#[test]
fn convert_changes_what_is_sent_and_not_what_is_kept() {
    for key in ["convert", "transform"] {
        let feed = Feed::new(json!([[1, "2024-01-01T00:00:00Z"], [2, "2024-01-02T00:00:00Z"]]));
        let scene = feed.scene(&events(&format!(
            "params = {{ q = \"{{incremental.initial_value}}..{{incremental.end_value}}\" }}\n\
             incremental = {{ cursor_path = \"at\", initial_value = \"2024-01-01T00:00:00Z\", \
             end_value = \"2024-01-03T00:00:00Z\", start_param = \"since\", end_param = \"until\", {key} = \"fromdate\" }}"
        )));
        scene.run_well();
        let start = 1_704_067_200;
        let end = start + 2 * 86_400;
        assert_eq!(feed.api.targets(), [format!("/events?q={start}..{end}&since={start}&until={end}")]);
    }
    // What gives no one value fails before anything is asked.
    let feed = Feed::new(json!([]));
    let convert = "incremental = { cursor_path = \"at\", initial_value = \"x\", start_param = \"since\", convert = \"empty\" }";
    let finished = feed.scene(&events(convert)).run(&[]);
    finished.expect_code(1);
    finished.expect_said("`convert` cannot make a value to send of that at cursor `at`: it gives 0 values");
    assert_eq!(feed.api.targets(), [] as [&str; 0]);
}

#[test]
fn times_with_any_offset_and_texts_of_numbers_are_compared_by_what_they_say() {
    for (first, second, expected, last) in [
        (
            json!([[1, "2024-01-01T12:00:00Z"], [2, "2024-01-01T12:30:00+01:00"]]),
            // 3 reads later and is earlier, 4 reads earlier and is later, 1 is the same instant in other words.
            json!([
                [3, "2024-01-01T12:59:00+01:00"],
                [4, "2024-01-01T11:30:00-01:00"],
                [1, "2024-01-01T12:00:00.000Z"]
            ]),
            vec![1, 2, 4],
            json!("2024-01-01T11:30:00-01:00"),
        ),
        (json!([[1, "9"], [2, "10"]]), json!([[2, "10"], [3, "9"], [4, "100"]]), vec![1, 2, 4], json!("100")),
        (json!([[1, "b"], [2, "a"]]), json!([[3, "aa"], [4, "ba"]]), vec![1, 2, 4], json!("ba")),
    ] {
        let feed = Feed::new(first);
        let scene = feed.scene(&events("incremental = { cursor_path = \"at\" }"));
        scene.run_well();
        feed.set(second);
        scene.run_well();
        assert_eq!(ids(&scene), expected);
        assert_eq!(cursor(&scene)["last_value"], last);
    }
}

#[test]
fn lag_moves_what_is_sent_and_nothing_else() {
    let feed = Feed::new(json!([[1, "2024-01-01T00:00:30Z"], [2, "2024-01-01T00:02:00Z"]]));
    let scene = feed.scene(&events(
        "incremental = { cursor_path = \"at\", initial_value = \"2024-01-01T00:00:00Z\", start_param = \"since\", lag = 60 }",
    ));
    scene.run_well();
    let stored = cursor(&scene);
    assert_eq!(
        (&stored["last_value"], &stored["unique_hashes"]),
        (&json!("2024-01-01T00:02:00Z"), &json!([]))
    );
    feed.set(json!([[1, "2024-01-01T00:00:30Z"], [3, "2024-01-01T00:01:30Z"]]));
    scene.run_well();
    assert_eq!(feed.api.calls()[1].param("since"), Some("2024-01-01T00:01:00Z"));
    assert_eq!(ids(&scene), [1, 2, 3], "a late row is in, an older one is not");
    assert_eq!(cursor(&scene)["last_value"], stored["last_value"], "it never goes back");
}

#[test]
fn an_end_is_sent_and_kept_to_and_nothing_is_remembered() {
    for (range, expected) in [("", vec![1, 2]), (", range_end = \"closed\"", vec![1, 2, 3])] {
        let feed = Feed::new(json!([[0, 0], [1, 1], [2, 4], [3, 5], [4, 6]]));
        let scene = feed.scene(&events(&format!(
            "incremental = {{ cursor_path = \"at\", initial_value = 1, end_value = 5, start_param = \"since\", end_param = \"until\"{range} }}"
        )));
        scene.run_well();
        scene.run_well();
        assert_eq!(feed.api.targets(), ["/events?since=1&until=5"; 2]);
        assert_eq!(ids(&scene), [expected.clone(), expected].concat(), "dlt's re-runs repeat, too");
        assert_eq!(state(&scene, "events"), Value::Null);
    }
}

#[test]
fn rows_without_a_value_are_treated_as_the_config_says() {
    for (treatment, code, expected) in
        [("raise", 1, None), ("include", 0, Some(vec![1, 2, 3])), ("exclude", 0, Some(vec![2]))]
    {
        let feed = Feed::new(json!([[1], [2, 5], [3, null]]));
        let scene = feed.scene(&events(&format!(
            "incremental = {{ cursor_path = \"at\", on_cursor_value_missing = \"{treatment}\" }}"
        )));
        scene.run(&[]).expect_code(code);
        if let Some(expected) = expected {
            assert_eq!(ids(&scene), expected, "{treatment}");
            assert_eq!(cursor(&scene)["last_value"], 5);
        }
    }
}

/// Two events on a page; `desc` turns them round.
fn paged(call: &Call, mut events: Vec<Value>, desc: bool) -> Reply {
    if desc {
        events.reverse();
    }
    let from = call.number_param("after").unwrap_or(0);
    let next = (from + 2 < events.len()).then_some(from + 2);
    Reply::json(
        &json!({ "data": events.into_iter().skip(from).take(2).collect::<Vec<_>>(), "next": next, "more": next.is_some() }),
    )
}

#[test]
fn rows_in_order_save_the_pages_beyond_the_range() {
    let paginator = "paginator = { type = \"cursor\", cursor_path = \"next\", cursor_param = \"after\", has_more_path = \"more\" }";
    let config = |endpoint: &str| events(endpoint).replace("paginator = \"single_page\"", paginator);
    let ten = || (1..=10).map(|id| json!([id, id])).collect::<Value>();

    let feed = Feed::answering(ten(), |call, events| paged(call, events, false));
    let scene = feed.scene(&config(
        "incremental = { cursor_path = \"at\", initial_value = 1, end_value = 4, row_order = \"asc\" }",
    ));
    let report = scene.run_well();
    assert_eq!(report["resources"][0]["outcome"], "complete");
    assert_eq!(feed.api.targets(), ["/events", "/events?after=2"]);
    assert_eq!(ids(&scene), [1, 2, 3]);

    let feed = Feed::answering(ten(), |call, events| paged(call, events, true));
    let scene = feed.scene(&config("incremental = { cursor_path = \"at\", row_order = \"desc\" }"));
    scene.run_well();
    assert_eq!(feed.api.targets().len(), 5);
    feed.set((1..=13).map(|id| json!([id, id])).collect());
    let report = scene.run_well();
    assert_eq!(report["resources"][0]["outcome"], "complete");
    // 13 and 12; 11 and 10, which is where it starts; 9 and 8.
    assert_eq!(feed.api.targets().len(), 8);
    assert_eq!(sorted_ids(&scene), (1..=13).collect::<Vec<_>>());

    // An API that does not keep its promise is read to the end, and it is said.
    let feed = Feed::answering(json!([[1, 1], [2, 3], [3, 2], [4, 9], [5, 3]]), |call, events| {
        paged(call, events, false)
    });
    let scene = feed.scene(&config(
        "incremental = { cursor_path = \"at\", initial_value = 1, end_value = 4, row_order = \"asc\" }",
    ));
    let finished = scene.run(&[]);
    finished.expect_code(0);
    finished.expect_said("rows did not come in the order of `at` that `row_order` promises");
    assert_eq!(ids(&scene), [1, 2, 3, 5]);
}

/// Answers with the events from `since` to `until`, both included, as the most lenient API does.
fn ranged(call: &Call, events: Vec<Value>) -> Reply {
    let (since, until) = (call.param("since").unwrap_or(""), call.param("until").unwrap_or("~"));
    let is_in = |event: &Value| event["at"].as_str().is_none_or(|at| at >= since && at <= until);
    Reply::json(&json!({ "data": events.into_iter().filter(is_in).collect::<Vec<_>>() }))
}

const RANGED: &str = "incremental = { cursor_path = \"at\", initial_value = \"2024-01-01\", start_param = \"since\", end_param = \"until\", on_cursor_value_missing = \"include\" }";

fn days(count: u32) -> Value {
    (1..=count).map(|day| json!([day, format!("2024-01-{day:02}")])).collect()
}

#[test]
fn a_backfill_reads_each_row_of_its_range_once_in_windows() {
    for (window, windows) in [(None, 1), (Some("1d"), 10), (Some("3d"), 4), (Some("1w"), 2), (Some("1mo"), 1)]
    {
        let feed = Feed::answering(days(20), ranged);
        let scene = feed.scene(&events(RANGED));
        let mut args = vec!["--from", "2024-01-05", "--to", "2024-01-15"];
        args.extend(window.iter().flat_map(|window| ["--window", window]));
        scene.run(&args).expect_code(0);
        assert_eq!(sorted_ids(&scene), (5..15).collect::<Vec<_>>(), "{window:?}");
        let mut targets = feed.api.targets();
        targets.sort();
        assert_eq!(targets.len(), windows, "{window:?}");
        assert!(targets[0].starts_with("/events?since=2024-01-05&until="), "{}", targets[0]);
        assert!(targets[windows - 1].ends_with("until=2024-01-15"), "{targets:?}");
        // The next run starts as if there had been none.
        assert_eq!(state(&scene, "events"), Value::Null);
        scene.run_well();
        assert_eq!(feed.api.targets().last().unwrap(), "/events?since=2024-01-01");
    }
}

#[test]
fn a_backfill_leaves_the_cursor_where_it_is_and_merges() {
    let feed = Feed::answering(days(9), ranged);
    let config = events(RANGED).replace("primary_key", "write_disposition = \"merge\"\nprimary_key");
    let scene = feed.scene(&config);
    scene.run_well();
    let before = state(&scene, "events");
    scene.run(&["--from", "2024-01-02", "--window", "2d", "--to", "2024-01-08"]).expect_code(0);
    assert_eq!(sorted_ids(&scene), (1..=9).collect::<Vec<_>>());
    assert_eq!(state(&scene, "events"), before);
    scene.run_well();
    assert_eq!(feed.api.targets().last().unwrap(), "/events?since=2024-01-09");
}

#[test]
fn a_backfill_that_was_cut_goes_on_in_the_window_it_was_in() {
    // The seventh window is not answered until the run is gone.
    let gate = Arc::new((Mutex::new(true), Condvar::new()));
    let (held, closed) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&gate));
    let count = Arc::clone(&held);
    let feed = Feed::answering(days(20), move |call, events| {
        if call.param("since") == Some("2024-01-11") {
            count.fetch_add(1, Ordering::SeqCst);
            let mut is_closed = closed.0.lock().unwrap();
            while *is_closed {
                is_closed = closed.1.wait(is_closed).unwrap();
            }
        }
        ranged(call, events)
    });
    let config = events(RANGED).replace("[resources.endpoint]", "max_in_flight = 1\n[resources.endpoint]");
    let scene = feed.scene(&config);
    let args = ["--from", "2024-01-05", "--to", "2024-01-15", "--window", "1d"];
    let run = scene.workspace.start(&args);
    while held.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    run.kill();
    *gate.0.lock().unwrap() = false;
    gate.1.notify_all();

    // Another run does its own work, and leaves the package where it is.
    let other = scene.run(&["--from", "2024-01-19", "--to", "2024-01-20"]);
    other.expect_code(0);
    other.expect_said("a run with `--from 2024-01-05 --to 2024-01-15 --window 1d` goes on with it");
    let before = feed.api.targets().len();
    scene.run(&args).expect_code(0);
    let resumed = feed.api.targets().split_off(before);
    let expected: Vec<_> =
        (11..15).map(|day| format!("/events?since=2024-01-{day:02}&until=2024-01-{:02}", day + 1)).collect();
    assert_eq!(resumed, expected, "finished windows are not asked for again");
    assert_eq!(sorted_ids(&scene), [(5..15).collect::<Vec<_>>(), vec![19]].concat());
}

#[test]
fn a_range_that_cannot_be_read_is_refused_by_name() {
    let feed = Feed::answering(days(3), ranged);
    let plain = "\n[[resources]]\nname = \"plain\"\nendpoint = { paginator = \"single_page\" }\n\
                 [[resources]]\nname = \"start_only\"\nendpoint = { paginator = \"single_page\", incremental = { cursor_path = \"at\", start_param = \"since\" } }\n";
    let scene = feed.scene(&format!("{}{plain}", events(RANGED)));
    let from = ["--from", "2024-01-01"];
    for (args, said) in [
        (
            vec!["-r", "plain", "-r", "start_only"],
            "`plain` has no `incremental` with a `cursor_path`; `start_only` does not tell the API where to start and where to end",
        ),
        (
            vec!["-r", "events", "--window", "6h"],
            "windows of `6h` cannot be said in the form of the values at cursor `at`",
        ),
        (
            vec!["-r", "events", "--to", "2023-01-01"],
            "the range from `2024-01-01` to `2023-01-01` holds nothing",
        ),
        (vec!["-r", "events", "--full-refresh"], "cannot be used with"),
        (vec!["-r", "events", "--window", "soon"], "is not a window"),
    ] {
        let finished = scene.run(&[from.to_vec(), args].concat());
        finished.expect_code(2);
        finished.expect_said(said);
    }
    scene.run(&["--window", "1d"]).expect_code(2);
    assert_eq!(feed.api.targets(), [] as [&str; 0]);
    // Without names, those that can be read are.
    let finished = scene.run(&["--from", "2024-01-01", "--to", "2024-01-03"]);
    finished.expect_code(0);
    finished.expect_said("left out, since a range of them cannot be read: plain, start_only");
    assert_eq!(ids(&scene), [1, 2]);
}

#[test]
fn children_of_a_range_come_from_its_rows_once() {
    let feed = Feed::answering(days(9), |call, events| match call.path.as_str() {
        "/events" => ranged(call, events),
        path => Reply::json(&json!({ "data": [{ "of": path }] })),
    });
    let child = "\n[[resources]]\nname = \"notes\"\nendpoint = { path = \"events/{resources.events.id}/notes\", data_selector = \"data\", paginator = \"single_page\" }\n";
    let scene = feed.scene(&format!("{}{child}", events(RANGED)));
    scene
        .run(&["-r", "notes", "--from", "2024-01-02", "--to", "2024-01-06", "--window", "2d"])
        .expect_code(0);
    let notes = [2, 3, 4, 5].map(|id| format!("/events/{id}/notes"));
    assert_eq!(scene.column("notes", "of"), notes);

    // In later runs, only new rows have children to ask for.
    scene.run_well();
    let before = feed.api.targets().len();
    feed.set(days(10));
    scene.run_well();
    assert_eq!(feed.api.targets()[before + 1..], ["/events/10/notes"]);
}

/// Shops, and the events of each of them, all with the same days.
fn of_shops(feed: &Feed, events: &str, of_shops: &str) -> Scene {
    feed.scene(&format!(
        "[[resources]]\nname = \"shops\"\nselected = false\n[resources.endpoint]\npaginator = \"single_page\"\n\
         data_selector = \"data\"\n{of_shops}\n{}",
        events.replace("[resources.endpoint]", "include_from_parent = [\"id\"]\n[resources.endpoint]\npath = \"shops/{resources.shops.id}/events\"")
    ))
}

fn shops_or_ranged(call: &Call, events: Vec<Value>) -> Reply {
    match call.path.as_str() {
        "/shops" => Reply::json(
            &json!({ "data": [{ "id": 1, "at": "2024-01-01" }, { "id": 2, "at": "2024-01-01" }] }),
        ),
        _ => ranged(call, events),
    }
}

#[test]
fn a_backfill_of_a_child_goes_through_the_windows_of_each_row_of_its_parent() {
    let feed = Feed::answering(days(9), shops_or_ranged);
    let scene = of_shops(&feed, &events(RANGED), "");
    scene
        .run(&["-r", "events", "--from", "2024-01-02", "--to", "2024-01-07", "--window", "2d"])
        .expect_code(0);
    let mut targets = feed.api.targets();
    targets.sort();
    let windows = [
        "since=2024-01-02&until=2024-01-04",
        "since=2024-01-04&until=2024-01-06",
        "since=2024-01-06&until=2024-01-07",
    ];
    let expected = [1, 2].map(|shop| windows.map(|window| format!("/shops/{shop}/events?{window}"))).concat();
    assert_eq!(targets, [vec!["/shops".to_owned()], expected].concat());
    // In the order of the parent's rows, and of the windows of each.
    assert_eq!(ids(&scene), [2, 3, 4, 5, 6, 2, 3, 4, 5, 6]);
    let shops: Vec<_> = scene.column("events", "_shops_id");
    assert_eq!(shops, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);

    // The same cut in every run, where the config says so.
    let feed = Feed::answering(days(9), shops_or_ranged);
    let windowed =
        RANGED.replace("start_param", "window = \"100y\", start_param").replace("2024-01-01", "1950-01-01");
    let scene = of_shops(&feed, &events(&windowed), "");
    scene.run_well();
    assert_eq!(sorted_ids(&scene), (1..=9).flat_map(|id| [id, id]).collect::<Vec<_>>());
    scene.run_well();
    assert!(feed.api.targets().contains(&"/shops/2/events?since=2024-01-09&until=2124-01-09".to_owned()));
    assert_eq!(ids(&scene).len(), 18);

    // Which of two ranges is meant cannot be told.
    let scene = of_shops(&feed, &events(RANGED), "incremental = { cursor_path = \"at\" }");
    let refused = scene.run(&["-r", "events", "--from", "2024-01-02"]);
    refused.expect_code(2);
    refused.expect_said("`events` takes values from a parent that has a range of its own");
}

/// Each window of each shop is a pagination of its own: those that ended are not asked for again, and none is left out.
#[test]
fn a_backfill_of_a_child_that_was_cut_goes_on_with_the_windows_that_are_left() {
    for flight in [1, 4] {
        // The third window of the first shop is not answered until the run is gone.
        let gone = Arc::new(AtomicUsize::new(0));
        let open = Arc::clone(&gone);
        let feed = Feed::answering(days(9), move |call, events| {
            let reply = shops_or_ranged(call, events);
            let is_held = call.path == "/shops/1/events" && call.param("since") == Some("2024-01-04");
            let open = Arc::clone(&open);
            if is_held { reply.when(move |_| open.load(Ordering::SeqCst) > 0) } else { reply }
        });
        let config = events(RANGED).replace("primary_key", &format!("max_in_flight = {flight}\nprimary_key"));
        let scene = of_shops(&feed, &config, "");
        let args = ["-r", "events", "--from", "2024-01-02", "--to", "2024-01-08", "--window", "1d"];
        let run = scene.workspace.start(&args);
        // With four at a time, nine others pass the one that is held.
        let before = if flight == 1 { 4 } else { 13 };
        feed.api.wait_until(|calls| calls.len() == before);
        run.kill();
        gone.store(1, Ordering::SeqCst);
        let asked: std::collections::BTreeSet<_> = feed.api.targets().into_iter().collect();
        scene.run(&args).expect_code(0);
        let resumed = feed.api.targets().split_off(before);
        let again = resumed.iter().filter(|target| asked.contains(*target)).count();
        assert!((1..=flight).contains(&again), "{again} of {resumed:?}");
        assert_eq!(before + resumed.len(), 13 + again);
        let days: Vec<i64> = (2..8).collect();
        assert_eq!(ids(&scene), [days.clone(), days].concat());
    }
}

/// An API that heeds one end of a range, or none, has its pages read as far as the window goes, where rows are in order.
#[test]
fn windows_of_rows_in_order_save_pages_and_have_children() {
    for (order, requests, notes) in [("asc", 4, [2, 3, 4, 5]), ("desc", 9, [3, 2, 5, 4])] {
        let feed = Feed::answering(days(9), move |call, events| match call.path.as_str() {
            "/events" => {
                let since = call.param("since").filter(|_| order == "asc").unwrap_or("").to_owned();
                let is_in = |event: &Value| event["at"].as_str().is_some_and(|at| at >= since.as_str());
                paged(call, events.into_iter().filter(is_in).collect(), order == "desc")
            }
            path => Reply::json(&json!({ "data": [{ "of": path }] })),
        });
        let child = "\n[[resources]]\nname = \"notes\"\nendpoint = { path = \"events/{resources.events.id}/notes\", data_selector = \"data\", paginator = \"single_page\" }\n";
        let paginator = "paginator = { type = \"cursor\", cursor_path = \"next\", cursor_param = \"after\", has_more_path = \"more\" }";
        let ordered = RANGED.replace("start_param", &format!("row_order = \"{order}\", start_param"));
        let config = events(&ordered).replace("paginator = \"single_page\"", paginator);
        let scene = feed.scene(&format!("{config}{child}"));
        let args = ["--from", "2024-01-02", "--to", "2024-01-06", "--window", "2d"];
        scene.run(&args).expect_code(0);
        let asked = feed.api.targets().iter().filter(|target| target.starts_with("/events?")).count();
        assert_eq!(asked, requests, "{order}: {:?}", feed.api.targets());
        assert_eq!(sorted_ids(&scene), [2, 3, 4, 5], "{order}");
        assert_eq!(scene.column("notes", "of"), notes.map(|id| format!("/events/{id}/notes")), "{order}");
    }
}

#[test]
fn a_configured_window_cuts_every_run() {
    let feed = Feed::answering(days(9), ranged);
    let scene = feed.scene(&events(
        &RANGED.replace("start_param", "window = \"10y\", start_param").replace("2024-01-01", "2000-01-01"),
    ));
    scene.run_well();
    let mut targets = feed.api.targets();
    targets.sort();
    assert_eq!(targets[0], "/events?since=2000-01-01&until=2010-01-01");
    assert_eq!(targets[1], "/events?since=2010-01-01&until=2020-01-01");
    assert!(targets[2].starts_with("/events?since=2020-01-01&until=2030-01-01"));
    assert_eq!(sorted_ids(&scene), (1..=9).collect::<Vec<_>>());
    scene.run_well();
    assert!(feed.api.targets().contains(&"/events?since=2024-01-09&until=2034-01-09".to_owned()));
    assert_eq!(sorted_ids(&scene), (1..=9).collect::<Vec<_>>());
}

#[test]
fn a_full_scan_now_and_then_tells_what_is_gone() {
    for mode in ["soft", "hard"] {
        // What is asked for since a moment lacks what is gone as much as what is old.
        let feed = Feed::answering(json!([[1, "a"], [2, "b"], [3, "c"], [4, "d"], [5, "e"]]), ranged);
        let scene = feed.scene(
            &events("incremental = { cursor_path = \"at\", start_param = \"since\", initial_value = \"a\", full_scan_every = \"9000d\" }")
                .replace("primary_key", &format!("write_disposition = \"merge\"\ndeletes = {{ mode = \"{mode}\", max_share = 0.5 }}\nprimary_key")),
        );
        let there = || {
            let gone = if mode == "soft" { " WHERE _forebay_deleted_at IS NULL" } else { "" };
            let ids = scene.db().rows(&format!("SELECT id FROM events{gone} ORDER BY id"));
            ids.into_iter().map(|row| row["id"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        scene.run_well();
        let scanned = state(&scene, "events")["forebay"]["full_scan_at"].clone();
        assert!(scanned.as_str().is_some_and(|at| at.starts_with("20") && at.ends_with('Z')), "{scanned}");
        // Two are gone, one is new, one has changed without a word.
        feed.set(json!([[1, "a"], [4, "d"], [5, "e"], [6, "f"]]));
        let report = scene.run_well();
        assert_eq!(report["resources"][0]["outcome"], "complete");
        assert_eq!(there(), [1, 2, 3, 4, 5, 6], "a run that reads what is new tells nothing");
        assert_eq!(state(&scene, "events")["forebay"]["full_scan_at"], scanned);
        scene.run(&["--set", "resources.events.endpoint.incremental.full_scan_every=1ms"]).expect_code(0);
        assert_eq!(there(), [1, 4, 5, 6]);
        assert_eq!(feed.api.targets(), ["/events", "/events?since=e", "/events"], "a full scan has no start");
        assert_eq!(cursor(&scene)["last_value"], "f");
        // Nothing of this is news.
        let finished = scene.run(&[]);
        finished.expect_said("nothing new: nothing was written");
        let status = scene.workspace.command("status", &[]).output().unwrap();
        let status = String::from_utf8(status.stdout).unwrap();
        assert!(
            status.contains("last full read of events: 20") && status.contains("\"last_value\":\"f\""),
            "{status}"
        );
    }
}

#[test]
fn a_full_scan_that_fails_is_due_still() {
    let feed = Feed::answering(json!([[1, "a"]]), |call, events| {
        if call.number < 3 { Reply::empty(503) } else { ranged(call, events) }
    });
    let scene = feed.scene(
        &events("incremental = { cursor_path = \"at\", start_param = \"since\", initial_value = \"a\", full_scan_every = \"9000d\" }")
            .replace("primary_key", "write_disposition = \"merge\"\nprimary_key"),
    );
    scene.run(&[]).expect_code(1);
    scene.run_well();
    scene.run_well();
    assert_eq!(feed.api.targets()[3..], ["/events", "/events?since=a"]);
}

#[test]
fn edges_functions_and_keys_decide_which_rows_come_again() {
    for (settings, since, expected) in [
        ("initial_value = 3", ["3", "5"], vec![1, 2, 3, 4]),
        ("initial_value = 3, range_start = \"open\"", ["3", "5"], vec![2, 4]),
        ("initial_value = 3, primary_key = []", ["3", "5"], vec![1, 2, 2, 3, 4]),
        ("initial_value = 3, primary_key = \"at\"", ["3", "5"], vec![1, 2, 4]),
        ("initial_value = 5, last_value_func = \"min\"", ["5", "3"], vec![0, 1, 2]),
    ] {
        let feed = Feed::new(json!([[1, 3], [2, 5]]));
        let scene = feed.scene(&events(&format!(
            "incremental = {{ cursor_path = \"at\", start_param = \"since\", {settings} }}"
        )));
        scene.run_well();
        feed.set(json!([[0, 2], [1, 3], [2, 5], [3, 5], [4, 9]]));
        scene.run_well();
        let sent: Vec<_> =
            feed.api.calls().iter().map(|call| call.param("since").unwrap().to_owned()).collect();
        assert_eq!(sent, since, "{settings}");
        assert_eq!(sorted_ids(&scene), expected, "{settings}");
    }
}

#[test]
fn a_run_that_fails_moves_no_cursor() {
    let feed = Feed::answering((1..=4).map(|id| json!([id, id])).collect(), |call, events| {
        if call.number == 3 { Reply::empty(422) } else { paged(call, events, false) }
    });
    let paginator = "paginator = { type = \"cursor\", cursor_path = \"next\", cursor_param = \"after\", has_more_path = \"more\" }";
    let config = events("incremental = { cursor_path = \"at\", start_param = \"since\" }")
        .replace("paginator = \"single_page\"", paginator);
    let scene = feed.scene(&config);
    scene.run_well();
    let before = cursor(&scene);
    feed.set((1..=6).map(|id| json!([id, id])).collect());
    scene.run(&[]).expect_code(1);
    assert_eq!((cursor(&scene), ids(&scene).len()), (before, 4));
    scene.run_well();
    let targets = feed.api.targets();
    assert_eq!((targets[2].as_str(), targets[4].as_str()), ("/events?since=4", "/events?since=4"));
    assert_eq!(sorted_ids(&scene), (1..=6).collect::<Vec<_>>());
}

#[test]
fn a_page_cursor_reads_everything_now_and_then() {
    let feed = Feed::answering(json!([[1, 1], [2, 2], [3, 3]]), |call, events| {
        let from = call.number_param("after").unwrap_or(0);
        let next = (from + 2).min(events.len());
        let more = next < events.len();
        let page: Vec<_> = events.into_iter().skip(from).take(2).collect();
        Reply::json(&json!({ "data": page, "next": next, "more": more }))
    });
    let paginator = "paginator = { type = \"cursor\", cursor_path = \"next\", cursor_param = \"after\", has_more_path = \"more\" }";
    let config = events("incremental = { page_cursor = true, full_scan_every = \"9000d\" }")
        .replace("paginator = \"single_page\"", paginator)
        .replace(
            "primary_key",
            "write_disposition = \"merge\"\ndeletes = { mode = \"hard\", max_share = 0.5 }\nprimary_key",
        );
    let scene = feed.scene(&config);
    scene.run_well();
    scene.run_well();
    assert_eq!(feed.api.targets(), ["/events", "/events?after=2", "/events?after=3"]);
    feed.set(json!([[1, 1], [3, 3], [4, 4]]));
    scene.run(&["--set", "resources.events.endpoint.incremental.full_scan_every=1ms"]).expect_code(0);
    assert_eq!(feed.api.targets()[3..], ["/events", "/events?after=2"]);
    assert_eq!(sorted_ids(&scene), [1, 3, 4]);
    let own = &state(&scene, "events")["forebay"];
    assert_eq!(own["page_cursor"], 3);
    assert!(own["full_scan_at"].is_string(), "{own}");
}
