//! Batches as the bytes that the server's `recv` functions read.

use std::sync::Arc;

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};

use super::*;

/// An encoder of the columns of a batch.
fn encoder(columns: &[(&str, ArrayRef, ServerType)]) -> Result<Encoder, DestinationError> {
    let column = |(name, array, to): &(&str, ArrayRef, ServerType)| CopyColumn {
        name: (*name).to_owned(),
        from: array.data_type().clone(),
        to: *to,
    };
    Encoder::new("t", columns.iter().map(column).collect())
}

fn batch(columns: &[(&str, ArrayRef, ServerType)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.iter().map(|(name, array, _)| (*name, array.clone(), true)),
    )
    .unwrap()
}

/// The fields of a column of one value.
fn field(array: ArrayRef, to: ServerType) -> Result<Vec<u8>, String> {
    let columns = [("c", array, to)];
    let mut out = Vec::new();
    let mut encoder = encoder(&columns).map_err(|error| error.to_string())?;
    encoder.encode(&batch(&columns), &mut out).map_err(|error| error.to_string())?;
    assert_eq!(out[..2], [0, 1]);
    Ok(out[2..].to_vec())
}

/// Length and value.
fn framed(value: &[u8]) -> Vec<u8> {
    [&u32::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

fn int(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

fn float(value: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value]))
}

fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

fn instant(micros: i64) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC"))
}

fn day(value: i32) -> ArrayRef {
    Arc::new(Date32Array::from(vec![value]))
}

fn decimal(value: i128, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).unwrap())
}

#[test]
fn values_are_written_in_the_type_of_the_server() {
    use ServerType as Server;
    let [before_2000, in_1970] = [-500_000_i64, -946_684_800_000_000].map(i64::to_be_bytes);
    let cases: Vec<(ArrayRef, Server, &[u8])> = vec![
        (int(-2), Server::Int2, &[0xff, 0xfe]),
        (int(70_000), Server::Int4, &[0, 1, 0x11, 0x70]),
        (int(1), Server::Int8, &[0, 0, 0, 0, 0, 0, 0, 1]),
        (int(-20_001), Server::Numeric, &[0, 2, 0, 1, 0x40, 0, 0, 0, 0, 2, 0, 1]),
        (int(2), Server::Float8, &[0x40, 0, 0, 0, 0, 0, 0, 0]),
        (int(-7), Server::Text, b"-7"),
        (float(1.5), Server::Float8, &[0x3f, 0xf8, 0, 0, 0, 0, 0, 0]),
        (float(f64::NEG_INFINITY), Server::Float8, &[0xff, 0xf0, 0, 0, 0, 0, 0, 0]),
        (float(1.5), Server::Float4, &[0x3f, 0xc0, 0, 0]),
        (float(-1.5), Server::Numeric, &[0, 2, 0, 0, 0x40, 0, 0, 1, 0, 1, 0x13, 0x88]),
        (float(2.0), Server::Varchar, b"2.0"),
        (Arc::new(BooleanArray::from(vec![true])), Server::Bool, &[1]),
        (Arc::new(BooleanArray::from(vec![false])), Server::Text, b"False"),
        (text("é"), Server::Bpchar, "é".as_bytes()),
        (text("[1]"), Server::Json, b"[1]"),
        (text("[1]"), Server::Jsonb, b"\x01[1]"),
        // Half a second before 2000.
        (instant(946_684_799_500_000), Server::TimestampTz, &before_2000),
        (instant(946_684_800_000_000), Server::Timestamp, &[0; 8]),
        (day(10_958), Server::Date, &[0, 0, 0, 1]),
        (day(0), Server::Timestamp, &in_1970),
        (Arc::new(Time64MicrosecondArray::from(vec![256])), Server::Time, &[0, 0, 0, 0, 0, 0, 1, 0]),
        (decimal(-15, 1), Server::Numeric, &[0, 2, 0, 0, 0x40, 0, 0, 1, 0, 1, 0x13, 0x88]),
        (decimal(5, 0), Server::Int2, &[0, 5]),
        (Arc::new(BinaryArray::from_vec(vec![&[0, 255]])), Server::Bytea, &[0, 255]),
    ];
    for (array, to, expected) in cases {
        assert_eq!(field(array.clone(), to), Ok(framed(expected)), "{array:?} as {to}");
    }
}

#[test]
fn what_a_type_cannot_hold_is_said_with_both_types() {
    use ServerType as Server;
    let cases = [
        (text("1"), Server::Int8, "column `c` is of type bigint there, which takes no Utf8"),
        (int(1), Server::Bool, "column `c` is of type boolean there, which takes no Int64"),
        (float(1.0), Server::Int8, "column `c` is of type bigint there, which takes no Float64"),
        (instant(0), Server::Date, "column `c` is of type date there, which takes no Timestamp(µs, \"UTC\")"),
        (int(40_000), Server::Int2, "40000 does not fit into column `c`, which is of type smallint there"),
        (
            int(i64::MIN),
            Server::Int4,
            "-9223372036854775808 does not fit into column `c`, which is of type integer there",
        ),
        (
            decimal(1 << 63, 0),
            Server::Int8,
            "9223372036854775808 does not fit into column `c`, which is of type bigint there",
        ),
        (float(1e300), Server::Float4, "1e300 does not fit into column `c`, which is of type real there"),
        (
            float(f64::NAN),
            Server::Numeric,
            "NaN does not fit into column `c`, which is of type numeric there",
        ),
    ];
    for (array, to, reason) in cases {
        assert_eq!(field(array, to), Err(format!("could not append rows to table `t`: {reason}")));
    }
    // Further than the server's time goes. The words for such a moment are Arrow's.
    for (array, to) in [
        (instant(i64::MIN), Server::TimestampTz),
        (instant(i64::MIN + 946_684_800_000_000), Server::Timestamp),
        (day(i32::MIN), Server::Date),
    ] {
        assert!(field(array, to).is_err(), "{to}");
    }
}

#[test]
fn rows_keep_their_order_and_are_numbered_over_batches() {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![None, Some("b")]));
    let columns = [("id", ids, ServerType::Int2), ("name", names, ServerType::Text)];
    let mut encoder = encoder(&columns).unwrap().with_row_numbers(0);
    let mut out = Encoder::HEADER.to_vec();
    encoder.encode(&batch(&columns), &mut out).unwrap();
    encoder.encode(&batch(&columns).slice(1, 1), &mut out).unwrap();
    out.extend(Encoder::TRAILER);
    let null = conversion::NULL;
    let number = |row: i64| framed(&row.to_be_bytes());
    let expected = [
        b"PGCOPY\n\xff\r\n\0".to_vec(),
        vec![0; 8],
        [vec![0, 3], framed(&[0, 7]), null.to_vec(), number(0)].concat(),
        [vec![0, 3], null.to_vec(), framed(b"b"), number(1)].concat(),
        [vec![0, 3], null.to_vec(), framed(b"b"), number(2)].concat(),
        vec![0xff, 0xff],
    ];
    assert_eq!(out, expected.concat());
}

#[test]
fn repaired_values_are_counted() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("\0a\0b"), Some("a"), None, Some("\0")]));
    let clean: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
    let long = format!("[{}]", "1".repeat(131_073));
    let documents: ArrayRef =
        Arc::new(StringArray::from(vec![r#""\u0000\ud800""#, r#""\\u0000\u0001""#, "[1e9999999]", &long]));
    let columns = [
        ("t", texts, ServerType::Text),
        ("clean", clean, ServerType::Text),
        ("j", documents.clone(), ServerType::Jsonb),
        // Kept as it is written: this type takes all JSON.
        ("plain", documents, ServerType::Json),
    ];
    let mut encoder = encoder(&columns).unwrap();
    let mut out = Vec::new();
    encoder.encode(&batch(&columns), &mut out).unwrap();
    encoder.encode(&batch(&columns).slice(3, 1), &mut out).unwrap();
    assert_eq!(encoder.repairs().collect::<Vec<_>>(), [("t", 3), ("j", 4)]);
    let mut fields = Fields(&out);
    let expected = [
        ("ab", "\u{1}\"\u{fffd}\""),
        ("a", "\u{1}\"\\\\u0000\\u0001\""),
        ("-", "\u{1}[\"1e9999999\"]"),
        ("", &format!("\u{1}[\"{}\"]", "1".repeat(131_073))),
    ];
    for (row, (text, document)) in expected.into_iter().enumerate() {
        let row_fields = fields.row();
        assert_eq!((row_fields[0].as_str(), row_fields[2].as_str()), (text, document), "row {row}");
    }
}

/// Reads rows back.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take(&mut self, length: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn row(&mut self) -> Vec<String> {
        let count = u16::from_be_bytes(self.take(2).try_into().unwrap());
        let field = |_| {
            let length = i32::from_be_bytes(self.take(4).try_into().unwrap());
            let length = usize::try_from(length).ok();
            length.map_or("-".to_owned(), |length| String::from_utf8(self.take(length).to_vec()).unwrap())
        };
        (0..count).map(field).collect()
    }
}

#[test]
fn a_batch_of_other_columns_is_refused() {
    let columns = [("c", int(1), ServerType::Int8)];
    let mut encoder = encoder(&columns).unwrap();
    for other in [vec![("c", text("a"), ServerType::Text)], vec![columns[0].clone(), columns[0].clone()]] {
        let (name, array, _) = other[0].clone();
        let names = [name, "d"];
        let arrays = other.iter().map(|_| array.clone());
        let other = RecordBatch::try_from_iter(names.into_iter().zip(arrays)).unwrap();
        let error = encoder.encode(&other, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.starts_with("could not append rows to table `t`: "), "{error}");
    }
}
