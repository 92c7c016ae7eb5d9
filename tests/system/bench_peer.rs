//! `tacit bench --peer`: two nodes measure over their data planes, and only as far as the one that is asked allows.

use std::net::Ipv4Addr;

use serde_json::Value;
use tacit_node::config::Config;
use tacit_protocol::Code;
use tacit_protocol::bench::{BenchMode, BenchOffer, BenchTask};
use tacit_protocol::canonical::Nonce;
use tacit_protocol::contract::{ChannelKey, ChannelOffer};
use tacit_protocol::messages::{PeerFailure, Request, Response};

use crate::harness::{Organisation, SHOP_POLICY, Two, count_question, until};
use crate::rogue::Rogue;
use crate::wire::{Event, Fault, Wire};

/// Two paired nodes, of which the shop allows measurements to the bank.
fn consenting() -> Two {
    allowing(Two::paired(), |_, _| ())
}

/// The same of two nodes, of which each has its configuration changed; they start anew for that.
pub(crate) fn allowing(mut two: Two, change: impl Fn(&str, &mut Config)) -> Two {
    for node in [&mut two.maison, &mut two.banque] {
        node.stop();
        let mut config = Config::read(&node.dir).expect("a configuration");
        if node.name == "maison" {
            config.bench_peers.push("banque".into());
        }
        change(node.name, &mut config);
        std::fs::write(node.dir.join("node.toml"), config.to_toml()).expect("written");
        node.restart();
    }
    two.connected();
    two
}

/// The objects that a measurement prints, one a line.
fn measured(node: &Organisation, arguments: &[&str]) -> Vec<Value> {
    let output = node.cli(&[&["bench", "--json"], arguments].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    output.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

/// Why there is no measurement, and the exit code.
pub(crate) fn refused(node: &Organisation, arguments: &[&str]) -> (i32, Value) {
    let output = node.cli(&[&["bench", "--json"], arguments].concat());
    assert!(output.stdout.is_empty(), "{}", output.stdout);
    (output.code, serde_json::from_str(&output.stderr).expect("a failure"))
}

/// What a node's log says of measurements, oldest first.
pub(crate) fn logged(node: &Organisation) -> Vec<String> {
    let lines = node.client().log(0).expect("the log");
    lines.into_iter().map(|line| line.text).filter(|text| text.contains("measurement")).collect()
}

#[test]
fn two_paired_nodes_measure_over_their_data_planes_and_both_log_it() {
    let two = consenting();
    let reports = measured(&two.banque, &["--peer", "maison", "--op", "lt,psi", "--n", "500", "--runs", "2"]);
    assert_eq!(reports.len(), 2);
    for (report, operation) in reports.iter().zip(["lt", "psi"]) {
        assert_eq!((&report["op"], &report["link"]), (&operation.into(), &"peer maison".into()));
        assert_eq!((report["n"].as_u64(), report["walls_s"].as_array().map(Vec::len)), (Some(500), Some(2)));
        assert!(report["max_error"].as_f64() <= report["error_bound"].as_f64(), "{report}");
        for party in 0..2 {
            assert!(report["bytes"][party].as_u64() > Some(0), "{report}");
            assert!(report["cpu_s"][party].as_f64() > Some(0.0), "{report}");
        }
    }
    // The lines have the fields of those over loopback.
    let loopback = &measured(&two.banque, &["--op", "lt", "--n", "10", "--runs", "1"])[0];
    let fields = |report: &Value| report.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&reports[0]), fields(loopback));

    for (flag, mode) in [("--cold", "cold"), ("--offline-ready", "offline-ready")] {
        let arguments = ["--peer", "maison", "--op", "where", "--n", "50", "--runs", "1", flag];
        let report = &measured(&two.banque, &arguments)[0];
        assert_eq!((&report["mode"], &report["link"]), (&mode.into(), &"peer maison".into()));
        assert_eq!(report["offline_bytes"].is_u64(), mode == "offline-ready", "{report}");
    }
    // A table for people names the peer too.
    let table = two.banque.cli(&["bench", "--peer", "maison", "--op", "sum", "--n", "10", "--runs", "1"]);
    assert!(table.stdout.contains("over peer maison"), "{}{}", table.stdout, table.stderr);

    let ended = |text: &&String| text.contains("a measurement ended");
    until("both logs have it", || {
        let logs = [&two.banque, &two.maison].map(logged);
        logs.iter().all(|log| log.iter().filter(ended).count() == 5 && log.len() == 10).then_some(())
    });
    assert!(logged(&two.maison)[0].contains("lt on [500] cells, 2 runs"));
}

#[test]
fn a_measurement_that_is_not_allowed_or_not_possible_is_refused_with_what_to_do() {
    let mut two = consenting();
    // Consent is the asked one's: the bank has named nobody.
    let small = ["--op", "lt", "--n", "10", "--runs", "1"];
    let (code, failure) = refused(&two.maison, &[&["--peer", "banque"], &small[..]].concat());
    assert_eq!((code, &failure["code"], &failure["party"]), (3, &"POLICY_BENCH".into(), &"banque".into()));
    let next = failure["next"].as_str().expect("a next action");
    assert!(next.contains("bench_peers") && next.contains("maison"), "{failure}");
    until("the bank's log has the refusal", || {
        logged(&two.banque).iter().any(|text| text.contains("POLICY_BENCH")).then_some(())
    });

    for (arguments, code) in [
        (&["--peer", "nobody", "--op", "lt"][..], "PEER_UNKNOWN"),
        (&["--peer", "banque", "--op", "lt"], "PEER_UNKNOWN"),
        (&["--peer", "maison", "--op", "frobnicate"], "USAGE_BENCH_OP"),
        (&["--peer", "maison", "--op", "lt", "--n", "1048577"], "USAGE_BENCH_LIMIT"),
        (&["--peer", "maison", "--op", "lt", "--runs", "21"], "USAGE_BENCH_LIMIT"),
        (&["--peer", "maison", "--op", "lt", "--offline-ready"], "USAGE_BENCH_LIMIT"),
    ] {
        assert_eq!(refused(&two.banque, arguments).1["code"], code, "{arguments:?}");
    }
    // A simulated link makes no sense on a real one.
    let output = two.banque.cli(&["bench", "--peer", "maison", "--wan", "40,100"]);
    assert!(output.code == 2 && output.stderr.contains("--wan"), "{}", output.stderr);

    // A peer that is away, and a node that does not run.
    two.maison.stop();
    let asked = [&["--peer", "maison"], &small[..]].concat();
    let (code, failure) = refused(&two.banque, &asked);
    assert_eq!((code, &failure["party"]), (4, &"maison".into()), "{failure}");
    two.banque.stop();
    let (_, failure) = refused(&two.banque, &asked);
    assert!(["API_NO_NODE", "API_UNREACHABLE"].contains(&failure["code"].as_str().expect("a code")), "{failure}");
}

#[test]
fn the_asker_listens_where_only_it_has_an_address() {
    // The shop dials the bank, and nobody can dial the shop.
    let two = allowing(Two::paired(), |name, config| {
        if name == "maison" {
            config.listen.clear();
            config.data_listen.set_ip(Ipv4Addr::UNSPECIFIED.into());
        }
    });
    assert_eq!(two.maison.client().status().expect("a status").addresses, Vec::<String>::new());
    let reports = measured(&two.banque, &["--peer", "maison", "--op", "where,psi", "--n", "50", "--runs", "1"]);
    assert_eq!(reports.len(), 2);
}

#[test]
fn a_measurement_is_refused_while_a_job_runs_at_the_asker() {
    // The job waits for what the path holds back longer than the test takes.
    let mut two = allowing(Two::with_tables(SHOP_POLICY), |_, config| config.peer_timeout_seconds = 600);
    let wire = Wire::between(&mut two);
    wire.meet(&[Fault { from: "maison", after: 60, event: Event::Hold }]);
    let job = two.banque.submit(count_question()).expect("submitted");
    wire.wait_until_held(1);
    let small = ["--peer", "maison", "--op", "lt", "--n", "10", "--runs", "1"];
    let (code, failure) = refused(&two.banque, &small);
    assert_eq!((code, &failure["code"]), (4, &"PEER_BUSY".into()));
    assert!(failure["message"].as_str().is_some_and(|message| message.contains("a job runs")), "{failure}");
    wire.let_go();
    assert_eq!(two.banque.ended(&job.id).summary.state, "finished");
    until("the shop's job has ended too", || {
        (two.maison.client().job(&job.id).ok()?.summary.state == "finished").then_some(())
    });
    measured(&two.banque, &small);
}

fn task(operation: &str, shape: &[u64], runs: u32) -> BenchTask {
    BenchTask { operation: operation.into(), shape: shape.into(), bits: None, runs, mode: BenchMode::Warm }
}

/// An offer with a key that nobody holds, and no address: the shop listens.
fn offer(task: BenchTask) -> BenchOffer {
    let channel = ChannelOffer { key: ChannelKey::from_bytes([9; 32]), addresses: Vec::new() };
    BenchOffer { task, nonce: Nonce::from_bytes([7; 16]), channel }
}

#[test]
fn chk_406_a_peer_is_refused_while_a_job_runs() {
    let mut two = allowing(Two::with_tables(SHOP_POLICY), |_, config| config.peer_timeout_seconds = 600);
    let rogue = Rogue::of(&mut two.banque, "maison");
    rogue.reconnect();
    // The shop waits for a handshake that does not come.
    let (_, session) = rogue.started(count_question());
    let Response::Failed(failure) = rogue.ask(&Request::Bench(Box::new(offer(task("lt", &[10], 1))))) else {
        panic!("the shop's job runs")
    };
    assert_eq!(failure.code.as_str(), "PEER_BUSY");
    assert!(failure.message.to_string().contains("a job runs"), "{failure:?}");
    drop(session);
    rogue.leave();
}

#[test]
fn chk_406_a_peer_ends_its_own_measurement_and_no_other() {
    let mut two = consenting();
    let rogue = Rogue::of(&mut two.banque, "maison");
    rogue.reconnect();
    let good = offer(task("lt", &[10], 1));
    let Response::Bench(theirs) = rogue.ask(&Request::Bench(Box::new(good.clone()))) else {
        panic!("the shop measures with the bank")
    };
    let session = rogue.connect_bench(&good, &theirs).expect("the shop listens");
    let end = |nonce| {
        let failure = PeerFailure::new(Code::new("BENCH_JOB"), "\u{1b}[2J".repeat(99), "");
        assert_eq!(rogue.ask(&Request::BenchEnd { nonce, failure }), Response::Acknowledged);
    };
    // Of one that there is not.
    end(Nonce::from_bytes([8; 16]));
    assert_eq!(rogue.refusal(&Request::Bench(Box::new(good.clone()))), "PEER_BUSY");
    // Of the one that there is, and once more.
    end(good.nonce);
    until("the shop's measurement has ended", || {
        let failed = |text: &String| text.contains("a measurement failed") && text.contains("BENCH_JOB");
        logged(&two.maison).iter().any(failed).then_some(())
    });
    end(good.nonce);
    drop(session);
    rogue.leave();
}

#[test]
fn chk_406_a_peer_that_asks_for_too_much_or_leaves_costs_the_node_nothing() {
    let mut two = consenting();
    let rogue = Rogue::of(&mut two.banque, "maison");
    rogue.reconnect();
    let ask = |offer: &BenchOffer| rogue.ask(&Request::Bench(Box::new(offer.clone())));
    for (wrong, code) in [
        (task("lt", &[u64::MAX], 1), "USAGE_BENCH_LIMIT"),
        (task("lt", &[1 << 21], 1), "USAGE_BENCH_LIMIT"),
        (task("lt", &[10], u32::MAX), "USAGE_BENCH_LIMIT"),
        (task("matmul", &[1 << 40, 1 << 40, 1 << 40], 1), "USAGE_BENCH_LIMIT"),
        (task("lt", &vec![1; 10_000], 1), "USAGE_BENCH_LIMIT"),
        (task(&"x".repeat(100_000), &[10], 1), "USAGE_BENCH_OP"),
    ] {
        assert_eq!(rogue.refusal(&Request::Bench(Box::new(offer(wrong)))), code);
    }
    // What a node answers that does not know a message: the shop is asked one that no version has.
    let unknown = tacit_protocol::codec::decode::<Response>(&rogue.send(vec![99]).expect("an answer"));
    assert!(matches!(unknown, Ok(Response::Failed(failure)) if failure.code.as_str() == "PROPOSAL_ENCODING"));

    let good = offer(task("lt", &[10], 1));
    let Response::Bench(theirs) = ask(&good) else { panic!("the shop measures with the bank") };
    // One at a time, whoever asks.
    assert_eq!(rogue.refusal(&Request::Bench(Box::new(good.clone()))), "PEER_BUSY");
    // The bank connects and leaves: the measurement ends, and the next one may come.
    drop(rogue.connect_bench(&good, &theirs).expect("the shop listens"));
    until("the shop's measurement has ended", || {
        logged(&two.maison).iter().any(|text| text.contains("a measurement failed")).then_some(())
    });
    let Response::Bench(theirs) = ask(&good) else { panic!("the place is free again") };
    // What is no handshake ends it as well.
    let mut session = rogue.connect_bench(&good, &theirs).expect("the shop listens");
    std::io::Write::write_all(&mut session.stream, &[0xff; 4_096]).expect("sent");
    until("that one has ended too", || {
        let failed = |text: &&String| text.contains("a measurement failed");
        (logged(&two.maison).iter().filter(failed).count() == 2).then_some(())
    });
    assert!(two.maison.client().status().is_ok());
    rogue.leave();
}
