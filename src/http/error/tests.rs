//! What is told of failures.

use std::error::Error;

use super::*;

fn status(status: u16, code: &str, message: &str) -> StatusFailure {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    StatusFailure { status, code: some(code), message: some(message), ..StatusFailure::default() }
}

#[test]
fn messages_read_as_one_level_each() {
    let error = HttpError::Request {
        request: "GET https://api.example.com/v1/invoices?page=42".to_owned(),
        attempts: 5,
        throttled: 0,
        elapsed: Duration::from_millis(61_200),
        source: Box::new(Failure::Status(status(503, "", "try later"))),
    };
    assert_eq!(
        error.to_string(),
        "GET https://api.example.com/v1/invoices?page=42 failed after 5 attempts in 61 s"
    );
    assert_eq!(error.source().unwrap().to_string(), "HTTP 503 Service Unavailable: try later");
    assert!(error.is_transient());
}

#[test]
fn statuses_show_what_the_api_says() {
    let check = |failure: StatusFailure, expected: &str| assert_eq!(failure.to_string(), expected);
    check(status(404, "", ""), "HTTP 404 Not Found");
    check(status(400, "x/y", "no"), "HTTP 400 Bad Request: no (code `x/y`)");
    check(status(799, "", "odd"), "HTTP 799: odd");
    let with_id = StatusFailure { request_id: Some("req_1".to_owned()), ..status(500, "E", "") };
    check(with_id, "HTTP 500 Internal Server Error (code `E`, request id `req_1`)");
}

#[test]
fn the_hint_to_the_key_comes_only_where_it_is_about_the_key() {
    let check = |failure: StatusFailure, expected: bool| {
        let failure = Failure::Status(failure);
        assert_eq!(failure.hint().contains("key in `auth`"), expected, "{failure}");
    };
    check(status(401, "", ""), true);
    check(status(403, "", ""), true);
    check(status(400, "validation/invalid-secret-key", ""), true);
    check(status(400, "", "Missing API key"), true);
    check(status(400, "generic-message", "Table key is required"), false);
    check(status(400, "", "Invalid access token"), true);
    check(status(400, "INVALID_TOKEN", "The page token has expired"), false);
    check(status(404, "", "access token"), false);
    check(status(500, "", ""), false);
}

#[test]
fn the_advice_of_an_api_is_told_alone_or_after_ours() {
    let hint = |code| {
        let advice = Some("Do this.".to_owned());
        Failure::Status(StatusFailure { remediation: advice, ..status(code, "", "") }).hint()
    };
    assert_eq!(hint(404), "Do this.");
    for (code, ours) in [(401, "key in `auth`"), (429, "`rate_limits`"), (503, "run again later")] {
        let hint = hint(code);
        assert!(hint.contains(ours) && hint.ends_with("; the API says: Do this."), "{hint}");
    }
}

#[test]
fn a_token_request_that_finds_nobody_points_to_the_token_endpoint() {
    let hint = |failure: Failure| {
        let request = HttpError::Request {
            request: "POST https://auth.example.com/token".to_owned(),
            attempts: 1,
            throttled: 0,
            elapsed: Duration::ZERO,
            source: Box::new(failure),
        };
        HttpError::Token { source: Arc::new(TokenError::Request(request)) }.hint().unwrap()
    };
    let host = || "auth.example.com".to_owned();
    for failure in [
        Failure::Dns { host: host(), detail: String::new() },
        Failure::Connect { host: host(), detail: String::new() },
        Failure::ForeignRedirect { origin: "https://b.test".to_owned() },
        Failure::Status(status(404, "", "")),
    ] {
        assert_eq!(hint(failure), WRONG_ADDRESS);
    }
    assert_eq!(hint(Failure::Status(status(400, "invalid_grant", ""))), NOT_ACCEPTED);
    assert!(hint(Failure::Status(status(503, "", ""))).contains("run again later"));
}
