//! The real functions of one number: where they are defined, what they are worth, and how far an engine may be off.
//!
//! Values are computed by `libm`, in operations that IEEE 754 defines to the bit, so that every party derives the same
//! ranges on every machine. Its results are within one unit in the last place of the exact ones, which is far below the
//! margins here.
//!
//! *Units*: arguments and values as real numbers; errors and ranges in steps of the [`Precision`].

use super::Unary;
use super::types::Interval;
use crate::Number;
use crate::schema::Precision;

/// A ratio by which values computed here may err, and more.
const MARGIN: f64 = 1e-12;

/// What an engine may be off: relatively where values have no bound, and absolutely where they have one.
struct Allowance {
    relative: f64,
    absolute: f64,
}

impl Precision {
    /// High precision allows for 16 binary digits less, though its steps have 18 more.
    const fn allowance(self) -> Allowance {
        match self {
            Self::Default => Allowance { relative: 1e-6, absolute: 1e-5 },
            Self::High => Allowance { relative: 1.5e-11, absolute: 1.5e-10 },
        }
    }
}

/// The least value of [`Unary::Gelu`] is above this.
const LEAST_GELU: f64 = -0.170_040_9;

/// Where a function is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Everywhere.
    All,
    /// From so many steps on.
    From(i128),
}

impl Domain {
    /// Whether it holds a value, in steps.
    pub fn contains(self, value: i128) -> bool {
        match self {
            Self::All => true,
            Self::From(least) => least <= value,
        }
    }

    /// The part of a range that lies in it, if there is one.
    pub fn meet(self, range: Interval) -> Option<Interval> {
        let least = match self {
            Self::All => range.lo,
            Self::From(least) => least.max(range.lo),
        };
        (least <= range.hi).then_some(Interval { lo: least, hi: range.hi })
    }
}

impl Unary {
    /// Whether it is one of the real functions, which take and give real numbers in fixed point.
    pub fn is_real(self) -> bool {
        !matches!(self, Self::Negate | Self::Not | Self::Abs | Self::Sign | Self::Floor | Self::Ceil | Self::Round)
    }

    /// The word by which programs name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Negate => "negate",
            Self::Not => "not",
            Self::Abs => "abs",
            Self::Sign => "sign",
            Self::Floor => "floor",
            Self::Ceil => "ceil",
            Self::Round => "round",
            Self::Sqrt => "sqrt",
            Self::Rsqrt => "rsqrt",
            Self::Exp => "exp",
            Self::Exp2 => "exp2",
            Self::Expm1 => "expm1",
            Self::Log => "log",
            Self::Log2 => "log2",
            Self::Log10 => "log10",
            Self::Log1p => "log1p",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Softplus => "softplus",
            Self::Erf => "erf",
            Self::Gelu => "gelu",
            Self::Sin => "sin",
            Self::Cos => "cos",
        }
    }

    /// Where it is defined.
    pub fn domain(self, precision: Precision) -> Domain {
        match self {
            Self::Sqrt => Domain::From(0),
            Self::Rsqrt | Self::Log | Self::Log2 | Self::Log10 => Domain::From(1),
            Self::Log1p => Domain::From(1 - (1 << precision.step_bits())),
            _ => Domain::All,
        }
    }

    /// The value of a real function. Outside its domain whatever IEEE 754 says.
    ///
    /// # Panics
    /// If it is none.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Self::Sqrt => libm::sqrt(x),
            Self::Rsqrt => 1.0 / libm::sqrt(x),
            Self::Exp => libm::exp(x),
            Self::Exp2 => libm::exp2(x),
            Self::Expm1 => libm::expm1(x),
            Self::Log => libm::log(x),
            Self::Log2 => libm::log2(x),
            Self::Log10 => libm::log10(x),
            Self::Log1p => libm::log1p(x),
            Self::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
            Self::Tanh => libm::tanh(x),
            Self::Softplus => libm::fmax(x, 0.0) + libm::log1p(libm::exp(-libm::fabs(x))),
            Self::Erf => libm::erf(x),
            Self::Gelu => 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
            Self::Sin => libm::sin(x),
            Self::Cos => libm::cos(x),
            Self::Negate | Self::Not | Self::Abs | Self::Sign | Self::Floor | Self::Ceil | Self::Round => {
                unreachable!("only real functions are asked for")
            }
        }
    }

    /// How far an engine's value may lie from the exact one of so many steps, in steps.
    pub fn tolerance(self, steps: f64, precision: Precision) -> f64 {
        let Allowance { relative, absolute } = precision.allowance();
        match self {
            Self::Log | Self::Log2 | Self::Log10 | Self::Log1p => 2.0,
            // Of `e^x`, which is one unit more.
            Self::Expm1 => libm::fmax(1.0, relative * (libm::fabs(steps) + precision.unit())),
            Self::Sqrt | Self::Rsqrt | Self::Exp | Self::Exp2 => libm::fmax(1.0, relative * libm::fabs(steps)),
            _ => absolute * precision.unit(),
        }
    }

    /// The largest slope of a real function between two arguments; none: without bound.
    pub fn slope(self, lo: f64, hi: f64) -> Option<f64> {
        let inverse = |x: f64| (x > 0.0).then(|| 1.0 / x);
        Some(match self {
            Self::Sqrt => 0.5 * libm::sqrt(inverse(lo)?),
            Self::Rsqrt => 0.5 * inverse(lo)? * libm::sqrt(inverse(lo)?),
            Self::Exp | Self::Expm1 => libm::exp(hi),
            Self::Exp2 => libm::exp2(hi) * std::f64::consts::LN_2,
            Self::Log => inverse(lo)?,
            Self::Log2 => inverse(lo)? * std::f64::consts::LOG2_E,
            Self::Log10 => inverse(lo)? * std::f64::consts::LOG10_E,
            Self::Log1p => inverse(1.0 + lo)?,
            Self::Sigmoid => 0.25,
            Self::Erf | Self::Gelu => 1.13,
            _ => 1.0,
        })
    }

    /// The values of a real function on a range within its domain, both in steps, with what an engine may be off; none
    /// where they do not fit.
    pub fn image(self, range: Interval, precision: Precision) -> Option<Interval> {
        let unit = precision.unit();
        let steps = |at: i128| self.value(at as f64 / unit) * unit;
        let (lo, hi) = match self {
            Self::Sin | Self::Cos => (-unit, unit),
            // It falls before its least value, which lies between -1 and 0.
            Self::Gelu if range.lo < 0 => (LEAST_GELU * unit, libm::fmax(0.0, steps(range.hi))),
            Self::Rsqrt => (steps(range.hi), steps(range.lo)),
            _ => (steps(range.lo), steps(range.hi)),
        };
        let wide = |value: f64| self.tolerance(value, precision) + MARGIN * libm::fabs(value);
        let (lo, hi) = (libm::floor(lo - wide(lo)), libm::ceil(hi + wide(hi)));
        let fits = |value: f64| libm::fabs(value) < libm::exp2(126.0);
        let interval = (fits(lo) && fits(hi)).then_some(Interval { lo: lo as i128, hi: hi as i128 })?;
        Some(match self {
            // What an engine computes is no less than these.
            Self::Sqrt | Self::Exp | Self::Exp2 | Self::Softplus | Self::Rsqrt => {
                Interval { lo: interval.lo.max(0), ..interval }
            }
            _ => interval,
        })
    }
}

/// Powers by a real number, of numbers above 0; that of [`super::Binary::Power`] where it is no whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Power(pub Number);

impl Power {
    /// Where they are defined.
    pub const DOMAIN: Domain = Domain::From(1);

    fn exponent(self) -> f64 {
        self.0.to_f64()
    }

    /// The value.
    pub fn value(self, x: f64) -> f64 {
        libm::pow(x, self.exponent())
    }

    /// As [`Unary::tolerance`].
    pub fn tolerance(self, steps: f64, precision: Precision) -> f64 {
        let relative = precision.allowance().relative * libm::fmax(1.0, libm::fabs(self.exponent()) / 2.0);
        libm::fmax(1.0, relative * libm::fabs(steps))
    }

    /// As [`Unary::slope`].
    pub fn slope(self, lo: f64, hi: f64) -> Option<f64> {
        let at = |x: f64| libm::fabs(self.exponent()) * libm::pow(x, self.exponent() - 1.0);
        (lo > 0.0).then(|| libm::fmax(at(lo), at(hi)))
    }

    /// As [`Unary::image`].
    pub fn image(self, range: Interval, precision: Precision) -> Option<Interval> {
        let unit = precision.unit();
        let steps = |at: i128| self.value(at as f64 / unit) * unit;
        let (lo, hi) = if self.exponent() < 0.0 { (range.hi, range.lo) } else { (range.lo, range.hi) };
        let top = steps(hi);
        let top = libm::ceil(top + self.tolerance(top, precision) + MARGIN * top);
        let low = libm::floor(steps(lo) * (1.0 - MARGIN) - self.tolerance(steps(lo), precision));
        (top < libm::exp2(126.0)).then(|| Interval { lo: (low as i128).max(0), hi: top as i128 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: [Unary; 16] = [
        Unary::Sqrt,
        Unary::Rsqrt,
        Unary::Exp,
        Unary::Exp2,
        Unary::Expm1,
        Unary::Log,
        Unary::Log2,
        Unary::Log10,
        Unary::Log1p,
        Unary::Sigmoid,
        Unary::Tanh,
        Unary::Softplus,
        Unary::Erf,
        Unary::Gelu,
        Unary::Sin,
        Unary::Cos,
    ];

    /// Arguments in the domain, in steps, up to the one at which exponentials fill 60 bits.
    fn arguments(function: Unary, precision: Precision) -> Vec<i128> {
        let bits = precision.step_bits();
        let one = 1 << bits;
        let spread = (0..4_000).map(|i: i128| ((i * i * 449) << (bits - 18)) % (28 << bits) + i % 7);
        let all = spread.flat_map(|x| [x, -x, x / 4096, -x / 4096]).chain([0, 1, -1, one, -one, 28 * one]);
        all.filter(|x| function.domain(precision).contains(*x)).collect()
    }

    fn all() -> impl Iterator<Item = (Unary, Precision)> {
        REAL.into_iter().flat_map(|function| Precision::ALL.map(|precision| (function, precision)))
    }

    #[test]
    fn values_lie_within_the_image_of_every_range_around_them() {
        for (function, precision) in all() {
            let (arguments, unit) = (arguments(function, precision), precision.unit());
            for pair in arguments.windows(2) {
                let range = Interval { lo: pair[0].min(pair[1]), hi: pair[0].max(pair[1]) };
                let image = function.image(range, precision).expect("it fits");
                for at in [range.lo, range.hi, range.lo.midpoint(range.hi)] {
                    let value = function.value(at as f64 / unit) * unit;
                    assert!(
                        image.lo as f64 <= value && value <= image.hi as f64,
                        "{function:?} of {at} is {value}, not in {image:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn slopes_bound_the_change_between_two_arguments() {
        for function in REAL {
            for pair in arguments(function, Precision::Default).windows(2) {
                let unit = Precision::Default.unit();
                let (lo, hi) = (pair[0].min(pair[1]) as f64 / unit, pair[0].max(pair[1]) as f64 / unit);
                let Some(slope) = function.slope(lo, hi) else { continue };
                let change = libm::fabs(function.value(hi) - function.value(lo));
                assert!(change <= slope * (hi - lo) * (1.0 + 1e-9) + 1e-9, "{function:?} between {lo} and {hi}");
            }
        }
    }

    #[test]
    fn powers_lie_within_their_images_and_slopes() {
        for text in ["0.5", "-1", "-0.25", "1.7", "2.5", "64", "-64"] {
            let power = Power(text.parse().expect("a number"));
            let pairs =
                |precision| arguments(Unary::Log, precision).windows(2).map(<[i128]>::to_vec).collect::<Vec<_>>();
            for (precision, pair) in
                Precision::ALL.into_iter().flat_map(|of| pairs(of).into_iter().map(move |p| (of, p)))
            {
                let unit = precision.unit();
                let range = Interval { lo: pair[0].min(pair[1]), hi: pair[0].max(pair[1]) };
                let Some(image) = power.image(range, precision) else { continue };
                let value = |at: i128| power.value(at as f64 / unit);
                for at in [range.lo, range.hi, range.lo.midpoint(range.hi)] {
                    let steps = value(at) * unit;
                    assert!(
                        image.lo as f64 <= steps && steps <= image.hi as f64,
                        "{at} ** {text} is {steps}: {image:?}"
                    );
                }
                let slope = power.slope(range.lo as f64 / unit, range.hi as f64 / unit).expect("above 0");
                let change = libm::fabs(value(range.hi) - value(range.lo));
                let far = (range.hi - range.lo) as f64 / unit;
                assert!(change <= slope * far * (1.0 + 1e-9) + 1e-9, "{range:?} ** {text}");
            }
        }
    }

    #[test]
    fn names_are_those_of_programs() {
        for function in REAL {
            assert_eq!(serde_json::to_value(function).expect("a word"), function.name());
        }
    }

    #[test]
    fn domains_begin_where_the_functions_do() {
        for (function, precision) in all() {
            let unit = precision.unit();
            if let Domain::From(least) = function.domain(precision) {
                assert!(function.value(least as f64 / unit).is_finite(), "{function:?}");
                assert!(!function.value((least - 1) as f64 / unit).is_finite(), "{function:?}");
                let range = Interval { lo: least - 5, hi: least + 5 };
                assert_eq!(function.domain(precision).meet(range), Some(Interval { lo: least, hi: least + 5 }));
                assert_eq!(function.domain(precision).meet(Interval { lo: least - 5, hi: least - 1 }), None);
            }
        }
    }
}
