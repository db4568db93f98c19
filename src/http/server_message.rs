//! What an API says about an error, out of the many envelopes there are.

use serde_json::{Map, Value};

use super::error::StatusFailure;
use super::redact::Redactor;

/// Longest message shown, in characters.
const LONGEST: usize = 300;

/// Names of the field that holds the message, best first.
const MESSAGE_FIELDS: [&str; 7] =
    ["message", "error_description", "error_message", "msg", "detail", "error", "title"];

/// Reads the body of an answer with an error status: `{message, code}`, the same below `error` or first in the list
/// `errors` (GraphQL, JSON:API), `{error: text}`, plain text, or the title of an HTML page. What it names beside its
/// message (fields that are wrong, an ability that is missing, a page that explains it) is shown with it. Secrets that
/// the server repeats are taken out.
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
    // RFC 6749, section 5.2: the code is in `error` where there is a description.
    let names_it = envelope.contains_key("error_description");
    let code = field(&["code"]).or_else(|| field(&["error"]).filter(|_| names_it));
    StatusFailure {
        status,
        code,
        message: with_details(field(&MESSAGE_FIELDS), details(envelope).as_deref().and_then(clean)),
        remediation: with_page(field(&["remediation"]), field(&["docs_url", "documentation_url"])),
        request_id: field(&["request_id"]),
        is_new_token: false,
        is_throttled: false,
    }
}

/// ``The data is invalid (`email`: is taken)``.
fn with_details(message: Option<String>, details: Option<String>) -> Option<String> {
    match (message, details) {
        (Some(message), Some(details)) => Some(format!("{message} ({details})")),
        (message, details) => message.or(details),
    }
}

fn with_page(remediation: Option<String>, page: Option<String>) -> Option<String> {
    match (remediation, page) {
        (Some(remediation), Some(page)) => Some(format!("{remediation} See {page}")),
        (remediation, page) => remediation.or(page.map(|page| format!("see {page}"))),
    }
}

/// What is wrong with which field, and which ability is missing. Validators write `{field: [text, …]}` below `fields` or
/// `errors`.
fn details(envelope: &Map<String, Value>) -> Option<String> {
    let ability = [Some(envelope), envelope.get("context").and_then(Value::as_object)]
        .into_iter()
        .flatten()
        .find_map(|fields| fields.get("required_ability")?.as_str())
        .map(|ability| format!("needs `{ability}`"));
    let fields = ["fields", "errors"].iter().find_map(|name| envelope.get(*name)?.as_object());
    let fields = fields.into_iter().flatten().filter_map(|(name, texts)| {
        let text = texts.as_str().or_else(|| texts.get(0)?.as_str())?;
        Some(format!("`{name}`: {}", text.trim_end_matches('.')))
    });
    let details: Vec<String> = ability.into_iter().chain(fields).collect();
    (!details.is_empty()).then(|| details.join("; "))
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
        check(
            r#"{"error": "invalid_client", "error_description": "who?"}"#,
            Some("invalid_client"),
            Some("who?"),
        );
        check(r#"{"errors": [{"message": "no field x"}, {}], "data": null}"#, None, Some("no field x"));
        check(
            r#"{"errors": [{"code": "7", "title": "Bad", "detail": "too old"}]}"#,
            Some("7"),
            Some("too old"),
        );
        check(r#"{"errors": ["no"]}"#, None, Some("no"));
        check(r#"{"code": -1022, "msg": "no"}"#, Some("-1022"), Some("no"));
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
    fn what_an_api_names_beside_its_message_is_shown_with_it() {
        let check = |rest: &str, message: &str, remediation: &str| {
            let body = format!(r#"{{"error": {{"message": "No", "remediation": "Do this.", {rest}}}}}"#);
            let failure = read(422, body.as_bytes(), &Redactor::default());
            assert_eq!(failure.message.as_deref(), Some(message), "{rest}");
            assert_eq!(failure.remediation.as_deref(), Some(remediation), "{rest}");
        };
        check(
            r#""fields": {"a": ["is bad.", "too"], "b": "is odd"}"#,
            "No (`a`: is bad; `b`: is odd)",
            "Do this.",
        );
        check(r#""errors": []"#, "No", "Do this.");
        check(r#""context": {"required_ability": "x:view"}"#, "No (needs `x:view`)", "Do this.");
        check(r#""required_ability": "x:view""#, "No (needs `x:view`)", "Do this.");
        check(r#""docs_url": "https://a.test/e#f""#, "No", "Do this. See https://a.test/e#f");
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
