//! `tacit doctor`: what could keep a node from working, each line with its verdict and the fix.

use std::path::Path;

use tacit_protocol::api::Finding;
use tacit_protocol::{Code, Failure};
use tacit_sdk::Client;

use super::host;
use super::output::Output;
use crate::config::Config;
use crate::keys::NodeKey;
use crate::setup::Files;

pub(super) fn run(dir: &Path, output: &Output) -> Result<(), Failure> {
    let mut findings = host::findings(dir);
    let config = Config::read(dir);
    findings.push(finding("configuration", config.as_ref().map(|config| format!("the node of {}", config.name))));
    findings.push(finding(
        "key file",
        NodeKey::read_file(&Files::of(dir).key()).map(|_| "readable by its owner only").map_err(Failure::from).as_ref(),
    ));
    let client = Client::of_directory(dir).map_err(Failure::from);
    let status = client.as_ref().map_err(Clone::clone).and_then(|client| client.status().map_err(Failure::from));
    findings.push(finding("node", status.as_ref().map(|status| format!("runs, version {}", status.version))));
    if let (Ok(client), Ok(_)) = (&client, &status) {
        let peers = client.peers()?;
        for peer in peers.iter().filter(|peer| peer.state == "paired") {
            let name = &peer.name;
            findings.push(match (&peer.problem, peer.connected) {
                (Some(problem), false) => line("peer", "fail", problem.to_string()),
                (_, true) => {
                    line("peer", "pass", format!("{name} is connected; `tacit doctor --peer {name}` tests the pair"))
                }
                (None, false) => {
                    let fix = "check that its node runs and that its port is reachable from here";
                    line("peer", "warn", format!("{name} is not connected: {fix}"))
                }
            });
        }
    }
    show(&findings, output)
}

/// Tests the pair with a peer.
pub(super) fn pair(client: &Client, peer: &str, output: &Output) -> Result<(), Failure> {
    show(&client.probe_peer(&super::peer::peer_id(client, peer)?)?, output)
}

fn show(findings: &[Finding], output: &Output) -> Result<(), Failure> {
    output.list(findings, |findings| findings.iter().map(text).collect::<Vec<_>>().join("\n"));
    match findings.iter().filter(|finding| finding.verdict == "fail").count() {
        0 => Ok(()),
        failed => {
            Err(Failure::new(Code::new("DOCTOR_FAILED"), format!("{failed} checks failed"), "mend them in order."))
        }
    }
}

fn text(finding: &Finding) -> String {
    let verdict = match finding.verdict.as_str() {
        "pass" => "pass",
        "warn" => "WARN",
        _ => "FAIL",
    };
    format!("{verdict}  {:14} {}", finding.check, finding.text)
}

/// A finding.
pub(super) fn line(check: &str, verdict: &str, text: impl Into<String>) -> Finding {
    Finding { check: check.into(), verdict: verdict.into(), text: text.into() }
}

fn finding<T: ToString>(check: &'static str, result: Result<T, &Failure>) -> Finding {
    match result {
        Ok(text) => line(check, "pass", text.to_string()),
        Err(failure) => line(check, "fail", failure.to_string()),
    }
}
