//! A simulated link between two processes that are near each other: a delay and a rate a direction, for measurements.
//!
//! It works where bytes arrive: what came in is handed on when it would have come over the link, so each direction has
//! its own, and both are full at once. A frame takes its turn on the link when it arrives here, which is right after
//! it was sent, and is there half a round trip after its last byte has left. Only payload, frame headers and tags pass
//! the link; a handshake before them does not. There is no loss, and no window that grows slowly.

use std::time::{Duration, Instant};

/// What the link is like, the same both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// From a byte's departure until an answer can be back.
    pub round_trip: Duration,
    /// Bits a second that pass each way, at least 1.
    pub bits_per_second: u64,
}

/// One direction of a link, with what is on it.
pub(super) struct Direction {
    link: Link,
    /// When the last byte so far has left.
    free: Option<Instant>,
}

impl Direction {
    pub(super) fn new(link: Link) -> Self {
        Self { link, free: None }
    }

    /// When bytes that are sent now are all there.
    pub(super) fn arrival(&mut self, bytes: usize, now: Instant) -> Instant {
        let start = self.free.map_or(now, |free| free.max(now));
        let nanoseconds = bytes as u128 * 8 * 1_000_000_000 / u128::from(self.link.bits_per_second.max(1));
        let left = start + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.free = Some(left);
        left + self.link.round_trip / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// 1 byte a microsecond, 20 ms there.
    fn direction() -> Direction {
        Direction::new(Link { round_trip: 40 * MILLISECOND, bits_per_second: 8_000_000 })
    }

    #[test]
    fn bytes_are_there_after_their_turn_and_half_a_round_trip() {
        let start = Instant::now();
        assert_eq!(direction().arrival(1_000, start), start + 21 * MILLISECOND);
    }

    #[test]
    fn what_is_sent_together_queues_for_the_rate_and_not_for_the_delay() {
        let (mut direction, start) = (direction(), Instant::now());
        let arrivals: Vec<Duration> = (0..3).map(|_| direction.arrival(5_000, start) - start).collect();
        assert_eq!(arrivals, [25 * MILLISECOND, 30 * MILLISECOND, 35 * MILLISECOND]);
    }

    #[test]
    fn an_idle_link_saves_nothing_up() {
        let (mut direction, start) = (direction(), Instant::now());
        direction.arrival(1_000, start);
        let later = start + 100 * MILLISECOND;
        assert_eq!(direction.arrival(1_000, later), later + 21 * MILLISECOND);
        // In the middle of a turn, the rest of it is waited for.
        let soon = later + MILLISECOND / 2;
        assert_eq!(direction.arrival(1_000, soon), later + 22 * MILLISECOND);
    }
}
