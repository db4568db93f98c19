//! Where the rows of a page are.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::config::EndpointPlan;
use crate::page::{self, JsonPath, Page};

/// Finds the rows of a page: by the configured selector, else as found on the first page of the pagination.
#[derive(Debug)]
pub(super) struct RowSelector<'a> {
    endpoint: &'a EndpointPlan,
    detected: Option<JsonPath>,
}

/// What a page has where its rows are to be.
pub(super) enum Selected<'page> {
    /// The rows, as they stand there.
    Found(&'page RawValue),
    /// The text of a list of them, put together.
    Made(Bytes),
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

    /// Whether a path to the elements of a list finds the list: that it has none of them is no fault.
    fn is_empty_list(&mut self, page: &Page<'_>) -> bool {
        list_of(self.path(page)).is_some_and(|list| page.get(&list).is_some())
    }

    /// Whether what was found are no rows but an error: null in place of a list, or, where nothing says what rows are,
    /// the error itself.
    fn is_error(&mut self, page: &Page<'_>, found: &[&RawValue]) -> bool {
        let is_null = || found.iter().all(|value| value.get() == "null");
        let is_found_out = || {
            let path = self.detected.as_ref().and_then(JsonPath::names);
            let path = path.as_deref().map(|names| names.join("."));
            matches!(path.as_deref(), Some("" | "error" | "errors")) && !page.is_thing()
        };
        page.complains() && (is_null() || is_found_out())
    }

    /// The rows of a page: of one match its value, of several a list of them, as in dlt.
    pub(super) fn select<'page>(&mut self, page: &Page<'page>) -> Selected<'page> {
        let found = page.get_all(self.path(page));
        let keyed = self.endpoint.responses.keyed_by.as_deref();
        match (found.as_slice(), keyed) {
            ([_, ..], _) if self.is_error(page, &found) => Selected::Nothing,
            ([], _) if self.is_empty_list(page) => Selected::Made(list(std::iter::empty())),
            ([], _) => Selected::Nothing,
            ([one], None) => Selected::Found(one),
            (several, None) => Selected::Made(list(several.iter().map(|row| row.get().as_bytes()))),
            (objects, Some(key)) => {
                let rows: Option<Vec<_>> =
                    objects.iter().map(|object| page::from_keyed(object, key)).collect();
                let Some(rows) = rows else { return Selected::NotKeyed };
                // Lists without their brackets; those that are empty have nothing in between.
                let inner = rows.iter().map(|list| &list[1..list.len() - 1]);
                Selected::Made(list(inner.filter(|rows| !rows.is_empty())))
            }
        }
    }
}

/// `data` for `data[*].item` and `data[?@.kind == 'x']`; nothing for a path that looks everywhere.
fn list_of(path: &JsonPath) -> Option<JsonPath> {
    let text = path.as_str();
    if path.is_singular() || text.contains("..") {
        return None;
    }
    let ends = ["[*", "[?", ".*", "[:"].into_iter().filter_map(|pattern| text.find(pattern));
    match &text[..ends.min()?] {
        "" => Some(JsonPath::root()),
        list => list.parse().ok(),
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_to_elements_has_its_list_before_them() {
        let check = |path: &str, expected: Option<&str>| {
            let list = list_of(&path.parse().unwrap());
            assert_eq!(list.as_ref().map(JsonPath::as_str), expected, "{path}");
        };
        check("data[*]", Some("data"));
        check("$.data.items[*].id", Some("$.data.items"));
        check("$[?@.a > 1]", Some("$"));
        check("[*]", Some("$"));
        check("$.a.*", Some("$.a"));
        check("$.a[:2]", Some("$.a"));
        check("data", None);
        check("$..rows", None);
        check("$..rows[*]", None);
    }
}
