//! Tokens and roles: what each role may call, what analysts see, and how tokens end.

use std::os::unix::fs::PermissionsExt;

use tacit_protocol::Failure;
use tacit_protocol::api::{SubmitRequest, TokenRequest, TokenRole};
use tacit_sdk::{Client, NodeEvent};

use super::api::{answered, bare, refused};
use super::harness::{Organisation, SHOP_POLICY, Two, count_question, path, refusal, until};

/// What an analyst may call; an auditor may make every `GET` but that of a result.
const OF_ANALYSTS: [&str; 13] = [
    "GET /v1/whoami",
    "GET /v1/openapi.json",
    "GET /v1/peers/names",
    "GET /v1/catalogue",
    "GET /v1/jobs",
    "POST /v1/jobs",
    "GET /v1/jobs/{id}",
    "GET /v1/jobs/{id}/watch",
    "POST /v1/jobs/{id}/cancel",
    "GET /v1/jobs/{id}/result",
    "GET /v1/jobs/{id}/receipt",
    "GET /v1/events",
    "POST /v1/policy/check",
];

fn address(node: &Organisation) -> String {
    std::fs::read_to_string(node.dir.join("api.address")).expect("an address").trim().to_owned()
}

fn token(node: &Organisation, role: TokenRole, subject: &str) -> String {
    let request = TokenRequest { role, subject: subject.into(), valid_seconds: None };
    node.client().create_token(&request).expect("a token").token
}

fn client(node: &Organisation, role: TokenRole, subject: &str) -> Client {
    Client::new(address(node), token(node, role, subject))
}

#[test]
fn chk_902_every_call_is_open_to_its_roles_and_to_no_other() {
    let parent = tempfile::tempdir().expect("a directory");
    let shop = Organisation::start(parent.path(), "maison");
    let address = address(&shop);
    let description: serde_json::Value =
        serde_json::from_str(include_str!("../../docs/spec/openapi.json")).expect("JSON");
    let roles = [TokenRole::Operator, TokenRole::Analyst, TokenRole::Auditor];
    let tokens = roles.map(|role| (role, token(&shop, role, "ada")));
    let mut denied = 0;
    for (place, item) in description["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("calls").keys().map(|method| method.to_uppercase()) {
            let call = format!("{method} {place}");
            let real = place.replace("{id}", "00000000").replace("{peer_id}", "nobody").replace("{name}", "nothing");
            for (role, token) in &tokens {
                let may = match role {
                    TokenRole::Operator => true,
                    TokenRole::Analyst => OF_ANALYSTS.contains(&call.as_str()),
                    TokenRole::Auditor => {
                        method == "GET" && !["/result", "/{name}/export"].iter().any(|end| place.ends_with(end))
                    }
                };
                if may && ["POST /v1/stop", "POST /v1/backup"].contains(&call.as_str()) {
                    continue;
                }
                let (status, body) = answered(&address, &bare(&method, &real, token));
                let code = serde_json::from_str::<Failure>(&body).map(|failure| failure.code.to_string());
                let scope = code.as_deref().unwrap_or_default() == "TOKEN_SCOPE";
                assert_eq!((scope, status == 403 && scope), (!may, !may), "{call} as {role:?}: {status} {body}");
                assert_ne!(status, 401, "{call} as {role:?}");
                denied += u32::from(scope);
            }
        }
    }
    assert!(denied > 20, "{denied} calls were denied");
    assert_eq!(refused(&address, bare("DELETE", "/v1/jobs", &tokens[1].1)), (405, "API_METHOD".into()));
}

#[test]
fn chk_901_what_a_call_began_ends_with_its_token() {
    let parent = tempfile::tempdir().expect("a directory");
    let shop = Organisation::start(parent.path(), "maison");
    let request = TokenRequest { role: TokenRole::Auditor, subject: "eve".into(), valid_seconds: None };
    let issued = shop.client().create_token(&request).expect("a token");
    let eve = Client::new(address(&shop), issued.token);
    let mut heard = eve.events(None).expect("a stream");
    assert_eq!(heard.next_event().expect("an event"), Some(NodeEvent::Start));
    shop.client().revoke_token(&issued.info.id).expect("revoked");
    assert_eq!(heard.next_event().expect("the end of the stream"), None);
    assert_eq!(refusal(eve.jobs()).code.as_str(), "TOKEN_INVALID");
}

#[test]
fn chk_902_an_analyst_sees_the_own_jobs_and_another_one_is_like_none() {
    let two = Two::with_tables(SHOP_POLICY);
    let bank = &two.banque;
    let (ada, bob) = (client(bank, TokenRole::Analyst, "ada"), client(bank, TokenRole::Analyst, "bob"));
    let eve = client(bank, TokenRole::Auditor, "eve");
    let mut heard = bob.events(None).expect("a stream");
    assert_eq!(heard.next_event().expect("an event"), Some(NodeEvent::Start));
    let request =
        SubmitRequest { program: count_question(), purpose: "test".into(), idempotency_key: Some("w".into()) };
    let job = ada.submit(&request).expect("submitted").id;
    bank.ended(&job);
    let of_bob = bob.submit(&request).expect("submitted").id;
    assert_ne!(of_bob, job, "the same word of another analyst is another job");
    assert_eq!(ada.submit(&request).expect("again").id, job);

    // The name is in the contract that both nodes signed.
    assert_eq!(ada.job(&job).expect("the own job").analyst, "ada");
    let at_the_shop = two.maison.client().job(&job).expect("there too");
    assert_eq!(at_the_shop.analyst, "ada");
    assert!(ada.result(&job).is_ok() && ada.receipt(&job).is_ok());
    assert_eq!(ada.jobs().expect("jobs").len(), 1);
    assert_eq!(ada.peer_names().expect("names"), ["maison"]);

    let unknown = "0123456789abcdef";
    let like_none = |of_job: Failure, of_none: Failure| {
        assert_eq!(of_job.message.replace(&job, unknown), of_none.message);
        assert_eq!((of_job.code.as_str(), of_job.next), ("JOB_UNKNOWN", of_none.next));
    };
    like_none(refusal(bob.job(&job)), refusal(bob.job(unknown)));
    like_none(refusal(bob.result(&job)), refusal(bob.result(unknown)));
    like_none(refusal(bob.receipt(&job)), refusal(bob.receipt(unknown)));
    like_none(refusal(bob.cancel(&job)), refusal(bob.cancel(unknown)));
    assert_eq!(bob.jobs().expect("jobs").iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), [&of_bob]);
    match heard.next_event().expect("an event") {
        Some(NodeEvent::Job(event)) => assert_eq!(event.job, of_bob, "an event of another's job"),
        other => panic!("{other:?}"),
    }

    assert_eq!(refusal(eve.result(&job)).code.as_str(), "TOKEN_SCOPE");
    assert_eq!(eve.jobs().expect("jobs").len(), 2);
    assert_eq!(refusal(eve.cancel(&of_bob)).code.as_str(), "TOKEN_SCOPE");
    assert!(eve.log(0).expect("the log").iter().any(|line| line.kind == "access" && line.text.contains("ada")));
}

#[test]
fn tokens_are_issued_listed_and_ended_by_the_command_line() {
    let parent = tempfile::tempdir().expect("a directory");
    let mut shop = Organisation::start(parent.path(), "maison");
    let file = parent.path().join("ada.token");
    let create = ["token", "create", "--role", "analyst", "--subject", "ada", "--days", "2", "--out", path(&file)];
    let made = shop.cli(&create);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let token = std::fs::read_to_string(&file).expect("a file").trim().to_owned();
    assert!(!made.stdout.contains(&token), "{}", made.stdout);
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(shop.cli(&create).code, 2, "there is a file already");
    let printed = shop.cli(&["--json", "token", "create", "--role", "auditor", "--subject", "eve", "--hours", "5"]);
    let issued: serde_json::Value = serde_json::from_str(&printed.stdout).expect("JSON");
    let eve = Client::new(address(&shop), issued["token"].as_str().expect("a token"));
    let me = eve.whoami().expect("known");
    assert_eq!((me.subject.as_str(), me.role, me.organisation.as_str()), ("eve", TokenRole::Auditor, "maison"));
    let long = shop.cli(&["token", "create", "--role", "operator", "--subject", "ops", "--hours", "25"]);
    assert_eq!((long.code, long.stderr.contains("USAGE_TOKEN")), (2, true), "{}", long.stderr);

    // Tokens outlive the process; a revoked one does not come back with it.
    let ada = |shop: &Organisation| Client::new(address(shop), token.clone()).whoami();
    assert_eq!(ada(&shop).expect("known").subject, "ada");
    let revoked = shop.cli(&["token", "revoke", &me.token]);
    assert_eq!(revoked.code, 0, "{}", revoked.stderr);
    assert_eq!(refusal(eve.whoami()).code.as_str(), "TOKEN_INVALID");
    shop.kill();
    shop.restart();
    assert_eq!(ada(&shop).expect("known").subject, "ada");
    assert!(shop.cli(&["token", "list"]).stdout.contains("revoked"));
    let eve = Client::new(address(&shop), issued["token"].as_str().expect("a token"));
    assert_eq!(refusal(eve.whoami()).code.as_str(), "TOKEN_INVALID");

    let rotated = shop.cli(&["token", "rotate"]);
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    assert_eq!(refusal(ada(&shop)).code.as_str(), "TOKEN_INVALID");
    assert_eq!(shop.cli(&["token", "whoami"]).code, 0, "the local command line goes on");
    let log = shop.cli(&["log", "show"]).stdout;
    assert!(log.contains("a token was issued") && log.contains("renewed the key"), "{log}");
    assert!(!log.contains(&token) && !shop.log_tail().contains(&token), "the token is in a log");
    until("the log is whole", || (shop.cli(&["log", "verify"]).code == 0).then_some(()));
}
