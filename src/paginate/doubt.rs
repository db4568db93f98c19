//! Why the end of a pagination may not be the end of the rows.

use serde::{Deserialize, Serialize};

/// Why the end of a pagination may not be the end of the rows. Kept in packages, so its JSON form is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Doubt {
    /// The only page has as many rows as pages usually have, and nothing leads to another.
    #[error(
        "the only page has {rows} rows, as a full page would, and nothing in the answer leads to another"
    )]
    FullPage {
        /// Its rows.
        rows: u64,
    },
    /// The only page has what leads to the next one in some APIs.
    #[error("`{path}` looks like what leads to a next page")]
    Lead {
        /// Where it is.
        path: String,
    },
    /// The API gives the latest rows, and gave as many as it ever does.
    #[error("{rows} rows came, the most that the API gives; it has no way to older ones")]
    FullWindow {
        /// Its rows.
        rows: u64,
    },
    /// A number beside the rows is larger than theirs.
    #[error("`{path}` is {total}, but only {rows} rows came")]
    TotalAbove {
        /// Where it is.
        path: String,
        /// The number.
        total: u64,
        /// Rows that came.
        rows: u64,
    },
    /// The API says that there is more where there should be no more.
    #[error("`{path}` says that there is more")]
    SaysMore {
        /// Where it is.
        path: String,
    },
    /// Pages had fewer rows than they were asked for, and the next page began as if they had been full.
    #[error("pages before the last had fewer rows than the limit of {limit}, so rows may have been skipped")]
    ShortPages {
        /// Rows asked for.
        limit: u64,
    },
    /// A page had no rows, although the API's own total says that it is not the end.
    #[error("a page was empty, although `{path}` is {total}")]
    EmptyPage {
        /// Where the total is.
        path: String,
        /// The total.
        total: u64,
    },
    /// A numbered page has rows of the one before it.
    #[error(
        "page {page} has rows of the page before it: rows moved while they were read, and some may have come twice or not at all"
    )]
    Moved {
        /// How many pages were read, this one included.
        page: u64,
    },
    /// The API counted fewer rows from one numbered page to the next.
    #[error(
        "the API's number of rows went from {before} to {total} while they were read, so some may have been skipped"
    )]
    Fewer {
        /// Before.
        before: u64,
        /// Now.
        total: u64,
    },
    /// There was no body where a document should be.
    #[error("an answer had no body, and no status that says that there is nothing")]
    NoBody,
}

impl Doubt {
    /// Whether the API itself says that rows are missing.
    pub fn is_short(&self) -> bool {
        match self {
            Self::TotalAbove { .. } | Self::SaysMore { .. } | Self::EmptyPage { .. } | Self::NoBody => true,
            Self::FullPage { .. }
            | Self::Lead { .. }
            | Self::FullWindow { .. }
            | Self::ShortPages { .. }
            | Self::Moved { .. }
            | Self::Fewer { .. } => false,
        }
    }

    /// Whether it is open which rows came, so that their number says nothing.
    pub fn is_of_moved_rows(&self) -> bool {
        matches!(self, Self::Moved { .. } | Self::Fewer { .. })
    }

    /// Of several doubts the one that says most is told.
    pub fn weight(&self) -> u8 {
        u8::from(self.is_of_moved_rows()) + 2 * u8::from(self.is_short())
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::FullPage { .. } | Self::Lead { .. } => {
                "if it is all, write `paginator = \"single_page\"`; if not, configure the paginator"
            }
            Self::FullWindow { .. } => {
                "what came is loaded; run often enough that fewer are new (`incremental` with `row_order = \"desc\"` tells)"
            }
            Self::TotalAbove { .. } | Self::SaysMore { .. } => "configure the paginator that the API has",
            Self::ShortPages { .. } => {
                "if the API caps its pages, set `limit` to what it gives, or `step = \"rows\"`; `total_path` can prove the end"
            }
            Self::Moved { .. } | Self::Fewer { .. } => {
                "sort by something that puts new rows last, or use a cursor if the API has one; what came is loaded"
            }
            Self::NoBody => "if such an answer means that there are no rows, set `optional = true`",
            Self::EmptyPage { .. } => "run again: rows may have been deleted while they were read",
        }
    }
}
