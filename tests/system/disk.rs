//! A disk that takes no more, at any point: nothing is released, nothing is half written, and the node goes on when there
//! is room again.
//!
//! The disk is "full" by a limit on the size of the node's files, which needs no rights and no file system of its own.

use crate::harness::{
    CUSTOMERS, OWN_POLICY, Organisation, SHOP_POLICY, Two, accounts, cell, count_answer, count_question, customers,
    until,
};

/// Rows at which a run takes long enough to be caught in the act.
const MANY: u32 = 30_000;
/// Where writes end: less than the store has.
const LIMIT: u64 = 4_096;

fn answers(two: &Two, rows: u32) {
    let result = two.banque.answer(count_question()).expect("an answer");
    assert_eq!(cell(&result, "number"), count_answer(rows).to_string());
}

/// Fills the disk of one node in the middle of a run. The node stops by itself; gives the job's id.
fn filled_in_a_run(two: &mut Two, victim: fn(&mut Two) -> &mut Organisation) -> String {
    two.maison.import("customers", &customers(MANY), SHOP_POLICY).expect("imported");
    two.banque.import("accounts", &accounts(MANY), OWN_POLICY).expect("imported");
    let job = two.banque.submit(count_question()).expect("submitted").id;
    for node in [&two.maison, &two.banque] {
        node.in_state(&job, &["aligning", "executing"]);
    }
    let node = victim(two);
    node.limit_files(LIMIT);
    node.fails_by_itself();
    job
}

#[test]
fn an_owner_whose_disk_is_full_at_the_release_releases_nothing_and_goes_on_once_there_is_room() {
    let mut two = Two::paired();
    let job = filled_in_a_run(&mut two, |two| &mut two.maison);
    let failure = two.banque.ended(&job).failure.expect("why");
    assert_eq!((failure.code.as_str(), failure.party.as_deref()), ("STORE_FULL", Some("maison")), "{failure}");
    two.banque.client().result(&job).expect_err("nothing was released");

    two.maison.restart();
    let ended = two.maison.ended(&job);
    assert_eq!(ended.summary.state, "failed", "{:?}", ended.failure);
    let log = two.maison.client().log(0).expect("a log");
    assert!(log.iter().all(|line| line.kind != "release"), "{log:?}");
    two.connected();
    answers(&two, MANY);
}

#[test]
fn a_proposer_whose_disk_is_full_at_the_release_runs_the_job_again_once_there_is_room() {
    let mut two = Two::paired();
    let job = filled_in_a_run(&mut two, |two| &mut two.banque);
    two.banque.restart();
    for node in [&two.maison, &two.banque] {
        let ended = node.ended(&job);
        assert_eq!(ended.summary.state, "failed", "{}: {:?}", node.name, ended.failure);
    }
    two.banque.client().result(&job).expect_err("nothing was learned");
    let again = until("the job runs again", || two.banque.client().job(&job).ok()?.rerun);
    assert_eq!(two.banque.ended(&again).summary.state, "finished");
    answers(&two, MANY);
}

#[test]
fn a_write_that_fails_outside_a_run_stops_the_node_and_a_restart_finds_everything_whole() {
    let mut two = Two::with_tables(SHOP_POLICY);
    answers(&two, CUSTOMERS);
    two.banque.limit_files(LIMIT);
    let failure = two.banque.submit(count_question()).expect_err("no room");
    assert_eq!(failure.code.as_str(), "STORE_FULL", "{failure}");
    two.banque.fails_by_itself();
    two.maison.limit_files(LIMIT);
    let failure = two.maison.import("customers", &customers(50), SHOP_POLICY).expect_err("no room");
    assert_eq!(failure.code.as_str(), "STORE_FULL", "{failure}");
    two.maison.fails_by_itself();

    two.maison.restart();
    two.banque.restart();
    two.connected();
    let datasets = two.maison.client().datasets().expect("datasets");
    assert_eq!((datasets[0].version, datasets[0].rows), (1, u64::from(CUSTOMERS)));
    answers(&two, CUSTOMERS);
}
