//! What policies would say of a program, without a job: `tacit policy check`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tacit_protocol::api::DatasetInfo;
use tacit_protocol::api::policies::{PolicyCheck, PolicyCheckRequest};
use tacit_protocol::identity::PeerId;
use tacit_protocol::policy::dry_run::{AskedDataset, Question, dry_run};
use tacit_protocol::policy::quota::Remembered;
use tacit_protocol::privacy::Rho;
use tacit_protocol::program::Op;
use tacit_protocol::program::release::ReleaseSpec;
use tacit_protocol::schema::TableSchema;
use tacit_protocol::terms::Venue;
use tacit_protocol::{Failure, PartyId, Policy};

use super::Jobs;
use super::history::{Asked, Brought};
use super::negotiate::{self, OwnData};
use crate::budget::{self, Charge};

/// A dataset of a program, before it is asked about.
#[derive(Clone)]
struct Found {
    owner: String,
    /// Its name at the owner.
    dataset: String,
    version: u64,
    schema: TableSchema,
    own: Option<OwnData>,
}

impl Jobs {
    /// What this node's policies say of a program, and what any policy would say of peers' datasets in it.
    ///
    /// # Errors
    /// The program is wrong, a dataset unknown, a policy draft does not parse, or a peer whose dataset it reads is away.
    pub async fn policy_check(self: &Arc<Self>, request: &PolicyCheckRequest) -> Result<PolicyCheck, Failure> {
        request.program.validate()?;
        let found = self.found(request).await?;
        let organisation = request.organisation.clone().unwrap_or_else(|| self.context.config.name.clone());
        let asker = self.peer_of(&organisation).unwrap_or_else(|| self.context.identity.peer());
        let brings = found.values().filter(|found| found.owner == organisation);
        let brings: Brought = brings.map(|found| (found.dataset.clone(), found.version)).collect();
        let usage = self.usage()?;
        let mut datasets = BTreeMap::new();
        for (name, Found { owner, schema, own, .. }) in found.clone() {
            let usage = usage(&name, &asker, None);
            let policy = own.as_ref().map(|data| data.policy.clone());
            let (asker, brings) = (&asker, &brings);
            let history = move |parties: &[String]| match &own {
                Some(data) => self.remembered_for(data, parties, asker, brings.clone()),
                None => Ok(Remembered::default()),
            };
            let asked = AskedDataset {
                owner,
                schema,
                policy,
                history: Box::new(history),
                jobs_today: usage.today,
                // A job beyond those waits for its turn.
                jobs_running: 0,
            };
            datasets.insert(name, asked);
        }
        let question = Question {
            program: &request.program,
            organisation: &organisation,
            purpose: &request.purpose,
            venue: Venue::TwoParty,
            now: self.book.now(),
            datasets,
            budget: Box::new(|release, parties| self.budget_check(&found, release, parties)),
        };
        dry_run(&question)
    }

    async fn found(&self, request: &PolicyCheckRequest) -> Result<BTreeMap<String, Found>, Failure> {
        let me = &self.context.config.name;
        let names: BTreeSet<&String> = request
            .program
            .nodes
            .iter()
            .filter_map(|node| match &node.op {
                Op::Load { dataset } => Some(dataset),
                _ => None,
            })
            .collect();
        let mut found = BTreeMap::new();
        for name in names {
            let unknown = || negotiate::unknown_dataset(name);
            let (owner, dataset) = name.split_once('/').ok_or_else(unknown)?;
            let one = |version, schema, own| {
                let (owner, dataset) = (owner.to_owned(), dataset.to_owned());
                Found { owner, dataset, version, schema, own }
            };
            let one = if owner == me {
                let mut data = self.context.own_dataset(dataset)?.ok_or_else(unknown)?;
                if let Some(draft) = request.policies.get(dataset) {
                    data.policy = draft_of(draft, &data.schema)?;
                }
                one(data.version, data.schema.clone(), Some(data))
            } else if let Some(given) = request.schemas.iter().find(|given| given.name == *name) {
                let DatasetInfo { columns, rows, key: unique_key, version, .. } = given.clone();
                one(version, TableSchema { columns, rows, unique_key }, None)
            } else {
                let peer = self.context.peer_named(owner).ok_or_else(unknown)?;
                let catalogue = self.context.catalogue_of(&peer, owner).await?;
                let entry = catalogue.into_iter().find(|entry| entry.dataset == dataset).ok_or_else(unknown)?;
                one(entry.version, entry.schema, None)
            };
            found.insert(name.clone(), one);
        }
        Ok(found)
    }

    /// What is remembered of earlier jobs with these organisations, one of which asks.
    fn remembered_for(
        &self,
        data: &OwnData,
        parties: &[String],
        by: &PeerId,
        brings: Brought,
    ) -> Result<Remembered, Failure> {
        let parties: Vec<_> = parties.iter().map(|name| (self.peer_of(name), name.clone())).collect();
        let keys_of = |peer: &PeerId| self.context.pairing.keys_of(peer);
        let name_of = |peer: &PeerId| self.context.known_as(peer);
        let asked = Asked {
            lineage: data.lineage,
            version: data.version,
            policy: &data.policy,
            parties: &parties,
            job: None,
            keys_of: &keys_of,
            name_of: &name_of,
            now: self.book.now(),
        };
        self.context.histories.remembered(&asked, by, brings)
    }

    /// Whether what a release costs this node's datasets fits into their budgets, by the policies that are asked.
    fn budget_check(
        &self,
        found: &BTreeMap<String, Found>,
        release: &ReleaseSpec,
        parties: &[String],
    ) -> Result<(), Failure> {
        let me = parties.iter().position(|party| *party == self.context.config.name);
        let Some(me) = me.and_then(|place| u8::try_from(place).ok()).map(PartyId) else { return Ok(()) };
        let charge = |((name, receiver), rho): ((String, PartyId), Rho)| {
            let Found { dataset, own, .. } = found.get(&name)?;
            let (data, organisation) = (own.as_ref()?, parties.get(receiver.index())?);
            let account = Charge::of_account(data.lineage, dataset, organisation, &data.policy.privacy()?);
            Some(Charge { rho, ..account })
        };
        let charges: Vec<Charge> = budget::charges(release, me).into_iter().filter_map(charge).collect();
        self.context.budget.check(None, &charges)
    }

    fn peer_of(&self, organisation: &str) -> Option<PeerId> {
        if organisation == self.context.config.name {
            return Some(self.context.identity.peer());
        }
        self.context.peer_named(organisation)
    }
}

fn draft_of(text: &str, schema: &TableSchema) -> Result<Policy, Failure> {
    let policy = Policy::parse(text).map_err(crate::data::DataError::from)?;
    policy.check_schema(schema).map_err(crate::data::DataError::from)?;
    Ok(policy)
}
