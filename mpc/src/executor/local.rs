//! The steps that each party computes alone on its part of the values.

use tacit_protocol::Code;
use tacit_protocol::program::NodeId;

use super::{Inputs, Value};
use crate::error::{Error, Result};
use crate::plan::step::{ColumnPart, InputPart, Kind, Step, View};
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement};

/// A column of this side, or zeros in its place.
pub(super) fn column<R: Ring>(
    step: &Step,
    source: NodeId,
    name: &str,
    part: ColumnPart,
    inputs: &dyn Inputs,
) -> Result<Value<R>> {
    let size = |found: usize| {
        if found == step.len {
            return Ok(());
        }
        let cause = format!("the column {name:?} of {source} has {found} cells, the plan expects {}", step.len);
        Err(Error::Refused { code: Code::new("INPUT_CHANGED"), cause })
    };
    if step.kind == Kind::Words {
        let mut words = vec![R::ZERO; step.len];
        if let Some(cells) = inputs.words(source, name)? {
            size(cells.len())?;
            words.iter_mut().zip(cells).for_each(|(word, cell)| *word = R::from_i128(i128::from(*cell)));
        }
        return Ok(Value::Words(Arith { placement: step.placement, words }));
    }
    let mut bits = Bits { placement: step.placement, len: step.len, words: vec![0; step.len.div_ceil(64)] };
    if let Some(cells) = inputs.bits(source, name, part)? {
        size(cells.len())?;
        for (place, bit) in cells.iter().enumerate() {
            bits.words[place / 64] |= u64::from(*bit) << (place % 64);
        }
    }
    Ok(Value::Bits(bits))
}

/// What this side brings to an array that is handed in, or zeros in its place.
pub(super) fn input<R: Ring>(step: &Step, source: NodeId, part: InputPart, inputs: &dyn Inputs) -> Result<Value<R>> {
    let changed = |cause: String| Error::Refused { code: Code::new("INPUT_CHANGED"), cause };
    let given = inputs.array(source);
    if let Some(given) = given.filter(|given| given.cells() != step.len) {
        let cause = format!("the array of {source} has {} cells, the plan expects {}", given.cells(), step.len);
        return Err(changed(cause));
    }
    let none = || changed(format!("the array of {source} has no {part:?}"));
    if step.kind == Kind::Words {
        let words = match (given, part) {
            (None, _) => vec![R::ZERO; step.len],
            (Some(given), InputPart::Data) => given.words().ok_or_else(none)?,
            (Some(given), InputPart::Share(party)) => given.unsigned(party).ok_or_else(none)?,
            (Some(_), InputPart::Valid | InputPart::ShareLow(_)) => return Err(none()),
        };
        return Ok(Value::Words(Arith { placement: step.placement, words }));
    }
    let words = match (given, part) {
        (None, _) => Vec::new(),
        (Some(given), InputPart::Data) => given.bits().ok_or_else(none)?.to_vec(),
        (Some(given), InputPart::Valid) => given.valid().ok_or_else(none)?.to_vec(),
        (Some(given), InputPart::ShareLow(party)) => given.low(party).ok_or_else(none)?,
        (Some(_), InputPart::Share(_)) => return Err(none()),
    };
    Ok(Value::Bits(Bits::new(step.placement, step.len, words)))
}

fn row_of(rows: &[u32], place: usize, len: usize) -> Result<usize> {
    let row = rows.get(place).copied().map(|row| row as usize).filter(|row| *row < len);
    row.ok_or_else(|| Error::Refused {
        code: Code::new("INPUT_CHANGED"),
        cause: format!("row {place} of a join comes from no row of the table"),
    })
}

/// The words of the rows that matched; zeros at the party that does not know which.
pub(super) fn align_words<R: Ring>(step: &Step, value: &Arith<R>, rows: Option<&[u32]>) -> Result<Arith<R>> {
    let words = match rows {
        Some(rows) => (0..step.len)
            .map(|place| Ok(value.words[row_of(rows, place, value.words.len())?]))
            .collect::<Result<_>>()?,
        None => vec![R::ZERO; step.len],
    };
    Ok(Arith { placement: step.placement, words })
}

/// The bits of the rows that matched; zeros at the party that does not know which.
pub(super) fn align_bits(step: &Step, value: &Bits, rows: Option<&[u32]>) -> Result<Bits> {
    let mut bits = zeros(step);
    if let Some(rows) = rows {
        for place in 0..step.len {
            set(&mut bits, place, get(value, row_of(rows, place, value.len)?));
        }
    }
    Ok(bits)
}

/// The same public bit everywhere.
pub(super) fn fill_bits(bit: bool, len: usize) -> Bits {
    let mut words = vec![if bit { u64::MAX } else { 0 }; len.div_ceil(64)];
    if let (Some(last), used @ 1..) = (words.last_mut(), len % 64) {
        *last &= (1 << used) - 1;
    }
    Bits { placement: Placement::Public, len, words }
}

/// Calls `each` with the operand's place of every cell of a view, in order.
fn places(view: &View, mut each: impl FnMut(usize)) {
    let len: usize = view.shape.iter().product();
    if len == 0 {
        return;
    }
    let (inner_size, inner_stride) = match (view.shape.last(), view.strides.last()) {
        (Some(size), Some(stride)) => (*size, *stride),
        _ => (1, 0),
    };
    let outer = view.shape.len().saturating_sub(1);
    let mut index = vec![0; outer];
    loop {
        let step = |place: usize, (i, stride): (usize, usize)| place.wrapping_add(i.wrapping_mul(stride));
        let start = index.iter().copied().zip(view.strides.iter().copied()).fold(view.offset, step);
        (0..inner_size).for_each(|i| each(step(start, (i, inner_stride))));
        let Some(axis) = (0..outer).rev().find(|axis| index[*axis] + 1 < view.shape[*axis]) else { return };
        index[axis] += 1;
        index[axis + 1..].fill(0);
    }
}

/// Words arranged otherwise.
pub(super) fn view_words<R: Ring>(value: &Arith<R>, view: &View) -> Arith<R> {
    let mut words = Vec::with_capacity(view.shape.iter().product());
    places(view, |place| words.push(value.words[place]));
    Arith { placement: value.placement, words }
}

/// Bits arranged otherwise.
pub(super) fn view_bits(value: &Bits, view: &View) -> Bits {
    let len: usize = view.shape.iter().product();
    let mut bits = Bits { placement: value.placement, len, words: vec![0; len.div_ceil(64)] };
    let mut next = 0;
    places(view, |place| {
        set(&mut bits, next, get(value, place));
        next += 1;
    });
    bits
}

/// Words put side by side along the second axis.
pub(super) fn concatenate_words<R: Ring>(step: &Step, parts: &[&Arith<R>], outer: usize, holds: bool) -> Arith<R> {
    let mut words = Vec::with_capacity(step.len);
    for row in 0..outer {
        for part in parts {
            let size = part.words.len() / outer;
            if counts(part.placement, step.placement, holds) {
                words.extend_from_slice(&part.words[row * size..(row + 1) * size]);
            } else {
                words.resize(words.len() + size, R::ZERO);
            }
        }
    }
    Arith { placement: step.placement, words }
}

/// Bits put side by side along the second axis.
pub(super) fn concatenate_bits(step: &Step, parts: &[&Bits], outer: usize, holds: bool) -> Bits {
    let mut bits = zeros(step);
    let mut next = 0;
    for row in 0..outer {
        for part in parts {
            let size = part.len / outer;
            for place in row * size..(row + 1) * size {
                set(&mut bits, next, counts(part.placement, step.placement, holds) && get(part, place));
                next += 1;
            }
        }
    }
    bits
}

/// Whether this side's copy of an operand is part of the result: a public value is held by both parties, but only one
/// of them may bring it into a value that is the sum of their parts.
fn counts(operand: Placement, result: Placement, holds: bool) -> bool {
    operand != Placement::Public || result == Placement::Public || holds
}

/// The sum of multiples of words.
pub(super) fn linear<R: Ring>(step: &Step, terms: &[(&Arith<R>, i128)], constant: i128, holds: bool) -> Arith<R> {
    let start = if holds { R::from_i128(constant) } else { R::ZERO };
    let mut words = vec![start; step.len];
    for (term, factor) in terms.iter().filter(|(term, _)| counts(term.placement, step.placement, holds)) {
        match factor {
            1 => words.iter_mut().zip(&term.words).for_each(|(sum, word)| *sum = sum.add(*word)),
            -1 => words.iter_mut().zip(&term.words).for_each(|(sum, word)| *sum = sum.sub(*word)),
            _ => {
                let factor = R::from_i128(*factor);
                words.iter_mut().zip(&term.words).for_each(|(sum, word)| *sum = sum.add(factor.mul(*word)));
            }
        }
    }
    Arith { placement: step.placement, words }
}

/// The exclusive or of bits.
pub(super) fn xor(step: &Step, a: &Bits, b: &Bits, holds: bool) -> Bits {
    let mut bits = zeros(step);
    for operand in [a, b] {
        if counts(operand.placement, step.placement, holds) {
            bits.words.iter_mut().zip(&operand.words).for_each(|(sum, word)| *sum ^= word);
        }
    }
    bits
}

/// Words seen as `[groups, size]`, summed along the second axis.
pub(super) fn sum<R: Ring>(value: &Arith<R>, groups: usize) -> Arith<R> {
    let size = value.words.len().checked_div(groups).unwrap_or(0);
    let words = (0..groups)
        .map(|group| value.words[group * size..(group + 1) * size].iter().fold(R::ZERO, |sum, word| sum.add(*word)))
        .collect();
    Arith { placement: value.placement, words }
}

/// Words seen as `[groups, size]`, each with all before it along the second axis added.
pub(super) fn cumsum<R: Ring>(value: &Arith<R>, groups: usize) -> Arith<R> {
    let mut words = value.words.clone();
    for row in words.chunks_mut((value.words.len() / groups.max(1)).max(1)) {
        let mut sum = R::ZERO;
        row.iter_mut().for_each(|word| {
            sum = sum.add(*word);
            *word = sum;
        });
    }
    Arith { placement: value.placement, words }
}

fn zeros(step: &Step) -> Bits {
    Bits { placement: step.placement, len: step.len, words: vec![0; step.len.div_ceil(64)] }
}

fn get(bits: &Bits, place: usize) -> bool {
    bits.words[place / 64] >> (place % 64) & 1 == 1
}

fn set(bits: &mut Bits, place: usize, bit: bool) {
    bits.words[place / 64] |= u64::from(bit) << (place % 64);
}
