//! Which tables are root tables, and what that means for the ids and columns of their rows.

use super::canonical;
use super::column::ColumnBuilder;
use super::error::Warning;
use super::ids::{IdSource, RowId};
use super::row::ROOT;
use super::shape::member_path;
use super::store::{Link, Store};
use super::table::{IdRule, TableBuilder};
use super::{RootTable, TURN};
use crate::schema::{
    Column, ColumnType, DELETED_AT, DataType, DeleteMode, Hint, MergeStrategy, Table, TableHints, Value,
    normalize_path,
};

impl Store {
    /// Makes the tables of lists that hints of a root table are about, and those between: all but their rows.
    pub(super) fn add_hinted(&mut self, root: usize, of: usize) {
        let paths = self.roots[root].nested_paths(self.max_length);
        let paths: Vec<_> = paths.into_iter().map(|(path, _)| path).collect();
        for path in paths {
            let (mut parent, mut source) = (of, ROOT.to_owned());
            for end in 2..=path.len() {
                source = format!("{}[*]", member_path(&source, &path[end - 1]));
                parent = self.table(path[..end].to_vec(), Some(parent), &source);
                self.tables[parent].is_hinted = true;
            }
        }
    }

    /// Writes what resources say of a table into the schema. Several may fill one.
    pub(super) fn list_hints(&mut self, table: usize) {
        let TableBuilder { name, parent, .. } = &self.tables[table];
        let parent = parent.map(|parent| self.tables[parent].name.as_str());
        for (root, hints) in hints_of(&self.roots, &self.tables[table], self.max_length) {
            let refused = match parent {
                None => root.list(&mut self.schema, name, self.max_length),
                Some(parent) => root.list_nested(&mut self.schema, name, parent, hints, self.max_length),
            };
            self.warnings.extend(refused.into_iter().map(|(table, column, kind)| Warning {
                kind,
                table,
                column,
                count: 1,
                example: None,
            }));
        }
        if let Some(parent) = parent {
            let listed = self.schema.tables.entry(name.clone());
            listed.or_insert_with(|| Table::child(name.as_str(), parent));
        }
    }

    /// Settles whose rows the rows of a table are, and what their ids are made of. A list may fill a root table: hints
    /// of it, or of an earlier package, decide.
    pub(super) fn settle_ids(&mut self, table: usize) {
        let builder = &mut self.tables[table];
        let Some(listed) = self.schema.tables.get(&builder.name) else { return };
        builder.is_root = listed.parent.is_none();
        builder.propagates_id = builder.is_root && self.schema.propagates_root_id(&builder.name);
        builder.ids = match listed.merge_strategy() {
            _ if !builder.is_root => IdRule::Place,
            Some(MergeStrategy::Upsert | MergeStrategy::InsertOnly) => {
                let mut key: Vec<_> = listed.columns_with(Hint::PrimaryKey).map(str::to_owned).collect();
                key.sort();
                IdRule::Key(key)
            }
            Some(MergeStrategy::Scd2) if listed.columns_with(Hint::RowVersion).next() == Some("_dlt_id") => {
                IdRule::Content
            }
            _ => IdRule::Random,
        };
    }

    /// The id of a row that brings none.
    pub(super) fn make_id(
        &mut self,
        table: usize,
        values: &[(usize, Value<'_>)],
        link: Link<'_>,
        content: Option<&str>,
    ) -> RowId {
        let builder = &self.tables[table];
        match &builder.ids {
            IdRule::Place => self.ids.child(link.parent, &builder.name, link.index, link.rank),
            IdRule::Random => self.ids.random(),
            IdRule::Key(names) => IdSource::of(&canonical::key(
                names.iter().map(|name| (name.as_str(), value_of(values, builder.find_field(name)))),
            )),
            IdRule::Content => IdSource::of(content.unwrap_or_default()),
        }
    }

    /// The turn that a row carries with all below it: see [`TURN`].
    pub(super) fn turn(&self, table: usize, link: Link<'_>) -> Option<u64> {
        let builder = &self.tables[table];
        match builder.ids {
            IdRule::Key(_) => Some(builder.row_number()),
            IdRule::Place => link.turn,
            IdRule::Random | IdRule::Content => None,
        }
    }

    /// Notes the turn of the row at hand. Its column is in no schema.
    pub(super) fn put_turn(&mut self, table: usize, turn: u64) {
        let builder = &mut self.tables[table];
        let column = *builder.turn.get_or_insert_with(|| {
            builder.columns.push(ColumnBuilder::new(TURN.to_owned(), ColumnType::BIGINT));
            builder.columns.len() - 1
        });
        self.push(table, column, &Value::Int(i64::try_from(turn).unwrap_or(i64::MAX)));
    }

    /// Gives root tables whose rows may get marked the column for it.
    pub(super) fn add_marks(&mut self) {
        for root in self.roots.iter().filter(|root| root.deletes == Some(DeleteMode::Soft)) {
            let table = self.schema.tables.get_mut(&normalize_path(&root.table, self.max_length));
            if let Some(table) =
                table.filter(|table| table.has_seen_data() && !table.columns.contains_key(DELETED_AT))
            {
                table.add(Column::new(DELETED_AT, DataType::Timestamp));
            }
        }
    }
}

/// What resources say of this very table, and which: of a root table, or of a list by the keys that lead to it.
/// As in dlt the first of them counts where they contradict, so it comes last.
pub(super) fn hints_of<'a>(
    roots: &'a [RootTable],
    table: &TableBuilder,
    max_length: usize,
) -> Vec<(&'a RootTable, &'a TableHints)> {
    let mut found = Vec::new();
    for root in roots.iter().rev() {
        if table.parent.is_some() {
            let nested = root.nested_paths(max_length).into_iter();
            found.extend(nested.filter(|(path, _)| *path == table.path).map(|(_, hints)| (root, hints)));
        } else if normalize_path(&root.table, max_length) == table.name {
            found.push((root, &root.hints));
        }
    }
    found
}

/// The value of a field; null if the row has none.
fn value_of<'a, 'v>(values: &'v [(usize, Value<'a>)], field: Option<usize>) -> &'v Value<'a> {
    let value = values.iter().find(|(found, _)| Some(*found) == field);
    value.map_or(&Value::Null, |(_, value)| value)
}
