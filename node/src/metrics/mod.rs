//! The node's figures for Prometheus: what there is, and how it is counted.
//!
//! Each figure is defined once, in [`definitions`]; `docs/book/metrics.md` is written from there. Figures carry counts,
//! sizes and times, never values; labels are states, codes, directions and the paths of the API's description, so that
//! their number is bounded whatever peers and callers send.

pub mod definitions;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tacit_protocol::job::JobState;

use crate::jobs::record::JobRecord;
use crate::network::ConnectionCounts;
use definitions::{
    ALERTED, API_REQUESTS, BUILD, CONNECTIONS, CONNECTIONS_DENIED, Definition, JOB_BYTES, JOB_RUN_SECONDS, JOBS,
    JOBS_ENDED, LOG_ENTRIES, PEERS, READY, REFUSALS, RESIDENT, START, STORE_BYTES,
};

/// Upper ends of the histogram of runs, in seconds: from a count over small tables to a night.
const RUN_SECONDS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0, 14_400.0];
/// Codes that are told apart of each [`Origin`]; further ones count as `OTHER`.
const MOST_CODES: usize = 256;

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter<u64, AtomicU64>>;
type Gauges = Family<Labels, Gauge<i64, AtomicI64>>;

/// Where codes of refusals come from.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// A call of the API.
    Api,
    /// A job that ended.
    Job,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Job => "job",
        }
    }
}

/// Whose code it is: peers invent codes, and must not use up the places of this node's own.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// A failure that names no party is this node's own.
    Own,
    /// One that names a party may carry what a peer has sent.
    Party,
}

/// The figures that are counted as things happen.
#[derive(Clone)]
pub struct Tally {
    runs: Histogram,
    bytes: Counters,
    ended: Counters,
    refusals: Counters,
    requests: Counters,
    /// The codes that are told apart, by [`Origin`].
    codes: Arc<Mutex<[BTreeSet<String>; 2]>>,
}

impl Default for Tally {
    fn default() -> Self {
        let refusals = Counters::default();
        for (place, code) in [Place::Api, Place::Job].into_iter().flat_map(|place| ALERTED.map(|code| (place, code))) {
            drop(refusals.get_or_create(&refusal(place, code.to_owned())));
        }
        let ended = Counters::default();
        for state in JobState::ALL.into_iter().filter(|state| state.is_final()) {
            drop(ended.get_or_create(&ending(state)));
        }
        Self {
            runs: Histogram::new(RUN_SECONDS),
            bytes: Family::default(),
            ended,
            refusals,
            requests: Family::default(),
            codes: Arc::default(),
        }
    }
}

impl Tally {
    /// Counts a job that has entered a state.
    pub(crate) fn job(&self, job: &JobRecord) {
        if !job.state.is_final() {
            return;
        }
        self.ended.get_or_create(&ending(job.state)).inc();
        if let Some(failure) = &job.failure {
            let origin = if failure.party.is_none() { Origin::Own } else { Origin::Party };
            self.count_refusal(Place::Job, origin, failure.code.as_str());
        }
        if let Some(figures) = &job.figures {
            // An overlap alone is noted before a run has ended.
            if !figures.phases.is_empty() {
                self.runs.observe(figures.phases.iter().map(|(_, seconds)| seconds).sum());
            }
            for (direction, bytes) in [("sent", figures.sent), ("received", figures.received)] {
                self.bytes.get_or_create(&vec![("direction", direction.to_owned())]).inc_by(bytes);
            }
        }
    }

    /// Counts a refusal of the API.
    pub(crate) fn refused(&self, code: &str) {
        self.count_refusal(Place::Api, Origin::Own, code);
    }

    fn count_refusal(&self, place: Place, origin: Origin, code: &str) {
        self.refusals.get_or_create(&refusal(place, self.bounded(origin, code))).inc();
    }

    /// Counts an answer of the API.
    pub(crate) fn answered(&self, route: &str, status: u16) {
        let class = format!("{}xx", status / 100);
        self.requests.get_or_create(&vec![("route", route.to_owned()), ("class", class)]).inc();
    }

    fn bounded(&self, origin: Origin, code: &str) -> String {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let codes = &mut codes[origin as usize];
        let is_told_apart = ALERTED.contains(&code) || codes.contains(code);
        if is_told_apart || codes.len() < MOST_CODES && codes.insert(code.to_owned()) {
            code.to_owned()
        } else {
            "OTHER".to_owned()
        }
    }
}

fn refusal(place: Place, code: String) -> Labels {
    vec![("at", place.name().to_owned()), ("code", code)]
}

fn ending(state: JobState) -> Labels {
    vec![("state", state.name().to_owned())]
}

/// What is looked up when somebody asks.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Jobs by state.
    pub jobs: Vec<(JobState, u64)>,
    /// Peers that are paired.
    pub paired: u64,
    /// Peers that are connected.
    pub connected: u64,
    /// Connections of the control plane.
    pub connections: ConnectionCounts,
    /// Bytes of the store on the disk.
    pub store_bytes: u64,
    /// Entries of the log.
    pub log_entries: u64,
    /// Whether the node is ready.
    pub ready: bool,
    /// When the process started, Unix seconds.
    pub started: u64,
    /// Bytes of memory that the process holds, where the system says so.
    pub resident_bytes: Option<u64>,
}

/// All figures in the text form of OpenMetrics, which Prometheus reads.
pub fn text(tally: &Tally, now: &Snapshot) -> String {
    let mut registry = Registry::default();
    let gauge = |registry: &mut Registry, definition: &Definition, values: Vec<(Labels, u64)>| {
        let gauges = Gauges::default();
        for (labels, value) in values {
            gauges.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        registry.register(definition.registered(), definition.help, gauges);
    };
    let one = |value: u64| vec![(Labels::new(), value)];
    let jobs = now.jobs.iter().map(|(state, count)| (vec![("state", state.name().to_owned())], *count)).collect();
    gauge(&mut registry, &JOBS, jobs);
    registry.register(JOBS_ENDED.registered(), JOBS_ENDED.help, tally.ended.clone());
    registry.register(JOB_RUN_SECONDS.registered(), JOB_RUN_SECONDS.help, tally.runs.clone());
    registry.register(JOB_BYTES.registered(), JOB_BYTES.help, tally.bytes.clone());
    registry.register(REFUSALS.registered(), REFUSALS.help, tally.refusals.clone());
    registry.register(API_REQUESTS.registered(), API_REQUESTS.help, tally.requests.clone());
    let state = |state: &str| vec![("state", state.to_owned())];
    gauge(&mut registry, &PEERS, vec![(state("paired"), now.paired), (state("connected"), now.connected)]);
    let ConnectionCounts { half_open, strangers, established, denied } = now.connections;
    let paired = established.saturating_sub(strangers);
    let connections = [("half-open", half_open), ("stranger", strangers), ("paired", paired)];
    let connections = connections.map(|(name, count)| (state(name), count as u64)).to_vec();
    gauge(&mut registry, &CONNECTIONS, connections);
    let refused = Counter::<u64, AtomicU64>::default();
    refused.inc_by(denied);
    registry.register(CONNECTIONS_DENIED.registered(), CONNECTIONS_DENIED.help, refused);
    gauge(&mut registry, &STORE_BYTES, one(now.store_bytes));
    gauge(&mut registry, &LOG_ENTRIES, one(now.log_entries));
    gauge(&mut registry, &READY, one(u64::from(now.ready)));
    gauge(&mut registry, &START, one(now.started));
    gauge(&mut registry, &RESIDENT, now.resident_bytes.map(|bytes| (Labels::new(), bytes)).into_iter().collect());
    gauge(&mut registry, &BUILD, vec![(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1)]);
    let mut out = String::new();
    // Writing to a text does not fail.
    if encode(&mut out, &registry).is_err() {
        let _ = writeln!(out, "# EOF");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::definitions::{DEFINITIONS, Kind};
    use tacit_protocol::{Code, Failure};

    use super::*;
    use crate::jobs::record::Figures;

    fn sample() -> String {
        let tally = Tally::default();
        let mut job = crate::jobs::negotiate::tests::finished_job(100);
        job.figures = Some(Figures {
            phases: vec![("align".into(), 0.25), ("execute".into(), 0.5)],
            sent: 1_000,
            received: 2_000,
            ..Figures::default()
        });
        tally.job(&job);
        tally.count_refusal(Place::Job, Origin::Own, "POLICY_RECEIVER");
        tally.answered("/v1/jobs/{id}", 404);
        let now = Snapshot {
            jobs: JobState::ALL.map(|state| (state, 3)).to_vec(),
            paired: 2,
            connected: 1,
            connections: ConnectionCounts { half_open: 5, strangers: 1, established: 3, denied: 7 },
            store_bytes: 4_096,
            log_entries: 17,
            ready: true,
            started: 1_800_000_000,
            resident_bytes: Some(1 << 20),
        };
        text(&tally, &now)
    }

    /// Every figure that is defined is given, under its name and as its kind, and no other.
    #[test]
    fn the_figures_are_those_that_are_defined() {
        let text = sample();
        let lines = |start: &'static str| text.lines().filter_map(move |line| line.strip_prefix(start));
        let mut kinds: Vec<&str> = lines("# TYPE ").collect();
        let mut expected: Vec<String> =
            DEFINITIONS.iter().map(|figure| format!("{} {}", figure.registered(), figure.kind.name())).collect();
        kinds.sort_unstable();
        expected.sort();
        assert_eq!(kinds, expected);
        for figure in &DEFINITIONS {
            let named = text.lines().filter(|line| line.starts_with(figure.name)).count();
            assert!(named > 0, "{} has no value:\n{text}", figure.name);
            assert!(figure.labels.iter().all(|(label, _)| text.contains(&format!("{label}=\""))), "{}", figure.name);
            assert!(figure.kind != Kind::Counter || figure.name.ends_with("_total"), "{}", figure.name);
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn figures_are_counted_in_base_units() {
        let text = sample();
        for line in [
            "tacit_job_run_seconds_sum 0.75",
            "tacit_job_run_seconds_count 1",
            "tacit_job_bytes_total{direction=\"received\"} 2000",
            "tacit_jobs{state=\"finished\"} 3",
            "tacit_jobs_ended_total{state=\"finished\"} 1",
            "tacit_refusals_total{at=\"job\",code=\"POLICY_RECEIVER\"} 1",
            "tacit_api_requests_total{route=\"/v1/jobs/{id}\",class=\"4xx\"} 1",
            "tacit_peers{state=\"connected\"} 1",
            "tacit_connections{state=\"paired\"} 2",
            "tacit_connections_denied_total 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn codes_that_peers_invent_are_bounded() {
        let tally = Tally::default();
        (0..1_000).for_each(|n| tally.count_refusal(Place::Job, Origin::Party, &format!("CODE_{n}")));
        let mut job = crate::jobs::negotiate::tests::finished_job(100);
        job.failure = Some(Failure::new(Code::new("JOB_THEIRS"), "", "").by_party("banque"));
        tally.job(&job);
        for code in ["JOB_OWN", "STORE_IO"] {
            job.failure = Some(Failure::new(Code::new(code), "", ""));
            tally.job(&job);
        }
        let text = text(&tally, &Snapshot::default());
        let lines = text.lines().filter(|line| line.starts_with("tacit_refusals_total{")).count();
        assert_eq!(lines, MOST_CODES + 1 + 1 + 2 * ALERTED.len());
        for line in ["OTHER\"} 745", "JOB_OWN\"} 1", "STORE_IO\"} 1"] {
            assert!(text.contains(&format!("{{at=\"job\",code=\"{line}")), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn what_alerts_name_begins_at_nothing_and_not_with_the_first_one() {
        let text = text(&Tally::default(), &Snapshot::default());
        for line in [
            "tacit_refusals_total{at=\"job\",code=\"STORE_FULL\"} 0",
            "tacit_refusals_total{at=\"api\",code=\"TOKEN_INVALID\"} 0",
            "tacit_jobs_ended_total{state=\"failed\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
