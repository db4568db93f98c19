//! What every destination has to do, on DuckDB.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::ArrayRef;
use arrow::util::display::array_value_to_string;
use tempfile::TempDir;

use crate::destination::duckdb::DuckDb;
use crate::destination::tests::{Engine, Load, Place, Traits, conformance};
use crate::destination::{Destination, failpoint};

conformance!(engine);

fn engine() -> Option<DuckDbFiles> {
    Some(DuckDbFiles)
}

/// A file in a folder of its own for each place.
pub(super) struct DuckDbFiles;

static TRAITS: Traits = Traits {
    module: module_path!(),
    types: &[
        ("VARCHAR", "text"),
        ("DOUBLE", "double"),
        ("BOOLEAN", "bool"),
        ("DATE", "date"),
        ("TIME", "time"),
        ("BLOB", "binary"),
        ("JSON", "json"),
        ("DECIMAL", "decimal"),
        ("SMALLINT", "smallint"),
        ("INTEGER", "integer"),
        ("BIGINT", "bigint"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp"),
        ("TIMESTAMP", "naive timestamp"),
    ],
    has_unique: false,
    nul: "\0",
    columns: "SELECT table_name, column_name, data_type, is_nullable, false, comment FROM ( \
              SELECT table_name, column_index, column_name, data_type, is_nullable, comment \
              FROM duckdb_columns() WHERE schema_name = 'ds' \
              UNION ALL SELECT table_name, 0, '', NULL, NULL, comment FROM duckdb_tables() \
              WHERE schema_name = 'ds') ORDER BY table_name, column_index",
};

impl Engine for DuckDbFiles {
    fn traits(&self) -> &'static Traits {
        &TRAITS
    }

    fn create(&self) -> Arc<dyn Place> {
        Arc::new(DuckDbFile::new())
    }

    fn find(&self, address: &str) -> Arc<dyn Place> {
        Arc::new(DuckDbFile { path: address.into(), _folder: None })
    }
}

/// A file `ds.duckdb`.
struct DuckDbFile {
    path: PathBuf,
    _folder: Option<TempDir>,
}

impl DuckDbFile {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: folder.path().join("ds.duckdb"), _folder: Some(folder) }
    }

    fn open(&self, dataset: &str) -> DuckDb {
        DuckDb::new(self.path.clone(), dataset.to_owned(), Duration::ZERO, |_| ())
    }
}

impl Place for DuckDbFile {
    fn address(&self) -> String {
        self.path.to_str().unwrap().to_owned()
    }

    fn destination(&self, dataset: &str) -> Box<dyn Destination> {
        Box::new(self.open(dataset))
    }

    fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let cell = |column: &ArrayRef, row: usize| {
            (!column.is_null(row)).then(|| array_value_to_string(column, row).unwrap())
        };
        let result = self.open("ds").query(sql, None).unwrap_or_else(|error| panic!("{error}\nby: {sql}"));
        let rows = result.batches.iter().flat_map(|batch| {
            (0..batch.num_rows()).map(|row| batch.columns().iter().map(|column| cell(column, row)).collect())
        });
        rows.collect()
    }

    fn execute(&self, sql: &str) {
        let connection = duckdb::Connection::open(&self.path).unwrap();
        connection.execute_batch("SET TimeZone = 'UTC'; USE ds.ds").unwrap();
        connection.execute_batch(sql).unwrap_or_else(|error| panic!("{error}\nby: {sql}"));
    }

    /// One load is enough: what a process leaves that ends at some moment are the files as they are then, since it writes
    /// through to them.
    fn cut(&self, load: &mut Load<'_>, left: &mut dyn FnMut(&dyn Place)) {
        let moments = Rc::new(RefCell::new(Vec::new()));
        let (path, noted) = (self.path.clone(), Rc::clone(&moments));
        failpoint::watch(move || {
            let mut noted = noted.borrow_mut();
            let files = Files::read(&path);
            if noted.last() != Some(&files) {
                noted.push(files);
            }
        });
        let loaded = load();
        failpoint::unwatch();
        loaded.unwrap();
        for files in moments.take() {
            let copy = Self::new();
            files.write(&copy.path);
            left(&copy);
        }
    }
}

/// The files of a database.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    database: Vec<u8>,
    log: Option<Vec<u8>>,
}

impl Files {
    fn read(path: &Path) -> Self {
        Self { database: std::fs::read(path).unwrap(), log: std::fs::read(log_of(path)).ok() }
    }

    fn write(&self, path: &Path) {
        std::fs::write(path, &self.database).unwrap();
        if let Some(log) = &self.log {
            std::fs::write(log_of(path), log).unwrap();
        }
    }
}

/// DuckDB's write-ahead log.
fn log_of(path: &Path) -> PathBuf {
    path.with_extension("duckdb.wal")
}
