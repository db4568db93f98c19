//! Tables that somebody changed who is not forebay.

use serde_json::json;

use super::conformance::engine;
use crate::destination::DestinationError;
use crate::destination::tests::{Fixture, roots};
use crate::normalize::Retype;
use crate::schema::{Column, DataType, WriteDisposition};

const ROWS: &str = "SELECT id, name, _dlt_load_id FROM t";

#[test]
fn rows_of_other_partitions_stay() {
    let Some(engine) = engine() else { return };
    let mut fixture = Fixture::new(&engine, WriteDisposition::Merge);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1"), (2, "b", "r2"), (3, "c", "r3")]))]);
    // The first row of each partition is in the same place.
    fixture.place.execute(
        "ALTER TABLE t RENAME TO whole; CREATE TABLE t (LIKE whole) PARTITION BY LIST (id); \
         CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t_2 PARTITION OF t FOR VALUES IN (2); \
         CREATE TABLE t_rest PARTITION OF t DEFAULT; INSERT INTO t SELECT * FROM whole; DROP TABLE whole",
    );
    fixture.load("1.2", &[("t", roots("1.2", &[(2, "B", "r4")]))]);
    fixture.check(ROWS, &["1 a 1.1", "2 B 1.2", "3 c 1.1"]);
}

#[test]
fn a_column_that_a_view_reads_cannot_change_its_type() {
    let Some(engine) = engine() else { return };
    let mut fixture = Fixture::new(&engine, WriteDisposition::Append);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    fixture.place.execute("CREATE VIEW ids AS SELECT id FROM t");
    fixture.next.retyped =
        vec![Retype { table: "t".to_owned(), column: "id".to_owned(), data_type: DataType::Text }];
    fixture.schema.tables["t"].columns["id"] = Column::new("id", DataType::Text);
    let error = fixture.try_load("1.2", &[]).unwrap_err();
    assert!(matches!(error, DestinationError::CannotRetype { .. }), "{error}");
    assert!(error.to_string().contains("view") && error.hint().is_some(), "{error}");
    fixture.check(ROWS, &["1 a 1.1"]);
}

#[test]
fn a_column_of_a_domain_takes_what_its_type_takes() {
    let Some(engine) = engine() else { return };
    let mut fixture = Fixture::new(&engine, WriteDisposition::Append);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    fixture.place.execute(
        "CREATE DOMAIN label AS character varying CHECK (length(VALUE) < 10); \
         ALTER TABLE t ALTER name TYPE label, ADD COLUMN noted timestamp with time zone NOT NULL DEFAULT now()",
    );
    fixture.load_json("1.2", &json!({"t": [{"id": 2, "name": "b", "_dlt_id": "r2"}]}));
    fixture.check(ROWS, &["1 a 1.1", "2 b 1.2"]);
}
