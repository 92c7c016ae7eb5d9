//! Exact decimal numbers, for constants, declared ranges and grids. Programs and policies carry no floats.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// An exact decimal number: `mantissa * 10^-scale`, kept in lowest terms so that equal numbers are equal bytes.
///
/// In JSON it is a string such as `"5000.25"`; a JSON integer is read too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode)]
pub struct Number {
    mantissa: i128,
    scale: u8,
}

/// The most digits after the point that a number may have: those of `2^-36`, the finest step of arrays.
pub const MAX_SCALE: u8 = 36;

/// Why a text is no [`Number`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a decimal number with at most 27 digits, {MAX_SCALE} of them after the point")]
pub struct NumberError {
    text: String,
}

/// The largest mantissa, 10^27: it still fits an `i128` after a shift by 36 bits.
const MAX_MANTISSA: i128 = 1_000_000_000_000_000_000_000_000_000;

impl Number {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, scale: 0 };

    /// `mantissa * 10^-scale`, or `None` when it has more digits than a number may.
    pub fn new(mantissa: i128, scale: u8) -> Option<Self> {
        let (mut mantissa, mut scale) = (mantissa, scale);
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        (scale <= MAX_SCALE && mantissa.unsigned_abs() <= MAX_MANTISSA.unsigned_abs())
            .then_some(Self { mantissa, scale })
    }

    /// The digits without the point.
    pub fn mantissa(self) -> i128 {
        self.mantissa
    }

    /// How many of the digits stand after the point.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// The mantissa at a scale, if the number is exact there and fits.
    pub fn at_scale(self, scale: u8) -> Option<i128> {
        let up = scale.checked_sub(self.scale)?;
        self.mantissa.checked_mul(10_i128.checked_pow(u32::from(up))?)
    }

    /// The nearest multiple of `2^-bits`, in units of `2^-bits`, ties away from zero; `None` if it does not fit.
    pub fn to_fixed(self, bits: u32) -> Option<i128> {
        let denominator = 10_i128.checked_pow(u32::from(self.scale))?;
        let numerator = self.mantissa.checked_mul(1_i128.checked_shl(bits)?)?;
        let (quotient, remainder) = (numerator / denominator, numerator % denominator);
        let up = i128::from(2 * remainder.abs() >= denominator);
        Some(quotient + up * numerator.signum())
    }

    /// The nearest `f64`.
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().expect("a decimal number is a float literal")
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self { mantissa: i128::from(value), scale: 0 }
    }
}

impl TryFrom<f64> for Number {
    type Error = NumberError;

    /// The shortest decimal that reads back as the same float.
    fn try_from(value: f64) -> Result<Self, NumberError> {
        format!("{value}").parse()
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let error = || NumberError { text: text.chars().take(64).collect() };
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let well_formed = !whole.is_empty()
            && digits.len() <= 48
            && (whole.len() == digits.len() || !fraction.is_empty())
            && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        if !well_formed {
            return Err(error());
        }
        let fraction = fraction.trim_end_matches('0');
        let scale = u8::try_from(fraction.len()).map_err(|_| error())?;
        let magnitude: i128 = format!("{whole}{fraction}").parse().map_err(|_| error())?;
        Self::new(if negative { -magnitude } else { magnitude }, scale).ok_or_else(error)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.mantissa);
        }
        let unit = 10_u128.pow(u32::from(self.scale));
        let magnitude = self.mantissa.unsigned_abs();
        let sign = if self.mantissa < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:0width$}", magnitude / unit, magnitude % unit, width = usize::from(self.scale))
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        // Whole parts first: a common scale of two extreme numbers would not fit an i128.
        let split = |n: &Self| {
            let unit = 10_i128.pow(u32::from(n.scale));
            (n.mantissa.div_euclid(unit), n.mantissa.rem_euclid(unit) * 10_i128.pow(u32::from(MAX_SCALE - n.scale)))
        };
        split(self).cmp(&split(other))
    }
}

impl<Context> Decode<Context> for Number {
    /// Only the lowest terms within the limits: what follows relies on both.
    fn decode<D: bincode::de::Decoder<Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let (mantissa, scale) = (i128::decode(decoder)?, u8::decode(decoder)?);
        Self::new(mantissa, scale)
            .filter(|number| (number.mantissa, number.scale) == (mantissa, scale))
            .ok_or(bincode::error::DecodeError::Other("a number that is too long or not in lowest terms"))
    }
}

bincode::impl_borrow_decode!(Number);

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number as a string, or an integer")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number::from(value))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Number, E> {
                Number::new(i128::from(value), 0).ok_or_else(|| E::custom("the number is too large"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().expect("a number")
    }

    #[test]
    fn equal_numbers_have_one_form() {
        assert_eq!(number("5.50"), number("5.5"));
        assert_eq!(number("-0.0"), Number::ZERO);
        assert_eq!(number("0012").to_string(), "12");
        assert_eq!(number("-0.05").to_string(), "-0.05");
    }

    #[test]
    fn refuses_what_is_no_decimal() {
        for text in ["", "-", ".5", "1.", "1e5", "+1", "1_000", "NaN", "1.2.3", "99999999999999999999999999999"] {
            assert!(text.parse::<Number>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn orders_by_value() {
        let mut numbers = ["3", "-2.5", "-2.50001", "0.1", "0", "1000000000000000000000000000"].map(number);
        numbers.sort();
        let sorted = numbers.map(|n| n.to_string());
        assert_eq!(sorted, ["-2.50001", "-2.5", "0", "0.1", "3", "1000000000000000000000000000"]);
    }

    #[test]
    fn rounds_to_the_nearest_fixed_point_step() {
        assert_eq!(number("0.5").to_fixed(18), Some(1 << 17));
        assert_eq!(number("0.1").to_fixed(18), Some(26_214));
        assert_eq!(number("0.1").to_fixed(36), Some(6_871_947_674));
        // Of a number and of its last digit.
        let finest = number("0.000000000014551915228366851806640625");
        assert_eq!((finest.to_fixed(36), finest.to_fixed(37), finest.to_f64()), (Some(1), Some(2), 0.5_f64.powi(36)));
        assert_eq!(number("-0.1").to_fixed(18), Some(-26_214));
    }

    #[test]
    fn decodes_nothing_but_the_lowest_terms_within_the_limits() {
        let config = bincode::config::standard();
        let decode = |mantissa: i128, scale: u8| {
            let bytes = bincode::encode_to_vec((mantissa, scale), config).expect("encodes");
            bincode::decode_from_slice::<Number, _>(&bytes, config).map(|(number, _)| number)
        };
        assert_eq!(decode(-25, 1).expect("a number"), number("-2.5"));
        for (mantissa, scale) in [(50, 1), (0, 1), (1, 37), (1, 255), (MAX_MANTISSA + 1, 0), (i128::MIN, 0)] {
            assert!(decode(mantissa, scale).is_err(), "{mantissa} {scale}");
        }
    }
}
