//! What can be wrong with a page's word on what follows it.

use super::PageCursor;

/// A page from which the next one cannot be told. None of these gets better by asking again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PaginateError {
    /// A flag or total that the config names is not there.
    #[error("`{path}` is missing from the page, which has {keys}")]
    Missing {
        /// Path from the config.
        path: String,
        /// Fields that the page has.
        keys: String,
    },
    /// A header that the config names is not there.
    #[error("the answer has no header `{name}`")]
    MissingHeader {
        /// Its name.
        name: String,
    },
    /// The value at `has_more_path` is no flag.
    #[error("`{path}` is {found}, which is neither true nor false")]
    NotAFlag {
        /// Path from the config.
        path: String,
        /// The value, shortened.
        found: String,
    },
    /// The value at `total_path` is no number.
    #[error("`{path}` is {found}, which is not a number")]
    NotATotal {
        /// Path from the config.
        path: String,
        /// The value, shortened.
        found: String,
    },
    /// The value at `cursor_path` is `true`, has a number that JSON cannot carry unchanged, or is a list or an object
    /// where a parameter takes it.
    #[error("`{path}` is {found}, which cannot be sent back as a cursor")]
    NotACursor {
        /// Path from the config.
        path: String,
        /// The value, shortened.
        found: String,
    },
    /// The flag says that there is more, and there is nothing to ask for it with.
    #[error("the API says there is more (`{has_more_path}`) but gave no cursor (`{cursor_path}` is {found})")]
    MoreWithoutCursor {
        /// Path of the flag.
        has_more_path: String,
        /// Path of the cursor.
        cursor_path: String,
        /// The value, or `missing`.
        found: String,
    },
    /// The next page would be this one again.
    #[error("the API gave the cursor again that the page was asked with (`{path}` is {found})")]
    Repeated {
        /// Path of the cursor.
        path: String,
        /// The value, shortened.
        found: String,
    },
    /// The next page would be one that was read before.
    #[error(
        "the API leads in a circle: it gave a cursor again that an earlier page was asked with ({found})"
    )]
    Circle {
        /// The cursor, shortened.
        found: String,
    },
    /// A numbered page has the rows of the one before it.
    #[error("page {number} has the rows of the page before it")]
    SamePage {
        /// How many pages were read, this one included.
        number: u64,
    },
    /// The flag says that there is more, and the page has no row to go on from.
    #[error("the API says there is more (`{has_more_path}`) but gave no rows to go on from")]
    EmptyWithMore {
        /// Path of the flag.
        has_more_path: String,
    },
    /// Page after page without rows, and no end.
    #[error("{count} pages in a row had no rows, and the API says there is more")]
    OnlyEmptyPages {
        /// How many.
        count: u64,
    },
    /// The API gives fewer rows than asked for, so that the next offset would skip some.
    #[error("the API caps a page at {cap} rows (`{path}`), so that steps of {limit} rows would skip some")]
    LimitCapped {
        /// Where the answer says so.
        path: String,
        /// Rows it gives.
        cap: u64,
        /// Rows it was asked for.
        limit: u64,
    },
    /// What should be the address of the next page is none.
    #[error("`{place}` is {found}, which is not the address of a page")]
    NotALink {
        /// Path in the body, or the header.
        place: String,
        /// The value, shortened.
        found: String,
    },
    /// The next page is said to be at another server.
    #[error("`{place}` leads to another origin, {origin}")]
    ForeignOrigin {
        /// Path in the body, or the header.
        place: String,
        /// Scheme, host and port.
        origin: String,
    },
    /// What was found out from the first page does not lead to a second one.
    #[error(
        "page 2 has the rows of page 1: what the first page hints at ({chosen}) is not how this API pages"
    )]
    Misdetected {
        /// The line of config that does the same.
        chosen: String,
    },
    /// The API pages by a field of the last row whose values are to be kept nowhere.
    #[error("the API pages by `{field}` of the last row, which `protect` names")]
    ProtectedCursor {
        /// The field.
        field: String,
    },
    /// A pagination stands at a cursor that its paginator cannot have given.
    #[error("the pagination stands at {found}, which is not a number")]
    ForeignCursor {
        /// The cursor, shortened.
        found: String,
    },
}

impl PaginateError {
    /// The error for a cursor that an earlier page was asked with.
    pub fn circle(cursor: &PageCursor) -> Self {
        let found = match cursor {
            PageCursor::Token(token) => shorten(&token.to_string()),
            PageCursor::Start => "the first page".to_owned(),
            PageCursor::Number(number) => format!("page {number}"),
            // Its query may be long, or hold what is nobody's business.
            PageCursor::Url(url) => shorten(url.split('?').next().unwrap_or_default()),
        };
        Self::Circle { found }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::SamePage { .. } => Some(
                "check that the API reads the parameter that the number goes to; if it gives its last page for all that follow, `total_path`, `total_header` or `has_more_path` must say which one is the last",
            ),
            Self::Missing { .. }
            | Self::MissingHeader { .. }
            | Self::NotAFlag { .. }
            | Self::NotATotal { .. } => Some("check the paginator's paths against a real answer of the API"),
            Self::NotACursor { .. } => Some(
                "`cursor_path` must lead to a text or a number; a list or an object can go into a body (`cursor_body_path`)",
            ),
            Self::Repeated { .. } | Self::Circle { .. } => Some(
                "check that `cursor_param` is the parameter the API reads; if it repeats the cursor on its last, empty page, set `stop_after_empty_page = true`",
            ),
            Self::MoreWithoutCursor { .. } => {
                Some("check the paths of the cursor or link, and `has_more_path`")
            }
            Self::EmptyWithMore { .. } => Some("check `data_selector` and `has_more_path`"),
            Self::OnlyEmptyPages { .. } => {
                Some("check `data_selector` and `has_more_path`, or set `stop_after_empty_page = true`")
            }
            Self::LimitCapped { .. } => Some("set `limit` to that number, or `step = \"rows\"`"),
            Self::NotALink { .. } => Some("the address has to be a text, or an object with `href` or `url`"),
            Self::ForeignOrigin { .. } => Some(
                "nothing is asked of it, since credentials and rows belong to the API's own origin; is `base_url` right?",
            ),
            Self::Misdetected { .. } => Some(
                "configure the paginator, with the parameters that the API reads (for pages from 1: `base_page = 1`; in the body of a POST: `cursor_body_path` and the like), or write `paginator = \"single_page\"`",
            ),
            Self::ProtectedCursor { .. } => Some(
                "a cursor is sent in requests and kept with what was received; configure a paginator that goes by another field, or do not protect this one",
            ),
            Self::ForeignCursor { .. } => {
                Some("the paginator was changed since; start anew with `--restart`")
            }
        }
    }
}

/// A JSON text for a message: one line, at most 60 characters.
pub(super) fn shorten(json: &str) -> String {
    let mut shown: String = json.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if json.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}
