//! The demo, as a newcomer runs it.

use std::process::Command;

use serde_json::Value;

fn demo(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_tacit")).arg("demo").arg("--json").args(arguments).output();
    let output = output.expect("the binary runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// The answers equal plain arithmetic: counts exactly, sums and means within 1e-6.
fn check(report: &Value) {
    let number = |part: &str, name: &str| report[part][name].as_f64().expect("a number");
    assert_eq!(number("result", "number"), number("plain", "number"));
    for name in ["cost", "average"] {
        let (joint, plain) = (number("result", name), number("plain", name));
        assert!((joint - plain).abs() <= 1e-6 * plain.abs(), "{name}: {joint} instead of {plain}");
    }
}

/// The receipts are there after the demo, and verify.
fn check_receipts(report: &Value) {
    for receipt in report["receipts"].as_array().expect("two receipts") {
        let verified = Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(["receipt", "verify", receipt.as_str().expect("a path")])
            .status()
            .expect("the binary runs");
        assert!(verified.success());
    }
}

#[test]
fn the_demo_answers_as_plain_arithmetic_and_its_receipts_verify() {
    let parent = tempfile::tempdir().expect("a directory");
    let kept = parent.path().join("kept");
    let report = demo(&["--keep", kept.to_str().expect("a path")]);
    check(&report);
    assert_eq!(report["rows"], 5_000);
    assert_eq!(report["overlap"], 3_000);
    check_receipts(&report);
    assert!(kept.join("customers.csv").is_file() && kept.join("accounts.csv").is_file());
}

#[test]
fn the_demo_is_right_at_a_million_rows() {
    let report = demo(&["--rows", "1000000"]);
    check(&report);
    check_receipts(&report);
    assert_eq!(report["overlap"], 600_000);
}
