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
        let asker = self.peer_of(&organisation);
        let brings = found.values().filter(|found| found.owner == organisation);
        let brings: Brought = brings.map(|found| (found.dataset.clone(), found.version)).collect();
        let usage = self.usage()?;
        let mut datasets = BTreeMap::new();
        for (name, Found { owner, schema, own, .. }) in found.clone() {
            let usage = asker.map(|peer| usage(&name, &peer, None)).unwrap_or_default();
            let policy = own.as_ref().map(|data| data.policy.clone());
            let (asker, brings) = (asker.as_ref(), &brings);
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
        by: Option<&PeerId>,
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

#[cfg(test)]
mod tests {
    use tacit_protocol::Code;
    use tacit_protocol::policy::quota::AlignmentUse;
    use tacit_protocol::program::history::{ExpressionDigest, PastJob, limits};
    use tacit_protocol::program::{Binary, Block, BlockId, Carried, Node, NodeId, Program, Reduction};
    use tacit_protocol::schema::Element;
    use tacit_protocol::terms::JobCode;

    use super::super::negotiate::tests::{BANK, NOW, SHOP, data, knowledge, proposal};
    use super::super::negotiate::{Knowledge, Rejected, review};
    use super::*;

    /// What a policy says of a program, beside what is remembered and left.
    struct Case<'a> {
        policy: &'a str,
        program: &'a Program,
        remembered: &'a Remembered,
        is_spent: bool,
    }

    /// `allows`, `asks` or `forbids`, and the codes of what forbids.
    type Verdict = (String, BTreeSet<String>);

    impl Case<'_> {
        fn budget(&self) -> Result<(), Failure> {
            match self.is_spent {
                true => Err(Failure::new(Code::new("BUDGET_EXHAUSTED"), "nothing is left", "wait.")),
                false => Ok(()),
            }
        }

        fn of_negotiation(&self) -> Verdict {
            let own = BTreeMap::from([("customers", data(self.policy, "frequency"))]);
            let mut proposal = proposal();
            proposal.code = JobCode::Program(self.program.clone());
            let known = Knowledge {
                history: Box::new(|_, _, _| Ok(self.remembered.clone())),
                budget: Box::new(|_, _, _| self.budget()),
                ..knowledge("maison", &own)
            };
            match review(&proposal, &known) {
                Ok(review) => (if review.ask { "asks" } else { "allows" }.into(), BTreeSet::new()),
                Err(Rejected::Forbidden(refusals)) => {
                    ("forbids".into(), refusals.iter().map(|refusal| refusal.code.to_string()).collect())
                }
                Err(Rejected::Failure(failure)) => ("forbids".into(), [failure.code.to_string()].into()),
            }
        }

        fn of_check(&self) -> Verdict {
            match self.check() {
                Ok(check) => (check.verdict, check.refusals.into_iter().map(|refusal| refusal.code).collect()),
                Err(failure) => ("forbids".into(), [failure.code.to_string()].into()),
            }
        }

        fn check(&self) -> Result<PolicyCheck, Failure> {
            let datasets = [("banque", "accounts", BANK, "balance"), ("maison", "customers", self.policy, "frequency")];
            let datasets = datasets.map(|(owner, dataset, policy, column)| {
                let data = data(policy, column);
                let asked = AskedDataset {
                    owner: owner.into(),
                    schema: data.schema,
                    policy: Some(data.policy),
                    history: Box::new(move |_| match owner {
                        "maison" => Ok(self.remembered.clone()),
                        _ => Ok(Remembered::default()),
                    }),
                    jobs_today: 0,
                    jobs_running: 0,
                };
                (format!("{owner}/{dataset}"), asked)
            });
            let question = Question {
                program: self.program,
                organisation: "banque",
                purpose: "",
                venue: Venue::TwoParty,
                now: NOW,
                datasets: datasets.into(),
                budget: Box::new(|_, _| self.budget()),
            };
            dry_run(&question)
        }
    }

    fn policies() -> Vec<String> {
        let auto = SHOP.replace("[release]", "approval = \"auto\"\n[release]");
        let changed = |from: &str, to: &str| {
            assert!(auto.contains(from), "{from}");
            auto.replace(from, to)
        };
        let uses = "uses = [\"filter\", \"count\"]";
        let model = changed(uses, "uses = [\"filter\", \"count\", \"arithmetic\", \"mean\"]");
        vec![
            auto.clone(),
            SHOP.into(),
            changed("receivers = [\"banque\"]", "receivers = []"),
            changed("venues = [\"two-party\"]", "venues = [\"cvm\"]"),
            changed("alignment = [\"revealed\"]", "alignment = [\"private\"]"),
            changed(uses, "uses = []"),
            changed("[release]", "purposes = [\"research\"]\n[release]"),
            changed("[release]", "programs = []\n[release]"),
            changed("[release]", "alignments = 1\nreimports = 1\n[release]"),
            changed("subset_masks = 8", "subset_masks = 0"),
            changed("minimum_rows = 100", "").replace("[columns.id]", "[privacy]\nepsilon = 3\n[columns.id]"),
            model.replace("[columns.id]", "model = true\n[columns.id]"),
            model,
        ]
    }

    fn programs() -> Vec<Program> {
        let proposal = proposal();
        let count = proposal.code.program().expect("a program").clone();
        let joined = count.nodes.iter().position(|node| matches!(node.op, Op::Join { .. })).expect("a join");
        let joined = NodeId(u32::try_from(joined).expect("few"));
        let with = |change: &dyn Fn(&mut Program)| {
            let mut program = count.clone();
            change(&mut program);
            program
        };
        let released = |build: &dyn Fn(&mut Program, NodeId) -> NodeId| {
            with(&|program| {
                let frequency = program.push(Op::Column { table: joined, column: "frequency".into() });
                program.outputs[0].value = build(program, frequency);
            })
        };
        let mean = |value| Op::Reduce { function: Reduction::Mean, value, axes: vec![], keep_dims: false, mask: None };
        vec![
            count.clone(),
            with(&|program| program.outputs[0].within = Some(50.into())),
            with(&|program| program.outputs[0].receivers = vec!["maison".into()]),
            released(&|_, frequency| frequency),
            released(&|program, frequency| program.push(mean(frequency))),
            released(&|program, frequency| {
                // One weight that moves to the mean.
                let node = |op| Node { op, name: None };
                let apart = Op::Binary { function: Binary::Subtract, left: NodeId(1), right: NodeId(0) };
                let next = Op::Binary { function: Binary::Add, left: NodeId(0), right: NodeId(3) };
                let (weight, rows) = (Op::Parameter { index: 0 }, Op::Parameter { index: 1 });
                let nodes = [weight, rows, apart, mean(NodeId(2)), next].map(node).into();
                program.blocks.push(Block { nodes, results: vec![NodeId(4)] });
                let body = BlockId(u32::try_from(program.blocks.len() - 1).expect("few"));
                let initial = program.push(Op::Full { element: Element::Float64, shape: vec![], value: 0.into() });
                let carried = vec![Carried { initial, lo: (-1_000).into(), hi: 1_000.into() }];
                let around = program.push(Op::Loop { body, trips: 3, carried, captured: vec![frequency] });
                program.push(Op::Item { of: around, index: 0 })
            }),
        ]
    }

    fn memories() -> Vec<Remembered> {
        let fit = |at: usize| PastJob {
            models: [ExpressionDigest::from_bytes([u8::try_from(at).expect("few"); 16])].into(),
            ..PastJob::default()
        };
        vec![
            Remembered::default(),
            Remembered { aligned: AlignmentUse { jobs: 1, versions: 2 }, ..Remembered::default() },
            Remembered { versions: 9, ..Remembered::default() },
            Remembered { told: (0..=limits::JOBS).map(fit).collect(), ..Remembered::default() },
        ]
    }

    #[test]
    fn a_check_says_what_a_negotiation_says() {
        let (policies, programs, memories) = (policies(), programs(), memories());
        let mut seen = BTreeSet::new();
        for policy in &policies {
            for (at, program) in programs.iter().enumerate() {
                for remembered in &memories {
                    for is_spent in [false, true] {
                        let case = Case { policy, program, remembered, is_spent };
                        let (found, expected) = (case.of_check(), case.of_negotiation());
                        assert_eq!(found, expected, "program {at}, spent {is_spent}, {remembered:?} under {policy}");
                        seen.insert(found.0);
                        seen.extend(found.1);
                    }
                }
            }
        }
        for said in
            ["allows", "asks", "forbids", "ALIGN_QUOTA", "BUDGET_EXHAUSTED", "DISCLOSURE_HISTORY", "DISCLOSURE_MODEL"]
        {
            assert!(seen.contains(said), "no case has {said}: {seen:?}");
        }
    }

    #[test]
    fn an_operator_is_asked_about_a_fit_only_where_fits_are_granted() {
        let policies = policies();
        let [.., granted, not_granted] = policies.as_slice() else { panic!("policies") };
        let (programs, remembered) = (programs(), Remembered::default());
        let program = programs.last().expect("the fit");
        let asks = |policy: &str| {
            let case = Case { policy, program, remembered: &remembered, is_spent: false };
            case.check().expect("a check").asks
        };
        assert_eq!((asks(granted), asks(not_granted)), (vec!["maison".to_owned()], vec![]));
    }
}
