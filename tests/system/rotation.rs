//! A node gets a new identity key (CHK-116).

use tacit_protocol::api::Peer;

use crate::harness::{CUSTOMERS, Organisation, SHOP_POLICY, Two, cell, count_answer, count_question, until};
use crate::policies::amounts_under;

/// The peers of a node by an organisation's name, in one state.
fn in_state(node: &Organisation, name: &str, state: &str) -> Option<Peer> {
    let peers = node.client().peers().expect("peers");
    peers.into_iter().find(|peer| peer.name == name && peer.state == state)
}

#[test]
fn chk_116_a_new_key_is_confirmed_by_the_peer_and_history_stays() {
    let mut two = Two::with_tables(SHOP_POLICY);
    let asked = two.banque.submit(amounts_under(6)).expect("submitted");
    two.banque.ended(&asked.id);
    let receipt = two.dir.path().join("receipt.json");
    let receipt = crate::harness::path(&receipt);
    until("the receipt is settled", || {
        let exported = two.banque.cli(&["receipt", "export", &asked.id, receipt]);
        (exported.code == 0).then_some(())
    });
    let refused = two.banque.cli(&["key", "rotate", "--new"]);
    assert!(refused.code != 0 && refused.stderr.contains("STORE_LOCKED"), "{}", refused.stderr);
    let old = two.banque.client().status().expect("a status").peer_id;

    two.banque.stop();
    let rotated = two.banque.cli(&["key", "rotate", "--new"]);
    assert!(rotated.code == 0 && rotated.stdout.contains("maison"), "{}{}", rotated.stdout, rotated.stderr);
    two.banque.restart();
    let new = two.banque.client().status().expect("a status").peer_id;
    assert_ne!(new, old);
    let pending = until("the shop has heard of the new key", || in_state(&two.maison, "banque", "pending"));
    let renewing = in_state(&two.banque, "maison", "renewing").expect("renewing");
    assert_eq!((pending.peer_id.as_str(), pending.follows.as_deref()), (new.as_str(), Some(old.as_str())));
    assert_eq!(pending.words, renewing.words, "the operators compare the words of the new key");
    assert!(two.banque.submit(count_question()).is_err(), "no jobs run before it is confirmed");
    let confirmed = two.maison.cli(&["peer", "confirm", "banque"]);
    assert_eq!(confirmed.code, 0, "{}", confirmed.stderr);
    assert_eq!(in_state(&two.maison, "banque", "revoked").expect("the old key").peer_id, old);
    until("both have met again", || {
        let met = |node, name| in_state(node, name, "paired").filter(|peer| peer.connected);
        met(&two.banque, "maison").and(met(&two.maison, "banque"))
    });

    // What was told to the old key is known to who has the new one (CHK-213).
    let job = two.banque.submit(amounts_under(7)).expect("submitted");
    assert_eq!(two.banque.ended(&job.id).failure.expect("refused").code.as_str(), "DISCLOSURE_HISTORY");
    let result = two.banque.answer(count_question()).expect("an answer");
    assert_eq!(cell(&result, "number"), count_answer(CUSTOMERS).to_string());
    let verified = two.maison.cli(&["receipt", "verify", receipt]);
    assert_eq!(verified.code, 0, "receipts name the key that signed them: {}", verified.stderr);
    for node in [&two.maison, &two.banque] {
        let log = node.cli(&["log", "verify"]);
        assert_eq!(log.code, 0, "{}", log.stderr);
    }
}

#[test]
fn chk_116_open_jobs_keep_a_key_from_being_rotated_unless_they_are_given_up() {
    let mut two = Two::with_tables(&SHOP_POLICY.replace(r#"approval = "auto""#, r#"approval = "ask""#));
    let job = two.banque.submit(count_question()).expect("submitted");
    two.maison.in_state(&job.id, &["awaiting_approval"]);
    two.maison.stop();
    let before = two.maison.cli(&["--json", "fsck"]);
    let refused = two.maison.cli(&["key", "rotate", "--new"]);
    assert!(refused.code != 0 && refused.stderr.contains("KEY_JOBS"), "{}", refused.stderr);
    assert_eq!(two.maison.cli(&["--json", "fsck"]).stdout, before.stdout);
    let rotated = two.maison.cli(&["--json", "key", "rotate", "--new", "--abandon-jobs"]);
    assert!(rotated.code == 0 && rotated.stdout.contains(r#""jobs_ended":1"#), "{}{}", rotated.stdout, rotated.stderr);
    two.maison.restart();
    assert_eq!(two.maison.ended(&job.id).failure.expect("ended").code.as_str(), "KEY_JOBS");
    until("the bank has heard of the new key", || in_state(&two.banque, "maison", "pending"));
    assert_eq!(two.banque.cli(&["peer", "confirm", "maison"]).code, 0);
    assert_eq!(two.banque.ended(&job.id).summary.state, "cancelled", "it was with the old key");
    until("both have met again", || in_state(&two.maison, "banque", "paired").filter(|peer| peer.connected));
    let job = two.banque.submit(count_question()).expect("submitted");
    two.maison.in_state(&job.id, &["awaiting_approval"]);
    two.maison.client().approve(&job.id).expect("approved");
    assert_eq!(two.banque.ended(&job.id).summary.state, "finished");
}

#[test]
fn a_node_whose_store_was_sealed_by_a_new_key_file_serves_jobs() {
    let mut two = Two::with_tables(SHOP_POLICY);
    let key_file = two.maison.dir.join("node.key");
    let old = std::fs::read_to_string(&key_file).expect("a key file");
    let refused = two.maison.cli(&["key", "seal", "--new"]);
    assert!(refused.code != 0 && refused.stderr.contains("STORE_LOCKED"), "{}", refused.stderr);
    two.maison.stop();
    let sealed = two.maison.cli(&["key", "seal", "--new"]);
    assert_eq!(sealed.code, 0, "{}", sealed.stderr);
    assert_ne!(std::fs::read_to_string(&key_file).expect("a key file"), old);
    let checked = two.maison.cli(&["fsck"]);
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
    two.maison.restart();
    two.connected();
    let result = two.banque.answer(count_question()).expect("an answer");
    assert_eq!(cell(&result, "number"), count_answer(CUSTOMERS).to_string());
}
