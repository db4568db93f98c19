//! Drives the resources: requests under quota, pages into the package, parents before children; all that does not
//! wait for another runs side by side.
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
mod verdict;
mod waiting;
mod window;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};

pub use error::ExtractError;
pub use progress::ResourceProgress;
pub use waiting::{Held, Scope};
pub use window::begin;

use crate::config::{Plan, ResourcePlan};
use crate::http::HttpClient;
use crate::package::{Journal, Outcome, Package, PackageError, PageRecord, Place, Record};
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
    /// Where the journal has it.
    pub place: Place,
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
    let wanted = &extraction.package.manifest.resources;
    let wanted: Vec<&ResourcePlan> =
        extraction.plan.resources.iter().filter(|resource| wanted.contains(&resource.name)).collect();
    let mut ends: Vec<ResourceEnd> = Vec::new();
    // Side by side on this task: connections are shared, and the quota decides who goes next.
    let mut running = FuturesUnordered::new();
    // First those without a parent, then those whose parent has ended.
    let mut ended: Option<ResourceEnd> = None;
    loop {
        let parent = ended.as_ref().map(|end| &end.resource);
        for resource in wanted.iter().filter(|resource| resource.parent.as_ref() == parent) {
            let done = progress.resource(&resource.name);
            let outcome = ended.as_ref().and_then(|end| end.outcome.clone());
            running.push(Box::pin(resource::extract(extraction, resource, done, &journal, outcome)));
        }
        ends.extend(ended);
        ended = running.next().await;
        if ended.is_none() {
            break;
        }
    }
    drop(running);
    refuse(extraction, &mut ends);
    hold_back(extraction, &mut ends);
    let mut journal = journal.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let standing = seal(extraction.plan, &mut journal, &ends)?;
    let order = |end: &ResourceEnd| {
        extraction.plan.resources.iter().position(|resource| resource.name == end.resource)
    };
    ends.sort_by_key(order);
    Ok(Extracted { resources: ends, standing })
}

impl Extraction<'_> {
    /// What is wrong with the rows of a resource, of which so many pages came, or with those above it.
    fn refusal(
        &self,
        refused: &BTreeMap<String, Refusal>,
        resource: &ResourcePlan,
        pages: u64,
    ) -> Option<ExtractError> {
        if let Some(Refusal { error, hint }) = refused.get(&resource.name) {
            return Some(ExtractError::Refused { pages, reason: Arc::clone(error), hint: hint.clone() });
        }
        let parent = resource.parent.clone()?;
        let mut above = self.plan.ancestors(resource);
        above.any(|other| refused.contains_key(&other.name)).then_some(ExtractError::Parent { parent })
    }
}

/// Takes back what had ended when something was found wrong with it.
fn refuse(extraction: &Extraction<'_>, ends: &mut [ResourceEnd]) {
    let Some(follower) = &extraction.follower else { return };
    let refused = follower.refused.borrow();
    for end in ends.iter_mut().filter(|end| end.outcome.as_ref().is_some_and(Outcome::is_loaded)) {
        let resource = extraction.plan.resource(&end.resource);
        let pages = end.progress.page_count;
        if let Some(error) = resource.and_then(|resource| extraction.refusal(&refused, resource, pages)) {
            end.outcome = Some(Outcome::Failed(error.to_string()));
            end.error = Some(error);
        }
    }
}

/// Takes back what would be there twice: rows that are appended, and have to come again for the sake of a resource that
/// is short. Where rows take their own places, the cursor above them waits, and that is all.
fn hold_back(extraction: &Extraction<'_>, ends: &mut [ResourceEnd]) {
    let Some(scope) = Scope::of(extraction.plan, &extraction.package.manifest) else { return };
    if ends.iter().any(|end| end.outcome.is_none()) {
        return;
    }
    let outcome = |name: &str| ends.iter().find(|end| end.resource == name)?.outcome.as_ref();
    for held in scope.held_back(&outcome) {
        if let Some(end) = ends.iter_mut().find(|end| end.resource == held.resource) {
            let error = ExtractError::Held { lacking: held.lacking };
            end.outcome = Some(Outcome::Failed(error.to_string()));
            end.error = Some(error);
        }
    }
}

/// Seals the journal if there is something to load.
fn seal(plan: &Plan, journal: &mut Journal, ends: &[ResourceEnd]) -> Result<Standing, PackageError> {
    let loadable = |end: &ResourceEnd| end.outcome.as_ref().is_some_and(Outcome::is_loaded);
    if ends.iter().any(|end| end.outcome.is_none()) {
        journal.sync()?;
        return Ok(Standing::Resumable);
    }
    if !ends.iter().any(loadable) {
        journal.sync()?;
        let has_pages =
            |name: &str| ends.iter().any(|end| end.resource == name && end.progress.page_count > 0);
        // Pages of a parent are of use to a child that may get further, be it not with its first request.
        let worth_keeping = |end: &ResourceEnd| match &end.error {
            Some(ExtractError::Parent { .. }) | None => false,
            Some(error) => {
                let resource = plan.resource(&end.resource).into_iter();
                let mut lineage = resource.flat_map(|resource| plan.lineage(resource));
                error.is_transient() && lineage.any(|resource| has_pages(&resource.name))
            }
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
