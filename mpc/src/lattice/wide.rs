//! Numbers of 192 bits: answers of matrix products have more than 128.

/// A number modulo `2^192`: its lower 64 bits, and the upper ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wide(u64, u128);

impl zeroize::DefaultIsZeroes for Wide {}

impl Wide {
    /// Its bits.
    pub(super) const BITS: u32 = 192;

    /// `2^192` over a divisor that is no power of two, rounded down.
    pub(super) fn reciprocal(divisor: u64) -> Self {
        let mut rest = 0_u128;
        let [high, middle, low] = [(); 3].map(|()| {
            let digit = rest << 64 | u128::from(u64::MAX);
            rest = digit % u128::from(divisor);
            digit / u128::from(divisor)
        });
        Self(low as u64, high << 64 | middle)
    }

    /// The product of primes.
    pub(super) fn product(primes: impl IntoIterator<Item = u64>) -> Self {
        primes.into_iter().fold(Self(1, 0), |product, prime| Self::default().plus(product, prime))
    }

    /// It plus a product.
    #[inline]
    pub(super) fn plus(self, factor: Self, by: u64) -> Self {
        let by = u128::from(by);
        let low = u128::from(factor.0) * by + u128::from(self.0);
        Self(low as u64, self.1.wrapping_add(factor.1.wrapping_mul(by)).wrapping_add(low >> 64))
    }

    /// What has it and this the sum 0.
    pub(super) fn negated(self) -> Self {
        Self::default().plus(Self(!self.0, !self.1), 1).plus(Self(1, 0), 1)
    }

    /// A power of two, below `2^192`.
    pub(super) fn power_of_two(exponent: u32) -> Self {
        if exponent < 64 { Self(1 << exponent, 0) } else { Self(0, 1 << (exponent - 64)) }
    }

    /// The bits from a place on, the lowest 128 of them.
    #[inline]
    pub(super) fn bits_from(self, place: u32) -> u128 {
        match place {
            0 => self.1 << 64 | u128::from(self.0),
            1..64 => self.1 << (64 - place) | u128::from(self.0 >> place),
            _ => self.1 >> (place - 64),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_products_and_parts_are_those_of_numbers_of_128_bits(a: u64, b: u64, c: u64, place in 0..120_u32) {
            let product = Wide::product([a, b]);
            let expected = u128::from(a) * u128::from(b);
            prop_assert_eq!(product.bits_from(0), expected);
            let sum = product.plus(Wide::product([c]), 1);
            let carried = expected.checked_add(c.into());
            prop_assert_eq!(sum.bits_from(64), (expected >> 64) + u128::from((expected as u64).checked_add(c).is_none()));
            if let Some(carried) = carried {
                prop_assert_eq!(sum.bits_from(place), carried >> place);
            }
            prop_assert_eq!(product.negated().plus(product, 1), Wide::default());
        }

        #[test]
        fn a_reciprocal_misses_a_whole_by_less_than_the_divisor(divisor in 3..u64::MAX) {
            prop_assume!(!divisor.is_power_of_two());
            let rest = Wide::default().plus(Wide::reciprocal(divisor), divisor).negated();
            prop_assert_eq!(rest.bits_from(64), 0);
            prop_assert!(rest.bits_from(0) < divisor.into());
        }
    }

    #[test]
    fn powers_of_two_are_where_they_are_looked_for() {
        for exponent in 0..Wide::BITS {
            let power = Wide::power_of_two(exponent);
            assert_eq!(power.bits_from(exponent), 1, "2^{exponent}");
            assert_eq!(Wide::default().plus(power, 2).bits_from(exponent), if exponent == 191 { 0 } else { 2 });
        }
    }
}
