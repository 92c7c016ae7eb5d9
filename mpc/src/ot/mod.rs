//! Oblivious transfer: base OTs from a group, and their extension.

pub mod base;
pub mod softspoken;

#[cfg(test)]
pub(crate) mod ideal;

pub use softspoken::SoftSpoken;
