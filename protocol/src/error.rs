//! Failures as an operator, an analyst and a peer see them: a stable code, what happened, and what to do next.

use std::borrow::Cow;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::canonical::CanonicalError;
use crate::codec::CodecError;
use crate::contract::ContractError;
use crate::identity::IdentityError;
use crate::job::StateError;
use crate::log::LogError;
use crate::messages::HelloError;
use crate::name::NameError;
use crate::policy::PolicyError;
use crate::receipt::ReceiptError;
use crate::terms::TermsError;
use crate::ticket::TicketError;

/// A stable error code such as `POLICY_RECEIVER`. Codes are part of the API: they are documented and never reused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[A-Z0-9_]{1,48}$", example = "POLICY_RECEIVER")]
pub struct Code(Cow<'static, str>);

impl Code {
    /// A code known at compile time.
    pub const fn new(code: &'static str) -> Self {
        Self(Cow::Borrowed(code))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a code that came from a peer has the form of one: 1 to 48 of `A-Z`, `0-9` and `_`.
    pub fn is_well_formed(&self) -> bool {
        (1..=48).contains(&self.0.len())
            && self.0.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    }

    /// The class that decides the exit code of a command that ends with this failure.
    pub fn exit_class(&self) -> ExitClass {
        let prefix = self.0.split('_').next().unwrap_or_default();
        match prefix {
            "POLICY" | "DISCLOSURE" | "APPROVAL" => ExitClass::Denied,
            "PEER" | "CHANNEL" => ExitClass::PeerUnavailable,
            "EVIDENCE" => ExitClass::EvidenceRejected,
            "BUDGET" => ExitClass::BudgetExhausted,
            "PROGRAM" | "INPUT" | "USAGE" | "IMPORT" | "TICKET" | "DATASET" => ExitClass::Usage,
            _ => ExitClass::Failed,
        }
    }
}

impl<Context> Decode<Context> for Code {
    fn decode<D: bincode::de::Decoder<Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let code = Self(Cow::Owned(String::decode(decoder)?));
        if code.is_well_formed() {
            Ok(code)
        } else {
            Err(bincode::error::DecodeError::Other("an error code is 1 to 48 of A-Z, 0-9 and _"))
        }
    }
}

bincode::impl_borrow_decode!(Code);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the exit code of a command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitClass {
    /// 1: it failed for a reason of its own.
    Failed,
    /// 2: the call or its input was wrong.
    Usage,
    /// 3: a policy, a disclosure rule or an approver said no.
    Denied,
    /// 4: the peer or the channel to it was not there.
    PeerUnavailable,
    /// 5: evidence of a confidential VM was rejected.
    EvidenceRejected,
    /// 6: the privacy budget does not suffice.
    BudgetExhausted,
}

impl ExitClass {
    /// The process exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Denied => 3,
            Self::PeerUnavailable => 4,
            Self::EvidenceRejected => 5,
            Self::BudgetExhausted => 6,
        }
    }
}

/// A failure as people see it. Every error of every crate turns into one at the edge.
///
/// # Security
/// `message` and `next` go to the node's own operator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The stable code.
    pub code: Code,
    /// What happened, and why.
    pub message: String,
    /// What to do next.
    pub next: String,
    /// The party at fault or concerned, by organisation name, if one is known.
    pub party: Option<String>,
    /// The step of the job or command.
    pub step: Option<String>,
}

impl Failure {
    /// A failure with a code, a cause and the next action.
    pub fn new(code: Code, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { code, message: message.into(), next: next.into(), party: None, step: None }
    }

    /// The same, naming the step.
    #[must_use]
    pub fn at_step(mut self, step: impl Into<String>) -> Self {
        self.step = Some(step.into());
        self
    }

    /// The same, naming the party.
    #[must_use]
    pub fn by_party(mut self, party: impl Into<String>) -> Self {
        self.party = Some(party.into());
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.code)?;
        if self.party.is_some() || self.step.is_some() {
            let who = [self.party.as_deref(), self.step.as_deref()];
            write!(f, " ({})", who.into_iter().flatten().collect::<Vec<_>>().join(", "))?;
        }
        write!(f, ": {}", self.message)?;
        if !self.next.is_empty() {
            let stop = if self.message.ends_with(['.', '!', '?']) { "" } else { "." };
            write!(f, "{stop} Next: {}", self.next)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// Why something that came from a peer, a file or a user is not accepted, by the part of the protocol that says so.
///
/// The errors of programs are [`crate::program`]'s own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// No message.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// No peer.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A hello that is not accepted.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// A ticket that is not accepted.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// A name that is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A policy file that is not accepted.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Terms that are not well formed.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// A contract that is not accepted.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A transition that the states do not have.
    #[error(transparent)]
    State(#[from] StateError),
    /// A receipt that does not verify.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// A log that is not whole.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Canonical(_) => Code::new("PROPOSAL_ENCODING"),
            Self::Codec(CodecError::TooBig { .. }) => Code::new("PROPOSAL_TOO_BIG"),
            Self::Codec(_) => Code::new("PROPOSAL_ENCODING"),
            Self::Identity(_) => Code::new("HELLO_IDENTITY"),
            Self::Hello(error) => error.code(),
            Self::Ticket(error) => error.code(),
            Self::Name(error) => error.code(),
            Self::Policy(error) => error.code(),
            Self::Terms(error) => error.code(),
            Self::Contract(error) => error.code(),
            Self::State(_) => Code::new("STATE_ILLEGAL"),
            Self::Receipt(error) => error.code(),
            Self::Log(error) => error.code(),
        }
    }

    /// What the operator can do next.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Canonical(_) | Self::Codec(_) => "Ask the peer's operator which version its node runs.",
            Self::Identity(_) => "Check the peer id.",
            Self::Hello(HelloError::Version { .. }) => "Upgrade the older of the two nodes.",
            Self::Hello(HelloError::Clock { .. }) => "Set the clocks of both machines, for example by NTP.",
            Self::Ticket(error) => error.next(),
            Self::Name(_) => "Choose another name.",
            Self::Policy(_) => "Correct the policy file.",
            Self::Terms(TermsError::Unsupported { .. }) => "Submit a job without it.",
            Self::Terms(_) => "Submit the job again; if it stays, compare the versions of both nodes.",
            Self::Contract(ContractError::Expired { .. }) => "Submit the job again.",
            Self::Contract(_) => "Do not run the job; compare what both nodes log, and the versions of both.",
            Self::State(_) => "Look at the job's history; a job in a final state is submitted again as a new one.",
            Self::Receipt(_) => "Ask the other party for the receipt; keep this file as it is.",
            Self::Log(_) => "Stop the node and compare its log with a backup: an entry was changed or lost.",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::new(error.code(), error.to_string(), error.next());
        if let Error::Contract(ContractError::Signature { party }) | Error::Receipt(ReceiptError::Signature { party }) =
            &error
        {
            failure.party = Some(party.to_string());
        }
        failure
    }
}
