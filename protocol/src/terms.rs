//! Terms: what a job is, before anyone runs it. Owners approve terms; a contract adds the particulars of one run.
//!
//! *Source*: design §3 and §4.6.
//! *Security*: everything here is bound by [`Terms::digest`], and every field that can be derived (release spec,
//! disclosures, party order) is derived again by each owner and compared (CHK-302). The proposer's word is not taken.
//! *Shapes and units*: at most [`limits::PARTIES`] parties, [`limits::DATASETS`] datasets; times are Unix seconds.

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, Nonce, digest, hex_bytes};
use crate::identity::PeerId;
use crate::job::JobId;
use crate::policy::Priority;
use crate::program::Program;
use crate::program::disclosure::Learned;
use crate::program::release::ReleaseSpec;
use crate::program::rules::DatasetRules;
use crate::schema::TableSchema;
use crate::{Code, Failure, PartyId, name};

/// The version of terms that this crate reads and writes.
pub const TERMS_VERSION: u16 = 1;

/// Limits of terms (CHK-201).
pub mod limits {
    /// Parties of a job.
    pub const PARTIES: usize = 16;
    /// Datasets of a job.
    pub const DATASETS: usize = 32;
    /// Characters of a purpose.
    pub const PURPOSE_CHARS: usize = 200;
    /// Facts that all parties together learn.
    pub const FACTS: usize = 1_024;
}

hex_bytes! {
    /// A key that a result share is sealed to, for a receiver that is no party.
    SealKey, 32
}

/// What a job runs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum JobCode {
    /// A program.
    Program(Program),
    /// A query in SQL. Not run by this version.
    Sql(String),
    /// Python source. Not run by this version.
    Python(String),
}

impl JobCode {
    /// Its digest: a policy's list of approved programs holds these.
    pub fn digest(&self) -> Digest {
        digest("tacit/code/1", self)
    }

    /// The program, where it is one.
    pub fn program(&self) -> Option<&Program> {
        match self {
            Self::Program(program) => Some(program),
            Self::Sql(_) | Self::Python(_) => None,
        }
    }
}

/// The digest by which policies and receipts name a program: that of [`JobCode::Program`].
pub fn program_digest(program: &Program) -> Digest {
    #[derive(Serialize)]
    #[serde(tag = "kind", content = "body", rename_all = "snake_case")]
    enum Borrowed<'a> {
        Program(&'a Program),
    }
    digest("tacit/code/1", &Borrowed::Program(program))
}

/// A party of a job.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsParty {
    /// Its node.
    pub peer: PeerId,
    /// Its organisation, by the name under which it is paired.
    pub organisation: String,
}

/// The parties of a job in canonical order, which is ascending by [`PeerId`].
pub fn in_canonical_order(mut parties: Vec<TermsParty>) -> Vec<TermsParty> {
    parties.sort_by_key(|party| party.peer);
    parties
}

/// A dataset that a job reads, at one version.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsDataset {
    /// As the program names it (`maison/customers`).
    pub name: String,
    /// Its owner.
    pub owner: PartyId,
    /// Its name at the owner (`customers`).
    pub dataset: String,
    /// Its version at the owner, from 1.
    pub version: u64,
    /// The digest of its schema, see [`schema_digest`].
    pub schema: Digest,
    /// Its rows, public.
    pub rows: u64,
    /// A salted commitment to its content (CHK-506).
    pub input: Digest,
    /// The digest of the policy in force.
    pub policy: Digest,
    /// What that policy says about this job, with organisations resolved to its parties.
    pub rules: DatasetRules,
}

/// The digest by which terms name a schema.
pub fn schema_digest(schema: &TableSchema) -> Digest {
    digest("tacit/schema/1", schema)
}

/// Who gets outputs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receiver {
    /// A party of the job.
    Party(PartyId),
    /// Somebody who is no party: result shares are sealed to its key. Refused by this version.
    External {
        /// Its name.
        name: String,
        /// Its key.
        key: SealKey,
    },
}

/// Where a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
pub enum Venue {
    /// On secret shares between two nodes.
    #[serde(rename = "two-party")]
    TwoParty,
    /// In a confidential VM.
    #[serde(rename = "cvm")]
    Cvm,
}

impl std::fmt::Display for Venue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TwoParty => "two-party",
            Self::Cvm => "cvm",
        })
    }
}

/// What a run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLimits {
    /// Seconds from start to end.
    pub seconds: u32,
    /// Payload bytes in both directions together.
    pub bytes: u64,
}

/// What a job is. See the module.
///
/// | field | bytes bound by | derived by each owner |
/// | --- | --- | --- |
/// | `version`, `code`, `venue`, `purpose`, `analyst` | the proposal | compared with it |
/// | `parties` | pairing | order |
/// | `datasets` | each owner's answer | own entries |
/// | `release`, `receivers`, `disclosures` | | all of it |
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// [`TERMS_VERSION`].
    pub version: u16,
    /// What runs.
    pub code: JobCode,
    /// The parties, in canonical order: a [`PartyId`] is a place in this list.
    pub parties: Vec<TermsParty>,
    /// The party whose analyst asks.
    pub proposer: PartyId,
    /// Who asks, as the proposer's node names its analyst.
    pub analyst: String,
    /// The datasets, in ascending order of their names in the program.
    pub datasets: Vec<TermsDataset>,
    /// What is released, derived from program and rules.
    pub release: ReleaseSpec,
    /// Who gets any output, ascending.
    pub receivers: Vec<Receiver>,
    /// Where it runs.
    pub venue: Venue,
    /// Why, in the analyst's words.
    pub purpose: String,
    /// What each party learns, one entry a party in their order. Every owner derives it for itself (CHK-212).
    pub disclosures: Vec<Learned>,
    /// What a run may use.
    pub limits: RunLimits,
}

/// A dataset as a proposal names it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedDataset {
    /// As the program names it.
    pub name: String,
    /// Its owner.
    pub owner: PartyId,
    /// Its name at the owner.
    pub dataset: String,
    /// The version that the proposer saw.
    pub version: u64,
    /// The schema that the proposer saw, with the row count.
    pub schema: TableSchema,
}

/// What a home node proposes to the owners. Each answers with its own part of the terms.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// [`TERMS_VERSION`].
    pub version: u16,
    /// Makes this job unlike every other.
    pub nonce: Nonce,
    /// What runs.
    pub code: JobCode,
    /// The parties, in canonical order.
    pub parties: Vec<TermsParty>,
    /// The party that proposes.
    pub proposer: PartyId,
    /// Who asks, as the proposer's node names its analyst.
    pub analyst: String,
    /// The datasets of all owners, in ascending order of name.
    pub datasets: Vec<ProposedDataset>,
    /// Where it shall run.
    pub venue: Venue,
    /// Why, in the analyst's words.
    pub purpose: String,
    /// What a run may use.
    pub limits: RunLimits,
    /// Which of the jobs that wait goes first, as far as owners let it. No part of the terms.
    pub priority: Priority,
    /// What the proposer's own policies say, and its commitments.
    pub own: Vec<OwnedDataset>,
}

/// An owner's part of the terms for one of its datasets.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnedDataset {
    /// As the program names it.
    pub name: String,
    /// A salted commitment to its content (CHK-506).
    pub input: Digest,
    /// The digest of the policy in force.
    pub policy: Digest,
    /// What that policy says about this job.
    pub rules: DatasetRules,
}

/// Why terms or a proposal are not well formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// The version is not known.
    #[error("terms of version {found}; this node reads version {TERMS_VERSION}")]
    Version {
        /// What came.
        found: u16,
    },
    /// Something that the format has and this version does not do.
    #[error("{what} is not supported by this version")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// A field breaks a rule.
    #[error("the field {field} {rule}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it has to be.
        rule: &'static str,
    },
    /// Too much of something (CHK-201).
    #[error("{field} is larger than {limit}")]
    TooBig {
        /// What.
        field: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A field is not what this node derives (CHK-302).
    #[error("the field {field} is not what this node derives")]
    Mismatch {
        /// Which.
        field: &'static str,
    },
}

impl TermsError {
    /// Its stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Version { .. } => Code::new("TERMS_VERSION"),
            Self::Unsupported { .. } => Code::new("TERMS_UNSUPPORTED"),
            Self::Field { .. } => Code::new("CONTRACT_FIELD"),
            Self::TooBig { .. } => Code::new("PROPOSAL_TOO_BIG"),
            Self::Mismatch { .. } => Code::new("CONTRACT_MISMATCH"),
        }
    }
}

impl Proposal {
    /// The job's name: what the proposer cannot use for another job, and others cannot take (CHK-203).
    ///
    /// # Errors
    /// The proposer is not in the list of parties.
    pub fn job_id(&self) -> Result<JobId, TermsError> {
        let datasets = self.datasets.iter().map(|d| (d.name.as_str(), d.owner, d.dataset.as_str(), d.version));
        job_id(&self.parties, self.proposer, &self.nonce, &self.code, datasets)
    }

    /// Its digest: the same job with another digest is refused (CHK-203).
    pub fn digest(&self) -> Digest {
        digest("tacit/proposal/1", self)
    }

    /// The form that holds before anything else is looked at (CHK-201).
    ///
    /// # Errors
    /// A field breaks a rule, is too large, or asks for what this version does not do.
    pub fn check_form(&self) -> Result<(), TermsError> {
        check_version(self.version)?;
        check_code(&self.code)?;
        check_parties(&self.parties, self.proposer)?;
        check_venue(self.venue, self.parties.len())?;
        check_texts(&self.purpose, &self.analyst)?;
        let heads: Vec<_> =
            self.datasets.iter().map(|d| (d.name.as_str(), d.owner, d.dataset.as_str(), d.version)).collect();
        check_datasets(&heads, &self.parties, self.code.program())?;
        let mut own: Vec<&str> = heads.iter().filter(|d| d.1 == self.proposer).map(|d| d.0).collect();
        own.dedup();
        if self.own.iter().map(|dataset| dataset.name.as_str()).ne(own) {
            return Err(TermsError::Field { field: "own", rule: "has one entry for each dataset of the proposer" });
        }
        check_limits(&self.limits)
    }
}

impl Terms {
    /// Their digest. Approvals are for this.
    pub fn digest(&self) -> Digest {
        digest("tacit/terms/1", self)
    }

    /// The job's name with a nonce (CHK-203).
    ///
    /// # Errors
    /// The proposer is not in the list of parties.
    pub fn job_id(&self, nonce: &Nonce) -> Result<JobId, TermsError> {
        let datasets = self.datasets.iter().map(|d| (d.name.as_str(), d.owner, d.dataset.as_str(), d.version));
        job_id(&self.parties, self.proposer, nonce, &self.code, datasets)
    }

    /// The party of a peer.
    pub fn party(&self, peer: &PeerId) -> Option<PartyId> {
        u8::try_from(self.parties.iter().position(|party| party.peer == *peer)?).ok().map(PartyId)
    }

    /// The name of a party's organisation, or `party N` for one that is not in the list.
    pub fn organisation(&self, party: PartyId) -> String {
        self.parties.get(party.index()).map_or_else(|| party.to_string(), |entry| entry.organisation.clone())
    }

    /// The form of terms (CHK-301): what does not need the node's own policies and data.
    ///
    /// # Errors
    /// A field breaks a rule, is too large, or asks for what this version does not do.
    pub fn check_form(&self) -> Result<(), TermsError> {
        check_version(self.version)?;
        check_code(&self.code)?;
        check_parties(&self.parties, self.proposer)?;
        check_venue(self.venue, self.parties.len())?;
        check_texts(&self.purpose, &self.analyst)?;
        let heads: Vec<_> =
            self.datasets.iter().map(|d| (d.name.as_str(), d.owner, d.dataset.as_str(), d.version)).collect();
        check_datasets(&heads, &self.parties, self.code.program())?;
        let known = |dataset: &TermsDataset| dataset.rules.receivers.iter().all(|p| p.index() < self.parties.len());
        if !self.datasets.iter().all(known) {
            return Err(TermsError::Field { field: "datasets", rule: "has rules about parties of the job" });
        }
        self.check_receivers()?;
        self.check_disclosures()?;
        check_limits(&self.limits)
    }

    /// Whether these are the terms that follow from a proposal: nothing that the proposal said may have changed
    /// (CHK-302).
    ///
    /// # Errors
    /// `CONTRACT_MISMATCH` with the first field that differs.
    pub fn check_follows(&self, proposal: &Proposal) -> Result<(), TermsError> {
        let datasets = self.datasets.len() == proposal.datasets.len()
            && self.datasets.iter().zip(&proposal.datasets).all(|(ours, theirs)| {
                (&ours.name, ours.owner, &ours.dataset, ours.version, ours.rows)
                    == (&theirs.name, theirs.owner, &theirs.dataset, theirs.version, theirs.schema.rows)
                    && ours.schema == schema_digest(&theirs.schema)
            });
        let own = proposal.own.iter().all(|own| self.holds(own));
        for (field, equal) in [
            ("version", self.version == proposal.version),
            ("code", self.code == proposal.code),
            ("parties", self.parties == proposal.parties && self.proposer == proposal.proposer),
            ("analyst", self.analyst == proposal.analyst),
            ("datasets", datasets && own),
            ("venue", self.venue == proposal.venue),
            ("purpose", self.purpose == proposal.purpose),
            ("limits", self.limits == proposal.limits),
        ] {
            if !equal {
                return Err(TermsError::Mismatch { field });
            }
        }
        Ok(())
    }

    /// Whether the entry of a dataset is what its owner answered (CHK-302).
    pub fn holds(&self, own: &OwnedDataset) -> bool {
        self.datasets.iter().any(|dataset| {
            dataset.name == own.name
                && dataset.input == own.input
                && dataset.policy == own.policy
                && dataset.rules == own.rules
        })
    }

    fn check_receivers(&self) -> Result<(), TermsError> {
        let mut parties = BTreeSet::new();
        for receiver in &self.receivers {
            match receiver {
                Receiver::External { .. } => {
                    return Err(TermsError::Unsupported { what: "a receiver that is no party" });
                }
                Receiver::Party(party) => {
                    if party.index() >= self.parties.len() || parties.last().is_some_and(|last| last >= party) {
                        let rule = "lists parties of the job, ascending";
                        return Err(TermsError::Field { field: "receivers", rule });
                    }
                    parties.insert(*party);
                }
            }
        }
        let released: BTreeSet<PartyId> =
            self.release.outputs.iter().flat_map(|output| output.receivers.iter().copied()).collect();
        if released.is_empty() || released != parties {
            let rule = "is exactly those to whom the release spec releases something";
            return Err(TermsError::Field { field: "receivers", rule });
        }
        Ok(())
    }

    fn check_disclosures(&self) -> Result<(), TermsError> {
        let facts: usize = self.disclosures.iter().map(|learned| learned.facts.len()).sum();
        if facts > limits::FACTS {
            return Err(TermsError::TooBig { field: "disclosures", limit: limits::FACTS });
        }
        let parties = (0..).take(self.parties.len()).map(PartyId);
        if self.disclosures.iter().map(|learned| learned.party).ne(parties) {
            return Err(TermsError::Field { field: "disclosures", rule: "has one entry a party, in their order" });
        }
        Ok(())
    }
}

/// A dataset's name in the program, owner, name at the owner and version.
type DatasetHead<'a> = (&'a str, PartyId, &'a str, u64);

fn job_id<'a>(
    parties: &[TermsParty],
    proposer: PartyId,
    nonce: &Nonce,
    code: &JobCode,
    datasets: impl Iterator<Item = DatasetHead<'a>>,
) -> Result<JobId, TermsError> {
    #[derive(Serialize)]
    struct Name<'a> {
        proposer: PeerId,
        nonce: &'a Nonce,
        code: Digest,
        datasets: Vec<(&'a str, PeerId, &'a str, u64)>,
    }
    let peer = |party: PartyId| {
        let rule = "is a party of the job";
        parties.get(party.index()).map(|p| p.peer).ok_or(TermsError::Field { field: "proposer or owner", rule })
    };
    let datasets = datasets
        .map(|(name, owner, dataset, version)| Ok((name, peer(owner)?, dataset, version)))
        .collect::<Result<_, TermsError>>()?;
    let name = Name { proposer: peer(proposer)?, nonce, code: code.digest(), datasets };
    Ok(JobId::from(digest("tacit/job/1", &name)))
}

fn check_version(found: u16) -> Result<(), TermsError> {
    if found == TERMS_VERSION { Ok(()) } else { Err(TermsError::Version { found }) }
}

fn check_code(code: &JobCode) -> Result<(), TermsError> {
    use crate::program::limits as program_limits;
    match code {
        JobCode::Sql(_) => Err(TermsError::Unsupported { what: "SQL" }),
        JobCode::Python(_) => Err(TermsError::Unsupported { what: "Python" }),
        JobCode::Program(program) => {
            let bytes = serde_json::to_vec(program).map_or(usize::MAX, |json| json.len());
            let nodes = program.nodes.len() + program.blocks.iter().map(|block| block.nodes.len()).sum::<usize>();
            for (field, size, limit) in [
                ("program", bytes, program_limits::PROGRAM_BYTES),
                ("program.nodes", nodes, program_limits::NODES),
                ("program.outputs", program.outputs.len(), program_limits::OUTPUTS),
            ] {
                if size > limit {
                    return Err(TermsError::TooBig { field, limit });
                }
            }
            Ok(())
        }
    }
}

fn check_parties(parties: &[TermsParty], proposer: PartyId) -> Result<(), TermsError> {
    let field = "parties";
    if parties.len() > limits::PARTIES {
        return Err(TermsError::TooBig { field, limit: limits::PARTIES });
    }
    if parties.len() < 2 {
        return Err(TermsError::Field { field, rule: "has at least two entries" });
    }
    if !parties.windows(2).all(|pair| pair[0].peer < pair[1].peer) {
        return Err(TermsError::Field { field, rule: "is ascending by peer id, each once" });
    }
    if parties.iter().any(|party| name::check_organisation(&party.organisation).is_err()) {
        return Err(TermsError::Field { field, rule: "has well-formed organisation names" });
    }
    let skeletons: BTreeSet<String> = parties.iter().map(|party| name::skeleton(&party.organisation)).collect();
    if skeletons.len() < parties.len() {
        return Err(TermsError::Field { field, rule: "has names that cannot be taken for each other" });
    }
    if proposer.index() >= parties.len() {
        return Err(TermsError::Field { field: "proposer", rule: "is a party of the job" });
    }
    Ok(())
}

fn check_venue(venue: Venue, parties: usize) -> Result<(), TermsError> {
    match venue {
        Venue::Cvm => Err(TermsError::Unsupported { what: "the venue cvm" }),
        Venue::TwoParty if parties != 2 => {
            Err(TermsError::Field { field: "venue", rule: "is two-party for exactly two parties" })
        }
        Venue::TwoParty => Ok(()),
    }
}

fn check_texts(purpose: &str, analyst: &str) -> Result<(), TermsError> {
    if purpose.chars().count() > limits::PURPOSE_CHARS || purpose.chars().any(name::is_forbidden) {
        return Err(TermsError::Field { field: "purpose", rule: "is one line of at most 200 characters" });
    }
    if name::check_organisation(analyst).is_err() {
        return Err(TermsError::Field { field: "analyst", rule: "is a well-formed name" });
    }
    Ok(())
}

fn check_datasets(
    datasets: &[DatasetHead<'_>],
    parties: &[TermsParty],
    program: Option<&Program>,
) -> Result<(), TermsError> {
    let field = "datasets";
    if datasets.len() > limits::DATASETS {
        return Err(TermsError::TooBig { field, limit: limits::DATASETS });
    }
    if !datasets.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        return Err(TermsError::Field { field, rule: "is ascending by name, each once" });
    }
    for (name, owner, dataset, version) in datasets {
        if owner.index() >= parties.len() {
            return Err(TermsError::Field { field, rule: "has owners that are parties of the job" });
        }
        let named = name
            .rsplit_once('/')
            .is_some_and(|(prefix, last)| last == *dataset && name::check_organisation(prefix).is_ok());
        if !named || name::check_dataset(dataset).is_err() || *version == 0 {
            return Err(TermsError::Field { field, rule: "has names owner/dataset and versions from 1" });
        }
    }
    let loaded: BTreeSet<&str> = program
        .iter()
        .flat_map(|program| program.nodes.iter().chain(program.blocks.iter().flat_map(|block| &block.nodes)))
        .filter_map(|node| match &node.op {
            crate::program::Op::Load { dataset } => Some(dataset.as_str()),
            _ => None,
        })
        .collect();
    if loaded.into_iter().ne(datasets.iter().map(|dataset| dataset.0)) {
        return Err(TermsError::Field { field, rule: "is exactly what the program loads" });
    }
    Ok(())
}

fn check_limits(limits: &RunLimits) -> Result<(), TermsError> {
    if limits.seconds == 0 || limits.bytes == 0 {
        return Err(TermsError::Field { field: "limits", rule: "allows some time and some bytes" });
    }
    Ok(())
}

/// Whether a job can be among so many organisations: its proposer and those whose datasets its program reads.
///
/// # Errors
/// `PROGRAM_VENUE` unless they are two.
pub fn check_owners(count: usize) -> Result<(), Failure> {
    let (message, next) = match count {
        2 => return Ok(()),
        1 => (
            "all of the program's datasets are this organisation's own",
            "compute it on your own tables; a joint job reads data of another organisation.",
        ),
        _ => (
            "the program reads data of more than two organisations, which needs the venue cvm",
            "reduce it to two owners: this version runs the venue two-party.",
        ),
    };
    Err(Failure::new(Code::new("PROGRAM_VENUE"), message, next))
}

/// Who receives each output: the organisations that it names, or the proposer.
///
/// # Errors
/// `PROGRAM_RECEIVER` if one is no party of the job.
pub fn receivers(
    program: &Program,
    proposer: PartyId,
    party_named: impl Fn(&str) -> Option<PartyId>,
) -> Result<BTreeMap<String, Vec<PartyId>>, Failure> {
    let mut all = BTreeMap::new();
    for output in &program.outputs {
        let mut parties = BTreeSet::new();
        for name in &output.receivers {
            parties.insert(party_named(name).ok_or_else(|| {
                let message = format!("the output {:?} goes to {name:?}, which is no party of the job", output.name);
                let next = "name an organisation whose data the program reads; other receivers are not supported yet.";
                Failure::new(Code::new("PROGRAM_RECEIVER"), message, next)
            })?);
        }
        if parties.is_empty() {
            parties.insert(proposer);
        }
        all.insert(output.name.clone(), parties.into_iter().collect());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::digest;
    use crate::fixtures::{self, any_digest, owned};
    use crate::program::{Op, limits as program_limits};

    fn proposal(change: impl FnOnce(&mut Proposal)) -> Result<(), TermsError> {
        let mut proposal = fixtures::proposal();
        change(&mut proposal);
        proposal.check_form()
    }

    fn terms(change: impl FnOnce(&mut Terms)) -> Result<(), TermsError> {
        let mut terms = fixtures::terms();
        change(&mut terms);
        terms.check_form()
    }

    fn field(result: Result<(), TermsError>) -> &'static str {
        match result {
            Err(TermsError::Field { field, .. } | TermsError::TooBig { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_proposal_and_its_terms_have_the_same_job_id() {
        let (proposal, terms) = (fixtures::proposal(), fixtures::terms());
        assert_eq!(proposal.check_form(), Ok(()));
        assert_eq!(terms.check_form(), Ok(()));
        assert_eq!(terms.check_follows(&proposal), Ok(()));
        assert_eq!(proposal.job_id(), terms.job_id(&proposal.nonce));
    }

    #[test]
    fn another_proposer_nonce_program_or_dataset_is_another_job_chk_203() {
        let id = |change: fn(&mut Proposal)| {
            let mut proposal = fixtures::proposal();
            change(&mut proposal);
            proposal.job_id().expect("a job id")
        };
        let same = id(|_| ());
        assert_eq!(same, id(|p| p.purpose = "other".into()), "a purpose does not make another job");
        for change in [
            (|p| p.proposer = p.proposer.other()) as fn(&mut Proposal),
            |p| p.nonce = Nonce::from_bytes([1; 16]),
            |p| p.datasets[0].version += 1,
            |p| {
                if let JobCode::Program(program) = &mut p.code {
                    program.outputs[0].name = "n".into();
                }
            },
        ] {
            assert_ne!(same, id(change));
        }
        let mut proposal = fixtures::proposal();
        proposal.proposer = PartyId(2);
        assert!(proposal.job_id().is_err());
        // Other bytes under the same id are seen by the digest.
        let mut other = fixtures::proposal();
        other.purpose = "other".into();
        assert_ne!(other.digest(), fixtures::proposal().digest());
    }

    #[test]
    fn what_this_version_does_not_do_is_refused_by_name() {
        for (what, result) in [
            ("SQL", proposal(|p| p.code = JobCode::Sql("select 1".into()))),
            ("Python", proposal(|p| p.code = JobCode::Python("1".into()))),
            ("the venue cvm", proposal(|p| p.venue = Venue::Cvm)),
            ("the venue cvm", terms(|t| t.venue = Venue::Cvm)),
            (
                "a receiver that is no party",
                terms(|t| {
                    let key = SealKey::from_bytes([1; 32]);
                    t.receivers.push(Receiver::External { name: "x".into(), key });
                }),
            ),
        ] {
            assert_eq!(result, Err(TermsError::Unsupported { what }));
        }
        assert_eq!(proposal(|p| p.version = 2), Err(TermsError::Version { found: 2 }));
    }

    #[test]
    fn a_proposal_that_is_too_big_is_refused_chk_201() {
        let with = |change: fn(&mut Program)| {
            let result = proposal(|p| {
                if let JobCode::Program(program) = &mut p.code {
                    change(program);
                }
            });
            let code = result.clone().expect_err("refused").code();
            assert_eq!(code.as_str(), "PROPOSAL_TOO_BIG");
            field(result)
        };
        assert_eq!(with(|p| p.nodes[6].name = Some("x".repeat(program_limits::PROGRAM_BYTES))), "program");
        assert_eq!(with(|p| p.outputs = vec![p.outputs[0].clone(); program_limits::OUTPUTS + 1]), "program.outputs");
        let many = |p: &mut Program| {
            for _ in 0..=program_limits::NODES {
                p.push(Op::Parameter { index: 0 });
            }
        };
        assert!(matches!(with(many), "program" | "program.nodes"));
    }

    #[test]
    fn parties_are_two_known_by_name_and_in_order() {
        assert_eq!(field(proposal(|p| p.parties.reverse())), "parties");
        assert_eq!(field(proposal(|p| p.parties.truncate(1))), "parties");
        assert_eq!(field(proposal(|p| p.parties = vec![p.parties[0].clone(); 17])), "parties");
        assert_eq!(field(proposal(|p| p.parties[1] = p.parties[0].clone())), "parties");
        assert_eq!(field(proposal(|p| p.parties[1].organisation = "a\u{202E}b".into())), "parties");
        assert_eq!(
            field(proposal(|p| p.parties[1].organisation = p.parties[0].organisation.to_uppercase())),
            "parties"
        );
        assert_eq!(field(proposal(|p| p.proposer = PartyId(2))), "proposer");
        let third = TermsParty { peer: crate::Identity::from_seed(&[3; 32]).peer(), organisation: "Third".into() };
        let three = proposal(|p| p.parties = in_canonical_order([p.parties.clone(), vec![third]].concat()));
        assert_eq!(field(three), "venue");
    }

    #[test]
    fn datasets_are_what_the_program_loads() {
        assert_eq!(field(proposal(|p| p.datasets.reverse())), "datasets");
        assert_eq!(field(proposal(|p| drop(p.datasets.pop()))), "datasets");
        assert_eq!(field(proposal(|p| p.datasets[0].owner = PartyId(2))), "datasets");
        assert_eq!(field(proposal(|p| p.datasets[0].version = 0)), "datasets");
        assert_eq!(field(proposal(|p| p.datasets[0].dataset = "other".into())), "datasets");
        assert_eq!(field(proposal(|p| p.datasets[0].name = "a\u{202E}/accounts".into())), "datasets");
        assert_eq!(field(terms(|t| t.datasets[0].rules.receivers = [PartyId(2)].into())), "datasets");
        assert_eq!(field(proposal(|p| p.own.clear())), "own");
        assert_eq!(field(proposal(|p| p.own[0].name = "maison/customers".into())), "own");
    }

    #[test]
    fn texts_and_limits_have_a_form() {
        assert_eq!(field(proposal(|p| p.purpose = "x".repeat(201))), "purpose");
        assert_eq!(field(proposal(|p| p.purpose = "a\nb".into())), "purpose");
        assert_eq!(field(proposal(|p| p.analyst = "\u{7}".into())), "analyst");
        assert_eq!(field(proposal(|p| p.limits.seconds = 0)), "limits");
    }

    #[test]
    fn receivers_and_disclosures_fit_the_parties() {
        assert_eq!(field(terms(|t| t.receivers.clear())), "receivers");
        assert_eq!(field(terms(|t| t.receivers = vec![Receiver::Party(PartyId(2))])), "receivers");
        assert_eq!(field(terms(|t| t.receivers.push(t.receivers[0].clone()))), "receivers");
        let other = |t: &mut Terms| t.receivers = vec![Receiver::Party(fixtures::party("Maison"))];
        assert_eq!(field(terms(other)), "receivers");
        assert_eq!(field(terms(|t| t.disclosures.reverse())), "disclosures");
        assert_eq!(field(terms(|t| drop(t.disclosures.pop()))), "disclosures");
        let many = |t: &mut Terms| {
            let fact = crate::program::disclosure::Fact::Undefined { output: "x".into() };
            t.disclosures[0].facts = vec![fact; limits::FACTS + 1];
        };
        assert_eq!(field(terms(many)), "disclosures");
    }

    #[test]
    fn terms_that_do_not_follow_from_the_proposal_are_refused_chk_302() {
        let follows = |change: fn(&mut Terms)| {
            let mut terms = fixtures::terms();
            change(&mut terms);
            match terms.check_follows(&fixtures::proposal()) {
                Err(TermsError::Mismatch { field }) => field,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(follows(|t| t.version = 2), "version");
        assert_eq!(follows(|t| t.code = JobCode::Sql(String::new())), "code");
        assert_eq!(follows(|t| t.parties[0].organisation = "Other".into()), "parties");
        assert_eq!(follows(|t| t.proposer = t.proposer.other()), "parties");
        assert_eq!(follows(|t| t.analyst = "eve".into()), "analyst");
        assert_eq!(follows(|t| t.datasets[1].version = 4), "datasets");
        assert_eq!(follows(|t| t.datasets[1].rows = 4), "datasets");
        assert_eq!(follows(|t| t.datasets[1].schema = any_digest()), "datasets");
        assert_eq!(follows(|t| t.datasets[0].rules.minimum_rows = 1), "datasets");
        assert_eq!(follows(|t| t.purpose = "other".into()), "purpose");
        assert_eq!(follows(|t| t.limits.bytes += 1), "limits");
        assert!(fixtures::terms().holds(&owned("maison/customers")));
        let altered = OwnedDataset { input: any_digest(), ..owned("maison/customers") };
        assert!(!fixtures::terms().holds(&altered));
    }

    #[test]
    fn a_program_has_one_digest_however_it_is_named() {
        let program = fixtures::program();
        assert_eq!(program_digest(&program), JobCode::Program(program.clone()).digest());
        assert_ne!(program_digest(&program), digest("tacit/program/1", &program));
    }

    #[test]
    fn unknown_organisations_are_named_by_place() {
        assert_eq!(fixtures::terms().organisation(PartyId(9)), "party 9");
    }
}
