//! The errors that end a run, with their exit codes and hints.

use crate::config::ConfigError;
use crate::destination::{DestinationError, PIPELINE_LOCKED_HINT};
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
        /// Which of these may be meant.
        hint: Option<String>,
    },
    /// No resource is selected.
    #[error("no resource is selected")]
    NothingSelected,
    /// A range was asked for, and no resource can be read by one.
    #[error("cannot read a range: {reasons}")]
    NoRange {
        /// Each resource with what keeps it.
        reasons: String,
    },
    /// A range was asked for that a resource does not have.
    #[error("cannot read this range of resource `{resource}`")]
    Range {
        /// Its name.
        resource: String,
        /// Why.
        #[source]
        source: IncrementalError,
    },
    /// A resource needs one that changes data, and that was not named.
    #[error("resource `{resource}` takes values from `{parent}`, which changes data and was not named")]
    UnnamedChange {
        /// The resource.
        resource: String,
        /// The one that changes data.
        parent: String,
    },
    /// Rows are appended that the next run would append again.
    #[error(
        "rows of resource `{resource}` would be appended twice: without `{lacking}`, the next run reads the same new rows of \
         `{cursor}` once more"
    )]
    Unaccompanied {
        /// The resource.
        resource: String,
        /// The resource whose cursor cannot move in this run.
        cursor: String,
        /// What is not in this run.
        lacking: String,
    },
    /// A resource that changes data was to be looked at only.
    #[error("resource `{resource}` changes data, which a look at the API must not")]
    LookAtChange {
        /// The resource.
        resource: String,
    },
    /// An unfinished package has changes to be made, and this run does not name them.
    #[error("package {load_id} is unfinished: `{resource}` was changing data when it was cut")]
    UnfinishedChange {
        /// The package.
        load_id: LoadId,
        /// The resource that changes data.
        resource: String,
    },
    /// There is no place for what a look at the API brings.
    #[error("could not make a temporary directory")]
    Temporary(#[source] std::io::Error),
    /// The HTTP client cannot be set up.
    #[error("could not set up the HTTP client")]
    Client(#[source] HttpError),
    /// The work directory fails, or another run holds it.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A load could not be written.
    #[error("cannot load into {destination}")]
    NotWritable {
        /// The destination as configured.
        destination: String,
        /// Why.
        #[source]
        source: DestinationError,
    },
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
    /// A package as a whole cannot be brought into tables.
    #[error("could not bring package {load_id} into tables")]
    Tables {
        /// The package.
        load_id: LoadId,
        /// Why.
        #[source]
        source: NormalizeError,
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
    /// There is no schema to show.
    #[error("dataset `{dataset}` of {destination} has no schema of source `{source_name}`")]
    NoSchema {
        /// Name of the dataset.
        dataset: String,
        /// The destination as configured.
        destination: String,
        /// Name of the source.
        source_name: String,
    },
    /// A table that the schema does not have was asked for.
    #[error("the schema has no table `{name}`")]
    UnknownTable {
        /// What was asked for.
        name: String,
        /// Which of those there are may be meant.
        hint: Option<String>,
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

impl RowError {
    /// What to do about it, if there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Normalize(error) => error.hint(),
            Self::Incremental(error) => Some(error.hint()),
        }
    }
}

impl Error {
    /// Who holds the pipeline, if that is what is wrong.
    pub fn lock_holder(&self) -> Option<&str> {
        match self {
            Self::Package(PackageError::Locked { holder, .. })
            | Self::NotWritable { source: DestinationError::PipelineLocked { holder, .. }, .. }
            | Self::Load { source: DestinationError::PipelineLocked { holder, .. }, .. } => Some(holder),
            _ => None,
        }
    }

    /// The exit code, as documented in the README.
    pub fn exit_code(&self) -> u8 {
        match self {
            _ if self.lock_holder().is_some() => 4,
            Self::Config(_)
            | Self::UnknownResource { .. }
            | Self::UnknownTable { .. }
            | Self::NoRange { .. }
            | Self::Range { .. }
            | Self::UnnamedChange { .. }
            | Self::Unaccompanied { .. }
            | Self::LookAtChange { .. }
            | Self::NothingSelected => 2,
            Self::Package(_)
            | Self::UnfinishedChange { .. }
            | Self::Temporary(_)
            | Self::Client(_)
            | Self::NotWritable { .. }
            | Self::State { .. }
            | Self::Normalize { .. }
            | Self::Tables { .. }
            | Self::Load { .. }
            | Self::Query { .. }
            | Self::NoSchema { .. }
            | Self::Worker(_) => 1,
        }
    }

    /// What to do about it, and what state things are in.
    pub fn hint(&self) -> Option<String> {
        let (advice, state) = match self {
            Self::Config(error) => return error.hint().map(str::to_owned),
            Self::UnknownResource { hint, .. } | Self::UnknownTable { hint, .. } => return hint.clone(),
            Self::NoRange { .. } => (None, "name others with `--resource`, or run without `--from`"),
            Self::Range { source, .. } => return Some(source.hint().to_owned()),
            Self::NothingSelected => (None, "set `selected = true`, or name one with `--resource`"),
            Self::UnnamedChange { parent, .. } => {
                return Some(format!("name it, too: `--resource {parent}`; then its requests are made anew"));
            }
            Self::Unaccompanied { lacking, .. } => {
                return Some(format!("name it, too: `--resource {lacking}`"));
            }
            Self::LookAtChange { resource } => {
                return Some(format!("to make the changes: `forebay run … --resource {resource}`"));
            }
            Self::UnfinishedChange { resource, .. } => {
                return Some(format!(
                    "run again with `--resource {resource}` to make the changes that are left, or with `--restart` to drop them"
                ));
            }
            Self::Temporary(_) => {
                (None, "check space and permissions of the directory that `TMPDIR` names, or of /tmp")
            }
            Self::Client(source) => {
                return source.hint().or_else(|| Some("nothing was asked of the API".to_owned()));
            }
            Self::Package(PackageError::Locked { .. }) => (None, PIPELINE_LOCKED_HINT),
            Self::Package(_) => (
                None,
                "check space and permissions of the work directory; what was loaded before is unharmed",
            ),
            Self::State { source, .. } | Self::NotWritable { source, .. } => {
                (source.hint(), "nothing was asked of the API")
            }
            Self::Normalize { source, .. } => (source.hint(), "what was loaded before is unharmed"),
            Self::Tables { source: source @ NormalizeError::Spill { .. }, .. } => (
                source.hint(),
                "nothing is lost: the next run loads the package without asking the API again",
            ),
            Self::Tables { source, .. } => {
                (source.hint(), "what was loaded before is unharmed, and the package is kept")
            }
            Self::Load { source: DestinationError::StateMoved { .. }, .. } => {
                (None, "nothing is lost: the next run asks for all that the other one did not load")
            }
            Self::Load { source, .. } => (
                source.hint(),
                "nothing was committed, and nothing that was received is lost: the next run loads the package without asking the API again",
            ),
            Self::Query { source, .. } => return source.hint().map(str::to_owned),
            Self::NoSchema { .. } => (
                None,
                "`forebay run` loads it; if that was done, check `destination`, `pipeline.dataset` and \
                 `pipeline.source`",
            ),
            Self::Worker(_) => {
                (None, "this is a bug in forebay; the package is kept and the next run goes on with it")
            }
        };
        Some(advice.map_or_else(|| state.to_owned(), |advice| format!("{advice}; {state}")))
    }
}

/// The messages of an error and of all that caused it, outermost first.
pub fn chain(error: &dyn std::error::Error) -> Vec<String> {
    let levels = std::iter::successors(Some(error), |error| error.source());
    levels.map(ToString::to_string).collect()
}
