//! A load that is cut at any statement leaves the old tables or the new ones.

use std::cell::RefCell;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use serde_json::{Value, json};

use super::Fixture;
use crate::destination::failpoint::{self, ABORT_AT};
use crate::destination::{Deletes, Destination};
use crate::normalize::{Origin, Retype};
use crate::schema::{Column, DataType, DeleteMode, WriteDisposition};

const FILE: &str = "FOREBAY_TEST_CRASH";
const CASE: &str = "FOREBAY_TEST_CASE";

/// Signal of `std::process::abort`.
const SIGABRT: i32 = 6;

/// What the second load does beside writing rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extra {
    None,
    /// A `replace` resource yields nothing.
    Emptied,
    /// Rows that are not in it are gone.
    Gone(DeleteMode),
    /// Column `at` is changed to double.
    Retyped,
}

/// A way to write rows: name, disposition, hints of the root table (column, key, value as JSON), and what the second load
/// does.
struct Case(&'static str, WriteDisposition, &'static [(&'static str, &'static str, &'static str)], Extra);

use Extra::{Emptied, Gone, Retyped};
use WriteDisposition::{Append, Merge, Replace};

const ID: (&str, &str, &str) = ("id", "primary_key", "true");
const UPSERT: (&str, &str, &str) = ("", "x-merge-strategy", "\"upsert\"");
const INSERT: (&str, &str, &str) = ("", "x-merge-strategy", "\"insert-only\"");
const SCD2: (&str, &str, &str) = ("", "x-merge-strategy", "\"scd2\"");
const FROM: (&str, &str, &str) = ("begin", "x-valid-from", "true");
const TO: (&str, &str, &str) = ("finish", "x-valid-to", "true");
const VERSION: (&str, &str, &str) = ("name", "x-row-version", "true");
const GROUP: (&str, &str, &str) = ("group", "merge_key", "true");
const FLAG: (&str, &str, &str) = ("gone", "hard_delete", "true");
const SORT: (&str, &str, &str) = ("at", "dedup_sort", "\"asc\"");

const CASES: [Case; 13] = [
    Case("append, retype", Append, &[], Retyped),
    Case("replace, retype", Replace, &[], Retyped),
    Case("replace by nothing", Replace, &[], Emptied),
    Case("delete-insert, retype", Merge, &[ID], Retyped),
    Case("delete-insert, all hints", Merge, &[ID, GROUP, FLAG, SORT], Extra::None),
    Case("delete-insert, mark", Merge, &[ID, FLAG], Gone(DeleteMode::Soft)),
    Case("delete-insert, remove", Merge, &[ID], Gone(DeleteMode::Hard)),
    Case("upsert, retype", Merge, &[ID, UPSERT, FLAG], Retyped),
    Case("upsert, mark", Merge, &[ID, UPSERT], Gone(DeleteMode::Soft)),
    Case("upsert, remove", Merge, &[ID, UPSERT], Gone(DeleteMode::Hard)),
    Case("insert-only", Merge, &[ID, INSERT, FLAG], Extra::None),
    Case("scd2, retype", Merge, &[SCD2, FROM, TO, VERSION], Retyped),
    Case("scd2, groups", Merge, &[SCD2, FROM, TO, VERSION, GROUP], Extra::None),
];

impl Case {
    fn fixture(&self) -> Fixture {
        let mut fixture = Fixture::new(self.1);
        let root = &mut fixture.schema.tables["t"];
        root.columns["id"].hints.clear();
        for (name, data_type) in [
            ("group", DataType::Text),
            ("at", DataType::Bigint),
            ("gone", DataType::Bool),
            ("begin", DataType::Timestamp),
            ("finish", DataType::Timestamp),
        ] {
            root.add(Column::new(name, data_type));
        }
        for (column, key, value) in self.2 {
            fixture.hint(column, key, serde_json::from_str(value).unwrap());
        }
        fixture
    }

    fn first_load(&self, fixture: &mut Fixture) {
        fixture.next.origins = vec![origin("id")];
        load(fixture, "1.1", &[(1, "a", "mon"), (2, "b", "mon"), (3, "c", "tue")]);
    }

    fn second_load(&self, fixture: &mut Fixture) {
        fixture.next.origins = vec![origin("id"), origin("name")];
        fixture.schema.tables["t"].add(Column::new("more", DataType::Double));
        match self.3 {
            Extra::None => (),
            Emptied => {
                fixture.next.emptied = vec!["t".to_owned()];
                fixture.load("1.2", &[]);
                return;
            }
            Gone(mode) => {
                fixture.next.deletes = vec![Deletes { table: "t".to_owned(), mode, max_share: 1.0 }];
            }
            Retyped => {
                fixture.schema.tables["t"].columns["at"].data_type = Some(DataType::Double);
                let (table, column) = ("t".to_owned(), "at".to_owned());
                fixture.next.retyped = vec![Retype { table, column, data_type: DataType::Double }];
            }
        }
        load(fixture, "1.2", &[(2, "B", "mon"), (3, "c", "tue"), (3, "C", "wed"), (4, "GONE", "wed")]);
    }
}

fn origin(column: &str) -> Origin {
    Origin { table: "t".to_owned(), column: column.to_owned(), path: format!("$.{column}") }
}

/// Loads rows (key, name, group), each with a child and a grandchild. Upper-case names are those of newer rows.
fn load(fixture: &mut Fixture, id: &str, rows: &[(i64, &str, &str)]) {
    let has_root_id = fixture.schema.tables["t__c"].columns.contains_key("_dlt_root_id");
    let root = |(id, name, group): &(i64, &str, &str)| json!({"id": id, "name": name, "group": group, "at": id, "gone": *name == "GONE", "_dlt_id": format!("k{id}")});
    let below = |(id, name, _): &(i64, &str, &str), parent: String, row_id: String| {
        let mut row = json!({"value": name, "_dlt_parent_id": parent, "_dlt_list_idx": 0, "_dlt_id": row_id});
        if has_root_id {
            row["_dlt_root_id"] = json!(format!("k{id}"));
        }
        row
    };
    let child = |row: &(i64, &str, &str)| below(row, format!("k{}", row.0), format!("c{}", row.0));
    let grandchild = |row: &(i64, &str, &str)| below(row, format!("c{}", row.0), format!("d{}", row.0));
    let all = |make: &dyn Fn(&(i64, &str, &str)) -> Value| rows.iter().map(make).collect::<Vec<_>>();
    fixture.load_json(id, &json!({"t": all(&root), "t__c": all(&child), "t__c__d": all(&grandchild)}));
}

/// Run as a process of its own by the test below, which ends it at a statement.
#[test]
fn victim() {
    let (Ok(path), Ok(name)) = (std::env::var(FILE), std::env::var(CASE)) else { return };
    let case = CASES.iter().find(|case| case.0 == name).unwrap();
    let mut fixture = case.fixture();
    fixture.file = Some(path.into());
    match fixture.database().committed("p", "src").unwrap().schema {
        None => case.first_load(&mut fixture),
        Some(schema) => {
            fixture.base = Some(schema.version_hash.clone());
            fixture.schema = schema;
            case.second_load(&mut fixture);
        }
    }
}

/// Loads in a process that dies at place `at`. Returns whether it died.
fn crash(case: &Case, file: &Path, at: u32) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "destination::duckdb::tests::crash::victim"])
        .env(FILE, file)
        .env(CASE, case.0)
        .env(ABORT_AT, at.to_string())
        .output()
        .unwrap();
    assert!(output.status.success() || output.status.signal() == Some(SIGABRT), "{output:?}");
    !output.status.success()
}

/// All that a dataset holds, but for instants and random ids.
fn content(file: &Path) -> Vec<String> {
    let connection = duckdb::Connection::open(file).unwrap();
    connection.execute_batch("SET TimeZone = 'UTC'; USE ds.ds").unwrap();
    let mut content = Vec::new();
    for sql in [
        "SELECT c FROM (SELECT table_name, column_name, data_type, is_nullable, comment \
         FROM duckdb_columns() WHERE NOT internal) AS c ORDER BY ALL",
        "SELECT t FROM t ORDER BY ALL",
        "SELECT t__c FROM t__c ORDER BY ALL",
        "SELECT t__c__d FROM t__c__d ORDER BY ALL",
        "SELECT row(load_id, status, schema_version_hash) FROM _dlt_loads ORDER BY ALL",
        "SELECT row(version, version_hash, schema) FROM _dlt_version ORDER BY ALL",
        "SELECT row(version, state, _dlt_load_id) FROM _dlt_pipeline_state ORDER BY ALL",
        "SELECT r FROM _forebay_runs AS r ORDER BY ALL",
        "SELECT row(table_name, column_name, source_path, load_id) FROM _forebay_columns ORDER BY ALL",
    ] {
        let text = "regexp_replace(x::VARCHAR, '_forebay_deleted_at'': ''?[0-9][^,}]*', 'deleted')";
        let sql = format!("SELECT {text} FROM ({sql}) AS q(x)");
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        content.extend(rows.map(Result::unwrap));
    }
    content
}

/// The files of a database: what a process leaves that ends at some moment, since it writes through to them.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    database: Vec<u8>,
    log: Option<Vec<u8>>,
}

impl Files {
    fn read(file: &Path) -> Self {
        Self { database: std::fs::read(file).unwrap(), log: std::fs::read(log_of(file)).ok() }
    }

    fn write(&self, file: &Path) {
        std::fs::write(file, &self.database).unwrap();
        if let Some(log) = &self.log {
            std::fs::write(log_of(file), log).unwrap();
        }
    }
}

/// DuckDB's write-ahead log.
fn log_of(file: &Path) -> PathBuf {
    file.with_extension("duckdb.wal")
}

/// What the files were at each place of a load, without repetitions. How many places there were.
fn moments(file: &Path, load: impl FnOnce()) -> (Vec<Files>, u32) {
    let seen = Rc::new(RefCell::new((Vec::new(), 0)));
    let (file, noted) = (file.to_owned(), Rc::clone(&seen));
    failpoint::watch(move || {
        let mut noted = noted.borrow_mut();
        let files = Files::read(&file);
        noted.1 += 1;
        if noted.0.last() != Some(&files) {
            noted.0.push(files);
        }
    });
    load();
    failpoint::unwatch();
    seen.take()
}

/// Looks at what is left of the second load at every place, and ends a process at the last one before the commit.
fn check(case: &Case) {
    let mut whole = case.fixture();
    case.first_load(&mut whole);
    let file = whole.path();
    let old = Files::read(&file);
    let before = content(&file);
    let (schema, base) = (whole.schema.clone(), whole.base.clone());
    let (moments, places) = moments(&file, || case.second_load(&mut whole));
    let after = content(&file);
    assert_ne!(before, after, "{}", case.0);
    assert!(places > 10, "{}: {places}", case.0);
    let left = |files: &Files| {
        let fixture = case.fixture();
        files.write(&fixture.path());
        content(&fixture.path())
    };
    let (committed, uncommitted) = moments.split_last().unwrap();
    assert!(!uncommitted.is_empty(), "{}", case.0);
    for (number, files) in uncommitted.iter().enumerate() {
        assert_eq!(left(files), before, "{}, moment {number}", case.0);
    }
    assert_eq!(left(committed), after, "{}, after the commit", case.0);

    let mut cut = case.fixture();
    old.write(&cut.path());
    assert!(crash(case, &cut.path(), places - 1), "{}", case.0);
    assert_eq!(content(&cut.path()), before, "{}", case.0);
    (cut.schema, cut.base) = (schema, base);
    case.second_load(&mut cut);
    assert_eq!(content(&cut.path()), after, "{}", case.0);
}

#[test]
fn a_crash_at_any_statement_leaves_old_or_new() {
    CASES.iter().for_each(check);
}

#[test]
fn a_crash_in_a_first_load_leaves_nothing() {
    let case = &CASES[3];
    for at in [1, 5, 12] {
        let mut fixture = case.fixture();
        assert!(crash(case, &fixture.path(), at));
        assert!(fixture.database().committed("p", "src").unwrap().last_load.is_none());
        case.first_load(&mut fixture);
        fixture.check("SELECT count(*) FROM t", &["3"]);
    }
}
