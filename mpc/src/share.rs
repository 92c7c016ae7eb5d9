//! Vectors of shared values: who knows them, and this party's part of them.

use tacit_protocol::PartyId;

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

/// A vector of ring words, shared additively.
#[derive(Clone)]
pub struct Arith<R> {
    /// Who knows it.
    pub placement: Placement,
    /// This party's part, one word an element.
    pub words: Vec<R>,
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
