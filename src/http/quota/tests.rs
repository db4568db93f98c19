//! Simulations on the paused clock: what a server would count.

use std::num::NonZeroU32;

use proptest::prelude::*;
use tokio::time::{advance, sleep};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn limit(requests: u32, per: Duration) -> RateLimit {
    RateLimit { requests: NonZeroU32::new(requests).unwrap(), per }
}

fn quota(limits: &[RateLimit]) -> Quota {
    Quota::new(limits, Arc::new(|_| ()))
}

/// A quota that has seen an answer come at once.
fn quota_that_knows_the_way(limits: &[RateLimit]) -> Quota {
    let quota = quota(limits);
    quota.state().fastest = Fastest { latency: Duration::ZERO, answers: WARM_UP };
    quota
}

/// Runs on a clock that jumps to the next timer.
fn paused<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// Sends one request after the other, each answered after its latency. Returns when they were sent.
async fn send_all(quota: &Quota, latencies: impl IntoIterator<Item = Duration>) -> Vec<Instant> {
    let mut sent = Vec::new();
    for latency in latencies {
        let turn = quota.acquire().await;
        sent.push(Instant::now());
        sleep(latency).await;
        quota.answered(&turn);
    }
    sent
}

/// Most arrivals in any sliding window.
fn most_in(per: Duration, arrivals: &[Instant]) -> usize {
    let mut arrivals = arrivals.to_vec();
    arrivals.sort();
    let within = |(index, first): (usize, &Instant)| {
        arrivals[index..].iter().take_while(|other| **other - *first < per).count()
    };
    arrivals.iter().enumerate().map(within).max().unwrap_or(0)
}

fn per_second(sent: &[Instant]) -> f64 {
    (sent.len() - 1) as f64 / (sent[sent.len() - 1] - sent[0]).as_secs_f64()
}

#[test]
fn short_limits_are_paced_evenly_and_used_to_97_percent() {
    for requests in [1, 2, 5, 25, 100, 400] {
        let sent = paused(async {
            let quota = quota(&[limit(requests, SECOND)]);
            let count = 20 * requests as usize;
            send_all(&quota, std::iter::repeat_n(Duration::from_millis(1), count)).await
        });
        let rate = per_second(&sent) / f64::from(requests);
        // One request at a time, answered after 1 ms on a timer of 1 ms: more than 400/s is not to be had.
        assert!((0.97..=1.0).contains(&rate), "{requests}/s: {rate}");
        assert!(most_in(SECOND, &sent) <= requests as usize);
        let gap = sent.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
        let even = SECOND / requests;
        assert!(gap + Duration::from_millis(6) >= even, "{requests}/s: {gap:?}");
    }
}

#[test]
fn late_timers_do_not_slow_the_pace() {
    let sent = paused(async {
        let quota = quota(&[limit(25, SECOND)]);
        let mut sent = Vec::new();
        for index in 0..500_u64 {
            let turn = quota.acquire().await;
            sent.push(Instant::now());
            sleep(Duration::from_millis(1)).await;
            quota.answered(&turn);
            // Every other time, the next one is asked for after its turn was due.
            sleep(Duration::from_millis(if index % 2 == 0 { 42 } else { 1 })).await;
        }
        sent
    });
    assert!(most_in(SECOND, &sent) <= 25);
    assert!(per_second(&sent) >= 0.97 * 25.0, "{}", per_second(&sent));
}

#[test]
fn long_limits_are_used_as_fast_as_the_short_ones_allow() {
    let sent = paused(async {
        let quota = quota(&[limit(300, MINUTE), limit(10_000, HOUR)]);
        send_all(&quota, std::iter::repeat_n(Duration::from_millis(5), 20_100)).await
    });
    assert!(most_in(MINUTE, &sent) <= 300);
    assert!(most_in(HOUR, &sent) <= 10_000);
    // The first 300 go at once, and the first 10,000 as fast as 300/min allows.
    assert!(sent[299] - sent[0] < Duration::from_secs(4));
    assert!(sent[9_999] - sent[0] < Duration::from_secs(34 * 60));
    assert!(sent[20_000] - sent[0] < HOUR * 2 + MINUTE);
}

#[test]
fn without_limits_nothing_waits() {
    paused(async {
        let start = Instant::now();
        send_all(&quota(&[]), std::iter::repeat_n(Duration::ZERO, 1000)).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_late_arrival_keeps_its_place_longer() {
    // Reaches the server 80 ms after it was sent, all others at once.
    let sent = paused(async {
        let quota = quota_that_knows_the_way(&[limit(2, Duration::from_secs(10))]);
        let ms = Duration::from_millis;
        send_all(&quota, [ms(0), ms(80), ms(0), ms(0)]).await
    });
    let mut arrived = sent.clone();
    arrived[1] += Duration::from_millis(80);
    assert!(most_in(Duration::from_secs(10), &arrived) <= 2);
    assert!(sent[3] - sent[1] >= Duration::from_millis(10_080));
    assert!(sent[3] - sent[1] < Duration::from_millis(10_100));
}

#[test]
fn a_slow_first_connection_is_not_taken_for_the_way() {
    let sent = paused(async {
        send_all(&quota(&[limit(1, SECOND)]), [Duration::from_millis(90), Duration::ZERO]).await
    });
    // It may have been counted just before its answer.
    assert!(sent[1] - sent[0] >= SECOND + Duration::from_millis(90));
}

#[test]
fn a_pause_holds_everybody() {
    paused(async {
        let quota = Arc::new(quota(&[limit(25, SECOND)]));
        drop(quota.acquire().await);
        let start = Instant::now();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let quota = Arc::clone(&quota);
                tokio::spawn(async move {
                    drop(quota.acquire().await);
                    start.elapsed()
                })
            })
            .collect();
        advance(Duration::from_millis(1)).await;
        quota.pause(Duration::from_secs(7));
        quota.pause(Duration::from_secs(2));
        for task in waiting {
            assert!(task.await.unwrap() >= Duration::from_secs(7));
        }
    });
}

#[test]
fn waits_of_a_second_are_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&told);
    paused(async {
        let quota =
            Quota::new(&[limit(1, MINUTE)], Arc::new(move |event| events.lock().unwrap().push(event)));
        send_all(&quota, [Duration::ZERO; 2]).await;
    });
    assert!(matches!(
        told.lock().unwrap().as_slice(),
        [HttpEvent::Waiting { duration, reason: WaitReason::Quota(_) }] if *duration >= MINUTE
    ));
}

#[test]
fn only_what_our_own_requests_do_not_explain_is_somebody_elses() {
    let check = |limits: &[RateLimit], used: usize, limit: Option<u64>, remaining: u64, expected: bool| {
        paused(async {
            let quota = quota(limits);
            send_all(&quota, std::iter::repeat_n(Duration::ZERO, used)).await;
            let advice = Advice { limit, remaining: Some(remaining), ..Advice::default() };
            assert_eq!(quota.is_used_by_others(&advice), expected, "{limits:?} {used} {limit:?} {remaining}");
        });
    };
    let minute = [limit(300, MINUTE), limit(10_000, HOUR)];
    check(&minute, 300, Some(300), 0, false);
    check(&minute, 299, Some(300), 0, false);
    check(&minute, 100, Some(300), 0, true);
    check(&minute, 100, Some(300), 1, false);
    check(&minute, 300, Some(60), 0, true);
    check(&minute, 1, None, 0, true);
    check(&[], 5, Some(25), 0, true);
}

#[test]
fn a_run_counts_what_the_one_before_it_used() {
    let limits = [limit(25, SECOND), limit(40, MINUTE)];
    paused(async {
        let mut sent = send_all(&quota(&limits), std::iter::repeat_n(Duration::ZERO, 30)).await;
        advance(Duration::from_millis(1)).await;
        let next = quota(&limits);
        let ages: Vec<_> = sent.iter().map(Instant::elapsed).collect();
        next.state().restore(&ages, Instant::now());
        sent.extend(send_all(&next, std::iter::repeat_n(Duration::ZERO, 30)).await);
        assert!(most_in(SECOND, &sent) <= 25);
        assert!(most_in(MINUTE, &sent) <= 40);
        assert!(sent[30] - sent[29] >= Duration::from_millis(40));
    });
}

#[test]
fn requests_reach_the_file_and_come_back_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let origin: Url = "https://api.example.com/".parse().unwrap();
    let used = |requests: usize| {
        paused(async {
            let quota =
                Quota::with_ledger(&[limit(100, HOUR)], dir.path(), &origin, Arc::new(|_| ())).unwrap();
            send_all(&quota, std::iter::repeat_n(Duration::ZERO, requests)).await;
            quota.state().windows[0].used(Instant::now())
        })
    };
    assert_eq!(used(7), 7);
    assert_eq!(used(5), 12);
    assert_eq!(used(0), 12);
}

fn limits() -> impl Strategy<Value = Vec<RateLimit>> {
    let one = (1_u32..40, prop_oneof![100_u64..3_000, 3_000_u64..60_000]);
    prop::collection::vec(one.prop_map(|(requests, per)| limit(requests, Duration::from_millis(per))), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One after the other: neither sending times nor arrivals exceed any limit.
    #[test]
    fn no_window_is_ever_exceeded(
        limits in limits(),
        latencies in prop::collection::vec((0_u64..60, 0_u64..100), 1..150),
        split in 0_usize..150,
    ) {
        let (sent, arrived) = paused(async {
            let (mut sent, mut arrived) = (Vec::<Instant>::new(), Vec::new());
            let mut quota = quota_that_knows_the_way(&limits);
            for (index, (there, back)) in latencies.iter().enumerate() {
                if index == split {
                    // Killed and started again.
                    let ages: Vec<_> = sent.iter().map(Instant::elapsed).collect();
                    quota = quota_that_knows_the_way(&limits);
                    quota.state().restore(&ages, Instant::now());
                }
                let turn = quota.acquire().await;
                sent.push(Instant::now());
                sleep(Duration::from_millis(*there)).await;
                arrived.push(Instant::now());
                sleep(Duration::from_millis(*back)).await;
                quota.answered(&turn);
            }
            (sent, arrived)
        });
        for limit in &limits {
            prop_assert!(most_in(limit.per, &sent) <= limit.requests.get() as usize);
            prop_assert!(most_in(limit.per, &arrived) <= limit.requests.get() as usize);
        }
    }

    /// Side by side, with jitter within what is assumed of it.
    #[test]
    fn parallel_requests_share_the_quota(
        limits in limits(),
        latencies in prop::collection::vec(0_u64..100, 1..150),
        tasks in 1_usize..8,
    ) {
        let (sent, arrived) = paused(async {
            let quota = Arc::new(quota_that_knows_the_way(&limits));
            let chunks: Vec<Vec<u64>> =
                latencies.chunks(latencies.len().div_ceil(tasks)).map(<[u64]>::to_vec).collect();
            let running: Vec<_> = chunks
                .into_iter()
                .map(|latencies| {
                    let quota = Arc::clone(&quota);
                    tokio::spawn(async move {
                        let (mut sent, mut arrived) = (Vec::new(), Vec::new());
                        for latency in latencies {
                            let turn = quota.acquire().await;
                            sent.push(Instant::now());
                            sleep(Duration::from_millis(latency)).await;
                            arrived.push(Instant::now());
                            quota.answered(&turn);
                        }
                        (sent, arrived)
                    })
                })
                .collect();
            let (mut sent, mut arrived) = (Vec::new(), Vec::new());
            for task in running {
                let (task_sent, task_arrived) = task.await.unwrap();
                sent.extend(task_sent);
                arrived.extend(task_arrived);
            }
            (sent, arrived)
        });
        for limit in &limits {
            prop_assert!(most_in(limit.per, &sent) <= limit.requests.get() as usize);
            prop_assert!(most_in(limit.per, &arrived) <= limit.requests.get() as usize);
        }
    }
}
