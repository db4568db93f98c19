//! dlt's types as DuckDB columns, as dlt makes them.

use super::super::DestinationError;
use super::CAPABILITIES;
use crate::schema::{Column, DataType};

/// Fractional digits of a second that dlt takes for given on DuckDB.
const TIMESTAMP_PRECISION: u32 = 6;

/// The DuckDB type of a column. Text has no length, as in dlt.
///
/// # Errors
/// Integers of more than 128 bits and timestamps finer than nanoseconds have no type; nor has a column that never
/// had a value.
pub(super) fn sql_type(table: &str, column: &Column) -> Result<String, DestinationError> {
    let unknown = |reason: String| DestinationError::Statement {
        action: format!("choose a type for column `{}` of table `{table}`", column.name),
        reason,
    };
    let data_type = column.data_type.ok_or_else(|| unknown("it never had a value".to_owned()))?;
    let name = match data_type {
        DataType::Text => "VARCHAR",
        DataType::Double => "DOUBLE",
        DataType::Bool => "BOOLEAN",
        DataType::Date => "DATE",
        DataType::Time => "TIME",
        DataType::Binary => "BLOB",
        DataType::Json => "JSON",
        DataType::Decimal | DataType::Wei => {
            let (precision, scale) = CAPABILITIES.decimal_digits(column);
            return Ok(format!("DECIMAL({precision},{scale})"));
        }
        DataType::Bigint => match column.precision.unwrap_or(64) {
            0..=8 => "TINYINT",
            9..=16 => "SMALLINT",
            17..=32 => "INTEGER",
            33..=64 => "BIGINT",
            65..=128 => "HUGEINT",
            bits => return Err(unknown(format!("no integer has {bits} bits"))),
        },
        DataType::Timestamp if column.timezone.unwrap_or(true) => "TIMESTAMP WITH TIME ZONE",
        DataType::Timestamp => match column.precision.unwrap_or(TIMESTAMP_PRECISION) {
            0 => "TIMESTAMP_S",
            1..=3 => "TIMESTAMP_MS",
            4..=6 => "TIMESTAMP",
            7..=9 => "TIMESTAMP_NS",
            digits => return Err(unknown(format!("no timestamp has {digits} digits of a second"))),
        },
    };
    Ok(name.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn check(data_type: DataType, set: impl Fn(&mut Column), expected: Option<&str>) {
        let mut column = Column::new("c", data_type);
        set(&mut column);
        assert_eq!(sql_type("t", &column).ok().as_deref(), expected, "{column:?}");
    }

    #[test]
    fn types_are_those_of_dlt() {
        let plain = |_: &mut Column| ();
        check(DataType::Text, plain, Some("VARCHAR"));
        check(DataType::Text, |column| column.precision = Some(10), Some("VARCHAR"));
        check(DataType::Double, plain, Some("DOUBLE"));
        check(DataType::Bool, plain, Some("BOOLEAN"));
        check(DataType::Date, plain, Some("DATE"));
        check(DataType::Time, plain, Some("TIME"));
        check(DataType::Binary, plain, Some("BLOB"));
        check(DataType::Json, plain, Some("JSON"));
        check(DataType::Decimal, plain, Some("DECIMAL(38,9)"));
        check(DataType::Wei, plain, Some("DECIMAL(38,0)"));
        check(DataType::Timestamp, plain, Some("TIMESTAMP WITH TIME ZONE"));
        check(DataType::Timestamp, |column| column.precision = Some(3), Some("TIMESTAMP WITH TIME ZONE"));
        check(DataType::Text, |column| column.data_type = None, None);
    }

    #[test]
    fn precision_chooses_the_width() {
        for (bits, expected) in
            [(8, "TINYINT"), (16, "SMALLINT"), (32, "INTEGER"), (64, "BIGINT"), (128, "HUGEINT")]
        {
            check(DataType::Bigint, |column| column.precision = Some(bits), Some(expected));
        }
        check(DataType::Bigint, |column| column.precision = Some(256), None);
        for (digits, expected) in [(0, "_S"), (3, "_MS"), (6, ""), (9, "_NS")] {
            let naive = |column: &mut Column| {
                column.timezone = Some(false);
                column.precision = Some(digits);
            };
            check(DataType::Timestamp, naive, Some(&format!("TIMESTAMP{expected}")));
        }
        let money = |column: &mut Column| (column.precision, column.scale) = (Some(10), Some(2));
        check(DataType::Decimal, money, Some("DECIMAL(10,2)"));
    }
}
