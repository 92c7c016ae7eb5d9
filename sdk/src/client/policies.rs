//! Policies, approvals, and what was learned.

use tacit_protocol::api::policies::{
    ApprovalInfo, ApproveRequest, DatasetLearned, PolicyCheck, PolicyCheckRequest, PolicyDiff, PolicyRequest,
    PolicyVersion, SubmitOptions,
};
use tacit_protocol::api::{JobDetail, JobSummary, SubmitRequest};

use super::{Client, ClientError};

impl Client {
    /// What policies would say of a program.
    pub fn policy_check(&self, request: &PolicyCheckRequest) -> Result<PolicyCheck, ClientError> {
        self.post("/v1/policy/check", request)
    }

    /// The policy of a dataset: a version of it, or the one in force.
    pub fn policy(&self, dataset: &str, version: Option<u64>) -> Result<PolicyVersion, ClientError> {
        let query = version.map(|version| format!("?version={version}")).unwrap_or_default();
        self.get(&format!("/v1/datasets/{dataset}/policy{query}"))
    }

    /// The policies that a dataset had, oldest first.
    pub fn policy_versions(&self, dataset: &str) -> Result<Vec<PolicyVersion>, ClientError> {
        self.get(&format!("/v1/datasets/{dataset}/policy/versions"))
    }

    /// What another policy would change.
    pub fn policy_diff(&self, dataset: &str, request: &PolicyRequest) -> Result<PolicyDiff, ClientError> {
        self.post(&format!("/v1/datasets/{dataset}/policy/diff"), request)
    }

    /// Puts another policy in force.
    pub fn set_policy(&self, dataset: &str, request: &PolicyRequest) -> Result<PolicyDiff, ClientError> {
        self.post(&format!("/v1/datasets/{dataset}/policy"), request)
    }

    /// What organisations have learned from a dataset so far.
    pub fn dataset_learned(&self, dataset: &str) -> Result<DatasetLearned, ClientError> {
        self.get(&format!("/v1/datasets/{dataset}/learned"))
    }

    /// Submits a program, with options.
    pub fn submit_with(&self, request: &SubmitRequest, options: SubmitOptions) -> Result<JobSummary, ClientError> {
        let SubmitOptions { again, priority } = options;
        self.post(&format!("/v1/jobs?again={again}&priority={}", priority.name()), request)
    }

    /// Approves a job that waits, and its terms for further runs.
    pub fn approve_for(&self, id: &str, request: &ApproveRequest) -> Result<JobDetail, ClientError> {
        self.post(&format!("/v1/jobs/{id}/approve"), request)
    }

    /// The approvals for further runs.
    pub fn approvals(&self) -> Result<Vec<ApprovalInfo>, ClientError> {
        self.get("/v1/approvals")
    }

    /// Takes an approval for further runs back.
    pub fn revoke_approval(&self, id: &str) -> Result<ApprovalInfo, ClientError> {
        self.post(&format!("/v1/approvals/{id}/revoke"), &())
    }
}
