//! Write programs over datasets as array expressions, and submit them to a Tacit node.
//!
//! ```
//! use tacit_sdk::ProgramBuilder;
//!
//! let program = ProgramBuilder::new();
//! let customers = program.table("maison/customers");
//! let accounts = program.table("banque/accounts");
//! let people = customers.join(&accounts, "customer_id");
//! let cond = people.column("purchase_frequency").gt(2) & people.column("account_balance").gt(5_000_000);
//! program.release("number", &cond.sum());
//! let program = program.build();
//! assert_eq!(program.outputs.len(), 1);
//! ```

pub mod array;
pub mod builder;
pub mod client;
pub mod events;
mod functions;

pub use array::{Array, Operand};
pub use builder::{ProgramBuilder, Table};
pub use client::{Client, ClientError};
pub use events::{EventStream, NodeEvent};
