//! The APIs themselves: seven rows each, in pages of three.

use serde_json::{Value, json};

use super::super::super::api::{Call, Reply};
use super::super::{SIZE, TOTAL, at, more, slice};

/// Where a page begins that is asked for with this parameter.
fn from(call: &Call, param: &str) -> usize {
    call.param(param).map_or(0, |text| text.trim_start_matches("tok").parse().unwrap())
}

/// The token after a page; `None` after the last.
fn token(from: usize) -> Option<String> {
    more(from).then(|| format!("tok{}", from + SIZE))
}

fn with(mut body: Value, key: &str, value: Option<impl Into<Value>>) -> Reply {
    if let Some(value) = value {
        body[key] = value.into();
    }
    Reply::json(&body)
}

fn refused(said: &str) -> Reply {
    Reply::json(&json!({ "message": said })).status(400)
}

pub(super) fn salesforce(call: &Call) -> Reply {
    let from = call.path.rsplit_once('-').map_or(0, |(_, from)| from.parse().unwrap());
    let body = json!({"totalSize": TOTAL, "done": !more(from), "records": slice(from)});
    with(body, "nextRecordsUrl", more(from).then(|| format!("/rows/01g-{}", from + SIZE)))
}

pub(super) fn jira(call: &Call) -> Reply {
    let from = from(call, "startAt");
    Reply::json(
        &json!({"startAt": from, "maxResults": 3, "total": TOTAL, "isLast": !more(from), "values": slice(from)}),
    )
}

pub(super) fn jira_search(call: &Call) -> Reply {
    let from = from(call, "nextPageToken");
    with(json!({"issues": slice(from), "isLast": !more(from)}), "nextPageToken", token(from))
}

pub(super) fn gitlab_keyset(call: &Call) -> Reply {
    let from = from(call, "cursor");
    let reply = Reply::json(&Value::from(slice(from)));
    match token(from) {
        None => reply,
        Some(token) => reply.with(
            "link",
            &format!("<{}>; rel=\"next\"", at(call, &format!("/rows?per_page=3&cursor={token}"))),
        ),
    }
}

/// Its header is there on the last page, too, and empty.
pub(super) fn gitlab_offset(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(1);
    let next = if page < 3 { (page + 1).to_string() } else { String::new() };
    Reply::json(&Value::from(slice((page - 1) * SIZE))).with("x-next-page", &next).with("x-total-pages", "3")
}

pub(super) fn slack(call: &Call) -> Reply {
    let from = from(call, "cursor");
    let next = token(from).unwrap_or_default();
    Reply::json(&json!({"ok": true, "members": slice(from), "response_metadata": {"next_cursor": next}}))
}

/// The cursor is there at the end, too, and would lead to an empty page.
pub(super) fn zendesk_export(call: &Call) -> Reply {
    let from = from(call, "cursor");
    let cursor = format!("tok{}", (from + SIZE).min(TOTAL));
    Reply::json(&json!({
        "tickets": slice(from), "after_cursor": cursor, "before_cursor": null, "end_of_stream": !more(from),
        "after_url": at(call, &format!("/rows?cursor={cursor}")),
    }))
}

pub(super) fn airtable(call: &Call) -> Reply {
    let from = from(call, "offset");
    with(json!({"records": slice(from)}), "offset", token(from))
}

pub(super) fn intercom(call: &Call) -> Reply {
    let from = from(call, "starting_after");
    let next = token(from).map(|token| json!({"page": from / SIZE + 2, "starting_after": token}));
    let pages =
        json!({"type": "pages", "next": next, "page": from / SIZE + 1, "per_page": 3, "total_pages": 3});
    Reply::json(&json!({"type": "list", "data": slice(from), "total_count": TOTAL, "pages": pages}))
}

pub(super) fn mailchimp(call: &Call) -> Reply {
    Reply::json(
        &json!({"members": slice(from(call, "offset")), "total_items": TOTAL, "_links": [{"rel": "self"}]}),
    )
}

pub(super) fn klaviyo(call: &Call) -> Reply {
    let from = from(call, "page[cursor]");
    let next = token(from).map(|token| at(call, &format!("/rows?page%5Bcursor%5D={token}")));
    Reply::json(
        &json!({"data": slice(from), "links": {"self": at(call, "/rows"), "next": next, "prev": null}}),
    )
}

pub(super) fn twilio(call: &Call) -> Reply {
    let from = from(call, "PageToken");
    let next =
        token(from).map(|token| format!("/rows?PageSize=3&Page={}&PageToken={token}", from / SIZE + 1));
    Reply::json(&json!({
        "first_page_uri": "/rows?PageSize=3&Page=0", "end": 2, "uri": "/rows", "page": from / SIZE,
        "next_page_uri": next, "calls": slice(from),
    }))
}

pub(super) fn pipedrive(call: &Call) -> Reply {
    let from = from(call, "start");
    let mut pagination = json!({"start": from, "limit": 3, "more_items_in_collection": more(from)});
    if more(from) {
        pagination["next_start"] = json!(from + SIZE);
    }
    Reply::json(&json!({"success": true, "data": slice(from), "additional_data": {"pagination": pagination}}))
}

pub(super) fn xero(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(1);
    Reply::json(&json!({"Id": "e997d6d7", "Status": "OK", "Invoices": slice((page - 1) * SIZE)}))
}

pub(super) fn odata(call: &Call) -> Reply {
    let from = from(call, "$skiptoken");
    let next = token(from).map(|token| at(call, &format!("/rows?$top=3&$skiptoken={token}")));
    with(json!({"@odata.context": at(call, "/$metadata"), "value": slice(from)}), "@odata.nextLink", next)
}

pub(super) fn relay(call: &Call) -> Reply {
    let variables = &call.json()["variables"];
    assert_eq!(variables["first"], 3, "{}", call.body);
    let from = variables["after"].as_str().map_or(0, |token| token[3..].parse().unwrap());
    let edges: Vec<Value> = slice(from).into_iter().map(|row| json!({"cursor": "c", "node": row})).collect();
    let page_info = json!({"hasNextPage": more(from), "endCursor": format!("tok{}", from + SIZE)});
    Reply::json(&json!({"data": {"products": {"edges": edges, "pageInfo": page_info}}}))
}

/// The cursor is a list.
pub(super) fn elasticsearch(call: &Call) -> Reply {
    let from = usize::try_from(call.json()["search_after"][1].as_u64().unwrap_or(0)).unwrap();
    let hits = slice(from)
        .into_iter()
        .map(|row| json!({"id": row["id"], "sort": [1_700_000_000_000_i64, row["id"]]}));
    Reply::json(
        &json!({"hits": {"total": {"value": TOTAL, "relation": "eq"}, "hits": hits.collect::<Vec<_>>()}}),
    )
}

/// The cursor is an object.
pub(super) fn dynamodb(call: &Call) -> Reply {
    let key = &call.json()["ExclusiveStartKey"]["id"]["N"];
    let from = key.as_str().map_or(0, |text| text.parse().unwrap());
    let last = more(from).then(|| json!({"id": {"N": (from + SIZE).to_string()}}));
    with(json!({"Items": slice(from), "Count": slice(from).len()}), "LastEvaluatedKey", last)
}

pub(super) fn django(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(1);
    let next = more((page - 1) * SIZE).then(|| at(call, &format!("/rows?page={}", page + 1)));
    Reply::json(&json!({"count": TOTAL, "next": next, "previous": null, "results": slice((page - 1) * SIZE)}))
}

pub(super) fn laravel_plain(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(1);
    let next = (page < 3).then(|| at(call, &format!("/rows?page={}", page + 1)));
    Reply::json(&json!({
        "current_page": page, "data": slice((page - 1) * SIZE), "last_page": 3, "next_page_url": next, "total": TOTAL,
        "links": [{"url": null, "label": "1", "active": true}],
    }))
}

pub(super) fn spring(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(0);
    Reply::json(&json!({
        "content": slice(page * SIZE), "last": page == 2, "totalPages": 3, "totalElements": TOTAL, "number": page,
        "size": 3, "first": page == 0, "empty": false,
    }))
}

/// Says that it is the last page, and nothing else.
pub(super) fn spring_slice(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(0);
    Reply::json(&json!({"content": slice(page * SIZE), "last": page == 2, "number": page, "size": 3}))
}

/// A page beyond the last is an error.
pub(super) fn wordpress(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(1);
    if page > 3 {
        return refused("The page number requested is larger than the number of pages available.");
    }
    let reply = Reply::json(&Value::from(slice((page - 1) * SIZE)));
    let reply = reply.with("x-wp-total", "7").with("x-wp-totalpages", "3");
    let link = format!("<{}>; rel=\"next\"", at(call, &format!("/rows?page={}", page + 1)));
    if page < 3 { reply.with("link", &link) } else { reply }
}

/// The number of pages is in a header only, and a page beyond the last is an error.
pub(super) fn teamwork(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(1);
    match page {
        1..=3 => Reply::json(&json!({"STATUS": "OK", "projects": slice((page - 1) * SIZE)}))
            .with("x-pages", "3")
            .with("x-page", &page.to_string()),
        _ => refused("no such page"),
    }
}

pub(super) fn discourse(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(0);
    let mut list = json!({"can_create_topic": true, "per_page": 3, "topics": slice(page * SIZE)});
    if page < 2 {
        list["more_topics_url"] = json!(format!("/rows?page={}", page + 1));
    }
    Reply::json(&json!({"users": [], "topic_list": list}))
}

pub(super) fn reddit(call: &Call) -> Reply {
    let from = from(call, "after");
    let children: Vec<Value> =
        slice(from).into_iter().map(|row| json!({"kind": "t3", "data": row})).collect();
    Reply::json(
        &json!({"kind": "Listing", "data": {"dist": children.len(), "children": children, "after": token(from), "before": null}}),
    )
}

pub(super) fn youtube(call: &Call) -> Reply {
    let from = from(call, "pageToken");
    let page_info = json!({"totalResults": TOTAL, "resultsPerPage": 3});
    with(json!({"kind": "list", "pageInfo": page_info, "items": slice(from)}), "nextPageToken", token(from))
}

pub(super) fn bigcommerce(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(1);
    let mut links = json!({"current": format!("?page={page}&limit=3")});
    if page < 3 {
        links["next"] = json!(format!("?page={}&limit=3", page + 1));
    }
    let pagination = json!({"total": TOTAL, "count": 3, "per_page": 3, "current_page": page, "total_pages": 3, "links": links});
    Reply::json(&json!({"data": slice((page - 1) * SIZE), "meta": {"pagination": pagination}}))
}

pub(super) fn servicenow(call: &Call) -> Reply {
    let from = from(call, "sysparm_offset");
    let reply = Reply::json(&json!({"result": slice(from)})).with("x-total-count", "7");
    let target = |from: usize| at(call, &format!("/rows?sysparm_limit=3&sysparm_offset={from}"));
    let first = format!("<{}>;rel=\"first\",<{}>;rel=\"last\"", target(0), target(6));
    match more(from) {
        true => reply.with("link", &format!("{first},<{}>;rel=\"next\"", target(from + SIZE))),
        false => reply.with("link", &first),
    }
}

pub(super) fn lever(call: &Call) -> Reply {
    let from = from(call, "offset");
    with(json!({"data": slice(from), "hasNext": more(from)}), "next", token(from))
}

pub(super) fn recurly(call: &Call) -> Reply {
    let from = from(call, "cursor");
    let next = token(from).map(|token| format!("/rows?cursor={token}&limit=3"));
    Reply::json(&json!({"object": "list", "has_more": more(from), "next": next, "data": slice(from)}))
}

/// Each row is below its own name, and the token is a text that is a list.
pub(super) fn chargebee(call: &Call) -> Reply {
    let from = call
        .param("offset")
        .map_or(0, |text| text.trim_start_matches("[\"").trim_end_matches("\"]").parse().unwrap());
    let list: Vec<Value> = slice(from).into_iter().map(|row| json!({"customer": row, "card": {}})).collect();
    with(json!({ "list": list }), "next_offset", more(from).then(|| format!("[\"{}\"]", from + SIZE)))
}

pub(super) fn zoho(call: &Call) -> Reply {
    let page = call.number_param("page").unwrap_or(1);
    let info = json!({"per_page": 3, "count": 3, "page": page, "more_records": page < 3});
    Reply::json(&json!({"data": slice((page - 1) * SIZE), "info": info}))
}

pub(super) fn facebook(call: &Call) -> Reply {
    let from = from(call, "after");
    let mut paging = json!({"cursors": {"before": "x", "after": format!("tok{}", from + SIZE)}});
    if more(from) {
        paging["next"] = json!(at(call, &format!("/rows?limit=3&after=tok{}", from + SIZE)));
    }
    Reply::json(&json!({"data": slice(from), "paging": paging}))
}

pub(super) fn sap(call: &Call) -> Reply {
    let from = from(call, "$skiptoken");
    let mut body = json!({"d": {"results": slice(from)}});
    if let Some(token) = token(from) {
        body["d"]["__next"] = json!(at(call, &format!("/rows?$skiptoken={token}")));
    }
    Reply::json(&body)
}

pub(super) fn aws(call: &Call) -> Reply {
    let from = call.json()["NextToken"].as_str().map_or(0, |token| token[3..].parse().unwrap());
    with(json!({"Items": slice(from)}), "NextToken", token(from))
}
