//! Direct sessions: two parties that run one program after another over one channel, without nodes, contracts or
//! policies. What SecureNumpy is, on this engine.
//!
//! A [`Session`] holds one party, with the peer at the other end of a channel ([`Session::over`]), or both
//! ([`Session::local`]). Its arrays are [`Lazy`]: an operation is typed at once and computed with everything else that a
//! reveal needs. Both parties must do the same in the same order: every run compares plans first (`PLAN_MISMATCH`).
//!
//! *Security*: semi-honest, as the engine. What is revealed is what the scripts say; there is no policy, no minimum of
//! rows and no rounding. A revealed float64 is within its stated bound of the result, and which of the values within it
//! depends on digits that were cut off ([`crate::two_party`]).
//! *Cost*: oblivious transfers are set up at the first run, and again where a plan takes so many more than any before
//! that they are made in another way (twice at most); keys for products by encryption likewise.

mod control;
mod explain;
mod graph;
mod key;
mod party;
mod session;
#[cfg(test)]
mod tests;

pub use explain::Explanation;
pub use graph::{Lazy, SharedValue};
pub use key::{PairKey, Preamble};
pub use party::Line;
pub use session::{Given, Session};
