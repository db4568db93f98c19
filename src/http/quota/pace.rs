//! Even pacing under short limits: the generic cell rate algorithm (ITU-T I.371), by `governor`. All it keeps is when
//! the next request is due, which follows from the times of those before: whoever knows these comes to the same
//! result, in whatever process.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use super::clock::{Micros, micros};
use crate::config::RateLimit;

/// A cell is a microsecond: a request takes as many as its interval has, so all times are whole numbers of them.
const CELLS: Quota = Quota::per_second(NonZeroU32::MIN.saturating_add(999_999));

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
    /// Of one unit, in cells.
    interval: NonZeroU32,
    /// In cells.
    tolerance: u32,
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
            interval: NonZeroU32::new(cells(interval.mul_f64(STRETCH))).unwrap_or(NonZeroU32::MIN),
            tolerance: cells(limit.per.mul_f64(TOLERANCE)),
            due: 0,
        })
    }

    /// When a request may be sent, `from` or later.
    pub(super) fn earliest(&self, from: Micros) -> Micros {
        self.check(from, NonZeroU32::MIN).map_or_else(|until| until, |_| from)
    }

    /// Counts a request. One of another process that came before its turn puts off the next all the same.
    pub(super) fn charge(&mut self, at: Micros, units: u32) {
        let units = NonZeroU32::new(units).unwrap_or(NonZeroU32::MIN);
        if let Ok(due) = self.check(self.earliest(at), units) {
            self.due = due;
        }
    }

    /// When the next one is due if a request goes out at a time.
    ///
    /// # Errors
    /// It is before its turn: when that is.
    fn check(&self, at: Micros, units: NonZeroU32) -> Result<Micros, Micros> {
        let taken = self.interval.saturating_mul(units);
        // What is dear is tolerated as far ahead as what is cheap, so the size of a burst is that of the request.
        let quota = CELLS.allow_burst(taken.saturating_add(self.tolerance));
        let state = Due { at, due: Cell::new(self.due) };
        let limiter = RateLimiter::<_, _, _, NoOpMiddleware<Duration>>::new(quota, state, At(at));
        match limiter.check_n(taken) {
            Ok(Ok(())) => Ok(limiter.into_state_store().due.get()),
            Ok(Err(not_until)) => Err(micros(not_until.earliest_possible())),
            // The burst is no smaller than `taken`.
            Err(_) => Ok(self.due),
        }
    }

    pub(super) fn is_faster_than(&self, other: &Self) -> bool {
        self.interval < other.interval
    }

    /// Moves with a clock that was set back.
    pub(super) fn set_back(&mut self, by: Micros) {
        self.due = self.due.saturating_sub(by);
    }
}

/// `governor`'s clock, at the time that is asked about.
struct At(Micros);

impl Clock for At {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_micros(self.0)
    }
}

/// `governor`'s state: how far `due` is ahead of its start, which is the time that is asked about.
struct Due {
    at: Micros,
    due: Cell<Micros>,
}

impl StateStore for Due {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let ahead = Duration::from_micros(self.due.get().saturating_sub(self.at));
        let (outcome, ahead) = decide(Some(ahead.into()))?;
        self.due.set(self.at.saturating_add(micros(ahead.into())));
        Ok(outcome)
    }
}

fn cells(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn pacer(requests: u32, per: u64) -> Pacer {
        let limit = RateLimit { requests: requests.try_into().unwrap(), per: Duration::from_millis(per) };
        Pacer::new([(limit, requests)]).unwrap()
    }

    #[test]
    fn turns_are_whole_intervals_apart_for_ever() {
        let start = 1_800_000_000_000_000_u64;
        for (requests, per, interval, tolerance) in [
            (25, 1000, 40_600, 5_000),
            (7, 1000, 145_000, 5_000),
            (1, 2000, 2_030_000, 10_000),
            (1000, 1000, 1_015, 5_000),
        ] {
            let mut pacer = pacer(requests, per);
            assert_eq!(pacer.earliest(start), start);
            for turn in 0..10_000_u64 {
                // Each is sent as early as it may be, which does not make the next one earlier.
                let at = start + (turn * interval).saturating_sub(tolerance);
                assert_eq!(pacer.earliest(at.max(start) - u64::from(turn > 5)), at, "{requests} {turn}");
                pacer.charge(at, 1);
            }
        }
    }

    #[test]
    fn a_request_puts_off_the_next_by_its_units_and_one_before_its_turn_does_too() {
        let mut pacer = pacer(25, 1000);
        pacer.charge(1_000_000, 5);
        assert_eq!(pacer.earliest(0), 1_000_000 + 5 * 40_600 - 5_000);
        // Dearer than a burst of all there is.
        pacer.charge(1_000_000, 100);
        assert_eq!(pacer.earliest(0), 1_000_000 + 105 * 40_600 - 5_000);
        // Asking takes nothing.
        assert_eq!(pacer.earliest(9_000_000), 9_000_000);
        assert_eq!(pacer.earliest(0), 1_000_000 + 105 * 40_600 - 5_000);
        pacer.charge(9_000_000, 1);
        assert_eq!(pacer.earliest(9_000_001), 9_000_000 + 40_600 - 5_000);
        pacer.set_back(1_000_000);
        assert_eq!(pacer.earliest(8_000_001), 8_000_000 + 40_600 - 5_000);
    }

    #[test]
    fn no_time_is_too_large() {
        let mut pacer = pacer(25, 1000);
        assert_eq!(pacer.earliest(u64::MAX), u64::MAX);
        pacer.charge(9_999_999_999_999_999, u32::MAX);
        assert_eq!(pacer.earliest(u64::MAX), u64::MAX);
        assert!(pacer.earliest(0) > 9_999_999_999_999_999);
    }
}
