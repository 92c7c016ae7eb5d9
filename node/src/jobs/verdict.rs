//! What this node's policies say of a proposal, clause by clause, for the operator who decides.
//!
//! The verdicts are those of the review that decides ([`negotiate::review`]); this module only sets them beside what the
//! job asks and what the policy's file says.

use tacit_protocol::PartyId;
use tacit_protocol::api::ClauseVerdict;
use tacit_protocol::policy::Approval;
use tacit_protocol::program::rules::Refusal;
use tacit_protocol::program::{Alignment, TypedProgram};
use tacit_protocol::terms::Proposal;

use super::negotiate::{self, Knowledge, OwnData, Rejected, Usage, UsageOf};
use super::run::used_columns;

/// What a clause has for a list without an entry.
const NOBODY: &str = "nobody";

/// The verdicts of the policies of all datasets of party `me` in a proposal.
///
/// `knowledge` is that of the review when the operator approves, for which limits on the number of jobs no longer count:
/// they were judged when the job came. `usage` only says how much of them is used.
pub(super) fn verdicts(
    proposal: &Proposal,
    me: PartyId,
    knowledge: &Knowledge<'_>,
    usage: &UsageOf<'_>,
) -> Vec<ClauseVerdict> {
    let Ok(typed) = negotiate::typed(proposal) else { return Vec::new() };
    let rejected = negotiate::review(proposal, knowledge).err();
    let refusals = match &rejected {
        Some(Rejected::Forbidden(refusals)) => refusals.as_slice(),
        _ => &[],
    };
    let mut all = Vec::new();
    for dataset in proposal.datasets.iter().filter(|dataset| dataset.owner == me) {
        let Ok(Some(data)) = (knowledge.own)(&dataset.dataset) else { continue };
        let asker = &proposal.parties[proposal.proposer.index()];
        let usage = usage(&dataset.name, &asker.peer, proposal.job_id().ok());
        let view = View { proposal, typed: &typed, name: &dataset.name, data: &data, usage };
        all.extend(view.clauses().map(|(clause, asked, says)| {
            let ask = clause == "query.approval" && data.policy.query().approval == Approval::Ask;
            let verdict = if ask { "asks" } else { "allows" };
            let (dataset, change) = (dataset.name.clone(), String::new());
            ClauseVerdict { dataset, clause, asked, says, verdict: verdict.into(), change }
        }));
    }
    refusals.iter().for_each(|refusal| forbid(&mut all, refusal));
    if let Some(Rejected::Failure(failure)) = &rejected {
        all.push(ClauseVerdict {
            dataset: String::new(),
            clause: failure.code.to_string(),
            asked: failure.message.clone(),
            says: String::new(),
            verdict: "forbids".into(),
            change: failure.next.clone(),
        });
    }
    all
}

/// Marks the clause of a refusal, or adds it where it is none of those above: a rule of the analysis.
fn forbid(all: &mut Vec<ClauseVerdict>, refusal: &Refusal) {
    // The analysis names some clauses by their last part.
    let is_of = |line: &ClauseVerdict| {
        let last = line.clause.rsplit('.').next().unwrap_or_default();
        line.dataset == refusal.dataset && [line.clause.as_str(), last].contains(&refusal.clause.as_str())
    };
    let known = all.iter_mut().find(|line| is_of(line) && line.verdict != "forbids");
    let (asked, verdict, change) = (refusal.cause.clone(), "forbids".to_owned(), refusal.change.clone());
    match known {
        Some(line) => (line.asked, line.verdict, line.change) = (asked, verdict, change),
        None => {
            let (dataset, clause) = (refusal.dataset.clone(), refusal.clause.clone());
            let says = refusal.code.to_string();
            all.push(ClauseVerdict { dataset, clause, asked, says, verdict, change });
        }
    }
}

/// A dataset of this node in a proposal.
struct View<'a> {
    proposal: &'a Proposal,
    typed: &'a TypedProgram,
    name: &'a str,
    data: &'a OwnData,
    usage: Usage,
}

impl View<'_> {
    /// Clause, what the job asks, what the policy says.
    fn clauses(&self) -> impl Iterator<Item = (String, String, String)> {
        let clauses = self.query().into_iter().chain(self.release());
        let clauses: Vec<_> =
            clauses.map(|(clause, asked, says)| (clause.to_owned(), asked, says)).chain(self.columns()).collect();
        clauses.into_iter()
    }

    fn query(&self) -> Vec<(&'static str, String, String)> {
        let Self { proposal, usage, .. } = self;
        let query = self.data.policy.query();
        let purpose = if proposal.purpose.is_empty() { "no purpose" } else { &proposal.purpose };
        let alignments: Vec<&str> = negotiate::alignments(proposal).into_iter().map(alignment).collect();
        let programs = query.programs.as_ref().map(|programs| programs.iter().map(ToString::to_string));
        vec![
            ("query.organisations", self.organisation(proposal.proposer), list(&query.organisations, NOBODY)),
            (
                "query.purposes",
                purpose.to_owned(),
                query.purposes.as_ref().map_or_else(|| "any".into(), |all| list(all, "none")),
            ),
            ("query.venues", proposal.venue.to_string(), list(&query.venues, "none")),
            (
                "query.alignment",
                list(&alignments, "no join"),
                list(&query.alignment.iter().copied().map(alignment).collect::<Vec<_>>(), "none"),
            ),
            (
                "query.programs",
                proposal.code.digest().short(),
                programs.map_or_else(|| "any within the rules".into(), |all| list(&all.collect::<Vec<_>>(), "none")),
            ),
            (
                "query.jobs_per_day",
                format!("{} others in 24 hours", usage.today),
                format!("at most {}, when it came", query.jobs_per_day),
            ),
            (
                "query.concurrent_jobs",
                format!("{} others now", usage.running),
                format!("at most {}, when it came", query.concurrent_jobs),
            ),
            (
                "query.alignments",
                format!("rows aligned with its own, in {} days", query.window_days),
                query.alignments.map_or_else(|| "as often as jobs run".into(), |most| format!("at most {most} times")),
            ),
            (
                "query.reimports",
                format!("versions of its rows, and of those joined with it, in {} days", query.window_days),
                format!("at most {}", query.reimports),
            ),
            (
                "query.expires",
                "now".into(),
                query.expires.map_or_else(|| "never".into(), |day| format!("not from {day} on")),
            ),
            (
                "query.approval",
                "a decision".into(),
                match query.approval {
                    Approval::Ask => "the operator decides".into(),
                    Approval::Auto => "allowed jobs run at once".into(),
                },
            ),
        ]
    }

    fn release(&self) -> Vec<(&'static str, String, String)> {
        let release = self.data.policy.release();
        let receivers = negotiate::receivers(self.proposal, self.typed.program()).unwrap_or_default();
        let receivers: std::collections::BTreeSet<String> =
            receivers.into_values().flatten().map(|party| self.organisation(party)).collect();
        let outputs: Vec<&str> = self.typed.program().outputs.iter().map(|output| output.name.as_str()).collect();
        vec![
            ("release.receivers", list(&receivers, NOBODY), list(&release.receivers, NOBODY)),
            (
                "release.minimum_rows",
                format!("the outputs {}", outputs.join(", ")),
                match release.minimum_rows {
                    0 | 1 => "no minimum".into(),
                    rows => format!("{rows} rows behind each value, else it is suppressed"),
                },
            ),
            (
                "release.grid",
                format!("the outputs {}", outputs.join(", ")),
                release.grid.map_or_else(|| "no rounding".into(), |grid| format!("multiples of {grid}")),
            ),
            (
                "release.dominance",
                "the sums and means in them".into(),
                match release.dominance {
                    0 => "of any parts".into(),
                    percent => {
                        format!("{percent} percent of the largest part remain without the two largest, else suppressed")
                    }
                },
            ),
            ("release.weighted", "rows weighted with the receiver's numbers".into(), yes(release.weighted)),
            ("release.positions", "rows picked by their positions".into(), yes(release.positions)),
            (
                "release.subset_masks",
                "subsets of the receiver's choice, with earlier jobs".into(),
                format!("at most {}", release.subset_masks),
            ),
            (
                "release.thresholds",
                "comparisons of sums, with earlier jobs".into(),
                format!("at most {}", release.thresholds),
            ),
            ("release.model", "what loops carry of rows, as weights of a model".into(), yes(release.model)),
            (
                "privacy.epsilon",
                "noise that hides any one person".into(),
                self.data.policy.privacy().map_or_else(
                    || "none".into(),
                    |privacy| format!("an epsilon of {} for each organisation", privacy.epsilon),
                ),
            ),
        ]
    }

    fn columns(&self) -> Vec<(String, String, String)> {
        let used = used_columns(self.typed.program(), self.typed, self.name);
        let clauses = self.data.policy.columns();
        used.into_iter()
            .map(|column| {
                let uses = clauses.get(&column).map(|clause| {
                    let uses: Vec<String> = clause.uses.iter().map(word).collect();
                    list(&uses, "none")
                });
                let says = uses.unwrap_or_else(|| "not to be used".into());
                (format!("columns.{column}.uses"), "the program reads it".into(), says)
            })
            .collect()
    }

    fn organisation(&self, party: PartyId) -> String {
        self.proposal.parties.get(party.index()).map_or_else(|| party.to_string(), |entry| entry.organisation.clone())
    }
}

fn yes(allowed: bool) -> String {
    if allowed { "allowed" } else { "not allowed" }.into()
}

fn alignment(alignment: Alignment) -> &'static str {
    match alignment {
        Alignment::Revealed => "revealed",
        Alignment::Private => "private",
    }
}

/// The word by which policies name a use of a column.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn list<'a, T: ToString + 'a>(items: impl IntoIterator<Item = &'a T>, empty: &str) -> String {
    let items: Vec<String> = items.into_iter().map(ToString::to_string).collect();
    if items.is_empty() { empty.to_owned() } else { items.join(", ") }
}
