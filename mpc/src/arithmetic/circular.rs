//! Sine and cosine.
//!
//! *Source*: the addition theorems, with the sine and cosine of each part taken by its party alone; Squirrel (ePrint
//! 2023/527) builds Fourier series of them. Here the number is counted in turns, modulo one, so that parts that wrap
//! change nothing. *Security*: nothing is opened. The parties' own functions have no branches or addresses that depend on
//! the parts. *Cost*: two products of 24 by 24 bits (high precision: 40 by 40), for one of which each party chooses, and a
//! truncation.
//!
//! *Shapes and units*: numbers and results in steps of the precision. The error is at most one step of the truncation and,
//! in units of `2^-22`, two of the rounded factors and one half of the number of turns: 1.2 steps. In high precision units
//! are `2^-38`: 1.7 steps.

use tacit_protocol::program::Unary;
use tacit_protocol::program::types::Interval;
use tacit_protocol::schema::Precision;

use super::piecewise::{local, multiply_shift};
use super::shift::shorten;
use crate::backend::Backend;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::Arith;

/// `1 / (2 pi) * 2^128`, from the digits of `2 / pi` (Payne and Hanek).
const TURN: u128 = 0x28be_60db_9391_054a_7f09_d5f4_7d4d_3770;

/// The binary digits of what the method computes with.
struct Digits {
    /// Of numbers and results.
    step: u32,
    /// Of the factor that turns numbers into turns, where numbers are below 1.
    turn: u32,
    /// Of the sine and cosine of a part.
    factor: u32,
    /// Of a turn to which a part is taken.
    part: u32,
    /// Of the polynomials' coefficients and of their variable, the square of the angle.
    point: u32,
    /// The series of the sine and of the cosine: the terms behind them are far below a sixteenth of a unit of the factor.
    series: [&'static [i64]; 2],
    /// [`sine_and_cosine`] with these digits, which it has as constants.
    both: fn(u64) -> (i64, i64),
}

/// The next term of the cosine is `(pi/4)^12 / 12! < 2^-32`.
const DEFAULT: Digits = Digits {
    step: Precision::Default.step_bits(),
    turn: 25,
    factor: 22,
    part: 48,
    point: 30,
    series: [&series::<6>(1, 30), &series::<6>(0, 30)],
    both: |turn| sine_and_cosine::<false>(turn, &DEFAULT),
};

/// The next term of the cosine is `(pi/4)^16 / 16! < 2^-49`.
const HIGH: Digits = Digits {
    step: Precision::High.step_bits(),
    turn: 41,
    factor: 38,
    part: 64,
    point: 48,
    series: [&series::<8>(1, 48), &series::<8>(0, 48)],
    both: |turn| sine_and_cosine::<true>(turn, &HIGH),
};

impl Digits {
    const fn of(precision: Precision) -> &'static Self {
        match precision {
            Precision::Default => &DEFAULT,
            Precision::High => &HIGH,
        }
    }

    /// Those of the factor that turns numbers in a range into turns: it changes the largest by `pi 2^-turn` radians.
    fn of_turns(&self, range: Interval) -> u32 {
        range.bits().saturating_sub(self.step + 1) + self.turn
    }

    /// The bits of a product of two factors, and its room.
    fn product(&self) -> u32 {
        2 * self.factor + 4
    }
}

/// Whether a word holds what numbers in a range take.
pub(super) fn fits<R: Ring>(range: Interval, precision: Precision) -> bool {
    let of = Digits::of(precision);
    (of.step + of.of_turns(range)).max(of.product()) <= R::BITS
}

/// The sine or cosine of numbers in a range.
pub(super) fn circular<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    function: Unary,
    x: &Arith<R>,
    range: Interval,
    precision: Precision,
) -> Result<Arith<R>> {
    let digits = Digits::of(precision);
    let turn_digits = digits.of_turns(range);
    let width = digits.step + turn_digits;
    // Half a unit is added before the digits behind are dropped.
    let factor = (TURN >> (127 - turn_digits)).div_ceil(2);
    let turns = x.scale(R::from_u128(factor));
    let parts = backend.parts(&turns, width);
    let turn = |word: R| {
        let word = word.to_u128();
        (if width >= digits.part { word >> (width - digits.part) } else { word << (digits.part - width) }) as u64
    };
    let of = |backend: &B, party: usize, which: fn((i64, i64)) -> i64| {
        local(backend, &parts[party], |word| R::from_i128(which((digits.both)(turn(word))).into()))
    };
    let [sine, cosine]: [fn((i64, i64)) -> i64; 2] = [|both| both.0, |both| both.1];
    let bits = (digits.factor + 2, digits.factor + 2);
    let width = digits.product();
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
    shorten(backend, &sum, 2 * digits.factor - digits.step, width)
}

/// `(-1)^k (pi/2)^n / n!` for `n = 2 k + first`, in so many binary digits: the series in quarters of a turn.
const fn series<const TERMS: usize>(first: u32, point: u32) -> [i64; TERMS] {
    let quarter = std::f64::consts::FRAC_PI_2;
    let mut coefficients = [0; TERMS];
    let mut term = (1_u64 << point) as f64 * if first == 1 { quarter } else { 1.0 };
    let mut n = first;
    let mut place = 0;
    while place < TERMS {
        coefficients[place] = if term < 0.0 { (term - 0.5) as i64 } else { (term + 0.5) as i64 };
        term = -term * quarter * quarter / ((n + 1) * (n + 2)) as f64;
        n += 2;
        place += 1;
    }
    coefficients
}

/// Sine and cosine of a number of turns, of which the digits of a part count, in those of a factor: to the nearest and less
/// than a sixteenth more. In constant time.
#[inline(always)]
fn sine_and_cosine<const WIDE: bool>(turn: u64, of: &Digits) -> (i64, i64) {
    // The quarter whose middle is nearest, and what is left, in quarters of a turn, within a half.
    let quarters = turn.wrapping_add(1 << (of.part - 3));
    let quarter = quarters >> (of.part - 2);
    let rest = quarters & ((1 << (of.part - 2)) - 1);
    let rest = (rest >> (of.part - 2 - of.point)) as i64 - (1 << (of.point - 1));
    let times = |a: i64, b: i64| multiply_shift::<WIDE>(a, b, of.point);
    let square = times(rest, rest);
    let sum = |series: &[i64]| series.iter().rev().fold(0, |sum: i64, term| times(sum, square) + term);
    let cut = of.point - of.factor;
    let round = |value: i64| (value + (1 << (cut - 1))) >> cut;
    let (sine, cosine) = (round(times(sum(of.series[0]), rest)), round(sum(of.series[1])));
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
        for of in Precision::ALL.map(Digits::of) {
            let eighth = 1_u64 << (of.part - 3);
            let spread = (0..200_000_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - of.part));
            let edges = (0..8).flat_map(|i| [i * eighth, i * eighth + 1, i * eighth + (eighth - 1)]);
            for turn in spread.chain(edges) {
                let angle = turn as f64 / libm::exp2(f64::from(of.part)) * std::f64::consts::TAU;
                let scale = libm::exp2(f64::from(of.factor));
                let (sine, cosine) = (of.both)(turn);
                for (found, exact) in [(sine, libm::sin(angle) * scale), (cosine, libm::cos(angle) * scale)] {
                    assert!((found as f64 - exact).abs() <= 0.5 + 1.0 / 16.0, "{turn} gave {found}, not {exact}");
                }
            }
        }
    }
}
