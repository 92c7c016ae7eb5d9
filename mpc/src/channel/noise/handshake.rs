//! The handshake: who is at the other end, and for what.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use curve25519_dalek::montgomery::MontgomeryPoint;
use rand_core::CryptoRng;
use snow::resolvers::{DefaultResolver, FallbackResolver, RingResolver};
use snow::{Builder, HandshakeState, StatelessTransportState};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

const SUITE: &str = "Noise_XX_25519_AESGCM_SHA256";

/// Bytes of the three messages of the XX pattern without payloads.
const MESSAGE_BYTES: [usize; 3] = [32, 96, 64];

pub(super) const STEP: &str = "channel handshake";

/// An X25519 key pair for one contract. It is never derived from another key and never used twice.
pub struct StaticKey {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl StaticKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut secret[..]);
        Self::from_secret(secret)
    }

    /// The key of a stored secret.
    pub fn from_secret(secret: Zeroizing<[u8; 32]>) -> Self {
        let public = MontgomeryPoint::mul_base_clamped(*secret).to_bytes();
        Self { secret, public }
    }

    /// The part that is announced in the contract.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The part that never leaves the node.
    pub fn secret(&self) -> &Zeroizing<[u8; 32]> {
        &self.secret
    }
}

impl std::fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StaticKey(<redacted>)")
    }
}

/// Who speaks first: the node that dialled is the initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Speaks first.
    Initiator,
    /// Answers.
    Responder,
}

/// What both ends must agree on.
#[derive(Clone, Copy)]
pub struct Handshake<'a> {
    /// Who speaks first.
    pub role: Role,
    /// This party's key.
    pub local: &'a StaticKey,
    /// The key that the peer announced.
    pub remote: [u8; 32],
    /// A digest of what the channel is for: contract, lane, roles, identities and suite.
    pub prologue: [u8; 32],
}

impl Handshake<'_> {
    /// Runs the handshake within `limit`.
    pub(super) fn run(&self, socket: &TcpStream, limit: Duration) -> Result<StatelessTransportState> {
        let wire = Wire { socket, limit, until: Instant::now() + limit };
        wire.prepare()?;
        let mut state = self.state().map_err(|error| Error::refused("CHANNEL_KEY", error.to_string()))?;
        // Wider than any message: the library asks for room for a tag that the first message does not have.
        let mut buffer = [0; 128];
        for (turn, bytes) in MESSAGE_BYTES.into_iter().enumerate() {
            if state.is_my_turn() {
                let length = state.write_message(&[], &mut buffer).map_err(binding)?;
                debug_assert_eq!(length, bytes, "the lengths are those of the pattern");
                wire.write(&buffer[..length])?;
            } else {
                state.read_message(&wire.read(bytes)?, &mut buffer).map_err(binding)?;
            }
            self.check_remote(&state, turn)?;
        }
        wire.release()?;
        state.into_stateless_transport_mode().map_err(binding)
    }

    fn state(&self) -> std::result::Result<HandshakeState, snow::Error> {
        let resolver = FallbackResolver::new(Box::new(RingResolver), Box::new(DefaultResolver));
        let builder = Builder::with_resolver(SUITE.parse()?, Box::new(resolver))
            .local_private_key(&self.local.secret[..])?
            .prologue(&self.prologue)?;
        match self.role {
            Role::Initiator => builder.build_initiator(),
            Role::Responder => builder.build_responder(),
        }
    }

    /// CHK-401: the remote static key is the announced one, looked at as soon as it is known and before this side
    /// says anything further.
    fn check_remote(&self, state: &HandshakeState, turn: usize) -> Result<()> {
        match state.get_remote_static() {
            Some(key) if key.ct_eq(&self.remote).into() => Ok(()),
            None if turn + 1 < MESSAGE_BYTES.len() => Ok(()),
            _ => Err(Error::deviation("CHANNEL_KEY", STEP, "the peer's channel key is not the announced one")),
        }
    }
}

/// CHK-401: with another prologue, or another key inside, the messages do not open.
fn binding(error: snow::Error) -> Error {
    Error::deviation("CHANNEL_BINDING", STEP, format!("the channel is not bound to this contract: {error}"))
}

/// A socket with one deadline for the whole handshake.
struct Wire<'a> {
    socket: &'a TcpStream,
    limit: Duration,
    until: Instant,
}

impl Wire<'_> {
    fn prepare(&self) -> Result<()> {
        let prepared = self.socket.set_nonblocking(false).and_then(|()| self.socket.set_nodelay(true));
        prepared.and_then(|()| self.socket.set_write_timeout(Some(self.limit))).map_err(|error| self.failed(error))
    }

    /// Takes the timeouts off again: the threads of the lane block, and are woken by a shutdown.
    fn release(&self) -> Result<()> {
        let released = self.socket.set_read_timeout(None).and_then(|()| self.socket.set_write_timeout(None));
        released.map_err(|error| self.failed(error))
    }

    fn write(&self, message: &[u8]) -> Result<()> {
        let length = (message.len() as u16).to_le_bytes();
        let mut socket = self.socket;
        socket.write_all(&[&length, message].concat()).map_err(|error| self.failed(error))
    }

    /// Reads a message whose length this side knows.
    fn read(&self, bytes: usize) -> Result<Vec<u8>> {
        let mut length = [0; 2];
        self.fill(&mut length)?;
        if usize::from(u16::from_le_bytes(length)) != bytes {
            return Err(Error::deviation("CHANNEL_BINDING", STEP, "a handshake message has a wrong length"));
        }
        let mut message = vec![0; bytes];
        self.fill(&mut message)?;
        Ok(message)
    }

    fn fill(&self, mut into: &mut [u8]) -> Result<()> {
        while !into.is_empty() {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.failed(ErrorKind::TimedOut.into()));
            }
            let mut socket = self.socket;
            let read = self.socket.set_read_timeout(Some(left)).and_then(|()| socket.read(into));
            match read {
                Ok(0) => return Err(self.failed(ErrorKind::UnexpectedEof.into())),
                Ok(count) => into = &mut into[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> Error {
        match source.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Timeout { step: STEP, waited: self.limit },
            _ => Error::Closed { step: STEP, source },
        }
    }
}
