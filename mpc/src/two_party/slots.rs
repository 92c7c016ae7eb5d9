//! Cross products of words by encryption, in batches of many elements: what costs less than transfers where there are
//! enough of them.
//!
//! *Source*, *security*: [`crate::lattice`]. The parties take turns batch by batch in who encrypts, so that both send and
//! both compute at once.
//!
//! *Cost*: [`super::cost::Cost::batches`] and the bytes that [`crate::lattice::cost`] has; two exchanges for each group of
//! batches.
//!
//! *Shapes and units*: a batch has [`SLOTS`] elements; the last one may have fewer and costs the same.

use rayon::prelude::*;
use tacit_protocol::PartyId;

use super::TwoParty;
use super::cost::Cost;
use super::cross::{Choosers, choosers};
use crate::channel::Channel;
use crate::correlations::Correlations;
use crate::error::Result;
use crate::lattice::{Carrier, Operand, SLOTS, Size, decrypt, encrypt, evaluate};
use crate::ring::Ring;
use crate::share::Placement;

/// Batches that are under way at once: bounds memory, at two exchanges a group.
const GROUP: usize = 16;

/// The operands of a product, as the sizes of its ciphertexts follow from them.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotCross {
    /// Which parties hold a part of the left operand that meets a part of the other's right one.
    choosers: Choosers,
    /// The bits of each operand's parts.
    bits: [u32; 2],
    /// Whether both operands are the same, so that both products are too.
    square: bool,
}

impl SlotCross {
    /// Products modulo `2^width` of operands of so many bits.
    pub(super) fn new(width: u32, (a, a_bits): (Placement, u32), (b, b_bits): (Placement, u32), square: bool) -> Self {
        let counts = |placement, bits: u32| if placement == Placement::Shared { width } else { bits.min(width) };
        Self { choosers: choosers(a, b), bits: [counts(a, a_bits), counts(b, b_bits)], square }
    }

    /// How many operands each party brings to a batch.
    fn operands(&self) -> usize {
        match self.choosers {
            [true, true] if !self.square => 2,
            [false, false] => 0,
            _ => 1,
        }
    }

    /// The sizes of what carries the sums of the products.
    fn size(&self) -> Size {
        let product = self.bits[0] + self.bits[1] - 1;
        Size::new(if self.operands() == 2 { product + 1 } else { product })
    }

    /// What so many elements cost.
    pub(super) fn cost(&self, elements: usize) -> Cost {
        let batches = elements.div_ceil(SLOTS);
        if batches == 0 {
            return Cost::default();
        }
        let (mut cost, size) = (Cost::default(), self.size());
        for batch in 0..batches {
            let encryptor = encryptor(batch).index();
            cost.sent[encryptor] += size.sent_up(self.operands()) as u64;
            cost.sent[1 - encryptor] += size.sent_down() as u64;
            cost.key_sizes[encryptor] = size.key_size();
            cost.batches += 1;
        }
        cost.rounds = 2 * batches.div_ceil(GROUP) as u64;
        cost
    }
}

/// Who encrypts in a batch.
fn encryptor(batch: usize) -> PartyId {
    if batch.is_multiple_of(2) { PartyId::ZERO } else { PartyId::ONE }
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// Shares of what each party's part of one operand makes with the other's part of the other one.
    pub(super) fn cross_slots(&mut self, shape: &SlotCross, a: &[R], b: &[R]) -> Result<Vec<R>> {
        if a.is_empty() {
            return Ok(Vec::new());
        }
        let (size, carrier) = (shape.size(), Carrier::of(shape.size()));
        let batches: Vec<usize> = (0..a.len().div_ceil(SLOTS)).collect();
        let mut shares = vec![R::ZERO; a.len()];
        // Used again by every group.
        let (mut requests, mut answers) = (Vec::new(), Vec::new());
        for group in batches.chunks(GROUP) {
            let (own, theirs): (Vec<usize>, Vec<usize>) =
                group.iter().partition(|batch| encryptor(**batch) == self.party);
            let mut draw = |batches: Vec<usize>| -> Vec<_> {
                let lattice = self.lattice.as_mut().expect("a plan with batches sets keys up");
                batches.into_iter().map(|batch| (batch, lattice.random())).collect()
            };
            let (own, theirs) = (draw(own), draw(theirs));
            let lattice = self.lattice.as_deref().expect("a plan with batches sets keys up");
            let place = |batch: usize| batch * SLOTS..a.len().min((batch + 1) * SLOTS);
            let operands = |batch, encryptor| shape.parts(self.party, encryptor, a, b, place(batch));

            let own: Vec<usize> = in_waves(
                own,
                |(batch, random)| (batch, encrypt(carrier, lattice.secret(), random, &operands(batch, self.party))),
                |(batch, message)| self.channel.send(&message).map(|()| batch),
            )?;
            receive(self.channel, theirs.len(), size.sent_up(shape.operands()), &mut requests)?;
            in_waves(
                theirs.into_iter().zip(&requests).collect(),
                |((batch, random), message)| {
                    let own = operands(batch, self.party.other());
                    (batch, evaluate(carrier, lattice.peer(), random, message, &own))
                },
                |(batch, answered)| {
                    let (answer, share) = answered?;
                    shape.take(&mut shares[place(batch)], &share);
                    self.channel.send(&answer)
                },
            )?;
            receive(self.channel, own.len(), size.sent_down(), &mut answers)?;
            in_waves(
                own.into_iter().zip(&answers).collect(),
                |(batch, answer)| (batch, decrypt(carrier, lattice.secret(), answer)),
                |(batch, share)| {
                    shape.take(&mut shares[place(batch)], &share?);
                    Ok(())
                },
            )?;
        }
        self.channel.flush()?;
        Ok(shares)
    }
}

impl SlotCross {
    /// The operands that a party brings to a batch: those that `encryptor` encrypts, or what the other multiplies them
    /// by, in the same order.
    fn parts<'w, R: Ring>(
        &self,
        party: PartyId,
        encryptor: PartyId,
        a: &'w [R],
        b: &'w [R],
        place: std::ops::Range<usize>,
    ) -> Vec<Operand<'w, R>> {
        let encrypts = party == encryptor;
        let [left, right] =
            [(a, self.bits[0]), (b, self.bits[1])].map(|(words, bits)| Operand { words: &words[place.clone()], bits });
        let mut parts = Vec::with_capacity(2);
        // The encryptor's part of the left operand meets the other's part of the right one ...
        if self.choosers[encryptor.index()] {
            parts.push(if encrypts { left } else { right });
        }
        // ... and the other way round, which for a square is the same.
        if self.choosers[encryptor.other().index()] && parts.len() < self.operands() {
            parts.push(if encrypts { right } else { left });
        }
        parts
    }

    /// Takes what a batch made of its elements.
    fn take<R: Ring>(&self, into: &mut [R], share: &[R]) {
        for (into, share) in into.iter_mut().zip(share) {
            *into = if self.square && self.choosers == [true; 2] { share.add(*share) } else { *share };
        }
    }
}

/// Receives so many messages of one length into buffers, of which there may be some.
fn receive(channel: &mut dyn Channel, count: usize, bytes: usize, into: &mut Vec<Vec<u8>>) -> Result<()> {
    while into.len() < count {
        into.push(vec![0; bytes]);
    }
    into[..count].iter_mut().try_for_each(|message| channel.receive(message))
}

/// Works on as many items at a time as there are threads, and hands what comes out on in order.
fn in_waves<I: Send, O: Send, T>(
    items: Vec<I>,
    work: impl Fn(I) -> O + Sync,
    mut then: impl FnMut(O) -> Result<T>,
) -> Result<Vec<T>> {
    let (mut items, mut results) = (items.into_iter(), Vec::new());
    loop {
        let wave: Vec<I> = items.by_ref().take(rayon::current_num_threads()).collect();
        if wave.is_empty() {
            return Ok(results);
        }
        let done: Vec<O> = wave.into_par_iter().map(&work).collect();
        for done in done {
            results.push(then(done)?);
        }
    }
}
