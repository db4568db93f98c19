//! One session with a server: connecting, settings, statements and COPY, for callers that block.

use std::cell::RefCell;
use std::fmt::Display;
use std::io;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection, PgSslMode};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, Postgres};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::super::DestinationError;
use super::super::sql::{Param, Row};
use super::error::{connect_failed, failed, is_passing, is_refused_login, is_tls};
use super::options::Options;
use super::retry::retry;
use super::value;

/// How long a server that starts, or is full, is waited for.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(30);

/// COPY data is sent in pieces of about this many bytes: large enough that a piece costs nothing, small enough to
/// hold no memory to speak of.
const COPY_CHUNK: usize = 128 << 10;

/// Settings of each session, unless the URL has them in its `options`. Those of a role or database do not count: a
/// limit that somebody set for people's queries would end a long load.
const SETTINGS: [(&str, &str); 10] = [
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    // From version 14, and 17. A server that does not have a setting is not asked for it.
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("client_min_messages", "warning"),
    ("standard_conforming_strings", "on"),
    // Shortest text that is the same number.
    ("extra_float_digits", "1"),
    // A machine that vanished has its session, and its locks, for two minutes and not for two hours. Also keeps
    // firewalls from forgetting a session that waits for pages.
    ("tcp_keepalives_idle", "60"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "6"),
];

/// Also looks, in the middle of a long statement, whether there still is somebody to do it for: a run that was
/// killed loses its locks within this time. From version 14, and not on every system, so its failure is no failure.
const CLIENT_CHECK: &str = "SELECT set_config('client_connection_check_interval', '10s', false) \
    FROM pg_settings WHERE name = 'client_connection_check_interval' AND source <> 'client'";

/// A session. Its methods block, each on a runtime of its own, so they are not for threads of another runtime.
///
/// Nothing relies on `search_path`: statements name the schema.
pub(crate) struct Session {
    /// Until the session is closed or dropped.
    live: Option<Live>,
    lock_timeout: Duration,
}

struct Live {
    connection: RefCell<PgConnection>,
    runtime: Runtime,
}

impl Session {
    /// Connects. A server that starts, is full or does not answer is tried again for as long as `patience`; the log
    /// says so. Waiting for a lock is given up after `lock_timeout`: a lock that somebody forgot would hold a run for
    /// good.
    ///
    /// # Errors
    /// There is no connection, or the server does not let the role in.
    pub(crate) fn connect(
        options: &Options,
        patience: Duration,
        lock_timeout: Duration,
    ) -> Result<Self, DestinationError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
            DestinationError::Unreachable { server: options.peer.server.clone(), reason: error.to_string() }
        })?;
        let on_wait = |error: &sqlx::Error| {
            tracing::warn!("{}; trying for {} s", connect_failed(&options.peer, error), patience.as_secs());
        };
        let connected =
            runtime.block_on(retry(patience, is_passing, on_wait, async || establish(options).await));
        let connection = connected.map_err(|error| connect_failed(&options.peer, &error))?;
        let live = Live { connection: RefCell::new(connection), runtime };
        let session = Self { live: Some(live), lock_timeout };
        session.set_up()?;
        Ok(session)
    }

    fn set_up(&self) -> Result<(), DestinationError> {
        let lock_timeout = format!("{}ms", self.lock_timeout.as_millis());
        let settings = SETTINGS.into_iter().chain([("lock_timeout", lock_timeout.as_str())]);
        let values: Vec<_> = settings.map(|(name, value)| format!("('{name}', '{value}')")).collect();
        let sql = format!(
            "SELECT set_config(ours.name, ours.value, false) FROM (VALUES {}) AS ours (name, value) \
             JOIN pg_catalog.pg_settings AS theirs ON theirs.name = ours.name WHERE theirs.source <> 'client'",
            values.join(", ")
        );
        self.execute_batch(&"set up the session", &sql)?;
        let _ = self.execute_batch(&"set up the session", CLIENT_CHECK);
        Ok(())
    }

    /// Runs one statement with parameters `$1`… Returns how many rows it changed.
    ///
    /// # Errors
    /// The statement fails, or the connection breaks.
    pub(crate) fn execute(
        &self,
        action: &dyn Display,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<u64, DestinationError> {
        let result = self.run(action, async |connection| query(sql, params).execute(connection).await)?;
        Ok(result.rows_affected())
    }

    /// Runs statements without parameters.
    ///
    /// # Errors
    /// A statement fails, or the connection breaks.
    pub(crate) fn execute_batch(&self, action: &dyn Display, sql: &str) -> Result<(), DestinationError> {
        let sql = AssertSqlSafe(sql.to_owned());
        self.run(action, async |connection| sqlx::raw_sql(sql).execute(connection).await).map(drop)
    }

    /// All rows of a query, whose columns are texts and integers.
    ///
    /// # Errors
    /// The query fails, or the connection breaks.
    pub(crate) fn rows(
        &self,
        action: &dyn Display,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, DestinationError> {
        self.run(action, async |connection| {
            let rows = query(sql, params).fetch_all(connection).await?;
            rows.iter().map(value::read).collect()
        })
    }

    /// Runs a `COPY … FROM STDIN`. Returns how many rows it wrote.
    ///
    /// `feed` appends data to the buffer that it is given and says whether there is more; it may append any number of
    /// bytes, and none. It is asked for more only when the server has taken what it had before.
    ///
    /// # Errors
    /// `feed` fails, whose error is returned, or the server does. Nothing is copied then.
    pub(crate) fn copy_in(
        &self,
        action: &dyn Display,
        sql: &str,
        mut feed: impl FnMut(&mut Vec<u8>) -> Result<bool, DestinationError>,
    ) -> Result<u64, DestinationError> {
        self.run(action, async |connection| {
            let mut copy = connection.copy_in_raw(sql).await?;
            let mut buffer = Vec::with_capacity(COPY_CHUNK);
            loop {
                let has_more = match feed(&mut buffer) {
                    Ok(has_more) => has_more,
                    Err(error) => {
                        copy.abort("the client could not make the rows").await?;
                        return Ok(Err(error));
                    }
                };
                if buffer.len() >= COPY_CHUNK || !has_more {
                    copy.send(buffer.as_slice()).await?;
                    buffer.clear();
                }
                if !has_more {
                    return copy.finish().await.map(Ok);
                }
            }
        })?
    }

    /// How long the session waits for locks.
    pub(crate) fn lock_timeout(&self) -> Duration {
        self.lock_timeout
    }

    /// Says good-bye to the server. Dropping a session closes it, too, but the server's log calls that unexpected.
    pub(crate) fn close(mut self) {
        if let Some(Live { connection, runtime }) = self.live.take() {
            // A server that is gone needs no good-bye.
            let _ = runtime.block_on(connection.into_inner().close());
        }
    }

    /// Does something with the connection.
    pub(super) fn run<T>(
        &self,
        action: &dyn Display,
        work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
    ) -> Result<T, DestinationError> {
        let free = self.live.as_ref().and_then(|live| Some((live, live.connection.try_borrow_mut().ok()?)));
        let Some((live, mut connection)) = free else {
            let reason = "the connection is in use".to_owned();
            return Err(DestinationError::Statement { action: action.to_string(), reason });
        };
        live.runtime
            .block_on(work(&mut connection))
            .map_err(|error| failed(action, &error, self.lock_timeout))
    }
}

/// Whatever thread drops a session, one of another runtime included, may not wait for this one.
impl Drop for Session {
    fn drop(&mut self) {
        if let Some(Live { connection, runtime }) = self.live.take() {
            drop(connection);
            runtime.shutdown_background();
        }
    }
}

/// A statement that is prepared for this once: a plan that the driver kept would not survive DDL.
fn query<'a>(sql: &str, params: &[Param<'a>]) -> Query<'a, Postgres, PgArguments> {
    let query = sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false);
    params.iter().fold(query, |query, param| match param {
        Param::Text(text) => query.bind(*text),
        Param::Int(number) => query.bind(*number),
    })
}

/// One attempt to connect, with all modes of encryption that may be tried.
async fn establish(options: &Options) -> sqlx::Result<PgConnection> {
    let mut refusal = None;
    for (mode, attempt) in options.attempts() {
        let connecting = PgConnection::connect_with(&attempt);
        let result = match options.connect_timeout {
            None => connecting.await,
            Some(limit) => timeout(limit, connecting).await.unwrap_or_else(|_| {
                let reason = format!("no answer within {} s", limit.as_secs());
                Err(io::Error::new(io::ErrorKind::TimedOut, reason).into())
            }),
        };
        match result {
            Err(error) if refusal.is_none() && may_fall_back(mode, &error) => refusal = Some(error),
            // The first refusal is about what was asked for.
            Err(error) => return Err(refusal.unwrap_or(error)),
            connected => return connected,
        }
    }
    Err(refusal.unwrap_or_else(|| sqlx::Error::InvalidArgument("no mode of encryption".to_owned())))
}

/// Whether another mode may get in where this one did not.
fn may_fall_back(mode: PgSslMode, error: &sqlx::Error) -> bool {
    match mode {
        PgSslMode::Disable => is_refused_login(error),
        PgSslMode::Prefer => is_refused_login(error) || is_tls(error),
        _ => false,
    }
}
