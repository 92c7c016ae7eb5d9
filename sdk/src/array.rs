//! Array expressions: operators and methods that append operations to a program.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Sub};

use tacit_protocol::Number;
use tacit_protocol::program::{Binary, Dim, NodeId, Op, Reduction, SliceAxis, Unary};
use tacit_protocol::schema::Element;

use crate::builder::ProgramBuilder;

/// An array of a program that is being built.
#[derive(Clone)]
pub struct Array {
    builder: ProgramBuilder,
    id: NodeId,
    /// The block that it belongs to.
    scope: u32,
}

/// What an operator takes beside an array: another array, or a literal, which becomes a constant.
#[derive(Clone)]
pub enum Operand {
    /// An array of the same program.
    Array(Array),
    /// A public scalar.
    Literal(Element, Number),
}

impl From<&Array> for Operand {
    fn from(array: &Array) -> Self {
        Self::Array(array.clone())
    }
}

impl From<Array> for Operand {
    fn from(array: Array) -> Self {
        Self::Array(array)
    }
}

impl From<i64> for Operand {
    fn from(value: i64) -> Self {
        Self::Literal(Element::Int64, value.into())
    }
}

impl From<i32> for Operand {
    fn from(value: i32) -> Self {
        i64::from(value).into()
    }
}

impl From<bool> for Operand {
    fn from(value: bool) -> Self {
        Self::Literal(Element::Bool, i64::from(value).into())
    }
}

impl From<Number> for Operand {
    /// An int64 where the number is whole, else a decimal of its own scale.
    fn from(value: Number) -> Self {
        match value.scale() {
            0 => Self::Literal(Element::Int64, value),
            scale => Self::Literal(Element::Decimal { scale }, value),
        }
    }
}

impl From<f64> for Operand {
    /// A float64.
    ///
    /// # Panics
    /// If the value is not finite or has more digits than a [`Number`].
    fn from(value: f64) -> Self {
        Self::Literal(Element::Float64, Number::try_from(value).expect("a finite float of at most 27 digits"))
    }
}

impl Array {
    pub(crate) fn new(builder: ProgramBuilder, id: NodeId, scope: u32) -> Self {
        Self { builder, id, scope }
    }

    /// Its place in the block that is being written.
    ///
    /// # Panics
    /// If it belongs to another block: a loop body reads values from outside only through the captured parameters of
    /// [`ProgramBuilder::repeat`], and what it computes leaves it only as a carried value.
    pub fn id(&self) -> NodeId {
        assert_eq!(
            self.scope,
            self.builder.scope(),
            "an array of another block is used here: capture it in `repeat`, or carry it out of the loop"
        );
        self.id
    }

    /// The same array, named for plans and messages.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.builder.name(self.id(), name);
        self
    }

    pub(crate) fn binary(&self, function: Binary, other: impl Into<Operand>) -> Self {
        let right = self.builder.constant(other).id();
        self.builder.array(Op::Binary { function, left: self.id(), right })
    }

    /// `self < other`.
    pub fn lt(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::Less, other)
    }

    /// `self <= other`.
    pub fn le(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::LessEqual, other)
    }

    /// `self > other`.
    pub fn gt(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::Greater, other)
    }

    /// `self >= other`.
    pub fn ge(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::GreaterEqual, other)
    }

    /// `self == other`.
    pub fn equal(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::Equal, other)
    }

    /// `self != other`.
    pub fn not_equal(&self, other: impl Into<Operand>) -> Self {
        self.binary(Binary::NotEqual, other)
    }

    /// A public scalar of the same program.
    pub(crate) fn beside(&self, value: impl Into<Operand>) -> Self {
        self.builder.constant(value)
    }

    /// `then` where this bool array is true, else `otherwise`.
    pub fn choose(&self, then: impl Into<Operand>, otherwise: impl Into<Operand>) -> Self {
        let (then, otherwise) = (self.builder.constant(then).id(), self.builder.constant(otherwise).id());
        self.builder.array(Op::Where { condition: self.id(), then, otherwise })
    }

    /// A reduction over axes (none: all), of the cells where `mask` is true.
    pub fn reduce(&self, function: Reduction, axes: &[u8], keep_dims: bool, mask: Option<&Self>) -> Self {
        let mask = mask.map(Self::id);
        self.builder.array(Op::Reduce { function, value: self.id(), axes: axes.to_vec(), keep_dims, mask })
    }

    /// The sum of all cells.
    pub fn sum(&self) -> Self {
        self.reduce(Reduction::Sum, &[], false, None)
    }

    /// The mean of all valid cells.
    pub fn mean(&self) -> Self {
        self.reduce(Reduction::Mean, &[], false, None)
    }

    /// The variance of all valid cells: the mean square of how far they are from their mean.
    pub fn var(&self) -> Self {
        self.reduce(Reduction::Var, &[], false, None)
    }

    /// The mean of the cells where the mask is true.
    pub fn mean_where(&self, mask: &Self) -> Self {
        self.reduce(Reduction::Mean, &[], false, Some(mask))
    }

    /// How many cells are valid.
    pub fn count(&self) -> Self {
        self.reduce(Reduction::Count, &[], false, None)
    }

    /// The least cell.
    pub fn min(&self) -> Self {
        self.reduce(Reduction::Min, &[], false, None)
    }

    /// The largest cell.
    pub fn max(&self) -> Self {
        self.reduce(Reduction::Max, &[], false, None)
    }

    /// The place of the largest cell of a one-dimensional array.
    pub fn argmax(&self) -> Self {
        self.reduce(Reduction::Argmax, &[], false, None)
    }

    /// The matrix product.
    pub fn matmul(&self, other: &Self) -> Self {
        self.builder.array(Op::MatMul { left: self.id(), right: other.id() })
    }

    /// The same cells in another shape.
    pub fn reshape(&self, shape: Vec<Dim>) -> Self {
        self.builder.array(Op::Reshape { value: self.id(), shape })
    }

    /// The axes in another order.
    pub fn transpose(&self, axes: &[u8]) -> Self {
        self.builder.array(Op::Transpose { value: self.id(), axes: axes.to_vec() })
    }

    /// A part of each axis.
    pub fn slice(&self, axes: Vec<SliceAxis>) -> Self {
        self.builder.array(Op::Slice { value: self.id(), axes })
    }

    /// The cells along an axis in ascending order.
    pub fn sort(&self, axis: u8) -> Self {
        self.builder.array(Op::Sort { value: self.id(), axis })
    }

    /// The places along an axis that sorted cells come from; equal cells stay in their order.
    pub fn argsort(&self, axis: u8) -> Self {
        self.builder.array(Op::Argsort { value: self.id(), axis })
    }

    /// The rows in the ascending order of `keys`, one a row.
    pub fn sort_rows(&self, keys: &Self) -> Self {
        self.builder.array(Op::SortRows { value: self.id(), keys: keys.id() })
    }

    /// The cells along an axis in the opposite order.
    pub fn flip(&self, axis: u8) -> Self {
        self.builder.array(Op::Flip { value: self.id(), axis })
    }

    /// The cells of public places along an axis, in their order.
    pub fn take(&self, axis: u8, places: impl IntoIterator<Item = u32>) -> Self {
        self.builder.array(Op::Take { value: self.id(), axis, places: places.into_iter().collect() })
    }

    /// The sums of the cells along an axis up to each.
    pub fn cumsum(&self, axis: u8) -> Self {
        self.builder.array(Op::Cumsum { value: self.id(), axis })
    }

    /// All windows of `size` places along an axis; the places within a window are a new last axis.
    pub fn windows(&self, axis: u8, size: u32) -> Self {
        self.builder.array(Op::Windows { value: self.id(), axis, size })
    }

    /// The sums of products of a one-dimensional array with a kernel of `size` places, at each place where the kernel
    /// fits, as `numpy.correlate(self, kernel, "valid")`. A convolution is that with the kernel turned round.
    ///
    /// It is a matrix product of the windows: where the kernel is the encrypted factor, it takes no more bytes than a
    /// product of polynomials would.
    pub fn correlate(&self, kernel: &Self, size: u32) -> Self {
        self.windows(0, size).matmul(kernel)
    }

    /// The same in two dimensions: of an image of `shape` with a kernel of `size`, rows and columns.
    pub fn correlate_2d(&self, kernel: &Self, shape: [u64; 2], size: [u32; 2]) -> Self {
        let left = [0, 1].map(|axis| (shape[axis] + 1).saturating_sub(u64::from(size[axis])));
        let places = u64::from(size[0]) * u64::from(size[1]);
        let windows = self.windows(0, size[0]).windows(1, size[1]);
        let windows = windows.reshape(vec![Dim::fixed(left[0] * left[1]), Dim::fixed(places)]);
        windows.matmul(&kernel.reshape(vec![Dim::fixed(places)])).reshape(left.map(Dim::fixed).to_vec())
    }

    /// The value in another type.
    pub fn cast(&self, element: Element) -> Self {
        self.builder.array(Op::Cast { value: self.id(), element })
    }

    /// The value, promised to be within `[lo, hi]`; the run checks it.
    pub fn assume(&self, lo: Number, hi: Number) -> Self {
        self.builder.array(Op::Assume { value: self.id(), lo, hi })
    }

    pub(crate) fn unary(&self, function: Unary) -> Self {
        self.builder.array(Op::Unary { function, value: self.id() })
    }
}

macro_rules! operator {
    ($($trait:ident $method:ident $function:ident),*) => {$(
        impl<T: Into<Operand>> $trait<T> for &Array {
            type Output = Array;

            fn $method(self, other: T) -> Array {
                self.binary(Binary::$function, other)
            }
        }

        impl<T: Into<Operand>> $trait<T> for Array {
            type Output = Array;

            fn $method(self, other: T) -> Array {
                self.binary(Binary::$function, other)
            }
        }
    )*};
}

operator!(Add add Add, Sub sub Subtract, Mul mul Multiply, Div div Divide, Rem rem Remainder);
operator!(BitAnd bitand And, BitOr bitor Or, BitXor bitxor Xor);

impl Neg for &Array {
    type Output = Array;

    fn neg(self) -> Array {
        self.unary(Unary::Negate)
    }
}

impl Not for &Array {
    type Output = Array;

    fn not(self) -> Array {
        self.unary(Unary::Not)
    }
}
