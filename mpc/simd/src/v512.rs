//! 512-bit registers: AVX-512, VAES, VPCLMULQDQ. The same kernels as with 256 bits, on twice the blocks.
//!
//! The machines that this was written and first tested on have no AVX-512: there it was compiled, never run. The tests
//! run every level that a machine has, so they cover it on the first one that does.

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

crate::kernels!("avx512f,avx512bw,avx512dq,avx512vl,aes,vaes,vpclmulqdq,avx2");
