//! What a run will do: the config file, checked. A wrong value cannot be built.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::postgres::PostgresPlan;
use super::secret::Secret;
use crate::page::JsonPath;
use crate::paginate::PaginatorPlan;
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
    /// Absolute; holds packages and the record of used quota. Losing it loses no committed row.
    pub work_dir: PathBuf,
    /// The API as a whole.
    pub client: ClientPlan,
    /// What goes beyond dlt's rules for tables.
    pub schema: SchemaOptions,
    /// Parents before children, else in the order of the file. Unselected ones included.
    pub resources: Vec<ResourcePlan>,
}

impl Plan {
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

/// Base URL, credentials and limits that all requests share. Its `Debug` shows the origin of the base URL alone:
/// some APIs carry a token in the path.
#[derive(Clone)]
pub struct ClientPlan {
    /// Ends in `/`. The one origin that credentials are sent to.
    pub base_url: Url,
    /// Sent with each request to `base_url`'s origin; values may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// How requests prove who they are.
    pub auth: Option<Auth>,
    /// All hold at once. Empty: none.
    pub rate_limits: Vec<RateLimit>,
    /// When and how often a transient failure is tried again.
    pub retry: RetryPlan,
    /// Limit for one attempt, connect to last byte.
    pub timeout: Duration,
    /// Largest accepted body, in bytes after decompression.
    pub max_body_bytes: u64,
}

impl fmt::Debug for ClientPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPlan")
            .field("origin", &self.base_url.origin().ascii_serialization())
            .field("headers", &self.headers)
            .field("auth", &self.auth)
            .field("rate_limits", &self.rate_limits)
            .field("retry", &self.retry)
            .field("timeout", &self.timeout)
            .field("max_body_bytes", &self.max_body_bytes)
            .finish_non_exhaustive()
    }
}

/// Credentials.
#[derive(Debug, Clone)]
pub enum Auth {
    /// `Authorization: Bearer TOKEN`.
    Bearer {
        /// The token.
        token: Secret,
    },
    /// A key under a name of the API's choice.
    ApiKey {
        /// Header or query parameter name.
        name: String,
        /// The key.
        api_key: Secret,
        /// Where the name goes.
        location: KeyLocation,
    },
}

/// Where an API key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLocation {
    /// A request header.
    Header,
    /// A query parameter.
    Query,
}

/// At most `requests` in any window of `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Number of requests.
    pub requests: NonZeroU32,
    /// Length of the window.
    pub per: Duration,
}

/// Exponential backoff with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPlan {
    /// Attempts in total, the first included.
    pub max_attempts: u32,
    /// Delay before the second attempt; doubles with each further one.
    pub initial_delay: Duration,
    /// Longest delay of our own choosing.
    pub max_delay: Duration,
    /// Longest delay a server may ask for (`Retry-After`); a longer one ends the resource.
    pub max_server_delay: Duration,
}

/// HTTP method of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
}

/// One endpoint and what it yields.
#[derive(Debug, Clone)]
pub struct ResourcePlan {
    /// Name as written.
    pub name: String,
    /// Name of its root table as written; its identifier is made by the naming convention.
    pub table: String,
    /// Whether its rows are loaded.
    pub selected: bool,
    /// The resource whose rows fill the `{resources.x.field}` placeholders.
    pub parent: Option<String>,
    /// Fields of the parent's row that are added to each row as `_<parent>_<field>`.
    pub include_from_parent: Vec<String>,
    /// The request, placeholders still in it.
    pub endpoint: EndpointPlan,
    /// What is said of its tables.
    pub hints: TableHints,
    /// What happens to rows that the API no longer has. `None`: nothing, as in dlt.
    pub deletes: Option<DeletesPlan>,
    /// What the next run starts from.
    pub incremental: Option<IncrementalPlan>,
}

/// What happens to rows that a proven complete read no longer has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeletesPlan {
    /// Marked or removed.
    pub mode: DeleteMode,
    /// The largest part of the table's rows that one run may mark or remove, from 0 to 1.
    pub max_share: f64,
}

/// A request before the paginator and the parent have filled it in. Its `Debug` leaves out what a user may have put
/// a key into: path, body and the values of parameters.
#[derive(Clone)]
pub struct EndpointPlan {
    /// `GET` or `POST`.
    pub method: Method,
    /// Relative to the base URL, or absolute; without a query. A [`Template`](super::Template), as are `params`,
    /// `json` and `headers`: it may hold `{resources.x.field}`, and literal braces are doubled.
    pub path: String,
    /// Query parameters in order; values may hold placeholders.
    pub params: Vec<(String, String)>,
    /// JSON body; texts in it may hold placeholders.
    pub json: Option<Value>,
    /// Over the client's headers.
    pub headers: Vec<(String, Secret)>,
    /// Over the client's credentials. Without it, credentials go to the base URL's origin only.
    pub auth: Option<Auth>,
    /// Where the rows are in a page. `None`: found on the first page, as dlt finds it.
    pub data_selector: Option<JsonPath>,
    /// Rule for the next request.
    pub paginator: PaginatorPlan,
}

impl fmt::Debug for EndpointPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params: Vec<&str> = self.params.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("EndpointPlan")
            .field("method", &self.method)
            .field("params", &params)
            .field("headers", &self.headers)
            .field("auth", &self.auth)
            .field("data_selector", &self.data_selector)
            .field("paginator", &self.paginator)
            .finish_non_exhaustive()
    }
}

/// What the next run starts from.
#[derive(Debug, Clone, PartialEq)]
pub enum IncrementalPlan {
    /// A field of the rows (dlt's `incremental`).
    CursorField {
        /// Path of the field in a row.
        cursor_path: JsonPath,
        /// Where to start when there is no state.
        initial_value: Option<Value>,
        /// Query parameter that gets the start value.
        start_param: Option<String>,
        /// What to do with rows that lack the field (or have null).
        on_missing: OnCursorMissing,
    },
    /// The paginator's own cursor: the next run sends the last one of this run.
    PageCursor,
}

/// dlt: `on_cursor_value_missing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCursorMissing {
    /// The resource fails.
    Raise,
    /// The row is loaded.
    Include,
    /// The row is dropped.
    Exclude,
}
