//! Ferret: many correlated OTs in one direction from few, with little communication.
//!
//! *Source*: Yang, Weng, Lan, Zhang, Wang, "Ferret: Fast Extension for coRRElated oT with small communication", ePrint
//! 2020/924, with regular noise and a local code; single-point COT from the correlated GGM trees of Guo, Yang, Wang,
//! Zhang, Xie, Liu, Zhao, "Half-Tree", ePrint 2022/1431, §4, in one flight: the receiver's random choices *are* its
//! noise positions. We differ in the parameter sets ([`crate::params::LpnSet`]), in a code that is fresh for each round,
//! and in the shape of the check's weights ([`check`]).
//!
//! *Security*: malicious, 127 bits computational under LPN for those sets, in the ideal-permutation model; the check
//! is always on. As in the paper a deviating sender may guess noise positions and is caught unless all guesses are
//! right: one bit on average. A failed check destroys the session (CHK-601). The code's seed is a digest of the
//! round's messages, of which the receiver's last one has fresh randomness, so no stream of indices comes twice.
//! Secret-independent time and memory access; roots, paths, tables and transfers in stock are zeroised.
//!
//! *Cost*: a round takes [`LpnSet::inputs`] transfers and makes [`LpnSet::outputs`]. Three flights: 16 B for each level of
//! each tree to the receiver, 32 B back, 32 B to the receiver. Per transfer two to three AES blocks of tree, two thirds
//! of one of code, ten reads of a table whose lines come from a far cache for four transfers at once, and two carry-less
//! products.
//!
//! *Shapes and units*: tree `i` makes rows `i · 2^depth` and on. Bit 0 of what the sender holds is 0, bit 0 of what the
//! receiver holds is its choice. Rows are made when they are asked for, a tree at a time, so that they go to the
//! consumer from a near cache, in pieces ([`Round::take_pieces`]) on the thread that made them; between that and the
//! check only roots or paths are kept.
//!
//! *Vectors*: none; held against the ideal functionality, and every level of instructions against the portable one.

mod check;
mod round;

pub(super) use check::CHALLENGE_BYTES;
pub(super) use round::{Receiving, Round, Sending, Work};

use sha2::{Digest, Sha256};

use crate::params::LpnSet;

/// Bytes of the sender's last message.
pub(super) const ANSWER_BYTES: usize = 32;

/// Bytes of the sender's first message.
pub(super) const fn sums_bytes(set: &LpnSet) -> usize {
    set.trees * set.depth as usize * 16
}

/// What names a round: the direction's context, the set, the number of the round and all its messages so far.
#[derive(Clone)]
pub(super) struct Transcript(Sha256);

impl Transcript {
    /// The transcript of round `number` on a set, in a direction that `context` names.
    pub(super) fn new(context: &[u8; 32], set: &LpnSet, number: u64) -> Self {
        let mut hasher = Sha256::new();
        for part in [b"tacit/mpc/ferret/2".as_slice(), context, set.name.as_bytes(), &number.to_le_bytes()] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hasher)
    }

    /// Adds a message, of a length that its place in the round determines.
    pub(super) fn add(&mut self, message: &[u8]) {
        self.0.update(message);
    }

    /// A digest for one purpose.
    pub(super) fn digest(&self, purpose: &str) -> [u8; 32] {
        let mut hasher = self.0.clone();
        hasher.update(purpose.as_bytes());
        hasher.finalize().into()
    }

    /// A public 128-bit key for one purpose.
    pub(super) fn key(&self, purpose: &str) -> u128 {
        crate::hash::first_half(&self.digest(purpose))
    }
}
