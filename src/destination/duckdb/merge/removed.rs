//! Root rows to remove, and what hangs from them.

use super::super::super::DestinationError;
use super::super::super::chain::ROOT_ID;
use super::super::connection::Database;
use crate::schema::Table;

/// Rows to remove: their place in their table, and their ids.
const REMOVED: &str = "temp.main._forebay_removed";

/// Notes rows to remove in place of those noted before. `select` gives their `rowid` and `_dlt_id`.
pub(super) fn collect(database: &Database, root: &Table, select: &str) -> Result<(), DestinationError> {
    let sql = format!("CREATE OR REPLACE TEMP TABLE _forebay_removed (row_number, _dlt_id) AS {select}");
    let action = format_args!("find replaced rows of table `{}`", root.name);
    database.execute(action, &sql, []).map(drop)
}

/// Deletes rows of a child table whose root row was noted. Returns how many went.
pub(super) fn delete_below(database: &Database, child: &Table) -> Result<u64, DestinationError> {
    let sql = format!(
        "DELETE FROM {} WHERE {ROOT_ID} IN (SELECT _dlt_id FROM {REMOVED})",
        database.table(&child.name)
    );
    database.execute(format_args!("delete replaced rows of table `{}`", child.name), &sql, [])
}

/// Deletes the rows that were noted. Returns how many went.
pub(super) fn delete(database: &Database, root: &Table) -> Result<u64, DestinationError> {
    let sql = format!(
        "DELETE FROM {} WHERE rowid IN (SELECT row_number FROM {REMOVED})",
        database.table(&root.name)
    );
    database.execute(format_args!("delete replaced rows of table `{}`", root.name), &sql, [])
}

/// Forgets ids that rows still have: with ids of the source, a row that comes twice is dropped once, and what is below
/// it must stay.
pub(super) fn spare_kept(database: &Database, root: &Table) -> Result<(), DestinationError> {
    let sql = format!(
        "DELETE FROM {REMOVED} WHERE _dlt_id IN (SELECT _dlt_id FROM {})",
        database.table(&root.name)
    );
    database.execute(format_args!("find kept rows of table `{}`", root.name), &sql, []).map(drop)
}
