//! Random polynomials.
//!
//! Secret ones are made in constant time: centred binomials count bits, ternary ones scale a word, and no word is drawn
//! again. Public ones draw again what is not below the prime.

use zeroize::Zeroizing;

use super::buffer::Buffer;
use super::ring::{Residues, SLOTS, are_below};
use crate::params::{LATTICE_ERROR_BITS, LATTICE_LIMB_BITS};
use crate::prg::Prg;

/// Coefficients that stay secret.
pub(super) type Secret = Zeroizing<Buffer<i64>>;

/// A secret number for each of so many uniform words.
fn each_word(prg: &mut Prg, of: impl Fn(u64) -> i64) -> Secret {
    let mut numbers = Zeroizing::new(Buffer::<i64>::any(SLOTS));
    prg.fill(numbers.blocks());
    numbers.iter_mut().for_each(|number| *number = of(*number as u64));
    numbers
}

/// Errors: each the difference of two counts of random bits.
pub(super) fn errors(prg: &mut Prg) -> Secret {
    const MASK: u64 = (1 << LATTICE_ERROR_BITS) - 1;
    each_word(prg, |word| {
        let [a, b] = [word & MASK, word >> LATTICE_ERROR_BITS & MASK];
        i64::from(a.count_ones()) - i64::from(b.count_ones())
    })
}

/// `-1`, `0` and `1`, each as often as the others but for `2^-62` of it.
pub(super) fn ternary(prg: &mut Prg) -> Secret {
    each_word(prg, |word| ((u128::from(word) * 3) >> 64) as i64 - 1)
}

/// Uniform digits of a signed number of `bits` bits, the lowest first: each but the uppermost has `digit` bits and no sign.
pub(super) fn digits(prg: &mut Prg, bits: u32, digit: u32) -> Vec<Secret> {
    let count = bits.div_ceil(digit);
    (0..count)
        .map(|place| match place + 1 == count {
            false => each_word(prg, |word| (word >> (64 - digit)) as i64),
            true => each_word(prg, |word| word as i64 >> (64 - (bits - place * digit))),
        })
        .collect()
}

/// A public uniform polynomial.
pub(super) fn uniform(prg: &mut Prg, prime: u64) -> Residues {
    let mut words = Residues::any(SLOTS);
    prg.fill(words.blocks());
    let below = |word: u64| word >> (64 - LATTICE_LIMB_BITS);
    words.iter_mut().for_each(|word| *word = below(*word));
    if are_below(&words, prime) {
        return words;
    }
    for word in words.iter_mut() {
        while *word >= prime {
            let [block] = prg.draw();
            *word = below(block as u64);
        }
    }
    words
}
