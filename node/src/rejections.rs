//! Refused messages of peers, for the log: each one while they are few, their number when they are many.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tacit_protocol::{Code, PeerId};

/// Refused messages of one peer that are listed in an hour, one log entry each. What comes beyond is counted, and the
/// counts are written once when the hour is over: a peer adds at most 21 entries an hour, whatever it sends.
const LISTED: u32 = 20;
/// The length of a window, in seconds.
const WINDOW_SECONDS: u64 = 3_600;
/// Codes that are counted apart in a window; the rest is counted as one.
const CODES: usize = 16;

/// The windows of the peers that have sent something to refuse. Peers are paired, so their number is bounded.
#[derive(Default)]
pub(crate) struct Rejections {
    windows: Mutex<BTreeMap<PeerId, Window>>,
}

struct Window {
    since: u64,
    listed: u32,
    counted: BTreeMap<String, u64>,
}

impl Window {
    fn is_over(&self, now: u64) -> bool {
        now >= self.since.saturating_add(WINDOW_SECONDS)
    }

    /// The entry of what was counted, if anything was.
    fn counts(&self, peer: &PeerId) -> Option<Value> {
        let total: u64 = self.counted.values().sum();
        (total > 0).then(|| {
            let text = format!("{total} more messages were refused");
            json!({ "peer": peer, "text": text, "codes": self.counted, "since": self.since })
        })
    }
}

impl Rejections {
    /// Notes a refused message; what is to be written into the log for it now.
    pub(crate) fn note(&self, peer: &PeerId, code: &Code, what: &str, now: u64) -> Vec<Value> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = Vec::new();
        if let Some(over) = windows.get(peer).filter(|window| window.is_over(now)) {
            entries.extend(over.counts(peer));
            windows.remove(peer);
        }
        let fresh = Window { since: now, listed: 0, counted: BTreeMap::new() };
        let window = windows.entry(*peer).or_insert(fresh);
        if window.listed < LISTED {
            window.listed += 1;
            entries.push(json!({ "peer": peer, "code": code, "text": what }));
        } else {
            let known = window.counted.len() < CODES || window.counted.contains_key(code.as_str());
            let code = if known { code.as_str() } else { "others" };
            *window.counted.entry(code.to_owned()).or_default() += 1;
        }
        entries
    }

    /// The counts of the windows that are over, or of all: they begin anew.
    pub(crate) fn take_counts(&self, now: u64, all: bool) -> Vec<Value> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<PeerId> =
            windows.iter().filter(|(_, window)| all || window.is_over(now)).map(|(peer, _)| *peer).collect();
        over.iter().filter_map(|peer| windows.remove(peer)?.counts(peer)).collect()
    }
}

#[cfg(test)]
mod tests {
    use tacit_protocol::Identity;

    use super::*;

    fn peer(byte: u8) -> PeerId {
        Identity::from_seed(&[byte; 32]).peer()
    }

    #[test]
    fn a_flood_adds_one_entry_with_its_number_when_the_hour_is_over() {
        let rejections = Rejections::default();
        let code = Code::new("PROPOSAL_ENCODING");
        let note = |peer: &PeerId, now| rejections.note(peer, &code, "a message does not read", now);
        let written: usize = (0..10_000).map(|_| note(&peer(1), 50).len()).sum();
        assert_eq!(written, LISTED as usize);
        assert_eq!(note(&peer(2), 60).len(), 1, "others are not held to it");
        assert!(rejections.take_counts(50 + WINDOW_SECONDS - 1, false).is_empty());

        let entries = note(&peer(1), 50 + WINDOW_SECONDS);
        assert_eq!(entries.len(), 2, "the count, and the first of the next hour");
        assert_eq!(entries[0]["codes"]["PROPOSAL_ENCODING"], 10_000 - LISTED);
        assert_eq!(entries[0]["since"], 50);
        assert_eq!(entries[1]["code"], "PROPOSAL_ENCODING");
    }

    #[test]
    fn what_was_counted_is_written_once_also_without_another_message() {
        let rejections = Rejections::default();
        for number in 0..100 {
            // Codes are this node's own, and still bounded.
            let code = if number % 2 == 0 { Code::new("JOB_UNKNOWN") } else { Code::new("STATE_ILLEGAL") };
            rejections.note(&peer(1), &code, "x", 10);
        }
        rejections.note(&peer(2), &Code::new("JOB_UNKNOWN"), "x", 10);
        let entries = rejections.take_counts(10, true);
        assert_eq!(entries.len(), 1, "a peer whose messages were all listed has nothing to add");
        assert_eq!(entries[0]["text"], "80 more messages were refused");
        assert!(rejections.take_counts(u64::MAX, true).is_empty());
    }
}
