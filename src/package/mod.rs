//! The durable record of one run: what was asked, every page that came, how each resource ended.
//!
//! `<work dir>/<pipeline>/packages/<load id>/` holds `manifest.json`, written once, and `journal`, which only
//! grows. Everything after extraction can be repeated from these two, without the API. A package passes through
//! *extracting* → *extracted* (its journal is sealed) → loaded (its directory is gone).

mod journal;
mod lock;
mod manifest;
mod order;
mod record;
mod records;
mod store;

pub use journal::{Journal, JournalError, Place};
pub use manifest::{Manifest, Start};
pub use order::{OrderedPages, OrderedRecords, Turns};
pub use record::{AnswerNote, Outcome, PageRecord, Record};
pub use records::{Records, RecordsAt};
pub use store::{Package, PackageError, Pending, Store};
