//! What was learnt about the shape of rows: which field a key means, which table a list fills.
//!
//! Naming and look-ups by name happen once per new key of an object at one place of one table. After that a key
//! costs one comparison, since rows of one resource have their keys in the same order nearly always.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::schema::strip;

/// Index of a [`Shape`].
pub(super) type ShapeId = usize;
/// Index of a [`List`].
pub(super) type ListId = usize;

/// Objects at one place: rows of a table, or objects nested in them.
#[derive(Debug)]
pub(super) struct Shape {
    /// The table that the fields belong to.
    pub(super) table: usize,
    /// Names of the objects around, normalized.
    pub(super) path: Vec<String>,
    /// Path of the objects in the source.
    pub(super) source: String,
    /// How many more levels are taken apart; at 0 objects and lists are kept whole.
    pub(super) level: i64,
    /// The same for the row that this is part of.
    pub(super) row_level: i64,
    keys: Vec<Key>,
    index: HashMap<Box<str>, usize, RandomState>,
}

/// A key of a [`Shape`].
#[derive(Debug)]
pub(super) struct Key {
    /// The text between the quotes.
    raw: Box<str>,
    /// Normalized name.
    pub(super) name: String,
    /// Whether there is nothing but white space in it.
    pub(super) is_blank: bool,
    /// Path of its values in the source.
    pub(super) source: String,
    /// The field of the table that it fills.
    pub(super) field: usize,
    /// Where objects under this key go on.
    pub(super) object: Option<ShapeId>,
    /// Where lists under this key go on.
    pub(super) list: Option<ListId>,
    /// The last object that had the key.
    pub(super) met_in: u64,
    /// Which of that object's keys it was.
    pub(super) met_at: usize,
}

impl Key {
    /// A key that has not been met: the text between its quotes, its name, its source, its number, its field.
    pub(super) fn new(raw: &str, name: String, source: String, field: usize) -> Self {
        let raw = raw.into();
        Self { raw, name, is_blank: false, source, field, object: None, list: None, met_in: 0, met_at: 0 }
    }
}

/// Lists at one place: the child table that they fill.
#[derive(Debug)]
pub(super) struct List {
    /// The table of the rows that have the list.
    pub(super) parent: usize,
    /// Names of the objects around, and its own.
    pub(super) path: Vec<String>,
    /// How many more levels are taken apart in its elements.
    pub(super) level: i64,
    /// Elements, taken as rows.
    pub(super) rows: ShapeId,
    /// Elements that are lists again: rows with that list as their only field.
    pub(super) wrapped: ShapeId,
    /// Whether another list fills the same table.
    pub(super) shares_table: bool,
    /// The last row that had the list.
    pub(super) seen_in: u64,
    /// Where the list of that row waits.
    pub(super) seen_at: usize,
}

/// How a value stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is under a key of an object.
    Member,
    /// It is all there is.
    Whole,
    /// It comes from the parent's row.
    Parent,
}

/// The path of a field, with its key as the API has it.
pub(super) fn member_path(object: &str, key: &str) -> String {
    let is_plain = |key: &str| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        key.bytes().all(is_word) && key.bytes().next().is_some_and(|first| !first.is_ascii_digit())
    };
    if is_plain(key) {
        return format!("{object}.{key}");
    }
    let quoted = key.chars().map(|symbol| match symbol {
        '\\' | '\'' => format!("\\{symbol}"),
        // Not least NUL, which no SQL statement can hold.
        symbol if symbol.is_control() => format!("\\u{:04x}", u32::from(symbol)),
        symbol => symbol.to_string(),
    });
    format!("{object}['{}']", quoted.collect::<String>())
}

impl Shape {
    /// Rows of a table, without keys yet.
    pub(super) fn of_rows(table: usize, source: &str, level: i64) -> Self {
        Self::new(table, Vec::new(), source.to_owned(), level, level)
    }

    fn new(table: usize, path: Vec<String>, source: String, level: i64, row_level: i64) -> Self {
        Self { table, path, source, level, row_level, keys: Vec::new(), index: HashMap::default() }
    }

    /// The objects under a key, without keys yet.
    pub(super) fn inner(&self, position: usize) -> Self {
        let key = &self.keys[position];
        Self::new(self.table, self.path_of(position), key.source.clone(), self.level - 1, self.row_level)
    }

    /// Names of the objects around a key, and its own.
    pub(super) fn path_of(&self, position: usize) -> Vec<String> {
        let mut path = self.path.clone();
        path.push(self.keys[position].name.clone());
        path
    }

    /// The same for the table of a list. As in dlt a blank key has no part in its name, unless it is the only one.
    pub(super) fn list_path_of(&self, position: usize) -> Vec<String> {
        if self.keys[position].is_blank && !self.path.is_empty() {
            return self.path.clone();
        }
        self.path_of(position)
    }

    /// Position of a key; `guess` is where it is expected.
    pub(super) fn find(&self, raw: &str, guess: usize) -> Option<usize> {
        if self.keys.get(guess).is_some_and(|key| *key.raw == *raw) {
            return Some(guess);
        }
        self.index.get(raw).copied()
    }

    /// Position of a key that was added with other escapes.
    pub(super) fn find_escaped(&mut self, raw: &str, decoded: &str) -> Option<usize> {
        let position = self.index.get(decoded).copied().filter(|_| is_plain(decoded))?;
        self.index.insert(raw.into(), position);
        Some(position)
    }

    /// Adds a key. Returns its position.
    pub(super) fn add(&mut self, decoded: &str, key: Key) -> usize {
        let position = self.keys.len();
        self.index.insert(key.raw.clone(), position);
        if is_plain(decoded) {
            self.index.insert(decoded.into(), position);
        }
        self.keys.push(Key { is_blank: strip(decoded).is_empty(), ..key });
        position
    }

    /// The key at a position that [`Shape::find`] or [`Shape::add`] gave.
    pub(super) fn key(&mut self, position: usize) -> &mut Key {
        &mut self.keys[position]
    }
}

/// Whether a key reads the same between quotes.
fn is_plain(decoded: &str) -> bool {
    !decoded.contains(['"', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_no_words_are_quoted() {
        let check = |key, expected| assert_eq!(member_path("$.a[*]", key), expected);
        check("planId", "$.a[*].planId");
        check("2nd", "$.a[*]['2nd']");
        check("", "$.a[*]['']");
        check("it's a \\", "$.a[*]['it\\'s a \\\\']");
        check("Größe", "$.a[*]['Größe']");
        check("a\0\n", "$.a[*]['a\\u0000\\u000a']");
    }
}
