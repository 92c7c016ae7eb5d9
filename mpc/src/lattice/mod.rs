//! Products of ring words by encryption on lattices: one party encrypts its parts, the other multiplies by its own.
//!
//! *Source*: BGV (ePrint 2011/277) with secret-key ciphertexts whose uniform half is a seed, products with plaintexts, and a
//! switch of the modulus before the reply, as Cheetah (ePrint 2022/207) and PETAce use BFV. Different from them: one
//! plaintext modulus that is the product of three or four primes, at 16384 slots, in place of one ciphertext a prime, which
//! takes fewer bytes and transforms; and messages in the low digits of the noise, so that every change of base is one
//! of machine words, where a multiple of the plaintext modulus too many does no harm.
//!
//! *Security*: semi-honest. What is sent up hides the operands under RLWE ([`crate::params::SlotSet`] has the estimate).
//! The reply is a fresh public-key encryption of zero, plus a mask of the product, plus noise that floods what the
//! evaluator's operands leave in the noise: within `2^-40` a reply of what can be simulated from the masked product. The
//! mask is uniform in an interval at least `2^40` times as wide as that of the products; so each party's result is a share
//! within `2^-40` an element, and the sum of the shares is the product always.
//!
//! *Cost*: [`cost`]. *Shapes and units*: batches of [`SLOTS`] elements; operands are ring words of which a width counts.

mod buffer;
pub mod cost;
mod drop;
mod keys;
mod layout;
mod matrix;
mod modular;
mod packing;
mod product;
mod ring;
mod sample;
mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod wide;

pub(crate) use cost::Size;
pub use keys::{KeySize, KeySizes, Lattice};
pub(crate) use layout::Layout;
pub(crate) use matrix::{EncryptedMatrix, decrypt_matrix, encrypt_matrix, evaluate_matrix, read_matrix};
pub(crate) use product::{Operand, decrypt, encrypt, evaluate};
pub(crate) use ring::SLOTS;
pub(crate) use tables::Carrier;
