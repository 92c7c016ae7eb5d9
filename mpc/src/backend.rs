//! The operations that cost communication. Everything else that the engine computes is local, or is written once
//! over this trait, so that the ring interpreter and the two-party engine differ in nothing but this.

use bincode::Encode;
use serde::{Deserialize, Serialize};
use tacit_protocol::PartyId;

use crate::arithmetic::{self, Sorting};
use crate::error::Result;
use crate::offline::Counts;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Seat};

/// The non-linear operations on shared vectors.
///
/// Two implementations: `Clear`, the ring interpreter, in which one process holds all values (its parts are the
/// values themselves whatever the placement), and `TwoParty`. All operations are element-wise on vectors of equal
/// length unless they say otherwise. Where every operand is public, or private to one party, an implementation
/// computes locally and the result has that placement.
///
/// `bits` arguments are widths from range analysis: the value lies in `[-2^(bits-1), 2^(bits-1))`.
pub trait Backend<R: Ring>: Seat {
    /// Runs operations that do not depend on each other. An implementation may run them side by side, so that they share
    /// their messages; `needs` tells what each takes.
    fn together(&mut self, needs: &[Needs], jobs: Vec<Job<'_, R>>) -> Result<()>;

    /// What the operations from here on may take of what was made before the run.
    fn allow(&mut self, counts: &Counts) {
        let _ = counts;
    }

    /// `a & b`.
    fn and(&mut self, a: &Bits, b: &Bits) -> Result<Bits>;

    /// The bits as words 0 and 1.
    fn to_arith(&mut self, a: &Bits) -> Result<Arith<R>>;

    /// `c * x`: `x` where the bit is 1, else 0. `x` may hold `k` times as many words as `c` has bits: column `j` of
    /// row `i` is word `i * k + j`, and the columns share the choice.
    fn select(&mut self, c: &Bits, x: &Arith<R>) -> Result<Arith<R>>;

    /// The product in the ring of values of at most `a_bits` and `b_bits`. Here and in the products below, a square is
    /// told by one reference for both operands, and may cost less.
    fn multiply(&mut self, a: &Arith<R>, b: &Arith<R>, a_bits: u32, b_bits: u32) -> Result<Arith<R>>;

    /// `floor(a * b / 2^shift)` or one less, for a product of at most `product_bits` bits, less than the word's;
    /// `shift` is less than `product_bits`. Costs about `(product_bits / R::BITS)^2` of the full product.
    fn multiply_truncate(
        &mut self,
        a: &Arith<R>,
        b: &Arith<R>,
        bits: (u32, u32),
        product_bits: u32,
        shift: u32,
    ) -> Result<Arith<R>>;

    /// [`Backend::select`] where only the result modulo `2^width` is wanted: the parts of a shared result count modulo
    /// that, and their upper bits are noise. Takes such parts as well.
    fn select_within(&mut self, c: &Bits, x: &Arith<R>, width: u32) -> Result<Arith<R>>;

    /// `x * sum(2^j * places[j])` modulo `2^width`, as [`Backend::select_within`].
    fn shift_within(&mut self, places: &[Bits], x: &Arith<R>, width: u32) -> Result<Arith<R>>;

    /// [`Backend::multiply`] where only the product modulo `2^width` is wanted, as [`Backend::select_within`].
    fn multiply_within(&mut self, a: &Arith<R>, b: &Arith<R>, bits: (u32, u32), width: u32) -> Result<Arith<R>>;

    /// `floor(x / 2^shift)` or one less, of a value that counts modulo `2^width`: `|x| < 2^(width - 2)`, and
    /// `shift + 2 <= width`. Exact for a shift of 0. The result counts modulo `2^wanted`.
    fn truncate_within(&mut self, x: &Arith<R>, shift: u32, width: u32, wanted: u32) -> Result<Arith<R>>;

    /// The matrix product of `a: [rows, inner]` and `b: [inner, columns]`, row-major. Of a factor that other products of the
    /// run have as well, an implementation may keep what it made of it.
    fn matrix_multiply(
        &mut self,
        a: &Arith<R>,
        b: &Arith<R>,
        shape: MatrixShape,
        bits: (u32, u32),
        repeat: Option<Repeat>,
    ) -> Result<Arith<R>>;

    /// Words seen as `[columns, groups, n]`, sorted within each group by the first column, whose words are distinct there.
    fn sort(&mut self, x: &Arith<R>, sorting: &Sorting) -> Result<Arith<R>> {
        arithmetic::sort(self, x, sorting)
    }

    /// Words seen as `[columns, groups, n]`, each group in an order that nobody knows, its columns in the same.
    fn shuffle(&mut self, x: &Arith<R>, columns: usize, groups: usize) -> Result<Arith<R>>;

    /// Whether `x < 0`.
    fn is_negative(&mut self, x: &Arith<R>, bits: u32) -> Result<Bits>;

    /// Whether `x == 0`.
    fn is_zero(&mut self, x: &Arith<R>, bits: u32) -> Result<Bits>;

    /// `floor(x / 2^shift)` or one less, for `|x| < 2^(R::BITS - 2)`. Never wrong by more.
    fn truncate(&mut self, x: &Arith<R>, shift: u32) -> Result<Arith<R>>;

    /// `floor(x / 2^shift)` exactly.
    fn floor_shift(&mut self, x: &Arith<R>, shift: u32, bits: u32) -> Result<Arith<R>>;

    /// The low `count` bits of each word of a value of at most `bits` bits: bit `j` of all elements is entry `j`.
    fn bits_of(&mut self, x: &Arith<R>, count: u32, bits: u32) -> Result<Vec<Bits>>;

    /// Two numbers that add up to `x` modulo `2^width`, each in `[0, 2^width)` and known to one party: the parts of a shared
    /// value. Of a value that is not shared, the value and zero. Nothing is sent.
    fn parts(&mut self, x: &Arith<R>, width: u32) -> [Arith<R>; 2];

    /// The entries of a public table at the sums of two indices, modulo its length: a vector for each of its columns.
    /// The indices are those of [`Backend::parts`] or made from them. Each column counts modulo `2^width`, as in
    /// [`Backend::select_within`].
    fn look_up(&mut self, index: [&Arith<R>; 2], table: &Table) -> Result<Vec<Arith<R>>>;

    /// The values, to the parties named; `None` on a side that is not. Both sides send nothing they were not asked.
    fn reveal(&mut self, x: &Arith<R>, to: &[PartyId]) -> Result<Option<Vec<R>>>;

    /// The bits, to the parties named, packed as in [`Bits`].
    fn reveal_bits(&mut self, x: &Bits, to: &[PartyId]) -> Result<Option<Vec<u64>>>;
}

/// A public table of signed numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The bits of an index: there are two to the power of this many entries, at most [`Table::MOST_BITS`].
    pub index_bits: u32,
    /// Its columns; together no wider than [`Table::MOST_WIDTH`].
    pub columns: Vec<Column>,
}

/// A column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The bits that count: each entry lies in `[-2^(width-1), 2^(width-1))`.
    pub width: u32,
    /// One entry an index.
    pub entries: Vec<i128>,
}

impl Table {
    /// The most bits of an index.
    pub const MOST_BITS: u32 = 8;
    /// The most bits of an entry in all columns.
    pub const MOST_WIDTH: u32 = 128;

    /// How many entries a column has.
    pub fn size(&self) -> usize {
        1 << self.index_bits
    }

    /// The bits of an entry in all columns.
    pub fn width(&self) -> u32 {
        self.columns.iter().map(|column| column.width).sum()
    }
}

/// What an operation takes.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// How many transfers each party offers.
    pub offered: [u64; 2],
    /// What was made before the run.
    pub counts: Counts,
}

/// A factor that several matrix products of a run have, in a form that one encryption serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode)]
pub struct Repeat {
    /// What tells these products from the others of the run.
    pub group: u32,
    /// Whether it is the left one.
    pub left: bool,
    /// How many they are; two at least.
    pub products: u32,
}

/// An operation on a backend that leaves its result where the closure puts it.
pub type Job<'j, R> = Box<dyn FnOnce(&mut dyn Backend<R>) -> Result<()> + Send + 'j>;

/// The sizes of a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatrixShape {
    /// Rows of the left factor.
    pub rows: usize,
    /// Columns of the left factor, rows of the right.
    pub inner: usize,
    /// Columns of the right factor.
    pub columns: usize,
}
