//! What an API says about an error, out of the many envelopes there are.

use serde_json::{Map, Value};

use super::error::StatusFailure;
use super::redact::Redactor;

/// Longest message shown, in characters.
const LONGEST: usize = 300;

/// Names of the field that holds the message, best first.
const MESSAGE_FIELDS: [&str; 5] = ["message", "error_description", "detail", "error", "title"];

/// Reads the body of an answer with an error status: `{message, code}`, the same below `error` or first in the list
/// `errors` (GraphQL, JSON:API), `{error: text}`, plain text, or the title of an HTML page. Secrets that the server repeats are taken out.
pub(super) fn read(status: u16, body: &[u8], redactor: &Redactor) -> StatusFailure {
    let clean = |text: &str| {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        // Before it is cut: half a key is a secret too.
        let line = redactor.text(&line);
        let cut: String = line.chars().take(LONGEST).collect();
        (!cut.is_empty()).then_some(cut)
    };
    let body = String::from_utf8_lossy(body);
    let Ok(Value::Object(root)) = serde_json::from_str::<Value>(&body) else {
        let message = plain(&body).and_then(clean);
        return StatusFailure { status, message, ..StatusFailure::default() };
    };
    let first = root.get("errors").and_then(|errors| errors.as_array()?.first());
    if let Some(text) = first.and_then(Value::as_str) {
        return StatusFailure { status, message: clean(text), ..StatusFailure::default() };
    }
    let envelope = root.get("error").or(first).and_then(Value::as_object).unwrap_or(&root);
    let field = |names: &[&str]| first_text(envelope, names).and_then(|text| clean(&text));
    StatusFailure {
        status,
        code: field(&["code"]),
        message: field(&MESSAGE_FIELDS),
        remediation: field(&["remediation"]),
        request_id: field(&["request_id"]),
    }
}

fn first_text(fields: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match fields.get(*name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// First line of a text; of HTML, the title.
fn plain(body: &str) -> Option<&str> {
    if !body.trim_start().starts_with('<') {
        return body.lines().find(|line| !line.trim().is_empty());
    }
    // ASCII, so that positions stay what they are in `body`.
    let lower = body.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let length = lower[start..].find("</title>")?;
    Some(&body[start..start + length])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn check(body: &str, code: Option<&str>, message: Option<&str>) {
        let failure = read(400, body.as_bytes(), &Redactor::default());
        assert_eq!((failure.code.as_deref(), failure.message.as_deref()), (code, message), "{body}");
    }

    #[test]
    fn envelopes_are_many() {
        check(r#"{"code": "x/y", "message": "no"}"#, Some("x/y"), Some("no"));
        check(r#"{"error": {"code": "E", "message": "no"}}"#, Some("E"), Some("no"));
        check(r#"{"error": "no such thing"}"#, None, Some("no such thing"));
        check(r#"{"errors": [{"message": "no field x"}, {}], "data": null}"#, None, Some("no field x"));
        check(
            r#"{"errors": [{"code": "7", "title": "Bad", "detail": "too old"}]}"#,
            Some("7"),
            Some("too old"),
        );
        check(r#"{"errors": ["no"]}"#, None, Some("no"));
        check(r#"{"error": "invalid_client", "error_description": "who?"}"#, None, Some("who?"));
        check(r#"{"code": 17, "message": ""}"#, Some("17"), None);
        check("{}", None, None);
        check("[]", None, Some("[]"));
        check("", None, None);
        check("\n\nToo many\trequests \nplease wait", None, Some("Too many requests"));
        check("<html><head><TITLE>502 Bad\nGateway</title></head></html>", None, Some("502 Bad Gateway"));
        check("<html><body>é</body></html>", None, None);
        check("Cannot GET /plans", None, Some("Cannot GET /plans"));
    }

    #[test]
    fn what_support_asks_for_is_kept() {
        let body =
            br#"{"error": {"code": "E", "message": "m", "remediation": "do this", "request_id": "req_1"}}"#;
        let failure = read(422, body, &Redactor::default());
        assert_eq!(failure.remediation.as_deref(), Some("do this"));
        assert_eq!(failure.request_id.as_deref(), Some("req_1"));
    }

    #[test]
    fn long_messages_are_cut() {
        let body = "é".repeat(1000);
        assert_eq!(
            read(400, body.as_bytes(), &Redactor::default()).message.unwrap().chars().count(),
            LONGEST
        );
    }
}
