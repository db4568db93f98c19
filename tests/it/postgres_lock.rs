//! Two runs of a pipeline on two machines, which only the server knows of; and those who read meanwhile.

use crate::mock::{Fault, FaultKind, Mock, MockConfig};
use crate::postgres::{Database, server};
use crate::support::api::wait_for;
use crate::support::cli::{Running, Workspace};
use crate::support::package::{Left, left_by};
use crate::support::postgres::{Obstacle, WAITING, content, members, wait_for_answer};

/// Members that the API has: three pages.
const MEMBERS: usize = 30;

/// A machine with an API of its own to be looked at, whose data are those of every other.
struct Machine {
    mock: Mock,
    workspace: Workspace,
}

impl Machine {
    /// Its first run gets no answer to the second request until the mock is told to.
    fn new(database: &Database) -> Self {
        let faults = vec![Fault::at_request(2, FaultKind::Hold)];
        let mock = Mock::start(MockConfig { faults, ..MockConfig::unlimited(MEMBERS) });
        let workspace = members(&mock, database.url());
        Self { mock, workspace }
    }

    fn start_held(&self) -> Running {
        let run = self.workspace.start(&[]);
        wait_for(&self.mock, 2);
        run
    }

    /// Lets a run that is held come to its end.
    fn finish(&self, run: Running) {
        self.mock.release();
        run.wait().expect_code(0);
    }
}

/// What the server calls the sessions of a run.
fn session_name(run: &Running) -> String {
    format!("forebay memberstack_pipeline (pid {})", run.pid())
}

/// Ends the session that has the lock of a run, which is the only one that a run has open while it waits for its API,
/// and returns when it is gone.
fn end_session(database: &Database, run: &Running) {
    let of_run = format!("FROM pg_stat_activity WHERE application_name = '{}'", session_name(run));
    assert_eq!(database.sql(&format!("SELECT pg_terminate_backend(pid) {of_run}")), "t");
    wait_for_answer(database.url(), &format!("SELECT 1 WHERE NOT EXISTS (SELECT {of_run})"));
}

/// Every member is there, once.
fn expect_members(database: &Database) {
    let counts = "SELECT count(*), count(DISTINCT id) FROM memberstack_data.members";
    assert_eq!(database.sql(counts), format!("{MEMBERS}|{MEMBERS}"));
    content(database.url());
}

#[test]
fn a_run_on_another_machine_is_left_alone_or_waited_for() {
    let Some(server) = server() else { return };
    let database = server.create_database();
    let (one, two) = (Machine::new(&database), Machine::new(&database));
    two.mock.set_faults(Vec::new());
    let first = one.start_held();
    let holder = format!("{} on ", session_name(&first));

    let refused = two.workspace.run(&[]);
    refused.expect_code(4);
    refused.expect_said(&format!("another run holds pipeline `memberstack_pipeline`: {holder}"));
    refused.expect_said("hint: ");
    let skipped = two.workspace.run(&["--if-locked", "skip"]);
    skipped.expect_code(0);
    skipped.expect_said(&format!("skipped: another run ({holder}"));
    let mut waiting = two.workspace.start(&["--if-locked", "wait"]);
    waiting.wait_for_line(&format!("waiting: another run ({holder}"));
    assert_eq!(two.mock.requests().len(), 0, "nothing was asked for");

    one.finish(first);
    waiting.wait().expect_code(0);
    expect_members(&database);
    assert_eq!(database.sql("SELECT count(*) FROM memberstack_data._dlt_loads"), "2");
    assert_eq!((left_by(&one.workspace), left_by(&two.workspace)), (Left::Nothing, Left::Nothing));
}

#[test]
fn a_lock_goes_with_a_run_that_is_killed() {
    let Some(server) = server() else { return };
    let database = server.create_database();
    let (one, two) = (Machine::new(&database), Machine::new(&database));
    two.mock.set_faults(Vec::new());
    let first = one.start_held();
    let mut waiting = two.workspace.start(&["--if-locked", "wait"]);
    waiting.wait_for_line("waiting: another run");
    first.kill();
    waiting.wait().expect_code(0);
    expect_members(&database);
    // What was killed goes on where it was.
    let report = one.workspace.run_well(&[]);
    assert_eq!(report["resources"][0]["resumed_pages"], 1);
    expect_members(&database);
}

#[test]
fn a_lock_that_was_lost_is_taken_again_before_the_load() {
    let Some(server) = server() else { return };
    let database = server.create_database();
    let (one, two) = (Machine::new(&database), Machine::new(&database));
    let first = one.start_held();
    end_session(&database, &first);
    one.mock.release();
    // Whatever the load waits for, it has the lock by then.
    first.wait().expect_code(0);
    expect_members(&database);

    // The same with another run that is quicker to take it.
    one.mock.fail_next(FaultKind::Hold, 1);
    let asked = one.mock.requests().len();
    let first = one.workspace.start(&[]);
    wait_for(&one.mock, asked + 1);
    end_session(&database, &first);
    let second = two.start_held();
    one.mock.release();
    let lost = first.wait();
    lost.expect_code(4);
    lost.expect_said("could not load package");
    lost.expect_said(&session_name(&second));
    lost.expect_said("hint: ");
    assert_eq!(left_by(&one.workspace), Left::All);
    two.finish(second);
    let report = one.workspace.run_well(&[]);
    assert_eq!(report["pending"][0]["work"], "loaded");
    assert_eq!(left_by(&one.workspace), Left::Nothing);
    expect_members(&database);
}

/// What another machine has loaded since is not loaded again, though its rows are appended and have no key: neither by
/// the run that lost its lock, nor from what it kept.
#[test]
fn rows_that_another_run_was_quicker_to_load_are_there_once() {
    let Some(server) = server() else { return };
    let database = server.create_database();
    let machine = || {
        let Machine { mock, workspace } = Machine::new(&database);
        mock.set_faults(Vec::new());
        let workspace = workspace
            .with_set("resources.members.endpoint.incremental.page_cursor=true")
            .with_set("resources.members.write_disposition=append");
        Machine { mock, workspace }
    };
    let (one, two) = (machine(), machine());
    one.workspace.run_well(&[]);
    for machine in [&one, &two] {
        (0..5).for_each(|_| machine.mock.create_member());
    }
    let start_held = || {
        let asked = one.mock.requests().len();
        one.mock.fail_next(FaultKind::Hold, 1);
        let run = one.workspace.start(&[]);
        wait_for(&one.mock, asked + 1);
        run
    };
    let counts = || database.sql("SELECT count(*), count(DISTINCT id) FROM memberstack_data.members");

    let first = start_held();
    end_session(&database, &first);
    two.workspace.run_well(&[]);
    one.mock.release();
    let late = first.wait();
    late.expect_code(1);
    late.expect_said("another run of pipeline `memberstack_pipeline` has loaded since");
    late.expect_said("hint: nothing is lost: the next run asks for all that the other one did not load");
    assert_eq!((counts().as_str(), left_by(&one.workspace)), ("35|35", Left::All));
    one.mock.create_member();
    let report = one.workspace.run_well(&[]);
    assert_eq!(report["pending"][0]["reason"], "another run has loaded since");
    assert_eq!((counts().as_str(), left_by(&one.workspace)), ("36|36", Left::Nothing));

    // Pages of a run that was cut are of no use any more, either.
    one.mock.create_member();
    start_held().kill();
    two.mock.create_member();
    two.mock.create_member();
    two.workspace.run_well(&["--if-locked", "wait"]);
    let report = one.workspace.run_well(&[]);
    assert_eq!(report["pending"][0]["reason"], "another run has loaded since");
    assert_eq!(counts(), "37|37");
}

#[test]
fn who_reads_a_table_that_is_replaced_does_not_wait() {
    let Some(server) = server() else { return };
    let database = server.create_database();
    let machine = Machine::new(&database);
    machine.mock.set_faults(Vec::new());
    let replace = ["--set", "resources.members.write_disposition=replace"];
    machine.workspace.run_well(&replace);
    // Rows are gone and new ones are on their way, until the obstacle is.
    database.sql(
        "CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$; \
         CREATE TRIGGER wait BEFORE INSERT ON memberstack_data.members FOR EACH ROW EXECUTE FUNCTION public.wait()",
    );
    let obstacle = Obstacle::new(database.url(), "SELECT pg_advisory_lock(1)");
    machine.mock.create_member();
    let run = machine.workspace.start(&replace);
    wait_for_answer(database.url(), WAITING);
    let count = "SET LOCAL lock_timeout = '1ms'; SELECT count(*) FROM memberstack_data.members";
    assert_eq!(database.sql(count), MEMBERS.to_string());
    drop(obstacle);
    run.wait().expect_code(0);
    assert_eq!(database.sql(count), (MEMBERS + 1).to_string());
}
