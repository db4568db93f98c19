//! Even pacing under short limits: GCRA, as `governor` does it, on the runtime's clock.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::config::RateLimit;

/// Windows up to this long are paced evenly; longer ones may be used in one go.
const LONGEST_PACED: Duration = Duration::from_secs(2);

/// How much longer than W/N the interval is, so that jitter on the way does not push one request too many into a
/// window: 25/s is sent as 24.6/s.
const STRETCH: f64 = 1.015;

/// Part of a window by which one request may be ahead of its turn. Timers wake up to some milliseconds late, and GCRA
/// with a burst of exactly 1 would add each delay to all that follow: 25/s would become 24.
const TOLERANCE: f64 = 0.005;

/// Paces requests by the slowest of the short limits, which implies the others.
#[derive(Debug)]
pub(super) struct Pacer {
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>,
    clock: TokioClock,
    /// Cells of `limiter` that one request takes.
    cells: NonZeroU32,
    pub(super) interval: Duration,
    pub(super) limit: RateLimit,
}

impl Pacer {
    /// `None` if no limit is short.
    pub(super) fn new(limits: &[RateLimit]) -> Option<Self> {
        let interval = |limit: &RateLimit| limit.per.div_f64(f64::from(limit.requests.get()));
        let slowest =
            limits.iter().filter(|limit| limit.per <= LONGEST_PACED).max_by_key(|limit| interval(limit));
        let limit = *slowest?;
        let interval = interval(&limit).mul_f64(STRETCH);
        // governor's tolerance comes in whole cells, so a request takes several small ones.
        let ratio =
            (interval.as_secs_f64() / limit.per.mul_f64(TOLERANCE).as_secs_f64()).max(f64::MIN_POSITIVE);
        let cells = whole(ratio.ceil());
        let spare = whole((1.0 / ratio).floor());
        let burst = cells.saturating_add(spare.get());
        let quota = Quota::with_period(interval / cells.get())?.allow_burst(burst);
        let clock = TokioClock { start: Instant::now() };
        let limiter = RateLimiter::direct_with_clock(quota, clock);
        Some(Self { limiter, clock, cells, interval, limit })
    }

    /// Takes the next turn if it is due.
    ///
    /// # Errors
    /// It is not: when to ask again.
    pub(super) fn take(&self) -> Result<(), Instant> {
        match self.limiter.check_n(self.cells) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(self.clock.start + not_until.earliest_possible()),
            // The burst is larger than `cells` by construction.
            Err(_) => Ok(()),
        }
    }
}

fn whole(number: f64) -> NonZeroU32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let number = number as u32;
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

/// The clock that tests can pause. Reads the time since its start.
#[derive(Debug, Clone, Copy)]
struct TokioClock {
    start: Instant,
}

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}
