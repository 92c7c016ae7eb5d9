//! The dialling side.

use std::{io, net::SocketAddr, time::Duration};

use libp2p::{Multiaddr, multiaddr::Protocol};
use tacit_protocol::address::MAX_ADDRESSES;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{
    DataPlaneError, Lane, Route,
    listener::{TAKEN, preamble},
};
use crate::network::{AddressPolicy, resolve};

/// The wait between attempts: short, as a peer that is not ready holds the connection for some seconds itself.
const RETRY: Duration = Duration::from_millis(200);
/// How long one address may take to connect, so that a dead one does not use up the time of the others.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why one attempt failed.
enum Attempt {
    Unreachable(io::Error),
    NotTaken,
}

/// Connects to one of the addresses and has the lane taken, until `deadline`.
pub(super) async fn connect(
    addresses: &[String],
    policy: AddressPolicy,
    route: Route,
    lane: Lane,
    deadline: Instant,
) -> Result<TcpStream, DataPlaneError> {
    let addresses: Vec<Multiaddr> = addresses.iter().take(MAX_ADDRESSES).filter_map(|text| text.parse().ok()).collect();
    let late = |last: Option<Attempt>| match last {
        Some(Attempt::NotTaken) => DataPlaneError::Unknown { lane },
        Some(Attempt::Unreachable(error)) => DataPlaneError::Unreachable { lane, reason: error.to_string() },
        None => DataPlaneError::Unreachable { lane, reason: "no answer in time".to_owned() },
    };
    let mut last = None;
    loop {
        let Ok(resolved) = timeout_at(deadline, resolve(addresses.clone(), policy)).await else {
            return Err(late(last));
        };
        let sockets: Vec<SocketAddr> = resolved.iter().filter_map(socket_address).collect();
        if sockets.is_empty() {
            return Err(DataPlaneError::NoAddress);
        }
        for socket in sockets {
            match timeout_at(deadline, attempt(socket, route, lane)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(failed)) => last = Some(failed),
                Err(_) => return Err(late(last)),
            }
        }
        let again = Instant::now() + RETRY;
        if again >= deadline {
            return Err(late(last));
        }
        tokio::time::sleep_until(again).await;
    }
}

async fn attempt(to: SocketAddr, route: Route, lane: Lane) -> Result<TcpStream, Attempt> {
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(to));
    let connected = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let mut stream = connected.map_err(Attempt::Unreachable)?;
    let mut answer = [0; 1];
    let taken = async {
        stream.write_all(&preamble(route, lane)).await?;
        stream.read_exact(&mut answer).await
    };
    match taken.await {
        Ok(_) if answer == [TAKEN] => Ok(stream),
        Ok(_) | Err(_) => Err(Attempt::NotTaken),
    }
}

/// The socket of `/ip4/../tcp/..` or `/ip6/../tcp/..`.
fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match (parts.next()?, parts.next()) {
        (Protocol::Tcp(port), None) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}
