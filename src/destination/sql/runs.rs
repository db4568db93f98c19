//! What each resource did in each load, in `_forebay_runs`.

use super::super::evolution::ExistingTables;
use super::super::{DestinationError, RunRecord, StoredRun};
use super::database::{Database, Param, Row};
use super::ledger::instant;
use crate::state::LoadId;

/// What each resource did in each load.
pub(crate) const RUNS: &str = "_forebay_runs";

/// Writes what each resource did.
pub(crate) fn write(
    database: &dyn Database,
    load_id: &LoadId,
    pipeline: &str,
    runs: &[RunRecord],
) -> Result<(), DestinationError> {
    let sql = format!(
        "INSERT INTO {} (load_id, pipeline, resource, outcome, row_count, page_count, request_count, \
         started_at, finished_at, forebay_version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::TIMESTAMPTZ, $9::TIMESTAMPTZ, $10)",
        database.table(RUNS)
    );
    for run in runs {
        let (started_at, finished_at) = (instant(run.started_at), instant(run.finished_at));
        let values = [
            load_id.as_str().into(),
            pipeline.into(),
            (&run.resource).into(),
            (&run.outcome).into(),
            Param::Int(run.row_count.cast_signed()),
            Param::Int(run.page_count.cast_signed()),
            Param::Int(run.request_count.cast_signed()),
            (&started_at).into(),
            (&finished_at).into(),
            env!("CARGO_PKG_VERSION").into(),
        ];
        database.execute(&format_args!("record the run of resource `{}`", run.resource), &sql, &values)?;
    }
    Ok(())
}

/// The newest `limit` rows, newest first. None if nothing was loaded yet, or only by dlt.
pub(crate) fn read(
    database: &dyn Database,
    existing: &ExistingTables,
    limit: u32,
) -> Result<Vec<StoredRun>, DestinationError> {
    if !existing.contains_key(RUNS) {
        return Ok(Vec::new());
    }
    let micros = database.dialect().micros;
    let sql = format!(
        "SELECT load_id, pipeline, resource, outcome, row_count, page_count, request_count, {}, {}, forebay_version \
         FROM {} ORDER BY load_id DESC, started_at DESC, resource LIMIT $1",
        micros("started_at"),
        micros("finished_at"),
        database.table(RUNS)
    );
    let rows = database.rows(&format_args!("read table `{RUNS}`"), &sql, &[Param::Int(limit.into())])?;
    let run = |row: &Row| {
        Ok(StoredRun {
            load_id: LoadId::from_stored(row.text(0)?),
            pipeline: row.text(1)?,
            record: RunRecord {
                resource: row.text(2)?,
                outcome: row.text(3)?,
                row_count: row.int(4)?.cast_unsigned(),
                page_count: row.int(5)?.cast_unsigned(),
                request_count: row.int(6)?.cast_unsigned(),
                started_at: row.int(7)?,
                finished_at: row.int(8)?,
            },
            forebay_version: row.text(9)?,
        })
    };
    rows.iter().map(run).collect()
}
