//! `--set KEY=VALUE`: changes to a parsed file, before interpolation.

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::problem::{Report, did_you_mean};

/// Applies one `KEY=VALUE`. Keys are dotted, a part with dots in it is quoted; resources are addressed by name or
/// index. A value that TOML reads is taken as that, any other as text.
pub(super) fn apply(document: &mut Value, setting: &str, report: &mut Report) {
    let Some((key, value)) = setting.split_once('=') else {
        // The text may be a value whose key was forgotten: not quoted.
        report.add(
            "--set",
            "has a setting without `=`",
            Some("write --set client.base_url=http://…".to_owned()),
        );
        return;
    };
    let place = format!("--set {}", key.trim());
    let Some(parts) = split_key(key.trim()) else {
        report.add(&place, "is not a key", Some("join names by dots: client.base_url".to_owned()));
        return;
    };
    if let Err(problem) = set(document, &parts, parse_value(value.trim())) {
        report.add(&place, problem.0, problem.1);
    }
}

/// What is wrong, and a hint.
type Refusal = (String, Option<String>);

fn set(mut node: &mut Value, parts: &[String], value: Value) -> Result<(), Refusal> {
    for (depth, part) in parts.iter().enumerate() {
        if let Value::String(text) = node
            && let Some(key) = shorthand(&parts[..depth])
        {
            *node = Value::Object(Map::from_iter([(key.to_owned(), Value::String(std::mem::take(text)))]));
        }
        node = match node {
            Value::Object(fields) => fields.entry(part.as_str()).or_insert_with(|| Value::Object(Map::new())),
            Value::Array(elements) => element(elements, part)?,
            _ => return Err((format!("cannot go into `{part}`: what is above it is no table"), None)),
        };
    }
    *node = value;
    Ok(())
}

/// The key that a text at this place stands for, if a table may be written as a text there.
fn shorthand(place: &[String]) -> Option<&'static str> {
    match place {
        [.., last] if last == "endpoint" => Some("path"),
        [first, _] if first == "resources" => Some("name"),
        _ => None,
    }
}

/// The name of a resource, which may be all that is written of it.
pub(super) fn resource_name(resource: &Value) -> Option<&str> {
    resource.get("name").unwrap_or(resource).as_str()
}

fn element<'a>(elements: &'a mut [Value], part: &str) -> Result<&'a mut Value, Refusal> {
    let name_of = |element: &Value| resource_name(element).map(str::to_owned);
    let names: Vec<Option<String>> = elements.iter().map(name_of).collect();
    let by_name = names.iter().position(|name| name.as_deref() == Some(part));
    let index = by_name.or_else(|| part.parse().ok().filter(|index| *index < names.len()));
    let hint = || did_you_mean(part, names.iter().flatten().map(String::as_str));
    let index =
        index.ok_or_else(|| (format!("`{part}` is neither a name nor an index in this list"), hint()))?;
    Ok(&mut elements[index])
}

/// `a."b.c".d` → a, b.c, d.
fn split_key(key: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = key;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if part.is_empty() {
            return None;
        }
        parts.push(part.to_owned());
        if after.is_empty() {
            return Some(parts);
        }
        rest = after.strip_prefix('.')?;
    }
}

fn parse_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<toml::Table>();
    let value = parsed.ok().filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    match value {
        // A date stays as it was written: the API compares texts, and `.000Z` is not `.0Z` there.
        None | Some(toml::Value::Datetime(_)) => Value::String(text.to_owned()),
        Some(value) => to_json(value),
    }
}

/// TOML as JSON. Dates become text; what JSON has no number for, too.
pub(super) fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) if number.is_finite() => number.into(),
        toml::Value::Float(number) => Value::String(number.to_string()),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(elements) => Value::Array(elements.into_iter().map(to_json).collect()),
        toml::Value::Table(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, to_json(value))).collect())
        }
    }
}

/// Puts the dates of a file back as they were written: the API compares texts, and `.000Z` is not `.0Z` there.
pub(super) fn keep_dates(document: &mut Value, source: &str) {
    if let Ok(table) = DeTable::parse(source) {
        let table = table.into_inner();
        keep_dates_in(document, &DeValue::Table(table), source);
    }
}

fn keep_dates_in(value: &mut Value, written: &DeValue<'_>, source: &str) {
    let keep = |value: Option<&mut Value>, written: &toml::Spanned<DeValue<'_>>| {
        let Some(value) = value else { return };
        match (written.get_ref(), source.get(written.span())) {
            (DeValue::Datetime(_), Some(text)) => *value = Value::String(text.to_owned()),
            (written, _) => keep_dates_in(value, written, source),
        }
    };
    match written {
        DeValue::Table(fields) => {
            fields.iter().for_each(|(key, field)| keep(value.get_mut(key.get_ref().as_ref()), field));
        }
        DeValue::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, element)| keep(value.get_mut(index), element));
        }
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({"client": {"base_url": "x"}, "resources": [{"name": "a", "endpoint": "path/a"}, {"name": "b"}]})
    }

    #[test]
    fn settings_land_where_they_say() {
        for (setting, pointer, expected) in [
            (
                "client.base_url=http://127.0.0.1:8080/?a=b",
                "/client/base_url",
                json!("http://127.0.0.1:8080/?a=b"),
            ),
            ("client.rate_limits=[]", "/client/rate_limits", json!([])),
            ("client.retry.max_attempts = 2", "/client/retry/max_attempts", json!(2)),
            ("client.headers.\"x.y\"='7'", "/client/headers/x.y", json!("7")),
            ("resources.b.selected=false", "/resources/1/selected", json!(false)),
            ("resources.1.selected=false", "/resources/1/selected", json!(false)),
            ("resources.a.endpoint.params.limit=50", "/resources/0/endpoint/params/limit", json!(50)),
            ("resources.a.endpoint.method=POST", "/resources/0/endpoint/path", json!("path/a")),
            ("resources.a.endpoint=1979-05-27", "/resources/0/endpoint", json!("1979-05-27")),
            (
                "resources.a.endpoint=2024-01-01T00:00:00.000Z",
                "/resources/0/endpoint",
                json!("2024-01-01T00:00:00.000Z"),
            ),
            ("client.base_url=1\nb=2", "/client/base_url", json!("1\nb=2")),
            ("client.base_url=", "/client/base_url", json!("")),
            ("client.auth={type=\"bearer\"}", "/client/auth/type", json!("bearer")),
        ] {
            let (mut document, mut report) = (document(), Report::default());
            apply(&mut document, setting, &mut report);
            assert!(report.is_empty(), "{setting}");
            assert_eq!(document.pointer(pointer), Some(&expected), "{setting}");
        }
    }

    #[test]
    fn dates_of_a_file_stay_as_they_are_written() {
        let source =
            "\u{feff}a = 2024-01-01T00:00:00.000Z\nb = [{ c = 2024-01-01 07:00:00.10 }, 07:00:00.50, 1]";
        let mut document = to_json(toml::Value::Table(source.parse().unwrap()));
        keep_dates(&mut document, source);
        let expected = json!({
            "a": "2024-01-01T00:00:00.000Z",
            "b": [{ "c": "2024-01-01 07:00:00.10" }, "07:00:00.50", 1],
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn settings_that_lead_nowhere_are_refused() {
        for (setting, message) in [
            ("SECRET", "--set: has a setting without `=`"),
            ("a..b=1", "--set a..b: is not a key"),
            ("\"a=1", "--set \"a: is not a key"),
            (
                "client.base_url.x=SECRET",
                "--set client.base_url.x: cannot go into `x`: what is above it is no table",
            ),
            ("resources.c.x=1", "--set resources.c.x: `c` is neither a name nor an index in this list"),
            ("resources.2.x=1", "--set resources.2.x: `2` is neither a name nor an index in this list"),
        ] {
            let (mut document, mut report) = (document(), Report::default());
            apply(&mut document, setting, &mut report);
            let problems = report.into_problems(|_| None);
            assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [message]);
        }
    }
}
