//! The ring interpreter: the operations of [`Backend`] on the values themselves, in one process.
//!
//! It is the oracle that the two-party engine is tested against: same words, same wrap-around, same placements of
//! results, exact truncation. Nothing in it is secret and nothing is sent.

use rayon::prelude::*;
use tacit_protocol::PartyId;
use tacit_simd::Shape;

use crate::backend::{Backend, Column, Job, MatrixShape, Needs, Repeat, Table};
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement, Seat};

/// The interpreter. Its parts are the values, whatever the placement says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clear;

impl Seat for Clear {
    fn party(&self) -> PartyId {
        PartyId::ZERO
    }

    fn holds(&self, _placement: Placement) -> bool {
        true
    }
}

impl<R: Ring> Backend<R> for Clear {
    fn together(&mut self, _needs: &[Needs], jobs: Vec<Job<'_, R>>) -> Result<()> {
        jobs.into_iter().try_for_each(|job| job(self))
    }

    fn and(&mut self, a: &Bits, b: &Bits) -> Result<Bits> {
        assert_eq!(a.len, b.len, "operands have one length");
        let words = a.words.iter().zip(&b.words).map(|(a, b)| a & b).collect();
        Ok(Bits { placement: a.placement.join(b.placement), len: a.len, words })
    }

    fn to_arith(&mut self, a: &Bits) -> Result<Arith<R>> {
        let words = (0..a.len).map(|place| if a.bit(place) { R::ONE } else { R::ZERO }).collect();
        Ok(Arith { placement: a.placement, words })
    }

    fn select(&mut self, c: &Bits, x: &Arith<R>) -> Result<Arith<R>> {
        let columns = columns(c.len, x.len());
        let pick = |(place, &word)| if c.bit(place / columns) { word } else { R::ZERO };
        let words = x.words.iter().enumerate().map(pick).collect();
        Ok(Arith { placement: c.placement.join(x.placement), words })
    }

    fn multiply(&mut self, a: &Arith<R>, b: &Arith<R>, _a_bits: u32, _b_bits: u32) -> Result<Arith<R>> {
        assert_eq!(a.len(), b.len(), "operands have one length");
        let words = a.words.iter().zip(&b.words).map(|(a, &b)| a.mul(b)).collect();
        Ok(Arith { placement: a.placement.join(b.placement), words })
    }

    fn multiply_truncate(
        &mut self,
        a: &Arith<R>,
        b: &Arith<R>,
        bits: (u32, u32),
        _product_bits: u32,
        shift: u32,
    ) -> Result<Arith<R>> {
        let product = self.multiply(a, b, bits.0, bits.1)?;
        self.truncate(&product, shift)
    }

    fn select_within(&mut self, c: &Bits, x: &Arith<R>, _width: u32) -> Result<Arith<R>> {
        self.select(c, x)
    }

    fn shift_within(&mut self, places: &[Bits], x: &Arith<R>, _width: u32) -> Result<Arith<R>> {
        let placement = places.iter().fold(x.placement, |joined, place| joined.join(place.placement));
        let factor = |i: usize| {
            let places = places.iter().enumerate().filter(|(_, place)| place.bit(i));
            places.fold(R::ZERO, |sum, (j, _)| sum.add(R::ONE.shl(j as u32)))
        };
        let words = x.words.iter().enumerate().map(|(i, word)| word.mul(factor(i))).collect();
        Ok(Arith { placement, words })
    }

    fn multiply_within(&mut self, a: &Arith<R>, b: &Arith<R>, bits: (u32, u32), _width: u32) -> Result<Arith<R>> {
        self.multiply(a, b, bits.0, bits.1)
    }

    fn truncate_within(&mut self, x: &Arith<R>, shift: u32, _width: u32, _wanted: u32) -> Result<Arith<R>> {
        self.truncate(x, shift)
    }

    fn matrix_multiply(
        &mut self,
        a: &Arith<R>,
        b: &Arith<R>,
        shape: MatrixShape,
        _bits: (u32, u32),
        _repeat: Option<Repeat>,
    ) -> Result<Arith<R>> {
        let words = local_matrix_product(&a.words, &b.words, shape);
        Ok(Arith { placement: a.placement.join(b.placement), words })
    }

    fn shuffle(&mut self, x: &Arith<R>, _columns: usize, _groups: usize) -> Result<Arith<R>> {
        Ok(x.clone())
    }

    fn is_negative(&mut self, x: &Arith<R>, bits: u32) -> Result<Bits> {
        Ok(each(x, |word| word.bit(bits - 1)))
    }

    fn is_zero(&mut self, x: &Arith<R>, bits: u32) -> Result<Bits> {
        Ok(each(x, |word| word.low(bits) == R::ZERO))
    }

    fn truncate(&mut self, x: &Arith<R>, shift: u32) -> Result<Arith<R>> {
        Ok(floor(x, shift))
    }

    fn floor_shift(&mut self, x: &Arith<R>, shift: u32, _bits: u32) -> Result<Arith<R>> {
        Ok(floor(x, shift))
    }

    fn bits_of(&mut self, x: &Arith<R>, count: u32, bits: u32) -> Result<Vec<Bits>> {
        Ok((0..count).map(|place| each(x, |word| word.bit(place.min(bits - 1)))).collect())
    }

    fn parts(&mut self, x: &Arith<R>, width: u32) -> [Arith<R>; 2] {
        if x.placement != Placement::Shared {
            return whole_and_zero(x, width);
        }
        // Parts as two parties may have them, so that sums of parts wrap and carry here as they do there.
        let first: Vec<R> = x.words.iter().enumerate().map(|(i, word)| scrambled(*word, i).low(width)).collect();
        let second = x.words.iter().zip(&first).map(|(word, first)| word.sub(*first).low(width)).collect();
        let part = |party, words| Arith { placement: Placement::Private(party), words };
        [part(PartyId::ZERO, first), part(PartyId::ONE, second)]
    }

    fn look_up(&mut self, index: [&Arith<R>; 2], table: &Table) -> Result<Vec<Arith<R>>> {
        let mask = table.size() - 1;
        let sums = index[0].words.iter().zip(&index[1].words).map(|(a, b)| a.add(*b).to_u128() as usize & mask);
        let sums: Vec<usize> = sums.collect();
        let placement = index[0].placement.join(index[1].placement);
        let column = |column: &Column| Arith {
            placement,
            words: sums.iter().map(|&place| R::from_i128(column.entries[place])).collect(),
        };
        Ok(table.columns.iter().map(column).collect())
    }

    fn reveal(&mut self, x: &Arith<R>, _to: &[PartyId]) -> Result<Option<Vec<R>>> {
        Ok(Some(x.words.clone()))
    }

    fn reveal_bits(&mut self, x: &Bits, _to: &[PartyId]) -> Result<Option<Vec<u64>>> {
        Ok(Some(x.words.clone()))
    }
}

/// The parts of a value that is not shared.
pub(crate) fn whole_and_zero<R: Ring>(x: &Arith<R>, width: u32) -> [Arith<R>; 2] {
    let words = x.words.iter().map(|word| word.low(width)).collect();
    [Arith { placement: x.placement, words }, Arith::constant(R::ZERO, x.len())]
}

/// A word that follows from another and its place, and looks like any (Steele, Lea and Flood's SplitMix64).
fn scrambled<R: Ring>(word: R, place: usize) -> R {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let seed = word.to_u128() as u64 ^ (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let low = mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
    R::from_u128(u128::from(mix(low)) << 64 | u128::from(low))
}

/// How many columns of words share one choice bit.
pub(crate) fn columns(choices: usize, words: usize) -> usize {
    if choices == 0 {
        assert_eq!(words, 0, "words without a choice");
        return 1;
    }
    assert!(words.is_multiple_of(choices), "a whole number of columns");
    words / choices
}

/// A bit of each element.
pub(crate) fn each<R: Ring>(x: &Arith<R>, of: impl Fn(R) -> bool) -> Bits {
    let mut words = vec![0; x.len().div_ceil(64)];
    for (place, &word) in x.words.iter().enumerate() {
        words[place / 64] |= u64::from(of(word)) << (place % 64);
    }
    Bits { placement: x.placement, len: x.len(), words }
}

/// `floor(x / 2^shift)` of words that are the values.
pub(crate) fn floor<R: Ring>(x: &Arith<R>, shift: u32) -> Arith<R> {
    let shift = shift.min(127);
    let words = x.words.iter().map(|word| R::from_i128(word.to_i128() >> shift)).collect();
    Arith { placement: x.placement, words }
}

/// Terms of a product from which it is shared out over the threads of the current rayon pool.
const PARALLEL_TERMS: usize = 1 << 22;

/// Rows of a product that one thread computes at a time: enough of them that copying the right factor into panels, which
/// each band does anew, is little beside the products.
const BAND: usize = 64;

/// The matrix product of the words at hand.
pub(crate) fn local_matrix_product<R: Ring>(a: &[R], b: &[R], shape: MatrixShape) -> Vec<R> {
    let MatrixShape { rows, inner, columns } = shape;
    assert!(a.len() == rows * inner && b.len() == inner * columns, "the factors have the sizes of the shape");
    let product = |a: &[R], rows| R::matrix_product(a, b, Shape { rows, inner, columns });
    if rows * columns == 0 || rows <= BAND || rows.saturating_mul(inner).saturating_mul(columns) < PARALLEL_TERMS {
        return product(a, rows);
    }
    let mut words = vec![R::ZERO; rows * columns];
    words
        .par_chunks_mut(BAND * columns)
        .zip(a.par_chunks(BAND * inner))
        .for_each(|(into, a)| into.copy_from_slice(&product(a, a.len() / inner)));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prg::Prg;

    fn agrees<R: Ring>(shape: MatrixShape) {
        let MatrixShape { rows, inner, columns } = shape;
        let mut random = Prg::new(5);
        let mut words = |n: usize| {
            let mut blocks = vec![0; n];
            random.fill(&mut blocks);
            blocks.into_iter().map(R::from_u128).collect::<Vec<R>>()
        };
        let (a, b) = (words(rows * inner), words(inner * columns));
        let product = local_matrix_product(&a, &b, shape);
        assert_eq!(product.len(), rows * columns);
        // Every 97th cell, by the definition.
        for place in (0..product.len()).step_by(97) {
            let (row, column) = (place / columns, place % columns);
            let terms = (0..inner).map(|i| a[row * inner + i].mul(b[i * columns + column]));
            assert_eq!(product[place], terms.fold(R::ZERO, R::add), "{shape:?} at {row}, {column}");
        }
    }

    #[test]
    fn a_product_is_that_of_the_definition_shared_out_or_not() {
        for (rows, inner, columns) in [(0, 3, 2), (3, 0, 2), (5, 7, 0), (9, 11, 5), (130, 129, 251), (65, 2, 40_000)] {
            let shape = MatrixShape { rows, inner, columns };
            agrees::<u64>(shape);
            agrees::<u128>(shape);
        }
    }
}
