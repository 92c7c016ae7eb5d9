//! Functions of arrays, element by element, as NumPy names them.
//!
//! Domains and errors are those of [`Unary`] and [`Binary`]; what is made of several operations has those of its parts.

use tacit_protocol::Number;
use tacit_protocol::program::{Binary, Unary};

use crate::array::{Array, Operand};

macro_rules! unary {
    ($($(#[$doc:meta])* $method:ident $function:ident;)*) => {
        impl Array {$(
            $(#[$doc])*
            pub fn $method(&self) -> Self {
                self.unary(Unary::$function)
            }
        )*}
    };
}

unary! {
    /// The magnitude.
    abs Abs;
    /// -1, 0 or 1.
    sign Sign;
    /// The largest whole number that is not above.
    floor Floor;
    /// The least whole number that is not below.
    ceil Ceil;
    /// The nearest whole number, of two the even one.
    round Round;
    /// The square root; invalid below 0.
    sqrt Sqrt;
    /// The reciprocal of the square root; invalid where the number is not above 0.
    rsqrt Rsqrt;
    /// `e^x`.
    exp Exp;
    /// `2^x`.
    exp2 Exp2;
    /// `e^x - 1`.
    expm1 Expm1;
    /// The natural logarithm; invalid where the number is not above 0.
    log Log;
    /// The logarithm to base 2; invalid where the number is not above 0.
    log2 Log2;
    /// The logarithm to base 10; invalid where the number is not above 0.
    log10 Log10;
    /// `log(1 + x)`; invalid where the number is not above -1.
    log1p Log1p;
    /// `1 / (1 + e^-x)`.
    sigmoid Sigmoid;
    /// The hyperbolic tangent.
    tanh Tanh;
    /// `log(1 + e^x)`.
    softplus Softplus;
    /// The error function.
    erf Erf;
    /// `x` times the normal distribution function at `x`.
    gelu Gelu;
    /// The sine of radians.
    sin Sin;
    /// The cosine of radians.
    cos Cos;
}

impl Array {
    /// The lesser of both.
    pub fn minimum(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::Minimum, other)
    }

    /// The larger of both.
    pub fn maximum(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::Maximum, other)
    }

    /// The number, no less than `lo` and no more than `hi`.
    pub fn clip(&self, lo: impl Into<Operand>, hi: impl Into<Operand>) -> Self {
        self.maximum(lo).minimum(hi)
    }

    /// `max(x, 0)`.
    pub fn relu(&self) -> Self {
        self.maximum(0)
    }

    /// The floor of the quotient, as `//` of Python; invalid where the divisor is 0.
    pub fn floor_divide(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::FloorDivide, other)
    }

    /// `1 / x`, float64; invalid where the number is 0.
    pub fn reciprocal(&self) -> Self {
        self.beside(Number::from(1)).binary(Binary::Divide, self)
    }

    /// `x * x`.
    pub fn square(&self) -> Self {
        self.binary(Binary::Multiply, self)
    }

    /// `x ** exponent`, by a public number from -64 to 64: products where it is whole and not negative, else a real power,
    /// which is invalid where `x` is not above 0.
    pub fn power(&self, exponent: impl Into<Operand>) -> Self {
        self.binary(Binary::Power, exponent)
    }

    /// Whether `|x - y| <= atol + rtol * |y|`.
    pub fn isclose(&self, other: impl Into<Operand>, rtol: Number, atol: Number) -> Self {
        let other = self.beside(other);
        let far = (self - &other).abs();
        far.le(other.abs() * rtol + atol)
    }

    /// `x & y` of bools.
    pub fn logical_and(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::And, other)
    }

    /// `x | y` of bools.
    pub fn logical_or(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::Or, other)
    }

    /// `x ^ y` of bools.
    pub fn logical_xor(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::Xor, other)
    }

    /// `~x` of bools.
    pub fn logical_not(&self) -> Self {
        self.unary(Unary::Not)
    }

    /// Whether numbers are not 0, as bools: what the logical functions take of numbers.
    pub fn is_true(&self) -> Self {
        self.not_equal(0)
    }

    /// The first of the values whose condition is true, else `otherwise`: NumPy's `select`, and its `piecewise` on values
    /// that are computed.
    pub fn select(cases: &[(&Self, &Self)], otherwise: impl Into<Operand>) -> Option<Self> {
        let (last, rest) = cases.split_last()?;
        let start = last.0.choose(last.1, otherwise);
        Some(rest.iter().rev().fold(start, |chosen, (condition, value)| condition.choose(*value, chosen)))
    }
}
