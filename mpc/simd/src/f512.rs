//! 512-bit registers of eight numbers in floating point: AVX-512.

use std::arch::x86_64::*;

/// Numbers in a register.
const LANES: usize = 8;

/// Blocks whose last layers are computed side by side, as there are registers for.
const TOGETHER: usize = 2;

/// Layers that go over memory together at most, as there are registers for.
const MOST_LAYERS: u32 = 4;

type Vector = __m512d;

#[inline]
#[target_feature(enable = "avx512f")]
fn load(from: &[u64; LANES]) -> Vector {
    // SAFETY: the reference is valid for 64 bytes, and the load needs no alignment.
    unsafe { _mm512_loadu_pd(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(into: &mut [u64; LANES], value: Vector) {
    // SAFETY: the reference is valid for 64 bytes, and the store needs no alignment.
    unsafe { _mm512_storeu_pd(into.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(value: f64) -> Vector {
    _mm512_set1_pd(value)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_pd(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn subtract(a: Vector, b: Vector) -> Vector {
    _mm512_sub_pd(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn times(a: Vector, b: Vector) -> Vector {
    _mm512_mul_pd(a, b)
}

/// `a * b + c`, rounded once.
#[inline]
#[target_feature(enable = "avx512f")]
fn times_plus(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_fmadd_pd(a, b, c)
}

/// `a * b - c`, rounded once.
#[inline]
#[target_feature(enable = "avx512f")]
fn times_minus(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_fmsub_pd(a, b, c)
}

/// `c - a * b`, rounded once.
#[inline]
#[target_feature(enable = "avx512f")]
fn less_times(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_fnmadd_pd(a, b, c)
}

/// Signed words below `2^51` in size, as numbers.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn numbers(words: Vector) -> Vector {
    _mm512_cvtepi64_pd(_mm512_castpd_si512(words))
}

/// Whole numbers below `2^51` in size, as signed words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn words(numbers: Vector) -> Vector {
    _mm512_castsi512_pd(_mm512_cvtpd_epi64(numbers))
}

/// Words plus `prime` where they are negative, of words above `-prime`.
#[inline]
#[target_feature(enable = "avx512f")]
fn positive(words: Vector, prime: Vector) -> Vector {
    let words = _mm512_castpd_si512(words);
    let more = _mm512_add_epi64(words, _mm512_castpd_si512(prime));
    _mm512_castsi512_pd(_mm512_min_epu64(words, more))
}

/// Groups of eight rows of eight numbers: rows become columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed<const N: usize>([mut groups]: [[[Vector; 8]; N]; 1]) -> [[[Vector; 8]; N]; 1] {
    for rows in &mut groups {
        *rows = columns(*rows);
    }
    [groups]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn columns(x: [Vector; 8]) -> [Vector; 8] {
    // Pairs of rows, then pairs of pairs, then the halves of four.
    let mut y = x;
    for i in 0..4 {
        y[2 * i] = _mm512_unpacklo_pd(x[2 * i], x[2 * i + 1]);
        y[2 * i + 1] = _mm512_unpackhi_pd(x[2 * i], x[2 * i + 1]);
    }
    let low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    let high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    let mut z = y;
    for i in [0, 1, 4, 5] {
        z[i] = _mm512_permutex2var_pd(y[i], low, y[i + 2]);
        z[i + 2] = _mm512_permutex2var_pd(y[i], high, y[i + 2]);
    }
    let mut columns = z;
    for i in 0..4 {
        columns[i] = _mm512_shuffle_f64x2::<0b01_00_01_00>(z[i], z[i + 4]);
        columns[i + 4] = _mm512_shuffle_f64x2::<0b11_10_11_10>(z[i], z[i + 4]);
    }
    columns
}

crate::float::kernels!("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
