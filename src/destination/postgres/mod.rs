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
mod query;
mod retry;
mod retype;
mod rows;
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

/// How often a load is tried that another transaction was in the way of, or whose connection broke. Each time at
/// least one of those that met gets through.
const MAX_ATTEMPTS: u32 = 8;

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
        if let Some(lost) = held.take_if(|held| held.session.execute_batch(&"look", "SELECT 1").is_err()) {
            *held = Some(self.hold(&lost.pipeline)?);
        }
        Ok(())
    }

    fn load_once(&self, package: &LoadPackage<'_>) -> Result<Receipt, DestinationError> {
        self.renew_lock()?;
        let database = self.open()?;
        let mut receipt = sql::load(&database, package)?;
        receipt.repaired = database.repaired.take();
        database.session.close();
        Ok(receipt)
    }
}

/// Lets go of the lock of a pipeline.
struct Guard(Arc<Mutex<Option<Held>>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(held) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            held.session.close();
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
        self.ask(|database| ledger::read(database, &database.existing_tables()?, pipeline, source))
    }

    fn check_writable(&self) -> Result<(), DestinationError> {
        self.ask(OpenDataset::check_writable)
    }

    fn lock(&self, pipeline: &str) -> Result<PipelineGuard, DestinationError> {
        let held = self.hold(pipeline)?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(Box::new(Guard(Arc::clone(&self.held))))
    }

    fn load(&self, package: &LoadPackage<'_>) -> Result<Receipt, DestinationError> {
        let mut attempt = 1;
        loop {
            match self.load_once(package) {
                // A load that was committed before its connection broke is found by its id.
                Err(error) if error.is_transient() && attempt < MAX_ATTEMPTS => {
                    tracing::debug!(%error, attempt, "load again");
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn runs(&self, limit: u32) -> Result<Vec<StoredRun>, DestinationError> {
        self.ask(|database| runs::read(database, &database.existing_tables()?, limit))
    }

    fn column_origins(&self) -> Result<Vec<ColumnOrigin>, DestinationError> {
        self.ask(|database| origins::read(database, &database.existing_tables()?))
    }

    fn query(&self, sql: &str, limit: Option<usize>) -> Result<QueryResult, DestinationError> {
        self.ask(|database| query::query(database, sql, limit))
    }

    fn sql_type(&self, table: &str, column: &Column) -> Result<String, DestinationError> {
        column_type::sql_type(table, column)
    }
}
