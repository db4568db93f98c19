//! Processes that share a quota.

use std::path::Path;

use super::super::clock::micros;
use super::*;

/// One of the processes that share a directory and the paused clock, which began at `start`.
pub(super) fn process(plan: &ClientPlan, dir: &Path, start: Instant) -> Quota {
    let store = store(plan, dir, start);
    Quota::new(plan, QuotaSharing::Store(Box::new(store)), Arc::new(|_| ())).unwrap()
}

fn store(plan: &ClientPlan, dir: &Path, start: Instant) -> FileStore {
    let clock = move || 1_000_000_000 + micros(Instant::now() - start);
    FileStore::with_clock(dir, &quota_key(plan), quota_horizon(plan), Box::new(clock)).unwrap()
}

/// Sends from all processes at once, so many requests each. Returns when they were sent, in order.
async fn send_together(processes: Vec<Quota>, requests: usize) -> Vec<Instant> {
    let send = |quota: Quota| async move {
        send_all(&quota, std::iter::repeat_n(Duration::from_millis(4), requests)).await
    };
    let tasks: Vec<_> = processes.into_iter().map(|quota| tokio::spawn(send(quota))).collect();
    let mut sent = Vec::new();
    for task in tasks {
        sent.extend(task.await.unwrap());
    }
    sent.sort();
    sent
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
fn processes_that_share_a_quota_use_it_up_together() {
    for (processes, pages) in [(2, 250), (5, 100)] {
        let dir = tempfile::tempdir().unwrap();
        let plan = client(&[limit(25, SECOND)]);
        let sent = paused(async {
            let start = Instant::now();
            let processes = (0..processes).map(|_| process(&plan, dir.path(), start)).collect();
            send_together(processes, pages).await
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
        let process = |_| {
            let store = FarAway { store: store(&plan, dir.path(), start), exchanges: Arc::clone(&exchanges) };
            Quota::new(&plan, QuotaSharing::Store(Box::new(store)), Arc::new(|_| ())).unwrap()
        };
        send_together((0..2).map(process).collect(), 500).await
    });
    let exchanges = exchanges.load(std::sync::atomic::Ordering::SeqCst);
    assert!(exchanges < 500, "{exchanges}");
    assert!(most_in(SECOND, &sent) <= 50);
    assert!(per_second(&sent) >= 0.95 * 50.0, "{}", per_second(&sent));
}
