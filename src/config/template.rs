//! Texts with `{resources.<parent>.<field>}` in them, filled in from a row of the parent.
//!
//! As in dlt, a literal brace is doubled: `{{`, `}}`. Unlike in dlt, values are escaped in paths, so that an id with
//! a slash or a space asks for what it names, and a value that has no place in a path is an error.

use serde_json::{Map, Value};

use crate::page::JsonPath;

/// A field of the parent's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// Name of the parent.
    pub resource: String,
    /// Where the value is in the parent's row.
    pub field: JsonPath,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("has a single `{0}`; a literal brace is doubled, `{0}{0}`")]
    Brace(char),
    /// Not of the form `{resources.<parent>.<field>}`.
    #[error("has `{{{0}}}`, which names nothing; write `{{resources.<parent>.<field>}}`")]
    Unknown(String),
    /// dlt's placeholder for incremental values.
    #[error("has `{{{0}}}`, which dlt knows and this version does not; use `start_param`")]
    Later(String),
    /// The field is not a path.
    #[error("has `{{{0}}}`, whose field is not a path; write field names joined by dots")]
    Field(String),
}

/// Why a template could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The row lacks the field, or has null there.
    #[error("a row of `{resource}` has no value at `{field}`")]
    Missing {
        /// The parent.
        resource: String,
        /// The field.
        field: String,
    },
    /// A list or an object.
    #[error("a row of `{resource}` has a list or an object at `{field}`, which cannot stand in a text")]
    NotText {
        /// The parent.
        resource: String,
        /// The field.
        field: String,
    },
    /// Empty, `.` or `..`: the path would lead somewhere else.
    #[error("a row of `{resource}` has an empty value or dots at `{field}`, which cannot stand in a path")]
    NotSegment {
        /// The parent.
        resource: String,
        /// The field.
        field: String,
    },
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
                parts.push(Part::Placeholder(placeholder(name)?));
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
                let (resource, field) = placeholder.names();
                return Err(RenderError::NotSegment { resource, field });
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

impl Placeholder {
    fn names(&self) -> (String, String) {
        (self.resource.clone(), self.field.to_string())
    }
}

/// A JSON body with placeholders in its texts, parsed. Keys are taken as they are.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonTemplate {
    /// A text that is exactly one placeholder: the value keeps its JSON type.
    Value(Placeholder),
    /// Any other text.
    Text(Template),
    /// A list.
    List(Vec<JsonTemplate>),
    /// An object.
    Object(Vec<(String, JsonTemplate)>),
    /// A number, a boolean or null.
    Plain(Value),
}

impl JsonTemplate {
    /// Parses every text in `body`.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse(body: &Value) -> Result<Self, TemplateError> {
        Ok(match body {
            Value::String(text) => {
                let template = Template::parse(text)?;
                match <[Part; 1]>::try_from(template.parts) {
                    Ok([Part::Placeholder(placeholder)]) => Self::Value(placeholder),
                    Ok([text]) => Self::Text(Template { parts: vec![text] }),
                    Err(parts) => Self::Text(Template { parts }),
                }
            }
            Value::Array(elements) => Self::List(elements.iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| Ok((key.clone(), Self::parse(value)?)));
                Self::Object(fields.collect::<Result<_, _>>()?)
            }
            plain => Self::Plain(plain.clone()),
        })
    }

    /// Fills in the body.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render(&self, lookup: &impl Fn(&Placeholder) -> Option<Value>) -> Result<Value, RenderError> {
        Ok(match self {
            Self::Value(placeholder) => lookup(placeholder).ok_or_else(|| {
                let (resource, field) = placeholder.names();
                RenderError::Missing { resource, field }
            })?,
            Self::Text(template) => Value::String(template.render(lookup)?),
            Self::List(elements) => {
                Value::Array(elements.iter().map(|element| element.render(lookup)).collect::<Result<_, _>>()?)
            }
            Self::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| Ok((key.clone(), value.render(lookup)?)));
                Value::Object(fields.collect::<Result<Map<_, _>, _>>()?)
            }
            Self::Plain(value) => value.clone(),
        })
    }
}

/// The placeholders of a text, in order.
///
/// # Errors
/// As [`Template::parse`].
pub fn placeholders(text: &str) -> Result<Vec<Placeholder>, TemplateError> {
    Ok(Template::parse(text)?.placeholders().cloned().collect())
}

/// Doubles braces, so that the text stands for itself in a template.
pub(super) fn escape(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

fn placeholder(name: &str) -> Result<Placeholder, TemplateError> {
    if name.starts_with("incremental.") {
        return Err(TemplateError::Later(name.to_owned()));
    }
    let names = name.strip_prefix("resources.").and_then(|rest| rest.split_once('.'));
    let Some((resource, field)) = names.filter(|(resource, _)| !resource.is_empty()) else {
        return Err(TemplateError::Unknown(name.to_owned()));
    };
    let field = field.parse().map_err(|_| TemplateError::Field(name.to_owned()))?;
    Ok(Placeholder { resource: resource.to_owned(), field })
}

fn text_of(placeholder: &Placeholder, value: Option<Value>) -> Result<String, RenderError> {
    let (resource, field) = placeholder.names();
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        None | Some(Value::Null) => Err(RenderError::Missing { resource, field }),
        Some(Value::Array(_) | Value::Object(_)) => Err(RenderError::NotText { resource, field }),
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
        row.get(placeholder.field.as_str()).cloned()
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
            "{id}",
            "{resources.x}",
            "{resources..id}",
            "{resources.x.a[*}",
            "{incremental.last_value}",
            "{resources.x.}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_lone_placeholder_keeps_its_type_in_json() {
        let body = json!({"id": "{resources.m.id}", "text": "no {resources.m.id}", "deep": [{"tags": "{resources.m.tags}"}, 1, null]});
        let rendered = JsonTemplate::parse(&body).unwrap().render(&row).unwrap();
        assert_eq!(rendered, json!({"id": 7, "text": "no 7", "deep": [{"tags": [1]}, 1, null]}));
    }

    proptest! {
        #[test]
        fn an_escaped_text_stands_for_itself(text in ".*") {
            prop_assert_eq!(Template::parse(&escape(&text)).unwrap().render(|_| None).unwrap(), text);
        }
    }
}
