//! Changes of job states as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use tacit_protocol::api::JobEvent;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::answer::ApiFailure;
use super::limits::Stream as Counted;
use crate::jobs::events::{Events, Place};
use crate::tokens::Caller;

/// How often a stream without changes shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Changes of job states from now on, or from the `last-event-id` of the header on.
///
/// The first event is `start`, or `resync` if changes after that id are no longer kept: then read the jobs again. Each
/// further one is `job`. All carry the id to go on from. An analyst hears of the own jobs.
#[utoipa::path(get, path = "/v1/events", responses((status = OK, body = JobEvent, content_type = "text/event-stream")))]
pub(super) async fn follow(
    State(shared): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiFailure> {
    let last = headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.parse::<Place>().ok()));
    let counted = shared.limits.stream(&caller.token)?;
    let (events, place, stop) = shared.node.follow()?;
    let changes = Follower::new(events, last, (place, counted), stop).of(caller.analyst());
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
    stop: CancellationToken,
    _places: (OwnedSemaphorePermit, Counted),
}

impl Follower {
    /// `last`: the id that the caller names, if it names one, and if that is one.
    fn new(
        events: Arc<Events>,
        last: Option<Option<Place>>,
        places: (OwnedSemaphorePermit, Counted),
        stop: CancellationToken,
    ) -> Self {
        let newest = events.watch();
        let (place, first) = match last {
            None => (events.end(), "start"),
            Some(Some(place)) if events.after(place).is_ok() => (place, "start"),
            Some(_) => (events.end(), "resync"),
        };
        Self { events, newest, place, first: VecDeque::from([first]), analyst: None, stop, _places: places }
    }

    fn of(mut self, analyst: Option<&str>) -> Self {
        self.analyst = analyst.map(str::to_owned);
        self
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
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
                    changed = self.newest.changed() => changed.ok()?,
                },
            }
        }
    }
}

fn job_event(place: Place, change: &JobEvent) -> Event {
    let data = serde_json::to_string(change).expect("an event serialises");
    Event::default().event("job").id(place.to_string()).data(data)
}
