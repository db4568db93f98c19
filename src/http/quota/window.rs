//! The exact count of one limit: when each of the last N requests was sent, and when its place is free again.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::RateLimit;

/// Most that one request is assumed to have reached the server later than the fastest one did.
pub(super) const MAX_SLACK: Duration = Duration::from_millis(100);

/// The server's clock and ours may run apart by this part of a window (NTP slews by up to 500 ppm on each side).
const CLOCK_DRIFT: u32 = 1000;

/// The last N requests under a limit of N.
///
/// Request `k + N` waits for the place of request `k`, so at most N fall into any window, sliding or fixed.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) limit: RateLimit,
    capacity: usize,
    places: VecDeque<Place>,
    /// Number of the request at the front of `places`.
    first: u64,
}

/// One request.
///
/// The server counts it somewhere between sending and answer. What its answer took longer than the fastest one is
/// the most it can have been counted later than it was sent (beyond the way that all share), so its place stays taken
/// for that long too; else jitter on the way would bunch requests at the server.
#[derive(Debug)]
struct Place {
    /// When it is free if the request went as fast as the fastest.
    free_at: Instant,
    /// Time to the answer's headers; `None` while in flight, for ever if there was none.
    latency: Option<Duration>,
}

impl Place {
    fn free_at(&self, fastest: Duration) -> Instant {
        let slack = self.latency.map_or(MAX_SLACK, |latency| latency.saturating_sub(fastest).min(MAX_SLACK));
        self.free_at + slack
    }
}

impl Window {
    pub(super) fn new(limit: RateLimit) -> Self {
        let capacity = usize::try_from(limit.requests.get()).unwrap_or(usize::MAX);
        Self { limit, capacity, places: VecDeque::new(), first: 0 }
    }

    fn held(&self) -> Duration {
        self.limit.per + self.limit.per / CLOCK_DRIFT
    }

    /// Counts a request of an earlier run, sent `age` ago. To be called in the order of sending, before all else.
    pub(super) fn restore(&mut self, age: Duration, now: Instant) {
        // How long its answer took is not known: the most is assumed.
        let Some(left) = (self.held() + MAX_SLACK).checked_sub(age) else { return };
        self.push(Place { free_at: now + left, latency: Some(Duration::ZERO) });
    }

    /// When the next request may be sent: a time that is not after `now` means now.
    pub(super) fn ready_at(&self, now: Instant, fastest: Duration) -> Instant {
        match self.places.front() {
            Some(oldest) if self.places.len() >= self.capacity => oldest.free_at(fastest),
            _ => now,
        }
    }

    /// Counts a request sent now. Returns its number within this window.
    pub(super) fn take(&mut self, now: Instant) -> u64 {
        self.push(Place { free_at: now + self.held(), latency: None });
        self.first + self.places.len() as u64 - 1
    }

    fn push(&mut self, place: Place) {
        if self.places.len() >= self.capacity {
            self.places.pop_front();
            self.first += 1;
        }
        self.places.push_back(place);
    }

    /// Notes how long the answer to a request took.
    pub(super) fn answered(&mut self, number: u64, latency: Duration) {
        let place = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(place) = place.and_then(|index| self.places.get_mut(index)) {
            place.latency = Some(latency);
        }
    }

    /// Requests of our own that the server may still count.
    pub(super) fn used(&self, now: Instant) -> u64 {
        self.places.iter().filter(|place| place.free_at > now).count() as u64
    }
}
