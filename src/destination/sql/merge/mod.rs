//! The rows of one root table and of those below it, and what they do to rows that are there.
//!
//! There is no staging dataset. Where rows take the place of others, change them, or do not all come in, they go to
//! temporary tables first: see [`staged`].

pub(super) mod delete_insert;
mod gone;
mod insert;
pub(crate) mod removed;
mod scd2;
mod staged;
mod upsert;

use super::super::chain::{Chain, ROOT_ID};
use super::super::evolution::ExistingTables;
use super::super::strategy::{HardDelete, Merge, Strategy};
use super::super::{DestinationError, Receipt};
use super::database::{Database, Target, literal, quote};
use crate::schema::{DELETED_AT, Table};
use crate::state::LoadId;

/// One chain of tables, and what it is loaded into.
pub(crate) struct ChainLoad<'a> {
    pub(crate) database: &'a dyn Database,
    pub(crate) chain: &'a Chain<'a>,
    /// Tables from before this load: new ones have nothing to remove.
    pub(crate) existing: &'a ExistingTables,
    /// Tables as they are now.
    pub(crate) columns: &'a ExistingTables,
    pub(crate) load_id: &'a LoadId,
}

impl ChainLoad<'_> {
    /// Writes the rows, then sees to those that the API no longer has.
    pub(crate) fn run(&self, receipt: &mut Receipt) -> Result<(), DestinationError> {
        let rows_before = gone::count_before(self)?;
        let counts = &mut receipt.tables;
        match &self.chain.strategy {
            Strategy::Append => self.append_all(counts)?,
            Strategy::Replace => self.replace(counts)?,
            Strategy::DeleteInsert(merge) => self.database.delete_insert(self, merge, counts)?,
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
        self.database.before_changes()?;
        for table in self.chain.tables().filter(|table| self.existed(table)) {
            let sql = format!("DELETE FROM {}", self.database.table(&table.name));
            self.database.execute(&format_args!("empty table `{}`", table.name), &sql, &[])?;
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
    pub(crate) fn append(&self, table: &Table) -> Result<u64, DestinationError> {
        match (self.chain.rows_of(&table.name), self.columns.get(&table.name.to_lowercase())) {
            (Some(rows), Some(columns)) => self.database.append(rows, columns, Target::Dataset(&table.name)),
            _ => Ok(0),
        }
    }

    pub(crate) fn existed(&self, table: &Table) -> bool {
        self.existing.contains_key(&table.name.to_lowercase())
    }

    /// Deletes rows of the root table with all below them that were there before. Each of `rows` is the table with its
    /// alias and a condition.
    pub(crate) fn remove(&self, rows: &[String]) -> Result<(), DestinationError> {
        if rows.is_empty() {
            return Ok(());
        }
        removed::collect(self.database, self.chain.root, rows)?;
        for child in self.children_before() {
            removed::delete_below(self.database, child)?;
        }
        removed::delete(self.database, self.chain.root).map(drop)
    }

    /// The condition that a row `old` of the root table is of an earlier load: each row of this one carries its id.
    pub(crate) fn is_earlier(&self) -> String {
        format!("old._dlt_load_id IS DISTINCT FROM {}", literal(self.load_id.as_str()))
    }

    /// Columns of a table that rows of a load may have, for SQL. Others are somebody else's.
    fn columns_of(&self, table: &Table) -> Vec<String> {
        let is_ours = |name: &str| table.columns.contains_key(name) || [ROOT_ID, DELETED_AT].contains(&name);
        let columns = self.columns.get(&table.name.to_lowercase()).into_iter().flatten();
        columns.filter(|column| is_ours(column)).map(|column| quote(column)).collect()
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

pub(crate) fn push_count(counts: &mut Vec<(String, u64)>, table: &Table, count: u64) {
    if count > 0 {
        counts.push((table.name.clone(), count));
    }
}

/// The condition that a row says that it is to be deleted.
pub(crate) fn says_deleted(row: &str, hard_delete: &HardDelete<'_>) -> String {
    let column = format!("{row}.{}", quote(hard_delete.column));
    if hard_delete.is_bool { format!("coalesce({column}, false)") } else { format!("{column} IS NOT NULL") }
}

/// The condition that a row of `table`, which goes by the name `row`, is not the one that stays of its primary key, among
/// rows for which `scope` holds: the first by the column for it, else the last one received, where dlt keeps an
/// arbitrary one. `arrival` is the column that grows with the order in which they came.
pub(crate) fn is_duplicate(
    load: &ChainLoad<'_>,
    (table, row): (&str, &str),
    scope: &str,
    arrival: &str,
    merge: &Merge<'_>,
) -> String {
    let key = merge.primary_key.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    match &merge.dedup_sort {
        // Keys that come twice are few or none: what is compared with every row is small.
        None => format!(
            "EXISTS (SELECT 1 FROM (SELECT {key}, max({arrival}) AS last_ FROM {table} WHERE {scope} GROUP BY {key} \
             HAVING count(*) > 1) AS twice WHERE {row}.{arrival} < last_ AND {})",
            load.database.same_key(row, "twice", load.chain.root, &merge.primary_key)
        ),
        Some(sort) => format!(
            "{row}.{arrival} IN (SELECT {arrival} FROM (SELECT {arrival}, row_number() OVER \
             (PARTITION BY {key} ORDER BY {} {} NULLS LAST, {arrival} DESC) AS place \
             FROM {table} WHERE {scope}) AS ranked WHERE place > 1)",
            quote(sort.column),
            if sort.is_descending { "DESC" } else { "ASC" }
        ),
    }
}
