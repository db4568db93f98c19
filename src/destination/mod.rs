//! Databases. They know tables, batches and dispositions; they know no API and no config file.

mod answers;
mod chain;
pub mod duckdb;
mod error;
mod evolution;
#[cfg(test)]
mod failpoint;
pub mod postgres;
mod sql;
mod strategy;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

use std::time::Duration;

use crate::normalize::Normalized;
use crate::schema::{Capabilities, Column, DeleteMode, Schema};
use crate::state::{LoadId, PipelineState};

pub use answers::{ColumnOrigin, QueryResult, StoredRun};
pub use error::DestinationError;
pub(crate) use error::PIPELINE_LOCKED_HINT;
pub(crate) use sql::quote;

/// How long a run waits for others to let go of what it needs before it gives up: DuckDB's file, tables of a server.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Keeps other runs of a pipeline out of a dataset until it is dropped. Dropping may block.
pub type PipelineGuard = Box<dyn Send>;

/// What a dataset holds of one pipeline.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// The newest schema of the source.
    pub schema: Option<Schema>,
    /// The newest state of the pipeline.
    pub state: Option<PipelineState>,
    /// The newest load of any schema.
    pub last_load: Option<LoadId>,
}

impl Committed {
    /// Hash of the schema, if there is one.
    pub fn schema_hash(&self) -> Option<String> {
        self.schema.as_ref().map(|schema| schema.version_hash.clone())
    }
}

/// All that one transaction commits.
#[derive(Debug)]
pub struct LoadPackage<'a> {
    /// Sortable id of the load.
    pub load_id: &'a LoadId,
    /// Name of the pipeline.
    pub pipeline: &'a str,
    /// Schema to commit, bumped, and the rows.
    pub rows: &'a Normalized,
    /// State to commit, bumped; `None` if it did not change.
    pub state: Option<&'a PipelineState>,
    /// Hash of the schema that the rows were normalized against; `None` if there was none. A load onto another
    /// schema is refused with [`DestinationError::SchemaMoved`].
    pub base_schema_hash: Option<&'a str>,
    /// Hash of the newest state that the package goes on from; `None` if there was none. Refused as another schema is.
    pub base_state_hash: Option<&'a str>,
    /// Whether an incremental resource is no longer where the package began: another run has loaded the same rows, or
    /// later ones. Refused with [`DestinationError::StateMoved`], unless the package itself was loaded.
    pub is_outdated: bool,
    /// Root tables that are emptied even if no row came (a `replace` resource that yielded none).
    pub emptied: &'a [String],
    /// Root tables whose rows are all in this package: others of them are gone from the API.
    pub deletes: &'a [Deletes],
    /// What `_forebay_runs` says of this load.
    pub runs: &'a [RunRecord],
}

/// What happens to rows of a root table that are not in a package, which has all that the API has.
#[derive(Debug, Clone)]
pub struct Deletes {
    /// The root table; it is merged by key. In others nothing can be missed, and nothing happens.
    pub table: String,
    /// Marked or removed.
    pub mode: DeleteMode,
    /// The largest part of the rows that may go, from 0 to 1. If more would, none do.
    pub max_share: f64,
}

/// What became of [`Deletes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedRows {
    /// The root table.
    pub table: String,
    /// Rows that the API no longer has, and that were not marked before.
    pub row_count: u64,
    /// Rows that the table had before the load, without those marked before.
    pub rows_before: u64,
    /// Whether they were too many: they are still there.
    pub refused: bool,
}

/// One row of `_forebay_runs`: what one resource did in one load.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// Name of the resource.
    pub resource: String,
    /// `complete`, `partial` or `unproven`.
    pub outcome: String,
    /// Rows received from the API.
    pub row_count: u64,
    /// Pages received.
    pub page_count: u64,
    /// Requests sent, repeated ones included.
    pub request_count: u64,
    /// When extraction of the resource began, Unix microseconds.
    pub started_at: i64,
    /// When it ended.
    pub finished_at: i64,
}

/// Values that the database cannot hold as they came, and that were changed so that it can: NUL in Postgres, say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// How many.
    pub value_count: u64,
}

/// What a load did.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The committed load.
    pub load_id: LoadId,
    /// Rows written, per table.
    pub tables: Vec<(String, u64)>,
    /// Columns added to tables that were there before, per table.
    pub added_columns: Vec<(String, Vec<String>)>,
    /// What became of rows that the API no longer has, per table.
    pub deleted: Vec<DeletedRows>,
    /// Values that are not as they came.
    pub repaired: Vec<Repaired>,
    /// Whether the load had been committed before: nothing was written now.
    pub already_loaded: bool,
    /// Time spent in the transaction.
    pub elapsed: Duration,
}

/// A place for datasets.
///
/// Methods block; callers give them a thread of their own. A destination keeps nothing open between calls but what
/// [`lock`](Self::lock) needs, so that other programs can use the database while pages come in.
pub trait Destination: Send {
    /// dlt's name of the kind, for the state document: `dlt.destinations.duckdb`.
    fn dlt_type(&self) -> &'static str;

    /// What it can hold.
    fn capabilities(&self) -> &'static Capabilities;

    /// Reads the newest schema of `source` and state of `pipeline`. A dataset that is not there yet is empty,
    /// and is not created by this. A state counts only if its load is in `_dlt_loads` with status 0, as in dlt.
    ///
    /// # Errors
    /// The database cannot be read, or holds a document that this version does not know.
    fn committed(&self, pipeline: &str, source: &str) -> Result<Committed, DestinationError>;

    /// Looks whether a load could be written, as far as that can be told without writing: before an API is asked for
    /// what could not be kept. `has_merges` says whether rows will meet others by key, which may take more.
    ///
    /// # Errors
    /// There is no place for the database, or no permission to write it.
    fn check_writable(&self, has_merges: bool) -> Result<(), DestinationError>;

    /// Keeps other runs of the pipeline out of the dataset, on whatever machine they are, until the guard is dropped or
    /// this process ends. Does not wait for one that is there already.
    ///
    /// What only one machine can write needs nothing: the lock of the work directory is enough, and this is the default.
    ///
    /// # Errors
    /// [`DestinationError::PipelineLocked`] while another run goes on, or the database cannot be reached.
    fn lock(&self, pipeline: &str) -> Result<PipelineGuard, DestinationError> {
        let _ = pipeline;
        Ok(Box::new(()))
    }

    /// Commits a package: DDL, rows, schema, state, ledger and run records in one transaction. A load id that
    /// is in the ledger already changes nothing, so a package may be loaded again after a crash at any moment.
    ///
    /// A lock that was lost since [`lock`](Self::lock), with its connection say, is taken again before anything is
    /// written; if another run got it meanwhile, the load ends with [`DestinationError::PipelineLocked`].
    ///
    /// # Errors
    /// Nothing of the package is in the database then.
    fn load(&self, package: &LoadPackage<'_>) -> Result<Receipt, DestinationError>;

    /// The newest `limit` rows of `_forebay_runs`, newest first. A dataset that is not there yet has none.
    ///
    /// # Errors
    /// The database cannot be read.
    fn runs(&self, limit: u32) -> Result<Vec<StoredRun>, DestinationError>;

    /// Where the columns of the dataset come from, and since when, by table. A dataset that is not there yet has none;
    /// nor has a column that only dlt wrote.
    ///
    /// # Errors
    /// The database cannot be read.
    fn column_origins(&self) -> Result<Vec<ColumnOrigin>, DestinationError>;

    /// Runs SQL that only reads and returns at most `limit` rows. Tables of the dataset need no prefix.
    ///
    /// # Errors
    /// There is no such database, it cannot be read, or the statement is wrong or would write.
    fn query(&self, sql: &str, limit: Option<usize>) -> Result<QueryResult, DestinationError>;

    /// The database's type of a column of `table`.
    ///
    /// # Errors
    /// It has none for this column.
    fn sql_type(&self, table: &str, column: &Column) -> Result<String, DestinationError>;
}
