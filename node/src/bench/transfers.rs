//! Transfers made before a run, as idle nodes would: what a run will ask for is known from one like it, because it
//! follows from the plan alone.

use tacit_mpc::channel::Channel;
use tacit_mpc::correlations::{Correlations, Pads, Pieces};
use tacit_mpc::error::Result;
use zeroize::Zeroizing;

/// A source of correlations that can be asked in advance.
pub(super) struct Transfers<C> {
    source: C,
    /// The requests of a run, in order: what this party sends or receives, and how many.
    requests: Vec<(Side, usize)>,
    recording: bool,
    sending: Made,
    receiving: Made,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sending,
    Receiving,
}

/// Transfers that were made and are not asked for yet.
#[derive(Default)]
struct Made {
    transfers: Zeroizing<Vec<u128>>,
    taken: usize,
}

impl Made {
    fn with_room(transfers: usize) -> Self {
        Self { transfers: Zeroizing::new(Vec::with_capacity(transfers)), taken: 0 }
    }

    /// Whether there are any left.
    fn is_some(&self) -> bool {
        self.taken < self.transfers.len()
    }

    /// Fills in the next transfers; `false`, and nothing, where there are too few.
    fn take(&mut self, into: &mut [u128]) -> bool {
        let Some(next) = self.transfers.get(self.taken..self.taken + into.len()) else { return false };
        into.copy_from_slice(next);
        self.taken += into.len();
        true
    }
}

impl<C: Correlations> Transfers<C> {
    /// Nothing in stock; what is asked of it is passed on to `source`.
    pub(super) fn new(source: C) -> Self {
        let (sending, receiving) = Default::default();
        Self { source, requests: Vec::new(), recording: false, sending, receiving }
    }

    /// Notes from now on what is asked for, or no more.
    pub(super) fn record(&mut self, on: bool) {
        self.recording = on;
    }

    /// Makes what the recorded run asked for, with the peer, which does the same.
    pub(super) fn fill(&mut self, channel: &mut dyn Channel) -> Result<()> {
        let total =
            |of: Side| -> usize { self.requests.iter().filter(|(side, _)| *side == of).map(|(_, count)| count).sum() };
        (self.sending, self.receiving) =
            (Made::with_room(total(Side::Sending)), Made::with_room(total(Side::Receiving)));
        for &(side, count) in &self.requests {
            let made = if side == Side::Sending { &mut self.sending } else { &mut self.receiving };
            let start = made.transfers.len();
            made.transfers.resize(start + count, 0);
            let into = &mut made.transfers[start..];
            match side {
                Side::Sending => self.source.send_correlated(channel, into)?,
                Side::Receiving => self.source.receive_correlated(channel, into)?,
            }
        }
        Ok(())
    }

    fn note(&mut self, side: Side, count: usize) {
        if !self.recording {
            return;
        }
        // What follows each other on one side is made at once; the peer puts the same together.
        match self.requests.last_mut() {
            Some((last, total)) if *last == side => *total += count,
            _ => self.requests.push((side, count)),
        }
    }
}

impl<C: Correlations> Correlations for Transfers<C> {
    fn offset(&self) -> u128 {
        self.source.offset()
    }

    fn pads(&mut self) -> &mut Pads {
        self.source.pads()
    }

    fn send_correlated(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        self.note(Side::Sending, into.len());
        if self.sending.take(into) { Ok(()) } else { self.source.send_correlated(channel, into) }
    }

    fn receive_correlated(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        self.note(Side::Receiving, into.len());
        if self.receiving.take(into) { Ok(()) } else { self.source.receive_correlated(channel, into) }
    }

    fn send_pieces(&mut self, channel: &mut dyn Channel, pieces: Pieces<'_>) -> Result<()> {
        if self.recording || self.sending.is_some() {
            return pieces.one_by_one(|into| self.send_correlated(channel, into));
        }
        self.source.send_pieces(channel, pieces)
    }

    fn receive_pieces(&mut self, channel: &mut dyn Channel, pieces: Pieces<'_>) -> Result<()> {
        if self.recording || self.receiving.is_some() {
            return pieces.one_by_one(|into| self.receive_correlated(channel, into));
        }
        self.source.receive_pieces(channel, pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_are_handed_out_once_and_in_order() {
        let mut made = Made { transfers: Zeroizing::new(vec![1, 2, 3]), taken: 0 };
        let mut into = [0; 2];
        assert!(made.take(&mut into));
        assert_eq!(into, [1, 2]);
        // Too few are left: nothing is filled in.
        assert!(!made.take(&mut into));
        assert_eq!(into, [1, 2]);
        assert!(made.take(&mut into[..1]));
        assert_eq!(into, [3, 2]);
        assert!(!made.take(&mut into[..1]));
    }
}
