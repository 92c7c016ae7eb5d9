//! Changes of job states, and of the ways to peers, as server-sent events.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use tacit_protocol::api::{JobEvent, PeerEvent};
use tacit_protocol::identity::PeerId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::answer::ApiFailure;
use super::limits::Stream as Counted;
use crate::jobs::events::{Events, Place};
use crate::network::PeerPath;
use crate::node::Node;
use crate::tokens::{Caller, Tokens};

/// How often a stream without changes shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Changes of job states from now on, or from the `last-event-id` of the header on.
///
/// The first event is `start`, or `resync` if changes after that id are no longer kept: then read the jobs again. Each
/// further one is `job`. All carry the id to go on from. An analyst hears of the own jobs. Others hear in between, as `peer`,
/// that a peer is reached in another way than before, or no longer; it has no id and is not repeated, as `GET /v1/peers`
/// tells how things are. The stream ends with the token of its caller.
#[utoipa::path(get, path = "/v1/events", responses((status = OK, body = JobEvent, content_type = "text/event-stream")))]
pub(super) async fn follow(
    State(shared): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiFailure> {
    let last = headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.parse::<Place>().ok()));
    let place = shared.limits.stream(&caller)?;
    let (events, stop) = shared.node.follow();
    let changes = Follower::new(events, last, (shared.tokens, caller.token.clone()), place, stop);
    let changes = match caller.analyst() {
        Some(analyst) => changes.of(analyst),
        None => changes.with_ways(Ways::of(shared.node.clone())),
    };
    let stream = futures::stream::unfold(changes, async |mut changes| {
        let event = changes.next().await?;
        Some((Ok(event), changes))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// One caller that follows the changes. It holds no more than a place among them, however slowly it reads.
struct Follower {
    events: Arc<Events>,
    newest: watch::Receiver<u64>,
    place: Place,
    /// What is said before the next change.
    first: VecDeque<&'static str>,
    /// The analyst of whose jobs it hears; none: of all.
    analyst: Option<String>,
    /// The token that it called with, and who knows whether that still holds.
    token: (Arc<Tokens>, String),
    stop: CancellationToken,
    ways: Option<Ways>,
    _place: Counted,
}

impl Follower {
    /// `last`: the id that the caller names, if it names one, and if that is one.
    fn new(
        events: Arc<Events>,
        last: Option<Option<Place>>,
        token: (Arc<Tokens>, String),
        place_held: Counted,
        stop: CancellationToken,
    ) -> Self {
        let newest = events.watch();
        let (place, first) = match last {
            None => (events.end(), "start"),
            Some(Some(place)) if events.after(place).is_ok() => (place, "start"),
            Some(_) => (events.end(), "resync"),
        };
        let first = VecDeque::from([first]);
        Self { events, newest, place, first, analyst: None, token, stop, ways: None, _place: place_held }
    }

    /// The same of the jobs of one analyst.
    fn of(self, analyst: &str) -> Self {
        Self { analyst: Some(analyst.to_owned()), ..self }
    }

    /// The same, told of changes of the ways to peers too.
    fn with_ways(self, ways: Ways) -> Self {
        Self { ways: Some(ways), ..self }
    }

    /// What is said next; none: the node stops, or the token holds no longer (CHK-901).
    async fn next(&mut self) -> Option<Event> {
        loop {
            let (tokens, token) = &self.token;
            tokens.still_holds(token).ok()?;
            if let Some(what) = self.first.pop_front() {
                return Some(Event::default().event(what).id(self.place.to_string()).data("{}"));
            }
            // Seen before the look, so that a change in between wakes the wait.
            self.newest.borrow_and_update();
            match self.events.after(self.place) {
                Ok(Some((place, change))) => {
                    self.place = place;
                    if self.analyst.is_none() || self.analyst == change.analyst {
                        return Some(job_event(place, &change.event));
                    }
                }
                Err(_) => {
                    self.place = self.events.end();
                    self.first.push_back("resync");
                }
                Ok(None) => tokio::select! {
                    () = self.stop.cancelled() => return None,
                    _ = tokens.void(token) => return None,
                    changed = self.newest.changed() => changed.ok()?,
                    event = next_way(&mut self.ways) => return Some(event),
                },
            }
        }
    }
}

/// The ways to peers, as one caller has been told of them.
struct Ways {
    node: Arc<Node>,
    changes: watch::Receiver<Paths>,
    told: Paths,
}

type Paths = BTreeMap<PeerId, PeerPath>;

impl Ways {
    fn of(node: Arc<Node>) -> Self {
        let mut changes = node.paths();
        let told = changes.borrow_and_update().clone();
        Self { node, changes, told }
    }

    /// The next peer that is reached in another way than was told.
    fn change(&mut self) -> Option<PeerEvent> {
        let now = self.changes.borrow_and_update().clone();
        let differs = |peer: &&PeerId| self.told.get(peer) != now.get(peer);
        let peer = *now.keys().chain(self.told.keys()).find(differs)?;
        let path = now.get(&peer).copied();
        match path {
            Some(path) => drop(self.told.insert(peer, path)),
            None => drop(self.told.remove(&peer)),
        }
        Some(PeerEvent { peer: peer.to_string(), path: path.map(|path| self.node.path_info(&path)) })
    }
}

async fn next_way(ways: &mut Option<Ways>) -> Event {
    let Some(ways) = ways else { return std::future::pending().await };
    loop {
        if let Some(change) = ways.change() {
            return Event::default().event("peer").data(serde_json::to_string(&change).expect("an event serialises"));
        }
        if ways.changes.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn job_event(place: Place, change: &JobEvent) -> Event {
    let data = serde_json::to_string(change).expect("an event serialises");
    Event::default().event("job").id(place.to_string()).data(data)
}

#[cfg(test)]
mod tests {
    use super::super::limits::Limits;
    use super::*;
    use crate::tokens::tests::analyst;

    /// A follower by a token, and its place among the streams.
    fn follower(events: &Arc<Events>, limits: &Limits, tokens: &Arc<Tokens>, caller: &Caller) -> Follower {
        let place = limits.stream(caller).expect("a place");
        let token = (Arc::clone(tokens), caller.token.clone());
        Follower::new(Arc::clone(events), None, token, place, CancellationToken::new())
    }

    #[tokio::test]
    async fn chk_901_a_stream_of_events_ends_with_the_token_of_its_caller() {
        let (events, limits) = (Arc::new(Events::new()), Limits::new(10));
        let (_node, tokens, caller) = analyst();
        let mut waiting = follower(&events, &limits, &tokens, &caller);
        assert!(waiting.next().await.is_some(), "the start");
        let mut late = follower(&events, &limits, &tokens, &caller);
        let ended = tokio::spawn(async move { waiting.next().await.is_none() });
        tokio::task::yield_now().await;
        assert!(!ended.is_finished(), "it waits for a change");
        tokens.revoke(&caller.token, &caller).expect("revoked");
        assert!(ended.await.expect("no panic"));
        assert!(late.next().await.is_none(), "not even the start is told");
    }
}
