//! What a package was made for, written once at its start.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::Validators;
use crate::paginate::PageCursor;
use crate::state::{Backfill, LoadId};

/// What a package was made for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`Manifest::FORMAT`] at the time.
    pub format: u32,
    /// Its id, which is that of the load.
    pub load_id: LoadId,
    /// Hash of the plan's part that decides what is fetched: pages of another plan are not continued.
    pub plan_hash: String,
    /// The resources whose rows are loaded.
    pub selected: Vec<String>,
    /// The resources it extracts, parents first: the selected ones and the parents they need.
    pub resources: Vec<String>,
    /// Where each incremental resource starts; the others start at their first page.
    pub starts: BTreeMap<String, Start>,
    /// What is known of the answers of conditional resources, by request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub validators: BTreeMap<String, BTreeMap<String, Validators>>,
    /// Whether all is read again, whatever the state says.
    pub full_refresh: bool,
    /// The range that was asked for on the command line, whatever the state says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Backfill>,
    /// Whether this is a mere look at the API, of which nothing is remembered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_look: bool,
    /// When it was made, Unix microseconds. Stays the same, whatever becomes of the package: idempotency keys are made
    /// of it.
    pub created_at: i64,
}

impl Manifest {
    /// The form of packages that this version writes and reads.
    pub const FORMAT: u32 = 1;
}

/// Where a resource starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The first page.
    pub cursor: PageCursor,
    /// The resource's state when the package was made, if it is incremental and had one.
    pub state: Option<Map<String, Value>>,
    /// Whether everything is read all the same.
    #[serde(default)]
    pub full_scan: bool,
}
