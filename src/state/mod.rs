//! What a pipeline remembers between runs: cursors, kept as dlt keeps them, in the destination.

mod document;
mod incremental;
mod load_id;

pub use document::{PipelineState, StateError};
pub use incremental::{Incremental, IncrementalError};
pub use load_id::LoadId;

use serde_json::Value;

/// Compact JSON with sorted keys and raw non-ASCII: the text that dlt hashes.
pub fn sorted_json(value: &Value) -> String {
    fn sort(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut keys: Vec<_> = fields.keys().collect();
                keys.sort();
                keys.into_iter().map(|key| (key.clone(), sort(&fields[key]))).collect()
            }
            Value::Array(elements) => elements.iter().map(sort).collect(),
            scalar => scalar.clone(),
        }
    }
    sort(value).to_string()
}
