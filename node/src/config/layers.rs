//! Where the values of the configuration come from: `node.toml`, over it the environment, over that the command line.
//!
//! *Order*: file < environment < flags. A variable is `TACIT_` and the key in capitals, its dots as underscores:
//! `TACIT_LINK_MBIT`, `TACIT_IDLE_ENABLED`. `--set KEY=VALUE` takes any key; the usual ones have flags of their own.
//! *Values*: a text is read as TOML where the key takes that (`7`, `true`, `["a", "b"]`), otherwise as it is; a list may
//! also be written with commas.
//! *Unknown keys* are refused wherever they stand, with the key that was likely meant. Variables that Kubernetes makes
//! of services named `tacit` are none of ours and are left alone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::Args;
use tacit_protocol::near::nearest;
use tacit_protocol::{Code, Failure};
use toml::de::{DeTable, DeValue};

use super::{Config, FILE, InitOptions};

/// What the variables of the configuration start with.
pub const PREFIX: &str = "TACIT_";
/// Variables of this software that set no key: the command line, diagnosis and the project's own tests know them.
const OTHER_VARIABLES: [&str; 4] = ["TACIT_DIR", "TACIT_LOG", "TACIT_SIMD", "TACIT_RENEW"];
const TEST_PREFIX: &str = "TACIT_TEST_";
/// The most that is read of a configuration.
const MAX_BYTES: u64 = 1 << 20;

/// The flags of `tacit node` that set values. They go before the environment and `node.toml`.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// Set any key of node.toml for this run, such as `--set idle.threads=2`. Goes before the environment
    /// (TACIT_IDLE_THREADS=2), which goes before the file.
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<String>,
    /// Where to listen for peers: a multiaddress over TCP or QUIC. May be given more than once.
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// An address to put into invitations, for nodes behind a gateway. May be given more than once.
    #[arg(long, value_name = "ADDRESS")]
    announce: Vec<String>,
    /// Where to listen for the data plane, as IP:PORT.
    #[arg(long, value_name = "IP:PORT")]
    data_listen: Option<String>,
    /// The data plane's address as peers reach it, as a multiaddress over TCP.
    #[arg(long, value_name = "ADDRESS")]
    data_announce: Option<String>,
    /// Where the API listens, as IP:PORT.
    #[arg(long, value_name = "IP:PORT")]
    api_listen: Option<String>,
    /// How long a job may wait for a peer before it fails, in seconds.
    #[arg(long, value_name = "SECONDS")]
    peer_timeout_seconds: Option<u64>,
}

fn assignment(text: &str) -> Result<String, String> {
    if text.contains('=') { Ok(text.to_owned()) } else { Err("write it as KEY=VALUE".into()) }
}

/// What sets a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// A line of `node.toml`, counted from 1.
    File(usize),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl Origin {
    fn word(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Environment(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }

    fn place(&self) -> String {
        match self {
            Self::File(line) => format!("{FILE} line {line}"),
            Self::Environment(name) | Self::Flag(name) => name.clone(),
        }
    }
}

/// Where each value that is no default came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// The word for what sets a key, and where it does. `default` is what is known of a configuration of no source.
    pub(super) fn of(&self, key: &str, default: bool) -> (String, String) {
        match self.0.get(key) {
            Some(origin) => (origin.word().into(), origin.place()),
            None if self.0.is_empty() && !default => ("file".into(), FILE.into()),
            None => ("default".into(), String::new()),
        }
    }

    /// Where a key is set, for messages.
    pub(super) fn place(&self, key: &str) -> String {
        self.0.get(key).map_or_else(|| FILE.to_owned(), Origin::place)
    }
}

/// A value for a key, and who says so.
#[derive(Clone, Debug)]
struct Override {
    key: Option<String>,
    /// What was written for the key.
    written: String,
    /// One text, or several of a list; an error if it is no text.
    value: Result<Vec<String>, ()>,
    origin: Origin,
}

/// What goes over the file, the weakest first.
#[derive(Clone, Debug, Default)]
pub struct Layers(Vec<Override>);

impl Layers {
    /// Those of an environment.
    pub fn of_environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let keys = keys();
        let mut found: Vec<Override> = Vec::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX) && !is_other(name)) else { continue };
            let key = keys.iter().find(|key| variable(key) == name).cloned();
            if key.is_none() && is_of_kubernetes(name) {
                continue;
            }
            let origin = Origin::Environment(name.to_owned());
            // One that is no text fits no key: it is refused with its name when it is put over the file.
            let value = value.into_string().map(|text| vec![text]).map_err(drop);
            found.push(Override { key, written: name.to_owned(), value, origin });
        }
        found.sort_by(|a, b| a.written.cmp(&b.written));
        Self(found)
    }

    /// The same with the flags over it.
    #[must_use]
    pub fn with_flags(mut self, flags: &Flags) -> Self {
        let known = keys();
        for set in &flags.set {
            let (written, value) = set.split_once('=').unwrap_or((set, ""));
            let key = known.iter().find(|key| *key == written.trim()).cloned();
            let origin = Origin::Flag(format!("--set {}", written.trim()));
            self.0.push(Override { key, written: written.trim().into(), value: Ok(vec![value.into()]), origin });
        }
        let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        let timeout = flags.peer_timeout_seconds.map(|seconds| seconds.to_string());
        for (key, flag, value) in [
            ("listen", "--listen", flags.listen.clone()),
            ("announce", "--announce", flags.announce.clone()),
            ("data_listen", "--data-listen", one(&flags.data_listen)),
            ("data_announce", "--data-announce", one(&flags.data_announce)),
            ("api_listen", "--api-listen", one(&flags.api_listen)),
            ("peer_timeout_seconds", "--peer-timeout-seconds", one(&timeout)),
        ] {
            if !value.is_empty() {
                let origin = Origin::Flag(flag.into());
                self.0.push(Override { key: Some(key.into()), written: key.into(), value: Ok(value), origin });
            }
        }
        self
    }

    /// The configuration of a file under these layers; not checked against the limits of its values.
    pub(super) fn over_file(&self, path: &Path) -> Result<Config, Failure> {
        let text = read(path)?;
        let shown = path.display().to_string();
        let mut origins = origins_of_file(&text, &shown)?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|cause| wrong(&shown, &cause))?;
        for over in &self.0 {
            let Some(key) = &over.key else { return Err(unknown(over)) };
            put(&mut table, key, over.typed(key)?);
            origins.0.insert(key.clone(), over.origin.clone());
        }
        // Read from the text where nothing was put over it: its errors name line and column.
        let read = if self.0.is_empty() { toml::from_str(&text) } else { table.try_into() };
        let mut config: Config = read.map_err(|cause: toml::de::Error| wrong(&shown, &cause))?;
        config.origins = origins;
        Ok(config)
    }
}

impl Override {
    /// The value in the type that its key takes.
    fn typed(&self, key: &str) -> Result<toml::Value, Failure> {
        let value = self
            .value
            .as_ref()
            .map_err(|()| wrong(&self.origin.place(), &format_args!("the value for `{key}` is no text in UTF-8")))?;
        let strings = |items: &mut dyn Iterator<Item = &str>| {
            toml::Value::Array(items.map(|item| toml::Value::String(item.into())).collect())
        };
        let list = strings(&mut value.iter().map(String::as_str));
        let mut candidates = Vec::new();
        if let [text] = value.as_slice() {
            let literal = toml::from_str::<toml::Table>(&format!("value = {text}\n")).ok();
            candidates.extend(literal.and_then(|mut table| table.remove("value")));
            candidates.push(toml::Value::String(text.clone()));
            candidates.push(strings(&mut text.split(',').map(str::trim).filter(|item| !item.is_empty())));
        } else {
            candidates.push(list);
        }
        let mut refused = None;
        for candidate in candidates {
            let mut table = scratch();
            put(&mut table, key, candidate.clone());
            match Config::deserialize_table(table) {
                Ok(()) => return Ok(candidate),
                Err(cause) => drop(refused.get_or_insert(cause)),
            }
        }
        let cause = refused.map(|cause| cause.message().to_owned()).unwrap_or_default();
        Err(wrong(&self.origin.place(), &format_args!("`{key}`: {}", cause.trim_end())))
    }
}

impl Config {
    fn deserialize_table(table: toml::Table) -> Result<(), toml::de::Error> {
        table.try_into::<Self>().map(drop)
    }
}

/// A configuration that is good, to try a value in.
fn scratch() -> toml::Table {
    toml::from_str(&sample().to_toml()).expect("its own text")
}

fn sample() -> Config {
    let host = std::net::Ipv4Addr::LOCALHOST.into();
    let options = InitOptions { name: "sample".into(), host, port: 7700, allow_loopback: false };
    Config::initial(&options).expect("ports above 7700")
}

/// Every key that there is.
fn keys() -> Vec<String> {
    sample().settings().into_iter().map(|setting| setting.key).collect()
}

/// The variable of a key.
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}

fn is_other(name: &str) -> bool {
    OTHER_VARIABLES.contains(&name) || name.starts_with(TEST_PREFIX)
}

/// Whether a variable has the form of those that Kubernetes makes of a service.
fn is_of_kubernetes(name: &str) -> bool {
    let after_port = name.split_once("_PORT_").map(|(_, rest)| rest);
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.ends_with("_PORT")
        || after_port.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn read(path: &Path) -> Result<String, Failure> {
    let no_node = |cause: &dyn std::fmt::Display| {
        let message = format!("cannot read {}: {cause}", path.display());
        Failure::new(Code::new("API_NO_NODE"), message, "create the node with `tacit init --name NAME`.")
    };
    let size = std::fs::metadata(path).map_err(|cause| no_node(&cause))?.len();
    if size > MAX_BYTES {
        return Err(wrong(&path.display().to_string(), &"it has more than a mebibyte"));
    }
    std::fs::read_to_string(path).map_err(|cause| no_node(&cause))
}

/// A failure of the configuration at a place: a file, a variable or a flag.
pub(super) fn wrong(place: &str, cause: &dyn std::fmt::Display) -> Failure {
    let next = "mend it there; a node.toml that `tacit init` makes shows the form of each key.";
    Failure::new(Code::new("USAGE_CONFIG"), format!("{place}: {cause}"), next)
}

fn unknown(over: &Override) -> Failure {
    let (place, known) = match over.origin {
        Origin::Environment(_) => ("the environment", keys().iter().map(|key| variable(key)).collect::<Vec<_>>()),
        _ => ("--set", keys()),
    };
    unknown_key(place, &over.written, &known)
}

fn unknown_key(place: &str, key: &str, known: &[String]) -> Failure {
    let meant = nearest(key, known.iter().map(String::as_str));
    let hint = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
    let next = "`tacit config check` shows every key with its value.";
    Failure::new(Code::new("USAGE_CONFIG"), format!("{place}: there is no key `{key}`{hint}"), next)
}

/// The keys of a file with their lines; an unknown one is an error.
fn origins_of_file(text: &str, shown: &str) -> Result<Origins, Failure> {
    let parsed = DeTable::parse(text).map_err(|cause| wrong(shown, &cause))?;
    let mut found = Vec::new();
    collect(parsed.get_ref(), "", text, &mut found);
    let known = keys();
    let mut origins = BTreeMap::new();
    for (key, line) in found {
        if !known.contains(&key) {
            return Err(unknown_key(&format!("{shown} line {line}"), &key, &known));
        }
        origins.insert(key, Origin::File(line));
    }
    Ok(Origins(origins))
}

/// The keys of a table below `prefix`, with their lines.
fn collect(table: &DeTable<'_>, prefix: &str, text: &str, found: &mut Vec<(String, usize)>) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, &format!("{name}."), text, found),
            _ => {
                let before = text.get(..key.span().start).unwrap_or_default();
                found.push((name, before.matches('\n').count() + 1));
            }
        }
    }
}

/// Sets a key, with its section.
fn put(table: &mut toml::Table, key: &str, value: toml::Value) {
    match key.split_once('.') {
        None => drop(table.insert(key.to_owned(), value)),
        Some((section, key)) => {
            let inner = table.entry(section.to_owned()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(inner) = inner {
                put(inner, key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
