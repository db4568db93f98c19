//! The rows of one root table and of those below it, and what they do to rows that are there.
//!
//! There is no staging dataset. Where rows only take the place of others, they are appended first and known by their
//! load id: see [`delete_insert`]. Where they change rows that are there, or do not all come in, they go to temporary
//! tables first: see [`staged`].

mod delete_insert;
mod gone;
mod insert;
mod removed;
mod scd2;
mod staged;
mod upsert;

use super::super::chain::Chain;
use super::super::evolution::ExistingTables;
use super::super::strategy::{HardDelete, Merge, Strategy};
use super::super::{DestinationError, Receipt};
use super::connection::{Database, quote};
use super::rows::{self, Target};
use crate::schema::Table;
use crate::state::LoadId;

/// One chain of tables, and what it is loaded into.
pub(super) struct ChainLoad<'a> {
    pub(super) database: &'a Database,
    pub(super) chain: &'a Chain<'a>,
    /// Tables from before this load: new ones have nothing to remove.
    pub(super) existing: &'a ExistingTables,
    /// Tables as they are now.
    pub(super) columns: &'a ExistingTables,
    pub(super) load_id: &'a LoadId,
}

impl ChainLoad<'_> {
    /// Writes the rows, then sees to those that the API no longer has.
    pub(super) fn run(&self, receipt: &mut Receipt) -> Result<(), DestinationError> {
        let rows_before = gone::count_before(self)?;
        let counts = &mut receipt.tables;
        match &self.chain.strategy {
            Strategy::Append => self.append_all(counts)?,
            Strategy::Replace => self.replace(counts)?,
            Strategy::DeleteInsert(merge) => delete_insert::run(self, merge, counts)?,
            Strategy::Upsert(merge) => upsert::run(self, merge, counts)?,
            Strategy::InsertOnly(merge) => insert::run(self, merge, counts)?,
            Strategy::Scd2(versions) => scd2::run(self, versions, counts)?,
        }
        if let Some(rows_before) = rows_before {
            receipt.deleted.push(gone::run(self, rows_before)?);
        }
        Ok(())
    }

    fn replace(&self, counts: &mut Vec<(String, u64)>) -> Result<(), DestinationError> {
        self.database.lift_memory_limit()?;
        for table in self.chain.tables().filter(|table| self.existed(table)) {
            let sql = format!("DELETE FROM {}", self.database.table(&table.name));
            self.database.execute(format_args!("empty table `{}`", table.name), &sql, [])?;
        }
        self.append_all(counts)
    }

    fn append_all(&self, counts: &mut Vec<(String, u64)>) -> Result<(), DestinationError> {
        self.chain.tables().try_for_each(|table| {
            let count = self.append(table)?;
            push_count(counts, table, count);
            Ok(())
        })
    }

    /// Appends the new rows of a table to it. Returns how many there were.
    fn append(&self, table: &Table) -> Result<u64, DestinationError> {
        match (self.chain.rows_of(&table.name), self.columns.get(&table.name.to_lowercase())) {
            (Some(rows), Some(columns)) => {
                rows::append(self.database, rows, columns, &Target::of(self.database, &table.name))
            }
            _ => Ok(0),
        }
    }

    fn existed(&self, table: &Table) -> bool {
        self.existing.contains_key(&table.name.to_lowercase())
    }

    /// Whether the table has the column now, whatever the schema says.
    fn has_column(&self, table: &Table, column: &str) -> bool {
        self.columns.get(&table.name.to_lowercase()).is_some_and(|columns| columns.contains(column))
    }

    /// Tables below the root that were there before this load.
    fn children_before(&self) -> impl Iterator<Item = &Table> {
        self.chain.children.iter().copied().filter(|child| self.existed(child))
    }
}

fn push_count(counts: &mut Vec<(String, u64)>, table: &Table, count: u64) {
    if count > 0 {
        counts.push((table.name.clone(), count));
    }
}

/// The condition that two rows have one key. Nulls count as equal, so that loading the same rows twice changes
/// nothing.
fn same_key(left: &str, right: &str, key: &[&str]) -> String {
    let columns = key
        .iter()
        .map(|column| format!("{left}.{0} IS NOT DISTINCT FROM {right}.{0}", quote(column)))
        .collect::<Vec<_>>();
    columns.join(" AND ")
}

/// The condition that a row says that it is to be deleted.
fn says_deleted(row: &str, hard_delete: &HardDelete<'_>) -> String {
    let column = format!("{row}.{}", quote(hard_delete.column));
    if hard_delete.is_bool { format!("coalesce({column}, false)") } else { format!("{column} IS NOT NULL") }
}

/// The condition that a row of `table` is not the one that stays of its primary key, among rows for which `scope`
/// holds: the first by the column for it, else the last one received, where dlt keeps an arbitrary one.
fn is_duplicate(table: &str, scope: &str, merge: &Merge<'_>) -> String {
    let key = merge.primary_key.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    match &merge.dedup_sort {
        None => format!("rowid NOT IN (SELECT max(rowid) FROM {table} WHERE {scope} GROUP BY {key})"),
        Some(sort) => format!(
            "rowid IN (SELECT rowid FROM {table} WHERE {scope} QUALIFY row_number() OVER \
             (PARTITION BY {key} ORDER BY {} {} NULLS LAST, rowid DESC) > 1)",
            quote(sort.column),
            if sort.is_descending { "DESC" } else { "ASC" }
        ),
    }
}
