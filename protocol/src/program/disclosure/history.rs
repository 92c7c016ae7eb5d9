//! Earlier jobs (CHK-213): what a program tells, as a later one can be judged with, and what an owner says that earlier
//! ones told, among the formulas of the program at hand.
//!
//! Expressions keep their digests from program to program, so equal conditions and functions are found again whatever
//! their nodes were called. A repetition with another constant is another cut of the same value: it falls into other
//! cells, and its difference from the earlier sum is gated or refused as within one job (§3.4 of the note).

use std::collections::{BTreeMap, BTreeSet};

use crate::PartyId;
use crate::program::history::{
    ExpressionDigest, PastColumn, PastCondition, PastJob, PastSum, PastTerm, is_sayable, limits,
};
use crate::program::{DatasetName, NodeId, TypedProgram};

use super::formula::{Fact, Form, Formula, Formulas};
use super::judge::Judge;
use super::label::{AggregateId, Digest, Fun, Source, Term};
use super::transfer::{self, Labels};

/// A sum that an earlier job told the coalition, in the formulas of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Past {
    /// The dataset whose owner says so.
    pub(super) dataset: DatasetName,
    /// Whether it was over the rows that the dataset has now. If not, no later sum repeats it.
    pub(super) current: bool,
    /// The table of this program that it was over, if it has it.
    pub(super) table: Option<NodeId>,
    pub(super) terms: Vec<Term>,
    pub(super) cells: u64,
    pub(super) thresholds: BTreeSet<Digest>,
}

/// What the owners say of earlier jobs.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    sums: Vec<(BTreeSet<PartyId>, Past)>,
    models: Vec<PastModel>,
    /// Datasets whose history is malformed or larger than may be said: it is judged as if it forbade.
    pub(super) unread: BTreeSet<DatasetName>,
}

/// A fit that an earlier job released.
#[derive(Clone, Debug)]
struct PastModel {
    receivers: BTreeSet<PartyId>,
    dataset: DatasetName,
    current: bool,
    digest: Digest,
}

impl History {
    /// Takes up the histories in the rules.
    pub(super) fn read(
        labels: &mut Labels<'_>,
        rules: &BTreeMap<DatasetName, crate::program::rules::DatasetRules>,
    ) -> Self {
        let tables = tables(labels);
        let mut history = Self::default();
        for (dataset, rules) in rules {
            if !is_sayable(&rules.history)
                || !rules.history.iter().all(|job| history.take(labels, &tables, dataset, job))
            {
                history.unread.insert(dataset.clone());
            }
        }
        history
    }

    /// Takes up one job; whether it is well formed.
    fn take(
        &mut self,
        labels: &mut Labels<'_>,
        tables: &BTreeMap<Digest, NodeId>,
        dataset: &str,
        job: &PastJob,
    ) -> bool {
        let Some(conditions) = conditions(&mut labels.formulas, &job.conditions) else { return false };
        for sum in &job.sums {
            let term = |term: &PastTerm| {
                let mask = *conditions.get(usize::from(term.condition))?;
                let fun = Fun { digest: *term.function.as_bytes(), sources: sources(&term.of) };
                Some(Term { mask, fun, coefficient: term.coefficient })
            };
            let Some(terms) = sum.terms.iter().map(term).collect::<Option<Vec<_>>>() else { return false };
            let past = Past {
                dataset: dataset.to_owned(),
                current: job.current,
                table: tables.get(sum.table.as_bytes()).copied(),
                terms,
                cells: sum.cells,
                thresholds: sum.thresholds.iter().map(|digest| *digest.as_bytes()).collect(),
            };
            self.sums.push((job.receivers.clone(), past));
        }
        self.models.extend(job.models.iter().map(|digest| PastModel {
            receivers: job.receivers.clone(),
            dataset: dataset.to_owned(),
            current: job.current,
            digest: *digest.as_bytes(),
        }));
        true
    }

    /// What a coalition was told of datasets that are not its own.
    pub(super) fn told<'h>(&'h self, judge: &'h Judge<'_, '_>) -> impl Iterator<Item = &'h Past> {
        let receiver = judge.coalition.receiver;
        let told = self
            .sums
            .iter()
            .filter(move |(receivers, past)| receivers.contains(&receiver) && judge.is_foreign(&past.dataset));
        told.map(|(_, past)| past)
    }

    /// Whether the coalition has another fit of a dataset, or this one of other rows (rule R13).
    pub(super) fn has_other_model(&self, receiver: PartyId, dataset: &str, digest: &Digest) -> bool {
        self.models.iter().any(|model| {
            let heard = model.dataset == dataset && model.receivers.contains(&receiver);
            heard && !(model.current && model.digest == *digest)
        })
    }
}

/// The tables of a program by what they are.
fn tables(labels: &Labels<'_>) -> BTreeMap<Digest, NodeId> {
    let nodes = (0..labels.labels.len()).filter_map(|at| u32::try_from(at).ok().map(NodeId));
    let mut tables = BTreeMap::new();
    for node in nodes.filter(|node| labels.typed.table(*node).is_some()) {
        tables.entry(labels.of(node).digest).or_insert(node);
    }
    tables
}

/// The conditions of an earlier job among the formulas of this one; `None` if a part is not before what it is part of.
fn conditions(formulas: &mut Formulas, of: &[PastCondition]) -> Option<Vec<Formula>> {
    let mut known: Vec<Formula> = Vec::with_capacity(of.len());
    for condition in of {
        let part = |at: &u16| known.get(usize::from(*at)).copied();
        let formula = match condition {
            PastCondition::All => Formulas::TRUE,
            PastCondition::None => Formulas::FALSE,
            PastCondition::Below { value, at, of, wide } => {
                let fact = Fact::Below(*value.as_bytes(), at.parse().ok()?);
                formulas.told_variable(fact, sources(of), *wide)
            }
            PastCondition::Holds { what, of, wide } => {
                formulas.told_variable(Fact::Holds(*what.as_bytes()), sources(of), *wide)
            }
            PastCondition::Not(a) => {
                let a = part(a)?;
                formulas.not(a)
            }
            PastCondition::And(a, b) => {
                let (a, b) = (part(a)?, part(b)?);
                formulas.and(a, b)
            }
            PastCondition::Or(a, b) => {
                let (a, b) = (part(a)?, part(b)?);
                formulas.or(a, b)
            }
        };
        known.push(formula);
    }
    Some(known)
}

fn sources(of: &BTreeSet<PastColumn>) -> BTreeSet<Source> {
    of.iter().map(|c| Source { dataset: c.dataset.clone(), column: c.column.clone() }).collect()
}

fn columns(of: &BTreeSet<Source>) -> BTreeSet<PastColumn> {
    of.iter().map(|s| PastColumn { dataset: s.dataset.clone(), column: s.column.clone() }).collect()
}

/// What a program tells each of its receivers about each dataset of others, for the histories of the datasets' owners.
///
/// It does not depend on any policy: a later policy may be stricter than the one that the job ran under.
///
/// # Errors
/// The dataset whose part is larger than a history may be.
pub fn told(
    typed: &TypedProgram,
    receivers: &BTreeMap<String, Vec<PartyId>>,
) -> Result<Vec<(DatasetName, PastJob)>, DatasetName> {
    let labels = transfer::labels(typed);
    let mut told = Vec::new();
    for coalition in super::coalitions(typed, receivers) {
        let receiver = coalition.receiver;
        let (rules, history) = (BTreeMap::new(), History::default());
        let judge = Judge { labels: &labels, rules: &rules, coalition: &coalition, history: &history };
        for (dataset, _) in typed.datasets().iter().filter(|(_, dataset)| dataset.owner != receiver) {
            let job = Recorder::new(&judge, dataset).job(receiver).ok_or_else(|| dataset.clone())?;
            if !job.is_empty() {
                told.push((dataset.clone(), job));
            }
        }
    }
    Ok(told)
}

/// Writes down what one receiver is told of one dataset.
struct Recorder<'a, 'j, 'p> {
    judge: &'a Judge<'j, 'p>,
    dataset: &'a str,
    job: PastJob,
    places: BTreeMap<Formula, u16>,
}

impl<'a, 'j, 'p> Recorder<'a, 'j, 'p> {
    fn new(judge: &'a Judge<'j, 'p>, dataset: &'a str) -> Self {
        Self { judge, dataset, job: PastJob::default(), places: BTreeMap::new() }
    }

    /// `None` if it is more than a history may hold.
    fn job(mut self, receiver: PartyId) -> Option<PastJob> {
        let labels = self.judge.labels;
        let mut thresholds: BTreeMap<AggregateId, BTreeSet<ExpressionDigest>> = BTreeMap::new();
        for place in &self.judge.coalition.outputs {
            let label = labels.of(labels.typed.program().outputs[*place].value);
            for id in label.aggregates.iter().filter(|id| self.judge.foreign_in(**id).contains(self.dataset)) {
                thresholds.entry(*id).or_default();
            }
            for (at, compared) in &label.thresholds {
                let digest = ExpressionDigest::from_bytes(labels.of(*at).digest);
                compared
                    .iter()
                    .filter_map(|id| thresholds.get_mut(id).map(|known| known.insert(digest)))
                    .for_each(drop);
            }
            if let Some(at) = label.model.filter(|_| self.judge.all_foreign(label).contains(self.dataset)) {
                self.job.models.insert(ExpressionDigest::from_bytes(labels.of(at).digest));
            }
        }
        for (id, thresholds) in thresholds {
            self.sum(id, thresholds)?;
        }
        self.job.sums.sort();
        self.job.receivers = BTreeSet::from([receiver]);
        (self.job.sums.len() <= limits::SUMS && self.job.conditions.len() <= limits::CONDITIONS).then_some(self.job)
    }

    fn sum(&mut self, id: AggregateId, thresholds: BTreeSet<ExpressionDigest>) -> Option<()> {
        let labels = self.judge.labels;
        let aggregate = self.judge.aggregate(id);
        // Without a table or terms it is released only where no minimum is demanded, and never audited.
        let (Some(table), Some(terms)) = (aggregate.table, aggregate.terms.clone()) else { return Some(()) };
        let mut past = Vec::new();
        for term in &terms {
            past.push(PastTerm {
                condition: self.condition(term.mask)?,
                function: ExpressionDigest::from_bytes(term.fun.digest),
                of: columns(&term.fun.sources),
                coefficient: term.coefficient,
            });
        }
        self.job.sums.push(PastSum {
            table: ExpressionDigest::from_bytes(labels.of(table).digest),
            datasets: labels.datasets_of(table),
            terms: past,
            cells: aggregate.cells,
            thresholds,
        });
        Some(())
    }

    /// The place of a condition, with its parts before it.
    fn condition(&mut self, formula: Formula) -> Option<u16> {
        let formulas = &self.judge.labels.formulas;
        for part in formulas.reachable(formula) {
            if self.places.contains_key(&part) {
                continue;
            }
            let place = |of: &Formula| self.places[of];
            let condition = match formulas.form(part) {
                Form::True => PastCondition::All,
                Form::False => PastCondition::None,
                Form::Not(a) => PastCondition::Not(place(&a)),
                Form::And(a, b) => PastCondition::And(place(&a), place(&b)),
                Form::Or(a, b) => PastCondition::Or(place(&a), place(&b)),
                Form::Is(variable) => {
                    let info = formulas.info(variable);
                    let (of, wide) = (columns(&info.sources), info.wide);
                    match &info.fact {
                        Fact::Below(value, at) => PastCondition::Below {
                            value: ExpressionDigest::from_bytes(*value),
                            at: at.to_string(),
                            of,
                            wide,
                        },
                        Fact::Holds(what) => {
                            PastCondition::Holds { what: ExpressionDigest::from_bytes(*what), of, wide }
                        }
                    }
                }
            };
            let next = u16::try_from(self.job.conditions.len()).ok()?;
            self.job.conditions.push(condition);
            self.places.insert(part, next);
        }
        self.places.get(&formula).copied()
    }
}
