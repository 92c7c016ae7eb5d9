//! Loops that carry what depends on rows (rule R13) and the keys of groups (R4).

use super::*;
use crate::program::disclosure::{releases_model, told};
use crate::program::{Block, BlockId, Carried, Node};

/// A loop that moves one weight towards the mean of ages: a fit of one parameter.
fn fit(trips: u32) -> (Question, NodeId) {
    let mut q = Question::new();
    q.shop().model = true;
    let table = q.load();
    let age = q.column(table, "age");
    let item = fit_of(&mut q, age, trips);
    q.release("weight", item);
    (q, item)
}

fn fit_of(q: &mut Question, rows: NodeId, trips: u32) -> NodeId {
    let node = |op| Node { op, name: None };
    let nodes = vec![
        node(Op::Parameter { index: 0 }),
        node(Op::Parameter { index: 1 }),
        node(Op::Binary { function: Binary::Subtract, left: NodeId(1), right: NodeId(0) }),
        node(Op::Reduce { function: Reduction::Mean, value: NodeId(2), axes: vec![], keep_dims: false, mask: None }),
        node(Op::Binary { function: Binary::Add, left: NodeId(0), right: NodeId(3) }),
    ];
    q.program.blocks.push(Block { nodes, results: vec![NodeId(4)] });
    let body = BlockId(u32::try_from(q.program.blocks.len() - 1).expect("few"));
    let initial = q.program.push(Op::Full { element: Element::Float64, shape: vec![], value: Number::ZERO });
    let carried = vec![Carried { initial, lo: number("-1000"), hi: number("1000") }];
    let around = q.program.push(Op::Loop { body, trips, carried, captured: vec![rows] });
    q.program.push(Op::Item { of: around, index: 0 })
}

#[test]
fn a_fit_over_all_rows_is_allowed_where_it_is_granted() {
    let (mut q, _) = fit(3);
    q.allowed();
    assert!(releases_model(&q.typed()), "so the operator is asked");
    q.shop().model = false;
    assert_eq!(q.codes(), ["DISCLOSURE_MODEL"]);
    assert!(q.refused()[0].change.contains("`release.model`"), "{:?}", q.refused());
}

#[test]
fn fifty_rows_stand_behind_each_parameter() {
    let (q, _) = fit(3);
    let q = q.with_minimum(2).with_rows(49);
    assert_eq!(q.codes(), ["DISCLOSURE_MODEL"]);
    assert!(q.refused()[0].cause.contains("need 50 rows"), "{:?}", q.refused());
    q.with_rows(50).allowed();
}

#[test]
fn the_policys_minimum_stands_behind_a_fit_too() {
    let (q, _) = fit(3);
    let q = q.with_minimum(100).with_rows(99);
    assert_eq!(q.codes(), ["DISCLOSURE_MODEL"]);
    assert!(q.refused()[0].cause.contains("need 100 rows"), "{:?}", q.refused());
    q.with_rows(100).allowed();
}

#[test]
fn attack_25_a_second_fit_in_the_same_job_is_refused() {
    let (mut q, _) = fit(3);
    let age = NodeId(1);
    let again = fit_of(&mut q, age, 3);
    q.release("again", again);
    q.allowed();
    let other = fit_of(&mut q, age, 4);
    q.release("other", other);
    assert_eq!(q.codes(), ["DISCLOSURE_MODEL"]);
    assert!(q.refused()[0].cause.contains("one of several fits"), "{:?}", q.refused());
}

#[test]
fn attack_25_a_second_fit_of_one_dataset_is_refused() {
    let (first, _) = fit(3);
    let history = |current: bool| {
        let told = told(&first.typed(), &first.receivers()).expect("within the limits");
        let shops = told.into_iter().filter(|(dataset, _)| dataset == CUSTOMERS);
        shops.map(|(_, job)| crate::program::history::PastJob { current, ..job }).collect::<Vec<_>>()
    };
    assert_eq!(history(true)[0].models.len(), 1);
    let (mut again, _) = fit(3);
    again.shop().history = history(true);
    again.allowed();
    // The same program on rows of another import leaves one row out, or one in.
    again.shop().history = history(false);
    assert_eq!(again.codes(), ["DISCLOSURE_MODEL"]);
    let (mut other, _) = fit(4);
    other.shop().history = history(true);
    assert_eq!(other.codes(), ["DISCLOSURE_MODEL"]);
}

#[test]
fn attack_25_a_fit_of_picked_rows_is_refused() {
    let mut q = Question::new();
    q.shop().model = true;
    let table = q.load();
    let age = q.column(table, "age");
    let old = q.is(age, Binary::Greater, "60");
    let picked = q.choose(old, age);
    let item = fit_of(&mut q, picked, 3);
    q.release("weight", item);
    assert_eq!(q.codes(), ["DISCLOSURE_MODEL"]);
    assert!(q.refused()[0].cause.contains("picked"), "{:?}", q.refused());
}

#[test]
fn what_is_computed_from_a_fit_and_rows_is_refused() {
    let (mut q, item) = fit(3);
    let table = NodeId(0);
    let age = q.column(table, "age");
    let predicted = q.binary(Binary::Multiply, age, item);
    q.release("predicted", predicted);
    assert_eq!(q.codes(), ["DISCLOSURE_MODEL"]);
}

#[test]
fn attack_21_keys_of_groups_that_only_the_rows_tell_are_refused() {
    let mut q = Question::new();
    let table = q.load();
    let region = q.column(table, "region");
    let tall = q.program.push(Op::Reshape { value: region, shape: vec![Dim::rows_of(table), Dim::fixed(1)] });
    let sorted = q.program.push(Op::SortRows { value: tall, keys: region });
    q.release("keys", sorted);
    assert_eq!(q.codes(), ["DISCLOSURE_KEY"]);
    assert_eq!(q.refused()[0].clause, "R4");
}
