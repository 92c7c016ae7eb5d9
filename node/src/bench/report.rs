//! What the command prints.

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use tacit_protocol::bench::{BenchMode as Mode, BenchReport};

use super::measure::Spent;
use super::messages::{PartyReport, Task};

/// Puts together what the two parties measured.
pub(super) fn combine(task: &Task, parties: &[PartyReport; 2], link: String) -> BenchReport {
    let [zero, one] = parties;
    let walls_s: Vec<f64> = zero.runs.iter().zip(&one.runs).map(|(zero, one)| zero.wall_s.max(one.wall_s)).collect();
    let mut accuracy = parties.iter().filter_map(|party| party.accuracy);
    let mean = |party: &PartyReport, of: fn(&Spent) -> f64| {
        party.runs.iter().map(of).sum::<f64>() / party.runs.len().max(1) as f64
    };
    BenchReport {
        op: task.operation.name().into(),
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
        link,
    }
}

/// As a line of JSON.
pub(super) fn print_json(report: &BenchReport) {
    print_line(&serde_json::to_string(report).expect("a report serialises"));
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
pub(super) fn print_table(reports: &[BenchReport]) {
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
            report.op.clone(),
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
