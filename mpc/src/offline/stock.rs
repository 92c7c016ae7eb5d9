//! Items in memory, handed out once.

use std::collections::{BTreeMap, VecDeque};

use zeroize::Zeroizing;

use super::{Counts, Kind};
use crate::error::{Error, Result};
use crate::ring::Ring;

/// Items that a run has claimed. What is left at its end is wiped.
#[derive(Default)]
pub struct Stock(BTreeMap<Kind, VecDeque<Lot>>);

/// Items of one kind that came together: their words, vector by vector, in limbs of 64 bits.
struct Lot {
    vectors: Vec<Zeroizing<Vec<u64>>>,
    count: usize,
    taken: usize,
}

impl Stock {
    /// Adds a chunk as [`super::Maker::chunk`] gave it.
    ///
    /// # Errors
    /// `CORRELATION_REUSE` if it is no chunk of this kind: whatever it is, it is not to be used.
    pub fn add(&mut self, kind: Kind, chunk: &[u8]) -> Result<()> {
        if chunk.len() != kind.chunk_bytes() {
            let (found, expected) = (chunk.len(), kind.chunk_bytes());
            let cause = format!("a chunk of {} has {found} bytes in place of {expected}", kind.name());
            return Err(Error::refused("CORRELATION_REUSE", cause));
        }
        let count = kind.chunk() as usize;
        let mut rest = chunk;
        let vectors = kind.words().into_iter().map(|words| {
            let (part, others) = rest.split_at(words * kind.limbs() * 8 * count);
            rest = others;
            let (limbs, _) = part.as_chunks::<8>();
            Zeroizing::new(limbs.iter().map(|limb| u64::from_le_bytes(*limb)).collect())
        });
        let lot = Lot { vectors: vectors.collect(), count, taken: 0 };
        self.0.entry(kind).or_default().push_back(lot);
        Ok(())
    }

    /// What there is.
    pub fn counts(&self) -> Counts {
        let left = |lots: &VecDeque<Lot>| lots.iter().map(|lot| (lot.count - lot.taken) as u64).sum();
        self.0.iter().map(|(kind, lots)| (*kind, left(lots))).collect()
    }

    /// Takes items out, vector by vector.
    ///
    /// # Panics
    /// If there are fewer: a plan takes what was claimed for it.
    pub(crate) fn take<R: Ring>(&mut self, kind: Kind, count: usize) -> Vec<Zeroizing<Vec<R>>> {
        let word =
            |limbs: &[u64]| R::from_u128(limbs.iter().rev().fold(0, |word, limb| word << 64 | u128::from(*limb)));
        let words = |limbs: Zeroizing<Vec<u64>>| Zeroizing::new(limbs.chunks_exact(kind.limbs()).map(word).collect());
        self.limbs(kind, count).into_iter().map(words).collect()
    }

    /// Sets items apart.
    pub(crate) fn split(&mut self, counts: &Counts) -> Self {
        let part = |(kind, count): (Kind, u64)| {
            let count = count as usize;
            (kind, VecDeque::from([Lot { vectors: self.limbs(kind, count), count, taken: 0 }]))
        };
        Self(counts.iter().map(part).collect())
    }

    fn limbs(&mut self, kind: Kind, count: usize) -> Vec<Zeroizing<Vec<u64>>> {
        let each: Vec<usize> = kind.words().into_iter().map(|words| words * kind.limbs()).collect();
        let mut vectors: Vec<_> = each.iter().map(|limbs| Zeroizing::new(Vec::with_capacity(limbs * count))).collect();
        let (mut missing, lots) = (count, self.0.entry(kind).or_default());
        while missing > 0 {
            let lot = lots.front_mut().expect("a plan takes what was claimed for it");
            let (from, taken) = (lot.taken, missing.min(lot.count - lot.taken));
            for ((into, vector), limbs) in vectors.iter_mut().zip(&lot.vectors).zip(&each) {
                into.extend_from_slice(&vector[from * limbs..(from + taken) * limbs]);
            }
            lot.taken += taken;
            missing -= taken;
            if lot.taken == lot.count {
                lots.pop_front();
            }
        }
        vectors
    }
}
