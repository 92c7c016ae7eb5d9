//! One round: its messages on either side, and the rows that are made from it when they are asked for.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tacit_simd::{Code, Key, Level, Table};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::check::{self, Weights};
use super::{ANSWER_BYTES, CHALLENGE_BYTES, Transcript, sums_bytes};
use crate::correlations::Pieces;
use crate::error::{Error, Result};
use crate::params::{COMPUTATIONAL_SECURITY, LpnSet};
use crate::prg::Prg;

/// How a party works: what decides its speed and nothing else.
#[derive(Clone, Copy, Debug)]
pub(in crate::ot) struct Work {
    /// The instructions.
    pub(in crate::ot) level: Level,
    /// Whether trees are shared out over the threads of the current rayon pool.
    pub(in crate::ot) parallel: bool,
}

/// Trees opened together for each thread where threads share them and the consumer asks for less: so few that the rows
/// are still in a near cache when they are handed out.
const AHEAD: usize = 2;

/// Trees that a thread is given at a time at least, where pieces are handed out: at either end it may open one that
/// another thread opens too.
const GROUP: usize = 8;

/// What a party knows of the trees of a round.
#[derive(Zeroize, ZeroizeOnDrop)]
enum Trees {
    /// The sender: the left one of the two nodes of each tree's first level; they differ by the offset.
    Full { offset: u128, roots: Vec<u128> },
    /// The receiver: the leaf it lacks of each tree, and for each level the sum of the nodes on the other side.
    Punctured { paths: Vec<usize>, sums: Vec<u128> },
}

/// The trees of a round, before their code is known.
struct Forest {
    set: &'static LpnSet,
    work: Work,
    key: Key,
    hash_of_zero: u128,
    trees: Trees,
}

impl Forest {
    fn new(set: &'static LpnSet, work: Work, transcript: &Transcript, trees: Trees) -> Self {
        let key = Key::new(work.level, transcript.key("trees"));
        let hash_of_zero = key.hash_of_zero();
        Self { set, work, key, hash_of_zero, trees }
    }

    /// The leaves of a tree. The sender's bit 0 is not cleared; `sums`, if there is room, are of the left nodes of each
    /// level. The receiver's bit 0 is the noise.
    fn grow(&self, tree: usize, leaves: &mut [u128], sums: &mut [u128]) {
        match &self.trees {
            Trees::Full { offset, roots } => {
                leaves[0] = roots[tree];
                leaves[1] = roots[tree] ^ offset;
                let mut sum = roots[tree];
                for (level, parents) in (0..self.set.depth).map(|level| (level, 1usize << level)) {
                    if level > 0 {
                        sum = tacit_simd::expand(&self.key, leaves, parents);
                    }
                    if let Some(slot) = sums.get_mut(level as usize) {
                        *slot = sum;
                    }
                }
            }
            Trees::Punctured { paths, sums } => {
                let depth = self.set.depth as usize;
                self.regrow(paths[tree], &sums[tree * depth..(tree + 1) * depth], leaves);
            }
        }
    }

    /// The receiver's leaves. The node that it lacks is kept as 0 on each level, so both its children come out as
    /// `H(0)`; then one becomes the sibling, from the sum of its side, and the other 0 again. In the last level the
    /// one that is lacking becomes the sum of all others, which is the sender's plus the offset.
    fn regrow(&self, path: usize, sums: &[u128], leaves: &mut [u128]) {
        let depth = self.set.depth;
        leaves[..2].fill(0);
        let (mut left, mut total, mut wrong) = (0, 0, 0);
        for (level, sum) in (0..depth).zip(sums) {
            let parents = 1usize << level;
            if level > 0 {
                left = tacit_simd::expand(&self.key, leaves, parents);
                wrong = self.hash_of_zero;
            }
            // Of the nodes known on each side: the sum over both is that over their parents, for a pair adds up to it.
            let known_left = left ^ wrong;
            let known_right = known_left ^ total;
            let right = 0u128.wrapping_sub((path >> (depth - 1 - level) & 1) as u128);
            let sibling = sum ^ (known_left & right | known_right & !right);
            total ^= sibling;
            let last = level + 1 == depth;
            let (lacking, keep) = if last { (total | 1, !1) } else { (0, !0) };
            let sibling = sibling & keep ^ wrong & keep;
            let lacking = lacking ^ wrong & keep;
            let pair = [sibling & right | lacking & !right, lacking & right | sibling & !right];
            tacit_simd::flip_pair(self.work.level, &mut leaves[..2 * parents], path >> (depth - level), pair, keep);
        }
    }

    /// One value for each tree, from room for its leaves.
    fn each<T: Send>(&self, of: impl Fn(usize, &mut [u128]) -> T + Sync) -> Vec<T> {
        let scratch = || Table::zeroed(self.set.block());
        match self.work.parallel {
            true => (0..self.set.trees).into_par_iter().map_init(scratch, |leaves, tree| of(tree, leaves)).collect(),
            false => {
                let mut leaves = scratch();
                (0..self.set.trees).map(|tree| of(tree, &mut leaves)).collect()
            }
        }
    }
}

/// The sender between its two messages.
pub(in crate::ot) struct Sending {
    forest: Forest,
    transcript: Transcript,
    table: Table,
    mask: Zeroizing<Vec<u128>>,
    offset: Zeroizing<u128>,
}

impl Sending {
    /// Starts a round with the transfers that it takes, and tells the first message.
    pub(in crate::ot) fn start(
        set: &'static LpnSet,
        work: Work,
        mut transcript: Transcript,
        inputs: Table,
        offset: u128,
        seeds: &mut Prg,
    ) -> (Self, Vec<u8>) {
        let mut roots = vec![0; set.trees];
        seeds.fill(&mut roots);
        let Inputs { table, levels, mask } = Inputs::split(set, inputs);
        let forest = Forest::new(set, work, &transcript, Trees::Full { offset, roots });
        let depth = set.depth as usize;
        let left = forest.each(|tree, leaves| {
            let mut left = vec![0; depth];
            forest.grow(tree, leaves, &mut left);
            left
        });
        let mut message = Vec::with_capacity(sums_bytes(set));
        for (key, left) in levels.iter().zip(left.iter().flatten()) {
            message.extend_from_slice(&(key ^ left).to_le_bytes());
        }
        transcript.add(&message);
        (Self { forest, transcript, table, mask, offset: Zeroizing::new(offset) }, message)
    }

    /// Takes the receiver's challenge, and tells the answer.
    pub(in crate::ot) fn answer(mut self, challenge: &[u8; CHALLENGE_BYTES]) -> (Round, [u8; ANSWER_BYTES]) {
        self.transcript.add(challenge);
        let [seed, masked] = words(challenge);
        let level = self.forest.work.level;
        let weights = Weights::new(seed, self.forest.set.block());
        let trees = self.forest.each(|tree, leaves| {
            self.forest.grow(tree, leaves, &mut []);
            leaves.iter_mut().for_each(|leaf| *leaf &= !1);
            check::reduce(tacit_simd::weigh(level, leaves, &weights.leaves))
        });
        let value = check::expected_of_sender(level, weights.total(level, trees), &self.mask, *self.offset, masked);
        let answer = answer(&self.transcript, &value);
        (Round::new(self.forest, self.table, &self.transcript), answer)
    }
}

/// The receiver between the sender's two messages.
pub(in crate::ot) struct Receiving {
    forest: Forest,
    transcript: Transcript,
    table: Table,
    expected: [u8; ANSWER_BYTES],
}

impl Receiving {
    /// Starts a round with the transfers that it takes and the sender's first message, and tells the challenge, which
    /// has the fresh randomness `seed`.
    pub(in crate::ot) fn challenge(
        set: &'static LpnSet,
        work: Work,
        mut transcript: Transcript,
        inputs: Table,
        message: &[u8],
        seed: u128,
    ) -> (Self, [u8; CHALLENGE_BYTES]) {
        assert_eq!(message.len(), sums_bytes(set), "a sum for each level of each tree");
        let Inputs { table, levels, mask } = Inputs::split(set, inputs);
        // The side that a path does not take is that of the choice bit, so the path takes its complement.
        let paths = levels
            .chunks_exact(set.depth as usize)
            .map(|tree| tree.iter().fold(0, |path, level| path << 1 | (!level & 1) as usize))
            .collect();
        let sums = levels
            .iter()
            .zip(message.chunks_exact(16))
            .map(|(level, sum)| level ^ bytemuck::pod_read_unaligned::<u128>(sum).to_le())
            .collect();
        let forest = Forest::new(set, work, &transcript, Trees::Punctured { paths, sums });
        let weights = Weights::new(seed, set.block());
        let trees = forest.each(|tree, leaves| {
            forest.grow(tree, leaves, &mut []);
            let sum = check::reduce(tacit_simd::weigh(work.level, leaves, &weights.leaves));
            (sum, u128::from(tacit_simd::weigh_marked(work.level, leaves, &weights.leaves)))
        });
        let noise = weights.total(work.level, trees.iter().map(|(_, noise)| *noise));
        let mut challenge = [0; CHALLENGE_BYTES];
        challenge[..16].copy_from_slice(&seed.to_le_bytes());
        challenge[16..].copy_from_slice(&(noise ^ check::mask(&mask)).to_le_bytes());
        transcript.add(message);
        transcript.add(&challenge);
        let value = check::expected_of_receiver(weights.total(work.level, trees.iter().map(|(sum, _)| *sum)), &mask);
        let expected = answer(&transcript, &value);
        (Self { forest, transcript, table, expected }, challenge)
    }

    /// Takes the sender's answer.
    ///
    /// # Errors
    /// `PROTOCOL_OT_CHECK` if the sender's trees are not those of its messages (CHK-601).
    pub(in crate::ot) fn finish(self, answer: &[u8; ANSWER_BYTES], step: &'static str) -> Result<Round> {
        if bool::from(self.expected.ct_eq(answer)) {
            Ok(Round::new(self.forest, self.table, &self.transcript))
        } else {
            Err(Error::deviation("PROTOCOL_OT_CHECK", step, "the trees of a silent round are not consistent"))
        }
    }
}

/// A round that has been checked: what is left of its rows.
pub(in crate::ot) struct Round {
    forest: Forest,
    table: Table,
    code: Code,
    /// Bits of a leaf that count in its row: the sender's bit 0 does not.
    keep: u128,
    /// Rows that were handed out.
    used: usize,
    /// Rows of the trees that were opened last, and which they are.
    opened: Table,
    ready: Range<usize>,
    /// Room for a piece and a tree, for each thread that hands out.
    rooms: Mutex<Vec<Table>>,
}

impl Round {
    fn new(forest: Forest, table: Table, transcript: &Transcript) -> Self {
        let code = Code::new(forest.work.level, transcript.key("code"));
        let keep = if matches!(forest.trees, Trees::Full { .. }) { !1 } else { !0 };
        Self { forest, table, code, keep, used: 0, opened: Table::zeroed(0), ready: 0..0, rooms: Mutex::default() }
    }

    /// The set that it is of.
    pub(in crate::ot) fn set(&self) -> &'static LpnSet {
        self.forest.set
    }

    /// Rows that were not handed out.
    pub(in crate::ot) fn left(&self) -> usize {
        self.forest.set.outputs() - self.used
    }

    /// Ends the round and leaves the memory of its table, with what is in it.
    pub(in crate::ot) fn into_table(self) -> Table {
        self.table
    }

    /// Hands out the next rows.
    ///
    /// # Panics
    /// If fewer are left.
    pub(in crate::ot) fn take(&mut self, into: &mut [u128]) {
        assert!(into.len() <= self.left(), "as many rows as there are");
        let block = self.forest.set.block();
        let mut missing = into;
        while !missing.is_empty() {
            let len = if self.ready.contains(&self.used) {
                let from = self.used - self.ready.start;
                let len = missing.len().min(self.ready.end - self.used);
                missing[..len].copy_from_slice(&self.opened[from..from + len]);
                len
            } else if self.used.is_multiple_of(block) && missing.len() >= block {
                let len = missing.len() / block * block;
                self.open(self.used / block, &mut missing[..len]);
                len
            } else {
                self.open_ahead();
                0
            };
            self.used += len;
            missing = &mut missing[len..];
        }
    }

    /// Hands out the next rows in pieces.
    ///
    /// # Panics
    /// If fewer are left.
    pub(in crate::ot) fn take_pieces(&mut self, pieces: Pieces<'_>) {
        let (start, rows, piece, block) = (self.used, pieces.transfers(), pieces.piece(), self.forest.set.block());
        assert!(rows <= self.left(), "as many rows as there are");
        if rows < 2 * block {
            // Several of them may lie in one tree.
            let mut room = Table::zeroed(piece.min(rows));
            let Ok(()) = pieces.visit(|len, made| {
                self.take(&mut room[..len]);
                made(&mut room[..len]);
                Ok::<_, Infallible>(())
            });
            return;
        }
        self.used += rows;
        let threads = if self.forest.work.parallel { rayon::current_num_threads() } else { 1 };
        if threads == 1 || rows < 2 * GROUP * block {
            return self.walk(start, pieces);
        }
        let count = (rows / (4 * threads)).max(GROUP * block).div_ceil(piece);
        let groups = pieces.groups(count).enumerate();
        groups.for_each(|(i, pieces)| self.walk(start + i * count * piece, pieces));
    }

    /// Hands out rows from number `start` on in pieces, one after the other.
    fn walk(&self, start: usize, pieces: Pieces<'_>) {
        let block = self.forest.set.block();
        let size = pieces.piece() + block;
        let spare = self.rooms().pop().filter(|room| room.len() >= size);
        let mut room = spare.unwrap_or_else(|| Table::zeroed(size));
        let (mut tree, mut skip, mut held) = (start / block, start % block, 0);
        let Ok(()) = pieces.visit(|len, made| {
            while held < len {
                self.open_tree(tree, &mut room[held..held + block]);
                room.copy_within(held + skip..held + block, held);
                held += block - skip;
                (tree, skip) = (tree + 1, 0);
            }
            made(&mut room[..len]);
            room.copy_within(len..held, 0);
            held -= len;
            Ok::<_, Infallible>(())
        });
        self.rooms().push(room);
    }

    fn rooms(&self) -> MutexGuard<'_, Vec<Table>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the tree of the next row, and some more where threads share them.
    fn open_ahead(&mut self) {
        let (set, parallel) = (self.forest.set, self.forest.work.parallel);
        let first = self.used / set.block();
        let ahead = if parallel { AHEAD * rayon::current_num_threads() } else { 1 };
        let rows = ahead.min(set.trees - first) * set.block();
        let mut opened = std::mem::replace(&mut self.opened, Table::zeroed(0));
        if opened.len() < rows {
            opened = Table::zeroed(rows);
        }
        self.open(first, &mut opened[..rows]);
        self.opened = opened;
        self.ready = first * set.block()..first * set.block() + rows;
    }

    /// The rows of trees from number `first` on, as many as there is room for.
    fn open(&self, first: usize, rows: &mut [u128]) {
        let block = self.forest.set.block();
        if self.forest.work.parallel {
            let trees = rows.par_chunks_exact_mut(block).enumerate();
            trees.for_each(|(i, rows)| self.open_tree(first + i, rows));
        } else {
            rows.chunks_exact_mut(block).enumerate().for_each(|(i, rows)| self.open_tree(first + i, rows));
        }
    }

    /// All rows of a tree.
    fn open_tree(&self, tree: usize, rows: &mut [u128]) {
        self.forest.grow(tree, rows, &mut []);
        let set = self.forest.set;
        self.code.add(&self.table[..set.secret()], tree * set.block(), rows, self.keep);
    }
}

/// The transfers that a round takes, by their use.
struct Inputs {
    /// The first are the table of the code; the rest is wiped.
    table: Table,
    levels: Zeroizing<Vec<u128>>,
    mask: Zeroizing<Vec<u128>>,
}

impl Inputs {
    fn split(set: &LpnSet, mut inputs: Table) -> Self {
        assert_eq!(inputs.len(), set.inputs(), "as many transfers as a round takes");
        let mask = inputs[set.inputs() - COMPUTATIONAL_SECURITY..].to_vec();
        let levels = inputs[set.secret()..set.inputs() - COMPUTATIONAL_SECURITY].to_vec();
        inputs[set.secret()..].zeroize();
        Self { table: inputs, levels: Zeroizing::new(levels), mask: Zeroizing::new(mask) }
    }
}

/// The sender's last message, for the value that both sides arrive at.
fn answer(transcript: &Transcript, value: &[u8; 16]) -> [u8; ANSWER_BYTES] {
    Sha256::new().chain_update(transcript.digest("check")).chain_update(value).finalize().into()
}

/// The two words of a challenge.
fn words(challenge: &[u8; CHALLENGE_BYTES]) -> [u128; 2] {
    let words: [u128; 2] = bytemuck::pod_read_unaligned(challenge);
    words.map(u128::to_le)
}
