//! Correlated transfers in both directions, by the cheapest way for what is expected of each: [`SoftSpoken`] alone where
//! few are needed, else silent rounds that start from it.
//!
//! *Source*: the chain of ePrint 2020/924, §5: each round's outputs feed the next. A direction that expects fewer than
//! [`SILENT_LEAST`] transfers stays with SoftSpoken; one that expects no more than a round of [`S9`] leaves goes on with
//! that set; any other makes one round of [`S9`] to start [`S11`]. That depends on the expected numbers alone, which both
//! parties know, so there is nothing to negotiate, and the set's name is in the transcript of each round.
//! *Security*: that of [`super::softspoken`] and Ferret (malicious); any failure destroys both directions (CHK-601).
//! *Cost*: [`super::cost`]; both parties send in every exchange ([`keep_step`]); about 0.5 MB each way for the set-up of both directions on [`S11`], 0.1 B a transfer after.
//! *Shapes and units*: see [`crate::correlations`].

use std::sync::Arc;

use rand_core::CryptoRng;
use tacit_protocol::PartyId;
use tacit_simd::{Level, Table};
use zeroize::Zeroizing;

use super::ferret::{self, Receiving, Round, Sending, Transcript, Work};
use super::keep_step;
use super::softspoken::{Part, SetUp, SoftSpoken};
use crate::channel::Channel;
use crate::correlations::{Correlations, Pads, Pieces};
use crate::error::{Error, Result};
use crate::params::{LpnSet, S9, S11, SILENT_LEAST};
use crate::prg::Prg;

const STEP_ROUND: &str = "silent OT";

/// How many transfers each party will send in a session, by party: a public number that both parties derive alike.
/// It decides how they are made, and is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Transfers that each party offers.
    pub offered: [u64; 2],
}

impl Expected {
    /// Whether a set-up for this makes transfers in ways that suit the other as well.
    pub(crate) fn serves(&self, other: Self) -> bool {
        self.offered.iter().zip(other.offered).all(|(own, other)| chain(*own).len() >= chain(other).len())
    }

    /// What is expected of a session of which both are expected.
    #[must_use]
    pub(crate) fn max(self, other: Self) -> Self {
        Self { offered: [0, 1].map(|party| self.offered[party].max(other.offered[party])) }
    }
}

/// The sets of the rounds of a set-up, the last of which goes on; empty where SoftSpoken serves.
pub(super) fn chain(expected: u64) -> &'static [&'static LpnSet] {
    let small = (S9.outputs() - S9.inputs()) as u64;
    match expected {
        ..SILENT_LEAST => &[],
        _ if expected <= small => &[&S9],
        _ => &[&S9, &S11],
    }
}

/// A source of transfers in both directions.
pub struct Silent {
    base: SoftSpoken,
    sending: Direction,
    receiving: Direction,
    /// The secrets of this party's trees and challenges.
    seeds: Prg,
    work: Work,
    failed: bool,
}

/// One direction of it.
struct Direction {
    context: [u8; 32],
    /// The round whose rows are handed out; `None` where SoftSpoken serves.
    round: Option<Round>,
    /// Rounds begun so far.
    rounds: u64,
    /// The memory of the table of an earlier round, for the next.
    spare: Option<Table>,
}

impl Silent {
    /// Sets up with the peer, which does the same as the other party. `session_id` must be equal on both sides and
    /// new for each session; fresh randomness of both is mixed in. Uses the current rayon pool if `parallel`.
    ///
    /// # Errors
    /// `PROTOCOL_POINT` or `PROTOCOL_OT_CHECK` if the peer deviates (CHK-601), and those of the channel.
    pub fn establish(
        channel: &mut dyn Channel,
        party: PartyId,
        session_id: [u8; 32],
        expected: Expected,
        parallel: bool,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self> {
        let work = Work { level: Level::detect(), parallel };
        Self::establish_with(channel, party, session_id, expected, work, rng)
    }

    pub(super) fn establish_with(
        channel: &mut dyn Channel,
        party: PartyId,
        session_id: [u8; 32],
        expected: Expected,
        work: Work,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self> {
        let base = SoftSpoken::establish(channel, party, session_id, rng)?;
        Self::over(channel, base, party, expected, work, rng)
    }

    /// The same on a part of a set-up that an earlier session of the two parties made ([`Silent::set_up`]).
    ///
    /// # Errors
    /// As [`Silent::establish`].
    pub fn resume(
        channel: &mut dyn Channel,
        part: &Part,
        expected: Expected,
        parallel: bool,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self> {
        let work = Work { level: Level::detect(), parallel };
        Self::over(channel, SoftSpoken::on(part), part.party(), expected, work, rng)
    }

    /// What further sessions of the two parties may go on with.
    pub fn set_up(&self) -> &Arc<SetUp> {
        self.base.set_up()
    }

    fn over(
        channel: &mut dyn Channel,
        mut base: SoftSpoken,
        party: PartyId,
        expected: Expected,
        work: Work,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self> {
        let mut seed = Zeroizing::new([0; 16]);
        rng.fill_bytes(&mut seed[..]);
        let seeds = Prg::new(u128::from_le_bytes(*seed));
        let [sent, received] = [party, party.other()].map(|party| expected.offered[party.index()]);
        let [send_chain, receive_chain] = [chain(sent), chain(received)];
        let of_base = |chain: &[&LpnSet], expected| chain.first().map_or(expected, |set| set.inputs() as u64);
        base.prepare(channel, of_base(send_chain, sent), of_base(receive_chain, received))?;
        let [sending, receiving] = base.contexts().map(Direction::new);
        let mut silent = Self { base, sending, receiving, seeds, work, failed: false };

        silent.guarded(|this| this.chain_up(channel, send_chain, receive_chain))?;
        Ok(silent)
    }

    /// Makes the rounds that lead to those that transfers are handed out of.
    fn chain_up(
        &mut self,
        channel: &mut dyn Channel,
        send_chain: &[&'static LpnSet],
        receive_chain: &[&'static LpnSet],
    ) -> Result<()> {
        let inputs = |chain: &[&LpnSet]| chain.first().map(|set| Table::zeroed(set.inputs()));
        let (mut sent, mut received) = (inputs(send_chain), inputs(receive_chain));
        if let Some(received) = &mut received {
            self.base.receive_correlated(channel, received)?;
        }
        if let Some(sent) = &mut sent {
            self.base.send_correlated(channel, sent)?;
        }
        for stage in 0..send_chain.len().max(receive_chain.len()) {
            let next = |chain: &[&'static LpnSet], direction: &mut Direction, inputs: &mut Option<_>| {
                let set = *chain.get(stage)?;
                Some((set, inputs.take().unwrap_or_else(|| direction.feed(set))))
            };
            let sent = next(send_chain, &mut self.sending, &mut sent);
            let received = next(receive_chain, &mut self.receiving, &mut received);
            self.round(channel, sent, received)?;
        }
        Ok(())
    }

    /// One round in the directions that have inputs, both at once.
    fn round(&mut self, channel: &mut dyn Channel, send: Option<Start>, receive: Option<Start>) -> Result<()> {
        channel.enter(STEP_ROUND);
        let sending = match send {
            Some((set, inputs)) => {
                let transcript = self.sending.transcript(set);
                let (sending, message) =
                    Sending::start(set, self.work, transcript, inputs, self.base.offset(), &mut self.seeds);
                channel.send(&message)?;
                channel.flush()?;
                Some(sending)
            }
            None => {
                keep_step::send(channel)?;
                None
            }
        };
        let receiving = match receive {
            Some((set, inputs)) => {
                let transcript = self.receiving.transcript(set);
                let mut message = vec![0; ferret::sums_bytes(set)];
                channel.receive(&mut message)?;
                let [seed] = self.seeds.draw();
                let (receiving, challenge) = Receiving::challenge(set, self.work, transcript, inputs, &message, seed);
                channel.send(&challenge)?;
                channel.flush()?;
                Some(receiving)
            }
            None => {
                keep_step::receive(channel)?;
                keep_step::send(channel)?;
                None
            }
        };
        if let Some(sending) = sending {
            let mut challenge = [0; ferret::CHALLENGE_BYTES];
            channel.receive(&mut challenge)?;
            let (round, answer) = sending.answer(&challenge);
            channel.send(&answer)?;
            channel.flush()?;
            self.sending.start(round);
        } else {
            keep_step::receive(channel)?;
            keep_step::send(channel)?;
        }
        if let Some(receiving) = receiving {
            let mut answer = [0; ferret::ANSWER_BYTES];
            channel.receive(&mut answer)?;
            self.receiving.start(receiving.finish(&answer, STEP_ROUND)?);
        } else {
            keep_step::receive(channel)?;
        }
        Ok(())
    }

    fn send(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        let Some(mut stock) = self.sending.stock() else { return self.base.send_correlated(channel, into) };
        let mut missing = self.sending.hand_out(stock, into);
        while !missing.is_empty() {
            let start = self.sending.next();
            self.round(channel, start, None)?;
            stock = self.sending.stock().unwrap_or(0);
            missing = self.sending.hand_out(stock, missing);
        }
        Ok(())
    }

    fn receive(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        let Some(mut stock) = self.receiving.stock() else { return self.base.receive_correlated(channel, into) };
        let mut missing = self.receiving.hand_out(stock, into);
        while !missing.is_empty() {
            let start = self.receiving.next();
            self.round(channel, None, start)?;
            stock = self.receiving.stock().unwrap_or(0);
            missing = self.receiving.hand_out(stock, missing);
        }
        Ok(())
    }

    /// Destroys everything if something failed, and refuses everything once that has happened.
    fn guarded<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.failed {
            return Err(Error::refused("PROTOCOL_OT_CHECK", "the OT session was destroyed by an earlier failure"));
        }
        let outcome = run(self);
        if let Err(error) = &outcome {
            self.failed = true;
            self.base.destroy(error);
            self.sending.end();
            self.receiving.end();
        }
        outcome
    }
}

/// A set and the transfers that a round of it takes.
type Start = (&'static LpnSet, Table);

impl Direction {
    fn new(context: [u8; 32]) -> Self {
        Self { context, round: None, rounds: 0, spare: None }
    }

    /// Goes on with a round.
    fn start(&mut self, round: Round) {
        self.spare = self.round.replace(round).map(Round::into_table);
    }

    /// Destroys what there is.
    fn end(&mut self) {
        (self.round, self.spare) = (None, None);
    }

    /// The transcript of the next round.
    fn transcript(&mut self, set: &LpnSet) -> Transcript {
        self.rounds += 1;
        Transcript::new(&self.context, set, self.rounds)
    }

    /// What the round hands out before it must feed the next, or `None` where SoftSpoken serves.
    fn stock(&self) -> Option<usize> {
        self.round.as_ref().map(|round| round.left().saturating_sub(round.set().inputs()))
    }

    /// The transfers that a round of `set` takes, out of this one.
    fn feed(&mut self, set: &LpnSet) -> Table {
        let spare = self.spare.take().filter(|spare| spare.len() == set.inputs());
        let mut inputs = spare.unwrap_or_else(|| Table::zeroed(set.inputs()));
        if let Some(round) = &mut self.round {
            round.take(&mut inputs);
        }
        inputs
    }

    /// Fills in what this round has in stock, and tells what is missing.
    fn hand_out<'a>(&mut self, stock: usize, into: &'a mut [u128]) -> &'a mut [u128] {
        let (filled, missing) = into.split_at_mut(stock.min(into.len()));
        if let Some(round) = &mut self.round {
            round.take(filled);
        }
        missing
    }

    /// Hands out those pieces that this round has in stock, and tells what is missing.
    fn hand_out_pieces<'a>(&mut self, stock: usize, pieces: Pieces<'a>) -> Pieces<'a> {
        let all = pieces.transfers();
        let ready = if stock < all { stock / pieces.piece() * pieces.piece() } else { all };
        let (ready, missing) = pieces.split(ready);
        if let Some(round) = &mut self.round {
            round.take_pieces(ready);
        }
        missing
    }

    /// The start of the next round.
    fn next(&mut self) -> Option<Start> {
        let set = self.round.as_ref()?.set();
        Some((set, self.feed(set)))
    }
}

impl Correlations for Silent {
    fn offset(&self) -> u128 {
        self.base.offset()
    }

    fn pads(&mut self) -> &mut Pads {
        self.base.pads()
    }

    fn send_correlated(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        self.guarded(|this| this.send(channel, into))
    }

    fn receive_correlated(&mut self, channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        self.guarded(|this| this.receive(channel, into))
    }

    fn send_pieces(&mut self, channel: &mut dyn Channel, pieces: Pieces<'_>) -> Result<()> {
        self.guarded(|this| {
            let mut missing = pieces;
            while let Some(stock) = this.sending.stock() {
                missing = this.sending.hand_out_pieces(stock, missing);
                if missing.transfers() == 0 {
                    return Ok(());
                }
                // A piece that is part of this round and part of the next.
                let (next, rest) = missing.split_first();
                next.one_by_one(|into| this.send(channel, into))?;
                missing = rest;
            }
            missing.one_by_one(|into| this.base.send_correlated(channel, into))
        })
    }

    fn receive_pieces(&mut self, channel: &mut dyn Channel, pieces: Pieces<'_>) -> Result<()> {
        self.guarded(|this| {
            let mut missing = pieces;
            while let Some(stock) = this.receiving.stock() {
                missing = this.receiving.hand_out_pieces(stock, missing);
                if missing.transfers() == 0 {
                    return Ok(());
                }
                // A piece that is part of this round and part of the next.
                let (next, rest) = missing.split_first();
                next.one_by_one(|into| this.receive(channel, into))?;
                missing = rest;
            }
            missing.one_by_one(|into| this.base.receive_correlated(channel, into))
        })
    }
}
