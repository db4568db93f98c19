//! The parameters of each paginator, and the rules for its end: dlt's, but where those lose rows without a word.

use serde_json::{Value, json};

use super::super::api::{Api, Call, Reply};
use super::{SIZE, TOTAL, asked, at, check, ends, more, scene, slice};

const DATA: &str = "data_selector = \"data\"\n";

/// The rows from a number in the query, and what else the page says.
fn page(call: &Call, param: &str, size: usize, more: impl Fn(usize) -> Value) -> Reply {
    let number = call.number_param(param).unwrap_or(0);
    let mut body = more(number);
    body["data"] = json!(slice(number * size));
    Reply::json(&body)
}

/// Asks for these, gets these rows, and ends so.
fn reads(
    answer: impl Fn(&Call) -> Reply + Send + Sync + 'static,
    endpoint: &str,
    code: i32,
    requests: &[&str],
    ids: std::ops::RangeInclusive<usize>,
) {
    let api = Api::start(answer);
    let scene = scene(&api, &format!("{DATA}{endpoint}"));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(code), "{endpoint}: {}", ran.stderr);
    assert_eq!(asked(&api), requests, "{endpoint}");
    assert_eq!(scene.column("rows", "id"), ids.collect::<Vec<_>>(), "{endpoint}");
}

#[test]
fn numbers_and_cursors_go_to_any_place_in_the_body() {
    let body = "data_selector = \"data\"\nmethod = \"POST\"\njson = { q = { a = 1 } }\n";
    let by_offset = |call: &Call| {
        let from = call.json()["q"]["from"].as_u64().unwrap();
        Reply::json(&json!({ "data": slice(usize::try_from(from).unwrap()), "total": TOTAL }))
    };
    check(
        by_offset,
        &format!(
            "{body}paginator = {{ type = \"offset\", limit = 3, offset_body_path = \"q.from\", limit_body_path = \"take\" }}"
        ),
        &[
            r#"{"q":{"a":1,"from":0},"take":3}"#,
            r#"{"q":{"a":1,"from":3},"take":3}"#,
            r#"{"q":{"a":1,"from":6},"take":3}"#,
        ],
    );
    let by_page = |call: &Call| {
        let page = call.json()["page"]["number"].as_u64().unwrap();
        Reply::json(&json!({ "data": slice(usize::try_from(page).unwrap() * SIZE), "pages": 3 }))
    };
    check(
        by_page,
        &format!(
            "{body}paginator = {{ type = \"page_number\", page_body_path = \"page.number\", total_path = \"pages\" }}"
        ),
        &[
            r#"{"q":{"a":1},"page":{"number":0}}"#,
            r#"{"q":{"a":1},"page":{"number":1}}"#,
            r#"{"q":{"a":1},"page":{"number":2}}"#,
        ],
    );
    // Only from the second request on, and in the type that it came in.
    let by_cursor = |call: &Call| {
        let from = call.json()["q"]["page"]["after"].as_u64().unwrap_or(0);
        let from = usize::try_from(from).unwrap();
        Reply::json(&json!({ "data": slice(from), "next": more(from).then_some(from + SIZE) }))
    };
    check(
        by_cursor,
        &format!(
            "{body}paginator = {{ type = \"cursor\", cursor_path = \"next\", cursor_body_path = \"q.page.after\" }}"
        ),
        &[r#"{"q":{"a":1}}"#, r#"{"q":{"a":1,"page":{"after":3}}}"#, r#"{"q":{"a":1,"page":{"after":6}}}"#],
    );
}

#[test]
fn numbers_begin_where_the_config_says() {
    let by_page = |call: &Call| {
        let page = call.number_param("p").unwrap();
        Reply::json(&json!({ "data": slice((page - 1) * SIZE), "pages": 3 }))
    };
    let from_second = "paginator = { type = \"page_number\", base_page = 1, page = 2, page_param = \"p\", total_path = \"pages\" }";
    reads(by_page, from_second, 0, &["p=2", "p=3"], 4..=7);
    let by_offset = |call: &Call| Reply::json(&json!({ "data": slice(call.number_param("skip").unwrap()) }));
    let from_fourth = "paginator = { type = \"offset\", limit = 3, offset = 3, offset_param = \"skip\", limit_param = \"take\" }";
    reads(by_offset, from_fourth, 0, &["skip=3&take=3", "skip=6&take=3", "skip=9&take=3"], 4..=7);
}

/// A cap is no end: what came is loaded, and the run says that it is not all.
#[test]
fn a_maximum_is_the_first_number_that_is_not_asked_for() {
    let by_page = |call: &Call| page(call, "page", SIZE, |_| json!({}));
    reads(
        by_page,
        "paginator = { type = \"page_number\", maximum_page = 2 }",
        3,
        &["page=0", "page=1"],
        1..=6,
    );
    let by_offset = |call: &Call| page(call, "offset", 1, |_| json!({}));
    reads(
        by_offset,
        "paginator = { type = \"offset\", limit = 3, maximum_offset = 5 }",
        3,
        &["offset=0&limit=3", "offset=3&limit=3"],
        1..=6,
    );
    reads(by_page, "paginator = { type = \"page_number\", max_pages = 1 }", 3, &["page=0"], 1..=3);
}

#[test]
fn an_empty_page_ends_it_before_a_total_is_read() {
    let answer = |call: &Call| {
        page(call, "page", SIZE, |page| if page < 3 { json!({ "pages": "9" }) } else { json!({}) })
    };
    let paginator = "paginator = { type = \"page_number\", total_path = \"pages\" }";
    reads(answer, paginator, 0, &["page=0", "page=1", "page=2", "page=3"], 1..=7);
    let text = |call: &Call| page(call, "page", SIZE, |_| json!({ "pages": "many" }));
    ends(text, &format!("{DATA}{paginator}"), 1, &["`pages` is \"many\", which is not a number"]);
}

#[test]
fn flags_are_booleans_numbers_or_words() {
    let paginator =
        "paginator = { type = \"page_number\", stop_after_empty_page = false, has_more_path = \"more\" }";
    for (yes, no) in [
        (json!(true), json!(false)),
        (json!("yes"), json!("No")),
        (json!("T"), json!("f")),
        (json!(1), json!(0)),
        (json!("1"), json!("0")),
        (json!("TRUE"), json!("False")),
    ] {
        let answer = move |call: &Call| {
            page(call, "page", SIZE, |page| json!({ "more": if more(page * SIZE) { &yes } else { &no } }))
        };
        reads(answer, paginator, 0, &["page=0", "page=1", "page=2"], 1..=7);
    }
    let missing = |call: &Call| page(call, "page", SIZE, |_| json!({}));
    ends(missing, &format!("{DATA}{paginator}"), 1, &["`more` is missing from the page, which has `data`"]);
    let odd = |call: &Call| page(call, "page", SIZE, |_| json!({ "more": "perhaps" }));
    ends(odd, &format!("{DATA}{paginator}"), 1, &["`more` is \"perhaps\", which is neither true nor false"]);
    // It stops, and forces nothing: a total that is reached ends the reading, and the contradiction is told.
    let forces = |call: &Call| page(call, "page", SIZE, |_| json!({ "more": true, "pages": 3 }));
    let both = "paginator = { type = \"page_number\", total_path = \"pages\", has_more_path = \"more\" }";
    reads(forces, both, 3, &["page=0", "page=1", "page=2"], 1..=7);
}

#[test]
fn a_cursor_ends_with_whatever_stands_for_none() {
    let paginator = "paginator = { type = \"cursor\", cursor_path = \"next\" }";
    for end in [json!(null), json!(""), json!(0), json!(false)] {
        let answer = move |call: &Call| {
            let next = |from| if more(from) { json!(from + SIZE) } else { end.clone() };
            page(call, "cursor", 1, |from| json!({ "next": next(from) }))
        };
        reads(answer, paginator, 0, &["", "cursor=3", "cursor=6"], 1..=7);
    }
    let left_out = |call: &Call| {
        page(call, "cursor", 1, |from| if more(from) { json!({ "next": from + SIZE }) } else { json!({}) })
    };
    reads(left_out, paginator, 0, &["", "cursor=3", "cursor=6"], 1..=7);
    // The last page has a cursor, too, which leads to an empty one; the defaults of dlt.
    let endless = |call: &Call| page(call, "cursor", 1, |from| json!({ "cursors": { "next": from + SIZE } }));
    let stops = "paginator = { type = \"cursor\", stop_after_empty_page = true }";
    reads(endless, stops, 0, &["", "cursor=3", "cursor=6", "cursor=9"], 1..=7);
    let flagged = |call: &Call| {
        page(call, "cursor", 1, |from| json!({ "cursors": { "next": from + SIZE }, "more": more(from) }))
    };
    let by_flag = "paginator = { type = \"cursor\", has_more_path = \"more\" }";
    reads(flagged, by_flag, 0, &["", "cursor=3", "cursor=6"], 1..=7);
    let contradicts = |call: &Call| page(call, "cursor", 1, |_| json!({ "more": true, "next": null }));
    ends(
        contradicts,
        &format!(
            "{DATA}paginator = {{ type = \"cursor\", cursor_path = \"next\", has_more_path = \"more\" }}"
        ),
        1,
        &["the API says there is more (`more`) but gave no cursor (`next` is null)"],
    );
    let repeats = |call: &Call| page(call, "cursor", 1, |_| json!({ "next": 3 }));
    ends(repeats, &format!("{DATA}{paginator}"), 1, &["gave the cursor again that the page was asked with"]);
}

/// Stripe's search, which pages otherwise than its lists.
#[test]
fn a_cursor_may_be_called_a_page() {
    let answer = |call: &Call| {
        page(
            call,
            "page",
            1,
            |from| json!({ "has_more": more(from), "next_page": more(from).then(|| (from + SIZE).to_string()) }),
        )
    };
    let paginator = "params = { query = \"a:1\" }\npaginator = { type = \"cursor\", cursor_path = \"next_page\", cursor_param = \"page\", has_more_path = \"has_more\" }";
    reads(answer, paginator, 0, &["query=a:1", "query=a:1&page=3", "query=a:1&page=6"], 1..=7);
}

#[test]
fn addresses_are_joined_with_the_one_that_was_asked_for() {
    for name in ["json_link", "json_response"] {
        for base in ["?", "rows?", "/rows?", "//HOST/rows?", "http://HOST/rows?"] {
            let answer = move |call: &Call| {
                let base = base.replace("HOST", call.header("host").unwrap());
                page(
                    call,
                    "from",
                    1,
                    |from| json!({ "next": more(from).then(|| format!("{base}from={}", from + SIZE)) }),
                )
            };
            let own = format!("params = {{ lang = \"en\" }}\npaginator = \"{name}\"");
            reads(answer, &own, 0, &["lang=en", "from=3&lang=en", "from=6&lang=en"], 1..=7);
            let dropped = format!(
                "params = {{ lang = \"en\" }}\npaginator = {{ type = \"{name}\", keep_params = false }}"
            );
            reads(answer, &dropped, 0, &["lang=en", "from=3", "from=6"], 1..=7);
        }
    }
}

#[test]
fn a_link_header_is_read_by_the_relation_that_is_named() {
    let answer = |call: &Call| {
        let from = call.number_param("from").unwrap_or(0);
        let link = format!(
            "<{}>; rel=\"next\", </rows?from={}>; title=\"a, b\"; rel=\"older\"",
            at(call, "/nowhere"),
            from + SIZE
        );
        let reply = Reply::json(&json!({ "data": slice(from) }));
        if more(from) { reply.with("link", &link) } else { reply }
    };
    let paginator = "paginator = { type = \"header_link\", links_next_key = \"older\" }";
    reads(answer, paginator, 0, &["", "from=3", "from=6"], 1..=7);
    // No such relation: one page, and that is the end.
    reads(answer, "paginator = { type = \"header_link\", links_next_key = \"newer\" }", 0, &[""], 1..=3);
}

#[test]
fn a_header_with_a_cursor_is_called_next_unless_it_is_named() {
    for (header, paginator, param) in [
        ("next", "\"header_cursor\"", "cursor"),
        (
            "X-Token",
            "{ type = \"header_cursor\", cursor_key = \"x-token\", cursor_param = \"token\" }",
            "token",
        ),
    ] {
        let answer = move |call: &Call| {
            let from = call.number_param(param).unwrap_or(0);
            let reply = Reply::json(&json!({ "data": slice(from) }));
            if more(from) { reply.with(header, &(from + SIZE).to_string()) } else { reply }
        };
        let requests = [String::new(), format!("{param}=3"), format!("{param}=6")];
        let requests = requests.each_ref().map(String::as_str);
        reads(answer, &format!("paginator = {paginator}"), 0, &requests, 1..=7);
    }
}

/// What `auto` makes of a first page, in dlt's order: the first that fits is taken.
#[test]
fn the_first_page_tells_how_to_go_on_in_the_order_of_dlt() {
    type More = fn(&Call, usize) -> Value;
    let address = |call: &Call, from: usize| at(call, &format!("/rows?from={}", from + SIZE));
    // 1. A `Link` header, before anything in the body.
    let by_header = move |call: &Call| {
        let from = call.number_param("from").unwrap_or(0);
        let reply = Reply::json(&json!({ "data": slice(from), "next": "/elsewhere", "total_pages": 9 }));
        if more(from) {
            reply.with("link", &format!("<{}>; rel=next", address(call, from)))
        } else {
            Reply::json(&json!({ "data": slice(from) }))
        }
    };
    reads(by_header, "", 0, &["", "from=3", "from=6"], 1..=7);
    // 2. An address below a name that begins with `next`, at any depth, before a number of pages.
    let bodies: [More; 5] = [
        |call, from| json!({ "next": at(call, &format!("/rows?from={}", from + SIZE)), "total_pages": 9 }),
        |_, from| json!({ "meta": { "page": { "nextUrl": format!("/rows?from={}", from + SIZE) } } }),
        |_, from| json!({ "_links": { "next": { "href": format!("/rows?from={}", from + SIZE) } } }),
        |_, from| json!({ "links": { "NEXT": { "url": format!("/rows?from={}", from + SIZE) } } }),
        |_, from| json!({ "pages": 9, "next_page": format!("/rows?from={}", from + SIZE) }),
    ];
    for body in bodies {
        let answer = move |call: &Call| {
            page(call, "from", 1, |from| if more(from) { body(call, from) } else { json!({}) })
        };
        reads(answer, "", 0, &["", "from=3", "from=6"], 1..=7);
    }
    // 3. A number of pages, before a token.
    for name in ["total_pages", "pages", "totalPages", "TotalPages", "PAGES"] {
        let answer = move |call: &Call| {
            page(call, "page", SIZE, |_| json!({ "info": { name: "3" }, "next_cursor": "x" }))
        };
        reads(answer, "", 0, &["", "page=1", "page=2"], 1..=7);
    }
    // 4. A token below a name that begins with `next`.
    for name in ["next_cursor", "nextCursor", "next", "Next-Id"] {
        let answer = move |call: &Call| {
            page(call, "cursor", 1, |from| json!({ name: more(from).then_some(from + SIZE) }))
        };
        reads(answer, "", 0, &["", "cursor=3", "cursor=6"], 1..=7);
    }
    // 5. Nothing of that: one page.
    reads(|call: &Call| page(call, "page", 1, |_| json!({ "kind": "list" })), "", 0, &[""], 1..=3);
}

/// An answer without rows by the config's word says how to go on like any other.
#[test]
fn a_first_page_that_is_empty_by_an_action_still_leads_on() {
    let answer = |call: &Call| match call.number_param("from") {
        None => Reply::json(&json!({ "error": "busy", "next": "/rows?from=0" })),
        Some(from) => {
            let next = more(from).then(|| format!("/rows?from={}", from + SIZE));
            Reply::json(&json!({ "data": slice(from), "next": next }))
        }
    };
    let action = "response_actions = [{ json_path = \"error\", action = \"empty\" }]";
    check(answer, &format!("{DATA}{action}"), &["", "from=0", "from=3", "from=6"]);
}
