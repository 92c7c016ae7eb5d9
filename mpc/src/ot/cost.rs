//! What transfers cost: exact payload bytes, from numbers that both parties know. The tests hold these functions against
//! the channel's counters.
//!
//! Requests map to messages by their sums only: a direction's extensions or rounds follow from how many of its
//! transfers were handed out so far, however they were asked for.

use super::silent::{Expected, chain};
use super::{ferret, softspoken};
use crate::params::LpnSet;

/// Bytes and exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Payload bytes that each party sends.
    pub sent: [u64; 2],
    /// Exchanges one after the other. In an exchange both parties send, each before it receives.
    pub rounds: u64,
}

impl Cost {
    /// Bytes both ways.
    pub fn bytes(&self) -> u64 {
        self.sent[0] + self.sent[1]
    }

    /// Who has nothing to say sends a byte ([`super::keep_step`]).
    fn exchange(&mut self, sent: [u64; 2]) {
        if sent != [0; 2] {
            self.sent = [self.sent[0] + sent[0].max(1), self.sent[1] + sent[1].max(1)];
            self.rounds += 1;
        }
    }

    /// One round in the directions that have a set, by the party that offers.
    fn silent_round(&mut self, sets: [Option<&LpnSet>; 2]) {
        let offerer = |bytes: fn(&LpnSet) -> u64| sets.map(|set| set.map_or(0, bytes));
        let [zero, one] = offerer(|_| ferret::CHALLENGE_BYTES as u64);
        self.exchange(offerer(|set| ferret::sums_bytes(set) as u64));
        self.exchange([one, zero]);
        self.exchange(offerer(|_| ferret::ANSWER_BYTES as u64));
    }
}

/// [`Silent::establish`](super::Silent::establish).
pub fn set_up(expected: Expected) -> Cost {
    let mut cost = Cost::default();
    for bytes in softspoken::SET_UP_BYTES {
        cost.exchange([bytes; 2]);
    }
    let chains = expected.offered.map(chain);
    let [zero, one] = [0, 1].map(|offerer| {
        let of_base = chains[offerer].first().map_or(expected.offered[offerer], |set| set.inputs() as u64);
        softspoken::extensions(of_base, of_base).sum()
    });
    // Extensions go from the receiver to the sender; those of one set-up follow each other without an answer.
    cost.exchange([one, zero]);
    for stage in 0..chains[0].len().max(chains[1].len()) {
        cost.silent_round(chains.map(|chain| chain.get(stage).copied()));
    }
    cost
}

/// What comes after the set-up for `used` transfers of each direction, by the party that offers. The exchanges of the
/// two directions do not coincide.
pub fn transfers(expected: Expected, used: [u64; 2]) -> Cost {
    let mut cost = Cost::default();
    for offerer in [0, 1] {
        match chain(expected.offered[offerer]).last() {
            Some(&set) => {
                let stock = (set.outputs() - set.inputs()) as u64;
                let rounds = used[offerer].div_ceil(stock).saturating_sub(1);
                for _ in 0..rounds {
                    let mut sets = [None; 2];
                    sets[offerer] = Some(set);
                    cost.silent_round(sets);
                }
            }
            None => {
                let expected = expected.offered[offerer];
                let ready = softspoken::extensions(expected, expected).count();
                for bytes in softspoken::extensions(expected, used[offerer]).skip(ready) {
                    let mut sent = [0; 2];
                    sent[1 - offerer] = bytes;
                    cost.exchange(sent);
                }
            }
        }
    }
    cost
}
