//! Tables of our own beside dlt's: made by append-only SQL files, inside the transaction of a load.
//!
//! The driver's migrator runs them and keeps the list of those that are there. Locking is ours: its own lock is one
//! for the whole database and is let go before the transaction ends, when nobody else can see its tables yet.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use super::super::DestinationError;
use super::super::sql::{Cell, Param, quote};
use super::connection::Session;
use super::error::migration_failed;
use super::lock;

/// Migrations that a dataset has.
pub(super) const MIGRATIONS_TABLE: &str = "_forebay_migrations";

/// One file of `migrations/postgres/`.
struct File {
    /// `<timestamp>` of `<timestamp>_<name>.sql`.
    version: i64,
    /// `<name>`.
    name: &'static str,
    sql: &'static str,
}

/// All migrations, oldest first.
const MIGRATIONS: [File; 2] = [
    File {
        version: 20_261_122_000_000,
        name: "runs",
        sql: include_str!("../../../migrations/postgres/20261122000000_runs.sql"),
    },
    File {
        version: 20_261_122_000_001,
        name: "columns",
        sql: include_str!("../../../migrations/postgres/20261122000001_columns.sql"),
    },
];

/// Makes the schema of a dataset if it is missing. A role that may not make schemas can use one that is there. To be
/// called inside of a transaction, which has the lock of the dataset from then on.
///
/// # Errors
/// The role may not make schemas in this database.
pub(crate) fn create_dataset(session: &Session, dataset: &str) -> Result<(), DestinationError> {
    if has_dataset(session, dataset)? {
        return Ok(());
    }
    lock::lock_dataset(session, dataset)?;
    // Somebody else may have made it in the meantime.
    if has_dataset(session, dataset)? {
        return Ok(());
    }
    session.execute_batch(
        &format_args!("create schema `{dataset}`"),
        &format!("CREATE SCHEMA {}", quote(dataset)),
    )
}

fn has_dataset(session: &Session, dataset: &str) -> Result<bool, DestinationError> {
    let rows = session.rows(
        &format_args!("look for schema `{dataset}`"),
        "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1",
        &[Param::Text(dataset)],
    )?;
    Ok(!rows.is_empty())
}

/// Runs the migrations that the dataset lacks; its schema is there. To be called inside of a transaction. Ones that
/// this version does not know are a newer version's: they only add, so they do not matter here. Where none is
/// missing, nothing is locked, and no right is needed but that to read the list.
///
/// # Errors
/// The role may not make tables in the schema, or a migration is not what it was when it was applied.
pub(crate) fn migrate(session: &Session, dataset: &str) -> Result<(), DestinationError> {
    if is_current(session, dataset)? {
        return Ok(());
    }
    lock::lock_dataset(session, dataset)?;
    let migrator = migrator(dataset);
    let result = session.run(&"apply migrations", async |connection| {
        Ok(migrator.run_direct(None, connection, false).await)
    })?;
    result.map_err(|error| migration_failed(error, session.lock_timeout()))
}

/// Whether the dataset has all migrations of this version.
pub(super) fn is_current(session: &Session, dataset: &str) -> Result<bool, DestinationError> {
    let action = format_args!("read table `{MIGRATIONS_TABLE}`");
    let table = table(dataset);
    let found = session.rows(&action, "SELECT to_regclass($1)::text", &[Param::Text(&table)])?;
    if found.first().is_none_or(|row| row.0.first() == Some(&Cell::Null)) {
        return Ok(false);
    }
    let applied = session.rows(&action, &format!("SELECT version FROM {table}"), &[])?;
    Ok(MIGRATIONS
        .iter()
        .all(|file| applied.iter().any(|row| row.int(0).is_ok_and(|version| version == file.version))))
}

fn migrator(dataset: &str) -> Migrator {
    let migrations = MIGRATIONS.iter().map(|file| {
        // No transaction of its own: the load's is open.
        let migration = Migration::new(
            file.version,
            file.name.into(),
            MigrationType::Simple,
            file.sql.into_sql_str(),
            true,
        );
        // The checksum stays that of the file, so that a schema can be renamed.
        let sql = AssertSqlSafe(file.sql.replace("{dataset}", &quote(dataset))).into_sql_str();
        Migration { sql, ..migration }
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.set_ignore_missing(true).set_locking(false);
    migrator.dangerous_set_table_name(table(dataset));
    migrator
}

fn table(dataset: &str) -> String {
    format!("{}.{}", quote(dataset), quote(MIGRATIONS_TABLE))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_listed_in_order() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed: Vec<_> =
            MIGRATIONS.iter().map(|file| format!("{}_{}.sql", file.version, file.name)).collect();
        assert_eq!(files, listed);
    }
}
