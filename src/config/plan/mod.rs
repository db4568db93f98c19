//! What a run will do: the config file, checked. A wrong value cannot be built.

mod auth;
mod client;
mod endpoint;
mod incremental;
mod quota;
mod responses;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub use auth::*;
pub use client::*;
pub use endpoint::*;
pub use incremental::*;
pub use quota::*;
pub use responses::*;

use super::postgres::PostgresPlan;
use crate::process::Processor;
use crate::schema::{DeleteMode, SchemaOptions, TableHints, normalize_identifier};

/// One pipeline, ready to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The file it came from, as given on the command line.
    pub file: PathBuf,
    /// dlt: `pipeline_name`.
    pub pipeline: String,
    /// dlt: `dataset_name`, as written; its identifier is made by the naming convention.
    pub dataset: String,
    /// dlt: source name, which is the name of the schema.
    pub source: String,
    /// Where rows go.
    pub destination: DestinationPlan,
    /// Absolute; holds packages. Losing it loses no committed row.
    pub work_dir: PathBuf,
    /// Absolute; holds refresh tokens that replaced those of the config. Losing one may lock the user out, so it is the same
    /// for all that is done with this file.
    pub credentials_dir: PathBuf,
    /// Absolute; holds what is used of the quota where the user has no directory for it. The same for all that is done
    /// with this file.
    pub quota_dir: PathBuf,
    /// The API as a whole.
    pub client: ClientPlan,
    /// What goes beyond dlt's rules for tables.
    pub schema: SchemaOptions,
    /// Parents before children, else in the order of the file. Unselected ones included.
    pub resources: Vec<ResourcePlan>,
}

impl Plan {
    /// A resource by its name.
    pub fn resource(&self, name: &str) -> Option<&ResourcePlan> {
        self.resources.iter().find(|resource| resource.name == name)
    }

    /// A resource, the one that it takes values from, the one that this takes values from, and so on.
    pub fn lineage<'a>(&'a self, resource: &'a ResourcePlan) -> impl Iterator<Item = &'a ResourcePlan> {
        let parent = |resource: &&ResourcePlan| self.resource(resource.parent.as_deref()?);
        std::iter::successors(Some(resource), parent)
    }

    /// The same without the resource itself.
    pub fn ancestors<'a>(&'a self, resource: &'a ResourcePlan) -> impl Iterator<Item = &'a ResourcePlan> {
        self.lineage(resource).skip(1)
    }

    /// Name of the dataset in the database: normalized, as dlt does it. The state keeps it as written.
    pub fn dataset_identifier(&self) -> String {
        normalize_identifier(&self.dataset)
    }
}

/// A destination URL, parsed. `Display` is for messages and never shows a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestinationPlan {
    /// `duckdb:FILE`.
    DuckDb {
        /// Absolute path of the database file.
        path: PathBuf,
        /// As the user wrote it, for messages.
        label: String,
    },
    /// `postgres://…`.
    Postgres(Box<PostgresPlan>),
}

impl fmt::Display for DestinationPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuckDb { label, .. } => f.write_str(label),
            Self::Postgres(plan) => plan.fmt(f),
        }
    }
}

/// One endpoint and what it yields.
#[derive(Debug, Clone)]
pub struct ResourcePlan {
    /// Name as written.
    pub name: String,
    /// Name of its root table as written; its identifier is made by the naming convention.
    pub table: String,
    /// Whether its rows are loaded if the command line names no resources. Never if it, or one above it, changes data.
    pub selected: bool,
    /// The resource whose rows fill the `{resources.x.field}` placeholders.
    pub parent: Option<String>,
    /// Fields of the parent's row that are added to each row as `_<parent>_<field>`.
    pub include_from_parent: Vec<String>,
    /// How many paginations, one per row of the parent, are read at a time.
    pub max_in_flight: NonZeroUsize,
    /// The request, placeholders still in it.
    pub endpoint: EndpointPlan,
    /// What is done to rows before they are kept.
    pub processor: Processor,
    /// What is said of its tables.
    pub hints: TableHints,
    /// What happens to rows that the API no longer has. `None`: nothing, as in dlt.
    pub deletes: Option<DeletesPlan>,
    /// What the next run starts from.
    pub incremental: Option<IncrementalPlan>,
    /// Higher goes first when requests wait for the quota.
    pub priority: i32,
}

impl ResourcePlan {
    /// The field that tells what is new, if that is what does.
    pub fn cursor_field(&self) -> Option<&CursorField> {
        self.incremental.as_ref().and_then(IncrementalPlan::cursor_field)
    }
}

/// What happens to rows that a proven complete read no longer has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeletesPlan {
    /// Marked or removed.
    pub mode: DeleteMode,
    /// The largest part of the table's rows that one run may mark or remove, from 0 to 1.
    pub max_share: f64,
}
