//! Why an engine may refuse what the plain evaluator computes, decided without the engine: from the types that
//! inference derives, the actual row counts and the documented widths of each method.

use std::collections::BTreeMap;

use tacit_mpc::Error;
use tacit_mpc::plan::Plan;
use tacit_protocol::program::infer::Exponent;
use tacit_protocol::program::release::{ReleaseSpec, ReleasedOutput};
use tacit_protocol::program::types::{ArrayType, Interval, Validity, ValueType};
use tacit_protocol::program::{
    Alignment, Binary, Dim, Node, NodeId, Op, Output, Program, Reduction, TypedBlock, TypedProgram, Unary, infer, plain,
};
use tacit_protocol::schema::Element;
use tacit_protocol::{Number, PartyId};

use super::Case;
use super::generate::undecided;

/// The widest value that the engine computes with.
pub const WORD: u32 = 126;

/// Steps by which no promise is widened: what may be off by so many may be anything.
const FAR: f64 = 1e18;

/// Whether a refusal of the engine is what the documented rules say.
pub fn is_justified(case: &Case, error: &Error) -> bool {
    let Error::Refused { code, cause } = error else { return false };
    match code.as_str() {
        "PROGRAM_RANGE" => {
            let Some(node) = named(cause) else { return false };
            let Some(typed) = as_promised(case) else { return true };
            let widths = Widths { typed: &typed, rows: &case.sizes() };
            let released = case.release.outputs.iter().filter(|output| output.value == node);
            let release = released.map(|output| widths.of_release(node, output.grid)).max().unwrap_or(0);
            widths.of_node(node).max(release) > WORD || raises_invalid_cells(&case.typed, node)
        }
        "PROGRAM_ALIGNMENT" => lacks_alignment(&case.typed),
        "PROGRAM_TYPE" => !sizes_hold(&case.typed, &case.sizes()),
        _ => false,
    }
}

/// The program with its promises as wide as an engine takes them, which a divisor may then pass 0 by; none where no type
/// is as wide.
fn as_promised(case: &Case) -> Option<TypedProgram> {
    let mut program: Program = case.typed.program().clone();
    for node in &mut program.nodes {
        if let Op::Assume { value, lo, hi } = &mut node.op
            && let Some(bits) = float_bits(&case.typed, *value)
        {
            let steps = allowance(stated_error(case, *value).unwrap_or(0.0), *lo, *hi, bits);
            (*lo, *hi) = widened(*lo, *hi, steps, bits)?;
        }
    }
    infer(&program, &case.datasets).ok()
}

/// What a promise allows for rounding: the error, but no more than its width, or 1.
fn allowance(error: f64, lo: Number, hi: Number, bits: u32) -> f64 {
    let wide = (hi.to_f64() - lo.to_f64()).max(1.0) * 2.0_f64.powi(bits as i32);
    error.min(wide)
}

/// Whether a node is an exponential or a power of an array with invalid cells: what stands in those may be too large for
/// one, until a promise on the valid ones bounds it.
fn raises_invalid_cells(typed: &TypedProgram, node: NodeId) -> bool {
    let value = match &typed.program().nodes[node.index()].op {
        Op::Unary { function: Unary::Exp | Unary::Exp2 | Unary::Expm1, value } => *value,
        Op::Binary { function: Binary::Power, left, .. } => *left,
        _ => return false,
    };
    typed.array(value).is_some_and(|array| array.validity == Validity::Secret)
}

/// The node that a refusal names first.
fn named(cause: &str) -> Option<NodeId> {
    let digits: String = cause.strip_prefix('%')?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(NodeId)
}

/// Whether the program has a join that the engine documents as missing: a private one, one of joined tables or of two
/// tables of one owner, or one of rows that a filter on other than their owner's columns chose.
pub fn lacks_alignment(typed: &TypedProgram) -> bool {
    let nodes = &typed.program().nodes;
    let owner = |load: NodeId| match &nodes[load.index()].op {
        Op::Load { dataset } => Some(typed.datasets()[dataset].owner),
        _ => None,
    };
    nodes.iter().any(|node| {
        let Op::Join { left, right, alignment, .. } = &node.op else { return false };
        let sides = [*left, *right].map(|side| owner(typed.table(side).expect("a table").rows_of));
        let foreign = |side: NodeId, owner: PartyId| {
            let filters = &typed.table(side).expect("a table").filters;
            filters.iter().any(|mask| sources(typed, *mask) != [Some(owner)])
        };
        match sides {
            [Some(l), Some(r)] => *alignment == Alignment::Private || l == r || foreign(*left, l) || foreign(*right, r),
            _ => true,
        }
    })
}

/// The owners of the columns that a node is computed from; `None` in place of a joined table.
fn sources(typed: &TypedProgram, node: NodeId) -> Vec<Option<PartyId>> {
    let nodes = &typed.program().nodes;
    let (mut open, mut found) = (vec![node], Vec::new());
    while let Some(node) = open.pop() {
        if let Op::Load { dataset } = &nodes[node.index()].op {
            found.push(Some(typed.datasets()[dataset].owner));
        } else if let Op::Join { .. } = &nodes[node.index()].op {
            found.push(None);
        } else {
            open.extend(nodes[node.index()].op.operands());
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether every size of the program is one for these row counts, and every slice lies in its array.
pub fn sizes_hold(typed: &TypedProgram, rows: &BTreeMap<NodeId, u64>) -> bool {
    let holds = |block: &TypedBlock, node: &Node| {
        let all = node.op.dims().iter().all(|dim| dim.evaluate(rows).is_ok());
        let Op::Slice { value, axes } = &node.op else { return all };
        let shape = &block.array(*value).expect("an array").shape;
        all && axes.iter().zip(shape).all(|(axis, size)| {
            let [start, stop, size] = [&axis.start, &axis.stop, size].map(|dim| dim.evaluate(rows).unwrap_or(0));
            let length = axis.stop.sub(&axis.start).expect("small");
            start <= stop && stop <= size && (length.as_fixed().is_some() || (stop - start) % u64::from(axis.step) == 0)
        })
    };
    blocks(typed).all(|(block, nodes)| nodes.iter().all(|node| holds(block, node)))
}

fn blocks(typed: &TypedProgram) -> impl Iterator<Item = (&TypedBlock, &[Node])> {
    let program = typed.program();
    let bodies = program.blocks.iter().enumerate().map(|(place, block)| {
        let id = tacit_protocol::program::BlockId(place as u32);
        (typed.block(id).expect("every body is typed"), block.nodes.as_slice())
    });
    bodies.chain([(typed.main(), program.nodes.as_slice())])
}

/// The widths that the methods of the engine need, by the documentation of each.
pub struct Widths<'a> {
    pub typed: &'a TypedProgram,
    /// The row counts of the run.
    pub rows: &'a BTreeMap<NodeId, u64>,
}

impl Widths<'_> {
    /// The widest value that a node of the main block needs.
    pub fn of_node(&self, node: NodeId) -> u32 {
        self.in_block(self.typed.main(), &self.typed.program().nodes, node)
    }

    /// The widest value that the release of a node needs: rounding to a grid takes twice the scaled value, and half a
    /// grid step more.
    pub fn of_release(&self, node: NodeId, grid: Option<Number>) -> u32 {
        let Some(array) = self.typed.array(node) else { return 0 };
        let (Some(grid), Some(step)) = (grid, step_of(&array.element)) else { return 0 };
        let (up, down) = (power_of_ten(u32::from(grid.scale())), step.saturating_mul(grid.mantissa()));
        rounded(array.range, up, down).1
    }

    fn in_block(&self, block: &TypedBlock, nodes: &[Node], id: NodeId) -> u32 {
        let op = &nodes[id.index()].op;
        let lattices = block.lattices(id);
        // Operands in their lattices, and what bringing them there takes.
        let mut brought = Vec::new();
        let mut widest = block.array(id).map_or(0, |array| array.range.bits());
        for (operand, element) in op.operands().into_iter().zip(lattices) {
            let (range, bits) = converted(&nodes[operand.index()].op, block.array(operand), element);
            brought.push(range);
            widest = widest.max(bits);
        }
        let own = match op {
            Op::Binary { function: Binary::Divide, right, .. } => {
                // A divisor that may be 0 is else at least a step of its own type.
                let own = block.array(*right).and_then(|array| step_of(&array.element)).unwrap_or(1);
                let (up, down) = lowest(step_of(&lattices[1]).unwrap_or(1), own);
                // What stands in an invalid cell may be 0.
                let under = self.with_zero(block, *right, brought[1]);
                let digits = digits_of_quotients(&lattices[0]);
                quotient(brought[0], magnitude(brought[0]), (under, (up / down).max(1)), digits)
            }
            Op::Binary { function: Binary::FloorDivide | Binary::Remainder, right, .. } => {
                let under = self.with_zero(block, *right, brought[1]);
                let most = magnitude(brought[0]) + 1;
                let quotient = Interval { lo: -most, hi: most };
                let unit = step_of(&lattices[0]).unwrap_or(1);
                division(brought[0], quotient, under, 0).max(times(quotient, Interval::point(unit)).bits())
            }
            Op::Binary { function: Binary::Power, right, .. } => {
                let values = match &nodes[right.index()].op {
                    Op::Constant { values, .. } => values.clone(),
                    Op::Full { value, .. } => vec![*value],
                    _ => Vec::new(),
                };
                let exponent =
                    if let Some(Exponent::Whole(exponent)) = infer::exponent(&values) { exponent } else { 1 };
                let power = (1..exponent).fold(brought[0], |power, _| times(power, brought[0]));
                power.bits() + lattices[0].float_bits().unwrap_or(0)
            }
            // The number in turns, and the exponent to base 2, with the digits that high precision takes.
            Op::Unary { function: Unary::Sin | Unary::Cos, .. } if lattices[0] == Element::Float64High => {
                brought[0].bits() + 38
            }
            Op::Unary { function: Unary::Exp | Unary::Exp2 | Unary::Expm1, .. }
                if lattices[0] == Element::Float64High =>
            {
                brought[0].bits() + 45
            }
            // Twice the value, and what a division by a power of ten takes.
            Op::Unary { function, .. } if !function.is_real() && lattices[0] != Element::Bool => brought[0].bits() + 6,
            Op::Binary { function: Binary::Multiply, .. } => times(brought[0], brought[1]).bits(),
            Op::Binary { .. } if lattices[0] != Element::Bool => minus(brought[0], brought[1]).bits(),
            Op::Where { .. } if lattices[1] != Element::Bool => minus(brought[1], brought[2]).bits(),
            Op::MatMul { left, right } => {
                let left_range = self.with_zero(block, *left, brought[0]);
                let product = times(left_range, self.with_zero(block, *right, brought[1]));
                let inner = self.size(block.array(*left).and_then(|array| array.shape.last()));
                times(product, Interval::point(inner)).bits()
            }
            Op::Reduce { function, value, axes, mask, .. } => {
                let array = block.array(*value).expect("an array");
                let all = array.validity == Validity::AllTrue && mask.is_none();
                self.reduction(*function, array, axes, all)
            }
            Op::Cast { value, element } => converted(&nodes[value.index()].op, block.array(*value), element).1,
            Op::Assume { value, lo, hi } => promise(block.array(*value).expect("an array"), *lo, *hi),
            Op::Loop { body, carried, .. } => {
                let typed = self.typed.block(*body).expect("every body is typed");
                let body = &self.typed.program().blocks[body.0 as usize];
                let nodes = (0..body.nodes.len()).map(|place| NodeId(place as u32));
                let inside = nodes.map(|node| self.in_block(typed, &body.nodes, node)).max().unwrap_or(0);
                let results = body.results.iter().zip(carried);
                let kept = results.map(|(node, by)| promise(typed.array(*node).expect("an array"), by.lo, by.hi));
                let items = match &block.types[id.index()] {
                    ValueType::Tuple(items) => items.iter().map(|item| item.range.bits()).max(),
                    _ => None,
                };
                inside.max(kept.max().unwrap_or(0)).max(items.unwrap_or(0))
            }
            _ => 0,
        };
        widest.max(own)
    }

    /// The range, and 0 where the node may be invalid.
    fn with_zero(&self, block: &TypedBlock, node: NodeId, range: Interval) -> Interval {
        match block.array(node).map(|array| array.validity) {
            Some(Validity::Secret) => range.hull(Interval::point(0)),
            _ => range,
        }
    }

    fn size(&self, dim: Option<&Dim>) -> i128 {
        dim.map_or(1, |dim| i128::from(dim.evaluate(self.rows).unwrap_or(0)))
    }

    fn reduction(&self, function: Reduction, array: &ArrayType, axes: &[u8], all: bool) -> u32 {
        let named = |axis: usize| axes.is_empty() || axes.iter().any(|named| usize::from(*named) == axis);
        let reduced = array.shape.iter().enumerate().filter(|(axis, _)| named(*axis));
        let size: i128 = reduced.map(|(_, dim)| self.size(Some(dim))).product();
        let cells = if all { array.range } else { array.range.hull(Interval::point(0)) };
        let sum = times(cells, Interval::point(size));
        let count = Interval { lo: 0, hi: size };
        match function {
            Reduction::Count => count.bits(),
            Reduction::Sum => sum.bits().max(count.bits()),
            // Cells that take no part stand one below the others, and differences are compared.
            Reduction::Min | Reduction::Max | Reduction::Argmax => {
                let low = Interval { lo: array.range.lo.saturating_sub(1), hi: array.range.hi };
                minus(low, low).bits()
            }
            Reduction::Mean => {
                let step = step_of(&array.element).unwrap_or(1);
                let (up, down) = lowest(1 << digits_of_quotients(&array.element), step);
                if all {
                    return rounded(sum, up, down.saturating_mul(size.max(1))).1;
                }
                // One division of the sum by the count, its quotient in the range of the cells.
                let shift = up.trailing_zeros();
                let numerator = times(sum, Interval::point(up >> shift));
                let divisor = times(count, Interval::point(down));
                let most = magnitude(cells).saturating_mul(up) / down + 2;
                division(numerator, Interval { lo: -most, hi: most }, divisor, shift).max(sum.bits())
            }
            Reduction::Var => {
                let digits = digits_of_quotients(&array.element);
                let (range, brought) = rounded(array.range, 1 << digits, step_of(&array.element).unwrap_or(1));
                let array = ArrayType { element: array.element.to_float(), range, ..array.clone() };
                let mean = self.reduction(Reduction::Mean, &array, axes, all).max(brought);
                let far = Interval::point(range.hi.saturating_sub(range.lo).saturating_add(1));
                let square = times(far, far);
                // No more than a quarter of it on average, and what the rounding of the mean adds.
                let most = square.hi / 4 + 1;
                let total = times(Interval { lo: 0, hi: most }, Interval::point(size));
                let last = if all {
                    rounded(total, 1, size.max(1).saturating_mul(1 << digits)).1
                } else {
                    let numerator = Interval { lo: 0, hi: (total.hi >> digits) + 1 };
                    division(numerator, Interval { lo: -1, hi: (most >> digits) + 2 }, count, 0)
                };
                mean.max(square.bits()).max(total.bits()).max(last)
            }
        }
    }
}

/// What a promise compares: the value with the ends, on either side.
fn promise(array: &ArrayType, lo: Number, hi: Number) -> u32 {
    let ends = |number: Number| {
        let step = step_of(&array.element).unwrap_or(1);
        (number.mantissa().saturating_mul(step)) / power_of_ten(u32::from(number.scale()))
    };
    minus(array.range, Interval { lo: ends(lo), hi: ends(hi) }).bits()
}

/// The range of an operand in the lattice that it is brought to, and the widest value on the way.
fn converted(op: &Op, array: Option<&ArrayType>, to: &Element) -> (Interval, u32) {
    let Some(array) = array else { return (Interval::point(0), 0) };
    if array.element == *to {
        return (array.range, array.range.bits());
    }
    let (from, target) = (step_of(&array.element).unwrap_or(1), step_of(to).unwrap_or(1));
    let numbers: Vec<Number> = match op {
        Op::Constant { values, .. } => values.clone(),
        Op::Full { value, .. } => vec![*value],
        _ => {
            let (up, down) = lowest(target, from);
            return rounded(array.range, up, down);
        }
    };
    // A constant is encoded where it is needed.
    let ends = numbers.iter().map(|number| {
        let (over, under) = (number.mantissa().saturating_mul(target), power_of_ten(u32::from(number.scale())));
        Interval { lo: over.div_euclid(under), hi: over.div_euclid(under) + i128::from(over % under != 0) }
    });
    let range = ends.reduce(Interval::hull).unwrap_or(Interval::point(0));
    (range, range.bits())
}

/// `range * up / down` to the nearest, and the widest value on the way: twice the scaled value and a divisor more,
/// then what a division by the odd part of the divisor needs (two bits of sign and room, three of the reciprocal).
fn rounded(range: Interval, up: i128, down: i128) -> (Interval, u32) {
    let (up, down) = lowest(up, down);
    let scaled = times(range, Interval::point(up));
    if down == 1 {
        return (scaled, scaled.bits());
    }
    let doubled = plus(times(scaled, Interval::point(2)), Interval::point(down));
    let divisor = down.saturating_mul(2);
    let shift = divisor.trailing_zeros();
    let odd = divisor >> shift;
    let narrow = Interval { lo: doubled.lo >> shift, hi: doubled.hi >> shift };
    let far = narrow.bits() < 128 && odd >= 1 << (narrow.bits() - 1);
    let last = if odd == 1 || far { narrow.bits() } else { narrow.bits() + 5 };
    let result = Interval { lo: narrow.lo.div_euclid(odd), hi: narrow.hi.div_euclid(odd) };
    (result, doubled.bits().max(last))
}

/// Binary digits of quotients and means of an element.
fn digits_of_quotients(element: &Element) -> u32 {
    element.float_bits().unwrap_or(Element::FLOAT_STEP_BITS)
}

/// The width of a quotient of so many digits, whose divisor is at least `step` where it is not 0.
fn quotient(over: Interval, most: i128, (under, step): (Interval, i128), digits: u32) -> u32 {
    let least = match under {
        Interval { lo, .. } if lo > 0 => lo,
        Interval { hi, .. } if hi < 0 => -hi,
        _ => step,
    };
    let most = most.saturating_mul(1 << digits) / least + 1;
    division(over, Interval { lo: -most, hi: most }, under, digits)
}

/// What a division needs, by the header of its module: with `W` the bits of the divisor's magnitude and `p` those of
/// the reciprocal, five more than the result's, `result + W + p - fraction + 2`, `W + p + 3` and `2 p`, two of which
/// are the word's own.
fn division(numerator: Interval, result: Interval, divisor: Interval, fraction: u32) -> u32 {
    let bits = result.bits();
    let magnitude = if divisor.lo < 0 { divisor.bits() } else { (divisor.bits() - 1).max(1) };
    let precision = (bits + 5).max(fraction + 3);
    let word = [bits + magnitude + precision - fraction + 2, magnitude + precision + 3, 2 * precision];
    word.into_iter().max().unwrap_or(0).saturating_sub(2).max(bits + 4).max(numerator.bits())
}

/// The steps of a unit: a lattice step is the reciprocal.
fn step_of(element: &Element) -> Option<i128> {
    match element {
        Element::Bool | Element::Key => None,
        Element::Int64 | Element::Date | Element::Category { .. } => Some(1),
        Element::Decimal { scale } => Some(power_of_ten(u32::from(*scale))),
        Element::Float64 | Element::Float64High => Some(1 << element.float_bits()?),
    }
}

fn power_of_ten(exponent: u32) -> i128 {
    10_i128.pow(exponent)
}

fn lowest(up: i128, down: i128) -> (i128, i128) {
    let (mut a, mut b) = (up, down);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    (up / a, down / a)
}

fn magnitude(range: Interval) -> i128 {
    range.lo.saturating_abs().max(range.hi.saturating_abs())
}

fn plus(a: Interval, b: Interval) -> Interval {
    Interval { lo: a.lo.saturating_add(b.lo), hi: a.hi.saturating_add(b.hi) }
}

fn minus(a: Interval, b: Interval) -> Interval {
    Interval { lo: a.lo.saturating_sub(b.hi), hi: a.hi.saturating_sub(b.lo) }
}

fn times(a: Interval, b: Interval) -> Interval {
    let corners = [a.lo.saturating_mul(b.lo), a.lo.saturating_mul(b.hi), a.hi.saturating_mul(b.lo)];
    corners.into_iter().chain([a.hi.saturating_mul(b.hi)]).map(Interval::point).reduce(Interval::hull).expect("four")
}

/// Whether a promise that the plain evaluator finds broken is kept once the promises on float64 are widened by the
/// error that the engine states for the values (a loop's: that of its first and captured values, and four steps a
/// trip).
pub fn is_broken_by_rounding_alone(case: &Case) -> bool {
    let mut program: Program = case.typed.program().clone();
    for place in 0..program.nodes.len() {
        let op = program.nodes[place].op.clone();
        match op {
            Op::Assume { value, lo, hi } => {
                let Some(steps) = stated_error(case, value).filter(|steps| *steps < FAR) else { return true };
                if let Some(bits) = float_bits(&case.typed, value) {
                    let allowed = allowance(steps, lo, hi, bits);
                    let Some((lo, hi)) = widened(lo, hi, allowed, bits) else { return true };
                    program.nodes[place].op = Op::Assume { value, lo, hi };
                }
            }
            Op::Loop { body, trips, carried, captured } => {
                let mut steps = 4.0 * f64::from(trips);
                for node in carried.iter().map(|carried| carried.initial).chain(captured.iter().copied()) {
                    let Some(error) = stated_error(case, node) else { return true };
                    steps += error * f64::from(trips);
                }
                if steps >= FAR {
                    return true;
                }
                let mut carried = carried;
                for value in &mut carried {
                    if let Some(bits) = float_bits(&case.typed, value.initial) {
                        let Some(wider) = widened(value.lo, value.hi, steps, bits) else { return true };
                        (value.lo, value.hi) = wider;
                    }
                }
                program.nodes[place].op = Op::Loop { body, trips, carried, captured };
            }
            _ => {}
        }
    }
    let typed = infer(&program, &case.datasets).expect("wider promises are promises");
    plain::trace(&typed, &case.tables).is_ok()
}

/// Whether the program promises something of a value that a choice by rounded numbers decides, or of which the plan states
/// no error.
pub fn promises_what_is_undecided(case: &Case) -> bool {
    let undecided = undecided(&case.typed);
    case.typed.program().nodes.iter().any(|node| {
        let unsure = |operand: &NodeId| undecided.contains(operand) || stated_error(case, *operand).is_none();
        matches!(node.op, Op::Assume { .. } | Op::Loop { .. }) && node.op.operands().iter().any(unsure)
    })
}

fn float_bits(typed: &TypedProgram, node: NodeId) -> Option<u32> {
    typed.array(node)?.element.float_bits()
}

/// The error that the plan states for a node, in steps of its lattice; none without bound, or if the engine refuses what
/// comes before.
fn stated_error(case: &Case, value: NodeId) -> Option<f64> {
    let mut program: Program = case.typed.program().clone();
    program.nodes.truncate(value.index() + 1);
    // Bodies are numbered in the order of their loops.
    let bodies = |nodes: &[Node]| {
        nodes
            .iter()
            .filter_map(|node| if let Op::Loop { body, .. } = node.op { Some(body.0 as usize + 1) } else { None })
            .max()
    };
    let mut kept = bodies(&program.nodes).unwrap_or(0);
    while let Some(more) =
        program.blocks[..kept].iter().filter_map(|block| bodies(&block.nodes)).max().filter(|more| *more > kept)
    {
        kept = more;
    }
    program.blocks.truncate(kept);
    program.outputs = vec![Output { name: "it".into(), value, receivers: Vec::new(), within: None }];
    let typed = infer(&program, &case.datasets).expect("a part of what was typed");
    let output = ReleasedOutput {
        name: "it".into(),
        value,
        receivers: Vec::new(),
        gates: Vec::new(),
        grid: None,
        noise: Vec::new(),
        dominance: Vec::new(),
    };
    let spec = ReleaseSpec { outputs: vec![output], minimum_overlap: Vec::new() };
    Plan::lower(&typed, &spec, &case.sizes()).ok()?.error_bound(0)
}

/// The promise, wider by so many steps on either side; none where its ends are no numbers.
fn widened(lo: Number, hi: Number, steps: f64, bits: u32) -> Option<(Number, Number)> {
    const SCALE: u8 = 12;
    // With two of the last digit more, since the ends are cut there.
    let far = (steps * 1e12 / 2.0_f64.powi(bits as i32)).ceil() as i128 + 2;
    let moved = |end: Number, by: i128| {
        let wide = end.mantissa().checked_mul(power_of_ten(SCALE.into()))?;
        Number::new(wide.div_euclid(power_of_ten(end.scale().into())).checked_add(by)?, SCALE)
    };
    Some((moved(lo, -far)?, moved(hi, far)?))
}
