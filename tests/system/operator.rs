//! What the operator runs the node with: its configuration, backups, repairs and stops.

use tacit_protocol::api::{Finding, SubmitRequest};
use tacit_protocol::canonical::Nonce;
use tacit_protocol::contract::{ChannelKey, ChannelOffer};
use tacit_protocol::messages::Request;
use tacit_protocol::probe::{MAX_PROBE_BYTES, ProbeRequest};

use crate::rogue::Rogue;

use crate::harness::{
    OWN_POLICY, Organisation, SHOP_POLICY, Two, accounts, count_question, customers, path, refusal, tacit, until,
};

/// The line of a table with this key.
fn line<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines().find(|line| line.split_whitespace().next() == Some(key)).expect("the key")
}

#[test]
fn the_configuration_says_where_each_value_comes_from() {
    let parent = tempfile::tempdir().expect("a directory");
    let mut shop = Organisation::start(parent.path(), "maison");
    shop.stop();
    shop.environment = vec![("TACIT_LINK_MBIT", "50".into()), ("TACIT_IDLE_THREADS", "2".into())];
    shop.flags = vec!["--set".into(), "idle.threads=3".into(), "--peer-timeout-seconds".into(), "7".into()];
    shop.restart();
    let shown = shop.cli(&["config", "show", "--origin"]).stdout;
    for (key, value, place) in [
        ("link_mbit", "50", "TACIT_LINK_MBIT"),
        ("idle.threads", "3", "--set idle.threads"),
        ("peer_timeout_seconds", "7", "--peer-timeout-seconds"),
        ("name", "maison", "node.toml line 1"),
        ("idle.disk", "1073741824", "default"),
    ] {
        let line = line(&shown, key);
        assert!(line.contains(value) && line.trim_end().ends_with(place), "{line}");
    }
    let settings = shop.client().config().expect("settings");
    let threads = settings.iter().find(|setting| setting.key == "idle.threads").expect("the key");
    assert_eq!((threads.origin.as_str(), threads.place.as_str()), ("flag", "--set idle.threads"));
}

#[test]
fn an_unknown_key_or_a_wrong_value_keeps_a_node_from_starting() {
    let parent = tempfile::tempdir().expect("a directory");
    let dir = parent.path().join("maison");
    let init = ["--dir", path(&dir), "init", "--name", "maison", "--host", "127.0.0.1", "--port", "0"];
    assert_eq!(tacit(&init).code, 0);
    let refused = tacit(&["--dir", path(&dir), "node", "--set", "idle.thread=2"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("USAGE_CONFIG") && refused.stderr.contains("`idle.threads`"), "{}", refused.stderr);
    let checked = tacit(&["--dir", path(&dir), "config", "check", "--set", "idle.threads=0"]);
    assert_eq!(checked.code, 2, "{}", checked.stderr);
    let good = tacit(&["--dir", path(&dir), "config", "check", "--set", "idle.threads=9"]);
    assert_eq!((good.code, line(&good.stdout, "idle.threads").contains('9')), (0, true), "{}", good.stderr);
}

/// Rows at which a job takes long enough to be caught in the act.
const MANY: u32 = 30_000;

fn with_many() -> Two {
    let two = Two::paired();
    two.maison.import("customers", &customers(MANY), SHOP_POLICY).expect("imported");
    two.banque.import("accounts", &accounts(MANY), OWN_POLICY).expect("imported");
    two
}

#[test]
fn a_node_that_is_asked_to_stop_ends_its_jobs_and_takes_no_new_ones() {
    let mut two = with_many();
    let job = two.banque.submit(count_question()).expect("submitted");
    for node in [&two.maison, &two.banque] {
        node.in_state(&job.id, &["aligning", "executing"]);
    }
    // What SIGTERM does, too.
    two.maison.client().stop().expect("asked to stop");
    let status = two.maison.client().status().expect("it drains");
    assert!(status.draining && status.jobs_to_drain == 1 && status.drain_seconds_left.is_some(), "{status:?}");
    let refused = refusal(two.maison.client().submit(&SubmitRequest {
        program: count_question(),
        purpose: "test".into(),
        idempotency_key: None,
    }));
    assert_eq!(refused.code.as_str(), "NODE_DRAINING", "{refused}");
    let late = two.banque.submit(count_question()).expect("submitted");
    let late = two.banque.ended(&late.id).failure.expect("a refusal");
    assert_eq!((late.code.as_str(), late.party.as_deref()), ("NODE_DRAINING", Some("maison")), "{late}");
    let ended = two.banque.ended(&job.id);
    assert_eq!(ended.summary.state, "finished", "{:?}", ended.failure);
    two.maison.ends();
}

#[test]
fn a_signal_drains_and_a_second_one_ends_at_once() {
    let mut two = with_many();
    let job = two.banque.submit(count_question()).expect("submitted");
    for node in [&two.maison, &two.banque] {
        node.in_state(&job.id, &["aligning", "executing"]);
    }
    two.maison.signal("TERM");
    until("it drains", || two.maison.client().status().ok().filter(|status| status.draining));
    two.maison.signal("TERM");
    two.maison.ends();
    let ended = two.banque.ended(&job.id);
    assert_eq!(ended.summary.state, "failed", "it was interrupted");
}

#[test]
fn a_drain_without_jobs_ends_at_once_and_the_command_waits_for_it() {
    let parent = tempfile::tempdir().expect("a directory");
    let mut shop = Organisation::start(parent.path(), "maison");
    let stopped = shop.cli(&["stop"]);
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
    assert!(shop.client().status().is_err(), "the node has gone");
    shop.ends();
}

fn finding<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.check == check).unwrap_or_else(|| panic!("{check}: {findings:?}"))
}

#[test]
fn a_pair_is_tested_both_ways_and_each_fault_has_its_fix() {
    let mut two = Two::with_tables(SHOP_POLICY);
    let tested = two.maison.cli(&["--json", "doctor", "--peer", "banque"]);
    let read = |text: &str| -> Vec<Finding> {
        text.lines().map(|line| serde_json::from_str(line).expect("a finding")).collect()
    };
    let findings = read(&tested.stdout);
    assert_eq!(tested.code, 0, "{findings:?}");
    for check in ["session", "versions", "planner", "clock", "peers there", "peers back"] {
        assert_eq!(finding(&findings, check).verdict, "pass", "{findings:?}");
    }
    for check in ["latency", "data there", "data back"] {
        assert_ne!(finding(&findings, check).verdict, "fail", "{findings:?}");
    }
    assert!(finding(&findings, "policies here").text.contains("customers"), "{findings:?}");
    assert!(finding(&findings, "policies there").text.contains("none"), "{findings:?}");

    // The bank says that its data port is where nobody listens.
    two.banque.stop();
    two.banque.flags = vec!["--data-announce".into(), "/ip4/127.0.0.1/tcp/1".into()];
    two.banque.restart();
    two.connected();
    let findings = read(&two.maison.cli(&["--json", "doctor", "--peer", "banque"]).stdout);
    // Data go over a stream of the control connection then.
    assert_ne!(finding(&findings, "data there").verdict, "fail", "{findings:?}");
    assert_ne!(finding(&findings, "data back").verdict, "fail", "{findings:?}");

    two.banque.kill();
    until("it is gone", || two.maison.client().peers().ok()?.iter().all(|peer| !peer.connected).then_some(()));
    let away = two.maison.cli(&["--json", "doctor", "--peer", "banque"]);
    assert_eq!(away.code, 1);
    let findings = read(&away.stdout);
    assert!(finding(&findings, "session").text.contains("PEER_UNREACHABLE"), "{findings:?}");
    let nobody = two.maison.cli(&["doctor", "--peer", "nobody"]);
    assert!(nobody.code == 2 && nobody.stderr.contains("USAGE_PEER"), "{}", nobody.stderr);
}

#[test]
fn chk_411_a_peer_cannot_ask_for_more_than_a_test_takes() {
    let mut two = Two::paired();
    let rogue = Rogue::of(&mut two.banque, "maison");
    rogue.reconnect();
    let path = |bytes| {
        let channel = ChannelOffer { key: ChannelKey::from_bytes([9; 32]), addresses: Vec::new() };
        let nonce = Nonce::from_bytes([1; 16]);
        Request::Probe(Box::new(ProbeRequest::Path { nonce, asker_dials: true, channel, bytes }))
    };
    assert_eq!(rogue.refusal(&path(MAX_PROBE_BYTES + 1)), "USAGE_PROBE_LIMIT");
    // One path at a time: the first waits for a connection that never comes.
    rogue.ask(&path(1));
    assert_eq!(rogue.refusal(&path(1)), "PEER_BUSY");
    let look = || Request::Probe(Box::new(ProbeRequest::Look { addresses: Vec::new() }));
    for _ in 3..60 {
        rogue.ask(&look());
    }
    assert_eq!(rogue.refusal(&look()), "PEER_RATE");
    rogue.ask(&Request::Probe(Box::new(ProbeRequest::Ping)));
}

#[test]
fn a_ticket_is_drawn_and_both_sides_are_told_which_words_to_compare() {
    let parent = tempfile::tempdir().expect("a directory");
    let shop = Organisation::start(parent.path(), "maison");
    let bank = Organisation::start(parent.path(), "banque");
    let invited = shop.cli(&["peer", "invite", "--qr"]).stdout;
    assert!(invited.contains('█') && invited.contains("compare the words"), "{invited}");
    let ticket = invited.lines().find(|line| line.starts_with("tacit1")).expect("a ticket");
    let accepted = bank.cli(&["peer", "accept", ticket]).stdout;
    let words = shop.client().peers().expect("peers")[0].words.clone();
    assert!(accepted.contains(&format!("`{words}`")), "{accepted}");
    assert!(shop.cli(&["peer", "list"]).stdout.contains(&words));
}
