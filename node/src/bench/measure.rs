//! What a party measures of itself: time, processor time, memory, and what it sends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tacit_mpc::channel::{Channel, Layer, Layered, Traffic};
use tacit_mpc::error::Result;

/// What a part of a run took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Spent {
    /// Seconds that passed.
    pub(super) wall_s: f64,
    /// Seconds of processor time, of all threads of the process.
    pub(super) cpu_s: f64,
    /// Payload bytes sent.
    pub(super) sent: u64,
    /// Turns from sending to receiving.
    pub(super) rounds: u64,
}

impl Spent {
    /// One after the other.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            wall_s: self.wall_s + other.wall_s,
            cpu_s: self.cpu_s + other.cpu_s,
            sent: self.sent + other.sent,
            rounds: self.rounds + other.rounds,
        }
    }
}

/// A moment, with the counters at it.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    at: Instant,
    cpu: Duration,
    traffic: Traffic,
}

impl Mark {
    pub(super) fn now(counters: &Counters) -> Self {
        Self { at: Instant::now(), cpu: processor_time(), traffic: counters.traffic() }
    }

    /// What was spent between two moments.
    pub(super) fn until(self, end: Self) -> Spent {
        Spent {
            wall_s: end.at.duration_since(self.at).as_secs_f64(),
            cpu_s: end.cpu.saturating_sub(self.cpu).as_secs_f64(),
            sent: end.traffic.sent - self.traffic.sent,
            rounds: end.traffic.rounds - self.traffic.rounds,
        }
    }
}

/// The processor time of this process so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The counters of a channel, readable while the engine holds it.
#[derive(Clone, Default)]
pub(super) struct Counters(Arc<Mutex<Traffic>>);

impl Counters {
    /// A channel with counters.
    pub(super) fn over<C: Channel>(channel: C) -> (Layered<C, Self>, Self) {
        let counters = Self::default();
        (Layered::over(channel, counters.clone()), counters)
    }

    pub(super) fn traffic(&self) -> Traffic {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, traffic: Traffic) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = traffic;
    }
}

impl<C: Channel> Layer<C> for Counters {
    fn send(&mut self, channel: &mut C, bytes: &[u8]) -> Result<()> {
        let sent = channel.send(bytes);
        self.note(channel.traffic());
        sent
    }

    fn receive(&mut self, channel: &mut C, into: &mut [u8]) -> Result<()> {
        let received = channel.receive(into);
        self.note(channel.traffic());
        received
    }
}

/// The most memory that was resident since [`forget_peak`], in bytes; none where the system does not tell.
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Starts the measurement of [`peak_memory`] anew. Where the system does not allow it, the peak is that of the process.
pub(super) fn forget_peak() {
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}
