//! The Tacit node: everything that opens a socket, reads a clock, touches a disk or asks an operator.
//!
//! The decisions are made by the crates below it from messages, time and randomness that are handed in; this crate is
//! the shell that hands them in. It is a library so that simulations run the real node.

pub mod api;
pub mod backup;
pub mod bench;
pub mod budget;
pub mod cli;
pub mod clock;
pub mod config;
mod console;
pub mod context;
pub mod crypto;
pub mod daemon;
pub mod data;
pub mod data_plane;
pub mod demo;
pub mod drain;
mod fsck;
pub mod generator;
#[cfg(test)]
mod golden;
pub mod heads;
pub mod jobs;
pub mod keys;
pub mod log;
pub mod metrics;
pub mod network;
pub mod node;
pub mod offline;
pub mod pairing;
pub mod peers;
mod policies;
mod private_file;
mod probe;
mod reach;
mod rejections;
pub mod reseal;
pub mod results;
pub mod setup;
pub mod store;
pub mod telemetry;
pub mod tokens;
