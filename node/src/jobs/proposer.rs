//! The job at the node whose analyst asks.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tacit_protocol::api::SubmitRequest;
use tacit_protocol::api::policies::SubmitOptions;
use tacit_protocol::canonical::Nonce;
use tacit_protocol::identity::PeerId;
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::log::LogKind;
use tacit_protocol::messages::{Acceptance, ProposalAnswer, Readiness, Request, Response};
use tacit_protocol::policy::Priority;
use tacit_protocol::program::history::said;
use tacit_protocol::program::rules::DatasetRules;
use tacit_protocol::program::{Op, Program};
use tacit_protocol::terms::{
    JobCode, OwnedDataset, Proposal, ProposedDataset, RunLimits, TERMS_VERSION, TermsParty, Venue, check_owners,
    in_canonical_order, program_digest,
};
use tacit_protocol::{Code, Failure, PartyId};
use tokio::sync::OwnedSemaphorePermit;

use super::negotiate;
use super::owner::APPROVAL;
use super::record::{JobRecord, Role};
use super::{Jobs, Next, RETRY, unexpected};
use crate::context::OutputKind;
use crate::node::off_reactor;

/// How long a run may take.
const RUN_SECONDS: u32 = 6 * 3600;
/// Payload bytes that a run may move.
const RUN_BYTES: u64 = 1 << 40;
/// How often the peer is asked why a run broke off, before it is repeated.
const VERDICT_TRIES: u32 = 4;

/// What a submission led to.
pub struct Submitted {
    /// The job.
    pub job: JobRecord,
    /// Whether it had asked the same before and has its answer already.
    pub repeated: bool,
}

/// The datasets of a program by owner.
struct Resolved {
    parties: Vec<TermsParty>,
    datasets: Vec<ProposedDataset>,
}

impl Jobs {
    /// Takes a program of this node's analyst: checks all that needs no peer's answer, writes the job down and sets it
    /// going.
    ///
    /// # Errors
    /// The program is wrong, a dataset unknown, or this node's own policy forbids it.
    pub async fn submit(
        self: &Arc<Self>,
        request: SubmitRequest,
        options: SubmitOptions,
        analyst: &str,
    ) -> Result<Submitted, Failure> {
        self.context.drain.check()?;
        request.program.validate()?;
        let resolved = self.resolve(&request.program).await?;
        let (jobs, analyst) = (Arc::clone(self), analyst.to_owned());
        off_reactor(move || jobs.judge_and_add(resolved, request, options, &analyst)).await?
    }

    fn judge_and_add(
        self: &Arc<Self>,
        resolved: Resolved,
        request: SubmitRequest,
        options: SubmitOptions,
        analyst: &str,
    ) -> Result<Submitted, Failure> {
        // A word of the caller's own is for a job of its own.
        if !options.again
            && request.idempotency_key.is_none()
            && let Some(answered) = self.answered(&resolved, &request, analyst)?
        {
            return Ok(Submitted { job: answered, repeated: true });
        }
        let (job, added) = {
            let _judging = self.judging();
            let job = self.propose(resolved, request.program, &request.purpose, analyst, options.priority)?;
            let added = self.book.add(&job, request.idempotency_key.as_deref());
            let added = added.inspect_err(|_| self.forget(&job))?;
            (job, added)
        };
        match added {
            Ok(()) => {
                if let Err(fault) = self.context.log_job(&job, LogKind::Proposal, "submitted here", None) {
                    // CHK-811: what is not in the log does not leave.
                    self.fail(&job.id, fault.clone())?;
                    return Err(fault);
                }
                tracing::info!(job = %job.id.short(), peer = %job.peer_name(), "job submitted");
                self.drive(job.id);
                Ok(Submitted { job, repeated: false })
            }
            Err(known) => {
                // The word of an earlier call: this job does not come to be, and tells nothing.
                if known.id != job.id {
                    self.forget(&job);
                }
                Ok(Submitted { job: known, repeated: false })
            }
        }
    }

    /// The job that asked the same before and whose answer this node still has (CHK-706): same program, versions,
    /// receivers, purpose and analyst. The catalogue has just said that the datasets are still offered.
    fn answered(
        &self,
        resolved: &Resolved,
        request: &SubmitRequest,
        analyst: &str,
    ) -> Result<Option<JobRecord>, Failure> {
        let same = |job: &JobRecord| {
            let proposal = &job.proposal;
            proposal.parties == resolved.parties
                && proposal.datasets == resolved.datasets
                && (proposal.purpose.as_str(), proposal.analyst.as_str()) == (request.purpose.as_str(), analyst)
        };
        let Some(job) = self.book.answers(&program_digest(&request.program))?.into_iter().rev().find(same) else {
            return Ok(None);
        };
        if self.context.output(&job.id, OutputKind::Result)?.is_none() {
            return Ok(None);
        }
        let text = "asked again: the stored answer is given, nothing runs";
        self.context.log_job(&job, LogKind::Job, text, Some("JOB_REPEATED"))?;
        tracing::info!(job = %job.id.short(), code = "JOB_REPEATED", "the stored answer is given");
        Ok(Some(job))
    }

    /// One step of a job at its home node.
    pub(super) async fn step_as_proposer(self: &Arc<Self>, job: JobRecord) -> Result<Next, Failure> {
        match job.state {
            JobState::Proposed => {
                self.book.enter(&job.id, JobState::Negotiating, "")?;
                Ok(Next::Again)
            }
            JobState::Negotiating => match &job.acceptance {
                None => self.send_proposal(&job).await,
                Some(acceptance) => self.sign(&job, acceptance).await,
            },
            JobState::Queued if job.waits_here() => self.step_in_queue(job).await,
            JobState::AwaitingApproval | JobState::Queued => {
                let asked = job.history.last().map_or(0, |entry| entry.at);
                if self.book.now().saturating_sub(asked) > APPROVAL.as_secs() {
                    let message = "the owner did not decide in time";
                    let next = "ask the owner and submit again.";
                    let failure = Failure::new(Code::new("APPROVAL_MISSING"), message, next);
                    return Err(failure.by_party(job.peer_name()));
                }
                let left = self.book.leave(&job.id, job.state.name(), self.patience()).await?;
                if left.state != job.state {
                    return Ok(Next::Again);
                }
                // The owner's node may have stopped between its operator's decision and telling it: asked again, it
                // answers as it has decided (CHK-203).
                let request = Request::Propose(Box::new(job.proposal.clone()));
                match self.ask_once(&job, "proposal", &request).await {
                    Ok(Response::Proposal(answer)) => self.take_answer(&job.id, *answer),
                    Ok(_) | Err(_) => Ok(Next::Again),
                }
            }
            JobState::Contracted => self.start(&job).await,
            JobState::Aligning | JobState::Executing => self.rerun(&job, "this node stopped while the job ran"),
            JobState::Releasing | JobState::Unknown | JobState::Finished => self.settle(job).await,
            JobState::Refused | JobState::Failed | JobState::Cancelled => Ok(Next::Done),
        }
    }

    /// Finds the datasets that a program loads and their owners.
    async fn resolve(&self, program: &Program) -> Result<Resolved, Failure> {
        let me = self.context.identity.peer();
        let own_name = &self.context.config.name;
        let names: BTreeSet<&String> = program
            .nodes
            .iter()
            .filter_map(|node| match &node.op {
                Op::Load { dataset } => Some(dataset),
                _ => None,
            })
            .collect();
        let mut owners: BTreeMap<PeerId, String> = BTreeMap::from([(me, own_name.clone())]);
        let mut found = Vec::new();
        let mut catalogues = BTreeMap::new();
        for name in names {
            let unknown = || negotiate::unknown_dataset(name);
            let (owner, dataset) = name.split_once('/').ok_or_else(unknown)?;
            let (peer, version, schema) = if owner == own_name {
                let data = self.context.own_dataset(dataset)?.ok_or_else(unknown)?;
                (me, data.version, data.schema)
            } else {
                let peer = self.context.peer_named(owner).ok_or_else(unknown)?;
                let catalogue = match catalogues.entry(peer) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(free) => free.insert(self.context.catalogue_of(&peer, owner).await?),
                };
                let entry = catalogue.iter().find(|entry| entry.dataset == dataset).ok_or_else(unknown)?;
                (peer, entry.version, entry.schema.clone())
            };
            owners.insert(peer, owner.to_owned());
            found.push((peer, name.clone(), dataset.to_owned(), version, schema));
        }
        check_owners(owners.len())?;
        let parties = owners.into_iter().map(|(peer, organisation)| TermsParty { peer, organisation }).collect();
        let parties = in_canonical_order(parties);
        let place = |peer: &PeerId| parties.iter().position(|party| party.peer == *peer).unwrap_or(0);
        let datasets = found
            .into_iter()
            .map(|(peer, name, dataset, version, schema)| {
                let owner = PartyId(u8::try_from(place(&peer)).expect("two parties"));
                ProposedDataset { name, owner, dataset, version, schema }
            })
            .collect();
        Ok(Resolved { parties, datasets })
    }

    /// The proposal of a program, judged by this node's own policies first, under [`Jobs::judging`].
    fn propose(
        &self,
        resolved: Resolved,
        program: Program,
        purpose: &str,
        analyst: &str,
        priority: Priority,
    ) -> Result<JobRecord, Failure> {
        let me = self.context.identity.peer();
        let Resolved { parties, datasets } = resolved;
        let own = parties.iter().position(|party| party.peer == me);
        let party =
            PartyId(own.and_then(|place| u8::try_from(place).ok()).expect("this node is a party of its own job"));
        let peer = parties[party.other().index()].peer;
        self.check_receipts(&peer)?;
        let mut proposal = Proposal {
            version: TERMS_VERSION,
            nonce: Nonce::random(&mut crate::clock::system_rng()),
            code: JobCode::Program(program),
            parties,
            proposer: party,
            analyst: analyst.to_owned(),
            datasets,
            venue: Venue::TwoParty,
            purpose: purpose.to_owned(),
            limits: RunLimits { seconds: RUN_SECONDS, bytes: RUN_BYTES },
            priority,
            own: Vec::new(),
        };
        proposal.own = self.own_parts(&proposal, party)?;
        let name = |party: PartyId| proposal.parties[party.index()].organisation.clone();
        let review = negotiate::review(&proposal, &self.context.knowledge_with(Box::new(self.usage()?)));
        let busy = match review {
            Err(rejected) if rejected.is_busy() => true,
            Err(rejected) => return Err(rejected.to_failure(name)),
            Ok(_) => false,
        };
        let id = proposal.job_id().map_err(|error| Failure::new(error.code(), error.to_string(), ""))?;
        let mut job = JobRecord::new(id, Role::Proposer, party, peer, proposal, self.book.now());
        if busy {
            self.enqueue(&mut job, self.book.now())?;
        }
        self.remember(&job)?;
        self.context.make_secrets(&id)?;
        Ok(job)
    }

    /// This node's commitments and rules for its datasets in a proposal.
    pub(super) fn own_parts(&self, proposal: &Proposal, me: PartyId) -> Result<Vec<OwnedDataset>, Failure> {
        let own = proposal.datasets.iter().filter(|dataset| dataset.owner == me);
        own.map(|dataset| {
            let data = self.context.own_dataset(&dataset.dataset)?;
            let data = data.ok_or_else(|| negotiate::unknown_dataset(&dataset.name))?;
            let rules = negotiate::rules(&data.policy, proposal);
            let told = self.context.remembered(&data, proposal)?.told;
            // More than can be said is refused by the review.
            let rules = DatasetRules { history: said(told).unwrap_or_default(), ..rules };
            let (name, policy) = (dataset.name.clone(), data.policy.digest());
            Ok(OwnedDataset { name, input: data.root, policy, rules })
        })
        .collect()
    }

    async fn send_proposal(self: &Arc<Self>, job: &JobRecord) -> Result<Next, Failure> {
        if let Some(interrupted) = job.rerun_of {
            self.end_at_owner(&interrupted).await?;
        }
        let request = Request::Propose(Box::new(job.proposal.clone()));
        match self.ask(job, "proposal", &request, self.patience()).await? {
            Response::Proposal(answer) => self.take_answer(&job.id, *answer),
            _ => Err(unexpected("proposal")),
        }
    }

    /// Has the owner end its side of an interrupted job, which it may not have noticed yet: while it runs there, it counts
    /// against the owner's `concurrent_jobs`.
    async fn end_at_owner(&self, interrupted: &JobId) -> Result<(), Failure> {
        let job = self.book.get(interrupted)?;
        let request = Request::Status { about: self.about(interrupted)?, status: super::status(&job) };
        match self.ask(&job, "status", &request, self.patience()).await {
            // Whatever it makes of the old job, it has heard of its end.
            Ok(_) => Ok(()),
            Err(failure) if super::is_passing(&failure.code) => Err(failure),
            Err(_) => Ok(()),
        }
    }

    /// Takes the owner's answer to the proposal: at once, or after its operator decided.
    pub(super) fn take_answer(self: &Arc<Self>, id: &JobId, answer: ProposalAnswer) -> Result<Next, Failure> {
        let (refused, job) = self.book.change(id, |job, now| {
            let waits = matches!(job.state, JobState::Negotiating | JobState::AwaitingApproval | JobState::Queued);
            if !waits || job.acceptance.is_some() {
                return Ok(None);
            }
            match answer {
                ProposalAnswer::Accepted(acceptance) => {
                    check_acceptance(job, &acceptance)?;
                    match job.state {
                        JobState::AwaitingApproval => job.enter(JobState::Negotiating, now, "approved")?,
                        JobState::Queued => job.enter(JobState::Negotiating, now, "its turn has come")?,
                        _ => {}
                    }
                    job.acceptance = Some(acceptance);
                    Ok(None)
                }
                ProposalAnswer::Queued { place } if job.state == JobState::Negotiating => {
                    let note = format!("waits for its turn at {}, place {place}", job.peer_name());
                    job.enter(JobState::Queued, now, note)?;
                    Ok(None)
                }
                ProposalAnswer::Queued { .. } => Ok(None),
                ProposalAnswer::Pending if matches!(job.state, JobState::Negotiating | JobState::Queued) => {
                    let note = format!("{}'s operator is asked", job.peer_name());
                    job.enter(JobState::AwaitingApproval, now, note)?;
                    Ok(None)
                }
                ProposalAnswer::Pending => Ok(None),
                ProposalAnswer::Refused(failure) => Ok(Some(failure)),
            }
        })?;
        match refused {
            None => Ok(Next::Again),
            Some(failure) => {
                let ended = failure.to_failure(&job.peer_name()).at_step("negotiating");
                let ((), job) = self.book.change(id, |job, now| {
                    // With all of its clauses: the owner's own words, should it ask.
                    job.told = Some(failure.clone());
                    job.end(JobState::Refused, ended, now)
                })?;
                self.log_end(&job);
                Ok(Next::Done)
            }
        }
    }

    /// Writes the contract, signs it, and gets the owner's signature.
    async fn sign(self: &Arc<Self>, job: &JobRecord, acceptance: &Acceptance) -> Result<Next, Failure> {
        // Signed before a restart: one contract per job, ever (CHK-304).
        let job = if job.contract.is_some() { job.clone() } else { self.write_contract(job, acceptance)? };
        let contract = job.contract()?;
        let own = job.signatures.get(job.party.index()).copied().flatten();
        let signature = own.expect("a contract is written down with this node's signature");
        let request = Request::Sign { about: self.about(&job.id)?, contract: Box::new(contract.clone()), signature };
        let Response::Signed(signature) = self.ask(&job, "contract", &request, self.patience()).await? else {
            return Err(unexpected("contract"));
        };
        let peer = job.party.other();
        contract.verify(peer, &signature).map_err(|error| {
            Failure::new(error.code(), error.to_string(), "ask the peer's operator.").by_party(job.peer_name())
        })?;
        self.book.change(&job.id, |job, now| {
            job.take_signature(peer, signature);
            job.enter(JobState::Contracted, now, "")
        })?;
        Ok(Next::Again)
    }

    fn write_contract(&self, job: &JobRecord, acceptance: &Acceptance) -> Result<JobRecord, Failure> {
        let (terms, derived) = negotiate::complete(&job.proposal, &acceptance.datasets)
            .map_err(|rejected| rejected.to_failure(|party| job.organisation(party)))?;
        if terms.disclosures != acceptance.disclosures {
            let message = "the owner derives another list of what each party learns";
            return Err(Failure::new(Code::new("CONTRACT_MISMATCH"), message, "bring both nodes to one version."));
        }
        let ring_bits = super::run::ring_bits(&derived)?;
        let own = self.context.contract_part(&job.id, job.party)?;
        let contract = negotiate::contract(&job.proposal, terms, &own, acceptance, ring_bits, self.book.now())?;
        // CHK-304: what it costs is put aside on disk before the signature.
        let charges = self.context.charges(&job.proposal, &contract.terms.release, job.party)?;
        self.context.budget.reserve(job.id, &charges)?;
        let signature = contract.sign(&self.context.identity).map_err(negotiate::refused_contract)?;
        self.context.log_job(job, LogKind::Contract, "contract signed", None)?;
        // CHK-304: the signature is on disk before it leaves.
        let ((), job) = self.book.change(&job.id, |job, _| {
            job.take_contract(contract, job.party, signature);
            Ok(())
        })?;
        Ok(job)
    }

    /// Waits for a free place at both nodes, then runs.
    async fn start(self: &Arc<Self>, job: &JobRecord) -> Result<Next, Failure> {
        let contract = job.contract()?;
        loop {
            let now = self.book.now();
            contract.check_time(now).map_err(|error| {
                Failure::new(error.code(), error.to_string(), "submit the job again when both nodes are free.")
            })?;
            let place = Arc::clone(&self.runs).acquire_owned().await.map_err(|_| unexpected("start"))?;
            let request = Request::Start { about: self.about(&job.id)?, contract: contract.digest() };
            match self.ask(job, "start", &request, self.patience()).await? {
                Response::Ready(Readiness::Ready) => return self.run_as_proposer(job, place).await,
                Response::Ready(Readiness::Busy { seconds }) => {
                    drop(place);
                    tokio::time::sleep(Duration::from_secs(u64::from(seconds.clamp(1, 60)))).await;
                }
                _ => return Err(unexpected("start")),
            }
            // It may have been called off meanwhile.
            if self.book.get(&job.id)?.state != JobState::Contracted {
                return Ok(Next::Again);
            }
        }
    }

    async fn run_as_proposer(self: &Arc<Self>, job: &JobRecord, _place: OwnedSemaphorePermit) -> Result<Next, Failure> {
        let running = self.begin_run(&job.id)?;
        match self.run(job, running).await {
            Ok(()) => Ok(Next::Again),
            // A peer or a channel that went away, before anything was released: once more, from fresh randomness.
            Err(failure) if may_rerun(&failure.code) && job.rerun_of.is_none() => {
                if let Some(deviation) = self.deviation_at_peer(job).await {
                    return Err(deviation);
                }
                let state = self.book.get(&job.id)?.state;
                if matches!(state, JobState::Aligning | JobState::Executing) {
                    // This node's own stop ends the task before it comes here: the peer broke off.
                    self.rerun_after(job, failure.by_party(job.peer_name()))
                } else {
                    Err(failure)
                }
            }
            Err(failure) => Err(failure),
        }
    }

    /// Why a run that broke off here failed at the peer, if that was more than the path to it: then it is not repeated
    /// (CHK-601). None if the peer cannot say.
    async fn deviation_at_peer(&self, job: &JobRecord) -> Option<Failure> {
        for _ in 0..VERDICT_TRIES {
            let theirs = self.exchange_status(&self.book.get(&job.id).ok()?).await.ok()?;
            if !matches!(theirs.state, JobState::Aligning | JobState::Executing) {
                let failure = theirs.failure.filter(|failure| !may_rerun(&failure.code))?;
                return Some(failure.to_failure(&job.peer_name()));
            }
            // Its engine is about to notice.
            tokio::time::sleep(RETRY).await;
        }
        None
    }

    fn rerun(self: &Arc<Self>, job: &JobRecord, why: &str) -> Result<Next, Failure> {
        let failure =
            Failure::new(Code::new("JOB_INTERRUPTED"), why, "nothing was released; the job runs again by itself.");
        self.rerun_after(job, failure.by_party(self.context.config.name.clone()))
    }

    /// Ends an interrupted job and submits it again under a new name and fresh randomness (CHK-606).
    pub(super) fn rerun_after(self: &Arc<Self>, job: &JobRecord, failure: Failure) -> Result<Next, Failure> {
        let JobCode::Program(program) = job.proposal.code.clone() else { return Err(failure) };
        let resolved = Resolved { parties: job.proposal.parties.clone(), datasets: job.proposal.datasets.clone() };
        let ended = self.fail(&job.id, failure)?;
        if ended.rerun_of.is_some() {
            return Ok(Next::Done);
        }
        let (again, added) = {
            let _judging = self.judging();
            let (purpose, analyst) = (&job.proposal.purpose, &job.proposal.analyst);
            let mut again = self.propose(resolved, program, purpose, analyst, job.proposal.priority)?;
            again.rerun_of = Some(job.id);
            let added = self.book.add(&again, None).inspect_err(|_| self.forget(&again))?;
            (again, added)
        };
        if added.is_ok() {
            self.book.change(&job.id, |job, _| {
                job.rerun = Some(again.id);
                Ok(())
            })?;
            tracing::info!(job = %again.id.short(), "job runs again after an interruption");
            let text = format!("repeats job {} after its interruption", job.id);
            self.context.log_job(&again, LogKind::Proposal, &text, None)?;
            self.drive(again.id);
        }
        Ok(Next::Done)
    }
}

/// Whether a failure is one of the path to the peer, not of the protocol (CHK-601: those are never retried).
pub(super) fn may_rerun(code: &Code) -> bool {
    matches!(
        code.as_str(),
        "JOB_INTERRUPTED"
            | "CHANNEL_CLOSED"
            | "CHANNEL_TRUNCATED"
            | "CHANNEL_UNKNOWN"
            | "PEER_TIMEOUT"
            | "PEER_UNREACHABLE"
            | "PEER_STALLED"
    )
}

/// The acceptance is of this proposal and has a part for each of the owner's datasets.
fn check_acceptance(job: &JobRecord, acceptance: &Acceptance) -> Result<(), Failure> {
    let owned = job.proposal.datasets.iter().filter(|dataset| dataset.owner == job.party.other());
    let names_match = owned.map(|dataset| &dataset.name).eq(acceptance.datasets.iter().map(|part| &part.name));
    if acceptance.proposal == job.proposal_digest() && names_match {
        return Ok(());
    }
    let message = "the owner accepted something else than was proposed";
    Err(Failure::new(Code::new("CONTRACT_MISMATCH"), message, "bring both nodes to one version.")
        .by_party(job.peer_name()))
}
