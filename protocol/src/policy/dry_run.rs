//! What policies would say of a program, before anybody is asked: at once, without a node.
//!
//! The verdict is that of a negotiation, for it is made of the same parts: [`Policy::check_query`] and
//! [`disclosure::analyse`]. All refusals are given together. A dataset whose policy is not at hand is taken to allow all
//! that any policy can allow, and is named as one that its owner judges.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Approval, Policy, Query};
use crate::PartyId;
use crate::program::disclosure::{self, Analysis};
use crate::program::history::PastJob;
use crate::program::rules::{ColumnRules, ColumnUse, DatasetRules, Refusal};
use crate::program::types::Dataset;
use crate::program::{Alignment, NodeId, Op, Program, ProgramError, TypedProgram, infer};
use crate::schema::{Element, TableSchema};
use crate::terms::{Venue, program_digest};

/// A program to be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyCheckRequest {
    /// The program, as its JSON file has it.
    #[schema(value_type = Object)]
    pub program: Program,
    /// The purpose that it would state.
    #[serde(default)]
    pub purpose: String,
    /// The organisation that would ask; this node's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// Policies in TOML to judge with instead of those in force, by the names of this node's datasets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, String>,
    /// Datasets of others that this node's catalogue does not have, such as those that an asker would bring.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<crate::api::DatasetInfo>,
}

/// What policies say of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyCheck {
    /// `allows`, `asks` (an operator would have to approve it) or `forbids`.
    pub verdict: String,
    /// The organisation that would ask.
    pub organisation: String,
    /// The digest of the code, by which a policy's `query.programs` names it.
    pub code: String,
    /// Everything that forbids it.
    pub refusals: Vec<CheckedClause>,
    /// Who would have to approve it.
    pub asks: Vec<String>,
    /// Whose clause decides how each output is released: the strictest of all owners.
    pub binding: Vec<BindingClause>,
    /// What each party would learn; empty where it is forbidden.
    pub learned: Vec<crate::api::Learned>,
    /// The datasets whose policies are not known here: their owners judge by their own rules too.
    pub judged_by_owner: Vec<String>,
}

/// A clause or rule that forbids a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedClause {
    /// The code, `POLICY_*` or `DISCLOSURE_*`.
    pub code: String,
    /// The organisation whose rule it is.
    pub owner: String,
    /// The dataset, as the program names it.
    pub dataset: String,
    /// The clause, as a path in the policy's file, or the rule.
    pub clause: String,
    /// What the program does that it forbids.
    pub cause: String,
    /// The smallest change that would allow it.
    pub change: String,
    /// The node of the program at which it happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
    /// That node as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub operation: String,
}

/// A clause that decides how an output is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BindingClause {
    /// The output.
    pub output: String,
    /// The clause, as a path in the policy's file.
    pub clause: String,
    /// What it says.
    pub value: String,
    /// The datasets whose policies say it.
    pub datasets: Vec<String>,
}

/// What earlier jobs told parties, which are given in order.
pub type HistoryOf<'a> = dyn Fn(&[String]) -> Vec<PastJob> + 'a;

/// A dataset that a program loads, as far as it is known.
pub struct AskedDataset<'a> {
    /// The owner's organisation.
    pub owner: String,
    /// The schema.
    pub schema: TableSchema,
    /// The policy; none: only its owner knows it.
    pub policy: Option<Policy>,
    /// What earlier jobs told the parties, in the order in which they are given.
    pub history: Box<HistoryOf<'a>>,
    /// Jobs of the asking organisation within a day.
    pub jobs_today: u32,
    /// Jobs on it now.
    pub jobs_running: u32,
}

/// What is asked of policies.
pub struct Question<'a> {
    /// The program.
    pub program: &'a Program,
    /// Who asks.
    pub organisation: &'a str,
    /// The purpose that it states.
    pub purpose: &'a str,
    /// Where it would run.
    pub venue: Venue,
    /// The time, Unix seconds.
    pub now: u64,
    /// Its datasets, by the names that it uses.
    pub datasets: BTreeMap<String, AskedDataset<'a>>,
}

/// What the policies say.
///
/// # Errors
/// The program is wrong: then no policy is asked.
pub fn dry_run(question: &Question<'_>) -> Result<PolicyCheck, ProgramError> {
    question.program.validate()?;
    let parties = parties(question);
    let place = |name: &str| {
        let place = parties.iter().position(|party| party == name)?;
        u8::try_from(place).ok().map(PartyId)
    };
    let dataset = |(name, asked): (&String, &AskedDataset<'_>)| {
        let owner = place(&asked.owner).unwrap_or(PartyId::ZERO);
        (name.clone(), Dataset { owner, schema: asked.schema.clone() })
    };
    let datasets: BTreeMap<String, Dataset> = question.datasets.iter().map(dataset).collect();
    let typed = infer(question.program, &datasets)?;
    let rules = rules(question, &parties, place);
    let receivers = receivers(question, place);
    let mut refusals = asked_of_policies(question, place);
    let analysis = disclosure::analyse(&typed, &rules, &receivers);
    let (analysis, more) = analysis.map_or_else(|more| (None, more), |analysis| (Some(analysis), Vec::new()));
    refusals.extend(more);
    // An alignment is a clause of the query and a rule of the analysis: told once.
    let twice = |known: &[Refusal], next: &Refusal| {
        known.iter().any(|known| known.code == next.code && known.dataset == next.dataset && known.cause == next.cause)
    };
    let mut told: Vec<Refusal> = Vec::new();
    for refusal in refusals {
        let alignment = refusal.code.as_str() == "POLICY_ALIGNMENT" && refusal.node.is_none();
        if !alignment && !twice(&told, &refusal) {
            told.push(refusal);
        }
    }
    let asks = asks(question, &typed);
    let verdict = match (told.is_empty(), asks.is_empty()) {
        (false, _) => "forbids",
        (true, false) => "asks",
        (true, true) => "allows",
    };
    let named = Named { parties: &parties, typed: &typed };
    let binding = disclosure::binding(&typed, &rules, &receivers);
    Ok(PolicyCheck {
        verdict: verdict.into(),
        organisation: question.organisation.into(),
        code: program_digest(question.program).to_string(),
        refusals: told.iter().map(|refusal| named.clause(refusal)).collect(),
        asks,
        binding: binding
            .into_iter()
            .map(|b| BindingClause {
                output: b.output,
                clause: b.clause.into(),
                value: b.value,
                datasets: b.datasets.into_iter().collect(),
            })
            .collect(),
        learned: analysis.map(|analysis| named.learned(&analysis)).unwrap_or_default(),
        judged_by_owner: unknown(question),
    })
}

/// All organisations that the question is about, in one order.
fn parties(question: &Question<'_>) -> Vec<String> {
    let owners = question.datasets.values().map(|dataset| dataset.owner.clone());
    let receivers = question.program.outputs.iter().flat_map(|output| output.receivers.iter().cloned());
    let all: BTreeSet<String> = owners.chain(receivers).chain([question.organisation.to_owned()]).collect();
    all.into_iter().collect()
}

fn receivers(question: &Question<'_>, place: impl Fn(&str) -> Option<PartyId>) -> BTreeMap<String, Vec<PartyId>> {
    let of = |names: &[String]| {
        let named: BTreeSet<PartyId> = names.iter().filter_map(|name| place(name)).collect();
        if named.is_empty() { place(question.organisation).into_iter().collect() } else { named.into_iter().collect() }
    };
    question.program.outputs.iter().map(|output| (output.name.clone(), of(&output.receivers))).collect()
}

fn rules(
    question: &Question<'_>,
    parties: &[String],
    place: impl Fn(&str) -> Option<PartyId>,
) -> BTreeMap<String, DatasetRules> {
    let rules = |asked: &AskedDataset<'_>| match &asked.policy {
        Some(policy) => DatasetRules { history: (asked.history)(parties), ..policy.rules(&place) },
        None => widest(&asked.schema, parties.len()),
    };
    question.datasets.iter().map(|(name, asked)| (name.clone(), rules(asked))).collect()
}

/// What the most generous policy would say.
fn widest(schema: &TableSchema, parties: usize) -> DatasetRules {
    use ColumnUse::{Arithmetic, Count, Filter, Join, Mean, Order, Sum};
    let uses = |element: &Element| match element {
        Element::Key => [Join].into(),
        _ => [Arithmetic, Count, Filter, Join, Mean, Order, Sum].into(),
    };
    let column = |element: &Element| ColumnRules { uses: uses(element), sensitive: false };
    DatasetRules {
        receivers: (0_u8..).take(parties).map(PartyId).collect(),
        alignments: [Alignment::Revealed, Alignment::Private].into(),
        weighted: true,
        positions: true,
        subset_masks: u32::MAX,
        thresholds: 1,
        model: true,
        columns: schema.columns.iter().map(|c| (c.name.clone(), column(&c.element))).collect(),
        ..DatasetRules::default()
    }
}

fn asked_of_policies(question: &Question<'_>, place: impl Fn(&str) -> Option<PartyId>) -> Vec<Refusal> {
    let used = question.program.nodes.iter().filter_map(|node| match node.op {
        Op::Join { alignment, .. } => Some(alignment),
        _ => None,
    });
    let alignments: Vec<Alignment> = used.collect::<BTreeSet<_>>().into_iter().collect();
    let mut refusals = Vec::new();
    for (name, asked) in &question.datasets {
        let Some(policy) = &asked.policy else { continue };
        refusals.extend(policy.check_query(&Query {
            dataset: name,
            owner: place(&asked.owner).unwrap_or(PartyId::ZERO),
            querier: (asked.owner != question.organisation).then_some(question.organisation),
            purpose: question.purpose,
            venue: question.venue,
            alignments: &alignments,
            code: program_digest(question.program),
            now: question.now,
            jobs_today: asked.jobs_today,
            jobs_running: asked.jobs_running,
        }));
    }
    refusals
}

/// The owners whose operators would have to approve.
fn asks(question: &Question<'_>, typed: &TypedProgram) -> Vec<String> {
    let model = disclosure::releases_model(typed);
    let asks = |asked: &&AskedDataset<'_>| {
        let policy = asked.policy.as_ref();
        let ask = policy.is_some_and(|policy| policy.query().approval == Approval::Ask || model);
        ask && asked.owner != question.organisation
    };
    let owners: BTreeSet<String> = question.datasets.values().filter(asks).map(|asked| asked.owner.clone()).collect();
    owners.into_iter().collect()
}

fn unknown(question: &Question<'_>) -> Vec<String> {
    let unknown = question.datasets.iter().filter(|(_, asked)| asked.policy.is_none());
    unknown.map(|(name, _)| name.clone()).collect()
}

/// Words for what analyses give by numbers.
struct Named<'a> {
    parties: &'a [String],
    typed: &'a TypedProgram,
}

impl Named<'_> {
    fn clause(&self, refusal: &Refusal) -> CheckedClause {
        CheckedClause {
            code: refusal.code.to_string(),
            owner: self.party(refusal.owner),
            dataset: refusal.dataset.clone(),
            clause: refusal.clause.clone(),
            cause: self.text(&refusal.cause),
            change: self.text(&refusal.change),
            node: refusal.node.map(|node| node.0),
            operation: refusal.node.map(|node| self.operation(node)).unwrap_or_default(),
        }
    }

    fn learned(&self, analysis: &Analysis) -> Vec<crate::api::Learned> {
        let mut all = Vec::new();
        for learned in &analysis.learned {
            let facts = learned.facts.iter().map(|fact| self.text(&fact.to_string()));
            all.extend(facts.map(|what| crate::api::Learned { party: self.party(learned.party), what }));
        }
        all
    }

    fn party(&self, party: PartyId) -> String {
        self.parties.get(party.index()).cloned().unwrap_or_else(|| party.to_string())
    }

    /// A text that speaks of parties by number. Higher numbers first: `party 1` begins `party 12`.
    fn text(&self, text: &str) -> String {
        let numbered = (0_u8..).map(PartyId).zip(self.parties).collect::<Vec<_>>();
        numbered.iter().rev().fold(text.to_owned(), |text, (party, name)| text.replace(&party.to_string(), name))
    }

    fn operation(&self, node: NodeId) -> String {
        let text = self.typed.to_text();
        let line = text.lines().nth(node.index()).unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{self, NOW, POLICY};

    /// How many customers come often.
    fn program() -> Program {
        let mut program = fixtures::program();
        for node in &mut program.nodes {
            if let Op::Column { column, .. } = &mut node.op {
                *column = "maison/customers.frequency".into();
            }
        }
        program
    }

    fn question(policy: &str) -> PolicyCheck {
        let (program, proposal) = (program(), fixtures::proposal());
        let datasets = proposal.datasets.iter().map(|dataset| {
            let owner = proposal.parties[dataset.owner.index()].organisation.clone();
            let own = owner == "Maison";
            let asked = AskedDataset {
                owner,
                schema: dataset.schema.clone(),
                policy: own.then(|| Policy::parse(policy).expect("a policy")),
                history: Box::new(|_| Vec::new()),
                jobs_today: 0,
                jobs_running: 0,
            };
            (dataset.name.clone(), asked)
        });
        let asked = Question {
            program: &program,
            organisation: "Banque",
            purpose: "marketing study",
            venue: Venue::TwoParty,
            now: NOW,
            datasets: datasets.collect(),
        };
        dry_run(&asked).expect("a program")
    }

    #[test]
    fn an_allowed_program_is_told_with_what_each_party_learns_and_whose_clause_binds() {
        let check = question(&POLICY.replace("[\"filter\"]", "[\"filter\", \"count\"]"));
        assert_eq!((check.verdict.as_str(), check.refusals.len()), ("allows", 0), "{:#?}", check.refusals);
        assert!(check.learned.iter().any(|learned| learned.party == "Banque"), "{:?}", check.learned);
        let minimum = check.binding.iter().find(|b| b.clause == "release.minimum_rows").expect("a minimum binds");
        assert_eq!((minimum.value.as_str(), minimum.datasets.len()), ("100", 1));
        assert_eq!(check.judged_by_owner, ["banque/accounts"]);
    }

    #[test]
    fn all_refusals_come_at_once_with_the_operation_that_each_is_about() {
        let strict = POLICY
            .replace("receivers = [\"Banque\"]", "receivers = [\"Assurance\"]")
            .replace("[\"marketing study\"]", "[\"research\"]")
            .replace("[\"filter\"]", "[]");
        let check = question(&strict);
        assert_eq!(check.verdict, "forbids");
        let codes: BTreeSet<&str> = check.refusals.iter().map(|refusal| refusal.code.as_str()).collect();
        for code in ["POLICY_PURPOSE", "POLICY_RECEIVER", "POLICY_OPERATION"] {
            assert!(codes.contains(code), "{code}: {codes:?}");
        }
        let operation = check.refusals.iter().find(|r| r.code == "POLICY_OPERATION").expect("a use");
        assert!(operation.operation.starts_with(&format!("%{}", operation.node.expect("a node"))), "{operation:?}");
        assert!(check.refusals.iter().all(|r| r.owner == "Maison" && !r.change.is_empty()));
    }

    #[test]
    fn an_operator_who_wants_to_be_asked_is_named() {
        let ask = POLICY.replace("\"auto\"", "\"ask\"").replace("[\"filter\"]", "[\"filter\", \"count\"]");
        let check = question(&ask);
        assert_eq!((check.verdict.as_str(), check.asks), ("asks", vec!["Maison".to_owned()]));
    }

    #[test]
    fn affiliates_count_as_one_receiver_chk_210() {
        let shared = POLICY
            .replace("[\"filter\"]", "[\"filter\", \"count\"]")
            .replace("[release]", "affiliates = [[\"Banque\", \"Courtier\"]]\n[release]");
        let check = question(&shared);
        assert!(check.refusals.iter().any(|r| r.code == "POLICY_RECEIVER" && r.cause.contains("shares")), "{check:?}");
        let both = shared.replace("receivers = [\"Banque\"]", "receivers = [\"Banque\", \"Courtier\"]");
        assert_eq!(question(&both).verdict, "allows");
    }
}
