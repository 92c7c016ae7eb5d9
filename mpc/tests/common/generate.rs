//! Random programs over two small datasets.
//!
//! The generator knows the row counts, the ranges and the values of what it builds, so that nearly all its programs
//! are ones that the engine must answer; a few are meant to be refused, each in a known way.

use std::collections::{BTreeMap, BTreeSet};

use tacit_protocol::PartyId;
use tacit_protocol::program::functions::Domain;
use tacit_protocol::program::infer::{Exponent, find_column};
use tacit_protocol::program::plain::{self, PlainTable, Trace};
use tacit_protocol::program::types::{ArrayType, Dataset, Validity, ValueType};
use tacit_protocol::program::{
    Alignment, Binary, Block, BlockId, Carried, Dim, Node, NodeId, Op, Output, Program, Reduction, SliceAxis,
    TypedProgram, Unary, infer,
};
use tacit_protocol::schema::{Element, Precision};
use tacit_protocol::{Number, PartyId as Party};

use super::explain::Widths;
use super::{Case, number, release, tables};

pub use super::draw::Draw;

/// How a case is meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// With results.
    Ordinary,
    /// `OUT_OF_RANGE`: a promise on a range does not hold.
    Breaking,
    /// `PROGRAM_ALIGNMENT`: it has a join that the engine lacks.
    Unaligned,
    /// With whatever follows from sizes and ranges that were not looked at.
    Wild,
}

/// The widest values of ordinary programs. The engine computes with 126 bits.
const WIDE: u32 = 110;
/// The most cells of an array.
const CELLS: u64 = 400;

/// A random case; about one in ten is no ordinary one.
pub fn case(seed: u64, length: usize) -> Case {
    let kind = match Draw::new(!seed).below(48) {
        0 => Kind::Breaking,
        1 => Kind::Unaligned,
        2 => Kind::Wild,
        _ => Kind::Ordinary,
    };
    case_of(kind, seed, length)
}

/// A random case of a kind: the program keeps what is as it is meant to be of `length` random operations.
pub fn case_of(kind: Kind, seed: u64, length: usize) -> Case {
    let mut generator = Generator::new(kind, seed);
    for _ in 0..length {
        generator.grow();
    }
    if kind == Kind::Breaking {
        generator.break_a_promise();
    }
    generator.finish()
}

/// A program on its way.
struct Generator {
    draw: Draw,
    kind: Kind,
    datasets: BTreeMap<String, Dataset>,
    tables: BTreeMap<String, PlainTable>,
    program: Program,
    typed: TypedProgram,
    trace: Trace,
    joined: NodeId,
}

impl Generator {
    fn new(kind: Kind, seed: u64) -> Self {
        let mut draw = Draw::new(seed);
        let sizes: [u64; 2] = std::array::from_fn(|_| draw.of(&[0, 1, 2, 5, 9, 12, 17]));
        let nullable = draw.chance(2);
        let mut datasets = BTreeMap::from([
            ("left/a".to_owned(), tables::dataset(Party::ZERO, sizes[0], nullable)),
            ("right/b".to_owned(), tables::dataset(PartyId::ONE, sizes[1], nullable)),
        ]);
        if kind == Kind::Unaligned {
            datasets.insert("left/c".into(), tables::dataset(Party::ZERO, 5, false));
        }
        let tables: BTreeMap<_, _> =
            datasets.iter().map(|(name, dataset)| (name.clone(), tables::table(&mut draw, &dataset.schema))).collect();
        let (program, joined) = joined(&mut draw, kind);
        let typed = infer(&program, &datasets).expect("loads, joins and columns");
        let trace = plain::trace(&typed, &tables).expect("the tables keep to their schemas");
        Self { draw, kind, datasets, tables, program, typed, trace, joined }
    }

    /// Appends a random operation on what is there. What does not fit its types, or is not as the kind wants it, is
    /// left out and another one drawn.
    fn grow(&mut self) {
        if self.kind == Kind::Wild && self.draw.chance(3) {
            self.widen();
        }
        for _ in 0..12 {
            let mut next = self.program.clone();
            if self.operation(&mut next).is_some() && self.keep(next) {
                return;
            }
        }
    }

    /// A product of the two widest arrays, or the quotient of the widest by any other.
    fn widen(&mut self) {
        let mut all = self.arrays(|array| is_numeric(&array.element));
        all.sort_by_key(|node| self.array(*node).range.bits());
        let Some(widest) = all.pop() else { return };
        let (Some(other), divide) = (self.draw.any(&all[all.len() / 2..]), self.draw.chance(2)) else { return };
        let mut next = self.program.clone();
        let function = if divide { Binary::Divide } else { Binary::Multiply };
        next.push(Op::Binary { function, left: widest, right: other });
        self.keep(next);
    }

    fn keep(&mut self, next: Program) -> bool {
        let Ok(typed) = infer(&next, &self.datasets) else { return false };
        if self.kind == Kind::Wild {
            self.program = next;
            self.typed = typed;
            if let Ok(trace) = plain::trace(&self.typed, &self.tables) {
                self.trace = trace;
            }
            return true;
        }
        let rows = self.trace.rows();
        let widths = Widths { typed: &typed, rows };
        let first = self.program.nodes.len();
        let fresh = (first..next.nodes.len()).map(|place| NodeId(place as u32));
        let small = |array: &ArrayType| {
            let sizes = array.shape.iter().map(|dim| dim.evaluate(rows).unwrap_or(u64::MAX));
            sizes.fold(1, u64::saturating_mul) <= CELLS
        };
        let fits = |node: NodeId| widths.of_node(node) <= WIDE && typed.array(node).is_none_or(small);
        if !fresh.clone().all(fits) {
            return false;
        }
        // A choice by rounded numbers may fall otherwise in the engine, so nothing can be compared behind it.
        let undecided = undecided(&typed);
        if fresh.clone().any(|node| undecided.contains(&node)) && !self.draw.chance(12) {
            return false;
        }
        let Ok(trace) = plain::trace(&typed, &self.tables) else { return false };
        (self.program, self.typed, self.trace) = (next, typed, trace);
        true
    }

    /// Ends the program with a promise that does not hold, where it has a value that one can be broken for.
    fn break_a_promise(&mut self) {
        let candidates = self.arrays(|array| is_numeric(&array.element) && !array.public);
        let undecided = undecided(&self.typed);
        for _ in 0..20 {
            let Some(value) = self.draw.any(&candidates) else { return };
            let cells: Vec<i128> =
                self.trace.array(value).expect("an array").as_lattice().into_iter().flatten().collect();
            let (Some(most), false) = (cells.iter().max(), undecided.contains(&value)) else { continue };
            let array = self.typed.array(value).expect("an array");
            // An exact value is one step beyond, a rounded one far beyond.
            let far = array.element.float_bits().map_or(1, |bits| 1 << (bits + 2));
            let hi = most - far;
            if hi < array.range.lo {
                continue;
            }
            let Some((lo, hi)) = ends(&array.element, array.range.lo, hi) else { continue };
            let mut next = self.program.clone();
            next.push(Op::Assume { value, lo, hi });
            if let Ok(typed) = infer(&next, &self.datasets) {
                (self.program, self.typed) = (next, typed);
                return;
            }
        }
    }

    fn finish(mut self) -> Case {
        let release = release::release(&mut self.draw, &mut self.program, &self.typed, self.trace.rows(), self.joined);
        Case::new(self.datasets, self.tables, &self.program, release)
    }

    fn array(&self, node: NodeId) -> &ArrayType {
        self.typed.array(node).expect("an array")
    }

    fn shape(&self, node: NodeId) -> Vec<Dim> {
        self.array(node).shape.clone()
    }

    fn size(&self, dim: &Dim) -> u64 {
        dim.evaluate(self.trace.rows()).unwrap_or(0)
    }

    /// The arrays that a condition holds for.
    fn arrays(&self, wanted: impl Fn(&ArrayType) -> bool) -> Vec<NodeId> {
        let types = self.typed.main().types.iter().enumerate();
        let arrays = types.filter(|(_, value)| matches!(value, ValueType::Array(array) if wanted(array)));
        arrays.map(|(place, _)| NodeId(place as u32)).collect()
    }

    /// One of them. The later half is twice as likely, so that programs grow deep.
    fn any(&mut self, wanted: impl Fn(&ArrayType) -> bool) -> Option<NodeId> {
        let all = self.arrays(wanted);
        let from = if self.draw.chance(2) { all.len() / 2 } else { 0 };
        self.draw.any(&all[from..])
    }

    fn numeric(&mut self) -> Option<NodeId> {
        self.any(|array| is_numeric(&array.element))
    }

    /// A number that is computed from columns of both owners.
    fn mixed(&mut self) -> Option<NodeId> {
        let all = self.arrays(|array| is_numeric(&array.element));
        let mixed: Vec<NodeId> = all.into_iter().filter(|node| self.owners(*node).len() > 1).collect();
        self.draw.any(&mixed)
    }

    /// The owners of the columns that a node is computed from.
    fn owners(&self, node: NodeId) -> BTreeSet<PartyId> {
        let op = &self.program.nodes[node.index()].op;
        let of = op.operands().into_iter().flat_map(|operand| match op {
            Op::Column { .. } => BTreeSet::new(),
            _ => self.owners(operand),
        });
        let own = match op {
            Op::Column { table, column } => {
                let table = self.typed.table(*table).expect("a table");
                find_column(table, column).map(|place| table.columns[place].owner)
            }
            _ => None,
        };
        of.chain(own).collect()
    }

    fn bool(&mut self) -> Option<NodeId> {
        self.any(|array| array.element == Element::Bool)
    }

    /// An array that goes with `node`: of its shape, or of another one, which may broadcast.
    fn beside(&mut self, node: NodeId, wanted: impl Fn(&ArrayType) -> bool) -> Option<NodeId> {
        let shape = self.shape(node);
        let broadcasts = |array: &ArrayType| {
            let (long, short) =
                if array.shape.len() > shape.len() { (&array.shape, &shape) } else { (&shape, &array.shape) };
            let one = Dim::fixed(1);
            long[long.len() - short.len()..].iter().zip(short).all(|(a, b)| a == b || *a == one || *b == one)
        };
        let other = self.draw.chance(3);
        self.any(|array| wanted(array) && if other { broadcasts(array) } else { array.shape == shape })
    }

    /// A public array of one number, or a small one of several that broadcasts to `shape`.
    fn constant(&mut self, next: &mut Program, shape: &[Dim]) -> NodeId {
        let fixed: Option<Vec<u64>> = shape.iter().rev().take(2).rev().map(Dim::as_fixed).collect();
        if let (Some(shape), true) = (fixed, self.draw.chance(3)) {
            let cells = shape.iter().product::<u64>();
            let reals = [Element::Float64, Element::Float64, Element::Float64High];
            let real = self.draw.of(&reals);
            let element = self.draw.of(&[Element::Int64, Element::Decimal { scale: 1 }, real]);
            let texts: &[&str] =
                if element == Element::Int64 { &["-2", "0", "1", "5"] } else { &["-0.5", "0", "1", "2.5", "0.3"] };
            let values = (0..cells).map(|_| number(texts[self.draw.below(texts.len())])).collect();
            return next.push(Op::Constant { element, shape, values });
        }
        let (element, text) = self.draw.of(&[
            (Element::Int64, "3"),
            (Element::Int64, "-7"),
            (Element::Int64, "0"),
            (Element::Decimal { scale: 2 }, "12.25"),
            (Element::Decimal { scale: 1 }, "-0.5"),
            (Element::Float64, "0.3"),
            (Element::Float64, "2.5"),
            (Element::Float64High, "0.3"),
            (Element::Bool, "1"),
        ]);
        let shape = if self.draw.chance(3) { shape.to_vec() } else { Vec::new() };
        next.push(Op::Full { element, shape, value: number(text) })
    }

    fn other_number(&mut self, next: &mut Program, beside: NodeId) -> Option<NodeId> {
        if self.draw.chance(3) {
            let shape = self.shape(beside);
            return Some(self.constant(next, &shape));
        }
        self.beside(beside, |array| is_numeric(&array.element) || array.element == Element::Bool)
    }

    fn operation(&mut self, next: &mut Program) -> Option<()> {
        use Binary::*;
        match self.draw.below(24) {
            0..=2 => {
                let function = self.draw.of(&[Add, Subtract, Multiply, Multiply, Divide]);
                let left = if self.draw.chance(2) { self.numeric()? } else { self.mixed()? };
                let right = self.other_number(next, left)?;
                let (left, right) = if self.draw.chance(4) { (right, left) } else { (left, right) };
                next.push(Op::Binary { function, left, right });
            }
            3..=4 => self.comparison(next)?,
            5 => {
                let left = self.bool()?;
                let right = self.beside(left, |array| array.element == Element::Bool)?;
                next.push(Op::Binary { function: self.draw.of(&[And, Or, Xor]), left, right });
            }
            6 => {
                let (function, value) =
                    if self.draw.chance(2) { (Unary::Not, self.bool()?) } else { (Unary::Negate, self.numeric()?) };
                next.push(Op::Unary { function, value });
            }
            7 => {
                let condition = self.bool()?;
                let bools = self.draw.chance(4);
                let kind = move |array: &ArrayType| {
                    (array.element == Element::Bool) == bools && is_number_like(&array.element)
                };
                let then = self.beside(condition, kind)?;
                let otherwise = if bools || self.draw.chance(2) {
                    self.beside(condition, kind)?
                } else {
                    let shape = self.shape(condition);
                    self.constant(next, &shape)
                };
                next.push(Op::Where { condition, then, otherwise });
            }
            8..=10 => self.reduction(next)?,
            11 => self.product(next)?,
            12 => self.reshape(next)?,
            13 => {
                let value = self.any(|array| array.shape.len() > 1).or_else(|| self.numeric())?;
                let mut axes: Vec<u8> = (0..self.shape(value).len() as u8).collect();
                if self.draw.chance(2) {
                    axes.reverse();
                } else if !axes.is_empty() {
                    axes.rotate_left(1);
                }
                next.push(Op::Transpose { value, axes });
            }
            14 if self.draw.chance(2) => {
                let op = self.along_an_axis()?;
                next.push(op);
            }
            14 => {
                let value = self.any(|array| !array.shape.is_empty())?;
                let axes = self.shape(value).iter().map(|size| self.part(size)).collect();
                next.push(Op::Slice { value, axes });
            }
            15 => {
                let value = self.any(|array| is_numeric(&array.element) || array.element == Element::Bool)?;
                let decimal = Element::Decimal { scale: 4 };
                let element = self.draw.of(&[Element::Int64, decimal, Element::Float64, Element::Float64High]);
                next.push(Op::Cast { value, element });
            }
            16 => self.concatenation(next)?,
            17 => self.of_sizes(next)?,
            18 => self.promise(next)?,
            // The widths of wild programs are reckoned without them.
            20..=23 if self.kind != Kind::Wild => self.function(next)?,
            _ => match self.draw.chance(3) {
                true => self.filtered(next)?,
                false => self.repeat(next)?,
            },
        }
        Some(())
    }

    /// A function of one number, often of one within a promise, or of two.
    fn function(&mut self, next: &mut Program) -> Option<()> {
        use Binary::*;
        use Unary::*;
        let exact = [Abs, Sign, Floor, Ceil, Round];
        let real =
            [Sqrt, Rsqrt, Exp, Exp2, Expm1, Log, Log2, Log10, Log1p, Sigmoid, Tanh, Softplus, Erf, Gelu, Sin, Cos];
        match self.draw.below(8) {
            0 => {
                let (function, value) = (self.draw.of(&exact), self.numeric()?);
                next.push(Op::Unary { function, value });
            }
            1..=4 => {
                let positive = self.draw.chance(3);
                if positive {
                    // Its magnitude and one more.
                    let value = self.numeric()?;
                    let left = next.push(Op::Unary { function: Abs, value });
                    let right = next.push(Op::Full { element: Element::Int64, shape: vec![], value: number("1") });
                    next.push(Op::Binary { function: Add, left, right });
                } else if self.draw.chance(2) {
                    self.promise(next)?;
                } else {
                    let value = if self.draw.chance(2) { self.numeric()? } else { self.mixed()? };
                    let element = self.draw.of(&[Element::Float64, Element::Float64High]);
                    next.push(Op::Cast { value, element });
                }
                let (function, value) = (self.draw.of(&real), NodeId(next.nodes.len() as u32 - 1));
                next.push(Op::Unary { function, value });
            }
            5..=6 => {
                let function = self.draw.of(&[Minimum, Maximum, FloorDivide, Remainder]);
                let left = if self.draw.chance(2) { self.numeric()? } else { self.mixed()? };
                let right = self.other_number(next, left)?;
                let (left, right) = if self.draw.chance(4) { (right, left) } else { (left, right) };
                next.push(Op::Binary { function, left, right });
            }
            _ => {
                let left = self.numeric()?;
                let text = self.draw.of(&["0", "1", "2", "3", "-1", "-2", "0.5", "1.5", "-0.5"]);
                let element = if text.contains('.') { Element::Decimal { scale: 1 } } else { Element::Int64 };
                let right = next.push(Op::Full { element, shape: vec![], value: number(text) });
                next.push(Op::Binary { function: Power, left, right });
            }
        }
        Some(())
    }

    fn comparison(&mut self, next: &mut Program) -> Option<()> {
        use Binary::*;
        let function = self.draw.of(&[Less, LessEqual, Greater, GreaterEqual, Equal, NotEqual]);
        let (left, right) = match self.draw.below(6) {
            0 => {
                let left = self.any(|array| array.element == Element::Date)?;
                let right = match self.draw.chance(2) {
                    true => next.push(Op::Full { element: Element::Int64, shape: vec![], value: number("19000") }),
                    false => self.beside(left, |array| array.element == Element::Date)?,
                };
                (left, right)
            }
            1 => {
                let category = |array: &ArrayType| matches!(array.element, Element::Category { .. });
                let left = self.any(category)?;
                let right = match self.draw.chance(2) {
                    true => next.push(Op::Full { element: Element::Int64, shape: vec![], value: number("1") }),
                    false => self.beside(left, category)?,
                };
                next.push(Op::Binary { function: self.draw.of(&[Equal, NotEqual]), left, right });
                return Some(());
            }
            2 => {
                let left = self.bool()?;
                (left, self.beside(left, |array| array.element == Element::Bool)?)
            }
            _ => {
                let left = self.numeric()?;
                (left, self.other_number(next, left)?)
            }
        };
        next.push(Op::Binary { function, left, right });
        Some(())
    }

    fn reduction(&mut self, next: &mut Program) -> Option<()> {
        use Reduction::*;
        let function = self.draw.of(&[Sum, Mean, Var, Count, Min, Max, Argmax]);
        let value = match (function, self.draw.below(4)) {
            (Count | Min | Max, 0) => self.any(|array| array.element == Element::Date)?,
            (_, 1) => self.bool()?,
            // Few different values, so that several are the largest.
            (_, 2) => self.any(|array| array.element == Element::Int64 && array.range.hi - array.range.lo <= 2)?,
            _ => self.numeric()?,
        };
        let rank = self.shape(value).len();
        let axes = match rank {
            0 => Vec::new(),
            _ if function == Argmax || self.draw.chance(2) => vec![self.draw.below(rank) as u8],
            _ => Vec::new(),
        };
        let mask = match self.draw.chance(2) {
            true => self.beside(value, |array| array.element == Element::Bool),
            false => None,
        };
        next.push(Op::Reduce { function, value, axes, keep_dims: self.draw.chance(2), mask });
        Some(())
    }

    fn product(&mut self, next: &mut Program) -> Option<()> {
        let number = |array: &ArrayType| is_numeric(&array.element) || array.element == Element::Bool;
        match self.draw.below(3) {
            0 => {
                let left = self.any(|array| number(array) && (1..=2).contains(&array.shape.len()))?;
                let inner = self.shape(left).last().cloned()?;
                let right =
                    self.any(|array| number(array) && array.shape.len() <= 2 && array.shape.first() == Some(&inner))?;
                next.push(Op::MatMul { left, right });
            }
            1 => {
                // Columns side by side, times their own transpose or a public matrix.
                let first = self.any(|array| number(array) && array.shape.len() == 1)?;
                let shape = self.shape(first);
                let second = self.any(|array| number(array) && array.shape == shape)?;
                let two = [shape[0].clone(), Dim::fixed(1)].to_vec();
                let columns = [first, second].map(|value| next.push(Op::Reshape { value, shape: two.clone() }));
                let matrix = next.push(Op::Concatenate { values: columns.to_vec(), axis: 1 });
                if self.draw.chance(2) {
                    let turned = next.push(Op::Transpose { value: matrix, axes: vec![1, 0] });
                    next.push(Op::MatMul { left: turned, right: matrix });
                } else {
                    let right = self.constant(next, &[Dim::fixed(2), Dim::fixed(3)]);
                    let right = next.push(Op::Reshape { value: right, shape: vec![Dim::fixed(2), Dim::fixed(3)] });
                    next.push(Op::MatMul { left: matrix, right });
                }
            }
            _ => {
                // An outer product by broadcasting.
                let left = self.any(|array| number(array) && array.shape.len() == 1)?;
                let right = self.any(|array| number(array) && array.shape.len() == 1)?;
                let shape = vec![self.shape(left)[0].clone(), Dim::fixed(1)];
                let left = next.push(Op::Reshape { value: left, shape });
                let function = self.draw.of(&[Binary::Add, Binary::Multiply, Binary::Less]);
                next.push(Op::Binary { function, left, right });
            }
        }
        Some(())
    }

    fn reshape(&mut self, next: &mut Program) -> Option<()> {
        let value = self.any(|_| true)?;
        let mut shape = self.shape(value);
        match (shape.len(), self.draw.chance(3)) {
            (2, true) => shape = vec![shape[0].product(&shape[1]).ok()??],
            (3.., true) => shape.retain(|size| *size != Dim::fixed(1)),
            (4.., _) => return None,
            (rank, _) => shape.insert(self.draw.below(rank + 1), Dim::fixed(1)),
        }
        next.push(Op::Reshape { value, shape });
        Some(())
    }

    /// A part of an axis that it has at these row counts; a wild program may miss it.
    fn along_an_axis(&mut self) -> Option<Op> {
        let which = self.draw.below(7);
        if which == 6 {
            return self.sorted_rows();
        }
        let ordered = |array: &ArrayType| is_numeric(&array.element) || array.element == Element::Date;
        let summed = |array: &ArrayType| is_numeric(&array.element) || array.element == Element::Bool;
        let value = match which {
            0 | 1 => self.any(|array| !array.shape.is_empty() && ordered(array))?,
            2 => self.any(|array| !array.shape.is_empty() && summed(array))?,
            _ => self.any(|array| !array.shape.is_empty())?,
        };
        let shape = self.shape(value);
        let place = self.draw.below(shape.len());
        let (axis, length) = (place as u8, self.size(&shape[place]).min(7) as usize);
        Some(match which {
            0 => Op::Sort { value, axis },
            1 => Op::Argsort { value, axis },
            2 => Op::Cumsum { value, axis },
            3 => Op::Flip { value, axis },
            4 => {
                let places = 0..if length > 0 { self.draw.below(4) } else { 0 };
                Op::Take { value, axis, places: places.map(|_| self.draw.below(length) as u32).collect() }
            }
            _ => return self.windows(value),
        })
    }

    fn sorted_rows(&mut self) -> Option<Op> {
        let ordered = |array: &ArrayType| is_numeric(&array.element) || array.element == Element::Date;
        let keys = self.any(|array| array.shape.len() == 1 && ordered(array))?;
        let rows = self.shape(keys)[0].clone();
        let value = self.any(|array| {
            let alike = array.shape.first().is_some_and(|first| first.same_as(&rows));
            alike && ordered(array) && array.validity == Validity::AllTrue
        })?;
        Some(Op::SortRows { value, keys })
    }

    fn windows(&mut self, value: NodeId) -> Option<Op> {
        let shape = self.shape(value);
        let axis = self.draw.below(shape.len());
        let most = usize::try_from(self.size(&shape[axis]).min(3)).ok().filter(|most| *most > 0)?;
        let size = 1 + self.draw.below(most) as u32;
        Some(Op::Windows { value, axis: axis as u8, size })
    }

    fn part(&mut self, size: &Dim) -> SliceAxis {
        let now = self.size(size);
        let few = self.draw.below(4).min(now as usize) as u64;
        let moved = |by: u64| size.sub(&Dim::fixed(by)).unwrap_or_else(|_| size.clone());
        let (start, stop) = match self.draw.below(4) {
            0 => (Dim::fixed(0), size.clone()),
            1 => (Dim::fixed(few), size.clone()),
            2 => (Dim::fixed(0), moved(few)),
            _ => (moved(few), size.clone()),
        };
        let length = self.size(&stop).saturating_sub(self.size(&start));
        let is_fixed = stop.sub(&start).is_ok_and(|length| length.as_fixed().is_some());
        let any = self.kind == Kind::Wild && self.draw.chance(20);
        let steps: Vec<u64> =
            [1, 2, 3].into_iter().filter(|step| any || is_fixed || length.is_multiple_of(*step)).collect();
        SliceAxis { start, stop, step: self.draw.of(&steps) as u32 }
    }

    fn concatenation(&mut self, next: &mut Program) -> Option<()> {
        let value = self.any(|array| !array.shape.is_empty())?;
        let (shape, element) = (self.shape(value), self.array(value).element.clone());
        let alike =
            |array: &ArrayType| array.shape == shape && is_number_like(&array.element) == is_number_like(&element);
        let other = self.any(alike)?;
        let axis = self.draw.below(shape.len()) as u8;
        next.push(Op::Concatenate { values: vec![value, other, value], axis });
        Some(())
    }

    fn of_sizes(&mut self, next: &mut Program) -> Option<()> {
        let value = self.any(|array| !array.shape.is_empty())?;
        let size = self.shape(value)[0].clone();
        let op = match self.draw.below(3) {
            0 => Op::Arange { length: size },
            1 => Op::Size { of: size.add(&Dim::fixed(2)).ok()? },
            _ => Op::Full { element: Element::Int64, shape: vec![size], value: number("4") },
        };
        let public = next.push(op);
        // Alone it would mostly stay unused.
        let value = self.any(|array| is_numeric(&array.element) && array.shape.len() == 1)?;
        next.push(Op::Binary { function: self.draw.of(&[Binary::Add, Binary::Less]), left: value, right: public });
        Some(())
    }

    /// A promise that holds, often with its ends at the least and largest cell.
    fn promise(&mut self, next: &mut Program) -> Option<()> {
        let value = self.any(|array| is_numeric(&array.element) || array.element == Element::Date)?;
        let element = self.array(value).element.clone();
        let cells: Vec<i128> = self.trace.array(value)?.as_lattice().into_iter().flatten().collect();
        let (least, most) = (cells.iter().min().copied().unwrap_or(0), cells.iter().max().copied().unwrap_or(1));
        // Cells of real numbers are rounded to steps here, and may differ from the engine's by what an `f64` has no room for,
        // so their ends leave room.
        let room = match element {
            Element::Float64 => 4,
            Element::Float64High => 4 + (least.abs().max(most.abs()) >> 40),
            _ => 0,
        };
        let far = i128::from(self.draw.of(&[0_u32, 1, 50]));
        let (lo, hi) = ends(&element, least.saturating_sub(far + room), most.saturating_add(far + room))?;
        next.push(Op::Assume { value, lo, hi });
        Some(())
    }

    /// The joined table by a condition of both owners, and a column of what is left.
    fn filtered(&mut self, next: &mut Program) -> Option<()> {
        let rows = vec![Dim::rows_of(self.joined)];
        let mask = self.any(|array| array.element == Element::Bool && array.shape == rows)?;
        let table = next.push(Op::Filter { table: self.joined, mask });
        let column = format!("{}.{}", self.draw.of(&["a", "b"]), self.draw.of(&tables::COLUMNS));
        next.push(Op::Column { table, column });
        Some(())
    }

    /// A loop of a few trips around a small body, and one of its items.
    fn repeat(&mut self, next: &mut Program) -> Option<()> {
        let initial = self.numeric()?;
        let shape = self.shape(initial);
        let captured = match self.draw.chance(2) {
            true => self.beside(initial, |array| is_numeric(&array.element))?,
            false => self.constant(next, &shape),
        };
        let trips = 1 + self.draw.below(3) as u32;
        let carried = |initial: NodeId, far: i64| Carried { initial, lo: (-far).into(), hi: far.into() };
        let far = self.draw.of(&[300, 3_000, 1_000_000]);
        let body = BlockId(next.blocks.len() as u32);
        let op = if self.draw.chance(4) {
            // Two values that change places, and the trip number.
            let second = self.beside(initial, |array| is_numeric(&array.element))?;
            next.blocks.push(exchange());
            Op::Loop { body, trips, carried: vec![carried(initial, far), carried(second, far)], captured: vec![] }
        } else {
            let inner = if self.draw.chance(4) { Some(BlockId(body.0 + 1)) } else { None };
            next.blocks.push(self.body(inner));
            if inner.is_some() {
                next.blocks.push(doubling());
            }
            Op::Loop { body, trips, carried: vec![carried(initial, far)], captured: vec![captured] }
        };
        let of = next.push(op);
        next.push(Op::Item { of, index: 0 });
        Some(())
    }

    /// `x = f(x, constant) + captured` with `f` one of a few functions; with `inner`, half of that goes through a loop
    /// of its own.
    fn body(&mut self, inner: Option<BlockId>) -> Block {
        let (function, text, element) = self.draw.of(&[
            (Binary::Multiply, "0.5", Element::Float64),
            (Binary::Multiply, "0.5", Element::Float64High),
            (Binary::Add, "3", Element::Int64),
            (Binary::Subtract, "1.5", Element::Decimal { scale: 2 }),
        ]);
        let binary = |function, left, right| Op::Binary { function, left: NodeId(left), right: NodeId(right) };
        let mut ops = vec![
            Op::Parameter { index: 0 },
            Op::Parameter { index: 1 },
            Op::Full { element, shape: Vec::new(), value: number(text) },
            binary(function, 0, 2),
            binary(Binary::Add, 3, 1),
        ];
        if let Some(body) = inner {
            let carried = vec![Carried { initial: NodeId(4), lo: (-4_000_000).into(), hi: 4_000_000.into() }];
            ops.push(Op::Loop { body, trips: 2, carried, captured: Vec::new() });
            ops.push(Op::Item { of: NodeId(5), index: 0 });
        }
        let result = NodeId(ops.len() as u32 - 1);
        block(ops, vec![result])
    }
}

/// `(x, y) = (y, x + trip)`.
fn exchange() -> Block {
    let ops = vec![
        Op::Parameter { index: 0 },
        Op::Parameter { index: 1 },
        Op::Parameter { index: 2 },
        Op::Binary { function: Binary::Add, left: NodeId(0), right: NodeId(2) },
    ];
    block(ops, vec![NodeId(1), NodeId(3)])
}

/// `x = x - (x + x)`.
fn doubling() -> Block {
    let ops = vec![
        Op::Parameter { index: 0 },
        Op::Binary { function: Binary::Add, left: NodeId(0), right: NodeId(0) },
        Op::Binary { function: Binary::Subtract, left: NodeId(0), right: NodeId(1) },
    ];
    block(ops, vec![NodeId(2)])
}

fn block(ops: Vec<Op>, results: Vec<NodeId>) -> Block {
    Block { nodes: ops.into_iter().map(|op| Node { op, name: None }).collect(), results }
}

/// The loads, a join, and their columns.
fn joined(draw: &mut Draw, kind: Kind) -> (Program, NodeId) {
    let mut program = Program::new();
    let a = program.push(Op::Load { dataset: "left/a".into() });
    let b = program.push(Op::Load { dataset: "right/b".into() });
    let lacking = if kind == Kind::Unaligned { Some(draw.below(4)) } else { None };
    let mut filtered = |program: &mut Program, table: NodeId, foreign: bool| {
        if !foreign && !draw.chance(3) {
            return table;
        }
        let flag = program.push(Op::Column { table, column: "flag".into() });
        let mask = match foreign {
            false => flag,
            true => {
                // A count of the other side's rows decides.
                let flag = program.push(Op::Column { table: b, column: "flag".into() });
                let sum =
                    Op::Reduce { function: Reduction::Sum, value: flag, axes: vec![], keep_dims: false, mask: None };
                let sum = program.push(sum);
                let level = program.push(Op::Column { table, column: "level".into() });
                program.push(Op::Binary { function: Binary::Less, left: level, right: sum })
            }
        };
        program.push(Op::Filter { table, mask })
    };
    let left = filtered(&mut program, a, lacking == Some(1));
    let right = filtered(&mut program, b, false);
    let swapped = draw.chance(4);
    let (left, right) = if swapped { (right, left) } else { (left, right) };
    let alignment = if lacking == Some(0) { Alignment::Private } else { Alignment::Revealed };
    let on = |left, right, alignment| Op::Join { left, right, left_on: "id".into(), right_on: "id".into(), alignment };
    let joined = program.push(on(left, right, alignment));
    for side in ["a", "b"] {
        for name in tables::COLUMNS {
            program.push(Op::Column { table: joined, column: format!("{side}.{name}") });
        }
    }
    program.push(Op::Column { table: a, column: "n".into() });
    program.push(Op::Column { table: b, column: "price".into() });
    if let Some(which @ (2 | 3)) = lacking {
        let c = program.push(Op::Load { dataset: "left/c".into() });
        // Two tables of one owner, or a table that was joined before.
        let (side, key) = if which == 2 { (a, "id") } else { (joined, "b.id") };
        let (left_on, right_on) = (key.into(), "id".into());
        let twice = program.push(Op::Join { left: side, right: c, left_on, right_on, alignment: Alignment::Revealed });
        program.push(Op::Column { table: twice, column: "c.n".into() });
    }
    // A program releases something at any time; what exactly is chosen at the end.
    let value = NodeId(joined.0 + 1);
    program.outputs.push(Output { name: "first".into(), value, receivers: Vec::new(), within: None });
    (program, joined)
}

fn is_numeric(element: &Element) -> bool {
    matches!(element, Element::Int64 | Element::Decimal { .. }) || element.is_float()
}

fn is_number_like(element: &Element) -> bool {
    is_numeric(element) || *element == Element::Bool
}

/// Two ends in lattice units as numbers that are exact in the element, or around them for float64.
fn ends(element: &Element, lo: i128, hi: i128) -> Option<(Number, Number)> {
    match element {
        Element::Float64 | Element::Float64High => {
            let (digits, bits) = if *element == Element::Float64 { (6, 18) } else { (12, 36) };
            let decimal = |steps: i128, up: bool| {
                let scaled = steps.checked_mul(10_i128.pow(digits.into()))?;
                let whole = scaled.div_euclid(1 << bits) + i128::from(up);
                Number::new(whole, digits)
            };
            Some((decimal(lo, false)?, decimal(hi, true)?))
        }
        Element::Decimal { scale } => Some((Number::new(lo, *scale)?, Number::new(hi, *scale)?)),
        _ => Some((Number::new(lo, 0)?, Number::new(hi, 0)?)),
    }
}

/// The nodes that a choice by rounded numbers decides: comparisons, places of maxima, divisors that may be 0.
pub fn undecided(typed: &TypedProgram) -> BTreeSet<NodeId> {
    let (mut rounded, mut undecided) = (BTreeSet::new(), BTreeSet::new());
    let nodes = &typed.program().nodes;
    for (place, node) in nodes.iter().enumerate() {
        let id = NodeId(place as u32);
        let operands = node.op.operands();
        let converts = operands.iter().zip(typed.main().lattices(id)).any(|(operand, to)| {
            let from = typed.array(*operand).map(|array| &array.element);
            to.is_float() && matches!(from, Some(Element::Decimal { .. }))
        });
        let any_rounded = converts || operands.iter().any(|operand| rounded.contains(operand));
        let decides = match &node.op {
            Op::Binary { function, left, right } => match function {
                Binary::Add | Binary::Subtract | Binary::Multiply => false,
                Binary::Minimum | Binary::Maximum => false,
                // A base next to 0 may be above it or not, where there is no power of 0.
                Binary::Power => {
                    let values = match &nodes[right.index()].op {
                        Op::Constant { values, .. } => values.clone(),
                        Op::Full { value, .. } => vec![*value],
                        _ => Vec::new(),
                    };
                    let real = matches!(infer::exponent(&values), Some(Exponent::Real(_)));
                    real && typed.array(*left).is_some_and(|array| array.range.lo <= 0)
                }
                Binary::Divide => {
                    rounded.contains(right) && typed.array(id).is_some_and(|array| array.validity == Validity::Secret)
                }
                _ => true,
            },
            Op::Reduce { function, .. } => *function == Reduction::Argmax,
            // A number next to the end of the domain may fall on either side of it.
            Op::Unary { function, value } => {
                let least = typed.array(*value).map_or(0, |array| array.range.lo);
                let partial = function.is_real() && function.domain(Precision::Default) != Domain::All;
                *function == Unary::Sign || partial && (least < 0 || least == 0 && *function != Unary::Sqrt)
            }
            _ => false,
        };
        if (decides && any_rounded) || operands.iter().any(|operand| undecided.contains(operand)) {
            undecided.insert(id);
        }
        let float = typed.array(id).is_some_and(|array| array.element.is_float())
            || matches!(&typed.main().types[place], ValueType::Tuple(items) if items.iter().any(|item| item.element.is_float()));
        let rounds = match &node.op {
            Op::Binary { function, .. } => matches!(function, Binary::Multiply | Binary::Divide | Binary::Power),
            Op::Unary { function, .. } => function.is_real(),
            Op::Reduce { function, .. } => matches!(function, Reduction::Mean | Reduction::Var),
            Op::MatMul { .. } | Op::Full { .. } | Op::Constant { .. } | Op::Loop { .. } | Op::Cast { .. } => true,
            _ => false,
        };
        // An `f64` has no room for all digits of such numbers, though the engine has.
        let coarse =
            typed.array(id).is_some_and(|array| array.element == Element::Float64High && array.range.bits() > 53);
        if float && (rounds || any_rounded || coarse) {
            rounded.insert(id);
        }
    }
    undecided
}
