//! `response_actions`: each action by each condition, for a resource of its own and below a parent.

use serde_json::{Value, json};

use super::super::api::{Api, Call, Reply};
use super::super::scene::{Scene, rows};
use super::{outcome, resource, warnings};

/// Page 2 of three answers with `odd`; the others have two rows each.
fn odd_second_page(odd: Reply) -> Api {
    Api::start(move |call| match call.number_param("page").unwrap_or(1) {
        2 => odd.clone(),
        page => Reply::json(&json!({
            "data": [{ "id": page * 10 }, { "id": page * 10 + 1 }],
            "pages": 3,
        })),
    })
}

fn pages(actions: &str) -> String {
    format!(
        "data_selector = \"data\"\npaginator = {{ type = \"page_number\", base_page = 1, total_path = \"pages\" }}\n\
         response_actions = [{actions}]"
    )
}

fn gone() -> Reply {
    Reply::json(&json!({ "error": { "code": "E7", "message": "this page is gone" } }))
        .with("x-state", "Gone away")
}

/// Every way to say which answer is meant.
fn conditions() -> [(&'static str, Reply); 7] {
    [
        ("status_code = 404", gone().status(404)),
        ("status_code = \"404\"", gone().status(404)),
        ("status_code = \"4xx\"", gone().status(410)),
        ("content = \"is gone\"", gone()),
        ("json_path = \"error\"", gone()),
        ("json_path = \"error.code\", equals = \"E7\"", gone()),
        ("header = \"X-State\", value = \"gone\"", gone()),
    ]
}

#[test]
fn ignore_ends_the_pagination_and_keeps_the_pages_before() {
    for (condition, odd) in conditions() {
        let api = odd_second_page(odd);
        let scene = resource(&api, &pages(&format!("{{ {condition}, action = \"ignore\" }}")));
        let report = scene.run_well();
        assert_eq!(outcome(&report), "complete", "{condition}");
        assert_eq!(scene.column("t", "id"), [10, 11], "{condition}");
        assert_eq!(api.calls().len(), 2, "{condition}");
        let told = warnings(&report);
        assert!(told.len() == 1 && told[0].ends_with("was ignored, by `response_actions`"), "{told:?}");
    }
}

#[test]
fn stop_ends_the_pagination_with_the_rows_of_a_good_page() {
    for (condition, odd) in conditions() {
        let api = odd_second_page(odd);
        let scene = resource(&api, &pages(&format!("{{ {condition}, action = \"stop\" }}")));
        assert_eq!(outcome(&scene.run_well()), "complete", "{condition}");
        assert_eq!(scene.column("t", "id"), [10, 11], "{condition}");
    }
    let last = Reply::json(&json!({ "data": [{ "id": 20 }], "pages": 3, "note": "last one" }));
    let scene_of = |status: u16| {
        let api = odd_second_page(last.clone().status(status));
        let scene = resource(&api, &pages("{ content = \"last one\", action = \"stop\" }"));
        scene.run_well();
        (api.calls().len(), scene.column("t", "id"))
    };
    assert_eq!(scene_of(200), (2, vec![json!(10), json!(11), json!(20)]));
    assert_eq!(scene_of(410), (2, vec![json!(10), json!(11)]));
}

#[test]
fn an_empty_page_has_no_rows_and_the_pagination_goes_on_if_it_can() {
    let odd = json!({ "data": [{ "id": 99 }], "pages": 3, "state": "pending" });
    let ids = |odd: Reply| {
        let api = odd_second_page(odd);
        let scene = resource(
            &api,
            "data_selector = \"data\"\n\
             paginator = { type = \"page_number\", base_page = 1, total_path = \"pages\", stop_after_empty_page = false }\n\
             response_actions = [{ content = \"pending\", action = \"empty\" }]",
        );
        assert_eq!(outcome(&scene.run_well()), "complete");
        scene.column("t", "id")
    };
    assert_eq!(ids(Reply::json(&odd)), [10, 11, 30, 31]);
    assert_eq!(ids(Reply::json(&odd).status(404)), [10, 11]);
    assert_eq!(ids(Reply::text("text/plain", "pending")), [10, 11]);
}

#[test]
fn fail_is_an_error_with_the_words_of_the_api() {
    for (condition, odd) in conditions() {
        let api = odd_second_page(odd);
        let scene = resource(&api, &pages(&format!("{{ {condition}, action = \"fail\" }}")));
        let finished = scene.run(&[]);
        finished.expect_code(1);
        finished.expect_said("this page is gone (code `E7`), which `response_actions` say is a failure");
        finished.expect_said("failed after 1 attempt ");
    }
}

#[test]
fn fail_does_not_wait_for_retries() {
    let api = Api::start(|_| Reply::text("text/plain", "no such report").status(500));
    let scene = resource(
        &api,
        "response_actions = [{ status_code = 500, content = \"no such\", action = \"fail\" }]",
    );
    scene.run(&[]).expect_code(1);
    assert_eq!(api.calls().len(), 1);
}

#[test]
fn retry_asks_again_and_fails_when_the_attempts_are_used_up() {
    for (condition, odd) in conditions() {
        let actions = pages(&format!("{{ {condition}, action = \"retry\" }}"));
        let (once, always) = (odd.clone(), odd);
        let api = Api::start(move |call| match (call.number_param("page"), call.number) {
            (Some(2), 1) => once.clone(),
            (page, _) => Reply::json(&json!({ "data": [{ "id": page.unwrap_or(1) }], "pages": 2 })),
        });
        let scene = resource(&api, &actions);
        let report = scene.run_well();
        assert_eq!(scene.column("t", "id"), [1, 2], "{condition}");
        assert_eq!(report["resources"][0]["requests"], 3, "{condition}");

        let api = odd_second_page(always);
        let scene = resource(&api, &actions);
        let finished = scene.run(&[]);
        finished.expect_code(1);
        finished.expect_said("which `response_actions` say to try again");
        finished.expect_said("failed after 3 attempts");
        assert_eq!(api.calls().len(), 4, "{condition}");
        // What came stays for the next run, as after any failure that may pass.
        finished.expect_said("the next run goes on there");
    }
}

#[test]
fn retries_come_first_for_statuses_that_are_worth_them() {
    for (action, status) in [("ignore", 429), ("stop", 503), ("empty", 500)] {
        let api = odd_second_page(gone().status(status).with("retry-after", "0"));
        let scene = resource(&api, &pages(&format!("{{ status_code = {status}, action = \"{action}\" }}")));
        let finished = scene.run(&["--format", "json"]);
        // An error that may pass is not ignored without a word: only `stop` and `empty` say that there are no rows.
        finished.expect_code(if action == "ignore" { 3 } else { 0 });
        assert_eq!(outcome(&finished.report()), if action == "ignore" { "partial" } else { "complete" });
        assert_eq!(api.calls().len(), 4, "{action}");
        assert_eq!(scene.column("t", "id"), [10, 11], "{action}");
    }
}

#[test]
fn other_errors_stay_errors_beside_actions() {
    let api = odd_second_page(gone().status(403));
    let scene = resource(&api, &pages("{ status_code = 404, action = \"ignore\" }"));
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("HTTP 403 Forbidden: this page is gone (code `E7`)");
}

#[test]
fn an_error_shows_its_url_without_secrets() {
    let api = Api::start(|_| Reply::empty(404));
    let scene = resource(&api, "params = { api_key = \"hunter2hunter2\", page = 1 }");
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("page=1");
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
}

#[test]
fn the_first_rule_that_fits_counts() {
    let api = odd_second_page(gone().status(404));
    let rules = "{ status_code = 404, content = \"other\", action = \"fail\" }, { status_code = 404, action = \"ignore\" }, \
                 { status_code = \"4xx\", action = \"fail\" }";
    let scene = resource(&api, &pages(rules));
    scene.run_well();
    assert_eq!(scene.column("t", "id"), [10, 11]);
}

#[test]
fn the_actions_of_the_defaults_hold_unless_there_are_own_ones() {
    let config = |own: &str| {
        format!(
            "[client]\npaginator = \"single_page\"\n[resource_defaults.endpoint]\n\
             response_actions = [{{ status_code = 404, action = \"ignore\" }}]\n\
             [[resources]]\nname = \"t\"\nendpoint = {{ {own} }}"
        )
    };
    let api = Api::start(|_| Reply::empty(404));
    Scene::new(&api, &config("")).run_well();
    let own = "response_actions = [{ status_code = 410, action = \"ignore\" }]";
    Scene::new(&api, &config(own)).run(&[]).expect_code(1);
}

/// Three parents, of which the second one's children are odd.
fn family(odd: Reply) -> Api {
    Api::start(move |call| match call.path.as_str() {
        "/parents" => Reply::json(&json!(rows(3))),
        "/parents/2/children" => odd.clone(),
        path => Reply::json(&json!([{ "of": path }])),
    })
}

fn children(disposition: &str, actions: &str) -> String {
    format!(
        "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"parents\"\n[[resources]]\nname = \"t\"\n\
         write_disposition = \"{disposition}\"\n[resources.endpoint]\npath = \"parents/{{resources.parents.id}}/children\"\n\
         response_actions = [{actions}]"
    )
}

#[test]
fn what_is_odd_of_one_parent_leaves_the_others_alone() {
    for (condition, odd) in conditions() {
        for (action, disposition) in
            [("ignore", "append"), ("ignore", "replace"), ("stop", "append"), ("empty", "append")]
        {
            let api = family(odd.clone());
            let scene = Scene::new(
                &api,
                &children(disposition, &format!("{{ {condition}, action = \"{action}\" }}")),
            );
            let report = scene.run_well();
            let of: Vec<Value> = scene.column("t", "of").into_iter().filter(|of| !of.is_null()).collect();
            assert_eq!(of, ["/parents/1/children", "/parents/3/children"], "{condition} {action}");
            assert_eq!(warnings(&report).len(), 1, "{condition} {action}");
        }
    }
}

#[test]
fn fail_and_retry_of_one_parent_fail_the_resource() {
    for action in ["fail", "retry"] {
        let api = family(gone());
        let scene = Scene::new(
            &api,
            &children("append", &format!("{{ json_path = \"error\", action = \"{action}\" }}")),
        );
        let finished = scene.run(&["--format", "json"]);
        finished.expect_code(3);
        assert_eq!(finished.report()["resources"][1]["outcome"], "failed", "{action}");
    }
}

#[test]
fn an_ignored_error_does_not_empty_a_table_and_stop_does() {
    let cases = [
        (gone().status(404), "ignore", 1, vec![json!(1), json!(2)]),
        (gone().status(404), "stop", 0, Vec::new()),
        // This status says itself that there is nothing.
        (Reply::empty(204), "ignore", 0, Vec::new()),
    ];
    for (odd, action, code, left) in cases {
        let api = Api::start(move |call: &Call| match call.number {
            0 => Reply::json(&json!(rows(2))),
            _ => odd.clone(),
        });
        let scene = Scene::new(
            &api,
            &format!(
                "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"t\"\nwrite_disposition = \"replace\"\n\
                 endpoint = {{ response_actions = [{{ status_code = \"4xx\", action = \"{action}\" }}, {{ status_code = 204, action = \"{action}\" }}] }}"
            ),
        );
        scene.run_well();
        scene.run(&[]).expect_code(code);
        assert_eq!(scene.column("t", "id"), left, "{action}");
    }
}
