//! What the observations of a test say: a line each, with the fix.

use std::time::Duration;

use tacit_protocol::Failure;
use tacit_protocol::api::{Finding, PeerPath};
use tacit_protocol::messages::{MAX_CLOCK_SKEW, OLDEST_VERSION, PROTOCOL_VERSION, PeerText};
use tacit_protocol::probe::ProbeView;

use super::{MOST_DATASETS, Measured};
use crate::config::Config;
use crate::data_plane::LanePath;
use crate::heads::Greeted;
use crate::jobs::negotiate::PLANNER_VERSION;

/// How many times worse than the configuration says a link may be before that is worth a word.
const MISFIT: f64 = 4.0;
/// Clocks further apart than this are worth a word, in milliseconds.
const SKEW_MS: u64 = 5_000;

/// What a test saw.
#[derive(Default)]
pub(super) struct Observed {
    pub(super) pings: Vec<Duration>,
    pub(super) unreachable: Option<Failure>,
    pub(super) greeted: Greeted,
    /// How the connection leads to the peer.
    pub(super) path: Option<PeerPath>,
    pub(super) view: Option<ProbeView>,
    /// How many of the peer's addresses were reached, and tried.
    pub(super) reached: Option<(u8, u8)>,
    pub(super) skew_ms: Option<u64>,
    /// Whether the peer offers an address of its data plane.
    pub(super) their_data_address: bool,
    /// The data plane, dialled by this node, and by the peer.
    pub(super) there: Option<Result<Measured, Failure>>,
    pub(super) back: Option<Result<Measured, Failure>>,
}

struct Lines(Vec<Finding>);

impl Lines {
    fn add(&mut self, check: &str, verdict: &str, text: impl Into<String>) {
        self.0.push(Finding { check: check.into(), verdict: verdict.into(), text: text.into() });
    }
}

/// The findings. `listens`: this node listens in jobs with the peer.
pub(super) fn of(seen: &Observed, name: &str, config: &Config, own: &ProbeView, listens: bool) -> Vec<Finding> {
    let mut lines = Lines(Vec::new());
    if let Some(failure) = &seen.unreachable {
        let why = seen.greeted.problem.as_ref().unwrap_or(failure);
        lines.add("session", "fail", why.to_string());
        return lines.0;
    }
    lines.add("session", "pass", format!("{name} answers"));
    path(&mut lines, seen);
    versions(&mut lines, seen, name);
    latency(&mut lines, seen, config);
    clock(&mut lines, seen, name);
    control(&mut lines, seen, name);
    data(&mut lines, seen, name, config, listens);
    policies(&mut lines, seen, name, own);
    lines.0
}

fn path(lines: &mut Lines, seen: &Observed) {
    let Some(path) = &seen.path else { return };
    match &path.relay {
        None => lines.add("path", "pass", format!("{} by {}", path.kind, path.transport)),
        Some(relay) => {
            let fix = "No bulk data goes over it unless all operators set `bulk = true` under `[relay]`. Open a port of \
                       one of the two nodes to the other";
            lines.add("path", "warn", format!("relayed by {relay}: neither node reaches the other. {fix}"));
        }
    }
}

fn versions(lines: &mut Lines, seen: &Observed, name: &str) {
    if let (Some((oldest, newest)), Some(build)) = (seen.greeted.versions, &seen.greeted.build) {
        let text =
            format!("{name} runs {build}, messages {oldest} to {newest}; here {OLDEST_VERSION} to {PROTOCOL_VERSION}");
        if newest == PROTOCOL_VERSION {
            lines.add("versions", "pass", text);
        } else {
            let who = if newest < PROTOCOL_VERSION { name } else { "this node" };
            lines.add("versions", "warn", format!("{text}. {who} lags: update it"));
        }
    }
    let Some(view) = &seen.view else { return };
    if view.planner_versions.contains(&PLANNER_VERSION) {
        lines.add("planner", "pass", format!("both have version {PLANNER_VERSION}"));
    } else {
        let text = format!(
            "here {PLANNER_VERSION}, there {:?}: no job can be planned. Bring both nodes to one version",
            view.planner_versions
        );
        lines.add("planner", "fail", text);
    }
}

fn latency(lines: &mut Lines, seen: &Observed, config: &Config) {
    let mut times: Vec<f64> = seen.pings.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (times.first(), times.last()) else { return };
    let median = times.get(times.len() / 2).copied().unwrap_or(*least);
    let text = format!("{median:.1} ms there and back ({least:.1} to {most:.1} in {} pings)", times.len());
    let told = f64::from(config.link_round_trip_ms.max(1));
    // An answer takes the node a moment as well.
    if *least > told * MISFIT + 10.0 {
        let fix = format!("plans assume {told} ms: set `link_round_trip_ms` to {least:.0}");
        lines.add("latency", "warn", format!("{text}; {fix}"));
    } else {
        lines.add("latency", "pass", text);
    }
}

fn clock(lines: &mut Lines, seen: &Observed, name: &str) {
    let Some(skew) = seen.skew_ms else { return };
    let text = format!("{name}'s clock is {:.1} s from this one", skew as f64 / 1e3);
    match skew {
        0..SKEW_MS => lines.add("clock", "pass", text),
        _ => lines.add("clock", "warn", format!("{text}; at {MAX_CLOCK_SKEW} s sessions end: set both by NTP")),
    }
}

fn control(lines: &mut Lines, seen: &Observed, name: &str) {
    let mut line = |check: &str, found: Option<(u8, u8)>, whose: &str, who: &str| match found {
        None => {}
        Some((_, 0)) => lines.add(check, "warn", format!("{whose} has no address by TCP that {who} may dial")),
        Some((0, tried)) => {
            let fix = "the session was opened the other way, or by QUIC. Open the port, or set `announce`";
            lines.add(check, "warn", format!("none of {tried} addresses of {whose} takes a connection; {fix}"));
        }
        Some((reached, tried)) => {
            lines.add(check, "pass", format!("{reached} of {tried} addresses of {whose} take connections by TCP"));
        }
    };
    line("peers there", seen.reached, name, "this node");
    line("peers back", seen.view.as_ref().map(|view| view.reached), "this node", name);
}

fn data(lines: &mut Lines, seen: &Observed, name: &str, config: &Config, listens: bool) {
    let ways = [("data there", &seen.there, !listens, name), ("data back", &seen.back, listens, "this node")];
    for (check, found, is_used, whose) in ways {
        match found {
            None => {}
            Some(Ok(measured)) => {
                let (up, down) = (measured.up / 1e6, measured.down / 1e6);
                let text = format!("{up:.0} Mbit/s to {name}, {down:.0} Mbit/s back");
                let text = match measured.over {
                    LanePath::Tcp | LanePath::Quic => text,
                    LanePath::Stream => {
                        let fix = format!("Open the data port of {whose}, or set its `data_announce`");
                        let why = "over the connection for requests, as no data port was reached";
                        lines.add(check, "warn", format!("{text}, {why}. {fix}"));
                        continue;
                    }
                };
                let told = f64::from(config.link_mbit);
                // A few megabytes tell little of a fast link, and much of a slow one.
                if up.min(down) * MISFIT < told && up.min(down) < 100.0 {
                    let fix = format!("plans assume {told} Mbit/s: set `link_mbit` to {:.0}", up.min(down).max(1.0));
                    lines.add(check, "warn", format!("{text}; {fix}"));
                } else {
                    lines.add(check, "pass", text);
                }
            }
            Some(Err(failure)) => {
                let used = if is_used { "jobs go this way" } else { "jobs go the other way" };
                let fix = format!("{used}. Open the data port of {whose}, or set its `data_announce`");
                lines.add(check, if is_used { "fail" } else { "warn" }, format!("{failure} ({fix})"));
            }
        }
    }
}

fn policies(lines: &mut Lines, seen: &Observed, name: &str, own: &ProbeView) {
    let mut line = |check: &str, view: &ProbeView, owner: &str, to: &str| {
        // CHK-216
        let list = |names: &[PeerText]| match names {
            [] => "none".to_owned(),
            names => names.iter().take(MOST_DATASETS).map(PeerText::escaped).collect::<Vec<_>>().join(", "),
        };
        let text = format!("{to} may see of {owner}: {}", list(&view.visible));
        if view.expired.is_empty() {
            lines.add(check, if view.visible.is_empty() { "warn" } else { "pass" }, text);
        } else {
            let fix =
                format!("policies of {owner} that are over: {}. Its operator sets `expires` anew", list(&view.expired));
            lines.add(check, "warn", format!("{text}; {fix}"));
        }
    };
    line("policies here", own, "this node", name);
    if let Some(view) = &seen.view {
        line("policies there", view, name, "this node");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::InitOptions;
    use tacit_protocol::Code;

    fn view() -> ProbeView {
        ProbeView {
            now_ms: 0,
            addresses: Vec::new(),
            planner_versions: vec![PLANNER_VERSION],
            reached: (1, 1),
            visible: vec![PeerText::new("rows")],
            expired: Vec::new(),
        }
    }

    fn by(kind: &str, relay: Option<&str>) -> PeerPath {
        PeerPath { kind: kind.into(), relay: relay.map(Into::into), transport: "tcp".into(), since: 0 }
    }

    fn good() -> Observed {
        let measured = || Some(Ok(Measured { up: 9e8, down: 9e8, over: LanePath::Tcp }));
        Observed {
            pings: vec![Duration::from_millis(1); 5],
            greeted: Greeted {
                versions: Some((OLDEST_VERSION, PROTOCOL_VERSION)),
                build: Some("tacit 0.1.0".into()),
                ..Greeted::default()
            },
            path: Some(by("direct", None)),
            view: Some(view()),
            reached: Some((2, 2)),
            skew_ms: Some(10),
            their_data_address: true,
            there: measured(),
            back: measured(),
            ..Observed::default()
        }
    }

    fn verdicts(seen: &Observed, listens: bool) -> Vec<(String, String, String)> {
        let host = std::net::Ipv4Addr::LOCALHOST.into();
        let options = InitOptions { name: "maison".into(), host, port: 7700, allow_loopback: true };
        let config = Config::initial(&options).expect("ports");
        let found = of(seen, "banque", &config, &view(), listens);
        found.into_iter().map(|finding| (finding.check, finding.verdict, finding.text)).collect()
    }

    #[track_caller]
    fn assert_line(seen: &Observed, listens: bool, check: &str, verdict: &str, text: &str) {
        let found = verdicts(seen, listens);
        let line = found.iter().find(|line| line.0 == check).expect("the line");
        assert!(line.1 == verdict && line.2.contains(text), "{line:?}");
    }

    #[test]
    fn a_good_pair_passes_in_every_line() {
        let found = verdicts(&good(), true);
        assert_eq!(found.len(), 12, "{found:?}");
        assert!(found.iter().all(|line| line.1 == "pass"), "{found:?}");
    }

    #[test]
    fn each_fault_has_its_line_with_the_fix() {
        let failure = || Failure::new(Code::new("PEER_UNREACHABLE"), "no", "");
        let away = Observed { unreachable: Some(failure()), ..Observed::default() };
        assert_eq!(verdicts(&away, true).len(), 1);
        assert_line(&away, true, "session", "fail", "PEER_UNREACHABLE");
        let old = Observed { greeted: Greeted { versions: Some((1, 1)), ..good().greeted }, ..good() };
        assert_line(&old, true, "versions", "warn", "banque lags");
        let plan = Observed { view: Some(ProbeView { planner_versions: vec![1], ..view() }), ..good() };
        assert_line(&plan, true, "planner", "fail", "one version");
        let far = Observed { pings: vec![Duration::from_millis(90); 5], ..good() };
        assert_line(&far, true, "latency", "warn", "`link_round_trip_ms` to 90");
        let skewed = Observed { skew_ms: Some(30_000), ..good() };
        assert_line(&skewed, true, "clock", "warn", "NTP");
        let closed = Observed { reached: Some((0, 2)), ..good() };
        assert_line(&closed, true, "peers there", "warn", "announce");
        let slow = Observed { there: Some(Ok(Measured { up: 9e6, down: 9e6, over: LanePath::Quic })), ..good() };
        assert_line(&slow, true, "data there", "warn", "`link_mbit` to 9");
        let stream = Observed { there: Some(Ok(Measured { up: 9e8, down: 9e8, over: LanePath::Stream })), ..good() };
        assert_line(&stream, true, "data there", "warn", "no data port was reached. Open the data port of banque");
        assert_line(&good(), true, "path", "pass", "direct by tcp");
        let relayed = Observed { path: Some(by("relayed", Some("notaire"))), ..good() };
        assert_line(&relayed, true, "path", "warn", "relayed by notaire");
        let blocked = Observed { back: Some(Err(failure())), ..good() };
        assert_line(&blocked, true, "data back", "fail", "jobs go this way");
        assert_line(&blocked, false, "data back", "warn", "jobs go the other way");
        let over = Observed { view: Some(ProbeView { expired: vec![PeerText::new("old")], ..view() }), ..good() };
        assert_line(&over, true, "policies there", "warn", "`expires`");
    }

    #[test]
    fn names_that_a_peer_gives_its_datasets_are_few_and_shown_escaped_chk_216() {
        let names = vec![PeerText::new("a\u{1b}[2Jb"); MOST_DATASETS + 1];
        let view = ProbeView { visible: names.clone(), expired: names, ..view() };
        let found = verdicts(&Observed { view: Some(view), ..good() }, true);
        let (_, _, text) = found.iter().find(|(check, ..)| check == "policies there").expect("a line");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert_eq!(text.matches("a\\u{1b}[2Jb").count(), 2 * MOST_DATASETS);
    }
}
