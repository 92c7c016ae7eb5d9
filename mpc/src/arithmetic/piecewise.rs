//! Smooth functions of a bounded number by polynomials on short intervals.
//!
//! *Source*: piecewise polynomials with the interval found by the upper bits, as SIRNN (ePrint 2021/459) has them for its
//! first approximations; Chebyshev interpolation (Trefethen, *Approximation Theory and Practice*, theorem 7.2 and
//! exercise 8). We differ in that the upper bits are never computed: each party has upper and lower bits of its own
//! part. The sum of the upper ones picks the interval and the sum of the lower ones is the place in it, whether they
//! carry or not, since each polynomial serves the double of its interval.
//!
//! *Security*: nothing is opened. *Cost*: a look-up of `degree + 1` coefficients among `2^index_bits`, in several tables
//! where they are too wide for one, and one product of a coefficient by a short place a degree, for which each party chooses
//! by its own bits.
//!
//! *Shapes and units*: the result is `f * 2^fraction_bits`. How far it is off but for the
//! interpolation, in its own units: half a unit for each rounded coefficient, and a half and one for each product, whose
//! place and whose result are cut, so `2 degree + 1/2`. The interpolation on an interval of half width `h` errs by at most `2 (h/2)^(d+1)
//! max|f^(d+1)| / (d+1)!`; each function says what that is for it, and the tests measure it. Coefficients come from `f64`s, whose
//! rounding stays below a unit for as many as 44 digits.

use crate::backend::{Backend, Column, Table};
use crate::error::Result;
use crate::ring::Ring;
use crate::share::Arith;

/// How a function is cut into polynomials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pieces {
    /// There are `2^index_bits - 1` intervals.
    pub(super) index_bits: u32,
    /// The degree of the polynomials.
    pub(super) degree: u32,
    /// The binary digits of the result.
    pub(super) fraction_bits: u32,
}

/// The numbers that a function is to be computed for, whole numbers of any unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The least.
    pub(super) lo: i128,
    /// The largest.
    pub(super) hi: i128,
}

/// Bits below the point at which an interval ends, so that their number is nearly what the index has room for.
const SPARE_BITS: u32 = 5;

/// Intervals and their places for a span: `v = x * factor + offset` has its interval in the bits from `low_bits` on.
#[derive(Clone, Copy, Debug)]
struct Cut {
    factor: i128,
    offset: i128,
    low_bits: u32,
    index_bits: u32,
}

impl Cut {
    fn new(span: Span, index_bits: u32) -> Self {
        let size = span.hi - span.lo + 1;
        let bits = 128 - size.leading_zeros();
        let low_bits = (bits + SPARE_BITS).saturating_sub(index_bits).max(SPARE_BITS);
        let factor = (((1 << index_bits) - 1) << low_bits) / size;
        // The first interval begins at index 1, since index 0 is what carries from below it.
        let offset = (1 << low_bits) - span.lo * factor;
        Self { factor, offset, low_bits, index_bits }
    }

    fn width(&self) -> u32 {
        self.low_bits + self.index_bits
    }

    /// The number in the middle of the two intervals that an index serves, and their width.
    fn interval(&self, index: usize) -> (f64, f64) {
        let middle = ((index as i128 + 1) << self.low_bits) - self.offset;
        let size = (1_i128 << self.low_bits) as f64 / self.factor as f64;
        (middle as f64 / self.factor as f64, size)
    }
}

/// The width that a value must count modulo for [`piecewise`] on a span.
pub(super) fn width_for(span: Span, pieces: &Pieces) -> u32 {
    Cut::new(span, pieces.index_bits).width()
}

/// The polynomials of all indices, by coefficient, and the bits of each coefficient's largest value with what it grows by.
struct Polynomials {
    coefficients: Vec<Vec<i128>>,
    bits: Vec<u32>,
}

impl Polynomials {
    fn new(cut: &Cut, pieces: &Pieces, function: impl Fn(f64) -> f64) -> Self {
        let count = pieces.degree as usize + 1;
        let scale = libm::exp2(f64::from(pieces.fraction_bits));
        let mut coefficients = vec![Vec::with_capacity(1 << cut.index_bits); count];
        for index in 0..1 << cut.index_bits {
            let (middle, size) = cut.interval(index);
            let polynomial = interpolate(count, |t| function(middle + t * size) * scale);
            for (all, own) in coefficients.iter_mut().zip(polynomial) {
                all.push(libm::round(own) as i128);
            }
        }
        // What Horner's scheme has at each degree: no more than the sum of the magnitudes from there on, and the errors.
        let mut bits = vec![0; count];
        let mut sums = vec![2 * count as i128; 1 << cut.index_bits];
        for degree in (0..count).rev() {
            sums.iter_mut().zip(&coefficients[degree]).for_each(|(sum, own)| *sum += own.abs());
            let most = sums.iter().max().copied().unwrap_or(0);
            bits[degree] = 128 - most.leading_zeros();
        }
        Self { coefficients, bits }
    }
}

/// The coefficients of the polynomial in `t` that equals the function at the Chebyshev nodes of `[-1, 1]`.
fn interpolate(count: usize, function: impl Fn(f64) -> f64) -> Vec<f64> {
    let angle = |node: usize| (node as f64 + 0.5) * std::f64::consts::PI / count as f64;
    let nodes: Vec<f64> = (0..count).map(|node| libm::cos(angle(node))).collect();
    // Newton's divided differences, expanded.
    let mut differences: Vec<f64> = nodes.iter().map(|t| function(*t)).collect();
    for order in 1..count {
        for place in (order..count).rev() {
            differences[place] = (differences[place] - differences[place - 1]) / (nodes[place] - nodes[place - order]);
        }
    }
    let mut polynomial = vec![0.0; count];
    for place in (0..count).rev() {
        // polynomial * (t - node) + difference.
        for degree in (0..count).rev() {
            let below = if degree > 0 { polynomial[degree - 1] } else { 0.0 };
            polynomial[degree] = below - nodes[place] * polynomial[degree];
        }
        polynomial[0] += differences[place];
    }
    polynomial
}

/// `function(x) * 2^fraction_bits` for `x` in a span, which counts modulo [`width_for`] it at least; the result counts
/// modulo `2^wanted`. Outside the span it is something within the same bounds.
///
/// The function is also asked for numbers beyond the ends of the span, by up to one of its intervals.
pub(super) fn piecewise<R: Ring, B: Backend<R> + ?Sized>(
    backend: &mut B,
    x: &Arith<R>,
    span: Span,
    pieces: &Pieces,
    wanted: u32,
    function: impl Fn(f64) -> f64,
) -> Result<Arith<R>> {
    let cut = Cut::new(span, pieces.index_bits);
    let Polynomials { coefficients, bits } = Polynomials::new(&cut, pieces, function);
    let number = x.scale(R::from_i128(cut.factor)).add_public(backend, R::from_i128(cut.offset));
    let parts = backend.parts(&number, cut.width());
    let index = [0, 1].map(|party| local(backend, &parts[party], |word| word.shr(cut.low_bits)));
    // A coefficient below `2^bits` takes a sign, and another bit for the wrap of its parts to be told.
    let column = |(entries, bits): (Vec<i128>, &u32)| Column { width: bits + 2, entries };
    let mut columns = Vec::with_capacity(bits.len());
    for table in tables(cut.index_bits, coefficients.into_iter().zip(&bits).map(column)) {
        columns.extend(backend.look_up([&index[0], &index[1]], &table)?);
    }
    let mut power = columns.pop().expect("a coefficient of degree 0");
    for degree in (1..bits.len()).rev() {
        // The place in the interval to as many digits as matter: its cut-off digits change the product by half a unit.
        let digits = (bits[degree] + 1).min(cut.low_bits);
        let place = [0, 1].map(|party| {
            local(backend, &parts[party], |word| {
                word.low(cut.low_bits).shr(cut.low_bits - digits).sub(R::ONE.shl(digits - 1))
            })
        });
        let width = bits[degree] + digits + 3;
        let power_word = backend.truncate_within(&power, 0, bits[degree] + 2, width)?;
        let short = (bits[degree] + 1, digits);
        let [first, second] = &place;
        let first = backend.multiply_within(&power_word, first, short, width)?;
        let second = backend.multiply_within(&power_word, second, short, width)?;
        let mut product = first.add(backend, &second);
        if digits < cut.low_bits {
            // The digits that are cut off the two parts are worth one on average.
            product = product.add(backend, &power_word);
        }
        // The floor or one less, of one more: within one.
        let product = product.add_public(backend, R::ONE.shl(digits));
        let part = backend.truncate_within(&product, digits, width, bits[degree - 1] + 2)?;
        power = columns.pop().expect("a coefficient for each degree").add(backend, &part);
    }
    backend.truncate_within(&power, 0, bits[0] + 2, wanted)
}

/// Tables of these columns in their order, each as wide as a table may be.
fn tables(index_bits: u32, columns: impl Iterator<Item = Column>) -> Vec<Table> {
    let mut tables = vec![Table { index_bits, columns: Vec::new() }];
    for column in columns {
        let last = tables.last_mut().expect("one from the start");
        if last.width() + column.width > Table::MOST_WIDTH {
            tables.push(Table { index_bits, columns: vec![column] });
        } else {
            last.columns.push(column);
        }
    }
    tables
}

/// The bits of the widest product that [`piecewise`] makes of a function below `2^whole`, and its room.
pub(super) fn product_width(pieces: &Pieces, whole: u32) -> u32 {
    2 * (pieces.fraction_bits + whole) + 6
}

/// `a * b / 2^by`, rounded down; `WIDE`: the product may take more than 63 bits.
#[inline(always)]
pub(super) fn multiply_shift<const WIDE: bool>(a: i64, b: i64, by: u32) -> i64 {
    if WIDE { ((i128::from(a) * i128::from(b)) >> by) as i64 } else { (a * b) >> by }
}

/// A function of the words that one party has.
pub(super) fn local<R: Ring, B: Backend<R> + ?Sized>(backend: &B, x: &Arith<R>, of: impl Fn(R) -> R) -> Arith<R> {
    let holds = backend.holds(x.placement);
    let words = x.words.iter().map(|&word| if holds { of(word) } else { R::ZERO }).collect();
    Arith { placement: x.placement, words }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clear::Clear;
    use crate::share::Placement;

    #[test]
    fn polynomials_are_right_to_their_rounding_on_any_span() {
        for (degree, index_bits) in [(1, 1), (2, 3), (3, 6), (4, 5), (5, 8)] {
            let pieces = Pieces { index_bits, degree, fraction_bits: 20 };
            for span in [(0, 0), (0, 1), (-3, 90), (1 << 20, 1 << 22), (-(1 << 40), 1 << 39), (5, 1 << 57)] {
                let span = Span { lo: span.0, hi: span.1 };
                let size = (span.hi - span.lo + 1) as f64;
                // Interpolation is exact for polynomials of the degree.
                let function = |x: f64| {
                    let t = (x - span.lo as f64) / size;
                    (0..=degree).fold(0.0, |sum, k| sum * t + [0.3, -0.7, 0.9, 0.45, -1.0, 0.6][k as usize])
                };
                let numbers: Vec<i128> = (0..=2_000).map(|i| span.lo + (span.hi - span.lo) * i / 2_000).collect();
                let words = numbers.iter().map(|&x| u128::from_i128(x)).collect();
                let x = Arith { placement: Placement::Shared, words };
                let found = piecewise(&mut Clear, &x, span, &pieces, 128, function).expect("values");
                for (x, found) in numbers.iter().zip(&found.words) {
                    let exact = function(*x as f64) * f64::from(1 << 20);
                    let far = (found.to_i128() as f64 - exact).abs();
                    assert!(far <= 2.0 * f64::from(degree) + 0.5 + 1e-3, "{x} in {span:?}: {far} at degree {degree}");
                }
            }
        }
    }
}
