//! Packing: of many ciphertexts that each have few coefficients of worth, at multiples of a power of two, into one that
//! has them all.
//!
//! *Source*: the merge tree of Chen, Dai, Kim and Song (ePrint 2020/015), of whole ciphertexts as BumbleBee (2023/1678) has
//! it: one key switch a merge, each with digits of two limbs and two special ones. Coefficients of no worth cancel, and
//! the doubling of the others is undone beforehand, modulo the ciphertext. Messages are in the uppermost bits: the keys
//! are the same for every plaintext modulus.

use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;
use tacit_simd::{Level, quotients};

use super::buffer::Buffer;
use super::drop::Drop;
use super::modular::{invert, multiply, negate, product_modulo, reciprocals};
use super::ring::{Encryption, Residues, Ring, SLOTS, read_encryption, signed, write};
use super::sample::{errors, uniform};
use crate::error::Result;
use crate::params::{LATTICE_LIMBS, MATRIX_LIMBS};
use crate::prg::Prg;

/// Ciphertexts that are made together.
const AT_A_TIME: usize = 64;

/// Limbs of a digit.
const DIGIT: usize = 2;

/// The special limbs: those that no ciphertext has.
const SPECIAL: Range<usize> = MATRIX_LIMBS..LATTICE_LIMBS.len();

/// A ciphertext as coefficients: the part that hides and the other one, limb by limb.
pub(super) type Ciphertext = Encryption;

/// The keys of some levels of the tree, as values: those of its last levels.
pub(super) struct PackingKey {
    limbs: usize,
    /// For each level and digit, the part that hides and the uniform one, each modulo the limbs and then the special ones.
    levels: Vec<Vec<Ciphertext>>,
}

/// Polynomials of a packing key of a level.
pub(super) const fn polynomials(limbs: usize) -> usize {
    limbs.div_ceil(DIGIT) * (limbs + SPECIAL.end - SPECIAL.start)
}

/// The primes of ciphertexts of so many limbs, and then the special ones, by place.
fn places(limbs: usize) -> impl Iterator<Item = usize> + Clone {
    (0..limbs).chain(SPECIAL)
}

/// The automorphism of a level takes `x` to this power: it turns the sign of odd multiples of `2^level`, and leaves the
/// even ones.
fn power_of(level: usize) -> usize {
    (SLOTS >> level) + 1
}

/// Where a coefficient goes, and whether its sign turns.
#[inline]
fn image(place: usize, power: usize) -> (usize, bool) {
    let to = place * power % (2 * SLOTS);
    (to % SLOTS, to >= SLOTS)
}

/// The uniform halves and the messages of the keys, level by level: each an encryption of what the automorphism makes of
/// the secret.
pub(super) fn write_keys(
    levels: usize,
    limbs: usize,
    secret: &[i64],
    negated: &[Residues],
    random: &mut Prg,
    public: &mut Prg,
    message: &mut Vec<u8>,
) {
    for level in 0..levels {
        let mut turned = zeroize::Zeroizing::new(Buffer::<i64>::any(SLOTS));
        for (place, coefficient) in secret.iter().enumerate() {
            let (to, turns) = image(place, power_of(level));
            turned[to] = if turns { -coefficient } else { *coefficient };
        }
        for digit in (0..limbs).step_by(DIGIT) {
            let error = errors(random);
            for place in places(limbs) {
                let (transform, prime) = (&Ring::get().limbs[place], LATTICE_LIMBS[place]);
                let special = product_modulo(&LATTICE_LIMBS[SPECIAL], None, prime);
                let counts = if (digit..digit + DIGIT).contains(&place) && place < limbs { special } else { 0 };
                let mut values = Residues::any(SLOTS);
                transform.modulus().combine(&[&error, &turned], &[1, counts], &mut values);
                transform.forward(&mut values);
                transform.modulus().add_products(&[(&uniform(public, prime), &negated[place])], &mut values);
                write(&values, message);
            }
        }
    }
}

impl PackingKey {
    /// Reads the keys.
    ///
    /// # Errors
    /// `PROTOCOL_CIPHERTEXT` if they are none (CHK-602).
    pub(super) fn read(levels: usize, limbs: usize, public: &mut Prg, message: &mut &[u8]) -> Result<Self> {
        let mut level =
            || (0..limbs.div_ceil(DIGIT)).map(|_| read_encryption(message, public, places(limbs))).collect();
        Ok(Self { limbs, levels: (0..levels).map(|_| level()).collect::<Result<_>>()? })
    }

    /// Packs the ciphertexts that `of` makes of the numbers from 0 to `count`, where there are at most `2^levels`. Their
    /// coefficients of worth are at multiples of `2^levels`; those of number `i` come to lie [`offset`] places further.
    /// Asks for some dozens at a time, which bounds memory.
    pub(super) fn pack(&self, levels: usize, count: usize, of: &dyn Fn(&[usize]) -> Vec<Ciphertext>) -> Ciphertext {
        self.pack_from(0, 0, levels, count, of)
    }

    /// Those of the `2^(levels - level)` numbers from `first` on that there are.
    fn pack_from(
        &self,
        first: usize,
        level: usize,
        levels: usize,
        count: usize,
        of: &dyn Fn(&[usize]) -> Vec<Ciphertext>,
    ) -> Ciphertext {
        let numbers: Vec<usize> = (first..count.min(first + (1 << (levels - level)))).collect();
        if numbers.len() > AT_A_TIME {
            let half = 1 << (levels - level - 1);
            let part = |first: usize| (first < count).then(|| self.pack_from(first, level + 1, levels, count, of));
            let a = part(first).expect("the first is there");
            return self.merge(level, a, part(first + half));
        }
        let mut parts: Vec<Ciphertext> = of(&numbers);
        for level in (level..levels).rev() {
            // Neighbours, of which the last may have none.
            let mut pairs = Vec::with_capacity(parts.len().div_ceil(2));
            let mut rest = parts.into_iter();
            while let Some(a) = rest.next() {
                pairs.push((a, rest.next()));
            }
            parts = pairs.into_par_iter().map(|(a, b)| self.merge(level, a, b)).collect();
        }
        parts.into_iter().next().expect("a number at least")
    }

    /// Both ciphertexts in one, the second shifted by `2^level`.
    fn merge(&self, level: usize, a: Ciphertext, b: Option<Ciphertext>) -> Ciphertext {
        let (mut sum, mut turned): (Ciphertext, Ciphertext) = (a, Default::default());
        for (part, sum) in sum.iter_mut().enumerate() {
            for (i, sum) in sum.iter_mut().enumerate() {
                let b = b.as_ref().map(|b| &b[part][i][..]);
                turned[part].push(add_and_turn(level, sum, b, LATTICE_LIMBS[i]));
            }
        }
        let [hiding, uniform] = &sum;
        self.switch(level, &turned[1], [&[hiding, &turned[0]], &[uniform]])
    }

    /// A ciphertext under the secret that hides what the polynomial does under the secret's image, with what is to be
    /// added to each part of it.
    fn switch(&self, level: usize, polynomial: &[Residues], to: [&[&[Residues]]; 2]) -> Ciphertext {
        // Of a key for more limbs, those of the ciphertext and the special ones serve.
        let (limbs, keys) = (polynomial.len(), &self.levels[level]);
        let constants = Switch::of(limbs);
        let digits = constants.digits.iter().map(|digit| Extension::new(digit, &polynomial[digit.limbs.clone()]));
        let digits: Vec<Extension<'_>> = digits.collect();
        let mut values: Vec<Residues> = digits.iter().map(|_| Residues::any(SLOTS)).collect();
        let mut sums: Ciphertext = Default::default();
        for (at, place) in places(limbs).enumerate() {
            let transform = &Ring::get().limbs[place];
            for (digit, values) in digits.iter().zip(&mut values) {
                digit.modulo(at, place, values);
                transform.forward(values);
            }
            let of_key = if place < limbs { place } else { self.limbs + place - SPECIAL.start };
            for (part, sums) in sums.iter_mut().enumerate() {
                let key = keys.iter().map(|key| &key[part][of_key][..]);
                let pairs: Vec<(&[u64], &[u64])> = values.iter().map(|values| &values[..]).zip(key).collect();
                let mut sum = Residues::zeroed(SLOTS);
                transform.modulus().add_products(&pairs, &mut sum);
                transform.backward(&mut sum);
                sums.push(sum);
            }
        }
        let mut to = to.into_iter();
        sums.map(|part| {
            let (kept, special) = part.split_at(limbs);
            constants.drop.apply(kept, special, SPECIAL.start, to.next().unwrap_or_default())
        })
    }
}

/// Adds `x^(2^level) b` to a polynomial, and has what the level's automorphism makes of it less that.
fn add_and_turn(level: usize, sum: &mut [u64], b: Option<&[u64]>, prime: u64) -> Residues {
    let (power, by) = (power_of(level), 1 << level);
    let mut turned = Residues::any(SLOTS);
    let mut turn = |place: usize, coefficient: u64| {
        let (to, turns) = image(place, power);
        turned[to] = if turns { negate(coefficient, prime) } else { coefficient };
    };
    match b {
        None => sum.iter().enumerate().for_each(|(place, coefficient)| turn(place, *coefficient)),
        Some(b) => {
            let (low, high) = b.split_at(SLOTS - by);
            let (first, rest) = sum.split_at_mut(by);
            for (place, (sum, b)) in first.iter_mut().zip(high).enumerate() {
                turn(place, add(*sum, *b, prime));
                *sum = subtract(*sum, *b, prime);
            }
            for (place, (sum, b)) in (by..).zip(rest.iter_mut().zip(low)) {
                turn(place, subtract(*sum, *b, prime));
                *sum = add(*sum, *b, prime);
            }
        }
    }
    turned
}

/// The constants of key switches of ciphertexts with some number of limbs.
struct Switch {
    digits: Vec<Digit>,
    drop: Drop,
}

/// Those of a digit, to be had modulo any limb.
struct Digit {
    limbs: Range<usize>,
    /// The scale of each of its limbs.
    scales: Vec<u64>,
    /// `1 / limb` of each of them.
    reciprocals: Vec<f64>,
    /// For each place of the ciphertext and the special ones: the factors of each of its limbs and of the quotient.
    factors: Vec<Vec<u64>>,
}

impl Switch {
    /// Those of so many limbs, made once.
    fn of(limbs: usize) -> &'static Self {
        static SWITCHES: [OnceLock<Switch>; MATRIX_LIMBS + 1] = [const { OnceLock::new() }; MATRIX_LIMBS + 1];
        SWITCHES[limbs].get_or_init(|| Self {
            digits: (0..limbs).step_by(DIGIT).map(|start| Digit::new(start..limbs.min(start + DIGIT), limbs)).collect(),
            drop: Drop::new(&LATTICE_LIMBS[..limbs], &LATTICE_LIMBS[SPECIAL], |_| 1),
        })
    }
}

impl Digit {
    fn new(limbs: Range<usize>, of: usize) -> Self {
        let primes = &LATTICE_LIMBS[limbs.clone()];
        let factors = |place: usize| {
            let prime = LATTICE_LIMBS[place];
            let factors = primes.iter().map(|without| product_modulo(primes, Some(*without), prime));
            factors.chain([negate(product_modulo(primes, None, prime), prime)]).collect()
        };
        Self {
            limbs,
            scales: primes.iter().map(|prime| invert(product_modulo(primes, Some(*prime), *prime), *prime)).collect(),
            reciprocals: reciprocals(primes),
            factors: places(of).map(factors).collect(),
        }
    }
}

/// A number below the product of a digit's limbs, or near it.
struct Extension<'p> {
    digit: &'p Digit,
    own: &'p [Residues],
    scaled: Vec<Residues>,
    times: Buffer<i64>,
}

impl<'p> Extension<'p> {
    fn new(digit: &'p Digit, own: &'p [Residues]) -> Self {
        let scaled: Vec<Residues> = (own.iter().zip(&digit.scales).zip(&Ring::get().limbs[digit.limbs.clone()]))
            .map(|((residues, scale), transform)| {
                let mut scaled = Residues::any(SLOTS);
                transform.modulus().combine(&[signed(residues)], &[*scale], &mut scaled);
                scaled
            })
            .collect();
        let mut times = Buffer::any(SLOTS);
        let views: Vec<&[u64]> = scaled.iter().map(|limb| &limb[..]).collect();
        quotients(Level::detect(), &views, &digit.reciprocals, &mut times);
        Self { digit, own, scaled, times }
    }

    /// It modulo the limb at a place, which is number `at` of the ciphertext's.
    fn modulo(&self, at: usize, place: usize, into: &mut [u64]) {
        if self.digit.limbs.contains(&place) {
            return into.copy_from_slice(&self.own[place - self.digit.limbs.start]);
        }
        let inputs: Vec<&[i64]> = self.scaled.iter().map(|limb| signed(limb)).chain([&self.times[..]]).collect();
        Ring::get().limbs[place].modulus().combine(&inputs, &self.digit.factors[at], into);
    }
}

/// The polynomial divided by `x^by`, times a factor.
pub(super) fn unshifted(polynomial: &[u64], by: usize, factor: u64, place: usize) -> Residues {
    let (low, high) = polynomial.split_at(by);
    let prime = LATTICE_LIMBS[place];
    let mut turned = Residues::any(SLOTS);
    let (first, second) = turned.split_at_mut(SLOTS - by);
    first.copy_from_slice(high);
    for (turned, coefficient) in second.iter_mut().zip(low) {
        *turned = negate(*coefficient, prime);
    }
    let mut scaled = Residues::any(SLOTS);
    Ring::get().limbs[place].modulus().combine(&[signed(&turned)], &[factor], &mut scaled);
    scaled
}

fn add(a: u64, b: u64, prime: u64) -> u64 {
    let sum = a + b;
    sum.min(sum.wrapping_sub(prime))
}

fn subtract(a: u64, b: u64, prime: u64) -> u64 {
    let difference = a.wrapping_sub(b);
    difference.min(difference.wrapping_add(prime))
}

/// How far the coefficients of a number lie from multiples of `2^levels`: its bits in reverse, so that numbers next to each
/// other meet first, and as few merges as there can be have a single ciphertext.
pub(super) fn offset(number: usize, levels: usize) -> usize {
    if levels == 0 { 0 } else { number.reverse_bits() >> (usize::BITS as usize - levels) }
}

/// `2^-levels` modulo a limb: what undoes the doublings of so many merges.
pub(super) fn halvings(levels: usize, limb: u64) -> u64 {
    let half = limb.div_ceil(2);
    (0..levels).fold(1, |power, _| multiply(power, half, limb))
}
