//! The schema as a Mermaid entity-relationship diagram, in the shape that dlt prints.

use std::fmt::Write;

use super::{View, description, stored_columns};
use crate::schema::{Column, Hint};

/// The diagram: tables, then what links them.
pub(super) fn render(view: &View<'_>) -> String {
    let mut text = "erDiagram\n".to_owned();
    for table in view.stored_tables() {
        let _ = writeln!(text, "    {} {{", entity(&table.name));
        for column in stored_columns(table) {
            let _ = writeln!(text, "        {}", attribute(column, is_link(view, &table.name, column)));
        }
        text.push_str("    }\n");
    }
    for link in view.links() {
        let (from, to) = (entity(link.from), entity(link.to));
        let _ = writeln!(text, "    {from} }}o--|| {to} : \"{}\"", link.label);
    }
    text
}

/// In quotes: a table may be called like a word of the language.
fn entity(name: &str) -> String {
    format!("\"{name}\"")
}

fn is_link(view: &View<'_>, table: &str, column: &Column) -> bool {
    view.links().iter().any(|link| link.from == table && link.column == column.name)
}

fn attribute(column: &Column, is_link: bool) -> String {
    let data_type = column.data_type.and_then(|data_type| serde_json::to_value(data_type).ok());
    let data_type = data_type.as_ref().and_then(|name| name.as_str()).unwrap_or_default();
    let keys = [("PK", column.has(Hint::PrimaryKey)), ("FK", is_link), ("UK", column.has(Hint::Unique))];
    let keys: Vec<&str> = keys.into_iter().filter(|(_, is_key)| *is_key).map(|(key, _)| key).collect();
    // The language knows these in any case, and has no quotes for names.
    let is_reserved = matches!(column.name.as_str(), "pk" | "fk" | "uk");
    let mut text = format!("{data_type} {}{}", column.name, if is_reserved { "_" } else { "" });
    if !keys.is_empty() {
        let _ = write!(text, " {}", keys.join(", "));
    }
    if let Some(description) = description(&column.hints) {
        // A comment has no way to write a quote or a line break.
        let words: Vec<&str> = description.split_whitespace().collect();
        let _ = write!(text, " \"{}\"", words.join(" ").replace('"', "'"));
    }
    text
}
