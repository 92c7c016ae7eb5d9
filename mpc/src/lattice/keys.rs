//! The keys of a session.

use rand_core::CryptoRng;
use tacit_protocol::PartyId;
use zeroize::Zeroizing;

use super::packing::{self, PackingKey};
use super::ring::{Encryption, LIMB_BYTES, Residues, Ring, read_encryption, write};
use super::sample::{errors, ternary, uniform};
use crate::channel::Channel;
use crate::error::Result;
use crate::params::LATTICE_LIMBS;
use crate::prg::Prg;

/// Bytes of a seed.
pub(super) const SEED_BYTES: usize = 16;

/// The size of a party's key: a public number that both parties derive alike. All zero where the party encrypts nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySize {
    /// Limbs of the public key.
    pub limbs: usize,
    /// Limbs of the ciphertexts that are packed.
    pub packed_limbs: usize,
    /// Levels of the tree that packs them.
    pub levels: usize,
}

impl KeySize {
    /// One that serves both.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            limbs: self.limbs.max(other.limbs),
            packed_limbs: self.packed_limbs.max(other.packed_limbs),
            levels: self.levels.max(other.levels),
        }
    }

    /// Its bytes.
    pub const fn bytes(&self) -> usize {
        if self.limbs == 0 {
            return 0;
        }
        SEED_BYTES + (self.limbs + self.levels * packing::polynomials(self.packed_limbs)) * LIMB_BYTES
    }
}

/// The sizes of both parties' keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySizes(pub [KeySize; 2]);

/// A party's secret key, and its negative, as values.
pub(crate) struct SecretKey {
    pub(super) values: Zeroizing<Vec<Residues>>,
    pub(super) negated: Zeroizing<Vec<Residues>>,
}

/// The peer's public key: an encryption of zero under its secret one, as values.
pub(crate) struct PublicKey {
    /// The part that hides, limb by limb, and the uniform part.
    pub(super) parts: Encryption,
    packing: PackingKey,
}

/// What a party needs for products by encryption.
pub struct Lattice {
    secret: Option<SecretKey>,
    peer: Option<PublicKey>,
    /// The seeds of what this party draws.
    seeds: Prg,
}

impl Lattice {
    /// Without keys: for a plan that encrypts nothing.
    pub fn none(rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        rng.fill_bytes(&mut seed[..]);
        Self { secret: None, peer: None, seeds: Prg::new(u128::from_le_bytes(*seed)) }
    }

    /// Makes this party's key and exchanges public ones with the peer.
    ///
    /// # Errors
    /// `PROTOCOL_CIPHERTEXT` if the peer's key is none (CHK-602), and those of the channel.
    pub fn establish(
        channel: &mut dyn Channel,
        party: PartyId,
        sizes: KeySizes,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self> {
        let mut lattice = Self::none(rng);
        let [own, theirs] = [party, party.other()].map(|party| sizes.0[party.index()]);
        if own.bytes() > 0 {
            channel.enter("lattice keys");
            channel.send(&lattice.make_key(own))?;
            channel.flush()?;
        }
        if theirs.bytes() > 0 {
            channel.enter("lattice keys");
            let mut message = vec![0; theirs.bytes()];
            channel.receive(&mut message)?;
            lattice.peer = Some(PublicKey::read(&message, theirs)?);
        }
        Ok(lattice)
    }

    /// Makes the secret key, and the message that has the public one.
    fn make_key(&mut self, size: KeySize) -> Vec<u8> {
        let mut random = self.random();
        let (secret, error) = (ternary(&mut random), errors(&mut random));
        let seed = random.draw::<1>()[0];
        let mut public = Prg::new(seed);
        let mut message = seed.to_le_bytes().to_vec();
        let mut key = SecretKey { values: Zeroizing::default(), negated: Zeroizing::default() };
        for (i, (transform, prime)) in Ring::get().limbs.iter().zip(LATTICE_LIMBS).enumerate() {
            let of = |numbers: &[i64], factor| {
                let mut values = Residues::any(numbers.len());
                transform.modulus().combine(&[numbers], &[factor], &mut values);
                transform.forward(&mut values);
                values
            };
            let (values, negated) = (of(&secret, 1), of(&secret, prime - 1));
            if i < size.limbs {
                let mut hiding = of(&error, 1);
                transform.modulus().add_products(&[(&uniform(&mut public, prime), &negated)], &mut hiding);
                write(&hiding, &mut message);
            }
            key.values.push(values);
            key.negated.push(negated);
        }
        let (levels, limbs) = (size.levels, size.packed_limbs);
        packing::write_keys(levels, limbs, &secret, &key.negated, &mut random, &mut public, &mut message);
        self.secret = Some(key);
        message
    }

    /// A generator of its own, for one ciphertext or key.
    pub(crate) fn random(&mut self) -> Prg {
        Prg::new(self.seeds.draw::<1>()[0])
    }

    /// This party's key.
    ///
    /// # Panics
    /// If it was set up without one.
    pub(crate) fn secret(&self) -> &SecretKey {
        self.secret.as_ref().expect("a plan says who encrypts")
    }

    /// The peer's key.
    ///
    /// # Panics
    /// If it was set up without one.
    pub(crate) fn peer(&self) -> &PublicKey {
        self.peer.as_ref().expect("a plan says who encrypts")
    }
}

impl PublicKey {
    fn read(mut message: &[u8], size: KeySize) -> Result<Self> {
        let mut public = read_seed(&mut message);
        let parts = read_encryption(&mut message, &mut public, 0..size.limbs)?;
        let packing = PackingKey::read(size.levels, size.packed_limbs, &mut public, &mut message)?;
        Ok(Self { parts, packing })
    }

    /// The part that packs.
    pub(super) fn packing(&self) -> &PackingKey {
        &self.packing
    }
}

/// The generator of a seed that a message begins with.
pub(super) fn read_seed(message: &mut &[u8]) -> Prg {
    let (seed, rest) = message.split_first_chunk().expect("a message of a length that was computed");
    *message = rest;
    Prg::new(u128::from_le_bytes(*seed))
}
