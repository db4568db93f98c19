//! Two runs of a pipeline at once: on one work directory, as processes; and elsewhere, as a destination knows of them.

mod elsewhere;

use std::fs;

use rustix::process::Signal;

use crate::mock::{Fault, FaultKind, Mock, MockConfig};
use crate::support::api::wait_for;
use crate::support::cli::{MEMBERSTACK, Running, Workspace};
use crate::support::package::{Left, left_by};

/// A run that waits for its second page of three until the mock is told to answer.
fn held_run() -> (Mock, Workspace, Running) {
    let faults = vec![Fault::at_request(2, FaultKind::Hold)];
    let mock = Mock::start(MockConfig { faults, ..MockConfig::unlimited(300) });
    let workspace = Workspace::members(&mock);
    let first = workspace.start(&[]);
    wait_for(&mock, 2);
    (mock, workspace, first)
}

/// A run that is told to wait for another, and does.
fn waiting_run(workspace: &Workspace, first: &Running) -> Running {
    let mut second = workspace.start(&["--if-locked", "wait"]);
    let pid = first.pid();
    let pipeline = "pipeline `memberstack_pipeline`";
    second.wait_for_line(&format!("waiting: another run (process {pid}) holds {pipeline}\n"));
    second
}

#[test]
fn a_run_that_waits_goes_on_when_the_first_has_ended() {
    let (mock, workspace, first) = held_run();
    let second = waiting_run(&workspace, &first);
    assert_eq!(mock.requests().len(), 2, "it asked for nothing");
    mock.release();
    first.wait().expect_code(0);
    let finished = second.wait();
    finished.expect_code(0);
    assert!(!finished.stderr.contains("waiting"), "it is told once: {}", finished.stderr);
    workspace.db().content().expect(&Workspace::undisturbed(300));
    assert_eq!((mock.requests().len(), left_by(&workspace)), (6, Left::Nothing));
}

#[test]
fn a_run_that_waits_takes_up_what_a_killed_one_left() {
    let (mock, workspace, first) = held_run();
    let second = waiting_run(&workspace, &first);
    first.kill();
    let finished = second.wait();
    finished.expect_code(0);
    finished.expect_said("which had 1 page");
    assert_eq!(mock.requests().len(), 4, "the page that had come is not asked for again");
    workspace.db().content().expect(&Workspace::undisturbed(300));
}

#[test]
fn a_signal_ends_the_wait() {
    let (mock, workspace, first) = held_run();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let second = waiting_run(&workspace, &first);
        second.signal(signal);
        let finished = second.wait();
        finished.expect_code(code);
        finished.expect_said("stopped before the API was asked for anything");
    }
    assert_eq!(mock.requests().len(), 2);
    mock.release();
    first.wait().expect_code(0);
}

#[test]
fn a_run_that_skips_ends_well_and_says_who_was_first() {
    let (mock, workspace, first) = held_run();
    let workspace = workspace.with_env("FOREBAY_IF_LOCKED", "skip");
    let holder = format!("process {}", first.pid());
    let skipped = format!("skipped: another run ({holder}) holds pipeline `memberstack_pipeline`\n");
    for args in [&[][..], &["--quiet"]] {
        let finished = workspace.run(args);
        finished.expect_code(0);
        assert_eq!((finished.stdout.as_str(), &finished.stderr), ("", &skipped), "{args:?}");
    }
    let report = workspace.run_well(&[]);
    assert_eq!((&report["status"], &report["held_by"]), (&"skipped".into(), &holder.into()));
    assert_eq!(mock.requests().len(), 2, "nothing was asked for");
    mock.release();
    first.wait().expect_code(0);
}

#[test]
fn of_several_pipelines_only_the_one_that_is_held_is_affected() {
    for (if_locked, code, said) in [
        ("skip", 0, "skipped: another run"),
        ("fail", 3, "hint: `--if-locked wait` waits for the other run; a lock goes with the process"),
    ] {
        let (mock, workspace, first) = held_run();
        let other = workspace.path("other.toml");
        let config = MEMBERSTACK.replace("memberstack_pipeline", "other").replace("_data\"", "_other\"");
        fs::write(&other, config.replace("memberstack.duckdb", "other.duckdb")).unwrap();
        let finished = workspace.run(&["--if-locked", if_locked, other.to_str().unwrap()]);
        finished.expect_code(code);
        finished.expect_said(said);
        finished.expect_said("loaded 300 rows into duckdb:other.duckdb");
        mock.release();
        first.wait().expect_code(0);
    }
}
