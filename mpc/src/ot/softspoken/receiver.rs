//! The receiver of the extension: it grew all trees, chooses at random, and sends the corrections.

use zeroize::Zeroizing;

use super::check::Challenge;
use super::transpose::{self, TILE};
use super::tree::Seeds;
use super::vole::Vole;
use super::{BLOCK, STEP_EXTENSION};
use crate::channel::Channel;
use crate::error::Result;
use crate::hash::CorrelationRobust;

/// This party's state as the receiver.
pub(super) struct Receiver {
    vole: Vole,
    context: [u8; 32],
    hash: CorrelationRobust,
    next_row: u64,
}

impl Receiver {
    pub(super) fn new(seeds: &Seeds, context: [u8; 32]) -> Self {
        let hash = CorrelationRobust::new("random OT", &context);
        Self { vole: Vole::full(seeds), context, hash, next_row: 0 }
    }

    /// Makes `tiles` tiles of transfers and hands their choices (two words a block) and messages out.
    pub(super) fn extend(&mut self, channel: &mut dyn Channel, tiles: usize) -> Result<(Vec<u64>, Vec<u128>)> {
        channel.enter(STEP_EXTENSION);
        let usable = tiles * TILE;
        let blocks = usable + 1;
        let expansion = self.vole.expand(blocks);
        let (u, others) = expansion.sums.split_at(blocks);
        let correction: Vec<u128> = others.chunks_exact(blocks).flat_map(|sum| xor(sum, u)).collect();
        let correction: &[u8] = bytemuck::cast_slice(&correction);
        let challenge = Challenge::new(&self.context, self.next_row, correction);
        channel.send(correction)?;
        channel.send(&challenge.answer(u, &expansion.columns, blocks))?;
        channel.flush()?;

        let mut messages = vec![0; usable * BLOCK];
        let mut rows = Zeroizing::new([0; TILE * BLOCK]);
        for (tile, messages) in messages.chunks_exact_mut(TILE * BLOCK).enumerate() {
            transpose::rows(&expansion.columns, blocks, tile * TILE, &mut rows);
            self.hash.hash(self.next_row.into(), &mut rows[..]);
            messages.copy_from_slice(&rows[..]);
            self.next_row += (TILE * BLOCK) as u64;
        }
        Ok((bytemuck::cast_slice(&u[..usable]).to_vec(), messages))
    }
}

fn xor<'a>(a: &'a [u128], b: &'a [u128]) -> impl Iterator<Item = u128> + 'a {
    a.iter().zip(b).map(|(a, b)| a ^ b)
}
