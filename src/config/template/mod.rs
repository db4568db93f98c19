//! Texts with placeholders in them, most often `{resources.<parent>.<field>}`, filled in when a request is built.
//!
//! As in dlt, a literal brace is doubled: `{{`, `}}`. Unlike in dlt, values are escaped in paths, so that an id with
//! a slash or a space asks for what it names, and a value that has no place in a path is an error.

mod json;
mod placeholder;

use std::fmt;

use serde_json::Value;

pub use json::JsonTemplate;
pub use placeholder::{IncrementalValue, Placeholder};

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("has a single `{0}`; a literal brace is doubled, `{0}{0}`")]
    Brace(char),
    /// Of no form that there is.
    #[error("has `{{{0}}}`, which names nothing; write `{{resources.<parent>.<field>}}`")]
    Unknown(String),
    /// The field is not a path.
    #[error("has `{{{0}}}`, whose field is not a path; write field names joined by dots")]
    Field(String),
}

/// Why a template could not be filled in. Each names the placeholder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// There is no such field, or null, which has no place in a text: dlt would write `None`.
    #[error("`{0}` has no value")]
    Missing(String),
    /// A list or an object.
    #[error("`{0}` is a list or an object, which cannot stand in a text")]
    NotText(String),
    /// Empty, `.` or `..`: the path would lead somewhere else.
    #[error("`{0}` is empty or dots, which cannot stand in a path")]
    NotSegment(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

/// A text with placeholders, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Parses a text.
    ///
    /// # Errors
    /// A lone brace, or a placeholder that is not of the known form.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = from_brace.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = from_brace.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else if let Some(inside) = from_brace.strip_prefix('{') {
                let (name, after) = inside.split_once('}').ok_or(TemplateError::Brace('{'))?;
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::Placeholder(Placeholder::parse(name)?));
                rest = after;
            } else {
                return Err(TemplateError::Brace('}'));
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }

    /// The placeholders, in order.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(placeholder) => Some(placeholder),
            Part::Text(_) => None,
        })
    }

    /// Puts templates in place of the bare placeholders of a path. Those that `param` does not know stay.
    pub(super) fn bind(self, param: impl Fn(&str) -> Option<Self>) -> Self {
        let parts = self.parts.into_iter().flat_map(|part| match part {
            Part::Placeholder(Placeholder::Param(name)) => match param(&name) {
                Some(bound) => bound.parts,
                None => vec![Part::Placeholder(Placeholder::Param(name))],
            },
            part => vec![part],
        });
        Self { parts: parts.collect() }
    }

    /// The same for a path: its literal parts are percent-encoded, as values are.
    pub(super) fn in_path(self) -> Self {
        let parts = self.parts.into_iter().map(|part| match part {
            Part::Text(literal) => Part::Text(percent_encode(&literal)),
            part => part,
        });
        Self { parts: parts.collect() }
    }

    /// Fills in a text for a parameter or header. `lookup` gives the value of the parent's row.
    ///
    /// # Errors
    /// The row has no value there, or one that is no text, number or boolean.
    pub fn render(&self, lookup: impl Fn(&Placeholder) -> Option<Value>) -> Result<String, RenderError> {
        self.fill(|placeholder| text_of(placeholder, lookup(placeholder)))
    }

    /// Fills in a path. Everything but unreserved characters is percent-encoded in the values, not in the template.
    ///
    /// # Errors
    /// As [`Template::render`]; also a value that is empty, `.` or `..`.
    pub fn render_path(&self, lookup: impl Fn(&Placeholder) -> Option<Value>) -> Result<String, RenderError> {
        self.fill(|placeholder| {
            let text = text_of(placeholder, lookup(placeholder))?;
            if matches!(text.as_str(), "" | "." | "..") {
                return Err(RenderError::NotSegment(placeholder.to_string()));
            }
            Ok(percent_encode(&text))
        })
    }

    fn fill(
        &self,
        value: impl Fn(&Placeholder) -> Result<String, RenderError>,
    ) -> Result<String, RenderError> {
        self.parts.iter().try_fold(String::new(), |mut text, part| {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Placeholder(placeholder) => text.push_str(&value(placeholder)?),
            }
            Ok(text)
        })
    }
}

impl From<Placeholder> for Template {
    fn from(placeholder: Placeholder) -> Self {
        Self { parts: vec![Part::Placeholder(placeholder)] }
    }
}

/// As it is written in a config file.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(literal) => f.write_str(&escape(literal)),
            Part::Placeholder(placeholder) => placeholder.fmt(f),
        })
    }
}

/// Doubles braces, so that the text stands for itself in a template.
pub(super) fn escape(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

fn text_of(placeholder: &Placeholder, value: Option<Value>) -> Result<String, RenderError> {
    match value {
        Some(Value::String(text)) => Ok(text),
        // dlt writes Python's `True`; JSON's `true` is what APIs read.
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        None | Some(Value::Null) => Err(placeholder.missing()),
        Some(Value::Array(_) | Value::Object(_)) => Err(RenderError::NotText(placeholder.to_string())),
    }
}

/// Encodes everything but RFC 3986's unreserved characters.
fn percent_encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn row(placeholder: &Placeholder) -> Option<Value> {
        let row = json!({"id": 7, "email": "a b/ø@x.no", "ok": true, "none": null, "tags": [1], "dots": "..", "": ""});
        let Placeholder::Resource { field, .. } = placeholder else { return None };
        row.get(field.as_str()).cloned()
    }

    #[test]
    fn values_are_filled_in() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("members/{resources.m.id}/x", "members/7/x"),
            ("{resources.m.id}{resources.m.ok}", "7true"),
            ("{{\"a\": {{{resources.m.id}}}}}", "{\"a\": {7}}"),
            ("{resources.m.email}", "a b/ø@x.no"),
        ] {
            assert_eq!(Template::parse(text).unwrap().render(row).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn path_values_cannot_leave_their_segment() {
        let path = |text: &str| Template::parse(text).unwrap().render_path(row);
        assert_eq!(path("a b/{resources.m.email}").unwrap(), "a b/a%20b%2F%C3%B8%40x.no");
        for text in
            ["{resources.m.dots}", "{resources.m.none}", "{resources.m.tags}", "{resources.m.nothing}"]
        {
            assert!(path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in [
            "{",
            "}",
            "a{b",
            "{}",
            "{id:02}",
            "{id!r}",
            "{ids[0]}",
            "{resources.x}",
            "{resources..id}",
            "{resources.x.a[*}",
            "{incremental.newest}",
            "{resources.x.}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_lone_placeholder_keeps_its_type_in_json() {
        let body = json!({"id": "{resources.m.id}", "{resources.m.id}{{x}}": "{resources.m.none}", "text": "no {resources.m.id}", "deep": [{"tags": "{resources.m.tags}"}, 1, null]});
        let rendered = JsonTemplate::parse(&body).unwrap().render(&row).unwrap();
        assert_eq!(
            rendered,
            json!({"id": 7, "7{x}": null, "text": "no 7", "deep": [{"tags": [1]}, 1, null]})
        );
    }

    #[test]
    fn a_template_is_written_as_it_was_read() {
        for text in [
            "a/{resources.m.id}/{incremental.end_value}",
            "{resources.m.a.b[0]}{{}}",
            "{id}",
            "{incremental.start_value}{incremental.last_value}{incremental.initial_value}",
        ] {
            assert_eq!(Template::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn bare_placeholders_of_a_path_take_what_they_are_given() {
        let param = |name: &str| match name {
            "owner" => Some(Template::parse("a/b {resources.m.id}").unwrap().in_path()),
            "id" => Some(Template::parse("{resources.m.id}").unwrap()),
            _ => None,
        };
        let path = Template::parse("x/{owner}/{id}/{other}").unwrap().bind(param);
        assert_eq!(path.to_string(), "x/a%2Fb%20{resources.m.id}/{resources.m.id}/{other}");
    }

    proptest! {
        #[test]
        fn an_escaped_text_stands_for_itself(text in ".*") {
            prop_assert_eq!(Template::parse(&escape(&text)).unwrap().render(|_| None).unwrap(), text);
        }
    }
}
