//! What can go wrong with rows, and what people should know though it did not.

use std::fmt;
use std::path::PathBuf;

use crate::schema::DataType;

/// Why rows cannot become tables. Nothing of the package is loaded then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NormalizeError {
    /// A column that must have a value, a key usually, is null or missing in a row.
    #[error("row {row} of table `{table}` has no value for column `{column}`, which cannot be null")]
    Null {
        /// Normalized name of the table.
        table: String,
        /// Normalized name of the column.
        column: String,
        /// Which row of the table in this package, from 1.
        row: u64,
    },
    /// A key, or another column that must have a value, that no row has.
    #[error("column `{column}` of table `{table}` cannot be null, but no row has it")]
    NeverSeen {
        /// Normalized name of the table.
        table: String,
        /// Normalized name of the column.
        column: String,
    },
    /// A value that neither its column nor the variant column for its type can hold.
    #[error("row {row} of table `{table}` has a {value_type} that column `{column}` cannot hold")]
    Misfit {
        /// Normalized name of the table.
        table: String,
        /// Normalized name of the variant column.
        column: String,
        /// dlt's name for the type of the value.
        value_type: &'static str,
        /// Which row of the table in this package, from 1.
        row: u64,
    },
    /// A batch could not be written.
    #[error("could not write rows of table `{table}` to `{}`", path.display())]
    Spill {
        /// Normalized name of the table.
        table: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Something that was settled by a rule, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What was settled.
    pub kind: WarningKind,
    /// Normalized name of the table.
    pub table: String,
    /// Normalized name of the column; empty if the table as a whole is meant.
    pub column: String,
    /// How many values; 1 where no value is concerned.
    pub count: u64,
}

/// Kinds of [`Warning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningKind {
    /// Two fields of a row have the same normalized name: the later one won.
    Collision,
    /// A value did not fit its column and went to this variant column.
    Variant,
    /// The column is in the database with another type than its hint gives it now: it stays as it is.
    TypeKept,
    /// Hints would make the table a root table, but it is in the database as a child table: it stays one.
    StaysNested,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, table, column, count } = self;
        match kind {
            WarningKind::Collision => {
                let values = if *count == 1 { "value was" } else { "values were" };
                write!(
                    f,
                    "{count} {values} lost: two fields of a row become column `{column}` of table `{table}`, and the later one counts"
                )
            }
            WarningKind::TypeKept => write!(
                f,
                "column `{column}` of table `{table}` keeps its type: the hint says another one, but the column is in the database already"
            ),
            WarningKind::StaysNested => write!(
                f,
                "table `{table}` stays a child table: keys in its hints would make it a root table, but it is in the database already"
            ),
            WarningKind::Variant => {
                let values = if *count == 1 { "value" } else { "values" };
                let origin = column.rsplit_once("__v_").map_or(column.as_str(), |(origin, _)| origin);
                write!(
                    f,
                    "{count} {values} of column `{origin}` of table `{table}` did not fit its type and went to column `{column}`"
                )
            }
        }
    }
}

/// dlt's name of a type.
pub(super) const fn type_name(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Text => "text",
        DataType::Bigint => "bigint",
        DataType::Double => "double",
        DataType::Bool => "bool",
        DataType::Timestamp => "timestamp",
        DataType::Date => "date",
        DataType::Time => "time",
        DataType::Decimal => "decimal",
        DataType::Wei => "wei",
        DataType::Binary => "binary",
        DataType::Json => "json",
    }
}
