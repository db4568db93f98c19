//! A look at the API: a few pages, loaded as a run would load them, into a database that is thrown away.

pub(super) mod online;
pub(super) mod preview;

use std::num::NonZeroUsize;
use std::sync::Arc;

use tempfile::TempDir;

use super::args::Common;
use super::open_destination;
use super::progress::Progress;
use super::signal::Signals;
use crate::config::{DestinationPlan, Plan};
use crate::destination::Destination;
use crate::destination::postgres::CONNECT_PATIENCE;
use crate::error::Error;
use crate::pipeline::{self, Run, RunOptions};
use crate::report::{Reporter, RunReport};

/// What a look brought.
struct Sample {
    report: RunReport,
    /// Name of the source.
    source: String,
    /// Gone with the sample, like all that was received.
    destination: Arc<dyn Destination + Sync>,
    _dir: TempDir,
}

/// How much is looked at.
struct Extent {
    /// Pages of each pagination.
    pages: u64,
    /// Paginations of a child resource: how many rows of the parent it is asked for. Of windows, the newest are tried
    /// until one has rows.
    series: u64,
}

/// Runs `resources`, or those that the config selects, as far as `extent` goes. The configured destination is neither
/// read nor written, so this starts where a first run would.
async fn sample(
    plan: &Plan,
    resources: &[String],
    extent: &Extent,
    common: &Common,
    signals: &Signals,
) -> Result<Sample, Error> {
    let changes = |name: &&String| plan.resource(name).is_some_and(|resource| resource.endpoint.mutates);
    if let Some(resource) = resources.iter().find(changes) {
        return Err(Error::LookAtChange { resource: resource.clone() });
    }
    let dir = tempfile::Builder::new().prefix("forebay-").tempdir().map_err(Error::Temporary)?;
    let mut plan = plan.clone();
    plan.work_dir = dir.path().to_owned();
    plan.destination =
        DestinationPlan::DuckDb { path: dir.path().join("sample.duckdb"), label: "a sample".to_owned() };
    for resource in &mut plan.resources {
        let paginator = &mut resource.endpoint.paginator;
        paginator.max_pages = paginator.max_pages.min(extent.pages);
        // Of a part of the rows nothing can be said about the others.
        resource.deletes = None;
        // What is looked at next depends on what came.
        resource.max_in_flight = NonZeroUsize::MIN;
    }
    let plan = Arc::new(plan);
    let progress = Arc::new(Progress::new(false));
    let reporter: Arc<dyn Reporter> = Arc::clone(&progress) as Arc<dyn Reporter>;
    let options = RunOptions {
        resources: resources.to_vec(),
        max_series: Some(extent.series),
        ..RunOptions::default()
    };
    let destination = open_destination(&plan, common, &reporter, CONNECT_PATIENCE);
    let run = Run {
        plan: &plan,
        options: &options,
        destination: Arc::clone(&destination),
        reporter,
        stop: signals.stop.clone(),
    };
    let report = pipeline::run(&run).await;
    progress.finish();
    Ok(Sample { report: report?, source: plan.source.clone(), destination, _dir: dir })
}
