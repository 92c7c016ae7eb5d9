//! How peers reach this node and how it reaches them: what they are told, what they tell, and what is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use libp2p::multiaddr::Protocol;
use tacit_protocol::api;
use tacit_protocol::identity::PeerId;
use tacit_protocol::messages::{Request, Response};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::network::{PathKind, PeerPath};

const STEP: &str = "addresses";
/// How long a peer may take to answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The wait before those are told again that could not be.
const TELL_AGAIN: Duration = Duration::from_secs(30);
/// The wait after a change of addresses, as they come one by one at the start.
const SETTLE: Duration = Duration::from_millis(300);

/// Tells each peer that connects where this node can be reached, and all that are connected when that changes.
pub(crate) async fn tell_addresses(context: Arc<Context>, stop: CancellationToken) {
    let (mut connected, mut listening) = (context.network.connected(), context.network.listen_addresses());
    let mut told: BTreeMap<PeerId, Vec<String>> = BTreeMap::new();
    loop {
        let peers: BTreeSet<PeerId> = connected.borrow_and_update().clone();
        listening.borrow_and_update();
        told.retain(|peer, _| peers.contains(peer));
        let own = context.addresses();
        let telling = tell_all(untold(&peers, &told, &own), |peer| tell(&context, peer, &own));
        tokio::select! {
            () = stop.cancelled() => return,
            heard = telling => told.extend(heard.into_iter().map(|peer| (peer, own.clone()))),
        }
        let is_told = untold(&peers, &told, &own).is_empty();
        tokio::select! {
            () = stop.cancelled() => return,
            changed = connected.changed() => if changed.is_err() { return },
            changed = listening.changed() => match changed {
                Ok(()) => tokio::time::sleep(SETTLE).await,
                Err(_) => return,
            },
            () = tokio::time::sleep(TELL_AGAIN), if !is_told => {}
        }
    }
}

/// The peers that have not been told where this node is reached now, if it is reached anywhere.
fn untold(peers: &BTreeSet<PeerId>, told: &BTreeMap<PeerId, Vec<String>>, own: &Vec<String>) -> Vec<PeerId> {
    peers.iter().filter(|peer| !own.is_empty() && told.get(peer) != Some(own)).copied().collect()
}

/// Tells peers, all at a time, as one that is silent must keep no other from hearing. Those that have heard.
async fn tell_all<F: Future<Output = bool>>(peers: Vec<PeerId>, tell: impl Fn(PeerId) -> F) -> Vec<PeerId> {
    let heard = join_all(peers.iter().copied().map(tell)).await;
    peers.into_iter().zip(heard).filter_map(|(peer, heard)| heard.then_some(peer)).collect()
}

async fn tell(context: &Context, peer: PeerId, own: &[String]) -> bool {
    match context.ask(&peer, STEP, &Request::Addresses(own.to_vec()), TIMEOUT).await {
        Ok(Response::Acknowledged) => true,
        // An older version does not know the message, and another answer will not come.
        Ok(answer) => {
            tracing::debug!(peer = %peer.short(), step = STEP, "the addresses were not taken: {answer:?}");
            true
        }
        Err(failure) => {
            tracing::debug!(peer = %peer.short(), step = STEP, code = %failure.code, "the addresses were not told");
            false
        }
    }
}

/// How a peer is reached, for the API. `elapsed` and `now` give the path's time.
pub(crate) fn describe(context: &Context, path: &PeerPath) -> api::PeerPath {
    let (kind, relay) = match path.kind {
        PathKind::Direct => ("direct", None),
        PathKind::HolePunched => ("hole-punched", None),
        PathKind::Relayed { relay } => ("relayed", Some(context.name_of(&relay).unwrap_or_else(|| relay.to_string()))),
    };
    api::PeerPath {
        kind: kind.into(),
        relay,
        transport: path.transport.into(),
        since: context.clock.unix_seconds().saturating_sub(path.since.elapsed().as_secs()),
    }
}

/// From where this node's packets come, as its peers see it: hosts once each, if they are not this node's own.
pub(crate) fn seen_at(context: &Context) -> Vec<String> {
    let listening = context.network.listen_addresses().borrow().clone();
    let host = |address: &libp2p::Multiaddr| match address.iter().next() {
        Some(Protocol::Ip4(ip)) => Some(std::net::IpAddr::from(ip)),
        Some(Protocol::Ip6(ip)) => Some(std::net::IpAddr::from(ip)),
        _ => None,
    };
    let own: BTreeSet<_> = listening.iter().filter_map(host).collect();
    let seen: BTreeSet<_> = context.network.seen_at().borrow().values().filter_map(host).collect();
    seen.difference(&own).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use tacit_protocol::identity::Identity;
    use tokio::sync::Barrier;

    use super::*;

    fn peers() -> BTreeSet<PeerId> {
        [1, 2].map(|seed| Identity::from_seed(&[seed; 32]).peer()).into()
    }

    #[tokio::test]
    async fn a_peer_that_is_slow_to_answer_keeps_no_other_from_hearing() {
        // Neither answers before both are asked.
        let both = Barrier::new(2);
        let answer = async || {
            both.wait().await;
            true
        };
        assert_eq!(tell_all(peers().into_iter().collect(), |_| answer()).await.len(), 2);
    }

    #[test]
    fn peers_that_know_an_old_address_are_told_again() {
        let (old, new) = (vec!["/ip4/192.0.2.7/tcp/1".to_owned()], vec!["/ip4/192.0.2.8/tcp/1".to_owned()]);
        let told: BTreeMap<_, _> = peers().into_iter().map(|peer| (peer, old.clone())).collect();
        assert!(untold(&peers(), &told, &old).is_empty());
        assert_eq!(untold(&peers(), &told, &new).len(), 2);
        assert!(untold(&peers(), &told, &Vec::new()).is_empty(), "it is reached nowhere");
    }
}
