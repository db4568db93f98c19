//! Stack for values that are deep: comparing one, writing it, and letting go of it take stack for each level.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::thread::Builder;

use super::JqError;

/// What the deepest value takes that can be made within the steps of a run, with room to spare. The system gives it
/// page by page, when it is used.
const DEEP: usize = 1 << 30;

thread_local! {
    static IS_DEEP: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` where there is stack for values of any depth that an expression can make.
///
/// # Errors
/// The system gives no thread.
pub fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, JqError> {
    if IS_DEEP.get() {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let there = || {
            IS_DEEP.set(true);
            work()
        };
        let thread = Builder::new().name("jq".to_owned()).stack_size(DEEP).spawn_scoped(scope, there);
        let done = thread.map_err(|_| JqError::no_stack())?.join();
        Ok(done.unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// About where the stack is now.
#[inline(never)]
pub(super) fn address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)) as usize
}
