//! Quotas of alignments (CHK-504): a peer that changes its own set of keys and aligns again learns who is a member, one
//! answer at a time. What it imports cannot be judged; how often it comes back with another import can be bounded.

use super::Policy;
use crate::program::rules::Refusal;
use crate::{Code, PartyId};

/// How one organisation aligned rows with a dataset within the policy's window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlignmentUse {
    /// Its jobs that did, before this one.
    pub jobs: u32,
    /// The versions of its own datasets that they read, with those of this one.
    pub versions: u32,
}

impl Policy {
    /// What the quotas forbid of one more job that aligns rows.
    pub fn check_alignments(&self, dataset: &str, owner: PartyId, querier: &str, used: AlignmentUse) -> Vec<Refusal> {
        let (query, days) = (self.query(), self.query().window_days);
        let mut refusals = Vec::new();
        let mut refuse = |clause: &str, cause, change| {
            let (dataset, clause) = (dataset.to_owned(), clause.to_owned());
            refusals.push(Refusal {
                code: Code::new("ALIGN_QUOTA"),
                owner,
                dataset,
                clause,
                cause,
                change,
                node: None,
            });
        };
        if let Some(most) = query.alignments.filter(|most| used.jobs >= *most) {
            let cause = format!("{} jobs of {querier} aligned rows with this dataset in {days} days", used.jobs);
            refuse("query.alignments", cause, format!("wait, or raise query.alignments above {most}"));
        }
        if used.versions > query.reimports {
            let cause = format!(
                "{querier} would have joined {} versions of its datasets with this one in {days} days",
                used.versions
            );
            let change =
                format!("use a version that was used before, wait, or raise query.reimports to {}", used.versions);
            refuse("query.reimports", cause, change);
        }
        refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clauses(policy: &str, jobs: u32, versions: u32) -> Vec<String> {
        let policy = Policy::parse(&format!("version = 1\n[query]\n{policy}")).expect("a policy");
        let refusals = policy.check_alignments("a/b", PartyId::ONE, "Banque", AlignmentUse { jobs, versions });
        assert!(refusals.iter().all(|refusal| refusal.code.as_str() == "ALIGN_QUOTA" && !refusal.change.is_empty()));
        refusals.into_iter().map(|refusal| refusal.clause).collect()
    }

    #[test]
    fn attacks_23_and_24_alignments_and_imports_have_quotas_chk_504() {
        assert!(clauses("alignments = 3", 2, 8).is_empty());
        assert_eq!(clauses("alignments = 3", 3, 1), ["query.alignments"]);
        assert!(clauses("", 1_000_000, 8).is_empty(), "without a number, jobs_per_day bounds them");
        assert_eq!(clauses("", 0, 9), ["query.reimports"]);
        assert_eq!(clauses("alignments = 1\nreimports = 1", 1, 2), ["query.alignments", "query.reimports"]);
    }
}
