//! What functions of arrays are made of means what NumPy means by their names.

use std::collections::BTreeMap;

use tacit_protocol::Number;
use tacit_protocol::program::{infer, plain};
use tacit_protocol::schema::Element;
use tacit_sdk::{Array, ProgramBuilder};

fn number(text: &str) -> Number {
    text.parse().expect("a number")
}

/// The cells of an expression of public numbers.
fn cells(texts: &[&str], expression: impl Fn(&Array) -> Array) -> Vec<Option<f64>> {
    let builder = ProgramBuilder::new();
    let numbers = builder.vector(Element::Float64, texts.iter().map(|text| number(text)));
    builder.release("x", &expression(&numbers));
    let typed = infer(&builder.build(), &BTreeMap::new()).expect("a typed program");
    plain::evaluate(&typed, &BTreeMap::new()).expect("values").swap_remove(0).as_f64()
}

fn defined(cells: &[f64]) -> Vec<Option<f64>> {
    cells.iter().copied().map(Some).collect()
}

#[test]
fn names_are_those_of_numpy() {
    let x = ["-2.5", "-1", "0", "0.5", "3"];
    assert_eq!(cells(&x, |x| x.clip(-1, 1)), defined(&[-1.0, -1.0, 0.0, 0.5, 1.0]));
    assert_eq!(cells(&x, Array::relu), defined(&[0.0, 0.0, 0.0, 0.5, 3.0]));
    assert_eq!(cells(&x, Array::square), defined(&[6.25, 1.0, 0.0, 0.25, 9.0]));
    assert_eq!(cells(&x, |x| x.power(3)), defined(&[-15.625, -1.0, 0.0, 0.125, 27.0]));
    assert_eq!(cells(&x, Array::reciprocal), [Some(-0.4), Some(-1.0), None, Some(2.0), Some(1.0 / 3.0)]);
    assert_eq!(cells(&x, |x| x.floor_divide(2)), defined(&[-2.0, -1.0, 0.0, 0.0, 1.0]));
    assert_eq!(cells(&x, |x| x % 2), defined(&[1.5, 1.0, 0.0, 0.5, 1.0]));
    assert_eq!(cells(&x, Array::is_true), defined(&[1.0, 1.0, 0.0, 1.0, 1.0]));
    let near = cells(&["0.99", "0.9", "1", "1.011"], |x| x.isclose(1, number("0.005"), number("0.006")));
    assert_eq!(near, defined(&[1.0, 0.0, 1.0, 1.0]));
    assert_eq!(cells(&["-1", "0", "4", "0.25"], |x| x.power(0.5)), [None, None, Some(2.0), Some(0.5)]);
    assert_eq!(cells(&["-1", "0", "4"], |x| x.power(-1)), [None, None, Some(0.25)]);
}

#[test]
fn the_first_true_condition_of_a_selection_decides() {
    let chosen = cells(&["-2", "0.5", "3", "9"], |x| {
        let (low, mid, high) = (x.lt(0), x.lt(1), x.lt(5));
        let (minus, square, half) = (-x, x.square(), x * 0.5);
        Array::select(&[(&low, &minus), (&mid, &square), (&high, &half)], 0).expect("cases")
    });
    assert_eq!(chosen, defined(&[2.0, 0.25, 1.5, 0.0]));
    assert!(Array::select(&[], 0).is_none());
}

#[test]
fn logic_is_of_bools() {
    let x = ["-2", "0.5", "3"];
    let of = |logic: fn(&Array, &Array) -> Array| cells(&x, |x| logic(&x.gt(0), &x.lt(1)));
    assert_eq!(of(|a, b| a.logical_and(b)), defined(&[0.0, 1.0, 0.0]));
    assert_eq!(of(|a, b| a.logical_or(b)), defined(&[1.0, 1.0, 1.0]));
    assert_eq!(of(|a, b| a.logical_xor(b)), defined(&[1.0, 0.0, 1.0]));
    assert_eq!(of(|a, _| a.logical_not()), defined(&[1.0, 0.0, 0.0]));
}
