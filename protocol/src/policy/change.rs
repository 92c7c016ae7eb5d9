//! Which clauses of a policy a new version loosens (CHK-921): the operator confirms those, and the log names them.

use std::collections::BTreeSet;

use super::{Approval, Policy};
use crate::Number;

impl Policy {
    /// The clauses in which `next` allows something that this policy does not, by their paths in the file. Empty: it is
    /// equal or stricter, and may be put in force at once.
    pub fn loosened_by(&self, next: &Self) -> Vec<String> {
        let (query, release) = (&self.query, &self.release);
        let mut clauses = Vec::new();
        for (clause, looser) in [
            ("query.organisations", adds(&query.organisations, &next.query.organisations)),
            ("query.purposes", widens(query.purposes.as_ref(), next.query.purposes.as_ref())),
            ("query.venues", adds(&query.venues, &next.query.venues)),
            ("query.alignment", adds(&query.alignment, &next.query.alignment)),
            ("query.approval", query.approval == Approval::Ask && next.query.approval == Approval::Auto),
            ("query.programs", widens(query.programs.as_ref(), next.query.programs.as_ref())),
            ("query.expires", query.expires.is_some_and(|day| next.query.expires.is_none_or(|later| later > day))),
            ("query.jobs_per_day", next.query.jobs_per_day > query.jobs_per_day),
            ("query.concurrent_jobs", next.query.concurrent_jobs > query.concurrent_jobs),
            ("query.affiliates", !query.affiliates.iter().all(|group| within_one(group, &next.query.affiliates))),
            ("query.runs", next.query.runs > query.runs),
            ("query.window_days", next.query.window_days < query.window_days),
            ("query.alignments", raises(query.alignments, next.query.alignments)),
            ("query.reimports", next.query.reimports > query.reimports),
            ("query.priority", next.query.priority > query.priority),
            ("release.receivers", adds(&release.receivers, &next.release.receivers)),
            ("release.minimum_rows", next.release.minimum_rows < release.minimum_rows),
            ("release.grid", is_finer(release.grid, next.release.grid)),
            ("release.weighted", next.release.weighted && !release.weighted),
            ("release.positions", next.release.positions && !release.positions),
            ("privacy", self.privacy.is_some() && next.privacy.is_none()),
            ("privacy.epsilon", larger(self.privacy.map(|p| p.cap()), next.privacy.map(|p| p.cap()))),
            (
                "privacy.epsilon_total",
                self.privacy.is_some_and(|own| {
                    own.total().is_some_and(|total| {
                        next.privacy.is_some_and(|next| next.total().is_none_or(|next| next > total))
                    })
                }),
            ),
            ("release.subset_masks", next.release.subset_masks > release.subset_masks),
            ("release.thresholds", next.release.thresholds > release.thresholds),
            ("release.dominance", next.release.dominance < release.dominance),
            ("release.model", next.release.model && !release.model),
        ] {
            if looser {
                clauses.push(clause.to_owned());
            }
        }
        for (name, column) in &next.columns {
            let before = self.columns.get(name);
            if before.map_or(!column.uses.is_empty(), |before| adds(&before.uses, &column.uses)) {
                clauses.push(format!("columns.{name}.uses"));
            }
            if before.is_some_and(|before| before.sensitive && !column.sensitive) {
                clauses.push(format!("columns.{name}.sensitive"));
            }
        }
        if next.retention.results_days > self.retention.results_days {
            clauses.push("retention.results_days".into());
        }
        clauses
    }
}

fn adds<T: Ord>(before: &BTreeSet<T>, after: &BTreeSet<T>) -> bool {
    !after.is_subset(before)
}

/// Whether of two amounts the second is larger.
fn larger<T: Ord>(before: Option<T>, after: Option<T>) -> bool {
    before.zip(after).is_some_and(|(before, after)| after > before)
}

/// Whether one of the groups has all of these.
fn within_one(group: &BTreeSet<String>, groups: &BTreeSet<BTreeSet<String>>) -> bool {
    groups.iter().any(|other| group.is_subset(other))
}

/// Of limits whose absence allows everything.
fn raises(before: Option<u32>, after: Option<u32>) -> bool {
    before.is_some_and(|before| after.is_none_or(|after| after > before))
}

/// Of lists whose absence allows everything.
fn widens<T: Ord>(before: Option<&BTreeSet<T>>, after: Option<&BTreeSet<T>>) -> bool {
    match (before, after) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => adds(before, after),
    }
}

/// Whether a grid has points that the one before does not have.
fn is_finer(before: Option<Number>, after: Option<Number>) -> bool {
    let Some(before) = before else { return false };
    let Some(after) = after else { return true };
    let scale = before.scale().max(after.scale());
    match (before.at_scale(scale), after.at_scale(scale)) {
        (Some(before), Some(after)) => before == 0 || after % before != 0,
        _ => true,
    }
}
