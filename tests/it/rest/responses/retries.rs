//! Which failures are tried again. Delays and their growth are tests of `http::retry`, what servers ask for of
//! `http::advice`; here is what a user sees of both.

use serde_json::json;

use super::super::api::{Api, Reply};
use super::super::scene::rows;
use super::resource;

#[test]
fn what_may_pass_is_tried_again_and_the_rest_is_not() {
    for status in [408, 429, 500, 502, 503, 504, 599] {
        let api = Api::start(move |call| match call.number {
            0 | 1 => Reply::empty(status),
            _ => Reply::json(&json!(rows(1))),
        });
        let scene = resource(&api, "");
        let report = scene.run_well();
        assert_eq!(report["resources"][0]["requests"], 3, "{status}");
        assert_eq!(scene.column("t", "id"), [1], "{status}");
    }
    for status in [304, 400, 401, 403, 404, 409, 422] {
        let api = Api::start(move |_| Reply::empty(status));
        resource(&api, "").run(&[]).expect_code(1);
        assert_eq!(api.calls().len(), 1, "{status}");
    }
}

#[test]
fn attempts_end_and_each_is_counted() {
    let api = Api::start(|_| Reply::text("text/plain", "try later").status(500));
    let finished = resource(&api, "").run(&["--format", "json"]);
    finished.expect_code(1);
    assert_eq!(api.calls().len(), 3);
    assert_eq!(finished.report()["resources"][0]["requests"], 3);
    finished.expect_said("HTTP 500 Internal Server Error: try later");
}

#[test]
fn a_post_is_tried_again_like_a_get() {
    let api = Api::start(|call| match call.number {
        0 => Reply::empty(502),
        _ => Reply::json(&json!(rows(1))),
    });
    let scene = resource(&api, "method = \"POST\"\njson = { q = 1 }");
    scene.run_well();
    let bodies: Vec<_> = api.calls().iter().map(|call| (call.method.clone(), call.json())).collect();
    assert_eq!(bodies, [("POST".to_owned(), json!({ "q": 1 })), ("POST".to_owned(), json!({ "q": 1 }))]);
}

#[test]
fn what_a_server_asks_for_on_success_is_no_reason_to_wait() {
    let api = Api::start(|_| Reply::json(&json!(rows(1))).with("retry-after", "3000"));
    resource(&api, "").run_well();
    assert_eq!(api.calls().len(), 1);
}
