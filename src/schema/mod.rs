//! Tables, columns and types, and dlt's rules for them: naming, inference, coercion. No I/O.

mod capabilities;
mod coerce;
mod column;
mod contract;
mod hints;
mod json;
mod merge;
mod moment;
mod naming;
mod order;
mod propagation;
mod pytext;
mod stored;
mod table;
mod timestamp;
mod value;

use indexmap::IndexMap;

pub use capabilities::Capabilities;
pub(crate) use coerce::{Cell, ColumnType, coerce};
pub use column::{Column, DataType, Hint};
pub use contract::{Contract, ContractEntity, ContractMode};
pub use hints::{
    DELETED_AT, DeleteMode, Disposition, History, MergeStrategy, SchemaOptions, TableHints, TypeConflict,
};
pub(crate) use json::decode;
pub(crate) use merge::renamed;
pub(crate) use moment::TimeForm;
pub(crate) use naming::SEPARATOR;
pub use naming::{join, normalize_identifier, normalize_path};
pub(crate) use order::{Kind, Point};
pub(crate) use pytext::json_float_text;
pub(crate) use pytext::strip;
pub use stored::{ENGINE_VERSION, SchemaError};
pub use table::{Table, WriteDisposition};
pub(crate) use timestamp::parse_setting as parse_instant_setting;
pub(crate) use value::Value;

/// All tables of one source, as dlt keeps them in `_dlt_version.schema`.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// Name of the source.
    pub name: String,
    /// Bumped with each change of content. 0: never stored.
    pub version: u64,
    /// [`Schema::content_hash`] at the last [`Schema::bump`].
    pub version_hash: String,
    /// Hashes of earlier versions, newest first, ten at most.
    pub previous_hashes: Vec<String>,
    /// By name, in order of creation.
    pub tables: IndexMap<String, Table>,
    /// dlt's `settings`, kept as found.
    pub settings: serde_json::Value,
    /// dlt's `normalizers`, kept as found but for the propagation of root ids.
    pub normalizers: serde_json::Value,
    /// Fields that this version does not know, kept as found.
    pub other: serde_json::Map<String, serde_json::Value>,
}
