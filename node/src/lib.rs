//! The Tacit node: everything that opens a socket, reads a clock, touches a disk or asks an operator.
//!
//! The decisions are made by the crates below it from messages, time and randomness that are handed in; this crate is
//! the shell that hands them in. It is a library so that simulations run the real node.

pub mod clock;
pub mod data;
pub mod generator;
pub mod keys;
pub mod log;
pub mod store;

pub mod crypto;
pub mod data_plane;
pub mod network;
pub mod pairing;
pub mod peers;
