//! The states of a job, the same words everywhere: store, messages, API, console.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, hex_bytes};

hex_bytes! {
    /// The name of a job: a digest of proposer, nonce, code and datasets (CHK-203).
    JobId, 32
}

impl From<Digest> for JobId {
    fn from(digest: Digest) -> Self {
        Self(*digest.as_bytes())
    }
}

impl JobId {
    /// The first 12 hex digits, to name jobs on screen. Never for comparing.
    pub fn short(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0[..6])
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Written down at its home node; no peer has it yet.
    Proposed,
    /// Owners have the proposal.
    Negotiating,
    /// An owner's operator is asked.
    AwaitingApproval,
    /// All parties signed the contract.
    Contracted,
    /// Rows are being matched.
    Aligning,
    /// The program is being evaluated on shares.
    Executing,
    /// A share of an output may have left this node.
    Releasing,
    /// The receivers have their outputs, and all parties know it.
    Finished,
    /// A policy, a rule or an operator said no.
    Refused,
    /// It broke off for a reason that is recorded.
    Failed,
    /// A party called it off before the release.
    Cancelled,
    /// Shares left this node and the receiver has not said whether it has its outputs.
    Unknown,
    /// It waits for its turn: as many jobs as a policy allows use the dataset.
    Queued,
}

impl JobState {
    /// All of them, in order.
    pub const ALL: [Self; 13] = [
        Self::Proposed,
        Self::Negotiating,
        Self::AwaitingApproval,
        Self::Contracted,
        Self::Aligning,
        Self::Executing,
        Self::Releasing,
        Self::Finished,
        Self::Refused,
        Self::Failed,
        Self::Cancelled,
        Self::Unknown,
        Self::Queued,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Negotiating => "negotiating",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Contracted => "contracted",
            Self::Aligning => "aligning",
            Self::Executing => "executing",
            Self::Releasing => "releasing",
            Self::Finished => "finished",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::Queued => "queued",
        }
    }

    /// Whether nothing changes it any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Refused | Self::Failed | Self::Cancelled)
    }

    /// Whether parties are at work on it: the contract is signed, and the run is not over.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Contracted | Self::Aligning | Self::Executing | Self::Releasing)
    }

    /// Whether shares of an output may have left (the release barrier): from here on a job can no longer be cancelled
    /// (CHK-308), and what it disclosed is spent.
    pub fn is_past_release(self) -> bool {
        matches!(self, Self::Releasing | Self::Finished | Self::Unknown)
    }

    /// The states that may follow (CHK-307). A job that was killed while `Aligning` or `Executing` is not continued: it
    /// fails, and a new one is run with fresh randomness. Staying is no transition.
    pub fn successors(self) -> &'static [Self] {
        use JobState::*;
        match self {
            Proposed => &[Negotiating, Queued, Refused, Failed, Cancelled],
            Queued => &[Negotiating, AwaitingApproval, Refused, Failed, Cancelled],
            Negotiating => &[AwaitingApproval, Queued, Contracted, Refused, Failed, Cancelled],
            AwaitingApproval => &[Negotiating, Contracted, Refused, Failed, Cancelled],
            Contracted => &[Aligning, Executing, Failed, Cancelled],
            Aligning => &[Executing, Failed, Cancelled],
            Executing => &[Releasing, Failed, Cancelled],
            Releasing => &[Finished, Unknown, Failed],
            Unknown => &[Releasing, Finished, Failed],
            Finished | Refused | Failed | Cancelled => &[],
        }
    }

    /// The check of a transition (CHK-307).
    ///
    /// # Errors
    /// `STATE_ILLEGAL`: the table has no such transition.
    pub fn step(self, to: Self) -> Result<Self, StateError> {
        if self.successors().contains(&to) { Ok(to) } else { Err(StateError { from: self, to }) }
    }
}

impl std::fmt::Display for JobState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A transition that the table of states does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job cannot go from {from} to {to}")]
pub struct StateError {
    /// The state it is in.
    pub from: JobState,
    /// The state asked for.
    pub to: JobState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_transitions_of_the_table_are_legal_chk_307() {
        let mut legal = 0;
        for from in JobState::ALL {
            for to in JobState::ALL {
                match from.step(to) {
                    Ok(state) => {
                        assert_eq!(state, to);
                        legal += 1;
                    }
                    Err(error) => assert_eq!((error.from, error.to), (from, to)),
                }
            }
            assert!(from.step(from).is_err(), "{from} to itself");
            assert_eq!(from.is_final(), from.successors().is_empty(), "{from}");
        }
        assert_eq!(legal, 5 + 5 + 6 + 5 + 4 + 3 + 3 + 3 + 3);
    }

    #[test]
    fn nothing_past_the_release_barrier_can_be_cancelled_chk_308() {
        for state in JobState::ALL.into_iter().filter(|state| state.is_past_release()) {
            assert!(state.step(JobState::Cancelled).is_err(), "{state}");
        }
    }

    #[test]
    fn the_word_is_the_same_in_json_and_on_screen() {
        for state in JobState::ALL {
            assert_eq!(serde_json::to_value(state).expect("json"), state.to_string());
        }
    }
}
