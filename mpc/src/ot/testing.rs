//! What the tests of transfers share.

use std::thread;

use sha2::{Digest, Sha256};
use tacit_protocol::PartyId;

use crate::channel::{Channel, Layer};
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

/// Flips a bit of the byte at `at` of all that is sent.
pub(crate) struct Tampering {
    pub(crate) at: u64,
    pub(crate) bit: u8,
}

impl<C: Channel> Layer<C> for Tampering {
    fn send(&mut self, channel: &mut C, bytes: &[u8]) -> Result<()> {
        let first = channel.traffic().sent;
        let mut bytes = bytes.to_vec();
        if let Some(byte) = self.at.checked_sub(first).and_then(|at| bytes.get_mut(at as usize)) {
            *byte ^= self.bit;
        }
        channel.send(&bytes)
    }
}

/// Keeps a digest of all that is sent.
#[derive(Default)]
pub(crate) struct Digesting(Sha256);

impl Digesting {
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}

impl<C: Channel> Layer<C> for Digesting {
    fn send(&mut self, channel: &mut C, bytes: &[u8]) -> Result<()> {
        self.0.update(bytes);
        channel.send(bytes)
    }
}
