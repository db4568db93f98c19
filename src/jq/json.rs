//! Values as expressions have them: with all digits of their numbers.

use std::collections::HashMap;

use jaq_core::ValT;
use jaq_json::{Num, Val};
use serde_json::value::RawValue;

use super::JqError;

/// How deep lists and objects may be within each other: serde's limit, too.
pub(super) const MAX_DEPTH: usize = 128;

/// Most bytes that one value may take as JSON: a value whose parts are shared can be beyond all bounds when written.
const MAX_BYTES: usize = 64 << 20;

/// Most brackets in a text with comments: as many levels fit the stack.
const MAX_OPENING: usize = 100_000;

/// A value on its way through expressions. Integers of any size and decimals that nothing was computed with keep all
/// their digits.
#[derive(Debug, Clone)]
pub struct Json(pub(super) Val);

impl Json {
    /// Reads one value.
    ///
    /// # Errors
    /// The text is not JSON, or too deep.
    pub fn parse(text: &str) -> Result<Self, JqError> {
        if depth(text.as_bytes()) > MAX_DEPTH {
            return Err(JqError::too_deep_value());
        }
        jaq_json::read::parse_single(text.as_bytes()).map(Self).map_err(|_| JqError::not_json())
    }

    /// Whether jq takes it for true: all but `null` and `false`.
    pub fn is_true(&self) -> bool {
        self.0.as_bool()
    }

    /// The elements of a list; anything else as it is.
    ///
    /// # Errors
    /// It is no list.
    pub fn into_elements(self) -> Result<Vec<Self>, Self> {
        match self.0 {
            Val::Arr(elements) => {
                let elements = std::sync::Arc::unwrap_or_clone(elements);
                Ok(elements.into_iter().map(Self).collect())
            }
            other => Err(Self(other)),
        }
    }

    /// Whether it has no more levels than a value may have. Parts that are shared are looked at once.
    pub(super) fn is_shallow(&self) -> bool {
        let mut seen = HashMap::new();
        let mut waiting = vec![(&self.0, 0_usize)];
        while let Some((value, depth)) = waiting.pop() {
            let part = match value {
                Val::Arr(elements) => std::sync::Arc::as_ptr(elements).cast::<()>(),
                Val::Obj(fields) => std::sync::Arc::as_ptr(fields).cast::<()>(),
                _ => continue,
            };
            if depth == MAX_DEPTH {
                return false;
            }
            // What was met at this depth or below it has been followed as far down.
            if seen.get(&part).is_some_and(|met| *met >= depth) {
                continue;
            }
            seen.insert(part, depth);
            match value {
                Val::Arr(elements) => waiting.extend(elements.iter().map(|element| (element, depth + 1))),
                Val::Obj(fields) => waiting.extend(fields.values().map(|field| (field, depth + 1))),
                _ => {}
            }
        }
        true
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.0, Val::Null)
    }

    /// The value as JSON.
    ///
    /// # Errors
    /// It has something that JSON has not: bytes, or a key that is no text.
    pub fn to_text(&self) -> Result<String, JqError> {
        let mut out = String::new();
        self.write(&mut out)?;
        Ok(out)
    }

    /// Appends the value as JSON.
    ///
    /// # Errors
    /// As [`Self::to_text`].
    pub fn write(&self, out: &mut String) -> Result<(), JqError> {
        self.write_within(MAX_BYTES, out)
    }

    pub(super) fn write_within(&self, limit: usize, out: &mut String) -> Result<(), JqError> {
        let limit = out.len().saturating_add(limit);
        write(&self.0, 0, limit, out)
    }
}

/// How deep lists and objects are within each other in a text. One with `#` may have comments, in which a quote means
/// nothing, so all brackets count there if they are many.
pub(super) fn depth(text: &[u8]) -> usize {
    let opening = text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if opening <= MAX_DEPTH || (opening > MAX_OPENING && text.contains(&b'#')) {
        return opening;
    }
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.iter().copied() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn write(value: &Val, depth: usize, limit: usize, out: &mut String) -> Result<(), JqError> {
    if depth > MAX_DEPTH {
        return Err(JqError::too_deep_value());
    }
    if out.len() > limit {
        return Err(JqError::too_long());
    }
    match value {
        Val::Null => out.push_str("null"),
        Val::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Val::Num(number) => write_number(number, out),
        Val::TStr(text) => write_text(text, out),
        Val::BStr(_) => return Err(JqError::not_json()),
        Val::Arr(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(element, depth + 1, limit, out)?;
            }
            out.push(']');
        }
        Val::Obj(fields) => {
            out.push('{');
            for (index, (key, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                let Val::TStr(key) = key else { return Err(JqError::not_json()) };
                write_text(key, out);
                out.push(':');
                write(value, depth + 1, limit, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// As jq writes them: what is no number is null, and what is too large is the largest there is.
fn write_number(number: &Num, out: &mut String) {
    match number {
        Num::Float(float) if float.is_nan() => out.push_str("null"),
        Num::Float(float) if float.is_infinite() => {
            out.push_str(if *float > 0.0 { "1.7976931348623157e308" } else { "-1.7976931348623157e308" });
        }
        // `fromjson` takes texts for decimals that JSON does not, like `+.5`.
        Num::Dec(text) if serde_json::from_str::<&RawValue>(text).is_err() => {
            write_number(&Num::from_dec_str(text), out);
        }
        number => out.push_str(&number.to_string()),
    }
}

fn write_text(text: &[u8], out: &mut String) {
    let text = String::from_utf8_lossy(text);
    // A text can always be written.
    out.push_str(&serde_json::to_string(&text).unwrap_or_default());
}
