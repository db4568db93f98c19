//! Fields by their names.

use std::fmt;
use std::str::FromStr;

/// A field of a row: names joined by dots, through objects and the elements of lists. In a name, `\` takes its meaning
/// from a dot or a bracket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath {
    text: String,
    keys: Vec<String>,
}

/// Why a text names no field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldPathError {
    /// A name is empty.
    #[error("has an empty name in it")]
    Empty,
    /// It is JSONPath.
    #[error("is not just names joined by dots")]
    NotPlain,
}

impl FieldPath {
    /// The names, outermost first; one at least.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }
}

impl FromStr for FieldPath {
    type Err = FieldPathError;

    fn from_str(text: &str) -> Result<Self, FieldPathError> {
        let mut keys = vec![String::new()];
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            let key = keys.last_mut().ok_or(FieldPathError::Empty)?;
            match char {
                '\\' => key.push(chars.next().ok_or(FieldPathError::NotPlain)?),
                '.' => keys.push(String::new()),
                '[' | ']' | '*' => return Err(FieldPathError::NotPlain),
                char => key.push(char),
            }
        }
        if keys.len() > 1 && keys[0] == "$" {
            return Err(FieldPathError::NotPlain);
        }
        if keys.iter().any(String::is_empty) {
            return Err(FieldPathError::Empty);
        }
        Ok(Self { text: text.to_owned(), keys })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_by_dots() {
        let keys = |text: &str| text.parse().map(|path: FieldPath| path.keys);
        let names = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(keys("a"), names(&["a"]));
        assert_eq!(keys("auth.email"), names(&["auth", "email"]));
        assert_eq!(keys(r"a\.b.c\[0\]"), names(&["a.b", "c[0]"]));
        assert_eq!(keys("$"), names(&["$"]));
        for text in ["", "a.", ".a", "a..b"] {
            assert_eq!(keys(text), Err(FieldPathError::Empty), "{text}");
        }
        for text in ["$.a", "a[0]", "a[*].b", "a.*", "a\\"] {
            assert_eq!(keys(text), Err(FieldPathError::NotPlain), "{text}");
        }
    }
}
