//! What an operator sets and asks: policies and their versions, checks of programs, approvals with limits, several jobs
//! judged together, and what was learned.

use tacit_protocol::api::SubmitRequest;
use tacit_protocol::api::policies::{
    ApproveRequest, DatasetLearned, PolicyCheck, PolicyRequest, PolicyVersion, Priority, SubmitOptions,
};
use tacit_protocol::program::Program;
use tacit_sdk::Array;

use crate::harness::{CUSTOMERS, SHOP_POLICY, Two, cell, count_answer, count_question, path, question, refusal};

/// Writes a file into the directory of a test.
fn file(two: &Two, name: &str, text: &str) -> String {
    let file = two.dir.path().join(name);
    std::fs::write(&file, text).expect("written");
    path(&file).to_owned()
}

fn program_file(two: &Two, program: &Program) -> String {
    file(two, "program.json", &serde_json::to_string(program).expect("JSON"))
}

/// The total amount of those whose frequency is under a bound.
pub(crate) fn amounts_under(bound: i64) -> Program {
    question(|program, joined| {
        let selected: Array = joined.column("frequency").lt(bound) & joined.column("balance").gt(100);
        program.release("amount", &selected.choose(joined.column("amount"), 0).sum());
    })
}

#[test]
fn a_program_is_checked_by_its_owner_by_its_asker_and_without_a_node() {
    let two = Two::with_tables(SHOP_POLICY);
    let program = program_file(&two, &count_question());
    // The asker: the shop's own rules are judged by the shop.
    let asked = two.banque.cli(&["--json", "policy", "check", &program]);
    assert_eq!(asked.code, 0, "{}{}", asked.stdout, asked.stderr);
    let check: PolicyCheck = serde_json::from_str(&asked.stdout).expect("a check");
    assert_eq!(check.verdict, "allows");
    assert_eq!(check.judged_by_owner, ["maison/customers"]);
    // The owner, as if the bank asked, with the table that it would bring.
    let accounts = file(&two, "accounts.jsonl", &two.banque.cli(&["--json", "dataset", "list"]).stdout);
    let asked = two.maison.cli(&["policy", "check", &program, "--as", "banque", "--schema", &accounts]);
    assert_eq!(asked.code, 0, "{}{}", asked.stdout, asked.stderr);
    for line in
        ["Allowed to banque.", "bound by release.minimum_rows = 100 of maison/customers", "banque: the value of"]
    {
        assert!(asked.stdout.contains(line), "{line}: {}", asked.stdout);
    }
    // From files alone, with a stricter draft: a directory without a node will do.
    let catalogue = two.maison.cli(&["--json", "catalogue"]);
    let catalogue = file(&two, "catalogue.jsonl", &catalogue.stdout);
    let strict = file(
        &two,
        "strict.toml",
        &SHOP_POLICY.replace("receivers = [\"banque\"]", "receivers = []").replace(
            "[columns.frequency]\nuses = [\"filter\", \"count\", ",
            "[columns.frequency]\nuses = [\"filter\", ",
        ),
    );
    let nowhere = path(two.dir.path()).to_owned() + "/nowhere";
    let draft = format!("maison/customers={strict}");
    let arguments = ["--dir", &nowhere, "policy", "check", &program, "--as", "banque", "--policy", &draft];
    let offline = crate::harness::tacit(&[&arguments[..], &["--schema", &catalogue, "--schema", &accounts]].concat());
    assert_eq!(offline.code, 3, "{}{}", offline.stdout, offline.stderr);
    for line in
        ["POLICY_RECEIVER", "POLICY_OPERATION by columns.frequency.uses", "  at      %", "add `count` to the uses"]
    {
        assert!(offline.stdout.contains(line), "{line}: {}", offline.stdout);
    }
    assert!(offline.stderr.contains("POLICY_FORBIDS"), "{}", offline.stderr);
}

#[test]
fn policies_are_kept_compared_and_loosened_by_their_operator_chk_921() {
    let two = Two::with_tables(SHOP_POLICY);
    two.banque.answer(count_question()).expect("an answer");
    let looser = file(&two, "looser.toml", &SHOP_POLICY.replace("minimum_rows = 100", "minimum_rows = 50"));
    let stricter = file(&two, "stricter.toml", &SHOP_POLICY.replace("minimum_rows = 100", "minimum_rows = 150"));
    let diff = two.maison.cli(&["policy", "diff", "customers", &looser]);
    assert!(diff.stdout.contains("loosens   release.minimum_rows") && diff.code == 0, "{}", diff.stdout);
    let refused = two.maison.cli(&["policy", "set", "customers", &looser]);
    assert!(refused.code == 3 && refused.stderr.contains("POLICY_LOOSENED"), "{}", refused.stderr);
    assert_eq!(two.maison.cli(&["policy", "set", "customers", &stricter]).code, 0, "tightening is immediate");
    assert_eq!(two.maison.cli(&["policy", "set", "customers", &looser, "--loosen"]).code, 0);

    let versions: Vec<PolicyVersion> = two.maison.client().policy_versions("customers").expect("versions");
    assert_eq!(
        versions.iter().map(|version| (version.version, version.jobs)).collect::<Vec<_>>(),
        [(1, 1), (2, 0), (3, 0)]
    );
    assert!(versions.iter().all(|version| version.signed), "{versions:#?}");
    assert_eq!(versions[0].text, SHOP_POLICY);
    let shown = two.maison.cli(&["policy", "show", "customers", "--number", "2"]);
    assert!(shown.stdout.contains("minimum_rows = 150"), "{}", shown.stdout);
    assert_eq!(two.maison.cli(&["policy", "history", "customers"]).stdout.lines().count(), 3);
    let log = two.maison.client().log(0).expect("a log");
    assert!(log.iter().any(|line| line.text.contains("policy loosened")), "{log:#?}");
    let unknown = PolicyRequest { policy: "version = 1\n[query]\nrunz = 1".into(), confirm_loosened: true };
    assert_eq!(refusal(two.maison.client().set_policy("customers", &unknown)).code.as_str(), "POLICY_PARSE");
}

#[test]
fn a_second_job_whose_difference_from_the_first_is_small_is_refused_chk_213() {
    let two = Two::with_tables(SHOP_POLICY);
    two.banque.answer(amounts_under(6)).expect("an answer");
    // A few customers have just this frequency; a gate of the second program cannot count them.
    let job = two.banque.submit(amounts_under(7)).expect("submitted");
    let failure = two.banque.ended(&job.id).failure.expect("refused");
    assert_eq!(failure.code.as_str(), "DISCLOSURE_HISTORY", "{failure}");
    // The same again tells nothing new, and a program that computes the first condition too has its difference gated.
    two.banque.answer(amounts_under(6)).expect("a repetition");
    let gated = question(|program, joined| {
        let (frequency, rich) = (joined.column("frequency"), joined.column("balance").gt(100));
        let (below, up_to) = (frequency.lt(6) & rich.clone(), frequency.lt(7) & rich);
        let difference = &up_to & &!&below;
        program.release("amount", &up_to.choose(joined.column("amount"), 0).sum());
        // Not released: it only names what has to be counted.
        drop((below, difference));
    });
    let result = two.banque.answer(gated).expect("an answer");
    assert_eq!(cell(&result, "amount"), "suppressed", "some forty customers lie between");
    // A refused or suppressed job is not held against others: the first question still goes through.
    two.banque.answer(amounts_under(6)).expect("a repetition");
}

#[test]
fn as_many_jobs_align_rows_as_the_policy_says_chk_504() {
    let two = Two::with_tables(&SHOP_POLICY.replace("jobs_per_day = 1000", "jobs_per_day = 1000\nalignments = 2"));
    // The last one is judged once more right before its run, with itself among those that were agreed to.
    for _ in 0..2 {
        two.banque.answer(count_question()).expect("an answer");
    }
    let job = two.banque.submit(count_question()).expect("submitted");
    assert_eq!(two.banque.ended(&job.id).failure.expect("refused").code.as_str(), "ALIGN_QUOTA");
}

#[test]
fn the_same_question_is_answered_from_the_store_chk_706() {
    let two = Two::with_tables(SHOP_POLICY);
    let request = SubmitRequest { program: count_question(), purpose: "test".into(), idempotency_key: None };
    let client = two.banque.client();
    let first = client.submit(&request).expect("submitted");
    two.banque.ended(&first.id);
    let again = client.submit(&request).expect("answered");
    assert_eq!((again.id.as_str(), again.info.as_deref()), (first.id.as_str(), Some("JOB_REPEATED")));
    assert_eq!(cell(&client.result(&again.id).expect("an answer"), "number"), count_answer(CUSTOMERS).to_string());
    let other = SubmitRequest { purpose: "another".into(), ..request.clone() };
    assert_ne!(client.submit(&other).expect("submitted").id, first.id, "another purpose is another question");
    let run =
        client.submit_with(&request, SubmitOptions { again: true, ..SubmitOptions::default() }).expect("submitted");
    assert!(run.id != first.id && run.info.is_none());
    two.banque.ended(&run.id);
    let log = client.log(0).expect("a log");
    assert!(log.iter().any(|line| line.text.contains("the stored answer is given")), "{log:#?}");
}

#[test]
fn an_approval_holds_for_as_many_runs_of_the_same_terms_chk_215() {
    let two = Two::with_tables(&SHOP_POLICY.replace("\"auto\"", "\"ask\"\nruns = 3"));
    let job = two.banque.submit(count_question()).expect("submitted");
    two.maison.in_state(&job.id, &["awaiting_approval"]);
    let too_many = ApproveRequest { runs: Some(4), until: None };
    let refused = refusal(two.maison.client().approve_for(&job.id, &too_many));
    assert_eq!(refused.code.as_str(), "APPROVAL_SCOPE", "{refused}");
    let approved = two.maison.cli(&["job", "approve", &job.id, "--runs", "2", "--until", "2099-01-31"]);
    assert_eq!(approved.code, 0, "{}", approved.stderr);
    two.banque.ended(&job.id);
    // The second run needs nobody, the third one does.
    two.banque.answer(count_question()).expect("an answer");
    let third = two.banque.submit(count_question()).expect("submitted");
    two.maison.in_state(&third.id, &["awaiting_approval"]);
    two.maison.client().refuse(&third.id, "enough for now").expect("refused");
    let approvals = two.maison.client().approvals().expect("approvals");
    assert_eq!(approvals.len(), 1);
    assert_eq!((approvals[0].state.as_str(), approvals[0].runs_left), ("used", 0));
    assert!(two.maison.cli(&["approval", "list"]).stdout.contains("0 of 2 runs left"));
    let revoked = two.maison.client().revoke_approval(&approvals[0].id).expect("revoked");
    assert_eq!(revoked.state, "revoked");
    let missing = refusal(two.maison.client().revoke_approval("00000000"));
    assert_eq!(missing.code.as_str(), "APPROVAL_MISSING", "{missing}");
}

#[test]
fn an_owner_sees_what_was_learned_from_a_dataset_and_what_was_refused() {
    let two = Two::with_tables(SHOP_POLICY);
    two.banque.answer(count_question()).expect("an answer");
    let rows = question(|program, joined| program.release("rows", &joined.column("amount")));
    let refused = two.banque.submit(rows).expect("submitted");
    two.banque.ended(&refused.id);
    let page: DatasetLearned = two.maison.client().dataset_learned("customers").expect("a page");
    let [banque] = page.organisations.as_slice() else { panic!("{page:#?}") };
    assert_eq!((banque.organisation.as_str(), banque.jobs.len(), banque.refused.len()), ("banque", 1, 1), "{page:#?}");
    let job = &banque.jobs[0];
    assert_eq!((job.version, job.policy_version, job.purpose.as_str()), (1, Some(1), "test"));
    assert_eq!((job.outputs[0].output.as_str(), job.outputs[0].minimum_rows), ("number", 100));
    assert!(job.facts.iter().any(|fact| fact.contains("the value of `number`")), "{job:#?}");
    assert_eq!(banque.refused[0].code, "DISCLOSURE_ROW");
    let text = two.maison.cli(&["dataset", "learned", "customers"]);
    assert!(text.code == 0 && text.stdout.contains("from at least 100 rows"), "{}{}", text.stdout, text.stderr);
    let missing = refusal(two.maison.client().dataset_learned("nothing"));
    assert_eq!(missing.code.as_str(), "DATASET_UNKNOWN", "{missing}");
}

#[test]
fn jobs_beyond_the_limit_wait_for_their_turn_by_priority() {
    let policy = SHOP_POLICY.replace("concurrent_jobs = 64", "concurrent_jobs = 1").replace("\"auto\"", "\"ask\"");
    let two = Two::with_tables(&policy);
    let submit = |priority: Priority| {
        let request = SubmitRequest { program: count_question(), purpose: "test".into(), idempotency_key: None };
        let options = SubmitOptions { again: true, priority };
        two.banque.client().submit_with(&request, options).expect("submitted").id
    };
    // The first one waits for the operator, and all others for it.
    let first = submit(Priority::Normal);
    two.maison.in_state(&first, &["awaiting_approval"]);
    let low = submit(Priority::Low);
    two.maison.in_state(&low, &["queued"]);
    let high = submit(Priority::High);
    for node in [&two.maison, &two.banque] {
        node.in_state(&high, &["queued"]);
    }
    let place = |id: &str| two.maison.client().job(id).expect("a job").queue.expect("a place");
    assert_eq!((place(&high).place, place(&high).of, place(&high).priority.as_str()), (1, 2, "high"));
    assert_eq!((place(&low).place, place(&low).priority.as_str()), (2, "low"));
    two.maison.client().refuse(&first, "not this one").expect("refused");
    // The one with the higher priority has its turn, and its end lets the other one go on.
    for id in [&high, &low] {
        two.maison.in_state(id, &["awaiting_approval"]);
        two.maison.client().approve(id).expect("approved");
        assert_eq!(two.banque.ended(id).summary.state, "finished");
    }
}
