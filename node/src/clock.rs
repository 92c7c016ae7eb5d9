//! Time and randomness, handed in at the edge: the system's in the binary, set by hand in tests and simulations.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand_core::{CryptoRng, UnwrapErr};

/// A source of wall-clock time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01 00:00 UTC.
    fn unix_millis(&self) -> u64;

    /// Seconds since 1970-01-01 00:00 UTC.
    fn unix_seconds(&self) -> u64 {
        self.unix_millis() / 1_000
    }
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_millis(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that moves only when it is told to. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    millis: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock that shows a time in milliseconds since 1970.
    pub fn at(unix_millis: u64) -> Self {
        Self { millis: Arc::new(AtomicU64::new(unix_millis)) }
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn unix_millis(&self) -> u64 {
        self.millis.load(Ordering::SeqCst)
    }
}

/// The operating system's randomness.
///
/// # Panics
/// The generator panics when the operating system has none to give; nothing can be protected without it.
pub fn system_rng() -> impl CryptoRng + Send {
    UnwrapErr(rand::rngs::SysRng)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_all_clones_move_with_it() {
        let clock = ManualClock::at(1_000);
        let other = clock.clone();
        assert_eq!(other.unix_millis(), 1_000);
        clock.advance(Duration::from_secs(2));
        assert_eq!(other.unix_millis(), 3_000);
        assert_eq!(other.unix_seconds(), 3);
    }
}
