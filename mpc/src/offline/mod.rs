//! Correlations that are made before a run, while the link between two parties is idle, and what a run takes of them.
//!
//! *Source*: Beaver, "Efficient Multiparty Protocols Using Circuit Randomization", CRYPTO'91: a product of shared values
//! costs two openings where a product of random ones is there. Random bits that are shared as words turn shared bits into
//! words for one opened bit each (daBits, Rotaru and Wood, INDOCRYPT 2019; here one share serves as both: the lowest
//! bits of the words of a shared bit are its shares under exclusive or).
//!
//! *Security*: semi-honest, that of the products and transfers that make them ([`make`]). An item masks what one run
//! opens, so it must be used once: items are taken out of a [`Stock`] by value, and what stores them claims each chunk
//! durably before it reads it ([`Supply`]). The peer learns which chunks a party has in store, which follow from earlier
//! jobs of the two.
//!
//! *Cost*: what a product opens is `4 * width` bits, one exchange ([`crate::two_party`]); a word of a bit 2 bits.
//!
//! *Shapes and units*: an item is one triple, one bit or one triple of matrices; a chunk is [`Kind::chunk`] items, as they
//! are made, stored and claimed.

mod make;
mod stock;
pub(crate) mod supply;
#[cfg(test)]
pub(crate) mod tests;

pub use make::{Maker, expected};
pub use stock::Stock;
pub use supply::{NoSupply, STATEMENT_BYTES, Supply};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::backend::MatrixShape;

/// Items of a chunk of triples or bits.
const CHUNK: usize = 1 << 16;

/// Words of the largest matrix triple that is made: 64 MiB a party.
const MATRIX_WORDS: usize = 1 << 23;

/// What is made in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Shares of `a`, `b` and `a * b`, modulo `2^word`.
    Triples {
        /// 64 or 128.
        word: u32,
    },
    /// Shares of random bits, modulo `2^word`.
    Bits {
        /// 64 or 128.
        word: u32,
    },
    /// Shares of matrices `A`, `B` and `A B` of a shape, modulo `2^64`.
    MatrixTriples(MatrixShape),
}

impl Kind {
    /// The triples for products modulo `2^width`.
    pub fn triples(width: u32) -> Self {
        Self::Triples { word: if width <= 64 { 64 } else { 128 } }
    }

    /// The triples for products of matrices; none where they would be too large to be worth a store.
    pub fn matrix_triples(shape: MatrixShape) -> Option<Self> {
        let kind = Self::MatrixTriples(shape);
        let of = |rows: usize, columns: usize| rows.checked_mul(columns);
        let MatrixShape { rows, inner, columns } = shape;
        let sizes = [of(rows, inner)?, of(inner, columns)?, of(rows, columns)?];
        let words = sizes.into_iter().try_fold(0_usize, usize::checked_add)?;
        (1..=MATRIX_WORDS).contains(&words).then_some(kind)
    }

    /// Words of an item, vector by vector.
    fn words(self) -> Vec<usize> {
        match self {
            Self::Triples { .. } => vec![1; 3],
            Self::Bits { .. } => vec![1],
            Self::MatrixTriples(MatrixShape { rows, inner, columns }) => {
                vec![rows * inner, inner * columns, rows * columns]
            }
        }
    }

    /// How many words of 64 bits a word takes.
    fn limbs(self) -> usize {
        match self {
            Self::Triples { word } | Self::Bits { word } => word as usize / 64,
            Self::MatrixTriples(_) => 1,
        }
    }

    /// Items of a chunk.
    pub fn chunk(self) -> u64 {
        match self {
            Self::Triples { .. } | Self::Bits { .. } => CHUNK as u64,
            Self::MatrixTriples(_) => 1,
        }
    }

    /// The bytes of a chunk at each party.
    pub fn chunk_bytes(self) -> usize {
        self.words().iter().sum::<usize>() * self.limbs() * 8 * self.chunk() as usize
    }

    /// The kind of a name that [`Kind::name`] gives.
    pub fn named(name: &str) -> Option<Self> {
        let mut numbers = name.rsplit('-').map_while(|part| part.parse::<usize>().ok());
        let mut next = || numbers.next();
        let kind = match name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-') {
            "triples" => Self::Triples { word: next().and_then(|word| u32::try_from(word).ok())? },
            "bits" => Self::Bits { word: next().and_then(|word| u32::try_from(word).ok())? },
            "matrix-triples" => {
                let (columns, inner, rows) = (next()?, next()?, next()?);
                Self::matrix_triples(MatrixShape { rows, inner, columns })?
            }
            _ => return None,
        };
        let known = matches!(kind, Self::Triples { word: 64 | 128 } | Self::Bits { word: 64 | 128 });
        (kind.name() == name && (known || matches!(kind, Self::MatrixTriples(_)))).then_some(kind)
    }

    /// Its name: lower-case letters, digits and dashes.
    pub fn name(self) -> String {
        match self {
            Self::Triples { word } => format!("triples-{word}"),
            Self::Bits { word } => format!("bits-{word}"),
            Self::MatrixTriples(MatrixShape { rows, inner, columns }) => {
                format!("matrix-triples-{rows}-{inner}-{columns}")
            }
        }
    }
}

/// How many items of each kind; kinds of which there are none are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts(BTreeMap<Kind, u64>);

impl Counts {
    /// How many of a kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// Adds some of a kind.
    pub fn add(&mut self, kind: Kind, count: u64) {
        if count > 0 {
            let sum = self.0.entry(kind).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// Adds others.
    pub fn extend(&mut self, other: &Self) {
        other.iter().for_each(|(kind, count)| self.add(kind, count));
    }

    /// Takes some of a kind, if there are so many.
    fn take(&mut self, kind: Kind, count: u64) -> bool {
        let Some(left) = self.of(kind).checked_sub(count) else { return false };
        if left == 0 {
            self.0.remove(&kind);
        } else {
            self.0.insert(kind, left);
        }
        true
    }

    /// Every kind with its number, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.0.iter().map(|(kind, count)| (*kind, *count))
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Kind, u64)> for Counts {
    fn from_iter<I: IntoIterator<Item = (Kind, u64)>>(items: I) -> Self {
        let mut counts = Self::default();
        items.into_iter().for_each(|(kind, count)| counts.add(kind, count));
        counts
    }
}

/// What a plan may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ready {
    /// So many items and no more.
    Counted(Counts),
    /// Whatever it has a use for: what a plan that repeats would take.
    Unlimited,
}

impl Default for Ready {
    fn default() -> Self {
        Self::Counted(Counts::default())
    }
}

impl Ready {
    /// Whether there are so many.
    pub(crate) fn has(&self, kind: Kind, count: u64) -> bool {
        match self {
            Self::Counted(counts) => counts.of(kind) >= count,
            Self::Unlimited => true,
        }
    }

    /// Takes what [`Ready::has`] says is there.
    pub(crate) fn take(&mut self, kind: Kind, count: u64) {
        if let Self::Counted(counts) = self {
            assert!(counts.take(kind, count), "no more than there are");
        }
    }
}
