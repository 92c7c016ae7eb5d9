//! What the operator sees of the budgets, and does with them.

use serde_json::json;
use tacit_protocol::api::{BudgetEntry, BudgetReport, GrantRequest};
use tacit_protocol::log::LogKind;
use tacit_protocol::policy::Policy;
use tacit_protocol::privacy::Rho;
use tacit_protocol::{Code, Failure};

use super::page::{accounts, page};
use super::{Charge, Entry, Lineage};
use crate::node::Node;

/// The accuracy of the counts that remaining work is told in, unless another is asked for.
const WITHIN: f64 = 12.0;

impl Node {
    /// What is left of each dataset's budget for each organisation.
    ///
    /// # Errors
    /// `USAGE_WITHIN` for an accuracy that is none, a fault of the store.
    pub fn budget(&self, within: Option<f64>) -> Result<BudgetReport, Failure> {
        let within = within.unwrap_or(WITHIN);
        if !(within > 0.0 && within <= 1e12) {
            let message = format!("counts cannot be within {within} of the exact ones");
            return Err(Failure::new(Code::new("USAGE_WITHIN"), message, "give a number above 0, at most 10^12."));
        }
        Ok(page(&self.context.budget, &self.with_noise()?, within))
    }

    /// The ledger, in order.
    pub fn budget_ledger(&self) -> Vec<BudgetEntry> {
        self.context.budget.entries().iter().map(line).collect()
    }

    /// Adds to what an organisation may learn.
    ///
    /// # Errors
    /// `DATASET_UNKNOWN` for one without noise, `USAGE_EPSILON`, `USAGE_REASON`, `PEER_NAME` for nobody who is paired.
    pub fn grant_budget(&self, request: &GrantRequest) -> Result<BudgetReport, Failure> {
        let all = self.with_noise()?;
        let Some((name, lineage, policy)) = all.iter().find(|(name, ..)| *name == request.dataset) else {
            let message = format!("{:?} is no dataset that releases with noise", request.dataset);
            return Err(Failure::new(Code::new("DATASET_UNKNOWN"), message, "see `tacit budget show`."));
        };
        if self.context.peer_named(&request.organisation).is_none() {
            let message = format!("{:?} is not paired with this node", request.organisation);
            return Err(Failure::new(Code::new("PEER_NAME"), message, "see `tacit peer list`."));
        }
        let clause = policy.privacy().expect("only such policies are listed");
        let rho = Rho::from_epsilon(request.epsilon, clause.delta.to_f64())
            .map_err(|error| Failure::new(Code::new("USAGE_EPSILON"), error.to_string(), "give --epsilon above 0."))?;
        let charge = Charge { rho, ..Charge::of_account(*lineage, name, &request.organisation, &clause) };
        self.context.budget.grant(charge, &request.reason)?;
        self.note(&format!(
            "an epsilon of {} was granted to {} on {name}: {}",
            request.epsilon,
            request.organisation,
            request.reason.trim()
        ))?;
        self.budget(None)
    }

    /// Counts all that was left as spent, after a ledger lost its end.
    ///
    /// # Errors
    /// `STATE_ILLEGAL` if it is whole, `USAGE_REASON`.
    pub fn confirm_budget(&self, reason: &str) -> Result<BudgetReport, Failure> {
        let datasets = self.with_noise()?;
        let accounts: Vec<_> = accounts(&self.context.budget, &datasets).map(|(account, _)| account).collect();
        self.context.budget.confirm(&accounts, reason)?;
        self.note(&format!("the budget ledger goes on, and all that was left is spent: {reason}"))?;
        self.budget(None)
    }

    /// The datasets whose policies demand noise.
    fn with_noise(&self) -> Result<Vec<(String, Lineage, Policy)>, Failure> {
        let mut found = Vec::new();
        for record in self.context.datasets.list()? {
            let policy = record.policy.policy()?;
            if policy.privacy().is_some() {
                found.push((record.name, record.lineage, policy));
            }
        }
        Ok(found)
    }

    fn note(&self, text: &str) -> Result<(), Failure> {
        let (log, now) = (&self.context.log, self.context.clock.unix_seconds());
        log.append(now, LogKind::Policy, &json!({ "text": text }))?;
        Ok(())
    }
}

fn line(entry: &Entry) -> BudgetEntry {
    let kind = serde_json::to_value(entry.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
    BudgetEntry {
        seq: entry.sequence,
        at: entry.time,
        kind: kind.unwrap_or_default(),
        job: entry.job.map(|job| job.to_string()),
        dataset: entry.dataset.clone(),
        organisation: entry.organisation.clone(),
        rho: entry.rho.to_f64(),
        reason: entry.reason.clone(),
        digest: entry.head().digest.to_string(),
    }
}
