//! Decisions of operators, cancellations, and several jobs at once.

use tacit_protocol::api::SubmitRequest;

use crate::harness::{CUSTOMERS, SHOP_POLICY, Two, cell, count_answer, count_question, refusal};

fn asking() -> Two {
    Two::with_tables(&SHOP_POLICY.replace(r#"approval = "auto""#, r#"approval = "ask""#))
}

#[test]
fn an_approved_job_runs_and_a_refused_one_says_why() {
    let two = asking();
    let job = two.banque.submit(count_question()).expect("submitted");
    two.banque.in_state(&job.id, &["awaiting_approval"]);
    let shown = two.maison.in_state(&job.id, &["awaiting_approval"]);
    assert!(!shown.learned.is_empty() && !shown.plan.is_empty(), "the operator sees what it decides on");
    two.maison.client().approve(&job.id).expect("approved");
    assert_eq!(two.banque.ended(&job.id).summary.state, "finished");
    let result = two.banque.client().result(&job.id).expect("a result");
    assert_eq!(cell(&result, "number"), count_answer(CUSTOMERS).to_string());
    assert_eq!(refusal(two.maison.client().approve(&job.id)).code.as_str(), "APPROVAL_SCOPE");

    let job = two.banque.submit(count_question()).expect("submitted");
    two.maison.in_state(&job.id, &["awaiting_approval"]);
    assert_eq!(refusal(two.maison.client().refuse(&job.id, " ")).code.as_str(), "USAGE_REASON");
    two.maison.client().refuse(&job.id, "not this quarter").expect("refused");
    let failure = two.banque.ended(&job.id).failure.expect("a failure");
    assert_eq!(failure.code.as_str(), "APPROVAL_REFUSED");
    assert!(failure.message.contains("not this quarter"), "{failure}");
    let output = two.banque.cli(&["job", "result", &job.id, "--wait"]);
    assert_eq!(output.code, 3, "{}", output.stderr);
}

#[test]
fn either_side_may_cancel_before_the_release_and_both_show_it() {
    let two = asking();
    for by_owner in [true, false] {
        let job = two.banque.submit(count_question()).expect("submitted");
        two.maison.in_state(&job.id, &["awaiting_approval"]);
        two.banque.in_state(&job.id, &["awaiting_approval"]);
        let node = if by_owner { &two.maison } else { &two.banque };
        node.client().cancel(&job.id).expect("cancelled");
        for side in [&two.maison, &two.banque] {
            let ended = side.ended(&job.id);
            assert_eq!(ended.summary.state, "cancelled", "{}", side.name);
            assert_eq!(ended.failure.expect("why").code.as_str(), "JOB_CANCELLED");
        }
    }
}

#[test]
fn jobs_run_side_by_side_and_a_finished_one_cannot_be_cancelled() {
    let two = Two::with_tables(SHOP_POLICY);
    let jobs: Vec<_> = (0..4).map(|_| two.banque.submit(count_question()).expect("submitted")).collect();
    for job in &jobs {
        let ended = two.banque.ended(&job.id);
        assert_eq!(ended.summary.state, "finished", "{:?}", ended.failure);
        let result = two.banque.client().result(&job.id).expect("a result");
        assert_eq!(cell(&result, "number"), count_answer(CUSTOMERS).to_string());
    }
    assert_eq!(refusal(two.banque.client().cancel(&jobs[0].id)).code.as_str(), "JOB_RELEASED");
}

#[test]
fn the_same_word_gives_the_same_job() {
    let two = Two::with_tables(SHOP_POLICY);
    let request = SubmitRequest {
        program: count_question(),
        purpose: String::new(),
        idempotency_key: Some("monthly report".into()),
    };
    let first = two.banque.client().submit(&request).expect("submitted");
    two.banque.ended(&first.id);
    let second = two.banque.client().submit(&request).expect("submitted");
    assert_eq!(first.id, second.id);
    let other = SubmitRequest { idempotency_key: None, ..request };
    assert_ne!(two.banque.client().submit(&other).expect("submitted").id, first.id);
}

#[test]
fn a_policy_bounds_the_jobs_of_a_day() {
    let two = Two::with_tables(&SHOP_POLICY.replace("jobs_per_day = 1000", "jobs_per_day = 1"));
    two.banque.answer(count_question()).expect("the first");
    let failure = two.banque.answer(count_question()).expect_err("a refusal");
    assert_eq!(failure.code.as_str(), "POLICY_RATE", "{failure}");
    assert!(failure.to_string().contains("jobs_per_day"), "{failure}");
}
