//! One opened database file: lock, settings, statements, and what the engine's errors mean.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use duckdb::{AccessMode, Config, Connection};

use super::super::DestinationError;

/// DuckDB's budget while rows are appended. Rows beyond it go to the database file and to `FILE.tmp` beside it, so
/// it bounds memory, not the size of a load. Deleting takes more: see [`DatabaseFile::lift_memory_limit`].
const MEMORY_LIMIT: &str = "128MB";

/// Each thread has buffers of its own, and a load is bound by the appender, which uses one thread anyway.
const THREADS: i64 = 1;

/// First pause between two tries to get the lock; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Longest pause between two tries: a waiting run starts at most this late.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Told once per wait who has the file, as `/usr/bin/python3.11 (PID 1234)`.
pub type OnWait = Box<dyn Fn(&str) + Send + Sync>;

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Others may read at the same time.
    Read,
    /// Nobody else may have the file open.
    Write,
}

/// How long to wait for others, and whom to tell.
pub(super) struct LockWait<'a> {
    pub(super) timeout: Duration,
    pub(super) on_wait: &'a OnWait,
}

/// An open database file. Dropping it discards what was not committed, checkpoints the rest and gives the file
/// free.
pub(super) struct DatabaseFile {
    connection: Connection,
    catalog: String,
    dataset: String,
}

impl DatabaseFile {
    /// Opens `path`, waiting for others to close it. [`Access::Write`] creates a missing file.
    pub(super) fn open(
        path: &Path,
        dataset: &str,
        access: Access,
        wait: &LockWait<'_>,
    ) -> Result<Self, DestinationError> {
        if access == Access::Write {
            create_if_missing(path)?;
        }
        refuse_foreign(path)?;
        let connection = wait.until_free(path, || open_file(path, access))?;
        // `TimeZone` belongs to the extension `icu`, which is not in every build. Without it, there is only UTC.
        let _ = connection.execute_batch("SET TimeZone = 'UTC'");
        let catalog = connection
            .query_row("SELECT current_database()", [], |row| row.get(0))
            .map_err(|error| DestinationError::Open { file: label(path), reason: reason(&error) })?;
        Ok(Self { connection, catalog, dataset: dataset.to_owned() })
    }

    /// Gives DuckDB its own default for the rest of the load, most of the machine's memory. What a transaction
    /// deletes stays in memory: a million rows replaced by a million others do not fit [`MEMORY_LIMIT`], and a
    /// load that fails for a budget of ours would fail every night.
    pub(super) fn lift_memory_limit(&self) -> Result<(), DestinationError> {
        // RESET alone changes what the setting says and not what the buffer manager allows.
        let action = "lift the memory limit";
        let run = |sql: &str| self.connection.execute_batch(sql).map_err(|error| failed(action, &error));
        run("RESET memory_limit")?;
        let limit = self.connection.query_row("SELECT current_setting('memory_limit')", [], |row| row.get(0));
        let limit: String = limit.map_err(|error| failed(action, &error))?;
        run(&format!("SET memory_limit = '{limit}'"))
    }

    /// The connection, for what has no statement: appenders and Arrow results.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Name of the catalog, which is the stem of the file name.
    pub(super) fn catalog(&self) -> &str {
        &self.catalog
    }

    /// Name of the dataset.
    pub(super) fn dataset_name(&self) -> &str {
        &self.dataset
    }
}

impl LockWait<'_> {
    /// Tries until nobody else has the file.
    fn until_free(
        &self,
        path: &Path,
        open: impl Fn() -> duckdb::Result<Connection>,
    ) -> Result<Connection, DestinationError> {
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut was_told = false;
        loop {
            let error = match open() {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            let Some(holder) = lock_holder(&message(&error)) else {
                return Err(open_error(path, &message(&error)));
            };
            let waited = start.elapsed();
            if waited >= self.timeout {
                return Err(DestinationError::Locked { file: label(path), holder, waited });
            }
            if !was_told {
                (self.on_wait)(&holder);
                was_told = true;
            }
            thread::sleep(pause.min(self.timeout.saturating_sub(waited)));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// A failed statement, for [`DestinationError`].
pub(super) fn failed(action: impl Display, error: &duckdb::Error) -> DestinationError {
    DestinationError::Statement { action: action.to_string(), reason: reason(error) }
}

/// The engine's words without its own noise: kind of error, stack trace.
pub(super) fn reason(error: &duckdb::Error) -> String {
    let text = message(error);
    let mut text = text.split("\n\nStack Trace").next().unwrap_or_default().trim();
    while let Some((kind, rest)) = text.split_once(": ")
        && kind.ends_with(" Error")
        && !kind.contains('\n')
    {
        text = rest.trim_start();
    }
    text.to_owned()
}

fn message(error: &duckdb::Error) -> String {
    match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}

fn label(path: &Path) -> String {
    path.display().to_string()
}

fn open_file(path: &Path, access: Access) -> duckdb::Result<Connection> {
    let mode = match access {
        Access::Read => AccessMode::ReadOnly,
        Access::Write => AccessMode::ReadWrite,
    };
    let config = Config::default()
        .access_mode(mode)?
        .threads(THREADS)?
        .max_memory(MEMORY_LIMIT)?
        // Extensions are those of the build: a run downloads none.
        .enable_autoload_extension(false)?;
    Connection::open_with_flags(path, config)
}

/// Creates an empty database under another name and links it into place: a file that was cut while DuckDB wrote
/// its first blocks is no database, and would stop all later runs.
fn create_if_missing(path: &Path) -> Result<(), DestinationError> {
    let failed = |reason: String| DestinationError::Open { file: label(path), reason };
    let is_there = path.try_exists().map_err(|error| failed(error.to_string()))?;
    if is_there {
        return Ok(());
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    let created = open_file(&draft, Access::Write)
        .map(drop)
        .map_err(|error| open_error(path, &message(&error)))
        .and_then(|()| match fs::hard_link(&draft, path) {
            Ok(()) => Ok(()),
            // Somebody else was faster: theirs counts.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            // Not every file system has links.
            Err(_) => fs::rename(&draft, path).map_err(|error| failed(error.to_string())),
        });
    let _ = fs::remove_file(&draft);
    created
}

/// Looks whether the file, or a new one in its folder, can be written. Opens the file for a moment, but neither
/// writes nor locks it.
pub(super) fn check_writable(path: &Path) -> Result<(), DestinationError> {
    let failed = |error: io::Error| DestinationError::Open { file: label(path), reason: error.to_string() };
    if path.try_exists().map_err(failed)? {
        return OpenOptions::new().append(true).open(path).map(drop).map_err(failed);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(DestinationError::NoFolder { folder: label(folder) });
    }
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).map_err(|error| failed(error.into()))
}

/// Where the engine's mark is in a database file, and the mark.
const MAGIC: (usize, &[u8]) = (8, b"DUCK");

/// Refuses a file that is something else. The engine would take some of those for something to import, by their name.
fn refuse_foreign(path: &Path) -> Result<(), DestinationError> {
    let (offset, mark) = MAGIC;
    let mut start = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take((offset + mark.len()) as u64).read_to_end(&mut start));
    // What cannot be read, and an empty file, is told by the engine.
    if read.is_ok_and(|length| length > 0) && start.get(offset..) != Some(mark) {
        return Err(DestinationError::Foreign { file: label(path) });
    }
    Ok(())
}

/// Who has the file, if that is what a message is about.
fn lock_holder(message: &str) -> Option<String> {
    if !message.contains("Could not set lock on file") {
        return None;
    }
    let holder = message.split_once("Conflicting lock is held in ").map_or("another process", |(_, rest)| {
        let end = [". However, ", ". See also "].iter().filter_map(|mark| rest.find(mark)).min();
        rest[..end.unwrap_or(rest.len())].trim_end_matches('.')
    });
    Some(holder.to_owned())
}

/// Why a file could not be opened.
fn open_error(path: &Path, message: &str) -> DestinationError {
    let file = label(path);
    if message.contains("not a valid DuckDB database file") {
        DestinationError::Foreign { file }
    } else if message.contains("database does not exist") {
        DestinationError::Missing { file }
    } else {
        DestinationError::Open { file, reason: open_reason(message) }
    }
}

/// The engine's words on a file that could not be opened, made short.
fn open_reason(message: &str) -> String {
    let first =
        message.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let text = first.split_once(" Error: ").map_or(first.as_str(), |(_, rest)| rest);
    // `Cannot open file "…": Permission denied`: the file is named already.
    let text = match text.rsplit_once("\": ") {
        Some((start, cause)) if start.starts_with("C") => cause,
        _ => text,
    };
    text.trim_end_matches('.').to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_named() {
        let check = |message: &str, holder: Option<&str>| {
            assert_eq!(lock_holder(message).as_deref(), holder, "{message}");
        };
        let start = "IO Error: Could not set lock on file \"/d/a.duckdb\": Conflicting lock is held in ";
        let end = " See also https://duckdb.org/docs/stable/connect/concurrency";
        check(&format!("{start}/usr/bin/python3.11 (PID 12).{end}"), Some("/usr/bin/python3.11 (PID 12)"));
        let reader = "However, you would be able to open this database in read-only mode, e.g. by";
        check(&format!("{start}/a b/x (PID 7). {reader}.{end}"), Some("/a b/x (PID 7)"));
        check("IO Error: Could not set lock on file \"a\": unknown", Some("another process"));
        check("IO Error: Cannot open file \"a\": Permission denied", None);
    }

    #[test]
    fn the_memory_limit_can_be_lifted() {
        let dir = tempfile::tempdir().unwrap();
        let on_wait: OnWait = Box::new(|_| {});
        let wait = LockWait { timeout: Duration::ZERO, on_wait: &on_wait };
        let database = DatabaseFile::open(&dir.path().join("a.duckdb"), "ds", Access::Write, &wait).unwrap();
        let limit = |connection: &Connection| -> String {
            connection
                .query_row("SELECT memory_limit FROM pragma_database_size()", [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(limit(database.connection()), "122.0 MiB");
        database.lift_memory_limit().unwrap();
        // What the setting says is not what counts: this is the buffer manager's own figure.
        assert_ne!(limit(database.connection()), "122.0 MiB");
    }

    #[test]
    fn reasons_are_short() {
        let check = |message: &str, expected: &str| assert_eq!(open_reason(message), expected);
        check("IO Error: Cannot open file \"/d/x\": Permission denied", "Permission denied");
        check(
            "IO Error: Trying to read a database file with version number 99, but we can only read versions \
             between 64 and 67.\nThe database file was created with a newer version of DuckDB.\n\nThe storage \
             of DuckDB is not yet stable",
            "Trying to read a database file with version number 99, but we can only read versions between 64 \
             and 67. The database file was created with a newer version of DuckDB",
        );
        let check = |message: &str, expected: &str| {
            let error = duckdb::Error::DuckDBFailure(duckdb::ffi::Error::new(1), Some(message.to_owned()));
            assert_eq!(reason(&error), expected);
        };
        check(
            "TransactionContext Error: Failed to commit: No space left on device",
            "Failed to commit: No space left on device",
        );
        check(
            "Binder Error: no column x\n\nLINE 1: SELECT x\n               ^",
            "no column x\n\nLINE 1: SELECT x\n               ^",
        );
        check("INTERNAL Error: odd\n\nStack Trace:\n\n1 a", "odd");
    }
}
