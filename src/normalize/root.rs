//! What a resource says about its table.

use crate::schema::{DeleteMode, TableHints};

/// The root table of a resource. Names are those of the source.
#[derive(Debug, Clone)]
pub struct RootTable {
    /// Name of the resource.
    pub resource: String,
    /// Name of the table.
    pub table: String,
    /// What the config says of the table.
    pub hints: TableHints,
    /// The field that an incremental resource follows.
    pub cursor_field: Option<String>,
    /// The resource whose rows give fields named `_<parent>_<field>`.
    pub parent: Option<String>,
    /// What happens to rows that the API no longer has. Rows that are marked need a column for it.
    pub deletes: Option<DeleteMode>,
}
