//! What is made of the answers of a resource.

use std::sync::Arc;

use crate::http::ResponseAction;
use crate::page::Format;

/// What is made of the answers of a resource, beyond where its rows are.
#[derive(Debug, Clone)]
pub struct ResponsesPlan {
    /// What single answers mean; the first one that fits holds.
    pub actions: Arc<[ResponseAction]>,
    /// Whether a page without anything at the data selector has no rows, in place of being an error.
    pub optional: bool,
    /// What answers are written in. `None`: what their `Content-Type` says.
    pub format: Option<Format>,
    /// The rows are the fields of an object, and this is the field that gets their names.
    pub keyed_by: Option<String>,
    /// Whether an answer that is still the same is not to be sent again.
    pub conditional: bool,
}

impl Default for ResponsesPlan {
    fn default() -> Self {
        Self { actions: Arc::new([]), optional: false, format: None, keyed_by: None, conditional: false }
    }
}
