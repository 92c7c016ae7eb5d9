//! Real numbers of high precision: their place among the elements, and how fine what is computed of them is.

use super::*;
use crate::program::plain::encode_array;
use crate::program::types::{Interval, Validity};

const HIGH: Element = Element::Float64High;
/// Steps of `2^-36` in 1.
const ONE: i128 = 1 << 36;

fn handed_in(s: &mut Sketch, element: Element, lo: i64, hi: i64) -> NodeId {
    let from = InputSource::Party(PartyId::ZERO);
    s.push(Op::Input { from, element, shape: vec![3], lo: lo.into(), hi: hi.into() })
}

/// The element and the range of an operation on two arrays from -4 to 4.
fn of_two(left: Element, right: Element, function: Binary) -> (Element, Interval) {
    let mut s = Sketch::new();
    let (l, r) = (handed_in(&mut s, left, 1, 4), handed_in(&mut s, right, 1, 4));
    s.binary(function, l, r);
    let array = s.last_type();
    (array.element, array.range)
}

#[test]
fn elements_that_were_there_before_keep_their_bytes() {
    let bytes = |element: &Element| bincode::encode_to_vec(element, bincode::config::standard()).expect("encodes");
    assert_eq!(bytes(&Element::Float64), [3]);
    assert_eq!(bytes(&Element::Key), [6]);
    assert_eq!(bytes(&HIGH), [7]);
    let json = serde_json::to_value(&HIGH).expect("serialises");
    assert_eq!((json, HIGH.name()), (serde_json::json!({"type": "float64_high"}), "float64_high".into()));
    assert_eq!(
        [HIGH.float_bits(), Element::Float64.float_bits(), Element::Int64.float_bits()],
        [Some(36), Some(18), None]
    );
}

#[test]
fn results_are_as_fine_as_the_finest_operand() {
    for other in [Element::Int64, CENTS, Element::Float64, HIGH] {
        for function in [Binary::Add, Binary::Multiply, Binary::Divide, Binary::Minimum, Binary::Remainder] {
            assert_eq!(of_two(other.clone(), HIGH, function).0, HIGH, "{function:?} {other:?}");
            assert_eq!(of_two(HIGH, other.clone(), function).0, HIGH, "{function:?} {other:?}");
        }
    }
    // Integers alone have quotients of default precision.
    assert_eq!(of_two(Element::Int64, Element::Int64, Binary::Divide).0, Element::Float64);
    let (_, sums) = of_two(Element::Int64, HIGH, Binary::Add);
    assert_eq!(sums, Interval { lo: 2 * ONE, hi: 8 * ONE });
    // A product of both precisions is rounded from 54 digits, of integers not at all.
    for other in [Element::Float64, HIGH] {
        assert_eq!(of_two(other, HIGH, Binary::Multiply).1, Interval { lo: ONE - 1, hi: 16 * ONE + 1 });
    }
    assert_eq!(of_two(Element::Int64, HIGH, Binary::Multiply).1, Interval { lo: ONE, hi: 16 * ONE });
}

#[test]
fn means_and_functions_keep_the_precision_of_their_operand() {
    for (element, result) in [(HIGH, HIGH), (Element::Float64, Element::Float64), (Element::Int64, Element::Float64)] {
        let mut s = Sketch::new();
        let x = handed_in(&mut s, element.clone(), 1, 9);
        s.reduce(Reduction::Mean, x, None);
        assert_eq!(s.last_type().element, result);
        let mut s = Sketch::new();
        let value = handed_in(&mut s, element.clone(), 1, 9);
        s.push(Op::Unary { function: Unary::Sqrt, value });
        assert_eq!(s.last_type().element, result);
        let mut s = Sketch::new();
        let base = handed_in(&mut s, element, 1, 9);
        let exponent = s.array(CENTS, &[], &["1.5"]);
        s.binary(Binary::Power, base, exponent);
        assert_eq!(s.last_type().element, result);
    }
    let mut s = Sketch::new();
    let value = handed_in(&mut s, HIGH, -40, 40);
    s.push(Op::Unary { function: Unary::Sigmoid, value });
    let range = s.last_type().range;
    assert!((-11..0).contains(&range.lo) && (ONE..=ONE + 11).contains(&range.hi), "{range:?}");
}

#[test]
fn casts_reach_it_and_do_not_come_back() {
    for element in [Element::Bool, Element::Int64, CENTS, Element::Float64] {
        let mut s = Sketch::new();
        let value = s.array(element, &[1], &["1"]);
        s.push(Op::Cast { value, element: HIGH });
        let value = s.value();
        assert_eq!((value.element.clone(), value.as_lattice()), (HIGH, vec![Some(ONE)]));
    }
    let mut s = Sketch::new();
    let value = handed_in(&mut s, HIGH, 0, 1);
    s.push(Op::Cast { value, element: Element::Float64 });
    let error = s.refused();
    assert_eq!(code(&error), "PROGRAM_TYPE");
    assert!(error.to_string().contains("float64_high has no cast to float64"), "{error}");
}

#[test]
fn constants_have_the_digits_of_their_partner() {
    let with_tenth = |function| {
        let mut s = Sketch::new();
        let x = handed_in(&mut s, HIGH, 1, 1);
        let tenth = s.float("0.1");
        s.binary(function, x, tenth);
        s.last_type().range
    };
    let tenth = 6_871_947_673;
    assert_eq!(with_tenth(Binary::Add), Interval { lo: ONE + tenth, hi: ONE + tenth + 1 });
    assert_eq!(with_tenth(Binary::Multiply), Interval { lo: tenth - 1, hi: tenth + 2 });
}

#[test]
fn cells_are_taken_to_the_nearest_step() {
    let array = |element: &Element| ArrayType {
        element: element.clone(),
        shape: vec![Dim::fixed(3)],
        range: Interval { lo: -ONE, hi: ONE },
        validity: Validity::AllTrue,
        public: false,
    };
    let step = 0.5_f64.powi(36);
    let cells = PlainData::Float64(vec![0.1, -step, 0.6 * step]).into();
    let encoded = encode_array(&cells, "x", &array(&HIGH)).expect("in range");
    assert_eq!(encoded.values, [6_871_947_674, -1, 1]);
    let beyond = encode_array(&PlainData::Float64(vec![0.0, 1.0 + step, 0.0]).into(), "x", &array(&HIGH));
    let error = beyond.expect_err("a step beyond").to_string();
    assert!(error.contains("the cell [1] is beyond the declared [-1, 1]"), "{error}");
}
