//! Base oblivious transfers: 128 random OTs in one flight each way.
//!
//! *Source*: Masny, Rindal, "Endemic Oblivious Transfer", ePrint 2019/706, the one-round protocol from
//! Diffie-Hellman, over ristretto255. The sender's point is shared by the batch, so every hash carries the session, the
//! direction and the number of the transfer, as McQuoid, Rosulek, Roy, "Batching Base Oblivious Transfers", ePrint
//! 2021/682, require.
//! *Security*: malicious, in the random-oracle model under the (oracle) Diffie-Hellman assumption; endemic: a corrupted
//! party may choose its own outputs, never the honest party's other message. Points must be canonical and not the
//! identity (CHK-601). Constant-time; scalars are zeroised.
//! *Cost*: 64 B a transfer from the receiver and 32 B in all from the sender, which may cross. About five group
//! operations a transfer and side.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use subtle::{Choice, ConditionallySelectable};
use tacit_protocol::PartyId;
use zeroize::Zeroize;

use crate::error::{Error, Result};
use crate::hash::{domain_hash, first_half};

/// Transfers in a batch.
pub const COUNT: usize = crate::params::COMPUTATIONAL_SECURITY;

/// Bytes of the receiver's message.
pub const RECEIVER_BYTES: usize = COUNT * 64;

/// Bytes of the sender's message.
pub const SENDER_BYTES: usize = 32;

/// Which batch: the session and the party that sends in it.
#[derive(Clone, Copy)]
pub struct Domain {
    session: [u8; 32],
    sender: PartyId,
}

impl Domain {
    /// The batch of a session in which `sender` sends.
    pub fn new(session: [u8; 32], sender: PartyId) -> Self {
        Self { session, sender }
    }

    /// The oracle into the group that blinds slot `slot` of transfer `index`.
    fn hash_to_group(&self, index: usize, slot: u8, other: &CompressedRistretto) -> RistrettoPoint {
        let mut hasher = Sha512::new();
        hasher.update(b"tacit/mpc/base-ot/group/1");
        hasher.update(self.session);
        hasher.update([self.sender.0]);
        hasher.update((index as u64).to_le_bytes());
        hasher.update([slot]);
        hasher.update(other.as_bytes());
        RistrettoPoint::from_uniform_bytes(&hasher.finalize().into())
    }

    /// What binds the keys of a batch to both messages.
    fn transcript(&self, from_receiver: &[u8], from_sender: &[u8]) -> [u8; 32] {
        domain_hash("tacit/mpc/base-ot/keys/1", &[&self.session, &[self.sender.0], from_receiver, from_sender])
    }
}

/// The key of one message.
fn key(transcript: &[u8; 32], index: usize, slot: u8, shared: &RistrettoPoint) -> u128 {
    let shared = shared.compress();
    let mut digest = domain_hash(
        "tacit/mpc/base-ot/key/1",
        &[transcript, &(index as u64).to_le_bytes(), &[slot], shared.as_bytes()],
    );
    let key = first_half(&digest);
    digest.zeroize();
    key
}

/// CHK-601: a point in its canonical form that is not the identity.
fn point(bytes: &[u8], step: &'static str) -> Result<(CompressedRistretto, RistrettoPoint)> {
    let invalid = || Error::deviation("PROTOCOL_POINT", step, "a base-OT point is not a canonical group element");
    let compressed = CompressedRistretto::from_slice(bytes).map_err(|_| invalid())?;
    let point = compressed.decompress().ok_or_else(invalid)?;
    if point.is_identity() {
        return Err(Error::deviation("PROTOCOL_POINT", step, "a base-OT point is the identity"));
    }
    Ok((compressed, point))
}

/// The sending party between its message and the receiver's.
pub struct Sender {
    domain: Domain,
    secret: Scalar,
    message: [u8; SENDER_BYTES],
}

impl Sender {
    /// A fresh sender and the message it sends.
    pub fn new(domain: Domain, rng: &mut dyn CryptoRng) -> (Self, [u8; SENDER_BYTES]) {
        let secret = Scalar::random(rng);
        let message = RistrettoPoint::mul_base(&secret).compress().to_bytes();
        (Self { domain, secret, message }, message)
    }

    /// Both messages of each transfer.
    ///
    /// # Errors
    /// `PROTOCOL_POINT` if the receiver sent something that is not a group element (CHK-601).
    pub fn finish(self, from_receiver: &[u8; RECEIVER_BYTES], step: &'static str) -> Result<Vec<[u128; 2]>> {
        let transcript = self.domain.transcript(from_receiver, &self.message);
        let transfer = |(index, bytes): (usize, &[u8])| {
            let (left, right) = bytes.split_at(32);
            let (left, right) = (point(left, step)?, point(right, step)?);
            let zero = left.1 + self.domain.hash_to_group(index, 0, &right.0);
            let one = right.1 + self.domain.hash_to_group(index, 1, &left.0);
            Ok([key(&transcript, index, 0, &(zero * self.secret)), key(&transcript, index, 1, &(one * self.secret))])
        };
        from_receiver.chunks_exact(64).enumerate().map(transfer).collect()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// The receiving party between its message and the sender's.
pub struct Receiver {
    domain: Domain,
    choices: u128,
    secrets: Vec<Scalar>,
    message: [u8; RECEIVER_BYTES],
}

impl Receiver {
    /// A fresh receiver that chooses bit `i` of `choices` in transfer `i`, and the message it sends.
    pub fn new(domain: Domain, choices: u128, rng: &mut dyn CryptoRng) -> (Self, [u8; RECEIVER_BYTES]) {
        let mut message = [0; RECEIVER_BYTES];
        let mut secrets = Vec::with_capacity(COUNT);
        for (index, slots) in message.chunks_exact_mut(64).enumerate() {
            let bit = (choices >> index) as u8 & 1;
            let secret = Scalar::random(rng);
            let other = RistrettoPoint::random(rng);
            let chosen = RistrettoPoint::mul_base(&secret) - domain.hash_to_group(index, bit, &other.compress());
            let choice = Choice::from(bit);
            let left = RistrettoPoint::conditional_select(&chosen, &other, choice);
            let right = RistrettoPoint::conditional_select(&other, &chosen, choice);
            slots[..32].copy_from_slice(left.compress().as_bytes());
            slots[32..].copy_from_slice(right.compress().as_bytes());
            secrets.push(secret);
        }
        (Self { domain, choices, secrets, message }, message)
    }

    /// The chosen message of each transfer.
    ///
    /// # Errors
    /// `PROTOCOL_POINT` if the sender sent something that is not a group element (CHK-601).
    pub fn finish(self, from_sender: &[u8; SENDER_BYTES], step: &'static str) -> Result<Vec<u128>> {
        let transcript = self.domain.transcript(&self.message, from_sender);
        let (_, shared) = point(from_sender, step)?;
        let transfer = |(index, secret): (usize, &Scalar)| {
            key(&transcript, index, (self.choices >> index) as u8 & 1, &(shared * secret))
        };
        Ok(self.secrets.iter().enumerate().map(transfer).collect())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.choices.zeroize();
        self.secrets.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha12Rng;
    use rand_core::{Rng, SeedableRng};

    use super::*;
    use crate::ot::ideal;

    fn run(
        seed: u64,
        choices: u128,
        spoil: impl Fn(&mut [u8], &mut [u8]),
    ) -> (Result<Vec<[u128; 2]>>, Result<Vec<u128>>) {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let domain = Domain::new([9; 32], PartyId::ZERO);
        let (sender, mut from_sender) = Sender::new(domain, &mut rng);
        let (receiver, mut from_receiver) = Receiver::new(domain, choices, &mut rng);
        spoil(&mut from_sender, &mut from_receiver);
        (sender.finish(&from_receiver, "test"), receiver.finish(&from_sender, "test"))
    }

    #[test]
    fn behaves_as_the_ideal_functionality() {
        for seed in 0..4 {
            let choices = (u128::from(ChaCha12Rng::seed_from_u64(seed).next_u64()) << 64) | 0xdead_beef;
            let (sent, received) = run(seed, choices, |_, _| ());
            let choices = [choices as u64, (choices >> 64) as u64];
            ideal::check_random(&sent.expect("honest"), &choices, &received.expect("honest"));
        }
    }

    // CHK-601
    #[test]
    fn refuses_a_point_that_is_not_canonical_from_either_side() {
        let (sent, received) = run(1, 5, |from_sender, from_receiver| {
            from_sender.fill(0xff);
            from_receiver[64 * 17 + 32..64 * 18].fill(0xff);
        });
        assert_eq!(sent.expect_err("bad point").code().as_str(), "PROTOCOL_POINT");
        assert_eq!(received.expect_err("bad point").code().as_str(), "PROTOCOL_POINT");
    }

    // CHK-601
    #[test]
    fn refuses_the_identity_from_either_side() {
        let (sent, received) = run(1, 5, |from_sender, from_receiver| {
            from_sender.fill(0);
            from_receiver[64 * 3..64 * 3 + 32].fill(0);
        });
        assert_eq!(sent.expect_err("identity").code().as_str(), "PROTOCOL_POINT");
        assert_eq!(received.expect_err("identity").code().as_str(), "PROTOCOL_POINT");
    }

    #[test]
    fn a_point_replayed_in_another_transfer_gives_another_key() {
        let (sent, _) = run(2, 0, |_, from_receiver| {
            let first: Vec<u8> = from_receiver[..64].to_vec();
            from_receiver[64..128].copy_from_slice(&first);
        });
        let sent = sent.expect("all points are valid");
        assert!(sent[0].iter().all(|key| !sent[1].contains(key)));
    }
}
