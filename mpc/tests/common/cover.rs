//! What generated programs reach: operations, placements, and situations that matter.

use std::collections::{BTreeMap, BTreeSet};

use tacit_mpc::plan::Plan;
use tacit_mpc::plan::step::RingOp;
use tacit_mpc::released::{Cell, ReleasedValue};
use tacit_mpc::share::Placement;
use tacit_protocol::program::plain::Trace;
use tacit_protocol::program::types::Validity;
use tacit_protocol::program::{Binary, NodeId, Op, Reduction};
use tacit_protocol::schema::Element;

use super::Case;

/// How often each thing was reached.
#[derive(Default)]
pub struct Cover(pub BTreeMap<String, usize>);

/// Every operation of programs, by [`name`].
pub const OPERATIONS: [&str; 74] = [
    "load",
    "join",
    "filter",
    "column",
    "constant",
    "full",
    "arange",
    "size",
    "cast",
    "negate",
    "not",
    "add",
    "subtract",
    "multiply",
    "divide",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "and",
    "or",
    "xor",
    "where",
    "sum",
    "mean",
    "var",
    "count",
    "min",
    "max",
    "argmax",
    "mat_mul",
    "reshape",
    "transpose",
    "concatenate",
    "slice",
    "windows",
    "sort",
    "argsort",
    "sort_rows",
    "flip",
    "take",
    "cumsum",
    "parameter",
    "loop",
    "item",
    "assume",
    "abs",
    "sign",
    "floor",
    "ceil",
    "round",
    "sqrt",
    "rsqrt",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sigmoid",
    "tanh",
    "softplus",
    "erf",
    "gelu",
    "sin",
    "cos",
    "minimum",
    "maximum",
    "floor_divide",
    "remainder",
    "power",
];

/// What a run may meet.
pub const SITUATIONS: [&str; 25] = [
    "no row matches",
    "rows match",
    "a null cell",
    "a filter before a join",
    "a filter after a join",
    "equal largest cells",
    "a loop in a loop",
    "a promise is checked",
    "words of 64 bits",
    "words of 128 bits",
    "a released scalar",
    "a released vector",
    "a released matrix",
    "a released array of more axes",
    "broadcasting",
    "a released cell",
    "a suppressed cell",
    "an undefined cell",
    "a gate for each cell",
    "a sum without its two largest parts",
    "an exact output",
    "a rounded output",
    "a slice with a step",
    "a released float64",
    "a released float64_high",
];

impl Cover {
    pub fn add(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    /// What of a list was never reached.
    pub fn missing<'a>(&self, of: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        of.into_iter().filter(|what| !self.0.contains_key(*what)).collect()
    }

    /// Counts what the compared outputs of a computed case are made of.
    pub fn case(&mut self, case: &Case, trace: &Trace, plan: &Plan, released: &[ReleasedValue]) {
        let compared = case.release.outputs.iter().zip(&plan.outputs).filter(|(_, planned)| planned.error.is_some());
        let mut open: Vec<NodeId> = compared.map(|(output, _)| output.value).collect();
        let mut seen = BTreeSet::new();
        while let Some(node) = open.pop() {
            if seen.insert(node) {
                let op = &case.typed.program().nodes[node.index()].op;
                open.extend(op.operands());
                self.operation(case, trace, node, op);
            }
        }
        for step in &plan.steps {
            let of = |value: &tacit_mpc::plan::ValueId| placement(plan.steps[value.index()].placement);
            let operands: Vec<&str> = step.op.operands().iter().map(of).collect();
            match step.op {
                RingOp::And(..) | RingOp::Xor(..) | RingOp::Multiply { .. } | RingOp::MatrixMultiply { .. } => {
                    let mut operands = operands;
                    operands.sort_unstable();
                    self.add(format!("{} {}", step.op.name(), operands.join(" ")));
                }
                RingOp::Linear { .. } | RingOp::Concatenate { .. } => self.add(step.op.name()),
                _ => self.add(format!("{} {}", step.op.name(), operands.join(" "))),
            }
        }
        self.situations(case, trace, plan, released);
    }

    fn operation(&mut self, case: &Case, trace: &Trace, node: NodeId, op: &Op) {
        self.add(name(op));
        let typed = &case.typed;
        match op {
            Op::Loop { body, .. } => {
                for node in &typed.program().blocks[body.0 as usize].nodes {
                    self.add(name(&node.op));
                    if let Op::Loop { .. } = node.op {
                        self.add("a loop in a loop");
                    }
                }
            }
            Op::Filter { table, .. } => {
                let rows_of = typed.table(*table).expect("a table").rows_of;
                match typed.program().nodes[rows_of.index()].op {
                    Op::Join { .. } => self.add("a filter after a join"),
                    _ => self.add("a filter before a join"),
                }
            }
            Op::Reduce { function: Reduction::Argmax, value, mask: None, .. } => {
                let cells = trace.array(*value).expect("an array").as_lattice();
                let most = cells.iter().flatten().max();
                let largest = cells.iter().flatten().filter(|cell| Some(*cell) == most).count();
                if largest > 1 && cells.len() == typed_len(trace, *value) {
                    self.add("equal largest cells");
                }
            }
            Op::Slice { axes, .. } if axes.iter().any(|axis| axis.step > 1) => self.add("a slice with a step"),
            Op::Binary { left, right, .. } => {
                let [left, right] = [left, right].map(|node| trace.array(*node).expect("an array").shape());
                if left != right && left.iter().chain(right).any(|size| *size > 1) {
                    self.add("broadcasting");
                }
            }
            _ => {}
        }
        if typed.array(node).is_some_and(|array| array.validity == Validity::Secret)
            && trace.array(node).is_some_and(|array| array.validity.iter().any(|valid| !valid))
        {
            self.add("a null cell");
        }
    }

    fn situations(&mut self, case: &Case, trace: &Trace, plan: &Plan, released: &[ReleasedValue]) {
        let joins = trace
            .rows()
            .iter()
            .filter(|(node, _)| matches!(case.typed.program().nodes[node.index()].op, Op::Join { .. }));
        for (_, rows) in joins {
            self.add(if *rows == 0 { "no row matches" } else { "rows match" });
        }
        self.add(format!("words of {} bits", plan.word_bits));
        if plan.checked {
            self.add("a promise is checked");
        }
        for (spec, (planned, value)) in case.release.outputs.iter().zip(plan.outputs.iter().zip(released)) {
            let result = plan.results[planned.value];
            self.add(format!("an output that is {}", placement(plan.steps[result.index()].placement)));
            self.add(match planned.shape.len() {
                0 => "a released scalar",
                1 => "a released vector",
                2 => "a released matrix",
                _ => "a released array of more axes",
            });
            match planned.error {
                Some(error) if error > 0.0 => self.add("a rounded output"),
                Some(_) => self.add("an exact output"),
                None => self.add("an output that is not compared"),
            }
            let literals = spec.gates.iter().flat_map(|gate| gate.support.iter().flatten());
            let deep = |literal: &tacit_protocol::program::release::Literal| {
                trace.array(super::node_of(*literal)).expect("an array").shape().len() > 1
            };
            if literals.into_iter().any(deep) {
                self.add("a gate for each cell");
            }
            if !spec.dominance.is_empty() {
                self.add("a sum without its two largest parts");
            }
            for cell in &value.cells {
                self.add(match cell {
                    Cell::Released(_) => "a released cell",
                    Cell::Suppressed => "a suppressed cell",
                    Cell::Undefined => "an undefined cell",
                });
            }
            self.add(format!("a released {}", kind(&planned.element)));
        }
    }
}

fn typed_len(trace: &Trace, node: NodeId) -> usize {
    // One lane only: the whole array is it.
    let shape = trace.array(node).expect("an array").shape();
    if shape.len() == 1 { shape[0] } else { usize::MAX }
}

/// The name of a placement in counts.
pub fn placement(placement: Placement) -> &'static str {
    match placement {
        Placement::Public => "public",
        Placement::Private(party) if party.0 == 0 => "of party 0",
        Placement::Private(_) => "of party 1",
        Placement::Shared => "shared",
    }
}

/// The name of an element in counts.
pub fn kind(element: &Element) -> &'static str {
    match element {
        Element::Bool => "bool",
        Element::Int64 => "int64",
        Element::Decimal { .. } => "decimal",
        Element::Float64 => "float64",
        Element::Float64High => "float64_high",
        Element::Date => "date",
        Element::Category { .. } => "category",
        Element::Key => "key",
    }
}

/// The name of an operation in counts.
fn name(op: &Op) -> &'static str {
    match op {
        Op::Load { .. } => "load",
        Op::Join { .. } => "join",
        Op::Filter { .. } => "filter",
        Op::Column { .. } => "column",
        Op::Constant { .. } => "constant",
        Op::Full { .. } => "full",
        Op::Arange { .. } => "arange",
        Op::Size { .. } => "size",
        Op::Cast { .. } => "cast",
        Op::Unary { function, .. } => function.name(),
        Op::Binary { function, .. } => match function {
            Binary::Add => "add",
            Binary::Subtract => "subtract",
            Binary::Multiply => "multiply",
            Binary::Divide => "divide",
            Binary::Less => "less",
            Binary::LessEqual => "less_equal",
            Binary::Greater => "greater",
            Binary::GreaterEqual => "greater_equal",
            Binary::Equal => "equal",
            Binary::NotEqual => "not_equal",
            Binary::And => "and",
            Binary::Or => "or",
            Binary::Xor => "xor",
            Binary::Minimum => "minimum",
            Binary::Maximum => "maximum",
            Binary::FloorDivide => "floor_divide",
            Binary::Remainder => "remainder",
            Binary::Power => "power",
        },
        Op::Where { .. } => "where",
        Op::Reduce { function, .. } => match function {
            Reduction::Sum => "sum",
            Reduction::Mean => "mean",
            Reduction::Var => "var",
            Reduction::Count => "count",
            Reduction::Min => "min",
            Reduction::Max => "max",
            Reduction::Argmax => "argmax",
        },
        Op::MatMul { .. } => "mat_mul",
        Op::Reshape { .. } => "reshape",
        Op::Transpose { .. } => "transpose",
        Op::Concatenate { .. } => "concatenate",
        Op::Slice { .. } => "slice",
        Op::Windows { .. } => "windows",
        Op::Sort { .. } => "sort",
        Op::Argsort { .. } => "argsort",
        Op::SortRows { .. } => "sort_rows",
        Op::Flip { .. } => "flip",
        Op::Take { .. } => "take",
        Op::Cumsum { .. } => "cumsum",
        Op::Parameter { .. } => "parameter",
        Op::Loop { .. } => "loop",
        Op::Item { .. } => "item",
        Op::Assume { .. } => "assume",
        // Jobs have none; the tests of direct sessions reach it.
        Op::Input { .. } => "input",
    }
}
