//! `tacit bench`, as somebody who wants figures runs it.

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_tacit")).arg("bench").args(arguments).output();
    output.expect("the binary runs")
}

/// The objects that a measurement prints, one a line.
fn measured(arguments: &[&str]) -> Vec<Value> {
    let output = bench(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    lines.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

/// What holds of every measurement: the result is as right as the plan says, and figures are there.
fn check(report: &Value, operation: &str, cells: u64, runs: usize) {
    assert_eq!(report["op"], operation);
    assert_eq!((report["n"].as_u64(), report["runs"].as_u64()), (Some(cells), Some(runs as u64)));
    let number = |name: &str| report[name].as_f64().expect("a number");
    assert!(number("max_error") <= number("error_bound"), "{report}");
    assert!(number("wall_s") > 0.0);
    assert_eq!(report["walls_s"].as_array().map(Vec::len), Some(runs));
    for party in 0..2 {
        assert!(report["cpu_s"][party].as_f64().is_some_and(|seconds| seconds > 0.0), "{report}");
    }
}

/// The payload that the parties sent.
fn bytes(report: &Value) -> [u64; 2] {
    [0, 1].map(|party| report["bytes"][party].as_u64().expect("bytes"))
}

#[test]
fn operations_between_two_processes_are_right_and_metered() {
    let reports = measured(&["--op", "lt,where", "--n", "1000", "--runs", "1"]);
    assert_eq!(reports.len(), 2);
    for (report, operation) in reports.iter().zip(["lt", "where"]) {
        check(report, operation, 1_000, 1);
        assert_eq!(report["shape"], serde_json::json!([1_000]));
        assert_eq!((&report["mode"], &report["link"]), (&"warm".into(), &"loopback".into()));
        assert!(bytes(report).iter().all(|bytes| *bytes > 0), "{report}");
        assert!(report["rounds"].as_u64() > Some(0));
        assert!(report["setup_bytes"].as_u64() > Some(0));
    }
    assert_eq!((&reports[0]["bits"], &reports[1]["bits"]), (&40.into(), &25.into()));
}

#[test]
fn a_simulated_link_delays_the_run() {
    let report = &measured(&["--op", "lt", "--n", "100", "--runs", "1", "--wan", "60,1000"])[0];
    check(report, "lt", 100, 1);
    assert_eq!(report["link"], "60 ms, 1000 Mbit/s");
    // A comparison takes two messages at least that follow from each other.
    assert!(report["rounds"].as_u64() >= Some(2), "{report}");
    assert!(report["wall_s"].as_f64() >= Some(0.06), "{report}");
}

#[test]
fn every_operation_keeps_the_bound_of_its_plan() {
    let reports = measured(&["--n", "64", "--shape", "5,7,3", "--runs", "2"]);
    let names: Vec<&str> = reports.iter().filter_map(|report| report["op"].as_str()).collect();
    let known = [
        "mul", "lt", "eq", "div", "matmul", "linreg", "logreg", "max", "argmax", "sort", "where", "sum", "exp", "log",
        "sqrt", "sigmoid", "psi",
    ];
    assert_eq!(names, known);
    for report in &reports {
        let operation = report["op"].as_str().expect("a name");
        check(report, operation, if ["matmul", "linreg", "logreg"].contains(&operation) { 35 } else { 64 }, 2);
        // A sum of shares is a share of the sum.
        assert_eq!(bytes(report).iter().all(|bytes| *bytes > 0), operation != "sum", "{report}");
    }
}

#[test]
fn a_regression_is_as_exact_as_its_steps_allow() {
    let report = &measured(&["--op", "linreg", "--shape", "300,3,30", "--runs", "1"])[0];
    check(report, "linreg", 900, 1);
    assert_eq!(report["shape"], serde_json::json!([300, 3, 30]));
    // The bound holds for the worst data; on these the steps forget what was rounded before them.
    assert!(report["max_error"].as_f64() < Some(1e-3), "{report}");
}

#[test]
fn a_cold_run_includes_its_setup_and_wider_ranges_cost_more() {
    let narrow = &measured(&["--op", "lt", "--n", "500", "--runs", "1", "--cold", "--bits", "24"])[0];
    let wide = &measured(&["--op", "lt", "--n", "500", "--runs", "1", "--cold", "--bits", "64"])[0];
    for report in [narrow, wide] {
        check(report, "lt", 500, 1);
        assert_eq!(report["mode"], "cold");
        assert!(bytes(report).iter().sum::<u64>() > report["setup_bytes"].as_u64().expect("bytes"));
    }
    assert!(bytes(wide).iter().sum::<u64>() > bytes(narrow).iter().sum());
}

#[test]
fn a_run_whose_correlations_were_made_before_it_makes_none() {
    // So many that one run takes more than a silent round makes.
    let arguments = ["--op", "lt", "--n", "100000", "--runs", "1"];
    let warm = &measured(&arguments)[0];
    let ready = &measured(&[&arguments[..], &["--offline-ready"]].concat())[0];
    for report in [warm, ready] {
        check(report, "lt", 100_000, 1);
    }
    assert_eq!((&warm["offline_bytes"], &ready["mode"]), (&Value::Null, &"offline-ready".into()));
    let offline = ready["offline_bytes"].as_u64().expect("bytes");
    assert!(offline > 0);
    assert!(bytes(ready).iter().sum::<u64>() < bytes(warm).iter().sum());
    // Somebody who asks for both contradicts himself.
    let output = bench(&["--cold", "--offline-ready"]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true));
}

#[test]
fn an_operation_that_the_engine_lacks_is_refused_before_anything_is_measured() {
    let output = bench(&["--op", "lt,frobnicate", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let failure: Value = serde_json::from_slice(&output.stderr).expect("a failure");
    assert_eq!(failure["code"], "USAGE_BENCH_OP");
    assert!(failure["message"].as_str().expect("text").contains("no operation"), "{failure}");
}
