//! Every level of vector instructions that this machine has, in whole jobs.

use std::process::Command;

use tacit_protocol::api::JobResult;
use tacit_protocol::program::{Program, Reduction};
use tacit_sdk::Array;
use tacit_simd::{LEVEL_VARIABLE, Level};

use crate::harness::{CUSTOMERS, SHOP_POLICY, Two, cell, path, question};

/// A count, a sum and a mean over a condition on both tables, with a product of columns of both.
fn main_question() -> Program {
    question(|program, joined| {
        let selected: Array = joined.column("frequency").gt(2) & joined.column("balance").gt(100);
        let wealth = joined.column("wealth");
        program.release("number", &selected.sum());
        program.release("cost", &wealth.reduce(Reduction::Sum, &[], false, Some(&selected)));
        program.release("average", &wealth.mean_where(&selected));
    })
}

/// The cells of [`main_question`] by plain arithmetic on the rows that both tables have.
fn check(result: &JobResult, levels: [&str; 2]) {
    let chosen: Vec<u32> = (10..CUSTOMERS).filter(|i| i % 9 > 2 && f64::from(i * 97 % 10_000) + 0.5 > 100.0).collect();
    let cost: f64 = chosen.iter().map(|i| f64::from(i * 13 % 5_000) + 0.25).sum();
    let number = |output: &str| cell(result, output).parse::<f64>().expect("released");
    assert_eq!(number("number"), chosen.len() as f64, "{levels:?}");
    // Released on a grid of a hundredth.
    assert!((number("cost") - cost).abs() <= 0.011, "{levels:?}: {} instead of {cost}", number("cost"));
    let average = cost / chosen.len() as f64;
    assert!((number("average") - average).abs() <= 0.011, "{levels:?}: {} instead of {average}", number("average"));
}

#[test]
fn a_job_between_any_two_levels_answers_as_plain_arithmetic() {
    let levels: Vec<&str> =
        Level::ALL.into_iter().filter(|level| level.is_available()).map(tacit_simd::Level::name).collect();
    let mut two = Two::with_tables(SHOP_POLICY);
    for own in &levels {
        for other in &levels {
            for (node, level) in [(&mut two.maison, *own), (&mut two.banque, *other)] {
                node.stop();
                node.level = Some(level);
                node.restart();
                let log = node.log_tail();
                assert!(
                    log.contains(&format!("instructions=\"{level}\"")),
                    "{} runs at another level: {log}",
                    node.name
                );
            }
            two.connected();
            check(&two.banque.answer(main_question()).expect("answered"), [*own, *other]);
        }
    }
}

#[test]
fn a_level_that_is_unknown_or_not_there_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = Level::ALL.into_iter().filter(|level| !level.is_available()).map(Level::name);
    for name in missing.chain(["sse2", ""]) {
        for command in [&["node"][..], &["bench", "--op", "lt", "--n", "1"]] {
            let output = Command::new(env!("CARGO_BIN_EXE_tacit"))
                .args(["--dir", path(dir.path())])
                .args(command)
                .env(LEVEL_VARIABLE, name)
                .output()
                .expect("the binary runs");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && errors.contains(&format!("TACIT_SIMD is {name:?}")), "{errors}");
        }
    }
}
