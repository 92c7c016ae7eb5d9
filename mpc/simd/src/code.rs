//! The local code of LPN: row `i` of the code adds up [`LOCALITY`] entries of a table, at places from a public stream.
//!
//! The stream is AES-128 in counter mode under the key, counters as little-endian blocks. A group of [`ROWS`] rows has
//! its next `3 * ROWS` words of 64 bits: first one for each row, then another, then the third. A word holds three places of
//! 19 bits from bit 0 on; the seven bits above, of the three words, make the tenth place. Of each place as many low bits
//! count as the table needs.

use crate::Level;
use crate::tree::Key;

/// Entries that a row adds up.
pub const LOCALITY: usize = 10;

/// Rows of a group.
pub const ROWS: usize = 16;

/// Bits of a place.
pub(crate) const FIELD: usize = 19;

/// Whole places in a word, and words of a row.
pub(crate) const FIELDS: usize = 3;

/// Blocks of the stream for a group.
pub(crate) const STREAM: usize = ROWS * FIELDS / 2;

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
    /// If `table` has not a power of two of entries up to `2^19`, or `first` or the number of rows is not a multiple
    /// of [`ROWS`].
    pub fn add(&self, table: &[u128], first: usize, rows: &mut [u128], keep: u128) {
        assert!(table.len().is_power_of_two() && table.len() <= 1 << FIELD, "a power of two of entries");
        assert!(first.is_multiple_of(ROWS) && rows.len().is_multiple_of(ROWS), "whole groups of rows");
        match self.key.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the key's level is available, or it would be the portable one; the table was checked above.
            Level::Avx2 => unsafe { crate::v256::add(&self.key.rounds, table, first, rows, keep) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { crate::v512::add(&self.key.rounds, table, first, rows, keep) },
            _ => self.add_portable(table, first, rows, keep),
        }
    }

    fn add_portable(&self, table: &[u128], first: usize, rows: &mut [u128], keep: u128) {
        let mask = table.len() - 1;
        let mut stream = [0u128; STREAM];
        for (group, rows) in rows.chunks_exact_mut(ROWS).enumerate() {
            let counter = (first / ROWS + group) * STREAM;
            for (i, block) in stream.iter_mut().enumerate() {
                *block = (counter + i) as u128;
            }
            self.key.encrypt(&mut stream);
            let word = |i: usize| (stream[i / 2] >> (64 * (i % 2))) as u64 as usize;
            for (i, row) in rows.iter_mut().enumerate() {
                let words: [usize; FIELDS] = std::array::from_fn(|column| word(column * ROWS + i));
                let (mut sum, mut rest) = (*row & keep, 0);
                for (column, word) in words.into_iter().enumerate() {
                    for field in 0..FIELDS {
                        sum ^= table[word >> (field * FIELD) & mask];
                    }
                    rest |= word >> (FIELDS * FIELD) << ((64 - FIELDS * FIELD) * column);
                }
                *row = sum ^ table[rest & mask];
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
