//! Draws of a seeded generator.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Draws of a seeded generator.
pub struct Draw(ChaCha20Rng);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound.max(1) as u64) as usize
    }

    /// True once in `of` draws.
    pub fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// A number from `lo` to `hi`, both included.
    pub fn between(&mut self, lo: i64, hi: i64) -> i64 {
        lo + self.below((hi - lo + 1) as usize) as i64
    }

    pub fn of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    /// One of the values, if there are any.
    pub fn any<T: Clone>(&mut self, values: &[T]) -> Option<T> {
        if values.is_empty() { None } else { Some(self.of(values)) }
    }
}
