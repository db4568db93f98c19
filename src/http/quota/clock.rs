//! The one timescale that all users of a quota share: microseconds, near those since 1970, never set back.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// Stands for a start of the machine that nothing tells from others.
pub(super) const UNKNOWN_BOOT: &str = "-";

/// A point in time, in microseconds on the timescale of a quota's store.
pub(crate) type Micros = u64;

/// Where the timescale of the store and the runtime's clock met last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor {
    now: Micros,
    at: Instant,
    /// What the first may be behind the second: the way to a store elsewhere.
    pub(super) uncertainty: Duration,
}

impl Anchor {
    pub(super) fn new(now: Micros, uncertainty: Duration) -> Self {
        Self { now, at: Instant::now(), uncertainty }
    }

    pub(super) fn now(&self) -> Micros {
        self.now + micros(self.at.elapsed())
    }

    /// How long ago that was.
    pub(super) fn age(&self) -> Duration {
        self.at.elapsed()
    }

    /// When that is, or was, on the runtime's clock.
    pub(super) fn instant(&self, time: Micros) -> Instant {
        match time.checked_sub(self.now) {
            Some(ahead) => self.at + Duration::from_micros(ahead),
            None => self.at.checked_sub(Duration::from_micros(self.now - time)).unwrap_or(self.at),
        }
    }
}

pub(super) fn micros(duration: Duration) -> Micros {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds since 1970 by the clock on the wall, which people and time servers set.
pub(super) fn wall() -> Micros {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// What tells one start of the machine from another, in one word; `-` if the system does not say.
pub(super) fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.split_whitespace().next().unwrap_or(UNKNOWN_BOOT).to_owned()
}

/// Microseconds by the clock that all processes of this machine share from one boot to the next, its sleep included.
pub(super) fn since_boot() -> Micros {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let id = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let id = ClockId::Monotonic;
    let time = clock_gettime(id);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000 + u64::try_from(time.tv_nsec / 1000).unwrap_or(0)
}
