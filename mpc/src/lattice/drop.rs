//! Dropping limbs of a modulus, so that the number modulo the rest is that over the product of what is dropped.

use tacit_simd::{Level, quotients};

use super::buffer::Buffer;
use super::modular::{invert, multiply, negate, product_modulo, reciprocals};
use super::ring::{Residues, Ring, SLOTS, signed};

/// The constants of a change from limbs to some of them.
///
/// What is taken off before the division is a multiple of the plaintext modulus, so the message is divided by the product of
/// the dropped limbs modulo that, and the noise as a number.
pub(super) struct Drop {
    /// For each dropped limb: its scale.
    scales: Vec<u64>,
    /// `1 / limb` of each dropped limb.
    reciprocals: Vec<f64>,
    /// For each kept limb: the factors of the limb itself, of each dropped limb, and of the quotient.
    factors: Vec<Vec<u64>>,
}

impl Drop {
    /// From `kept` and `dropped` limbs to the kept ones, for the plaintext modulus that `plain` tells modulo each limb.
    pub(super) fn new(kept: &[u64], dropped: &[u64], plain: impl Fn(u64) -> u64) -> Self {
        let scale = |limb: u64| invert(multiply(product_modulo(dropped, Some(limb), limb), plain(limb), limb), limb);
        // The limb less what the dropped ones tell, over their product.
        let factors = |limb: u64| {
            let of = |dropped: &u64| negate(multiply(plain(limb), invert(dropped % limb, limb), limb), limb);
            let own = invert(product_modulo(dropped, None, limb), limb);
            [own].into_iter().chain(dropped.iter().map(of)).chain([plain(limb)]).collect()
        };
        Self {
            scales: dropped.iter().map(|limb| scale(*limb)).collect(),
            reciprocals: reciprocals(dropped),
            factors: kept.iter().map(|limb| factors(*limb)).collect(),
        }
    }

    /// What a polynomial leaves: of its kept limbs, the first of the ring, and its dropped ones, the ring's from
    /// `first` on. Polynomials that are to be added to what it leaves have the kept limbs.
    pub(super) fn apply(
        &self,
        kept: &[Residues],
        dropped: &[Residues],
        first: usize,
        to: &[&[Residues]],
    ) -> Vec<Residues> {
        let transforms = &Ring::get().limbs;
        let scaled: Vec<Residues> = (dropped.iter().zip(&self.scales).zip(&transforms[first..]))
            .map(|((limb, scale), transform)| {
                let mut scaled = Residues::any(SLOTS);
                transform.modulus().combine(&[signed(limb)], &[*scale], &mut scaled);
                scaled
            })
            .collect();
        let mut times = Buffer::any(SLOTS);
        let views: Vec<&[u64]> = scaled.iter().map(|limb| &limb[..]).collect();
        quotients(Level::detect(), &views, &self.reciprocals, &mut times);
        (kept.iter().zip(&self.factors).zip(transforms).enumerate())
            .map(|(i, ((limb, factors), transform))| {
                let inputs = [signed(limb)].into_iter().chain(scaled.iter().map(|limb| signed(limb)));
                let inputs = inputs.chain([&times[..]]).chain(to.iter().map(|polynomial| signed(&polynomial[i])));
                let inputs: Vec<&[i64]> = inputs.collect();
                let factors: Vec<u64> = factors.iter().copied().chain(to.iter().map(|_| 1)).collect();
                let mut left = Residues::any(SLOTS);
                transform.modulus().combine(&inputs, &factors, &mut left);
                left
            })
            .collect()
    }
}
