//! The job at a node that owns data of it: review, the operator's decision, the countersignature.

use std::sync::Arc;
use std::time::Duration;

use tacit_protocol::api::policies::ApproveRequest;
use tacit_protocol::canonical::Digest;
use tacit_protocol::contract::Contract;
use tacit_protocol::identity::{PeerId, Signature};
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::log::LogKind;
use tacit_protocol::messages::{
    Acceptance, PeerFailure, PeerText, ProposalAnswer, Readiness, Request, Response, is_from,
};
use tacit_protocol::terms::Proposal;
use tacit_protocol::{Code, Failure, PartyId};

use super::approvals::Approval;
use super::negotiate::{self, Rejected};
use super::record::{JobRecord, Role};
use super::{Jobs, Next};

/// How long an acceptance holds, in seconds.
const ACCEPTANCE_SECONDS: u64 = 600;
/// Jobs of one peer that may be under way here at a time.
const OPEN_JOBS: usize = 64;
/// How long an operator may think.
pub(super) const APPROVAL: Duration = Duration::from_secs(7 * 24 * 3600);

impl Jobs {
    /// Answers a proposal (CHK-201 to CHK-214). The same bytes again get the same answer (CHK-203).
    pub(super) fn answer_proposal(self: &Arc<Self>, from: &PeerId, proposal: Proposal) -> ProposalAnswer {
        match self.take_proposal(from, proposal) {
            Ok(answer) => answer,
            Err(failure) => {
                tracing::info!(peer = %from.short(), code = %failure.code, "proposal refused");
                self.context.log_rejected(from, &failure.code, "a proposal was refused");
                ProposalAnswer::Refused(*failure)
            }
        }
    }

    fn take_proposal(self: &Arc<Self>, from: &PeerId, proposal: Proposal) -> Result<ProposalAnswer, Box<PeerFailure>> {
        let private = |failure: Failure| Box::new(PeerFailure::from(&failure));
        let refuse =
            |code, message: &str| Box::new(PeerFailure::new(Code::new(code), message, "submit the job again."));
        let id = proposal.job_id().map_err(|error| refuse("CONTRACT_FIELD", &error.to_string()))?;
        if !is_from(&proposal, from) {
            return Err(refuse("PROPOSAL_SIGNATURE", "the proposal names another proposer than its sender"));
        }
        // One proposal at a time: the next one is judged with this one, whether it counts for limits or for what was told.
        let judging = self.judging();
        match self.book.get(&id) {
            Ok(known) if known.proposal_digest() == proposal.digest() => return Ok(self.stored_answer(&known)),
            Ok(_) => return Err(refuse("PROPOSAL_REPLAY", "another proposal has this name")),
            Err(failure) if failure.code.as_str() == "JOB_UNKNOWN" => {}
            Err(failure) => return Err(private(failure)),
        }
        if self.context.drain.has_begun() {
            return Err(private(crate::drain::draining()));
        }
        self.check_receipts(from).map_err(private)?;
        // CHK-114: what one peer keeps here is bounded. Nothing is written of a proposal beyond the bound.
        if self.book.open_count(Some(from)).map_err(private)? >= OPEN_JOBS {
            let message = format!("{OPEN_JOBS} jobs of this organisation are under way at the owner");
            return Err(refuse("PEER_RATE", &message));
        }
        let usage = self.usage().map_err(private)?;
        let review = negotiate::review(&proposal, &self.context.knowledge_with(Box::new(usage)));
        let me = self.context.identity.peer();
        let party = proposal.parties.iter().position(|party| party.peer == me);
        let party = party.and_then(|place| u8::try_from(place).ok()).map(PartyId);
        let party = party.ok_or_else(|| refuse("CONTRACT_FIELD", "this node is no party of the proposal"))?;
        let mut job = JobRecord::new(id, Role::Owner, party, *from, proposal, self.book.now());
        match review {
            Ok(review) => {
                job.disclosures = review.derived.map_or_else(Vec::new, |derived| derived.analysis.learned);
                if review.ask && self.use_approval(&job).map_err(private)?.is_none() {
                    job.enter(JobState::AwaitingApproval, self.book.now(), "a policy says `ask`").map_err(private)?;
                } else {
                    // What was put aside for a job that is in no book is there again.
                    let accepted = self.accept(&job).inspect_err(|_| self.forget(&job));
                    job.acceptance = Some(accepted.map_err(private)?);
                }
            }
            // Others are before it: it waits, and is judged again when its turn has come.
            Err(rejected) if rejected.is_busy() => {
                let now = self.book.now();
                self.enqueue(&mut job, now).map_err(private)?;
            }
            Err(rejected) => {
                let failure = rejected.to_failure(|party| job.organisation(party)).at_step("negotiating");
                job.told = Some(rejected.to_peer());
                job.end(JobState::Refused, failure, self.book.now()).map_err(private)?;
            }
        }
        // CHK-811: it is in the log before it is answered. Refusals are many where a peer tries them out.
        match (&job.told, job.state) {
            (Some(told), _) => {
                let text = format!("the proposal of job {} was refused", job.id);
                self.context.log_rejected(from, &told.code, &text);
            }
            (None, JobState::AwaitingApproval) => {
                self.context
                    .log_job(&job, LogKind::Proposal, "proposed; the operator is asked", None)
                    .map_err(private)?;
            }
            (None, JobState::Queued) => {
                self.context
                    .log_job(&job, LogKind::Proposal, "proposed; it waits for its turn", None)
                    .map_err(private)?;
            }
            (None, _) => {
                self.context.log_job(&job, LogKind::Proposal, "proposed; accepted by policy", None).map_err(private)?;
            }
        }
        let added = self.book.add(&job, None).inspect_err(|_| self.forget(&job));
        if let Err(known) = added.map_err(private)? {
            return Ok(self.stored_answer(&known));
        }
        drop(judging);
        tracing::info!(job = %id.short(), peer = %from.short(), state = %job.state, "proposal taken");
        self.drive(id);
        Ok(self.stored_answer(&job))
    }

    /// This node's part of terms and contract, with fresh salts and a fresh channel key.
    pub(super) fn accept(&self, job: &JobRecord) -> Result<Acceptance, Failure> {
        let datasets = self.own_parts(&job.proposal, job.party)?;
        let (terms, _) = negotiate::complete(&job.proposal, &datasets)
            .map_err(|rejected: Rejected| rejected.to_failure(|party| job.organisation(party)))?;
        // CHK-213: what it may tell is on disk before the acceptance leaves.
        self.remember(job)?;
        self.context.make_secrets(&job.id)?;
        let part = self.context.contract_part(&job.id, job.party)?;
        Ok(Acceptance {
            proposal: job.proposal_digest(),
            datasets,
            disclosures: terms.disclosures,
            profile: part.profile,
            channel: part.channel,
            planner_versions: vec![negotiate::PLANNER_VERSION],
            valid_until: self.book.now() + ACCEPTANCE_SECONDS,
        })
    }

    /// The operator approves a job that waits for it. Nothing else turns waiting into yes (CHK-215).
    ///
    /// # Errors
    /// `APPROVAL_SCOPE` if it does not wait, or the policies allow fewer runs than it shall be approved for; the refusal,
    /// if policies or data have changed meanwhile.
    pub fn approve(self: &Arc<Self>, id: &JobId, request: &ApproveRequest) -> Result<JobRecord, Failure> {
        let judging = self.judging();
        let job = waiting(self.book.get(id)?)?;
        // Policies and datasets may have changed since it came (CHK-206, CHK-306).
        negotiate::review(&job.proposal, &self.context.knowledge())
            .map_err(|rejected| rejected.to_failure(|party| job.organisation(party)))?;
        let further = self.approval_for(&job, request)?;
        let acceptance = self.accept(&job)?;
        let changed = self.book.change(id, |job, now| {
            waiting_state(job)?;
            let text = further.as_ref().map_or_else(|| "approved by the operator".to_owned(), Approval::text);
            self.context.log_job(job, LogKind::Approval, &text, None)?;
            job.acceptance = Some(acceptance);
            job.enter(JobState::Negotiating, now, "approved by the operator")?;
            further.as_ref().map_or(Ok(()), |approval| self.keep_approval(approval, now))
        });
        if changed.is_err()
            && let Some(approval) = &further
        {
            self.drop_approval(approval)?;
        }
        let ((), job) = changed?;
        drop(judging);
        self.send_answer(&job);
        Ok(job)
    }

    /// The operator refuses a job that waits for it.
    ///
    /// # Errors
    /// `APPROVAL_SCOPE` if it does not wait, `USAGE_REASON` without a reason.
    pub fn refuse(self: &Arc<Self>, id: &JobId, reason: &str) -> Result<JobRecord, Failure> {
        if reason.trim().is_empty() {
            let message = "a refusal needs a reason; the analyst sees it";
            return Err(Failure::new(Code::new("USAGE_REASON"), message, "give one with --reason."));
        }
        let code = Code::new("APPROVAL_REFUSED");
        let ((), job) = self.book.change(id, |job, now| {
            waiting_state(job)?;
            let text = format!("refused by the operator: {}", PeerText::new(reason));
            self.context.log_job(job, LogKind::Approval, &text, Some(code.as_str()))?;
            job.told = Some(PeerFailure::new(code.clone(), reason, "ask the owner's operator."));
            let failure = Failure::new(code, reason, "ask the owner's operator.").by_party(job.organisation(job.party));
            job.end(JobState::Refused, failure.at_step("awaiting_approval"), now)
        })?;
        self.send_answer(&job);
        Ok(job)
    }

    /// Sends the decision to the proposer in the background, until it has arrived.
    pub(super) fn send_answer(self: &Arc<Self>, job: &JobRecord) {
        let (jobs, job) = (Arc::clone(self), job.clone());
        self.tasks.spawn(async move {
            let Ok(about) = jobs.about(&job.id) else { return };
            let request = Request::Answer { about, answer: Box::new(jobs.stored_answer(&job)) };
            let sent = tokio::select! {
                () = jobs.stop.cancelled() => return,
                sent = jobs.ask(&job, "answer", &request, APPROVAL) => sent,
            };
            if let Err(failure) = sent {
                tracing::warn!(job = %job.id.short(), code = %failure.code, "the decision did not reach the proposer");
            }
        });
    }

    /// Countersigns a contract that equals this node's own derivation (CHK-302 to CHK-305).
    pub(super) fn countersign(
        self: &Arc<Self>,
        from: &PeerId,
        id: &JobId,
        contract: Contract,
        signature: Signature,
    ) -> Result<Signature, Failure> {
        let job = self.of_peer(from, id)?;
        if let Some(known) = &job.contract {
            // CHK-304: one contract per job, ever; the same one again gets the same signature.
            let own = job.signatures.get(job.party.index()).copied().flatten().filter(|_| *known == contract);
            return own.ok_or_else(|| {
                Failure::new(Code::new("CONTRACT_DOUBLE"), "this job has another contract", "submit the job again.")
            });
        }
        let acceptance = match (&job.acceptance, job.role, job.state) {
            (Some(acceptance), Role::Owner, JobState::Negotiating) => acceptance,
            _ => {
                let message = "this node has not accepted the proposal";
                return Err(Failure::new(Code::new("STATE_ILLEGAL"), message, "see `tacit job show`."));
            }
        };
        let (_, derived) = negotiate::complete(&job.proposal, &acceptance.datasets)
            .map_err(|rejected| rejected.to_failure(|party| job.organisation(party)))?;
        let ring_bits = super::run::ring_bits(&derived)?;
        negotiate::check_contract(&contract, &job.proposal, acceptance, job.party, ring_bits, self.book.now())?;
        contract.verify(job.party.other(), &signature).map_err(negotiate::refused_contract)?;
        // CHK-304: what it costs is put aside on disk before the signature.
        let charges = self.context.charges(&job.proposal, &contract.terms.release, job.party)?;
        self.context.budget.reserve(job.id, &charges)?;
        let own = contract.sign(&self.context.identity).map_err(negotiate::refused_contract)?;
        self.context.log_job(&job, LogKind::Contract, "contract signed", None)?;
        // CHK-304: the signature is on disk before it leaves.
        self.book.change(id, |job, now| {
            job.take_contract(contract, job.party.other(), signature);
            job.take_signature(job.party, own);
            job.enter(JobState::Contracted, now, "")
        })?;
        Ok(own)
    }

    /// Says whether this node can start, and starts if so.
    pub(super) fn ready(self: &Arc<Self>, from: &PeerId, id: &JobId, contract: &Digest) -> Result<Response, Failure> {
        let job = self.of_peer(from, id)?;
        let signed = job.contract()?;
        if signed.digest() != *contract {
            let message = "this node signed another contract";
            return Err(Failure::new(Code::new("CONTRACT_MISMATCH"), message, "submit the job again."));
        }
        if job.state != JobState::Contracted {
            // A repetition of a start that went through is answered alike; anything later is not to be started again.
            return match job.state {
                JobState::Aligning => Ok(Response::Ready(Readiness::Ready)),
                state => {
                    let message = format!("the job is {state}");
                    Err(Failure::new(Code::new("STATE_ILLEGAL"), message, "see `tacit job show`."))
                }
            };
        }
        signed.check_time(self.book.now()).map_err(negotiate::refused_contract)?;
        let Ok(place) = Arc::clone(&self.runs).try_acquire_owned() else {
            return Ok(Response::Ready(Readiness::Busy { seconds: 2 }));
        };
        // CHK-306: what was agreed must still hold now.
        let knowledge = self.context.knowledge_as_agreed(signed);
        if let Err(superseded) = negotiate::still_allowed(&job.proposal, signed, &knowledge) {
            let (failure, told) = *superseded;
            let ((), job) = self.book.change(id, |job, now| {
                job.told = Some(told.clone());
                job.end(JobState::Failed, failure.at_step("starting"), now)
            })?;
            self.log_end(&job);
            return Ok(Response::Failed(told));
        }
        let (jobs, id) = (Arc::clone(self), *id);
        let running = self.begin_run(&id)?;
        self.tasks.spawn(async move {
            let ran = jobs.run(&job, running).await;
            drop(place);
            if let Err(failure) = ran {
                jobs.end_as_failed(&job, failure).await;
            }
            jobs.drive(id);
        });
        Ok(Response::Ready(Readiness::Ready))
    }

    /// One step of a job at an owner. What moves it between are the proposer's messages.
    pub(super) async fn step_as_owner(self: &Arc<Self>, job: JobRecord) -> Result<Next, Failure> {
        let now = self.book.now();
        let until = |end: u64| Duration::from_secs(end.saturating_sub(now) + 1);
        let (wait, what) = match job.state {
            JobState::Queued => return self.step_in_queue(job).await,
            JobState::Negotiating => (
                until(job.acceptance.as_ref().map_or(now, |a| a.valid_until)),
                "the proposer did not send its contract",
            ),
            JobState::AwaitingApproval => {
                let since = job.history.last().map_or(now, |entered| entered.at);
                (until(since.saturating_add(APPROVAL.as_secs())), "the operator did not decide in time")
            }
            JobState::Contracted => {
                let start_by = job.contract.as_ref().map_or(now, |contract| contract.start_by);
                (until(start_by), "the proposer did not start the job in time")
            }
            // The run is a task of its own; found here only after a restart.
            JobState::Aligning | JobState::Executing if !self.is_running(&job.id) => {
                let message = "this node stopped while the job ran";
                let next = "nothing was released; the proposer submits the job again.";
                let failure = Failure::new(Code::new("JOB_INTERRUPTED"), message, next);
                return Err(failure.by_party(job.organisation(job.party)));
            }
            JobState::Aligning | JobState::Executing => return Ok(Next::Done),
            JobState::Releasing | JobState::Unknown | JobState::Finished => return self.settle(job).await,
            JobState::Refused | JobState::Failed | JobState::Cancelled | JobState::Proposed => return Ok(Next::Done),
        };
        let left = self.book.leave(&job.id, job.state.name(), wait).await?;
        if left.state != job.state {
            return Ok(Next::Again);
        }
        Err(Failure::new(
            Code::new("PEER_TIMEOUT"),
            what,
            "nothing was released; submit the job again if it is still wanted.",
        )
        .by_party(job.peer_name()))
    }

    /// The answer that the record of a proposal stands for.
    fn stored_answer(&self, job: &JobRecord) -> ProposalAnswer {
        match (&job.told, &job.acceptance) {
            (Some(told), _) => ProposalAnswer::Refused(told.clone()),
            (None, Some(acceptance)) => ProposalAnswer::Accepted(acceptance.clone()),
            (None, None) if job.state == JobState::Queued => {
                ProposalAnswer::Queued { place: self.queue_place(job).map_or(1, |queue| queue.place) }
            }
            (None, None) => ProposalAnswer::Pending,
        }
    }

    /// A job that a peer may speak of: it is its other party.
    ///
    /// # Errors
    /// `JOB_UNKNOWN` for one that is not there and for one of others alike; a fault of the store.
    pub(super) fn of_peer(&self, from: &PeerId, id: &JobId) -> Result<JobRecord, Failure> {
        let unknown = || Failure::new(Code::new("JOB_UNKNOWN"), "there is no such job", "see `tacit job list`.");
        match self.book.get(id) {
            Ok(job) if job.peer == *from => Ok(job),
            Ok(_) => Err(unknown()),
            Err(failure) if failure.code.as_str() == "JOB_UNKNOWN" => Err(unknown()),
            Err(fault) => Err(fault),
        }
    }
}

fn waiting_state(job: &JobRecord) -> Result<(), Failure> {
    if job.role == Role::Owner && job.state == JobState::AwaitingApproval {
        return Ok(());
    }
    let message = format!("the job is {}; it does not wait for this operator", job.state);
    Err(Failure::new(Code::new("APPROVAL_SCOPE"), message, "see `tacit job show`."))
}

fn waiting(job: JobRecord) -> Result<JobRecord, Failure> {
    waiting_state(&job).map(|()| job)
}
