//! What policies would say of a program, before anybody is asked: at once, without a node.
//!
//! The verdict is that of a negotiation, for it is made of the same parts: [`check_owners`], [`terms::receivers`],
//! [`Policy::check_query`], [`Policy::check_earlier`], [`disclosure::analyse`], [`Policy::asks`] and the budgets of those who
//! keep some. All refusals are given together. A dataset whose policy is not at hand is taken to allow all that any policy
//! can allow, and is named as one that its owner judges.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::quota::Remembered;
use super::{Policy, Query};
use crate::program::disclosure::{self, Analysis};
use crate::program::release::ReleaseSpec;
use crate::program::rules::{ColumnRules, ColumnUse, DatasetRules, Refusal};
use crate::program::types::Dataset;
use crate::program::{Alignment, NodeId, Op, Program, TypedProgram, infer};
use crate::schema::{Element, TableSchema};
use crate::terms::{self, Venue, check_owners, program_digest};
use crate::{Code, Failure, PartyId};

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

/// Says what is remembered of earlier jobs for parties, which are given in order.
pub type HistoryOf<'a> = dyn Fn(&[String]) -> Result<Remembered, Failure> + 'a;

/// Says whether what a release costs fits into what is left of the privacy budgets that are kept here, for parties which are
/// given in order.
pub type BudgetOf<'a> = dyn Fn(&ReleaseSpec, &[String]) -> Result<(), Failure> + 'a;

/// A dataset that a program loads, as far as it is known.
pub struct AskedDataset<'a> {
    /// The owner's organisation.
    pub owner: String,
    /// The schema.
    pub schema: TableSchema,
    /// The policy; none: only its owner knows it.
    pub policy: Option<Policy>,
    /// What is remembered of earlier jobs.
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
    /// What is left of privacy budgets.
    pub budget: Box<BudgetOf<'a>>,
}

/// What the policies say.
///
/// # Errors
/// The program is wrong, or is none that these organisations can run together: then no policy is asked. A fault of the
/// store.
pub fn dry_run(question: &Question<'_>) -> Result<PolicyCheck, Failure> {
    question.program.validate()?;
    let parties = parties(question);
    check_owners(parties.len())?;
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
    let asker = place(question.organisation).unwrap_or(PartyId::ZERO);
    let receivers = terms::receivers(question.program, asker, place)?;
    let (rules, mut refusals) = asked_of_policies(question, &parties, place)?;
    let analysis = disclosure::analyse(&typed, &rules, &receivers);
    let (analysis, more) = analysis.map_or_else(|more| (None, more), |analysis| (Some(analysis), Vec::new()));
    refusals.extend(more);
    refusals.extend(disclosure::told(&typed, &receivers).err().map(|dataset| too_much_to_tell(&typed, dataset)));
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
    let named = Named { parties: &parties, typed: &typed };
    let mut forbidden: Vec<CheckedClause> = told.iter().map(|refusal| named.clause(refusal)).collect();
    if let Some(analysis) = analysis.as_ref().filter(|_| forbidden.is_empty()) {
        forbidden.extend(over_budget(question, &analysis.release, &parties)?);
    }
    let asks = asks(question, &typed);
    let verdict = match (forbidden.is_empty(), asks.is_empty()) {
        (false, _) => "forbids",
        (true, false) => "asks",
        (true, true) => "allows",
    };
    let binding = disclosure::binding(&typed, &rules, &receivers);
    Ok(PolicyCheck {
        verdict: verdict.into(),
        organisation: question.organisation.into(),
        code: program_digest(question.program).to_string(),
        learned: analysis.filter(|_| forbidden.is_empty()).map(|a| named.learned(&a)).unwrap_or_default(),
        refusals: forbidden,
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
        judged_by_owner: unknown(question),
    })
}

/// The parties of the job that it would be, in one order.
fn parties(question: &Question<'_>) -> Vec<String> {
    let owners = question.datasets.values().map(|dataset| dataset.owner.clone());
    let all: BTreeSet<String> = owners.chain([question.organisation.to_owned()]).collect();
    all.into_iter().collect()
}

/// What the most generous policy would say.
fn widest(schema: &TableSchema) -> DatasetRules {
    use ColumnUse::{Arithmetic, Count, Filter, Join, Mean, Order, Sum};
    let uses = |element: &Element| match element {
        Element::Key => [Join].into(),
        _ => [Arithmetic, Count, Filter, Join, Mean, Order, Sum].into(),
    };
    let column = |element: &Element| ColumnRules { uses: uses(element), sensitive: false };
    DatasetRules {
        receivers: [PartyId::ZERO, PartyId::ONE].into(),
        alignments: [Alignment::Revealed, Alignment::Private].into(),
        weighted: true,
        positions: true,
        subset_masks: u32::MAX,
        thresholds: 1,
        dominance: 0,
        model: true,
        columns: schema.columns.iter().map(|c| (c.name.clone(), column(&c.element))).collect(),
        ..DatasetRules::default()
    }
}

/// The rules of all datasets, and what their policies say before the program is analysed.
fn asked_of_policies(
    question: &Question<'_>,
    parties: &[String],
    place: impl Fn(&str) -> Option<PartyId>,
) -> Result<(BTreeMap<String, DatasetRules>, Vec<Refusal>), Failure> {
    let used = question.program.nodes.iter().filter_map(|node| match node.op {
        Op::Join { alignment, .. } => Some(alignment),
        _ => None,
    });
    let alignments: Vec<Alignment> = used.collect::<BTreeSet<_>>().into_iter().collect();
    let (mut rules, mut refusals) = (BTreeMap::new(), Vec::new());
    for (name, asked) in &question.datasets {
        let Some(policy) = &asked.policy else {
            rules.insert(name.clone(), widest(&asked.schema));
            continue;
        };
        let query = Query {
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
        };
        refusals.extend(policy.check_query(&query));
        let (history, more) = policy.check_earlier(&query, (asked.history)(parties)?);
        refusals.extend(more);
        rules.insert(name.clone(), DatasetRules { history, ..policy.rules(&place) });
    }
    Ok((rules, refusals))
}

fn too_much_to_tell(typed: &TypedProgram, dataset: String) -> Refusal {
    Refusal {
        code: Code::new("DISCLOSURE_HISTORY"),
        owner: typed.datasets().get(&dataset).map_or(PartyId::ZERO, |known| known.owner),
        clause: "query.window_days".into(),
        cause: format!("the program tells more of {dataset} than a history can hold"),
        change: "release less in one job".into(),
        node: None,
        dataset,
    }
}

/// What is left of a privacy budget is no clause of one output, but forbids as one.
fn over_budget(
    question: &Question<'_>,
    release: &ReleaseSpec,
    parties: &[String],
) -> Result<Option<CheckedClause>, Failure> {
    let Err(failure) = (question.budget)(release, parties) else { return Ok(None) };
    if !failure.code.as_str().starts_with("BUDGET_") {
        return Err(failure);
    }
    let charged = release.outputs.iter().flat_map(|output| &output.noise).flat_map(|noise| &noise.charges);
    let datasets: BTreeSet<&str> = charged.map(|charge| charge.dataset.as_str()).collect();
    let policy = |name: &&&str| question.datasets.get(**name).is_some_and(|asked| asked.policy.is_some());
    let dataset = datasets.iter().find(policy).map(|name| (*name).to_owned()).unwrap_or_default();
    Ok(Some(CheckedClause {
        code: failure.code.to_string(),
        owner: question.datasets.get(&dataset).map(|asked| asked.owner.clone()).unwrap_or_default(),
        dataset,
        clause: "privacy.epsilon".into(),
        cause: failure.message,
        change: failure.next,
        node: None,
        operation: String::new(),
    }))
}

/// The owners whose operators would have to approve.
fn asks(question: &Question<'_>, typed: &TypedProgram) -> Vec<String> {
    let asks = |asked: &&AskedDataset<'_>| {
        asked.owner != question.organisation && asked.policy.as_ref().is_some_and(|policy| policy.asks(typed))
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
    use crate::policy::quota::AlignmentUse;

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
        asked(policy, &program(), "Banque", Remembered::default()).expect("a program")
    }

    fn asked(
        policy: &str,
        program: &Program,
        organisation: &str,
        remembered: Remembered,
    ) -> Result<PolicyCheck, Failure> {
        ask(policy, program, organisation, &|| Ok(remembered.clone()), &|| Ok(()))
    }

    fn ask(
        policy: &str,
        program: &Program,
        organisation: &str,
        remembered: &dyn Fn() -> Result<Remembered, Failure>,
        budget: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<PolicyCheck, Failure> {
        let proposal = fixtures::proposal();
        let datasets = proposal.datasets.iter().map(|dataset| {
            let owner = proposal.parties[dataset.owner.index()].organisation.clone();
            let own = owner == "Maison";
            let asked = AskedDataset {
                owner,
                schema: dataset.schema.clone(),
                policy: own.then(|| Policy::parse(policy).expect("a policy")),
                history: Box::new(|_| remembered()),
                jobs_today: 0,
                jobs_running: 0,
            };
            (dataset.name.clone(), asked)
        });
        let asked = Question {
            program,
            organisation,
            purpose: "marketing study",
            venue: Venue::TwoParty,
            now: NOW,
            datasets: datasets.collect(),
            budget: Box::new(|_, _| budget()),
        };
        dry_run(&asked)
    }

    /// The shop's policy where it allows the program.
    fn allowing() -> String {
        POLICY.replace("[\"filter\"]", "[\"filter\", \"count\"]")
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

    #[test]
    fn what_is_no_job_of_two_organisations_is_said_as_a_node_says_it() {
        let code = |program: &Program, organisation| {
            let refused = asked(&allowing(), program, organisation, Remembered::default());
            refused.map_err(|failure| failure.code.to_string()).map(|check| check.verdict)
        };
        assert_eq!(code(&program(), "Banque"), Ok("allows".into()));
        assert_eq!(code(&program(), "Courtier"), Err("PROGRAM_VENUE".into()), "three organisations");
        let mut elsewhere = program();
        elsewhere.outputs[0].receivers = vec!["Courtier".into()];
        assert_eq!(code(&elsewhere, "Banque"), Err("PROGRAM_RECEIVER".into()));
    }

    #[test]
    fn what_earlier_jobs_forbid_is_told_chk_213_chk_504() {
        let found = |remembered: Remembered| {
            let check = asked(&allowing(), &program(), "Banque", remembered).expect("a program");
            check.refusals.into_iter().map(|refusal| (refusal.code, refusal.clause)).collect::<Vec<_>>()
        };
        let (code, clause) = ("DISCLOSURE_HISTORY".to_owned(), "query.reimports".to_owned());
        assert_eq!(found(Remembered { versions: 9, ..Remembered::default() }), [(code, clause.clone())]);
        let aligned = AlignmentUse { jobs: 0, versions: 9 };
        assert_eq!(found(Remembered { aligned, ..Remembered::default() }), [("ALIGN_QUOTA".to_owned(), clause)]);
    }

    #[test]
    fn a_budget_that_is_spent_forbids_and_a_fault_of_the_store_is_no_verdict() {
        let fails = |code| Failure::new(Code::new(code), "why", "what next");
        let remembered = || Ok(Remembered::default());
        let check = ask(&allowing(), &program(), "Banque", &remembered, &|| Err(fails("BUDGET_EXHAUSTED")));
        let check = check.expect("a verdict");
        assert_eq!((check.verdict.as_str(), check.learned.len()), ("forbids", 0));
        assert_eq!(
            (check.refusals[0].code.as_str(), check.refusals[0].change.as_str()),
            ("BUDGET_EXHAUSTED", "what next")
        );
        let failed = || Err(fails("STORE_DAMAGED"));
        let code = |asked: Result<PolicyCheck, Failure>| asked.expect_err("no verdict").code.to_string();
        assert_eq!(code(ask(&allowing(), &program(), "Banque", &remembered, &failed)), "STORE_DAMAGED");
        let failed = || Err(fails("STORE_DAMAGED"));
        assert_eq!(code(ask(&allowing(), &program(), "Banque", &failed, &|| Ok(()))), "STORE_DAMAGED");
    }
}
