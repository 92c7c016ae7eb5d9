//! The listening side: preambles are read, and connections wait for their lane or their deadline.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tacit_protocol::identity::PeerId;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{DataPlaneLimits, Lane, LanePath, Registry, Route, carrier::Carrier, registry::Arrival};
use crate::network::LogPace;

/// The length of a preamble.
pub(super) const PREAMBLE_BYTES: usize = 44;
const MAGIC: &[u8; 8] = b"TACITDP\0";
const VERSION: u16 = 1;
/// What the listener sends when the lane has its connection.
pub(super) const TAKEN: u8 = 1;
/// How long it may take to tell a dialler so, at least.
const LAST_WORD: Duration = Duration::from_secs(2);
/// The pause after a connection could not be taken, such as for want of open files. It waits still, so that a listener
/// that asked again at once would keep a processor busy.
const PAUSE: Duration = Duration::from_millis(100);

/// The preamble of a lane.
pub(super) fn preamble(route: Route, lane: Lane) -> [u8; PREAMBLE_BYTES] {
    let mut bytes = [0; PREAMBLE_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[10..42].copy_from_slice(&route.0);
    bytes[42..].copy_from_slice(&lane.to_le_bytes());
    bytes
}

fn parse(bytes: &[u8; PREAMBLE_BYTES]) -> Option<(Route, Lane)> {
    let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(&VERSION.to_le_bytes())?;
    let (route, lane) = rest.split_at_checked(32)?;
    Some((Route(route.try_into().ok()?), Lane::from_le_bytes(lane.try_into().ok()?)))
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// A socket's address.
    Ip(IpAddr),
    /// A paired peer, over the control plane's connection.
    Peer(PeerId),
}

/// A connection that waits for its lane.
struct Parked {
    carrier: Carrier,
    source: Source,
    route: Route,
    lane: Lane,
    until: Instant,
}

/// What became of a new connection: its source, and itself if it said what it is for.
type Introduced = (Source, Option<Parked>);

struct Listener {
    limits: DataPlaneLimits,
    registry: Arc<Registry>,
    /// Lanes by other ways than TCP, as long as they last.
    tasks: TaskTracker,
    introducing: FuturesUnordered<BoxFuture<'static, Introduced>>,
    parked: Vec<Parked>,
    /// Connections without a session, by source.
    pending: HashMap<Source, usize>,
}

/// Takes connections, and those that come by other ways than TCP, until `stop`.
pub(super) async fn run(
    listener: TcpListener,
    limits: DataPlaneLimits,
    registry: Arc<Registry>,
    mut arrivals: mpsc::Receiver<(Source, Carrier)>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let mut door = Door::new(|| listener.accept());
    let mut state = Listener {
        limits,
        registry,
        tasks,
        introducing: FuturesUnordered::new(),
        parked: Vec::new(),
        pending: HashMap::new(),
    };
    loop {
        let registry = state.registry.clone();
        let next_deadline = state.parked.iter().map(|parked| parked.until).min();
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = registry.waiting.notified() => state.settle(),
            Some((source, introduced)) = state.introducing.next() => {
                match introduced {
                    Some(parked) => {
                        state.parked.push(parked);
                        state.settle();
                    }
                    None => state.release(source),
                }
            }
            () = deadline(next_deadline) => state.close_late(Instant::now()),
            Some((source, carrier)) = arrivals.recv() => state.accept(carrier, source),
            (stream, from) = door.next() => state.accept(Carrier::Tcp(stream), Source::Ip(from.ip().to_canonical())),
        }
    }
}

/// Where connections by TCP come in.
struct Door<A> {
    accept: A,
    /// After a failure: when to ask again.
    paused: Option<Instant>,
    log: LogPace,
}

impl<A, F> Door<A>
where
    A: Fn() -> F,
    F: Future<Output = io::Result<(TcpStream, SocketAddr)>>,
{
    fn new(accept: A) -> Self {
        Self { accept, paused: None, log: LogPace::default() }
    }

    /// The next connection. It may be dropped and asked again: a pause goes on where it was.
    async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Some(until) = self.paused {
                tokio::time::sleep_until(until).await;
                self.paused = None;
            }
            match (self.accept)().await {
                Ok(accepted) => return accepted,
                Err(error) => self.pause(&error, Instant::now()),
            }
        }
    }

    fn pause(&mut self, error: &io::Error, now: Instant) {
        self.paused = Some(now + PAUSE);
        if self.log.is_due(now) {
            tracing::warn!(step = "channel", code = "CHANNEL_IO", %error, "the data port takes no connection; check the limit of open files");
        }
    }
}

impl Listener {
    /// Takes a connection if there is room for one more without a session; else it is closed by being dropped.
    fn accept(&mut self, carrier: Carrier, source: Source) {
        let from_source = self.pending.get(&source).copied().unwrap_or(0);
        let in_all: usize = self.pending.values().sum();
        if in_all >= self.limits.pending || from_source >= self.limits.pending_per_source {
            return;
        }
        self.pending.insert(source, from_source + 1);
        let until = Instant::now() + self.limits.preamble_timeout;
        self.introducing.push(introduce(carrier, source, until).boxed());
    }

    fn release(&mut self, source: Source) {
        if let Some(count) = self.pending.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.pending.remove(&source);
            }
        }
    }

    /// Hands connections to the lanes that wait for them.
    fn settle(&mut self) {
        for mut parked in std::mem::take(&mut self.parked) {
            let Some(sender) = self.registry.claim(parked.route, parked.lane) else {
                self.parked.push(parked);
                continue;
            };
            self.release(parked.source);
            if !parked.carrier.is_waiting() {
                self.registry.give_back(parked.route, parked.lane, sender);
                continue;
            }
            match parked.carrier {
                Carrier::Tcp(stream) if stream.try_write(&[TAKEN]).is_ok_and(|sent| sent == 1) => {
                    // An error says that whoever waited has left; the connection closes.
                    let _ = sender.send(Arrival { stream, path: LanePath::Tcp });
                }
                Carrier::Tcp(_) => self.registry.give_back(parked.route, parked.lane, sender),
                foreign => drop(self.tasks.spawn(take(foreign, sender, parked.until))),
            }
        }
    }

    fn close_late(&mut self, now: Instant) {
        let (late, parked) = std::mem::take(&mut self.parked).into_iter().partition(|parked| parked.until <= now);
        self.parked = parked;
        for Parked { source, .. } in late {
            self.release(source);
            tracing::debug!(step = "channel", code = "CHANNEL_UNKNOWN", "a connection named no lane that waits");
        }
    }
}

/// Tells the dialler of a stream that its lane has it, and serves it as long as it lasts. Whoever waits sees the end of
/// its wait if that fails.
async fn take(mut carrier: Carrier, waiting: oneshot::Sender<Arrival>, until: Instant) {
    let path = carrier.path();
    let taken = async {
        carrier.open_window();
        carrier.write_all(&[TAKEN]).await?;
        carrier.into_socket().await
    };
    if let Ok(Ok((stream, work))) = tokio::time::timeout_at(until.max(Instant::now() + LAST_WORD), taken).await
        && waiting.send(Arrival { stream, path }).is_ok()
        && let Some(work) = work
    {
        work.await;
    }
}

/// Reads a preamble.
async fn introduce(mut carrier: Carrier, source: Source, until: Instant) -> Introduced {
    let mut bytes = [0; PREAMBLE_BYTES];
    let read = tokio::time::timeout_at(until, carrier.read_exact(&mut bytes)).await;
    let introduced = match (read, parse(&bytes)) {
        (Ok(Ok(())), Some((route, lane))) => Some(Parked { carrier, source, route, lane, until }),
        _ => None,
    };
    (source, introduced)
}

async fn deadline(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_port_that_takes_no_connection_is_asked_again_after_a_pause() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("a socket")).await.expect("it listens");
        let asked = AtomicU32::new(0);
        let accept = async || match asked.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Err(io::Error::other("too many open files")),
            _ => listener.accept().await,
        };
        let mut door = Door::new(accept);
        let began = Instant::now();
        let taken = loop {
            // Waits are dropped, as by the other branches of the loop.
            if let Ok(taken) = tokio::time::timeout(PAUSE / 4, door.next()).await {
                break taken;
            }
        };
        assert_eq!(taken.1, client.local_addr().expect("a socket"));
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert!(began.elapsed() >= 2 * PAUSE);
    }

    #[test]
    fn a_preamble_reads_back_and_nothing_else_does() {
        let route = Route([7; 32]);
        let bytes = preamble(route, 258);
        assert_eq!(parse(&bytes), Some((route, 258)));
        for at in 0..10 {
            let mut other = bytes;
            other[at] ^= 1;
            assert_eq!(parse(&other), None, "byte {at}");
        }
    }
}
