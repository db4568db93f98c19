//! Answers that are not sent again while they are the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::super::api::{Api, Call, Reply};
use super::super::scene::{Scene, rows};
use super::outcome;

/// A list whose version a test moves: version n has n rows, and `ETag` `"vn"`.
struct Versioned {
    api: Api,
    version: Arc<AtomicUsize>,
}

impl Versioned {
    fn start() -> Self {
        Self::with(|version| Reply::json(&json!(rows(version))))
    }

    fn with(answer: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let version = Arc::new(AtomicUsize::new(2));
        let shared = Arc::clone(&version);
        let api = Api::start(move |call| {
            let version = shared.load(Ordering::SeqCst);
            let etag = format!("\"v{version}\"");
            if call.header("if-none-match") == Some(&etag) {
                return Reply::empty(304).with("etag", &etag);
            }
            answer(version).with("etag", &etag)
        });
        Self { api, version }
    }

    fn set(&self, version: usize) {
        self.version.store(version, Ordering::SeqCst);
    }

    /// `If-None-Match` of all requests so far.
    fn asked(&self) -> Vec<Option<String>> {
        self.api.calls().iter().map(|call| call.header("if-none-match").map(str::to_owned)).collect()
    }
}

fn config(disposition: &str) -> String {
    format!(
        "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"t\"\nprimary_key = \"id\"\n\
         write_disposition = {disposition}\nendpoint = {{ conditional = true }}"
    )
}

fn some(etag: &str) -> Option<String> {
    Some(etag.to_owned())
}

#[test]
fn an_answer_that_is_the_same_costs_no_rows_and_changes_none() {
    for disposition in
        ["\"append\"", "\"replace\"", "\"merge\"", "{ disposition = \"merge\", strategy = \"scd2\" }"]
    {
        let versioned = Versioned::start();
        let scene = Scene::new(&versioned.api, &config(disposition));
        assert_eq!(outcome(&scene.run_well()), "complete");
        let before = scene.db().content();
        let report = scene.run_well();
        assert_eq!(outcome(&report), "unchanged", "{disposition}");
        assert_eq!(report["resources"][0]["rows"], 0);
        assert_eq!(report["loads"], json!([]));
        scene.db().content().expect(&before);
        versioned.set(3);
        assert_eq!(outcome(&scene.run_well()), "complete");
        assert_eq!(versioned.asked(), [None, some("\"v2\""), some("\"v2\"")]);
        let expected = if disposition == "\"append\"" { vec![1, 2, 1, 2, 3] } else { vec![1, 2, 3] };
        let mut ids = scene.column("t", "id");
        if disposition != "\"append\"" {
            ids.sort_by_key(Value::as_i64);
        }
        assert_eq!(ids, expected, "{disposition}");
    }
}

#[test]
fn the_closing_lines_say_that_nothing_changed() {
    let versioned = Versioned::start();
    let scene = Scene::new(&versioned.api, &config("\"merge\""));
    scene.run_well();
    let finished = scene.run(&[]);
    finished.expect_code(0);
    finished.expect_said("unchanged (304)");
    finished.expect_said("nothing new: nothing was written");
}

#[test]
fn rows_that_are_still_there_are_not_taken_for_gone() {
    let versioned = Versioned::start();
    let scene = Scene::new(
        &versioned.api,
        &format!("{}\ndeletes = {{ mode = \"hard\", max_share = 1.0 }}", config("\"merge\"")),
    );
    scene.run_well();
    assert_eq!(outcome(&scene.run_well()), "unchanged");
    assert_eq!(scene.column("t", "id"), [1, 2]);
    versioned.set(1);
    scene.run_well();
    assert_eq!(scene.column("t", "id"), [1]);
}

#[test]
fn an_unchanged_resource_leaves_the_others_alone() {
    let other = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&other);
    let api = Api::start(move |call| match (call.path.as_str(), call.header("if-none-match")) {
        ("/t", Some("\"a\"")) => Reply::empty(304),
        ("/t", _) => Reply::json(&json!(rows(2))).with("etag", "\"a\""),
        _ => Reply::json(&json!([{ "id": counter.fetch_add(1, Ordering::SeqCst) }])),
    });
    let scene = Scene::new(&api, &format!("{}\n[[resources]]\nname = \"other\"", config("\"replace\"")));
    scene.run_well();
    let report = scene.run_well();
    let outcomes: Vec<_> =
        report["resources"].as_array().unwrap().iter().map(|it| it["outcome"].clone()).collect();
    assert_eq!(outcomes, ["unchanged", "complete"]);
    assert_eq!(scene.column("t", "id"), [1, 2]);
    assert_eq!(scene.column("other", "id"), [0, 1]);
    // A 304 without an `ETag` keeps the one that is known.
    scene.run_well();
    let asked = api.calls().into_iter().filter(|call| call.path == "/t");
    assert_eq!(asked.filter_map(|call| call.header("if-none-match").map(str::to_owned)).count(), 2);
}

#[test]
fn a_load_that_fails_is_not_taken_for_one_that_was_committed() {
    let versioned = Versioned::with(|version| match version {
        // A row that the contract refuses.
        3 => Reply::json(&json!([{ "id": 1, "new": true }])),
        version => Reply::json(&json!(rows(version))),
    });
    let scene = Scene::new(
        &versioned.api,
        &format!("{}\nschema_contract = {{ columns = \"freeze\" }}", config("\"replace\"")),
    );
    scene.run_well();
    versioned.set(3);
    scene.run(&[]).expect_code(1);
    scene.run(&[]).expect_code(1);
    versioned.set(2);
    assert_eq!(outcome(&scene.run_well()), "unchanged");
    assert_eq!(scene.column("t", "id"), [1, 2]);
    assert_eq!(versioned.asked(), [None, some("\"v2\""), some("\"v2\""), some("\"v2\"")]);
}

#[test]
fn a_full_refresh_asks_without_conditions() {
    let versioned = Versioned::start();
    let scene = Scene::new(&versioned.api, &config("\"append\""));
    scene.run_well();
    let finished = scene.run(&["--full-refresh"]);
    finished.expect_code(0);
    assert_eq!(scene.column("t", "id"), [1, 2]);
    assert_eq!(outcome(&scene.run_well()), "unchanged");
    assert_eq!(versioned.asked(), [None, None, some("\"v2\"")]);
}

#[test]
fn rows_that_would_be_made_otherwise_now_are_asked_for_anew() {
    let versioned = Versioned::with(|version| Reply::json(&json!({ "a": rows(version), "b": rows(1) })));
    let scene = Scene::new(&versioned.api, &config("\"replace\""));
    scene.run_well();
    let finished = scene.run(&["--set", "resources.t.endpoint.data_selector=b"]);
    finished.expect_code(0);
    assert_eq!(scene.column("t", "id"), [1]);
    assert_eq!(versioned.asked(), [None, None]);
}

/// Whatever changes what becomes of an answer: the answer that is known is not asked about, and then known anew.
#[test]
fn a_change_of_what_is_done_to_rows_asks_for_them_anew() {
    for (setting, loaded) in [
        ("resources.t.processing_steps=[{filter=\".id == 1\"}]", 1),
        ("resources.t.fields={exclude=[\"x\"]}", 2),
        ("resources.t.protect={x=\"mask\"}", 2),
        ("resources.t.columns={id={data_type=\"text\"}}", 2),
        ("resources.t.endpoint.response_actions=[{status_code=404, action=\"stop\"}]", 2),
    ] {
        let row = |id: usize| json!({ "id": id, "x": "seen" });
        let versioned =
            Versioned::with(move |version| Reply::json(&json!((1..=version).map(row).collect::<Vec<_>>())));
        let scene = Scene::new(&versioned.api, &config("\"replace\""));
        scene.run_well();
        for _ in 0..2 {
            scene.run(&["--set", setting]).expect_code(0);
        }
        assert_eq!(versioned.asked(), [None, None, some("\"v2\"")], "{setting}");
        assert_eq!(scene.db().count("t"), loaded, "{setting}");
    }
}

#[test]
fn a_list_of_several_pages_is_always_read() {
    let answer = |call: &Call| {
        let (next, id) = if call.param("cursor").is_none() { (json!("x"), 1) } else { (Value::Null, 2) };
        Reply::json(&json!({ "data": [{ "id": id }], "next": next })).with("etag", "\"same\"")
    };
    let api = Api::start(answer);
    let scene = Scene::new(
        &api,
        "[[resources]]\nname = \"t\"\nwrite_disposition = \"replace\"\n[resources.endpoint]\nconditional = true\n\
         paginator = { type = \"cursor\", cursor_path = \"next\" }",
    );
    scene.run_well();
    scene.run_well();
    assert_eq!(api.calls().len(), 4);
    assert!(api.calls().iter().all(|call| call.header("if-none-match").is_none()));
    assert_eq!(scene.column("t", "id"), [1, 2]);
}

#[test]
fn times_serve_where_there_is_no_tag() {
    let date = "Wed, 21 Oct 2015 07:28:00 GMT";
    let api = Api::start(move |call| match call.header("if-modified-since") {
        Some(since) if since == date => Reply::empty(304),
        _ => Reply::json(&json!(rows(1))).with("last-modified", date),
    });
    let scene = Scene::new(&api, &config("\"merge\""));
    scene.run_well();
    assert_eq!(outcome(&scene.run_well()), "unchanged");
}

#[test]
fn children_are_known_one_by_one() {
    let changed = Arc::new(AtomicUsize::new(0));
    let is_changed = Arc::clone(&changed);
    let api = Api::start(move |call| {
        if call.path == "/parents" {
            return Reply::json(&json!(rows(3)));
        }
        let version = if call.path == "/parents/2" { is_changed.load(Ordering::SeqCst) } else { 0 };
        let etag = format!("\"{}-{version}\"", call.path);
        if call.header("if-none-match") == Some(&etag) {
            return Reply::empty(304);
        }
        Reply::json(&json!({ "path": call.path, "version": version })).with("etag", &etag)
    });
    let scene = Scene::new(
        &api,
        "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"parents\"\nwrite_disposition = \"replace\"\n\
         [[resources]]\nname = \"t\"\nprimary_key = \"path\"\nwrite_disposition = \"merge\"\n\
         endpoint = { path = \"parents/{resources.parents.id}\", conditional = true }",
    );
    scene.run_well();
    let second = scene.run_well();
    assert_eq!(second["resources"][1]["outcome"], "unchanged");
    changed.store(1, Ordering::SeqCst);
    let third = scene.run_well();
    assert_eq!(
        (&third["resources"][1]["outcome"], &third["resources"][1]["rows"]),
        (&json!("complete"), &json!(1))
    );
    let fourth = scene.run_well();
    assert_eq!(fourth["resources"][1]["outcome"], "unchanged");
    let versions = scene.db().rows("SELECT version FROM data.t ORDER BY path");
    assert_eq!(versions.iter().map(|row| row["version"].clone()).collect::<Vec<_>>(), [0, 1, 0]);
}

#[test]
fn without_the_key_nothing_is_asked_for_under_conditions() {
    let versioned = Versioned::start();
    let scene = Scene::new(&versioned.api, &config("\"replace\"").replace("conditional = true", ""));
    scene.run_well();
    scene.run_well();
    assert_eq!(versioned.asked(), [None, None]);
}

#[test]
fn a_run_that_goes_on_keeps_what_was_unchanged() {
    let api = Api::start(|call| match (call.path.as_str(), call.param("cursor")) {
        ("/t", _) if call.header("if-none-match") == Some("\"a\"") => Reply::empty(304),
        ("/t", _) => Reply::json(&json!(rows(2))).with("etag", "\"a\""),
        // The second run gets no further than its first page.
        (_, Some(_)) if (5..=7).contains(&call.number) => Reply::empty(503),
        (_, None) => Reply::json(&json!({ "data": rows(1), "next": "x" })),
        _ => Reply::json(&json!({ "data": [{ "id": 2 }], "next": null })),
    });
    let scene = Scene::new(
        &api,
        &format!(
            "{}\n[[resources]]\nname = \"other\"\nwrite_disposition = \"replace\"\n\
             endpoint = {{ paginator = {{ type = \"cursor\", cursor_path = \"next\" }} }}",
            config("\"replace\"")
        ),
    );
    scene.run_well();
    scene.run(&[]).expect_code(3);
    let third = scene.run_well();
    assert_eq!(third["pending"][0]["work"], "resumed", "{third}");
    let outcomes: Vec<_> =
        third["resources"].as_array().unwrap().iter().map(|it| it["outcome"].clone()).collect();
    assert_eq!(outcomes, ["unchanged", "complete"]);
    assert_eq!(api.calls().iter().filter(|call| call.path == "/t").count(), 2);
    assert_eq!(scene.column("t", "id"), [1, 2]);
    assert_eq!(scene.column("other", "id"), [1, 2]);
}
