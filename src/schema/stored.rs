//! The schema document of `_dlt_version.schema`: reading, writing, hashing it as dlt does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use sha3::{Digest, Sha3_256};

use super::Schema;
use super::column::{Column, DataType, Hint};
use super::table::{Table, WriteDisposition};
use crate::state::sorted_json;

/// dlt's schema engine that this version reads and writes. dlt migrates older documents and refuses newer ones.
pub const ENGINE_VERSION: u64 = 11;

/// How many earlier hashes a document keeps, as in dlt.
const PREVIOUS_HASHES: usize = 10;

/// Keys that a schema's hash leaves out.
const UNHASHED: [&str; 4] = ["version", "version_hash", "imported_version_hash", "previous_hashes"];

/// Why a stored schema cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Not the JSON that dlt writes.
    #[error("the stored schema is not a schema document")]
    Malformed(#[source] serde_json::Error),
    /// Written by a dlt of another generation.
    #[error("the stored schema has engine version {found}; this version reads {ENGINE_VERSION}")]
    Engine {
        /// The engine version in the document.
        found: u64,
    },
}

impl Schema {
    /// A schema with dlt's system tables and settings, never stored.
    pub fn new(name: impl Into<String>) -> Self {
        let mut tables = IndexMap::new();
        for table in [version_table(), loads_table()] {
            tables.insert(table.name.clone(), table);
        }
        Self {
            name: name.into(),
            version: 0,
            version_hash: String::new(),
            previous_hashes: Vec::new(),
            tables,
            settings: default_settings(),
            normalizers: json!({
                "names": "snake_case",
                "json": { "module": "dlt.common.normalizers.json.relational" },
            }),
            other: Map::new(),
        }
    }

    /// The root above a table, or the table itself. `None` if a parent is missing or the parents go in a circle.
    pub(crate) fn root_of<'a>(&'a self, table: &'a Table) -> Option<&'a Table> {
        let mut table = table;
        for _ in 0..=self.tables.len() {
            match &table.parent {
                None => return Some(table),
                Some(parent) => table = self.tables.get(parent)?,
            }
        }
        None
    }

    /// Reads a stored document.
    ///
    /// # Errors
    /// It is no schema document, or one of another engine version.
    pub fn from_json(text: &str) -> Result<Self, SchemaError> {
        let mut document: Map<String, Value> = serde_json::from_str(text).map_err(SchemaError::Malformed)?;
        let engine = document.shift_remove("engine_version").and_then(|value| value.as_u64()).unwrap_or(0);
        if engine != ENGINE_VERSION {
            return Err(SchemaError::Engine { found: engine });
        }
        let mut take = |key: &str| document.shift_remove(key).unwrap_or(Value::Null);
        let malformed = SchemaError::Malformed;
        Ok(Self {
            name: serde_json::from_value(take("name")).map_err(malformed)?,
            version: serde_json::from_value(take("version")).map_err(malformed)?,
            version_hash: serde_json::from_value(take("version_hash")).map_err(malformed)?,
            tables: serde_json::from_value(take("tables")).map_err(malformed)?,
            settings: take("settings"),
            normalizers: take("normalizers"),
            previous_hashes: serde_json::from_value::<Option<_>>(take("previous_hashes"))
                .map_err(malformed)?
                .unwrap_or_default(),
            other: document,
        })
    }

    /// The document for `_dlt_version.schema`.
    pub fn to_json(&self) -> Value {
        let mut document = json!({
            "version": self.version,
            "version_hash": self.version_hash,
            "engine_version": ENGINE_VERSION,
            "name": self.name,
            "tables": self.tables,
            "settings": self.settings,
            "normalizers": self.normalizers,
            "previous_hashes": self.previous_hashes,
        });
        if let Some(document) = document.as_object_mut() {
            document.extend(self.other.clone());
        }
        document
    }

    /// dlt's hash of the content: everything but versions and hashes, then table and column names in order,
    /// since the order of columns does not show in the sorted JSON.
    pub fn content_hash(&self) -> String {
        let mut document = self.to_json();
        if let Some(document) = document.as_object_mut() {
            for key in UNHASHED {
                document.shift_remove(key);
            }
        }
        let mut hash = Sha3_256::new();
        hash.update(sorted_json(&document));
        let mut names: Vec<_> = self.tables.keys().collect();
        names.sort();
        for name in names {
            hash.update(name);
            for column in self.tables[name].columns.keys() {
                hash.update(column);
            }
        }
        STANDARD.encode(hash.finalize())
    }

    /// Takes a new version and hash if the content changed. Returns whether it did.
    pub fn bump(&mut self) -> bool {
        let hash = self.content_hash();
        if hash == self.version_hash {
            return false;
        }
        if !self.version_hash.is_empty() {
            self.previous_hashes.insert(0, std::mem::take(&mut self.version_hash));
            self.previous_hashes.truncate(PREVIOUS_HASHES);
        }
        self.version += 1;
        self.version_hash = hash;
        true
    }

    /// Lists dlt's table of pipeline states, as a dlt run does that writes one.
    pub fn add_state_table(&mut self) {
        let table = state_table();
        self.tables.entry(table.name.clone()).or_insert(table);
    }
}

fn default_settings() -> Value {
    json!({
        "detections": ["iso_timestamp"],
        "default_hints": {
            "not_null": ["_dlt_id", "_dlt_root_id", "_dlt_parent_id", "_dlt_list_idx", "_dlt_load_id"],
            "parent_key": ["_dlt_parent_id"],
            "root_key": ["_dlt_root_id"],
            "unique": ["_dlt_id"],
            "row_key": ["_dlt_id"],
        },
    })
}

/// `_dlt_id` as dlt hints it.
pub(crate) fn row_id_column() -> Column {
    Column::new("_dlt_id", DataType::Text).not_null().with(Hint::Unique).with(Hint::RowKey)
}

/// One of dlt's own tables. The descriptions are dlt's, word for word: they count for the schema's hash.
fn system_table(
    name: &str,
    disposition: WriteDisposition,
    columns: impl IntoIterator<Item = (Column, &'static str)>,
) -> Table {
    let mut table = Table::root(name, name, disposition);
    for (mut column, description) in columns {
        column.hints.insert("description".to_owned(), Value::from(description));
        table.add(column);
    }
    table
}

fn load_id_column(name: &str) -> Column {
    let mut column = Column::new(name, DataType::Text).not_null();
    column.precision = Some(64);
    column
}

fn version_table() -> Table {
    use DataType::{Bigint, Text, Timestamp};
    let columns = [
        ("version", Bigint, "Numeric version of the schema, incremented on each schema change"),
        ("engine_version", Bigint, "Version of the dlt schema engine that created this schema"),
        ("inserted_at", Timestamp, "Timestamp when this schema version was stored"),
        ("schema_name", Text, "Name of the schema"),
        ("version_hash", Text, "Unique hash of the schema content, used to detect changes"),
        ("schema", Text, "JSON representation of the complete schema definition"),
    ];
    let columns =
        columns.map(|(name, data_type, description)| (Column::new(name, data_type).not_null(), description));
    let mut table = system_table("_dlt_version", WriteDisposition::Skip, columns);
    table.other.insert("description".to_owned(), Value::from("Created by DLT. Tracks schema updates"));
    table
}

fn loads_table() -> Table {
    use DataType::{Bigint, Text, Timestamp};
    let columns = [
        (load_id_column("load_id"), "Unique identifier of the load operation"),
        (Column::new("schema_name", Text), "Name of the schema associated with this load"),
        (Column::new("status", Bigint).not_null(), "Status of the load operation (0 = success)"),
        (Column::new("inserted_at", Timestamp).not_null(), "Timestamp when the load was completed"),
        (Column::new("schema_version_hash", Text), "Hash of the schema version used during this load"),
    ];
    let mut table = system_table("_dlt_loads", WriteDisposition::Skip, columns);
    table.other.insert("description".to_owned(), Value::from("Created by DLT. Tracks completed loads"));
    table
}

/// The table of pipeline states, which dlt's schema lists once a state was written.
fn state_table() -> Table {
    use DataType::{Bigint, Text, Timestamp};
    let columns = [
        (Column::new("version", Bigint).not_null(), "Numeric version of the pipeline state"),
        (Column::new("engine_version", Bigint).not_null(), "Version of the dlt state engine"),
        (Column::new("pipeline_name", Text).not_null(), "Name of the pipeline this state belongs to"),
        (Column::new("state", Text).not_null(), "Compressed JSON representation of the pipeline state"),
        (Column::new("created_at", Timestamp).not_null(), "Timestamp when this state was created"),
        (Column::new("version_hash", Text), "Hash of the state content, used to detect changes"),
        (load_id_column("_dlt_load_id"), "Load identifier linking this row to its load operation"),
    ];
    let mut table = system_table("_dlt_pipeline_state", WriteDisposition::Append, columns);
    table.add(row_id_column());
    table.other.insert("file_format".to_owned(), Value::from("preferred"));
    table.mark_seen();
    table
}
