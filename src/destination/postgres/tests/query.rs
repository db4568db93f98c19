//! What people ask.

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;

use super::super::super::{Destination, QueryResult};
use super::super::Postgres;
use super::*;

/// The superuser's dataset `ds`, with a table of two rows.
fn dataset() -> Option<(TestDatabase, Postgres)> {
    let database = TestDatabase::new()?;
    database.database.sql(
        "CREATE SCHEMA ds; CREATE TABLE ds.t AS SELECT generate_series(1, 2) AS a; CREATE SEQUENCE ds.s; \
         CREATE FUNCTION ds.write() RETURNS int LANGUAGE sql AS 'DELETE FROM ds.t RETURNING a'",
    );
    let postgres = Postgres::new(database.plan(), "ds".to_owned(), "p", LOCK_TIMEOUT);
    Some((database, postgres))
}

fn shown(result: &QueryResult) -> String {
    pretty_format_batches(&result.batches).unwrap().to_string()
}

#[test]
fn nothing_is_written_by_a_query() {
    let Some((database, postgres)) = dataset() else { return };
    let mark = tempfile::tempdir().unwrap().path().join("mark");
    let program = format!("COPY t TO PROGRAM 'touch {}'", mark.display());
    let no_rows = "only queries are run, and it would return nothing";
    let several = "only one statement can be run";
    for (sql, reason) in [
        ("DELETE FROM t", no_rows),
        ("DELETE FROM t RETURNING a", "cannot execute DELETE in a read-only transaction"),
        (
            "WITH gone AS (DELETE FROM t RETURNING a) SELECT * FROM gone",
            "cannot execute SELECT in a read-only transaction",
        ),
        ("EXPLAIN ANALYZE DELETE FROM t", "cannot execute DELETE in a read-only transaction"),
        ("SELECT write()", "cannot execute DELETE in a read-only transaction"),
        ("SELECT nextval('s')", "cannot execute nextval() in a read-only transaction"),
        ("SELECT setval('s', 7)", "cannot execute setval() in a read-only transaction"),
        (
            "SELECT set_config('transaction_read_only', 'off', false), write()",
            "transaction read-write mode must be set before any query",
        ),
        ("SELECT 1; DROP TABLE t", several),
        ("COMMIT; DELETE FROM t", several),
        ("ROLLBACK; DELETE FROM t", several),
        ("COMMIT", no_rows),
        ("SET TRANSACTION READ WRITE", no_rows),
        ("DO 'BEGIN COMMIT; DELETE FROM ds.t; END'", no_rows),
        ("CREATE TABLE x AS SELECT 1", no_rows),
        ("SELECT * INTO x FROM t", no_rows),
        (&program, no_rows),
        ("COPY t TO STDOUT", no_rows),
        ("", no_rows),
    ] {
        let error = postgres.query(sql, None).unwrap_err();
        let expected = format!("could not run the query: {reason}");
        assert!(error.to_string().starts_with(&expected), "{sql}: {error}");
        assert_eq!(error.hint(), None, "{sql}");
    }
    assert!(!mark.exists());
    assert_eq!(database.database.sql("SELECT count(*), (SELECT last_value FROM ds.s) FROM ds.t"), "2|1");
    assert_eq!(database.database.sql("SELECT to_regclass('ds.x')"), "");
}

#[test]
fn values_look_as_they_do_everywhere_here() {
    let Some((_database, postgres)) = dataset() else { return };
    for (sql, expected) in [
        ("1::int2, 2::int4, 3::int8", "1 2 3"),
        ("true, false, 1.5::float8, 0.1::float4, 'NaN'::float8", "true false 1.5 0.1 NaN"),
        (
            "1.50::numeric(10, 2), 12345678901234567890.000000001::numeric",
            "1.50 12345678901234567890.000000001",
        ),
        (
            "'NaN'::numeric, (10::numeric ^ 40)::numeric(60, 0)",
            "NaN 10000000000000000000000000000000000000000",
        ),
        ("timestamptz '2024-01-01 12:00:00.5+02'", "2024-01-01T10:00:00.500Z"),
        (
            "timestamp '2024-01-01 10:00:00.1234', timestamptz '2024-01-01 10:00Z'",
            "2024-01-01T10:00:00.123400 2024-01-01T10:00:00Z",
        ),
        ("timestamptz 'infinity', date '2024-01-01', time '10:00:00.25'", "infinity 2024-01-01 10:00:00.250"),
        ("interval '1 day 2 hours'", "1 day 02:00:00"),
        ("jsonb '{\"b\": [1, null]}', json '[ 1 ]'", "{\"b\": [1, null]} [ 1 ]"),
        ("ARRAY[1, 2], ARRAY['a', NULL]", "{1,2} {a,NULL}"),
        ("uuid 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("bytea 'ab', inet '::1', point(1, 2), ROW(1, 'x')", r"\x6162 ::1 (1,2) (1,x)"),
        ("NULL, NULL::int, NULL::numeric, NULL::timestamptz, ''", "    "),
        ("1 AS a, 2 AS a", "1 2"),
    ] {
        let result = postgres.query(&format!("SELECT {sql}"), None).unwrap();
        let batch: &RecordBatch = &result.batches[0];
        let values = batch.columns().iter().map(|array| {
            let options = arrow::util::display::FormatOptions::default();
            arrow::util::display::ArrayFormatter::try_new(array, &options).unwrap().value(0).to_string()
        });
        assert_eq!(values.collect::<Vec<_>>().join(" "), expected, "{sql}");
    }
    // One column has one type.
    let result = postgres.query("SELECT * FROM (VALUES (1.5), (2.25), (NULL)) AS v", None).unwrap();
    let rows = shown(&result);
    assert!(rows.contains("| 1.50 ") && rows.contains("| 2.25 "), "{rows}");
}

#[test]
fn rows_are_all_or_as_many_as_asked_for() {
    let Some((database, postgres)) = dataset() else { return };
    for (sql, limit, count, is_cut) in [
        ("SELECT * FROM t", None, 2, false),
        ("SELECT * FROM t", Some(2), 2, false),
        ("SELECT * FROM t", Some(1), 1, true),
        ("TABLE t;", Some(0), 0, true),
        ("SELECT * FROM t WHERE a > 5", Some(1), 0, false),
        ("SELECT * FROM generate_series(1, 1000000)", Some(10), 10, true),
        ("EXPLAIN SELECT 1", None, 1, false),
        ("SHOW TimeZone", None, 1, false),
    ] {
        let result = postgres.query(sql, limit).unwrap();
        assert_eq!((result.batches[0].num_rows(), result.is_cut), (count, is_cut), "{sql}");
        assert_eq!(result.schema.fields().len(), 1);
    }
    let other = |dataset: &str, plan| Postgres::new(plan, dataset.to_owned(), "p", LOCK_TIMEOUT);
    let error = other("none", database.plan()).query("SELECT 1", None).unwrap_err();
    let name = database.database.name();
    assert_eq!(error.to_string(), format!("there is no schema `none` in database `{name}`"));
    let error = other("ds", database.role_plan()).query("SELECT * FROM t", None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("could not use schema `ds`: role `{}` may not", database.role.name)
    );
    assert!(error.hint().unwrap().contains("GRANT USAGE ON SCHEMA"), "{error:?}");
}
