//! What a server's headers say about when to ask again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::config::QuotaHeaders;

/// `ratelimit-reset` is in seconds from now or since 1970, and nothing tells which; nobody resets in 30 years.
const EPOCH_SECONDS_FROM: f64 = 1e9;
/// The same in milliseconds.
const EPOCH_MILLIS_FROM: f64 = 1e12;
/// Anything longer means "not soon"; keeps clock arithmetic within bounds.
const LONGEST: f64 = 1e9;

/// What the headers of one answer say. Delays count from the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Advice {
    /// When to come back; zero or past says nothing and is left out.
    pub(super) retry_after: Option<Duration>,
    /// Size of the window that the next three describe.
    pub(super) limit: Option<u64>,
    /// Requests left in it.
    pub(super) remaining: Option<u64>,
    /// Until it begins anew; zero if it has.
    pub(super) reset: Option<Duration>,
    /// Its length.
    pub(super) window: Option<Duration>,
}

impl Advice {
    /// Reads the headers of an answer that came at `now`: those of these names, or the usual ones.
    pub(super) fn read(headers: &HeaderMap, names: &QuotaHeaders, now: SystemTime) -> Self {
        // A date is meant on the server's clock, which `Date` shows.
        let now =
            text(headers, DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
        let find = |own: &Option<String>, name: &str| match own {
            Some(own) => text(headers, own),
            None => text(headers, &format!("ratelimit-{name}"))
                .or_else(|| text(headers, &format!("x-ratelimit-{name}")))
                .or_else(|| text(headers, &format!("x-rate-limit-{name}"))),
        };
        let retry_name = names.retry_after.as_deref().unwrap_or(RETRY_AFTER.as_str());
        let limit = find(&names.limit, "limit");
        let mut advice = Self {
            retry_after: text(headers, retry_name).and_then(|value| retry_after(value, now)),
            limit: limit.and_then(leading_integer),
            remaining: find(&names.remaining, "remaining").and_then(leading_integer),
            reset: find(&names.reset, "reset").and_then(|value| reset(value, now)),
            window: None,
        };
        let mut policies = policies(text(headers, "ratelimit-policy").unwrap_or_default());
        if let Some(state) = text(headers, "ratelimit").and_then(tightest) {
            advice.limit = advice.limit.or(state.limit);
            advice.remaining = advice.remaining.or(state.remaining);
            advice.reset = advice.reset.or(state.reset);
            policies
                .retain(|policy| state.name.is_none() || policy.name.is_none() || policy.name == state.name);
        }
        // The first draft had the policies behind the limit.
        policies.extend(self::policies(limit.unwrap_or_default()));
        let policy = policies.iter().find(|policy| advice.limit.is_none() || policy.limit == advice.limit);
        if let Some(policy) = policy {
            advice.limit = advice.limit.or(policy.limit);
            advice.window = policy.window;
        }
        advice
    }

    /// Whether the server refuses for the rate. GitHub and others do so with a 403 that says when to come back, or that
    /// nothing is left.
    pub(super) fn refuses(&self, status: u16) -> bool {
        status == 429 || status == 403 && (self.retry_after.is_some() || self.remaining == Some(0))
    }
}

/// One item of `RateLimit` or `RateLimit-Policy`, in any draft of
/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>.
#[derive(Debug, Default)]
struct Item<'a> {
    name: Option<&'a str>,
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Duration>,
    window: Option<Duration>,
}

/// `100;w=60, 1000;w=3600`, or `"burst";q=100;w=60, "day";q=1000;w=86400`. Items without a window tell nothing.
fn policies(value: &str) -> Vec<Item<'_>> {
    value.split(',').map(item).filter(|item| item.window.is_some()).collect()
}

fn item(text: &str) -> Item<'_> {
    let mut parts = text.split(';').map(str::trim);
    let first = parts.next().unwrap_or_default();
    let mut item = Item { limit: first.parse().ok(), ..Item::default() };
    if item.limit.is_none() && first.starts_with('"') {
        item.name = Some(first);
    }
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let number = value.trim().parse::<u64>().ok();
        #[expect(clippy::cast_precision_loss, reason = "no window is that long")]
        let seconds = number.map(|seconds| until(seconds as f64));
        match name.trim() {
            "q" => item.limit = number,
            "r" => item.remaining = number,
            "t" => item.reset = seconds,
            "w" => item.window = seconds.filter(|window| !window.is_zero()),
            _ => {}
        }
    }
    item
}

/// What `RateLimit` says: `limit=100, remaining=50, reset=5`, or of `"burst";r=50;t=5, "day";r=900;t=600` what has
/// least left.
fn tightest(value: &str) -> Option<Item<'_>> {
    if value.trim_start().starts_with('"') {
        return value.split(',').map(item).min_by_key(|item| item.remaining.unwrap_or(u64::MAX));
    }
    let mut found = Item::default();
    for (name, value) in value.split([',', ';']).filter_map(|part| part.split_once('=')) {
        let number = value.trim().parse::<u64>().ok()?;
        match name.trim() {
            "limit" => found.limit = Some(number),
            "remaining" => found.remaining = Some(number),
            #[expect(clippy::cast_precision_loss, reason = "no window is that long")]
            "reset" => found.reset = Some(until(number as f64)),
            _ => {}
        }
    }
    (found.limit.is_some() || found.remaining.is_some()).then_some(found)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// `25`, or `25, 25;w=1` as a draft of the standard has it.
fn leading_integer(value: &str) -> Option<u64> {
    value.split([',', ';']).next()?.trim().parse().ok()
}

fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let delay = match value.parse::<f64>() {
        Ok(seconds) => until(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default(),
    };
    (!delay.is_zero()).then_some(delay)
}

fn reset(value: &str, now: SystemTime) -> Option<Duration> {
    let Ok(number) = value.parse::<f64>() else {
        let date = httpdate::parse_http_date(value).ok();
        let date = date.or_else(|| Some(value.parse::<jiff::Timestamp>().ok()?.into()))?;
        return Some(date.duration_since(now).unwrap_or_default());
    };
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Some(if number >= EPOCH_MILLIS_FROM {
        until(number / 1000.0 - now)
    } else if number >= EPOCH_SECONDS_FROM {
        until(number - now)
    } else {
        until(number)
    })
}

/// A delay of so many seconds; none if that is past.
fn until(seconds: f64) -> Duration {
    if seconds > 0.0 { Duration::from_secs_f64(seconds.min(LONGEST)) } else { Duration::ZERO }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    const NOW: u64 = 1_795_315_797;

    fn read(headers: &[(&str, &str)]) -> Advice {
        read_named(headers, &QuotaHeaders::default())
    }

    fn read_named(headers: &[(&str, &str)], names: &QuotaHeaders) -> Advice {
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        });
        Advice::read(&headers.collect(), names, UNIX_EPOCH + Duration::from_secs(NOW))
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
        assert_eq!(in_seconds("2026-11-22T03:50:57+01:00"), Some(60));
        assert_eq!(
            in_seconds(&httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(NOW + 60))),
            Some(60)
        );
        for past in ["0", "-5", &(NOW - 60).to_string(), "2015-10-21T07:28:00Z"] {
            assert_eq!(in_seconds(past), Some(0), "{past}");
        }
        for nothing in ["soon", "", "12:30"] {
            assert_eq!(in_seconds(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_403_that_says_when_to_come_back_or_that_nothing_is_left_is_for_the_rate() {
        let refuses = |status, headers: &[(&str, &str)]| read(headers).refuses(status);
        assert!(refuses(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")]));
        assert!(refuses(403, &[("x-ratelimit-remaining", "9"), ("retry-after", "60")]));
        assert!(refuses(429, &[]));
        assert!(!refuses(403, &[("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "30")]));
        assert!(!refuses(403, &[]));
        assert!(!refuses(404, &[("x-ratelimit-remaining", "0"), ("retry-after", "60")]));
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

    #[test]
    fn structured_forms_are_read() {
        let check = |headers: &[(&str, &str)], numbers: (u64, u64, u64), window: Option<u64>| {
            let advice = read(headers);
            let found = (advice.limit, advice.remaining, advice.reset.map(|reset| reset.as_secs()));
            assert_eq!(found, (Some(numbers.0), Some(numbers.1), Some(numbers.2)), "{headers:?}");
            assert_eq!(advice.window.map(|window| window.as_secs()), window, "{headers:?}");
        };
        let combined = ("ratelimit", "limit=100, remaining=50, reset=5");
        check(&[combined], (100, 50, 5), None);
        check(&[combined, ("ratelimit-policy", "100;w=60, 1000;w=3600")], (100, 50, 5), Some(60));
        check(
            &[combined, ("ratelimit-policy", "1000;w=3600, 100;w=60;comment=\"x\"")],
            (100, 50, 5),
            Some(60),
        );
        let items = ("ratelimit", "\"burst\";r=50;t=5, \"day\";r=9;t=600");
        let policy = ("ratelimit-policy", "\"burst\";q=100;w=60, \"day\";q=1000;w=86400");
        check(&[items, policy], (1000, 9, 600), Some(86400));
        let separate =
            [("ratelimit-limit", "25, 25;w=1"), ("ratelimit-remaining", "3"), ("ratelimit-reset", "1")];
        check(&separate, (25, 3, 1), Some(1));
        let spaced =
            [("x-rate-limit-limit", "25"), ("x-rate-limit-remaining", "3"), ("x-rate-limit-reset", "1")];
        check(&spaced, (25, 3, 1), None);
    }

    #[test]
    fn garbled_forms_say_nothing() {
        for value in ["", "limit", "limit=x", "\"a", ";;;", "=", "limit=-1, remaining=1"] {
            let advice = read(&[("ratelimit", value), ("ratelimit-policy", value)]);
            assert_eq!(advice, Advice::default(), "{value}");
        }
    }

    #[test]
    fn names_of_ones_own_take_the_place_of_the_usual_ones() {
        let name = |name: &str| Some(name.to_owned());
        let names = QuotaHeaders {
            limit: name("X-App-Limit"),
            remaining: name("X-App-Left"),
            reset: name("X-App-Reset"),
            retry_after: name("X-App-Wait"),
        };
        let headers = [
            ("x-app-limit", "60"),
            ("x-app-left", "7"),
            ("x-app-reset", "30"),
            ("x-app-wait", "2"),
            ("ratelimit-limit", "1"),
            ("retry-after", "99"),
        ];
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let expected = Advice {
            retry_after: seconds(2),
            limit: Some(60),
            remaining: Some(7),
            reset: seconds(30),
            window: None,
        };
        assert_eq!(read_named(&headers, &names), expected);
    }
}
