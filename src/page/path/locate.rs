//! Matching on decoded values, and cutting the matches from the text.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use serde_json_path::PathElement;

use super::{Step, elements};
use crate::page::object::fields;

/// All matches of a query below `value`. Numbers beyond 64 bits are compared as doubles in filters, but come as they
/// are written.
pub(super) fn find_all<'a>(query: &serde_json_path::JsonPath, value: &'a RawValue) -> Vec<&'a RawValue> {
    let Ok(decoded) = serde_json::from_str::<Value>(value.get()) else { return Vec::new() };
    let located = query.query_located(&decoded);
    let places: Vec<Vec<Step>> = located.locations().map(|place| place.iter().map(step).collect()).collect();
    let mut found = vec![None; places.len()];
    cut(value, 0, (0..places.len()).collect(), &places, &mut found);
    found.into_iter().flatten().collect()
}

fn step(element: &PathElement<'_>) -> Step {
    match element {
        PathElement::Name(name) => Step::Key((*name).to_owned()),
        PathElement::Index(index) => Step::Index(*index),
    }
}

/// Puts the texts at `places` into `found`. All of `wanted` share their first `depth` steps, which lead to `value`:
/// each list and object on the way is taken apart once.
fn cut<'a>(
    value: &'a RawValue,
    depth: usize,
    wanted: Vec<usize>,
    places: &[Vec<Step>],
    found: &mut [Option<&'a RawValue>],
) {
    let mut below: BTreeMap<&Step, Vec<usize>> = BTreeMap::new();
    for place in wanted {
        match places[place].get(depth) {
            None => found[place] = Some(value),
            Some(step) => below.entry(step).or_default().push(place),
        }
    }
    if below.is_empty() {
        return;
    }
    let (elements, fields) = (elements(value), fields(value).ok());
    for (step, wanted) in below {
        let value = match step {
            Step::Index(index) => elements.as_ref().and_then(|elements| elements.get(*index).copied()),
            Step::Key(key) => fields.as_ref().and_then(|fields| fields.get(key)),
            Step::All => None,
        };
        if let Some(value) = value {
            cut(value, depth + 1, wanted, places, found);
        }
    }
}
