//! Tables of our own beside dlt's: made by append-only SQL files, inside the transaction of a load.

use super::super::DestinationError;
use super::super::evolution::ExistingTables;
use super::super::sql::Database;
use super::super::sql::ledger::{instant, now_micros};
use super::connection::DatabaseFile;

/// Migrations that a dataset has.
const MIGRATIONS_TABLE: &str = "_forebay_migrations";

/// One file of `migrations/duckdb/`.
pub(super) struct Migration {
    /// Name of the file without `.sql`: `<timestamp>_<name>`.
    version: &'static str,
    sql: &'static str,
}

/// All migrations, oldest first.
const MIGRATIONS: [Migration; 2] = [
    Migration {
        version: "20261122000000_runs",
        sql: include_str!("../../../migrations/duckdb/20261122000000_runs.sql"),
    },
    Migration {
        version: "20261122000001_columns",
        sql: include_str!("../../../migrations/duckdb/20261122000001_columns.sql"),
    },
];

/// Runs the migrations that the dataset lacks.
pub(super) fn migrate(database: &DatabaseFile, existing: &ExistingTables) -> Result<(), DestinationError> {
    let table = database.table(MIGRATIONS_TABLE);
    let missing = missing(database, existing)?;
    if !existing.contains_key(MIGRATIONS_TABLE) {
        let sql = format!(
            "CREATE TABLE {table} (version VARCHAR NOT NULL, applied_at TIMESTAMP WITH TIME ZONE NOT NULL)"
        );
        database.execute_batch(&format_args!("create table `{MIGRATIONS_TABLE}`"), &sql)?;
    }
    for migration in missing {
        let action = format_args!("apply migration `{}`", migration.version);
        database.execute_batch(&action, &migration.sql.replace("{dataset}", &database.dataset()))?;
        let sql = format!("INSERT INTO {table} (version, applied_at) VALUES ($1, $2::TIMESTAMPTZ)");
        let applied_at = instant(now_micros());
        database.execute(&action, &sql, &[migration.version.into(), (&applied_at).into()])?;
    }
    Ok(())
}

/// Migrations that the dataset lacks, oldest first. Ones that this version does not know are a newer version's: they
/// only add, so they do not matter here.
pub(super) fn missing(
    database: &DatabaseFile,
    existing: &ExistingTables,
) -> Result<Vec<&'static Migration>, DestinationError> {
    if !existing.contains_key(MIGRATIONS_TABLE) {
        return Ok(MIGRATIONS.iter().collect());
    }
    let sql = format!("SELECT version FROM {}", database.table(MIGRATIONS_TABLE));
    let rows = database.rows(&format_args!("read table `{MIGRATIONS_TABLE}`"), &sql, &[])?;
    let applied = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
    Ok(MIGRATIONS.iter().filter(|migration| !applied.iter().any(|it| it == migration.version)).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_listed_in_order() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/duckdb");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let listed: Vec<_> = MIGRATIONS.iter().map(|migration| migration.version.to_owned()).collect();
        assert_eq!(files, listed);
    }
}
