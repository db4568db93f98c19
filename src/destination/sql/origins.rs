//! Where columns come from: in `_forebay_columns`, and in the comments of tables and columns for those who look there.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::super::evolution::{ExistingTables, TableColumns};
use super::super::{ColumnOrigin, DestinationError, LoadPackage};
use super::database::{Database, Param, Row, literal, quote};
use super::ledger::{instant, now_micros};
use crate::normalize::Origin;
use crate::schema::Schema;
use crate::state::LoadId;

/// Where each column comes from.
pub(crate) const COLUMNS: &str = "_forebay_columns";

/// Text by table and column.
type ByColumn = HashMap<(String, String), String>;

/// Writes what the dataset does not know yet: columns that are new, have moved, or are in tables `created` by this load.
/// Runs before rows are written; most loads bring nothing new, and then nothing is written.
pub(crate) fn write(
    database: &dyn Database,
    package: &LoadPackage<'_>,
    created: &[TableColumns<'_>],
) -> Result<(), DestinationError> {
    if package.rows.origins.is_empty() {
        return Ok(());
    }
    let known = known_paths(database)?;
    let mut new = Vec::new();
    let mut told: IndexMap<&str, Vec<&Origin>> = IndexMap::new();
    for origin in &package.rows.origins {
        let is_told = match known.get(&(origin.table.clone(), origin.column.clone())) {
            None => {
                new.push(origin);
                true
            }
            Some(path) if *path != origin.path => {
                update(database, origin)?;
                true
            }
            Some(_) => created.iter().any(|created| created.table.name == origin.table),
        };
        if is_told {
            told.entry(&origin.table).or_default().push(origin);
        }
    }
    insert(database, package.load_id, &new)?;
    if told.is_empty() {
        return Ok(());
    }
    let there = database.comments()?;
    let there = there.into_iter().map(|(table, column, comment)| ((table, column), comment)).collect();
    told.iter().try_for_each(|(table, origins)| {
        // Tables of another role can be loaded, but not commented.
        if !database.may_comment(table)? {
            return Ok(());
        }
        comment(database, &package.rows.schema, (table, origins), &known, &there)
    })
}

/// All rows of `_forebay_columns`, by table and column. None if nothing was loaded yet, or
/// only by dlt.
pub(crate) fn read(
    database: &dyn Database,
    existing: &ExistingTables,
) -> Result<Vec<ColumnOrigin>, DestinationError> {
    if !existing.contains_key(COLUMNS) {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT table_name, column_name, source_path, load_id, {} FROM {} ORDER BY table_name, column_name",
        (database.dialect().micros)("first_seen"),
        database.table(COLUMNS)
    );
    let rows = database.rows(&format_args!("read table `{COLUMNS}`"), &sql, &[])?;
    let origin = |row: &Row| {
        Ok(ColumnOrigin {
            table: row.text(0)?,
            column: row.text(1)?,
            source_path: row.text(2)?,
            load_id: LoadId::from_stored(row.text(3)?),
            first_seen: row.int(4)?,
        })
    };
    rows.iter().map(origin).collect()
}

fn known_paths(database: &dyn Database) -> Result<ByColumn, DestinationError> {
    let sql = format!("SELECT table_name, column_name, source_path FROM {}", database.table(COLUMNS));
    let rows = database.rows(&format_args!("read table `{COLUMNS}`"), &sql, &[])?;
    rows.iter().map(|row| Ok(((row.text(0)?, row.text(1)?), row.text(2)?))).collect()
}

fn insert(database: &dyn Database, load_id: &LoadId, origins: &[&Origin]) -> Result<(), DestinationError> {
    if origins.is_empty() {
        return Ok(());
    }
    let now = instant(now_micros());
    let sql = format!(
        "INSERT INTO {} (table_name, column_name, source_path, load_id, first_seen) \
         VALUES ($1, $2, $3, $4, $5::TIMESTAMPTZ)",
        database.table(COLUMNS)
    );
    for origin in origins {
        let values: [Param<'_>; 5] = [
            (&origin.table).into(),
            (&origin.column).into(),
            (&origin.path).into(),
            load_id.as_str().into(),
            (&now).into(),
        ];
        let action =
            format_args!("record where column `{}` of table `{}` comes from", origin.column, origin.table);
        database.execute(&action, &sql, &values)?;
    }
    Ok(())
}

fn update(database: &dyn Database, origin: &Origin) -> Result<(), DestinationError> {
    let sql = format!(
        "UPDATE {} SET source_path = $1 WHERE table_name = $2 AND column_name = $3",
        database.table(COLUMNS)
    );
    let action =
        format_args!("record where column `{}` of table `{}` comes from", origin.column, origin.table);
    let values = [(&origin.path).into(), (&origin.table).into(), (&origin.column).into()];
    database.execute(&action, &sql, &values).map(drop)
}

/// Comments columns of a table, and the table itself if it has no comment yet. Comments that somebody else made stay.
fn comment(
    database: &dyn Database,
    schema: &Schema,
    (table, origins): (&str, &[&Origin]),
    known: &ByColumn,
    there: &ByColumn,
) -> Result<(), DestinationError> {
    let lower = |column: &str| (table.to_lowercase(), column.to_lowercase());
    let mut sql = Vec::new();
    let path = origins.first().map_or("", |origin| table_path(&origin.path));
    if let Some(text) = table_comment(schema, table, path)
        && !there.contains_key(&lower(""))
    {
        sql.push(format!("COMMENT ON TABLE {} IS {}", database.table(table), literal(&text)));
    }
    for origin in origins {
        let before = known.get(&(origin.table.clone(), origin.column.clone()));
        if there.get(&lower(&origin.column)).is_none_or(|comment| Some(comment) == before) {
            let column = format!("{}.{}", database.table(table), quote(&origin.column));
            sql.push(format!("COMMENT ON COLUMN {column} IS {}", literal(&origin.path)));
        }
    }
    if sql.is_empty() {
        return Ok(());
    }
    database.execute_batch(&format_args!("comment table `{table}`"), &sql.join("; "))
}

/// What is said of a table: the resource, and for a child table where its rows are in those of the resource.
fn table_comment(schema: &Schema, table: &str, path: &str) -> Option<String> {
    let listed = schema.tables.get(table)?;
    let resource = schema.root_of(listed)?.resource.as_deref()?;
    Some(if path.is_empty() {
        format!("resource {resource}")
    } else {
        format!("resource {resource}, {path}")
    })
}

/// The path of the rows that a field is in: up to the last list on the way. Empty: the row of the resource itself.
fn table_path(path: &str) -> &str {
    path.rfind("[*]").map_or("", |at| &path[..at + "[*]".len()])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_table_ends_at_a_list() {
        for (path, expected) in [
            ("$.name", ""),
            ("$.address.city", ""),
            ("$.tags[*]", "$.tags[*]"),
            ("$.plans[*].price.amount", "$.plans[*]"),
            ("$.plans[*].items[*].id", "$.plans[*].items[*]"),
        ] {
            assert_eq!(table_path(path), expected);
        }
    }
}
