//! ISO 8601 text → instants, days and times, exactly the forms that dlt (pendulum) takes.
//!
//! This runs over every text of a new column and every value of a timestamp column, so it works on bytes,
//! allocates nothing and turns down most other text after a look at its first four bytes.

/// Microseconds of a day.
pub(crate) const DAY: i64 = 86_400_000_000;

/// The instants of the years 1 to 9999, which Python has dates for: dlt fails on others, and so would readers.
const INSTANTS: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Day and time: microseconds since 1970 in UTC; without a zone it counts as UTC.
    Instant(i64),
    /// A day alone: days since 1970.
    Day(i32),
    /// A time alone: microseconds since midnight UTC.
    Time(i64),
}

/// Reads an instant: what dlt's detection `iso_timestamp` turns into a timestamp column.
pub(crate) fn parse_instant(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    // The shortest form is `12345:0`: a year, then more.
    if bytes.len() < 7 || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    match parse(text) {
        Some(Moment::Instant(micros)) => Some(micros),
        _ => None,
    }
}

/// Reads an instant, or a day as the instant it begins in UTC: microseconds since 1970. dlt's reading of the instants
/// in its settings.
pub(crate) fn parse_setting(text: &str) -> Option<i64> {
    match parse(text)? {
        Moment::Instant(micros) => Some(micros),
        Moment::Day(days) => Some(i64::from(days) * DAY),
        Moment::Time(_) => None,
    }
}

/// Reads an instant, a day or a time. Intervals and durations are none of these.
pub(crate) fn parse(text: &str) -> Option<Moment> {
    Parser { bytes: text.as_bytes(), at: 0 }
        .iso()
        .or_else(|| Parser { bytes: text.as_bytes(), at: 0 }.common())
}

/// Days since 1970 of a date in the years 1 to 9999; `None` if there is no such date.
pub(crate) fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    if !(1..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || day < 1
        || day > days_in_month(year, month)
    {
        return None;
    }
    // Days of a calendar that begins in March, so that leap days come last.
    let year = i64::from(year) - i64::from(month <= 2);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year;
    i32::try_from(days - 719_468).ok()
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day that is `ordinal` days after the last of the year before.
fn ordinal_day(year: u32, ordinal: i32) -> Option<i32> {
    Some(days(year, 1, 1)? + ordinal - 1)
}

/// The day of an ISO week. Week and day may be 0, as in pendulum.
fn week_day(year: u32, week: u32, day: u32) -> Option<i32> {
    let january_fourth = days(year, 1, 4)?;
    // 1970-01-01 was a Thursday; Monday is 0.
    let monday = january_fourth - (january_fourth + 3).rem_euclid(7);
    let last_week = if days(year, 12, 28)? - monday >= 52 * 7 { 53 } else { 52 };
    if week > last_week || day > 7 {
        return None;
    }
    let found = monday + i32::try_from(week).ok()? * 7 - 7 + i32::try_from(day).ok()? - 1;
    // Python has no dates outside of these years.
    (days(1, 1, 1)?..=days(9999, 12, 31)?).contains(&found).then_some(found)
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    /// The next byte; 0 at the end, which no rule takes.
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte && !self.end();
        self.at += usize::from(found);
        found
    }

    fn end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Exactly `count` digits.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for byte in self.bytes.get(self.at..self.at + count)? {
            value = value * 10 + u32::from(byte.is_ascii_digit().then(|| byte - b'0')?);
        }
        self.at += count;
        Some(value)
    }

    /// The next digits, `most` at most, and how many they were.
    fn some_digits(&mut self, most: usize) -> (u32, usize) {
        let start = self.at;
        let mut value = 0;
        while self.at - start < most && self.peek().is_ascii_digit() {
            value = value * 10 + u32::from(self.peek() - b'0');
            self.at += 1;
        }
        (value, self.at - start)
    }

    /// ISO 8601 as pendulum's parser has it.
    fn iso(mut self) -> Option<Moment> {
        if self.peek() == b'T' {
            let time = self.time(false, false)?;
            return self.finish(None, Some(time));
        }
        let century = self.digits(2)?;
        if self.peek() == b':' {
            let time = self.minutes(century, true)?;
            return self.finish(None, Some(time));
        }
        let year = century * 100 + self.digits(2)?;
        let extended = self.eat(b'-');
        let day = if extended { self.extended_date(year)? } else { self.compact_date(year)? };
        if self.end() {
            return self.finish(Some(day), None);
        }
        let time = self.time(extended, true)?;
        self.finish(Some(day), Some(time))
    }

    /// Whether the date ends here.
    fn date_ends(&self) -> bool {
        self.end() || matches!(self.peek(), b' ' | b'T')
    }

    /// `Www-D`, `MM-DD` or `DDD` after `YYYY-`.
    fn extended_date(&mut self, year: u32) -> Option<i32> {
        if self.eat(b'W') {
            let week = self.digits(2)?;
            let day = if self.date_ends() {
                1
            } else {
                self.eat(b'-').then_some(())?;
                self.digits(1)?
            };
            return week_day(year, week, day);
        }
        let month = self.digits(2)?;
        if self.date_ends() {
            return days(year, month, 1);
        }
        if self.eat(b'-') {
            let day = self.digits(2)?;
            return days(year, month, day);
        }
        let ordinal = month * 10 + self.digits(1)?;
        self.ordinal(year, ordinal)
    }

    /// `WwwD`, `MMDD` or `DDD` after `YYYY`.
    fn compact_date(&mut self, year: u32) -> Option<i32> {
        if self.eat(b'W') {
            let week = self.digits(2)?;
            let day = if self.date_ends() { 1 } else { self.digits(1)? };
            return week_day(year, week, day);
        }
        let month = self.digits(2)?;
        let digit = self.digits(1)?;
        if self.date_ends() {
            return self.ordinal(year, month * 10 + digit);
        }
        let day = digit * 10 + self.digits(1)?;
        days(year, month, day)
    }

    fn ordinal(&self, year: u32, ordinal: u32) -> Option<i32> {
        (1..=365 + u32::from(is_leap(year))).contains(&ordinal).then_some(())?;
        ordinal_day(year, i32::try_from(ordinal).ok()?)
    }

    /// The time after its separator.
    fn time(&mut self, extended: bool, has_date: bool) -> Option<(i64, Option<i64>)> {
        (self.eat(b'T') || (has_date && self.eat(b' '))).then_some(())?;
        let hour = self.digits(2)?;
        self.minutes(hour, extended)
    }

    fn zone_or_end(&self) -> bool {
        self.end() || matches!(self.peek(), b'Z' | b'+' | b'-')
    }

    /// What follows the hour: microseconds of the day and the offset in microseconds.
    ///
    /// Times with colons belong to dates with dashes, those without to dates without; minutes alone are free.
    fn minutes(&mut self, hour: u32, extended: bool) -> Option<(i64, Option<i64>)> {
        let (mut minute, mut second, mut micros) = (0, 0, 0);
        if !self.zone_or_end() {
            let colons = self.eat(b':');
            minute = self.digits(2)?;
            let has_seconds = !self.zone_or_end();
            if has_seconds {
                if colons {
                    self.eat(b':').then_some(())?;
                }
                second = self.digits(2)?;
                micros = self.fraction()?;
            }
            let mixed = if colons { has_seconds && !extended } else { extended };
            if mixed {
                return None;
            }
        }
        let offset = self.offset()?;
        time_of_day(hour, minute, second, micros).map(|time| (time, offset))
    }

    /// Microseconds after `.` or `,`; digits beyond are cut off.
    fn fraction(&mut self) -> Option<u32> {
        if !self.eat(b'.') && !self.eat(b',') {
            return Some(0);
        }
        let (value, count) = self.some_digits(6);
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        (count > 0).then(|| value * 10_u32.pow(6 - u32::try_from(count).unwrap_or(6)))
    }

    /// The zone's offset in microseconds, if there is a zone. A day or more is no offset: dlt lets such text into
    /// a timestamp column and then fails.
    fn offset(&mut self) -> Option<Option<i64>> {
        if self.eat(b'Z') {
            return Some(Some(0));
        }
        let sign = match self.peek() {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(None),
        };
        self.at += 1;
        let hours = self.digits(2)?;
        self.eat(b':');
        let minutes = if self.end() { 0 } else { self.digits(2)? };
        let offset = i64::from(hours * 60 + minutes) * 60_000_000;
        (offset < DAY).then_some(Some(sign * offset))
    }

    fn finish(self, day: Option<i32>, time: Option<(i64, Option<i64>)>) -> Option<Moment> {
        if !self.end() {
            return None;
        }
        match (day, time) {
            (Some(day), Some((time, offset))) => {
                let instant = i64::from(day) * DAY + time - offset.unwrap_or(0);
                INSTANTS.contains(&instant).then_some(Moment::Instant(instant))
            }
            (Some(day), None) => Some(Moment::Day(day)),
            (None, Some((time, offset))) => Some(Moment::Time((time - offset.unwrap_or(0)).rem_euclid(DAY))),
            (None, None) => None,
        }
    }

    /// The forms that pendulum calls common: `2024/01/15 9:05`, `2024:01:15`, a year, digits before `h:mm`.
    fn common(mut self) -> Option<Moment> {
        // A regular expression in pendulum: it tries each part at its longest first and takes less if the
        // rest does not fit.
        for (date_length, day) in self.common_dates() {
            self.at = date_length;
            if self.end() && date_length > 0 {
                return day.map(Moment::Day);
            }
            if let Some(time) = self.common_time() {
                let time = time?;
                return match (date_length, day) {
                    (0, _) => Some(Moment::Time(time)),
                    (_, day) => Some(Moment::Instant(i64::from(day?) * DAY + time)),
                };
            }
        }
        None
    }

    /// Lengths of the dates that the text may begin with, and the days they stand for, longest first.
    fn common_dates(&self) -> impl Iterator<Item = (usize, Option<i32>)> + use<> {
        let mut dates = [None, None, Some((0, None))];
        let mut parser = Parser { bytes: self.bytes, at: 0 };
        if let Some(year) = parser.digits(4) {
            dates[1] = Some((4, days(year, 1, 1)));
            if !parser.eat(b'/') {
                parser.eat(b':');
            }
            if let Some(month) = parser.digits(2) {
                if !parser.eat(b'/') {
                    parser.eat(b':');
                }
                if let Some(day) = parser.digits(2) {
                    dates[0] = Some((parser.at, days(year, month, day)));
                }
            }
        }
        dates.into_iter().flatten()
    }

    /// ` h:mm[:ss][.fraction]` to the end: `None` if the text has another form, `Some(None)` if there is no such
    /// time.
    fn common_time(&mut self) -> Option<Option<i64>> {
        self.eat(b' ');
        let (hour, count) = self.some_digits(2);
        if count == 0 || !self.eat(b':') {
            return None;
        }
        // Pendulum's form lets the minute out and then fails on it.
        let (minute, minute_count) = self.some_digits(2);
        let mut second = 0;
        if self.eat(b':') {
            let (value, count) = self.some_digits(2);
            (count > 0).then_some(())?;
            second = value;
        }
        let mut micros = 0;
        if matches!(self.peek(), b'.' | b',' | b'|') {
            self.at += 1;
            let (value, count) = self.some_digits(6);
            (count > 0).then_some(())?;
            self.some_digits(3);
            micros = value * 10_u32.pow(6 - u32::try_from(count).ok()?);
        }
        self.end().then(|| if minute_count == 0 { None } else { time_of_day(hour, minute, second, micros) })
    }
}

fn time_of_day(hour: u32, minute: u32, second: u32, micros: u32) -> Option<i64> {
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((i64::from(hour * 60 + minute) * 60 + i64::from(second)) * 1_000_000 + i64::from(micros))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2024-01-15T00:00:00Z.
    const DAY_IN_2024: i64 = 19_737 * DAY;
    const HOUR: i64 = 3_600_000_000;
    const MINUTE: i64 = 60_000_000;

    #[test]
    fn instants_are_found_in_all_forms_that_dlt_takes() {
        let ten = DAY_IN_2024 + 10 * HOUR;
        let cases = [
            ("2024-01-15T10:00:00Z", ten),
            ("2024-01-15 10:00:00", ten),
            ("2024-01-15T10:00", ten),
            ("2024-01-15T10", ten),
            ("2024-01-15T12:00:00+02:00", ten),
            ("2024-01-15T12:00:00+0200", ten),
            ("2024-01-15T12:00:00+02", ten),
            ("2024-01-15T05:30:00-04:30", ten),
            ("2024-01-15T10:00:00.5Z", ten + 500_000),
            ("2024-01-15T10:00:00,123456789", ten + 123_456),
            ("20240115T100000Z", ten),
            ("20240115T10", ten),
            ("20240115T1000", ten),
            ("2024-W03-1T10:00:00", ten),
            ("2024W031T100000", ten),
            ("2024-015T10:00:00", ten),
            ("2024/01/15 10:00", ten),
            ("2024:01:15 10:00:00", ten),
            ("2024/01/15 9:05", DAY_IN_2024 + 9 * HOUR + 5 * MINUTE),
            ("2024011510:00", ten),
            ("1969-12-31T23:59:59.999999Z", -1),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_instant(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_instant() {
        let cases = [
            "",
            "2024",
            "2024-01-15",
            "20240115",
            "10:00:00",
            "T10:00",
            "2024-01-15t10:00:00",
            "2024-01-15T10:00:00z",
            "2024-01-15T10:00:00 Z",
            "2024-01-15T10:00:00 UTC",
            " 2024-01-15T10:00:00",
            "2024-01-15T10:00:00 ",
            "2024-01-15T100000",
            "20240115T10:00:00",
            "2024-1-15T10:00:00",
            "2024-01-15T24:00:00",
            "2024-01-15T10:00:60",
            "2024-02-30T10:00:00",
            "0000-01-15T10:00:00",
            "12024-01-15T10:00:00",
            "2024-01-15Z",
            "Mon, 15 Jan 2024 10:00:00 GMT",
            "1705312800",
            "P1D",
            "2024-01-15T10:00:00/P1D",
            "2024-01-15T10:00:00+24:00",
            "2024-01-15T10:00:00-99:99",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2024-W54-1T10:00:00",
            "2024-367T10:00:00",
            "2024-01-15T10:00:00.",
            "2024-01-15T",
            "2024/01/15",
            "2024/01/15 10:",
            "２０２４-01-15T10:00:00",
        ];
        for text in cases {
            assert_eq!(parse_instant(text), None, "{text:?}");
        }
    }

    #[test]
    fn days_and_times_are_read() {
        let day = i32::try_from(DAY_IN_2024 / DAY).unwrap();
        let cases = [
            ("2024-01-15", Some(Moment::Day(day))),
            ("20240115", Some(Moment::Day(day))),
            ("2024/01/15", Some(Moment::Day(day))),
            ("2024", Some(Moment::Day(day - 14))),
            ("2024-01", Some(Moment::Day(day - 14))),
            ("10:30", Some(Moment::Time(10 * HOUR + 30 * MINUTE))),
            ("T1030", Some(Moment::Time(10 * HOUR + 30 * MINUTE))),
            ("01:00+02:00", Some(Moment::Time(23 * HOUR))),
            ("9:05", Some(Moment::Time(9 * HOUR + 5 * MINUTE))),
            ("24:00", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_instant_is_read_back(seconds in -62_135_596_800_i64..253_402_300_800, micros in 0_i64..1_000_000) {
            let instant = seconds * 1_000_000 + micros;
            let text = jiff::Timestamp::from_microsecond(instant).expect("in range").to_string();
            prop_assert_eq!(parse_instant(&text), Some(instant), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "[0-9TWZ:/+., -]{0,24}") {
            let instant = parse_instant(&text);
            prop_assert!(instant.is_none() || parse(&text).is_some());
        }
    }
}
