//! The durable record of one run: what was asked, every page that came, how each resource ended.
//!
//! `<work dir>/<pipeline>/packages/<load id>/` holds `manifest.json`, written once, and `journal`, which only
//! grows. Everything after extraction can be repeated from these two, without the API. A package passes through
//! *extracting* → *extracted* (its journal is sealed) → loaded (its directory is gone).

mod journal;
mod lock;
mod manifest;
mod order;
mod store;

pub use journal::{
    AnswerNote, Journal, JournalError, Outcome, PageRecord, Place, Record, Records, RecordsAt,
};
pub use manifest::{Manifest, Start};
pub use order::{OrderedPages, OrderedRecords, Turns};
pub use store::{Package, PackageError, Pending, Store};
