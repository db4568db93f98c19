//! The schema for people.

use std::fmt::Write;

use serde_json::Value;

use super::super::{render, time};
use super::{View, description, merge_strategy, type_name};
use crate::schema::{Column, Table};

/// Hints that are shown elsewhere, or mean nothing to a reader.
const UNLISTED: [&str; 2] = ["description", "x-normalizer"];

/// One paragraph per table: what it is, then a line per column.
pub(super) fn render(view: &View<'_>) -> String {
    let schema = view.schema;
    let mut text = format!(
        "source {}, schema version {}, dataset {} of {}\n",
        schema.name, schema.version, view.dataset, view.destination
    );
    for table in &view.tables {
        let _ = writeln!(text, "\n{}: {}", table.name, title(table));
        if let Some(description) = description(&table.other) {
            let _ = writeln!(text, "  {}", in_one_line(description));
        }
        render::push_lines(&mut text, &lines(view, table));
    }
    text
}

/// How rows are written and where they come from.
fn title(table: &Table) -> String {
    let mut parts = Vec::new();
    if let Some(disposition) = table.write_disposition {
        let name = word(&serde_json::to_value(disposition).unwrap_or_default());
        parts.push(match merge_strategy(table) {
            Some(strategy) => format!("{name} ({strategy})"),
            None => name,
        });
    }
    parts.extend(table.parent.as_ref().map(|parent| format!("child of {parent}")));
    parts.extend(table.resource.as_ref().map(|resource| format!("resource {resource}")));
    parts.extend(table.other.get("schema_contract").map(|contract| format!("contract {}", word(contract))));
    if !table.columns.values().any(|column| column.data_type.is_some()) {
        parts.push("not in the database yet".to_owned());
    }
    parts.join(", ")
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text as it stands, other values as JSON.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn lines(view: &View<'_>, table: &Table) -> Vec<Vec<String>> {
    let line = |column: &Column| {
        let origin = view.origin(table, column);
        vec![
            column.name.clone(),
            type_name(column).unwrap_or_else(|| "no type yet".to_owned()),
            if column.is_nullable() { String::new() } else { "not null".to_owned() },
            hints(column),
            origin.map(|origin| origin.source_path.clone()).unwrap_or_default(),
            origin.map(|origin| time(origin.first_seen)).unwrap_or_default(),
            description(&column.hints).map(in_one_line).unwrap_or_default(),
        ]
    };
    table.columns.values().map(line).collect()
}

fn hints(column: &Column) -> String {
    let zone = column.timezone.filter(|zoned| !zoned).map(|_| "timezone=false".to_owned());
    let others = column.hints.iter().filter_map(|(key, value)| match value {
        _ if UNLISTED.contains(&key.as_str()) => None,
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some(key.clone()),
        value => Some(format!("{key}={}", word(value))),
    });
    zone.into_iter().chain(others).collect::<Vec<_>>().join(", ")
}
