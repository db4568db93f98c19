//! What all databases share that are loaded with SQL: the order of a load, dlt's system tables and ours, tables and
//! columns, and how new rows meet those that are there.
//!
//! An engine implements [`Database`] and brings what it does in its own way: opening, types, appending Arrow batches.

mod database;
mod ddl;
pub(super) mod ledger;
mod load;
pub(super) mod merge;
pub(super) mod origins;
pub(super) mod retype;
pub(super) mod runs;
mod spill;

pub(crate) use database::{Cell, Database, Dialect, Param, Row, TableLock, Target, literal, quote};
pub(crate) use load::load;
pub(crate) use spill::SpillFile;
