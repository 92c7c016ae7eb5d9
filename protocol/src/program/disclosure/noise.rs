//! Rule R14: the noise that hides one person in every output, for datasets whose policy demands it.
//!
//! *Source*: the security note, §3.3 and §4 (`owner-full`): each owner of such a dataset draws the whole noise of an output
//! and adds it to its own share, so that it depends on nobody else's draw; an owner that receives the output knows its own
//! draw and takes it away. *What it proves*: with the discrete Gaussian of [`Noise::sigma`], each output is rho-zCDP for
//! each dataset at the rho of its [`Charge`], towards receivers that do not own it.
//!
//! Gates on the number of rows are exact, and have no place beside noise: a dataset has a minimum of rows or noise.

use std::collections::BTreeMap;

use num_bigint::BigUint;

use crate::privacy::{Rho, Sigma};
use crate::program::Op;
use crate::program::Reduction;
use crate::program::release::{Charge, Noise};
use crate::program::rules::Refusal;
use crate::program::types::Validity;
use crate::program::{NodeId, Output};
use crate::{Number, PartyId};

use super::fraction::Fraction;
use super::judge::{Judge, describe};
use super::sensitivity::{Moves, Sensitivity};

/// 95 of 100 samples of a normal distribution lie within so many hundredths of its deviation.
const HUNDREDTHS: u32 = 196;
/// The rho of the accuracy that a refusal proposes: a hundredth.
const PROPOSED_RHO: f64 = 0.01;

/// The noise of every output against the datasets outside a coalition whose policies demand it, by the place of the output.
///
/// `grids` are those that the outputs are released on, for all coalitions together: samples are drawn in their units.
///
/// # Errors
/// `DISCLOSURE_SENSITIVITY` and `DISCLOSURE_ACCURACY`.
pub(super) fn derive(
    judge: &Judge<'_, '_>,
    grids: &BTreeMap<usize, Number>,
) -> Result<BTreeMap<usize, Vec<Noise>>, Vec<Refusal>> {
    let mut found: BTreeMap<usize, Vec<Noise>> = BTreeMap::new();
    let mut refusals = Vec::new();
    for (dataset, rules) in judge.rules {
        if !rules.noise || !judge.is_foreign(dataset) {
            continue;
        }
        let work = Work { judge, dataset, grids, sensitivity: Sensitivity::new(judge.labels, dataset) };
        refusals.extend(work.checks());
        for place in &judge.coalition.outputs {
            match work.output(*place) {
                Ok(noise) => found.entry(*place).or_default().extend(noise),
                Err(refusal) => refusals.push(*refusal),
            }
        }
    }
    if refusals.is_empty() { Ok(found) } else { Err(refusals) }
}

/// The draws of all coalitions for an output: each owner draws once, and says what it costs each of its datasets.
pub(super) fn merged(all: impl IntoIterator<Item = Noise>) -> Vec<Noise> {
    let mut by_owner: BTreeMap<PartyId, Noise> = BTreeMap::new();
    for noise in all {
        let known = by_owner.entry(noise.party).or_insert_with(|| Noise { charges: Vec::new(), ..noise });
        known.charges.extend(noise.charges);
        known.charges.sort();
        known.charges.dedup();
    }
    by_owner.into_values().collect()
}

/// The work on one dataset.
struct Work<'a, 'j, 'p> {
    judge: &'a Judge<'j, 'p>,
    dataset: &'a str,
    grids: &'a BTreeMap<usize, Number>,
    sensitivity: Sensitivity<'a, 'p>,
}

impl Work<'_, '_, '_> {
    /// Whether a promised range held is told to all receivers, exactly.
    fn checks(&self) -> Vec<Refusal> {
        let labels = self.judge.labels;
        let nodes = labels.typed.program().nodes.iter().enumerate();
        let told = nodes.filter_map(|(index, node)| {
            let id = NodeId(u32::try_from(index).ok()?);
            let checked = match &node.op {
                Op::Loop { .. } => true,
                Op::Assume { value, .. } => labels.narrows(id, *value),
                _ => false,
            };
            let depends = node.op.operands().iter().any(|operand| self.sensitivity.of(*operand) != Moves::Never);
            (depends && checked).then(|| {
                let cause = format!("{} promises a range, and whether it holds is told exactly", describe(labels, id));
                self.refuse(
                    "DISCLOSURE_SENSITIVITY",
                    cause,
                    "leave the promise out: ranges come from the owner's schema",
                )
            })
        });
        told.collect()
    }

    fn refuse(&self, code: &'static str, cause: String, change: impl Into<String>) -> Refusal {
        self.judge.refuse(self.dataset, code, "R14", cause, change.into())
    }

    /// The noise that one output needs for this dataset.
    fn output(&self, place: usize) -> Result<Option<Noise>, Box<Refusal>> {
        let Some(steps) = self.steps(place)? else { return Ok(None) };
        let output = self.program_output(place);
        let array = self.judge.labels.array(output.value).expect("it moves by steps, so it is an array");
        let step = Fraction::step_of(&array.element);
        let unit = self.grids.get(&place).map_or_else(|| step.clone(), |grid| Fraction::of(*grid));
        let (Some(step), Some(unit)) = (step, unit) else {
            let cause = format!("`{}` is no number", output.name);
            return Err(Box::new(self.refuse("DISCLOSURE_SENSITIVITY", cause, "release a number")));
        };
        let each = step.over(&unit).times_up(&steps.into());
        let l2 = norm(&each, self.judge.labels.typed.cells_bound(array));
        let accuracy =
            |cause: String| Box::new(self.refuse("DISCLOSURE_ACCURACY", cause, proposal(output, &l2, &unit)));
        let sigma = sigma(output, &unit).map_err(accuracy)?;
        let rho = Rho::of_release(&l2, sigma).ok_or_else(|| {
            accuracy(format!("`{}` within {} would cost more than any budget", output.name, within(output)))
        })?;
        let owner = self.judge.labels.typed.datasets().get(self.dataset).map_or(PartyId::ZERO, |dataset| dataset.owner);
        Ok(Some(Noise { party: owner, sigma, charges: vec![Charge { dataset: self.dataset.to_owned(), rho }] }))
    }

    /// How many lattice steps one person moves each cell of an output; none: not at all.
    fn steps(&self, place: usize) -> Result<Option<u128>, Box<Refusal>> {
        let (labels, output) = (self.judge.labels, self.program_output(place));
        let name = &output.name;
        let refuse = |cause: String, change: &str| Err(Box::new(self.refuse("DISCLOSURE_SENSITIVITY", cause, change)));
        let steps = match self.sensitivity.of(output.value) {
            Moves::Never => return Ok(None),
            Moves::By(steps) => steps,
            Moves::ByRow => return refuse(format!("`{name}` has values of single rows"), "release a sum or a count"),
            Moves::Unbounded(at) => {
                let mean = matches!(
                    labels.typed.program().nodes[at.index()].op,
                    Op::Reduce { function: Reduction::Mean | Reduction::Var, .. }
                );
                let cause = format!("nothing bounds how far one person moves `{name}`: {}", describe(labels, at));
                return refuse(
                    cause,
                    if mean {
                        "release the sum and the count, and divide them afterwards"
                    } else {
                        "release sums and counts, and compute with their noisy values afterwards"
                    },
                );
            }
        };
        if labels.array(output.value).is_none_or(|array| array.validity != Validity::AllTrue) {
            let cause = format!("whether a cell of `{name}` has a value would be told exactly");
            return refuse(cause, "release sums and counts, which always have one");
        }
        Ok(Some(steps))
    }

    fn program_output(&self, place: usize) -> &Output {
        &self.judge.labels.typed.program().outputs[place]
    }
}

/// The Euclidean norm of so many cells, rounded up.
fn norm(each: &BigUint, cells: u64) -> BigUint {
    let square = each.pow(2) * cells;
    let root = square.sqrt();
    if root.pow(2) < square { root + 1_u8 } else { root }
}

fn within(output: &Output) -> Number {
    output.within.unwrap_or(Number::ZERO)
}

/// The deviation, in units of the release, that leaves 95 of 100 values within what the program allows.
fn sigma(output: &Output, unit: &Fraction) -> Result<Sigma, String> {
    let name = &output.name;
    let Some(within) = output.within else {
        return Err(format!("`{name}` is released with noise, and the program does not say how far it may be off"));
    };
    // within / unit / 1.96, in parts of 2^-10 of a unit.
    let parts = Fraction::of(within).map(|within| within.over(unit).times_down(&102_400_u32.into()) / HUNDREDTHS);
    let sigma = parts.and_then(|parts| u64::try_from(parts).ok()).and_then(Sigma::from_parts);
    sigma.ok_or_else(|| format!("`{name}` cannot have noise within {within}"))
}

/// What to write instead: an accuracy at a moderate price.
fn proposal(output: &Output, l2: &BigUint, unit: &Fraction) -> String {
    let l2 = unit.times_up(l2).to_string().parse().unwrap_or(f64::INFINITY);
    let within: f64 = l2 * f64::from(HUNDREDTHS) / 100.0 / (2.0 * PROPOSED_RHO).sqrt();
    let digits = 10_f64.powf(within.log10().floor() - 1.0);
    let within = (within / digits).ceil() * digits;
    format!("state `within` for `{}`: ±{within} in 95 of 100 cases costs a rho of about {PROPOSED_RHO}", output.name)
}
