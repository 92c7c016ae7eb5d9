use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{EncodingKey, Header};
use rand_core::SeedableRng;

use super::*;
use crate::clock::ManualClock;
use crate::keys::NodeKey;
use crate::store::MemoryStore;

const START: u64 = 1_800_000_000;

/// What outlives a restart, and a node's tokens on it.
struct Node {
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
        Self { dir, clock, store: Arc::new(MemoryStore::new()), log: Arc::new(Log::in_memory()), key }
    }

    fn open(&self) -> Tokens {
        self.with_store(self.store.clone())
    }

    fn with_store(&self, store: Arc<dyn Store>) -> Tokens {
        let parts = Parts {
            store,
            clock: Arc::new(self.clock.clone()),
            log: self.log.clone(),
            sealer: self.key.sealer("api-key"),
            node: "node-a".into(),
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

#[test]
fn chk_901_refuses_expired_foreign_and_unsigned_tokens() {
    let (node, other) = (Node::new(), Node::new());
    let (tokens, others) = (node.open(), other.open());
    let good = issue(&tokens, TokenRole::Operator, "ops").token;
    let foreign = issue(&others, TokenRole::Operator, "ops").token;
    let parts: Vec<&str> = good.split('.').collect();
    let header = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let kid = jwt::kid(&good).expect("a key");
    let none = format!("{}.{}.", header(&format!(r#"{{"alg":"none","kid":"{kid}"}}"#)), parts[1]);
    let secret = EncodingKey::from_secret(kid.as_bytes());
    let claims = serde_json::json!({ "iss": "node-a", "aud": "node-a", "exp": u64::MAX });
    let hs256 = Header { kid: Some(kid), ..Header::default() };
    let hs256 = jsonwebtoken::encode(&hs256, &claims, &secret).expect("a token");
    let swapped = format!("{}.{}.{}", parts[0], foreign.split('.').nth(1).expect("claims"), parts[2]);
    let unnamed = format!("{}.{}.{}", header(r#"{"alg":"EdDSA"}"#), parts[1], parts[2]);
    for token in [&foreign, &none, &hs256, &swapped, &unnamed, "", "x.y.z", &"x".repeat(5_000)] {
        assert!(is_void(&tokens, token), "{token}");
    }
    node.later(OPERATOR_SECONDS - 1);
    assert!(tokens.caller(&good).is_ok());
    node.later(1);
    assert!(is_void(&tokens, &good));
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
