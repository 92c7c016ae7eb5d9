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
use definitions::{
    API_REQUESTS, BUILD, Definition, JOB_BYTES, JOB_RUN_SECONDS, JOBS, JOBS_ENDED, LOG_ENTRIES, PEERS, READY, REFUSALS,
    RESIDENT, START, STORE_BYTES,
};

/// Upper ends of the histogram of runs, in seconds: from a count over small tables to a night.
const RUN_SECONDS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0, 14_400.0];
/// Codes that are told apart. Peers send codes too; further ones count as `OTHER`.
const MOST_CODES: usize = 256;

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter<u64, AtomicU64>>;
type Gauges = Family<Labels, Gauge<i64, AtomicI64>>;

/// Where codes of refusals come from.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// A call of the API.
    Api,
    /// A job that ended.
    Job,
}

/// The figures that are counted as things happen.
#[derive(Clone)]
pub struct Tally {
    runs: Histogram,
    bytes: Counters,
    ended: Counters,
    refusals: Counters,
    requests: Counters,
    codes: Arc<Mutex<BTreeSet<String>>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            runs: Histogram::new(RUN_SECONDS),
            bytes: Family::default(),
            ended: Family::default(),
            refusals: Family::default(),
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
        self.ended.get_or_create(&vec![("state", job.state.name().to_owned())]).inc();
        if let Some(failure) = &job.failure {
            self.refused(Place::Job, failure.code.as_str());
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

    /// Counts a refusal.
    pub(crate) fn refused(&self, place: Place, code: &str) {
        let place = match place {
            Place::Api => "api",
            Place::Job => "job",
        };
        let code = self.bounded(code);
        self.refusals.get_or_create(&vec![("at", place.to_owned()), ("code", code)]).inc();
    }

    /// Counts an answer of the API.
    pub(crate) fn answered(&self, route: &str, status: u16) {
        let class = format!("{}xx", status / 100);
        self.requests.get_or_create(&vec![("route", route.to_owned()), ("class", class)]).inc();
    }

    fn bounded(&self, code: &str) -> String {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        if codes.contains(code) || codes.len() < MOST_CODES && codes.insert(code.to_owned()) {
            code.to_owned()
        } else {
            "OTHER".to_owned()
        }
    }
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
        tally.refused(Place::Job, "POLICY_RECEIVER");
        tally.answered("/v1/jobs/{id}", 404);
        let now = Snapshot {
            jobs: JobState::ALL.map(|state| (state, 3)).to_vec(),
            paired: 2,
            connected: 1,
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
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn codes_that_peers_invent_are_bounded() {
        let tally = Tally::default();
        (0..1_000).for_each(|n| tally.refused(Place::Job, &format!("CODE_{n}")));
        let text = text(&tally, &Snapshot::default());
        let lines = text.lines().filter(|line| line.starts_with("tacit_refusals_total{")).count();
        assert_eq!(lines, MOST_CODES + 1);
        assert!(text.contains("code=\"OTHER\"} 744"), "{text}");
    }
}
