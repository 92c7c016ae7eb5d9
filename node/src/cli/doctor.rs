//! `tacit doctor`: what could keep a node from working, each line with its verdict and the fix.

use std::path::Path;

use serde::Serialize;
use tacit_protocol::{Code, Failure};
use tacit_sdk::Client;

use super::output::Output;
use crate::config::Config;
use crate::keys::NodeKey;
use crate::setup::Files;

/// One finding.
#[derive(Serialize)]
struct Finding {
    /// What was looked at.
    check: &'static str,
    /// `pass`, `warn` or `fail`.
    verdict: Verdict,
    /// What was found, and for a warning or failure how to mend it.
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Pass,
    Warn,
    Fail,
}

pub(super) fn run(dir: &Path, output: &Output) -> Result<(), Failure> {
    let mut findings = vec![cores(), aes(), open_files()];
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
            let (verdict, text) = if peer.connected {
                (Verdict::Pass, format!("{} is connected", peer.name))
            } else {
                let fix = "check that its node runs and that its port is reachable from here";
                (Verdict::Warn, format!("{} is not connected: {fix}", peer.name))
            };
            findings.push(Finding { check: "peer", verdict, text });
        }
    }
    output.list(&findings, |findings| findings.iter().map(line).collect::<Vec<_>>().join("\n"));
    match findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        failed => {
            Err(Failure::new(Code::new("DOCTOR_FAILED"), format!("{failed} checks failed"), "mend them in order."))
        }
    }
}

fn line(finding: &Finding) -> String {
    let verdict = match finding.verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "WARN",
        Verdict::Fail => "FAIL",
    };
    format!("{verdict}  {:14} {}", finding.check, finding.text)
}

fn finding<T: ToString>(check: &'static str, result: Result<T, &Failure>) -> Finding {
    match result {
        Ok(text) => Finding { check, verdict: Verdict::Pass, text: text.to_string() },
        Err(failure) => Finding { check, verdict: Verdict::Fail, text: failure.to_string() },
    }
}

fn cores() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let verdict = if cores >= 2 { Verdict::Pass } else { Verdict::Warn };
    Finding { check: "cores", verdict, text: format!("{cores}; the engine uses all of them") }
}

fn aes() -> Finding {
    #[cfg(target_arch = "x86_64")]
    let fast = std::arch::is_x86_feature_detected!("aes");
    #[cfg(not(target_arch = "x86_64"))]
    let fast = cfg!(target_feature = "aes");
    let (verdict, text) = if fast {
        (Verdict::Pass, "the processor has AES instructions")
    } else {
        (Verdict::Warn, "the processor has no AES instructions: jobs are many times slower; use another machine")
    };
    Finding { check: "aes", verdict, text: text.into() }
}

/// The limit of open files, from Linux's own table; elsewhere it is not checked.
fn open_files() -> Finding {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)).and_then(|word| word.parse::<u64>().ok());
    let (verdict, text) = match soft {
        Some(limit) if limit < 1_024 => (Verdict::Warn, format!("{limit}; raise it to 1024: `ulimit -n 1024`")),
        Some(limit) => (Verdict::Pass, limit.to_string()),
        None => (Verdict::Pass, "not limited, or not known on this system".into()),
    };
    Finding { check: "open files", verdict, text }
}
