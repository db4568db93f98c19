//! dlt's three system tables: schemas, states, finished loads.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;

use super::super::evolution::ExistingTables;
use super::super::{Committed, DestinationError, LoadPackage};
use super::database::{Database, Param};
use crate::schema::{ENGINE_VERSION, Schema};
use crate::state::{LoadId, PipelineState};

/// Schemas.
pub(crate) const VERSIONS: &str = "_dlt_version";

/// Finished loads.
pub(crate) const LOADS: &str = "_dlt_loads";

/// States of pipelines.
pub(crate) const STATES: &str = "_dlt_pipeline_state";

/// Random bytes of a `_dlt_id`: 14 characters of base64.
const ROW_ID_BYTES: usize = 10;

/// Creates the system tables that are missing, with dlt's own columns; `existing` are the tables of the dataset.
pub(crate) fn create(database: &dyn Database, existing: &ExistingTables) -> Result<(), DestinationError> {
    for (name, columns) in &database.dialect().system_tables {
        if !existing.contains_key(*name) {
            let sql = format!("CREATE TABLE IF NOT EXISTS {} ({columns})", database.table(name));
            database.execute_batch(&format_args!("create table `{name}`"), &sql)?;
        }
    }
    Ok(())
}

/// Whether all system tables are there.
pub(crate) fn is_complete(database: &dyn Database, existing: &ExistingTables) -> bool {
    database.dialect().system_tables.iter().all(|(name, _)| existing.contains_key(*name))
}

/// What the dataset holds of a pipeline; `existing` are its tables.
pub(crate) fn read(
    database: &dyn Database,
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

fn newest_schema(database: &dyn Database, source: &str) -> Result<Option<Schema>, DestinationError> {
    let sql = format!(
        "SELECT schema, version_hash FROM {} WHERE schema_name = $1 ORDER BY inserted_at DESC LIMIT 1",
        database.table(VERSIONS)
    );
    let action = format_args!("read the schema of source `{source}`");
    let Some(row) = database.first(&action, &sql, &[source.into()])? else {
        return Ok(None);
    };
    let mut schema = Schema::from_json(&row.text(0)?)?;
    // dlt takes the column for the hash of the row, whatever the document says; so does `newest_hash`.
    schema.version_hash = row.text(1)?;
    Ok(Some(schema))
}

fn newest_state(database: &dyn Database, pipeline: &str) -> Result<Option<PipelineState>, DestinationError> {
    let sql = format!(
        "SELECT state FROM {} AS s JOIN {} AS l ON l.load_id = s._dlt_load_id \
         WHERE s.pipeline_name = $1 AND l.status = 0 ORDER BY l.load_id DESC LIMIT 1",
        database.table(STATES),
        database.table(LOADS)
    );
    let action = format_args!("read the state of pipeline `{pipeline}`");
    let Some(row) = database.first(&action, &sql, &[pipeline.into()])? else {
        return Ok(None);
    };
    Ok(Some(PipelineState::decode(&row.text(0)?, pipeline)?))
}

/// Hash of the newest state of a pipeline.
pub(crate) fn state_hash(
    database: &dyn Database,
    existing: &ExistingTables,
    pipeline: &str,
) -> Result<Option<String>, DestinationError> {
    if !existing.contains_key(STATES) || !existing.contains_key(LOADS) {
        return Ok(None);
    }
    let state = newest_state(database, pipeline)?;
    Ok(state.and_then(|state| state.version_hash().map(str::to_owned)))
}

fn last_load(database: &dyn Database) -> Result<Option<LoadId>, DestinationError> {
    let sql = format!("SELECT max(load_id) FROM {}", database.table(LOADS));
    let id = database.first(&"read the last load", &sql, &[])?.map(|row| row.maybe_text(0)).transpose()?;
    Ok(id.flatten().map(LoadId::from_stored))
}

/// Whether a load of a source is finished.
pub(crate) fn is_loaded(
    database: &dyn Database,
    source: &str,
    load_id: &LoadId,
) -> Result<bool, DestinationError> {
    let sql = format!(
        "SELECT 1 FROM {} WHERE load_id = $1 AND schema_name = $2 AND status = 0",
        database.table(LOADS)
    );
    let action = format_args!("look for load `{load_id}`");
    Ok(database.first(&action, &sql, &[load_id.as_str().into(), source.into()])?.is_some())
}

/// Hash of the newest schema of a source, and when it was stored in Unix microseconds.
pub(crate) fn newest_hash(
    database: &dyn Database,
    source: &str,
) -> Result<Option<(String, i64)>, DestinationError> {
    let sql = format!(
        "SELECT version_hash, {} FROM {} WHERE schema_name = $1 ORDER BY inserted_at DESC LIMIT 1",
        (database.dialect().micros)("inserted_at"),
        database.table(VERSIONS)
    );
    let action = format_args!("read the schema version of source `{source}`");
    let row = database.first(&action, &sql, &[source.into()])?;
    row.map(|row| Ok((row.text(0)?, row.int(1)?))).transpose()
}

/// Writes the schema if it is not the newest one, the state if there is one, and the load as finished.
pub(crate) fn write(
    database: &dyn Database,
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
         VALUES ($1, $2, 0, $3::TIMESTAMPTZ, $4)",
        database.table(LOADS)
    );
    let finished_at = instant(now);
    let values = [
        package.load_id.as_str().into(),
        (&schema.name).into(),
        (&finished_at).into(),
        (&schema.version_hash).into(),
    ];
    database.execute(&format_args!("finish load `{}`", package.load_id), &sql, &values).map(drop)
}

fn write_schema(database: &dyn Database, schema: &Schema, inserted_at: i64) -> Result<(), DestinationError> {
    let sql = format!(
        "INSERT INTO {} (version, engine_version, inserted_at, schema_name, version_hash, schema) \
         VALUES ($1, $2, $3::TIMESTAMPTZ, $4, $5, $6)",
        database.table(VERSIONS)
    );
    let document = schema.to_json().to_string();
    let inserted_at = instant(inserted_at);
    let values = [
        Param::Int(schema.version.cast_signed()),
        Param::Int(ENGINE_VERSION.cast_signed()),
        (&inserted_at).into(),
        (&schema.name).into(),
        (&schema.version_hash).into(),
        (&document).into(),
    ];
    let action = format_args!("store the schema of source `{}`", schema.name);
    database.execute(&action, &sql, &values).map(drop)
}

fn write_state(
    database: &dyn Database,
    package: &LoadPackage<'_>,
    state: &PipelineState,
    now: i64,
) -> Result<(), DestinationError> {
    let sql = format!(
        "INSERT INTO {} (version, engine_version, pipeline_name, state, created_at, version_hash, \
         _dlt_load_id, _dlt_id) VALUES ($1, $2, $3, $4, $5::TIMESTAMPTZ, $6, $7, $8)",
        database.table(STATES)
    );
    let row_id = STANDARD_NO_PAD.encode(std::array::from_fn::<u8, ROW_ID_BYTES, _>(|_| fastrand::u8(..)));
    let (document, created_at, version_hash) = (state.encode(), instant(now), state.version_hash());
    let values = [
        Param::Int(state.version().cast_signed()),
        Param::Int(state.engine_version().cast_signed()),
        package.pipeline.into(),
        (&document).into(),
        (&created_at).into(),
        version_hash.unwrap_or_default().into(),
        package.load_id.as_str().into(),
        (&row_id).into(),
    ];
    let action = format_args!("store the state of pipeline `{}`", package.pipeline);
    database.execute(&action, &sql, &values).map(drop)
}

/// Now, in Unix microseconds.
pub(crate) fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// An instant as text with its zone, which DuckDB casts without the extension `icu`.
pub(crate) fn instant(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX).to_string()
}
