//! The outcome of a run, as data: rendered as text for people and cron mail, as JSON for programs.

use serde::Serialize;

use crate::state::LoadId;

/// How a run ended. The exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Every resource is complete, as far as its API lets that be told.
    Complete,
    /// Some resources failed or are short; the others are loaded.
    Partial,
    /// Nothing of this run was committed.
    Failed,
    /// A signal stopped it; what was received is kept.
    Stopped,
    /// Another run holds the pipeline, and this one was not to wait: it did nothing.
    Skipped,
}

/// The outcome of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Name of the pipeline.
    pub pipeline: String,
    /// The destination as configured.
    pub destination: String,
    /// The dataset.
    pub dataset: String,
    /// How it ended.
    pub status: Status,
    /// The run that holds the pipeline, if this one was skipped for it: `process 1234`.
    pub held_by: Option<String>,
    /// What earlier runs left and this one did.
    pub pending: Vec<PendingWork>,
    /// What each resource did.
    pub resources: Vec<ResourceReport>,
    /// What was committed, earlier runs' packages first.
    pub loads: Vec<LoadReport>,
    /// Things to look at.
    pub warnings: Vec<String>,
    /// Requests that the server refused for their rate.
    pub too_many_requests: u64,
    /// Whether pages were received that are kept but not loaded: the next run goes on after them.
    pub is_resumable: bool,
    /// Seconds from start to end.
    pub seconds: f64,
}

/// Work of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum PendingWork {
    /// Its extraction was gone on with.
    Resumed {
        /// The package.
        load_id: LoadId,
        /// Pages it had.
        pages: u64,
    },
    /// Its package was loaded.
    Loaded {
        /// The package.
        load_id: LoadId,
    },
    /// Its package had been loaded: the run ended before it could remove it.
    AlreadyLoaded {
        /// The package.
        load_id: LoadId,
    },
    /// Its extraction was dropped.
    Dropped {
        /// The package.
        load_id: LoadId,
        /// Why.
        reason: String,
    },
}

/// What one resource did.
#[derive(Debug, Clone, Serialize)]
pub struct ResourceReport {
    /// Its name.
    pub resource: String,
    /// `complete`, `unchanged` (the rows of the last load stand), `unproven`, `partial`, `failed` or `stopped`.
    pub outcome: String,
    /// Why it is not complete: each level of the error once, what was being done first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Rows received.
    pub rows: u64,
    /// Rows that the API says there are.
    pub total_rows: Option<u64>,
    /// Pages received.
    pub pages: u64,
    /// Pages of them that an earlier run received.
    pub resumed_pages: u64,
    /// Requests sent, repeated ones included.
    pub requests: u64,
    /// Requests of this run that the server refused for their rate.
    pub too_many_requests: u64,
    /// Seconds from its first request to its last page.
    pub seconds: f64,
    /// Columns that its tables got, beyond those of new tables.
    pub added_columns: usize,
}

/// What one load committed.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// Its id.
    pub load_id: LoadId,
    /// Rows of root tables.
    pub rows: u64,
    /// Rows per table, children included.
    pub tables: Vec<(String, u64)>,
    /// Columns added to tables that were there before.
    pub added_columns: Vec<(String, Vec<String>)>,
    /// Rows of root tables that the API no longer has, marked or removed as the config says.
    pub deleted: Vec<(String, u64)>,
    /// Seconds in the database.
    pub seconds: f64,
}

impl RunReport {
    /// The exit code for this outcome; a signal's own code is the caller's to add.
    pub fn exit_code(&self) -> u8 {
        match self.status {
            Status::Complete | Status::Skipped => 0,
            Status::Failed => 1,
            Status::Partial => 3,
            Status::Stopped => 130,
        }
    }
}
