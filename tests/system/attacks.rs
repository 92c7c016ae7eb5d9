//! Attempts to pass under the minimum: attacks 1 to 12, 18, 20 and 28 of the security note, as an analyst would submit
//! them to the owner's real node.

use tacit_protocol::program::{Dim, Program, Reduction, SliceAxis};
use tacit_sdk::Array;

use crate::harness::{SHOP_POLICY, Two, cell, question};

fn slice(array: &Array, start: Dim, stop: Dim) -> Array {
    array.slice(vec![SliceAxis { start, stop, step: 1 }])
}

fn first(array: &Array, rows: u64) -> Array {
    slice(array, Dim::fixed(0), Dim::fixed(rows))
}

#[test]
fn attempts_to_single_out_rows_are_refused_by_the_owner() {
    let two = Two::with_tables(SHOP_POLICY);
    let attacks: Vec<(&str, &str, Program)> = vec![
        ("1 a row", "DISCLOSURE_ROW", question(|p, t| p.release("x", &t.column("amount")))),
        (
            "2 the sum of one row",
            "DISCLOSURE_POSITION",
            question(|p, t| p.release("x", &first(&t.column("amount"), 1).sum())),
        ),
        (
            "3 one row padded with zeros",
            "DISCLOSURE_POSITION",
            question(|p, t| {
                let zeros = p.full(vec![Dim::fixed(200)], tacit_protocol::schema::Element::Int64, 0.into());
                let padded = p.concatenate(&[&first(&t.column("frequency"), 1), &zeros], 0);
                p.release("x", &padded.sum());
            }),
        ),
        (
            "4 weights by position",
            "DISCLOSURE_POSITION",
            question(|p, t| p.release("x", &(t.column("frequency") * p.arange(t.rows())).sum())),
        ),
        (
            "5 weights by the peer's column",
            "DISCLOSURE_WEIGHT",
            question(|p, t| p.release("x", &(t.column("frequency") * t.column("balance")).sum())),
        ),
        (
            "6 rows in pairs",
            "DISCLOSURE_POSITION",
            question(|p, t| {
                let half = Dim { divisor: 2, ..t.rows() };
                let pairs = t.column("frequency").reshape(vec![half, Dim::fixed(2)]);
                p.release("x", &pairs.reduce(Reduction::Sum, &[1], false, None));
            }),
        ),
        (
            "7 running sums by slices",
            "DISCLOSURE_POSITION",
            question(|p, t| {
                p.release("a", &first(&t.column("frequency"), 150).sum());
                p.release("b", &first(&t.column("frequency"), 151).sum());
            }),
        ),
        ("8 the largest", "DISCLOSURE_ORDER", question(|p, t| p.release("x", &t.column("amount").max()))),
        (
            "9 the place of the largest",
            "DISCLOSURE_ORDER",
            question(|p, t| p.release("x", &t.column("amount").argmax())),
        ),
        (
            "10 means above the largest but one",
            "DISCLOSURE_ORDER",
            question(|p, t| {
                let amount = t.column("amount");
                let top = amount.equal(amount.max());
                p.release("x", &amount.mean_where(&top));
            }),
        ),
        (
            "11 a row picked by its position",
            "DISCLOSURE_POSITION",
            question(|p, t| {
                let third = p.arange(t.rows()).equal(3);
                p.release("x", &third.choose(t.column("frequency"), 0).sum());
            }),
        ),
        (
            "20 binary search on a sum",
            "DISCLOSURE_THRESHOLD",
            question(|p, t| p.release("x", &t.column("frequency").sum().gt(700))),
        ),
    ];
    let mut wrong = Vec::new();
    for (name, code, program) in attacks {
        match two.banque.answer(program) {
            Err(failure) if failure.code.as_str() == code => {}
            Err(failure) => wrong.push(format!("{name}: {failure}")),
            Ok(result) => wrong.push(format!("{name}: answered {result:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let jobs = two.maison.client().jobs().expect("jobs");
    assert!(jobs.iter().all(|job| job.state == "refused"), "{jobs:?}");
}

#[test]
fn attack_12_power_sums_are_equations_too() {
    let small = SHOP_POLICY.replace("minimum_rows = 100", "minimum_rows = 20");
    let two = Two::with_tables(&small);
    let program = question(|program, joined| {
        let frequency = joined.column("frequency");
        let mut power = frequency.clone();
        for j in 1..=12 {
            program.release(&format!("p{j}"), &power.sum());
            power = &power * &frequency;
        }
    });
    let failure = two.banque.answer(program).expect_err("a refusal");
    assert_eq!(failure.code.as_str(), "DISCLOSURE_EQUATIONS", "{failure}");
}

#[test]
fn attack_18_a_sum_of_the_receivers_own_numbers_needs_a_larger_minimum() {
    let small = SHOP_POLICY.replace("minimum_rows = 100", "minimum_rows = 10");
    let two = Two::with_tables(&small);
    let program = question(|program, joined| {
        let selected = joined.column("frequency").gt(2);
        program.release("cost", &selected.choose(joined.column("wealth"), 0).sum());
    });
    let failure = two.banque.answer(program).expect_err("a refusal");
    assert_eq!(failure.code.as_str(), "DISCLOSURE_BITS", "{failure}");
}

#[test]
fn attack_28_a_division_by_a_count_that_can_be_zero_is_no_error() {
    let two = Two::with_tables(SHOP_POLICY);
    let program = question(|program, joined| {
        let none = joined.column("frequency").gt(8);
        program.release("ratio", &(joined.column("frequency").sum() / none.sum()));
    });
    match two.banque.answer(program) {
        Ok(result) => assert_eq!(cell(&result, "ratio"), "suppressed"),
        Err(failure) => assert!(failure.code.as_str().starts_with("DISCLOSURE_"), "{failure}"),
    }
}
