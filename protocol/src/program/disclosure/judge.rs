//! The release rules that look at one value at a time (security note §3.3): R1 to R6 and R12, and the
//! receivers of CHK-210. Rules over several values are in [`super::gates`].

use std::collections::{BTreeMap, BTreeSet};

use crate::program::rules::{DatasetRules, Refusal};
use crate::program::{Alignment, NodeId, Op};
use crate::{Code, PartyId};

use super::formula::Formulas;
use super::history::History;
use super::label::{Aggregate, AggregateId, Digest, Label, Position, Source, Term};
use super::transfer::Labels;

/// A receiver. Its own columns are known constants to it.
#[derive(Clone, Debug)]
pub(super) struct Coalition {
    pub(super) receiver: PartyId,
    /// The outputs that it receives, as places in the program.
    pub(super) outputs: BTreeSet<usize>,
}

/// What one coalition would learn, against the rules of all others.
pub(super) struct Judge<'a, 'p> {
    pub(super) labels: &'a Labels<'p>,
    pub(super) rules: &'a BTreeMap<String, DatasetRules>,
    pub(super) coalition: &'a Coalition,
    /// What the owners say of earlier jobs.
    pub(super) history: &'a History,
}

/// How pressing a refusal is: of several about one output and dataset, the first is told.
type Rank = usize;

impl Judge<'_, '_> {
    /// The refusals about single outputs.
    pub(super) fn single(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for place in &self.coalition.outputs {
            let output = &self.labels.typed.program().outputs[*place];
            let label = self.labels.of(output.value);
            let mut found: BTreeMap<String, (Rank, Refusal)> = BTreeMap::new();
            for (rank, refusal) in self.output(label, output.value, &output.name) {
                match found.get(&refusal.dataset) {
                    Some((known, _)) if *known <= rank => {}
                    _ => drop(found.insert(refusal.dataset.clone(), (rank, refusal))),
                }
            }
            refusals.extend(found.into_values().map(|(_, refusal)| refusal));
            refusals.extend(self.receivers(label, output.value, &output.name));
        }
        refusals.extend(self.checks());
        refusals
    }

    /// The datasets of owners outside the coalition that a value depends on.
    pub(super) fn foreign(&self, sources: &BTreeSet<Source>, tables: &BTreeSet<NodeId>) -> BTreeSet<String> {
        let mut datasets: BTreeSet<String> = sources.iter().map(|source| source.dataset.clone()).collect();
        for table in tables.iter().filter(|table| !self.knows_rows_of(**table)) {
            datasets.extend(self.labels.datasets_of(*table));
        }
        datasets.retain(|dataset| self.is_foreign(dataset));
        datasets
    }

    /// The foreign datasets in an aggregate.
    pub(super) fn foreign_in(&self, id: AggregateId) -> BTreeSet<String> {
        let aggregate = self.aggregate(id);
        self.foreign(&aggregate.sources, &aggregate.table.into_iter().collect())
    }

    /// The foreign datasets in an aggregate whose owners demand a minimum, and the largest of these minima.
    pub(super) fn demanding(&self, id: AggregateId) -> (BTreeSet<String>, u64) {
        let mut datasets = self.foreign_in(id);
        datasets.retain(|dataset| self.minimum(dataset) > 1);
        let most = datasets.iter().map(|dataset| self.minimum(dataset)).max().unwrap_or(0);
        (datasets, most)
    }

    pub(super) fn aggregate(&self, id: AggregateId) -> &Aggregate {
        &self.labels.aggregates[id.0]
    }

    pub(super) fn minimum(&self, dataset: &str) -> u64 {
        self.rules.get(dataset).map_or(0, |rules| rules.minimum_rows)
    }

    pub(super) fn is_foreign(&self, dataset: &str) -> bool {
        let owner = self.labels.typed.datasets().get(dataset).map(|dataset| dataset.owner);
        owner != Some(self.coalition.receiver)
    }

    /// Whether the coalition knows which rows a table has: those of a dataset (their number is public), and those of
    /// joins that reveal their alignment to one of it.
    pub(super) fn knows_rows_of(&self, table: NodeId) -> bool {
        let joins = self.labels.joins_of(table);
        let revealed = joins.iter().all(|(_, alignment)| *alignment == Alignment::Revealed);
        let takes_part = self.labels.datasets_of(table).iter().any(|dataset| !self.is_foreign(dataset));
        joins.is_empty() || (revealed && takes_part)
    }

    pub(super) fn refuse(
        &self,
        dataset: &str,
        code: &'static str,
        clause: &str,
        cause: String,
        change: String,
    ) -> Refusal {
        refusal(self.labels, dataset, Code::new(code), clause.into(), cause, change)
    }

    /// CHK-210.
    fn receivers(&self, label: &Label, value: NodeId, output: &str) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let receiver = self.coalition.receiver;
        for dataset in self.all_foreign(label) {
            if self.rules.get(&dataset).is_some_and(|rules| rules.receivers.contains(&receiver)) {
                continue;
            }
            let cause = format!(
                "`{output}` would go to {receiver}, which the policy does not name, or which shares with others that it \
                 does not name"
            );
            let change =
                format!("name other receivers of `{output}`, or ask the owner to add {receiver} to `receivers`");
            refusals.push(self.refuse(&dataset, "POLICY_RECEIVER", "receivers", cause, change).at(value));
        }
        refusals
    }

    /// All foreign datasets that an output depends on.
    pub(super) fn all_foreign(&self, label: &Label) -> BTreeSet<String> {
        let mut datasets = self.foreign(&label.row_sources(), &label.tables);
        datasets.extend(label.aggregates.iter().flat_map(|id| self.foreign_in(*id)));
        datasets
    }

    fn output(&self, label: &Label, value: NodeId, name: &str) -> Vec<(Rank, Refusal)> {
        let mut found = Vec::new();
        let fit = label.model;
        if let Some(at) = fit {
            found.extend(self.all_foreign(label).iter().filter_map(|dataset| {
                let refusal = self.model(dataset, at).or_else(|| self.computed_from_fit(dataset, value, name));
                Some((0, refusal?))
            }));
        }
        let of_rows = if fit.is_some() { BTreeSet::new() } else { self.foreign(&label.row_sources(), &label.tables) };
        for dataset in of_rows {
            let place = describe(self.labels, value);
            if self.is_key_of_groups(label) {
                let cause = format!("`{name}` ({place}) would release keys of groups that only the rows tell");
                let change = "group by a list of keys that the program states, such as a column's categories".into();
                found.push((1, self.refuse(&dataset, "DISCLOSURE_KEY", "R4", cause, change).at(value)));
                continue;
            }
            let cause = format!("`{name}` ({place}) would release values of single rows");
            let change = format!("release a sum, mean or count over its rows instead of `{name}`");
            found.push((1, self.refuse(&dataset, "DISCLOSURE_ROW", "R1", cause, change).at(value)));
        }
        for id in &label.aggregates {
            found.extend(self.aggregate_rules(*id, name));
        }
        for (at, compared) in &label.thresholds {
            for dataset in compared.iter().flat_map(|id| self.demanding(*id).0).collect::<BTreeSet<_>>() {
                found.extend(self.threshold(&dataset, name, *at, compared).map(|refusal| (5, refusal)));
            }
        }
        found
    }

    /// R4: the keys of groups that were found by sorting rows, beside sums or counts of those groups.
    fn is_key_of_groups(&self, label: &Label) -> bool {
        let sorted = |at: NodeId| matches!(self.labels.typed.program().nodes[at.index()].op, Op::SortRows { .. });
        label.position.is_some_and(|position| sorted(position.node))
    }

    /// R12: a comparison of an aggregate tells a part of it, and many tell all of it.
    fn threshold(&self, dataset: &str, name: &str, at: NodeId, compared: &BTreeSet<AggregateId>) -> Option<Refusal> {
        let allowed = self.rules.get(dataset).map_or(0, |rules| rules.thresholds) as usize;
        // Compared with every row, an aggregate is placed among as many thresholds.
        let once = !self.labels.of(at).per_row();
        let most = compared.iter().map(|id| self.thresholds_of(*id).len()).max().unwrap_or(0);
        if once && most <= allowed {
            return None;
        }
        let place = describe(self.labels, at);
        let cause = format!("`{name}` tells how an aggregate compares ({place}), from which it can be searched");
        let (cause, change) = match (once, allowed) {
            (_, 0) => (cause, "release the aggregate itself and compare it afterwards".to_owned()),
            (false, _) => (cause, "compare the aggregate with one public number".to_owned()),
            (true, _) => (
                format!(
                    "{cause}: {most} comparisons of it or of sums like it in the policy's window, of which {allowed} are \
                     allowed"
                ),
                "release the aggregate itself and compare it afterwards".to_owned(),
            ),
        };
        Some(self.refuse(dataset, "DISCLOSURE_THRESHOLD", "R12", cause, change).at(at))
    }

    /// The comparisons of an aggregate and of those like it that the coalition gets or got, each with whether it was of
    /// the rows of now: on other rows the same comparison is another one.
    fn thresholds_of(&self, id: AggregateId) -> BTreeSet<(bool, Digest)> {
        let outputs = &self.labels.typed.program().outputs;
        let labels = self.coalition.outputs.iter().map(|place| self.labels.of(outputs[*place].value));
        let like = |other: &AggregateId| {
            let other = self.aggregate(*other);
            self.is_like(id, other.table, other.terms.as_deref().unwrap_or_default())
        };
        let now = labels.flat_map(|label| &label.thresholds);
        let now = now.filter(|(_, compared)| compared.contains(&id) || compared.iter().any(like));
        let mut all: BTreeSet<(bool, Digest)> = now.map(|(at, _)| (true, self.labels.of(*at).digest)).collect();
        let told = self.history.told(self).filter(|past| self.is_like(id, past.table, &past.terms));
        all.extend(told.flat_map(|past| past.thresholds.iter().map(|digest| (past.current, *digest))));
        all
    }

    /// Whether a sum over a table has a column or the number of rows in common with an aggregate, so that a comparison of
    /// it, scaled and masked as it may be, is one of the aggregate too.
    fn is_like(&self, id: AggregateId, table: Option<NodeId>, terms: &[Term]) -> bool {
        let aggregate = self.aggregate(id);
        let common = |a: &Term, b: &Term| a.fun == b.fun || !a.fun.sources.is_disjoint(&b.fun.sources);
        let own = aggregate.terms.as_deref().unwrap_or_default();
        aggregate.table == table && own.iter().any(|a| terms.iter().any(|b| common(a, b)))
    }

    fn aggregate_rules(&self, id: AggregateId, name: &str) -> Vec<(Rank, Refusal)> {
        let aggregate = self.aggregate(id);
        let place = describe(self.labels, aggregate.node);
        let mut found = Vec::new();
        for dataset in self.foreign_in(id) {
            let rules = self.rules.get(&dataset);
            if let Some(order) = aggregate.order {
                let at = describe(self.labels, order);
                let cause = format!("`{name}` would release an order statistic ({at}), which is one person's value");
                let change = "count rows on a declared grid of thresholds instead".into();
                found.push((2, self.refuse(&dataset, "DISCLOSURE_ORDER", "R3", cause, change).at(order)));
            }
            if let Some(Position { moves, node }) = aggregate.position
                && (moves || !rules.is_some_and(|rules| rules.positions))
            {
                let at = describe(self.labels, node);
                let how = if moves { "moves or weights" } else { "picks" };
                let cause = format!("`{name}` depends on {place}, where {at} {how} rows by their position");
                let change = if moves {
                    "combine rows only by functions that are the same for each".into()
                } else {
                    "pick rows by their columns, or ask the owner to grant `release.positions`".to_owned()
                };
                found.push((3, self.refuse(&dataset, "DISCLOSURE_POSITION", "R2", cause, change).at(node)));
            }
        }
        for dataset in self.demanding(id).0 {
            for ((scaled, by), at) in &aggregate.scaled {
                let granted = self.rules.get(&dataset).is_some_and(|rules| rules.weighted);
                if *scaled == dataset && self.coalition.receiver == *by && !granted {
                    found.push((4, self.weight(&dataset, name, *at)));
                }
            }
            found.extend(self.countable(aggregate, &dataset, name).map(|refusal| (6, refusal)));
        }
        found
    }

    pub(super) fn weight(&self, dataset: &str, name: &str, at: NodeId) -> Refusal {
        let place = describe(self.labels, at);
        let cause = format!("`{name}` depends on {place}, which weights rows with the receiver's own numbers");
        let change = "weight by a condition (0 or 1), or ask the owner to grant `release.weighted`".into();
        self.refuse(dataset, "DISCLOSURE_WEIGHT", "R6", cause, change).at(at)
    }

    /// Whether the persons behind an aggregate can be counted (R5).
    fn countable(&self, aggregate: &Aggregate, dataset: &str, name: &str) -> Option<Refusal> {
        let clause = "release.minimum_rows";
        let least = self.minimum(dataset);
        let place = describe(self.labels, aggregate.node);
        let refuse =
            |cause, change| Some(self.refuse(dataset, "DISCLOSURE_MIN_ROWS", clause, cause, change).at(aggregate.node));
        let (Some(table), Some(terms)) = (aggregate.table, &aggregate.terms) else {
            let cause = format!("`{name}` depends on {place}, behind which no number of rows can be derived");
            return refuse(cause, "sum or count rows of one table under a mask of conditions on its columns".into());
        };
        let joins = self.labels.joins_of(table);
        let schema = self.labels.typed.datasets().get(dataset).map(|dataset| &dataset.schema);
        if joins.is_empty() && schema.is_none_or(|schema| schema.unique_key.is_none()) {
            let cause = format!("`{name}` counts rows, and nothing says that rows of {dataset} are different persons");
            return refuse(cause, format!("let the owner declare the `unique_key` of {dataset}"));
        }
        let all = terms.iter().any(|term| term.mask == Formulas::TRUE);
        let rows = schema.map_or(0, |schema| schema.rows);
        if joins.is_empty() && all && rows < least {
            let cause = format!("`{name}` is over the {rows} rows of {dataset}, fewer than {least}");
            return refuse(cause, format!("use a dataset of at least {least} rows, or a smaller minimum"));
        }
        if all && joins.iter().any(|(_, alignment)| *alignment == Alignment::Private) {
            let cause = format!("`{name}` depends on {place}, which counts slots of a private join, not its members");
            return refuse(cause, "count the valid cells of a column of the join".into());
        }
        None
    }

    /// Range checks at the run tell one bit to all receivers, also where no output depends on them.
    fn checks(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for (index, node) in self.labels.typed.program().nodes.iter().enumerate() {
            let id = NodeId(u32::try_from(index).expect("validated: at most limits::NODES nodes"));
            match &node.op {
                Op::Loop { .. } => {
                    let label = self.labels.of(id);
                    let carried = label.model.is_some();
                    let datasets = if carried { self.loop_datasets(id) } else { BTreeSet::new() };
                    refusals.extend(datasets.iter().filter_map(|dataset| self.model(dataset, id)));
                }
                Op::Assume { value, .. } if self.labels.narrows(id, *value) => {
                    for dataset in self.all_foreign(self.labels.of(*value)) {
                        if self.minimum(&dataset) > 1 {
                            let place = describe(self.labels, id);
                            let cause = format!("{place} promises a range, and whether it holds is told: a comparison");
                            let change = "leave the `assume` out: ranges come from the owner's schema".into();
                            refusals.push(self.refuse(&dataset, "DISCLOSURE_THRESHOLD", "R12", cause, change).at(id));
                        }
                    }
                }
                _ => {}
            }
        }
        refusals
    }

    pub(super) fn loop_datasets(&self, id: NodeId) -> BTreeSet<String> {
        self.labels.carried(id).iter().flat_map(|item| self.all_foreign(item)).collect()
    }
}

/// A node as its author knows it.
pub(super) fn describe(labels: &Labels<'_>, node: NodeId) -> String {
    match labels.typed.program().nodes.get(node.index()).and_then(|node| node.name.as_ref()) {
        Some(name) => format!("{node} {name:?}"),
        None => node.to_string(),
    }
}

/// A refusal by the owner of a dataset.
pub(super) fn refusal(
    labels: &Labels<'_>,
    dataset: &str,
    code: Code,
    clause: String,
    cause: String,
    change: String,
) -> Refusal {
    let owner = labels.typed.datasets().get(dataset).map_or(PartyId::ZERO, |dataset| dataset.owner);
    Refusal { code, owner, dataset: dataset.into(), clause, cause, change, node: None }
}
