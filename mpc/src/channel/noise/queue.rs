//! A queue of frames between a protocol's thread and a thread of the socket, bounded in bytes.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a frame costs besides its bytes, so that many small frames are bounded too.
const FRAME_OVERHEAD: usize = 64;

/// Buffers of frames that are kept for further frames at most: 4 MiB.
const SPARES: usize = 64;

/// A frame from this length on gets a buffer for a full one, which serves again.
const WORTH_A_SPARE: usize = 32 << 10;

/// Why nothing more can pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The other side did nothing for so long.
    Silent(Duration),
    /// The deadline of the whole work passed.
    Overdue,
    /// The peer closed its direction as it should.
    Finished,
    /// The connection ended without that.
    Cut,
    /// A frame did not authenticate.
    Forged,
    /// The key has served its number of frames.
    WornOut,
    /// The socket failed, or this side closed it.
    Broken(io::ErrorKind),
}

/// How long a wait lasts.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) silence: Duration,
    pub(super) until: Instant,
}

/// A frame in the queue.
struct Frame {
    payload: Vec<u8>,
    /// When it may be popped; none: at once.
    due: Option<Instant>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// Frames that were popped and are not done with.
    in_work: usize,
    /// Buffers of frames that are done with, each for a full frame.
    spares: Vec<Vec<u8>>,
    /// Threads that wait: without any, nobody needs to be told of a change.
    waiting: usize,
    /// Counts what happens, so that a waiter can tell progress from silence.
    changes: u64,
    end: Option<End>,
}

impl State {
    fn keep(&mut self, frame: Vec<u8>) {
        if frame.capacity() >= WORTH_A_SPARE && self.spares.len() < SPARES {
            self.spares.push(frame);
        }
    }
}

/// What a frame takes of the bound: its memory.
fn cost(frame: &Vec<u8>) -> usize {
    frame.capacity() + FRAME_OVERHEAD
}

pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), capacity }
    }

    /// Adds a frame, after waiting for room. One frame always fits.
    pub(super) fn push(&self, frame: Vec<u8>, patience: Patience) -> Result<(), End> {
        let cost = cost(&frame);
        let mut state = self.lock();
        loop {
            if let Some(end) = state.end {
                return Err(end);
            }
            if state.frames.is_empty() || state.bytes + cost <= self.capacity {
                break;
            }
            state = self.wait(state, patience)?;
        }
        state.bytes += cost;
        state.frames.push_back(Frame { payload: frame, due: None });
        self.change(state);
        Ok(())
    }

    /// Takes the next frame, after waiting for one, and for the time when it is due. What was queued before the end is
    /// handed out first.
    pub(super) fn pop(&self, patience: Patience) -> Result<Vec<u8>, End> {
        let mut state = self.lock();
        loop {
            let due = state.frames.front().and_then(|frame| frame.due).filter(|due| *due > Instant::now());
            if let Some(due) = due {
                state = self.wait_until(state, due, patience)?;
                continue;
            }
            if let Some(frame) = state.frames.pop_front() {
                state.bytes -= cost(&frame.payload);
                self.change(state);
                return Ok(frame.payload);
            }
            if let Some(end) = state.end {
                return Err(end);
            }
            state = self.wait(state, patience)?;
        }
    }

    /// Waits without limit for frames and takes up to `most` of them; `None` once the queue has ended.
    pub(super) fn pop_for_work(&self, most: usize) -> Option<Vec<Vec<u8>>> {
        let mut state = self.lock();
        loop {
            if state.end.is_some() {
                return None;
            }
            if !state.frames.is_empty() {
                let count = most.min(state.frames.len());
                let frames: Vec<_> = state.frames.drain(..count).map(|frame| frame.payload).collect();
                state.bytes -= frames.iter().map(cost).sum::<usize>();
                state.in_work = count;
                self.change(state);
                return Some(frames);
            }
            state = self.wait_without_limit(state);
        }
    }

    /// The frames of the last [`Queue::pop_for_work`] are done with, and their buffers serve again.
    pub(super) fn done(&self, frames: Vec<Vec<u8>>) {
        let mut state = self.lock();
        state.in_work = 0;
        for frame in frames {
            state.keep(frame);
        }
        self.change(state);
    }

    /// A buffer for a frame of `length` bytes, with whatever it held: one that served before, if the frame is worth
    /// one, of `full` bytes then.
    pub(super) fn spare(&self, length: usize, full: usize) -> Vec<u8> {
        if length < WORTH_A_SPARE {
            return Vec::with_capacity(length);
        }
        let spare = self.lock().spares.pop();
        spare.unwrap_or_else(|| Vec::with_capacity(full))
    }

    /// The buffer of a frame that was popped serves again.
    pub(super) fn give_back(&self, frame: Vec<u8>) {
        self.lock().keep(frame);
    }

    /// Adds a frame, to be popped when it is due, without a limit to the wait; `false` once the queue has ended.
    pub(super) fn push_from_work(&self, frame: Vec<u8>, due: Option<Instant>) -> bool {
        let cost = cost(&frame);
        let mut state = self.lock();
        while state.end.is_none() && !state.frames.is_empty() && state.bytes + cost > self.capacity {
            state = self.wait_without_limit(state);
        }
        if state.end.is_some() {
            return false;
        }
        state.bytes += cost;
        state.frames.push_back(Frame { payload: frame, due });
        self.change(state);
        true
    }

    /// Waits until every frame has been done with.
    pub(super) fn wait_until_idle(&self, patience: Patience) -> Result<(), End> {
        let mut state = self.lock();
        loop {
            if let Some(end) = state.end {
                return Err(end);
            }
            if state.frames.is_empty() && state.in_work == 0 {
                return Ok(());
            }
            state = self.wait(state, patience)?;
        }
    }

    /// Ends the queue. The first end stands.
    pub(super) fn end(&self, end: End) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        self.change(state);
    }

    /// Ends the queue because this side is done with it.
    pub(super) fn close(&self) {
        self.end(End::Broken(io::ErrorKind::ConnectionAborted));
    }

    /// The state: a thread that panicked while it held the lock has left it whole, for no step below can panic
    /// half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, mut state: MutexGuard<'_, State>) {
        state.changes += 1;
        let waiting = state.waiting > 0;
        drop(state);
        if waiting {
            self.changed.notify_all();
        }
    }

    fn wait_without_limit<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let mut state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state
    }

    /// Waits until the next frame is due, or for a change. A frame under way is no silence of the peer's.
    fn wait_until<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        due: Instant,
        patience: Patience,
    ) -> Result<MutexGuard<'a, State>, End> {
        let now = Instant::now();
        if now >= patience.until {
            return Err(End::Overdue);
        }
        let limit = due.min(patience.until).saturating_duration_since(now);
        state.waiting += 1;
        let (mut state, _) = self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        Ok(state)
    }

    /// Waits for any change.
    fn wait<'a>(&self, mut state: MutexGuard<'a, State>, patience: Patience) -> Result<MutexGuard<'a, State>, End> {
        let left = patience.until.saturating_duration_since(Instant::now());
        let limit = patience.silence.min(left);
        let seen = state.changes;
        state.waiting += 1;
        let (mut state, waited) = self
            .changed
            .wait_timeout_while(state, limit, |state| state.changes == seen)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        match (waited.timed_out(), left <= patience.silence) {
            (false, _) => Ok(state),
            (true, true) => Err(End::Overdue),
            (true, false) => Err(End::Silent(limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: Duration = Duration::from_secs(60);

    fn patience(total: Duration) -> Patience {
        Patience { silence: PATIENT, until: Instant::now() + total }
    }

    #[test]
    fn a_frame_is_popped_when_it_is_due_and_not_before() {
        let queue = Queue::new(1_000);
        let due = Instant::now() + Duration::from_millis(5);
        assert!(queue.push_from_work(vec![1], Some(due)));
        // Frames stay in order, however early the later one is due.
        assert!(queue.push_from_work(vec![2], None));
        queue.end(End::Finished);
        assert_eq!(queue.pop(patience(PATIENT)), Ok(vec![1]));
        assert!(Instant::now() >= due);
        assert_eq!(queue.pop(patience(PATIENT)), Ok(vec![2]));
        assert_eq!(queue.pop(patience(PATIENT)), Err(End::Finished));
    }

    #[test]
    fn the_deadline_of_the_work_comes_before_a_frame_that_is_due_later() {
        let queue = Queue::new(1_000);
        assert!(queue.push_from_work(vec![1], Some(Instant::now() + PATIENT)));
        assert_eq!(queue.pop(patience(Duration::ZERO)), Err(End::Overdue));
    }

    #[test]
    fn buffers_of_full_frames_serve_again_up_to_a_number() {
        let queue = Queue::new(1_000);
        let used = vec![1; WORTH_A_SPARE];
        let place = used.as_ptr();
        queue.give_back(used);
        let small = queue.spare(WORTH_A_SPARE - 1, WORTH_A_SPARE);
        assert!(small.is_empty() && small.as_ptr() != place);
        let again = queue.spare(WORTH_A_SPARE, WORTH_A_SPARE);
        assert_eq!(again.as_ptr(), place);
        queue.done((0..2 * SPARES).map(|_| vec![1; WORTH_A_SPARE]).collect());
        queue.give_back(vec![1; WORTH_A_SPARE - 1]);
        assert_eq!(queue.lock().spares.len(), SPARES);
    }
}
