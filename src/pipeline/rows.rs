//! From a package to tables: reads the journal, drops what earlier runs loaded, feeds the normalizer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::config::{IncrementalPlan, Plan, ResourcePlan};
use crate::error::{Error, RowError};
use crate::normalize::{NormalizeError, Normalized, Normalizer, RootTable};
use crate::package::{Outcome, Package, PackageError, PageRecord, Record};
use crate::page;
use crate::paginate::PageCursor;
use crate::schema::Schema;
use crate::state::{Incremental, PipelineState};

/// What a package becomes.
pub(super) struct Tables {
    pub(super) normalized: Normalized,
    /// How each loaded resource ended, from the journal.
    pub(super) ends: Vec<ResourceRecord>,
    /// State of the incremental resources after this package.
    pub(super) states: BTreeMap<String, Map<String, Value>>,
    pub(super) warnings: Vec<String>,
}

/// A resource whose rows are loaded.
pub(super) struct ResourceRecord {
    pub(super) resource: String,
    pub(super) outcome: Outcome,
    pub(super) row_count: u64,
    pub(super) page_count: u64,
    pub(super) request_count: u64,
    pub(super) started_at: i64,
    pub(super) finished_at: i64,
}

/// One resource on its way through the package.
struct Lane<'a> {
    plan: &'a ResourcePlan,
    root: usize,
    incremental: Option<Incremental>,
    page_cursor: Option<Value>,
    record: ResourceRecord,
}

/// Normalizes a package against the schema that the destination has. Resources that failed, or are in
/// `excluded`, are left out.
pub(super) fn normalize(
    plan: &Plan,
    package: &Package,
    schema: Schema,
    max_identifier_length: usize,
    excluded: &BTreeSet<String>,
) -> Result<Tables, Error> {
    let ends = ends(package)?;
    let loaded = |resource: &&ResourcePlan| {
        package.manifest.selected.contains(&resource.name)
            && !excluded.contains(&resource.name)
            && matches!(ends.get(&resource.name), Some(end) if !matches!(end.outcome, Outcome::Failed(_)))
    };
    let resources: Vec<_> = plan.resources.iter().filter(loaded).collect();
    let roots = resources.iter().map(|resource| root_table(resource)).collect();
    let failed = |resource: &str, source: RowError| match source {
        // That the disk is full is nothing that leaving the resource out would mend.
        RowError::Normalize(source @ NormalizeError::Spill { .. }) => {
            Error::Tables { load_id: package.load_id().clone(), source }
        }
        source => {
            Error::Normalize { resource: resource.to_owned(), load_id: package.load_id().clone(), source }
        }
    };
    let spill_dir = package.spill_dir()?;
    let load_id = package.load_id().clone();
    let mut normalizer = Normalizer::new(schema, roots, load_id, spill_dir, max_identifier_length);
    let mut lanes: BTreeMap<&str, Lane<'_>> = BTreeMap::new();
    for (root, resource) in resources.iter().enumerate() {
        lanes.insert(&resource.name, Lane::new(resource, root, package, &ends));
    }
    let mut sealed = false;
    for record in package.records()? {
        match record.map_err(PackageError::from)? {
            Record::Page(page, rows) => {
                if let Some(lane) = lanes.get_mut(page.resource.as_str()) {
                    lane.page(&page, &rows, &mut normalizer)
                        .map_err(|error| failed(&page.resource, error))?;
                }
            }
            Record::End { .. } => {}
            Record::Sealed => sealed = true,
        }
    }
    if !sealed {
        return Err(PackageError::Damaged { load_id: package.load_id().clone() }.into());
    }
    let warnings = normalizer.warnings().iter().map(ToString::to_string).collect();
    let normalized =
        normalizer.finish().map_err(|source| Error::Tables { load_id: package.load_id().clone(), source })?;
    let mut tables = Tables { normalized, ends: Vec::new(), states: BTreeMap::new(), warnings };
    for resource in resources {
        if let Some(lane) = lanes.remove(resource.name.as_str()) {
            let (record, state) = lane.finish(package);
            tables.ends.push(record);
            tables.states.extend(state.map(|state| (resource.name.clone(), state)));
        }
    }
    Ok(tables)
}

/// Writes the new state of the incremental resources.
pub(super) fn apply_states(
    state: &mut PipelineState,
    source: &str,
    states: BTreeMap<String, Map<String, Value>>,
) {
    for (resource, changes) in states {
        let mut fields = state.resource(source, &resource).cloned().unwrap_or_default();
        fields.extend(changes);
        state.set_resource(source, &resource, fields);
    }
}

fn ends(package: &Package) -> Result<BTreeMap<String, ResourceRecord>, Error> {
    let mut ends = BTreeMap::new();
    for record in package.headers()? {
        if let Record::End { resource, outcome, request_count, started_at, finished_at } =
            record.map_err(PackageError::from)?
        {
            let record = ResourceRecord {
                resource: resource.clone(),
                outcome,
                row_count: 0,
                page_count: 0,
                request_count,
                started_at,
                finished_at,
            };
            ends.insert(resource, record);
        }
    }
    Ok(ends)
}

fn root_table(resource: &ResourcePlan) -> RootTable {
    let cursor_field = match &resource.incremental {
        Some(IncrementalPlan::CursorField { cursor_path, .. }) => Some(cursor_path.to_string()),
        _ => None,
    };
    RootTable {
        resource: resource.name.clone(),
        table: resource.table.clone(),
        write_disposition: resource.write_disposition,
        primary_key: resource.primary_key.clone(),
        merge_key: resource.merge_key.clone(),
        max_table_nesting: resource.max_table_nesting,
        cursor_field,
    }
}

impl<'a> Lane<'a> {
    fn new(
        plan: &'a ResourcePlan,
        root: usize,
        package: &Package,
        ends: &BTreeMap<String, ResourceRecord>,
    ) -> Self {
        let start = package.manifest.starts.get(&plan.name);
        let incremental = match &plan.incremental {
            Some(IncrementalPlan::CursorField { cursor_path, initial_value, on_missing, .. }) => {
                let state = start.and_then(|start| start.state.as_ref());
                let initial = initial_value.as_ref();
                Some(Incremental::new(cursor_path, &plan.primary_key, *on_missing, initial, state))
            }
            _ => None,
        };
        let page_cursor = match start.map(|start| &start.cursor) {
            Some(PageCursor::Token(token)) => Some(token.clone()),
            _ => None,
        };
        let end = &ends[&plan.name];
        let record = ResourceRecord { resource: plan.name.clone(), outcome: end.outcome.clone(), ..*end };
        Self { plan, root, incremental, page_cursor, record }
    }

    fn page(&mut self, page: &PageRecord, rows: &[u8], normalizer: &mut Normalizer) -> Result<(), RowError> {
        self.record.page_count += 1;
        // The text was checked when it came and has a checksum since.
        let selected: &RawValue = serde_json::from_slice(rows).unwrap_or(RawValue::NULL);
        let rows = page::rows(selected).unwrap_or_default();
        if let (false, Some(PageCursor::Token(token))) = (rows.is_empty(), &page.token) {
            // On an empty page the API may put anything there: the cursor of the last row counts.
            self.page_cursor = Some(token.clone());
        }
        let from_parent: Vec<_> = page
            .from_parent
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), serde_json::value::to_raw_value(value).ok()?)))
            .collect();
        let extra: Vec<_> = from_parent.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        for row in rows {
            let admitted = match &mut self.incremental {
                Some(incremental) => incremental.admit(row)?,
                None => true,
            };
            if admitted {
                normalizer.row(self.root, row, &extra)?;
                self.record.row_count += 1;
            }
        }
        Ok(())
    }

    /// The record of this resource, and its state if it is incremental and may move.
    fn finish(self, package: &Package) -> (ResourceRecord, Option<Map<String, Value>>) {
        let complete = self.record.outcome == Outcome::Complete;
        let state = match self.plan.incremental {
            // Rows come in any order: of a part of them, the newest says nothing about what is missing.
            Some(IncrementalPlan::CursorField { .. }) => {
                self.incremental.filter(|_| complete).map(|incremental| {
                    let (path, cursor) = incremental.finish();
                    let start = package.manifest.starts.get(&self.plan.name);
                    let stored = start.and_then(|start| start.state.as_ref()?.get("incremental"));
                    let mut cursors = stored.and_then(Value::as_object).cloned().unwrap_or_default();
                    cursors.insert(path, Value::Object(cursor));
                    Map::from_iter([("incremental".to_owned(), Value::Object(cursors))])
                })
            }
            Some(IncrementalPlan::PageCursor) => self
                .page_cursor
                .map(|token| Map::from_iter([("forebay".to_owned(), json!({ "page_cursor": token }))])),
            None => None,
        };
        (self.record, state)
    }
}
