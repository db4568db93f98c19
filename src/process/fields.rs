//! Fields left out, renamed and protected, in one pass over the bytes of a row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::value::RawValue;

use super::error::ProcessError;
use super::protect::{Protection, Protector};
use super::{FieldPath, ProcessPlan};
use crate::page;

/// Most lists within each other.
const MAX_LISTS: usize = 128;

/// What is done to the fields of an object, and to those within them.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    root: Node,
    /// Whether only what is included is kept.
    only_included: bool,
}

/// What is done to a field.
#[derive(Debug, Clone, Default)]
struct Node {
    is_included: bool,
    /// Whether something within it is.
    includes_within: bool,
    is_excluded: bool,
    rename: Option<String>,
    protection: Option<Protection>,
    /// Whether a row had it. Clones of a processor work on the same resource, and share it.
    was_met: Arc<AtomicBool>,
    within: BTreeMap<String, Node>,
}

/// What becomes of a field, by the name that it has in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is there, if the API gives it.
    Kept,
    /// It is left out.
    LeftOut,
    /// It is there by another name.
    Renamed,
    /// Its value is hashed.
    Hashed,
    /// Its value is masked.
    Masked,
}

/// What became of a value.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// Its bytes stay.
    Same,
    /// Other JSON takes its place.
    New(String),
    /// It is left out.
    Gone,
}

/// What every step of the pass needs.
struct Pass<'a> {
    protector: &'a Protector,
    row: usize,
}

impl Fields {
    /// `None` if all fields stay as they are.
    pub(super) fn of(plan: &ProcessPlan) -> Option<Self> {
        let mut fields = Self { only_included: !plan.include.is_empty(), ..Self::default() };
        for path in &plan.include {
            let (last, outer) = path.keys().split_last()?;
            let mut node = &mut fields.root;
            for key in outer {
                node = node.within.entry(key.clone()).or_default();
                node.includes_within = true;
            }
            node.within.entry(last.clone()).or_default().is_included = true;
        }
        for path in &plan.exclude {
            fields.node(path).is_excluded = true;
        }
        for (path, name) in &plan.rename {
            fields.node(path).rename = Some(name.clone());
        }
        for (path, protection) in &plan.protect {
            match protection {
                Protection::Drop => fields.node(path).is_excluded = true,
                protection => fields.node(path).protection = Some(*protection),
            }
        }
        (!fields.root.within.is_empty()).then_some(fields)
    }

    fn node(&mut self, path: &FieldPath) -> &mut Node {
        path.keys().iter().fold(&mut self.root, |node, key| node.within.entry(key.clone()).or_default())
    }

    /// Whether a row had the field so far.
    pub(super) fn has_met(&self, path: &FieldPath) -> bool {
        let node = path.keys().iter().try_fold(&self.root, |node, key| node.within.get(key));
        node.is_some_and(|node| node.was_met.load(Ordering::Relaxed))
    }

    pub(super) fn fate(&self, path: &[&str]) -> Fate {
        let (mut node, mut keep) = (&self.root, !self.only_included);
        for key in path {
            let by_new_name = |(name, node): &(&String, &Node)| node.rename.as_ref().unwrap_or(name) == key;
            let Some((_, found)) = node.within.iter().find(by_new_name) else {
                let is_renamed = node.within.get(*key).is_some_and(|renamed| renamed.rename.is_some());
                return match () {
                    () if is_renamed => Fate::Renamed,
                    () if keep => Fate::Kept,
                    () => Fate::LeftOut,
                };
            };
            keep |= found.is_included;
            match found.protection {
                _ if found.is_excluded || !(keep || found.includes_within) => return Fate::LeftOut,
                Some(Protection::Hash) => return Fate::Hashed,
                Some(_) => return Fate::Masked,
                None => node = found,
            }
        }
        Fate::Kept
    }

    /// What becomes of a row. Rows that are no objects have no fields, and stay.
    pub(super) fn apply(
        &self,
        row: &str,
        protector: &Protector,
        number: usize,
    ) -> Result<Change, ProcessError> {
        // The text was checked to be JSON when the page was read, or is made by jq.
        let row: &RawValue = serde_json::from_str(row).unwrap_or(RawValue::NULL);
        Pass { protector, row: number }.within(row, &self.root, !self.only_included, 0)
    }
}

impl Pass<'_> {
    /// What becomes of a field's value.
    fn field(&self, value: &RawValue, node: &Node, keep: bool) -> Result<Change, ProcessError> {
        node.was_met.store(true, Ordering::Relaxed);
        let keep = keep || node.is_included;
        if node.is_excluded || !(keep || node.includes_within) {
            return Ok(Change::Gone);
        }
        if let Some(protection) = node.protection {
            return self.protected(value, protection, 0);
        }
        let is_plain = !value.get().starts_with(['{', '[']);
        match () {
            () if is_plain && !keep => Ok(Change::Gone),
            () if is_plain || node.within.is_empty() => Ok(Change::Same),
            () => self.within(value, node, keep, 0),
        }
    }

    /// What becomes of the fields in an object, or in those of a list.
    fn within(
        &self,
        value: &RawValue,
        node: &Node,
        keep: bool,
        lists: usize,
    ) -> Result<Change, ProcessError> {
        match value.get().as_bytes().first() {
            Some(b'{') => self.object(value, node, keep),
            Some(b'[') => self.list(value, lists, |element, lists| {
                let is_plain = !element.get().starts_with(['{', '[']);
                if is_plain && !keep { Ok(Change::Gone) } else { self.within(element, node, keep, lists) }
            }),
            _ => Ok(Change::Same),
        }
    }

    fn protected(
        &self,
        value: &RawValue,
        protection: Protection,
        lists: usize,
    ) -> Result<Change, ProcessError> {
        if value.get().starts_with('[') {
            return self.list(value, lists, |element, lists| self.protected(element, protection, lists));
        }
        Ok(self.protector.protect(value, protection).map_or(Change::Same, Change::New))
    }

    fn object(&self, object: &RawValue, node: &Node, keep: bool) -> Result<Change, ProcessError> {
        let fields = page::fields(object).map_err(|_| ProcessError::Name { row: self.row })?;
        let mut kept: Vec<(&Cow<'_, str>, &str, Cow<'_, str>)> = Vec::new();
        let (mut is_same, mut renamed) = (true, Vec::new());
        for (key, value) in fields.iter() {
            let Some(within) = node.within.get(key.as_ref()) else {
                match keep {
                    true => kept.push((key, key, Cow::Borrowed(value.get()))),
                    false => is_same = false,
                }
                continue;
            };
            let text = match self.field(value, within, keep)? {
                Change::Same => Cow::Borrowed(value.get()),
                Change::New(text) => {
                    is_same = false;
                    Cow::Owned(text)
                }
                Change::Gone => {
                    is_same = false;
                    continue;
                }
            };
            let name = match &within.rename {
                Some(name) => {
                    is_same = false;
                    renamed.push((key, name));
                    name
                }
                None => key.as_ref(),
            };
            kept.push((key, name, text));
        }
        if is_same {
            return Ok(Change::Same);
        }
        // The same field twice is the API's doing, and its last value counts as ever.
        let taken =
            |key: &Cow<'_, str>, new: &str| kept.iter().any(|(other, name, _)| *name == new && *other != key);
        if let Some((_, name)) = renamed.into_iter().find(|(key, name)| taken(key, name)) {
            return Err(ProcessError::SameName { row: self.row, name: name.clone() });
        }
        let mut out = String::with_capacity(object.get().len());
        for (index, (_, name, text)) in kept.iter().enumerate() {
            out.push(if index == 0 { '{' } else { ',' });
            // A text can always be written.
            out.push_str(&serde_json::to_string(name).unwrap_or_default());
            out.push(':');
            out.push_str(text);
        }
        out.push_str(if kept.is_empty() { "{}" } else { "}" });
        Ok(Change::New(out))
    }

    fn list(
        &self,
        list: &RawValue,
        lists: usize,
        element: impl Fn(&RawValue, usize) -> Result<Change, ProcessError>,
    ) -> Result<Change, ProcessError> {
        if lists == MAX_LISTS {
            return Err(ProcessError::TooDeep { row: self.row });
        }
        let (mut kept, mut is_same) = (Vec::new(), true);
        for value in page::rows(list).unwrap_or_default() {
            let change = element(value, lists + 1)?;
            is_same &= change == Change::Same;
            match change {
                Change::Same => kept.push(Cow::Borrowed(value.get())),
                Change::New(text) => kept.push(Cow::Owned(text)),
                Change::Gone => {}
            }
        }
        Ok(if is_same { Change::Same } else { Change::New(format!("[{}]", kept.join(","))) })
    }
}
