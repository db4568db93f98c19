//! From a package to tables: reads the journal, drops what earlier runs loaded, feeds the normalizer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{conditional, start};
use crate::config::{IncrementalPlan, Plan, ResourcePlan};
use crate::error::{Error, RowError};
use crate::extract::{self, Scope};
use crate::http::Validators;
use crate::normalize::{
    Discarded, NormalizeError, NormalizeJob, Normalized, Normalizer, Retype, RootTable, WarningKind,
};
use crate::package::{Manifest, Outcome, Package, PackageError, PageRecord, Record};
use crate::page;
use crate::paginate::{Next, PageCursor};
use crate::schema::{Capabilities, Schema};
use crate::state::{FULL_SCAN_AT, Incremental, OWN_STATE, PipelineState, utc_text};

/// What a package becomes.
pub(super) struct Tables {
    pub(super) normalized: Normalized,
    /// How each loaded resource ended, from the journal.
    pub(super) ends: Vec<ResourceRecord>,
    /// State of the incremental resources after this package.
    pub(super) states: BTreeMap<String, Map<String, Value>>,
    pub(super) warnings: Vec<String>,
    /// Tables whose contract let rows go.
    pub(super) discarded: BTreeSet<String>,
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
    /// Where its rows go; `None` if it is read for those below it alone.
    root: Option<usize>,
    incremental: Option<Incremental>,
    page_cursor: Option<Value>,
    /// Whether the next run goes on after a cap, where rows are in order.
    may_be_cut: bool,
    /// What the next run may ask with, by request.
    validators: BTreeMap<String, Validators>,
    page_count: u64,
    row_count: u64,
}

/// Brings the pages of a package into tables, one page at a time.
pub(super) struct Rows<'a> {
    plan: &'a Plan,
    package: &'a Package,
    normalizer: Normalizer,
    lanes: Vec<Lane<'a>>,
}

impl<'a> Rows<'a> {
    /// Begins with the schema that the destination has. Pages of other resources than `resources` are passed over.
    pub(super) fn begin(
        plan: &'a Plan,
        package: &'a Package,
        resources: &BTreeSet<String>,
        schema: Schema,
        capabilities: &'static Capabilities,
        retyped: Vec<Retype>,
    ) -> Result<Self, Error> {
        let mut roots = Vec::new();
        let mut lanes = Vec::new();
        for resource in plan.resources.iter().filter(|resource| resources.contains(&resource.name)) {
            let is_loaded = package.manifest.selected.contains(&resource.name);
            lanes.push(Lane::new(resource, is_loaded.then_some(roots.len()), package)?);
            roots.extend(is_loaded.then(|| root_table(resource)));
        }
        let normalizer = Normalizer::new(NormalizeJob {
            schema,
            roots,
            load_id: package.load_id().clone(),
            spill_dir: package.spill_dir()?,
            capabilities: *capabilities,
            options: plan.schema,
            retyped,
        });
        Ok(Self { plan, package, normalizer, lanes })
    }

    /// Takes the next page.
    pub(super) fn page(&mut self, page: &PageRecord, rows: &[u8]) -> Result<(), Error> {
        let lane = self.lanes.iter_mut().find(|lane| lane.plan.name == page.resource);
        let Some(lane) = lane else { return Ok(()) };
        let load_id = || self.package.load_id().clone();
        lane.page(page, rows, &mut self.normalizer).map_err(|source| match source {
            // That the disk is full is nothing that leaving the resource out would mend.
            RowError::Normalize(source @ NormalizeError::Spill { .. }) => {
                Error::Tables { load_id: load_id(), source }
            }
            source => Error::Normalize { resource: page.resource.clone(), load_id: load_id(), source },
        })
    }

    /// Ends after the last page; `ends` tells how each resource ended.
    pub(super) fn finish(self, ends: &BTreeMap<String, ResourceRecord>) -> Result<Tables, Error> {
        let warnings = self.normalizer.warnings();
        let discarded =
            warnings.iter().filter(|it| matches!(it.kind, WarningKind::Discarded(_, Discarded::Rows)));
        let discarded = discarded.map(|warning| warning.table.clone()).collect();
        let mut warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        warnings.extend(self.lanes.iter().flat_map(Lane::warnings));
        let failed = |source| Error::Tables { load_id: self.package.load_id().clone(), source };
        let normalized = self.normalizer.finish().map_err(failed)?;
        let mut tables =
            Tables { normalized, ends: Vec::new(), states: BTreeMap::new(), warnings, discarded };
        let is_own = start::is_own_plan(self.plan, self.package);
        let scope = Scope::of(self.plan, &self.package.manifest);
        let outcome = |name: &str| ends.get(name).map(|end| &end.outcome);
        for lane in self.lanes {
            let end = ends.get(&lane.plan.name).filter(|end| end.outcome.is_loaded());
            let Some(end) = end else { continue };
            let (plan, is_loaded) = (lane.plan, lane.root.is_some());
            let (record, state) = lane.finish(self.package, end, is_own);
            tables.ends.extend(is_loaded.then_some(record));
            match (state, scope.and_then(|scope| scope.waits_for(plan, &outcome))) {
                (Some(_), Some(lacking)) => {
                    let is_read = self.package.manifest.resources.iter().any(|name| name == lacking);
                    let why = if is_read { "is short" } else { "is not in this run" };
                    let name = &plan.name;
                    tables.warnings.push(format!(
                        "resource `{name}` starts from the same place again: its child `{lacking}` {why}"
                    ));
                }
                (state, _) => tables.states.extend(state.map(|state| (plan.name.clone(), state))),
            }
        }
        Ok(tables)
    }
}

/// The resources whose pages are looked at: those that are loaded, and those that never are and remember all the same how
/// far they were read.
pub(super) fn followed<'a>(plan: &'a Plan, package: &'a Package) -> impl Iterator<Item = &'a String> {
    let Manifest { selected, resources, .. } = &package.manifest;
    resources.iter().filter(|name| {
        let remembers = |resource: &ResourcePlan| {
            !resource.selected && resource.incremental.as_ref().is_some_and(IncrementalPlan::moves)
        };
        selected.contains(name) || plan.resource(name).is_some_and(remembers)
    })
}

/// Normalizes a sealed package from its journal. Resources that failed, or are in `excluded`, are left out;
/// `retyped` is what earlier tries asked for.
pub(super) fn from_journal(
    plan: &Plan,
    package: &Package,
    schema: Schema,
    capabilities: &'static Capabilities,
    excluded: &BTreeSet<String>,
    retyped: &[Retype],
) -> Result<Tables, Error> {
    let mut ends = ends(package)?;
    let left_out = || Outcome::Failed("its rows do not fit".to_owned());
    ends.values_mut().filter(|end| excluded.contains(&end.resource)).for_each(|end| end.outcome = left_out());
    let loaded = |name: &&String| {
        !excluded.contains(*name) && ends.get(*name).is_some_and(|end| end.outcome.is_loaded())
    };
    let resources = followed(plan, package).filter(loaded).cloned().collect();
    let mut rows = Rows::begin(plan, package, &resources, schema, capabilities, retyped.to_vec())?;
    let mut sealed = false;
    for record in package.ordered_records()? {
        match record.map_err(PackageError::from)? {
            Record::Page(page, body) => rows.page(&page, &body)?,
            Record::End { .. } => {}
            Record::Sealed => sealed = true,
        }
    }
    if !sealed {
        return Err(PackageError::Damaged { load_id: package.load_id().clone() }.into());
    }
    rows.finish(&ends)
}

/// Writes the new state of the incremental resources.
pub(super) fn apply_states(
    state: &mut PipelineState,
    source: &str,
    states: &BTreeMap<String, Map<String, Value>>,
) {
    for (resource, changes) in states {
        let mut fields = state.resource(source, resource).cloned().unwrap_or_default();
        for (key, value) in changes.clone() {
            match (fields.get_mut(&key).and_then(Value::as_object_mut), value) {
                // What this program remembers is of several kinds, each by its own name.
                (Some(known), Value::Object(changed)) if key == OWN_STATE => known.extend(changed),
                (_, value) => drop(fields.insert(key, value)),
            }
        }
        state.set_resource(source, resource, fields);
    }
}

/// How the resources of a package ended, from its journal.
pub(super) fn ends(package: &Package) -> Result<BTreeMap<String, ResourceRecord>, Error> {
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
        // As in dlt, a path below other fields names no column.
        Some(IncrementalPlan::CursorField(field)) => {
            Some(field.cursor_path.to_string()).filter(|path| !path.contains(['$', '.', '[']))
        }
        _ => None,
    };
    RootTable {
        resource: resource.name.clone(),
        table: resource.table.clone(),
        hints: resource.hints.clone(),
        cursor_field,
        parent: resource.parent.clone(),
        deletes: resource.deletes.map(|deletes| deletes.mode),
    }
}

impl<'a> Lane<'a> {
    fn new(plan: &'a ResourcePlan, root: Option<usize>, package: &Package) -> Result<Self, Error> {
        let start = package.manifest.starts.get(&plan.name);
        let incremental = match &plan.incremental {
            Some(IncrementalPlan::CursorField(field)) => {
                let begin = extract::begin(&package.manifest, plan);
                let incremental = Incremental::new(field, &plan.hints, &begin);
                Some(incremental.map_err(|source| Error::Normalize {
                    resource: plan.name.clone(),
                    load_id: package.load_id().clone(),
                    source: source.into(),
                })?)
            }
            _ => None,
        };
        let page_cursor = match start.map(|start| &start.cursor) {
            Some(PageCursor::Token(token)) => Some(token.clone()),
            _ => None,
        };
        Ok(Self {
            plan,
            root,
            incremental,
            page_cursor,
            may_be_cut: plan.parent.is_none() && !package.manifest.is_look,
            validators: BTreeMap::new(),
            page_count: 0,
            row_count: 0,
        })
    }

    /// What people should know of the resource's increment.
    fn warnings(&self) -> Vec<String> {
        let warnings = self.incremental.as_ref().map(Incremental::warnings).unwrap_or_default();
        let name = &self.plan.name;
        warnings.into_iter().map(|warning| format!("resource `{name}`: {warning}")).collect()
    }

    fn page(&mut self, page: &PageRecord, rows: &[u8], normalizer: &mut Normalizer) -> Result<(), RowError> {
        self.page_count += 1;
        self.validators.extend(page.note.validators.clone());
        if self.validators.len() > conditional::MAX_ANSWERS {
            self.validators.pop_last();
        }
        // The text was checked when it came and has a checksum since.
        let selected: &RawValue = serde_json::from_slice(rows).unwrap_or(RawValue::NULL);
        let rows = page::rows(selected).unwrap_or_default();
        if let (1.., Some(PageCursor::Token(token))) = (page.row_count, &page.token) {
            // On a page that came empty the API may put anything there: the cursor of the last row counts.
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
                Some(incremental) => incremental.admit(row, page.series)?,
                None => true,
            };
            if admitted && let Some(root) = self.root {
                normalizer.row(root, row, &extra)?;
                self.row_count += 1;
            }
        }
        match &self.incremental {
            Some(incremental) if page.next == Next::Capped && self.may_be_cut => Ok(incremental.check_cut()?),
            _ => Ok(()),
        }
    }

    /// The record of this resource, and its state if it is incremental and may move.
    /// What the next run may ask with is kept only of a package that was made for this plan: `is_own`.
    fn finish(
        self,
        package: &Package,
        end: &ResourceRecord,
        is_own: bool,
    ) -> (ResourceRecord, Option<Map<String, Value>>) {
        let (whole, goes_on) = (end.outcome.is_whole(), end.outcome.goes_on());
        let record = ResourceRecord {
            resource: end.resource.clone(),
            outcome: end.outcome.clone(),
            row_count: self.row_count,
            page_count: self.page_count,
            ..*end
        };
        let mut state = Map::new();
        let mut own = Map::new();
        // Rows come in any order: of a part of them, the newest says nothing about what is missing.
        if let Some((path, cursor)) = self.incremental.filter(|_| goes_on).and_then(Incremental::finish) {
            let start = package.manifest.starts.get(&self.plan.name);
            let stored = start.and_then(|start| start.state.as_ref()?.get("incremental"));
            let mut cursors = stored.and_then(Value::as_object).cloned().unwrap_or_default();
            cursors.insert(path, Value::Object(cursor));
            state.insert("incremental".to_owned(), Value::Object(cursors));
        }
        if let (Some(IncrementalPlan::PageCursor { .. }), Some(token)) =
            (&self.plan.incremental, self.page_cursor)
        {
            own.insert("page_cursor".to_owned(), token);
        }
        let begin = extract::begin(&package.manifest, self.plan);
        if whole && begin.is_full_scan {
            own.insert(FULL_SCAN_AT.to_owned(), utc_text(begin.now).into());
        }
        if whole && is_own && self.plan.endpoint.responses.conditional {
            own.extend(conditional::state(self.plan, &self.validators));
        }
        if !own.is_empty() {
            state.insert(OWN_STATE.to_owned(), Value::Object(own));
        }
        (record, Some(state).filter(|state| !state.is_empty()))
    }
}
