//! What a package was made for, written once at its start.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::paginate::PageCursor;
use crate::state::LoadId;

/// The form of packages that this version writes and reads.
pub(super) const FORMAT: u32 = 1;

/// What a package was made for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] at the time.
    pub format: u32,
    /// Its id, which is that of the load.
    pub load_id: LoadId,
    /// Hash of the plan's part that decides what is fetched: pages of another plan are not continued.
    pub plan_hash: String,
    /// The resources it extracts, parents first.
    pub resources: Vec<String>,
    /// Where each resource starts.
    pub starts: BTreeMap<String, Start>,
    /// When it was made, Unix microseconds.
    pub created_at: i64,
}

/// Where a resource starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The first page.
    pub cursor: PageCursor,
    /// The resource's state when the package was made, if it is incremental and had one.
    pub state: Option<Map<String, Value>>,
}
