//! Answers that tell of an error, though their status is that of a success.

use super::object::Fields;
use super::{ID_NAMES, Page, is_truthy};

/// Whether an object has something below `error` or `errors`.
pub(super) fn speaks_of_error(object: &Fields<'_>) -> bool {
    let says = |name: &str| {
        let found = object.get(name).and_then(|value| serde_json::from_str(value.get()).ok());
        found.is_some_and(|value| is_truthy(&value))
    };
    says("error") || says("errors")
}

impl Page<'_> {
    /// Whether it speaks of an error: if it has no rows, it is not one that merely has none.
    pub fn complains(&self) -> bool {
        self.fields.as_ref().is_some_and(speaks_of_error)
    }

    /// Whether it is itself a thing that may have failed, rather than the news of a failure.
    pub fn is_thing(&self) -> bool {
        self.fields.as_ref().is_some_and(|fields| ID_NAMES.iter().any(|name| fields.get(name).is_some()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_what_is_not_empty() {
        let complains = |body: &str| Page::parse(body.as_bytes()).unwrap().complains();
        for body in [r#"{"error": "x"}"#, r#"{"errors": [1], "data": null}"#, r#"{"error": {"code": 0}}"#] {
            assert!(complains(body), "{body}");
        }
        for error in ["null", "false", "0", "\"\"", "[]", "{}"] {
            assert!(!complains(&format!("{{\"error\": {error}}}")), "{error}");
        }
        assert!(!complains(r#"[{"error": "x"}]"#));
    }
}
