//! What carries a lane: a TCP connection, or a stream of QUIC or of the control plane's connection.
//!
//! The engine's threads block on a socket. A lane that is no TCP connection therefore ends in a pair of connected sockets
//! on the loopback interface: the engine holds one end, and a task moves bytes between the other and the stream, with one
//! buffer a direction. What passes there is sealed already, and the ends have compared their ports, so that no other
//! process of this machine sits on one.

use std::{future::Future, io, net::Ipv4Addr, pin::pin, time::Duration};

use futures::FutureExt;
use libp2p::Stream;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

use super::LanePath;
use crate::network::{LaneStream, Meter};

/// A buffer of the task that moves bytes.
const BUFFER: usize = 64 << 10;
/// How long the peer may take to end its direction after the engine here has ended both.
const LINGER: Duration = Duration::from_secs(10);

/// A connection for a lane before it is the engine's.
pub(super) enum Carrier {
    Tcp(TcpStream),
    Quic(QuicLane),
    Stream(Box<StreamLane>),
}

/// A stream of a QUIC connection that is there for it alone.
pub(super) struct QuicLane {
    pub(super) connection: quinn::Connection,
    pub(super) send: quinn::SendStream,
    pub(super) receive: quinn::RecvStream,
}

/// A stream on the control plane's connection.
pub(super) struct StreamLane {
    stream: Compat<Stream>,
    meter: Meter,
}

impl From<LaneStream> for Carrier {
    fn from(lane: LaneStream) -> Self {
        Self::Stream(Box::new(StreamLane { stream: lane.stream.compat(), meter: lane.meter }))
    }
}

impl Carrier {
    pub(super) fn path(&self) -> LanePath {
        match self {
            Self::Tcp(_) => LanePath::Tcp,
            Self::Quic(_) => LanePath::Quic,
            Self::Stream(_) => LanePath::Stream,
        }
    }

    /// Lets the peer send as much as is to be under way: from when its lane has it.
    pub(super) fn open_window(&self) {
        if let Self::Quic(lane) = self {
            lane.connection.set_receive_window(super::quic::WINDOW.into());
        }
    }

    /// Fills `into` with what the other side says first.
    pub(super) async fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.read_exact(into).await.map(drop),
            Self::Quic(lane) => AsyncReadExt::read_exact(&mut lane.receive, into).await.map(drop),
            Self::Stream(lane) => lane.stream.read_exact(into).await.map(drop),
        }
    }

    /// Says something short.
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Quic(lane) => lane.send.write_all(bytes).await.map_err(io::Error::from),
            Self::Stream(lane) => {
                lane.stream.write_all(bytes).await?;
                lane.stream.flush().await
            }
        }
    }

    /// Whether the dialler is still there and has sent nothing, as it must not before it is answered.
    pub(super) fn is_waiting(&mut self) -> bool {
        match self {
            Self::Tcp(stream) => {
                matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            Self::Quic(lane) => lane.connection.close_reason().is_none(),
            Self::Stream(lane) => lane.stream.read(&mut [0; 1]).now_or_never().is_none(),
        }
    }

    /// A socket for the engine, and the work that moves its bytes as long as it lasts; none for one that is the socket.
    pub(super) async fn into_socket(self) -> io::Result<(TcpStream, Option<impl Future<Output = ()> + Send + use<>>)> {
        let foreign = match self {
            Self::Tcp(stream) => return Ok((stream, None)),
            foreign => foreign,
        };
        let (near, far) = pair().await?;
        Ok((near, Some(foreign.pump(far))))
    }

    async fn pump(self, socket: TcpStream) {
        match self {
            Self::Tcp(_) => {}
            Self::Quic(QuicLane { connection, mut send, receive }) => {
                pump(socket, receive, &mut send, &Meter::default()).await;
                // The last bytes arrive before the connection goes.
                drop(timeout(LINGER, send.stopped()).await);
                connection.close(0_u32.into(), b"");
            }
            Self::Stream(lane) => {
                let StreamLane { stream, meter } = *lane;
                let (receive, send) = tokio::io::split(stream);
                pump(socket, receive, send, &meter).await;
            }
        }
    }
}

/// Two sockets that are connected to each other.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    let own = near.local_addr()?;
    loop {
        let (far, from) = listener.accept().await?;
        // Whoever else came is closed.
        if from == own {
            near.set_nodelay(true)?;
            far.set_nodelay(true)?;
            return Ok((near, far));
        }
    }
}

/// Moves bytes both ways until both directions have ended, or one has failed.
async fn pump(socket: TcpStream, receive: impl AsyncRead + Unpin, send: impl AsyncWrite + Unpin, meter: &Meter) {
    let (from_engine, to_engine) = socket.into_split();
    let mut out = pin!(copy(from_engine, send, meter));
    let mut back = pin!(copy(receive, to_engine, meter));
    tokio::select! {
        // The engine ends both directions at once.
        ended = &mut out => if ended.is_ok() {
            drop(timeout(LINGER, back).await);
        },
        ended = &mut back => if ended.is_ok() {
            drop(out.await);
        },
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, meter: &Meter) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..count]).await?;
        to.flush().await?;
        meter.add(count as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_pass_both_ways_and_each_end_is_passed_on() {
        let (mut engine, socket) = pair().await.expect("loopback");
        let (stream, mut peer) = tokio::io::duplex(16);
        let pumped = tokio::spawn(async move {
            let (receive, send) = tokio::io::split(stream);
            let meter = Meter::default();
            pump(socket, receive, send, &meter).await;
            meter
        });
        engine.write_all(b"more than the buffer of the stream").await.expect("open");
        let mut came = [0; 34];
        peer.read_exact(&mut came).await.expect("open");
        assert_eq!(&came, b"more than the buffer of the stream");
        peer.write_all(b"back").await.expect("open");
        engine.read_exact(&mut came[..4]).await.expect("open");
        assert_eq!(&came[..4], b"back");
        drop(peer);
        assert_eq!(engine.read(&mut came).await.expect("an end, no error"), 0);
        drop(engine);
        drop(pumped.await.expect("no panic"));
    }

    #[tokio::test]
    async fn what_the_engine_said_last_arrives_before_the_end() {
        let (mut engine, socket) = pair().await.expect("loopback");
        let (stream, mut peer) = tokio::io::duplex(1 << 20);
        let pumped = tokio::spawn(async move {
            let (receive, send) = tokio::io::split(stream);
            pump(socket, receive, send, &Meter::default()).await;
        });
        engine.write_all(&vec![7; 300_000]).await.expect("open");
        drop(engine);
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.expect("an end, no error");
        assert_eq!(all.len(), 300_000);
        drop(peer);
        pumped.await.expect("no panic");
    }
}
