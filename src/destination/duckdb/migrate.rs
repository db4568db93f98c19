//! Tables of our own beside dlt's: made by append-only SQL files, inside the transaction of a load.

use duckdb::params;

use super::super::evolution::ExistingTables;
use super::super::{DestinationError, RunRecord, StoredRun};
use super::connection::Database;
use super::ledger::{instant, now_micros};
use crate::state::LoadId;

/// Migrations that a dataset has.
const MIGRATIONS_TABLE: &str = "_forebay_migrations";

/// What each resource did in each load.
const RUNS: &str = "_forebay_runs";

/// One file of `migrations/duckdb/`.
struct Migration {
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

/// Runs the migrations that the dataset lacks. Ones that this version does not know are a newer version's: they
/// only add, so they do not matter here.
pub(super) fn migrate(database: &Database) -> Result<(), DestinationError> {
    let table = database.table(MIGRATIONS_TABLE);
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {table} (version VARCHAR NOT NULL, \
         applied_at TIMESTAMP WITH TIME ZONE NOT NULL)"
    );
    database.execute_batch(format_args!("create table `{MIGRATIONS_TABLE}`"), &sql)?;
    let applied: Vec<String> = database.rows(
        format_args!("read table `{MIGRATIONS_TABLE}`"),
        &format!("SELECT version FROM {table}"),
        [],
        |row| row.get(0),
    )?;
    for migration in MIGRATIONS.iter().filter(|migration| !applied.iter().any(|it| it == migration.version)) {
        let action = format_args!("apply migration `{}`", migration.version);
        database.execute_batch(action, &migration.sql.replace("{dataset}", &database.dataset()))?;
        let sql = format!("INSERT INTO {table} (version, applied_at) VALUES (?, ?::TIMESTAMPTZ)");
        database.execute(action, &sql, [migration.version, &instant(now_micros())])?;
    }
    Ok(())
}

/// Writes what each resource did.
pub(super) fn write_runs(
    database: &Database,
    load_id: &LoadId,
    pipeline: &str,
    runs: &[RunRecord],
) -> Result<(), DestinationError> {
    let sql = format!(
        "INSERT INTO {} (load_id, pipeline, resource, outcome, row_count, page_count, request_count, \
         started_at, finished_at, forebay_version) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?::TIMESTAMPTZ, ?::TIMESTAMPTZ, ?)",
        database.table(RUNS)
    );
    for run in runs {
        let values = params![
            load_id.as_str(),
            pipeline,
            run.resource,
            run.outcome,
            run.row_count,
            run.page_count,
            run.request_count,
            instant(run.started_at),
            instant(run.finished_at),
            env!("CARGO_PKG_VERSION")
        ];
        database.execute(format_args!("record the run of resource `{}`", run.resource), &sql, values)?;
    }
    Ok(())
}

/// The newest `limit` rows, newest first. None if nothing was loaded yet, or only by dlt.
pub(super) fn read_runs(
    database: &Database,
    existing: &ExistingTables,
    limit: u32,
) -> Result<Vec<StoredRun>, DestinationError> {
    if !existing.contains_key(RUNS) {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT load_id, pipeline, resource, outcome, row_count, page_count, request_count, \
         epoch_us(started_at), epoch_us(finished_at), forebay_version \
         FROM {} ORDER BY load_id DESC, started_at DESC, rowid DESC LIMIT ?",
        database.table(RUNS)
    );
    database.rows(format_args!("read table `{RUNS}`"), &sql, [limit], |row| {
        Ok(StoredRun {
            load_id: LoadId::from_stored(row.get::<_, String>(0)?),
            pipeline: row.get(1)?,
            record: RunRecord {
                resource: row.get(2)?,
                outcome: row.get(3)?,
                row_count: row.get(4)?,
                page_count: row.get(5)?,
                request_count: row.get(6)?,
                started_at: row.get(7)?,
                finished_at: row.get(8)?,
            },
            forebay_version: row.get(9)?,
        })
    })
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
