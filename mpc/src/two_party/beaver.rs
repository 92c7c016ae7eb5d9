//! Products and conversions that take what was made before the run.
//!
//! *Source*: Beaver, CRYPTO'91. With shares of `a`, `b` and `c = a * b`, the parties open `d = x - a` and `e = y - b`; then
//! `x * y = c + d * b + e * a + d * e`. With shares of a random bit `r` as words, whose lowest bits are its shares under
//! exclusive or, they open `d = x ^ r`; then `x` is `r` where `d` is 0 and `1 - r` where it is 1.
//!
//! *Security*: semi-honest. What is opened is masked by items that no party knows and that are used once
//! ([`crate::offline`]). Results are fresh shares, since `c` and `r` are.
//!
//! *Cost*: one exchange a tile; `2 * width` bits of each party a product, as many a pair of entries of matrices, one bit a
//! word.
//!
//! *Shapes and units*: vectors of `n`; products count modulo `2^width`, and upper bits are noise. [`TILE`] products go
//! together; the factors of a matrix product go at once.

use super::cost::Cost;
use super::wire::{BitReader, BitWriter};
use super::{Means, TwoParty};
use crate::backend::MatrixShape;
use crate::clear::local_matrix_product;
use crate::correlations::Correlations;
use crate::error::Result;
use crate::offline::Kind;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement};

/// Products that go together: bounds memory.
const TILE: usize = 1 << 18;

/// What products of `n` pairs cost with triples.
pub(super) fn product_cost(n: usize, width: u32) -> Cost {
    let tiles = (0..n).step_by(TILE).map(|start| (n - start).min(TILE));
    tiles.map(|n| opening(2 * n * width as usize)).sum()
}

/// What `n` bits cost as words with random ones.
pub(super) fn bits_cost(n: usize) -> Cost {
    opening(n)
}

/// What a matrix product modulo `2^width` costs with a triple.
pub(super) fn matrix_cost(MatrixShape { rows, inner, columns }: MatrixShape, width: u32) -> Cost {
    opening((rows * inner + inner * columns) * width as usize)
}

/// So many bits from each party.
fn opening(bits: usize) -> Cost {
    Cost { sent: [bits.div_ceil(8) as u64; 2], rounds: u64::from(bits > 0), ..Cost::default() }
}

/// The kind of random bits for words of `R`, if there are as many as needed and they are the faster way.
pub(super) fn random_bits<R: Ring>(n: usize, x: Placement, otherwise: &Cost, means: &Means) -> Option<Kind> {
    let kind = Kind::Bits { word: R::BITS };
    let wanted = x == Placement::Shared && n > 0 && means.has(kind, n);
    (wanted && means.pace.nanoseconds(&bits_cost(n)) < means.pace.nanoseconds(otherwise)).then_some(kind)
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// The words of a product modulo `2^width`, with triples that the caller has taken from what is allowed.
    pub(super) fn product_of_triples(&mut self, kind: Kind, a: &[R], b: &[R], width: u32) -> Result<Vec<R>> {
        let mut product = Vec::with_capacity(a.len());
        for (x, y) in a.chunks(TILE).zip(b.chunks(TILE)) {
            let triples = self.stock.take::<R>(kind, x.len());
            let [a, b, c] = &triples[..] else { unreachable!("a triple has three vectors") };
            let [d, e] = self.open_masked([(x, a), (y, b)], width)?;
            let first = if self.first() { R::ONE } else { R::ZERO };
            let words = c.iter().zip(a.iter().zip(b.iter())).zip(d.iter().zip(&e));
            product.extend(words.map(|((c, (a, &b)), (d, &e))| c.add(d.mul(b.add(e.mul(first)))).add(e.mul(*a))));
        }
        Ok(product)
    }

    /// The same of matrices, in words modulo `2^64`.
    pub(super) fn matrix_product_of_triple(
        &mut self,
        kind: Kind,
        a: &[R],
        b: &[R],
        shape: MatrixShape,
        width: u32,
    ) -> Result<Vec<R>> {
        let low = |words: &[R]| -> Vec<u64> { words.iter().map(|word| word.to_u128() as u64).collect() };
        let (x, y) = (low(a), low(b));
        let triple = self.stock.take::<u64>(kind, 1);
        let [a, b, c] = &triple[..] else { unreachable!("a triple has three matrices") };
        let [d, e] = self.open_masked([(&x, a), (&y, b)], width)?;
        // D (B + E) + A E for the first party, D B + A E for the other.
        let right: Vec<u64> = match self.first() {
            true => b.iter().zip(&e).map(|(b, e)| b.wrapping_add(*e)).collect(),
            false => b.to_vec(),
        };
        let (left, right) = (local_matrix_product(&d, &right, shape), local_matrix_product(a, &e, shape));
        let words = c.iter().zip(left.iter().zip(&right));
        Ok(words.map(|(c, (left, right))| R::from_u128(c.wrapping_add(*left).wrapping_add(*right).into())).collect())
    }

    /// Opens the differences of values and masks, modulo `2^width`.
    fn open_masked<W: Ring>(&mut self, pairs: [(&[W], &[W]); 2], width: u32) -> Result<[Vec<W>; 2]> {
        let count: usize = pairs.iter().map(|(values, _)| values.len()).sum();
        let bytes = (count * width as usize).div_ceil(8);
        let mut message = BitWriter::with_capacity(bytes);
        let mut masked = pairs.map(|(values, masks)| -> Vec<W> {
            values.iter().zip(masks).map(|(value, mask)| value.sub(*mask).low(width)).collect()
        });
        masked.iter().flatten().for_each(|word| message.push(word.to_u128(), width));
        let received = self.exchange(&message.finish(), bytes)?;
        let mut theirs = BitReader::new(&received);
        masked.iter_mut().flatten().for_each(|word| *word = word.add(W::from_u128(theirs.take(width))));
        Ok(masked)
    }

    /// Bits as words 0 and 1.
    pub(super) fn words_of_bits(&mut self, x: &Bits) -> Result<Arith<R>> {
        let otherwise = super::cost::words_by_transfers::<R>(x.len, x.placement);
        let Some(kind) = random_bits::<R>(x.len, x.placement, &otherwise, &self.means) else {
            return self.select_words(x, &Arith::constant(R::ONE, x.len), R::BITS);
        };
        self.means.take(kind, x.len);
        let mut random = self.stock.take::<R>(kind, x.len);
        let random = std::mem::take(&mut *random[0]);
        let mut masks = vec![0; x.len.div_ceil(64)];
        for (i, word) in random.iter().enumerate() {
            masks[i / 64] |= u64::from(word.bit(0)) << (i % 64);
        }
        let masked: Vec<u64> = x.words.iter().zip(&masks).map(|(x, mask)| x ^ mask).collect();
        let mut message = BitWriter::with_capacity(x.len.div_ceil(8));
        message.push_bits(&masked, x.len);
        let received = self.exchange(&message.finish(), x.len.div_ceil(8))?;
        let theirs = BitReader::new(&received).take_bits(x.len);
        let first = if self.first() { R::ONE } else { R::ZERO };
        let words = random.iter().enumerate().map(|(i, &r)| {
            let opened = (masked[i / 64] ^ theirs[i / 64]) >> (i % 64) & 1;
            // The opened bit is public, so choosing by it tells nothing.
            if opened == 1 { first.sub(r) } else { r }
        });
        Ok(Arith { placement: Placement::Shared, words: words.collect() })
    }
}
