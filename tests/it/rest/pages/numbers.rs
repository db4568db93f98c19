//! Offsets and page numbers where APIs are not quite what the config says.

use serde_json::json;

use super::super::api::{Call, Reply};
use super::{SIZE, TOTAL, check, ends, slice, some};

/// Gives three rows whatever it is asked for.
fn capped(call: &Call) -> Reply {
    Reply::json(&json!({"data": slice(call.number_param("offset").unwrap())}))
}

#[test]
fn a_cap_below_the_limit_is_not_passed_over() {
    let limit = "data_selector = \"data\"\npaginator = { type = \"offset\", limit = 5 }";
    // Rows 4, 5 are never asked for, and nothing but the row count tells.
    ends(capped, limit, 0, &["unproven", "rows may have been skipped", "step = \"rows\""]);
    let rows = "data_selector = \"data\"\npaginator = { type = \"offset\", limit = 5, step = \"rows\" }";
    check(capped, rows, &["offset=0&limit=5", "offset=3&limit=5", "offset=6&limit=5", "offset=7&limit=5"]);
    // A total proves it.
    let total = |call: &Call| {
        Reply::json(&json!({"total": TOTAL, "data": slice(call.number_param("offset").unwrap())}))
    };
    ends(total, limit, 3, &["the API reports 7 rows but gave 5", "step = \"rows\""]);
    // So does an answer that repeats the limit it is held to, before anything is lost.
    let repeats = |call: &Call| {
        let offset = call.number_param("offset").unwrap();
        Reply::json(&json!({"meta": {"total": TOTAL, "limit": SIZE}, "data": slice(offset)}))
    };
    let by_total =
        "data_selector = \"data\"\npaginator = { type = \"offset\", limit = 5, total_path = \"meta.total\" }";
    ends(repeats, by_total, 1, &["caps a page at 3 rows", "steps of 5 rows"]);
}

#[test]
fn short_and_empty_pages_are_no_end_while_there_is_more() {
    let pages = |call: &Call| {
        let rows = match call.number_param("page").unwrap() {
            0 => some(0, 2),
            1 => Vec::new(),
            2 => some(2, 3),
            _ => some(5, 2),
        };
        let has_more = call.number_param("page").unwrap() < 3;
        Reply::json(&json!({"data": rows, "has_more": has_more}))
    };
    check(
        pages,
        "data_selector = \"data\"\npaginator = { type = \"page_number\", has_more_path = \"has_more\" }",
        &["page=0", "page=1", "page=2", "page=3"],
    );
}

#[test]
fn a_total_that_is_on_the_first_page_only_is_enough() {
    let answer = |call: &Call| {
        let offset = call.number_param("offset").unwrap();
        let total = (offset == 0).then_some(TOTAL);
        Reply::json(&json!({"data": slice(offset), "total": total}))
    };
    check(
        answer,
        "data_selector = \"data\"\npaginator = { type = \"offset\", limit = 3, total_path = \"total\" }",
        &["offset=0&limit=3", "offset=3&limit=3", "offset=6&limit=3", "offset=9&limit=3"],
    );
}

#[test]
fn a_maximum_before_the_end_is_told() {
    let answer = |call: &Call| Reply::json(&json!({"data": slice(call.number_param("offset").unwrap())}));
    ends(
        answer,
        "data_selector = \"data\"\npaginator = { type = \"offset\", limit = 3, maximum_offset = 5 }",
        3,
        &["stopped at `maximum_offset = 5`; the API may have more"],
    );
}

#[test]
fn a_header_has_the_cursor() {
    let answer = |call: &Call| {
        let from = call.number_param("cursor").unwrap_or(0);
        let reply = Reply::json(&json!(slice(from)));
        if from + SIZE < TOTAL { reply.with("X-Next", &(from + SIZE).to_string()) } else { reply }
    };
    check(
        answer,
        "paginator = { type = \"header_cursor\", cursor_key = \"x-next\" }",
        &["", "cursor=3", "cursor=6"],
    );
}

#[test]
fn more_without_rows_to_go_on_from_is_an_error() {
    let answer = |_: &Call| Reply::json(&json!({"data": [], "has_more": true}));
    ends(answer, "data_selector = \"data\"\npaginator = \"last_row\"", 1, &["gave no rows to go on from"]);
}
