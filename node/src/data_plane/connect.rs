//! The dialling side: all ways to a peer are tried, the later ones a little later, and the first that is taken is used.
//! Which one that is the listening side decides, as it takes one connection for a lane.

use std::{io, net::SocketAddr, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use libp2p::{Multiaddr, multiaddr::Protocol};
use tacit_protocol::{address::MAX_ADDRESSES, identity::PeerId};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{
    DataPlane, DataPlaneError, Lane, Route,
    carrier::Carrier,
    listener::{TAKEN, preamble},
};
use crate::network::{NetworkError, resolve};

/// The wait between attempts: short, as a peer that is not ready holds the connection for some seconds itself.
const RETRY: Duration = Duration::from_millis(200);
/// How long one address may take to connect, so that a dead one does not use up the time of the others.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may stay unanswered: longer than a peer holds one whose lane does not wait yet.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
/// By how much each further address is tried later than the one before it, which the peer prefers.
const HEAD_START: Duration = Duration::from_millis(500);
/// How long ports of the data plane have before a stream on the control plane's connection is tried beside them.
const PORTS_FIRST: Duration = Duration::from_secs(3);
/// How long a peer that is reached over a relay only may take to become reachable otherwise.
const RELAY_PATIENCE: Duration = Duration::from_secs(15);

/// A lane to a peer.
pub(super) struct Wanted {
    /// The peer; none: streams and QUIC, which authenticate it, are left out.
    pub(super) peer: Option<PeerId>,
    pub(super) route: Route,
    pub(super) lane: Lane,
    pub(super) deadline: Instant,
}

/// Why one attempt failed. The later ones tell more.
enum Attempt {
    Unreachable(String),
    Relayed(NetworkError),
    NotTaken,
}

impl Attempt {
    fn rank(&self) -> u8 {
        match self {
            Self::Unreachable(_) => 0,
            Self::Relayed(_) => 1,
            Self::NotTaken => 2,
        }
    }

    fn into_error(self, lane: Lane) -> DataPlaneError {
        match self {
            Self::NotTaken => DataPlaneError::Unknown { lane },
            Self::Relayed(cause) => DataPlaneError::Relayed { lane, cause },
            Self::Unreachable(reason) => DataPlaneError::Unreachable { lane, reason },
        }
    }
}

/// One way to a peer's port.
#[derive(Clone, Copy)]
enum Way {
    Tcp(SocketAddr),
    Quic(SocketAddr),
}

/// Connects by one of the ways to the peer and has the lane taken, until the deadline.
pub(super) async fn connect(
    plane: &DataPlane,
    addresses: &[String],
    wanted: &Wanted,
) -> Result<Carrier, DataPlaneError> {
    let addresses: Vec<Multiaddr> = addresses.iter().take(MAX_ADDRESSES).filter_map(|text| text.parse().ok()).collect();
    let began = Instant::now();
    let mut last = Attempt::Unreachable("no answer in time".to_owned());
    loop {
        let Ok(resolved) = timeout_at(wanted.deadline, resolve(addresses.clone(), plane.addresses)).await else {
            return Err(last.into_error(wanted.lane));
        };
        let ways: Vec<Way> = resolved.iter().filter_map(|address| plane.way(address, wanted)).collect();
        if ways.is_empty() && !plane.has_streams(wanted) {
            return Err(DataPlaneError::NoAddress);
        }
        match timeout_at(wanted.deadline, try_all(plane, &ways, wanted)).await {
            Ok(Ok(carrier)) => return Ok(carrier),
            // Of a round's failures the one that tells most; of the rounds the latest.
            Ok(Err(failed)) => last = failed,
            Err(_) => return Err(last.into_error(wanted.lane)),
        }
        let again = Instant::now() + RETRY;
        let is_hopeless = matches!(last, Attempt::Relayed(_)) && began.elapsed() >= RELAY_PATIENCE;
        if again >= wanted.deadline || is_hopeless {
            return Err(last.into_error(wanted.lane));
        }
        tokio::time::sleep_until(again).await;
    }
}

/// One round of all ways.
async fn try_all(plane: &DataPlane, ways: &[Way], wanted: &Wanted) -> Result<Carrier, Attempt> {
    let began = Instant::now();
    let mut ports: FuturesUnordered<_> = (0_u32..)
        .zip(ways)
        .map(|(place, way)| async move {
            tokio::time::sleep_until(began + HEAD_START * place).await;
            plane.attempt(*way, wanted).await
        })
        .collect();
    let mut last: Option<Attempt> = None;
    let mut note = |failed: Attempt| {
        if last.as_ref().is_none_or(|last| failed.rank() >= last.rank()) {
            last = Some(failed);
        }
    };
    let streams = tokio::time::sleep_until(began + PORTS_FIRST);
    tokio::pin!(streams);
    while !ports.is_empty() {
        tokio::select! {
            Some(tried) = ports.next() => match tried {
                Ok(carrier) => return Ok(carrier),
                Err(failed) => note(failed),
            },
            () = &mut streams, if plane.has_streams(wanted) => break,
        }
    }
    if !plane.has_streams(wanted) {
        return Err(last.unwrap_or_else(|| Attempt::Unreachable("there is no way to it".to_owned())));
    }
    let stream = plane.attempt_stream(wanted);
    tokio::pin!(stream);
    let mut is_open = true;
    while is_open || !ports.is_empty() {
        tokio::select! {
            Some(tried) = ports.next() => match tried {
                Ok(carrier) => return Ok(carrier),
                Err(failed) => note(failed),
            },
            tried = &mut stream, if is_open => {
                is_open = false;
                match tried {
                    Ok(carrier) => return Ok(carrier),
                    Err(failed) => note(failed),
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| Attempt::Unreachable("there is no way to it".to_owned())))
}

impl DataPlane {
    /// The way that an address stands for, if this node has it.
    fn way(&self, address: &Multiaddr, wanted: &Wanted) -> Option<Way> {
        let has_quic = self.quic.is_some() && wanted.peer.is_some();
        way(address).filter(|way| matches!(way, Way::Tcp(_)) || has_quic)
    }

    fn has_streams(&self, wanted: &Wanted) -> bool {
        self.network.is_some() && wanted.peer.is_some()
    }

    async fn attempt(&self, way: Way, wanted: &Wanted) -> Result<Carrier, Attempt> {
        let connecting = async {
            match (way, &self.quic, wanted.peer) {
                (Way::Tcp(to), ..) => TcpStream::connect(to).await.map(Carrier::Tcp),
                (Way::Quic(to), Some(quic), Some(peer)) => quic.dial(to, peer).await,
                (Way::Quic(_), ..) => Err(io::ErrorKind::Unsupported.into()),
            }
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        let carrier = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        introduce(carrier.map_err(|error| Attempt::Unreachable(error.to_string()))?, wanted, ANSWER_TIMEOUT).await
    }

    /// CHK-405: the network opens none over a relay unless the operator allows it.
    async fn attempt_stream(&self, wanted: &Wanted) -> Result<Carrier, Attempt> {
        let (Some(network), Some(peer)) = (&self.network, wanted.peer) else {
            return Err(Attempt::Unreachable("there is no stream to it".to_owned()));
        };
        let opened = network.open_lane(peer).await.map_err(|error| match error {
            NetworkError::Relayed { .. } => Attempt::Relayed(error),
            other => Attempt::Unreachable(other.to_string()),
        });
        introduce(opened?.into(), wanted, ANSWER_TIMEOUT).await
    }
}

/// Says what a connection is for, and waits until it is taken, at most so long.
async fn introduce(mut carrier: Carrier, wanted: &Wanted, limit: Duration) -> Result<Carrier, Attempt> {
    let mut answer = [0; 1];
    let taken = async {
        carrier.write_all(&preamble(wanted.route, wanted.lane)).await?;
        carrier.read_exact(&mut answer).await
    };
    // Whatever stands between may take connections for a peer and never answer: the other ways are tried again then.
    match tokio::time::timeout(limit, taken).await {
        Ok(Ok(())) if answer == [TAKEN] => Ok(carrier),
        Ok(Ok(()) | Err(_)) | Err(_) => Err(Attempt::NotTaken),
    }
}

/// The way that `/ip4/../tcp/..`, `/ip6/../tcp/..` or one of them with `udp/../quic-v1` stands for.
fn way(address: &Multiaddr) -> Option<Way> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match (parts.next()?, parts.next(), parts.next()) {
        (Protocol::Tcp(port), None, None) => Some(Way::Tcp(SocketAddr::new(ip, port))),
        (Protocol::Udp(port), Some(Protocol::QuicV1), None) => Some(Way::Quic(SocketAddr::new(ip, port))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_that_nobody_answers_is_given_up() {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let stream = TcpStream::connect(silent.local_addr().expect("a socket")).await.expect("it listens");
        let deadline = Instant::now() + Duration::from_secs(3_600);
        let wanted = Wanted { peer: None, route: Route([7; 32]), lane: 0, deadline };
        let tried = introduce(Carrier::Tcp(stream), &wanted, Duration::from_millis(10)).await;
        assert!(matches!(tried, Err(Attempt::NotTaken)));
    }
}
