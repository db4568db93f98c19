//! A walk over JSON text that was checked before: one pass, no copies, no recursion.
//!
//! Splitting with `serde_json`'s map access and raw values checks each value once more and was a third of the
//! time of normalizing. Text that is no JSON after all ends a walk early; it cannot make it panic.

use std::borrow::Cow;

use crate::schema::{Value, decode};

/// One value as the walk meets it.
#[derive(Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A scalar, decoded.
    Scalar(Value<'a>),
    /// An object, with its braces.
    Object(&'a str),
    /// An array, with its brackets.
    Array(&'a str),
}

/// A place in JSON text.
#[derive(Debug, Clone)]
pub(super) struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    /// A walk over one value; blanks before it are passed.
    pub(super) fn new(text: &'a str) -> Self {
        let mut walk = Self { text, at: 0 };
        walk.skip_separators();
        walk
    }

    /// Whether an object begins here.
    pub(super) fn at_object(&self) -> bool {
        self.peek() == b'{'
    }

    /// Enters the object or array that begins here.
    pub(super) fn enter(&mut self) {
        self.at += 1;
    }

    /// Takes the next field of the object that was entered: what stands between the quotes of its name, and its
    /// value. At the end of the object it is left.
    pub(super) fn member(&mut self) -> Option<(&'a str, Token<'a>)> {
        self.skip_separators();
        if self.peek() != b'"' {
            self.at += 1;
            return None;
        }
        let (name, _) = self.string();
        self.skip_separators();
        Some((name, self.token()))
    }

    /// Goes to the next element of the array that was entered. Returns whether there is one.
    pub(super) fn has_element(&mut self) -> bool {
        self.skip_separators();
        !matches!(self.peek(), b']' | 0)
    }

    /// The next byte; 0, which JSON text does not hold, at the end.
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn skip_separators(&mut self) {
        while matches!(self.peek(), b' ' | b',' | b':' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Takes the value that begins here.
    pub(super) fn token(&mut self) -> Token<'a> {
        let start = self.at;
        match self.peek() {
            b'"' => {
                let (raw, escaped) = self.string();
                Token::Scalar(Value::Text(if escaped { decode(raw) } else { Cow::Borrowed(raw) }))
            }
            b'{' => {
                self.skip_nested();
                Token::Object(self.since(start))
            }
            b'[' => {
                self.skip_nested();
                Token::Array(self.since(start))
            }
            first => {
                self.skip_scalar();
                Token::Scalar(match first {
                    b't' => Value::Bool(true),
                    b'f' => Value::Bool(false),
                    b'n' => Value::Null,
                    _ => Value::number(self.since(start)),
                })
            }
        }
    }

    /// Takes the next field of the object that was entered, as it stands in the text: what stands between the quotes
    /// of its name, and its value.
    pub(super) fn raw_member(&mut self) -> Option<(&'a str, &'a str)> {
        self.skip_separators();
        if self.peek() != b'"' {
            return None;
        }
        let (name, _) = self.string();
        self.skip_separators();
        Some((name, self.raw()))
    }

    /// Takes the value that begins here, as it stands in the text.
    pub(super) fn raw(&mut self) -> &'a str {
        let start = self.at;
        match self.peek() {
            b'"' => drop(self.string()),
            b'{' | b'[' => self.skip_nested(),
            _ => self.skip_scalar(),
        }
        self.since(start)
    }

    /// Goes past a number, `true`, `false` or `null`.
    fn skip_scalar(&mut self) {
        self.at += 1;
        while !matches!(self.peek(), b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | 0) {
            self.at += 1;
        }
    }

    /// Takes a string; gives what is between its quotes and whether that has escapes.
    fn string(&mut self) -> (&'a str, bool) {
        self.at += 1;
        let start = self.at;
        let escaped = self.skip_to_quote();
        let raw = self.since(start);
        self.at += 1;
        (raw, escaped)
    }

    /// Goes to the quote that ends a string. Returns whether there are escapes before it.
    fn skip_to_quote(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        loop {
            // Eight bytes at a time while there is neither quote nor backslash.
            while let Some(word) = bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
                let word = u64::from_le_bytes(*word);
                let found = equal_bytes(word, b'"') | equal_bytes(word, b'\\');
                if found != 0 {
                    self.at += found.trailing_zeros() as usize / 8;
                    break;
                }
                self.at += 8;
            }
            match bytes.get(self.at) {
                Some(b'"') | None => return escaped,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// Goes past an object or array.
    fn skip_nested(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            self.at += 1;
            match byte {
                b'"' => {
                    self.skip_to_quote();
                    self.at += 1;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }
}

/// The high bit of each byte of `word` that equals `byte`; bytes above the first such one may be marked falsely.
fn equal_bytes(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let difference = word ^ (LOW * u64::from(byte));
    difference.wrapping_sub(LOW) & !difference & (LOW << 7)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(text: &str) -> Vec<(&str, Token<'_>)> {
        let mut walk = Walk::new(text);
        walk.enter();
        std::iter::from_fn(|| walk.member()).collect()
    }

    fn elements(text: &str) -> Vec<Token<'_>> {
        let mut walk = Walk::new(text);
        walk.enter();
        std::iter::from_fn(|| walk.has_element().then(|| walk.token())).collect()
    }

    #[test]
    fn values_are_what_stands_in_the_text() {
        let text = "{ \"a\" : 1,\n\"b\\\"\":\"x\\ny\", \"o\":{\"p\":[\"}\",\"\\\\\"]}, \"l\":[ ] ,\"n\":null,\"t\":true }";
        let found = members(text);
        let expected = vec![
            ("a", Token::Scalar(Value::Int(1))),
            ("b\\\"", Token::Scalar(Value::Text("x\ny".into()))),
            ("o", Token::Object("{\"p\":[\"}\",\"\\\\\"]}")),
            ("l", Token::Array("[ ]")),
            ("n", Token::Scalar(Value::Null)),
            ("t", Token::Scalar(Value::Bool(true))),
        ];
        assert_eq!(found, expected);
        let found = elements("[ -1.5 ,[1], \"é\" ]");
        let expected = vec![
            Token::Scalar(Value::Float(-1.5)),
            Token::Array("[1]"),
            Token::Scalar(Value::Text("é".into())),
        ];
        assert_eq!(found, expected);
        assert_eq!(members("{}").len() + elements("[]").len(), 0);
    }

    proptest! {
        #[test]
        fn any_text_is_found_again(texts in prop::collection::vec("\\PC{0,30}|[\"\\\\\n/]{0,12}", 0..6)) {
            let json = serde_json::to_string(&texts).unwrap();
            let found = elements(&json);
            let expected: Vec<_> = texts.iter().map(|text| Token::Scalar(Value::Text(text.as_str().into()))).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_text_panics(text in "[\\[\\]{}\",:\\\\a1 ]{0,30}") {
            prop_assert!(members(&text).len() + elements(&text).len() <= 2 * text.len());
        }
    }
}
