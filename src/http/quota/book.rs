//! What is known of all buckets: who may send when.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::{Bucket, Subject};
use super::clock::{Anchor, Micros, micros};
use super::record::{MOST_AHEAD, Record};
use super::window::{Lateness, TOO_LATE};
use crate::config::RateLimit;
use crate::http::advice::Advice;
use crate::http::event::WaitReason;

/// A turn is given this long ahead at most; who has to wait longer asks again when it is nearer. Long enough that
/// several processes find their places one behind the other, short enough that one that is killed wastes little.
pub(super) const AHEAD: Duration = Duration::from_millis(250);

/// Longest way to a store that is reckoned with: with [`AHEAD`], it keeps turns within [`MOST_AHEAD`].
const LONGEST_WAY: Duration = Duration::from_millis(1500);

/// A turn that was taken ahead is used if it is over by no more than this.
const TOLERATED: Duration = Duration::from_millis(10);

/// How many times no turn is taken ahead after one was of no use, at first and at most: who does not need them wastes
/// what others could use.
const FIRST_REST: u32 = 8;
const LONGEST_REST: u32 = 1024;

/// Answers after which the fastest of them is believed.
const WARM_UP: u32 = 8;

/// Buckets that a request has to pass, and what it costs there.
pub(super) type Charges = Vec<(usize, u32)>;

/// All buckets, and what of them is used by whom.
pub(super) struct Book {
    pub(super) buckets: Vec<Bucket>,
    pub(super) anchor: Anchor,
    /// How long after it was decided a turn was known of last, if a turn of that very moment came too late: with a store
    /// that is far away, or a slow disk.
    way: Duration,
    fastest: Fastest,
    /// Nothing is sent before: a server's wish.
    pause: Micros,
    /// No wish of a longer one is heeded, of others neither.
    longest_pause: Duration,
    /// What the others are to be told at the next opportunity.
    news: Vec<Record>,
    leased: Leased,
}

/// Turns taken ahead of a store that is far away.
#[derive(Default)]
struct Leased {
    turns: VecDeque<(Micros, Charges)>,
    /// How many are taken at once: one more with each that was of use.
    count: usize,
    /// After one that was not, how many times none is taken; doubles each time.
    rest: u32,
    next_rest: u32,
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

/// A turn cannot be given yet.
#[derive(Debug)]
pub(super) struct Wait {
    /// When it may be, as far as known.
    pub(super) until: Micros,
    /// When to ask again.
    pub(super) ask_at: Micros,
    pub(super) reason: WaitReason,
    /// The bucket that has no room until then; `None` if nobody may send.
    pub(super) held_by: Option<usize>,
}

impl Book {
    pub(super) fn new(buckets: Vec<Bucket>, longest_pause: Duration) -> Self {
        Self {
            buckets,
            // An empty book has no request of an earlier time.
            anchor: Anchor::new(micros(Duration::from_secs(1)), Duration::ZERO),
            way: Duration::ZERO,
            fastest: Fastest { latency: Duration::MAX, answers: 0 },
            pause: 0,
            longest_pause,
            news: Vec::new(),
            leased: Leased::default(),
        }
    }

    /// Whether there is anything to keep to.
    pub(super) fn has_limits(&self) -> bool {
        self.buckets.iter().any(|bucket| !bucket.windows.is_empty())
    }

    pub(super) fn charges(&self, subject: &Subject<'_>) -> Charges {
        let units = |(index, bucket): (usize, &Bucket)| Some((index, bucket.units(subject)?));
        self.buckets.iter().enumerate().filter_map(units).collect()
    }

    pub(super) fn now(&self) -> Micros {
        self.anchor.now()
    }

    /// Gives a turn at the earliest time that suits all buckets, and counts it in all of them.
    ///
    /// # Errors
    /// That is too far ahead. Nothing is counted.
    pub(super) fn book(&mut self, charges: &Charges, now: Micros) -> Result<Micros, Wait> {
        let at = self.next(charges, now)?;
        for (index, units) in charges {
            self.buckets[*index].charge(at, *units, Lateness::Unknown);
        }
        let word = |(index, units): &(usize, u32)| (self.buckets[*index].word.clone(), *units);
        self.news.push(Record::Sent { at, charges: charges.iter().map(word).collect(), slack: None });
        Ok(at)
    }

    /// The earliest time that suits all buckets.
    fn next(&mut self, charges: &Charges, now: Micros) -> Result<Micros, Wait> {
        let fastest = self.fastest.known();
        let way = micros(self.way);
        let mut at = now + way;
        let mut reason = WaitReason::Server;
        let mut held_by = None;
        if self.pause > at {
            at = self.pause;
        }
        for (index, units) in charges {
            let bucket = &mut self.buckets[*index];
            bucket.forget(now, fastest);
            let (until, why) = bucket.earliest(at, *units, fastest);
            if until > at {
                held_by = Some(*index);
            }
            // What one bucket holds up is later for all of them, never earlier.
            at = until;
            reason = why.unwrap_or(reason);
        }
        // A request is named by its time.
        while charges.iter().any(|(index, _)| self.buckets[*index].has(at)) {
            at += 1;
        }
        let ahead = micros(AHEAD);
        if at > now + way + ahead {
            return Err(Wait { until: at, ask_at: at - way - ahead / 2, reason, held_by });
        }
        Ok(at)
    }

    /// Takes further turns like the last one, up to `ahead` from now.
    pub(super) fn lease(&mut self, charges: &Charges, now: Micros, ahead: Duration) {
        if self.leased.rest > 0 {
            self.leased.rest -= 1;
            return;
        }
        for _ in 0..self.leased.count.max(1) {
            let fits = self.next(charges, now).is_ok_and(|at| at <= now + micros(self.way + ahead));
            if ahead.is_zero() || !fits {
                return;
            }
            if let Ok(at) = self.book(charges, now) {
                self.leased.turns.push_back((at, charges.clone()));
            }
        }
    }

    /// A turn that was taken ahead and is not over.
    pub(super) fn leased(&mut self, charges: &Charges) -> Option<Micros> {
        let now = self.now();
        while let Some((at, leased)) = self.leased.turns.pop_front() {
            if at + micros(TOLERATED) >= now && leased == *charges && at > self.pause {
                self.leased.count += 1;
                return Some(at);
            }
            let leased = &mut self.leased;
            leased.count = 0;
            leased.rest = leased.next_rest.max(FIRST_REST);
            leased.next_rest = (leased.rest * 2).min(LONGEST_REST);
        }
        None
    }

    /// Whether a server's wish has come up since a turn was given.
    pub(super) fn is_held(&self, now: Micros) -> bool {
        self.pause > now
    }

    /// Notes that the answer to the request of time `at` is here, which was sent `late`.
    pub(super) fn answered(&mut self, at: Micros, sent: Instant, late: Duration, charges: &Charges) {
        let way = sent.elapsed();
        self.fastest.note(way);
        let lateness = Lateness::Answered { way, late };
        for (index, _) in charges {
            self.buckets[*index].answered(at, lateness);
        }
        let slack = lateness.slack(self.fastest.known());
        self.news.push(Record::Answered { at, slack: micros(slack) });
    }

    /// Holds everybody for `duration` from now, or longer if they are held already.
    pub(super) fn hold(&mut self, duration: Duration) {
        let until = self.now().saturating_add(micros(duration));
        if until > self.pause {
            self.pause = until;
            self.news.push(Record::Pause { until });
        }
    }

    /// Heeds what an answer says of the quota. Returns a limit that was found too high, with the name of its bucket.
    pub(super) fn heed(
        &mut self,
        at: Micros,
        charges: &Charges,
        advice: &Advice,
    ) -> Option<(String, RateLimit)> {
        // No server that answers allows nothing: so some say that there is no limit.
        if advice.limit.is_none() && advice.remaining.is_none() || advice.limit == Some(0) {
            return None;
        }
        let now = self.now();
        // The bucket that has such a limit; else the narrowest, since it is about this request.
        let knows = |(index, _): &&(usize, u32)| self.buckets[*index].knows(advice);
        let (index, _) = charges.iter().rev().find(knows).or(charges.last())?;
        let bucket = &mut self.buckets[*index];
        let lowered = bucket.heed(at, advice, now)?;
        Some((bucket.name.clone(), lowered))
    }

    /// Meets the others at `now` by their clock, which may have been set back.
    pub(super) fn meet(&mut self, now: Micros, uncertainty: Duration) {
        let behind = self.now().saturating_sub(now);
        if behind > MOST_AHEAD {
            self.buckets.iter_mut().for_each(|bucket| bucket.set_back(behind));
            self.pause = self.pause.saturating_sub(behind);
            self.leased.turns.clear();
        }
        self.anchor = Anchor::new(now, uncertainty);
    }

    /// Takes in what others did, and what they were told.
    pub(super) fn learn(&mut self, records: impl IntoIterator<Item = Record>) {
        let (now, fastest) = (self.now(), self.fastest.known());
        for record in records {
            match record {
                Record::Sent { at, charges, slack } => {
                    // A time of before the clock was set back counts as of now, or nearly.
                    let at = at.min(now + MOST_AHEAD);
                    let lateness = slack.map_or(Lateness::Unknown, told_lateness);
                    for (word, units) in charges {
                        for bucket in self.buckets.iter_mut().filter(|bucket| bucket.word == word) {
                            bucket.learn(at, units, lateness, now, fastest);
                        }
                    }
                }
                Record::Answered { at, slack } => {
                    let lateness = told_lateness(slack);
                    self.buckets.iter_mut().for_each(|bucket| bucket.answered(at, lateness));
                }
                Record::Pause { until } if until > now + micros(self.longest_pause) => {}
                Record::Pause { until } => self.pause = self.pause.max(until),
            }
        }
    }

    /// What the others do not know yet.
    pub(super) fn news(&self) -> &[Record] {
        &self.news
    }

    /// The others know the first `count` of it.
    pub(super) fn told(&mut self, count: usize) {
        self.news.drain(..count.min(self.news.len()));
    }

    /// Notes how long it took from a decision until it is known here that the others know it.
    pub(super) fn decided(&mut self) {
        let way = self.anchor.age();
        self.way = if way > TOO_LATE / 2 { way.min(LONGEST_WAY) } else { Duration::ZERO };
    }

    #[cfg(test)]
    pub(super) fn know_the_way(&mut self) {
        self.fastest = Fastest { latency: Duration::ZERO, answers: WARM_UP };
    }
}

/// Another process found this, or a damaged line says so: no request is later than turns are told ahead.
fn told_lateness(slack: Micros) -> Lateness {
    Lateness::Told(Duration::from_micros(slack.min(MOST_AHEAD)))
}
