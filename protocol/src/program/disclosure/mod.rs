//! The static disclosure analysis: what a program would tell whom, and whether the owners' policies allow it (CHK-209,
//! CHK-210, CHK-212).
//!
//! *Source*: the security note, §3. Labels (`label`, `transfer`), release rules R1 to R9 and R11 to R13 (`judge`,
//! `gates`, `bits`, `models`, `dominance`), the linear audit (`audit`), policies of columns (`uses`), noise in place of a minimum of
//! rows (R14: `sensitivity`, `noise`).
//!
//! *What it proves*: under the semi-honest model, for a program that it allows, every value that reaches a coalition
//! (a receiver, whose columns count as known) is a function of sums, means and counts over
//! the rows of one table; each such sum stands on at least `minimum_rows` persons of every owner outside the coalition
//! that demands a minimum, or is suppressed; no single row, row position or order statistic of a foreign dataset is
//! released. The verdict depends on the program, the rules and the schemas alone (CHK-214), and is the same for every
//! party: all arithmetic is exact. What has no rule is refused wherever an owner demands a minimum.
//!
//! *What it does not prove*: R7, R8 and R9 are heuristics with stated margins (note §7); bounds, integrality and
//! background knowledge escape them. Arithmetic of a row can hide a condition (a polynomial that is 0 but for one
//! value). Aggregates with no gate can be sparse: a gate counts the rows that a mask selects, not those whose value
//! differs from 0. Earlier jobs count as far as the owners say them with their rules (`history`, CHK-213). Only noise
//! bounds what adaptive questions tell.
//!
//! *Refused for now*: sums over several tables of one dataset, and promised ranges of foreign values (R12). Values of a
//! foreign dataset go round a loop (R13), and aggregates are compared (R12), only where a policy grants it.

mod audit;
mod binding;
mod bits;
mod cells;
mod dominance;
mod formula;
mod fraction;
mod gates;
mod history;
mod judge;
mod label;
mod learned;
mod models;
mod noise;
mod report;
mod sensitivity;
#[cfg(test)]
mod tests;
mod transfer;
mod uses;

pub use binding::{Binding, binding};
pub use history::told;
pub use learned::{Fact, Learned};
pub use models::releases_model;

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::program::release::{Charge, Dominance, Gate, GateRule, Noise, ReleaseSpec, ReleasedOutput};
use crate::program::rules::{DatasetRules, Refusal};
use crate::program::{DatasetName, NodeId, TypedProgram};
use crate::{Code, Number, PartyId};

use history::History;
use judge::{Coalition, Judge};
use transfer::Labels;

/// What the analysis of an allowed program gives. Every owner derives it for itself, and all must agree.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// How each output is released.
    pub release: ReleaseSpec,
    /// What each party learns, in the order of the parties.
    pub learned: Vec<Learned>,
}

/// Decides whether a program may run, and how its outputs are released.
///
/// `receivers` names the parties that receive each output; an output that it does not name goes to nobody.
///
/// # Errors
/// All refusals, in order and without repetition. Datasets without rules refuse everything.
pub fn analyse(
    typed: &TypedProgram,
    rules: &BTreeMap<DatasetName, DatasetRules>,
    receivers: &BTreeMap<String, Vec<PartyId>>,
) -> Result<Analysis, Vec<Refusal>> {
    let mut labels = transfer::labels(typed);
    let history = History::read(&mut labels, rules);
    let mut refusals = uses::check(&labels, rules);
    refusals.extend(handed_in(&labels));
    let coalitions = coalitions(typed, receivers);
    let judges = coalitions
        .iter()
        .map(|coalition| Judge { labels: &labels, rules, coalition, history: &history })
        .collect::<Vec<_>>();
    refusals.extend(judges.iter().flat_map(Judge::single));
    let mut parts = Vec::new();
    // What the policies say of columns and receivers hides nothing of what the rules say of gates.
    if refusals.iter().all(|refusal| refusal.code.as_str().starts_with("POLICY_")) {
        for judge in &judges {
            match gates::derive(judge) {
                Ok(gates) => parts.push(gates),
                Err(more) => refusals.extend(more),
            }
        }
    }
    let mut dominance: BTreeMap<usize, BTreeSet<Dominance>> = BTreeMap::new();
    for judge in &judges {
        match dominance::derive(judge) {
            Ok(more) => more.into_iter().for_each(|(place, all)| dominance.entry(place).or_default().extend(all)),
            Err(more) => refusals.extend(more),
        }
    }
    let grids = grids(&judges, &mut refusals);
    let mut noise: BTreeMap<usize, Vec<Noise>> = BTreeMap::new();
    for judge in &judges {
        match noise::derive(judge, &grids) {
            Ok(more) => more.into_iter().for_each(|(place, draws)| noise.entry(place).or_default().extend(draws)),
            Err(more) => refusals.extend(more),
        }
    }
    refusals.extend(exact_beside_noise(&labels, &noise, &parts, &dominance));
    if !refusals.is_empty() {
        return Err(in_order(refusals));
    }
    let mut release = spec(&labels, rules, receivers, Conditions { parts, dominance, grids, noise });
    models::raise_overlaps(&judges, &mut release);
    let learned = report::learned(&labels, &release, receivers);
    Ok(Analysis { release, learned })
}

/// Policies speak of datasets: of an array that is handed in nothing is known that could be judged.
fn handed_in(labels: &Labels<'_>) -> Option<Refusal> {
    let node = labels.typed.program().handed_in()?;
    let cause =
        format!("{} is an array that is handed in, about which no policy says anything", judge::describe(labels, node));
    let change = "read a column of a dataset, or run the program in a direct session".into();
    Some(judge::refusal(labels, "", Code::new("PROGRAM_INPUT"), "inputs".into(), cause, change))
}

/// One coalition for each receiver. Parties that share what they learn are the policies' to resolve: a receiver may receive
/// if all that it shares with may, and what one of them was told counts for all (CHK-210).
fn coalitions(typed: &TypedProgram, receivers: &BTreeMap<String, Vec<PartyId>>) -> Vec<Coalition> {
    let all: BTreeSet<PartyId> = receivers.values().flatten().copied().collect();
    let outputs_of = |receiver: PartyId| {
        let outputs = typed.program().outputs.iter().enumerate();
        let received = outputs.filter(|(_, o)| receivers.get(&o.name).is_some_and(|to| to.contains(&receiver)));
        received.map(|(place, _)| place).collect()
    };
    all.into_iter().map(|receiver| Coalition { receiver, outputs: outputs_of(receiver) }).collect()
}

/// A gate that one owner demands tells exactly what another hides by noise.
fn exact_beside_noise(
    labels: &Labels<'_>,
    noise: &BTreeMap<usize, Vec<Noise>>,
    parts: &[gates::Gates],
    dominance: &BTreeMap<usize, BTreeSet<Dominance>>,
) -> Vec<Refusal> {
    let counted = |place: &usize| parts.iter().any(|part| part.get(place).is_some_and(|gates| !gates.is_empty()));
    let gated = |place: &usize| counted(place) || dominance.contains_key(place);
    let outputs = &labels.typed.program().outputs;
    let both = noise.iter().filter(|(place, _)| gated(place));
    let charges =
        both.flat_map(|(place, draws)| draws.iter().flat_map(move |draw| draw.charges.iter().map(move |c| (place, c))));
    let refuse = |(place, charge): (&usize, &Charge)| {
        let cause =
            format!("`{}` has a minimum of rows of another owner, which would be told exactly", outputs[*place].name);
        let change = "release it to one receiver, or let both owners demand noise".into();
        judge::refusal(labels, &charge.dataset, Code::new("DISCLOSURE_SENSITIVITY"), "R14".into(), cause, change)
    };
    charges.map(refuse).collect()
}

/// The grid of each output: the coarsest of those of its coalitions.
fn grids(judges: &[Judge<'_, '_>], refusals: &mut Vec<Refusal>) -> BTreeMap<usize, Number> {
    let mut grids: BTreeMap<usize, Number> = BTreeMap::new();
    for judge in judges {
        for place in &judge.coalition.outputs {
            match gates::grid(judge, *place) {
                Ok(Some(grid)) => match gates::coarser(grids.get(place).copied(), grid) {
                    Some(coarsest) => drop(grids.insert(*place, coarsest)),
                    None => refusals.push(receivers_grid(judge, *place, grid)),
                },
                Ok(None) => {}
                Err(refusal) => refusals.push(*refusal),
            }
        }
    }
    grids
}

fn receivers_grid(judge: &Judge<'_, '_>, place: usize, grid: Number) -> Refusal {
    let output = &judge.labels.typed.program().outputs[place];
    let datasets = judge.all_foreign(judge.labels.of(output.value));
    let dataset = datasets.first().cloned().unwrap_or_default();
    let cause = format!("`{}` goes to several receivers, and their grids do not fit {grid}", output.name);
    let change = "release it to one receiver, or let the owners choose multiples of one grid".into();
    judge::refusal(judge.labels, &dataset, Code::new("POLICY_GRID"), "release.grid".into(), cause, change)
}

fn spec(
    labels: &Labels<'_>,
    rules: &BTreeMap<DatasetName, DatasetRules>,
    receivers: &BTreeMap<String, Vec<PartyId>>,
    conditions: Conditions,
) -> ReleaseSpec {
    let Conditions { parts, mut dominance, grids, mut noise } = conditions;
    let outputs = labels.typed.program().outputs.iter().enumerate().map(|(place, output)| {
        let mut parties = receivers.get(&output.name).cloned().unwrap_or_default();
        parties.sort_unstable();
        parties.dedup();
        let gates = parts.iter().filter_map(|part| part.get(&place)).flatten().cloned().collect();
        let (name, value) = (output.name.clone(), output.value);
        let noise = noise::merged(noise.remove(&place).unwrap_or_default());
        let grid = grids.get(&place).copied();
        let dominance = strictest(dominance.remove(&place).unwrap_or_default());
        ReleasedOutput { name, value, receivers: parties, gates: strongest(gates), grid, noise, dominance }
    });
    let minimum = |dataset: &str| rules.get(dataset).map_or(0, |rules| rules.minimum_rows);
    ReleaseSpec { outputs: outputs.collect(), minimum_overlap: gates::minimum_overlap(labels, minimum) }
}

/// What the rules demand of outputs, by their places in the program.
struct Conditions {
    parts: Vec<gates::Gates>,
    dominance: BTreeMap<usize, BTreeSet<Dominance>>,
    grids: BTreeMap<usize, Number>,
    noise: BTreeMap<usize, Vec<Noise>>,
}

/// Of several demands on one sum the largest.
fn strictest(all: BTreeSet<Dominance>) -> Vec<Dominance> {
    let by_sum: BTreeMap<NodeId, Dominance> = all.into_iter().map(|one| (one.of, one)).collect();
    by_sum.into_values().collect()
}

/// The gates without those that others imply.
fn strongest(gates: BTreeSet<Gate>) -> Vec<Gate> {
    let least = |rule: &GateRule| match rule {
        GateRule::AtLeast(least) | GateRule::ZeroOrAtLeast(least) => *least,
    };
    let implied = |gate: &Gate| {
        gates.iter().any(|other| {
            let same = other.rows_of == gate.rows_of && other.support == gate.support && other != gate;
            let (a, b) = (least(&other.rule), least(&gate.rule));
            same && match (&other.rule, &gate.rule) {
                (GateRule::AtLeast(_), GateRule::ZeroOrAtLeast(_)) => a >= b,
                (GateRule::ZeroOrAtLeast(_), GateRule::AtLeast(_)) => false,
                _ => a > b,
            }
        })
    };
    gates.iter().filter(|gate| !implied(gate)).cloned().collect()
}

fn in_order(refusals: Vec<Refusal>) -> Vec<Refusal> {
    let mut refusals = refusals;
    let key = |r: &Refusal| (r.owner, r.dataset.clone(), r.code.clone(), r.clause.clone(), r.cause.clone());
    refusals.sort_by_cached_key(key);
    refusals.dedup();
    refusals
}
