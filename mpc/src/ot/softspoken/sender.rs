//! The sender of the extension: it holds the offset, and checks what the receiver sends.

use zeroize::{Zeroize, Zeroizing};

use super::check::{ANSWER_BYTES, Challenge};
use super::transpose::{self, TILE};
use super::tree::Seeds;
use super::vole::Vole;
use super::{BLOCK, STEP_EXTENSION};
use crate::channel::Channel;
use crate::error::{Error, Result};
use crate::hash::CorrelationRobust;
use crate::params::{SOFTSPOKEN_FIELD_BITS, SOFTSPOKEN_TREES};

/// This party's state as the sender.
pub(super) struct Sender {
    vole: Vole,
    offset: u128,
    context: [u8; 32],
    hash: CorrelationRobust,
    next_row: u64,
}

impl Sender {
    pub(super) fn new(seeds: Seeds, offset: u128, context: [u8; 32]) -> Self {
        let hash = CorrelationRobust::new("random OT", &context);
        Self { vole: Vole::punctured(seeds, offset), offset, context, hash, next_row: 0 }
    }

    /// Makes `tiles` tiles of transfers and hands their messages out.
    ///
    /// # Errors
    /// `PROTOCOL_OT_CHECK` if the receiver's columns are not consistent (CHK-601).
    pub(super) fn extend(&mut self, channel: &mut dyn Channel, tiles: usize) -> Result<Vec<[u128; 2]>> {
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

        let mut messages = vec![[0; 2]; usable * BLOCK];
        let mut zeros = Zeroizing::new([0; TILE * BLOCK]);
        let mut ones = Zeroizing::new([0; TILE * BLOCK]);
        for (tile, messages) in messages.chunks_exact_mut(TILE * BLOCK).enumerate() {
            transpose::rows(&columns, blocks, tile * TILE, &mut zeros);
            for (one, zero) in ones.iter_mut().zip(zeros.iter()) {
                *one = zero ^ self.offset;
            }
            self.hash.hash(self.next_row.into(), &mut zeros[..]);
            self.hash.hash(self.next_row.into(), &mut ones[..]);
            for ((message, zero), one) in messages.iter_mut().zip(zeros.iter()).zip(ones.iter()) {
                *message = [*zero, *one];
            }
            self.next_row += (TILE * BLOCK) as u64;
        }
        Ok(messages)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.offset.zeroize();
    }
}
