//! One dataset, with what a pipeline knows about it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::batches::{json_batch, write_all};
use super::{Engine, Place};
use crate::destination::{
    Committed, Deletes, Destination, DestinationError, LoadPackage, Receipt, RunRecord,
};
use crate::normalize::{Normalized, Origin, Retype};
use crate::schema::{Column, DataType, Hint, Schema, Table, WriteDisposition};
use crate::state::{LoadId, PipelineState};

/// A dataset in a place of its own, with what one pipeline knows about it.
pub(crate) struct Fixture<'e> {
    pub(crate) engine: &'e dyn Engine,
    pub(crate) place: Arc<dyn Place>,
    pub(crate) dataset: String,
    pub(crate) pipeline: String,
    pub(crate) schema: Schema,
    pub(crate) base: Option<String>,
    /// What the next load has beside rows.
    pub(crate) next: Extras,
    /// For files of rows.
    folder: TempDir,
}

/// What a load may have beside rows.
#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) emptied: Vec<String>,
    pub(crate) deletes: Vec<Deletes>,
    pub(crate) retyped: Vec<Retype>,
    pub(crate) origins: Vec<Origin>,
}

impl<'e> Fixture<'e> {
    /// Tables `t(id, name)`, `t__c(value)` and `t__c__d(value)`, with `id` for a key.
    pub(crate) fn new(engine: &'e dyn Engine, disposition: WriteDisposition) -> Self {
        Self::at(engine, engine.create(), disposition)
    }

    /// The same in a place that is there.
    pub(crate) fn at(engine: &'e dyn Engine, place: Arc<dyn Place>, disposition: WriteDisposition) -> Self {
        Self {
            engine,
            place,
            dataset: "ds".to_owned(),
            pipeline: "p".to_owned(),
            schema: members(disposition),
            base: None,
            next: Extras::default(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn destination(&self) -> Box<dyn Destination> {
        self.place.destination(&self.dataset)
    }

    /// What the dataset holds of the pipeline.
    pub(crate) fn committed(&self) -> Committed {
        self.destination().committed(&self.pipeline, &self.schema.name).unwrap()
    }

    /// Loads batches of rows as load `id`.
    pub(crate) fn load(&mut self, id: &str, tables: &[(&str, RecordBatch)]) -> Receipt {
        self.try_load(id, tables).unwrap()
    }

    /// Loads rows written as JSON, an array per table. Rows of the root table get the id of the load.
    pub(crate) fn load_json(&mut self, id: &str, tables: &Value) -> Receipt {
        self.try_load_json(id, tables).unwrap()
    }

    pub(crate) fn try_load_json(&mut self, id: &str, tables: &Value) -> Result<Receipt, DestinationError> {
        let tables: Vec<_> = tables.as_object().unwrap().iter().collect();
        let tables: Vec<_> =
            tables.iter().map(|(name, rows)| (name.as_str(), json_batch(id, name, rows))).collect();
        self.try_load(id, &tables)
    }

    /// Gives a column a hint; without a column, the root table.
    pub(crate) fn hint(&mut self, column: &str, key: &str, value: Value) {
        let root = &mut self.schema.tables["t"];
        let hints = match column {
            "" => &mut root.other,
            column => &mut root.columns[column].hints,
        };
        hints.insert(key.to_owned(), value);
    }

    pub(crate) fn try_load(
        &mut self,
        id: &str,
        tables: &[(&str, RecordBatch)],
    ) -> Result<Receipt, DestinationError> {
        let destination = self.destination();
        let mut schema = self.schema.clone();
        schema.bump();
        let mut state =
            PipelineState::new(&self.pipeline, &schema.name, &self.dataset, destination.dlt_type());
        state.set_resource(&schema.name, "t", serde_json::Map::from_iter([("load".to_owned(), json!(id))]));
        state.bump();
        let next = std::mem::take(&mut self.next);
        let rows = Normalized {
            schema,
            tables: write_all(self.folder.path(), id, tables),
            retyped: next.retyped,
            origins: next.origins,
        };
        let run = RunRecord {
            resource: "t".to_owned(),
            outcome: "complete".to_owned(),
            row_count: 7,
            page_count: 2,
            request_count: 3,
            started_at: 1_795_000_000_000_001,
            finished_at: 1_795_000_001_000_000,
        };
        let committed = destination.committed(&self.pipeline, &rows.schema.name)?;
        let receipt = destination.load(&LoadPackage {
            load_id: &LoadId::from_stored(id),
            pipeline: &self.pipeline,
            rows: &rows,
            state: Some(&state),
            is_outdated: false,
            base_schema_hash: self.base.as_deref(),
            base_state_hash: committed.state.as_ref().and_then(PipelineState::version_hash),
            emptied: &next.emptied,
            deletes: &next.deletes,
            runs: &[run],
        })?;
        self.base = Some(rows.schema.version_hash.clone());
        self.schema = rows.schema;
        Ok(receipt)
    }

    /// Rows of a query as text, columns separated by blanks, `-` for null, in the order of these texts: engines have their
    /// own order, and none without being asked for one.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        let cells = |row: Vec<Option<String>>| {
            let cells = row.into_iter().map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
            cells.collect::<Vec<_>>().join(" ")
        };
        let mut rows: Vec<_> = self.place.rows(sql).into_iter().map(cells).collect();
        rows.sort_unstable();
        rows
    }

    /// Compares the rows of a query with `expected`, in whatever order.
    pub(crate) fn check(&self, sql: &str, expected: &[&str]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(self.rows(sql), expected, "{sql}");
    }

    /// Columns of a table as `id bigint not null`, in their order, with dlt's names of types.
    pub(crate) fn columns(&self, table: &str) -> Vec<String> {
        let columns = self.stored_columns();
        let columns = columns.into_iter().filter(|column| column.table == table && !column.name.is_empty());
        let describe = |column: StoredColumn| {
            let unique = if column.is_unique { " unique" } else { "" };
            let not_null = if column.is_nullable { "" } else { " not null" };
            format!("{} {}{unique}{not_null}", column.name, column.data_type)
        };
        columns.map(describe).collect()
    }

    /// Comments of tables and columns as `t id $.id` and `t * resource t`.
    pub(crate) fn comments(&self) -> Vec<String> {
        let text = |column: StoredColumn| {
            let name = if column.name.is_empty() { "*" } else { &column.name };
            Some(format!("{} {name} {}", column.table, column.comment?))
        };
        let mut comments: Vec<_> = self.stored_columns().into_iter().filter_map(text).collect();
        comments.sort_unstable();
        comments
    }

    pub(crate) fn stored_columns(&self) -> Vec<StoredColumn> {
        stored_columns(self.engine, &*self.place)
    }
}

/// A column as the engine has it, with dlt's name of its type; without a name, what there is of the table itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StoredColumn {
    pub(crate) table: String,
    pub(crate) name: String,
    pub(crate) data_type: String,
    is_nullable: bool,
    is_unique: bool,
    comment: Option<String>,
}

/// All columns of the dataset `ds`.
pub(crate) fn stored_columns(engine: &dyn Engine, place: &dyn Place) -> Vec<StoredColumn> {
    let column = |row: Vec<Option<String>>| {
        let [table, name, data_type, is_nullable, is_unique, comment] = row.try_into().unwrap();
        StoredColumn {
            table: table.unwrap(),
            name: name.unwrap(),
            data_type: dlt_type(engine, &data_type.unwrap_or_default()),
            is_nullable: is_nullable.as_deref() == Some("true"),
            is_unique: is_unique.as_deref() == Some("true"),
            comment,
        }
    };
    place.rows(engine.traits().columns).into_iter().map(column).collect()
}

/// dlt's name of an engine's type, with the digits that it has.
fn dlt_type(engine: &dyn Engine, engine_type: &str) -> String {
    let (name, digits) = engine_type.split_at(engine_type.find('(').unwrap_or(engine_type.len()));
    let known = engine.traits().types.iter().find(|(known, _)| *known == name);
    known.map_or(name, |(_, name)| name).to_owned() + digits
}

/// The schema of [`Fixture::new`].
pub(crate) fn members(disposition: WriteDisposition) -> Schema {
    let mut schema = Schema::new("src");
    let text = |name: &str| Column::new(name, DataType::Text);
    let mut root = Table::root("t", "t", disposition);
    root.add(Column::new("id", DataType::Bigint).not_null().with(Hint::PrimaryKey));
    root.add(text("name"));
    root.add(text("_dlt_load_id").not_null());
    root.add(row_id());
    let mut tables = vec![root, Table::child("t__c", "t"), Table::child("t__c__d", "t__c")];
    for child in &mut tables[1..] {
        child.add(text("value"));
        if disposition == WriteDisposition::Merge {
            child.add(text("_dlt_root_id").not_null().with(Hint::RootKey));
        }
        child.add(text("_dlt_parent_id").not_null().with(Hint::ParentKey));
        child.add(Column::new("_dlt_list_idx", DataType::Bigint).not_null());
        child.add(row_id());
    }
    for mut table in tables {
        table.mark_seen();
        schema.tables.insert(table.name.clone(), table);
    }
    if disposition == WriteDisposition::Merge {
        schema.propagate_root_id("t");
    }
    schema
}

fn row_id() -> Column {
    Column::new("_dlt_id", DataType::Text).not_null().with(Hint::Unique).with(Hint::RowKey)
}
