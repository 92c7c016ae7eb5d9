//! The sender of the extension: it holds the offset, and checks what the receiver sends.

use tacit_simd::{Level, TILE};
use zeroize::{Zeroize, Zeroizing};

use super::check::{ANSWER_BYTES, Challenge};
use super::vole::Vole;
use super::{BLOCK, STEP_EXTENSION, append};
use crate::channel::Channel;
use crate::error::{Error, Result};
use crate::params::{SOFTSPOKEN_FIELD_BITS, SOFTSPOKEN_TREES};

/// This party's state as the sender.
pub(super) struct Sender {
    vole: Vole,
    offset: u128,
    context: [u8; 32],
    next_row: u64,
}

impl Sender {
    pub(super) fn new(vole: Vole, offset: u128, context: [u8; 32]) -> Self {
        Self { vole, offset, context, next_row: 0 }
    }

    /// How many transfers were made.
    pub(super) fn made(&self) -> u64 {
        self.next_row
    }

    /// The offset.
    pub(super) fn offset(&self) -> u128 {
        self.offset
    }

    /// Makes `tiles` tiles of transfers and appends their keys, with bit 0 cleared: it belongs to the bit of the offset
    /// that is 1 always.
    ///
    /// # Errors
    /// `PROTOCOL_OT_CHECK` if the receiver's columns are not consistent (CHK-601).
    pub(super) fn extend(&mut self, channel: &mut dyn Channel, tiles: usize, keys: &mut Vec<u128>) -> Result<()> {
        channel.enter(STEP_EXTENSION);
        let usable = tiles * TILE;
        let blocks = usable + 1;
        let mut columns = self.vole.expand(blocks).columns;
        let mut correction = vec![0u128; (SOFTSPOKEN_TREES - 1) * blocks];
        let mut answer = [0; ANSWER_BYTES];
        channel.receive(bytemuck::cast_slice_mut(&mut correction))?;
        channel.receive(&mut answer)?;
        let challenge = Challenge::new(&self.context, self.next_row, bytemuck::cast_slice(&correction));
        let corrected = columns.chunks_exact_mut(blocks).enumerate().skip(SOFTSPOKEN_FIELD_BITS);
        for (c, column) in corrected {
            let chosen = 0u128.wrapping_sub(self.offset >> c & 1);
            let tree = (c / SOFTSPOKEN_FIELD_BITS - 1) * blocks;
            for (word, correction) in column.iter_mut().zip(&correction[tree..tree + blocks]) {
                *word ^= correction & chosen;
            }
        }
        if !challenge.accepts(&answer, &columns, blocks, self.offset) {
            return Err(Error::deviation("PROTOCOL_OT_CHECK", STEP_EXTENSION, "the OT columns are not consistent"));
        }

        let keys = append(keys, usable * BLOCK);
        let mut rows = Zeroizing::new([0; TILE * BLOCK]);
        for (tile, keys) in keys.chunks_exact_mut(TILE * BLOCK).enumerate() {
            tacit_simd::transpose(Level::detect(), &columns, blocks, tile * TILE, &mut rows[..]);
            for (key, row) in keys.iter_mut().zip(rows.iter()) {
                *key = row & !1;
            }
        }
        self.next_row += (usable * BLOCK) as u64;
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.offset.zeroize();
    }
}
