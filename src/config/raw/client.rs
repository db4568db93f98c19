//! `client`: address, limits, retries.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawCredentials, RawMethod, RawPaginator, RawScalar};

/// The API as a whole: address, credentials, limits.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "x-later" = ["session"],
    "x-instead" = { "session": "what it was made for may be one of `timeout`, `retry`, `headers` and `auth`" }
))]
pub(in crate::config) struct RawClient {
    /// Address that paths are appended to, like `https://api.example.com/v1`.
    pub base_url: String,
    /// Headers of each request to `base_url`.
    #[schemars(with = "Option<BTreeMap<String, RawScalar>>")]
    pub headers: Option<IndexMap<String, RawScalar>>,
    /// Credentials, or a list of them; sent to `base_url`'s origin only.
    pub auth: Option<RawCredentials>,
    /// Paginator of the resources that have none of their own.
    pub paginator: Option<RawPaginator>,
    /// Limits of the API, all of which hold at once: `25/s`, `300/min`, `10000/h`, `100/10s`. Default: `["25/s"]`;
    /// `[]` for none.
    #[schemars(extend("x-hint" = "write a list, like [\"25/s\"]"))]
    pub rate_limits: Option<Vec<String>>,
    /// Limits of some requests, besides `rate_limits`. A request passes all that are for it at once.
    pub buckets: Option<Vec<RawBucket>>,
    /// Part of every limit that is left to others who use the key: `10%`, or a number of requests. Default: none.
    pub reserve: Option<RawReserve>,
    /// Most requests that are under way at once. Default: no limit.
    #[schemars(range(min = 1))]
    pub max_concurrency: Option<u32>,
    /// Names of the headers that say what is left of the quota. Default: those of `RateLimit`, `RateLimit-Policy`,
    /// `RateLimit-*`, `X-RateLimit-*` and `Retry-After`.
    pub quota_headers: Option<RawQuotaHeaders>,
    /// `postgres://user@host:port/database`: pipelines on several machines share the quota of a key there. Default:
    /// those of one machine do, in a file of the user's.
    pub quota_store: Option<String>,
    /// How requests that fail for a passing reason are tried again.
    pub retry: Option<RawRetry>,
    /// Limit for one attempt, from connecting to the last byte. Default: `60s`.
    #[schemars(extend("x-hint" = "write a number and a unit, like \"60s\""))]
    pub timeout: Option<String>,
    /// Largest response that is accepted, decompressed. Default: `64MiB`.
    pub max_body_size: Option<String>,
}

/// How requests that fail for a passing reason are tried again.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawRetry {
    /// Attempts in total, the first included. Default: 5.
    #[schemars(range(min = 1))]
    pub max_attempts: Option<u32>,
    /// Delay before the second attempt; doubles with each further one. Default: `1s`.
    pub initial_delay: Option<String>,
    /// Longest delay of our own choosing. Default: `60s`.
    pub max_delay: Option<String>,
    /// Longest delay that the server may ask for; a longer one ends the resource. Default: `1h`.
    pub max_server_delay: Option<String>,
}

/// Limits that some requests have in common.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawBucket {
    /// Its name. Pipelines with the same key share buckets of one name.
    pub name: String,
    /// Limits, all of which hold at once.
    #[schemars(extend("x-hint" = "write a list, like [\"25/s\"]"))]
    pub limits: Vec<String>,
    /// Paths below `base_url` that it is for; `*` stands for any characters. Default: all.
    pub paths: Option<Vec<String>>,
    /// Methods that it is for. Default: all.
    pub methods: Option<Vec<RawMethod>>,
    /// What is counted: `cost`, which is 1 unless the endpoint or the bucket has another, or `requests`. Default:
    /// `cost`.
    pub counts: Option<RawCounts>,
    /// What each request costs in this bucket, in place of the endpoint's `cost`.
    #[schemars(range(min = 1))]
    pub cost: Option<u32>,
}

/// What a bucket counts.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawCounts {
    /// Each request as one.
    Requests,
    /// Each request as what it costs.
    Cost,
}

/// Part of a limit that is kept free.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawReserve {
    /// As many of each limit.
    Units(u32),
    /// A part of each limit, like `10%`.
    Share(String),
}

/// Names of the headers that say what is left of the quota.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawQuotaHeaders {
    /// Has the size of the window.
    pub limit: Option<String>,
    /// Has what is left of it.
    pub remaining: Option<String>,
    /// Has when it begins anew: seconds from now, or since 1970.
    pub reset: Option<String>,
    /// Has when to come back after a 429 or 503: seconds, or a date.
    pub retry_after: Option<String>,
}
