//! What an observer of the wire would see of a run: directions, lengths and turns, never contents.

use super::{Channel, Layer, Layered};
use crate::error::Result;

/// One thing that happened on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// So many bytes were queued for the peer.
    Sent(usize),
    /// What was queued was sent.
    Flushed,
    /// So many bytes were taken from the peer.
    Received(usize),
}

/// A channel that records its [`Event`]s, so that tests can hold two transcripts against each other.
pub type Recorder<C> = Layered<C, Events>;

/// The layer of a [`Recorder`]: what happened so far.
pub struct Events(Vec<Event>);

impl<C: Channel> Recorder<C> {
    /// Records what happens on `channel` from now on.
    pub fn new(channel: C) -> Self {
        Self::over(channel, Events(Vec::new()))
    }

    /// What happened so far.
    pub fn events(&self) -> &[Event] {
        &self.layer().0
    }
}

impl<C: Channel> Layer<C> for Events {
    fn send(&mut self, channel: &mut C, bytes: &[u8]) -> Result<()> {
        self.0.push(Event::Sent(bytes.len()));
        channel.send(bytes)
    }

    fn flush(&mut self, channel: &mut C) -> Result<()> {
        self.0.push(Event::Flushed);
        channel.flush()
    }

    fn receive(&mut self, channel: &mut C, into: &mut [u8]) -> Result<()> {
        self.0.push(Event::Received(into.len()));
        channel.receive(into)
    }
}
