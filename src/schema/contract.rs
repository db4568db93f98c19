//! dlt's schema contracts: what may change by itself when rows bring something new.

use serde::{Deserialize, Serialize};

/// What happens to rows that would change the schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractMode {
    /// The schema changes.
    #[default]
    Evolve,
    /// The resource fails.
    Freeze,
    /// The row is dropped, with everything below it.
    DiscardRow,
    /// The value is dropped; of a new table, all rows are.
    DiscardValue,
}

/// What may change, in the form it was written in: dlt's schema keeps that, and its hash sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Contract {
    /// One mode for all kinds of change.
    All(ContractMode),
    /// A mode for each kind of change; what is not named evolves.
    Each {
        /// New tables.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tables: Option<ContractMode>,
        /// New columns of tables that were there before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        columns: Option<ContractMode>,
        /// Values that do not fit the type of their column.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data_type: Option<ContractMode>,
    },
}

/// What a contract is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContractEntity {
    /// New tables.
    Tables,
    /// New columns of tables that were there before.
    Columns,
    /// Values that do not fit the type of their column.
    DataType,
}

impl ContractEntity {
    /// Its name in config and schema document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Columns => "columns",
            Self::DataType => "data_type",
        }
    }
}

impl Contract {
    /// Key of a table in dlt's schema document.
    pub(crate) const KEY: &'static str = "schema_contract";

    /// The mode for new tables.
    pub fn tables(self) -> ContractMode {
        match self {
            Self::All(mode) => mode,
            Self::Each { tables, .. } => tables.unwrap_or_default(),
        }
    }

    /// The mode for new columns of tables that were there before.
    pub fn columns(self) -> ContractMode {
        match self {
            Self::All(mode) => mode,
            Self::Each { columns, .. } => columns.unwrap_or_default(),
        }
    }

    /// The mode for values that do not fit the type of their column.
    pub fn data_type(self) -> ContractMode {
        match self {
            Self::All(mode) => mode,
            Self::Each { data_type, .. } => data_type.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_written_form_is_kept() {
        for text in [
            r#""freeze""#,
            r#"{"columns":"discard_row"}"#,
            r#"{"tables":"evolve","data_type":"freeze"}"#,
            "{}",
        ] {
            let contract: Contract = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&contract).unwrap(), text);
        }
    }

    #[test]
    fn what_is_not_named_evolves() {
        let contract: Contract = serde_json::from_str(r#"{"columns":"discard_row"}"#).unwrap();
        assert_eq!(
            [contract.tables(), contract.columns(), contract.data_type()],
            [ContractMode::Evolve, ContractMode::DiscardRow, ContractMode::Evolve]
        );
        assert_eq!(Contract::All(ContractMode::Freeze).data_type(), ContractMode::Freeze);
    }
}
