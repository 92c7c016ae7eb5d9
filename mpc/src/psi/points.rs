//! The group operations on a batch of keys or points, spread over the cores.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use rayon::prelude::*;
use sha2::{Digest, Sha512};
use zeroize::Zeroize;

use super::{STEP, Tag};
use crate::error::{Error, Result};
use crate::params::ALIGN_TAG_BYTES;

/// Bytes of a point.
pub(super) const POINT_BYTES: usize = 32;

/// Points that one task encodes together: an encoding costs an inversion that a batch shares.
const TASK: usize = 256;

/// What turns keys into points and points into tags in one run.
pub(super) struct Batch {
    oracle: Sha512,
    /// Half the secret: the batched encoding encodes the doubles of its points.
    half: Scalar,
}

impl Batch {
    pub(super) fn new(session: &[u8; 32], secret: &Scalar) -> Self {
        let oracle = Sha512::new_with_prefix(b"tacit/mpc/align/group/1").chain_update(session);
        Self { oracle, half: secret.div_by_2() }
    }

    /// The blinded hashes of the keys of these rows, encoded.
    pub(super) fn blind(&self, keys: &[&[u8]], rows: &[u32]) -> Vec<u8> {
        let encode = |rows: &[u32]| {
            let blinded: Vec<_> = rows.iter().map(|row| self.hash(keys[*row as usize]) * self.half).collect();
            encodings(&blinded).flatten().collect::<Vec<u8>>()
        };
        let parts: Vec<Vec<u8>> = rows.par_chunks(TASK).map(encode).collect();
        parts.concat()
    }

    /// The tags of the peer's points.
    ///
    /// # Errors
    /// `ALIGN_POINT` if one is not canonical or the identity (CHK-502).
    pub(super) fn blind_again(&self, points: &[u8]) -> Result<Vec<Tag>> {
        let tags = |points: &[u8]| {
            let blinded: Vec<_> =
                points.chunks_exact(POINT_BYTES).map(|bytes| Ok(decode(bytes)? * self.half)).collect::<Result<_>>()?;
            Ok(encodings(&blinded).map(truncate).collect())
        };
        let parts: Vec<Vec<Tag>> = points.par_chunks(TASK * POINT_BYTES).map(tags).collect::<Result<_>>()?;
        Ok(parts.concat())
    }

    fn hash(&self, key: &[u8]) -> RistrettoPoint {
        RistrettoPoint::from_uniform_bytes(&self.oracle.clone().chain_update(key).finalize().into())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.half.zeroize();
    }
}

/// The encodings of the doubles of these points.
fn encodings(halves: &[RistrettoPoint]) -> impl Iterator<Item = [u8; POINT_BYTES]> {
    RistrettoPoint::double_and_compress_batch(halves).into_iter().map(|point| point.to_bytes())
}

/// CHK-502: a point in its canonical form that is not the identity.
fn decode(bytes: &[u8]) -> Result<RistrettoPoint> {
    let invalid = || Error::deviation("ALIGN_POINT", STEP, "the peer sent something that is not a group element");
    let point = CompressedRistretto::from_slice(bytes).ok().and_then(|point| point.decompress()).ok_or_else(invalid)?;
    if point.is_identity() {
        return Err(Error::deviation("ALIGN_POINT", STEP, "the peer sent the identity"));
    }
    Ok(point)
}

/// The first bytes of an encoding: of a random group element they are as good as random but for the sign bit's
/// place and a few bits' bias, which the hash of the whole encoding removes.
fn truncate(encoding: [u8; POINT_BYTES]) -> Tag {
    let digest = crate::hash::domain_hash("tacit/mpc/align/tag/1", &[&encoding]);
    let mut tag = [0; ALIGN_TAG_BYTES];
    tag.copy_from_slice(&digest[..ALIGN_TAG_BYTES]);
    Tag::from_le_bytes(tag)
}
