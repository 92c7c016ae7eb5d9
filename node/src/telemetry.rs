//! The process's log on standard error: as text or JSON, and its levels, which change while the node runs.
//!
//! *Security*: only this project's own modules can be made to say more at run time: they are written not to log secrets
//! at any level, which nobody promises of every library.

use std::io::IsTerminal;
use std::sync::{Mutex, OnceLock, PoisonError};

use tacit_protocol::{Code, Failure};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::LogFormat;

/// The variable of the environment that says what is logged, as `tracing-subscriber`'s filters do.
const LEVELS_VARIABLE: &str = "TACIT_LOG";
/// The variable of the environment that says in which form.
const FORMAT_VARIABLE: &str = "TACIT_LOG_FORMAT";
/// The longest text of levels.
const MAX_LEVELS_BYTES: usize = 1_024;
/// The crates whose levels can be set, by the names that operators write.
const CRATES: [&str; 4] = ["node", "mpc", "protocol", "sdk"];
/// Modules of the node that have names of their own.
const MODULES: [&str; 12] = [
    "api",
    "bench",
    "data",
    "data_plane",
    "daemon",
    "jobs",
    "network",
    "offline",
    "pairing",
    "store",
    "telemetry",
    "tokens",
];
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The levels of this process. One log serves all nodes in it.
struct Levels {
    handle: reload::Handle<EnvFilter, Registry>,
    /// What the environment says; what is set at run time goes before it.
    base: String,
    set: Mutex<String>,
}

static PROCESS: OnceLock<Levels> = OnceLock::new();

/// The form that the environment asks for, or else the configuration.
///
/// # Errors
/// `USAGE_LOG_FORMAT`.
pub fn format(configured: LogFormat) -> Result<LogFormat, Failure> {
    match std::env::var(FORMAT_VARIABLE).ok().as_deref() {
        None | Some("") => Ok(configured),
        Some("text") => Ok(LogFormat::Text),
        Some("json") => Ok(LogFormat::Json),
        Some(other) => {
            let message = format!("{FORMAT_VARIABLE} is {other:?}");
            Err(Failure::new(Code::new("USAGE_LOG_FORMAT"), message, "set it to text or json, or unset it."))
        }
    }
}

/// Begins the process's log, unless it has one.
pub fn begin(format: LogFormat) {
    let base = std::env::var(LEVELS_VARIABLE).ok().filter(|text| EnvFilter::try_new(text).is_ok());
    let base = base.unwrap_or_else(|| "info".into());
    let (filter, handle) = reload::Layer::new(EnvFilter::new(&base));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let is_json = format == LogFormat::Json;
    let text = (!is_json).then(|| quiet(fmt::layer()).with_ansi(colours).with_writer(std::io::stderr));
    // The fields of an event stand beside its message, those of its job under `span`.
    let json = is_json
        .then(|| quiet(fmt::layer()).json().flatten_event(true).with_span_list(false).with_writer(std::io::stderr));
    if tracing_subscriber::registry().with(filter).with(text).with(json).try_init().is_ok() {
        drop(PROCESS.set(Levels { handle, base, set: Mutex::default() }));
    }
}

/// A log that cannot be written, such as on a full disk, is no reason to end the process.
fn quiet<S>(layer: fmt::Layer<S>) -> fmt::Layer<S> {
    layer.log_internal_errors(false)
}

/// The levels that were set at run time; empty: none.
pub fn levels() -> String {
    PROCESS.get().map(|levels| levels.set.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
}

/// Sets levels, such as `mpc=debug` or `debug,network=trace`, instead of those that were set before; an empty text goes
/// back to those of the start. The levels that hold then.
///
/// # Errors
/// `USAGE_LOG_LEVEL`.
pub fn set_levels(text: &str) -> Result<String, Failure> {
    let directives = directives(text)?;
    let levels = PROCESS.get().ok_or_else(|| wrong("this process has no log whose levels can be set"))?;
    let filter =
        EnvFilter::try_new([&levels.base, ",", &directives].concat()).map_err(|cause| wrong(&cause.to_string()))?;
    levels.handle.reload(filter).map_err(|cause| wrong(&cause.to_string()))?;
    let mut set = levels.set.lock().unwrap_or_else(PoisonError::into_inner);
    text.trim().clone_into(&mut set);
    Ok(set.clone())
}

/// The directives of a filter for what an operator writes.
fn directives(text: &str) -> Result<String, Failure> {
    if text.len() > MAX_LEVELS_BYTES {
        return Err(wrong("the text is too long"));
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let each: Vec<String> = parts.map(directive).collect::<Result<_, _>>()?;
    Ok(each.join(","))
}

fn directive(part: &str) -> Result<String, Failure> {
    let level = |text: &str| {
        let lower = text.to_ascii_lowercase();
        LEVELS.contains(&lower.as_str()).then_some(lower).ok_or_else(|| wrong(&format!("{text:?} is no level")))
    };
    let Some((target, text)) = part.split_once('=') else {
        let level = level(part)?;
        return Ok(CRATES.map(|name| format!("tacit_{name}={level}")).join(","));
    };
    let level = level(text.trim())?;
    let target = target.trim();
    let (first, rest) = target.split_once("::").map_or((target, None), |(first, rest)| (first, Some(rest)));
    let root = match first {
        name if CRATES.contains(&name) => format!("tacit_{name}"),
        name if CRATES.iter().any(|known| name == format!("tacit_{known}")) => name.to_owned(),
        name if MODULES.contains(&name) => format!("tacit_node::{name}"),
        name => return Err(wrong(&format!("{name:?} is no part of the node whose level can be set"))),
    };
    let is_path =
        |rest: &&str| rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_:".contains(&b));
    match rest {
        None => Ok(format!("{root}={level}")),
        Some(rest) if is_path(&rest) => Ok(format!("{root}::{rest}={level}")),
        Some(rest) => Err(wrong(&format!("{rest:?} is no module"))),
    }
}

fn wrong(cause: &str) -> Failure {
    let next = format!(
        "write PART=LEVEL, with a comma between several: parts are {}, {} and modules in them (`jobs::run`), levels {}.",
        CRATES.join(", "),
        MODULES.join(", "),
        LEVELS.join(", ")
    );
    Failure::new(Code::new("USAGE_LOG_LEVEL"), cause, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_node_are_named_shortly_and_nothing_else_can_be_set() {
        let of = |text| directives(text).map_err(|failure| failure.code.to_string());
        assert_eq!(of("mpc=debug"), Ok("tacit_mpc=debug".into()));
        assert_eq!(
            of("network=TRACE, jobs::run=off"),
            Ok("tacit_node::network=trace,tacit_node::jobs::run=off".into())
        );
        assert_eq!(of("tacit_node=warn"), Ok("tacit_node=warn".into()));
        assert_eq!(of("debug").expect("all").matches("=debug").count(), CRATES.len());
        assert_eq!(of(""), Ok(String::new()));
        let refused = Err("USAGE_LOG_LEVEL".to_owned());
        for wrong in
            ["mpc=loud", "hyper=trace", "tacit_other=info", "mpc::{job}=info", "=debug", "mpc=", &"x".repeat(2_000)]
        {
            assert_eq!(of(wrong), refused, "{wrong:?}");
        }
    }
}
