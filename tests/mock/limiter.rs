//! A limiter as strict as one can be: at most N arrivals in *any* span of the window's length.
//!
//! It reads no clock; the server passes the time of arrival, the same value that it logs. Refused requests count as
//! well, as in the Express limiter that the real API's headers point to: who hammers stays locked out.

use std::collections::VecDeque;
use std::time::Duration;

/// At most `limit` arrivals in every half-open span of length `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) limit: usize,
    pub(crate) per: Duration,
}

impl Window {
    pub(crate) const fn new(limit: usize, per: Duration) -> Self {
        Self { limit, per }
    }
}

/// What one arrival found, in the window that has least room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    pub(crate) limit: usize,
    pub(crate) remaining: usize,
    /// From this arrival until the window has room for one more.
    pub(crate) reset: Duration,
}

/// Counts arrivals against windows that hold all at once.
#[derive(Debug)]
pub(crate) struct Limiter {
    windows: Vec<Window>,
    arrivals: VecDeque<Duration>,
}

impl Limiter {
    pub(crate) fn new(windows: Vec<Window>) -> Self {
        Self { windows, arrivals: VecDeque::new() }
    }

    /// Counts one arrival at `now`, which never goes back; `None` without a window.
    pub(crate) fn arrive(&mut self, now: Duration) -> Option<Verdict> {
        let longest = self.windows.iter().map(|window| window.per).max()?;
        while self.arrivals.front().is_some_and(|&at| at + longest <= now) {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(now);
        self.windows.iter().map(|&window| self.judge(window, now)).min_by_key(|v| (v.allowed, v.remaining))
    }

    fn judge(&self, window: Window, now: Duration) -> Verdict {
        let first = self.arrivals.partition_point(|&at| at + window.per <= now);
        let count = self.arrivals.len() - first;
        // The arrival whose leaving makes room: the oldest, or the N-th newest when the window is overfull.
        let leaving = first.max(self.arrivals.len().saturating_sub(window.limit));
        let leaves = self.arrivals.get(leaving).map_or(now, |&at| at) + window.per;
        Verdict {
            allowed: count <= window.limit,
            limit: window.limit,
            remaining: window.limit.saturating_sub(count),
            reset: leaves.saturating_sub(now),
        }
    }
}
