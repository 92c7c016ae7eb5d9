//! The keys of a session.

use rand_core::CryptoRng;
use tacit_protocol::PartyId;
use zeroize::Zeroizing;

use super::ring::{LIMB_BYTES, Residues, Ring, read, write};
use super::sample::{errors, ternary, uniform};
use crate::channel::Channel;
use crate::error::Result;
use crate::params::LATTICE_LIMBS;
use crate::prg::Prg;

/// Bytes of a seed.
pub(super) const SEED_BYTES: usize = 16;

/// How many limbs of each party's key a session takes, by party: a public number that both derive alike; 0 where the party
/// encrypts nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLimbs(pub [usize; 2]);

/// A party's secret key, and its negative, as values.
pub(crate) struct SecretKey {
    pub(super) values: Zeroizing<Vec<Residues>>,
    pub(super) negated: Zeroizing<Vec<Residues>>,
}

/// The peer's public key: an encryption of zero under its secret one, as values.
pub(crate) struct PublicKey {
    /// The part that hides, limb by limb, and the uniform part.
    pub(super) parts: [Vec<Residues>; 2],
}

/// What a party needs for products by encryption.
pub struct Lattice {
    secret: Option<SecretKey>,
    peer: Option<PublicKey>,
    /// The seeds of what this party draws.
    seeds: Prg,
}

/// Bytes of a public key of so many limbs.
pub(super) const fn key_bytes(limbs: usize) -> usize {
    if limbs == 0 { 0 } else { SEED_BYTES + limbs * LIMB_BYTES }
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
    /// Those of the channel.
    pub fn establish(
        channel: &mut dyn Channel,
        party: PartyId,
        limbs: KeyLimbs,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self> {
        let mut lattice = Self::none(rng);
        let [own, theirs] = [party, party.other()].map(|party| limbs.0[party.index()]);
        if own > 0 {
            channel.enter("lattice keys");
            channel.send(&lattice.make_key(own))?;
            channel.flush()?;
        }
        if theirs > 0 {
            channel.enter("lattice keys");
            let mut message = vec![0; key_bytes(theirs)];
            channel.receive(&mut message)?;
            lattice.peer = Some(PublicKey::read(&message, theirs));
        }
        Ok(lattice)
    }

    /// Makes the secret key, and the message that has the public one.
    fn make_key(&mut self, limbs: usize) -> Vec<u8> {
        let mut random = self.random();
        let (secret, error) = (ternary(&mut random), errors(&mut random));
        let seed = random.draw::<1>()[0];
        let mut public = Prg::new(seed);
        let mut message = seed.to_le_bytes().to_vec();
        let mut key = SecretKey { values: Zeroizing::default(), negated: Zeroizing::default() };
        for (transform, prime) in Ring::get().limbs[..limbs].iter().zip(LATTICE_LIMBS) {
            let of = |numbers: &[i64], factor| {
                let mut values = vec![0; numbers.len()];
                transform.modulus().combine(&[numbers], &[factor], &mut values);
                transform.forward(&mut values);
                values
            };
            let (values, negated) = (of(&secret, 1), of(&secret, prime - 1));
            let mut hiding = of(&error, 1);
            transform.modulus().add_products(&[(&uniform(&mut public, prime), &negated)], &mut hiding);
            write(&hiding, &mut message);
            key.values.push(values);
            key.negated.push(negated);
        }
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
    fn read(mut message: &[u8], limbs: usize) -> Self {
        let mut public = read_seed(&mut message);
        let uniform = LATTICE_LIMBS[..limbs].iter().map(|prime| uniform(&mut public, *prime)).collect();
        Self { parts: [(0..limbs).map(|_| read(&mut message)).collect(), uniform] }
    }
}

/// The generator of a seed that a message begins with.
pub(super) fn read_seed(message: &mut &[u8]) -> Prg {
    let (seed, rest) = message.split_first_chunk().expect("a message of a length that was computed");
    *message = rest;
    Prg::new(u128::from_le_bytes(*seed))
}
