//! What the command prints.

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::measure::Spent;
use super::messages::{Mode, PartyReport, Task};

/// One operation's figures, as `--json` prints them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// The operation.
    op: &'static str,
    /// The cells of its operands: one size for vectors and keys, three for a matrix product.
    shape: Vec<u64>,
    /// The width of the declared ranges; none where there are no numbers.
    bits: Option<u32>,
    /// The cells of its first operand.
    n: u64,
    /// Measured runs.
    runs: u32,
    /// What each run begins with.
    mode: Mode,
    /// The median over the runs of the seconds until the slower party was done.
    wall_s: f64,
    /// The same of each run.
    walls_s: Vec<f64>,
    /// The mean processor seconds of party 0 and 1.
    cpu_s: [f64; 2],
    /// The mean payload bytes that party 0 and 1 send.
    bytes: [u64; 2],
    /// The most turns from sending to receiving of a party in a run.
    rounds: u64,
    /// The largest difference from the plain evaluator.
    max_error: f64,
    /// How large the plan says that it can be; none: without bound.
    error_bound: Option<f64>,
    /// Mean seconds and payload bytes, both ways together, of making a run's correlations before it; none where they
    /// are made within the run.
    offline_s: Option<f64>,
    offline_bytes: Option<u64>,
    /// Seconds of the set-up.
    setup_s: f64,
    /// Payload bytes of the set-up, both ways together.
    setup_bytes: u64,
    /// The peak of resident memory of party 0 and 1 in bytes; none where the system does not tell.
    peak_bytes: [Option<u64>; 2],
    /// What lies between the parties.
    link: String,
}

impl Report {
    /// Puts together what the two parties measured.
    pub(super) fn new(task: &Task, parties: &[PartyReport; 2]) -> Self {
        let [zero, one] = parties;
        let walls_s: Vec<f64> =
            zero.runs.iter().zip(&one.runs).map(|(zero, one)| zero.wall_s.max(one.wall_s)).collect();
        let mut accuracy = parties.iter().filter_map(|party| party.accuracy);
        let mean = |party: &PartyReport, of: fn(&Spent) -> f64| {
            party.runs.iter().map(of).sum::<f64>() / party.runs.len().max(1) as f64
        };
        Self {
            op: task.operation.name(),
            shape: task.shape.clone(),
            bits: zero.bits,
            n: task.operation.cells(&task.shape),
            runs: task.runs,
            mode: task.mode,
            wall_s: median(&walls_s),
            walls_s,
            cpu_s: [zero, one].map(|party| mean(party, |run| run.cpu_s)),
            bytes: [zero, one].map(|party| mean(party, |run| run.sent as f64).round() as u64),
            rounds: zero.runs.iter().chain(&one.runs).map(|run| run.rounds).max().unwrap_or(0),
            max_error: accuracy.clone().map(|accuracy| accuracy.max_error).fold(0.0, f64::max),
            error_bound: accuracy.try_fold(0.0, |all: f64, accuracy| Some(all.max(accuracy.error_bound?))),
            offline_s: zero.offline.zip(one.offline).map(|(zero, one)| zero.wall_s.max(one.wall_s)),
            offline_bytes: zero.offline.zip(one.offline).map(|(zero, one)| zero.sent + one.sent),
            setup_s: zero.setup.wall_s.max(one.setup.wall_s),
            setup_bytes: zero.setup.sent + one.setup.sent,
            peak_bytes: [zero.peak_bytes, one.peak_bytes],
            link: task.link.map_or_else(|| "loopback".into(), |link| link.to_string()),
        }
    }

    /// As a line of JSON.
    pub(super) fn print_json(&self) {
        print_line(&serde_json::to_string(self).expect("a report serialises"));
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(of: &[f64]) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// For people.
pub(super) fn print_table(reports: &[Report]) {
    let header = [
        "OPERATION",
        "SHAPE",
        "BITS",
        "SECONDS",
        "CPU 0",
        "CPU 1",
        "BYTES 0",
        "BYTES 1",
        "ROUNDS",
        "ERROR",
        "BOUND",
        "SET-UP",
        "PEAK 0",
        "PEAK 1",
    ];
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for report in reports {
        let shape: Vec<String> = report.shape.iter().map(u64::to_string).collect();
        let number = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let peak = |bytes: Option<u64>| number(bytes.map(|bytes| format!("{} MB", bytes / 1_000_000)));
        table.add_row([
            report.op.to_owned(),
            shape.join("x"),
            number(report.bits.map(|bits| bits.to_string())),
            format!("{:.4}", report.wall_s),
            format!("{:.3}", report.cpu_s[0]),
            format!("{:.3}", report.cpu_s[1]),
            report.bytes[0].to_string(),
            report.bytes[1].to_string(),
            report.rounds.to_string(),
            format!("{:.2e}", report.max_error),
            number(report.error_bound.map(|bound| format!("{bound:.2e}"))),
            format!("{:.3} s", report.setup_s),
            peak(report.peak_bytes[0]),
            peak(report.peak_bytes[1]),
        ]);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    print_line(&lines.join("\n"));
    if let Some(report) = reports.first() {
        let mode = match report.mode {
            Mode::Warm => "after a set-up and one run that is not measured",
            Mode::Cold => "each run with its set-up",
            Mode::OfflineReady => {
                "after a set-up, one run that is not measured, and the making of each run's correlations"
            }
        };
        print_line(&format!(
            "\nMedian of {} runs over {}, {mode}; error against plain arithmetic.",
            report.runs, report.link
        ));
    }
}

/// A reader that has gone away (`| head`) ends the output, not the program.
fn print_line(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!(median(&[]).is_nan());
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
