//! What befalls those who share a quota: lost files, clocks that are set, damage, stores that are slow.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::clock::micros;
use super::super::window::TOO_LATE;
use super::sharing::process;
use super::*;

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
        let back = Arc::new(AtomicU64::new(0));
        let process = || {
            let back = Arc::clone(&back);
            let clock = move || {
                let back = back.load(Ordering::SeqCst);
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
        back.store(micros(HOUR * 10), Ordering::SeqCst);
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
