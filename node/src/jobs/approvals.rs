//! Approvals of terms for more than one run (CHK-215): the same code, parties, dataset versions, receivers, venue,
//! purpose and own policies, so many times, until a day. Anything else waits for the operator again.
//!
//! A run is used before the acceptance leaves, and given back if its job ended before its release.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use bincode::{Decode, Encode};
use serde::Serialize;
use tacit_protocol::api::policies::{ApprovalInfo, ApproveRequest};
use tacit_protocol::canonical::{Digest, digest};
use tacit_protocol::identity::PeerId;
use tacit_protocol::job::JobId;
use tacit_protocol::log::LogKind;
use tacit_protocol::program::Program;
use tacit_protocol::terms::{Proposal, Venue, schema_digest};
use tacit_protocol::{Code, Failure, PartyId};

use super::Jobs;
use super::negotiate::{self, OwnData};
use super::record::JobRecord;
use crate::store::trees::{Care, KnownTree};
use crate::store::{Record, RecordTree};

const APPROVALS: RecordTree<Approval> = RecordTree::new("approvals");

/// The tree of approvals. They are in no backup: runs that were used after it would be there again.
pub(crate) const TREES: [KnownTree; 1] = [APPROVALS.known(Care::Never)];
/// Approvals that are kept; beyond them the oldest that is over goes.
const MAX_APPROVALS: usize = 1_024;

/// An approval.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Approval {
    scope: Digest,
    organisation: String,
    code: Digest,
    datasets: Vec<String>,
    receivers: Vec<String>,
    purpose: String,
    runs: u32,
    /// The jobs that used it, as long as they have not ended before their release.
    used: BTreeSet<JobId>,
    until: Option<u64>,
    given: u64,
    job: JobId,
    revoked: bool,
}

impl Record for Approval {
    const NAME: &'static str = "approval";
    const VERSION: u8 = 1;
}

impl Approval {
    /// What the log says of it.
    pub(super) fn text(&self) -> String {
        let until = self.until.map_or_else(String::new, |until| format!(" until {}", day_of(until)));
        format!("approved by the operator for {} runs{until}, as approval {}", self.runs, self.id())
    }

    fn state(&self, now: u64) -> &'static str {
        if self.revoked {
            "revoked"
        } else if self.until.is_some_and(|until| now >= until) {
            "expired"
        } else if self.left() == 0 {
            "used"
        } else {
            "valid"
        }
    }

    fn left(&self) -> u32 {
        self.runs.saturating_sub(u32::try_from(self.used.len()).unwrap_or(u32::MAX))
    }

    fn to_api(&self, now: u64) -> ApprovalInfo {
        ApprovalInfo {
            id: self.id(),
            state: self.state(now).into(),
            organisation: self.organisation.clone(),
            code: self.code.to_string(),
            datasets: self.datasets.clone(),
            receivers: self.receivers.clone(),
            purpose: self.purpose.clone(),
            runs_left: self.left(),
            runs: self.runs,
            until: self.until,
            given: self.given,
            job: self.job.to_string(),
        }
    }

    fn id(&self) -> String {
        self.scope.to_string()[..16].to_owned()
    }
}

/// What an approval binds.
#[derive(Serialize)]
struct Scope<'a> {
    code: Digest,
    parties: Vec<(PeerId, &'a str)>,
    proposer: PartyId,
    datasets: Vec<(&'a str, PartyId, u64, Digest)>,
    venue: Venue,
    purpose: &'a str,
    policies: Vec<(&'a str, Digest)>,
}

/// The digest of what an approval of a proposal is for.
fn scope(proposal: &Proposal, own: &[(String, OwnData)]) -> Digest {
    let datasets = proposal.datasets.iter().map(|d| (d.name.as_str(), d.owner, d.version, schema_digest(&d.schema)));
    let scope = Scope {
        code: proposal.code.digest(),
        parties: proposal.parties.iter().map(|party| (party.peer, party.organisation.as_str())).collect(),
        proposer: proposal.proposer,
        datasets: datasets.collect(),
        venue: proposal.venue,
        purpose: &proposal.purpose,
        policies: own.iter().map(|(name, data)| (name.as_str(), data.policy.digest())).collect(),
    };
    digest("tacit/approval/1", &scope)
}

impl Jobs {
    /// This node's datasets in a job.
    fn own_data(&self, job: &JobRecord) -> Result<Vec<(String, OwnData)>, Failure> {
        let own = job.proposal.datasets.iter().filter(|dataset| dataset.owner == job.party);
        own.map(|dataset| {
            let data = self.context.own_dataset(&dataset.dataset)?;
            Ok((dataset.name.clone(), data.ok_or_else(|| negotiate::unknown_dataset(&dataset.name))?))
        })
        .collect()
    }

    /// Uses a run of an approval for a job that waits, if there is one for just this; its id and the runs that are left.
    ///
    /// # Errors
    /// A fault of the store or the log.
    pub(super) fn use_approval(&self, job: &JobRecord) -> Result<Option<String>, Failure> {
        let _changes = self.approval_changes();
        let key = scope(&job.proposal, &self.own_data(job)?);
        let Some(mut approval) = APPROVALS.get(&*self.context.store, key.as_bytes())? else { return Ok(None) };
        if approval.state(self.book.now()) != "valid" {
            return Ok(None);
        }
        approval.used.insert(job.id);
        APPROVALS.put(&*self.context.store, key.as_bytes(), &approval)?;
        self.context.store.flush()?;
        let text = format!("accepted under approval {}, {} runs left", approval.id(), approval.left());
        self.context.log_job(job, LogKind::Approval, &text, None)?;
        Ok(Some(text))
    }

    /// Gives the run of a job back that ended before its release.
    pub(super) fn return_approval(&self, job: &JobRecord) -> Result<(), Failure> {
        let _changes = self.approval_changes();
        for (key, mut approval) in APPROVALS.all(&*self.context.store, b"")? {
            if approval.used.remove(&job.id) {
                APPROVALS.put(&*self.context.store, &key, &approval)?;
            }
        }
        Ok(())
    }

    /// The approval of further runs of a job that the operator approves, if there are to be some.
    ///
    /// # Errors
    /// `APPROVAL_SCOPE` if the policies do not allow so much, or a fault of the store.
    pub(super) fn approval_for(&self, job: &JobRecord, request: &ApproveRequest) -> Result<Option<Approval>, Failure> {
        let (runs, now) = (request.runs.unwrap_or(1), self.book.now());
        let own = self.own_data(job)?;
        let most = own.iter().map(|(_, data)| data.policy.query().runs).min().unwrap_or(1);
        let refuse = |message: String, next: &str| Err(Failure::new(Code::new("APPROVAL_SCOPE"), message, next));
        if runs == 0 || runs > most {
            return refuse(format!("an approval is for 1 to {most} runs here"), "see `query.runs` of the policies.");
        }
        if request.until.is_some_and(|until| until <= now) {
            return refuse("an approval cannot end in the past".into(), "name a later day.");
        }
        if runs == 1 {
            return Ok(None);
        }
        Ok(Some(self.approval_of(job, scope(&job.proposal, &own), runs, request.until)))
    }

    /// Puts an approval in force.
    ///
    /// # Errors
    /// `APPROVAL_SCOPE` where there are too many that hold, or a fault of the store.
    pub(super) fn keep_approval(&self, approval: &Approval, now: u64) -> Result<(), Failure> {
        let _changes = self.approval_changes();
        self.make_room(now)?;
        APPROVALS.put(&*self.context.store, approval.scope.as_bytes(), approval)?;
        Ok(self.context.store.flush()?)
    }

    /// Takes an approval away whose job was not approved after all.
    ///
    /// # Errors
    /// A fault of the store.
    pub(super) fn drop_approval(&self, approval: &Approval) -> Result<(), Failure> {
        let _changes = self.approval_changes();
        match APPROVALS.get(&*self.context.store, approval.scope.as_bytes())? {
            Some(kept) if kept == *approval => Ok(APPROVALS.delete(&*self.context.store, approval.scope.as_bytes())?),
            _ => Ok(()),
        }
    }

    /// Held while approvals are read and written.
    fn approval_changes(&self) -> MutexGuard<'_, ()> {
        self.approving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn approval_of(&self, job: &JobRecord, scope: Digest, runs: u32, until: Option<u64>) -> Approval {
        let program: Option<&Program> = job.proposal.code.program();
        let receivers = program.map(|program| negotiate::receivers(&job.proposal, program).unwrap_or_default());
        let receivers: BTreeSet<PartyId> = receivers.into_iter().flat_map(|all| all.into_values().flatten()).collect();
        Approval {
            scope,
            organisation: job.organisation(job.proposal.proposer),
            code: job.proposal.code.digest(),
            datasets: job.proposal.datasets.iter().map(|d| format!("{} version {}", d.name, d.version)).collect(),
            receivers: receivers.into_iter().map(|party| job.organisation(party)).collect(),
            purpose: job.proposal.purpose.clone(),
            runs,
            used: BTreeSet::from([job.id]),
            until,
            given: self.book.now(),
            job: job.id,
            revoked: false,
        }
    }

    /// Lets the oldest approvals go that hold no more, where there are too many.
    fn make_room(&self, now: u64) -> Result<(), Failure> {
        let mut all = APPROVALS.all(&*self.context.store, b"")?;
        if all.len() < MAX_APPROVALS {
            return Ok(());
        }
        all.sort_by_key(|(_, approval)| (approval.state(now) == "valid", approval.given));
        let (key, oldest) = &all[0];
        if oldest.state(now) == "valid" {
            let message = format!("{MAX_APPROVALS} approvals hold already");
            return Err(Failure::new(Code::new("APPROVAL_SCOPE"), message, "revoke some; see `tacit approval list`."));
        }
        Ok(APPROVALS.delete(&*self.context.store, key)?)
    }

    /// The approvals, newest first.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn approvals(&self) -> Result<Vec<ApprovalInfo>, Failure> {
        let (now, mut all) = (self.book.now(), APPROVALS.all(&*self.context.store, b"")?);
        all.sort_by_key(|(_, approval)| std::cmp::Reverse(approval.given));
        Ok(all.iter().map(|(_, approval)| approval.to_api(now)).collect())
    }

    /// Takes an approval back, by its id or a unique start of it. Runs that were accepted go on.
    ///
    /// # Errors
    /// `APPROVAL_MISSING` if there is none, or a fault of the store or the log.
    pub fn revoke_approval(self: &Arc<Self>, id: &str) -> Result<ApprovalInfo, Failure> {
        let _changes = self.approval_changes();
        let mut found = APPROVALS.all(&*self.context.store, b"")?.into_iter().filter(|(_, a)| a.id().starts_with(id));
        let (Some((key, mut approval)), None) = (found.next().filter(|_| id.len() >= 4), found.next()) else {
            let message = format!("there is no approval {id}");
            return Err(Failure::new(Code::new("APPROVAL_MISSING"), message, "see `tacit approval list`."));
        };
        approval.revoked = true;
        let body = serde_json::json!({
            "approval": approval.id(), "organisation": approval.organisation, "text": "the approval was revoked",
        });
        self.context.log(LogKind::Approval, &body)?;
        APPROVALS.put(&*self.context.store, &key, &approval)?;
        self.context.store.flush()?;
        Ok(approval.to_api(self.book.now()))
    }
}

fn day_of(unix_seconds: u64) -> String {
    let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
    time::OffsetDateTime::from_unix_timestamp(seconds).map_or_else(|_| "ever".into(), |time| time.date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::negotiate::tests::proposal;

    #[test]
    fn an_approval_is_for_one_code_purpose_and_version_chk_215() {
        let approved = scope(&proposal(), &[]);
        let with = |change: fn(&mut Proposal)| {
            let mut other = proposal();
            change(&mut other);
            scope(&other, &[])
        };
        assert_eq!(approved, with(|p| p.nonce = tacit_protocol::canonical::Nonce::from_bytes([9; 16])), "another run");
        for change in [
            (|p| p.purpose = "another".into()) as fn(&mut Proposal),
            |p| p.datasets[0].version += 1,
            |p| p.datasets[1].schema.rows += 1,
            |p| p.proposer = p.proposer.other(),
            |p| p.parties[0].organisation = "another".into(),
            |p| {
                if let tacit_protocol::terms::JobCode::Program(program) = &mut p.code {
                    program.outputs[0].receivers = vec!["maison".into()];
                }
            },
        ] {
            assert_ne!(approved, with(change));
        }
    }

    #[test]
    fn an_approval_ends_by_runs_by_day_and_by_its_operator() {
        let job = JobId::from_bytes([1; 32]);
        let approval = Approval {
            scope: scope(&proposal(), &[]),
            organisation: "banque".into(),
            code: proposal().code.digest(),
            datasets: Vec::new(),
            receivers: Vec::new(),
            purpose: String::new(),
            runs: 2,
            used: BTreeSet::from([job]),
            until: Some(100),
            given: 1,
            job,
            revoked: false,
        };
        assert_eq!((approval.state(99), approval.left()), ("valid", 1));
        assert_eq!(approval.state(100), "expired");
        let used = Approval { used: BTreeSet::from([job, JobId::from_bytes([2; 32])]), ..approval.clone() };
        assert_eq!((used.state(99), used.left()), ("used", 0));
        assert_eq!(Approval { revoked: true, ..approval }.state(99), "revoked");
    }
}
