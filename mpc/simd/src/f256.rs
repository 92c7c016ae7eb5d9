//! 256-bit registers of four numbers in floating point: AVX2 and FMA.

use std::arch::x86_64::*;

/// Numbers in a register.
const LANES: usize = 4;

/// Blocks whose last layers are computed side by side, as there are registers for.
const TOGETHER: usize = 1;

/// Layers that go over memory together at most, as there are registers for.
const MOST_LAYERS: u32 = 3;

type Vector = __m256d;

#[inline]
#[target_feature(enable = "avx")]
fn load(from: &[u64; LANES]) -> Vector {
    // SAFETY: the reference is valid for 32 bytes, and the load needs no alignment.
    unsafe { _mm256_loadu_pd(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx")]
fn store(into: &mut [u64; LANES], value: Vector) {
    // SAFETY: the reference is valid for 32 bytes, and the store needs no alignment.
    unsafe { _mm256_storeu_pd(into.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx")]
fn splat(value: f64) -> Vector {
    _mm256_set1_pd(value)
}

#[inline]
#[target_feature(enable = "avx")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm256_add_pd(a, b)
}

#[inline]
#[target_feature(enable = "avx")]
fn subtract(a: Vector, b: Vector) -> Vector {
    _mm256_sub_pd(a, b)
}

#[inline]
#[target_feature(enable = "avx")]
fn times(a: Vector, b: Vector) -> Vector {
    _mm256_mul_pd(a, b)
}

/// `a * b + c`, rounded once.
#[inline]
#[target_feature(enable = "fma")]
fn times_plus(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_fmadd_pd(a, b, c)
}

/// `a * b - c`, rounded once.
#[inline]
#[target_feature(enable = "fma")]
fn times_minus(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_fmsub_pd(a, b, c)
}

/// `c - a * b`, rounded once.
#[inline]
#[target_feature(enable = "fma")]
fn less_times(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_fnmadd_pd(a, b, c)
}

/// Signed words below `2^51` in size, as numbers: the bits of one with a large constant added, which is taken off.
#[inline]
#[target_feature(enable = "avx2")]
fn numbers(words: Vector) -> Vector {
    let constant = splat(crate::residue::WHOLE);
    let sum = _mm256_add_epi64(_mm256_castpd_si256(words), _mm256_castpd_si256(constant));
    subtract(_mm256_castsi256_pd(sum), constant)
}

/// Whole numbers below `2^51` in size, as signed words: the reverse.
#[inline]
#[target_feature(enable = "avx2")]
fn words(numbers: Vector) -> Vector {
    let constant = splat(crate::residue::WHOLE);
    let sum = _mm256_castpd_si256(add(numbers, constant));
    _mm256_castsi256_pd(_mm256_sub_epi64(sum, _mm256_castpd_si256(constant)))
}

/// Words plus `prime` where they are negative, of words above `-prime`.
#[inline]
#[target_feature(enable = "avx2")]
fn positive(words: Vector, prime: Vector) -> Vector {
    let words = _mm256_castpd_si256(words);
    let negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), words);
    _mm256_castsi256_pd(_mm256_add_epi64(words, _mm256_and_si256(negative, _mm256_castpd_si256(prime))))
}

/// Groups of eight rows of eight numbers, the left halves and the right ones: rows become columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed<const N: usize>([mut left, mut right]: [[[Vector; 8]; N]; 2]) -> [[[Vector; 8]; N]; 2] {
    for (left, right) in left.iter_mut().zip(&mut right) {
        [*left, *right] = columns(*left, *right);
    }
    [left, right]
}

#[inline]
#[target_feature(enable = "avx2")]
fn columns(left: [Vector; 8], right: [Vector; 8]) -> [[Vector; 8]; 2] {
    let mut columns = [left, right];
    for (i, half) in [left, right].iter().enumerate() {
        for (rows, columns) in half.as_chunks::<4>().0.iter().zip(&mut columns) {
            let [a, b, c, d] = *rows;
            let [low, low_of_c] = [_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d)];
            let [high, high_of_c] = [_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d)];
            columns[4 * i] = _mm256_permute2f128_pd::<0x20>(low, low_of_c);
            columns[4 * i + 1] = _mm256_permute2f128_pd::<0x20>(high, high_of_c);
            columns[4 * i + 2] = _mm256_permute2f128_pd::<0x31>(low, low_of_c);
            columns[4 * i + 3] = _mm256_permute2f128_pd::<0x31>(high, high_of_c);
        }
    }
    columns
}

crate::float::kernels!("avx2,fma");
