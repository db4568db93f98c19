//! What the next run starts from.

use std::time::Duration;

use serde_json::Value;

use crate::jq::Filter;
use crate::page::JsonPath;
use crate::state::Step;

/// What the next run starts from.
#[derive(Debug, Clone, PartialEq)]
pub enum IncrementalPlan {
    /// A field of the rows (dlt's `incremental`).
    CursorField(Box<CursorField>),
    /// The paginator's own cursor: the next run sends the last one of this run.
    PageCursor {
        /// How often everything is read again all the same.
        full_scan_every: Option<Duration>,
    },
}

/// dlt's `incremental`: a field of the rows tells which are new.
#[derive(Debug, Clone, PartialEq)]
pub struct CursorField {
    /// Path of the field in a row.
    pub cursor_path: JsonPath,
    /// Where to start when there is no state.
    pub initial_value: Option<Value>,
    /// Where to end. With it nothing is remembered: each run reads the same range.
    pub end_value: Option<Value>,
    /// Query parameter that gets the start value.
    pub start_param: Option<String>,
    /// Query parameter that gets the end value.
    pub end_param: Option<String>,
    /// Whether a placeholder of the request asks for the start value or the last one.
    pub sends_start_in_text: bool,
    /// Whether a placeholder of the request asks for the end value.
    pub sends_end_in_text: bool,
    /// Whether a placeholder of the request asks for the first start.
    pub sends_initial_in_text: bool,
    /// Makes of a value what is sent.
    pub convert: Option<Filter>,
    /// Which value the next run starts from.
    pub last_value_func: LastValue,
    /// By what rows at the boundary are told apart. `None`: the resource's primary key, else the whole row; empty:
    /// they are not.
    pub boundary_key: Option<Vec<String>>,
    /// In which order the API gives rows.
    pub row_order: Option<RowOrder>,
    /// How far before the newest value a run starts: seconds, days for days, ones for numbers.
    pub lag: Option<f64>,
    /// What to do with rows that lack the field (or have null).
    pub on_missing: OnCursorMissing,
    /// Whether rows at the start are in the range.
    pub range_start: RangeEdge,
    /// Whether rows at the end are in the range.
    pub range_end: RangeEdge,
    /// The largest range that is asked for at once.
    pub window: Option<Step>,
    /// How often everything is read again all the same.
    pub full_scan_every: Option<Duration>,
}

/// dlt: `last_value_func`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastValue {
    /// The greatest.
    Max,
    /// The least: the field only shrinks.
    Min,
}

/// dlt: `row_order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOrder {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

/// dlt: `range_start`, `range_end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeEdge {
    /// Rows at the edge are left out.
    Open,
    /// Rows at the edge are in.
    Closed,
}

/// dlt: `on_cursor_value_missing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCursorMissing {
    /// The resource fails.
    Raise,
    /// The row is loaded.
    Include,
    /// The row is dropped.
    Exclude,
}

impl IncrementalPlan {
    /// How often everything is read again all the same.
    pub fn full_scan_every(&self) -> Option<Duration> {
        match self {
            Self::CursorField(field) => field.full_scan_every,
            Self::PageCursor { full_scan_every } => *full_scan_every,
        }
    }

    /// Whether a run starts where the last one ended.
    pub fn moves(&self) -> bool {
        self.cursor_field().is_none_or(|field| field.end_value.is_none())
    }

    /// The field of the rows, if that is what it goes by.
    pub fn cursor_field(&self) -> Option<&CursorField> {
        match self {
            Self::CursorField(field) => Some(field),
            Self::PageCursor { .. } => None,
        }
    }
}

impl CursorField {
    /// Whether the API is told where to start.
    pub fn sends_start(&self) -> bool {
        self.start_param.is_some() || self.sends_start_in_text
    }

    /// Whether the API is told where to end.
    pub fn sends_end(&self) -> bool {
        self.end_param.is_some() || self.sends_end_in_text
    }
}
