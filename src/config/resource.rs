//! Raw → plan: resources over their defaults.

use super::deletes::{self, Owner};
use super::endpoint::{self, Layer, Layers};
use super::graph::Draft;
use super::hints::{self, RawTable};
use super::problem::{Report, at_index, at_key};
use super::raw::{RawDefaults, RawPaginator, RawResource};
use super::{ResourcePlan, columns, incremental};
use crate::schema::TableHints;

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

/// Every resource of the file, in its order.
pub(super) fn resources(
    raw: Vec<RawResource>,
    defaults: Option<RawDefaults>,
    client_paginator: Option<&RawPaginator>,
    report: &mut Report,
) -> Vec<Draft> {
    let mut defaults = defaults.unwrap_or_default();
    let default_endpoint = Layer::new(defaults.endpoint.take(), "resource_defaults");
    let drafts = raw.into_iter().enumerate().map(|(index, mut raw)| {
        let path = at_index("resources", index);
        let own = Layer::new(raw.endpoint.take(), &path);
        let layers = Layers { own: &own, defaults: &default_endpoint, client_paginator, resource: &raw.name };
        resource(&raw, &defaults, &layers, &path, report)
    });
    let drafts: Vec<_> = drafts.collect();
    deletes::check_others(&drafts, report);
    drafts
}

fn resource(
    raw: &RawResource,
    defaults: &RawDefaults,
    layers: &Layers<'_>,
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
    let incremental =
        incremental::incremental(layers, !parents.is_empty(), hints.write_disposition(), report);
    let is_incremental = matches!(incremental, Some(Some(_)));
    if is_incremental && hints::retires_unseen(&hints) {
        let hint = "give a merge_key: then rows are retired only where new ones of their group came";
        let message =
            "`scd2` does not go with endpoint.incremental: every row that is not new would be retired";
        report.add(path, message, Some(hint.to_owned()));
    }
    let owner = Owner {
        path,
        hints: &hints,
        is_incremental,
        is_child: !parents.is_empty(),
        paginator: endpoint.as_ref().map(|endpoint| &endpoint.paginator),
    };
    let deletes = pick!(raw, defaults, deletes, path)
        .and_then(|(deletes, place)| deletes::deletes(deletes, &place, &owner, report));
    let plan = endpoint.zip(incremental).map(|(endpoint, incremental)| ResourcePlan {
        name: raw.name.clone(),
        table: table.map_or(&raw.name, |(name, _)| name).clone(),
        selected: raw.selected.or(defaults.selected).unwrap_or(true),
        parent: None,
        include_from_parent: include.map(|(fields, _)| fields.clone()).unwrap_or_default(),
        endpoint,
        hints,
        deletes,
        incremental,
        priority: raw.priority.or(defaults.priority).unwrap_or(0),
    });
    Draft { name: raw.name.clone(), parents, plan }
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
