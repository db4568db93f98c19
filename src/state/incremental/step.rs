//! Windows: a long range cut into pieces that an API answers one at a time.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// More windows than this are a slip of the keyboard.
pub(super) const MAX_WINDOWS: usize = 100_000;

/// The size of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Step {
    /// Minutes: `30min`, `6h`, `1d`, `2w`. Days are those of UTC, which all have 24 hours.
    Minutes(u32),
    /// Calendar months: `1mo`, `1y`.
    Months(u32),
    /// So many numbers, for cursors that are numbers: `1000`.
    Count(u32),
}

/// What a window looks like, for messages: "`x` is not …".
pub const STEP_RULE: &str = "is not a window; write a whole number and a unit (min, h, d, w, mo, y), like `1d`; for cursors that are numbers, a number";

/// A text is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` {STEP_RULE}")]
pub struct NoStep(String);

impl FromStr for Step {
    type Err = NoStep;

    fn from_str(text: &str) -> Result<Self, NoStep> {
        let trimmed = text.trim();
        let unit_at = trimmed.find(|char: char| !char.is_ascii_digit()).unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(unit_at);
        let number: Option<u32> = number.parse().ok().filter(|number| *number > 0);
        let times = |factor: u32| number.and_then(|number| number.checked_mul(factor));
        let step = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" => number.map(Self::Count),
            "min" => times(1).map(Self::Minutes),
            "h" => times(60).map(Self::Minutes),
            "d" => times(24 * 60).map(Self::Minutes),
            "w" => times(7 * 24 * 60).map(Self::Minutes),
            "mo" => times(1).map(Self::Months),
            "y" => times(12).map(Self::Months),
            _ => None,
        };
        step.ok_or_else(|| NoStep(text.to_owned()))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minutes(minutes) if minutes % (24 * 60) == 0 => write!(f, "{}d", minutes / (24 * 60)),
            Self::Minutes(minutes) if minutes % 60 == 0 => write!(f, "{}h", minutes / 60),
            Self::Minutes(minutes) => write!(f, "{minutes}min"),
            Self::Months(months) => write!(f, "{months}mo"),
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

impl TryFrom<String> for Step {
    type Error = NoStep;

    fn try_from(text: String) -> Result<Self, NoStep> {
        text.parse()
    }
}

impl From<Step> for String {
    fn from(step: Step) -> Self {
        step.to_string()
    }
}

impl Step {
    /// The boundaries of windows from `from` until one is at or beyond `to`: at least two, strictly growing. Times
    /// are microseconds since 1970. `None` if they would be more than [`MAX_WINDOWS`], or leave the calendar.
    pub fn cut(self, from: i64, to: i64) -> Option<Vec<i64>> {
        let mut boundaries = vec![from];
        // Each is counted from the first, so that months that begin on the 31st come back to it.
        for number in 1..=i64::try_from(MAX_WINDOWS).ok()? {
            let boundary = self.nth(from, number)?;
            boundaries.push(boundary);
            if boundary >= to {
                return Some(boundaries);
            }
        }
        None
    }

    fn nth(self, from: i64, number: i64) -> Option<i64> {
        match self {
            Self::Minutes(minutes) => from.checked_add(number.checked_mul(i64::from(minutes) * 60_000_000)?),
            Self::Count(count) => from.checked_add(number.checked_mul(i64::from(count))?),
            Self::Months(months) => {
                let start: DateTime = Offset::UTC.to_datetime(Timestamp::from_microsecond(from).ok()?);
                let span = Span::new().try_months(number.checked_mul(i64::from(months))?).ok()?;
                let moved = start.checked_add(span).ok()?;
                Some(Offset::UTC.to_timestamp(moved).ok()?.as_microsecond())
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::TimeForm;

    fn at(text: &str) -> i64 {
        TimeForm::read(text).unwrap().1
    }

    #[test]
    fn windows_are_written_with_units() {
        for (text, step) in [
            ("1d", Step::Minutes(1440)),
            ("6h", Step::Minutes(360)),
            ("2 w", Step::Minutes(20160)),
            ("15min", Step::Minutes(15)),
            ("1mo", Step::Months(1)),
            ("1Y", Step::Months(12)),
            ("1000", Step::Count(1000)),
        ] {
            assert_eq!(text.parse::<Step>(), Ok(step), "{text}");
            assert_eq!(step.to_string().parse::<Step>(), Ok(step), "{text}");
        }
        for text in ["", "d", "0d", "-1d", "1.5d", "1m", "1x", "99999999999d", "4294967295w"] {
            assert!(text.parse::<Step>().is_err(), "{text}");
        }
    }

    #[test]
    fn months_end_where_the_calendar_has_them_end() {
        let form = TimeForm::read("2024-01-31").unwrap().0;
        let boundaries = Step::Months(1).cut(at("2024-01-31"), at("2024-05-15")).unwrap();
        let texts: Vec<_> = boundaries.into_iter().map(|boundary| form.write(boundary)).collect();
        assert_eq!(texts, ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]);
    }

    #[test]
    fn an_empty_range_is_one_window_and_too_many_are_none() {
        assert_eq!(Step::Count(10).cut(5, 5), Some(vec![5, 15]));
        assert_eq!(Step::Minutes(1).cut(at("2000-01-01"), at("2024-01-01")), None);
        assert_eq!(Step::Months(12).cut(at("9998-06-01"), i64::MAX), None);
    }

    proptest! {
        /// Every instant of the range is in one window and no other.
        #[test]
        fn windows_cover_a_range_without_gap_or_overlap(
            start in 0_i64..2_000_000_000,
            length in 1_i64..100_000_000,
            step in prop_oneof![
                (600_u32..100_000).prop_map(Step::Minutes),
                (1_u32..30).prop_map(Step::Months),
            ],
        ) {
            let (from, to) = (start * 1_000_000, (start + length) * 1_000_000);
            let boundaries = step.cut(from, to).unwrap();
            prop_assert_eq!(boundaries[0], from);
            prop_assert!(*boundaries.last().unwrap() >= to);
            prop_assert!(boundaries[boundaries.len() - 2] < to);
            prop_assert!(boundaries.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
