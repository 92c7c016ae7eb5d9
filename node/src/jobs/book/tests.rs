//! What the book keeps, what it refuses, what it drops, and that nobody sees what a full disk did not take.

use proptest::prelude::*;
use tacit_protocol::PartyId;
use tacit_protocol::canonical::{Digest, Nonce};
use tacit_protocol::identity::Identity;
use tacit_protocol::messages::LogHead;
use tacit_protocol::receipt::PartyAccount;
use tacit_protocol::terms::Proposal;

use super::super::negotiate::DAY_SECONDS;
use super::super::negotiate::tests::{identity, proposal};
use super::super::record::Role;
use super::index::{REFUSED_IN_ALL, REFUSED_OF_A_PEER};
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

/// A proposal of a peer that this node refused; its name follows from `number`.
fn refused(peer: PeerId, number: u32, at: u64) -> JobRecord {
    let mut nonce = [0; 16];
    nonce[..4].copy_from_slice(&number.to_le_bytes());
    let proposal = Proposal { nonce: Nonce::from_bytes(nonce), ..proposal() };
    // The names of tests need not be those of the protocol, whose digests take their time.
    let id = JobId::from(tacit_protocol::canonical::digest_bytes("test", &[&nonce[..], peer.public_key()].concat()));
    let mut job = JobRecord::new(id, Role::Owner, proposal.proposer.other(), peer, proposal, at);
    job.end(JobState::Refused, Failure::new(Code::new("POLICY_VENUE"), "no", ""), at).expect("legal");
    job
}

fn peer(number: u8) -> PeerId {
    Identity::from_seed(&[number; 32]).peer()
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
    let store = Arc::new(FaultyStore::with_room_for(1));
    let (book, _) = book(store.clone());
    book.add(&job(1), Some("monday")).expect("room").expect("new");
    assert_eq!(code(book.enter(&job(1).id, JobState::Negotiating, "")), "STORE_FULL");
    assert_eq!(book.get(&job(1).id).expect("the job"), job(1));
    assert_eq!(code(book.add(&job(2), Some("tuesday"))), "STORE_FULL");

    store.free();
    assert_eq!(book.get(&job(2).id).map_err(|failure| failure.code.to_string()), Err("JOB_UNKNOWN".into()));
    book.add(&job(2), Some("tuesday")).expect("room").expect("the word was not taken by the failed try");
    book.enter(&job(1).id, JobState::Negotiating, "").expect("legal, and room again");
}

#[test]
fn a_state_that_did_not_reach_the_disk_is_seen_by_nobody_and_a_restart_finds_a_whole_book() {
    let store = Arc::new(FaultyStore::stopping_after(2));
    let (book, _) = book(store.clone());
    book.add(&job(1), None).expect("room").expect("new");
    book.enter(&job(1).id, JobState::Negotiating, "").expect("room");
    let before = book.get(&job(1).id).expect("the job");
    let watched = book.version.subscribe();
    assert_eq!(code(book.enter(&job(1).id, JobState::Cancelled, "")), "STORE_FULL");
    assert_eq!(book.get(&job(1).id).expect("as it was"), before);
    assert!(!watched.has_changed().expect("a watch"), "nobody is told");
    assert!(store.stopped().is_cancelled(), "the node hears of it");
    // The store shows nothing any more, and what is not known is not called unknown.
    assert_eq!(code(book.get(&job(2).id)), "STORE_FULL");
    assert_eq!(code(book.enter(&job(1).id, JobState::Cancelled, "")), "STORE_FULL");
    assert_eq!(code(book.add(&job(2), None)), "STORE_FULL");

    let [written, flushed] = store.after_restart();
    for (found, state) in [(written, JobState::Cancelled), (flushed, JobState::Negotiating)] {
        let (book, _) = self::book(Arc::new(found));
        assert_eq!(book.get(&job(1).id).expect("the job").state, state);
        assert_eq!(book.open_count(None).expect("an index"), usize::from(!state.is_final()));
    }
}

#[test]
fn a_new_job_that_did_not_reach_the_disk_is_not_there() {
    let store = Arc::new(FaultyStore::stopping_after(0));
    let (book, _) = book(store.clone());
    assert_eq!(code(book.add(&job(1), Some("monday"))), "STORE_FULL");
    assert_eq!(code(book.get(&job(1).id)), "JOB_UNKNOWN");
}

#[test]
fn a_reader_beside_a_writer_sees_only_what_is_on_the_disk() {
    /// Looks at the book when the batch is applied and not yet flushed.
    struct Peeking {
        inner: MemoryStore,
        look: Mutex<Option<Box<dyn FnMut() + Send>>>,
    }
    impl Store for Peeking {
        fn get(&self, tree: TreeName, key: &[u8]) -> Result<Option<Vec<u8>>, crate::store::StoreError> {
            self.inner.get(tree, key)
        }
        fn scan(
            &self,
            tree: TreeName,
            from: &[u8],
            to: Option<&[u8]>,
            limit: usize,
        ) -> Result<Vec<crate::store::Entry>, crate::store::StoreError> {
            self.inner.scan(tree, from, to, limit)
        }
        fn apply(&self, batch: &Batch) -> Result<(), crate::store::StoreError> {
            self.inner.apply(batch)
        }
        fn while_still(
            &self,
            read: &mut dyn FnMut() -> Result<(), crate::store::StoreError>,
        ) -> Result<(), crate::store::StoreError> {
            self.inner.while_still(read)
        }
        fn flush(&self) -> Result<(), crate::store::StoreError> {
            if let Some(look) = &mut *self.look.lock().expect("no panic under it") {
                look();
            }
            Ok(())
        }
    }
    let store = Arc::new(Peeking { inner: MemoryStore::new(), look: Mutex::new(None) });
    let (book, _) = book(store.clone());
    let book = Arc::new(book);
    book.add(&job(1), None).expect("room").expect("new");
    let (reader, seen) = (book.clone(), Arc::new(Mutex::new(Vec::new())));
    let notes = seen.clone();
    *store.look.lock().expect("no panic") = Some(Box::new(move || {
        let listed: Vec<_> = reader.all().expect("reads").into_iter().map(|job| job.state).collect();
        let open = reader.open_count(None).expect("an index");
        let found = reader.find(&job(1).id.to_string()).expect("the job").state;
        notes.lock().expect("no panic").push((listed, open, found));
    }));
    book.enter(&job(1).id, JobState::Cancelled, "").expect("legal");
    book.add(&job(2), None).expect("room").expect("new");
    let seen = seen.lock().expect("no panic");
    assert_eq!(seen[0], (vec![JobState::Proposed], 1, JobState::Proposed), "the cancellation is not yet written");
    assert_eq!(seen[1], (vec![JobState::Cancelled], 0, JobState::Cancelled), "the second job is not yet written");
}

#[test]
fn of_10_000_refused_proposals_the_latest_are_kept() {
    let (book, clock) = book(Arc::new(MemoryStore::new()));
    book.add(&job(1), None).expect("room").expect("new");
    let peers: Vec<PeerId> = (1..=20).map(peer).collect();
    // One peer floods, the others refuse a few each; then all flood.
    for number in 0..10_000_u32 {
        clock.advance(Duration::from_secs(1));
        let from = if number < 5_000 { peers[0] } else { peers[number as usize % peers.len()] };
        book.add(&refused(from, number, book.now()), None).expect("room").expect("new");
        if number == 4_999 {
            assert_eq!(book.all().expect("jobs").len(), 1 + REFUSED_OF_A_PEER);
            assert!(book.get(&refused(from, 4_999, 0).id).is_ok() && book.get(&refused(from, 0, 0).id).is_err());
        }
    }
    let kept = book.all().expect("jobs");
    assert_eq!(kept.len(), 1 + REFUSED_IN_ALL);
    assert!(kept.iter().any(|kept| kept.id == job(1).id), "no other job is dropped");
    for from in &peers {
        let kept = kept.iter().filter(|job| job.peer == *from).count();
        assert!((1..=REFUSED_OF_A_PEER).contains(&kept), "{kept}");
    }
    let oldest = kept.iter().filter(|kept| kept.id != job(1).id).map(|job| job.history[0].at).min().expect("some");
    assert!(oldest > book.now() - 2 * REFUSED_IN_ALL as u64, "the oldest go first: {oldest}");
    // They never count against a limit, and the same bytes get the same answer while they are kept (CHK-203).
    let usage = book.usage().expect("an index")("maison/customers", &peers[3], Some(job(1).id));
    assert_eq!(usage, Usage::default());
    let last = refused(peers[9_999 % 20], 9_999, 0);
    let known = book.add(&last, None).expect("room").expect_err("the name is taken");
    assert_eq!(known.told.expect("an answer").code.as_str(), "POLICY_VENUE");
}

#[test]
fn an_operators_refusal_displaces_the_oldest_too() {
    let (book, _) = book(Arc::new(MemoryStore::new()));
    for number in 0..REFUSED_OF_A_PEER as u32 {
        book.add(&refused(peer(1), number, NOW - 100 + u64::from(number)), None).expect("room").expect("new");
    }
    let mut waiting = JobRecord { peer: peer(1), role: Role::Owner, ..job(1) };
    waiting.state = JobState::AwaitingApproval;
    book.add(&waiting, None).expect("room").expect("new");
    assert_eq!(book.all().expect("jobs").len(), REFUSED_OF_A_PEER + 1);
    let refuse = |job: &mut JobRecord, now| {
        job.end(JobState::Refused, Failure::new(Code::new("APPROVAL_REFUSED"), "no", ""), now)
    };
    book.change(&waiting.id, refuse).expect("legal");
    assert_eq!(book.all().expect("jobs").len(), REFUSED_OF_A_PEER);
    assert_eq!(code(book.get(&refused(peer(1), 0, 0).id)), "JOB_UNKNOWN");
    assert!(book.get(&waiting.id).is_ok());
}

/// What a scan of all jobs says of a dataset's use: what the index is held against.
fn usage_by_scan(jobs: &[JobRecord], dataset: &str, peer: &PeerId, except: Option<JobId>, now: u64) -> Usage {
    let using =
        |job: &&JobRecord| Some(job.id) != except && job.proposal.datasets.iter().any(|used| used.name == dataset);
    let jobs: Vec<&JobRecord> = jobs.iter().filter(using).collect();
    let of_today = |job: &&&JobRecord| {
        let asker = job.proposal.parties[job.proposal.proposer.index()].peer;
        asker == *peer && job.state != JobState::Refused && job.history[0].at + DAY_SECONDS > now
    };
    Usage {
        today: jobs.iter().filter(of_today).count() as u32,
        running: jobs.iter().filter(|job| !job.state.is_final() && job.state != JobState::Unknown).count() as u32,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_index_says_what_a_scan_says(
        steps in proptest::collection::vec((0_u8..12, 0_usize..12, 0_u64..20_000), 1..60)
    ) {
        let (book, clock) = book(Arc::new(MemoryStore::new()));
        for (nonce, target, wait) in steps {
            clock.advance(Duration::from_secs(wait));
            let mut new = JobRecord { peer: identity(["maison", "banque"][usize::from(nonce % 2)]).peer(), ..job(nonce) };
            new.history[0].at = book.now();
            if book.add(&new, None).expect("room").is_err() {
                // Not every transition is legal; then nothing changes.
                drop(book.enter(&new.id, JobState::ALL[target], ""));
            }
            let jobs = book.all().expect("jobs");
            let usage = book.usage().expect("an index");
            for name in ["maison/customers", "banque/accounts", "nobody/nothing"] {
                for peer in [identity("maison").peer(), identity("banque").peer()] {
                    for except in [None, Some(new.id)] {
                        let scanned = usage_by_scan(&jobs, name, &peer, except, book.now());
                        prop_assert_eq!(usage(name, &peer, except), scanned);
                    }
                }
            }
            let open = jobs.iter().filter(|job| !job.state.is_final()).count();
            prop_assert_eq!(book.open_count(None).expect("an index"), open);
            let with = identity("maison").peer();
            let open: Vec<JobId> = jobs.iter().filter(|j| j.peer == with && !j.state.is_final()).map(|j| j.id).collect();
            prop_assert_eq!(book.open_count(Some(&with)).expect("an index"), open.len());
            prop_assert!(book.open_with(&with).expect("an index").iter().all(|id| open.contains(id)));
        }
    }
}

#[test]
fn jobs_that_wait_go_by_priority_and_then_by_their_coming() {
    use tacit_protocol::policy::Priority::{self, High, Low, Normal};

    let (book, _) = book(Arc::new(MemoryStore::new()));
    let waiting = |nonce: u8, priority: Priority, at: u64| {
        let mut job = job(nonce);
        job.role = Role::Owner;
        job.state = JobState::Negotiating;
        job.priority = priority;
        job.enter(JobState::Queued, at, "").expect("legal");
        job
    };
    let jobs = [waiting(1, Normal, NOW), waiting(2, Low, NOW), waiting(3, High, NOW + 9), waiting(4, Normal, NOW + 1)];
    for job in &jobs {
        book.add(job, None).expect("room").expect("new");
    }
    let places = || jobs.each_ref().map(|job| book.place(job).expect("read").map(|(place, _)| place));
    assert_eq!(places(), [Some(2), Some(4), Some(1), Some(3)]);
    let usage = book.usage().expect("read");
    let dataset = &jobs[0].proposal.datasets[0].name;
    assert_eq!(usage(dataset, &jobs[0].peer, None).running, 0, "what waits uses nothing yet");
    book.enter(&jobs[2].id, JobState::Negotiating, "").expect("its turn");
    assert_eq!(places(), [Some(1), Some(3), None, Some(2)]);
    assert_eq!(usage(dataset, &jobs[0].peer, None).running, 1);
}

#[test]
fn no_share_leaves_a_job_that_has_ended_chk_605() {
    let (book, _) = book(Arc::new(MemoryStore::new()));
    for (nonce, end) in (0..).zip([JobState::Cancelled, JobState::Failed]) {
        let mut job = job(nonce);
        for state in [JobState::Negotiating, JobState::Contracted, JobState::Aligning, JobState::Executing] {
            job.enter(state, NOW, "").expect("legal");
        }
        book.add(&job, None).expect("room").expect("new");
        let failure = Failure::new(Code::new("JOB_CANCELLED"), "called off", "see the log.");
        book.change(&job.id, |job, now| job.end(end, failure, now)).expect("legal");
        assert_eq!(code(book.enter(&job.id, JobState::Releasing, "")), "STATE_ILLEGAL", "{end}");
    }
}

#[test]
fn receipts_that_are_not_settled_are_known_by_peer_and_time_chk_802() {
    let (book, clock) = book(Arc::new(MemoryStore::new()));
    let finished = crate::jobs::negotiate::tests::finished_job(NOW);
    let since = |time| book.unsettled_since(&finished.peer, time).expect("an index");
    book.add(&finished, None).expect("room").expect("new");
    assert_eq!(since(u64::MAX), [], "its run is not over here");
    let account = PartyAccount {
        sent: 1,
        received: 1,
        rounds: 1,
        started: NOW - 5,
        ended: NOW,
        software: "tacit".into(),
        results: Vec::new(),
        log: LogHead { sequence: 1, digest: Digest::from_bytes([1; 32]) },
        budget: None,
    };
    let ended = |job: &mut JobRecord, _| {
        job.account = Some(account.clone());
        Ok(())
    };
    book.change(&finished.id, ended).expect("changed");
    clock.advance(Duration::from_secs(60));
    assert_eq!((since(NOW - 1), since(NOW)), (vec![], vec![finished.id]));
    assert_eq!(book.unsettled_since(&peer(9), NOW).expect("an index"), []);
}
