//! Places in a load where a process may end, for tests of what is left then.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

/// At which place the process ends, counted from 1.
pub(crate) const ABORT_AT: &str = "FOREBAY_TEST_ABORT_AT";

static PLACES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LOOK: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
}

/// Has `look` called at each place that loads of this thread pass from now on.
pub(crate) fn watch(look: impl FnMut() + 'static) {
    LOOK.set(Some(Box::new(look)));
}

/// Ends what [`watch`] began.
pub(crate) fn unwatch() {
    LOOK.set(None);
}

/// Called before each statement, and after the commit.
pub(crate) fn pass() {
    let count = PLACES.fetch_add(1, Ordering::SeqCst) + 1;
    if std::env::var(ABORT_AT).is_ok_and(|at| at == count.to_string()) {
        std::process::abort();
    }
    LOOK.with_borrow_mut(|look| {
        if let Some(look) = look {
            look();
        }
    });
}
