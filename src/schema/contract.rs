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
