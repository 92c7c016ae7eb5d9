//! Invite tickets: how two organisations meet.
//!
//! *Source*: design §4.1; CHK-101 to CHK-106, CHK-108, CHK-109.
//! *Security*: a ticket is signed by the node that issued it and holds a single-use secret of 128 bits. Whoever holds the
//! text may redeem it once, so it is sent over a channel that the operator trusts, and the issuer's operator compares the
//! fingerprint's words before the peer counts as paired (CHK-107). The issuer keeps a key derived from the secret. The
//! redeemer never sends the secret: it proves that it has it, over both peer ids and a nonce, so that a proof is of no
//! use on another connection.
//! *Shapes and units*: text `tacit1` and lower-case base32 of body, signature and a checksum of 4 bytes; at most
//! [`MAX_TEXT_BYTES`]; times are Unix seconds. The body is bincode of, in order:
//!
//! | field | type | limit |
//! | --- | --- | --- |
//! | peer | 32 bytes, Ed25519 public key | strict |
//! | organisation | text | [`crate::name`] |
//! | addresses | texts | 1 to 8, [`crate::address`] |
//! | issued, expires | u64 | at most 7 days apart |
//! | secret | 16 bytes | |
//!
//! *Vectors*: the test `the_golden_ticket_is_stable`.

use bincode::{Decode, Encode};
use hmac::{Hmac, KeyInit as _, Mac as _};

use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::address::{self, AddressError};
use crate::canonical::{Digest, Nonce, digest_bytes, hex_bytes};
use crate::codec::{self, wire};
use crate::identity::{Identity, PeerId, Signature};
use crate::name::{self, NameError};
use crate::{Code, canonical};

/// The most bytes of a ticket's text (CHK-101).
pub const MAX_TEXT_BYTES: usize = 2 * 1024;
/// The longest life of a ticket, in seconds (CHK-103).
pub const MAX_LIFE_SECONDS: u64 = 7 * 24 * 3600;
/// How far the issuer's clock may be ahead, in seconds (CHK-103).
pub const CLOCK_SLACK_SECONDS: u64 = 5 * 60;

const PREFIX: &str = "tacit1";
const SIGNATURE_LABEL: &str = "tacit/ticket/1";
const CHECKSUM_BYTES: usize = 4;
const SIGNATURE_BYTES: usize = 64;

hex_bytes! {
    /// The MAC that proves possession of a ticket's secret to the other side (CHK-106).
    RedemptionProof, 32
}

/// The secret of a ticket. It is wiped when dropped and never shown.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
struct Secret([u8; 16]);

/// The key that both sides of a redemption derive from the secret; what the issuer keeps of it (CHK-104).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct TicketKey([u8; 32]);

/// Why a ticket or its redemption is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// Not the text of a ticket (CHK-101).
    #[error("this is no ticket, or a letter of it was changed or lost")]
    Malformed,
    /// A ticket of a version that this node does not read (CHK-101).
    #[error("this ticket has a version that this node does not read; it reads tickets that begin with {PREFIX}")]
    Version,
    /// The signature is not the issuer's (CHK-102).
    #[error("the ticket is not signed by the node that it names")]
    Signature,
    /// Not yet or no longer valid, or valid for too long (CHK-103).
    #[error("the ticket is valid from {issued} to {expires} (at most 7 days), now is {now} (Unix seconds)")]
    Expired {
        /// From.
        issued: u64,
        /// Until.
        expires: u64,
        /// The time of the check.
        now: u64,
    },
    /// Redeemed before (CHK-104).
    #[error("the ticket has been used")]
    Used,
    /// This node's own ticket (CHK-105).
    #[error("the ticket was issued by this node itself")]
    Own,
    /// Its node is already paired under another name (CHK-105).
    #[error("the ticket's node is already paired as {0:?}")]
    OtherName(String),
    /// The issuer knows no such ticket, or the redeemer does not hold its secret (CHK-105, CHK-106).
    #[error("the ticket is not one that this node issued to the redeemer")]
    Foreign,
    /// An address is not to be dialled (CHK-109).
    #[error("an address of the ticket: {0}")]
    Address(#[from] AddressError),
    /// The organisation's name is not allowed (CHK-108).
    #[error("the ticket's organisation: {0}")]
    Name(#[from] NameError),
}

impl TicketError {
    /// Its stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed => Code::new("TICKET_MALFORMED"),
            Self::Version => Code::new("TICKET_VERSION"),
            Self::Signature => Code::new("TICKET_SIGNATURE"),
            Self::Expired { .. } => Code::new("TICKET_EXPIRED"),
            Self::Used => Code::new("TICKET_USED"),
            Self::Own => Code::new("TICKET_SELF"),
            Self::OtherName(_) | Self::Foreign => Code::new("TICKET_FOREIGN"),
            Self::Address(_) => Code::new("TICKET_ADDRESS"),
            Self::Name(error) => error.code(),
        }
    }

    /// What the operator can do.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Malformed => "Copy the whole ticket again.",
            Self::Version => "Upgrade this node, or have the ticket issued by a node of this version.",
            Self::Expired { .. } => "Check the clock of this machine; else ask for a new ticket.",
            Self::Own => "Give the ticket to the other organisation.",
            Self::OtherName(_) => "Revoke the old pairing first if the organisation changed its name.",
            Self::Signature | Self::Used | Self::Foreign | Self::Address(_) | Self::Name(_) => {
                "Ask the issuing organisation for a new ticket."
            }
        }
    }
}

#[derive(Clone, PartialEq, Eq, Encode, Decode)]
struct Body {
    peer: PeerId,
    organisation: String,
    addresses: Vec<String>,
    issued: u64,
    expires: u64,
    secret: Secret,
}

wire!(Body, 1280);

/// A ticket that was decoded, and nothing else: nobody vouches for its content yet.
pub struct DecodedTicket {
    body: Body,
    bytes: Zeroizing<Vec<u8>>,
    signature: Signature,
}

/// A ticket whose checks passed (CHK-101 to CHK-103, CHK-105, CHK-108, CHK-109).
#[derive(Clone)]
pub struct Ticket {
    body: Body,
    id: Digest,
}

/// What a check needs of the node that is about to redeem a ticket.
#[derive(Clone, Copy, Debug)]
pub struct Redeemer<'a> {
    /// The time.
    pub now: u64,
    /// The node itself.
    pub own: &'a PeerId,
    /// The peers that it is paired with, and their organisations.
    pub paired: &'a [(PeerId, String)],
    /// Whether addresses in the local network may be dialled.
    pub allow_local: bool,
}

/// What the issuer puts into a ticket.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The issuer's organisation.
    pub organisation: String,
    /// Where it can be reached.
    pub addresses: Vec<String>,
    /// Now.
    pub issued: u64,
    /// The end of the ticket's life.
    pub expires: u64,
}

/// What the issuer keeps of a ticket. The key belongs into the sealed store.
#[derive(Clone)]
pub struct IssuedTicket {
    /// The ticket's digest, by which the redeemer names it.
    pub id: Digest,
    /// The key.
    pub key: TicketKey,
    /// The start of its life.
    pub issued: u64,
    /// The end of its life.
    pub expires: u64,
    /// Who redeemed it.
    pub redeemed_by: Option<PeerId>,
}

impl Invitation {
    /// Issues a ticket: its text, and what the issuer keeps.
    ///
    /// # Errors
    /// The name, an address or the times are not allowed. Local addresses are allowed here: whether they make sense is
    /// for the redeemer to say.
    pub fn issue(
        self,
        identity: &Identity,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<(String, IssuedTicket), TicketError> {
        let mut secret = Secret([0; 16]);
        rng.fill_bytes(&mut secret.0);
        let Self { organisation, addresses, issued, expires } = self;
        let body = Body { peer: identity.peer(), organisation, addresses, issued, expires, secret };
        body.check_content(true)?;
        body.check_times(issued)?;
        let mut bytes = codec::encode(&body).map_err(|_| TicketError::Malformed)?;
        let signature = identity.sign(SIGNATURE_LABEL, &signed_digest(&bytes));
        bytes.extend(signature.as_bytes());
        let text = to_text(&bytes);
        let kept =
            IssuedTicket { id: id(&bytes), key: TicketKey::of(&body.secret), issued, expires, redeemed_by: None };
        bytes.zeroize();
        if text.len() > MAX_TEXT_BYTES { Err(TicketError::Malformed) } else { Ok((text, kept)) }
    }
}

impl DecodedTicket {
    /// Decodes the text of a ticket (CHK-101). White space around it is ignored.
    ///
    /// # Errors
    /// `TICKET_MALFORMED`, `TICKET_VERSION`.
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        if text.len() > MAX_TEXT_BYTES || !text.is_ascii() {
            return Err(TicketError::Malformed);
        }
        let Some(code) = text.strip_prefix(PREFIX) else {
            let other = text.strip_prefix("tacit").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            return Err(if other { TicketError::Version } else { TicketError::Malformed });
        };
        if code.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(TicketError::Malformed);
        }
        let code = Zeroizing::new(code.to_ascii_uppercase());
        let bytes = data_encoding::BASE32_NOPAD.decode(code.as_bytes()).map_err(|_| TicketError::Malformed)?;
        let mut bytes = Zeroizing::new(bytes);
        let content = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(TicketError::Malformed)?;
        if checksum(&bytes[..content]) != bytes[content..] {
            return Err(TicketError::Malformed);
        }
        bytes.truncate(content);
        let body_length = content.checked_sub(SIGNATURE_BYTES).ok_or(TicketError::Malformed)?;
        let signature: [u8; SIGNATURE_BYTES] = bytes[body_length..].try_into().map_err(|_| TicketError::Malformed)?;
        let body = codec::decode::<Body>(&bytes[..body_length]).map_err(|_| TicketError::Malformed)?;
        Ok(Self { body, bytes, signature: Signature::from_bytes(signature) })
    }

    /// Checks everything that the redeemer can check before it dials.
    ///
    /// # Errors
    /// In this order: `TICKET_SIGNATURE` (CHK-102), `TICKET_EXPIRED` (CHK-103), `PEER_NAME` (CHK-108), `TICKET_ADDRESS`
    /// (CHK-109), `TICKET_SELF` and `TICKET_FOREIGN` (CHK-105).
    pub fn check(self, redeemer: &Redeemer<'_>) -> Result<Ticket, TicketError> {
        let body_length = self.bytes.len() - SIGNATURE_BYTES;
        let digest = signed_digest(&self.bytes[..body_length]);
        if !self.body.peer.verify(SIGNATURE_LABEL, &digest, &self.signature) {
            return Err(TicketError::Signature);
        }
        self.body.check_times(redeemer.now)?;
        self.body.check_content(redeemer.allow_local)?;
        if self.body.peer == *redeemer.own {
            return Err(TicketError::Own);
        }
        for (peer, name) in redeemer.paired {
            if *peer == self.body.peer && *name != self.body.organisation {
                return Err(TicketError::OtherName(name.clone()));
            }
            if *peer != self.body.peer {
                name::check_unlike(&self.body.organisation, [name.as_str()])?;
            }
        }
        let id = id(&self.bytes);
        Ok(Ticket { body: self.body, id })
    }
}

impl Ticket {
    /// Its digest, by which issuer and redeemer name it.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// The issuing node.
    pub fn issuer(&self) -> PeerId {
        self.body.peer
    }

    /// The issuing organisation.
    pub fn organisation(&self) -> &str {
        &self.body.organisation
    }

    /// Where the issuer can be reached.
    pub fn addresses(&self) -> &[String] {
        &self.body.addresses
    }

    /// The end of its life.
    pub fn expires(&self) -> u64 {
        self.body.expires
    }

    /// The key for proofs.
    pub fn key(&self) -> TicketKey {
        TicketKey::of(&self.body.secret)
    }
}

impl Body {
    fn check_times(&self, now: u64) -> Result<(), TicketError> {
        let Self { issued, expires, .. } = *self;
        let life = expires.checked_sub(issued).is_some_and(|life| (1..=MAX_LIFE_SECONDS).contains(&life));
        if life && issued.saturating_sub(CLOCK_SLACK_SECONDS) <= now && now < expires {
            Ok(())
        } else {
            Err(TicketError::Expired { issued, expires, now })
        }
    }

    fn check_content(&self, allow_local: bool) -> Result<(), TicketError> {
        name::check_organisation(&self.organisation)?;
        if !(1..=address::MAX_ADDRESSES).contains(&self.addresses.len()) {
            return Err(AddressError::Count.into());
        }
        for text in &self.addresses {
            let address = address::check(text, allow_local)?;
            if address.peer.is_some_and(|peer| peer != self.peer.to_string()) {
                return Err(AddressError::OtherPeer.into());
            }
        }
        Ok(())
    }
}

/// Which side made a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofSide {
    /// The node that issued the ticket.
    Issuer,
    /// The node that redeems it.
    Redeemer,
}

impl TicketKey {
    fn of(secret: &Secret) -> Self {
        Self(*digest_bytes("tacit/ticket/key/1", &secret.0).as_bytes())
    }

    /// From the sealed store.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For the sealed store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Proof that `side` holds the secret, bound to both peers and the redeemer's nonce (CHK-106).
    pub fn prove(&self, side: ProofSide, issuer: &PeerId, redeemer: &PeerId, nonce: &Nonce) -> RedemptionProof {
        RedemptionProof::from_bytes(self.mac(side, issuer, redeemer, nonce).finalize().into_bytes().into())
    }

    /// Whether `side` holds the secret (CHK-106). The comparison takes the same time whatever differs.
    ///
    /// # Errors
    /// `TICKET_FOREIGN`.
    pub fn verify(
        &self,
        side: ProofSide,
        issuer: &PeerId,
        redeemer: &PeerId,
        nonce: &Nonce,
        proof: &RedemptionProof,
    ) -> Result<(), TicketError> {
        self.mac(side, issuer, redeemer, nonce).verify_slice(proof.as_bytes()).map_err(|_| TicketError::Foreign)
    }

    fn mac(&self, side: ProofSide, issuer: &PeerId, redeemer: &PeerId, nonce: &Nonce) -> Hmac<Sha256> {
        let label: &[u8] = match side {
            ProofSide::Issuer => b"tacit/pair/issuer/1",
            ProofSide::Redeemer => b"tacit/pair/redeemer/1",
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        // All parts but the label have a fixed length, and no label is the start of the other.
        for part in [label, issuer.public_key(), redeemer.public_key(), nonce.as_bytes()] {
            mac.update(part);
        }
        mac
    }
}

impl std::fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketKey(<redacted>)")
    }
}

impl std::fmt::Debug for DecodedTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecodedTicket").field("secret", &"<redacted>").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("id", &self.id)
            .field("issuer", &self.body.peer)
            .field("organisation", &self.body.organisation)
            .field("secret", &"<redacted>")
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for IssuedTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedTicket")
            .field("id", &self.id)
            .field("expires", &self.expires)
            .field("redeemed_by", &self.redeemed_by)
            .field("key", &"<redacted>")
            .finish_non_exhaustive()
    }
}

impl IssuedTicket {
    /// Whether a peer may redeem it (CHK-103 to CHK-106). The caller stores `redeemed_by` durably before it answers; the
    /// same peer may ask again, because an answer can get lost.
    ///
    /// # Errors
    /// `TICKET_FOREIGN`, `TICKET_EXPIRED`, `TICKET_USED`, in this order: only who holds the secret learns the others.
    pub fn check_redemption(
        &self,
        issuer: &PeerId,
        redeemer: &PeerId,
        nonce: &Nonce,
        proof: &RedemptionProof,
        now: u64,
    ) -> Result<(), TicketError> {
        self.key.verify(ProofSide::Redeemer, issuer, redeemer, nonce, proof)?;
        if issuer == redeemer {
            return Err(TicketError::Own);
        }
        match &self.redeemed_by {
            Some(peer) if peer == redeemer => Ok(()),
            Some(_) => Err(TicketError::Used),
            None if now >= self.expires => {
                Err(TicketError::Expired { issued: self.issued, expires: self.expires, now })
            }
            None => Ok(()),
        }
    }
}

fn signed_digest(body: &[u8]) -> Digest {
    digest_bytes(SIGNATURE_LABEL, body)
}

fn id(bytes: &[u8]) -> Digest {
    digest_bytes("tacit/ticket/id/1", bytes)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = canonical::digest_bytes("tacit/ticket/checksum/1", bytes);
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

fn to_text(bytes: &[u8]) -> String {
    let code = data_encoding::BASE32_NOPAD.encode(&[bytes, &checksum(bytes)].concat());
    format!("{PREFIX}{}", code.to_ascii_lowercase())
}
