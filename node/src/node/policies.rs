//! Policies, what they would say, and what was learned under them.

use std::sync::Arc;

use tacit_protocol::Failure;
use tacit_protocol::api::policies::{
    ApprovalInfo, DatasetLearned, PolicyCheck, PolicyCheckRequest, PolicyDiff, PolicyRequest, PolicyVersion,
};
use tacit_protocol::{Code, JobState};

use super::{Node, off_reactor};

impl Node {
    /// What policies would say of a program.
    ///
    /// # Errors
    /// The program is wrong, or a dataset unknown.
    pub async fn policy_check(&self, request: &PolicyCheckRequest) -> Result<PolicyCheck, Failure> {
        self.jobs.policy_check(request).await
    }

    /// The policies that a dataset had, oldest first, with the jobs that ran under each.
    ///
    /// # Errors
    /// `DATASET_UNKNOWN`, or a fault of the store.
    pub fn policy_versions(&self, dataset: &str) -> Result<Vec<PolicyVersion>, Failure> {
        let mut versions = self.context.policy_versions(dataset)?;
        let mut digests = Vec::new();
        for job in self.jobs.book().all()? {
            let Some(contract) = job.contract.as_ref().filter(|_| job.state != JobState::Refused) else { continue };
            let own = contract.terms.datasets.iter().find(|d| d.owner == job.party && d.dataset == dataset);
            digests.extend(own.map(|own| own.policy.to_string()));
        }
        for version in &mut versions {
            version.jobs = digests.iter().filter(|digest| **digest == version.digest).count() as u64;
        }
        Ok(versions)
    }

    /// One version of a dataset's policy; the newest if none is named.
    ///
    /// # Errors
    /// `DATASET_UNKNOWN`, `POLICY_VERSION`, or a fault of the store.
    pub fn policy_version(&self, dataset: &str, number: Option<u64>) -> Result<PolicyVersion, Failure> {
        let versions = self.policy_versions(dataset)?;
        let found = match number {
            None => versions.into_iter().next_back(),
            Some(number) => versions.into_iter().find(|version| version.version == number),
        };
        found.ok_or_else(|| {
            let message = format!("{dataset} never had such a policy");
            Failure::new(Code::new("POLICY_VERSION"), message, "see `tacit policy history`.")
        })
    }

    /// What another policy would change.
    ///
    /// # Errors
    /// `DATASET_UNKNOWN`, `POLICY_PARSE`, or a fault of the store.
    pub fn policy_diff(&self, dataset: &str, text: &str) -> Result<PolicyDiff, Failure> {
        self.context.policy_diff(dataset, text)
    }

    /// Puts another policy in force.
    ///
    /// # Errors
    /// `POLICY_LOOSENED`, `POLICY_PARSE`, `DATASET_UNKNOWN`, or a fault of the store.
    pub async fn change_policy(self: &Arc<Self>, dataset: &str, request: PolicyRequest) -> Result<PolicyDiff, Failure> {
        let (node, dataset) = (Arc::clone(self), dataset.to_owned());
        off_reactor(move || node.context.change_policy(&dataset, &request)).await?
    }

    /// The approvals for further runs, newest first.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn approvals(&self) -> Result<Vec<ApprovalInfo>, Failure> {
        self.jobs.approvals()
    }

    /// Takes an approval for further runs back.
    ///
    /// # Errors
    /// `APPROVAL_MISSING`, or a fault of the store or the log.
    pub fn revoke_approval(&self, id: &str) -> Result<ApprovalInfo, Failure> {
        self.jobs.revoke_approval(id)
    }

    /// What organisations have learned from a dataset so far.
    ///
    /// # Errors
    /// `DATASET_UNKNOWN`, or a fault of the store.
    pub fn dataset_learned(&self, dataset: &str) -> Result<DatasetLearned, Failure> {
        self.jobs.learned(dataset)
    }
}
