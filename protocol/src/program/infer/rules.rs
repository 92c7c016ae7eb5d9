//! The rule of each array operation: element, shape, range, validity and publicity of its result.

use std::collections::BTreeMap;

use super::element::{common, constant, is_number, promote};
use super::range::{describe, scale_of};
use super::shape::{broadcast, show};
use super::{Here, arithmetic, arrange, functions, order, reduce};
use crate::Number;
use crate::program::types::{ArrayType, Interval, Validity, ValueType};
use crate::program::{Alignment, Binary, Dim, InputSource, NodeId, Op, ProgramError, Unary, limits};
use crate::schema::Element;

/// What the rules look at.
pub(super) struct Rule<'a> {
    pub(super) here: &'a Here<'a>,
    /// The least and most rows of each Load and Join.
    pub(super) rows: &'a BTreeMap<NodeId, (u64, u64)>,
}

/// The type of a result, and the elements that the operands are brought to.
pub(super) struct Typed {
    pub(super) array: ArrayType,
    pub(super) lattices: Vec<Element>,
}

const BOOL: Interval = Interval { lo: 0, hi: 1 };

impl Rule<'_> {
    pub(super) fn apply(&self, op: &Op) -> Result<Typed, ProgramError> {
        match op {
            Op::Constant { element, shape, values } => self.constant(element, shape, values),
            Op::Full { element, shape, value } => {
                self.public(element.clone(), shape.clone(), self.number(element, *value)?)
            }
            Op::Arange { length } => {
                let (_, most) = length.bounds(self.rows);
                let range = Interval { lo: 0, hi: (most - 1).max(0) };
                self.public(Element::Int64, vec![length.clone()], range)
            }
            Op::Size { of } => self.size(of),
            Op::Cast { value, element } => self.cast(*value, element),
            Op::Unary { function, value } => self.unary(*function, *value),
            Op::Binary { function, left, right } => self.binary(*function, *left, *right),
            Op::Where { condition, then, otherwise } => self.choose(*condition, *then, *otherwise),
            Op::Reduce { function, value, axes, keep_dims, mask } => {
                reduce::reduce(self, *function, *value, axes, *keep_dims, *mask)
            }
            Op::MatMul { left, right } => arithmetic::matrix_multiply(self, *left, *right),
            Op::Reshape { value, shape } => arrange::reshape(self, *value, shape),
            Op::Transpose { value, axes } => arrange::transpose(self, *value, axes),
            Op::Concatenate { values, axis } => arrange::concatenate(self, values, *axis),
            Op::Slice { value, axes } => arrange::slice(self, *value, axes),
            Op::Windows { value, axis, size } => arrange::windows(self, *value, *axis, *size),
            Op::Sort { value, axis } => order::sort(self, *value, *axis),
            Op::SortRows { value, keys } => order::sort_rows(self, *value, *keys),
            Op::Argsort { value, axis } => order::argsort(self, *value, *axis),
            Op::Flip { value, axis } => arrange::flip(self, *value, *axis),
            Op::Take { value, axis, places } => arrange::take(self, *value, *axis, places),
            Op::Cumsum { value, axis } => reduce::cumulate(self, *value, *axis),
            Op::Item { of, index } => self.item(*of, *index),
            Op::Assume { value, lo, hi } => self.assume(*value, *lo, *hi),
            Op::Input { from, element, shape, lo, hi } => self.input(from, element, shape, [*lo, *hi]),
            Op::Load { .. }
            | Op::Join { .. }
            | Op::Filter { .. }
            | Op::Column { .. }
            | Op::Loop { .. }
            | Op::Parameter { .. } => Err(self.here.type_error("it is no array operation", "")),
        }
    }

    /// The range, if it fits its element; else the error that names it.
    pub(super) fn fit(&self, element: &Element, range: Option<Interval>, what: &str) -> Result<Interval, ProgramError> {
        let limit = if *element == Element::Int64 { 64 } else { super::RANGE_BITS };
        let cause = match range {
            Some(range) if range.fits(element) => return Ok(range),
            Some(range) => format!(
                "{what} may lie in {}, which takes {} bits of {}; {limit} are there",
                describe(&range, element),
                range.bits(),
                element.name()
            ),
            None => format!("{what} takes more than 128 bits of {}; {limit} are there", element.name()),
        };
        let next = "Declare narrower ranges in the schema, or narrow an operand by `assume`.";
        Err(self.here.range_error(cause, next))
    }

    /// The range of an operand in the lattice that it is brought to.
    pub(super) fn brought(&self, node: NodeId, to: &Element) -> Result<Interval, ProgramError> {
        let array = self.here.array(node)?;
        let range = match constant(self.here, node) {
            // A constant is encoded in the lattice directly.
            Some(values) => {
                let ends = values.iter().map(|value| Interval::around(to, *value));
                ends.reduce(|a, b| Some(a?.hull(b?))).unwrap_or(Some(Interval::point(0)))
            }
            None => array.range.converted(&array.element, to),
        };
        self.fit(to, range, &format!("{} as {}", self.here.describe(node), to.name()))
    }

    pub(super) fn check_cells(&self, array: &ArrayType) -> Result<(), ProgramError> {
        let mut cells = 1_u64;
        for dim in &array.shape {
            let (_, most) = dim.bounds(self.rows);
            if most < 0 {
                let cause = format!("the size {dim} is negative for all row counts");
                return Err(self.here.type_error(cause, "Choose sizes that hold for every number of rows."));
            }
            cells = cells.saturating_mul(u64::try_from(most).unwrap_or(u64::MAX));
        }
        if array.shape.len() > limits::RANK {
            let cause = format!("the result has {} dimensions; at most {} are there", array.shape.len(), limits::RANK);
            return Err(self.here.type_error(cause, "Reshape to fewer dimensions."));
        }
        if cells > limits::CELLS {
            return Err(ProgramError::Cost { place: self.here.place.clone(), cells });
        }
        Ok(())
    }

    fn public(&self, element: Element, shape: Vec<Dim>, range: Interval) -> Result<Typed, ProgramError> {
        let range = self.fit(&element, Some(range), "the value")?;
        let shape = shape.iter().map(Dim::normalised).collect();
        Ok(Typed {
            array: ArrayType { element, shape, range, validity: Validity::AllTrue, public: true },
            lattices: Vec::new(),
        })
    }

    fn constant(&self, element: &Element, shape: &[u64], values: &[Number]) -> Result<Typed, ProgramError> {
        let cells = shape.iter().try_fold(1_u64, |cells, size| cells.checked_mul(*size));
        if cells != u64::try_from(values.len()).ok() {
            let cause = format!("the shape {shape:?} does not hold {} values", values.len());
            return Err(self.here.type_error(cause, "Give one value a cell."));
        }
        let ranges: Result<Vec<Interval>, _> = values.iter().map(|value| self.number(element, *value)).collect();
        let range = ranges?.into_iter().reduce(Interval::hull).unwrap_or(Interval::point(0));
        self.public(element.clone(), shape.iter().map(|size| Dim::fixed(*size)).collect(), range)
    }

    /// A constant must be exact in its element, except that a real number takes the nearest step.
    fn number(&self, element: &Element, value: Number) -> Result<Interval, ProgramError> {
        let error = |cause: String| self.here.type_error(cause, "Write the constant in a type that holds it.");
        match element {
            Element::Bool if value != Number::ZERO && value != Number::from(1) => {
                Err(error(format!("{value} is no bool; write 0 or 1")))
            }
            Element::Bool | Element::Int64 | Element::Decimal { .. } => match value.at_scale(scale_of(element)) {
                Some(value) => Ok(Interval::point(value)),
                None => Err(error(format!("{value} is not exact in {}", element.name()))),
            },
            Element::Float64 | Element::Float64High => {
                Interval::around(element, value).ok_or_else(|| error(format!("{value} is too large")))
            }
            Element::Date | Element::Category { .. } | Element::Key => {
                Err(error(format!("there are no constants of type {}", element.name())))
            }
        }
    }

    fn size(&self, of: &Dim) -> Result<Typed, ProgramError> {
        for node in of.rows.keys() {
            if matches!(
                self.here.nodes.get(node.index()).map(|node| &node.op),
                Some(Op::Join { alignment: Alignment::Private, .. })
            ) {
                let cause = format!("the number of rows of the private join {} is secret", self.here.describe(*node));
                return Err(self.here.type_error(cause, "Count the valid cells of one of its columns."));
            }
        }
        let (lo, hi) = of.bounds(self.rows);
        self.public(Element::Int64, Vec::new(), Interval { lo: lo.max(0), hi: hi.max(0) })
    }

    fn cast(&self, value: NodeId, element: &Element) -> Result<Typed, ProgramError> {
        let array = self.here.array(value)?;
        if promote(&array.element, element).as_ref() != Some(element) {
            let cause = format!("{} has no cast to {}", array.element.name(), element.name());
            return Err(self.here.type_error(cause, "Casts go upward in bool, int64, decimal, float64, float64_high."));
        }
        let range = self.brought(value, element)?;
        Ok(Typed {
            array: ArrayType { element: element.clone(), range, ..array.clone() },
            lattices: vec![array.element.clone()],
        })
    }

    fn unary(&self, function: Unary, value: NodeId) -> Result<Typed, ProgramError> {
        let array = self.here.array(value)?;
        if function.is_real() {
            return functions::real(self, function, value);
        }
        let range = match function {
            Unary::Abs | Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round if is_number(&array.element) => {
                return functions::exact(self, function, value);
            }
            Unary::Negate if is_number(&array.element) => {
                self.fit(&array.element, array.range.negated(), "the negative")?
            }
            Unary::Not if array.element == Element::Bool => {
                array.range.negated().and_then(|r| r.plus(Interval::point(1))).unwrap_or(BOOL)
            }
            _ => {
                let (wanted, next) = match function {
                    Unary::Not => ("bools", "Compare first."),
                    _ => ("numbers", "Cast bools to int64 first."),
                };
                let cause = format!("it takes {wanted}; {} is {}", self.here.describe(value), array.element.name());
                return Err(self.here.type_error(cause, next));
            }
        };
        Ok(Typed { array: ArrayType { range, ..array.clone() }, lattices: vec![array.element.clone()] })
    }

    fn binary(&self, function: Binary, left: NodeId, right: NodeId) -> Result<Typed, ProgramError> {
        match function {
            Binary::Add | Binary::Subtract => arithmetic::add(self, function, left, right),
            Binary::Multiply => arithmetic::multiply(self, left, right),
            Binary::Divide => arithmetic::divide(self, left, right),
            Binary::Less | Binary::LessEqual | Binary::Greater | Binary::GreaterEqual => {
                self.compare(left, right, true)
            }
            Binary::Equal | Binary::NotEqual => self.compare(left, right, false),
            Binary::And | Binary::Or | Binary::Xor => self.logic(left, right),
            Binary::Minimum | Binary::Maximum => functions::extreme(self, function, left, right),
            Binary::FloorDivide | Binary::Remainder => functions::divide_floor(self, function, left, right),
            Binary::Power => functions::power(self, left, right),
        }
    }

    fn compare(&self, left: NodeId, right: NodeId, ordered: bool) -> Result<Typed, ProgramError> {
        let element = common(self.here, left, right)?;
        match &element {
            Element::Key => return Err(self.here.type_error("keys are joined on and nothing else", "")),
            Element::Category { .. } if ordered => {
                return Err(self.here.type_error("categories have no order", "Compare them with == or !=."));
            }
            _ => {}
        }
        // An engine compares by the sign of the difference.
        let difference = self.brought(left, &element)?.minus(self.brought(right, &element)?);
        let wide = if element == Element::Int64 { Element::Decimal { scale: 0 } } else { element.clone() };
        self.fit(&wide, difference, "the difference of both sides")?;
        Ok(Typed { array: self.joined(Element::Bool, BOOL, &[left, right])?, lattices: vec![element.clone(), element] })
    }

    fn logic(&self, left: NodeId, right: NodeId) -> Result<Typed, ProgramError> {
        for node in [left, right] {
            let element = &self.here.array(node)?.element;
            if *element != Element::Bool {
                let cause = format!("it takes bools; {} is {}", self.here.describe(node), element.name());
                return Err(self.here.type_error(cause, "Compare first, and put comparisons in parentheses."));
            }
        }
        Ok(Typed { array: self.joined(Element::Bool, BOOL, &[left, right])?, lattices: vec![Element::Bool; 2] })
    }

    fn choose(&self, condition: NodeId, then: NodeId, otherwise: NodeId) -> Result<Typed, ProgramError> {
        let by = self.here.array(condition)?;
        if by.element != Element::Bool {
            let cause = format!("its condition {} is {}", self.here.describe(condition), by.element.name());
            return Err(self.here.type_error(cause, "Compare first."));
        }
        let element = common(self.here, then, otherwise)?;
        let range = self.brought(then, &element)?.hull(self.brought(otherwise, &element)?);
        Ok(Typed {
            array: self.joined(element.clone(), range, &[condition, then, otherwise])?,
            lattices: vec![Element::Bool, element.clone(), element],
        })
    }

    fn item(&self, of: NodeId, index: u32) -> Result<Typed, ProgramError> {
        let Some(ValueType::Tuple(items)) = self.here.done.types.get(of.index()) else {
            let cause = format!("{} is no loop", self.here.describe(of));
            return Err(self.here.type_error(cause, "Take items of loops only."));
        };
        let Some(array) = items.get(index as usize) else {
            let cause = format!("{} carries {} values, and none numbered {index}", self.here.describe(of), items.len());
            return Err(self.here.type_error(cause, "Items are numbered from 0."));
        };
        Ok(Typed { array: array.clone(), lattices: Vec::new() })
    }

    fn assume(&self, value: NodeId, lo: Number, hi: Number) -> Result<Typed, ProgramError> {
        let array = self.here.array(value)?;
        let declared = self.declared(&array.element, lo, hi)?;
        let Some(range) = array.range.meet(declared) else {
            let cause = format!(
                "{} lies in {}, never in [{lo}, {hi}]",
                self.here.describe(value),
                describe(&array.range, &array.element)
            );
            return Err(self.here.range_error(cause, "Assume a range that the value can have."));
        };
        Ok(Typed { array: ArrayType { range, ..array.clone() }, lattices: vec![array.element.clone()] })
    }

    fn input(
        &self,
        from: &InputSource,
        element: &Element,
        shape: &[u64],
        [lo, hi]: [Number; 2],
    ) -> Result<Typed, ProgramError> {
        let most = from.most_bits();
        let fits = |range: &Interval| {
            range.fits(element)
                && range.bits() <= most
                && (*element != Element::Bool || range.meet(BOOL) == Some(*range))
        };
        let Some(range) = Interval::between(element, lo, hi).filter(fits) else {
            let cause =
                format!("no values of {} lie in [{lo}, {hi}], or they take more than {most} bits", element.name());
            return Err(self.here.range_error(cause, "Declare the least and the largest value that it can have."));
        };
        let shape = shape.iter().map(|size| Dim::fixed(*size)).collect();
        let array = ArrayType { element: element.clone(), shape, range, validity: from.validity(), public: false };
        Ok(Typed { array, lattices: Vec::new() })
    }

    /// The range that a program declares for values of an element.
    pub(super) fn declared(&self, element: &Element, lo: Number, hi: Number) -> Result<Interval, ProgramError> {
        if !is_number(element) && *element != Element::Date {
            let cause = format!("{} has no range to declare", element.name());
            return Err(self.here.type_error(cause, "Declare ranges of numbers and dates."));
        }
        let range = Interval::between(element, lo, hi).filter(|range| range.fits(element));
        range.ok_or_else(|| {
            let cause = format!("no values of {} lie in [{lo}, {hi}], or they do not fit", element.name());
            self.here.range_error(cause, "Write the least value first, then the largest.")
        })
    }

    /// The type of an element-wise result of these arrays: their broadcast shape; valid where all are.
    pub(super) fn joined(&self, element: Element, range: Interval, of: &[NodeId]) -> Result<ArrayType, ProgramError> {
        let mut array = ArrayType { element, shape: Vec::new(), range, validity: Validity::AllTrue, public: true };
        for node in of {
            let operand = self.here.array(*node)?;
            array.shape = broadcast(self.here, &array.shape, &operand.shape)?;
            array.public &= operand.public;
            if operand.validity == Validity::Secret {
                array.validity = Validity::Secret;
            }
        }
        Ok(array)
    }

    pub(super) fn shape_error(&self, node: NodeId, wanted: &str, next: &str) -> ProgramError {
        let shape = self.here.array(node).map(|array| show(&array.shape)).unwrap_or_default();
        let cause = format!("{} has the shape {shape}; {wanted}", self.here.describe(node));
        self.here.type_error(cause, next)
    }
}
