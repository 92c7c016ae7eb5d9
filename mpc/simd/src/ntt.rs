//! The number-theoretic transform modulo `x^n + 1` and a prime: products of polynomials become products place by place.
//!
//! *Source*: Longa and Naehrig, ePrint 2016/504, with the roots in bit-reversed order. Two layers go over memory at a
//! time, and the last six of each 64 places stay in registers: three between rows of eight, and after a transposition
//! three between columns. The places of a transform are not put into any order, since only products are taken of them;
//! all levels have the same.

use crate::Level;
use crate::residue::{Modulus, Residue, Values, centred, on_levels};

/// Places that the last layers work on together.
const BLOCK: usize = 64;

/// Places of a row of them.
const ROW: usize = 8;

/// Places that stay in the first-level cache.
const CACHED: usize = 1024;

/// The transform of one length modulo one prime.
#[derive(Clone, Debug)]
pub struct Transform {
    modulus: Modulus,
    forward: Roots,
    backward: Roots,
    /// The inverse of the length.
    scale: i64,
}

/// The roots of one direction, as the level computes with them.
#[derive(Clone, Debug)]
struct Roots {
    /// That of each block of places: the root of the tree is entry 1, the children of entry `i` are `2 i` and `2 i + 1`.
    nodes: Vec<u64>,
    /// Those of the last three layers, for each block of 64 places: one, two and four rows of eight.
    last: Vec<u64>,
}

impl Transform {
    /// For polynomials of `2^log2` coefficients.
    ///
    /// # Panics
    /// If the length is below 64, or the prime is not `1` modulo twice the length.
    pub fn new(level: Level, prime: u64, log2: u32) -> Self {
        let modulus = Modulus::new(level, prime);
        let n = 1_usize << log2;
        assert!(n >= BLOCK && (prime - 1).is_multiple_of(2 * n as u64), "roots of unity for {n} coefficients");
        let root = root_of_unity(&modulus, 2 * n as u64);
        let backward = modulus.invert(root);
        let scale = centred(modulus.invert(n as u64), prime);
        let roots = |root| Roots::new(&modulus, root, log2);
        Self { forward: roots(root), backward: roots(backward), scale, modulus }
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
        assert_eq!(values.len(), self.forward.nodes.len(), "the transform's length");
        self.forward_part(values.len(), 0, values);
    }

    /// Coefficients to values, of a polynomial whose coefficients from `filled` on are 0: the fewer are not, the less it
    /// takes. Only the values from `start` on that there is room for are computed; the room begins with the coefficients.
    ///
    /// # Panics
    /// If `start` and the room are not multiples of [`Self::granule`], or pass the transform's length.
    pub fn forward_part(&self, filled: usize, start: usize, values: &mut [u64]) {
        let (granule, n) = (self.granule(filled), self.forward.nodes.len());
        assert!(start.is_multiple_of(granule) && values.len().is_multiple_of(granule), "whole granules");
        assert!(start + values.len() <= n, "the transform's length");
        forward(self.modulus.level, self.modulus.values, &self.forward, granule, start, values);
    }

    /// Of how many values at a time a polynomial with so many coefficients can be computed.
    pub fn granule(&self, filled: usize) -> usize {
        filled.next_power_of_two().clamp(BLOCK, self.forward.nodes.len())
    }

    /// Values to coefficients.
    ///
    /// # Panics
    /// If the length is another.
    pub fn backward(&self, values: &mut [u64]) {
        assert_eq!(values.len(), self.backward.nodes.len(), "the transform's length");
        backward(self.modulus.level, self.modulus.values, &self.backward, self.scale, values);
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
        let nodes: Vec<u64> = (0..n).map(|node| powers[node.reverse_bits() >> (usize::BITS - log2)]).collect();
        let mut last = Vec::with_capacity(n / BLOCK * 7 * ROW);
        for block in 0..n / BLOCK {
            for children in [1, 2, 4] {
                for child in 0..children {
                    let row = (0..ROW).map(|lane| nodes[children * (n / ROW + ROW * block + lane) + child]);
                    last.extend(row);
                }
            }
        }
        let mut roots = Self { nodes, last };
        roots.nodes.iter_mut().chain(&mut roots.last).for_each(|root| {
            let centred = centred(*root, modulus.prime());
            *root = prepared(modulus.level, centred, modulus.values);
        });
        roots
    }
}

/// A root as the level computes with it.
fn prepared(level: Level, root: i64, modulus: Values) -> u64 {
    match level {
        Level::Portable => bytemuck::cast(crate::residue::Whole::of(root, modulus)),
        _ => bytemuck::cast(crate::residue::Float::of(root, modulus)),
    }
}

#[inline(always)]
fn each<T: Residue>(mut a: [T; ROW], b: [T; ROW], f: impl Fn(T, T) -> T) -> [T; ROW] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = f(*a, b);
    }
    a
}

#[inline(always)]
fn transposed<T: Residue>(rows: [[T; ROW]; ROW]) -> [[T; ROW]; ROW] {
    let mut columns = rows;
    for (i, column) in columns.iter_mut().enumerate() {
        for (place, row) in column.iter_mut().zip(&rows) {
            *place = row[i];
        }
    }
    columns
}

/// A layer between the rows of a block: those `half` apart, `root` telling that of each pair.
#[inline(always)]
fn rows_forward<T: Residue>(
    rows: &mut [[T; ROW]; ROW],
    half: usize,
    modulus: Values,
    root: impl Fn(usize) -> [T; ROW],
) {
    for i in 0..ROW / 2 {
        let (group, within) = (i / half, i % half);
        let (a, b) = (2 * half * group + within, 2 * half * group + within + half);
        let turned = each(rows[b], root(group), |x, root| x.multiply(root, modulus));
        rows[b] = each(rows[a], turned, |x, y| x.subtract(y, modulus));
        rows[a] = each(rows[a], turned, |x, y| x.add(y, modulus));
    }
}

#[inline(always)]
fn rows_backward<T: Residue>(
    rows: &mut [[T; ROW]; ROW],
    half: usize,
    modulus: Values,
    root: impl Fn(usize) -> [T; ROW],
) {
    for i in 0..ROW / 2 {
        let (group, within) = (i / half, i % half);
        let (a, b) = (2 * half * group + within, 2 * half * group + within + half);
        let difference = each(rows[a], rows[b], |x, y| x.subtract(y, modulus));
        rows[a] = each(rows[a], rows[b], |x, y| x.add(y, modulus));
        rows[b] = each(difference, root(group), |x, root| x.multiply(root, modulus));
    }
}

/// The rows of roots of one block of 64 places.
#[inline(always)]
fn last_rows<T: Residue>(last: &[T], block: usize) -> &[[T; ROW]] {
    &last.as_chunks::<ROW>().0[7 * block..][..7]
}

#[inline(always)]
fn block_forward<T: Residue>(values: &mut [T; BLOCK], roots: &[T], last: &[T], node: usize, modulus: Values) {
    let mut rows = [[values[0]; ROW]; ROW];
    for (row, values) in rows.iter_mut().zip(values.as_chunks::<ROW>().0) {
        *row = *values;
    }
    rows_forward(&mut rows, 4, modulus, |_| [roots[node]; ROW]);
    rows_forward(&mut rows, 2, modulus, |group| [roots[2 * node + group]; ROW]);
    rows_forward(&mut rows, 1, modulus, |group| [roots[4 * node + group]; ROW]);
    let mut columns = transposed(rows);
    let last = last_rows(last, node - roots.len() / BLOCK);
    rows_forward(&mut columns, 4, modulus, |_| last[0]);
    rows_forward(&mut columns, 2, modulus, |group| last[1 + group]);
    rows_forward(&mut columns, 1, modulus, |group| last[3 + group]);
    for (values, column) in values.as_chunks_mut::<ROW>().0.iter_mut().zip(columns) {
        *values = column;
    }
}

#[inline(always)]
fn block_backward<T: Residue>(values: &mut [T; BLOCK], roots: &[T], last: &[T], node: usize, modulus: Values) {
    let mut columns = [[values[0]; ROW]; ROW];
    for (column, values) in columns.iter_mut().zip(values.as_chunks::<ROW>().0) {
        *column = *values;
    }
    let last = last_rows(last, node - roots.len() / BLOCK);
    rows_backward(&mut columns, 1, modulus, |group| last[3 + group]);
    rows_backward(&mut columns, 2, modulus, |group| last[1 + group]);
    rows_backward(&mut columns, 4, modulus, |_| last[0]);
    let mut rows = transposed(columns);
    for row in &mut rows {
        *row = each(*row, *row, |x, _| x.settle(modulus));
    }
    rows_backward(&mut rows, 1, modulus, |group| [roots[4 * node + group]; ROW]);
    rows_backward(&mut rows, 2, modulus, |group| [roots[2 * node + group]; ROW]);
    rows_backward(&mut rows, 4, modulus, |_| [roots[node]; ROW]);
    for (values, row) in values.as_chunks_mut::<ROW>().0.iter_mut().zip(rows) {
        *values = each(row, row, |x, _| x.settle(modulus));
    }
}

/// Two layers, of a block whose root is `node`.
#[inline(always)]
fn quarters_forward<T: Residue>(values: &mut [T], roots: &[T], node: usize, modulus: Values) {
    let [first, left, right] = [roots[node], roots[2 * node], roots[2 * node + 1]];
    let quarter = values.len() / 4;
    let (low, high) = values.split_at_mut(2 * quarter);
    let ((a, b), (c, d)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        let (turned_c, turned_d) = (c.multiply(first, modulus), d.multiply(first, modulus));
        let (low_a, low_b) = (a.add(turned_c, modulus), b.add(turned_d, modulus));
        let (high_c, high_d) = (a.subtract(turned_c, modulus), b.subtract(turned_d, modulus));
        let (turned_b, turned_d) = (low_b.multiply(left, modulus), high_d.multiply(right, modulus));
        (*a, *b) = (low_a.add(turned_b, modulus), low_a.subtract(turned_b, modulus));
        (*c, *d) = (high_c.add(turned_d, modulus), high_c.subtract(turned_d, modulus));
    }
}

#[inline(always)]
fn quarters_backward<T: Residue>(values: &mut [T], roots: &[T], node: usize, modulus: Values) {
    let [first, left, right] = [roots[node], roots[2 * node], roots[2 * node + 1]];
    let quarter = values.len() / 4;
    let (low, high) = values.split_at_mut(2 * quarter);
    let ((a, b), (c, d)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        let (low_a, low_b) = (a.add(*b, modulus), a.subtract(*b, modulus).multiply(left, modulus));
        let (high_c, high_d) = (c.add(*d, modulus), c.subtract(*d, modulus).multiply(right, modulus));
        *a = low_a.add(high_c, modulus).settle(modulus);
        *b = low_b.add(high_d, modulus);
        *c = low_a.subtract(high_c, modulus).multiply(first, modulus);
        *d = low_b.subtract(high_d, modulus).multiply(first, modulus);
    }
}

/// The one layer that is left where the number of layers above those of a block is odd.
#[inline(always)]
fn halves_forward<T: Residue>(values: &mut [T], root: T, modulus: Values) {
    let (low, high) = values.split_at_mut(values.len() / 2);
    for (a, b) in low.iter_mut().zip(high) {
        let turned = b.multiply(root, modulus);
        (*a, *b) = (a.add(turned, modulus), a.subtract(turned, modulus));
    }
}

#[inline(always)]
fn halves_backward<T: Residue>(values: &mut [T], root: T, modulus: Values) {
    let (low, high) = values.split_at_mut(values.len() / 2);
    for (a, b) in low.iter_mut().zip(high) {
        (*a, *b) = (a.add(*b, modulus), a.subtract(*b, modulus).multiply(root, modulus));
    }
}

/// Whether the layers above those of a block are odd in number.
fn is_odd(n: usize) -> bool {
    (n / BLOCK).ilog2() % 2 == 1
}

/// The values from `start` on, of a polynomial of `filled` coefficients.
#[inline(always)]
fn forward_on<T: Residue>(modulus: Values, roots: &Roots, filled: usize, start: usize, values: &mut [u64]) {
    for value in values[..filled].iter_mut() {
        *value = bytemuck::cast(T::of(*value as i64, modulus));
    }
    // A layer adds what is nothing to the lower half and takes it off for the upper one.
    for copy in 1..values.len() / filled {
        values.copy_within(..filled, copy * filled);
    }
    let (n, values) = (roots.nodes.len(), bytemuck::cast_slice_mut::<u64, T>(values));
    let (nodes, last) = (bytemuck::cast_slice::<u64, T>(&roots.nodes), bytemuck::cast_slice::<u64, T>(&roots.last));
    let node = |len: usize, i: usize| (n + start) / len + i;
    let mut len = filled;
    if is_odd(filled) {
        for (i, block) in values.chunks_exact_mut(len).enumerate() {
            halves_forward(block, nodes[node(len, i)], modulus);
        }
        len /= 2;
    }
    while len > CACHED {
        for (i, block) in values.chunks_exact_mut(len).enumerate() {
            quarters_forward(block, nodes, node(len, i), modulus);
        }
        len /= 4;
    }
    for (j, part) in values.chunks_exact_mut(len).enumerate() {
        let mut inner = len;
        while inner > BLOCK {
            for (i, block) in part.chunks_exact_mut(inner).enumerate() {
                quarters_forward(block, nodes, node(inner, j * (len / inner) + i), modulus);
            }
            inner /= 4;
        }
        for (i, block) in part.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
            block_forward(block, nodes, last, node(BLOCK, j * (len / BLOCK) + i), modulus);
        }
    }
    for value in bytemuck::cast_slice_mut::<T, u64>(values) {
        *value = bytemuck::cast::<u64, T>(*value).residue(modulus);
    }
}
on_levels!(fn forward(modulus: Values, roots: &Roots, filled: usize, start: usize, values: &mut [u64]) = forward_on);

#[inline(always)]
fn backward_on<T: Residue>(modulus: Values, roots: &Roots, scale: i64, values: &mut [u64]) {
    for value in values.iter_mut() {
        *value = bytemuck::cast(T::of(*value as i64, modulus));
    }
    let (n, values) = (values.len(), bytemuck::cast_slice_mut::<u64, T>(values));
    let (nodes, last) = (bytemuck::cast_slice::<u64, T>(&roots.nodes), bytemuck::cast_slice::<u64, T>(&roots.last));
    let odd = is_odd(n);
    let whole = if odd { n / 2 } else { n };
    let mut cached = whole;
    while cached > CACHED {
        cached /= 4;
    }
    for (j, part) in values.chunks_exact_mut(cached).enumerate() {
        for (i, block) in part.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
            block_backward(block, nodes, last, n / BLOCK + j * (cached / BLOCK) + i, modulus);
        }
        let mut inner = 4 * BLOCK;
        while inner <= cached {
            for (i, block) in part.chunks_exact_mut(inner).enumerate() {
                quarters_backward(block, nodes, n / inner + j * (cached / inner) + i, modulus);
            }
            inner *= 4;
        }
    }
    let mut len = 4 * cached;
    while len <= whole {
        for (i, block) in values.chunks_exact_mut(len).enumerate() {
            quarters_backward(block, nodes, n / len + i, modulus);
        }
        len *= 4;
    }
    if odd {
        halves_backward(values, nodes[1], modulus);
    }
    let scale = T::of(scale, modulus);
    for value in bytemuck::cast_slice_mut::<T, u64>(values) {
        *value = bytemuck::cast::<u64, T>(*value).multiply(scale, modulus).residue(modulus);
    }
}
on_levels!(fn backward(modulus: Values, roots: &Roots, scale: i64, values: &mut [u64]) = backward_on);

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
}
