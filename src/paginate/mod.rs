//! Rules for the next request. Pure: a paginator sees a request and an answer, and holds no client.

mod auto;
mod cursor;
mod doubt;
mod error;
mod header;
mod kind;
mod link;
mod mark;
mod plan;
#[cfg(test)]
mod properties;
mod range;
mod received;
mod seen;
mod signal;
mod tally;
mod target;

use serde_json::Value;

pub use auto::Detected;
pub use doubt::Doubt;
pub use error::PaginateError;
pub use kind::{AfterEmptyPage, CursorSource, PaginatorKind, RangeEnd, Step, TotalPath};
pub use mark::PageMark;
pub use received::{Received, SecretParam};
pub use seen::CursorsSeen;
pub use tally::Tally;

use crate::config::Secrets;
use crate::page::JsonPath;

/// Where in a pagination a request stands: what makes its page, and what a cut run goes on from.
/// Kept in packages and in state, so its JSON form is stable.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageCursor {
    /// The first page.
    Start,
    /// The page after a token that the API gave, in the JSON type it gave it.
    Token(Value),
    /// The page of that number, or the one that begins at that row.
    Number(u64),
    /// The page at an address that the API gave: absolute, without credentials.
    Url(String),
}

impl PageCursor {
    /// As it is kept: an address may repeat the secrets of its request.
    pub fn without_secrets(&self, secrets: &Secrets) -> Self {
        match self {
            Self::Url(url) => Self::Url(secrets.replace(url)),
            other => other.clone(),
        }
    }

    /// As it is asked for.
    pub fn with_secrets(&self, secrets: &Secrets) -> Self {
        match self {
            Self::Url(url) => Self::Url(secrets.restore(url)),
            other => other.clone(),
        }
    }
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
    /// None, although something hints at more.
    Doubtful(Doubt),
    /// The configured number of pages was read and the API has more.
    Capped,
}

/// What an answer says of the pages after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    /// What follows.
    pub next: Next,
    /// The paginator that the first answer asks for, if that was to be found out.
    pub detected: Option<Detected>,
    /// What to compare the next page with, if pages are numbered.
    pub mark: Option<PageMark>,
    /// What a comparison with the page before leaves open.
    pub doubt: Option<Doubt>,
}

/// Where a cursor or page number is written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
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
