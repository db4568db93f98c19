//! What the client tells while it works: for progress displays, not for decisions.

use std::fmt;
use std::time::Duration;

use crate::config::RateLimit;

/// Something that takes time and that a person would want explained.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpEvent {
    /// Every request waits. Told for waits of a second or more.
    Waiting {
        /// How long, as far as known now.
        duration: Duration,
        /// What for.
        reason: WaitReason,
    },
    /// A request failed and is tried again.
    Retrying {
        /// Method and URL without secrets.
        request: String,
        /// The attempt that failed, counted from 1.
        attempt: u32,
        /// Attempts there will be at most.
        max_attempts: u32,
        /// Until the next attempt may start.
        delay: Duration,
        /// Why it failed, on one line and without secrets.
        reason: String,
    },
}

/// What requests wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitReason {
    /// A configured limit is used up.
    Quota(RateLimit),
    /// The server asked for a pause.
    Server,
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quota(limit) => write!(f, "quota of {} requests per {:?}", limit.requests, limit.per),
            Self::Server => f.write_str("the server asked for a pause"),
        }
    }
}

/// What a client has done so far, for reports. Grows only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpCounts {
    /// Requests sent, redirects and retries included.
    pub requests: u64,
    /// Answers with status 429.
    pub throttled: u64,
    /// Attempts after the first.
    pub retries: u64,
}
