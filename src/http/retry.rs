//! Whether and when a failed attempt is made again. Waiting and telling are the client's.

use std::time::Duration;

use backoff::SystemClock;
use backoff::backoff::Backoff;
use backoff::exponential::{ExponentialBackoff, ExponentialBackoffBuilder};

use super::advice::Advice;
use super::error::Failure;
use crate::config::RetryPlan;

/// Delays are drawn from this much around the exponential ones, so that many clients do not come back at once.
const JITTER: f64 = 0.5;

/// What follows a failed attempt.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// The request failed.
    GiveUp(Failure),
    /// One more attempt.
    Retry {
        /// Until it may start.
        delay: Duration,
        /// Whether all requests wait that long: the server turned the client away, not the request.
        holds_all: bool,
    },
}

/// The policy for the attempts of one request.
pub(super) struct Retries {
    plan: RetryPlan,
    /// The longest that the API is known to count.
    longest_window: Duration,
    /// Whether the request may be sent again though the API may have done what it asks for.
    is_repeatable: bool,
    attempt: u32,
    delays: ExponentialBackoff<SystemClock>,
}

impl Retries {
    pub(super) fn new(plan: RetryPlan, longest_window: Duration, is_repeatable: bool) -> Self {
        let delays = ExponentialBackoffBuilder::new()
            .with_initial_interval(plan.initial_delay)
            .with_max_interval(plan.max_delay)
            .with_multiplier(2.0)
            .with_randomization_factor(JITTER)
            .with_max_elapsed_time(None)
            .build();
        Self { plan, longest_window, is_repeatable, attempt: 1, delays }
    }

    /// The attempt that is under way, counted from 1.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Decides after a failed attempt; each call counts one. A 429 counts like any other failure.
    pub(super) fn decide(&mut self, failure: Failure, advice: &Advice) -> Verdict {
        let may_repeat = self.is_repeatable || failure.is_before_processing();
        if !failure.is_transient() || !may_repeat || self.attempt >= self.plan.max_attempts {
            return Verdict::GiveUp(failure);
        }
        let asked = server_delay(&failure, advice);
        let limit = self.plan.max_server_delay;
        match (asked, &failure) {
            (Some(delay), Failure::Status(status)) if delay > limit => {
                let status = Box::new(status.clone());
                return Verdict::GiveUp(Failure::ServerDelay { status, delay, limit });
            }
            (Some(delay), Failure::Unwanted { answer, .. }) if delay > limit => {
                return Verdict::GiveUp(Failure::ServerDelay { status: answer.clone(), delay, limit });
            }
            _ => {}
        }
        self.attempt += 1;
        // What an action says to try again is about this request, unless the status is that of a client turned away.
        let is_own =
            matches!(&failure, Failure::Unwanted { answer, .. } if !matches!(answer.status, 429 | 503));
        let holds_all = failure.is_throttling() || (asked.is_some() && !is_own);
        Verdict::Retry { delay: asked.unwrap_or_else(|| self.own_delay(failure.is_throttling())), holds_all }
    }

    fn own_delay(&mut self, is_throttled: bool) -> Duration {
        let delay = self.delays.next_backoff().unwrap_or(self.plan.max_delay);
        let is_last = self.attempt >= self.plan.max_attempts;
        // Whatever window the server counts in, it begins anew by then.
        let least = if is_throttled && is_last { self.longest_window } else { Duration::ZERO };
        delay.max(least).min(self.plan.max_delay)
    }
}

/// What the server asks for. The window's end counts only when the window is why it refused.
pub(super) fn server_delay(failure: &Failure, advice: &Advice) -> Option<Duration> {
    match failure {
        _ if failure.is_throttling() => advice.retry_after.or(advice.reset.filter(|reset| !reset.is_zero())),
        Failure::Status(status) if status.status == 503 => advice.retry_after,
        Failure::Unwanted { .. } => advice.retry_after,
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::error::StatusFailure;
    use super::*;

    fn retries(max_attempts: u32) -> Retries {
        let plan = RetryPlan {
            max_attempts,
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(5),
            max_server_delay: Duration::from_secs(60),
        };
        Retries::new(plan, Duration::from_secs(3), true)
    }

    fn status(status: u16) -> Failure {
        Failure::Status(StatusFailure { status, ..StatusFailure::default() })
    }

    #[test]
    fn what_may_work_later_is_tried_again() {
        for code in [408, 429, 500, 502, 503, 504, 599] {
            assert!(
                matches!(retries(2).decide(status(code), &Advice::default()), Verdict::Retry { .. }),
                "{code}"
            );
        }
        for code in [304, 400, 401, 403, 404, 422, 600] {
            assert!(
                matches!(retries(2).decide(status(code), &Advice::default()), Verdict::GiveUp(_)),
                "{code}"
            );
        }
        let tls = Failure::Tls { host: "h".to_owned(), detail: "d".to_owned() };
        assert!(matches!(retries(2).decide(tls, &Advice::default()), Verdict::GiveUp(_)));
    }

    #[test]
    fn what_may_have_been_done_is_not_asked_for_again() {
        let decide = |failure: Failure| {
            let mut retries = retries(5);
            retries.is_repeatable = false;
            matches!(retries.decide(failure, &Advice::default()), Verdict::Retry { .. })
        };
        assert!(decide(status(429)));
        assert!(decide(Failure::Connect { host: "h".to_owned(), detail: "d".to_owned() }));
        for code in [408, 500, 502, 503, 504] {
            assert!(!decide(status(code)), "{code}");
        }
        assert!(!decide(Failure::Timeout { limit: Duration::from_secs(1) }));
        assert!(!decide(Failure::Interrupted { detail: "d".to_owned() }));
    }

    #[test]
    fn attempts_are_counted_in_all() {
        let mut retries = retries(3);
        for code in [500, 429] {
            assert!(matches!(retries.decide(status(code), &Advice::default()), Verdict::Retry { .. }));
        }
        assert_eq!(retries.attempt(), 3);
        assert_eq!(retries.decide(status(503), &Advice::default()), Verdict::GiveUp(status(503)));
    }

    #[test]
    fn our_own_delays_double_with_jitter_up_to_the_longest() {
        for _ in 0..50 {
            let mut retries = retries(9);
            for middle in [1.0, 2.0, 4.0, 5.0, 5.0] {
                let Verdict::Retry { delay, holds_all: false } =
                    retries.decide(status(500), &Advice::default())
                else {
                    panic!("no retry");
                };
                let seconds = delay.as_secs_f64();
                assert!(
                    (middle * 0.5..=(middle * 1.5_f64).min(5.0)).contains(&seconds),
                    "{middle}: {seconds}"
                );
            }
        }
    }

    #[test]
    fn servers_are_heard() {
        let seconds = |seconds: u64| Some(Duration::from_secs(seconds));
        let check = |code: u16, retry_after: Option<u64>, reset: Option<u64>, expected: Option<u64>| {
            let advice = Advice {
                retry_after: retry_after.and_then(seconds),
                reset: reset.and_then(seconds),
                ..Advice::default()
            };
            let asked = server_delay(&status(code), &advice);
            assert_eq!(asked, expected.and_then(seconds), "{code} {advice:?}");
        };
        check(429, Some(7), Some(1), Some(7));
        check(429, None, Some(1), Some(1));
        check(429, None, None, None);
        check(503, Some(7), Some(1), Some(7));
        check(503, None, Some(1), None);
        check(500, Some(7), Some(1), None);
    }

    #[test]
    fn what_an_action_repeats_waits_as_the_server_says_and_alone() {
        let verdict = |status: u16, retry_after: Option<u64>| {
            let answer = Box::new(StatusFailure { status, ..StatusFailure::default() });
            let retry_after = retry_after.map(Duration::from_secs);
            let advice = Advice { retry_after, ..Advice::default() };
            retries(5).decide(Failure::Unwanted { answer, retried: true }, &advice)
        };
        assert_eq!(verdict(200, Some(7)), Verdict::Retry { delay: Duration::from_secs(7), holds_all: false });
        assert_eq!(verdict(429, Some(7)), Verdict::Retry { delay: Duration::from_secs(7), holds_all: true });
        assert!(matches!(verdict(404, None), Verdict::Retry { holds_all: false, .. }));
        assert!(matches!(verdict(200, Some(61)), Verdict::GiveUp(Failure::ServerDelay { .. })));
        let answer = Box::new(StatusFailure { status: 503, ..StatusFailure::default() });
        let refused = Failure::Unwanted { answer, retried: false };
        assert!(matches!(retries(5).decide(refused, &Advice::default()), Verdict::GiveUp(_)));
    }

    #[test]
    fn a_403_for_the_rate_is_like_a_429() {
        let refused =
            Failure::Status(StatusFailure { status: 403, is_throttled: true, ..StatusFailure::default() });
        let reset = Some(Duration::from_secs(30));
        let advice = Advice { remaining: Some(0), reset, ..Advice::default() };
        let verdict = retries(5).decide(refused.clone(), &advice);
        assert_eq!(verdict, Verdict::Retry { delay: Duration::from_secs(30), holds_all: true });
        let mut unsafe_to_repeat = retries(5);
        unsafe_to_repeat.is_repeatable = false;
        assert!(matches!(unsafe_to_repeat.decide(refused, &advice), Verdict::Retry { .. }));
    }

    #[test]
    fn before_the_last_attempt_of_one_refused_without_a_word_a_window_passes() {
        let mut retries = retries(3);
        let mut delay = |code| match retries.decide(status(code), &Advice::default()) {
            Verdict::Retry { delay, .. } => delay.as_secs_f64(),
            Verdict::GiveUp(failure) => panic!("{failure}"),
        };
        assert!(delay(429) <= 1.5);
        assert!(delay(429) >= 3.0);
        let mut longer = Retries { longest_window: Duration::from_secs(3600), ..self::retries(2) };
        let verdict = longer.decide(status(429), &Advice::default());
        assert_eq!(verdict, Verdict::Retry { delay: Duration::from_secs(5), holds_all: true });
    }

    #[test]
    fn a_429_holds_all_and_too_long_a_pause_ends_it() {
        let verdict = |seconds: u64| {
            let advice = Advice { retry_after: Some(Duration::from_secs(seconds)), ..Advice::default() };
            retries(5).decide(status(429), &advice)
        };
        assert_eq!(verdict(60), Verdict::Retry { delay: Duration::from_secs(60), holds_all: true });
        assert!(matches!(verdict(61), Verdict::GiveUp(Failure::ServerDelay { .. })));
        let unspoken = retries(5).decide(status(429), &Advice::default());
        assert!(matches!(unspoken, Verdict::Retry { holds_all: true, .. }));
    }
}
