//! Whose clause binds an output where several owners have one: the strictest.

use std::collections::{BTreeMap, BTreeSet};

use crate::program::rules::DatasetRules;
use crate::program::{DatasetName, TypedProgram};
use crate::{Number, PartyId};

use super::history::History;
use super::judge::Judge;
use super::{coalitions, gates, transfer};

/// A clause that decides how an output is released.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// The output.
    pub output: String,
    /// The clause, as a path in the policy's file.
    pub clause: &'static str,
    /// What it says.
    pub value: String,
    /// The datasets whose policies say it: those of several owners where they say the same.
    pub datasets: BTreeSet<DatasetName>,
}

/// The strictest minimum and the coarsest grid of each output, over all its receivers and the owners outside them.
pub fn binding(
    typed: &TypedProgram,
    rules: &BTreeMap<DatasetName, DatasetRules>,
    receivers: &BTreeMap<String, Vec<PartyId>>,
) -> Vec<Binding> {
    let (labels, history) = (transfer::labels(typed), History::default());
    let coalitions = coalitions(typed, receivers);
    let judges: Vec<Judge<'_, '_>> =
        coalitions.iter().map(|coalition| Judge { labels: &labels, rules, coalition, history: &history }).collect();
    let mut bindings = Vec::new();
    for (place, output) in typed.program().outputs.iter().enumerate() {
        let asked = judges.iter().filter(|judge| judge.coalition.outputs.contains(&place));
        let datasets: BTreeSet<DatasetName> =
            asked.flat_map(|judge| judge.all_foreign(labels.of(output.value))).collect();
        let minimum = |dataset: &DatasetName| rules.get(dataset).map_or(0, |rules| rules.minimum_rows);
        let most = datasets.iter().map(minimum).max().unwrap_or(0);
        if most > 1 {
            let of = datasets.iter().filter(|dataset| minimum(dataset) == most).cloned().collect();
            let (clause, value) = ("release.minimum_rows", most.to_string());
            bindings.push(Binding { output: output.name.clone(), clause, value, datasets: of });
        }
        let grid = |dataset: &DatasetName| rules.get(dataset).and_then(|rules| rules.grid);
        let coarsest =
            datasets.iter().filter_map(grid).fold(None::<Number>, |known, grid| gates::coarser(known, grid).or(known));
        if let Some(coarsest) = coarsest {
            let of = datasets.iter().filter(|dataset| grid(dataset) == Some(coarsest)).cloned().collect();
            let (clause, value) = ("release.grid", coarsest.to_string());
            bindings.push(Binding { output: output.name.clone(), clause, value, datasets: of });
        }
    }
    bindings
}
