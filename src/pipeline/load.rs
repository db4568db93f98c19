//! A sealed package becomes rows, schema and state in the destination: one transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ahead::Prepared;
use super::rows::{self, ResourceRecord, Tables};
use super::{LoadReport, Run};
use crate::config::Plan;
use crate::destination::{Committed, Destination, DestinationError, LoadPackage, Receipt, RunRecord};
use crate::error::{Error, chain};
use crate::package::{Outcome, Package};
use crate::report::RunReport;
use crate::schema::{Schema, Table, WriteDisposition, normalize_path};
use crate::state::PipelineState;

/// How often a load starts over because somebody else changed the schema meanwhile.
const MAX_SCHEMA_MOVES: u32 = 5;

/// Normalizes and loads a package, then removes it. A resource whose rows do not fit is left out and reported.
/// Returns whether an earlier run had loaded it, so that nothing was written now.
pub(super) async fn load_package(
    run: &Run<'_>,
    package: Package,
    mut prepared: Option<Prepared>,
    report: &mut RunReport,
) -> Result<bool, Error> {
    let mut excluded = BTreeSet::new();
    let mut moves = 0;
    let loaded = loop {
        let committed = run.committed().await?;
        let attempt = Attempt {
            plan: Arc::clone(run.plan),
            package: package.clone(),
            destination: Arc::clone(&run.destination),
            excluded: excluded.clone(),
        };
        let tables = prepared.take().and_then(|prepared| prepared.tables_for(&package, &committed));
        match tokio::task::spawn_blocking(move || attempt.load(committed, tables)).await? {
            Err(Error::Normalize { resource, load_id, source }) if !resource.is_empty() => {
                let error = Error::Normalize { resource: resource.clone(), load_id, source };
                fail_resource(report, &resource, &error);
                excluded.insert(resource);
            }
            Err(Error::Load { source: DestinationError::SchemaMoved { .. }, .. })
                if moves < MAX_SCHEMA_MOVES =>
            {
                moves += 1;
            }
            other => break other?,
        }
    };
    let already_loaded = loaded.as_ref().is_some_and(|loaded| loaded.receipt.already_loaded);
    if let Some(loaded) = loaded.filter(|_| !already_loaded) {
        report.warnings.extend(loaded.warnings.iter().cloned());
        for resource in &mut report.resources {
            let of_resource = |table: &str| loaded.resource_of(table) == Some(resource.resource.as_str());
            let added = loaded.receipt.added_columns.iter().filter(|(table, _)| of_resource(table));
            resource.added_columns += added.map(|(_, columns)| columns.len()).sum::<usize>();
        }
        report.loads.push(load_report(&loaded.receipt, loaded.root_rows));
    }
    package.remove()?;
    Ok(already_loaded)
}

/// One try to load a package, with everything it needs on a thread of its own.
struct Attempt {
    plan: Arc<Plan>,
    package: Package,
    destination: Arc<dyn Destination + Sync>,
    excluded: BTreeSet<String>,
}

/// What was committed.
struct Loaded {
    receipt: Receipt,
    root_rows: u64,
    warnings: Vec<String>,
    schema: Schema,
}

impl Loaded {
    /// The resource that a table belongs to, through its parents.
    fn resource_of(&self, table: &str) -> Option<&str> {
        let mut table = self.schema.tables.get(table)?;
        while let Some(parent) = &table.parent {
            table = self.schema.tables.get(parent)?;
        }
        table.resource.as_deref()
    }
}

impl Attempt {
    /// Returns `None` if there is nothing to write.
    fn load(&self, committed: Committed, prepared: Option<Tables>) -> Result<Option<Loaded>, Error> {
        let plan = &self.plan;
        let base_hash = committed.schema_hash();
        let length = self.destination.max_identifier_length();
        let mut tables = match prepared {
            Some(tables) => tables,
            None => {
                let schema = committed.schema.unwrap_or_else(|| Schema::new(&plan.source));
                rows::from_journal(plan, &self.package, schema, length, &self.excluded)?
            }
        };
        let emptied = self.emptied(&tables, length);
        let row_count: u64 = tables.normalized.tables.iter().map(|table| table.row_count).sum();

        let destination_type = self.destination.dlt_type();
        let is_new = committed.state.is_none();
        let mut state = committed.state.unwrap_or_else(|| {
            PipelineState::new(&plan.pipeline, &plan.source, &plan.dataset, destination_type)
        });
        state.add_schema(&plan.source);
        rows::apply_states(&mut state, &plan.source, std::mem::take(&mut tables.states));
        let state_changed = state.bump();
        if row_count == 0 && emptied.is_empty() && (is_new || !state_changed) {
            return Ok(None);
        }
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
            emptied: &emptied,
            runs: &runs,
        };
        let receipt = self.destination.load(&request).map_err(|source| Error::Load {
            load_id: self.package.load_id().clone(),
            destination: plan.destination.to_string(),
            source,
        })?;
        let root_rows = tables.ends.iter().map(|end| end.row_count).sum();
        Ok(Some(Loaded { receipt, root_rows, warnings: tables.warnings, schema: tables.normalized.schema }))
    }

    /// Root tables whose rows go even if no new ones came: those of `replace`, and when all is read again also
    /// those of `append`, which would repeat every row otherwise. Tables that are not there yet are left out.
    fn emptied(&self, tables: &Tables, length: usize) -> Vec<String> {
        let goes = |disposition| match disposition {
            WriteDisposition::Replace => true,
            WriteDisposition::Append => self.package.manifest.full_refresh,
            WriteDisposition::Merge | WriteDisposition::Skip => false,
        };
        let loaded = |name: &str| tables.ends.iter().any(|end| end.resource == name);
        let resources = self.plan.resources.iter();
        resources
            .filter(|resource| loaded(&resource.name) && goes(resource.write_disposition))
            .map(|resource| normalize_path(&resource.table, length))
            .filter(|table| tables.normalized.schema.tables.get(table).is_some_and(Table::has_seen_data))
            .collect()
    }
}

fn run_record(end: &ResourceRecord) -> RunRecord {
    let outcome = match end.outcome {
        Outcome::Complete => "complete",
        Outcome::Partial(_) => "partial",
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

fn fail_resource(report: &mut RunReport, resource: &str, error: &Error) {
    if !report.resources.iter().any(|entry| entry.resource == resource) {
        // A package of an earlier run: this one's own work has not begun.
        report.warnings.push(chain(error).join(": "));
    }
    for entry in report.resources.iter_mut().filter(|entry| entry.resource == resource) {
        entry.outcome = "failed".to_owned();
        entry.causes = chain(error);
        entry.hint = error.hint();
    }
}

fn load_report(receipt: &Receipt, rows: u64) -> LoadReport {
    LoadReport {
        load_id: receipt.load_id.clone(),
        rows,
        tables: receipt.tables.clone(),
        added_columns: receipt.added_columns.clone(),
        seconds: receipt.elapsed.as_secs_f64(),
    }
}
