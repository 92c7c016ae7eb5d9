//! Independent operations that share their messages: as many exchanges as the longest of them has.
//!
//! *Source*: none. Each operation runs as a lane, on a thread of its own, over a channel that only collects. When every
//! lane waits for the peer or has ended, what they sent goes out in one message, lane by lane, and what they wait for
//! comes in one.
//!
//! *Security*: that of the operations. Lanes take transfers and tweaks of their own, which are set apart before any of
//! them runs, in the order of the lanes; so nothing depends on which thread is faster. Message sizes and order are
//! those of the operations, which depend on shapes alone.
//!
//! *Cost*: the bytes and transfers of all, the exchanges of the longest ([`super::cost::Cost::beside`]): every operation
//! of the engine exchanges simultaneously, so lanes keep step.
//!
//! *Shapes and units*: the caller bounds the number of lanes and their transfers, 16 bytes each.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use zeroize::Zeroizing;

use super::TwoParty;
use crate::backend::{Job, Needs};
use crate::channel::{Channel, Traffic};
use crate::correlations::{Correlations, Pads};
use crate::error::{Error, Result};
use crate::ring::Ring;

/// Tweaks of expanded pads that a lane may use.
const LANE_TWEAKS: u128 = 1 << 64;

/// Transfers set apart for one lane.
struct Reserved {
    offset: u128,
    pads: Pads,
    keys: Zeroizing<Vec<u128>>,
    received: Zeroizing<Vec<u128>>,
    /// How many of each are used.
    used: [usize; 2],
}

impl Correlations for Reserved {
    fn offset(&self) -> u128 {
        self.offset
    }

    fn pads(&mut self) -> &mut Pads {
        &mut self.pads
    }

    fn send_correlated(&mut self, _channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        take(&self.keys, &mut self.used[0], into);
        Ok(())
    }

    fn receive_correlated(&mut self, _channel: &mut dyn Channel, into: &mut [u128]) -> Result<()> {
        take(&self.received, &mut self.used[1], into);
        Ok(())
    }
}

fn take(from: &[u128], used: &mut usize, into: &mut [u128]) {
    into.copy_from_slice(&from[*used..*used + into.len()]);
    *used += into.len();
}

/// What a lane and the thread that speaks to the peer leave for each other.
#[derive(Default)]
struct Lane {
    out: Vec<u8>,
    /// How many bytes it waits for.
    wants: Option<usize>,
    /// What came for it; none: the channel failed.
    came: Option<Option<Vec<u8>>>,
}

struct Hub {
    lanes: Mutex<(Vec<Lane>, usize)>,
    changed: Condvar,
}

impl Hub {
    fn new(count: usize) -> Self {
        let lanes = (0..count).map(|_| Lane::default()).collect();
        Self { lanes: Mutex::new((lanes, count)), changed: Condvar::new() }
    }

    /// The lanes, and how many of them run.
    fn lock(&self) -> MutexGuard<'_, (Vec<Lane>, usize)> {
        self.lanes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn wait<'g>(&self, guard: MutexGuard<'g, (Vec<Lane>, usize)>) -> MutexGuard<'g, (Vec<Lane>, usize)> {
        self.changed.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Exchanges whenever all lanes wait, until all have ended.
    fn serve(&self, channel: &mut dyn Channel) -> Result<()> {
        let mut guard = self.lock();
        let mut outcome = Ok(());
        loop {
            while guard.1 > 0 {
                guard = self.wait(guard);
            }
            if outcome.is_ok() {
                outcome = exchange(&mut guard.0, channel);
            }
            let mut woken = 0;
            for lane in &mut guard.0 {
                if lane.wants.take().is_some() {
                    lane.came.get_or_insert(None);
                    woken += 1;
                }
            }
            if woken == 0 {
                return outcome;
            }
            guard.1 += woken;
            self.changed.notify_all();
        }
    }
}

/// One message out, with what all lanes sent, and one in.
fn exchange(lanes: &mut [Lane], channel: &mut dyn Channel) -> Result<()> {
    for lane in lanes.iter_mut().filter(|lane| !lane.out.is_empty()) {
        channel.send(&std::mem::take(&mut lane.out))?;
    }
    channel.flush()?;
    for lane in lanes {
        if let Some(length) = lane.wants {
            let mut bytes = vec![0; length];
            channel.receive(&mut bytes)?;
            lane.came = Some(Some(bytes));
        }
    }
    Ok(())
}

/// A lane's end of the hub.
struct LaneChannel<'h> {
    hub: &'h Hub,
    place: usize,
    step: &'static str,
}

impl Channel for LaneChannel<'_> {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.hub.lock().0[self.place].out.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<()> {
        let mut guard = self.hub.lock();
        guard.0[self.place].wants = Some(into.len());
        guard.1 -= 1;
        self.hub.changed.notify_all();
        loop {
            if let Some(came) = guard.0[self.place].came.take() {
                // The thread that serves has the channel's own error.
                let failed = || Error::refused("CHANNEL_CLOSED", "the channel failed for another operation");
                into.copy_from_slice(&came.ok_or_else(failed)?);
                return Ok(());
            }
            guard = self.hub.wait(guard);
        }
    }

    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    fn enter(&mut self, step: &'static str) {
        self.step = step;
    }

    fn step(&self) -> &'static str {
        self.step
    }
}

impl Drop for LaneChannel<'_> {
    fn drop(&mut self) {
        self.hub.lock().1 -= 1;
        self.hub.changed.notify_all();
    }
}

impl<R: Ring, C: Correlations> TwoParty<'_, R, C> {
    /// Runs jobs side by side; `needs` tells what each takes.
    pub(super) fn side_by_side(&mut self, needs: &[Needs], jobs: Vec<Job<'_, R>>) -> Result<()> {
        assert_eq!(needs.len(), jobs.len(), "needs of each job");
        let mut reserved = Vec::with_capacity(jobs.len());
        for Needs { offered, counts } in needs {
            let transfers = offered.map(|n| usize::try_from(n).expect("the caller bounds transfers"));
            let means = self.means.allowing(counts);
            reserved.push((self.reserve(transfers)?, means, self.stock.split(counts)));
        }
        let (party, step) = (self.party, self.channel.step());
        let hub = Hub::new(jobs.len());
        let mut outcomes: Vec<Result<()>> = (0..jobs.len()).map(|_| Ok(())).collect();
        let served = thread::scope(|scope| {
            for (place, ((job, (reserved, means, stock)), outcome)) in
                jobs.into_iter().zip(reserved).zip(&mut outcomes).enumerate()
            {
                let mut channel = LaneChannel { hub: &hub, place, step };
                let tweak = self.tweak + (place as u128 + 1) * LANE_TWEAKS;
                scope.spawn(move || {
                    let lane = TwoParty::<R, _>::new(party, &mut channel, reserved);
                    let mut lane = TwoParty { tweak, means, stock, ..lane };
                    *outcome = job(&mut lane);
                });
            }
            hub.serve(&mut *self.channel)
        });
        self.tweak += (needs.len() as u128 + 1) * LANE_TWEAKS;
        served?;
        outcomes.into_iter().collect()
    }

    /// Sets transfers apart, the first party's offers first.
    fn reserve(&mut self, offered: [usize; 2]) -> Result<Reserved> {
        let [mine, theirs] = [offered[self.party.index()], offered[self.party.other().index()]];
        let mut keys = Zeroizing::new(vec![0; mine]);
        let mut received = Zeroizing::new(vec![0; theirs]);
        if self.first() {
            self.correlations.send_correlated(&mut *self.channel, &mut keys)?;
        }
        self.correlations.receive_correlated(&mut *self.channel, &mut received)?;
        if !self.first() {
            self.correlations.send_correlated(&mut *self.channel, &mut keys)?;
        }
        // No operation takes more tweaks than transfers.
        let pads = self.correlations.pads().split(mine, theirs);
        Ok(Reserved { offset: self.correlations.offset(), pads, keys, received, used: [0; 2] })
    }
}
