//! What the users of a quota tell each other: one line of text each.
//!
//! - `TIME BUCKET:UNITS …`: a request goes out at that time and costs that much. `client:1` alone is left out. Behind
//!   a `+`, the time has what its answer took longer than the fastest one.
//! - `a TIME SLACK`: the answer to the request of that time took that much longer than the fastest one.
//! - `p TIME`: nothing is sent before; a server asked for it.
//!
//! Times and slacks are microseconds, in 16 digits at most: sums of them are no larger than the types for them.

use std::fmt::{self, Write};

use super::clock::Micros;

/// The bucket of the whole client.
pub(super) const CLIENT: &str = "client";

/// A turn is told at most this long ahead. Who finds a later one finds a clock that was set back, or damage.
pub(super) const MOST_AHEAD: Micros = 2_000_000;

/// A pause that is longer is not kept: damage, or a clock that was set back.
pub(super) const LONGEST_PAUSE: Micros = 86_400_000_000;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Sent { at: Micros, charges: Vec<(String, u32)>, slack: Option<Micros> },
    Answered { at: Micros, slack: Micros },
    Pause { until: Micros },
}

impl Record {
    /// Reads a line; `None` if it is damaged.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        match words.next()? {
            "a" => {
                let (at, slack) = (number(words.next()?)?, number(words.next()?)?);
                words.next().is_none().then_some(Self::Answered { at, slack })
            }
            "p" => {
                let until = number(words.next()?)?;
                words.next().is_none().then_some(Self::Pause { until })
            }
            time => {
                let (at, slack) = match time.split_once('+') {
                    Some((at, slack)) => (number(at)?, Some(number(slack)?)),
                    None => (number(time)?, None),
                };
                let charge = |word: &str| {
                    let (bucket, units) = word.rsplit_once(':')?;
                    (!bucket.is_empty()).then_some((bucket.to_owned(), units.parse().ok()?))
                };
                let mut charges = words.map(charge).collect::<Option<Vec<_>>>()?;
                if charges.is_empty() {
                    charges.push((CLIENT.to_owned(), 1));
                }
                Some(Self::Sent { at, charges, slack })
            }
        }
    }

    /// Until when it matters to anybody whose longest window is `horizon`.
    pub(super) fn ends(&self, horizon: Micros) -> Micros {
        match self {
            Self::Sent { at, .. } | Self::Answered { at, .. } => at.saturating_add(horizon),
            Self::Pause { until } => *until,
        }
    }
}

/// Digits of the longest number, which is a time until the year 2286.
const MAX_DIGITS: usize = 16;

/// Digits alone: `parse` would take a sign, too.
fn number(text: &str) -> Option<u64> {
    let is_number = text.len() <= MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { at, slack } => write!(f, "a {at} {slack}"),
            Self::Pause { until } => write!(f, "p {until}"),
            Self::Sent { at, charges, slack } => {
                write!(f, "{at}")?;
                if let Some(slack) = slack {
                    write!(f, "+{slack}")?;
                }
                if !matches!(charges.as_slice(), [(bucket, 1)] if bucket == CLIENT) {
                    for (bucket, units) in charges {
                        write!(f, " {bucket}:{units}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// A bucket's name as one word.
pub(super) fn word(name: &str) -> String {
    let mut word = String::with_capacity(name.len());
    for char in name.chars() {
        match char {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | '/' => word.push(char),
            // Writing to a `String` cannot fail.
            other => drop(write!(word, "%{:x}", u32::from(other))),
        }
    }
    word
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let charge = |bucket: &str, units| (bucket.to_owned(), units);
        for (record, line) in [
            (Record::Sent { at: 17, charges: vec![charge(CLIENT, 1)], slack: None }, "17"),
            (Record::Sent { at: 17, charges: vec![charge(CLIENT, 1)], slack: Some(90) }, "17+90"),
            (Record::Sent { at: 17, charges: vec![charge(CLIENT, 5)], slack: None }, "17 client:5"),
            (
                Record::Sent {
                    at: 17,
                    charges: vec![charge(CLIENT, 1), charge("a/%20b", 2)],
                    slack: Some(0),
                },
                "17+0 client:1 a/%20b:2",
            ),
            (Record::Answered { at: 17, slack: 4 }, "a 17 4"),
            (Record::Pause { until: 18 }, "p 18"),
        ] {
            assert_eq!(record.to_string(), line);
            assert_eq!(Record::parse(line), Some(record));
        }
    }

    #[test]
    fn damaged_lines_are_no_records() {
        for line in [
            "",
            "x",
            "+5",
            "1+",
            "1+2+3",
            "-1",
            "1 ",
            "1 client",
            "1 :2",
            "1 client:x",
            "a 1",
            "a 1 2 3",
            "p",
            "\0\0",
            "10000000000000000",
            "1+10000000000000000",
            "a 10000000000000000 1",
            "p 18446744073709551615",
        ] {
            assert_eq!(Record::parse(line), None, "{line:?}");
        }
    }
}
