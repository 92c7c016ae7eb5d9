//! 512-bit registers: AVX-512, VAES, VPCLMULQDQ. The same kernels as with 256 bits, on twice the blocks.

use std::arch::x86_64::*;

use crate::code::{LINE, LOCALITY, Line};

/// Blocks in a register.
const LANES: usize = 4;

type Vector = __m512i;

#[inline]
#[target_feature(enable = "avx512f")]
fn load(from: &[u128; LANES]) -> Vector {
    // SAFETY: the reference is valid for 64 bytes, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(into: &mut [u128; LANES], value: Vector) {
    // SAFETY: the reference is valid for 64 bytes, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(into.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_words(into: &mut [u64; 2 * LANES], value: Vector) {
    // SAFETY: the reference is valid for 64 bytes, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(into.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(value: u128) -> Vector {
    let words = _mm_set_epi64x((value >> 64) as i64, value as i64);
    _mm512_broadcast_i32x4(words)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zero() -> Vector {
    _mm512_setzero_si512()
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: Vector, b: Vector) -> Vector {
    _mm512_xor_si512(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn and(a: Vector, b: Vector) -> Vector {
    _mm512_and_si512(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add_words(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi64(a, b)
}

/// `σ` of each block: the halves change places, and the high half is added to the new one in its place.
#[inline]
#[target_feature(enable = "avx512f")]
fn sigma(x: Vector) -> Vector {
    xor(_mm512_shuffle_epi32::<0x4e>(x), _mm512_maskz_mov_epi64(0b1010_1010, x))
}

#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn round(x: Vector, key: Vector) -> Vector {
    _mm512_aesenc_epi128(x, key)
}

#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn last_round(x: Vector, key: Vector) -> Vector {
    _mm512_aesenclast_epi128(x, key)
}

/// The low words of the blocks of `a`, then of `b`.
#[inline]
#[target_feature(enable = "avx512f")]
fn low_words(a: Vector, b: Vector) -> Vector {
    _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b)
}

/// Bit `place` of each word.
#[inline]
#[target_feature(enable = "avx512f")]
fn bits_at(words: Vector, place: u32) -> u64 {
    _mm512_test_epi64_mask(words, _mm512_set1_epi64(1 << place)).into()
}

/// The two words of each block in each other's places.
#[inline]
#[target_feature(enable = "avx512f")]
fn swap_words(x: Vector) -> Vector {
    _mm512_shuffle_epi32::<0x4e>(x)
}

/// Minus each 64-bit word.
#[inline]
#[target_feature(enable = "avx512f")]
fn negative(x: Vector) -> Vector {
    _mm512_sub_epi64(zero(), x)
}

/// The blocks of `a` and `b` in turns.
#[inline]
#[target_feature(enable = "avx512f")]
fn interleave(a: Vector, b: Vector) -> [Vector; 2] {
    let low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    let high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    [_mm512_permutex2var_epi64(a, low, b), _mm512_permutex2var_epi64(a, high, b)]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sum_lanes(x: Vector) -> u128 {
    let mut lanes = [0; LANES];
    store(&mut lanes, x);
    lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3]
}

/// What the rows of a group add up, of its lines.
#[inline]
#[target_feature(enable = "avx512f")]
fn sum_lines(lines: &[&Line; LOCALITY]) -> [Vector; LINE / LANES] {
    // By what is added to a row's number.
    let mut sums = [zero(); LINE];
    for (j, line) in lines.iter().enumerate() {
        sums[j % LINE] = xor(sums[j % LINE], load(line));
    }
    let [none, one, two, three] = sums;
    let one = _mm512_shuffle_i64x2::<0b10_11_00_01>(one, one);
    let two = _mm512_shuffle_i64x2::<0b01_00_11_10>(two, two);
    let three = _mm512_shuffle_i64x2::<0b00_01_10_11>(three, three);
    [xor(xor(none, one), xor(two, three))]
}

/// Each 64-bit word shifted up.
#[inline]
#[target_feature(enable = "avx512f")]
fn up(x: Vector, by: i32) -> Vector {
    _mm512_sll_epi64(x, _mm_cvtsi32_si128(by))
}

/// Each 64-bit word shifted down.
#[inline]
#[target_feature(enable = "avx512f")]
fn down(x: Vector, by: i32) -> Vector {
    _mm512_srl_epi64(x, _mm_cvtsi32_si128(by))
}

/// Products of the low words of `a` and `b`.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn times_low(a: Vector, b: Vector) -> Vector {
    _mm512_clmulepi64_epi128::<0x00>(a, b)
}

/// Products of the high words of `a` and the low words of `b`.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn times_high(a: Vector, b: Vector) -> Vector {
    _mm512_clmulepi64_epi128::<0x01>(a, b)
}

/// A word for each block, in its low half; the high half is not looked at.
#[inline]
#[target_feature(enable = "avx512f")]
fn spread(words: &[u64; LANES]) -> Vector {
    let [a, b, c, d] = words.map(|word| word as i64);
    _mm512_setr_epi64(a, a, b, b, c, c, d, d)
}

/// See [`crate::flip_pair`].
#[target_feature(enable = "avx512f")]
pub(crate) fn flip_pair(nodes: &mut [u128], pair: usize, difference: [u128; 2], keep: u128) {
    let [first, second] = difference;
    let difference = load(&[first, second, first, second]);
    let (keep, place, two) = (splat(keep), _mm512_set1_epi64(pair as i64), _mm512_set1_epi64(2));
    let mut pairs = _mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1);
    let (groups, rest) = nodes.as_chunks_mut::<LANES>();
    for nodes in groups.iter_mut() {
        let kept = and(load(nodes), keep);
        let here = _mm512_cmpeq_epi64_mask(pairs, place);
        store(nodes, _mm512_mask_xor_epi64(kept, here, kept, difference));
        pairs = add_words(pairs, two);
    }
    if !rest.is_empty() {
        // Half a register is left: the first level.
        let mut padded = [0; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        let kept = and(load(&padded), keep);
        let here = _mm512_cmpeq_epi64_mask(pairs, place);
        store(&mut padded, _mm512_mask_xor_epi64(kept, here, kept, difference));
        rest.copy_from_slice(&padded[..rest.len()]);
    }
}

crate::kernels!("avx512f,avx512bw,avx512dq,avx512vl,aes,vaes,vpclmulqdq,avx2");
