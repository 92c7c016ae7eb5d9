//! Organisations on hosts of their own, in networks with gateways, driven by the command line as operators do.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::Value;
use tacit_protocol::program::Program;

use crate::harness::{CUSTOMERS, OWN_POLICY, Output, SHOP_POLICY, accounts, count_answer, customers, path, until};
use crate::netns::{self, Host};

const BINARY: &str = env!("CARGO_BIN_EXE_tacit");

/// A node on a host.
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) host: Host,
    pub(crate) dir: PathBuf,
    process: Option<Child>,
}

impl Site {
    /// Creates a node on a host and starts it. `settings` goes into its configuration: keys first, then sections.
    pub(crate) fn start(parent: &Path, name: &'static str, host: Host, settings: &str) -> Self {
        let dir = parent.join(name);
        let mut site = Self { name, host, dir, process: None };
        let made = site.cli(&["init", "--name", name]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        let file = site.dir.join("node.toml");
        let text = std::fs::read_to_string(&file).expect("a configuration");
        let text = text.replace("peer_timeout_seconds = 60", "peer_timeout_seconds = 20");
        std::fs::write(&file, merged(&text, settings)).expect("written");
        site.restart();
        site
    }

    /// Starts the node's process and waits until it answers.
    pub(crate) fn restart(&mut self) {
        drop(std::fs::remove_file(self.dir.join("api.address")));
        let log = File::options().create(true).append(true).open(self.dir.join("node.log")).expect("a log file");
        self.process = Some(netns::spawn(&self.host, BINARY, &["--dir", path(&self.dir), "node"], log));
        until(&format!("{} answers", self.name), || (self.cli(&["status"]).code == 0).then_some(()));
    }

    /// Runs a command on this node's host.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        let output = self.host.command(BINARY).args(["--dir", path(&self.dir)]).args(arguments).output();
        let output = output.expect("the binary runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// What a command that must succeed says, as JSON: one value a line.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let said = self.cli(&[&["--json"][..], arguments].concat());
        assert_eq!(said.code, 0, "{}: {arguments:?}: {}", self.name, said.stderr);
        said.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// What this node says of a peer.
    pub(crate) fn peer(&self, name: &str) -> Option<Value> {
        self.json(&["peer", "list"]).into_iter().find(|peer| peer["name"] == name)
    }

    /// Waits until a peer is connected in a way that is wanted: `direct`, `hole-punched`, `relayed`, or any.
    pub(crate) fn connected(&self, name: &str, ways: &[&str]) -> Value {
        until(&format!("{} is connected to {name} {ways:?}", self.name), || {
            let peer = self.peer(name)?;
            let fits = ways.is_empty() || peer["path"]["kind"].as_str().is_some_and(|kind| ways.contains(&kind));
            (peer["connected"] == true && fits).then_some(peer)
        })
    }

    /// Pairs with another node: this one redeems its ticket.
    pub(crate) fn pair_with(&self, issuer: &Self) {
        let ticket = until(&format!("{} can be reached", issuer.name), || {
            let said = issuer.cli(&["--json", "peer", "invite", "--auto"]);
            let invitation: Value = serde_json::from_str(said.stdout.trim()).ok()?;
            Some(invitation["ticket"].as_str()?.to_owned())
        });
        self.redeem(&ticket);
    }

    /// Redeems a ticket.
    pub(crate) fn redeem(&self, ticket: &str) {
        let said = self.cli(&["peer", "accept", ticket]);
        assert_eq!(said.code, 0, "{}: {}{}", self.name, said.stdout, said.stderr);
    }

    /// Imports a table with its key column `id`.
    pub(crate) fn import(&self, name: &str, csv: &str, policy: &str) {
        let (table, rules) = (self.dir.join(format!("{name}.csv")), self.dir.join(format!("{name}.toml")));
        std::fs::write(&table, csv).expect("written");
        std::fs::write(&rules, policy).expect("written");
        self.json(&["dataset", "add", path(&table), "--policy", path(&rules), "--key", "id"]);
    }

    /// Submits a program and waits for its end: the job as this node shows it.
    pub(crate) fn run(&self, program: &Program) -> Value {
        let file = self.dir.join("program.json");
        std::fs::write(&file, serde_json::to_vec(program).expect("JSON")).expect("written");
        let job = self.json(&["job", "submit", path(&file), "--purpose", "test"]).remove(0);
        let id = job["id"].as_str().expect("an id").to_owned();
        until(&format!("{}: job {id} ends", self.name), || {
            let job = self.json(&["job", "show", &id]).remove(0);
            ["finished", "refused", "failed", "cancelled"].contains(&state(&job)).then_some(job)
        })
    }

    /// What the node has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("node.log")).unwrap_or_default()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // `ip netns exec` becomes the node's process, so its id is the node's.
            drop(process.kill());
            drop(process.wait());
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("--- log of {}", self.name);
            lines.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// A configuration with further settings; a key that is there already gets the new value.
fn merged(text: &str, settings: &str) -> String {
    let mut all: toml::Table = text.parse().expect("a configuration");
    let more: toml::Table = settings.parse().expect("settings");
    all.extend(more);
    toml::to_string(&all).expect("a configuration")
}

/// The shop's and the bank's tables.
pub(crate) fn with_tables(maison: &Site, banque: &Site) {
    maison.import("customers", &customers(CUSTOMERS), SHOP_POLICY);
    banque.import("accounts", &accounts(CUSTOMERS), OWN_POLICY);
}

/// A job that finished gave the right answer at the bank.
pub(crate) fn assert_answered(banque: &Site, job: &Value) {
    assert_eq!(state(job), "finished", "{job:#}");
    let id = job["id"].as_str().expect("an id");
    let result = banque.json(&["job", "result", id]).remove(0);
    let text = result.to_string();
    let wanted = format!("\"value\":\"{}\"", count_answer(CUSTOMERS));
    assert!(text.contains(&wanted), "{wanted} is not in {text}");
}

/// The state of a job.
pub(crate) fn state(job: &Value) -> &str {
    job["state"].as_str().expect("a state")
}
