//! Ends the process in the middle of a load, for tests of what is left then.

use std::sync::atomic::{AtomicU64, Ordering};

/// At which statement the process ends, counted from 1.
pub(super) const ABORT_AT: &str = "FOREBAY_TEST_ABORT_AT";

static STATEMENTS: AtomicU64 = AtomicU64::new(0);

/// Called before each statement.
pub(super) fn pass() {
    let count = STATEMENTS.fetch_add(1, Ordering::SeqCst) + 1;
    if std::env::var(ABORT_AT).is_ok_and(|at| at == count.to_string()) {
        std::process::abort();
    }
}
