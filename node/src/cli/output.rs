//! What commands print: tables and text for people, JSON with `--json`.

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use tacit_protocol::Failure;
use tacit_protocol::api::{
    CellValue, DatasetInfo, Invitation, JobDetail, JobResult, JobSummary, LogLine, NodeStatus, Peer, PeerPath, Setting,
    TokenInfo,
};
use tacit_protocol::messages::PeerText;
use time::OffsetDateTime;

use crate::setup::Initialised;

/// The form of a command's output.
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// One thing.
    pub(super) fn one<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) {
        let line = if self.json { to_json(value) } else { text(value) };
        print_line(&line);
    }

    /// Several of a kind.
    pub(super) fn list<T: Serialize>(&self, values: &[T], text: impl FnOnce(&[T]) -> String) {
        if self.json {
            values.iter().for_each(|value| print_line(&to_json(value)));
        } else {
            print_line(&text(values));
        }
    }

    /// A failure, on standard error.
    pub(super) fn failure(&self, failure: &Failure) {
        let line = if self.json { to_json(failure) } else { failure.to_string() };
        // A standard error that takes nothing, such as a file on a full disk, changes no exit code.
        drop(writeln!(std::io::stderr(), "{line}"));
    }
}

/// A reader that has gone away (`| head`) ends the output, not the program.
fn print_line(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("API types serialise")
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table
}

/// How far values may lie from exact ones, in their own units.
fn error_bound(error: Option<f64>) -> String {
    match error {
        Some(0.0) => "exact".into(),
        Some(error) if error < 1e6 => format!("{error:.1}"),
        Some(error) => format!("{error:.1e}"),
        None => "no bound".into(),
    }
}

/// The table, or what to do where it would be empty.
fn or_hint(table: &Table, hint: &str) -> String {
    if table.is_empty() {
        hint.into()
    } else {
        table.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>().trim_end().into()
    }
}

pub(super) fn initialised(node: &Initialised) -> String {
    format!(
        "Created the node of {} in {}.\nPeerId: {}\nNext: `tacit node --dir {}`, then `tacit peer invite` or `tacit peer accept`.",
        node.name, node.dir, node.peer_id, node.dir
    )
}

fn drain_line(status: &NodeStatus) -> String {
    let left = status.drain_seconds_left.unwrap_or(0);
    let line = || format!("\ndraining   {} jobs remain, {left} s at most", status.jobs_to_drain);
    if status.draining { line() } else { String::new() }
}

pub(super) fn status(status: &NodeStatus) -> String {
    format!(
        "{} ({})\nversion    {}\naddresses  {}\ndata plane {}\njobs       {} running\npeers      {} connected",
        status.name,
        status.peer_id,
        status.version,
        status.addresses.join(" "),
        status.data_address,
        status.jobs_running,
        status.peers_connected
    ) + &drain_line(status)
}

/// The values with what sets them; with `places`, where exactly.
pub(super) fn config_table(settings: &[Setting], places: bool) -> String {
    let mut table = table(&["KEY", "VALUE", "FROM"]);
    for setting in settings {
        let place = if places && !setting.place.is_empty() { &setting.place } else { &setting.origin };
        table.add_row([&setting.key, &setting.value, place]);
    }
    or_hint(&table, "")
}

pub(super) fn invitation(invitation: &Invitation, auto: bool) -> String {
    let then = if auto {
        "Whoever redeems it first is paired. Afterwards compare the words in `tacit peer list` by voice."
    } else {
        "Then compare the words in `tacit peer list` by voice, and run `tacit peer confirm NAME`."
    };
    format!(
        "{}\n\nHand it to one organisation over a private way; it ends at {}.\nThere: `tacit peer accept TICKET`. {then}",
        invitation.ticket,
        time(invitation.expires)
    )
}

/// A peer whose ticket was redeemed here, with the words to compare.
pub(super) fn accepted(peer: &Peer) -> String {
    let table = peer_table(std::slice::from_ref(peer));
    let who = &peer.name;
    let next = if peer.state == "paired" { "" } else { " Its operator confirms when they are the same." };
    format!("{table}\n\nRead these words to {who} by voice: `{}`. They must be the same there.{next}", peer.words)
}

pub(super) fn peer_table(peers: &[Peer]) -> String {
    let mut table = table(&["NAME", "STATE", "CONNECTED", "WORDS", "PEER ID"]);
    for peer in peers {
        let connected =
            if peer.connected { peer.path.as_ref().map_or_else(|| "yes".into(), path) } else { "no".into() };
        table.add_row([&peer.name, &peer.state, &connected, &peer.words, &peer.peer_id]);
    }
    let mut text = or_hint(&table, "No peers yet. Next: `tacit peer invite`, or `tacit peer accept TICKET`.");
    for peer in peers {
        if let Some(problem) = &peer.problem {
            text += &format!("\n\n{problem}");
        }
        if let Some(old) = &peer.follows {
            text += &format!(
                "\n\n{} has a new key, {}, which follows {old}. Compare the words by voice, then run `tacit peer confirm {}`.",
                peer.name, peer.peer_id, peer.name
            );
        }
        if peer.state == "renewing" {
            text += &format!("\n\n{} has to confirm the new key of this node: compare the words by voice.", peer.name);
        }
        if let Some(lag) = &peer.lag {
            text += &format!("\n\n{lag}; it runs {}.", peer.build.as_deref().unwrap_or("an unknown build"));
        }
    }
    text
}

/// How a peer is reached, in a few words.
fn path(path: &PeerPath) -> String {
    match &path.relay {
        Some(relay) => format!("{} by {relay}, {}", path.kind, path.transport),
        None => format!("{}, {}", path.kind, path.transport),
    }
}

/// All about one peer.
pub(super) fn peer(peer: &Peer) -> String {
    let mut lines = vec![
        format!("{}  {}", peer.name, peer.state),
        format!("  PeerId     {}", peer.peer_id),
        format!("  Words      {}", peer.words),
    ];
    lines.push(match &peer.path {
        Some(known) if peer.connected => format!("  Connected  {}, since {}", path(known), time(known.since)),
        _ => "  Connected  no".into(),
    });
    if peer.path.as_ref().is_some_and(|path| path.kind == "relayed") {
        lines.push("             The relay carries what is asked and answered, and no data of jobs.".into());
    }
    lines.extend(peer.addresses.iter().map(|address| format!("  Address    {address}")));
    lines.join("\n")
}

pub(super) fn dataset_table(datasets: &[DatasetInfo]) -> String {
    let mut lines = Vec::new();
    for dataset in datasets {
        lines.push(format!("{}  version {}, {} rows", dataset.name, dataset.version, dataset.rows));
        let mut table = table(&["  COLUMN", "TYPE", "RANGE", "NULLS"]);
        for column in &dataset.columns {
            let range = column.range.map_or_else(String::new, |range| format!("{} to {}", range.lo, range.hi));
            let key = if dataset.key.as_deref() == Some(&column.name) { " (unique)" } else { "" };
            let nulls = if column.nullable { "yes" } else { "no" };
            table.add_row([format!("  {}", column.name), column.element.name() + key, range, nulls.into()]);
        }
        lines.push(or_hint(&table, ""));
        lines.push(format!("  Policy: {}\n", dataset.policy));
    }
    if lines.is_empty() {
        return "No datasets yet. Next: `tacit dataset add FILE --policy FILE`.".into();
    }
    lines.join("\n").trim_end().into()
}

pub(super) fn dataset(dataset: &DatasetInfo) -> String {
    dataset_table(std::slice::from_ref(dataset))
}

pub(super) fn job_table(jobs: &[JobSummary]) -> String {
    let mut table = table(&["JOB", "STATE", "FROM", "OUTPUTS"]);
    for job in jobs {
        table.add_row([short(&job.id), &words(&job.state), &job.proposer, &job.outputs.join(", ")]);
    }
    or_hint(&table, "No jobs yet. Next: `tacit job submit PROGRAM.json`.")
}

pub(super) fn job_summary(job: &JobSummary) -> String {
    let asked =
        if job.info.is_some() { "JOB_REPEATED: the same was asked before. `--again` runs it anew.\n" } else { "" };
    format!("{asked}Job {} is {}. Next: `tacit job result {} --wait`.", job.id, words(&job.state), short(&job.id))
}

/// The job as `tacit job show` prints it.
pub(super) fn job(job: &JobDetail) -> String {
    let mut text = format!(
        "Job      {}\nState    {}\nFrom     {}\n",
        job.summary.id,
        words(&job.summary.state),
        job.summary.proposer
    );
    // In the words of a peer: without what a terminal would obey.
    let purpose = PeerText::new(&job.purpose).to_string();
    text += &format!("Purpose  {}\n", if purpose.is_empty() { "none stated" } else { &purpose });
    text += &format!("Parties  {}\n", job.parties.join(", "));
    for dataset in &job.datasets {
        text += &format!("Reads    {}, version {}, {} rows\n", dataset.name, dataset.version, dataset.rows);
    }
    if let Some(failure) = &job.failure {
        text += &format!("\nWhy it did not finish\n  party   {}\n", failure.party.as_deref().unwrap_or("unknown"));
        text += &format!(
            "  step    {}\n  code    {}\n",
            words(failure.step.as_deref().unwrap_or(&job.summary.state)),
            failure.code
        );
        text += &format!("  cause   {}\n  next    {}\n", failure.message, failure.next);
        for refusal in &job.refusals {
            text += &format!("  clause  {} of {}: {}\n", refusal.clause, refusal.dataset, refusal.cause);
            text += &format!("  change  {}\n", refusal.change);
        }
    }
    if !job.verdicts.is_empty() {
        let mut table = table(&["  CLAUSE", "ASKED", "POLICY", "VERDICT"]);
        for line in &job.verdicts {
            table.add_row([&format!("  {}", line.clause), &line.asked, &line.says, &line.verdict]);
        }
        text += &format!("\n{}\n", or_hint(&table, ""));
    }
    text += "\nProgram\n";
    job.program.iter().for_each(|line| text += &format!("  {line}\n"));
    text += "\nWhat each party learns\n";
    job.learned.iter().for_each(|learned| text += &format!("  {}: {}\n", learned.party, learned.what));
    if !job.plan.is_empty() {
        let mut table = table(&["  PLAN", "CELLS", "KNOWN", "BITS", "BYTES", "ROUNDS", "SECONDS", "ERROR"]);
        for row in &job.plan {
            let [cells, bytes, rounds] = [row.cells, row.bytes, row.rounds].map(|figure| figure.to_string());
            let (bits, seconds) = (row.bits.to_string(), format!("{:.4}", row.seconds));
            let known = row.placement.clone();
            table.add_row([
                format!("  {}", row.operation),
                cells,
                known,
                bits,
                bytes,
                rounds,
                seconds,
                error_bound(row.error),
            ]);
        }
        text += &format!("\n{}\n", or_hint(&table, ""));
    }
    text += "\nHistory\n";
    job.history
        .iter()
        .for_each(|step| text += &format!("  {}  {}  {}\n", time(step.at), words(&step.state), step.note));
    if let Some(run) = &job.run {
        text += &format!(
            "\nRun\n  rows {}, overlap {}\n  sent {} bytes, received {} bytes, {} rounds\n",
            run.rows,
            run.overlap.map_or("not revealed".into(), |rows| rows.to_string()),
            run.bytes_sent,
            run.bytes_received,
            run.rounds
        );
        run.phases.iter().for_each(|phase| text += &format!("  {:10} {:.3} s\n", phase.name, phase.seconds));
        let before = run.made_before.iter();
        before.for_each(|(kind, items)| text += &format!("  took {items} {kind} that were made in idle time\n"));
    }
    text.trim_end().into()
}

/// The released values of a job.
pub(super) fn result(result: &JobResult) -> String {
    let lines = result.outputs.iter().map(|output| {
        let cells: Vec<&str> = output
            .cells
            .iter()
            .map(|cell| match cell {
                CellValue::Released { value } => value.as_str(),
                CellValue::Suppressed => "suppressed",
                CellValue::Undefined => "undefined",
            })
            .collect();
        let shape = if output.shape.is_empty() { String::new() } else { format!(" {:?}", output.shape) };
        format!("{} = {}  ({}{shape})", output.name, cells.join(" "), output.element)
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn log_table(lines: &[LogLine]) -> String {
    let mut table = table(&["SEQ", "AT", "KIND", "WHAT"]);
    for line in lines {
        table.add_row([line.seq.to_string(), time(line.at), line.kind.clone(), line.text.clone()]);
    }
    or_hint(&table, "The log is empty.")
}

pub(super) fn token_table(tokens: &[TokenInfo]) -> String {
    let mut table = table(&["ID", "ROLE", "SUBJECT", "ISSUED", "ENDS", "STATE"]);
    for token in tokens {
        let state = token.revoked.map_or("".into(), |at| format!("revoked {}", time(at)));
        let role = token.role.name().into();
        table.add_row([token.id.clone(), role, token.subject.clone(), time(token.issued), time(token.expires), state]);
    }
    or_hint(&table, "No tokens were issued. Issue one: `tacit token create --role analyst --subject NAME`.")
}

/// A time of the API, in RFC 3339 and UTC; the number itself where it is beyond the calendar.
pub(super) fn time(unix_seconds: u64) -> String {
    let time = i64::try_from(unix_seconds).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    time.map_or_else(
        || unix_seconds.to_string(),
        |at| {
            let (hour, minute, second) = at.to_hms();
            format!("{}T{hour:02}:{minute:02}:{second:02}Z", at.date())
        },
    )
}

/// A name of the API, such as that of a state, as people write it.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// The part of a job id that people type.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_rfc_3339_and_utc() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(time(1_709_164_800), "2024-02-29T00:00:00Z");
        assert_eq!(time(u64::MAX), u64::MAX.to_string());
    }

    #[test]
    fn states_are_written_in_words() {
        assert_eq!(words("awaiting_approval"), "awaiting approval");
    }
}
