//! Without a paginator in the config.

use serde_json::{Value, json};

use super::super::api::{Api, Call, Reply};
use super::super::scene::rows;
use super::{TOTAL, asked, at, check, ends, more, scene, shapes, slice};

#[test]
fn apis_in_wide_use_need_no_paginator() {
    check(shapes::github, "", &["", "per_page=3&state=all&page=2", "per_page=3&state=all&page=3"]);
    check(
        shapes::shopify,
        "params = { limit = 3 }",
        &["limit=3", "limit=3&page_info=3", "limit=3&page_info=6"],
    );
    check(shapes::laravel, "", &["", "page=2", "page=3"]);
    check(shapes::zendesk, "", &["", "page[size]=3&page[after]=3", "page[size]=3&page[after]=6"]);
    check(shapes::stripe, "", &["", "starting_after=3", "starting_after=6"]);
    check(
        shapes::asana,
        "params = { limit = 3 }",
        &["limit=3", "limit=3&offset=eyJ3", "limit=3&offset=eyJ6"],
    );
    check(shapes::hubspot, "", &["", "after=3", "after=6"]);
    check(shapes::box_folder, "", &["", "offset=3&limit=3", "offset=6&limit=3"]);
    check(shapes::memberpass, "", &["", "page=2", "page=3"]);
    check(shapes::json_api, "", &["", "page[number]=2&page[size]=3", "page[number]=3&page[size]=3"]);
}

#[test]
fn a_number_of_pages_is_counted_from_0_as_in_dlt() {
    let answer = |call: &Call| {
        let page = call.number_param("page").unwrap_or(0);
        Reply::json(&json!({"data": slice(page * 3), "total_pages": 3}))
    };
    check(answer, "", &["", "page=1", "page=2"]);
}

#[test]
fn a_token_is_sent_as_cursor_as_in_dlt() {
    let answer = |call: &Call| {
        let from = call.number_param("cursor").unwrap_or(0);
        let next = more(from).then(|| (from + 3).to_string());
        Reply::json(&json!({"data": slice(from), "meta": {"next_cursor": next}}))
    };
    check(answer, "", &["", "cursor=3", "cursor=6"]);
}

#[test]
fn what_was_found_out_is_said_with_the_line_that_fixes_it() {
    let api = Api::start(shapes::laravel);
    let ran = scene(&api, "").run(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let line = "paginator = { type = \"json_link\", next_url_path = \"links.next\" }";
    assert!(ran.stderr.contains(line), "{}", ran.stderr);
    let fixed = format!("data_selector = \"data\"\n{line}");
    check(shapes::laravel, &fixed, &["", "page=2", "page=3"]);
}

#[test]
fn a_wrong_guess_is_found_on_the_second_page() {
    // Pages count from 1, and the answer does not say which page it is.
    let answer = |call: &Call| {
        let page = call.number_param("page").unwrap_or(1);
        Reply::json(&json!({"data": slice((page - 1) * 3), "total_pages": 3}))
    };
    ends(answer, "", 1, &["page 2 has the rows of page 1", "type = \"page_number\"", "base_page = 1"]);
    let unread = |_: &Call| Reply::json(&json!({"data": slice(0), "next_token": "t"}));
    ends(unread, "", 1, &["page 2 has the rows of page 1", "cursor_param = \"next_token\""]);
}

#[test]
fn one_page_is_all_only_if_nothing_speaks_against_it() {
    let one = |body: Value| move |_: &Call| Reply::json(&body);
    let all: Vec<Value> = super::some(0, TOTAL);
    check(one(json!(all)), "", &[""]);
    check(one(json!({"data": all, "total": TOTAL})), "", &[""]);
    check(one(json!({"data": all, "next": null})), "", &[""]);
    ends(one(json!({"data": all, "total": 90})), "", 3, &["`total` is 90, but only 7 rows came"]);
    ends(one(json!({"data": all, "has_more": true})), "", 3, &["`has_more` says that there is more"]);
    let full = one(json!({ "data": rows(50) }));
    let api = Api::start(full);
    let ran = scene(&api, "").run(&[]);
    assert!(
        ran.stdout.contains("unproven") && ran.stderr.contains("single_page"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    assert_eq!(asked(&api), [""]);
}

#[test]
fn a_single_thing_is_one_row() {
    let answer =
        |call: &Call| Reply::json(&json!({"id": 7, "self": at(call, "/rows"), "next_invoice": "2027-01-01"}));
    let api = Api::start(answer);
    let scene = scene(&api, "");
    scene.run_well();
    assert_eq!((asked(&api), scene.column("rows", "id")), (vec![String::new()], vec![json!(7)]));
}
