//! Connecting to a server that is about to be there.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// First pause between two attempts; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Tries until it works, fails for good, or `patience` is over. `on_wait` is told the first failure, once.
pub(super) async fn retry<T, E>(
    patience: Duration,
    is_passing: impl Fn(&E) -> bool,
    on_wait: impl Fn(&E),
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let end = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt().await {
            Err(error) if is_passing(&error) && Instant::now() + pause <= end => {
                if pause == FIRST_PAUSE {
                    on_wait(&error);
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            done => return done,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Attempts made, waits told, and the outcome, of one that works after `failures` failures of a kind.
    async fn attempts(
        patience: u64,
        failures: u32,
        error: &'static str,
    ) -> (u32, u32, Result<(), &'static str>) {
        let (made, told) = (Cell::new(0), Cell::new(0));
        let result = retry(
            Duration::from_secs(patience),
            |error: &&str| *error == "passing",
            |_| told.set(told.get() + 1),
            async || {
                made.set(made.get() + 1);
                if made.get() > failures { Ok(()) } else { Err(error) }
            },
        )
        .await;
        (made.get(), told.get(), result)
    }

    // The clock stands still and jumps to where a pause ends: nothing is waited for.
    #[tokio::test(start_paused = true)]
    async fn passing_failures_are_tried_again_for_a_while() {
        let start = Instant::now();
        assert_eq!(attempts(30, 0, "passing").await, (1, 0, Ok(())));
        assert_eq!(attempts(30, 3, "passing").await, (4, 1, Ok(())));
        assert_eq!(attempts(30, 3, "final").await, (1, 0, Err("final")));
        assert_eq!(attempts(0, 3, "passing").await, (1, 0, Err("passing")));
        let before = Instant::now();
        let (made, told, result) = attempts(30, u32::MAX, "passing").await;
        assert_eq!((told, result), (1, Err("passing")));
        assert!(made > 5 && before.elapsed() <= Duration::from_secs(30), "{made}");
        assert!(start.elapsed() > Duration::from_secs(20));
    }
}
