//! Reading, limits and structure (CHK-201), the hash and the readable form.

use super::*;

/// A program with every kind of operation that has parts of its own in JSON.
fn varied() -> Program {
    let (mut s, table) = Sketch::customers();
    let rows = Dim::rows_of(table);
    let frequency = s.column(table, "frequency");
    let ones = s.push(Op::Full { element: Element::Int64, shape: vec![rows.clone()], value: Number::from(1) });
    let twice = s.push(Op::Concatenate { values: vec![frequency, ones], axis: 0 });
    let both = rows.times(2).expect("small");
    let part = SliceAxis { start: Dim::fixed(0), stop: both.clone(), step: 2 };
    let half = s.push(Op::Slice { value: twice, axes: vec![part] });
    let shape = vec![Dim::fixed(1), both.divided(2).expect("not 0")];
    let row = s.push(Op::Reshape { value: half, shape });
    let column = s.push(Op::Transpose { value: row, axes: vec![1, 0] });
    let segment = s.column(table, "segment");
    let loyal = s.int(1);
    let mask = s.binary(Binary::Equal, segment, loyal);
    let sum = s.reduce(Reduction::Sum, column, None);
    let count = s.reduce(Reduction::Count, frequency, Some(mask));
    let size = s.push(Op::Size { of: Dim { constant: 1, ..rows } });
    let start = s.int(0);
    let carried = vec![Carried { initial: start, lo: number("-1"), hi: number("1000") }];
    let body = s.push(Op::Loop { body: BlockId(0), trips: 3, carried, captured: vec![sum] });
    let item = s.push(Op::Item { of: body, index: 0 });
    let node = |op| Node { op, name: Some("step".into()) };
    s.program.blocks.push(Block {
        nodes: vec![
            node(Op::Parameter { index: 0 }),
            node(Op::Parameter { index: 1 }),
            node(Op::Binary { function: Binary::Add, left: NodeId(0), right: NodeId(1) }),
        ],
        results: vec![NodeId(2)],
    });
    [sum, count, size, item].into_iter().for_each(|node| s.release(node));
    s.program.outputs[0].receivers = vec!["banque".into()];
    s.finished()
}

#[test]
fn a_program_is_the_same_after_writing_and_reading() {
    for program in [varied(), main_job().finished()] {
        let json = program.to_json();
        let read = Program::from_json(json.as_bytes()).expect("what is written can be read");
        assert_eq!(read, program, "{json}");
    }
}

#[test]
fn sizes_are_numbers_or_forms_in_json() {
    let dim = |json: &str| serde_json::from_str::<Dim>(json);
    assert_eq!(dim("3").expect("a size"), Dim::fixed(3));
    assert_eq!(dim(r#"{"rows": {"2": 1}}"#).expect("a size"), Dim::rows_of(NodeId(2)));
    let written = serde_json::to_string(&Dim { constant: -1, ..Dim::rows_of(NodeId(12)) }).expect("JSON");
    assert_eq!(written, r#"{"constant":-1,"rows":{"12":1},"divisor":1}"#);
    for wrong in ["-1", "1.5", "18446744073709551615", r#"{"rows": {"02": 1}}"#, r#"{"rows": {}, "more": 1}"#] {
        assert!(dim(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_program_is_the_same_after_the_codec() {
    let program = varied();
    let config = bincode::config::standard().with_limit::<65_536>();
    let bytes = bincode::encode_to_vec(&program, config).expect("it encodes");
    let (read, used): (Program, usize) = bincode::decode_from_slice(&bytes, config).expect("it decodes");
    assert_eq!((read, used), (program, bytes.len()));
}

#[test]
fn the_hash_is_stable_and_blind_to_spacing() {
    let program = main_job().finished();
    let value: serde_json::Value = serde_json::from_str(&program.to_json()).expect("JSON");
    let compact = Program::from_json(value.to_string().as_bytes()).expect("a program");
    assert_eq!(compact.hash(), program.hash());
    let mut other = program.clone();
    other.outputs[0].name = "other".into();
    assert_ne!(other.hash(), program.hash());
    assert_eq!(program.hash().to_string(), "6ed2c7b1e7a749448a0dddebe8903e59d3f6acd5fb67344e570fe76605805b19");
}

#[test]
fn a_program_reads_as_one_line_a_node() {
    let text = main_job().typed().to_text();
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).expect("the line is there").to_string();
    assert!(line("%15 \"cond\" = and %14 %13 ").ends_with("bool [rows(%2)] in [0, 1]"), "{text}");
    assert!(line("%2 = join %0 %1 on customer_id = customer_id, revealed").ends_with("11 columns"), "{text}");
    assert!(line("%19 = mean %10 where %15").contains("float64 in [0, 1000000000], may be undefined"), "{text}");
    assert!(text.ends_with("release \"out2\" = %19 to the submitter\n"), "{text}");
    let varied = infer(&varied(), &datasets()).expect("well typed").to_text();
    assert!(varied.contains("  %2 \"step\" = add %0 %1"), "{varied}");
}

#[test]
fn refuses_json_that_is_no_program() {
    let good = main_job().finished().to_json();
    for (bytes, code) in [
        ("".to_string(), "PROGRAM_MALFORMED"),
        ("[]".to_string(), "PROGRAM_MALFORMED"),
        (good.replacen("\"op\"", "\"extra\": 1, \"op\"", 1), "PROGRAM_MALFORMED"),
        (good.replacen("\"outputs\"", "\"extras\": 1, \"outputs\"", 1), "PROGRAM_MALFORMED"),
        (good.replacen("\"load\"", "\"fetch\"", 1), "PROGRAM_MALFORMED"),
        (good.replacen("\"version\": 1", "\"version\": 7", 1), "PROGRAM_VERSION"),
        (format!("{good} trailing"), "PROGRAM_MALFORMED"),
        ("[".repeat(60_000), "PROGRAM_MALFORMED"),
    ] {
        let error = Program::from_json(bytes.as_bytes()).expect_err("it is no program");
        assert_eq!(super::code(&error), code, "{error}");
        assert!(!error.next().is_empty());
    }
}

/// CHK-201.
#[test]
fn refuses_what_passes_a_limit() {
    let huge = vec![b' '; limits::PROGRAM_BYTES + 1];
    let too_many = |change: &dyn Fn(&mut Program)| {
        let (mut s, table) = Sketch::customers();
        let column = s.column(table, "frequency");
        s.reduce(Reduction::Sum, column, None);
        let mut program = s.finished();
        change(&mut program);
        program.validate().expect_err("a limit is passed")
    };
    let errors = [
        Program::from_json(&huge).expect_err("too many bytes"),
        too_many(&|p| p.nodes = vec![p.nodes[0].clone(); limits::NODES + 1]),
        too_many(&|p| p.outputs = vec![p.outputs[0].clone(); limits::OUTPUTS + 1]),
        too_many(&|p| {
            let shape = vec![Dim::fixed(1); limits::RANK + 1];
            p.push(Op::Full { element: Element::Int64, shape, value: Number::ZERO });
        }),
        too_many(&|p| {
            p.blocks.push(Block { nodes: Vec::new(), results: Vec::new() });
            let trips = limits::TRIPS + 1;
            p.push(Op::Loop { body: BlockId(0), trips, carried: Vec::new(), captured: Vec::new() });
        }),
        too_many(&|p| p.nodes = vec![p.nodes[0].clone(); limits::TABLES + 1]),
        too_many(&|p| {
            let repeat = |body| Op::Loop { body: BlockId(body), trips: 5_000, carried: vec![], captured: vec![] };
            p.push(repeat(0));
            let inner = Node { op: repeat(1), name: None };
            p.blocks.push(Block { nodes: vec![inner], results: Vec::new() });
            let leaf = Node { op: Op::Arange { length: Dim::fixed(1) }, name: None };
            p.blocks.push(Block { nodes: vec![leaf], results: Vec::new() });
        }),
        too_many(&|p| {
            let nested = |body| Op::Loop { body: BlockId(body), trips: 1, carried: Vec::new(), captured: Vec::new() };
            let depth = u32::try_from(limits::LOOP_DEPTH).expect("small") + 1;
            p.push(nested(0));
            for block in 0..depth {
                let inner = (block + 1 < depth).then(|| Node { op: nested(block + 1), name: None });
                p.blocks.push(Block { nodes: inner.into_iter().collect(), results: Vec::new() });
            }
        }),
    ];
    for error in errors {
        assert_eq!(super::code(&error), "PROPOSAL_TOO_BIG", "{error}");
    }
}

/// CHK-201.
#[test]
fn refuses_a_graph_that_is_not_well_formed() {
    type Change = fn(&mut Program);
    let changes: [(&str, Change); 14] = [
        ("forward", |p| p.nodes.swap(0, 1)),
        ("itself", |p| {
            p.push(Op::Unary { function: Unary::Negate, value: NodeId(3) });
        }),
        ("missing output", |p| p.outputs[0].value = NodeId(99)),
        ("no output", |p| p.outputs.clear()),
        ("same name", |p| p.outputs.push(p.outputs[0].clone())),
        ("empty name", |p| p.outputs[0].name.clear()),
        ("control character", |p| p.nodes[1].name = Some("a\u{1b}[2J".into())),
        ("parameter outside", |p| {
            p.push(Op::Parameter { index: 0 });
        }),
        ("missing block", |p| {
            p.push(Op::Loop { body: BlockId(0), trips: 1, carried: Vec::new(), captured: Vec::new() });
        }),
        ("unused block", |p| p.blocks.push(Block { nodes: Vec::new(), results: Vec::new() })),
        ("block of itself", |p| {
            let own = Op::Loop { body: BlockId(0), trips: 1, carried: Vec::new(), captured: Vec::new() };
            p.blocks.push(Block { nodes: vec![Node { op: own.clone(), name: None }], results: Vec::new() });
            p.push(own);
        }),
        ("table in a body", |p| {
            let load = Op::Load { dataset: "maison/customers".into() };
            p.blocks.push(Block { nodes: vec![Node { op: load, name: None }], results: Vec::new() });
            p.push(Op::Loop { body: BlockId(0), trips: 1, carried: Vec::new(), captured: Vec::new() });
        }),
        ("rows of no table", |p| {
            p.push(Op::Arange { length: Dim::rows_of(NodeId(1)) });
        }),
        ("divisor 0", |p| {
            p.push(Op::Arange { length: Dim { divisor: 0, ..Dim::rows_of(NodeId(0)) } });
        }),
    ];
    for (what, change) in changes {
        let (mut s, table) = Sketch::customers();
        let column = s.column(table, "frequency");
        s.reduce(Reduction::Sum, column, None);
        let mut program = s.finished();
        change(&mut program);
        let error = program.validate().expect_err(what);
        assert_eq!(super::code(&error), "PROGRAM_MALFORMED", "{what}: {error}");
    }
}

#[test]
fn errors_name_the_node_as_its_author_knows_it() {
    let (mut s, table) = Sketch::customers();
    let frequency = s.column(table, "frequency");
    let wrong = s.push(Op::Unary { function: Unary::Not, value: frequency });
    s.program.nodes[wrong.index()].name = Some("cond".into());
    let error = s.refused();
    assert_eq!(error.to_string(), "%2 \"cond\": it takes bools; %1 is int64");
    let failure = crate::Failure::from(error);
    assert_eq!((failure.code.as_str(), failure.next.as_str()), ("PROGRAM_TYPE", "Compare first."));
}
