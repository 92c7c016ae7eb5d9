//! Nodes on hosts of their own: public ones, and ones behind gateways.

use std::path::Path;

use serde_json::Value;

use crate::harness::count_question;
use crate::hosts::{Site, assert_answered, state, with_tables};
use crate::netns::{Gateway, Host, Internet, SlowLink, can_check};

/// A shop and a bank, paired, with their tables.
fn paired(dir: &Path, hosts: [Host; 2], settings: &str) -> (Site, Site) {
    let [maison, banque] = hosts;
    let maison = Site::start(dir, "maison", maison, settings);
    let banque = Site::start(dir, "banque", banque, settings);
    banque.pair_with(&maison);
    maison.connected("banque", &[]);
    banque.connected("maison", &[]);
    with_tables(&maison, &banque);
    (maison, banque)
}

/// What the data of the last job went over, as both nodes have logged it.
fn data_path(site: &Site) -> String {
    let log = site.log();
    let line = log.lines().rev().find(|line| line.contains("the data channel is open")).expect("a run");
    let path = line.split("path=").nth(1).expect("its path");
    path.split_whitespace().next().expect("a word").trim_matches('"').to_owned()
}

/// The bank asks and gets the right answer, by data over `path`.
fn answers_over(maison: &Site, banque: &Site, path: &str) {
    assert_answered(banque, &banque.run(&count_question()));
    assert_eq!([data_path(maison), data_path(banque)], [path, path]);
}

#[test]
fn two_nodes_on_two_hosts_pair_and_run_a_job() {
    if !can_check("nodes on two hosts") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut net = Internet::new();
    let (maison, banque) = paired(dir.path(), [net.host("maison"), net.host("banque")], "");
    assert_eq!(maison.connected("banque", &[])["path"]["kind"], "direct");
    assert!(banque.cli(&["peer", "show", "maison"]).stdout.contains("direct"));
    answers_over(&maison, &banque, "tcp");
}

#[test]
fn a_node_behind_a_gateway_dials_and_runs_a_job() {
    if !can_check("a node behind a gateway") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut net = Internet::new();
    let hosts = [net.host("maison"), net.host_behind("banque", Gateway::Random)];
    let (maison, banque) = paired(dir.path(), hosts, "");
    answers_over(&maison, &banque, "tcp");
    // It knows that it is behind one.
    let status = banque.json(&["status"]).remove(0);
    assert!(status["seen_at"][0].as_str().is_some_and(|ip| ip.starts_with("203.0.113.")), "{status:#}");
    assert_eq!(status["announced"], serde_json::json!([]));
    assert_eq!(maison.json(&["status"])[0]["seen_at"], Value::Null, "a public node is not");
}

#[test]
fn where_no_data_port_is_reached_a_job_runs_over_a_stream() {
    if !can_check("a data port behind a firewall") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut net = Internet::new();
    let hosts = [net.host("maison"), net.host("banque")];
    for host in &hosts {
        host.drop_incoming(&["-p", "tcp", "--dport", "7701"]);
        host.drop_incoming(&["-p", "udp", "--dport", "7701"]);
    }
    let (maison, banque) = paired(dir.path(), hosts, "");
    answers_over(&maison, &banque, "stream");
}

#[test]
fn where_tcp_is_blocked_on_the_data_port_a_job_runs_over_quic() {
    if !can_check("a data port that lets no TCP in") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut net = Internet::new();
    let hosts = [net.host("maison"), net.host("banque")];
    hosts.iter().for_each(|host| host.drop_incoming(&["-p", "tcp", "--dport", "7701"]));
    let (maison, banque) = paired(dir.path(), hosts, "");
    answers_over(&maison, &banque, "quic");
}

#[test]
fn where_udp_is_blocked_everything_goes_over_tcp() {
    if !can_check("hosts without UDP") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut net = Internet::new();
    let hosts = [net.host("maison"), net.host("banque")];
    hosts.iter().for_each(|host| host.drop_incoming(&["-p", "udp"]));
    let (maison, banque) = paired(dir.path(), hosts, "data_transports = [\"quic\", \"tcp\"]");
    assert_eq!(banque.connected("maison", &[])["path"]["transport"], "tcp");
    answers_over(&maison, &banque, "tcp");
}

/// A job on a link with delay and loss ends exactly as on any other.
fn on_a_lossy_link(settings: &str, path: &str) {
    if !can_check("a link with delay and loss") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (_link, hosts) = SlowLink::between(["maison", "banque"], 20, 0.01);
    let (maison, banque) = paired(dir.path(), hosts, settings);
    answers_over(&maison, &banque, path);
}

#[test]
fn a_job_on_a_lossy_link_ends_exactly_over_tcp() {
    on_a_lossy_link("", "tcp");
}

#[test]
fn a_job_on_a_lossy_link_ends_exactly_over_quic() {
    // Alone: a lost packet of its handshake would let TCP be first.
    on_a_lossy_link("data_transports = [\"quic\"]", "quic");
}

/// A shop and a bank behind gateways, and a harbour on a public host over which they are reached. The harbour is paired
/// with both.
fn over_a_harbour(dir: &Path, net: &mut Internet, gateway: Gateway, bulk: bool) -> (Site, Site, Site) {
    let serve = "[relay]\nserve = [\"maison\", \"banque\"]";
    let via = format!("[relay]\nvia = [\"harbour\"]\nbulk = {bulk}");
    let harbour = Site::start(dir, "harbour", net.host("harbour"), serve);
    let maison = Site::start(dir, "maison", net.host_behind("maison", gateway), &via);
    let banque = Site::start(dir, "banque", net.host_behind("banque", gateway), &via);
    for site in [&maison, &banque] {
        site.pair_with(&harbour);
        site.connected("harbour", &["direct"]);
    }
    // The ticket leads over the harbour, so the two have met nowhere else.
    banque.pair_with(&maison);
    with_tables(&maison, &banque);
    (harbour, maison, banque)
}

#[test]
fn two_nodes_behind_gateways_meet_over_a_relay_and_punch_a_hole() {
    if !can_check("hole punching") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut net = Internet::new();
    let (harbour, maison, banque) = over_a_harbour(dir.path(), &mut net, Gateway::Steady, false);
    banque.connected("maison", &["hole-punched"]);
    maison.connected("banque", &["hole-punched"]);
    answers_over(&maison, &banque, "stream");
    assert!(harbour.peer("maison").is_some_and(|peer| peer["path"]["kind"] == "direct"));
}

#[test]
fn where_no_hole_can_be_punched_the_relay_carries_the_control_plane_and_no_bulk_data_chk_405() {
    if !can_check("a relay between gateways that let nothing in") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut net = Internet::new();
    let (_harbour, maison, banque) = over_a_harbour(dir.path(), &mut net, Gateway::Random, false);
    let peer = banque.connected("maison", &["relayed"]);
    assert_eq!(peer["path"]["relay"], "harbour");
    assert!(maison.cli(&["peer", "list"]).stdout.contains("relayed by harbour"));
    let job = banque.run(&count_question());
    assert_eq!(state(&job), "failed", "{job:#}");
    assert_eq!(job["failure"]["code"], "CHANNEL_RELAY", "{job:#}");
    // The one that dialled says what to do about it.
    let id = job["id"].as_str().expect("an id");
    let says = |site: &Site| {
        let job = site.json(&["job", "show", id]).remove(0);
        job["failure"]["next"].as_str().is_some_and(|next| next.contains("data_announce"))
    };
    assert!(says(&maison) || says(&banque), "{job:#}");
}

#[test]
fn where_all_operators_allow_it_bulk_data_goes_over_a_relay_chk_405() {
    if !can_check("bulk data over a relay") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut net = Internet::new();
    let (_harbour, maison, banque) = over_a_harbour(dir.path(), &mut net, Gateway::Random, true);
    banque.connected("maison", &["relayed"]);
    answers_over(&maison, &banque, "stream");
}

#[test]
fn a_node_relays_for_the_peers_that_its_operator_named_and_for_no_other() {
    if !can_check("a node that does not relay") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut net = Internet::new();
    let harbour = Site::start(dir.path(), "harbour", net.host("harbour"), "[relay]\nserve = [\"banque\"]");
    let via = "[relay]\nvia = [\"harbour\"]";
    let maison = Site::start(dir.path(), "maison", net.host_behind("maison", Gateway::Steady), via);
    maison.pair_with(&harbour);
    maison.connected("harbour", &["direct"]);
    crate::harness::until("the relay refuses", || maison.log().contains("RELAY_REFUSED").then_some(()));
    assert_eq!(maison.json(&["status"])[0]["announced"], serde_json::json!([]));
    let refused = maison.cli(&["--json", "peer", "invite"]);
    assert!(refused.code != 0 && refused.stderr.contains("TICKET_ADDRESS"), "{}", refused.stderr);
}
