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
    /// The last row that had the list.
    pub(super) seen_in: u64,
    /// Where the list of that row waits.
    pub(super) seen_at: usize,
}

impl Shape {
    /// A shape without keys.
    pub(super) fn new(table: usize, path: Vec<String>, level: i64, row_level: i64) -> Self {
        Self { table, path, level, row_level, keys: Vec::new(), index: HashMap::default() }
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
    pub(super) fn add(&mut self, raw: &str, decoded: &str, name: String, field: usize) -> usize {
        let position = self.keys.len();
        let is_blank = strip(decoded).is_empty();
        let key =
            Key { raw: raw.into(), name, is_blank, field, object: None, list: None, met_in: 0, met_at: 0 };
        self.keys.push(key);
        self.index.insert(raw.into(), position);
        if is_plain(decoded) {
            self.index.insert(decoded.into(), position);
        }
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
