//! Where the rows of a page are.

use serde_json::value::RawValue;

use crate::page::{JsonPath, Page, detect_rows};

/// Finds the rows of a page: by the configured selector, else as found on the first page.
#[derive(Debug)]
pub(super) struct RowSelector<'a> {
    configured: Option<&'a JsonPath>,
    detected: Option<JsonPath>,
}

impl<'a> RowSelector<'a> {
    pub(super) fn new(configured: Option<&'a JsonPath>) -> Self {
        Self { configured, detected: None }
    }

    /// The selected value.
    ///
    /// # Errors
    /// There is none; the selector is returned.
    pub(super) fn select<'page>(&mut self, page: &Page<'page>) -> Result<&'page RawValue, String> {
        let path = match self.configured {
            Some(path) => path,
            None => match &mut self.detected {
                Some(path) => path,
                empty => empty.insert(detect_rows(page)),
            },
        };
        page.get(path).ok_or_else(|| path.to_string())
    }
}
