//! What an observer of the wire would see of a run: directions, lengths and turns, never contents.

use super::{Channel, Traffic};
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
pub struct Recorder<C> {
    channel: C,
    events: Vec<Event>,
}

impl<C: Channel> Recorder<C> {
    /// Records what happens on `channel` from now on.
    pub fn new(channel: C) -> Self {
        Self { channel, events: Vec::new() }
    }

    /// What happened so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The channel itself.
    pub fn into_inner(self) -> C {
        self.channel
    }
}

impl<C: Channel> Channel for Recorder<C> {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.events.push(Event::Sent(bytes.len()));
        self.channel.send(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.events.push(Event::Flushed);
        self.channel.flush()
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<()> {
        self.events.push(Event::Received(into.len()));
        self.channel.receive(into)
    }

    fn traffic(&self) -> Traffic {
        self.channel.traffic()
    }

    fn enter(&mut self, step: &'static str) {
        self.channel.enter(step);
    }

    fn step(&self) -> &'static str {
        self.channel.step()
    }
}
