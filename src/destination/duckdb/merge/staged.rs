//! New rows of one table, in a temporary table until it is settled what becomes of them.

use super::super::super::DestinationError;
use super::super::super::strategy::{HardDelete, Merge};
use super::super::connection::{Database, quote};
use super::super::rows::Target;
use super::{ChainLoad, is_duplicate, removed, says_deleted};
use crate::schema::Table;

/// A temporary table with the columns of a table and its new rows.
pub(super) struct Staged<'a> {
    database: &'a Database,
    table: &'a Table,
    /// The temporary table for SQL.
    pub(super) name: String,
    /// How many rows it has.
    pub(super) row_count: u64,
}

impl<'a> Staged<'a> {
    /// Stages the new rows of a table.
    pub(super) fn of(load: &ChainLoad<'a>, table: &'a Table) -> Result<Self, DestinationError> {
        let name = format!("_forebay_new_{}", table.name);
        let sql = format!(
            "CREATE OR REPLACE TEMP TABLE {} AS FROM {} LIMIT 0",
            quote(&name),
            load.database.table(&table.name)
        );
        load.database.execute_batch(format_args!("stage rows of table `{}`", table.name), &sql)?;
        let row_count = load.append_to(table, &Target::temporary(&name))?;
        Ok(Self { database: load.database, table, name: staged_name(table), row_count })
    }

    /// Drops all but one row of each primary key. Returns how many went.
    pub(super) fn drop_duplicates(&mut self, merge: &Merge<'_>) -> Result<u64, DestinationError> {
        self.drop_rows(&is_duplicate(&self.name, "true", merge))
    }

    /// Drops rows that say that they are deleted.
    pub(super) fn drop_deleted(&mut self, hint: &HardDelete<'_>) -> Result<u64, DestinationError> {
        self.drop_rows(&says_deleted("new", hint))
    }

    fn drop_rows(&mut self, condition: &str) -> Result<u64, DestinationError> {
        let select = format!("SELECT rowid, _dlt_id FROM {} AS new WHERE {condition}", self.name);
        removed::collect(self.database, self.table, &select)?;
        let count = removed::delete(self.database, self.table, &self.name)?;
        self.row_count = self.row_count.saturating_sub(count);
        Ok(count)
    }
}

/// The temporary table of [`Staged`] for SQL.
pub(super) fn staged_name(table: &Table) -> String {
    format!("temp.main.{}", quote(&format!("_forebay_new_{}", table.name)))
}
