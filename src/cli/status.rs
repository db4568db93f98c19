//! `forebay status`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{Format, StatusArgs};
use super::progress::Progress;
use super::render::counted;
use super::{fail, load_plan, open_destination, print_out, time};
use crate::config::Plan;
use crate::destination::{Committed, Destination, StoredRun};
use crate::error::Error;
use crate::package::{PackageError, Pending, Record, Store};
use crate::report::Reporter;
use crate::state::{FULL_SCAN_AT, OWN_STATE};

/// Everything there is to know of a pipeline between two runs.
struct Standing {
    running: bool,
    pending: Vec<PendingPackage>,
    committed: Committed,
    runs: Vec<StoredRun>,
}

struct PendingPackage {
    load_id: String,
    sealed: bool,
    /// Pages and rows per resource.
    resources: BTreeMap<String, (u64, u64)>,
}

/// Shows the last loads, unfinished work and cursors of a pipeline.
pub(super) fn status(args: &StatusArgs) -> u8 {
    let plan = match load_plan(&args.config, &args.common) {
        Ok(plan) => plan,
        Err(error) => return fail(&Error::Config(error)),
    };
    let reporter: Arc<dyn Reporter> = Arc::new(Progress::new(false));
    let destination = open_destination(&plan, &args.common, &reporter, Duration::ZERO);
    match read(&plan, destination.as_ref(), args.limit) {
        Ok(standing) if args.output.format == Format::Json => {
            print_out(&format!("{}\n", json(&plan, &standing)));
        }
        Ok(standing) => print_out(&text(&plan, &standing)),
        Err(error) => return fail(&error),
    }
    0
}

fn read(plan: &Plan, destination: &dyn Destination, limit: u32) -> Result<Standing, Error> {
    let (running, pending) = match Store::peek(&plan.work_dir, &plan.pipeline)? {
        Some(pending) => (false, pending.iter().map(pending_package).collect::<Result<_, _>>()?),
        None => (true, Vec::new()),
    };
    let unreadable = |source| Error::State {
        pipeline: plan.pipeline.clone(),
        destination: plan.destination.to_string(),
        source,
    };
    Ok(Standing {
        running,
        pending,
        committed: destination.committed(&plan.pipeline, &plan.source).map_err(unreadable)?,
        runs: destination.runs(limit).map_err(unreadable)?,
    })
}

fn pending_package(pending: &Pending) -> Result<PendingPackage, PackageError> {
    let package = pending.package();
    let mut resources = BTreeMap::new();
    for record in package.headers()? {
        if let Record::Page(page, _) = record? {
            let (pages, rows) = resources.entry(page.resource).or_insert((0, 0));
            *pages += 1;
            *rows += page.row_count;
        }
    }
    Ok(PendingPackage {
        load_id: package.load_id().to_string(),
        sealed: matches!(pending, Pending::Extracted(_)),
        resources,
    })
}

/// The stored cursor of a resource, in dlt's form or ours.
fn cursors<'a>(plan: &'a Plan, committed: &'a Committed) -> impl Iterator<Item = (&'a str, &'a Value)> {
    plan.resources.iter().filter_map(|resource| {
        let state = committed.state.as_ref()?.resource(&plan.source, &resource.name)?;
        let page_cursor = state.get(OWN_STATE).filter(|own| own.get("page_cursor").is_some());
        let cursor = page_cursor.or_else(|| state.get("incremental"))?;
        Some((resource.name.as_str(), cursor))
    })
}

/// When everything was last read of a resource that has `full_scan_every`.
fn full_scans<'a>(plan: &'a Plan, committed: &'a Committed) -> impl Iterator<Item = (&'a str, &'a str)> {
    plan.resources.iter().filter_map(|resource| {
        let state = committed.state.as_ref()?.resource(&plan.source, &resource.name)?;
        let at = state.get(OWN_STATE)?.get(FULL_SCAN_AT)?.as_str()?;
        Some((resource.name.as_str(), at))
    })
}

fn json(plan: &Plan, standing: &Standing) -> Value {
    let pending = standing.pending.iter().map(|package| {
        let resources = package.resources.iter();
        let resources =
            resources.map(|(name, (pages, rows))| (name.clone(), json!({"pages": pages, "rows": rows})));
        json!({
            "load_id": package.load_id,
            "state": if package.sealed { "extracted" } else { "extracting" },
            "resources": resources.collect::<serde_json::Map<_, _>>(),
        })
    });
    let runs = standing.runs.iter().map(|run| {
        json!({
            "load_id": run.load_id,
            "pipeline": run.pipeline,
            "resource": run.record.resource,
            "outcome": run.record.outcome,
            "rows": run.record.row_count,
            "pages": run.record.page_count,
            "requests": run.record.request_count,
            "started_at": time(run.record.started_at),
            "finished_at": time(run.record.finished_at),
        })
    });
    let cursors = cursors(plan, &standing.committed).map(|(name, cursor)| (name.to_owned(), cursor.clone()));
    let full_scans = full_scans(plan, &standing.committed).map(|(name, at)| (name.to_owned(), at.into()));
    json!({
        "pipeline": plan.pipeline,
        "destination": plan.destination.to_string(),
        "dataset": plan.dataset_identifier(),
        "running": standing.running,
        "pending": pending.collect::<Vec<_>>(),
        "full_scans": full_scans.collect::<serde_json::Map<_, _>>(),
        "cursors": cursors.collect::<serde_json::Map<_, _>>(),
        "runs": runs.collect::<Vec<_>>(),
    })
}

fn text(plan: &Plan, standing: &Standing) -> String {
    let mut text = format!(
        "pipeline {} into {}, dataset {}\n",
        plan.pipeline,
        plan.destination,
        plan.dataset_identifier()
    );
    if standing.running {
        text.push_str("a run is going on\n");
    }
    for package in &standing.pending {
        let what =
            if package.sealed { "waits to be loaded" } else { "is unfinished; the next run goes on with it" };
        let _ = writeln!(text, "package {} {what}", package.load_id);
        for (name, (pages, rows)) in &package.resources {
            let _ = writeln!(text, "  {name}: {}, {}", counted(*pages, "page"), counted(*rows, "row"));
        }
    }
    for (name, cursor) in cursors(plan, &standing.committed) {
        let _ = writeln!(text, "cursor of {name}: {cursor}");
    }
    for (name, at) in full_scans(plan, &standing.committed) {
        let _ = writeln!(text, "last full read of {name}: {at}");
    }
    if standing.runs.is_empty() {
        text.push_str("no loads yet\n");
        return text;
    }
    text.push_str("last loads:\n");
    let width = standing.runs.iter().map(|run| run.record.resource.len()).max().unwrap_or(0);
    for run in &standing.runs {
        let record = &run.record;
        let _ = writeln!(
            text,
            "  {}   {:width$}   {:8}   {}   {}   load {}",
            time(record.finished_at),
            record.resource,
            record.outcome,
            counted(record.row_count, "row"),
            counted(record.request_count, "request"),
            run.load_id
        );
    }
    text
}
