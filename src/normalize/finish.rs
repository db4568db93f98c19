//! The end of a package: tables without rows, columns without values, and where everything came from.

use super::error::NormalizeError;
use super::store::Store;
use super::table::System;
use super::{Normalized, Origin, TableRows};
use crate::schema::{MergeStrategy, Table};

impl Store {
    /// Writes what is left.
    pub(super) fn finish(mut self) -> Result<Normalized, NormalizeError> {
        if self.retypes.is_futile() {
            return Err(NormalizeError::Retype { retypes: self.retypes.wanted });
        }
        self.list_rest()?;
        let mut tables = Vec::new();
        // A child table is made while a row of its parent is at hand, so parents come first.
        for table in 0..self.tables.len() {
            if self.tables[table].rows > 0 {
                self.write_batch(table)?;
            }
            if self.tables[table].rows_written == 0 {
                if self.lost_all_versions(table) {
                    let table = self.tables[table].name.clone();
                    tables.push(TableRows { table, row_count: 0, files: Vec::new() });
                }
                continue;
            }
            if self.options.null_columns {
                self.list_null_columns(table);
            }
            self.mark_seen(table);
            let builder = &mut self.tables[table];
            let (table, files) = (builder.name.clone(), std::mem::take(&mut builder.files));
            tables.push(TableRows { table, row_count: builder.rows_written, files });
        }
        // A list whose rows fill a root table may have got the ids of the rows around them.
        self.schema.add_root_ids();
        self.add_marks();
        let origins = self.origins();
        Ok(Normalized { schema: self.schema, tables, retyped: self.retypes.changed, origins })
    }

    /// Whether there came rows for a table with versions and its contract let none in. A row that it does not let in is
    /// retired beside others, and so it is without them, as in dlt.
    fn lost_all_versions(&self, table: usize) -> bool {
        let builder = &self.tables[table];
        let listed = self.schema.tables.get(&builder.name).filter(|listed| listed.has_seen_data());
        let has_versions = listed.is_some_and(|listed| listed.merge_strategy() == Some(MergeStrategy::Scd2));
        has_versions && builder.parent.is_none() && builder.discarded > 0
    }

    /// Lists tables that got no rows: those that resources say something of, as dlt does, and if asked for those of
    /// empty lists. Only where that is asked for they are created.
    fn list_rest(&mut self) -> Result<(), NormalizeError> {
        let creates = self.options.empty_tables;
        for table in 0..self.tables.len() {
            let builder = &self.tables[table];
            let is_wanted = builder.is_root || builder.is_hinted || creates && builder.was_met;
            if is_wanted && self.may_be_listed(table) {
                self.list_table(table)?;
                if creates && self.tables[table].row_number() == 1 {
                    self.create_empty(table);
                }
            }
        }
        Ok(())
    }

    /// Gives a table without rows what any row would bring.
    fn create_empty(&mut self, table: usize) {
        if self.schema.tables.get(&self.tables[table].name).is_some_and(Table::has_seen_data) {
            return;
        }
        self.add_system_columns(table);
        self.mark_seen(table);
    }

    /// Adds dlt's own columns, as any row does.
    pub(super) fn add_system_columns(&mut self, table: usize) {
        let mut above = std::iter::successors(self.tables[table].parent, |above| self.tables[*above].parent);
        let root_id = above.any(|above| self.tables[above].propagates_id).then_some(System::RootId);
        let own: &[System] = if self.tables[table].is_root {
            &[System::LoadId, System::RowId]
        } else {
            &[System::ParentId, System::ListIndex, System::RowId]
        };
        for system in root_id.iter().chain(own) {
            self.system_column(table, *system);
        }
    }

    fn mark_seen(&mut self, table: usize) {
        if let Some(listed) = self.schema.tables.get_mut(&self.tables[table].name) {
            listed.mark_seen();
        }
    }

    /// Where the columns come from that fields of this package fill, or would fill with anything but null. Where
    /// misfits go to the column of another field, that field counts. Tables that a contract left without rows are not
    /// there.
    fn origins(&self) -> Vec<Origin> {
        let mut origins = Vec::new();
        for builder in &self.tables {
            let listed = self.schema.tables.get(&builder.name);
            let Some(listed) = listed.filter(|listed| listed.has_seen_data()) else { continue };
            let is_there = |name: &str| listed.columns.get(name).is_some_and(|it| it.data_type.is_some());
            for field in builder.fields.iter().filter(|field| !field.name.starts_with("_dlt")) {
                let variants =
                    field.variants.iter().map(|(_, column)| builder.columns[*column].name.as_str());
                let variants = variants.filter(|name| builder.find_field(name).is_none());
                let columns = std::iter::once(field.name.as_str()).chain(variants);
                for column in columns.filter(|name| is_there(name)) {
                    origins.push(Origin {
                        table: builder.name.clone(),
                        column: column.to_owned(),
                        path: field.source.clone(),
                    });
                }
            }
        }
        origins
    }
}
