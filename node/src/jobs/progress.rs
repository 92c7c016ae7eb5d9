//! How far a run is, in memory: what an operator sees while it runs. Public facts only.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tacit_mpc::channel::{Channel, Layer};
use tacit_mpc::error::Result;
use tacit_mpc::session::Progress;
use tacit_protocol::api::{Phase, RunProgress};

/// How far one run is.
#[derive(Default)]
pub(super) struct Live {
    sent: AtomicU64,
    received: AtomicU64,
    steps: Mutex<Steps>,
}

#[derive(Default)]
struct Steps {
    /// The phases that have begun, and when.
    phases: Vec<(&'static str, Instant)>,
    done: usize,
    of: usize,
}

impl Live {
    /// Notes what the engine says.
    pub(super) fn note(&self, progress: Progress) {
        match progress {
            Progress::Phase(phase) => self.steps().phases.push((phase.name(), Instant::now())),
            Progress::Step(step) => {
                let mut steps = self.steps();
                (steps.done, steps.of) = (step.done, step.of);
            }
            Progress::Overlap { .. } => {}
        }
    }

    /// How far it is now; none before its first phase.
    pub(super) fn now(&self) -> Option<RunProgress> {
        let steps = self.steps();
        let ends = steps.phases.iter().skip(1).map(|(_, began)| *began).chain([Instant::now()]);
        let phases: Vec<Phase> = steps
            .phases
            .iter()
            .zip(ends)
            .map(|((name, began), end)| Phase {
                name: (*name).to_owned(),
                seconds: end.duration_since(*began).as_secs_f64(),
            })
            .collect();
        let progress = RunProgress {
            phases,
            steps_done: steps.done as u64,
            steps: steps.of as u64,
            bytes_sent: self.sent.load(Ordering::Relaxed),
            bytes_received: self.received.load(Ordering::Relaxed),
        };
        Some(progress).filter(|progress| !progress.phases.is_empty())
    }

    /// What has gone over the channel in both directions.
    pub(super) fn bytes(&self) -> u64 {
        self.sent.load(Ordering::Relaxed).saturating_add(self.received.load(Ordering::Relaxed))
    }

    fn steps(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a [`Live`] what has gone over a channel.
pub(super) struct Counting<'a>(pub(super) &'a Live);

impl Counting<'_> {
    fn count(&self, channel: &impl Channel) {
        let traffic = channel.traffic();
        self.0.sent.store(traffic.sent, Ordering::Relaxed);
        self.0.received.store(traffic.received, Ordering::Relaxed);
    }
}

impl<C: Channel> Layer<C> for Counting<'_> {
    fn flush(&mut self, channel: &mut C) -> Result<()> {
        channel.flush()?;
        self.count(channel);
        Ok(())
    }

    fn receive(&mut self, channel: &mut C, into: &mut [u8]) -> Result<()> {
        channel.receive(into)?;
        self.count(channel);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacit_mpc::channel::{Layered, pair};
    use tacit_mpc::session::Phase as EnginePhase;

    #[test]
    fn it_says_which_phase_runs_and_what_has_gone_over_the_channel() {
        let live = Live::default();
        assert_eq!(live.now(), None);
        live.note(Progress::Phase(EnginePhase::Align));
        live.note(Progress::Phase(EnginePhase::Compute));
        let (channel, mut peer) = pair();
        let mut channel = Layered::over(channel, Counting(&live));
        channel.send(&[1, 2, 3]).and_then(|()| channel.flush()).expect("sent");
        peer.send(&[4]).and_then(|()| peer.flush()).expect("sent");
        channel.receive(&mut [0]).expect("received");
        let now = live.now().expect("a run");
        let names: Vec<&str> = now.phases.iter().map(|phase| phase.name.as_str()).collect();
        assert_eq!((names, now.bytes_sent, now.bytes_received), (vec!["align", "compute"], 3, 1));
    }
}
