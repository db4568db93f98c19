//! The errors that end a run, with their exit codes and hints.

use crate::config::ConfigError;
use crate::destination::DestinationError;
use crate::http::HttpError;
use crate::normalize::NormalizeError;
use crate::package::PackageError;
use crate::state::{IncrementalError, LoadId};

/// Why a run, or a command, ended without doing its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The config file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A resource that the config does not have was asked for.
    #[error("the config has no resource `{name}`; it has {known}")]
    UnknownResource {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// No resource is selected.
    #[error("no resource is selected")]
    NothingSelected,
    /// The HTTP client cannot be set up.
    #[error("could not set up the HTTP client")]
    Client(#[source] HttpError),
    /// The work directory fails, or another run holds it.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The state cannot be read.
    #[error("could not read the state of pipeline `{pipeline}` from {destination}")]
    State {
        /// Name of the pipeline.
        pipeline: String,
        /// The destination as configured.
        destination: String,
        /// Why.
        #[source]
        source: DestinationError,
    },
    /// Rows cannot be brought into tables.
    #[error("could not normalize resource `{resource}` of package {load_id}")]
    Normalize {
        /// Name of the resource.
        resource: String,
        /// The package.
        load_id: LoadId,
        /// Why.
        #[source]
        source: RowError,
    },
    /// The destination refused the package.
    #[error("could not load package {load_id} into {destination}")]
    Load {
        /// The package.
        load_id: LoadId,
        /// The destination as configured.
        destination: String,
        /// Why.
        #[source]
        source: DestinationError,
    },
    /// A query failed.
    #[error("could not query {destination}")]
    Query {
        /// The destination as configured.
        destination: String,
        /// Why.
        #[source]
        source: DestinationError,
    },
    /// A thread of this program died: a bug.
    #[error("a worker thread died")]
    Worker(#[from] tokio::task::JoinError),
}

/// Why the rows of a resource cannot be brought into tables.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// A value does not fit.
    #[error(transparent)]
    Normalize(#[from] NormalizeError),
    /// A row cannot be placed before or after the cursor.
    #[error(transparent)]
    Incremental(#[from] IncrementalError),
}

impl Error {
    /// The exit code, as documented in the README.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::UnknownResource { .. } | Self::NothingSelected => 2,
            Self::Package(PackageError::Locked { .. }) => 4,
            Self::Package(_)
            | Self::Client(_)
            | Self::State { .. }
            | Self::Normalize { .. }
            | Self::Load { .. }
            | Self::Query { .. }
            | Self::Worker(_) => 1,
        }
    }

    /// What to do about it, and what state things are in.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Config(_) | Self::UnknownResource { .. } | Self::Query { .. } => return None,
            Self::NothingSelected => "set `selected = true`, or name one with `--resource`",
            Self::Client(_) => "the config was read, nothing was asked of the API",
            Self::Package(PackageError::Locked { .. }) => {
                "wait for the other run; if its process is gone, so is the lock"
            }
            Self::Package(_) => {
                "what was loaded before is unharmed; check space and permissions of the work directory"
            }
            Self::State { source, .. } | Self::Load { source, .. } if source.is_locked() => {
                "close the program that has the database open; nothing that was received is lost"
            }
            Self::State { .. } => "nothing was asked of the API",
            Self::Normalize { .. } => "what was loaded before is unharmed",
            Self::Load { .. } => {
                "nothing of the package was committed and nothing is lost: the next run loads it without asking the API again"
            }
            Self::Worker(_) => {
                "this is a bug in forebay; the package is kept and the next run goes on with it"
            }
        };
        Some(hint.to_owned())
    }
}

/// The messages of an error and of all that caused it, outermost first.
pub fn chain(error: &dyn std::error::Error) -> Vec<String> {
    let levels = std::iter::successors(Some(error), |error| error.source());
    levels.map(ToString::to_string).collect()
}
