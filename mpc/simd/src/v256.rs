//! 256-bit registers: AVX2, VAES, VPCLMULQDQ.

use std::arch::x86_64::*;

use crate::code::{LINE, LOCALITY, Line};

/// Blocks in a register.
const LANES: usize = 2;

type Vector = __m256i;

#[inline]
#[target_feature(enable = "avx2")]
fn load(from: &[u128; LANES]) -> Vector {
    // SAFETY: the reference is valid for 32 bytes, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(into: &mut [u128; LANES], value: Vector) {
    // SAFETY: the reference is valid for 32 bytes, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(into.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_words(into: &mut [u64; 2 * LANES], value: Vector) {
    // SAFETY: the reference is valid for 32 bytes, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(into.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(value: u128) -> Vector {
    let words = _mm_set_epi64x((value >> 64) as i64, value as i64);
    _mm256_broadcastsi128_si256(words)
}

#[inline]
#[target_feature(enable = "avx2")]
fn zero() -> Vector {
    _mm256_setzero_si256()
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: Vector, b: Vector) -> Vector {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn and(a: Vector, b: Vector) -> Vector {
    _mm256_and_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_words(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi64(a, b)
}

/// `σ` of each block: the halves change places, and the high half is added to the new one in its place.
#[inline]
#[target_feature(enable = "avx2")]
fn sigma(x: Vector) -> Vector {
    xor(_mm256_shuffle_epi32::<0x4e>(x), _mm256_blend_epi32::<0b1100_1100>(zero(), x))
}

#[inline]
#[target_feature(enable = "avx2,vaes")]
fn round(x: Vector, key: Vector) -> Vector {
    _mm256_aesenc_epi128(x, key)
}

#[inline]
#[target_feature(enable = "avx2,vaes")]
fn last_round(x: Vector, key: Vector) -> Vector {
    _mm256_aesenclast_epi128(x, key)
}

/// The low words of the blocks of `a`, then of `b`.
#[inline]
#[target_feature(enable = "avx2")]
fn low_words(a: Vector, b: Vector) -> Vector {
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_unpacklo_epi64(a, b))
}

/// Bit `place` of each word.
#[inline]
#[target_feature(enable = "avx2")]
fn bits_at(words: Vector, place: u32) -> u64 {
    _mm256_movemask_pd(_mm256_castsi256_pd(up(words, 63 - place as i32))) as u64
}

/// The two words of each block in each other's places.
#[inline]
#[target_feature(enable = "avx2")]
fn swap_words(x: Vector) -> Vector {
    _mm256_shuffle_epi32::<0x4e>(x)
}

/// Minus each 64-bit word.
#[inline]
#[target_feature(enable = "avx2")]
fn negative(x: Vector) -> Vector {
    _mm256_sub_epi64(zero(), x)
}

/// The blocks of `a` and `b` in turns.
#[inline]
#[target_feature(enable = "avx2")]
fn interleave(a: Vector, b: Vector) -> [Vector; 2] {
    [_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b)]
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum_lanes(x: Vector) -> u128 {
    let mut lanes = [0; LANES];
    store(&mut lanes, x);
    lanes[0] ^ lanes[1]
}

/// What the rows of a group add up, of its lines.
#[inline]
#[target_feature(enable = "avx2")]
fn sum_lines(lines: &[&Line; LOCALITY]) -> [Vector; LINE / LANES] {
    // By the low bit of what is added to a row's number. The upper bit makes the halves of a line change places.
    let mut sums = [[zero(); LINE / LANES]; 2];
    for (j, line) in lines.iter().enumerate() {
        let (halves, _) = line.as_chunks::<LANES>();
        let sums = &mut sums[j % 2];
        for (half, sum) in sums.iter_mut().enumerate() {
            *sum = xor(*sum, load(&halves[half ^ (j / 2 % 2)]));
        }
    }
    let [even, odd] = sums;
    [xor(even[0], swap(odd[0])), xor(even[1], swap(odd[1]))]
}

/// The blocks in each other's places.
#[inline]
#[target_feature(enable = "avx2")]
fn swap(x: Vector) -> Vector {
    _mm256_permute4x64_epi64::<0x4e>(x)
}

/// Each 64-bit word shifted up.
#[inline]
#[target_feature(enable = "avx2")]
fn up(x: Vector, by: i32) -> Vector {
    _mm256_sll_epi64(x, _mm_cvtsi32_si128(by))
}

/// Each 64-bit word shifted down.
#[inline]
#[target_feature(enable = "avx2")]
fn down(x: Vector, by: i32) -> Vector {
    _mm256_srl_epi64(x, _mm_cvtsi32_si128(by))
}

/// Products of the low words of `a` and `b`.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn times_low(a: Vector, b: Vector) -> Vector {
    _mm256_clmulepi64_epi128::<0x00>(a, b)
}

/// Products of the high words of `a` and the low words of `b`.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn times_high(a: Vector, b: Vector) -> Vector {
    _mm256_clmulepi64_epi128::<0x01>(a, b)
}

/// A word for each block, in its low half; the high half is not looked at.
#[inline]
#[target_feature(enable = "avx2")]
fn spread(words: &[u64; LANES]) -> Vector {
    let both = _mm_set_epi64x(words[1] as i64, words[0] as i64);
    _mm256_permute4x64_epi64::<0b01_01_00_00>(_mm256_castsi128_si256(both))
}

/// The round keys of AES-128.
#[target_feature(enable = "avx2,aes")]
pub(crate) fn round_keys(key: u128) -> [u128; 11] {
    let mut keys = [key; 11];
    macro_rules! rounds {
        ($($i:literal, $constant:literal;)*) => {$(
            let before = keys[$i - 1];
            let words = _mm_set_epi64x((before >> 64) as i64, before as i64);
            let assist = _mm_aeskeygenassist_si128::<$constant>(words);
            let rotated = _mm_extract_epi32::<3>(assist) as u32;
            let sums = before ^ before << 32 ^ before << 64 ^ before << 96;
            keys[$i] = sums ^ u128::from(rotated) * 0x0000_0001_0000_0001_0000_0001_0000_0001;
        )*};
    }
    rounds! { 1, 0x01; 2, 0x02; 3, 0x04; 4, 0x08; 5, 0x10; 6, 0x20; 7, 0x40; 8, 0x80; 9, 0x1b; 10, 0x36; }
    keys
}

/// See [`crate::flip_pair`].
#[target_feature(enable = "avx2")]
pub(crate) fn flip_pair(nodes: &mut [u128], pair: usize, difference: [u128; 2], keep: u128) {
    let (difference, one) = (load(&difference), _mm256_set1_epi64x(1));
    let place = _mm256_set1_epi64x(pair as i64);
    let keep = splat(keep);
    let mut counter = zero();
    for nodes in nodes.as_chunks_mut::<2>().0 {
        let here = _mm256_cmpeq_epi64(counter, place);
        store(nodes, xor(and(load(nodes), keep), and(here, difference)));
        counter = add_words(counter, one);
    }
}

/// See [`crate::transpose`].
#[target_feature(enable = "avx2")]
pub(crate) fn transpose(columns: &[u128], blocks: usize, first: usize, into: &mut [u128]) {
    crate::transpose::transpose_portable(columns, blocks, first, into);
}

/// See [`crate::pack_bits`].
#[target_feature(enable = "avx2")]
pub(crate) fn pack_bits(group: &[u128; 64], place: u32) -> u64 {
    let mut packed = 0;
    let up = _mm_cvtsi32_si128(63 - place as i32);
    for (i, four) in group.as_chunks::<4>().0.iter().enumerate() {
        let low = _mm256_unpacklo_epi64(load(&[four[0], four[2]]), load(&[four[1], four[3]]));
        let bits = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_sll_epi64(low, up)));
        packed |= (bits as u64) << (4 * i);
    }
    packed
}

crate::kernels!("avx2,aes,vaes,vpclmulqdq");
