//! New rows of one table, in a temporary table until it is settled what becomes of them.
//!
//! It has one more column, [`TURN`]: where ids of root rows follow from their keys, rows that come twice in a load have
//! the same ids, and so have their children; the turn tells which child came with which.

use super::super::super::DestinationError;
use super::super::super::strategy::{HardDelete, Merge};
use super::super::connection::{Database, quote};
use super::super::rows::{self, Target};
use super::{ChainLoad, is_duplicate, says_deleted};
use crate::normalize::TURN;
use crate::schema::Table;

/// A temporary table with the columns of a table and its new rows.
pub(super) struct Staged<'a> {
    database: &'a Database,
    table: &'a Table,
    /// The temporary table for SQL.
    pub(super) name: String,
    /// Whether rows of the same primary key were dropped.
    pub(super) had_duplicates: bool,
}

impl<'a> Staged<'a> {
    /// Stages the new rows of a table.
    pub(super) fn of(load: &ChainLoad<'a>, table: &'a Table) -> Result<Self, DestinationError> {
        let name = format!("_forebay_new_{}", table.name);
        let sql = format!(
            "CREATE OR REPLACE TEMP TABLE {} AS SELECT *, NULL::BIGINT AS {TURN} FROM {} LIMIT 0",
            quote(&name),
            load.database.table(&table.name)
        );
        load.database.execute_batch(format_args!("stage rows of table `{}`", table.name), &sql)?;
        let columns = load.columns.get(&table.name.to_lowercase());
        if let (Some(rows), Some(columns)) = (load.chain.rows_of(&table.name), columns) {
            let mut columns = columns.clone();
            columns.insert(TURN.to_owned());
            rows::append(load.database, rows, &columns, &Target::temporary(&name))?;
        }
        Ok(Self { database: load.database, table, name: staged_name(table), had_duplicates: false })
    }

    /// Drops all but one row of each primary key.
    pub(super) fn drop_duplicates(&mut self, merge: &Merge<'_>) -> Result<(), DestinationError> {
        self.had_duplicates = self.drop_rows(&is_duplicate(&self.name, "true", merge))? > 0;
        Ok(())
    }

    /// Drops rows that say that they are deleted.
    pub(super) fn drop_deleted(&self, hint: &HardDelete<'_>) -> Result<(), DestinationError> {
        self.drop_rows(&says_deleted("new", hint)).map(drop)
    }

    fn drop_rows(&self, condition: &str) -> Result<u64, DestinationError> {
        let sql = format!("DELETE FROM {} AS new WHERE {condition}", self.name);
        self.database.execute(format_args!("choose rows for table `{}`", self.table.name), &sql, [])
    }

    /// The columns of the table, of rows `new`.
    pub(super) fn columns() -> String {
        format!("new.* EXCLUDE ({TURN})")
    }

    /// The condition that a staged row of a child table came with one of these rows, and not with a dropped one of the
    /// same key.
    pub(super) fn came_with(&self) -> String {
        if self.had_duplicates {
            format!("(new.{TURN} IS NULL OR new.{TURN} IN (SELECT {TURN} FROM {}))", self.name)
        } else {
            "true".to_owned()
        }
    }
}

/// The temporary table of [`Staged`] for SQL.
pub(super) fn staged_name(table: &Table) -> String {
    format!("temp.main.{}", quote(&format!("_forebay_new_{}", table.name)))
}
