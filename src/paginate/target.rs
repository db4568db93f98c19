//! Writing a cursor or page number into a request.

use serde_json::{Map, Value};

use super::Target;
use crate::http::Request;

impl Target {
    /// Puts `value` where this target points, replacing what is there. A query parameter gets its text, without
    /// quotes; a body gets the value in its own JSON type.
    pub(super) fn write(&self, value: Value, request: &mut Request) {
        match self {
            Self::Param(name) => set_param(&mut request.params, name, text(value)),
            Self::Body(path) => set_at(request.json_mut(), path, value),
        }
    }

    /// The name of the value itself: `limit` of `page[limit]` and of `query.limit`.
    pub(super) fn field(&self) -> &str {
        let whole = match self {
            Self::Param(name) => name,
            Self::Body(path) => path.last().map_or("", String::as_str),
        };
        let inner = whole.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
        inner.map_or(whole, |(_, name)| name)
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The parameter keeps its place; should it be there twice, one is left.
fn set_param(params: &mut Vec<(String, String)>, name: &str, text: String) {
    let Some(place) = params.iter().position(|(key, _)| key == name) else {
        params.push((name.to_owned(), text));
        return;
    };
    params[place].1 = text;
    let mut index = 0;
    params.retain(|(key, _)| {
        index += 1;
        index - 1 <= place || key != name
    });
}

/// Objects on the way are created; what is on the way and is no object gives way to one.
fn set_at(body: &mut Value, path: &[String], value: Value) {
    let mut node = body;
    for key in path {
        if !node.is_object() {
            *node = Value::Object(Map::new());
        }
        node = &mut node[key.as_str()];
    }
    *node = value;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Method;
    use crate::http::Body;

    pub(in super::super) fn request(params: &[(&str, &str)], json: Option<Value>) -> Request {
        let url = "https://api.example.com/v1/rows".parse().unwrap();
        Request {
            params: params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            body: json.map(Body::Json),
            ..Request::new(Method::Get, url)
        }
    }

    fn check_param(params: &[(&str, &str)], value: Value, expected: &[(&str, &str)]) {
        let mut changed = request(params, None);
        Target::Param("after".to_owned()).write(value, &mut changed);
        assert_eq!(changed.params, request(expected, None).params);
    }

    #[test]
    fn params_get_the_text_and_are_replaced() {
        check_param(&[], json!("a b"), &[("after", "a b")]);
        check_param(&[("limit", "100")], json!(2458433), &[("limit", "100"), ("after", "2458433")]);
        check_param(&[("after", "1"), ("limit", "100")], json!("x"), &[("after", "x"), ("limit", "100")]);
        check_param(&[("after", "1"), ("a", "b"), ("after", "2")], json!("x"), &[("after", "x"), ("a", "b")]);
        check_param(&[], json!(u64::MAX), &[("after", "18446744073709551615")]);
    }

    fn check_body(body: Option<Value>, path: &str, value: Value, expected: Value) {
        let mut changed = request(&[], body);
        Target::Body(path.split('.').map(str::to_owned).collect()).write(value, &mut changed);
        assert_eq!(changed.body, Some(Body::Json(expected)));
    }

    #[test]
    fn bodies_keep_the_type_and_all_else() {
        check_body(None, "cursor", json!("x"), json!({"cursor": "x"}));
        check_body(
            Some(json!({"query": {"findMany": {"take": 100}}})),
            "query.findMany.after",
            json!(12345),
            json!({"query": {"findMany": {"take": 100, "after": 12345}}}),
        );
        check_body(Some(json!({"a": 1})), "a.b", json!(2), json!({"a": {"b": 2}}));
    }
}
