//! Raw → plan: what is said of a resource's tables.

use indexmap::IndexMap;

use super::columns::{self, Layers};
use super::problem::{Report, at_key};
use super::raw_hints::{
    REPLACE_STRATEGY, RawContract, RawContractMode, RawDisposition, RawDispositionSettings, RawKeys,
    RawNestedHints, RawStrategy, RawWriteDisposition,
};
use crate::schema::{
    Column, Contract, ContractMode, Disposition, Hint, History, MergeStrategy, SEPARATOR, TableHints,
    parse_instant_setting,
};

/// A value of the file and its place.
pub(super) type Placed<'a, T> = Option<(&'a T, String)>;

/// What the file says of a root table, each value with its place.
pub(super) struct RawTable<'a> {
    /// Its columns over those of the defaults.
    pub columns: Layers<'a>,
    /// dlt: `schema_contract`.
    pub schema_contract: Placed<'a, RawContract>,
    /// dlt: `write_disposition`.
    pub write_disposition: Placed<'a, RawWriteDisposition>,
    /// dlt: `primary_key`.
    pub primary_key: Placed<'a, RawKeys>,
    /// dlt: `merge_key`.
    pub merge_key: Placed<'a, RawKeys>,
    /// dlt: `nested_hints`.
    pub nested_hints: Placed<'a, IndexMap<String, RawNestedHints>>,
    /// dlt: `max_table_nesting`.
    pub max_table_nesting: Option<u32>,
}

/// The hints of a resource that stands at `path`.
pub(super) fn hints(raw: &RawTable<'_>, path: &str, report: &mut Report) -> TableHints {
    let given = raw.write_disposition.as_ref();
    let disposition = given.map_or(Disposition::Append, |(raw, place)| disposition(raw, place, report));
    let mut hints = TableHints {
        disposition: Some(disposition),
        max_table_nesting: raw.max_table_nesting,
        contract: raw.schema_contract.as_ref().map(|(raw, _)| contract(raw)),
        ..keyed(&raw.columns, &raw.primary_key, &raw.merge_key, report)
    };
    check_keys(&hints, path, report);
    let merges = matches!(hints.disposition, Some(Disposition::Merge { .. }));
    check_merge_hints(&hints, merges, path, report);
    if let Some((nested, place)) = &raw.nested_hints {
        hints.nested =
            nested.iter().map(|(key, raw)| child(key, raw, merges, &at_key(place, key), report)).collect();
    }
    hints
}

/// Whether rows of the table have an identity.
pub(super) fn has_primary_key(hints: &TableHints) -> bool {
    !hints.primary_key.is_empty() || hints.columns.iter().any(|column| column.has(Hint::PrimaryKey))
}

/// Whether a load retires every row that is not in it.
pub(super) fn retires_unseen(hints: &TableHints) -> bool {
    let is_scd2 =
        matches!(hints.disposition, Some(Disposition::Merge { strategy: Some(MergeStrategy::Scd2), .. }));
    is_scd2 && !has_merge_key(hints)
}

fn has_merge_key(hints: &TableHints) -> bool {
    !hints.merge_key.is_empty() || hints.columns.iter().any(|column| column.has(Hint::MergeKey))
}

/// Columns and keys. A key that is given for the table does away with those given for columns.
fn keyed(
    layers: &Layers<'_>,
    primary_key: &Placed<'_, RawKeys>,
    merge_key: &Placed<'_, RawKeys>,
    report: &mut Report,
) -> TableHints {
    let given = [(Hint::PrimaryKey, primary_key), (Hint::MergeKey, merge_key)];
    let replaced: Vec<Hint> =
        given.into_iter().filter(|(_, key)| key.is_some()).map(|(hint, _)| hint).collect();
    TableHints {
        columns: columns::columns(layers, &replaced, report),
        primary_key: keys(primary_key, report),
        merge_key: keys(merge_key, report),
        ..TableHints::default()
    }
}

/// A child table: the keys that lead to it, and what is said of it.
fn child(
    key: &str,
    raw: &RawNestedHints,
    root_merges: bool,
    path: &str,
    report: &mut Report,
) -> (Vec<String>, TableHints) {
    let keys: Vec<String> =
        key.split(SEPARATOR).filter(|part| !part.trim().is_empty()).map(str::to_owned).collect();
    if keys.is_empty() {
        report.add(path, "names no field", None);
    }
    let at = |key: &str| at_key(path, key);
    let layers = Layers { own: placed(&raw.columns, at("columns")), defaults: None };
    let primary_key = placed(&raw.primary_key, at("primary_key"));
    let merge_key = placed(&raw.merge_key, at("merge_key"));
    let place = at("write_disposition");
    let disposition = raw.write_disposition.as_ref().map(|raw| disposition(raw, &place, report));
    let hints = TableHints {
        disposition,
        contract: raw.schema_contract.as_ref().map(contract),
        ..keyed(&layers, &primary_key, &merge_key, report)
    };
    // A table with a key stands on its own, and is then appended to unless it says otherwise.
    let stands_alone = has_primary_key(&hints) || has_merge_key(&hints);
    let merges = match hints.disposition {
        Some(Disposition::Merge { .. }) => true,
        Some(_) => false,
        None => root_merges && !stands_alone,
    };
    if stands_alone {
        check_keys(&hints, path, report);
    }
    check_merge_hints(&hints, merges, path, report);
    (keys, hints)
}

fn placed<T>(value: &Option<T>, place: String) -> Placed<'_, T> {
    value.as_ref().map(|value| (value, place))
}

/// Whether rows can meet by key.
fn check_keys(hints: &TableHints, path: &str, report: &mut Report) {
    let Some(Disposition::Merge { strategy, .. }) = &hints.disposition else { return };
    match strategy.unwrap_or(MergeStrategy::DeleteInsert) {
        MergeStrategy::DeleteInsert if !has_primary_key(hints) && !has_merge_key(hints) => {
            let hint = "give a primary_key (rows are replaced one by one) or a merge_key (group by group)";
            report.add(path, "`merge` needs a key", Some(hint.to_owned()));
        }
        MergeStrategy::Upsert if !has_primary_key(hints) => {
            report.add(path, "`upsert` needs a primary_key", None);
        }
        MergeStrategy::InsertOnly if !has_primary_key(hints) => {
            report.add(path, "`insert-only` needs a primary_key", None);
        }
        _ => {}
    }
}

/// Hints that mean something to `merge` alone, and that one column can have.
fn check_merge_hints(hints: &TableHints, merges: bool, path: &str, report: &mut Report) {
    for key in ["hard_delete", "dedup_sort"] {
        let is_set = |column: &&Column| column.hints.get(key).is_some_and(|value| *value != false);
        let columns: Vec<&str> =
            hints.columns.iter().filter(is_set).map(|column| column.name.as_str()).collect();
        let place = at_key(path, "columns");
        if !columns.is_empty() && !merges {
            let hint = "set write_disposition = \"merge\", or leave the hint out";
            report.add(&place, format!("`{key}` needs `merge`"), Some(hint.to_owned()));
        }
        if columns.len() > 1 {
            report.add(&place, format!("`{key}` is for one column, and set for {}", columns.len()), None);
        }
    }
}

fn contract(raw: &RawContract) -> Contract {
    match raw {
        RawContract::Mode(mode) => Contract::All((*mode).into()),
        RawContract::Modes(modes) => Contract::Each {
            tables: modes.tables.map(Into::into),
            columns: modes.columns.map(Into::into),
            data_type: modes.data_type.map(Into::into),
        },
    }
}

impl From<RawContractMode> for ContractMode {
    fn from(raw: RawContractMode) -> Self {
        match raw {
            RawContractMode::Evolve => Self::Evolve,
            RawContractMode::Freeze => Self::Freeze,
            RawContractMode::DiscardRow => Self::DiscardRow,
            RawContractMode::DiscardValue => Self::DiscardValue,
        }
    }
}

fn keys(raw: &Placed<'_, RawKeys>, report: &mut Report) -> Vec<String> {
    let Some((raw, place)) = raw else { return Vec::new() };
    let keys = key_names(raw);
    if keys.iter().any(|key| key.trim().is_empty()) {
        report.add(place, "holds an empty name", None);
    }
    keys
}

/// The fields that a key is made of.
pub(super) fn key_names(raw: &RawKeys) -> Vec<String> {
    match raw {
        RawKeys::One(key) => vec![key.clone()],
        RawKeys::Several(keys) => keys.clone(),
    }
}

fn disposition(raw: &RawWriteDisposition, place: &str, report: &mut Report) -> Disposition {
    let (name, settings) = match raw {
        RawWriteDisposition::Name(name) => (*name, None),
        RawWriteDisposition::Settings(settings) => (settings.disposition, Some(settings)),
    };
    let strategy = settings.and_then(|settings| settings.strategy);
    if strategy.is_some() && name != RawDisposition::Merge {
        let hint = (name == RawDisposition::Replace).then(|| REPLACE_STRATEGY.to_owned());
        report.add(&at_key(place, "disposition"), "only `merge` has a strategy", hint);
    }
    let history = settings.map_or_else(History::default, |settings| history(settings, place, report));
    match name {
        RawDisposition::Append => Disposition::Append,
        RawDisposition::Replace => Disposition::Replace,
        RawDisposition::Merge => Disposition::Merge { strategy: strategy.map(Into::into), history },
    }
}

impl From<RawStrategy> for MergeStrategy {
    fn from(raw: RawStrategy) -> Self {
        match raw {
            RawStrategy::DeleteInsert => Self::DeleteInsert,
            RawStrategy::Upsert => Self::Upsert,
            RawStrategy::InsertOnly => Self::InsertOnly,
            RawStrategy::Scd2 => Self::Scd2,
        }
    }
}

/// The settings of `scd2`.
fn history(raw: &RawDispositionSettings, place: &str, report: &mut Report) -> History {
    let given = [
        ("validity_column_names", raw.validity_column_names.is_some()),
        ("active_record_timestamp", raw.active_record_timestamp.is_some()),
        ("boundary_timestamp", raw.boundary_timestamp.is_some()),
        ("row_version_column_name", raw.row_version_column_name.is_some()),
    ];
    if !matches!(raw.strategy, Some(RawStrategy::Scd2)) {
        for (key, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            report.add(&at_key(place, key), "goes with strategy `scd2` only", None);
        }
        return History::default();
    }
    let instants = [
        ("active_record_timestamp", &raw.active_record_timestamp),
        ("boundary_timestamp", &raw.boundary_timestamp),
    ];
    for (key, text) in instants {
        if let Some(text) = text.as_ref().filter(|text| parse_instant_setting(text).is_none()) {
            report.add_text(
                &at_key(place, key),
                text,
                "is not an ISO 8601 instant, like `9999-12-31T00:00:00Z`",
            );
        }
    }
    if raw.row_version_column_name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        report.add(&at_key(place, "row_version_column_name"), "is empty", None);
    }
    History {
        validity_columns: validity_columns(raw, &at_key(place, "validity_column_names"), report),
        active_record_timestamp: raw.active_record_timestamp.clone(),
        boundary_timestamp: raw.boundary_timestamp.clone(),
        row_version_column: raw.row_version_column_name.clone(),
    }
}

fn validity_columns(raw: &RawDispositionSettings, place: &str, report: &mut Report) -> Option<[String; 2]> {
    match raw.validity_column_names.as_deref()? {
        [from, to] if !from.trim().is_empty() && !to.trim().is_empty() && from != to => {
            return Some([from.clone(), to.clone()]);
        }
        [_, _] => report.add(place, "needs two names that differ", None),
        names => report.add(place, format!("needs two names, has {}", names.len()), None),
    }
    None
}
