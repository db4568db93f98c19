//! Raw → plan: resources over their defaults.

use super::ResourcePlan;
use super::endpoint::{self, Layer, Layers};
use super::graph::Draft;
use super::problem::{Report, at_index, at_key};
use super::raw::{
    RawDefaults, RawDisposition, RawDispositionSettings, RawKeys, RawPaginator, RawResource,
    RawWriteDisposition,
};
use crate::schema::{Disposition, History, TableHints, WriteDisposition};

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
    drafts.collect()
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
    let write_disposition = pick!(raw, defaults, write_disposition, path);
    let write_disposition =
        write_disposition.map_or(WriteDisposition::Append, |(raw, place)| disposition(raw, &place, report));
    let primary_key = keys(pick!(raw, defaults, primary_key, path), report);
    let merge_key = keys(pick!(raw, defaults, merge_key, path), report);
    if write_disposition == WriteDisposition::Merge && primary_key.is_empty() && merge_key.is_empty() {
        let hint = "give a primary_key (rows are replaced one by one) or a merge_key (group by group)";
        report.add(path, "`merge` needs a key", Some(hint.to_owned()));
    }
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
    let incremental = endpoint::incremental(layers, !parents.is_empty(), write_disposition, report);
    let hints = TableHints {
        disposition: Some(match write_disposition {
            WriteDisposition::Replace => Disposition::Replace,
            WriteDisposition::Merge => Disposition::Merge { strategy: None, history: History::default() },
            WriteDisposition::Append | WriteDisposition::Skip => Disposition::Append,
        }),
        primary_key,
        merge_key,
        max_table_nesting: raw.max_table_nesting.or(defaults.max_table_nesting),
        ..TableHints::default()
    };
    let plan = endpoint.zip(incremental).map(|(endpoint, incremental)| ResourcePlan {
        name: raw.name.clone(),
        table: table.map_or(&raw.name, |(name, _)| name).clone(),
        selected: raw.selected.or(defaults.selected).unwrap_or(true),
        parent: None,
        include_from_parent: include.map(|(fields, _)| fields.clone()).unwrap_or_default(),
        endpoint,
        hints,
        deletes: None,
        incremental,
    });
    Draft { name: raw.name.clone(), parents, plan }
}

fn disposition(raw: &RawWriteDisposition, place: &str, report: &mut Report) -> WriteDisposition {
    let (name, strategy) = match raw {
        RawWriteDisposition::Name(name) => (*name, None),
        RawWriteDisposition::Settings(RawDispositionSettings { disposition, strategy }) => {
            (*disposition, *strategy)
        }
    };
    if strategy.is_some() && name != RawDisposition::Merge {
        report.add(&at_key(place, "disposition"), "only `merge` has a strategy", None);
    }
    match name {
        RawDisposition::Append => WriteDisposition::Append,
        RawDisposition::Replace => WriteDisposition::Replace,
        RawDisposition::Merge => WriteDisposition::Merge,
    }
}

fn keys(raw: Option<(&RawKeys, String)>, report: &mut Report) -> Vec<String> {
    let Some((raw, place)) = raw else { return Vec::new() };
    let keys = match raw {
        RawKeys::One(key) => vec![key.clone()],
        RawKeys::Several(keys) => keys.clone(),
    };
    if keys.iter().any(|key| key.trim().is_empty()) {
        report.add(&place, "holds an empty name", None);
    }
    keys
}
