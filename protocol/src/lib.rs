//! What Tacit nodes say to each other: identities, schemas, policies, terms, contracts, messages and receipts, and the
//! [`program::Program`] that a job runs.
//!
//! This crate opens no socket, reads no clock and stores nothing. Whatever it decides is a function of the messages,
//! the time and the randomness that it is handed, so that tests and simulations drive the same code as a node.

pub mod api;
pub mod error;
pub mod number;
pub mod party;
pub mod program;
pub mod schema;

pub use error::{Code, ExitClass, Failure};
pub use number::Number;
pub use party::PartyId;
