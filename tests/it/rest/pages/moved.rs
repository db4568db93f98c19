//! Numbered pages whose rows come a second time.

use serde_json::json;

use super::super::api::{Api, Call, Reply};
use super::{SIZE, TOTAL, check, ends, scene, slice, some};

const DATA: &str = "data_selector = \"data\"\n";

/// A number that the API does not read would be sent for ever, or to the end of a total, for the same rows.
#[test]
fn a_page_that_comes_again_is_an_error() {
    let deaf = |_: &Call| Reply::json(&json!({ "total": TOTAL, "data": slice(0) }));
    for paginator in [
        "\"page_number\"",
        "{ type = \"offset\", limit = 3, offset_param = \"skip\", total_path = \"total\" }",
    ] {
        let said = ["page 2 has the rows of the page before it", "check that the API reads the parameter"];
        ends(deaf, &format!("{DATA}paginator = {paginator}"), 1, &said);
    }
    // The last page for all beyond it.
    let clamps = |call: &Call| {
        let page = call.number_param("page").unwrap().min(2);
        Reply::json(&json!({ "pages": 3, "data": slice(page * SIZE) }))
    };
    ends(
        clamps,
        &format!("{DATA}paginator = \"page_number\""),
        1,
        &["page 4 has the rows of the page before it"],
    );
    let total = format!("{DATA}paginator = {{ type = \"page_number\", total_path = \"pages\" }}");
    check(clamps, &total, &["page=0", "page=1", "page=2"]);
}

/// A row that is put before the others moves them by one: one comes twice.
#[test]
fn rows_that_move_to_the_next_page_leave_a_doubt() {
    let answer = |call: &Call| match call.number_param("page").unwrap() {
        0 => Reply::json(&json!({ "data": some(0, 3), "total": TOTAL })),
        1 => Reply::json(&json!({ "data": some(2, 3), "total": TOTAL + 1 })),
        2 => Reply::json(&json!({ "data": some(5, 2), "total": TOTAL + 1 })),
        _ => Reply::json(&json!({ "data": [], "total": TOTAL + 1 })),
    };
    let paginator = "paginator = { type = \"page_number\", total_rows_path = \"total\" }";
    let said =
        ["unproven", "page 2 has rows of the page before it", "sort by something that puts new rows last"];
    ends(answer, &format!("{DATA}{paginator}"), 0, &said);
}

/// A row that is deleted moves the others the other way: one is skipped, and nothing but the total tells.
#[test]
fn a_total_that_falls_leaves_a_doubt() {
    let answer = |call: &Call| match call.number_param("offset").unwrap() {
        0 => Reply::json(&json!({ "data": some(0, 3), "total": TOTAL })),
        // Row 1 is gone, and row 4 has its place on the first page.
        _ => Reply::json(&json!({ "data": some(4, 3), "total": TOTAL - 1 })),
    };
    let api = Api::start(answer);
    let scene = scene(&api, &format!("{DATA}paginator = {{ type = \"offset\", limit = 3 }}"));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("unproven") && said.contains("went from 7 to 6 while they were read"), "{said}");
    assert_eq!(scene.column("rows", "id"), [1, 2, 3, 5, 6, 7]);
}
