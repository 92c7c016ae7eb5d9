//! Why a program cannot be read, typed or evaluated.

use crate::program::{BlockId, NodeId};
use crate::{Code, Failure};

/// The node that an error is about, as its author knows it: `%3 "cond"`, in a loop body `%3 "cond" of block 0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The loop body that it is in; none: the main block.
    pub block: Option<BlockId>,
    /// The node.
    pub node: NodeId,
    /// The name that its author gave to it.
    pub name: Option<String>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.node)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        if let Some(block) = self.block {
            write!(f, " of block {}", block.0)?;
        }
        Ok(())
    }
}

/// Why a program cannot be read, typed or evaluated.
///
/// # Security
/// Errors of reading and typing depend on the program and on schemas alone. [`ProgramError::OutOfRange`],
/// [`ProgramError::DuplicateKeys`] and [`ProgramError::Input`] depend on data and are for the data's owner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// A limit of [`super::limits`] is passed (CHK-201).
    #[error("the program has {what}: {size}; at most {limit} are allowed")]
    TooBig {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        size: u64,
        /// How much there may be.
        limit: u64,
    },
    /// The format version is not one that this build reads.
    #[error("the program has format version {version}; this build reads version {}", super::PROGRAM_VERSION)]
    Version {
        /// The version it names.
        version: u16,
    },
    /// The bytes are not a program in JSON.
    #[error("the program is no valid JSON program: {cause}")]
    Json {
        /// What the parser met, with line and column.
        cause: String,
    },
    /// The graph is not well formed.
    #[error("{}{cause}", at(place.as_ref()))]
    Structure {
        /// The node, if one is at fault.
        place: Option<Place>,
        /// What is wrong.
        cause: String,
        /// What to do.
        next: String,
    },
    /// Elements or shapes do not fit the operation (CHK-207).
    #[error("{place}: {cause}")]
    Type {
        /// The node.
        place: Place,
        /// What was expected and what came.
        cause: String,
        /// What to do.
        next: String,
    },
    /// A value, or what the engine needs to compute it, does not provably fit (CHK-207).
    #[error("{place}: {cause}")]
    Range {
        /// The node.
        place: Place,
        /// What does not fit.
        cause: String,
        /// What to do.
        next: String,
    },
    /// An array would have more cells than [`super::limits::CELLS`].
    #[error("{place}: the array has up to {cells} cells; at most {} are computed", super::limits::CELLS)]
    Cost {
        /// The node.
        place: Place,
        /// Its cells; `u64::MAX` when more than that.
        cells: u64,
    },
    /// No dataset of this name is known (CHK-205).
    #[error("{place}: there is no dataset {dataset:?} that you may use")]
    Dataset {
        /// The node.
        place: Place,
        /// The name.
        dataset: String,
        /// A known name like it.
        near: Option<String>,
    },
    /// The table has no column of this name, or several.
    #[error("{place}: {cause}")]
    Column {
        /// The node.
        place: Place,
        /// What was looked for and what there is.
        cause: String,
        /// What to do.
        next: String,
    },
    /// A size depends on row counts in a way that these row counts do not allow.
    #[error("the size {size}: {cause}")]
    Size {
        /// The size, as text.
        size: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A key stands in more than one row.
    #[error("{dataset}: {count} rows repeat a key of column {column:?}")]
    DuplicateKeys {
        /// The dataset.
        dataset: String,
        /// The key column.
        column: String,
        /// Rows beyond the first of each key.
        count: u64,
    },
    /// At the run, a value left the range that `assume` or a loop declared for it.
    #[error("{place}: at the run a value left the range that the program declares for it")]
    OutOfRange {
        /// The node.
        place: Place,
    },
    /// A table is not what its schema says.
    #[error("{cause}")]
    Input {
        /// What differs, naming the column.
        cause: String,
    },
}

fn at(place: Option<&Place>) -> String {
    place.map(|place| format!("{place}: ")).unwrap_or_default()
}

impl ProgramError {
    /// The stable code.
    pub fn code(&self) -> Code {
        Code::new(match self {
            Self::TooBig { .. } => "PROPOSAL_TOO_BIG",
            Self::Version { .. } => "PROGRAM_VERSION",
            Self::Json { .. } | Self::Structure { .. } => "PROGRAM_MALFORMED",
            Self::Type { .. } | Self::Size { .. } => "PROGRAM_TYPE",
            Self::Range { .. } => "PROGRAM_RANGE",
            Self::Cost { .. } => "PROGRAM_COST",
            Self::Dataset { .. } => "DATASET_UNKNOWN",
            Self::Column { .. } => "PROGRAM_COLUMN",
            Self::DuplicateKeys { .. } => "ALIGN_DUPLICATE_KEYS",
            Self::OutOfRange { .. } => "OUT_OF_RANGE",
            Self::Input { .. } => "INPUT_SCHEMA",
        })
    }

    /// What to do next.
    pub fn next(&self) -> String {
        match self {
            Self::TooBig { .. } => "Split the program into several jobs, or write repeated steps as a loop.".into(),
            Self::Version { .. } => "Write the program again with an SDK of this release, or update the node.".into(),
            Self::Json { .. } => "Correct the file, or write it again with the SDK.".into(),
            Self::Structure { next, .. }
            | Self::Type { next, .. }
            | Self::Range { next, .. }
            | Self::Column { next, .. } => next.clone(),
            Self::Cost { .. } => "Reduce before combining: sums and matrix products need no array of all pairs.".into(),
            Self::Dataset { near: Some(near), .. } => {
                format!("Did you mean {near:?}? `tacit catalogue` lists what you may use.")
            }
            Self::Dataset { near: None, .. } => "`tacit catalogue` lists what you may use.".into(),
            Self::Size { .. } => "Choose sizes that hold for every number of rows.".into(),
            Self::DuplicateKeys { .. } => "Keep one row a key, then add the dataset again.".into(),
            Self::OutOfRange { .. } => "Widen the declared range, or filter out what lies beyond it.".into(),
            Self::Input { .. } => "Declare what the data are, or import the table again.".into(),
        }
    }
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        Failure::new(error.code(), error.to_string(), error.next())
    }
}
