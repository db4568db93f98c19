//! Raw → plan: resources over their defaults.

use std::num::NonZeroUsize;

use super::deletes::{self, Owner};
use super::endpoint;
use super::graph::Draft;
use super::hints::{self, RawTable};
use super::layers::{Layer, Layers};
use super::problem::{Report, at_index, at_key};
use super::raw::{RawDefaults, RawPaginator, RawResource, RawResourceForm};
use super::{ResourcePlan, Secret, columns, incremental, process, responses};
use crate::schema::TableHints;

/// Requests of one resource that may be under way at once: enough to use up common quotas at common latencies, 25 a
/// second at 600 ms, and near what dlt has (20).
const MAX_IN_FLIGHT: u32 = 16;

/// Takes `$key` from the resource, else from the defaults, with the place it was written at.
macro_rules! pick {
    ($own:expr, $defaults:expr, $key:ident, $path:expr) => {
        match $own.$key.as_ref() {
            Some(value) => Some((value, at_key($path, stringify!($key)))),
            None => {
                $defaults.$key.as_ref().map(|value| (value, at_key("resource_defaults", stringify!($key))))
            }
        }
    };
}

/// What all resources have in common.
pub(super) struct Shared<'a> {
    /// The last resort for a paginator.
    pub paginator: Option<&'a RawPaginator>,
    /// Key of the hashes.
    pub hash_key: Option<&'a Secret>,
}

/// Every resource of the file, in its order.
pub(super) fn resources(
    raw: Vec<RawResourceForm>,
    defaults: Option<RawDefaults>,
    shared: &Shared<'_>,
    report: &mut Report,
) -> Vec<Draft> {
    let mut defaults = defaults.unwrap_or_default();
    let default_endpoint = Layer::new(defaults.endpoint.take(), "resource_defaults");
    let drafts = raw.into_iter().map(RawResource::from).enumerate().map(|(index, mut raw)| {
        let path = at_index("resources", index);
        let own = Layer::new(raw.endpoint.take(), &path);
        let layers = Layers {
            own: &own,
            defaults: &default_endpoint,
            client_paginator: shared.paginator,
            resource: &raw.name,
        };
        resource(&raw, &defaults, &layers, shared, &path, report)
    });
    let drafts: Vec<_> = drafts.collect();
    deletes::check_others(&drafts, report);
    responses::check_parents(&drafts, report);
    process::check_children(&drafts, report);
    drafts
}

fn resource(
    raw: &RawResource,
    defaults: &RawDefaults,
    layers: &Layers<'_>,
    shared: &Shared<'_>,
    path: &str,
    report: &mut Report,
) -> Draft {
    let parents = layers.parents(report);
    let endpoint = endpoint::endpoint(layers, report);
    let hints = table_hints(raw, defaults, path, report);
    let table = pick!(raw, defaults, table_name, path);
    if let Some((_, place)) = table.as_ref().filter(|(name, _)| name.trim().is_empty()) {
        report.add(place, "is empty", None);
    }
    let include = pick!(raw, defaults, include_from_parent, path);
    if let Some((_, place)) = include.as_ref().filter(|(fields, _)| !fields.is_empty() && parents.is_empty())
    {
        let hint = "a parent is named by a placeholder, like `{resources.<parent>.<field>}` in the path";
        report.add(place, "needs a parent", Some(hint.to_owned()));
    }
    let incremental = incremental::incremental(layers, !parents.is_empty(), &hints, report);
    let is_incremental = matches!(incremental, Some(Some(_)));
    if is_incremental && hints::retires_unseen(&hints) {
        let hint = "give a merge_key: then rows are retired only where new ones of their group came";
        let message =
            "`scd2` does not go with endpoint.incremental: every row that is not new would be retired";
        report.add(path, message, Some(hint.to_owned()));
    }
    if let Some(endpoint) = endpoint.as_ref().filter(|endpoint| endpoint.responses.conditional) {
        let owner = responses::Owner {
            path,
            hints: &hints,
            is_incremental,
            is_child: !parents.is_empty(),
            method: endpoint.method,
            paginator: &endpoint.paginator,
        };
        responses::check_conditional(&owner, report);
    }
    let owner = Owner {
        path,
        hints: &hints,
        reads_all: match &incremental {
            Some(Some(incremental)) => incremental.full_scan_every().is_some(),
            _ => true,
        },
        is_child: !parents.is_empty(),
        paginator: endpoint.as_ref().map(|endpoint| &endpoint.paginator),
    };
    let deletes = pick!(raw, defaults, deletes, path)
        .and_then(|(deletes, place)| deletes::deletes(deletes, &place, &owner, report));
    let processor = process::processor(&process_keys(raw, defaults, shared, path), report);
    let cursor = incremental.as_ref().and_then(Option::as_ref);
    process::check(&processor, &hints, cursor, endpoint.as_ref(), path, report);
    let mutates = endpoint.as_ref().is_some_and(|endpoint| endpoint.mutates);
    if mutates && raw.selected == Some(true) {
        let hint = "drop `selected`, and name the resource with `--resource` when it is to run".to_owned();
        let message = "a resource that changes data runs only if it is named on the command line";
        report.add(&at_key(path, "selected"), message, Some(hint));
    }
    let max_in_flight = max_in_flight(raw, defaults, mutates, path, report);
    let plan = endpoint.zip(incremental).map(|(endpoint, incremental)| ResourcePlan {
        name: raw.name.clone(),
        table: table.map_or(&raw.name, |(name, _)| name).clone(),
        selected: raw.selected.or(defaults.selected).unwrap_or(true) && !mutates,
        parent: None,
        include_from_parent: include.map(|(fields, _)| fields.clone()).unwrap_or_default(),
        max_in_flight,
        endpoint,
        processor,
        hints,
        deletes,
        incremental,
        priority: raw.priority.or(defaults.priority).unwrap_or(0),
    });
    Draft { name: raw.name.clone(), parents, plan }
}

fn process_keys<'a>(
    raw: &'a RawResource,
    defaults: &'a RawDefaults,
    shared: &Shared<'a>,
    path: &str,
) -> process::Raw<'a> {
    process::Raw {
        steps: pick!(raw, defaults, processing_steps, path),
        fields: pick!(raw, defaults, fields, path),
        protect: [
            raw.protect.as_ref().map(|fields| (fields, at_key(path, "protect"))),
            defaults.protect.as_ref().map(|fields| (fields, at_key("resource_defaults", "protect"))),
        ],
        hash_key: shared.hash_key,
    }
}

/// Changes are made one after the other, in the order of the parent's rows, unless the file says otherwise.
fn max_in_flight(
    raw: &RawResource,
    defaults: &RawDefaults,
    mutates: bool,
    path: &str,
    report: &mut Report,
) -> NonZeroUsize {
    let given = pick!(raw, defaults, max_in_flight, path);
    let parallelized = pick!(raw, defaults, parallelized, path);
    if let (Some(2..), Some(false)) = (raw.max_in_flight, raw.parallelized) {
        report.add(&at_key(path, "max_in_flight"), "contradicts `parallelized = false`", None);
    }
    let number = match (given, parallelized) {
        (_, Some((false, _))) if raw.max_in_flight.is_none() => 1,
        (Some((number, _)), _) => *number,
        (None, Some((false, _))) => 1,
        (None, Some((true, _))) => MAX_IN_FLIGHT,
        (None, None) if mutates => 1,
        (None, None) => MAX_IN_FLIGHT,
    };
    usize::try_from(number).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN)
}

fn table_hints(raw: &RawResource, defaults: &RawDefaults, path: &str, report: &mut Report) -> TableHints {
    let own_columns = raw.columns.as_ref().map(|columns| (columns, at_key(path, "columns")));
    let default_columns =
        defaults.columns.as_ref().map(|columns| (columns, at_key("resource_defaults", "columns")));
    let table = RawTable {
        columns: columns::Layers { own: own_columns, defaults: default_columns },
        schema_contract: pick!(raw, defaults, schema_contract, path),
        write_disposition: pick!(raw, defaults, write_disposition, path),
        primary_key: pick!(raw, defaults, primary_key, path),
        merge_key: pick!(raw, defaults, merge_key, path),
        nested_hints: pick!(raw, defaults, nested_hints, path),
        max_table_nesting: raw.max_table_nesting.or(defaults.max_table_nesting),
    };
    hints::hints(&table, path, report)
}
