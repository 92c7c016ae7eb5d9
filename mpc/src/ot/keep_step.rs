//! Exchanges in which only one party has something to say.
//!
//! In every exchange both parties send, before either receives: who has nothing to say sends a byte that means nothing.
//! So no party ever gets ahead of the other, and the number of exchanges is exactly what a link's delay is paid for,
//! wherever in a plan transfers are made. Without it a party that has just answered would be a message ahead, and the
//! next round of transfers would cost one message less or not, depending on what lies between.

use crate::channel::Channel;
use crate::error::Result;

/// Sends the byte.
pub(crate) fn send(channel: &mut dyn Channel) -> Result<()> {
    channel.send(&[0])?;
    channel.flush()
}

/// Takes the peer's, whatever it is.
pub(crate) fn receive(channel: &mut dyn Channel) -> Result<()> {
    channel.receive(&mut [0])
}
