//! Runs on other machines, which only the destination knows of.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay::config::DestinationPlan;
use forebay::destination::duckdb::DuckDb;
use forebay::destination::{
    ColumnOrigin, Committed, Destination, DestinationError, LoadPackage, PipelineGuard, QueryResult, Receipt,
    StoredRun,
};
use forebay::error::{Error, chain};
use forebay::package::Store;
use forebay::pipeline::{self, IfLocked, Run, RunOptions};
use forebay::report::{Event, Reporter, RunReport, Status};
use forebay::schema::{Capabilities, Column};
use tokio::sync::watch;

use crate::mock::{Mock, MockConfig};
use crate::support::cli::Workspace;
use crate::support::package::{Left, left_by};

/// Who has the pipeline.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Holder {
    Nobody,
    ThisRun,
    AnotherRun,
}

/// What becomes of a load.
#[derive(Debug, Clone, Copy)]
enum Load {
    Works,
    Fails,
    /// The lock was lost with its connection, and another run has it by now.
    FindsAnotherRun,
}

/// A database that several machines reach: a file, with a lock as a server would keep it.
struct Shared {
    file: DuckDb,
    holder: Arc<Mutex<Holder>>,
    at_load: Load,
}

/// Gives the lock back.
struct Guard(Arc<Mutex<Holder>>);

impl Drop for Guard {
    fn drop(&mut self) {
        may_block();
        let mut holder = self.0.lock().unwrap();
        if *holder == Holder::ThisRun {
            *holder = Holder::Nobody;
        }
    }
}

/// Panics on threads that other work waits for, as clients of servers do that block on a runtime of their own.
fn may_block() {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {});
}

impl Shared {
    fn locked(pipeline: &str) -> DestinationError {
        DestinationError::PipelineLocked {
            pipeline: pipeline.to_owned(),
            holder: "host `db-7`, process 99".to_owned(),
        }
    }
}

impl Destination for Shared {
    fn dlt_type(&self) -> &'static str {
        self.file.dlt_type()
    }

    fn capabilities(&self) -> &'static Capabilities {
        self.file.capabilities()
    }

    fn committed(&self, pipeline: &str, source: &str) -> Result<Committed, DestinationError> {
        may_block();
        self.file.committed(pipeline, source)
    }

    fn check_writable(&self, has_merges: bool) -> Result<(), DestinationError> {
        may_block();
        self.file.check_writable(has_merges)
    }

    fn lock(&self, pipeline: &str) -> Result<PipelineGuard, DestinationError> {
        may_block();
        let mut holder = self.holder.lock().unwrap();
        match *holder {
            Holder::AnotherRun => Err(Self::locked(pipeline)),
            Holder::ThisRun => panic!("the lock is taken twice"),
            Holder::Nobody => {
                *holder = Holder::ThisRun;
                Ok(Box::new(Guard(Arc::clone(&self.holder))))
            }
        }
    }

    fn load(&self, package: &LoadPackage<'_>) -> Result<Receipt, DestinationError> {
        may_block();
        assert_eq!(*self.holder.lock().unwrap(), Holder::ThisRun, "the lock is held to the end");
        match self.at_load {
            Load::Works => self.file.load(package),
            Load::Fails => Err(DestinationError::Statement {
                action: "load".to_owned(),
                reason: "the server is gone".to_owned(),
            }),
            Load::FindsAnotherRun => {
                *self.holder.lock().unwrap() = Holder::AnotherRun;
                Err(Self::locked(package.pipeline))
            }
        }
    }

    fn runs(&self, limit: u32) -> Result<Vec<StoredRun>, DestinationError> {
        self.file.runs(limit)
    }

    fn column_origins(&self) -> Result<Vec<ColumnOrigin>, DestinationError> {
        self.file.column_origins()
    }

    fn query(&self, sql: &str, limit: Option<usize>) -> Result<QueryResult, DestinationError> {
        self.file.query(sql, limit)
    }

    fn sql_type(&self, table: &str, column: &Column) -> Result<String, DestinationError> {
        self.file.sql_type(table, column)
    }
}

/// Keeps who was waited for, and does something about it.
struct Told<F> {
    waits: Mutex<Vec<String>>,
    then: F,
}

impl<F: Fn() + Send + Sync> Reporter for Told<F> {
    fn report(&self, event: Event<'_>) {
        if let Event::PipelineBusy { pipeline, holder } = event {
            self.waits.lock().unwrap().push(format!("{pipeline}: {holder}"));
            (self.then)();
        }
    }
}

/// An API with three pages, and a pipeline that may be held elsewhere.
struct Elsewhere {
    mock: Mock,
    workspace: Workspace,
    holder: Arc<Mutex<Holder>>,
}

impl Elsewhere {
    fn held_by(holder: Holder) -> Self {
        let mock = Mock::start(MockConfig::unlimited(300));
        let workspace = Workspace::members(&mock);
        Self { mock, workspace, holder: Arc::new(Mutex::new(holder)) }
    }

    /// A run whose wait, if it waits, has `then` happen; with who was waited for.
    fn run(
        &self,
        if_locked: IfLocked,
        at_load: Load,
        then: impl Fn(&watch::Sender<bool>) + Send + Sync + 'static,
    ) -> (Result<RunReport, Error>, Vec<String>) {
        let plan = Arc::new(self.workspace.plan());
        let DestinationPlan::DuckDb { path, .. } = &plan.destination else { panic!("{}", plan.destination) };
        let file = DuckDb::new(path.clone(), plan.dataset_identifier(), Duration::ZERO, |_| {});
        let destination = Arc::new(Shared { file, holder: Arc::clone(&self.holder), at_load });
        let (sender, stop) = watch::channel(false);
        let told = Arc::new(Told { waits: Mutex::default(), then: move || then(&sender) });
        let options = RunOptions { if_locked, ..RunOptions::default() };
        let reporter = Arc::clone(&told) as Arc<dyn Reporter>;
        let run = Run { plan: &plan, options: &options, destination, reporter, stop };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let result = runtime.block_on(pipeline::run(&run));
        assert!(Store::open(&plan.work_dir, &plan.pipeline).is_ok(), "the work directory is let go");
        let waits = told.waits.lock().unwrap().clone();
        (result, waits)
    }

    fn holder(&self) -> Holder {
        *self.holder.lock().unwrap()
    }
}

#[test]
fn a_pipeline_that_is_held_elsewhere_is_left_alone_unless_it_is_waited_for() {
    let elsewhere = Elsewhere::held_by(Holder::AnotherRun);

    let (result, _) = elsewhere.run(IfLocked::Fail, Load::Works, |_| panic!("it waits"));
    let error = result.unwrap_err();
    assert_eq!(error.exit_code(), 4);
    assert_eq!(
        chain(&error)[1],
        "another run holds pipeline `memberstack_pipeline`: host `db-7`, process 99"
    );
    let hint = error.hint().unwrap();
    assert!(hint.contains("`--if-locked wait`") && hint.contains("nothing was asked of the API"), "{hint}");

    let (result, _) = elsewhere.run(IfLocked::Skip, Load::Works, |_| panic!("it waits"));
    let report = result.unwrap();
    assert_eq!((report.status, report.exit_code()), (Status::Skipped, 0));
    assert_eq!(report.held_by.as_deref(), Some("host `db-7`, process 99"));

    let (result, waits) = elsewhere.run(IfLocked::Wait, Load::Works, |stop| stop.send(true).unwrap());
    assert_eq!(result.unwrap().status, Status::Stopped);
    assert_eq!(waits, ["memberstack_pipeline: host `db-7`, process 99"]);

    assert_eq!(elsewhere.mock.requests().len(), 0);
    assert_eq!((left_by(&elsewhere.workspace), elsewhere.holder()), (Left::Nothing, Holder::AnotherRun));
}

#[test]
fn a_run_elsewhere_is_waited_for_and_then_kept_out_until_the_end() {
    let elsewhere = Elsewhere::held_by(Holder::AnotherRun);
    let holder = Arc::clone(&elsewhere.holder);
    let (result, waits) =
        elsewhere.run(IfLocked::Wait, Load::Works, move |_| *holder.lock().unwrap() = Holder::Nobody);
    assert_eq!(result.unwrap().status, Status::Complete);
    assert_eq!(waits.len(), 1, "it is told once");
    assert_eq!(elsewhere.holder(), Holder::Nobody, "it is let go");
    elsewhere.workspace.db().content().expect(&Workspace::undisturbed(300));
}

#[test]
fn a_run_that_fails_lets_other_runs_in() {
    let elsewhere = Elsewhere::held_by(Holder::Nobody);
    let (result, _) = elsewhere.run(IfLocked::Fail, Load::Fails, |_| ());
    assert_eq!(result.unwrap_err().exit_code(), 1);
    assert_eq!(elsewhere.holder(), Holder::Nobody);
}

#[test]
fn a_lock_that_is_lost_to_another_run_costs_nothing_that_was_received() {
    let elsewhere = Elsewhere::held_by(Holder::Nobody);
    let (result, _) = elsewhere.run(IfLocked::Wait, Load::FindsAnotherRun, |_| panic!("it waits"));
    let error = result.unwrap_err();
    assert_eq!(error.exit_code(), 4);
    assert!(chain(&error)[0].starts_with("could not load package"), "{error}");
    assert!(error.hint().unwrap().contains("nothing that was received is lost"));
    assert_eq!((elsewhere.mock.requests().len(), left_by(&elsewhere.workspace)), (3, Left::All));
    assert_eq!(elsewhere.holder(), Holder::AnotherRun, "the other run's lock stays");

    *elsewhere.holder.lock().unwrap() = Holder::Nobody;
    let (result, _) = elsewhere.run(IfLocked::Fail, Load::Works, |_| ());
    let report = result.unwrap();
    assert_eq!((report.status, report.loads[0].rows), (Status::Complete, 300));
    assert_eq!(left_by(&elsewhere.workspace), Left::Nothing);
}
