//! What functions of a row's numbers tell, and what they take of a policy.

use super::*;

/// The shop's ages, small enough for exponentials, and a function of them.
fn of_ages(function: Unary) -> (Question, NodeId, NodeId) {
    let mut q = Question::new();
    q.shop_column("age").range = Some(Range { lo: number("0"), hi: number("30") });
    let table = q.load();
    let age = q.column(table, "age");
    let value = q.program.push(Op::Unary { function, value: age });
    (q, table, value)
}

#[test]
fn a_sum_of_smooth_functions_counts_the_rows_that_have_a_value() {
    for function in [Unary::Exp, Unary::Sqrt, Unary::Cos] {
        let (mut q, _, value) = of_ages(function);
        let sum = q.sum(value);
        q.release("sum", sum);
        // All 5000 rows, which no gate need count.
        assert!(q.gates("sum").is_empty(), "{function:?}");
        assert!(!q.with_rows(99).codes().is_empty(), "{function:?} of 99 rows");
    }
}

#[test]
fn a_function_of_a_choice_counts_the_chosen_where_it_keeps_zero_and_is_refused_where_not() {
    for (function, keeps) in [(Unary::Sqrt, true), (Unary::Sin, true), (Unary::Exp, false), (Unary::Cos, false)] {
        let (mut q, table, _) = of_ages(Unary::Abs);
        let (age, frequency) = (q.column(table, "age"), q.column(table, "frequency"));
        let often = q.is(frequency, Binary::Greater, "500");
        let chosen = q.choose(often, age);
        let value = q.program.push(Op::Unary { function, value: chosen });
        let sum = q.sum(value);
        q.release("sum", sum);
        if keeps {
            let counted = gate(table, &[&[Literal::True(often)]], GateRule::AtLeast(100));
            assert_eq!(q.gates("sum"), [counted], "{function:?}");
        } else {
            assert!(!q.codes().is_empty(), "{function:?}");
        }
    }
}

#[test]
fn functions_with_steps_pick_rows_and_are_no_way_around_the_minimum() {
    for function in [Unary::Sign, Unary::Floor, Unary::Ceil, Unary::Round] {
        let (mut q, _, value) = of_ages(function);
        let sum = q.sum(value);
        q.release("sum", sum);
        assert!(!q.codes().is_empty(), "{function:?}");
        let mut q = q.with_minimum(0);
        q.allowed();
        q.shop().columns.get_mut("age").expect("a column").uses.remove(&ColumnUse::Filter);
        assert_eq!(q.codes(), ["POLICY_OPERATION"], "{function:?}");
    }
    let (mut q, table, _) = of_ages(Unary::Abs);
    let (age, seven) = (q.column(table, "age"), q.constant("7"));
    let whole = q.binary(Binary::FloorDivide, age, seven);
    let sum = q.sum(whole);
    q.release("sum", sum);
    assert!(!q.codes().is_empty());
}

#[test]
fn functions_that_bend_or_end_are_no_way_around_the_minimum() {
    for function in [Unary::Abs, Unary::Sigmoid, Unary::Tanh, Unary::Softplus, Unary::Erf, Unary::Gelu] {
        let (mut q, _, value) = of_ages(function);
        let sum = q.sum(value);
        q.release("sum", sum);
        assert!(!q.codes().is_empty(), "{function:?}");
        q.with_minimum(0).allowed();
    }
    for function in [Binary::Minimum, Binary::Maximum] {
        let (mut q, table, _) = of_ages(Unary::Exp);
        let (age, seven) = (q.column(table, "age"), q.constant("7"));
        let cut = q.binary(function, age, seven);
        let sum = q.sum(cut);
        q.release("sum", sum);
        assert!(!q.codes().is_empty(), "{function:?}");
    }
}

#[test]
fn rows_without_a_value_take_no_part_and_how_many_they_are_is_guarded() {
    let (mut q, table, value) = of_ages(Unary::Log);
    let sum = q.sum(value);
    q.release("sum", sum);
    let gates = q.gates("sum");
    assert!(!gates.is_empty() && gates.iter().all(|gate| gate.rows_of == table), "{gates:?}");
}

#[test]
fn functions_are_arithmetic_to_a_policy() {
    let (mut q, _, value) = of_ages(Unary::Exp);
    let sum = q.sum(value);
    q.release("sum", sum);
    q.shop().columns.get_mut("age").expect("a column").uses.remove(&ColumnUse::Arithmetic);
    assert_eq!(q.codes(), ["POLICY_OPERATION"]);
}

#[test]
fn the_lesser_of_two_owners_numbers_weights_the_rows() {
    for function in [Binary::Minimum, Binary::Maximum] {
        let mut q = Question::new();
        let joined = q.join();
        let (age, weight) = (q.column(joined, "age"), q.column(joined, "weight"));
        let less = q.binary(function, age, weight);
        let sum = q.sum(less);
        q.release("sum", sum);
        assert_eq!(q.codes(), ["DISCLOSURE_WEIGHT"], "{function:?}");
        q.shop().weighted = true;
        assert_eq!(q.codes(), ["DISCLOSURE_MIN_ROWS"], "{function:?}");
        q.with_minimum(0).allowed();
    }
}
