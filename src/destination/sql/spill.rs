//! Rows of a package as they lie on disk: batches in Arrow files.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use indexmap::IndexSet;

use super::super::DestinationError;
use crate::normalize::TURN;

/// A file of rows, read batch by batch, for a table with certain columns.
///
/// Fields that the table does not have may only hold nulls. [`TURN`] is left out where rows go to their table at once.
pub(crate) struct SpillFile {
    path: PathBuf,
    reader: StreamReader<BufReader<File>>,
    known: Vec<usize>,
    unknown: Vec<(usize, String)>,
}

impl SpillFile {
    /// Opens a file for a table with `columns`, which are in lower case.
    pub(crate) fn open(path: &Path, columns: &IndexSet<String>) -> Result<Self, DestinationError> {
        let opened = File::open(path).map_err(|error| spill_error(path, &error))?;
        let reader =
            StreamReader::try_new(BufReader::new(opened), None).map_err(|error| spill_error(path, &error))?;
        let schema: SchemaRef = reader.schema();
        let (known, unknown): (Vec<_>, Vec<_>) = (0..schema.fields().len())
            .partition(|index| columns.contains(&schema.field(*index).name().to_lowercase()));
        let unknown = unknown.into_iter().map(|index| (index, schema.field(index).name().clone()));
        let unknown = unknown.filter(|(_, name)| name != TURN).collect();
        Ok(Self { path: path.to_owned(), reader, known, unknown })
    }

    /// The fields that the table has, in the order of the batches.
    pub(crate) fn fields(&self) -> Vec<Field> {
        let schema = self.reader.schema();
        self.known.iter().map(|index| schema.field(*index).clone()).collect()
    }

    /// The next batch, with [`SpillFile::fields`].
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>, DestinationError> {
        let batch = self.reader.next().map(|batch| batch.and_then(|batch| self.select(&batch)));
        batch.transpose().map_err(|error| spill_error(&self.path, &error))
    }

    fn select(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let has_value =
            |&&(index, _): &&(usize, String)| batch.column(index).logical_null_count() < batch.num_rows();
        if let Some((_, name)) = self.unknown.iter().find(has_value) {
            return Err(ArrowError::SchemaError(format!("column `{name}` is not in the table")));
        }
        batch.project(&self.known)
    }
}

fn spill_error(file: &Path, error: &impl std::fmt::Display) -> DestinationError {
    DestinationError::Spill { file: file.display().to_string(), reason: error.to_string() }
}
