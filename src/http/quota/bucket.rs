//! Limits that some requests have in common.

use std::num::NonZeroU32;
use std::time::Duration;

use super::allowance::Allowance;
use super::clock::{Micros, micros};
use super::pace::Pacer;
use super::record::word;
use super::window::{Lateness, Window};
use crate::config::{BucketPlan, BucketScope, Counts, Method, RateLimit, Reserve};
use crate::http::advice::Advice;
use crate::http::event::WaitReason;

/// A server whose window is this much longer than one of ours may still mean that one: it tells whole seconds.
const RESET_ROUNDING: Duration = Duration::from_secs(1);

/// Where there is no limit, requests are remembered for this time: longer than most are under way.
const NO_LIMIT: RateLimit = RateLimit { requests: NonZeroU32::MAX, per: Duration::from_secs(60) };

/// Limits that some requests have in common, and what of them is used.
#[derive(Debug)]
pub(super) struct Bucket {
    /// As configured.
    pub(super) name: String,
    /// Its name in records.
    pub(super) word: String,
    scope: Scope,
    reserve: Option<Reserve>,
    pub(super) windows: Vec<Window>,
    /// Where there is no window: what a server says is left is less what is under way.
    unlimited: Option<Window>,
    pacer: Option<Pacer>,
    allowances: Vec<Allowance>,
}

/// Which requests a bucket is for, and what they cost.
#[derive(Debug)]
enum Scope {
    All,
    Some(BucketPlan),
}

/// What a request is to a quota.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Subject<'a> {
    pub(in crate::http) method: Method,
    /// Below the base URL, without a slash at its start.
    pub(in crate::http) path: &'a str,
    pub(in crate::http) resource: Option<&'a str>,
    pub(in crate::http) cost: u32,
}

impl Bucket {
    /// The bucket of all requests.
    pub(super) fn of_all(name: &str, limits: &[RateLimit], reserve: Option<Reserve>) -> Self {
        Self::new(name, Scope::All, limits, reserve)
    }

    pub(super) fn of_some(plan: &BucketPlan, reserve: Option<Reserve>) -> Self {
        Self::new(&plan.name, Scope::Some(plan.clone()), &plan.limits, reserve)
    }

    fn new(name: &str, scope: Scope, limits: &[RateLimit], reserve: Option<Reserve>) -> Self {
        let kept = |limit: &RateLimit| reserve.map_or(0, |reserve| reserve.of(limit.requests.get()));
        let used = |limit: &RateLimit| (*limit, limit.requests.get().saturating_sub(kept(limit)));
        Self {
            name: name.to_owned(),
            word: word(name),
            scope,
            reserve,
            windows: limits.iter().map(|limit| Window::new(*limit, kept(limit))).collect(),
            unlimited: limits.is_empty().then(|| Window::new(NO_LIMIT, 0)),
            pacer: Pacer::new(limits.iter().map(used)),
            allowances: Vec::new(),
        }
    }

    /// What a request costs here; `None` if the bucket is not for it.
    pub(super) fn units(&self, subject: &Subject<'_>) -> Option<u32> {
        let Scope::Some(plan) = &self.scope else { return Some(subject.cost) };
        let is_for_it = match &plan.scope {
            BucketScope::Resource(name) => subject.resource == Some(name),
            BucketScope::Matching { paths, methods } => {
                (methods.is_empty() || methods.contains(&subject.method))
                    && (paths.is_empty() || paths.iter().any(|pattern| matches(pattern, subject.path)))
            }
        };
        let units = match (plan.counts, plan.cost) {
            (Counts::Requests, _) => 1,
            (Counts::Cost, Some(cost)) => cost.get(),
            (Counts::Cost, None) => subject.cost,
        };
        is_for_it.then_some(units)
    }

    /// When a request may be sent, `from` or later, and what it waits for.
    pub(super) fn earliest(
        &self,
        from: Micros,
        units: u32,
        fastest: Duration,
    ) -> (Micros, Option<WaitReason>) {
        let mut earliest = (from, None);
        let mut wait = |until: Micros, reason| {
            if until > earliest.0 {
                earliest = (until, Some(reason));
            }
        };
        for window in &self.windows {
            wait(window.earliest(from, units, fastest), WaitReason::Quota(window.limit));
        }
        if let Some(pacer) = &self.pacer {
            wait(pacer.earliest(from), WaitReason::Quota(pacer.limit));
        }
        for allowance in &self.allowances {
            wait(allowance.earliest(from, units), WaitReason::Server);
        }
        earliest
    }

    /// All that counts requests.
    fn counts(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter().chain(&self.unlimited)
    }

    fn counts_mut(&mut self) -> impl Iterator<Item = &mut Window> {
        self.windows.iter_mut().chain(&mut self.unlimited)
    }

    /// Counts a request.
    pub(super) fn charge(&mut self, at: Micros, units: u32, lateness: Lateness) {
        self.counts_mut().for_each(|window| window.charge(at, units, lateness));
        for allowance in &mut self.allowances {
            allowance.charge(at, units);
        }
        if let Some(pacer) = &mut self.pacer {
            pacer.charge(at, units);
        }
    }

    /// Counts a request that others tell of, unless it is known already, or counts no more.
    pub(super) fn learn(
        &mut self,
        at: Micros,
        units: u32,
        lateness: Lateness,
        now: Micros,
        fastest: Duration,
    ) {
        let is_over = self.counts().all(|window| window.is_over(at, lateness, now, fastest));
        if !is_over && !self.counts().any(|window| window.has(at)) {
            self.charge(at, units, lateness);
        }
    }

    pub(super) fn answered(&mut self, at: Micros, lateness: Lateness) {
        self.counts_mut().for_each(|window| window.answered(at, lateness));
    }

    pub(super) fn has(&self, at: Micros) -> bool {
        self.windows.iter().any(|window| window.has(at))
    }

    pub(super) fn forget(&mut self, now: Micros, fastest: Duration) {
        self.counts_mut().for_each(|window| window.forget(now, fastest));
        self.allowances.retain(|allowance| !allowance.is_over(now));
    }

    /// Moves with a clock that was set back.
    pub(super) fn set_back(&mut self, by: Micros) {
        self.counts_mut().for_each(|window| window.set_back(by));
        self.allowances.iter_mut().for_each(|allowance| allowance.set_back(by));
        if let Some(pacer) = &mut self.pacer {
            pacer.set_back(by);
        }
    }

    /// The window that an answer is about: one of that size, or of that length if the server counts otherwise.
    fn window_of(&self, advice: &Advice) -> Option<usize> {
        let limit = advice.limit?;
        let is_long = |window: &Window| advice.window.is_none_or(|length| length == window.limit.per);
        let of_size = |window: &Window| u64::from(window.limit.requests.get()) == limit && is_long(window);
        self.windows.iter().position(of_size).or_else(|| {
            // A reset in the second half of a window tells its length well enough.
            let may_be = |window: &Window| match (advice.window, advice.reset) {
                (Some(length), _) => length == window.limit.per,
                (None, Some(reset)) => {
                    reset > window.limit.per / 2 && reset <= window.limit.per + RESET_ROUNDING
                }
                (None, None) => false,
            };
            let candidates = self.windows.iter().enumerate().filter(|(_, window)| may_be(window));
            candidates.min_by_key(|(_, window)| window.limit.per).map(|(index, _)| index)
        })
    }

    /// Whether an answer is about one of the limits here.
    pub(super) fn knows(&self, advice: &Advice) -> bool {
        self.window_of(advice).is_some()
    }

    /// Heeds what the answer to the request of time `at` says. A server may allow less than is configured, and there
    /// may be less left than our own requests explain. Returns a configured limit that was found too high.
    pub(super) fn heed(&mut self, at: Micros, advice: &Advice, now: Micros) -> Option<RateLimit> {
        let kept = |limit: u64| {
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            self.reserve.map_or(0, |reserve| u64::from(reserve.of(limit)))
        };
        let known = self.window_of(advice);
        let mut lowered = None;
        if let (Some(index), Some(limit)) = (known, advice.limit) {
            let most = limit.saturating_sub(kept(limit));
            let is_less = limit < u64::from(self.windows[index].limit.requests.get());
            if self.windows[index].lower(most) && is_less {
                let window = &self.windows[index];
                let short = RateLimit {
                    requests: u32::try_from(most.max(1)).ok().and_then(NonZeroU32::new)?,
                    per: window.limit.per,
                };
                if let Some(pacer) = Pacer::new([(short, short.requests.get())]) {
                    let slower = self.pacer.as_ref().is_none_or(|known| known.is_faster_than(&pacer));
                    if slower {
                        self.pacer = Some(pacer);
                    }
                }
                lowered = Some(self.windows[index].limit);
            }
        }
        self.allowances.retain(|allowance| allowance.limit != advice.limit);
        if let Some(remaining) = advice.remaining {
            let window = known.map(|index| &self.windows[index]);
            // The server may have counted one that is not counted here any more.
            let is_explained = window
                .zip(advice.limit)
                .is_some_and(|(window, limit)| limit.saturating_sub(remaining) <= window.used(now) + 1);
            // Without a word on it, no later than a whole window from now. Whole seconds are rounded down.
            let told = advice.reset.map(|reset| if reset.is_zero() { RESET_ROUNDING } else { reset });
            let reset = told.or(window.map(|window| window.limit.per));
            if let Some(reset) = reset.filter(|_| !is_explained) {
                let under_way = window.or(self.counts().next()).map_or(0, |window| window.since(at));
                let left = remaining.saturating_sub(kept(advice.limit.unwrap_or(0)) + under_way);
                let until = now.saturating_add(micros(reset));
                self.allowances.push(Allowance::new(advice.limit, left, now, until));
            }
        }
        lowered
    }
}

/// Whether a path fits a pattern, in which `*` stands for any characters.
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.trim_start_matches('/').split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(start) => rest = &rest[start + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_for_whole_paths() {
        for (pattern, path, expected) in [
            ("members", "members", true),
            ("/members", "members", true),
            ("members", "members/1", false),
            ("members/*", "members/1/notes", true),
            ("members/*", "members", false),
            ("*/notes", "members/1/notes", true),
            ("*/notes", "members/1/notes/2", false),
            ("a/*/b/*", "a/1/b/2", true),
            ("a/*/b/*", "a/1/c/2", false),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}
