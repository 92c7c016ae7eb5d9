//! Receipts: what was agreed, what was done and what each party learned, signed by all parties.
//!
//! *Source*: design §1 step 6; CHK-801 to CHK-803.
//! *Security*: a receipt holds the signed contract, so that a stranger verifies it with nothing but the file. It shows
//! that the parties agree on this account. It does not show that the account is true: in the two-party venue a party
//! that deviates can falsify the result, and a commitment to an input is recorded, not enforced.
//! *Shapes and units*: times are Unix seconds, traffic is payload bytes.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, Salt, commit, digest};
use crate::codec::wire;
use crate::contract::{Contract, ContractError, EvidenceSlot, SignedContract};
use crate::identity::{Identity, Signature};
use crate::job::JobId;
use crate::messages::LogHead;
use crate::privacy::BudgetHead;
use crate::program::disclosure::Learned;
use crate::{Code, PartyId};

/// The version of receipts that this crate reads and writes.
pub const RECEIPT_VERSION: u16 = 1;
/// The label that receipt signatures are made under.
pub const SIGNATURE_LABEL: &str = "tacit/receipt/sign/1";
/// The label of the salted digest of a result.
pub const RESULT_LABEL: &str = "tacit/result/1";
/// The label of the salted commitment to an input.
pub const INPUT_LABEL: &str = "tacit/input/1";
/// The most bytes of a receipt's file.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// A receipt. See the module. It follows from the contract and the parties' accounts ([`Receipt::assemble`]), so that
/// all parties build the same one.
///
/// | field | equals |
/// | --- | --- |
/// | `job`, `contract`, `code` | the embedded contract's |
/// | `policies`, `inputs` | one entry a dataset of the terms, in order |
/// | `outputs` | one entry an output of the release spec, in order |
/// | `learned` | the disclosures of the terms |
/// | `accounts`, `evidence` | one entry a party |
/// | `started`, `ended` | the earliest start and the latest end of the accounts |
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// [`RECEIPT_VERSION`].
    pub version: u16,
    /// The job.
    pub job: JobId,
    /// The digest of its contract.
    pub contract: Digest,
    /// The digest of the code that ran.
    pub code: Digest,
    /// The digests of the policies in force.
    pub policies: Vec<Digest>,
    /// The salted commitments to the inputs.
    pub inputs: Vec<Digest>,
    /// What became of each output.
    pub outputs: Vec<OutputAccount>,
    /// What each party learned.
    pub learned: Vec<Learned>,
    /// What each party says of its own run.
    pub accounts: Vec<PartyAccount>,
    /// When the run started.
    pub started: u64,
    /// When it ended.
    pub ended: u64,
    /// Evidence of the parties' platforms, for venues that have it.
    pub evidence: Vec<Option<EvidenceSlot>>,
}

/// What became of an output.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputAccount {
    /// Its name.
    pub name: String,
    /// Who received it, or learned that it was suppressed.
    pub receivers: Vec<PartyId>,
    /// Each receiver's salted commitment to what it received ([`ResultOpening::commitment`]). Parties that receive
    /// nothing do not learn from a receipt whether a value was released or suppressed; a receiver can show it to whom
    /// it likes by opening its commitment.
    pub results: Vec<Digest>,
}

/// What a party says of its own run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartyAccount {
    /// Payload bytes that it sent.
    pub sent: u64,
    /// Payload bytes that it received.
    pub received: u64,
    /// Turns that it waited for.
    pub rounds: u64,
    /// When it started, by its own clock.
    pub started: u64,
    /// When it ended, by its own clock.
    pub ended: u64,
    /// Its software and version, at most 64 characters.
    pub software: String,
    /// One entry an output of the release spec: its commitment to what it received, where it is a receiver.
    pub results: Vec<Option<Digest>>,
    /// The head of its log after the run, which both sign with the receipt (CHK-812).
    pub log: LogHead,
    /// The head of its budget ledger after the run, where the release has noise: whoever holds the receipt has seen the
    /// ledger that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetHead>,
}

/// What a receiver commits to for an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStatus {
    /// The value was released.
    Released,
    /// A gate kept it back: too few rows.
    Suppressed,
    /// It has no value: a mean of nothing.
    Undefined,
}

/// The opening of a receiver's commitment to an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultOpening {
    /// The job.
    pub job: JobId,
    /// The output.
    pub output: String,
    /// What it was.
    pub status: OutputStatus,
    /// The released value in its JSON form; empty where none was.
    pub value: String,
    /// The salt.
    pub salt: Salt,
}

impl ResultOpening {
    /// The commitment that it opens.
    pub fn commitment(&self) -> Digest {
        #[derive(Serialize)]
        struct Content<'a> {
            job: &'a JobId,
            output: &'a str,
            status: OutputStatus,
            value: &'a str,
        }
        let content = Content { job: &self.job, output: &self.output, status: self.status, value: &self.value };
        commit(RESULT_LABEL, &self.salt, digest(RESULT_LABEL, &content).as_bytes())
    }
}

/// A receipt with the contract it is about and the signatures of all parties. This is the receipt file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedReceipt {
    /// What the parties say.
    pub receipt: Receipt,
    /// What they had agreed.
    pub contract: SignedContract,
    /// One signature a party, in their order; none where a party has not signed (yet): the receipt is unsettled.
    pub signatures: Vec<Option<Signature>>,
}

wire!(Receipt, 64 * 1024);
wire!(SignedReceipt, 250 * 1024);

/// What a receipt shows, once verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The job.
    pub job: JobId,
    /// The digest of the contract.
    pub contract: Digest,
    /// The digest of the code.
    pub code: Digest,
    /// The parties' peer ids and organisations.
    pub parties: Vec<(String, String)>,
    /// Why the job was run, as the analyst stated.
    pub purpose: String,
    /// The outputs and the organisations that received them.
    pub outputs: Vec<(String, Vec<String>)>,
    /// What each organisation learned.
    pub learned: Vec<(String, String)>,
    /// Start and end, Unix seconds.
    pub times: (u64, u64),
    /// Whether all parties signed; else it is unsettled (CHK-802).
    pub settled: bool,
    /// The organisations whose signature is missing.
    pub unsigned: Vec<String>,
}

/// Why a receipt does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The version is not known.
    #[error("a receipt of version {found}; this program reads version {RECEIPT_VERSION}")]
    Version {
        /// What came.
        found: u16,
    },
    /// The file is too large or no receipt.
    #[error("not a receipt: {0}")]
    Form(String),
    /// The contract in it does not verify.
    #[error("its contract: {0}")]
    Contract(#[from] ContractError),
    /// A field is not the contract's (CHK-801).
    #[error("the field {field} is not what the contract says")]
    Field {
        /// Which.
        field: &'static str,
    },
    /// A signature is wrong (CHK-802).
    #[error("the signature of {party} is not over this receipt")]
    Signature {
        /// Whose.
        party: PartyId,
    },
    /// Nobody signed it, or the list of signatures has another length than that of parties (CHK-802).
    #[error("signatures are missing")]
    Missing,
    /// An opened result is not the committed one.
    #[error("the result given for {output} is not the one in the receipt")]
    Result {
        /// Which output.
        output: String,
    },
}

impl ReceiptError {
    /// Its stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Version { .. } | Self::Form(_) | Self::Contract(_) | Self::Result { .. } => {
                Code::new("RECEIPT_INVALID")
            }
            Self::Field { .. } => Code::new("RECEIPT_FIELD"),
            Self::Signature { .. } => Code::new("RECEIPT_SIGNATURE"),
            Self::Missing => Code::new("RECEIPT_MISSING"),
        }
    }
}

impl Receipt {
    /// The receipt that follows from a contract and the accounts of its parties, in their order.
    ///
    /// # Errors
    /// `RECEIPT_FIELD`: an account is missing, says nothing of an output that its party receives, or speaks of one that
    /// it does not receive; or its times are not in order.
    pub fn assemble(contract: &Contract, accounts: Vec<PartyAccount>) -> Result<Self, ReceiptError> {
        let terms = &contract.terms;
        let release = &terms.release.outputs;
        let well_formed = accounts.len() == terms.parties.len()
            && accounts.iter().all(|account| {
                account.results.len() == release.len()
                    && account.started <= account.ended
                    && account.software.chars().count() <= 64
                    && !account.software.chars().any(crate::name::is_forbidden)
            });
        if !well_formed {
            return Err(ReceiptError::Field { field: "accounts" });
        }
        let outputs = release
            .iter()
            .enumerate()
            .map(|(place, output)| {
                for (party, account) in (0..).map(PartyId).zip(&accounts) {
                    if account.results[place].is_some() != output.receivers.contains(&party) {
                        return Err(ReceiptError::Field { field: "accounts.results" });
                    }
                }
                let results =
                    output.receivers.iter().filter_map(|party| accounts.get(party.index())?.results[place]).collect();
                Ok(OutputAccount { name: output.name.clone(), receivers: output.receivers.clone(), results })
            })
            .collect::<Result<_, ReceiptError>>()?;
        Ok(Self {
            version: RECEIPT_VERSION,
            job: contract.job,
            contract: contract.digest(),
            code: terms.code.digest(),
            policies: terms.datasets.iter().map(|dataset| dataset.policy).collect(),
            inputs: terms.datasets.iter().map(|dataset| dataset.input).collect(),
            outputs,
            learned: terms.disclosures.clone(),
            started: accounts.iter().map(|account| account.started).min().unwrap_or_default(),
            ended: accounts.iter().map(|account| account.ended).max().unwrap_or_default(),
            accounts,
            evidence: contract.evidence.clone(),
        })
    }

    /// Its digest, which is what parties sign.
    pub fn digest(&self) -> Digest {
        digest("tacit/receipt/1", self)
    }

    /// A party's signature.
    pub fn sign(&self, identity: &Identity) -> Signature {
        identity.sign(SIGNATURE_LABEL, &self.digest())
    }

    /// Whether each field is what the contract says (CHK-801).
    ///
    /// # Errors
    /// `RECEIPT_FIELD` with the first field that differs.
    pub fn check_fields(&self, contract: &Contract) -> Result<(), ReceiptError> {
        if self.version != RECEIPT_VERSION {
            return Err(ReceiptError::Version { found: self.version });
        }
        let own = Self::assemble(contract, self.accounts.clone())?;
        for (field, equal) in [
            ("job", self.job == own.job),
            ("contract", self.contract == own.contract),
            ("code", self.code == own.code),
            ("policies", self.policies == own.policies),
            ("inputs", self.inputs == own.inputs),
            ("outputs", self.outputs == own.outputs),
            ("learned", self.learned == own.learned),
            ("started", self.started == own.started),
            ("ended", self.ended == own.ended),
            ("evidence", self.evidence == own.evidence),
        ] {
            if !equal {
                return Err(ReceiptError::Field { field });
            }
        }
        Ok(())
    }
}

impl SignedReceipt {
    /// The receipt from its file.
    ///
    /// # Errors
    /// The file is too large or not a receipt.
    pub fn from_json(file: &[u8]) -> Result<Self, ReceiptError> {
        if file.len() > MAX_FILE_BYTES {
            return Err(ReceiptError::Form(format!("the file is larger than {MAX_FILE_BYTES} bytes")));
        }
        serde_json::from_slice(file).map_err(|error| ReceiptError::Form(error.to_string()))
    }

    /// The file of the receipt.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a receipt holds nothing that JSON cannot");
        text.push('\n');
        text
    }

    /// Adds a party's signature.
    ///
    /// # Errors
    /// `RECEIPT_SIGNATURE`: it is not that party's over this receipt.
    pub fn add(&mut self, party: PartyId, signature: Signature) -> Result<(), ReceiptError> {
        self.check_signature(party, &signature)?;
        let slot = self.signatures.get_mut(party.index()).ok_or(ReceiptError::Missing)?;
        *slot = Some(signature);
        Ok(())
    }

    fn check_signature(&self, party: PartyId, signature: &Signature) -> Result<(), ReceiptError> {
        let signed = self
            .contract
            .contract
            .terms
            .parties
            .get(party.index())
            .is_some_and(|entry| entry.peer.verify(SIGNATURE_LABEL, &self.receipt.digest(), signature));
        if signed { Ok(()) } else { Err(ReceiptError::Signature { party }) }
    }
}

/// Verifies a receipt with nothing but itself (CHK-803): the contract and its signatures, each field against the
/// contract, and the signatures under the receipt. A receipt that only some parties signed is valid and not settled.
///
/// # Errors
/// The first check that fails.
pub fn verify(signed: &SignedReceipt) -> Result<Report, ReceiptError> {
    signed.contract.verify()?;
    let terms = &signed.contract.contract.terms;
    signed.receipt.check_fields(&signed.contract.contract)?;
    if signed.signatures.len() != terms.parties.len() || signed.signatures.iter().all(Option::is_none) {
        return Err(ReceiptError::Missing);
    }
    for (party, signature) in (0..).map(PartyId).zip(&signed.signatures) {
        if let Some(signature) = signature {
            signed.check_signature(party, signature)?;
        }
    }
    let unsigned: Vec<String> = terms
        .parties
        .iter()
        .zip(&signed.signatures)
        .filter(|(_, signature)| signature.is_none())
        .map(|(party, _)| party.organisation.clone())
        .collect();
    Ok(Report {
        job: signed.receipt.job,
        contract: signed.receipt.contract,
        code: signed.receipt.code,
        parties: terms.parties.iter().map(|party| (party.peer.to_string(), party.organisation.clone())).collect(),
        purpose: terms.purpose.clone(),
        outputs: signed
            .receipt
            .outputs
            .iter()
            .map(|output| {
                (output.name.clone(), output.receivers.iter().map(|party| terms.organisation(*party)).collect())
            })
            .collect(),
        learned: signed
            .receipt
            .learned
            .iter()
            .flat_map(|l| l.facts.iter().map(|fact| (terms.organisation(l.party), fact.to_string())))
            .collect(),
        times: (signed.receipt.started, signed.receipt.ended),
        settled: unsigned.is_empty(),
        unsigned,
    })
}

/// Whether an opened result is one that a receiver committed to in the receipt (CHK-803).
///
/// # Errors
/// `RECEIPT_INVALID`: no receiver of that output committed to it.
pub fn verify_result(signed: &SignedReceipt, opening: &ResultOpening) -> Result<(), ReceiptError> {
    let commitment = opening.commitment();
    let held = opening.job == signed.receipt.job
        && signed
            .receipt
            .outputs
            .iter()
            .any(|output| output.name == opening.output && output.results.contains(&commitment));
    if held { Ok(()) } else { Err(ReceiptError::Result { output: opening.output.clone() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::fixtures::{accounts, any_digest, contract, nodes, opening, signed_contract};

    fn signed(change: impl FnOnce(&mut Receipt)) -> SignedReceipt {
        let mut receipt = Receipt::assemble(&contract(), accounts()).expect("a receipt");
        change(&mut receipt);
        let signatures = nodes().iter().map(|(identity, _)| Some(receipt.sign(identity))).collect();
        SignedReceipt { receipt, contract: signed_contract(), signatures }
    }

    #[test]
    fn a_stranger_verifies_a_receipt_from_its_file_alone_chk_803() {
        let file = signed(|_| ()).to_json();
        let report = verify(&SignedReceipt::from_json(file.as_bytes()).expect("a receipt")).expect("valid");
        assert!(report.settled && report.unsigned.is_empty());
        assert_eq!(report.outputs, [("number".to_owned(), vec!["Banque".to_owned()])]);
        assert_eq!(report.learned, [("Banque".to_owned(), "the value of `number`".to_owned())]);
        assert_eq!(report.contract, contract().digest());
        assert_eq!(report.times, (crate::fixtures::NOW, crate::fixtures::NOW + 61));
    }

    #[test]
    fn a_file_with_one_character_changed_is_refused() {
        let file = signed(|_| ()).to_json().into_bytes();
        let mut accepted = Vec::new();
        for place in 0..file.len() {
            let mut altered = file.clone();
            altered[place] ^= 1;
            let Ok(signed) = SignedReceipt::from_json(&altered) else { continue };
            if verify(&signed).is_ok() {
                accepted.push(place);
            }
        }
        // White space between the fields of a JSON file carries nothing, but no change of it by one bit is white space.
        assert_eq!(accepted, Vec::<usize>::new());
    }

    #[test]
    fn each_field_is_checked_against_the_contract_chk_801() {
        let cases: Vec<(&str, SignedReceipt)> = vec![
            ("job", signed(|r| r.job = any_digest().into())),
            ("contract", signed(|r| r.contract = any_digest())),
            ("code", signed(|r| r.code = any_digest())),
            ("policies", signed(|r| r.policies[0] = any_digest())),
            ("inputs", signed(|r| r.inputs.reverse())),
            ("outputs", signed(|r| r.outputs[0].name.push('x'))),
            ("outputs", signed(|r| r.outputs[0].results[0] = any_digest())),
            ("learned", signed(|r| r.learned.clear())),
            ("started", signed(|r| r.started += 1)),
            ("ended", signed(|r| r.ended += 1)),
            ("evidence", signed(|r| r.evidence.clear())),
            ("accounts", signed(|r| drop(r.accounts.pop()))),
            ("accounts", signed(|r| r.accounts[0].software = "x".repeat(65))),
            ("accounts", signed(|r| r.accounts[0].software = "\u{1b}[2J".into())),
            ("accounts", signed(|r| r.accounts[0].started = r.accounts[0].ended + 1)),
        ];
        for (field, signed) in cases {
            let error = verify(&signed).expect_err(field);
            assert_eq!(error, ReceiptError::Field { field });
            assert_eq!(error.code().as_str(), "RECEIPT_FIELD");
        }
        let error = verify(&signed(|r| r.version = 2)).expect_err("version");
        assert_eq!(error, ReceiptError::Version { found: 2 });
        assert_eq!(error.code().as_str(), "RECEIPT_INVALID");
    }

    #[test]
    fn receivers_and_nobody_else_commit_to_results() {
        let mut both = accounts();
        for account in &mut both {
            account.results[0] = Some(any_digest());
        }
        let mut none = accounts();
        for account in &mut none {
            account.results[0] = None;
        }
        for accounts in [both, none] {
            let error = Receipt::assemble(&contract(), accounts).expect_err("refused");
            assert_eq!(error, ReceiptError::Field { field: "accounts.results" });
        }
    }

    #[test]
    fn a_receipt_without_all_signatures_is_unsettled_and_a_wrong_one_is_refused_chk_802() {
        let mut unsettled = signed(|_| ());
        let second = unsettled.signatures[1].take().expect("signed");
        let report = verify(&unsettled).expect("valid");
        assert!(!report.settled);
        assert_eq!(report.unsigned, [nodes()[1].1]);
        assert_eq!(unsettled.add(PartyId::ZERO, second), Err(ReceiptError::Signature { party: PartyId::ZERO }));
        assert_eq!(unsettled.add(PartyId(2), second), Err(ReceiptError::Signature { party: PartyId(2) }));
        assert_eq!(unsettled.add(PartyId::ONE, second), Ok(()));
        assert!(verify(&unsettled).expect("valid").settled);
        let mut wrong = signed(|_| ());
        wrong.signatures.swap(0, 1);
        let error = verify(&wrong).expect_err("refused");
        assert_eq!(error.code().as_str(), "RECEIPT_SIGNATURE");
        for signatures in [vec![], vec![None, None], vec![wrong.signatures[1]]] {
            let error = verify(&SignedReceipt { signatures, ..signed(|_| ()) }).expect_err("refused");
            assert_eq!(error.code().as_str(), "RECEIPT_MISSING");
        }
    }

    #[test]
    fn a_receipt_over_a_contract_that_not_all_signed_is_refused_chk_803() {
        let mut receipt = signed(|_| ());
        receipt.contract.signatures.swap(0, 1);
        assert_eq!(verify(&receipt).expect_err("refused").code().as_str(), "RECEIPT_INVALID");
    }

    #[test]
    fn a_result_is_shown_by_opening_its_commitment_chk_803() {
        let receipt = signed(|_| ());
        assert_eq!(verify_result(&receipt, &opening()), Ok(()));
        for opening in [
            ResultOpening { value: "1235".into(), ..opening() },
            ResultOpening { status: OutputStatus::Suppressed, ..opening() },
            ResultOpening { salt: Salt::from_bytes([6; 32]), ..opening() },
            ResultOpening { output: "other".into(), ..opening() },
            ResultOpening { job: any_digest().into(), ..opening() },
        ] {
            let error = verify_result(&receipt, &opening).expect_err("refused");
            assert_eq!(error.code().as_str(), "RECEIPT_INVALID");
        }
    }

    #[test]
    fn released_and_suppressed_receipts_have_the_same_size() {
        let suppressed = ResultOpening { status: OutputStatus::Suppressed, value: String::new(), ..opening() };
        let mut accounts = accounts();
        for account in &mut accounts {
            account.results[0] = account.results[0].map(|_| suppressed.commitment());
        }
        let other = Receipt::assemble(&contract(), accounts).expect("a receipt");
        let sizes = [&signed(|_| ()).receipt, &other].map(|r| codec::encode(r).expect("encodes").len());
        assert_eq!(sizes[0], sizes[1]);
    }

    #[test]
    fn refuses_files_that_are_no_receipts() {
        for file in ["", "{}", "[]", "null"] {
            assert!(matches!(SignedReceipt::from_json(file.as_bytes()), Err(ReceiptError::Form(_))), "{file}");
        }
        let large = vec![b' '; MAX_FILE_BYTES + 1];
        assert!(matches!(SignedReceipt::from_json(&large), Err(ReceiptError::Form(_))));
    }
}
