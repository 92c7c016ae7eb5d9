//! Sine and cosine.
//!
//! *Source*: the addition theorems, with the sine and cosine of each part taken by its party alone; Squirrel (ePrint
//! 2023/527) builds Fourier series of them. Here the number is counted in turns, modulo one, so that parts that wrap
//! change nothing. *Security*: nothing is opened. The parties' own functions have no branches or addresses that depend on
//! the parts. *Cost*: two products of 24 by 24 bits, for one of which each party chooses, and a truncation.
//!
//! *Shapes and units*: numbers and results in steps of `2^-18`. The error is at most one step of the truncation and, in
//! units of `2^-22`, two of the rounded factors and one half of the number of turns.

use tacit_protocol::program::Unary;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Element;

use super::piecewise::local;
use super::shift::shorten;
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::Arith;

const STEP_BITS: u32 = Element::FLOAT_STEP_BITS;
/// `1 / (2 pi) * 2^128`, from the digits of `2 / pi` (Payne and Hanek).
const TURN: u128 = 0x28be_60db_9391_054a_7f09_d5f4_7d4d_3770;
/// Binary digits of the sine and cosine of a part.
const FACTOR_BITS: u32 = 22;
/// Binary digits of a turn to which a part is taken.
const PART_BITS: u32 = 48;

/// Binary digits of the factor that turns numbers of so many bits into turns: it changes the largest by `pi 2^-25` radians.
fn digits(range: Interval) -> u32 {
    range.bits().saturating_sub(STEP_BITS + 1) + 25
}

/// Whether a word holds what numbers in a range take.
pub(super) fn fits<R: Ring>(range: Interval) -> bool {
    STEP_BITS + digits(range) <= R::BITS
}

/// The sine or cosine of numbers in a range.
pub(super) fn circular<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    function: Unary,
    x: &Arith<R>,
    range: Interval,
) -> Result<Arith<R>> {
    let digits = digits(range);
    let width = STEP_BITS + digits;
    // Half a unit is added before the digits behind are dropped.
    let factor = (TURN >> (127 - digits)).div_ceil(2);
    let turns = x.scale(R::from_u128(factor));
    let parts = backend.parts(&turns, width);
    let turn = |word: R| {
        let word = word.to_u128();
        (if width >= PART_BITS { word >> (width - PART_BITS) } else { word << (PART_BITS - width) }) as u64
    };
    let of = |backend: &B, party: usize, which: fn((i64, i64)) -> i64| {
        local(backend, &parts[party], |word| R::from_i128(which(sine_and_cosine(turn(word))).into()))
    };
    let [sine, cosine]: [fn((i64, i64)) -> i64; 2] = [|both| both.0, |both| both.1];
    let bits = (FACTOR_BITS + 2, FACTOR_BITS + 2);
    let width = 2 * FACTOR_BITS + 4;
    let product =
        |first: Arith<R>, second: Arith<R>, backend: &mut B| backend.multiply_within(&first, &second, bits, width);
    // The left factor's party chooses: each does once.
    let sum = match function {
        Unary::Sin => {
            let first = product(of(backend, 0, sine), of(backend, 1, cosine), backend)?;
            let second = product(of(backend, 1, sine), of(backend, 0, cosine), backend)?;
            first.add(backend, &second)
        }
        _ => {
            let first = product(of(backend, 0, cosine), of(backend, 1, cosine), backend)?;
            let second = product(of(backend, 1, sine), of(backend, 0, sine), backend)?;
            first.sub(backend, &second)
        }
    };
    shorten(backend, &sum, 2 * FACTOR_BITS - STEP_BITS, width)
}

/// Binary digits of the polynomials' coefficients and of their variable, the square of the angle.
const POINT: u32 = 30;
/// The terms of each series: the next are below `(pi/4)^11 / 11! < 2^-28`.
const TERMS: usize = 5;

/// `(-1)^k (pi/2)^n / n!` for `n = 2 k + first`: the series in quarters of a turn.
const fn series(first: u32) -> [i64; TERMS + 1] {
    let quarter = std::f64::consts::FRAC_PI_2;
    let mut coefficients = [0; TERMS + 1];
    let mut term = (1_u64 << POINT) as f64 * if first == 1 { quarter } else { 1.0 };
    let mut n = first;
    let mut place = 0;
    while place <= TERMS {
        coefficients[place] = if term < 0.0 { (term - 0.5) as i64 } else { (term + 0.5) as i64 };
        term = -term * quarter * quarter / ((n + 1) * (n + 2)) as f64;
        n += 2;
        place += 1;
    }
    coefficients
}

const SINE: [i64; TERMS + 1] = series(1);
const COSINE: [i64; TERMS + 1] = series(0);

/// Sine and cosine of a number of turns, of which [`PART_BITS`] count, with [`FACTOR_BITS`] digits, to the nearest and
/// less than a sixteenth more. In constant time.
fn sine_and_cosine(turn: u64) -> (i64, i64) {
    // The quarter whose middle is nearest, and what is left, in quarters of a turn, within a half.
    let quarters = turn.wrapping_add(1 << (PART_BITS - 3));
    let quarter = quarters >> (PART_BITS - 2);
    let rest = quarters & ((1 << (PART_BITS - 2)) - 1);
    let rest = (rest >> (PART_BITS - 2 - POINT)) as i64 - (1 << (POINT - 1));
    let square = rest * rest >> POINT;
    let sum = |series: &[i64]| series.iter().rev().fold(0, |sum: i64, term| (sum * square >> POINT) + term);
    let cut = POINT - FACTOR_BITS;
    let round = |value: i64| (value + (1 << (cut - 1))) >> cut;
    let (sine, cosine) = (round(sum(&SINE) * rest >> POINT), round(sum(&COSINE)));
    let (odd, half) = (mask(quarter), mask(quarter >> 1));
    // Sine and cosine change places in odd quarters.
    let change = odd & (sine ^ cosine);
    let (sine, cosine) = (sine ^ change, cosine ^ change);
    (negate(sine, half), negate(cosine, half ^ odd))
}

/// All ones where the lowest bit is set.
fn mask(bit: u64) -> i64 {
    -((bit & 1) as i64)
}

fn negate(value: i64, where_ones: i64) -> i64 {
    (value ^ where_ones) - where_ones
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_and_cosines_of_parts_are_right_to_their_last_digit() {
        let top = 1_u64 << PART_BITS;
        let spread = (0..200_000_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % top);
        let edges = (0..8).flat_map(|i| [i * (top / 8), i * (top / 8) + 1, (i + 1) * (top / 8) - 1]);
        for turn in spread.chain(edges) {
            let angle = turn as f64 / top as f64 * std::f64::consts::TAU;
            let scale = f64::from(1 << FACTOR_BITS);
            let (sine, cosine) = sine_and_cosine(turn);
            for (found, exact) in [(sine, libm::sin(angle) * scale), (cosine, libm::cos(angle) * scale)] {
                assert!((found as f64 - exact).abs() <= 0.5 + 1.0 / 16.0, "{turn} gave {found}, not {exact}");
            }
        }
    }
}
