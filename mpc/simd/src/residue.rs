//! Arithmetic modulo primes below `2^47`, on slices.
//!
//! A vector level multiplies in floating point: the product of two residues is a rounded product and the rest of it, which
//! a fused operation tells exactly, and so is what remains after a multiple of the prime near it. All of that is exact for
//! primes of so few bits, so that the results are those of the integers that the portable twin uses.

use crate::Level;
use crate::ntt::ROW;

/// Primes have fewer bits.
pub const PRIME_BITS: u32 = 47;

/// Terms of a sum at most.
pub(crate) const TERMS: usize = 16;

/// A number of size below `2^51` that is added to it and taken off is rounded to the nearest whole one, even ones first.
pub(crate) const WHOLE: f64 = 6_755_399_441_055_744.0;

/// A prime modulus, for kernels of a level.
#[derive(Clone, Debug)]
pub struct Modulus {
    pub(crate) level: Level,
    pub(crate) values: Values,
}

/// The prime as the kernels want it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    pub(crate) prime: u64,
    pub(crate) float: f64,
    pub(crate) inverse: f64,
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
        assert!(inputs.len() == factors.len() && inputs.len() <= TERMS, "a factor an input, 16 at most");
        assert!(inputs.iter().all(|input| input.len() == into.len()), "inputs of one length");
        let whole = into.len() / ROW * ROW;
        let done = match self.level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => {
                // SAFETY: the modulus's level is available, or it would be the portable one.
                unsafe { crate::f256::combine(self.values, inputs, factors, &mut into[..whole]) };
                whole
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                // SAFETY: as above.
                unsafe { crate::f512::combine(self.values, inputs, factors, &mut into[..whole]) };
                whole
            }
            _ => 0,
        };
        combine_portable(self.values, inputs, factors, done, into);
    }

    /// `into + sum(a * b)` place by place, of residues.
    ///
    /// # Panics
    /// If the slices differ in length, or there are more than 16 pairs.
    pub fn add_products(&self, pairs: &[(&[u64], &[u64])], into: &mut [u64]) {
        assert!(pairs.len() <= TERMS, "16 pairs at most");
        assert!(pairs.iter().all(|(a, b)| a.len() == into.len() && b.len() == into.len()), "factors of one length");
        let whole = into.len() / ROW * ROW;
        let done = match self.level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => {
                // SAFETY: as above.
                unsafe { crate::f256::add_products(self.values, pairs, &mut into[..whole]) };
                whole
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                // SAFETY: as above.
                unsafe { crate::f512::add_products(self.values, pairs, &mut into[..whole]) };
                whole
            }
            _ => 0,
        };
        add_products_portable(self.values, pairs, done, into);
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
    let whole = into.len() / ROW * ROW;
    let done = match level.or_portable() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => {
            // SAFETY: `or_portable` found the level.
            unsafe { crate::f256::quotients(inputs, reciprocals, &mut into[..whole]) };
            whole
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => {
            // SAFETY: as above.
            unsafe { crate::f512::quotients(inputs, reciprocals, &mut into[..whole]) };
            whole
        }
        _ => 0,
    };
    quotients_portable(inputs, reciprocals, done, into);
}

impl Values {
    /// The residue of a number.
    #[inline(always)]
    pub(crate) fn residue(self, number: i64) -> u64 {
        let rest = number % self.prime as i64;
        (rest + (rest >> 63 & self.prime as i64)) as u64
    }

    /// The product of two residues.
    #[inline(always)]
    pub(crate) fn multiply(self, a: u64, b: u64) -> u64 {
        // The estimate is one too large or too small at most.
        let estimate = (a as f64 * b as f64 * self.inverse) as u64;
        let rest = a.wrapping_mul(b).wrapping_sub(estimate.wrapping_mul(self.prime)) as i64;
        let rest = rest + (rest >> 63 & self.prime as i64);
        self.less(rest as u64)
    }

    /// The sum of two residues.
    #[inline(always)]
    pub(crate) fn add(self, a: u64, b: u64) -> u64 {
        self.less(a + b)
    }

    /// The difference of two residues.
    #[inline(always)]
    pub(crate) fn subtract(self, a: u64, b: u64) -> u64 {
        self.less(a + self.prime - b)
    }

    /// Less the prime where that is not negative.
    #[inline(always)]
    fn less(self, number: u64) -> u64 {
        let rest = number.wrapping_sub(self.prime) as i64;
        (rest + (rest >> 63 & self.prime as i64)) as u64
    }
}

/// The places from `start` on.
fn combine_portable(modulus: Values, inputs: &[&[i64]], factors: &[u64], start: usize, into: &mut [u64]) {
    into[start..].fill(0);
    for (input, factor) in inputs.iter().zip(factors) {
        let factor = modulus.residue(*factor as i64);
        for (into, number) in into[start..].iter_mut().zip(&input[start..]) {
            *into = modulus.add(*into, modulus.multiply(modulus.residue(*number), factor));
        }
    }
}

/// The places from `start` on.
fn add_products_portable(modulus: Values, pairs: &[(&[u64], &[u64])], start: usize, into: &mut [u64]) {
    for (i, into) in into.iter_mut().enumerate().skip(start) {
        let terms = pairs.iter().map(|(a, b)| modulus.multiply(a[i], b[i]));
        *into = terms.fold(*into, |sum, term| modulus.add(sum, term));
    }
}

/// The places from `start` on. The sums are taken in the order of the inputs and without fused operations, so that every
/// level rounds alike.
fn quotients_portable(inputs: &[&[u64]], reciprocals: &[f64], start: usize, into: &mut [i64]) {
    /// Places that are computed together.
    const PART: usize = 64;
    for (part, into) in into[start..].chunks_mut(PART).enumerate() {
        let mut sums = [0.0; PART];
        for (input, reciprocal) in inputs.iter().zip(reciprocals) {
            for (sum, number) in sums.iter_mut().zip(&input[start + PART * part..][..into.len()]) {
                *sum += *number as i64 as f64 * reciprocal;
            }
        }
        for (into, sum) in into.iter_mut().zip(&sums) {
            *into = ((sum + WHOLE).to_bits() as i64).wrapping_sub(WHOLE.to_bits() as i64);
        }
    }
}

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

    #[test]
    fn sums_are_exact_at_the_largest_numbers_and_modulo_the_largest_and_the_smallest_primes() {
        const LARGEST: i64 = (1 << PRIME_BITS) - 1;
        for prime in [(1 << PRIME_BITS) - 127, PRIME, 12_289, 3] {
            let edges = [prime - 1, prime / 2, prime / 2 + 1, prime.saturating_sub(3), 1, 0];
            let numbers: Vec<u64> = (0..37).map(|i| edges[i / 6 % 6]).collect();
            let others: Vec<u64> = (0..37).map(|i| edges[i % 6]).collect();
            let signed: Vec<i64> =
                (0..37).map(|i| [LARGEST, -LARGEST, LARGEST - 1, 1 - LARGEST, 1, 0, -1][i % 7]).collect();
            for terms in [1, 2, 15, TERMS] {
                for level in levels() {
                    let modulus = Modulus::new(level, prime);
                    let mut sums = vec![prime - 1; 37];
                    modulus.add_products(&vec![(&numbers[..], &others[..]); terms], &mut sums);
                    for (i, sum) in sums.iter().enumerate() {
                        let product = u128::from(numbers[i]) * u128::from(others[i]);
                        let expected = (product * terms as u128 + u128::from(prime - 1)) % u128::from(prime);
                        assert_eq!(u128::from(*sum), expected, "{level:?}, {terms} terms modulo {prime}");
                    }
                    for factor in edges {
                        modulus.combine(&vec![&signed[..]; terms], &vec![factor; terms], &mut sums);
                        for (sum, number) in sums.iter().zip(&signed) {
                            let expected = i128::from(*number) * i128::from(factor) * terms as i128;
                            let expected = expected.rem_euclid(i128::from(prime));
                            assert_eq!(i128::from(*sum), expected, "{level:?}, {terms} terms modulo {prime}");
                        }
                    }
                }
            }
        }
    }
}
