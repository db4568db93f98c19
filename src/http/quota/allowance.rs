//! What a server says is left, when that is less than we believe: others use the key, or the config knows less than
//! the server.

use super::clock::Micros;

/// From this part of the limit on, what is left is spread over what is left of the window: with others about, who
/// hurries is refused.
const SPREAD_FROM: u64 = 5;

/// What may still be sent before the server's window begins anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// Size of the server's window, which names it.
    pub(super) limit: Option<u64>,
    left: u64,
    until: Micros,
    /// Between two requests.
    gap: Micros,
    last: Micros,
}

impl Allowance {
    /// `left` of `limit` until `until`, told at `now`.
    pub(super) fn new(limit: Option<u64>, left: u64, now: Micros, until: Micros) -> Self {
        let is_short = limit.is_some_and(|limit| left.saturating_mul(SPREAD_FROM) < limit);
        let gap = if is_short { until.saturating_sub(now) / left.saturating_add(1) } else { 0 };
        Self { limit, left, until, gap, last: now }
    }

    /// When a request may be sent, `from` or later.
    pub(super) fn earliest(&self, from: Micros, units: u32) -> Micros {
        if from >= self.until {
            from
        } else if self.left < u64::from(units) {
            self.until
        } else {
            from.max(self.last + self.gap).min(self.until)
        }
    }

    /// Counts a request.
    pub(super) fn charge(&mut self, at: Micros, units: u32) {
        if at < self.until {
            self.left = self.left.saturating_sub(units.into());
            self.last = self.last.max(at);
        }
    }

    /// Moves with a clock that was set back.
    pub(super) fn set_back(&mut self, by: Micros) {
        self.until = self.until.saturating_sub(by);
        self.last = self.last.saturating_sub(by);
    }

    pub(super) fn is_over(&self, now: Micros) -> bool {
        now >= self.until
    }
}
