//! A channel inside one process, for tests and for programs that play both parties.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::{Channel, Meter, Traffic};
use crate::error::{Error, Result};

/// How long a receiver in memory waits: long enough for any test, short enough that a deadlock ends as an error.
const DEADLINE: Duration = Duration::from_secs(120);

/// One end of a channel inside this process. Nothing is encrypted and its queue has no bound.
pub struct MemoryChannel {
    to_peer: mpsc::Sender<Vec<u8>>,
    from_peer: mpsc::Receiver<Vec<u8>>,
    queued: Vec<u8>,
    arrived: Vec<u8>,
    consumed: usize,
    deadline: Duration,
    meter: Meter,
    step: &'static str,
}

/// Two connected ends.
pub fn pair() -> (MemoryChannel, MemoryChannel) {
    pair_with_deadline(DEADLINE)
}

/// Two connected ends whose receivers wait no longer than `deadline`.
pub fn pair_with_deadline(deadline: Duration) -> (MemoryChannel, MemoryChannel) {
    let (to_one, from_zero) = mpsc::channel();
    let (to_zero, from_one) = mpsc::channel();
    (MemoryChannel::new(to_one, from_one, deadline), MemoryChannel::new(to_zero, from_zero, deadline))
}

impl MemoryChannel {
    fn new(to_peer: mpsc::Sender<Vec<u8>>, from_peer: mpsc::Receiver<Vec<u8>>, deadline: Duration) -> Self {
        Self {
            to_peer,
            from_peer,
            queued: Vec::new(),
            arrived: Vec::new(),
            consumed: 0,
            deadline,
            meter: Meter::default(),
            step: "start",
        }
    }

    fn closed(&self, cause: &'static str) -> Error {
        Error::Closed { step: self.step, source: io::Error::new(io::ErrorKind::BrokenPipe, cause) }
    }
}

impl Channel for MemoryChannel {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.queued.extend_from_slice(bytes);
        self.meter.sent(bytes.len());
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.queued.is_empty() {
            return Ok(());
        }
        let message = std::mem::take(&mut self.queued);
        self.to_peer.send(message).map_err(|_| self.closed("the other end was dropped"))
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<()> {
        self.flush()?;
        let mut filled = 0;
        while filled < into.len() {
            if self.consumed == self.arrived.len() {
                self.arrived = self.from_peer.recv_timeout(self.deadline).map_err(|error| match error {
                    RecvTimeoutError::Timeout => Error::Timeout { step: self.step, waited: self.deadline },
                    RecvTimeoutError::Disconnected => self.closed("the other end was dropped"),
                })?;
                self.consumed = 0;
            }
            let count = (into.len() - filled).min(self.arrived.len() - self.consumed);
            into[filled..filled + count].copy_from_slice(&self.arrived[self.consumed..self.consumed + count]);
            filled += count;
            self.consumed += count;
        }
        self.meter.received(into.len());
        Ok(())
    }

    fn traffic(&self) -> Traffic {
        let counted = self.meter.traffic;
        Traffic { wire_sent: counted.sent, wire_received: counted.received, ..counted }
    }

    fn enter(&mut self, step: &'static str) {
        self.step = step;
    }

    fn step(&self) -> &'static str {
        self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_bytes_both_ways_across_message_bounds() {
        let (mut a, mut b) = pair();
        a.send(&[1, 2, 3]).expect("open");
        a.send(&[4]).expect("open");
        a.flush().expect("open");
        b.send(&[9]).expect("open");
        let mut two = [0; 2];
        b.receive(&mut two).expect("sent");
        assert_eq!(two, [1, 2]);
        b.receive(&mut two).expect("sent");
        assert_eq!(two, [3, 4]);
        let mut one = [0];
        a.receive(&mut one).expect("flushed by the receiver");
        assert_eq!(one, [9]);
        assert_eq!(a.traffic(), Traffic { sent: 4, received: 1, rounds: 1, wire_sent: 4, wire_received: 1 });
        assert_eq!(b.traffic().rounds, 1);
    }

    #[test]
    fn silence_ends_as_a_timeout_that_names_the_step() {
        let (mut a, _b) = pair_with_deadline(Duration::from_millis(10));
        a.enter("opening");
        let error = a.receive(&mut [0]).expect_err("nothing was sent");
        assert!(matches!(error, Error::Timeout { step: "opening", .. }));
        assert_eq!(error.code().as_str(), "PEER_TIMEOUT");
    }

    #[test]
    fn a_dropped_end_is_a_closed_channel() {
        let (mut a, b) = pair();
        drop(b);
        assert_eq!(a.receive(&mut [0]).expect_err("dropped").code().as_str(), "CHANNEL_CLOSED");
    }
}
