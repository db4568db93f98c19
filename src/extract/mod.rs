//! Drives the resources: requests under quota, pages into the package, parents before children.
//!
//! Pages go to the package as they came. Nothing here looks into a row but for the fields that a child
//! resource takes from its parent's.

mod answer;
mod conditional;
mod error;
mod parent;
mod progress;
mod request;
mod resource;
mod rows;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

pub use error::ExtractError;
pub use progress::ResourceProgress;

use crate::config::{Plan, ResourcePlan};
use crate::http::HttpClient;
use crate::package::{Journal, Outcome, Package, PackageError, PageRecord, Record};
use crate::report::Reporter;
use progress::Progress;

/// How the extraction of a package ended.
#[derive(Debug)]
pub struct Extracted {
    /// What each resource of the package did, in the order of the plan.
    pub resources: Vec<ResourceEnd>,
    /// Where the package stands.
    pub standing: Standing,
}

/// What one resource did.
#[derive(Debug)]
pub struct ResourceEnd {
    /// Its name.
    pub resource: String,
    /// Pages, rows and requests, those of a cut run included.
    pub progress: ResourceProgress,
    /// How it ended; `None` if a signal stopped it.
    pub outcome: Option<Outcome>,
    /// Why it is not complete, if it is not and this run found out.
    pub error: Option<ExtractError>,
}

/// Where a package stands after extraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Sealed: to be loaded.
    Extracted,
    /// The next run goes on with it.
    Resumable,
    /// No use in keeping it: nothing came, or the same pages would fail again.
    Useless,
}

/// Everything an extraction needs.
pub struct Extraction<'a> {
    /// What to extract.
    pub plan: &'a Plan,
    /// The API.
    pub client: &'a HttpClient,
    /// Where pages go.
    pub package: &'a Package,
    /// Who is told.
    pub reporter: &'a dyn Reporter,
    /// Becomes true when a signal asks to stop.
    pub stop: watch::Receiver<bool>,
    /// Paginations of a child resource after which it ends. `None`: all; then part of the rows of a resource never
    /// takes the place of all.
    pub max_series: Option<u64>,
    /// Who works on pages as they come.
    pub follower: Option<Follower>,
}

/// Somebody who works on pages as they come, and may find that there is no use in more of them.
#[derive(Debug, Clone)]
pub struct Follower {
    /// Gets each page once it is kept.
    pub pages: mpsc::Sender<KeptPage>,
    /// Resources whose rows cannot be loaded: nothing more is asked for them.
    pub refused: watch::Receiver<BTreeMap<String, Refusal>>,
}

/// A page that the journal has.
#[derive(Debug)]
pub struct KeptPage {
    /// Which of its resource's pages in the journal, from 1.
    pub number: u64,
    /// What the journal says of it.
    pub page: PageRecord,
    /// Its rows.
    pub rows: Bytes,
}

/// Why the rows of a resource cannot be loaded.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What is wrong with them.
    pub error: Arc<dyn std::error::Error + Send + Sync>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Extracts what the package still lacks. A resource that fails leaves the others alone.
///
/// # Errors
/// The package cannot be written; failures of the API are in [`ResourceEnd::error`].
pub async fn into_package(extraction: &Extraction<'_>) -> Result<Extracted, PackageError> {
    let progress = Progress::read(extraction.package)?;
    let journal = Mutex::new(extraction.package.journal()?);
    let mut ends: Vec<ResourceEnd> = Vec::new();
    for level in levels(extraction) {
        let running = level.iter().map(|resource| {
            let done = progress.resource(&resource.name);
            resource::extract(extraction, resource, done, &journal, &ends)
        });
        ends.extend(join_all(running).await);
    }
    let mut journal = journal.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let standing = seal(&mut journal, &ends)?;
    let order = |end: &ResourceEnd| {
        extraction.plan.resources.iter().position(|resource| resource.name == end.resource)
    };
    ends.sort_by_key(order);
    Ok(Extracted { resources: ends, standing })
}

/// The package's resources, grouped so that each group's parents are in earlier groups.
fn levels<'a>(extraction: &Extraction<'a>) -> Vec<Vec<&'a ResourcePlan>> {
    let wanted = &extraction.package.manifest.resources;
    let mut levels: Vec<Vec<&ResourcePlan>> = Vec::new();
    for resource in extraction.plan.resources.iter().filter(|resource| wanted.contains(&resource.name)) {
        let holds = |level: &Vec<&ResourcePlan>| {
            level.iter().any(|other| Some(&other.name) == resource.parent.as_ref())
        };
        let level = levels.iter().position(holds).map_or(0, |parents| parents + 1);
        if level == levels.len() {
            levels.push(Vec::new());
        }
        levels[level].push(resource);
    }
    levels
}

/// Runs futures side by side on this task: one connection is shared, and the quota decides who goes next.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut running {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

/// Seals the journal if there is something to load.
fn seal(journal: &mut Journal, ends: &[ResourceEnd]) -> Result<Standing, PackageError> {
    let loadable = |end: &ResourceEnd| end.outcome.as_ref().is_some_and(Outcome::is_loaded);
    if ends.iter().any(|end| end.outcome.is_none()) {
        journal.sync()?;
        return Ok(Standing::Resumable);
    }
    if !ends.iter().any(loadable) {
        journal.sync()?;
        let worth_keeping = |end: &ResourceEnd| {
            end.progress.page_count > 0 && end.error.as_ref().is_some_and(ExtractError::is_transient)
        };
        let keep = ends.iter().any(worth_keeping);
        return Ok(if keep { Standing::Resumable } else { Standing::Useless });
    }
    for end in ends {
        if let Some(outcome @ Outcome::Failed(_)) = &end.outcome {
            journal.append(&end.progress.end_record(&end.resource, outcome.clone()))?;
        }
    }
    // What follows needs no durable journal: a power cut before the commit costs what was not written yet.
    journal.append(&Record::Sealed)?;
    Ok(Standing::Extracted)
}
