//! Numbers modulo primes, one by one: what constants are made of.

use tacit_simd::{Level, Modulus};

/// A product of primes, less one of them.
pub(super) fn product_modulo(primes: &[u64], without: Option<u64>, modulo: u64) -> u64 {
    let factors = primes.iter().filter(|prime| Some(**prime) != without);
    factors.fold(1 % modulo, |product, factor| multiply(product, factor % modulo, modulo))
}

fn modulus(prime: u64) -> Modulus {
    Modulus::new(Level::Portable, prime)
}

pub(super) fn multiply(a: u64, b: u64, prime: u64) -> u64 {
    modulus(prime).multiply(a, b)
}

pub(super) fn power(base: u64, exponent: u64, prime: u64) -> u64 {
    modulus(prime).power(base, exponent)
}

/// The inverse modulo a prime.
pub(super) fn invert(a: u64, prime: u64) -> u64 {
    modulus(prime).invert(a)
}

pub(super) fn negate(a: u64, prime: u64) -> u64 {
    if a == 0 { 0 } else { prime - a }
}

pub(super) fn reciprocals(primes: &[u64]) -> Vec<f64> {
    primes.iter().map(|prime| 1.0 / *prime as f64).collect()
}
