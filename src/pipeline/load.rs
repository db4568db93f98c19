//! A sealed package becomes rows, schema and state in the destination: one transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ahead::Prepared;
use super::deletes::{self, Decision, Refused};
use super::rows::{self, ResourceRecord, Tables};
use super::{LoadReport, Run, start};
use crate::config::{Plan, ResourcePlan};
use crate::destination::{
    Committed, DeletedRows, Destination, DestinationError, LoadPackage, Receipt, Repaired, RunRecord,
};
use crate::error::{Error, chain};
use crate::extract::{ExtractError, Held, Scope};
use crate::normalize::{NormalizeError, Retype, replace_retype};
use crate::package::{Outcome, Package};
use crate::report::RunReport;
use crate::schema::{Schema, Table, WriteDisposition, normalize_path};
use crate::state::PipelineState;

/// How often a package is normalized again because columns need other types. A column gets wider three times at
/// most, and all of them are found at once nearly always.
const MAX_RETYPINGS: u32 = 10;
/// How often a load starts over because somebody else changed the schema meanwhile.
const MAX_SCHEMA_MOVES: u32 = 5;

/// Loads a package that was extracted just now. If there is nothing new in it, the database is not opened again:
/// whatever others did to it since `known` was read, there is nothing to write.
pub(super) async fn load_new(
    run: &Run<'_>,
    package: Package,
    prepared: Option<Prepared>,
    known: &Committed,
    report: &mut RunReport,
) -> Result<(), Error> {
    if let Some(prepared) = &prepared
        && let Some(tables) = prepared.tables()
        && Attempt::new(run, &package, &BTreeSet::new(), &[]).has_nothing_new(tables, known)
    {
        report.warnings.extend(tables.warnings.iter().cloned());
        return Ok(package.remove()?);
    }
    load_package(run, package, prepared, report).await.map(drop)
}

/// What became of a package.
pub(super) struct Brought {
    /// Whether an earlier run had loaded it, so that nothing was written now.
    pub(super) already_loaded: bool,
    /// Whether resources were left out.
    pub(super) lacks_rows: bool,
}

/// Normalizes and loads a package, then removes it. A resource whose rows do not fit is left out and reported.
pub(super) async fn load_package(
    run: &Run<'_>,
    package: Package,
    mut prepared: Option<Prepared>,
    report: &mut RunReport,
) -> Result<Brought, Error> {
    let mut excluded = BTreeSet::new();
    let mut retyped = prepared.as_ref().map_or_else(Vec::new, |prepared| prepared.retypes().to_vec());
    let (mut moves, mut retypings) = (0, 0);
    let (loaded, warnings) = loop {
        let committed = run.committed().await.map_err(|error| match error {
            // The package is what matters here, not what it is loaded on.
            Error::State { destination, source, .. } => {
                Error::Load { load_id: package.load_id().clone(), destination, source }
            }
            other => other,
        })?;
        let attempt = Attempt::new(run, &package, &excluded, &retyped);
        let tables = prepared.take().and_then(|prepared| prepared.tables_for(&committed));
        let known = committed.schema.clone();
        match tokio::task::spawn_blocking(move || attempt.load(&committed, tables)).await? {
            Err(Error::Normalize { resource, load_id, source }) => {
                let error = Error::Normalize { resource: resource.clone(), load_id, source };
                fail_resource(report, &resource, &error);
                for (child, parent) in below(run.plan, &resource) {
                    if package.manifest.selected.contains(child) && excluded.insert(child.clone()) {
                        leave_out(report, child, parent);
                    }
                }
                excluded.insert(resource);
                hold_back(run.plan, &package, &mut excluded, report)?;
            }
            Err(Error::Load { source: DestinationError::SchemaMoved { .. }, .. })
                if moves < MAX_SCHEMA_MOVES =>
            {
                moves += 1;
            }
            Err(Error::Tables { source: NormalizeError::Retype { retypes }, .. })
                if retypings < MAX_RETYPINGS =>
            {
                retypings += 1;
                retypes.into_iter().for_each(|retype| replace_retype(&mut retyped, retype));
            }
            Err(Error::Load {
                source: error @ (DestinationError::CannotWiden { .. } | DestinationError::CannotRetype { .. }),
                ..
            }) if pin(&mut retyped, &error, known.as_ref()) => {
                report.warnings.push(format!("{error}; values that do not fit go to a column of their own"));
            }
            other => break other?,
        }
    };
    let already_loaded = loaded.as_ref().is_some_and(|loaded| loaded.receipt.already_loaded);
    if !already_loaded {
        report.warnings.extend(warnings);
    }
    if let Some(loaded) = loaded.filter(|_| !already_loaded) {
        for resource in &mut report.resources {
            let of_resource = |table: &str| loaded.resource_of(table) == Some(resource.resource.as_str());
            let added = loaded.receipt.added_columns.iter().filter(|(table, _)| of_resource(table));
            resource.added_columns += added.map(|(_, columns)| columns.len()).sum::<usize>();
        }
        loaded.refused.iter().for_each(|refused| keep_rows(report, refused));
        report.warnings.extend(repairs(&loaded.receipt));
        report.loads.push(load_report(&loaded.receipt, loaded.root_rows));
    }
    package.remove()?;
    Ok(Brought { already_loaded, lacks_rows: !excluded.is_empty() })
}

/// Has a column that the database cannot change stay as it is. `false`: it was to stay already, or is not known.
fn pin(retyped: &mut Vec<Retype>, error: &DestinationError, known: Option<&Schema>) -> bool {
    let (DestinationError::CannotWiden { table, column, .. }
    | DestinationError::CannotRetype { table, column, .. }) = error
    else {
        return false;
    };
    let stored = known.and_then(|schema| schema.tables.get(table)?.columns.get(column)?.data_type);
    let Some(data_type) = stored else { return false };
    let pinned = Retype { table: table.clone(), column: column.clone(), data_type };
    let is_news = !retyped.contains(&pinned);
    replace_retype(retyped, pinned);
    is_news
}

/// One try to load a package, with everything it needs on a thread of its own.
struct Attempt {
    plan: Arc<Plan>,
    package: Package,
    destination: Arc<dyn Destination + Sync>,
    excluded: BTreeSet<String>,
    retyped: Vec<Retype>,
}

/// What was committed.
struct Loaded {
    receipt: Receipt,
    root_rows: u64,
    schema: Schema,
    /// Resources whose rows stay though the API may no longer have them.
    refused: Vec<Refused>,
}

impl Loaded {
    /// The resource that a table belongs to, through its parents.
    fn resource_of(&self, table: &str) -> Option<&str> {
        self.schema.root_of(self.schema.tables.get(table)?)?.resource.as_deref()
    }
}

impl Attempt {
    fn new(run: &Run<'_>, package: &Package, excluded: &BTreeSet<String>, retyped: &[Retype]) -> Self {
        Self {
            plan: Arc::clone(run.plan),
            package: package.clone(),
            destination: Arc::clone(&run.destination),
            excluded: excluded.clone(),
            retyped: retyped.to_vec(),
        }
    }

    /// Returns `None` if there is nothing to write; and what people should know of the rows either way.
    fn load(
        &self,
        committed: &Committed,
        prepared: Option<Tables>,
    ) -> Result<(Option<Loaded>, Vec<String>), Error> {
        let plan = &self.plan;
        let base_hash = committed.schema_hash();
        let mut tables = match prepared {
            Some(tables) => tables,
            None => {
                let schema = committed.schema.clone().unwrap_or_else(|| Schema::new(&plan.source));
                let capabilities = self.destination.capabilities();
                rows::from_journal(plan, &self.package, schema, capabilities, &self.excluded, &self.retyped)?
            }
        };
        if self.has_nothing_new(&tables, committed) {
            return Ok((None, tables.warnings));
        }
        let emptied = self.emptied(&tables);
        let length = self.destination.capabilities().max_identifier_length;
        let Decision { deletes, mut refused } = deletes::decide(plan, &self.package, &tables, length)?;
        let (mut state, state_changed) = self.next_state(&tables, committed.state.as_ref());
        tables.normalized.schema.add_state_table();
        if tables.normalized.schema.bump() && !state_changed {
            state.bump_always();
        }
        let schema_changed = base_hash.as_deref() != Some(tables.normalized.schema.version_hash.as_str());
        let runs: Vec<_> = tables.ends.iter().map(run_record).collect();
        let request = LoadPackage {
            load_id: self.package.load_id(),
            pipeline: &plan.pipeline,
            rows: &tables.normalized,
            state: (state_changed || schema_changed).then_some(&state),
            base_schema_hash: base_hash.as_deref(),
            base_state_hash: committed.state.as_ref().and_then(PipelineState::version_hash),
            is_outdated: start::is_outdated(plan, &self.package.manifest, committed),
            emptied: &emptied,
            deletes: &deletes,
            runs: &runs,
        };
        let receipt = self.destination.load(&request).map_err(|source| Error::Load {
            load_id: self.package.load_id().clone(),
            destination: plan.destination.to_string(),
            source,
        })?;
        refused.extend(receipt.deleted.iter().filter_map(|deleted| deletes::too_many(plan, deleted, length)));
        let root_rows = tables.ends.iter().map(|end| end.row_count).sum();
        let loaded = Loaded { receipt, root_rows, schema: tables.normalized.schema, refused };
        Ok((Some(loaded), tables.warnings))
    }

    /// Whether a load would write nothing but its own traces. A pipeline's first state alone is no news.
    fn has_nothing_new(&self, tables: &Tables, committed: &Committed) -> bool {
        let state = committed.state.as_ref();
        tables.normalized.tables.is_empty()
            && !creates_tables(&tables.normalized.schema, committed.schema.as_ref())
            && self.emptied(tables).is_empty()
            && !self.may_delete(tables)
            && (state.is_none() || !self.next_state(tables, state).1)
    }

    /// Whether rows that are there may be gone from the API.
    fn may_delete(&self, tables: &Tables) -> bool {
        let length = self.destination.capabilities().max_identifier_length;
        let loaded = |name: &str| tables.ends.iter().any(|end| end.resource == name);
        let has_rows = |resource: &ResourcePlan| {
            let table = tables.normalized.schema.tables.get(&normalize_path(&resource.table, length));
            table.is_some_and(Table::has_seen_data)
        };
        let tells = |resource: &&ResourcePlan| {
            resource.deletes.is_some() && deletes::reads_all(&self.plan, &self.package, resource)
        };
        let mut deleting = self.plan.resources.iter().filter(tells);
        deleting.any(|resource| loaded(&resource.name) && has_rows(resource))
    }

    /// The state after this package, and whether it is another than before.
    fn next_state(&self, tables: &Tables, state: Option<&PipelineState>) -> (PipelineState, bool) {
        let plan = &self.plan;
        let mut state = state.cloned().unwrap_or_else(|| {
            PipelineState::new(&plan.pipeline, &plan.source, &plan.dataset, self.destination.dlt_type())
        });
        state.add_schema(&plan.source);
        rows::apply_states(&mut state, &plan.source, &tables.states);
        let is_changed = state.bump();
        (state, is_changed)
    }

    /// Root tables whose rows go even if no new ones came: those of `replace`, and when all is read again also
    /// those of `append`, which would repeat every row otherwise. Tables that are not there yet are left out.
    fn emptied(&self, tables: &Tables) -> Vec<String> {
        let length = self.destination.capabilities().max_identifier_length;
        let goes = |disposition| match disposition {
            WriteDisposition::Replace => true,
            WriteDisposition::Append => self.package.manifest.full_refresh,
            WriteDisposition::Merge | WriteDisposition::Skip => false,
        };
        let loaded = |name: &str| tables.ends.iter().any(|end| end.resource == name);
        let resources = self.plan.resources.iter();
        resources
            .filter(|resource| loaded(&resource.name) && goes(resource.hints.write_disposition()))
            .map(|resource| normalize_path(&resource.table, length))
            .filter(|table| tables.normalized.schema.tables.get(table).is_some_and(Table::has_seen_data))
            .collect()
    }
}

/// Whether there are tables to create, be it without rows.
fn creates_tables(schema: &Schema, known: Option<&Schema>) -> bool {
    let is_there =
        |name: &str| known.and_then(|known| known.tables.get(name)).is_some_and(Table::has_seen_data);
    schema.tables.values().any(|table| table.has_seen_data() && !is_there(&table.name))
}

/// What people should know of values that are not as they came.
fn repairs(receipt: &Receipt) -> impl Iterator<Item = String> {
    receipt.repaired.iter().map(|Repaired { table, column, value_count }| {
        format!(
            "{value_count} values of column `{column}` in table `{table}` were changed: the database cannot hold all of \
             their characters, or numbers"
        )
    })
}

fn deleted_count(deleted: &DeletedRows) -> (String, u64) {
    (deleted.table.clone(), deleted.row_count)
}

fn run_record(end: &ResourceRecord) -> RunRecord {
    let outcome = match end.outcome {
        Outcome::Complete => "complete",
        Outcome::Unchanged => "unchanged",
        Outcome::Unproven(_) => "unproven",
        Outcome::Partial(_) | Outcome::Cut(_) => "partial",
        Outcome::Failed(_) => "failed",
    };
    RunRecord {
        resource: end.resource.clone(),
        outcome: outcome.to_owned(),
        row_count: end.row_count,
        page_count: end.page_count,
        request_count: end.request_count,
        started_at: end.started_at,
        finished_at: end.finished_at,
    }
}

/// The resources below a resource, parents first, each with its parent.
fn below<'a>(plan: &'a Plan, resource: &str) -> Vec<(&'a String, &'a str)> {
    let mut found: Vec<(&String, &str)> = Vec::new();
    for child in &plan.resources {
        if let Some(parent) = &child.parent
            && (parent == resource || found.iter().any(|(name, _)| *name == parent))
        {
            found.push((&child.name, parent));
        }
    }
    found
}

/// Fails a resource whose parent failed.
fn leave_out(report: &mut RunReport, resource: &str, parent: &str) {
    let causes =
        [format!("could not load resource `{resource}`"), format!("its parent `{parent}` was not loaded")];
    fail(report, resource, &causes, Some("once its parent is loaded, this resource is, too".to_owned()));
}

/// Leaves out what is appended and comes again, now that other resources are left out.
fn hold_back(
    plan: &Plan,
    package: &Package,
    excluded: &mut BTreeSet<String>,
    report: &mut RunReport,
) -> Result<(), Error> {
    let Some(scope) = Scope::of(plan, &package.manifest) else { return Ok(()) };
    let ends = rows::ends(package)?;
    let outcome = |name: &str| ends.get(name).filter(|_| !excluded.contains(name)).map(|end| &end.outcome);
    for Held { resource, lacking, .. } in scope.held_back(&outcome) {
        let error = ExtractError::Held { lacking };
        let causes = [format!("could not load resource `{resource}`"), error.to_string()];
        fail(report, &resource, &causes, error.hint());
        excluded.insert(resource);
    }
    Ok(())
}

fn fail_resource(report: &mut RunReport, resource: &str, error: &Error) {
    fail(report, resource, &chain(error), error.hint());
}

fn fail(report: &mut RunReport, resource: &str, causes: &[String], hint: Option<String>) {
    match report.resources.iter_mut().find(|entry| entry.resource == resource) {
        Some(entry) => {
            entry.outcome = "failed".to_owned();
            entry.causes = causes.to_vec();
            entry.hint = hint;
        }
        // A package of an earlier run: this one's own work has not begun.
        None => report.warnings.push(causes.join(": ")),
    }
}

/// Notes that rows were not deleted: the tables are not what the config asks for.
fn keep_rows(report: &mut RunReport, refused: &Refused) {
    let kept = format!("rows of resource `{}` that the API no longer has stay", refused.resource);
    let causes = [kept, refused.doubt.to_string()];
    match report.resources.iter_mut().find(|entry| entry.resource == refused.resource) {
        Some(entry) if entry.outcome == "complete" => {
            entry.outcome = "partial".to_owned();
            entry.causes = causes.to_vec();
            entry.hint = Some(refused.doubt.hint().to_owned());
        }
        // It is short, and says so; or it is in a package of an earlier run.
        _ => report.warnings.push(causes.join(": ")),
    }
}

fn load_report(receipt: &Receipt, rows: u64) -> LoadReport {
    LoadReport {
        load_id: receipt.load_id.clone(),
        rows,
        tables: receipt.tables.clone(),
        added_columns: receipt.added_columns.clone(),
        deleted: receipt.deleted.iter().filter(|deleted| !deleted.refused).map(deleted_count).collect(),
        seconds: receipt.elapsed.as_secs_f64(),
    }
}
