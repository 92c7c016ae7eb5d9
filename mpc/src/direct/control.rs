//! What the parties of a direct session say to each other between runs: messages of one length, so that scripts that
//! differ are found out, and neither waits for bytes that do not come.
//!
//! *Shapes and units*: 128 bytes: a kind, then its content, then zeros. What does not encode to the same bytes again is
//! none (CHK-409).

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
        let too_long = || Error::refused("PROGRAM_TYPE", "the type of the array is too long to be told to the peer");
        channel.send(&self.encoded().ok_or_else(too_long)?)
    }

    /// The message in its length, if it fits.
    fn encoded(&self) -> Option<[u8; BYTES]> {
        let mut bytes = [0; BYTES];
        bincode::encode_into_slice(self, &mut bytes, bincode::config::standard()).ok()?;
        Some(bytes)
    }

    /// Waits for the peer's.
    pub(super) fn receive(channel: &mut dyn Channel) -> Result<Self> {
        let mut bytes = [0; BYTES];
        channel.receive(&mut bytes)?;
        let config = bincode::config::standard().with_limit::<BYTES>();
        let decoded = bincode::decode_from_slice(&bytes, config).ok().map(|(control, _): (Self, usize)| control);
        let unread = || Error::deviation("PROTOCOL_LENGTH", channel.step(), "a message between runs cannot be read");
        decoded.filter(|control| control.encoded() == Some(bytes)).ok_or_else(unread)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::pair;

    #[test]
    fn a_message_is_read_as_it_was_sent_and_nothing_else_is_one_chk_409() {
        let header =
            Header { element: Element::Decimal { scale: 2 }, shape: vec![u64::MAX; 8], lo: (-5).into(), hi: 5.into() };
        for control in [Control::Run(u64::MAX, [7; 32]), Control::Array(header), Control::NoArray] {
            let (mut a, mut b) = pair();
            control.send(&mut a).expect("it fits");
            a.flush().expect("open");
            assert_eq!(Control::receive(&mut b).expect("as it was sent"), control);
        }
        let sent = Control::Run(3, [7; 32]).encoded().expect("it fits");
        for change in [0, 1, BYTES - 1] {
            let mut bytes = sent;
            bytes[change] = 0xff;
            let (mut a, mut b) = pair();
            a.send(&bytes).expect("open");
            a.flush().expect("open");
            assert_eq!(
                Control::receive(&mut b).expect_err("no message").code().as_str(),
                "PROTOCOL_LENGTH",
                "{change}"
            );
        }
        let long = Header { element: Element::Bool, shape: vec![u64::MAX; 20], lo: 0.into(), hi: 1.into() };
        assert!(Control::Array(long).encoded().is_none());
    }
}
