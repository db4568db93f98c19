use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::{Fixture, children, roots};
use crate::destination::Destination;
use crate::destination::duckdb::failpoint::ABORT_AT;
use crate::schema::{Column, DataType, WriteDisposition};

const FILE: &str = "FOREBAY_TEST_CRASH";
const BASE: &str = "FOREBAY_TEST_BASE";

/// Signal of `std::process::abort`.
const SIGABRT: i32 = 6;

/// The second load: merges, adds a column, fills child tables.
fn second_load(fixture: &mut Fixture) {
    fixture.schema.tables["t"].add(Column::new("more", DataType::Double));
    fixture.load(
        "1.2",
        &[
            ("t", roots("1.2", &[(2, "B", "r3"), (3, "C", "r4"), (3, "D", "r5")])),
            ("t__c", children(&[("c3", "r3", "r3", "c3"), ("c4", "r4", "r4", "c4")])),
        ],
    );
}

fn first_load(fixture: &mut Fixture) {
    fixture.load(
        "1.1",
        &[
            ("t", roots("1.1", &[(1, "a", "r1"), (2, "b", "r2")])),
            ("t__c", children(&[("c1", "r1", "r1", "c1"), ("c2", "r2", "r2", "c2")])),
        ],
    );
}

/// Run as a process of its own by the test below, which ends it at a statement.
#[test]
fn victim() {
    let Ok(path) = std::env::var(FILE) else { return };
    let mut fixture = Fixture::new(WriteDisposition::Merge);
    fixture.base = std::env::var(BASE).ok();
    fixture.file = Some(path.into());
    if fixture.base.is_some() {
        fixture.schema = fixture.database().committed("p", "src").unwrap().schema.unwrap();
        second_load(&mut fixture);
    } else {
        first_load(&mut fixture);
    }
}

/// Loads in a process that dies at statement `at`. Returns whether it died.
fn crash(fixture: &Fixture, at: u32) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "destination::duckdb::tests::crash::victim"])
        .env(FILE, fixture.path())
        .env(ABORT_AT, at.to_string());
    if let Some(base) = &fixture.base {
        command.env(BASE, base);
    }
    let output = command.output().unwrap();
    assert!(output.status.success() || output.status.signal() == Some(SIGABRT), "{output:?}");
    !output.status.success()
}

/// All that a dataset holds, but for instants and random ids.
fn content(fixture: &Fixture) -> Vec<String> {
    let mut content =
        fixture.rows("SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal ORDER BY ALL");
    for sql in [
        "SELECT * FROM t ORDER BY ALL",
        "SELECT * FROM t__c ORDER BY ALL",
        "SELECT load_id, status, schema_version_hash FROM _dlt_loads ORDER BY ALL",
        "SELECT version, version_hash, schema FROM _dlt_version ORDER BY ALL",
        "SELECT version, state, _dlt_load_id FROM _dlt_pipeline_state ORDER BY ALL",
        "SELECT * FROM _forebay_runs ORDER BY ALL",
    ] {
        content.extend(fixture.rows(sql));
    }
    content
}

#[test]
fn a_crash_at_any_statement_leaves_old_or_new() {
    let mut whole = Fixture::new(WriteDisposition::Merge);
    first_load(&mut whole);
    let before = content(&whole);
    second_load(&mut whole);
    let after = content(&whole);
    assert_ne!(before, after);

    let mut deaths = 0;
    for at in 1.. {
        let mut fixture = Fixture::new(WriteDisposition::Merge);
        first_load(&mut fixture);
        if !crash(&fixture, at) {
            assert_eq!(content(&fixture), after);
            break;
        }
        deaths += 1;
        assert_eq!(content(&fixture), before, "statement {at}");
        second_load(&mut fixture);
        assert_eq!(content(&fixture), after, "statement {at}");
    }
    assert!(deaths > 15, "{deaths}");
}

#[test]
fn a_crash_in_a_first_load_leaves_nothing() {
    for at in [1, 5, 12] {
        let mut fixture = Fixture::new(WriteDisposition::Merge);
        assert!(crash(&fixture, at));
        assert!(fixture.database().committed("p", "src").unwrap().last_load.is_none());
        first_load(&mut fixture);
        fixture.check("SELECT count(*) FROM t", &["2"]);
    }
}
