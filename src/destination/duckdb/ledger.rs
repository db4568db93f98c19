//! dlt's three system tables: schemas, states, finished loads.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use duckdb::params;
use jiff::Timestamp;

use super::super::evolution::ExistingTables;
use super::super::{Committed, DestinationError, LoadPackage};
use super::connection::Database;
use crate::schema::{ENGINE_VERSION, Schema};
use crate::state::{LoadId, PipelineState};

/// Schemas.
pub(super) const VERSIONS: &str = "_dlt_version";

/// Finished loads.
pub(super) const LOADS: &str = "_dlt_loads";

/// States of pipelines.
pub(super) const STATES: &str = "_dlt_pipeline_state";

/// Random bytes of a `_dlt_id`: 14 characters of base64.
const ROW_ID_BYTES: usize = 10;

/// Creates the system tables that are missing, with dlt's own columns.
pub(super) fn create(database: &Database) -> Result<(), DestinationError> {
    let tables = [
        (
            VERSIONS,
            "version BIGINT NOT NULL, engine_version BIGINT NOT NULL, \
             inserted_at TIMESTAMP WITH TIME ZONE NOT NULL, schema_name VARCHAR NOT NULL, \
             version_hash VARCHAR NOT NULL, schema VARCHAR NOT NULL",
        ),
        (
            LOADS,
            "load_id VARCHAR NOT NULL, schema_name VARCHAR, status BIGINT NOT NULL, \
             inserted_at TIMESTAMP WITH TIME ZONE NOT NULL, schema_version_hash VARCHAR",
        ),
        (
            STATES,
            "version BIGINT NOT NULL, engine_version BIGINT NOT NULL, pipeline_name VARCHAR NOT NULL, \
             state VARCHAR NOT NULL, created_at TIMESTAMP WITH TIME ZONE NOT NULL, version_hash VARCHAR, \
             _dlt_load_id VARCHAR NOT NULL, _dlt_id VARCHAR NOT NULL",
        ),
    ];
    tables.iter().try_for_each(|(name, columns)| {
        let sql = format!("CREATE TABLE IF NOT EXISTS {} ({columns})", database.table(name));
        database.execute_batch(format_args!("create table `{name}`"), &sql)
    })
}

/// What the dataset holds of a pipeline; `existing` are its tables.
pub(super) fn read(
    database: &Database,
    existing: &ExistingTables,
    pipeline: &str,
    source: &str,
) -> Result<Committed, DestinationError> {
    let mut committed = Committed::default();
    if existing.contains_key(VERSIONS) {
        committed.schema = newest_schema(database, source)?;
    }
    if existing.contains_key(LOADS) {
        committed.last_load = last_load(database)?;
        if existing.contains_key(STATES) {
            committed.state = newest_state(database, pipeline)?;
        }
    }
    Ok(committed)
}

fn newest_schema(database: &Database, source: &str) -> Result<Option<Schema>, DestinationError> {
    let sql = format!(
        "SELECT schema, version_hash FROM {} WHERE schema_name = ? ORDER BY inserted_at DESC LIMIT 1",
        database.table(VERSIONS)
    );
    let read = |row: &duckdb::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
    let Some((document, hash)) =
        database.first(format_args!("read the schema of source `{source}`"), &sql, [source], read)?
    else {
        return Ok(None);
    };
    let mut schema = Schema::from_json(&document)?;
    // dlt takes the column for the hash of the row, whatever the document says; so does `newest_hash`.
    schema.version_hash = hash;
    Ok(Some(schema))
}

fn newest_state(database: &Database, pipeline: &str) -> Result<Option<PipelineState>, DestinationError> {
    let sql = format!(
        "SELECT state FROM {} AS s JOIN {} AS l ON l.load_id = s._dlt_load_id \
         WHERE s.pipeline_name = ? AND l.status = 0 ORDER BY l.load_id DESC LIMIT 1",
        database.table(STATES),
        database.table(LOADS)
    );
    let action = format_args!("read the state of pipeline `{pipeline}`");
    let text: Option<String> = database.first(action, &sql, [pipeline], |row| row.get(0))?;
    Ok(text.map(|text| PipelineState::decode(&text, pipeline)).transpose()?)
}

fn last_load(database: &Database) -> Result<Option<LoadId>, DestinationError> {
    let sql = format!("SELECT max(load_id) FROM {}", database.table(LOADS));
    let id: Option<Option<String>> = database.first("read the last load", &sql, [], |row| row.get(0))?;
    Ok(id.flatten().map(LoadId::from_stored))
}

/// Whether a load of a source is finished.
pub(super) fn is_loaded(
    database: &Database,
    source: &str,
    load_id: &LoadId,
) -> Result<bool, DestinationError> {
    let sql = format!(
        "SELECT 1 FROM {} WHERE load_id = ? AND schema_name = ? AND status = 0",
        database.table(LOADS)
    );
    let action = format_args!("look for load `{load_id}`");
    Ok(database.first(action, &sql, [load_id.as_str(), source], |_| Ok(()))?.is_some())
}

/// Hash of the newest schema of a source, and when it was stored in Unix microseconds.
pub(super) fn newest_hash(
    database: &Database,
    source: &str,
) -> Result<Option<(String, i64)>, DestinationError> {
    let sql = format!(
        "SELECT version_hash, epoch_us(inserted_at) FROM {} WHERE schema_name = ? \
         ORDER BY inserted_at DESC LIMIT 1",
        database.table(VERSIONS)
    );
    let action = format_args!("read the schema version of source `{source}`");
    database.first(action, &sql, [source], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Writes the schema if it is not the newest one, the state if there is one, and the load as finished.
pub(super) fn write(
    database: &Database,
    package: &LoadPackage<'_>,
    newest: Option<&(String, i64)>,
) -> Result<(), DestinationError> {
    let schema = &package.rows.schema;
    let now = now_micros();
    if newest.is_none_or(|(hash, _)| *hash != schema.version_hash) {
        // Newest by the clock is what counts, so the clock may not stand still or go back.
        let inserted_at = newest.map_or(now, |(_, before)| now.max(before + 1));
        write_schema(database, schema, inserted_at)?;
    }
    if let Some(state) = package.state {
        write_state(database, package, state, now)?;
    }
    let sql = format!(
        "INSERT INTO {} (load_id, schema_name, status, inserted_at, schema_version_hash) \
         VALUES (?, ?, 0, ?::TIMESTAMPTZ, ?)",
        database.table(LOADS)
    );
    let values = params![package.load_id.as_str(), schema.name, instant(now), schema.version_hash];
    database.execute(format_args!("finish load `{}`", package.load_id), &sql, values).map(drop)
}

fn write_schema(database: &Database, schema: &Schema, inserted_at: i64) -> Result<(), DestinationError> {
    let sql = format!(
        "INSERT INTO {} (version, engine_version, inserted_at, schema_name, version_hash, schema) \
         VALUES (?, ?, ?::TIMESTAMPTZ, ?, ?, ?)",
        database.table(VERSIONS)
    );
    let document = schema.to_json().to_string();
    let values = params![
        schema.version,
        ENGINE_VERSION,
        instant(inserted_at),
        schema.name,
        schema.version_hash,
        document
    ];
    database.execute(format_args!("store the schema of source `{}`", schema.name), &sql, values).map(drop)
}

fn write_state(
    database: &Database,
    package: &LoadPackage<'_>,
    state: &PipelineState,
    now: i64,
) -> Result<(), DestinationError> {
    let sql = format!(
        "INSERT INTO {} (version, engine_version, pipeline_name, state, created_at, version_hash, \
         _dlt_load_id, _dlt_id) VALUES (?, ?, ?, ?, ?::TIMESTAMPTZ, ?, ?, ?)",
        database.table(STATES)
    );
    let row_id = STANDARD_NO_PAD.encode(std::array::from_fn::<u8, ROW_ID_BYTES, _>(|_| fastrand::u8(..)));
    let values = params![
        state.version(),
        state.engine_version(),
        package.pipeline,
        state.encode(),
        instant(now),
        state.version_hash(),
        package.load_id.as_str(),
        row_id
    ];
    let action = format_args!("store the state of pipeline `{}`", package.pipeline);
    database.execute(action, &sql, values).map(drop)
}

/// Now, in Unix microseconds.
pub(super) fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// An instant as text with its zone, which DuckDB casts without the extension `icu`.
pub(super) fn instant(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX).to_string()
}
