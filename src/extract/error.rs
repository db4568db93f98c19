//! Why a resource could not be extracted.

use std::sync::Arc;

use crate::config::{RenderError, TemplateError};
use crate::http::{HttpError, StatusFailure, is_transient_status};
use crate::package::PackageError;
use crate::page::FormatError;
use crate::paginate::{Doubt, PaginateError};
use crate::process::ProcessError;
use crate::state::IncrementalError;

/// Why a resource could not be extracted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The request failed for good.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The body is not JSON.
    #[error("{request} (page {page}) did not answer with JSON but with {content_type}")]
    NotJson {
        /// Method and URL, without secrets.
        request: String,
        /// Number of the page in its pagination, from 1.
        page: u64,
        /// `Content-Type` of the answer.
        content_type: String,
        /// Where the text stops being JSON.
        #[source]
        source: serde_json::Error,
    },
    /// The body is not the lines it should be.
    #[error("{request} (page {page}) did not answer with {format}")]
    NotLines {
        /// Method and URL, without secrets.
        request: String,
        /// Number of the page in its pagination, from 1.
        page: u64,
        /// What it should be.
        format: String,
        /// Where it is not.
        #[source]
        source: FormatError,
    },
    /// The data selector found nothing.
    #[error("{request} (page {page}) has nothing at data selector `{selector}`; its fields are {fields}")]
    NoData {
        /// Method and URL, without secrets.
        request: String,
        /// Number of the page in its pagination, from 1.
        page: u64,
        /// The selector.
        selector: String,
        /// The fields that the page has instead.
        fields: String,
        /// What the API says instead.
        #[source]
        said: Option<Box<StatusFailure>>,
    },
    /// The rows are not below keys.
    #[error(
        "{request} (page {page}) has no object at data selector `{selector}`, though `keyed_by` speaks of its keys"
    )]
    NotKeyed {
        /// Method and URL, without secrets.
        request: String,
        /// Number of the page in its pagination, from 1.
        page: u64,
        /// The selector.
        selector: String,
    },
    /// Answers were ignored that say nothing of the rows.
    #[error("{count} of its requests failed with status {status}, and `response_actions` ignore that")]
    Ignored {
        /// How many.
        count: u64,
        /// Their status.
        status: u16,
        /// Whether the resource replaces what is there: a part must not take the place of all.
        replaces: bool,
    },
    /// The next request cannot be told from a page.
    #[error("cannot go on after page {page} of {request}")]
    Paginate {
        /// Method and URL, without secrets.
        request: String,
        /// Number of the page in its pagination, from 1.
        page: u64,
        /// Why.
        #[source]
        source: PaginateError,
    },
    /// A row cannot be processed.
    #[error("cannot process the rows of page {page} of {request}")]
    Process {
        /// Method and URL, without secrets.
        request: String,
        /// Number of the page in its pagination, from 1.
        page: u64,
        /// Which row, and why.
        #[source]
        source: ProcessError,
    },
    /// A parent's row lacks a field that the request needs.
    #[error("row {row} of parent `{parent}` has no field `{field}`")]
    ParentField {
        /// The parent resource.
        parent: String,
        /// Number of the row, from 1.
        row: u64,
        /// The missing field.
        field: String,
    },
    /// The request's placeholders cannot be filled in.
    #[error("cannot build the request for row {row} of the parent")]
    Template {
        /// Number of the row, from 1.
        row: u64,
        /// Why.
        #[source]
        source: TemplateFault,
    },
    /// The parent has no rows to go through.
    #[error("parent `{parent}` was not extracted")]
    Parent {
        /// The parent resource.
        parent: String,
    },
    /// The parent has some of its rows only.
    #[error("the rows of parent `{parent}` were not all read")]
    ShortParent {
        /// The parent resource.
        parent: String,
        /// Whether the resource replaces what is there: a part must not take the place of all.
        replaces: bool,
    },
    /// It is short, so that the next run starts where this one did, and what came would be there twice.
    #[error("nothing of it was loaded: rows are appended, and the next run gets the same ones again")]
    Repeats(#[source] Box<ExtractError>),
    /// Another resource is short, so that the rows of this one come again.
    #[error(
        "nothing of it was loaded: its rows are appended, and come again for `{lacking}`, which is short"
    )]
    Held {
        /// The other resource.
        lacking: String,
    },
    /// Nothing tells whether a first page is the last one, too.
    #[error("the first page has nothing at `{place}`, and nothing else says that it is the last")]
    Unproven {
        /// Where the way to the next page should have been.
        place: String,
    },
    /// The reading ended, but something hints at more.
    #[error("{doubt}")]
    Doubtful {
        /// What hints at it.
        doubt: Doubt,
        /// Whether the resource replaces what is there: a part must not take the place of all.
        replaces: bool,
    },
    /// The cap was reached before the end.
    #[error("stopped at `{cap}`; the API may have more")]
    Capped {
        /// The cap, as the config has it.
        cap: String,
        /// What becomes of the rows up to it.
        next: AfterCap,
    },
    /// There were fewer rows than the API says there are.
    #[error("the API reports {total} rows but gave {rows}")]
    Short {
        /// What it reports.
        total: u64,
        /// What came.
        rows: u64,
        /// Whether pages were shorter than the step of the offset.
        skips: bool,
        /// Whether the resource replaces what is there: a part must not take the place of all.
        replaces: bool,
    },
    /// The request cannot be built.
    #[error("`{url}` is not a URL")]
    Url {
        /// The text.
        url: String,
        /// Why.
        #[source]
        source: url::ParseError,
    },
    /// Its rows cannot be loaded, so that more of them are of no use.
    #[error("{reason}; nothing was asked for after page {pages}")]
    Refused {
        /// Pages received.
        pages: u64,
        /// What is wrong with the rows.
        reason: Arc<dyn std::error::Error + Send + Sync>,
        /// What to do about it.
        hint: Option<String>,
    },
    /// What is to be asked for cannot be told from the cursor.
    #[error(transparent)]
    Incremental(#[from] IncrementalError),
    /// What was received cannot be kept.
    #[error(transparent)]
    Package(#[from] PackageError),
}

/// What becomes of rows up to a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCap {
    /// They are loaded.
    Loaded,
    /// They are loaded, and the next run goes on from there.
    GoesOn,
    /// The next run starts where this one did.
    StartsAgain,
    /// Nothing: a part must not take the place of all.
    Replaces,
}

/// Why placeholders cannot be filled in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateFault {
    /// The text is no template: the plan was not checked.
    #[error(transparent)]
    Parse(#[from] TemplateError),
    /// The parent's row has no fitting value.
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl ExtractError {
    /// Whether a later run may get further: then the pages so far are worth keeping.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Http(error) => error.is_transient(),
            Self::Package(_) | Self::Parent { .. } => true,
            Self::Repeats(short) => short.is_transient(),
            Self::Ignored { status, .. } => is_transient_status(*status),
            Self::NotJson { .. }
            | Self::NotLines { .. }
            | Self::NotKeyed { .. }
            | Self::NoData { .. }
            | Self::Paginate { .. }
            | Self::Process { .. }
            | Self::ParentField { .. }
            | Self::Template { .. }
            | Self::Unproven { .. }
            | Self::Doubtful { .. }
            | Self::ShortParent { .. }
            | Self::Held { .. }
            | Self::Capped { .. }
            | Self::Short { .. }
            | Self::Refused { .. }
            | Self::Incremental(_)
            | Self::Url { .. } => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Http(error) => return error.hint(),
            Self::Paginate { source, .. } => return source.hint().map(str::to_owned),
            Self::Process { source, .. } => source.hint(),
            Self::Refused { hint, .. } => return hint.clone(),
            Self::Incremental(source) => source.hint(),
            Self::NotJson { .. } => {
                "is `base_url` the API's address, and not that of its web pages? If these are lines of JSON, or CSV, set \
                 `response_format`"
            }
            Self::NotLines { source: FormatError::TooLarge { .. }, .. } => {
                "ask for smaller pages, or raise `client.max_body_size`"
            }
            Self::NotLines { source: FormatError::Quote { .. }, .. } => {
                "the answer was cut, or was written without doubling the quotes in it; the next run asks again"
            }
            Self::NotLines { source: FormatError::Text { .. }, .. } => {
                "ask the API for UTF-8: a parameter or the header `Accept-Charset` may say so"
            }
            Self::NotLines { source: FormatError::Complaint { .. }, .. } => {
                "what came before it is not all; the next run asks again"
            }
            Self::NotLines { .. } => "set `response_format` to what the API answers with",
            Self::NotKeyed { .. } => "leave out `keyed_by` where the rows are a list",
            Self::Ignored { replaces: false, .. } => {
                "if that status says that there are no rows, the action is `stop`; what came is loaded"
            }
            Self::Ignored { replaces: true, .. } => {
                "if that status says that there are no rows, the action is `stop`; the rows of the last complete run stay"
            }
            Self::NoData { said: Some(_), .. } => {
                "if such an answer is none to fail for, say in `response_actions` what it means"
            }
            Self::NoData { .. } => "set `data_selector` to the path of the rows; `$` means the whole page",
            Self::ParentField { .. } | Self::Template { .. } => {
                "name a field that every row of the parent has, with a value"
            }
            Self::Parent { .. } => "once its parent is extracted, this resource is, too",
            Self::Repeats(short) if matches!(**short, Self::Capped { .. }) => {
                "raise it; or, if the API gives rows in the order of the cursor, oldest first, say so with \
                 `row_order = \"asc\"`: then each run goes on where the last one stopped"
            }
            Self::Repeats(_) | Self::Held { .. } => {
                "`merge` with a `primary_key` takes the same rows any number of times"
            }
            Self::ShortParent { replaces: false, .. } => {
                "once its parent is read to the end, this resource is, too; what came is loaded"
            }
            Self::ShortParent { replaces: true, .. } => {
                "the rows of the last complete run stay, since a part must not replace all"
            }
            Self::Unproven { .. } => {
                "check that path; if it is right, `has_more_path` or `total_rows_path` can tell the end"
            }
            Self::Doubtful { doubt, replaces: true } if doubt.is_short() => {
                return Some(format!(
                    "{}; the rows of the last complete run stay, since a part must not replace all",
                    doubt.hint()
                ));
            }
            Self::Doubtful { doubt, .. } => doubt.hint(),
            Self::Capped { next: AfterCap::Loaded, .. } => "raise it; what came is loaded",
            Self::Capped { next: AfterCap::GoesOn, .. } => {
                "what came is loaded, and the next run goes on from there"
            }
            Self::Capped { next: AfterCap::StartsAgain, .. } => {
                "raise it: what came is loaded, and the next run starts from the same place; with \
                 `row_order = \"asc\"`, if the API gives the oldest rows first, it goes on where this one stopped"
            }
            Self::Capped { next: AfterCap::Replaces, .. } => {
                "raise it; the rows of the last complete run stay, since a part must not replace all"
            }
            Self::Short { skips: true, .. } => {
                "pages had fewer rows than `limit`: if the API caps them, set `limit` to what it gives, or `step = \"rows\"`"
            }
            Self::Short { replaces: false, .. } => {
                "run again: rows may have been deleted while they were read; what came is loaded"
            }
            Self::Short { replaces: true, .. } => {
                "run again: rows may have been deleted while they were read; those of the last complete run stay"
            }
            Self::Url { .. } => "check `base_url` and `path`",
            Self::Package(_) => {
                "free space below the work directory; the next run goes on where this one stopped"
            }
        };
        Some(hint.to_owned())
    }
}
