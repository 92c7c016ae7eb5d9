//! The ideal functionality of random transfers, for tests: both parties derive the same transfers from one seed.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tacit_protocol::PartyId;

use crate::channel::Channel;
use crate::correlations::Correlations;
use crate::error::Result;

/// One party's view of the transfers in both directions.
pub(crate) struct Ideal {
    party: PartyId,
    /// By the party that offers.
    streams: [ChaCha8Rng; 2],
    /// How many transfers were handed out, by the party that offers.
    pub(crate) used: [u64; 2],
}

impl Ideal {
    pub(crate) fn new(party: PartyId, seed: u64) -> Self {
        let stream = |direction: u64| ChaCha8Rng::seed_from_u64(seed ^ direction << 63);
        Self { party, streams: [stream(0), stream(1)], used: [0; 2] }
    }

    fn draw(&mut self, offerer: PartyId, n: usize) -> (Vec<[u128; 2]>, Vec<u64>) {
        self.used[offerer.index()] += n as u64;
        let stream = &mut self.streams[offerer.index()];
        let mut word = || u128::from(stream.next_u64()) << 64 | u128::from(stream.next_u64());
        let pairs = (0..n).map(|_| [word(), word()]).collect();
        let mut choices: Vec<u64> = (0..n.div_ceil(64)).map(|_| word() as u64).collect();
        crate::share::clear_tail(&mut choices, n);
        (pairs, choices)
    }
}

impl Correlations for Ideal {
    fn send_random(&mut self, _channel: &mut dyn Channel, n: usize) -> Result<Vec<[u128; 2]>> {
        Ok(self.draw(self.party, n).0)
    }

    fn receive_random(&mut self, _channel: &mut dyn Channel, n: usize) -> Result<(Vec<u64>, Vec<u128>)> {
        let (pairs, choices) = self.draw(self.party.other(), n);
        let chosen =
            pairs.iter().enumerate().map(|(i, pair)| pair[(choices[i / 64] >> (i % 64) & 1) as usize]).collect();
        Ok((choices, chosen))
    }
}
