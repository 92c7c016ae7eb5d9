//! The local code of LPN: rows in groups of four, of which each adds up one entry of each of [`LOCALITY`] *lines* of a
//! table, at places from a public stream.
//!
//! A line is four entries that lie side by side. The rows of a group share their lines and never an entry: of line `j` of
//! the group, row `r` adds entry `r ⊕ (j mod 4)`. So a line that comes from a far cache serves four rows. In other words
//! the code is a lift, by the group `Z2 × Z2`, of a code with uniform places that has a quarter of the entries and rows,
//! as quasi-cyclic codes are lifts by a cyclic group. What that means for the security of a set stands where the sets are,
//! in the engine's `params`.
//!
//! The stream is AES-128 in counter mode under the key, counters as little-endian blocks. A batch of [`ROWS`] rows has
//! its next `3 * ROWS / 4` words of 64 bits: first one for each group, then another, then the third. A word holds three
//! places of 19 bits from bit 0 on; the seven bits above, of the three words, make the tenth place. Of each place as many
//! low bits count as the table has lines.

use crate::Level;
use crate::tree::Key;

/// Lines that a row takes an entry of.
pub const LOCALITY: usize = 10;

/// Entries of a line, and rows of a group.
pub(crate) const LINE: usize = 4;

/// Entries side by side.
pub(crate) type Line = [u128; LINE];

/// Groups of a batch.
pub(crate) const GROUPS: usize = 16;

/// Rows of a batch.
pub const ROWS: usize = GROUPS * LINE;

/// Bits of a place.
pub(crate) const FIELD: usize = 19;

/// Whole places in a word, and words of a group.
pub(crate) const FIELDS: usize = 3;

/// Blocks of the stream for a batch.
pub(crate) const STREAM: usize = GROUPS * FIELDS / 2;

/// The code of one round.
pub struct Code {
    key: Key,
}

impl Code {
    /// The code of a public seed, for kernels of a level.
    pub fn new(level: Level, seed: u128) -> Self {
        Self { key: Key::new(level, seed) }
    }

    /// Keeps the bits of `keep` in each of `rows`, the first of which is number `first`, and adds its entries of `table`
    /// to it.
    ///
    /// # Panics
    /// If `table` has not a power of two of entries from 4 to `2^19`, or `first` or the number of rows is not a multiple
    /// of [`ROWS`].
    pub fn add(&self, table: &[u128], first: usize, rows: &mut [u128], keep: u128) {
        let (lines, rest) = table.as_chunks::<LINE>();
        assert!(
            rest.is_empty() && lines.len().is_power_of_two() && table.len() <= 1 << FIELD,
            "a power of two of lines"
        );
        assert!(first.is_multiple_of(ROWS) && rows.len().is_multiple_of(ROWS), "whole batches of rows");
        match self.key.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the key's level is available, or it would be the portable one; the table was checked above.
            Level::Avx2 => unsafe { crate::v256::add(&self.key.rounds, lines, first, rows, keep) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { crate::v512::add(&self.key.rounds, lines, first, rows, keep) },
            _ => self.add_portable(lines, first, rows, keep),
        }
    }

    fn add_portable(&self, lines: &[Line], first: usize, rows: &mut [u128], keep: u128) {
        let mask = lines.len() - 1;
        let mut stream = [0u128; STREAM];
        for (batch, rows) in rows.chunks_exact_mut(ROWS).enumerate() {
            let counter = (first / ROWS + batch) * STREAM;
            for (i, block) in stream.iter_mut().enumerate() {
                *block = (counter + i) as u128;
            }
            self.key.encrypt(&mut stream);
            let word = |i: usize| (stream[i / 2] >> (64 * (i % 2))) as u64 as usize;
            for (i, group) in rows.as_chunks_mut::<LINE>().0.iter_mut().enumerate() {
                let words: [usize; FIELDS] = std::array::from_fn(|column| word(column * GROUPS + i));
                let (mut places, mut rest) = ([0; LOCALITY], 0);
                for (column, word) in words.into_iter().enumerate() {
                    for field in 0..FIELDS {
                        places[FIELDS * column + field] = word >> (field * FIELD);
                    }
                    rest |= word >> (FIELDS * FIELD) << ((64 - FIELDS * FIELD) * column);
                }
                places[LOCALITY - 1] = rest;
                group.iter_mut().for_each(|row| *row &= keep);
                for (j, place) in places.into_iter().enumerate() {
                    let line = &lines[place & mask];
                    for (r, row) in group.iter_mut().enumerate() {
                        *row ^= line[r ^ (j % LINE)];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_adds_the_same_entries() {
        let table: Vec<u128> =
            (0..1u128 << 12).map(|i| (i + 5).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).collect();
        let rows: Vec<u128> = (0..512).map(|i| i * 3).collect();
        let with = |level, first| {
            let mut rows = rows.clone();
            Code::new(level, 42).add(&table, first, &mut rows, !1);
            rows
        };
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            assert_eq!(with(level, 1024), with(Level::Portable, 1024), "{level:?}");
        }
        // A row is the same wherever a call starts.
        assert_eq!(with(Level::Portable, 64)[..448], {
            let mut all: Vec<u128> = rows[..64].iter().chain(&rows).copied().collect();
            Code::new(Level::Portable, 42).add(&table, 0, &mut all, !1);
            all[64..512].to_vec()
        });
    }

    #[test]
    fn rows_are_sums_of_ten_entries_spread_evenly() {
        let table = vec![2u128; 1 << 10];
        let mut rows = vec![1u128; 64];
        Code::new(Level::detect(), 1).add(&table, 0, &mut rows, !1);
        assert!(rows.iter().all(|row| *row == 0), "ten entries cancel, and bit 0 is cleared");
        // Count how often each half of a table is hit: 640 places are within eight deviations of 320.
        let counted: Vec<u128> = (0..1 << 10).map(|i| if i < 512 { 1 << 64 } else { 0 }).collect();
        let mut odd = vec![0u128; 6400];
        Code::new(Level::detect(), 2).add(&counted, 0, &mut odd, !0);
        let ones = odd.iter().filter(|row| **row != 0).count();
        assert!((3200 - 320..=3200 + 320).contains(&ones), "{ones} odd rows of 6400");
    }
}
