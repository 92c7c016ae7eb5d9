//! Every security parameter of the engine. Nothing else defines one.

/// Computational security, in bits: the width of OT messages and of the offset of the OT extension.
pub const COMPUTATIONAL_SECURITY: usize = 128;

/// Statistical security, in bits: what a check or a mask may fail by.
pub const STATISTICAL_SECURITY: usize = 40;

/// SoftSpoken's `k`: each tree has `2^k` leaves, and an OT costs `128 / k` bits minus one tree's share. Eight, for it
/// makes only the transfers that silent OT starts from, or that are too few for it: there bytes count more than AES.
pub const SOFTSPOKEN_FIELD_BITS: usize = 8;

/// SoftSpoken's number of trees: `k` bits of the offset each.
pub const SOFTSPOKEN_TREES: usize = COMPUTATIONAL_SECURITY / SOFTSPOKEN_FIELD_BITS;

/// Blocks of 128 transfers that one consistency check covers at most. Worst case 1 MiB of columns a direction.
pub const SOFTSPOKEN_MAX_BLOCKS: usize = 512;

/// Blocks of 128 transfers that one extension makes at least, so that the fixed 2 KiB of a check stay below a tenth.
pub const SOFTSPOKEN_MIN_BLOCKS: usize = 64;

/// Bytes of a tag of the alignment. Two different keys among `n` in all collide with probability below
/// `n^2 / 2^129`: 2^-87 at two times a million.
pub const ALIGN_TAG_BYTES: usize = 16;

/// Elements of one alignment at most: the square of their number stays `2^-STATISTICAL_SECURITY` below the tags' space.
pub const ALIGN_MAX_ELEMENTS: u64 = 1 << 27;

/// Frames one direction of a channel carries at most under one key: 2^44 AES blocks, so that AES-GCM's distinguishing
/// advantage stays below `2^-STATISTICAL_SECURITY`.
pub const CHANNEL_MAX_FRAMES: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trees_cover_the_offset_exactly() {
        assert_eq!(SOFTSPOKEN_TREES * SOFTSPOKEN_FIELD_BITS, COMPUTATIONAL_SECURITY);
    }

    #[test]
    fn the_polynomial_hash_misses_a_deviation_rarely_enough() {
        // A non-zero polynomial of degree n over GF(2^128) has at most n roots. The challenge is a hash of the
        // deviation itself, so the bound must hold against 2^64 attempts and still be statistical.
        let miss_log2 = (SOFTSPOKEN_MAX_BLOCKS + 1).ilog2() as i64 + 1 - 128;
        assert!(miss_log2 + 64 <= -(STATISTICAL_SECURITY as i64));
    }

    #[test]
    fn alignment_tags_collide_rarely_enough() {
        let pairs_log2 = 2 * (2 * ALIGN_MAX_ELEMENTS).ilog2() as i64 - 1;
        assert!(pairs_log2 - 8 * ALIGN_TAG_BYTES as i64 <= -(STATISTICAL_SECURITY as i64));
    }

    #[test]
    fn a_lane_ends_before_its_cipher_wears_out() {
        let blocks_log2 = i64::from(CHANNEL_MAX_FRAMES.ilog2()) + 12;
        assert!(2 * blocks_log2 - 129 <= -(STATISTICAL_SECURITY as i64));
    }
}
