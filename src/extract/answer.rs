//! One answer: the document it holds, the rows in it, and what follows it. Pure; nothing is kept here.

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::error::ExtractError;
use super::rows::{RowSelector, Selected};
use crate::config::ResourcePlan;
use crate::http::{Action, Response, StatusFailure};
use crate::page::{self, Format, JsonPath, Page};
use crate::paginate::{
    Advance, Detected, Doubt, Next, PageCursor, PageMark, PaginateError, PaginatorPlan, Received,
    SecretParam, Tally,
};

/// A list without rows.
const NO_ROWS: Bytes = Bytes::from_static(b"[]");

/// What a paginator sees of an answer that is no document but lines.
const NO_DOCUMENT: Bytes = Bytes::from_static(b"{}");

const OK: u16 = 200;

/// Status of an answer that is the same as before.
pub(super) const NOT_MODIFIED: u16 = 304;

/// The request that was answered.
pub(super) struct Asked<'a> {
    /// For messages: method and URL, without secrets.
    pub(super) request: &'a dyn Fn() -> String,
    /// For messages: what the API says in place of rows, without secrets.
    pub(super) complaint: &'a dyn Fn() -> Option<StatusFailure>,
    /// What the page was asked with.
    pub(super) cursor: &'a PageCursor,
    /// Number of the page in its pagination, from 1.
    pub(super) number: u64,
    /// The rule for what follows, found out or configured.
    pub(super) paginator: &'a PaginatorPlan,
    /// What was found out on the first page.
    pub(super) detected: Option<&'a Detected>,
    /// Rows of the pages before.
    pub(super) before: Tally,
    /// The last of these, where pages are numbered.
    pub(super) page_before: Option<&'a PageMark>,
    /// Query parameters that carry credentials.
    pub(super) secret_params: &'a [SecretParam<'a>],
    /// Bytes that the rows may take, made from lines.
    pub(super) max_bytes: u64,
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
    /// The paginator that the first page asks for, if that was to be found out.
    pub(super) detected: Option<Detected>,
    /// What the next page is compared with.
    pub(super) mark: Option<PageMark>,
    /// What the page before it leaves open.
    pub(super) doubt: Option<Doubt>,
    /// The page's own cursor.
    pub(super) token: Option<PageCursor>,
    /// Rows that the API says there are.
    pub(super) total_rows: Option<u64>,
    /// Whether the text had to be mended to be JSON.
    pub(super) is_repaired: bool,
    /// Whether it has no list of rows, as `optional` allows.
    pub(super) is_without_list: bool,
}

impl Answer {
    /// No rows, and nothing after it.
    fn end() -> Self {
        Self {
            rows: NO_ROWS,
            row_count: 0,
            next: Next::Done,
            detected: None,
            mark: None,
            doubt: None,
            token: None,
            total_rows: None,
            is_repaired: false,
            is_without_list: false,
        }
    }
}

/// Reads an answer, as its action says if it has one.
///
/// # Errors
/// It is not in the format that was expected, lacks what the data selector names, does not say what the paginator has
/// to know, or has rows that cannot be processed.
pub(super) fn read(
    resource: &ResourcePlan,
    asked: &Asked<'_>,
    response: &Response,
    rows: &mut RowSelector<'_>,
) -> Result<Answer, ExtractError> {
    let has_no_page = response.status == NOT_MODIFIED || response.status >= 400;
    if has_no_page || response.action == Some(Action::Ignore) {
        return Ok(Answer::end());
    }
    if response.body.trim_ascii().is_empty() {
        return Ok(without_body(resource, response));
    }
    match response.action {
        Some(Action::Stop) => match page_with_rows(resource, asked, response, rows) {
            // There need not be rows: the config knows what the page means. Those that are there are kept.
            Err(
                ExtractError::NotJson { .. }
                | ExtractError::NotLines { .. }
                | ExtractError::NoData { .. }
                | ExtractError::NotKeyed { .. },
            ) => Ok(Answer::end()),
            answer => answer,
        },
        Some(Action::Empty) => page_without_rows(asked, response),
        _ => page_with_rows(resource, asked, response, rows),
    }
}

/// An answer without a body is the last one. Status 204 says that there is nothing, and so does a text without lines; a
/// JSON document that should be there may have been lost on the way.
fn without_body(resource: &ResourcePlan, response: &Response) -> Answer {
    let endpoint = &resource.endpoint;
    let is_missing = response.status == OK
        && response.action.is_none()
        && !endpoint.mutates
        && asked_format(resource, response) == Format::Json;
    let is_allowed = endpoint.responses.optional;
    let next = if is_missing && !is_allowed { Next::Doubtful(Doubt::NoBody) } else { Next::Done };
    Answer { next, is_without_list: is_missing && is_allowed, ..Answer::end() }
}

/// The configured format, else that of the answer.
fn asked_format(resource: &ResourcePlan, response: &Response) -> Format {
    let configured = resource.endpoint.responses.format.clone();
    configured.unwrap_or_else(|| Format::of_content_type(response.content_type.as_deref()))
}

fn page_with_rows(
    resource: &ResourcePlan,
    asked: &Asked<'_>,
    response: &Response,
    rows: &mut RowSelector<'_>,
) -> Result<Answer, ExtractError> {
    let lines = asked.lines(resource, response)?;
    let body = if lines.is_some() { NO_DOCUMENT } else { response.body.clone() };
    let repaired;
    let (document, page, is_repaired) = match Page::parse(&body) {
        Ok(page) => (&body, page, false),
        Err(source) => {
            let text = page::repair(&body).ok_or_else(|| asked.not_json(response, source))?;
            repaired = Bytes::from(text);
            let page = Page::parse(&repaired).map_err(|source| asked.not_json(response, source))?;
            (&repaired, page, true)
        }
    };
    let made;
    let mut is_without_list = false;
    let selected = lines.map_or_else(|| rows.select(&page), Selected::Made);
    let (document, selected): (&Bytes, &RawValue) = match selected {
        Selected::Found(found) => (document, found),
        Selected::Made(rows) => {
            made = rows;
            // It was put together from JSON.
            (&made, serde_json::from_slice(&made).unwrap_or(RawValue::NULL))
        }
        Selected::Nothing if resource.endpoint.responses.optional && !page.complains() => {
            is_without_list = true;
            (document, RawValue::NULL)
        }
        Selected::Nothing => return Err(asked.no_data(&page, rows.path(&page))),
        Selected::NotKeyed => return Err(asked.not_keyed(rows.path(&page))),
    };
    let received = asked.received(response, &page, selected);
    let cannot_go_on = |source| asked.cannot_go_on(source);
    let (advance, token) = if response.action == Some(Action::Stop) {
        // A last page need not say what follows it.
        let token = asked.paginator.token(&received).unwrap_or(None);
        (Advance { next: Next::Done, detected: None, mark: None, doubt: None }, token)
    } else {
        let advance = asked.paginator.advance(asked.cursor, &received).map_err(cannot_go_on)?;
        check_found_out(resource, advance.detected.as_ref()).map_err(cannot_go_on)?;
        (advance, asked.paginator.token(&received).map_err(cannot_go_on)?)
    };
    Ok(Answer {
        next: advance.next,
        detected: advance.detected,
        mark: advance.mark,
        doubt: advance.doubt,
        token,
        total_rows: asked.paginator.total_rows(&received),
        row_count: received.row_count,
        rows: asked.processed(resource, document, selected)?,
        is_repaired,
        is_without_list,
    })
}

/// What was found out must not go on from a value that is to be kept nowhere; a configured paginator was checked.
fn check_found_out(resource: &ResourcePlan, detected: Option<&Detected>) -> Result<(), PaginateError> {
    match detected.and_then(|detected| detected.kind.last_row_field()) {
        Some(field) if field.names().is_some_and(|names| resource.processor.protects(&names)) => {
            Err(PaginateError::ProtectedCursor { field: field.to_string() })
        }
        _ => Ok(()),
    }
}

/// A page that has no rows because the config says so: what it says of the next one still holds, if it says anything.
fn page_without_rows(asked: &Asked<'_>, response: &Response) -> Result<Answer, ExtractError> {
    let Ok(page) = Page::parse(&response.body) else { return Ok(Answer::end()) };
    let received = asked.received(response, &page, RawValue::NULL);
    match asked.paginator.advance(asked.cursor, &received) {
        Ok(advance) => Ok(Answer { next: advance.next, detected: advance.detected, ..Answer::end() }),
        // That an error does not say what follows is no wonder; a page that says it wrongly is one all the same.
        Err(PaginateError::Missing { .. }) => Ok(Answer::end()),
        Err(source) => Err(asked.cannot_go_on(source)),
    }
}

impl Asked<'_> {
    /// What a paginator sees of the answer.
    fn received<'a>(
        &'a self,
        response: &'a Response,
        page: &'a Page<'a>,
        rows: &'a RawValue,
    ) -> Received<'a> {
        Received {
            page,
            headers: &response.headers,
            url: &response.url,
            rows,
            row_count: page::row_count(rows) as u64,
            page_count: self.number,
            before: self.before,
            page_before: self.page_before,
            detected: self.detected,
            secret_params: self.secret_params,
        }
    }

    /// The rows of an answer that has one per line.
    fn lines(&self, resource: &ResourcePlan, response: &Response) -> Result<Option<Bytes>, ExtractError> {
        let format = asked_format(resource, response);
        let rows = match &format {
            Format::Json => return Ok(None),
            Format::NdJson => page::from_ndjson(&response.body),
            Format::Csv(csv) => page::from_csv(&response.body, csv, self.max_bytes),
        };
        let rows = rows.map_err(|source| ExtractError::NotLines {
            request: (self.request)(),
            page: self.number,
            format: format.to_string(),
            source,
        })?;
        Ok(Some(Bytes::from(rows)))
    }

    /// The rows as they are kept. What takes time does so without holding up other resources.
    fn processed(
        &self,
        resource: &ResourcePlan,
        document: &Bytes,
        selected: &RawValue,
    ) -> Result<Bytes, ExtractError> {
        if page::row_count(selected) == 0 {
            return Ok(NO_ROWS);
        }
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

    fn no_data(&self, page: &Page<'_>, selector: &JsonPath) -> ExtractError {
        ExtractError::NoData {
            request: (self.request)(),
            page: self.number,
            selector: selector.to_string(),
            fields: page.keys().join(", "),
            said: page.complains().then(self.complaint).flatten().map(Box::new),
        }
    }

    fn not_keyed(&self, selector: &JsonPath) -> ExtractError {
        let (request, page) = ((self.request)(), self.number);
        ExtractError::NotKeyed { request, page, selector: selector.to_string() }
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
