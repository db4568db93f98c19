//! Raw → plan: what happens to rows before they are kept.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::graph::Draft;
use super::problem::{Report, at_index, at_key};
use super::raw::{RawFields, RawProtection, RawProtectionName, RawScalar, RawStep};
use super::{DataPlan, EndpointPlan, IncrementalPlan, Secret};
use crate::jq::Filter;
use crate::process::{Fate, FieldPath, FieldPathError, ProcessPlan, Processor, Protection, Step, StepKind};
use crate::schema::TableHints;

/// Fewest characters of a hash key: fewer can be found by trying.
const MIN_HASH_KEY: usize = 16;

/// What the file says of a resource's rows, each with its place.
pub(super) struct Raw<'a> {
    pub steps: Option<(&'a Vec<RawStep>, String)>,
    pub fields: Option<(&'a RawFields, String)>,
    /// The resource's own, and those of the defaults, which it overrides field by field.
    pub protect: [Option<(&'a IndexMap<String, RawProtection>, String)>; 2],
    pub hash_key: Option<&'a Secret>,
}

/// The key of all hashes of a pipeline.
pub(super) fn hash_key(raw: Option<&RawScalar>, report: &mut Report) -> Option<Secret> {
    let key = raw?.to_text();
    if key.chars().count() < MIN_HASH_KEY {
        let hint = "make one with `openssl rand -hex 32`, keep it, and give it as `${A_VARIABLE}`";
        report.add(
            "pipeline.hash_key",
            format!("has less than {MIN_HASH_KEY} characters"),
            Some(hint.to_owned()),
        );
    }
    Some(Secret::new(key))
}

pub(super) fn processor(raw: &Raw<'_>, report: &mut Report) -> Processor {
    let mut plan = ProcessPlan { hash_key: raw.hash_key.cloned(), ..ProcessPlan::default() };
    if let Some((list, place)) = &raw.steps {
        plan.steps = steps(list, place, report);
    }
    if let Some((fields, place)) = &raw.fields {
        let paths = |names: &Option<Vec<String>>, key: &str, report: &mut Report| {
            let place = at_key(place, key);
            let names = names.iter().flatten().enumerate();
            names.filter_map(|(index, name)| path(name, &at_index(&place, index), report)).collect()
        };
        plan.include = paths(&fields.include, "include", report);
        plan.exclude = paths(&fields.exclude, "exclude", report);
        if fields.include.as_ref().is_some_and(Vec::is_empty) {
            report.add(&at_key(place, "include"), "is empty: no field would be kept", None);
        }
        plan.rename = renames(fields.rename.as_ref(), &at_key(place, "rename"), report);
    }
    plan.protect = protections(raw, report);
    Processor::new(plan)
}

fn steps(list: &[RawStep], place: &str, report: &mut Report) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, raw) in list.iter().enumerate() {
        let place = at_index(place, index);
        let kinds = [
            (StepKind::Filter, &raw.filter),
            (StepKind::Map, &raw.map),
            (StepKind::YieldMap, &raw.yield_map),
        ];
        if kinds.iter().all(|(_, text)| text.is_none()) {
            let hint = "give it a `filter`, a `map` or a `yield_map`";
            report.add(&place, "does nothing", Some(hint.to_owned()));
        }
        for (kind, text) in kinds {
            let Some(text) = text else { continue };
            match Filter::parse(text) {
                Ok(filter) => steps.push(Step { number: index + 1, kind, filter }),
                Err(error) => {
                    let place = at_key(&place, &kind.to_string());
                    let message =
                        if report.may_show(&place) { error.to_string() } else { error.without_text() };
                    report.add(&place, format!("is no jq expression: {message}"), None);
                }
            }
        }
    }
    steps
}

fn path(name: &str, place: &str, report: &mut Report) -> Option<FieldPath> {
    let error = match name.parse() {
        Ok(path) => return Some(path),
        Err(error) => error,
    };
    let hint = match error {
        FieldPathError::NotPlain => {
            "lists are gone through by themselves: write `items.email`, and `\\[` for a bracket in a name"
        }
        FieldPathError::Empty => "write the names of fields with dots between them, like `auth.email`",
    };
    report.add(place, error.to_string(), Some(hint.to_owned()));
    None
}

fn renames(
    raw: Option<&IndexMap<String, String>>,
    place: &str,
    report: &mut Report,
) -> Vec<(FieldPath, String)> {
    let mut renames: Vec<(FieldPath, String)> = Vec::new();
    for (field, name) in raw.into_iter().flatten() {
        let place = at_key(place, field);
        let Some(path) = path(field, &place, report) else { continue };
        let outer = |path: &FieldPath| path.keys().split_last().map(|(_, outer)| outer.to_vec());
        if name.trim().is_empty() {
            report.add(&place, "has an empty name", None);
        } else if renames.iter().any(|(other, taken)| taken == name && outer(other) == outer(&path)) {
            report.add_text(&place, name, "is the new name of two fields");
        } else {
            renames.push((path, name.clone()));
        }
    }
    renames
}

fn protections(raw: &Raw<'_>, report: &mut Report) -> Vec<(FieldPath, Protection)> {
    let mut merged = BTreeMap::new();
    for (fields, place) in raw.protect.iter().rev().flatten() {
        for (name, protection) in *fields {
            let place = at_key(place, name);
            if let Some(path) = path(name, &place, report) {
                merged.insert(path.keys().to_vec(), (path, protection, place));
            }
        }
    }
    let mut protections = Vec::new();
    for (path, protection, place) in merged.into_values() {
        let protection = match protection {
            RawProtection::Name(RawProtectionName::Hash) => Protection::Hash,
            RawProtection::Name(RawProtectionName::Mask) => Protection::Mask(0),
            RawProtection::Name(RawProtectionName::Drop) => Protection::Drop,
            RawProtection::Name(RawProtectionName::Keep) => continue,
            RawProtection::Mask(mask) => Protection::Mask(mask.mask as usize),
        };
        if protection == Protection::Hash && raw.hash_key.is_none() {
            let hint = "set pipeline.hash_key to `${A_VARIABLE}` with a long random text: without it, \
                        everybody could find the values by trying";
            report.add(&place, "needs a key", Some(hint.to_owned()));
        }
        protections.push((path, protection));
    }
    protections
}

/// Whether what the resource itself is told by is still there after processing. `path` is the resource's place.
pub(super) fn check(
    processor: &Processor,
    hints: &TableHints,
    incremental: Option<&IncrementalPlan>,
    endpoint: Option<&EndpointPlan>,
    path: &str,
    report: &mut Report,
) {
    for (key, names) in [("primary_key", &hints.primary_key), ("merge_key", &hints.merge_key)] {
        for (index, name) in names.iter().enumerate() {
            let subject = shown(key, Some(index), name, path, report);
            let keys: Vec<&str> = name.split("__").collect();
            let hint = "hash it: then different rows stay different";
            match processor.fate(&keys) {
                Fate::Hashed => {}
                fate => check_fate(&fate, &at_key(path, key), &subject, hint, report),
            }
        }
    }
    if let Some(IncrementalPlan::CursorField(field)) = incremental {
        let text = field.cursor_path.to_string();
        let subject = shown("endpoint.incremental.cursor_path", None, &text, path, report);
        let place = format!("{path}.endpoint.incremental.cursor_path");
        let hint = "the API is asked for its value; choose another field for either";
        check_fate(&processor.fate(&keys(&text)), &place, &subject, hint, report);
    }
    // Paging goes by the rows as they come, so that names and values left out of the tables do no harm.
    if endpoint.is_some_and(|endpoint| pages_by_protected(processor, endpoint)) {
        let hint = "a cursor is sent in requests and kept with what was received; page by another field, or do not protect this one";
        let message = "the paginator goes on from a field of a row that `protect` names";
        report.add(&at_key(path, "protect"), message, Some(hint.to_owned()));
    }
}

/// Whether what leads to the next page is a field of a row that is to be kept nowhere.
fn pages_by_protected(processor: &Processor, endpoint: &EndpointPlan) -> bool {
    let kind = &endpoint.paginator.kind;
    if let Some(field) = kind.last_row_field() {
        return field.names().is_some_and(|names| processor.protects(&names));
    }
    let Some(path) = kind.next_path() else { return false };
    let next = keys(path.as_str());
    match &endpoint.data_selector {
        Some(rows) => {
            let in_row = next.strip_prefix(keys(rows.as_str()).as_slice());
            in_row.is_some_and(|names| processor.protects(names))
        }
        // Where the rows are is found out later: any list on the way may be theirs.
        None if path.as_str().contains('[') => {
            (0..next.len()).any(|start| processor.protects(&next[start..]))
        }
        None => false,
    }
}

/// Whether what children take from the rows of their parents is still there after processing.
pub(super) fn check_children(drafts: &[Draft], report: &mut Report) {
    for (index, draft) in drafts.iter().enumerate() {
        let Some(plan) = &draft.plan else { continue };
        for (parent, place) in &draft.parents {
            let parent_plan =
                drafts.iter().find(|other| other.name == *parent).and_then(|other| other.plan.as_ref());
            let Some(processor) = parent_plan.map(|plan| &plan.processor) else { continue };
            for field in asked_for(&plan.endpoint, parent) {
                let hint = "the API is asked for its value; take another field of the parent";
                check_fate(&processor.fate(&keys(&field)), place, "a field of the parent", hint, report);
            }
            let path = at_index("resources", index);
            for (index, field) in plan.include_from_parent.iter().enumerate() {
                let subject = shown("include_from_parent", Some(index), field, &path, report);
                match processor.fate(&keys(field)) {
                    Fate::Hashed | Fate::Masked => {}
                    fate => check_fate(&fate, &at_key(&path, "include_from_parent"), &subject, "", report),
                }
            }
        }
    }
}

/// The field for a message, unless the file does not have it in plain text.
fn shown(key: &str, index: Option<usize>, field: &str, path: &str, report: &Report) -> String {
    let may_show = [path, "resource_defaults"].into_iter().all(|owner| {
        let place = format!("{owner}.{key}");
        report.may_show(&place) && index.is_none_or(|index| report.may_show(&at_index(&place, index)))
    });
    if may_show { format!("`{field}`") } else { "the field".to_owned() }
}

/// `hint` is for a value that is there, but not as it was.
fn check_fate(fate: &Fate, place: &str, subject: &str, hint: &str, report: &mut Report) {
    match fate {
        Fate::Kept => {}
        Fate::Hashed => report.add(place, format!("{subject} is hashed"), Some(hint.to_owned())),
        Fate::Masked => report.add(place, format!("{subject} is masked"), Some(hint.to_owned())),
        Fate::LeftOut => report.add(place, format!("{subject} is left out of the rows"), None),
        Fate::Renamed => {
            let hint = "use the new name that `fields.rename` gives it";
            report.add(place, format!("{subject} is renamed"), Some(hint.to_owned()));
        }
    }
}

/// Fields of the parent that an endpoint's placeholders name.
fn asked_for(endpoint: &EndpointPlan, parent: &str) -> Vec<String> {
    let mut texts = vec![endpoint.path.clone()];
    texts.extend(endpoint.params.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
    texts.extend(endpoint.json.iter().map(ToString::to_string));
    match &endpoint.data {
        Some(DataPlan::Form(fields)) => {
            texts.extend(fields.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
        }
        Some(DataPlan::Text(text)) => texts.push(text.clone()),
        None => {}
    }
    texts.extend(endpoint.headers.iter().flat_map(|(name, value)| [name.clone(), value.expose().to_owned()]));
    let start = format!("{{resources.{parent}.");
    let fields = texts.iter().flat_map(|text| text.split(&start).skip(1));
    fields.filter_map(|rest| rest.split_once('}')).map(|(field, _)| field.to_owned()).collect()
}

/// The names in a path, without its indexes.
fn keys(path: &str) -> Vec<&str> {
    let parts = path.strip_prefix('$').unwrap_or(path).split(['.', '[', ']']);
    let names = parts.map(|part| part.trim_matches(['\'', '"']));
    names.filter(|name| !name.is_empty() && *name != "*" && name.parse::<i64>().is_err()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_paths() {
        assert_eq!(keys("$.auth['e-mail'][0].x[*]"), ["auth", "e-mail", "x"]);
        assert_eq!(keys("id"), ["id"]);
    }
}
