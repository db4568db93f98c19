//! Loads into real files.

mod crash;
mod gone;
mod lock;
mod merge;
mod open;
mod origins;
mod retype;
mod strategies;
mod tables;
mod versions;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::ipc::writer::StreamWriter;
use arrow::util::display::array_value_to_string;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::DuckDb;
use crate::destination::{Deletes, Destination, DestinationError, LoadPackage, Receipt, RunRecord};
use crate::normalize::{Normalized, Origin, Retype, TableRows};
use crate::schema::{Column, DataType, Hint, Schema, Table, WriteDisposition};
use crate::state::{LoadId, PipelineState};

/// A database file in a folder of its own, with what one pipeline knows about it.
pub(super) struct Fixture {
    folder: TempDir,
    /// The database, if it is not in the folder.
    pub(super) file: Option<PathBuf>,
    pub(super) schema: Schema,
    pub(super) base: Option<String>,
    /// What the next load has beside rows.
    pub(super) next: Extras,
}

/// What a load may have beside rows.
#[derive(Default)]
pub(super) struct Extras {
    pub(super) emptied: Vec<String>,
    pub(super) deletes: Vec<Deletes>,
    pub(super) retyped: Vec<Retype>,
    pub(super) origins: Vec<Origin>,
}

impl Fixture {
    /// Tables `t(id, name)`, `t__c(value)` and `t__c__d(value)`, with `id` for a key.
    pub(super) fn new(disposition: WriteDisposition) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, file: None, schema: members(disposition), base: None, next: Extras::default() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.file.clone().unwrap_or_else(|| self.folder.path().join("ds.duckdb"))
    }

    pub(super) fn database(&self) -> DuckDb {
        open(&self.path())
    }

    /// Loads batches of rows as load `id`.
    pub(super) fn load(&mut self, id: &str, tables: &[(&str, RecordBatch)]) -> Receipt {
        self.try_load(id, tables).unwrap()
    }

    /// Loads rows written as JSON, an array per table. Rows of the root table get the id of the load.
    pub(super) fn load_json(&mut self, id: &str, tables: &Value) -> Receipt {
        let tables: Vec<_> = tables.as_object().unwrap().iter().collect();
        let tables: Vec<_> =
            tables.iter().map(|(name, rows)| (name.as_str(), json_batch(id, name, rows))).collect();
        self.load(id, &tables)
    }

    /// Gives a column a hint; without a column, the root table.
    pub(super) fn hint(&mut self, column: &str, key: &str, value: Value) {
        let root = &mut self.schema.tables["t"];
        let hints = match column {
            "" => &mut root.other,
            column => &mut root.columns[column].hints,
        };
        hints.insert(key.to_owned(), value);
    }

    pub(super) fn try_load(
        &mut self,
        id: &str,
        tables: &[(&str, RecordBatch)],
    ) -> Result<Receipt, DestinationError> {
        let mut state = PipelineState::new("p", "src", "ds", "dlt.destinations.duckdb");
        state.set_resource("src", "t", serde_json::Map::from_iter([("load".to_owned(), json!(id))]));
        state.bump();
        let mut schema = self.schema.clone();
        schema.bump();
        let next = std::mem::take(&mut self.next);
        let rows = Normalized {
            schema,
            tables: write_all(self.folder.path(), id, tables),
            retyped: next.retyped,
            origins: next.origins,
        };
        let run = RunRecord {
            resource: "t".to_owned(),
            outcome: "complete".to_owned(),
            row_count: 7,
            page_count: 2,
            request_count: 3,
            started_at: 1_795_000_000_000_001,
            finished_at: 1_795_000_001_000_000,
        };
        let receipt = self.database().load(&LoadPackage {
            load_id: &LoadId::from_stored(id),
            pipeline: "p",
            rows: &rows,
            state: Some(&state),
            base_schema_hash: self.base.as_deref(),
            emptied: &next.emptied,
            deletes: &next.deletes,
            runs: &[run],
        })?;
        self.base = Some(rows.schema.version_hash.clone());
        self.schema = rows.schema;
        Ok(receipt)
    }

    /// Rows of a query as text, columns separated by blanks.
    pub(super) fn rows(&self, sql: &str) -> Vec<String> {
        let result = self.database().query(sql, None).unwrap();
        let mut rows = Vec::new();
        for batch in &result.batches {
            for row in 0..batch.num_rows() {
                let cell = |column: &ArrayRef| {
                    if column.is_null(row) {
                        "-".to_owned()
                    } else {
                        array_value_to_string(column, row).unwrap()
                    }
                };
                rows.push(batch.columns().iter().map(cell).collect::<Vec<_>>().join(" "));
            }
        }
        rows
    }

    pub(super) fn check(&self, sql: &str, expected: &[&str]) {
        assert_eq!(self.rows(sql), expected, "{sql}");
    }
}

pub(super) fn open(path: &Path) -> DuckDb {
    DuckDb::new(path.to_owned(), "ds".to_owned(), Duration::ZERO, |_| ())
}

/// The schema of [`Fixture::new`].
pub(super) fn members(disposition: WriteDisposition) -> Schema {
    let mut schema = Schema::new("src");
    let text = |name: &str| Column::new(name, DataType::Text);
    let mut root = Table::root("t", "t", disposition);
    root.add(Column::new("id", DataType::Bigint).not_null().with(Hint::PrimaryKey));
    root.add(text("name"));
    root.add(text("_dlt_load_id").not_null());
    root.add(row_id());
    let mut tables = vec![root, Table::child("t__c", "t"), Table::child("t__c__d", "t__c")];
    for child in &mut tables[1..] {
        child.add(text("value"));
        if disposition == WriteDisposition::Merge {
            child.add(text("_dlt_root_id").not_null().with(Hint::RootKey));
        }
        child.add(text("_dlt_parent_id").not_null().with(Hint::ParentKey));
        child.add(Column::new("_dlt_list_idx", DataType::Bigint).not_null());
        child.add(row_id());
    }
    for mut table in tables {
        table.mark_seen();
        schema.tables.insert(table.name.clone(), table);
    }
    if disposition == WriteDisposition::Merge {
        schema.propagate_root_id("t");
    }
    schema
}

fn row_id() -> Column {
    Column::new("_dlt_id", DataType::Text).not_null().with(Hint::Unique).with(Hint::RowKey)
}

pub(super) fn int(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub(super) fn text<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.into_iter().map(|value| (value != "-").then_some(value)).collect::<StringArray>())
}

pub(super) fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, array)| (*name, array.clone(), true)))
        .unwrap()
}

/// Root rows of load `load`: (key, name, `_dlt_id`).
pub(super) fn roots(load: &str, rows: &[(i64, &str, &str)]) -> RecordBatch {
    batch(&[
        ("id", int(rows.iter().map(|row| row.0))),
        ("name", text(rows.iter().map(|row| row.1))),
        ("_dlt_load_id", text(rows.iter().map(|_| load))),
        ("_dlt_id", text(rows.iter().map(|row| row.2))),
    ])
}

/// Child rows: (value, root, parent, `_dlt_id`).
pub(super) fn children(rows: &[(&str, &str, &str, &str)]) -> RecordBatch {
    batch(&[
        ("value", text(rows.iter().map(|row| row.0))),
        ("_dlt_root_id", text(rows.iter().map(|row| row.1))),
        ("_dlt_parent_id", text(rows.iter().map(|row| row.2))),
        ("_dlt_list_idx", int(rows.iter().map(|_| 0))),
        ("_dlt_id", text(rows.iter().map(|row| row.3))),
    ])
}

/// Rows written as JSON objects: numbers, texts and truth values.
fn json_batch(load: &str, table: &str, rows: &Value) -> RecordBatch {
    let rows = rows.as_array().unwrap();
    let mut names: Vec<&String> = Vec::new();
    for name in rows.iter().flat_map(|row| row.as_object().unwrap().keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let column = |name: &str| -> ArrayRef {
        let values = || rows.iter().map(|row| row.get(name).filter(|value| !value.is_null()));
        match values().flatten().next() {
            Some(Value::Bool(_)) => Arc::new(
                values().map(|value| value.map(|it| it.as_bool().unwrap())).collect::<BooleanArray>(),
            ),
            Some(Value::Number(number)) if number.is_f64() => {
                Arc::new(values().map(|value| value.map(|it| it.as_f64().unwrap())).collect::<Float64Array>())
            }
            Some(Value::Number(_)) => {
                Arc::new(values().map(|value| value.map(|it| it.as_i64().unwrap())).collect::<Int64Array>())
            }
            _ => {
                Arc::new(values().map(|value| value.map(|it| it.as_str().unwrap())).collect::<StringArray>())
            }
        }
    };
    let mut columns: Vec<_> = names.into_iter().map(|name| (name.as_str(), column(name))).collect();
    if table == "t" {
        columns.push(("_dlt_load_id", text(rows.iter().map(|_| load))));
    }
    batch(&columns)
}

/// Child rows as an appended table has them: (value, parent, `_dlt_id`).
pub(super) fn rootless(rows: &[(&str, &str, &str)]) -> RecordBatch {
    let rows: Vec<_> = rows.iter().map(|row| (row.0, "-", row.1, row.2)).collect();
    let all = children(&rows);
    all.project(&[0, 2, 3, 4]).unwrap()
}

fn write_all(folder: &Path, id: &str, tables: &[(&str, RecordBatch)]) -> Vec<TableRows> {
    let write = |(table, batch): &(&str, RecordBatch)| {
        let path = folder.join(format!("{id}-{table}.arrow"));
        write_file(&path, std::slice::from_ref(batch));
        TableRows { table: (*table).to_owned(), row_count: batch.num_rows() as u64, files: vec![path] }
    };
    tables.iter().map(write).collect()
}

pub(super) fn write_file(path: &Path, batches: &[RecordBatch]) {
    let mut writer = StreamWriter::try_new(File::create(path).unwrap(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
}
