//! What a server's headers say about when to ask again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// `ratelimit-reset` is in seconds from now or since 1970, and nothing tells which; nobody resets in 30 years.
const EPOCH_SECONDS_FROM: f64 = 1e9;
/// The same in milliseconds.
const EPOCH_MILLIS_FROM: f64 = 1e12;
/// Anything longer means "not soon"; keeps clock arithmetic within bounds.
const LONGEST: f64 = 1e9;

/// `Retry-After` and the `ratelimit-*` headers of one answer. Delays count from the answer; those that are zero or
/// past say nothing and are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Advice {
    /// When to come back: seconds, or a date.
    pub(super) retry_after: Option<Duration>,
    /// Size of the window that the next two describe.
    pub(super) limit: Option<u64>,
    /// Requests left in it.
    pub(super) remaining: Option<u64>,
    /// Until it begins anew.
    pub(super) reset: Option<Duration>,
}

impl Advice {
    /// Reads the headers of an answer that came at `now`.
    pub(super) fn read(headers: &HeaderMap, now: SystemTime) -> Self {
        // A date is meant on the server's clock, which `Date` shows.
        let now =
            text(headers, DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
        let either = |name: &str| {
            text(headers, &format!("ratelimit-{name}"))
                .or_else(|| text(headers, &format!("x-ratelimit-{name}")))
        };
        Self {
            retry_after: text(headers, RETRY_AFTER.as_str()).and_then(|value| retry_after(value, now)),
            limit: either("limit").and_then(leading_integer),
            remaining: either("remaining").and_then(leading_integer),
            reset: either("reset").and_then(|value| reset(value, now)),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// `25`, or `25, 25;w=1` as a draft of the standard has it.
fn leading_integer(value: &str) -> Option<u64> {
    value.split([',', ';']).next()?.trim().parse().ok()
}

fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    match value.parse::<f64>() {
        Ok(seconds) => delay(seconds),
        Err(_) => {
            httpdate::parse_http_date(value).ok()?.duration_since(now).ok().filter(|delay| !delay.is_zero())
        }
    }
}

fn reset(value: &str, now: SystemTime) -> Option<Duration> {
    let number: f64 = value.parse().ok()?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    if number >= EPOCH_MILLIS_FROM {
        delay(number / 1000.0 - now)
    } else if number >= EPOCH_SECONDS_FROM {
        delay(number - now)
    } else {
        delay(number)
    }
}

fn delay(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(LONGEST)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    const NOW: u64 = 1_795_315_797;

    fn read(headers: &[(&str, &str)]) -> Advice {
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        });
        Advice::read(&headers.collect(), UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let in_seconds =
            |value: &str| read(&[("retry-after", value)]).retry_after.map(|delay| delay.as_secs_f64());
        assert_eq!(in_seconds("7"), Some(7.0));
        assert_eq!(in_seconds("0.5"), Some(0.5));
        let in_90_s = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(NOW + 90));
        assert_eq!(in_seconds(&in_90_s), Some(90.0));
        for nothing in ["0", "-1", "soon", "", "NaN", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(in_seconds(nothing), None, "{nothing}");
        }
        assert_eq!(in_seconds("inf"), Some(LONGEST));
    }

    #[test]
    fn dates_are_on_the_servers_clock() {
        let date = |seconds: u64| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        let headers = [("date", date(5000)), ("retry-after", date(5030))];
        let advice = read(&[("date", &headers[0].1), ("retry-after", &headers[1].1)]);
        assert_eq!(advice.retry_after, Some(Duration::from_secs(30)));
    }

    #[test]
    fn resets_are_from_now_or_since_1970() {
        let in_seconds =
            |value: &str| read(&[("x-ratelimit-reset", value)]).reset.map(|delay| delay.as_secs());
        assert_eq!(in_seconds("1"), Some(1));
        assert_eq!(in_seconds("3600"), Some(3600));
        assert_eq!(in_seconds(&(NOW + 60).to_string()), Some(60));
        assert_eq!(in_seconds(&format!("{}000", NOW + 60)), Some(60));
        assert_eq!(in_seconds(&(NOW - 60).to_string()), None);
        assert_eq!(in_seconds("0"), None);
    }

    #[test]
    fn both_spellings_are_read() {
        let advice = read(&[
            ("ratelimit-limit", "25, 25;w=1"),
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "1"),
        ]);
        assert_eq!((advice.limit, advice.remaining), (Some(25), Some(0)));
        let advice = read(&[("x-ratelimit-limit", "300"), ("x-ratelimit-remaining", "299")]);
        assert_eq!((advice.limit, advice.remaining, advice.reset), (Some(300), Some(299), None));
    }
}
