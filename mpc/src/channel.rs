//! What the protocols need of a connection between the two parties: ordered, authenticated bytes and counters.

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
}
