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
    /// The value at `has_more_path` is no flag.
    #[error("`{path}` is {found}, which is neither true nor false")]
    NotAFlag {
        /// Path from the config.
        path: String,
        /// The value, shortened.
        found: String,
    },
    /// The value at `total_path` is no number.
    #[error("`{path}` is {found}, which is not a number of pages")]
    NotATotal {
        /// Path from the config.
        path: String,
        /// The value, shortened.
        found: String,
    },
    /// The value at `cursor_path` is an object, a list, `true`, or a number that JSON cannot carry unchanged.
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
    /// A pagination stands at a cursor that its paginator cannot have given.
    #[error("the pagination stands at {found}, which is not a page number")]
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
        };
        Self::Circle { found }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } | Self::NotAFlag { .. } | Self::NotATotal { .. } => {
                Some("check the paginator's paths against a real answer of the API")
            }
            Self::NotACursor { .. } => Some("`cursor_path` must lead to a text or a number"),
            Self::Repeated { .. } | Self::Circle { .. } => Some(
                "check that `cursor_param` is the parameter the API reads; if it repeats the cursor on its last, empty page, set `stop_after_empty_page = true`",
            ),
            Self::MoreWithoutCursor { .. } => Some("check `cursor_path` and `has_more_path`"),
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
