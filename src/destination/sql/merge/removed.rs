//! Root rows to remove, and what hangs from them.

use super::super::super::DestinationError;
use super::super::super::chain::ROOT_ID;
use super::super::database::Database;
use crate::schema::Table;

/// Rows to remove: what tells them apart in their table, and their ids.
const REMOVED: &str = "_forebay_removed";

/// Notes rows to remove in place of those noted before. `rows` is a table with its alias and a condition.
pub(crate) fn collect(
    database: &dyn Database,
    root: &Table,
    rows: &[String],
) -> Result<(), DestinationError> {
    let row_id = database.dialect().row_id.iter().enumerate();
    let row_id: Vec<_> = row_id.map(|(place, column)| format!("{column} AS row_{place}")).collect();
    let select = |rows: &String| format!("SELECT {}, _dlt_id FROM {rows}", row_id.join(", "));
    let select = rows.iter().map(select).collect::<Vec<_>>().join(" UNION ");
    database.create_temporary(
        &format_args!("find replaced rows of table `{}`", root.name),
        REMOVED,
        &select,
    )?;
    database.filled_temporary(REMOVED, &["_dlt_id"])
}

/// Deletes rows of a child table whose root row was noted. Returns how many went.
pub(crate) fn delete_below(database: &dyn Database, child: &Table) -> Result<u64, DestinationError> {
    let sql = format!(
        "DELETE FROM {} WHERE {ROOT_ID} IN (SELECT _dlt_id FROM {})",
        database.table(&child.name),
        database.temporary(REMOVED)
    );
    database.execute(&format_args!("delete replaced rows of table `{}`", child.name), &sql, &[])
}

/// Deletes the rows that were noted. Returns how many went.
pub(crate) fn delete(database: &dyn Database, root: &Table) -> Result<u64, DestinationError> {
    let row_id = database.dialect().row_id;
    let noted: Vec<_> = (0..row_id.len()).map(|place| format!("row_{place}")).collect();
    let sql = format!(
        "DELETE FROM {} WHERE ({}) IN (SELECT {} FROM {})",
        database.table(&root.name),
        row_id.join(", "),
        noted.join(", "),
        database.temporary(REMOVED)
    );
    database.execute(&format_args!("delete replaced rows of table `{}`", root.name), &sql, &[])
}

/// Forgets ids that rows still have: with ids of the source, a row that comes twice is dropped once, and what is below
/// it must stay.
pub(crate) fn spare_kept(database: &dyn Database, root: &Table) -> Result<(), DestinationError> {
    let sql = format!(
        "DELETE FROM {} WHERE _dlt_id IN (SELECT _dlt_id FROM {})",
        database.temporary(REMOVED),
        database.table(&root.name)
    );
    database.execute(&format_args!("find kept rows of table `{}`", root.name), &sql, &[]).map(drop)
}
