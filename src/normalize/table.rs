//! One table in the making: its fields, the columns they fill, the batch so far.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::column::ColumnBuilder;
use super::contract::Guard;
use crate::schema::DataType;

/// Index of a column in [`TableBuilder::columns`].
pub(super) type ColumnId = usize;

/// dlt's own columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    /// The package that brought a root row.
    LoadId,
    /// The root row of a child row.
    RootId,
    /// The row whose list a child row was in.
    ParentId,
    /// Place in that list, from 0.
    ListIndex,
    /// Identity of any row.
    RowId,
}

impl System {
    /// All, in the order of new columns.
    pub(super) const ALL: [Self; 5] =
        [Self::LoadId, Self::RootId, Self::ParentId, Self::ListIndex, Self::RowId];

    /// The one with that column name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|system| system.name() == name)
    }

    /// Name of the column.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::LoadId => "_dlt_load_id",
            Self::RootId => "_dlt_root_id",
            Self::ParentId => "_dlt_parent_id",
            Self::ListIndex => "_dlt_list_idx",
            Self::RowId => "_dlt_id",
        }
    }
}

/// What ids of rows are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IdRule {
    /// The row it hangs from and the place in its list.
    Place,
    /// Nothing: they are random.
    Random,
    /// The fields of the key: their names, in order.
    Key(Vec<String>),
    /// All of the row as the API gave it, with everything below it.
    Content,
}

/// A table and the batch of its rows that is not written yet.
#[derive(Debug)]
pub(super) struct TableBuilder {
    /// Name in the schema.
    pub(super) name: String,
    /// The parts it was joined from; names of child tables begin with them.
    pub(super) path: Vec<String>,
    /// Path of its rows in the source.
    pub(super) source: String,
    /// The table it hangs from.
    pub(super) parent: Option<usize>,
    /// Whether its rows are roots: they carry the load id, and ids of their own.
    pub(super) is_root: bool,
    /// What the ids of its rows are made of.
    pub(super) ids: IdRule,
    /// Names that its rows can have values under.
    pub(super) fields: Vec<Field>,
    field_index: HashMap<String, usize, RandomState>,
    /// Columns that had a value in this package.
    pub(super) columns: Vec<ColumnBuilder>,
    pub(super) column_index: HashMap<String, ColumnId, RandomState>,
    /// Columns of source fields that cannot be null.
    pub(super) required: Vec<ColumnId>,
    /// Columns that cannot be null and have no type yet: no row had them.
    pub(super) awaited: Vec<String>,
    /// dlt's own columns, once they are there.
    pub(super) system: [Option<ColumnId>; System::ALL.len()],
    /// The column [`TURN`](super::TURN), once it is there.
    pub(super) turn: Option<ColumnId>,
    /// Whether rows below carry the id of their root row, which is in this table.
    pub(super) propagates_id: bool,
    /// Whether the schema lists the table and its hints.
    pub(super) is_listed: bool,
    /// Whether hints of a resource are about it, or about one below it.
    pub(super) is_hinted: bool,
    /// Whether an admitted row had the list that the table is for.
    pub(super) was_met: bool,
    /// What its contract lets rows change; `None`: everything.
    pub(super) guard: Option<Box<Guard>>,
    /// Whether its contract does not let it be added.
    pub(super) is_refused: bool,
    /// Rows that the contract let go.
    pub(super) discarded: u64,
    /// Rows of the batch.
    pub(super) rows: usize,
    /// About how many bytes the batch has.
    pub(super) bytes: usize,
    /// Rows of the batches before.
    pub(super) rows_written: u64,
    /// Files of the batches before.
    pub(super) files: Vec<std::path::PathBuf>,
}

/// A name that rows have values under, whether or not it is a column yet.
#[derive(Debug)]
pub(super) struct Field {
    /// Normalized name, and name of the column.
    pub(super) name: String,
    /// The column of dlt's that it is, as far as the table has that.
    pub(super) system: Option<System>,
    /// The column, from the first value that is not null.
    pub(super) column: Option<ColumnId>,
    /// Columns for values that do not fit.
    pub(super) variants: Vec<(DataType, ColumnId)>,
    /// The last row that had a value under this name, counted over the package.
    pub(super) seen_in: u64,
    /// Where that value waits.
    pub(super) seen_at: usize,
    /// Path of its values in the source: of the first key of that name.
    pub(super) source: String,
    /// Whether a row had null here while there was no column.
    pub(super) was_null: bool,
}

impl TableBuilder {
    /// A table without rows.
    pub(super) fn new(name: String, path: Vec<String>, parent: Option<usize>, source: &str) -> Self {
        Self {
            name,
            path,
            source: source.to_owned(),
            parent,
            is_root: parent.is_none(),
            ids: IdRule::Place,
            fields: Vec::new(),
            field_index: HashMap::default(),
            columns: Vec::new(),
            column_index: HashMap::default(),
            required: Vec::new(),
            awaited: Vec::new(),
            system: [None; System::ALL.len()],
            turn: None,
            propagates_id: false,
            is_listed: false,
            is_hinted: false,
            was_met: false,
            guard: None,
            is_refused: false,
            discarded: 0,
            rows: 0,
            bytes: 0,
            rows_written: 0,
            files: Vec::new(),
        }
    }

    /// Which row of the package comes next, from 1; those that the contract let go are counted, too.
    pub(super) fn row_number(&self) -> u64 {
        self.rows_written + self.rows as u64 + self.discarded + 1
    }

    /// The field of that name, if it is known.
    pub(super) fn find_field(&self, name: &str) -> Option<usize> {
        self.field_index.get(name).copied()
    }

    /// Adds a field that is not known yet.
    pub(super) fn add_field(&mut self, name: &str, column: Option<ColumnId>, source: &str) -> usize {
        let position = self.fields.len();
        self.field_index.insert(name.to_owned(), position);
        self.fields.push(Field {
            name: name.to_owned(),
            system: System::of(name).filter(|system| self.has(*system)),
            column,
            variants: Vec::new(),
            seen_in: 0,
            seen_at: 0,
            source: source.to_owned(),
            was_null: false,
        });
        position
    }

    /// Whether a column of dlt's belongs to this table. Source fields of the names of others are data.
    fn has(&self, system: System) -> bool {
        match system {
            System::RowId => true,
            System::LoadId => self.is_root,
            System::RootId | System::ParentId | System::ListIndex => !self.is_root,
        }
    }

    /// Whether a field's column keeps objects and lists whole.
    pub(super) fn keeps_whole(&self, field: usize) -> bool {
        self.fields[field].column.is_some_and(|column| self.columns[column].is_json())
    }
}
