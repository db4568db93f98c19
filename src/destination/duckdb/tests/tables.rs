use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};

use super::{Fixture, batch, int, roots, text};
use crate::destination::{Destination, DestinationError};
use crate::schema::{Column, DataType, WriteDisposition};
use crate::state::LoadId;

#[test]
fn a_first_load_makes_the_tables_dlt_makes() {
    let mut fixture = Fixture::new(WriteDisposition::Merge);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    let check = |table: &str, expected: &[&str]| {
        let sql = format!(
            "SELECT column_name || ' ' || data_type || CASE WHEN is_nullable THEN '' ELSE ' NOT NULL' END \
             FROM duckdb_columns() WHERE table_name = '{table}' ORDER BY column_index"
        );
        fixture.check(&sql, expected);
    };
    let zoned = "TIMESTAMP WITH TIME ZONE NOT NULL";
    check(
        "t",
        &["id BIGINT NOT NULL", "name VARCHAR", "_dlt_load_id VARCHAR NOT NULL", "_dlt_id VARCHAR NOT NULL"],
    );
    check(
        "_dlt_loads",
        &[
            "load_id VARCHAR NOT NULL",
            "schema_name VARCHAR",
            "status BIGINT NOT NULL",
            &format!("inserted_at {zoned}"),
            "schema_version_hash VARCHAR",
        ],
    );
    check(
        "_dlt_version",
        &[
            "version BIGINT NOT NULL",
            "engine_version BIGINT NOT NULL",
            &format!("inserted_at {zoned}"),
            "schema_name VARCHAR NOT NULL",
            "version_hash VARCHAR NOT NULL",
            "schema VARCHAR NOT NULL",
        ],
    );
    fixture.check("SELECT count(*) FROM duckdb_constraints() WHERE constraint_type <> 'NOT NULL'", &["0"]);
}

#[test]
fn what_was_committed_is_read_back() {
    let mut fixture = Fixture::new(WriteDisposition::Merge);
    let nothing = fixture.database().committed("p", "src").unwrap();
    assert!(nothing.schema.is_none() && nothing.state.is_none() && nothing.last_load.is_none());
    assert!(!fixture.path().exists());
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    fixture.load("1.2", &[]);
    let committed = fixture.database().committed("p", "src").unwrap();
    assert_eq!(committed.schema.as_ref(), Some(&fixture.schema));
    assert_eq!(committed.state.unwrap().resource("src", "t").unwrap()["load"], "1.2");
    assert_eq!(committed.last_load, Some(LoadId::from_stored("1.2")));
    let other = fixture.database().committed("q", "other").unwrap();
    assert!(other.schema.is_none() && other.state.is_none());
    fixture.check("SELECT count(*) FROM _dlt_version", &["1"]);
    fixture
        .check("SELECT load_id, schema_name, status FROM _dlt_loads ORDER BY 1", &["1.1 src 0", "1.2 src 0"]);
    fixture.check("SELECT length(_dlt_id) FROM _dlt_pipeline_state LIMIT 1", &["14"]);
}

#[test]
fn a_state_counts_only_with_its_load() {
    let mut fixture = Fixture::new(WriteDisposition::Append);
    fixture.load("1.1", &[]);
    fixture.load("1.2", &[]);
    let connection = duckdb::Connection::open(fixture.path()).unwrap();
    connection.execute_batch("UPDATE ds.ds._dlt_loads SET status = 1 WHERE load_id = '1.2'").unwrap();
    drop(connection);
    let committed = fixture.database().committed("p", "src").unwrap();
    assert_eq!(committed.state.unwrap().resource("src", "t").unwrap()["load"], "1.1");
    assert_eq!(committed.last_load.unwrap().as_str(), "1.2");
}

#[test]
fn the_same_load_twice_changes_nothing() {
    let mut fixture = Fixture::new(WriteDisposition::Append);
    let rows = [("t", roots("1.1", &[(1, "a", "r1")]))];
    assert!(!fixture.load("1.1", &rows).already_loaded);
    // Even though the package was made for an older schema.
    fixture.base = None;
    let again = fixture.load("1.1", &rows);
    assert!(again.already_loaded && again.tables.is_empty());
    fixture.check("SELECT count(*) FROM t", &["1"]);
    fixture.check("SELECT count(*) FROM _forebay_runs", &["1"]);
}

#[test]
fn a_load_onto_another_schema_is_refused() {
    let mut fixture = Fixture::new(WriteDisposition::Append);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    for base in [None, Some("other".to_owned())] {
        fixture.base = base;
        let error = fixture.try_load("1.2", &[("t", roots("1.2", &[(2, "b", "r2")]))]).unwrap_err();
        assert!(matches!(error, DestinationError::SchemaMoved { .. }), "{error}");
    }
    fixture.check("SELECT id FROM t", &["1"]);
}

#[test]
fn the_newest_schema_is_the_one_stored_last() {
    let mut fixture = Fixture::new(WriteDisposition::Append);
    fixture.load("1.1", &[]);
    fixture.schema.tables["t"].write_disposition = Some(WriteDisposition::Replace);
    fixture.load("1.2", &[]);
    // Back to the first content, and so to its hash.
    fixture.schema.tables["t"].write_disposition = Some(WriteDisposition::Append);
    fixture.load("1.3", &[]);
    let committed = fixture.database().committed("p", "src").unwrap().schema.unwrap();
    assert_eq!(committed.tables["t"].write_disposition, Some(WriteDisposition::Append));
    fixture.check("SELECT count(*), count(DISTINCT inserted_at) FROM _dlt_version", &["3 3"]);
}

#[test]
fn runs_are_read_back_newest_first() {
    let mut fixture = Fixture::new(WriteDisposition::Append);
    assert!(fixture.database().runs(5).unwrap().is_empty());
    fixture.load("1.1", &[]);
    fixture.load("1.2", &[]);
    let runs = fixture.database().runs(5).unwrap();
    assert_eq!(runs.iter().map(|run| run.load_id.as_str()).collect::<Vec<_>>(), ["1.2", "1.1"]);
    let record = &runs[0].record;
    assert_eq!((record.row_count, record.page_count, record.request_count), (7, 2, 3));
    assert_eq!((record.started_at, record.finished_at), (1_795_000_000_000_001, 1_795_000_001_000_000));
    assert_eq!(fixture.database().runs(1).unwrap().len(), 1);
    fixture.check(
        "SELECT version FROM _forebay_migrations ORDER BY 1",
        &["20261122000000_runs", "20261122000001_columns"],
    );
}

#[test]
fn every_type_keeps_its_value() {
    let timestamp = TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None]);
    let naive: ArrayRef = Arc::new(timestamp.clone());
    let cases: Vec<(&str, DataType, ArrayRef, &str)> = vec![
        ("b", DataType::Bool, Arc::new(BooleanArray::from(vec![Some(true), None])), "true"),
        ("f", DataType::Double, Arc::new(Float64Array::from(vec![Some(1e300), None])), "1e+300"),
        (
            "ts",
            DataType::Timestamp,
            Arc::new(timestamp.with_timezone("UTC")),
            "2023-11-14 22:13:20.123456+00",
        ),
        ("d", DataType::Date, Arc::new(Date32Array::from(vec![Some(19_675), None])), "2023-11-14"),
        (
            "tm",
            DataType::Time,
            Arc::new(Time64MicrosecondArray::from(vec![Some(3_600_000_001), None])),
            "01:00:00.000001",
        ),
        ("j", DataType::Json, text([r#"{"a":[1,null]}"#, "-"]), r#"{"a":[1,null]}"#),
        (
            "bin",
            DataType::Binary,
            Arc::new(BinaryArray::from_opt_vec(vec![Some(&[0, 255]), None])),
            "\\x00\\xFF",
        ),
        ("dec", DataType::Decimal, decimal(-1_234_567_890_123, 9), "-1234.567890123"),
        ("wei", DataType::Wei, decimal(10_i128.pow(37), 0), "10000000000000000000000000000000000000"),
        ("txt", DataType::Text, text(["a\0b é", "-"]), "a\\0b é"),
    ];
    let mut fixture = Fixture::new(WriteDisposition::Append);
    let table = &mut fixture.schema.tables["t"];
    let mut columns =
        vec![("id", int([1, 2])), ("_dlt_load_id", text(["l", "l"])), ("_dlt_id", text(["x", "y"]))];
    for (name, data_type, array, _) in &cases {
        table.add(Column::new(*name, *data_type));
        columns.push((name, array.clone()));
    }
    for (name, bits) in [("tiny", 8), ("huge", 128)] {
        let mut column = Column::new(name, DataType::Bigint);
        column.precision = Some(bits);
        table.add(column);
        columns.push((name, int([-5, 5])));
    }
    let mut column = Column::new("naive", DataType::Timestamp);
    column.timezone = Some(false);
    table.add(column);
    columns.push(("naive", naive));
    fixture.load("l", &[("t", batch(&columns))]);
    for (name, _, _, expected) in &cases {
        let sql = format!("SELECT replace({name}::VARCHAR, chr(0), '\\0') FROM t ORDER BY id");
        fixture.check(&sql, &[expected, "-"]);
    }
    fixture.check("SELECT tiny, huge, typeof(tiny), typeof(huge) FROM t LIMIT 1", &["-5 -5 TINYINT HUGEINT"]);
    fixture.check("SELECT naive::VARCHAR FROM t ORDER BY id", &["2023-11-14 22:13:20.123456", "-"]);
}

fn decimal(value: i128, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from(vec![Some(value), None]).with_precision_and_scale(38, scale).unwrap())
}

#[test]
fn a_null_where_none_may_be_fails_and_leaves_nothing() {
    let mut fixture = Fixture::new(WriteDisposition::Append);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    let rows = batch(&[("_dlt_load_id", text(["1.2"])), ("_dlt_id", text(["r2"]))]);
    let error = fixture.try_load("1.2", &[("t", rows)]).unwrap_err().to_string();
    assert!(error.starts_with("could not append rows to table `t`: "), "{error}");
    assert!(error.contains("t.id"), "{error}");
    fixture.check("SELECT count(*) FROM t", &["1"]);
    fixture.check("SELECT load_id FROM _dlt_loads", &["1.1"]);
}
