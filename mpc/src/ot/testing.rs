//! What the tests of transfers share.

use std::thread;

use sha2::{Digest, Sha256};
use tacit_protocol::PartyId;

use crate::channel::{Channel, MemoryChannel, Traffic};
use crate::error::Result;

/// Runs both parties on two channels, each on a thread.
pub(crate) fn both<C: Channel, T: Send>(
    (mut zero, mut one): (C, C),
    run: impl Fn(&mut C, PartyId) -> T + Sync,
) -> ((T, C), (T, C)) {
    thread::scope(|scope| {
        let run = &run;
        let other = scope.spawn(move || {
            let outcome = run(&mut one, PartyId::ONE);
            (outcome, one)
        });
        let outcome = run(&mut zero, PartyId::ZERO);
        ((outcome, zero), other.join().expect("party 1 does not panic"))
    })
}

/// A channel whose party flips a bit of the byte at `at` of all that it sends.
pub(crate) struct Tampering {
    channel: MemoryChannel,
    at: u64,
    bit: u8,
}

impl Tampering {
    pub(crate) fn new(channel: MemoryChannel, at: u64, bit: u8) -> Self {
        Self { channel, at, bit }
    }
}

impl Channel for Tampering {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let first = self.channel.traffic().sent;
        let mut bytes = bytes.to_vec();
        if let Some(byte) = self.at.checked_sub(first).and_then(|at| bytes.get_mut(at as usize)) {
            *byte ^= self.bit;
        }
        self.channel.send(&bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.channel.flush()
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<()> {
        self.channel.receive(into)
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

/// A channel that keeps a digest of all that its party sends.
pub(crate) struct Digesting {
    channel: MemoryChannel,
    sent: Sha256,
}

impl Digesting {
    pub(crate) fn new(channel: MemoryChannel) -> Self {
        Self { channel, sent: Sha256::new() }
    }

    pub(crate) fn digest(self) -> [u8; 32] {
        self.sent.finalize().into()
    }
}

impl Channel for Digesting {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.sent.update(bytes);
        self.channel.send(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.channel.flush()
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<()> {
        self.channel.receive(into)
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
