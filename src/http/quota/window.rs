//! The exact count of one limit: when each request of the last window was sent, and when its place is free again.

use std::collections::VecDeque;
use std::time::Duration;

use super::clock::{Micros, micros};
use crate::config::RateLimit;

/// Most that one request is assumed to have reached the server later than the fastest one did.
pub(super) const MAX_SLACK: Duration = Duration::from_millis(100);

/// A turn that is later than this is not used: what is assumed of requests under way leaves room for that and for
/// jitter on the way, not for more.
pub(super) const TOO_LATE: Duration = Duration::from_millis(50);

/// The server's clock and ours may run apart by this part of a window (NTP slews by up to 500 ppm on each side).
const CLOCK_DRIFT: u64 = 1000;

/// The requests under a limit of N units that the server may still count.
///
/// A request waits until what is counted and its own units are no more than N, so at most N fall into any window,
/// sliding or fixed.
#[derive(Debug)]
pub(super) struct Window {
    /// As configured.
    pub(super) limit: RateLimit,
    /// What of it is used at most: less what is kept free, and no more than the server says.
    capacity: u64,
    held: Micros,
    /// In the order of sending.
    places: VecDeque<Place>,
    /// Units of all of `places`.
    taken: u64,
}

/// One request.
///
/// The server counts it somewhere between sending and answer. What its answer took longer than the fastest one is
/// the most it can have been counted later than it was sent (beyond the way that all share), so its place stays taken
/// for that long too; else jitter on the way would bunch requests at the server.
#[derive(Debug)]
struct Place {
    at: Micros,
    units: u32,
    lateness: Lateness,
}

/// How much later than the fastest a request may have been counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Lateness {
    /// In flight, for ever if there was no answer.
    Unknown,
    /// Its answer is here.
    Answered {
        /// From sending to the answer's headers.
        way: Duration,
        /// From its time to sending.
        late: Duration,
    },
    /// As another process found it.
    Told(Duration),
}

impl Lateness {
    /// How much later than the fastest one, if that took as long as `fastest`.
    pub(super) fn slack(self, fastest: Duration) -> Duration {
        match self {
            Self::Unknown => MAX_SLACK + TOO_LATE,
            Self::Answered { way, late } => way.saturating_sub(fastest).min(MAX_SLACK) + late,
            Self::Told(slack) => slack,
        }
    }
}

impl Place {
    fn free_at(&self, held: Micros, fastest: Duration) -> Micros {
        self.at + held + micros(self.lateness.slack(fastest))
    }
}

impl Window {
    /// A window of which `reserve` is kept free.
    pub(super) fn new(limit: RateLimit, reserve: u32) -> Self {
        let per = micros(limit.per);
        let capacity = u64::from(limit.requests.get().saturating_sub(reserve)).max(1);
        Self { limit, capacity, held: per + per / CLOCK_DRIFT, places: VecDeque::new(), taken: 0 }
    }

    /// Heeds a server that allows less than is configured. Whether that is news.
    pub(super) fn lower(&mut self, units: u64) -> bool {
        let is_lower = units.max(1) < self.capacity;
        if is_lower {
            self.capacity = units.max(1);
        }
        is_lower
    }

    /// When a request may be sent, `from` or later. More units than there are wait until all are free.
    pub(super) fn earliest(&self, from: Micros, units: u32, fastest: Duration) -> Micros {
        let needed = u64::from(units).min(self.capacity);
        let mut taken = self.taken;
        let mut earliest = from;
        for place in &self.places {
            if taken + needed <= self.capacity {
                break;
            }
            earliest = earliest.max(place.free_at(self.held, fastest));
            taken -= u64::from(place.units);
        }
        earliest
    }

    /// Forgets what is free at `now`, which is earlier than all requests that are still to be counted.
    pub(super) fn forget(&mut self, now: Micros, fastest: Duration) {
        while let Some(place) = self.places.front().filter(|place| place.free_at(self.held, fastest) <= now) {
            self.taken -= u64::from(place.units);
            self.places.pop_front();
        }
    }

    /// Whether a request of that time counts no more.
    pub(super) fn is_over(&self, at: Micros, lateness: Lateness, now: Micros, fastest: Duration) -> bool {
        Place { at, units: 0, lateness }.free_at(self.held, fastest) <= now
    }

    /// Moves with a clock that was set back.
    pub(super) fn set_back(&mut self, by: Micros) {
        self.places.iter_mut().for_each(|place| place.at = place.at.saturating_sub(by));
    }

    /// Counts a request.
    pub(super) fn charge(&mut self, at: Micros, units: u32, lateness: Lateness) {
        // Nearly always the last: a bucket of its own may have given one a later turn before.
        let index = self.places.partition_point(|place| place.at <= at);
        self.places.insert(index, Place { at, units, lateness });
        self.taken += u64::from(units);
    }

    /// Whether a request of that time is counted, which names it.
    pub(super) fn has(&self, at: Micros) -> bool {
        self.places.binary_search_by_key(&at, |place| place.at).is_ok()
    }

    /// Notes when the answer to a request came.
    pub(super) fn answered(&mut self, at: Micros, lateness: Lateness) {
        if let Ok(index) = self.places.binary_search_by_key(&at, |place| place.at) {
            self.places[index].lateness = lateness;
        }
    }

    /// Units of ours that the server may count at `now`.
    pub(super) fn used(&self, now: Micros) -> u64 {
        let counted = self.places.iter().filter(|place| place.at <= now && place.at + self.held > now);
        counted.map(|place| u64::from(place.units)).sum()
    }

    /// Units that are sent, or to be sent, after a request.
    pub(super) fn since(&self, at: Micros) -> u64 {
        self.places.iter().rev().take_while(|place| place.at > at).map(|place| u64::from(place.units)).sum()
    }
}
