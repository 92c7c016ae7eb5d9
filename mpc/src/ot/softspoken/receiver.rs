//! The receiver of the extension: it grew all trees, chooses at random, and sends the corrections.

use tacit_simd::{Level, TILE};
use zeroize::Zeroizing;

use super::check::Challenge;
use super::vole::Vole;
use super::{BLOCK, STEP_EXTENSION, append};
use crate::channel::Channel;
use crate::error::Result;

/// This party's state as the receiver.
pub(super) struct Receiver {
    vole: Vole,
    context: [u8; 32],
    next_row: u64,
}

impl Receiver {
    pub(super) fn new(vole: Vole, context: [u8; 32]) -> Self {
        Self { vole, context, next_row: 0 }
    }

    /// How many transfers were made.
    pub(super) fn made(&self) -> u64 {
        self.next_row
    }

    /// Makes `tiles` tiles of transfers and appends what it receives, with the choice as bit 0.
    pub(super) fn extend(&mut self, channel: &mut dyn Channel, tiles: usize, received: &mut Vec<u128>) -> Result<()> {
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

        let received = append(received, usable * BLOCK);
        let mut rows = Zeroizing::new([0; TILE * BLOCK]);
        for (tile, (received, u)) in received.chunks_exact_mut(TILE * BLOCK).zip(u.chunks_exact(TILE)).enumerate() {
            tacit_simd::transpose(Level::detect(), &expansion.columns, blocks, tile * TILE, &mut rows[..]);
            for (i, (received, row)) in received.iter_mut().zip(rows.iter()).enumerate() {
                *received = row & !1 | u[i / BLOCK] >> (i % BLOCK) & 1;
            }
        }
        self.next_row += (usable * BLOCK) as u64;
        Ok(())
    }
}

fn xor<'a>(a: &'a [u128], b: &'a [u128]) -> impl Iterator<Item = u128> + 'a {
    a.iter().zip(b).map(|(a, b)| a ^ b)
}
