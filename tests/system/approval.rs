//! Decisions of operators, cancellations, and several jobs at once.

use tacit_protocol::api::SubmitRequest;

use crate::harness::{
    CUSTOMERS, OWN_POLICY, SHOP_POLICY, Two, accounts, cell, count_answer, count_question, customers, refusal,
};

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
    let other = SubmitRequest { idempotency_key: Some("another report".into()), ..request.clone() };
    assert_ne!(two.banque.client().submit(&other).expect("submitted").id, first.id);
    // CHK-706: without a word, a question that was answered is.
    let none = SubmitRequest { idempotency_key: None, ..request };
    let repeated = two.banque.client().submit(&none).expect("submitted");
    assert_eq!(repeated.info.as_deref(), Some("JOB_REPEATED"));
}

#[test]
fn a_policy_bounds_the_jobs_of_a_day() {
    let two = Two::with_tables(&SHOP_POLICY.replace("jobs_per_day = 1000", "jobs_per_day = 1"));
    two.banque.answer(count_question()).expect("the first");
    let failure = two.banque.answer(count_question()).expect_err("a refusal");
    assert_eq!(failure.code.as_str(), "POLICY_RATE", "{failure}");
    assert!(failure.to_string().contains("jobs_per_day"), "{failure}");
}

#[test]
fn attack_39_a_policy_tightened_after_the_signature_supersedes_the_contract() {
    const MANY: u32 = 30_000;
    let two = Two::paired();
    two.maison.import("customers", &customers(MANY), SHOP_POLICY).expect("imported");
    two.banque.import("accounts", &accounts(MANY), OWN_POLICY).expect("imported");
    // Two run at a time, so the last waits for its start behind two rounds of others.
    let jobs: Vec<_> = (0..6).map(|_| two.banque.submit(count_question()).expect("submitted")).collect();
    let last = &jobs.last().expect("six").id;
    two.banque.in_state(last, &["contracted"]);
    let stricter = SHOP_POLICY.replace(r#"receivers = ["banque"]"#, "receivers = []");
    two.maison.import("customers", &customers(MANY), &stricter).expect("imported");
    for node in [&two.banque, &two.maison] {
        let failure = node.ended(last).failure.expect("why");
        assert_eq!(failure.code.as_str(), "CONTRACT_SUPERSEDED", "{}: {failure}", node.name);
        assert!(failure.message.contains("DATASET_STALE") && !failure.next.is_empty(), "{failure}");
        assert_eq!(failure.party.as_deref(), Some("maison"), "{failure}");
    }
}

#[test]
fn what_happens_to_a_job_is_in_the_log_of_both_nodes_and_the_logs_verify() {
    let two = asking();
    let refused = two.banque.submit(count_question()).expect("submitted").id;
    two.maison.in_state(&refused, &["awaiting_approval"]);
    two.maison.client().refuse(&refused, "not this quarter").expect("refused");
    two.banque.ended(&refused);
    let cancelled = two.banque.submit(count_question()).expect("submitted").id;
    two.maison.in_state(&cancelled, &["awaiting_approval"]);
    two.banque.client().cancel(&cancelled).expect("cancelled");
    two.maison.ended(&cancelled);
    let answered = two.banque.submit(count_question()).expect("submitted").id;
    two.maison.in_state(&answered, &["awaiting_approval"]);
    two.maison.client().approve(&answered).expect("approved");
    two.banque.ended(&answered);
    two.banque.client().receipt(&answered).expect("a receipt");

    let noted = |node: &crate::harness::Organisation, job: &str, kind: &str, what: &str| {
        let log = node.client().log(0).expect("a log");
        let found = log.iter().any(|line| line.kind == kind && line.text.contains(job) && line.text.contains(what));
        assert!(found, "{}: no {kind} {what:?} of {job}: {log:#?}", node.name);
    };
    for (job, node, kind, what) in [
        (&refused, &two.banque, "proposal", "submitted here"),
        (&refused, &two.maison, "proposal", "the operator is asked"),
        (&refused, &two.maison, "approval", "not this quarter"),
        (&refused, &two.banque, "job", "APPROVAL_REFUSED"),
        (&cancelled, &two.banque, "job", "cancelled: called off by an operator"),
        (&cancelled, &two.maison, "job", "JOB_CANCELLED"),
        (&answered, &two.maison, "approval", "approved by the operator"),
        (&answered, &two.maison, "release", "shares of the outputs may have left"),
        (&answered, &two.banque, "job", "received the outputs number"),
        (&answered, &two.banque, "receipt", "signed by both"),
    ] {
        noted(node, job, kind, what);
    }
    for node in [&two.maison, &two.banque] {
        let verified = node.cli(&["log", "verify"]);
        assert_eq!(verified.code, 0, "{}", verified.stderr);
    }
}

#[test]
fn a_caller_follows_the_states_of_a_job_and_goes_on_where_it_left_off() {
    use tacit_sdk::NodeEvent;

    let mut two = asking();
    let mut events = two.banque.client().events(None).expect("a stream");
    assert_eq!(events.next_event().expect("an event"), Some(NodeEvent::Start));
    let job = two.banque.submit(count_question()).expect("submitted").id;
    let mut states = Vec::new();
    while states.last().is_none_or(|state| state != "awaiting_approval") {
        let Some(NodeEvent::Job(event)) = events.next_event().expect("an event") else { panic!("no change of a job") };
        assert_eq!(event.job, job);
        states.push(event.state);
    }
    assert_eq!(states, ["proposed", "negotiating", "awaiting_approval"]);

    // Away while the job ends: nothing is missed.
    let last = events.last_id().expect("an id").to_owned();
    drop(events);
    two.maison.client().refuse(&job, "no").expect("refused");
    two.banque.ended(&job);
    let mut events = two.banque.client().events(Some(&last)).expect("a stream");
    assert_eq!(events.next_event().expect("an event"), Some(NodeEvent::Start));
    let Some(NodeEvent::Job(event)) = events.next_event().expect("an event") else { panic!("no change of a job") };
    assert_eq!((event.state.as_str(), event.code.as_deref()), ("refused", Some("APPROVAL_REFUSED")));

    // The stream ends with the node; another run of it cannot go on behind that event, and says so.
    let last = events.last_id().expect("an id").to_owned();
    two.banque.stop();
    assert_eq!(events.next_event().expect("the end"), None);
    two.banque.restart();
    let mut events = two.banque.client().events(Some(&last)).expect("a stream");
    assert_eq!(events.next_event().expect("an event"), Some(NodeEvent::Resync));
}
