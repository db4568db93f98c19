//! Simulations on the paused clock: what a server would count.

use std::num::NonZeroU32;
use std::path::Path;

use proptest::prelude::*;
use tokio::time::{advance, sleep};

use super::clock::micros;
use super::*;
use crate::config::{BucketPlan, BucketScope, Counts, Method, RateLimit, Reserve};
use crate::http::client::tests::plan;
use crate::http::event::WaitReason;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn limit(requests: u32, per: Duration) -> RateLimit {
    RateLimit { requests: NonZeroU32::new(requests).unwrap(), per }
}

/// A bucket for paths below `name/`.
fn bucket(name: &str, limits: &[RateLimit]) -> BucketPlan {
    BucketPlan {
        name: name.to_owned(),
        limits: limits.to_vec(),
        scope: BucketScope::Matching { paths: vec![format!("{name}/*")], methods: Vec::new() },
        counts: Counts::Cost,
        cost: None,
    }
}

fn client(limits: &[RateLimit]) -> ClientPlan {
    ClientPlan { rate_limits: limits.to_vec(), ..plan("https://api.example.com/") }
}

fn alone(plan: &ClientPlan) -> Quota {
    Quota::new(plan, QuotaSharing::Alone, Arc::new(|_| ())).unwrap()
}

fn quota(limits: &[RateLimit]) -> Quota {
    alone(&client(limits))
}

/// A quota that has seen an answer come at once.
fn quota_that_knows_the_way(limits: &[RateLimit]) -> Quota {
    let quota = quota(limits);
    quota.book().know_the_way();
    quota
}

/// One of the processes that share a directory and the paused clock, which began at `start`.
fn process(plan: &ClientPlan, dir: &Path, start: Instant) -> Quota {
    let clock = move || 1_000_000_000 + micros(Instant::now() - start);
    let store = FileStore::with_clock(dir, &quota_key(plan), quota_horizon(plan), Box::new(clock)).unwrap();
    Quota::new(plan, QuotaSharing::Store(Box::new(store)), Arc::new(|_| ())).unwrap()
}

impl Quota {
    /// A turn for a request to a path.
    async fn turn_for(&self, path: &str, cost: u32, priority: i32) -> Turn {
        let subject = Subject { method: Method::Get, path, resource: None, cost };
        self.acquire(&self.ask(&subject, priority)).await.unwrap()
    }

    async fn turn(&self) -> Turn {
        self.turn_for("members", 1, 0).await
    }

    fn used(&self) -> u64 {
        let book = self.book();
        book.buckets[0].windows[0].used(book.now())
    }
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
        let turn = quota.turn().await;
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
            let turn = quota.turn().await;
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
        drop(quota.turn().await);
        let start = Instant::now();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let quota = Arc::clone(&quota);
                tokio::spawn(async move {
                    drop(quota.turn().await);
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
        let events = Arc::new(move |event| events.lock().unwrap().push(event));
        let quota = Quota::new(&client(&[limit(1, MINUTE)]), QuotaSharing::Alone, events).unwrap();
        send_all(&quota, [Duration::ZERO; 2]).await;
    });
    assert!(matches!(
        told.lock().unwrap().as_slice(),
        [HttpEvent::Waiting { duration, reason: WaitReason::Quota(_) }] if *duration >= MINUTE
    ));
}

#[test]
fn a_request_passes_all_its_buckets_at_once() {
    paused(async {
        let mut plan = client(&[limit(10, MINUTE)]);
        plan.quota.buckets = vec![bucket("a", &[limit(2, MINUTE)]), bucket("b", &[limit(3, MINUTE)])];
        let quota = alone(&plan);
        let start = Instant::now();
        for path in ["a/1", "a/2", "b/1", "b/2", "b/3"] {
            quota.turn_for(path, 1, 0).await;
        }
        assert!(start.elapsed() < SECOND);
        // One that waits for its own bucket takes nothing of the client's.
        let waiting = Arc::new(quota);
        let other = Arc::clone(&waiting);
        let task = tokio::spawn(async move { other.turn_for("a/3", 1, -1).await });
        advance(SECOND).await;
        for _ in 0..5 {
            waiting.turn().await;
        }
        assert!(start.elapsed() < SECOND * 3, "{:?}", start.elapsed());
        task.await.unwrap();
        assert!(start.elapsed() >= MINUTE);
    });
}

#[test]
fn costs_are_paid_and_buckets_may_count_requests_instead() {
    paused(async {
        let mut plan = client(&[limit(10, MINUTE)]);
        plan.quota.buckets = vec![
            BucketPlan { counts: Counts::Requests, ..bucket("a", &[limit(2, MINUTE)]) },
            BucketPlan { cost: NonZeroU32::new(4), ..bucket("b", &[limit(8, MINUTE)]) },
        ];
        let quota = alone(&plan);
        let start = Instant::now();
        quota.turn_for("a/1", 5, 0).await;
        quota.turn_for("a/2", 4, 0).await;
        assert!(start.elapsed() < SECOND);
        assert_eq!(quota.used(), 9);
        // Two units in the client's: one too many.
        quota.turn_for("members", 2, 0).await;
        assert!(start.elapsed() >= MINUTE);
        let start = Instant::now();
        quota.turn_for("b/1", 1, 0).await;
        quota.turn_for("b/2", 1, 0).await;
        assert!(start.elapsed() < SECOND);
        quota.turn_for("b/3", 1, 0).await;
        assert!(start.elapsed() >= MINUTE);
    });
}

#[test]
fn the_pace_is_that_of_units() {
    let sent = paused(async {
        let quota = quota(&[limit(20, SECOND)]);
        let mut sent = Vec::new();
        for _ in 0..20 {
            let turn = quota.turn_for("members", 5, 0).await;
            sent.push(Instant::now());
            quota.answered(&turn);
        }
        sent
    });
    assert!(most_in(SECOND, &sent) <= 4);
    assert!(per_second(&sent) >= 0.97 * 4.0, "{}", per_second(&sent));
}

#[test]
fn a_reserve_is_never_used() {
    for (reserve, usable) in [(Reserve::Share(0.1), 22), (Reserve::Units(5), 20)] {
        let sent = paused(async {
            let mut plan = client(&[limit(25, SECOND), limit(400, HOUR)]);
            plan.quota.reserve = Some(reserve);
            send_all(&alone(&plan), std::iter::repeat_n(Duration::ZERO, 300)).await
        });
        assert!(most_in(SECOND, &sent) <= usable);
        assert!(per_second(&sent) >= 0.97 * usable as f64);
    }
}

#[test]
fn the_highest_priority_goes_first_even_if_others_wait_long() {
    paused(async {
        let quota = Arc::new(quota(&[limit(1, MINUTE)]));
        quota.turn().await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (name, priority) in [("low", -1), ("first", 0), ("second", 0), ("high", 7)] {
            let (quota, order) = (Arc::clone(&quota), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                quota.turn_for("members", 1, priority).await;
                order.lock().unwrap().push(name);
            }));
            // Each is waiting before the next one comes.
            advance(SECOND).await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["high", "first", "second", "low"]);
    });
}

#[test]
fn no_more_are_under_way_than_may_be() {
    paused(async {
        let mut plan = client(&[]);
        plan.quota.max_concurrency = NonZeroU32::new(2);
        let quota = Arc::new(alone(&plan));
        let (low, _high) = (quota.turn_for("a", 1, 0).await, quota.turn_for("a", 1, 5).await);
        let waiting: Vec<_> = [0, 9]
            .map(|priority| {
                let quota = Arc::clone(&quota);
                tokio::spawn(async move {
                    let _turn = quota.turn_for("a", 1, priority).await;
                    sleep(SECOND).await;
                    priority
                })
            })
            .into_iter()
            .collect();
        advance(SECOND).await;
        assert!(waiting.iter().all(|task| !task.is_finished()));
        let start = Instant::now();
        drop(low);
        for task in waiting {
            task.await.unwrap();
        }
        // One after the other in the one place that is free.
        assert!(start.elapsed() >= SECOND * 2);
    });
}

/// What an answer says.
fn said(limit: u64, remaining: u64, reset: Duration) -> Advice {
    Advice { limit: Some(limit), remaining: Some(remaining), reset: Some(reset), ..Advice::default() }
}

#[test]
fn what_our_own_requests_explain_slows_nothing() {
    let check = |limits: &[RateLimit], used: usize, advice: Advice, expected: bool| {
        paused(async {
            let quota = quota(limits);
            for _ in 1..used {
                quota.answered(&quota.turn().await);
            }
            let turn = quota.turn().await;
            quota.answered(&turn);
            // The windows are not in the way of what is looked at.
            quota.heed(&turn, &advice);
            let start = Instant::now();
            quota.turn().await;
            let waited = start.elapsed() >= SECOND * 5;
            assert_eq!(waited, expected, "{limits:?} {used} {advice:?} {:?}", start.elapsed());
        });
    };
    let minute = [limit(300, MINUTE), limit(10_000, HOUR)];
    let reset = SECOND * 30;
    check(&minute, 299, said(300, 1, reset), false);
    check(&minute, 299, said(300, 0, reset), false);
    check(&minute, 100, said(300, 199, reset), false);
    check(&minute, 100, said(300, 0, reset), true);
    check(&minute, 100, said(300, 1, reset), true);
    // Others use some, but there is plenty.
    check(&minute, 100, said(300, 150, reset), false);
    check(&minute, 1, said(60, 0, reset), true);
    check(&[], 5, said(25, 0, reset), true);
    // Whole seconds, rounded down: the window is about to begin anew.
    check(&[limit(1000, HOUR)], 1, said(1000, 0, Duration::ZERO), false);
    // There is no limit, as some say it.
    check(&[], 5, said(0, 0, reset), false);
    check(&[], 5, Advice { remaining: Some(0), reset: Some(reset), ..Advice::default() }, true);
    check(&[], 5, Advice { limit: Some(25), ..Advice::default() }, false);
}

#[test]
fn a_server_that_allows_less_is_heeded_and_one_that_allows_more_is_not() {
    let rate = |advice: Advice, limits: &[RateLimit]| {
        let sent = paused(async {
            let quota = quota(limits);
            let turn = quota.turn().await;
            quota.answered(&turn);
            quota.heed(&turn, &advice);
            send_all(&quota, std::iter::repeat_n(Duration::ZERO, 100)).await
        });
        per_second(&sent[10..])
    };
    let second = [limit(25, SECOND)];
    let of = |advertised: u64| Advice { limit: Some(advertised), reset: Some(SECOND), ..Advice::default() };
    assert!((9.5..=10.0).contains(&rate(of(10), &second)));
    assert!((24.0..=25.0).contains(&rate(of(25), &second)));
    assert!((24.0..=25.0).contains(&rate(of(100), &second)));
    // Nothing says that it is about the second; its length does.
    let vague = Advice { limit: Some(10), ..Advice::default() };
    assert!((24.0..=25.0).contains(&rate(vague, &second)));
    assert!((9.5..=10.0).contains(&rate(Advice { window: Some(SECOND), ..vague }, &second)));
    // A limit of other requests, in a window of another length.
    let search = said(30, 29, SECOND * 45);
    assert!(
        (24.0..=25.0).contains(&rate(Advice { remaining: None, ..search }, &[second[0], limit(5000, HOUR)]))
    );
}

#[test]
fn with_others_about_what_is_left_is_spread_and_a_reserve_kept() {
    paused(async {
        let mut plan = client(&[limit(100, MINUTE)]);
        let quota = alone(&plan);
        let turn = quota.turn().await;
        let start = Instant::now();
        quota.heed(&turn, &said(100, 9, SECOND * 30));
        let sent = send_all(&quota, std::iter::repeat_n(Duration::ZERO, 10)).await;
        let gap = sent.windows(2).take(8).map(|pair| pair[1] - pair[0]).min().unwrap();
        assert!(gap >= SECOND * 29 / 10, "{gap:?}");
        // The tenth has to wait for the next window.
        assert!(sent[9] - start >= SECOND * 30);
        plan.quota.reserve = Some(Reserve::Units(10));
        let quota = alone(&plan);
        let turn = quota.turn().await;
        let start = Instant::now();
        quota.heed(&turn, &said(100, 10, SECOND * 30));
        quota.turn().await;
        assert!(start.elapsed() >= SECOND * 30);
    });
}

#[test]
fn without_a_limit_what_is_under_way_is_no_longer_left() {
    paused(async {
        let quota = quota(&[]);
        let first = quota.turn().await;
        sleep(Duration::from_millis(5)).await;
        // Four that the server has not counted yet.
        for _ in 0..4 {
            quota.turn().await;
        }
        let start = Instant::now();
        quota.heed(&first, &said(10, 6, SECOND * 30));
        for _ in 0..2 {
            quota.turn().await;
        }
        assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
        quota.turn().await;
        assert!(start.elapsed() >= SECOND * 30);
    });
}

#[test]
fn a_run_counts_what_the_one_before_it_used() {
    let dir = tempfile::tempdir().unwrap();
    let plan = client(&[limit(25, SECOND), limit(40, MINUTE)]);
    paused(async {
        let start = Instant::now();
        let first = process(&plan, dir.path(), start);
        let mut sent = send_all(&first, std::iter::repeat_n(Duration::ZERO, 30)).await;
        drop(first);
        let next = process(&plan, dir.path(), start);
        sent.extend(send_all(&next, std::iter::repeat_n(Duration::ZERO, 30)).await);
        assert!(most_in(SECOND, &sent) <= 25);
        assert!(most_in(MINUTE, &sent) <= 40);
        assert!(sent[30] - sent[29] >= Duration::from_millis(38));
    });
}

#[test]
fn processes_that_share_a_quota_use_it_up_together() {
    for (processes, pages) in [(2, 250), (5, 100)] {
        let dir = tempfile::tempdir().unwrap();
        let plan = client(&[limit(25, SECOND)]);
        let sent = paused(async {
            let start = Instant::now();
            let tasks: Vec<_> = (0..processes)
                .map(|_| {
                    let quota = process(&plan, dir.path(), start);
                    tokio::spawn(async move {
                        send_all(&quota, std::iter::repeat_n(Duration::from_millis(4), pages)).await
                    })
                })
                .collect();
            let mut sent = Vec::new();
            for task in tasks {
                sent.extend(task.await.unwrap());
            }
            sent.sort();
            sent
        });
        assert!(most_in(SECOND, &sent) <= 25);
        assert!(per_second(&sent) >= 0.97 * 25.0, "{processes} processes: {}", per_second(&sent));
    }
}

#[test]
fn a_pause_that_is_longer_than_may_be_is_not_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let plan = client(&[limit(25, SECOND)]);
    paused(async {
        let start = Instant::now();
        let (patient, other) = (process(&plan, dir.path(), start), process(&plan, dir.path(), start));
        let _turns = (patient.turn().await, other.turn().await);
        patient.pause(plan.retry.max_server_delay + SECOND);
        let waiting = tokio::spawn(async move { patient.turn().await });
        sleep(Duration::from_millis(50)).await;
        let start = Instant::now();
        other.turn().await;
        assert!(start.elapsed() < SECOND && !waiting.is_finished());
    });
}

#[test]
fn a_pause_holds_the_other_processes_too() {
    let dir = tempfile::tempdir().unwrap();
    let plan = client(&[limit(25, SECOND)]);
    paused(async {
        let start = Instant::now();
        let (one, two) = (process(&plan, dir.path(), start), process(&plan, dir.path(), start));
        let _turns = (one.turn().await, two.turn().await);
        let start = Instant::now();
        one.pause(SECOND * 7);
        // Told with the next turn that is asked for.
        let waiting = tokio::spawn(async move { one.turn().await });
        sleep(Duration::from_millis(50)).await;
        two.turn().await;
        waiting.await.unwrap();
        assert!(start.elapsed() >= SECOND * 7, "{:?}", start.elapsed());
    });
}

#[test]
fn a_run_that_was_killed_the_next_one_and_a_later_one_are_within_two_windows_together() {
    let dir = tempfile::tempdir().unwrap();
    let plan = client(&[limit(300, MINUTE), limit(10_000, HOUR)]);
    let sent = paused(async {
        let start = Instant::now();
        let mut sent = Vec::new();
        // What the server counts of the last one is never told: it was killed under way.
        let mut run = async |pages: usize| {
            let quota = process(&plan, dir.path(), start);
            for page in 1..=pages {
                let turn = quota.turn().await;
                sent.push(Instant::now());
                if page < pages {
                    sleep(Duration::from_millis(30)).await;
                    quota.answered(&turn);
                }
            }
        };
        run(250).await;
        run(9_000).await;
        sleep(MINUTE * 10).await;
        run(3_000).await;
        sent
    });
    assert_eq!(sent.len(), 12_250);
    assert!(most_in(MINUTE, &sent) <= 300);
    assert!(most_in(HOUR, &sent) <= 10_000);
    // The third one gets what the hour still has at once, and the rest when the first ones leave it.
    assert!(sent[9_999] - sent[0] < Duration::from_secs(44 * 60), "{:?}", sent[9_999] - sent[0]);
    let last = sent[12_249] - sent[0];
    assert!(last < HOUR + Duration::from_secs(9 * 60), "{last:?}");
}

#[test]
fn who_loses_the_file_still_knows_what_it_did_and_what_it_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let plan = client(&[limit(6, MINUTE)]);
    paused(async {
        let start = Instant::now();
        let (one, two) = (process(&plan, dir.path(), start), process(&plan, dir.path(), start));
        for quota in [&one, &two, &one, &two, &one] {
            quota.turn().await;
        }
        for file in std::fs::read_dir(dir.path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        one.turn().await;
        assert!(start.elapsed() < SECOND);
        one.turn().await;
        assert!(start.elapsed() >= MINUTE);
    });
}

#[test]
fn a_clock_that_is_set_back_costs_a_window_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let plan = client(&[limit(3, MINUTE), limit(25, SECOND)]);
    paused(async {
        let start = Instant::now();
        let back = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let process = || {
            let back = Arc::clone(&back);
            let clock = move || {
                let back = back.load(std::sync::atomic::Ordering::SeqCst);
                1_000_000_000_000 + micros(Instant::now() - start) - back
            };
            let (key, horizon) = (quota_key(&plan), quota_horizon(&plan));
            let store = FileStore::with_clock(dir.path(), &key, horizon, Box::new(clock)).unwrap();
            Quota::new(&plan, QuotaSharing::Store(Box::new(store)), Arc::new(|_| ())).unwrap()
        };
        // The other one has not read anything yet.
        let (one, two) = (process(), process());
        let sent = send_all(&one, [Duration::ZERO; 3]).await;
        one.pause(SECOND * 30);
        back.store(micros(HOUR * 10), std::sync::atomic::Ordering::SeqCst);
        one.turn().await;
        let waited = sent[0].elapsed();
        assert!(waited >= MINUTE && waited < MINUTE + SECOND, "{waited:?}");
        let start = Instant::now();
        two.turn().await;
        assert!(start.elapsed() < MINUTE + SECOND * 5, "{:?}", start.elapsed());
    });
}

#[test]
fn lines_that_say_what_cannot_be_hold_nobody_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let plan = client(&[limit(3, MINUTE)]);
    paused(async {
        let start = Instant::now();
        let quota = process(&plan, dir.path(), start);
        quota.turn().await;
        let path = dir.path().join(format!("{}.quota", quota_key(&plan)));
        let mut lines = std::fs::read_to_string(&path).unwrap();
        let own = lines.lines().nth(1).unwrap().to_owned();
        lines += &format!("9999999999999999\n{own}1\np 9999999999999999\na {own} 9999999999999999\n");
        std::fs::write(&path, lines).unwrap();
        quota.turn().await;
        assert!(start.elapsed() < MINUTE + SECOND * 5, "{:?}", start.elapsed());
    });
}

/// A store that needs this long to tell that it has taken what was decided.
struct Slow(FileStore, Duration);

impl QuotaStore for Slow {
    fn exchange(&mut self, decide: &mut dyn FnMut(&Seen) -> Vec<String>) -> Result<(), StoreError> {
        let done = self.0.exchange(decide);
        std::thread::sleep(self.1);
        done
    }
}

#[test]
fn turns_of_a_store_that_is_slow_are_not_over_when_they_are_had() {
    let dir = tempfile::tempdir().unwrap();
    let plan = client(&[limit(25, SECOND)]);
    let store = FileStore::open(dir.path(), &quota_key(&plan), quota_horizon(&plan)).unwrap();
    let sharing = QuotaSharing::Store(Box::new(Slow(store, TOO_LATE * 2)));
    let quota = Quota::new(&plan, sharing, Arc::new(|_| ())).unwrap();
    // On the real clock: whoever asks for a turn of this moment never gets one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        for _ in 0..3 {
            quota.turn().await;
        }
    });
}

/// A store whose users may take turns ahead.
struct FarAway {
    store: FileStore,
    exchanges: Arc<std::sync::atomic::AtomicUsize>,
}

impl QuotaStore for FarAway {
    fn exchange(&mut self, decide: &mut dyn FnMut(&Seen) -> Vec<String>) -> Result<(), StoreError> {
        self.exchanges.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.store.exchange(&mut |seen| decide(&Seen { lease: Duration::from_millis(250), ..seen.clone() }))
    }
}

#[test]
fn turns_of_a_store_that_is_far_away_are_taken_several_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let plan = client(&[limit(50, SECOND)]);
    let exchanges = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let sent = paused(async {
        let start = Instant::now();
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let clock = move || 1_000_000_000 + micros(Instant::now() - start);
                let (key, horizon) = (quota_key(&plan), quota_horizon(&plan));
                let store = FileStore::with_clock(dir.path(), &key, horizon, Box::new(clock)).unwrap();
                let store = FarAway { store, exchanges: Arc::clone(&exchanges) };
                let sharing = QuotaSharing::Store(Box::new(store));
                let quota = Quota::new(&plan, sharing, Arc::new(|_| ())).unwrap();
                tokio::spawn(async move {
                    send_all(&quota, std::iter::repeat_n(Duration::from_millis(4), 500)).await
                })
            })
            .collect();
        let mut sent = Vec::new();
        for task in tasks {
            sent.extend(task.await.unwrap());
        }
        sent.sort();
        sent
    });
    let exchanges = exchanges.load(std::sync::atomic::Ordering::SeqCst);
    assert!(exchanges < 500, "{exchanges}");
    assert!(most_in(SECOND, &sent) <= 50);
    assert!(per_second(&sent) >= 0.95 * 50.0, "{}", per_second(&sent));
}

fn limits() -> impl Strategy<Value = Vec<RateLimit>> {
    let one = (1_u32..40, prop_oneof![100_u64..3_000, 3_000_u64..60_000]);
    prop::collection::vec(one.prop_map(|(requests, per)| limit(requests, Duration::from_millis(per))), 1..4)
}

/// A request of one task: which bucket, what it costs, how long it takes.
type Step = (usize, u32, u64);

const PATHS: [&str; 3] = ["members", "a/1", "b/1"];

/// Units that arrived at a time, for one bucket.
type Arrivals = Vec<(Instant, u32)>;

/// Most units in any sliding window.
fn most_units(per: Duration, arrivals: &Arrivals) -> u32 {
    let mut arrivals = arrivals.clone();
    arrivals.sort();
    let within = |(index, (first, _)): (usize, &(Instant, u32))| -> u32 {
        arrivals[index..].iter().take_while(|(other, _)| *other - *first < per).map(|(_, units)| units).sum()
    };
    arrivals.iter().enumerate().map(within).max().unwrap_or(0)
}

/// Seconds in which requests of these costs can be sent one after the other, if short limits are paced and no window is
/// ever exceeded.
fn shortest_time(limits: &[RateLimit], costs: &[u32]) -> f64 {
    let mut sent: Vec<(f64, u32)> = Vec::new();
    for cost in costs {
        let mut at = sent.last().map_or(0.0, |(last, _)| *last);
        for limit in limits {
            let (per, requests) = (limit.per.as_secs_f64(), limit.requests.get());
            let mut units = *cost;
            let full = sent.iter().rev().find(|(_, other)| {
                units += other;
                units > requests
            });
            at = full.map_or(at, |(first, _)| at.max(first + per));
            if let (true, Some((last, before))) = (limit.per <= SECOND * 2, sent.last()) {
                at = at.max(last + per / f64::from(requests) * f64::from(*before));
            }
        }
        sent.push((at, *cost));
    }
    sent.last().map_or(0.0, |(last, _)| *last)
}

/// What arrived in the client's bucket, and in those of `a` and `b`, by what several tasks send.
async fn interleaved(quotas: Vec<Arc<Quota>>, tasks: Vec<Vec<Step>>) -> [Arrivals; 3] {
    let running: Vec<_> = tasks
        .into_iter()
        .enumerate()
        .map(|(number, steps)| {
            let quota = Arc::clone(&quotas[number % quotas.len()]);
            tokio::spawn(async move {
                let mut arrived = Vec::new();
                for (bucket, cost, latency) in steps {
                    let turn = quota.turn_for(PATHS[bucket], cost, (latency % 3) as i32).await;
                    sleep(Duration::from_millis(latency)).await;
                    arrived.push((bucket, Instant::now(), cost));
                    quota.answered(&turn);
                }
                arrived
            })
        })
        .collect();
    let mut arrivals = [Vec::new(), Vec::new(), Vec::new()];
    for task in running {
        for (bucket, at, cost) in task.await.unwrap() {
            arrivals[0].push((at, cost));
            if bucket > 0 {
                arrivals[bucket].push((at, cost));
            }
        }
    }
    arrivals
}

fn steps(tasks: usize) -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec((0_usize..3, 1_u32..4, 0_u64..95), 1..40), 1..tasks)
}

/// Limits large enough for the dearest request.
fn enough(limits: Vec<RateLimit>) -> Vec<RateLimit> {
    limits.into_iter().map(|one| limit(one.requests.get() + 3, one.per)).collect()
}

fn with_buckets(limits: [Vec<RateLimit>; 3]) -> (ClientPlan, [Vec<RateLimit>; 3]) {
    let limits = limits.map(enough);
    let mut plan = client(&limits[0]);
    plan.quota.buckets = vec![bucket("a", &limits[1]), bucket("b", &limits[2])];
    (plan, limits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One after the other: neither sending times nor arrivals exceed any limit.
    #[test]
    fn no_window_is_ever_exceeded(
        limits in limits(),
        latencies in prop::collection::vec((0_u64..60, 0_u64..100), 1..150),
    ) {
        let (sent, arrived) = paused(async {
            let (mut sent, mut arrived) = (Vec::<Instant>::new(), Vec::new());
            let quota = quota_that_knows_the_way(&limits);
            for (there, back) in &latencies {
                let turn = quota.turn().await;
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

    /// Many buckets, costs and priorities, side by side, with jitter within what is assumed of it.
    #[test]
    fn parallel_requests_exceed_no_bucket(
        limits in [limits(), limits(), limits()],
        tasks in steps(8),
    ) {
        let (plan, limits) = with_buckets(limits);
        let arrivals = paused(async {
            let quota = alone(&plan);
            quota.book().know_the_way();
            interleaved(vec![Arc::new(quota)], tasks).await
        });
        for (limits, arrivals) in limits.iter().zip(&arrivals) {
            for limit in limits {
                prop_assert!(most_units(limit.per, arrivals) <= limit.requests.get(), "{limit:?}");
            }
        }
    }

    /// The same from several processes.
    #[test]
    fn processes_exceed_no_bucket(
        limits in [limits(), limits(), limits()],
        tasks in steps(6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (plan, limits) = with_buckets(limits);
        let arrivals = paused(async {
            let start = Instant::now();
            let process = |_| {
                let quota = process(&plan, dir.path(), start);
                quota.book().know_the_way();
                Arc::new(quota)
            };
            interleaved((0..3).map(process).collect(), tasks).await
        });
        for (limits, arrivals) in limits.iter().zip(&arrivals) {
            for limit in limits {
                prop_assert!(most_units(limit.per, arrivals) <= limit.requests.get(), "{limit:?}");
            }
        }
    }

    /// Whoever has enough to do uses at least 95 % of what the limits leave: of all together, whatever it costs and
    /// however many processes do it, and less where a server says that it allows less.
    #[test]
    fn who_has_enough_to_do_uses_what_there_is(
        limits in limits(),
        costs in prop::collection::vec(1_u32..4, 60..200),
        processes in 1_usize..4,
        told in prop::option::of((0_usize..4, 2_u32..5)),
    ) {
        let limits = enough(limits);
        // The first answer that each has says that one of the limits is a part of that only.
        let lower = told.and_then(|(index, part)| {
            let units = limits.get(index)?.requests.get() / part;
            (units > 3).then(|| (index, limit(units, limits[index].per)))
        });
        let mut allowed = limits.clone();
        if let Some((index, lower)) = lower {
            allowed[index] = lower;
        }
        let dir = tempfile::tempdir().unwrap();
        let plan = client(&limits);
        let mut sent = paused(async {
            let start = Instant::now();
            let (mut sent, mut tasks) = (Vec::new(), Vec::new());
            let quotas: Vec<_> = (0..processes).map(|_| process(&plan, dir.path(), start)).collect();
            for quota in &quotas {
                quota.book().know_the_way();
                let turn = quota.turn().await;
                sent.push((turn.at, Instant::now(), 1));
                quota.answered(&turn);
                if let Some((_, lower)) = lower {
                    let limit = Some(lower.requests.get().into());
                    quota.heed(&turn, &Advice { limit, window: Some(lower.per), ..Advice::default() });
                }
            }
            for (number, quota) in quotas.into_iter().enumerate() {
                let own: Vec<u32> = costs.iter().copied().skip(number).step_by(processes).collect();
                tasks.push(tokio::spawn(async move {
                    let mut sent = Vec::new();
                    for cost in own {
                        let turn = quota.turn_for("members", cost, 0).await;
                        sent.push((turn.at, Instant::now(), cost));
                        quota.answered(&turn);
                    }
                    sent
                }));
            }
            for task in tasks {
                sent.extend(task.await.unwrap());
            }
            sent
        });
        sent.sort();
        let arrivals: Arrivals = sent.iter().map(|(_, at, cost)| (*at, *cost)).collect();
        for limit in &allowed {
            prop_assert!(most_units(limit.per, &arrivals) <= limit.requests.get(), "{limit:?} of {limits:?}");
        }
        let costs: Vec<u32> = arrivals.iter().map(|(_, cost)| *cost).collect();
        let taken = (arrivals[arrivals.len() - 1].0 - arrivals[0].0).as_secs_f64();
        let ideal = shortest_time(&allowed, &costs);
        // How long the last request of each was on its way, the others are not told.
        let untold = 0.15 * processes as f64;
        prop_assert!(taken * 0.95 <= ideal + untold, "{taken} s in place of {ideal} s under {allowed:?}, {costs:?}");
    }
}
