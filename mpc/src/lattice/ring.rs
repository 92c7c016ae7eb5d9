//! Polynomials modulo `x^n + 1`, limb by limb.

use std::sync::OnceLock;

use tacit_simd::{Level, Transform, pack, unpack};

use super::buffer::Buffer;
use super::sample::uniform;
use crate::error::{Error, Result};
use crate::params::{LATTICE_LIMB_BITS, LATTICE_LIMBS, LATTICE_LOG2, SLOT_PRIMES};
use crate::prg::Prg;

/// Coefficients of a polynomial, and elements of a batch.
pub(crate) const SLOTS: usize = 1 << LATTICE_LOG2;

/// Bytes of a polynomial modulo one limb, packed.
pub(super) const LIMB_BYTES: usize = SLOTS * LATTICE_LIMB_BITS as usize / 8;

/// What is under way, for errors.
pub(super) const STEP: &str = "products by encryption";

/// A polynomial modulo one prime.
pub(super) type Residues = Buffer<u64>;

/// The transforms of every prime.
pub(super) struct Ring {
    /// Those of the limbs.
    pub(super) limbs: Vec<Transform>,
    /// Those of the primes of slots.
    pub(super) slots: Vec<Transform>,
}

impl Ring {
    /// The one of this process: about 4 MB of tables.
    pub(super) fn get() -> &'static Self {
        static RING: OnceLock<Ring> = OnceLock::new();
        RING.get_or_init(|| {
            let transforms = |primes: &[u64]| {
                primes.iter().map(|prime| Transform::new(Level::detect(), *prime, LATTICE_LOG2)).collect()
            };
            Self { limbs: transforms(&LATTICE_LIMBS), slots: transforms(&SLOT_PRIMES) }
        })
    }
}

/// Appends a polynomial, packed.
pub(super) fn write(polynomial: &[u64], into: &mut Vec<u8>) {
    let start = into.len();
    into.resize(start + LIMB_BYTES, 0);
    pack(Level::detect(), LATTICE_LIMB_BITS, polynomial, &mut into[start..]);
}

/// Takes a packed polynomial modulo a limb.
///
/// # Errors
/// `PROTOCOL_CIPHERTEXT` if a coefficient is no residue (CHK-602).
pub(super) fn read(from: &mut &[u8], limb: usize) -> Result<Residues> {
    let (packed, rest) = from.split_at(LIMB_BYTES);
    *from = rest;
    let mut polynomial = Residues::any(SLOTS);
    unpack(Level::detect(), LATTICE_LIMB_BITS, packed, &mut polynomial);
    if !are_below(&polynomial, LATTICE_LIMBS[limb]) {
        let message = format!("a coefficient of a ciphertext is no residue of its limb {limb}");
        return Err(Error::deviation("PROTOCOL_CIPHERTEXT", STEP, message));
    }
    Ok(polynomial)
}

/// Whether all of some words of less than 64 bits are below a prime: without a branch a word.
pub(super) fn are_below(words: &[u64], prime: u64) -> bool {
    words.iter().fold(0, |over, word| over | (prime - 1).wrapping_sub(*word)) >> 63 == 0
}

/// A ciphertext or key: the part that hides, of those limbs, and the uniform one.
pub(super) type Encryption = [Vec<Residues>; 2];

/// Takes the part that hides of the limbs, and draws the uniform one.
///
/// # Errors
/// As [`read`].
pub(super) fn read_encryption(
    from: &mut &[u8],
    public: &mut Prg,
    limbs: impl Iterator<Item = usize>,
) -> Result<Encryption> {
    let mut encryption = Encryption::default();
    for limb in limbs {
        encryption[0].push(read(from, limb)?);
        encryption[1].push(uniform(public, LATTICE_LIMBS[limb]));
    }
    Ok(encryption)
}

/// Residues as the signed inputs of a combination.
pub(super) fn signed(residues: &[u64]) -> &[i64] {
    bytemuck::cast_slice(residues)
}
