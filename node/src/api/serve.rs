//! Connections of the API: accepted, bounded (CHK-904), and served until the node stops.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::limits::network_of;
use super::patience::Patient;
use super::tls;

/// Connections at a time.
const MOST_CONNECTIONS: usize = 1_024;
/// Connections at a time from one address, or one network of IPv6.
const MOST_OF_AN_ADDRESS: usize = 512;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a call may take to come, and how long a connection may be silent between calls.
const HEAD: Duration = Duration::from_secs(30);
/// How long a caller may leave what was written to it unread.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes that a connection holds of what it reads.
const BUFFER_BYTES: usize = 64 * 1024;
/// The pause after a connection could not be taken, such as for want of open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves a router on a listener, over TLS if there is an acceptor, until `stop`; then waits for calls under way.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, stop: CancellationToken) {
    let (places, connections) = (Arc::new(Places::default()), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) => {
                tracing::debug!("a connection of the API was not taken: {cause}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Whoever is over the limit is closed without a word.
        let Some(place) = Places::take(&places, from.ip()) else { continue };
        let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            let _place = place;
            connection(stream, from, tls, router, stop).await;
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    // Answers are written at once; an error shows with the next byte.
    drop(stream.set_nodelay(true));
    let Some(acceptor) = tls else { return talk(stream, from, router, stop).await };
    let secured = tokio::select! {
        () = stop.cancelled() => return,
        secured = tokio::time::timeout(HANDSHAKE, tls::accept(stream, &acceptor)) => secured,
    };
    match secured {
        Ok(Ok(Some(stream))) => talk(stream, from, router, stop).await,
        // Told in the clear that this port speaks TLS.
        Ok(Ok(None)) => {}
        Ok(Err(cause)) => tracing::debug!("a handshake with {} failed: {cause}", from.ip()),
        Err(_) => tracing::debug!("a handshake with {} took too long", from.ip()),
    }
}

/// HTTP on one connection.
async fn talk<S>(stream: S, from: SocketAddr, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(from));
        router.clone().call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, PATIENCE)), service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(cause) = ended {
        tracing::debug!("a connection of {} ended: {cause}", from.ip());
    }
}

/// The connections that are open, by address, or by network of IPv6.
#[derive(Default)]
struct Places {
    open: Mutex<HashMap<IpAddr, usize>>,
}

struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    fn take(places: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network_of(address);
        let mut open = places.open();
        let all: usize = open.values().sum();
        let own = open.get(&address).copied().unwrap_or(0);
        if all >= MOST_CONNECTIONS || own >= MOST_OF_AN_ADDRESS {
            return None;
        }
        open.insert(address, own + 1);
        Some(Place { places: places.clone(), address })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.open();
        if let Some(own) = open.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chk_904_connections_are_bounded_for_each_address_and_in_all() {
        let places = Arc::new(Places::default());
        let take = |last: u8| Places::take(&places, IpAddr::from([192, 0, 2, last]));
        let mut held: Vec<Place> = (0..MOST_OF_AN_ADDRESS).map(|_| take(1).expect("a place")).collect();
        assert!(take(1).is_none() && take(2).is_some());
        held.extend((MOST_OF_AN_ADDRESS..MOST_CONNECTIONS).map(|_| take(2).expect("a place")));
        assert!(take(3).is_none());
        held.clear();
        assert!(take(3).is_some() && places.open().is_empty());
    }

    #[test]
    fn chk_904_a_network_of_ipv6_has_the_connections_of_one_address() {
        let places = Arc::new(Places::default());
        let take = |network: u16, host: usize| {
            let host = u16::try_from(host).expect("few");
            Places::take(&places, IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host]))
        };
        let held: Vec<Place> = (0..MOST_OF_AN_ADDRESS).map(|host| take(1, host).expect("a place")).collect();
        assert!(take(1, MOST_OF_AN_ADDRESS).is_none() && take(2, 0).is_some());
        drop(held);
        assert!(take(1, 0).is_some());
    }
}
