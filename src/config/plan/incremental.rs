//! What the next run starts from.

use serde_json::Value;

use crate::page::JsonPath;

/// What the next run starts from.
#[derive(Debug, Clone, PartialEq)]
pub enum IncrementalPlan {
    /// A field of the rows (dlt's `incremental`).
    CursorField {
        /// Path of the field in a row.
        cursor_path: JsonPath,
        /// Where to start when there is no state.
        initial_value: Option<Value>,
        /// Query parameter that gets the start value.
        start_param: Option<String>,
        /// What to do with rows that lack the field (or have null).
        on_missing: OnCursorMissing,
    },
    /// The paginator's own cursor: the next run sends the last one of this run.
    PageCursor,
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
