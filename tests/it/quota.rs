//! At the API's quota: never over it by the server's own log, and never far below it.

use std::collections::HashSet;
use std::time::Duration;

use crate::mock::{Fault, FaultKind, Key, LoggedRequest, Mock, MockConfig, Window};
use crate::support::api::{count_status, cursors, expect_within_quota};
use crate::support::cli::{MEMBERPASS, Workspace};
use crate::support::db::Db;

const SECOND: Duration = Duration::from_secs(1);

/// Memberstack with its real quota, on both sides.
fn at_25(mock: &Mock) -> Workspace {
    Workspace::members(mock).with_set("client.rate_limits=[\"25/s\"]")
}

/// What each page was asked with, in the order of the first request for it.
fn pages(requests: &[LoggedRequest]) -> Vec<Option<String>> {
    let mut seen = HashSet::new();
    cursors(requests).into_iter().filter(|cursor| seen.insert(cursor.clone())).collect()
}

#[test]
fn faults_cost_no_row_and_no_second_429() {
    let faults = vec![
        Fault::at_page(12, FaultKind::ServerError),
        Fault::at_page(27, FaultKind::CutBody),
        Fault::at_page(40, FaultKind::TooManyRequests),
    ];
    let mock = Mock::start(MockConfig { members: 5000, faults, ..MockConfig::default() });
    let workspace = at_25(&mock);
    let report = workspace.run_well(&[]);

    let requests = mock.requests();
    assert_eq!(pages(&requests).len(), 50);
    assert_eq!(requests.len(), 53, "each fault costs one request");
    expect_within_quota(&requests, 25, SECOND);
    assert_eq!((count_status(&requests, 500), count_status(&requests, 429)), (1, 1));

    let members = &report["resources"][0];
    assert_eq!((&members["outcome"], &members["rows"]), (&"complete".into(), &5000.into()));
    assert_eq!((&members["pages"], &members["requests"]), (&50.into(), &53.into()));
    assert_eq!(report["too_many_requests"], 1);
    let ids: HashSet<_> = workspace.db().column("SELECT id FROM members").into_iter().collect();
    assert_eq!(workspace.db().count("members"), 5000);
    assert_eq!(ids, mock.member_ids().into_iter().collect());
}

#[test]
fn a_long_walk_uses_the_quota() {
    let is_used = |seconds: &f64| 100.0 / seconds >= 0.97 * 25.0;
    // The other tests share the machine and may hold one walk up, but hardly three.
    let walks: Vec<f64> =
        (0..3).map(|_| seconds_of_a_walk_of_100_pages()).take_while(|walk| !is_used(walk)).collect();
    assert!(walks.len() < 3, "100 pages took {walks:?} s");
}

fn seconds_of_a_walk_of_100_pages() -> f64 {
    let mock = Mock::start(MockConfig { members: 10_000, ..MockConfig::default() });
    at_25(&mock).run_well(&[]);
    let requests = mock.requests();
    assert_eq!((requests.len(), count_status(&requests, 200)), (100, 100));
    expect_within_quota(&requests, 25, SECOND);
    (requests[99].at - requests[0].at).as_secs_f64()
}

#[test]
fn the_next_run_knows_what_the_last_one_used() {
    // The first run uses all ten: without a memory, the first request of the second one would be one too many.
    let per = SECOND * 3;
    let rate = vec![Window::new(25, SECOND), Window::new(10, per)];
    let mock = Mock::start(MockConfig { members: 1000, rate, ..MockConfig::default() });
    let workspace = Workspace::members(&mock).with_set("client.rate_limits=[\"25/s\", \"10/3s\"]");
    for run in 1..=2 {
        workspace.run_well(&[]);
        assert_eq!(mock.requests().len(), 10 * run);
    }
    let requests = mock.requests();
    expect_within_quota(&requests, 25, SECOND);
    expect_within_quota(&requests, 10, per);
    assert_eq!(count_status(&requests, 429), 0);
}

#[test]
fn two_windows_hold_at_once_for_parents_and_children() {
    let (short, long) = (SECOND * 5 / 2, SECOND * 5);
    let token = "mpt_live_7_quota";
    let mock = Mock::start(MockConfig {
        rate: vec![Window::new(8, short), Window::new(14, long)],
        keys: vec![Key::full(token)],
        ..MockConfig::memberpass(31)
    });
    let workspace = Workspace::new(MEMBERPASS)
        .with_env("MEMBERPASS_TOKEN", token)
        .with_env("MEMBERPASS_BASE_URL", &format!("{}/v1", mock.url()))
        .with_set("client.rate_limits=[\"8/2500ms\", \"14/5s\"]");
    for _ in 0..2 {
        workspace.run_well(&[]);
    }
    let requests = mock.requests();
    assert_eq!(count_status(&requests, 200), requests.len());
    assert!(requests.len() > 14, "{} requests do not fill the long window", requests.len());
    expect_within_quota(&requests, 8, short);
    expect_within_quota(&requests, 14, long);
    let db = Db::new(workspace.path("memberpass.duckdb"), "memberpass_data");
    assert_eq!((db.count("projects"), db.count("members")), (3, 31));
}
