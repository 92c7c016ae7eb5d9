//! A party's part of an array that is handed in: its own cells, or its shares of a value of an earlier run.

use tacit_protocol::PartyId;
use tacit_protocol::program::plain::EncodedColumn;
use tacit_protocol::schema::Element;
use zeroize::Zeroize;

use crate::plan::step::InputPart;
use crate::ring::Ring;
use crate::share::pack;

/// The cells of a part.
#[derive(Clone, PartialEq, Eq)]
pub enum Words {
    /// Ring words of 64 bits; of an owner's cells, signed numbers in lattice steps.
    Narrow(Vec<u64>),
    /// The same of 128 bits.
    Wide(Vec<u128>),
    /// Bits, packed as [`crate::share::Bits`] are.
    Bits(Vec<u64>),
}

/// What one party brings to an array.
///
/// # Security
/// Shares are worth nothing without the other party's, an owner's cells are the data; neither is shown by `Debug`, and
/// both are cleared when they are dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    party: PartyId,
    cells: usize,
    words: Words,
    valid: Option<Vec<u64>>,
}

impl Part {
    /// The cells of an owner, in lattice steps.
    pub fn owned(party: PartyId, element: &Element, cells: EncodedColumn) -> Self {
        let narrow = |cell: &i128| i64::try_from(*cell).ok().map(|cell| cell as u64);
        let words = match element {
            Element::Bool => Words::Bits(pack(&cells.values.iter().map(|cell| *cell == 1).collect::<Vec<_>>())),
            _ => match cells.values.iter().map(narrow).collect() {
                Some(narrow) => Words::Narrow(narrow),
                None => Words::Wide(cells.values.iter().map(|cell| *cell as u128).collect()),
            },
        };
        Self { party, cells: cells.values.len(), words, valid: None }
    }

    /// A party's shares of so many cells, and of which of them are valid, packed; none: all are. `None` where there are
    /// more or fewer words than the cells take.
    pub fn shares(party: PartyId, cells: usize, words: Words, valid: Option<Vec<u64>>) -> Option<Self> {
        let packed = cells.div_ceil(64);
        let length = match &words {
            Words::Narrow(words) => words.len() == cells,
            Words::Wide(words) => words.len() == cells,
            Words::Bits(words) => words.len() == packed,
        };
        let valid_length = valid.as_ref().is_none_or(|valid| valid.len() == packed);
        (length && valid_length).then_some(Self { party, cells, words, valid })
    }

    /// Whose part it is.
    pub fn party(&self) -> PartyId {
        self.party
    }

    /// How many cells it has.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// The cells, or shares of them.
    pub fn content(&self) -> &Words {
        &self.words
    }

    /// Shares of which cells are valid, packed; none: all are.
    pub fn valid(&self) -> Option<&[u64]> {
        self.valid.as_deref()
    }

    /// The width of its words; 64 for bits.
    pub fn word_bits(&self) -> u8 {
        if matches!(self.words, Words::Wide(_)) { 128 } else { 64 }
    }

    /// The same shares modulo `2^64`, of a value of fewer bits: a part that is worth as much in half of the room.
    #[must_use]
    pub fn narrowed(&self) -> Self {
        let words = match &self.words {
            Words::Wide(words) => Words::Narrow(words.iter().map(|word| *word as u64).collect()),
            words => words.clone(),
        };
        Self { words, valid: self.valid.clone(), ..*self }
    }

    /// The cells as words of a ring. Shares in wider words are shares in narrower ones; an owner's cells are signed.
    pub(crate) fn words<R: Ring>(&self) -> Option<Vec<R>> {
        match &self.words {
            Words::Narrow(words) => Some(words.iter().map(|word| R::from_i128(i128::from(*word as i64))).collect()),
            Words::Wide(words) => Some(words.iter().map(|word| R::from_u128(*word)).collect()),
            Words::Bits(_) => None,
        }
    }

    pub(crate) fn bits(&self) -> Option<&[u64]> {
        if let Words::Bits(words) = &self.words { Some(words) } else { None }
    }

    /// The shares of `party` in words of 64 bits as numbers ([`InputPart::Share`]); zeros where they are the other's.
    pub(crate) fn unsigned<R: Ring>(&self, party: PartyId) -> Option<Vec<R>> {
        let shifted = self.shifted(party)?;
        Some(shifted.map(|word| R::from_u128(u128::from(word))).collect())
    }

    /// Whether the topmost bits of those are 0 ([`InputPart::ShareLow`]), packed.
    pub(crate) fn low(&self, party: PartyId) -> Option<Vec<u64>> {
        let own = party == self.party;
        Some(pack(&self.shifted(party)?.map(|word| own && word >> 63 == 0).collect::<Vec<_>>()))
    }

    fn shifted(&self, party: PartyId) -> Option<impl Iterator<Item = u64>> {
        let Words::Narrow(words) = &self.words else { return None };
        let own = party == self.party;
        let shift = if party == PartyId::ZERO { InputPart::SHIFT } else { 0 };
        Some(words.iter().map(move |word| if own { word.wrapping_add(shift) } else { 0 }))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        match &mut self.words {
            Words::Narrow(words) | Words::Bits(words) => words.zeroize(),
            Words::Wide(words) => words.zeroize(),
        }
        self.valid.zeroize();
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Part({}, {} cells <redacted>)", self.party, self.cells)
    }
}
