//! What a node measures with a peer at most: a peer that it trusts with figures is not trusted with its machine. The
//! limits of time and memory are the operator's, in [`crate::config::Config`].

use std::collections::VecDeque;

use tacit_protocol::bench::{BenchMode, BenchTask};
use tacit_protocol::{Code, Digest, Failure};

use super::case::BITS;
use super::messages::Task;
use super::operation::Operation;

/// The most cells of an operand.
pub(super) const CELLS: u64 = 1 << 20;
/// The most keys of each party.
pub(super) const KEYS: u64 = 1 << 18;
/// The most products of two cells in a matrix product.
pub(super) const PRODUCTS: u64 = 1 << 22;
/// The most products of two cells in a regression, in the form of its plan that has more of them.
pub(super) const REGRESSION_PRODUCTS: u64 = 1 << 24;
/// The most cells, and for matrix products eight times as many products, where correlations are made in advance: they
/// are all in memory then, for a division about 16 KiB a cell.
pub(super) const STOCKED_CELLS: u64 = 1 << 14;
/// The most steps of a regression.
pub(super) const STEPS: u64 = 1_000;
/// The most measured runs.
pub(super) const RUNS: u32 = 20;
/// The most measurements that peers may ask for in an hour, together: each is two entries of the log.
const HOURLY: usize = 120;

/// The task of what is asked for (CHK-406).
///
/// # Errors
/// `USAGE_BENCH_OP` for an operation that this node does not know, `USAGE_BENCH_LIMIT` for what is too much or makes no
/// sense. The text names nothing of this node, so that a peer may read it.
pub(super) fn task(asked: &BenchTask, party: u8) -> Result<Task, Failure> {
    // What is longer is no name, and not worth repeating.
    let name = if asked.operation.len() <= 32 { &asked.operation } else { "" };
    let operation: Operation = name.parse()?;
    let products = asked.shape.iter().try_fold(1_u64, |all, size| all.checked_mul(*size)).unwrap_or(u64::MAX);
    let stocked = asked.mode == BenchMode::OfflineReady;
    match (operation, &asked.shape[..]) {
        (Operation::Matmul, [rows, inner, columns]) => {
            let largest = [rows, inner, columns].into_iter().min().map_or(0, |least| products / (*least).max(1));
            within("cells of a matrix", largest, CELLS)?;
            within("products", products, if stocked { STOCKED_CELLS * 8 } else { PRODUCTS })?;
        }
        (Operation::Linreg | Operation::Logreg, [rows, features, steps]) => {
            within("cells of a matrix", rows.saturating_mul(*features), CELLS)?;
            within("steps", *steps, STEPS)?;
            // Once for the matrix by itself, or in each step for the matrix by a vector.
            let products = rows.saturating_mul(*features).saturating_mul(features.saturating_add(*steps));
            within("products", products, if stocked { STOCKED_CELLS * 8 } else { REGRESSION_PRODUCTS })?;
        }
        // Nothing is made in advance for an alignment.
        (Operation::Psi, [keys]) => within("keys", *keys, KEYS)?,
        (Operation::Matmul | Operation::Linreg | Operation::Logreg | Operation::Psi, _) => {
            return Err(no_shape(operation));
        }
        (_, [cells]) => within("cells", *cells, if stocked { STOCKED_CELLS } else { CELLS })?,
        (_, _) => return Err(no_shape(operation)),
    }
    within("runs", u64::from(asked.runs), u64::from(RUNS))?;
    if let Some(bits) = asked.bits.filter(|bits| !BITS.contains(&i64::from(*bits))) {
        let message = format!("ranges have {} to {} bits, not {bits}", BITS.start(), BITS.end());
        return Err(refusal(message, "choose a width between them."));
    }
    Ok(Task {
        party,
        operation,
        shape: asked.shape.clone(),
        bits: operation.bits(asked.bits),
        runs: asked.runs,
        mode: asked.mode,
        link: None,
        session: Digest::from_bytes([0; 32]),
    })
}

fn within(what: &str, asked: u64, most: u64) -> Result<(), Failure> {
    if (1..=most).contains(&asked) {
        return Ok(());
    }
    Err(refusal(format!("with a peer, 1 to {most} {what} are measured, not {asked}"), "ask for less."))
}

fn no_shape(operation: Operation) -> Failure {
    let three = matches!(operation, Operation::Matmul | Operation::Linreg | Operation::Logreg);
    let sizes = if three { "three sizes" } else { "one size" };
    refusal(format!("{} is measured on {sizes}", operation.name()), "give as many.")
}

fn refusal(message: String, next: &str) -> Failure {
    Failure::new(Code::new("USAGE_BENCH_LIMIT"), message, next)
}

/// When peers asked for measurements that took place, in the last hour.
#[derive(Default)]
pub(super) struct Pace(VecDeque<u64>);

impl Pace {
    /// Notes one more at a time in Unix seconds; `false`, and nothing, where they are too many.
    pub(super) fn take(&mut self, now: u64) -> bool {
        self.0.retain(|at| at.abs_diff(now) < 3_600);
        if self.0.len() >= HOURLY {
            return false;
        }
        self.0.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(operation: &str, shape: &[u64]) -> BenchTask {
        BenchTask { operation: operation.into(), shape: shape.into(), bits: None, runs: 3, mode: BenchMode::Warm }
    }

    #[test]
    fn what_the_command_asks_for_by_default_is_within_the_limits() {
        for operation in Operation::ALL {
            let shape = operation.shape(100_000, None);
            let task = task(&asked(operation.name(), &shape), 1).expect("within the limits");
            assert_eq!((task.operation, task.shape, task.party), (operation, shape, 1));
        }
        assert!(task(&asked("lt", &[CELLS]), 0).is_ok());
    }

    #[test]
    fn chk_406_every_limit_of_a_measurement_is_a_refusal() {
        let refused = |asked: &BenchTask| task(asked, 1).expect_err("a refusal").code.as_str().to_owned();
        for (operation, shape) in [
            ("lt", &[CELLS + 1][..]),
            ("lt", &[0]),
            ("lt", &[u64::MAX]),
            ("lt", &[]),
            ("lt", &[1, 2, 3]),
            ("psi", &[KEYS + 1]),
            ("psi", &[]),
            ("matmul", &[128]),
            ("matmul", &[256, 256, 256]),
            ("matmul", &[1 << 11, 1 << 11, 1]),
            ("matmul", &[1 << 40, 1 << 40, 1]),
            ("matmul", &[u64::MAX, 0, u64::MAX]),
            ("linreg", &[100]),
            ("linreg", &[0, 10, 10]),
            ("linreg", &[10, 0, 10]),
            ("linreg", &[10, 10, 0]),
            ("linreg", &[10, 10, STEPS + 1]),
            ("linreg", &[CELLS, 2, 1]),
            ("linreg", &[20_000, 10, 100]),
            ("linreg", &[1_024, 1_024, 1]),
            ("linreg", &[u64::MAX, u64::MAX, u64::MAX]),
            ("logreg", &[100]),
            ("logreg", &[10, 10, STEPS + 1]),
            ("logreg", &[CELLS, 2, 1]),
        ] {
            assert_eq!(refused(&asked(operation, shape)), "USAGE_BENCH_LIMIT", "{operation} {shape:?}");
        }
        for operation in ["", "frobnicate", &"x".repeat(100_000)] {
            let failure = task(&asked(operation, &[1]), 1).expect_err("a refusal");
            assert_eq!(failure.code.as_str(), "USAGE_BENCH_OP");
            assert!(failure.message.len() < 200);
        }
        for runs in [0, RUNS + 1, u32::MAX] {
            assert_eq!(refused(&BenchTask { runs, ..asked("lt", &[1]) }), "USAGE_BENCH_LIMIT");
        }
        for bits in [0, 1, 23, 65, u32::MAX] {
            assert_eq!(refused(&BenchTask { bits: Some(bits), ..asked("lt", &[1]) }), "USAGE_BENCH_LIMIT");
        }
        let ahead = |asked: BenchTask| BenchTask { mode: BenchMode::OfflineReady, ..asked };
        assert_eq!(refused(&ahead(asked("div", &[STOCKED_CELLS + 1]))), "USAGE_BENCH_LIMIT");
        assert_eq!(refused(&ahead(asked("matmul", &[128, 128, 128]))), "USAGE_BENCH_LIMIT");
        assert_eq!(refused(&ahead(asked("linreg", &[10_000, 10, 100]))), "USAGE_BENCH_LIMIT");
    }

    #[test]
    fn chk_406_so_many_measurements_an_hour() {
        let mut pace = Pace::default();
        assert!((0..HOURLY).all(|_| pace.take(10_000)));
        assert!(!pace.take(10_000) && !pace.take(13_599));
        assert!(pace.take(13_600));
    }
}
