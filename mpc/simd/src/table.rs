//! Memory for tables that are read at random.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;
use zeroize::Zeroize;

/// Bytes of a large page.
const PAGE: usize = 2 << 20;

/// Bytes of a line of a cache.
const CACHE_LINE: usize = 64;

/// Blocks, zero at first, that start with a line of the cache, on large pages where the system gives them: a random read
/// then seldom waits for an address to be translated. Wiped when dropped.
pub struct Table {
    memory: Memory,
    len: usize,
}

/// Where a table is.
enum Memory {
    /// In the heap, from the given element on.
    Heap(Vec<u128>, usize),
    /// In pages of its own, from the given byte on. Memory that the heap hands out again may be on small pages already,
    /// and then stays there.
    Pages(MmapMut, usize),
}

impl Table {
    /// Room for `len` blocks.
    pub fn zeroed(len: usize) -> Self {
        let bytes = size_of::<u128>() * len;
        let pages = if bytes < PAGE { None } else { MmapMut::map_anon(bytes + PAGE).ok() };
        let memory = match pages {
            Some(pages) => {
                // That the advice is refused changes nothing but speed.
                #[cfg(target_os = "linux")]
                let _ = pages.advise(memmap2::Advice::HugePage);
                let start = pages.as_ptr().align_offset(PAGE);
                // An offset that cannot be told is larger than any slack. Every page holds whole blocks.
                Memory::Pages(pages, if start > PAGE { 0 } else { start })
            }
            None => {
                let slack = CACHE_LINE / size_of::<u128>();
                let memory = vec![0; len + slack];
                let start = memory.as_ptr().align_offset(CACHE_LINE).min(slack);
                Memory::Heap(memory, start)
            }
        };
        Self { memory, len }
    }
}

impl Deref for Table {
    type Target = [u128];

    fn deref(&self) -> &[u128] {
        match &self.memory {
            Memory::Heap(memory, start) => &memory[*start..*start + self.len],
            Memory::Pages(pages, start) => bytemuck::cast_slice(&pages[*start..*start + size_of::<u128>() * self.len]),
        }
    }
}

impl DerefMut for Table {
    fn deref_mut(&mut self) -> &mut [u128] {
        match &mut self.memory {
            Memory::Heap(memory, start) => &mut memory[*start..*start + self.len],
            Memory::Pages(pages, start) => {
                bytemuck::cast_slice_mut(&mut pages[*start..*start + size_of::<u128>() * self.len])
            }
        }
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
            assert!((table.as_ptr() as usize).is_multiple_of(if len * 16 < PAGE { CACHE_LINE } else { PAGE }));
        }
    }
}
