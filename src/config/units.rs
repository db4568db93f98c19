//! Quantities as people write them: durations, sizes, rate limits.

use std::num::NonZeroU32;
use std::time::Duration;

use super::RateLimit;

/// What a duration looks like, for messages: "`x` is not …".
pub(super) const DURATION_RULE: &str =
    "is not a duration; write a number and a unit (ms, s, min, h, d), like `30s` or `5min`";
/// What a size looks like.
pub(super) const SIZE_RULE: &str =
    "is not a size; write a number and a unit (B, KB, MB, GB, KiB, MiB, GiB), like `64MiB`";
/// What a rate limit looks like.
pub(super) const RATE_LIMIT_RULE: &str =
    "is not a rate limit; write requests per time, like `25/s`, `300/min`, `10000/h` or `100/10s`";

/// Reads a duration: a number, which may have a fraction, and a unit. Zero is none.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let seconds = number.parse::<f64>().ok()? * unit_seconds(unit)?;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "ms" => 0.001,
        "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86400.0,
        _ => return None,
    })
}

/// Reads a size in bytes: a whole number and a unit. Zero is none.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes > 0)
}

/// Reads a rate limit: requests, a slash, and a window (`s`, `min`, `10s`, …).
pub(super) fn rate_limit(text: &str) -> Option<RateLimit> {
    let (requests, window) = text.split_once('/')?;
    let requests = requests.trim().parse::<NonZeroU32>().ok()?;
    let window = window.trim();
    let counted = window.starts_with(|char: char| char.is_ascii_digit());
    let per = if counted { duration(window)? } else { duration(&format!("1{window}"))? };
    Some(RateLimit { requests, per })
}

fn split_unit(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.')?;
    let (number, unit) = text.split_at(end);
    Some((number, unit.trim_start()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("1.5s", 1_500),
            ("5 min", 300_000),
            ("1h", 3_600_000),
            ("2D", 172_800_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "30", "s", "-1s", "0s", "1e3s", "1..5s", "1h30m", "9999999999999999999999d", "1 fortnight"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("64MiB", 67_108_864), ("1 kb", 1000), ("5B", 5), ("2GB", 2_000_000_000)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "64", "MiB", "0B", "1.5MiB", "-1B", "1TB", "99999999999999999999GiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn rate_limits() {
        for (text, requests, seconds) in [
            ("25/s", 25, 1),
            ("300/min", 300, 60),
            ("10000/h", 10_000, 3600),
            ("100/10s", 100, 10),
            ("5 / day", 5, 86_400),
        ] {
            let limit = rate_limit(text).unwrap_or_else(|| panic!("{text} is refused"));
            assert_eq!((limit.requests.get(), limit.per), (requests, Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "25", "0/s", "-1/s", "25/", "25/0s", "25/x", "a/s", "1.5/s", "25/s/s", "25 per s"] {
            assert!(rate_limit(text).is_none(), "{text}");
        }
    }
}
