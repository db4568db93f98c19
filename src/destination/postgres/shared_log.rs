//! A log of short lines that programs on many machines read and add to, one at a time: the row of its key is locked.
//!
//! The time is the server's. An exchange is two round trips: one takes the lock and reads, one adds and lets go. What
//! the server loses in a crash is less than a second, which passes before it is up again.

use std::fmt::Display;
use std::io;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Row as _};
use tokio::time::timeout;

use super::super::DestinationError;
use super::super::sql::literal;
use super::connection::Session;
use super::options::Options;
use super::{CONNECT_PATIENCE, retry_pause};
use crate::config::PostgresPlan;

/// Schema of the tables.
const SCHEMA: &str = "forebay_quota";

/// Number of the advisory lock under which the tables are made: `forebay` in ASCII.
const CREATION_LOCK: u64 = 0x66_6f72_6562_6179;

/// How long to wait for another program's exchange, which takes milliseconds. The server ends those of machines that
/// are gone after two minutes.
const LOCK_TIMEOUT: Duration = Duration::from_secs(150);

/// A server that says nothing for longer is gone without a word: nothing else would end the wait for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(180);

/// A program that stands still in the middle of an exchange loses its turn after this time: all others wait for it.
const IDLE_TIMEOUT: &str = "SET idle_in_transaction_session_timeout = '20s'";

/// The clocks of two machines may run apart by one part in this many.
const CLOCK_DRIFT: i64 = 1000;

/// How often a new session is asked for the time: the first answers come late.
const TIMES_ASKED: usize = 5;

/// The server's time, as a row of a log without a line.
const NOW: &str =
    "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS number, NULL::text AS line";

/// Exchanges until lines that matter no more are removed.
const CLEANED_EVERY: u32 = 500;

/// Attempts at one exchange, with a new session for each.
const MAX_ATTEMPTS: u32 = 4;

/// The log of one key.
pub struct SharedLog {
    options: Options,
    key: String,
    horizon: Duration,
    session: Option<Session>,
    /// Number of the last line that was read or written.
    last: i64,
    is_anew: bool,
    clock: ServerClock,
    exchanges: u32,
}

/// What is known of the server's clock, in microseconds: the time of an answer is after the question was sent, and
/// before it came.
#[derive(Debug)]
struct ServerClock {
    start: Instant,
    /// What the server's clock is ahead of the time since `start`, at least and at most.
    ahead: Option<(i64, i64)>,
    noted: i64,
    round_trip: Duration,
}

/// What is in a log.
#[derive(Debug)]
pub struct Found {
    /// The server's time, in microseconds since 1970, or a little less.
    pub now: u64,
    /// What it may be more.
    pub uncertainty: Duration,
    /// What others added since the last exchange, oldest first; or all there are.
    pub lines: Vec<String>,
    /// How long the way to the server and back takes.
    pub round_trip: Duration,
}

impl SharedLog {
    /// Opens the log of `key` in a database, whose tables are made at first use. Lines matter for `horizon`.
    ///
    /// # Errors
    /// The server is not there, does not let the role in, or the tables cannot be made.
    pub fn open(url: &PostgresPlan, key: &str, horizon: Duration) -> Result<Self, DestinationError> {
        let name = format!("forebay quota (pid {})", std::process::id());
        let options = Options::resolve(url, &name, &|name| std::env::var(name).ok())?;
        let mut log = Self {
            options,
            key: key.to_owned(),
            horizon,
            session: None,
            last: 0,
            is_anew: true,
            clock: ServerClock { start: Instant::now(), ahead: None, noted: 0, round_trip: Duration::MAX },
            exchanges: 0,
        };
        let session = log.connect()?;
        log.session = Some(session);
        Ok(log)
    }

    /// The server, as messages name it.
    pub fn server(&self) -> &str {
        &self.options.peer.server
    }

    fn connect(&mut self) -> Result<Session, DestinationError> {
        let session = Session::connect(&self.options, CONNECT_PATIENCE, LOCK_TIMEOUT)?;
        session.execute_batch(&"set up the session", IDLE_TIMEOUT)?;
        let made = session.rows(
            &"look for the quota's tables",
            &format!("SELECT to_regclass('{SCHEMA}.lines') IS NOT NULL"),
            &[],
        )?;
        if !made.first().is_some_and(|row| row.int(0).is_ok_and(|made| made == 1)) {
            // Two that come first at once would both make them.
            let sql = format!(
                "BEGIN; SELECT pg_advisory_xact_lock({CREATION_LOCK}); \
                 CREATE SCHEMA IF NOT EXISTS {SCHEMA}; \
                 CREATE TABLE IF NOT EXISTS {SCHEMA}.keys (\
                 key text PRIMARY KEY, horizon interval NOT NULL); \
                 CREATE TABLE IF NOT EXISTS {SCHEMA}.lines (\
                 key text NOT NULL REFERENCES {SCHEMA}.keys, number bigint GENERATED ALWAYS AS IDENTITY, \
                 line text NOT NULL, written_at timestamptz NOT NULL DEFAULT clock_timestamp(), \
                 PRIMARY KEY (key, number)); COMMIT"
            );
            session.execute_batch(&"make the quota's tables", &sql)?;
        }
        let sql = format!(
            // Whatever the server's default is: two that begin at once must not refuse each other.
            "BEGIN ISOLATION LEVEL READ COMMITTED; INSERT INTO {SCHEMA}.keys AS known (key, horizon) VALUES ({}, {}) \
             ON CONFLICT (key) DO UPDATE SET horizon = greatest(known.horizon, excluded.horizon); COMMIT",
            literal(&self.key),
            literal(&format!("{} seconds", self.horizon.as_secs_f64()))
        );
        session.execute_batch(&"make the quota's row", &sql)?;
        for _ in 0..TIMES_ASKED {
            let asked = self.clock.elapsed();
            for (time, _) in run(&session, &"ask the quota store for the time", NOW.to_owned())? {
                self.clock.note_round_trip(time, asked);
            }
        }
        Ok(session)
    }

    /// Takes the lock, shows what was added, adds what `decide` returns. A broken connection is made anew, and then
    /// `decide` is called again with all lines.
    ///
    /// # Errors
    /// The server stays away, or refuses.
    pub fn exchange(&mut self, decide: &mut dyn FnMut(Found) -> Vec<String>) -> Result<(), DestinationError> {
        let mut attempt = 1;
        loop {
            match self.try_exchange(decide) {
                Err(error) if is_lost(&error) && attempt < MAX_ATTEMPTS => {
                    tracing::warn!(%error, attempt, "lost the quota store; connecting anew");
                    self.session = None;
                    self.is_anew = true;
                    std::thread::sleep(retry_pause());
                    attempt += 1;
                }
                done => {
                    if done.is_err() {
                        self.session = None;
                        self.is_anew = true;
                    }
                    return done;
                }
            }
        }
    }

    fn try_exchange(&mut self, decide: &mut dyn FnMut(Found) -> Vec<String>) -> Result<(), DestinationError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.connect()?,
        };
        let done = self.exchange_in(&session, decide);
        self.session = Some(session);
        done
    }

    fn exchange_in(
        &mut self,
        session: &Session,
        decide: &mut dyn FnMut(Found) -> Vec<String>,
    ) -> Result<(), DestinationError> {
        let key = literal(&self.key);
        let last = if self.is_anew { 0 } else { self.last };
        // Each statement sees what was committed before it: the second one all that was added before the lock.
        let sql = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off; \
             SELECT FROM {SCHEMA}.keys WHERE key = {key} FOR UPDATE; \
             {NOW} UNION ALL (SELECT number, line FROM {SCHEMA}.lines WHERE key = {key} AND number > {last} \
             ORDER BY number)"
        );
        let asked = self.clock.elapsed();
        let rows = run(session, &"read the used quota", sql)?;
        let mut is_told = false;
        let mut lines = Vec::new();
        for (number, line) in rows {
            match line {
                None => {
                    is_told = true;
                    self.clock.note(number, asked);
                }
                Some(line) => {
                    self.last = self.last.max(number);
                    lines.push(line);
                }
            }
        }
        if !is_told {
            let reason = "the server did not tell the time".to_owned();
            return Err(DestinationError::Statement { action: "read the used quota".to_owned(), reason });
        }
        self.is_anew = false;
        let (now, uncertainty) = self.clock.now();
        let round_trip = self.clock.round_trip;
        let new = decide(Found { now, uncertainty, lines, round_trip });
        self.add(session, &new)
    }

    /// Adds lines and lets go of the lock.
    fn add(&mut self, session: &Session, lines: &[String]) -> Result<(), DestinationError> {
        let key = literal(&self.key);
        let mut sql = String::new();
        if !lines.is_empty() {
            let values: Vec<_> = lines.iter().map(|line| format!("({key}, {})", literal(line))).collect();
            sql = format!(
                "INSERT INTO {SCHEMA}.lines (key, line) VALUES {} RETURNING number, ''::text AS line; ",
                values.join(", ")
            );
        }
        // Short runs, too, leave no more than there was.
        if self.exchanges.is_multiple_of(CLEANED_EVERY) {
            // How long a pause is has nothing to do with the windows.
            sql += &format!(
                "DELETE FROM {SCHEMA}.lines WHERE key = {key} AND written_at < clock_timestamp() - \
                 CASE WHEN line LIKE 'p %' THEN interval '1 day' \
                 ELSE 2 * (SELECT horizon FROM {SCHEMA}.keys WHERE key = {key}) END; "
            );
        }
        // Nobody is waited for here: this is what tells the time well.
        sql += &format!("COMMIT; {NOW}");
        self.exchanges = self.exchanges.wrapping_add(1);
        let asked = self.clock.elapsed();
        for (number, line) in run(session, &"record used quota", sql)? {
            match line {
                Some(_) => self.last = self.last.max(number),
                None => self.clock.note_round_trip(number, asked),
            }
        }
        Ok(())
    }
}

impl ServerClock {
    fn elapsed(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    /// Notes the time of an answer that is here, to a question of `asked`.
    fn note(&mut self, time: i64, asked: i64) {
        let now = self.elapsed();
        let (least, most) = (time - now, time - asked);
        let drift = (now - self.noted) / CLOCK_DRIFT;
        self.ahead = match self.ahead {
            Some((known_least, known_most)) => {
                let (least, most) = (least.max(known_least - drift), most.min(known_most + drift));
                // Somebody has set the clock: what was known is worth nothing.
                if least <= most { Some((least, most)) } else { Some((time - now, time - asked)) }
            }
            None => Some((least, most)),
        };
        self.noted = now;
    }

    fn note_round_trip(&mut self, time: i64, asked: i64) {
        self.note(time, asked);
        let taken = u64::try_from(self.noted - asked).unwrap_or(0);
        self.round_trip = self.round_trip.min(Duration::from_micros(taken));
    }

    /// The server's time at least, and what it may be more.
    fn now(&self) -> (u64, Duration) {
        let (least, most) = self.ahead.unwrap_or_default();
        let uncertainty = Duration::from_micros(u64::try_from(most - least).unwrap_or(0));
        (u64::try_from(self.elapsed() + least).unwrap_or(0), uncertainty)
    }
}

/// Runs statements without parameters in one round trip. Their rows have a number and a text, or nothing.
fn run(
    session: &Session,
    action: &dyn Display,
    sql: String,
) -> Result<Vec<(i64, Option<String>)>, DestinationError> {
    session.run(action, async |connection| {
        let answer = timeout(ANSWER_TIMEOUT, sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection)).await;
        let rows = answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let rows = rows.iter().filter(|row| !row.is_empty());
        rows.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    })
}

fn is_lost(error: &DestinationError) -> bool {
    matches!(error, DestinationError::ConnectionLost { .. } | DestinationError::Unreachable { .. })
}
