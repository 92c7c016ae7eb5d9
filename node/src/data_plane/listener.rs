//! The listening side: preambles are read, and connections wait for their lane or their deadline.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::Instant,
};

use super::{DataPlaneLimits, Lane, Registry, Route};

/// The length of a preamble.
pub(super) const PREAMBLE_BYTES: usize = 44;
const MAGIC: &[u8; 8] = b"TACITDP\0";
const VERSION: u16 = 1;
/// What the listener sends when the lane has its connection.
pub(super) const TAKEN: u8 = 1;

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

/// A connection that waits for its lane.
struct Parked {
    stream: TcpStream,
    source: IpAddr,
    route: Route,
    lane: Lane,
    until: Instant,
}

/// What became of a new connection: its source, and itself if it said what it is for.
type Introduced = (IpAddr, Option<Parked>);

struct Listener {
    limits: DataPlaneLimits,
    registry: Arc<Registry>,
    introducing: FuturesUnordered<BoxFuture<'static, Introduced>>,
    parked: Vec<Parked>,
    /// Connections without a session, by source.
    pending: HashMap<IpAddr, usize>,
}

/// Takes connections until `stop`.
pub(super) async fn run(listener: TcpListener, limits: DataPlaneLimits, registry: Arc<Registry>, stop: Arc<Notify>) {
    let mut state = Listener {
        limits,
        registry,
        introducing: FuturesUnordered::new(),
        parked: Vec::new(),
        pending: HashMap::new(),
    };
    loop {
        let registry = state.registry.clone();
        let next_deadline = state.parked.iter().map(|parked| parked.until).min();
        tokio::select! {
            biased;
            () = stop.notified() => return,
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
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => state.accept(stream, from.ip().to_canonical()),
                Err(error) => tracing::warn!(step = "channel", code = "CHANNEL_IO", %error, "a connection was not taken"),
            },
        }
    }
}

impl Listener {
    /// Takes a connection if there is room for one more without a session; else it is closed by being dropped.
    fn accept(&mut self, stream: TcpStream, source: IpAddr) {
        let from_source = self.pending.get(&source).copied().unwrap_or(0);
        let in_all: usize = self.pending.values().sum();
        if in_all >= self.limits.pending || from_source >= self.limits.pending_per_source {
            return;
        }
        self.pending.insert(source, from_source + 1);
        let until = Instant::now() + self.limits.preamble_timeout;
        self.introducing.push(introduce(stream, source, until).boxed());
    }

    fn release(&mut self, source: IpAddr) {
        if let Some(count) = self.pending.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.pending.remove(&source);
            }
        }
    }

    /// Hands connections to the lanes that wait for them.
    fn settle(&mut self) {
        for parked in std::mem::take(&mut self.parked) {
            let Some(sender) = self.registry.claim(parked.route, parked.lane) else {
                self.parked.push(parked);
                continue;
            };
            self.release(parked.source);
            if is_waiting(&parked.stream) && parked.stream.try_write(&[TAKEN]).is_ok_and(|sent| sent == 1) {
                // An error says that whoever waited has left; the connection closes.
                let _ = sender.send(parked.stream);
            } else {
                self.registry.give_back(parked.route, parked.lane, sender);
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

/// Reads a preamble.
async fn introduce(mut stream: TcpStream, source: IpAddr, until: Instant) -> Introduced {
    let mut bytes = [0; PREAMBLE_BYTES];
    let read = tokio::time::timeout_at(until, stream.read_exact(&mut bytes)).await;
    let introduced = match (read, parse(&bytes)) {
        (Ok(Ok(_)), Some((route, lane))) => Some(Parked { stream, source, route, lane, until }),
        _ => None,
    };
    (source, introduced)
}

/// Whether the dialler is still there and has sent nothing, as it must not before it is answered.
fn is_waiting(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

async fn deadline(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
