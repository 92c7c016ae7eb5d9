//! Pairing over real sockets, and each refusal with its code.

use std::collections::BTreeSet;

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tacit_protocol::{
    Digest,
    canonical::Nonce,
    messages::LogHead,
    rotation::Rotation,
    ticket::{ProofSide, RedemptionProof},
};
use tokio::task::JoinHandle;

use super::*;
use crate::{
    clock::ManualClock,
    keys::NodeKey,
    network::{
        self, AddressPolicy, Network, NetworkConfig, Protocol, Redial,
        hello::{HelloBook, NodeGreeter},
        transport,
    },
    store::{MemoryStore, faulty::FaultyStore},
};

const PATIENCE: Duration = Duration::from_secs(30);
const NOW: u64 = 1_800_000_000;

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

fn identity(seed: u8) -> Identity {
    Identity::generate(&mut rng(seed))
}

/// What outlives a node's process.
struct Home {
    seed: u8,
    organisation: &'static str,
    store: Arc<dyn Store>,
    directory: tempfile::TempDir,
}

impl Home {
    fn new(seed: u8, organisation: &'static str) -> Self {
        Self::with_store(seed, organisation, Arc::new(MemoryStore::new()))
    }

    fn with_store(seed: u8, organisation: &'static str, store: Arc<dyn Store>) -> Self {
        Self { seed, organisation, store, directory: tempfile::tempdir().expect("a directory") }
    }

    fn open(&self, clock: &ManualClock) -> Arc<Pairing> {
        let journal = Journal::open(&self.directory.path().join("pairing.journal")).expect("a journal");
        let sealer = NodeKey::generate(&mut rng(self.seed)).sealer("pairing");
        let rng = Box::new(rng(self.seed + 100));
        let pairing = Pairing::open(
            identity(self.seed),
            self.organisation.to_owned(),
            true,
            Arc::new(clock.clone()),
            self.store.clone(),
            journal,
            sealer,
            rng,
        );
        Arc::new(pairing.expect("a book"))
    }

    async fn start(&self, clock: &ManualClock) -> Node {
        Node::start(self, clock).await
    }
}

struct Book(Arc<Pairing>);

impl HelloBook for Book {
    fn organisation_of(&self, peer: &PeerId) -> Option<String> {
        self.0.organisation_of(peer)
    }

    fn own_head(&self, _: &PeerId) -> LogHead {
        LogHead { sequence: 0, digest: Digest::from_bytes([0; 32]) }
    }

    fn check_head(&self, _: &PeerId, _: &LogHead) -> Result<(), Code> {
        Ok(())
    }
}

/// A node that pairs and echoes.
struct Node {
    pairing: Arc<Pairing>,
    handle: NetworkHandle,
    addresses: Vec<String>,
    serving: JoinHandle<()>,
    network: JoinHandle<()>,
}

impl Node {
    async fn start(home: &Home, clock: &ManualClock) -> Self {
        crate::crypto::install();
        let pairing = home.open(clock);
        let key = identity(home.seed).to_libp2p();
        let config = NetworkConfig {
            addresses: AddressPolicy { allow_local: true },
            redial: Redial { first: Duration::from_millis(20), longest: Duration::from_millis(100) },
            ..NetworkConfig::default()
        };
        let epoch = Nonce::from_bytes([home.seed; 16]);
        let book = Arc::new(Book(pairing.clone()));
        let greeter = NodeGreeter::new(home.organisation.to_owned(), epoch, Arc::new(clock.clone()), book);
        let transport = transport::tcp_and_quic(&key).expect("a transport");
        let network: Network =
            network::spawn(&key, transport, config, Arc::new(greeter), Box::new(rng(home.seed))).expect("a network");
        let (handle, mut requests, task) = network.into_parts();
        pairing.restore(&handle).await.expect("it runs");
        handle.listen("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).await.expect("a free port");
        let addresses = handle.listen_addresses().borrow().iter().map(ToString::to_string).collect();
        let serving = tokio::spawn({
            let (pairing, handle) = (pairing.clone(), handle.clone());
            async move {
                while let Some(request) = requests.recv().await {
                    let answer = match request.protocol {
                        Protocol::Pair => pairing.answer(&handle, request.peer, &request.bytes).await,
                        Protocol::Negotiate => Some(request.bytes),
                    };
                    if let Some(answer) = answer {
                        request.responder.answer(answer);
                    }
                }
            }
        });
        Self { pairing, handle, addresses, serving, network: task }
    }

    fn peer(&self) -> PeerId {
        self.handle.local_peer()
    }

    fn invite(&self, auto: bool) -> String {
        self.pairing.invite(self.addresses.clone(), None, auto).expect("a ticket").0
    }

    async fn accept(&self, ticket: &str) -> Result<Peer, String> {
        let accepted = self.pairing.accept(&self.handle, ticket, self.addresses.clone()).await;
        accepted.map_err(|error| error.code().to_string())
    }

    fn state_of(&self, peer: PeerId) -> Option<PeerState> {
        self.pairing.peer(&peer).map(|peer| peer.state)
    }

    async fn connected(&self, to: PeerId) {
        self.until(|peers| peers.contains(&to)).await;
    }

    async fn until(&self, holds: impl FnMut(&BTreeSet<PeerId>) -> bool) {
        let mut peers = self.handle.connected();
        tokio::time::timeout(PATIENCE, peers.wait_for(holds)).await.expect("in time").expect("it runs");
    }

    async fn stop(self) {
        self.handle.stop().await.expect("it runs");
        self.network.await.expect("no panic");
        self.serving.await.expect("no panic");
    }
}

#[tokio::test]
async fn an_auto_ticket_pairs_both_sides_which_then_talk() {
    let clock = ManualClock::at(NOW * 1_000);
    let (maison, banque) = (Home::new(1, "Maison"), Home::new(2, "Banque"));
    let (maison, banque) = (maison.start(&clock).await, banque.start(&clock).await);
    let accepted = banque.accept(&maison.invite(true)).await.expect("paired");
    assert_eq!((accepted.organisation.as_str(), accepted.state), ("Maison", PeerState::Paired));
    assert_eq!(maison.state_of(banque.peer()), Some(PeerState::Paired));
    assert_eq!(maison.pairing.organisation_of(&banque.peer()).as_deref(), Some("Banque"));
    assert_eq!(maison.pairing.words(&banque.peer()), banque.pairing.words(&maison.peer()));
    banque.connected(maison.peer()).await;
    maison.connected(banque.peer()).await;
    let asked = maison.handle.request(banque.peer(), "catalogue", b"what is there".to_vec(), PATIENCE).await;
    assert_eq!(asked, Ok(b"what is there".to_vec()));
}

#[tokio::test]
async fn chk_107_an_ask_ticket_pairs_once_the_operator_confirms() {
    let clock = ManualClock::at(NOW * 1_000);
    let (maison, banque) = (Home::new(1, "Maison"), Home::new(2, "Banque"));
    let (maison, banque) = (maison.start(&clock).await, banque.start(&clock).await);
    let accepted = banque.accept(&maison.invite(false)).await.expect("asked");
    assert_eq!(accepted.state, PeerState::Invited);
    assert_eq!(maison.state_of(banque.peer()), Some(PeerState::Pending));
    let refused = banque.handle.request(maison.peer(), "catalogue", vec![1], PATIENCE).await;
    assert_eq!(refused.expect_err("not paired").code().as_str(), "PEER_UNKNOWN");
    let stop = CancellationToken::new();
    let asking = tokio::spawn({
        let (pairing, handle, stop) = (banque.pairing.clone(), banque.handle.clone(), stop.clone());
        let addresses = banque.addresses.clone();
        async move { pairing.ask_again(&handle, addresses, Duration::from_millis(20), stop).await }
    });
    maison.pairing.confirm(&maison.handle, banque.peer()).await.expect("it is pending");
    banque.connected(maison.peer()).await;
    assert_eq!(banque.state_of(maison.peer()), Some(PeerState::Paired));
    stop.cancel();
    asking.await.expect("no panic");
    assert_eq!(banque.handle.request(maison.peer(), "catalogue", vec![1], PATIENCE).await, Ok(vec![1]));
}

#[tokio::test]
async fn bad_tickets_are_refused_by_name_and_change_nothing() {
    let clock = ManualClock::at(NOW * 1_000);
    let (maison, banque) = (Home::new(1, "Maison"), Home::new(2, "Banque"));
    let (maison, banque) = (maison.start(&clock).await, banque.start(&clock).await);
    let ticket = maison.invite(true);
    // CHK-101: one letter changed.
    let changed = if ticket.ends_with('a') { 'b' } else { 'a' };
    let altered = format!("{}{changed}", &ticket[..ticket.len() - 1]);
    assert_eq!(banque.accept(&altered).await, Err("TICKET_MALFORMED".to_owned()));
    // CHK-105: its own.
    assert_eq!(maison.accept(&ticket).await, Err("TICKET_SELF".to_owned()));
    // CHK-103.
    clock.advance(Duration::from_secs(DEFAULT_LIFE_SECONDS));
    assert_eq!(banque.accept(&ticket).await, Err("TICKET_EXPIRED".to_owned()));
    // CHK-105: one that the issuer does not know, because its store was lost.
    let lost = Home::new(1, "Maison").open(&clock);
    let foreign = lost.invite(maison.addresses.clone(), None, true).expect("a ticket").0;
    assert_eq!(banque.accept(&foreign).await, Err("TICKET_FOREIGN".to_owned()));
    assert!(banque.pairing.peers().is_empty() && maison.pairing.peers().is_empty());
}

#[tokio::test]
async fn chk_104_a_ticket_is_used_once_also_after_a_restart() {
    let clock = ManualClock::at(NOW * 1_000);
    let home = Home::new(1, "Maison");
    let (banque, autre) = (Home::new(2, "Banque"), Home::new(3, "Autre"));
    let (banque, autre) = (banque.start(&clock).await, autre.start(&clock).await);
    let maison = home.start(&clock).await;
    let ticket = maison.invite(true);
    banque.accept(&ticket).await.expect("paired");
    banque.connected(maison.peer()).await;
    // The answer could have been lost, so the same peer may ask again; another may not.
    banque.accept(&ticket).await.expect("still paired");
    assert_eq!(autre.accept(&ticket).await, Err("TICKET_USED".to_owned()));
    assert!(autre.pairing.peers().is_empty(), "nothing is left of the attempt");
    maison.stop().await;
    let maison = home.open(&clock);
    assert_eq!(maison.organisation_of(&banque.peer()).as_deref(), Some("Banque"));
    let (answer, _) = maison.redeem(autre.peer(), &stolen(&ticket, &maison, &autre)).expect("decided");
    assert_eq!(answer, PairAnswer::Refused(Code::new("TICKET_USED")));
}

/// A redemption of a ticket by somebody who holds its text.
fn stolen(ticket: &str, issuer: &Pairing, thief: &Node) -> PairRequest {
    let redeemer = Redeemer { now: NOW, own: &thief.peer(), paired: &[], allow_local: true };
    let ticket = DecodedTicket::parse(ticket).expect("a ticket").check(&redeemer).expect("valid");
    let nonce = Nonce::from_bytes([9; 16]);
    let proof = ticket.key().prove(ProofSide::Redeemer, &issuer.identity.peer(), &thief.peer(), &nonce);
    PairRequest { ticket: ticket.id(), nonce, organisation: "Autre".to_owned(), addresses: vec![], proof }
}

#[tokio::test]
async fn chk_115_a_revoked_peer_stays_out_after_a_restart_and_a_restored_store() {
    let clock = ManualClock::at(NOW * 1_000);
    let home = Home::new(1, "Maison");
    let banque = Home::new(2, "Banque");
    let (maison, banque) = (home.start(&clock).await, banque.start(&clock).await);
    banque.accept(&maison.invite(true)).await.expect("paired");
    banque.connected(maison.peer()).await;
    maison.connected(banque.peer()).await;
    // A copy of the store from before the revocation.
    let old: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let record = maison.pairing.peer(&banque.peer()).expect("known");
    crate::peers::PEERS.put(old.as_ref(), banque.peer().public_key(), &record).expect("memory");
    let second = maison.invite(true);
    maison.pairing.revoke(&maison.handle, banque.peer()).await.expect("known");
    banque.until(BTreeSet::is_empty).await;
    assert_eq!(maison.state_of(banque.peer()), Some(PeerState::Revoked));
    maison.stop().await;
    let restored = Home { store: old, ..home };
    let maison = restored.start(&clock).await;
    assert_eq!(maison.state_of(banque.peer()), Some(PeerState::Revoked));
    assert_eq!(maison.pairing.organisation_of(&banque.peer()), None);
    // Neither its connections nor a further ticket help it.
    assert_eq!(banque.accept(&second).await, Err("PEER_UNREACHABLE".to_owned()));
    let (answer, _) =
        maison.pairing.redeem(banque.peer(), &stolen(&second, &maison.pairing, &banque)).expect("decided");
    assert!(matches!(answer, PairAnswer::Refused(_)));
}

#[tokio::test]
async fn a_full_disk_leaves_a_ticket_unused_and_unanswered() {
    let clock = ManualClock::at(NOW * 1_000);
    let store = Arc::new(FaultyStore::with_room_for(1));
    let (maison, banque) = (Home::with_store(1, "Maison", store.clone()), Home::new(2, "Banque"));
    let (maison, banque) = (maison.start(&clock).await, banque.start(&clock).await);
    let ticket = maison.invite(true);
    assert_eq!(banque.accept(&ticket).await, Err("PEER_NO_ANSWER".to_owned()));
    assert!(maison.pairing.peers().is_empty());
    assert_eq!(banque.state_of(maison.peer()), Some(PeerState::Invited));
    store.free();
    assert_eq!(banque.accept(&ticket).await.map(|peer| peer.state), Ok(PeerState::Paired));
}

/// A book of Maison with one open ticket, and a request that redeems it.
fn book(auto_confirm: bool) -> (PairingBook, PairRequest) {
    let (maison, banque) = (identity(1), identity(2).peer());
    let invitation = Invitation {
        organisation: "Maison".to_owned(),
        addresses: vec!["/ip4/203.0.113.7/tcp/4001".to_owned()],
        issued: NOW,
        expires: NOW + 600,
    };
    let (_, ticket) = invitation.issue(&maison, &mut rng(9)).expect("a ticket");
    let mut book = PairingBook::new(maison.peer(), "Maison".to_owned(), false);
    let nonce = Nonce::from_bytes([7; 16]);
    let proof = ticket.key.prove(ProofSide::Redeemer, &maison.peer(), &banque, &nonce);
    let addresses = vec!["/ip4/203.0.113.9/tcp/4001".to_owned()];
    let request = PairRequest { ticket: ticket.id, nonce, organisation: "Banque".to_owned(), addresses, proof };
    book.issue(Invite { ticket, auto_confirm }, NOW).expect("room");
    (book, request)
}

fn code_of(book: &mut PairingBook, from: PeerId, request: &PairRequest, now: u64) -> String {
    match book.redeem(from, request, now) {
        (PairAnswer::Refused(code), changes) => {
            assert_eq!(changes, [], "a refusal changes nothing");
            code.to_string()
        }
        (PairAnswer::Pending, _) => "pending".to_owned(),
        (PairAnswer::Paired { .. }, _) => "paired".to_owned(),
    }
}

#[test]
fn chk_106_a_proof_is_worth_nothing_to_another_peer_or_with_other_bytes() {
    let (mut book, request) = book(true);
    let (banque, thief) = (identity(2).peer(), identity(3).peer());
    assert_eq!(code_of(&mut book, thief, &request, NOW), "TICKET_FOREIGN");
    let forged = PairRequest { proof: RedemptionProof::from_bytes([0; 32]), ..request.clone() };
    assert_eq!(code_of(&mut book, banque, &forged, NOW), "TICKET_FOREIGN");
    let unknown = PairRequest { ticket: Digest::from_bytes([0; 32]), ..request.clone() };
    assert_eq!(code_of(&mut book, banque, &unknown, NOW), "TICKET_FOREIGN");
    assert_eq!(code_of(&mut book, banque, &request, NOW + 600), "TICKET_EXPIRED");
    assert_eq!(code_of(&mut book, banque, &request, NOW), "paired");
}

#[test]
fn chk_107_only_the_operator_makes_a_pending_peer_a_paired_one() {
    let (mut book, request) = book(false);
    let banque = identity(2).peer();
    assert_eq!(code_of(&mut book, banque, &request, NOW), "pending");
    assert_eq!(code_of(&mut book, banque, &request, NOW + 10_000), "pending", "it may ask after the ticket's end");
    book.confirm(banque, NOW).expect("pending");
    assert_eq!(code_of(&mut book, banque, &request, NOW + 10_000), "paired");
    assert!(matches!(book.confirm(identity(3).peer(), NOW), Err(PairingError::Unknown { .. })));
}

#[test]
fn chk_108_a_name_like_a_known_one_is_refused() {
    let (mut book, request) = book(true);
    let banque = identity(2).peer();
    // Cyrillic letters in the issuer's own name.
    for name in ["M\u{430}ison", "MAISON", "", "a\u{202e}b"] {
        let request = PairRequest { organisation: name.to_owned(), ..request.clone() };
        assert_eq!(code_of(&mut book, banque, &request, NOW), "PEER_NAME", "{name}");
    }
    assert_eq!(code_of(&mut book, banque, &request, NOW), "paired");
    let renamed = PairRequest { organisation: "Banque Centrale".to_owned(), ..request };
    assert_eq!(code_of(&mut book, banque, &renamed, NOW), "TICKET_FOREIGN");
}

#[test]
fn chk_109_inward_addresses_of_a_redeemer_are_not_kept() {
    let (mut book, request) = book(true);
    let banque = identity(2).peer();
    let nonsense = PairRequest { addresses: vec!["nowhere".to_owned()], ..request.clone() };
    assert_eq!(code_of(&mut book, banque, &nonsense, NOW), "TICKET_ADDRESS");
    let many = PairRequest { addresses: vec!["/ip4/203.0.113.9/tcp/1".to_owned(); 9], ..request.clone() };
    assert_eq!(code_of(&mut book, banque, &many, NOW), "TICKET_ADDRESS");
    let outward = request.addresses[0].clone();
    let inward = ["/ip4/127.0.0.1/tcp/22", "/ip4/169.254.169.254/tcp/80", &outward].map(str::to_owned).to_vec();
    let mixed = PairRequest { addresses: inward, ..request };
    assert_eq!(code_of(&mut book, banque, &mixed, NOW), "paired");
    assert_eq!(book.peer(&banque).expect("known").addresses, [outward]);
}

#[test]
fn chk_115_a_revoked_peer_cannot_redeem() {
    let (mut book, request) = book(true);
    let banque = identity(2).peer();
    assert_eq!(code_of(&mut book, banque, &request, NOW), "paired");
    book.revoke(banque, NOW).expect("known");
    assert_eq!(code_of(&mut book, banque, &request, NOW), "PEER_REVOKED");
    assert!(matches!(book.confirm(banque, NOW), Err(PairingError::State { .. })));
}

/// A book in which Banque is paired under the key of seed 2.
fn paired_book() -> PairingBook {
    let mut book = PairingBook::new(identity(1).peer(), "Maison".into(), true);
    let (peer, organisation) = (identity(2).peer(), "Banque".to_owned());
    book.peers.insert(peer, Peer { peer, organisation, addresses: Vec::new(), state: PeerState::Paired, since: NOW });
    book
}

fn renewal(keys: &[u8]) -> RenewRequest {
    let rotation = |pair: &[u8]| Rotation::new("Banque", &identity(pair[0]), &identity(pair[1]), NOW);
    RenewRequest { rotations: keys.windows(2).map(rotation).collect(), addresses: Vec::new() }
}

fn renewed(book: &mut PairingBook, from: u8, keys: &[u8]) -> String {
    match book.renew(identity(from).peer(), &renewal(keys), NOW).0 {
        RenewAnswer::Confirmed => "confirmed".into(),
        RenewAnswer::Pending => "pending".into(),
        RenewAnswer::Refused(code) => code.to_string(),
    }
}

fn state_of(book: &PairingBook, seed: u8) -> Option<&'static str> {
    book.peer(&identity(seed).peer()).map(|peer| peer.state.as_str())
}

#[test]
fn chk_116_a_new_key_is_signed_by_the_paired_one_and_confirmed_by_the_operator() {
    let mut book = paired_book();
    for (from, keys, code) in [
        (4, &[2, 3][..], "PEER_ROTATION"),
        (3, &[], "PEER_ROTATION"),
        (3, &[5, 3], "PEER_ROTATION"),
        (2, &[9, 2], "confirmed"),
        (3, &[2, 3], "pending"),
        (3, &[2, 3], "pending"),
        (4, &[2, 4], "PEER_ROTATION"),
    ] {
        assert_eq!(renewed(&mut book, from, keys), code, "{from} by {keys:?}");
    }
    let mut other = renewal(&[2, 3]);
    other.rotations = vec![Rotation::new("Autre", &identity(2), &identity(3), NOW)];
    assert_eq!(
        paired_book().renew(identity(3).peer(), &other, NOW).0,
        RenewAnswer::Refused(Code::new("PEER_ROTATION"))
    );
    assert_eq!((state_of(&book, 2), state_of(&book, 3)), (Some("paired"), Some("pending")));
    assert_eq!(book.would_follow(&identity(3).peer()), Some(identity(2).peer()));
    // A second rotation before the first is confirmed takes its place.
    assert_eq!(renewed(&mut book, 4, &[2, 3, 4]), "pending");
    assert_eq!((state_of(&book, 3), state_of(&book, 4)), (None, Some("pending")));
    let changes = book.confirm(identity(4).peer(), NOW).expect("confirmed");
    assert!(changes.contains(&Change::Revoked(identity(2).peer())), "{changes:?}");
    assert_eq!((state_of(&book, 2), state_of(&book, 4)), (Some("revoked"), Some("paired")));
    assert_eq!(book.keys_of(&identity(4).peer()), [identity(4).peer(), identity(2).peer()]);
    assert_eq!(renewed(&mut book, 4, &[2, 3, 4]), "confirmed");
    // The old key is worth nothing any more, nor is what it signs now.
    assert_eq!(renewed(&mut book, 2, &[4, 2]), "PEER_REVOKED");
    assert_eq!(renewed(&mut book, 6, &[2, 6]), "PEER_ROTATION");
}

#[test]
fn chk_116_a_revoked_key_takes_along_what_would_follow_it() {
    let mut book = paired_book();
    assert_eq!(renewed(&mut book, 3, &[2, 3]), "pending");
    book.revoke(identity(2).peer(), NOW).expect("revoked");
    assert_eq!((state_of(&book, 2), state_of(&book, 3)), (Some("revoked"), None));
    assert_eq!(renewed(&mut book, 3, &[2, 3]), "PEER_ROTATION");
}

#[test]
fn chk_116_an_organisation_comes_back_with_another_key_and_its_history() {
    let (mut book, request) = book(true);
    let old = identity(7).peer();
    let revoked = |organisation: &str| Peer {
        peer: old,
        organisation: organisation.into(),
        addresses: Vec::new(),
        state: PeerState::Revoked,
        since: NOW,
    };
    book.peers.insert(old, revoked(&request.organisation.to_uppercase()));
    assert_eq!(code_of(&mut book.clone(), identity(2).peer(), &request, NOW), "PEER_NAME", "only its own name");
    book.peers.insert(old, revoked(&request.organisation));
    assert_eq!(code_of(&mut book, identity(2).peer(), &request, NOW), "paired");
    assert_eq!(book.keys_of(&identity(2).peer()), [identity(2).peer(), old]);
}

#[test]
fn an_issuer_that_does_not_know_the_secret_is_not_believed() {
    let (_, request) = book(true);
    let (maison, banque) = (identity(1), identity(2));
    let invitation = Invitation {
        organisation: "Maison".to_owned(),
        addresses: vec!["/ip4/203.0.113.7/tcp/4001".to_owned()],
        issued: NOW,
        expires: NOW + 600,
    };
    let (text, issued) = invitation.issue(&maison, &mut rng(9)).expect("a ticket");
    let redeemer = Redeemer { now: NOW, own: &banque.peer(), paired: &[], allow_local: false };
    let ticket = DecodedTicket::parse(&text).expect("a ticket").check(&redeemer).expect("valid");
    let mut book = PairingBook::new(banque.peer(), "Banque".to_owned(), false);
    let nonce = Nonce::from_bytes([7; 16]);
    let (sent, _) = book.begin(&ticket, request.addresses.clone(), nonce, NOW).expect("room");
    assert_eq!(sent, request, "what the issuer's book above expects");
    let lie = PairAnswer::Paired { organisation: "Maison".to_owned(), proof: sent.proof };
    let (error, changes) = book.answered(maison.peer(), &lie, NOW).expect_err("its own proof, sent back");
    assert_eq!((error.code().as_str(), changes.len()), ("TICKET_FOREIGN", 0));
    let proof = issued.key.prove(ProofSide::Issuer, &maison.peer(), &banque.peer(), &nonce);
    let truth = PairAnswer::Paired { organisation: "Maison".to_owned(), proof };
    book.answered(maison.peer(), &truth, NOW).expect("the issuer");
    assert_eq!(book.peer(&maison.peer()).expect("known").state, PeerState::Paired);
}

#[test]
fn open_tickets_are_bounded_and_dead_ones_make_room() {
    let clock = ManualClock::at(NOW * 1_000);
    let pairing = Home::new(1, "Maison").open(&clock);
    let invite = || pairing.invite(vec!["/ip4/203.0.113.7/tcp/4001".to_owned()], Some(60), false);
    for _ in 0..MAX_OPEN_TICKETS {
        invite().expect("room");
    }
    assert_eq!(invite().expect_err("full").code().as_str(), "PEER_RATE");
    clock.advance(Duration::from_secs(60));
    invite().expect("room again");
}

#[test]
fn a_ticket_may_not_last_longer_than_a_week() {
    let pairing = Home::new(1, "Maison").open(&ManualClock::at(NOW * 1_000));
    let invite = |seconds| pairing.invite(vec!["/ip4/203.0.113.7/tcp/4001".to_owned()], Some(seconds), false);
    assert_eq!(invite(MAX_LIFE_SECONDS).expect("a week").1, NOW + MAX_LIFE_SECONDS);
    assert_eq!(invite(MAX_LIFE_SECONDS + 1).expect_err("more").code().as_str(), "TICKET_EXPIRED");
    assert_eq!(invite(u64::MAX).expect_err("more").code().as_str(), "TICKET_EXPIRED");
}
