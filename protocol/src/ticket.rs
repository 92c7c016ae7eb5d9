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

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 24 * 3600;

    fn identity(seed: u8) -> Identity {
        Identity::from_seed(&[seed; 32])
    }

    fn invitation() -> Invitation {
        Invitation {
            organisation: "Maison".into(),
            addresses: vec!["/ip4/203.0.113.7/udp/4001/quic-v1".into(), "/dns/node.maison.example/tcp/4001".into()],
            issued: NOW,
            expires: NOW + DAY,
        }
    }

    fn issue(invitation: Invitation) -> Result<(String, IssuedTicket), TicketError> {
        invitation.issue(&identity(1), &mut ChaCha20Rng::seed_from_u64(7))
    }

    fn issued() -> (String, IssuedTicket) {
        issue(invitation()).expect("a ticket")
    }

    fn check_at(text: &str, now: u64, paired: &[(PeerId, String)], allow_local: bool) -> Result<Ticket, TicketError> {
        let own = identity(2).peer();
        DecodedTicket::parse(text)?.check(&Redeemer { now, own: &own, paired, allow_local })
    }

    fn check(text: &str) -> Result<Ticket, TicketError> {
        check_at(text, NOW, &[], false)
    }

    /// A ticket with a body that `issue` would not make, signed as it should be.
    fn forge(change: impl FnOnce(&mut Body)) -> String {
        let mut body = DecodedTicket::parse(&issued().0).expect("a ticket").body;
        change(&mut body);
        let mut bytes = codec::encode(&body).expect("encodes");
        let signature = identity(1).sign(SIGNATURE_LABEL, &signed_digest(&bytes));
        bytes.extend(signature.as_bytes());
        to_text(&bytes)
    }

    fn code(result: Result<Ticket, TicketError>) -> String {
        result.expect_err("refused").code().to_string()
    }

    #[test]
    fn a_ticket_says_what_its_issuer_put_in() {
        let (text, kept) = issued();
        let ticket = check(&text).expect("accepted");
        assert_eq!((ticket.issuer(), ticket.organisation()), (identity(1).peer(), "Maison"));
        assert_eq!(ticket.addresses(), invitation().addresses);
        assert_eq!(ticket.expires(), NOW + DAY);
        assert_eq!(ticket.id(), kept.id);
        assert_eq!(check(&format!("  {text}\n")).expect("accepted").id(), kept.id);
    }

    #[test]
    fn the_golden_ticket_is_stable() {
        let (text, kept) = issued();
        assert_eq!(
            text,
            "tacit1rkeohxlubhyzl7ks3mwtzos5olfgocn7dwkbeg7toseadnapn5oamtlbnfzw63qceexws4buf4zdamzogaxdcmjtfy3s65leoaxtimbqgexxc5ljmmwxmmjbf5sg44zpnzxwizjonvqws43pnyxgk6dbnvygyzjporrxalzugaydd7aa2jewx7eaenfwwgkfjit3ouxzawijkb6wcyg5zcb2sjbnnijl3fukvep6y4ecro2wg3bac7di2gqlnxjpcndafipdyfgajlpawmhsokzjzi5xflpg4nwjej2yq3aha77a2643h4yovnaa7guup74a"
        );
        assert_eq!(kept.id.to_string(), "2167ef97264665cf72bb41e39c7000ae90f2210736168144832f1fd37976ba8c");
    }

    #[test]
    fn every_flipped_bit_is_refused_attack_34() {
        let (text, _) = issued();
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // What is no UTF-8 cannot even be asked.
            if let Ok(altered) = String::from_utf8(bytes) {
                assert!(check(&altered).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn flipped_bits_under_a_right_checksum_are_refused_chk_102() {
        let bytes = DecodedTicket::parse(&issued().0).expect("a ticket").bytes.to_vec();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let error = check(&to_text(&altered)).expect_err("refused").code();
            assert!(["TICKET_MALFORMED", "TICKET_SIGNATURE"].contains(&error.as_str()), "bit {bit}: {error}");
        }
    }

    #[test]
    fn refuses_what_is_no_ticket_chk_101() {
        let (text, _) = issued();
        let long = format!("{text}{}", "a".repeat(MAX_TEXT_BYTES));
        let upper = text.to_uppercase();
        for wrong in
            ["", "tacit", "tacit1", "hello", &long, &upper, &text[..text.len() - 1], &format!("{text}a"), "täcit1"]
        {
            assert_eq!(code(check(wrong)), "TICKET_MALFORMED", "{wrong}");
        }
        assert_eq!(code(check(&text.replacen("tacit1", "tacit2", 1))), "TICKET_VERSION");
        assert_eq!(code(check(&text.replacen("tacit1", "tacit9", 1))), "TICKET_VERSION");
    }

    #[test]
    fn refuses_trailing_bytes_and_second_encodings_chk_101() {
        let decoded = DecodedTicket::parse(&issued().0).expect("a ticket");
        let body = &decoded.bytes[..decoded.bytes.len() - SIGNATURE_BYTES];
        let sign = |body: &[u8]| {
            let signature = identity(1).sign(SIGNATURE_LABEL, &signed_digest(body));
            to_text(&[body, signature.as_bytes()].concat())
        };
        assert!(check(&sign(body)).is_ok());
        assert_eq!(code(check(&sign(&[body, &[0]].concat()))), "TICKET_MALFORMED");
        // The organisation's length 6 in a longer form of the same number.
        assert_eq!(body[32], 6);
        let longer = [&body[..32], &[251, 6, 0], &body[33..]].concat();
        assert_eq!(code(check(&sign(&longer))), "TICKET_MALFORMED");
    }

    #[test]
    fn a_ticket_of_another_signer_is_refused_chk_102() {
        let text = forge(|body| body.peer = identity(3).peer());
        assert_eq!(code(check(&text)), "TICKET_SIGNATURE");
    }

    #[test]
    fn a_ticket_lives_from_its_issue_to_its_end_chk_103() {
        let (text, _) = issued();
        for (now, accepted) in [
            (NOW - CLOCK_SLACK_SECONDS - 1, false),
            (NOW - CLOCK_SLACK_SECONDS, true),
            (NOW + DAY - 1, true),
            (NOW + DAY, false),
            (0, false),
            (u64::MAX, false),
        ] {
            let result = check_at(&text, now, &[], false);
            assert_eq!(result.is_ok(), accepted, "{now}");
            if !accepted {
                assert_eq!(code(result), "TICKET_EXPIRED");
            }
        }
        assert_eq!(code(check(&forge(|body| body.expires = NOW + 7 * DAY + 1))), "TICKET_EXPIRED");
        assert!(check(&forge(|body| body.expires = NOW + 7 * DAY)).is_ok());
        assert_eq!(code(check(&forge(|body| body.expires = body.issued))), "TICKET_EXPIRED");
    }

    #[test]
    fn names_and_addresses_are_checked_chk_108_chk_109() {
        assert_eq!(code(check(&forge(|body| body.organisation = "Mai\u{202E}son".into()))), "PEER_NAME");
        for addresses in [
            vec![],
            vec!["/ip4/203.0.113.7/tcp/1".to_owned(); 9],
            vec!["/ip4/127.0.0.1/tcp/1".to_owned()],
            vec!["/ip4/169.254.169.254/tcp/80".to_owned()],
            vec!["nonsense".to_owned()],
            vec![format!("/ip4/203.0.113.7/tcp/1/p2p/{}", identity(3).peer())],
        ] {
            let text = forge(|body| body.addresses.clone_from(&addresses));
            assert_eq!(code(check(&text)), "TICKET_ADDRESS", "{addresses:?}");
        }
        let local = forge(|body| body.addresses = vec!["/ip4/127.0.0.1/tcp/1".to_owned()]);
        assert!(check_at(&local, NOW, &[], true).is_ok());
        let named = vec![format!("/ip4/203.0.113.7/tcp/1/p2p/{}", identity(1).peer())];
        assert!(check(&forge(|body| body.addresses = named)).is_ok());
    }

    #[test]
    fn nobody_pairs_with_itself_or_under_a_second_name_chk_105() {
        let (text, _) = issued();
        let own = identity(1).peer();
        let redeemer = Redeemer { now: NOW, own: &own, paired: &[], allow_local: false };
        assert_eq!(code(DecodedTicket::parse(&text).and_then(|t| t.check(&redeemer))), "TICKET_SELF");
        let other_name = [(identity(1).peer(), "Old name".to_owned())];
        assert_eq!(code(check_at(&text, NOW, &other_name, false)), "TICKET_FOREIGN");
        let same_name = [(identity(1).peer(), "Maison".to_owned())];
        assert!(check_at(&text, NOW, &same_name, false).is_ok());
        let look_alike = [(identity(3).peer(), "M\u{430}ison".to_owned())];
        assert_eq!(code(check_at(&text, NOW, &look_alike, false)), "PEER_NAME");
    }

    #[test]
    fn only_who_holds_the_secret_redeems_and_only_once_chk_104_chk_106() {
        let (text, mut kept) = issued();
        let (issuer, redeemer, thief) = (identity(1).peer(), identity(2).peer(), identity(3).peer());
        let nonce = Nonce::from_bytes([9; 16]);
        let proof = check(&text).expect("accepted").key().prove(ProofSide::Redeemer, &issuer, &redeemer, &nonce);
        let redeem = |kept: &IssuedTicket, peer: &PeerId, nonce: &Nonce, proof: &RedemptionProof, now| {
            kept.check_redemption(&issuer, peer, nonce, proof, now).map_err(|error| error.code().to_string())
        };
        assert_eq!(redeem(&kept, &redeemer, &nonce, &proof, NOW), Ok(()));
        // The proof on the connection of another key, for another nonce, or altered.
        assert_eq!(redeem(&kept, &thief, &nonce, &proof, NOW), Err("TICKET_FOREIGN".into()));
        assert_eq!(redeem(&kept, &redeemer, &Nonce::from_bytes([8; 16]), &proof, NOW), Err("TICKET_FOREIGN".into()));
        for bit in 0..256 {
            let mut bytes = *proof.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let altered = RedemptionProof::from_bytes(bytes);
            assert_eq!(redeem(&kept, &redeemer, &nonce, &altered, NOW), Err("TICKET_FOREIGN".into()));
        }
        // The issuer's own proof is not one of the redeemer.
        let issuers = kept.key.prove(ProofSide::Issuer, &issuer, &redeemer, &nonce);
        assert_eq!(redeem(&kept, &redeemer, &nonce, &issuers, NOW), Err("TICKET_FOREIGN".into()));
        assert_eq!(redeem(&kept, &redeemer, &nonce, &proof, NOW + DAY), Err("TICKET_EXPIRED".into()));
        kept.redeemed_by = Some(redeemer);
        assert_eq!(redeem(&kept, &redeemer, &nonce, &proof, NOW), Ok(()), "the same peer asks again");
        let second = kept.key.prove(ProofSide::Redeemer, &issuer, &thief, &nonce);
        assert_eq!(redeem(&kept, &thief, &nonce, &second, NOW), Err("TICKET_USED".into()));
    }

    #[test]
    fn will_not_issue_what_nobody_could_redeem() {
        let code = |invitation| issue(invitation).expect_err("refused").code().to_string();
        assert_eq!(code(Invitation { organisation: String::new(), ..invitation() }), "PEER_NAME");
        assert_eq!(code(Invitation { addresses: Vec::new(), ..invitation() }), "TICKET_ADDRESS");
        assert_eq!(code(Invitation { expires: NOW + 8 * DAY, ..invitation() }), "TICKET_EXPIRED");
        let long = format!("/dns/{}.{}.{}/tcp/1", "a".repeat(60), "b".repeat(60), "c".repeat(60));
        assert_eq!(code(Invitation { addresses: vec![long; 8], ..invitation() }), "TICKET_MALFORMED");
    }

    #[test]
    fn nothing_shows_the_secret() {
        let (text, kept) = issued();
        let decoded = DecodedTicket::parse(&text).expect("a ticket");
        let secret = data_encoding::HEXLOWER.encode(&decoded.body.secret.0);
        let shown = format!("{kept:?} {decoded:?} {:?}", kept.key) + &format!("{:?}", check(&text).expect("accepted"));
        assert!(shown.contains("<redacted>") && !shown.contains(&secret), "{shown}");
        assert!(!shown.contains(&data_encoding::HEXLOWER.encode(kept.key.as_bytes())), "{shown}");
    }
}
