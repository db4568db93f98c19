//! Even pacing under short limits: the generic cell rate algorithm (ITU-T I.371) as virtual scheduling. All it keeps
//! is when the next request is due, which follows from the times of those before: whoever knows these comes to the
//! same result, in whatever process.

use std::time::Duration;

use super::clock::{Micros, micros};
use crate::config::RateLimit;

/// Windows up to this long are paced evenly; longer ones may be used in one go.
const LONGEST_PACED: Duration = Duration::from_secs(2);

/// How much longer than W/N the interval is, so that jitter on the way does not push one request too many into a
/// window: 25/s is sent as 24.6/s.
const STRETCH: f64 = 1.015;

/// Part of a window by which one request may be ahead of its turn. Timers wake up to some milliseconds late, and
/// without this each delay would add to all that follow: 25/s would become 24.
const TOLERANCE: f64 = 0.005;

/// Paces requests by the slowest of the short limits, which implies the others.
#[derive(Debug)]
pub(super) struct Pacer {
    pub(super) limit: RateLimit,
    interval: Micros,
    tolerance: Micros,
    /// When the next one is due ("theoretical arrival time").
    due: Micros,
}

impl Pacer {
    /// `None` if no limit is short. Each comes with what of it is used.
    pub(super) fn new(limits: impl IntoIterator<Item = (RateLimit, u32)>) -> Option<Self> {
        let short = limits.into_iter().filter(|(limit, _)| limit.per <= LONGEST_PACED);
        let paced = short.map(|(limit, used)| (limit, limit.per.div_f64(f64::from(used.max(1)))));
        let (limit, interval) = paced.max_by_key(|(_, interval)| *interval)?;
        Some(Self {
            limit,
            interval: micros(interval.mul_f64(STRETCH)),
            tolerance: micros(limit.per.mul_f64(TOLERANCE)),
            due: 0,
        })
    }

    /// When a request may be sent, `from` or later.
    pub(super) fn earliest(&self, from: Micros) -> Micros {
        from.max(self.due.saturating_sub(self.tolerance))
    }

    /// Counts a request.
    pub(super) fn charge(&mut self, at: Micros, units: u32) {
        self.due = self.due.max(at) + self.interval * u64::from(units);
    }

    pub(super) fn is_faster_than(&self, other: &Self) -> bool {
        self.interval < other.interval
    }

    pub(super) fn clear(&mut self) {
        self.due = 0;
    }
}
