//! Who a node is: one Ed25519 key, which is also its libp2p peer id.
//!
//! *Source*: RFC 8032; the libp2p peer id specification (an Ed25519 peer id is the public key itself, in a wrapping).
//! *Security*: signatures are over `len(label) as u8 || label || digest`, so one made for a purpose is worth nothing for
//! another. Verification is strict: small-order keys and non-canonical encodings are refused, so that nobody can sign
//! everything at once. The X25519 keys of channels are never derived from this key.
//! *Shapes and units*: public keys 32 bytes, signatures 64 bytes, secret seeds 32 bytes.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use bincode::{Decode, Encode};
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::PartyId;
use crate::canonical::{Digest, hex_bytes};

hex_bytes! {
    /// An Ed25519 signature.
    Signature, 64
}

/// What a libp2p peer id of an Ed25519 key starts with: identity multihash of 36 bytes, then the protobuf of a key of
/// type Ed25519 with 32 bytes.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// A node's name on the network: its public key. Its order is the canonical order of parties.
///
/// In JSON and on screen it is the base58 text that libp2p uses (`12D3KooW...`). Only strict keys exist as values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

/// Keys that were found to be strict, so that they are not looked at again. Public.
static STRICT: RwLock<BTreeSet<[u8; 32]>> = RwLock::new(BTreeSet::new());
/// The most keys that are remembered.
const STRICT_KEYS: usize = 4_096;

/// Why bytes or a text name no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The text or bytes have another form.
    #[error("not the peer id of an Ed25519 key")]
    Form,
    /// The key is no point, not canonical, or of small order.
    #[error("not a strict Ed25519 public key")]
    Key,
}

impl PeerId {
    /// The peer of a public key.
    ///
    /// # Errors
    /// The bytes are no point of the curve, are not its canonical encoding, or have small order.
    pub fn from_public_key(bytes: [u8; 32]) -> Result<Self, IdentityError> {
        // Records name the same few keys again and again, and a point takes its time.
        if STRICT.read().unwrap_or_else(PoisonError::into_inner).contains(&bytes) {
            return Ok(Self(bytes));
        }
        let peer = Self::checked(bytes)?;
        let mut strict = STRICT.write().unwrap_or_else(PoisonError::into_inner);
        if strict.len() >= STRICT_KEYS {
            strict.clear();
        }
        strict.insert(bytes);
        Ok(peer)
    }

    fn checked(bytes: [u8; 32]) -> Result<Self, IdentityError> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| IdentityError::Key)?;
        if key.is_weak() || !is_reduced(&bytes) { Err(IdentityError::Key) } else { Ok(Self(bytes)) }
    }

    /// Its Ed25519 public key.
    pub fn public_key(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes of the libp2p peer id.
    pub fn to_bytes(&self) -> [u8; 38] {
        let mut bytes = [0; 38];
        bytes[..6].copy_from_slice(&PEER_ID_PREFIX);
        bytes[6..].copy_from_slice(&self.0);
        bytes
    }

    /// The peer of a libp2p peer id.
    ///
    /// # Errors
    /// It is not that of a strict Ed25519 key.
    pub fn from_libp2p(peer: &libp2p_identity::PeerId) -> Result<Self, IdentityError> {
        let bytes = peer.to_bytes();
        let key = bytes.strip_prefix(&PEER_ID_PREFIX).ok_or(IdentityError::Form)?;
        Self::from_public_key(key.try_into().map_err(|_| IdentityError::Form)?)
    }

    /// As libp2p has it.
    pub fn to_libp2p(&self) -> libp2p_identity::PeerId {
        libp2p_identity::PeerId::from_bytes(&self.to_bytes()).expect("the prefix makes a peer id of 32 key bytes")
    }

    /// The first and last characters, to name peers in logs. Never for comparing.
    pub fn short(&self) -> String {
        let text = self.to_string();
        format!("{}…{}", &text[8..12], &text[text.len() - 4..])
    }

    /// Whether this peer signed the digest for the purpose that `label` names.
    #[must_use]
    pub fn verify(&self, label: &str, digest: &Digest, signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(&signed_bytes(label, digest), &signature).is_ok())
    }
}

/// Whether the y coordinate is below the prime `2^255 - 19`.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let top = bytes[31] & 0x7f == 0x7f && bytes[1..31].iter().all(|&byte| byte == 0xff);
    !(top && bytes[0] >= 0xed)
}

fn signed_bytes(label: &str, digest: &Digest) -> Vec<u8> {
    let length = u8::try_from(label.len()).expect("labels are short constants");
    [&[length], label.as_bytes(), digest.as_bytes()].concat()
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_libp2p(), f)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

impl FromStr for PeerId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        if text.len() > 64 {
            return Err(IdentityError::Form);
        }
        let peer = Self::from_libp2p(&text.parse().map_err(|_| IdentityError::Form)?)?;
        if peer.to_string() == text { Ok(peer) } else { Err(IdentityError::Form) }
    }
}

impl Encode for PeerId {
    fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        self.0.encode(encoder)
    }
}

impl<Context> Decode<Context> for PeerId {
    fn decode<D: bincode::de::Decoder<Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        Self::from_public_key(<[u8; 32]>::decode(decoder)?)
            .map_err(|_| bincode::error::DecodeError::Other("not a strict Ed25519 public key"))
    }
}

bincode::impl_borrow_decode!(PeerId);

impl Serialize for PeerId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PeerId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str> as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A node's own key pair.
///
/// # Security
/// It wipes its secret when dropped, and `Debug` shows the public part only. [`Identity::to_seed`] is for the sealed
/// store, [`Identity::to_libp2p`] for the transport; both hand out copies of the secret.
#[derive(Clone)]
pub struct Identity {
    key: ed25519_dalek::SigningKey,
    peer: PeerId,
}

impl Identity {
    /// A new key pair.
    pub fn generate(rng: &mut dyn rand_core::CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        Self::from_seed(&seed)
    }

    /// The key pair of a seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let peer = PeerId(key.verifying_key().to_bytes());
        Self { key, peer }
    }

    /// The seed, for the sealed store.
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// The key pair as libp2p has it.
    pub fn to_libp2p(&self) -> libp2p_identity::Keypair {
        let mut seed = self.to_seed();
        libp2p_identity::Keypair::ed25519_from_bytes(seed.as_mut_slice()).expect("a seed is 32 bytes")
    }

    /// Its public name.
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// Signs a digest for the purpose that `label` names.
    pub fn sign(&self, label: &str, digest: &Digest) -> Signature {
        use ed25519_dalek::Signer as _;
        Signature::from_bytes(self.key.sign(&signed_bytes(label, digest)).to_bytes())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("peer", &self.peer).field("key", &"<redacted>").finish()
    }
}

/// The place of a peer in the canonical order of a job's parties: ascending by key bytes.
pub fn party_of(peer: &PeerId, parties: impl IntoIterator<Item = PeerId>) -> Option<PartyId> {
    let mut peers: Vec<PeerId> = parties.into_iter().collect();
    peers.sort_unstable();
    u8::try_from(peers.iter().position(|other| other == peer)?).ok().map(PartyId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::digest;

    fn identity(seed: u8) -> Identity {
        Identity::from_seed(&[seed; 32])
    }

    #[test]
    fn is_the_same_peer_as_libp2p_says() {
        let identity = identity(1);
        let theirs = identity.to_libp2p().public().to_peer_id();
        assert_eq!(identity.peer().to_libp2p(), theirs);
        assert_eq!(identity.peer().to_string(), theirs.to_base58());
        assert_eq!(identity.peer().to_bytes().to_vec(), theirs.to_bytes());
        assert_eq!(PeerId::from_libp2p(&theirs), Ok(identity.peer()));
        assert_eq!(theirs.to_base58().parse(), Ok(identity.peer()));
    }

    #[test]
    fn a_signature_is_for_one_key_one_purpose_and_one_digest() {
        let (a, b) = (identity(1), identity(2));
        let (one, two) = (digest("t", &1_u8), digest("t", &2_u8));
        let signature = a.sign("tacit/contract/sign/1", &one);
        assert!(a.peer().verify("tacit/contract/sign/1", &one, &signature));
        assert!(!a.peer().verify("tacit/receipt/sign/1", &one, &signature));
        assert!(!a.peer().verify("tacit/contract/sign/1", &two, &signature));
        assert!(!b.peer().verify("tacit/contract/sign/1", &one, &signature));
        for bit in 0..512 {
            let mut bytes = *signature.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!a.peer().verify("tacit/contract/sign/1", &one, &Signature::from_bytes(bytes)), "bit {bit}");
        }
    }

    #[test]
    fn refuses_keys_that_could_sign_everything_or_have_two_names() {
        let mut one = [0; 32];
        one[0] = 1; // the neutral element
        let zero = [0; 32]; // a point of order 4
        let mut not_reduced = [0xff; 32]; // y = p + 1 again the neutral element
        not_reduced[0] = 0xee;
        not_reduced[31] = 0x7f;
        let mut no_point = [0; 32];
        no_point[0] = 2;
        for key in [one, zero, not_reduced, no_point, [0xff; 32]] {
            assert_eq!(PeerId::from_public_key(key), Err(IdentityError::Key), "{key:02x?}");
        }
    }

    #[test]
    fn refuses_texts_that_name_no_ed25519_peer() {
        let good = identity(1).peer().to_string();
        for text in ["", "12D3KooW", &good[1..], &format!("{good}1"), "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"]
        {
            assert!(text.parse::<PeerId>().is_err(), "{text}");
        }
    }

    #[test]
    fn generated_identities_differ_and_come_back_from_their_seed() {
        use rand_chacha::rand_core::SeedableRng as _;
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let (a, b) = (Identity::generate(&mut rng), Identity::generate(&mut rng));
        assert_ne!(a.peer(), b.peer());
        assert_eq!(Identity::from_seed(&a.to_seed()).peer(), a.peer());
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", identity(7));
        assert!(shown.contains("<redacted>") && !shown.contains("7, 7") && !shown.contains("0707"), "{shown}");
    }

    #[test]
    fn parties_are_in_the_order_of_their_peer_ids() {
        let peers = [1, 2, 3].map(|seed| identity(seed).peer());
        let mut by_libp2p = peers;
        by_libp2p.sort_by_key(|peer| peer.to_libp2p().to_bytes());
        for (place, peer) in (0..).zip(&by_libp2p) {
            assert_eq!(party_of(peer, peers), Some(PartyId(place)));
        }
        assert_eq!(party_of(&identity(4).peer(), peers), None);
    }
}
