//! What can go wrong with rows, and what people should know though it did not.

use std::fmt;
use std::path::PathBuf;

use super::Retype;
use crate::schema::{ContractEntity, DataType};

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
    /// A row would change what its contract has frozen.
    #[error("{}", frozen(table, column.as_deref(), *entity, example))]
    Frozen {
        /// Normalized name of the table.
        table: String,
        /// Normalized name of the column; `None` for a new table.
        column: Option<String>,
        /// What is frozen.
        entity: ContractEntity,
        /// The value that would change it.
        example: Example,
    },
    /// Columns need other types: normalize the package again with these in
    /// [`NormalizeJob::retyped`](super::NormalizeJob::retyped).
    #[error("{} columns need another type", retypes.len())]
    Retype {
        /// The columns.
        retypes: Vec<Retype>,
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

impl NormalizeError {
    /// What to do about it, if there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Frozen { .. } => Some(
                "let the table change with `evolve` in `schema_contract`, or leave such data out with `discard_row` or `discard_value`",
            ),
            Self::Null { .. } => Some(
                "a key, like any column with `nullable = false`, needs a value in each row: check the spelling, or name another field",
            ),
            Self::Spill { .. } => Some("free space below the work directory"),
            Self::Retype { .. } => None,
        }
    }
}

/// One value of those that a rule settled, to find it in the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Which row of the table in this package, from 1.
    pub row: u64,
    /// Path of the value in the row of the resource.
    pub path: String,
    /// The beginning of it; empty for a whole row.
    pub value: String,
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, value, .. } = self;
        if value.is_empty() { write!(f, "`{path}`") } else { write!(f, "`{path}` is {value}") }
    }
}

fn frozen(table: &str, column: Option<&str>, entity: ContractEntity, example: &Example) -> String {
    let column = column.unwrap_or_default();
    let row = example.row;
    let frozen = format!("its contract freezes `{}`", entity.name());
    match entity {
        ContractEntity::Tables => format!("rows at {example} would add table `{table}`, but {frozen}"),
        ContractEntity::Columns => {
            format!("row {row} of table `{table}` would add column `{column}` ({example}), but {frozen}")
        }
        ContractEntity::DataType => format!(
            "row {row} of table `{table}` does not fit the type of column `{column}` ({example}), but {frozen}"
        ),
    }
}

/// Something that was settled by a rule, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What was settled.
    pub kind: WarningKind,
    /// Normalized name of the table.
    pub table: String,
    /// Normalized name of the column; empty where it is about the whole table.
    pub column: String,
    /// How many values, or rows; 1 where it is about neither.
    pub count: u64,
    /// The first of them, where people need one to understand what happened.
    pub example: Option<Example>,
}

/// Kinds of [`Warning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningKind {
    /// Two fields of a row have the same normalized name: the later one won, the other is lost.
    Collision,
    /// Two fields of a row have the same normalized name: the earlier one went to this column, or table.
    KeptApart,
    /// A value did not fit its column and went to this variant column.
    Variant,
    /// The column is in the database with another type than its hint gives it now: it stays as it is.
    TypeKept,
    /// Hints would make the table a root table, but it is in the database as a child table: it stays one.
    StaysNested,
    /// The column got another type: the first is what it had, or would have.
    Widened(DataType, DataType),
    /// The contract let go what would have changed the schema.
    Discarded(ContractEntity, Discarded),
}

/// What a contract lets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discarded {
    /// Rows, with everything below them.
    Rows,
    /// Single values.
    Values,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, table, column, count, .. } = self;
        let values = if *count == 1 { "value" } else { "values" };
        match kind {
            WarningKind::Collision => {
                let were = if *count == 1 { "was" } else { "were" };
                write!(
                    f,
                    "{count} {values} {were} lost: two fields of a row become column `{column}` of table `{table}`, and the later one counts"
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
            WarningKind::KeptApart if column.is_empty() => {
                let lists = if *count == 1 { "list" } else { "lists" };
                write!(
                    f,
                    "{count} {lists} went to table `{table}`: two fields of a row have the same name but for that"
                )
            }
            WarningKind::KeptApart => write!(
                f,
                "{count} {values} went to column `{column}` of table `{table}`: two fields of a row have the same name but for that"
            ),
            WarningKind::Variant => {
                let origin = column.rsplit_once("__v_").map_or(column.as_str(), |(origin, _)| origin);
                write!(
                    f,
                    "{count} {values} of column `{origin}` of table `{table}` did not fit its type and went to column `{column}`"
                )
            }
            WarningKind::Widened(from, to) => write!(
                f,
                "column `{column}` of table `{table}` is {} instead of {}, to hold all values",
                type_name(*to),
                type_name(*from)
            ),
            WarningKind::Discarded(entity, discarded) => self.discarded(f, *entity, *discarded),
        }
    }
}

impl Warning {
    fn discarded(
        &self,
        f: &mut fmt::Formatter<'_>,
        entity: ContractEntity,
        discarded: Discarded,
    ) -> fmt::Result {
        let Self { table, column, count, .. } = self;
        let dropped = match (discarded, count) {
            (Discarded::Rows, 1) => "row was",
            (Discarded::Rows, _) => "rows were",
            (Discarded::Values, 1) => "value was",
            (Discarded::Values, _) => "values were",
        };
        write!(f, "{count} {dropped} dropped by contract: ")?;
        match entity {
            ContractEntity::Tables => write!(f, "table `{table}` would be new")?,
            ContractEntity::Columns => write!(f, "column `{column}` of table `{table}` would be new")?,
            ContractEntity::DataType => write!(f, "column `{column}` of table `{table}` has another type")?,
        }
        match &self.example {
            Some(example) if entity == ContractEntity::Tables => write!(f, " (rows at {example})"),
            Some(example) => write!(f, " (row {}: {example})", example.row),
            None => Ok(()),
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
