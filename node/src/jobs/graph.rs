//! A program as one draws it: its nodes with what they are and what they read.

use serde_json::Value;
use tacit_protocol::Number;
use tacit_protocol::api::GraphNode;
use tacit_protocol::program::{Node, Op, Program};

/// How many values of a constant are shown.
const SHOWN_VALUES: usize = 6;

/// The nodes of the main block, and behind them those of the bodies of loops.
pub(super) fn graph(program: &Program) -> Vec<GraphNode> {
    let bodies = (0_u32..).zip(&program.blocks).flat_map(|(block, body)| nodes(&body.nodes, Some(block)));
    nodes(&program.nodes, None).chain(bodies).collect()
}

fn nodes(nodes: &[Node], block: Option<u32>) -> impl Iterator<Item = GraphNode> + '_ {
    (0_u32..).zip(nodes).map(move |(id, node)| GraphNode {
        id,
        block,
        operation: word(&node.op),
        detail: detail(&node.op),
        name: node.name.clone(),
        inputs: node.op.operands().iter().map(|operand| operand.0).collect(),
        body: match &node.op {
            Op::Loop { body, .. } => Some(body.0),
            _ => None,
        },
    })
}

/// The function that an operation applies, or its own name, as program files have them.
fn word(op: &Op) -> String {
    let value = serde_json::to_value(op).unwrap_or_default();
    let field = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
    field("function").or_else(|| field("op")).unwrap_or_default()
}

fn detail(op: &Op) -> String {
    match op {
        Op::Load { dataset } => dataset.clone(),
        Op::Column { column, .. } => column.clone(),
        Op::Join { left_on, right_on, .. } if left_on == right_on => left_on.clone(),
        Op::Join { left_on, right_on, .. } => format!("{left_on} = {right_on}"),
        Op::Constant { values, .. } => {
            let more = if values.len() > SHOWN_VALUES { ", ..." } else { "" };
            let shown: Vec<String> = values.iter().take(SHOWN_VALUES).map(Number::to_string).collect();
            shown.join(", ") + more
        }
        Op::Full { value, .. } => value.to_string(),
        Op::Cast { element, .. } => element.name(),
        Op::Loop { trips, .. } => format!("{trips} times"),
        Op::Assume { lo, hi, .. } => format!("{lo} to {hi}"),
        Op::Item { index, .. } => index.to_string(),
        Op::Parameter { index } => index.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacit_protocol::program::Binary;
    use tacit_protocol::program::NodeId;

    #[test]
    fn nodes_say_what_they_are_and_what_they_read() {
        let mut program = Program::new();
        let table = program.push(Op::Load { dataset: "maison/customers".into() });
        let column = program.push(Op::Column { table, column: "<b>age</b>".into() });
        program.push(Op::Binary { function: Binary::GreaterEqual, left: column, right: NodeId(1) });
        let drawn = graph(&program);
        let shown: Vec<_> =
            drawn.iter().map(|node| (node.operation.as_str(), node.detail.as_str(), node.inputs.clone())).collect();
        let expected = [
            ("load", "maison/customers", vec![]),
            ("column", "<b>age</b>", vec![0]),
            ("greater_equal", "", vec![1, 1]),
        ];
        assert_eq!(shown, expected);
    }
}
