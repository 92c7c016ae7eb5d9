//! Channels over other channels: for counting, recording and, in tests, deviating.

use super::{Channel, Traffic};
use crate::error::Result;

/// What a [`Layered`] channel does in place of the channel `C` below it. What a layer does not say goes on unchanged.
pub trait Layer<C: Channel>: Send {
    /// In place of [`Channel::send`].
    ///
    /// # Errors
    /// The channel's, and the layer's own.
    fn send(&mut self, channel: &mut C, bytes: &[u8]) -> Result<()> {
        channel.send(bytes)
    }

    /// In place of [`Channel::flush`].
    ///
    /// # Errors
    /// The channel's, and the layer's own.
    fn flush(&mut self, channel: &mut C) -> Result<()> {
        channel.flush()
    }

    /// In place of [`Channel::receive`].
    ///
    /// # Errors
    /// The channel's, and the layer's own.
    fn receive(&mut self, channel: &mut C, into: &mut [u8]) -> Result<()> {
        channel.receive(into)
    }
}

/// A channel with a [`Layer`] over it. The counters and the step are those of the channel below.
pub struct Layered<C, L> {
    channel: C,
    layer: L,
}

impl<C: Channel, L: Layer<C>> Layered<C, L> {
    /// Puts `layer` over `channel`.
    pub fn over(channel: C, layer: L) -> Self {
        Self { channel, layer }
    }

    /// The layer.
    pub fn layer(&self) -> &L {
        &self.layer
    }

    /// The channel itself.
    pub fn into_inner(self) -> C {
        self.channel
    }
}

impl<C: Channel, L: Layer<C>> Channel for Layered<C, L> {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.layer.send(&mut self.channel, bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.layer.flush(&mut self.channel)
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<()> {
        self.layer.receive(&mut self.channel, into)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::pair;

    struct Silent;

    impl<C: Channel> Layer<C> for Silent {
        fn send(&mut self, _: &mut C, _: &[u8]) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_layer_does_not_say_goes_on_unchanged() {
        let (zero, mut one) = pair();
        let mut zero = Layered::over(zero, Silent);
        zero.enter("greeting");
        assert_eq!(zero.step(), "greeting");
        zero.send(&[1, 2]).expect("nothing is sent");
        one.send(&[3]).and_then(|()| one.flush()).expect("sent");
        let mut came = [0];
        zero.receive(&mut came).expect("received");
        assert_eq!((came, zero.traffic().sent, zero.traffic().received), ([3], 0, 1));
        zero.into_inner().send(&[4]).expect("the channel below still sends");
    }
}
