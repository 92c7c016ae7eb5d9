//! Memory for tables that are read at random.

use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

/// Bytes of a large page.
const PAGE: usize = 2 << 20;

/// Blocks, zero at first, on large pages where the system gives them: a random read then seldom waits for an address to
/// be translated. Wiped when dropped.
pub struct Table {
    memory: Vec<u128>,
    start: usize,
    len: usize,
}

impl Table {
    /// Room for `len` blocks.
    pub fn zeroed(len: usize) -> Self {
        let slack = if size_of::<u128>() * len < PAGE { 0 } else { PAGE / size_of::<u128>() };
        let memory = vec![0; len + slack];
        // An offset that does not exist is larger than any slack.
        let start = memory.as_ptr().align_offset(PAGE).min(slack);
        let table = Self { memory, start, len };
        if slack > 0 {
            table.ask_for_large_pages();
        }
        table
    }

    #[cfg(target_os = "linux")]
    fn ask_for_large_pages(&self) {
        let bytes = size_of_val::<[u128]>(self) / PAGE * PAGE;
        // SAFETY: the range lies within one live allocation of this process and starts at a page; the advice changes
        // neither its contents nor who may use it. That it is refused changes nothing but speed.
        unsafe { libc::madvise(self.as_ptr().cast_mut().cast(), bytes, libc::MADV_HUGEPAGE) };
    }

    #[cfg(not(target_os = "linux"))]
    fn ask_for_large_pages(&self) {}

    /// Keeps the first `len` blocks and wipes the others.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len {
            self[len..].zeroize();
            self.len = len;
        }
    }
}

impl Deref for Table {
    type Target = [u128];

    fn deref(&self) -> &[u128] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl DerefMut for Table {
    fn deref_mut(&mut self) -> &mut [u128] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // Only what was handed out: the slack was never written.
        self[..].zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_tables_hold_what_is_written() {
        for len in [0, 5, PAGE / 16 - 1, PAGE / 16, 3 * PAGE / 16 + 7] {
            let mut table = Table::zeroed(len);
            assert!(table.len() == len && table.iter().all(|block| *block == 0));
            table.iter_mut().enumerate().for_each(|(i, block)| *block = i as u128);
            assert!(table.iter().enumerate().all(|(i, block)| *block == i as u128));
            assert!(len * 16 < PAGE || (table.as_ptr() as usize).is_multiple_of(PAGE));
            table.truncate(len / 2);
            assert_eq!(table.len(), len / 2);
        }
    }
}
