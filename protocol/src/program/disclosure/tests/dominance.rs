//! Sums that two rows make up (rule R10).

use super::*;
use crate::program::disclosure::Fact;
use crate::program::release::Dominance;

#[test]
fn sums_and_means_have_the_condition_and_counts_do_not() {
    let (mut q, table, condition) = asked();
    let amount = q.column(table, "amount");
    let (sum, count) = (q.sum_where(amount, condition), q.sum(condition));
    q.release("sum", sum);
    q.release("count", count);
    let of = |q: &Question, output: &str| released(&q.allowed(), output).dominance.clone();
    assert_eq!(of(&q, "sum"), [], "the policy does not ask for it");
    q.shop().dominance = 20;
    let found = of(&q, "sum");
    assert_eq!(found, [Dominance { of: sum, percent: 20 }]);
    assert_eq!(of(&q, "count"), []);
    let analysis = q.allowed();
    let told = &analysis.learned.iter().find(|learned| learned.party == BANK).expect("the bank").facts;
    assert!(told.contains(&Fact::Dominated { output: "sum".into(), percent: 20 }), "{told:?}");
    // What is computed of it has the condition too, with the count of its own.
    let twice = q.binary(Binary::Add, sum, sum);
    q.release("twice", twice);
    assert_eq!(of(&q, "twice"), found);
}

#[test]
fn what_is_no_plain_sum_is_refused_where_the_condition_is_asked_for() {
    let (mut q, table, condition) = asked();
    let amount = q.column(table, "amount");
    let chosen = q.choose(condition, amount);
    let squares = q.program.push(Op::MatMul { left: chosen, right: chosen });
    q.release("squares", squares);
    q.shop().dominance = 20;
    assert!(q.codes().contains(&"DISCLOSURE_DOMINANCE".to_owned()), "{:?}", q.codes());
}

/// A join of both tables, and a condition on its rows.
fn asked() -> (Question, NodeId, NodeId) {
    let mut q = Question::new();
    let table = q.join();
    let frequency = q.column(table, "frequency");
    let condition = q.is(frequency, Binary::Greater, "3");
    (q, table, condition)
}
