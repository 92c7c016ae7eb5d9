//! A channel whose party does not send what the protocol makes.

use tacit_mpc::channel::{Channel, NoiseChannel, Traffic};
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

/// An honest channel until the deviation.
pub(crate) struct Deviating {
    channel: Option<NoiseChannel>,
    deviation: Deviation,
    /// Messages of the deviation's step so far.
    seen: usize,
    silent: bool,
    step: &'static str,
}

impl Deviating {
    pub(crate) fn new(channel: NoiseChannel, deviation: Deviation) -> Self {
        Self { channel: Some(channel), deviation, seen: 0, silent: false, step: "" }
    }

    fn channel(&mut self) -> &mut NoiseChannel {
        self.channel.as_mut().expect("it has not left")
    }

    /// Whether the deviation came to be. Ends the channel.
    pub(crate) fn leave(mut self) {
        assert!(
            self.seen > self.deviation.message,
            "no message {} of {:?}",
            self.deviation.message,
            self.deviation.step
        );
        drop(self.channel.take());
    }
}

impl Channel for Deviating {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let mut bytes = bytes.to_vec();
        if self.step == self.deviation.step {
            if self.seen == self.deviation.message {
                match self.deviation.act {
                    Act::Replace(with) => with(&mut bytes),
                    Act::Append(more) => bytes.resize(bytes.len() + more, 0x55),
                    Act::FallSilent => self.silent = true,
                    Act::Leave => {
                        self.channel().abort_handle().abort();
                    }
                }
            }
            self.seen += 1;
        }
        if self.silent { Ok(()) } else { self.channel().send(&bytes) }
    }

    fn flush(&mut self) -> Result<()> {
        self.channel().flush()
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<()> {
        self.channel().receive(into)
    }

    fn traffic(&self) -> Traffic {
        self.channel.as_ref().map(Channel::traffic).unwrap_or_default()
    }

    fn enter(&mut self, step: &'static str) {
        self.step = step;
        self.channel().enter(step);
    }

    fn step(&self) -> &'static str {
        self.step
    }
}
