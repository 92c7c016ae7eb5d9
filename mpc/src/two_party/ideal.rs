//! The ideal functionality of correlated transfers, for tests: both parties derive the same transfers from one seed.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tacit_protocol::PartyId;

use crate::channel::Channel;
use crate::correlations::{Correlations, Pads};
use crate::error::Result;

/// One party's view of the transfers in both directions.
pub(crate) struct Ideal {
    party: PartyId,
    /// By the party that offers.
    streams: [ChaCha8Rng; 2],
    offsets: [u128; 2],
    pads: Pads,
    /// How many transfers were handed out, by the party that offers.
    pub(crate) used: [u64; 2],
}

impl Ideal {
    pub(crate) fn new(party: PartyId, seed: u64) -> Self {
        let mut streams = [0, 1].map(|direction: u64| ChaCha8Rng::seed_from_u64(seed ^ direction << 63));
        let offsets = streams.each_mut().map(|stream| word(stream) | 1);
        let context = |sender: PartyId| [sender.0; 32];
        let pads = Pads::new(&context(party), &context(party.other()));
        Self { party, streams, offsets, pads, used: [0; 2] }
    }

    /// A key and a choice for each transfer that `offerer` offers.
    fn draw(&mut self, offerer: PartyId, into: &mut [u128], view: impl Fn(u128, u128) -> u128) {
        self.used[offerer.index()] += into.len() as u64;
        let stream = &mut self.streams[offerer.index()];
        for transfer in into {
            let drawn = word(stream);
            *transfer = view(drawn & !1, drawn & 1);
        }
    }
}

fn word(stream: &mut ChaCha8Rng) -> u128 {
    u128::from(stream.next_u64()) << 64 | u128::from(stream.next_u64())
}

impl Correlations for Ideal {
    fn offset(&self) -> u128 {
        self.offsets[self.party.index()]
    }

    fn pads(&mut self) -> &mut Pads {
        &mut self.pads
    }

    fn send_correlated(&mut self, _channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        self.draw(self.party, into, |key, _| key);
        Ok(())
    }

    fn receive_correlated(&mut self, _channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        let offerer = self.party.other();
        let offset = self.offsets[offerer.index()];
        self.draw(offerer, into, |key, choice| key ^ offset & 0u128.wrapping_sub(choice));
        Ok(())
    }
}
