//! dlt's incremental cursor: which rows are new, what the API is asked for, and what the next run starts from.

mod cursor;
mod error;
mod hashes;
mod lag;
mod reading;
mod row_order;
mod step;

pub use cursor::Incremental;
pub use error::IncrementalError;
pub use reading::{Backfill, Begin, Range, Reading};
pub use row_order::RowOrderWatch;
pub use step::{NoStep, STEP_RULE, Step};
