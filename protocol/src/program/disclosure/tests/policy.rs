//! What the policies say about columns, alignment, receivers, subsets, grids and persons.

use crate::program::{Block, BlockId, Carried, Node};

use super::job::main_job;
use super::*;

fn clauses(q: &Question) -> Vec<(String, String)> {
    q.refused().iter().map(|refusal| (refusal.code.to_string(), refusal.clause.clone())).collect()
}

#[test]
fn a_dataset_without_rules_refuses_everything() {
    let (mut q, _, _) = main_job();
    q.rules.remove(CUSTOMERS);
    assert_eq!(q.codes(), ["POLICY_ALIGNMENT", "POLICY_COLUMN", "POLICY_RECEIVER"]);
    assert!(q.refused().iter().all(|refusal| refusal.owner == SHOP && refusal.dataset == CUSTOMERS));
}

#[test]
fn a_column_that_is_not_listed_is_refused() {
    // CHK-209
    let (mut q, _, _) = main_job();
    q.shop().columns.remove("frequency");
    assert_eq!(clauses(&q), [("POLICY_COLUMN".into(), "columns.frequency".into())]);
    let refusal = &q.refused()[0];
    assert!(refusal.change.contains("\"frequency\""), "{}", refusal.change);
}

#[test]
fn a_use_that_is_not_listed_is_refused_with_the_word_that_would_allow_it() {
    // CHK-209
    let (q, _, _) = main_job();
    let cases = [
        ("customer", ColumnUse::Join, "join"),
        ("amount", ColumnUse::Filter, "filter"),
        ("amount", ColumnUse::Count, "count"),
    ];
    for (column, usage, word) in cases {
        let mut q = q.clone();
        q.shop().columns.get_mut(column).expect("a column").uses.remove(&usage);
        assert_eq!(clauses(&q), [("POLICY_OPERATION".into(), format!("columns.{column}.uses"))]);
        let refusal = &q.refused()[0];
        assert!(refusal.change.contains(&format!("add `{word}` to the uses of {column:?}")), "{}", refusal.change);
    }
}

#[test]
fn the_main_job_uses_the_shops_columns_to_filter_and_count_only() {
    let (mut q, _, _) = main_job();
    for column in q.shop().columns.values_mut() {
        column.uses.retain(|usage| matches!(usage, ColumnUse::Filter | ColumnUse::Count | ColumnUse::Join));
    }
    q.allowed();
}

#[test]
fn an_alignment_that_is_not_listed_is_refused() {
    // CHK-210
    let (mut q, _, _) = main_job();
    q.shop().alignments = [Alignment::Private].into();
    assert_eq!(clauses(&q), [("POLICY_ALIGNMENT".into(), "alignment".into())]);
    assert!(q.refused()[0].change.contains("add `revealed` to `alignment`"), "{}", q.refused()[0].change);
}

#[test]
fn a_receiver_that_is_not_listed_is_refused() {
    // CHK-210
    let (mut q, _, _) = main_job();
    q.shop().receivers.clear();
    assert_eq!(q.codes(), ["POLICY_RECEIVER"]);
    assert_eq!(q.refused().len(), 3, "one an output");
    assert!(q.refused()[0].change.contains("add party 1 to `receivers`"), "{}", q.refused()[0].change);
}

#[test]
fn a_receiver_without_data_is_held_to_both_owners_minima() {
    let (mut q, joined, condition) = main_job();
    q.receivers = vec![PartyId(2)];
    q.rules.values_mut().for_each(|rules| rules.receivers.extend([PartyId(2)]));
    q.rules.get_mut(ACCOUNTS).expect("rules").minimum_rows = 250;
    let members = gate(joined, &[&[Literal::True(condition)]], GateRule::AtLeast(250));
    for output in ["number", "cost", "average"] {
        assert_eq!(q.gates(output), vec![members.clone()], "it knows no wealth, so no bits count: {output}");
    }
    assert_eq!(q.allowed().release.minimum_overlap[0].rows, 250);
}

#[test]
fn the_size_of_a_join_is_no_secret_to_its_owners_only() {
    let mut q = Question::new();
    let joined = q.join();
    let size = q.program.push(Op::Size { of: Dim::rows_of(joined) });
    q.release("size", size);
    assert!(q.gates("size").is_empty());
    q.receivers = vec![PartyId(2)];
    assert_eq!(q.codes(), ["POLICY_RECEIVER"]);
}

#[test]
fn more_subsets_of_the_receivers_choice_than_the_quota_are_refused() {
    let mut q = Question::new();
    q.shop().subset_masks = 2;
    let joined = q.join();
    let (age, balance) = (q.column(joined, "age"), q.column(joined, "balance"));
    for (at, least) in ["1000", "2000", "3000"].into_iter().enumerate() {
        let chosen = q.is(balance, Binary::Greater, least);
        let sum = q.sum_where(age, chosen);
        q.release(&format!("sum{at}"), sum);
    }
    assert_eq!(clauses(&q), [("DISCLOSURE_SUBSET".into(), "release.subset_masks".into())]);
    q.shop().subset_masks = 3;
    q.allowed();
}

#[test]
fn a_public_count_below_the_minimum_is_refused() {
    let mut q = Question::new().with_rows(99);
    let table = q.load();
    let amount = q.column(table, "amount");
    let sum = q.sum(amount);
    q.release("sum", sum);
    assert_eq!(clauses(&q), [("DISCLOSURE_MIN_ROWS".into(), "release.minimum_rows".into())]);
    let q = q.with_rows(100);
    assert!(q.gates("sum").is_empty(), "all rows stand behind it, and their number is public");
}

#[test]
fn nulls_count_for_nothing() {
    let mut q = Question::new();
    q.shop_column("amount").nullable = true;
    let table = q.load();
    let amount = q.column(table, "amount");
    let (sum, count) = (q.sum(amount), q.reduce(Reduction::Count, amount, None));
    q.release("sum", sum);
    q.release("count", count);
    for output in ["sum", "count"] {
        assert_eq!(q.gates(output), [gate(table, &[&[Literal::Valid(amount)]], GateRule::AtLeast(100))]);
    }
}

#[test]
fn a_filter_counts_the_rows_that_it_leaves() {
    let mut q = Question::new();
    let table = q.load();
    let age = q.column(table, "age");
    let old = q.is(age, Binary::Greater, "60");
    let filtered = q.program.push(Op::Filter { table, mask: old });
    let amount = q.column(filtered, "amount");
    let sum = q.sum(amount);
    q.release("sum", sum);
    assert_eq!(q.gates("sum"), [gate(table, &[&[Literal::True(old)]], GateRule::AtLeast(100))]);
}

#[test]
fn a_condition_in_disguise_counts_the_rows_that_it_selects() {
    // 1 - flag and flag * x select as conditions do.
    let mut q = Question::new();
    let table = q.load();
    let (age, amount) = (q.column(table, "age"), q.column(table, "amount"));
    let old = q.is(age, Binary::Greater, "60");
    let flag = q.program.push(Op::Cast { value: old, element: Element::Int64 });
    let one = q.constant("1");
    let young = q.binary(Binary::Subtract, one, flag);
    let times = q.binary(Binary::Multiply, young, amount);
    let sum = q.sum(times);
    q.release("sum", sum);
    assert_eq!(q.gates("sum"), [gate(table, &[&[Literal::False(old)]], GateRule::AtLeast(100))]);
}

#[test]
fn sums_over_two_tables_of_one_dataset_are_refused() {
    let mut q = Question::new();
    let joined = q.join();
    let (all, matched) = (q.column(NodeId(0), "amount"), q.column(joined, "amount"));
    let (first, second) = (q.sum(all), q.sum(matched));
    q.release("all", first);
    q.release("matched", second);
    assert_eq!(clauses(&q), [("DISCLOSURE_LINEAR".into(), "R7".into())]);
}

#[test]
fn owners_grids_must_fit_one_another() {
    let (mut q, _, _) = main_job();
    q.receivers = vec![PartyId(2)];
    q.rules.values_mut().for_each(|rules| rules.receivers.extend([PartyId(2)]));
    q.rules.get_mut(ACCOUNTS).expect("rules").grid = Some(number("0.5"));
    assert_eq!(released(&q.allowed(), "cost").grid, Some(number("0.5")));
    q.shop().grid = Some(number("0.3"));
    assert_eq!(q.codes(), ["POLICY_GRID"]);
}

#[test]
fn the_strictest_minimum_of_all_owners_stops_a_small_overlap() {
    let (mut q, joined, _) = main_job();
    q.rules.get_mut(ACCOUNTS).expect("rules").minimum_rows = 500;
    let overlaps = q.allowed().release.minimum_overlap;
    assert_eq!((overlaps[0].join, overlaps[0].rows), (joined, 500));
}

/// A loop that adds a value to a running total.
fn looped(q: &mut Question, value: NodeId) -> NodeId {
    let add = Op::Binary { function: Binary::Add, left: NodeId(0), right: NodeId(1) };
    let parameter = |index| Node { op: Op::Parameter { index }, name: None };
    let nodes = vec![parameter(0), parameter(1), Node { op: add, name: None }];
    q.program.blocks.push(Block { nodes, results: vec![NodeId(2)] });
    let initial = q.constant("0.01");
    let body = BlockId(u32::try_from(q.program.blocks.len() - 1).expect("few"));
    let carried = vec![Carried { initial, lo: Number::ZERO, hi: number("10000000000") }];
    let around = q.program.push(Op::Loop { body, trips: 3, carried, captured: vec![value] });
    q.program.push(Op::Item { of: around, index: 0 })
}

#[test]
fn what_goes_round_a_loop_is_refused_where_it_depends_on_foreign_rows() {
    let mut q = Question::new();
    let table = q.load();
    let amount = q.column(table, "amount");
    let sum = q.sum(amount);
    let total = looped(&mut q, sum);
    q.release("total", total);
    assert_eq!(q.codes(), ["DISCLOSURE_MODEL"]);
    assert_eq!(q.clone().with_minimum(0).codes(), ["DISCLOSURE_MODEL"], "with or without a minimum");
    // Whether the values stayed in range is told also where the loop's value is not.
    q.program.outputs[0].value = sum;
    assert_eq!(q.codes(), ["DISCLOSURE_MODEL"]);
}

#[test]
fn a_loop_over_public_values_tells_one_bit() {
    let mut q = Question::new();
    let step = q.constant("0.25");
    let total = looped(&mut q, step);
    let table = q.load();
    let amount = q.column(table, "amount");
    let scaled = q.binary(Binary::Multiply, amount, total);
    let sum = q.sum(scaled);
    q.release("sum", sum);
    let bank = &q.allowed().learned[1];
    assert!(bank.facts.iter().any(|fact| fact.to_string().starts_with("one bit")), "{bank:?}");
}

#[test]
fn members_of_a_private_join_are_counted_on_both_sides() {
    let mut q = Question::new();
    let joined = q.join();
    if let Op::Join { alignment, .. } = &mut q.program.nodes[joined.index()].op {
        *alignment = Alignment::Private;
    }
    q.rules.values_mut().for_each(|rules| rules.alignments = [Alignment::Private].into());
    let wealth = q.column(joined, "wealth");
    let sum = q.sum(wealth);
    q.release("sum", sum);
    let mut gates = q.gates("sum");
    gates.sort();
    let mut expected = vec![
        gate(joined, &[&[Literal::Valid(wealth)]], GateRule::AtLeast(100)),
        gate(joined, &[&[Literal::Invalid(wealth)]], GateRule::AtLeast(100)),
    ];
    expected.sort();
    assert_eq!(gates, expected);
    assert!(q.allowed().release.minimum_overlap.is_empty());
    // Its own rows in the join would tell the bank who is a member.
    q.release("rows", wealth);
    assert_eq!(q.codes(), ["DISCLOSURE_ROW"]);
}

#[test]
fn many_groups_in_one_array_are_one_equation_each() {
    let mut q = Question::new().with_minimum(6);
    let table = q.load();
    let region = q.column(table, "region");
    let shape = vec![Dim::rows_of(table), Dim::fixed(1)];
    let region = q.program.push(Op::Reshape { value: region, shape });
    let values: Vec<Number> = (0..4).map(Number::from).collect();
    let labels = q.program.push(Op::Constant { element: Element::Int64, shape: vec![4], values });
    let groups = q.binary(Binary::Equal, region, labels);
    let function = Reduction::Sum;
    let counts = q.program.push(Op::Reduce { function, value: groups, axes: vec![0], keep_dims: false, mask: None });
    q.release("counts", counts);
    assert_eq!(q.gates("counts"), [gate(table, &[&[Literal::True(groups)]], GateRule::AtLeast(6))]);
}
