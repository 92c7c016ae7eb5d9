//! The builder makes the programs that its expressions say.

use tacit_protocol::Number;
use tacit_protocol::program::{Binary, Op, Reduction};
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
