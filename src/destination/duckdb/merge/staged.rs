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
    /// Whether rows were dropped: then what came with them has to be told from what came with others.
    pub(super) is_thinned: bool,
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
        Ok(Self {
            database: load.database,
            table,
            name: format!("temp.main.{}", quote(&name)),
            is_thinned: false,
        })
    }

    /// Drops all but one row of each primary key.
    pub(super) fn drop_duplicates(&mut self, merge: &Merge<'_>) -> Result<(), DestinationError> {
        self.drop_rows(&is_duplicate(&self.name, "true", merge))
    }

    /// Drops rows that say that they are deleted.
    pub(super) fn drop_deleted(&mut self, hint: &HardDelete<'_>) -> Result<(), DestinationError> {
        self.drop_rows(&says_deleted("new", hint))
    }

    fn drop_rows(&mut self, condition: &str) -> Result<(), DestinationError> {
        let sql = format!("DELETE FROM {} AS new WHERE {condition}", self.name);
        let action = format_args!("choose rows for table `{}`", self.table.name);
        self.is_thinned |= self.database.execute(action, &sql, [])? > 0;
        Ok(())
    }

    /// The columns of the table, of rows `new`.
    pub(super) fn columns() -> String {
        format!("new.* EXCLUDE ({TURN})")
    }

    /// The condition that a staged row of a child table came with one of these rows, and not with a dropped one, which
    /// may have had the same key.
    pub(super) fn came_with(&self) -> String {
        if self.is_thinned {
            format!("(new.{TURN} IS NULL OR new.{TURN} IN (SELECT {TURN} FROM {}))", self.name)
        } else {
            "true".to_owned()
        }
    }
}
