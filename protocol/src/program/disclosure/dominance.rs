//! Sums that one or two rows make up (rule R10): kept back where a policy says so.
//!
//! *Source*: the p-percent rule of statistical disclosure control, as the security note has it (§3, R10): what remains of a
//! sum without its two largest contributions has to be at least p percent of the largest, so that whoever made the second
//! largest cannot tell the largest more exactly. Contributions count by their magnitude. A count has none that is larger
//! than another; its minimum of rows does the same. With noise (R14) it does not apply.

use std::collections::{BTreeMap, BTreeSet};

use crate::program::release::Dominance;
use crate::program::rules::Refusal;
use crate::program::{Op, Reduction};

use super::judge::Judge;
use super::label::{AggregateId, Fun};

/// The conditions of each output of a coalition, by its place in the program.
///
/// # Errors
/// `DISCLOSURE_DOMINANCE` where a policy wants one of something that is no plain sum or mean.
pub(super) fn derive(judge: &Judge<'_, '_>) -> Result<BTreeMap<usize, BTreeSet<Dominance>>, Vec<Refusal>> {
    let (mut found, mut refusals) = (BTreeMap::<usize, BTreeSet<Dominance>>::new(), Vec::new());
    for place in &judge.coalition.outputs {
        let value = judge.labels.typed.program().outputs[*place].value;
        for id in &judge.labels.of(value).aggregates {
            let Some((dataset, percent)) = demanded(judge, *id) else { continue };
            let of = judge.aggregate(*id).node;
            match judge.labels.typed.program().nodes.get(of.index()).map(|node| &node.op) {
                Some(Op::Reduce { function: Reduction::Sum | Reduction::Mean, .. }) => {
                    found.entry(*place).or_default().insert(Dominance { of, percent });
                }
                _ => {
                    let cause =
                        format!("{} is no plain sum or mean, of which the largest part could be told apart", of);
                    let change = "release sums and means of a column".to_owned();
                    refusals.push(
                        judge.refuse(&dataset, "DISCLOSURE_DOMINANCE", "release.dominance", cause, change).at(of),
                    );
                }
            }
        }
    }
    if refusals.is_empty() { Ok(found) } else { Err(refusals) }
}

/// The largest percentage that an owner demands of an aggregate, and for which dataset.
fn demanded(judge: &Judge<'_, '_>, id: AggregateId) -> Option<(String, u32)> {
    let counts = |fun: &Fun| *fun == Fun::ONE;
    if judge.aggregate(id).terms.as_deref().is_some_and(|terms| terms.iter().all(|term| counts(&term.fun))) {
        return None;
    }
    let demands = judge.foreign_in(id).into_iter().filter_map(|dataset| {
        let rules = judge.rules.get(&dataset).filter(|rules| !rules.noise && rules.dominance > 0)?;
        Some((dataset, rules.dominance))
    });
    demands.max_by_key(|(_, percent)| *percent)
}
