//! What becomes of values in columns that get another type.

use super::super::sql::retype::Conversion;

/// Whole numbers up to here are doubles without loss.
const LARGEST_EXACT_DOUBLE: &str = "9007199254740992";

/// The new value of a column, and when it is not the same. The server has no cast that gives null where it fails before
/// version 16, so texts are looked at first.
pub(super) fn conversion(column: &str, from: &str, to: &str) -> Conversion {
    let guarded = |condition: &str, same: &str| {
        let value = format!("CASE WHEN {condition} THEN CAST({column} AS {to}) END");
        Conversion { loses: format!("{} IS DISTINCT FROM {same}", back(&value, from)), value }
    };
    let is_integer = |name: &str| matches!(name, "smallint" | "integer" | "bigint");
    let is_text = |name: &str| name == "text" || name.starts_with("character varying");
    match (from, to) {
        (_, to) if is_text(to) => Conversion { value: text(column, from), loses: "false".to_owned() },
        (from, "double precision") if is_integer(from) => Conversion {
            value: format!("CAST({column} AS double precision)"),
            loses: format!("{column} NOT BETWEEN -{LARGEST_EXACT_DOUBLE} AND {LARGEST_EXACT_DOUBLE}"),
        },
        ("double precision", to) if is_integer(to) => {
            guarded(&format!("{column} BETWEEN -{LARGEST_EXACT_DOUBLE} AND {LARGEST_EXACT_DOUBLE}"), column)
        }
        (from, to) if is_text(from) && is_integer(to) => {
            guarded(&format!("{column} ~ '^-?[0-9]{{1,18}}$'"), column)
        }
        (from, to) if is_text(from) && to.starts_with("numeric") => {
            guarded(&format!("{column} ~ '^-?[0-9]{{1,38}}$'"), column)
        }
        (from, _) if is_text(from) => {
            Conversion { value: format!("CAST(NULL AS {to})"), loses: "true".to_owned() }
        }
        _ => {
            let value = format!("CAST({column} AS {to})");
            Conversion { loses: format!("{} IS DISTINCT FROM {column}", back(&value, from)), value }
        }
    }
}

fn back(value: &str, from: &str) -> String {
    format!("CAST({value} AS {from})")
}

/// The text of a value, as dlt writes it into a column of text: Python's words for numbers and truth values, Base64 for
/// bytes. Instants are ISO 8601, in UTC.
fn text(column: &str, from: &str) -> String {
    let without_zeros = |text: &str| format!("regexp_replace({text}, '\\.?0+$', '')");
    let iso = |instant: &str| without_zeros(&format!("to_char({instant}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"));
    match from {
        "boolean" => format!("CASE WHEN {column} THEN 'True' WHEN NOT {column} THEN 'False' END"),
        "bytea" => format!("replace(encode({column}, 'base64'), E'\\n', '')"),
        "double precision" => double(column),
        zoned if zoned.starts_with("timestamp") && zoned.ends_with("with time zone") => {
            format!("{} || 'Z'", iso(&format!("{column} AT TIME ZONE 'UTC'")))
        }
        naive if naive.starts_with("timestamp") => iso(column),
        decimal if decimal.starts_with("numeric") => format!("CAST(trim_scale({column}) AS text)"),
        _ => format!("CAST({column} AS text)"),
    }
}

/// The server's text of a double is the shortest that reads back as the same one, as Python's is; but it has a point only
/// where it must, and an exponent one digit earlier.
fn double(column: &str) -> String {
    let plain = format!("CAST(CAST(CAST({column} AS text) AS numeric) AS text)");
    format!(
        "CASE WHEN {column} IN ('NaN', 'Infinity', '-Infinity') \
         THEN replace(lower(CAST({column} AS text)), 'infinity', 'inf') \
         WHEN {column} <> 0 AND abs({column}) NOT BETWEEN 1e-4 AND 9999999999999998 THEN CAST({column} AS text) \
         WHEN strpos({plain}, '.') > 0 THEN {plain} ELSE {plain} || '.0' END"
    )
}
