//! `kill -9` of a session, of the server and of the run itself, at every stage of a load: rows come in once, whoever
//! brings them.
//!
//! Stages are not hit by chance: a session from outside is in the load's way, which waits there to be killed.

use rustix::process::{Pid, Signal, kill_process};

use crate::mock::{FaultKind, Mock, MockConfig};
use crate::postgres::{Access, Database, Server};
use crate::support::api::{change, wait_for};
use crate::support::cli::{Running, Workspace};
use crate::support::package::{Left, left_by};
use crate::support::postgres::{Content, Obstacle, WAITING, content, members, wait_for_answer};

/// What the load is and what is there before it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Load {
    /// The first one, which makes all tables.
    First,
    /// All members again, some of them changed, with a field that is new.
    Merge,
    /// New members only: what came twice would be there twice.
    Append,
}

/// What is in the way.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// A lock on a table, in this mode.
    Lock(&'static str, &'static str),
    /// A trigger on a table, for this event: it waits.
    Trigger(&'static str, &'static str),
    /// A trigger that runs within `COMMIT`.
    Commit,
    /// A trigger after commands of this kind.
    Ddl(&'static str),
}

/// A stage of a load: what the server does then, and what it is made to wait by.
struct Stage(&'static str, Load, Way);

const STAGES: [Stage; 13] = [
    Stage("the schema is made", Load::First, Way::Ddl("CREATE SCHEMA")),
    Stage("tables are made", Load::First, Way::Ddl("CREATE TABLE")),
    Stage("what is there is read", Load::Merge, Way::Lock("_dlt_version", "ACCESS EXCLUSIVE")),
    Stage("tables are locked", Load::Merge, Way::Lock("members__permissions", "SHARE")),
    Stage("a column is added", Load::Merge, Way::Ddl("ALTER TABLE")),
    Stage("a column's origin is written", Load::Merge, Way::Trigger("_forebay_columns", "INSERT")),
    Stage("rows are deleted", Load::Merge, Way::Trigger("members__permissions", "DELETE")),
    Stage("rows are merged", Load::Merge, Way::Trigger("members", "INSERT")),
    Stage("rows are copied", Load::Append, Way::Trigger("members", "INSERT")),
    Stage("the schema is written", Load::Merge, Way::Trigger("_dlt_version", "INSERT")),
    Stage("the state is written", Load::Append, Way::Trigger("_dlt_pipeline_state", "INSERT")),
    Stage("the load is recorded", Load::Append, Way::Lock("_forebay_runs", "SHARE")),
    Stage("the load is committed", Load::Append, Way::Commit),
];

/// Waits for whoever has the number 1, and goes on with it.
const WAIT: &str = "PERFORM pg_advisory_xact_lock_shared(1)";

impl Way {
    /// What has to be in the database before.
    fn preparation(self) -> String {
        let function = |kind: &str, end: &str| {
            format!(
                "CREATE FUNCTION public.wait() RETURNS {kind} LANGUAGE plpgsql AS \
                 $$ BEGIN {WAIT}; {end} END $$; "
            )
        };
        match self {
            Self::Lock(..) => String::new(),
            Self::Trigger(table, event) => {
                function("trigger", "RETURN coalesce(NEW, OLD);")
                    + &format!(
                        "CREATE TRIGGER wait BEFORE {event} ON memberstack_data.{table} \
                         FOR EACH ROW EXECUTE FUNCTION public.wait()"
                    )
            }
            Self::Commit => {
                function("trigger", "RETURN NULL;")
                    + "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON memberstack_data._dlt_loads \
                       DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.wait()"
            }
            Self::Ddl(command) => {
                function("event_trigger", "")
                    + &format!(
                        "CREATE EVENT TRIGGER wait ON ddl_command_end WHEN TAG IN ('{command}') \
                         EXECUTE FUNCTION public.wait()"
                    )
            }
        }
    }

    /// What the session in the way does.
    fn obstacle(self) -> String {
        match self {
            Self::Lock(table, mode) => format!("BEGIN; LOCK TABLE memberstack_data.{table} IN {mode} MODE"),
            _ => "SELECT pg_advisory_lock(1)".to_owned(),
        }
    }
}

/// An API that has changed since the first load, and databases to load what is new into.
struct Play {
    mock: Mock,
    before: [Option<Database>; 3],
    expected: [Content; 3],
}

const LOADS: [Load; 3] = [Load::First, Load::Merge, Load::Append];

impl Play {
    fn prepare(server: &Server) -> Self {
        let mock = Mock::start(MockConfig::unlimited(25));
        let before = LOADS.map(|load| {
            let database = server.create_database();
            if load == Load::First {
                return None;
            }
            workspace(&mock, &database, load).run_well(&[]);
            Some(database)
        });
        for _ in 0..7 {
            mock.create_member();
        }
        let changed = mock.member_ids()[3].clone();
        let news = serde_json::json!({ "customFields": { "turned-up": "now" } });
        change(&mock, reqwest::Method::PATCH, &format!("/members/{changed}"), &news);
        let mut play = Self { mock, before, expected: Default::default() };
        play.expected = LOADS.map(|load| {
            let database = play.database(server, load);
            workspace(&play.mock, &database, load).run_well(&[]);
            content(database.url())
        });
        play
    }

    /// A database as it is before a load.
    fn database(&self, server: &Server, load: Load) -> Database {
        match &self.before[load as usize] {
            Some(before) => server.copy_database(before),
            None => server.create_database(),
        }
    }

    /// Starts a run, and returns when it waits at `stage`.
    fn start<'a>(&'a self, server: &Server, stage: &'a Stage) -> Held<'a> {
        let database = self.database(server, stage.1);
        if !stage.2.preparation().is_empty() {
            database.sql(&stage.2.preparation());
        }
        let workspace = workspace(&self.mock, &database, stage.1);
        let asked = self.mock.requests().len();
        self.mock.fail_next(FaultKind::Hold, 1);
        let run = workspace.start(&["--format", "json"]);
        wait_for(&self.mock, asked + 1);
        // Only now: at its beginning, a run looks at the tables, too.
        let obstacle = Obstacle::new(database.url(), &stage.2.obstacle());
        self.mock.release();
        let session = wait_for_answer(database.url(), WAITING).parse().unwrap();
        Held { play: self, stage, database, workspace, run, session, obstacle }
    }

    /// Everything is there, once, and nothing is left to do. What a later run brings again, it merges.
    fn expect_loaded(
        &self,
        load: Load,
        (database, workspace): (&Database, &Workspace),
        later_runs: usize,
        stage: &str,
    ) {
        assert_eq!(content(database.url()), self.expected[load as usize], "{stage}");
        let count = match load {
            Load::First => 1 + later_runs,
            Load::Merge => 2 + later_runs,
            Load::Append => 2,
        };
        let loads = "SELECT count(*) FROM memberstack_data._dlt_loads WHERE load_id IN \
                     (SELECT load_id FROM memberstack_data._forebay_runs)";
        assert_eq!(database.sql(loads), count.to_string(), "{stage}");
        assert_eq!(left_by(workspace), Left::Nothing, "{stage}");
    }
}

fn workspace(mock: &Mock, database: &Database, load: Load) -> Workspace {
    let workspace = members(mock, database.url());
    match load {
        Load::Append => workspace
            .with_set("resources.members.endpoint.incremental.page_cursor=true")
            .with_set("resources.members.write_disposition=append"),
        Load::First | Load::Merge => workspace,
    }
}

/// A run that waits in the middle of its load.
struct Held<'a> {
    play: &'a Play,
    stage: &'a Stage,
    database: Database,
    workspace: Workspace,
    run: Running,
    /// The server's process that waits.
    session: i32,
    obstacle: Obstacle,
}

impl Held<'_> {
    /// The run ends well, and so does the next one.
    fn expect_recovery(self) {
        let Self { play, stage, database, workspace, run, obstacle, .. } = self;
        drop(obstacle);
        let finished = run.wait();
        finished.expect_code(0);
        assert_eq!(finished.report()["status"], "complete", "{}", stage.0);
        play.expect_loaded(stage.1, (&database, &workspace), 0, stage.0);
        workspace.run_well(&[]);
        play.expect_loaded(stage.1, (&database, &workspace), 1, stage.0);
    }
}

fn kill(process: i32) {
    kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_session_that_is_killed_costs_a_run_nothing() {
    let Some(server) = Server::start_own(Access::Trust) else { return };
    let play = Play::prepare(&server);
    for stage in &STAGES {
        let held = play.start(&server, stage);
        // All sessions go with it: the server starts anew by itself.
        kill(held.session);
        held.expect_recovery();
    }
    let crashes = server.log().matches("all server processes terminated; reinitializing").count();
    assert_eq!(crashes, STAGES.len());
}

#[test]
fn a_server_that_is_killed_and_comes_back_costs_a_run_nothing() {
    let Some(mut server) = Server::start_own(Access::Trust) else { return };
    let play = Play::prepare(&server);
    for stage in &STAGES {
        let held = play.start(&server, stage);
        server.kill();
        server.start();
        held.expect_recovery();
    }
}

/// The lock is the only session that a run has open while it waits for its API.
#[test]
fn a_server_may_be_gone_while_pages_come_in() {
    let Some(mut server) = Server::start_own(Access::Trust) else { return };
    let play = Play::prepare(&server);
    let database = play.database(&server, Load::Merge);
    let workspace = workspace(&play.mock, &database, Load::Merge);
    // Before there is a connection.
    server.kill();
    let asked = play.mock.requests().len();
    play.mock.fail_next(FaultKind::Hold, 1);
    let mut run = workspace.start(&[]);
    run.wait_for_line("trying for 30 s");
    assert_eq!(play.mock.requests().len(), asked, "nothing was asked for");
    server.start();
    wait_for(&play.mock, asked + 1);
    // While pages come in, until the load wants to connect.
    server.kill();
    play.mock.release();
    run.wait_for_line("trying for 30 s");
    server.start();
    run.wait().expect_code(0);
    play.expect_loaded(Load::Merge, (&database, &workspace), 0, "before connecting");
}

#[test]
fn a_server_that_stays_away_ends_a_run_which_keeps_what_it_has() {
    let Some(mut server) = Server::start_own(Access::Trust) else { return };
    let play = Play::prepare(&server);
    let held = play.start(&server, &STAGES[8]);
    server.kill();
    let asked = play.mock.requests().len();
    let other = workspace(&play.mock, &held.database, Load::Merge);
    let late = other.start(&[]);
    let Held { database, workspace, run, .. } = held;

    let finished = run.wait();
    finished.expect_code(1);
    finished.expect_said("could not load package");
    finished.expect_said("trying for 30 s");
    finished.expect_said("nothing that was received is lost: the next run loads the package");
    assert_eq!(left_by(&workspace), Left::All);
    let late = late.wait();
    late.expect_code(1);
    late.expect_said("hint: check host and port in `destination`, whether the server runs");
    late.expect_said("nothing was asked of the API");
    assert_eq!(play.mock.requests().len(), asked, "nothing was asked for");

    server.start();
    let report = workspace.run_well(&[]);
    assert_eq!(report["pending"][0]["work"], "loaded");
    play.expect_loaded(Load::Append, (&database, &workspace), 1, "a server that was away");
}

/// The server finds out by itself, in the middle of a statement: what is in the way stays there all the time.
#[test]
fn a_run_that_is_killed_lets_go_of_everything() {
    let Some(server) = Server::start_own(Access::Trust) else { return };
    // It does not look before version 14.
    let looks =
        server.sql("SELECT count(*) FROM pg_settings WHERE name = 'client_connection_check_interval'");
    let play = Play::prepare(&server);
    let mut killed = Vec::new();
    for stage in [&STAGES[1], &STAGES[3], &STAGES[8], &STAGES[12]] {
        let Held { database, workspace, run, obstacle, .. } = play.start(&server, stage);
        run.kill();
        let obstacle = (looks == "1").then_some(obstacle);
        killed.push((stage, database, workspace, obstacle));
    }
    for (stage, database, workspace, obstacle) in killed {
        let gone = "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity \
                    WHERE application_name LIKE 'forebay %' AND datname = current_database())";
        wait_for_answer(database.url(), gone);
        drop(obstacle);
        assert_eq!(left_by(&workspace), Left::All, "{}", stage.0);
        let report = workspace.run_well(&[]);
        assert_eq!(report["pending"][0]["work"], "loaded", "{}", stage.0);
        play.expect_loaded(stage.1, (&database, &workspace), 1, stage.0);
    }
}
