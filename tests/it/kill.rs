//! `kill -9` at any moment: the next run leaves the tables of a run that nothing disturbed, asks for no page that was
//! kept, and both together stay within the quota.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::mock::{Fault, FaultKind, Mock, MockConfig, Window};
use crate::support::api::{count_status, cursors, expect_within_quota, wait_for};
use crate::support::cli::Workspace;
use crate::support::db::Content;
use crate::support::package::{Left, left_by};

const SECOND: Duration = Duration::from_secs(1);

/// Members of the runs that are killed: 50 pages.
const MEMBERS: usize = 5000;

/// Requests of such a run: its pages, and one for each fault.
const REQUESTS: usize = 53;

/// Runs that are killed.
const KILLS: usize = 20;

/// Where a run is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// When this many requests have arrived.
    Request(usize),
    /// While this request waits for its answer.
    WithinRequest(usize),
    /// This long after the last page was asked for: while it is kept, normalized or loaded, or after the end.
    Load(Duration),
}

/// Twenty moments, all over the run.
fn moments(random: &mut fastrand::Rng) -> Vec<Moment> {
    let mut draw = |nth: usize| match nth % 5 {
        0..=2 => Moment::Request(random.usize(1..=REQUESTS)),
        3 => Moment::WithinRequest(random.usize(1..=REQUESTS)),
        _ => Moment::Load(Duration::from_millis(random.u64(0..1500))),
    };
    (0..KILLS).map(&mut draw).collect()
}

/// Kills a run at `moment`, runs again, and looks at what was asked and what is there.
fn kill_and_run_again(moment: Moment, rate: usize, expected: &Content) {
    let mut faults = vec![
        Fault::at_page(12, FaultKind::ServerError),
        Fault::at_page(27, FaultKind::CutBody),
        Fault::at_page(40, FaultKind::TooManyRequests),
    ];
    if let Moment::WithinRequest(request) = moment {
        faults.insert(0, Fault::at_request(request as u64, FaultKind::Hold));
    }
    let rate_limits = vec![Window::new(rate, SECOND)];
    let mock =
        Mock::start(MockConfig { members: MEMBERS, faults, rate: rate_limits, ..MockConfig::default() });
    let workspace = Workspace::members(&mock)
        .with_set(&format!("client.rate_limits=[\"{rate}/s\"]"))
        .with_set("client.retry.initial_delay=\"100ms\"");

    let run = workspace.start(&["--quiet"]);
    match moment {
        Moment::Request(count) | Moment::WithinRequest(count) => wait_for(&mock, count),
        Moment::Load(delay) => {
            wait_for(&mock, REQUESTS);
            // Where in the load this hits is up to the machine; what follows holds anywhere.
            thread::sleep(delay);
        }
    }
    run.kill();
    let left = left_by(&workspace);
    let before = mock.requests().len();

    let report = workspace.run_well(&["--quiet"]);
    let requests = mock.requests();
    expect_within_quota(&requests, rate, SECOND);
    assert!(count_status(&requests, 429) <= 1, "only the 429 that was injected");
    let asked: Vec<_> = cursors(&requests[before..]);
    match &left {
        Left::Nothing => {}
        Left::Pages(pages) => {
            let again: Vec<_> = asked.iter().filter(|cursor| pages.contains(*cursor)).collect();
            assert!(again.is_empty(), "pages that were kept are asked for again: {again:?}");
            assert_eq!(report["resources"][0]["resumed_pages"], pages.len());
        }
        Left::All => {
            let work = report["pending"][0]["work"].as_str().unwrap();
            assert!(["loaded", "already_loaded"].contains(&work), "{work}");
        }
    }
    assert_eq!(
        (&report["resources"][0]["pages"], &report["resources"][0]["rows"]),
        (&50.into(), &MEMBERS.into())
    );
    workspace.db().content().expect(expected);
    assert_eq!(left_by(&workspace), Left::Nothing);
}

/// Kills at random moments, several runs at a time: they wait for their quota most of the time.
#[expect(clippy::print_stderr, reason = "shown when it fails, to repeat it")]
fn kill_at_random_moments(rate: usize) {
    let seed = std::env::var("FOREBAY_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("FOREBAY_TEST_SEED={seed}");
    let expected = Workspace::undisturbed(MEMBERS);
    let left = Mutex::new(moments(&mut fastrand::Rng::with_seed(seed)));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(moment) = left.lock().unwrap().pop() else { return };
                    eprintln!("{moment:?}");
                    kill_and_run_again(moment, rate, &expected);
                }
            });
        }
    });
}

#[test]
fn a_killed_run_leaves_no_trace() {
    kill_at_random_moments(250);
}

#[test]
#[ignore = "waits for its quota most of a minute; `make test-kill` runs it"]
fn a_killed_run_leaves_no_trace_at_the_real_quota() {
    kill_at_random_moments(25);
}
