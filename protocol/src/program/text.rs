//! The readable form of a typed program: one line a node, with what inference derived for it.
//!
//! ```text
//! %3 "cond" = greater %1 %2            bool [rows(%0)] in [0, 1]
//! ```

use std::fmt::Write as _;

use crate::Number;
use crate::program::infer::range::describe;
use crate::program::infer::shape::show;
use crate::program::types::{ArrayType, Validity, ValueType};
use crate::program::{Alignment, InputSource, Node, NodeId, Op, TypedBlock, TypedProgram};

/// The column where types begin, unless an operation is longer.
const TYPES_AT: usize = 56;
/// How many values of a constant are shown.
const SHOWN_VALUES: usize = 6;

impl TypedProgram {
    /// The program as text, for people: never parsed.
    pub fn to_text(&self) -> String {
        let mut text = block(&self.program().nodes, self.main());
        for (index, body) in self.program().blocks.iter().enumerate() {
            let id = crate::program::BlockId(u32::try_from(index).expect("validated: at most limits::NODES blocks"));
            let types = self.block(id).expect("inference: every body is typed");
            let _ = writeln!(text, "block {index}:");
            block(&body.nodes, types).lines().for_each(|line| {
                let _ = writeln!(text, "  {line}");
            });
            let _ = writeln!(text, "  next {}", list(&body.results));
        }
        for output in &self.program().outputs {
            let receivers = match output.receivers.as_slice() {
                [] => "the submitter".into(),
                named => named.join(", "),
            };
            let within = output.within.map(|within| format!(", within {within}")).unwrap_or_default();
            let _ = writeln!(text, "release {:?} = {} to {receivers}{within}", output.name, output.value);
        }
        text
    }
}

fn block(nodes: &[Node], types: &TypedBlock) -> String {
    let mut text = String::new();
    for (index, (node, value)) in nodes.iter().zip(&types.types).enumerate() {
        let name = node.name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default();
        let left = format!("%{index}{name} = {}", operation(&node.op));
        let _ = writeln!(text, "{left:TYPES_AT$} {}", value_type(value));
    }
    text
}

fn operation(op: &Op) -> String {
    let operands = list(&op.operands());
    match op {
        Op::Load { dataset } => format!("load {dataset}"),
        Op::Join { left_on, right_on, alignment, .. } => {
            let alignment = match alignment {
                Alignment::Revealed => "revealed",
                Alignment::Private => "private",
            };
            format!("join {operands} on {left_on} = {right_on}, {alignment}")
        }
        Op::Filter { table, mask } => format!("filter {table} by {mask}"),
        Op::Column { table, column } => format!("column {column:?} of {table}"),
        Op::Constant { values, .. } => {
            let more = if values.len() > SHOWN_VALUES { ", ..." } else { "" };
            let shown: Vec<String> = values.iter().take(SHOWN_VALUES).map(Number::to_string).collect();
            format!("constant {}{more}", shown.join(", "))
        }
        Op::Full { shape, value, .. } => format!("full {} of {value}", show(shape)),
        Op::Arange { length } => format!("arange {length}"),
        Op::Size { of } => format!("size {of}"),
        Op::Cast { value, element } => format!("cast {value} to {}", element.name()),
        Op::Unary { function, .. } => format!("{} {operands}", word(function)),
        Op::Binary { function, .. } => format!("{} {operands}", word(function)),
        Op::Where { condition, then, otherwise } => format!("where {condition} then {then} else {otherwise}"),
        Op::Reduce { function, value, axes, mask, .. } => {
            let axes = if axes.is_empty() { String::new() } else { format!(" over {axes:?}") };
            let mask = mask.map(|mask| format!(" where {mask}")).unwrap_or_default();
            format!("{} {value}{axes}{mask}", word(function))
        }
        Op::MatMul { .. } => format!("matmul {operands}"),
        Op::Reshape { value, shape } => format!("reshape {value} to {}", show(shape)),
        Op::Transpose { value, axes } => format!("transpose {value} to {axes:?}"),
        Op::Concatenate { axis, .. } => format!("concatenate {operands} along {axis}"),
        Op::Slice { value, axes } => {
            let parts = axes.iter().map(|axis| match axis.step {
                1 => format!("{}:{}", axis.start, axis.stop),
                step => format!("{}:{}:{step}", axis.start, axis.stop),
            });
            format!("slice {value}[{}]", parts.collect::<Vec<_>>().join(", "))
        }
        Op::Windows { value, axis, size } => format!("windows {value} of {size} along {axis}"),
        Op::Sort { value, axis } => format!("sort {value} along {axis}"),
        Op::Argsort { value, axis } => format!("argsort {value} along {axis}"),
        Op::SortRows { value, keys } => format!("sort rows of {value} by {keys}"),
        Op::Flip { value, axis } => format!("flip {value} along {axis}"),
        Op::Take { value, axis, places } => format!("take {places:?} of {value} along {axis}"),
        Op::Cumsum { value, axis } => format!("cumsum {value} along {axis}"),
        Op::Parameter { index } => format!("parameter {index}"),
        Op::Loop { body, trips, carried, captured } => {
            let carried = carried.iter().map(|c| format!("{} in [{}, {}]", c.initial, c.lo, c.hi));
            let captured = if captured.is_empty() { String::new() } else { format!(", with {}", list(captured)) };
            format!("loop {trips} times block {} from {}{captured}", body.0, carried.collect::<Vec<_>>().join(", "))
        }
        Op::Item { of, index } => format!("item {index} of {of}"),
        Op::Assume { value, lo, hi } => format!("assume {value} in [{lo}, {hi}]"),
        Op::Input { from: InputSource::Party(party), lo, hi, .. } => format!("input of {party} in [{lo}, {hi}]"),
        Op::Input { from: InputSource::Shares(shares), lo, hi, .. } => {
            format!("input as shares of {} bits in [{lo}, {hi}]", shares.word_bits)
        }
    }
}

fn value_type(value: &ValueType) -> String {
    match value {
        ValueType::Array(array) => array_type(array),
        ValueType::Table(table) => {
            let filters = match table.filters.len() {
                0 => String::new(),
                count => format!(", {count} filters"),
            };
            format!("table of rows({}), {} columns{filters}", table.rows_of, table.columns.len())
        }
        ValueType::Tuple(items) => format!("({})", items.iter().map(array_type).collect::<Vec<_>>().join("; ")),
    }
}

fn array_type(array: &ArrayType) -> String {
    let shape = if array.shape.is_empty() { String::new() } else { format!(" {}", show(&array.shape)) };
    let validity = if array.validity == Validity::Secret { ", may be undefined" } else { "" };
    let public = if array.public { ", public" } else { "" };
    format!("{}{shape} in {}{validity}{public}", array.element.name(), describe(&array.range, &array.element))
}

/// The word by which JSON and text name a function.
fn word(function: &impl serde::Serialize) -> String {
    match serde_json::to_value(function) {
        Ok(serde_json::Value::String(word)) => word,
        _ => unreachable!("functions are written as strings"),
    }
}

fn list(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ")
}
