//! Finding the rows of a page without a data selector, as dlt finds them.

use serde_json::value::RawValue;

use super::object::fields;
use super::{JsonPath, Page};

/// Names that lists of rows usually have; dlt's list.
const USUAL_NAMES: [&str; 11] = [
    "data", "items", "results", "entries", "records", "rows", "entities", "payload", "content", "objects",
    "values",
];

/// A list of errors is none of rows, if there is another. dlt takes it, if it comes first, and loads nothing else.
const NO_ROWS: [&str; 3] = ["error", "errors", "warnings"];

/// How deep lists are looked for, as in dlt.
const MAX_DEPTH: usize = 3;

/// The path of the rows: the whole page if it is a list; else the first list under a usual name; else the
/// first list; else the whole page, which is one row then.
pub fn detect_rows(page: &Page<'_>) -> JsonPath {
    let mut lists = Vec::new();
    collect_lists(page.root(), &mut Vec::new(), &mut lists);
    let usual = |path: &Vec<String>| path.last().is_some_and(|name| is_usual(name));
    let is_of_rows = |path: &Vec<String>| path.last().is_some_and(|name| !NO_ROWS.contains(&name.as_str()));
    let found = lists.iter().find(|path| usual(path));
    let found = found.or_else(|| lists.iter().find(|path| is_of_rows(path))).or_else(|| lists.first());
    found.map_or_else(JsonPath::root, |path| JsonPath::from_keys(path))
}

fn is_usual(name: &str) -> bool {
    USUAL_NAMES.contains(&name)
}

fn collect_lists(value: &RawValue, path: &mut Vec<String>, lists: &mut Vec<Vec<String>>) {
    let Ok(fields) = fields(value) else { return };
    for (name, value) in fields.iter() {
        path.push(name.to_string());
        match value.get().as_bytes().first() {
            Some(b'[') => lists.push(path.clone()),
            Some(b'{') if path.len() < MAX_DEPTH => collect_lists(value, path, lists),
            _ => {}
        }
        path.pop();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_as_dlt_finds_them() {
        let check = |body: &str, path: &str| {
            assert_eq!(detect_rows(&Page::parse(body.as_bytes()).unwrap()).to_string(), path, "{body}");
        };
        check("[1]", "$");
        check(r#"{"id": 1}"#, "$");
        check(r#"{"errors": [], "data": []}"#, "data");
        check(r#"{"meta": {"tags": [9]}, "data": {"inner": [1]}}"#, "meta.tags");
        check(r#"{"a": {"records": [1]}, "b": [1]}"#, "a.records");
        check(r#"{"errors": [], "tickets": [1]}"#, "tickets");
        check(r#"{"errors": [1]}"#, "errors");
        check(r#"{"a": {"b": {"c": {"data": []}}}}"#, "$");
    }
}
