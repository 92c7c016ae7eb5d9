//! What a job costs this node's datasets.

use std::collections::BTreeMap;

use tacit_protocol::PartyId;
use tacit_protocol::policy::PrivacyClause;
use tacit_protocol::privacy::Rho;
use tacit_protocol::program::release::ReleaseSpec;

use super::entry::Lineage;

/// An amount of one account, with the bounds of that account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The lineage of the dataset.
    pub lineage: Lineage,
    /// The dataset's name.
    pub dataset: String,
    /// Who would learn something.
    pub organisation: String,
    /// How much.
    pub rho: Rho,
    /// The most that the organisation may learn.
    pub cap: Rho,
    /// The most that all organisations together may learn, where there is a bound.
    pub total: Option<Rho>,
}

impl Charge {
    /// Nothing of nobody.
    pub(crate) fn none() -> Self {
        let (dataset, organisation) = (String::new(), String::new());
        Self { lineage: Lineage::default(), dataset, organisation, rho: Rho::ZERO, cap: Rho::ZERO, total: None }
    }

    /// An account, with nothing taken from it.
    pub fn of_account(lineage: Lineage, dataset: &str, organisation: &str, clause: &PrivacyClause) -> Self {
        let (cap, total) = (clause.cap(), clause.total());
        let (dataset, organisation) = (dataset.to_owned(), organisation.to_owned());
        Self { lineage, dataset, organisation, rho: Rho::ZERO, cap, total }
    }

    /// What tells accounts apart.
    pub(super) fn account(&self) -> (Lineage, &str) {
        (self.lineage, &self.organisation)
    }
}

/// What a release costs the datasets of one party, towards every party that receives something of it: amounts by the
/// dataset's name in the program and the receiver.
pub fn charges(release: &ReleaseSpec, owner: PartyId) -> BTreeMap<(String, PartyId), Rho> {
    let mut sums: BTreeMap<(String, PartyId), Rho> = BTreeMap::new();
    for output in &release.outputs {
        let own = output.noise.iter().filter(|noise| noise.party == owner);
        for charge in own.flat_map(|noise| &noise.charges) {
            for receiver in output.receivers.iter().filter(|receiver| **receiver != owner) {
                let sum = sums.entry((charge.dataset.clone(), *receiver)).or_default();
                *sum = sum.plus(charge.rho);
            }
        }
    }
    sums
}
