//! The order in which the steps of a plan run, and which of them share their messages.
//!
//! Steps that need the peer and are small wait for each other: all that are independent at one depth go together, and
//! take the exchanges of the longest of them. The others run one by one, in the order of the plan, so that long arrays
//! do not pile up. The schedule is a function of the plan alone.

use super::Plan;
use super::step::RingOp;
use crate::error::Result;
use crate::executor;
use crate::offline::Counts;
use crate::two_party::cost::Cost;

/// Transfers a direction that a step may take to go together with others; with batches of products none goes.
const SMALL: u64 = 1 << 16;
/// Steps that go together at most, each on a thread.
const LANES: usize = 32;
/// Transfers in both directions that steps which go together take at most: 16 MiB of memory.
const TOGETHER: u64 = 1 << 20;

/// A plan's order and costs.
pub(crate) struct Schedule {
    /// Steps by place in the plan; those of one group go together.
    pub(crate) groups: Vec<Vec<usize>>,
    /// What each step costs by itself.
    pub(crate) costs: Vec<Cost>,
    /// What each takes of what was made before the run.
    pub(crate) takes: Vec<Counts>,
}

impl Schedule {
    /// What all steps cost.
    pub(crate) fn total(&self) -> Cost {
        self.groups.iter().map(|group| self.together(group)).sum()
    }

    /// What all steps take of what was made before the run.
    pub(crate) fn takes(&self) -> Counts {
        let mut sum = Counts::default();
        self.takes.iter().for_each(|takes| sum.extend(takes));
        sum
    }

    /// What the steps of a group cost.
    fn together(&self, group: &[usize]) -> Cost {
        group.iter().map(|step| self.costs[*step]).fold(Cost::default(), Cost::beside)
    }

    /// The exchanges that each step adds to the plan: those of a group count for the first of its longest steps.
    pub(crate) fn rounds(&self) -> Vec<u64> {
        let mut rounds = vec![0; self.costs.len()];
        for group in &self.groups {
            let longest = group.iter().rev().max_by_key(|step| self.costs[**step].rounds);
            if let Some(longest) = longest {
                rounds[*longest] = self.costs[*longest].rounds;
            }
        }
        rounds
    }
}

impl Plan {
    /// The schedule. Takes about the time of a run's bookkeeping, and no memory for values.
    pub(crate) fn schedule(&self) -> Result<Schedule> {
        let (costs, takes) = match self.word_bits {
            64 => executor::costs::<u64>(self)?,
            _ => executor::costs::<u128>(self)?,
        };
        let small: Vec<bool> = costs
            .iter()
            .zip(&self.steps)
            .map(|(cost, step)| {
                let few = cost.offered.into_iter().all(|n| n <= SMALL);
                // What a sort takes is known only within a bound, and what goes together is set apart exactly.
                few && cost.rounds > 0 && cost.batches == 0 && !matches!(step.op, RingOp::Sort { .. })
            })
            .collect();
        // How many small steps lie before each, one behind the other.
        let mut depth = vec![0_usize; self.steps.len()];
        for (place, step) in self.steps.iter().enumerate() {
            let behind = |operand: usize| depth[operand] + usize::from(small[operand]);
            depth[place] = step.op.operands().iter().map(|operand| behind(operand.index())).max().unwrap_or(0);
        }
        let mut order: Vec<usize> = (0..self.steps.len()).collect();
        order.sort_by_key(|place| (depth[*place], small[*place], *place));
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut open: Option<(usize, u64)> = None;
        for place in order {
            let transfers = costs[place].transfers();
            match (open, groups.last_mut()) {
                (Some((level, sum)), Some(group))
                    if small[place] && level == depth[place] && group.len() < LANES && sum + transfers <= TOGETHER =>
                {
                    group.push(place);
                    open = Some((level, sum + transfers));
                }
                _ => {
                    groups.push(vec![place]);
                    open = small[place].then_some((depth[place], transfers));
                }
            }
        }
        Ok(Schedule { groups, costs, takes })
    }
}
