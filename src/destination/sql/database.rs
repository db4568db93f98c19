//! What a database has to offer for loads to be written in SQL, and what its statements take and give.

use std::fmt::Display;

use indexmap::IndexSet;

use super::super::evolution::ExistingTables;
use super::super::strategy::Merge;
use super::super::{DestinationError, LoadPackage};
use super::merge::{ChainLoad, delete_insert};
use super::retype::Conversion;
use crate::normalize::TableRows;
use crate::schema::{Column, Table};

/// An open database with one dataset in it. All statements of a load go through one of these, in one transaction.
///
/// The methods with a body are for engines that need more or have a better way.
pub(crate) trait Database {
    /// Words in which engines differ.
    fn dialect(&self) -> &'static Dialect;

    /// Runs one statement with parameters `$1`, `$2`… Returns how many rows it changed.
    fn execute(&self, action: &dyn Display, sql: &str, params: &[Param<'_>])
    -> Result<u64, DestinationError>;

    /// Runs statements without parameters.
    fn execute_batch(&self, action: &dyn Display, sql: &str) -> Result<(), DestinationError>;

    /// All rows of a query, of texts and whole numbers.
    fn rows(
        &self,
        action: &dyn Display,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, DestinationError>;

    /// Appends rows to a table with `columns`. Columns that a file lacks are null. Returns how many rows came.
    fn append(
        &self,
        rows: &TableRows,
        columns: &IndexSet<String>,
        target: Target<'_>,
    ) -> Result<u64, DestinationError>;

    /// The dataset for SQL.
    fn dataset(&self) -> String;

    /// A table of the dataset for SQL.
    fn table(&self, name: &str) -> String {
        format!("{}.{}", self.dataset(), quote(name))
    }

    /// A temporary table for SQL.
    fn temporary(&self, name: &str) -> String;

    /// Makes a temporary table of what `select` gives, in place of one with this name.
    fn create_temporary(
        &self,
        action: &dyn Display,
        name: &str,
        select: &str,
    ) -> Result<(), DestinationError>;

    /// Called once a temporary table has its rows, with the columns that it is joined by.
    fn filled_temporary(&self, _name: &str, _columns: &[&str]) -> Result<(), DestinationError> {
        Ok(())
    }

    /// Tables of the dataset with their columns. Empty if there is no dataset.
    fn existing_tables(&self) -> Result<ExistingTables, DestinationError>;

    /// The type that a column has, as [`Database::sql_type`] writes it.
    fn current_type(&self, table: &str, column: &str) -> Result<String, DestinationError>;

    /// Comments that are there: table, column and text, names in lower case; the column of a table's own is empty.
    fn comments(&self) -> Result<Vec<(String, String, String)>, DestinationError>;

    /// The type that a column is to have.
    fn sql_type(&self, table: &str, column: &Column) -> Result<String, DestinationError>;

    /// What becomes of the values of a column that gets another type.
    fn conversion(&self, column: &str, from: &str, to: &str) -> Conversion;

    /// The condition that two rows have one key. Nulls count as equal, so that loading the same rows twice changes
    /// nothing.
    fn same_key(&self, left: &str, right: &str, table: &Table, key: &[&str]) -> String;

    /// Creates the dataset if it is missing.
    fn create_dataset(&self) -> Result<(), DestinationError>;

    /// Whether comments may be made on a table that is there.
    fn may_comment(&self, _table: &str) -> Result<bool, DestinationError> {
        Ok(true)
    }

    /// Brings the tables of our own up to date; `existing` are the tables of the dataset.
    fn migrate(&self, existing: &ExistingTables) -> Result<(), DestinationError>;

    /// Whether [`Database::migrate`] has nothing to do.
    fn is_migrated(&self, existing: &ExistingTables) -> Result<bool, DestinationError>;

    /// Begins the transaction of a load.
    fn begin(&self, package: &LoadPackage<'_>) -> Result<(), DestinationError>;

    /// Keeps other loads from making or changing tables of the dataset, until the transaction ends.
    fn lock_dataset(&self) -> Result<(), DestinationError> {
        Ok(())
    }

    /// Keeps other loads from tables that are there, until the transaction ends.
    fn lock_tables(&self, _tables: &[(&str, TableLock)]) -> Result<(), DestinationError> {
        Ok(())
    }

    /// Called before rows are deleted or updated.
    fn before_changes(&self) -> Result<(), DestinationError> {
        Ok(())
    }

    /// dlt's `delete-insert`: rows with a key of a new row go, with all below them.
    fn delete_insert(
        &self,
        load: &ChainLoad<'_>,
        merge: &Merge<'_>,
        counts: &mut Vec<(String, u64)>,
    ) -> Result<(), DestinationError> {
        delete_insert::run(load, merge, counts)
    }

    /// The first row of a query, if there is one.
    fn first(
        &self,
        action: &dyn Display,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Option<Row>, DestinationError> {
        Ok(self.rows(action, sql, params)?.into_iter().next())
    }

    /// How many rows a query that counts finds.
    fn count(&self, action: &dyn Display, sql: &str) -> Result<u64, DestinationError> {
        let count = self.first(action, sql, &[])?.map(|row| row.int(0)).transpose()?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }
}

/// Words in which engines differ.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The pseudo-columns that tell rows of a table apart, those of its partitions included.
    pub(crate) row_id: &'static [&'static str],
    /// The column of a staged table that grows with the order in which rows came.
    pub(crate) arrival: &'static str,
    /// Whether staged tables are made with [`Dialect::arrival`], and [`Database::append`] fills it. Otherwise rows have it
    /// by themselves.
    pub(crate) stages_arrival: bool,
    /// An instant as Unix microseconds.
    pub(crate) micros: fn(&str) -> String,
    /// Whether columns that are to be unique get a constraint that says so.
    pub(crate) has_unique: bool,
    /// The columns of dlt's system tables, as dlt makes them: names of the tables and columns for `CREATE TABLE`.
    pub(crate) system_tables: [(&'static str, &'static str); 3],
}

/// What another load must not do to a table meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TableLock {
    /// Change its columns.
    Appends,
    /// Change its rows.
    Rows,
    /// Read or change anything of it: its columns change.
    Columns,
}

/// A table that rows are appended to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// A table of the dataset.
    Dataset(&'a str),
    /// A temporary table.
    Temporary(&'a str),
}

/// A value for a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Param<'a> {
    /// A text; SQL casts it where another type is wanted.
    Text(&'a str),
    /// A whole number.
    Int(i64),
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Param<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

/// A row of a query's answer.
#[derive(Debug, Clone)]
pub(crate) struct Row(pub(crate) Vec<Cell>);

/// A value of a query's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Int(i64),
}

impl Row {
    /// The text in column `index`.
    pub(crate) fn text(&self, index: usize) -> Result<String, DestinationError> {
        self.maybe_text(index)?.ok_or_else(|| misread(index, "a text", &Cell::Null))
    }

    /// The text in column `index`, which may be null.
    pub(crate) fn maybe_text(&self, index: usize) -> Result<Option<String>, DestinationError> {
        match self.0.get(index) {
            Some(Cell::Text(text)) => Ok(Some(text.clone())),
            Some(Cell::Null) | None => Ok(None),
            Some(other) => Err(misread(index, "a text", other)),
        }
    }

    /// The whole number in column `index`.
    pub(crate) fn int(&self, index: usize) -> Result<i64, DestinationError> {
        match self.0.get(index).unwrap_or(&Cell::Null) {
            Cell::Int(value) => Ok(*value),
            other => Err(misread(index, "a whole number", other)),
        }
    }
}

/// Somebody changed the type of a column that is not theirs.
fn misread(index: usize, expected: &str, found: &Cell) -> DestinationError {
    let found = match found {
        Cell::Null => "null".to_owned(),
        Cell::Text(text) => format!("the text {text:?}"),
        Cell::Int(value) => format!("the number {value}"),
    };
    DestinationError::Statement {
        action: "read what the database answered".to_owned(),
        reason: format!("column {} is not {expected} but {found}", index + 1),
    }
}

/// Quotes an identifier.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes text, for statements that take no parameters.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
