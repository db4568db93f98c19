//! What a paginator sees of an answer.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use reqwest::header::HeaderMap;
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use super::{Detected, PageMark, Tally};
use crate::page::{self, ID_NAMES, JsonPath, Page};

/// What a paginator sees of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The body.
    pub page: &'a Page<'a>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Where the answer came from, redirects followed: links are relative to it, and stay on its origin.
    pub url: &'a Url,
    /// What the data selector found: a list of rows, or one.
    pub rows: &'a RawValue,
    /// How many rows that is.
    pub row_count: u64,
    /// Pages read in this pagination, this one included.
    pub page_count: u64,
    /// Rows of the pages before this one.
    pub before: Tally,
    /// The page before this one, where pages are numbered and it was read in this run.
    pub page_before: Option<&'a PageMark>,
    /// What was found out on the first page.
    pub detected: Option<&'a Detected>,
    /// Query parameters that carry credentials: they are not kept in cursors, since each request has them anyway.
    pub secret_params: &'a [SecretParam<'a>],
}

/// A query parameter that carries credentials.
#[derive(Debug, Clone, Copy)]
pub struct SecretParam<'a> {
    /// Its name.
    pub name: &'a str,
    /// The value that is the secret; `None`: whatever it has.
    pub value: Option<&'a str>,
}

impl SecretParam<'_> {
    /// Whether a parameter is this one.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.name == name && self.value.is_none_or(|secret| secret == value)
    }
}

impl<'a> Received<'a> {
    /// The last row, if there is any.
    pub(super) fn last_row(&self) -> Option<&'a RawValue> {
        page::rows(self.rows).ok()?.pop()
    }

    /// Whether the path ends at a null above what it leads to, like `next_page.offset` at `{"next_page": null}`.
    pub(super) fn is_below_null(&self, path: &JsonPath) -> bool {
        let parent = |path: &JsonPath| path.parent().map(|(above, _)| above);
        let mut above = std::iter::successors(parent(path), parent);
        above.any(|above| self.page.value(&above) == Some(Value::Null))
    }

    /// A number that tells these rows from others.
    pub(super) fn fingerprint(&self) -> u64 {
        FixedState::default().hash_one(self.rows.get())
    }

    /// The same of the ids of these rows.
    pub(super) fn fingerprint_of_ids(&self) -> Option<u64> {
        Some(FixedState::default().hash_one(self.ids()?))
    }

    /// The ids of these rows; `None` unless each has one of its own.
    pub(super) fn ids(&self) -> Option<Vec<&'a str>> {
        let rows = page::rows(self.rows).ok()?;
        let id = |row: &&'a RawValue| {
            let fields = page::fields(row).ok()?;
            ID_NAMES.iter().find_map(|name| fields.get(name)).map(RawValue::get)
        };
        let ids: Vec<&str> = rows.iter().map(id).collect::<Option<_>>()?;
        let distinct: HashSet<&str> = ids.iter().copied().collect();
        (!ids.is_empty() && distinct.len() == ids.len()).then_some(ids)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
pub(super) mod tests {
    use reqwest::header::HeaderName;

    use super::super::{Advance, Next, PageCursor, PaginateError, PaginatorPlan};
    use super::*;

    /// An answer for tests, with as many rows as it says it has.
    #[derive(Debug, Clone)]
    pub(in super::super) struct Answer {
        pub(in super::super) body: String,
        pub(in super::super) rows: String,
        pub(in super::super) row_count: u64,
        pub(in super::super) page_count: u64,
        pub(in super::super) before: Tally,
        pub(in super::super) headers: HeaderMap,
        pub(in super::super) url: Url,
        pub(in super::super) detected: Option<Detected>,
    }

    impl Answer {
        pub(in super::super) fn new(body: &str) -> Self {
            Self {
                body: body.to_owned(),
                rows: "[]".to_owned(),
                row_count: 0,
                page_count: 1,
                before: Tally::default(),
                headers: HeaderMap::new(),
                url: "https://api.example.com/v1/rows?limit=5&api_key=SECRET".parse().unwrap(),
                detected: None,
            }
        }

        pub(in super::super) fn rows(self, row_count: u64) -> Self {
            Self { row_count, ..self }
        }

        pub(in super::super) fn with_rows(self, rows: &str) -> Self {
            let row_count = page::row_count(serde_json::from_str(rows).unwrap()) as u64;
            Self { row_count, rows: rows.to_owned(), ..self }
        }

        pub(in super::super) fn page(self, page_count: u64) -> Self {
            Self { page_count, ..self }
        }

        pub(in super::super) fn header(mut self, name: &str, value: &str) -> Self {
            self.headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            self
        }

        pub(in super::super) fn with<T>(&self, read: impl FnOnce(&Received<'_>) -> T) -> T {
            let page = Page::parse(self.body.as_bytes()).unwrap();
            read(&Received {
                page: &page,
                headers: &self.headers,
                url: &self.url,
                rows: serde_json::from_str(&self.rows).unwrap(),
                row_count: self.row_count,
                page_count: self.page_count,
                before: self.before,
                page_before: None,
                detected: self.detected.as_ref(),
                secret_params: &[
                    SecretParam { name: "api_key", value: None },
                    SecretParam { name: "token", value: Some("K3Y") },
                ],
            })
        }

        pub(in super::super) fn advance(
            &self,
            plan: &PaginatorPlan,
            asked: &PageCursor,
        ) -> Result<Advance, PaginateError> {
            self.with(|received| plan.advance(asked, received))
        }

        pub(in super::super) fn next(
            &self,
            plan: &PaginatorPlan,
            asked: &PageCursor,
        ) -> Result<Next, PaginateError> {
            self.advance(plan, asked).map(|advance| advance.next)
        }
    }
}
