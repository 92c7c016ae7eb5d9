//! Kernels of the two-party engine on vector registers, behind a safe interface: the only unsafe code of the workspace.
//!
//! Each kernel exists in portable code and for each [`Level`] that has one of its own; all give the same results, which
//! the tests hold against each other on every level that the machine has. The level is chosen at run time, once.
//! Kernels take time and touch memory that depend on lengths and on what is public by the protocol only.

mod bits;
mod code;
mod combine;
#[cfg(target_arch = "x86_64")]
mod float;
mod hash;
#[cfg(target_arch = "x86_64")]
mod kernels;
mod level;
mod matrix;
mod ntt;
mod pack;
mod residue;
mod table;
mod transpose;
mod tree;
mod weigh;
mod words;

#[cfg(target_arch = "x86_64")]
mod f256;
#[cfg(target_arch = "x86_64")]
mod f512;
#[cfg(target_arch = "x86_64")]
mod v256;
#[cfg(target_arch = "x86_64")]
mod v512;

#[cfg(target_arch = "x86_64")]
pub(crate) use kernels::kernels;

pub use bits::pack_bits;
pub use code::{Code, LOCALITY, ROWS};
pub use combine::combine;
pub use hash::{hash, hash_bits};
pub use level::{LEVEL_VARIABLE, Level, LevelError};
pub use matrix::{Shape, multiply_u64, multiply_u128};
pub use ntt::Transform;
pub use pack::{PACKED, pack, unpack};
pub use residue::{Modulus, PRIME_BITS, quotients};
pub use table::Table;
pub use transpose::{TILE, transpose};
pub use tree::{Key, expand, flip_pair};
pub use weigh::{weigh, weigh_marked};
pub use words::Words;
