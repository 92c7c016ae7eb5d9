//! Functions of one number, the lesser and larger of two, whole quotients and powers: meaning, types and refusals.

use super::*;
use crate::program::types::{Interval, Validity};

fn range(lo: i128, hi: i128) -> Interval {
    Interval { lo, hi }
}

fn unary(function: Unary, element: Element, values: &[&str]) -> Vec<Option<f64>> {
    let mut s = Sketch::new();
    let value = s.array(element, &[values.len() as u64], values);
    s.push(Op::Unary { function, value });
    s.cells()
}

fn binary(function: Binary, element: Element, left: &[&str], right: &[&str]) -> Vec<Option<f64>> {
    let mut s = Sketch::new();
    let l = s.array(element.clone(), &[left.len() as u64], left);
    let r = s.array(element, &[right.len() as u64], right);
    s.binary(function, l, r);
    s.cells()
}

fn of_column(name: &str, then: impl Fn(&mut Sketch, NodeId)) -> Sketch {
    let (mut s, table) = Sketch::customers();
    let column = s.column(table, name);
    then(&mut s, column);
    s
}

fn defined(cells: &[f64]) -> Vec<Option<f64>> {
    cells.iter().copied().map(Some).collect()
}

/// What NumPy gives for the same numbers.
#[test]
fn roundings_signs_and_magnitudes_are_those_of_numpy() {
    let numbers = ["-2.5", "-1.5", "-0.5", "-0.2", "0", "0.2", "0.5", "1.5", "2.5", "2.6"];
    for element in [Element::Float64, Element::Decimal { scale: 1 }] {
        let of = |function| unary(function, element.clone(), &numbers);
        assert_eq!(of(Unary::Round), defined(&[-2.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 3.0]));
        assert_eq!(of(Unary::Floor), defined(&[-3.0, -2.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0, 2.0]));
        assert_eq!(of(Unary::Ceil), defined(&[-2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 3.0]));
        assert_eq!(of(Unary::Sign), defined(&[-1.0, -1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]));
        assert_eq!(of(Unary::Abs), defined(&[2.5, 1.5, 0.5, 0.2, 0.0, 0.2, 0.5, 1.5, 2.5, 2.6]));
    }
    assert_eq!(unary(Unary::Round, Element::Int64, &["-7", "7"]), defined(&[-7.0, 7.0]));
}

#[test]
fn whole_quotients_and_rests_are_those_of_python() {
    let (over, under) = (["7", "-7", "7", "-7", "6", "0", "5"], ["2", "2", "-2", "-2", "3", "4", "0"]);
    for element in [Element::Int64, Element::Decimal { scale: 2 }, Element::Float64] {
        let of = |function| binary(function, element.clone(), &over, &under);
        let wanted = [Some(3.0), Some(-4.0), Some(-4.0), Some(3.0), Some(2.0), Some(0.0), None];
        assert_eq!(of(Binary::FloorDivide), wanted);
        let wanted = [Some(1.0), Some(1.0), Some(-1.0), Some(-1.0), Some(0.0), Some(0.0), None];
        assert_eq!(of(Binary::Remainder), wanted);
    }
    // 1 / 0.1 is 10 in floats, but 0.1 is a little more than a tenth: NumPy says 9.
    assert_eq!(binary(Binary::FloorDivide, Element::Float64, &["1"], &["0.1"]), [Some(9.0)]);
    assert_eq!(binary(Binary::FloorDivide, Element::Decimal { scale: 1 }, &["1"], &["0.1"]), [Some(10.0)]);
}

#[test]
fn extremes_and_powers_are_exact() {
    assert_eq!(binary(Binary::Minimum, Element::Int64, &["1", "5"], &["3", "-2"]), defined(&[1.0, -2.0]));
    assert_eq!(binary(Binary::Maximum, Element::Float64, &["1", "5"], &["3", "-2"]), defined(&[3.0, 5.0]));
    let power = |element, base: &str, exponent: &str| {
        let mut s = Sketch::new();
        let (base, exponent) = (s.array(element, &[], &[base]), s.array(Element::Int64, &[], &[exponent]));
        s.binary(Binary::Power, base, exponent);
        let value = s.value();
        (value.element.clone(), value.as_f64()[0])
    };
    assert_eq!(power(Element::Int64, "-3", "3"), (Element::Int64, Some(-27.0)));
    assert_eq!(power(Element::Decimal { scale: 1 }, "-1.5", "4"), (Element::Decimal { scale: 4 }, Some(5.0625)));
    assert_eq!(power(Element::Float64, "0.5", "10"), (Element::Float64, Some(0.5_f64.powi(10))));
    assert_eq!(power(Element::Float64, "0", "0"), (Element::Float64, Some(1.0)));
    assert_eq!(power(Element::Int64, "4", "-2"), (Element::Float64, Some(0.0625)));
    let (base, exponent) = (["0", "-2", "2"], ["-1", "-1", "-1"]);
    assert_eq!(binary(Binary::Power, Element::Int64, &base, &exponent), [None, None, Some(0.5)]);
}

#[test]
fn real_functions_are_undefined_outside_their_domains() {
    let numbers = ["-1", "0", "0.5", "4"];
    let roots = unary(Unary::Sqrt, Element::Float64, &numbers);
    assert_eq!(roots, [None, Some(0.0), Some(0.5_f64.sqrt()), Some(2.0)]);
    assert_eq!(unary(Unary::Rsqrt, Element::Int64, &["-1", "0", "4"]), [None, None, Some(0.5)]);
    assert_eq!(unary(Unary::Log2, Element::Float64, &numbers), [None, None, Some(-1.0), Some(2.0)]);
    assert_eq!(unary(Unary::Log1p, Element::Float64, &["-1", "0"]), [None, Some(0.0)]);
    assert_eq!(unary(Unary::Exp2, Element::Int64, &["-2", "5"]), defined(&[0.25, 32.0]));
    // The third score is null.
    let sigmoid = of_column("score", |s, score| {
        s.push(Op::Unary { function: Unary::Sigmoid, value: score });
    });
    let cells = sigmoid.cells();
    assert_eq!((cells[2], cells[0].map(|cell| (cell * 1e6).round())), (None, Some(622_459.0)));
}

#[test]
fn types_and_ranges_follow_the_operands() {
    let last = |name: &str, function| {
        let array = of_column(name, |s, value| {
            s.push(Op::Unary { function, value });
        });
        let array = array.last_type();
        (array.element, array.range, array.validity)
    };
    use Validity::{AllTrue, Secret};
    assert_eq!(last("score", Unary::Abs), (Element::Float64, range(0, 10 << 18), Secret));
    assert_eq!(last("amount", Unary::Sign), (CENTS, range(0, 100), AllTrue));
    assert_eq!(last("amount", Unary::Round), (CENTS, range(0, 10_000_000), AllTrue));
    let (element, roots, validity) = last("frequency", Unary::Sqrt);
    assert_eq!((element, validity), (Element::Float64, AllTrue));
    assert!(roots.lo == 0 && (10 << 18..10 << 18 | 255).contains(&roots.hi), "{roots:?}");
    // The score may be negative, and a frequency 0.
    assert_eq!(last("score", Unary::Sqrt).2, Secret);
    assert_eq!(last("frequency", Unary::Log).2, Secret);
    assert_eq!(last("score", Unary::Sin).1, range(-(1 << 18) - 3, (1 << 18) + 3));
    let both = |function, right: &str| {
        let array = of_column("frequency", |s, value| {
            let right = s.array(Element::Int64, &[], &[right]);
            s.binary(function, value, right);
        });
        array.last_type().range
    };
    assert_eq!(both(Binary::Minimum, "7"), range(0, 7));
    assert_eq!(both(Binary::Maximum, "7"), range(7, 100));
    assert_eq!(both(Binary::FloorDivide, "-7"), range(-15, 0));
    assert_eq!(both(Binary::Remainder, "7"), range(0, 6));
    assert_eq!(both(Binary::Remainder, "-7"), range(-6, 0));
    assert_eq!(both(Binary::Power, "4"), range(0, 100_000_000));
    let root = of_column("frequency", |s, value| {
        let half = s.float("0.5");
        s.binary(Binary::Power, value, half);
    });
    let root = root.last_type();
    assert_eq!((root.element, root.validity), (Element::Float64, Secret));
    assert!((10 << 18..=(10 << 18) + 4).contains(&root.range.hi), "{:?}", root.range);
}

#[test]
fn what_lies_outside_a_domain_or_does_not_fit_is_refused_with_the_next_step() {
    let refused = |name: &str, then: &dyn Fn(&mut Sketch, NodeId)| of_column(name, then).refused();
    let negative = refused("frequency", &|s, value| {
        let less = s.push(Op::Unary { function: Unary::Negate, value });
        let one = s.int(1);
        let less = s.binary(Binary::Subtract, less, one);
        s.push(Op::Unary { function: Unary::Log, value: less });
    });
    assert_eq!(code(&negative), "PROGRAM_RANGE");
    assert!(negative.to_string().contains("not defined"), "{negative}");
    let wide = refused("frequency", &|s, value| {
        s.push(Op::Unary { function: Unary::Exp, value });
    });
    assert_eq!(code(&wide), "PROGRAM_RANGE");
    assert!(wide.next().contains("assume"), "{}", wide.next());
    let exponent = refused("frequency", &|s, value| {
        let much = s.float("64.5");
        s.binary(Binary::Power, value, much);
    });
    assert_eq!(code(&exponent), "PROGRAM_TYPE");
    assert!(exponent.next().contains("exp(y * log(x))"), "{}", exponent.next());
    let secret = refused("frequency", &|s, value| {
        s.binary(Binary::Power, value, value);
    });
    assert_eq!(code(&secret), "PROGRAM_TYPE");
    let power = refused("amount", &|s, value| {
        let ten = s.int(10);
        s.binary(Binary::Power, value, ten);
    });
    assert_eq!(code(&power), "PROGRAM_TYPE");
    let zero = refused("amount", &|s, value| {
        let zero = s.int(0);
        s.binary(Binary::FloorDivide, value, zero);
    });
    assert_eq!(code(&zero), "PROGRAM_RANGE");
    for (name, function) in [("member", Unary::Abs), ("member", Unary::Exp), ("since", Unary::Floor)] {
        let other = refused(name, &|s, value| {
            s.push(Op::Unary { function, value });
        });
        assert_eq!(code(&other), "PROGRAM_TYPE", "{function:?} of {name}");
    }
}

#[test]
fn dates_have_extremes_and_categories_have_none() {
    let earlier = of_column("since", |s, since| {
        let day = s.int(15_000);
        s.binary(Binary::Minimum, since, day);
    });
    let array = earlier.clone().last_type();
    assert_eq!((array.element, array.range), (Element::Date, range(0, 15_000)));
    assert_eq!(earlier.numbers(), [0.0, 10_000.0, 15_000.0, 15_000.0, 15_000.0]);
    let none = of_column("segment", |s, segment| {
        s.binary(Binary::Maximum, segment, segment);
    });
    assert_eq!(code(&none.refused()), "PROGRAM_TYPE");
}

#[test]
fn programs_name_functions_by_a_word() {
    let sketch = of_column("frequency", |s, value| {
        s.push(Op::Unary { function: Unary::Sqrt, value });
    });
    let typed = sketch.typed();
    assert!(typed.to_text().contains("sqrt %1"), "{}", typed.to_text());
    assert!(typed.program().to_json().contains("\"function\": \"sqrt\""));
}
