//! Columns that get another type.

use serde_json::json;

use super::{Fixture, batch, int, roots, text};
use crate::destination::DestinationError;
use crate::normalize::Retype;
use crate::schema::{Column, DataType, Table, WriteDisposition};

/// A table with a column `x` that dlt's rules make of `sql_type`, with `values` in it.
fn with_values(sql_type: &str, values: &[&str]) -> Fixture {
    let mut fixture = Fixture::new(WriteDisposition::Append);
    fixture.load("1.1", &[("t", roots("1.1", &[(0, "a", "r0")]))]);
    fixture.schema.tables["t"].add(Column::new("x", DataType::Text));
    fixture.load("1.2", &[]);
    let connection = duckdb::Connection::open(fixture.path()).unwrap();
    let values: Vec<_> = values.iter().map(|value| format!("(1, 'l', 'i', {value})")).collect();
    let sql = format!(
        "SET TimeZone = 'UTC'; ALTER TABLE ds.ds.t ALTER x SET DATA TYPE {sql_type}; DELETE FROM ds.ds.t; \
         INSERT INTO ds.ds.t (id, _dlt_load_id, _dlt_id, x) VALUES {}",
        values.join(", ")
    );
    connection.execute_batch(&sql).unwrap();
    fixture
}

fn retype(fixture: &mut Fixture, column: Column) -> Result<(), DestinationError> {
    let data_type = column.data_type.unwrap();
    fixture.next.retyped = vec![Retype { table: "t".to_owned(), column: "x".to_owned(), data_type }];
    fixture.schema.tables["t"].add(column);
    fixture.try_load("1.3", &[]).map(drop)
}

fn check(from: &str, values: &[&str], to: DataType, expected: &[&str]) {
    let mut fixture = with_values(from, values);
    retype(&mut fixture, Column::new("x", to)).unwrap();
    fixture.check("SELECT x::VARCHAR FROM t", expected);
}

fn check_refused(from: &str, values: &[&str], to: DataType, lost: u64) {
    let mut fixture = with_values(from, values);
    let before = fixture.rows("SELECT x FROM t");
    let error = retype(&mut fixture, Column::new("x", to)).unwrap_err();
    let DestinationError::CannotWiden { table, column, row_count, .. } = &error else { panic!("{error}") };
    assert_eq!((table.as_str(), column.as_str(), *row_count), ("t", "x", lost));
    assert!(error.hint().is_some());
    assert_eq!(fixture.rows("SELECT x FROM t"), before);
    fixture.check("SELECT load_id FROM _dlt_loads ORDER BY 1", &["1.1", "1.2"]);
}

#[test]
fn texts_are_those_that_dlt_writes() {
    use DataType::Text;
    check("BIGINT", &["-1", "9223372036854775807", "NULL"], Text, &["-1", "9223372036854775807", "-"]);
    check(
        "DOUBLE",
        &["1.5", "2", "1e300", "1e16", "1e15", "1e-5", "0.1", "5e-324", "123456789012345680"],
        Text,
        &[
            "1.5",
            "2.0",
            "1e+300",
            "1e+16",
            "1000000000000000.0",
            "1e-05",
            "0.1",
            "5e-324",
            "1.2345678901234568e+17",
        ],
    );
    check("BOOLEAN", &["true", "false", "NULL"], Text, &["True", "False", "-"]);
    check(
        "TIMESTAMPTZ",
        &["'2024-01-01 10:00:00+02'", "'2024-01-01 00:00:00.5Z'", "'1969-12-31 23:59:59.000001Z'"],
        Text,
        &["2024-01-01T08:00:00Z", "2024-01-01T00:00:00.5Z", "1969-12-31T23:59:59.000001Z"],
    );
    check("TIMESTAMP", &["'2024-01-01 10:00:00'"], Text, &["2024-01-01T10:00:00"]);
    check("DATE", &["'2024-01-01'"], Text, &["2024-01-01"]);
    check("DECIMAL(38,9)", &["1.1", "100", "-0.000000001"], Text, &["1.1", "100", "-0.000000001"]);
    check(
        "DECIMAL(38,0)",
        &["100", "99999999999999999999999999999999999999"],
        Text,
        &["100", "99999999999999999999999999999999999999"],
    );
    check("JSON", &["'{\"a\":[1]}'"], Text, &["{\"a\":[1]}"]);
}

#[test]
fn numbers_get_wider_without_loss_or_not_at_all() {
    use DataType::{Bigint, Double, Wei};
    check("BIGINT", &["1", "-9007199254740992", "NULL"], Double, &["1.0", "-9007199254740992.0", "-"]);
    check_refused("BIGINT", &["1", "9007199254740993", "-9007199254740993"], Double, 2);
    check("BIGINT", &["9223372036854775807"], Wei, &["9223372036854775807"]);
    check("DOUBLE", &["2", "-3"], Bigint, &["2", "-3"]);
    check_refused("DOUBLE", &["2", "2.5"], Bigint, 1);
    check("VARCHAR", &["'7'", "NULL"], Bigint, &["7", "-"]);
    check_refused("VARCHAR", &["'7'", "'07'", "'x'"], Bigint, 2);
}

#[test]
fn nulls_become_anything() {
    for to in [DataType::Bigint, DataType::Binary, DataType::Json, DataType::Timestamp, DataType::Bool] {
        check("VARCHAR", &["NULL"], to, &["-"]);
        check("BLOB", &["NULL"], to, &["-"]);
    }
}

#[test]
fn a_column_without_nulls_stays_so_and_rows_go_on() {
    let mut fixture = Fixture::new(WriteDisposition::Merge);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1"), (2, "b", "r2")]))]);
    let table = &mut fixture.schema.tables["t"];
    table.columns["id"].data_type = Some(DataType::Text);
    table.add(Column::new("more", DataType::Double));
    fixture.next.retyped =
        vec![Retype { table: "t".to_owned(), column: "id".to_owned(), data_type: DataType::Text }];
    let rows = batch(&[
        ("id", text(["2", "x"])),
        ("more", int([5, 6])),
        ("_dlt_load_id", text(["1.2", "1.2"])),
        ("_dlt_id", text(["r3", "r4"])),
    ]);
    fixture.load("1.2", &[("t", rows)]);
    fixture.check("SELECT id, name, more FROM t ORDER BY id", &["1 a -", "2 - 5.0", "x - 6.0"]);
    fixture.check(
        "SELECT data_type || is_nullable FROM duckdb_columns() WHERE table_name = 't' AND column_name = 'id'",
        &["VARCHARfalse"],
    );
}

#[test]
fn what_is_not_there_or_has_the_type_is_left_alone() {
    let mut fixture = Fixture::new(WriteDisposition::Append);
    let retype = |table: &str, column: &str| Retype {
        table: table.to_owned(),
        column: column.to_owned(),
        data_type: DataType::Text,
    };
    fixture.next.retyped = vec![retype("t", "id")];
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    fixture.schema.tables["t"].add(Column::new("new", DataType::Text));
    let mut other = Table::root("u", "u", WriteDisposition::Append);
    other.add(Column::new("x", DataType::Text));
    other.mark_seen();
    fixture.schema.tables.insert("u".to_owned(), other);
    fixture.next.retyped = vec![retype("t", "name"), retype("t", "new"), retype("u", "x")];
    fixture.load_json("1.2", &json!({"t": [{"id": 2, "new": "y", "_dlt_id": "r2"}]}));
    fixture.check("SELECT id, name, new FROM t ORDER BY id", &["1 a -", "2 - y"]);
}
