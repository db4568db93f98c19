//! Files that are opened, and those that cannot be.

use std::fs;

use super::{DuckDbFiles, Fixture, loaded, open, path};
use crate::destination::{Destination, DestinationError};
use crate::schema::WriteDisposition;

#[test]
fn a_query_reads_and_cannot_write() {
    let fixture = loaded();
    let database = open(&path(&fixture));
    for table in ["t", "ds.ds.t"] {
        let result =
            database.query(&format!("SELECT id AS key, name FROM {table} ORDER BY id"), Some(1)).unwrap();
        let names: Vec<_> = result.schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["key", "name"]);
        assert_eq!(result.batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 1);
        assert!(result.is_cut);
    }
    assert!(!database.query("FROM t", Some(2)).unwrap().is_cut);
    fixture.check("SELECT TIMESTAMPTZ '2026-01-02 03:04:05+00'", &["2026-01-02T03:04:05Z"]);
    let empty = database.query("SELECT id FROM t WHERE false", None).unwrap();
    assert_eq!(empty.schema.fields().len(), 1);
    for sql in ["DELETE FROM t", "DROP TABLE t", "INSERT INTO t VALUES (1)", "CREATE TABLE u (x INT)"] {
        let error = database.query(sql, None).unwrap_err().to_string();
        assert!(error.contains("read-only") || error.contains("columns"), "{sql}: {error}");
    }
    let error = database.query("SELECT nothing FROM t", None).unwrap_err().to_string();
    assert!(error.starts_with("could not run the query: ") && error.contains("nothing"), "{error}");
    let error = database.query("SELECT CAST(name AS INT) FROM t", None).unwrap_err().to_string();
    assert!(error.contains("Could not convert"), "{error}");
    fixture.check("SELECT count(*) FROM t", &["2"]);
}

#[test]
fn files_that_are_no_database_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let error = open(&path).committed("p", "src").unwrap_err();
        assert_eq!(error.to_string(), format!("`{}` is not a DuckDB database", path.display()));
    };
    let text = "name,id\n".repeat(4096);
    check("text", text.as_bytes());
    // By their names, the engine would import these.
    check("rows.csv", text.as_bytes());
    check("rows.json", b"[]");
    check("short", b"x");
    check("empty", b"");
    let error = open(&folder.path().join("missing")).query("SELECT 1", None).unwrap_err();
    assert!(matches!(error, DestinationError::Missing { .. }), "{error}");
    let mut fixture = Fixture::new(&DuckDbFiles, WriteDisposition::Append);
    fs::create_dir(path(&fixture)).unwrap();
    let error = fixture.try_load("1.1", &[]).unwrap_err().to_string();
    assert!(error.ends_with("Is a directory"), "{error}");
}

#[test]
fn a_place_to_load_is_looked_for_without_making_anything() {
    let folder = tempfile::tempdir().unwrap();
    let check = |path: &str| open(&folder.path().join(path)).check_writable(true);
    check("new.duckdb").unwrap();
    assert!(matches!(check("missing/new.duckdb"), Err(DestinationError::NoFolder { .. })));
    fs::write(folder.path().join("file"), "").unwrap();
    check("file").unwrap();
    assert!(check("file/new.duckdb").is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"");
}

#[test]
fn a_file_of_a_newer_engine_is_told_apart() {
    let fixture = loaded();
    // The first block: checksum of 8 bytes, magic of 4, version of 8. The checksum covers the rest of it, so
    // the engine may stop there already; either way it must not be taken for a lock or a missing file.
    let mut bytes = fs::read(path(&fixture)).unwrap();
    bytes[12] = 99;
    fs::write(path(&fixture), bytes).unwrap();
    let error = open(&path(&fixture)).committed("p", "src").unwrap_err();
    assert!(matches!(error, DestinationError::Open { .. }), "{error}");
}

#[test]
fn nothing_but_the_database_is_left_in_the_folder() {
    let fixture = loaded();
    let mut names: Vec<_> = fs::read_dir(path(&fixture).parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".arrow"))
        .collect();
    names.sort();
    assert_eq!(names, ["ds.duckdb"]);
}
