//! Rows that go because others come: replace, and dlt's delete-insert.
//!
//! There is no staging table. New root rows are appended first and known by their load id; what they take the
//! place of is found by a join of the table with itself and deleted, children first. New children come after
//! that, so that a child is never taken for an old one, even where the source brings ids of its own.

use super::super::DestinationError;
use super::super::chain::ROOT_ID;
use super::connection::{Database, quote};
use crate::schema::Table;
use crate::state::LoadId;

/// Rows to remove, found in the table with the new rows already in it.
const REMOVED: &str = "temp.main._forebay_removed";

/// Deletes all rows.
pub(super) fn clear(database: &Database, table: &str) -> Result<(), DestinationError> {
    let sql = format!("DELETE FROM {}", database.table(table));
    database.execute(format_args!("empty table `{table}`"), &sql, []).map(drop)
}

/// Deletes rows of earlier loads that share a key with a row of this load, and everything below them.
///
/// Either key is enough, as in dlt. Nulls count as equal, so that loading the same rows twice changes nothing.
pub(super) fn delete_replaced(
    database: &Database,
    root: &Table,
    children: &[&Table],
    keys: [&[&str]; 2],
    load_id: &LoadId,
) -> Result<(), DestinationError> {
    let table = database.table(&root.name);
    let matches = keys.iter().filter(|key| !key.is_empty()).map(|key| {
        let condition: Vec<_> =
            key.iter().map(|column| format!("old.{0} IS NOT DISTINCT FROM new.{0}", quote(column))).collect();
        // One semi-join per key: with OR in one condition, DuckDB compares every row with every other.
        format!(
            "SELECT rowid AS row_number, _dlt_id FROM {table} AS old WHERE _dlt_load_id IS DISTINCT FROM $1 \
             AND EXISTS (SELECT 1 FROM {table} AS new WHERE _dlt_load_id = $1 AND {})",
            condition.join(" AND ")
        )
    });
    let select = matches.collect::<Vec<_>>().join(" UNION ");
    collect(database, root, &select, load_id)?;
    for child in children {
        delete_below(database, child)?;
    }
    delete_roots(database, root).map(drop)
}

/// Deletes all but the last row of each primary key among the rows of this load. Returns how many went; what is
/// below them is for [`delete_below`] once it is there.
///
/// dlt keeps an arbitrary one; the last one received is the newest state of a thing that changed between pages.
pub(super) fn delete_duplicates(
    database: &Database,
    root: &Table,
    primary_key: &[&str],
    load_id: &LoadId,
) -> Result<u64, DestinationError> {
    let table = database.table(&root.name);
    let key = primary_key.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    let select = format!(
        "SELECT rowid AS row_number, _dlt_id FROM {table} WHERE _dlt_load_id = $1 AND rowid NOT IN \
         (SELECT max(rowid) FROM {table} WHERE _dlt_load_id = $1 GROUP BY {key})"
    );
    collect(database, root, &select, load_id)?;
    delete_roots(database, root)
}

/// Deletes rows of a child table whose root row was removed last. Returns how many went.
pub(super) fn delete_below(database: &Database, child: &Table) -> Result<u64, DestinationError> {
    let sql = format!(
        "DELETE FROM {} WHERE {ROOT_ID} IN (SELECT _dlt_id FROM {REMOVED})",
        database.table(&child.name)
    );
    database.execute(format_args!("delete replaced rows of table `{}`", child.name), &sql, [])
}

fn collect(
    database: &Database,
    root: &Table,
    select: &str,
    load_id: &LoadId,
) -> Result<(), DestinationError> {
    let sql = format!("CREATE OR REPLACE TEMP TABLE _forebay_removed AS {select}");
    let action = format_args!("find replaced rows of table `{}`", root.name);
    database.execute(action, &sql, [load_id.as_str()]).map(drop)
}

fn delete_roots(database: &Database, root: &Table) -> Result<u64, DestinationError> {
    let sql = format!(
        "DELETE FROM {} WHERE rowid IN (SELECT row_number FROM {REMOVED})",
        database.table(&root.name)
    );
    database.execute(format_args!("delete replaced rows of table `{}`", root.name), &sql, [])
}
