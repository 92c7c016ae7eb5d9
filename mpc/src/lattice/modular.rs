//! Numbers modulo primes, one by one: what constants are made of.

/// A product of primes, less one of them.
pub(super) fn product_modulo(primes: &[u64], without: Option<u64>, modulo: u64) -> u64 {
    let factors = primes.iter().filter(|prime| Some(**prime) != without);
    factors.fold(1 % modulo, |product, factor| multiply(product, factor % modulo, modulo))
}

pub(super) fn multiply(a: u64, b: u64, modulo: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(modulo)) as u64
}

pub(super) fn power(base: u64, exponent: u64, modulo: u64) -> u64 {
    let square = |root: u64| multiply(root, root, modulo);
    match exponent {
        0 => 1,
        _ if exponent.is_multiple_of(2) => square(power(base, exponent / 2, modulo)),
        _ => multiply(base, power(base, exponent - 1, modulo), modulo),
    }
}

/// The inverse modulo a prime.
pub(super) fn invert(a: u64, prime: u64) -> u64 {
    power(a, prime - 2, prime)
}

pub(super) fn negate(a: u64, prime: u64) -> u64 {
    if a == 0 { 0 } else { prime - a }
}

pub(super) fn reciprocals(primes: &[u64]) -> Vec<f64> {
    primes.iter().map(|prime| 1.0 / *prime as f64).collect()
}
