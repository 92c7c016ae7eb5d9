//! How the entries of matrices lie in polynomials.
//!
//! *Source*: Cheetah (ePrint 2022/207) and Iron: with blocks of `rows` by `inner` entries of the multiplier and `inner` by
//! `columns` of the encrypted factor, whose product is at most the number of coefficients, entry `(i, j)` of the multiplier
//! lies at `i * inner * columns + inner - 1 - j` and entry `(j, k)` of the other at `k * inner + j`. Entry `(i, k)` of the
//! product then is at `i * inner * columns + k * inner + inner - 1`.

use super::keys::{KeySize, SEED_BYTES};
use super::packing;
use super::ring::{LIMB_BYTES, SLOTS};
use crate::backend::MatrixShape;
use crate::params::{MATRIX_LIMBS, MATRIX_MOST_WIDTH, matrix_limbs};

/// Bits of an answer's coefficients beyond those of the product.
pub(super) const ANSWER_BITS: u32 = 11;

/// Ciphertexts of an encrypted factor at most: bounds memory. Larger products go piece by piece.
const MOST_BLOCKS: usize = 256;

/// Bytes of a public key at most, with what packs: room for five limbs and every level, which long inner dimensions take.
const MOST_KEY_BYTES: usize = 1 << 25;

/// The layout of one product modulo `2^width` whose left factor multiplies and whose right one is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The factors.
    pub(crate) shape: MatrixShape,
    /// The bits that count.
    pub(crate) width: u32,
    /// The largest blocks; powers of two.
    pub(super) rows: usize,
    pub(super) inner: usize,
    pub(super) columns: usize,
    /// Limbs of ciphertexts.
    pub(super) limbs: usize,
}

impl Layout {
    /// The cheapest where a transform weighs so many bytes, for so many products of one encrypted factor; none where the
    /// product is too large for one, or its words too wide.
    pub(crate) fn cheapest(shape: MatrixShape, width: u32, transform_bytes: u64, products: u32) -> Option<Self> {
        if width > MATRIX_MOST_WIDTH || shape.rows == 0 || shape.inner == 0 || shape.columns == 0 {
            return None;
        }
        let most = |n: usize| n.next_power_of_two().min(SLOTS);
        let powers = |most: usize| (0..=most.ilog2()).map(|log2| 1_usize << log2);
        let layouts = powers(most(shape.inner)).flat_map(|inner| {
            let of = move |columns| Self::new(shape, width, inner, columns);
            powers(most(shape.columns).min(SLOTS / inner)).map(of)
        });
        let fits = |layout: &Self| {
            let few = layout.limbs <= MATRIX_LIMBS && layout.encrypted() <= MOST_BLOCKS;
            few && layout.key_size().bytes() <= MOST_KEY_BYTES
        };
        layouts.filter(fits).min_by_key(|layout| (layout.weight(transform_bytes, products), layout.inner))
    }

    fn new(shape: MatrixShape, width: u32, inner: usize, columns: usize) -> Self {
        let rows = SLOTS / (inner * columns);
        let terms = shape.inner.next_multiple_of(inner) * rows.min(shape.rows);
        Self { shape, width, rows, inner, columns, limbs: matrix_limbs(width, terms) }
    }

    /// Blocks of the inner dimension.
    pub(super) fn inner_blocks(&self) -> usize {
        self.shape.inner.div_ceil(self.inner)
    }

    /// Blocks of columns.
    pub(super) fn column_blocks(&self) -> usize {
        self.shape.columns.div_ceil(self.columns)
    }

    /// Ciphertexts of the encrypted factor.
    pub(crate) fn encrypted(&self) -> usize {
        self.inner_blocks() * self.column_blocks()
    }

    /// Blocks of the product.
    pub(super) fn results(&self) -> usize {
        self.shape.rows.div_ceil(self.rows) * self.column_blocks()
    }

    /// Packed ciphertexts of the product.
    pub(super) fn packed(&self) -> usize {
        self.results().div_ceil(self.inner)
    }

    /// Levels of the tree that packs them.
    pub(super) fn levels(&self) -> usize {
        self.inner.ilog2() as usize
    }

    /// Bytes of the encrypted factor.
    pub(crate) fn sent_up(&self) -> usize {
        SEED_BYTES + self.encrypted() * self.limbs * LIMB_BYTES
    }

    /// Bytes of the answer.
    pub(crate) fn sent_down(&self) -> usize {
        self.packed() * 2 * SLOTS * (self.width + ANSWER_BITS) as usize / 8
    }

    /// The key that the encryptor has to have sent.
    pub(crate) fn key_size(&self) -> KeySize {
        KeySize { limbs: self.limbs, packed_limbs: self.limbs, levels: self.levels() }
    }

    /// Merges of the tree that packs the results.
    fn merges(&self) -> usize {
        let last = self.results() - (self.packed() - 1) * self.inner;
        let of = |count: usize| (1..=self.levels()).map(|level| count.div_ceil(1 << level)).sum::<usize>();
        (self.packed() - 1) * of(self.inner) + of(last)
    }

    /// What a product takes, in bytes: those sent, the transforms, and a share of the keys, which are sent once.
    fn weight(&self, transform_bytes: u64, products: u32) -> u64 {
        let keys = self.levels() * packing::polynomials(self.limbs) * LIMB_BYTES / 16;
        let of = |bytes: usize, transforms: u64| bytes as u64 + transforms.saturating_mul(transform_bytes);
        of(self.sent_up(), self.transforms_up()) / u64::from(products)
            + of(self.sent_down() + keys, self.transforms_down())
    }

    /// The work, in batches of element-wise products, which take five milliseconds of each party: with that of encryption
    /// or without.
    pub(crate) fn batches(&self, encrypts: bool) -> u64 {
        let up = if encrypts { self.transforms_up() } else { 0 };
        (up + self.transforms_down()).div_ceil(80)
    }

    /// About how many transforms the ciphertexts of a factor take.
    fn transforms_up(&self) -> u64 {
        (2 * self.encrypted() * self.limbs) as u64
    }

    /// About how many transforms both parties make for an answer.
    fn transforms_down(&self) -> u64 {
        let limbs = self.limbs;
        // A polynomial of few coefficients takes about the share of the layers that it needs.
        let short = (self.inner * self.columns * (self.rows - 1) + self.inner).next_power_of_two();
        let layers = |n: usize| u64::from(n.max(64).ilog2());
        let factors = (self.results() * self.inner_blocks() * limbs) as u64 * (layers(short) + 6) / 16;
        let merges = self.merges() * (packing::polynomials(limbs) + 2 * (limbs + 2));
        let rest = 2 * limbs * self.results() + 4 * limbs * self.packed();
        factors + (merges + rest) as u64
    }
}
