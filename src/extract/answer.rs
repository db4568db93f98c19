//! One answer: the document it holds, the rows in it, and what follows it. Pure; nothing is kept here.

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::error::ExtractError;
use super::rows::RowSelector;
use crate::config::ResourcePlan;
use crate::http::Response;
use crate::page::{self, Page};
use crate::paginate::{Next, PageCursor, PaginateError};

/// The request that was answered.
pub(super) struct Asked<'a> {
    /// For messages: method and URL, without secrets.
    pub(super) request: &'a dyn Fn() -> String,
    /// What the page was asked with.
    pub(super) cursor: &'a PageCursor,
    /// Number of the page in its pagination, from 1.
    pub(super) number: u64,
    /// What each row gets from the parent's.
    pub(super) from_parent: &'a Map<String, Value>,
}

/// What an answer says.
pub(super) struct Answer {
    /// The rows, processed: JSON as it is kept.
    pub(super) rows: Bytes,
    /// How many the API gave; paging goes by these.
    pub(super) row_count: u64,
    /// What follows.
    pub(super) next: Next,
    /// The page's own cursor.
    pub(super) token: Option<PageCursor>,
    /// Rows that the API says there are.
    pub(super) total_rows: Option<u64>,
    /// Whether the text had to be mended to be JSON.
    pub(super) is_repaired: bool,
}

/// Reads an answer.
///
/// # Errors
/// It is no JSON, lacks what the data selector names, does not say what the paginator has to know, or has rows that
/// cannot be processed.
pub(super) fn read(
    resource: &ResourcePlan,
    asked: &Asked<'_>,
    response: &Response,
    rows: &mut RowSelector<'_>,
) -> Result<Answer, ExtractError> {
    let repaired;
    let (document, page, is_repaired) = match Page::parse(&response.body) {
        Ok(page) => (&response.body, page, false),
        Err(source) => {
            let text = page::repair(&response.body).ok_or_else(|| asked.not_json(response, source))?;
            repaired = Bytes::from(text);
            let page = Page::parse(&repaired).map_err(|source| asked.not_json(response, source))?;
            (&repaired, page, true)
        }
    };
    let selected = rows.select(&page).map_err(|selector| ExtractError::NoData {
        request: (asked.request)(),
        page: asked.number,
        selector,
        fields: page.keys().join(", "),
    })?;
    let row_count = page::row_count(selected);
    let paginator = &resource.endpoint.paginator;
    let cannot_go_on = |source| asked.cannot_go_on(source);
    Ok(Answer {
        next: paginator.advance(asked.cursor, &page, row_count, asked.number).map_err(cannot_go_on)?,
        token: paginator.token(&page).map_err(cannot_go_on)?,
        total_rows: paginator.total_rows(&page),
        row_count: row_count as u64,
        rows: asked.processed(resource, document, selected)?,
        is_repaired,
    })
}

impl Asked<'_> {
    /// The rows as they are kept. What takes time does so without holding up other resources.
    fn processed(
        &self,
        resource: &ResourcePlan,
        document: &Bytes,
        selected: &RawValue,
    ) -> Result<Bytes, ExtractError> {
        let rows = || resource.processor.rows(document, selected, self.from_parent);
        let is_shared =
            Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
        let rows = if resource.processor.is_active() && is_shared {
            tokio::task::block_in_place(rows)
        } else {
            rows()
        };
        rows.map_err(|source| ExtractError::Process { request: (self.request)(), page: self.number, source })
    }

    fn not_json(&self, response: &Response, source: serde_json::Error) -> ExtractError {
        ExtractError::NotJson {
            request: (self.request)(),
            page: self.number,
            content_type: response.content_type.clone().unwrap_or_else(|| "no content type".to_owned()),
            source,
        }
    }

    /// The error for a page from which the next one cannot be told.
    pub(super) fn cannot_go_on(&self, source: PaginateError) -> ExtractError {
        ExtractError::Paginate { request: (self.request)(), page: self.number, source }
    }
}
