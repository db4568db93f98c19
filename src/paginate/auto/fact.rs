//! What a field beside the rows may be, by its name and value.

use serde_json::Value;

use super::super::link::{ADDRESS_KEYS, is_next};
use crate::page::{JsonPath, is_truthy};

/// Flags that more pages follow, in lower case and without underscores.
const FLAGS: [&str; 12] = [
    "hasmore",
    "hasnext",
    "hasnextpage",
    "more",
    "moreresults",
    "ismore",
    "hasmoreitems",
    "hasmoreresults",
    "moreitemsincollection",
    "morerecords",
    "moreavailable",
    "istruncated",
];

/// Flags that none follow, likewise.
const END_FLAGS: [&str; 6] = ["islast", "islastpage", "last", "lastpage", "endofstream", "done"];

/// Fields that lead on in some APIs, likewise: not how, but that there is a next page.
const LEADS: [&str; 12] = [
    "cursor",
    "endcursor",
    "aftercursor",
    "after",
    "continuationtoken",
    "continuation",
    "pagetoken",
    "paginationtoken",
    "scrollid",
    "bookmark",
    "lastevaluatedkey",
    "offset",
];

/// Names of a total number of rows, likewise.
pub(super) const TOTALS: [&str; 6] =
    ["total", "totalcount", "totalresults", "totalitems", "totalrecords", "totalrows"];

/// A field of an object that is no row: where it is, and what it holds.
pub(super) struct Fact {
    /// Names from the root on.
    pub(super) keys: Vec<String>,
    pub(super) value: Value,
}

impl Fact {
    pub(super) fn name(&self) -> &str {
        self.keys.last().map_or("", String::as_str)
    }

    pub(super) fn path(&self) -> JsonPath {
        JsonPath::from_keys(&self.keys)
    }

    pub(super) fn is_next(&self) -> bool {
        let in_next = || self.keys.iter().rev().nth(1).is_some_and(|above| is_next(above));
        let is_address = |name: &str| {
            let name = name.to_lowercase();
            ADDRESS_KEYS.iter().any(|key| name.starts_with(key)) || name == "after"
        };
        is_next(self.name()) || (in_next() && is_address(self.name()))
    }

    pub(super) fn is_flag(&self) -> bool {
        self.value.is_boolean() && FLAGS.contains(&plain(self.name()).as_str())
    }

    /// `total`, or `total.value`.
    pub(super) fn is_total(&self) -> bool {
        let is_named = |name: &String| TOTALS.contains(&plain(name).as_str());
        match self.keys.as_slice() {
            [.., above, name] if name == "value" => is_named(above),
            keys => keys.last().is_some_and(is_named),
        }
    }

    pub(super) fn is_end_flag(&self) -> bool {
        self.value.is_boolean() && END_FLAGS.contains(&plain(self.name()).as_str())
    }

    /// Whether it, or an object that it is part of, is what other APIs lead on with.
    pub(super) fn is_lead(&self) -> bool {
        let is_address =
            self.value.as_str().is_some_and(|text| text.starts_with("http") || text.starts_with('/'));
        let is_more = || is_address && plain(self.name()).starts_with("more");
        let is_named = || is_more() || self.keys.iter().any(|key| LEADS.contains(&plain(key).as_str()));
        self.is_token() && (self.value.is_string() || self.name() != "offset") && is_named()
    }

    pub(super) fn is_token(&self) -> bool {
        !self.value.is_boolean() && is_truthy(&self.value)
    }

    pub(super) fn number(&self) -> Option<u64> {
        match &self.value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

/// `hasMore`, `has_more`, `has-more` → `hasmore`.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|char| !matches!(char, '_' | '-')).collect::<String>().to_lowercase()
}
