//! Nodes that are killed, stopped or silent at any point of a job.

use tacit_protocol::api::JobDetail;

use crate::harness::{
    CUSTOMERS, OWN_POLICY, Organisation, SHOP_POLICY, Two, accounts, cell, count_answer, count_question, customers,
    until,
};

/// Rows at which the alignment takes long enough to be caught in the act.
const MANY: u32 = 30_000;

fn with_many() -> Two {
    let two = Two::paired();
    two.maison.import("customers", &customers(MANY), SHOP_POLICY).expect("imported");
    two.banque.import("accounts", &accounts(MANY), OWN_POLICY).expect("imported");
    two
}

/// The job that repeats another one, ended.
fn rerun(node: &Organisation, ended: &JobDetail) -> JobDetail {
    let id = until("the job runs again", || node.client().job(&ended.summary.id).ok()?.rerun);
    node.ended(&id)
}

fn assert_right(node: &Organisation, job: &JobDetail, rows: u32) {
    assert_eq!(job.summary.state, "finished", "{:?}", job.failure);
    let result = node.client().result(&job.summary.id).expect("a result");
    assert_eq!(cell(&result, "number"), count_answer(rows).to_string());
}

#[test]
fn a_job_that_waits_survives_a_kill_of_either_node() {
    let mut two = Two::with_tables(&SHOP_POLICY.replace(r#"approval = "auto""#, r#"approval = "ask""#));
    let job = two.banque.submit(count_question()).expect("submitted");
    two.banque.in_state(&job.id, &["awaiting_approval"]);
    two.banque.kill();
    two.maison.kill();
    two.maison.restart();
    two.banque.restart();
    two.connected();
    assert_eq!(two.maison.client().datasets().expect("datasets").len(), 1, "tables are there");
    two.maison.client().approve(&job.id).expect("approved");
    let ended = two.banque.ended(&job.id);
    assert_right(&two.banque, &ended, CUSTOMERS);
}

#[test]
fn an_approval_given_while_the_proposer_is_away_arrives_later() {
    let mut two = Two::with_tables(&SHOP_POLICY.replace(r#"approval = "auto""#, r#"approval = "ask""#));
    let job = two.banque.submit(count_question()).expect("submitted");
    two.banque.in_state(&job.id, &["awaiting_approval"]);
    two.banque.kill();
    two.maison.client().approve(&job.id).expect("approved");
    two.banque.restart();
    let ended = two.banque.ended(&job.id);
    assert_right(&two.banque, &ended, CUSTOMERS);
}

/// Ends one node in the middle of a run and starts it again: the run fails on both sides with a code of the
/// interruption, and the proposer runs the job again by itself.
fn interrupted(victim: fn(&mut Two) -> &mut Organisation, end: fn(&mut Organisation)) {
    let mut two = with_many();
    let job = two.banque.submit(count_question()).expect("submitted");
    for node in [&two.maison, &two.banque] {
        node.in_state(&job.id, &["aligning", "executing"]);
    }
    let node = victim(&mut two);
    end(node);
    node.restart();
    for node in [&two.maison, &two.banque] {
        let ended = node.ended(&job.id);
        assert_eq!(ended.summary.state, "failed", "{}", node.name);
        let failure = ended.failure.expect("a failed job says why");
        let codes = ["JOB_INTERRUPTED", "CHANNEL_CLOSED", "CHANNEL_TRUNCATED", "PEER_TIMEOUT"];
        assert!(codes.contains(&failure.code.as_str()), "{failure}");
        assert!(failure.party.is_some() && failure.step.is_some() && !failure.next.is_empty(), "{failure:?}");
    }
    let ended = two.banque.ended(&job.id);
    assert_right(&two.banque, &rerun(&two.banque, &ended), MANY);
}

#[test]
fn a_run_whose_owner_is_killed_is_run_again() {
    interrupted(|two| &mut two.maison, Organisation::kill);
}

#[test]
fn a_run_whose_proposer_is_killed_is_run_again() {
    interrupted(|two| &mut two.banque, Organisation::kill);
}

#[test]
fn a_run_whose_owner_is_stopped_is_run_again() {
    interrupted(|two| &mut two.maison, Organisation::stop_now);
}

#[test]
fn a_run_whose_proposer_is_stopped_is_run_again() {
    interrupted(|two| &mut two.banque, Organisation::stop_now);
}

#[test]
fn a_decision_made_right_before_the_owners_death_reaches_the_proposer() {
    let mut two = Two::with_tables(&SHOP_POLICY.replace(r#"approval = "auto""#, r#"approval = "ask""#));
    let job = two.banque.submit(count_question()).expect("submitted");
    two.banque.in_state(&job.id, &["awaiting_approval"]);
    // The proposer does not hear of it: it is held.
    two.banque.signal("STOP");
    two.maison.client().approve(&job.id).expect("approved");
    two.maison.kill();
    two.maison.restart();
    two.banque.signal("CONT");
    let ended = two.banque.ended(&job.id);
    assert_right(&two.banque, &ended, CUSTOMERS);
}

#[test]
fn a_receipt_is_settled_after_the_death_of_either_node_right_after_the_answer() {
    let mut two = Two::with_tables(SHOP_POLICY);
    for victim in
        [|two: &mut Two| &mut two.banque, |two: &mut Two| &mut two.maison] as [fn(&mut Two) -> &mut Organisation; 2]
    {
        let job = two.banque.submit(count_question()).expect("submitted");
        two.banque.ended(&job.id);
        // It may be signed by both by now, by one or by none.
        let node = victim(&mut two);
        node.kill();
        node.restart();
        let receipt = until("the receipt is settled", || two.banque.client().receipt(&job.id).ok());
        assert_eq!(two.maison.client().receipt(&job.id).expect("the same receipt"), receipt);
        assert_eq!(two.maison.ended(&job.id).summary.state, "finished");
    }
}

#[test]
fn what_a_job_gave_survives_a_kill() {
    let mut two = Two::with_tables(SHOP_POLICY);
    let job = two.banque.submit(count_question()).expect("submitted");
    two.banque.ended(&job.id);
    let before = two.banque.client().result(&job.id).expect("a result");
    let receipt = two.banque.client().receipt(&job.id).expect("a receipt");
    two.banque.kill();
    two.maison.kill();
    two.maison.restart();
    two.banque.restart();
    assert_eq!(two.banque.client().result(&job.id).expect("a result"), before);
    assert_eq!(two.banque.client().receipt(&job.id).expect("a receipt"), receipt);
    assert_eq!(two.maison.client().receipt(&job.id).expect("a receipt"), receipt, "both hold the same");
    two.connected();
    two.banque.answer(count_question()).expect("another answer");
}

#[test]
fn a_silent_peer_ends_the_job_with_its_name_and_the_step() {
    let two = Two::with_tables(SHOP_POLICY);
    two.maison.signal("STOP");
    let program = count_question();
    let failure = match two.banque.submit(program) {
        Err(failure) => failure,
        Ok(job) => two.banque.ended(&job.id).failure.expect("why"),
    };
    two.maison.signal("CONT");
    assert_eq!(failure.code.exit_class(), tacit_protocol::ExitClass::PeerUnavailable, "{failure}");
    assert_eq!(failure.party.as_deref(), Some("maison"), "{failure}");
    assert!(failure.step.is_some() && !failure.next.is_empty(), "{failure}");
    until("the peer is back", || two.banque.answer(count_question()).ok());
}

#[test]
fn a_graceful_stop_leaves_a_waiting_job_to_the_next_start() {
    let mut two = Two::with_tables(&SHOP_POLICY.replace(r#"approval = "auto""#, r#"approval = "ask""#));
    let job = two.banque.submit(count_question()).expect("submitted");
    two.maison.in_state(&job.id, &["awaiting_approval"]);
    two.maison.stop();
    two.maison.restart();
    two.connected();
    two.maison.client().approve(&job.id).expect("approved");
    let ended = two.banque.ended(&job.id);
    assert_right(&two.banque, &ended, CUSTOMERS);
}

#[test]
fn a_rerun_is_not_refused_because_its_interrupted_run_still_counts() {
    let mut two = Two::paired();
    let one_at_a_time = SHOP_POLICY.replace("concurrent_jobs = 64", "concurrent_jobs = 1");
    two.maison.import("customers", &customers(MANY), &one_at_a_time).expect("imported");
    two.banque.import("accounts", &accounts(MANY), OWN_POLICY).expect("imported");
    let job = two.banque.submit(count_question()).expect("submitted");
    for node in [&two.maison, &two.banque] {
        node.in_state(&job.id, &["aligning", "executing"]);
    }
    // The owner is held while the proposer dies and comes back: it has noticed nothing when the rerun is proposed.
    two.maison.signal("STOP");
    two.banque.kill();
    two.banque.restart();
    until("the proposer has ended the old run", || two.banque.client().job(&job.id).ok()?.rerun);
    two.maison.signal("CONT");
    let ended = two.banque.ended(&job.id);
    assert_right(&two.banque, &rerun(&two.banque, &ended), MANY);
}
