//! Advisory locks: the server drops them with the session or transaction that has them, however that ends.
//!
//! Keys are numbers of 64 bits that all programs of a database share; ours are hashes of what is locked, so that
//! they meet nobody else's.

use sha3::{Digest, Sha3_256};

use super::super::DestinationError;
use super::super::sql::Param;
use super::connection::Session;

/// First part of what is hashed.
const NAMESPACE: &str = "forebay";

/// Longest `application_name` that servers keep, in bytes.
const MAX_APPLICATION_NAME: usize = 63;

/// What became of an attempt to lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The session has the lock until it ends.
    Acquired,
    /// Another one has it: `forebay members (pid 7) on 10.0.0.7 (server process 1234, since 2026-11-22T10:00:00Z)`.
    HeldBy(String),
}

/// Name of the session of a run in the server's list, which tells whoever waits for its lock what to look for.
pub(crate) fn application_name(pipeline: &str) -> String {
    let process = format!(" (pid {})", std::process::id());
    let mut name = format!("forebay {pipeline}");
    name.truncate(name.floor_char_boundary(MAX_APPLICATION_NAME - process.len()));
    name + &process
}

/// Takes the lock that keeps two runs of a pipeline apart, for as long as the session lasts. Does not wait.
///
/// # Errors
/// The connection breaks.
pub(crate) fn try_lock_pipeline(
    session: &Session,
    dataset: &str,
    pipeline: &str,
) -> Result<Attempt, DestinationError> {
    let key = key(&["pipeline", dataset, pipeline]);
    let action = format_args!("lock pipeline `{pipeline}` in dataset `{dataset}`");
    let rows = session.rows(&action, "SELECT pg_try_advisory_lock($1)", &[Param::Int(key)])?;
    if rows.first().is_some_and(|row| row.int(0).is_ok_and(|is_held| is_held == 1)) {
        return Ok(Attempt::Acquired);
    }
    holder(session, key).map(Attempt::HeldBy)
}

/// Waits for the lock of a dataset and keeps it until the transaction ends: for changes that two loads must not make
/// at the same time, like making tables. Taken after the lock of a source.
///
/// # Errors
/// The connection breaks.
pub(crate) fn lock_dataset(session: &Session, dataset: &str) -> Result<(), DestinationError> {
    let action = format_args!("lock dataset `{dataset}`");
    lock_until_commit(session, &action, key(&["dataset", dataset]))
}

/// Waits for the lock of a source in a dataset and keeps it until the transaction ends: loads of one source, whose
/// tables are the same, come one after the other.
///
/// # Errors
/// The connection breaks.
pub(crate) fn lock_source(session: &Session, dataset: &str, source: &str) -> Result<(), DestinationError> {
    let action = format_args!("lock source `{source}` in dataset `{dataset}`");
    lock_until_commit(session, &action, key(&["source", dataset, source]))
}

/// Waits as long as it takes: the holder is a load that goes on, whose own waits end. One whose client is gone, the
/// server ends by itself.
fn lock_until_commit(
    session: &Session,
    action: &dyn std::fmt::Display,
    key: i64,
) -> Result<(), DestinationError> {
    // What the session waits for tables may be the URL's, which only the server knows.
    let sql = format!(
        "SELECT set_config('forebay.lock_timeout', current_setting('lock_timeout'), true), \
         set_config('lock_timeout', '0', true); \
         SELECT pg_advisory_xact_lock({key}); \
         SELECT set_config('lock_timeout', current_setting('forebay.lock_timeout'), true)"
    );
    session.execute_batch(action, &sql)
}

/// The session that has a lock. What this role may not see of another role's session is left out.
fn holder(session: &Session, key: i64) -> Result<String, DestinationError> {
    // The two halves of the key, as the server shows them.
    let bytes = key.to_be_bytes();
    let half = |index: usize| {
        let half = [bytes[index], bytes[index + 1], bytes[index + 2], bytes[index + 3]];
        Param::Int(u32::from_be_bytes(half).into())
    };
    let sql = "SELECT holder.pid, nullif(application_name, ''), host(client_addr), \
               to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
               FROM pg_catalog.pg_locks AS holder LEFT JOIN pg_catalog.pg_stat_activity USING (pid) \
               WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
               AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
               AND classid::bigint = $1 AND objid::bigint = $2";
    let rows = session.rows(&"find out who has the lock", sql, &[half(0), half(4)])?;
    let Some(row) = rows.first() else {
        return Ok("another session".to_owned());
    };
    let name = row.maybe_text(1)?.unwrap_or_else(|| "another session".to_owned());
    let place = row.maybe_text(2)?.map(|address| format!(" on {address}")).unwrap_or_default();
    let since = row.maybe_text(3)?.map(|time| format!(", since {time}")).unwrap_or_default();
    Ok(format!("{name}{place} (server process {}{since})", row.int(0)?))
}

/// The number that stands for what is locked. It is the same in each version, machine and build.
pub(super) fn key(parts: &[&str]) -> i64 {
    let mut hash = Sha3_256::new();
    for part in [NAMESPACE].iter().chain(parts) {
        // With its length, so that `ab`, `c` is not `a`, `bc`.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |key, byte| (key << 8) | i64::from(*byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_what_they_are_and_differ() {
        // Another version that runs at the same time has to find the same number.
        assert_eq!(key(&["pipeline", "ds", "p"]), KNOWN_KEY);
        let keys = [
            key(&["pipeline", "ds", "p"]),
            key(&["pipeline", "dsp", ""]),
            key(&["pipeline", "d", "sp"]),
            key(&["source", "ds", "p"]),
            key(&["dataset", "ds"]),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(!keys[index + 1..].contains(one), "{keys:?}");
        }
    }

    /// The first eight bytes of SHA3-256 of the four texts, each after its length in eight bytes.
    const KNOWN_KEY: i64 = 4_921_281_623_667_188_905;

    #[test]
    fn names_of_sessions_fit() {
        for pipeline in ["members", "é", &"é".repeat(100)] {
            let name = application_name(pipeline);
            assert!(name.len() <= MAX_APPLICATION_NAME, "{name}");
            assert!(
                name.starts_with("forebay ") && name.ends_with(&format!(" (pid {})", std::process::id()))
            );
        }
    }
}
