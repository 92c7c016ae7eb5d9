//! The decisions of a negotiation: what a proposal says, whether this node's policies allow it, and the terms and the
//! contract that follow. All are functions of messages, own records and time; nothing here waits or writes.
//!
//! Both sides derive the terms from the same proposal and the rules of all owners, so nothing that the proposer says
//! of types, ranges, release or disclosures is taken on trust (CHK-207, CHK-212, CHK-302).

use std::collections::{BTreeMap, BTreeSet};

use tacit_protocol::canonical::Digest;
use tacit_protocol::contract::{CONTRACT_VERSION, ChannelOffer, Contract, ContractError, Profile, Suite};
use tacit_protocol::identity::PeerId;
use tacit_protocol::job::JobId;
use tacit_protocol::messages::{Acceptance, PeerFailure};
pub use tacit_protocol::policy::quota::Remembered;
use tacit_protocol::policy::{Policy, Query};
use tacit_protocol::program::disclosure::{self, Analysis};
use tacit_protocol::program::infer::{TypedProgram, infer};
use tacit_protocol::program::release::ReleaseSpec;
use tacit_protocol::program::rules::{DatasetRules, Refusal};
use tacit_protocol::program::types::Dataset;
use tacit_protocol::program::{Alignment, NodeId, Op, Program};
use tacit_protocol::schema::TableSchema;
use tacit_protocol::terms::{
    OwnedDataset, Proposal, Receiver, TERMS_VERSION, Terms, TermsDataset, TermsParty, schema_digest,
};
use tacit_protocol::{Code, Failure, PartyId};

use super::history::Lineage;

/// How long after its signing a contract may start, in seconds.
const START_SECONDS: u64 = 300;
/// The window of `jobs_per_day`.
pub(super) const DAY_SECONDS: u64 = 24 * 3600;

/// A dataset of this node, as negotiations see it.
#[derive(Clone, Debug)]
pub struct OwnData {
    /// Its version.
    pub version: u64,
    /// Its lineage, which histories follow.
    pub lineage: Lineage,
    /// Its schema.
    pub schema: TableSchema,
    /// The salted commitment to its rows (CHK-506).
    pub root: Digest,
    /// Its policy.
    pub policy: Policy,
}

/// Finds something that this node may know.
pub type Lookup<'a, Key, Value> = dyn Fn(&Key) -> Option<Value> + 'a;

/// How often a dataset is used, as its policy limits it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Jobs of the asking peer that began within a day and were not refused.
    pub today: u32,
    /// Jobs of anyone that have not ended.
    pub running: u32,
}

/// Finds a dataset of this node, or says that its disk has failed.
pub type OwnOf<'a> = dyn Fn(&str) -> Result<Option<OwnData>, Failure> + 'a;

/// Says how often a dataset, by its name in programs, is used by a peer, not counting one job.
pub type UsageOf<'a> = dyn Fn(&str, &PeerId, Option<JobId>) -> Usage + 'a;

/// Says whether what a release costs one party's datasets fits into what is left of their privacy budgets.
pub type BudgetOf<'a> = dyn Fn(&Proposal, &ReleaseSpec, PartyId) -> Result<(), Failure> + 'a;

/// Says what is remembered for a dataset of this node and a proposal.
pub type HistoryOf<'a> = dyn Fn(&str, &OwnData, &Proposal) -> Result<Remembered, Failure> + 'a;

/// What this node knows beside the proposal.
pub struct Knowledge<'a> {
    /// This node.
    pub me: PeerId,
    /// Its datasets by name.
    pub own: Box<OwnOf<'a>>,
    /// The name under which a peer is paired, or this node's own.
    pub name_of: Box<Lookup<'a, PeerId, String>>,
    /// What counts against the limits of policies.
    pub usage: Box<UsageOf<'a>>,
    /// What is left of privacy budgets.
    pub budget: Box<BudgetOf<'a>>,
    /// What earlier jobs told of its datasets.
    pub history: Box<HistoryOf<'a>>,
    /// Unix seconds.
    pub now: u64,
}

/// Why a proposal does not go through.
#[derive(Clone, Debug)]
pub enum Rejected {
    /// It is wrong, or this node cannot do it.
    Failure(Failure),
    /// Policies or disclosure rules forbid it.
    Forbidden(Vec<Refusal>),
}

/// What follows from a proposal and the rules of all owners.
#[derive(Debug)]
pub struct Derived {
    /// The program with its types.
    pub typed: TypedProgram,
    /// The release spec and what each party learns.
    pub analysis: Analysis,
    /// Who receives anything.
    pub receivers: BTreeSet<PartyId>,
}

/// This node's answer to a proposal that it may accept.
#[derive(Debug)]
pub struct Review {
    /// What follows from it; none at the proposer, who does not know the other owner's rules yet.
    pub derived: Option<Derived>,
    /// This node's datasets in it, by the program's name for them, with their rules.
    pub own: Vec<(String, OwnData, DatasetRules)>,
    /// Whether a policy wants the operator to be asked.
    pub ask: bool,
}

/// Whether a dataset is in use by as many jobs as its policy allows at a time.
fn is_busy(refusal: &Refusal) -> bool {
    refusal.clause == "query.concurrent_jobs"
}

impl Rejected {
    /// Whether all that is in the way are other jobs that use the datasets now.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Forbidden(refusals) if !refusals.is_empty() && refusals.iter().all(is_busy))
    }

    /// As this node's own people see it.
    pub fn to_failure(&self, organisation: impl Fn(PartyId) -> String) -> Failure {
        match self {
            Self::Failure(failure) => failure.clone(),
            Self::Forbidden(refusals) => {
                let Some(first) = refusals.first() else {
                    return Failure::new(Code::new("POLICY_QUERIER"), "the proposal is refused", "ask its owner.");
                };
                let more = match refusals.len() {
                    1 => String::new(),
                    count => format!(" (and {} more)", count - 1),
                };
                let message = format!("{} of {}: {}{more}", first.clause, first.dataset, first.cause);
                Failure::new(first.code.clone(), message, &first.change).by_party(organisation(first.owner))
            }
        }
    }

    /// As the proposing peer hears it. A wrong proposal is the proposer's own, so it hears all of it.
    pub fn to_peer(&self) -> PeerFailure {
        match self {
            Self::Failure(failure) => PeerFailure::new(failure.code.clone(), &failure.message, &failure.next),
            Self::Forbidden(refusals) => PeerFailure::refused(refusals),
        }
    }
}

impl From<Failure> for Rejected {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Judges a proposal by this node's data and policies. Used by every owner, the proposer included.
///
/// # Errors
/// The proposal is malformed, stale or forbidden. It depends on program, policies, schemas and public sizes only
/// (CHK-214).
pub fn review(proposal: &Proposal, knowledge: &Knowledge<'_>) -> Result<Review, Rejected> {
    proposal.check_form().map_err(|error| {
        Failure::new(error.code(), error.to_string(), "propose the job again with a node of the same version.")
    })?;
    let me = own_party(proposal, knowledge)?;
    check_names(proposal, knowledge)?;
    let own = own_datasets(proposal, me, knowledge)?;
    let mut known: BTreeMap<String, DatasetRules> =
        proposal.own.iter().map(|dataset| (dataset.name.clone(), dataset.rules.clone())).collect();
    let mut refusals = Vec::new();
    let mut reviewed = Vec::new();
    let job = proposal.job_id().ok();
    let TermsParty { peer, organisation: proposer } = &proposal.parties[proposal.proposer.index()];
    for (name, data) in own {
        let alignments = alignments_of(proposal, &name);
        let usage = (knowledge.usage)(&name, peer, job);
        let query = Query {
            dataset: &name,
            owner: me,
            querier: (proposal.proposer != me).then_some(proposer.as_str()),
            purpose: &proposal.purpose,
            venue: proposal.venue,
            alignments: &alignments,
            code: proposal.code.digest(),
            now: knowledge.now,
            jobs_today: usage.today,
            jobs_running: usage.running,
        };
        refusals.extend(data.policy.check_query(&query));
        let remembered = (knowledge.history)(&name, &data, proposal)?;
        let (history, more) = data.policy.check_earlier(&query, remembered);
        refusals.extend(more);
        let own_rules = DatasetRules { history, ..rules(&data.policy, proposal) };
        known.insert(name.clone(), own_rules.clone());
        reviewed.push((name, data, own_rules));
    }
    let all_known = proposal.datasets.iter().all(|dataset| known.contains_key(&dataset.name));
    let derived = match all_known {
        true => derive(proposal, &known).map(Some),
        false => typed(proposal).map(|_| None).map_err(Rejected::from),
    };
    // All that forbids it is told at once; a program that is wrong beside is not.
    let derived = match derived {
        Err(Rejected::Forbidden(more)) => {
            refusals.extend(more.into_iter().filter(|refusal| {
                refusal.code.as_str() != "POLICY_ALIGNMENT"
                    || !reviewed.iter().any(|(name, _, _)| *name == refusal.dataset)
            }));
            None
        }
        Err(failure) if refusals.is_empty() => return Err(failure),
        Err(_) => None,
        Ok(derived) => derived,
    };
    if !refusals.is_empty() {
        // CHK-214: how many others use a dataset is told to nobody who may not wait for them.
        if !refusals.iter().all(is_busy) {
            refusals.retain(|refusal| !is_busy(refusal));
        }
        return Err(Rejected::Forbidden(refusals));
    }
    if let Some(derived) = &derived {
        (knowledge.budget)(proposal, &derived.analysis.release, me)?;
    }
    let typed = typed(proposal)?;
    let ask = proposal.proposer != me && reviewed.iter().any(|(_, data, _)| data.policy.asks(&typed));
    Ok(Review { derived, own: reviewed, ask })
}

/// The part of a review that is repeated right before the run: policies and datasets may have changed since the
/// contract was signed (CHK-306). Limits on the number of jobs were judged when the job came.
///
/// # Errors
/// `CONTRACT_SUPERSEDED` with what is in the way now as its cause: for this node's people, and as the peer may hear it.
pub fn still_allowed(
    proposal: &Proposal,
    contract: &Contract,
    knowledge: &Knowledge<'_>,
) -> Result<(), Box<(Failure, PeerFailure)>> {
    let Err(rejected) = review(proposal, knowledge).and_then(|review| same_policies(&review, contract)) else {
        return Ok(());
    };
    let code = Code::new("CONTRACT_SUPERSEDED");
    let text = |code: &Code, cause: &str| format!("changed since the contract was signed: {code}: {cause}");

    let organisation = |party: PartyId| proposal.parties.get(party.index()).map(|party| party.organisation.clone());
    let inner = rejected.to_failure(|party| organisation(party).unwrap_or_default());
    let mut failure = Failure::new(code.clone(), text(&inner.code, &inner.message), inner.next);
    failure.party = inner.party.or_else(|| (knowledge.name_of)(&knowledge.me));

    let inner = rejected.to_peer();
    let mut told = PeerFailure::new(code, text(&inner.code, &inner.message.to_string()), inner.next.to_string());
    told.refusals = inner.refusals;
    Err(Box::new((failure, told)))
}

/// A stricter policy that would still allow the job has other gates and roundings than the contract.
fn same_policies(review: &Review, contract: &Contract) -> Result<(), Rejected> {
    let agreed = |name: &str| contract.terms.datasets.iter().find(|dataset| dataset.name == name);
    let changed =
        review.own.iter().find(|(name, data, _)| agreed(name).is_none_or(|a| a.policy != data.policy.digest()));
    let Some((name, ..)) = changed else { return Ok(()) };
    let message = format!("the policy of {name} is another");
    Err(Failure::new(Code::new("POLICY_CHANGED"), message, "submit the job again.").into())
}

/// How a program aligns the rows of a dataset.
pub(super) fn alignments_of(proposal: &Proposal, dataset: &str) -> Vec<Alignment> {
    let Ok(typed) = typed(proposal) else { return alignments(proposal) };
    let nodes = typed.program().nodes.iter().zip(0..);
    let used: BTreeSet<Alignment> = nodes
        .filter_map(|(node, place)| match node.op {
            Op::Join { alignment, .. } => {
                let table = typed.table(NodeId(place))?;
                table.columns.iter().any(|column| column.dataset == dataset).then_some(alignment)
            }
            _ => None,
        })
        .collect();
    used.into_iter().collect()
}

/// How a program aligns rows.
pub(super) fn alignments(proposal: &Proposal) -> Vec<Alignment> {
    let nodes = proposal.code.program().map(|program| program.nodes.as_slice()).unwrap_or_default();
    let used: BTreeSet<Alignment> = nodes
        .iter()
        .filter_map(|node| match node.op {
            Op::Join { alignment, .. } => Some(alignment),
            _ => None,
        })
        .collect();
    used.into_iter().collect()
}

/// The program of a proposal with its types.
///
/// # Errors
/// The program is wrong.
pub fn typed(proposal: &Proposal) -> Result<TypedProgram, Failure> {
    let program = program(proposal)?;
    let datasets: BTreeMap<String, Dataset> = proposal
        .datasets
        .iter()
        .map(|dataset| (dataset.name.clone(), Dataset { owner: dataset.owner, schema: dataset.schema.clone() }))
        .collect();
    if let Some(node) = program.handed_in() {
        let message = format!("{node} of the program is an array that is handed in; a job reads datasets");
        let next = "read a column of a dataset, or run the program in a direct session.";
        return Err(Failure::new(Code::new("PROGRAM_INPUT"), message, next));
    }
    Ok(infer(program, &datasets)?)
}

/// What follows from a proposal and the rules of all its datasets.
///
/// # Errors
/// The program is wrong, or the analysis refuses it.
pub fn derive(proposal: &Proposal, rules: &BTreeMap<String, DatasetRules>) -> Result<Derived, Rejected> {
    let typed = typed(proposal)?;
    let by_output = receivers(proposal, typed.program())?;
    let receivers = by_output.values().flatten().copied().collect();
    let analysis = disclosure::analyse(&typed, rules, &by_output).map_err(Rejected::Forbidden)?;
    Ok(Derived { typed, analysis, receivers })
}

/// The terms: the proposal with every owner's part. All sides call this and compare.
///
/// # Errors
/// An owner's part is missing, or as [`derive`].
pub fn complete(proposal: &Proposal, parts: &[OwnedDataset]) -> Result<(Terms, Derived), Rejected> {
    let parts: BTreeMap<&str, &OwnedDataset> =
        proposal.own.iter().chain(parts).map(|part| (part.name.as_str(), part)).collect();
    let mut datasets = Vec::new();
    for dataset in &proposal.datasets {
        let part = parts.get(dataset.name.as_str()).ok_or_else(|| {
            let message = format!("the owner of {} did not say its part", dataset.name);
            Failure::new(Code::new("CONTRACT_FIELD"), message, "ask its operator for the node's version.")
        })?;
        datasets.push(TermsDataset {
            name: dataset.name.clone(),
            owner: dataset.owner,
            dataset: dataset.dataset.clone(),
            version: dataset.version,
            schema: schema_digest(&dataset.schema),
            rows: dataset.schema.rows,
            input: part.input,
            policy: part.policy,
            rules: part.rules.clone(),
        });
    }
    let rules = datasets.iter().map(|dataset| (dataset.name.clone(), dataset.rules.clone())).collect();
    let derived = derive(proposal, &rules)?;
    let terms = Terms {
        version: TERMS_VERSION,
        code: proposal.code.clone(),
        parties: proposal.parties.clone(),
        proposer: proposal.proposer,
        analyst: proposal.analyst.clone(),
        datasets,
        release: derived.analysis.release.clone(),
        receivers: derived.receivers.iter().copied().map(Receiver::Party).collect(),
        venue: proposal.venue,
        purpose: proposal.purpose.clone(),
        disclosures: derived.analysis.learned.clone(),
        limits: proposal.limits,
    };
    Ok((terms, derived))
}

/// One side's entries in a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its place.
    pub party: PartyId,
    /// Its profile.
    pub profile: Profile,
    /// Its data channel.
    pub channel: ChannelOffer,
}

/// The contract of a run, as the proposer writes it.
///
/// # Errors
/// `PLAN_VERSION` if the sides have no planner in common.
pub fn contract(
    proposal: &Proposal,
    terms: Terms,
    own: &Part,
    acceptance: &Acceptance,
    ring_bits: u16,
    now: u64,
) -> Result<Contract, Failure> {
    let planner_version = PLANNER_VERSION;
    if !acceptance.planner_versions.contains(&planner_version) {
        let message = format!("the peer's planners {:?} do not include this node's", acceptance.planner_versions);
        return Err(Failure::new(Code::new("PLAN_VERSION"), message, "bring both nodes to one version."));
    }
    let peer = Part { party: own.party.other(), profile: acceptance.profile, channel: acceptance.channel.clone() };
    let mut parts = [own.clone(), peer];
    parts.sort_by_key(|part| part.party);
    let start_by = now + START_SECONDS;
    Ok(Contract {
        version: CONTRACT_VERSION,
        terms_digest: terms.digest(),
        job: proposal.job_id().map_err(|error| Failure::new(error.code(), error.to_string(), ""))?,
        terms,
        nonce: proposal.nonce,
        start_by,
        deadline: start_by + u64::from(proposal.limits.seconds),
        profiles: parts.iter().map(|part| part.profile).collect(),
        planner_version,
        suite: Suite::CURRENT,
        ring_bits,
        channels: parts.iter().map(|part| part.channel.clone()).collect(),
        evidence: vec![None; parts.len()],
    })
}

/// The planner whose plans this node runs.
pub const PLANNER_VERSION: u16 = tacit_mpc::plan::PLANNER_VERSION;

/// A contract that does not hold, for this node's people.
pub fn refused_contract(error: ContractError) -> Failure {
    Failure::new(error.code(), error.to_string(), "submit the job again.")
}

/// Compares a contract with what this owner derives from the proposal and its own acceptance (CHK-302, CHK-303).
///
/// # Errors
/// `CONTRACT_*`, naming the first field that differs.
pub fn check_contract(
    contract: &Contract,
    proposal: &Proposal,
    acceptance: &Acceptance,
    own: PartyId,
    ring_bits: u16,
    now: u64,
) -> Result<(), Failure> {
    let wrong = |field: &str| {
        let message = format!("the contract's {field} is not what this node derives");
        Failure::new(Code::new("CONTRACT_MISMATCH"), message, "bring both nodes to one version and submit again.")
    };
    contract.check_form().map_err(refused_contract)?;
    let (terms, _) = complete(proposal, &acceptance.datasets).map_err(|_| wrong("terms"))?;
    let place = own.index();
    let checks = [
        ("terms", contract.terms == terms),
        ("nonce", contract.nonce == proposal.nonce),
        ("profile", contract.profiles.get(place) == Some(&acceptance.profile)),
        ("channel", contract.channels.get(place) == Some(&acceptance.channel)),
        ("deadline", contract.deadline == contract.start_by.saturating_add(proposal.limits.seconds.into())),
        ("planner version", acceptance.planner_versions.contains(&contract.planner_version)),
        ("ring", contract.ring_bits == ring_bits),
        ("evidence", contract.evidence.iter().all(Option::is_none)),
    ];
    if let Some((field, _)) = checks.into_iter().find(|(_, holds)| !holds) {
        return Err(wrong(field));
    }
    contract.check_suite(&Suite::CURRENT).map_err(refused_contract)?;
    contract.check_time(now).map_err(refused_contract)
}

fn program(proposal: &Proposal) -> Result<&Program, Failure> {
    proposal.code.program().ok_or_else(|| {
        Failure::new(Code::new("TERMS_UNSUPPORTED"), "only programs run in this version", "submit a program.")
    })
}

fn own_party(proposal: &Proposal, knowledge: &Knowledge<'_>) -> Result<PartyId, Failure> {
    let place = proposal.parties.iter().position(|party| party.peer == knowledge.me);
    place.and_then(|place| u8::try_from(place).ok()).map(PartyId).ok_or_else(|| {
        Failure::new(Code::new("CONTRACT_FIELD"), "this node is no party of the proposal", "check the datasets' names.")
    })
}

/// Organisations are called by the names under which they are paired, so that policies mean the same peers.
fn check_names(proposal: &Proposal, knowledge: &Knowledge<'_>) -> Result<(), Failure> {
    let foreign = proposal
        .parties
        .iter()
        .find(|party| (knowledge.name_of)(&party.peer).is_none_or(|name| name != party.organisation));
    match foreign {
        None => Ok(()),
        Some(party) => {
            let message = format!("{:?} is not the name under which this node knows that peer", party.organisation);
            Err(Failure::new(Code::new("PEER_NAME"), message, "pair the organisations with each other again."))
        }
    }
}

/// This node's datasets in the proposal. Unknown, forbidden and changed ones are told apart only where the proposer
/// may see the dataset (CHK-205, CHK-206).
fn own_datasets(
    proposal: &Proposal,
    me: PartyId,
    knowledge: &Knowledge<'_>,
) -> Result<Vec<(String, OwnData)>, Failure> {
    let proposer = proposal.parties.get(proposal.proposer.index()).map(|party| party.organisation.as_str());
    let mut found = Vec::new();
    for dataset in proposal.datasets.iter().filter(|dataset| dataset.owner == me) {
        let data = (knowledge.own)(&dataset.dataset)?
            .filter(|data| {
                proposal.proposer == me || proposer.is_some_and(|name| data.policy.is_visible_to(name, knowledge.now))
            })
            .ok_or_else(|| unknown_dataset(&dataset.name))?;
        if data.version != dataset.version || data.schema != dataset.schema {
            let message = format!("{} has changed since the proposer saw it", dataset.name);
            let next = "look at `tacit catalogue` and submit the job again.";
            return Err(Failure::new(Code::new("DATASET_STALE"), message, next));
        }
        found.push((dataset.name.clone(), data));
    }
    Ok(found)
}

/// The one answer to a dataset that is not there and to one that the asker may not see (CHK-205).
pub fn unknown_dataset(name: &str) -> Failure {
    let message = format!("there is no dataset {name:?} that this organisation may use");
    Failure::new(Code::new("DATASET_UNKNOWN"), message, "see `tacit catalogue`.")
}

/// What a policy says about the parties of a proposal.
pub fn rules(policy: &Policy, proposal: &Proposal) -> DatasetRules {
    policy.rules(|organisation| party_named(proposal, organisation))
}

fn party_named(proposal: &Proposal, organisation: &str) -> Option<PartyId> {
    let place = proposal.parties.iter().position(|party| party.organisation == organisation)?;
    u8::try_from(place).ok().map(PartyId)
}

/// Who receives each output: the organisations named, or the proposer.
pub(super) fn receivers(proposal: &Proposal, program: &Program) -> Result<BTreeMap<String, Vec<PartyId>>, Failure> {
    tacit_protocol::terms::receivers(program, proposal.proposer, |name| party_named(proposal, name))
}

#[cfg(test)]
pub(crate) mod tests;
