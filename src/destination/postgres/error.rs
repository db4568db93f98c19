//! What the driver's and the server's errors mean. The server is asked for its code, never for its words, which
//! come in the language it is set to; words are only used to make a hint better.

use std::fmt::{Display, Write};
use std::io;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

use super::super::DestinationError;
use super::privileges;

/// Longest detail that is repeated, in characters: some hold the whole row that failed.
const MAX_DETAIL: usize = 300;

/// Codes of <https://www.postgresql.org/docs/current/errcodes-appendix.html> that mean something here.
mod code {
    pub(super) const READ_ONLY: &str = "25006";
    pub(super) const LOGIN: &str = "28000";
    pub(super) const PASSWORD: &str = "28P01";
    pub(super) const NO_DATABASE: &str = "3D000";
    pub(super) const SERIALIZATION: &str = "40001";
    pub(super) const DEADLOCK: &str = "40P01";
    pub(super) const PRIVILEGE: &str = "42501";
    pub(super) const DISK_FULL: &str = "53100";
    pub(super) const TOO_MANY_CONNECTIONS: &str = "53300";
    pub(super) const LOCK_TIMEOUT: &str = "55P03";
    /// Ended by an administrator, crashed, or starting up or shutting down.
    pub(super) const SHUTDOWN: [&str; 3] = ["57P01", "57P02", "57P03"];
    /// Ended for having been idle too long.
    pub(super) const IDLE: [&str; 3] = ["25P03", "25P04", "57P05"];
    pub(super) const CONNECTION_CLASS: &str = "08";
}

/// Why a statement failed. `lock_timeout` is that of the session.
pub(super) fn failed(action: &dyn Display, error: &sqlx::Error, lock_timeout: Duration) -> DestinationError {
    let action = action.to_string();
    let reason = reason(error);
    let Some(database_error) = database_error(error) else {
        return match error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => DestinationError::ConnectionLost { action, reason },
            _ => DestinationError::Statement { action, reason },
        };
    };
    match database_error.code() {
        code::SERIALIZATION | code::DEADLOCK => DestinationError::Conflict { action, reason },
        code::LOCK_TIMEOUT => DestinationError::TableLocked { action, waited: lock_timeout },
        code::PRIVILEGE => {
            let hint = privileges::missing(database_error.message());
            DestinationError::PermissionDenied { action, reason, hint }
        }
        code::READ_ONLY => DestinationError::ReadOnly { action, reason },
        code::DISK_FULL => DestinationError::DiskFull { action, reason },
        code if closes_connection(code) => DestinationError::ConnectionLost { action, reason },
        _ => DestinationError::Statement { action, reason },
    }
}

/// Whom a connection was for, as messages name it.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Host and port, or the socket.
    pub(super) server: String,
    pub(super) user: String,
    pub(super) database: String,
    /// Whether a password was found.
    pub(super) has_password: bool,
}

/// Why there is no connection.
pub(super) fn connect_failed(peer: &Peer, error: &sqlx::Error) -> DestinationError {
    let server = peer.server.clone();
    let user = peer.user.clone();
    let reason = reason(error);
    if is_tls(error) {
        return DestinationError::Tls { server, reason };
    }
    match database_error(error).map(PgDatabaseError::code) {
        Some(code::PASSWORD) => {
            DestinationError::PasswordRefused { server, user, had_password: peer.has_password }
        }
        Some(code::LOGIN | code::PRIVILEGE) => DestinationError::LoginRefused { server, user, reason },
        Some(code::NO_DATABASE) => DestinationError::NoDatabase { server, database: peer.database.clone() },
        _ => DestinationError::Unreachable { server, reason },
    }
}

/// Whether connecting may work in a moment: the server starts, is full, or the network hiccups.
pub(super) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(_) => database_error(error).is_some_and(|error| {
            error.code() == code::TOO_MANY_CONNECTIONS || closes_connection(error.code())
        }),
        sqlx::Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            // A socket that a server will make when it is up. Names that are not resolved have no kind.
            | io::ErrorKind::NotFound => true,
            _ => error.to_string().contains("Temporary failure in name resolution"),
        },
        _ => false,
    }
}

/// Whether the server lets nobody in, or not this one: another mode of encryption may do.
pub(super) fn is_refused_login(error: &sqlx::Error) -> bool {
    database_error(error).is_some_and(|error| error.code() == code::LOGIN)
}

/// Whether the handshake failed. The TLS library hands that up as invalid data.
pub(super) fn is_tls(error: &sqlx::Error) -> bool {
    match error {
        // What is configured besides are certificates and keys.
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => true,
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// Why the migrations failed.
pub(super) fn migration_failed(error: MigrateError, lock_timeout: Duration) -> DestinationError {
    match error {
        MigrateError::Execute(error) => {
            failed(&"read which migrations the dataset has", &error, lock_timeout)
        }
        MigrateError::ExecuteMigration(error, version) => {
            failed(&format_args!("apply migration {version}"), &error, lock_timeout)
        }
        other => {
            DestinationError::Statement { action: "apply migrations".to_owned(), reason: other.to_string() }
        }
    }
}

fn closes_connection(code: &str) -> bool {
    code.starts_with(code::CONNECTION_CLASS) || code::SHUTDOWN.contains(&code) || code::IDLE.contains(&code)
}

fn database_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

/// The server's words, with its detail and hint on lines of their own, or the driver's without its prefix.
fn reason(error: &sqlx::Error) -> String {
    if let Some(error) = database_error(error) {
        let mut text = error.message().to_owned();
        for (label, more) in [("DETAIL", error.detail()), ("HINT", error.hint())] {
            if let Some(more) = more {
                let shown: String = more.chars().take(MAX_DETAIL).collect();
                let rest = if shown.len() < more.len() { "…" } else { "" };
                // Writing to a `String` cannot fail.
                let _ = write!(text, "\n{label}: {shown}{rest}");
            }
        }
        return text;
    }
    match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error)
        | sqlx::Error::Configuration(error)
        | sqlx::Error::Encode(error)
        | sqlx::Error::Decode(error) => error.to_string(),
        other => other.to_string(),
    }
}
