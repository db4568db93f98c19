//! What cannot be done with a cursor.

use super::step::{MAX_WINDOWS, Step};

/// Why a row cannot be placed before or after the cursor, or a reading cannot be cut to its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IncrementalError {
    /// The field is missing or null.
    #[error("a row has no value at cursor `{path}`")]
    Missing {
        /// The cursor's path.
        path: String,
    },
    /// Neither two numbers nor two texts.
    #[error("the values at cursor `{path}` are of types that cannot be compared")]
    Incomparable {
        /// The cursor's path.
        path: String,
    },
    /// The newest value is nothing that time or a number can be taken from.
    #[error(
        "`lag` cannot be taken from the newest value at cursor `{path}`: it is neither a number nor a time"
    )]
    Lag {
        /// The cursor's path.
        path: String,
    },
    /// The expression in `convert` fails, or gives something else than one value.
    #[error("`convert` cannot make a value to send of that at cursor `{path}`: {reason}")]
    Convert {
        /// The cursor's path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// An end of a range that is no value of the cursor.
    #[error("`{text}` is no {kind}, which the values at cursor `{path}` are")]
    NotOfCursor {
        /// The end as given.
        text: String,
        /// `time`, `whole number`.
        kind: &'static str,
        /// The cursor's path.
        path: String,
    },
    /// An end of a window that the API's form of a time cannot say.
    #[error("{what} cannot be said in the form of the values at cursor `{path}`, like `{example}`")]
    TooFine {
        /// What is too fine: an end, or the windows.
        what: String,
        /// A value in the cursor's form.
        example: String,
        /// The cursor's path.
        path: String,
    },
    /// The end is not after the start.
    #[error("the range from `{from}` to `{to}` holds nothing")]
    Empty {
        /// Where it starts.
        from: String,
        /// Where it ends.
        to: String,
    },
    /// The windows do not go with the values: days for numbers, a number for times.
    #[error("windows of `{step}` do not go with the values at cursor `{path}`, which are {kind}s")]
    Step {
        /// The windows as given.
        step: Step,
        /// `time`, `whole number`.
        kind: &'static str,
        /// The cursor's path.
        path: String,
    },
    /// The range is far larger than the windows.
    #[error("windows of `{step}` are too small for the range: there would be more than {MAX_WINDOWS}")]
    TooMany {
        /// The windows as given.
        step: Step,
    },
    /// A range of numbers has no present to end at.
    #[error("a range of numbers needs an end, and there is none for cursor `{path}`")]
    NoEnd {
        /// The cursor's path.
        path: String,
    },
    /// The reading was cut, and rows beyond the cut may be older than those before it.
    #[error("the reading was cut, and rows did not come in the order of `{path}` that `row_order` promises")]
    CutOutOfOrder {
        /// The cursor's path.
        path: String,
    },
    /// There is nothing to count windows from, or no end to count them to.
    #[error("windows need a start that is a time, and there is none for cursor `{path}`")]
    NoWindows {
        /// The cursor's path.
        path: String,
    },
}

impl IncrementalError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "load such rows with `on_cursor_value_missing = \"include\"`, or leave them out with `\"exclude\"`"
            }
            Self::Incomparable { .. } => "name a field whose values are all numbers or all texts",
            Self::Lag { .. } => "leave `lag` out, or name a field that holds numbers, days or times",
            Self::Convert { .. } => "the expression gets the value as its input and gives one text or number",
            Self::NotOfCursor { kind: "time", .. } => {
                "write a day like `2024-01-31`, or an instant like `2024-01-31T12:00:00Z`"
            }
            Self::NotOfCursor { .. } => "write a whole number",
            Self::TooFine { .. } => {
                "use whole days, or an `initial_value` in a finer form that the API takes"
            }
            Self::Empty { .. } => "the start comes first; rows at the end itself are not in the range",
            Self::Step { kind: "time", .. } => "write a number and a unit (min, h, d, w, mo, y), like `1d`",
            Self::Step { .. } => "write a number alone, like `1000`",
            Self::TooMany { .. } => "use larger windows",
            Self::NoEnd { .. } => "give it with `--to`",
            Self::CutOutOfOrder { .. } => "raise the cap, or leave `row_order` out",
            Self::NoWindows { .. } => "set `initial_value` to a time, like \"2024-01-01T00:00:00Z\"",
        }
    }
}
