//! Entries of public tables at the sum of two private indices.
//!
//! *Source*: a table look-up by one transfer of 1 of `2^m`, as SIRNN has it (ePrint 2021/459, section 3.2). We differ in
//! that the index is never shared: each party has a number of its own, and the offerer turns the table by its. The
//! message of the random digit 0 is free: its pad is the chooser's share there. Half of the elements are offered by each
//! party, so that both work and send at once.
//!
//! *Security*: semi-honest. The chooser's index is masked by the random digit of its transfers, the entries by pads of
//! which it can compute one, and its share by the offerer's, which follows from a pad that the chooser cannot tell from
//! random unless its digit is 0; then the chooser's own share is that pad. No branch and no address depends on an index:
//! tables are turned, and received entries chosen, by masks.
//!
//! *Cost*: [`super::cost::look_up`]: two exchanges a tile; for each element `m` transfers, `m` bits one way and
//! `2^m - 1` entries the other way.
//!
//! *Shapes and units*: an entry is all columns side by side, each modulo two to the power of its width.

use std::ops::Range;

use tacit_protocol::PartyId;
use zeroize::Zeroize;

use super::TwoParty;
use super::transfers::Offered;
use super::wire::{BitReader, BitWriter};
use crate::backend::Table;
use crate::correlations::Correlations;
use crate::error::Result;
use crate::ring::Ring;
use crate::share::{Arith, Placement, Seat};

/// Bits of the entries of a tile at most, both ways together: 32 MiB.
const TILE_BITS: usize = 1 << 28;
/// Elements whose pads are made at a time: a quarter of a mebibyte of them at most.
const CHUNK: usize = 64;
/// The most entries of a table.
const MOST: usize = 1 << Table::MOST_BITS;

/// Elements a tile.
pub(super) fn tile(table: &Table) -> usize {
    (TILE_BITS / (table.size() * table.width() as usize).max(1)).max(2)
}

/// The elements of a tile that each party offers.
pub(super) fn halves(elements: usize) -> [Range<usize>; 2] {
    let half = elements.div_ceil(2);
    [0..half, half..elements]
}

/// Bytes of the choices of so many elements. Who has none sends a byte, so that both send in every exchange.
pub(super) fn choice_bytes(elements: usize, table: &Table) -> usize {
    (elements * table.index_bits as usize).div_ceil(8).max(1)
}

/// Bytes of the entries of so many elements, likewise.
pub(super) fn entry_bytes(elements: usize, table: &Table) -> usize {
    (elements * (table.size() - 1) * table.width() as usize).div_ceil(8).max(1)
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    pub(super) fn look_up_columns(&mut self, index: [&Arith<R>; 2], table: &Table) -> Result<Vec<Arith<R>>> {
        let [first, second] = index;
        assert_eq!(first.len(), second.len(), "an index of each party for each element");
        assert!(
            table.index_bits <= Table::MOST_BITS && table.width() <= Table::MOST_WIDTH,
            "a table within its limits"
        );
        let placement = first.placement.join(second.placement);
        let packed = Packed::of(table);
        let digit = |sum: R| (sum.to_u128() as usize & (table.size() - 1)) as u8;
        if placement != Placement::Shared {
            let digits = first.words.iter().zip(&second.words).map(|(a, &b)| digit(a.add(b)));
            let entries: Vec<u128> = digits.map(|digit| pick(&packed.entries, digit)).collect();
            let holds = self.holds(placement);
            let columns = packed.columns::<R>(&entries, placement);
            // What is nobody else's business is whole here, and nothing there.
            let own = |column: Arith<R>| if holds { column } else { column.scale(R::ZERO) };
            return Ok(columns.into_iter().map(own).collect());
        }
        let parts = [PartyId::ZERO, PartyId::ONE].map(Placement::Private);
        assert_eq!([first.placement, second.placement], parts, "an index of each party");
        let mut own: Vec<u8> = index[self.party.index()].words.iter().map(|&word| digit(word)).collect();
        let mut entries = Vec::with_capacity(own.len());
        for own in own.chunks(tile(table)) {
            entries.extend(self.look_up_tile(own, table, &packed)?);
        }
        let columns = packed.columns(&entries, placement);
        own.zeroize();
        entries.zeroize();
        Ok(columns)
    }

    /// This party's shares of the entries of a tile.
    fn look_up_tile(&mut self, own: &[u8], table: &Table, packed: &Packed) -> Result<Vec<u128>> {
        let halves = halves(own.len());
        let [offers, chooses] = [self.party, self.party.other()].map(|offerer| halves[offerer.index()].clone());
        let bits = table.index_bits;
        // Both parties take the transfers that party 0 offers first.
        let (offered, (digits, pads)) = if self.first() {
            let offered = self.offer_blocks(offers.len(), bits as usize)?;
            (offered, self.choose_blocks(chooses.len(), bits as usize)?)
        } else {
            let chosen = self.choose_blocks(chooses.len(), bits as usize)?;
            (self.offer_blocks(offers.len(), bits as usize)?, chosen)
        };

        let mut message = BitWriter::with_capacity(choice_bytes(chooses.len(), table));
        for (own, digit) in own[chooses.clone()].iter().zip(&digits) {
            message.push(u128::from(own ^ digit), bits);
        }
        let message = filled(message.finish(), choice_bytes(chooses.len(), table));
        let flips = self.exchange(&message, choice_bytes(offers.len(), table))?;

        let (shares, message) = packed.offer(&offered, &own[offers.clone()], &flips, bits);
        let message = filled(message, entry_bytes(offers.len(), table));
        let received = self.exchange(&message, entry_bytes(chooses.len(), table))?;

        let mut reader = BitReader::new(&received);
        let mut row = [0; MOST];
        let row = &mut row[..table.size()];
        let choose = |(&digit, &pad): (&u8, &u128)| {
            row[1..].iter_mut().for_each(|entry| *entry = reader.take(packed.width));
            packed.add(pick(row, digit), pad & packed.all)
        };
        let chosen: Vec<u128> = digits.iter().zip(&pads).map(choose).collect();
        let (first, second) = if self.first() { (shares, chosen) } else { (chosen, shares) };
        Ok(first.into_iter().chain(second).collect())
    }
}

/// A message with the byte that says nothing where there is nothing to say.
fn filled(mut message: Vec<u8>, bytes: usize) -> Vec<u8> {
    message.resize(bytes, 0);
    message
}

/// The entry of a row at a secret place.
fn pick(row: &[u128], place: u8) -> u128 {
    row.iter().enumerate().fold(0, |chosen, (i, entry)| chosen | entry & equal(i as u8, place))
}

/// All ones where two digits are equal.
fn equal(a: u8, b: u8) -> u128 {
    let differ = u16::from(a ^ b);
    // The upper byte is all ones where nothing differs.
    u128::from(differ.wrapping_sub(1) >> 8 & 1).wrapping_neg()
}

/// A table with the columns of an entry side by side.
struct Packed {
    entries: Vec<u128>,
    widths: Vec<u32>,
    /// The bits of an entry.
    width: u32,
    all: u128,
    /// The uppermost bit of each column: sums and differences of columns take no carry over it.
    upper: u128,
}

impl Packed {
    fn of(table: &Table) -> Self {
        let mut packed = Self { entries: vec![0; table.size()], widths: Vec::new(), width: 0, all: 0, upper: 0 };
        for column in &table.columns {
            assert_eq!(column.entries.len(), table.size(), "an entry for each index");
            for (entry, value) in packed.entries.iter_mut().zip(&column.entries) {
                *entry |= (*value as u128 & ones(column.width)) << packed.width;
            }
            packed.width += column.width;
            packed.widths.push(column.width);
            packed.upper |= 1 << (packed.width - 1);
        }
        packed.all = ones(packed.width);
        packed
    }

    fn add(&self, a: u128, b: u128) -> u128 {
        (a & !self.upper).wrapping_add(b & !self.upper) ^ (a ^ b) & self.upper
    }

    fn sub(&self, a: u128, b: u128) -> u128 {
        (a | self.upper).wrapping_sub(b & !self.upper) ^ (a ^ !b) & self.upper
    }

    /// The offerer's shares of the entries at its index plus the chooser's, and the message: entries 1, 2, ... are for
    /// those random digits of the chooser, which `flips` turns into its index.
    fn offer(&self, offered: &Offered, own: &[u8], flips: &[u8], bits: u32) -> (Vec<u128>, Vec<u8>) {
        let count = self.entries.len();
        let mut shares = Vec::with_capacity(own.len());
        let mut message = BitWriter::with_capacity((own.len() * (count - 1) * self.width as usize).div_ceil(8));
        let mut flips = BitReader::new(flips);
        let mut pads = vec![0; CHUNK * count];
        let mut turned = [0; MOST];
        for (chunk, own) in own.chunks(CHUNK).enumerate() {
            let pads = &mut pads[..own.len() * count];
            offered.pads(chunk * CHUNK, own.len(), pads);
            for (i, &own_index) in own.iter().enumerate() {
                let flip = flips.take(bits) as usize;
                let turned = &mut turned[..count];
                self.turn(own_index, bits, turned);
                let pad = |digit: usize| pads[digit * own.len() + i] & self.all;
                let share = self.sub(turned[flip], pad(0));
                shares.push(share);
                for digit in 1..count {
                    // The entry less the own share, under the pad of this digit.
                    let entry = self.sub(turned[digit ^ flip], share);
                    message.push(self.sub(entry, pad(digit)), self.width);
                }
            }
        }
        turned.zeroize();
        pads.zeroize();
        (shares, message.finish())
    }

    /// The entries from a secret one on, around the end.
    fn turn(&self, by: u8, bits: u32, into: &mut [u128]) {
        into.copy_from_slice(&self.entries);
        let mut before = [0; MOST];
        let (before, mask) = (&mut before[..into.len()], into.len() - 1);
        for place in 0..bits {
            let turns = u128::from(by >> place & 1).wrapping_neg();
            before.copy_from_slice(into);
            for (i, entry) in into.iter_mut().enumerate() {
                *entry ^= turns & (*entry ^ before[(i + (1 << place)) & mask]);
            }
        }
    }

    fn columns<R: Ring>(&self, entries: &[u128], placement: Placement) -> Vec<Arith<R>> {
        let mut offset = 0;
        let mut columns = Vec::with_capacity(self.widths.len());
        for &width in &self.widths {
            // Signed, so that a value that is whole is what the table says.
            let word = |entry: &u128| R::from_i128(((entry >> offset) as i128) << (128 - width) >> (128 - width));
            columns.push(Arith { placement, words: entries.iter().map(word).collect() });
            offset += width;
        }
        columns
    }
}

fn ones(width: u32) -> u128 {
    u128::MAX.checked_shr(128 - width).unwrap_or(0)
}
