//! What a node keeps of a job, and the only way in which it changes.

use bincode::{Decode, Encode};
use tacit_protocol::canonical::Digest;
use tacit_protocol::contract::{Contract, SignedContract};
use tacit_protocol::identity::{PeerId, Signature};
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::messages::{Acceptance, PeerFailure};
use tacit_protocol::policy::Priority;
use tacit_protocol::program::disclosure::Learned;
use tacit_protocol::receipt::{PartyAccount, SignedReceipt};
use tacit_protocol::terms::Proposal;
use tacit_protocol::{Code, Failure, PartyId};

use crate::store::{Record, RecordTree};

/// This node's part in a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Role {
    /// Its analyst asks.
    Proposer,
    /// It owns data that the job reads.
    Owner,
}

/// A job as this node keeps it. Its secrets are sealed apart from it.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct JobRecord {
    /// Its name.
    pub id: JobId,
    /// This node's part.
    pub role: Role,
    /// This node's place among the parties.
    pub party: PartyId,
    /// The other party.
    pub peer: PeerId,
    /// Where it stands.
    pub state: JobState,
    /// Every state it entered, in order.
    pub history: Vec<Entered>,
    /// What was proposed.
    pub proposal: Proposal,
    /// What this node, or the peer, accepted of it.
    pub acceptance: Option<Acceptance>,
    /// What each party learns, once it is derived.
    pub disclosures: Vec<Learned>,
    /// The contract that this node signed; one per job, ever (CHK-304).
    pub contract: Option<Contract>,
    /// The signatures under it, one a party, as far as they are there.
    pub signatures: Vec<Option<Signature>>,
    /// Why it ended before its end.
    pub failure: Option<Failure>,
    /// What a peer that asks hears of the failure.
    pub told: Option<PeerFailure>,
    /// What the run took.
    pub figures: Option<Figures>,
    /// What this node says of its run, for the receipt.
    pub account: Option<PartyAccount>,
    /// What the peer says of its run.
    pub peer_account: Option<PartyAccount>,
    /// The receipt, with the signatures so far.
    pub receipt: Option<SignedReceipt>,
    /// The job that this one repeats after a crash.
    pub rerun_of: Option<JobId>,
    /// The job that repeats this one.
    pub rerun: Option<JobId>,
    /// Whether its result was deleted because its time was over.
    pub expired: bool,
    /// The number of this node's last message about it.
    pub sequence: u32,
    /// Which of the jobs that wait goes first, as far as this node's policies let it.
    pub priority: Priority,
}

impl Record for JobRecord {
    const NAME: &'static str = "job";
    const VERSION: u8 = 1;
}

/// A state and when it was entered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entered {
    /// The state.
    pub state: JobState,
    /// When, Unix seconds.
    pub at: u64,
    /// Why, where there is more to say.
    pub note: String,
}

/// What a run took, as this node saw it.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Figures {
    /// Rows of this node's tables.
    pub rows: u64,
    /// Rows that match, where the alignment reveals it.
    pub overlap: Option<u64>,
    /// Seconds of each phase, in order.
    pub phases: Vec<(String, f64)>,
    /// Payload bytes sent.
    pub sent: u64,
    /// Payload bytes received.
    pub received: u64,
    /// Rounds.
    pub rounds: u64,
}

/// What jobs took of what was made in idle time, by job id.
pub(super) const TAKEN: RecordTree<Taken> = RecordTree::new("job-taken");

/// Items of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Taken(pub(super) Vec<(String, u64)>);

impl Record for Taken {
    const NAME: &'static str = "job's use of correlations";
    const VERSION: u8 = 1;
}

impl JobRecord {
    /// A job that begins here.
    pub fn new(id: JobId, role: Role, party: PartyId, peer: PeerId, proposal: Proposal, now: u64) -> Self {
        let state = match role {
            Role::Proposer => JobState::Proposed,
            Role::Owner => JobState::Negotiating,
        };
        let priority = proposal.priority;
        Self {
            id,
            role,
            party,
            peer,
            state,
            history: vec![Entered { state, at: now, note: String::new() }],
            proposal,
            acceptance: None,
            disclosures: Vec::new(),
            contract: None,
            signatures: Vec::new(),
            failure: None,
            told: None,
            figures: None,
            account: None,
            peer_account: None,
            receipt: None,
            rerun_of: None,
            rerun: None,
            expired: false,
            sequence: 0,
            priority,
        }
    }

    /// Enters a state, if the table of states has the transition (CHK-307).
    ///
    /// # Errors
    /// `STATE_ILLEGAL` if not.
    pub fn enter(&mut self, state: JobState, now: u64, note: impl Into<String>) -> Result<(), Failure> {
        self.state = self.state.step(state).map_err(|error| {
            let message = format!("job {}: {error}", self.id.short());
            Failure::new(Code::new("STATE_ILLEGAL"), message, "see `tacit job show`.")
        })?;
        self.history.push(Entered { state, at: now, note: note.into() });
        Ok(())
    }

    /// Whether it waits for its turn at this node, not at the peer: no peer has it, or the peer is its proposer.
    pub fn waits_here(&self) -> bool {
        let sent = self.history.iter().any(|entered| entered.state == JobState::Negotiating);
        self.state == JobState::Queued && (self.role == Role::Owner || !sent)
    }

    /// Ends the job with a failure, if its state still allows it.
    pub fn end(&mut self, state: JobState, failure: Failure, now: u64) -> Result<(), Failure> {
        self.enter(state, now, failure.code.to_string())?;
        self.told.get_or_insert_with(|| PeerFailure::from(&failure));
        self.failure = Some(failure);
        Ok(())
    }

    /// The contract with all its signatures, once it has them.
    pub fn signed(&self) -> Option<SignedContract> {
        let signatures = self.signatures.iter().copied().collect::<Option<Vec<_>>>()?;
        Some(SignedContract { contract: self.contract.clone()?, signatures })
    }

    /// The contract.
    ///
    /// # Errors
    /// `STATE_ILLEGAL` where there is none yet.
    pub fn contract(&self) -> Result<&Contract, Failure> {
        self.contract.as_ref().ok_or_else(|| {
            let message = format!("job {} has no contract yet", self.id.short());
            Failure::new(Code::new("STATE_ILLEGAL"), message, "see `tacit job show`.")
        })
    }

    /// Writes down the contract with one party's signature.
    pub fn take_contract(&mut self, contract: Contract, party: PartyId, signature: Signature) {
        self.disclosures = contract.terms.disclosures.clone();
        self.signatures = vec![None; contract.terms.parties.len()];
        self.contract = Some(contract);
        self.take_signature(party, signature);
    }

    /// Writes down one more signature.
    pub fn take_signature(&mut self, party: PartyId, signature: Signature) {
        if let Some(slot) = self.signatures.get_mut(party.index()) {
            *slot = Some(signature);
        }
    }

    /// The name of a party's organisation.
    pub fn organisation(&self, party: PartyId) -> String {
        let entry = self.proposal.parties.get(party.index());
        entry.map_or_else(|| party.to_string(), |entry| entry.organisation.clone())
    }

    /// The name of the other party's organisation.
    pub fn peer_name(&self) -> String {
        self.organisation(self.party.other())
    }

    /// The digest of the proposal, by which a repetition is told from another job under the same name (CHK-203).
    pub fn proposal_digest(&self) -> Digest {
        self.proposal.digest()
    }
}
