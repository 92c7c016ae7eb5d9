//! Quotients by public divisors, exact.
//!
//! *Source*: multiplication by the reciprocal after Granlund and Montgomery (PLDI'94), in passes: a pass takes the
//! upper bits that the word has room for and leaves a remainder, which is local. The last remainder is less than
//! three divisors, and two comparisons make it exact.
//!
//! *Security*: nothing is opened. *Cost*: two truncations a pass, then one comparison and one conversion of two bits
//! an element. *Shapes and units*: floors, also of negative values.

use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::Arith;

/// Whether words of `R` hold what [`divide_public`] needs for values of `bits` bits.
pub fn divides_publicly<R: Ring>(bits: u32, divisor: u128) -> bool {
    divisor.is_power_of_two() || far(bits, divisor) || bits + 3 <= R::BITS.min(124)
}

/// Whether the divisor is so large that the quotient is 0 or -1.
fn far(bits: u32, divisor: u128) -> bool {
    bits - 1 < 128 && divisor >= 1 << (bits - 1)
}

/// `floor(x / divisor)` for values of at most `bits` bits.
///
/// # Panics
/// If the divisor is 0, or the word too narrow; the plan asks [`divides_publicly`] before.
pub fn divide_public<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    divisor: u128,
    bits: u32,
) -> Result<Arith<R>> {
    assert!(divisor > 0 && divides_publicly::<R>(bits, divisor), "a division that fits the word");
    if far(bits, divisor) {
        let negative = backend.is_negative(x, bits)?;
        return Ok(backend.to_arith(&negative)?.neg());
    }
    let log = divisor.ilog2();
    if divisor.is_power_of_two() {
        return backend.floor_shift(x, log, bits);
    }
    // With a multiple of the divisor added nothing is negative.
    let lift = (1u128 << (bits - 1)).div_ceil(divisor);
    let word = R::from_u128(divisor);
    let mut rest = x.add_public(backend, R::from_u128(lift * divisor));
    let mut quotient = Arith::constant(R::from_u128(lift).neg(), x.len());
    let mut width = bits + 1;
    let room = widest::<R>(log);
    loop {
        let skipped = width.saturating_sub(room);
        let upper = if skipped > 0 { backend.truncate(&rest, skipped)? } else { rest.clone() };
        let part = nearly(backend, &upper, divisor, width - skipped)?.shl(skipped);
        rest = rest.sub(backend, &part.scale(word));
        quotient = quotient.add(backend, &part);
        if skipped == 0 {
            break;
        }
        width = skipped + log + 4;
    }
    // The rest lies in [0, 2.375 d): one more for each divisor that it holds.
    let n = x.len();
    let (one, two) = (rest.add_public(backend, word.neg()), rest.add_public(backend, word.shl(1).neg()));
    let short = backend.is_negative(&Arith::concat(backend, &[&one, &two]), log + 3)?;
    let holds = backend.to_arith(&short.not(backend))?;
    Ok(quotient.add(backend, &holds.slice(0..n)).add(backend, &holds.slice(n..2 * n)))
}

/// The width for which [`nearly`] fits the word, at a divisor of `log + 1` bits.
fn widest<R: Ring>(log: u32) -> u32 {
    ((R::BITS - 5 + log.saturating_sub(3) + log) / 2).min(124)
}

/// An integer in `(x / divisor - 2.4, x / divisor]`, for `x` in `[-2, 2^width)`.
fn nearly<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    divisor: u128,
    width: u32,
) -> Result<Arith<R>> {
    // Bits worth less than an eighth of the divisor are dropped first: at most 2/8 is lost.
    let dropped = divisor.ilog2().saturating_sub(3);
    let short = if dropped > 0 { backend.truncate(x, dropped)? } else { x.clone() };
    // A reciprocal rounded down by less than one unit loses at most another eighth, the truncation less than two.
    let places = width.saturating_sub(dropped) + 3;
    let reciprocal = (1u128 << (places + dropped)) / divisor;
    backend.truncate(&short.scale(R::from_u128(reciprocal)), places)
}

/// The multiple of `step` nearest to each value of at most `bits` bits, the upper one of two; `bits` must leave room
/// for half a step more.
pub fn round_to_grid<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    step: u128,
    bits: u32,
) -> Result<Arith<R>> {
    let raised = x.add_public(backend, R::from_u128(step / 2));
    Ok(divide_public(backend, &raised, step, bits)?.scale(R::from_u128(step)))
}
