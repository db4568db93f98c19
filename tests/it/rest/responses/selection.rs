//! Where the rows of an answer are.

use serde_json::{Value, json};

use super::super::api::{Api, Reply};
use super::{one, outcome, resource, warnings};

fn loaded(body: &Value, endpoint: &str) -> Vec<Value> {
    let (_api, scene) = one(Reply::json(body), endpoint);
    scene.run_well();
    if scene.workspace.path("rest.duckdb").exists() { scene.column("t", "id") } else { Vec::new() }
}

#[test]
fn a_selector_with_one_match_means_its_value() {
    let selector = "data_selector = \"data\"";
    assert_eq!(loaded(&json!({ "data": [{ "id": 1 }, { "id": 2 }] }), selector), [1, 2]);
    assert_eq!(loaded(&json!({ "data": { "id": 1 } }), selector), [1]);
    assert_eq!(loaded(&json!({ "data": null }), selector), Vec::<Value>::new());
    assert_eq!(loaded(&json!({ "data": [] }), selector), Vec::<Value>::new());
    assert_eq!(loaded(&json!({ "a": { "b": [[{ "id": 7 }]] } }), "data_selector = \"$.a.b[0]\""), [7]);
    assert_eq!(loaded(&json!([{ "id": 1 }]), "data_selector = \"$\""), [1]);
}

#[test]
fn each_of_several_matches_is_a_row() {
    let body = json!({ "edges": [
        { "node": { "id": 1, "kind": "a" } },
        { "node": { "id": 2, "kind": "b" } },
        { "node": { "id": 3, "kind": "a" } },
    ] });
    assert_eq!(loaded(&body, "data_selector = \"edges[*].node\""), [1, 2, 3]);
    assert_eq!(loaded(&body, "data_selector = \"$.edges[?@.node.kind == 'a'].node\""), [1, 3]);
    assert_eq!(loaded(&body, "data_selector = \"$..node\""), [1, 2, 3]);
    // One match, though there could be more, is unwrapped.
    let groups = json!({ "groups": [{ "members": [{ "id": 1 }, { "id": 2 }] }] });
    assert_eq!(loaded(&groups, "data_selector = \"groups[*].members\""), [1, 2]);
    // A list without elements is there, and one that is missing is not.
    assert_eq!(loaded(&json!({ "edges": [] }), "data_selector = \"edges[*].node\""), Vec::<Value>::new());
    let (_api, scene) = one(Reply::json(&json!({ "items": [] })), "data_selector = \"edges[*].node\"");
    scene.run(&[]).expect_code(1);
}

#[test]
fn what_was_found_has_a_name_that_is_read_again() {
    let api = Api::start(|call| match call.number {
        0 => Reply::json(&json!({ "a.b": { "c d": [{ "id": 1 }] }, "pages": 2 })),
        1..=3 => Reply::empty(503),
        _ => Reply::json(&json!({ "data": [{ "id": 9 }], "a.b": { "c d": [{ "id": 2 }] }, "pages": 2 })),
    });
    let scene = resource(&api, "paginator = { type = \"page_number\", total_path = \"pages\" }");
    scene.run(&[]).expect_code(1);
    scene.run_well();
    assert_eq!(scene.column("t", "id"), [1, 2]);
}

#[test]
fn nothing_at_the_selector_is_an_error_unless_it_may_be() {
    let (_api, scene) = one(Reply::json(&json!({ "items": [], "page": 1 })), "data_selector = \"data\"");
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("has nothing at data selector `data`; its fields are items, page");
    assert_eq!(
        loaded(&json!({ "page": 1 }), "data_selector = \"data\"\noptional = true"),
        Vec::<Value>::new()
    );
}

#[test]
fn an_error_body_in_place_of_rows_is_told_in_the_words_of_the_api() {
    for endpoint in ["data_selector = \"data\"", "data_selector = \"data\"\noptional = true"] {
        for (body, said) in [
            (json!({ "ok": false, "error": "channel_not_found" }), "HTTP 200 OK: channel_not_found"),
            (
                json!({ "error": { "code": "E1", "message": "bad token" } }),
                "HTTP 200 OK: bad token (code `E1`)",
            ),
            (json!({ "errors": [{ "message": "no field x" }] }), "HTTP 200 OK: no field x"),
        ] {
            let (_api, scene) = one(Reply::json(&body), endpoint);
            let finished = scene.run(&[]);
            finished.expect_code(1);
            finished.expect_said("has nothing at data selector `data`");
            finished.expect_said(said);
            finished.expect_said("say in `response_actions` what it means");
        }
    }
    let harmless = json!({ "error": null, "errors": [] });
    assert_eq!(loaded(&harmless, "data_selector = \"data\"\noptional = true"), Vec::<Value>::new());
}

#[test]
fn rows_are_found_as_dlt_finds_them() {
    assert_eq!(loaded(&json!([{ "id": 1 }]), ""), [1]);
    assert_eq!(loaded(&json!({ "errors": [], "data": [{ "id": 1 }] }), ""), [1]);
    assert_eq!(loaded(&json!({ "a": { "records": [{ "id": 1 }] }, "b": [{ "id": 2 }] }), ""), [1]);
    // The first list there is, if none has a usual name.
    let trap = json!({ "meta": { "tags": [{ "id": 9 }] }, "data": { "inner": [{ "id": 1 }] } });
    assert_eq!(loaded(&trap, ""), [9]);
    // Without any list the answer is one row.
    assert_eq!(loaded(&json!({ "id": 5, "a": { "b": { "c": { "data": [] } } } }), ""), [5]);
}

#[test]
fn what_was_found_on_the_first_page_holds_for_the_others() {
    let api = Api::start(|call| match call.number {
        0 => Reply::json(&json!({ "tags": [], "items": [{ "id": 1 }], "pages": 3 })),
        1 => Reply::json(&json!({ "data": [{ "id": 8 }], "items": [{ "id": 2 }], "pages": 3 })),
        _ => Reply::json(&json!({ "data": [{ "id": 9 }], "pages": 3 })),
    });
    let scene = resource(&api, "paginator = { type = \"page_number\", total_path = \"pages\" }");
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("(page 3) has nothing at data selector `items`; its fields are data, pages");
}

#[test]
fn a_run_that_goes_on_looks_where_the_first_page_had_its_rows() {
    let api = Api::start(|call| match call.number {
        0 => Reply::json(&json!({ "items": [{ "id": 1 }], "pages": 3 })),
        1..=3 => Reply::empty(503),
        // A detection of its own would take `data`.
        4 => Reply::json(&json!({ "data": [{ "id": 9 }], "items": [{ "id": 2 }], "pages": 3 })),
        _ => Reply::json(&json!({ "data": [{ "id": 9 }], "items": [{ "id": 3 }], "pages": 3 })),
    });
    let scene = resource(&api, "paginator = { type = \"page_number\", total_path = \"pages\" }");
    scene.run(&[]).expect_code(1);
    let report = scene.run_well();
    assert_eq!(report["resources"][0]["resumed_pages"], 1);
    assert_eq!(scene.column("t", "id"), [1, 2, 3]);
}

#[test]
fn the_fields_of_an_object_are_rows() {
    let body = json!({ "result": { "EUR": { "rate": 1 }, "USD": { "rate": 2 } } });
    let (_api, scene) = one(Reply::json(&body), "data_selector = \"result\"\nkeyed_by = \"currency\"");
    scene.run_well();
    assert_eq!(scene.column("t", "currency"), ["EUR", "USD"]);
    assert_eq!(scene.column("t", "rate"), [1, 2]);

    let (_api, scene) = one(Reply::json(&json!({ "EUR": 1, "USD": 2 })), "keyed_by = \"id\"");
    scene.run_well();
    assert_eq!(scene.column("t", "id"), ["EUR", "USD"]);
    assert_eq!(scene.column("t", "value"), [1, 2]);

    assert_eq!(loaded(&json!({ "d": [] }), "data_selector = \"d\"\nkeyed_by = \"id\""), Vec::<Value>::new());
    let (_api, scene) = one(Reply::json(&json!({ "d": [1] })), "data_selector = \"d\"\nkeyed_by = \"id\"");
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("has no object at data selector `d`");
}

#[test]
fn an_answer_without_a_body_is_the_last_and_none_where_it_says_so() {
    let blank = || Reply::text("application/json", " \n");
    for (empty, optional, code, expected) in [
        (Reply::empty(204), "", 0, "complete"),
        (Reply::empty(200), "", 3, "partial"),
        (blank(), "", 3, "partial"),
        (blank(), "\noptional = true", 0, "complete"),
    ] {
        let api = Api::start(move |call| match call.number {
            0 => Reply::json(&json!({ "data": [{ "id": 1 }], "pages": 9 })),
            _ => empty.clone(),
        });
        let paginator = "paginator = { type = \"page_number\", total_path = \"pages\" }";
        let scene = resource(&api, &format!("{paginator}{optional}"));
        let finished = scene.run(&["--format", "json"]);
        finished.expect_code(code);
        assert_eq!(outcome(&finished.report()), expected);
        assert_eq!(scene.column("t", "id"), [1]);
        assert_eq!(api.calls().len(), 2);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_answer() {
    let (_api, scene) = one(Reply::text("application/json", "\u{feff}{\"data\": [{\"id\": 1}]}"), "");
    let report = scene.run_well();
    assert_eq!(warnings(&report), Vec::<&str>::new());
    assert_eq!(scene.column("t", "id"), [1]);
}

#[test]
fn what_is_no_json_is_an_error() {
    let (_api, scene) = one(Reply::text("text/html", "<html>sign in</html>"), "");
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("did not answer with JSON but with text/html");
}

/// Status 200, and no rows but the news of a failure.
#[test]
fn an_error_in_place_of_rows_is_none() {
    for (body, endpoint) in [
        (json!({ "data": null, "errors": [{ "message": "back soon" }] }), "data_selector = \"data\""),
        (
            json!({ "data": null, "errors": [{ "message": "back soon" }] }),
            "data_selector = \"data\"\noptional = true",
        ),
        (json!({ "data": null, "errors": [{ "message": "back soon" }] }), ""),
        (json!({ "ok": false, "error": "back soon" }), ""),
    ] {
        let (_api, scene) = one(Reply::json(&body), endpoint);
        let finished = scene.run(&[]);
        finished.expect_code(1);
        finished.expect_said("back soon");
    }
    // A thing that has failed is a row, and a list of errors is no list of rows where there is another.
    assert_eq!(loaded(&json!({ "id": 1, "error": "boom" }), ""), [1]);
    assert_eq!(loaded(&json!({ "errors": [], "tickets": [{ "id": 1 }] }), ""), [1]);
    assert_eq!(loaded(&json!({ "errors": [{ "id": 1 }] }), "data_selector = \"errors\""), [1]);
}
