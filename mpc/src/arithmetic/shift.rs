//! Shifts by secret amounts, and the last rounding of a value that was computed with more digits than are wanted.
//!
//! *Source*: a barrel shifter, one selection a bit of the amount. *Security*: nothing is opened. *Cost*: two transfers and
//! twice the width a bit; a comparison of [`GUARD_BITS`] bits for an exact rounding. *Shapes and units*: values that count
//! modulo `2^width`, as in [`Backend::select_within`].

use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits};

/// Bits that an exact rounding decides on: the truncation before it is off by less than one of their units.
pub(super) const GUARD_BITS: u32 = 4;

/// `x * 2^(unit * amount)` modulo `2^width`, for an amount given by its bits, lowest first.
pub(super) fn shift_left<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    amount: &[Bits],
    unit: u32,
    width: u32,
) -> Result<Arith<R>> {
    let mut x = x.clone();
    for (place, bit) in amount.iter().enumerate() {
        let by = unit << place;
        let more = x.shl(by).sub(backend, &x);
        let more = backend.select_within(bit, &more, width)?;
        x = x.add(backend, &more);
    }
    Ok(x)
}

/// The nearest to `x / 2^shift`, off by `1/2 + 2^-GUARD_BITS` at most, as a whole word: of `x` that counts modulo
/// `2^width`, `|x| < 2^(width - 3)`. Where the shift is negative, the exact product.
pub(super) fn round<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    shift: i64,
    width: u32,
) -> Result<Arith<R>> {
    let Ok(shift @ 1..) = u32::try_from(shift) else {
        let whole = backend.truncate_within(x, 0, width, R::BITS)?;
        return Ok(whole.shl(u32::try_from(-shift).expect("shifts within a word")));
    };
    let guard = shift.min(GUARD_BITS);
    let fine = backend.truncate_within(x, shift - guard, width, R::BITS)?;
    // The truncation is the floor or one less; where there was one, half a unit of it more is nearer on average.
    let half = R::ONE.shl(guard - 1);
    let near = if shift > guard { half.add(R::ONE) } else { half };
    let bits = width - (shift - guard) - 1;
    backend.floor_shift(&fine.add_public(backend, near), guard, bits)
}

/// `x / 2^shift` within one, as a whole word: of `x` that counts modulo `2^width`, `|x| < 2^(width - 2) - 2^shift`.
pub(super) fn shorten<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    shift: u32,
    width: u32,
) -> Result<Arith<R>> {
    // The floor of one more, or one less than that.
    backend.truncate_within(&x.add_public(backend, R::ONE.shl(shift)), shift, width, R::BITS)
}
