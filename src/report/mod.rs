//! What happens during a run, as events; whoever renders them decides how they look.

mod run;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use run::{LoadReport, PendingWork, ResourceReport, RunReport, Status};

use crate::extract::{ResourceEnd, ResourceProgress};
use crate::http::HttpEvent;
use crate::process::FieldPath;
use crate::state::LoadId;

/// Something that happened. Names and counts only: no rows, no bodies, no secrets.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// An earlier run's extraction is gone on with.
    Resuming {
        /// The package.
        load_id: &'a LoadId,
        /// How long ago it was begun.
        age: Duration,
    },
    /// An earlier run's extraction is dropped.
    Dropping {
        /// The package.
        load_id: &'a LoadId,
        /// Why.
        reason: &'a str,
    },
    /// A package is being loaded.
    Loading {
        /// The package.
        load_id: &'a LoadId,
        /// Whether an earlier run left it.
        pending: bool,
    },
    /// A resource begins or goes on.
    ResourceStarted {
        /// Its name.
        resource: &'a str,
        /// Pages that an earlier run received.
        resumed_pages: u64,
        /// Rows in them.
        resumed_rows: u64,
    },
    /// A page was received and kept.
    Page {
        /// Name of the resource.
        resource: &'a str,
        /// Where it stands.
        progress: &'a ResourceProgress,
    },
    /// The first page told how the API pages; no paginator is configured.
    Detected {
        /// Name of the resource.
        resource: &'a str,
        /// The line that has the same paginator in a config file.
        chosen: &'a str,
    },
    /// No row of a resource had a field that is to be protected: its name may be wrong, and the values in plain sight.
    Unprotected {
        /// Name of the resource.
        resource: &'a str,
        /// The field, as the config has it.
        field: &'a FieldPath,
    },
    /// A page was received that is no JSON in the strict sense, and could be read.
    Repaired {
        /// Name of the resource.
        resource: &'a str,
        /// Number of the page in its pagination, from 1.
        page: u64,
    },
    /// A resource ended.
    ResourceEnded {
        /// How.
        end: &'a ResourceEnd,
    },
    /// The HTTP client waits or tries again.
    Http(HttpEvent),
    /// Another run holds the pipeline, and this one waits until it ends.
    PipelineBusy {
        /// Name of the pipeline.
        pipeline: &'a str,
        /// Who has it.
        holder: &'a str,
    },
    /// The destination is held by another program.
    DestinationBusy {
        /// Who has it.
        holder: &'a str,
    },
}

/// Is told what happens. Called from several threads.
pub trait Reporter: Send + Sync {
    /// Takes an event; must not block.
    fn report(&self, event: Event<'_>);
}

/// Unix time in microseconds.
pub fn now_micros() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}
