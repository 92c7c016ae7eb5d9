//! The key that two parties share before a direct session, and the handshake that both prove its knowledge in.
//!
//! *Source*: Noise XX, as [`crate::channel::noise`]. *Security*: each party's X25519 key is a hash of the shared key and its
//! place, so that a party that finishes the handshake knows the shared key; the ephemeral keys keep earlier sessions
//! secret if it becomes known. The [`Preamble`] before it tells a peer with another key from a stranger, and is worth
//! nothing else: who has seen one can repeat it. *Cost*: 66 B before the handshake.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tacit_protocol::PartyId;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::channel::NoiseChannel;
use crate::channel::noise::{Deadlines, Handshake, Role, StaticKey};
use crate::error::{Error, Result};

const STEP: &str = "channel handshake";
const MAGIC: &[u8; 16] = b"tacit/direct/1\r\n";
const NONCE_BYTES: usize = 16;
const PREAMBLE_BYTES: usize = 16 + 1 + NONCE_BYTES + 32;
/// The answers to a preamble.
const WELCOME: u8 = 0;
const OTHER_KEY: u8 = 1;
const SAME_PARTY: u8 = 2;

/// A secret of 32 bytes that both parties have been given.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PairKey([u8; 32]);

/// What a listener finds of a connection before the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preamble {
    /// The other party, with the same key.
    Peer,
    /// Someone who speaks something else, or nothing: to be closed and forgotten.
    Stranger,
}

impl std::fmt::Debug for PairKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PairKey(<redacted>)")
    }
}

impl PairKey {
    /// The key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits; white space around them is left out.
    ///
    /// # Errors
    /// `CHANNEL_KEY` when the text is no such key. The text is not repeated.
    pub fn from_hex(text: &str) -> Result<Self> {
        let text = text.trim();
        let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
        let mut key = Self([0; 32]);
        let pairs = text.as_bytes().chunks_exact(2);
        let whole = text.len() == 64;
        for (byte, pair) in key.0.iter_mut().zip(pairs) {
            match (digit(pair[0]), digit(pair[1])) {
                (Some(high), Some(low)) if whole => *byte = high << 4 | low,
                _ => return Err(malformed()),
            }
        }
        if whole { Ok(key) } else { Err(malformed()) }
    }

    fn digest(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let hash = Sha256::new().chain_update(label).chain_update(self.0);
        parts.iter().fold(hash, |hash, part| hash.chain_update(part)).finalize().into()
    }

    /// The channel key of a party.
    fn static_key(&self, party: PartyId) -> StaticKey {
        StaticKey::from_secret(Zeroizing::new(self.digest("tacit/direct/static/1", &[&[party.0]])))
    }

    fn tag(&self, party: PartyId, nonce: &[u8]) -> [u8; 32] {
        self.digest("tacit/direct/preamble/1", &[&[party.0], nonce])
    }

    /// Says hello as the one who dialled, and makes the channel.
    ///
    /// # Errors
    /// `CHANNEL_KEY` when the listener has another key, `CHANNEL_BINDING` when it plays the same party, and those of
    /// [`NoiseChannel::connect`].
    pub fn dial(
        &self,
        socket: TcpStream,
        party: PartyId,
        deadlines: Deadlines,
        rng: &mut dyn CryptoRng,
    ) -> Result<NoiseChannel> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let hello = [&MAGIC[..], &[party.0], &nonce, &self.tag(party, &nonce)].concat();
        let limit = deadlines.silence.min(deadlines.total);
        let failed = |source: std::io::Error| closed(source, limit);
        socket.set_read_timeout(Some(limit)).map_err(failed)?;
        (&socket).write_all(&hello).map_err(failed)?;
        let mut answer = [0];
        (&socket).read_exact(&mut answer).map_err(failed)?;
        match answer[0] {
            WELCOME => self.channel(socket, party, Role::Initiator, deadlines),
            OTHER_KEY => Err(other_key(party.other())),
            SAME_PARTY => Err(same_party(party)),
            _ => Err(Error::deviation("CHANNEL_BINDING", STEP, "who listens there speaks no direct session")),
        }
    }

    /// Hears the hello of who dialled (CHK-408). A stranger's connection is to be dropped; there may be another.
    ///
    /// # Errors
    /// `CHANNEL_KEY` when the peer has another key, `CHANNEL_BINDING` when it plays the same party; it is told.
    pub fn welcome(&self, socket: &TcpStream, party: PartyId, limit: Duration) -> Result<Preamble> {
        let mut hello = [0; PREAMBLE_BYTES];
        let mut socket = socket;
        let read = socket.set_read_timeout(Some(limit)).and_then(|()| socket.read_exact(&mut hello));
        let (magic, rest) = hello.split_at(MAGIC.len());
        if read.is_err() || magic != MAGIC {
            return Ok(Preamble::Stranger);
        }
        let (claimed, nonce, tag) = (PartyId(rest[0]), &rest[1..=NONCE_BYTES], &rest[1 + NONCE_BYTES..]);
        let (answer, heard) = if !bool::from(self.tag(claimed, nonce).ct_eq(tag)) {
            (OTHER_KEY, Err(other_key(party.other())))
        } else if claimed != party.other() {
            (SAME_PARTY, Err(same_party(party)))
        } else {
            (WELCOME, Ok(Preamble::Peer))
        };
        socket.write_all(&[answer]).map_err(|source| closed(source, limit))?;
        heard
    }

    /// Makes the channel as the one who listened, after [`PairKey::welcome`].
    ///
    /// # Errors
    /// Those of [`NoiseChannel::connect`].
    pub fn accept(&self, socket: TcpStream, party: PartyId, deadlines: Deadlines) -> Result<NoiseChannel> {
        self.channel(socket, party, Role::Responder, deadlines)
    }

    fn channel(&self, socket: TcpStream, party: PartyId, role: Role, deadlines: Deadlines) -> Result<NoiseChannel> {
        let initiator = if role == Role::Initiator { party } else { party.other() };
        let prologue = Sha256::new().chain_update("tacit/channel/1/direct").chain_update([initiator.0]).finalize();
        let handshake = Handshake {
            role,
            local: &self.static_key(party),
            remote: self.static_key(party.other()).public(),
            prologue: prologue.into(),
        };
        NoiseChannel::connect(socket, &handshake, deadlines)
    }
}

fn malformed() -> Error {
    Error::refused("CHANNEL_KEY", "the key is no 64 hexadecimal digits (32 bytes); make one with `tacit.new_key()`")
}

fn other_key(peer: PartyId) -> Error {
    let check = format!("{peer} has another key; give both parties the same one");
    Error::deviation("CHANNEL_KEY", STEP, check)
}

fn same_party(party: PartyId) -> Error {
    let check = format!("both ends are {party}; one must be {}", party.other());
    Error::deviation("CHANNEL_BINDING", STEP, check)
}

fn closed(source: std::io::Error, waited: Duration) -> Error {
    match source.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Timeout { step: STEP, waited },
        _ => Error::Closed { step: STEP, source },
    }
}
