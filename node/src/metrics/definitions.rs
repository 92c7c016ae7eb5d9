//! What each figure is. `docs/book/metrics.md` is this list.

/// How a figure moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes up, and starts at 0 with the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many there were up to each of some sizes, their sum and their number.
    Histogram,
}

impl Kind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A figure.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name, with its unit.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What it says.
    pub help: &'static str,
    /// Its labels, and what they say.
    pub labels: &'static [(&'static str, &'static str)],
}

impl Definition {
    /// The name under which it is registered: the form adds `_total` to counters.
    pub fn registered(&self) -> &'static str {
        self.name.strip_suffix("_total").unwrap_or(self.name)
    }
}

/// Jobs by state.
pub const JOBS: Definition = Definition {
    name: "tacit_jobs",
    kind: Kind::Gauge,
    help: "Jobs that the node knows, by state",
    labels: &[("state", "the state, as `tacit job list` names it")],
};
/// Jobs that ended.
pub const JOBS_ENDED: Definition = Definition {
    name: "tacit_jobs_ended_total",
    kind: Kind::Counter,
    help: "Jobs that ended since the start",
    labels: &[("state", "`finished`, `refused`, `failed` or `cancelled`")],
};
/// How long runs took.
pub const JOB_RUN_SECONDS: Definition = Definition {
    name: "tacit_job_run_seconds",
    kind: Kind::Histogram,
    help: "How long the runs of ended jobs took, all phases together",
    labels: &[],
};
/// Bytes of runs.
pub const JOB_BYTES: Definition = Definition {
    name: "tacit_job_bytes_total",
    kind: Kind::Counter,
    help: "Payload bytes of the runs of ended jobs",
    labels: &[("direction", "`sent` or `received`")],
};
/// Refusals.
pub const REFUSALS: Definition = Definition {
    name: "tacit_refusals_total",
    kind: Kind::Counter,
    help: "Calls of the API that were refused, and jobs that ended without a result, by code",
    labels: &[
        ("at", "`api` or `job`"),
        (
            "code",
            "the stable code; `TOKEN_INVALID` counts failures to sign in. After 256 codes of failures of this node's own, and \
             256 of those with a peer in them, `OTHER`",
        ),
    ],
};
/// Codes that alerts name. Their series begin at 0 with the process, as an increase from nothing to 1 is seen by no alert,
/// and they are told apart whatever else is counted.
pub const ALERTED: [&str; 4] = ["STORE_CORRUPT", "STORE_FULL", "STORE_IO", "TOKEN_INVALID"];
/// Calls of the API.
pub const API_REQUESTS: Definition = Definition {
    name: "tacit_api_requests_total",
    kind: Kind::Counter,
    help: "Calls of the API that were answered",
    labels: &[
        ("route", "the path in the API's description; `other` for what is none of it"),
        ("class", "the class of the status: `2xx`, `4xx`, `5xx`"),
    ],
};
/// Peers.
pub const PEERS: Definition = Definition {
    name: "tacit_peers",
    kind: Kind::Gauge,
    help: "Peers by state",
    labels: &[("state", "`paired`, or `connected` for those paired ones that are connected now")],
};
/// Connections of the control plane.
pub const CONNECTIONS: Definition = Definition {
    name: "tacit_connections",
    kind: Kind::Gauge,
    help: "Connections of the control plane, by state",
    labels: &[(
        "state",
        "`half-open` for inbound ones in their handshake, `stranger` for those of peers that are not paired, `paired`",
    )],
};
/// Connections that were denied.
pub const CONNECTIONS_DENIED: Definition = Definition {
    name: "tacit_connections_denied_total",
    kind: Kind::Counter,
    help: "Connections of the control plane that were denied: too many, or of a peer that is revoked",
    labels: &[],
};
/// The size of the store.
pub const STORE_BYTES: Definition =
    Definition { name: "tacit_store_bytes", kind: Kind::Gauge, help: "Bytes of the store on the disk", labels: &[] };
/// The length of the log.
pub const LOG_ENTRIES: Definition =
    Definition { name: "tacit_log_entries", kind: Kind::Gauge, help: "Entries of the node's log", labels: &[] };
/// Whether the node is ready.
pub const READY: Definition = Definition {
    name: "tacit_ready",
    kind: Kind::Gauge,
    help: "1 while the node can take work, 0 otherwise, as `/readyz` says with reasons",
    labels: &[],
};
/// The start of the process.
pub const START: Definition = Definition {
    name: "process_start_time_seconds",
    kind: Kind::Gauge,
    help: "When the process started, in seconds since 1970",
    labels: &[],
};
/// The memory of the process.
pub const RESIDENT: Definition = Definition {
    name: "process_resident_memory_bytes",
    kind: Kind::Gauge,
    help: "Bytes of memory that the process holds",
    labels: &[],
};
/// The build.
pub const BUILD: Definition = Definition {
    name: "tacit_build_info",
    kind: Kind::Gauge,
    help: "1, with the version of the node",
    labels: &[("version", "the version")],
};

/// All figures.
pub const DEFINITIONS: [Definition; 15] = [
    JOBS,
    JOBS_ENDED,
    JOB_RUN_SECONDS,
    JOB_BYTES,
    REFUSALS,
    API_REQUESTS,
    PEERS,
    CONNECTIONS,
    CONNECTIONS_DENIED,
    STORE_BYTES,
    LOG_ENTRIES,
    READY,
    START,
    RESIDENT,
    BUILD,
];

/// The page of the book.
#[cfg(test)]
pub(crate) fn page() -> String {
    let mut text = PAGE_HEAD.to_owned();
    for figure in &DEFINITIONS {
        text += &format!("\n## `{}`\n\n{}. A {}.\n", figure.name, figure.help, figure.kind.name());
        if !figure.labels.is_empty() {
            text += "\n| label | what it says |\n| --- | --- |\n";
            figure.labels.iter().for_each(|(label, what)| text += &format!("| `{label}` | {what} |\n"));
        }
    }
    text
}

#[cfg(test)]
const PAGE_HEAD: &str = "# Metrics

Written from the code (`node/src/metrics/definitions.rs`).

A node gives its figures at `/metrics`, in the text form of OpenMetrics, which Prometheus reads. They are counts, sizes and
times, never values; still, how much an organisation computes and with how many partners is its own affair, and other users
of the same machine reach the loopback interface too. So a call needs a token, of an auditor or an operator:

```sh
tacit token create --role auditor --subject prometheus --days 90 --out prometheus.token
```

```yaml
scrape_configs:
  - job_name: tacit
    authorization: { credentials_file: /etc/prometheus/prometheus.token }
    static_configs: [{ targets: [\"127.0.0.1:7702\"] }]
```

An auditor's token reads the log and the jobs as well, though no result: keep it as you keep these. It ends after 90 days at
most; `tacit token list` says when.

`/healthz` answers `ok` while the process serves, and `/readyz` says whether the node can take work: `200`, or `503` with
the reasons as JSON. Both need no token, and tell neither names nor numbers.
";
