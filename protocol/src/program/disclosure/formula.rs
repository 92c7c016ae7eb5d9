//! Boolean formulas over the cells of one row: which rows a mask selects.
//!
//! A variable is either a cut of a numeric value (`value < at`, at a place of its lattice) or a Boolean of which
//! nothing is known. Formulas are hash-consed, so that equal ones have equal ids and shared parts are kept once.

use std::collections::{BTreeSet, HashMap};

use super::label::{Digest, Source};

/// A formula in [`Formulas`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Formula(u32);

/// A variable in [`Formulas`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Variable(u32);

/// What a variable says about a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fact {
    /// The value is less than this, in steps of its lattice.
    Below(Digest, i128),
    /// Something of which no more is known.
    Holds(Digest),
}

/// A variable with what it depends on.
#[derive(Clone, Debug)]
pub(super) struct VariableInfo {
    pub(super) fact: Fact,
    /// The columns whose cells decide it.
    pub(super) sources: BTreeSet<Source>,
    /// Whether it has more than one cell a row, so that it stands for several masks.
    pub(super) wide: bool,
    /// Whether only histories speak of it, which their owners say and nobody can check.
    told: bool,
}

/// How a formula is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    True,
    False,
    Is(Variable),
    Not(Formula),
    And(Formula, Formula),
    Or(Formula, Formula),
}

/// All formulas of one program.
#[derive(Debug)]
pub(super) struct Formulas {
    forms: Vec<Form>,
    known: HashMap<Form, Formula>,
    variables: Vec<VariableInfo>,
    known_facts: HashMap<Fact, Variable>,
}

impl Formulas {
    /// The formula that holds in every row.
    pub(super) const TRUE: Formula = Formula(0);
    /// The formula that holds in none.
    pub(super) const FALSE: Formula = Formula(1);

    pub(super) fn new() -> Self {
        let forms = vec![Form::True, Form::False];
        let known = HashMap::from([(Form::True, Self::TRUE), (Form::False, Self::FALSE)]);
        Self { forms, known, variables: Vec::new(), known_facts: HashMap::new() }
    }

    /// A fact as the program computes it. All of them come before those of histories.
    pub(super) fn variable(&mut self, fact: Fact, sources: BTreeSet<Source>, wide: bool) -> Formula {
        self.add(VariableInfo { fact, sources, wide, told: false })
    }

    /// A fact as a history says it. Where the program computes it too, its own word counts; what several histories say
    /// adds up, so that none of them hides what another says.
    pub(super) fn told_variable(&mut self, fact: Fact, sources: BTreeSet<Source>, wide: bool) -> Formula {
        self.add(VariableInfo { fact, sources, wide, told: true })
    }

    fn add(&mut self, info: VariableInfo) -> Formula {
        let next = Variable(u32::try_from(self.variables.len()).expect("a few variables a node"));
        let variable = *self.known_facts.entry(info.fact.clone()).or_insert(next);
        match self.variables.get_mut(variable.0 as usize) {
            None => self.variables.push(info),
            Some(known) if known.told => {
                known.sources.extend(info.sources);
                known.wide |= info.wide;
            }
            Some(_) => {}
        }
        self.intern(Form::Is(variable))
    }

    /// How a formula is put together.
    pub(super) fn form(&self, formula: Formula) -> Form {
        self.forms[formula.0 as usize]
    }

    pub(super) fn info(&self, variable: Variable) -> &VariableInfo {
        &self.variables[variable.0 as usize]
    }

    pub(super) fn not(&mut self, of: Formula) -> Formula {
        match self.forms[of.0 as usize] {
            Form::True => Self::FALSE,
            Form::False => Self::TRUE,
            Form::Not(inner) => inner,
            _ => self.intern(Form::Not(of)),
        }
    }

    pub(super) fn and(&mut self, a: Formula, b: Formula) -> Formula {
        match (a, b) {
            (Self::FALSE, _) | (_, Self::FALSE) => Self::FALSE,
            (Self::TRUE, other) | (other, Self::TRUE) => other,
            _ if a == b => a,
            // `x & (x & y)` and `x & (x | y)`: the forms that validity gives again and again.
            _ if self.implies(a, b) => a,
            _ if self.implies(b, a) => b,
            _ => self.intern(Form::And(a.min(b), a.max(b))),
        }
    }

    pub(super) fn or(&mut self, a: Formula, b: Formula) -> Formula {
        match (a, b) {
            (Self::TRUE, _) | (_, Self::TRUE) => Self::TRUE,
            (Self::FALSE, other) | (other, Self::FALSE) => other,
            _ if a == b => a,
            _ => self.intern(Form::Or(a.min(b), a.max(b))),
        }
    }

    /// The variables that a formula reads.
    pub(super) fn variables(&self, formula: Formula) -> BTreeSet<Variable> {
        let forms = self.reachable(formula);
        forms.iter().filter_map(|f| if let Form::Is(v) = self.forms[f.0 as usize] { Some(v) } else { None }).collect()
    }

    /// The columns that decide a formula.
    pub(super) fn sources(&self, formula: Formula) -> BTreeSet<Source> {
        self.variables(formula).into_iter().flat_map(|v| self.info(v).sources.iter().cloned()).collect()
    }

    /// Whether a formula stands for several masks, one a cell of the row.
    pub(super) fn is_wide(&self, formula: Formula) -> bool {
        self.variables(formula).into_iter().any(|v| self.info(v).wide)
    }

    /// The value of a formula in each of `cells`, which give a value to every variable that it reads. `atoms` are
    /// formulas that the cells give a value to as a whole.
    pub(super) fn evaluate(
        &self,
        formula: Formula,
        cells: usize,
        variable: impl Fn(Variable, usize) -> bool,
        atom: impl Fn(Formula, usize) -> Option<bool>,
    ) -> Vec<bool> {
        let order: Vec<Formula> = self.reachable(formula).into_iter().collect();
        let place = |part: Formula| order.binary_search(&part).expect("its parts are reachable, in order");
        let parts: Vec<(Formula, Form, usize, usize)> = order
            .iter()
            .map(|part| match self.forms[part.0 as usize] {
                form @ (Form::True | Form::False | Form::Is(_)) => (*part, form, 0, 0),
                form @ Form::Not(a) => (*part, form, place(a), 0),
                form @ (Form::And(a, b) | Form::Or(a, b)) => (*part, form, place(a), place(b)),
            })
            .collect();
        let mut values = vec![false; parts.len()];
        let mut evaluate = |cell: usize| {
            for (at, (part, form, a, b)) in parts.iter().enumerate() {
                values[at] = match (atom(*part, cell), form) {
                    (Some(value), _) => value,
                    (None, Form::True) => true,
                    (None, Form::False) => false,
                    (None, Form::Is(v)) => variable(*v, cell),
                    (None, Form::Not(_)) => !values[*a],
                    (None, Form::And(..)) => values[*a] & values[*b],
                    (None, Form::Or(..)) => values[*a] | values[*b],
                };
            }
            values[place(formula)]
        };
        (0..cells).map(&mut evaluate).collect()
    }

    /// Whether `a` is a conjunction that has `b`, or the members of the conjunction `b`, among its members.
    fn implies(&self, a: Formula, b: Formula) -> bool {
        let (a, b) = (self.members(a), self.members(b));
        b.is_subset(&a)
    }

    fn members(&self, formula: Formula) -> BTreeSet<Formula> {
        let (mut open, mut members, mut seen) = (vec![formula], BTreeSet::new(), BTreeSet::new());
        while let Some(next) = open.pop() {
            if !seen.insert(next) {
                continue;
            }
            match self.forms[next.0 as usize] {
                Form::And(a, b) if seen.len() < 64 => open.extend([a, b]),
                _ => {
                    members.insert(next);
                }
            }
        }
        members
    }

    /// The formula and its parts, parts first. Parts are made before what they are part of, so ids are in order.
    pub(super) fn reachable(&self, formula: Formula) -> BTreeSet<Formula> {
        let (mut open, mut seen) = (vec![formula], BTreeSet::new());
        while let Some(next) = open.pop() {
            if !seen.insert(next) {
                continue;
            }
            match self.forms[next.0 as usize] {
                Form::True | Form::False | Form::Is(_) => {}
                Form::Not(a) => open.push(a),
                Form::And(a, b) | Form::Or(a, b) => open.extend([a, b]),
            }
        }
        seen
    }

    fn intern(&mut self, form: Form) -> Formula {
        let next = Formula(u32::try_from(self.forms.len()).expect("a few formulas a node"));
        let id = *self.known.entry(form).or_insert(next);
        if id == next {
            self.forms.push(form);
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(dataset: &str) -> BTreeSet<Source> {
        BTreeSet::from([Source { dataset: dataset.into(), column: "x".into() }])
    }

    #[test]
    fn what_histories_say_of_a_fact_adds_up_and_the_program_is_believed() {
        let (of_program, told) = (Fact::Holds([1; 16]), Fact::Holds([2; 16]));
        let mut formulas = Formulas::new();
        let own = formulas.variable(of_program.clone(), source("a"), false);
        assert_eq!(formulas.told_variable(of_program, source("b"), true), own);
        assert_eq!((formulas.sources(own), formulas.is_wide(own)), (source("a"), false));
        let said = formulas.told_variable(told.clone(), BTreeSet::new(), false);
        assert_eq!(formulas.told_variable(told.clone(), source("a"), true), said);
        assert_eq!(formulas.told_variable(told, source("b"), false), said);
        assert_eq!((formulas.sources(said), formulas.is_wide(said)), (&source("a") | &source("b"), true));
    }
}
