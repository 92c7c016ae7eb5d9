//! The attacks of the security note, §6, by their numbers, on the shop's data and answered to the bank.

use crate::program::disclosure::Fact;

use super::*;

/// The shop's table alone, and a numeric column of it.
fn amounts() -> (Question, NodeId, NodeId) {
    let mut q = Question::new();
    let table = q.load();
    let amount = q.column(table, "amount");
    (q, table, amount)
}

#[test]
fn attack_1_a_cell_of_the_peer_is_refused() {
    let (mut q, _, amount) = amounts();
    let cell = q.slice(amount, 17, 18);
    q.release("cell", cell);
    q.program.nodes[cell.index()].name = Some("target".into());
    assert_eq!(q.codes(), ["DISCLOSURE_ROW"]);
    let refusal = &q.refused()[0];
    assert_eq!((refusal.owner, refusal.clause.as_str()), (SHOP, "R1"));
    assert!(refusal.cause.contains("\"target\""), "{}", refusal.cause);
    assert!(refusal.change.contains("sum, mean or count"), "{}", refusal.change);
}

#[test]
fn attack_1_holds_also_without_a_minimum() {
    let (mut q, _, amount) = amounts();
    q.release("cells", amount);
    assert_eq!(q.with_minimum(0).codes(), ["DISCLOSURE_ROW"]);
}

#[test]
fn attack_2_the_sum_of_a_slice_is_refused() {
    let (mut q, _, amount) = amounts();
    let cell = q.slice(amount, 0, 1);
    let sum = q.sum(cell);
    q.release("sum", sum);
    assert_eq!(q.codes(), ["DISCLOSURE_POSITION"]);
    let refusal = &q.refused()[0];
    assert_eq!(refusal.clause, "R2");
    assert!(refusal.change.contains("`release.positions`"), "{}", refusal.change);
}

#[test]
fn attack_2_holds_for_windows_over_rows() {
    let (mut q, _, amount) = amounts();
    let windows = q.program.push(Op::Windows { value: amount, axis: 0, size: 3 });
    let sum = q.sum(windows);
    q.release("sum", sum);
    assert_eq!(q.codes(), ["DISCLOSURE_POSITION"], "the first and the last row are in one window, the others in three");
}

#[test]
fn attack_2_holds_for_what_was_sorted() {
    let (mut q, _, amount) = amounts();
    let sorted = q.program.push(Op::Sort { value: amount, axis: 0 });
    let least = q.slice(sorted, 0, 1);
    let sum = q.sum(least);
    q.release("sum", sum);
    assert_eq!(q.codes(), ["DISCLOSURE_POSITION"]);
    for op in [
        Op::Flip { value: amount, axis: 0 },
        Op::Take { value: amount, axis: 0, places: vec![3, 5] },
        Op::Cumsum { value: amount, axis: 0 },
    ] {
        let (mut q, _, _) = amounts();
        let moved = q.program.push(op);
        let part = q.slice(moved, 0, 1);
        let sum = q.sum(part);
        q.release("sum", sum);
        assert_eq!(q.codes(), ["DISCLOSURE_POSITION"]);
    }
    let (mut q, _, amount) = amounts();
    let places = q.program.push(Op::Argsort { value: amount, axis: 0 });
    q.release("places", places);
    assert_eq!(q.codes(), ["DISCLOSURE_ROW"]);
}

#[test]
fn attack_3_a_padded_slice_is_refused() {
    let (mut q, _, amount) = amounts();
    let cell = q.slice(amount, 0, 1);
    let element = Element::Decimal { scale: 2 };
    let zeros = q.program.push(Op::Full { element, shape: vec![Dim::fixed(50)], value: Number::ZERO });
    let padded = q.program.push(Op::Concatenate { values: vec![cell, zeros], axis: 0 });
    let sum = q.sum(padded);
    q.release("sum", sum);
    assert_eq!(q.codes(), ["DISCLOSURE_POSITION"]);
}

#[test]
fn attack_4_weights_by_position_are_refused_even_where_positions_are_granted() {
    let (mut q, table, amount) = amounts();
    let place = q.arange(table);
    let weighted = q.binary(Binary::Multiply, amount, place);
    let sum = q.sum(weighted);
    q.release("sum", sum);
    assert_eq!(q.codes(), ["DISCLOSURE_POSITION"]);
    q.shop().positions = true;
    assert_eq!(q.codes(), ["DISCLOSURE_POSITION"]);
}

#[test]
fn attack_5_a_peer_column_as_weight_is_refused_unless_granted() {
    let mut q = Question::new();
    let joined = q.join();
    let (age, weight) = (q.column(joined, "age"), q.column(joined, "weight"));
    let weighted = q.binary(Binary::Multiply, age, weight);
    let sum = q.sum(weighted);
    q.release("sum", sum);
    assert_eq!(q.codes(), ["DISCLOSURE_WEIGHT"]);
    let refusal = &q.refused()[0];
    assert!(refusal.change.contains("`release.weighted`"), "{}", refusal.change);
    let product = q.program.push(Op::MatMul { left: age, right: weight });
    q.program.outputs[0].value = product;
    assert_eq!(q.codes(), ["DISCLOSURE_WEIGHT"]);
    q.shop().weighted = true;
    q.allowed();
}

#[test]
fn attack_5_weights_put_together_from_the_peers_bits_are_refused() {
    let mut q = Question::new();
    let joined = q.join();
    let (age, weight) = (q.column(joined, "age"), q.column(joined, "weight"));
    let mut total = age;
    for bit in 0..3 {
        let chosen = q.is(weight, Binary::Greater, &(1000 << bit).to_string());
        let scale = q.constant(&(1 << (8 * bit)).to_string());
        let scaled = q.binary(Binary::Multiply, age, scale);
        let term = q.choose(chosen, scaled);
        total = q.binary(Binary::Add, total, term);
    }
    let sum = q.sum(total);
    q.release("sum", sum);
    assert_eq!(q.codes(), ["DISCLOSURE_WEIGHT"]);
}

#[test]
fn attack_5_the_lesser_of_both_owners_numbers_is_a_weight() {
    let mut q = Question::new();
    let joined = q.join();
    let columns = ["age", "weight"].map(|column| q.column(joined, column));
    let shape = vec![Dim::rows_of(joined), Dim::fixed(1)];
    let tall = columns.map(|value| q.program.push(Op::Reshape { value, shape: shape.clone() }));
    let pairs = q.program.push(Op::Concatenate { values: tall.to_vec(), axis: 1 });
    let function = Reduction::Min;
    let lesser = q.program.push(Op::Reduce { function, value: pairs, axes: vec![1], keep_dims: false, mask: None });
    let sum = q.sum(lesser);
    q.release("sum", sum);
    assert_eq!(q.codes(), ["DISCLOSURE_WEIGHT"]);
}

#[test]
fn attack_6_sums_over_a_reshaped_axis_are_refused() {
    let (mut q, table, amount) = amounts();
    let half = Dim::rows_of(table).divided(2).expect("not by 0");
    let pairs = q.program.push(Op::Reshape { value: amount, shape: vec![half, Dim::fixed(2)] });
    let function = Reduction::Sum;
    let sums = q.program.push(Op::Reduce { function, value: pairs, axes: vec![1], keep_dims: false, mask: None });
    q.release("sums", sums);
    assert_eq!(q.codes(), ["DISCLOSURE_POSITION"]);
}

#[test]
fn attack_7_running_sums_are_refused() {
    let (mut q, table, _) = amounts();
    let age = q.column(table, "age");
    let (rows, place) = (Dim::rows_of(table), q.arange(table));
    let down = q.program.push(Op::Reshape { value: place, shape: vec![rows.clone(), Dim::fixed(1)] });
    let across = q.program.push(Op::Reshape { value: place, shape: vec![Dim::fixed(1), rows] });
    let before = q.binary(Binary::GreaterEqual, down, across);
    let before = q.program.push(Op::Cast { value: before, element: Element::Int64 });
    let running = q.program.push(Op::MatMul { left: before, right: age });
    let two = q.slice(running, 7, 9);
    q.release("two", two);
    assert_eq!(q.codes(), ["DISCLOSURE_POSITION"]);
}

#[test]
fn attack_8_minimum_and_maximum_are_refused_also_without_a_minimum() {
    for function in [Reduction::Min, Reduction::Max] {
        let (mut q, _, amount) = amounts();
        let extreme = q.reduce(function, amount, None);
        q.release("extreme", extreme);
        assert_eq!(q.codes(), ["DISCLOSURE_ORDER"]);
        assert_eq!(q.refused()[0].clause, "R3");
        assert_eq!(q.with_minimum(0).codes(), ["DISCLOSURE_ORDER"]);
    }
}

#[test]
fn attack_9_argmax_and_gathering_by_it_are_refused() {
    let (mut q, table, amount) = amounts();
    let place = q.reduce(Reduction::Argmax, amount, None);
    q.release("place", place);
    assert_eq!(q.codes(), ["DISCLOSURE_ORDER"]);
    let places = q.arange(table);
    let there = q.binary(Binary::Equal, places, place);
    let gathered = q.sum_where(amount, there);
    q.program.outputs.clear();
    q.release("gathered", gathered);
    assert_eq!(q.codes(), ["DISCLOSURE_ORDER"]);
}

#[test]
fn attack_10_the_mean_of_the_top_rows_is_refused() {
    let (mut q, _, amount) = amounts();
    let top = q.reduce(Reduction::Max, amount, None);
    let among = q.binary(Binary::GreaterEqual, amount, top);
    let mean = q.reduce(Reduction::Mean, amount, Some(among));
    q.release("mean", mean);
    assert_eq!(q.codes(), ["DISCLOSURE_ORDER"]);
}

#[test]
fn attack_11_one_sum_a_position_is_refused() {
    let (mut q, table, amount) = amounts();
    let place = q.arange(table);
    for at in 0..5 {
        let here = q.is(place, Binary::Equal, &at.to_string());
        let sum = q.sum_where(amount, here);
        q.release(&format!("row{at}"), sum);
    }
    assert_eq!(q.codes(), ["DISCLOSURE_POSITION"]);
    assert_eq!(q.refused().len(), 5);
}

#[test]
fn attack_12_power_sums_are_refused_at_half_the_minimum() {
    let powers = |count: usize| {
        let mut q = Question::new().with_minimum(10);
        let table = q.load();
        let age = q.column(table, "age");
        let mut power = age;
        for exponent in 1..=count {
            let sum = q.sum(power);
            q.release(&format!("power{exponent}"), sum);
            power = q.binary(Binary::Multiply, power, age);
        }
        q
    };
    powers(5).allowed();
    assert_eq!(powers(6).codes(), ["DISCLOSURE_EQUATIONS"]);
    let refusal = &powers(6).refused()[0];
    assert_eq!(refusal.clause, "R8");
    assert!(refusal.change.contains("at most 5"), "{}", refusal.change);
}

#[test]
fn attack_12_a_variance_is_a_sum_of_squares_beside_a_mean() {
    let released = |function, minimum| {
        let mut q = Question::new().with_minimum(minimum);
        let table = q.load();
        let (age, amount) = (q.column(table, "age"), q.column(table, "amount"));
        let older = q.is(age, Binary::Greater, "50");
        let value = q.reduce(function, amount, Some(older));
        q.release("value", value);
        q
    };
    released(Reduction::Mean, 4).allowed();
    assert_eq!(released(Reduction::Var, 4).codes(), ["DISCLOSURE_EQUATIONS"]);
    assert_eq!(released(Reduction::Var, 6).gates("value"), released(Reduction::Mean, 6).gates("value"));
}

#[test]
fn attack_13_two_cuts_of_one_column_are_gated_on_their_difference() {
    let (mut q, table, amount) = amounts();
    let age = q.column(table, "age");
    let (below, up_to) = (q.is(age, Binary::Less, "40"), q.is(age, Binary::LessEqual, "40"));
    let (first, second) = (q.sum_where(amount, below), q.sum_where(amount, up_to));
    q.release("below", first);
    q.release("up_to", second);
    let difference = gate(table, &[&[Literal::True(up_to), Literal::False(below)]], GateRule::ZeroOrAtLeast(100));
    for (output, mask) in [("below", below), ("up_to", up_to)] {
        let gates = q.gates(output);
        assert_eq!(gates.len(), 2, "{gates:?}");
        assert!(gates.contains(&difference), "{gates:?}");
        assert!(gates.contains(&gate(table, &[&[Literal::True(mask)]], GateRule::AtLeast(100))), "{gates:?}");
    }
}

#[test]
fn attack_13_in_the_disguise_of_another_function_is_gated_too() {
    let (mut q, table, amount) = amounts();
    let age = q.column(table, "age");
    let (below, up_to) = (q.is(age, Binary::Less, "40"), q.is(age, Binary::LessEqual, "40"));
    let half = q.is(amount, Binary::Divide, "2");
    let (first, second) = (q.sum_where(amount, below), q.sum_where(half, up_to));
    q.release("below", first);
    q.release("up_to", second);
    let difference = gate(table, &[&[Literal::True(up_to), Literal::False(below)]], GateRule::ZeroOrAtLeast(100));
    assert!(q.gates("below").contains(&difference), "{:?}", q.gates("below"));
    assert!(q.gates("up_to").contains(&difference));
}

#[test]
fn attack_13_equal_cuts_give_no_difference() {
    let (mut q, table, amount) = amounts();
    let age = q.column(table, "age");
    let (below, up_to) = (q.is(age, Binary::Less, "41"), q.is(age, Binary::LessEqual, "40"));
    let (first, second) = (q.sum_where(amount, below), q.sum_where(amount, up_to));
    q.release("below", first);
    q.release("up_to", second);
    assert_eq!(q.gates("below").len(), 1);
}

#[test]
fn attack_15_a_total_and_all_groups_but_one_are_gated_on_the_last() {
    let (mut q, table, amount) = amounts();
    let region = q.column(table, "region");
    let total = q.sum(amount);
    q.release("total", total);
    for at in 0..3 {
        let here = q.is(region, Binary::Equal, &at.to_string());
        let sum = q.sum_where(amount, here);
        q.release(&format!("region{at}"), sum);
    }
    let residual = |gates: &[Gate]| {
        let zero_or = |gate: &&Gate| gate.rule == GateRule::ZeroOrAtLeast(100);
        let none = |literals: &Vec<Literal>| literals.iter().all(|l| matches!(l, Literal::False(_)));
        gates.iter().filter(zero_or).any(|gate| gate.support.iter().any(|l| l.len() == 3 && none(l)))
    };
    assert!(residual(&q.gates("total")), "{:?}", q.gates("total"));
    assert!(residual(&q.gates("region1")));
}

#[test]
fn attack_15_a_total_beside_groups_in_one_array_is_refused() {
    let (mut q, table, amount) = amounts();
    let (region, rows) = (q.column(table, "region"), Dim::rows_of(table));
    let down =
        |q: &mut Question, value| q.program.push(Op::Reshape { value, shape: vec![rows.clone(), Dim::fixed(1)] });
    let (region, tall) = (down(&mut q, region), down(&mut q, amount));
    let values = ["0", "1", "2"].map(number).to_vec();
    let labels = q.program.push(Op::Constant { element: Element::Int64, shape: vec![3], values });
    let groups = q.binary(Binary::Equal, region, labels);
    let chosen = q.choose(groups, tall);
    let function = Reduction::Sum;
    let sums = q.program.push(Op::Reduce { function, value: chosen, axes: vec![0], keep_dims: false, mask: None });
    q.release("groups", sums);
    assert_eq!(q.gates("groups"), [gate(table, &[&[Literal::True(groups)]], GateRule::AtLeast(100))]);
    let total = q.sum(amount);
    q.release("total", total);
    assert_eq!(q.codes(), ["DISCLOSURE_LINEAR"]);
}

#[test]
fn attack_16_a_tracker_is_gated_on_the_target() {
    let (mut q, table, amount) = amounts();
    let (age, frequency) = (q.column(table, "age"), q.column(table, "frequency"));
    let (a, b) = (q.is(age, Binary::Less, "60"), q.is(frequency, Binary::Equal, "77"));
    let not_b = q.program.push(Op::Unary { function: crate::program::Unary::Not, value: b });
    let a_not_b = q.and(a, not_b);
    let (first, second) = (q.sum_where(amount, a), q.sum_where(amount, a_not_b));
    q.release("a", first);
    q.release("a_not_b", second);
    // The rows in A and B, under whichever of their names.
    let b_holds = [Literal::True(b), Literal::False(not_b), Literal::False(a_not_b)];
    let counts_target = |gate: &Gate| {
        let [literals] = gate.support.as_slice() else { return false };
        let a_holds = literals.contains(&Literal::True(a));
        let is_target = a_holds && literals.len() == 2 && literals.iter().any(|literal| b_holds.contains(literal));
        gate.rule == GateRule::ZeroOrAtLeast(100) && is_target
    };
    assert!(q.gates("a").iter().any(counts_target), "{:?}", q.gates("a"));
    assert!(q.gates("a_not_b").iter().any(counts_target));
}

#[test]
fn attack_17_a_sensitive_filter_is_gated_on_both_sides() {
    let (mut q, table, _) = amounts();
    let loyal = q.column(table, "loyal");
    let count = q.sum(loyal);
    q.release("count", count);
    assert_eq!(q.gates("count").len(), 1);
    q.shop().columns.get_mut("loyal").expect("a column").sensitive = true;
    let gates = q.gates("count");
    assert!(gates.contains(&gate(table, &[&[Literal::False(loyal)]], GateRule::AtLeast(100))), "{gates:?}");
}

#[test]
fn attack_18_a_subset_sum_on_the_receivers_own_column_is_refused() {
    let mut q = Question::new().with_minimum(10);
    let joined = q.join();
    let (age, wealth) = (q.column(joined, "age"), q.column(joined, "wealth"));
    let old = q.is(age, Binary::Greater, "60");
    let sum = q.sum_where(wealth, old);
    q.release("sum", sum);
    assert_eq!(q.codes(), ["DISCLOSURE_BITS"]);
    let refusal = &q.refused()[0];
    assert!(refusal.cause.contains("49 bits") && refusal.cause.contains("0 are allowed"), "{}", refusal.cause);
    assert!(refusal.change.contains("`release.grid`"), "{}", refusal.change);
}

#[test]
fn attack_18_a_finer_multiple_of_the_sum_pays_for_its_digits() {
    let mut q = Question::new().with_minimum(50);
    let joined = q.join();
    let (age, wealth) = (q.column(joined, "age"), q.column(joined, "wealth"));
    let old = q.is(age, Binary::Greater, "60");
    let sum = q.sum_where(wealth, old);
    q.release("sum", sum);
    q.allowed();
    let hundredth = q.is(sum, Binary::Multiply, "1000");
    q.program.outputs.clear();
    q.release("thousandfold", hundredth);
    assert_eq!(q.codes(), ["DISCLOSURE_BITS"]);
}

#[test]
fn attack_20_comparing_an_aggregate_is_refused() {
    let (mut q, _, amount) = amounts();
    let sum = q.sum(amount);
    for at in 0..40 {
        let more = q.is(sum, Binary::Greater, &(at * 10_000).to_string());
        q.release(&format!("more{at}"), more);
    }
    assert_eq!(q.codes(), ["DISCLOSURE_THRESHOLD"]);
    let refusal = &q.refused()[0];
    assert_eq!(refusal.clause, "R12");
    assert!(refusal.change.contains("release the aggregate itself"), "{}", refusal.change);
}

#[test]
fn attack_20_counting_own_rows_above_a_foreign_aggregate_is_refused() {
    let mut q = Question::new();
    let joined = q.join();
    let (amount, balance) = (q.column(joined, "amount"), q.column(joined, "balance"));
    let mean = q.reduce(Reduction::Mean, amount, None);
    let above = q.binary(Binary::Greater, balance, mean);
    let count = q.sum(above);
    q.release("count", count);
    assert_eq!(q.codes(), ["DISCLOSURE_THRESHOLD"]);
}

#[test]
fn attack_20_a_promised_range_is_a_comparison() {
    let (mut q, _, amount) = amounts();
    let promised = q.program.push(Op::Assume { value: amount, lo: Number::ZERO, hi: number("50") });
    let sum = q.sum(promised);
    q.release("sum", sum);
    assert_eq!(q.codes(), ["DISCLOSURE_THRESHOLD"]);
    let analysis = q.clone().with_minimum(0).allowed();
    assert!(analysis.learned[1].facts.iter().any(|fact| matches!(fact, Fact::OutOfRange { .. })));
}

#[test]
fn attack_22_rows_that_are_no_persons_are_not_counted() {
    let (mut q, _, amount) = amounts();
    q.datasets.get_mut(CUSTOMERS).expect("the shop's").schema.unique_key = None;
    let sum = q.sum(amount);
    q.release("sum", sum);
    assert_eq!(q.codes(), ["DISCLOSURE_MIN_ROWS"]);
    let refusal = &q.refused()[0];
    assert_eq!(refusal.clause, "release.minimum_rows");
    assert!(refusal.change.contains("`unique_key`"), "{}", refusal.change);
    q.with_minimum(1).allowed();
}

#[test]
fn attack_28_a_quotient_whose_divisor_can_be_zero_is_gated_and_no_error() {
    let mut q = Question::new();
    let joined = q.join();
    let (age, amount) = (q.column(joined, "age"), q.column(joined, "amount"));
    let old = q.is(age, Binary::Greater, "60");
    let (sum, count) = (q.sum_where(amount, old), q.sum(old));
    let quotient = q.binary(Binary::Divide, sum, count);
    q.release("quotient", quotient);
    assert_eq!(q.gates("quotient"), [gate(joined, &[&[Literal::True(old)]], GateRule::AtLeast(100))]);
    let bank = &q.allowed().learned[1].facts;
    // Where a minimum applies, an empty group and a small one look alike.
    assert!(!bank.iter().any(|fact| matches!(fact, Fact::Undefined { .. })), "{bank:?}");
    let free = q.clone().with_minimum(0).allowed();
    assert!(free.learned[1].facts.contains(&Fact::Undefined { output: "quotient".into() }));
}

#[test]
fn attack_28_a_quotient_of_rows_counts_the_rows_where_it_is_valid() {
    let (mut q, table, amount) = amounts();
    let age = q.column(table, "age");
    let quotient = q.binary(Binary::Divide, amount, age);
    let sum = q.sum(quotient);
    q.release("sum", sum);
    assert_eq!(q.gates("sum"), [gate(table, &[&[Literal::Valid(quotient)]], GateRule::AtLeast(100))]);
}
