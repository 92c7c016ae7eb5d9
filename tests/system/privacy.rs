//! Noise and budgets: what a count costs, when nothing is left, and what a crash or a restored copy changes of it.

use tacit_protocol::api::BudgetAccount;
use tacit_protocol::program::Program;

use crate::harness::{
    CUSTOMERS, OWN_POLICY, Organisation, SHOP_POLICY, Two, accounts, cell, count_answer, customers, path, question,
    until,
};

/// The shop's policy with noise in place of a minimum of rows: thirteen counts within 12.
fn noisy() -> String {
    SHOP_POLICY
        .replace("minimum_rows = 100\n", "")
        .replace("grid = \"0.01\"\n", "")
        .replace("[columns.id]", "[privacy]\nepsilon = 3\n[columns.id]")
}

fn with_noise() -> Two {
    Two::with_tables(&noisy())
}

/// The count of the other tests, within 12.
fn noisy_count() -> Program {
    question(|program, joined| {
        let selected = joined.column("frequency").gt(2) & joined.column("balance").gt(100);
        program.release_within("number", &selected.sum(), 12.into());
    })
}

fn account(owner: &Organisation) -> BudgetAccount {
    let report = owner.client().budget(12.0).expect("a report");
    let found = report.accounts.iter().find(|account| account.organisation == "banque");
    found.unwrap_or_else(|| panic!("{report:?}")).clone()
}

#[test]
fn a_budget_is_enough_for_as_many_counts_as_it_says() {
    let mut two = with_noise();
    assert_eq!(account(&two.maison).counts, 13, "the security note, §5");
    let exact = i64::from(count_answer(CUSTOMERS));
    let mut off = Vec::new();
    for asked in 1..=13 {
        let job = two.banque.submit(noisy_count()).expect("submitted");
        let ended = two.banque.ended(&job.id);
        assert_eq!(ended.summary.state, "finished", "{:?}", ended.failure);
        let result = two.banque.client().result(&job.id).expect("a result");
        let found: i64 = cell(&result, "number").parse().expect("a whole number");
        off.push(found - exact);
        if asked == 1 {
            assert!(
                ended.learned.iter().any(|fact| fact.what.contains("within 12 in 95 of 100 cases")),
                "{:?}",
                ended.learned
            );
        }
        if asked == 5 {
            two.maison.stop();
            two.maison.restart();
            two.connected();
        }
        until("the count is spent", || (account(&two.maison).counts == 13 - asked).then_some(()));
    }
    // The standard deviation is 6.1: 13 equal errors, or one of 12 deviations, come once in a universe.
    assert!(off.iter().any(|error| *error != off[0]) && off.iter().all(|error| error.abs() <= 84), "{off:?}");

    let job = two.banque.submit(noisy_count()).expect("submitted");
    for node in [&two.banque, &two.maison] {
        let ended = node.ended(&job.id);
        let failure = ended.failure.expect("a refusal");
        assert_eq!((failure.code.as_str(), ended.summary.state.as_str()), ("BUDGET_EXHAUSTED", "refused"), "{failure}");
    }
    let output = two.banque.cli(&["job", "result", &job.id, "--wait"]);
    assert_eq!(output.code, 6, "{}", output.stderr);
    // What costs less still fits: a count within 100 costs a seventieth.
    let rough = question(|program, joined| {
        program.release_within("number", &joined.column("frequency").gt(2).sum(), 100.into());
    });
    two.banque.answer(rough).expect("little is left");

    let shown = two.maison.cli(&["budget", "show"]);
    assert!(shown.code == 0 && shown.stdout.contains("about 0 more counts at ±12"), "{}", shown.stdout);
    let refused = two.maison.cli(&["budget", "grant", "customers", "banque", "--epsilon", "1", "--reason", " "]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let refused = two.maison.cli(&["budget", "grant", "accounts", "banque", "--epsilon", "1", "--reason", "more"]);
    assert!(refused.stderr.contains("DATASET_UNKNOWN"), "{}", refused.stderr);
    let granted = two.maison.cli(&["budget", "grant", "customers", "banque", "--epsilon", "1", "--reason", "more"]);
    assert_eq!(granted.code, 0, "{}", granted.stderr);
    two.banque.answer(noisy_count()).expect("granted");
    let ledger = two.maison.cli(&["budget", "ledger"]);
    for word in ["reserved", "spent", "granted", ": more"] {
        assert!(ledger.stdout.contains(word), "{word}: {}", ledger.stdout);
    }
}

#[test]
fn what_has_no_bound_or_no_accuracy_is_refused_with_what_to_write() {
    let two = with_noise();
    let without = question(|program, joined| program.release("number", &joined.column("frequency").gt(2).sum()));
    let failure = two.banque.answer(without).expect_err("refused");
    assert_eq!(failure.code.as_str(), "DISCLOSURE_ACCURACY", "{failure}");
    assert!(failure.next.contains("±14 in 95 of 100 cases"), "{failure}");
    let mean = question(|program, joined| {
        program.release_within("mean", &joined.column("frequency").mean(), 1.into());
    });
    let failure = two.banque.answer(mean).expect_err("refused");
    assert_eq!(failure.code.as_str(), "DISCLOSURE_SENSITIVITY", "{failure}");
    assert_eq!(account(&two.maison).counts, 13, "a refusal costs nothing");
}

/// Attack 52: a run that is killed before its release puts back what it had put aside, and its repetition pays once.
#[test]
fn a_killed_run_is_paid_once() {
    const MANY: u32 = 60_000;
    let mut two = Two::paired();
    two.maison.import("customers", &customers(MANY), &noisy()).expect("imported");
    two.banque.import("accounts", &accounts(MANY), OWN_POLICY).expect("imported");
    let job = two.banque.submit(noisy_count()).expect("submitted");
    two.maison.in_state(&job.id, &["aligning", "executing"]);
    assert!(account(&two.maison).reserved_rho > 0.0);
    two.maison.kill();
    two.maison.restart();
    two.connected();
    let rerun = until("the job is run again", || {
        let jobs = two.banque.client().jobs().ok()?;
        jobs.into_iter().find(|other| other.id != job.id && other.state == "finished")
    });
    assert_ne!(rerun.id, job.id);
    until("one count is spent", || {
        let account = account(&two.maison);
        (account.reserved_rho == 0.0 && account.counts == 12).then_some(())
    });
}

/// Attacks 53 and 54: yesterday's copy, of the ledger alone and of the whole directory.
#[test]
fn a_restored_budget_is_locked_until_its_operator_confirms_chk_931() {
    let mut two = with_noise();
    two.banque.answer(noisy_count()).expect("an answer");
    two.maison.stop();
    let (live, copy) = (two.maison.dir.clone(), two.dir.path().join("yesterday"));
    let copied = std::process::Command::new("cp").args(["-a", path(&live), path(&copy)]).status().expect("cp runs");
    assert!(copied.success());
    two.maison.restart();
    two.connected();
    two.banque.answer(noisy_count()).expect("an answer");
    until("a receipt tells the bank how long the ledger is", || {
        let jobs = two.banque.client().jobs().ok()?;
        jobs.iter().all(|job| two.banque.client().receipt(&job.id).is_ok()).then_some(())
    });

    // The ledger alone: the store has seen more of it.
    two.maison.stop();
    std::fs::copy(copy.join("budget.journal"), live.join("budget.journal")).expect("restored");
    two.maison.restart();
    two.connected();
    locked(&two);

    // The whole directory: only the bank has seen more, and a bank that has forgotten the log says so too.
    two.maison.stop();
    two.banque.stop();
    std::fs::remove_dir_all(&live).expect("removed");
    std::fs::rename(&copy, &live).expect("restored");
    two.maison.restart();
    two.banque.restart();
    until("the bank's operator has accepted the restore", || {
        let accepted = two.banque.cli(&["peer", "accept-restore", "maison"]);
        (accepted.code == 0).then_some(())
    });
    two.connected();
    until("the bank has said what it saw", || two.maison.client().budget(12.0).ok()?.doubt.map(drop));
    locked(&two);
    let confirmed = two.maison.cli(&["budget", "confirm", "--reason", "restored after a disk failure"]);
    assert_eq!(confirmed.code, 0, "{}", confirmed.stderr);
    assert_eq!(account(&two.maison).counts, 0, "what is not known is spent");
    let failure = two.banque.answer(noisy_count()).expect_err("refused");
    assert_eq!(failure.code.as_str(), "BUDGET_EXHAUSTED", "{failure}");
}

/// Nothing is released with noise, and the node says why.
fn locked(two: &Two) {
    let failure = two.banque.answer(noisy_count()).expect_err("refused");
    assert_eq!(failure.code.as_str(), "BUDGET_ROLLBACK", "{failure}");
    let shown = two.maison.cli(&["budget", "show"]);
    assert!(shown.stdout.contains("tacit budget confirm"), "{}", shown.stdout);
}
