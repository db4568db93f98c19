//! What servers say of their quotas.

use super::*;

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
