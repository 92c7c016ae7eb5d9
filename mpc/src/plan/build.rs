//! Builds the list of steps: equal steps are made once, what is public folds into constants, and a step that nothing
//! needs is left out at the end.

use std::collections::{BTreeMap, HashMap};

use tacit_protocol::Number;
use tacit_protocol::program::{NodeId, Unary};

use super::bounds::Bounds;
use super::step::{Kind, RingOp, Step, ValueId, View};
use crate::arithmetic::{Division, Reals};
use crate::share::Placement;

/// How many terms a linear step may have before it is split.
const MAX_TERMS: usize = 8;
/// How many factors of a conjunction are regrouped by owner.
const MAX_FACTORS: usize = 32;

/// The steps so far.
#[derive(Default)]
pub(super) struct Builder {
    steps: Vec<Step>,
    known: HashMap<RingOp, Vec<ValueId>>,
    bounds: Bounds,
    notes: BTreeMap<ValueId, &'static str>,
    /// The node that is being lowered.
    pub(super) node: Option<NodeId>,
    /// The widest value so far, in bits, and its node.
    pub(super) widest: (u32, Option<NodeId>),
}

impl Builder {
    pub(super) fn step(&self, value: ValueId) -> &Step {
        &self.steps[value.index()]
    }

    pub(super) fn len(&self, value: ValueId) -> usize {
        self.step(value).len
    }

    pub(super) fn step_count(&self) -> usize {
        self.steps.len()
    }

    fn placement(&self, value: ValueId) -> Placement {
        self.step(value).placement
    }

    /// Notes that a value of so many bits occurs.
    pub(super) fn needs(&mut self, bits: u32) {
        if bits > self.widest.0 {
            self.widest = (bits, self.node);
        }
    }

    fn emit(&mut self, op: RingOp, kind: Kind, len: usize, placement: Placement) -> ValueId {
        let steps = &self.steps;
        let known = self.known.entry(op.clone()).or_default();
        if let Some(&value) = known.iter().find(|value| steps[value.index()].len == len) {
            return value;
        }
        let value = ValueId(u32::try_from(self.steps.len()).expect("the lowering bounds the number of steps"));
        known.push(value);
        self.bounds.push(&op, len, &self.steps);
        self.steps.push(Step { op, kind, len, placement, node: self.node });
        value
    }

    fn emit_from(&mut self, op: RingOp, kind: Kind, len: usize) -> ValueId {
        let placements = op.operands().into_iter().map(|value| self.placement(value));
        let placement = placements.fold(Placement::Public, Placement::join);
        self.emit(op, kind, len, placement)
    }

    /// States how far a value may lie from the plain one, in its own units. Inputs are what they are: whether a row
    /// counts may be uncertain, its cells are not.
    pub(super) fn state_error(&mut self, value: ValueId, error: Option<f64>) {
        if !matches!(self.step(value).op, RingOp::Column { .. } | RingOp::Align { .. }) {
            self.bounds.state(value, error);
        }
    }

    /// Says what a step is there for, where the program does not.
    pub(super) fn note(&mut self, value: ValueId, text: &'static str) {
        self.notes.insert(value, text);
    }

    /// A step that reads inputs of one owner.
    pub(super) fn input(&mut self, op: RingOp, kind: Kind, len: usize, placement: Placement) -> ValueId {
        self.emit(op, kind, len, placement)
    }

    pub(super) fn fill(&mut self, value: i128, len: usize) -> ValueId {
        self.emit(RingOp::Fill(value), Kind::Words, len, Placement::Public)
    }

    pub(super) fn fill_bits(&mut self, value: bool, len: usize) -> ValueId {
        self.emit(RingOp::FillBits(value), Kind::Bits, len, Placement::Public)
    }

    pub(super) fn words(&mut self, values: Vec<i128>) -> ValueId {
        match values.split_first() {
            Some((first, rest)) if rest.iter().all(|value| value == first) => self.fill(*first, values.len()),
            None => self.fill(0, 0),
            _ => {
                let len = values.len();
                self.emit(RingOp::Words(values), Kind::Words, len, Placement::Public)
            }
        }
    }

    pub(super) fn bits(&mut self, values: &[bool]) -> ValueId {
        if values.iter().all(|bit| *bit) || values.iter().all(|bit| !*bit) {
            return self.fill_bits(values.first().copied().unwrap_or(false), values.len());
        }
        let mut words = vec![0_u64; values.len().div_ceil(64)];
        for (place, _) in values.iter().enumerate().filter(|(_, bit)| **bit) {
            words[place / 64] |= 1 << (place % 64);
        }
        self.emit(RingOp::Bits(words), Kind::Bits, values.len(), Placement::Public)
    }

    fn as_fill(&self, value: ValueId) -> Option<i128> {
        if let RingOp::Fill(word) = self.step(value).op { Some(word) } else { None }
    }

    fn as_fill_bits(&self, value: ValueId) -> Option<bool> {
        if let RingOp::FillBits(bit) = self.step(value).op { Some(bit) } else { None }
    }

    /// Cells arranged otherwise.
    pub(super) fn view(&mut self, value: ValueId, view: View) -> ValueId {
        let len = view.shape.iter().product();
        let natural = row_major(&view.shape);
        let in_order = view.offset == 0
            && view
                .shape
                .iter()
                .zip(&view.strides)
                .zip(&natural)
                .all(|((size, stride), own)| *size == 1 || stride == own);
        if in_order && len == self.len(value) {
            return value;
        }
        let Step { op, kind, .. } = self.step(value);
        let kind = *kind;
        match op {
            RingOp::Fill(_) | RingOp::FillBits(_) => {
                let op = op.clone();
                self.emit(op, kind, len, Placement::Public)
            }
            _ => self.emit_from(RingOp::View(value, view), kind, len),
        }
    }

    pub(super) fn concatenate(&mut self, values: Vec<ValueId>, outer: usize) -> ValueId {
        if let [value] = values[..] {
            return value;
        }
        let len = values.iter().map(|value| self.len(*value)).sum();
        let kind = self.step(values[0]).kind;
        self.emit_from(RingOp::Concatenate { values, outer }, kind, len)
    }

    /// `sum(coefficient * term) + constant`, for at least one term. Modulo the word, as every coefficient is.
    pub(super) fn linear(&mut self, terms: &[(ValueId, i128)], constant: i128) -> ValueId {
        let len = self.len(terms[0].0);
        let (mut sum, mut offset) = (BTreeMap::<ValueId, i128>::new(), constant);
        for &(value, coefficient) in terms {
            match &self.step(value).op {
                RingOp::Fill(word) => offset = offset.wrapping_add(word.wrapping_mul(coefficient)),
                RingOp::Linear { terms: inner, constant } if inner.len() + sum.len() < MAX_TERMS => {
                    offset = offset.wrapping_add(constant.wrapping_mul(coefficient));
                    for &(value, factor) in inner {
                        let place = sum.entry(value).or_default();
                        *place = place.wrapping_add(factor.wrapping_mul(coefficient));
                    }
                }
                _ => {
                    let place = sum.entry(value).or_default();
                    *place = place.wrapping_add(coefficient);
                }
            }
        }
        let terms: Vec<_> = sum.into_iter().filter(|(_, coefficient)| *coefficient != 0).collect();
        match terms[..] {
            [] => self.fill(offset, len),
            [(value, 1)] if offset == 0 => value,
            _ => self.emit_from(RingOp::Linear { terms, constant: offset }, Kind::Words, len),
        }
    }

    /// The sum of many terms, in steps of at most [`MAX_TERMS`].
    pub(super) fn linear_many(&mut self, terms: &[(ValueId, i128)]) -> ValueId {
        let mut level = terms.to_vec();
        while level.len() > MAX_TERMS {
            level = level.chunks(MAX_TERMS).map(|chunk| (self.linear(chunk, 0), 1)).collect();
        }
        self.linear(&level, 0)
    }

    pub(super) fn xor(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let (a, b) = (a.min(b), a.max(b));
        let len = self.len(a);
        match (self.as_fill_bits(a), self.as_fill_bits(b)) {
            (Some(x), Some(y)) => self.fill_bits(x ^ y, len),
            (Some(false), _) => b,
            (_, Some(false)) => a,
            (Some(true), _) => self.not(b),
            (_, Some(true)) => self.not(a),
            _ if a == b => self.fill_bits(false, len),
            _ => self.emit_from(RingOp::Xor(a, b), Kind::Bits, len),
        }
    }

    pub(super) fn not(&mut self, a: ValueId) -> ValueId {
        let len = self.len(a);
        if let Some(bit) = self.as_fill_bits(a) {
            return self.fill_bits(!bit, len);
        }
        if let RingOp::Xor(x, y) = self.step(a).op {
            // `~~x` is `x`.
            if self.as_fill_bits(y) == Some(true) {
                return x;
            }
            if self.as_fill_bits(x) == Some(true) {
                return y;
            }
        }
        let ones = self.fill_bits(true, len);
        self.emit_from(RingOp::Xor(a, ones), Kind::Bits, len)
    }

    /// The conjunction of bits. Factors are taken owner by owner first, so that what one party can do alone it does
    /// alone, whatever the order they were written in.
    pub(super) fn and(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let len = self.len(a);
        let mut factors = self.factors(a);
        factors.extend(self.factors(b));
        factors.sort_unstable();
        factors.dedup();
        if factors.iter().any(|factor| self.as_fill_bits(*factor) == Some(false)) {
            return self.fill_bits(false, len);
        }
        factors.retain(|factor| self.as_fill_bits(*factor).is_none());
        factors.sort_by_key(|factor| (self.owner_rank(*factor), *factor));
        let mut groups: Vec<ValueId> = Vec::new();
        let owners: Vec<Vec<ValueId>> =
            factors.chunk_by(|x, y| self.owner_rank(*x) == self.owner_rank(*y)).map(<[_]>::to_vec).collect();
        for own in owners {
            groups.push(self.and_all(&own));
        }
        match groups[..] {
            [] => self.fill_bits(true, len),
            _ => self.and_all(&groups),
        }
    }

    /// The conjunction as a balanced tree, so that its depth is a logarithm.
    fn and_all(&mut self, factors: &[ValueId]) -> ValueId {
        match factors {
            [only] => *only,
            _ => {
                let (left, right) = factors.split_at(factors.len().div_ceil(2));
                let (left, right) = (self.and_all(left), self.and_all(right));
                let len = self.len(left);
                self.emit_from(RingOp::And(left.min(right), left.max(right)), Kind::Bits, len)
            }
        }
    }

    /// The factors that a value is the conjunction of, at most [`MAX_FACTORS`].
    fn factors(&self, value: ValueId) -> Vec<ValueId> {
        let mut factors = vec![value];
        let mut next = 0;
        while next < factors.len() && factors.len() < MAX_FACTORS {
            if let RingOp::And(a, b) = self.step(factors[next]).op {
                factors[next] = a;
                factors.push(b);
            } else {
                next += 1;
            }
        }
        factors
    }

    fn owner_rank(&self, value: ValueId) -> u8 {
        match self.placement(value) {
            Placement::Public => 0,
            Placement::Private(party) => 1 + party.0,
            Placement::Shared => u8::MAX,
        }
    }

    pub(super) fn or(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let (a, b) = (self.not(a), self.not(b));
        let neither = self.and(a, b);
        self.not(neither)
    }

    pub(super) fn arith_of(&mut self, bits: ValueId) -> ValueId {
        let len = self.len(bits);
        match self.as_fill_bits(bits) {
            Some(bit) => self.fill(i128::from(bit), len),
            None => self.emit_from(RingOp::ToArith(bits), Kind::Words, len),
        }
    }

    /// The words where the bit is 1, else 0.
    pub(super) fn select(&mut self, condition: ValueId, value: ValueId) -> ValueId {
        let len = self.len(value);
        if let Some(bit) = self.as_fill_bits(condition) {
            return if bit { value } else { self.fill(0, len) };
        }
        if let Some(word) = self.as_fill(value) {
            let bit = self.arith_of(condition);
            return self.linear(&[(bit, word)], 0);
        }
        if self.placement(value) == Placement::Public {
            let bit = self.arith_of(condition);
            let chosen = self.multiply([bit, value], [2, 128]);
            let error = self.bounds.select(condition, value);
            self.bounds.state(chosen, error);
            return chosen;
        }
        // A factor of the condition that the value's owner knows is applied by the owner alone, where the rest is
        // then the other party's own.
        if let Placement::Private(owner) = self.placement(value) {
            let (own, rest): (Vec<_>, Vec<_>) = self
                .factors(condition)
                .into_iter()
                .partition(|factor| self.placement(*factor) == Placement::Private(owner));
            let others = rest.iter().all(|factor| self.placement(*factor) == Placement::Private(owner.other()));
            if !own.is_empty() && !rest.is_empty() && others {
                let (own, rest) = (self.and_all(&own), self.and_all(&rest));
                let kept = self.emit_from(RingOp::Select { condition: own, value }, Kind::Words, len);
                return self.emit_from(RingOp::Select { condition: rest, value: kept }, Kind::Words, len);
            }
        }
        self.emit_from(RingOp::Select { condition, value }, Kind::Words, len)
    }

    /// The product of values of at most so many bits.
    pub(super) fn multiply(&mut self, factors: [ValueId; 2], bits: [u32; 2]) -> ValueId {
        let len = self.len(factors[0]);
        match (self.as_fill(factors[0]), self.as_fill(factors[1])) {
            (Some(word), _) => self.linear(&[(factors[1], word)], 0),
            (_, Some(word)) => self.linear(&[(factors[0], word)], 0),
            _ => self.emit_from(RingOp::Multiply { factors, bits }, Kind::Words, len),
        }
    }

    pub(super) fn matrix_multiply(&mut self, factors: [ValueId; 2], bits: [u32; 2], shape: [usize; 3]) -> ValueId {
        self.emit_from(RingOp::MatrixMultiply { factors, bits, shape, repeat: None }, Kind::Words, shape[0] * shape[2])
    }

    /// Words seen as `[groups, size]`, summed along the second axis.
    pub(super) fn sum(&mut self, value: ValueId, groups: usize) -> ValueId {
        let len = self.len(value);
        if len == groups {
            return value;
        }
        match self.as_fill(value) {
            Some(word) => self.fill(word.wrapping_mul((len / groups.max(1)) as i128), groups),
            None => self.emit_from(RingOp::Sum { value, groups }, Kind::Words, groups),
        }
    }

    pub(super) fn cumsum(&mut self, value: ValueId, groups: usize) -> ValueId {
        let len = self.len(value);
        if len <= groups {
            return value;
        }
        self.emit_from(RingOp::Cumsum { value, groups }, Kind::Words, len)
    }

    pub(super) fn is_negative(&mut self, value: ValueId, bits: u32) -> ValueId {
        let len = self.len(value);
        match self.as_fill(value) {
            Some(word) => self.fill_bits(word < 0, len),
            None => self.emit_from(RingOp::IsNegative { value, bits }, Kind::Bits, len),
        }
    }

    pub(super) fn is_zero(&mut self, value: ValueId, bits: u32) -> ValueId {
        let len = self.len(value);
        match self.as_fill(value) {
            Some(word) => self.fill_bits(word == 0, len),
            None => self.emit_from(RingOp::IsZero { value, bits }, Kind::Bits, len),
        }
    }

    /// Whether a whole number is odd: the sign of its lowest bit as a number of one.
    pub(super) fn is_odd(&mut self, value: ValueId) -> ValueId {
        let len = self.len(value);
        match self.as_fill(value) {
            Some(word) => self.fill_bits(word & 1 == 1, len),
            None => self.emit_from(RingOp::IsNegative { value, bits: 1 }, Kind::Bits, len),
        }
    }

    pub(super) fn truncate(&mut self, value: ValueId, shift: u32) -> ValueId {
        let len = self.len(value);
        match self.as_fill(value) {
            Some(word) => self.fill(word >> shift, len),
            None if shift == 0 => value,
            None => self.emit_from(RingOp::Truncate { value, shift }, Kind::Words, len),
        }
    }

    /// The product that a value was cut from by so many digits: it is the truncation of the product, and one more.
    pub(super) fn cut_from(&mut self, value: ValueId) -> Option<(ValueId, u32)> {
        if let RingOp::View(of, view) = &self.step(value).op {
            let (of, view) = (*of, view.clone());
            let (product, shift) = self.cut_from(of)?;
            return Some((self.view(product, view), shift));
        }
        let RingOp::Linear { terms, constant: 1 } = &self.step(value).op else { return None };
        let [(floor, 1)] = terms[..] else { return None };
        let RingOp::Truncate { value, shift } = self.step(floor).op else { return None };
        Some((value, shift))
    }

    /// How far a value may lie from the plain one, in its own units.
    pub(super) fn error_of(&self, value: ValueId) -> Option<f64> {
        self.bounds.of(value)
    }

    pub(super) fn floor_shift(&mut self, value: ValueId, shift: u32, bits: u32) -> ValueId {
        let len = self.len(value);
        match self.as_fill(value) {
            Some(word) => self.fill(word >> shift, len),
            None if shift == 0 => value,
            None => self.emit_from(RingOp::FloorShift { value, shift, bits }, Kind::Words, len),
        }
    }

    pub(super) fn divide_floor(&mut self, value: ValueId, divisor: u64, bits: u32) -> ValueId {
        let len = self.len(value);
        match self.as_fill(value) {
            Some(word) => self.fill(word.div_euclid(i128::from(divisor)), len),
            None if divisor == 1 => value,
            None => self.emit_from(RingOp::DivideFloor { value, divisor, bits }, Kind::Words, len),
        }
    }

    /// The quotient, and whether there is one.
    pub(super) fn divide(&mut self, numerator: ValueId, divisor: ValueId, division: &Division) -> (ValueId, ValueId) {
        let len = self.len(numerator);
        let op = RingOp::Divide {
            numerator,
            divisor,
            divisor_signed: division.divisor_signed,
            fraction_bits: division.fraction_bits,
            bits: [division.numerator_bits, division.divisor_bits, division.result_bits],
        };
        let quotient = self.emit_from(op, Kind::Words, len);
        (quotient, self.emit_from(RingOp::Defined(quotient), Kind::Bits, len))
    }

    /// Words seen as `[columns, groups, n]`, sorted within each group.
    pub(super) fn sort(&mut self, value: ValueId, columns: usize, groups: usize, bits: u32) -> ValueId {
        let len = self.len(value);
        if len <= columns * groups {
            return value;
        }
        self.emit_from(RingOp::Sort { value, columns, groups, bits }, Kind::Words, len)
    }

    /// The floor of a quotient, and whether there is one.
    pub(super) fn floor_quotient(
        &mut self,
        numerator: ValueId,
        divisor: ValueId,
        division: &Division,
    ) -> (ValueId, ValueId) {
        let len = self.len(numerator);
        let op = RingOp::FloorQuotient {
            numerator,
            divisor,
            divisor_signed: division.divisor_signed,
            bits: [division.numerator_bits, division.divisor_bits, division.result_bits],
        };
        let quotient = self.emit_from(op, Kind::Words, len);
        (quotient, self.emit_from(RingOp::Defined(quotient), Kind::Bits, len))
    }

    /// A real function of values in a range, and where it is defined.
    pub(super) fn function(&mut self, function: Unary, value: ValueId, of: Reals) -> (ValueId, ValueId) {
        let len = self.len(value);
        let value = self.emit_from(RingOp::Function { function, value, of }, Kind::Words, len);
        (value, self.emit_from(RingOp::Defined(value), Kind::Bits, len))
    }

    /// A power by a real number of values in a range, and where it is defined.
    pub(super) fn power(&mut self, exponent: Number, value: ValueId, of: Reals) -> (ValueId, ValueId) {
        let len = self.len(value);
        let value = self.emit_from(RingOp::Power { value, exponent, of }, Kind::Words, len);
        (value, self.emit_from(RingOp::Defined(value), Kind::Bits, len))
    }

    /// The largest of each group of words seen as `[groups, size]`, or its place.
    pub(super) fn largest(&mut self, value: ValueId, groups: usize, bits: u32, place: bool) -> ValueId {
        if self.len(value) == groups {
            return if place { self.fill(0, groups) } else { value };
        }
        self.emit_from(RingOp::Largest { value, groups, bits, place }, Kind::Words, groups)
    }

    /// The steps that the roots need, with their errors and notes, and the new places of the roots.
    pub(super) fn finish(self, roots: &[ValueId]) -> Finished {
        let mut needed = vec![false; self.steps.len()];
        for root in roots {
            needed[root.index()] = true;
        }
        for place in (0..self.steps.len()).rev() {
            if needed[place] {
                for operand in self.steps[place].op.operands() {
                    needed[operand.index()] = true;
                }
            }
        }
        let mut places = vec![ValueId(u32::MAX); self.steps.len()];
        let mut kept = Vec::new();
        for (place, step) in self.steps.into_iter().enumerate().filter(|(place, _)| needed[*place]) {
            places[place] = ValueId(u32::try_from(kept.len()).expect("no more than before"));
            let op = step.op.map_operands(|operand| places[operand.index()]);
            kept.push(Step { op, ..step });
        }
        super::repeats::name(&mut kept);
        let roots = roots.iter().map(|root| places[root.index()]).collect();
        let notes = self.notes.into_iter().filter(|(value, _)| needed[value.index()]);
        let notes = notes.map(|(value, text)| (places[value.index()], text)).collect();
        Finished { steps: kept, errors: self.bounds.into_kept(&needed), notes, roots }
    }
}

/// What a builder leaves.
pub(super) struct Finished {
    pub(super) steps: Vec<Step>,
    pub(super) errors: Vec<Option<f64>>,
    pub(super) notes: BTreeMap<ValueId, &'static str>,
    pub(super) roots: Vec<ValueId>,
}

/// The strides of cells in row-major order.
pub(super) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}
