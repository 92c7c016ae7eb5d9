//! Faults of the path between two running nodes, at every point of a run.

use tacit_protocol::api::JobDetail;

use crate::harness::{CUSTOMERS, Organisation, SHOP_POLICY, Two, cell, count_answer, count_question, until};
use crate::wire::{Event, Fault, Wire};

fn on_a_wire() -> (Two, Wire) {
    let mut two = Two::with_tables(SHOP_POLICY);
    let wire = Wire::between(&mut two);
    (two, wire)
}

/// The bytes that a whole run of the question carries, from maison and from banque: of one after the first, which leaves
/// its set-up to those that follow.
fn whole(two: &Two, wire: &Wire) -> [(&'static str, u64); 2] {
    for _ in 0..2 {
        let job = two.banque.submit(count_question()).expect("submitted");
        assert_answered(two, &job.id);
    }
    let [maison, banque] = wire.carried();
    [("maison", maison), ("banque", banque)]
}

/// The job finishes at both, with the right answer and one receipt.
fn assert_answered(two: &Two, id: &str) {
    let ended = two.banque.ended(id);
    assert_eq!(ended.summary.state, "finished", "{:?}", ended.failure);
    let result = two.banque.client().result(id).expect("a result");
    assert_eq!(cell(&result, "number"), count_answer(CUSTOMERS).to_string());
    let receipt = until("the receipt is settled", || two.banque.client().receipt(id).ok());
    assert_eq!(two.maison.client().receipt(id).expect("the same receipt"), receipt);
    assert_eq!(two.maison.ended(id).summary.state, "finished");
}

/// The job as both show it once it has ended at both; they show the same end.
fn both_ended(two: &Two, id: &str) -> [JobDetail; 2] {
    let ended = [two.maison.ended(id), two.banque.ended(id)];
    assert_eq!(ended[0].summary.state, ended[1].summary.state, "{:?} {:?}", ended[0].failure, ended[1].failure);
    ended
}

/// A job whose channel meets a fault ends alike on both sides, and its question is answered in the end: by itself, or
/// by the run that repeats it.
fn survives(two: &Two, wire: &Wire, fault: Fault) -> JobDetail {
    wire.meet(&[fault]);
    let job = two.banque.submit(count_question()).expect("submitted");
    println!("{fault:?}: job {}", job.id);
    let [_, ended] = both_ended(two, &job.id);
    if ended.summary.state == "finished" {
        assert_answered(two, &job.id);
    } else {
        let failure = ended.failure.as_ref().expect("why");
        assert!(
            failure.party.is_some() && failure.step.is_some() && !failure.next.is_empty(),
            "{fault:?}: {failure:?}"
        );
        let again = until(&format!("{fault:?}: the job runs again"), || two.banque.client().job(&job.id).ok()?.rerun);
        assert_answered(two, &again);
    }
    ended
}

#[test]
fn a_path_that_is_cut_anywhere_ends_alike_on_both_sides_and_costs_no_answer() {
    let (two, wire) = on_a_wire();
    let mut finished = 0;
    for (from, total) in whole(&two, &wire) {
        // In the preamble or its answer, in the handshake, in each part of the run, and around the opening at its end.
        let early = [0, 30, 60];
        let within = (1..4).map(|quarter| total * quarter / 4);
        let last = (1..=6).map(|back| total - 20 * back);
        for after in early.into_iter().chain(within).chain(last).chain([total - 1]) {
            let ended = survives(&two, &wire, Fault { from, after, event: Event::Cut });
            finished += usize::from(ended.summary.state == "finished");
        }
    }
    assert!(finished > 0, "some cuts come after the release, and those jobs finish all the same");
}

#[test]
fn a_path_that_changes_a_byte_ends_the_job_and_releases_nothing_chk_403() {
    let (two, wire) = on_a_wire();
    let lengths = whole(&two, &wire);
    for (from, total) in lengths {
        for event in [Event::Flip, Event::Insert] {
            for after in [total / 4, total / 2] {
                wire.meet(&[Fault { from, after, event }]);
                let job = two.banque.submit(count_question()).expect("submitted");
                for ended in both_ended(&two, &job.id) {
                    assert_eq!(ended.summary.state, "failed");
                    assert!(ended.rerun.is_none(), "a deviation is not repeated");
                }
                let codes = [&two.maison, &two.banque].map(|node| node.ended(&job.id).failure.expect("why").code);
                assert!(
                    codes.iter().any(|code| code.as_str() == "CHANNEL_AUTH"),
                    "{from} {event:?} {after}: {codes:?}"
                );
                assert!(two.banque.client().result(&job.id).is_err());
            }
        }
    }
    let job = two.banque.submit(count_question()).expect("submitted");
    assert_answered(&two, &job.id);
}

#[test]
fn a_path_that_falls_silent_ends_the_run_after_the_peers_patience() {
    let (two, wire) = on_a_wire();
    for (from, total) in whole(&two, &wire) {
        let ended = survives(&two, &wire, Fault { from, after: total / 2, event: Event::Hold });
        assert_eq!(ended.summary.state, "failed");
    }
    wire.let_go();
}

/// Kills or stops a node while both are releasing and the shop's share has not arrived: the answer comes all the
/// same, by the control plane.
fn dies_at_the_release(victim: fn(&mut Two) -> &mut Organisation, end: fn(&mut Organisation)) {
    let (mut two, wire) = on_a_wire();
    let [(from, total), _] = whole(&two, &wire);
    wire.meet(&[Fault { from, after: total - OPENING, event: Event::Hold }]);
    let job = two.banque.submit(count_question()).expect("submitted");
    wire.wait_until_held(1);
    for node in [&two.maison, &two.banque] {
        node.in_state(&job.id, &["releasing"]);
    }
    let node = victim(&mut two);
    end(node);
    node.restart();
    assert_answered(&two, &job.id);
    wire.let_go();
}

/// Bytes at the end of a run that hold the shop's opening share, and that the bank cannot open without.
const OPENING: u64 = 30;

#[test]
fn an_owner_that_is_killed_while_it_releases_sends_its_share_again() {
    dies_at_the_release(|two| &mut two.maison, Organisation::kill);
}

#[test]
fn an_owner_that_is_stopped_while_it_releases_sends_its_share_again() {
    dies_at_the_release(|two| &mut two.maison, Organisation::stop);
}

#[test]
fn a_receiver_that_is_killed_while_it_releases_gets_its_answer() {
    dies_at_the_release(|two| &mut two.banque, Organisation::kill);
}

#[test]
fn a_receiver_that_is_stopped_while_it_releases_gets_its_answer() {
    dies_at_the_release(|two| &mut two.banque, Organisation::stop);
}

/// Kills a node whose third job has its contract and waits for a free place.
fn dies_with_a_contract(victim: fn(&mut Two) -> &mut Organisation) {
    let (mut two, wire) = on_a_wire();
    let [(from, total), _] = whole(&two, &wire);
    let hold = Fault { from, after: total / 2, event: Event::Hold };
    wire.meet(&[hold, hold]);
    let running: Vec<_> = (0..2).map(|_| two.banque.submit(count_question()).expect("submitted")).collect();
    wire.wait_until_held(2);
    let waiting = two.banque.submit(count_question()).expect("submitted");
    for node in [&two.maison, &two.banque] {
        node.in_state(&waiting.id, &["contracted"]);
    }
    let node = victim(&mut two);
    node.kill();
    node.restart();
    assert_answered(&two, &waiting.id);
    for job in running {
        let [_, ended] = both_ended(&two, &job.id);
        assert_eq!(ended.summary.state, "failed");
        let again = until("the job runs again", || two.banque.client().job(&job.id).ok()?.rerun);
        assert_answered(&two, &again);
    }
    wire.let_go();
}

#[test]
fn an_owner_that_is_killed_with_a_contract_keeps_it() {
    dies_with_a_contract(|two| &mut two.maison);
}

#[test]
fn a_proposer_that_is_killed_with_a_contract_keeps_it() {
    dies_with_a_contract(|two| &mut two.banque);
}
