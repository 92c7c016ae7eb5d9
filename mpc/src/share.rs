//! Vectors of shared values: who knows them, this party's part of them, and what can be done with them locally.
//!
//! Everything here is linear and costs no communication. Lengths are the caller's to get right: a mismatch is a fault
//! of the plan, and panics.

use std::ops::Range;

use tacit_protocol::PartyId;

use crate::ring::Ring;

/// Who knows a value.
///
/// The placement says how the parties' parts make the value, so that what one party knows costs nothing or half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// Both parties hold the value itself.
    Public,
    /// One party holds the value itself, the other zeros. A special case of [`Placement::Shared`].
    Private(PartyId),
    /// The parts add up to the value (modulo the word; XOR for bits).
    Shared,
}

impl Placement {
    /// Where the result of a local operation on two values lies: public joins anything, one party's values stay with
    /// it, everything else is shared.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Public, placement) | (placement, Self::Public) => placement,
            (a, b) if a == b => a,
            _ => Self::Shared,
        }
    }
}

/// The place from which a process sees shared values.
pub trait Seat {
    /// Which party this side is.
    fn party(&self) -> PartyId;

    /// Whether this side holds the value itself for a placement, or adds public constants to it: for `Public` and
    /// its own `Private` values yes; of `Shared` values, party 0. `Clear` holds everything.
    fn holds(&self, placement: Placement) -> bool;
}

/// A vector of ring words, shared additively.
#[derive(Clone)]
pub struct Arith<R> {
    /// Who knows it.
    pub placement: Placement,
    /// This party's part, one word an element.
    pub words: Vec<R>,
}

impl<R: Ring> Arith<R> {
    /// A value that both parties hold.
    pub fn public(words: Vec<R>) -> Self {
        Self { placement: Placement::Public, words }
    }

    /// The same public word `len` times.
    pub fn constant(word: R, len: usize) -> Self {
        Self::public(vec![word; len])
    }

    /// A value that `owner` brings. The other party's words are ignored: it passes what it likes, of the same length.
    pub fn private<S: Seat + ?Sized>(seat: &S, owner: PartyId, words: Vec<R>) -> Self {
        let placement = Placement::Private(owner);
        let words = if seat.holds(placement) { words } else { vec![R::ZERO; words.len()] };
        Self { placement, words }
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The same value in another placement: public values anywhere, others as shared.
    ///
    /// # Panics
    /// If `target` is not `self.placement.join(target)`: a value cannot be made less secret locally.
    #[must_use]
    pub fn placed<S: Seat + ?Sized>(&self, seat: &S, target: Placement) -> Self {
        assert_eq!(self.placement.join(target), target, "a placement cannot be undone locally");
        let keeps = self.placement != Placement::Public || seat.holds(target);
        let words = if keeps { self.words.clone() } else { vec![R::ZERO; self.words.len()] };
        Self { placement: target, words }
    }

    /// The same value as shares, whatever it was.
    #[must_use]
    pub fn shared<S: Seat + ?Sized>(&self, seat: &S) -> Self {
        self.placed(seat, Placement::Shared)
    }

    /// The element-wise sum.
    #[must_use]
    pub fn add<S: Seat + ?Sized>(&self, seat: &S, other: &Self) -> Self {
        self.zip(seat, other, R::add)
    }

    /// The element-wise difference.
    #[must_use]
    pub fn sub<S: Seat + ?Sized>(&self, seat: &S, other: &Self) -> Self {
        self.zip(seat, other, R::sub)
    }

    fn zip<S: Seat + ?Sized>(&self, seat: &S, other: &Self, with: impl Fn(R, R) -> R) -> Self {
        assert_eq!(self.len(), other.len(), "operands have one length");
        let placement = self.placement.join(other.placement);
        let part = |x: &Self| x.placement != Placement::Public || seat.holds(placement);
        let (mine, theirs) = (part(self), part(other));
        let pick = |holds: bool, word: R| if holds { word } else { R::ZERO };
        let words = self.words.iter().zip(&other.words).map(|(&a, &b)| with(pick(mine, a), pick(theirs, b))).collect();
        Self { placement, words }
    }

    /// The negative.
    #[must_use]
    pub fn neg(&self) -> Self {
        self.map(R::neg)
    }

    /// Every element times a public word.
    #[must_use]
    pub fn scale(&self, by: R) -> Self {
        self.map(|word| word.mul(by))
    }

    /// Every element times the public word of its place.
    #[must_use]
    pub fn scale_each(&self, by: &[R]) -> Self {
        assert_eq!(self.len(), by.len(), "operands have one length");
        Self {
            placement: self.placement,
            words: self.words.iter().zip(by).map(|(word, &factor)| word.mul(factor)).collect(),
        }
    }

    /// Every element shifted left.
    #[must_use]
    pub fn shl(&self, by: u32) -> Self {
        self.map(|word| word.shl(by))
    }

    /// A public word added to every element.
    #[must_use]
    pub fn add_public<S: Seat + ?Sized>(&self, seat: &S, word: R) -> Self {
        let word = if seat.holds(self.placement) { word } else { R::ZERO };
        self.map(|x| x.add(word))
    }

    fn map(&self, with: impl Fn(R) -> R) -> Self {
        Self { placement: self.placement, words: self.words.iter().map(|&word| with(word)).collect() }
    }

    /// The elements at the places named, in that order; places may repeat.
    #[must_use]
    pub fn gather(&self, places: &[usize]) -> Self {
        Self { placement: self.placement, words: places.iter().map(|&place| self.words[place]).collect() }
    }

    /// The elements of a range.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        Self { placement: self.placement, words: self.words[range].to_vec() }
    }

    /// The vectors one after the other, in the join of their placements.
    #[must_use]
    pub fn concat<S: Seat + ?Sized>(seat: &S, parts: &[&Self]) -> Self {
        let placement = parts.iter().fold(Placement::Public, |joined, part| joined.join(part.placement));
        let mut words = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            if part.placement != Placement::Public || seat.holds(placement) {
                words.extend_from_slice(&part.words);
            } else {
                words.resize(words.len() + part.len(), R::ZERO);
            }
        }
        Self { placement, words }
    }

    /// The sums of consecutive groups of `group` elements.
    #[must_use]
    pub fn sum_groups(&self, group: usize) -> Self {
        assert!(group > 0 && self.len().is_multiple_of(group), "groups of one size");
        let words = self.words.chunks(group).map(|chunk| chunk.iter().fold(R::ZERO, |sum, &word| sum.add(word)));
        Self { placement: self.placement, words: words.collect() }
    }
}

/// A vector of bits, shared by XOR, packed: bit `i` is bit `i % 64` of word `i / 64`; unused high bits are 0.
#[derive(Clone)]
pub struct Bits {
    /// Who knows it.
    pub placement: Placement,
    /// How many bits.
    pub len: usize,
    /// This party's part.
    pub words: Vec<u64>,
}

impl Bits {
    /// Bits from packed words; what lies beyond `len` is cleared.
    pub fn new(placement: Placement, len: usize, mut words: Vec<u64>) -> Self {
        words.resize(len.div_ceil(64), 0);
        clear_tail(&mut words, len);
        Self { placement, len, words }
    }

    /// Bits that both parties hold.
    pub fn public(bits: &[bool]) -> Self {
        Self { placement: Placement::Public, len: bits.len(), words: pack(bits) }
    }

    /// The same public bit `len` times.
    pub fn constant(bit: bool, len: usize) -> Self {
        Self::new(Placement::Public, len, vec![if bit { u64::MAX } else { 0 }; len.div_ceil(64)])
    }

    /// Bits that `owner` brings. The other party's are ignored: it passes what it likes, of the same length.
    pub fn private<S: Seat + ?Sized>(seat: &S, owner: PartyId, bits: &[bool]) -> Self {
        let placement = Placement::Private(owner);
        let words = if seat.holds(placement) { pack(bits) } else { vec![0; bits.len().div_ceil(64)] };
        Self { placement, len: bits.len(), words }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// This party's part of one bit.
    pub fn bit(&self, place: usize) -> bool {
        assert!(place < self.len, "a place within the vector");
        self.words[place / 64] >> (place % 64) & 1 == 1
    }

    /// The same value in another placement: public values anywhere, others as shared.
    ///
    /// # Panics
    /// If `target` is not `self.placement.join(target)`: a value cannot be made less secret locally.
    #[must_use]
    pub fn placed<S: Seat + ?Sized>(&self, seat: &S, target: Placement) -> Self {
        assert_eq!(self.placement.join(target), target, "a placement cannot be undone locally");
        let keeps = self.placement != Placement::Public || seat.holds(target);
        let words = if keeps { self.words.clone() } else { vec![0; self.words.len()] };
        Self { placement: target, len: self.len, words }
    }

    /// The same value as shares, whatever it was.
    #[must_use]
    pub fn shared<S: Seat + ?Sized>(&self, seat: &S) -> Self {
        self.placed(seat, Placement::Shared)
    }

    /// The element-wise exclusive or.
    #[must_use]
    pub fn xor<S: Seat + ?Sized>(&self, seat: &S, other: &Self) -> Self {
        assert_eq!(self.len, other.len, "operands have one length");
        let placement = self.placement.join(other.placement);
        let mask = |x: &Self| {
            if x.placement != Placement::Public || seat.holds(placement) { u64::MAX } else { 0 }
        };
        let (mine, theirs) = (mask(self), mask(other));
        let words = self.words.iter().zip(&other.words).map(|(a, b)| (a & mine) ^ (b & theirs)).collect();
        Self { placement, len: self.len, words }
    }

    /// The complement.
    #[must_use]
    pub fn not<S: Seat + ?Sized>(&self, seat: &S) -> Self {
        self.xor(seat, &Self::constant(true, self.len))
    }

    /// The bits at the places named, in that order; places may repeat.
    #[must_use]
    pub fn gather(&self, places: &[usize]) -> Self {
        let mut words = vec![0; places.len().div_ceil(64)];
        for (to, &from) in places.iter().enumerate() {
            words[to / 64] |= u64::from(self.bit(from)) << (to % 64);
        }
        Self { placement: self.placement, len: places.len(), words }
    }

    /// The bits of a range.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len, "a range within the vector");
        let len = range.len();
        let (first, shift) = (range.start / 64, range.start % 64);
        let word = |place: usize| self.words.get(place).copied().unwrap_or(0);
        let words = (first..first + len.div_ceil(64))
            .map(|place| if shift == 0 { word(place) } else { word(place) >> shift | word(place + 1) << (64 - shift) })
            .collect();
        Self::new(self.placement, len, words)
    }

    /// The vectors one after the other, in the join of their placements.
    #[must_use]
    pub fn concat<S: Seat + ?Sized>(seat: &S, parts: &[&Self]) -> Self {
        let placement = parts.iter().fold(Placement::Public, |joined, part| joined.join(part.placement));
        let len = parts.iter().map(|part| part.len).sum();
        let mut words = vec![0; usize::div_ceil(len, 64)];
        let mut at = 0;
        for part in parts {
            if part.placement != Placement::Public || seat.holds(placement) {
                or_at(&mut words, at, &part.words);
            }
            at += part.len;
        }
        Self { placement, len, words }
    }

    /// The vector cut into equal pieces of `len` bits.
    #[must_use]
    pub fn split(&self, len: usize) -> Vec<Self> {
        assert!(len > 0 && self.len.is_multiple_of(len), "pieces of one size");
        (0..self.len / len).map(|piece| self.slice(piece * len..(piece + 1) * len)).collect()
    }
}

/// Packs bits as [`Bits`] holds them.
pub fn pack(bits: &[bool]) -> Vec<u64> {
    let word = |chunk: &[bool]| chunk.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit));
    bits.chunks(64).map(word).collect()
}

/// The first `len` bits of packed words.
pub fn unpack(words: &[u64], len: usize) -> Vec<bool> {
    (0..len).map(|place| words[place / 64] >> (place % 64) & 1 == 1).collect()
}

/// Clears the unused high bits of the last word.
pub(crate) fn clear_tail(words: &mut [u64], len: usize) {
    if let (Some(last), used @ 1..) = (words.last_mut(), len % 64) {
        *last &= (1 << used) - 1;
    }
}

/// Puts packed bits, zero beyond their length, at a place where there are zeros.
pub(crate) fn or_at(into: &mut [u64], at: usize, words: &[u64]) {
    let (first, shift) = (at / 64, at % 64);
    for (place, &word) in words.iter().enumerate() {
        if word == 0 {
            continue;
        }
        into[first + place] |= word << shift;
        if shift > 0 && word >> (64 - shift) != 0 {
            into[first + place + 1] |= word >> (64 - shift);
        }
    }
}

impl<R> std::fmt::Debug for Arith<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arith({:?}, {} words <redacted>)", self.placement, self.words.len())
    }
}

impl std::fmt::Debug for Bits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bits({:?}, {} bits <redacted>)", self.placement, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Second;

    impl Seat for Second {
        fn party(&self) -> PartyId {
            PartyId::ONE
        }

        fn holds(&self, placement: Placement) -> bool {
            matches!(placement, Placement::Public | Placement::Private(PartyId::ONE))
        }
    }

    #[test]
    fn public_constants_enter_shares_on_one_side_only() {
        let shares = Arith { placement: Placement::Shared, words: vec![7u64, 8] };
        let sum = shares.add(&Second, &Arith::constant(100, 2));
        assert_eq!((sum.placement, sum.words), (Placement::Shared, vec![7, 8]));
        let own = Arith::private(&Second, PartyId::ONE, vec![7u64, 8]).add(&Second, &Arith::constant(100, 2));
        assert_eq!((own.placement, own.words), (Placement::Private(PartyId::ONE), vec![107, 108]));
        let bits = Bits::new(Placement::Shared, 3, vec![0b101]);
        assert_eq!(bits.not(&Second).words, [0b101]);
    }

    #[test]
    fn slices_and_concatenations_of_bits_are_those_of_the_unpacked_vectors() {
        let bits: Vec<bool> = (0..517).map(|i| i * i % 7 < 3).collect();
        let packed = Bits::private(&Second, PartyId::ONE, &bits);
        assert_eq!(unpack(&packed.words, 517), bits);
        for range in [0..0, 0..64, 1..65, 63..64, 5..517, 64..200, 449..517] {
            let piece = packed.slice(range.clone());
            assert_eq!(piece.words, pack(&bits[range.clone()]), "{range:?}");
        }
        let (a, b, c) = (packed.slice(0..70), packed.slice(70..71), packed.slice(71..517));
        assert_eq!(Bits::concat(&Second, &[&a, &b, &c]).words, packed.words);
        assert_eq!(packed.gather(&[3, 3, 516]).words, pack(&[bits[3], bits[3], bits[516]]));
        assert_eq!(packed.slice(0..516).split(43)[11].words, pack(&bits[473..516]));
    }

    #[test]
    fn debug_shows_no_values() {
        let shown = format!("{:?} {:?}", Arith::constant(4711u64, 1), Bits::constant(true, 1));
        assert_eq!(shown, "Arith(Public, 1 words <redacted>) Bits(Public, 1 bits <redacted>)");
    }
}
