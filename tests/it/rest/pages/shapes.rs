//! APIs that are in wide use, as their manuals describe them.

use serde_json::{Value, json};

use super::super::api::{Call, Reply};
use super::{TOTAL, at, check, more, slice};

/// The cursor is the last row's `id`.
pub(super) fn stripe(call: &Call) -> Reply {
    let from = call.number_param("starting_after").unwrap_or(0);
    Reply::json(&json!({"object": "list", "url": "/rows", "has_more": more(from), "data": slice(from)}))
}

#[test]
fn stripe_goes_on_from_the_last_row() {
    check(
        stripe,
        "data_selector = \"data\"\nparams = { limit = 3 }\npaginator = \"last_row\"",
        &["limit=3", "limit=3&starting_after=3", "limit=3&starting_after=6"],
    );
}

/// After the first call, filters are an error.
pub(super) fn shopify(call: &Call) -> Reply {
    let from = call.number_param("page_info").unwrap_or(0);
    if from > 0 && call.params.iter().any(|(key, _)| !matches!(key.as_str(), "limit" | "page_info")) {
        return Reply::json(&json!({"errors": "page_info goes alone"})).status(400);
    }
    let link = |from: usize, rel: &str| {
        format!("<{}>; rel=\"{rel}\"", at(call, &format!("/rows?limit=3&page_info={from}")))
    };
    let reply = Reply::json(&json!({"customers": slice(from)}));
    match (from, more(from)) {
        (0, true) => reply.with("link", &link(3, "next")),
        (from, true) => {
            reply.with("link", &format!("{}, {}", link(from - 3, "previous"), link(from + 3, "next")))
        }
        (from, false) => reply.with("link", &link(from - 3, "previous")),
    }
}

#[test]
fn shopify_is_followed_without_the_filters() {
    check(
        shopify,
        "data_selector = \"customers\"\nparams = { limit = 3, status = \"any\" }\npaginator = \"header_link\"",
        &["limit=3&status=any", "limit=3&page_info=3", "limit=3&page_info=6"],
    );
}

/// The top level is the list.
pub(super) fn github(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(1);
    let link = |page: usize, rel: &str| {
        format!("<{}>; rel=\"{rel}\"", at(call, &format!("/rows?per_page=3&state=all&page={page}")))
    };
    let reply = Reply::json(&Value::from(slice((page - 1) * 3)));
    match more((page - 1) * 3) {
        // Two headers are one list of links.
        true => reply.with("link", &link(page + 1, "next")).with("link", &link(3, "last")),
        false => reply.with("link", &format!("{}, {}", link(page - 1, "prev"), link(1, "first"))),
    }
}

#[test]
fn github_links_in_the_header() {
    check(
        github,
        "params = { per_page = 3, state = \"all\" }\npaginator = { type = \"header_link\", links_next_key = \"next\" }",
        &["per_page=3&state=all", "per_page=3&state=all&page=2", "per_page=3&state=all&page=3"],
    );
}

/// Length-aware: its links lose the filters, and its pages count from 1.
pub(super) fn laravel(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(1);
    let from = (page - 1) * 3;
    let next = more(from).then(|| at(call, &format!("/rows?page={}", page + 1)));
    Reply::json(&json!({
        "data": slice(from),
        "links": {"first": at(call, "/rows?page=1"), "last": at(call, "/rows?page=3"), "prev": null, "next": next},
        "meta": {"current_page": page, "from": from + 1, "last_page": 3, "path": at(call, "/rows"), "per_page": 3, "to": from + 3, "total": TOTAL},
    }))
}

#[test]
fn laravel_by_page_number() {
    check(
        laravel,
        "data_selector = \"data\"\nparams = { per_page = 3 }\n\
         paginator = { type = \"page_number\", base_page = 1, total_path = \"meta.last_page\", total_rows_path = \"meta.total\" }",
        &["per_page=3&page=1", "per_page=3&page=2", "per_page=3&page=3"],
    );
}

#[test]
fn laravel_by_link_keeps_the_filters() {
    check(
        laravel,
        "data_selector = \"data\"\nparams = { status = \"active\" }\npaginator = { type = \"json_link\", next_url_path = \"links.next\" }",
        &["status=active", "page=2&status=active", "page=3&status=active"],
    );
}

#[test]
fn laravel_by_cursor() {
    let answer = |call: &Call| {
        let from =
            call.param("cursor").map_or(0, |cursor| cursor.strip_prefix("eyJ").unwrap().parse().unwrap());
        let next = more(from).then(|| format!("eyJ{}", from + 3));
        Reply::json(&json!({
            "data": slice(from), "links": {"next": null}, "meta": {"next_cursor": next, "prev_cursor": null},
        }))
    };
    check(
        answer,
        "data_selector = \"data\"\npaginator = { type = \"cursor\", cursor_path = \"meta.next_cursor\" }",
        &["", "cursor=eyJ3", "cursor=eyJ6"],
    );
}

/// The link is an object, relative, and left out on the last page.
pub(super) fn json_api(call: &Call) -> Reply {
    let page = call.number_param("page[number]").unwrap_or(1);
    let mut links = json!({"self": "/rows"});
    if more((page - 1) * 3) {
        links["next"] =
            json!({"href": format!("/rows?page%5Bnumber%5D={}&page%5Bsize%5D=3", page + 1), "meta": {}});
    }
    Reply::json(&json!({"data": slice((page - 1) * 3), "links": links}))
}

#[test]
fn json_api_links_with_objects() {
    check(
        json_api,
        "data_selector = \"data\"\nparams = { \"filter[a]\" = 1, \"page[size]\" = 3 }\n\
         paginator = { type = \"json_link\", next_url_path = \"links.next\" }",
        &[
            "filter[a]=1&page[size]=3",
            "page[number]=2&page[size]=3&filter[a]=1",
            "page[number]=3&page[size]=3&filter[a]=1",
        ],
    );
}

/// Gives a link and a cursor on its last page, too.
pub(super) fn zendesk(call: &Call) -> Reply {
    let from = call.number_param("page[after]").unwrap_or(0);
    Reply::json(&json!({
        "tickets": slice(from),
        "meta": {"has_more": more(from), "after_cursor": (from + 3).to_string(), "before_cursor": null},
        "links": {"next": at(call, &format!("/rows?page%5Bsize%5D=3&page%5Bafter%5D={}", from + 3)), "prev": null},
    }))
}

#[test]
fn zendesk_by_cursor_and_by_link() {
    let requests = ["page[size]=3", "page[size]=3&page[after]=3", "page[size]=3&page[after]=6"];
    let keys = "data_selector = \"tickets\"\nparams = { \"page[size]\" = 3 }\n";
    let cursor = "paginator = { type = \"cursor\", cursor_path = \"meta.after_cursor\", cursor_param = \"page[after]\", has_more_path = \"meta.has_more\" }";
    check(zendesk, &format!("{keys}{cursor}"), &requests);
    let link = "paginator = { type = \"json_link\", next_url_path = \"links.next\", has_more_path = \"meta.has_more\" }";
    check(zendesk, &format!("{keys}{link}"), &requests);
}

#[test]
fn strapi_by_page_and_by_start() {
    let answer = |call: &Call| {
        let start = match call.number_param("pagination[page]") {
            Some(page) => (page - 1) * 3,
            None => call.number_param("pagination[start]").unwrap(),
        };
        let meta = json!({"page": start / 3 + 1, "pageSize": 3, "pageCount": 3, "start": start, "limit": 3, "total": TOTAL});
        Reply::json(&json!({"data": slice(start), "meta": {"pagination": meta}}))
    };
    check(
        answer,
        "data_selector = \"data\"\npaginator = { type = \"page_number\", base_page = 1, page_param = \"pagination[page]\", \
         page_size = 3, page_size_param = \"pagination[pageSize]\", total_path = \"meta.pagination.pageCount\" }",
        &[
            "pagination[page]=1&pagination[pageSize]=3",
            "pagination[page]=2&pagination[pageSize]=3",
            "pagination[page]=3&pagination[pageSize]=3",
        ],
    );
    check(
        answer,
        "data_selector = \"data\"\npaginator = { type = \"offset\", offset_param = \"pagination[start]\", limit = 3, \
         limit_param = \"pagination[limit]\", total_path = \"meta.pagination.total\" }",
        &[
            "pagination[start]=0&pagination[limit]=3",
            "pagination[start]=3&pagination[limit]=3",
            "pagination[start]=6&pagination[limit]=3",
        ],
    );
}

#[test]
fn directus_with_and_without_a_count() {
    let answer = |call: &Call| {
        let mut body = json!({"data": slice(call.number_param("offset").unwrap())});
        if call.param("meta").is_some() {
            body["meta"] = json!({"filter_count": TOTAL});
        }
        Reply::json(&body)
    };
    check(
        answer,
        "data_selector = \"data\"\nparams = { meta = \"*\" }\n\
         paginator = { type = \"offset\", limit = 3, total_path = \"meta.filter_count\" }",
        &["meta=*&offset=0&limit=3", "meta=*&offset=3&limit=3", "meta=*&offset=6&limit=3"],
    );
    check(
        answer,
        "data_selector = \"data\"\npaginator = { type = \"offset\", limit = 3, step = \"rows\" }",
        &["offset=0&limit=3", "offset=3&limit=3", "offset=6&limit=3", "offset=7&limit=3"],
    );
}

/// There is no `paging` on the last page, and the search is a POST.
pub(super) fn hubspot(call: &Call) -> Reply {
    let in_body = call.json()["after"].as_str().map(|after| after.parse().unwrap());
    let from = call.number_param("after").or(in_body).unwrap_or(0);
    let mut body = json!({"total": TOTAL, "results": slice(from)});
    if more(from) {
        let after = (from + 3).to_string();
        body["paging"] = json!({"next": {"after": after, "link": "?after=x"}});
        if call.method == "GET" {
            body["paging"]["next"]["link"] = json!(at(call, &format!("/rows?limit=3&after={after}")));
        }
    }
    Reply::json(&body)
}

#[test]
fn hubspot_lists_and_searches() {
    let keys = "data_selector = \"results\"\n";
    check(
        hubspot,
        &format!(
            "{keys}params = {{ limit = 3 }}\npaginator = {{ type = \"cursor\", cursor_path = \"paging.next.after\", cursor_param = \"after\" }}"
        ),
        &["limit=3", "limit=3&after=3", "limit=3&after=6"],
    );
    check(
        hubspot,
        &format!(
            "{keys}method = \"POST\"\njson = {{ limit = 3 }}\n\
             paginator = {{ type = \"cursor\", cursor_path = \"paging.next.after\", cursor_body_path = \"after\", total_rows_path = \"total\" }}"
        ),
        &[r#"{"limit":3}"#, r#"{"limit":3,"after":"3"}"#, r#"{"limit":3,"after":"6"}"#],
    );
}

#[test]
fn notion_takes_the_cursor_in_the_body() {
    let answer = |call: &Call| {
        let from = call.json()["start_cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
        let next = more(from).then(|| (from + 3).to_string());
        Reply::json(
            &json!({"object": "list", "results": slice(from), "next_cursor": next, "has_more": more(from)}),
        )
    };
    check(
        answer,
        "method = \"POST\"\ndata_selector = \"results\"\njson = { page_size = 3 }\n\
         paginator = { type = \"cursor\", cursor_path = \"next_cursor\", cursor_body_path = \"start_cursor\", has_more_path = \"has_more\" }",
        &[
            r#"{"page_size":3}"#,
            r#"{"page_size":3,"start_cursor":"3"}"#,
            r#"{"page_size":3,"start_cursor":"6"}"#,
        ],
    );
}

/// An object leads on, with a token, a path and an address.
pub(super) fn asana(call: &Call) -> Reply {
    let from = call.param("offset").map_or(0, |token| token.strip_prefix("eyJ").unwrap().parse().unwrap());
    let target = format!("/rows?limit=3&offset=eyJ{}", from + 3);
    let next = more(from)
        .then(|| json!({"offset": format!("eyJ{}", from + 3), "path": target, "uri": at(call, &target)}));
    Reply::json(&json!({"data": slice(from), "next_page": next}))
}

#[test]
fn asana_calls_its_token_offset() {
    let requests = ["limit=3", "limit=3&offset=eyJ3", "limit=3&offset=eyJ6"];
    let keys = "data_selector = \"data\"\nparams = { limit = 3 }\n";
    for paginator in [
        "{ type = \"cursor\", cursor_path = \"next_page.offset\", cursor_param = \"offset\" }",
        "{ type = \"json_link\", next_url_path = \"next_page.uri\" }",
        "{ type = \"json_response\", next_url_path = \"next_page\" }",
    ] {
        check(asana, &format!("{keys}paginator = {paginator}"), &requests);
    }
}

#[test]
fn close_skips_until_there_is_no_more() {
    let answer = |call: &Call| {
        let from = call.number_param("_skip").unwrap();
        Reply::json(&json!({"data": slice(from), "has_more": more(from)}))
    };
    check(
        answer,
        "data_selector = \"data\"\npaginator = { type = \"offset\", limit = 3, offset_param = \"_skip\", limit_param = \"_limit\", has_more_path = \"has_more\" }",
        &["_skip=0&_limit=3", "_skip=3&_limit=3", "_skip=6&_limit=3"],
    );
}

pub(super) fn box_folder(call: &Call) -> Reply {
    let offset = call.number_param("offset").unwrap_or(0);
    Reply::json(&json!({"total_count": TOTAL, "offset": offset, "limit": 3, "entries": slice(offset)}))
}

#[test]
fn box_counts_its_entries() {
    check(
        box_folder,
        "data_selector = \"entries\"\npaginator = { type = \"offset\", limit = 3, total_path = \"total_count\" }",
        &["offset=0&limit=3", "offset=3&limit=3", "offset=6&limit=3"],
    );
}

#[test]
fn memberstack_takes_numbers_as_numbers() {
    let members = |call: &Call| {
        let from = call.number_param("after").unwrap_or(0);
        let end =
            slice(from).last().map_or(from, |row| usize::try_from(row["id"].as_u64().unwrap()).unwrap());
        Reply::json(
            &json!({"totalCount": TOTAL, "endCursor": end, "hasNextPage": more(from), "data": slice(from)}),
        )
    };
    check(
        members,
        "data_selector = \"data\"\nparams = { limit = 3 }\n\
         paginator = { type = \"cursor\", cursor_path = \"endCursor\", cursor_param = \"after\", has_more_path = \"hasNextPage\", total_rows_path = \"totalCount\" }",
        &["limit=3", "limit=3&after=3", "limit=3&after=6"],
    );
    let records = |call: &Call| {
        let asked = call.json()["query"]["findMany"].clone();
        let from = usize::try_from(asked["after"].as_u64().unwrap_or(0)).unwrap();
        let pagination = json!({"hasMore": more(from), "endCursor": from + 3, "limit": asked["take"]});
        Reply::json(&json!({"data": {"records": slice(from), "pagination": pagination}}))
    };
    check(
        records,
        "method = \"POST\"\ndata_selector = \"data.records\"\njson = { query = { findMany = { take = 3 } } }\n\
         paginator = { type = \"cursor\", cursor_path = \"data.pagination.endCursor\", cursor_body_path = \"query.findMany.after\", has_more_path = \"data.pagination.hasMore\" }",
        &[
            r#"{"query":{"findMany":{"take":3}}}"#,
            r#"{"query":{"findMany":{"take":3,"after":3}}}"#,
            r#"{"query":{"findMany":{"take":3,"after":6}}}"#,
        ],
    );
}

/// The dialect of the vendor's other interface.
pub(super) fn memberpass(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(1);
    let meta = json!({"page": page, "limit": 3, "total": TOTAL, "has_more": more((page - 1) * 3)});
    Reply::json(&json!({"data": slice((page - 1) * 3), "meta": meta}))
}

#[test]
fn memberpass_speaks_two_dialects_and_one_config_reads_both() {
    let endpoint = "data_selector = \"data\"\n\
        paginator = { type = \"page_number\", base_page = 1, page_size = 3, page_size_param = \"limit\", \
        has_more_path = \"meta.has_more\", total_path = \"meta.last_page\", total_rows_path = \"meta.total\" }";
    let requests = ["page=1&limit=3", "page=2&limit=3", "page=3&limit=3"];
    check(memberpass, endpoint, &requests);
    check(laravel, endpoint, &requests);
    // Neither of the two: an empty page ends it.
    let bare = |call: &Call| {
        let page = call.number_param("page").unwrap();
        Reply::json(&json!({"data": slice((page - 1) * 3)}))
    };
    check(bare, endpoint, &["page=1&limit=3", "page=2&limit=3", "page=3&limit=3", "page=4&limit=3"]);
    let transactions = |call: &Call| {
        let from =
            call.param("cursor").map_or(0, |cursor| cursor.strip_prefix("b64").unwrap().parse().unwrap());
        let next = more(from).then(|| format!("b64{}", from + 3));
        Reply::json(&json!({"data": slice(from), "meta": {"next_cursor": next}}))
    };
    check(
        transactions,
        "data_selector = \"data\"\nparams = { period = \"all\" }\npaginator = { type = \"cursor\", cursor_path = \"meta.next_cursor\" }",
        &["period=all", "period=all&cursor=b643", "period=all&cursor=b646"],
    );
}
