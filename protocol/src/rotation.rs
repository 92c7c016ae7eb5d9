//! A new key of an organisation, as its peers are told of it (CHK-116).
//!
//! *Security*: the old key says who follows it and the new key that it does, so nobody takes over a name without the old
//! key, nor puts another's key in the place of the own. Who has stolen the old key can sign such a statement too: so the
//! peer's operator confirms it, with the words of the new key.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, digest};
use crate::error::Code;
use crate::identity::{Identity, PeerId, Signature};

const OLD_LABEL: &str = "tacit/rotation/old/1";
const NEW_LABEL: &str = "tacit/rotation/new/1";

/// The most rotations that a peer is told of at a time.
pub const MAX_ROTATIONS: usize = 8;

/// One key follows another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The organisation, which stays.
    pub organisation: String,
    /// The key that ends.
    pub old: PeerId,
    /// The key that follows it.
    pub new: PeerId,
    /// When, in Unix seconds.
    pub at: u64,
    /// The old key's signature.
    pub by_old: Signature,
    /// The new key's signature.
    pub by_new: Signature,
}

/// Why rotations do not lead to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// There are none, or too many.
    #[error("there have to be 1 to {MAX_ROTATIONS} rotations")]
    Count,
    /// One has a wrong signature.
    #[error("a rotation is not signed by both keys")]
    Signature,
    /// One does not follow from the one before, or is another organisation's, or leads back.
    #[error("a rotation does not follow from the one before")]
    Order,
    /// The last leads to another key.
    #[error("the rotations lead to another key than the peer's")]
    Key,
}

impl RotationError {
    /// The stable code.
    pub fn code(&self) -> Code {
        Code::new("PEER_ROTATION")
    }
}

/// What both keys sign.
fn signed(organisation: &str, old: &PeerId, new: &PeerId, at: u64) -> Digest {
    digest("tacit/rotation/1", &(organisation, old, new, at))
}

impl Rotation {
    /// Signs with both keys that the new one follows.
    pub fn new(organisation: &str, old: &Identity, new: &Identity, at: u64) -> Self {
        let digest = signed(organisation, &old.peer(), &new.peer(), at);
        Self {
            organisation: organisation.to_owned(),
            old: old.peer(),
            new: new.peer(),
            at,
            by_old: old.sign(OLD_LABEL, &digest),
            by_new: new.sign(NEW_LABEL, &digest),
        }
    }

    /// Whether both keys signed it.
    fn is_signed(&self) -> bool {
        let Self { organisation, old, new, at, by_old, by_new } = self;
        let digest = signed(organisation, old, new, *at);
        old.verify(OLD_LABEL, &digest, by_old) && new.verify(NEW_LABEL, &digest, by_new)
    }
}

/// Checks that rotations lead, one after the other, to a key that is in use now: the organisation that has it.
///
/// # Errors
/// [`RotationError`], the first that holds.
pub fn check<'a>(rotations: &'a [Rotation], now: &PeerId) -> Result<&'a str, RotationError> {
    let (Some(first), Some(last)) = (rotations.first(), rotations.last()) else { return Err(RotationError::Count) };
    if rotations.len() > MAX_ROTATIONS {
        return Err(RotationError::Count);
    }
    if !rotations.iter().all(Rotation::is_signed) {
        return Err(RotationError::Signature);
    }
    let keys: BTreeSet<&PeerId> = rotations.iter().map(|rotation| &rotation.new).chain([&first.old]).collect();
    let follows = rotations.windows(2).all(|pair| pair[0].new == pair[1].old);
    let is_of_one = rotations.iter().all(|rotation| rotation.organisation == first.organisation);
    if !follows || !is_of_one || keys.len() != rotations.len() + 1 {
        return Err(RotationError::Order);
    }
    if last.new == *now { Ok(&first.organisation) } else { Err(RotationError::Key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(seed: u8) -> Identity {
        Identity::from_seed(&[seed; 32])
    }

    fn rotation(old: u8, new: u8) -> Rotation {
        Rotation::new("Maison", &identity(old), &identity(new), 7)
    }

    #[test]
    fn rotations_lead_from_key_to_key_chk_116() {
        let chain = [rotation(1, 2), rotation(2, 3), rotation(3, 4)];
        assert_eq!(check(&chain, &identity(4).peer()), Ok("Maison"));
        assert_eq!(check(&chain[1..], &identity(4).peer()), Ok("Maison"));
        assert_eq!(check(&chain, &identity(3).peer()), Err(RotationError::Key));
        let gap = [rotation(1, 2), rotation(3, 4)];
        assert_eq!(check(&gap, &identity(4).peer()), Err(RotationError::Order));
        let back = [rotation(1, 2), rotation(2, 1)];
        assert_eq!(check(&back, &identity(1).peer()), Err(RotationError::Order));
        let renamed = [rotation(1, 2), Rotation::new("Banque", &identity(2), &identity(3), 7)];
        assert_eq!(check(&renamed, &identity(3).peer()), Err(RotationError::Order));
        assert_eq!(check(&[], &identity(1).peer()), Err(RotationError::Count));
        let long: Vec<Rotation> = (1..=9).map(|seed| rotation(seed, seed + 1)).collect();
        assert_eq!(check(&long, &identity(10).peer()), Err(RotationError::Count));
    }

    #[test]
    fn both_keys_sign_all_that_a_rotation_says_chk_116() {
        let good = rotation(1, 2);
        let other = identity(3);
        let wrong = [
            Rotation { organisation: "Banque".into(), ..good.clone() },
            Rotation { at: 8, ..good.clone() },
            Rotation { old: other.peer(), ..good.clone() },
            Rotation { new: other.peer(), ..good.clone() },
            Rotation { by_old: good.by_new, ..good.clone() },
            Rotation { by_new: good.by_old, ..good.clone() },
            Rotation { by_old: rotation(3, 2).by_old, ..good.clone() },
            Rotation { by_new: rotation(1, 3).by_new, ..good.clone() },
        ];
        for rotation in wrong {
            assert_eq!(check(std::slice::from_ref(&rotation), &rotation.new), Err(RotationError::Signature));
        }
        assert_eq!(RotationError::Signature.code().as_str(), "PEER_ROTATION");
    }
}
