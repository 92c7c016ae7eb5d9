//! The entries of the ledger.

use bincode::{Decode, Encode};
use serde::Serialize;
use tacit_protocol::canonical::{Digest, digest};
use tacit_protocol::job::JobId;
use tacit_protocol::messages::LogHead;
use tacit_protocol::privacy::Rho;

/// What all versions of a dataset have in common (CHK-923).
pub type Lineage = [u8; 16];

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Put aside for a job.
    Reserved,
    /// Spent by a job: a share may have left.
    Spent,
    /// Put back: the job ended before its release.
    Released,
    /// Added by the operator.
    Granted,
    /// Counted as spent, because it is not known.
    Closed,
    /// The operator has confirmed that the ledger goes on from here.
    Confirmed,
}

/// One entry. Its digest holds that of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Entry {
    /// Its number, from 1.
    pub sequence: u64,
    /// The digest of the entry before; of the first, zeros.
    pub previous: Digest,
    /// When, in Unix seconds.
    pub time: u64,
    /// What it does.
    pub kind: Kind,
    /// The job, where there is one.
    pub job: Option<JobId>,
    /// The lineage of the dataset.
    pub lineage: Lineage,
    /// The dataset's name at the time.
    pub dataset: String,
    /// Towards whom.
    pub organisation: String,
    /// How much, in units of `2^-40`.
    pub rho: Rho,
    /// The operator's reason, where one was asked for.
    pub reason: String,
}

impl Entry {
    /// The head of a ledger that ends with it.
    pub fn head(&self) -> LogHead {
        LogHead { sequence: self.sequence, digest: digest("tacit/budget/1", self) }
    }

    /// Whether it may be the next of a ledger that ends there.
    pub(super) fn follows(&self, head: &LogHead) -> bool {
        let in_order = match self.kind {
            Kind::Confirmed => self.sequence > head.sequence,
            _ => self.sequence == head.sequence + 1,
        };
        in_order && self.previous == head.digest
    }
}
