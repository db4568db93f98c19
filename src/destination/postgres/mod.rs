//! Postgres servers. A dataset is a schema of a database.
//!
//! Each call has a session of its own; only the lock of the pipeline keeps one for the whole run. A load is one
//! transaction, in which the server makes and changes tables, too: nobody sees any of it before the commit.

mod column_type;
mod connection;
mod copy;
mod database;
mod error;
mod lock;
mod migrate;
mod options;
mod password_file;
mod privileges;
mod query;
mod retry;
mod retype;
mod rows;
mod shared_log;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
mod value;

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::connection::Session;
use self::database::OpenDataset;
use self::lock::Attempt;
use self::options::Options;
pub use self::shared_log::{Found, SharedLog};
use super::sql::{self, Database, ledger, origins, runs};
use super::{
    ColumnOrigin, Committed, Destination, DestinationError, LoadPackage, PipelineGuard, QueryResult, Receipt,
    StoredRun,
};
use crate::config::PostgresPlan;
use crate::schema::{Capabilities, Column};

/// How long a run waits for a server that starts, is full or does not answer.
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(30);

/// What servers can hold, as they are built everywhere and as dlt makes its tables there.
static CAPABILITIES: Capabilities = Capabilities {
    max_identifier_length: 63,
    max_text_limit: Some(10_485_760),
    has_unique_ids: true,
    min_integer_bits: 16,
    max_decimal_digits: 1_000,
    // 2^256 has 78 digits.
    wei_digits: (156, 78),
};

/// How often something is tried that another transaction was in the way of, or whose connection broke. Of loads that
/// meet, at least one gets through each time.
const MAX_ATTEMPTS: u32 = 8;

/// Longest pause before the next try. It is drawn anew each time, so that two do not go on meeting.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long to wait before the next try.
fn retry_pause() -> Duration {
    LONGEST_PAUSE.mul_f64(fastrand::f64())
}

/// A dataset in a database of a server.
pub struct Postgres {
    url: PostgresPlan,
    /// What the server's list of sessions calls ours.
    application_name: String,
    dataset: String,
    patience: Duration,
    lock_timeout: Duration,
    held: Arc<Mutex<Option<Held>>>,
}

/// The lock of a pipeline: the server keeps it for as long as the session lasts.
struct Held {
    session: Session,
    pipeline: String,
}

impl Postgres {
    /// A dataset in the database at `url`; the dataset need not exist. Nothing is connected yet.
    ///
    /// Sessions wait for locks on tables at most `lock_timeout`, and bear the name of the pipeline.
    pub fn new(url: PostgresPlan, dataset: String, pipeline: &str, lock_timeout: Duration) -> Self {
        let application_name = lock::application_name(pipeline);
        Self { url, application_name, dataset, patience: Duration::ZERO, lock_timeout, held: Arc::default() }
    }

    /// The same, waiting for a server that starts, is full or does not answer: for runs, which nobody watches.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn connect(&self) -> Result<Session, DestinationError> {
        let environment = |name: &str| std::env::var(name).ok();
        let options = Options::resolve(&self.url, &self.application_name, &environment)?;
        Session::connect(&options, self.patience, self.lock_timeout)
    }

    fn open(&self) -> Result<OpenDataset, DestinationError> {
        let (session, dataset) = (self.connect()?, self.dataset.clone());
        Ok(OpenDataset { session, dataset, repaired: RefCell::default() })
    }

    /// Asks the dataset something.
    fn ask<T>(
        &self,
        question: impl FnOnce(&OpenDataset) -> Result<T, DestinationError>,
    ) -> Result<T, DestinationError> {
        let database = self.open()?;
        let answer = question(&database)?;
        database.session.close();
        Ok(answer)
    }

    /// Asks what takes no more than to read.
    fn read<T>(
        &self,
        question: impl FnOnce(&OpenDataset) -> Result<T, DestinationError>,
    ) -> Result<T, DestinationError> {
        self.ask(question).map_err(|error| match error {
            DestinationError::PermissionDenied { action, reason, .. } => {
                DestinationError::PermissionDenied { action, reason, hint: privileges::READ }
            }
            other => other,
        })
    }

    /// Takes the lock of a pipeline in a new session.
    fn hold(&self, pipeline: &str) -> Result<Held, DestinationError> {
        let session = self.connect()?;
        match lock::try_lock_pipeline(&session, &self.dataset, pipeline)? {
            Attempt::Acquired => Ok(Held { session, pipeline: pipeline.to_owned() }),
            Attempt::HeldBy(holder) => {
                Err(DestinationError::PipelineLocked { pipeline: pipeline.to_owned(), holder })
            }
        }
    }

    /// Takes the lock again if the session that had it is gone: a run may wait for hours between its beginning and its
    /// load.
    fn renew_lock(&self) -> Result<(), DestinationError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lost) = held.as_mut()
            && lost.session.execute_batch(&"look after the lock", "SELECT 1").is_err()
        {
            // Until there is a new one, the lost one stays: the next try has to know that there is a lock to take.
            *lost = self.hold(&lost.pipeline)?;
        }
        Ok(())
    }

    /// Takes a lock, asks or loads, again if need be. A load that was committed before its connection broke is found by
    /// its id.
    fn insist<T>(
        &self,
        attempt: impl Fn(&Self) -> Result<T, DestinationError>,
    ) -> Result<T, DestinationError> {
        let mut attempts = 1;
        loop {
            match attempt(self) {
                Err(error) if error.is_transient() && attempts < MAX_ATTEMPTS => {
                    tracing::debug!(%error, attempts, "try again");
                    attempts += 1;
                    std::thread::sleep(retry_pause());
                }
                result => return result,
            }
        }
    }

    /// One try to load; `written` is what an earlier one wrote, if it got to its commit.
    fn load_once(
        &self,
        package: &LoadPackage<'_>,
        written: &mut Option<Receipt>,
    ) -> Result<Receipt, DestinationError> {
        self.renew_lock()?;
        let database = self.open()?;
        let mut result = sql::load(&database, package, written);
        let repaired = database.repaired.take();
        if let (Ok(receipt), _) | (Err(_), Some(receipt)) = (&mut result, written)
            && !repaired.is_empty()
        {
            receipt.repaired = repaired;
        }
        let receipt = result?;
        database.session.close();
        Ok(receipt)
    }
}

/// Lets go of the lock of a pipeline.
struct Guard(Arc<Mutex<Option<Held>>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(held) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // On a thread of its own: a run that is told to stop drops its lock where nothing may block on a runtime.
            let _ = std::thread::spawn(move || held.session.close()).join();
        }
    }
}

impl Destination for Postgres {
    fn dlt_type(&self) -> &'static str {
        "dlt.destinations.postgres"
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn committed(&self, pipeline: &str, source: &str) -> Result<Committed, DestinationError> {
        self.insist(|postgres| {
            postgres.read(|database| ledger::read(database, &database.existing_tables()?, pipeline, source))
        })
    }

    fn check_writable(&self, has_merges: bool) -> Result<(), DestinationError> {
        self.insist(|postgres| postgres.ask(|database| database.check_writable(has_merges)))
    }

    fn lock(&self, pipeline: &str) -> Result<PipelineGuard, DestinationError> {
        let held = self.insist(|postgres| postgres.hold(pipeline))?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(Box::new(Guard(Arc::clone(&self.held))))
    }

    fn load(&self, package: &LoadPackage<'_>) -> Result<Receipt, DestinationError> {
        let written = RefCell::default();
        self.insist(|postgres| postgres.load_once(package, &mut written.borrow_mut()))
    }

    fn runs(&self, limit: u32) -> Result<Vec<StoredRun>, DestinationError> {
        self.read(|database| runs::read(database, &database.existing_tables()?, limit))
    }

    fn column_origins(&self) -> Result<Vec<ColumnOrigin>, DestinationError> {
        self.read(|database| origins::read(database, &database.existing_tables()?))
    }

    fn query(&self, sql: &str, limit: Option<usize>) -> Result<QueryResult, DestinationError> {
        self.read(|database| query::query(database, sql, limit))
    }

    fn sql_type(&self, table: &str, column: &Column) -> Result<String, DestinationError> {
        column_type::sql_type(table, column)
    }
}
