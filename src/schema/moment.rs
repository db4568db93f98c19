//! Times in the form that an API writes them in: read, moved, and written in the same form again.

use jiff::Timestamp;
use jiff::tz::Offset;

use super::timestamp::{DAY, parse_setting};

/// How a time is written: `2024-01-15`, `20240115`, `2024-01-15T10:00:00.000Z`, `2024-01-15 10:00+0200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeForm {
    has_dashes: bool,
    clock: Option<Clock>,
    zone: Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock {
    separator: char,
    /// Numbers after the hour: minutes, seconds.
    parts: usize,
    fraction_digits: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    None,
    Z,
    Offset { seconds: i32, has_colon: bool },
}

impl TimeForm {
    /// RFC 3339 in UTC to the second.
    pub(crate) const UTC: Self = Self {
        has_dashes: true,
        clock: Some(Clock { separator: 'T', parts: 2, fraction_digits: 0 }),
        zone: Zone::Z,
    };

    /// The form of a text, and the instant in microseconds since 1970 that it says. Without a zone it counts as UTC.
    pub(crate) fn read(text: &str) -> Option<(Self, i64)> {
        let instant = parse_setting(text)?;
        let date_length = [10, 8].into_iter().find(|length| is_date(text.get(..*length)))?;
        let (date, rest) = text.split_at(date_length);
        let has_dashes = date.contains('-');
        let form = match rest.chars().next() {
            None => Self { has_dashes, clock: None, zone: Zone::None },
            Some(separator @ ('T' | ' ')) if has_dashes => {
                let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
                let (clock, zone) = rest.split_at(zone_at);
                let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
                let parts = clock.matches(':').count();
                Self {
                    has_dashes,
                    clock: Some(Clock { separator, parts, fraction_digits: fraction.len() }),
                    zone: zone_of(zone)?,
                }
            }
            Some(_) => return None,
        };
        // What the form would write otherwise, it is not.
        (form.write(instant).len() == text.len()).then_some((form, instant))
    }

    /// Whether it says days only.
    pub(crate) fn is_date(self) -> bool {
        self.clock.is_none()
    }

    /// Writes an instant; what is finer than the form is cut off.
    pub(crate) fn write(self, micros: i64) -> String {
        let offset = match self.zone {
            Zone::Offset { seconds, .. } => i64::from(seconds) * 1_000_000,
            Zone::None | Zone::Z => 0,
        };
        let local = micros.saturating_add(offset);
        let timestamp = Timestamp::from_microsecond(local).unwrap_or(Timestamp::UNIX_EPOCH);
        let time = Offset::UTC.to_datetime(timestamp);
        let dash = if self.has_dashes { "-" } else { "" };
        let mut text = format!("{:04}{dash}{:02}{dash}{:02}", time.year(), time.month(), time.day());
        if let Some(clock) = self.clock {
            text.push(clock.separator);
            let parts = [time.hour(), time.minute(), time.second()];
            let parts = parts.iter().take(clock.parts + 1).map(|part| format!("{part:02}"));
            text.push_str(&parts.collect::<Vec<_>>().join(":"));
            if clock.fraction_digits > 0 {
                let nanos = format!("{:09}", local.rem_euclid(1_000_000) * 1000);
                let digits = nanos.chars().chain(std::iter::repeat('0')).take(clock.fraction_digits);
                text.push('.');
                text.extend(digits);
            }
        }
        match self.zone {
            Zone::None => {}
            Zone::Z => text.push('Z'),
            Zone::Offset { seconds, has_colon } => {
                let sign = if seconds < 0 { '-' } else { '+' };
                let colon = if has_colon { ":" } else { "" };
                let minutes = seconds.abs() / 60;
                text.push_str(&format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60));
            }
        }
        text
    }

    /// Whether the form can say this instant exactly.
    pub(crate) fn can_say(self, micros: i64) -> bool {
        parse_setting(&self.write(micros)) == Some(micros)
    }

    /// The first instant from this one on that the form can say.
    pub(crate) fn ceil(self, micros: i64) -> i64 {
        let offset = match self.zone {
            Zone::Offset { seconds, .. } => i64::from(seconds) * 1_000_000,
            Zone::None | Zone::Z => 0,
        };
        let unit = match self.clock {
            None => DAY,
            Some(Clock { parts: 0, .. }) => 3_600_000_000,
            Some(Clock { parts: 1, .. }) => 60_000_000,
            Some(Clock { fraction_digits, .. }) => {
                10_i64.pow(6 - u32::try_from(fraction_digits.min(6)).unwrap_or(6))
            }
        };
        let local = micros.saturating_add(offset);
        local.saturating_add(unit - 1).div_euclid(unit).saturating_mul(unit).saturating_sub(offset)
    }

    /// Moves an instant by whole and broken days, as a cursor of days is moved: from the day that it lies in, to the
    /// first or the last moment of another.
    pub(crate) fn move_days(micros: i64, days: f64, to_end: bool) -> i64 {
        // Python adds broken days to a date by dropping the rest, towards the past.
        let moved = micros.div_euclid(DAY).saturating_add(whole(days));
        let start = moved.saturating_mul(DAY);
        if to_end { start.saturating_add(DAY - 1) } else { start }
    }
}

/// The whole days in a number of them.
#[expect(clippy::cast_possible_truncation, reason = "days beyond the calendar saturate")]
fn whole(days: f64) -> i64 {
    days.floor() as i64
}

fn is_date(text: Option<&str>) -> bool {
    let Some(text) = text else { return false };
    let is_digit = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    match text.as_bytes() {
        [year @ .., b'-', _, _, b'-', _, _] => year.len() == 4 && is_digit(year),
        all => all.len() == 8 && is_digit(all),
    }
}

fn zone_of(text: &str) -> Option<Zone> {
    let sign = match text.chars().next() {
        None => return Some(Zone::None),
        Some('Z') => return Some(Zone::Z),
        Some('-') => -1,
        Some(_) => 1,
    };
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = (digits.get(..2)?.parse::<i32>().ok()?, digits.get(2..4)?.parse::<i32>().ok()?);
    Some(Zone::Offset { seconds: sign * (hours * 60 + minutes) * 60, has_colon: text.contains(':') })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_the_form_that_they_were_read_in() {
        for text in [
            "2024-01-15",
            "20240115",
            "2024-01-15T10",
            "2024-01-15T10:05",
            "2024-01-15T10:05:06",
            "2024-01-15 10:05:06",
            "2024-01-15T10:05:06Z",
            "2024-01-15T10:05:06.1Z",
            "2024-01-15T10:05:06.123Z",
            "2024-01-15T10:05:06.123456Z",
            "2024-01-15T10:05:06+02:00",
            "2024-01-15T10:05:06-0430",
            "2024-01-15T10:05:06.120+05:30",
            "1969-12-31T23:59:59.999Z",
        ] {
            let (form, micros) = TimeForm::read(text).unwrap_or_else(|| panic!("{text} is not read"));
            assert_eq!(form.write(micros), text);
            assert!(form.can_say(micros), "{text}");
        }
        assert_eq!(TimeForm::UTC.write(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn other_texts_have_no_form() {
        for text in ["", "2024", "2024-01", "2024-W03-1", "2024/01/15", "10:30", "20240115T10", "x"] {
            assert!(TimeForm::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_form_tells_what_it_cannot_say() {
        let (day, micros) = TimeForm::read("2024-01-15").unwrap();
        assert!(!day.can_say(micros + 1) && day.can_say(micros + DAY));
        let (second, micros) = TimeForm::read("2024-01-15T10:00:00Z").unwrap();
        assert!(!second.can_say(micros + 500_000) && second.can_say(micros + 1_000_000));
        assert_eq!((day.ceil(1), day.ceil(DAY), second.ceil(1), second.ceil(0)), (DAY, DAY, 1_000_000, 0));
        let (zoned, _) = TimeForm::read("2024-01-15T10+05:30").unwrap();
        assert!(zoned.can_say(zoned.ceil(micros + 1)));
    }
}
