//! What earlier jobs forbid of one more, before its program is looked at: quotas of alignments (CHK-504) and of versions,
//! and the bound of histories (CHK-213).
//!
//! A peer that changes its own set of keys and aligns again learns who is a member, one answer at a time. What it imports
//! cannot be judged; how often it comes back with another import can be bounded. In the same way exact sums of two versions
//! of the owner's rows differ by what the owner changed between them, which no gate counts.

use super::{Policy, Query};
use crate::program::history::{self, PastJob};
use crate::program::rules::Refusal;

/// What is remembered of earlier jobs for a dataset and one more job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// What they told parties of this job (CHK-213).
    pub told: Vec<PastJob>,
    /// Of how many versions of the dataset those parties were told sums, with the version of now.
    pub versions: u32,
    /// How the proposer aligned rows with it (CHK-504).
    pub aligned: AlignmentUse,
}

/// How one organisation aligned rows with a dataset within the policy's window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlignmentUse {
    /// Its jobs that did, before this one.
    pub jobs: u32,
    /// The versions of its own datasets that they read, with those of this one.
    pub versions: u32,
}

impl Policy {
    /// What the owner says of earlier jobs, so that all parties judge this one with them, and what they forbid of it.
    pub fn check_earlier(&self, query: &Query<'_>, remembered: Remembered) -> (Vec<PastJob>, Vec<Refusal>) {
        let mut refusals = self.check_alignments(query, remembered.aligned);
        refusals.extend(self.check_versions(query, remembered.versions));
        let said = history::said(remembered.told);
        if said.is_none() {
            let cause = "earlier jobs told more of it than one job can be judged with".into();
            let change = "wait until some of them are older than the policy's query.window_days".into();
            refusals.push(query.refusal("DISCLOSURE_HISTORY", "query.window_days", cause, change));
        }
        (said.unwrap_or_default(), refusals)
    }

    fn check_alignments(&self, query: &Query<'_>, used: AlignmentUse) -> Vec<Refusal> {
        let Some(querier) = query.querier.filter(|_| !query.alignments.is_empty()) else { return Vec::new() };
        let (clause, days) = (self.query(), self.query().window_days);
        let mut refusals = Vec::new();
        if let Some(most) = clause.alignments.filter(|most| used.jobs >= *most) {
            let cause = format!("{} jobs of {querier} aligned rows with this dataset in {days} days", used.jobs);
            let change = format!("wait, or raise query.alignments above {most}");
            refusals.push(query.refusal("ALIGN_QUOTA", "query.alignments", cause, change));
        }
        if used.versions > clause.reimports {
            let cause = format!(
                "{querier} would have joined {} versions of its datasets with this one in {days} days",
                used.versions
            );
            let change =
                format!("use a version that was used before, wait, or raise query.reimports to {}", used.versions);
            refusals.push(query.refusal("ALIGN_QUOTA", "query.reimports", cause, change));
        }
        refusals
    }

    /// Noise hides what differs between versions as it hides all else.
    fn check_versions(&self, query: &Query<'_>, versions: u32) -> Option<Refusal> {
        let (clause, days) = (self.query(), self.query().window_days);
        (self.release().minimum_rows > 1 && versions > clause.reimports).then(|| {
            let cause = format!(
                "parties of the job would know exact sums of {versions} versions of its rows in {days} days, and what differs \
                 between two may be one person"
            );
            let change = format!("wait, raise query.reimports to {versions}, or demand noise by a section `privacy`");
            query.refusal("DISCLOSURE_HISTORY", "query.reimports", cause, change)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PartyId;
    use crate::canonical::digest_bytes;
    use crate::program::Alignment;
    use crate::program::history::{ExpressionDigest, limits};
    use crate::terms::Venue;

    fn query(alignments: &[Alignment]) -> Query<'_> {
        Query {
            dataset: "a/b",
            owner: PartyId::ONE,
            querier: Some("Banque"),
            purpose: "",
            venue: Venue::TwoParty,
            alignments,
            code: digest_bytes("test", b"code"),
            now: 0,
            jobs_today: 0,
            jobs_running: 0,
        }
    }

    fn refusals(policy: &str, query: &Query<'_>, remembered: Remembered) -> Vec<(String, String)> {
        let policy = Policy::parse(&format!("version = 1\n[query]\n{policy}")).expect("a policy");
        let (_, refusals) = policy.check_earlier(query, remembered);
        assert!(refusals.iter().all(|refusal| refusal.dataset == "a/b" && !refusal.change.is_empty()));
        refusals.into_iter().map(|refusal| (refusal.code.to_string(), refusal.clause)).collect()
    }

    fn clauses(policy: &str, jobs: u32, versions: u32) -> Vec<String> {
        let remembered = Remembered { aligned: AlignmentUse { jobs, versions }, ..Remembered::default() };
        assert!(refusals(policy, &query(&[]), remembered.clone()).is_empty(), "only what aligns rows has a quota");
        let own = Query { querier: None, ..query(&[Alignment::Revealed]) };
        assert!(refusals(policy, &own, remembered.clone()).is_empty(), "nor does the owner's own job");
        let found = refusals(policy, &query(&[Alignment::Revealed]), remembered);
        assert!(found.iter().all(|(code, _)| code == "ALIGN_QUOTA"));
        found.into_iter().map(|(_, clause)| clause).collect()
    }

    #[test]
    fn attacks_23_and_24_alignments_and_imports_have_quotas_chk_504() {
        assert!(clauses("alignments = 3", 2, 8).is_empty());
        assert_eq!(clauses("alignments = 3", 3, 1), ["query.alignments"]);
        assert!(clauses("", 1_000_000, 8).is_empty(), "without a number, jobs_per_day bounds them");
        assert_eq!(clauses("", 0, 9), ["query.reimports"]);
        assert_eq!(clauses("alignments = 1\nreimports = 1", 1, 2), ["query.alignments", "query.reimports"]);
    }

    #[test]
    fn exact_sums_of_many_versions_of_the_rows_are_refused_and_noisy_ones_are_not_chk_213() {
        let of = |release: &str, versions| {
            let policy = format!("reimports = 2\n{release}");
            refusals(&policy, &query(&[]), Remembered { versions, ..Remembered::default() })
        };
        let minimum = "[release]\nreceivers = [\"Banque\"]\nminimum_rows = 100";
        assert!(of(minimum, 2).is_empty());
        assert_eq!(of(minimum, 3), [("DISCLOSURE_HISTORY".to_owned(), "query.reimports".to_owned())]);
        let noise = "[privacy]\nepsilon = \"3\"\n[release]\nreceivers = [\"Banque\"]";
        assert!(of(noise, 3).is_empty());
    }

    #[test]
    fn a_history_that_is_too_long_to_be_said_forbids_chk_213() {
        let job = |at: usize| PastJob {
            models: [ExpressionDigest::from_bytes([u8::try_from(at).expect("few"); 16])].into(),
            ..PastJob::default()
        };
        let told = |jobs: usize| Remembered { told: (0..jobs).map(job).collect(), ..Remembered::default() };
        assert!(refusals("", &query(&[]), told(limits::JOBS)).is_empty());
        let found = refusals("", &query(&[]), told(limits::JOBS + 1));
        assert_eq!(found, [("DISCLOSURE_HISTORY".to_owned(), "query.window_days".to_owned())]);
    }
}
