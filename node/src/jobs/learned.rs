//! "What have they learned so far from this dataset?": one page, from the records of jobs.

use std::collections::{BTreeMap, BTreeSet};

use tacit_protocol::api::policies::{DatasetLearned, LearnedJob, LearnedOutput, OrganisationLearned, RefusedJob};
use tacit_protocol::terms::Terms;
use tacit_protocol::{Failure, JobState, PartyId};

use super::Jobs;
use super::record::JobRecord;
use super::view::{release, with_names};

impl Jobs {
    /// What organisations have learned from a dataset of this node, and what they were refused.
    ///
    /// # Errors
    /// `DATASET_UNKNOWN` for a name that never had a dataset, or a fault of the store.
    pub fn learned(&self, dataset: &str) -> Result<DatasetLearned, Failure> {
        if self.context.datasets.lineage(dataset)?.is_none() {
            self.context.datasets.dataset(dataset)?;
        }
        let versions = self.context.policy_versions(dataset).unwrap_or_default();
        let numbered = |digest: &str| versions.iter().rev().find(|v| v.digest == digest).map(|v| v.version);
        let mut pages: BTreeMap<String, OrganisationLearned> = BTreeMap::new();
        for job in self.book.all()? {
            let own = job.proposal.datasets.iter().any(|d| d.owner == job.party && d.dataset == dataset);
            if !own {
                continue;
            }
            let mut told: BTreeSet<PartyId> = BTreeSet::new();
            if let Some(terms) = job.contract.as_ref().map(|contract| &contract.terms).filter(|_| was_released(&job)) {
                for party in receivers(terms).into_iter().filter(|party| *party != job.party) {
                    told.insert(party);
                    let mut learned = learned_job(&job, terms, dataset, party);
                    learned.policy_version = numbered(&learned.policy);
                    page(&mut pages, job.organisation(party)).jobs.push(learned);
                }
            }
            let asker = job.proposal.proposer;
            if told.contains(&asker) || asker == job.party {
                continue;
            }
            let page = page(&mut pages, job.organisation(asker));
            match job.state {
                JobState::Refused => page.refused.push(refused(&job)),
                _ => page.others += 1,
            }
        }
        Ok(DatasetLearned { dataset: dataset.to_owned(), organisations: pages.into_values().collect() })
    }
}

fn page(pages: &mut BTreeMap<String, OrganisationLearned>, organisation: String) -> &mut OrganisationLearned {
    pages.entry(organisation.clone()).or_insert_with(|| OrganisationLearned {
        organisation,
        jobs: Vec::new(),
        refused: Vec::new(),
        others: 0,
    })
}

/// Whether a share of a job's outputs may have left.
fn was_released(job: &JobRecord) -> bool {
    job.history.iter().any(|entered| entered.state.is_past_release())
}

fn receivers(terms: &Terms) -> BTreeSet<PartyId> {
    terms.release.outputs.iter().flat_map(|output| output.receivers.iter().copied()).collect()
}

fn learned_job(job: &JobRecord, terms: &Terms, dataset: &str, party: PartyId) -> LearnedJob {
    let own = terms.datasets.iter().find(|d| d.owner == job.party && d.dataset == dataset);
    let at = job.history.iter().find(|entered| entered.state.is_past_release()).map_or(0, |entered| entered.at);
    let received = terms.release.outputs.iter().filter(|output| output.receivers.contains(&party));
    let facts = terms.disclosures.iter().filter(|learned| learned.party == party).flat_map(|learned| &learned.facts);
    LearnedJob {
        id: job.id.to_string(),
        at,
        purpose: terms.purpose.clone(),
        analyst: terms.analyst.clone(),
        version: own.map_or(0, |own| own.version),
        policy: own.map(|own| own.policy.to_string()).unwrap_or_default(),
        policy_version: None,
        outputs: received
            .map(|output| {
                let shown = release(job, output);
                LearnedOutput {
                    output: shown.output,
                    receivers: shown.receivers,
                    minimum_rows: shown.minimum_rows,
                    grid: shown.grid,
                }
            })
            .collect(),
        facts: facts.map(|fact| with_names(job, &fact.to_string())).collect(),
    }
}

fn refused(job: &JobRecord) -> RefusedJob {
    RefusedJob {
        id: job.id.to_string(),
        at: job.history.last().map_or(0, |entered| entered.at),
        code: job.failure.as_ref().map(|failure| failure.code.to_string()).unwrap_or_default(),
        clause: job.told.as_ref().and_then(|told| told.refusals.first()).map(|refusal| refusal.clause.to_string()),
        purpose: job.proposal.purpose.clone(),
    }
}
