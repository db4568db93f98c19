//! Which tables are root tables, and what that means for the ids and columns of their rows.

use super::canonical;
use super::ids::{IdSource, RowId};
use super::store::{Link, Store};
use super::table::IdRule;
use crate::schema::{Column, DELETED_AT, DataType, DeleteMode, Hint, MergeStrategy, Value, normalize_path};

impl Store {
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
                let fields = key.iter().map(|name| self.field(table, name)).collect();
                self.tables[table].ids = IdRule::Key(fields);
                return;
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
            IdRule::Place => self.ids.child(link.parent, &builder.name, link.index),
            IdRule::Random => self.ids.random(),
            IdRule::Key(fields) => IdSource::of(&canonical::key(
                fields.iter().map(|field| (builder.fields[*field].name.as_str(), value_of(values, *field))),
            )),
            IdRule::Content => IdSource::of(content.unwrap_or_default()),
        }
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

/// The value of a field; null if the row has none.
fn value_of<'a, 'v>(values: &'v [(usize, Value<'a>)], field: usize) -> &'v Value<'a> {
    values.iter().find(|(found, _)| *found == field).map_or(&Value::Null, |(_, value)| value)
}
