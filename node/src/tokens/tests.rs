use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{EncodingKey, Header};
use rand_core::SeedableRng;

use super::*;
use crate::clock::ManualClock;
use crate::keys::NodeKey;
use crate::store::MemoryStore;
use crate::store::faulty::FaultyStore;

const START: u64 = 1_800_000_000;

/// What outlives a restart, and a node's tokens on it.
pub(crate) struct Node {
    name: String,
    dir: tempfile::TempDir,
    clock: ManualClock,
    store: Arc<MemoryStore>,
    log: Arc<Log>,
    key: NodeKey,
}

impl Node {
    fn new() -> Self {
        crate::crypto::install();
        let (dir, clock) = (tempfile::tempdir().expect("a directory"), ManualClock::at(START * 1_000));
        let key = NodeKey::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(9));
        let (store, log) = (Arc::new(MemoryStore::new()), Arc::new(Log::in_memory()));
        Self { name: "node-a".into(), dir, clock, store, log, key }
    }

    fn open(&self) -> Tokens {
        self.with_store(self.store.clone())
    }

    fn with_store(&self, store: Arc<dyn Store>) -> Tokens {
        let parts = Parts {
            store,
            clock: Arc::new(self.clock.clone()),
            log: self.log.clone(),
            sealer: self.key.sealer(records::PURPOSE),
            node: self.name.clone(),
            local_file: self.dir.path().join("api.token"),
        };
        Tokens::open(parts, &self.dir.path().join("tokens.journal")).expect("opens")
    }

    fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn request(role: TokenRole, subject: &str, valid_seconds: Option<u64>) -> TokenRequest {
    TokenRequest { role, subject: subject.into(), valid_seconds }
}

fn operator() -> Caller {
    Caller { token: "0".into(), role: TokenRole::Operator, subject: OPERATOR.into(), expires: u64::MAX }
}

/// A node's tokens, and an analyst who bears one of them.
pub(crate) fn analyst() -> (Node, Arc<Tokens>, Caller) {
    let node = Node::new();
    let tokens = Arc::new(node.open());
    let issued = issue(&tokens, TokenRole::Analyst, "ada");
    let caller = tokens.caller(&issued.token).expect("a good token");
    (node, tokens, caller)
}

fn issue(tokens: &Tokens, role: TokenRole, subject: &str) -> IssuedToken {
    tokens.issue(&request(role, subject, None), &operator()).expect("a token")
}

fn role_of(tokens: &Tokens, token: &str) -> Result<(TokenRole, String), String> {
    tokens.caller(token).map(|caller| (caller.role, caller.subject)).map_err(|failure| failure.code.to_string())
}

fn is_void(tokens: &Tokens, token: &str) -> bool {
    role_of(tokens, token) == Err("TOKEN_INVALID".into())
}

#[test]
fn a_token_says_who_bears_it_and_lives_over_restarts() {
    let node = Node::new();
    let tokens = node.open();
    let issued = issue(&tokens, TokenRole::Analyst, "ada");
    let expected = Ok((TokenRole::Analyst, "ada".to_owned()));
    assert_eq!(role_of(&tokens, &issued.token), expected);
    drop(tokens);
    let again = node.open();
    assert_eq!(role_of(&again, &issued.token), expected);
    assert_eq!(again.list(), std::slice::from_ref(&issued.info));
    let log: String = node.log.entries_after(0, 100).into_iter().map(|entry| entry.body).collect();
    assert!(log.contains("a token was issued") && log.contains("ada"), "{log}");
    let signature = issued.token.rsplit('.').next().expect("a part");
    assert!(!log.contains(signature), "the log holds the token");
    assert!(!format!("{issued:?}").contains(signature), "a token shows in debug output");
}

type Change = fn(&mut Claims);

/// What a good token says, signed by the node's own key with one thing changed.
fn forged(node: &Node, tokens: &Tokens, good: &str, change: impl FnOnce(&mut Claims)) -> String {
    let kid = jwt::kid(good).expect("a key");
    let view = tokens.view();
    let key = view.keys.get(&kid).expect("the key");
    let mut claims = key.verify(good, &node.name).expect("claims");
    change(&mut claims);
    key.sign(&kid, &claims).expect("a token")
}

/// The public half of the node's key for tokens.
fn public_key(node: &Node, kid: &str) -> Vec<u8> {
    let record = KEYS.get(&*node.store, kid.as_bytes()).expect("read").expect("the key");
    let mut seed = node.key.sealer(records::PURPOSE).open(kid.as_bytes(), &record.sealed).expect("opens").to_vec();
    let secret = libp2p::identity::ed25519::SecretKey::try_from_bytes(&mut seed).expect("a seed");
    libp2p::identity::ed25519::Keypair::from(secret).public().to_bytes().to_vec()
}

#[test]
fn chk_901_refuses_a_token_that_differs_from_a_good_one_in_one_thing() {
    let node = Node::new();
    let tokens = node.open();
    let good = issue(&tokens, TokenRole::Analyst, "ada").token;
    assert!(tokens.caller(&forged(&node, &tokens, &good, |_| {})).is_ok(), "nothing was changed");
    let changes: [(&str, Change); 8] = [
        ("iss", |claims| claims.iss = "node-b".into()),
        ("aud", |claims| claims.aud = "node-b".into()),
        ("jti", |claims| claims.jti = "0123456789abcdef".into()),
        ("sub", |claims| claims.sub = "eve".into()),
        ("role", |claims| claims.role = TokenRole::Operator),
        ("longer", |claims| claims.exp += 1),
        ("over", |claims| claims.exp = START),
        ("not yet", |claims| claims.nbf = START + 6),
    ];
    for (what, change) in changes {
        assert!(is_void(&tokens, &forged(&node, &tokens, &good, change)), "{what}");
    }
    let says = |change: Change| tokens.caller(&forged(&node, &tokens, &good, change)).expect_err("a refusal").message;
    assert_eq!(says(changes[6].1), "the token is over");
    assert!(says(changes[7].1).contains("not hold yet"));
}

#[test]
fn chk_901_takes_no_algorithm_from_a_token() {
    let node = Node::new();
    let tokens = node.open();
    let good = issue(&tokens, TokenRole::Operator, "ops").token;
    let kid = jwt::kid(&good).expect("a key");
    let claims = tokens.view().keys.get(&kid).and_then(|key| key.verify(&good, &node.name)).expect("claims");
    let of_secret = |secret: &[u8]| {
        let header = Header { kid: Some(kid.clone()), ..Header::new(jsonwebtoken::Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).expect("a token")
    };
    let public = public_key(&node, &kid);
    let in_base64 = BASE64URL_NOPAD.encode(&public);
    let parts: Vec<&str> = good.split('.').collect();
    let header = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let none = format!("{}.{}.", header(&format!(r#"{{"alg":"none","kid":"{kid}"}}"#)), parts[1]);
    let unnamed = format!("{}.{}.{}", header(r#"{"alg":"EdDSA"}"#), parts[1], parts[2]);
    for token in
        [&of_secret(&public), &of_secret(in_base64.as_bytes()), &none, &unnamed, "", "x.y.z", &"x".repeat(5_000)]
    {
        assert!(is_void(&tokens, token), "{token}");
    }
}

#[test]
fn chk_901_refuses_the_token_of_another_key_and_one_that_is_over() {
    let node = Node::new();
    let tokens = node.open();
    let good = issue(&tokens, TokenRole::Operator, "ops").token;
    let kid = jwt::kid(&good).expect("a key");
    // Everything is right but the key: the same claims under the same name of a key.
    let other = SigningKey::make(&node.key.sealer("other"), START, &mut rand_chacha::ChaCha20Rng::seed_from_u64(1)).1;
    let claims = tokens.view().keys.get(&kid).and_then(|key| key.verify(&good, &node.name)).expect("claims");
    assert!(is_void(&tokens, &other.sign(&kid, &claims).expect("a token")));
    // A good signature under other claims.
    let foreign = issue(&tokens, TokenRole::Operator, "eve").token;
    let parts: Vec<&str> = good.split('.').collect();
    let swapped = format!("{}.{}.{}", parts[0], foreign.split('.').nth(1).expect("claims"), parts[2]);
    assert!(is_void(&tokens, &swapped));
    node.later(OPERATOR_SECONDS - 1);
    assert!(tokens.caller(&good).is_ok());
    node.later(1);
    assert!(is_void(&tokens, &good));
}

/// Waits for the end of a token, which something else brings about meanwhile. An end that wakes nobody takes the whole
/// time until the next look at the clock.
async fn ends_at_once(tokens: &Arc<Tokens>, token: &str, end: impl FnOnce(&Tokens)) {
    let (waiting, token) = (Arc::clone(tokens), token.to_owned());
    let began = tokio::time::Instant::now();
    let void = tokio::spawn(async move { waiting.void(&token).await });
    tokio::task::yield_now().await;
    assert!(!void.is_finished());
    end(tokens);
    void.await.expect("it is void");
    assert!(began.elapsed() < LOOK_EVERY / 2, "nobody was woken");
}

#[tokio::test]
async fn whoever_waits_for_the_end_of_a_token_hears_of_it_at_once() {
    let node = Node::new();
    let tokens = Arc::new(node.open());
    let (ada, bob) = (issue(&tokens, TokenRole::Analyst, "ada"), issue(&tokens, TokenRole::Analyst, "bob"));
    ends_at_once(&tokens, &ada.info.id, |tokens| drop(tokens.revoke(&ada.info.id, &operator()))).await;
    assert_eq!(tokens.still_holds(&ada.info.id).expect_err("a refusal").code.as_str(), "TOKEN_INVALID");
    assert!(tokens.still_holds(&bob.info.id).is_ok());
    ends_at_once(&tokens, &bob.info.id, |tokens| drop(tokens.rotate(0, &operator()))).await;
    let eve = issue(&tokens, TokenRole::Operator, "eve");
    tokens.rotate(3_600, &operator()).expect("a key");
    assert!(tokens.still_holds(&eve.info.id).is_ok());
    node.later(3_600);
    assert_eq!(tokens.void(&eve.info.id).await.code.as_str(), "TOKEN_INVALID");
    assert!(tokens.still_holds(&eve.info.id).is_err() && tokens.still_holds("unknown").is_err());
}

/// The machine slept, or its clock was set: the file has a token that holds at the next look.
#[test]
fn the_local_token_is_renewed_by_the_clock() {
    let node = Node::new();
    let tokens = node.open();
    let local = || std::fs::read_to_string(node.dir.path().join("api.token")).expect("a file").trim().to_owned();
    tokens.renew_local().expect("written");
    let first = local();
    node.later(OPERATOR_SECONDS / 2 - 1);
    tokens.renew_local().expect("looked at");
    assert_eq!(local(), first, "it has half of its life");
    node.later(2);
    tokens.renew_local().expect("written");
    let second = local();
    assert_ne!(second, first);
    node.later(3 * OPERATOR_SECONDS);
    assert!(is_void(&tokens, &second));
    tokens.renew_local().expect("written");
    assert!(tokens.caller(&local()).is_ok());
    tokens.rotate(60, &operator()).expect("a key");
    std::fs::remove_file(node.dir.path().join("api.token")).expect("removed");
    tokens.renew_local().expect("looked at");
    assert!(!node.dir.path().join("api.token").exists(), "the rotation issued one");
}

#[test]
fn a_rotation_that_the_store_refuses_leaves_all_tokens_as_they_were() {
    let node = Node::new();
    // The first key, a token, and no more.
    let store = Arc::new(FaultyStore::with_room_for(2));
    let tokens = node.with_store(store.clone());
    let old = issue(&tokens, TokenRole::Auditor, "eve");
    assert_eq!(tokens.rotate(0, &operator()).expect_err("full").code.as_str(), "STORE_FULL");
    assert!(tokens.caller(&old.token).is_ok());
    store.free();
    let newer = issue(&tokens, TokenRole::Auditor, "eve");
    drop(tokens);
    let again = node.with_store(store);
    assert!(again.caller(&old.token).is_ok() && again.caller(&newer.token).is_ok());
}

#[test]
fn a_rotation_holds_though_the_store_does_not_take_the_ends_of_the_old_keys() {
    let node = Node::new();
    let store = Arc::new(FaultyStore::with_room_for(3));
    let tokens = node.with_store(store.clone());
    let old = issue(&tokens, TokenRole::Auditor, "eve");
    let rotation = tokens.rotate(0, &operator()).expect("a key");
    assert!(is_void(&tokens, &old.token));
    store.free();
    let new = issue(&tokens, TokenRole::Auditor, "eve");
    drop(tokens);
    let again = node.with_store(store);
    assert!(is_void(&again, &old.token) && again.caller(&new.token).is_ok() && new.info.key == rotation.key);
}

/// A token of a key of the node that its register does not have: as after a store that was put back.
#[test]
fn chk_901_a_signature_alone_admits_nobody() {
    let node = Node::new();
    let tokens = node.open();
    let issued = issue(&tokens, TokenRole::Auditor, "eve");
    TOKENS.delete(&*node.store, issued.info.id.as_bytes()).expect("deleted");
    drop(tokens);
    assert!(is_void(&node.open(), &issued.token));
}

#[test]
fn chk_901_a_revoked_token_stays_void_also_on_an_old_copy_of_the_store() {
    let node = Node::new();
    let tokens = node.open();
    let (ada, bob) = (issue(&tokens, TokenRole::Analyst, "ada"), issue(&tokens, TokenRole::Analyst, "bob"));
    let copy = Arc::new(MemoryStore::new());
    for tree in [KEYS.name(), TOKENS.name()] {
        node.store.for_each(tree, b"", &mut |key, value| copy.put(tree, key, value)).expect("copied");
    }
    let revoked = tokens.revoke(&ada.info.id[..6], &operator()).expect("revoked");
    assert_eq!(revoked.revoked, Some(START));
    assert!(is_void(&tokens, &ada.token) && tokens.caller(&bob.token).is_ok());
    assert_eq!(tokens.revoke(&ada.info.id, &operator()).expect("again"), revoked);
    for unknown in ["", "abc", "ffffffffffffffff", "é-é"] {
        assert_eq!(tokens.revoke(unknown, &operator()).expect_err("none").code.as_str(), "TOKEN_UNKNOWN");
    }
    drop(tokens);
    let restored = node.with_store(copy);
    assert!(is_void(&restored, &ada.token) && restored.caller(&bob.token).is_ok());
}

#[test]
fn a_new_key_ends_the_tokens_of_the_old_one_at_once_or_after_a_grace() {
    let node = Node::new();
    let tokens = node.open();
    tokens.issue_local().expect("written");
    let local = || std::fs::read_to_string(node.dir.path().join("api.token")).expect("a file").trim().to_owned();
    let (old, old_local) = (issue(&tokens, TokenRole::Auditor, "eve").token, local());
    let rotation = tokens.rotate(3_600, &operator()).expect("a key");
    assert_eq!(rotation.old_end, START + 3_600);
    let new = issue(&tokens, TokenRole::Auditor, "eve");
    assert!(tokens.caller(&old).is_ok() && new.info.key == rotation.key);
    assert_eq!(tokens.list().iter().map(|info| info.expires).min(), Some(START + 3_600), "it ends with its key");
    node.later(3_600);
    assert!(is_void(&tokens, &old) && is_void(&tokens, &old_local) && tokens.caller(&new.token).is_ok());
    tokens.rotate(0, &operator()).expect("a key");
    assert!(is_void(&tokens, &new.token) && tokens.caller(&local()).is_ok());
    drop(tokens);
    let again = node.open();
    assert!(is_void(&again, &old) && is_void(&again, &new.token));
    let next = issue(&again, TokenRole::Auditor, "eve").token;
    assert!(again.caller(&next).is_ok());
    assert!(is_void(&again, &local()), "the local token ends with its process");
}

/// A crash between the end of the old key and the new one: the old one stays ended, and there is one to sign with.
#[test]
fn a_crash_in_a_rotation_leaves_no_old_key() {
    let node = Node::new();
    let tokens = node.open();
    let old = issue(&tokens, TokenRole::Auditor, "eve");
    drop(tokens);
    let mut journal = Journal::open(&node.dir.path().join("tokens.journal")).expect("opens").journal;
    journal.append(&Note::KeyEnds { key: old.info.key.clone(), at: START }.to_bytes()).expect("written");
    drop(journal);
    let again = node.open();
    assert!(is_void(&again, &old.token));
    let new = issue(&again, TokenRole::Auditor, "eve");
    assert!(again.caller(&new.token).is_ok() && new.info.key != old.info.key);
}

#[test]
fn lives_subjects_and_numbers_of_tokens_are_bounded() {
    let node = Node::new();
    let tokens = node.open();
    let code = |role, subject: &str, seconds| {
        let issued = tokens.issue(&request(role, subject, seconds), &operator());
        issued.map(|issued| issued.info.expires - START).map_err(|failure| failure.code.to_string())
    };
    assert_eq!(code(TokenRole::Operator, "ops", None), Ok(OPERATOR_SECONDS));
    assert_eq!(code(TokenRole::Auditor, "eve", Some(LONGEST_SECONDS)), Ok(LONGEST_SECONDS));
    let refused = Err("USAGE_TOKEN".to_owned());
    assert_eq!(code(TokenRole::Operator, "ops", Some(OPERATOR_SECONDS + 1)), refused);
    assert_eq!(code(TokenRole::Analyst, "ada", Some(LONGEST_SECONDS + 1)), refused);
    assert_eq!(code(TokenRole::Analyst, "ada", Some(0)), refused);
    for subject in ["", "a/b", "a\u{202e}b", "operator", "Operator", &"x".repeat(65)] {
        assert_eq!(code(TokenRole::Analyst, subject, None), refused, "{subject:?}");
    }
    assert_eq!(tokens.rotate(LONGEST_GRACE + 1, &operator()).expect_err("long").code.as_str(), "USAGE_TOKEN");
    for _ in 0..MOST_TOKENS - 2 {
        issue(&tokens, TokenRole::Analyst, "ada");
    }
    assert_eq!(code(TokenRole::Analyst, "ada", None), Err("TOKEN_LIMIT".into()));
    node.later(OPERATOR_SECONDS);
    assert!(code(TokenRole::Analyst, "ada", None).is_ok(), "one was over");
}
