//! New rows of one table, in a temporary table until it is settled what becomes of them.
//!
//! It has one more column, [`TURN`]: where ids of root rows follow from their keys, rows that come twice in a load have
//! the same ids, and so have their children; the turn tells which child came with which.

use super::super::super::DestinationError;
use super::super::super::chain::ROOT_ID;
use super::super::super::strategy::{HardDelete, Merge};
use super::super::database::{Dialect, Target};
use super::{ChainLoad, is_duplicate, says_deleted};
use crate::normalize::TURN;
use crate::schema::{Column, Hint, Table};

/// Ids of rows.
const LINKS: [&str; 3] = ["_dlt_id", "_dlt_parent_id", ROOT_ID];

/// A temporary table with the columns of a table and its new rows.
pub(crate) struct Staged<'a> {
    load: &'a ChainLoad<'a>,
    table: &'a Table,
    /// The temporary table for SQL.
    pub(crate) name: String,
    /// Whether rows were dropped: then what came with them has to be told from what came with others.
    pub(crate) is_thinned: bool,
}

impl<'a> Staged<'a> {
    /// Stages the new rows of a table.
    pub(crate) fn of(load: &'a ChainLoad<'a>, table: &'a Table) -> Result<Self, DestinationError> {
        let database = load.database;
        // By its place in the chain: names of tables may be as long as names can be.
        let place = load.chain.tables().position(|other| other.name == table.name).unwrap_or_default();
        let name = format!("_forebay_new_{place}");
        let mut select = format!("SELECT {}, NULL::BIGINT AS {TURN}", load.columns_of(table).join(", "));
        let Dialect { arrival, stages_arrival, .. } = database.dialect();
        if *stages_arrival {
            select += &format!(", NULL::BIGINT AS {arrival}");
        }
        select += &format!(" FROM {} LIMIT 0", database.table(&table.name));
        let action = format_args!("stage rows of table `{}`", table.name);
        database.create_temporary(&action, &name, &select)?;
        let columns = load.columns.get(&table.name.to_lowercase());
        if let (Some(rows), Some(columns)) = (load.chain.rows_of(&table.name), columns) {
            let mut columns = columns.clone();
            columns.insert(TURN.to_owned());
            database.append(rows, &columns, Target::Temporary(&name))?;
            database.filled_temporary(&name, &joined_by(table))?;
        }
        Ok(Self { load, table, name: database.temporary(&name), is_thinned: false })
    }

    /// Drops all but one row of each primary key.
    pub(crate) fn drop_duplicates(&mut self, merge: &Merge<'_>) -> Result<(), DestinationError> {
        let arrival = self.load.database.dialect().arrival;
        self.drop_rows(&is_duplicate(self.load, (&self.name, "new"), "true", arrival, merge))
    }

    /// Drops all but the first row of each id where ids are unique. Rows below equal rows are equal, too, so that each of
    /// them leads to what is below the first.
    pub(crate) fn drop_equal_ids(&mut self) -> Result<(), DestinationError> {
        let Dialect { arrival, has_unique, .. } = self.load.database.dialect();
        if !has_unique {
            return Ok(());
        }
        self.drop_rows(&format!(
            "EXISTS (SELECT 1 FROM (SELECT _dlt_id, min({arrival}) AS first_ FROM {} GROUP BY _dlt_id \
             HAVING count(*) > 1) AS twice WHERE new.{arrival} > first_ AND new._dlt_id = twice._dlt_id)",
            self.name
        ))
    }

    /// Drops rows that say that they are deleted.
    pub(crate) fn drop_deleted(&mut self, hint: &HardDelete<'_>) -> Result<(), DestinationError> {
        self.drop_rows(&says_deleted("new", hint))
    }

    /// Drops rows `new` for which `condition` holds.
    pub(crate) fn drop_rows(&mut self, condition: &str) -> Result<(), DestinationError> {
        let sql = format!("DELETE FROM {} AS new WHERE {condition}", self.name);
        let action = format_args!("choose rows for table `{}`", self.table.name);
        self.is_thinned |= self.load.database.execute(&action, &sql, &[])? > 0;
        Ok(())
    }

    /// The statement that inserts rows `new` into their table, up to its conditions.
    pub(crate) fn insert(&self) -> String {
        self.insert_with(|_| None)
    }

    /// The statement that inserts rows `new` into their table, up to its conditions, with some values in place of theirs.
    pub(crate) fn insert_with(&self, value: impl Fn(&str) -> Option<String>) -> String {
        let columns = self.load.columns_of(self.table);
        let values: Vec<_> =
            columns.iter().map(|column| value(column).unwrap_or_else(|| format!("new.{column}"))).collect();
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM {} AS new",
            self.load.database.table(&self.table.name),
            columns.join(", "),
            values.join(", "),
            self.name
        )
    }

    /// The condition that a staged row of a child table came with one of these rows, and not with a dropped one, which
    /// may have had the same key. Rows without a turn came with a root row that came once.
    pub(crate) fn came_with(&self) -> String {
        if self.is_thinned {
            // One list to look into, so that engines make a join of it.
            format!("coalesce(new.{TURN}, 0) IN (SELECT {TURN} FROM {} UNION ALL SELECT 0)", self.name)
        } else {
            "true".to_owned()
        }
    }

    /// The condition that a staged row of a child table is below one of these rows, by the ids of the rows.
    pub(crate) fn leads_to(&self) -> String {
        format!("new.{ROOT_ID} IN (SELECT _dlt_id FROM {})", self.name)
    }
}

/// Columns that staged rows are found by.
fn joined_by(table: &Table) -> Vec<&str> {
    let is_key = |column: &&Column| {
        [Hint::PrimaryKey, Hint::MergeKey, Hint::RowVersion].iter().any(|hint| column.says(hint.key()))
            || LINKS.contains(&column.name.as_str())
    };
    let keys = table.columns.values().filter(|column| column.data_type.is_some()).filter(is_key);
    keys.map(|column| column.name.as_str()).collect()
}
