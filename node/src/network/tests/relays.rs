//! A harbour that relays, and nodes that are reached over it.

use std::collections::BTreeSet;

use tacit_protocol::Failure;

use super::*;

/// Greets, and agrees on relaying with the peers named.
struct Agrees {
    via: BTreeSet<PeerId>,
    serve: BTreeSet<PeerId>,
}

impl Greeter for Agrees {
    fn greeting(&self, to: PeerId) -> Vec<u8> {
        POLITE.greeting(to)
    }

    fn check(&self, from: PeerId, greeting: &[u8]) -> Result<Nonce, Code> {
        POLITE.check(from, greeting)
    }

    fn relaying(&self, peer: PeerId) -> Relaying {
        Relaying { via: self.via.contains(&peer), serve: self.serve.contains(&peer) }
    }
}

const HARBOUR: u8 = 3;

fn node(seed: u8, via: &[u8], serve: &[u8], bulk_over_relay: bool) -> Network {
    let all = |seeds: &[u8]| seeds.iter().map(|seed| peer(*seed)).collect();
    let greeter = Agrees { via: all(via), serve: all(serve) };
    let config = NetworkConfig { bulk_over_relay, ..config() };
    let jitter = Box::new(ChaCha8Rng::seed_from_u64(seed.into()));
    spawn(&key(seed), Over::Memory.transport(&key(seed)), config, Arc::new(greeter), jitter).expect("a network")
}

/// A harbour that serves `served`, with node 2 in it; node 1 is paired with both and knows node 2's place.
async fn met(served: &[u8], bulk: [bool; 2]) -> ([Network; 3], Multiaddr) {
    let harbour = node(HARBOUR, &[], served, false);
    let (one, two) = (node(1, &[], &[], bulk[0]), node(2, &[HARBOUR], &[], bulk[1]));
    introduce(&two, &harbour, Over::Memory).await;
    let mut heard = two.handle.listen_addresses();
    let place = timeout(PATIENCE, heard.wait_for(|addresses| addresses.iter().any(is_relayed)));
    let place = place.await.expect("in time").expect("it runs").iter().find(|at| is_relayed(at)).cloned();
    let place = place.expect("it was waited for");
    let port = harbour.handle.listen_addresses().borrow().first().cloned().expect("it listens");
    harbour.handle.admit(peer(1), vec![]).await.expect("it runs");
    one.handle.admit(peer(HARBOUR), vec![port]).await.expect("it runs");
    connected(&one.handle, peer(HARBOUR)).await;
    two.handle.admit(peer(1), vec![]).await.expect("it runs");
    one.handle.admit(peer(2), vec![place.clone()]).await.expect("it runs");
    ([one, two, harbour], place)
}

#[tokio::test]
async fn peers_meet_over_a_relay_that_serves_both_and_know_that_they_do() {
    let ([one, two, _harbour], _) = met(&[1, 2], [false, false]).await;
    connected(&one.handle, peer(2)).await;
    connected(&two.handle, peer(1)).await;
    for (handle, other) in [(&one.handle, peer(2)), (&two.handle, peer(1))] {
        let path = handle.paths().borrow().get(&other).copied().expect("a path");
        assert_eq!(path.kind, PathKind::Relayed { relay: peer(HARBOUR) });
    }
    echo(two.requests);
    let answer = one.handle.request(peer(2), "propose", b"over the relay".to_vec(), PATIENCE).await;
    assert_eq!(answer, Ok(b"over the relay".to_vec()));
}

#[tokio::test]
async fn chk_405_a_stream_over_a_relay_is_refused_unless_both_ends_allow_it() {
    for bulk in [[false, true], [true, false], [true, true]] {
        let ([one, two, _harbour], _) = met(&[1, 2], bulk).await;
        connected(&one.handle, peer(2)).await;
        connected(&two.handle, peer(1)).await;
        let mut lanes = two.handle.take_lanes().expect("nobody else asked");
        let opened = one.handle.open_lane(peer(2)).await;
        if !bulk[0] {
            let error = opened.expect_err("this end does not allow it");
            assert_eq!(error.code(), Code::new("CHANNEL_RELAY"));
            assert!(Failure::from(error).next.contains("data_announce"));
            continue;
        }
        let mut lane = opened.expect("this end allows it");
        // The other end may have ended the stream before.
        let _ = lane.stream.write_all(b"bulk").await;
        let _ = lane.stream.flush().await;
        let mut came = [0; 4];
        if bulk[1] {
            let mut inbound = timeout(PATIENCE, lanes.recv()).await.expect("in time").expect("a stream");
            assert_eq!(inbound.peer, peer(1));
            inbound.lane.stream.read_exact(&mut came).await.expect("open");
            assert_eq!(&came, b"bulk");
        } else {
            let ended = timeout(PATIENCE, lane.stream.read(&mut came)).await.expect("in time");
            assert!(matches!(ended, Ok(0) | Err(_)), "the other end does not allow it");
            assert!(lanes.try_recv().is_err());
        }
    }
}

#[tokio::test]
async fn a_peer_that_the_relay_does_not_serve_reaches_nobody_over_it() {
    let ([one, two, _harbour], place) = met(&[2], [false, false]).await;
    let error = one.handle.request(peer(2), "propose", vec![], PATIENCE).await.expect_err("not served");
    assert_eq!(error.code(), Code::new("PEER_UNREACHABLE"));
    // Neither does a stranger to the relay, for whom there is not even a dial.
    let four = node(4, &[], &[], false);
    let error = four.handle.pair_request(peer(2), vec![place], vec![], PATIENCE).await.expect_err("a stranger");
    assert_eq!(error.code(), Code::new("PEER_UNREACHABLE"));
    assert!(two.handle.connected().borrow().iter().eq([&peer(HARBOUR)]));
}

#[tokio::test]
async fn a_stream_on_a_direct_connection_carries_bytes_both_ways() {
    let (one, two) = pair(Over::Quic).await;
    connected(&one.handle, peer(2)).await;
    connected(&two.handle, peer(1)).await;
    let mut lanes = two.handle.take_lanes().expect("nobody else asked");
    assert!(two.handle.take_lanes().is_none());
    let mut lane = one.handle.open_lane(peer(2)).await.expect("a direct connection");
    lane.stream.write_all(b"ping").await.expect("open");
    lane.stream.flush().await.expect("open");
    let mut inbound = timeout(PATIENCE, lanes.recv()).await.expect("in time").expect("a stream");
    let mut came = [0; 4];
    inbound.lane.stream.read_exact(&mut came).await.expect("open");
    inbound.lane.stream.write_all(&came).await.expect("open");
    inbound.lane.stream.flush().await.expect("open");
    lane.stream.read_exact(&mut came).await.expect("open");
    assert_eq!(&came, b"ping");
    let stranger = one.handle.open_lane(peer(9)).await.expect_err("not paired");
    assert_eq!(stranger.code(), Code::new("PEER_UNKNOWN"));
}
