//! Rules for the next request. Pure: a paginator sees a request and a page, and holds no client.

mod cursor;
mod error;
mod page_number;
mod plan;
mod seen;
mod signal;
mod target;

use serde_json::Value;

use crate::page::JsonPath;

pub use error::PaginateError;
pub use seen::CursorsSeen;

/// Where in a pagination a request stands: what makes its page, and what a cut run goes on from.
/// Kept in packages and in state, so its JSON form is stable.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageCursor {
    /// The first page.
    Start,
    /// The page after a token that the API gave, in the JSON type it gave it.
    Token(Value),
    /// The page of that number.
    Number(u64),
}

/// What follows a page.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// One more page.
    Page(PageCursor),
    /// The API said that this was the last one.
    Done,
    /// None, as far as can be seen: the page lacks what would lead to the next one, and what says that there is none.
    Unproven,
    /// The configured number of pages was read and the API has more.
    Capped,
}

/// Where a cursor or page number is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A query parameter.
    Param(String),
    /// A dotted path into the JSON body; objects on the way are created.
    Body(Vec<String>),
}

/// A paginator as configured.
#[derive(Debug, Clone, PartialEq)]
pub struct PaginatorPlan {
    /// The rule.
    pub kind: PaginatorKind,
    /// Pages after which a pagination is stopped, loudly.
    pub max_pages: u64,
    /// Where the API reports how many rows there are in all.
    pub total_rows_path: Option<JsonPath>,
}

/// The rules there are.
#[derive(Debug, Clone, PartialEq)]
pub enum PaginatorKind {
    /// A token in each page leads to the next.
    Cursor {
        /// Where the token is in a page.
        cursor_path: JsonPath,
        /// Where it goes in the next request.
        target: Target,
        /// A flag that tells whether more pages follow; it overrules the token.
        has_more_path: Option<JsonPath>,
        /// Whether a page without rows is the last.
        stop_after_empty_page: bool,
    },
    /// Pages are numbered.
    PageNumber {
        /// Number of the first page.
        base_page: u64,
        /// Where the number goes.
        target: Target,
        /// Where a page reports the number of pages.
        total_path: Option<JsonPath>,
        /// First page number that is not read any more (dlt's reading of it).
        maximum_page: Option<u64>,
        /// Whether a page without rows is the last.
        stop_after_empty_page: bool,
        /// A flag that tells whether more pages follow.
        has_more_path: Option<JsonPath>,
    },
    /// One page is all.
    SinglePage,
}
