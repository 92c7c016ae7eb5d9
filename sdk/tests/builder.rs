//! The builder makes the programs that its expressions say.

use std::collections::BTreeMap;

use tacit_protocol::Number;
use tacit_protocol::program::plain::evaluate;
use tacit_protocol::program::{Binary, Dim, Op, Reduction, infer};
use tacit_protocol::schema::Element;
use tacit_sdk::ProgramBuilder;

#[test]
fn operators_append_operations_in_order() {
    let builder = ProgramBuilder::new();
    let table = builder.table("shop/sales");
    let amount = table.column("amount");
    let cond = (amount.gt(5) & amount.lt(10)).named("cond");
    builder.release("n", &cond.sum());
    let program = builder.build();

    assert!(matches!(program.nodes[0].op, Op::Load { .. }));
    assert!(matches!(program.nodes.last().expect("nodes").op, Op::Reduce { function: Reduction::Sum, .. }));
    let named = program.nodes.iter().find(|node| node.name.as_deref() == Some("cond")).expect("the named node");
    assert!(matches!(named.op, Op::Binary { function: Binary::And, .. }));
}

#[test]
fn a_loop_body_is_a_block_of_its_own() {
    let builder = ProgramBuilder::new();
    let start = builder.constant(1);
    let step = builder.constant(2);
    let result = builder.repeat(3, &[(&start, Number::ZERO, 100.into())], &[&step], |carried, captured, trip| {
        vec![&(&carried[0] + &captured[0]) + trip]
    });
    builder.release("x", &result[0]);
    let program = builder.build();
    assert_eq!(program.blocks.len(), 1);
    assert_eq!(program.blocks[0].nodes.len(), 5);
    assert_eq!(program.blocks[0].results.len(), 1);
}

#[test]
#[should_panic(expected = "capture it in `repeat`")]
fn a_loop_body_may_not_read_an_outer_array_that_it_did_not_capture() {
    let builder = ProgramBuilder::new();
    let start = builder.constant(1);
    let outer = builder.constant(2);
    builder.repeat(3, &[(&start, Number::ZERO, 100.into())], &[], |carried, _, _| vec![&carried[0] + &outer]);
}

#[test]
fn correlations_are_those_of_the_definition() {
    let builder = ProgramBuilder::new();
    let numbers = |values: &[i64]| builder.vector(Element::Int64, values.iter().map(|value| Number::from(*value)));
    let (signal, kernel) = (numbers(&[1, 2, -3, 5, 8]), numbers(&[2, 0, -1]));
    builder.release("line", &signal.correlate(&kernel, 3));
    let image: Vec<i64> = (0..20).map(|i| i * i % 7 - 3).collect();
    let patch = [1, -2, 3, 0, 4, 1];
    let shaped = numbers(&image).reshape(vec![Dim::fixed(4), Dim::fixed(5)]);
    builder.release("plane", &shaped.correlate_2d(&numbers(&patch), [4, 5], [2, 3]));
    let typed = infer(&builder.build(), &BTreeMap::new()).expect("well typed");
    let outputs = evaluate(&typed, &BTreeMap::new()).expect("evaluates");

    let cells = |at: usize| outputs[at].as_f64().into_iter().map(|cell| cell.expect("all valid")).collect::<Vec<f64>>();
    assert_eq!(cells(0), [5.0, -1.0, -14.0]);
    let cell = |row: usize, column: usize| -> f64 {
        let product = |at: usize| image[(row + at / 3) * 5 + column + at % 3] * patch[at];
        (0..6).map(product).sum::<i64>() as f64
    };
    assert_eq!(cells(1), (0..9).map(|at| cell(at / 3, at % 3)).collect::<Vec<_>>());
    assert_eq!(outputs[1].shape(), [3, 3]);
}
