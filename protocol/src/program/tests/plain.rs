//! What each operation means, on small tables.

use super::*;
use crate::program::plain::{encode, trace};

fn customers(build: impl Fn(&mut Sketch, &dyn Fn(&mut Sketch, &str) -> NodeId)) -> Sketch {
    let (mut s, table) = Sketch::customers();
    build(&mut s, &move |s: &mut Sketch, name: &str| s.column(table, name));
    s
}

fn binary(function: Binary, left: &str, right: &str) -> Vec<Option<f64>> {
    customers(|s, column| {
        let (l, r) = (column(s, left), column(s, right));
        s.binary(function, l, r);
    })
    .cells()
}

fn defined(cells: &[f64]) -> Vec<Option<f64>> {
    cells.iter().copied().map(Some).collect()
}

#[test]
fn the_main_job_counts_sums_and_averages_the_chosen_rows() {
    let values = evaluate(&main_job().typed(), &tables()).expect("it runs");
    // c2: 3 > 2, 6000 > 5000, 6 M > 5 M; c3 spends 5000.00 only; c4: 5000.01, 7 M.
    let numbers: Vec<_> = values.iter().map(|value| value.as_f64()).collect();
    assert_eq!(numbers, [[Some(2.0)], [Some(3_000_000.75)], [Some(1_500_000.375)]]);
    assert_eq!(values[1].as_lattice(), [Some(300_000_075)]);
}

#[test]
fn decimals_and_integers_are_exact() {
    assert_eq!(binary(Binary::Add, "frequency", "amount"), defined(&[101.0, 6_003.0, 5_004.0, 5_005.01, 100.99]));
    let product = customers(|s, column| {
        let amount = column(s, "amount");
        s.binary(Binary::Multiply, amount, amount);
    });
    let cells = product.value().as_lattice();
    assert_eq!(cells[3], Some(500_001 * 500_001));
    assert_eq!(binary(Binary::Subtract, "member", "frequency"), defined(&[0.0, -3.0, -3.0, -4.0, -100.0]));
}

#[test]
fn what_is_computed_from_an_invalid_cell_is_undefined() {
    let sum = binary(Binary::Add, "score", "frequency");
    assert_eq!(sum, [Some(1.5), Some(1.75), None, Some(14.0), Some(102.0)]);
    let chosen = customers(|s, column| {
        let (member, score, frequency) = (column(s, "member"), column(s, "score"), column(s, "frequency"));
        let not = s.push(Op::Unary { function: Unary::Not, value: member });
        s.push(Op::Where { condition: not, then: score, otherwise: frequency });
    });
    // The invalid third score is not chosen.
    assert_eq!(chosen.cells(), defined(&[1.0, -1.25, 4.0, 5.0, 2.0]));
}

#[test]
fn division_by_zero_is_undefined() {
    let quotient = customers(|s, column| {
        let (frequency, member) = (column(s, "frequency"), column(s, "member"));
        s.binary(Binary::Divide, frequency, member);
    });
    assert_eq!(quotient.cells(), [Some(1.0), None, Some(4.0), Some(5.0), None]);
    let third = customers(|s, _| {
        let (one, three) = (s.int(1), s.int(3));
        s.binary(Binary::Divide, one, three);
    });
    assert_eq!(third.cells(), [Some(1.0 / 3.0)]);
}

#[test]
fn comparisons_work_on_every_ordered_type() {
    let with = |function, name: &str, value: &str, element: Element| {
        customers(|s, column| {
            let (column, constant) = (column(s, name), s.array(element.clone(), &[], &[value]));
            s.binary(function, column, constant);
        })
        .cells()
    };
    let (t, f) = (Some(1.0), Some(0.0));
    assert_eq!(with(Binary::Greater, "amount", "5000", Element::Int64), [f, t, f, t, f]);
    assert_eq!(with(Binary::GreaterEqual, "amount", "5000", Element::Int64), [f, t, t, t, f]);
    assert_eq!(with(Binary::Less, "since", "20000", Element::Int64), [t, t, f, f, f]);
    assert_eq!(with(Binary::LessEqual, "score", "0.5", Element::Float64), [t, t, None, f, f]);
    assert_eq!(with(Binary::Equal, "segment", "1", Element::Int64), [f, t, f, t, f]);
    assert_eq!(with(Binary::NotEqual, "frequency", "4", Element::Int64), [t, t, f, t, t]);
}

#[test]
fn bools_combine() {
    let combine = |function| {
        let mut s = Sketch::new();
        let left = s.array(Element::Bool, &[4], &["0", "0", "1", "1"]);
        let right = s.array(Element::Bool, &[4], &["0", "1", "0", "1"]);
        s.binary(function, left, right);
        s.numbers()
    };
    assert_eq!(combine(Binary::And), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(combine(Binary::Or), [0.0, 1.0, 1.0, 1.0]);
    assert_eq!(combine(Binary::Xor), [0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn reductions_skip_invalid_and_masked_cells() {
    let reduce = |function, name: &str, masked: bool| {
        let s = customers(|s, column| {
            let (value, mask) = (column(s, name), column(s, "member"));
            s.reduce(function, value, masked.then_some(mask));
        });
        s.cells()[0]
    };
    use Reduction::*;
    assert_eq!(reduce(Sum, "score", false), Some(10.25));
    assert_eq!(reduce(Sum, "member", false), Some(3.0));
    assert_eq!(reduce(Sum, "amount", true), Some(10_100.01));
    assert_eq!(reduce(Count, "score", false), Some(4.0));
    assert_eq!(reduce(Count, "score", true), Some(2.0));
    assert_eq!(reduce(Mean, "score", true), Some(4.75));
    assert_eq!(reduce(Mean, "amount", true), Some(10_100.01 / 3.0));
    // Of 0.5 and 9.
    assert_eq!(reduce(Var, "score", true), Some(18.0625));
    assert_eq!(reduce(Min, "score", false), Some(-1.25));
    assert_eq!(reduce(Max, "frequency", true), Some(5.0));
    assert_eq!(reduce(Argmax, "since", false), Some(4.0));
    assert_eq!(reduce(Argmax, "since", true), Some(2.0), "the first of equals");
}

#[test]
fn a_reduction_of_nothing_is_zero_or_undefined() {
    for (function, expected) in [
        (Reduction::Sum, Some(0.0)),
        (Reduction::Count, Some(0.0)),
        (Reduction::Mean, None),
        (Reduction::Var, None),
        (Reduction::Min, None),
        (Reduction::Max, None),
        (Reduction::Argmax, None),
    ] {
        let s = customers(|s, column| {
            let frequency = column(s, "frequency");
            let never = s.binary(Binary::Less, frequency, frequency);
            s.reduce(function, frequency, Some(never));
        });
        assert_eq!(s.cells(), [expected], "{function:?}");
    }
}

#[test]
fn reductions_take_axes_and_keep_them() {
    let reduce = |function, axes: &[u8], keep_dims| {
        let mut s = Sketch::new();
        let value = s.array(Element::Int64, &[2, 3], &["1", "5", "2", "4", "3", "6"]);
        s.push(Op::Reduce { function, value, axes: axes.to_vec(), keep_dims, mask: None });
        let value = s.value();
        (value.shape().to_vec(), value.as_f64().into_iter().flatten().collect::<Vec<_>>())
    };
    assert_eq!(reduce(Reduction::Sum, &[0], false), (vec![3], vec![5.0, 8.0, 8.0]));
    assert_eq!(reduce(Reduction::Max, &[1], true), (vec![2, 1], vec![5.0, 6.0]));
    assert_eq!(reduce(Reduction::Argmax, &[1], false), (vec![2], vec![1.0, 2.0]));
    assert_eq!(reduce(Reduction::Argmax, &[0], false), (vec![3], vec![1.0, 0.0, 1.0]));
    assert_eq!(reduce(Reduction::Mean, &[0, 1], false), (vec![], vec![3.5]));
    assert_eq!(reduce(Reduction::Var, &[0], true), (vec![1, 3], vec![2.25, 1.0, 4.0]));
}

#[test]
fn filters_hide_rows_from_what_follows() {
    let (mut s, table) = Sketch::customers();
    let mask = s.column(table, "member");
    let members = s.push(Op::Filter { table, mask });
    let amount = s.column(members, "amount");
    let five_thousand = s.int(5_000);
    let mask = s.binary(Binary::Greater, amount, five_thousand);
    let twice = s.push(Op::Filter { table: members, mask });
    s.column(twice, "frequency");
    assert_eq!(s.cells(), [None, None, None, Some(5.0), None]);
}

#[test]
fn joins_match_rows_by_key_and_follow_filters() {
    let frequencies = |alignment| {
        let (mut s, people) = Sketch::joined(alignment);
        s.column(people, "frequency");
        s.cells()
    };
    assert_eq!(frequencies(Alignment::Revealed), defined(&[3.0, 4.0, 5.0]));
    assert_eq!(frequencies(Alignment::Private), [Some(3.0), Some(4.0), Some(5.0), None]);
    let (mut s, table) = Sketch::customers();
    let mask = s.column(table, "member");
    let left = s.push(Op::Filter { table, mask });
    let right = s.load("banque/accounts");
    let on = || "customer_id".to_string();
    let alignment = Alignment::Revealed;
    let people = s.push(Op::Join { left, right, left_on: on(), right_on: on(), alignment });
    s.column(people, "frequency");
    assert_eq!(s.cells(), [None, Some(4.0), Some(5.0)]);
}

#[test]
fn repeated_keys_are_refused_with_their_count() {
    let mut tables = tables();
    let accounts = tables.get_mut("banque/accounts").expect("it is there");
    accounts.columns.insert("customer_id".into(), keys(&["c4", "c4", "c4", "c3"]));
    let error = evaluate(&main_job().typed(), &tables).expect_err("keys repeat");
    assert_eq!(code(&error), "ALIGN_DUPLICATE_KEYS");
    assert_eq!(error.to_string(), "banque/accounts: 2 rows repeat a key of column \"customer_id\"");
}

#[test]
fn matrix_products_count_invalid_cells_as_zero() {
    let mut s = Sketch::new();
    let left = s.array(Element::Int64, &[2, 2], &["1", "2", "3", "4"]);
    let right = s.array(CENTS, &[2], &["0.5", "0.25"]);
    s.push(Op::MatMul { left, right });
    assert_eq!(s.numbers(), [1.0, 2.5]);
    let dot = customers(|s, column| {
        let (left, right) = (column(s, "score"), column(s, "frequency"));
        s.push(Op::MatMul { left, right });
    });
    assert_eq!(dot.numbers(), [0.5 - 3.75 + 45.0 + 200.0]);
}

#[test]
fn cells_move_as_in_numpy() {
    let grid = |s: &mut Sketch| s.array(Element::Int64, &[2, 3], &["1", "2", "3", "4", "5", "6"]);
    let mut s = Sketch::new();
    let value = grid(&mut s);
    s.push(Op::Transpose { value, axes: vec![1, 0] });
    assert_eq!(s.numbers(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let mut s = Sketch::new();
    let value = grid(&mut s);
    let turned = s.push(Op::Transpose { value, axes: vec![1, 0] });
    s.push(Op::Reshape { value: turned, shape: vec![Dim::fixed(6)] });
    assert_eq!(s.numbers(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0], "row-major after a transpose");
    let mut s = Sketch::new();
    let value = grid(&mut s);
    let part = |start, stop, step| SliceAxis { start: Dim::fixed(start), stop: Dim::fixed(stop), step };
    let slice = s.push(Op::Slice { value, axes: vec![part(1, 2, 1), part(0, 3, 2)] });
    s.push(Op::Concatenate { values: vec![slice, value], axis: 1 });
    assert_eq!(code(&s.refused()), "PROGRAM_TYPE");
    let mut s = Sketch::new();
    let value = grid(&mut s);
    let slice = s.push(Op::Slice { value, axes: vec![part(0, 2, 1), part(0, 3, 2)] });
    s.push(Op::Concatenate { values: vec![slice, value], axis: 1 });
    assert_eq!(s.numbers(), [1.0, 3.0, 1.0, 2.0, 3.0, 4.0, 6.0, 4.0, 5.0, 6.0]);
    for (axis, size, expected) in
        [(1, 2, &[1, 2, 2, 3, 4, 5, 5, 6][..]), (0, 2, &[1, 4, 2, 5, 3, 6]), (0, 1, &[1, 2, 3, 4, 5, 6])]
    {
        let mut s = Sketch::new();
        let value = grid(&mut s);
        s.push(Op::Windows { value, axis, size });
        assert_eq!(
            s.numbers(),
            expected.iter().map(|cell| f64::from(*cell)).collect::<Vec<_>>(),
            "{size} along {axis}"
        );
    }
}

#[test]
fn sizes_and_ranges_follow_the_row_count_of_the_run() {
    let (mut s, people) = Sketch::joined(Alignment::Revealed);
    let rows = Dim::rows_of(people);
    let size = s.push(Op::Size { of: rows.times(2).expect("small") });
    let steps = s.push(Op::Arange { length: rows });
    s.binary(Binary::Add, size, steps);
    assert_eq!(s.numbers(), [6.0, 7.0, 8.0]);
}

#[test]
fn a_slice_that_the_row_count_does_not_allow_is_refused_at_the_run() {
    let (mut s, people) = Sketch::joined(Alignment::Revealed);
    let value = s.column(people, "frequency");
    let whole = SliceAxis { start: Dim::fixed(0), stop: Dim::rows_of(people), step: 2 };
    let every_second = s.push(Op::Slice { value, axes: vec![whole] });
    s.reduce(Reduction::Sum, every_second, None);
    let error = evaluate(&s.typed(), &tables()).expect_err("3 rows are no multiple of 2");
    assert_eq!(code(&error), "PROGRAM_TYPE");
}

/// Doubles a value `trips` times from 1, declared to stay within `[0, 100]`.
fn doubling(trips: u32) -> Sketch {
    let mut s = Sketch::new();
    let one = s.int(1);
    let carried = vec![Carried { initial: one, lo: number("0"), hi: number("100") }];
    let body = s.push(Op::Loop { body: BlockId(0), trips, carried, captured: Vec::new() });
    s.push(Op::Item { of: body, index: 0 });
    let add = Op::Binary { function: Binary::Add, left: NodeId(0), right: NodeId(0) };
    let nodes = [Op::Parameter { index: 0 }, add].map(|op| Node { op, name: None });
    s.program.blocks.push(Block { nodes: nodes.to_vec(), results: vec![NodeId(1)] });
    s
}

#[test]
fn loops_run_and_report_what_leaves_the_declared_range() {
    assert_eq!(doubling(0).numbers(), [1.0]);
    assert_eq!(doubling(6).numbers(), [64.0]);
    let error = evaluate(&doubling(7).typed(), &tables()).expect_err("128 is beyond 100");
    assert_eq!(code(&error), "OUT_OF_RANGE");
}

#[test]
fn a_loop_counts_its_trips() {
    let mut s = Sketch::new();
    let zero = s.int(0);
    let carried = vec![Carried { initial: zero, lo: number("0"), hi: number("100") }];
    let body = s.push(Op::Loop { body: BlockId(0), trips: 5, carried, captured: Vec::new() });
    s.push(Op::Item { of: body, index: 0 });
    let add = Op::Binary { function: Binary::Add, left: NodeId(0), right: NodeId(1) };
    let nodes = [Op::Parameter { index: 0 }, Op::Parameter { index: 1 }, add].map(|op| Node { op, name: None });
    s.program.blocks.push(Block { nodes: nodes.to_vec(), results: vec![NodeId(2)] });
    assert_eq!(s.numbers(), [10.0]);
}

#[test]
fn a_broken_assumption_is_reported_and_invalid_cells_keep_it() {
    let assume = |name: &'static str, lo: &'static str, hi: &'static str| {
        customers(|s, column| {
            let column = column(s, name);
            s.assume(column, lo, hi);
        })
    };
    assert_eq!(assume("score", "-1.25", "9").cells()[2], None);
    let error = evaluate(&assume("frequency", "1", "99").typed(), &tables()).expect_err("100 is there");
    assert_eq!(code(&error), "OUT_OF_RANGE");
    assert_eq!(error.to_string(), "%2: at the run a value left the range that the program declares for it");
}

#[test]
fn encoding_rounds_floats_and_fills_invalid_cells_within_the_range() {
    let schema = nullable(column("x", Element::Float64, Some(("1", "5"))));
    let data = PlainData::Float64(vec![1.0 + 0.6 / 262_144.0, 1.1, f64::NAN]);
    let encoded = encode(&PlainColumn { data, validity: Some(vec![true, true, false]) }, &schema).expect("in range");
    assert_eq!(encoded.values, [262_145, 288_358, 262_144]);
    assert_eq!(encoded.validity, [true, true, false]);
}

#[test]
fn encoding_refuses_what_the_schema_does_not_allow() {
    let ints = |cells: &[i64]| PlainColumn::from(PlainData::Int64(cells.to_vec()));
    let floats = |cells: &[f64]| PlainColumn::from(PlainData::Float64(cells.to_vec()));
    let int = column("x", Element::Int64, Some(("0", "9")));
    let float = column("x", Element::Float64, Some(("0", "9")));
    let hole = PlainColumn { data: PlainData::Int64(vec![1, 2]), validity: Some(vec![true, false]) };
    let short = PlainColumn { data: PlainData::Int64(vec![1, 2]), validity: Some(vec![true]) };
    for (what, column, schema) in [
        ("beyond the range", ints(&[1, 10]), &int),
        ("another type", floats(&[1.0]), &int),
        ("no number", floats(&[f64::NAN]), &float),
        ("infinite", floats(&[f64::INFINITY]), &float),
        ("a null", hole, &int),
        ("too few validity bits", short, &int),
        ("no range", ints(&[1]), &column("x", Element::Int64, None)),
    ] {
        let error = encode(&column, schema).expect_err(what);
        assert_eq!(code(&error), "INPUT_SCHEMA", "{what}");
        assert!(error.to_string().contains("\"x\""), "{what}: {error}");
    }
}

#[test]
fn tables_that_are_not_what_was_declared_are_refused() {
    let typed = main_job().typed();
    let changed = |change: &dyn Fn(&mut BTreeMap<DatasetName, PlainTable>)| {
        let mut tables = tables();
        change(&mut tables);
        code(&evaluate(&typed, &tables).expect_err("the table is wrong"))
    };
    assert_eq!(changed(&|tables| drop(tables.remove("banque/accounts"))), "INPUT_SCHEMA");
    let without = |tables: &mut BTreeMap<DatasetName, PlainTable>, column: &str| {
        tables.get_mut("banque/accounts").expect("it is there").columns.remove(column)
    };
    assert_eq!(changed(&|tables| drop(without(tables, "wealth"))), "INPUT_SCHEMA");
    assert_eq!(
        changed(&|tables| {
            let table = tables.get_mut("banque/accounts").expect("it is there");
            table.columns.insert("balance".into(), PlainData::Int64(vec![1, 2, 3]).into());
        }),
        "INPUT_SCHEMA"
    );
}

#[test]
fn an_empty_intersection_gives_zero_and_undefined() {
    let mut tables = tables();
    let accounts = tables.get_mut("banque/accounts").expect("it is there");
    accounts.columns.insert("customer_id".into(), keys(&["d1", "d2", "d3", "d4"]));
    let values = evaluate(&main_job().typed(), &tables).expect("it runs");
    let cells: Vec<_> = values.iter().flat_map(|value| value.as_f64()).collect();
    assert_eq!(cells, [Some(0.0), Some(0.0), None]);
}

#[test]
fn nothing_that_holds_data_shows_it() {
    let typed = main_job().typed();
    let trace = trace(&typed, &tables()).expect("it runs");
    let value = trace.array(NodeId(10)).expect("an array");
    let table = tables();
    let encoded =
        encode(&table["maison/customers"].columns["amount"], &datasets()["maison/customers"].schema.columns[2]);
    let shown = format!("{trace:?} {value:?} {table:?} {encoded:?}");
    for secret in ["600000", "7000000", "2000000.25", "200000025", "c4", "99"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn cells_are_sorted_stably_along_an_axis_and_invalid_ones_come_last() {
    let grid = |s: &mut Sketch| s.array(Element::Int64, &[2, 3], &["3", "1", "3", "-2", "5", "-2"]);
    let sorted = |op: fn(NodeId) -> Op| {
        let mut s = Sketch::new();
        let value = grid(&mut s);
        s.push(op(value));
        s.numbers()
    };
    assert_eq!(sorted(|value| Op::Sort { value, axis: 1 }), [1.0, 3.0, 3.0, -2.0, -2.0, 5.0]);
    assert_eq!(sorted(|value| Op::Argsort { value, axis: 1 }), [1.0, 0.0, 2.0, 0.0, 2.0, 1.0]);
    assert_eq!(sorted(|value| Op::Sort { value, axis: 0 }), [-2.0, 1.0, -2.0, 3.0, 5.0, 3.0]);
    assert_eq!(sorted(|value| Op::Argsort { value, axis: 0 }), [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
    // 6 / [2, 0, -1] has no second cell.
    let mut s = Sketch::new();
    let (six, by) = (s.array(Element::Int64, &[3], &["6"; 3]), s.array(Element::Int64, &[3], &["2", "0", "-1"]));
    let value = s.binary(Binary::Divide, six, by);
    s.push(Op::Sort { value, axis: 0 });
    assert_eq!(s.cells(), [Some(-6.0), Some(3.0), None]);
    let mut s = Sketch::new();
    let (six, by) = (s.array(Element::Int64, &[3], &["6"; 3]), s.array(Element::Int64, &[3], &["2", "0", "-1"]));
    let value = s.binary(Binary::Divide, six, by);
    s.push(Op::Argsort { value, axis: 0 });
    assert_eq!(s.numbers(), [2.0, 0.0, 1.0]);
}

#[test]
fn cells_are_turned_round_taken_and_added_up_along_an_axis() {
    let of = |op: fn(NodeId) -> Op| {
        let mut s = Sketch::new();
        let value = s.array(Element::Int64, &[2, 3], &["3", "1", "4", "-2", "5", "-9"]);
        s.push(op(value));
        s.numbers()
    };
    assert_eq!(of(|value| Op::Flip { value, axis: 1 }), [4.0, 1.0, 3.0, -9.0, 5.0, -2.0]);
    assert_eq!(of(|value| Op::Flip { value, axis: 0 }), [-2.0, 5.0, -9.0, 3.0, 1.0, 4.0]);
    assert_eq!(of(|value| Op::Take { value, axis: 1, places: vec![2, 2, 0] }), [4.0, 4.0, 3.0, -9.0, -9.0, -2.0]);
    assert_eq!(of(|value| Op::Take { value, axis: 0, places: vec![] }), [0.0; 0]);
    assert_eq!(of(|value| Op::Cumsum { value, axis: 1 }), [3.0, 4.0, 8.0, -2.0, 3.0, -6.0]);
    assert_eq!(of(|value| Op::Cumsum { value, axis: 0 }), [3.0, 1.0, 4.0, 1.0, 6.0, -5.0]);
    let mut s = Sketch::new();
    let value = s.array(Element::Int64, &[3], &["1"; 3]);
    s.push(Op::Take { value, axis: 0, places: vec![3] });
    assert_eq!(code(&s.refused()), "PROGRAM_TYPE");
}

#[test]
fn rows_are_sorted_by_keys_and_undefined_ones_are_refused() {
    let mut s = Sketch::new();
    let value = s.array(Element::Int64, &[3, 2], &["1", "2", "3", "4", "5", "6"]);
    let keys = s.array(Element::Int64, &[3], &["7", "-1", "7"]);
    s.push(Op::SortRows { value, keys });
    assert_eq!(s.numbers(), [3.0, 4.0, 1.0, 2.0, 5.0, 6.0]);
    let mut s = Sketch::new();
    let (six, by) = (s.array(Element::Int64, &[3], &["6"; 3]), s.array(Element::Int64, &[3], &["2", "0", "-1"]));
    let value = s.binary(Binary::Divide, six, by);
    s.push(Op::SortRows { value, keys: by });
    assert_eq!(code(&s.refused()), "PROGRAM_TYPE");
    let mut s = Sketch::new();
    let value = s.array(Element::Int64, &[3], &["6"; 3]);
    let keys = s.array(Element::Int64, &[2], &["2", "0"]);
    s.push(Op::SortRows { value, keys });
    assert_eq!(code(&s.refused()), "PROGRAM_TYPE");
}
