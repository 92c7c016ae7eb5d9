//! The main job: the bank asks for the number, the sum and the mean of its own customers' wealth under a condition
//! that the shop's columns take part in (worked example of the note).

use crate::program::disclosure::Fact;
use crate::program::release::MinimumOverlap;

use super::*;

/// The question, its join and its condition.
pub(super) fn main_job() -> (Question, NodeId, NodeId) {
    let mut q = Question::new();
    let joined = q.join();
    let [frequency, amount, balance, wealth] =
        ["frequency", "amount", "balance", "wealth"].map(|column| q.column(joined, column));
    let conditions = [(frequency, "2"), (amount, "5000"), (balance, "5000000")];
    let [often, much, rich] = conditions.map(|(column, least)| q.is(column, Binary::Greater, least));
    let both = q.and(often, much);
    let condition = q.and(both, rich);
    q.program.nodes[condition.index()].name = Some("cond".into());
    let count = q.sum(condition);
    let cost = q.sum_where(wealth, condition);
    let average = q.reduce(Reduction::Mean, wealth, Some(condition));
    q.release("number", count);
    q.release("cost", cost);
    q.release("average", average);
    (q, joined, condition)
}

#[test]
fn the_main_job_is_allowed_behind_exactly_the_expected_gates() {
    let (q, joined, condition) = main_job();
    let analysis = q.allowed();
    let members = gate(joined, &[&[Literal::True(condition)]], GateRule::AtLeast(100));
    let others = gate(joined, &[&[Literal::False(condition)]], GateRule::AtLeast(100));
    assert_eq!(q.gates("number"), vec![members.clone()]);
    for output in ["cost", "average"] {
        let mut gates = q.gates(output);
        gates.sort();
        let mut expected = vec![members.clone(), others.clone()];
        expected.sort();
        assert_eq!(gates, expected, "{output}");
    }
    assert_eq!(analysis.release.minimum_overlap, [MinimumOverlap { join: joined, rows: 100 }]);
    assert_eq!(released(&analysis, "average").grid, Some(number("0.01")));
    // Whole numbers and cents are on the grid as they are.
    assert_eq!(released(&analysis, "number").grid, None);
    assert_eq!(released(&analysis, "cost").grid, None);
    assert!(analysis.release.outputs.iter().all(|output| output.receivers == [BANK]));
}

#[test]
fn the_main_job_is_allowed_at_a_million_rows_behind_a_hundred_but_not_behind_fifty() {
    let (q, _, _) = main_job();
    let million = q.with_rows(1_000_000);
    million.allowed();
    let fifty = million.with_minimum(50);
    assert_eq!(fifty.codes(), ["DISCLOSURE_BITS"]);
    let refusal = &fifty.refused()[0];
    assert_eq!((refusal.owner, refusal.dataset.as_str(), refusal.clause.as_str()), (SHOP, CUSTOMERS, "R9"));
    assert!(refusal.change.contains("`release.minimum_rows` of 51"), "{}", refusal.change);
    fifty.with_rows(5_000).allowed();
}

#[test]
fn a_mean_counts_as_its_sum_so_that_it_adds_no_bits_and_saves_none() {
    // Finding 4 and attack 19: without the sum beside it the mean still costs the bits of the sum.
    let (mut q, _, _) = main_job();
    q.program.outputs.retain(|output| output.name == "average");
    assert_eq!(q.clone().with_minimum(30).codes(), ["DISCLOSURE_BITS"]);
    q.with_minimum(50).allowed();
}

#[test]
fn each_party_is_told_what_it_learns_from_the_main_job() {
    let (q, _, _) = main_job();
    let learned = q.allowed().learned;
    assert_eq!(learned.iter().map(|learned| learned.party).collect::<Vec<_>>(), [SHOP, BANK]);
    let shop: Vec<String> = learned[0].facts.iter().map(ToString::to_string).collect();
    assert_eq!(
        shop,
        [
            "banque/accounts has 5000 rows, and the types and declared ranges of balance, customer, wealth",
            "how many rows of banque/accounts and maison/customers match; fewer than 100 stop the job before it \
             computes anything",
            "which of its own rows in maison/customers have a match in banque/accounts",
        ]
    );
    let bank = &learned[1].facts;
    for output in ["number", "cost", "average"] {
        assert!(bank.contains(&Fact::Suppressed { output: output.into(), minimum: 100 }), "{output}");
    }
    assert!(bank.contains(&Fact::Value { output: "average".into(), grid: Some(number("0.01")) }));
    assert!(bank.contains(&Fact::ImpliedCount { output: "average".into() }));
    assert!(bank.contains(&Fact::OwnMatches { dataset: ACCOUNTS.into(), with: vec![CUSTOMERS.into()] }));
    assert!(!bank.iter().any(|fact| matches!(fact, Fact::OutOfRange { .. } | Fact::Undefined { .. })));
}

#[test]
fn a_party_receives_its_own_rows_without_gates() {
    let mut q = Question::new();
    let table = q.program.push(Op::Load { dataset: ACCOUNTS.into() });
    let wealth = q.column(table, "wealth");
    let total = q.sum(wealth);
    q.release("wealth", wealth);
    q.release("total", total);
    assert!(q.gates("wealth").is_empty());
    assert!(q.gates("total").is_empty());
}
