//! The schema as DBML (<https://dbml.dbdiagram.io/docs>).

use std::fmt::Write;

use super::{View, description, stored_columns, type_name};
use crate::schema::{Column, Hint, Table};

/// Tables, then references from child to parent and root.
pub(super) fn render(view: &View<'_>) -> String {
    let mut text = String::new();
    let table_name = |name: &str| format!("{}.{}", quoted(&view.dataset), quoted(name));
    for table in view.stored_tables() {
        let _ = writeln!(text, "Table {} {{", table_name(&table.name));
        let keys: Vec<&str> = table.columns_with(Hint::PrimaryKey).collect();
        for column in stored_columns(table) {
            let _ = writeln!(text, "  {}", self::column(view, table, column, keys.len() == 1));
        }
        if keys.len() > 1 {
            let keys: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
            let _ = write!(text, "\n  indexes {{\n    ({}) [pk]\n  }}\n", keys.join(", "));
        }
        if let Some(description) = description(&table.other) {
            let _ = write!(text, "\n  Note: {}\n", note(description));
        }
        text.push_str("}\n\n");
    }
    for link in view.links() {
        let _ = writeln!(
            text,
            "Ref: {}.{} > {}.{}",
            table_name(link.from),
            quoted(link.column),
            table_name(link.to),
            quoted(link.to_column)
        );
    }
    text
}

fn column(view: &View<'_>, table: &Table, column: &Column, has_one_key: bool) -> String {
    let mut settings = Vec::new();
    if has_one_key && column.has(Hint::PrimaryKey) {
        settings.push("pk".to_owned());
    }
    if !column.is_nullable() {
        settings.push("not null".to_owned());
    }
    if column.has(Hint::Unique) {
        settings.push("unique".to_owned());
    }
    let path = view.origin(table, column).map(|origin| origin.source_path.as_str());
    let about: Vec<&str> = description(&column.hints).into_iter().chain(path).collect();
    if !about.is_empty() {
        settings.push(format!("note: {}", note(&about.join(" · "))));
    }
    let settings = if settings.is_empty() { String::new() } else { format!(" [{}]", settings.join(", ")) };
    format!("{} {}{settings}", quoted(&column.name), type_name(column).unwrap_or_default())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A text in one line.
fn note(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    format!("'{}'", words.join(" ").replace('\\', "\\\\").replace('\'', "\\'"))
}
