//! The API over TLS, as another machine calls it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair};
use tacit_protocol::Failure;
use tacit_protocol::api::{TokenRequest, TokenRole};
use tacit_sdk::Client;

use super::api::{bare, refused};
use super::harness::{Organisation, path, refusal, tacit, until};

/// An authority, and its key.
fn authority() -> (Certificate, KeyPair) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "the tests' authority");
    (params.self_signed(&key).expect("a certificate"), key)
}

/// Writes a private file.
fn write(file: &Path, text: &str) {
    std::fs::write(file, text).expect("written");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("set");
}

/// Changes the configuration of a node that does not run: `api_listen` stays, lines are added.
fn configure(node: &Organisation, lines: &str) {
    let file = node.dir.join("node.toml");
    let text = std::fs::read_to_string(&file).expect("a configuration");
    std::fs::write(file, text + lines).expect("written");
}

/// The address that the configuration names.
fn configured_address(node: &Organisation) -> String {
    let text = std::fs::read_to_string(node.dir.join("node.toml")).expect("a configuration");
    let line = text.lines().find_map(|line| line.strip_prefix("api_listen = ")).expect("an address");
    line.trim_matches('"').to_owned()
}

#[test]
fn another_machine_calls_the_node_over_tls_and_is_known_by_its_token() {
    let parent = tempfile::tempdir().expect("a directory");
    let mut shop = Organisation::start(parent.path(), "maison");
    shop.stop();
    let (root, root_key) = authority();
    let key = KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let leaf = CertificateParams::new(names).expect("names").signed_by(&key, &root, &root_key).expect("signed");
    std::fs::write(shop.dir.join("api.pem"), leaf.pem()).expect("written");
    write(&shop.dir.join("api.key"), &key.serialize_pem());
    let ca = parent.path().join("ca.pem");
    std::fs::write(&ca, root.pem()).expect("written");
    configure(&shop, "api_tls_certificate = \"api.pem\"\napi_tls_key = \"api.key\"\n");
    shop.restart();

    let address = configured_address(&shop);
    let url = format!("https://{address}");
    // The command line of this machine goes on by the loopback port that is its own.
    assert_ne!(std::fs::read_to_string(shop.dir.join("api.address")).expect("an address").trim(), address);
    let request = TokenRequest { role: TokenRole::Analyst, subject: "ada".into(), valid_seconds: None };
    let token = shop.client().create_token(&request).expect("a token").token;
    let remote = Client::remote(&url, &token, Some(root.pem().as_bytes())).expect("a client");
    assert_eq!(remote.whoami().expect("known").subject, "ada");
    assert_eq!(refusal(remote.status()).code.as_str(), "TOKEN_SCOPE");

    // Another authority's certificate is not the node's, and no token is sent.
    let (other, _) = authority();
    let stranger = Client::remote(&url, &token, Some(other.pem().as_bytes())).expect("a client");
    assert_eq!(refusal(stranger.whoami()).code.as_str(), "API_CERTIFICATE");
    // Plain HTTP is told that this port speaks TLS alone.
    assert_eq!(refused(&address, bare("GET", "/v1/whoami", &token)), (400, "API_TLS".into()));
    // A token that is over is none, and neither is one of nobody.
    let short = TokenRequest { valid_seconds: Some(1), ..request };
    let short = shop.client().create_token(&short).expect("a token").token;
    let over = Client::remote(&url, &short, Some(root.pem().as_bytes())).expect("a client");
    until("the token is over", || {
        let failure = over.whoami().err().map(Failure::from)?;
        assert_eq!((failure.code.as_str(), failure.message.contains("over")), ("TOKEN_INVALID", true), "{failure}");
        Some(())
    });

    // The same by the command line.
    let token_file = parent.path().join("ada.token");
    write(&token_file, &token);
    let far = ["--node", &url, "--token-file", path(&token_file), "--ca", path(&ca)];
    let me = tacit(&[&far[..], &["token", "whoami"]].concat());
    assert!(me.code == 0 && me.stdout.contains("ada at maison, role analyst"), "{}{}", me.stdout, me.stderr);
    let untrusted = tacit(&[&far[..4], &["token", "whoami"]].concat());
    assert_eq!((untrusted.code, untrusted.stderr.contains("USAGE_NODE")), (2, true), "{}", untrusted.stderr);
    assert_eq!(tacit(&[&far[..], &["job", "list"]].concat()).code, 0);
}

#[test]
fn an_api_that_would_be_open_without_tls_or_with_a_readable_key_does_not_start() {
    let parent = tempfile::tempdir().expect("a directory");
    let mut shop = Organisation::start(parent.path(), "maison");
    shop.stop();
    let file = shop.dir.join("node.toml");
    let text = std::fs::read_to_string(&file).expect("a configuration");
    let refused = |text: String| {
        std::fs::write(&file, text).expect("written");
        let ended = shop.cli(&["node"]);
        assert_ne!(ended.code, 0);
        ended.stderr
    };
    let open = text.replace(&configured_address(&shop), "0.0.0.0:7702");
    let stderr = refused(open);
    assert!(stderr.contains("USAGE_CONFIG") && stderr.contains("without TLS"), "{stderr}");
    assert!(refused(text.clone() + "api_tls_key = \"api.key\"\n").contains("`api_tls_key` is set without"));
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
    std::fs::write(shop.dir.join("api.pem"), made.cert.pem()).expect("written");
    std::fs::write(shop.dir.join("api.key"), made.key_pair.serialize_pem()).expect("written");
    std::fs::set_permissions(shop.dir.join("api.key"), std::fs::Permissions::from_mode(0o644)).expect("set");
    let readable = refused(text + "api_tls_certificate = \"api.pem\"\napi_tls_key = \"api.key\"\n");
    assert!(readable.contains("USAGE_TLS") && readable.contains("chmod 600"), "{readable}");
}

/// Who calls too often is told when to ask again, and others are not held up.
#[test]
fn chk_904_a_token_that_calls_too_often_is_slowed_down() {
    let parent = tempfile::tempdir().expect("a directory");
    let mut shop = Organisation::start(parent.path(), "maison");
    shop.stop();
    configure(&shop, "api_calls_per_second = 5\n");
    shop.restart();
    let token = |subject: &str| {
        let request = TokenRequest { role: TokenRole::Analyst, subject: subject.into(), valid_seconds: None };
        let token = shop.client().create_token(&request).expect("a token").token;
        Client::new(std::fs::read_to_string(shop.dir.join("api.address")).expect("an address").trim(), token)
    };
    let (ada, bob) = (token("ada"), token("bob"));
    let failure = until("a call is refused", || ada.whoami().err().map(Failure::from));
    assert_eq!(failure.code.as_str(), "API_RATE");
    assert_eq!(bob.whoami().expect("not held up").subject, "bob");
    until("it may call again", || ada.whoami().ok());
}
