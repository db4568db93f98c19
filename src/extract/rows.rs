//! Where the rows of a page are.

use bytes::Bytes;

use crate::config::EndpointPlan;
use crate::page::{self, JsonPath, Page};

/// Finds the rows of a page: by the configured selector, else as found on the first page of the pagination.
#[derive(Debug)]
pub(super) struct RowSelector<'a> {
    endpoint: &'a EndpointPlan,
    detected: Option<JsonPath>,
}

/// What a page has where its rows are to be.
pub(super) enum Selected {
    /// The rows, as they are kept.
    Rows(Bytes),
    /// Nothing is there.
    Nothing,
    /// It is not the object that `keyed_by` speaks of.
    NotKeyed,
}

impl<'a> RowSelector<'a> {
    /// `detected` is what the first page showed, if that was read before.
    pub(super) fn new(endpoint: &'a EndpointPlan, detected: Option<JsonPath>) -> Self {
        Self { endpoint, detected }
    }

    /// The path that was found, if there is none configured.
    pub(super) fn detected(&self) -> Option<&JsonPath> {
        self.detected.as_ref()
    }

    /// Where the rows are looked for.
    pub(super) fn path(&mut self, page: &Page<'_>) -> &JsonPath {
        match &self.endpoint.data_selector {
            Some(path) => path,
            None => self.detected.get_or_insert_with(|| page::detect_rows(page)),
        }
    }

    /// The rows of a page, `document` being its text: of one match its value, of several a list of them, as in dlt.
    pub(super) fn select(&mut self, page: &Page<'_>, document: &Bytes) -> Selected {
        let found = page.get_all(self.path(page));
        let keyed = self.endpoint.responses.keyed_by.as_deref();
        match (found.as_slice(), keyed) {
            ([], _) => Selected::Nothing,
            ([one], None) => Selected::Rows(document.slice_ref(one.get().as_bytes())),
            (several, None) => Selected::Rows(list(several.iter().map(|row| row.get().as_bytes()))),
            (objects, Some(key)) => {
                let rows: Option<Vec<_>> =
                    objects.iter().map(|object| page::from_keyed(object, key)).collect();
                let Some(rows) = rows else { return Selected::NotKeyed };
                // Lists without their brackets; those that are empty have nothing in between.
                let inner = rows.iter().map(|list| &list[1..list.len() - 1]);
                Selected::Rows(list(inner.filter(|rows| !rows.is_empty())))
            }
        }
    }
}

/// The text of a list.
fn list<'a>(elements: impl Iterator<Item = &'a [u8]>) -> Bytes {
    let mut list = vec![b'['];
    for element in elements {
        if list.len() > 1 {
            list.push(b',');
        }
        list.extend_from_slice(element);
    }
    list.push(b']');
    Bytes::from(list)
}
