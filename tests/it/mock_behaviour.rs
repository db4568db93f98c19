//! The mock is as strict and as strange as the APIs it stands for; tests that rely on it rely on these.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use serde_json::{Value, json};

use crate::mock::{
    DeletedCursor, Dialect, EmptyCursor, Fault, FaultKind, Key, Limiter, Mock, MockConfig, RefusalBody,
    Victim, Window,
};

const KEY: &str = "sk_sb_demo";
const SECOND: Duration = Duration::from_secs(1);

fn client() -> Client {
    Client::builder().redirect(redirect::Policy::none()).build().unwrap()
}

fn get(mock: &Mock, path: &str) -> RequestBuilder {
    client().get(format!("{}{path}", mock.url())).header("X-API-KEY", KEY)
}

fn pass(mock: &Mock, path: &str) -> RequestBuilder {
    client().get(format!("{}/v1{path}", mock.url())).bearer_auth("mpt_live_1_demo")
}

async fn json(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

async fn page(mock: &Mock, query: &str) -> Value {
    let (status, page) = json(get(mock, &format!("/members?{query}"))).await;
    assert_eq!(status, 200, "{page}");
    page
}

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// All ids of a walk by `endCursor` until `hasNextPage` is false.
async fn walk(mock: &Mock, query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = page(mock, &format!("{query}{after}")).await;
        found.extend(ids(&page));
        if page["hasNextPage"] == false {
            return found;
        }
        after = format!("&after={}", page["endCursor"]);
    }
}

#[tokio::test]
async fn keys_are_refused_as_the_api_refuses_them() {
    let mock = Mock::start(MockConfig::unlimited(1));
    let url = format!("{}/members", mock.url());
    let refusal =
        json!({ "code": "validation/invalid-secret-key", "message": "The provided secret key is invalid." });
    for (key, expected) in [(None, 400), (Some("pk_1"), 400), (Some("sk_"), 400), (Some("sk_other"), 401)] {
        let request = key.iter().fold(client().get(&url), |request, key| request.header("x-api-key", *key));
        assert_eq!(json(request).await, (expected, refusal.clone()), "{key:?}");
    }
    let bearer = client().get(&url).bearer_auth(KEY);
    assert_eq!(json(bearer).await, (400, refusal));
}

#[tokio::test]
async fn page_sizes_have_a_default_and_a_silent_cap() {
    let mock = Mock::start(MockConfig::unlimited(120));
    for (query, length) in [
        ("", 50),
        ("limit=7", 7),
        ("limit=100", 100),
        ("limit=101", 100),
        ("limit=5000", 100),
        ("limit=9&first=4", 4),
        ("limit=0", 50),
        ("limit=abc", 50),
        ("&first=3", 3),
    ] {
        let page = page(&mock, query).await;
        assert_eq!(ids(&page).len(), length, "{query}");
        assert_eq!(page["hasNextPage"], true, "{query}");
        assert_eq!(page["totalCount"], 120, "{query}");
    }
}

#[tokio::test]
async fn a_walk_meets_every_member_once_in_either_order() {
    let mock = Mock::start(MockConfig::unlimited(230));
    let mut expected = mock.member_ids();
    assert_eq!(expected.iter().collect::<HashSet<_>>().len(), 230);
    assert_eq!(walk(&mock, "limit=100&order=ASC").await, expected);
    expected.reverse();
    assert_eq!(walk(&mock, "limit=17&order=DESC").await, expected);
}

#[tokio::test]
async fn cursors_are_numbers_with_gaps() {
    let mock = Mock::start(MockConfig::unlimited(60));
    let mut cursors = Vec::new();
    let mut after = 0;
    for _ in 0..60 {
        let page = page(&mock, &format!("limit=1&after={after}")).await;
        after = page["endCursor"].as_i64().unwrap();
        cursors.push(after);
    }
    assert!(cursors[0] > 2_400_000);
    let steps: Vec<i64> = cursors.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().all(|step| (1..=9).contains(step)), "{steps:?}");
    assert!(steps.iter().any(|&step| step > 1), "{steps:?}");
}

#[tokio::test]
async fn members_are_the_same_for_the_same_seed_and_have_every_field() {
    let mock = Mock::start(MockConfig::unlimited(300));
    let members = mock.members();
    assert_eq!(members, Mock::start(MockConfig::unlimited(300)).members());
    let other = Mock::start(MockConfig { seed: 2, ..MockConfig::unlimited(300) }).members();
    assert_ne!(members, other);
    let fields: Vec<&String> = members[0].as_object().unwrap().keys().collect();
    let expected = [
        "id",
        "auth",
        "verified",
        "createdAt",
        "lastLogin",
        "customFields",
        "metaData",
        "loginRedirect",
        "profileImage",
        "stripeCustomerId",
        "permissions",
        "planConnections",
    ];
    assert_eq!(fields, expected);
    let bytes: usize = members.iter().map(|member| member.to_string().len()).sum();
    assert!((560..=670).contains(&(bytes / members.len())), "{} bytes a member", bytes / members.len());
    let connections = || members.iter().flat_map(|member| member["planConnections"].as_array().unwrap());
    assert!(connections().any(|connection| connection["payment"].is_null()));
    assert!(connections().any(|connection| connection["payment"]["amount"].is_number()));
}

#[tokio::test]
async fn the_field_json_comes_only_when_asked_for() {
    let mock = Mock::start(MockConfig::unlimited(40));
    let plain = page(&mock, "").await;
    assert!(plain["data"].as_array().unwrap().iter().all(|row| row.get("json").is_none()));
    let with_json = page(&mock, "includeJSON=true").await;
    assert!(with_json["data"].as_array().unwrap().iter().all(|row| row["json"].is_object()));
    assert!(page(&mock, "includeJSON=1").await["data"][0].get("json").is_none());
}

#[tokio::test]
async fn late_and_mixed_custom_fields_are_switches() {
    let config = MockConfig { late_field_from: Some(150), mixed_types: true, ..MockConfig::unlimited(160) };
    let members = Mock::start(config).members();
    for (index, member) in members.iter().enumerate() {
        assert_eq!(member["customFields"].get("referral-code").is_some(), index >= 150, "{index}");
    }
    let seats: Vec<&Value> =
        members.iter().filter_map(|member| member["customFields"].get("seats")).collect();
    assert!(seats.iter().any(|value| value.is_string()));
    assert!(seats.iter().any(|value| value.is_boolean()));
    assert!(seats.iter().any(|value| value.is_f64()));
    let plain = Mock::start(MockConfig::unlimited(160)).members();
    let mut seats = plain.iter().filter_map(|member| member["customFields"].get("seats"));
    assert!(seats.all(Value::is_u64));
}

#[tokio::test]
async fn the_cursor_of_an_empty_page_is_a_switch() {
    for (empty_cursor, expected) in [
        (EmptyCursor::After, json!(9_999_999)),
        (EmptyCursor::Zero, json!(0)),
        (EmptyCursor::Null, Value::Null),
    ] {
        let mock = Mock::start(MockConfig { empty_cursor, ..MockConfig::unlimited(3) });
        let page = page(&mock, "after=9999999").await;
        assert_eq!((&page["endCursor"], &page["hasNextPage"]), (&expected, &json!(false)));
        assert_eq!(page["data"], json!([]));
    }
}

#[tokio::test]
async fn a_cursor_whose_member_is_gone_is_compared_or_ends_the_walk() {
    for (deleted_cursor, rows) in [(DeletedCursor::Compare, 20), (DeletedCursor::EmptyPage, 10)] {
        let faults = vec![Fault::at_page(2, FaultKind::MemberDeleted(Victim::Cursor))];
        let mock = Mock::start(MockConfig { deleted_cursor, faults, ..MockConfig::unlimited(20) });
        assert_eq!(walk(&mock, "limit=10").await.len(), rows);
        assert_eq!(mock.member_ids().len(), 19);
    }
}

#[tokio::test]
async fn members_come_and_go_between_pages() {
    let created = vec![Fault::at_page(2, FaultKind::MemberCreated)];
    let mock = Mock::start(MockConfig { faults: created, ..MockConfig::unlimited(20) });
    let found = walk(&mock, "limit=10").await;
    assert_eq!((found.len(), found), (21, mock.member_ids()));

    let mock = Mock::start(MockConfig::unlimited(20));
    let before = mock.member_ids();
    mock.set_faults(vec![
        Fault::at_page(2, FaultKind::MemberDeleted(Victim::Seen)),
        Fault::at_page(3, FaultKind::MemberDeleted(Victim::Ahead)),
    ]);
    let found = walk(&mock, "limit=5").await;
    let expected: Vec<String> =
        before.iter().enumerate().filter(|(index, _)| *index != 10).map(|(_, id)| id.clone()).collect();
    assert_eq!(found, expected, "the deleted first member was seen before, the eleventh was not");
}

#[tokio::test]
async fn the_filter_by_creation_is_a_switch() {
    let param = Some("since".to_owned());
    let mock = Mock::start(MockConfig { created_after_param: param, ..MockConfig::unlimited(30) });
    let members = mock.members();
    let since = members[20]["createdAt"].as_str().unwrap();
    assert_eq!(walk(&mock, &format!("limit=4&since={since}")).await, mock.member_ids()[20..]);
    let unfiltered = Mock::start(MockConfig::unlimited(30));
    assert_eq!(walk(&unfiltered, &format!("limit=4&since={since}")).await.len(), 30);
}

#[tokio::test]
async fn single_members_and_unknown_routes() {
    let mock = Mock::start(MockConfig::unlimited(3));
    let first = &mock.members()[0];
    let path = |value: &Value| format!("/members/{}", value.as_str().unwrap());
    assert_eq!(json(get(&mock, &path(&first["id"]))).await.1["data"]["auth"], first["auth"]);
    assert_eq!(
        json(get(&mock, &path(&first["auth"]["email"]).replace('@', "%40"))).await.1["data"]["id"],
        first["id"]
    );
    assert_eq!(json(get(&mock, "/members/mem_nobody")).await, (200, json!({ "data": null })));
    let response = get(&mock, "/plans").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.text().await.unwrap(), "Cannot GET /plans");
}

#[test]
fn the_limiter_counts_every_span_of_the_window() {
    let at = Duration::from_millis;
    let mut limiter = Limiter::new(vec![Window::new(2, SECOND)]);
    // The third arrival counts although it is refused: at 1900 it still takes one of the two places.
    for (now, allowed, remaining) in
        [(0, true, 1), (900, true, 0), (999, false, 0), (1900, true, 0), (1999, true, 0), (2899, false, 0)]
    {
        let verdict = limiter.arrive(at(now)).unwrap();
        assert_eq!((verdict.allowed, verdict.remaining), (allowed, remaining), "at {now} ms");
    }
    let mut both = Limiter::new(vec![Window::new(2, SECOND), Window::new(3, 60 * SECOND)]);
    let allowed: Vec<bool> = (0..5).map(|n| both.arrive(n * SECOND).unwrap().allowed).collect();
    assert_eq!(allowed, [true, true, true, false, false]);
    assert_eq!(both.arrive(30 * SECOND).unwrap().reset, 33 * SECOND, "the arrival of 3 s leaves at 63 s");
    assert!(Limiter::new(Vec::new()).arrive(SECOND).is_none());
}

#[tokio::test]
async fn the_quota_holds_by_the_log() {
    // A window that the burst cannot outlast, so the outcome does not depend on the speed of the machine.
    let rate = vec![Window::new(25, 600 * SECOND)];
    let mock = Mock::start(MockConfig { rate, ..MockConfig::unlimited(5) });
    let mut refused = 0;
    for number in 1..=30 {
        let response = get(&mock, "/members").send().await.unwrap();
        assert_eq!(response.headers()["ratelimit-limit"], "25");
        assert_eq!(response.headers()["ratelimit-remaining"], 25_u32.saturating_sub(number).to_string());
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!(response.headers().contains_key("retry-after"));
            refused += 1;
        }
    }
    let log = mock.requests();
    assert_eq!((refused, log.len()), (5, 30));
    assert!(log.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(log[..25].iter().all(|entry| entry.status == Some(200)));
    assert!(log[25..].iter().all(|entry| entry.status == Some(429)));
    mock.set_rate(Vec::new());
    assert_eq!(get(&mock, "/members").send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn every_verdict_follows_from_the_logged_times() {
    let mock = Mock::start(MockConfig { members: 1, ..MockConfig::default() });
    let client = client();
    let mut burst = tokio::task::JoinSet::new();
    for _ in 0..80 {
        let url = format!("{}/members", mock.url());
        burst.spawn(client.get(url).header("X-API-KEY", KEY).send());
    }
    while let Some(response) = burst.join_next().await {
        response.unwrap().unwrap();
    }
    let log = mock.requests();
    assert_eq!(log.len(), 80);
    for (index, entry) in log.iter().enumerate() {
        let within = log[..=index].iter().filter(|earlier| earlier.at + SECOND > entry.at).count();
        assert_eq!(
            entry.status,
            Some(if within > 25 { 429 } else { 200 }),
            "request {index}, {within} in its second"
        );
    }
}

#[tokio::test]
async fn what_a_429_looks_like_is_a_switch() {
    for (refusal_body, retry_after) in [(RefusalBody::Text, true), (RefusalBody::Json, false)] {
        let faults = vec![Fault::at_request(1, FaultKind::TooManyRequests).times(2)];
        let mock = Mock::start(MockConfig { faults, refusal_body, retry_after, ..MockConfig::unlimited(1) });
        for _ in 0..2 {
            let response = get(&mock, "/members").send().await.unwrap();
            assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(response.headers().contains_key("retry-after"), retry_after);
            let body = response.text().await.unwrap();
            assert_eq!(serde_json::from_str::<Value>(&body).is_ok(), refusal_body == RefusalBody::Json);
        }
        assert_eq!(get(&mock, "/members").send().await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn answers_that_are_wrong() {
    let mock = Mock::start(MockConfig::unlimited(10));
    mock.fail_next(FaultKind::ServerError, 1);
    assert_eq!(json(get(&mock, "/members")).await.0, 500);
    for (kind, status) in [(FaultKind::BadGateway, 502), (FaultKind::Html, 200)] {
        mock.fail_next(kind, 1);
        let response = get(&mock, "/members").send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(response.text().await.unwrap().contains("<html>"));
    }
    mock.fail_next(FaultKind::NoData, 1);
    let (status, body) = json(get(&mock, "/members")).await;
    assert_eq!((status, body.get("data"), &body["totalCount"]), (200, None, &json!(10)));

    mock.fail_next(FaultKind::Redirect("http://127.0.0.1:9".to_owned()), 1);
    let response = get(&mock, "/members?limit=2").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.headers()["location"], "http://127.0.0.1:9/members?limit=2");

    mock.fail_next(FaultKind::HugeBody(3 << 20), 1);
    let body = get(&mock, "/members").send().await.unwrap().bytes().await.unwrap();
    assert!(body.len() > 3 << 20);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["totalCount"], 10);

    let first = page(&mock, "limit=4").await;
    mock.fail_next(FaultKind::RepeatCursor, 1);
    let repeated = page(&mock, &format!("limit=4&after={}", first["endCursor"])).await;
    assert_eq!((&repeated["endCursor"], &repeated["hasNextPage"]), (&first["endCursor"], &json!(true)));
    assert_ne!(ids(&repeated), ids(&first));
}

#[tokio::test]
async fn connections_that_break() {
    let mock = Mock::start(MockConfig::unlimited(100));
    mock.fail_next(FaultKind::CutBody, 1);
    let response = get(&mock, "/members?limit=100").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let announced = response.content_length().unwrap();
    assert!(announced > 50_000, "{announced}");
    let error = response.bytes().await.unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");

    mock.fail_next(FaultKind::Reset, 1);
    let error = get(&mock, "/members").send().await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    assert_eq!(mock.requests().last().unwrap().status, None);

    let pause = Duration::from_millis(300);
    mock.fail_next(FaultKind::SlowBody(pause), 1);
    let started = Instant::now();
    assert_eq!(ids(&page(&mock, "limit=100").await).len(), 100);
    assert!(started.elapsed() >= pause);
}

#[tokio::test]
async fn a_fault_of_a_page_strikes_that_page_however_it_is_reached() {
    let faults = vec![Fault::at_page(3, FaultKind::ServerError).times(2)];
    let mock = Mock::start(MockConfig { faults, ..MockConfig::unlimited(50) });
    let second = page(&mock, "limit=10&after=0").await;
    let third = page(&mock, &format!("limit=10&after={}", second["endCursor"])).await;
    let path = format!("/members?limit=10&after={}", third["endCursor"]);
    for status in [500, 500, 200] {
        assert_eq!(json(get(&mock, &path)).await.0, status);
    }
}

#[tokio::test]
async fn a_held_request_is_answered_when_released() {
    let mock = Mock::start(MockConfig::unlimited(5));
    mock.fail_next(FaultKind::Hold, 1);
    let held = tokio::spawn(get(&mock, "/members").send());
    let (mock, arrived) = tokio::task::spawn_blocking(move || {
        let arrived = mock.wait_for_requests(1, 30 * SECOND);
        (mock, arrived)
    })
    .await
    .unwrap();
    assert!(arrived);
    assert_eq!(mock.requests()[0].status, None);
    assert_eq!(ids(&page(&mock, "").await).len(), 5, "other requests go on");
    assert!(!held.is_finished());
    mock.release();
    assert_eq!(held.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(mock.requests()[0].status, Some(200));
    assert!(!mock.wait_for_requests(3, Duration::ZERO));
}

#[tokio::test]
async fn dropping_the_mock_ends_held_requests() {
    let mock = Mock::start(MockConfig::unlimited(5));
    mock.fail_next(FaultKind::Hold, 1);
    let held = tokio::spawn(get(&mock, "/members").send());
    tokio::task::spawn_blocking(move || assert!(mock.wait_for_requests(1, 30 * SECOND))).await.unwrap();
    assert!(held.await.unwrap().is_err());
}

#[tokio::test]
async fn gzip_is_a_switch_and_the_log_goes_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("requests.jsonl");
    let mock = Mock::start(MockConfig { gzip: true, log: Some(log.clone()), ..MockConfig::unlimited(100) });
    let plain = Client::builder().no_gzip().build().unwrap().get(format!("{}/members", mock.url()));
    assert!(plain.header("X-API-KEY", KEY).send().await.unwrap().headers().get("content-encoding").is_none());
    assert_eq!(ids(&page(&mock, "limit=100").await), mock.member_ids());
    let raw = Client::builder().no_gzip().build().unwrap().get(format!("{}/members", mock.url()));
    let raw = raw.header("X-API-KEY", KEY).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(raw.headers()["content-encoding"], "gzip");
    let lines = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[1]["path"], &lines[1]["query"]), (&json!("/members"), &json!("limit=100")));
    assert_eq!((&lines[1]["status"], lines[1]["at_us"].is_u64()), (&json!(200), true));
}

#[test]
fn faults_are_read_from_text() {
    let check = |text: &str, expected: Fault| assert_eq!(text.parse(), Ok(expected), "{text}");
    check("429@10x3", Fault::at_request(10, FaultKind::TooManyRequests).times(3));
    check("cut@p7", Fault::at_page(7, FaultKind::CutBody));
    check("slow:800@2", Fault::at_request(2, FaultKind::SlowBody(Duration::from_millis(800))));
    check("redirect:http://h:1@p1x2", Fault::at_page(1, FaultKind::Redirect("http://h:1".into())).times(2));
    check("delete-ahead@3", Fault::at_request(3, FaultKind::MemberDeleted(Victim::Ahead)));
    for wrong in ["429", "nothing@1", "429@", "429@px", "slow:soon@1", "redirect@1"] {
        assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn data_tables_page_by_a_cursor_in_the_body() {
    let mock = Mock::start(MockConfig::unlimited(0));
    let url = format!("{}/v2/data-tables/orders/records/query", mock.url());
    let query = |find: Value| {
        let body = json!({ "query": find }).to_string();
        client().post(&url).header("X-API-KEY", KEY).header("content-type", "application/json").body(body)
    };
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut find = json!({ "take": 40, "orderBy": { "internalOrder": "asc" } });
        if !after.is_null() {
            find["after"] = after.take();
        }
        let page = json(query(json!({ "findMany": find }))).await.1["data"].take();
        found.extend(page["records"].as_array().unwrap().iter().map(|record| record["id"].to_string()));
        after = page["pagination"]["endCursor"].clone();
        if page["pagination"]["hasMore"] == false {
            break;
        }
    }
    assert_eq!((found.len(), found.iter().collect::<HashSet<_>>().len()), (130, 130));
    let paid = json!({ "findMany": { "where": { "paid": true, "total": { "gte": 500 } }, "_count": true } });
    let count = json(query(paid)).await.1["data"]["_count"].as_u64().unwrap();
    assert!((1..130).contains(&count), "{count}");
    for (find, status, message) in [
        (json!({ "findMany": { "take": 101 } }), 400, "take must be between 1 and 100"),
        (json!({ "findUnique": { "where": {} } }), 400, "query.findUnique requires where.id"),
        (json!({ "findUnique": { "where": { "id": "none" } } }), 404, "Record not found"),
    ] {
        assert_eq!(
            json(query(find)).await,
            (status, json!({ "code": "generic-message", "message": message }))
        );
    }
}

#[tokio::test]
async fn memberpass_pages_in_both_dialects() {
    for (dialect, size, default_length) in [(Dialect::Laravel, "per_page", 15), (Dialect::Mcp, "limit", 25)] {
        let mock = Mock::start(MockConfig { dialect, ..MockConfig::memberpass(150) });
        let (status, projects) = json(pass(&mock, "/projects")).await;
        assert_eq!((status, ids(&projects).len()), (200, 3));
        let members = format!("/projects/{}/members", ids(&projects)[0]);
        let other = if size == "limit" { "per_page" } else { "limit" };
        let unsized_page = json(pass(&mock, &format!("{members}?{other}=40"))).await.1;
        assert_eq!(ids(&unsized_page).len(), default_length, "the other dialect's parameter is ignored");
        let mut found = HashSet::new();
        for number in 1..=3 {
            let page = json(pass(&mock, &format!("{members}?{size}=20&page={number}"))).await.1;
            found.extend(ids(&page));
            let meta = &page["meta"];
            let more = match dialect {
                Dialect::Mcp => meta["has_more"] == true,
                Dialect::Laravel => meta["current_page"].as_u64() < meta["last_page"].as_u64(),
            };
            assert_eq!(more, number < 3);
            assert_eq!(page["links"]["next"].is_string(), number < 3 && dialect == Dialect::Laravel);
        }
        assert_eq!(found.len(), 50);
    }
}

#[tokio::test]
async fn memberpass_transactions_have_a_keyset_and_activity_has_none() {
    let mock = Mock::start(MockConfig::memberpass(150));
    let project = ids(&json(pass(&mock, "/projects")).await.1)[0].clone();
    let (mut found, mut cursor) = (HashSet::new(), String::new());
    loop {
        let path = format!("/analytics/transactions?project_id={project}&limit=20{cursor}");
        let page = json(pass(&mock, &path)).await.1;
        found.extend(ids(&page));
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={}", next.replace('=', "%3D").replace('+', "%2B"));
    }
    assert_eq!(found.len(), 50);
    let activity = format!("/activity?subject_type=project&subject_id={project}&limit=10");
    assert_eq!(ids(&json(pass(&mock, &activity)).await.1).len(), 10);
    let (status, error) = json(pass(&mock, "/activity")).await;
    assert_eq!((status, &error["error"]["code"]), (422, &json!("VALIDATION_FAILED")));
}

#[tokio::test]
async fn memberpass_tokens_are_bound_to_environment_abilities_and_project() {
    let all = Mock::start(MockConfig::memberpass(6));
    let project = ids(&json(pass(&all, "/projects")).await.1)[1].clone();
    let abilities = Some(vec!["project:view-any".to_owned(), "project:view".to_owned()]);
    let bound = Key { text: "mpt_live_1_demo".to_owned(), abilities, project: Some(project.clone()) };
    let keys = vec![bound, Key::full("mpt_test_1_demo")];
    let mock = Mock::start(MockConfig { keys, ..MockConfig::memberpass(6) });
    assert_eq!(ids(&json(pass(&mock, "/projects")).await.1), std::slice::from_ref(&project));
    let others = ids(&json(pass(&all, "/projects")).await.1);
    for (path, status, code) in [
        (format!("/projects/{}", others[0]), 404, "RESOURCE_NOT_FOUND"),
        (format!("/projects/{project}/members"), 403, "TOKEN_MISSING_ABILITY"),
        ("/nowhere".to_owned(), 404, "RESOURCE_NOT_FOUND"),
    ] {
        let (found, error) = json(pass(&mock, &path)).await;
        assert_eq!((found, &error["error"]["code"]), (status, &json!(code)), "{path}");
        assert!(error["error"]["request_id"].is_string(), "{path}");
    }
    let of_another_environment = client().get(format!("{}/v1/teams/current", mock.url()));
    let (status, error) = json(of_another_environment.bearer_auth("mpt_test_1_demo")).await;
    assert_eq!((status, &error["error"]["code"]), (401, &json!("AUTHENTICATION_REQUIRED")));
}

#[tokio::test]
async fn memberpass_keeps_both_windows() {
    let rate = vec![Window::new(3, 600 * SECOND), Window::new(10_000, 3600 * SECOND)];
    let mock = Mock::start(MockConfig { rate, ..MockConfig::memberpass(1) });
    for remaining in ["2", "1", "0"] {
        let response = pass(&mock, "/teams/current").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-ratelimit-remaining"], remaining);
    }
    let response = pass(&mock, "/teams/current").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((590..=600).contains(&seconds), "{seconds}");
    assert!(response.headers().contains_key("x-ratelimit-reset"));
    let error: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "RATE_LIMITED");
}

#[tokio::test]
async fn memberpass_changes_nothing_without_a_key_and_nothing_twice_with_one() {
    let mock = Mock::start(MockConfig::memberpass(6));
    let subscription = ids(&json(pass(&mock, "/subscriptions")).await.1)[0].clone();
    let post = |path: String, key: &str, body: Value| {
        let request = client().post(format!("{}/v1{path}", mock.url())).bearer_auth("mpt_live_1_demo");
        request.header("Idempotency-Key", key).body(body.to_string())
    };
    let cancel = || format!("/subscriptions/{subscription}/cancel");
    let (status, error) = json(post(cancel(), "", json!({}))).await;
    assert_eq!((status, &error["error"]["code"]), (400, &json!("IDEMPOTENCY_KEY_REQUIRED")));
    let done = json(post(cancel(), "a", json!({}))).await;
    assert_eq!((done.0, &done.1["data"]["status"]), (200, &json!("canceled")));
    assert_eq!(json(post(cancel(), "a", json!({}))).await, done);
    let (status, error) = json(post(cancel(), "a", json!({ "at_period_end": true }))).await;
    assert_eq!((status, &error["error"]["code"]), (422, &json!("IDEMPOTENCY_KEY_REUSED")));

    let plan = mock.lists().into_iter().find(|(name, _)| *name == "plans").unwrap().1[0].clone();
    let text = |key: &str| plan[key].as_str().unwrap();
    let codes = || mock.lists().into_iter().find(|(name, _)| *name == "access_codes").unwrap().1.len();
    let generate =
        format!("/projects/{}/plans/{}/access-codes/bulk-generate", text("project_id"), text("id"));
    let before = codes();
    for (key, more) in [("b", 3), ("b", 3), ("c", 6)] {
        assert_eq!(json(post(generate.clone(), key, json!({ "quantity": 3 }))).await.0, 200);
        assert_eq!(codes(), before + more);
    }
}
