//! Where a run begins: which resources, from which cursors, with an earlier run's package or a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha3::{Digest, Sha3_256};

use super::{Run, RunOptions, conditional, rows};
use crate::config::{DataPlan, IncrementalPlan, Plan, ResourcePlan, Secret, did_you_mean};
use crate::destination::Committed;
use crate::error::Error;
use crate::extract::{Held, Scope};
use crate::http::carries_credentials;
use crate::package::{Manifest, Outcome, Package, Start};
use crate::paginate::PageCursor;
use crate::report::{Event, PendingWork, RunReport, now_micros};
use crate::schema::parse_instant_setting;
use crate::state::{Backfill, FULL_SCAN_AT, LoadId, OWN_STATE};

/// Why a package for which [`is_outdated`] holds is dropped.
pub(super) const OUTDATED: &str = "another run has loaded since";

/// The resources whose rows are loaded: the named ones, else those the config selects.
pub(super) fn selected(plan: &Plan, named: &[String]) -> Result<Vec<String>, Error> {
    if let Some(unknown) = named.iter().find(|name| plan.resource(name).is_none()) {
        let names: Vec<_> = plan.resources.iter().map(|resource| format!("`{}`", resource.name)).collect();
        let known = plan.resources.iter().map(|resource| resource.name.as_str());
        let hint = did_you_mean(unknown, known);
        return Err(Error::UnknownResource { name: unknown.clone(), known: names.join(", "), hint });
    }
    let wanted = |resource: &&ResourcePlan| match named {
        [] => resource.selected,
        named => named.contains(&resource.name),
    };
    let chosen: Vec<_> = plan.resources.iter().filter(wanted).collect();
    for resource in &chosen {
        let is_named = |parent: &&ResourcePlan| named.contains(&parent.name);
        let mut changes = plan.ancestors(resource).filter(|parent| parent.endpoint.mutates);
        if let Some(parent) = changes.find(|parent| !is_named(parent)) {
            let (resource, parent) = (resource.name.clone(), parent.name.clone());
            return Err(Error::UnnamedChange { resource, parent });
        }
    }
    let names: Vec<_> = chosen.into_iter().map(|resource| resource.name.clone()).collect();
    if names.is_empty() { Err(Error::NothingSelected) } else { Ok(names) }
}

/// Refuses a selection that would append rows of which some are left behind, and come again with all others.
pub(super) fn check_accompanied(plan: &Plan, options: &RunOptions, selected: &[String]) -> Result<(), Error> {
    if options.backfill.is_some() || options.max_series.is_some() {
        return Ok(());
    }
    let resources = extracted(plan, selected);
    let scope = Scope { plan, resources: &resources, selected };
    match scope.held_back(&|_| Some(&Outcome::Complete)).into_iter().next() {
        Some(Held { resource, cursor, lacking }) => Err(Error::Unaccompanied { resource, cursor, lacking }),
        None => Ok(()),
    }
}

/// The selected resources and the parents they need, in the order of the plan.
fn extracted(plan: &Plan, selected: &[String]) -> Vec<String> {
    let mut wanted: BTreeSet<&str> = selected.iter().map(String::as_str).collect();
    // Parents come before children, so one pass from the end finds all ancestors.
    for resource in plan.resources.iter().rev() {
        if let (true, Some(parent)) = (wanted.contains(resource.name.as_str()), &resource.parent) {
            wanted.insert(parent);
        }
    }
    let names = plan.resources.iter().map(|resource| &resource.name);
    names.filter(|name| wanted.contains(name.as_str())).cloned().collect()
}

/// The unfinished extraction that a run with these options may go on with. Others stay for the runs they belong to: a
/// nightly run must not drop what a backfill has received in hours, nor the other way round.
pub(super) fn of_this_kind(
    run: &Run<'_>,
    unfinished: Vec<Package>,
    report: &mut RunReport,
) -> Option<Package> {
    let (mut own, others): (Vec<_>, Vec<_>) =
        unfinished.into_iter().partition(|package| package.manifest.backfill == run.options.backfill);
    for other in others {
        let options = other.manifest.backfill.as_ref().map_or("no `--from`".to_owned(), |backfill| {
            let Backfill { from, to, window } = backfill;
            let to = to.as_ref().map_or(String::new(), |to| format!(" --to {to}"));
            let window = window.map_or(String::new(), |window| format!(" --window {window}"));
            format!("`--from {from}{to}{window}`")
        });
        report.warnings.push(format!(
            "an unfinished extraction ({}) was left alone: a run with {options} goes on with it",
            other.load_id()
        ));
    }
    own.pop()
}

/// Whether a package that only waited to be loaded is what this run was started for: a range, or changes, that an earlier
/// one with the same options read or made to the end. To do that once more would append the rows, or make the changes,
/// twice; whoever starts a run again after a crash wants them once.
pub(super) fn is_this_run(run: &Run<'_>, package: &Package, selected: &[String]) -> Result<bool, Error> {
    let manifest = &package.manifest;
    let changes = |name: &String| run.plan.resource(name).is_some_and(|resource| resource.endpoint.mutates);
    let is_once = manifest.backfill.is_some() || manifest.resources.iter().any(changes);
    let is_same = manifest.backfill == run.options.backfill
        && manifest.selected == selected
        && manifest.plan_hash == plan_hash(run.plan, selected);
    let asks_anew = run.options.restart || run.options.full_refresh;
    if !is_once || !is_same || asks_anew {
        return Ok(false);
    }
    Ok(rows::ends(package)?.values().all(|end| end.outcome.is_whole()))
}

/// Takes up an unfinished extraction, unless it is not wanted or was made for another plan.
pub(super) fn take_up(
    run: &Run<'_>,
    unfinished: Option<Package>,
    selected: &[String],
    committed: &Committed,
    report: &mut RunReport,
) -> Result<Option<Package>, Error> {
    let Some(package) = unfinished else { return Ok(None) };
    let load_id = package.load_id().clone();
    let reason = if run.options.restart {
        "`--restart` was given"
    } else if run.options.full_refresh && !package.manifest.full_refresh {
        "`--full-refresh` was given"
    } else if package.manifest.plan_hash != plan_hash(run.plan, &package.manifest.selected) {
        "the config has changed since"
    } else if is_outdated(run.plan, &package.manifest, committed) {
        OUTDATED
    } else if let Some(resource) = unnamed_change(run.plan, &package.manifest, selected) {
        return Err(Error::UnfinishedChange { load_id, resource });
    } else {
        let age = now_micros().saturating_sub(package.manifest.created_at);
        let age = Duration::from_micros(u64::try_from(age).unwrap_or(0));
        run.reporter.report(Event::Resuming { load_id: &load_id, age });
        if package.manifest.selected != selected {
            report.warnings.push(format!(
                "this run went on with an unfinished extraction of {}; run again for your own selection",
                package.manifest.selected.join(", ")
            ));
        }
        // dlt takes the state of the latest id, and others may have loaded since.
        return Ok(Some(match &committed.last_load {
            Some(last) if last >= package.load_id() => package.renew(LoadId::new(Some(last)))?,
            _ => package,
        }));
    };
    drop_package(run, package, reason, report)?;
    Ok(None)
}

/// A resource of an unfinished package that changes data, and that this run does not name.
fn unnamed_change(plan: &Plan, manifest: &Manifest, selected: &[String]) -> Option<String> {
    let mut extracted = manifest.resources.iter();
    let changes = |name: &&String| plan.resource(name).is_some_and(|resource| resource.endpoint.mutates);
    extracted.find(|name| changes(name) && !selected.contains(name)).cloned()
}

/// Removes a package that is of no use, and says why.
pub(super) fn drop_package(
    run: &Run<'_>,
    package: Package,
    reason: &str,
    report: &mut RunReport,
) -> Result<(), Error> {
    let load_id = package.load_id().clone();
    run.reporter.report(Event::Dropping { load_id: &load_id, reason });
    report.pending.push(PendingWork::Dropped { load_id, reason: reason.to_owned() });
    Ok(package.remove()?)
}

/// Whether an incremental resource is no longer where the package began: another run, on another machine, has loaded
/// the same rows, or later ones.
pub(super) fn is_outdated(plan: &Plan, manifest: &Manifest, committed: &Committed) -> bool {
    manifest.starts.iter().any(|(resource, start)| {
        let state = committed.state.as_ref().and_then(|state| state.resource(&plan.source, resource));
        state != start.state.as_ref()
    })
}

/// The manifest of a new package.
pub(super) fn manifest(run: &Run<'_>, selected: &[String], committed: &Committed) -> Manifest {
    let resources = extracted(run.plan, selected);
    let now = now_micros();
    let mut starts = BTreeMap::new();
    let mut validators = BTreeMap::new();
    let goes_on = !run.options.full_refresh && run.options.backfill.is_none();
    for resource in run.plan.resources.iter().filter(|resource| resources.contains(&resource.name)) {
        if let (Some(incremental), true) = (&resource.incremental, goes_on) {
            starts.insert(resource.name.clone(), start(run.plan, resource, incremental, committed, now));
        }
        if resource.endpoint.responses.conditional && !run.options.full_refresh {
            let state = committed.state.as_ref();
            let state = state.and_then(|state| state.resource(&run.plan.source, &resource.name));
            validators.insert(resource.name.clone(), conditional::known(resource, state));
        }
    }
    Manifest {
        format: Manifest::FORMAT,
        load_id: LoadId::new(committed.last_load.as_ref()),
        plan_hash: plan_hash(run.plan, selected),
        selected: selected.to_vec(),
        resources,
        starts,
        validators,
        full_refresh: run.options.full_refresh,
        backfill: run.options.backfill.clone(),
        is_look: run.options.max_series.is_some(),
        created_at: now,
    }
}

/// Where the state has an incremental resource.
fn start(
    plan: &Plan,
    resource: &ResourcePlan,
    incremental: &IncrementalPlan,
    committed: &Committed,
    now: i64,
) -> Start {
    let state = committed.state.as_ref().and_then(|state| state.resource(&plan.source, &resource.name));
    let own = |key: &str| state.and_then(|state| state.get(OWN_STATE)?.get(key));
    let full_scan = incremental.full_scan_every().is_some_and(|every| {
        let last = own(FULL_SCAN_AT).and_then(Value::as_str).and_then(parse_instant_setting);
        is_due(last, every, now)
    });
    let token = match incremental {
        IncrementalPlan::PageCursor { .. } if !full_scan => own("page_cursor").cloned(),
        _ => None,
    };
    let cursor = token.map_or(PageCursor::Start, PageCursor::Token);
    Start { cursor, state: state.cloned(), full_scan }
}

/// Whether a full scan is due. A run that a timer starts a little early still counts as the one that is meant: else
/// every other scan of a nightly run would be left out.
fn is_due(last: Option<i64>, every: Duration, now: i64) -> bool {
    let Some(last) = last else { return true };
    let age = Duration::from_micros(u64::try_from(now.saturating_sub(last)).unwrap_or(0));
    // A clock that was set back is not waited for.
    last > now || age >= every.mul_f64(0.99)
}

/// Hash of what decides which pages come and what they mean. Credentials, quotas and time-outs may change
/// while an extraction is cut.
fn plan_hash(plan: &Plan, selected: &[String]) -> String {
    let names = extracted(plan, selected);
    let resources = plan.resources.iter().filter(|resource| names.contains(&resource.name));
    let resources: Vec<_> = resources.map(fetched).collect();
    let base_url = plan.client.base_url.as_str();
    let headers = headers(&plan.client.headers);
    let fetched = json!([plan.pipeline, plan.source, base_url, headers, selected, resources]);
    URL_SAFE_NO_PAD.encode(Sha3_256::digest(fetched.to_string()))
}

/// Whether a package was made for a plan. Rows of another one may be made otherwise, or not be all there are.
pub(super) fn is_own_plan(plan: &Plan, package: &Package) -> bool {
    package.manifest.plan_hash == plan_hash(plan, &package.manifest.selected)
}

/// Headers as far as they choose rows: a tenant, a version, a language. Those that carry credentials may change.
fn headers(headers: &[(String, Secret)]) -> Vec<(String, &str)> {
    let named = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.expose()));
    named.filter(|(name, _)| !carries_credentials(name)).collect()
}

pub(super) fn fetched(resource: &ResourcePlan) -> Value {
    let endpoint = &resource.endpoint;
    json!({
        "name": resource.name,
        "table": resource.table,
        "parent": resource.parent,
        "include_from_parent": resource.include_from_parent,
        "primary_key": resource.hints.primary_key,
        // The hash key is none of what is compared: it shows as `***`.
        "process": format!("{:?}", resource.processor.plan()),
        "incremental": format!("{:?}", resource.incremental),
        "method": format!("{:?}", endpoint.method),
        "path": endpoint.path,
        "params": endpoint.params,
        "headers": headers(&endpoint.headers),
        "json": endpoint.json,
        "data": match &endpoint.data {
            None => Value::Null,
            Some(DataPlan::Form(fields)) => json!(fields),
            Some(DataPlan::Text(text)) => json!(text),
        },
        "data_selector": endpoint.data_selector.as_ref().map(ToString::to_string),
        "paginator": format!("{:?}", endpoint.paginator.kind),
        "responses": format!("{:?}", endpoint.responses),
    })
}
