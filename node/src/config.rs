//! The configuration of a node: `node.toml` in its directory, under what the environment and the command line say
//! ([`layers`]).

pub mod layers;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use libp2p::Multiaddr;
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use tacit_protocol::api::Setting;
use tacit_protocol::contract::Profile;
use tacit_protocol::{Code, Failure, address, name};

use crate::network::RelayLimits;
use layers::{Layers, Origins};

/// The file's name.
pub const FILE: &str = "node.toml";

/// How long a job may wait for a peer, in seconds.
const PEER_TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=86_400;
/// Calls a second of one token.
const API_CALLS: RangeInclusive<u32> = 1..=100_000;
/// How long a measurement with a peer may take, in seconds: the default is the most.
const BENCH_SECONDS: RangeInclusive<u32> = 1..=480;
/// How much memory the process of a measurement with a peer may use, in MiB: the default is the most.
const BENCH_MEMORY_MIB: RangeInclusive<u32> = 64..=4096;

/// The rate of the link to peers each way, in Mbit/s.
const LINK_MBIT: RangeInclusive<u32> = 1..=1_000_000;
/// The time to a peer and back, in milliseconds.
const LINK_ROUND_TRIP_MS: RangeInclusive<u32> = 0..=10_000;

/// How long a graceful stop may take.
const DRAIN_SECONDS: RangeInclusive<u32> = 0..=86_400;

/// The rate of idle work, in Mbit/s.
const IDLE_MBIT: RangeInclusive<u32> = 1..=1_000_000;
/// The threads of idle work.
const IDLE_THREADS: RangeInclusive<u32> = 1..=256;
/// The places and the connections of a relay.
const RELAY_PLACES: RangeInclusive<u32> = 1..=1024;
/// The bytes of a connection over a relay, in MiB.
const RELAY_MIB: RangeInclusive<u32> = 1..=1_048_576;
/// The life of a connection over a relay, in seconds.
const RELAY_SECONDS: RangeInclusive<u32> = 60..=86_400;

/// What idle work may keep for each peer, in bytes: 1 MiB to 1 TiB.
const IDLE_DISK: RangeInclusive<u64> = 1 << 20..=1 << 40;

/// What an operator sets. An unknown key is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The organisation's name, as peers and programs write it.
    pub name: String,
    /// Where to listen for peers, as multiaddresses over TCP and QUIC.
    pub listen: Vec<String>,
    /// Addresses to put into invitations instead of those that the node listens on, for nodes behind a gateway.
    #[serde(default)]
    pub announce: Vec<String>,
    /// Where to listen for the data plane of two-party jobs. Its port must be reachable by peers.
    pub data_listen: SocketAddr,
    /// The data plane's address as peers reach it, as a multiaddress over TCP, if it is not `data_listen`: for nodes
    /// behind a gateway. An example: `/dns/data.maison.example/tcp/7701`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_announce: Option<String>,
    /// Where the API listens: on the loopback interface, or, over TLS, anywhere.
    pub api_listen: SocketAddr,
    /// The certificate of the API and its chain, a PEM file; a path that is not absolute starts at the node's directory.
    /// With it and its key the API speaks TLS; the command line on this machine goes on by a port of its own on the
    /// loopback interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_tls_certificate: Option<PathBuf>,
    /// The key of that certificate, a PEM file that only the node's user may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_tls_key: Option<PathBuf>,
    /// Names by which the API is called over TLS, besides those of the loopback interface and the address that it listens
    /// on: `node.maison.example`, with a port where it is not that of `api_listen`. Calls by other names are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_hosts: Vec<String>,
    /// How many calls a second one token may make on average: 1 to 100000, 500 by default. An address may make four times
    /// as many, and twice as many of either may come at once.
    #[serde(default = "default_api_calls", skip_serializing_if = "is_default_api_calls")]
    pub api_calls_per_second: u32,
    /// The form of the process's log on standard error: `text`, the default, or `json`. `TACIT_LOG_FORMAT` in the
    /// environment goes before it.
    #[serde(default, skip_serializing_if = "LogFormat::is_default")]
    pub log_format: LogFormat,
    /// Whether peers on loopback addresses may be dialled: only for trying things out on one machine.
    #[serde(default)]
    pub allow_loopback: bool,
    /// How long a job may wait for a peer before it fails, in seconds: 1 to 86400, 60 by default.
    #[serde(default = "default_peer_timeout")]
    pub peer_timeout_seconds: u64,
    /// What the link to peers carries each way, in Mbit/s: 1 to 1000000, 1000 by default. With the one below it tells how
    /// jobs are computed, by few bytes, little work or few turns; contracts carry it, as the power of two next below.
    #[serde(default = "default_link_mbit", skip_serializing_if = "is_default_link_mbit")]
    pub link_mbit: u32,
    /// How long it takes to peers and back, in milliseconds: 0 to 10000, 1 by default.
    #[serde(default = "default_link_round_trip", skip_serializing_if = "is_default_link_round_trip")]
    pub link_round_trip_ms: u32,
    /// Organisations that may measure the engine with this node by `tacit bench --peer`, on drawn numbers: one
    /// measurement at a time, of at most 8 minutes and 4 GiB. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bench_peers: Vec<String>,
    /// How long a measurement with a peer may take, the set-up and all runs together, in seconds: 1 to 480, the default.
    #[serde(default = "default_bench_seconds", skip_serializing_if = "is_default_bench_seconds")]
    pub bench_seconds: u32,
    /// How much memory the process of a measurement with a peer may use, in MiB: 64 to 4096, the default. Beyond it the
    /// process ends, not the node.
    #[serde(default = "default_bench_memory", skip_serializing_if = "is_default_bench_memory")]
    pub bench_memory_mib: u32,
    /// How long a graceful stop waits for the jobs that are under way, in seconds: 0 to 86400, 60 by default. What a
    /// service manager allows for a stop must be longer by half a minute.
    #[serde(default = "default_drain_seconds", skip_serializing_if = "is_default_drain_seconds")]
    pub drain_seconds: u32,
    /// What the data plane goes over, in the order in which peers are to try it: `tcp`, `quic`, or both, TCP first by
    /// default. QUIC is for links on which TCP is blocked or loses much; its port has the number of `data_listen`.
    #[serde(default = "default_transports", skip_serializing_if = "is_default_transports")]
    pub data_transports: Vec<DataTransport>,
    /// The section `[relay]`: the peers over which this node is reached, and those that are reached over it.
    #[serde(default, skip_serializing_if = "Relay::is_default")]
    pub relay: Relay,
    /// The section `[idle]`: what the node does with its peers while no job runs.
    #[serde(default, skip_serializing_if = "Idle::is_default")]
    pub idle: Idle,
    /// Where each value came from.
    #[serde(skip)]
    pub origins: Origins,
}

/// The form of the process's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

impl LogFormat {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What the data plane goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataTransport {
    /// TCP connections.
    Tcp,
    /// QUIC connections.
    Quic,
}

impl DataTransport {
    fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
        }
    }
}

/// Relays: for nodes that cannot be reached from outside. An unknown key is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Relay {
    /// Paired organisations over which this node is reached; each has to name it under `serve`. Default: none.
    pub via: Vec<String>,
    /// Paired organisations that are reached over this node, and may reach each other over it. Default: none. A relay
    /// learns who speaks to whom, when and how much, and no content.
    pub serve: Vec<String>,
    /// Whether the data of this node's jobs may go over a relay, where no other way is found: `false` by default. It needs
    /// the peer's node to say so as well, and a relay whose bounds are wide enough.
    pub bulk: bool,
    /// How many organisations may keep a place here: 1 to 1024, 16 by default.
    pub places: u32,
    /// How many connections may go over this node at a time: 1 to 1024, 16 by default.
    pub connections: u32,
    /// How much one of them carries, in MiB: 1 to 1048576, 16 by default.
    pub connection_mib: u32,
    /// How long one of them lives, in seconds: 60 to 86400, 3600 by default. The two ends then make a new one.
    pub connection_seconds: u32,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            via: Vec::new(),
            serve: Vec::new(),
            bulk: false,
            places: 16,
            connections: 16,
            connection_mib: 16,
            connection_seconds: 3600,
        }
    }
}

impl Relay {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Its bounds, as the network has them.
    pub fn limits(&self) -> RelayLimits {
        RelayLimits {
            reservations: self.places as usize,
            circuits: self.connections as usize,
            circuit_bytes: u64::from(self.connection_mib) << 20,
            circuit_duration: Duration::from_secs(self.connection_seconds.into()),
        }
    }
}

/// What a node does while no job runs: it makes correlations with its peers in advance, so that jobs take less time. An
/// unknown key is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Idle {
    /// Whether it does anything: `true` by default. It needs the peer's node to do so as well.
    pub enabled: bool,
    /// The most bytes of the disk for each peer: 1048576 (1 MiB) to 1099511627776 (1 TiB), 1073741824 (1 GiB) by default.
    pub disk: u64,
    /// How many threads it uses: 1 to 256, 1 by default.
    pub threads: u32,
    /// The most traffic each way, in Mbit/s: 1 to 1000000. Default: no limit but the link's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mbit: Option<u32>,
}

impl Default for Idle {
    fn default() -> Self {
        Self { enabled: true, disk: 1 << 30, threads: 1, mbit: None }
    }
}

impl Idle {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn default_transports() -> Vec<DataTransport> {
    vec![DataTransport::Tcp, DataTransport::Quic]
}

fn is_default_transports(transports: &[DataTransport]) -> bool {
    transports == default_transports()
}

fn default_peer_timeout() -> u64 {
    60
}

fn default_api_calls() -> u32 {
    500
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_default_api_calls(calls: &u32) -> bool {
    *calls == default_api_calls()
}

fn default_link_mbit() -> u32 {
    1000
}

fn default_link_round_trip() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_default_link_mbit(mbit: &u32) -> bool {
    *mbit == default_link_mbit()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_default_link_round_trip(milliseconds: &u32) -> bool {
    *milliseconds == default_link_round_trip()
}

/// What a node can do, as plans see it: a core of today, which makes 2^10 million AES blocks a second, and a link.
pub fn profile(mbit: f64, round_trip_ms: f64) -> Profile {
    // The power of two next below: it is the same on both sides, and tells little of a machine.
    let log2 = |number: f64| number.max(1.0).log2().floor() as u8;
    Profile { core_speed: 10, round_trip: log2(round_trip_ms * 1e3), bandwidth: log2(mbit * 1e6 / 8.0) }
}

fn default_bench_seconds() -> u32 {
    *BENCH_SECONDS.end()
}

fn default_bench_memory() -> u32 {
    *BENCH_MEMORY_MIB.end()
}

fn default_drain_seconds() -> u32 {
    60
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_default_drain_seconds(seconds: &u32) -> bool {
    *seconds == default_drain_seconds()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_default_bench_seconds(seconds: &u32) -> bool {
    *seconds == default_bench_seconds()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_default_bench_memory(mib: &u32) -> bool {
    *mib == default_bench_memory()
}

/// The choices of `tacit init`.
#[derive(Args, Clone, Debug)]
pub struct InitOptions {
    /// The organisation's name: lower-case letters, digits and dashes, as programs will write it.
    #[arg(long)]
    pub name: String,
    /// The address to listen on.
    #[arg(long, default_value = "0.0.0.0", value_name = "IP")]
    pub host: std::net::IpAddr,
    /// The first of three ports: peers (TCP and QUIC), data plane, API. 0: free ones are chosen once and written down.
    #[arg(long, default_value_t = 7700)]
    pub port: u16,
    /// Allow peers on loopback addresses, to try things out on one machine.
    #[arg(long)]
    pub allow_loopback: bool,
}

impl Config {
    /// The configuration that `tacit init` writes.
    ///
    /// # Errors
    /// `USAGE_PORT` if no free ports are found.
    pub fn initial(options: &InitOptions) -> Result<Self, Failure> {
        let [peers, data, api] = ports(options.port)?;
        let (protocol, host) = if options.host.is_ipv4() { ("ip4", options.host) } else { ("ip6", options.host) };
        Ok(Self {
            name: options.name.clone(),
            listen: vec![format!("/{protocol}/{host}/tcp/{peers}"), format!("/{protocol}/{host}/udp/{peers}/quic-v1")],
            announce: Vec::new(),
            data_listen: SocketAddr::new(host, data),
            data_announce: None,
            api_listen: SocketAddr::from(([127, 0, 0, 1], api)),
            api_tls_certificate: None,
            api_tls_key: None,
            api_hosts: Vec::new(),
            api_calls_per_second: default_api_calls(),
            log_format: LogFormat::default(),
            allow_loopback: options.allow_loopback,
            peer_timeout_seconds: default_peer_timeout(),
            link_mbit: default_link_mbit(),
            link_round_trip_ms: default_link_round_trip(),
            bench_peers: Vec::new(),
            bench_seconds: default_bench_seconds(),
            bench_memory_mib: default_bench_memory(),
            drain_seconds: default_drain_seconds(),
            data_transports: default_transports(),
            relay: Relay::default(),
            idle: Idle::default(),
            origins: Origins::default(),
        })
    }

    /// What this node can do, as plans see it.
    pub fn profile(&self) -> Profile {
        profile(self.link_mbit.into(), self.link_round_trip_ms.into())
    }

    /// Reads the configuration in a directory, under this process's environment.
    ///
    /// # Errors
    /// `API_NO_NODE` if there is none, `USAGE_CONFIG` with its place if something in it is wrong.
    pub fn read(dir: &Path) -> Result<Self, Failure> {
        Self::load(dir, &Layers::of_environment(std::env::vars_os()))
    }

    /// Reads the configuration in a directory, under some layers.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn load(dir: &Path, layers: &Layers) -> Result<Self, Failure> {
        let config = layers.over_file(&dir.join(FILE))?;
        config.check().map_err(|wrong| config.refusal(&wrong))?;
        Ok(config)
    }

    fn refusal(&self, wrong: &Wrong) -> Failure {
        layers::wrong(&self.origins.place(&wrong.key), &format_args!("`{}`{}", wrong.key, wrong.cause))
    }

    /// Where to listen for peers.
    ///
    /// # Errors
    /// `USAGE_CONFIG` if one is no multiaddress.
    pub fn listen_addresses(&self) -> Result<Vec<Multiaddr>, Failure> {
        multiaddresses("listen", &self.listen).map_err(|wrong| self.refusal(&wrong))
    }

    /// What to put into invitations instead.
    ///
    /// # Errors
    /// `USAGE_CONFIG` if one is no multiaddress.
    pub fn announced_addresses(&self) -> Result<Vec<Multiaddr>, Failure> {
        multiaddresses("announce", &self.announce).map_err(|wrong| self.refusal(&wrong))
    }

    /// The certificate of the API and its key, where it speaks TLS.
    pub fn api_tls(&self) -> Option<(&Path, &Path)> {
        Some((self.api_tls_certificate.as_deref()?, self.api_tls_key.as_deref()?))
    }

    /// Checks the values against their limits, and what a start would refuse: the first that is wrong.
    fn check(&self) -> Result<(), Wrong> {
        let wrong = |key: &str, cause: String| Err(Wrong { key: key.to_owned(), cause });
        name::check_organisation(&self.name).or_else(|error| wrong("name", format!(": {error}")))?;
        multiaddresses("listen", &self.listen)?;
        multiaddresses("announce", &self.announce)?;
        self.check_api()?;
        if !PEER_TIMEOUT_SECONDS.contains(&self.peer_timeout_seconds) {
            let (least, most) = PEER_TIMEOUT_SECONDS.into_inner();
            return wrong("peer_timeout_seconds", format!(" is {least} to {most}, not {}", self.peer_timeout_seconds));
        }
        if !IDLE_DISK.contains(&self.idle.disk) {
            let (least, most) = IDLE_DISK.into_inner();
            return wrong("idle.disk", format!(" is {least} to {most} bytes, not {}", self.idle.disk));
        }
        for (key, value, allowed) in [
            ("api_calls_per_second", self.api_calls_per_second, API_CALLS),
            ("idle.threads", self.idle.threads, IDLE_THREADS),
            ("idle.mbit", self.idle.mbit.unwrap_or(*IDLE_MBIT.end()), IDLE_MBIT),
            ("link_mbit", self.link_mbit, LINK_MBIT),
            ("link_round_trip_ms", self.link_round_trip_ms, LINK_ROUND_TRIP_MS),
            ("bench_seconds", self.bench_seconds, BENCH_SECONDS),
            ("bench_memory_mib", self.bench_memory_mib, BENCH_MEMORY_MIB),
            ("drain_seconds", self.drain_seconds, DRAIN_SECONDS),
            ("relay.places", self.relay.places, RELAY_PLACES),
            ("relay.connections", self.relay.connections, RELAY_PLACES),
            ("relay.connection_mib", self.relay.connection_mib, RELAY_MIB),
            ("relay.connection_seconds", self.relay.connection_seconds, RELAY_SECONDS),
        ] {
            if !allowed.contains(&value) {
                let (least, most) = allowed.into_inner();
                return wrong(key, format!(" is {least} to {most}, not {value}"));
            }
        }
        let transports = &self.data_transports;
        if transports.is_empty() || transports.len() > 2 || (transports.len() == 2 && transports[0] == transports[1]) {
            return wrong("data_transports", " is `tcp`, `quic`, or each once".into());
        }
        match self.data_announce.as_deref().map(address::parse) {
            Some(Err(error)) => wrong("data_announce", format!(": {error}")),
            Some(Ok(parsed)) if parsed.quic => wrong("data_announce", ": name the TCP port; QUIC has the same".into()),
            Some(Ok(parsed)) if parsed.relay.is_some() => wrong("data_announce", ": no relay carries bulk data".into()),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// CHK-903: beyond the loopback interface the API speaks TLS alone.
    fn check_api(&self) -> Result<(), Wrong> {
        let wrong = |key: &str, cause: String| Err(Wrong { key: key.to_owned(), cause });
        match (&self.api_tls_certificate, &self.api_tls_key) {
            (Some(_), None) => wrong("api_tls_certificate", " is set without `api_tls_key`".into()),
            (None, Some(_)) => wrong("api_tls_key", " is set without `api_tls_certificate`".into()),
            (None, None) if !self.api_listen.ip().is_loopback() => {
                let cause = " would be open to other machines without TLS: set `api_tls_certificate` and `api_tls_key`";
                wrong("api_listen", format!(": {}{cause}", self.api_listen))
            }
            _ => Ok(()),
        }
    }

    /// Every key with its value and where it came from, in the order of the file.
    pub fn settings(&self) -> Vec<Setting> {
        let set = |key: &str, value: &dyn ToString, default: bool| {
            let (origin, place) = self.origins.of(key, default);
            Setting { key: key.to_owned(), value: value.to_string(), default: origin == "default", origin, place }
        };
        let list = |items: &[String]| if items.is_empty() { "none".to_owned() } else { items.join(" ") };
        let path = |file: Option<&PathBuf>| file.map_or("none".to_owned(), |file| file.display().to_string());
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
        let (idle, relay) = (Idle::default(), Relay::default());
        vec![
            set("name", &self.name, false),
            set("listen", &list(&self.listen), false),
            set("announce", &list(&self.announce), self.announce.is_empty()),
            set("data_listen", &self.data_listen, false),
            set("data_announce", &or_none(self.data_announce.clone()), self.data_announce.is_none()),
            set("api_listen", &self.api_listen, false),
            set("api_tls_certificate", &path(self.api_tls_certificate.as_ref()), self.api_tls_certificate.is_none()),
            set("api_tls_key", &path(self.api_tls_key.as_ref()), self.api_tls_key.is_none()),
            set("api_hosts", &list(&self.api_hosts), self.api_hosts.is_empty()),
            set("api_calls_per_second", &self.api_calls_per_second, is_default_api_calls(&self.api_calls_per_second)),
            set("log_format", &self.log_format.name(), self.log_format.is_default()),
            set("allow_loopback", &self.allow_loopback, !self.allow_loopback),
            set(
                "peer_timeout_seconds",
                &self.peer_timeout_seconds,
                self.peer_timeout_seconds == default_peer_timeout(),
            ),
            set("link_mbit", &self.link_mbit, is_default_link_mbit(&self.link_mbit)),
            set("link_round_trip_ms", &self.link_round_trip_ms, is_default_link_round_trip(&self.link_round_trip_ms)),
            set("bench_peers", &list(&self.bench_peers), self.bench_peers.is_empty()),
            set("bench_seconds", &self.bench_seconds, is_default_bench_seconds(&self.bench_seconds)),
            set("bench_memory_mib", &self.bench_memory_mib, is_default_bench_memory(&self.bench_memory_mib)),
            set("drain_seconds", &self.drain_seconds, is_default_drain_seconds(&self.drain_seconds)),
            set(
                "data_transports",
                &list(&self.data_transports.iter().map(|transport| transport.as_str().to_owned()).collect::<Vec<_>>()),
                is_default_transports(&self.data_transports),
            ),
            set("relay.via", &list(&self.relay.via), self.relay.via.is_empty()),
            set("relay.serve", &list(&self.relay.serve), self.relay.serve.is_empty()),
            set("relay.bulk", &self.relay.bulk, !self.relay.bulk),
            set("relay.places", &self.relay.places, self.relay.places == relay.places),
            set("relay.connections", &self.relay.connections, self.relay.connections == relay.connections),
            set("relay.connection_mib", &self.relay.connection_mib, self.relay.connection_mib == relay.connection_mib),
            set(
                "relay.connection_seconds",
                &self.relay.connection_seconds,
                self.relay.connection_seconds == relay.connection_seconds,
            ),
            set("idle.enabled", &self.idle.enabled, self.idle.enabled == idle.enabled),
            set("idle.disk", &self.idle.disk, self.idle.disk == idle.disk),
            set("idle.threads", &self.idle.threads, self.idle.threads == idle.threads),
            set("idle.mbit", &or_none(self.idle.mbit.map(|mbit| mbit.to_string())), self.idle.mbit == idle.mbit),
        ]
    }

    /// The text of the file.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration serialises")
    }
}

/// A value that cannot be, and why: what follows its key.
struct Wrong {
    key: String,
    cause: String,
}

fn multiaddresses(key: &str, texts: &[String]) -> Result<Vec<Multiaddr>, Wrong> {
    let parsed = texts.iter().map(|text| {
        text.parse().map_err(|cause| Wrong {
            key: key.to_owned(),
            cause: format!(": {text:?} is no multiaddress: {cause}; an example: /ip4/0.0.0.0/tcp/7700"),
        })
    });
    parsed.collect()
}

/// Three ports from `first` on, or three free ones in a row.
///
/// Free ones are looked for below the range from which systems take the ports of outgoing connections, so that none
/// of those sits on one of them while the node is stopped.
fn ports(first: u16) -> Result<[u16; 3], Failure> {
    const TRIES: usize = 1_000;
    let failure = |cause: &str| {
        Failure::new(Code::new("USAGE_PORT"), format!("no three ports: {cause}"), "choose another --port.")
    };
    let row = |first: u16| Some([first, first.checked_add(1)?, first.checked_add(2)?]);
    if first != 0 {
        return row(first).ok_or_else(|| failure("the numbers end at 65535"));
    }
    let mut rng = crate::clock::system_rng();
    let candidates = (0..TRIES).filter_map(|_| row(10_000 + u16::try_from(rng.next_u32() % 20_000).unwrap_or(0)));
    let free =
        |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok() && UdpSocket::bind(("127.0.0.1", *port)).is_ok();
    let found = candidates.into_iter().find(|ports| ports.iter().all(free));
    found.ok_or_else(|| failure("none are free"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(port: u16) -> InitOptions {
        InitOptions { name: "maison".into(), host: [127, 0, 0, 1].into(), port, allow_loopback: true }
    }

    #[test]
    fn what_init_writes_is_read_back() {
        let config = Config::initial(&options(0)).expect("free ports");
        assert_eq!(toml::from_str::<Config>(&config.to_toml()).expect("its own text"), config);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let text = Config::initial(&options(7700)).expect("ports").to_toml() + "allow_loopbak = true\n";
        std::fs::write(dir.path().join(FILE), text).expect("written");
        let failure = Config::read(dir.path()).expect_err("a refusal");
        assert_eq!(failure.code.as_str(), "USAGE_CONFIG");
        assert!(failure.message.contains("allow_loopbak"), "{failure}");
    }

    #[test]
    fn the_announced_data_address_is_a_multiaddress_over_tcp() {
        let dir = tempfile::tempdir().expect("a directory");
        let read = |announced: &str| {
            let config =
                Config { data_announce: Some(announced.into()), ..Config::initial(&options(7700)).expect("ports") };
            std::fs::write(dir.path().join(FILE), config.to_toml()).expect("written");
            Config::read(dir.path())
        };
        assert!(read("/dns/data.maison.example/tcp/7701").is_ok());
        for wrong in ["data.maison.example:7701", "/ip4/203.0.113.7/udp/7701/quic-v1", ""] {
            let failure = read(wrong).expect_err("a refusal");
            assert_eq!(failure.code.as_str(), "USAGE_CONFIG", "{wrong}");
            assert!(failure.message.contains("data_announce"), "{failure}");
        }
    }

    #[test]
    fn what_a_start_would_refuse_or_drop_is_refused_when_the_file_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let read = |change: &dyn Fn(&mut Config)| {
            let mut config = Config::initial(&options(7700)).expect("ports");
            change(&mut config);
            std::fs::write(dir.path().join(FILE), config.to_toml()).expect("written");
            Config::read(dir.path())
        };
        let pair = |config: &mut Config| {
            (config.api_tls_certificate, config.api_tls_key) = (Some("api.pem".into()), Some("api.key".into()));
            config.api_listen = "0.0.0.0:7702".parse().expect("an address");
        };
        assert!(read(&pair).expect("TLS").api_tls().is_some());
        assert!(read(&|config| config.peer_timeout_seconds = 86_400).is_ok());
        type Change<'a> = &'a dyn Fn(&mut Config);
        let wrong: [(&str, Change<'_>); 9] = [
            ("name", &|config| config.name = "mai\u{202e}son".into()),
            ("name", &|config| config.name.clear()),
            ("listen", &|config| config.listen.push("0.0.0.0:7700".into())),
            ("announce", &|config| config.announce = vec!["node.maison.example:7700".into()]),
            ("peer_timeout_seconds", &|config| config.peer_timeout_seconds = 0),
            ("peer_timeout_seconds", &|config| config.peer_timeout_seconds = i64::MAX as u64),
            ("api_tls_key", &|config| config.api_tls_key = Some("api.key".into())),
            ("api_tls_certificate", &|config| config.api_tls_certificate = Some("api.pem".into())),
            ("api_listen", &|config| config.api_listen = "0.0.0.0:7702".parse().expect("an address")),
        ];
        for (key, change) in wrong {
            let failure = read(change).expect_err(key);
            assert_eq!(failure.code.as_str(), "USAGE_CONFIG", "{key}");
            assert!(failure.message.contains(&format!("`{key}`")), "{failure}");
        }
    }

    #[test]
    fn the_limits_of_measurements_can_be_lowered_and_not_raised() {
        let dir = tempfile::tempdir().expect("a directory");
        let initial = Config::initial(&options(7700)).expect("ports");
        assert_eq!((initial.bench_seconds, initial.bench_memory_mib), (480, 4096));
        let read = |line: &str| {
            std::fs::write(dir.path().join(FILE), format!("{}{line}\n", initial.to_toml())).expect("written");
            Config::read(dir.path())
        };
        let lowered = read("bench_seconds = 1\nbench_memory_mib = 64").expect("lower limits");
        assert_eq!((lowered.bench_seconds, lowered.bench_memory_mib), (1, 64));
        for wrong in ["bench_seconds = 481", "bench_seconds = 0", "bench_memory_mib = 4097", "bench_memory_mib = 63"] {
            let failure = read(wrong).expect_err("a refusal");
            assert_eq!(failure.code.as_str(), "USAGE_CONFIG", "{wrong}");
            assert!(failure.message.contains(wrong.split(' ').next().expect("a key")), "{failure}");
        }
    }

    #[test]
    fn the_link_is_what_the_operator_says_and_a_gigabit_otherwise() {
        let dir = tempfile::tempdir().expect("a directory");
        let initial = Config::initial(&options(7700)).expect("ports");
        assert_eq!(initial.profile(), Profile { core_speed: 10, round_trip: 9, bandwidth: 26 });
        let read = |line: &str| {
            std::fs::write(dir.path().join(FILE), format!("{}{line}\n", initial.to_toml())).expect("written");
            Config::read(dir.path())
        };
        let slow = read("link_mbit = 100\nlink_round_trip_ms = 40").expect("a slow link");
        assert_eq!(slow.profile(), Profile { core_speed: 10, round_trip: 15, bandwidth: 23 });
        for wrong in ["link_mbit = 0", "link_mbit = 1000001", "link_round_trip_ms = 10001"] {
            let failure = read(wrong).expect_err("a refusal");
            assert_eq!(failure.code.as_str(), "USAGE_CONFIG", "{wrong}");
            assert!(failure.message.contains(wrong.split(' ').next().expect("a key")), "{failure}");
        }
    }

    #[test]
    fn idle_work_is_on_by_default_and_bounded_by_its_section() {
        let dir = tempfile::tempdir().expect("a directory");
        let initial = Config::initial(&options(7700)).expect("ports");
        assert_eq!(initial.idle, Idle { enabled: true, disk: 1 << 30, threads: 1, mbit: None });
        assert!(!initial.to_toml().contains("idle"), "what is not changed is not written");
        let read = |lines: &str| {
            std::fs::write(dir.path().join(FILE), format!("{}\n[idle]\n{lines}\n", initial.to_toml()))
                .expect("written");
            Config::read(dir.path())
        };
        assert_eq!(read("").expect("an empty section").idle, Idle::default());
        let mut set = read("enabled = false\ndisk = 1048576\nthreads = 2\nmbit = 100").expect("a section");
        assert_eq!(set.idle, Idle { enabled: false, disk: 1 << 20, threads: 2, mbit: Some(100) });
        set.origins = Origins::default();
        assert_eq!(toml::from_str::<Config>(&set.to_toml()).expect("its own text"), set);
        for (wrong, named) in [
            ("disk = 1048575", "idle.disk"),
            ("disk = 1099511627777", "idle.disk"),
            ("disk = -1", "disk"),
            ("threads = 0", "idle.threads"),
            ("threads = 257", "idle.threads"),
            ("mbit = 0", "idle.mbit"),
            ("mbit = 1000001", "idle.mbit"),
            ("disc = 1048576", "disc"),
        ] {
            let failure = read(wrong).expect_err("a refusal");
            assert_eq!(failure.code.as_str(), "USAGE_CONFIG", "{wrong}");
            assert!(failure.message.contains(named), "{failure}");
        }
    }

    #[test]
    fn every_key_of_the_file_is_among_the_settings() {
        let mut config = Config::initial(&options(7700)).expect("ports");
        config.data_announce = Some("/dns/data.maison.example/tcp/7701".into());
        config.bench_peers = vec!["banque".into()];
        (config.link_mbit, config.link_round_trip_ms) = (100, 40);
        (config.bench_seconds, config.bench_memory_mib) = (1, 64);
        config.drain_seconds = 5;
        config.idle = Idle { enabled: false, disk: 1 << 20, threads: 2, mbit: Some(100) };
        config.announce = vec!["/ip4/203.0.113.7/tcp/7700".into()];
        (config.api_tls_certificate, config.api_tls_key) = (Some("api.pem".into()), Some("api.key".into()));
        config.api_hosts = vec!["node.maison.example".into()];
        (config.api_calls_per_second, config.log_format) = (50, LogFormat::Json);
        config.data_transports = vec![DataTransport::Quic];
        config.relay = Relay {
            via: vec!["harbour".into()],
            serve: vec!["banque".into()],
            bulk: true,
            places: 1,
            connections: 2,
            connection_mib: 3,
            connection_seconds: 60,
        };
        let settings = config.settings();
        assert!(
            settings.iter().all(|setting| !setting.default || setting.key == "peer_timeout_seconds"),
            "{settings:?}"
        );
        let written: toml::Table = toml::from_str(&config.to_toml()).expect("its own text");
        let keys = |table: &toml::Table, section: &str| -> Vec<String> {
            table.iter().filter(|(_, value)| !value.is_table()).map(|(key, _)| format!("{section}{key}")).collect()
        };
        let section = |name: &str| written.get(name).and_then(toml::Value::as_table).expect("a section");
        let mut expected =
            [keys(&written, ""), keys(section("idle"), "idle."), keys(section("relay"), "relay.")].concat();
        let mut found: Vec<String> = settings.into_iter().map(|setting| setting.key).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn ports_end_at_65535() {
        assert_eq!(Config::initial(&options(65_534)).expect_err("a refusal").code.as_str(), "USAGE_PORT");
    }
}
