//! Values of every type, as the normalizer hands them over.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use serde_json::{Value, json};

use super::{Engine, Fixture, batch, int, text};
use crate::schema::{Column, DataType, WriteDisposition};

/// The last microsecond of the year 9999, and the first one of the year 1.
const LAST: i64 = 253_402_300_799_999_999;
const FIRST: i64 = -62_135_596_800_000_000;

/// The largest number of 38 digits.
const NINES: i128 = 10_i128.pow(38) - 1;

/// Loads values of a column `x`, one null after them, and hands back what `select` finds in their order.
fn round_trip(engine: &dyn Engine, mut column: Column, values: &ArrayRef, select: &str) -> Vec<String> {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    column.name = "x".to_owned();
    fixture.schema.tables["t"].add(column);
    let ids: Vec<_> = (0..values.len()).map(|id| format!("r{id}")).collect();
    let ids = ids.iter().map(String::as_str);
    fixture.load(
        "1.1",
        &[(
            "t",
            batch(&[
                ("id", int((0..).take(values.len()))),
                ("x", values.clone()),
                ("_dlt_load_id", text(ids.clone().map(|_| "1.1"))),
                ("_dlt_id", text(ids)),
            ]),
        )],
    );
    let rows = fixture.place.rows(&format!("SELECT {select} FROM t ORDER BY id"));
    let null = values.len() - 1;
    rows.into_iter()
        .enumerate()
        .map(|(row, mut cells)| {
            assert_eq!(cells[0].is_none(), row == null, "row {row}: {cells:?}");
            cells.remove(0).unwrap_or_default()
        })
        .take(null)
        .collect()
}

fn plain(data_type: DataType) -> Column {
    Column::new("x", data_type)
}

fn naive() -> Column {
    let mut column = plain(DataType::Timestamp);
    column.timezone = Some(false);
    column
}

fn precise(data_type: DataType, precision: u32, scale: Option<u32>) -> Column {
    let mut column = plain(data_type);
    (column.precision, column.scale) = (Some(precision), scale);
    column
}

fn decimals<const N: usize>(values: [i128; N], precision: u8, scale: i8) -> ArrayRef {
    let values: Decimal128Array = values.into_iter().map(Some).chain([None]).collect();
    Arc::new(values.with_precision_and_scale(precision, scale).unwrap())
}

fn instants() -> TimestampMicrosecondArray {
    vec![Some(1_700_000_000_123_456), Some(0), Some(-1), Some(FIRST), Some(LAST), None].into()
}

pub(crate) fn every_type_keeps_its_value(engine: &dyn Engine) {
    let digits = "99999999999999999999999999999999999999";
    let (whole, fraction) = digits.split_at(29);
    let cases: Vec<(Column, ArrayRef, Vec<String>)> = vec![
        (
            plain(DataType::Bool),
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
            owned(&["true", "false"]),
        ),
        (
            plain(DataType::Bigint),
            Arc::new(Int64Array::from(vec![Some(0), Some(i64::MIN), Some(i64::MAX), None])),
            owned(&["0", "-9223372036854775808", "9223372036854775807"]),
        ),
        (
            plain(DataType::Double),
            Arc::new(Float64Array::from(vec![
                Some(0.1),
                Some(-0.0),
                Some(2.0),
                Some(5e-324),
                Some(1e300),
                Some(f64::MAX),
                None,
            ])),
            owned(&["0.1", "-0.0", "2.0", "5e-324", "1e300", "1.7976931348623157e308"]),
        ),
        (
            plain(DataType::Timestamp),
            Arc::new(instants().with_timezone("UTC")),
            owned(&[
                "2023-11-14T22:13:20.123456Z",
                "1970-01-01T00:00:00Z",
                "1969-12-31T23:59:59.999999Z",
                "0001-01-01T00:00:00Z",
                "9999-12-31T23:59:59.999999Z",
            ]),
        ),
        (
            naive(),
            Arc::new(instants()),
            owned(&[
                "2023-11-14T22:13:20.123456",
                "1970-01-01T00:00:00",
                "1969-12-31T23:59:59.999999",
                "0001-01-01T00:00:00",
                "9999-12-31T23:59:59.999999",
            ]),
        ),
        (
            plain(DataType::Date),
            Arc::new(Date32Array::from(vec![
                Some(19_675),
                Some(0),
                Some(-1),
                Some(-719_162),
                Some(2_932_896),
                None,
            ])),
            owned(&["2023-11-14", "1970-01-01", "1969-12-31", "0001-01-01", "9999-12-31"]),
        ),
        (
            plain(DataType::Time),
            Arc::new(Time64MicrosecondArray::from(vec![
                Some(0),
                Some(3_600_000_001),
                Some(86_399_999_999),
                None,
            ])),
            owned(&["00:00:00", "01:00:00.000001", "23:59:59.999999"]),
        ),
        (
            plain(DataType::Binary),
            Arc::new(BinaryArray::from_opt_vec(vec![Some(&[0, 255, 92, 39]), Some(&[]), None])),
            owned(&["00ff5c27", ""]),
        ),
        (
            plain(DataType::Decimal),
            decimals([-1_234_567_890_123, 0, 1, NINES, -NINES], 38, 9),
            vec![
                "-1234.567890123".to_owned(),
                "0.000000000".to_owned(),
                "0.000000001".to_owned(),
                format!("{whole}.{fraction}"),
                format!("-{whole}.{fraction}"),
            ],
        ),
        (
            precise(DataType::Decimal, 10, Some(2)),
            decimals([0, 5, 10_i128.pow(10) - 1, 1 - 10_i128.pow(10)], 10, 2),
            owned(&["0.00", "0.05", "99999999.99", "-99999999.99"]),
        ),
        (
            plain(DataType::Wei),
            decimals([0, NINES, -NINES, 10_i128.pow(37)], 38, 0),
            vec!["0".to_owned(), digits.to_owned(), format!("-{digits}"), format!("1{}", "0".repeat(37))],
        ),
    ];
    for (column, values, expected) in cases {
        // Wei may have digits after the point.
        let select = if column.data_type == Some(DataType::Wei) { "x::numeric(38,0)" } else { "x" };
        let label = format!("{column:?}");
        assert_eq!(round_trip(engine, column, &values, select), expected, "{label}");
    }
}

pub(crate) fn integers_have_the_width_that_they_ask_for(engine: &dyn Engine) {
    for (bits, largest) in [(8, 127), (16, 32_767), (32, 2_147_483_647), (64, i64::MAX)] {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(largest), Some(-largest - 1), None]));
        let expected = [largest.to_string(), (-largest - 1).to_string()];
        let column = precise(DataType::Bigint, bits, None);
        assert_eq!(round_trip(engine, column, &values, "x"), expected, "{bits} bits");
    }
    // Wider ones come as decimals.
    let values = decimals([NINES, -NINES, 5], 38, 0);
    let expected = [NINES, -NINES, 5].map(|value| value.to_string());
    let column = precise(DataType::Bigint, 128, None);
    assert_eq!(round_trip(engine, column, &values, "x::numeric(38,0)"), expected);
}

pub(crate) fn texts_come_through(engine: &dyn Engine) {
    let long = "é\u{1f600}".repeat(100_000);
    let nul = engine.traits().nul;
    let texts = [
        ("", ""),
        ("é\u{1f600}\u{fffd}\u{feff}\u{202e}", "é\u{1f600}\u{fffd}\u{feff}\u{202e}"),
        ("a\tb\nc\r\n\u{1}\u{7f}", "a\tb\nc\r\n\u{1}\u{7f}"),
        ("\\N \\x41 \\.", "\\N \\x41 \\."),
        ("it's \"quoted\" ; -- $1 $$ %s {}", "it's \"quoted\" ; -- $1 $$ %s {}"),
        ("NULL", "NULL"),
        (&long, &long),
        ("\0a\0b\0", &format!("{nul}a{nul}b{nul}")),
    ];
    let values: StringArray = texts.iter().map(|(text, _)| Some(*text)).chain([None]).collect();
    let values: ArrayRef = Arc::new(values);
    let found = round_trip(engine, plain(DataType::Text), &values, "x");
    for ((_, expected), found) in texts.iter().zip(found) {
        assert!(found == *expected, "{found:.80} is not {expected:.80}");
    }
}

pub(crate) fn json_comes_through(engine: &dyn Engine) {
    let nul = engine.traits().nul;
    let documents = [
        (
            r#"{"a":[1,null,{"b":true}],"it's":"\"\\\n"}"#,
            json!({"a": [1, null, {"b": true}], "it's": "\"\\\n"}),
        ),
        ("[]", json!([])),
        ("{}", json!({})),
        (r#""text""#, json!("text")),
        ("12345678901234567", json!(12_345_678_901_234_567_i64)),
        ("-0.5", json!(-0.5)),
        (r#"["\u00e9","é","\ud83d\ude00"]"#, json!(["é", "é", "\u{1f600}"])),
        (r#"{"a\u0000":"\u0000b"}"#, json!({format!("a{nul}"): format!("{nul}b")})),
    ];
    let values: StringArray = documents.iter().map(|(text, _)| Some(*text)).chain([None]).collect();
    let values: ArrayRef = Arc::new(values);
    let found = round_trip(engine, plain(DataType::Json), &values, "x");
    for ((_, expected), found) in documents.iter().zip(found) {
        assert_eq!(&serde_json::from_str::<Value>(&found).unwrap(), expected);
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
