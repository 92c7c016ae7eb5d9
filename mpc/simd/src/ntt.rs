//! The number-theoretic transform modulo `x^n + 1` and a prime: products of polynomials become products place by place.
//!
//! *Source*: Longa and Naehrig, ePrint 2016/504, with the roots in bit-reversed order. Three or four layers go over memory
//! at a time, and the last six of each 64 places stay in registers: three between rows of eight, and after a transposition
//! three between columns. The places of a transform are not put into any order, since only products are taken of them;
//! all levels have the same.

use crate::Level;
use crate::residue::{Modulus, Values, centred};

/// Places that the last layers work on together.
pub(crate) const BLOCK: usize = 64;

/// Places of a row of them.
pub(crate) const ROW: usize = 8;

/// Coefficients at most, as a power of two: bounds what layers add up.
const MOST_LOG2: u32 = 24;

/// The transform of one length modulo one prime.
#[derive(Clone, Debug)]
pub struct Transform {
    modulus: Modulus,
    forward: Roots,
    backward: Roots,
    /// The inverse of the length.
    scale: u64,
}

/// The roots of one direction: residues for the portable level, and for the others the numbers of least size in floating
/// point.
#[derive(Clone, Debug)]
struct Roots {
    /// Those of the upper layers: the root of the tree is entry 1, the children of entry `i` are `2 i` and `2 i + 1`.
    nodes: Vec<u64>,
    /// Those of the last three layers, for each block of 64 places: one, two and four rows of eight.
    last: Vec<[[u64; ROW]; 7]>,
}

/// Roots as kernels take them.
#[derive(Clone, Copy)]
pub(crate) struct Place<'r> {
    pub(crate) nodes: &'r [u64],
    last: &'r [[[u64; ROW]; 7]],
}

impl<'r> Place<'r> {
    /// The transform's length.
    pub(crate) fn len(self) -> usize {
        BLOCK * self.last.len()
    }

    /// The roots of the last layers of the blocks from that one on whose root is `node`.
    pub(crate) fn last_of(self, node: usize) -> &'r [[[u64; ROW]; 7]] {
        &self.last[node - self.last.len()..]
    }
}

/// How many of so many upper layers go over memory together next, `most` at most.
#[cfg(target_arch = "x86_64")]
pub(crate) fn step(upper: u32, most: u32) -> u32 {
    upper.div_ceil(upper.div_ceil(most).max(1))
}

impl Transform {
    /// For polynomials of `2^log2` coefficients.
    ///
    /// # Panics
    /// If the length is below 64 or above `2^24`, or the prime is not `1` modulo twice the length.
    pub fn new(level: Level, prime: u64, log2: u32) -> Self {
        let modulus = Modulus::new(level, prime);
        assert!((BLOCK.ilog2()..=MOST_LOG2).contains(&log2), "a length that kernels can take");
        let n = 1_usize << log2;
        assert!((prime - 1).is_multiple_of(2 * n as u64), "roots of unity for {n} coefficients");
        let root = root_of_unity(&modulus, 2 * n as u64);
        let scale = modulus.invert(n as u64);
        let roots = |root| Roots::new(&modulus, root, log2);
        Self { forward: roots(root), backward: roots(modulus.invert(root)), scale, modulus }
    }

    /// The modulus.
    pub fn modulus(&self) -> &Modulus {
        &self.modulus
    }

    /// Coefficients to values.
    ///
    /// # Panics
    /// If the length is another.
    pub fn forward(&self, values: &mut [u64]) {
        assert_eq!(values.len(), self.forward.place().len(), "the transform's length");
        self.forward_part(values.len(), 0, values);
    }

    /// Coefficients to values, of a polynomial whose coefficients from `filled` on are 0: the fewer are not, the less it
    /// takes. Only the values from `start` on that there is room for are computed; the room begins with the coefficients.
    ///
    /// # Panics
    /// If `start` and the room are not multiples of [`Self::granule`], or pass the transform's length.
    pub fn forward_part(&self, filled: usize, start: usize, values: &mut [u64]) {
        let (granule, place) = (self.granule(filled), self.forward.place());
        assert!(start.is_multiple_of(granule) && values.len().is_multiple_of(granule), "whole granules");
        assert!(start + values.len() <= place.len(), "the transform's length");
        let modulus = self.modulus.values;
        match self.modulus.level {
            _ if values.is_empty() => {}
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the modulus's level is available, or it would be the portable one.
            Level::Avx2 => unsafe { crate::f256::forward(modulus, place, granule, start, values) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { crate::f512::forward(modulus, place, granule, start, values) },
            _ => forward_portable(modulus, place, granule, start, values),
        }
    }

    /// Of how many values at a time a polynomial with so many coefficients can be computed.
    pub fn granule(&self, filled: usize) -> usize {
        filled.next_power_of_two().clamp(BLOCK, self.forward.place().len())
    }

    /// Values to coefficients.
    ///
    /// # Panics
    /// If the length is another.
    pub fn backward(&self, values: &mut [u64]) {
        let place = self.backward.place();
        assert_eq!(values.len(), place.len(), "the transform's length");
        let modulus = self.modulus.values;
        #[cfg(target_arch = "x86_64")]
        let scale = centred(self.scale, modulus.prime) as f64;
        match self.modulus.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the modulus's level is available, or it would be the portable one.
            Level::Avx2 => unsafe { crate::f256::backward(modulus, place, scale, values) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { crate::f512::backward(modulus, place, scale, values) },
            _ => backward_portable(modulus, place, self.scale, values),
        }
    }
}

/// A primitive root of unity of an order that is a power of two and divides the prime less one.
fn root_of_unity(modulus: &Modulus, order: u64) -> u64 {
    let minus_one = modulus.prime() - 1;
    // A power of a number that is no square has the whole order.
    (2..)
        .map(|base| modulus.power(base, minus_one / order))
        .find(|root| modulus.power(*root, order / 2) == minus_one)
        .expect("half of all numbers are no squares")
}

impl Roots {
    fn new(modulus: &Modulus, root: u64, log2: u32) -> Self {
        let n = 1_usize << log2;
        let mut powers = vec![1; n];
        for i in 1..n {
            powers[i] = modulus.multiply(powers[i - 1], root);
        }
        // Of node `i`, as the level computes with it.
        let root = |node: usize| {
            let root = powers[node.reverse_bits() >> (usize::BITS - log2)];
            match modulus.level {
                Level::Portable => root,
                _ => (centred(root, modulus.prime()) as f64).to_bits(),
            }
        };
        let last = |block: usize| {
            let mut rows = [[0; ROW]; 7];
            for children in [1, 2, 4] {
                for child in 0..children {
                    for (lane, place) in rows[children - 1 + child].iter_mut().enumerate() {
                        *place = root(children * (n / ROW + ROW * block + lane) + child);
                    }
                }
            }
            rows
        };
        Self { nodes: (0..n / ROW).map(root).collect(), last: (0..n / BLOCK).map(last).collect() }
    }

    fn place(&self) -> Place<'_> {
        Place { nodes: &self.nodes, last: &self.last }
    }
}

type Block = [[u64; ROW]; ROW];

fn transposed(rows: Block) -> Block {
    std::array::from_fn(|i| rows.map(|row| row[i]))
}

/// A layer between the rows of a block: those `half` apart, `root` telling that of each pair and lane.
fn rows_forward(rows: &mut Block, half: usize, modulus: Values, root: impl Fn(usize, usize) -> u64) {
    for i in 0..ROW / 2 {
        let (group, within) = (i / half, i % half);
        let (upper, lower) = rows.split_at_mut(2 * half * group + within + half);
        let pairs = upper[2 * half * group + within].iter_mut().zip(&mut lower[0]);
        for (lane, (a, b)) in pairs.enumerate() {
            let turned = modulus.multiply(*b, root(group, lane));
            (*a, *b) = (modulus.add(*a, turned), modulus.subtract(*a, turned));
        }
    }
}

fn rows_backward(rows: &mut Block, half: usize, modulus: Values, root: impl Fn(usize, usize) -> u64) {
    for i in 0..ROW / 2 {
        let (group, within) = (i / half, i % half);
        let (upper, lower) = rows.split_at_mut(2 * half * group + within + half);
        let pairs = upper[2 * half * group + within].iter_mut().zip(&mut lower[0]);
        for (lane, (a, b)) in pairs.enumerate() {
            let difference = modulus.subtract(*a, *b);
            (*a, *b) = (modulus.add(*a, *b), modulus.multiply(difference, root(group, lane)));
        }
    }
}

fn forward_portable(modulus: Values, place: Place<'_>, granule: usize, start: usize, values: &mut [u64]) {
    // A layer adds what is nothing to the lower half and takes it off for the upper one.
    for copy in 1..values.len() / granule {
        values.copy_within(..granule, copy * granule);
    }
    let mut len = granule;
    while len > BLOCK {
        let roots = &place.nodes[(place.len() + start) / len..];
        for (block, root) in values.chunks_exact_mut(len).zip(roots) {
            let (low, high) = block.split_at_mut(len / 2);
            for (a, b) in low.iter_mut().zip(high) {
                let turned = modulus.multiply(*b, *root);
                (*a, *b) = (modulus.add(*a, turned), modulus.subtract(*a, turned));
            }
        }
        len /= 2;
    }
    let (first, nodes) = ((place.len() + start) / BLOCK, place.nodes);
    let blocks = values.as_chunks_mut::<ROW>().0.as_chunks_mut::<ROW>().0;
    for (node, (rows, last)) in (first..).zip(blocks.iter_mut().zip(place.last_of(first))) {
        rows_forward(rows, 4, modulus, |_, _| nodes[node]);
        rows_forward(rows, 2, modulus, |group, _| nodes[2 * node + group]);
        rows_forward(rows, 1, modulus, |group, _| nodes[4 * node + group]);
        *rows = transposed(*rows);
        rows_forward(rows, 4, modulus, |_, lane| last[0][lane]);
        rows_forward(rows, 2, modulus, |group, lane| last[1 + group][lane]);
        rows_forward(rows, 1, modulus, |group, lane| last[3 + group][lane]);
    }
}

fn backward_portable(modulus: Values, place: Place<'_>, scale: u64, values: &mut [u64]) {
    let (first, nodes) = (place.len() / BLOCK, place.nodes);
    let blocks = values.as_chunks_mut::<ROW>().0.as_chunks_mut::<ROW>().0;
    for (node, (rows, last)) in (first..).zip(blocks.iter_mut().zip(place.last_of(first))) {
        rows_backward(rows, 1, modulus, |group, lane| last[3 + group][lane]);
        rows_backward(rows, 2, modulus, |group, lane| last[1 + group][lane]);
        rows_backward(rows, 4, modulus, |_, lane| last[0][lane]);
        *rows = transposed(*rows);
        rows_backward(rows, 1, modulus, |group, _| nodes[4 * node + group]);
        rows_backward(rows, 2, modulus, |group, _| nodes[2 * node + group]);
        rows_backward(rows, 4, modulus, |_, _| nodes[node]);
    }
    let mut len = 2 * BLOCK;
    while len <= values.len() {
        let roots = &nodes[place.len() / len..];
        for (block, root) in values.chunks_exact_mut(len).zip(roots) {
            let (low, high) = block.split_at_mut(len / 2);
            for (a, b) in low.iter_mut().zip(high) {
                let difference = modulus.subtract(*a, *b);
                (*a, *b) = (modulus.add(*a, *b), modulus.multiply(difference, *root));
            }
        }
        len *= 2;
    }
    for value in values {
        *value = modulus.multiply(*value, scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1` modulo `2^15`, 46 and 42 bits.
    const PRIMES: [u64; 2] = [(1 << 46) - 589_823, (1 << 42) + 720_897];

    fn levels() -> impl Iterator<Item = Level> {
        Level::ALL.into_iter().filter(|level| level.is_available())
    }

    fn numbers(n: usize, prime: u64, seed: u64) -> Vec<u64> {
        let number =
            |i: u64| (i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(i | 1) % prime;
        (0..n as u64).map(number).collect()
    }

    /// The product modulo `x^n + 1`, by the definition.
    fn product(modulus: &Modulus, a: &[u64], b: &[u64]) -> Vec<u64> {
        let mut product = vec![0; a.len()];
        for (i, left) in a.iter().enumerate() {
            for (j, right) in b.iter().enumerate() {
                let term = modulus.multiply(*left, *right);
                let term = if i + j < product.len() { term } else { modulus.prime() - term };
                let place = &mut product[(i + j) % a.len()];
                *place = (*place + term) % modulus.prime();
            }
        }
        product
    }

    #[test]
    fn products_of_values_are_products_of_polynomials() {
        for (log2, prime) in [(6, PRIMES[0]), (7, PRIMES[1]), (8, PRIMES[0]), (9, PRIMES[1])] {
            let [a, b] = [1, 2].map(|seed| numbers(1 << log2, prime, seed));
            let expected = product(&Modulus::new(Level::Portable, prime), &a, &b);
            for level in levels() {
                let transform = Transform::new(level, prime, log2);
                let [mut a, mut b] = [a.clone(), b.clone()];
                transform.forward(&mut a);
                transform.forward(&mut b);
                let mut values = vec![0; a.len()];
                transform.modulus().add_products(&[(&a, &b)], &mut values);
                transform.backward(&mut values);
                assert_eq!(values, expected, "{level:?}, 2^{log2} coefficients");
            }
        }
    }

    #[test]
    fn a_polynomial_of_few_coefficients_has_the_values_of_the_whole_transform() {
        for level in levels() {
            let transform = Transform::new(level, PRIMES[0], 13);
            for filled in [1, 32, 64, 100, 128, 256, 4096, 8191] {
                let mut values = vec![0; 1 << 13];
                values[..filled].copy_from_slice(&numbers(filled, PRIMES[0], 3));
                let low = values.clone();
                transform.forward(&mut values);
                let granule = transform.granule(filled);
                for (start, room) in [(0, granule), (0, low.len()), (low.len() - granule, granule)] {
                    let mut part = low[..room].to_vec();
                    transform.forward_part(filled, start, &mut part);
                    assert!(part == values[start..start + room], "{level:?}, {filled} coefficients from {start}");
                }
            }
        }
    }

    #[test]
    fn every_level_has_the_same_values_at_full_length_and_for_the_largest_numbers() {
        for prime in PRIMES {
            let mut cases = [numbers(1 << 14, prime, 5), numbers(1 << 13, prime, 6), vec![prime - 1; 1 << 14]];
            cases[0][..64].fill(prime - 1);
            for case in cases {
                let log2 = case.len().ilog2();
                let mut expected = case.clone();
                Transform::new(Level::Portable, prime, log2).forward(&mut expected);
                for level in levels() {
                    let transform = Transform::new(level, prime, log2);
                    let mut values = case.clone();
                    transform.forward(&mut values);
                    assert!(values == expected, "{level:?}, modulo {prime}");
                    transform.backward(&mut values);
                    assert!(values == case, "{level:?}, modulo {prime}");
                }
            }
        }
    }

    #[test]
    fn every_level_has_the_same_values_of_edges_modulo_the_largest_and_the_smallest_primes() {
        // Just below 2^47, and the least with a root of the order.
        for (prime, lengths) in
            [((1 << 47) - 127, 6..=6), ((1 << 47) - 229_375, 6..=14), (257, 6..=7), (12_289, 6..=11)]
        {
            for log2 in lengths {
                let reference = Transform::new(Level::Portable, prime, log2);
                let edges = [0, 1, prime / 2, prime / 2 + 1, prime - 1];
                for case in 0..12 {
                    let mut numbers = numbers(1 << log2, prime, case);
                    let edge = |number: u64| edges[(number >> 3) as usize % edges.len()];
                    match case {
                        0..5 => numbers.fill(edges[case as usize]),
                        5..10 => numbers.iter_mut().for_each(|number| *number = edge(*number)),
                        _ => {}
                    }
                    let (mut values, mut coefficients) = (numbers.clone(), numbers.clone());
                    reference.forward(&mut values);
                    reference.backward(&mut coefficients);
                    for level in levels() {
                        let transform = Transform::new(level, prime, log2);
                        let mut forward = numbers.clone();
                        transform.forward(&mut forward);
                        assert!(forward == values, "{level:?}, 2^{log2} coefficients modulo {prime}");
                        let mut backward = numbers.clone();
                        transform.backward(&mut backward);
                        assert!(backward == coefficients, "{level:?}, 2^{log2} values modulo {prime}");
                        transform.backward(&mut forward);
                        assert!(forward == numbers, "{level:?}, 2^{log2} coefficients modulo {prime}");
                    }
                }
            }
        }
    }

    #[test]
    fn values_are_those_at_the_odd_powers_of_the_root() {
        let (log2, prime) = (8, PRIMES[0]);
        let modulus = Modulus::new(Level::Portable, prime);
        let root = root_of_unity(&modulus, 2 << log2);
        let numbers = numbers(1 << log2, prime, 4);
        let at = |x: u64| numbers.iter().rev().fold(0, |sum, number| (modulus.multiply(sum, x) + number) % prime);
        let mut expected: Vec<u64> = (0..1 << log2).map(|i| at(modulus.power(root, 2 * i + 1))).collect();
        expected.sort_unstable();
        for level in levels() {
            let mut values = numbers.clone();
            Transform::new(level, prime, log2).forward(&mut values);
            values.sort_unstable();
            assert!(values == expected, "{level:?}");
        }
    }
}
