//! Idle work: what two nodes make while no job runs, what jobs take of it, and what becomes of it in any doubt.

use std::path::Path;

use tacit_node::config::Config;
use tacit_protocol::api::JobDetail;
use tacit_protocol::bench::{BenchMode, BenchOffer, BenchTask};
use tacit_protocol::canonical::Nonce;
use tacit_protocol::contract::{ChannelKey, ChannelOffer};
use tacit_protocol::idle::{IdleChunks, IdleOffer, MAX_KINDS};
use tacit_protocol::messages::{Request, Response};

use crate::bench_peer::allowing;
use crate::harness::{CUSTOMERS, Organisation, SHOP_POLICY, Two, cell, count_answer, count_question, until};
use crate::rogue::Rogue;

/// What the question takes of what was made before: a word for the bit of each customer that both know.
const TAKEN: (&str, u64) = ("bits-64", CUSTOMERS as u64 - 10);

/// Asks, and tells how it went.
fn ask(two: &Two) -> JobDetail {
    let job = two.banque.submit(count_question()).expect("submitted");
    let ended = two.banque.ended(&job.id);
    assert_eq!(ended.summary.state, "finished", "{:?}", ended.failure);
    let result = two.banque.client().result(&job.id).expect("a result");
    assert_eq!(cell(&result, "number"), count_answer(CUSTOMERS).to_string());
    ended
}

/// What a job took of what was made before.
fn taken(job: &JobDetail) -> Vec<(&str, u64)> {
    let run = job.run.as_ref().expect("it ran");
    run.made_before.iter().map(|(kind, items)| (kind.as_str(), *items)).collect()
}

/// The sessions of idle work in a node's log.
fn sessions(node: &Organisation) -> Vec<String> {
    let lines = node.client().log(0).expect("the log");
    lines.into_iter().map(|line| line.text).filter(|text| text.contains("made in advance")).collect()
}

/// Waits until both nodes have so many sessions behind them.
fn made(two: &Two, count: usize) {
    for node in [&two.maison, &two.banque] {
        until(&format!("{} has made something", node.name), || (sessions(node).len() >= count).then_some(()));
    }
}

/// The chunks in a node's directory.
fn chunks(node: &Organisation) -> usize {
    fn count(path: &Path) -> usize {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries
            .map(|entry| match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => count(&entry.path()),
                false => usize::from(entry.path().extension().is_some_and(|extension| extension == "ready")),
            })
            .sum()
    }
    count(&node.dir.join("correlations"))
}

#[test]
fn what_idle_nodes_make_goes_into_the_next_job_and_is_made_again() {
    let two = Two::with_tables(SHOP_POLICY);
    let first = ask(&two);
    assert!(taken(&first).is_empty());
    made(&two, 1);
    assert!(sessions(&two.banque)[0].contains("1 chunks"), "{:?}", sessions(&two.banque));
    assert_eq!([chunks(&two.maison), chunks(&two.banque)], [1, 1]);
    let second = ask(&two);
    assert_eq!(taken(&second), [TAKEN]);
    // The owner's record says so too, and the page for people.
    let owners = two.maison.ended(&second.summary.id);
    assert_eq!(taken(&owners), [TAKEN]);
    let shown = two.banque.cli(&["job", "show", &second.summary.id]);
    assert!(shown.stdout.contains("took 390 bits-64 that were made in idle time"), "{}", shown.stdout);
    let sent = |job: &JobDetail| job.run.as_ref().map(|run| run.bytes_sent + run.bytes_received);
    assert!(sent(&second) < sent(&first), "{:?} {:?}", sent(&second), sent(&first));
    until("both receipts are settled", || two.banque.client().receipt(&second.summary.id).ok());
    made(&two, 2);
    assert_eq!(taken(&ask(&two)), [TAKEN]);
}

#[test]
fn a_node_whose_operator_wants_none_makes_none_and_jobs_run_without() {
    let two = allowing(Two::with_tables(SHOP_POLICY), |name, config: &mut Config| {
        config.idle.enabled = name != "maison";
    });
    for _ in 0..2 {
        assert!(taken(&ask(&two)).is_empty());
    }
    assert_eq!([chunks(&two.maison), chunks(&two.banque)], [0, 0]);
}

#[test]
fn kills_of_either_node_lose_at_most_what_was_made() {
    let mut two = Two::with_tables(SHOP_POLICY);
    ask(&two);
    for victim in
        [|two: &mut Two| &mut two.banque, |two: &mut Two| &mut two.maison] as [fn(&mut Two) -> &mut Organisation; 2]
    {
        let before = sessions(&two.banque).len().min(sessions(&two.maison).len());
        // In the middle of a session, or before, or after it.
        victim(&mut two).kill();
        victim(&mut two).restart();
        two.connected();
        ask(&two);
        made(&two, before.max(1));
        ask(&two);
    }
    // What was made outlives a stop in order.
    until("there is something again", || (chunks(&two.maison) == 1 && chunks(&two.banque) == 1).then_some(()));
    two.maison.stop();
    two.maison.restart();
    two.connected();
    assert_eq!(taken(&ask(&two)), [TAKEN]);
}

#[test]
fn what_a_restored_copy_brings_back_is_never_used_chk_603() {
    let mut two = Two::with_tables(SHOP_POLICY);
    ask(&two);
    made(&two, 1);
    two.maison.stop();
    let (kept, copy) = (two.maison.dir.join("correlations"), two.dir.path().join("copy"));
    copy_all(&kept, &copy);
    two.maison.restart();
    two.connected();
    assert_eq!(taken(&ask(&two)), [TAKEN]);
    two.maison.stop();
    std::fs::remove_dir_all(&kept).expect("removed");
    copy_all(&copy, &kept);
    let restored = epochs(&kept);
    assert_eq!((chunks(&two.maison), restored.len()), (1, 1), "the chunk is back");
    two.maison.restart();
    two.connected();
    assert!(epochs(&kept).iter().all(|epoch| !restored.contains(epoch)), "and it is gone");
    until("there is something new", || (chunks(&two.maison) == 1 && chunks(&two.banque) == 1).then_some(()));
    assert!(epochs(&kept).iter().all(|epoch| !restored.contains(epoch)));
    assert_eq!(taken(&ask(&two)), [TAKEN]);
}

/// The directories of epochs in a store.
fn epochs(store: &Path) -> Vec<std::path::PathBuf> {
    let directories = |path: &Path| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    directories(store).iter().flat_map(|peer| directories(peer)).collect()
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("there").flatten() {
        let to = to.join(entry.file_name());
        match entry.file_type().expect("known").is_dir() {
            true => copy_all(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).expect("copied")),
        }
    }
}

#[test]
fn chk_407_a_peer_cannot_have_a_node_make_what_its_own_jobs_do_not_want() {
    let mut two = allowing(Two::with_tables(SHOP_POLICY), |_, _| ());
    ask(&two);
    made(&two, 1);
    let rogue = Rogue::of(&mut two.banque, "maison");
    let offer = |kinds: &[(&str, u64)]| {
        let chunks = kinds.iter().map(|(kind, count)| IdleChunks { kind: (*kind).into(), count: *count });
        let channel = ChannelOffer { key: ChannelKey::from_bytes([3; 32]), addresses: Vec::new() };
        let nonce = Nonce::from_bytes([7; 16]);
        Request::Idle(Box::new(IdleOffer { nonce, channel, chunks: chunks.collect() }))
    };
    for (kinds, code) in [
        (vec![], "PEER_BUSY"),
        (vec![("triples-128", 1_000)], "PEER_BUSY"),
        (vec![("matrix-triples-2000-2000-700", u64::MAX), ("nonsense", 3), ("bits-65", 1)], "PEER_BUSY"),
        (vec![("bits-64", 1); MAX_KINDS + 1], "PEER_ANSWER"),
    ] {
        assert_eq!(rogue.refusal(&offer(&kinds)), code, "{kinds:?}");
    }
    // Nor does it while it measures; here it waits for the rogue to connect.
    let measured = BenchOffer {
        task: BenchTask { operation: "lt".into(), shape: vec![10], bits: None, runs: 1, mode: BenchMode::Warm },
        nonce: Nonce::from_bytes([8; 16]),
        channel: ChannelOffer { key: ChannelKey::from_bytes([3; 32]), addresses: Vec::new() },
    };
    assert!(matches!(rogue.ask(&Request::Bench(Box::new(measured))), Response::Bench(_)));
    assert_eq!(rogue.refusal(&offer(&[("bits-64", 1)])), "PEER_BUSY");
    until("it has given the measurement up", || {
        let ended = |text: String| text.contains("a measurement failed").then_some(());
        crate::bench_peer::logged(&two.maison).into_iter().find_map(ended)
    });
    // What its jobs want it does, as far as they want it; the rogue that then stays away costs a moment.
    let answer = until("the shop takes part", || match rogue.ask(&offer(&[("bits-64", u64::MAX)])) {
        Response::Idle(answer) => Some(answer),
        // What the measurement held is given back a moment after it is written down.
        _ => None,
    });
    assert_eq!(answer.chunks, [IdleChunks { kind: "bits-64".into(), count: 1 }]);
    assert_eq!(rogue.refusal(&offer(&[("bits-64", 1)])), "PEER_BUSY", "one session at a time");
    rogue.leave();
    two.banque.restart();
    two.connected();
    ask(&two);
}
