//! Oblivious transfer: base OTs from a group, their extension, and silent OT on top of it.

pub mod base;
pub mod cost;
mod ferret;
pub(crate) mod keep_step;
mod silent;
pub mod softspoken;

#[cfg(test)]
pub(crate) mod ideal;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use silent::{Expected, Silent};
pub use softspoken::{Part, SetUp, SoftSpoken};
