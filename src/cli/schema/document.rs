//! dlt's schema document, as dlt's command line prints it.

use serde_json::{Map, Value};

use super::{View, yaml};

/// The document with the chosen tables. Names are keys in it and stand nowhere else.
pub(super) fn render(view: &View<'_>) -> String {
    let mut document = view.schema.to_json();
    if let Some(document) = document.as_object_mut() {
        document.shift_remove("imported_version_hash");
    }
    if let Some(tables) = document.get_mut("tables").and_then(Value::as_object_mut) {
        tables.retain(|name, _| view.tables.iter().any(|table| table.name == *name));
        for table in tables.values_mut().filter_map(Value::as_object_mut) {
            table.shift_remove("name");
            let columns = table.get_mut("columns").and_then(Value::as_object_mut);
            for column in columns.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
                column.shift_remove("name");
            }
        }
    }
    yaml::dump(&document)
}
