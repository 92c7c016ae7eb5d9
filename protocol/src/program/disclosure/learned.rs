//! What each party learns from a job, before it runs: the list that a contract carries and that `tacit job show` prints.

use std::fmt;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::privacy::Rho;
use crate::{Number, PartyId};

/// All that one party learns from a job whose parties follow the protocol, beside its own data.
///
/// In order and without repetition, so that all parties derive the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learned {
    /// Who learns it.
    pub party: PartyId,
    /// What.
    pub facts: Vec<Fact>,
}

/// One thing that a party learns. [`fmt::Display`] gives the sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fact {
    /// The shape of a dataset of another owner.
    DatasetShape {
        /// The dataset.
        dataset: String,
        /// Its rows.
        rows: u64,
        /// The columns that the program uses.
        columns: Vec<String>,
    },
    /// How many rows of the joined tables match.
    Overlap {
        /// The datasets that are joined.
        datasets: Vec<String>,
        /// The least number at which the job goes on; below it only that is learned. 0: no least number.
        minimum: u64,
    },
    /// Which of the party's own rows match.
    OwnMatches {
        /// The party's dataset.
        dataset: String,
        /// The datasets on the other side.
        with: Vec<String>,
    },
    /// The value of an output.
    Value {
        /// The output.
        output: String,
        /// The grid it is rounded to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grid: Option<Number>,
    },
    /// That the value of an output has noise, which hides any one person's row of a dataset up to this amount.
    Noise {
        /// The output.
        output: String,
        /// How far the value may be off in 95 of 100 cases, for a receiver that draws no noise itself.
        within: Number,
        /// The dataset.
        dataset: String,
        /// What it costs the dataset's privacy budget.
        rho: Rho,
    },
    /// Whether an output was suppressed.
    Suppressed {
        /// The output.
        output: String,
        /// The rows that must stand behind it.
        minimum: u64,
    },
    /// Whether an output is undefined (a mean of nothing, a quotient by zero).
    Undefined {
        /// The output.
        output: String,
    },
    /// The number of rows behind a mean or ratio, which its digits may tell (security note, finding 4).
    ImpliedCount {
        /// The output.
        output: String,
    },
    /// One bit: whether a value left the range that the program promised for it.
    OutOfRange {
        /// The loops and `assume`s that it covers, by name.
        checks: Vec<String>,
    },
    /// Whether an output was kept back because two rows make up nearly all of a sum in it.
    Dominated {
        /// The output.
        output: String,
        /// What has to remain without them, in percent of the largest.
        percent: u32,
    },
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DatasetShape { dataset, rows, columns } => {
                write!(f, "{dataset} has {rows} rows, and the types and declared ranges of {}", columns.join(", "))
            }
            Self::Overlap { datasets, minimum } => {
                write!(f, "how many rows of {} match", datasets.join(" and "))?;
                match minimum {
                    0 | 1 => Ok(()),
                    least => write!(f, "; fewer than {least} stop the job before it computes anything"),
                }
            }
            Self::OwnMatches { dataset, with } => {
                write!(f, "which of its own rows in {dataset} have a match in {}", with.join(" and "))
            }
            Self::Value { output, grid: Some(grid) } => write!(f, "the value of `{output}`, to the nearest {grid}"),
            Self::Value { output, grid: None } => write!(f, "the value of `{output}`"),
            Self::Noise { output, within, dataset, rho } => write!(
                f,
                "`{output}` with noise, within {within} in 95 of 100 cases: a rho of {rho} of the privacy budget of {dataset}"
            ),
            Self::Suppressed { output, minimum } => {
                write!(f, "or only that `{output}` was suppressed, because a group behind it is smaller than {minimum}")
            }
            Self::Dominated { output, percent } => write!(
                f,
                "or only that `{output}` was suppressed, because all but {percent} percent of the largest part of a sum in it \
                 could be told"
            ),
            Self::Undefined { output } => write!(f, "or only that `{output}` is undefined"),
            Self::ImpliedCount { output } => {
                write!(f, "the number of rows behind `{output}`, which its digits may tell")
            }
            Self::OutOfRange { checks } => {
                write!(f, "one bit: whether a value left the range promised at {}", checks.join(", "))
            }
        }
    }
}
