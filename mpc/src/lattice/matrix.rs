//! The three steps of a matrix product modulo `2^width`: what the encryptor sends, what the evaluator answers, what the
//! encryptor reads.
//!
//! *Source*: coefficient packing ([`super::layout`]) with packed outputs ([`super::packing`]). A ciphertext has its message
//! in the lowest bits until it was multiplied, and in the uppermost from then on, as in BFV: it is divided by the plaintext
//! modulus, modulo its own. The answer is rescaled to `2^(width + 11)`, which takes fewer bytes than whole limbs. *Security*: that of
//! [`crate::lattice`]; the mask is uniform, so that the shares are exactly. *Cost*: [`Layout::sent_up`],
//! [`Layout::sent_down`]. *Shapes and units*: row-major; of the words, `width` bits count.

use rayon::prelude::*;
use tacit_simd::{Level, pack, quotients, unpack};
use zeroize::Zeroizing;

use super::buffer::Buffer;
use super::keys::{PublicKey, SecretKey, read_seed};
use super::layout::{ANSWER_BITS, Layout};
use super::modular::{invert, multiply, power, product_modulo, reciprocals};
use super::packing::{Ciphertext, halvings, offset, unshifted};
use super::product::{Operand, inputs, shares};
use super::ring::{Encryption, Residues, Ring, SLOTS, read_encryption, signed, write};
use super::sample::{Secret, digits, errors, ternary, uniform};
use super::tables::DIGIT;
use super::wide::Wide;
use crate::error::Result;
use crate::params::{LATTICE_LIMB_BITS, LATTICE_LIMBS, LATTICE_LOG2, matrix_flood_bits};
use crate::prg::Prg;
use crate::ring::Ring as Word;

/// Products that are added up together.
const TERMS: usize = 16;

/// Digits of a word at most.
const DIGITS: usize = u128::BITS.div_ceil(DIGIT) as usize;

/// Bits of a piece of an answer's coefficient, as it is packed: of the lower pieces.
const PIECE_BITS: u32 = 45;

impl Layout {
    /// Block `(inner, column)` of the encrypted factor, as coefficients.
    fn encrypted_block<R: Word>(&self, factor: &[R], inner: usize, column: usize) -> Vec<R> {
        let mut block = vec![R::ZERO; SLOTS];
        let rows = inner * self.inner..self.shape.inner.min((inner + 1) * self.inner);
        let columns = column * self.columns..self.shape.columns.min((column + 1) * self.columns);
        for (j, row) in rows.enumerate() {
            let entries = &factor[row * self.shape.columns..][columns.clone()];
            for (k, entry) in entries.iter().enumerate() {
                block[k * self.inner + j] = *entry;
            }
        }
        block
    }

    /// Block `(row, inner)` of the multiplier, as coefficients.
    fn multiplier_block<R: Word>(&self, factor: &[R], row: usize, inner: usize) -> Vec<R> {
        let mut block = vec![R::ZERO; self.multiplier_end()];
        let rows = row * self.rows..self.shape.rows.min((row + 1) * self.rows);
        let columns = inner * self.inner..self.shape.inner.min((inner + 1) * self.inner);
        for (i, row) in rows.enumerate() {
            let entries = &factor[row * self.shape.inner..][columns.clone()];
            for (j, entry) in entries.iter().enumerate() {
                block[i * self.inner * self.columns + self.inner - 1 - j] = *entry;
            }
        }
        block
    }

    /// From where on the coefficients of a block of the multiplier are 0.
    fn multiplier_end(&self) -> usize {
        (self.rows.min(self.shape.rows) - 1) * self.inner * self.columns + self.inner
    }

    /// Puts the entries of the product in place that packed ciphertext `number` has.
    fn place<R: Word>(&self, number: usize, coefficients: &[R], product: &mut [R]) {
        for within in 0..self.inner.min(self.results() - number * self.inner) {
            let (result, offset) = (number * self.inner + within, offset(within, self.levels()));
            let (row, column) = (result / self.column_blocks(), result % self.column_blocks());
            for i in 0..self.rows.min(self.shape.rows - row * self.rows) {
                for k in 0..self.columns.min(self.shape.columns - column * self.columns) {
                    let at = (row * self.rows + i) * self.shape.columns + column * self.columns + k;
                    product[at] = coefficients[(i * self.columns + k) * self.inner + offset];
                }
            }
        }
    }

    /// The bits of an answer's coefficients.
    fn answer_bits(&self) -> u32 {
        self.width + ANSWER_BITS
    }

    /// The pieces of an answer's coefficients: from which bit on each is, and how many it has.
    fn pieces(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let bits = self.answer_bits();
        (0..bits).step_by(PIECE_BITS as usize).map(move |from| (from, PIECE_BITS.min(bits - from)))
    }
}

/// The message that has the encrypted factor.
pub(crate) fn encrypt_matrix<R: Word>(layout: &Layout, key: &SecretKey, mut random: Prg, factor: &[R]) -> Vec<u8> {
    let seed = random.draw::<1>()[0];
    let mut public = Prg::new(seed);
    let mut message = Vec::with_capacity(layout.sent_up());
    message.extend_from_slice(&seed.to_le_bytes());
    for inner in 0..layout.inner_blocks() {
        for column in 0..layout.column_blocks() {
            let words = Zeroizing::new(words_of(&layout.encrypted_block(factor, inner, column)));
            let digits = Operand { words: &words, bits: layout.width }.digits(SLOTS);
            let error = errors(&mut random);
            for (i, prime) in LATTICE_LIMBS[..layout.limbs].iter().copied().enumerate() {
                let transform = &Ring::get().limbs[i];
                let numbers: Vec<&[i64]> = inputs(&digits).into_iter().chain([&error[..]]).collect();
                let mut factors = digit_factors(digits.len(), prime);
                factors.push(plain_modulo(layout, prime));
                let mut values = Residues::any(SLOTS);
                transform.modulus().combine(&numbers, &factors, &mut values);
                transform.forward(&mut values);
                transform.modulus().add_products(&[(&uniform(&mut public, prime), &key.negated[i])], &mut values);
                write(&values, &mut message);
            }
        }
    }
    message
}

/// Words as the widest ones, which can be wiped.
fn words_of<R: Word>(words: &[R]) -> Vec<u128> {
    words.iter().map(|word| word.to_u128()).collect()
}

/// What digits count modulo a limb.
fn digit_factors(count: usize, prime: u64) -> Vec<u64> {
    (0..count as u64).map(|place| power(2, place * u64::from(DIGIT), prime)).collect()
}

/// The plaintext modulus modulo a limb.
fn plain_modulo(layout: &Layout, prime: u64) -> u64 {
    power(2, u64::from(layout.width), prime)
}

/// A factor that the peer encrypted. It may be multiplied any number of times.
pub(crate) struct EncryptedMatrix(Vec<Encryption>);

/// The encrypted factor, from its message.
///
/// # Errors
/// `PROTOCOL_CIPHERTEXT` if what came is no ciphertext (CHK-602).
pub(crate) fn read_matrix(layout: &Layout, mut message: &[u8]) -> Result<EncryptedMatrix> {
    let mut public = read_seed(&mut message);
    let read = |_| read_encryption(&mut message, &mut public, 0..layout.limbs);
    Ok(EncryptedMatrix((0..layout.encrypted()).map(read).collect::<Result<_>>()?))
}

/// The evaluator's answer: its message, and its share of the product of its multiplier with the encrypted factor.
pub(crate) fn evaluate_matrix<R: Word>(
    layout: &Layout,
    key: &PublicKey,
    mut random: Prg,
    encrypted: &EncryptedMatrix,
    multiplier: &[R],
) -> (Vec<u8>, Vec<R>) {
    let mut answer = Vec::with_capacity(layout.sent_down());
    let mut share = vec![R::ZERO; layout.shape.rows * layout.shape.columns];
    for number in 0..layout.packed() {
        let first = number * layout.inner;
        let count = layout.inner.min(layout.results() - first);
        let results = |numbers: &[usize]| {
            let numbers: Vec<usize> = numbers.iter().map(|number| first + number).collect();
            results(layout, &encrypted.0, multiplier, &numbers)
        };
        let packed = key.packing().pack(layout.levels(), count, &results);
        let mask = digits(&mut random, layout.width, DIGIT);
        for part in hidden(layout, key, &mut random, &mask, packed) {
            write_answer(layout, &rescaled(layout, &part), &mut answer);
        }
        layout.place(number, &shares::<R>(&mask), &mut share);
    }
    (answer, share)
}

/// Blocks of the product, over the doublings of their packing, with their entries at multiples of the inner dimension's
/// block.
fn results<R: Word>(layout: &Layout, encrypted: &[Encryption], multiplier: &[R], numbers: &[usize]) -> Vec<Ciphertext> {
    let blocks = layout.column_blocks();
    // For each number and inner block, the multiplier's coefficients as digits.
    let factors: Vec<Vec<Vec<Secret>>> = (numbers.iter())
        .map(|number| {
            let block = |inner| Zeroizing::new(words_of(&layout.multiplier_block(multiplier, number / blocks, inner)));
            let digits =
                |words: Zeroizing<Vec<u128>>| Operand { words: &words, bits: layout.width }.digits(words.len());
            (0..layout.inner_blocks()).map(|inner| digits(block(inner))).collect()
        })
        .collect();
    let limb = |i: usize| products(layout, encrypted, numbers, &factors, i);
    let limbs: Vec<Vec<[Residues; 2]>> = (0..layout.limbs).into_par_iter().map(limb).collect();
    let mut results: Vec<Ciphertext> = numbers.iter().map(|_| Ciphertext::default()).collect();
    for limb in limbs {
        for (result, [hiding, uniform]) in results.iter_mut().zip(limb) {
            result[0].push(hiding);
            result[1].push(uniform);
        }
    }
    results
}

/// One limb of blocks of the product. Goes over the values part by part, so that what is multiplied stays near.
fn products(
    layout: &Layout,
    encrypted: &[Encryption],
    numbers: &[usize],
    factors: &[Vec<Vec<Secret>>],
    i: usize,
) -> Vec<[Residues; 2]> {
    /// Values of a part at least.
    const PART: usize = 512;
    let (transform, prime) = (&Ring::get().limbs[i], LATTICE_LIMBS[i]);
    let (end, blocks) = (layout.multiplier_end(), layout.column_blocks());
    let counts = digit_factors(DIGITS, prime);
    let coefficients = |digits: &Vec<Secret>| {
        let mut coefficients = Residues::any(end);
        transform.modulus().combine(&inputs(digits), &counts[..digits.len()], &mut coefficients);
        coefficients
    };
    let factors: Zeroizing<Vec<Vec<Residues>>> =
        Zeroizing::new(factors.iter().map(|factors| factors.iter().map(coefficients).collect()).collect());
    let mut sums: Vec<[Residues; 2]> =
        numbers.iter().map(|_| [Residues::zeroed(SLOTS), Residues::zeroed(SLOTS)]).collect();
    let granule = transform.granule(end);
    let part = granule.max(PART);
    let mut values: Zeroizing<Vec<Residues>> =
        Zeroizing::new((0..layout.inner_blocks().min(TERMS)).map(|_| Residues::any(part)).collect());
    for start in (0..SLOTS).step_by(part) {
        for ((number, factors), sums) in numbers.iter().zip(factors.iter()).zip(&mut sums) {
            for (terms, factors) in factors.chunks(TERMS).enumerate() {
                for (values, factor) in values.iter_mut().zip(factors) {
                    values[..end].copy_from_slice(factor);
                    values[end..granule].fill(0);
                    transform.forward_part(end, start, values);
                }
                for (half, sum) in sums.iter_mut().enumerate() {
                    let block =
                        |inner: usize| &encrypted[inner * blocks + number % blocks][half][i][start..start + part];
                    let pairs: Vec<(&[u64], &[u64])> = (values.iter().take(factors.len()).enumerate())
                        .map(|(inner, values)| (&values[..], block(terms * TERMS + inner)))
                        .collect();
                    transform.modulus().add_products(&pairs, &mut sum[start..start + part]);
                }
            }
        }
    }
    let factor = multiply(halvings(layout.levels(), prime), invert(plain_modulo(layout, prime), prime), prime);
    for sum in sums.iter_mut().flatten() {
        transform.backward(sum);
        *sum = unshifted(sum, layout.inner - 1, factor, i);
    }
    sums
}

/// A ciphertext plus an encryption of the mask and the flood.
fn hidden(layout: &Layout, key: &PublicKey, random: &mut Prg, mask: &[Secret], packed: Ciphertext) -> Ciphertext {
    let (selector, error) = (ternary(random), errors(random));
    let flood = digits(random, matrix_flood_bits(layout.width, layout.limbs), LATTICE_LIMB_BITS);
    let mut hidden: Ciphertext = Default::default();
    for i in 0..layout.limbs {
        let (transform, prime) = (&Ring::get().limbs[i], LATTICE_LIMBS[i]);
        let (modulus, scale) = (transform.modulus(), invert(plain_modulo(layout, prime), prime));
        let mut turned = Zeroizing::new(Residues::any(SLOTS));
        modulus.combine(&[&selector], &[1], &mut turned);
        transform.forward(&mut turned);
        let zero = |part: usize| {
            let mut zero = Residues::zeroed(SLOTS);
            modulus.add_products(&[(&turned, &key.parts[part][i])], &mut zero);
            transform.backward(&mut zero);
            zero
        };
        let mut sum = |part: usize, noise: &[&[i64]], factors: Vec<u64>| {
            let zero = zero(part);
            let numbers: Vec<&[i64]> =
                [signed(&packed[part][i]), signed(&zero)].into_iter().chain(noise.iter().copied()).collect();
            let factors: Vec<u64> = [1, 1].into_iter().chain(factors).collect();
            let mut sum = Residues::any(SLOTS);
            modulus.combine(&numbers, &factors, &mut sum);
            hidden[part].push(sum);
        };
        let noise: Vec<&[i64]> = inputs(mask).into_iter().chain(inputs(&flood)).collect();
        let mask_factors = digit_factors(mask.len(), prime).into_iter().map(|factor| multiply(factor, scale, prime));
        let flood_factors = (0..flood.len() as u64).map(|place| power(2, place * u64::from(LATTICE_LIMB_BITS), prime));
        sum(0, &noise, mask_factors.chain(flood_factors).collect());
        sum(1, &[&error], vec![1]);
    }
    hidden
}

/// The nearest numbers to `2^answer_bits` times what is over the limbs' product, modulo `2^answer_bits`: a part of a
/// ciphertext that has its message in the uppermost bits. They are the upper bits of what comes.
fn rescaled(layout: &Layout, limbs: &[Residues]) -> Vec<Wide> {
    let primes = &LATTICE_LIMBS[..layout.limbs];
    let scaled: Vec<(Residues, Wide)> = (limbs.iter().zip(primes).zip(&Ring::get().limbs))
        .map(|((limb, prime), transform)| {
            let scale = invert(product_modulo(primes, Some(*prime), *prime), *prime);
            let mut scaled = Residues::any(SLOTS);
            transform.modulus().combine(&[signed(limb)], &[scale], &mut scaled);
            (scaled, Wide::reciprocal(*prime))
        })
        .collect();
    let half = Wide::power_of_two(Wide::BITS - layout.answer_bits() - 1);
    // Whole multiples of the limbs' product fall off with what is beyond the number's bits.
    let coefficient = |place: usize| scaled.iter().fold(half, |sum, (limb, factor)| sum.plus(*factor, limb[place]));
    (0..SLOTS).map(coefficient).collect()
}

/// Appends a part of an answer, piece by piece of all coefficients.
fn write_answer(layout: &Layout, part: &[Wide], into: &mut Vec<u8>) {
    let below = Wide::BITS - layout.answer_bits();
    for (from, bits) in layout.pieces() {
        let piece = |number: &Wide| number.bits_from(below + from) as u64 & ((1 << bits) - 1);
        let words: Vec<u64> = part.iter().map(piece).collect();
        let start = into.len();
        into.resize(start + SLOTS * bits as usize / 8, 0);
        pack(Level::detect(), bits, &words, &mut into[start..]);
    }
}

/// Takes a part of an answer: the pieces of all coefficients.
fn read_answer(layout: &Layout, from: &mut &[u8]) -> Vec<Residues> {
    let piece = |(_, bits): (u32, u32)| {
        let (packed, rest) = from.split_at(SLOTS * bits as usize / 8);
        *from = rest;
        let mut words = Residues::any(SLOTS);
        unpack(Level::detect(), bits, packed, &mut words);
        words
    };
    layout.pieces().map(piece).collect()
}

/// The encryptor's share, from the answer.
pub(crate) fn decrypt_matrix<R: Word>(layout: &Layout, key: &SecretKey, mut answer: &[u8]) -> Vec<R> {
    // The message was multiplied by the inverse of the limbs' product, with its sign turned.
    let undo = LATTICE_LIMBS[..layout.limbs].iter().fold(1_u128, |product, limb| product.wrapping_mul((*limb).into()));
    let undo = undo.wrapping_neg();
    let half = Wide::power_of_two(ANSWER_BITS - 1);
    let places: Vec<Wide> = layout.pieces().map(|(from, _)| Wide::power_of_two(from)).collect();
    let mut share = vec![R::ZERO; layout.shape.rows * layout.shape.columns];
    for number in 0..layout.packed() {
        let hiding = read_answer(layout, &mut answer);
        let product = by_secret(layout, key, read_answer(layout, &mut answer));
        let coefficient = |place: usize| {
            let start = half.plus(product[place], 1);
            let phase = hiding.iter().zip(&places).fold(start, |sum, (piece, by)| sum.plus(*by, piece[place]));
            R::from_u128(phase.bits_from(ANSWER_BITS).wrapping_mul(undo))
        };
        let coefficients: Vec<R> = (0..SLOTS).map(coefficient).collect();
        layout.place(number, &coefficients, &mut share);
    }
    share
}

/// The part of an answer that meets the secret, given by its pieces, times the secret.
fn by_secret(layout: &Layout, key: &SecretKey, mut pieces: Vec<Residues>) -> Zeroizing<Vec<Wide>> {
    // Coefficients of the product are below those of the part times their number; that and a bit to spare is what limbs
    // are for.
    let limbs = (layout.answer_bits() + LATTICE_LOG2 + 2).div_ceil(LATTICE_LIMB_BITS) as usize;
    let primes = &LATTICE_LIMBS[..limbs];
    // As numbers of least size.
    if let (Some(uppermost), Some((_, bits))) = (pieces.last_mut(), layout.pieces().last()) {
        uppermost.iter_mut().for_each(|piece| *piece = ((*piece << (64 - bits)) as i64 >> (64 - bits)) as u64);
    }
    let inputs: Vec<&[i64]> = pieces.iter().map(|piece| signed(piece)).collect();
    let limb = |(i, prime): (usize, &u64)| {
        let transform = &Ring::get().limbs[i];
        let factors: Vec<u64> = layout.pieces().map(|(from, _)| power(2, from.into(), *prime)).collect();
        let mut values = Residues::any(SLOTS);
        transform.modulus().combine(&inputs, &factors, &mut values);
        transform.forward(&mut values);
        let mut product = Zeroizing::new(Residues::zeroed(SLOTS));
        transform.modulus().add_products(&[(&values, &key.values[i])], &mut product);
        transform.backward(&mut product);
        let scale = invert(product_modulo(primes, Some(*prime), *prime), *prime);
        transform.modulus().combine(&[signed(&product)], &[scale], &mut values);
        values
    };
    let scaled: Zeroizing<Vec<Residues>> = Zeroizing::new(primes.iter().enumerate().map(limb).collect());
    let mut times = Zeroizing::new(Buffer::any(SLOTS));
    let views: Vec<&[u64]> = scaled.iter().map(|limb| &limb[..]).collect();
    quotients(Level::detect(), &views, &reciprocals(primes), &mut times);
    let without = |prime: &u64| Wide::product(primes.iter().copied().filter(|other| other != prime));
    let factors: Vec<Wide> = primes.iter().map(without).collect();
    let modulus = Wide::product(primes.iter().copied()).negated();
    let coefficient = |place: usize| {
        let above = Wide::default().plus(modulus, times[place] as u64);
        scaled.iter().zip(&factors).fold(above, |sum, (limb, factor)| sum.plus(*factor, limb[place]))
    };
    Zeroizing::new((0..SLOTS).map(coefficient).collect())
}
