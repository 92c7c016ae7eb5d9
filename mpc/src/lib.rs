//! The two-party engine: programs on secret-shared arrays, semi-honest, without a dealer.
//!
//! From the wire up: [`channel`] -> `ot` -> [`correlations`] -> `protocols` -> `plan` -> `executor`. Everything is
//! synchronous; a caller that lives in an async runtime gives it a thread.

pub mod arithmetic;
pub mod backend;
pub mod channel;
pub mod clear;
pub mod correlations;
pub mod error;
pub mod hash;
pub mod ot;
pub mod params;
pub mod prg;
pub mod psi;
pub mod ring;
pub mod share;
pub mod two_party;

pub use error::Error;

#[cfg(target_endian = "big")]
compile_error!("shares are little-endian words on the wire and in memory");
