//! The schema as `sources.yml` for dbt: tables, columns, and tests of what loads keep true.

use serde_json::{Map, Value, json};

use super::{View, description, merge_strategy, stored_columns, yaml};
use crate::schema::{Column, Hint, Table};

/// One source, called like the dataset.
pub(super) fn render(view: &View<'_>) -> String {
    let tables: Vec<Value> = view.stored_tables().map(|table| self::table(view, table)).collect();
    let source = json!({"name": view.dataset, "schema": view.dataset, "tables": tables});
    yaml::dump(&json!({"version": 2, "sources": [source]}))
}

fn table(view: &View<'_>, table: &Table) -> Value {
    let mut entry = Map::from_iter([("name".to_owned(), json!(table.name))]);
    if let Some(description) = description(&table.other) {
        entry.insert("description".to_owned(), json!(description));
    }
    let columns: Vec<Value> = stored_columns(table).map(|column| self::column(view, table, column)).collect();
    entry.insert("columns".to_owned(), Value::Array(columns));
    Value::Object(entry)
}

fn column(view: &View<'_>, table: &Table, column: &Column) -> Value {
    let mut entry = Map::from_iter([("name".to_owned(), json!(column.name))]);
    let path = view.origin(table, column).map(|origin| format!("`{}`", origin.source_path));
    let about: Vec<String> = description(&column.hints).map(str::to_owned).into_iter().chain(path).collect();
    if !about.is_empty() {
        entry.insert("description".to_owned(), json!(about.join(" · ")));
    }
    if let Some(data_type) = (view.sql_type)(table, column) {
        entry.insert("data_type".to_owned(), json!(data_type));
    }
    let tests = [("not_null", !column.is_nullable()), ("unique", is_unique(table, column))];
    let tests: Vec<&str> = tests.into_iter().filter(|(_, holds)| *holds).map(|(test, _)| test).collect();
    if !tests.is_empty() {
        entry.insert("tests".to_owned(), json!(tests));
    }
    Value::Object(entry)
}

/// Whether no two rows share a value: a hint says so, or rows are merged by this column alone. Versions of a row
/// share their key.
pub(super) fn is_unique(table: &Table, column: &Column) -> bool {
    let is_only_key = table.columns_with(Hint::PrimaryKey).eq([column.name.as_str()]);
    column.has(Hint::Unique)
        || (merge_strategy(table).is_some_and(|strategy| strategy != "scd2") && is_only_key)
}
