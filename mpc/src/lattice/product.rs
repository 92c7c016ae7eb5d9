//! The three steps of a batch of products: what the encryptor sends, what the evaluator answers, what the encryptor reads.

use tacit_simd::{Level, quotients};
use zeroize::Zeroizing;

use super::buffer::Buffer;
use super::keys::{PublicKey, SecretKey, read_seed};
use super::ring::{Residues, Ring, SLOTS, read, read_encryption, signed, write};
use super::sample::{Secret, digits, errors, ternary, uniform};
use super::tables::{Carrier, DIGIT, Group};
use crate::error::Result;
use crate::params::{LATTICE_LIMB_BITS, LATTICE_LIMBS, SlotSet};
use crate::prg::Prg;
use crate::ring::Ring as Word;

/// The words of an operand in a batch, at most [`SLOTS`], and how many of their low bits count, as a signed number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand<'a, R> {
    pub(crate) words: &'a [R],
    pub(crate) bits: u32,
}

impl<R: Word> Operand<'_, R> {
    /// The digits of `len` words, those that are missing 0, the uppermost digit signed; as many as there are factors for,
    /// or less.
    pub(super) fn digits(&self, len: usize) -> Vec<Secret> {
        let count = self.bits.saturating_sub(5).div_ceil(DIGIT).max(1);
        let spare = 128 - self.bits.min(R::BITS);
        let digit = |place: u32| {
            let mut digit = Zeroizing::new(Buffer::any(len));
            digit[self.words.len().min(len)..].fill(0);
            for (digit, word) in digit.iter_mut().zip(self.words) {
                // Signed by its uppermost bit that counts.
                let number = (word.to_u128() << spare) as i128 >> spare;
                let rest = (number >> (place * DIGIT)) as i64;
                *digit = if place + 1 == count { rest } else { rest & ((1 << DIGIT) - 1) };
            }
            digit
        };
        (0..count).map(digit).collect()
    }
}

/// Digits as inputs of a combination.
pub(super) fn inputs(digits: &[Secret]) -> Vec<&[i64]> {
    digits.iter().map(|digit| &digit[..]).collect()
}

/// A number for each slot as polynomials: those modulo each slot prime, scaled for the lift, and how often the product of
/// the primes is to be taken off.
fn coefficients(group: &Group, digits: &[Secret]) -> (Zeroizing<Vec<Residues>>, Secret) {
    let mut parts = Zeroizing::new(Vec::with_capacity(group.digits.len()));
    for (transform, factors) in Ring::get().slots[group.first..].iter().zip(&group.digits) {
        let mut part = Residues::any(SLOTS);
        transform.modulus().combine(&inputs(digits), &factors[..digits.len()], &mut part);
        transform.backward(&mut part);
        parts.push(part);
    }
    let mut times = Zeroizing::new(Buffer::any(SLOTS));
    let views: Vec<&[u64]> = parts.iter().map(|part| &part[..]).collect();
    quotients(Level::detect(), &views, &group.reciprocals, &mut times);
    (parts, times)
}

/// A number for each slot as a polynomial modulo the slot primes, plus the product of the primes times `noise`, as values
/// modulo each limb.
fn encoded(group: &Group, digits: &[Secret], noise: Option<Secret>) -> Zeroizing<Vec<Residues>> {
    let (parts, times) = coefficients(group, digits);
    let mut multiple = noise.unwrap_or_else(|| Zeroizing::new(Buffer::zeroed(SLOTS)));
    for (multiple, times) in multiple.iter_mut().zip(times.iter()) {
        *multiple -= times;
    }
    let inputs: Vec<&[i64]> = parts.iter().map(|part| signed(part)).chain([&multiple[..]]).collect();
    let limb = |(transform, factors): (&tacit_simd::Transform, &Vec<u64>)| {
        let mut values = Residues::any(SLOTS);
        transform.modulus().combine(&inputs, factors, &mut values);
        transform.forward(&mut values);
        values
    };
    Zeroizing::new(Ring::get().limbs.iter().zip(&group.lift).map(limb).collect())
}

/// The message that has the encrypted operands of a batch.
pub(crate) fn encrypt<R: Word>(
    carrier: &Carrier,
    key: &SecretKey,
    mut random: Prg,
    operands: &[Operand<'_, R>],
) -> Vec<u8> {
    let seed = random.draw::<1>()[0];
    let mut public = Prg::new(seed);
    let mut message = Vec::with_capacity(carrier.size.sent_up(operands.len()));
    message.extend_from_slice(&seed.to_le_bytes());
    for operand in operands {
        let digits = operand.digits(SLOTS);
        for group in &carrier.groups {
            let mut hidden = encoded(group, &digits, Some(errors(&mut random)));
            for (i, values) in hidden.iter_mut().enumerate() {
                let uniform = uniform(&mut public, LATTICE_LIMBS[i]);
                Ring::get().limbs[i].modulus().add_products(&[(&uniform, &key.negated[i])], values);
                write(values, &mut message);
            }
        }
    }
    message
}

/// The evaluator's answer: its message, and its shares of the sum of the products of each encrypted operand with the own
/// one at its place.
///
/// # Errors
/// `PROTOCOL_CIPHERTEXT` if what came is no ciphertext (CHK-602).
pub(crate) fn evaluate<R: Word>(
    carrier: &Carrier,
    key: &PublicKey,
    mut random: Prg,
    mut message: &[u8],
    own: &[Operand<'_, R>],
) -> Result<(Vec<u8>, Vec<R>)> {
    let (set, count) = (carrier.size.set, carrier.groups.len());
    let mut public = read_seed(&mut message);
    let mut answer = Vec::with_capacity(carrier.size.sent_down());
    let mask = digits(&mut random, set.bits() * count as u32, DIGIT);
    // Operand by operand, as they were sent; the sums are group by group.
    let mut sums: Vec<[Vec<Residues>; 2]> = (0..count).map(|_| [zeros(set.limbs), zeros(set.limbs)]).collect();
    for operand in own {
        let digits = operand.digits(SLOTS);
        for (group, sums) in carrier.groups.iter().zip(&mut sums) {
            let factor = encoded(group, &digits, None);
            let encryption = read_encryption(&mut message, &mut public, 0..set.limbs)?;
            for (sums, part) in sums.iter_mut().zip(&encryption) {
                for ((sum, (part, factor)), transform) in
                    sums.iter_mut().zip(part.iter().zip(factor.iter())).zip(&Ring::get().limbs)
                {
                    transform.modulus().add_products(&[(part, factor)], sum);
                }
            }
        }
    }
    for (group, mut sums) in carrier.groups.iter().zip(sums) {
        hide(set, group, key, &mut random, &mask, &mut sums);
        for part in sums {
            let (kept, dropped) = part.split_at(set.kept);
            for polynomial in group.switch.apply(kept, dropped, set.kept, &[]) {
                write(&polynomial, &mut answer);
            }
        }
    }
    Ok((answer, shares(&mask)))
}

fn zeros(limbs: usize) -> Vec<Residues> {
    (0..limbs).map(|_| Residues::zeroed(SLOTS)).collect()
}

/// Adds an encryption of the mask, and the flood. What comes out are coefficients.
fn hide(
    set: &SlotSet,
    group: &Group,
    key: &PublicKey,
    random: &mut Prg,
    mask: &[Secret],
    sums: &mut [Vec<Residues>; 2],
) {
    let (selector, error) = (ternary(random), errors(random));
    let flood = digits(random, set.flood_bits, LATTICE_LIMB_BITS);
    let (parts, mut times) = coefficients(group, mask);
    times.iter_mut().for_each(|times| *times = -*times);
    let [hiding, uniform] = sums;
    for (i, (hiding, uniform)) in hiding.iter_mut().zip(uniform).enumerate() {
        let transform = &Ring::get().limbs[i];
        let modulus = transform.modulus();
        let product = *group.lift[i].last().expect("the product is the last");
        let mut turned = Zeroizing::new(Residues::any(SLOTS));
        modulus.combine(&[&selector], &[product], &mut turned);
        transform.forward(&mut turned);
        for (sum, part) in [&mut *hiding, &mut *uniform].into_iter().zip(&key.parts) {
            modulus.add_products(&[(&turned, &part[i])], sum);
            transform.backward(sum);
        }
        let [first, second] = [&mut *hiding, &mut *uniform].map(|sum| std::mem::replace(sum, Residues::any(SLOTS)));
        let masked = [signed(&first)].into_iter().chain(parts.iter().map(|part| signed(part)));
        let inputs: Vec<&[i64]> = masked.chain([&times[..]]).chain(inputs(&flood)).collect();
        let factors: Vec<u64> = [1].into_iter().chain(group.lift[i].iter().chain(&group.flood[i]).copied()).collect();
        modulus.combine(&inputs, &factors, hiding);
        modulus.combine(&[signed(&second), &error], &[1, product], uniform);
    }
}

/// The negatives of masks that are given by their digits.
pub(super) fn shares<R: Word>(mask: &[Secret]) -> Vec<R> {
    let share = |i: usize| {
        let add = |number: u128, digit: &Secret| (number << DIGIT).wrapping_add(digit[i] as i128 as u128);
        let number = mask.iter().rev().fold(0, add);
        R::from_u128(number.wrapping_neg())
    };
    (0..SLOTS).map(share).collect()
}

/// The masked numbers of a group in an answer with their noise, modulo each kept limb and scaled for their change of base.
fn message(set: &SlotSet, group: &Group, key: &SecretKey, answer: &mut &[u8]) -> Result<Zeroizing<Vec<Residues>>> {
    let masked: Vec<Residues> = (0..set.kept).map(|limb| read(answer, limb)).collect::<Result<_>>()?;
    let mut numbers = Zeroizing::new(Vec::with_capacity(set.kept));
    for (limb, masked) in masked.iter().enumerate() {
        let (transform, mut uniform) = (&Ring::get().limbs[limb], read(answer, limb)?);
        transform.forward(&mut uniform);
        let mut product = Zeroizing::new(Residues::zeroed(SLOTS));
        transform.modulus().add_products(&[(&uniform, &key.values[limb])], &mut product);
        transform.backward(&mut product);
        let scale = [group.kept[limb]; 2];
        transform.modulus().combine(&[signed(masked), signed(&product)], &scale, &mut uniform);
        numbers.push(uniform);
    }
    Ok(numbers)
}

/// The encryptor's shares, from the answer.
///
/// # Errors
/// As [`evaluate`].
pub(crate) fn decrypt<R: Word>(carrier: &Carrier, key: &SecretKey, mut answer: &[u8]) -> Result<Vec<R>> {
    let (set, mut slots) = (carrier.size.set, Zeroizing::new(Vec::<Residues>::new()));
    for group in &carrier.groups {
        let scaled = message(set, group, key, &mut answer)?;
        let mut times = Zeroizing::new(Buffer::any(SLOTS));
        let views: Vec<&[u64]> = scaled.iter().map(|limb| &limb[..]).collect();
        quotients(Level::detect(), &views, &group.kept_reciprocals, &mut times);
        let inputs: Vec<&[i64]> = scaled.iter().map(|limb| signed(limb)).chain([&times[..]]).collect();
        for (factors, transform) in group.slots.iter().zip(&Ring::get().slots[group.first..]) {
            let mut values = Residues::any(SLOTS);
            transform.modulus().combine(&inputs, factors, &mut values);
            transform.forward(&mut values);
            slots.push(values);
        }
    }
    let mut times = Zeroizing::new(Buffer::any(SLOTS));
    let views: Vec<&[u64]> = slots.iter().map(|values| &values[..]).collect();
    quotients(Level::detect(), &views, &carrier.reciprocals, &mut times);
    let number = |i: usize| {
        let parts =
            slots.iter().zip(&carrier.weights).map(|(slots, weight)| u128::from(slots[i]).wrapping_mul(*weight));
        let above = (times[i] as i128 as u128).wrapping_mul(carrier.product);
        R::from_u128(parts.fold(0, u128::wrapping_add).wrapping_sub(above))
    };
    Ok((0..SLOTS).map(number).collect())
}

/// What each coefficient of an answer is of the kept limbs' product, its noise included.
#[cfg(test)]
pub(super) fn fractions(carrier: &Carrier, key: &SecretKey, mut answer: &[u8]) -> Vec<f64> {
    let group = &carrier.groups[0];
    let scaled = message(carrier.size.set, group, key, &mut answer).expect("a ciphertext");
    let sum = |i: usize| -> f64 {
        scaled.iter().zip(&group.kept_reciprocals).map(|(limb, reciprocal)| limb[i] as f64 * reciprocal).sum()
    };
    (0..SLOTS).map(|i| sum(i) - sum(i).round()).collect()
}
