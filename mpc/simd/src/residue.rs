//! Arithmetic modulo primes below `2^47`, on slices.
//!
//! A vector level multiplies in floating point: the product of two residues is a rounded product and the rest of it, which
//! a fused operation tells exactly, and so is what remains after a multiple of the prime near it. All of that is exact for
//! primes of so few bits, so that the results are those of the integers that the portable twin uses.

use bytemuck::Pod;

use crate::Level;

/// Primes have fewer bits.
pub const PRIME_BITS: u32 = 47;

/// A prime modulus, for kernels of a level.
#[derive(Clone, Debug)]
pub struct Modulus {
    pub(crate) level: Level,
    pub(crate) values: Values,
}

/// The prime as the kernels want it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    prime: u64,
    float: f64,
    inverse: f64,
}

impl Modulus {
    /// The modulus `prime`.
    ///
    /// # Panics
    /// If it is below 3 or has too many bits. That it is prime is up to the caller.
    pub fn new(level: Level, prime: u64) -> Self {
        assert!(prime > 2 && prime >> PRIME_BITS == 0, "a prime below 2^{PRIME_BITS}");
        let float = prime as f64;
        Self { level: level.or_portable(), values: Values { prime, float, inverse: 1.0 / float } }
    }

    /// The prime.
    pub fn prime(&self) -> u64 {
        self.values.prime
    }

    /// The product of two residues.
    pub fn multiply(&self, a: u64, b: u64) -> u64 {
        (u128::from(a) * u128::from(b) % u128::from(self.values.prime)) as u64
    }

    /// A power of a residue.
    pub fn power(&self, base: u64, exponent: u64) -> u64 {
        let (mut result, mut square) = (1 % self.values.prime, base % self.values.prime);
        for place in 0..64 - exponent.leading_zeros() {
            if exponent >> place & 1 == 1 {
                result = self.multiply(result, square);
            }
            square = self.multiply(square, square);
        }
        result
    }

    /// The inverse of a residue that is not 0.
    pub fn invert(&self, a: u64) -> u64 {
        self.power(a, self.values.prime - 2)
    }

    /// `sum(factor * input)` place by place, of inputs below `2^47` in size.
    ///
    /// # Panics
    /// If the slices differ in length, or there are more than 16 inputs.
    pub fn combine(&self, inputs: &[&[i64]], factors: &[u64], into: &mut [u64]) {
        assert!(inputs.len() == factors.len() && inputs.len() <= 16, "a factor an input, 16 at most");
        assert!(inputs.iter().all(|input| input.len() == into.len()), "inputs of one length");
        combine(self.level, self.values, inputs, factors, into);
    }

    /// `into + sum(a * b)` place by place, of residues.
    ///
    /// # Panics
    /// If the slices differ in length, or there are more than 16 pairs.
    pub fn add_products(&self, pairs: &[(&[u64], &[u64])], into: &mut [u64]) {
        assert!(pairs.len() <= 16, "16 pairs at most");
        assert!(pairs.iter().all(|(a, b)| a.len() == into.len() && b.len() == into.len()), "factors of one length");
        add_products(self.level, self.values, pairs, into);
    }
}

/// The nearest integers to `sum(input * reciprocal)` place by place: how often the product of the moduli fits into a number
/// that is given by `sum(input * product / modulus)`. All levels round alike.
///
/// # Panics
/// If the slices differ in length, or an input is not below `2^47`.
pub fn quotients(level: Level, inputs: &[&[u64]], reciprocals: &[f64], into: &mut [i64]) {
    assert!(inputs.len() == reciprocals.len(), "a reciprocal an input");
    assert!(inputs.iter().all(|input| input.len() == into.len()), "inputs of one length");
    quotients_of(level, inputs, reciprocals, into);
}

/// Defines the dispatch of a kernel that is generic over [`Residue`].
macro_rules! on_levels {
    (fn $name:ident($($arg:ident: $type:ty),* $(,)?) = $generic:ident) => {
        fn $name(level: $crate::Level, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $type),*) {
                $generic::<$crate::residue::Float>($($arg),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512($($arg: $type),*) {
                $generic::<$crate::residue::Float>($($arg),*);
            }

            match level.or_portable() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `or_portable` found the level.
                $crate::Level::Avx2 => unsafe { avx2($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                $crate::Level::Avx512 => unsafe { avx512($($arg),*) },
                _ => $generic::<$crate::residue::Whole>($($arg),*),
            }
        }
    };
}
pub(crate) use on_levels;

/// A number modulo the prime, as a level computes with it: as large as `2^5` times the prime between [`Self::settle`]s.
pub(crate) trait Residue: Copy + Pod {
    /// Of a number below `2^47` in size.
    fn of(number: i64, modulus: Values) -> Self;

    /// The residue, from 0 to the prime.
    fn residue(self, modulus: Values) -> u64;

    /// The product with a residue of at most the prime in size, up to the prime in size itself.
    fn multiply(self, other: Self, modulus: Values) -> Self;

    /// The sum.
    fn add(self, other: Self, modulus: Values) -> Self;

    /// The difference.
    fn subtract(self, other: Self, modulus: Values) -> Self;

    /// Makes it at most the prime in size.
    fn settle(self, modulus: Values) -> Self;
}

/// A residue of the portable twin, from 0 to the prime.
pub(crate) type Whole = u64;

impl Residue for Whole {
    #[inline(always)]
    fn of(number: i64, modulus: Values) -> Self {
        let rest = number % modulus.prime as i64;
        (rest + (rest >> 63 & modulus.prime as i64)) as u64
    }

    #[inline(always)]
    fn residue(self, _modulus: Values) -> u64 {
        self
    }

    #[inline(always)]
    fn multiply(self, other: Self, modulus: Values) -> Self {
        // The estimate is one too large or too small at most.
        let estimate = (self as f64 * other as f64 * modulus.inverse) as u64;
        let rest = self.wrapping_mul(other).wrapping_sub(estimate.wrapping_mul(modulus.prime)) as i64;
        let rest = rest + (rest >> 63 & modulus.prime as i64);
        less(rest as u64, modulus)
    }

    #[inline(always)]
    fn add(self, other: Self, modulus: Values) -> Self {
        less(self + other, modulus)
    }

    #[inline(always)]
    fn subtract(self, other: Self, modulus: Values) -> Self {
        less(self + modulus.prime - other, modulus)
    }

    #[inline(always)]
    fn settle(self, _modulus: Values) -> Self {
        self
    }
}

/// Less the prime where that is not negative.
#[inline(always)]
fn less(number: u64, modulus: Values) -> u64 {
    let rest = number.wrapping_sub(modulus.prime) as i64;
    (rest + (rest >> 63 & modulus.prime as i64)) as u64
}

/// A residue of the vector levels.
pub(crate) type Float = f64;

impl Residue for Float {
    #[inline(always)]
    fn of(number: i64, _modulus: Values) -> Self {
        // Exact below 2^51, and unlike the conversion of the language it has vector instructions on every level.
        const BIAS: f64 = 6_755_399_441_055_744.0;
        f64::from_bits((BIAS.to_bits() as i64).wrapping_add(number) as u64) - BIAS
    }

    #[inline(always)]
    fn residue(self, modulus: Values) -> u64 {
        const BIAS: f64 = 4_503_599_627_370_496.0;
        let settled = self.settle(modulus);
        let positive = if settled < 0.0 { settled + modulus.float } else { settled };
        (positive + BIAS).to_bits() ^ BIAS.to_bits()
    }

    #[inline(always)]
    fn multiply(self, other: Self, modulus: Values) -> Self {
        let product = self * other;
        let rest = self.mul_add(other, -product);
        let times = (product * modulus.inverse).round_ties_even();
        (-times).mul_add(modulus.float, product) + rest
    }

    #[inline(always)]
    fn add(self, other: Self, _modulus: Values) -> Self {
        self + other
    }

    #[inline(always)]
    fn subtract(self, other: Self, _modulus: Values) -> Self {
        self - other
    }

    #[inline(always)]
    fn settle(self, modulus: Values) -> Self {
        let times = (self * modulus.inverse).round_ties_even();
        (-times).mul_add(modulus.float, self)
    }
}

/// Places that are computed together.
const PART: usize = 64;

#[inline(always)]
fn combine_on<T: Residue>(modulus: Values, inputs: &[&[i64]], factors: &[u64], into: &mut [u64]) {
    let mut start = 0;
    while start < into.len() {
        let n = PART.min(into.len() - start);
        let mut sums = [T::of(0, modulus); PART];
        for (input, factor) in inputs.iter().zip(factors) {
            let factor = T::of(centred(*factor, modulus.prime), modulus);
            for (sum, number) in sums.iter_mut().zip(&input[start..start + n]) {
                *sum = sum.add(T::of(*number, modulus).multiply(factor, modulus), modulus);
            }
        }
        for (into, sum) in into[start..start + n].iter_mut().zip(&sums) {
            *into = sum.residue(modulus);
        }
        start += n;
    }
}
on_levels!(fn combine(modulus: Values, inputs: &[&[i64]], factors: &[u64], into: &mut [u64]) = combine_on);

#[inline(always)]
fn add_products_on<T: Residue>(modulus: Values, pairs: &[(&[u64], &[u64])], into: &mut [u64]) {
    let mut start = 0;
    while start < into.len() {
        let n = PART.min(into.len() - start);
        let mut sums = [T::of(0, modulus); PART];
        for (sum, number) in sums.iter_mut().zip(&into[start..start + n]) {
            *sum = T::of(*number as i64, modulus);
        }
        for (left, right) in pairs {
            let (left, right) = (&left[start..start + n], &right[start..start + n]);
            for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
                let product = T::of(*left as i64, modulus).multiply(T::of(*right as i64, modulus), modulus);
                *sum = sum.add(product, modulus);
            }
        }
        for (into, sum) in into[start..start + n].iter_mut().zip(&sums) {
            *into = sum.residue(modulus);
        }
        start += n;
    }
}
on_levels!(fn add_products(modulus: Values, pairs: &[(&[u64], &[u64])], into: &mut [u64]) = add_products_on);

/// The sums are taken in the order of the inputs and without fused operations, so that every level rounds alike.
#[inline(always)]
fn quotients_on<T: Residue>(inputs: &[&[u64]], reciprocals: &[f64], into: &mut [i64]) {
    const BIAS: f64 = 4_503_599_627_370_496.0;
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let mut start = 0;
    while start < into.len() {
        let n = PART.min(into.len() - start);
        let mut sums = [0.0; PART];
        for (input, reciprocal) in inputs.iter().zip(reciprocals) {
            for (sum, number) in sums.iter_mut().zip(&input[start..start + n]) {
                *sum += (f64::from_bits(BIAS.to_bits() | number) - BIAS) * reciprocal;
            }
        }
        for (into, sum) in into[start..start + n].iter_mut().zip(&sums) {
            *into = ((sum + ROUND).to_bits() as i64).wrapping_sub(ROUND.to_bits() as i64);
        }
        start += n;
    }
}
on_levels!(fn quotients_of(inputs: &[&[u64]], reciprocals: &[f64], into: &mut [i64]) = quotients_on);

/// The residue of least size.
pub(crate) fn centred(residue: u64, prime: u64) -> i64 {
    if residue > prime / 2 { residue as i64 - prime as i64 } else { residue as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIME: u64 = (1 << 46) - 589_823;

    fn levels() -> impl Iterator<Item = Level> {
        Level::ALL.into_iter().filter(|level| level.is_available())
    }

    fn numbers(n: usize, seed: u64) -> Vec<u64> {
        let mut numbers: Vec<u64> =
            (0..n as u64).map(|i| (i ^ seed).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % PRIME).collect();
        for (number, edge) in numbers.iter_mut().zip([0, 1, PRIME - 1, PRIME / 2, PRIME / 2 + 1]) {
            *number = edge;
        }
        numbers
    }

    #[test]
    fn sums_of_products_are_those_of_whole_numbers() {
        let inputs: Vec<Vec<u64>> = (0..16).map(|seed| numbers(130, seed)).collect();
        let pairs: Vec<(&[u64], &[u64])> = inputs.iter().map(|a| (&a[..], &inputs[3][..])).collect();
        let add = numbers(130, 99);
        let signed: Vec<Vec<i64>> =
            inputs.iter().map(|input| input.iter().map(|number| 5 - *number as i64).collect()).collect();
        let signed: Vec<&[i64]> = signed.iter().map(Vec::as_slice).collect();
        let factors = numbers(16, 7);
        let modulo = |number: i128| number.rem_euclid(i128::from(PRIME)) as u64;
        for level in levels() {
            let modulus = Modulus::new(level, PRIME);
            let mut sums = add.clone();
            modulus.add_products(&pairs, &mut sums);
            let mut combined = vec![0; 130];
            modulus.combine(&signed, &factors, &mut combined);
            for i in 0..130 {
                let product = |(a, b): &(&[u64], &[u64])| i128::from(a[i]) * i128::from(b[i]) % i128::from(PRIME);
                assert_eq!(sums[i], modulo(i128::from(add[i]) + pairs.iter().map(product).sum::<i128>()), "{level:?}");
                let term =
                    |(number, factor): (&&[i64], &u64)| i128::from(number[i]) * i128::from(*factor) % i128::from(PRIME);
                assert_eq!(combined[i], modulo(signed.iter().zip(&factors).map(term).sum()), "{level:?}");
            }
        }
    }

    #[test]
    fn quotients_are_rounded_alike_on_every_level() {
        let inputs: Vec<Vec<u64>> = (0..5).map(|seed| numbers(200, seed)).collect();
        let inputs: Vec<&[u64]> = inputs.iter().map(Vec::as_slice).collect();
        let reciprocals = [1.0 / PRIME as f64; 5];
        for level in levels() {
            let mut into = vec![0; 200];
            quotients(level, &inputs, &reciprocals, &mut into);
            for (i, quotient) in into.iter().enumerate() {
                let sum: u128 = inputs.iter().map(|input| u128::from(input[i])).sum();
                let [low, high] = [2 * sum, 2 * sum + 2 * u128::from(PRIME)].map(|x| (x / u128::from(PRIME)) as i64);
                assert!((low - 1..=high).contains(&(2 * quotient)), "{level:?}: {quotient} for {sum}");
                let nearest = (sum as f64 / PRIME as f64).round() as i64;
                assert!((quotient - nearest).abs() <= i64::from(i < 5), "{level:?}: {quotient} for {sum}");
            }
        }
    }

    #[test]
    fn powers_and_inverses_are_those_of_the_field() {
        let modulus = Modulus::new(Level::detect(), PRIME);
        assert_eq!(modulus.power(3, 5), 243);
        assert_eq!(modulus.power(7, 0), 1);
        for a in [1, 2, PRIME - 1, 123_456_789] {
            assert_eq!(modulus.multiply(a, modulus.invert(a)), 1);
        }
    }
}
