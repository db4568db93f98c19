//! Matching on decoded values, and cutting the matches from the text.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use serde_json_path::PathElement;

use super::{Step, elements};
use crate::page::object::{Fields, fields};

/// How deep a value is decoded that cannot be decoded in one go; serde's limit.
const MAX_DEPTH: usize = 128;

/// Fields of an object that are looked up one by one; more are looked up in an index of all.
const FEW: usize = 8;

/// All matches of a query below `value`. Numbers beyond 64 bits are compared as doubles in filters, but come as they
/// are written.
pub(super) fn find_all<'a>(query: &serde_json_path::JsonPath, value: &'a RawValue) -> Vec<&'a RawValue> {
    let decoded = decoded(value, MAX_DEPTH);
    let located = query.query_located(&decoded);
    let places: Vec<Vec<Step>> = located.locations().map(|place| place.iter().map(step).collect()).collect();
    let mut found = vec![None; places.len()];
    cut(value, 0, (0..places.len()).collect(), &places, &mut found);
    found.into_iter().flatten().collect()
}

/// The value, with null for what there is in the text but not among decoded values: half of a surrogate pair, numbers
/// beyond a double, and what is too deep. One such field is no reason to find nothing beside it.
fn decoded(value: &RawValue, depth: usize) -> Value {
    if let Ok(decoded) = serde_json::from_str(value.get()) {
        return decoded;
    }
    if depth == 0 {
        return Value::Null;
    }
    if let Some(elements) = elements(value) {
        return elements.into_iter().map(|element| decoded(element, depth - 1)).collect();
    }
    let fields = fields(value).unwrap_or_default();
    if fields.iter().next().is_none() {
        return Value::Null;
    }
    fields.iter().map(|(name, value)| (name.to_string(), decoded(value, depth - 1))).collect()
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
    let index = fields.as_ref().filter(|_| below.len() > FEW).map(Fields::index);
    for (step, wanted) in below {
        let value = match step {
            Step::Index(index) => elements.as_ref().and_then(|elements| elements.get(*index).copied()),
            Step::Key(key) => match (&index, &fields) {
                (Some(index), _) => index.get(key.as_str()).copied(),
                (None, Some(fields)) => fields.get(key),
                (None, None) => None,
            },
            Step::All => None,
        };
        if let Some(value) = value {
            cut(value, depth + 1, wanted, places, found);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::{JsonPath, Kind, parse};
    use super::*;

    /// JSON with names that come twice or are written with escapes.
    fn any_json() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            Just("a"),
            Just("b"),
            Just(r"\u0061"),
            Just("é"),
            Just(r"\u00e9"),
            Just("a b"),
            Just("\\\"")
        ];
        let leaf = prop_oneof!["-?[1-9][0-9]{0,30}", Just("null".to_owned()), Just(r#""\u0061""#.to_owned())];
        leaf.prop_recursive(4, 40, 4, move |inner| {
            let field =
                (name.clone(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\" : {value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(|elements| format!("[{}]", elements.join(" ,"))),
                prop::collection::vec(field, 0..5).prop_map(|fields| format!("{{{}}}", fields.join(", "))),
            ]
        })
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let name = prop_oneof![Just("a"), Just("b"), Just("é"), Just("a b"), Just("\"")];
        prop_oneof![
            name.prop_map(|name| Step::Key(name.to_owned())),
            (0_usize..3).prop_map(Step::Index),
            Just(Step::All),
        ]
    }

    proptest! {
        #[test]
        fn both_ways_find_the_same(document in any_json(), steps in prop::collection::vec(any_step(), 0..4)) {
            let document: &RawValue = serde_json::from_str(&document).unwrap();
            let text = format!("${}", parse::canonical(&steps));
            let query = Kind::Query(Box::new(serde_json_path::JsonPath::parse(&text).unwrap()));
            let in_text = JsonPath { text: text.clone(), kind: Kind::Steps(steps) };
            let on_values = JsonPath { text, kind: query };
            let found = |path: &JsonPath| path.find_all(document).into_iter().map(RawValue::get).collect::<Vec<_>>();
            prop_assert_eq!(found(&in_text), found(&on_values), "{}", in_text);
            prop_assert_eq!(in_text.find(document).map(RawValue::get), on_values.find(document).map(RawValue::get));
        }
    }
}
