//! The list of what each party learns, from the labels and the release spec.

use std::collections::{BTreeMap, BTreeSet};

use crate::program::release::{Charge, GateRule, ReleaseSpec, ReleasedOutput};
use crate::program::types::Validity;
use crate::program::{Alignment, NodeId, Op};
use crate::{Number, PartyId};

use super::formula::Formulas;
use super::judge::describe;
use super::label::Fun;
use super::learned::{Fact, Learned};
use super::transfer::{Labels, source_of};

/// What each owner and receiver learns beside its own data.
pub(super) fn learned(
    labels: &Labels<'_>,
    release: &ReleaseSpec,
    receivers: &BTreeMap<String, Vec<PartyId>>,
) -> Vec<Learned> {
    let columns = columns(labels);
    let owners = columns.keys().filter_map(|dataset| owner(labels, dataset));
    let parties: BTreeSet<PartyId> = owners.chain(receivers.values().flatten().copied()).collect();
    let facts = |party: PartyId| {
        let mut facts: BTreeSet<Fact> = BTreeSet::new();
        facts.extend(shapes(labels, &columns, party));
        facts.extend(matches(labels, release, party));
        let received = release.outputs.iter().filter(|output| output.receivers.contains(&party));
        facts.extend(received.flat_map(|output| values(labels, output)));
        facts.extend(range_checks(labels));
        Learned { party, facts: facts.into_iter().collect() }
    };
    parties.into_iter().map(facts).collect()
}

fn owner(labels: &Labels<'_>, dataset: &str) -> Option<PartyId> {
    labels.typed.datasets().get(dataset).map(|dataset| dataset.owner)
}

/// The datasets that the program loads, with the columns that it names.
fn columns(labels: &Labels<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in &labels.typed.program().nodes {
        let named: Vec<(NodeId, &String)> = match &node.op {
            Op::Load { dataset } => {
                columns.entry(dataset.clone()).or_default();
                Vec::new()
            }
            Op::Join { left, right, left_on, right_on, .. } => vec![(*left, left_on), (*right, right_on)],
            Op::Column { table, column } => vec![(*table, column)],
            _ => Vec::new(),
        };
        for (table, column) in named {
            if let Some(source) = labels.typed.table(table).and_then(|table| source_of(table, column)) {
                columns.entry(source.dataset).or_default().insert(source.column);
            }
        }
    }
    columns
}

fn shapes(labels: &Labels<'_>, columns: &BTreeMap<String, BTreeSet<String>>, party: PartyId) -> Vec<Fact> {
    let foreign = columns.iter().filter(|(dataset, _)| owner(labels, dataset) != Some(party));
    let shape = |(dataset, columns): (&String, &BTreeSet<String>)| {
        let rows = labels.typed.datasets().get(dataset)?.schema.rows;
        Some(Fact::DatasetShape { dataset: dataset.clone(), rows, columns: columns.iter().cloned().collect() })
    };
    foreign.filter_map(shape).collect()
}

/// What the owners of joined tables learn from a revealed alignment.
fn matches(labels: &Labels<'_>, release: &ReleaseSpec, party: PartyId) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (at, node) in labels.typed.program().nodes.iter().enumerate() {
        if !matches!(node.op, Op::Join { alignment: Alignment::Revealed, .. }) {
            continue;
        }
        let id = NodeId(u32::try_from(at).expect("validated: at most limits::NODES nodes"));
        let datasets: Vec<String> = labels.datasets_of(id).into_iter().collect();
        let own: Vec<&String> = datasets.iter().filter(|dataset| owner(labels, dataset) == Some(party)).collect();
        if own.is_empty() {
            continue;
        }
        let minimum = release.minimum_overlap.iter().find(|overlap| overlap.join == id).map_or(0, |o| o.rows);
        facts.push(Fact::Overlap { datasets: datasets.clone(), minimum });
        for dataset in own {
            let with = datasets.iter().filter(|other| *other != dataset).cloned().collect();
            facts.push(Fact::OwnMatches { dataset: dataset.clone(), with });
        }
    }
    facts
}

fn values(labels: &Labels<'_>, output: &ReleasedOutput) -> Vec<Fact> {
    let name = || output.name.clone();
    let mut facts = vec![Fact::Value { output: name(), grid: output.grid }];
    let within = labels.typed.program().outputs.iter().find(|o| o.name == output.name).and_then(|o| o.within);
    let charges = output.noise.iter().flat_map(|noise| &noise.charges);
    facts.extend(charges.map(|Charge { dataset, rho }| Fact::Noise {
        output: name(),
        within: within.unwrap_or(Number::ZERO),
        dataset: dataset.clone(),
        rho: *rho,
    }));
    let least = output.gates.iter().map(|gate| match gate.rule {
        GateRule::AtLeast(least) | GateRule::ZeroOrAtLeast(least) => least,
    });
    facts.extend(
        output.dominance.iter().map(|of| of.percent).max().map(|percent| Fact::Dominated { output: name(), percent }),
    );
    let undefined = labels.array(output.value).is_some_and(|array| array.validity == Validity::Secret);
    match least.max() {
        Some(minimum) => facts.push(Fact::Suppressed { output: name(), minimum }),
        None if undefined && output.dominance.is_empty() => facts.push(Fact::Undefined { output: name() }),
        None => {}
    }
    let aggregates = &labels.of(output.value).aggregates;
    let counts = |terms: &[super::label::Term]| {
        let counted = |term: &super::label::Term| term.fun == Fun::ONE && term.mask != Formulas::TRUE;
        !terms.is_empty() && terms.iter().all(counted)
    };
    let counted = aggregates.iter().any(|id| labels.aggregates[id.0].terms.as_deref().is_some_and(counts));
    if aggregates.len() > 1 && counted {
        facts.push(Fact::ImpliedCount { output: name() });
    }
    facts
}

/// Loops and `assume`s, whose one bit gates every release.
fn range_checks(labels: &Labels<'_>) -> Option<Fact> {
    let nodes = labels.typed.program().nodes.iter().enumerate();
    let checks = nodes.filter_map(|(at, node)| {
        let id = NodeId(u32::try_from(at).ok()?);
        let checked = match &node.op {
            Op::Loop { .. } => true,
            Op::Assume { value, .. } => labels.narrows(id, *value),
            _ => false,
        };
        checked.then(|| describe(labels, id))
    });
    let checks: Vec<String> = checks.collect();
    (!checks.is_empty()).then_some(Fact::OutOfRange { checks })
}
