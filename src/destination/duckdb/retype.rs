//! What becomes of values in columns that get another type.

use super::super::sql::retype::Conversion;

/// Whole numbers up to here are doubles without loss.
const LARGEST_EXACT_DOUBLE: &str = "9007199254740992";

/// The new value of a column, and when it is not the same.
pub(super) fn conversion(column: &str, from: &str, to: &str) -> Conversion {
    match (from, to) {
        (_, "VARCHAR") => Conversion { value: text(column, from), loses: "false".to_owned() },
        ("TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" | "HUGEINT", "DOUBLE") => Conversion {
            value: format!("CAST({column} AS DOUBLE)"),
            loses: format!("{column} NOT BETWEEN -{LARGEST_EXACT_DOUBLE} AND {LARGEST_EXACT_DOUBLE}"),
        },
        _ => {
            let value = format!("TRY_CAST({column} AS {to})");
            let loses = format!("TRY_CAST({value} AS {from}) IS DISTINCT FROM {column}");
            Conversion { value, loses }
        }
    }
}

/// The text of a value, as dlt writes it into a column of text: Python's words for numbers (the shortest text that reads
/// back as the same double) and truth values, Base64 for bytes. Instants are ISO 8601, in UTC.
fn text(column: &str, from: &str) -> String {
    let without_zeros = |text: &str| format!("regexp_replace({text}, '\\.?0+$', '')");
    match from {
        "BOOLEAN" => format!("CASE WHEN {column} THEN 'True' WHEN NOT {column} THEN 'False' END"),
        "BLOB" => format!("to_base64({column})"),
        "TIMESTAMP WITH TIME ZONE" => {
            let utc = format!("make_timestamp(epoch_us({column}))");
            format!("{} || 'Z'", without_zeros(&format!("strftime({utc}, '%Y-%m-%dT%H:%M:%S.%f')")))
        }
        decimal if decimal.starts_with("DECIMAL") && !decimal.ends_with(",0)") => {
            without_zeros(&format!("CAST({column} AS VARCHAR)"))
        }
        naive if naive.starts_with("TIMESTAMP") => format!("replace(CAST({column} AS VARCHAR), ' ', 'T')"),
        _ => format!("CAST({column} AS VARCHAR)"),
    }
}
