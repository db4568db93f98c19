//! Raw → plan: buckets, reserve, and where the users of a quota meet.

use std::num::NonZeroU32;

use super::client::check_header_name;
use super::problem::{Report, at_index, at_key};
use super::raw::{RawBucket, RawClient, RawCounts, RawMethod, RawQuotaHeaders, RawReserve};
use super::units::{self, RATE_LIMIT_RULE};
use super::{
    BucketPlan, BucketScope, ClientPlan, Counts, Method, QuotaHeaders, QuotaPlan, RateLimit, Reserve,
    ResourcePlan, postgres,
};

/// What goes beyond the limits of the client as a whole, whose are `limits`.
pub(super) fn quota(raw: &mut RawClient, limits: &[RateLimit], report: &mut Report) -> QuotaPlan {
    let reserve = raw.reserve.take().and_then(|raw| reserve(&raw, report));
    check_reserve(reserve, limits, "client.rate_limits", report);
    let mut buckets: Vec<BucketPlan> = Vec::new();
    for (index, raw) in raw.buckets.take().unwrap_or_default().into_iter().enumerate() {
        let place = at_index("client.buckets", index);
        if buckets.iter().any(|other| other.name == raw.name) {
            report.add_text(&at_key(&place, "name"), &raw.name, "is the name of another bucket");
        }
        let bucket = bucket(raw, &place, report);
        check_reserve(reserve, &bucket.limits, &at_key(&place, "limits"), report);
        if let Some(cost) = bucket.cost {
            check_cost(cost, &bucket.limits, reserve, &at_key(&place, "cost"), report);
        }
        buckets.push(bucket);
    }
    QuotaPlan {
        buckets,
        reserve,
        max_concurrency: raw.max_concurrency.and_then(NonZeroU32::new),
        headers: raw.quota_headers.take().map(|raw| headers(raw, report)).unwrap_or_default(),
        store: raw.quota_store.take().and_then(|url| store(&url, report)),
    }
}

/// The limits at `path`.
pub(super) fn rate_limits(texts: &[String], path: &str, report: &mut Report) -> Vec<RateLimit> {
    let limits = texts.iter().enumerate().filter_map(|(index, text)| {
        let limit = units::rate_limit(text);
        if limit.is_none() {
            report.add_text(&at_index(path, index), text, RATE_LIMIT_RULE);
        }
        limit
    });
    limits.collect()
}

/// Gives resources whose endpoint has limits a bucket of their own, and checks that every request can be paid.
pub(super) fn complete(client: &mut ClientPlan, resources: &[ResourcePlan], report: &mut Report) {
    let reserve = client.quota.reserve;
    for resource in resources {
        let endpoint = &resource.endpoint;
        let place = format!("the endpoint of resource `{}`", resource.name);
        check_reserve(reserve, &endpoint.rate_limits, &place, report);
        let limits = client.rate_limits.iter().chain(&endpoint.rate_limits).copied();
        check_cost(endpoint.cost, &limits.collect::<Vec<_>>(), reserve, &place, report);
        if !endpoint.rate_limits.is_empty() {
            client.quota.buckets.push(BucketPlan {
                name: format!("resources/{}", resource.name),
                limits: endpoint.rate_limits.clone(),
                scope: BucketScope::Resource(resource.name.clone()),
                counts: Counts::Cost,
                cost: None,
            });
        }
    }
}

fn bucket(raw: RawBucket, place: &str, report: &mut Report) -> BucketPlan {
    let at = |key: &str| at_key(place, key);
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    if raw.name.is_empty() || !raw.name.chars().all(fits) || raw.name == "client" {
        let rule =
            "is not a name for a bucket: letters, digits, `-`, `_` and `.`; `client` is the client's own";
        report.add_text(&at("name"), &raw.name, rule);
    }
    if raw.limits.is_empty() {
        report.add(&at("limits"), "is empty", Some("write at least one, like \"60/min\"".to_owned()));
    }
    for (index, path) in raw.paths.iter().flatten().enumerate() {
        if path.contains("://") || path.contains(['?', '#']) {
            let rule = "is not a path below `base_url`, in which `*` stands for any characters";
            report.add_text(&at_index(&at("paths"), index), path, rule);
        }
    }
    let method = |method: RawMethod| match method {
        RawMethod::Get => Method::Get,
        RawMethod::Post => Method::Post,
        RawMethod::Put => Method::Put,
        RawMethod::Patch => Method::Patch,
        RawMethod::Delete => Method::Delete,
    };
    let counts = match raw.counts {
        Some(RawCounts::Requests) => Counts::Requests,
        Some(RawCounts::Cost) | None => Counts::Cost,
    };
    if counts == Counts::Requests && raw.cost.is_some() {
        let hint = "leave out `cost`, or `counts = \"requests\"`";
        report.add(&at("cost"), "has no meaning for a bucket that counts requests", Some(hint.to_owned()));
    }
    BucketPlan {
        limits: rate_limits(&raw.limits, &at("limits"), report),
        name: raw.name,
        scope: BucketScope::Matching {
            paths: raw.paths.unwrap_or_default(),
            methods: raw.methods.unwrap_or_default().into_iter().map(method).collect(),
        },
        counts,
        cost: raw.cost.and_then(NonZeroU32::new),
    }
}

fn reserve(raw: &RawReserve, report: &mut Report) -> Option<Reserve> {
    match raw {
        RawReserve::Units(units) => Some(Reserve::Units(*units)),
        RawReserve::Share(text) => {
            let percent = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
            let share = percent.filter(|percent| (0.0..100.0).contains(percent));
            if share.is_none() {
                let rule = "is not a part of a limit; write a percentage below 100, like `10%`, or a number";
                report.add_text("client.reserve", text, rule);
            }
            share.map(|percent| Reserve::Share(percent / 100.0))
        }
    }
}

/// A reserve must leave something of every limit.
fn check_reserve(reserve: Option<Reserve>, limits: &[RateLimit], place: &str, report: &mut Report) {
    let Some(Reserve::Units(units)) = reserve else { return };
    if limits.iter().any(|limit| units >= limit.requests.get()) {
        let message = format!("has a limit of which a `reserve` of {units} leaves nothing");
        report.add(place, message, Some("write a smaller one, or a percentage".to_owned()));
    }
}

/// A request that costs more than there ever is would wait for ever.
fn check_cost(
    cost: NonZeroU32,
    limits: &[RateLimit],
    reserve: Option<Reserve>,
    place: &str,
    report: &mut Report,
) {
    let usable = |limit: &RateLimit| {
        let requests = limit.requests.get();
        requests - reserve.map_or(0, |reserve| reserve.of(requests))
    };
    if let Some(most) = limits.iter().map(usable).min().filter(|most| cost.get() > *most) {
        let message = format!("has a cost of {cost}, and no more than {most} can be had at once");
        report.add(place, message, Some("write a lower cost, or count it in another bucket".to_owned()));
    }
}

fn headers(raw: RawQuotaHeaders, report: &mut Report) -> QuotaHeaders {
    let mut name = |name: Option<String>, key: &str| {
        if let Some(name) = &name {
            check_header_name(name, &at_key("client.quota_headers", key), report);
        }
        name
    };
    QuotaHeaders {
        limit: name(raw.limit, "limit"),
        remaining: name(raw.remaining, "remaining"),
        reset: name(raw.reset, "reset"),
        retry_after: name(raw.retry_after, "retry_after"),
    }
}

/// The URL may hold a password: it is not quoted.
fn store(url: &str, report: &mut Report) -> Option<Box<super::PostgresPlan>> {
    let place = "client.quota_store";
    if !matches!(url.split_once(':'), Some(("postgres" | "postgresql", _))) {
        let hint = "write postgres://user@host:port/database; without it, a file on this machine does";
        report.add(place, "is not a Postgres database", Some(hint.to_owned()));
        return None;
    }
    match postgres::parse(url) {
        Ok(plan) => Some(Box::new(plan)),
        Err(problem) => {
            report.add(place, problem.message, problem.hint);
            None
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn problems(client: &str, resource: &str) -> Vec<String> {
        let text = format!(
            "[pipeline]\nname = \"p\"\n[client]\nbase_url = \"https://a.test\"\npaginator = \"single_page\"\n{client}\n\
             [[resources]]\nname = \"r\"\n{resource}\n"
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.toml");
        std::fs::write(&file, text).unwrap();
        match super::super::load(&file, &super::super::Overrides::default(), &|_| None) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems().iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn good_quotas_are_taken() {
        for (client, resource) in [
            ("reserve = \"10%\"", ""),
            (
                "reserve = 2\nmax_concurrency = 4",
                "endpoint = { rate_limits = [\"10/min\"], cost = 8 }\npriority = -3",
            ),
            ("quota_headers = { limit = \"X-App-Limit\" }", ""),
            ("quota_store = \"postgres://me@db.test/quota\"", ""),
            (
                "[[client.buckets]]\nname = \"a\"\nlimits = [\"60/min\"]\npaths = [\"a/*\"]\nmethods = [\"GET\"]\ncost = 2",
                "",
            ),
            ("[[client.buckets]]\nname = \"a\"\nlimits = [\"60/min\"]\ncounts = \"requests\"", ""),
        ] {
            assert_eq!(problems(client, resource), Vec::<String>::new(), "{client} {resource}");
        }
    }

    #[test]
    fn bad_quotas_are_problems_with_a_place() {
        for (client, resource, expected) in [
            ("reserve = \"100%\"", "", "client.reserve"),
            ("reserve = \"ten\"", "", "client.reserve"),
            ("reserve = 25", "", "client.rate_limits"),
            ("max_concurrency = 0", "", "client.max_concurrency"),
            ("quota_headers = { limit = \"X Y\" }", "", "client.quota_headers.limit"),
            ("quota_headers = { rest = \"X\" }", "", "client.quota_headers"),
            ("quota_store = \"redis://a\"", "", "client.quota_store"),
            ("", "endpoint = { rate_limits = [\"often\"] }", "resources[0].endpoint.rate_limits[0]"),
            ("", "endpoint = { cost = 26 }", "cost of 26"),
            ("", "endpoint = { cost = 0 }", "resources[0].endpoint.cost"),
            ("[[client.buckets]]\nname = \"a b\"\nlimits = [\"1/s\"]", "", "client.buckets[0].name"),
            ("[[client.buckets]]\nname = \"client\"\nlimits = [\"1/s\"]", "", "client.buckets[0].name"),
            ("[[client.buckets]]\nname = \"a\"\nlimits = []", "", "client.buckets[0].limits"),
            ("[[client.buckets]]\nname = \"a\"\nlimits = [\"2/s\"]\ncost = 3", "", "client.buckets[0].cost"),
            (
                "[[client.buckets]]\nname = \"a\"\nlimits = [\"2/s\"]\npaths = [\"a?b\"]",
                "",
                "client.buckets[0].paths[0]",
            ),
            (
                "[[client.buckets]]\nname = \"a\"\nlimits = [\"1/s\"]\n[[client.buckets]]\nname = \"a\"\nlimits = [\"1/s\"]",
                "",
                "client.buckets[1].name",
            ),
        ] {
            let found = problems(client, resource);
            assert!(found.iter().any(|text| text.contains(expected)), "{client} {resource}: {found:?}");
        }
    }

    #[test]
    fn a_reserve_never_takes_all() {
        assert_eq!(Reserve::Share(0.1).of(25), 3);
        assert_eq!(Reserve::Share(0.99).of(1), 0);
        assert_eq!(Reserve::Units(5).of(300), 5);
    }
}
