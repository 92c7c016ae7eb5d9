//! Signs, carries and zero: comparison of two private numbers, bit-sliced.
//!
//! *Source*: the millionaires' protocol of CrypTFlow2 (ePrint 2020/1002), figure 1. We differ at the leaves: the
//! digit of two bits `[v < u]` and `[v == u]` are inner products of functions of `u` with `(v0, v1, v0 v1)`, so they are
//! cross products with three choices instead of a 1-of-4 transfer. That costs the same 8 bits, since `[v == u]` has
//! the coefficient 1 at `v0 v1`, and one exchange instead of two flights. The tree shares a choice between
//! `[<]` and `[==]` (vector triples), and carries no `[==]` at the lowest digit.
//!
//! *Security*: that of [`super::cross`]; nothing is opened.
//!
//! *Cost*: `1 + ceil(log2(digits))` exchanges; about 8 bits a leaf and 6 a node. [`super::cost::is_negative`] is exact.
//!
//! *Shapes and units*: planes of `n` bits, lowest first; only the bits that the range needs.

use super::TwoParty;
use super::planes::planes;
use crate::correlations::Correlations;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement};

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
        let mut planes = planes(&x.words, bits);
        let top = Bits::new(Placement::Shared, x.len(), planes.pop().expect("at least one plane"));
        let carry = self.carry(planes, x.len())?;
        Ok(top.xor(self, &carry))
    }

    /// Whether the parts, of which these are the bits, add up to more than the bits can hold.
    pub(super) fn carry(&mut self, mut planes: Vec<Vec<u64>>, n: usize) -> Result<Bits> {
        // u + w >= 2^k exactly if the complement of w is less than u.
        if !self.first() {
            planes.iter_mut().flatten().for_each(|word| *word = !*word);
        }
        let planes = planes.into_iter().map(|words| Bits::new(Placement::Shared, n, words)).collect();
        self.less(planes, n)
    }

    /// Whether the second party's number is less than the first's; each passes the bits of its own, lowest first.
    fn less(&mut self, mut planes: Vec<Bits>, n: usize) -> Result<Bits> {
        if planes.is_empty() || n == 0 {
            return Ok(Bits::new(Placement::Shared, n, Vec::new()));
        }
        let odd = if planes.len() % 2 == 1 { planes.pop() } else { None };
        let mut nodes = self.leaves(&planes, odd.as_ref(), n)?;
        while nodes.len() > 1 {
            nodes = self.join(nodes, n)?;
        }
        Ok(nodes.pop().expect("one node is left").less)
    }

    /// The nodes of the digits, from the highest: the single plane first, then the pairs.
    fn leaves(&mut self, planes: &[Bits], odd: Option<&Bits>, n: usize) -> Result<Vec<Node>> {
        let pairs: Vec<(&Bits, &Bits)> = planes.chunks(2).rev().map(|pair| (&pair[1], &pair[0])).collect();
        let all = |with: fn(u64, u64) -> u64| -> Vec<Bits> {
            pairs.iter().map(|(high, low)| merge(high, low, with)).collect()
        };
        let equal_pairs = pairs.len().saturating_sub(1);
        // In one order: v0 and v1 of the pairs but the last, v0 and v1 of the last, v0 v1 of all, the single v.
        let ordered = |zero: &[Bits], one: &[Bits], both: &[Bits], single: Option<&Bits>| {
            let parts = zero[..equal_pairs].iter().chain(&one[..equal_pairs]).chain(&zero[equal_pairs..]);
            let parts: Vec<&Bits> = parts.chain(&one[equal_pairs..]).chain(both).chain(single).collect();
            Bits::concat(self, &parts)
        };
        let (choice, less, equal) = if self.first() {
            let less = ordered(&all(|high, low| low & !high), &all(|high, low| low ^ high), &all(|_, low| low), odd);
            let (zero, one) = (all(|high, _| !high), all(|_, low| !low));
            let parts: Vec<&Bits> = zero[..equal_pairs].iter().chain(&one[..equal_pairs]).collect();
            (less.clone(), less, Bits::concat(self, &parts).shared(self))
        } else {
            let choice = ordered(&all(|_, low| low), &all(|high, _| high), &all(|high, low| high & low), odd);
            let equal = Bits::new(Placement::Shared, 2 * equal_pairs * n, Vec::new());
            (choice.clone(), choice, equal)
        };
        let mut products = self.cross_bits(&choice, &[&less, &equal], [false, true])?.into_iter();
        let (less, equal) = (products.next().expect("two columns"), products.next().expect("two columns"));

        let less = less.split(n);
        let equal = equal.split(n);
        let first = self.first();
        let mut nodes = Vec::with_capacity(pairs.len() + 1);
        if let Some(plane) = odd {
            let own = less.last().expect("the single plane is last");
            let less = if first { merge(own, plane, |a, u| a ^ u) } else { own.clone() };
            let equal = if first { merge(plane, plane, |u, _| !u) } else { plane.clone() };
            nodes.push(Node { less, equal: (!pairs.is_empty()).then_some(equal) });
        }
        for (place, (high, low)) in pairs.iter().enumerate() {
            let last = place == equal_pairs;
            let [zero, one] = if last { [2 * equal_pairs, 2 * equal_pairs + 1] } else { [place, equal_pairs + place] };
            let parts = [&less[zero], &less[one], &less[2 * pairs.len() + place]];
            let constant = if first { merge(high, low, |u1, u0| u1 | u0) } else { zeros(n) };
            let less = parts.iter().fold(constant, |sum, part| merge(&sum, part, |a, b| a ^ b));
            let equal = (!last).then(|| {
                let constant =
                    if first { merge(high, low, |u1, u0| !u1 & !u0) } else { merge(high, low, |v1, v0| v1 & v0) };
                [&equal[zero], &equal[one]].iter().fold(constant, |sum, part| merge(&sum, part, |a, b| a ^ b))
            });
            nodes.push(Node { less, equal });
        }
        Ok(nodes)
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

    /// Whether `x == 0`: whether one party's part is the negative of the other's, bit for bit.
    pub(super) fn zero(&mut self, x: &Arith<R>, bits: u32) -> Result<Bits> {
        assert!((1..=R::BITS).contains(&bits), "a width of 1 to the word's");
        let n = x.len();
        let planes = if self.first() { planes(&x.words, bits) } else { planes(&x.neg().words, bits) };
        let flip = if self.first() { u64::MAX } else { 0 };
        let equal: Vec<_> = planes
            .into_iter()
            .map(|plane| Bits::new(Placement::Shared, n, plane.into_iter().map(|word| word ^ flip).collect()))
            .collect();
        self.conjunction(equal, n)
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
