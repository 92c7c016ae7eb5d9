//! The release inside the computation (CHK-702, CHK-704): gates, rounding to the grid, and the values that are 0
//! where they are not released.

use std::collections::{BTreeMap, BTreeSet};

use tacit_protocol::Number;
use tacit_protocol::program::release::{Dominance, Gate, GateRule, Literal, ReleaseSpec, ReleasedOutput};
use tacit_protocol::program::types::Interval;
use tacit_protocol::program::{NodeId, Op, TypedProgram};
use tacit_protocol::schema::Element;

use super::lattice::{Ratio, Rounding, Step};
use super::normal::Site;
use super::{Array, Lowered, Lowering};
use crate::error::Result;
use crate::offline::Ready;
use crate::plan::build::Finished;
use crate::plan::step::ValueId;
use crate::plan::{Plan, PlannedOutput, PlannedValue};
use crate::two_party::Pace;

/// The widest value in words of 64 and of 128 bits: two bits are left for the truncation's proof.
const WORD_BITS: [(u32, u32); 2] = [(62, 64), (126, 128)];

/// How many products are tried in their other form: each try lowers the program once more.
const MAX_TRIES: usize = 8;

/// The nodes of the main block whose values stay with the parties as shares.
type Kept<'a> = &'a [NodeId];

/// Lowers a program, its release and the row counts of each load and join to a plan.
pub(in crate::plan) fn lower(
    typed: &TypedProgram,
    spec: &ReleaseSpec,
    sizes: &BTreeMap<NodeId, u64>,
    kept: &[NodeId],
) -> Result<Plan> {
    let mut chosen = BTreeSet::new();
    let (mut plan, sites) = lower_choosing(typed, (spec, kept), sizes, &chosen)?;
    for site in sites.into_iter().take(MAX_TRIES) {
        chosen.insert(site);
        // What does not fit in this form stays in the other.
        match lower_choosing(typed, (spec, kept), sizes, &chosen) {
            Ok((other, _)) if improves(&other, &plan)? => plan = other,
            _ => {
                chosen.remove(&site);
            }
        }
    }
    Ok(plan)
}

/// Whether a plan is cheaper than another of the same program, in words as narrow, and as exact. Cheaper is what takes less
/// time at [`Pace::default`], whoever the parties are, so that the steps are a function of program and sizes.
fn improves(plan: &Plan, other: &Plan) -> Result<bool> {
    let exact = plan.outputs.iter().zip(&other.outputs).all(|(own, others)| match (own.error, others.error) {
        (Some(own), Some(others)) => own <= others,
        (_, others) => others.is_none(),
    });
    let time = |plan: &Plan| Ok(plan.cost()?.microseconds(&[]));
    Ok(exact && plan.word_bits <= other.word_bits && time(plan)? < time(other)?)
}

/// A plan with some products in their other form, and the products that have one.
fn lower_choosing(
    typed: &TypedProgram,
    leaves: (&ReleaseSpec, Kept<'_>),
    sizes: &BTreeMap<NodeId, u64>,
    chosen: &BTreeSet<Site>,
) -> Result<(Plan, BTreeSet<Site>)> {
    let lowering = Lowering::new(typed, sizes, chosen);
    let (plan, sites, narrow_shares) = lower_in_words(lowering, leaves)?;
    if !narrow_shares || plan.word_bits == 64 {
        return Ok((plan, sites));
    }
    let lowering = Lowering { wide: true, ..Lowering::new(typed, sizes, chosen) };
    let (plan, sites, _) = lower_in_words(lowering, leaves)?;
    Ok((Plan { word_bits: 128, ..plan }, sites))
}

/// The same for words of one width; also tells whether there are shares in words of 64 bits.
fn lower_in_words(
    mut lowering: Lowering<'_>,
    (spec, kept): (&ReleaseSpec, Kept<'_>),
) -> Result<(Plan, BTreeSet<Site>, bool)> {
    let values = lowering.main()?;
    let in_range = lowering.in_range();
    let mut outputs = Vec::with_capacity(spec.outputs.len());
    let mut results: Vec<ValueId> = in_range.into_iter().collect();
    for output in &spec.outputs {
        lowering.build.node = Some(output.value);
        let (planned, value, gate) = lowering.release(output, &values, in_range, results.len())?;
        results.push(value);
        results.extend(gate);
        outputs.push(planned);
    }
    let kept = kept.iter().map(|node| lowering.keep(*node, &values, &mut results)).collect::<Result<Vec<_>>>()?;
    let (widest, node) = lowering.build.widest;
    let Some((_, word_bits)) = WORD_BITS.into_iter().find(|(most, _)| widest <= *most) else {
        lowering.build.node = node;
        return lowering
            .refuse("PROGRAM_RANGE", format!("a value needs {widest} bits; the engine computes with at most 126"));
    };
    let Finished { steps, errors, notes, roots: results } = lowering.build.finish(&results);
    let checked = in_range.is_some();
    let (sizes, pace, ready) = (lowering.sizes.clone(), Pace::default(), Ready::default());
    let plan = Plan { word_bits, steps, errors, notes, results, checked, outputs, kept, sizes, pace, ready };
    Ok((plan, lowering.sites, lowering.narrow_shares))
}

impl Lowering<'_> {
    /// One bit: whether every promise on a range held. None, where none had to be checked.
    fn in_range(&mut self) -> Option<ValueId> {
        let violations = std::mem::take(&mut self.violations);
        let mut counts = Vec::new();
        let mut most = 0;
        for bits in violations {
            let cells = self.build.len(bits);
            most += cells as i128;
            let count = self.count_bits(bits, 1);
            counts.push((count, 1));
        }
        if counts.is_empty() {
            return None;
        }
        let total = self.build.linear_many(&counts);
        let width = self.width(Interval { lo: 0, hi: most });
        Some(self.build.is_zero(total, width))
    }

    /// A value that stays with the parties, as it is.
    fn keep(&mut self, node: NodeId, values: &[Lowered], results: &mut Vec<ValueId>) -> Result<PlannedValue> {
        self.build.node = Some(node);
        let value = self.array(values, node)?;
        let place = results.len();
        results.push(value.data);
        results.extend(value.valid);
        let valid = value.valid.map(|_| place + 1);
        let Array { element, shape, range, error, .. } = value;
        Ok(PlannedValue { node, element, shape, range, error, value: place, valid })
    }

    /// The gated value and its gate bits; no gate bits where every cell is released for certain.
    fn release(
        &mut self,
        output: &ReleasedOutput,
        values: &[Lowered],
        in_range: Option<ValueId>,
        place: usize,
    ) -> Result<(PlannedOutput, ValueId, Option<ValueId>)> {
        let value = self.array(values, output.value)?;
        let cells = value.cells();
        let mut gate = self.build.fill_bits(true, cells);
        for rule in &output.gates {
            let bits = self.gate(rule, values, &value.shape)?;
            gate = self.build.and(gate, bits);
        }
        for of in &output.dominance {
            let bits = self.not_dominated(*of, values, &value.shape)?;
            gate = self.build.and(gate, bits);
        }
        if let Some(valid) = value.valid {
            gate = self.build.and(gate, valid);
        }
        let gated = !(output.gates.is_empty() && output.dominance.is_empty());
        let certain = !gated && value.valid.is_none();
        if let (Some(ok), false) = (in_range, certain) {
            let ok = self.broadcast_bits(ok, &[], &value.shape);
            gate = self.build.and(gate, ok);
        }
        let mut rounded = self.on_grid(&value, output.grid)?;
        if let Some(tail) = output.noise.iter().map(|noise| i128::from(noise.sigma.tail())).max() {
            if !certain || value.is_bool() {
                let cause = format!("`{}` has noise, and something about it that would be told exactly", output.name);
                return self.refuse("RELEASE_SPEC", cause);
            }
            // The parties add it to their shares at the opening: what is opened fits the words with it.
            let Interval { lo, hi } = rounded.range;
            rounded.range = Interval { lo: lo.saturating_sub(tail), hi: hi.saturating_add(tail) };
            self.width(rounded.range);
        }
        let opened = match (certain, value.is_bool()) {
            (true, _) => rounded.data,
            (false, true) => self.build.and(gate, rounded.data),
            (false, false) => self.build.select(gate, rounded.data),
        };
        // Of the cells that are released.
        self.build.state_error(opened, rounded.error);
        let planned = PlannedOutput {
            name: output.name.clone(),
            receivers: output.receivers.clone(),
            element: value.element.clone(),
            shape: value.shape.clone(),
            unit: rounded.unit,
            range: rounded.range,
            error: rounded.error,
            gated,
            value: place,
            gate: (!certain).then_some(place + 1),
        };
        Ok((planned, opened, (!certain).then_some(gate)))
    }

    /// The value in units of the grid, or of its lattice step.
    fn on_grid(&mut self, value: &Array, grid: Option<Number>) -> Result<Rounded> {
        let Some(step) = Step::of(&value.element) else {
            if value.element == Element::Key {
                return self.refuse("PROGRAM_TYPE", "keys are not released");
            }
            return Ok(Rounded { data: value.data, range: value.range, error: value.error, unit: Number::from(1) });
        };
        let own = unit_of(step);
        let Some(grid) = grid else {
            return Ok(Rounded { data: value.data, range: value.range, error: value.error, unit: own });
        };
        if grid <= Number::ZERO {
            return self.refuse("RELEASE_GRID", format!("the grid {grid} is not above 0"));
        }
        // step / grid, where step = 2^-b * 10^-d and grid = m * 10^-s.
        let up = 10_i128.pow(u32::from(grid.scale()));
        let down = (1_i128 << step.binary)
            .checked_mul(10_i128.pow(step.decimal))
            .and_then(|down| down.checked_mul(grid.mantissa()));
        let Some(down) = down else {
            return self.refuse("PROGRAM_RANGE", format!("the grid {grid} is too coarse for the engine"));
        };
        let ratio = Ratio::new(up, down);
        // A grid that is finer than the lattice has every lattice point on it, where the ratio is whole.
        let (data, range, error) = self.requantise(value.data, value.range, value.error, ratio, Rounding::Nearest)?;
        Ok(Rounded { data, range, error, unit: grid })
    }

    /// Whether a gate holds, for each cell of the output.
    fn gate(&mut self, gate: &Gate, values: &[Lowered], output: &[usize]) -> Result<ValueId> {
        let rows = match self.sizes.get(&gate.rows_of).and_then(|rows| usize::try_from(*rows).ok()) {
            Some(rows) => rows,
            None => return self.refuse("RELEASE_SPEC", format!("{} makes no rows", gate.rows_of)),
        };
        let rest = self.gate_shape(gate, values, rows)?;
        let columns: usize = rest.iter().product();
        let mut support = self.build.fill_bits(false, rows * columns);
        for conjunction in &gate.support {
            let mut all = self.build.fill_bits(true, rows * columns);
            for literal in conjunction {
                let bits = self.literal(*literal, values, rows, &rest)?;
                all = self.build.and(all, bits);
            }
            support = self.build.or(support, all);
        }
        // Rows last, so that each count is a sum along the second axis.
        let transposed = crate::plan::step::View { offset: 0, shape: vec![columns, rows], strides: vec![1, columns] };
        let support = self.build.view(support, transposed);
        let count = self.count_bits(support, columns);
        let range = Interval { lo: 0, hi: rows as i128 };
        let (least, or_none) = match gate.rule {
            GateRule::AtLeast(least) => (least, false),
            GateRule::ZeroOrAtLeast(least) => (least, true),
        };
        let missing = self.build.linear(&[(count, 1)], -i128::from(least));
        let least = i128::from(least);
        let too_few = self.below_zero(missing, Interval { lo: range.lo - least, hi: range.hi - least });
        let mut holds = self.build.not(too_few);
        if or_none {
            let width = self.width(range);
            let none = self.build.is_zero(count, width);
            holds = self.build.or(holds, none);
        }
        if self.common_shape(&[&rest, output])? != output {
            return self
                .refuse("RELEASE_SPEC", format!("a gate of shape {rest:?} does not fit an output of {output:?}"));
        }
        Ok(self.broadcast_bits(holds, &rest, output))
    }

    /// Whether what remains of a sum without its two largest parts is enough, for each cell of the output.
    fn not_dominated(&mut self, of: Dominance, values: &[Lowered], output: &[usize]) -> Result<ValueId> {
        let op = self.typed.program().nodes.get(of.of.index()).map(|node| node.op.clone());
        let Some(Op::Reduce { value, axes, keep_dims, mask, .. }) = op else {
            return self.refuse("RELEASE_SPEC", format!("{} is no sum", of.of));
        };
        let value = self.array(values, value)?;
        let mask = mask.map(|mask| self.array(values, mask)).transpose()?;
        let (holds, shape) = self.remainder_is_enough(&value, (&axes, keep_dims, mask.as_ref()), of.percent)?;
        if self.common_shape(&[&shape, output]).is_ok_and(|common| common == output) {
            return Ok(self.broadcast_bits(holds, &shape, output));
        }
        let failing = self.build.not(holds);
        let count = self.count_bits(failing, 1);
        let width = self.width(Interval { lo: 0, hi: shape.iter().product::<usize>() as i128 });
        let all = self.build.is_zero(count, width);
        Ok(self.broadcast_bits(all, &[], output))
    }

    /// The shape of a gate's literals behind axis 0.
    fn gate_shape(&self, gate: &Gate, values: &[Lowered], rows: usize) -> Result<Vec<usize>> {
        let mut rest: Vec<usize> = Vec::new();
        for literal in gate.support.iter().flatten() {
            let shape = self.array(values, node_of(*literal))?.shape;
            match shape.split_first() {
                Some((first, others)) if *first == rows => rest = self.common_shape(&[&rest, others])?,
                _ => return self.refuse("RELEASE_SPEC", format!("{} has no axis of {rows} rows", node_of(*literal))),
            }
        }
        Ok(rest)
    }

    fn literal(&mut self, literal: Literal, values: &[Lowered], rows: usize, rest: &[usize]) -> Result<ValueId> {
        let value = self.array(values, node_of(literal))?;
        let cells = value.cells();
        let valid = value.valid.unwrap_or_else(|| self.build.fill_bits(true, cells));
        let bits = match literal {
            Literal::True(_) | Literal::False(_) => {
                if !value.is_bool() {
                    return self.refuse("RELEASE_SPEC", format!("{} is no bool", node_of(literal)));
                }
                self.build.and(value.data, valid)
            }
            Literal::Valid(_) | Literal::Invalid(_) => valid,
        };
        let bits = match literal {
            Literal::True(_) | Literal::Valid(_) => bits,
            Literal::False(_) | Literal::Invalid(_) => self.build.not(bits),
        };
        // Axis 0 is the rows', whatever the rank; the others broadcast behind it.
        let mut from = vec![rows];
        from.resize(1 + rest.len() - (value.shape.len() - 1), 1);
        from.extend_from_slice(&value.shape[1..]);
        let mut to = vec![rows];
        to.extend_from_slice(rest);
        Ok(self.broadcast_bits(bits, &from, &to))
    }
}

/// A value as it is released.
struct Rounded {
    data: ValueId,
    range: Interval,
    error: Option<f64>,
    unit: Number,
}

fn node_of(literal: Literal) -> NodeId {
    match literal {
        Literal::True(node) | Literal::False(node) | Literal::Valid(node) | Literal::Invalid(node) => node,
    }
}

/// A lattice step as a number; steps have at most 36 digits.
fn unit_of(step: Step) -> Number {
    let scale = step.binary.max(step.decimal);
    let mantissa = 5_i128.pow(step.binary) * 10_i128.pow(scale - step.binary.max(step.decimal));
    Number::new(mantissa, u8::try_from(scale).unwrap_or(u8::MAX)).unwrap_or(Number::ZERO)
}
