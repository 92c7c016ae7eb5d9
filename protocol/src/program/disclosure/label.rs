//! What the analysis knows of a value (security note §3.1).

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::program::NodeId;
use crate::program::types::Interval;
use crate::schema::Element;
use crate::{Number, PartyId};

use super::formula::Formula;

/// The hash of an expression: equal expressions have equal digests, whatever their nodes are called and wherever they
/// stand.
pub(super) type Digest = [u8; 16];

/// The digest of an operation from its parameters and operands.
pub(super) fn digest(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).expect("a length fits a u64").to_le_bytes());
        hash.update(part);
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(&hash.finalize()[..16]);
    digest
}

/// A column of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Source {
    pub(super) dataset: String,
    pub(super) column: String,
}

/// The function of one row that an aggregate adds up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fun {
    pub(super) digest: Digest,
    /// The columns that it reads; empty: it is the same in every row.
    pub(super) sources: BTreeSet<Source>,
}

impl Fun {
    /// The constant 1, whose sum is a count.
    pub(super) const ONE: Self = Self { digest: [0; 16], sources: BTreeSet::new() };

    pub(super) fn product(&self, other: &Self) -> Self {
        match (self == &Self::ONE, other == &Self::ONE) {
            (true, _) => other.clone(),
            (_, true) => self.clone(),
            _ => {
                let (a, b) = (self.digest.min(other.digest), self.digest.max(other.digest));
                let sources = self.sources.union(&other.sources).cloned().collect();
                Self { digest: digest(&[b"product", &a, &b]), sources }
            }
        }
    }
}

/// One term of a value of a row: `coefficient * fun` where the mask holds, else 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Term {
    pub(super) mask: Formula,
    pub(super) fun: Fun,
    pub(super) coefficient: Number,
}

/// Where the symmetry of the rows was broken (`sym` of the note).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// Whether the position scales or moves rows, instead of only picking them.
    pub(super) moves: bool,
    /// The node that did it.
    pub(super) node: NodeId,
}

/// An aggregate in [`super::transfer::Labels::aggregates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AggregateId(pub(super) usize);

/// A sum or count over the rows of a table, or an order statistic of them.
#[derive(Clone, Debug)]
pub(super) struct Aggregate {
    /// The node that made it first.
    pub(super) node: NodeId,
    /// The table whose rows it adds up; none: rows of several tables, or rows that lost their table.
    pub(super) table: Option<NodeId>,
    /// What it adds up; none: not derivable.
    pub(super) terms: Option<Vec<Term>>,
    /// The columns in it, by value or mask.
    pub(super) sources: BTreeSet<Source>,
    /// How many values it has; more than one: one for each cell of a row.
    pub(super) cells: u64,
    /// The range of one row's value, in steps of the element.
    pub(super) row_range: Interval,
    pub(super) element: Element,
    pub(super) position: Option<Position>,
    pub(super) order: Option<NodeId>,
    pub(super) scaled: Scaled,
}

/// Numeric columns that are multiplied with numbers of another owner: (dataset, the owner of the weights) and where.
pub(super) type Scaled = BTreeMap<(String, PartyId), NodeId>;

/// What is known of a value.
#[derive(Clone, Debug)]
pub(super) struct Label {
    /// Columns that flow in by value, not yet aggregated.
    pub(super) values: BTreeSet<Source>,
    /// Columns that flow in only by picking rows (comparisons, filters, bools), not yet aggregated.
    pub(super) masks: BTreeSet<Source>,
    /// Tables whose rows it still has apart.
    pub(super) tables: BTreeSet<NodeId>,
    /// Aggregates that flow in.
    pub(super) aggregates: BTreeSet<AggregateId>,
    /// The value of a row as a sum; none: not derivable.
    pub(super) terms: Option<Vec<Term>>,
    /// In which rows it is valid.
    pub(super) valid: Formula,
    /// In which rows a bool is true and valid.
    pub(super) truth: Option<Formula>,
    pub(super) digest: Digest,
    /// The digest and element before exact conversions, for comparisons.
    pub(super) unconverted: (Digest, Option<Element>),
    /// The value, if it is one public number everywhere.
    pub(super) constant: Option<Number>,
    pub(super) position: Option<Position>,
    /// A comparison of an aggregate that it depends on, and the aggregates compared.
    pub(super) thresholds: BTreeMap<NodeId, BTreeSet<AggregateId>>,
    /// A loop that it comes out of.
    pub(super) model: Option<NodeId>,
    pub(super) scaled: Scaled,
    /// Whether it is an aggregate or mean as it is, so that it tells no more than those do.
    pub(super) direct: bool,
}

impl Label {
    /// Whether it has cells of single rows.
    pub(super) fn per_row(&self) -> bool {
        !(self.values.is_empty() && self.masks.is_empty() && self.tables.is_empty())
    }

    /// All columns that flow in row by row.
    pub(super) fn row_sources(&self) -> BTreeSet<Source> {
        self.values.union(&self.masks).cloned().collect()
    }
}
