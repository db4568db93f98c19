//! Objects whose fields are the rows, each with its key as name: `{"a": {…}, "b": {…}}`.

use serde_json::value::RawValue;

use super::object::fields;

/// The rows of an object as the text of a list: each value with its name as field `key`. A value that is no object
/// becomes one, below `value`. An empty list is an empty object to some languages, and null is none to most.
///
/// `None`: it is no such object.
pub fn from_keyed(object: &RawValue, key: &str) -> Option<Vec<u8>> {
    let text = object.get();
    if text == "null" || text.strip_prefix('[').is_some_and(|rest| rest.trim_start() == "]") {
        return Some(b"[]".to_vec());
    }
    let mut list = Vec::with_capacity(text.len() + text.len() / 4);
    list.push(b'[');
    let key = serde_json::Value::from(key).to_string();
    for (name, value) in fields(object).ok()?.iter() {
        list.extend_from_slice(if list.len() > 1 { b",{" } else { b"{" });
        match fields(value) {
            Ok(own) => {
                for (field, value) in own.iter() {
                    let field = serde_json::Value::from(field.as_ref()).to_string();
                    // The name it is kept under is what it is known by.
                    if field != key {
                        write_field(&mut list, &field, value.get());
                        list.push(b',');
                    }
                }
            }
            Err(_) => {
                write_field(&mut list, "\"value\"", value.get());
                list.push(b',');
            }
        }
        write_field(&mut list, &key, &serde_json::Value::from(name.as_ref()).to_string());
        list.push(b'}');
    }
    list.push(b']');
    Some(list)
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_get_the_name_they_were_kept_under() {
        let check = |object: &str, expected: Option<&str>| {
            let object: &RawValue = serde_json::from_str(object).unwrap();
            let rows = from_keyed(object, "id").map(|rows| String::from_utf8(rows).unwrap());
            assert_eq!(rows.as_deref(), expected, "{object}");
        };
        check(
            r#"{"a": {"n": 1.10, "x": {"y": []}}, "b\"c": {}}"#,
            Some(r#"[{"n":1.10,"x":{"y": []},"id":"a"},{"id":"b\"c"}]"#),
        );
        check(r#"{"a": {"id": 7, "n": 1}}"#, Some(r#"[{"n":1,"id":"a"}]"#));
        check(
            r#"{"a": 1, "b": null, "c": [2]}"#,
            Some(r#"[{"value":1,"id":"a"},{"value":null,"id":"b"},{"value":[2],"id":"c"}]"#),
        );
        check("{}", Some("[]"));
        check("[ ]", Some("[]"));
        check("null", Some("[]"));
        check("[1]", None);
        check("7", None);
    }
}
