//! Batches on disk: one Arrow IPC stream each, uncompressed, since it is read once and soon.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;

use super::table::TableBuilder;

/// Writes a table's batch, which is empty then. Columns without a value are left out.
pub(super) fn write(path: &Path, builder: &mut TableBuilder) -> io::Result<()> {
    // Arrow's error repeats the one below it.
    write_batch(path, builder).map_err(|error| match error {
        ArrowError::IoError(_, source) => source,
        other => io::Error::other(other),
    })
}

fn write_batch(path: &Path, builder: &mut TableBuilder) -> Result<(), ArrowError> {
    let rows = builder.rows;
    let columns = builder.columns.iter_mut().filter(|column| !column.is_empty());
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.map(|column| column.finish(rows)).unzip();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    let mut writer = StreamWriter::try_new(BufWriter::new(File::create(path)?), &schema)?;
    writer.write(&batch)?;
    writer.finish()?;
    writer.into_inner()?.into_inner().map_err(|error| ArrowError::from(error.into_error()))?;
    Ok(())
}
