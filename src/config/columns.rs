//! Raw → plan: what is said of columns.
//!
//! Hints are merged and kept as dlt does it: key by key, and what was not written stays unwritten, for dlt's schema
//! tells a default from nothing.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::problem::{Report, at_index, at_key};
use super::raw_hints::RawColumns;
use crate::schema::{Column, DataType, Hint};

/// Most digits of a decimal, in DuckDB and in dlt.
const DECIMAL_DIGITS: u32 = 38;
/// Most bits of an integer, in DuckDB.
const INTEGER_BITS: u32 = 128;
/// Most digits of a second, in DuckDB.
const SECOND_DIGITS: u32 = 9;

/// The hints of one column, and where they were written.
struct Hints {
    hints: Map<String, Value>,
    path: String,
}

/// Columns by name, in their order.
type Named = IndexMap<String, Hints>;

/// Columns of a table and what they fall back to, each with the place of `columns`.
pub(super) struct Layers<'a> {
    /// The table's own.
    pub own: Option<(&'a RawColumns, String)>,
    /// Those of `resource_defaults`.
    pub defaults: Option<(&'a RawColumns, String)>,
}

/// The columns as dlt has them before a row is seen. Hints in `replaced` are dropped: the table's own keys take
/// their place.
pub(super) fn columns(layers: &Layers<'_>, replaced: &[Hint], report: &mut Report) -> Vec<Column> {
    let mut named = merged(layers, report);
    for hints in named.values_mut() {
        for hint in replaced {
            hints.hints.shift_remove(hint.key());
        }
    }
    let columns = named.into_values().filter_map(|Hints { hints, path }| {
        let column: Option<Column> = serde_json::from_value(Value::Object(hints)).ok();
        match &column {
            Some(column) => check_type(column, &path, report),
            // The form is checked before; a column that was replaced by something neutral is one, too.
            None => report.add(&path, "does not have the form of a column", None),
        }
        column
    });
    columns.collect()
}

/// Own columns over the defaults. A column gets its type before it gets its place, so one that was without a type
/// goes to the end with it. An empty list or table is one without columns, and does away with the defaults.
fn merged(layers: &Layers<'_>, report: &mut Report) -> Named {
    let named = |layer: &Option<(&RawColumns, String)>, report: &mut Report| {
        layer.as_ref().map(|(raw, place)| by_name(raw, place, report))
    };
    let own = named(&layers.own, report);
    let Some(own) = own else { return named(&layers.defaults, report).unwrap_or_default() };
    if own.is_empty() {
        return own;
    }
    let mut merged = named(&layers.defaults, report).unwrap_or_default();
    for (name, own) in own {
        let is_typed = own.hints.contains_key("data_type");
        let Some(known) = merged.get_mut(&name) else {
            merged.insert(name, own);
            continue;
        };
        let was_typed = known.hints.contains_key("data_type");
        known.hints.extend(own.hints);
        known.path = own.path;
        if is_typed
            && !was_typed
            && let Some(column) = merged.shift_remove(&name)
        {
            merged.insert(name, column);
        }
    }
    merged
}

fn by_name(raw: &RawColumns, place: &str, report: &mut Report) -> Named {
    let mut named = Named::new();
    match raw {
        RawColumns::Named(columns) => {
            for (name, hints) in columns {
                let path = at_key(place, name);
                if hints.get("name").is_some_and(|own| own != name.as_str()) {
                    report.add(&at_key(&path, "name"), "is another name than the key's", None);
                }
                add(&mut named, name.clone(), hints.clone(), path, report);
            }
        }
        RawColumns::Listed(columns) => {
            for (index, hints) in columns.iter().enumerate() {
                let path = at_index(place, index);
                match hints.get("name").and_then(Value::as_str) {
                    Some(name) => add(&mut named, name.to_owned(), hints.clone(), path, report),
                    None => report.add(&at_key(&path, "name"), "missing key `name`", None),
                }
            }
        }
    }
    named
}

fn add(named: &mut Named, name: String, mut hints: Map<String, Value>, path: String, report: &mut Report) {
    if name.trim().is_empty() {
        report.add(&path, "has an empty name", None);
    } else if named.contains_key(&name) {
        report.add(&path, "is listed twice", None);
    } else {
        hints.insert("name".to_owned(), Value::String(name.clone()));
        named.insert(name, Hints { hints, path });
    }
}

/// Whether precision, scale and zone go with the type, if that is given.
fn check_type(column: &Column, path: &str, report: &mut Report) {
    use DataType::{Bigint, Binary, Decimal, Text, Time, Timestamp, Wei};
    let Some(data_type) = column.data_type else { return };
    let most = match data_type {
        Decimal | Wei => DECIMAL_DIGITS,
        Bigint => INTEGER_BITS,
        Timestamp | Time => SECOND_DIGITS,
        Text | Binary => u32::MAX,
        _ => 0,
    };
    let place = at_key(path, "precision");
    match column.precision {
        Some(_) if most == 0 => report.add(&place, format!("{} has none", kind(data_type)), None),
        Some(0) if data_type == Decimal => report.add(&place, "must be at least 1", None),
        Some(precision) if precision > most => {
            report.add(&place, format!("must be at most {most} in {}", kind(data_type)), None);
        }
        _ => {}
    }
    if let Some(scale) = column.scale {
        let place = at_key(path, "scale");
        let precision = column.precision.unwrap_or(DECIMAL_DIGITS);
        if data_type != Decimal {
            report.add(&place, format!("{} has none; only a `decimal` does", kind(data_type)), None);
        } else if scale > precision {
            report.add(&place, format!("must be at most the precision, {precision}"), None);
        }
    }
    if column.timezone.is_some() && !matches!(data_type, Timestamp | Time) {
        report.add(&at_key(path, "timezone"), format!("{} has none", kind(data_type)), None);
    }
}

/// `a column of type `text``.
fn kind(data_type: DataType) -> String {
    let name = serde_json::to_value(data_type).unwrap_or_default();
    format!("a column of type `{}`", name.as_str().unwrap_or_default())
}
