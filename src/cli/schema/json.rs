//! The schema for programs: one document whose keys are always there.

use serde_json::{Value, json};

use super::super::time;
use super::{View, description, merge_strategy};
use crate::schema::{Column, Table};

/// One line of JSON.
pub(super) fn render(view: &View<'_>) -> String {
    let document = json!({
        "source": view.schema.name,
        "destination": view.destination,
        "dataset": view.dataset,
        "version": view.schema.version,
        "version_hash": view.schema.version_hash,
        "tables": view.tables.iter().map(|table| self::table(view, table)).collect::<Vec<_>>(),
    });
    format!("{document}\n")
}

fn table(view: &View<'_>, table: &Table) -> Value {
    json!({
        "name": table.name,
        "parent": table.parent,
        "resource": table.resource,
        "write_disposition": table.write_disposition,
        "merge_strategy": merge_strategy(table),
        "schema_contract": table.other.get("schema_contract"),
        "description": description(&table.other),
        "has_rows": table.has_seen_data(),
        "columns": table.columns.values().map(|column| self::column(view, table, column)).collect::<Vec<_>>(),
    })
}

fn column(view: &View<'_>, table: &Table, column: &Column) -> Value {
    let origin = view.origin(table, column);
    let mut hints = column.hints.clone();
    hints.shift_remove("description");
    json!({
        "name": column.name,
        "data_type": column.data_type,
        "nullable": column.is_nullable(),
        "precision": column.precision,
        "scale": column.scale,
        "timezone": column.timezone,
        "description": description(&column.hints),
        "hints": hints,
        "source_path": origin.map(|origin| &origin.source_path),
        "load_id": origin.map(|origin| origin.load_id.as_str()),
        "first_seen": origin.map(|origin| time(origin.first_seen)),
    })
}
