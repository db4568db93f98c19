//! All tables in the making, the schema they change, and the files their rows go to.

use std::borrow::Cow;
use std::path::PathBuf;

use super::column::{ColumnBuilder, Pushed};
use super::error::{Example, NormalizeError, Warning, WarningKind};
use super::ids::{IdSource, RowId};
use super::retype::{Retypes, is_null_only};
use super::spill;
use super::table::{ColumnId, System, TableBuilder};
use super::{NormalizeJob, RootTable};
use crate::schema::{Capabilities, Column, ColumnType, DataType, Hint, Schema, SchemaOptions, Value, join};
use crate::state::LoadId;

/// Rows after which a batch is written: DuckDB takes them in vectors of 2,048 and row groups of 122,880, so
/// larger ones gain nothing.
const BATCH_ROWS: usize = 65_536;
/// Bytes after which a batch is written: large enough that files and Arrow headers do not count.
const BATCH_BYTES: usize = 8 << 20;
/// Bytes of all batches together after which the largest is written, so that many tables cost no more than few.
const TOTAL_BYTES: usize = 32 << 20;

/// About what a row takes in each column, null or not, beside its text.
const SLOT_BYTES: usize = 8;

/// Where a row hangs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link<'a> {
    /// Id of the row whose list it is in; empty for a root.
    pub(super) parent: &'a str,
    /// Id of the root row, if child rows carry it.
    pub(super) root: Option<&'a str>,
    /// Place in the list.
    pub(super) index: usize,
    /// How many lists of the row come before this one and have the same table, where ids are to differ.
    pub(super) rank: usize,
    /// The number of the root row, if rows below carry it.
    pub(super) turn: Option<u64>,
}

/// Id of a row: made here, or found in it.
#[derive(Debug)]
pub(super) enum FinalId<'a> {
    /// Made by dlt's rules.
    Made(RowId),
    /// The row's own `_dlt_id`.
    Found(Cow<'a, str>),
}

impl FinalId<'_> {
    /// The text.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Made(id) => id.as_str(),
            Self::Found(id) => id,
        }
    }
}

/// Tables, schema and files.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) schema: Schema,
    pub(super) roots: Vec<RootTable>,
    pub(super) tables: Vec<TableBuilder>,
    load_id: LoadId,
    pub(super) ids: IdSource,
    spill_dir: PathBuf,
    pub(super) max_length: usize,
    pub(super) capabilities: Capabilities,
    bytes: usize,
    pub(super) options: SchemaOptions,
    pub(super) retypes: Retypes,
    pub(super) warnings: Vec<Warning>,
}

impl Store {
    /// A store without tables yet.
    pub(super) fn new(job: NormalizeJob) -> Self {
        let mut schema = job.schema;
        schema.reset_root_ids(job.options.root_key);
        Self {
            retypes: Retypes::new(job.options.on_type_conflict, job.retyped, &schema),
            options: job.options,
            schema,
            roots: job.roots,
            tables: Vec::new(),
            load_id: job.load_id,
            ids: IdSource::new(),
            spill_dir: job.spill_dir,
            max_length: job.capabilities.max_identifier_length,
            capabilities: job.capabilities,
            bytes: 0,
            warnings: Vec::new(),
        }
    }

    /// The table of these path parts, made if it is not there; its rows are at `source`.
    pub(super) fn table(&mut self, path: Vec<String>, parent: Option<usize>, source: &str) -> usize {
        let name = join(path.iter().map(String::as_str), self.max_length);
        if let Some(found) = self.tables.iter().position(|table| table.name == name) {
            return found;
        }
        self.tables.push(TableBuilder::new(name, path, parent, source));
        self.tables.len() - 1
    }

    /// The field of that name, made if it is not there; its values are at `source`.
    pub(super) fn field(&mut self, table: usize, name: &str, source: &str) -> usize {
        if let Some(field) = self.tables[table].find_field(name) {
            return field;
        }
        let column = self.known_column(table, name);
        self.tables[table].add_field(name, column, source)
    }

    /// Counts something that a rule settled.
    pub(super) fn warn(&mut self, kind: WarningKind, table: usize, column: &str) {
        self.warn_of(kind, table, column, |_| None);
    }

    /// Counts something that a rule settled; `example` makes the example that is kept the first time.
    pub(super) fn warn_of(
        &mut self,
        kind: WarningKind,
        table: usize,
        column: &str,
        example: impl FnOnce(&TableBuilder) -> Option<Example>,
    ) {
        let builder = &self.tables[table];
        let same = |warning: &&mut Warning| {
            warning.kind == kind && warning.table == builder.name && warning.column == column
        };
        match self.warnings.iter_mut().find(same) {
            Some(warning) => warning.count += 1,
            None => self.warnings.push(Warning {
                kind,
                table: builder.name.clone(),
                column: column.to_owned(),
                count: 1,
                example: example(builder),
            }),
        }
    }

    /// Adds a row. Returns its id, under which its lists go on. `content` is what the id is made of where it is made
    /// of the row as a whole.
    pub(super) fn add_row<'a>(
        &mut self,
        table: usize,
        values: &mut Vec<(usize, Value<'a>)>,
        link: Link<'_>,
        content: Option<&str>,
    ) -> Result<FinalId<'a>, NormalizeError> {
        let made = self.make_id(table, values, link, content);
        let mut found = None;
        for (field, value) in values.drain(..) {
            let Some(system) = self.tables[table].fields[field].system else {
                self.put(table, field, &value)?;
                continue;
            };
            if system != System::RootId || link.root.is_some() {
                // Its column takes this place if it is new; its value is set below.
                self.system_column(table, system);
            }
            if system == System::RowId {
                found = own_id(value);
            } else {
                self.put_beside(table, field, &value)?;
            }
        }
        let id = found.map_or(FinalId::Made(made), FinalId::Found);
        self.put_system(table, &id, link);
        self.end_row(table)?;
        Ok(id)
    }

    /// Sets dlt's own columns of the row.
    fn put_system(&mut self, table: usize, id: &FinalId<'_>, link: Link<'_>) {
        if let Some(root) = link.root {
            self.put_text(table, System::RootId, root);
        }
        if self.tables[table].is_root {
            let column = self.system_column(table, System::LoadId);
            let load_id = Value::Text(Cow::Borrowed(self.load_id.as_str()));
            push(&mut self.tables[table], &mut self.bytes, column, &load_id);
        } else {
            self.put_text(table, System::ParentId, link.parent);
            let column = self.system_column(table, System::ListIndex);
            let index = i64::try_from(link.index).unwrap_or(i64::MAX);
            self.push(table, column, &Value::Int(index));
        }
        self.put_text(table, System::RowId, id.as_str());
        if let Some(turn) = link.turn {
            self.put_turn(table, turn);
        }
    }

    fn put_text(&mut self, table: usize, system: System, text: &str) {
        let column = self.system_column(table, system);
        self.push(table, column, &Value::Text(Cow::Borrowed(text)));
    }

    pub(super) fn system_column(&mut self, table: usize, system: System) -> ColumnId {
        if let Some(column) = self.tables[table].system[system as usize] {
            return column;
        }
        let name = system.name();
        let data_type = if system == System::ListIndex { DataType::Bigint } else { DataType::Text };
        let column = self
            .known_column(table, name)
            .unwrap_or_else(|| self.add_column(table, Column::new(name, data_type)));
        let builder = &mut self.tables[table];
        builder.system[system as usize] = Some(column);
        if system == System::RootId && builder.is_root {
            // Rows of a list that fills a root table have the id of the row around it. From the next one on they hand
            // down their own: dlt takes the column for the wish.
            builder.propagates_id = true;
        }
        column
    }

    pub(super) fn push(&mut self, table: usize, column: ColumnId, value: &Value<'_>) -> Pushed {
        push(&mut self.tables[table], &mut self.bytes, column, value)
    }

    /// Ends a row: keys are there, and a full batch goes to disk.
    fn end_row(&mut self, table: usize) -> Result<(), NormalizeError> {
        let builder = &mut self.tables[table];
        let empty = builder.required.iter().find(|column| !builder.columns[**column].has(builder.rows));
        let missing = empty.map(|column| &builder.columns[*column].name).or(builder.awaited.first());
        // Where columns are to be widened, the key may be among the values that were passed over.
        if let Some(column) = missing.filter(|_| !self.retypes.is_futile()) {
            return Err(NormalizeError::Null {
                table: builder.name.clone(),
                column: column.clone(),
                row: builder.row_number(),
            });
        }
        builder.rows += 1;
        let bytes = builder.columns.len() * SLOT_BYTES;
        builder.bytes += bytes;
        self.bytes += bytes;
        if builder.rows >= BATCH_ROWS || builder.bytes >= BATCH_BYTES {
            return self.write_batch(table);
        }
        if self.bytes >= TOTAL_BYTES
            && let Some(largest) = (0..self.tables.len()).max_by_key(|table| self.tables[*table].bytes)
        {
            return self.write_batch(largest);
        }
        Ok(())
    }

    /// The column that the schema, or this package, has under a name; `None` if it has no type yet.
    pub(super) fn known_column(&mut self, table: usize, name: &str) -> Option<ColumnId> {
        let builder = &self.tables[table];
        if let Some(column) = builder.column_index.get(name) {
            return Some(*column);
        }
        let column = self.schema.tables.get(&builder.name)?.columns.get(name)?;
        let column_type = ColumnType::of(column, &self.capabilities).filter(|_| !is_null_only(column))?;
        let is_required = !column.is_nullable();
        Some(self.build_column(table, name.to_owned(), column_type, is_required))
    }

    /// Adds a column to table and schema, after all others. What hints say of it counts.
    pub(super) fn add_column(&mut self, table: usize, column: Column) -> ColumnId {
        let mut column = with_default_hints(column);
        if let Some(listed) = self.schema.tables.get_mut(&self.tables[table].name) {
            if let Some(hinted) = listed.columns.shift_remove(&column.name) {
                column.merge(hinted);
            }
            listed.add(column.clone());
        }
        let column_type = ColumnType::of(&column, &self.capabilities).unwrap_or(ColumnType::TEXT);
        let is_required = !column.is_nullable();
        self.build_column(table, column.name, column_type, is_required)
    }

    fn build_column(
        &mut self,
        table: usize,
        name: String,
        column_type: ColumnType,
        is_required: bool,
    ) -> ColumnId {
        let builder = &mut self.tables[table];
        let column = builder.columns.len();
        // dlt's own columns are always set, or have nothing to be set to.
        if is_required && System::of(&name).is_none() {
            builder.required.push(column);
        }
        // Rows before the first value are filled with nulls.
        let bytes = builder.rows * SLOT_BYTES;
        builder.bytes += bytes;
        self.bytes += bytes;
        builder.awaited.retain(|awaited| *awaited != name);
        builder.column_index.insert(name.clone(), column);
        builder.columns.push(ColumnBuilder::new(name, column_type));
        column
    }

    /// Puts the table and what its resource says of it into the schema, before its first row. `false`: its contract
    /// does not let it be added, and its rows are dropped.
    ///
    /// # Errors
    /// Its contract lets no table be added.
    pub(super) fn list_table(&mut self, table: usize) -> Result<bool, NormalizeError> {
        if self.tables[table].is_listed {
            return Ok(true);
        }
        if !self.admit_table(table)? {
            return Ok(false);
        }
        self.tables[table].is_listed = true;
        self.list_hints(table);
        self.list_contract(table);
        self.retype_listed(table);
        self.schema.add_root_ids();
        self.settle_ids(table);
        // Columns that cannot be null are checked from the first row on, also before they have a type.
        let listed = self.schema.tables.get(&self.tables[table].name);
        let required = listed.into_iter().flat_map(|listed| listed.columns.values());
        let required = required.filter(|column| !column.is_nullable() && System::of(&column.name).is_none());
        let required: Vec<_> = required.map(|column| column.name.clone()).collect();
        for name in required {
            if self.known_column(table, &name).is_none() {
                self.tables[table].awaited.push(name);
            }
        }
        Ok(true)
    }

    pub(super) fn write_batch(&mut self, table: usize) -> Result<(), NormalizeError> {
        let builder = &mut self.tables[table];
        let path = self.spill_dir.join(format!("{table:04}.{}.arrow", builder.files.len()));
        if let Err(source) = spill::write(&path, builder) {
            return Err(NormalizeError::Spill { table: builder.name.clone(), path, source });
        }
        builder.files.push(path);
        builder.rows_written += builder.rows as u64;
        builder.rows = 0;
        self.bytes -= std::mem::take(&mut builder.bytes);
        Ok(())
    }
}

/// Offers a value to a column of the row at hand, and counts its bytes.
fn push(table: &mut TableBuilder, total: &mut usize, column: ColumnId, value: &Value<'_>) -> Pushed {
    let pushed = table.columns[column].push(table.rows, value);
    if let Pushed::Stored(bytes) = pushed {
        table.bytes += bytes;
        *total += bytes;
    }
    pushed
}

/// A row's own id, if it is one by dlt's rule: any value that Python takes for true.
fn own_id(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) if !text.is_empty() => Some(text),
        Value::Int(number) if number != 0 => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// dlt's hints by name.
fn with_default_hints(column: Column) -> Column {
    match column.name.as_str() {
        "_dlt_id" => column.not_null().with(Hint::Unique).with(Hint::RowKey),
        "_dlt_root_id" => column.not_null().with(Hint::RootKey),
        "_dlt_parent_id" => column.not_null().with(Hint::ParentKey),
        "_dlt_list_idx" | "_dlt_load_id" => column.not_null(),
        _ => column,
    }
}
