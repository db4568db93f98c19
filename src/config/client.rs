//! Raw → plan: base URL, headers, credentials, limits.

use std::time::Duration;

use indexmap::IndexMap;
use url::Url;

use super::problem::{Report, at_key};
use super::raw::{RawClient, RawPaginator, RawRetry, RawScalar};
use super::units::{self, DURATION_RULE, SIZE_RULE};
use super::{ClientPlan, RetryPlan, Secret, auth, quota};

/// Without any limit in the file: most APIs bear it, and Memberstack's allows exactly this.
const RATE_LIMIT: &str = "25/s";

/// dlt's default for one request.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A page of a list endpoint is rarely over 1 MiB; 64 leave room and still bound the memory of a run.
const MAX_BODY_BYTES: u64 = 64 << 20;

/// dlt's number of attempts.
const MAX_ATTEMPTS: u32 = 5;

/// dlt's first delay.
const INITIAL_DELAY: Duration = Duration::from_secs(1);

/// A server that is down for a minute is asked once a minute.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// The longest window that common APIs count in.
const MAX_SERVER_DELAY: Duration = Duration::from_secs(3600);

/// The client, and the paginator that its resources fall back to.
pub(super) fn client(mut raw: RawClient, report: &mut Report) -> (Option<ClientPlan>, Option<RawPaginator>) {
    let base_url = base_url(&raw.base_url, report);
    let headers = headers(raw.headers.as_ref(), "client.headers", report);
    let auth = raw.auth.take().and_then(|raw| auth::auth(&raw, "client.auth", report));
    let limits = raw.rate_limits.take().unwrap_or_else(|| vec![RATE_LIMIT.to_owned()]);
    let rate_limits = quota::rate_limits(&limits, "client.rate_limits", report);
    let quota = quota::quota(&mut raw, &rate_limits, report);
    let retry = retry(raw.retry.unwrap_or_default(), report);
    let timeout = duration(raw.timeout, TIMEOUT, "client.timeout", report);
    let max_body_bytes = raw.max_body_size.map_or(Some(MAX_BODY_BYTES), |text| {
        let bytes = units::size(&text);
        if bytes.is_none() {
            report.add_text("client.max_body_size", &text, SIZE_RULE);
        }
        bytes
    });
    let plan = base_url.zip(max_body_bytes).map(|(base_url, max_body_bytes)| ClientPlan {
        base_url,
        headers,
        auth,
        secrets: report.secrets().clone(),
        rate_limits,
        quota,
        retry,
        timeout,
        max_body_bytes,
    });
    (plan, raw.paginator)
}

/// URLs may carry tokens: none is quoted.
fn base_url(text: &str, report: &mut Report) -> Option<Url> {
    let place = "client.base_url";
    let parsed =
        Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = parsed else {
        let hint = "write it with scheme and host, like `https://api.example.com/v1`";
        report.add(place, "is not an http or https URL", Some(hint.to_owned()));
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        report.add(
            place,
            "holds a user name or password",
            Some("put credentials into client.auth".to_owned()),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        let hint = "put query parameters into resource_defaults.endpoint.params";
        report.add(place, "holds a query or a fragment", Some(hint.to_owned()));
    }
    Some(url)
}

/// Headers at `path`; values that cannot be sent are problems.
pub(super) fn headers(
    raw: Option<&IndexMap<String, RawScalar>>,
    path: &str,
    report: &mut Report,
) -> Vec<(String, Secret)> {
    let headers = raw.into_iter().flatten().map(|(name, value)| {
        let (place, value) = (at_key(path, name), value.to_text());
        check_header_name(name, &place, report);
        check_header_value(&value, &place, report);
        (name.clone(), Secret::new(value))
    });
    headers.collect()
}

pub(super) fn check_header_name(name: &str, place: &str, report: &mut Report) {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        report.add(place, "has a name that no header can have", None);
    }
}

pub(super) fn check_header_value(value: &str, place: &str, report: &mut Report) {
    if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        let hint = "a header holds visible ASCII characters in one line";
        report.add(place, "has a character that a header cannot carry", Some(hint.to_owned()));
    }
}

fn retry(raw: RawRetry, report: &mut Report) -> RetryPlan {
    let retry = RetryPlan {
        max_attempts: raw.max_attempts.unwrap_or(MAX_ATTEMPTS),
        initial_delay: duration(raw.initial_delay, INITIAL_DELAY, "client.retry.initial_delay", report),
        max_delay: duration(raw.max_delay, MAX_DELAY, "client.retry.max_delay", report),
        max_server_delay: duration(
            raw.max_server_delay,
            MAX_SERVER_DELAY,
            "client.retry.max_server_delay",
            report,
        ),
    };
    if retry.initial_delay > retry.max_delay {
        report.add("client.retry.initial_delay", "is longer than `max_delay`", None);
    }
    retry
}

/// The duration at `path`; the default also stands in for one that is wrong and reported.
pub(super) fn duration(text: Option<String>, default: Duration, path: &str, report: &mut Report) -> Duration {
    let Some(text) = text else { return default };
    units::duration(&text).unwrap_or_else(|| {
        report.add_text(path, &text, DURATION_RULE);
        default
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_kept_as_they_are_written() {
        for (text, expected) in [
            ("https://a.b", Some("https://a.b/")),
            ("https://a.b/v1", Some("https://a.b/v1")),
            ("http://127.0.0.1:80/v1/", Some("http://127.0.0.1/v1/")),
            ("a.b/v1", None),
            ("", None),
            ("ftp://a.b", None),
            ("https://", None),
        ] {
            let url = base_url(text, &mut Report::default());
            assert_eq!(url.as_ref().map(Url::as_str), expected, "{text}");
        }
    }

    #[test]
    fn base_urls_hold_no_credentials() {
        for text in
            ["https://user@a.b", "https://:SECRET@a.b", "https://a.b?key=SECRET", "https://a.b#SECRET"]
        {
            let mut report = Report::default();
            base_url(text, &mut report);
            let problems = report.into_problems(|_| None);
            assert_eq!(problems.len(), 1, "{text}");
            assert!(!format!("{problems:?}").contains("SECRET"));
        }
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        let problems = |name: &str, value: &str| {
            let mut report = Report::default();
            let raw = IndexMap::from_iter([(name.to_owned(), RawScalar::Text(value.to_owned()))]);
            headers(Some(&raw), "client.headers", &mut report);
            report.into_problems(|_| None).len()
        };
        assert_eq!(problems("Accept", "application/json; q=0.9"), 0);
        assert_eq!(problems("X Y", "a"), 1);
        assert_eq!(problems("", "a"), 1);
        assert_eq!(problems("X", "a\nb"), 1);
        assert_eq!(problems("X", "ø"), 1);
    }
}
