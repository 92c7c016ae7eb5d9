//! Whole networks in one process: over memory, TCP and QUIC, against honest peers and against raw ones that are not.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, StreamProtocol, Swarm,
    request_response::{self, ProtocolSupport},
    swarm::SwarmEvent,
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use tokio::{sync::mpsc, time::timeout};

use super::*;

mod relays;

/// The longest that any test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Over {
    Memory,
    Tcp,
    Quic,
}

impl Over {
    fn transport(self, key: &Keypair) -> NodeTransport {
        crate::crypto::install();
        match self {
            Self::Memory => transport::memory(key),
            Self::Tcp | Self::Quic => transport::tcp_and_quic(key),
        }
        .expect("a transport")
    }

    fn any_address(self) -> Multiaddr {
        static MEMORY: AtomicU64 = AtomicU64::new(1_000);
        match self {
            Self::Memory => format!("/memory/{}", MEMORY.fetch_add(1, Ordering::Relaxed)),
            Self::Tcp => "/ip4/127.0.0.1/tcp/0".to_owned(),
            Self::Quic => "/ip4/127.0.0.1/udp/0/quic-v1".to_owned(),
        }
        .parse()
        .expect("a multiaddress")
    }
}

/// Says who it is and accepts whatever it does not have to refuse.
struct Words {
    says: &'static str,
    refuses: Option<(&'static str, &'static str)>,
}

impl Greeter for Words {
    fn greeting(&self, _: PeerId) -> Vec<u8> {
        self.says.as_bytes().to_vec()
    }

    fn check(&self, _: PeerId, greeting: &[u8]) -> Result<Nonce, Code> {
        match self.refuses {
            Some((word, code)) if greeting == word.as_bytes() => Err(Code::new(code)),
            _ => Ok(Nonce::from_bytes([1; 16])),
        }
    }
}

const POLITE: Words = Words { says: "hello", refuses: None };

fn key(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).expect("32 bytes")
}

fn peer(seed: u8) -> PeerId {
    PeerId::from_libp2p(&key(seed).public().to_peer_id()).expect("an Ed25519 key")
}

fn config() -> NetworkConfig {
    NetworkConfig {
        addresses: AddressPolicy { allow_local: true },
        redial: Redial { first: Duration::from_millis(20), longest: Duration::from_millis(50) },
        ..NetworkConfig::default()
    }
}

fn start_with(over: Over, seed: u8, config: NetworkConfig, words: Words) -> Network {
    let jitter = Box::new(ChaCha8Rng::seed_from_u64(seed.into()));
    spawn(&key(seed), over.transport(&key(seed)), config, Arc::new(words), jitter).expect("a network")
}

fn start(over: Over, seed: u8) -> Network {
    start_with(over, seed, config(), POLITE)
}

/// Listens, and tells where.
async fn listen(network: &Network, address: Multiaddr) -> Multiaddr {
    network.handle.listen(address).await.expect("a free address");
    network.handle.listen_addresses().borrow().first().cloned().expect("an address")
}

/// Two networks whose nodes have admitted each other; the first dials.
async fn pair(over: Over) -> (Network, Network) {
    let (one, two) = (start(over, 1), start(over, 2));
    introduce(&one, &two, over).await;
    (one, two)
}

async fn introduce(one: &Network, two: &Network, over: Over) {
    let address = listen(two, over.any_address()).await;
    two.handle.admit(one.handle.local_peer(), vec![]).await.expect("it runs");
    one.handle.admit(two.handle.local_peer(), vec![address]).await.expect("it runs");
}

/// Answers every request with the same bytes.
fn echo(mut requests: mpsc::Receiver<InboundRequest>) {
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            let bytes = request.bytes.clone();
            request.responder.answer(bytes);
        }
    });
}

async fn connected(handle: &NetworkHandle, to: PeerId) {
    let mut peers = handle.connected();
    timeout(PATIENCE, peers.wait_for(|peers| peers.contains(&to))).await.expect("in time").expect("it runs");
}

async fn lost(handle: &NetworkHandle, to: PeerId) {
    let mut peers = handle.connected();
    timeout(PATIENCE, peers.wait_for(|peers| !peers.contains(&to))).await.expect("in time").expect("it runs");
}

/// Waits until a condition on the counts of connections holds, or fails.
async fn counted(handle: &NetworkHandle, mut is_so: impl FnMut(ConnectionCounts) -> bool) {
    let holds = async {
        while !is_so(handle.counts().await.expect("it runs")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, holds).await.expect("in time");
}

#[tokio::test]
async fn paired_peers_answer_each_other_over_every_transport() {
    for over in [Over::Memory, Over::Tcp, Over::Quic] {
        let (one, two) = pair(over).await;
        let (peer_one, peer_two) = (one.handle.local_peer(), two.handle.local_peer());
        echo(two.requests);
        echo(one.requests);
        let large = vec![7; MAX_MESSAGE_BYTES];
        let answer = one.handle.request(peer_two, "propose", large.clone(), PATIENCE).await;
        assert_eq!(answer, Ok(large), "{over:?}");
        // The one that was dialled asks over the same connection: it knows no address.
        connected(&two.handle, peer_one).await;
        let answer = two.handle.request(peer_one, "propose", b"and back".to_vec(), PATIENCE).await;
        assert_eq!(answer, Ok(b"and back".to_vec()), "{over:?}");
    }
}

#[tokio::test]
async fn three_nodes_keep_their_sessions_apart() {
    let (one, two, three) = (start(Over::Memory, 1), start(Over::Memory, 2), start(Over::Memory, 3));
    introduce(&one, &two, Over::Memory).await;
    introduce(&three, &two, Over::Memory).await;
    connected(&two.handle, peer(1)).await;
    connected(&two.handle, peer(3)).await;
    let mut requests = two.requests;
    let ask = async |network: &Network, word: &str| {
        network.handle.request(peer(2), "propose", word.as_bytes().to_vec(), PATIENCE).await
    };
    let serve = async {
        for _ in 0..2 {
            let request = requests.recv().await.expect("a request");
            let expected: &[u8] = if request.peer == peer(1) { b"from one" } else { b"from three" };
            assert_eq!((request.protocol, request.bytes.as_slice()), (Protocol::Negotiate, expected));
            request.responder.answer(expected.to_vec());
        }
    };
    let (_, from_one, from_three) = tokio::join!(serve, ask(&one, "from one"), ask(&three, "from three"));
    assert_eq!(from_one, Ok(b"from one".to_vec()));
    assert_eq!(from_three, Ok(b"from three".to_vec()));
    let stranger = one.handle.request(peer(3), "propose", vec![], PATIENCE).await;
    assert_eq!(stranger.map_err(|error| error.code()), Err(Code::new("PEER_UNKNOWN")));
}

#[tokio::test]
async fn chk_110_a_stranger_may_pair_and_nothing_else() {
    let (one, two) = (start(Over::Memory, 1), start(Over::Memory, 2));
    let address = listen(&two, Over::Memory.any_address()).await;
    echo(two.requests);
    let paired = one.handle.pair_request(peer(2), vec![address.clone()], b"ticket".to_vec(), PATIENCE).await;
    assert_eq!(paired, Ok(b"ticket".to_vec()));
    // One side believes that they are paired, the other does not: the protocol is not there.
    one.handle.disconnect(peer(2)).await.expect("it runs");
    one.handle.admit(peer(2), vec![address]).await.expect("it runs");
    let refused = one.handle.request(peer(2), "propose", b"terms".to_vec(), PATIENCE).await;
    let error = refused.expect_err("a stranger");
    assert!(["PEER_UNKNOWN", "PEER_UNREACHABLE"].contains(&error.code().as_str()), "{error}");
    assert!(two.handle.connected().borrow().is_empty());
}

#[tokio::test]
async fn chk_110_a_stranger_that_stays_is_closed() {
    let config = NetworkConfig { stranger_timeout: Duration::from_millis(50), ..config() };
    let network = start_with(Over::Memory, 2, config, POLITE);
    let address = listen(&network, Over::Memory.any_address()).await;
    let mut raw = Raw::connect(9, Raw::NEGOTIATE, address).await;
    raw.closed().await;
    assert_eq!(network.handle.counts().await.expect("it runs").strangers, 0);
}

#[tokio::test]
async fn a_stranger_that_sends_garbage_is_closed_and_leaves_nothing() {
    let mut network = start(Over::Memory, 2);
    let address = listen(&network, Over::Memory.any_address()).await;
    for garbage in [&b"\xff\xff\xff\xff\xff\xff"[..], b"\x02\x00\x00\x00\x07\x00", b"\x00"] {
        let mut raw = Raw::connect(9, Raw::PAIR, address.clone()).await;
        raw.send(peer(2), garbage);
        raw.closed().await;
    }
    // The members' protocol is not negotiated with it.
    let mut raw = Raw::connect(9, Raw::NEGOTIATE, address).await;
    raw.send(peer(2), b"\x02\x00\x00\x00\x01\x00");
    assert_eq!(raw.answer().await, Err("unsupported".to_owned()));
    drop(raw);
    counted(&network.handle, |counts| counts.established == 0).await;
    assert!(network.requests.try_recv().is_err());
}

#[tokio::test]
async fn chk_110_a_paired_peer_that_does_not_greet_is_closed() {
    let config = NetworkConfig { hello_timeout: Duration::from_millis(50), ..config() };
    let network = start_with(Over::Memory, 2, config, POLITE);
    let address = listen(&network, Over::Memory.any_address()).await;
    network.handle.admit(peer(9), vec![]).await.expect("it runs");
    let mut raw = Raw::connect(9, Raw::NEGOTIATE, address).await;
    raw.closed().await;
}

#[tokio::test]
async fn chk_110_a_request_before_the_greeting_is_refused_and_the_peer_closed() {
    let mut network = start(Over::Memory, 2);
    let address = listen(&network, Over::Memory.any_address()).await;
    network.handle.admit(peer(9), vec![]).await.expect("it runs");
    let mut raw = Raw::connect(9, Raw::NEGOTIATE, address).await;
    raw.send(peer(2), b"\x02\x00\x00\x00\x01x");
    assert_eq!(raw.answer().await, Ok(b"\x0f\x00\x00\x00\x01HELLO_REQUIRED".to_vec()));
    raw.closed().await;
    assert!(network.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_paired_peer_that_breaks_frames_is_closed_after_three() {
    let mut network = start(Over::Memory, 2);
    let address = listen(&network, Over::Memory.any_address()).await;
    network.handle.admit(peer(9), vec![]).await.expect("it runs");
    let mut raw = Raw::connect(9, Raw::NEGOTIATE, address).await;
    raw.send(peer(2), b"\x02\x00\x00\x00\x00h");
    assert_eq!(raw.answer().await, Ok(b"\x06\x00\x00\x00\x00hello".to_vec()));
    // Over the limit by one; a greeting of 5,000 bytes; an unknown kind.
    let oversize = [&(MAX_MESSAGE_BYTES as u32 + 2).to_le_bytes()[..], &[1], &vec![0; MAX_MESSAGE_BYTES + 1]].concat();
    let long_hello = [&5_001_u32.to_le_bytes()[..], &[0], &[0; 5_000]].concat();
    for broken in [&oversize, &long_hello, &b"\x01\x00\x00\x00\x09".to_vec()] {
        raw.send(peer(2), broken);
    }
    raw.closed().await;
    assert!(network.requests.try_recv().is_err());
}

#[tokio::test]
async fn chk_112_a_refused_greeting_is_told_to_both_sides() {
    let old = Words { says: "hello from 2019", refuses: None };
    let strict = Words { says: "hello", refuses: Some(("hello from 2019", "HELLO_VERSION")) };
    let one = start_with(Over::Memory, 1, config(), old);
    let two = start_with(Over::Memory, 2, config(), strict);
    introduce(&one, &two, Over::Memory).await;
    let error = one.handle.request(peer(2), "propose", vec![1], PATIENCE).await.expect_err("an old version");
    assert_eq!(error.code().as_str(), "HELLO_VERSION");
    assert!(error.to_string().contains(&peer(2).to_string()), "{error}");
    assert!(two.handle.connected().borrow().is_empty());
}

#[tokio::test]
async fn a_silent_peer_is_named_with_the_step() {
    let (one, two) = pair(Over::Memory).await;
    connected(&one.handle, peer(2)).await;
    let asked = one.handle.request(peer(2), "sign", vec![1], Duration::from_millis(50)).await;
    assert_eq!(asked, Err(NetworkError::Timeout { peer: peer(2), step: "sign" }));
    drop(two);
}

#[tokio::test]
async fn a_request_that_the_node_drops_is_refused_by_name() {
    let (one, mut two) = pair(Over::Memory).await;
    let asking = one.handle.request(peer(2), "sign", vec![1], PATIENCE);
    let dropping = async { drop(two.requests.recv().await) };
    let (answer, ()) = tokio::join!(asking, dropping);
    assert_eq!(answer.expect_err("no answer").code().as_str(), "PEER_NO_ANSWER");
}

#[tokio::test]
async fn chk_114_a_peer_that_asks_too_often_is_refused_and_others_are_not() {
    let slow = NetworkConfig { requests_per_second: 0, request_burst: 3, ..config() };
    let two = start_with(Over::Memory, 2, slow, POLITE);
    let (one, three) = (start(Over::Memory, 1), start(Over::Memory, 3));
    introduce(&one, &two, Over::Memory).await;
    introduce(&three, &two, Over::Memory).await;
    echo(two.requests);
    let mut codes = Vec::new();
    // The greeting was one of the three.
    for _ in 0..3 {
        codes.push(one.handle.request(peer(2), "propose", vec![1], PATIENCE).await.map_err(|e| e.code().to_string()));
    }
    assert_eq!(codes, [Ok(vec![1]), Ok(vec![1]), Err("PEER_RATE".to_owned())]);
    assert_eq!(three.handle.request(peer(2), "propose", vec![3], PATIENCE).await, Ok(vec![3]));
}

#[tokio::test]
async fn chk_114_a_stranger_that_asks_too_often_does_not_keep_others_from_pairing() {
    let slow = NetworkConfig { stranger_requests_per_second: 0, stranger_request_burst: 2, ..config() };
    let two = start_with(Over::Memory, 2, slow, POLITE);
    let address = listen(&two, Over::Memory.any_address()).await;
    echo(two.requests);
    let mut greedy = Raw::connect(9, Raw::PAIR, address.clone()).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        greedy.send(peer(2), b"\x02\x00\x00\x00\x01x");
        answers.push(greedy.answer().await.expect("an answer"));
    }
    let (taken, refused) = (b"\x02\x00\x00\x00\x00x".to_vec(), b"\x0a\x00\x00\x00\x01PEER_RATE".to_vec());
    assert_eq!(answers, [taken.clone(), taken, refused]);
    let one = start(Over::Memory, 1);
    let paired = one.handle.pair_request(peer(2), vec![address], b"ticket".to_vec(), PATIENCE).await;
    assert_eq!(paired, Ok(b"ticket".to_vec()));
}

#[tokio::test]
async fn chk_114_requests_that_the_node_does_not_take_stay_bounded() {
    let narrow = NetworkConfig { request_queue: 2, ..config() };
    let two = start_with(Over::Memory, 2, narrow, POLITE);
    let one = start(Over::Memory, 1);
    introduce(&one, &two, Over::Memory).await;
    connected(&one.handle, peer(2)).await;
    let asks = (0..6).map(|_| one.handle.request(peer(2), "propose", vec![1], Duration::from_secs(1)));
    let codes: Vec<String> = futures::future::join_all(asks)
        .await
        .into_iter()
        .map(|r| r.expect_err("nobody answers").code().to_string())
        .collect();
    assert_eq!(codes.iter().filter(|code| *code == "PEER_RATE").count(), 4, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| *code == "PEER_TIMEOUT").count(), 2, "{codes:?}");
    assert_eq!(two.requests.len(), 2);
}

#[tokio::test]
async fn a_message_over_the_limit_is_not_sent() {
    let (one, _two) = pair(Over::Memory).await;
    let error = one.handle.request(peer(2), "propose", vec![0; MAX_MESSAGE_BYTES + 1], PATIENCE).await;
    assert_eq!(error.expect_err("too big").code().as_str(), "PROPOSAL_TOO_BIG");
}

#[tokio::test]
async fn an_unreachable_peer_is_named() {
    let one = start(Over::Memory, 1);
    one.handle.admit(peer(2), vec!["/memory/99999999".parse().expect("an address")]).await.expect("it runs");
    let error = one.handle.request(peer(2), "propose", vec![1], PATIENCE).await.expect_err("nobody is there");
    assert_eq!(error.code().as_str(), "PEER_UNREACHABLE");
    assert!(error.to_string().starts_with(&format!("propose: peer {}", peer(2))), "{error}");
    let next = tacit_protocol::Failure::from(error);
    assert_eq!(next.step.as_deref(), Some("propose"));
}

#[tokio::test]
async fn chk_109_an_inward_address_is_not_dialled() {
    let public = NetworkConfig { addresses: AddressPolicy::default(), ..config() };
    let one = start_with(Over::Tcp, 1, public, POLITE);
    let two = start(Over::Tcp, 2);
    let address = listen(&two, Over::Tcp.any_address()).await;
    let error = one.handle.pair_request(peer(2), vec![address], vec![1], PATIENCE).await.expect_err("loopback");
    assert_eq!(error.code().as_str(), "PEER_UNREACHABLE");
    assert_eq!(two.handle.counts().await.expect("it runs"), ConnectionCounts::default());
}

#[tokio::test]
async fn a_peer_that_restarts_is_found_again() {
    for over in [Over::Memory, Over::Tcp] {
        let (one, two) = pair(over).await;
        let address = two.handle.listen_addresses().borrow().first().cloned().expect("an address");
        connected(&one.handle, peer(2)).await;
        two.stop().await;
        lost(&one.handle, peer(2)).await;
        let two = start(over, 2);
        listen(&two, address).await;
        two.handle.admit(peer(1), vec![]).await.expect("it runs");
        echo(two.requests);
        connected(&one.handle, peer(2)).await;
        assert_eq!(one.handle.request(peer(2), "status", vec![5], PATIENCE).await, Ok(vec![5]), "{over:?}");
    }
}

#[tokio::test]
async fn chk_115_a_revoked_peer_is_closed_and_denied_even_pairing() {
    let (one, two) = pair(Over::Memory).await;
    let address = two.handle.listen_addresses().borrow().first().cloned().expect("an address");
    connected(&one.handle, peer(2)).await;
    two.handle.revoke(peer(1)).await.expect("it runs");
    lost(&one.handle, peer(2)).await;
    let before = two.handle.counts().await.expect("it runs").denied;
    counted(&two.handle, |counts| counts.denied > before).await;
    let pairing = one.handle.pair_request(peer(2), vec![address], vec![1], PATIENCE).await;
    assert_eq!(pairing.expect_err("denied").code().as_str(), "PEER_UNREACHABLE");
    assert!(two.handle.connected().borrow().is_empty());
}

#[tokio::test]
async fn chk_110_a_flood_of_a_thousand_connections_stays_bounded_and_paired_peers_are_served() {
    let (one, two) = pair(Over::Tcp).await;
    let address = two.handle.listen_addresses().borrow().first().cloned().expect("an address");
    let Some(libp2p::multiaddr::Protocol::Tcp(port)) = address.iter().nth(1) else { panic!("a TCP address") };
    connected(&one.handle, peer(2)).await;
    echo(two.requests);
    let mut flood = Vec::new();
    for i in 0..1_000_u32 {
        let stream = timeout(PATIENCE, tokio::net::TcpStream::connect(("127.0.0.1", port))).await;
        // The oldest are dropped, so that the test stays within the descriptors that it may have.
        flood.push(stream.expect("in time"));
        if flood.len() > 200 {
            drop(flood.drain(..100));
        }
        if i % 100 == 0 {
            let counts = two.handle.counts().await.expect("it runs");
            assert!(counts.half_open <= 8 && counts.strangers == 0, "{counts:?}");
            assert_eq!(one.handle.request(peer(2), "status", vec![5], PATIENCE).await, Ok(vec![5]));
        }
    }
    let counts = two.handle.counts().await.expect("it runs");
    assert!(counts.denied > 0, "{counts:?}");
    drop(flood);
    counted(&two.handle, |counts| counts.half_open == 0).await;
}

#[tokio::test]
async fn chk_110_strangers_with_keys_are_bounded_by_source() {
    let two = start(Over::Tcp, 2);
    let address = listen(&two, Over::Tcp.any_address()).await;
    let mut strangers = Vec::new();
    for seed in 10..14 {
        strangers.push(Raw::connect(seed, Raw::PAIR, address.clone()).await);
    }
    let mut fifth = Raw::connect(14, Raw::PAIR, address).await;
    fifth.closed().await;
    let counts = two.handle.counts().await.expect("it runs");
    assert_eq!((counts.strangers, counts.denied), (4, 1));
}

#[tokio::test]
async fn a_stopped_network_says_so_and_closes() {
    let (one, two) = pair(Over::Memory).await;
    connected(&one.handle, peer(2)).await;
    let handle = two.handle.clone();
    two.stop().await;
    assert_eq!(handle.request(peer(1), "status", vec![], PATIENCE).await, Err(NetworkError::Stopped));
    lost(&one.handle, peer(2)).await;
}

/// A peer of our key type that says whatever it likes.
struct Raw {
    swarm: Swarm<request_response::Behaviour<RawCodec>>,
}

impl Raw {
    const PAIR: &str = "/tacit/pair/1";
    const NEGOTIATE: &str = "/tacit/negotiate/1";

    async fn connect(seed: u8, protocol: &'static str, address: Multiaddr) -> Self {
        let over = if address.to_string().starts_with("/memory") { Over::Memory } else { Over::Tcp };
        let key = key(seed);
        let protocols = [(StreamProtocol::new(protocol), ProtocolSupport::Full)];
        let behaviour =
            request_response::Behaviour::with_codec(RawCodec, protocols, request_response::Config::default());
        let config = libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(PATIENCE);
        let mut swarm = Swarm::new(over.transport(&key).connections, behaviour, key.public().to_peer_id(), config);
        swarm.dial(address).expect("an address");
        let mut raw = Self { swarm };
        let established = async { while !matches!(raw.next().await, SwarmEvent::ConnectionEstablished { .. }) {} };
        timeout(PATIENCE, established).await.expect("in time");
        raw
    }

    async fn next(&mut self) -> SwarmEvent<request_response::Event<Vec<u8>, Vec<u8>>> {
        self.swarm.select_next_some().await
    }

    fn send(&mut self, to: PeerId, bytes: &[u8]) {
        self.swarm.behaviour_mut().send_request(&to.to_libp2p(), bytes.to_vec());
    }

    async fn closed(&mut self) {
        let closed = async { while !matches!(self.next().await, SwarmEvent::ConnectionClosed { .. }) {} };
        timeout(PATIENCE, closed).await.expect("closed in time");
    }

    async fn answer(&mut self) -> Result<Vec<u8>, String> {
        let answered = async {
            loop {
                match self.next().await {
                    SwarmEvent::Behaviour(request_response::Event::Message {
                        message: request_response::Message::Response { response, .. },
                        ..
                    }) => return Ok(response),
                    SwarmEvent::Behaviour(request_response::Event::OutboundFailure { error, .. }) => {
                        return Err(match error {
                            request_response::OutboundFailure::UnsupportedProtocols => "unsupported".to_owned(),
                            other => other.to_string(),
                        });
                    }
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, answered).await.expect("in time")
    }
}

/// Writes and reads bytes as they are.
#[derive(Clone)]
struct RawCodec;

impl request_response::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T>(&mut self, protocol: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        self.read_request(protocol, io).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }

    async fn write_response<T>(&mut self, protocol: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write_request(protocol, io, bytes).await
    }
}
