//! What happens to rows between the API and the package: steps in jq, then fields left out or renamed, then secrets
//! hashed or masked. Everything after it sees processed rows alone: journal, children, incremental loading, tables.
//!
//! A row that nothing changes stays the bytes that came, and a resource without any of it costs nothing.

mod error;
mod field_path;
mod fields;
mod protect;
mod step;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use error::ProcessError;
pub use field_path::{FieldPath, FieldPathError};
pub use fields::Fate;
pub use protect::Protection;
pub use step::{Step, StepKind};

use crate::config::Secret;
use crate::{jq, page};
use fields::{Change, Fields};
use protect::Protector;

/// What is done to the rows of a resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcessPlan {
    /// In order.
    pub steps: Vec<Step>,
    /// Fields that are kept; empty: all. Names are those after the steps, as in the three below.
    pub include: Vec<FieldPath>,
    /// Fields that are left out.
    pub exclude: Vec<FieldPath>,
    /// Fields that get another name, where they are.
    pub rename: Vec<(FieldPath, String)>,
    /// Fields whose values must not be kept as they are.
    pub protect: Vec<(FieldPath, Protection)>,
    /// Key of the hashes. Needed if a field is hashed.
    pub hash_key: Option<Secret>,
}

/// A plan, ready to work. The default changes nothing.
#[derive(Debug, Clone, Default)]
pub struct Processor {
    plan: ProcessPlan,
    fields: Option<Fields>,
    protector: Protector,
}

impl Processor {
    /// Prepares a plan.
    pub fn new(plan: ProcessPlan) -> Self {
        let protector = Protector::new(plan.hash_key.as_ref());
        Self { fields: Fields::of(&plan), protector, plan }
    }

    /// Whether rows may come out otherwise than they go in.
    pub fn is_active(&self) -> bool {
        self.fields.is_some() || !self.plan.steps.is_empty()
    }

    /// What is done; the hash key is not shown.
    pub fn plan(&self) -> &ProcessPlan {
        &self.plan
    }

    /// What becomes of a field, by the name that it has in the end.
    pub fn fate(&self, path: &[&str]) -> Fate {
        self.fields.as_ref().map_or(Fate::Kept, |fields| fields.fate(path))
    }

    /// Whether a field of the rows as the API gives them must not be kept as it is. What steps make of it is not known.
    pub fn protects(&self, keys: &[&str]) -> bool {
        let is_above = |path: &[String]| {
            path.len() <= keys.len() && path.iter().zip(keys).all(|(name, key)| name.as_str() == *key)
        };
        self.plan.protect.iter().any(|(path, _)| is_above(path.keys()))
    }

    /// Protected fields that no row had so far: each may be a slip of the pen, and its values in plain sight.
    pub fn unmet(&self) -> impl Iterator<Item = &FieldPath> {
        let has_met = |path: &FieldPath| self.fields.as_ref().is_some_and(|fields| fields.has_met(path));
        self.plan.protect.iter().map(|(path, _)| path).filter(move |path| !has_met(path))
    }

    /// The rows of a page as they are kept. `document` is the page that `selected` is in; `from_parent` are fields that
    /// each row gets before anything else, as in dlt.
    ///
    /// # Errors
    /// A step fails on a row, or two fields of one get the same name.
    pub fn rows(
        &self,
        document: &Bytes,
        selected: &RawValue,
        from_parent: &Map<String, Value>,
    ) -> Result<Bytes, ProcessError> {
        if !self.is_active() {
            return Ok(document.slice_ref(selected.get().as_bytes()));
        }
        let rows = || self.processed(selected, parent_fields(from_parent).as_deref());
        // There once for all rows: each of them would go there otherwise.
        let is_deep = self.plan.steps.iter().any(|step| step.filter.needs_deep_stack());
        if is_deep { jq::on_deep_stack(rows).map_err(ProcessError::Thread)? } else { rows() }
    }

    fn processed(&self, selected: &RawValue, from_parent: Option<&str>) -> Result<Bytes, ProcessError> {
        let mut out = String::with_capacity(selected.get().len());
        out.push('[');
        // The text was checked to be JSON when the page was read.
        for (index, row) in page::rows(selected).unwrap_or_default().into_iter().enumerate() {
            let number = index + 1;
            match with_parent(row.get(), from_parent) {
                Some(row) => self.row(number, &row, &mut out)?,
                None => self.row(number, row.get(), &mut out)?,
            }
        }
        out.push(']');
        Ok(Bytes::from(out))
    }

    /// Appends what becomes of one row.
    fn row(&self, number: usize, row: &str, out: &mut String) -> Result<(), ProcessError> {
        match step::run(&self.plan.steps, number, row)? {
            None => self.finished(number, row, out),
            Some(rows) => rows.iter().try_for_each(|row| self.finished(number, row, out)),
        }
    }

    fn finished(&self, number: usize, row: &str, out: &mut String) -> Result<(), ProcessError> {
        if out.len() > 1 {
            out.push(',');
        }
        match &self.fields {
            None => out.push_str(row),
            Some(fields) => match fields.apply(row, &self.protector, number)? {
                Change::New(row) => out.push_str(&row),
                Change::Same | Change::Gone => out.push_str(row),
            },
        }
        Ok(())
    }
}

/// `"_members_id":1,"_members_name":"x"`.
pub(crate) fn parent_fields(from_parent: &Map<String, Value>) -> Option<String> {
    let text = serde_json::to_string(from_parent).ok()?;
    let fields = text.strip_prefix('{')?.strip_suffix('}')?;
    (!fields.is_empty()).then(|| fields.to_owned())
}

/// The row with the parent's fields at its end; nothing if there are none, or the row is no object.
pub(crate) fn with_parent(row: &str, from_parent: Option<&str>) -> Option<String> {
    let (fields, from_parent) = (row.strip_prefix('{')?.strip_suffix('}')?, from_parent?);
    let comma = if fields.trim().is_empty() { "" } else { "," };
    Some(format!("{{{fields}{comma}{from_parent}}}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
