//! Keeping other runs of the pipeline out: those on the same work directory, and those elsewhere that the destination
//! knows of.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};

use super::Run;
use crate::destination::PipelineGuard;
use crate::error::Error;
use crate::package::Store;
use crate::report::Event;

/// The pause after the first look at a lock that another run has; each further one is twice as long. Looking again is
/// all that can be stopped at any moment, on every kind of lock: a thread that sleeps in `flock` cannot be woken.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause: seldom enough for a database to look at, and short beside a run that is worth waiting for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a run does if another one holds its pipeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum IfLocked {
    /// Wait until the other run ends, however long that takes.
    Wait,
    /// Do nothing, and end with exit code 0.
    Skip,
    /// End with exit code 4.
    #[default]
    Fail,
}

/// A pipeline that is this run's alone.
pub(super) struct Hold {
    /// Its packages.
    pub(super) store: Store,
    guard: PipelineGuard,
}

/// Why the pipeline is not this run's.
pub(super) enum NotHeld {
    /// Another run has it, and this one does not want to wait.
    Skipped {
        /// Who has it.
        holder: String,
    },
    /// A signal came first.
    Stopped,
    /// It cannot be had.
    Failed(Error),
}

impl Hold {
    /// Takes the lock of the work directory, then that of the destination.
    pub(super) async fn take(run: &Run<'_>) -> Result<Self, NotHeld> {
        let plan = Arc::clone(run.plan);
        let store = take(run, move || Ok(Store::open(&plan.work_dir, &plan.pipeline)?)).await?;
        let (plan, destination) = (Arc::clone(run.plan), Arc::clone(&run.destination));
        let not_writable =
            move |source| Error::NotWritable { destination: plan.destination.to_string(), source };
        let pipeline = run.plan.pipeline.clone();
        let guard = take(run, move || destination.lock(&pipeline).map_err(&not_writable)).await?;
        Ok(Self { store, guard })
    }

    /// Lets other runs in. The work directory comes last: who waits for it finds the destination free.
    pub(super) async fn release(self) -> Result<(), JoinError> {
        let Self { store, guard } = self;
        spawn_blocking(move || drop(guard)).await?;
        drop(store);
        Ok(())
    }
}

impl From<Error> for NotHeld {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Takes a lock; if another run has it, does what the options say.
async fn take<T: Send + 'static>(
    run: &Run<'_>,
    lock: impl Fn() -> Result<T, Error> + Clone + Send + 'static,
) -> Result<T, NotHeld> {
    let mut stop = run.stop.clone();
    tokio::select! {
        biased;
        // An error means that nobody can ask to stop any more. A look that is under way is left to itself.
        Ok(_) = stop.wait_for(|stop| *stop) => Err(NotHeld::Stopped),
        taken = look_until_taken(run, lock) => taken,
    }
}

async fn look_until_taken<T: Send + 'static>(
    run: &Run<'_>,
    lock: impl Fn() -> Result<T, Error> + Clone + Send + 'static,
) -> Result<T, NotHeld> {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match spawn_blocking(lock.clone()).await.map_err(Error::from)? {
            Ok(taken) => return Ok(taken),
            Err(error) => error,
        };
        match (error.lock_holder(), run.options.if_locked) {
            (Some(holder), IfLocked::Wait) if pause == FIRST_PAUSE => {
                run.reporter.report(Event::PipelineBusy { pipeline: &run.plan.pipeline, holder });
            }
            (Some(_), IfLocked::Wait) => {}
            (Some(holder), IfLocked::Skip) => return Err(NotHeld::Skipped { holder: holder.to_owned() }),
            (Some(_), IfLocked::Fail) | (None, _) => return Err(error.into()),
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}
