//! The two-party engine: programs on secret-shared arrays, semi-honest, without a dealer.
//!
//! From the wire up: [`channel`] -> `ot` -> [`correlations`] -> `protocols` -> `plan` -> `executor`. Everything is
//! synchronous; a caller that lives in an async runtime gives it a thread.

pub mod arithmetic;
pub mod backend;
pub mod channel;
pub mod clear;
pub mod correlations;
pub mod direct;
pub mod error;
pub mod executor;
pub mod hash;
pub mod inputs;
pub mod lattice;
pub mod offline;
pub mod ot;
pub mod params;
pub mod plan;
pub mod prg;
pub mod psi;
pub mod released;
pub mod ring;
pub mod session;
pub mod share;
pub mod two_party;

pub use error::Error;
