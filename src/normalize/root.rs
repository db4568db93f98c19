//! What a resource says about its table.

use serde_json::{Value, json};

use crate::schema::{Column, DataType, DeleteMode, Hint, Table, TableHints, normalize_path};

/// The root table of a resource. Names are those of the source.
#[derive(Debug, Clone)]
pub struct RootTable {
    /// Name of the resource.
    pub resource: String,
    /// Name of the table.
    pub table: String,
    /// What the config says of the table.
    pub hints: TableHints,
    /// The field that an incremental resource follows.
    pub cursor_field: Option<String>,
    /// What happens to rows that the API no longer has. Rows that are marked need a column for it.
    pub deletes: Option<DeleteMode>,
}

impl RootTable {
    /// Writes what the resource says into the schema's table, as dlt does before it sees the first row: columns
    /// without a type yet take their place when they get one.
    pub(super) fn hint(&self, table: &mut Table, max_length: usize) {
        table.write_disposition = Some(self.hints.write_disposition());
        table.resource = Some(self.resource.clone());
        if let Some(nesting) = self.hints.max_table_nesting {
            let normalizer = table.other.entry("x-normalizer").or_insert_with(|| json!({}));
            if let Some(normalizer) = normalizer.as_object_mut() {
                normalizer.insert("max_nesting".to_owned(), Value::from(nesting));
            }
        }
        for (hint, keys) in
            [(Hint::PrimaryKey, &self.hints.primary_key), (Hint::MergeKey, &self.hints.merge_key)]
        {
            if !keys.is_empty() {
                // A new key takes the place of the old one.
                table.columns.values_mut().for_each(|column| {
                    column.hints.shift_remove(hint.key());
                });
            }
            for key in keys {
                let column = hinted(table, key, max_length);
                column.set(hint);
                column.nullable = Some(false);
            }
        }
        if let Some(cursor) = &self.cursor_field {
            hinted(table, cursor, max_length).set(Hint::Incremental);
        }
    }
}

/// The column of a source field, without a type if it is new.
fn hinted<'a>(table: &'a mut Table, field: &str, max_length: usize) -> &'a mut Column {
    let name = normalize_path(field, max_length);
    table.columns.entry(name.clone()).or_insert_with(|| {
        let mut column = Column::new(name, DataType::Text);
        column.data_type = None;
        column.nullable = None;
        column
    })
}
