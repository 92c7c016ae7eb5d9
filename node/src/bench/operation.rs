//! The operations that can be measured, and what each is measured on.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tacit_protocol::{Code, Failure};

/// An operation that the engine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Operation {
    Mul,
    Lt,
    Eq,
    Div,
    Matmul,
    Linreg,
    Logreg,
    Max,
    Argmax,
    Sort,
    Where,
    Sum,
    Exp,
    Log,
    Sqrt,
    Sigmoid,
    Psi,
}

/// The width that comparisons are measured at unless `--bits` says otherwise.
const DEFAULT_COMPARED_BITS: u32 = 40;

impl Operation {
    /// All of them, in the order of the help text.
    pub(super) const ALL: [Self; 17] = [
        Self::Mul,
        Self::Lt,
        Self::Eq,
        Self::Div,
        Self::Matmul,
        Self::Linreg,
        Self::Logreg,
        Self::Max,
        Self::Argmax,
        Self::Sort,
        Self::Where,
        Self::Sum,
        Self::Exp,
        Self::Log,
        Self::Sqrt,
        Self::Sigmoid,
        Self::Psi,
    ];

    /// Its name on the command line and in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mul => "mul",
            Self::Lt => "lt",
            Self::Eq => "eq",
            Self::Div => "div",
            Self::Matmul => "matmul",
            Self::Linreg => "linreg",
            Self::Logreg => "logreg",
            Self::Max => "max",
            Self::Argmax => "argmax",
            Self::Sort => "sort",
            Self::Where => "where",
            Self::Sum => "sum",
            Self::Exp => "exp",
            Self::Log => "log",
            Self::Sqrt => "sqrt",
            Self::Sigmoid => "sigmoid",
            Self::Psi => "psi",
        }
    }

    /// The sizes that it is measured on: the cells of a vector, or the three sizes that are asked for, or its own.
    pub(super) fn shape(self, cells: u64, asked: Option<[u64; 3]>) -> Vec<u64> {
        match self {
            Self::Matmul => asked.unwrap_or([128; 3]).to_vec(),
            Self::Linreg => asked.unwrap_or([10_000, 10, 100]).to_vec(),
            Self::Logreg => asked.unwrap_or([10_000, 10, 10]).to_vec(),
            _ => vec![cells],
        }
    }

    /// The cells of its first operand.
    pub(super) fn cells(self, shape: &[u64]) -> u64 {
        shape.iter().take(2).product()
    }

    /// Whether the numbers are compared, so that the width that counts is that of a difference.
    pub(super) fn compares(self) -> bool {
        matches!(self, Self::Lt | Self::Eq | Self::Max | Self::Argmax | Self::Sort)
    }

    /// The width that is asked for, or the operation's own default; none: that of the numbers drawn.
    ///
    /// A regression has the ranges of its data, since its products are too wide for others, and so have functions, which
    /// have no values on others.
    pub(super) fn bits(self, asked: Option<u32>) -> Option<u32> {
        if matches!(self, Self::Linreg | Self::Logreg | Self::Exp | Self::Log | Self::Sqrt | Self::Sigmoid) {
            return None;
        }
        asked.or(self.compares().then_some(DEFAULT_COMPARED_BITS))
    }
}

impl FromStr for Operation {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        if let Some(operation) = Self::ALL.into_iter().find(|operation| operation.name() == name) {
            return Ok(operation);
        }
        let cause = format!("there is no operation {name:?} to measure.");
        let names: Vec<&str> = Self::ALL.iter().map(|operation| operation.name()).collect();
        Err(Failure::new(Code::new("USAGE_BENCH_OP"), cause, format!("choose of {}.", names.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for operation in Operation::ALL {
            assert_eq!(operation.name().parse::<Operation>().expect("a name"), operation);
        }
    }

    #[test]
    fn an_operation_that_is_not_there_is_refused_with_those_that_are() {
        let refusal = "frobnicate".parse::<Operation>().expect_err("never");
        assert_eq!(refusal.code.as_str(), "USAGE_BENCH_OP");
        assert!(refusal.message.contains("frobnicate") && refusal.next.contains("logreg"));
    }
}
