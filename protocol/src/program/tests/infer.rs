//! Inference, rule by rule, and one test a refusal (CHK-207, CHK-208).

use super::*;
use crate::program::types::{Interval, Validity};

fn range(lo: i128, hi: i128) -> Interval {
    Interval { lo, hi }
}

fn customer(columns: &[&str]) -> (Sketch, Vec<NodeId>) {
    let (mut s, table) = Sketch::customers();
    let nodes = columns.iter().map(|name| s.column(table, name)).collect();
    (s, nodes)
}

fn both(function: Binary, columns: [&str; 2]) -> Sketch {
    let (mut s, nodes) = customer(&columns);
    s.binary(function, nodes[0], nodes[1]);
    s
}

/// The column and a float64, int64 or decimal constant.
fn with_constant(function: Binary, name: &str, element: Element, value: &str) -> Sketch {
    let (mut s, nodes) = customer(&[name]);
    let constant = s.array(element, &[], &[value]);
    s.binary(function, nodes[0], constant);
    s
}

#[test]
fn columns_have_the_type_and_range_of_the_owners_schema() {
    for (name, element, lo, hi, validity) in [
        ("frequency", Element::Int64, 0, 100, Validity::AllTrue),
        ("amount", CENTS, 0, 10_000_000, Validity::AllTrue),
        ("since", Element::Date, 0, 30_000, Validity::AllTrue),
        ("segment", segment(), 0, 2, Validity::AllTrue),
        ("member", Element::Bool, 0, 1, Validity::AllTrue),
        ("score", Element::Float64, -10 << 18, 10 << 18, Validity::Secret),
    ] {
        let array = customer(&[name]).0.last_type();
        let shape = vec![Dim::rows_of(NodeId(0))];
        assert_eq!(array, ArrayType { element, shape, range: range(lo, hi), validity, public: false }, "{name}");
    }
}

#[test]
fn numbers_promote_and_ranges_are_exact() {
    let sum = both(Binary::Add, ["frequency", "amount"]).last_type();
    assert_eq!((sum.element, sum.range), (CENTS, range(0, 10_010_000)));
    let difference = both(Binary::Subtract, ["member", "frequency"]).last_type();
    assert_eq!((difference.element, difference.range), (Element::Int64, range(-100, 1)));
    let product = both(Binary::Multiply, ["amount", "amount"]).last_type();
    assert_eq!((product.element, product.range), (Element::Decimal { scale: 4 }, range(0, 10_i128.pow(14))));
    let scaled = both(Binary::Multiply, ["frequency", "score"]).last_type();
    assert_eq!((scaled.element, scaled.range), (Element::Float64, range(-1000 << 18, 1000 << 18)));
    let square = both(Binary::Multiply, ["score", "score"]).last_type();
    assert_eq!((square.element, square.range), (Element::Float64, range((-100 << 18) - 1, (100 << 18) + 1)));
    assert_eq!(square.validity, Validity::Secret);
}

#[test]
fn a_constant_takes_the_type_of_its_partner_where_it_is_exact() {
    let exact = with_constant(Binary::Add, "amount", Element::Float64, "0.25").typed();
    assert_eq!(exact.main().lattices(NodeId(3)), [CENTS, CENTS]);
    let inexact = with_constant(Binary::Add, "amount", Element::Float64, "0.125").typed();
    assert_eq!(inexact.main().lattices(NodeId(3)), [Element::Float64, Element::Float64]);
    let compared = with_constant(Binary::Greater, "amount", Element::Int64, "5000").typed();
    assert_eq!(compared.main().lattices(NodeId(3)), [CENTS, CENTS]);
    let factor = with_constant(Binary::Multiply, "amount", Element::Float64, "0.5").last_type();
    assert_eq!(factor.element, Element::Decimal { scale: 3 });
    let whole = with_constant(Binary::Multiply, "score", Element::Float64, "3").typed();
    assert_eq!(whole.main().lattices(NodeId(3)), [Element::Float64, Element::Int64]);
    let date = with_constant(Binary::Less, "since", Element::Int64, "12000").typed();
    assert_eq!(date.main().lattices(NodeId(3)), [Element::Date, Element::Date]);
    let label = with_constant(Binary::Equal, "segment", Element::Int64, "2").typed();
    assert_eq!(label.main().lattices(NodeId(3)), [segment(), segment()]);
}

#[test]
fn a_quotient_is_bounded_by_the_least_step_of_its_divisor() {
    // The divisor may be 0: at worst 100 / 0.01.
    let risky = both(Binary::Divide, ["frequency", "amount"]).last_type();
    assert_eq!((risky.element, risky.validity), (Element::Float64, Validity::Secret));
    assert_eq!(risky.range, range(-1, (10_000 << 18) + 1));
    // A count stays at least 1, also beside cents.
    let by_count = both(Binary::Divide, ["amount", "frequency"]).last_type();
    assert_eq!(by_count.range, range(-1, (100_000 << 18) + 1));
    let safe = with_constant(Binary::Divide, "frequency", Element::Int64, "-8").last_type();
    assert_eq!((safe.range, safe.validity), (range((-100 << 15) - 1, 1), Validity::AllTrue));
}

#[test]
fn choices_take_the_hull_and_comparisons_are_bool() {
    let (mut s, c) = customer(&["member", "frequency"]);
    let minus = s.int(-3);
    s.push(Op::Where { condition: c[0], then: c[1], otherwise: minus });
    let chosen = s.last_type();
    assert_eq!((chosen.element, chosen.range, chosen.public), (Element::Int64, range(-3, 100), false));
    let less = both(Binary::Less, ["frequency", "score"]).last_type();
    assert_eq!((less.element, less.range, less.validity), (Element::Bool, range(0, 1), Validity::Secret));
}

#[test]
fn reductions_follow_the_row_bound() {
    let reduce = |function, name: &str, masked: bool| {
        let (mut s, c) = customer(&[name, "member"]);
        s.reduce(function, c[0], masked.then_some(c[1]));
        let array = s.last_type();
        (array.element, array.range, array.validity)
    };
    use Reduction::*;
    use Validity::{AllTrue, Secret};
    assert_eq!(reduce(Sum, "frequency", false), (Element::Int64, range(0, 500), AllTrue));
    assert_eq!(reduce(Sum, "score", false), (Element::Float64, range(-50 << 18, 50 << 18), AllTrue));
    assert_eq!(reduce(Sum, "member", true), (Element::Int64, range(0, 5), AllTrue));
    assert_eq!(reduce(Count, "segment", false), (Element::Int64, range(5, 5), AllTrue));
    assert_eq!(reduce(Count, "score", false), (Element::Int64, range(0, 5), AllTrue));
    assert_eq!(reduce(Mean, "amount", false), (Element::Float64, range(0, 100_000 << 18), AllTrue));
    assert_eq!(reduce(Mean, "amount", true), (Element::Float64, range(0, 100_000 << 18), Secret));
    // No more than the square of half the range's width, and of the steps that are rounded.
    let most = ((20 << 18) + 1) * ((20 << 18) + 1) / (4 << 18) + 2;
    assert_eq!(reduce(Var, "score", false), (Element::Float64, range(0, most), Secret));
    assert_eq!(reduce(Max, "since", false), (Element::Date, range(0, 30_000), AllTrue));
    assert_eq!(reduce(Min, "score", false), (Element::Float64, range(-10 << 18, 10 << 18), Secret));
    assert_eq!(reduce(Argmax, "frequency", false), (Element::Int64, range(0, 4), AllTrue));
}

#[test]
fn a_join_has_up_to_the_rows_of_its_smaller_side_and_may_be_empty() {
    let (mut s, people) = Sketch::joined(Alignment::Revealed);
    let balance = s.column(people, "balance");
    s.reduce(Reduction::Sum, balance, None);
    s.reduce(Reduction::Mean, balance, None);
    let typed = s.typed();
    assert_eq!(typed.row_bounds(), BTreeMap::from([(NodeId(0), 5), (NodeId(1), 4), (people, 4)]));
    let array = |node| typed.array(NodeId(node)).expect("an array");
    assert_eq!((array(3).validity, typed.cells_bound(array(3))), (Validity::AllTrue, 4));
    assert_eq!(array(4).range, range(-4_000_000, 4_000_000_000));
    assert_eq!(array(5).validity, Validity::Secret);
    let (mut s, people) = Sketch::joined(Alignment::Private);
    s.column(people, "balance");
    assert_eq!(s.last_type().validity, Validity::Secret);
}

#[test]
fn filters_hide_rows_without_moving_them() {
    let (mut s, table) = Sketch::customers();
    let mask = s.column(table, "member");
    let members = s.push(Op::Filter { table, mask });
    let column = s.column(members, "frequency");
    let typed = s.typed();
    let table = typed.table(members).expect("a table");
    assert_eq!((table.rows_of, table.filters.as_slice()), (NodeId(0), &[mask][..]));
    let column = typed.array(column).expect("an array");
    assert_eq!((column.shape.clone(), column.validity), (vec![Dim::rows_of(NodeId(0))], Validity::Secret));
}

#[test]
fn constants_and_sizes_are_public_and_cells_are_not() {
    let (mut s, table) = Sketch::customers();
    let size = s.push(Op::Size { of: Dim::rows_of(table) });
    let two = s.int(2);
    s.binary(Binary::Multiply, size, two);
    let array = s.last_type();
    assert_eq!((array.public, array.range), (true, range(10, 10)));
    assert!(!both(Binary::Add, ["frequency", "amount"]).last_type().public);
}

#[test]
fn shapes_follow_numpy() {
    let shape_of = |build: &dyn Fn(&mut Sketch) -> NodeId| {
        let mut s = Sketch::new();
        build(&mut s);
        let shape = s.last_type().shape;
        shape.iter().map(|dim| dim.as_fixed().expect("fixed")).collect::<Vec<_>>()
    };
    let zeros = |s: &mut Sketch, shape: &[u64]| {
        let shape = shape.iter().map(|size| Dim::fixed(*size)).collect();
        s.push(Op::Full { element: Element::Int64, shape, value: Number::ZERO })
    };
    let binary = |l: &'static [u64], r: &'static [u64]| {
        move |s: &mut Sketch| {
            let (l, r) = (zeros(s, l), zeros(s, r));
            s.binary(Binary::Add, l, r)
        }
    };
    let product = |l: &'static [u64], r: &'static [u64]| {
        move |s: &mut Sketch| {
            let (left, right) = (zeros(s, l), zeros(s, r));
            s.push(Op::MatMul { left, right })
        }
    };
    let sum = |axes: &'static [u8], keep_dims: bool| {
        move |s: &mut Sketch| {
            let value = zeros(s, &[2, 3, 4]);
            s.push(Op::Reduce { function: Reduction::Sum, value, axes: axes.to_vec(), keep_dims, mask: None })
        }
    };
    assert_eq!(shape_of(&binary(&[3, 1], &[4])), [3, 4]);
    assert_eq!(shape_of(&binary(&[], &[2, 2])), [2, 2]);
    assert_eq!(shape_of(&product(&[2, 3], &[3, 5])), [2, 5]);
    assert_eq!(shape_of(&product(&[3], &[3, 5])), [5]);
    assert_eq!(shape_of(&product(&[2, 3], &[3])), [2]);
    assert_eq!(shape_of(&product(&[3], &[3])), [0_u64; 0]);
    assert_eq!(shape_of(&sum(&[1], false)), [2, 4]);
    assert_eq!(shape_of(&sum(&[2, 0], true)), [1, 3, 1]);
    assert_eq!(shape_of(&sum(&[], false)), [0_u64; 0]);
    let slice = |s: &mut Sketch| {
        let value = zeros(s, &[7, 3]);
        let part = |start, stop, step| SliceAxis { start: Dim::fixed(start), stop: Dim::fixed(stop), step };
        s.push(Op::Slice { value, axes: vec![part(1, 6, 2), part(0, 3, 1)] })
    };
    assert_eq!(shape_of(&slice), [3, 3]);
    let windows = |s: &mut Sketch| {
        let value = zeros(s, &[7, 3]);
        s.push(Op::Windows { value, axis: 0, size: 5 })
    };
    assert_eq!(shape_of(&windows), [3, 3, 5]);
    let transposed = |s: &mut Sketch| {
        let value = zeros(s, &[2, 3, 4]);
        s.push(Op::Transpose { value, axes: vec![2, 0, 1] })
    };
    assert_eq!(shape_of(&transposed), [4, 2, 3]);
    let joined = |s: &mut Sketch| {
        let values = vec![zeros(s, &[2, 3]), zeros(s, &[2, 1])];
        s.push(Op::Concatenate { values, axis: 1 })
    };
    assert_eq!(shape_of(&joined), [2, 4]);
}

#[test]
fn a_loop_takes_its_declared_range_and_becomes_secret_where_its_body_is() {
    let looped = |lo: &str, hi: &str| {
        let (mut s, c) = customer(&["score"]);
        let mean = s.reduce(Reduction::Mean, c[0], None);
        let zero = s.float("0");
        let carried = vec![Carried { initial: zero, lo: number(lo), hi: number(hi) }];
        let body = s.push(Op::Loop { body: BlockId(0), trips: 4, carried, captured: vec![mean] });
        s.push(Op::Item { of: body, index: 0 });
        let node = |op| Node { op, name: None };
        s.program.blocks.push(Block {
            nodes: vec![
                node(Op::Parameter { index: 0 }),
                node(Op::Parameter { index: 1 }),
                node(Op::Binary { function: Binary::Add, left: NodeId(0), right: NodeId(1) }),
            ],
            results: vec![NodeId(2)],
        });
        s
    };
    let item = looped("-100", "100").last_type();
    assert_eq!((item.element.clone(), item.range), (Element::Float64, range(-100 << 18, 100 << 18)));
    assert_eq!((item.validity, item.public), (Validity::Secret, false));
    let body = looped("-100", "100").typed();
    let next = body.block(BlockId(0)).and_then(|block| block.array(NodeId(2))).expect("an array");
    assert_eq!(next.range, range(-110 << 18, 110 << 18));
    let error = looped("1", "100").refused();
    assert_eq!(code(&error), "PROGRAM_RANGE", "the initial value lies outside: {error}");
}

#[test]
fn a_loop_refuses_a_body_that_changes_a_carried_type() {
    let mut s = Sketch::new();
    let zero = s.int(0);
    let carried = vec![Carried { initial: zero, lo: number("0"), hi: number("10") }];
    s.push(Op::Loop { body: BlockId(0), trips: 4, carried, captured: Vec::new() });
    s.push(Op::Item { of: NodeId(1), index: 0 });
    let cast = Op::Cast { value: NodeId(0), element: Element::Float64 };
    let nodes = [Op::Parameter { index: 0 }, cast].map(|op| Node { op, name: None });
    s.program.blocks.push(Block { nodes: nodes.to_vec(), results: vec![NodeId(1)] });
    let error = s.refused();
    assert_eq!(code(&error), "PROGRAM_TYPE");
    assert!(error.to_string().contains("carried value 0 is int64 [], its next value is float64 []"), "{error}");
}

#[test]
fn an_assumption_narrows_and_never_widens() {
    let (mut s, c) = customer(&["amount"]);
    let narrow = s.assume(c[0], "10", "20.005");
    let wide = s.assume(narrow, "-1", "1000");
    let typed = s.typed();
    for node in [narrow, wide] {
        assert_eq!(typed.array(node).expect("an array").range, range(1_000, 2_000));
    }
    let (mut s, c) = customer(&["amount"]);
    s.assume(c[0], "200000", "300000");
    assert_eq!(code(&s.refused()), "PROGRAM_RANGE");
}

/// CHK-207: a value that may not fit is refused, with the node, its range and what to do.
#[test]
fn refuses_values_that_may_not_fit() {
    let squares = |name: &str, times: usize| {
        let (mut s, c) = customer(&[name]);
        let mut value = c[0];
        for _ in 0..times {
            value = s.binary(Binary::Multiply, value, value);
        }
        s
    };
    // 100^(2^k): 2^53 at k = 3, 2^106 at k = 4.
    squares("frequency", 3).typed();
    let error = squares("frequency", 4).refused();
    assert_eq!(code(&error), "PROGRAM_RANGE");
    assert!(error.to_string().contains("64"), "{error}");
    assert!(error.next().contains("assume"), "{}", error.next());
    // A float64 product takes the bits of both factors before it is rounded: 10^4 takes 33, 10^8 46, 10^16 73.
    squares("score", 4).typed();
    let error = squares("score", 5).refused();
    assert!(error.to_string().contains("bits before it is rounded"), "{error}");
    assert_eq!(code(&error), "PROGRAM_RANGE");
}

#[test]
fn refuses_a_quotient_without_a_finite_range() {
    let (mut s, c) = customer(&["frequency"]);
    let zero = s.int(0);
    s.binary(Binary::Divide, c[0], zero);
    assert_eq!(code(&s.refused()), "PROGRAM_RANGE");
    // A divisor of 10^-6 would be 0 among the steps of 2^-18.
    let (mut s, c) = customer(&["score", "amount"]);
    let fine = s.push(Op::Cast { value: c[1], element: Element::Decimal { scale: 6 } });
    s.binary(Binary::Divide, c[0], fine);
    assert_eq!(code(&s.refused()), "PROGRAM_RANGE");
    let (mut s, c) = customer(&["score", "amount"]);
    let fine = s.push(Op::Cast { value: c[1], element: Element::Decimal { scale: 6 } });
    let fine = s.assume(fine, "0.01", "100");
    s.binary(Binary::Divide, c[0], fine);
    assert_eq!(s.last_type().element, Element::Float64);
}

#[test]
fn an_assumption_lets_a_large_product_fit() {
    let (mut s, c) = customer(&["frequency"]);
    let mut value = c[0];
    for _ in 0..3 {
        value = s.binary(Binary::Multiply, value, value);
    }
    let value = s.assume(value, "0", "1000");
    s.binary(Binary::Multiply, value, value);
    assert_eq!(s.last_type().range, range(0, 1_000_000));
}

/// CHK-208: ranges come only from the schema; without one, nothing is assumed.
#[test]
fn refuses_a_column_without_a_usable_range() {
    for range in [None, Some(("5", "1")), Some(("0", "100000000000000000000"))] {
        let mut datasets = datasets();
        let dataset = datasets.get_mut("maison/customers").expect("it is there");
        dataset.schema.columns[1] = column("frequency", Element::Int64, range);
        let (mut s, table) = Sketch::customers();
        s.column(table, "frequency");
        let error = infer(&s.finished(), &datasets).expect_err("no range");
        assert_eq!(code(&error), "PROGRAM_RANGE", "{error}");
        assert!(error.to_string().contains("frequency"), "{error}");
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let mut s = Sketch::new();
    s.load("maison/custmers");
    let error = s.refused();
    assert_eq!(code(&error), "DATASET_UNKNOWN");
    assert!(error.next().contains("\"maison/customers\""), "{}", error.next());
    let error = customer(&["amuont"]).0.refused();
    assert_eq!((code(&error).as_str(), error.next().as_str()), ("PROGRAM_COLUMN", "Did you mean \"amount\"?"));
    let error = customer(&["salary"]).0.refused();
    assert!(error.next().starts_with("The columns are customer_id, frequency"), "{}", error.next());
}

#[test]
fn a_name_on_both_sides_of_a_join_needs_its_dataset() {
    let named = |name: &str| {
        let (mut s, people) = Sketch::joined(Alignment::Revealed);
        s.column(people, name);
        s
    };
    assert_eq!(named("customers.amount").last_type().element, CENTS);
    assert_eq!(named("banque/accounts.amount").last_type().element, Element::Float64);
    let error = named("amount").refused();
    assert_eq!(code(&error), "PROGRAM_COLUMN");
    assert_eq!(error.next(), "Write maison/customers.amount or banque/accounts.amount.");
}

#[test]
fn refuses_types_that_do_not_fit_the_operation() {
    use Binary::*;
    let constant = |function, name: &str, value| with_constant(function, name, Element::Int64, value);
    let cast = |name: &str, element: Element| {
        let (mut s, c) = customer(&[name]);
        s.push(Op::Cast { value: c[0], element });
        s
    };
    let unary = |function, name: &str| {
        let (mut s, c) = customer(&[name]);
        s.push(Op::Unary { function, value: c[0] });
        s
    };
    let reduce = |function, name: &str, mask: &str| {
        let (mut s, c) = customer(&[name, mask]);
        s.reduce(function, c[0], Some(c[1]));
        s
    };
    let sketch = |build: &dyn Fn(&mut Sketch)| {
        let mut s = Sketch::new();
        build(&mut s);
        s
    };
    let cases = [
        ("key as array", customer(&["customer_id"]).0),
        ("date and number", both(Less, ["since", "frequency"])),
        ("date arithmetic", both(Add, ["since", "since"])),
        ("category order", both(Less, ["segment", "segment"])),
        ("label beyond the list", constant(Equal, "segment", "3")),
        ("product of dates", both(Multiply, ["since", "frequency"])),
        ("and of numbers", both(And, ["frequency", "frequency"])),
        ("not of a number", unary(Unary::Not, "frequency")),
        ("negative of a bool", unary(Unary::Negate, "member")),
        ("cast down", cast("amount", Element::Int64)),
        ("cast to a smaller scale", cast("amount", Element::Decimal { scale: 1 })),
        ("sum of dates", reduce(Reduction::Sum, "since", "member")),
        ("maximum of categories", reduce(Reduction::Max, "segment", "member")),
        ("mask of numbers", reduce(Reduction::Sum, "frequency", "frequency")),
        ("output of a table", Sketch::customers().0),
        ("constant not exact", sketch(&|s| _ = s.array(Element::Int64, &[], &["0.5"]))),
        ("too few values", sketch(&|s| _ = s.array(Element::Int64, &[3], &["1", "2"]))),
        ("constant date", sketch(&|s| _ = s.array(Element::Date, &[], &["1"]))),
        (
            "item of no loop",
            sketch(&|s| {
                let one = s.int(1);
                s.push(Op::Item { of: one, index: 0 });
            }),
        ),
        ("scales beyond 9", {
            let (mut s, c) = customer(&["amount"]);
            let fine = s.push(Op::Cast { value: c[0], element: Element::Decimal { scale: 8 } });
            s.binary(Multiply, c[0], fine);
            s
        }),
        ("join on a number", {
            let (mut s, left) = Sketch::customers();
            let right = s.load("banque/accounts");
            let (left_on, right_on) = ("frequency".into(), "customer_id".into());
            let table = s.push(Op::Join { left, right, left_on, right_on, alignment: Alignment::Revealed });
            s.column(table, "frequency");
            s
        }),
        ("size of a private join", {
            let (mut s, people) = Sketch::joined(Alignment::Private);
            s.push(Op::Size { of: Dim::rows_of(people) });
            s
        }),
    ];
    for (what, s) in cases {
        let error = s.refused();
        assert_eq!(code(&error), "PROGRAM_TYPE", "{what}: {error}");
        assert!(!error.next().is_empty(), "{what}");
    }
}

#[test]
fn refuses_shapes_that_do_not_fit() {
    let fixed = |s: &mut Sketch, shape: &[u64]| {
        let shape = shape.iter().map(|size| Dim::fixed(*size)).collect();
        s.push(Op::Full { element: Element::Int64, shape, value: Number::ZERO })
    };
    let part = |start, stop, step| SliceAxis { start: Dim::fixed(start), stop: Dim::fixed(stop), step };
    type Build<'a> = Box<dyn Fn(&mut Sketch) + 'a>;
    let cases: Vec<(&str, Build<'_>)> = vec![
        (
            "broadcast",
            Box::new(|s| {
                let (l, r) = (fixed(s, &[3]), fixed(s, &[4]));
                s.binary(Binary::Add, l, r);
            }),
        ),
        (
            "rows of two tables",
            Box::new(|s| {
                let (a, b) = (s.load("maison/customers"), s.load("banque/accounts"));
                let (a, b) = (s.column(a, "frequency"), s.column(b, "balance"));
                s.binary(Binary::Add, a, b);
            }),
        ),
        (
            "mask of another table",
            Box::new(|s| {
                let (table, b) = (s.load("maison/customers"), s.load("banque/accounts"));
                let b = s.column(b, "balance");
                let mask = s.binary(Binary::Greater, b, b);
                s.push(Op::Filter { table, mask });
            }),
        ),
        (
            "reshape",
            Box::new(|s| {
                let value = fixed(s, &[3, 4]);
                s.push(Op::Reshape { value, shape: vec![Dim::fixed(5)] });
            }),
        ),
        (
            "transpose",
            Box::new(|s| {
                let value = fixed(s, &[3, 4]);
                s.push(Op::Transpose { value, axes: vec![0, 0] });
            }),
        ),
        (
            "axis",
            Box::new(|s| {
                let value = fixed(s, &[3]);
                s.push(Op::Reduce { function: Reduction::Sum, value, axes: vec![1], keep_dims: false, mask: None });
            }),
        ),
        (
            "argmax of two axes",
            Box::new(|s| {
                let value = fixed(s, &[3, 3]);
                s.reduce(Reduction::Argmax, value, None);
            }),
        ),
        (
            "slice beyond",
            Box::new(|s| {
                let value = fixed(s, &[3]);
                s.push(Op::Slice { value, axes: vec![part(0, 4, 1)] });
            }),
        ),
        (
            "slice backwards",
            Box::new(|s| {
                let value = fixed(s, &[3]);
                s.push(Op::Slice { value, axes: vec![part(2, 1, 1)] });
            }),
        ),
        (
            "slice of step 0",
            Box::new(|s| {
                let value = fixed(s, &[3]);
                s.push(Op::Slice { value, axes: vec![part(0, 3, 0)] });
            }),
        ),
        (
            "windows longer than the axis",
            Box::new(|s| {
                let value = fixed(s, &[3]);
                s.push(Op::Windows { value, axis: 0, size: 4 });
            }),
        ),
        (
            "windows of nothing",
            Box::new(|s| {
                let value = fixed(s, &[3]);
                s.push(Op::Windows { value, axis: 0, size: 0 });
            }),
        ),
        (
            "windows along no axis",
            Box::new(|s| {
                let value = fixed(s, &[3]);
                s.push(Op::Windows { value, axis: 1, size: 1 });
            }),
        ),
        (
            "matrix product",
            Box::new(|s| {
                let (left, right) = (fixed(s, &[2, 3]), fixed(s, &[2, 3]));
                s.push(Op::MatMul { left, right });
            }),
        ),
        (
            "matrix product of a scalar",
            Box::new(|s| {
                let (left, right) = (fixed(s, &[]), fixed(s, &[3]));
                s.push(Op::MatMul { left, right });
            }),
        ),
        (
            "concatenate",
            Box::new(|s| {
                let values = vec![fixed(s, &[2, 3]), fixed(s, &[3, 3])];
                s.push(Op::Concatenate { values, axis: 1 });
            }),
        ),
        (
            "concatenate nothing",
            Box::new(|s| {
                s.push(Op::Concatenate { values: Vec::new(), axis: 0 });
            }),
        ),
        (
            "mask broadcasts the value",
            Box::new(|s| {
                let value = fixed(s, &[3]);
                let other = fixed(s, &[2, 3]);
                let mask = s.binary(Binary::Equal, other, other);
                s.reduce(Reduction::Sum, value, Some(mask));
            }),
        ),
    ];
    for (what, build) in cases {
        let mut s = Sketch::new();
        build(&mut s);
        let error = s.refused();
        assert_eq!(code(&error), "PROGRAM_TYPE", "{what}: {error}");
    }
}

#[test]
fn refuses_arrays_of_too_many_cells() {
    let mut s = Sketch::new();
    let shape = vec![Dim::fixed(1 << 20), Dim::fixed(1)];
    let column = s.push(Op::Full { element: Element::Int64, shape: shape.clone(), value: Number::ZERO });
    let row = s.push(Op::Transpose { value: column, axes: vec![1, 0] });
    s.binary(Binary::Add, column, row);
    assert_eq!(code(&s.refused()), "PROGRAM_COST");
}

#[test]
fn the_main_job_is_well_typed() {
    let typed = main_job().typed();
    let output = |index: usize| typed.array(typed.program().outputs[index].value).expect("an array");
    assert_eq!((output(0).element.clone(), output(0).range), (Element::Int64, range(0, 4)));
    assert_eq!((output(1).element.clone(), output(1).range), (CENTS, range(0, 400_000_000_000)));
    assert_eq!((output(2).element.clone(), output(2).range), (Element::Float64, range(0, 1_000_000_000 << 18)));
    assert_eq!(output(2).validity, Validity::Secret);
}

#[test]
fn inferred_sizes_are_in_their_one_form() {
    let (mut s, table) = Sketch::customers();
    let twice = Dim { constant: 0, rows: BTreeMap::from([(table, 2)]), divisor: 2 };
    let full = |shape| Op::Full { element: Element::Bool, shape, value: Number::from(1) };
    let mask = s.push(full(vec![twice.clone()]));
    let members = s.push(Op::Filter { table, mask });
    s.column(members, "frequency");
    s.push(Op::Arange { length: twice });
    assert_eq!(s.last_type().shape, [Dim::rows_of(table)]);
}
