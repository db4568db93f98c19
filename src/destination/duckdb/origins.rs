//! Where columns come from, as loads noted it.

use super::super::DestinationError;
use super::super::evolution::ExistingTables;
use super::connection::Database;
use crate::state::LoadId;

/// Columns with the field that each was made for.
pub(super) const COLUMNS: &str = "_forebay_columns";

/// One row of `_forebay_columns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnOrigin {
    /// Name of the table.
    pub table: String,
    /// Name of the column.
    pub column: String,
    /// Path from the row of the resource, keys as the API has them: `$.planConnections[*].planId`.
    pub source_path: String,
    /// The load that brought the column.
    pub load_id: LoadId,
    /// When that was, Unix microseconds.
    pub first_seen: i64,
}

/// All rows. None if nothing was loaded yet, or only by dlt or an older version.
pub(super) fn read(
    database: &Database,
    existing: &ExistingTables,
) -> Result<Vec<ColumnOrigin>, DestinationError> {
    if !existing.contains_key(COLUMNS) {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT table_name, column_name, source_path, load_id, epoch_us(first_seen) FROM {}",
        database.table(COLUMNS)
    );
    database.rows(format_args!("read table `{COLUMNS}`"), &sql, [], |row| {
        Ok(ColumnOrigin {
            table: row.get(0)?,
            column: row.get(1)?,
            source_path: row.get(2)?,
            load_id: LoadId::from_stored(row.get::<_, String>(3)?),
            first_seen: row.get(4)?,
        })
    })
}
