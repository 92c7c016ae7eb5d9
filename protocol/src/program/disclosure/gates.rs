//! The release rules over all values that one coalition receives (security note §3.3 and §3.4): gates on row counts
//! (R5), chosen subsets and weights (R6), the linear audit (R7), equations (R8) and bits (R9).

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::{BigInt, BigUint};

use crate::Number;
use crate::program::release::{Gate, GateRule, Literal};
use crate::program::rules::Refusal;
use crate::program::types::Validity;
use crate::program::{Alignment, NodeId};
use crate::schema::Element;

use super::audit::{MAX_VECTORS, Releases};
use super::bits;
use super::cells::{Atom, CellSet, Literals, Universe};
use super::formula::{Formula, Formulas};
use super::history::Past;
use super::judge::{Judge, describe};
use super::label::{AggregateId, Fun, Source, Term};
use super::transfer::Axis;

/// The gates of each output, by its place in the program.
pub(super) type Gates = BTreeMap<usize, BTreeSet<Gate>>;

/// The aggregates that reach a coalition against the minimum of an owner outside it, and the outputs that carry them.
type Released = BTreeMap<AggregateId, BTreeSet<usize>>;

/// The functions of a row that are summed over one mask, with how many cells each has.
type Equations = BTreeMap<(Fun, u64), AggregateId>;

/// The most differences that are gated in one group.
const MAX_DIFFERENCES: usize = 64;
/// The most conditions that the sums of one group stand on.
const MAX_MASKS: usize = 4 * MAX_VECTORS;

/// Sums over one table of functions that have a column in common, or counts.
///
/// Functions that differ in form may be equal, or give one another away; so the masks of all are audited together, as
/// if they were one function.
struct Group {
    table: NodeId,
    sources: BTreeSet<Source>,
    sums: Vec<(AggregateId, Fun, Vec<Term>)>,
    /// Those of earlier jobs (CHK-213), each with whether it was over the rows of now.
    past: BTreeSet<(bool, Vec<Term>)>,
    /// Whether an earlier job added up the same columns over another table.
    elsewhere: bool,
}

/// The gates that the rules demand.
///
/// # Errors
/// The refusals where no gate would do.
pub(super) fn derive(judge: &Judge<'_, '_>) -> Result<Gates, Vec<Refusal>> {
    let past = judge.history.told(judge).collect();
    let mut work = Work { judge, past, released: released(judge), gates: Gates::new(), refusals: Vec::new() };
    work.readable();
    work.one_table();
    work.subsets();
    work.equations();
    work.bits();
    for group in work.groups() {
        work.group(&group);
    }
    if work.refusals.is_empty() { Ok(work.gates) } else { Err(work.refusals) }
}

/// The grid of an output: the coarsest that the owners outside the coalition demand.
///
/// # Errors
/// A refusal where a grid is no multiple of another.
pub(super) fn grid(judge: &Judge<'_, '_>, place: usize) -> Result<Option<Number>, Box<Refusal>> {
    let output = &judge.labels.typed.program().outputs[place];
    let mut coarsest: Option<Number> = None;
    for dataset in judge.all_foreign(judge.labels.of(output.value)) {
        let grid = judge.rules.get(&dataset).and_then(|rules| rules.grid).filter(|grid| *grid > Number::ZERO);
        let Some(grid) = grid else { continue };
        coarsest = Some(coarser(coarsest, grid).ok_or_else(|| {
            let other = coarsest.map(|grid| grid.to_string()).unwrap_or_default();
            let cause = format!("`{}` cannot be on the grids {grid} and {other} at once", output.name);
            let change = "let one owner choose a multiple of the other's grid".into();
            Box::new(judge.refuse(&dataset, "POLICY_GRID", "release.grid", cause, change))
        })?);
    }
    let step = match judge.labels.array(output.value).map(|array| array.element.clone()) {
        Some(Element::Decimal { scale }) => Number::new(1, scale),
        // Steps of 2^-18 and 2^-36 are no multiples of a grid.
        Some(Element::Float64 | Element::Float64High) => None,
        // Places in a list and truth values are not rounded.
        Some(Element::Bool | Element::Category { .. } | Element::Key) | None => return Ok(None),
        Some(Element::Int64 | Element::Date) => Some(Number::from(1)),
    };
    Ok(coarsest.filter(|grid| !step.is_some_and(|step| is_multiple(step, *grid))))
}

/// The coarser of two grids; `None` where neither is a multiple of the other.
pub(super) fn coarser(known: Option<Number>, grid: Number) -> Option<Number> {
    match known {
        None => Some(grid),
        Some(known) if is_multiple(known, grid) => Some(known),
        Some(known) if is_multiple(grid, known) => Some(grid),
        Some(_) => None,
    }
}

fn is_multiple(of: Number, grid: Number) -> bool {
    let scale = of.scale().max(grid.scale());
    match (of.at_scale(scale), grid.at_scale(scale)) {
        (Some(of), Some(grid)) if grid > 0 => of % grid == 0,
        _ => false,
    }
}

fn released(judge: &Judge<'_, '_>) -> Released {
    let mut released = Released::new();
    for place in &judge.coalition.outputs {
        let output = &judge.labels.typed.program().outputs[*place];
        for id in &judge.labels.of(output.value).aggregates {
            if judge.demanding(*id).1 > 1 {
                released.entry(*id).or_default().insert(*place);
            }
        }
    }
    released
}

/// The vectors of a group over the cells of its masks.
struct Audited<'a, 'f> {
    universe: &'a Universe<'f>,
    literals: &'a Literals,
    releases: &'a Releases,
    full: &'a CellSet,
    /// The vectors that no earlier job told of these rows.
    new: BTreeSet<usize>,
}

struct Work<'a, 'j, 'p> {
    judge: &'a Judge<'j, 'p>,
    /// What earlier jobs told the coalition.
    past: Vec<&'a Past>,
    released: Released,
    gates: Gates,
    refusals: Vec<Refusal>,
}

impl Work<'_, '_, '_> {
    fn refuse(&mut self, ids: &[AggregateId], code: &'static str, clause: &str, cause: &str, change: &str) {
        let datasets: BTreeSet<String> = ids.iter().flat_map(|id| self.judge.demanding(*id).0).collect();
        let node = ids.iter().map(|id| self.judge.aggregate(*id).node).min();
        for dataset in datasets {
            let refusal = self.judge.refuse(&dataset, code, clause, cause.into(), change.into());
            self.refusals.push(node.map_or_else(|| refusal.clone(), |node| refusal.clone().at(node)));
        }
    }

    /// A history that does not read, or is longer than may be judged, forbids what it might have forbidden.
    fn readable(&mut self) {
        let demanding = self.released.keys().flat_map(|id| self.judge.demanding(*id).0);
        let unread: BTreeSet<String> = demanding.filter(|d| self.judge.history.unread.contains(d)).collect();
        for dataset in unread {
            let cause = "earlier jobs told more of it than one job can be judged with".to_owned();
            let change = "wait until some of them are older than the policy's `query.window_days`".into();
            self.refusals.push(self.judge.refuse(&dataset, "DISCLOSURE_HISTORY", "query.window_days", cause, change));
        }
    }

    /// The earlier sums that belong to datasets which demand a minimum of these aggregates.
    fn past_of(&self, ids: &[AggregateId]) -> Vec<&'_ Past> {
        let datasets: BTreeSet<String> = ids.iter().flat_map(|id| self.judge.demanding(*id).0).collect();
        self.past.iter().filter(|past| datasets.contains(&past.dataset)).copied().collect()
    }

    fn names(&self, ids: &[AggregateId]) -> String {
        let outputs = &self.judge.labels.typed.program().outputs;
        let places: BTreeSet<usize> = ids.iter().flat_map(|id| self.released[id].iter().copied()).collect();
        places.iter().map(|place| format!("`{}`", outputs[*place].name)).collect::<Vec<_>>().join(", ")
    }

    fn terms(&self, id: AggregateId) -> &[Term] {
        self.judge.aggregate(id).terms.as_deref().unwrap_or_default()
    }

    /// Sums over two tables differ by the rows of one that are not in the other, which no gate counts.
    fn one_table(&mut self) {
        let mut tables: BTreeMap<String, BTreeMap<NodeId, AggregateId>> = BTreeMap::new();
        for id in self.released.keys() {
            let Some(table) = self.judge.aggregate(*id).table else { continue };
            for dataset in self.judge.demanding(*id).0 {
                tables.entry(dataset).or_default().entry(table).or_insert(*id);
            }
        }
        for (dataset, tables) in tables.into_iter().filter(|(_, tables)| tables.len() > 1) {
            let names: Vec<String> = tables.keys().map(|table| describe(self.judge.labels, *table)).collect();
            let cause = format!("its rows are added up in {}, whose differences no gate counts", names.join(" and "));
            let change = "add up the rows of one table only in one job".into();
            let at = tables.keys().next().copied();
            let refusal = self.judge.refuse(&dataset, "DISCLOSURE_LINEAR", "R7", cause, change);
            self.refusals.push(at.map_or_else(|| refusal.clone(), |at| refusal.clone().at(at)));
        }
    }

    /// R6: masks that the receiver chooses with its own secret columns.
    fn subsets(&mut self) {
        let mut chosen: BTreeMap<String, BTreeSet<Formula>> = BTreeMap::new();
        for id in self.released.keys() {
            let own = self.terms(*id).iter().map(|term| term.mask).filter(|mask| self.has_own(*mask));
            let own: Vec<Formula> = own.collect();
            for dataset in self.judge.demanding(*id).0 {
                chosen.entry(dataset).or_default().extend(own.iter().copied());
            }
        }
        for (dataset, masks) in chosen {
            let quota = self.judge.rules.get(&dataset).map_or(0, |rules| rules.subset_masks);
            let earlier = self.past.iter().filter(|past| past.dataset == dataset);
            let earlier = earlier.flat_map(|past| past.terms.iter().map(|term| (past.current, term.mask)));
            let earlier: BTreeSet<(bool, Formula)> =
                earlier.filter(|(current, mask)| self.has_own(*mask) && !(*current && masks.contains(mask))).collect();
            if !masks.is_empty() && masks.len() + earlier.len() > quota as usize {
                let count = masks.len() + earlier.len();
                let before = match earlier.len() {
                    0 => String::new(),
                    earlier => format!(", {earlier} of them by earlier jobs"),
                };
                let cause = format!(
                    "{count} subsets are chosen with the receiver's own columns{before}; the policy allows {quota}"
                );
                let change = format!("use at most {quota} such conditions, or ask the owner for {count} subset masks");
                let clause = "release.subset_masks";
                let at = self.released.keys().find(|id| self.terms(**id).iter().any(|t| masks.contains(&t.mask)));
                let at = at.map(|id| self.judge.aggregate(*id).node);
                let refusal = self.judge.refuse(&dataset, "DISCLOSURE_SUBSET", clause, cause, change);
                self.refusals.push(at.map_or_else(|| refusal.clone(), |at| refusal.clone().at(at)));
            }
        }
    }

    /// R8: as many equations as unknowns solve for the rows.
    fn equations(&mut self) {
        let mut over: BTreeMap<(Option<NodeId>, Formula), Equations> = BTreeMap::new();
        for id in self.released.keys() {
            let aggregate = self.judge.aggregate(*id);
            for term in self.terms(*id) {
                // A mask with several cells a row is as many groups, each with one equation a function.
                let wide = self.judge.labels.formulas.is_wide(term.mask);
                let cells = if wide { 1 } else { aggregate.cells };
                let funs = over.entry((aggregate.table, term.mask)).or_default();
                funs.insert((term.fun.clone(), cells), *id);
            }
        }
        for ((table, mask), funs) in over {
            let ids: Vec<AggregateId> = funs.values().copied().collect();
            let minimum = ids.iter().map(|id| self.judge.demanding(*id).1).max().unwrap_or(0);
            let known = self.past_of(&ids).into_iter().filter(|past| past.table == table);
            let known = known.flat_map(|past| past.terms.iter().map(move |term| (past, term)));
            let wide = self.judge.labels.formulas.is_wide(mask);
            let known: BTreeSet<(bool, (Fun, u64))> = known
                .filter(|(_, term)| term.mask == mask)
                .map(|(past, term)| (past.current, (term.fun.clone(), if wide { 1 } else { past.cells })))
                .filter(|(current, fun)| !(*current && funs.contains_key(fun)))
                .collect();
            let all = funs.keys().chain(known.iter().map(|(_, fun)| fun));
            let count = all.fold(0_u64, |n, (_, cells)| n.saturating_add(*cells));
            if count > minimum / 2 {
                let names = self.names(&ids);
                let most = minimum / 2;
                let before = if known.is_empty() { "" } else { ", with those of earlier jobs," };
                let cause =
                    format!("{names} give{before} {count} equations about one group of as few as {minimum} rows");
                let change = format!("release at most {most} different sums, means and counts of one group");
                self.refuse(&ids, "DISCLOSURE_EQUATIONS", "R8", &cause, &change);
            }
        }
    }

    /// R9: exact sums of the receiver's own numbers over rows that it may not know.
    fn bits(&mut self) {
        let mut values: BTreeMap<NodeId, (BigUint, Vec<AggregateId>)> = BTreeMap::new();
        let mut add = |table: NodeId, id: AggregateId, more: BigUint| {
            let (product, ids) = values.entry(table).or_insert_with(|| (BigUint::from(1_u8), Vec::new()));
            // Far beyond any limit, so that the product stays small.
            if product.bits() < 1 << 20 {
                *product *= more;
            }
            ids.push(id);
        };
        for (id, places) in &self.released {
            let aggregate = self.judge.aggregate(*id);
            let Some(table) = aggregate.table.filter(|_| self.tells_subset(*id)) else { continue };
            let rows = self.rows_bound(table);
            let one = places.iter().map(|place| {
                let grid = grid(self.judge, *place).ok().flatten();
                bits::possible_values(aggregate.row_range, rows, &aggregate.element, grid)
            });
            let one = one.max().unwrap_or_default();
            add(table, *id, one.pow(u32::try_from(aggregate.cells.min(1 << 14)).unwrap_or(1 << 14)));
            // What is computed from it exactly may tell more of its digits than it does.
            for place in places {
                let output = &self.judge.labels.typed.program().outputs[*place];
                if let Some(array) = self.judge.labels.array(output.value)
                    && !self.judge.labels.of(output.value).direct
                {
                    let grid = grid(self.judge, *place).ok().flatten();
                    let one = bits::possible_values(array.range, 1, &array.element, grid);
                    let cells = self.judge.labels.typed.cells_bound(array).min(1 << 14);
                    add(table, *id, one.pow(u32::try_from(cells).unwrap_or(1 << 14)));
                }
            }
        }
        for (product, ids) in values.into_values() {
            let minimum = ids.iter().map(|id| self.judge.demanding(*id).1).max().unwrap_or(0);
            if !bits::allowed(&product, minimum) {
                let names = self.names(&ids);
                let (bits, allowed) = (product.bits(), bits::allowed_bits(minimum));
                let cause = format!(
                    "{names} may tell {bits} bits about which rows are in sums of the receiver's own numbers; \
                     {allowed} are allowed behind {minimum} rows"
                );
                let change = match bits::least_minimum(&product) {
                    Some(least) => {
                        format!("ask the owner for a coarser `release.grid`, or `release.minimum_rows` of {least}")
                    }
                    None => "release fewer such sums, or ask the owner for a coarser `release.grid`".to_owned(),
                };
                self.refuse(&ids, "DISCLOSURE_BITS", "R9", &cause, &change);
            }
        }
    }

    fn rows_bound(&self, table: NodeId) -> u64 {
        self.judge.labels.typed.row_bounds().get(&table).copied().unwrap_or(u64::MAX)
    }

    /// Whether an aggregate adds up numbers that the coalition knows, over rows that it does not.
    fn tells_subset(&self, id: AggregateId) -> bool {
        self.terms(id).iter().any(|term| {
            let own = |source: &Source| !self.judge.is_foreign(&source.dataset);
            !term.fun.sources.is_empty() && term.fun.sources.iter().all(own) && self.is_secret(term.mask)
        })
    }

    /// Whether the coalition's own columns do not decide a mask.
    fn is_secret(&self, mask: Formula) -> bool {
        let formulas = &self.judge.labels.formulas;
        formulas.variables(mask).into_iter().any(|variable| {
            let sources = &formulas.info(variable).sources;
            sources.is_empty() || sources.iter().any(|source| self.judge.is_foreign(&source.dataset))
        })
    }

    fn has_own(&self, mask: Formula) -> bool {
        let sources = self.judge.labels.formulas.sources(mask);
        sources.iter().any(|source| !self.judge.is_foreign(&source.dataset))
    }

    fn is_sensitive(&self, mask: Formula) -> bool {
        self.judge.labels.formulas.sources(mask).iter().any(|source| {
            let rules = self.judge.rules.get(&source.dataset);
            let column = rules.and_then(|rules| rules.columns.get(&source.column));
            self.judge.is_foreign(&source.dataset) && column.is_some_and(|column| column.sensitive)
        })
    }

    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for id in self.released.keys() {
            let Some(table) = self.judge.aggregate(*id).table else { continue };
            let mut parts: BTreeMap<Fun, Vec<Term>> = BTreeMap::new();
            for term in self.terms(*id) {
                parts.entry(term.fun.clone()).or_default().push(term.clone());
            }
            for (fun, terms) in parts {
                let (past, elsewhere) = (BTreeSet::new(), false);
                let sources = fun.sources.clone();
                let mut merged = Group { table, sources, sums: vec![(*id, fun, terms)], past, elsewhere };
                let (same, other): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(|group| {
                    let both_count = group.sources.is_empty() && merged.sources.is_empty();
                    group.table == table && (both_count || !group.sources.is_disjoint(&merged.sources))
                });
                groups = other;
                for group in same {
                    merged.sources.extend(group.sources);
                    merged.sums.extend(group.sums);
                }
                groups.push(merged);
            }
        }
        groups.iter_mut().for_each(|group| self.remember(group));
        groups
    }

    /// Puts the sums of earlier jobs to a group of this one: those that have a column in common, directly or through
    /// one another.
    fn remember(&self, group: &mut Group) {
        let ids: Vec<AggregateId> = group.sums.iter().map(|(id, _, _)| *id).collect();
        let counts = group.sources.is_empty();
        let mut open: Vec<(&Past, Fun, Vec<Term>)> = Vec::new();
        for past in self.past_of(&ids) {
            let mut parts: BTreeMap<Fun, Vec<Term>> = BTreeMap::new();
            past.terms.iter().for_each(|term| parts.entry(term.fun.clone()).or_default().push(term.clone()));
            open.extend(parts.into_iter().map(|(fun, terms)| (past, fun, terms)));
        }
        loop {
            let (near, far): (Vec<_>, Vec<_>) = open.into_iter().partition(|(_, fun, _)| {
                if counts { fun.sources.is_empty() } else { !fun.sources.is_disjoint(&group.sources) }
            });
            if near.is_empty() {
                return;
            }
            for (past, fun, terms) in near {
                group.sources.extend(fun.sources.iter().cloned());
                if past.table == Some(group.table) {
                    group.past.insert((past.current, terms));
                } else {
                    group.elsewhere = true;
                }
            }
            open = far;
        }
    }

    /// R5 and R7 for the sums of one group.
    fn group(&mut self, group: &Group) {
        let ids: Vec<AggregateId> = group.sums.iter().map(|(id, _, _)| *id).collect();
        let minimum = ids.iter().map(|id| self.judge.demanding(*id).1).max().unwrap_or(0);
        let own: BTreeSet<Formula> = group.sums.iter().flat_map(|(_, _, terms)| terms.iter().map(|t| t.mask)).collect();
        let earlier = group.past.iter().flat_map(|(_, terms)| terms.iter().map(|term| term.mask));
        let masks: BTreeSet<Formula> = own.iter().copied().chain(earlier).collect();
        let formulas = &self.judge.labels.formulas;
        if group.elsewhere {
            let cause = format!(
                "{} and sums of earlier jobs are over different tables, whose differences no gate counts",
                self.names(&ids)
            );
            let change = "add up the rows of the same table, or wait until the earlier jobs have left the window";
            return self.refuse(&ids, "DISCLOSURE_HISTORY", "R7", &cause, change);
        }
        if masks.len() > MAX_MASKS {
            return self.too_many(group, &ids);
        }
        if masks.iter().any(|mask| formulas.is_wide(*mask)) {
            return self.wide(group, &own, minimum);
        }
        let Some(universe) = Universe::new(formulas, &masks) else {
            let cause = format!("{} stand on too many conditions to audit their differences", self.names(&ids));
            let code = if group.past.is_empty() { "DISCLOSURE_LINEAR" } else { "DISCLOSURE_HISTORY" };
            return self.refuse(&ids, code, "R7", &cause, "use fewer or simpler conditions in one job");
        };
        let literals = universe.literals(&self.atoms(group.table, &masks));
        let selected: BTreeMap<Formula, CellSet> =
            masks.iter().filter_map(|mask| Some((*mask, universe.select(*mask)?))).collect();
        let vector = |terms: &[Term]| vector(universe.len(), &selected, terms);
        let (mut releases, mut known) = (Releases::default(), 0);
        let full = universe.select(Formulas::TRUE).expect("true is decided in every cell");
        // What was told before is known; only what is told now can be withheld. Of other rows nothing is known that this
        // job repeats, but what is told now has differences from it: the cells stand for what most rows were in.
        for of_these_rows in [true, false] {
            for (_, terms) in group.past.iter().filter(|(current, _)| *current == of_these_rows) {
                if let Some(vector) = vector(terms) {
                    releases.add(vector);
                }
                if releases.len() > MAX_VECTORS {
                    return self.too_many(group, &ids);
                }
            }
            if of_these_rows {
                known = releases.len();
            }
        }
        let mut carriers: BTreeMap<usize, BTreeSet<AggregateId>> = BTreeMap::new();
        for (id, fun, terms) in &group.sums {
            let Some(vector) = vector(terms) else {
                return self.not_nameable(&[*id]);
            };
            self.weights(*id, terms, &vector, fun);
            let at = releases.add(vector);
            if releases.len() > MAX_VECTORS {
                return self.too_many(group, &ids);
            }
            carriers.entry(at).or_default().insert(*id);
            let support = releases.support(at);
            if support.is_empty() || support == full {
                continue;
            }
            let both_sides = self.tells_subset(*id) || terms.iter().any(|term| self.is_sensitive(term.mask));
            let sides = [Some(support.clone()), both_sides.then(|| universe.complement(&support))];
            for side in sides.into_iter().flatten() {
                match universe.name(&side, &literals) {
                    Some(names) => self.gate(&[*id], group.table, names, GateRule::AtLeast(minimum)),
                    None => self.not_nameable(&[*id]),
                }
            }
        }
        let new: BTreeSet<usize> = carriers.keys().copied().filter(|at| *at >= known).collect();
        let audited = Audited { universe: &universe, literals: &literals, releases: &releases, full: &full, new };
        self.audit(group, &ids, minimum, &audited);
        self.residuals(group, &ids, minimum, &audited, &carriers);
    }

    /// R7 for more than can be audited.
    fn too_many(&mut self, group: &Group, ids: &[AggregateId]) {
        let (code, with) = match group.past.is_empty() {
            true => ("DISCLOSURE_LINEAR", ""),
            false => ("DISCLOSURE_HISTORY", ", with those of earlier jobs,"),
        };
        let cause = format!(
            "{} are{with} more than {MAX_VECTORS} sums of the same columns, or stand on more than {MAX_MASKS} conditions",
            self.names(ids)
        );
        self.refuse(ids, code, "R7", &cause, "release fewer groups");
    }

    /// R7.
    fn audit(&mut self, group: &Group, ids: &[AggregateId], minimum: u64, audited: &Audited<'_, '_>) {
        let Audited { universe, literals, releases, full, new } = audited;
        let earlier = !group.past.is_empty();
        let code = if earlier { "DISCLOSURE_HISTORY" } else { "DISCLOSURE_LINEAR" };
        let mut gated = BTreeSet::new();
        for derived in releases.derived() {
            let behind = |place: &usize| releases.support(*place).is_subset(&derived.support);
            let told = derived.from.iter().all(|place| !new.contains(place));
            let fine = told || derived.support == **full || derived.from.iter().any(behind);
            if fine || gated.contains(&derived.support) {
                continue;
            }
            match universe.name(&derived.support, literals).filter(|_| gated.len() < MAX_DIFFERENCES) {
                Some(names) => self.gate(ids, group.table, names, GateRule::ZeroOrAtLeast(minimum)),
                None if earlier => {
                    let cause = format!(
                        "{} and what earlier jobs released give a difference that no gate of this program counts",
                        self.names(ids)
                    );
                    let change = "compute the earlier jobs' conditions in this program too, so that the difference can \
                                  be counted, or wait until they have left the policy's window";
                    return self.refuse(ids, code, "R7", &cause, change);
                }
                None => {
                    let cause = format!("{} give a difference that no gate of the program counts", self.names(ids));
                    let change = "release one of these outputs only, or give the difference a condition of its own";
                    return self.refuse(ids, code, "R7", &cause, change);
                }
            }
            gated.insert(derived.support);
        }
    }

    /// R11: what a gate withholds must not follow from what is released beside it, as a group does from the total and
    /// all other groups. The larger of them are then withheld too, unless the group is empty.
    fn residuals(
        &mut self,
        group: &Group,
        ids: &[AggregateId],
        minimum: u64,
        audited: &Audited<'_, '_>,
        carriers: &BTreeMap<usize, BTreeSet<AggregateId>>,
    ) {
        let Audited { universe, literals, releases, full, .. } = audited;
        if releases.is_independent() {
            return;
        }
        for withheld in 0..releases.len() {
            let support = releases.support(withheld);
            if support == **full || support.is_empty() || !releases.follows(withheld, &BTreeSet::new()) {
                continue;
            }
            let larger = |at: &usize| {
                let other = releases.support(*at);
                *at != withheld && support.is_subset(&other) && other != support && carriers.contains_key(at)
            };
            let larger: BTreeSet<usize> = (0..releases.len()).filter(larger).collect();
            let without_larger = larger.is_empty() || releases.follows(withheld, &larger);
            let carrying: Vec<AggregateId> = if without_larger {
                ids.to_vec()
            } else {
                larger.iter().flat_map(|at| carriers[at].iter().copied()).collect()
            };
            match universe.name(&support, literals) {
                Some(names) => self.gate(&carrying, group.table, names, GateRule::ZeroOrAtLeast(minimum)),
                None => {
                    let cause = format!("{} give away a group that a gate may withhold", self.names(ids));
                    let change = "release the groups or their total, not both";
                    let code = if group.past.is_empty() { "DISCLOSURE_LINEAR" } else { "DISCLOSURE_HISTORY" };
                    return self.refuse(ids, code, "R11", &cause, change);
                }
            }
        }
    }

    /// A mask with several cells a row stands for as many groups, of which nothing more is known.
    fn wide(&mut self, group: &Group, masks: &BTreeSet<Formula>, minimum: u64) {
        let ids: Vec<AggregateId> = group.sums.iter().map(|(id, _, _)| *id).collect();
        let same = |(_, terms): &(bool, Vec<Term>)| terms.iter().all(|term| masks.contains(&term.mask));
        if !group.past.iter().all(same) {
            let cause =
                format!("{} and sums of earlier jobs are groups and other sums of the same columns", self.names(&ids));
            let change = "write each group as a condition of its own, `[rows]`, or wait until the earlier jobs have left the window";
            return self.refuse(&ids, "DISCLOSURE_HISTORY", "R7", &cause, change);
        }
        if masks.len() > 1 || group.sums.iter().any(|(_, _, terms)| terms.len() > 1) {
            let cause = format!("{} release groups and other sums of the same columns", self.names(&ids));
            let change = "write each group as a condition of its own, `[rows]`";
            return self.refuse(&ids, "DISCLOSURE_LINEAR", "R7", &cause, change);
        }
        for (id, _, terms) in &group.sums {
            let mask = terms[0].mask;
            let Some(literals) = self.wide_literal(*id, group.table, mask) else { return self.not_nameable(&[*id]) };
            self.gate(&[*id], group.table, vec![vec![literals.0]], GateRule::AtLeast(minimum));
            if self.tells_subset(*id) || self.is_sensitive(mask) {
                self.gate(&[*id], group.table, vec![vec![literals.1]], GateRule::AtLeast(minimum));
            }
        }
    }

    /// The node of a mask with several cells a row, where each cell is behind the same cell of the outputs.
    fn wide_literal(&self, id: AggregateId, table: NodeId, mask: Formula) -> Option<(Literal, Literal)> {
        let labels = self.judge.labels;
        let nodes = (0..labels.labels.len()).filter_map(|at| u32::try_from(at).ok().map(NodeId));
        let mut found = nodes.filter(|node| {
            let label = labels.of(*node);
            let element = labels.array(*node).map(|array| array.element.clone());
            let axes = labels.axes(*node);
            label.truth == Some(mask) && element == Some(Element::Bool) && axes.first() == Some(&Axis::Rows(table))
        });
        let node = found.next()?;
        let cells = &labels.array(node)?.shape[1..];
        let outputs = &labels.typed.program().outputs;
        let same = |place: &usize| labels.array(outputs[*place].value).is_some_and(|array| array.shape == cells);
        self.released[&id].iter().all(same).then_some((Literal::True(node), Literal::False(node)))
    }

    /// R6 for weights that are put together from masks: one row counts more than another by the receiver's choice.
    fn weights(&mut self, id: AggregateId, terms: &[Term], vector: &[BigInt], fun: &Fun) {
        let zero = BigInt::from(0);
        let weights: BTreeSet<&BigInt> = vector.iter().filter(|x| **x != zero).collect();
        let chosen = terms.iter().any(|term| self.has_own(term.mask));
        let foreign = fun.sources.iter().any(|source| self.judge.is_foreign(&source.dataset))
            || terms.iter().any(|term| self.is_secret(term.mask));
        if weights.len() < 2 || !chosen || !foreign {
            return;
        }
        let name = self.names(&[id]).replace('`', "");
        for dataset in self.judge.demanding(id).0 {
            if !self.judge.rules.get(&dataset).is_some_and(|rules| rules.weighted) {
                self.refusals.push(self.judge.weight(&dataset, &name, self.judge.aggregate(id).node));
            }
        }
    }

    fn not_nameable(&mut self, ids: &[AggregateId]) {
        let cause = format!("the rows behind {} are no condition that the program computes", self.names(ids));
        let change = "compute the mask as one bool array `[rows]` and use it in `where` or `mask`";
        self.refuse(ids, "DISCLOSURE_MIN_ROWS", "release.minimum_rows", &cause, change);
    }

    fn gate(&mut self, ids: &[AggregateId], table: NodeId, support: Vec<Vec<Literal>>, rule: GateRule) {
        let gate = Gate { rows_of: table, support, rule };
        for place in ids.iter().flat_map(|id| &self.released[id]) {
            self.gates.entry(*place).or_default().insert(gate.clone());
        }
    }

    /// The nodes that a gate on this table may name; masks of released sums first, and equals in an order that does not
    /// depend on how the program is written down.
    fn atoms(&self, table: NodeId, masks: &BTreeSet<Formula>) -> Vec<Atom> {
        let labels = self.judge.labels;
        let nodes = (0..labels.labels.len()).filter_map(|at| u32::try_from(at).ok().map(NodeId));
        let mut found = Vec::new();
        for node in nodes.filter(|node| labels.axes(*node) == [Axis::Rows(table)]) {
            let (Some(array), label) = (labels.array(node), labels.of(node)) else { continue };
            if let Some(truth) = label.truth.filter(|_| array.element == Element::Bool) {
                let (positive, negative) = (Literal::True(node), Literal::False(node));
                found.push((label.digest, Atom { formula: truth, positive, negative }));
            }
            if array.validity == Validity::Secret {
                let (positive, negative) = (Literal::Valid(node), Literal::Invalid(node));
                found.push((label.digest, Atom { formula: label.valid, positive, negative }));
            }
        }
        found.sort_by_key(|(digest, atom)| (!masks.contains(&atom.formula), *digest));
        let mut seen = BTreeSet::new();
        found.into_iter().map(|(_, atom)| atom).filter(|atom| seen.insert(atom.formula)).collect()
    }
}

/// A sum as a vector over cells, in units of its finest coefficient.
fn vector(cells: usize, selected: &BTreeMap<Formula, CellSet>, terms: &[Term]) -> Option<Vec<BigInt>> {
    let scale = terms.iter().map(|term| term.coefficient.scale()).max().unwrap_or(0);
    let mut vector = vec![BigInt::from(0); cells];
    for term in terms {
        let cells = selected.get(&term.mask)?;
        let shift = BigInt::from(10).pow(u32::from(scale - term.coefficient.scale()));
        let coefficient = shift * term.coefficient.mantissa();
        let selected = vector.iter_mut().enumerate().filter(|(cell, _)| cells.contains(*cell));
        selected.for_each(|(_, entry)| *entry += &coefficient);
    }
    Some(vector)
}

/// The least overlap of each join that reveals its alignment: the largest minimum of all its owners (CHK-505).
pub(super) fn minimum_overlap(
    labels: &super::transfer::Labels<'_>,
    minimum: impl Fn(&str) -> u64,
) -> Vec<crate::program::release::MinimumOverlap> {
    let mut overlaps = Vec::new();
    for at in 0..labels.labels.len() {
        let node = NodeId(u32::try_from(at).expect("validated: at most limits::NODES nodes"));
        let joins = labels.joins_of(node);
        if let Some((join, Alignment::Revealed)) = joins.first().filter(|(join, _)| *join == node) {
            let rows = labels.datasets_of(node).iter().map(|dataset| minimum(dataset)).max().unwrap_or(0);
            if rows > 1 {
                overlaps.push(crate::program::release::MinimumOverlap { join: *join, rows });
            }
        }
    }
    overlaps
}
