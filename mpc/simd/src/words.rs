//! Memory for words that kernels work on.

use std::ops::{Deref, DerefMut};

/// Bytes of a line of a cache, and of the widest register.
const LINE: usize = 64;

/// Words, zero at first, that start with a line of the cache: a register's words are then never in two of them.
#[derive(Debug, Default)]
pub struct Words {
    memory: Vec<u64>,
    start: usize,
    len: usize,
}

impl Words {
    /// Room for `len` words.
    pub fn zeroed(len: usize) -> Self {
        let slack = LINE / size_of::<u64>();
        let memory = vec![0; len + slack];
        // An offset that cannot be told is larger than any slack.
        let start = memory.as_ptr().align_offset(LINE).min(slack);
        Self { memory, start, len }
    }
}

impl Deref for Words {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut [u64] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_start_with_a_line_and_hold_what_is_written() {
        for len in [0, 1, 7, 8, 1000] {
            let mut words = Words::zeroed(len);
            assert!(words.len() == len && words.iter().all(|word| *word == 0));
            words.iter_mut().enumerate().for_each(|(i, word)| *word = i as u64);
            assert!(words.iter().enumerate().all(|(i, word)| *word == i as u64));
            assert!((words.as_ptr() as usize).is_multiple_of(LINE));
        }
        assert!(Words::default().is_empty());
    }
}
