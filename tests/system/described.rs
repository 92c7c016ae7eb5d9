//! The API is what its description says: Schemathesis makes calls from `/v1/openapi.json` and holds every answer against
//! it. The calls are the same in every run, up to what the node's own ids differ in; their number bounds its time to about a
//! minute.

use std::process::Command;

use super::harness::Organisation;
use super::python;

/// What the answers are held to: no 5xx, statuses and media types and bodies as described. That no call goes without a token
/// is `tokens`' to test: the tester sends the header that it was given with every call.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

#[test]
fn answers_are_as_the_description_says() {
    let Some(programs) = python::environment() else { return };
    let parent = tempfile::tempdir().expect("a directory");
    let shop = Organisation::start(parent.path(), "maison");
    let csv = "id,amount\na,1\nb,2\n";
    shop.import("customers", csv, super::harness::OWN_POLICY_OF_AMOUNTS).expect("imported");
    let read = |name: &str| std::fs::read_to_string(shop.dir.join(name)).expect("a file").trim().to_owned();
    let mut command = Command::new(programs.join("schemathesis"));
    command.current_dir(parent.path()).env("HYPOTHESIS_STORAGE_DIRECTORY", parent.path().join("hypothesis"));
    command.args(["run", &format!("http://{}/v1/openapi.json", read("api.address"))]);
    command.args(["--header", &format!("authorization: Bearer {}", read("api.token"))]);
    command.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "12"]);
    command.args(["--seed", "20261121", "--generation-database", "none", "--no-color"]);
    // Few random texts are names of datasets.
    command.args(["--suppress-health-check", "filter_too_much"]);
    command.args(["--continue-on-failure", "--request-timeout", "40", "--warnings", "off"]);
    // The first ends the node, the second the tester's own token, and the third does not end.
    for path in ["/v1/stop", "/v1/tokens/rotate", "/v1/events"] {
        command.args(["--exclude-path", path]);
    }
    let output = python::run(&mut command).unwrap_or_else(|wrong| panic!("{wrong}\n{}", shop.log_tail()));
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(shop.client().status().is_ok(), "the node goes on");
}
