//! What the parties of a direct session say to each other between runs: messages of one length, so that scripts that
//! differ are found out, and neither waits for bytes that do not come.
//!
//! *Shapes and units*: 128 bytes: a kind, then its content, then zeros.

use bincode::{Decode, Encode};
use tacit_protocol::Number;
use tacit_protocol::schema::Element;

use crate::channel::Channel;
use crate::error::{Error, Result};

/// Bytes of a message.
const BYTES: usize = 128;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Control {
    /// A run begins: its number, and the hash of its plan.
    Run(u64, [u8; 32]),
    /// The sender hands in an array of this type.
    Array(Header),
    /// The sender's array was not as it was declared, so it handed in none.
    NoArray,
}

/// What is public of an array that a party hands in.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Header {
    /// Its type: bool, int64, decimal or float64.
    pub(super) element: Element,
    /// Its shape.
    pub(super) shape: Vec<u64>,
    /// The least value that it may have.
    pub(super) lo: Number,
    /// The largest.
    pub(super) hi: Number,
}

impl Control {
    /// Queues the message.
    pub(super) fn send(&self, channel: &mut dyn Channel) -> Result<()> {
        let config = bincode::config::standard();
        let mut bytes = bincode::encode_to_vec(self, config).expect("encoding to memory does not fail");
        if bytes.len() > BYTES {
            return Err(Error::refused("PROGRAM_TYPE", "the type of the array is too long to be told to the peer"));
        }
        bytes.resize(BYTES, 0);
        channel.send(&bytes)
    }

    /// Waits for the peer's.
    pub(super) fn receive(channel: &mut dyn Channel) -> Result<Self> {
        let mut bytes = [0; BYTES];
        channel.receive(&mut bytes)?;
        let config = bincode::config::standard().with_limit::<BYTES>();
        let decoded = bincode::decode_from_slice(&bytes, config);
        let unread = |_| Error::deviation("PROTOCOL_LENGTH", channel.step(), "a message between runs cannot be read");
        decoded.map(|(control, _)| control).map_err(unread)
    }

    /// What the peer does, in words.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Run(..) => "reveals or shares a value",
            Self::Array(_) => "hands in an array",
            Self::NoArray => "could not hand in an array",
        }
    }
}
