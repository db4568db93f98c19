//! Whatever else ends a run or happens between two: nothing is lost, and nothing is asked for twice.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use crate::mock::{Fault, FaultKind, Mock, MockConfig};
use crate::support::api::{cursors, wait_for};
use crate::support::cli::{Finished, MEMBERSTACK, Workspace, copy_dir};
use crate::support::package::{Left, left_by, package_dir};

/// A run of ten pages that is stopped inside its sixth request, with five pages kept.
struct Cut {
    mock: Mock,
    workspace: Workspace,
}

impl Cut {
    /// Stops it with `signal`; without one it is killed.
    fn with(signal: Option<(Signal, i32)>) -> Self {
        let faults = vec![Fault::at_request(6, FaultKind::Hold)];
        let mock = Mock::start(MockConfig { faults, ..MockConfig::unlimited(1000) });
        let workspace = Workspace::members(&mock);
        let run = workspace.start(&[]);
        wait_for(&mock, 6);
        match signal {
            None => run.kill(),
            Some((signal, code)) => {
                run.signal(signal);
                let finished = run.wait();
                finished.expect_code(code);
                finished.expect_said("stopping: the page under way is given up, what was received is kept");
                finished
                    .expect_said("stopped: what was received is kept; the same command goes on from there");
            }
        }
        assert_eq!(mock.requests().len(), 6);
        Self { mock, workspace }
    }

    /// How much the next run asks for, and what it says. Its tables have to be right.
    fn run_again(&self, args: &[&str]) -> (usize, Finished) {
        let finished = self.workspace.run(&[args, &["--format", "json"]].concat());
        finished.expect_code(0);
        self.workspace.db().content().expect(&Workspace::undisturbed(1000));
        assert_eq!(left_by(&self.workspace), Left::Nothing);
        (self.mock.requests().len() - 6, finished)
    }
}

#[test]
fn signals_stop_a_run_and_the_next_goes_on() {
    for signal in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let cut = Cut::with(Some(signal));
        let (requests, finished) = cut.run_again(&[]);
        let report = finished.report();
        assert_eq!(requests, 5);
        assert_eq!(
            (&report["pending"][0]["work"], &report["pending"][0]["pages"]),
            (&"resumed".into(), &5.into())
        );
        assert_eq!(report["resources"][0]["resumed_pages"], 5);
    }
}

#[test]
fn a_signal_during_the_load_does_not_stop_it() {
    let mock = Mock::start(MockConfig::unlimited(250));
    let workspace = Workspace::members(&mock);
    workspace.run_well(&[]);
    mock.create_member();
    let reader = workspace.db().open();
    let mut run = workspace.start(&[]);
    run.wait_for_line("waiting for the database");
    run.signal(Signal::INT);
    run.wait_for_line("stopping");
    drop(reader);
    run.wait().expect_code(0);
    assert_eq!(left_by(&workspace), Left::Nothing);
    workspace.db().content().expect(&Workspace::undisturbed(251));
}

#[test]
fn an_unfinished_extraction_is_dropped_when_it_is_not_wanted() {
    let check = |args: &[&str], reason: &str| {
        let (requests, finished) = Cut::with(None).run_again(args);
        assert_eq!(requests, 10, "{args:?}");
        assert!(finished.stderr.contains(&format!(": {reason}\n")), "{}", finished.stderr);
        let pending = &finished.report()["pending"][0];
        assert_eq!((&pending["work"], &pending["reason"]), (&"dropped".into(), &reason.into()), "{args:?}");
    };
    check(&["--restart"], "`--restart` was given");
    check(&["--full-refresh"], "`--full-refresh` was given");
    check(&["--set", "resources.members.endpoint.params.order=asc"], "the config has changed since");
    check(&["--set", "client.headers.X-Tenant=other"], "the config has changed since");
    check(&["--set", "resources.members.endpoint.headers.X-Version=2"], "the config has changed since");
}

#[test]
fn what_does_not_change_the_pages_keeps_them() {
    let check = |args: &[&str]| {
        let (requests, finished) = Cut::with(None).run_again(args);
        let report = finished.report();
        assert_eq!(requests, 5, "{args:?}");
        assert_eq!(report["resources"][0]["resumed_pages"], 5, "{args:?}");
    };
    check(&["--set", "client.rate_limits=[\"20/s\"]"]);
    check(&["--set", "client.timeout=5s"]);
    check(&["--set", "resources.members.endpoint.paginator.max_pages=1000"]);
    check(&["--set", "client.headers.X-Session-Token=renewed"]);
    // It is not part of the run.
    check(&["--set", "resources.member.endpoint.params.verbose=true"]);
}

#[test]
fn a_torn_tail_costs_the_torn_page_only() {
    let check = |kept_pages: usize, tear: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let cut = Cut::with(None);
        let journal = package_dir(&cut.workspace).join("journal");
        fs::write(&journal, tear(fs::read(&journal).unwrap())).unwrap();
        let (requests, finished) = cut.run_again(&[]);
        let report = finished.report();
        assert_eq!(requests, 10 - kept_pages);
        assert_eq!(report["resources"][0]["resumed_pages"], kept_pages);
    };
    check(5, &|bytes| [bytes, b"garbage".to_vec()].concat());
    check(5, &|bytes| [bytes, vec![0; 4096]].concat());
    check(4, &|bytes| bytes[..bytes.len() - 1].to_vec());
    check(4, &|bytes| bytes[..bytes.len() - 20_000].to_vec());
    check(0, &|_| Vec::new());
}

#[test]
fn damage_in_the_middle_costs_what_follows_it() {
    let cut = Cut::with(None);
    let journal = package_dir(&cut.workspace).join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let (requests, finished) = cut.run_again(&[]);
    let report = finished.report();
    // The middle of five pages is in the third.
    assert_eq!((requests, &report["resources"][0]["resumed_pages"]), (8, &2.into()));
}

#[test]
fn a_second_run_is_told_that_the_first_goes_on() {
    let faults = vec![Fault::at_request(2, FaultKind::Hold)];
    let mock = Mock::start(MockConfig { faults, ..MockConfig::unlimited(300) });
    let workspace = Workspace::members(&mock);
    let first = workspace.start(&[]);
    wait_for(&mock, 2);
    let second = workspace.run(&[]);
    second.expect_code(4);
    second.expect_said("another run holds pipeline `memberstack_pipeline`");
    assert_eq!(mock.requests().len(), 2, "it asked for nothing");
    mock.release();
    first.wait().expect_code(0);
    workspace.db().content().expect(&Workspace::undisturbed(300));
}

#[test]
fn a_lost_work_directory_loses_no_row_and_repeats_none() {
    for incremental in [false, true] {
        let mock = Mock::start(MockConfig::unlimited(250));
        let setting = format!("resources.members.endpoint.incremental.page_cursor={incremental}");
        let workspace = match incremental {
            true => Workspace::members(&mock)
                .with_set(&setting)
                .with_set("resources.members.write_disposition=append"),
            false => Workspace::members(&mock),
        };
        workspace.run_well(&[]);
        fs::remove_dir_all(workspace.work_dir()).unwrap();
        for _ in 0..40 {
            mock.create_member();
        }
        workspace.run_well(&[]);
        workspace.db().content().expect_rows(&Workspace::undisturbed(290));
    }
}

/// Three pages are loaded; two more, with 150 members, are received, and wait to be loaded since somebody reads the
/// database. The page cursor is the increment and rows are appended: what is repeated or lost, shows.
fn waiting_package() -> (Mock, Workspace) {
    let mock = Mock::start(MockConfig::unlimited(250));
    let workspace = Workspace::members(&mock)
        .with_set("resources.0.endpoint.incremental.page_cursor=true")
        .with_set("resources.0.write_disposition=append");
    workspace.run_well(&[]);
    for _ in 0..150 {
        mock.create_member();
    }
    let reader = workspace.db().open();
    let refused = workspace.run(&["--lock-timeout", "0"]);
    drop(reader);
    refused.expect_code(1);
    refused.expect_said("could not load package");
    refused.expect_said("has it open");
    refused.expect_said("nothing that was received is lost");
    assert_eq!(mock.requests().len(), 5);
    assert_eq!(left_by(&workspace), Left::All);
    (mock, workspace)
}

#[test]
fn a_package_that_could_not_be_loaded_is_loaded_by_the_next_run() {
    let (mock, workspace) = waiting_package();
    for _ in 0..7 {
        mock.create_member();
    }
    let report = workspace.run_well(&[]);
    let asked = cursors(&mock.requests());
    assert_eq!(asked.len(), 6, "the pages that were received are not asked for again");
    assert!(!asked[..5].contains(&asked[5]), "the run goes on after them");
    assert_eq!(report["pending"][0]["work"], "loaded");
    assert_eq!(report["resources"][0]["rows"], 7);
    let loaded: Vec<_> = report["loads"].as_array().unwrap().iter().map(|load| &load["rows"]).collect();
    assert_eq!(loaded, [150, 7]);
    workspace.db().content().expect_rows(&Workspace::undisturbed(407));
    assert_eq!(workspace.db().load_count(), 3);
}

#[test]
fn a_waiting_package_that_is_damaged_is_completed() {
    let (mock, workspace) = waiting_package();
    let journal = package_dir(&workspace).join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    let last_page = bytes.len() * 3 / 4;
    bytes[last_page] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let finished = workspace.run(&[]);
    finished.expect_code(0);
    finished.expect_said("the journal is torn");
    assert!(!finished.stderr.contains('\u{1b}'), "no colours without a terminal: {}", finished.stderr);
    assert_eq!(mock.requests().len(), 6, "the last page is asked for again");
    workspace.db().content().expect_rows(&Workspace::undisturbed(400));
    assert_eq!(workspace.db().load_count(), 2);
}

#[test]
fn rows_of_a_resource_that_is_gone_are_not_dropped_silently() {
    let (_mock, workspace) = waiting_package();
    let config = MEMBERSTACK.replace("name = \"members\"", "name = \"people\"");
    let config = config.replace("{resources.members.", "{resources.people.");
    fs::write(workspace.path("pipeline.toml"), config).unwrap();
    let finished = workspace.run(&[]);
    finished.expect_code(0);
    finished.expect_said("warning: rows of resource `members` in package");
    finished.expect_said("were not loaded: the config has it no more");
}

#[test]
fn a_waiting_package_that_another_work_directory_was_quicker_to_load_is_dropped() {
    let (mock, workspace) = waiting_package();
    let elsewhere = workspace.path("elsewhere");
    workspace.run_well(&["--work-dir", elsewhere.to_str().unwrap()]);
    assert_eq!((workspace.db().count("members"), mock.requests().len()), (400, 7));
    mock.create_member();
    let report = workspace.run_well(&[]);
    let pending = &report["pending"][0];
    assert_eq!(
        (&pending["work"], &pending["reason"]),
        (&"dropped".into(), &"another run has loaded since".into())
    );
    assert_eq!(mock.requests().len(), 8, "the run goes on where the other one ended");
    workspace.db().content().expect_rows(&Workspace::undisturbed(401));
    assert_eq!(left_by(&workspace), Left::Nothing);
}

/// A crash between the commit and the removal of the package leaves both.
#[test]
fn a_package_that_was_loaded_already_is_not_loaded_again() {
    let (_mock, workspace) = waiting_package();
    let package = package_dir(&workspace);
    let copy = workspace.path("copy");
    copy_dir(&package, &copy);
    workspace.run_well(&[]);
    let loaded = workspace.db().content();
    copy_dir(&copy, &package);
    let report = workspace.run_well(&[]);
    workspace.db().content().expect(&loaded);
    assert_eq!((workspace.db().count("members"), workspace.db().load_count()), (400, 2));
    assert_eq!(report["loads"], json!([]), "nothing was loaded now");
    assert_eq!(report["pending"][0]["work"], "already_loaded");
    assert_eq!(left_by(&workspace), Left::Nothing);
}
