//! What comes again in the next run, because something fell short in this one, is neither lost nor there twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::api::{Api, Call, Reply};
use super::scene::Scene;

/// Users by `since`, at first two of them, with articles and likes of each. The third one's articles have a colour.
struct Feed {
    api: Api,
    users: Arc<AtomicUsize>,
}

impl Feed {
    fn start() -> Self {
        Self::answering(|_| None)
    }

    /// `answer` goes first.
    fn answering(answer: impl Fn(&Call) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let users = Arc::new(AtomicUsize::new(2));
        let count = Arc::clone(&users);
        let api = Api::start(move |call| {
            let plain = || match call.path.split('/').collect::<Vec<_>>()[..] {
                ["", "users"] => {
                    let since = call.number_param("since").unwrap_or(1);
                    let users = since..=count.load(Ordering::SeqCst);
                    let users = users.map(|id| json!({ "id": id, "at": id })).collect::<Vec<Value>>();
                    Reply::json(&json!(users))
                }
                ["", "articles", "3"] => Reply::json(&json!([{ "id": 3, "colour": "red" }])),
                ["", _, user] => Reply::json(&json!([{ "id": user.parse::<i64>().unwrap() }])),
                _ => Reply::empty(404),
            };
            answer(call).unwrap_or_else(plain)
        });
        Self { api, users }
    }

    fn add_user(&self) {
        self.users.fetch_add(1, Ordering::SeqCst);
    }

    /// How often the children of this user were asked for.
    fn asked(&self, target: &str) -> usize {
        self.api.targets().iter().filter(|asked| *asked == target).count()
    }
}

/// `users` and two resources below, each with its disposition; `more` is said of the users.
fn config([users, articles, likes]: [&str; 3], more: &str) -> String {
    let child = |name: &str, disposition: &str| {
        format!(
            "[[resources]]\nname = \"{name}\"\nprimary_key = \"id\"\nwrite_disposition = \"{disposition}\"\n\
             endpoint = {{ path = \"{name}/{{resources.users.id}}\" }}\n"
        )
    };
    format!(
        "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"users\"\nprimary_key = \"id\"\n\
         write_disposition = \"{users}\"\n{more}\n\
         endpoint = {{ incremental = {{ cursor_path = \"at\", start_param = \"since\" }} }}\n{}{}",
        child("articles", articles),
        child("likes", likes)
    )
}

fn ids(scene: &Scene, table: &str) -> Vec<i64> {
    let mut ids: Vec<i64> = scene.column(table, "id").iter().map(|id| id.as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn outcomes(report: &Value) -> Vec<&str> {
    report["resources"].as_array().unwrap().iter().map(|end| end["outcome"].as_str().unwrap()).collect()
}

const FROZEN: [&str; 2] = ["--set", "resources.articles.schema_contract.columns=freeze"];

/// Rows that do not fit are found while others come, or when the package is loaded: each time, what is above them waits,
/// and what is beside them and appended does, too.
#[test]
fn what_waits_for_rows_that_do_not_fit_is_loaded_once() {
    for is_late in [false, true] {
        for dispositions in [
            ["merge", "merge", "append"],
            ["merge", "append", "append"],
            ["merge", "append", "merge"],
            ["append", "merge", "append"],
            ["append", "append", "merge"],
        ] {
            let case = format!("{dispositions:?}, {is_late}");
            let feed = Feed::start();
            let scene = Scene::new(&feed.api, &config(dispositions, ""));
            scene.run_well();
            feed.add_user();
            if is_late {
                let reader = scene.db().open();
                scene.run(&["--lock-timeout", "0"]).expect_code(1);
                drop(reader);
            }
            let finished = scene.run(&[&FROZEN[..], &["--format", "json"]].concat());
            let is_held = [dispositions[0] == "append", true, dispositions[2] == "append"];
            finished.expect_code(if is_held == [true; 3] { 1 } else { 3 });
            let expected = is_held.map(|held| if held { "failed" } else { "complete" });
            assert_eq!(outcomes(&finished.report()), expected, "{case}");
            scene.run_well();
            for table in ["users", "articles", "likes"] {
                assert_eq!(ids(&scene, table), [1, 2, 3], "{case}: {table}");
            }
            let asked = feed.asked("/likes/3");
            scene.run_well();
            assert_eq!(feed.asked("/likes/3"), asked, "{case}: now the cursor has moved");
        }
    }
}

/// A short resource need not have failed: what came of it is loaded, unless the same comes again and is appended.
#[test]
fn what_is_below_a_cursor_that_stays_is_not_appended() {
    let feed = Feed::answering(|call| {
        let is_down = call.path == "/articles/2" && call.number < 9;
        is_down.then(|| Reply::empty(503))
    });
    let ignoring = |disposition: &str| {
        let config = config(["merge", disposition, "append"], "");
        config.replace(
            "path = \"articles/{resources.users.id}\"",
            "path = \"articles/{resources.users.id}\", response_actions = [{ status_code = 503, action = \"ignore\" }]",
        )
    };
    let scene = Scene::new(&feed.api, &ignoring("append"));
    let finished = scene.run(&["--format", "json"]);
    finished.expect_code(3);
    assert_eq!(outcomes(&finished.report()), ["complete", "failed", "failed"]);
    finished.expect_said("its rows are appended, and come again for `articles`, which is short");
    while scene.run(&[]).code != Some(0) {}
    assert_eq!(ids(&scene, "articles"), [1, 2]);
    assert_eq!(ids(&scene, "likes"), [1, 2]);
}

/// A parent that is read for its children alone remembers how far, as in dlt; but not if a child is left out.
#[test]
fn a_parent_that_is_not_loaded_moves_its_cursor_for_its_children() {
    for likes in ["append", "merge"] {
        let feed = Feed::start();
        let scene = Scene::new(&feed.api, &config(["append", likes, likes], "selected = false"));
        scene.run_well();
        feed.add_user();
        scene.run_well();
        for table in ["articles", "likes"] {
            assert_eq!(ids(&scene, table), [1, 2, 3], "{table}");
        }
        assert_eq!(feed.asked("/users?since=2"), 1);
        assert_eq!([feed.asked("/likes/1"), feed.asked("/likes/3")], [1, 1]);
    }
}

#[test]
fn a_run_of_some_resources_leaves_nothing_behind_for_others() {
    // Where rows take their own place, the cursor waits for what is not in the run.
    let feed = Feed::start();
    let scene = Scene::new(&feed.api, &config(["merge", "append", "merge"], ""));
    let finished = scene.run(&["-r", "users", "-r", "likes"]);
    finished.expect_code(0);
    finished.expect_said(
        "resource `users` starts from the same place again: its child `articles` is not in this run",
    );
    scene.run_well();
    assert_eq!(ids(&scene, "articles"), [1, 2]);

    // Rows that are appended would be there twice.
    for (named, said) in [
        ("articles", "rows of resource `articles` would be appended twice: without `users`"),
        ("users", "rows of resource `users` would be appended twice: without `articles`"),
    ] {
        let feed = Feed::start();
        let scene = Scene::new(&feed.api, &config(["append", "append", "merge"], ""));
        let finished = scene.run(&["-r", named]);
        finished.expect_code(2);
        finished.expect_said(said);
        assert_eq!(feed.api.targets(), [] as [&str; 0]);
        scene.run(&["-r", "articles", "-r", "users", "-r", "likes"]).expect_code(0);
        assert_eq!(ids(&scene, "users"), [1, 2]);
    }
}

/// Pages of a parent are worth keeping for a child that did not get to its first.
#[test]
fn pages_of_a_parent_are_kept_for_a_child_that_got_none() {
    let feed = Feed::answering(|call| {
        (call.path.starts_with("/articles") && call.number < 12).then(|| Reply::empty(503))
    });
    let scene = Scene::new(&feed.api, &config(["append", "append", "append"], ""));
    let mut runs = 1;
    while scene.run(&[]).code != Some(0) {
        runs += 1;
    }
    assert!(runs > 1);
    assert_eq!(feed.asked("/users"), 1);
    assert_eq!(
        [ids(&scene, "users"), ids(&scene, "articles"), ids(&scene, "likes")],
        [[1, 2], [1, 2], [1, 2]]
    );
}

/// With each full scan, all children come again.
#[test]
fn what_is_below_a_full_scan_is_not_appended() {
    let feed = Feed::start();
    let scanned = |disposition: &str| {
        config(["merge", "merge", disposition], "")
            .replace("\"since\"", "\"since\", full_scan_every = \"1ms\"")
    };
    let refused = Scene::new(&feed.api, &scanned("append")).run(&[]);
    refused.expect_code(2);
    refused.expect_said(
        "resources[2].write_disposition (resource `likes`): appends rows for each row of `users`, and all of those come \
         again with `full_scan_every`",
    );
    let scene = Scene::new(&feed.api, &scanned("merge"));
    scene.run_well();
    scene.run_well();
    assert_eq!(ids(&scene, "likes"), [1, 2]);
    assert_eq!(feed.asked("/likes/1"), 2);
}

/// A list of events, oldest first, two on a page; `desc` is how the server breaks its promise.
fn events(call: &Call, count: usize, at: impl Fn(usize) -> usize) -> Reply {
    let since = call.number_param("since").unwrap_or(0);
    let from = call.number_param("page").unwrap_or(0) * 2;
    let events = (1..=count).filter(|id| at(*id) >= since);
    let page: Vec<_> = events.skip(from).take(3).map(|id| json!({ "id": id, "at": at(id) })).collect();
    let more = page.len() > 2;
    Reply::json(&json!({ "data": page.into_iter().take(2).collect::<Vec<_>>(), "more": more }))
}

fn capped(disposition: &str, order: &str) -> String {
    format!(
        "[[resources]]\nname = \"t\"\nprimary_key = \"id\"\nwrite_disposition = \"{disposition}\"\n[resources.endpoint]\n\
         data_selector = \"data\"\npaginator = {{ type = \"page_number\", total_path = \"\", has_more_path = \"more\", max_pages = 2 }}\n\
         incremental = {{ cursor_path = \"at\", start_param = \"since\"{order} }}\n\
         [[resources]]\nname = \"notes\"\nendpoint = {{ path = \"notes/{{resources.t.id}}\", data_selector = \"data\", paginator = \"single_page\" }}\n"
    )
}

fn events_with_notes(call: &Call, count: usize, at: impl Fn(usize) -> usize) -> Reply {
    match call.path.strip_prefix("/notes/") {
        Some(id) => Reply::json(&json!({ "data": [{ "id": id.parse::<i64>().unwrap() }] })),
        None => events(call, count, at),
    }
}

/// Three events share a value, so that a cap falls between rows of one value, too.
#[test]
fn a_capped_run_goes_on_where_the_last_one_stopped_if_rows_come_in_order() {
    for disposition in ["append", "merge"] {
        let api = Api::start(|call| events_with_notes(call, 11, |id| id.div_ceil(3)));
        let scene = Scene::new(&api, &capped(disposition, ", row_order = \"asc\""));
        let finished = scene.run(&["--format", "json"]);
        finished.expect_code(3);
        assert_eq!(outcomes(&finished.report()), ["partial", "complete"]);
        finished.expect_said("what came is loaded, and the next run goes on from there");
        assert_eq!(ids(&scene, "t"), [1, 2, 3, 4]);
        let mut runs = 1;
        while scene.run(&[]).code == Some(3) {
            runs += 1;
            assert!(runs < 20, "it does not come to an end");
        }
        let all: Vec<i64> = (1..=11).collect();
        assert_eq!((ids(&scene, "t"), ids(&scene, "notes")), (all.clone(), all), "{disposition}");
    }
}

#[test]
fn a_capped_run_that_cannot_go_on_says_what_would_help() {
    // Nothing is known of the order.
    let api = Api::start(|call| events_with_notes(call, 11, |id| id));
    let scene = Scene::new(&api, &capped("append", ""));
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said(
        "nothing of it was loaded: rows are appended, and the next run gets the same ones again",
    );
    finished.expect_said("raise it; or, if the API gives rows in the order of the cursor, oldest first");

    // The order is not what it was said to be, so that older rows may be beyond the cap.
    for disposition in ["append", "merge"] {
        let api = Api::start(|call| events_with_notes(call, 11, |id| 20 - id));
        let scene = Scene::new(&api, &capped(disposition, ", row_order = \"asc\""));
        let finished = scene.run(&[]);
        finished.expect_code(1);
        finished.expect_said("the reading was cut, and rows did not come in the order of `at`");
        scene.run(&["--set", "resources.t.endpoint.paginator.max_pages=9"]).expect_code(0);
        assert_eq!(ids(&scene, "t").len(), 11, "{disposition}");
    }
}

/// Nothing goes on after a look, so there is nothing to warn of.
#[test]
fn a_look_says_nothing_of_what_comes_next() {
    let api = Api::start(|call| events_with_notes(call, 11, |id| 20 - id));
    let scene = Scene::new(&api, &capped("append", ", row_order = \"asc\""));
    for command in [&["preview", "-r", "t"][..], &["preview", "-r", "notes"], &["check", "--online"]] {
        let looked = scene.workspace.command(command[0], &command[1..]).output().unwrap();
        let said = [looked.stdout, looked.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert_eq!(looked.status.code(), Some(0), "{command:?}: {said}");
        assert!(!said.contains("same place") && !said.contains("the next run"), "{command:?}: {said}");
    }
}

/// A run for a range that was killed while it loaded is not made twice by whoever starts it again.
#[test]
fn a_range_that_only_had_to_be_loaded_is_not_read_again() {
    let api = Api::start(|call| {
        let [since, until] = ["since", "until"].map(|name| call.number_param(name).unwrap_or(0));
        let events = (since..until).map(|id| json!({ "id": id, "at": id })).collect::<Vec<Value>>();
        Reply::json(&json!(events))
    });
    let scene = Scene::new(
        &api,
        "[[resources]]\nname = \"t\"\n[resources.endpoint]\npaginator = \"single_page\"\n\
         incremental = { cursor_path = \"at\", start_param = \"since\", end_param = \"until\", initial_value = 0 }",
    );
    scene.run(&["--from", "1", "--to", "2"]).expect_code(0);
    let range = ["--from", "5", "--to", "9", "--window", "2", "--lock-timeout", "0"];
    let reader = scene.db().open();
    scene.run(&range).expect_code(1);
    drop(reader);
    let finished = scene.run(&range);
    finished.expect_code(0);
    finished.expect_said("which an earlier run had received");
    assert_eq!(ids(&scene, "t"), [1, 5, 6, 7, 8]);
    assert_eq!(api.targets().len(), 3);
    // Asked for once more, it is read once more.
    scene.run(&range).expect_code(0);
    assert_eq!(ids(&scene, "t").len(), 9);
}

/// Nor are changes made twice that only had to be loaded.
#[test]
fn changes_whose_answers_only_had_to_be_loaded_are_not_made_again() {
    let api = Api::start(|call| match call.method.as_str() {
        "POST" => Reply::json(&json!({ "done": call.path })),
        _ => Reply::json(&json!([{ "id": 1 }, { "id": 2 }])),
    });
    let scene = Scene::new(
        &api,
        "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"users\"\n[[resources]]\nname = \"greet\"\n\
         endpoint = { path = \"greet/{resources.users.id}\", method = \"POST\", mutates = true }",
    );
    scene.run_well();
    let greet = ["-r", "greet", "--lock-timeout", "0"];
    let reader = scene.db().open();
    scene.run(&greet).expect_code(1);
    drop(reader);
    let made = || api.targets().iter().filter(|target| target.starts_with("/greet")).count();
    assert_eq!(made(), 2);
    scene.run(&greet).expect_code(0);
    assert_eq!((made(), scene.column("greet", "done").len()), (2, 2));
    // Said once more, it is meant.
    scene.run(&greet).expect_code(0);
    assert_eq!((made(), scene.column("greet", "done").len()), (4, 4));
}
