//! dlt's schema contracts: what may change by itself when rows bring something new.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

/// A mode for each kind of change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// New tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<ContractMode>,
    /// New columns of tables that were there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<ContractMode>,
    /// Values that do not fit the type of their column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<ContractMode>,
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

impl ContractMode {
    /// Its name in config and schema document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evolve => "evolve",
            Self::Freeze => "freeze",
            Self::DiscardRow => "discard_row",
            Self::DiscardValue => "discard_value",
        }
    }
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

    /// One mode for all kinds of change.
    pub const fn all(mode: ContractMode) -> Self {
        Self { tables: Some(mode), columns: Some(mode), data_type: Some(mode) }
    }

    /// The mode for a kind of change; what is not given evolves.
    pub fn mode(&self, entity: ContractEntity) -> ContractMode {
        let mode = match entity {
            ContractEntity::Tables => self.tables,
            ContractEntity::Columns => self.columns,
            ContractEntity::DataType => self.data_type,
        };
        mode.unwrap_or_default()
    }

    /// As dlt's schema document has it, which is as people write it: one word for all kinds of change, else those
    /// that were given.
    pub fn to_json(&self) -> Value {
        use ContractEntity::{Columns, DataType, Tables};
        if let (Some(mode), true) = (self.tables, self.tables == self.columns && self.columns == self.data_type) {
            return Value::from(mode.name());
        }
        let given = [(Tables, self.tables), (Columns, self.columns), (DataType, self.data_type)];
        let given = given.into_iter().filter_map(|(entity, mode)| Some((entity.name(), mode?.name())));
        Value::Object(given.map(|(entity, mode)| (entity.to_owned(), Value::from(mode))).collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_have_what_was_written() {
        assert_eq!(Contract::all(ContractMode::Freeze).to_json(), json!("freeze"));
        assert_eq!(Contract::default().to_json(), json!({}));
        let columns = Some(ContractMode::DiscardValue);
        assert_eq!(
            Contract { columns, ..Contract::default() }.to_json(),
            json!({"columns": "discard_value"})
        );
    }
}
