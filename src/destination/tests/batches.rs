//! Rows as the normalizer hands them over.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::ipc::writer::StreamWriter;
use serde_json::Value;

use crate::normalize::TableRows;

pub(crate) fn int(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub(crate) fn text<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.into_iter().map(|value| (value != "-").then_some(value)).collect::<StringArray>())
}

pub(crate) fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, array)| (*name, array.clone(), true)))
        .unwrap()
}

/// Root rows of load `load`: (key, name, `_dlt_id`).
pub(crate) fn roots(load: &str, rows: &[(i64, &str, &str)]) -> RecordBatch {
    batch(&[
        ("id", int(rows.iter().map(|row| row.0))),
        ("name", text(rows.iter().map(|row| row.1))),
        ("_dlt_load_id", text(rows.iter().map(|_| load))),
        ("_dlt_id", text(rows.iter().map(|row| row.2))),
    ])
}

/// Child rows: (value, root, parent, `_dlt_id`).
pub(crate) fn children(rows: &[(&str, &str, &str, &str)]) -> RecordBatch {
    batch(&[
        ("value", text(rows.iter().map(|row| row.0))),
        ("_dlt_root_id", text(rows.iter().map(|row| row.1))),
        ("_dlt_parent_id", text(rows.iter().map(|row| row.2))),
        ("_dlt_list_idx", int(rows.iter().map(|_| 0))),
        ("_dlt_id", text(rows.iter().map(|row| row.3))),
    ])
}

/// Rows written as JSON objects: numbers, texts and truth values.
pub(crate) fn json_batch(load: &str, table: &str, rows: &Value) -> RecordBatch {
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
pub(crate) fn rootless(rows: &[(&str, &str, &str)]) -> RecordBatch {
    let rows: Vec<_> = rows.iter().map(|row| (row.0, "-", row.1, row.2)).collect();
    let all = children(&rows);
    all.project(&[0, 2, 3, 4]).unwrap()
}

pub(crate) fn write_all(folder: &Path, id: &str, tables: &[(&str, RecordBatch)]) -> Vec<TableRows> {
    let write = |(table, batch): &(&str, RecordBatch)| {
        let path = folder.join(format!("{id}-{table}.arrow"));
        write_file(&path, std::slice::from_ref(batch));
        TableRows { table: (*table).to_owned(), row_count: batch.num_rows() as u64, files: vec![path] }
    };
    tables.iter().map(write).collect()
}

pub(crate) fn write_file(path: &Path, batches: &[RecordBatch]) {
    let mut writer = StreamWriter::try_new(File::create(path).unwrap(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
}
