//! Ctrl-C and SIGTERM ask a run to stop at the next page; a second one ends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Exit code of a process that SIGINT ended.
const INTERRUPTED: u8 = 130;
/// Exit code of a process that SIGTERM ended.
const TERMINATED: u8 = 143;

/// What signals asked for.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    pub(super) stop: watch::Receiver<bool>,
    code: Arc<AtomicU8>,
}

impl Signals {
    /// Listens from now on. Must be called within a runtime.
    pub(super) fn listen() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, stop) = watch::channel(false);
        let code = Arc::new(AtomicU8::new(0));
        let seen = Arc::clone(&code);
        tokio::spawn(async move {
            loop {
                let received = tokio::select! {
                    _ = interrupt.recv() => INTERRUPTED,
                    _ = terminate.recv() => TERMINATED,
                };
                if seen.swap(received, Ordering::Relaxed) != 0 {
                    // Somebody is in a hurry. Every state on disk is one that a kill may leave.
                    super::print_err("stopped at once; the next run repeats what was not kept\n");
                    std::process::exit(i32::from(received));
                }
                super::print_err("stopping: the page under way is given up, what was received is kept\n");
                let _ = sender.send(true);
            }
        });
        Ok(Self { stop, code })
    }

    /// The exit code of the signal that came, if one did.
    pub(super) fn exit_code(&self) -> Option<u8> {
        Some(self.code.load(Ordering::Relaxed)).filter(|code| *code != 0)
    }
}
