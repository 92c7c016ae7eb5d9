//! What nodes say to each other over the control plane: one request, one answer.
//!
//! *Source*: design §4.2, §4.13; `docs/spec` has the order in which they go.
//! *Security*: encodings are bounded before they are read (CHK-201): 4 KiB for a hello, pairing and a new key, which strangers
//! may send (CHK-110), 256 KiB for all others. Messages of a job carry its id and a sequence number, and every one is
//! idempotent: the same bytes again get the same answer. Text from a peer is at most 512 characters, shown escaped and
//! never parsed (CHK-216).
//! *Shapes and units*: times are Unix seconds.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::bench::BenchOffer;
use crate::canonical::{Digest, Nonce};
use crate::codec::wire;
use crate::contract::{ChannelOffer, Contract, Profile};
use crate::identity::{PeerId, Signature};
use crate::idle::{IdleAnswer, IdleOffer};
use crate::job::{JobId, JobState};
use crate::privacy::BudgetHead;
use crate::probe::{ProbeAnswer, ProbeRequest};
use crate::program::disclosure::Learned;
use crate::program::rules::Refusal;
use crate::receipt::PartyAccount;
use crate::rotation::Rotation;
use crate::schema::TableSchema;
use crate::terms::{OwnedDataset, Proposal};
use crate::{Code, Failure, PartyId};

/// The newest version of the messages.
pub const PROTOCOL_VERSION: u16 = 2;
/// The oldest version that this node still speaks.
pub const OLDEST_VERSION: u16 = 1;
/// The most bytes of a message that a stranger may send (CHK-110).
pub const STRANGER_LIMIT: usize = 4 * 1024;
/// The most bytes of any message (CHK-201).
pub const MESSAGE_LIMIT: usize = 256 * 1024;
/// The most seconds that clocks may differ (CHK-112).
pub const MAX_CLOCK_SKEW: u64 = 120;

/// A request of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// First on every connection.
    Hello(Hello),
    /// An invited peer redeems its ticket.
    Pair(Box<PairRequest>),
    /// What datasets may I see?
    Catalogue,
    /// Shall we run this?
    Propose(Box<Proposal>),
    /// The answer to a proposal that was pending.
    Answer {
        /// Which job, and which message of it.
        about: About,
        /// The answer.
        answer: Box<ProposalAnswer>,
    },
    /// The contract with the sender's signature.
    Sign {
        /// Which job, and which message of it.
        about: About,
        /// The contract.
        contract: Box<Contract>,
        /// The sender's signature.
        signature: Signature,
    },
    /// The sender is ready to run, or asks whether the other is.
    Start {
        /// Which job, and which message of it.
        about: About,
        /// The digest of the contract to run.
        contract: Digest,
    },
    /// Where does the job stand? The sender says where it stands itself.
    Status {
        /// Which job, and which message of it.
        about: About,
        /// The sender's state.
        status: JobStatus,
    },
    /// The sender calls the job off.
    Cancel {
        /// Which job, and which message of it.
        about: About,
        /// Why.
        reason: PeerText,
    },
    /// What the sender says of its run, for the receipt. The answer is the other's account.
    Account {
        /// Which job, and which message of it.
        about: About,
        /// The sender's account.
        account: Box<PartyAccount>,
    },
    /// The sender's signature under the receipt that follows from both accounts.
    Receipt {
        /// Which job, and which message of it.
        about: About,
        /// The digest of the receipt that the sender signed.
        receipt: Digest,
        /// Its signature.
        signature: Signature,
    },
    /// Shares of outputs again, for a receiver whose channel broke.
    ResultShare {
        /// Which job, and which message of it.
        about: About,
        /// The digest of the contract.
        contract: Digest,
        /// The sender's output shares, in the form of the engine.
        share: Vec<u8>,
    },
    /// Shall we measure the engine on drawn numbers?
    Bench(Box<BenchOffer>),
    /// The sender ends the measurement with this nonce before its end.
    BenchEnd {
        /// That of the offer.
        nonce: Nonce,
        /// Why.
        failure: PeerFailure,
    },
    /// Shall we make correlations for the jobs to come?
    Idle(Box<IdleOffer>),
    /// A part of the test of a pair. From version 2 on.
    Probe(Box<ProbeRequest>),
    /// Where the sender can be reached from now on, at most 8: told when a session opens and when it changes.
    Addresses(Vec<String>),
    /// A paired organisation has a new key, which is the sender's (CHK-116).
    Renew(Box<RenewRequest>),
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Response {
    /// To a hello.
    Hello(Hello),
    /// To a pairing.
    Pair(Box<PairAnswer>),
    /// To a catalogue request.
    Catalogue(Vec<CatalogueEntry>),
    /// To a proposal.
    Proposal(Box<ProposalAnswer>),
    /// To a contract: the answering party's signature over the same bytes.
    Signed(Signature),
    /// To a start.
    Ready(Readiness),
    /// To a status.
    Status(JobStatus),
    /// To anything whose arrival is all there is to say: the answer is known, the cancellation, the result share,
    /// the end of a measurement, the sender's addresses.
    Acknowledged,
    /// To an account: the answering party's own, or none while its run is not over.
    Account(Option<Box<PartyAccount>>),
    /// To a receipt.
    Receipt(ReceiptAnswer),
    /// The request cannot be answered.
    Failed(PeerFailure),
    /// To an offer to measure: the answering party's channel; it listens, or dials now.
    Bench(ChannelOffer),
    /// To an offer to make correlations: the answering party's channel, and what is made.
    Idle(Box<IdleAnswer>),
    /// To a part of a test.
    Probe(Box<ProbeAnswer>),
    /// To a new key.
    Renew(RenewAnswer),
}

wire!(Request, MESSAGE_LIMIT, request_limit);
wire!(Response, MESSAGE_LIMIT, response_limit);

/// Strangers send Hello, Pair and Renew, whose variants have these numbers.
fn request_limit(first_byte: Option<u8>) -> usize {
    if matches!(first_byte, Some(0 | 1 | 17)) { STRANGER_LIMIT } else { MESSAGE_LIMIT }
}

fn response_limit(first_byte: Option<u8>) -> usize {
    if matches!(first_byte, Some(0 | 1 | 14)) { STRANGER_LIMIT } else { MESSAGE_LIMIT }
}

/// Which job a message is about, and where it stands among the sender's messages of that job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The job.
    pub job: JobId,
    /// 1 for the sender's first message of the job, then one more each; a repetition keeps its number.
    pub sequence: u32,
}

/// Who I am and what I speak.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The oldest version of the messages that the sender speaks.
    pub oldest: u16,
    /// The newest version.
    pub newest: u16,
    /// The sender's software and its version.
    pub build: PeerText,
    /// The sender's organisation.
    pub organisation: String,
    /// Drawn when the sender's process started: a new one says that nothing of an earlier process is alive.
    pub epoch: Nonce,
    /// The sender's clock.
    pub now: u64,
    /// The head of the sender's log.
    pub log: LogHead,
    /// How far the sender has seen the receiver's budget ledger (CHK-931).
    pub budget: Option<BudgetHead>,
}

impl Hello {
    /// The newest version that both speak (CHK-112).
    ///
    /// # Errors
    /// `HELLO_VERSION`: there is none; `HELLO_CLOCK`: the clocks are further apart than [`MAX_CLOCK_SKEW`].
    pub fn check(&self, now: u64) -> Result<u16, HelloError> {
        let version = self.newest.min(PROTOCOL_VERSION);
        if self.oldest > self.newest || version < self.oldest.max(OLDEST_VERSION) {
            return Err(HelloError::Version { oldest: self.oldest, newest: self.newest });
        }
        let skew = self.now.abs_diff(now);
        if skew > MAX_CLOCK_SKEW { Err(HelloError::Clock { skew }) } else { Ok(version) }
    }
}

/// Why a hello is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HelloError {
    /// No version in common.
    #[error("the peer speaks versions {oldest} to {newest}, this node {OLDEST_VERSION} to {PROTOCOL_VERSION}")]
    Version {
        /// The peer's oldest.
        oldest: u16,
        /// The peer's newest.
        newest: u16,
    },
    /// The clocks differ.
    #[error("the peer's clock differs by {skew} seconds; at most {MAX_CLOCK_SKEW} are accepted")]
    Clock {
        /// By how much.
        skew: u64,
    },
}

impl HelloError {
    /// Its stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Version { .. } => Code::new("HELLO_VERSION"),
            Self::Clock { .. } => Code::new("HELLO_CLOCK"),
        }
    }
}

/// The head of a hash-chained log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogHead {
    /// The number of the last entry; 0: none yet.
    pub sequence: u64,
    /// Its digest.
    pub digest: Digest,
}

/// An invited node redeems its ticket.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PairRequest {
    /// The digest of the ticket, so that the issuer finds it.
    pub ticket: Digest,
    /// Fresh.
    pub nonce: Nonce,
    /// The redeemer's organisation.
    pub organisation: String,
    /// Where the redeemer can be reached, at most 8.
    pub addresses: Vec<String>,
    /// Proof that the redeemer holds the ticket's secret (CHK-106).
    pub proof: crate::ticket::RedemptionProof,
}

/// The issuer's answer to a redemption.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PairAnswer {
    /// Paired. The issuer proves that it knows the secret too.
    Paired {
        /// The issuer's organisation.
        organisation: String,
        /// Its proof over the same nonce, in the other direction.
        proof: crate::ticket::RedemptionProof,
    },
    /// The issuer's operator is asked to compare the words (CHK-107).
    Pending,
    /// No. Strangers learn no reason but the code.
    Refused(Code),
}

/// A node whose key has changed says so to a peer that knows it by an earlier one (CHK-116).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RenewRequest {
    /// The rotations that led to the sender's key, the oldest first, at most 8.
    pub rotations: Vec<Rotation>,
    /// Where the sender can be reached, at most 8.
    pub addresses: Vec<String>,
}

/// The answer to a new key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RenewAnswer {
    /// The sender is paired under its new key.
    Confirmed,
    /// The operator is asked to compare the words of the new key (CHK-107).
    Pending,
    /// No. Strangers learn no reason but the code.
    Refused(Code),
}

/// A dataset that the asking peer may see.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueEntry {
    /// Its name at the owner.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// Its schema, with the row count.
    pub schema: TableSchema,
    /// What its policy allows the asking peer, in a paragraph.
    pub policy: PeerText,
}

/// What an owner says to a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposalAnswer {
    /// Yes; this is the owner's part of terms and contract.
    Accepted(Acceptance),
    /// An operator is asked; an [`Request::Answer`] follows.
    Pending,
    /// No, and this is why.
    Refused(PeerFailure),
    /// Not yet: as many jobs as its policy allows use the dataset; an [`Request::Answer`] follows.
    Queued {
        /// The job's place among those that wait, from 1.
        place: u32,
    },
}

/// An owner's part of terms and contract.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The digest of the proposal that is accepted.
    pub proposal: Digest,
    /// Each of its datasets in the program, ascending by name.
    pub datasets: Vec<OwnedDataset>,
    /// What each party learns, as the owner derives it.
    pub disclosures: Vec<Learned>,
    /// The owner's profile.
    pub profile: Profile,
    /// Its data channels for this job.
    pub channel: ChannelOffer,
    /// The planner versions that it has, newest last.
    pub planner_versions: Vec<u16>,
    /// The acceptance ends here unless a contract was signed.
    pub valid_until: u64,
}

/// Whether a party can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// It listens, or dials now.
    Ready,
    /// It is busy; ask again after some seconds.
    Busy {
        /// How many.
        seconds: u16,
    },
}

/// Where a job stands at a party.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobStatus {
    /// The state.
    pub state: JobState,
    /// The step within it, such as `aligning 3/7`.
    pub step: Option<PeerText>,
    /// Why it failed, was refused or cancelled.
    pub failure: Option<PeerFailure>,
}

impl JobStatus {
    /// Why the job ended at that party without a result; none while it goes on there, or where it finished. `party` is
    /// the party's name.
    pub fn end(&self, party: &str) -> Option<Failure> {
        let ended = matches!(self.state, JobState::Failed | JobState::Refused | JobState::Cancelled);
        let stated = self.failure.as_ref().map(|failure| failure.to_failure(party));
        let unstated = || Failure::new(Code::new("JOB_ENDED"), format!("the peer says {}", self.state), "");
        ended.then(|| stated.unwrap_or_else(unstated))
    }
}

/// The answer to a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ReceiptAnswer {
    /// The answering party signed the same receipt.
    Signed(Signature),
    /// Its own account differs in this field.
    Disputed {
        /// Which.
        field: PeerText,
    },
    /// It is not done yet.
    NotYet,
}

/// A text from a peer: at most 512 characters. `Display` and JSON show it escaped (CHK-216).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Serialize)]
#[serde(into = "String")]
pub struct PeerText(String);

impl PeerText {
    /// The most characters.
    pub const MAX_CHARS: usize = 512;

    /// A text to send, cut to what may be sent.
    pub fn new(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        if text.chars().count() <= Self::MAX_CHARS {
            return Self(text.to_owned());
        }
        let mut cut: String = text.chars().take(Self::MAX_CHARS - 1).collect();
        cut.push('…');
        Self(cut)
    }

    /// Without line breaks and other characters that steer a terminal: they are shown as escapes.
    pub fn escaped(&self) -> String {
        let mut shown = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            if crate::name::is_forbidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
        }
        shown
    }

    fn parse(text: String) -> Result<Self, &'static str> {
        if text.chars().count() <= Self::MAX_CHARS {
            Ok(Self(text))
        } else {
            Err("a peer's text has at most 512 characters")
        }
    }
}

impl From<PeerText> for String {
    fn from(text: PeerText) -> Self {
        text.escaped()
    }
}

impl std::fmt::Display for PeerText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.escaped())
    }
}

impl<Context> Decode<Context> for PeerText {
    fn decode<D: bincode::de::Decoder<Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        Self::parse(String::decode(decoder)?).map_err(bincode::error::DecodeError::Other)
    }
}

bincode::impl_borrow_decode!(PeerText);

impl<'de> Deserialize<'de> for PeerText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A failure as a peer may hear it: nothing about data or state that is not its own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerFailure {
    /// The stable code.
    pub code: Code,
    /// What happened.
    pub message: PeerText,
    /// What the hearer can do.
    pub next: PeerText,
    /// The step at which it happened.
    pub step: Option<PeerText>,
    /// The party that it happened at or through.
    pub party: Option<PartyId>,
    /// The clauses that forbid a proposal, at most [`PeerFailure::MAX_REFUSALS`].
    pub refusals: Vec<PeerRefusal>,
}

/// One clause that forbids a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerRefusal {
    /// The code.
    pub code: Code,
    /// The dataset, as the program names it.
    pub dataset: PeerText,
    /// The clause or rule.
    pub clause: PeerText,
    /// What the program does that it forbids.
    pub cause: PeerText,
    /// The smallest change that would allow it.
    pub change: PeerText,
}

impl PeerFailure {
    /// The most refusals in one failure.
    pub const MAX_REFUSALS: usize = 32;

    /// A failure with a code, a cause and the next action.
    pub fn new(code: Code, message: impl AsRef<str>, next: impl AsRef<str>) -> Self {
        Self {
            code,
            message: PeerText::new(message),
            next: PeerText::new(next),
            step: None,
            party: None,
            refusals: Vec::new(),
        }
    }

    /// The refusal of a proposal, with its clauses. The first one gives code and message.
    ///
    /// `refusals` must not be empty; an empty list is a refusal without a reason.
    pub fn refused(refusals: &[Refusal]) -> Self {
        let mut failure = match refusals.first() {
            Some(first) => Self::new(first.code.clone(), format!("{}: {}", first.clause, first.cause), &first.change),
            None => Self::new(Code::new("PROPOSAL_REFUSED"), "The proposal is refused.", "Ask its owner."),
        };
        failure.refusals = refusals.iter().take(Self::MAX_REFUSALS).map(PeerRefusal::from).collect();
        failure
    }

    /// The same for this node's own people, said to come from `organisation`.
    pub fn to_failure(&self, organisation: &str) -> Failure {
        let mut failure = Failure::new(self.code.clone(), self.message.to_string(), self.next.to_string());
        failure.party = Some(organisation.to_owned());
        failure.step = self.step.as_ref().map(ToString::to_string);
        failure
    }
}

impl From<&Failure> for PeerFailure {
    /// What a peer may hear of a failure: its code and step (CHK-605). Message and next action were written for this node's
    /// operator, so they stay here.
    fn from(failure: &Failure) -> Self {
        let mut public = Self::new(failure.code.clone(), "The other party stopped the job.", "Ask its operator.");
        public.step = failure.step.as_ref().map(PeerText::new);
        public
    }
}

impl From<&Refusal> for PeerRefusal {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code.clone(),
            dataset: PeerText::new(&refusal.dataset),
            clause: PeerText::new(&refusal.clause),
            cause: PeerText::new(&refusal.cause),
            change: PeerText::new(&refusal.change),
        }
    }
}

/// The peer that a request's content speaks for must be the one that the connection belongs to (CHK-111, CHK-204).
pub fn is_from(proposal: &Proposal, connection: &PeerId) -> bool {
    proposal.parties.get(proposal.proposer.index()).is_some_and(|party| party.peer == *connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{BenchMode, BenchTask};
    use crate::codec;
    use crate::fixtures::{self, NOW, any_digest, nodes};
    use crate::idle::IdleChunks;

    fn hello() -> Hello {
        Hello {
            oldest: 1,
            newest: 3,
            build: PeerText::new("tacit 0.1.0"),
            organisation: "Banque".into(),
            epoch: Nonce::from_bytes([6; 16]),
            now: NOW,
            log: crate::log::EMPTY,
            budget: None,
        }
    }

    #[test]
    fn the_newest_common_version_is_spoken_chk_112() {
        assert_eq!(hello().check(NOW), Ok(PROTOCOL_VERSION));
        for (oldest, newest) in [(PROTOCOL_VERSION + 1, PROTOCOL_VERSION + 2), (0, 0), (2, 1)] {
            let error = Hello { oldest, newest, ..hello() }.check(NOW).expect_err("refused");
            assert_eq!(error.code().as_str(), "HELLO_VERSION");
        }
    }

    #[test]
    fn clocks_differ_by_two_minutes_at_most_chk_112() {
        for now in [NOW - 120, NOW, NOW + 120] {
            assert!(hello().check(now).is_ok());
        }
        for now in [0, NOW - 121, NOW + 121, u64::MAX] {
            assert_eq!(hello().check(now).expect_err("refused").code().as_str(), "HELLO_CLOCK");
        }
    }

    #[test]
    fn every_message_comes_back_from_its_bytes() {
        let about = About { job: fixtures::contract().job, sequence: 4 };
        let contract = Box::new(fixtures::contract());
        let signature = fixtures::signed_contract().signatures[0];
        let failure = PeerFailure::new(Code::new("PEER_TIMEOUT"), "silence", "wait");
        let status = JobStatus {
            state: JobState::Failed,
            step: Some(PeerText::new("aligning")),
            failure: Some(failure.clone()),
        };
        let acceptance = Acceptance {
            proposal: fixtures::proposal().digest(),
            datasets: vec![fixtures::owned("maison/customers")],
            disclosures: fixtures::terms().disclosures,
            profile: contract.profiles[0],
            channel: contract.channels[0].clone(),
            planner_versions: vec![1],
            valid_until: NOW + 60,
        };
        let answer = Box::new(ProposalAnswer::Accepted(acceptance));
        let pair = PairRequest {
            ticket: any_digest(),
            nonce: Nonce::from_bytes([1; 16]),
            organisation: "Banque".into(),
            addresses: vec!["/ip4/203.0.113.7/tcp/1".into()],
            proof: crate::ticket::RedemptionProof::from_bytes([2; 32]),
        };
        let [(old, name), (new, _)] = fixtures::nodes();
        let rotation = Rotation::new(name, &old, &new, NOW);
        let account = Box::new(fixtures::accounts()[0].clone());
        let channel = contract.channels[0].clone();
        let chunks = vec![IdleChunks { kind: "triples-64".into(), count: 16 }];
        let requests = [
            Request::Hello(hello()),
            Request::Pair(Box::new(pair.clone())),
            Request::Catalogue,
            Request::Propose(Box::new(fixtures::proposal())),
            Request::Answer { about, answer: answer.clone() },
            Request::Sign { about, contract, signature },
            Request::Start { about, contract: any_digest() },
            Request::Status { about, status: status.clone() },
            Request::Cancel { about, reason: PeerText::new("no") },
            Request::Account { about, account: account.clone() },
            Request::Receipt { about, receipt: any_digest(), signature },
            Request::ResultShare { about, contract: any_digest(), share: vec![1, 2, 3] },
            Request::Bench(Box::new(BenchOffer {
                task: BenchTask {
                    operation: "lt".into(),
                    shape: vec![100_000],
                    bits: Some(40),
                    runs: 3,
                    mode: BenchMode::OfflineReady,
                },
                nonce: Nonce::from_bytes([1; 16]),
                channel: channel.clone(),
            })),
            Request::BenchEnd { nonce: Nonce::from_bytes([1; 16]), failure: failure.clone() },
            Request::Idle(Box::new(IdleOffer {
                nonce: Nonce::from_bytes([1; 16]),
                channel: channel.clone(),
                chunks: chunks.clone(),
            })),
            Request::Probe(Box::new(ProbeRequest::Ping)),
            Request::Addresses(vec!["/ip4/203.0.113.7/tcp/1".into()]),
            Request::Renew(Box::new(RenewRequest { rotations: vec![rotation], addresses: Vec::new() })),
        ];
        for (variant, request) in (0_u8..).zip(requests) {
            let bytes = codec::encode(&request).expect("encodes");
            assert_eq!(bytes[0], variant, "variants keep their numbers");
            assert_eq!(codec::decode(&bytes), Ok(request));
        }
        let entry = CatalogueEntry {
            dataset: "customers".into(),
            version: 3,
            schema: fixtures::schema(),
            policy: PeerText::new("you"),
        };
        let proof = crate::ticket::RedemptionProof::from_bytes([2; 32]);
        let responses = [
            Response::Hello(hello()),
            Response::Pair(Box::new(PairAnswer::Paired { organisation: "Maison".into(), proof })),
            Response::Catalogue(vec![entry]),
            Response::Proposal(answer),
            Response::Signed(signature),
            Response::Ready(Readiness::Busy { seconds: 3 }),
            Response::Status(status),
            Response::Acknowledged,
            Response::Account(Some(account)),
            Response::Receipt(ReceiptAnswer::Disputed { field: PeerText::new("ended") }),
            Response::Failed(failure),
            Response::Bench(channel.clone()),
            Response::Idle(Box::new(IdleAnswer { channel, chunks })),
            Response::Probe(Box::new(ProbeAnswer::Pong)),
            Response::Renew(RenewAnswer::Refused(Code::new("PEER_ROTATION"))),
        ];
        for (variant, response) in (0_u8..).zip(responses) {
            let bytes = codec::encode(&response).expect("encodes");
            assert_eq!(bytes[0], variant, "variants keep their numbers");
            assert_eq!(codec::decode(&bytes), Ok(response));
        }
    }

    #[test]
    fn a_peers_text_is_short_and_shown_escaped_chk_216() {
        let text = PeerText::new("done\u{1b}[2J\r\n\u{202E}ok é");
        assert_eq!(text.to_string(), "done\\u{1b}[2J\\u{d}\\u{a}\\u{202e}ok é");
        assert_eq!(serde_json::to_value(&text).expect("json"), text.to_string());
        assert_eq!(PeerText::new("x".repeat(513)).to_string().chars().count(), 512);
        let status =
            |length| JobStatus { state: JobState::Failed, step: Some(PeerText("é".repeat(length))), failure: None };
        let bytes = |length| codec::encode(&Response::Status(status(length))).expect("encodes");
        assert!(codec::decode::<Response>(&bytes(512)).is_ok());
        assert!(codec::decode::<Response>(&bytes(513)).is_err());
    }

    #[test]
    fn codes_of_peers_have_the_form_of_codes_chk_216() {
        for code in ["", "lower", "A B", "X\u{1b}", &"A".repeat(49)] {
            let mut bytes = codec::encode(&Response::Failed(PeerFailure::new(Code::new("AB"), "", ""))).expect("bytes");
            bytes.splice(1..4, [u8::try_from(code.len()).expect("short")].into_iter().chain(code.bytes()));
            assert!(codec::decode::<Response>(&bytes).is_err(), "{code:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_clauses_and_a_failure_keeps_its_words_at_home() {
        let refusal = |clause: &str| Refusal {
            code: Code::new("POLICY_VENUE"),
            owner: PartyId::ZERO,
            dataset: "maison/customers".into(),
            clause: clause.into(),
            cause: "cause".into(),
            change: "change".into(),
            node: None,
        };
        let refusals: Vec<Refusal> = (0..40).map(|n| refusal(&format!("clause {n}"))).collect();
        let failure = PeerFailure::refused(&refusals);
        assert_eq!(failure.refusals.len(), PeerFailure::MAX_REFUSALS);
        assert_eq!(failure.to_failure("Maison").to_string(), "POLICY_VENUE (Maison): clause 0: cause. Next: change");
        assert_eq!(PeerFailure::refused(&[]).code.as_str(), "PROPOSAL_REFUSED");
        let own = Failure::new(Code::new("STORE_FULL"), "/var/lib/tacit is full", "free 3 GB").at_step("aligning");
        let public = PeerFailure::from(&own);
        assert_eq!((public.code.as_str(), public.step), ("STORE_FULL", Some(PeerText::new("aligning"))));
        assert!(!public.message.to_string().contains("/var") && !public.next.to_string().contains("GB"));
    }

    #[test]
    fn what_a_peer_hears_of_a_failure_is_its_code_and_step_chk_605() {
        let heard = |message: &str, next: &str| {
            let failure = Failure::new(Code::new("OUT_OF_RANGE"), message, next).at_step("compute");
            let about = About { job: fixtures::contract().job, sequence: 4 };
            let failure = Some(PeerFailure::from(&failure));
            let status = JobStatus { state: JobState::Failed, step: Some(PeerText::new("compute")), failure };
            codec::encode(&Request::Status { about, status }).expect("encodes")
        };
        assert_eq!(heard("the value 17 of row 4 lies outside", "mend row 4"), heard("", ""));
    }

    #[test]
    fn a_proposal_is_from_the_node_that_it_names_chk_204() {
        let proposal = fixtures::proposal();
        for (identity, name) in nodes() {
            assert_eq!(is_from(&proposal, &identity.peer()), name == "Banque");
        }
    }
}
