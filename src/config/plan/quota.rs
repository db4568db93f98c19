//! How much may be asked for.

use std::num::NonZeroU32;

use super::super::postgres::PostgresPlan;
use super::{Method, RateLimit};

/// What goes beyond the limits of the client as a whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuotaPlan {
    /// Limits of some requests, besides those of the client.
    pub buckets: Vec<BucketPlan>,
    /// What is kept free of every limit for others who use the key.
    pub reserve: Option<Reserve>,
    /// Most requests that are under way at once. `None`: as many as there are.
    pub max_concurrency: Option<NonZeroU32>,
    /// Names of headers that say what is left, in place of the usual ones.
    pub headers: QuotaHeaders,
    /// Where users of the key on several machines meet. `None`: those of this one do, in a file.
    pub store: Option<Box<PostgresPlan>>,
}

/// Part of a limit that is not used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reserve {
    /// From 0 to 1.
    Share(f64),
    /// As many of each limit.
    Units(u32),
}

impl Reserve {
    /// What is kept free of a limit; at least one unit is not.
    pub fn of(self, limit: u32) -> u32 {
        let kept = match self {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "no more than the limit"
            )]
            Self::Share(share) => (f64::from(limit) * share).ceil() as u32,
            Self::Units(units) => units,
        };
        kept.min(limit.saturating_sub(1))
    }
}

/// Names of headers. `None`: the usual ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuotaHeaders {
    /// Has the size of the window.
    pub limit: Option<String>,
    /// Has what is left of it.
    pub remaining: Option<String>,
    /// Has when it begins anew.
    pub reset: Option<String>,
    /// Has when to come back.
    pub retry_after: Option<String>,
}

/// Limits that some requests have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketPlan {
    /// Processes that share the key share what is used of buckets of one name.
    pub name: String,
    /// All hold at once.
    pub limits: Vec<RateLimit>,
    /// Which requests it is for.
    pub scope: BucketScope,
    /// What is counted.
    pub counts: Counts,
    /// What each request costs here, in place of its own cost.
    pub cost: Option<NonZeroU32>,
}

/// Which requests a bucket is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketScope {
    /// Those of a resource.
    Resource(String),
    /// Those with one of these paths and one of these methods.
    Matching {
        /// Below the base URL; `*` stands for any characters. Empty: all.
        paths: Vec<String>,
        /// Empty: all.
        methods: Vec<Method>,
    },
}

/// What a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Each request as one.
    Requests,
    /// Each request as what it costs.
    Cost,
}
