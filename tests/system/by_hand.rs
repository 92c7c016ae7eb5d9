//! The README's quick start: two organisations, by the command line alone.

use crate::harness::{
    CUSTOMERS, OWN_POLICY, Organisation, SHOP_POLICY, Two, accounts, count_answer, count_question, customers, path,
    tacit, until,
};

#[test]
fn two_organisations_answer_a_question_by_the_command_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).expect("written");
        path(&file).to_owned()
    };
    let mut maison = Organisation::start(dir.path(), "maison");
    let banque = Organisation::start(dir.path(), "banque");
    let good = |output: crate::harness::Output| {
        assert_eq!(output.code, 0, "{}", output.stderr);
        output.stdout
    };

    assert!(good(maison.cli(&["peer", "list"])).contains("tacit peer invite"), "an empty list says what to do");
    let invitation = good(maison.cli(&["peer", "invite"]));
    let ticket = invitation.lines().next().expect("a ticket");
    let invited = good(banque.cli(&["peer", "accept", ticket]));
    assert!(invited.contains("invited"), "{invited}");
    let words = |list: &str| {
        list.lines().nth(1).expect("a peer").split_whitespace().skip(3).take(8).collect::<Vec<_>>().join(" ")
    };
    let pending = good(maison.cli(&["peer", "list"]));
    assert!(pending.contains("pending"), "{pending}");
    assert_eq!(words(&pending), words(&invited), "both operators read the same words");
    good(maison.cli(&["peer", "confirm", "banque"]));
    until("the bank is paired", || good(banque.cli(&["peer", "list"])).contains("paired").then_some(()));

    let imported = good(maison.cli(&[
        "dataset",
        "add",
        &file("customers.csv", &customers(CUSTOMERS)),
        "--key",
        "id",
        "--policy",
        &file("shop.toml", SHOP_POLICY),
        "--range",
        "amount=0..10000",
    ]));
    assert!(imported.contains("maison/customers") && imported.contains("0 to 10000"), "{imported}");
    good(banque.cli(&[
        "dataset",
        "add",
        &file("accounts.csv", &accounts(CUSTOMERS)),
        "--key",
        "id",
        "--policy",
        &file("own.toml", OWN_POLICY),
    ]));
    assert!(good(maison.cli(&["dataset", "list"])).contains("frequency"));
    let catalogue = until("the catalogue shows both", || {
        let text = good(banque.cli(&["catalogue"]));
        text.contains("maison/customers").then_some(text)
    });
    assert!(catalogue.contains("banque/accounts"), "{catalogue}");

    let program = file("program.json", &count_question().to_json());
    let answer = good(banque.cli(&["job", "submit", &program, "--wait"]));
    assert!(answer.starts_with(&format!("number = {} ", count_answer(CUSTOMERS))), "{answer}");
    let listed = good(banque.cli(&["--json", "job", "list"]));
    let job: serde_json::Value = serde_json::from_str(listed.lines().next().expect("a job")).expect("JSON");
    let id = job["id"].as_str().expect("an id");
    let shown = good(maison.cli(&["job", "show", &id[..8]]));
    for part in ["What each party learns", "PLAN", "History", "contracted", "maison/customers"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(good(banque.cli(&["job", "result", id])).contains("number"));

    let receipt = dir.path().join("receipt.json");
    good(maison.cli(&["receipt", "export", id, path(&receipt)]));
    assert!(good(tacit(&["receipt", "verify", path(&receipt)])).contains("signed by all parties"));
    let forged = std::fs::read_to_string(&receipt).expect("a receipt").replacen("\"sent\": ", "\"sent\": 1", 1);
    let refused = tacit(&["receipt", "verify", &file("forged.json", &forged)]);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(refused.stderr.contains("RECEIPT_"), "{}", refused.stderr);

    assert!(good(banque.cli(&["doctor"])).contains("maison is connected"));
    assert!(good(banque.cli(&["status"])).contains("banque"));
    assert!(good(maison.cli(&["log", "show"])).contains("release"));
    assert!(good(banque.cli(&["log", "verify"])).starts_with("Whole: "));
    let log = dir.path().join("log.jsonl");
    good(maison.cli(&["log", "export", path(&log)]));
    assert!(good(tacit(&["log", "verify", path(&log)])).contains("signed by their node"));
    let forged = std::fs::read_to_string(&log).expect("a log").replacen("imported", "removed", 1);
    let refused = tacit(&["log", "verify", &file("forged.jsonl", &forged)]);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(refused.stderr.contains("LOG_CHAIN: entry "), "{}", refused.stderr);
    for shell in ["bash", "zsh", "fish"] {
        assert!(good(tacit(&["completions", shell])).contains("receipt"), "{shell}");
    }
    maison.stop();
    let away = maison.cli(&["status"]);
    assert_eq!(away.code, 1);
    assert!(away.stderr.contains("API_NO_NODE"), "{}", away.stderr);
}

/// What `tacit job show` prints of a job that did not finish: party, step, code, cause and the next action.
#[test]
fn a_job_that_did_not_finish_shows_who_where_why_and_what_next() {
    let two = Two::with_tables(&SHOP_POLICY.replace(r#"receivers = ["banque"]"#, "receivers = []"));
    let program = two.dir.path().join("program.json");
    std::fs::write(&program, count_question().to_json()).expect("written");
    let submitted = two.banque.cli(&["job", "submit", path(&program), "--wait"]);
    assert_eq!(submitted.code, 3, "{}", submitted.stderr);
    let id = two.banque.client().jobs().expect("jobs")[0].id.clone();
    for node in [&two.banque, &two.maison] {
        let shown = node.cli(&["job", "show", &id[..8]]);
        assert_eq!(shown.code, 0, "{}", shown.stderr);
        let line = |name: &str| {
            let found = shown.stdout.lines().find_map(|line| line.strip_prefix(&format!("  {name:8}")));
            found.unwrap_or_else(|| panic!("{}: no {name}: {}", node.name, shown.stdout)).trim().to_owned()
        };
        assert_eq!((line("party").as_str(), line("code").as_str()), ("maison", "POLICY_RECEIVER"), "{}", node.name);
        assert!(line("cause").contains("receivers"), "{}", shown.stdout);
        assert!(!line("step").is_empty() && !line("next").is_empty(), "{}", shown.stdout);
        let json = node.cli(&["--json", "job", "show", &id[..8]]).stdout;
        let job: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(job["failure"]["code"], "POLICY_RECEIVER");
    }
}
