//! The contract: terms and the particulars of one run, signed by all parties. Nothing is negotiable after it.
//!
//! *Source*: design §3; CHK-301 to CHK-305, CHK-401.
//! *Security*: signatures are over [`Contract::digest`], canonical JSON of every field, under the label
//! [`SIGNATURE_LABEL`]. Verification recomputes the digest; a byte changed anywhere changes it. Signatures prove who
//! agreed to what. They say nothing of whether a party keeps to it.
//! *Shapes and units*: times are Unix seconds; one profile, channel, signature and evidence slot a party, in the order
//! of [`Terms::parties`].

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, Nonce, digest, hex_bytes};
use crate::codec::wire;
use crate::identity::{Identity, PeerId, Signature};
use crate::job::JobId;
use crate::terms::{Terms, TermsError};
use crate::{Code, PartyId};

/// The version of contracts that this crate reads and writes.
pub const CONTRACT_VERSION: u16 = 1;
/// The label that contract signatures are made under.
pub const SIGNATURE_LABEL: &str = "tacit/contract/sign/1";
/// The longest time from `start_by` to `deadline`, in seconds.
pub const MAX_RUN_SECONDS: u64 = 7 * 24 * 3600;
/// Addresses that a party may announce for its data plane.
pub const MAX_ADDRESSES: usize = 8;
/// Characters of an address.
pub const MAX_ADDRESS_CHARS: usize = 256;

hex_bytes! {
    /// An X25519 public key for the data channels of one job.
    ChannelKey, 32
}

/// A contract. See the module.
///
/// | field | meaning | checked against |
/// | --- | --- | --- |
/// | `version` | [`CONTRACT_VERSION`] | equal |
/// | `terms`, `terms_digest` | what is done | own derivation |
/// | `job`, `nonce` | which run | [`Terms::job_id`] |
/// | `start_by`, `deadline` | Unix seconds | the clock |
/// | `profiles` | how the plan sees each party | own entry |
/// | `planner_version`, `ring_bits` | how the plan is made | own planner |
/// | `suite` | security levels | own floor |
/// | `channels` | keys and addresses of the data plane | own entry |
/// | `evidence` | evidence slots of a confidential VM | all empty in the venue two-party |
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// [`CONTRACT_VERSION`].
    pub version: u16,
    /// The digest of `terms`, by which approvals name them.
    pub terms_digest: Digest,
    /// What is done.
    pub terms: Terms,
    /// The job's name.
    pub job: JobId,
    /// The proposal's nonce, from which the name follows.
    pub nonce: Nonce,
    /// No run starts after this.
    pub start_by: u64,
    /// No run goes on after this.
    pub deadline: u64,
    /// How the plan sees each party.
    pub profiles: Vec<Profile>,
    /// The version of the planner whose plan is run.
    pub planner_version: u16,
    /// The security levels.
    pub suite: Suite,
    /// Bits of a ring word, 64 or 128.
    pub ring_bits: u16,
    /// The data channels of each party.
    pub channels: Vec<ChannelOffer>,
    /// Evidence of the party's platform, for venues that have it.
    pub evidence: Vec<Option<EvidenceSlot>>,
}

/// What a party can do, as powers of two, so that a plan is the same on both sides and tells little of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Core speed: `2^core_speed` million AES blocks a second and core.
    pub core_speed: u8,
    /// Round-trip time to the other party: `2^round_trip` microseconds.
    pub round_trip: u8,
    /// Bandwidth to the other party: `2^bandwidth` bytes a second.
    pub bandwidth: u8,
}

/// The security levels of a run (CHK-303).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Computational security, bits.
    pub computational: u16,
    /// Statistical security, bits.
    pub statistical: u16,
    /// Whether the consistency check of OT extension is on.
    pub ot_check: bool,
}

impl Suite {
    /// The suite of this version, which is also the floor.
    pub const CURRENT: Self = Self { computational: 128, statistical: 40, ot_check: true };

    /// Whether nothing in it is below `floor`.
    pub fn is_at_least(&self, floor: &Self) -> bool {
        self.computational >= floor.computational
            && self.statistical >= floor.statistical
            && (self.ot_check || !floor.ot_check)
    }
}

/// Where and under which key a party's data channels are.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelOffer {
    /// The static key of its Noise sessions for this job.
    pub key: ChannelKey,
    /// Where it listens, as multiaddr texts; may be empty on the side that dials.
    pub addresses: Vec<String>,
}

/// Evidence of a platform, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceSlot {
    /// The class of evidence.
    pub class: String,
    /// Its digest.
    pub digest: Digest,
}

/// Why a contract is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// The version is not known.
    #[error("a contract of version {found}; this node reads version {CONTRACT_VERSION}")]
    Version {
        /// What came.
        found: u16,
    },
    /// The terms are not well formed.
    #[error("the terms: {0}")]
    Terms(#[from] TermsError),
    /// A field breaks a rule (CHK-301).
    #[error("the field {field} {rule}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it has to be.
        rule: &'static str,
    },
    /// A field is not what this node derives (CHK-302).
    #[error("the field {field} is not what this node derives")]
    Mismatch {
        /// Which.
        field: &'static str,
    },
    /// The suite is below the floor (CHK-303).
    #[error("the suite {}/{} (OT check {}) is below the floor", found.computational, found.statistical, found.ot_check)]
    Suite {
        /// What came.
        found: Suite,
    },
    /// A signature is missing or wrong (CHK-305).
    #[error("the signature of {party} is missing or not over this contract")]
    Signature {
        /// Whose.
        party: PartyId,
    },
    /// The number of signatures is not that of the parties (CHK-305).
    #[error("{found} signatures for {expected} parties")]
    SignatureCount {
        /// How many came.
        found: usize,
        /// How many parties there are.
        expected: usize,
    },
    /// The signer is no party.
    #[error("{0} is no party of the contract")]
    Stranger(PeerId),
    /// The time to start is over (CHK-305).
    #[error("the contract was to start by {start_by}, now is {now} (Unix seconds)")]
    Expired {
        /// The contract's time.
        start_by: u64,
        /// The time of the check.
        now: u64,
    },
}

impl ContractError {
    /// Its stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Version { .. } => Code::new("CONTRACT_VERSION"),
            Self::Terms(error) => error.code(),
            Self::Field { .. } => Code::new("CONTRACT_FIELD"),
            Self::Mismatch { .. } => Code::new("CONTRACT_MISMATCH"),
            Self::Suite { .. } => Code::new("CONTRACT_SUITE"),
            Self::Signature { .. } | Self::SignatureCount { .. } | Self::Stranger(_) => Code::new("CONTRACT_SIGNATURE"),
            Self::Expired { .. } => Code::new("CONTRACT_EXPIRED"),
        }
    }
}

impl Contract {
    /// Its digest, which is what parties sign.
    pub fn digest(&self) -> Digest {
        digest("tacit/contract/1", self)
    }

    /// The form of a contract (CHK-301) and the fields that follow from others (CHK-302), whoever looks at it.
    ///
    /// # Errors
    /// The first field that breaks a rule.
    pub fn check_form(&self) -> Result<(), ContractError> {
        if self.version != CONTRACT_VERSION {
            return Err(ContractError::Version { found: self.version });
        }
        self.terms.check_form()?;
        if self.terms_digest != self.terms.digest() {
            return Err(ContractError::Mismatch { field: "terms_digest" });
        }
        if self.job != self.terms.job_id(&self.nonce)? {
            return Err(ContractError::Mismatch { field: "job" });
        }
        let parties = self.terms.parties.len();
        for (field, length) in
            [("profiles", self.profiles.len()), ("channels", self.channels.len()), ("evidence", self.evidence.len())]
        {
            if length != parties {
                return Err(ContractError::Field { field, rule: "has one entry a party" });
            }
        }
        if self.profiles.iter().any(|p| p.core_speed > 40 || p.round_trip > 40 || p.bandwidth > 50) {
            return Err(ContractError::Field { field: "profiles", rule: "has classes that a machine can have" });
        }
        if self.evidence.iter().any(Option::is_some) {
            return Err(ContractError::Field { field: "evidence", rule: "is empty in the venue two-party" });
        }
        if !matches!(self.ring_bits, 64 | 128) {
            return Err(ContractError::Field { field: "ring_bits", rule: "is 64 or 128" });
        }
        let run = self.deadline.checked_sub(self.start_by);
        if !run.is_some_and(|seconds| (1..=MAX_RUN_SECONDS).contains(&seconds)) {
            return Err(ContractError::Field { field: "deadline", rule: "is after start_by, by at most a week" });
        }
        self.check_channels()
    }

    fn check_channels(&self) -> Result<(), ContractError> {
        for (place, offer) in self.channels.iter().enumerate() {
            let short = offer.addresses.iter().all(|address| {
                address.len() <= MAX_ADDRESS_CHARS
                    && address.is_ascii()
                    && !address.bytes().any(|b| b.is_ascii_control())
            });
            if offer.addresses.len() > MAX_ADDRESSES || !short {
                return Err(ContractError::Field { field: "channels", rule: "has at most 8 short addresses a party" });
            }
            let fresh = self.channels[..place].iter().all(|other| other.key != offer.key);
            if offer.key.as_bytes() == &[0; 32] || !fresh {
                return Err(ContractError::Field { field: "channels", rule: "has a key of its own for each party" });
            }
        }
        Ok(())
    }

    /// The suite against a floor (CHK-303).
    ///
    /// # Errors
    /// `CONTRACT_SUITE`.
    pub fn check_suite(&self, floor: &Suite) -> Result<(), ContractError> {
        if self.suite.is_at_least(floor) { Ok(()) } else { Err(ContractError::Suite { found: self.suite }) }
    }

    /// Whether a run may still start (CHK-305).
    ///
    /// # Errors
    /// `CONTRACT_EXPIRED`.
    pub fn check_time(&self, now: u64) -> Result<(), ContractError> {
        if now < self.start_by { Ok(()) } else { Err(ContractError::Expired { start_by: self.start_by, now }) }
    }

    /// The party's signature. Whoever calls this has checked the contract and stored that it signs (CHK-304).
    ///
    /// # Errors
    /// The identity is no party.
    pub fn sign(&self, identity: &Identity) -> Result<Signature, ContractError> {
        let peer = identity.peer();
        self.terms.party(&peer).ok_or(ContractError::Stranger(peer))?;
        Ok(identity.sign(SIGNATURE_LABEL, &self.digest()))
    }

    /// Whether a signature is that party's over this contract (CHK-305).
    ///
    /// # Errors
    /// `CONTRACT_SIGNATURE`.
    pub fn verify(&self, party: PartyId, signature: &Signature) -> Result<(), ContractError> {
        let signed = self
            .terms
            .parties
            .get(party.index())
            .is_some_and(|entry| entry.peer.verify(SIGNATURE_LABEL, &self.digest(), signature));
        if signed { Ok(()) } else { Err(ContractError::Signature { party }) }
    }

    /// What a data channel of this job is bound to (CHK-401): the prologue of its Noise handshake. A channel for
    /// another job, lane or pair of roles has another.
    pub fn prologue(&self, lane: u16, initiator: PartyId, responder: PartyId) -> Digest {
        #[derive(Serialize)]
        struct Prologue {
            purpose: &'static str,
            contract: Digest,
            lane: u16,
            initiator: Option<PeerId>,
            responder: Option<PeerId>,
            suite: Suite,
        }
        let peer = |party: PartyId| self.terms.parties.get(party.index()).map(|entry| entry.peer);
        let prologue = Prologue {
            purpose: "job",
            contract: self.digest(),
            lane,
            initiator: peer(initiator),
            responder: peer(responder),
            suite: self.suite,
        };
        digest("tacit/channel/1", &prologue)
    }
}

/// A contract with the signatures of all its parties, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedContract {
    /// The contract.
    pub contract: Contract,
    /// One signature a party.
    pub signatures: Vec<Signature>,
}

wire!(Contract, 224 * 1024);
wire!(SignedContract, 232 * 1024);

impl SignedContract {
    /// Form and all signatures (CHK-301, CHK-302, CHK-305); not the time, so that it holds for old contracts too.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self) -> Result<(), ContractError> {
        self.contract.check_form()?;
        let expected = self.contract.terms.parties.len();
        if self.signatures.len() != expected {
            return Err(ContractError::SignatureCount { found: self.signatures.len(), expected });
        }
        for (party, signature) in (0..).map(PartyId).zip(&self.signatures) {
            self.contract.verify(party, signature)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::fixtures::{self, NOW, any_digest, nodes, signed_contract};

    fn code(error: ContractError) -> String {
        error.code().to_string()
    }

    /// A contract that all parties signed although its form may be wrong.
    fn signed(change: impl FnOnce(&mut Contract)) -> SignedContract {
        let mut contract = fixtures::contract();
        change(&mut contract);
        let digest = contract.digest();
        let signatures = nodes().iter().map(|(identity, _)| identity.sign(SIGNATURE_LABEL, &digest)).collect();
        SignedContract { contract, signatures }
    }

    #[test]
    fn a_contract_that_all_signed_verifies_in_every_form() {
        let signed = signed_contract();
        assert_eq!(signed.verify(), Ok(()));
        let bytes = codec::encode(&signed).expect("encodes");
        assert_eq!(codec::decode::<SignedContract>(&bytes).expect("decodes"), signed);
        let json = serde_json::to_string(&signed).expect("json");
        assert_eq!(serde_json::from_str::<SignedContract>(&json).expect("json"), signed);
    }

    #[test]
    fn the_golden_contract_digest_is_stable() {
        assert_eq!(
            fixtures::contract().digest().to_string(),
            "87bbaa4bd14bb5782ce9089b60a58a95f480ad7be7c9175da787870c69ce124b"
        );
        assert_eq!(
            fixtures::contract().job.to_string(),
            "1bb74878ea7119a980c2f869b88b22eb1c7ea57a8578e2d4376a7fb29067da52"
        );
    }

    #[test]
    fn a_contract_with_one_byte_changed_is_refused_attack_37() {
        let bytes = codec::encode(&signed_contract()).expect("encodes");
        for place in 0..bytes.len() {
            for change in [1, 0x80, 0xff] {
                let mut altered = bytes.clone();
                altered[place] ^= change;
                let accepted = codec::decode::<SignedContract>(&altered).is_ok_and(|signed| signed.verify().is_ok());
                assert!(!accepted, "byte {place} ^ {change:#x}");
            }
        }
    }

    #[test]
    fn a_change_that_decodes_fails_at_the_signature_chk_305() {
        let mut signed = signed_contract();
        signed.contract.planner_version += 1;
        assert_eq!(signed.verify(), Err(ContractError::Signature { party: PartyId::ZERO }));
        let mut signed = signed_contract();
        signed.signatures.swap(0, 1);
        assert_eq!(signed.verify(), Err(ContractError::Signature { party: PartyId::ZERO }));
        let mut signed = signed_contract();
        signed.signatures[1] = nodes()[1].0.sign("tacit/receipt/sign/1", &signed.contract.digest());
        assert_eq!(signed.verify(), Err(ContractError::Signature { party: PartyId::ONE }));
        for count in [0, 1, 3] {
            let mut signed = signed_contract();
            let last = signed.signatures[1];
            signed.signatures.resize(count, last);
            assert_eq!(signed.verify(), Err(ContractError::SignatureCount { found: count, expected: 2 }));
        }
    }

    #[test]
    fn a_stranger_cannot_sign() {
        let stranger = Identity::from_seed(&[9; 32]);
        let error = fixtures::contract().sign(&stranger).expect_err("refused");
        assert_eq!(error, ContractError::Stranger(stranger.peer()));
        assert_eq!(code(error), "CONTRACT_SIGNATURE");
    }

    #[test]
    fn fields_that_break_a_rule_are_refused_although_signed_chk_301() {
        let cases: Vec<(&str, SignedContract)> = vec![
            ("profiles", signed(|c| c.profiles.truncate(1))),
            ("profiles", signed(|c| c.profiles[0].core_speed = 200)),
            ("channels", signed(|c| drop(c.channels.pop()))),
            ("channels", signed(|c| c.channels[1].key = c.channels[0].key)),
            ("channels", signed(|c| c.channels[1].key = ChannelKey::from_bytes([0; 32]))),
            ("channels", signed(|c| c.channels[1].addresses = vec!["x".into(); 9])),
            ("channels", signed(|c| c.channels[1].addresses = vec!["x".repeat(257)])),
            ("evidence", signed(|c| drop(c.evidence.pop()))),
            ("evidence", signed(|c| c.evidence[0] = Some(EvidenceSlot { class: "x".into(), digest: any_digest() }))),
            ("ring_bits", signed(|c| c.ring_bits = 32)),
            ("deadline", signed(|c| c.deadline = c.start_by)),
            ("deadline", signed(|c| c.deadline = c.start_by + MAX_RUN_SECONDS + 1)),
        ];
        for (expected, signed) in cases {
            match signed.verify() {
                Err(ContractError::Field { field, .. }) => assert_eq!(field, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
        assert_eq!(signed(|c| c.version = 2).verify(), Err(ContractError::Version { found: 2 }));
    }

    #[test]
    fn derived_fields_are_derived_again_chk_302() {
        for (field, signed) in [
            ("terms_digest", signed(|c| c.terms_digest = any_digest())),
            ("terms_digest", signed(|c| c.terms.purpose.push('!'))),
            ("job", signed(|c| c.job = any_digest().into())),
            ("job", signed(|c| c.nonce = Nonce::from_bytes([8; 16]))),
        ] {
            assert_eq!(signed.verify(), Err(ContractError::Mismatch { field }));
        }
    }

    #[test]
    fn a_weaker_suite_is_refused_chk_303() {
        let floor = Suite::CURRENT;
        assert_eq!(fixtures::contract().check_suite(&floor), Ok(()));
        for weaker in [
            Suite { computational: 127, ..floor },
            Suite { statistical: 39, ..floor },
            Suite { ot_check: false, ..floor },
        ] {
            let signed = signed(|c| c.suite = weaker);
            let error = signed.contract.check_suite(&floor).expect_err("refused");
            assert_eq!(code(error), "CONTRACT_SUITE");
        }
    }

    #[test]
    fn no_run_starts_after_its_time_chk_305() {
        let contract = fixtures::contract();
        assert_eq!(contract.check_time(NOW + 599), Ok(()));
        let error = contract.check_time(NOW + 600).expect_err("refused");
        assert_eq!(code(error), "CONTRACT_EXPIRED");
    }

    #[test]
    fn every_channel_has_a_prologue_of_its_own_chk_401() {
        let contract = fixtures::contract();
        let [a, b] = [PartyId::ZERO, PartyId::ONE];
        let mut other = fixtures::contract();
        other.channels[0].key = ChannelKey::from_bytes([9; 32]);
        let prologues = [
            contract.prologue(0, a, b),
            contract.prologue(1, a, b),
            contract.prologue(0, b, a),
            other.prologue(0, a, b),
        ];
        for (place, prologue) in prologues.iter().enumerate() {
            assert!(!prologues[..place].contains(prologue), "{place}");
        }
    }
}
