//! Why a database could not do its part, and what to do about it.

use std::time::Duration;

/// What to do about another run, wherever it is.
pub(crate) const PIPELINE_LOCKED_HINT: &str =
    "`--if-locked wait` waits for the other run; a lock goes with the process that holds it";

/// Why a destination could not do its part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// Another process has the database.
    #[error("could not lock `{file}` within {} s: {holder} has it open", waited.as_secs())]
    Locked {
        /// The database file.
        file: String,
        /// Who has it, with the PID if known.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Another run of the pipeline loads into the dataset, from this machine or another.
    #[error("another run holds pipeline `{pipeline}`: {holder}")]
    PipelineLocked {
        /// Name of the pipeline.
        pipeline: String,
        /// Who has it, as far as the database knows.
        holder: String,
    },
    /// There is no database yet.
    #[error("there is no database `{file}`")]
    Missing {
        /// The database file.
        file: String,
    },
    /// There is no folder for the database.
    #[error("there is no folder `{folder}`")]
    NoFolder {
        /// The folder.
        folder: String,
    },
    /// The file is something else.
    #[error("`{file}` is not a DuckDB database")]
    Foreign {
        /// The file.
        file: String,
    },
    /// The database cannot be opened.
    #[error("could not open `{file}`: {reason}")]
    Open {
        /// The database file.
        file: String,
        /// The engine's words.
        reason: String,
    },
    /// No server answers.
    #[error("could not connect to {server}: {reason}")]
    Unreachable {
        /// Host and port, or the socket.
        server: String,
        /// What the system or the server said.
        reason: String,
    },
    /// The connection cannot be encrypted as asked for.
    #[error("could not connect safely to {server}: {reason}")]
    Tls {
        /// Host and port.
        server: String,
        /// What the TLS library said.
        reason: String,
    },
    /// The password is wrong, or there is none.
    #[error("{server} refused the password of user `{user}`{}", if *had_password { "" } else { ": none was found" })]
    PasswordRefused {
        /// Host and port, or the socket.
        server: String,
        /// The role.
        user: String,
        /// Whether a password was sent.
        had_password: bool,
    },
    /// The server lets the role in from nowhere, or not from here.
    #[error("{server} refused user `{user}`: {reason}")]
    LoginRefused {
        /// Host and port, or the socket.
        server: String,
        /// The role.
        user: String,
        /// The server's words.
        reason: String,
    },
    /// The server has no such database.
    #[error("{server} has no database `{database}`")]
    NoDatabase {
        /// Host and port, or the socket.
        server: String,
        /// Name of the database.
        database: String,
    },
    /// The database does not have the dataset.
    #[error("there is no schema `{dataset}` in database `{database}`")]
    NoDataset {
        /// Name of the dataset.
        dataset: String,
        /// Name of the database.
        database: String,
    },
    /// The role may not do that.
    #[error("could not {action}: {reason}")]
    PermissionDenied {
        /// What was being done, to which table.
        action: String,
        /// The server's words.
        reason: String,
        /// What the role lacks.
        hint: &'static str,
    },
    /// The server takes no changes: a standby, or a role or database set to read only.
    #[error("could not {action}: {reason}")]
    ReadOnly {
        /// What was being done, to which table.
        action: String,
        /// The server's words.
        reason: String,
    },
    /// The server has no room left.
    #[error("could not {action}: {reason}")]
    DiskFull {
        /// What was being done, to which table.
        action: String,
        /// The server's words.
        reason: String,
    },
    /// The connection broke, or the server closed it. What was not committed is gone.
    #[error("the connection broke while trying to {action}: {reason}")]
    ConnectionLost {
        /// What was being done, to which table.
        action: String,
        /// What the system or the server said.
        reason: String,
    },
    /// Two transactions were in each other's way, and this one had to give in.
    #[error("could not {action}: {reason}")]
    Conflict {
        /// What was being done, to which table.
        action: String,
        /// The server's words.
        reason: String,
    },
    /// Another session did not let go of a lock in time.
    #[error("could not {action}: another session kept a lock on it for longer than {} s", waited.as_secs())]
    TableLocked {
        /// What was being done, to which table.
        action: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A column cannot get the type that new values need: it would lose values that are there.
    #[error(
        "cannot change column `{column}` of table `{table}` from {from} to {to}: {row_count} of its values would be lost"
    )]
    CannotWiden {
        /// Name of the table.
        table: String,
        /// Name of the column.
        column: String,
        /// The database's type of the column.
        from: String,
        /// The database's type that it was to get.
        to: String,
        /// Rows whose value would change.
        row_count: u64,
    },
    /// A column cannot get another type: the database does not let it.
    #[error("cannot change column `{column}` of table `{table}` from {from} to {to}: {reason}")]
    CannotRetype {
        /// Name of the table.
        table: String,
        /// Name of the column.
        column: String,
        /// The database's type of the column.
        from: String,
        /// The database's type that it was to get.
        to: String,
        /// The engine's words.
        reason: String,
    },
    /// A statement failed.
    #[error("could not {action}: {reason}")]
    Statement {
        /// What was being done, to which table.
        action: String,
        /// The engine's words.
        reason: String,
    },
    /// Somebody else changed the schema, or the state, between reading it and loading: look at it again and load again.
    #[error("source `{source_name}` was loaded by another run while rows were on their way")]
    SchemaMoved {
        /// Name of the source.
        source_name: String,
    },
    /// Another run went on from where this one began.
    #[error("another run of pipeline `{pipeline}` has loaded since these rows were asked for")]
    StateMoved {
        /// Name of the pipeline.
        pipeline: String,
    },
    /// A stored schema of another generation.
    #[error(transparent)]
    Schema(#[from] crate::schema::SchemaError),
    /// A stored state of another generation.
    #[error(transparent)]
    State(#[from] crate::state::StateError),
    /// A spill file cannot be read back.
    #[error("could not read `{file}` of the load package: {reason}")]
    Spill {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl DestinationError {
    /// Whether the same load may well work when it is tried again at once: two transactions were in each other's way,
    /// or the connection was cut. A load that was committed before the cut is found by its id.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::ConnectionLost { .. })
    }

    /// What to do about it, if there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Locked { .. } => {
                Some("close the program that has the database open, or wait longer with `--lock-timeout`")
            }
            Self::CannotWiden { .. } | Self::CannotRetype { .. } => Some(
                "values that do not fit go to a column of their own with `on_type_conflict = \"variant\"`",
            ),
            Self::PipelineLocked { .. } => Some(PIPELINE_LOCKED_HINT),
            Self::Missing { .. } => Some("`forebay run` makes it; check `destination` if that was done"),
            Self::NoFolder { .. } => Some("make the folder, or correct `destination`"),
            Self::Open { .. } => Some("check `destination`, and space and permissions there"),
            Self::Unreachable { .. } => Some(
                "check host and port in `destination`, whether the server runs, and whether it listens to this machine",
            ),
            Self::Tls { .. } => Some(
                "`sslmode` and `sslrootcert` in `destination` say how the server has to prove itself, and to whom",
            ),
            Self::PasswordRefused { .. } => Some(
                "the password is taken from `destination`, else from PGPASSWORD, else from the line for this server, \
                 database and user in ~/.pgpass or PGPASSFILE, which nobody else may be able to read",
            ),
            Self::LoginRefused { .. } => Some(
                "check the user in `destination`, what `pg_hba.conf` of the server allows it, and `GRANT CONNECT ON \
                     DATABASE <database> TO <role>`",
            ),
            Self::NoDatabase { .. } => {
                Some("check `destination`, or make the database with `CREATE DATABASE`")
            }
            Self::NoDataset { .. } => {
                Some("`forebay run` makes it; if that was done, check `destination` and `pipeline.dataset`")
            }
            Self::PermissionDenied { hint, .. } => Some(hint),
            Self::ReadOnly { .. } => {
                Some("`destination` has to be the primary server, and a database that may be written")
            }
            Self::DiskFull { .. } => Some("make room on the disk of the server"),
            Self::ConnectionLost { .. } => {
                Some("if nobody restarted the server, its log says why it closed the connection")
            }
            Self::Conflict { .. } => {
                Some("it may well work the next time: two transactions were in each other's way")
            }
            Self::TableLocked { .. } => Some(
                "some session keeps a lock, often one that is idle in a transaction: `SELECT pid, state, query FROM \
                 pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY xact_start` shows it, and \
                 `pg_terminate_backend(pid)` ends it",
            ),
            Self::Foreign { .. } => Some("check `destination`; the file was left as it is"),
            Self::Statement { .. }
            | Self::SchemaMoved { .. }
            | Self::StateMoved { .. }
            | Self::Schema(_)
            | Self::State(_)
            | Self::Spill { .. } => None,
        }
    }
}
