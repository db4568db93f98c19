//! Processing steps: dlt's `filter`, `map` and `yield_map`, in jq.

use std::fmt;

use super::error::ProcessError;
use crate::jq::{Filter, Json};

/// One expression of the steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Number of the step in the config's list, from 1.
    pub number: usize,
    /// What its outputs mean.
    pub kind: StepKind,
    /// The expression.
    pub filter: Filter,
}

/// What the outputs of a step's expression mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// The row stays if the first one is true as jq has it: neither `null` nor `false`.
    Filter,
    /// The one there is takes the row's place.
    Map,
    /// All of them take the row's place; a list counts as its elements, and `null` as nothing, as in dlt.
    YieldMap,
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter => "filter",
            Self::Map => "map",
            Self::YieldMap => "yield_map",
        })
    }
}

/// What the steps make of a row; `None` leaves it as it came.
pub(super) fn run(steps: &[Step], row: usize, text: &str) -> Result<Option<Vec<String>>, ProcessError> {
    if steps.is_empty() {
        return Ok(None);
    }
    let not_read = |source| ProcessError::Row { row, source };
    let mut rows = vec![Json::parse(text).map_err(not_read)?];
    let mut is_rewritten = false;
    for step in steps {
        let mut next = Vec::with_capacity(rows.len());
        for value in rows {
            step.run(row, value, &mut next)?;
        }
        is_rewritten |= step.kind != StepKind::Filter;
        rows = next;
    }
    match rows.as_slice() {
        [_] if !is_rewritten => Ok(None),
        rows => {
            rows.iter().map(|value| value.to_text().map_err(not_read)).collect::<Result<_, _>>().map(Some)
        }
    }
}

impl Step {
    fn run(&self, row: usize, value: Json, next: &mut Vec<Json>) -> Result<(), ProcessError> {
        let outputs = |value| {
            let failed = |source| ProcessError::Step { row, step: self.number, kind: self.kind, source };
            self.filter.run_json(value).map_err(failed)
        };
        match self.kind {
            StepKind::Filter => {
                let is_kept = outputs(value.clone())?.first().is_some_and(Json::is_true);
                next.extend(is_kept.then_some(value));
            }
            StepKind::Map => {
                let mut mapped = outputs(value)?;
                if mapped.len() != 1 {
                    return Err(ProcessError::NotOne { row, step: self.number, count: mapped.len() });
                }
                next.append(&mut mapped);
            }
            StepKind::YieldMap => {
                for output in outputs(value)? {
                    match output.into_elements() {
                        Ok(elements) => next.extend(elements),
                        Err(value) if value.is_null() => {}
                        Err(value) => next.push(value),
                    }
                }
            }
        }
        Ok(())
    }
}
