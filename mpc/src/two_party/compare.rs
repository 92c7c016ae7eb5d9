//! Signs, carries and zero: comparison of two private numbers, bit-sliced.
//!
//! *Source*: the millionaires' protocol of CrypTFlow2 (ePrint 2020/1002), figure 1. Digits of three bits, then a tree.
//! We differ in that the tree shares a choice between `[<]` and `[==]` (vector triples) and carries no `[==]` at the
//! lowest digit; in that the equality of two bits is a local exclusive or, so that short numbers are cut into bits; and
//! in the digits ([`super::digits`]).
//!
//! *Security*: that of [`super::cross`] and [`super::digits`]; nothing is opened.
//!
//! *Cost*: for `k > 3` bits `2 + ceil(log2(k / 3))` exchanges a tile; about 17 bits a digit and 6 a node.
//! [`super::cost::is_negative`] and [`super::cost::is_zero`] are exact.
//!
//! *Shapes and units*: planes of `n` bits, lowest first; only the bits that the range needs; [`ELEMENTS`] at a time.

use super::TwoParty;
use super::digits::{DIGIT, Digit, Want, complement, cut};
use super::planes::planes;
use super::transfers::offerer;
use crate::correlations::Correlations;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement};

/// Elements compared at a time. A multiple of 64; worst case 14 MiB at 128 bits.
pub(super) const ELEMENTS: usize = 1 << 17;

/// The result for a digit or a run of digits: whether the second party's is less, and whether they are equal.
struct Node {
    less: Bits,
    /// The lowest node needs none.
    equal: Option<Bits>,
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// Whether `x < 0`: the sum of the upper bits of the parts and the carry into them.
    pub(super) fn sign(&mut self, x: &Arith<R>, bits: u32) -> Result<Bits> {
        assert!((1..=R::BITS).contains(&bits), "a width of 1 to the word's");
        self.tiles(&x.words, |engine, words| {
            let n = words.len();
            let mut planes = planes(words, bits);
            let top = Bits::new(Placement::Shared, n, planes.pop().expect("at least one plane"));
            Ok(merge(&top, &engine.carry(&planes, n)?, |a, b| a ^ b))
        })
    }

    /// Whether the low bits of the parts add up to `2^bits` or more.
    pub(super) fn carry_of(&mut self, words: &[R], bits: u32) -> Result<Bits> {
        self.tiles(words, |engine, words| engine.carry(&planes(words, bits), words.len()))
    }

    /// Whether `x == 0`: whether one party's part is the negative of the other's, bit for bit.
    pub(super) fn zero(&mut self, x: &Arith<R>, bits: u32) -> Result<Bits> {
        assert!((1..=R::BITS).contains(&bits), "a width of 1 to the word's");
        let first = self.first();
        self.tiles(&x.words, |engine, words| {
            let n = words.len();
            if first {
                return engine.equal(&planes(words, bits), n);
            }
            let negative: Vec<R> = words.iter().map(|word| word.neg()).collect();
            engine.equal(&planes(&negative, bits), n)
        })
    }

    /// One bit an element, tile by tile.
    fn tiles(&mut self, words: &[R], mut of: impl FnMut(&mut Self, &[R]) -> Result<Bits>) -> Result<Bits> {
        let mut packed = Vec::with_capacity(words.len().div_ceil(64));
        for tile in words.chunks(ELEMENTS) {
            packed.extend(of(self, tile)?.words);
        }
        Ok(Bits::new(Placement::Shared, words.len(), packed))
    }

    /// Whether the parts, of which these are the bits, add up to more than the bits can hold: for each digit whether
    /// it carries by itself, and whether it passes a carry on.
    fn carry(&mut self, planes: &[Vec<u64>], n: usize) -> Result<Bits> {
        if planes.is_empty() || n == 0 {
            return Ok(zeros(n));
        }
        let mut nodes = if planes.len() <= DIGIT { self.single_bits(planes, n)? } else { self.digits(planes, n)? };
        while nodes.len() > 1 {
            nodes = self.join(nodes, n)?;
        }
        Ok(nodes.pop().expect("one node is left").less)
    }

    /// The nodes of a short number, bit by bit from the highest: the carry of two bits is their product.
    fn single_bits(&mut self, planes: &[Vec<u64>], n: usize) -> Result<Vec<Node>> {
        let own: Vec<Bits> = planes.iter().rev().map(|plane| Bits::new(Placement::Shared, n, plane.clone())).collect();
        let all = Bits::concat(self, &own.iter().collect::<Vec<_>>());
        let products = self.cross_bits(&all, &[&all], [false, true])?.swap_remove(0).split(n);
        let lowest = own.len() - 1;
        let node = |(place, (less, own))| Node { less, equal: (place < lowest).then_some(own) };
        Ok(products.into_iter().zip(own).enumerate().map(node).collect())
    }

    /// The nodes of the digits, from the highest.
    fn digits(&mut self, planes: &[Vec<u64>], n: usize) -> Result<Vec<Node>> {
        // The digits of `u` and `w` carry exactly if the complement of w's is less than u's.
        let complement = complement(planes, n);
        let mut digits = Vec::new();
        let mut from = 0;
        for (place, bits) in cut(planes.len()).into_iter().enumerate() {
            let planes = if offerer(place) == self.party { planes } else { &complement };
            let want = if place == 0 { Want::Less } else { Want::Both };
            digits.push(Digit { planes: &planes[from..from + bits], want });
            from += bits;
        }
        let node = |results: Vec<Bits>| {
            let mut results = results.into_iter();
            Node { less: results.next().expect("a carry"), equal: results.next() }
        };
        Ok(self.compare_digits(&digits, n)?.into_iter().rev().map(node).collect())
    }

    /// One level of the tree: neighbours joined, an odd one out left at the top.
    fn join(&mut self, nodes: Vec<Node>, n: usize) -> Result<Vec<Node>> {
        let mut nodes = nodes.into_iter();
        let mut joined = Vec::with_capacity(nodes.len().div_ceil(2));
        if nodes.len() % 2 == 1 {
            joined.extend(nodes.next());
        }
        let mut pairs = Vec::with_capacity(nodes.len() / 2);
        while let (Some(high), Some(low)) = (nodes.next(), nodes.next()) {
            pairs.push((high.less, high.equal.expect("only the lowest node lacks it"), low));
        }
        let choice: Vec<&Bits> = pairs.iter().map(|(_, equal, _)| equal).collect();
        let less: Vec<&Bits> = pairs.iter().map(|(_, _, low)| &low.less).collect();
        let equal: Vec<&Bits> = pairs.iter().filter_map(|(_, _, low)| low.equal.as_ref()).collect();
        let [choice, less, equal] = [choice, less, equal].map(|parts| Bits::concat(self, &parts));
        let products = self.and_columns(&choice, &[&less, &equal])?;
        let (less, mut equal) = (products[0].split(n), products[1].split(n).into_iter());
        for ((high, _, _), product) in pairs.iter().zip(&less) {
            joined.push(Node { less: merge(high, product, |a, b| a ^ b), equal: equal.next() });
        }
        Ok(joined)
    }

    /// Whether the parties' numbers are equal.
    fn equal(&mut self, planes: &[Vec<u64>], n: usize) -> Result<Bits> {
        if n == 0 {
            return Ok(zeros(n));
        }
        let factors = if planes.len() <= DIGIT {
            // `u == v` is `u ^ !v`.
            let flip = if self.first() { u64::MAX } else { 0 };
            let share = |plane: &Vec<u64>| plane.iter().map(|word| word ^ flip).collect();
            planes.iter().map(|plane| Bits::new(Placement::Shared, n, share(plane))).collect()
        } else {
            let mut from = 0;
            let mut digits = Vec::new();
            for bits in cut(planes.len()) {
                digits.push(Digit { planes: &planes[from..from + bits], want: Want::Equal });
                from += bits;
            }
            self.compare_digits(&digits, n)?.into_iter().flatten().collect()
        };
        self.conjunction(factors, n)
    }

    /// The conjunction of shared vectors of `n` bits, by halving.
    fn conjunction(&mut self, mut factors: Vec<Bits>, n: usize) -> Result<Bits> {
        while factors.len() > 1 && n > 0 {
            let half = factors.len() / 2;
            let left = Bits::concat(self, &factors[..half].iter().collect::<Vec<_>>());
            let right = Bits::concat(self, &factors[half..2 * half].iter().collect::<Vec<_>>());
            let product = self.and_bits(&left, &right)?;
            let rest = factors.split_off(2 * half);
            factors = product.split(n);
            factors.extend(rest);
        }
        Ok(factors.swap_remove(0))
    }
}

/// A function of two vectors of bits, word by word.
pub(super) fn merge(a: &Bits, b: &Bits, with: impl Fn(u64, u64) -> u64) -> Bits {
    let words = a.words.iter().zip(&b.words).map(|(&a, &b)| with(a, b)).collect();
    Bits::new(a.placement, a.len, words)
}

fn zeros(n: usize) -> Bits {
    Bits::new(Placement::Shared, n, Vec::new())
}
