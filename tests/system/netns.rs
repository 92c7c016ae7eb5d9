//! Networks of their own for tests: hosts as network namespaces of Linux, wired by veth, with routers that translate
//! addresses and filter as gateways of organisations do.
//!
//! One public segment, `203.0.113.0/24`, joins hosts and routers; behind each router lies a private one,
//! `192.168.N.0/24`. All lie in namespaces, so that nothing of the machine's own network is touched.

use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::required::{has, not_checked};

/// Why hosts cannot be made here; none: they can.
fn missing() -> Option<&'static str> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    MISSING.get_or_init(look).as_deref()
}

fn look() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need root".into());
    }
    for (tool, package) in [("ip", "iproute2"), ("iptables", "iptables")] {
        if !has(tool) {
            return Some(format!("there is no `{tool}`; the package {package} has it"));
        }
    }
    let name = fresh_name("try");
    let made = quiet(&["ip", "netns", "add", &name]);
    let filters = made && quiet(&inside(&name, &["iptables", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE"]));
    if made {
        quiet(&["ip", "netns", "del", &name]);
    }
    match (made, filters) {
        (true, true) => None,
        (true, false) => Some("this system translates no addresses (iptables)".into()),
        (false, _) => Some("this system makes no network namespaces".into()),
    }
}

/// Whether hosts can be made; where not, says what is not checked and why, or fails if the run requires `netns`.
pub(crate) fn can_check(what: &str) -> bool {
    let Some(reason) = missing() else { return true };
    not_checked("netns", &format!("{what} ({reason})"));
    false
}

/// A command inside of a namespace.
fn inside<'a>(namespace: &'a str, command: &[&'a str]) -> Vec<&'a str> {
    [&["ip", "netns", "exec", namespace][..], command].concat()
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    command
}

fn quiet(words: &[&str]) -> bool {
    let ran = command(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

fn must(words: &[&str]) {
    let output = command(words).output().expect("the tool runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A name that no other namespace of this machine has.
fn fresh_name(of: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("tacit{}-{}-{of}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A namespace, gone with this value.
pub(crate) struct Host {
    namespace: String,
    /// Its address on its segment.
    pub(crate) address: String,
}

impl Host {
    fn new(of: &str, address: String) -> Self {
        let namespace = fresh_name(of);
        must(&["ip", "netns", "add", &namespace]);
        let host = Self { namespace, address };
        host.run(&["ip", "link", "set", "lo", "up"]);
        host
    }

    /// Runs a command there, which must succeed.
    pub(crate) fn run(&self, words: &[&str]) {
        must(&inside(&self.namespace, words));
    }

    /// A command to run there.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]).stdin(Stdio::null());
        command
    }

    /// Drops what comes to this host from the network and matches, such as `-p tcp --dport 7701`.
    pub(crate) fn drop_incoming(&self, what: &[&str]) {
        self.run(&[&["iptables", "-I", "INPUT", "-i", "wan"][..], what, &["-j", "DROP"]].concat());
    }

    /// The index of `link` in this namespace joined to a bridge in another.
    fn wire(&self, link: &str, address: &str, bridge: &Segment) {
        let far = fresh_link();
        must(&[
            "ip",
            "link",
            "add",
            link,
            "netns",
            &self.namespace,
            "type",
            "veth",
            "peer",
            "name",
            &far,
            "netns",
            &bridge.host.namespace,
        ]);
        bridge.host.run(&["ip", "link", "set", &far, "master", "bridge"]);
        bridge.host.run(&["ip", "link", "set", &far, "up"]);
        self.run(&["ip", "address", "add", &format!("{address}/24"), "dev", link]);
        self.run(&["ip", "link", "set", link, "up"]);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        quiet(&["ip", "netns", "del", &self.namespace]);
    }
}

/// Names of links are short, and this one is alone in its namespace.
fn fresh_link() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("port{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What joins hosts: a bridge in a namespace of its own.
struct Segment {
    host: Host,
}

impl Segment {
    fn new(of: &str) -> Self {
        let host = Host::new(of, String::new());
        host.run(&["ip", "link", "add", "bridge", "type", "bridge"]);
        host.run(&["ip", "link", "set", "bridge", "up"]);
        Self { host }
    }
}

/// How a gateway treats the packets of the hosts behind it. All let nothing in that was not asked for from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gateway {
    /// A host's port keeps its number outside, whomever it speaks to: holes can be punched.
    Steady,
    /// Another number for each conversation: no hole can be punched.
    Random,
}

/// A public segment, and what is attached to it.
pub(crate) struct Internet {
    public: Segment,
    private: Vec<(Segment, Host)>,
    next: u8,
}

impl Internet {
    pub(crate) fn new() -> Self {
        Self { public: Segment::new("net"), private: Vec::new(), next: 10 }
    }

    fn next_address(&mut self) -> String {
        self.next += 1;
        format!("203.0.113.{}", self.next)
    }

    /// A host with a public address.
    pub(crate) fn host(&mut self, of: &str) -> Host {
        let host = Host::new(of, self.next_address());
        host.wire("wan", &host.address, &self.public);
        host
    }

    /// A host behind a gateway of its own.
    pub(crate) fn host_behind(&mut self, of: &str, gateway: Gateway) -> Host {
        let number = self.private.len() + 1;
        let outside = self.next_address();
        let router = Host::new("gate", outside.clone());
        router.wire("wan", &outside, &self.public);
        let segment = Segment::new("lan");
        let inside = format!("192.168.{number}.1");
        router.wire("lan", &inside, &segment);
        router.run(&["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]);
        let translate = ["iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "wan", "-j", "MASQUERADE"];
        match gateway {
            Gateway::Steady => router.run(&translate),
            Gateway::Random => router.run(&[&translate[..], &["--random-fully"]].concat()),
        }
        // Replies come in, nothing else does; and nobody is told that it did not.
        let known = ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"];
        for chain in ["FORWARD", "INPUT"] {
            router.run(&[&["iptables", "-A", chain, "-i", "wan"][..], &known].concat());
            router.run(&["iptables", "-A", chain, "-i", "wan", "-j", "DROP"]);
        }
        let host = Host::new(of, format!("192.168.{number}.2"));
        host.wire("wan", &host.address, &segment);
        host.run(&["ip", "route", "add", "default", "via", &inside]);
        self.private.push((segment, router));
        host
    }
}

/// Two hosts on a link with delay and loss, for as long as this lives.
pub(crate) struct SlowLink {
    process: Child,
    _cable: Host,
}

impl SlowLink {
    /// Two public hosts; each packet between them arrives `delay_ms` later, and a share `loss` of them does not.
    pub(crate) fn between(of: [&str; 2], delay_ms: u32, loss: f64) -> (Self, [Host; 2]) {
        let cable = Host::new("cable", String::new());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/system/link.py");
        let mut command = cable.command("python3");
        command.args([script, "first", "second", &delay_ms.to_string(), &loss.to_string()]).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python3");
        let mut said = String::new();
        let output = process.stdout.take().expect("piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut said).expect("text");
        assert_eq!(said, "ready\n", "the link is there");
        let mut number = 0;
        let hosts = of.map(|of| {
            number += 1;
            let host = Host::new(of, format!("203.0.113.{number}"));
            let device = ["first", "second"][number - 1];
            cable.run(&["ip", "link", "set", device, "netns", &host.namespace]);
            host.run(&["ip", "link", "set", device, "name", "wan"]);
            host.run(&["ip", "address", "add", &format!("{}/24", host.address), "dev", "wan"]);
            host.run(&["ip", "link", "set", "wan", "up"]);
            host
        });
        (Self { process, _cable: cable }, hosts)
    }
}

impl Drop for SlowLink {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Starts a long-running command on a host.
pub(crate) fn spawn(host: &Host, program: &str, arguments: &[&str], log: std::fs::File) -> Child {
    let mut command = host.command(program);
    command.args(arguments).stdout(Stdio::null()).stderr(log);
    command.spawn().expect("the tool runs")
}
