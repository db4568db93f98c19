//! Quota: at most N requests in any window of W, for every limit at once, however the server counts.
//!
//! Each limit keeps an exact count of its last N requests ([`window`]); short ones are paced evenly besides
//! ([`pace`]); what earlier runs used is in a file ([`ledger`]); and a pause that a server asks for holds everybody.
//! Requests get their turn in the order they asked.

mod ledger;
mod pace;
mod window;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};
use url::Url;

use self::ledger::Ledger;
use self::pace::Pacer;
use self::window::Window;
use super::advice::Advice;
use super::event::{HttpEvent, WaitReason};
use crate::config::RateLimit;

/// Waits shorter than this are not worth telling.
const TOLD_FROM: Duration = Duration::from_secs(1);

/// Answers after which the fastest of them is believed.
const WARM_UP: u32 = 8;

/// Receives what the client tells.
pub(super) type Events = Arc<dyn Fn(HttpEvent) + Send + Sync>;

/// The quota of one origin, shared by all that send to it.
pub(super) struct Quota {
    /// Held by the one request that waits for the next turn; the others queue behind it in order.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    events: Events,
}

/// A request that was let through.
#[derive(Debug)]
pub(super) struct Turn {
    sent: Instant,
    /// Its number in each window.
    numbers: Vec<u64>,
}

struct State {
    windows: Vec<Window>,
    pacer: Option<Pacer>,
    ledger: Option<Ledger>,
    fastest: Fastest,
    /// Nothing is sent before: an earlier run's last request, or a server's wish.
    not_before: Option<Instant>,
}

/// Fastest time to an answer's headers so far: what all answers take at least.
struct Fastest {
    latency: Duration,
    answers: u32,
}

impl Fastest {
    fn note(&mut self, latency: Duration) {
        self.latency = self.latency.min(latency);
        self.answers = self.answers.saturating_add(1);
    }

    /// The first answers have to set up connections and caches and say little about the next ones.
    fn known(&self) -> Duration {
        if self.answers < WARM_UP { Duration::ZERO } else { self.latency }
    }
}

impl Quota {
    /// Quota without a memory of earlier runs.
    pub(super) fn new(limits: &[RateLimit], events: Events) -> Self {
        let state = State {
            windows: limits.iter().copied().map(Window::new).collect(),
            pacer: Pacer::new(limits),
            ledger: None,
            fastest: Fastest { latency: Duration::MAX, answers: 0 },
            not_before: None,
        };
        Self { turn: tokio::sync::Mutex::default(), state: Mutex::new(state), events }
    }

    /// Quota that goes on from what earlier runs used of it, as far as `dir` knows.
    ///
    /// # Errors
    /// The ledger in `dir` cannot be read or written.
    pub(super) fn with_ledger(
        limits: &[RateLimit],
        dir: &Path,
        origin: &Url,
        events: Events,
    ) -> io::Result<Self> {
        let quota = Self::new(limits, events);
        let keep = limits.iter().map(|limit| limit.requests.get()).max();
        if let (Some(keep), Some(horizon)) = (keep, limits.iter().map(|limit| limit.per).max()) {
            let keep = usize::try_from(keep).unwrap_or(usize::MAX);
            // Twice the window: its places are held a little longer than it lasts.
            let (ledger, ages) = Ledger::open(dir, origin, keep, horizon * 2, SystemTime::now())?;
            quota.state().restore(&ages, Instant::now());
            quota.state().ledger = Some(ledger);
        }
        Ok(quota)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a request may be sent, and counts it as sent. Dropping the future counts nothing.
    pub(super) async fn acquire(&self) -> Turn {
        let _turn = self.turn.lock().await;
        loop {
            let now = Instant::now();
            let (until, reason) = match self.state().take(now) {
                Ok(turn) => return turn,
                Err(wait) => wait,
            };
            let duration = until.saturating_duration_since(now);
            if duration >= TOLD_FROM {
                (self.events)(HttpEvent::Waiting { duration, reason });
            }
            sleep_until(until).await;
        }
    }

    /// Notes that the headers of the answer are here.
    pub(super) fn answered(&self, turn: &Turn) {
        let latency = turn.sent.elapsed();
        let mut state = self.state();
        state.fastest.note(latency);
        for (window, number) in state.windows.iter_mut().zip(&turn.numbers) {
            window.answered(*number, latency);
        }
    }

    /// Holds everybody for `duration` from now, or longer if they are held already.
    pub(super) fn pause(&self, duration: Duration) {
        let until = Instant::now() + duration;
        let mut state = self.state();
        state.not_before = state.not_before.max(Some(until));
    }

    /// Whether the server says that nothing is left though our own requests do not explain it: somebody else uses
    /// the key, or the config knows less than the server. Then going on at our pace would only earn a 429.
    pub(super) fn is_used_by_others(&self, advice: &Advice) -> bool {
        if advice.remaining != Some(0) {
            return false;
        }
        let now = Instant::now();
        let state = self.state();
        let mut known = state
            .windows
            .iter()
            .filter(|window| Some(u64::from(window.limit.requests.get())) == advice.limit);
        // The server may have counted one that is not counted here any more.
        !known.any(|window| advice.limit.is_some_and(|limit| limit <= window.used(now) + 1))
    }
}

impl State {
    fn restore(&mut self, ages: &[Duration], now: Instant) {
        for window in &mut self.windows {
            for age in ages {
                window.restore(*age, now);
            }
        }
        if let (Some(pacer), Some(age)) = (&self.pacer, ages.last()) {
            self.not_before = pacer.interval.checked_sub(*age).map(|left| now + left);
        }
    }

    /// Counts a request, or tells when to ask again and why.
    fn take(&mut self, now: Instant) -> Result<Turn, (Instant, WaitReason)> {
        if let Some(until) = self.not_before.filter(|until| *until > now) {
            return Err((until, WaitReason::Server));
        }
        let fastest = self.fastest.known();
        let waits = self.windows.iter().map(|window| (window.ready_at(now, fastest), window.limit));
        if let Some((until, limit)) = waits.filter(|(until, _)| *until > now).max_by_key(|(until, _)| *until)
        {
            return Err((until, WaitReason::Quota(limit)));
        }
        if let Some(pacer) = &self.pacer
            && let Err(until) = pacer.take()
        {
            return Err((until, WaitReason::Quota(pacer.limit)));
        }
        if let Some(ledger) = &mut self.ledger {
            ledger.append(SystemTime::now());
        }
        Ok(Turn { sent: now, numbers: self.windows.iter_mut().map(|window| window.take(now)).collect() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
