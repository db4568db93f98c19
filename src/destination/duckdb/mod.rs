//! DuckDB files.
//!
//! The file is opened for reading at the start of a run, for writing during the load, and by nobody between: a
//! writer keeps every other process out, a reader keeps writers out.

mod column_type;
mod connection;
mod database;
mod delete_insert;
mod migrate;
mod query;
mod retype;
mod rows;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use self::connection::{Access, DatabaseFile, LockWait};
use super::sql::{self, Database, ledger, origins, runs};
use super::{
    ColumnOrigin, Committed, Destination, DestinationError, LoadPackage, QueryResult, Receipt, StoredRun,
};
use crate::schema::{Capabilities, Column};

pub use connection::OnWait;

/// What files can hold, and what dlt makes its tables for there.
static CAPABILITIES: Capabilities = Capabilities {
    max_identifier_length: 65_536,
    max_text_limit: None,
    has_unique_ids: false,
    min_integer_bits: 8,
    max_decimal_digits: 38,
    wei_digits: (38, 0),
};

/// A dataset in a DuckDB file.
pub struct DuckDb {
    path: PathBuf,
    dataset: String,
    lock_timeout: Duration,
    on_wait: OnWait,
}

impl DuckDb {
    /// A dataset in the file at `path`, neither of which needs to exist. Nothing is opened yet.
    ///
    /// `on_wait` is told who has the file, once each time that has to be waited for, at most `lock_timeout`.
    pub fn new(
        path: PathBuf,
        dataset: String,
        lock_timeout: Duration,
        on_wait: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        Self { path, dataset, lock_timeout, on_wait: Box::new(on_wait) }
    }

    fn open(&self, access: Access) -> Result<DatabaseFile, DestinationError> {
        let wait = LockWait { timeout: self.lock_timeout, on_wait: &self.on_wait };
        DatabaseFile::open(&self.path, &self.dataset, access, &wait)
    }

    fn open_existing(&self) -> Result<Option<DatabaseFile>, DestinationError> {
        let is_there = self.path.try_exists().map_err(|error| DestinationError::Open {
            file: self.path.display().to_string(),
            reason: error.to_string(),
        })?;
        is_there.then(|| self.open(Access::Read)).transpose()
    }
}

impl Destination for DuckDb {
    fn dlt_type(&self) -> &'static str {
        "dlt.destinations.duckdb"
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn committed(&self, pipeline: &str, source: &str) -> Result<Committed, DestinationError> {
        let Some(database) = self.open_existing()? else {
            return Ok(Committed::default());
        };
        ledger::read(&database, &database.existing_tables()?, pipeline, source)
    }

    fn check_writable(&self, _has_merges: bool) -> Result<(), DestinationError> {
        connection::check_writable(&self.path)
    }

    fn load(&self, package: &LoadPackage<'_>) -> Result<Receipt, DestinationError> {
        sql::load(&self.open(Access::Write)?, package, &mut None)
    }

    fn runs(&self, limit: u32) -> Result<Vec<StoredRun>, DestinationError> {
        let Some(database) = self.open_existing()? else {
            return Ok(Vec::new());
        };
        runs::read(&database, &database.existing_tables()?, limit)
    }

    fn column_origins(&self) -> Result<Vec<ColumnOrigin>, DestinationError> {
        let Some(database) = self.open_existing()? else {
            return Ok(Vec::new());
        };
        origins::read(&database, &database.existing_tables()?)
    }

    fn query(&self, sql: &str, limit: Option<usize>) -> Result<QueryResult, DestinationError> {
        let database = self.open(Access::Read)?;
        database.use_dataset();
        query::query(&database, sql, limit)
    }

    fn sql_type(&self, table: &str, column: &Column) -> Result<String, DestinationError> {
        column_type::sql_type(table, column)
    }
}
