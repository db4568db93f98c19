//! `client`: address, limits, retries.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawCredentials, RawPaginator, RawScalar};

/// The API as a whole: address, credentials, limits.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["session"]))]
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
    pub rate_limits: Option<Vec<String>>,
    /// How requests that fail for a passing reason are tried again.
    pub retry: Option<RawRetry>,
    /// Limit for one attempt, from connecting to the last byte. Default: `60s`.
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
