//! Pace: how often a peer may ask (CHK-114), how soon a lost peer is dialled again, and how often a trouble that lasts is
//! logged. All are functions of the time that they are handed.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket: `per_second` on average, up to `burst` at once.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    per_second: u32,
    burst: u32,
    /// Requests that may still come, in millionths.
    credit: u64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self { per_second, burst, credit: u64::from(burst) * 1_000_000, filled: now }
    }

    /// Whether its owner has been silent long enough to be as a new one.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        let mut later = self.clone();
        later.fill(now);
        later.credit == u64::from(self.burst) * 1_000_000
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_micros();
        let earned = u64::try_from(passed).unwrap_or(u64::MAX).saturating_mul(u64::from(self.per_second));
        self.credit = self.credit.saturating_add(earned).min(u64::from(self.burst) * 1_000_000);
        self.filled = now;
    }

    /// Whether one more request may come now; if so, it is counted.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let allowed = self.credit >= 1_000_000;
        if allowed {
            self.credit -= 1_000_000;
        }
        allowed
    }
}

/// Says when a trouble that comes again and again is logged: at once, and once a minute as long as it lasts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogPace(Option<Instant>);

impl LogPace {
    const EVERY: Duration = Duration::from_secs(60);

    /// Whether it is to be logged now; if so, it is counted as logged.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.0.is_none_or(|last| now.saturating_duration_since(last) >= Self::EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

/// Waiting times between attempts to reach a peer.
#[derive(Clone, Copy, Debug)]
pub struct Redial {
    /// The wait after the first failure, before jitter. Default: 1 s.
    pub first: Duration,
    /// The longest wait, before jitter. Default: 60 s.
    pub longest: Duration,
}

impl Default for Redial {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }
}

/// How often one peer could not be reached in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait: it doubles with each failure, and `jitter` (any number) spreads it over 50 to 100 % of that, so
    /// that nodes which lost each other at once do not return at once.
    pub(crate) fn next(&mut self, redial: Redial, jitter: u64) -> Duration {
        let doubled = redial.first.saturating_mul(1 << self.failures.min(16)).min(redial.longest);
        self.failures = self.failures.saturating_add(1);
        let permille = u32::try_from(jitter % 501).unwrap_or(0) + 500;
        doubled.saturating_mul(permille) / 1000
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chk_114_a_bucket_allows_its_burst_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(2, 3, start);
        assert_eq!((0..5).filter(|_| bucket.take(start)).count(), 3);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..5).filter(|_| bucket.take(later)).count(), 2);
        let much_later = start + Duration::from_secs(1_000_000);
        assert_eq!((0..9).filter(|_| bucket.take(much_later)).count(), 3);
    }

    #[test]
    fn a_trouble_that_lasts_is_logged_once_a_minute() {
        let (start, mut pace) = (Instant::now(), LogPace::default());
        let logged: Vec<u64> = (0..150).filter(|second| pace.is_due(start + Duration::from_secs(*second))).collect();
        assert_eq!(logged, [0, 60, 120]);
    }

    #[test]
    fn a_wait_doubles_up_to_the_longest_and_starts_over() {
        let redial = Redial { first: Duration::from_secs(1), longest: Duration::from_secs(5) };
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..5).map(|_| backoff.next(redial, 500).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        backoff.reset();
        assert_eq!(backoff.next(redial, 0), Duration::from_millis(500));
        (0..100).for_each(|_| assert!(backoff.next(redial, 7) <= redial.longest));
    }
}
