//! Budgets as people read them: what is left, as work that can still be done.

use tacit_protocol::api::{BudgetAccount, BudgetReport};
use tacit_protocol::policy::{Policy, PrivacyClause};
use tacit_protocol::privacy::{Rho, Sigma};

use super::{Budget, Charge, Lineage};

/// One page of all accounts of these datasets. `within` is the accuracy of the counts that are told as remaining work.
pub fn page(budget: &Budget, datasets: &[(String, Lineage, Policy)], within: f64) -> BudgetReport {
    let accounts =
        accounts(budget, datasets).map(|(charge, clause)| account(budget, &charge, &clause, within)).collect();
    let head = budget.head();
    BudgetReport { entries: head.sequence, head: head.digest.to_string(), doubt: budget.doubt(), within, accounts }
}

/// The accounts of these datasets: of everybody who may receive results, or has entries.
pub(super) fn accounts(
    budget: &Budget,
    datasets: &[(String, Lineage, Policy)],
) -> impl Iterator<Item = (Charge, PrivacyClause)> {
    let noisy =
        datasets.iter().filter_map(|(dataset, lineage, policy)| Some((dataset, lineage, policy, policy.privacy()?)));
    noisy.flat_map(|(dataset, lineage, policy, clause)| {
        let mut organisations = budget.organisations(lineage);
        organisations.extend(policy.release().receivers.iter().cloned());
        organisations.sort();
        organisations.dedup();
        let account = |to: String| (Charge::of_account(*lineage, dataset, &to, &clause), clause);
        organisations.into_iter().map(account).collect::<Vec<_>>()
    })
}

fn account(budget: &Budget, account: &Charge, clause: &PrivacyClause, within: f64) -> BudgetAccount {
    let delta = clause.delta.to_f64();
    let used = budget.used(&account.lineage, &account.organisation);
    let left = budget.left(account);
    BudgetAccount {
        dataset: account.dataset.clone(),
        organisation: account.organisation.clone(),
        epsilon: clause.epsilon.to_f64(),
        delta,
        granted_rho: used.granted.to_f64(),
        reserved_rho: used.reserved.to_f64(),
        spent_rho: used.spent.to_f64(),
        spent_epsilon: used.spent.epsilon(delta),
        left_rho: left.to_f64(),
        counts: counts(left, within),
    }
}

/// How many counts that are within this of the exact ones, in 95 of 100 cases, an amount is enough for.
fn counts(left: Rho, within: f64) -> u64 {
    let sigma = Sigma::from_parts((within / 1.96 * 1024.0) as u64);
    let one = sigma.and_then(|sigma| Rho::of_release(&1_u8.into(), sigma));
    one.map_or(0, |one| left.units() / one.units().max(1))
}
