//! What a party measures of itself: time, processor time, memory, and what it sends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tacit_mpc::channel::{Channel, Traffic};
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
    pub(super) fn traffic(&self) -> Traffic {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A channel whose counters can be read while the engine holds it.
pub(super) struct Metered<C> {
    channel: C,
    counters: Counters,
}

impl<C: Channel> Metered<C> {
    pub(super) fn new(channel: C) -> (Self, Counters) {
        let counters = Counters::default();
        (Self { channel, counters: counters.clone() }, counters)
    }

    pub(super) fn into_inner(self) -> C {
        self.channel
    }

    fn note(&self) {
        *self.counters.0.lock().unwrap_or_else(PoisonError::into_inner) = self.channel.traffic();
    }
}

impl<C: Channel> Channel for Metered<C> {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let sent = self.channel.send(bytes);
        self.note();
        sent
    }

    fn flush(&mut self) -> Result<()> {
        self.channel.flush()
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<()> {
        let received = self.channel.receive(into);
        self.note();
        received
    }

    fn traffic(&self) -> Traffic {
        self.channel.traffic()
    }

    fn enter(&mut self, step: &'static str) {
        self.channel.enter(step);
    }

    fn step(&self) -> &'static str {
        self.channel.step()
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
