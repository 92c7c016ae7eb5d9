//! Correlated randomness: the seam between the OT layer below and the protocols above.

use crate::channel::Channel;
use crate::error::Result;

/// A source of random oblivious transfers in both directions. Implementations make them with the peer over the
/// channel; nobody deals them.
///
/// Each transfer is handed out once and by value. The two parties must ask in the same order: where one sends, the
/// other receives the same number.
pub trait Correlations: Send {
    /// `n` random transfers as the sender: two random messages each.
    fn send_random(&mut self, channel: &mut dyn Channel, n: usize) -> Result<Vec<[u128; 2]>>;

    /// `n` random transfers as the receiver: a random choice bit each, packed as in [`crate::share::Bits`], and the
    /// message it chose.
    fn receive_random(&mut self, channel: &mut dyn Channel, n: usize) -> Result<(Vec<u64>, Vec<u128>)>;
}

impl<C: Correlations + ?Sized> Correlations for &mut C {
    fn send_random(&mut self, channel: &mut dyn Channel, n: usize) -> Result<Vec<[u128; 2]>> {
        (**self).send_random(channel, n)
    }

    fn receive_random(&mut self, channel: &mut dyn Channel, n: usize) -> Result<(Vec<u64>, Vec<u128>)> {
        (**self).receive_random(channel, n)
    }
}
