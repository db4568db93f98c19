//! Simulations on the paused clock: what a server would count.

mod heeding;
mod properties;
mod sharing;
mod trouble;

use std::num::NonZeroU32;

use tokio::time::{advance, sleep};

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
fn without_a_limit_no_request_waits() {
    paused(async {
        // Between two ticks of the timer: whoever asks it waits for the next.
        advance(Duration::from_micros(300)).await;
        let (quota, start) = (quota(&[]), Instant::now());
        for _ in 0..3 {
            quota.turn().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
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
