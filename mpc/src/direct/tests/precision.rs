//! Real numbers of high precision between both parties: each operation within what it promises.

use tacit_protocol::program::{InputSource, Shares};

use super::*;

const HIGH: Element = Element::Float64High;
const STEP: f64 = 1.0 / (1_u64 << 36) as f64;

fn fine(cells: &[f64], most: i64) -> Given {
    Given { element: HIGH, ..floats(cells, most) }
}

fn reduced(function: Reduction, value: &Lazy) -> Lazy {
    let op = Op::Reduce { function, value: NodeId(0), axes: vec![], keep_dims: false, mask: None };
    Lazy::new(op, vec![value.clone()], None).expect("typed")
}

fn unary(function: Unary, value: &Lazy) -> Lazy {
    Lazy::new(Op::Unary { function, value: NodeId(0) }, vec![value.clone()], None).expect("typed")
}

/// Numbers of many binary digits, both signs.
fn numbers(scale: f64) -> Vec<f64> {
    (1..=40)
        .map(|i| (f64::from(i) * 0.618_033_988_749_894_9).sin() * scale)
        .map(|x| (x / STEP).round() * STEP)
        .collect()
}

#[test]
fn arithmetic_is_exact_or_within_one_step() {
    let mut session = local();
    let (a, b) = (numbers(50.0), numbers(7.0).into_iter().rev().collect::<Vec<_>>());
    let x = session.array(PartyId::ZERO, Some(fine(&a, 60))).expect("in range");
    let y = session.array(PartyId::ONE, Some(fine(&b, 8))).expect("in range");
    let pairs = || a.iter().zip(&b).map(|(a, b)| (*a, *b));
    let check = |found: Vec<f64>, exact: Vec<f64>, steps: f64| {
        assert_eq!(found.len(), exact.len());
        for (found, exact) in found.iter().zip(&exact) {
            assert!((found - exact).abs() <= steps * STEP, "{found} is not {exact} to {steps} steps");
        }
    };
    let mut of = |value: &Lazy| reveal(&mut session, value);
    check(of(&x), a.clone(), 0.0);
    check(of(&binary(Binary::Add, &x, &y)), pairs().map(|(a, b)| a + b).collect(), 0.0);
    check(of(&binary(Binary::Multiply, &x, &y)), pairs().map(|(a, b)| a * b).collect(), 1.01);
    check(of(&binary(Binary::Maximum, &x, &y)), pairs().map(|(a, b)| a.max(b)).collect(), 0.0);
    check(of(&binary(Binary::Less, &x, &y)), pairs().map(|(a, b)| f64::from(a < b)).collect(), 0.0);
    check(of(&unary(Unary::Floor, &x)), a.iter().map(|a| a.floor()).collect(), 0.0);
    check(of(&unary(Unary::Abs, &y)), b.iter().map(|b| b.abs()).collect(), 0.0);
    check(of(&sum(&x)), vec![a.iter().sum()], 0.01);
    check(of(&reduced(Reduction::Mean, &x)), vec![a.iter().sum::<f64>() / 40.0], 1.01);
    check(of(&reduced(Reduction::Min, &y)), vec![b.iter().copied().fold(8.0, f64::min)], 0.0);
    let dot = Lazy::new(Op::MatMul { left: NodeId(0), right: NodeId(1) }, vec![x.clone(), y.clone()], None);
    check(of(&dot.expect("typed")), vec![pairs().map(|(a, b)| a * b).sum()], 1.1);
    let sorted = Lazy::new(Op::Sort { value: NodeId(0), axis: 0 }, vec![y.clone()], None).expect("typed");
    let mut order = b.clone();
    order.sort_by(f64::total_cmp);
    check(of(&sorted), order, 0.0);
}

#[test]
fn quotients_roots_and_functions_are_right_to_eleven_digits() {
    let mut session = local();
    let a: Vec<f64> = numbers(5.0).iter().map(|x| x.abs() + 0.25).collect();
    let b: Vec<f64> = numbers(3.0).iter().map(|x| x.abs() + 0.5).collect();
    let given = |cells: &[f64]| Given { range: [Number::new(25, 2).expect("short"), 6.into()], ..fine(cells, 6) };
    let x = session.array(PartyId::ZERO, Some(given(&a))).expect("in range");
    let y = session.array(PartyId::ONE, Some(given(&b))).expect("in range");
    let product = binary(Binary::Multiply, &x, &y);
    let quotients = reveal(&mut session, &binary(Binary::Divide, &x, &y));
    for ((found, a), b) in quotients.iter().zip(&a).zip(&b) {
        assert!((found - a / b).abs() <= 1.01 * STEP, "{found} is not {a} / {b}");
    }
    for function in [Unary::Sqrt, Unary::Log, Unary::Sigmoid, Unary::Tanh, Unary::Exp, Unary::Sin] {
        let value = unary(function, &product);
        let bound = session.explain(&value).expect("it plans");
        let found = reveal(&mut session, &value);
        for ((found, a), b) in found.iter().zip(&a).zip(&b) {
            let exact = function.value(a * b);
            assert!((found - exact).abs() <= bound.error.expect("bounded") * STEP, "{function:?}: {found}, {exact}");
            // The product's own step counts, by the slope of the function.
            assert!((found - exact).abs() <= 3e-10 * exact.abs().max(1.0), "{function:?}: {found}, {exact}");
        }
    }
}

#[test]
fn shares_of_it_come_back_in_words_of_either_width() {
    let mut session = local();
    let cells = numbers(9.0);
    let one = session.array(PartyId::ONE, Some(ints(&[1; 40], 1))).expect("in range");
    for most in [10, 1 << 40] {
        let x = session.array(PartyId::ZERO, Some(fine(&cells, most))).expect("in range");
        let shared = session.share(&binary(Binary::Multiply, &x, &one)).expect("it runs");
        let Op::Input { from: InputSource::Shares(Shares { word_bits, .. }), element, .. } = &shared.op else {
            panic!("a value held as shares")
        };
        assert_eq!((*word_bits, element), (if most == 10 { 64 } else { 128 }, &HIGH));
        let again = session
            .from_shares(SharedValue { op: shared.op.clone(), parts: shared.parts.clone() })
            .expect("both are here");
        assert_eq!(reveal(&mut session, &again), cells);
    }
}

#[test]
fn what_is_wider_than_words_is_refused_by_its_cause() {
    let mut session = local();
    let x = session.array(PartyId::ZERO, Some(fine(&[1.0], 1 << 40))).expect("in range");
    let op = Op::Binary { function: Binary::Multiply, left: NodeId(0), right: NodeId(0) };
    let error = Lazy::new(op, vec![x.clone()], None).expect_err("154 bits");
    assert!(error.to_string().contains("takes 156 bits before it is rounded"), "{error}");
    let given = |precision| Given { element: precision, ..floats(&[1.0], 1 << 20) };
    for (element, fits) in [(Element::Float64, true), (HIGH, false)] {
        let x = session.array(PartyId::ZERO, Some(given(element.clone()))).expect("in range");
        let y = session.array(PartyId::ONE, Some(given(element))).expect("in range");
        let quotient = session.reveal(&[binary(Binary::Divide, &x, &y)], &BOTH);
        assert_eq!(quotient.is_ok(), fits);
        if let Err(error) = quotient {
            assert_eq!(code(&error), "PROGRAM_RANGE");
            assert!(error.to_string().contains("default precision"), "{error}");
        }
    }
}
