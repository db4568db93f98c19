//! First answers of many APIs, and what is made of them.

use super::super::received::tests::Answer;
use super::super::{Next, PageCursor, PaginatorPlan};
use super::*;

fn auto() -> PaginatorPlan {
    PaginatorPlan { kind: PaginatorKind::Auto, max_pages: u64::MAX, total_rows_path: None }
}

const ROWS: &str = r#"[{"id": "a"}, {"id": "b"}]"#;

fn check(body: &str, rows: &str, chosen: &str, next: &str) {
    check_answer(&Answer::new(body).with_rows(rows), chosen, next);
}

fn check_answer(answer: &Answer, chosen: &str, next: &str) {
    let advance = answer.advance(&auto(), &PageCursor::Start).unwrap();
    let kind = advance.detected.unwrap().kind.to_string();
    assert_eq!(kind.trim_start_matches("paginator = "), chosen, "{}", answer.body);
    let shown = match advance.next {
        Next::Page(PageCursor::Token(token)) => format!("token {token}"),
        Next::Page(PageCursor::Number(number)) => format!("number {number}"),
        Next::Page(PageCursor::Url(url)) => url.replace("https://api.example.com", ""),
        next => format!("{next:?}"),
    };
    assert_eq!(shown, next, "{}", answer.body);
}

#[test]
fn the_order_is_that_of_dlt() {
    let link = "{ type = \"json_link\", next_url_path = \"next\" }";
    let all = r#"{"next": "/v1/rows?page=2", "pages": 3, "data": []}"#;
    check_answer(
        &Answer::new(all).with_rows(ROWS).header("link", "</v1/rows?p=2>; rel=\"next\""),
        "{ type = \"header_link\", links_next_key = \"next\" }",
        "/v1/rows?p=2",
    );
    check(all, ROWS, link, "/v1/rows?page=2");
    check(
        r#"{"next": "c2", "pages": 3}"#,
        ROWS,
        "{ type = \"page_number\", page_param = \"page\", total_path = \"pages\", base_page = 0 }",
        "number 1",
    );
    check(
        r#"{"next": "c2"}"#,
        ROWS,
        "{ type = \"cursor\", cursor_path = \"next\", cursor_param = \"cursor\" }",
        "token \"c2\"",
    );
    check("{}", ROWS, "\"single_page\"", "Done");
}

#[test]
fn addresses_are_found_at_any_depth() {
    let link = |path: &str| format!("{{ type = \"json_link\", next_url_path = \"{path}\" }}");
    let next = "/v1/rows?page=2";
    check(
        r#"{"meta": {"a": {"NextPage": "http://API.example.com/v1/rows?page=2"}}}"#,
        ROWS,
        &link("meta.a.NextPage"),
        next,
    );
    check(
        r#"{"links": {"next": {"href": "/v1/rows?page=2", "title": "x"}}}"#,
        ROWS,
        &link("links.next.href"),
        next,
    );
    check(
        r#"{"next_page": {"offset": "t", "path": "/x", "uri": "/v1/rows?page=2"}}"#,
        ROWS,
        &link("next_page.uri"),
        next,
    );
    check(r#"{"next": "?page=2"}"#, ROWS, &link("next"), next);
    check(
        r#"{"links": {"next": "/v1/rows?page=2"}, "meta": {"has_more": false}}"#,
        ROWS,
        "{ type = \"json_link\", next_url_path = \"links.next\", has_more_path = \"meta.has_more\" }",
        "Done",
    );
}

#[test]
fn pages_are_counted_from_the_page_that_came() {
    let pages = |path: &str, base: u64| {
        format!(
            "{{ type = \"page_number\", page_param = \"page\", total_path = \"{path}\", base_page = {base} }}"
        )
    };
    check(r#"{"meta": {"page": 1, "TotalPages": "3"}}"#, ROWS, &pages("meta.TotalPages", 1), "number 2");
    check(r#"{"total_pages": 1}"#, ROWS, &pages("total_pages", 0), "Done");
    check(
        r#"{"meta": {"page": 1, "limit": 2, "total": 5, "has_more": true}}"#,
        ROWS,
        "{ type = \"page_number\", page_param = \"page\", base_page = 1, has_more_path = \"meta.has_more\" }",
        "number 2",
    );
}

#[test]
fn tokens_are_sent_as_their_names_suggest() {
    let check = |body: &str, path: &str, param: &str, flag: &str, next: &str| {
        let flag = if flag.is_empty() { String::new() } else { format!(", has_more_path = \"{flag}\"") };
        let chosen =
            format!("{{ type = \"cursor\", cursor_path = \"{path}\", cursor_param = \"{param}\"{flag} }}");
        check(body, ROWS, &chosen, next);
    };
    check(r#"{"nextPageToken": "t"}"#, "nextPageToken", "pageToken", "", "token \"t\"");
    check(r#"{"next_page_token": "t"}"#, "next_page_token", "page_token", "", "token \"t\"");
    check(r#"{"meta": {"next_page": 2}}"#, "meta.next_page", "page", "", "token 2");
    check(r#"{"paging": {"next": {"after": "33"}}}"#, "paging.next.after", "after", "", "token \"33\"");
    check(r#"{"next_cursor": "t", "has_more": true}"#, "next_cursor", "cursor", "has_more", "token \"t\"");
    check(r#"{"hasNextPage": true, "endCursor": 7}"#, "endCursor", "after", "hasNextPage", "token 7");
    check(
        r#"{"pageInfo": {"endCursor": "x", "hasNextPage": true}}"#,
        "pageInfo.endCursor",
        "after",
        "pageInfo.hasNextPage",
        "token \"x\"",
    );
}

#[test]
fn stripe_and_offsets_are_known() {
    check(
        r#"{"object": "list", "has_more": true}"#,
        ROWS,
        "{ type = \"last_row\", cursor_field = \"id\", cursor_param = \"starting_after\", has_more_path = \"has_more\" }",
        "token \"b\"",
    );
    check(
        r#"{"total_count": 5, "offset": 0, "limit": 2}"#,
        ROWS,
        "{ type = \"offset\", offset_param = \"offset\", limit_param = \"limit\", total_path = \"total_count\", limit = 2, offset = 0 }",
        "number 2",
    );
}

#[test]
fn one_page_that_may_not_be_all_is_doubted() {
    let single = "\"single_page\"";
    let ten = format!("[{}]", ["1"; 10].join(","));
    check("{}", &ten, single, "Doubtful(FullPage { rows: 10 })");
    check("[]", "[1, 2, 3]", single, "Done");
    check(r#"{"next": null}"#, &ten, single, "Done");
    check(r#"{"has_more": false}"#, &ten, single, "Done");
    check(r#"{"total": 10}"#, &ten, single, "Done");
    check(r#"{"total": 11}"#, &ten, single, "Doubtful(TotalAbove { path: \"total\", total: 11, rows: 10 })");
    check(r#"{"has_more": true}"#, ROWS, single, "Doubtful(SaysMore { path: \"has_more\" })");
    check_answer(&Answer::new("[]").with_rows(&ten).header("link", "<x>; rel=first"), single, "Done");
}

#[test]
fn a_single_thing_is_no_list() {
    let company = r#"{"id": 1, "next_invoice": "2027-01-01", "pages": 7, "has_more": true}"#;
    check(company, company, "\"single_page\"", "Done");
}

#[test]
fn the_second_page_must_not_be_the_first() {
    let first = Answer::new(r#"{"next": "c2"}"#).with_rows(ROWS);
    let detected = first.advance(&auto(), &PageCursor::Start).unwrap().detected.unwrap();
    let plan = auto();
    let plan = plan.with_detected(Some(&detected)).into_owned();
    let asked = PageCursor::Token("c2".into());
    let second = |rows: &str| Answer {
        detected: Some(detected.clone()),
        ..Answer::new(r#"{"next": "c3"}"#).with_rows(rows).page(2)
    };
    let error = second(ROWS).next(&plan, &asked).unwrap_err();
    assert!(error.to_string().contains("cursor_path = \"next\""), "{error}");
    assert_eq!(second("[1]").next(&plan, &asked).unwrap(), Next::Page(PageCursor::Token("c3".into())));
    assert!(second("[]").next(&plan, &asked).is_ok());
}

#[test]
fn rows_that_change_with_each_request_are_known_by_their_ids() {
    // Counted from 0 where the API counts from 1: pages would be doubled, and the last one lost.
    let first = Answer::new(r#"{"total_pages": 3}"#).with_rows(r#"[{"id": 1, "at": 5}, {"id": 2, "at": 5}]"#);
    let detected = first.advance(&auto(), &PageCursor::Start).unwrap().detected.unwrap();
    let plan = auto().with_detected(Some(&detected)).into_owned();
    let second = |rows: &str| {
        let detected = Some(detected.clone());
        let answer = Answer { detected, ..Answer::new(r#"{"total_pages": 3}"#).with_rows(rows).page(2) };
        answer.next(&plan, &PageCursor::Number(1))
    };
    let again = second(r#"[{"id": 1, "at": 6}, {"id": 2, "at": 6}]"#);
    assert!(matches!(again, Err(PaginateError::Misdetected { .. })), "{again:?}");
    assert!(second(r#"[{"id": 2, "at": 6}, {"id": 3, "at": 6}]"#).is_ok());
    assert!(second(r#"[{"at": 6}]"#).is_ok());
}

#[test]
fn what_was_found_out_keeps_its_form() {
    let detected = Detected {
        kind: cursor(CursorSource::Path("a.next".parse().unwrap()), "after", None),
        rows: 7,
        ids: None,
    };
    let text = r#"{"kind":{"cursor":{"source":{"path":"a.next"},"target":{"param":"after"},"has_more_path":null,"stop_after_empty_page":false}},"rows":7}"#;
    assert_eq!(serde_json::to_string(&detected).unwrap(), text);
    assert_eq!(serde_json::from_str::<Detected>(text).unwrap(), detected);
}

#[test]
fn a_next_page_may_have_a_prefix() {
    let link = |path: &str| format!("{{ type = \"json_link\", next_url_path = \"{path}\" }}");
    let next = "/v1/rows?page=2";
    check(
        r#"{"@odata.nextLink": "https://api.example.com/v1/rows?page=2"}"#,
        ROWS,
        &link("$['@odata.nextLink']"),
        next,
    );
    check(r#"{"d": {"__next": "/v1/rows?page=2"}}"#, ROWS, &link("d.__next"), next);
}

#[test]
fn what_leads_on_elsewhere_leaves_a_doubt() {
    let doubt = |body: &str, rows: &str, doubt: &str| check(body, rows, "\"single_page\"", doubt);
    let lead = |path: &str| format!("Doubtful(Lead {{ path: \"{path}\" }})");
    doubt(r#"{"offset": "itr/rec"}"#, ROWS, &lead("offset"));
    doubt(r#"{"data": {"after": "t3_x"}}"#, ROWS, &lead("data.after"));
    doubt(r#"{"LastEvaluatedKey": {"pk": {"S": "b"}}}"#, ROWS, &lead("LastEvaluatedKey.pk.S"));
    doubt(r#"{"offset": 0, "limit": 50}"#, ROWS, "Done");
    doubt(r#"{"data": {"after": null}}"#, ROWS, "Done");
    let more = |path: &str| format!("Doubtful(SaysMore {{ path: \"{path}\" }})");
    doubt(r#"{"end_of_stream": false}"#, ROWS, &more("end_of_stream"));
    doubt(r#"{"isLast": true}"#, ROWS, "Done");
    doubt(r#"{"info": {"more_records": true, "count": 2}}"#, ROWS, &more("info.more_records"));
    // The requests of these tests have `limit=5`.
    let full = "Doubtful(FullPage { rows: 5 })";
    doubt("{}", "[1, 2, 3, 4, 5]", full);
    doubt(r#"{"count": 5}"#, "[1, 2, 3, 4, 5]", full);
    doubt(r#"{"total": 5}"#, "[1, 2, 3, 4, 5]", "Done");
}
