//! What the protocols need of a connection between the two parties: ordered, authenticated bytes and counters.

mod layer;
mod memory;
pub mod noise;
mod recorder;
mod throttled;

pub use layer::{Layer, Layered};
pub use memory::{MemoryChannel, pair, pair_with_deadline};
pub use noise::NoiseChannel;
pub use recorder::{Event, Events, Recorder};
pub use throttled::Link;

use crate::error::Result;

/// A connection to the other party. Lengths are never on the wire for the protocols to trust: a receiver knows from
/// its own plan how many bytes come next.
pub trait Channel: Send {
    /// Queues bytes for the peer. Both sides may send at the same time; an implementation never blocks one side's
    /// sending on the other's receiving.
    fn send(&mut self, bytes: &[u8]) -> Result<()>;

    /// Sends what is queued.
    fn flush(&mut self) -> Result<()>;

    /// Flushes, then fills `into` with the next bytes from the peer, waiting no longer than the channel's deadline.
    fn receive(&mut self, into: &mut [u8]) -> Result<()>;

    /// What went over it so far.
    fn traffic(&self) -> Traffic;

    /// Names what is under way, for the errors that follow.
    fn enter(&mut self, step: &'static str);

    /// The name of what is under way.
    fn step(&self) -> &'static str;
}

/// Counts of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Payload bytes sent.
    pub sent: u64,
    /// Payload bytes received.
    pub received: u64,
    /// Turns from sending to receiving: how often this party waited for the network at least.
    pub rounds: u64,
    /// Bytes put on the wire: payload, frame headers and authentication tags. Equal to `sent` in memory.
    pub wire_sent: u64,
    /// Bytes taken off the wire.
    pub wire_received: u64,
}

/// Counts payload and turns; what every implementation of [`Channel`] needs.
#[derive(Default)]
struct Meter {
    traffic: Traffic,
    received_last: bool,
}

impl Meter {
    fn sent(&mut self, bytes: usize) {
        self.traffic.sent += bytes as u64;
        self.received_last = false;
    }

    fn received(&mut self, bytes: usize) {
        self.traffic.received += bytes as u64;
        if !self.received_last {
            self.traffic.rounds += 1;
        }
        self.received_last = true;
    }
}
