//! JSON bodies with placeholders in them.

use serde_json::{Map, Value};

use super::{Part, Placeholder, RenderError, Template, TemplateError};

/// A JSON body with placeholders in its texts and keys, parsed.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonTemplate {
    /// A text that is exactly one placeholder: the value keeps its JSON type, as in dlt.
    Value(Placeholder),
    /// Any other text.
    Text(Template),
    /// A list.
    List(Vec<JsonTemplate>),
    /// An object.
    Object(Vec<(Template, JsonTemplate)>),
    /// A number, a boolean or null.
    Plain(Value),
}

impl JsonTemplate {
    /// Parses every text and key in `body`.
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
                let fields =
                    fields.iter().map(|(key, value)| Ok((Template::parse(key)?, Self::parse(value)?)));
                Self::Object(fields.collect::<Result<_, _>>()?)
            }
            plain => Self::Plain(plain.clone()),
        })
    }

    /// Fills in the body.
    ///
    /// # Errors
    /// As [`Template::render`]; a text that is one placeholder takes lists, objects and null, too.
    pub fn render(&self, lookup: &impl Fn(&Placeholder) -> Option<Value>) -> Result<Value, RenderError> {
        Ok(match self {
            Self::Value(placeholder) => lookup(placeholder).ok_or_else(|| placeholder.missing())?,
            Self::Text(template) => Value::String(template.render(lookup)?),
            Self::List(elements) => {
                Value::Array(elements.iter().map(|element| element.render(lookup)).collect::<Result<_, _>>()?)
            }
            Self::Object(fields) => {
                let fields =
                    fields.iter().map(|(key, value)| Ok((key.render(lookup)?, value.render(lookup)?)));
                Value::Object(fields.collect::<Result<Map<_, _>, _>>()?)
            }
            Self::Plain(value) => value.clone(),
        })
    }
}
