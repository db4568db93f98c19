//! Why an expression cannot be compiled or run.

use jaq_core::Exn;
use jaq_core::compile::Undefined;
use jaq_core::load::lex::{self, Token};
use jaq_core::load::{parse, span};
use jaq_json::Val;
use serde_json::value::RawValue;

use super::library::{TOO_DEEP, TOO_DEEP_VALUE, TOO_MANY_STEPS};
use super::{MAX_OUTPUTS, MAX_STEPS};

/// Why a text is no jq expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", place.map(|(line, column)| position(line, column)).unwrap_or_default())]
pub struct JqSyntaxError {
    what: String,
    /// Line and column, from 1.
    place: Option<(usize, usize)>,
}

fn position(line: usize, column: usize) -> String {
    if line == 1 {
        format!("at character {column}: ")
    } else {
        format!("at line {line}, character {column}: ")
    }
}

impl Default for JqSyntaxError {
    fn default() -> Self {
        Self { what: "it cannot be compiled".to_owned(), place: None }
    }
}

impl JqSyntaxError {
    pub(super) fn lexed(text: &str, errors: &[lex::Error<&str>]) -> Self {
        let Some((expected, rest)) = errors.first() else { return Self::default() };
        // A delimiter has the rest of the text from its opening on.
        Self::new(text, rest, format!("a {} is expected", expected.as_str()))
    }

    pub(super) fn expected(text: &str, expected: &parse::Expect<&str>, found: Option<&Token<&str>>) -> Self {
        let what = format!("expected {}", expected.as_str());
        match found {
            Some(token) => {
                let part = token.as_str();
                let shown = part.split_whitespace().next().unwrap_or_default();
                Self::new(text, part, format!("{what}, found `{shown}`"))
            }
            None => Self::new(text, &text[text.len()..], format!("{what}, found the end")),
        }
    }

    pub(super) fn undefined(text: &str, (name, kind): &(&str, Undefined)) -> Self {
        let what = match kind {
            Undefined::Filter(0) => format!("there is no function `{name}`"),
            Undefined::Filter(1) => format!("there is no function `{name}` with one argument"),
            Undefined::Filter(count) => format!("there is no function `{name}` with {count} arguments"),
            other => format!("there is no {} `{name}`", other.as_str()),
        };
        Self::new(text, name, what)
    }

    /// `part` is a slice of `text`, or does not count.
    fn new(text: &str, part: &str, what: String) -> Self {
        let whole = text.as_bytes().as_ptr_range();
        let is_within = (whole.start..=whole.end).contains(&part.as_ptr());
        let before = is_within.then(|| text.get(..span(text, part).start)).flatten();
        let place = before.map(|before| {
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
        });
        Self { what, place }
    }

    /// The place alone, for expressions that may hold a secret.
    pub fn without_text(&self) -> String {
        let Self { place, .. } = self;
        Self { what: "something is wrong".to_owned(), place: *place }.to_string()
    }
}

/// Why an expression fails on a value. Never holds anything of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JqError {
    message: String,
    /// Whether it is for the work that it would be.
    is_too_much: bool,
}

impl JqError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_too_much: false }
    }

    fn too_much(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_too_much: true }
    }

    /// Whether the expression was stopped, for it may have no end.
    pub fn is_too_much(&self) -> bool {
        self.is_too_much
    }

    pub(super) fn not_json() -> Self {
        Self::new("the value cannot be written as JSON")
    }

    pub(super) fn too_deep_value() -> Self {
        Self::new("the value has more than 128 levels")
    }

    pub(super) fn too_long() -> Self {
        Self::new("gives a value that is too long")
    }

    pub(super) fn no_stack() -> Self {
        Self::new("the system gives no thread to run it on")
    }

    pub(super) fn too_many_outputs() -> Self {
        Self::too_much(format!("gives more than {MAX_OUTPUTS} values"))
    }

    pub(super) fn of(text: &str, exception: Exn<'_, Val>) -> Self {
        match exception.get_err() {
            Ok(error) => {
                let message = match error.clone().into_val() {
                    Val::TStr(message) => String::from_utf8_lossy(&message).into_owned(),
                    _ => error.to_string(),
                };
                Self::new(without_values(text, &message))
            }
            Err(exception) => match exception.get_halt() {
                Ok(TOO_MANY_STEPS) => {
                    Self::too_much(format!("does not come to an end within {MAX_STEPS} steps"))
                }
                Ok(TOO_DEEP) => Self::too_much("calls itself too deep"),
                Ok(TOO_DEEP_VALUE) => Self::too_deep_value(),
                _ => Self::new("`break` without its label"),
            },
        }
    }
}

/// jaq's message with the kinds of values in place of the values. What is written in the expression itself may be
/// shown.
fn without_values(text: &str, message: &str) -> String {
    if !message.is_empty() && text.contains(message) {
        return message.to_owned();
    }
    let found = reduced(message, "cannot use ", " as ", text)
        .or_else(|| reduced(message, "cannot index ", " with ", text))
        .or_else(|| calculation(message))
        .or_else(|| {
            message.starts_with("invalid path expression").then(|| "invalid path expression".to_owned())
        })
        .or_else(|| {
            message.strip_suffix(" has no length").map(|value| format!("{} has no length", kind(value)))
        })
        .or_else(|| starts(message).map(str::to_owned));
    found.unwrap_or_else(|| "ends in an error".to_owned())
}

/// `cannot use VALUE as TYPE`, `cannot index VALUE with KEY`.
fn reduced(message: &str, start: &str, middle: &str, text: &str) -> Option<String> {
    let rest = message.strip_prefix(start)?;
    let (value, rest) = split_value(rest)?;
    let other = rest.strip_prefix(middle)?;
    let is_type = middle == " as ";
    let other = match other.trim_matches('"') {
        _ if is_type => other.to_owned(),
        key if !key.is_empty() && text.contains(key) => format!("`{key}`"),
        _ => kind(other).to_owned(),
    };
    Some(format!("{start}{}{middle}{other}", kind(value)))
}

/// `cannot calculate VALUE OP VALUE`.
fn calculation(message: &str) -> Option<String> {
    let (left, rest) = split_value(message.strip_prefix("cannot calculate ")?)?;
    let (op, right) = rest.strip_prefix(' ')?.split_once(' ')?;
    Some(format!("cannot calculate {} {op} {}", kind(left), kind(right)))
}

/// The first JSON value of a text, and what follows it.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let value = values.next()?.ok()?;
    Some((value.get(), &text[values.byte_offset()..]))
}

fn kind(value: &str) -> &'static str {
    match value.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'0'..=b'9' | b'-') => "a number",
        _ => "a value",
    }
}

/// Beginnings of messages that go on with something of the value.
fn starts(message: &str) -> Option<&'static str> {
    let known =
        ["cannot parse", "cannot convert", "cannot use", "cannot index", "cannot calculate", "invalid regex"];
    let found = known.into_iter().find(|start| message.starts_with(start))?;
    Some(match found {
        "cannot parse" => "cannot parse a text",
        "cannot convert" => "cannot convert a value",
        "invalid regex" => "invalid regular expression",
        "cannot use" => "cannot use a value as what is needed",
        "cannot index" => "cannot index a value",
        _ => "cannot calculate with a value",
    })
}
