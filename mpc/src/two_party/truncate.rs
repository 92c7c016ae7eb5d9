//! Division by powers of two.
//!
//! *Source*: Cheetah (ePrint 2022/207), section 4.2, with the known sign; one transfer gives the wrap of the parts as
//! an arithmetic share modulo `2^shift`, which is all that is left of it after the shift.
//!
//! *Security*: that of [`super::cross`]; the lowest bit of the faithful result depends on the shares, see
//! [`super`].
//!
//! *Cost*: [`super::cost::truncate`]: one exchange of 1 bit and `shift` bits; [`super::cost::floor_shift`] adds a
//! comparison of `shift` bits and a bit's conversion.
//!
//! *Shapes and units*: faithful for `|x| < 2^(BITS - 2)`: the floor or one less; never the local truncation of shares,
//! which is wrong by `2^(BITS - shift)` with probability `|x| / 2^BITS`.

use super::TwoParty;
use super::cross::WordCross;
use crate::correlations::Correlations;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Placement};

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// `floor(x / 2^shift)` or one less, of parts modulo `2^width` that make `|x| < 2^(width - 2)`; bits of the parts
    /// beyond `width` are ignored, and the result counts modulo `2^wanted`.
    pub(super) fn faithful_shift(&mut self, x: &Arith<R>, shift: u32, width: u32, wanted: u32) -> Result<Arith<R>> {
        assert!(shift + 2 <= width && width <= R::BITS, "a shift that leaves the sign");
        assert!(wanted <= R::BITS, "no more than a word");
        if shift == 0 && width >= wanted {
            return Ok(x.clone());
        }
        // With 2^(width - 2) added, x is not negative and below half of the ring: the parts wrap exactly if one of
        // them has its upper bit set, m_0 + m_1 - m_0 * m_1.
        let offset = R::ONE.shl(width - 2);
        let mut raised = x.add_public(self, offset);
        raised.words.iter_mut().for_each(|word| *word = word.low(width));
        let upper: Vec<R> = raised.words.iter().map(|word| word.shr(width - 1)).collect();
        let shape = WordCross::each(x.len(), 1, false, (wanted + shift).saturating_sub(width).max(1));
        // What the wrap takes away counts from `width - shift` on: nothing is left of it below.
        let choosers = [false, wanted + shift > width];
        let both = self.cross_words(&shape, &upper, &upper, choosers)?;
        let parts = raised.words.iter().zip(&upper).zip(both);
        let words = parts
            .map(|((part, upper), both)| {
                let wrap = upper.sub(both);
                part.shr(shift).sub(wrap.shl(width - shift))
            })
            .collect();
        let floor = Arith { placement: Placement::Shared, words };
        Ok(floor.add_public(self, offset.shr(shift).neg()))
    }

    /// `floor(x / 2^shift)` for `|x| < 2^(bits - 1)`.
    pub(super) fn exact_shift(&mut self, x: &Arith<R>, shift: u32, bits: u32) -> Result<Arith<R>> {
        if shift + 1 >= bits {
            let negative = self.sign(x, bits)?;
            return self.select_words(&negative, &Arith::constant(R::ONE.neg(), x.len()), R::BITS);
        }
        if bits == R::BITS {
            return self.exact_shift_full(x, shift);
        }
        let carry = self.carry_of(&x.words, shift)?;
        let carry = self.words_of_bits(&carry)?;
        Ok(self.faithful_shift(x, shift, R::BITS, R::BITS)?.add(self, &carry))
    }

    /// The same for values that fill the word, where the wrap takes a comparison of its own.
    fn exact_shift_full(&mut self, x: &Arith<R>, shift: u32) -> Result<Arith<R>> {
        let offset = R::ONE.shl(R::BITS - 1);
        let raised = x.add_public(self, offset);
        let low = self.carry_of(&raised.words, shift)?;
        let wrap = self.carry_of(&raised.words, R::BITS)?;
        let low = self.words_of_bits(&low)?;
        let wrap = self.select_words(&wrap, &Arith::constant(R::ONE.shl(R::BITS - shift), x.len()), R::BITS)?;
        let words = raised.words.iter().map(|part| part.shr(shift)).collect();
        let floor = Arith { placement: Placement::Shared, words };
        Ok(floor.add_public(self, offset.shr(shift).neg()).add(self, &low).sub(self, &wrap))
    }
}
