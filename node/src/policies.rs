//! The versions of this node's policies: each policy that a dataset ever had, signed by the node, in a chain.
//!
//! *Source*: CHK-921. A job's terms hold the digest of the policy that it ran under; this is where the text of that
//! digest is found again. Loosening a policy takes the operator's confirmation, clause by clause; tightening is in force
//! at once.

use bincode::{Decode, Encode};
use serde::Serialize;
use serde_json::json;
use tacit_protocol::api::policies::{PolicyDiff, PolicyRequest, PolicyVersion};
use tacit_protocol::canonical::{Digest, digest};
use tacit_protocol::identity::{PeerId, Signature};
use tacit_protocol::log::LogKind;
use tacit_protocol::{Code, Failure, Policy};

use crate::context::Context;
use crate::data::{DatasetRecord, PolicyFile};
use crate::store::trees::{Care, KnownTree};
use crate::store::{Batch, Record, RecordTree, StoreError};

const VERSIONS: RecordTree<Version> = RecordTree::new("policy-versions");

/// The tree of versions.
pub(crate) const TREES: [KnownTree; 1] = [VERSIONS.known(Care::Keep)];

/// One policy that a dataset had.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Version {
    /// Counted from 1.
    number: u64,
    /// When it came into force, Unix seconds.
    at: u64,
    /// The file.
    text: String,
    /// The digest of its meaning, which terms name.
    digest: Digest,
    /// The digest that was signed of the version before; zeros for the first.
    before: Digest,
    /// The node.
    signer: PeerId,
    /// Over all of the above.
    signature: Signature,
}

impl Record for Version {
    const NAME: &'static str = "policy version";
    const VERSION: u8 = 1;
}

/// What is signed of a version.
#[derive(Serialize)]
struct Signed<'a> {
    dataset: &'a str,
    number: u64,
    at: u64,
    text: &'a str,
    policy: Digest,
    before: Digest,
}

impl Version {
    fn signed_digest(&self, dataset: &str) -> Digest {
        let Self { number, at, text, digest: policy, before, .. } = self;
        let signed = Signed { dataset, number: *number, at: *at, text, policy: *policy, before: *before };
        digest("tacit/policy-version/1", &signed)
    }

    fn is_signed(&self, dataset: &str) -> bool {
        self.signer.verify("tacit/policy-version/1", &self.signed_digest(dataset), &self.signature)
    }
}

impl Context {
    /// Notes the policy that a dataset has now as its newest version, unless it is that already.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn keep_policy_version(&self, record: &DatasetRecord) -> Result<(), Failure> {
        let known = self.versions(&record.name)?;
        let last = known.last();
        if last.is_some_and(|last| last.text == record.policy.text()) {
            return Ok(());
        }
        let mut version = Version {
            number: last.map_or(1, |last| last.number + 1),
            at: self.clock.unix_seconds(),
            text: record.policy.text().to_owned(),
            digest: record.policy.digest(),
            before: last.map_or(Digest::from_bytes([0; 32]), |last| last.signed_digest(&record.name)),
            signer: self.identity.peer(),
            signature: Signature::from_bytes([0; 64]),
        };
        version.signature = self.identity.sign("tacit/policy-version/1", &version.signed_digest(&record.name));
        // Another version of the same number, written meanwhile, stays.
        let key = key(&record.name, version.number);
        let batch = VERSIONS.put_in(Batch::new().expect(VERSIONS.name(), &key, None), &key, &version);
        match self.store.apply(&batch) {
            Err(StoreError::Conflict { .. }) => return self.keep_policy_version(record),
            written => written?,
        }
        Ok(self.store.flush()?)
    }

    /// Notes the policies of all datasets that have none noted yet, or whose newest a crash kept from being noted.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn keep_policy_versions(&self) -> Result<(), Failure> {
        self.datasets.list()?.iter().try_for_each(|record| self.keep_policy_version(record))
    }

    fn versions(&self, dataset: &str) -> Result<Vec<Version>, Failure> {
        Ok(VERSIONS.all(&*self.store, &prefix(dataset))?.into_iter().map(|(_, version)| version).collect())
    }

    /// The policies that a dataset had, oldest first.
    ///
    /// # Errors
    /// `DATASET_UNKNOWN` where there never was one, or a fault of the store.
    pub fn policy_versions(&self, dataset: &str) -> Result<Vec<PolicyVersion>, Failure> {
        let versions = self.versions(dataset)?;
        if versions.is_empty() {
            self.datasets.dataset(dataset)?;
        }
        let mut before = Digest::from_bytes([0; 32]);
        let mut shown = Vec::new();
        for version in versions {
            let signed = version.is_signed(dataset) && version.before == before;
            before = version.signed_digest(dataset);
            shown.push(PolicyVersion {
                dataset: dataset.to_owned(),
                version: version.number,
                at: version.at,
                digest: version.digest.to_string(),
                before: version.before.to_string(),
                summary: Policy::parse(&version.text).map(|policy| policy.summary()).unwrap_or_default(),
                text: version.text,
                signer: version.signer.to_string(),
                signature: version.signature.to_string(),
                signed,
                jobs: 0,
            });
        }
        Ok(shown)
    }

    /// What another policy would change.
    ///
    /// # Errors
    /// `DATASET_UNKNOWN`, `POLICY_PARSE`, or a fault of the store.
    pub fn policy_diff(&self, dataset: &str, text: &str) -> Result<PolicyDiff, Failure> {
        diff(&self.datasets.dataset(dataset)?, &PolicyFile::new(text)?)
    }

    /// Puts another policy in force (CHK-921).
    ///
    /// # Errors
    /// `POLICY_LOOSENED` where it allows more and that is not confirmed, `POLICY_PARSE`, `DATASET_UNKNOWN`, a conflict with
    /// another change at the same time, a fault of the store.
    pub fn change_policy(&self, dataset: &str, request: &PolicyRequest) -> Result<PolicyDiff, Failure> {
        let before = self.datasets.dataset(dataset)?;
        let policy = PolicyFile::new(&request.policy)?;
        let diff = diff(&before, &policy)?;
        if !diff.loosened.is_empty() && !request.confirm_loosened {
            let message = format!("the policy allows more than before in {}", diff.loosened.join(", "));
            let next = "look at `tacit policy diff`, and set it with `--loosen` if that is meant.";
            return Err(Failure::new(Code::new("POLICY_LOOSENED"), message, next));
        }
        let body = json!({
            "dataset": dataset, "policy": policy.digest(), "loosened": diff.loosened, "tightened": diff.tightened,
            "text": if diff.loosened.is_empty() { "policy changed" } else { "policy loosened" },
        });
        // CHK-811: in the log before it is in force.
        self.log(LogKind::Dataset, &body)?;
        // What was compared is what is replaced: another change meanwhile is a conflict.
        let record = self.datasets.set_policy(&before, policy)?;
        self.keep_policy_version(&record)?;
        Ok(diff)
    }
}

fn diff(record: &DatasetRecord, policy: &PolicyFile) -> Result<PolicyDiff, Failure> {
    let (now, next) = (record.policy.policy()?, policy.policy()?);
    next.check_schema(&record.schema).map_err(crate::data::DataError::from)?;
    let (loosened, tightened) = (now.loosened_by(&next), next.loosened_by(&now));
    Ok(PolicyDiff { dataset: record.name.clone(), loosened, tightened })
}

/// Names have no zero bytes, so no name's versions are among another's.
fn prefix(dataset: &str) -> Vec<u8> {
    [dataset.as_bytes(), &[0]].concat()
}

fn key(dataset: &str, number: u64) -> Vec<u8> {
    [prefix(dataset).as_slice(), &number.to_be_bytes()].concat()
}
