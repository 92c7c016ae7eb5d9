//! The steps of a plan: operations on vectors of ring words or bits, in static single assignment form.
//!
//! Steps know lengths, not shapes; the lowering of each program operation arranges axes with [`View`]s. Every step
//! has a [`Placement`], which decides what it costs: what is public, or private to one party, is computed locally.

use bincode::Encode;
use tacit_protocol::program::{NodeId, Unary};
use tacit_protocol::{Number, PartyId};

use crate::arithmetic::Reals;
use crate::backend::Repeat;
use crate::share::Placement;

/// The place of a step in its plan, and so the value that it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct ValueId(pub u32);

impl ValueId {
    /// The place as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a value is a vector of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode)]
pub enum Kind {
    /// Ring words, shared additively.
    Words,
    /// Bits, shared by XOR.
    Bits,
}

/// Which half of a column a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode)]
pub enum ColumnPart {
    /// The cells.
    Data,
    /// Which cells are not null.
    Valid,
}

/// Which part of an array that is handed in a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode)]
pub enum InputPart {
    /// The cells, or this party's shares of them, in words of the plan's width or wider.
    Data,
    /// Shares of which cells are valid.
    Valid,
    /// A party's own shares in words of 64 bits as numbers from 0, known to it, for a plan of wider words: those of party
    /// 0 shifted by [`InputPart::SHIFT`].
    Share(PartyId),
    /// Whether the topmost bit of those is 0.
    ShareLow(PartyId),
}

impl InputPart {
    /// What is added to a value in shares of 64 bits so that it is from 0 to 2^63, where the topmost bits of the shares
    /// tell whether their sum wraps.
    pub const SHIFT: u64 = 1 << 62;
}

/// A strided selection of cells: cell `i` of the result, at index `(i_0, i_1, ...)` of `shape` in row-major order, is
/// cell `offset + sum(i_k * strides_k)` of the operand. Covers slices, transposes and broadcasts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode)]
pub struct View {
    /// The cell of index 0.
    pub offset: usize,
    /// The sizes of the result's axes.
    pub shape: Vec<usize>,
    /// What one step along each axis adds to the operand's place, modulo the word: a step back is `usize::MAX`.
    pub strides: Vec<usize>,
}

/// An operation on vectors.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode)]
pub enum RingOp {
    /// A column of a dataset in the order of its own rows, known to its owner.
    Column {
        /// The load of the dataset.
        source: NodeId,
        /// The column.
        column: String,
        /// Cells or validity.
        part: ColumnPart,
    },
    /// Cells of one owner's table in the order of the rows of a join; only the owner knows which they are.
    Align {
        /// The cells.
        value: ValueId,
        /// The join.
        join: NodeId,
    },
    /// Public words.
    Words(Vec<i128>),
    /// The same public word everywhere.
    Fill(i128),
    /// Public bits, packed.
    Bits(Vec<u64>),
    /// The same public bit everywhere.
    FillBits(bool),
    /// Cells arranged otherwise.
    View(ValueId, View),
    /// Each operand seen as `[outer, its own size]`, put side by side along the second axis.
    Concatenate {
        /// The operands.
        values: Vec<ValueId>,
        /// How many rows each is cut into.
        outer: usize,
    },
    /// `sum(coefficient * term) + constant` of words.
    Linear {
        /// The terms.
        terms: Vec<(ValueId, i128)>,
        /// What is added to each word.
        constant: i128,
    },
    /// `a ^ b`.
    Xor(ValueId, ValueId),
    /// Words seen as `[groups, size]`, summed along the second axis.
    Sum {
        /// The words.
        value: ValueId,
        /// How many sums.
        groups: usize,
    },
    /// Words seen as `[groups, size]`, each with all before it along the second axis added.
    Cumsum {
        /// The words.
        value: ValueId,
        /// How many rows of sums.
        groups: usize,
    },
    /// `a & b`.
    And(ValueId, ValueId),
    /// Bits as words.
    ToArith(ValueId),
    /// The words where the bit is 1, else 0.
    Select {
        /// The bits.
        condition: ValueId,
        /// The words.
        value: ValueId,
    },
    /// The product of values of at most so many bits.
    Multiply {
        /// The factors.
        factors: [ValueId; 2],
        /// Their widths.
        bits: [u32; 2],
    },
    /// The matrix product of values of at most so many bits.
    MatrixMultiply {
        /// The factors, row-major.
        factors: [ValueId; 2],
        /// Their widths.
        bits: [u32; 2],
        /// Rows and columns of the left factor, columns of the right.
        shape: [usize; 3],
        /// The factor that other products have as well.
        repeat: Option<Repeat>,
    },
    /// Whether a value of at most `bits` bits is below 0.
    IsNegative {
        /// The value.
        value: ValueId,
        /// Its width.
        bits: u32,
    },
    /// Whether a value of at most `bits` bits is 0.
    IsZero {
        /// The value.
        value: ValueId,
        /// Its width.
        bits: u32,
    },
    /// `floor(value / 2^shift)` or one less.
    Truncate {
        /// The value.
        value: ValueId,
        /// The binary digits that go.
        shift: u32,
    },
    /// `floor(value / 2^shift)` exactly.
    FloorShift {
        /// The value.
        value: ValueId,
        /// The binary digits that go.
        shift: u32,
        /// The width of the value.
        bits: u32,
    },
    /// `floor(value / divisor)` exactly.
    DivideFloor {
        /// The value.
        value: ValueId,
        /// The public divisor, at least 1.
        divisor: u64,
        /// The width of the value.
        bits: u32,
    },
    /// `numerator * 2^fraction_bits / divisor` within one step; 0 where the divisor is 0.
    Divide {
        /// The numerator.
        numerator: ValueId,
        /// The divisor.
        divisor: ValueId,
        /// Whether the divisor may be negative.
        divisor_signed: bool,
        /// The binary digits that the quotient gains.
        fraction_bits: u32,
        /// The widths of numerator, divisor and quotient.
        bits: [u32; 3],
    },
    /// Whether the divisor of a [`RingOp::Divide`] or [`RingOp::FloorQuotient`] is not 0, or a [`RingOp::Function`]
    /// or [`RingOp::Power`] is defined.
    Defined(ValueId),
    /// Words seen as `[columns, groups, n]`, each group in ascending order of its first column, whose words are distinct.
    Sort {
        /// The words.
        value: ValueId,
        /// How many columns.
        columns: usize,
        /// How many groups.
        groups: usize,
        /// The width of differences of the first column's words.
        bits: u32,
    },
    /// The largest of each group, of words seen as `[groups, size]`, or its place, the first of equals.
    Largest {
        /// The words.
        value: ValueId,
        /// How many groups.
        groups: usize,
        /// The width of the words.
        bits: u32,
        /// Whether the place is the result.
        place: bool,
    },
    /// A part of an array that is handed in.
    Input {
        /// The node of the program that takes it.
        source: NodeId,
        /// Which part.
        part: InputPart,
    },
    /// The floor of `numerator / divisor`; 0 where the divisor is 0.
    FloorQuotient {
        /// The numerator.
        numerator: ValueId,
        /// The divisor.
        divisor: ValueId,
        /// Whether the divisor may be negative.
        divisor_signed: bool,
        /// The widths of numerator, divisor and quotient.
        bits: [u32; 3],
    },
    /// A real function.
    Function {
        /// Which.
        function: Unary,
        /// The numbers.
        value: ValueId,
        /// What they can be, and in which steps.
        of: Reals,
    },
    /// A power by a real number.
    Power {
        /// The numbers.
        value: ValueId,
        /// The exponent.
        exponent: Number,
        /// What the numbers can be, and in which steps.
        of: Reals,
    },
}

impl RingOp {
    /// Whether each party computes it alone, on its part, whatever the placements.
    pub fn is_local(&self) -> bool {
        matches!(
            self,
            Self::Column { .. }
                | Self::Input { .. }
                | Self::Align { .. }
                | Self::Words(_)
                | Self::Fill(_)
                | Self::Bits(_)
                | Self::FillBits(_)
                | Self::View(..)
                | Self::Concatenate { .. }
                | Self::Linear { .. }
                | Self::Xor(..)
                | Self::Sum { .. }
                | Self::Cumsum { .. }
        )
    }

    /// The values that it reads.
    pub fn operands(&self) -> Vec<ValueId> {
        match self {
            Self::Column { .. }
            | Self::Input { .. }
            | Self::Words(_)
            | Self::Fill(_)
            | Self::Bits(_)
            | Self::FillBits(_) => Vec::new(),
            Self::Align { value, .. }
            | Self::View(value, _)
            | Self::Sum { value, .. }
            | Self::Cumsum { value, .. }
            | Self::ToArith(value)
            | Self::IsNegative { value, .. }
            | Self::IsZero { value, .. }
            | Self::Truncate { value, .. }
            | Self::FloorShift { value, .. }
            | Self::DivideFloor { value, .. }
            | Self::Defined(value)
            | Self::Sort { value, .. }
            | Self::Largest { value, .. }
            | Self::Function { value, .. }
            | Self::Power { value, .. } => vec![*value],
            Self::Concatenate { values, .. } => values.clone(),
            Self::Linear { terms, .. } => terms.iter().map(|(value, _)| *value).collect(),
            Self::Xor(a, b) | Self::And(a, b) => vec![*a, *b],
            Self::Select { condition, value } => vec![*condition, *value],
            Self::Multiply { factors, .. } | Self::MatrixMultiply { factors, .. } => factors.to_vec(),
            Self::Divide { numerator, divisor, .. } | Self::FloorQuotient { numerator, divisor, .. } => {
                vec![*numerator, *divisor]
            }
        }
    }

    /// The same operation on other values.
    #[must_use]
    pub(super) fn map_operands(mut self, map: impl Fn(ValueId) -> ValueId) -> Self {
        match &mut self {
            Self::Column { .. }
            | Self::Input { .. }
            | Self::Words(_)
            | Self::Fill(_)
            | Self::Bits(_)
            | Self::FillBits(_) => {}
            Self::Align { value, .. }
            | Self::View(value, _)
            | Self::Sum { value, .. }
            | Self::Cumsum { value, .. }
            | Self::ToArith(value)
            | Self::IsNegative { value, .. }
            | Self::IsZero { value, .. }
            | Self::Truncate { value, .. }
            | Self::FloorShift { value, .. }
            | Self::DivideFloor { value, .. }
            | Self::Defined(value)
            | Self::Sort { value, .. }
            | Self::Largest { value, .. }
            | Self::Function { value, .. }
            | Self::Power { value, .. } => *value = map(*value),
            Self::Concatenate { values, .. } => values.iter_mut().for_each(|value| *value = map(*value)),
            Self::Linear { terms, .. } => terms.iter_mut().for_each(|(value, _)| *value = map(*value)),
            Self::Xor(a, b) | Self::And(a, b) => (*a, *b) = (map(*a), map(*b)),
            Self::Select { condition, value } => (*condition, *value) = (map(*condition), map(*value)),
            Self::Multiply { factors, .. } | Self::MatrixMultiply { factors, .. } => *factors = factors.map(map),
            Self::Divide { numerator, divisor, .. } | Self::FloorQuotient { numerator, divisor, .. } => {
                (*numerator, *divisor) = (map(*numerator), map(*divisor));
            }
        }
        self
    }

    /// Its name in explanations.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Column { .. } => "column",
            Self::Align { .. } => "align",
            Self::Words(_) | Self::Fill(_) | Self::Bits(_) | Self::FillBits(_) => "constant",
            Self::View(..) => "view",
            Self::Concatenate { .. } => "concatenate",
            Self::Linear { .. } => "linear",
            Self::Xor(..) => "xor",
            Self::Sum { .. } => "sum",
            Self::Cumsum { .. } => "cumsum",
            Self::And(..) => "and",
            Self::ToArith(_) => "to_arith",
            Self::Select { .. } => "select",
            Self::Multiply { .. } => "multiply",
            Self::MatrixMultiply { .. } => "matrix_multiply",
            Self::IsNegative { .. } => "is_negative",
            Self::IsZero { .. } => "is_zero",
            Self::Truncate { .. } => "truncate",
            Self::FloorShift { .. } => "floor_shift",
            Self::DivideFloor { .. } => "divide_floor",
            Self::Divide { .. } => "divide",
            Self::Defined(_) => "defined",
            Self::Sort { .. } => "sort",
            Self::Largest { place: false, .. } => "largest",
            Self::Largest { place: true, .. } => "place_of_largest",
            Self::Input { .. } => "input",
            Self::FloorQuotient { .. } => "floor_quotient",
            Self::Function { function, .. } => function.name(),
            Self::Power { .. } => "power",
        }
    }
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode)]
pub struct Step {
    /// The operation.
    pub op: RingOp,
    /// Words or bits.
    pub kind: Kind,
    /// How many.
    pub len: usize,
    /// Who knows them.
    pub placement: Placement,
    /// The node of the program's main block that it is for, if it is for one.
    pub node: Option<NodeId>,
}

impl Encode for Placement {
    fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        match self {
            Self::Public => 0_u8.encode(encoder),
            Self::Private(party) => (1_u8, party).encode(encoder),
            Self::Shared => 2_u8.encode(encoder),
        }
    }
}
