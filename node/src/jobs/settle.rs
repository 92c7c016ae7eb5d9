//! What follows the release: shares that did not arrive are sent again, both accounts are exchanged, and both parties
//! sign the receipt that follows from them (CHK-801, CHK-802). After that both show the same end.

use std::sync::Arc;
use std::time::Duration;

use tacit_protocol::canonical::Digest;
use tacit_protocol::identity::{PeerId, Signature};
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::log::LogKind;
use tacit_protocol::messages::{PeerText, ReceiptAnswer, Request, Response};
use tacit_protocol::receipt::{PartyAccount, Receipt, SignedReceipt};
use tacit_protocol::{Code, Failure};

use super::proposer::may_rerun;
use super::record::{JobRecord, Role};
use super::{Jobs, Next, RETRY, unexpected};
use crate::context::OutputKind;

/// The wait between two rounds of settling with a peer that is away, at most.
pub(super) const PAUSE: Duration = Duration::from_secs(30);

/// How long a receipt may take.
const RECEIPT_SECONDS: u64 = 600;
/// Receipts of jobs with one peer that may take longer.
const UNSETTLED: usize = 2;

/// Whether a job that shows its end still has a receipt to settle.
pub(super) fn is_open(job: &JobRecord) -> bool {
    job.state == JobState::Finished && !is_settled(job)
}

/// Whether all parties have signed a job's receipt.
pub(super) fn is_settled(job: &JobRecord) -> bool {
    job.receipt.as_ref().is_some_and(|receipt| receipt.signatures.iter().all(Option::is_some))
}

impl Jobs {
    /// Whether there may be a further job with a peer: not while it withholds receipts (CHK-802).
    ///
    /// # Errors
    /// `RECEIPT_MISSING` naming the jobs, or a fault of the store.
    pub(super) fn check_receipts(&self, peer: &PeerId) -> Result<(), Failure> {
        let mut missing = self.book.unsettled_since(peer, self.book.now().saturating_sub(RECEIPT_SECONDS))?;
        // Those of an earlier key of this node are never settled.
        let me = self.context.identity.peer();
        missing.retain(|id| self.book.get(id).is_ok_and(|job| job.proposal.parties[job.party.index()].peer == me));
        if missing.len() <= UNSETTLED {
            return Ok(());
        }
        let named: Vec<String> = missing.iter().take(UNSETTLED + 1).map(|id| id.short()).collect();
        let message =
            format!("the receipts of {} jobs of these two are not settled: {}", missing.len(), named.join(", "));
        Err(Failure::new(Code::new("RECEIPT_MISSING"), message, "both nodes settle them once they have spoken; wait."))
    }

    /// Settles a job whose release has begun. The proposer drives; the owner answers, and speaks up only to send its
    /// share again or when it has heard nothing.
    pub(super) async fn settle(self: &Arc<Self>, job: JobRecord) -> Result<Next, Failure> {
        if is_settled(&job) {
            return Ok(Next::Done);
        }
        if job.proposal.parties[job.party.index()].peer != self.context.identity.peer() {
            let code = "RECEIPT_MISSING";
            tracing::warn!(job = %job.id.short(), code, "it stays without a settled receipt: this node's key was rotated");
            return Ok(Next::Done);
        }
        let mut pause = RETRY;
        loop {
            let job = self.book.get(&job.id)?;
            if is_settled(&job) || (job.state.is_final() && job.state != JobState::Finished) {
                return Ok(Next::Done);
            }
            match self.settle_once(&job).await {
                Ok(true) => return Ok(Next::Done),
                Ok(false) => {}
                Err(failure) if super::is_passing(&failure.code) => self.mark_unknown(&job)?,
                Err(failure) => tracing::warn!(job = %job.id.short(), code = %failure.code, "not settled: {failure}"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE);
        }
    }

    /// Ends a job that this node was about to release and the peer never was. What it disclosed counts as spent, for a
    /// share may have left; the receivers of a repetition are the same.
    async fn end_unreleased(self: &Arc<Self>, job: &JobRecord, failure: Failure) -> Result<(), Failure> {
        if job.role == Role::Proposer && may_rerun(&failure.code) {
            self.rerun_after(job, failure).map(drop)
        } else {
            self.end_as_failed(job, failure).await;
            Ok(())
        }
    }

    /// One round; whether it settled the job.
    async fn settle_once(self: &Arc<Self>, job: &JobRecord) -> Result<bool, Failure> {
        // Without an account the channel broke at the release here; an owner waits for the proposer's word.
        if job.account.is_none() || job.role == Role::Owner {
            return self.release_again(job).await;
        }
        let Some(account) = self.exchange_accounts(job).await? else { return self.release_again(job).await };
        let signed = self.assemble(job, account)?;
        let own = signed.receipt.sign(&self.context.identity);
        let request =
            Request::Receipt { about: self.about(&job.id)?, receipt: signed.receipt.digest(), signature: own };
        let signature = match self.ask_once(job, "receipt", &request).await? {
            Response::Receipt(ReceiptAnswer::Signed(signature)) => signature,
            Response::Receipt(ReceiptAnswer::NotYet) => return Ok(false),
            Response::Receipt(ReceiptAnswer::Disputed { field }) => {
                let message = format!("the peer's account of the run differs in {field}");
                return Err(
                    Failure::new(Code::new("RECEIPT_FIELD"), message, "compare both logs.").by_party(job.peer_name())
                );
            }
            Response::Failed(failure) => return Err(failure.to_failure(&job.peer_name())),
            _ => return Err(unexpected("receipt")),
        };
        self.take_receipt(job, signed, signature)?;
        Ok(true)
    }

    /// Sends this node's share again, for the peer has not said that it has it, or ends the job with a peer that ended
    /// it before its release; whether it did the latter.
    async fn release_again(self: &Arc<Self>, job: &JobRecord) -> Result<bool, Failure> {
        let released = job.state == JobState::Finished;
        if let Some(ended) = self.ended_at_peer(job).await?.filter(|_| !released) {
            self.end_unreleased(job, ended).await?;
            return Ok(true);
        }
        self.send_share(job).await?;
        Ok(false)
    }

    /// Why the peer ended the job before its release, if it did: then it takes no share any more, and none is sent.
    async fn ended_at_peer(&self, job: &JobRecord) -> Result<Option<Failure>, Failure> {
        Ok(self.exchange_status(job).await?.end(&job.peer_name()))
    }

    /// Sends this node's account and gets the peer's; none while the peer's run is not over.
    async fn exchange_accounts(&self, job: &JobRecord) -> Result<Option<PartyAccount>, Failure> {
        let account = job.account.clone().ok_or_else(|| unexpected("account"))?;
        let request = Request::Account { about: self.about(&job.id)?, account: Box::new(account) };
        match self.ask_once(job, "account", &request).await? {
            Response::Account(theirs) => Ok(theirs.map(|account| *account)),
            Response::Failed(failure) => Err(failure.to_failure(&job.peer_name())),
            _ => Err(unexpected("account")),
        }
    }

    /// The peer's account; the answer is this node's own, once its run is over.
    pub(super) fn hear_account(
        &self,
        from: &PeerId,
        id: &JobId,
        theirs: PartyAccount,
    ) -> Result<Option<PartyAccount>, Failure> {
        self.of_peer(from, id)?;
        let (own, _) = self.book.change(id, |job, _| {
            if job.account.is_some() && !is_settled(job) {
                job.peer_account = Some(theirs);
            }
            Ok(job.account.clone())
        })?;
        Ok(own)
    }

    /// Signs the receipt that follows from both accounts, if it is the one that the proposer signed.
    pub(super) fn countersign_receipt(
        &self,
        from: &PeerId,
        id: &JobId,
        receipt: &Digest,
        signature: &Signature,
    ) -> Result<ReceiptAnswer, Failure> {
        let job = self.of_peer(from, id)?;
        if let Some(known) = job.receipt.as_ref().filter(|known| known.receipt.digest() == *receipt) {
            let own = known.signatures.get(job.party.index()).copied().flatten();
            return Ok(own.map_or(ReceiptAnswer::NotYet, ReceiptAnswer::Signed));
        }
        let Some(account) = job.peer_account.clone().filter(|_| job.account.is_some()) else {
            return Ok(ReceiptAnswer::NotYet);
        };
        let signed = self.assemble(&job, account)?;
        if signed.receipt.digest() != *receipt {
            return Ok(ReceiptAnswer::Disputed { field: PeerText::new("the digest of the receipt") });
        }
        let own = signed.receipt.sign(&self.context.identity);
        self.take_receipt(&job, signed, *signature)?;
        Ok(ReceiptAnswer::Signed(own))
    }

    /// The receipt of both accounts, unsigned.
    fn assemble(&self, job: &JobRecord, theirs: PartyAccount) -> Result<SignedReceipt, Failure> {
        let own = job.account.clone().ok_or_else(|| unexpected("receipt"))?;
        let accounts = if job.party.index() == 0 { vec![own, theirs] } else { vec![theirs, own] };
        let contract = job.signed().ok_or_else(|| unexpected("receipt"))?;
        let receipt = Receipt::assemble(&contract.contract, accounts).map_err(failure)?;
        let signatures = vec![None; contract.signatures.len()];
        Ok(SignedReceipt { receipt, contract, signatures })
    }

    /// Signs a receipt and keeps it with the peer's signature. The job has reached its end on both sides.
    fn take_receipt(&self, job: &JobRecord, mut signed: SignedReceipt, peers: Signature) -> Result<(), Failure> {
        signed.add(job.party.other(), peers).map_err(failure)?;
        signed.add(job.party, signed.receipt.sign(&self.context.identity)).map_err(failure)?;
        if let Some(account) = signed.receipt.accounts.get(job.party.other().index()) {
            self.context.heads.countersigned(&job.peer, &account.log);
            if let Some(head) = &account.budget {
                self.context.witness_budget(&job.peer, head)?;
            }
        }
        self.context.log_job(
            job,
            LogKind::Receipt,
            "receipt signed by both parties; the job's keys and shares are deleted",
            None,
        )?;
        self.book.change(&job.id, |job, now| {
            job.receipt = Some(signed);
            if job.state == JobState::Finished { Ok(()) } else { job.enter(JobState::Finished, now, "") }
        })?;
        // The receiver has signed that it has its outputs: nothing is sent again.
        self.context.forget_secrets(&job.id)?;
        self.context.forget_output(&job.id, OutputKind::Share)?;
        tracing::info!(job = %job.id.short(), peer = %job.peer.short(), "job settled");
        Ok(())
    }

    /// The peer is away, and whether it has what this node sent is not known.
    fn mark_unknown(&self, job: &JobRecord) -> Result<(), Failure> {
        let waited = job.history.last().map_or(0, |entry| self.book.now().saturating_sub(entry.at));
        if job.state != JobState::Releasing || waited < self.patience().as_secs() {
            return Ok(());
        }
        self.book.enter(&job.id, JobState::Unknown, "the peer has not said whether it has its outputs").map(drop)
    }

    /// Sends this node's stored share once more (CHK-703: of this contract's outputs, to the party that receives them).
    async fn send_share(self: &Arc<Self>, job: &JobRecord) -> Result<(), Failure> {
        let Some(share) = self.share_for_peer(job)? else { return Ok(()) };
        let contract = job.contract()?.digest();
        let request = Request::ResultShare { about: self.about(&job.id)?, contract, share };
        match self.ask_once(job, "result share", &request).await? {
            Response::Acknowledged => Ok(()),
            Response::Failed(failure) => Err(failure.to_failure(&job.peer_name())),
            _ => Err(unexpected("result share")),
        }
    }

    /// The peer's share, after the channel broke at the release: with this node's own it opens the outputs.
    pub(super) fn hear_share(
        self: &Arc<Self>,
        from: &PeerId,
        id: &JobId,
        contract: &Digest,
        share: &[u8],
    ) -> Result<(), Failure> {
        let job = self.of_peer(from, id)?;
        if job.contract()?.digest() != *contract {
            let message = "the share is of another contract";
            return Err(Failure::new(Code::new("RELEASE_RECEIVER"), message, "ask the peer's operator."));
        }
        // The run opens it itself, or ends; the peer sends it again until there is a receipt.
        if self.is_running(id) || job.account.is_some() || !job.state.is_past_release() {
            return Ok(());
        }
        self.open_with(&job, share)
    }
}

fn failure(error: tacit_protocol::receipt::ReceiptError) -> Failure {
    Failure::new(error.code(), error.to_string(), "compare both nodes' logs; the job's result stands.")
}
