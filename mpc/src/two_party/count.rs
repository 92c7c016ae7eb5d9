//! A backend that computes nothing and counts what the two-party engine would spend.
//!
//! A composed operation run on it gives its exact cost, since the engine's own depends on shapes alone.

use tacit_protocol::PartyId;

use super::cost::{self, Cost, Factors};
use super::means::Means;
use crate::arithmetic::Sorting;
use crate::backend::{Backend, Job, MatrixShape, Needs, Repeat, Table};
use crate::clear::{columns, whole_and_zero};
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Bits, Placement, Seat};

/// The costs so far. Its values are zeros in the right placements.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    /// What was counted.
    pub cost: Cost,
    /// What the engine's choices go by.
    pub means: Means,
}

impl Seat for Counter {
    fn party(&self) -> PartyId {
        PartyId::ZERO
    }

    fn holds(&self, _placement: Placement) -> bool {
        true
    }
}

fn words<R: Ring>(placement: Placement, n: usize) -> Arith<R> {
    Arith { placement, words: vec![R::ZERO; n] }
}

fn bits(placement: Placement, n: usize) -> Bits {
    Bits::new(placement, n, Vec::new())
}

impl<R: Ring> Backend<R> for Counter {
    fn together(&mut self, _needs: &[Needs], jobs: Vec<Job<'_, R>>) -> Result<()> {
        let (before, mut total) = (self.cost, Cost::default());
        for job in jobs {
            self.cost = Cost::default();
            job(self)?;
            total = total.beside(self.cost);
        }
        self.cost = before + total;
        Ok(())
    }

    fn and(&mut self, a: &Bits, b: &Bits) -> Result<Bits> {
        self.cost += cost::and(a.len, a.placement, b.placement);
        Ok(bits(a.placement.join(b.placement), a.len))
    }

    fn to_arith(&mut self, a: &Bits) -> Result<Arith<R>> {
        self.cost += cost::to_arith::<R>(a.len, a.placement, &mut self.means);
        Ok(words(a.placement, a.len))
    }

    fn select(&mut self, c: &Bits, x: &Arith<R>) -> Result<Arith<R>> {
        self.cost += cost::select::<R>(c.len, columns(c.len, x.len()), c.placement, x.placement);
        Ok(words(c.placement.join(x.placement), x.len()))
    }

    fn multiply(&mut self, a: &Arith<R>, b: &Arith<R>, a_bits: u32, b_bits: u32) -> Result<Arith<R>> {
        self.cost += cost::multiply::<R>(&Factors::of(a, b, (a_bits, b_bits)), &mut self.means);
        Ok(words(a.placement.join(b.placement), a.len()))
    }

    fn multiply_truncate(
        &mut self,
        a: &Arith<R>,
        b: &Arith<R>,
        bits: (u32, u32),
        product_bits: u32,
        shift: u32,
    ) -> Result<Arith<R>> {
        self.cost += cost::multiply_truncate::<R>(&Factors::of(a, b, bits), product_bits, shift, &mut self.means);
        Ok(words(a.placement.join(b.placement), a.len()))
    }

    fn select_within(&mut self, c: &Bits, x: &Arith<R>, width: u32) -> Result<Arith<R>> {
        self.cost += cost::select_within(c.len, columns(c.len, x.len()), c.placement, x.placement, width);
        Ok(words(c.placement.join(x.placement), x.len()))
    }

    fn shift_within(&mut self, places: &[Bits], x: &Arith<R>, width: u32) -> Result<Arith<R>> {
        let c = places.iter().fold(Placement::Public, |joined, place| joined.join(place.placement));
        self.cost += cost::shift_within(x.len(), places.len(), c, x.placement, width);
        Ok(words(c.join(x.placement), x.len()))
    }

    fn multiply_within(&mut self, a: &Arith<R>, b: &Arith<R>, bits: (u32, u32), width: u32) -> Result<Arith<R>> {
        self.cost += cost::multiply_within(&Factors::of(a, b, bits), width, &mut self.means);
        Ok(words(a.placement.join(b.placement), a.len()))
    }

    fn truncate_within(&mut self, x: &Arith<R>, shift: u32, width: u32, wanted: u32) -> Result<Arith<R>> {
        self.cost += cost::truncate_within(x.len(), shift, width, wanted, x.placement);
        Ok(words(x.placement, x.len()))
    }

    fn matrix_multiply(
        &mut self,
        a: &Arith<R>,
        b: &Arith<R>,
        shape: MatrixShape,
        bits: (u32, u32),
        repeat: Option<Repeat>,
    ) -> Result<Arith<R>> {
        self.cost += cost::matrix_multiply::<R>(shape, a.placement, b.placement, bits, repeat, &mut self.means);
        Ok(words(a.placement.join(b.placement), shape.rows * shape.columns))
    }

    fn sort(&mut self, x: &Arith<R>, sorting: &Sorting) -> Result<Arith<R>> {
        if x.placement == Placement::Shared {
            self.cost += cost::sort::<R>(x.len(), sorting);
        }
        Ok(words(x.placement, x.len()))
    }

    fn shuffle(&mut self, x: &Arith<R>, columns: usize, groups: usize) -> Result<Arith<R>> {
        self.cost += cost::shuffle::<R>(x.len(), columns, groups);
        Ok(words(Placement::Shared, x.len()))
    }

    fn is_negative(&mut self, x: &Arith<R>, width: u32) -> Result<Bits> {
        self.cost += cost::is_negative(x.len(), width, x.placement);
        Ok(bits(x.placement, x.len()))
    }

    fn is_zero(&mut self, x: &Arith<R>, width: u32) -> Result<Bits> {
        self.cost += cost::is_zero(x.len(), width, x.placement);
        Ok(bits(x.placement, x.len()))
    }

    fn truncate(&mut self, x: &Arith<R>, shift: u32) -> Result<Arith<R>> {
        self.cost += cost::truncate(x.len(), shift, x.placement);
        Ok(words(x.placement, x.len()))
    }

    fn floor_shift(&mut self, x: &Arith<R>, shift: u32, width: u32) -> Result<Arith<R>> {
        self.cost += cost::floor_shift::<R>(x.len(), shift, width, x.placement, &mut self.means);
        Ok(words(x.placement, x.len()))
    }

    fn bits_of(&mut self, x: &Arith<R>, count: u32, width: u32) -> Result<Vec<Bits>> {
        self.cost += cost::bits_of(x.len(), count, width, x.placement);
        Ok((0..count).map(|_| bits(x.placement, x.len())).collect())
    }

    fn parts(&mut self, x: &Arith<R>, width: u32) -> [Arith<R>; 2] {
        if x.placement != Placement::Shared {
            return whole_and_zero(x, width);
        }
        [PartyId::ZERO, PartyId::ONE].map(|party| words(Placement::Private(party), x.len()))
    }

    fn look_up(&mut self, index: [&Arith<R>; 2], table: &Table) -> Result<Vec<Arith<R>>> {
        let (n, placement) = (index[0].len(), index[0].placement.join(index[1].placement));
        self.cost += cost::look_up(n, table, placement);
        Ok(table.columns.iter().map(|_| words(placement, n)).collect())
    }

    fn reveal(&mut self, x: &Arith<R>, to: &[PartyId]) -> Result<Option<Vec<R>>> {
        self.cost += cost::reveal::<R>(x.len(), x.placement, to);
        Ok(Some(x.words.clone()))
    }

    fn reveal_bits(&mut self, x: &Bits, to: &[PartyId]) -> Result<Option<Vec<u64>>> {
        self.cost += cost::reveal_bits(x.len, x.placement, to);
        Ok(Some(x.words.clone()))
    }
}
