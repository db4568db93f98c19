//! What was not read whole moves no state, takes the place of nothing and has nothing deleted.

use serde_json::{Value, json};

use super::api::{Api, Call, Reply};
use super::scene::{Scene, rows};

/// Users by `since`, and an article of each, which may fail.
fn users_with_articles(article: impl Fn(&Call, usize) -> Reply + Send + Sync + 'static) -> Api {
    Api::start(move |call| match call.path.strip_prefix("/articles/") {
        Some(user) => article(call, user.parse().unwrap()),
        None => {
            let since = call.number_param("since").unwrap_or(0);
            let users = (1..=3).filter(|id| *id >= since).map(|id| json!({ "id": id, "at": id }));
            Reply::json(&json!(users.collect::<Vec<Value>>()))
        }
    })
}

fn by_what_is_new(disposition: &str) -> String {
    format!(
        "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"users\"\nprimary_key = \"id\"\n\
         write_disposition = \"{disposition}\"\n\
         endpoint = {{ incremental = {{ cursor_path = \"at\", start_param = \"since\" }} }}\n\
         [[resources]]\nname = \"articles\"\nprimary_key = \"id\"\nwrite_disposition = \"merge\"\n\
         endpoint = {{ path = \"articles/{{resources.users.id}}\" }}"
    )
}

/// Else the children of the rows that were new in this run would never be asked for again.
#[test]
fn a_parent_waits_with_its_cursor_for_children_that_failed() {
    for disposition in ["merge", "append"] {
        let api = users_with_articles(|call, user| match user {
            2 if call.number < 4 => Reply::empty(404),
            user => Reply::json(&json!([{ "id": user }])),
        });
        let scene = Scene::new(&api, &by_what_is_new(disposition));
        scene.run(&[]).expect_code(if disposition == "merge" { 3 } else { 1 });
        scene.run_well();
        assert_eq!(scene.column("articles", "id"), [1, 2, 3], "{disposition}");
        assert_eq!(scene.db().count("users"), 3, "{disposition}");
        let last = scene.run_well();
        assert_eq!(last["resources"][0]["rows"], 1, "{disposition}: now the cursor has moved");
    }
}

/// A cursor that stays where it is has the same rows come again.
#[test]
fn a_part_is_not_appended_that_the_next_run_gets_again() {
    let api = Api::start(|call| {
        let page = call.number_param("page").unwrap_or(0);
        Reply::json(&json!({ "data": [{ "id": page, "at": 9 - page }], "pages": 3 }))
    });
    let config = "[[resources]]\nname = \"t\"\n[resources.endpoint]\ndata_selector = \"data\"\n\
                  paginator = { type = \"page_number\", total_path = \"pages\" }\n\
                  incremental = { cursor_path = \"at\" }";
    let scene = Scene::new(&api, config);
    let capped = ["--set", "resources.t.endpoint.paginator.max_pages=2"];
    for _ in 0..2 {
        scene.run(&capped).expect_code(1);
    }
    scene.run_well();
    assert_eq!(scene.column("t", "id"), [0, 1, 2]);
}

/// Of the parents that were not read, there may be rows below the newest value.
#[test]
fn a_child_of_a_short_parent_is_short_too() {
    let api = Api::start(|call| match call.path.strip_prefix("/of/") {
        Some(user) => Reply::json(&json!([{ "id": user, "at": 10 - user.parse::<i64>().unwrap() }])),
        None => {
            let page = call.number_param("page").unwrap_or(0);
            Reply::json(&json!({ "data": [{ "id": page + 1 }], "pages": 3 }))
        }
    });
    let scene = Scene::new(
        &api,
        "[[resources]]\nname = \"users\"\nprimary_key = \"id\"\nwrite_disposition = \"merge\"\n[resources.endpoint]\n\
         data_selector = \"data\"\npaginator = { type = \"page_number\", total_path = \"pages\" }\n\
         [[resources]]\nname = \"t\"\nprimary_key = \"id\"\nwrite_disposition = \"merge\"\n\
         [resources.endpoint]\npath = \"of/{resources.users.id}\"\npaginator = \"single_page\"\n\
         incremental = { cursor_path = \"at\" }",
    );
    let capped = ["--format", "json", "--set", "resources.users.endpoint.paginator.max_pages=1"];
    let finished = scene.run(&capped);
    finished.expect_code(3);
    assert_eq!(finished.report()["resources"][1]["outcome"], "partial");
    scene.run_well();
    assert_eq!(scene.db().count("t"), 3);
}

/// The config knows what the page means, and its rows are rows all the same.
#[test]
fn the_rows_of_a_last_page_do_not_need_a_way_on() {
    let api = Api::start(|call| match call.number {
        0 => Reply::json(&json!({ "data": [{ "id": 1 }], "next": "b", "more": true })),
        _ => Reply::json(&json!({ "data": [{ "id": 2 }], "more": true, "state": "last" })),
    });
    let config = |steps: &str| {
        format!(
            "[[resources]]\nname = \"t\"\n{steps}\n[resources.endpoint]\ndata_selector = \"data\"\n\
             paginator = {{ type = \"cursor\", cursor_path = \"next\", has_more_path = \"more\" }}\n\
             response_actions = [{{ json_path = \"state\", equals = \"last\", action = \"stop\" }}]"
        )
    };
    let scene = Scene::new(&api, &config(""));
    scene.run_well();
    assert_eq!(scene.column("t", "id"), [1, 2]);
}

#[test]
fn a_last_page_that_cannot_be_processed_is_an_error() {
    let api = Api::start(|_| Reply::json(&json!({ "data": [{ "id": 1 }], "state": "last" })));
    let scene = Scene::new(
        &api,
        "[[resources]]\nname = \"t\"\nprocessing_steps = [{ map = '.x = .id + {}' }]\n[resources.endpoint]\n\
         data_selector = \"data\"\npaginator = \"single_page\"\n\
         response_actions = [{ json_path = \"state\", equals = \"last\", action = \"stop\" }]",
    );
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("cannot process the rows of page 1");
}

/// Maintenance that comes with status 200.
#[test]
fn an_ignored_answer_does_not_empty_a_table_whatever_its_status() {
    let api = Api::start(|call| match call.number {
        0 => Reply::json(&json!(rows(2))),
        _ => Reply::json(&json!({ "note": "closed for maintenance" })),
    });
    let scene = Scene::new(
        &api,
        "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"t\"\nwrite_disposition = \"replace\"\n\
         endpoint = { response_actions = [{ content = \"maintenance\", action = \"ignore\" }] }",
    );
    scene.run_well();
    scene.run(&[]).expect_code(1);
    assert_eq!(scene.column("t", "id"), [1, 2]);
}

/// Ten lists of one row, one of which is answered otherwise in later runs.
fn lists(odd: Reply, endpoint: &str) -> (Api, Scene) {
    let api = Api::start(move |call| match call.path.as_str() {
        "/users" => Reply::json(&json!(rows(10))),
        "/lists/7" if call.number > 11 => odd.clone(),
        path => Reply::json(&json!([{ "id": path }])),
    });
    let scene = Scene::new(
        &api,
        &format!(
            "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"users\"\nselected = false\n\
             [[resources]]\nname = \"t\"\nprimary_key = \"id\"\nwrite_disposition = \"merge\"\ndeletes = \"hard\"\n\
             [resources.endpoint]\npath = \"lists/{{resources.users.id}}\"\n{endpoint}"
        ),
    );
    (api, scene)
}

#[test]
fn rows_behind_an_ignored_error_are_not_taken_for_gone() {
    let ignore =
        |status: &str| format!("response_actions = [{{ status_code = {status}, action = \"ignore\" }}]");
    for (status, left) in [(403, 10), (404, 9)] {
        let (_api, scene) = lists(Reply::empty(status), &ignore(&status.to_string()));
        scene.run_well();
        let finished = scene.run(&[]);
        finished.expect_code(if left == 10 { 3 } else { 0 });
        assert_eq!(scene.db().count("t"), left, "{status}");
    }
}

#[test]
fn an_empty_answer_proves_nothing_unless_it_says_so() {
    let check = |odd: Reply, endpoint: &str, code: i32, left: u64| {
        let api = Api::start(move |call| match call.number {
            0 => Reply::json(&json!({ "data": rows(10), "more": false })),
            1 => Reply::json(&json!({ "data": rows(9), "next": 2, "more": true })),
            _ => odd.clone(),
        });
        let scene = Scene::new(
            &api,
            &format!(
                "[[resources]]\nname = \"t\"\nprimary_key = \"id\"\nwrite_disposition = \"merge\"\ndeletes = \"hard\"\n\
                 [resources.endpoint]\ndata_selector = \"data\"\n\
                 paginator = {{ type = \"cursor\", cursor_path = \"next\", has_more_path = \"more\" }}\n{endpoint}"
            ),
        );
        scene.run(&[]);
        let finished = scene.run(&[]);
        finished.expect_code(code);
        assert_eq!(scene.db().count("t"), left, "{endpoint}");
    };
    check(Reply::empty(200), "", 3, 10);
    check(Reply::empty(204), "", 0, 9);
    check(Reply::json(&json!({ "note": "later", "more": false })), "optional = true", 3, 10);
    let later = "response_actions = [{ content = \"later\", action = \"empty\" }]";
    check(Reply::json(&json!({ "note": "later" })), later, 3, 10);
    check(Reply::json(&json!({ "data": [], "more": false })), "", 0, 9);
}

/// The API's cursor is that of its rows, whatever becomes of them here.
#[test]
fn a_page_cursor_moves_past_rows_that_are_filtered_out() {
    let api = Api::start(|call| {
        let from = call.number_param("after").unwrap_or(0);
        let page: Vec<_> = rows(4).into_iter().skip(from).take(2).collect();
        Reply::json(&json!({ "data": page, "next": (from + 2).min(4), "more": from + 2 < 4 }))
    });
    let scene = Scene::new(
        &api,
        "[[resources]]\nname = \"t\"\nprocessing_steps = [{ filter = \".id < 3\" }]\n[resources.endpoint]\n\
         data_selector = \"data\"\nincremental = { page_cursor = true }\n\
         paginator = { type = \"cursor\", cursor_path = \"next\", cursor_param = \"after\", has_more_path = \"more\" }",
    );
    scene.run_well();
    scene.run_well();
    assert_eq!(api.targets(), ["/t", "/t?after=2", "/t?after=4"]);
    assert_eq!(scene.column("t", "id"), [1, 2]);
}

/// It goes on when its parent does: nothing is wrong with it.
#[test]
fn a_signal_that_stops_a_parent_stops_its_children() {
    let api = Api::start(|_| Reply::json(&json!([])).when(|_| false));
    let scene = Scene::new(&api, &by_what_is_new("merge"));
    let run = scene.workspace.start(&["--format", "json"]);
    api.wait_until(|calls| calls.len() == 1);
    run.signal(rustix::process::Signal::INT);
    let finished = run.wait();
    finished.expect_code(130);
    let report = finished.report();
    let outcomes: Vec<_> =
        report["resources"].as_array().unwrap().iter().map(|resource| &resource["outcome"]).collect();
    assert_eq!(outcomes, ["stopped", "stopped"]);
}
