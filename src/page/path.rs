//! Plain dotted paths, the part of JSONPath that list endpoints need.

use std::fmt;
use std::str::FromStr;

use serde_json::value::RawValue;

use super::object::fields;

/// Path into a JSON document: `$`, `data`, `data.records`, `$.meta.next`, `items[0].id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

/// One step of a [`JsonPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a path this version reads: write field names joined by dots, like `data.records[0]`"
)]
pub struct JsonPathError {
    text: String,
}

impl JsonPath {
    /// `$`: the whole document.
    pub fn root() -> Self {
        Self { text: "$".to_owned(), steps: Vec::new() }
    }

    /// The path of a field below objects.
    pub(super) fn from_keys(keys: &[String]) -> Self {
        Self { text: keys.join("."), steps: keys.iter().cloned().map(Step::Key).collect() }
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The value at this path below `value`.
    pub fn find<'a>(&self, value: &'a RawValue) -> Option<&'a RawValue> {
        self.steps.iter().try_fold(value, |value, step| step.descend(value))
    }

    /// The field name, if the path is just that: dlt keeps state under the path's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Step {
    pub(super) fn as_key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) => None,
        }
    }

    pub(super) fn descend<'a>(&self, value: &'a RawValue) -> Option<&'a RawValue> {
        match self {
            Self::Key(key) => fields(value).ok()?.get(key),
            Self::Index(index) => {
                let elements: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
                elements.get(*index).copied()
            }
        }
    }
}

impl FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(text: &str) -> Result<Self, JsonPathError> {
        let error = || JsonPathError { text: text.to_owned() };
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(bracket) = rest.strip_prefix('[') {
                let (index, after) = bracket.split_once(']').ok_or_else(error)?;
                steps.push(Step::Index(index.parse().map_err(|_| error())?));
                rest = after;
                continue;
            }
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if key.is_empty() || key.contains(['*', '?', '@', '(', ']', '\'', '"']) {
                return Err(error());
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        }
        if steps.is_empty() && text != "$" {
            return Err(error());
        }
        Ok(Self { text: text.to_owned(), steps })
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_refused() {
        for text in ["", "a..b", "a.", "a[*]", "$..x", "a[?(@.b)]", "a['b']", "a[1", "[x]"] {
            assert!(text.parse::<JsonPath>().is_err(), "{text}");
        }
    }
}
