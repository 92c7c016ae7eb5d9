//! A layer over a channel whose party does not send what the protocol makes.

use tacit_mpc::channel::{Channel, Layer, NoiseChannel};
use tacit_mpc::error::Result;

/// What a deviating party does to one of its messages.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// Sends other bytes of the same length.
    Replace(fn(&mut [u8])),
    /// Sends so many bytes more.
    Append(usize),
    /// Sends nothing any more.
    FallSilent,
    /// Closes the connection as if all were over.
    Leave,
}

/// A deviation: at the message of a step with this number, from 0.
#[derive(Clone, Copy)]
pub(crate) struct Deviation {
    pub(crate) step: &'static str,
    pub(crate) message: usize,
    pub(crate) act: Act,
}

/// Honest until the deviation.
pub(crate) struct Deviating {
    deviation: Deviation,
    /// Messages of the deviation's step so far.
    seen: usize,
    silent: bool,
}

impl Deviating {
    pub(crate) fn new(deviation: Deviation) -> Self {
        Self { deviation, seen: 0, silent: false }
    }

    /// Checks that the deviation came to be.
    pub(crate) fn came_to_be(&self) {
        let Deviation { step, message, .. } = self.deviation;
        assert!(self.seen > message, "no message {message} of {step:?}");
    }
}

impl Layer<NoiseChannel> for Deviating {
    fn send(&mut self, channel: &mut NoiseChannel, bytes: &[u8]) -> Result<()> {
        let mut bytes = bytes.to_vec();
        if channel.step() == self.deviation.step {
            if self.seen == self.deviation.message {
                match self.deviation.act {
                    Act::Replace(with) => with(&mut bytes),
                    Act::Append(more) => bytes.resize(bytes.len() + more, 0x55),
                    Act::FallSilent => self.silent = true,
                    Act::Leave => channel.abort_handle().abort(),
                }
            }
            self.seen += 1;
        }
        if self.silent { Ok(()) } else { channel.send(&bytes) }
    }
}
