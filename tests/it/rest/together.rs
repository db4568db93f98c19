//! Features that meet in one config.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::api::{Api, Call, Reply};
use super::children::user;
use super::scene::{Scene, rows};

/// A child that was ignored has ended: a run that goes on does not ask for it again, and still tells of it.
#[test]
fn ignored_children_stay_ignored_in_a_run_that_goes_on() {
    let is_cut = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&is_cut);
    let api = Api::start(move |call| {
        let Some(user) = user(call) else { return Reply::json(&json!(rows(6))) };
        let page = call.number_param("page").unwrap();
        let reply = Reply::json(&json!({ "data": [{ "id": user * 10 + page }], "pages": 2 }));
        match (user, page) {
            (2, _) => Reply::json(&json!({ "message": "no such user" })).status(404),
            (4, 2) => Reply::json(&json!({ "error": "gone" })),
            (3, 2) if held.load(Ordering::Relaxed) => reply.when(|_| false),
            _ => reply,
        }
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "users"
        selected = false
        [[resources]]
        name = "posts"
        max_in_flight = 3
        [resources.endpoint]
        path = "users/{resources.users.id}/posts"
        data_selector = "data"
        paginator = { type = "page_number", base_page = 1, total_path = "pages" }
        response_actions = [{ status_code = 404, action = "ignore" }, { json_path = "error", action = "ignore" }]
        "#,
    );
    let run = scene.workspace.start(&[]);
    let has = |calls: &[Call], wanted: usize, page: usize| {
        calls.iter().any(|call| user(call) == Some(wanted) && call.number_param("page") == Some(page))
    };
    // What a page is asked for after is kept; these three leave no room for another user that is not done.
    api.wait_until(|calls| has(calls, 3, 2) && has(calls, 5, 2) && has(calls, 6, 2));
    run.signal(rustix::process::Signal::INT);
    run.wait().expect_code(130);
    is_cut.store(false, Ordering::Relaxed);
    let before = api.calls().len();
    let report = scene.run_well();
    let asked: BTreeSet<_> = api.calls()[before..].iter().filter_map(user).collect();
    assert!(
        asked.contains(&3) && !asked.contains(&1) && !asked.contains(&2) && !asked.contains(&4),
        "{asked:?}"
    );
    assert_eq!(scene.column("posts", "id"), [11, 12, 31, 32, 41, 51, 52, 61, 62]);
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("with status 404 was ignored"), "{warnings}");
    assert!(warnings.contains("with status 200 was ignored"), "{warnings}");
}

/// Each list finds out for itself how it goes on, and a run that goes on knows it still.
#[test]
fn lists_of_children_need_no_paginator_either() {
    let is_cut = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&is_cut);
    let api = Api::start(move |call| {
        let Some(user) = user(call) else { return Reply::json(&json!({ "data": rows(4), "total": 4 })) };
        let page = call.number_param("page").unwrap_or(1);
        let is_held = (user, page) == (3, 2) && held.load(Ordering::Relaxed);
        // As many pages as the number of the user.
        let next = (page < user).then(|| format!("/users/{user}/posts?page={}", page + 1));
        let reply = Reply::json(&json!({ "items": [{ "id": user * 10 + page }], "next": next }));
        if is_held { reply.when(|_| false) } else { reply }
    });
    let scene = Scene::new(
        &api,
        "[[resources]]\nname = \"users\"\n[[resources]]\nname = \"posts\"\ninclude_from_parent = [\"id\"]\n\
         endpoint = \"users/{resources.users.id}/posts\"\n",
    );
    let run = scene.workspace.start(&[]);
    api.wait_until(|calls| calls.iter().any(|call| call.path == "/users/4/posts" && call.query == "page=4"));
    api.wait_until(|calls| calls.iter().any(|call| call.path == "/users/3/posts" && call.query == "page=2"));
    run.signal(rustix::process::Signal::INT);
    run.wait().expect_code(130);
    is_cut.store(false, Ordering::Relaxed);
    let before = api.targets().len();
    scene.run_well();
    let asked: Vec<_> = api.targets().split_off(before);
    let of_third: Vec<_> = asked.iter().filter(|target| target.starts_with("/users/3/")).collect();
    assert_eq!(of_third, ["/users/3/posts?page=2", "/users/3/posts?page=3"]);
    assert!(!asked.contains(&"/users/4/posts".to_owned()), "{asked:?}");
    assert_eq!(scene.column("posts", "id"), [11, 21, 22, 31, 32, 33, 41, 42, 43, 44]);
    assert_eq!(scene.column("posts", "_users_id"), [1, 2, 2, 3, 3, 3, 4, 4, 4, 4]);
    assert_eq!(scene.column("users", "id"), [1, 2, 3, 4]);
}

/// dlt: the answer to a path that ends in a placeholder is one thing, unless the config says otherwise.
#[test]
fn a_path_that_ends_in_a_placeholder_has_one_thing() {
    let load = |endpoint: &str| {
        let api = Api::start(|call| match call.path.as_str() {
            "/users" => Reply::json(&json!(rows(2))),
            path => {
                Reply::json(&json!({ "id": path, "next": "/nowhere", "data": [{ "id": 1 }, { "id": 2 }] }))
            }
        });
        let scene = Scene::new(
            &api,
            &format!(
                "[[resources]]\nname = \"users\"\n[[resources]]\nname = \"user\"\n[resources.endpoint]\n\
                 path = \"users/{{resources.users.id}}\"\n{endpoint}\n"
            ),
        );
        scene.run_well();
        let mut targets = api.targets();
        targets.sort();
        assert_eq!(targets, ["/users", "/users/1", "/users/2"]);
        scene.column("user", "id")
    };
    assert_eq!(load(""), ["/users/1", "/users/2"]);
    assert_eq!(load("data_selector = \"data\""), [1, 2, 1, 2]);
}

/// The paginator that is found out for lists like Stripe's keeps the last row's `id` with what was received.
#[test]
fn a_protected_field_is_no_cursor_that_is_found_out() {
    let answer = |call: &Call| {
        let from = usize::from(call.param("starting_after").is_some()) * 2;
        let row = |number: usize| json!({ "id": format!("canary-{number}"), "name": "open" });
        Reply::json(
            &json!({ "object": "list", "data": [row(from + 1), row(from + 2)], "has_more": from == 0 }),
        )
    };
    for protection in ["\"mask\"", "\"drop\"", "{ mask = 4 }"] {
        let api = Api::start(answer);
        let scene = Scene::new(
            &api,
            &format!("[client]\n[[resources]]\nname = \"cards\"\nprotect = {{ id = {protection} }}\n"),
        );
        let finished = scene.run(&[]);
        finished.expect_code(1);
        finished.expect_said("the API pages by `id` of the last row, which `protect` names");
        assert_eq!(api.targets(), ["/cards"]);
        assert!(!scene.keeps("canary"));
        assert!(!finished.stderr.contains("canary") && !finished.stdout.contains("canary"));
    }
    // What is not protected pages as before.
    let api = Api::start(answer);
    let scene =
        Scene::new(&api, "[client]\n[[resources]]\nname = \"cards\"\nprotect = { name = \"mask\" }\n");
    scene.run_well();
    assert_eq!(scene.column("cards", "id"), ["canary-1", "canary-2", "canary-3", "canary-4"]);
}

/// Rows that were lines or fields of an object are rows like others.
#[test]
fn steps_work_on_rows_of_every_format() {
    let lines = "{\"id\": 1, \"name\": \"canary-a\"}\n{\"id\": 2, \"name\": \"canary-b\"}\n{\"id\": 3, \"name\": \"canary-c\"}\n";
    let keyed =
        json!({ "1": { "name": "canary-a" }, "2": { "name": "canary-b" }, "3": { "name": "canary-c" } });
    for (reply, endpoint) in [
        (Reply::text("application/x-ndjson", lines), ""),
        (Reply::text("text/csv", "id,name\n1,canary-a\n2,canary-b\n3,canary-c\n"), ""),
        (Reply::json(&keyed), "keyed_by = \"id\""),
        (
            Reply::json(&json!({ "result": { "all": keyed } })),
            "data_selector = \"result.all\"\nkeyed_by = \"id\"",
        ),
    ] {
        let api = Api::start(move |_| reply.clone());
        let scene = Scene::new(
            &api,
            &format!(
                r#"
                [client]
                paginator = "single_page"
                [[resources]]
                name = "t"
                primary_key = "id"
                processing_steps = [{{ filter = '.id | tonumber > 1' }}, {{ map = '.id |= tonumber' }}, {{ yield_map = '., (select(.id == 3) | .id = 30)' }}]
                fields = {{ rename = {{ name = "label" }} }}
                protect = {{ name = {{ mask = 1 }} }}
                [resources.endpoint]
                {endpoint}
                "#
            ),
        );
        let report = scene.run_well();
        assert_eq!(report["resources"][0]["rows"], 3, "{endpoint}");
        assert_eq!(scene.column("t", "id"), [2, 3, 30], "{endpoint}");
        assert_eq!(scene.column("t", "label"), ["***b", "***c", "***c"], "{endpoint}");
        assert!(!scene.keeps("canary"), "{endpoint}");
    }
}

/// The API takes times, the rows have numbers, made by a step.
#[test]
fn what_a_step_made_is_sent_in_the_form_of_the_api() {
    let api = Api::start(|call| {
        let since = call.param("since").unwrap();
        let events = [(1, "2024-01-01T00:00:00Z"), (2, "2024-01-02T00:00:00Z"), (3, "2024-01-03T00:00:00Z")];
        let until = if call.number == 0 { 2 } else { 3 };
        let found = events.iter().take(until).filter(|(_, at)| *at >= since);
        Reply::json(&json!(
            found.map(|(id, at)| json!({ "id": id, "meta": { "at": at } })).collect::<Vec<_>>()
        ))
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "events"
        primary_key = "id"
        processing_steps = [{ map = "{id, at: (.meta.at | fromdate)}" }]
        [resources.endpoint]
        incremental = { cursor_path = "at", initial_value = 1704067200, start_param = "since", convert = "todate", lag = 3600 }
        "#,
    );
    scene.run_well();
    scene.run_well();
    let sent: Vec<_> = api.calls().iter().map(|call| call.param("since").unwrap().to_owned()).collect();
    assert_eq!(sent, ["2024-01-01T00:00:00Z", "2024-01-01T23:00:00Z"]);
    // With a lag, rows come again.
    assert_eq!(scene.column("events", "at"), [1_704_067_200, 1_704_153_600, 1_704_153_600, 1_704_240_000]);
}

/// What a row took from its parent is a field of it, for its children, too; whether or not it is worked on.
#[test]
fn grandchildren_take_what_their_parents_took() {
    for steps in ["", "processing_steps = [{ map = \".big = .id * 100\" }]"] {
        let api = Api::start(|call| {
            let id = |place: usize| call.path.split('/').nth(place).and_then(|id| id.parse::<usize>().ok());
            match call.path.matches('/').count() {
                1 => Reply::json(
                    &json!([{ "id": 1, "by": { "name": "A" } }, { "id": 2, "by": { "name": "B" } }]),
                ),
                3 => Reply::json(&json!([{ "id": id(2).unwrap() * 10 }])),
                _ => Reply::json(&json!([{ "path": call.path }])),
            }
        });
        let scene = Scene::new(
            &api,
            &format!(
                r#"
                [client]
                paginator = "single_page"
                [[resources]]
                name = "users"
                [[resources]]
                name = "posts"
                include_from_parent = ["id", "by.name"]
                {steps}
                endpoint = "users/{{resources.users.id}}/posts"
                [[resources]]
                name = "notes"
                include_from_parent = ["id", "_users_id"]
                endpoint = "users/{{resources.posts._users_id}}/posts/{{resources.posts.id}}/notes"
                "#
            ),
        );
        scene.run_well();
        assert_eq!(scene.column("notes", "path"), ["/users/1/posts/10/notes", "/users/2/posts/20/notes"]);
        assert_eq!(scene.column("notes", "_posts_id"), [10, 20], "{steps}");
        assert_eq!(scene.column("notes", "_posts__users_id"), [1, 2], "{steps}");
        assert_eq!(scene.column("posts", "_users_by_name"), ["A", "B"], "{steps}");
    }
}

/// A token that ends between two pages of children that are read at once is got anew once for all of them.
#[test]
fn a_token_that_is_refused_to_many_at_once_is_got_anew_once() {
    let api = Api::start(|call| {
        let bearer = call.header("authorization").unwrap_or_default();
        match (call.path.as_str(), call.number_param("page")) {
            ("/token", _) => {
                let token = format!("t{}", call.number);
                Reply::json(&json!({ "access_token": token, "expires_in": 3600 }))
            }
            ("/users", _) => Reply::json(&json!(rows(6))),
            // All six have the first token when it ends.
            (_, Some(2)) if bearer == "Bearer t0" => Reply::json(&json!({ "message": "token expired" }))
                .status(401)
                .when(|calls| calls.iter().filter(|call| call.number_param("page") == Some(2)).count() >= 6),
            (_, Some(page)) => {
                let id = user(call).unwrap() * 10 + page;
                Reply::json(&json!({ "data": [{ "id": id }], "pages": 3 }))
            }
            _ => Reply::empty(404),
        }
    });
    let scene = Scene::new(
        &api,
        &format!(
            r#"
            [client]
            paginator = "single_page"
            auth = {{ type = "oauth2_client_credentials", access_token_url = "{}/token", client_id = "me", client_secret = "secret-secret" }}
            [[resources]]
            name = "users"
            selected = false
            [[resources]]
            name = "posts"
            endpoint = {{ path = "users/{{resources.users.id}}/posts", data_selector = "data", paginator = {{ type = "page_number", base_page = 1, total_path = "pages" }} }}
            "#,
            api.url()
        ),
    );
    scene.run_well();
    let calls = api.calls();
    assert_eq!(calls.iter().filter(|call| call.path == "/token").count(), 2);
    // Users, three pages of each, and the six that were refused; two tokens.
    assert_eq!(calls.len(), 1 + 18 + 6 + 2);
    let expected: Vec<_> = (1..=6).flat_map(|user| (1..=3).map(move |page| user * 10 + page)).collect();
    assert_eq!(scene.column("posts", "id"), expected);
}

const LOOKED_AT: &str = r#"
[[resources]]
name = "users"
[[resources]]
name = "posts"
endpoint = "users/{resources.users.id}/posts"
[[resources]]
name = "tags"
write_disposition = "replace"
endpoint = { paginator = "single_page", conditional = true }
[[resources]]
name = "events"
primary_key = "id"
[resources.endpoint]
data_selector = "data"
paginator = "single_page"
incremental = { cursor_path = "at", initial_value = "2000-01-01", start_param = "since", end_param = "until", window = "10y" }
"#;

fn looked_at(call: &Call) -> Reply {
    match call.path.as_str() {
        "/users" => {
            let page = call.number_param("page").unwrap_or(1);
            let next = (page < 3).then(|| format!("/users?page={}", page + 1));
            Reply::json(&json!({ "data": [{ "id": page * 2 }, { "id": page * 2 + 1 }], "next": next }))
        }
        "/tags" if call.header("if-none-match").is_some() => Reply::empty(304),
        "/tags" => Reply::json(&json!(rows(3))).with("etag", "\"a\""),
        "/events" => {
            let (since, until) = (call.param("since").unwrap(), call.param("until").unwrap_or("~"));
            let events = (1..=3).map(|month| (month, format!("2005-0{month}-01")));
            let found = events.filter(|(_, at)| at.as_str() >= since && at.as_str() < until);
            let found: Vec<_> = found.map(|(id, at)| json!({ "id": id, "at": at })).collect();
            Reply::json(&json!({ "data": found }))
        }
        path => Reply::json(&json!({ "items": [{ "id": path }], "next": null })),
    }
}

/// What a run has left behind is neither read nor changed by a look.
#[test]
fn looks_go_by_no_state_and_leave_none() {
    let api = Api::start(looked_at);
    let scene = Scene::new(&api, LOOKED_AT);
    scene.run_well();
    let before = (scene.db().content(), api.calls().len());

    let look = |command: &str, args: &[&str]| {
        let output = scene.workspace.command(command, args).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}{errors}");
        said
    };
    for (resource, rows, tables) in [("users", 2, 1), ("posts", 1, 1), ("tags", 3, 1), ("events", 3, 1)] {
        let shown: Value =
            serde_json::from_str(&look("preview", &["-r", resource, "--format", "json"])).unwrap();
        assert_eq!(shown["rows"], rows, "{resource}: {shown}");
        assert_eq!(shown["tables"].as_array().unwrap().len(), tables, "{resource}: {shown}");
    }
    let said = look("check", &["--online"]);
    for line in [
        "users    4 rows on 2 pages, there is more",
        "posts    1 row on 1 page, of one row of its parent",
        "tags     3 rows on 1 page, that is all",
        "events   3 rows on ",
        " pages, of its newest windows",
    ] {
        assert!(said.contains(line), "no `{line}` in {said}");
    }
    assert!(api.calls()[before.1..].iter().all(|call| call.header("if-none-match").is_none()));
    scene.db().content().expect(&before.0);
}
