//! The one place that knows all stages and their order.

mod ahead;
mod backfill;
mod conditional;
mod deletes;
mod hold;
mod load;
mod quota;
mod rows;
mod start;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ahead::Ahead;
use backfill::Selection;
use hold::{Hold, NotHeld};
use load::Brought;
use tokio::sync::watch;

use crate::config::Plan;
use crate::destination::{Committed, Destination, DestinationError};
use crate::error::{Error, chain};
use crate::extract::{self, ExtractError, Extracted, Extraction, ResourceEnd, Standing};
use crate::http::{Action, HttpClient};
use crate::package::{Outcome, Package, Pending, Store};
use crate::report::{Event, LoadReport, PendingWork, Reporter, ResourceReport, RunReport, Status};
use crate::schema::WriteDisposition;
use crate::state::Backfill;

pub use hold::IfLocked;

/// What the command line asks of a run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Resources to run, instead of the selected ones.
    pub resources: Vec<String>,
    /// Read all again, whatever the state says.
    pub full_refresh: bool,
    /// Drop an unfinished extraction.
    pub restart: bool,
    /// Read this range, whatever the state says, and leave the state alone.
    pub backfill: Option<Backfill>,
    /// What to do if another run holds the pipeline.
    pub if_locked: IfLocked,
    /// Paginations of a child resource after which it ends, for a look at an API. Its rows are loaded whatever their
    /// disposition: the database is the look's own.
    pub max_series: Option<u64>,
}

/// What a run works with.
pub struct Run<'a> {
    /// What to do.
    pub plan: &'a Arc<Plan>,
    /// How.
    pub options: &'a RunOptions,
    /// Where rows go.
    pub destination: Arc<dyn Destination + Sync>,
    /// Who is told.
    pub reporter: Arc<dyn Reporter>,
    /// Becomes true when a signal asks to stop.
    pub stop: watch::Receiver<bool>,
}

/// Runs a pipeline: what earlier runs left first, then its own work.
///
/// # Errors
/// See [`Error`]. Failures of single resources are in the report instead.
pub async fn run(run: &Run<'_>) -> Result<RunReport, Error> {
    let began = Instant::now();
    let selected = start::selected(run.plan, &run.options.resources)?;
    let Selection { resources: selected, left_out } = backfill::choose(run.plan, run.options, selected)?;
    let mut report = empty_report(run.plan);
    start::check_accompanied(run.plan, run.options, &selected)?;
    if !left_out.is_empty() {
        report
            .warnings
            .push(format!("left out, since a range of them cannot be read: {}", left_out.join(", ")));
    }
    match Hold::take(run).await {
        Ok(hold) => {
            let worked = work(run, &hold.store, &selected, &mut report).await;
            let released = hold.release().await;
            worked?;
            released?;
        }
        Err(NotHeld::Skipped { holder }) => {
            report.status = Status::Skipped;
            report.held_by = Some(holder);
        }
        Err(NotHeld::Stopped) => report.status = Status::Stopped,
        Err(NotHeld::Failed(error)) => return Err(error),
    }
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// What a run does once the pipeline is its own.
async fn work(
    run: &Run<'_>,
    store: &Store,
    selected: &[String],
    report: &mut RunReport,
) -> Result<(), Error> {
    run.check_writable(selected).await?;
    let mut unfinished = Vec::new();
    let mut is_done = false;
    for pending in store.pending()? {
        match pending {
            Pending::Extracted(package) => {
                let is_this = start::is_this_run(run, &package, selected)?;
                is_done |= load_pending(run, package, report).await? && is_this;
            }
            Pending::Extracting(package) => unfinished.push(package),
        }
    }
    if is_done {
        report.status = Status::Complete;
        return Ok(());
    }

    let committed = run.committed().await?;
    let unfinished = start::of_this_kind(run, unfinished, report);
    let resumed = start::take_up(run, unfinished, selected, &committed, report)?;
    let is_new = resumed.is_none();
    let package = match resumed {
        Some(package) => package,
        None => store.create(start::manifest(run, selected, &committed))?,
    };
    let client = run.client().await?;
    let ahead = Ahead::start(run.plan, &package, &committed, run.destination.capabilities());
    let extraction = Extraction {
        plan: run.plan,
        client: &client,
        package: &package,
        reporter: run.reporter.as_ref(),
        stop: run.stop.clone(),
        max_series: run.options.max_series,
        follower: Some(ahead.follower.clone()),
    };
    let extracted = extract::into_package(&extraction).await;
    drop(extraction);
    let prepared = match &extracted {
        Ok(Extracted { standing: Standing::Extracted, .. }) => ahead.finish().await,
        Ok(_) | Err(_) => {
            ahead.cancel().await;
            None
        }
    };
    let extracted = extracted?;
    if !is_new {
        let pages = extracted.resources.iter().map(|end| end.progress.resumed_pages).sum();
        report.pending.push(PendingWork::Resumed { load_id: package.load_id().clone(), pages });
    }
    report.resources = extracted.resources.iter().map(|end| resource_report(end, &client)).collect();
    report.warnings.extend(extracted.resources.iter().flat_map(settled));
    report.too_many_requests = client.counts().throttled;
    match extracted.standing {
        Standing::Extracted => {
            run.reporter.report(Event::Loading { load_id: package.load_id(), pending: false });
            load::load_new(run, package, prepared, &committed, report).await?;
        }
        Standing::Useless => package.remove()?,
        Standing::Resumable => report.is_resumable = true,
    }
    report.status = status(&extracted, report);
    Ok(())
}

/// Loads what an earlier run left; returns whether all of it is in the tables now.
async fn load_pending(run: &Run<'_>, package: Package, report: &mut RunReport) -> Result<bool, Error> {
    let load_id = package.load_id().clone();
    run.reporter.report(Event::Loading { load_id: &load_id, pending: true });
    for lost in package.manifest.selected.iter().filter(|name| run.plan.resource(name).is_none()) {
        report.warnings.push(format!(
            "rows of resource `{lost}` in package {load_id} were not loaded: the config has it no more"
        ));
    }
    match load::load_package(run, package.clone(), None, report).await {
        Ok(Brought { already_loaded, lacks_rows }) => {
            report.pending.push(match already_loaded {
                true => PendingWork::AlreadyLoaded { load_id },
                false => PendingWork::Loaded { load_id },
            });
            Ok(!lacks_rows)
        }
        // What it began is done; this run asks for all that follows.
        Err(Error::Load { source: DestinationError::StateMoved { .. }, .. }) => {
            start::drop_package(run, package, start::OUTDATED, report)?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

impl Run<'_> {
    /// Asks the destination whether a load could be written.
    async fn check_writable(&self, selected: &[String]) -> Result<(), Error> {
        let destination = Arc::clone(&self.destination);
        let mut resources = self.plan.resources.iter().filter(|resource| selected.contains(&resource.name));
        let has_merges =
            resources.any(|resource| resource.hints.write_disposition() == WriteDisposition::Merge);
        let checked = tokio::task::spawn_blocking(move || destination.check_writable(has_merges));
        checked
            .await?
            .map_err(|source| Error::NotWritable { destination: self.plan.destination.to_string(), source })
    }

    /// Reads schema and state from the destination.
    async fn committed(&self) -> Result<Committed, Error> {
        let destination = Arc::clone(&self.destination);
        let (pipeline, source) = (self.plan.pipeline.clone(), self.plan.source.clone());
        let read = tokio::task::spawn_blocking(move || destination.committed(&pipeline, &source));
        read.await?.map_err(|source: DestinationError| Error::State {
            pipeline: self.plan.pipeline.clone(),
            destination: self.plan.destination.to_string(),
            source,
        })
    }

    async fn client(&self) -> Result<HttpClient, Error> {
        let reporter = Arc::clone(&self.reporter);
        let events = Arc::new(move |event| reporter.report(Event::Http(event)));
        let sharing = quota::sharing(self.plan).await.map_err(Error::Client)?;
        let client = HttpClient::new(&self.plan.client, sharing, events).map_err(Error::Client)?;
        client.keep_credentials_in(self.plan.credentials_dir.clone());
        Ok(client)
    }
}

fn empty_report(plan: &Plan) -> RunReport {
    RunReport {
        pipeline: plan.pipeline.clone(),
        destination: plan.destination.to_string(),
        dataset: plan.dataset_identifier(),
        status: Status::Failed,
        held_by: None,
        pending: Vec::new(),
        resources: Vec::new(),
        loads: Vec::new(),
        warnings: Vec::new(),
        too_many_requests: 0,
        is_resumable: false,
        seconds: 0.0,
    }
}

/// What `response_actions` made of answers. It is told each time, so that what is wanted and what goes wrong can be
/// told apart by their number.
fn settled(end: &ResourceEnd) -> impl Iterator<Item = String> {
    end.progress.settled.iter().map(|((action, status), count)| {
        let answers = if *count == 1 { "1 answer" } else { &format!("{count} answers") };
        let done = match action {
            Action::Ignore => "ignored",
            Action::Stop => "taken for the end",
            Action::Empty => "taken to have no rows",
            Action::Retry | Action::Fail => "refused",
        };
        let verb = if *count == 1 { "was" } else { "were" };
        format!(
            "{answers} of resource `{}` with status {status} {verb} {done}, by `response_actions`",
            end.resource
        )
    })
}

fn resource_report(end: &ResourceEnd, client: &HttpClient) -> ResourceReport {
    let short = format!("resource `{}` is short", end.resource);
    let unproven = format!("resource `{}` may be short", end.resource);
    let verb = if matches!(end.error, Some(ExtractError::Refused { .. })) { "normalize" } else { "extract" };
    let failed = format!("could not {verb} resource `{}`", end.resource);
    let (outcome, causes) = match (&end.outcome, &end.error) {
        (None, _) => ("stopped", Vec::new()),
        (Some(Outcome::Complete), _) => ("complete", Vec::new()),
        (Some(Outcome::Unchanged), _) => ("unchanged", Vec::new()),
        (Some(Outcome::Unproven(reason)), _) => ("unproven", vec![unproven, reason.clone()]),
        (Some(Outcome::Partial(reason) | Outcome::Cut(reason)), _) => {
            ("partial", vec![short, reason.clone()])
        }
        (Some(Outcome::Failed(_)), Some(error)) => ("failed", [vec![failed], chain(error)].concat()),
        (Some(Outcome::Failed(reason)), None) => ("failed", vec![failed, reason.clone()]),
    };
    let progress = &end.progress;
    let micros = u64::try_from(progress.finished_at - progress.started_at).unwrap_or(0);
    ResourceReport {
        resource: end.resource.clone(),
        outcome: outcome.to_owned(),
        causes: causes.iter().map(|cause| client.redact(cause)).collect(),
        hint: end.error.as_ref().and_then(ExtractError::hint),
        rows: progress.row_count,
        total_rows: progress.total_rows,
        pages: progress.page_count,
        resumed_pages: progress.resumed_pages,
        requests: progress.request_count,
        too_many_requests: progress.throttled_count,
        seconds: Duration::from_micros(micros).as_secs_f64(),
        added_columns: 0,
    }
}

fn status(extracted: &Extracted, report: &RunReport) -> Status {
    if extracted.resources.iter().any(|end| end.outcome.is_none()) {
        return Status::Stopped;
    }
    let count = |outcome: &str| report.resources.iter().filter(|end| end.outcome == outcome).count();
    let whole = count("complete") + count("unchanged") + count("unproven");
    match (whole, count("failed")) {
        (whole, _) if whole == report.resources.len() => Status::Complete,
        (_, failed) if failed == report.resources.len() => Status::Failed,
        _ => Status::Partial,
    }
}
