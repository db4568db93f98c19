//! What a journal is made of: pages, and how resources ended.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::{Action, Validators};
use crate::paginate::{Detected, Doubt, Next, PageCursor};

/// A page that was received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageRecord {
    /// Name of the resource.
    pub resource: String,
    /// Which pagination of the resource: the number of the parent's row, 0 without a parent.
    pub series: u64,
    /// What the page was asked with.
    pub cursor: PageCursor,
    /// What follows it.
    pub next: Next,
    /// The page's own cursor, for resources that go on from it in the next run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<PageCursor>,
    /// The paginator that a first page asked for, if that was to be found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected: Option<Detected>,
    /// Rows in it.
    pub row_count: u64,
    /// Rows that the API says there are in all, if that is what is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_rows: Option<u64>,
    /// Fields of the parent's row that each row gets.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub from_parent: Map<String, Value>,
    /// What else is to be known of the answer.
    #[serde(default, skip_serializing_if = "AnswerNote::is_plain")]
    pub note: AnswerNote,
}

#[cfg(test)]
impl PageRecord {
    /// A page of posts, with one row.
    pub(super) fn test(series: u64, number: u64, next: Next) -> Self {
        Self {
            resource: "posts".to_owned(),
            series,
            cursor: PageCursor::Number(number),
            next,
            token: None,
            detected: None,
            row_count: 1,
            total_rows: None,
            from_parent: Map::new(),
            note: AnswerNote::default(),
        }
    }
}

/// What is to be known of an answer beyond its rows and what follows them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AnswerNote {
    /// Where the rows were found, on the page that was searched for them: those after it have them there, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_at: Option<String>,
    /// What an action made of it, and its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<(Action, u16)>,
    /// Whether it is the same as in the last load (status 304): its rows are there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_unchanged: bool,
    /// Whether it had no list of rows at all, which the config allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_without_list: bool,
    /// What the page before it leaves open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// What the next run may ask with, and for which request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validators: Option<(String, Validators)>,
}

impl AnswerNote {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// How a resource ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The API said that there is no more.
    Complete,
    /// The API said that nothing is new: the rows of the last load stand.
    Unchanged,
    /// Rows are right; the API gives no way to tell whether there are more.
    Unproven(String),
    /// Rows are right, but there are more.
    Partial(String),
    /// Rows are right up to where it was cut, and the next run goes on from there.
    Cut(String),
    /// The rows are not to be loaded.
    Failed(String),
}

impl Outcome {
    /// Whether the rows are loaded.
    pub fn is_loaded(&self) -> bool {
        match self {
            Self::Complete | Self::Unproven(_) | Self::Partial(_) | Self::Cut(_) => true,
            Self::Failed(_) | Self::Unchanged => false,
        }
    }

    /// Whether the rows are all there are, as far as can be told.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Complete | Self::Unproven(_) | Self::Unchanged => true,
            Self::Partial(_) | Self::Cut(_) | Self::Failed(_) => false,
        }
    }

    /// Whether no row is left out before the place that the next run starts from: then the state may move.
    pub fn goes_on(&self) -> bool {
        self.is_whole() || matches!(self, Self::Cut(_))
    }
}

/// One record of a journal.
#[expect(clippy::large_enum_variant, reason = "records pass by one at a time")]
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A page and its rows: the JSON value that the data selector found.
    Page(PageRecord, Bytes),
    /// The end of a resource.
    End {
        /// Name of the resource.
        resource: String,
        /// How it ended.
        outcome: Outcome,
        /// Requests it took, repeated ones included.
        request_count: u64,
        /// When its extraction began and ended, Unix microseconds.
        started_at: i64,
        /// See `started_at`.
        finished_at: i64,
    },
    /// The end of the package: nothing more is extracted into it.
    Sealed,
}

/// A record without its rows, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "headers pass by one at a time")]
pub(super) enum Header {
    Page(PageRecord),
    End { resource: String, outcome: Outcome, request_count: u64, started_at: i64, finished_at: i64 },
    Sealed,
}

impl Header {
    /// A record in its two parts.
    pub(super) fn of(record: &Record) -> (Self, &[u8]) {
        match record {
            Record::Page(page, rows) => (Self::Page(page.clone()), rows),
            Record::Sealed => (Self::Sealed, &[]),
            Record::End { resource, outcome, request_count, started_at, finished_at } => {
                let end = Self::End {
                    resource: resource.clone(),
                    outcome: outcome.clone(),
                    request_count: *request_count,
                    started_at: *started_at,
                    finished_at: *finished_at,
                };
                (end, &[])
            }
        }
    }

    /// The record again.
    pub(super) fn with_rows(self, rows: Bytes) -> Record {
        match self {
            Self::Page(page) => Record::Page(page, rows),
            Self::End { resource, outcome, request_count, started_at, finished_at } => {
                Record::End { resource, outcome, request_count, started_at, finished_at }
            }
            Self::Sealed => Record::Sealed,
        }
    }
}
