//! dlt's types as Postgres columns, as dlt makes them.

use super::super::DestinationError;
use super::CAPABILITIES;
use crate::schema::{Column, DataType};

/// Fractional digits of a second: finer ones no type has.
const SECOND_DIGITS: u32 = 6;

/// The Postgres type of a column, written as `format_type` writes it.
///
/// Where dlt fails, the column gets the widest type there is: a number for integers of more than 64 bits, microseconds
/// for finer times.
///
/// # Errors
/// A column that never had a value has no type.
pub(crate) fn sql_type(table: &str, column: &Column) -> Result<String, DestinationError> {
    let data_type = column.data_type.ok_or_else(|| DestinationError::Statement {
        action: format!("choose a type for column `{}` of table `{table}`", column.name),
        reason: "it never had a value".to_owned(),
    })?;
    let name = match data_type {
        DataType::Text => match CAPABILITIES.text_limit(column) {
            Some(limit) => return Ok(format!("character varying({limit})")),
            None => "character varying",
        },
        DataType::Double => "double precision",
        DataType::Bool => "boolean",
        DataType::Date => "date",
        DataType::Binary => "bytea",
        DataType::Json => "jsonb",
        DataType::Decimal | DataType::Wei => {
            let (precision, scale) = CAPABILITIES.decimal_digits(column);
            return Ok(format!("numeric({precision},{scale})"));
        }
        DataType::Bigint => match column.precision.unwrap_or(64) {
            0..=16 => "smallint",
            17..=32 => "integer",
            33..=64 => "bigint",
            _ => "numeric(39,0)",
        },
        DataType::Time => return Ok(to_the_second("time", "without time zone", column)),
        DataType::Timestamp if column.timezone.unwrap_or(true) => {
            return Ok(to_the_second("timestamp", "with time zone", column));
        }
        DataType::Timestamp => return Ok(to_the_second("timestamp", "without time zone", column)),
    };
    Ok(name.to_owned())
}

fn to_the_second(name: &str, zone: &str, column: &Column) -> String {
    match column.precision {
        Some(digits) => format!("{name}({}) {zone}", digits.min(SECOND_DIGITS)),
        None => format!("{name} {zone}"),
    }
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
        check(DataType::Text, plain, Some("character varying"));
        check(DataType::Bigint, plain, Some("bigint"));
        check(DataType::Double, plain, Some("double precision"));
        check(DataType::Bool, plain, Some("boolean"));
        check(DataType::Date, plain, Some("date"));
        check(DataType::Time, plain, Some("time without time zone"));
        check(DataType::Binary, plain, Some("bytea"));
        check(DataType::Json, plain, Some("jsonb"));
        check(DataType::Decimal, plain, Some("numeric(38,9)"));
        check(DataType::Wei, plain, Some("numeric(156,78)"));
        check(DataType::Timestamp, plain, Some("timestamp with time zone"));
        check(
            DataType::Timestamp,
            |column| column.timezone = Some(false),
            Some("timestamp without time zone"),
        );
        check(DataType::Text, |column| column.data_type = None, None);
    }

    #[test]
    fn precision_chooses_the_width() {
        let cases = [
            (DataType::Text, 10, "character varying(10)"),
            (DataType::Text, 0, "character varying"),
            (DataType::Text, 10_485_761, "character varying"),
            (DataType::Bigint, 8, "smallint"),
            (DataType::Bigint, 16, "smallint"),
            (DataType::Bigint, 32, "integer"),
            (DataType::Bigint, 64, "bigint"),
            (DataType::Bigint, 65, "numeric(39,0)"),
            (DataType::Timestamp, 0, "timestamp(0) with time zone"),
            (DataType::Timestamp, 9, "timestamp(6) with time zone"),
            (DataType::Time, 3, "time(3) without time zone"),
            (DataType::Binary, 10, "bytea"),
            (DataType::Decimal, 60, "numeric(60,9)"),
            (DataType::Decimal, 5, "numeric(5,5)"),
            (DataType::Decimal, 0, "numeric(1,1)"),
            (DataType::Decimal, 2_000, "numeric(1000,9)"),
            (DataType::Wei, 100, "numeric(100,62)"),
            (DataType::Wei, 38, "numeric(38,0)"),
        ];
        for (data_type, precision, expected) in cases {
            check(data_type, |column| column.precision = Some(precision), Some(expected));
        }
        let money = |column: &mut Column| (column.precision, column.scale) = (Some(10), Some(2));
        check(DataType::Decimal, money, Some("numeric(10,2)"));
        let naive = |column: &mut Column| (column.precision, column.timezone) = (Some(3), Some(false));
        check(DataType::Timestamp, naive, Some("timestamp(3) without time zone"));
    }
}
