use std::sync::Arc;

use super::*;
use crate::clock::ManualClock;
use crate::store::{Journal, MemoryStore};

const LINEAGE: Lineage = [7; 16];

fn budget() -> Budget {
    Budget::in_memory(Arc::new(MemoryStore::default()), Arc::new(ManualClock::default())).expect("opens")
}

fn charge(organisation: &str, rho: u64) -> Charge {
    let (cap, total) = (Rho::from_units(100), Some(Rho::from_units(150)));
    let (dataset, organisation) = ("customers".to_owned(), organisation.to_owned());
    Charge { lineage: LINEAGE, dataset, organisation, rho: Rho::from_units(rho), cap, total }
}

fn job(byte: u8) -> JobId {
    JobId::from_bytes([byte; 32])
}

fn left(budget: &Budget, organisation: &str) -> u64 {
    budget.left(&charge(organisation, 0)).units()
}

fn code<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    result.expect_err("refused").code.to_string()
}

#[test]
fn what_is_put_aside_is_spent_or_put_back_once() {
    let budget = budget();
    budget.reserve(job(1), &[charge("banque", 60)]).expect("fits");
    assert_eq!((left(&budget, "banque"), left(&budget, "assurance")), (40, 90));
    budget.reserve(job(1), &[charge("banque", 60)]).expect("the same again");
    assert_eq!(left(&budget, "banque"), 40);
    assert_eq!(code(budget.reserve(job(2), &[charge("banque", 41)])), "BUDGET_EXHAUSTED");
    budget.check(Some(job(1)), &[charge("banque", 100)]).expect("what is put aside for the job itself does not count");
    assert_eq!(budget.open_jobs(), [job(1)]);
    for _ in 0..2 {
        budget.spend(job(1), &[charge("banque", 60)]).expect("reserved");
        budget.release(job(1)).expect("nothing is left to put back");
    }
    assert_eq!((left(&budget, "banque"), budget.open_jobs()), (40, vec![]));
    budget.reserve(job(3), &[charge("banque", 40)]).expect("fits");
    budget.release(job(3)).expect("reserved");
    assert_eq!(left(&budget, "banque"), 40);
    assert_eq!(code(budget.spend(job(3), &[charge("banque", 40)])), "BUDGET_JOURNAL", "it was put back");
    assert_eq!(code(budget.spend(job(4), &[charge("banque", 1)])), "BUDGET_JOURNAL", "it was never put aside");
    budget.spend(job(5), &[]).expect("a job without noise costs nothing");
}

#[test]
fn all_organisations_together_have_a_bound_too() {
    let budget = budget();
    budget.reserve(job(1), &[charge("banque", 100)]).expect("fits");
    assert_eq!(code(budget.reserve(job(2), &[charge("assurance", 51)])), "BUDGET_EXHAUSTED");
    budget.reserve(job(3), &[charge("assurance", 50)]).expect("fits");
    assert_eq!(left(&budget, "assurance"), 0);
}

#[test]
fn what_a_job_costs_is_summed_before_it_is_held_against_what_is_left() {
    let budget = budget();
    let twice = [charge("banque", 60), charge("banque", 60)];
    assert_eq!(code(budget.reserve(job(1), &twice)), "BUDGET_EXHAUSTED", "two datasets of one lineage");
    let both = [charge("banque", 80), charge("assurance", 80)];
    let refused = budget.reserve(job(2), &both).expect_err("160 of 150");
    assert!(refused.message.contains("all organisations together"), "{refused}");
    assert_eq!(budget.entries(), [], "a refused job leaves nothing");
    let both = [charge("banque", 80), charge("assurance", 70)];
    budget.reserve(job(3), &both).expect("150 of 150");
    budget.check(Some(job(3)), &both).expect("it is put aside already");
    budget.spend(job(3), &both).expect("reserved");
    assert_eq!((left(&budget, "banque"), left(&budget, "assurance"), budget.open_jobs()), (0, 0, vec![]));
}

#[test]
fn a_job_is_put_aside_as_a_whole_or_not_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("budget.journal");
    // The store is written after the journal, so that a crash may leave it behind.
    let open = || Budget::open(&path, Arc::new(MemoryStore::default()), Arc::new(ManualClock::default()));
    let both = [charge("banque", 30), charge("assurance", 20)];
    open().expect("opens").reserve(job(1), &both).expect("fits");
    let whole = std::fs::read(&path).expect("a file");
    for end in [whole.len() - 1, whole.len() / 2] {
        std::fs::write(&path, &whole[..end]).expect("cut off by a crash");
        let budget = open().expect("opens");
        assert_eq!((budget.entries(), budget.open_jobs()), (vec![], vec![]), "{end} bytes");
        assert_eq!(code(budget.spend(job(1), &both)), "BUDGET_JOURNAL");
        budget.reserve(job(1), &both).expect("again");
        budget.spend(job(1), &both).expect("whole");
        assert_eq!((left(&budget, "banque"), left(&budget, "assurance")), (70, 80));
    }
}

#[test]
fn a_grant_adds_and_erases_nothing() {
    let budget = budget();
    budget.reserve(job(1), &[charge("banque", 100)]).expect("fits");
    budget.spend(job(1), &[charge("banque", 100)]).expect("reserved");
    assert_eq!(code(budget.grant(charge("banque", 20), " ")), "USAGE_REASON");
    budget.grant(charge("banque", 20), "a second study").expect("granted");
    assert_eq!((left(&budget, "banque"), budget.used(&LINEAGE, "banque").spent.units()), (20, 100));
    assert_eq!(budget.entries().last().expect("an entry").reason, "a second study");
}

/// Attacks 52 and 53 of the security note.
#[test]
fn a_ledger_lasts_and_an_older_copy_of_it_is_recognised_chk_931() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("budget.journal");
    let store: Arc<MemoryStore> = Arc::default();
    let open = |path: &Path| Budget::open(path, store.clone(), Arc::new(ManualClock::default()));
    let budget = open(&path).expect("opens");
    budget.reserve(job(1), &[charge("banque", 30)]).expect("fits");
    let yesterday = std::fs::read(&path).expect("a file");
    budget.spend(job(1), &[charge("banque", 30)]).expect("reserved");
    budget.reserve(job(2), &[charge("banque", 10)]).expect("fits");
    let head = budget.head();
    drop(budget);

    let budget = open(&path).expect("opens again");
    assert_eq!((left(&budget, "banque"), budget.head(), budget.open_jobs()), (60, head, vec![job(2)]));
    assert_eq!(budget.doubt(), None);
    drop(budget);

    std::fs::write(&path, &yesterday).expect("restored");
    let budget = open(&path).expect("opens");
    assert!(budget.doubt().expect("in doubt").contains("entry 3"), "{:?}", budget.doubt());
    assert_eq!(code(budget.reserve(job(3), &[charge("banque", 1)])), "BUDGET_ROLLBACK");
    assert_eq!(code(budget.spend(job(1), &[charge("banque", 30)])), "BUDGET_ROLLBACK");
    budget.check(None, &[]).expect("jobs without noise go on");
    let caps = [charge("banque", 0), charge("assurance", 0)];
    assert_eq!(code(budget.confirm(&caps, "")), "USAGE_REASON");
    budget.confirm(&caps, "restored after a disk failure").expect("confirmed");
    assert_eq!((left(&budget, "banque"), left(&budget, "assurance")), (0, 0));
    budget.witnessed(&head);
    assert_eq!(budget.doubt(), None, "what was confirmed stays so");
    budget.grant(charge("banque", 20), "agreed with the data protection officer").expect("granted");
    drop(budget);
    let budget = open(&path).expect("opens");
    assert_eq!((budget.doubt(), code(budget.confirm(&caps, "again"))), (None, "STATE_ILLEGAL".into()));
}

#[test]
fn a_peer_that_has_seen_more_is_believed_chk_931() {
    let budget = budget();
    budget.reserve(job(1), &[charge("banque", 30)]).expect("fits");
    let head = budget.head();
    budget.witnessed(&head);
    budget.witnessed(&LogHead { sequence: 0, digest: head.digest });
    assert_eq!(budget.doubt(), None);
    budget.witnessed(&LogHead { sequence: 9, ..head });
    assert!(budget.doubt().is_some());
    budget.confirm(&[charge("banque", 0)], "restored").expect("confirmed");
    budget.witnessed(&LogHead { sequence: 9, ..head });
    assert_eq!((budget.doubt(), left(&budget, "banque"), budget.head().sequence), (None, 0, 10));
}

#[test]
fn an_altered_ledger_does_not_open() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("budget.journal");
    let budget =
        Budget::open(&path, Arc::new(MemoryStore::default()), Arc::new(ManualClock::default())).expect("opens");
    budget.reserve(job(1), &[charge("banque", 30)]).expect("fits");
    let mut second = budget.entries()[0].clone();
    drop(budget);
    // A whole frame whose entry is no successor.
    second.sequence = 7;
    let mut journal = Journal::open(&path).expect("opens").journal;
    journal.append(&ledger::Step(vec![second]).to_bytes()).expect("appends");
    drop(journal);
    let opened = Budget::open(&path, Arc::new(MemoryStore::default()), Arc::new(ManualClock::default()));
    assert_eq!(opened.err().expect("refused").code.as_str(), "BUDGET_JOURNAL");
}

/// A journal on a disk that is full.
struct Full;

impl crate::store::JournalFile for Full {
    fn append(&mut self, _: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn sync(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, _: u64) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_cannot_be_written_is_not_put_aside_and_nothing_is_signed_or_sent_for_it() {
    let budget = budget();
    budget.reserve(job(1), &[charge("banque", 30)]).expect("fits");
    let full = Journal::start(Box::new(Full), b"TACITJ01").expect("opens").journal;
    budget.lock().set_journal(full);
    assert_eq!(code(budget.reserve(job(2), &[charge("banque", 30)])), "BUDGET_JOURNAL");
    assert_eq!(code(budget.spend(job(1), &[charge("banque", 30)])), "BUDGET_JOURNAL");
    assert_eq!((left(&budget, "banque"), budget.open_jobs()), (70, vec![job(1)]));
}
