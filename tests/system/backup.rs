//! Backups of nodes at work, restores that peers recognise, exports and repairs.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use tacit_protocol::api::JobDetail;

use crate::harness::{
    CUSTOMERS, Organisation, SHOP_POLICY, Two, cell, count_answer, count_question, customers, path, tacit, until,
};

/// What is known of a node's jobs that have ended well.
fn finished(node: &Organisation) -> Vec<(String, serde_json::Value)> {
    let jobs = node.client().jobs().expect("jobs").into_iter().filter(|job| job.state == "finished");
    let receipt = |id: &str| until("a receipt", || node.client().receipt(id).ok());
    jobs.map(|job| (job.id.clone(), receipt(&job.id))).collect()
}

fn answered(two: &Two) -> JobDetail {
    let job = two.banque.submit(count_question()).expect("submitted");
    let ended = two.banque.ended(&job.id);
    let result = two.banque.client().result(&job.id).unwrap_or_else(|error| panic!("{error}: {:?}", ended.failure));
    assert_eq!(cell(&result, "number"), count_answer(CUSTOMERS).to_string());
    ended
}

/// Puts the node of a backup in the place of an organisation's.
fn replace(node: &mut Organisation, file: &str, name: &str) -> String {
    let key = node.dir.join("node.key");
    let dir = node.dir.with_file_name(name);
    let restored = tacit(&["--dir", path(&dir), "restore", file, "--key", path(&key)]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    let checked = tacit(&["--dir", path(&dir), "fsck"]);
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    node.dir = dir;
    node.restart();
    restored.stdout
}

#[test]
fn a_node_is_backed_up_at_work_and_its_peer_accepts_the_restore() {
    let mut two = Two::with_tables(SHOP_POLICY);
    for _ in 0..2 {
        answered(&two);
    }
    let before = until("both have finished", || Some(finished(&two.maison)).filter(|jobs| jobs.len() == 2));
    let datasets = two.maison.client().datasets().expect("datasets");
    let file = two.dir.path().join("maison.backup");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                answered(&two);
            }
        });
        for name in ["maison.backup", "again.backup"] {
            let made = two.maison.cli(&["backup", path(&two.dir.path().join(name))]);
            assert_eq!(made.code, 0, "{}", made.stderr);
        }
        done.store(true, Ordering::SeqCst);
    });
    // More of the log than the backup has, which the bank hears of when both greet again.
    answered(&two);
    two.banque.stop();
    two.banque.restart();
    two.connected();
    two.maison.stop();
    let said = replace(&mut two.maison, path(&file), "restored");
    assert!(said.contains("accept-restore maison"), "{said}");

    assert_eq!(two.maison.client().datasets().expect("datasets"), datasets, "with their policies");
    let after = finished(&two.maison);
    assert!(before.iter().all(|job| after.contains(job)), "every job that had finished, with its receipt");
    for job in two.maison.client().jobs().expect("jobs").iter().filter(|job| job.state != "finished") {
        let failure = two.maison.client().job(&job.id).expect("the job").failure.expect("a failure");
        assert_eq!(failure.code.as_str(), "JOB_RESTORED", "{failure}");
    }
    // Both sides say what is the matter.
    for (node, code, next) in [
        (&two.banque, "LOG_FORK", "tacit peer accept-restore maison"),
        (&two.maison, "STORE_ROLLBACK", "accept-restore"),
    ] {
        let problem = until(&format!("{} says {code}", node.name), || {
            let peer = node.client().peers().ok()?.into_iter().next()?;
            peer.problem.filter(|problem| problem.code.as_str() == code)
        });
        assert!(problem.next.contains(next), "{problem}");
        let listed = node.cli(&["peer", "list"]).stdout;
        assert!(listed.contains(code), "{listed}");
    }
    let accepted = two.banque.cli(&["peer", "accept-restore", "maison"]);
    assert_eq!(accepted.code, 0, "{}", accepted.stderr);
    two.connected();
    answered(&two);
    for (node, text) in [(&two.banque, "accepted by the operator"), (&two.maison, "it accepted the log of this node")] {
        until(&format!("the log of {}", node.name), || {
            node.client().log(0).ok()?.iter().any(|line| line.text.contains(text)).then_some(())
        });
    }
    let again = two.banque.cli(&["peer", "accept-restore", "maison"]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("RESTORE_NONE"), "{}", again.stderr);
}

#[test]
fn a_backup_that_is_killed_leaves_no_file_and_the_node_as_it_was() {
    let parent = tempfile::tempdir().expect("a directory");
    let mut shop = Organisation::start(parent.path(), "maison");
    shop.import("customers", &customers(20_000), OWN_SHOP).expect("imported");
    let datasets = shop.client().datasets().expect("datasets");
    let file = parent.path().join("killed");
    let start = |shop: &Organisation| {
        let mut backup = Command::new(env!("CARGO_BIN_EXE_tacit"));
        backup.args(["--dir", path(&shop.dir), "backup", path(&file)]).stdout(Stdio::null()).stderr(Stdio::null());
        backup.spawn().expect("it runs")
    };
    // Files of the backup, whole or not.
    let files = || {
        let entries = std::fs::read_dir(parent.path()).expect("a directory").flatten().map(|entry| entry.file_name());
        entries.filter(|name| name.to_string_lossy().starts_with("killed")).collect::<std::collections::BTreeSet<_>>()
    };
    // The command is killed as soon as it writes.
    let mut command = start(&shop);
    until("it writes", || (!files().is_empty()).then_some(()));
    drop(command.kill());
    command.wait().expect("reaped");
    if file.exists() {
        // It was faster; a whole file is a good one.
        std::fs::remove_file(&file).expect("removed");
    }
    // The node is killed while the command runs: there is a whole file or none.
    let left = files();
    let mut command = start(&shop);
    until("it writes", || (files() != left).then_some(()));
    shop.kill();
    let status = command.wait().expect("reaped");
    assert_eq!(status.success(), file.exists());
    drop(std::fs::remove_file(&file));
    shop.restart();
    assert_eq!(shop.client().datasets().expect("datasets"), datasets);
    let made = shop.cli(&["backup", path(&file)]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let again = shop.cli(&["backup", path(&file)]);
    assert!(again.code == 1 && again.stderr.contains("BACKUP_FILE"), "an existing file is not written over");
    let left: Vec<_> = std::fs::read_dir(&shop.dir).expect("read").flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".tmp")), "{left:?}");
    shop.stop();
    // The same of a stopped node, by a passphrase.
    let passphrase = parent.path().join("passphrase");
    std::fs::write(&passphrase, "correct horse battery staple\n").expect("written");
    let whole = parent.path().join("whole");
    let made = shop.cli(&["backup", path(&whole), "--passphrase-file", path(&passphrase)]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let dir = parent.path().join("other");
    let restored = tacit(&["--dir", path(&dir), "restore", path(&whole), "--passphrase-file", path(&passphrase)]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    let found = tacit(&["--dir", path(&dir), "--json", "fsck"]);
    assert!(found.code == 0 && found.stdout.contains("dataset customers"), "{}{}", found.stdout, found.stderr);
}

#[test]
fn an_exported_dataset_is_the_one_that_was_imported() {
    let parent = tempfile::tempdir().expect("a directory");
    let shop = Organisation::start(parent.path(), "maison");
    let csv = customers(1_500);
    shop.import("customers", &csv, OWN_SHOP).expect("imported");
    let out = |end: &str| parent.path().join(format!("customers.{end}"));
    for end in ["csv", "parquet", "arrow"] {
        let made = shop.cli(&["dataset", "export", "customers", "--out", path(&out(end))]);
        assert_eq!(made.code, 0, "{}", made.stderr);
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let exported = std::fs::read_to_string(out("csv")).expect("text");
    assert_eq!(lines(&exported).len(), lines(&csv).len());
    let policy = parent.path().join("policy.toml");
    std::fs::write(&policy, OWN_SHOP).expect("written");
    for end in ["csv", "parquet"] {
        let added =
            shop.cli(&["dataset", "add", path(&out(end)), "--key", "id", "--policy", path(&policy), "--name", end]);
        assert_eq!(added.code, 0, "{}", added.stderr);
        let again = shop.cli(&["dataset", "export", end, "--out", path(&out(&format!("{end}.csv")))]);
        assert_eq!(again.code, 0, "{}", again.stderr);
        assert_eq!(std::fs::read_to_string(out(&format!("{end}.csv"))).expect("text"), exported, "{end}");
    }
    assert!(std::fs::read(out("arrow")).expect("read").starts_with(b"ARROW1"));
    let refused = shop.cli(&["dataset", "export", "customers", "--out", path(&out("xlsx"))]);
    assert!(refused.code == 2 && refused.stderr.contains("INPUT_FORMAT"), "{}", refused.stderr);
    let unknown = shop.cli(&["dataset", "export", "nobody", "--out", path(&out("x.csv"))]);
    assert!(unknown.stderr.contains("DATASET_UNKNOWN"), "{}", unknown.stderr);
    let log = shop.client().log(0).expect("a log");
    assert!(log.iter().any(|line| line.text.contains("exported")), "the owner's log has it");
}

/// A policy of the shop's table for nobody else.
const OWN_SHOP: &str = r#"
version = 1
[query]
organisations = []
venues = ["two-party"]
alignment = ["revealed"]
[release]
receivers = []
[columns.id]
uses = ["join"]
"#;
