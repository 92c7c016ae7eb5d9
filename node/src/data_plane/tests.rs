//! Lanes over real sockets on this machine.

use std::io::{Read, Write};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);
const ROUTE: Route = Route([7; 32]);
const LOCAL: AddressPolicy = AddressPolicy { allow_local: true };

async fn start(limits: DataPlaneLimits) -> DataPlane {
    let any = "127.0.0.1:0".parse().expect("an address");
    DataPlane::start(any, limits, LOCAL).await.expect("a free port")
}

fn short() -> DataPlaneLimits {
    DataPlaneLimits { preamble_timeout: Duration::from_millis(100), ..DataPlaneLimits::default() }
}

fn patient() -> Instant {
    Instant::now() + PATIENCE
}

fn address_of(plane: &DataPlane) -> Vec<String> {
    vec![format!("/ip4/127.0.0.1/tcp/{}", plane.local_address().port())]
}

/// Waits until the other side has closed a connection, and tells what it sent before.
async fn closed(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is a close, too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("closed in time");
    bytes
}

async fn say(plane: &DataPlane, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(plane.local_address()).await.expect("it listens");
    stream.write_all(bytes).await.expect("room for a few bytes");
    stream
}

#[tokio::test]
async fn a_lane_connects_whichever_side_is_first_and_carries_bytes_both_ways() {
    let (zero, one) = (start(DataPlaneLimits::default()).await, start(DataPlaneLimits::default()).await);
    for (lane, dialler_first) in [(0, true), (1, false)] {
        let addresses = address_of(&zero);
        let dialling = one.dial(&addresses, ROUTE, lane, patient());
        let accepting = zero.accept(ROUTE, lane, patient());
        let (dialled, accepted) = if dialler_first {
            tokio::join!(dialling, accepting)
        } else {
            let (accepted, dialled) = tokio::join!(accepting, dialling);
            (dialled, accepted)
        };
        let (mut dialled, mut accepted) = (dialled.expect("dialled"), accepted.expect("accepted"));
        assert!(dialled.stream.nodelay().expect("a socket") && accepted.stream.nodelay().expect("a socket"));
        let mut bytes = [0; 4];
        dialled.stream.write_all(b"ping").expect("open");
        accepted.stream.read_exact(&mut bytes).expect("open");
        accepted.stream.write_all(&bytes).expect("open");
        dialled.stream.read_exact(&mut bytes).expect("open");
        assert_eq!(&bytes, b"ping");
    }
    assert_eq!((zero.lanes(), one.lanes()), (0, 0), "leases were dropped");
}

#[tokio::test]
async fn chk_402_a_lane_has_one_session() {
    let (zero, one) = (start(short()).await, start(short()).await);
    let addresses = address_of(&zero);
    let (dialled, accepted) = tokio::join!(one.dial(&addresses, ROUTE, 0, patient()), zero.accept(ROUTE, 0, patient()));
    let (dialled, accepted) = (dialled.expect("dialled"), accepted.expect("accepted"));
    let second = zero.accept(ROUTE, 0, patient()).await.expect_err("it has a session");
    assert_eq!(second.code().as_str(), "CHANNEL_DUPLICATE");
    let second = one.dial(&addresses, ROUTE, 0, patient()).await.expect_err("it has a session");
    assert_eq!(second.code().as_str(), "CHANNEL_DUPLICATE");
    // Somebody else who knows the route is closed, and the session goes on.
    assert!(closed(say(&zero, &listener::preamble(ROUTE, 0)).await).await.is_empty());
    (&dialled.stream).write_all(b"x").expect("still open");
    (&accepted.stream).read_exact(&mut [0]).expect("still open");
    drop((dialled, accepted));
    let (dialled, accepted) = tokio::join!(one.dial(&addresses, ROUTE, 0, patient()), zero.accept(ROUTE, 0, patient()));
    assert!(dialled.is_ok() && accepted.is_ok(), "the lane is free again");
}

#[tokio::test]
async fn chk_402_unknown_silent_and_foreign_connections_are_closed_without_an_answer() {
    let plane = start(short()).await;
    let unknown = listener::preamble(Route([8; 32]), 0);
    let mut old = unknown;
    old[8] = 0;
    for bytes in [&unknown[..], b"", &unknown[..20], b"GET / HTTP/1.1\r\n\r\nHost: somewhere.example\r\n", &old] {
        assert!(closed(say(&plane, bytes).await).await.is_empty(), "{bytes:?}");
    }
}

#[tokio::test]
async fn the_dialler_waits_until_the_peer_is_ready() {
    let (zero, one) = (start(short()).await, start(short()).await);
    let addresses = address_of(&zero);
    let dialling = tokio::spawn({
        let one = one.clone();
        async move { one.dial(&addresses, ROUTE, 3, patient()).await }
    });
    // At least one connection comes for nothing and is closed.
    assert!(closed(say(&zero, &listener::preamble(ROUTE, 3)).await).await.is_empty());
    zero.accept(ROUTE, 3, patient()).await.expect("accepted");
    dialling.await.expect("no panic").expect("dialled");
}

#[tokio::test]
async fn both_sides_give_up_at_their_deadline() {
    let (zero, one) = (start(short()).await, start(short()).await);
    let soon = || Instant::now() + Duration::from_millis(300);
    let error = zero.accept(ROUTE, 0, soon()).await.expect_err("nobody dials");
    assert_eq!(error.code().as_str(), "PEER_TIMEOUT");
    let error = one.dial(&address_of(&zero), ROUTE, 0, soon()).await.expect_err("nobody waits");
    assert_eq!(error.code().as_str(), "CHANNEL_UNKNOWN");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a socket").port();
    let error = one.dial(&[format!("/ip4/127.0.0.1/tcp/{nobody}")], ROUTE, 0, soon()).await.expect_err("closed port");
    assert_eq!(error.code().as_str(), "PEER_UNREACHABLE");
    assert_eq!((zero.lanes(), one.lanes()), (0, 0));
}

#[tokio::test]
async fn chk_109_an_inward_address_is_not_dialled() {
    let zero = start(short()).await;
    let any = "127.0.0.1:0".parse().expect("an address");
    let one = DataPlane::start(any, short(), AddressPolicy::default()).await.expect("a free port");
    let error = one.dial(&address_of(&zero), ROUTE, 0, patient()).await.expect_err("loopback");
    assert!(matches!(error, DataPlaneError::NoAddress));
    let error = one.dial(&["nonsense".to_owned()], ROUTE, 0, patient()).await.expect_err("no address");
    assert_eq!(error.code().as_str(), "PEER_UNREACHABLE");
}

#[tokio::test]
async fn a_flood_of_silent_connections_is_bounded_and_passes() {
    let limits = DataPlaneLimits { pending_per_source: 4, ..short() };
    let (zero, one) = (start(limits).await, start(limits).await);
    let mut flood = Vec::new();
    for _ in 0..200 {
        flood.push(say(&zero, b"").await);
    }
    // All are closed, most at once, some at their deadline.
    for stream in flood {
        assert!(closed(stream).await.is_empty());
    }
    let addresses = address_of(&zero);
    let (dialled, accepted) = tokio::join!(one.dial(&addresses, ROUTE, 0, patient()), zero.accept(ROUTE, 0, patient()));
    assert!(dialled.is_ok() && accepted.is_ok());
}

#[tokio::test]
async fn a_dialler_that_left_does_not_take_the_lane() {
    let (zero, one) = (start(DataPlaneLimits::default()).await, start(DataPlaneLimits::default()).await);
    drop(say(&zero, &listener::preamble(ROUTE, 0)).await);
    let addresses = address_of(&zero);
    let (dialled, accepted) = tokio::join!(one.dial(&addresses, ROUTE, 0, patient()), zero.accept(ROUTE, 0, patient()));
    let (dialled, accepted) = (dialled.expect("dialled"), accepted.expect("accepted"));
    (&dialled.stream).write_all(b"x").expect("open");
    (&accepted.stream).read_exact(&mut [0]).expect("this dialler, not the one that left");
}

#[test]
fn both_sides_derive_who_listens() {
    assert_eq!(listening_party(true, true), PartyId::ZERO);
    assert_eq!(listening_party(true, false), PartyId::ZERO);
    assert_eq!(listening_party(false, true), PartyId::ONE);
    assert_eq!(listening_party(false, false), PartyId::ZERO, "a stream needs no address");
}

/// Two data planes that take lanes over QUIC, and the identities of their nodes.
async fn with_quic() -> [(DataPlane, PeerId); 2] {
    crate::crypto::install();
    let mut planes = Vec::new();
    for seed in [1, 2] {
        let keypair = Keypair::ed25519_from_bytes([seed; 32]).expect("32 bytes");
        let mut plane = start(DataPlaneLimits::default()).await;
        plane.open_quic(&keypair).expect("a free port");
        planes.push((plane, PeerId::from_libp2p(&keypair.public().to_peer_id()).expect("an Ed25519 key")));
    }
    planes.try_into().unwrap_or_else(|_| panic!("two"))
}

fn quic_address_of(plane: &DataPlane) -> Vec<String> {
    vec![format!("/ip4/127.0.0.1/udp/{}/quic-v1", plane.local_address().port())]
}

#[tokio::test]
async fn a_lane_goes_over_quic_and_what_is_said_last_arrives() {
    let [(zero, zeros), (one, ones)] = with_quic().await;
    let addresses = quic_address_of(&zero);
    let dialling = one.connect(false, zeros, &addresses, ROUTE, 0, patient());
    let (dialled, accepted) = tokio::join!(dialling, zero.connect(true, ones, &[], ROUTE, 0, patient()));
    let (dialled, mut accepted) = (dialled.expect("dialled"), accepted.expect("accepted"));
    assert_eq!([dialled.path, accepted.path], [LanePath::Quic; 2]);
    let ended = tokio::task::spawn_blocking(move || {
        let mut stream = dialled.stream;
        stream.write_all(&vec![7; 3_000_000]).expect("open");
        // As the engine does at its end.
        stream.shutdown(std::net::Shutdown::Both).expect("open");
    });
    let read = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        accepted.stream.read_to_end(&mut all).expect("an end, no error");
        all.len()
    });
    assert_eq!(read.await.expect("no panic"), 3_000_000);
    ended.await.expect("no panic");
}

#[tokio::test]
async fn a_lane_over_quic_reaches_the_node_that_was_meant_or_none() {
    let [(zero, _), (one, ones)] = with_quic().await;
    // It dials zero and means one.
    let soon = Instant::now() + Duration::from_millis(500);
    let error = one.connect(false, ones, &quic_address_of(&zero), ROUTE, 0, soon).await.expect_err("another node");
    assert_eq!(error.code().as_str(), "PEER_UNREACHABLE");
}

#[tokio::test]
async fn where_tcp_finds_nobody_quic_serves() {
    let [(zero, zeros), (one, ones)] = with_quic().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a socket").port();
    let mut addresses = vec![format!("/ip4/127.0.0.1/tcp/{nobody}")];
    addresses.extend(quic_address_of(&zero));
    let dialling = one.connect(false, zeros, &addresses, ROUTE, 0, patient());
    let (dialled, accepted) = tokio::join!(dialling, zero.connect(true, ones, &[], ROUTE, 0, patient()));
    assert_eq!([dialled.expect("dialled").path, accepted.expect("accepted").path], [LanePath::Quic; 2]);
}

#[tokio::test]
async fn chk_402_a_connection_over_quic_without_a_session_holds_a_preamble_and_no_more() {
    let [(zero, zeros), (one, _)] = with_quic().await;
    let quic = one.quic.as_ref().expect("it has QUIC");
    let Carrier::Quic(mut lane) = quic.dial(zero.local_address(), zeros).await.expect("it listens") else {
        panic!("a lane over QUIC")
    };
    let sent = lane.send.write(&[0; 64 << 10]).await.expect("open");
    assert!(sent <= 1 << 10, "{sent} bytes may be under way");
}

#[tokio::test]
async fn a_stop_waits_for_every_task() {
    let [(zero, zeros), (one, ones)] = with_quic().await;
    let addresses = quic_address_of(&zero);
    let dialling = one.connect(false, zeros, &addresses, ROUTE, 0, patient());
    let (dialled, accepted) = tokio::join!(dialling, zero.connect(true, ones, &[], ROUTE, 0, patient()));
    drop((dialled.expect("dialled"), accepted.expect("accepted")));
    tokio::join!(zero.stop(), one.stop());
    assert!(zero.tasks.is_empty() && one.tasks.is_empty());
}
