//! What Tacit nodes say to each other: identities, schemas, policies, terms, contracts, messages and receipts, and the
//! [`program::Program`] that a job runs.
//!
//! This crate opens no socket, reads no clock and stores nothing. Whatever it decides is a function of the messages,
//! the time and the randomness that it is handed, so that tests and simulations drive the same code as a node.

pub mod address;
pub mod api;
pub mod bench;
pub mod canonical;
pub mod codec;
pub mod contract;
pub mod error;
#[cfg(test)]
mod fixtures;
pub mod identity;
pub mod idle;
pub mod job;
pub mod log;
pub mod messages;
pub mod name;
pub mod near;
pub mod number;
pub mod party;
pub mod policy;
pub mod privacy;
pub mod probe;
pub mod program;
pub mod receipt;
pub mod rotation;
pub mod schema;
pub mod terms;
pub mod ticket;
pub mod words;

pub use canonical::Digest;
pub use error::{Code, Error, ExitClass, Failure};
pub use identity::{Identity, PeerId, Signature};
pub use job::{JobId, JobState};
pub use number::Number;
pub use party::PartyId;
pub use policy::Policy;
