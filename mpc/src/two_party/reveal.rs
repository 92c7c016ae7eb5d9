//! Values to the parties named, and to nobody else.
//!
//! *Source*: exchange of parts.
//! *Security*: a receiver's view is the value and its own part. A side that is not named receives nothing, CHK-404:
//! lengths are this side's own.
//! *Cost*: [`super::cost::reveal`], [`super::cost::reveal_bits`].

use tacit_protocol::PartyId;

use super::TwoParty;
use super::wire::{BitReader, BitWriter};
use crate::correlations::Correlations;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement};

const _: () = assert!(cfg!(target_endian = "little"), "ring words travel as they lie in memory");

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    pub(super) fn reveal_words(&mut self, x: &Arith<R>, to: &[PartyId]) -> Result<Option<Vec<R>>> {
        let mut theirs = vec![R::ZERO; x.len()];
        self.parts(x.placement, to, bytemuck::cast_slice(&x.words), bytemuck::cast_slice_mut(&mut theirs))?;
        let value = || x.words.iter().zip(&theirs).map(|(mine, &theirs)| mine.add(theirs)).collect();
        Ok(to.contains(&self.party).then(value))
    }

    pub(super) fn reveal_packed(&mut self, x: &Bits, to: &[PartyId]) -> Result<Option<Vec<u64>>> {
        let mut writer = BitWriter::with_capacity(x.len.div_ceil(8));
        writer.push_bits(&x.words, x.len);
        let mut theirs = vec![0; x.len.div_ceil(8)];
        self.parts(x.placement, to, &writer.finish(), &mut theirs)?;
        let theirs = BitReader::new(&theirs).take_bits(x.len);
        let value = || x.words.iter().zip(theirs).map(|(mine, theirs)| mine ^ theirs).collect();
        Ok(to.contains(&self.party).then(value))
    }

    /// Sends this party's part where it is asked for and takes the other's where this party is named. What is not
    /// received stays zero.
    fn parts(&mut self, placement: Placement, to: &[PartyId], mine: &[u8], theirs: &mut [u8]) -> Result<()> {
        if gives(placement, self.party, to) && !mine.is_empty() {
            self.channel.send(mine)?;
            self.channel.flush()?;
        }
        if gives(placement, self.party.other(), to) && !theirs.is_empty() {
            self.channel.receive(theirs)?;
        }
        Ok(())
    }
}

/// Whether a party's part goes to the other one.
pub(super) fn gives(placement: Placement, party: PartyId, to: &[PartyId]) -> bool {
    let has = match placement {
        Placement::Public => false,
        Placement::Private(owner) => owner == party,
        Placement::Shared => true,
    };
    has && to.contains(&party.other())
}
