//! The API as a whole.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use url::Url;

use super::{Auth, QuotaPlan};
use crate::config::{Secret, Secrets};

/// Base URL, credentials and limits that all requests share. Its `Debug` shows the origin of the base URL alone:
/// some APIs carry a token in the path.
#[derive(Clone)]
pub struct ClientPlan {
    /// What paths are appended to. The one origin that credentials are sent to.
    pub base_url: Url,
    /// Sent with each request to `base_url`'s origin; values may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// How requests prove who they are.
    pub auth: Option<Auth>,
    /// What no text may show of the rest of any request.
    pub secrets: Secrets,
    /// All hold at once. Empty: none.
    pub rate_limits: Vec<RateLimit>,
    /// What goes beyond these limits.
    pub quota: QuotaPlan,
    /// When and how often a transient failure is tried again.
    pub retry: RetryPlan,
    /// Limit for one attempt, connect to last byte.
    pub timeout: Duration,
    /// Largest accepted body, in bytes after decompression.
    pub max_body_bytes: u64,
}

impl fmt::Debug for ClientPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPlan")
            .field("origin", &self.base_url.origin().ascii_serialization())
            .field("headers", &self.headers)
            .field("auth", &self.auth)
            .field("rate_limits", &self.rate_limits)
            .field("quota", &self.quota)
            .field("retry", &self.retry)
            .field("timeout", &self.timeout)
            .field("max_body_bytes", &self.max_body_bytes)
            .finish_non_exhaustive()
    }
}

/// At most `requests` in any window of `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Number of requests.
    pub requests: NonZeroU32,
    /// Length of the window.
    pub per: Duration,
}

/// Exponential backoff with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPlan {
    /// Attempts in total, the first included.
    pub max_attempts: u32,
    /// Delay before the second attempt; doubles with each further one.
    pub initial_delay: Duration,
    /// Longest delay of our own choosing.
    pub max_delay: Duration,
    /// Longest delay a server may ask for (`Retry-After`); a longer one ends the resource.
    pub max_server_delay: Duration,
}
