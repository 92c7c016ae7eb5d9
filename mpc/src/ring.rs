//! The words that shares are made of: integers modulo 2^64 or 2^128.

use std::fmt::Debug;

use tacit_simd::{Level, Shape};
use zeroize::Zeroize;

mod sealed {
    pub trait Sealed {}
    impl Sealed for u64 {}
    impl Sealed for u128 {}
}

/// A word of the ring of integers modulo `2^BITS`, two's complement for signed values.
pub trait Ring:
    sealed::Sealed + Copy + Default + Debug + PartialEq + Eq + Send + Sync + bytemuck::Pod + Zeroize + 'static
{
    /// Its width.
    const BITS: u32;
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;

    /// The sum, wrapping.
    fn add(self, other: Self) -> Self;
    /// The difference, wrapping.
    fn sub(self, other: Self) -> Self;
    /// The product, wrapping.
    fn mul(self, other: Self) -> Self;
    /// The negative, wrapping.
    fn neg(self) -> Self;
    /// The bits that both words have.
    fn and(self, other: Self) -> Self;
    /// The word shifted left, zero from `BITS` on.
    fn shl(self, by: u32) -> Self;
    /// The unsigned word shifted right, zero from `BITS` on.
    fn shr(self, by: u32) -> Self;
    /// The low `bits` bits.
    fn low(self, bits: u32) -> Self;
    /// The integer modulo `2^BITS`.
    fn from_i128(value: i128) -> Self;
    /// The word as a signed integer.
    fn to_i128(self) -> i128;
    /// The low bits of 128 random or packed bits.
    fn from_u128(value: u128) -> Self;
    /// The word as an unsigned integer.
    fn to_u128(self) -> u128;
    /// One bit of the word.
    fn bit(self, place: u32) -> bool;
    /// The matrix product, wrapping, on one thread; the factors have the lengths of the shape.
    fn matrix_product(a: &[Self], b: &[Self], shape: Shape) -> Vec<Self>;
}

macro_rules! ring {
    ($word:ty, $signed:ty, $multiply:path) => {
        impl Ring for $word {
            const BITS: u32 = <$word>::BITS;
            const ZERO: Self = 0;
            const ONE: Self = 1;

            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            fn mul(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            fn neg(self) -> Self {
                self.wrapping_neg()
            }

            fn and(self, other: Self) -> Self {
                self & other
            }

            fn shl(self, by: u32) -> Self {
                self.checked_shl(by).unwrap_or(0)
            }

            fn shr(self, by: u32) -> Self {
                self.checked_shr(by).unwrap_or(0)
            }

            fn low(self, bits: u32) -> Self {
                if bits >= Self::BITS { self } else { self & ((1 << bits) - 1) }
            }

            fn from_i128(value: i128) -> Self {
                value as Self
            }

            fn to_i128(self) -> i128 {
                (self as $signed).into()
            }

            fn from_u128(value: u128) -> Self {
                value as Self
            }

            fn to_u128(self) -> u128 {
                self.into()
            }

            fn bit(self, place: u32) -> bool {
                self.shr(place) & 1 == 1
            }

            fn matrix_product(a: &[Self], b: &[Self], shape: Shape) -> Vec<Self> {
                $multiply(Level::detect(), a, b, shape)
            }
        }
    };
}

ring!(u64, i64, tacit_simd::multiply_u64);
ring!(u128, i128, tacit_simd::multiply_u128);
