//! Bits of shared words: the parts added by a carry-lookahead adder on bit planes.
//!
//! *Source*: Sklansky's prefix network; the generate and propagate of a position share their choice bit.
//! *Security*: that of [`super::cross`]; nothing is opened.
//! *Cost*: [`super::cost::bits_of`]: `1 + ceil(log2(count - 1))` exchanges.
//! *Shapes and units*: planes of `n` bits, lowest first.

use super::TwoParty;
use super::compare::merge;
use super::planes::planes;
use crate::correlations::Correlations;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement};

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// The low `count` bits of words of at most `bits` bits; beyond those, the sign.
    pub(super) fn decompose(&mut self, x: &Arith<R>, count: u32, bits: u32) -> Result<Vec<Bits>> {
        assert!((1..=R::BITS).contains(&bits), "a width of 1 to the word's");
        let (n, width) = (x.len(), count.min(bits));
        let own: Vec<_> =
            planes(&x.words, width).into_iter().map(|plane| Bits::new(Placement::Shared, n, plane)).collect();
        let carries = if width > 1 && n > 0 { self.carries(&own[..own.len() - 1], n)? } else { Vec::new() };
        let mut sums = own;
        for (sum, carry) in sums.iter_mut().skip(1).zip(&carries) {
            *sum = merge(sum, carry, |a, b| a ^ b);
        }
        while sums.len() < count as usize {
            sums.push(sums.last().expect("at least one bit").clone());
        }
        Ok(sums)
    }

    /// The carries out of each position, of the sum of the parties' private numbers.
    fn carries(&mut self, own: &[Bits], n: usize) -> Result<Vec<Bits>> {
        let all = Bits::concat(self, &own.iter().collect::<Vec<_>>());
        let mut generate = self.cross_bits(&all, &[&all], [false, true])?.swap_remove(0).split(n);
        let mut propagate = own.to_vec();
        for level in network(own.len()) {
            let choice: Vec<&Bits> = level.upper.iter().map(|&place| &propagate[place]).collect();
            let from: Vec<&Bits> = level.lower.iter().map(|&place| &generate[place]).collect();
            let with: Vec<&Bits> = level.lower[..level.open].iter().map(|&place| &propagate[place]).collect();
            let [choice, from, with] = [choice, from, with].map(|parts| Bits::concat(self, &parts));
            let products = self.and_columns(&choice, &[&from, &with])?;
            for (&place, product) in level.upper.iter().zip(products[0].split(n)) {
                generate[place] = merge(&generate[place], &product, |a, b| a ^ b);
            }
            for (&place, product) in level.upper.iter().zip(products[1].split(n)) {
                propagate[place] = product;
            }
        }
        Ok(generate)
    }
}

/// A level of the network.
pub(super) struct Level {
    /// The places that take in a lower block.
    pub(super) upper: Vec<usize>,
    /// The uppermost place of that block, for each.
    pub(super) lower: Vec<usize>,
    /// The block of the first so many places does not begin at 0 even then, so that they still propagate.
    pub(super) open: usize,
}

/// The levels for so many places.
pub(super) fn network(places: usize) -> Vec<Level> {
    let levels = places.next_power_of_two().trailing_zeros();
    let level = |level: u32| {
        let upper = (0..places).filter(|place| place >> level & 1 == 1);
        let (mut upper, done): (Vec<_>, Vec<_>) = upper.partition(|place| place >> (level + 1) != 0);
        let open = upper.len();
        upper.extend(done);
        let lower = upper.iter().map(|place| (place >> level << level) - 1).collect();
        Level { upper, lower, open }
    };
    (0..levels).map(level).collect()
}
