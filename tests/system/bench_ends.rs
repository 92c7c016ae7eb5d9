//! What ends a measurement with a peer before its time: a limit, a node that goes, a job. Both sides say why, and no
//! process is left over.

use std::thread;

use crate::bench_peer::{allowing, logged, refused};
use crate::harness::{CUSTOMERS, Organisation, SHOP_POLICY, Two, cell, count_answer, count_question, until};

/// A measurement that takes minutes, and little memory.
const ENDLESS: [&str; 8] = ["--peer", "maison", "--op", "psi", "--n", "262144", "--runs", "20"];

/// The processes that measure for both nodes, once there is one each.
fn measuring(maison: &Organisation, banque: &Organisation) -> Vec<u32> {
    let of = |node: &Organisation| until(&format!("{} measures", node.name), || node.measuring().first().copied());
    vec![of(maison), of(banque)]
}

fn until_ended(processes: &[u32]) {
    until("no process is left over", || processes.iter().all(|id| !Organisation::measures(*id)).then_some(()));
}

/// Waits until a node's log says that a measurement failed with a code that begins so.
fn until_logged(node: &Organisation, code: &str) {
    let failed = |text: &String| text.contains("a measurement failed") && text.contains(code);
    until(&format!("{} has logged {code}", node.name), || logged(node).iter().any(failed).then_some(()));
}

/// The bank measures with the shop until `end`: the code and the party with which the bank's command fails. No process
/// is left over.
fn ended_by(two: &mut Two, end: impl FnOnce(&mut Organisation)) -> (String, String) {
    let Two { maison, banque, .. } = two;
    thread::scope(|scope| {
        let command = scope.spawn(|| refused(banque, &ENDLESS));
        let processes = measuring(maison, banque);
        end(maison);
        let (_, failure) = command.join().expect("a failure");
        until_ended(&processes);
        let text = |key: &str| failure[key].as_str().unwrap_or_default().to_owned();
        (text("code"), text("party"))
    })
}

/// The same the other way round: the shop, with which it is measured, goes on.
fn asker_ended_by(two: &mut Two, end: impl FnOnce(&mut Organisation)) {
    let Two { maison, banque, .. } = two;
    let command = tacit_sdk::Client::of_directory(&banque.dir).expect("the bank runs");
    let request = serde_json::from_value(serde_json::json!({
        "peer": "maison",
        "task": { "operation": "psi", "shape": [262_144], "bits": null, "runs": 20, "mode": "warm" },
    }));
    let request = request.expect("a request");
    thread::scope(|scope| {
        let asked = scope.spawn(|| command.bench(&request));
        let processes = measuring(maison, banque);
        end(banque);
        assert!(asked.join().expect("an answer").is_err());
        until_ended(&processes);
    });
}

#[test]
fn a_measurement_that_takes_too_long_for_either_side_ends_and_both_say_so() {
    for impatient in ["banque", "maison"] {
        let two = allowing(Two::paired(), |name, config| {
            if name == impatient {
                config.bench_seconds = 1;
            }
        });
        let (code, failure) = refused(&two.banque, &ENDLESS);
        assert_eq!((code, &failure["code"], &failure["party"]), (1, &"BENCH_TIME".into(), &impatient.into()));
        for node in [&two.maison, &two.banque] {
            until_logged(node, "BENCH_TIME");
            until("no process is left over", || node.measuring().is_empty().then_some(()));
        }
    }
}

#[test]
fn a_measurement_that_needs_too_much_memory_for_either_side_ends_and_both_say_so() {
    for poor in ["banque", "maison"] {
        let two = allowing(Two::paired(), |name, config| {
            if name == poor {
                config.bench_memory_mib = 64;
            }
        });
        let large = ["--peer", "maison", "--op", "lt", "--n", "1048576", "--runs", "1"];
        let (code, failure) = refused(&two.banque, &large);
        assert_eq!((code, &failure["code"], &failure["party"]), (1, &"BENCH_MEMORY".into(), &poor.into()));
        for node in [&two.maison, &two.banque] {
            until_logged(node, "BENCH_MEMORY");
            assert!(node.client().status().is_ok(), "the process ended, not the node");
        }
    }
}

#[test]
fn a_node_that_stops_ends_the_measurement_and_tells_the_asker() {
    let mut two = allowing(Two::paired(), |_, _| ());
    let ended = ended_by(&mut two, Organisation::stop);
    assert_eq!(ended, ("BENCH_STOPPED".into(), "maison".into()));
    until_logged(&two.banque, "BENCH_STOPPED");
}

#[test]
fn an_asker_that_stops_ends_the_measurement_and_tells_the_one_it_asked() {
    let mut two = allowing(Two::paired(), |_, _| ());
    asker_ended_by(&mut two, Organisation::stop);
    until_logged(&two.maison, "BENCH_STOPPED");
}

#[test]
fn a_node_that_is_killed_leaves_no_process_and_the_asker_names_it() {
    let mut two = allowing(Two::paired(), |_, _| ());
    let (code, party) = ended_by(&mut two, Organisation::kill);
    assert!(["CHANNEL_TRUNCATED", "CHANNEL_CLOSED"].contains(&code.as_str()), "{code}");
    assert_eq!(party, "maison");
    until_logged(&two.banque, &code);
}

#[test]
fn an_asker_that_is_killed_leaves_no_process_and_the_place_is_free_again() {
    let mut two = allowing(Two::paired(), |_, _| ());
    asker_ended_by(&mut two, Organisation::kill);
    until_logged(&two.maison, "CHANNEL_");
    two.banque.restart();
    two.connected();
    let output = two.banque.cli(&["bench", "--peer", "maison", "--op", "lt", "--n", "10", "--runs", "1"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn a_job_that_begins_ends_the_measurement_and_is_answered() {
    let mut two = allowing(Two::with_tables(SHOP_POLICY), |_, _| ());
    let asker = tacit_sdk::Client::of_directory(&two.banque.dir).expect("the bank runs");
    let request =
        tacit_protocol::api::SubmitRequest { program: count_question(), purpose: "test".into(), idempotency_key: None };
    let mut job = None;
    let (code, _) = ended_by(&mut two, |_| job = Some(asker.submit(&request).expect("submitted")));
    assert_eq!(code, "BENCH_JOB");
    for node in [&two.maison, &two.banque] {
        until_logged(node, "BENCH_JOB");
    }
    let id = job.expect("a job").id;
    let ended = two.banque.ended(&id);
    assert_eq!(ended.summary.state, "finished", "{:?}", ended.failure);
    let result = two.banque.client().result(&id).expect("a result");
    assert_eq!(cell(&result, "number"), count_answer(CUSTOMERS).to_string());
}
