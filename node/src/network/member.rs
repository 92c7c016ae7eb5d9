//! What the network task knows of one paired peer.

use std::collections::{HashSet, VecDeque};

use libp2p::{Multiaddr, swarm::ConnectionId};
use tacit_protocol::canonical::Nonce;
use tokio::time::Instant;

use super::{
    NetworkConfig,
    error::NetworkError,
    handle::Reply,
    pace::{Backoff, Bucket},
    path::Paths,
    relaying::Relaying,
};

/// A paired peer: its addresses, its session and its pace.
pub(crate) struct Member {
    pub(crate) addresses: Vec<Multiaddr>,
    /// Its connections on which the members' protocols are there.
    pub(crate) connections: HashSet<ConnectionId>,
    pub(crate) session: Session,
    /// The epoch of its process, since it last greeted.
    epoch: Option<Nonce>,
    /// Whether a dial is under way.
    pub(crate) dialing: bool,
    /// When to dial next, while there is no connection.
    pub(crate) next_dial: Option<Instant>,
    pub(crate) backoff: Backoff,
    /// How often it may ask (CHK-114).
    pub(crate) pace: Bucket,
    /// Its requests that are being answered.
    pub(crate) in_flight: usize,
    /// Requests of this node that wait for the greeting.
    waiting: VecDeque<Queued>,
    /// Frames that broke the protocol on the present connections.
    pub(crate) strikes: u32,
    /// How its connections lead to it.
    pub(crate) paths: Paths,
    /// When to close the relayed ones, if there is a direct one.
    pub(crate) retire: Option<Instant>,
    /// What relaying is agreed on with it.
    pub(crate) relaying: Relaying,
    /// When to ask it for a place as a relay.
    pub(crate) reserve: Option<Instant>,
    /// Whether it has told how it sees this node, on the present connections.
    pub(crate) has_identified: bool,
}

/// How far the session with a peer is (CHK-110 to CHK-112).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// No connection.
    Closed,
    /// Connected; an accepted greeting must come until then.
    Opening(Instant),
    /// Greeted.
    Open,
}

/// A request of this node that waits.
pub(crate) struct Queued {
    pub(crate) step: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) reply: Reply,
}

impl Member {
    pub(crate) fn new(addresses: Vec<Multiaddr>, config: &NetworkConfig, now: Instant) -> Self {
        Self {
            addresses,
            connections: HashSet::new(),
            session: Session::Closed,
            epoch: None,
            dialing: false,
            next_dial: Some(now),
            backoff: Backoff::default(),
            pace: Bucket::new(config.requests_per_second, config.request_burst, now),
            in_flight: 0,
            waiting: VecDeque::new(),
            strikes: 0,
            paths: Paths::default(),
            retire: None,
            relaying: Relaying::default(),
            reserve: None,
            has_identified: false,
        }
    }

    /// Takes note of a greeting that came over a connection: what is to be closed. If the peer's process is a new one,
    /// its other connections led to the old one. A process that was killed says no farewell, so nothing else may tell
    /// for a long time, and requests would be lost on them.
    pub(crate) fn greeted(&mut self, epoch: Nonce, over: ConnectionId) -> Vec<ConnectionId> {
        let known = self.epoch.replace(epoch);
        if known.is_none_or(|known| known == epoch) {
            return Vec::new();
        }
        self.connections.iter().copied().filter(|connection| *connection != over).collect()
    }

    /// Queues a request until the greeting is done, or hands it back if too many wait.
    pub(crate) fn queue(&mut self, queued: Queued, limit: usize) -> Result<(), Queued> {
        // Askers that gave up leave no trace.
        self.waiting.retain(|queued| !queued.reply.is_closed());
        if self.waiting.len() >= limit {
            return Err(queued);
        }
        self.waiting.push_back(queued);
        Ok(())
    }

    pub(crate) fn take_waiting(&mut self) -> VecDeque<Queued> {
        std::mem::take(&mut self.waiting)
    }

    /// Fails all requests that wait.
    pub(crate) fn fail_waiting(&mut self, error: impl Fn(&'static str) -> NetworkError) {
        for queued in self.take_waiting() {
            let _ = queued.reply.send(Err(error(queued.step)));
        }
    }

    /// The next time at which something is to be done for this peer.
    pub(crate) fn wake(&self) -> Option<Instant> {
        let session = self.session_wake();
        session.into_iter().chain(self.retire).chain(self.reserve).min()
    }

    /// The same, of its session alone.
    pub(crate) fn session_wake(&self) -> Option<Instant> {
        match self.session {
            Session::Opening(until) => Some(until),
            Session::Closed if !self.dialing => self.next_dial,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_of_a_new_process_closes_the_connections_to_the_old_one() {
        let [old, new] = [1, 2].map(ConnectionId::new_unchecked);
        let [first, second] = [1, 2].map(|seed| Nonce::from_bytes([seed; 16]));
        let mut member = Member::new(Vec::new(), &NetworkConfig::default(), Instant::now());
        member.connections.insert(old);
        assert!(member.greeted(first, old).is_empty());
        member.connections.insert(new);
        assert!(member.greeted(first, new).is_empty(), "two connections to one process");
        assert_eq!(member.greeted(second, new), [old]);
        assert!(member.greeted(second, new).is_empty());
    }
}
