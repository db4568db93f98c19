//! `response_actions`: what an answer means, where its status alone does not say. Pure; the client and the extraction
//! do as they are told.

use memchr::memmem;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::page::{JsonPath, Page, is_truthy};

/// What to make of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Its pagination ends without it, as in dlt; the pages before it stay.
    Ignore,
    /// The same request may work later: it is repeated like one that failed with a 503.
    Retry,
    /// The request failed.
    Fail,
    /// Its pagination ends with it.
    Stop,
    /// It has no rows; its pagination goes on.
    Empty,
}

/// A rule: all conditions that are given hold for the answers it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseAction {
    /// Of the answer.
    pub status: Option<StatusCondition>,
    /// Text that the body contains.
    pub content: Option<String>,
    /// What the body, as JSON, has at a path.
    pub json: Option<JsonCondition>,
    /// What a header says.
    pub header: Option<HeaderCondition>,
    /// What is made of such answers.
    pub action: Action,
}

/// One status, or a hundred of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusCondition {
    /// Just this one.
    Code(u16),
    /// `4` stands for 400 to 499.
    Class(u16),
}

/// What the body has at a path.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonCondition {
    /// Where; of several matches one is enough.
    pub path: JsonPath,
    /// `None`: anything that [`is_truthy`].
    pub equals: Option<Value>,
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderCondition {
    /// Its name, in any case.
    pub name: String,
    /// Text that it contains, in any case. `None`: it is there.
    pub value: Option<String>,
}

/// What the first fitting rule says of an answer.
pub(super) fn judge(
    actions: &[ResponseAction],
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<Action> {
    // Parsed for the first rule that has to look inside.
    let mut page = None;
    let fits = |rule: &&ResponseAction| {
        rule.status.is_none_or(|condition| condition.holds(status))
            && rule.header.as_ref().is_none_or(|condition| condition.holds(headers))
            && rule.content.as_ref().is_none_or(|text| memmem::find(body, text.as_bytes()).is_some())
            && rule.json.as_ref().is_none_or(|condition| {
                let page = page.get_or_insert_with(|| Page::parse(body).ok());
                page.as_ref().is_some_and(|page| condition.holds(page))
            })
    };
    let mut actions = actions.iter();
    actions.find(fits).map(|rule| rule.action)
}

impl StatusCondition {
    fn holds(self, status: u16) -> bool {
        match self {
            Self::Code(code) => status == code,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl JsonCondition {
    fn holds(&self, page: &Page<'_>) -> bool {
        let found = page.get_all(&self.path).into_iter();
        let mut found = found.filter_map(|found| serde_json::from_str::<Value>(found.get()).ok());
        found.any(|found| match &self.equals {
            None => is_truthy(&found),
            Some(expected) => *expected == found || text(expected).is_some_and(|it| Some(it) == text(&found)),
        })
    }
}

impl HeaderCondition {
    fn holds(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(self.name.as_str()).iter();
        values.any(|found| {
            let found = String::from_utf8_lossy(found.as_bytes()).to_lowercase();
            self.value.as_ref().is_none_or(|value| found.contains(&value.to_lowercase()))
        })
    }
}

/// A scalar as text: whether an API writes its codes as numbers or texts is nothing to trip over.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(action: Action) -> ResponseAction {
        ResponseAction { status: None, content: None, json: None, header: None, action }
    }

    fn of_status(status: StatusCondition) -> ResponseAction {
        ResponseAction { status: Some(status), ..rule(Action::Ignore) }
    }

    fn of_content(content: &str) -> ResponseAction {
        ResponseAction { content: Some(content.to_owned()), ..rule(Action::Retry) }
    }

    fn of_json(path: &str, equals: Option<Value>) -> ResponseAction {
        let json = JsonCondition { path: path.parse().unwrap(), equals };
        ResponseAction { json: Some(json), ..rule(Action::Fail) }
    }

    fn of_header(name: &str, value: Option<&str>) -> ResponseAction {
        let header = HeaderCondition { name: name.to_owned(), value: value.map(str::to_owned) };
        ResponseAction { header: Some(header), ..rule(Action::Stop) }
    }

    fn holds(rule: &ResponseAction, status: u16, body: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "text/HTML; charset=utf-8".parse().unwrap());
        let judged = judge(std::slice::from_ref(rule), status, &headers, body.as_bytes());
        assert!(judged.is_none_or(|action| action == rule.action));
        judged.is_some()
    }

    #[test]
    fn statuses_are_compared_by_number_or_class() {
        let exact = of_status(StatusCondition::Code(404));
        assert!(holds(&exact, 404, "") && !holds(&exact, 400, "") && !holds(&exact, 200, "404"));
        let class = of_status(StatusCondition::Class(4));
        assert!(holds(&class, 400, "") && holds(&class, 499, "") && !holds(&class, 500, ""));
    }

    #[test]
    fn content_is_a_part_of_the_body() {
        let rule = of_content("not found");
        assert!(holds(&rule, 200, r#"{"error": "row not found"}"#));
        assert!(!holds(&rule, 200, r#"{"error": "Not Found"}"#) && !holds(&rule, 200, ""));
    }

    #[test]
    fn json_is_looked_up_by_path() {
        let there = of_json("error", None);
        for body in [r#"{"error": "x"}"#, r#"{"error": {"code": 0}}"#, r#"{"error": true}"#] {
            assert!(holds(&there, 200, body), "{body}");
        }
        for body in ["{}", r#"{"error": null}"#, r#"{"error": []}"#, r#"[{"error": 1}]"#, "error"] {
            assert!(!holds(&there, 200, body), "{body}");
        }
    }

    #[test]
    fn values_are_equal_as_numbers_and_as_texts() {
        let check = |equals: Value, found: &str, expected: bool| {
            let body = format!(r#"{{"meta": {{"code": {found}}}}}"#);
            assert_eq!(
                holds(&of_json("meta.code", Some(equals.clone())), 200, &body),
                expected,
                "{equals} {found}"
            );
        };
        check(json!(404), "404", true);
        check(json!("404"), "404", true);
        check(json!(404), "\"404\"", true);
        check(json!(false), "false", true);
        check(json!(0), "0", true);
        check(json!(""), "\"\"", true);
        check(json!("a"), "\"A\"", false);
        check(json!(1), "null", false);
        check(json!("null"), "null", false);
    }

    #[test]
    fn one_of_several_matches_is_enough() {
        let rule = of_json("$.errors[*].code", Some(json!("late")));
        assert!(holds(&rule, 200, r#"{"errors": [{"code": "odd"}, {"code": "late"}]}"#));
        assert!(!holds(&rule, 200, r#"{"errors": [{"code": "odd"}]}"#));
    }

    #[test]
    fn headers_are_compared_in_any_case() {
        assert!(holds(&of_header("Content-Type", None), 200, ""));
        assert!(holds(&of_header("content-type", Some("text/html")), 200, ""));
        assert!(!holds(&of_header("content-type", Some("json")), 200, ""));
        assert!(!holds(&of_header("x-other", None), 200, ""));
    }

    #[test]
    fn all_conditions_of_a_rule_hold_and_the_first_rule_wins() {
        let both =
            ResponseAction { content: Some("gone".to_owned()), ..of_status(StatusCondition::Code(404)) };
        assert!(holds(&both, 404, "gone") && !holds(&both, 404, "here") && !holds(&both, 410, "gone"));
        let rules = [both, of_status(StatusCondition::Class(4)), of_content("gone")];
        let judged = |status, body: &str| judge(&rules, status, &HeaderMap::new(), body.as_bytes());
        assert_eq!(judged(404, "gone"), Some(Action::Ignore));
        assert_eq!(judged(200, "gone"), Some(Action::Retry));
        assert_eq!(judged(200, "here"), None);
    }
}
