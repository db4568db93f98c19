//! Why a row cannot be processed.

use super::step::StepKind;
use crate::jq::JqError;

/// Why a row cannot be processed. Rows are told by their number in the page, from 1; nothing of their content is
/// shown, since it may be what is to be kept away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// An expression fails.
    #[error("row {row}: `{kind}` of processing step {step} fails")]
    Step {
        /// Number of the row.
        row: usize,
        /// Number of the step in the list, from 1.
        step: usize,
        /// Which of the step's expressions.
        kind: StepKind,
        /// What jq says.
        #[source]
        source: JqError,
    },
    /// `map` has to give one row for each.
    #[error("row {row}: `map` of processing step {step} gives {count} rows")]
    NotOne {
        /// Number of the row.
        row: usize,
        /// Number of the step in the list, from 1.
        step: usize,
        /// How many it gives.
        count: usize,
    },
    /// jq cannot read the row, or what became of it cannot be written.
    #[error("row {row} cannot go through the processing steps")]
    Row {
        /// Number of the row.
        row: usize,
        /// Why.
        #[source]
        source: JqError,
    },
    /// There is no thread to do it on.
    #[error("the processing steps cannot be run")]
    Thread(#[source] JqError),
    /// Two fields would have one name.
    #[error("row {row}: a field is renamed to `{name}`, and there is one of that name")]
    SameName {
        /// Number of the row.
        row: usize,
        /// The name, as the config has it.
        name: String,
    },
    /// A name that cannot be read may be that of a field that must not be kept.
    #[error("row {row} has a field whose name is no text")]
    Name {
        /// Number of the row.
        row: usize,
    },
    /// Lists within lists without an end.
    #[error("row {row} has more than 128 lists within each other")]
    TooDeep {
        /// Number of the row.
        row: usize,
    },
}

impl ProcessError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Step { source, .. } if source.is_too_much() => {
                "look for a function that calls itself, or a `range`, that has no end"
            }
            Self::Step { .. } => {
                "an expression has to hold for every row: `.a?` and `//` help where a field is missing"
            }
            Self::NotOne { .. } => "`filter` drops rows, and `yield_map` makes several of one",
            Self::Row { .. } | Self::Name { .. } | Self::TooDeep { .. } => {
                "leave the field out of the answer, if the API can do that"
            }
            Self::Thread(_) => "the system is short of threads or of address space",
            Self::SameName { .. } => "exclude the other field, or choose another name",
        }
    }
}
