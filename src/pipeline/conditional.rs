//! What the state keeps of answers, so that those that are still the same need not be sent again: below the resource,
//! under `forebay.validators`, with a hash of what made rows of them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha3::{Digest, Sha3_256};

use super::start;
use crate::config::ResourcePlan;
use crate::http::Validators;
use crate::state::OWN_STATE;

/// Answers of one resource that are known; a child with more rows above it asks for the others anew each time.
pub(super) const MAX_ANSWERS: usize = 1000;

/// What the state of a resource knows of its answers; nothing if rows would be made of them otherwise now.
pub(super) fn known(
    resource: &ResourcePlan,
    state: Option<&Map<String, Value>>,
) -> BTreeMap<String, Validators> {
    let stored = state.and_then(|state| state.get(OWN_STATE)?.get("validators"));
    let stored = stored.filter(|stored| stored["plan"] == hash(resource));
    let answers = stored.and_then(|stored| stored.get("answers")).cloned().unwrap_or_default();
    serde_json::from_value(answers).unwrap_or_default()
}

/// What the state of a resource gets. All that was known before is replaced: what was not met again is out of date.
pub(super) fn state(resource: &ResourcePlan, answers: &BTreeMap<String, Validators>) -> Map<String, Value> {
    let validators = json!({ "plan": hash(resource), "answers": answers });
    Map::from_iter([("validators".to_owned(), validators)])
}

fn hash(resource: &ResourcePlan) -> String {
    let made = json!([start::fetched(resource), format!("{:?} {:?}", resource.hints, resource.deletes),]);
    URL_SAFE_NO_PAD.encode(&Sha3_256::digest(made.to_string())[..12])
}
