//! What the book keeps, what it refuses, and that a store without room changes nothing.

use tacit_protocol::PartyId;
use tacit_protocol::canonical::Nonce;
use tacit_protocol::terms::Proposal;

use super::super::negotiate::tests::proposal;
use super::super::record::Role;
use super::*;
use crate::clock::ManualClock;
use crate::store::MemoryStore;
use crate::store::faulty::FaultyStore;

const NOW: u64 = 1_800_000_000;

fn book(store: Arc<dyn Store>) -> (Book, ManualClock) {
    let clock = ManualClock::at(NOW * 1_000);
    (Book::new(store, Arc::new(clock.clone())), clock)
}

/// A job of the proposer; its name follows from `nonce`.
fn job(nonce: u8) -> JobRecord {
    let proposal = Proposal { nonce: Nonce::from_bytes([nonce; 16]), ..proposal() };
    let id = proposal.job_id().expect("a name");
    let (party, peer) = (proposal.proposer, proposal.parties[proposal.proposer.other().index()].peer);
    JobRecord::new(id, Role::Proposer, party, peer, proposal, NOW)
}

fn code<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    result.expect_err("a failure").code.to_string()
}

#[test]
fn a_job_reads_back_as_it_was_written() {
    let (book, _) = book(Arc::new(MemoryStore::new()));
    book.add(&job(1), None).expect("room").expect("new");
    assert_eq!(book.get(&job(1).id).expect("the job"), job(1));
    assert_eq!(code(book.get(&job(2).id)), "JOB_UNKNOWN");
}

#[test]
fn the_same_word_gives_the_first_job_and_writes_no_second() {
    let (book, _) = book(Arc::new(MemoryStore::new()));
    book.add(&job(1), Some("monday")).expect("room").expect("new");
    let known = book.add(&job(2), Some("monday")).expect("room").expect_err("the word is taken");
    assert_eq!(known.id, job(1).id);
    assert_eq!(code(book.get(&job(2).id)), "JOB_UNKNOWN");
    book.add(&job(2), Some("tuesday")).expect("room").expect("new");
    assert_eq!(book.all().expect("jobs").len(), 2);
}

#[test]
fn the_same_name_gives_the_job_that_is_there() {
    let (book, _) = book(Arc::new(MemoryStore::new()));
    book.add(&job(1), None).expect("room").expect("new");
    book.enter(&job(1).id, JobState::Negotiating, "").expect("legal");
    let known = book.add(&job(1), None).expect("room").expect_err("the name is taken");
    assert_eq!(known.state, JobState::Negotiating);
}

#[test]
fn a_job_is_found_by_a_unique_start_of_four_digits() {
    let (book, _) = book(Arc::new(MemoryStore::new()));
    book.add(&job(1), None).expect("room").expect("new");
    let id = job(1).id.to_string();
    assert_eq!(book.find(&id).expect("the job").id, job(1).id);
    assert_eq!(book.find(&id[..4].to_uppercase()).expect("the job").id, job(1).id);
    assert_eq!(code(book.find(&id[..3])), "JOB_UNKNOWN");
    assert_eq!(code(book.find("zzzz")), "JOB_UNKNOWN");
}

#[test]
fn a_start_that_two_jobs_share_finds_neither() {
    let (book, _) = book(Arc::new(MemoryStore::new()));
    let (first, mut second) = (job(1), job(2));
    let mut bytes = *first.id.as_bytes();
    bytes[31] ^= 1;
    second.id = JobId::from(tacit_protocol::canonical::Digest::from_bytes(bytes));
    book.add(&first, None).expect("room").expect("new");
    book.add(&second, None).expect("room").expect("new");
    assert_eq!(code(book.find(&first.id.to_string()[..12])), "JOB_UNKNOWN");
    assert_eq!(book.find(&first.id.to_string()).expect("the job").id, first.id);
}

#[test]
fn chk_307_an_illegal_transition_leaves_the_job_as_it_is() {
    let (book, clock) = book(Arc::new(MemoryStore::new()));
    book.add(&job(1), None).expect("room").expect("new");
    clock.advance(Duration::from_secs(9));
    assert_eq!(code(book.enter(&job(1).id, JobState::Finished, "")), "STATE_ILLEGAL");
    assert_eq!(book.get(&job(1).id).expect("the job"), job(1));

    let entered = book.enter(&job(1).id, JobState::Negotiating, "sent").expect("legal");
    let last = entered.history.last().expect("an entry");
    assert_eq!((last.state, last.at, last.note.as_str()), (JobState::Negotiating, NOW + 9, "sent"));
}

#[test]
fn a_change_that_fails_half_way_writes_nothing() {
    let (book, _) = book(Arc::new(MemoryStore::new()));
    book.add(&job(1), None).expect("room").expect("new");
    let changed = book.change(&job(1).id, |job, _| {
        job.party = PartyId(1 - job.party.0);
        Err::<(), _>(Failure::new(Code::new("JOB_CANCELLED"), "no", ""))
    });
    assert_eq!(code(changed), "JOB_CANCELLED");
    assert_eq!(book.get(&job(1).id).expect("the job"), job(1));
}

#[test]
fn a_write_that_the_disk_refuses_is_named_and_leaves_every_job_as_it_was() {
    let store = Arc::new(FaultyStore::with_room_for(2));
    let (book, _) = book(store.clone());
    book.add(&job(1), Some("monday")).expect("room").expect("new");
    store.put(TreeName::new("other"), b"key", b"takes the last room").expect("room");
    assert_eq!(code(book.enter(&job(1).id, JobState::Negotiating, "")), "STORE_FULL");
    assert_eq!(book.get(&job(1).id).expect("the job"), job(1));
    assert_eq!(code(book.add(&job(2), Some("tuesday"))), "STORE_FULL");

    store.free();
    assert_eq!(book.get(&job(2).id).map_err(|failure| failure.code.to_string()), Err("JOB_UNKNOWN".into()));
    book.add(&job(2), Some("tuesday")).expect("room").expect("the word was not taken by the failed try");
    book.enter(&job(1).id, JobState::Negotiating, "").expect("legal, and room again");
}
