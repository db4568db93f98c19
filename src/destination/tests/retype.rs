//! Columns that get another type.

use serde_json::{Value, json};

use super::{Engine, Fixture, batch, int, roots, text};
use crate::destination::DestinationError;
use crate::normalize::Retype;
use crate::schema::{Column, DataType, Table, WriteDisposition};

/// A table with a column `x` that holds values written as SQL.
fn with_values<'e>(engine: &'e dyn Engine, mut column: Column, values: &[&str]) -> Fixture<'e> {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    column.name = "x".to_owned();
    fixture.schema.tables["t"].add(column);
    fixture.load("1.1", &[("t", roots("1.1", &[(0, "a", "r0")]))]);
    fixture.load("1.2", &[]);
    let row = |(number, value): (usize, &&str)| format!("(1, 'l', 'i{number}', {value})");
    let rows: Vec<_> = values.iter().enumerate().map(row).collect();
    fixture.place.execute(&format!(
        "DELETE FROM t; INSERT INTO t (id, _dlt_load_id, _dlt_id, x) VALUES {}",
        rows.join(", ")
    ));
    fixture
}

fn retype(fixture: &mut Fixture<'_>, to: DataType) -> Result<(), DestinationError> {
    fixture.next.retyped = vec![Retype { table: "t".to_owned(), column: "x".to_owned(), data_type: to }];
    fixture.schema.tables["t"].columns["x"] = Column::new("x", to);
    fixture.try_load("1.3", &[]).map(drop)
}

fn plain(data_type: DataType) -> Column {
    Column::new("x", data_type)
}

fn check(engine: &dyn Engine, from: Column, values: &[&str], to: DataType, expected: &[&str]) {
    let mut fixture = with_values(engine, from, values);
    retype(&mut fixture, to).unwrap();
    // Wei may have digits after the point.
    let x = if to == DataType::Wei { "x::numeric(38,0)" } else { "x" };
    fixture.check(&format!("SELECT {x} FROM t"), expected);
}

fn check_refused(engine: &dyn Engine, from: DataType, values: &[&str], to: DataType, lost: u64) {
    let mut fixture = with_values(engine, plain(from), values);
    let before = fixture.rows("SELECT x FROM t");
    let error = retype(&mut fixture, to).unwrap_err();
    let DestinationError::CannotWiden { table, column, row_count, .. } = &error else { panic!("{error}") };
    assert_eq!((table.as_str(), column.as_str(), *row_count), ("t", "x", lost));
    assert!(error.hint().is_some());
    assert_eq!(fixture.rows("SELECT x FROM t"), before);
    fixture.check("SELECT load_id FROM _dlt_loads", &["1.1", "1.2"]);
}

pub(crate) fn texts_are_those_that_dlt_writes(engine: &dyn Engine) {
    let mut naive = plain(DataType::Timestamp);
    naive.timezone = Some(false);
    for (from, values, expected) in [
        (
            plain(DataType::Bigint),
            &["-1", "9223372036854775807", "NULL"][..],
            &["-1", "9223372036854775807", "-"][..],
        ),
        (
            plain(DataType::Double),
            &["1.5", "2", "1e300", "1e16", "1e15", "1e-5", "0.1", "5e-324", "123456789012345680"],
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
        ),
        (plain(DataType::Bool), &["true", "false", "NULL"], &["True", "False", "-"]),
        (
            plain(DataType::Timestamp),
            &["'2024-01-01 10:00:00+02'", "'2024-01-01 00:00:00.5Z'", "'1969-12-31 23:59:59.000001Z'"],
            &["2024-01-01T08:00:00Z", "2024-01-01T00:00:00.5Z", "1969-12-31T23:59:59.000001Z"],
        ),
        (naive, &["'2024-01-01 10:00:00'"], &["2024-01-01T10:00:00"]),
        (plain(DataType::Date), &["'2024-01-01'"], &["2024-01-01"]),
        (plain(DataType::Decimal), &["1.1", "100", "-0.000000001"], &["1.1", "100", "-0.000000001"]),
        (
            plain(DataType::Wei),
            &["100", "99999999999999999999999999999999999999"],
            &["100", "99999999999999999999999999999999999999"],
        ),
    ] {
        check(engine, from, values, DataType::Text, expected);
    }
}

pub(crate) fn documents_become_the_same_as_text(engine: &dyn Engine) {
    let mut fixture = with_values(engine, plain(DataType::Json), &["'{\"a\":[1]}'"]);
    retype(&mut fixture, DataType::Text).unwrap();
    let text = fixture.rows("SELECT x FROM t").remove(0);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({"a": [1]}));
}

pub(crate) fn numbers_get_wider_without_loss_or_not_at_all(engine: &dyn Engine) {
    use DataType::{Bigint, Double, Text, Wei};
    let check =
        |from, values: &[&str], to, expected: &[&str]| check(engine, plain(from), values, to, expected);
    let check_refused = |from, values: &[&str], to, lost| check_refused(engine, from, values, to, lost);
    check(Bigint, &["1", "-9007199254740992", "NULL"], Double, &["1.0", "-9007199254740992.0", "-"]);
    check_refused(Bigint, &["1", "9007199254740993", "-9007199254740993"], Double, 2);
    check(Bigint, &["9223372036854775807"], Wei, &["9223372036854775807"]);
    check(Double, &["2", "-3"], Bigint, &["2", "-3"]);
    check_refused(Double, &["2", "2.5"], Bigint, 1);
    check(Text, &["'7'", "NULL"], Bigint, &["7", "-"]);
    check_refused(Text, &["'7'", "'07'", "'x'"], Bigint, 2);
}

pub(crate) fn nulls_become_anything(engine: &dyn Engine) {
    for to in [DataType::Bigint, DataType::Binary, DataType::Json, DataType::Timestamp, DataType::Bool] {
        for from in [DataType::Text, DataType::Binary] {
            if from != to {
                check(engine, plain(from), &["NULL"], to, &["-"]);
            }
        }
    }
}

pub(crate) fn a_column_without_nulls_stays_so_and_rows_go_on(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
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
    fixture.check("SELECT id, name, more FROM t", &["1 a -", "2 - 5.0", "x - 6.0"]);
    assert!(fixture.columns("t").contains(&"id text not null".to_owned()));
}

pub(crate) fn what_is_not_there_or_has_the_type_is_left_alone(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
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
    fixture.check("SELECT id, name, new FROM t", &["1 a -", "2 - y"]);
}
