//! Arrays that are handed in: their types, what they mean, and where they are refused.

use super::*;
use crate::program::plain::{PlainArrays, evaluate_with};
use crate::program::rules::DatasetRules;

fn input(from: InputSource, element: Element, shape: &[u64], range: [&str; 2]) -> Op {
    Op::Input { from, element, shape: shape.to_vec(), lo: number(range[0]), hi: number(range[1]) }
}

fn of_zero(element: Element, shape: &[u64], range: [&str; 2]) -> Op {
    input(InputSource::Party(PartyId::ZERO), element, shape, range)
}

fn shares(word_bits: u8, nullable: bool) -> InputSource {
    InputSource::Shares(Shares { word_bits, nullable, error: Some(2) })
}

fn sketch(op: Op) -> Sketch {
    let mut s = Sketch::new();
    s.push(op);
    s
}

#[test]
fn an_input_has_the_type_that_it_declares() {
    let array = sketch(of_zero(CENTS, &[2, 0, 3], ["-0.5", "2"])).last_type();
    assert_eq!((array.element, array.range), (CENTS, types::Interval { lo: -50, hi: 200 }));
    assert_eq!(array.shape, [2, 0, 3].map(Dim::fixed));
    assert_eq!((array.validity, array.public), (types::Validity::AllTrue, false));
    let scalar = sketch(input(shares(64, true), Element::Bool, &[], ["0", "1"])).last_type();
    assert_eq!((scalar.shape.len(), scalar.validity), (0, types::Validity::Secret));
}

#[test]
fn inputs_that_cannot_be_are_refused() {
    let codes = |op: Op| code(&sketch(op).refused());
    assert_eq!(codes(of_zero(Element::Int64, &[1], ["2", "1"])), "PROGRAM_RANGE");
    assert_eq!(codes(of_zero(Element::Bool, &[1], ["0", "2"])), "PROGRAM_RANGE");
    assert_eq!(codes(of_zero(Element::Int64, &[1], ["0", "9223372036854775808"])), "PROGRAM_RANGE");
    assert_eq!(codes(input(shares(64, false), Element::Int64, &[1], ["0", "4611686018427387904"])), "PROGRAM_RANGE");
    assert_eq!(codes(of_zero(Element::Date, &[1], ["0", "2"])), "PROGRAM_MALFORMED");
    assert_eq!(codes(of_zero(Element::Key, &[1], ["0", "2"])), "PROGRAM_MALFORMED");
    assert_eq!(codes(of_zero(Element::Decimal { scale: 30 }, &[1], ["0", "2"])), "PROGRAM_MALFORMED");
    assert_eq!(codes(input(shares(32, false), Element::Int64, &[1], ["0", "1"])), "PROGRAM_MALFORMED");
    assert_eq!(codes(of_zero(Element::Int64, &[1; 9], ["0", "1"])), "PROPOSAL_TOO_BIG");
    assert_eq!(codes(of_zero(Element::Int64, &[1 << 40, 1 << 40], ["0", "1"])), "PROGRAM_COST");
}

#[test]
fn a_loop_body_takes_no_input() {
    let mut s = Sketch::new();
    let start = s.int(0);
    let carried = vec![Carried { initial: start, lo: number("0"), hi: number("1") }];
    s.push(Op::Loop { body: BlockId(0), trips: 1, carried, captured: Vec::new() });
    let op = of_zero(Element::Int64, &[], ["0", "1"]);
    s.program.blocks.push(Block { nodes: vec![Node { op, name: None }], results: vec![NodeId(0)] });
    let refused = s.refused();
    assert_eq!(code(&refused), "PROGRAM_MALFORMED");
    assert!(refused.to_string().contains("takes no arrays"), "{refused}");
}

#[test]
fn the_plain_evaluator_takes_what_is_handed_in() {
    let mut s = sketch(of_zero(Element::Float64, &[2, 2], ["-4", "4"]));
    let more = s.push(input(shares(128, true), Element::Int64, &[2], ["0", "9"]));
    s.binary(Binary::Add, NodeId(0), more);
    let typed = s.typed();
    let mut arrays = PlainArrays::new();
    let run = |arrays: &PlainArrays| evaluate_with(&typed, &BTreeMap::new(), arrays);
    assert_eq!(code(&run(&arrays).expect_err("nothing is there")), "INPUT_SCHEMA");
    let validity = Some(vec![true, false]);
    arrays.insert(more, PlainColumn { data: PlainData::Int64(vec![1, 2]), validity });
    arrays.insert(NodeId(0), PlainData::Float64(vec![0.5, 1.0, -0.25, 4.0]).into());
    let values = run(&arrays).expect("it runs");
    assert_eq!(values[0].as_f64(), [Some(1.5), None, Some(0.75), None]);
    let refused = |arrays: &mut PlainArrays, data: PlainData| {
        arrays.insert(NodeId(0), data.into());
        run(arrays).expect_err("not as declared").to_string()
    };
    for cell in [4.5, f64::NAN, f64::INFINITY] {
        let text = refused(&mut arrays, PlainData::Float64(vec![0.0, 0.0, cell, 0.0]));
        assert!(text.contains("the cell [1, 0] is beyond the declared [-4, 4]"), "{text}");
    }
    assert!(refused(&mut arrays, PlainData::Float64(vec![0.0; 3])).contains("3 cells do not fill the shape [2, 2]"));
    assert!(refused(&mut arrays, PlainData::Int64(vec![0; 4])).contains("the data are not float64"));
    let holes = PlainColumn { data: PlainData::Float64(vec![0.0; 4]), validity: Some(vec![true, true, true, false]) };
    arrays.insert(NodeId(0), holes);
    assert!(run(&arrays).expect_err("a hole").to_string().contains("not all valid"));
}

#[test]
fn it_is_the_same_in_json_and_readable() {
    let mut s = sketch(of_zero(CENTS, &[3], ["-0.5", "2"]));
    s.push(input(shares(64, false), CENTS, &[3], ["0", "1"]));
    s.binary(Binary::Add, NodeId(0), NodeId(1));
    let typed = s.typed();
    let program = typed.program();
    assert_eq!(program.handed_in(), Some(NodeId(0)));
    let json = program.to_json();
    assert!(json.contains(r#""op": "input""#) && json.contains(r#""party": 0"#), "{json}");
    assert_eq!(Program::from_json(json.as_bytes()).expect("it reads"), *program);
    let text = typed.to_text();
    assert!(text.contains("input of party 0 in [-0.5, 2]"), "{text}");
    assert!(text.contains("input as shares of 64 bits in [0, 1]"), "{text}");
}

#[test]
fn no_policy_allows_what_is_handed_in() {
    let (mut s, table) = Sketch::customers();
    let member = s.column(table, "member");
    s.reduce(Reduction::Sum, member, None);
    let handed = s.push(of_zero(Element::Int64, &[], ["0", "1"]));
    s.binary(Binary::Add, NodeId(2), handed);
    let rules: BTreeMap<String, DatasetRules> = BTreeMap::new();
    let typed = s.typed();
    let refusals = disclosure::analyse(&typed, &rules, &BTreeMap::new()).expect_err("refused");
    let refusal = refusals.iter().find(|refusal| refusal.code.as_str() == "PROGRAM_INPUT").expect("by its name");
    assert!(refusal.cause.contains(&handed.to_string()) && refusal.change.contains("direct session"), "{refusal:?}");
}

#[test]
fn one_operation_is_typed_as_in_a_program() {
    let op = of_zero(Element::Int64, &[3], ["-4", "4"]);
    let known = infer_operation(&op, None, &[]).expect("typed");
    let half = Op::Constant { element: Element::Float64, shape: vec![], values: vec![number("0.5")] };
    let constant = infer_operation(&half, None, &[]).expect("typed");
    let product = Op::Binary { function: Binary::Multiply, left: NodeId(0), right: NodeId(1) };
    let alone = infer_operation(&product, None, &[(&op, &known), (&half, &constant)]).expect("typed");
    let mut s = sketch(op.clone());
    s.push(half);
    s.push(product.clone());
    assert_eq!(alone, s.last_type());
    let date = of_zero(Element::Date, &[3], ["0", "1"]);
    assert_eq!(code(&infer_operation(&date, None, &[]).expect_err("no numbers")), "PROGRAM_MALFORMED");
    let missing = infer_operation(&product, Some("script.py:3"), &[(&op, &known)]).expect_err("no right operand");
    assert!(missing.to_string().contains("\"script.py:3\""), "{missing}");
}
