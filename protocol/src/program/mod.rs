//! The program of a job: a typed graph over tables and arrays, in static single assignment form.
//!
//! A program is built by the SDK, written as JSON, hashed in canonical form and bound by the terms of a job. It holds
//! no data and no sizes of data: row counts are symbols ([`Dim`]), so the same program runs on previews, in the
//! two-party engine and in a confidential VM. The layers over it:
//!
//! - [`validate`]: limits and structure, before anything else is looked at; [`text`]: the readable form;
//! - [`types`]: what inference derives for each node (element, shape, range, validity);
//! - [`functions`]: the real functions of one number: domain, value, error;
//! - [`mod@infer`]: the inference; [`disclosure`]: what a release would tell; `release`: the derived release spec;
//! - [`plain`]: the plain evaluator, which defines the meaning of every operation.
//!
//! A new operation gets a variant of [`Op`] with its entry in [`Op::operands`], a rule in [`mod@infer`], a meaning in
//! [`plain`] and a line in [`text`].

mod dim;
pub mod disclosure;
pub mod error;
pub mod functions;
pub mod history;
pub mod infer;
mod input;
pub mod plain;
pub mod release;
pub mod rules;
pub mod text;
pub mod types;
pub mod validate;

#[cfg(test)]
mod tests;

pub use dim::DimOverflow;
pub use error::{Place, ProgramError};
pub use infer::{TypedBlock, TypedProgram, infer, infer_operation};
pub use input::{InputSource, NARROW_SHARE_BITS, Shares};

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::Number;
use crate::schema::Element;

/// The version of the program format that this crate reads and writes.
pub const PROGRAM_VERSION: u16 = 1;

/// Limits that hold before anything else is looked at (CHK-201).
pub mod limits {
    /// Bytes of a program in its JSON form.
    pub const PROGRAM_BYTES: usize = 64 * 1024;
    /// Nodes of all blocks together.
    pub const NODES: usize = 4_096;
    /// Released outputs.
    pub const OUTPUTS: usize = 64;
    /// Loops within loops.
    pub const LOOP_DEPTH: usize = 8;
    /// Dimensions of an array.
    pub const RANK: usize = 8;
    /// Trips of one loop.
    pub const TRIPS: u32 = 100_000;
    /// Operations that are run, when each node of a loop body counts once a trip.
    pub const STEPS: u64 = 1 << 24;
    /// Loads, joins and filters together.
    pub const TABLES: usize = 256;
    /// Characters of a name.
    pub const NAME: usize = 64;
    /// Cells of one array, for the largest row counts.
    pub const CELLS: u64 = 1 << 27;
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The format version, [`PROGRAM_VERSION`].
    pub version: u16,
    /// The nodes of the main block. A node refers only to nodes before it.
    pub nodes: Vec<Node>,
    /// The bodies of loops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
    /// What is released, to whom.
    pub outputs: Vec<Output>,
}

/// The place of a node in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The place as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// The place of a loop body in [`Program::blocks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlockId(pub u32);

/// One operation and the name that its author gave to its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct Node {
    /// The operation.
    #[serde(flatten)]
    pub op: Op,
    /// The author's name for it, for messages and plans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The body of a loop. Its first nodes are its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The nodes; they see only each other.
    pub nodes: Vec<Node>,
    /// The next values of the carried values, in their order.
    pub results: Vec<NodeId>,
}

/// A released value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its name in the result.
    pub name: String,
    /// The value.
    pub value: NodeId,
    /// The organisations that receive it; empty: the one that submits the job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<String>,
    /// How far the value may lie from the exact one in 95 of 100 runs, where an owner demands noise; the closer, the more
    /// of a privacy budget it takes. Where nobody does, values are exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Number>,
}

/// A dataset as the program names it: the owner's name, a slash, the dataset's name (`maison/customers`).
pub type DatasetName = String;

/// An operation. Arrays broadcast as in NumPy. Elements promote bool < int64 < decimal < float64 < float64_high, and
/// decimals to the larger scale; constants ([`Op::Constant`] and [`Op::Full`]) take the type of their partner where they
/// are exact in it, and the digits of a float64_high partner. In arithmetic bools are the integers 0 and 1.
///
/// What is said of float64 is said of float64_high too, with steps of `2^-36` for `2^-18`, `1.5 * 10^-11` for `10^-6` and
/// `1.5 * 10^-10` for `10^-5`. Quotients, means and functions that give float64 give float64_high where an operand is.
///
/// Every operation says what it does on invalid cells (nulls, filtered rows). Where nothing is said, a cell of the
/// result is valid when the cells it is computed from are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// A dataset as a table.
    Load {
        /// Which.
        dataset: DatasetName,
    },
    /// The rows of two tables whose keys are equal, in an order that tells nothing. Keys are unique on each side, rows
    /// that a filter left out included; null keys match nothing. Cells keep their validity.
    ///
    /// A private join has as many rows as the smaller side may have; those without a match are invalid.
    Join {
        /// The first table.
        left: NodeId,
        /// The second table.
        right: NodeId,
        /// The key column of the first table.
        left_on: String,
        /// The key column of the second table.
        right_on: String,
        /// Who learns which rows matched.
        alignment: Alignment,
    },
    /// The table with only the rows where `mask` is true and valid. No row moves: the others become invalid.
    Filter {
        /// The table.
        table: NodeId,
        /// A bool array, `[rows]` of the table.
        mask: NodeId,
    },
    /// A column of a table, `[rows]`.
    Column {
        /// The table.
        table: NodeId,
        /// The column; where both sides of a join have it, `dataset.column` with the dataset's own name.
        column: String,
    },
    /// Public values.
    Constant {
        /// Their type: bool, int64, decimal, float64 or float64_high.
        element: Element,
        /// The shape, all sizes fixed.
        shape: Vec<u64>,
        /// The values in row-major order; bools as 0 and 1.
        values: Vec<Number>,
    },
    /// An array of one public value.
    Full {
        /// Its type.
        element: Element,
        /// The shape.
        shape: Vec<Dim>,
        /// The value.
        value: Number,
    },
    /// The int64 numbers 0, 1, ... below `length`.
    ///
    /// Constants and sizes are public, and so is what is computed from them alone.
    Arange {
        /// How many.
        length: Dim,
    },
    /// A size as a public int64 scalar, for arithmetic. The rows of a private join are secret and have no such size:
    /// count valid cells instead.
    Size {
        /// The size.
        of: Dim,
    },
    /// The value converted upward in bool < int64 < decimal < float64 < float64_high; decimals to a larger scale.
    Cast {
        /// The value.
        value: NodeId,
        /// The target type.
        element: Element,
    },
    /// An element-wise operation on one array.
    Unary {
        /// Which.
        function: Unary,
        /// The operand.
        value: NodeId,
    },
    /// An element-wise operation on two arrays.
    Binary {
        /// Which.
        function: Binary,
        /// The first operand.
        left: NodeId,
        /// The second operand.
        right: NodeId,
    },
    /// `then` where `condition` is true, else `otherwise`. A cell is valid when the condition and the chosen cell are.
    Where {
        /// A bool array.
        condition: NodeId,
        /// The values where it is true.
        then: NodeId,
        /// The values where it is false.
        otherwise: NodeId,
    },
    /// A reduction. Invalid cells, and those where `mask` is not both true and valid, take no part.
    ///
    /// Sum and count of nothing are 0. Mean, var, min, max and argmax of nothing are invalid ("undefined").
    Reduce {
        /// Which.
        function: Reduction,
        /// The array.
        value: NodeId,
        /// The axes; empty: all. Argmax takes one axis, or all of a one-dimensional array.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        axes: Vec<u8>,
        /// Whether reduced axes stay with size 1.
        #[serde(default)]
        keep_dims: bool,
        /// Which cells take part, as a bool array that broadcasts to the value's shape.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mask: Option<NodeId>,
    },
    /// The matrix product of arrays of one or two dimensions, as NumPy's `@`. Invalid cells count as 0, so all cells
    /// of the result are valid. Elements are those of [`Binary::Multiply`].
    MatMul {
        /// The left factor.
        left: NodeId,
        /// The right factor.
        right: NodeId,
    },
    /// The same cells in row-major order in another shape.
    Reshape {
        /// The array.
        value: NodeId,
        /// The shape; the products of sizes must be equal.
        shape: Vec<Dim>,
    },
    /// The axes in another order.
    Transpose {
        /// The array.
        value: NodeId,
        /// For each axis of the result, the axis of the operand.
        axes: Vec<u8>,
    },
    /// Arrays one after the other along an axis, in their common element.
    Concatenate {
        /// The arrays, at least one.
        values: Vec<NodeId>,
        /// The axis.
        axis: u8,
    },
    /// A part of each axis. Unlike NumPy's, bounds are not clamped: one outside the array is an error. Where the length
    /// depends on row counts, it must be a multiple of the step at the run.
    Slice {
        /// The array.
        value: NodeId,
        /// One entry an axis.
        axes: Vec<SliceAxis>,
    },
    /// All windows of `size` places along an axis, as NumPy's `sliding_window_view`: the axis keeps the windows' first
    /// places, and a new last axis has the places within a window. Times a kernel they make a convolution.
    Windows {
        /// The array.
        value: NodeId,
        /// The axis.
        axis: u8,
        /// The places of a window, at least 1 and no more than the axis has.
        size: u32,
    },
    /// The cells along an axis in ascending order, numbers or dates. Invalid cells come last, and stay invalid.
    Sort {
        /// The array.
        value: NodeId,
        /// The axis.
        axis: u8,
    },
    /// For each cell of a [`Op::Sort`], the place that it came from (int64); equal cells and invalid ones stay in their
    /// order.
    Argsort {
        /// The array.
        value: NodeId,
        /// The axis.
        axis: u8,
    },
    /// The rows of an array (along its first axis, numbers or dates, all valid) in the ascending order of `keys`, one a
    /// row, numbers or dates. Rows of equal keys stay in their order, those of invalid keys come last.
    SortRows {
        /// The array.
        value: NodeId,
        /// The keys.
        keys: NodeId,
    },
    /// The cells along an axis in the opposite order.
    Flip {
        /// The array.
        value: NodeId,
        /// The axis.
        axis: u8,
    },
    /// The cells of these places along an axis, in their order; a place may occur more than once.
    Take {
        /// The array.
        value: NodeId,
        /// The axis.
        axis: u8,
        /// The places, which are public.
        places: Vec<u32>,
    },
    /// The sums of the cells along an axis up to each, numbers or bools (then int64). Invalid cells count as 0, so all
    /// cells of the result are valid.
    Cumsum {
        /// The array.
        value: NodeId,
        /// The axis.
        axis: u8,
    },
    /// A parameter of a loop body: first the carried values, then the captured ones, then the trip number (int64,
    /// from 0).
    Parameter {
        /// Its place.
        index: u32,
    },
    /// A body run `trips` times. Its value is the tuple of the carried values after the last trip.
    ///
    /// Each carried value declares a range. Inference proves that the body is in its own domain when the carried
    /// values are in range; at run time one secret bit records whether any left it, and gates every release.
    Loop {
        /// The body.
        body: BlockId,
        /// How often.
        trips: u32,
        /// The values that go round.
        carried: Vec<Carried>,
        /// Values of the enclosing block that the body reads.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        captured: Vec<NodeId>,
    },
    /// One value of a loop's tuple.
    Item {
        /// The loop.
        of: NodeId,
        /// Which.
        index: u32,
    },
    /// The value, promised to be within `[lo, hi]` in every valid cell. At run time one secret bit records whether it
    /// is, and gates every release (`OUT_OF_RANGE`). The ends are rounded inward to values of the element, those of
    /// float64 to its nearest step. Numbers and dates have ranges.
    Assume {
        /// The value.
        value: NodeId,
        /// The least value.
        lo: Number,
        /// The largest value.
        hi: Number,
    },
    /// An array that is handed in at the run and is no column of a dataset. Direct sessions run programs with it; a job
    /// of a node reads datasets, and is refused with it.
    Input {
        /// Who brings its cells.
        from: InputSource,
        /// Its type: bool, int64, decimal, float64 or float64_high.
        element: Element,
        /// The shape, all sizes fixed.
        shape: Vec<u64>,
        /// The least value that a valid cell may have; its owner checks it before anything is sent.
        lo: Number,
        /// The largest.
        hi: Number,
    },
}

impl Op {
    /// The nodes that it reads, in the order of its fields. Of a loop: the initial values, then the captured ones.
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Self::Load { .. }
            | Self::Constant { .. }
            | Self::Full { .. }
            | Self::Arange { .. }
            | Self::Size { .. }
            | Self::Parameter { .. }
            | Self::Input { .. } => Vec::new(),
            Self::Join { left, right, .. } | Self::Binary { left, right, .. } | Self::MatMul { left, right } => {
                vec![*left, *right]
            }
            Self::Filter { table, mask } => vec![*table, *mask],
            Self::SortRows { value, keys } => vec![*value, *keys],
            Self::Column { table, .. } => vec![*table],
            Self::Cast { value, .. }
            | Self::Unary { value, .. }
            | Self::Reshape { value, .. }
            | Self::Transpose { value, .. }
            | Self::Slice { value, .. }
            | Self::Windows { value, .. }
            | Self::Sort { value, .. }
            | Self::Argsort { value, .. }
            | Self::Flip { value, .. }
            | Self::Take { value, .. }
            | Self::Cumsum { value, .. }
            | Self::Assume { value, .. } => vec![*value],
            Self::Where { condition, then, otherwise } => vec![*condition, *then, *otherwise],
            Self::Reduce { value, mask, .. } => [Some(*value), *mask].into_iter().flatten().collect(),
            Self::Concatenate { values, .. } => values.clone(),
            Self::Loop { carried, captured, .. } => {
                carried.iter().map(|carried| carried.initial).chain(captured.iter().copied()).collect()
            }
            Self::Item { of, .. } => vec![*of],
        }
    }

    /// The sizes that it names.
    pub fn dims(&self) -> Vec<&Dim> {
        match self {
            Self::Full { shape, .. } | Self::Reshape { shape, .. } => shape.iter().collect(),
            Self::Arange { length } => vec![length],
            Self::Size { of } => vec![of],
            Self::Slice { axes, .. } => axes.iter().flat_map(|axis| [&axis.start, &axis.stop]).collect(),
            _ => Vec::new(),
        }
    }
}

/// Who learns which rows of a join matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// Both owners learn which of their own rows are in both tables.
    Revealed,
    /// Nobody does; membership stays secret-shared.
    Private,
}

/// An element-wise operation on one array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unary {
    /// `-x` of numbers.
    Negate,
    /// `~x` of bools.
    Not,
    /// The magnitude of numbers; exact.
    Abs,
    /// -1, 0 or 1 in the element of the number; exact.
    Sign,
    /// The largest whole number that is not above, in the element of the number; exact, and so are the next two.
    Floor,
    /// The least whole number that is not below.
    Ceil,
    /// The nearest whole number, of two the even one.
    Round,
    /// The square root, float64 as all that follow. A cell below 0 is invalid. Within 1 step of `2^-18`, or `10^-6` of
    /// the value where that is more.
    ///
    /// [`functions`] has domains and errors as numbers; each counts from the exact value of the function at the operand
    /// as float64 cells hold it. Where the range of the operand lies outside the domain, inference refuses; where a part
    /// of it does, such cells are invalid and the validity is secret.
    Sqrt,
    /// `1 / sqrt(x)`. A cell that is not above 0 is invalid. Errs as [`Unary::Sqrt`].
    Rsqrt,
    /// `e^x`, as long as its range fits. Errs as [`Unary::Sqrt`].
    Exp,
    /// `2^x`. As [`Unary::Exp`].
    Exp2,
    /// `e^x - 1`. As [`Unary::Exp`], of whose value the relative part counts.
    Expm1,
    /// The natural logarithm. A cell that is not above 0 is invalid. Within 2 steps.
    Log,
    /// The logarithm to base 2. As [`Unary::Log`].
    Log2,
    /// The logarithm to base 10. As [`Unary::Log`].
    Log10,
    /// `log(1 + x)`. A cell that is not above -1 is invalid. Within 2 steps.
    Log1p,
    /// `1 / (1 + e^-x)`. Within `10^-5`, and so are all that follow.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `log(1 + e^x)`.
    Softplus,
    /// The error function.
    Erf,
    /// `x` times the normal distribution function at `x`.
    Gelu,
    /// The sine of radians.
    Sin,
    /// The cosine of radians.
    Cos,
}

/// An element-wise operation on two arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binary {
    /// `x + y` of numbers; exact, and so are `-` and, on int64 and decimals, `*`.
    Add,
    /// `x - y` of numbers.
    Subtract,
    /// `x * y` of numbers. Decimals add their scales, up to [`Element::MAX_DECIMAL_SCALE`]; float64 is within one step
    /// of `2^-18`. A constant float64 that is whole counts as int64, one that is exact in the scale of a decimal
    /// partner as a decimal of its own digits.
    Multiply,
    /// `x / y` of numbers, as float64. A cell whose divisor is 0 is invalid, so where the divisor's range holds 0 the
    /// validity is secret. The quotient must fit even for the divisor next to 0 in its own type (1 for int64, 0.01
    /// for decimal(2), `2^-18` for float64), else `PROGRAM_RANGE`.
    Divide,
    /// `x < y`, of numbers and bools, or of dates. A constant int64 counts as days beside a date.
    Less,
    /// `x <= y`.
    LessEqual,
    /// `x > y`.
    Greater,
    /// `x >= y`.
    GreaterEqual,
    /// `x == y`, of numbers and bools, of dates, or of categories of the same labels. A constant int64 counts as days
    /// beside a date, as the place in the list beside a category.
    Equal,
    /// `x != y`.
    NotEqual,
    /// `x & y` of bools.
    And,
    /// `x | y` of bools.
    Or,
    /// `x ^ y` of bools.
    Xor,
    /// The lesser of two numbers or dates; exact.
    Minimum,
    /// The larger of two numbers or dates; exact.
    Maximum,
    /// The floor of the quotient of numbers, as `//` of Python and NumPy: int64 of two int64, decimal(0) of decimals,
    /// float64 of float64, exact on the cells as they are. A cell whose divisor is 0 is invalid, as in
    /// [`Binary::Divide`].
    FloorDivide,
    /// `x - floor(x / y) * y` of numbers, as `%` of Python and NumPy: of the divisor's sign. Validity as in
    /// [`Binary::FloorDivide`].
    Remainder,
    /// `x ** y` of numbers, where `y` is one constant. Of a whole number from 0 to 64: products as [`Binary::Multiply`]
    /// makes them, and 1 where `y` is 0. Of any other from -64 to 64: float64, and invalid where `x` is not above 0; within
    /// 1 step of `2^-18`, or `10^-6 max(1, |y| / 2)` of the value where that is more.
    Power,
}

/// A reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// The sum; of bools, how many are true (int64).
    Sum,
    /// The mean, float64, in the range of the values: unlike a quotient of sum and count, it needs no wider one.
    Mean,
    /// The mean square of how far the values are from their mean, float64: NumPy's variance with `ddof` 0.
    Var,
    /// How many cells are valid (int64).
    Count,
    /// The least value.
    Min,
    /// The largest value.
    Max,
    /// The place of the largest value, the first of equals (int64).
    Argmax,
}

/// A value that goes round a loop.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// Its value before the first trip. Its type and shape stay the same.
    pub initial: NodeId,
    /// The least value it may take at the end of any trip. The initial value must provably lie in the range, and the
    /// loop's value has it.
    pub lo: Number,
    /// The largest.
    pub hi: Number,
}

/// The part of one axis that a slice takes: from `start` up to but not including `stop`, every `step`-th.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SliceAxis {
    /// The first position.
    pub start: Dim,
    /// The position after the last.
    pub stop: Dim,
    /// The stride, at least 1.
    pub step: u32,
}

/// A size: `(constant + sum of coefficient * rows of a table) / divisor`. Division must be exact at the run.
///
/// In JSON, a fixed size is a plain number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(try_from = "DimForm", into = "DimForm")]
pub struct Dim {
    /// The part that is known.
    pub constant: i64,
    /// Coefficients of the row counts of tables, by the node that makes the rows ([`Op::Load`] or [`Op::Join`]).
    pub rows: BTreeMap<NodeId, i64>,
    /// What the sum is divided by, at least 1.
    pub divisor: u32,
}

impl Dim {
    /// A fixed size.
    pub fn fixed(size: u64) -> Self {
        Self { constant: i64::try_from(size).unwrap_or(i64::MAX), rows: BTreeMap::new(), divisor: 1 }
    }

    /// The row count of the table that `node` makes.
    pub fn rows_of(node: NodeId) -> Self {
        Self { constant: 0, rows: BTreeMap::from([(node, 1)]), divisor: 1 }
    }

    /// The size, if it depends on no row count.
    pub fn as_fixed(&self) -> Option<u64> {
        let exact = self.rows.is_empty() && self.divisor != 0 && self.constant % i64::from(self.divisor) == 0;
        if exact { u64::try_from(self.constant / i64::from(self.divisor)).ok() } else { None }
    }
}

/// The JSON forms of a [`Dim`].
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum DimForm {
    Fixed(u64),
    Symbolic(SymbolicForm),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SymbolicForm {
    #[serde(default)]
    constant: i64,
    /// By the place of the node, as a string: in an untagged form, keys are not read as numbers.
    rows: BTreeMap<String, i64>,
    #[serde(default = "one")]
    divisor: u32,
}

fn one() -> u32 {
    1
}

impl TryFrom<DimForm> for Dim {
    type Error = String;

    fn try_from(form: DimForm) -> Result<Self, String> {
        match form {
            DimForm::Fixed(size) => {
                let constant = i64::try_from(size).map_err(|_| format!("the size {size} is too large"))?;
                Ok(Self { constant, rows: BTreeMap::new(), divisor: 1 })
            }
            DimForm::Symbolic(SymbolicForm { constant, rows, divisor }) => {
                let node = |text: &str| {
                    let node = text.parse().map(NodeId).ok().filter(|node| node.0.to_string() == text);
                    node.ok_or_else(|| format!("{text:?} is no place of a node"))
                };
                let rows: Result<_, String> = rows.into_iter().map(|(text, k)| Ok((node(&text)?, k))).collect();
                Ok(Self { constant, rows: rows?, divisor })
            }
        }
    }
}

impl From<Dim> for DimForm {
    fn from(dim: Dim) -> Self {
        match dim.as_fixed() {
            Some(size) if dim.divisor == 1 => Self::Fixed(size),
            _ => {
                let rows = dim.rows.into_iter().map(|(node, k)| (node.0.to_string(), k)).collect();
                Self::Symbolic(SymbolicForm { constant: dim.constant, rows, divisor: dim.divisor })
            }
        }
    }
}

impl Program {
    /// An empty program of the current version.
    pub fn new() -> Self {
        Self { version: PROGRAM_VERSION, nodes: Vec::new(), blocks: Vec::new(), outputs: Vec::new() }
    }

    /// The digest by which terms, policies and receipts name the program: SHA-256 of its canonical form.
    pub fn hash(&self) -> crate::canonical::Digest {
        crate::terms::program_digest(self)
    }

    /// Appends an operation to the main block and gives its place.
    pub fn push(&mut self, op: Op) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer nodes than a u32 counts"));
        self.nodes.push(Node { op, name: None });
        id
    }
}

impl Default for Program {
    fn default() -> Self {
        Self::new()
    }
}
