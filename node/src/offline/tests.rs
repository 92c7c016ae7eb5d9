use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};

use proptest::prelude::*;
use rand_core::SeedableRng;
use tacit_protocol::canonical::Nonce;
use tacit_protocol::codec::{self, Wire};
use tacit_protocol::{Failure, Identity, PeerId};

use super::shelf::{Step, associated};
use super::*;
use crate::clock::system_rng;
use crate::keys::{NodeKey, SEAL_OVERHEAD_BYTES};
use crate::store::{Journal, JournalFile};

mod kill;

const EPOCH: Epoch = Epoch::from_bytes([0xe1; 32]);
const LATER: Epoch = Epoch::from_bytes([0xe2; 32]);
const KIND: Kind = Kind::TRIPLES;
const SIZE: u64 = 100;

fn peer(number: u8) -> PeerId {
    Identity::from_seed(&[number; 32]).peer()
}

fn key(seed: u64) -> NodeKey {
    NodeKey::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(seed))
}

/// Limits that do not depend on the disk of the tests.
fn limits() -> Limits {
    Limits { free_bytes: 0, ..Limits::default() }
}

fn try_open(root: &Path) -> Result<CorrelationStore, OfflineError> {
    CorrelationStore::open(root, &key(1), limits(), Box::new(system_rng()))
}

fn open(root: &Path) -> CorrelationStore {
    try_open(root).expect("opens")
}

/// A store whose peer says what the store says.
fn confirmed(root: &Path) -> CorrelationStore {
    let store = open(root);
    let verdict = store.reconcile(&peer(1), &store.statement(&peer(1))).expect("no fault");
    assert!(matches!(verdict, Verdict::Keep(_)), "{verdict:?}");
    store
}

fn chunk(number: u64) -> Vec<u8> {
    let first = u8::try_from(number).expect("small numbers");
    (0..SIZE as u8 - SEAL_OVERHEAD_BYTES as u8).map(|at| first.wrapping_mul(31).wrapping_add(at)).collect()
}

fn put(store: &CorrelationStore, number: u64) {
    store.put(&peer(1), &EPOCH, &KIND, number, &chunk(number)).expect("put");
}

/// A store that holds these numbers.
fn filled(root: &Path, numbers: impl IntoIterator<Item = u64>) -> CorrelationStore {
    let store = open(root);
    store.begin(&peer(1), EPOCH).expect("begins");
    for number in numbers {
        put(&store, number);
    }
    store
}

fn claim(store: &CorrelationStore, numbers: &[u64]) -> Result<Vec<Vec<u8>>, OfflineError> {
    let claimed = store.claim(&peer(1), &EPOCH, &KIND, numbers)?;
    Ok(claimed.iter().map(|chunk| chunk.to_vec()).collect())
}

fn code<T>(result: Result<T, OfflineError>) -> String {
    result.err().expect("a refusal").code().as_str().to_owned()
}

fn ready(store: &CorrelationStore) -> Vec<u64> {
    store.statement(&peer(1)).ready.remove(&KIND).unwrap_or_default().into_iter().collect()
}

fn highest(store: &CorrelationStore) -> Option<u64> {
    store.statement(&peer(1)).claimed.get(&KIND).copied()
}

fn epoch_dir(root: &Path) -> PathBuf {
    root.join(peer(1).to_string()).join(EPOCH.to_string())
}

fn file(root: &Path, number: u64, ending: &str) -> PathBuf {
    epoch_dir(root).join(format!("{KIND}-{number:020}.{ending}"))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

/// Copies a directory into another, over what is there, and leaves `but` alone.
fn copy(from: &Path, to: &Path, but: &str) {
    fs::create_dir_all(to).expect("made");
    for name in names(from).iter().filter(|name| *name != but) {
        let (from, to) = (from.join(name), to.join(name));
        if from.is_dir() {
            copy(&from, &to, but);
        } else {
            fs::copy(&from, &to).expect("copied");
        }
    }
}

#[test]
fn a_chunk_is_handed_out_once_chk_603() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), 0..4);
    assert_eq!(ready(&store), [0, 1, 2, 3]);
    assert_eq!(claim(&store, &[0, 1]).expect("claimed"), [chunk(0), chunk(1)]);
    for used in [0, 1] {
        assert_eq!(code(claim(&store, &[used])), "CORRELATION_REUSE");
        assert_eq!(code(store.put(&peer(1), &EPOCH, &KIND, used, b"again")), "CORRELATION_REUSE");
    }
    assert_eq!((ready(&store), highest(&store)), (vec![2, 3], Some(1)));
    assert_eq!(names(&epoch_dir(dir.path())).len(), 2);
    drop(store);
    let store = confirmed(dir.path());
    assert_eq!((ready(&store), highest(&store)), (vec![2, 3], Some(1)));
    assert_eq!(code(claim(&store, &[1])), "CORRELATION_REUSE");
    assert_eq!(claim(&store, &[2]).expect("claimed"), [chunk(2)]);
}

#[test]
fn a_claim_is_marked_synced_and_recorded_before_it_is_read_chk_603() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), 0..2);
    let mut steps = Vec::new();
    let mut recorded_at = None;
    let journal = dir.path().join("claims.journal");
    let length = || fs::metadata(&journal).expect("there").len();
    let before = length();
    let mut observe = |step| {
        if step == Step::Recorded {
            recorded_at =
                Some((length(), file(dir.path(), 0, "spent").exists(), file(dir.path(), 0, "ready").exists()));
        }
        steps.push(step);
    };
    store.claim_with(&peer(1), &EPOCH, &KIND, &[0, 1], &mut observe).expect("claimed");
    use Step::{DirectorySynced, Read, Recorded, Removed, Renamed};
    assert_eq!(steps, [Renamed, Renamed, DirectorySynced, Recorded, Read, Read, Removed, Removed]);
    let (after, spent, ready) = recorded_at.expect("recorded");
    assert!(after > before && spent && !ready, "the journal grew, and the name says that it is spent");
}

#[test]
fn one_of_two_threads_gets_a_chunk() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Arc::new(filled(dir.path(), 0..8));
    let start = Arc::new(Barrier::new(2));
    let threads = [0, 1].map(|_| {
        let (store, start) = (store.clone(), start.clone());
        std::thread::spawn(move || {
            start.wait();
            (0..8).filter(|&number| claim(&store, &[number]).is_ok()).collect::<Vec<u64>>()
        })
    });
    let mut taken: Vec<u64> = threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
    taken.sort_unstable();
    let mut once = taken.clone();
    once.dedup();
    assert_eq!(taken, once);
    assert_eq!(taken.last(), Some(&7), "whoever is last finds the last one or sees it taken");
}

#[test]
fn what_is_skipped_by_a_claim_is_lost() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), 0..5);
    assert_eq!(claim(&store, &[1, 3]).expect("claimed"), [chunk(1), chunk(3)]);
    assert_eq!(ready(&store), [4]);
    assert_eq!(names(&epoch_dir(dir.path())).len(), 1);
    assert_eq!(store.usage(), BTreeMap::from([(peer(1), SIZE)]));
    assert_eq!(code(claim(&store, &[2])), "CORRELATION_REUSE");
}

#[test]
fn a_claim_that_is_refused_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), 0..4);
    for wrong in [[0, 0].as_slice(), &[1, 0], &[0, 9], &[9]] {
        assert_eq!(code(claim(&store, wrong)), "CORRELATION_REUSE", "{wrong:?}");
    }
    assert_eq!(code(store.claim(&peer(1), &EPOCH, &Kind::BITS, &[0])), "CORRELATION_REUSE");
    assert_eq!(claim(&store, &[]).expect("nothing"), Vec::<Vec<u8>>::new());
    assert_eq!((ready(&store), highest(&store)), (vec![0, 1, 2, 3], None));
    assert_eq!(claim(&store, &[0, 1, 2, 3]).expect("claimed").len(), 4);
}

#[test]
fn numbers_ascend_and_none_is_tried_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), [3]);
    for used in [0, 3, u64::MAX] {
        assert_eq!(code(store.put(&peer(1), &EPOCH, &KIND, used, b"x")), "CORRELATION_REUSE", "{used}");
    }
    // Something is in the way of the temporary file: the disk refuses.
    fs::create_dir(file(dir.path(), 4, "part")).expect("made");
    assert_eq!(code(store.put(&peer(1), &EPOCH, &KIND, 4, b"x")), "STORE_IO");
    assert_eq!(code(store.put(&peer(1), &EPOCH, &KIND, 4, b"x")), "CORRELATION_REUSE");
    assert_eq!(store.statement(&peer(1)).next, BTreeMap::from([(KIND, 5)]));
    assert_eq!(store.usage(), BTreeMap::from([(peer(1), SIZE)]), "what failed is not counted");
    put(&store, 5);
    drop(store);
    // Nor is it in the sum of all peers.
    let limits = Limits { total_bytes: 4 * SIZE, ..limits() };
    let store = CorrelationStore::open(dir.path(), &key(1), limits, Box::new(system_rng())).expect("opens");
    store.reconcile(&peer(1), &store.statement(&peer(1))).expect("no fault");
    for (number, way) in [(6, true), (7, true), (8, true), (9, false), (10, false)] {
        if way {
            fs::create_dir(file(dir.path(), number, "part")).expect("made");
        }
        assert_eq!(store.put(&peer(1), &EPOCH, &KIND, number, &chunk(number)).is_err(), way, "{number}");
    }
}

#[test]
fn nothing_moves_before_the_peer_has_confirmed_the_epoch_chk_603() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    assert_eq!(code(claim(&store, &[0])), "CORRELATION_EPOCH");
    assert_eq!(code(store.put(&peer(1), &EPOCH, &KIND, 0, b"x")), "CORRELATION_EPOCH");
    store.begin(&peer(1), EPOCH).expect("begins");
    put(&store, 0);
    assert_eq!(code(store.claim(&peer(1), &LATER, &KIND, &[0])), "CORRELATION_EPOCH");
    store.disconnected(&peer(1));
    assert_eq!(code(claim(&store, &[0])), "CORRELATION_EPOCH");
    drop(store);
    let store = open(dir.path());
    assert_eq!(code(claim(&store, &[0])), "CORRELATION_EPOCH");
    assert_eq!(code(store.put(&peer(1), &EPOCH, &KIND, 1, b"x")), "CORRELATION_EPOCH");
    store.reconcile(&peer(1), &store.statement(&peer(1))).expect("no fault");
    assert_eq!(claim(&store, &[0]).expect("claimed"), [chunk(0)]);
}

#[test]
fn a_new_epoch_removes_the_one_before_and_no_epoch_begins_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), 0..3);
    claim(&store, &[0]).expect("claimed");
    assert_eq!(code(store.begin(&peer(1), EPOCH)), "CORRELATION_EPOCH");
    store.begin(&peer(1), LATER).expect("begins");
    assert!(!epoch_dir(dir.path()).exists());
    assert_eq!(store.statement(&peer(1)), Statement { epoch: Some(LATER), ..Statement::default() });
    assert_eq!(code(claim(&store, &[1])), "CORRELATION_EPOCH");
    store.put(&peer(1), &LATER, &KIND, 0, b"numbers start over").expect("put");
    drop(store);
    let later = open(dir.path()).statement(&peer(1));
    assert_eq!((later.epoch, later.ready), (Some(LATER), BTreeMap::from([(KIND, BTreeSet::from([0]))])));
}

#[test]
fn a_peer_that_is_gone_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), 0..2);
    store.begin(&peer(2), EPOCH).expect("begins");
    store.put(&peer(2), &EPOCH, &KIND, 0, b"of another").expect("put");
    store.drop_all(&peer(1)).expect("dropped");
    store.drop_all(&peer(3)).expect("there is nothing");
    assert!(!dir.path().join(peer(1).to_string()).exists());
    assert_eq!(store.statement(&peer(1)), Statement::default());
    assert_eq!(store.usage().values().sum::<u64>(), 10 + SEAL_OVERHEAD_BYTES as u64);
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.statement(&peer(1)), Statement::default());
    store.retain_peers(&|paired| *paired == peer(1)).expect("removed");
    assert_eq!(store.statement(&peer(2)), Statement::default());
    assert!(!dir.path().join(peer(2).to_string()).exists());
    assert_eq!(store.usage().values().sum::<u64>(), 0);
}

/// A way to damage a directory of the chunks 0 to 2.
type Damage = fn(&Path);

#[test]
fn a_file_that_was_changed_moved_or_renamed_ends_the_epoch_chk_603() {
    fn change(root: &Path, with: impl Fn(&mut Vec<u8>)) {
        let path = file(root, 1, "ready");
        let mut bytes = fs::read(&path).expect("read");
        with(&mut bytes);
        fs::write(&path, bytes).expect("written");
    }
    let damages: [(&str, Damage); 9] = [
        ("the first byte", |root| change(root, |bytes| bytes[0] ^= 1)),
        ("a byte of the nonce", |root| change(root, |bytes| bytes[5] ^= 0x80)),
        ("a byte inside", |root| change(root, |bytes| bytes[50] ^= 1)),
        ("the last byte", |root| change(root, |bytes| bytes[SIZE as usize - 1] ^= 1)),
        ("cut short", |root| change(root, |bytes| bytes.truncate(40))),
        ("emptied", |root| change(root, Vec::clear)),
        ("made longer", |root| change(root, |bytes| bytes.push(0))),
        ("another number's", |root| {
            fs::copy(file(root, 2, "ready"), file(root, 1, "ready")).map(drop).expect("copied");
        }),
        ("another kind's", |root| {
            let other = epoch_dir(root).join(format!("{}-{:020}.ready", Kind::BITS, 1));
            fs::rename(other, file(root, 1, "ready")).expect("renamed");
        }),
    ];
    for (what, damage) in damages {
        let fill = |root: &Path| {
            let store = filled(root, 0..3);
            store.put(&peer(1), &EPOCH, &Kind::BITS, 1, &chunk(1)).expect("put");
            store
        };
        // While the store is closed: found when the peers compare.
        let dir = tempfile::tempdir().expect("a directory");
        drop(fill(dir.path()));
        damage(dir.path());
        let store = open(dir.path());
        let theirs = store.statement(&peer(1));
        let verdict = store.reconcile(&peer(1), &theirs).expect("no fault");
        assert_eq!(verdict, Verdict::BeginAnew(Doubt::Sealed { kind: KIND, number: 1 }), "{what}");
        assert_eq!(store.statement(&peer(1)), Statement::default(), "{what}");
        assert!(!dir.path().join(peer(1).to_string()).exists(), "{what}");

        // While it is open: found by the claim, which gets nothing.
        let dir = tempfile::tempdir().expect("a directory");
        let store = fill(dir.path());
        damage(dir.path());
        assert_eq!(code(claim(&store, &[0, 1])), "CORRELATION_SEALED", "{what}");
        assert_eq!(store.statement(&peer(1)), Statement::default(), "{what}");
        assert_eq!(code(claim(&store, &[2])), "CORRELATION_EPOCH", "{what}");
    }
}

#[test]
fn a_file_of_another_peer_epoch_or_key_does_not_open_chk_603() {
    let refused = |root: &Path, store: &CorrelationStore| {
        let verdict = store.reconcile(&peer(1), &store.statement(&peer(1))).expect("no fault");
        assert_eq!(verdict, Verdict::BeginAnew(Doubt::Sealed { kind: KIND, number: 0 }));
        assert_eq!(names(&epoch_dir(root)), Vec::<String>::new());
    };
    // Another peer's.
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), [0]);
    store.begin(&peer(2), EPOCH).expect("begins");
    store.put(&peer(2), &EPOCH, &KIND, 0, &chunk(0)).expect("put");
    drop(store);
    let theirs =
        file(dir.path(), 0, "ready").to_str().expect("text").replace(&peer(1).to_string(), &peer(2).to_string());
    fs::rename(theirs, file(dir.path(), 0, "ready")).expect("moved");
    refused(dir.path(), &open(dir.path()));

    // An earlier epoch's.
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.begin(&peer(1), LATER).expect("begins");
    store.put(&peer(1), &LATER, &KIND, 0, &chunk(0)).expect("put");
    let earlier = file(dir.path(), 0, "ready").to_str().expect("text").replace(&EPOCH.to_string(), &LATER.to_string());
    let kept = fs::read(earlier).expect("read");
    store.begin(&peer(1), EPOCH).expect("begins");
    put(&store, 0);
    drop(store);
    fs::write(file(dir.path(), 0, "ready"), kept).expect("written");
    refused(dir.path(), &open(dir.path()));

    // Another node's.
    let dir = tempfile::tempdir().expect("a directory");
    drop(filled(dir.path(), [0]));
    let other = CorrelationStore::open(dir.path(), &key(2), limits(), Box::new(system_rng())).expect("opens");
    refused(dir.path(), &other);
}

#[test]
fn files_hold_no_chunk_in_the_clear_and_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("correlations");
    let store = filled(&root, [0]);
    let bytes = fs::read(file(&root, 0, "ready")).expect("read");
    assert_eq!(bytes.len() as u64, SIZE);
    let plain = chunk(0);
    assert!(!bytes.windows(8).any(|window| plain.starts_with(window)));
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&root), mode(&epoch_dir(&root)), mode(&file(&root, 0, "ready"))), (0o700, 0o700, 0o600));
    assert!(fs::read_to_string(root.join("CACHEDIR.TAG")).expect("there").starts_with("Signature: 8a477f597d28d172"));
    assert!(format!("{store:?}").ends_with("<redacted>)"));
}

#[test]
fn what_a_crash_left_is_removed_unread_and_its_number_is_used_up_chk_603() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(filled(dir.path(), 0..5));
    let root = dir.path();
    fs::rename(file(root, 2, "ready"), file(root, 2, "spent")).expect("renamed");
    fs::rename(file(root, 4, "ready"), file(root, 4, "part")).expect("renamed");
    fs::write(epoch_dir(root).join("notes.txt"), "of somebody").expect("written");
    fs::create_dir(epoch_dir(root).join("directory")).expect("made");
    fs::create_dir(root.join(peer(1).to_string()).join(LATER.to_string())).expect("made");
    fs::create_dir(root.join(peer(2).to_string())).expect("made");
    let outside = tempfile::tempdir().expect("a directory");
    fs::write(outside.path().join("kept"), "").expect("written");
    std::os::unix::fs::symlink(outside.path(), epoch_dir(root).join(format!("{KIND}-{:020}.ready", 9)))
        .expect("linked");
    fs::write(root.join("README"), "not the store's").expect("written");
    let store = open(root);
    assert_eq!((ready(&store), highest(&store)), (vec![3], Some(2)), "0 and 1 are below the spent one");
    assert_eq!(names(&epoch_dir(root)), [format!("{KIND}-{:020}.ready", 3)]);
    assert_eq!(names(&root.join(peer(1).to_string())), [EPOCH.to_string()]);
    assert!(!root.join(peer(2).to_string()).exists());
    assert!(root.join("README").exists() && outside.path().join("kept").exists());
    drop(store);
    assert_eq!(highest(&open(root)), Some(2), "also after the next start");
}

#[test]
fn one_process_has_the_store_open() {
    let dir = tempfile::tempdir().expect("a directory");
    let _open = open(dir.path());
    let error = try_open(dir.path()).expect_err("locked");
    assert_eq!(error.code().as_str(), "STORE_LOCKED");
    assert!(error.to_string().contains(dir.path().to_str().expect("text")), "{error}");
}

#[test]
fn a_damaged_or_missing_journal_drops_everything() {
    let damages: [Damage; 4] = [
        |path| fs::write(path, "no journal at all").expect("written"),
        |path| fs::remove_file(path).expect("removed"),
        |path| fs::write(path, "").expect("written"),
        |path| {
            let mut bytes = fs::read(path).expect("read");
            bytes[30] ^= 1;
            fs::write(path, bytes).expect("written");
        },
    ];
    for (at, damage) in damages.into_iter().enumerate() {
        let dir = tempfile::tempdir().expect("a directory");
        drop(filled(dir.path(), 0..2));
        damage(&dir.path().join("claims.journal"));
        let store = open(dir.path());
        assert_eq!(store.statement(&peer(1)), Statement::default(), "{at}");
        assert!(!epoch_dir(dir.path()).exists(), "{at}");
        store.begin(&peer(1), EPOCH).expect("begins");
        put(&store, 0);
    }
}

#[test]
fn limits_refuse_what_passes_them_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = Limits { peer_bytes: 2 * SIZE, total_bytes: 3 * SIZE, free_bytes: 0 };
    let open = || CorrelationStore::open(dir.path(), &key(1), limits, Box::new(system_rng())).expect("opens");
    let store = open();
    for other in [1, 2] {
        store.begin(&peer(other), EPOCH).expect("begins");
    }
    let put = |other, number, bytes: &[u8]| store.put(&peer(other), &EPOCH, &KIND, number, bytes);
    assert_eq!(code(put(1, 0, &[])), "CORRELATION_LIMIT");
    assert_eq!(code(put(1, 0, &vec![0; MAX_CHUNK_BYTES + 1])), "CORRELATION_LIMIT");
    for number in [0, 1] {
        put(1, number, &chunk(number)).expect("fits");
    }
    let error = put(1, 2, b"x").expect_err("too many bytes for the peer");
    assert!(matches!(error, OfflineError::Limit { what: "bytes a peer", most: 200, found: 230, .. }), "{error:?}");
    put(2, 0, &chunk(0)).expect("fits");
    let error = put(2, 1, b"x").expect_err("too many bytes in all");
    assert!(
        matches!(error, OfflineError::Limit { what: "bytes of all peers", most: 300, found: 330, .. }),
        "{error:?}"
    );
    assert_eq!(store.usage(), BTreeMap::from([(peer(1), 2 * SIZE), (peer(2), SIZE)]));
    // A refusal by a limit uses no number up, and a claim makes room.
    claim(&store, &[0]).expect("claimed");
    put(2, 1, &chunk(1)).expect("fits");
    drop(store);
    let store = open();
    assert_eq!(store.usage(), BTreeMap::from([(peer(1), SIZE), (peer(2), 2 * SIZE)]));
    store.reconcile(&peer(1), &store.statement(&peer(1))).expect("no fault");
    let error = store.put(&peer(1), &EPOCH, &KIND, 2, b"x").expect_err("counted after a start, too");
    assert!(matches!(error, OfflineError::Limit { what: "bytes of all peers", .. }), "{error:?}");
}

#[test]
fn the_numbers_of_chunks_and_kinds_are_bounded() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(filled(dir.path(), []));
    fs::create_dir_all(epoch_dir(dir.path())).expect("made");
    let sealer = key(1).sealer("correlation");
    let kind = |at: usize| Kind::named(&format!("kind-{at}")).expect("a name");
    for at in 0..MAX_CHUNKS {
        let (kind, number) = (kind(at % MAX_KINDS), at as u64);
        let sealed = sealer.seal(&associated(&peer(1), &EPOCH, &kind, number), b"x", &mut system_rng());
        fs::write(epoch_dir(dir.path()).join(format!("{kind}-{number:020}.ready")), sealed).expect("written");
    }
    let store = confirmed(dir.path());
    let error = store.put(&peer(1), &EPOCH, &kind(0), 9_999, b"x").expect_err("too many");
    assert!(matches!(error, OfflineError::Limit { what: "chunks", most: 4096, found: 4097, .. }), "{error:?}");
    store.claim(&peer(1), &EPOCH, &kind(0), &[0]).expect("claimed");
    let error = store.put(&peer(1), &EPOCH, &kind(MAX_KINDS), 0, b"x").expect_err("too many");
    assert!(matches!(error, OfflineError::Limit { what: "kinds in an epoch", most: 256, found: 257, .. }), "{error:?}");
    store.put(&peer(1), &EPOCH, &kind(0), 9_999, b"x").expect("fits again");
}

#[test]
fn the_largest_statement_fits_its_message() {
    let kind = |at: usize| Kind::named(&format!("{}{at:03}", "k".repeat(MAX_KIND_CHARS - 3))).expect("a name");
    let mut statement = Statement { epoch: Some(EPOCH), ..Statement::default() };
    for at in 0..MAX_KINDS {
        statement.claimed.insert(kind(at), u64::MAX - 1);
        statement.next.insert(kind(at), u64::MAX);
    }
    for at in 0..MAX_CHUNKS {
        statement.ready.entry(kind(at % MAX_KINDS)).or_default().insert(u64::MAX - at as u64);
    }
    let bytes = codec::encode(&statement).expect("fits");
    assert!(bytes.len() <= Statement::LIMIT);
    assert_eq!(codec::decode::<Statement>(&bytes).expect("decodes"), statement);
}

#[test]
fn a_disk_that_is_nearly_full_stops_puts_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(filled(dir.path(), 0..2));
    let limits = Limits { free_bytes: u64::MAX, ..limits() };
    let store = CorrelationStore::open(dir.path(), &key(1), limits, Box::new(system_rng())).expect("opens");
    store.reconcile(&peer(1), &store.statement(&peer(1))).expect("no fault");
    let error = store.put(&peer(1), &EPOCH, &KIND, 2, b"x").expect_err("no room");
    assert_eq!(error.code().as_str(), "STORE_FULL");
    assert!(error.to_string().contains(dir.path().to_str().expect("text")), "{error}");
    assert_eq!((ready(&store), store.statement(&peer(1)).next), (vec![0, 1], BTreeMap::from([(KIND, 2)])));
    assert_eq!(claim(&store, &[0]).expect("claimed"), [chunk(0)]);
}

/// A file on a disk that is full.
struct FullDisk;

impl JournalFile for FullDisk {
    fn append(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_claim_that_cannot_be_written_down_loses_nothing_and_hands_nothing_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), 0..3);
    let full = Journal::start(Box::new(FullDisk), b"TACITJ01").expect("starts").journal;
    store.set_journal(full);
    let mut steps = Vec::new();
    let refused = store.claim_with(&peer(1), &EPOCH, &KIND, &[0, 1], &mut |step| steps.push(step));
    assert_eq!(code(refused), "STORE_FULL");
    assert_eq!(steps, [Step::Renamed, Step::Renamed, Step::DirectorySynced], "nothing was read");
    assert_eq!((ready(&store), highest(&store)), (vec![0, 1, 2], None));
    assert_eq!(store.usage(), BTreeMap::from([(peer(1), 3 * SIZE)]));
    assert_eq!(code(store.begin(&peer(1), LATER)), "STORE_FULL");
    drop(store);
    let store = confirmed(dir.path());
    assert_eq!(claim(&store, &[0, 1]).expect("claimed"), [chunk(0), chunk(1)]);
}

fn statement(epoch: Epoch, claimed: Option<u64>, ready: impl IntoIterator<Item = u64>) -> Statement {
    let ready: BTreeSet<u64> = ready.into_iter().collect();
    let next = ready.last().copied().or(claimed).map(|number| (KIND, number + 1));
    Statement {
        epoch: Some(epoch),
        claimed: claimed.map(|number| (KIND, number)).into_iter().collect(),
        ready: BTreeMap::from([(KIND, ready)]),
        next: next.into_iter().collect(),
    }
}

#[test]
fn peers_that_agree_keep_what_both_hold_chk_603() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), 0..6);
    claim(&store, &[0]).expect("claimed");
    let theirs = statement(EPOCH, Some(0), [2, 4, 5, 7]);
    let Verdict::Keep(stock) = store.reconcile(&peer(1), &theirs).expect("no fault") else { panic!("a doubt") };
    assert_eq!(stock.ready, BTreeMap::from([(KIND, BTreeSet::from([2, 4, 5]))]));
    assert_eq!(stock.next, BTreeMap::from([(KIND, 8)]));
    assert_eq!(ready(&store), [2, 4, 5]);
    assert_eq!(names(&epoch_dir(dir.path())).len(), 3);
    assert_eq!(store.usage(), BTreeMap::from([(peer(1), 3 * SIZE)]));
    // The peer holds a 7 of which this node has no half.
    assert_eq!(code(store.put(&peer(1), &EPOCH, &KIND, 6, b"x")), "CORRELATION_REUSE");
    put(&store, 8);
    assert_eq!(claim(&store, &[2, 8]).expect("claimed"), [chunk(2), chunk(8)]);
}

#[test]
fn any_doubt_drops_everything_of_the_peer_and_of_no_other_chk_603() {
    let doubts = [
        (Statement::default(), Doubt::Epoch { ours: Some(EPOCH), theirs: None }),
        (statement(LATER, Some(1), [2, 3]), Doubt::Epoch { ours: Some(EPOCH), theirs: Some(LATER) }),
        // This node was set back, or its claim interrupted.
        (statement(EPOCH, Some(2), [3]), Doubt::Claimed { kind: KIND, ours: Some(1), theirs: Some(2) }),
        // The peer was.
        (statement(EPOCH, Some(0), [1, 2, 3]), Doubt::Claimed { kind: KIND, ours: Some(1), theirs: Some(0) }),
        (statement(EPOCH, None, [0, 1, 2, 3]), Doubt::Claimed { kind: KIND, ours: Some(1), theirs: None }),
    ];
    for (theirs, doubt) in doubts {
        let dir = tempfile::tempdir().expect("a directory");
        let store = filled(dir.path(), 0..4);
        claim(&store, &[0, 1]).expect("claimed");
        store.begin(&peer(2), EPOCH).expect("begins");
        store.put(&peer(2), &EPOCH, &KIND, 0, &chunk(0)).expect("put");
        assert_eq!(store.reconcile(&peer(1), &theirs).expect("no fault"), Verdict::BeginAnew(doubt.clone()));
        assert_eq!(store.statement(&peer(1)), Statement::default(), "{doubt}");
        assert!(!dir.path().join(peer(1).to_string()).exists(), "{doubt}");
        assert_eq!(code(claim(&store, &[2])), "CORRELATION_EPOCH", "{doubt}");
        assert_eq!(store.usage(), BTreeMap::from([(peer(1), 0), (peer(2), SIZE)]), "{doubt}");
        drop(store);
        assert_eq!(open(dir.path()).statement(&peer(1)), Statement::default(), "{doubt}: after the next start, too");
    }
    // A claim in a kind that only one of them knows of.
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), 0..2);
    let theirs = Statement { claimed: BTreeMap::from([(Kind::BITS, 0)]), ..store.statement(&peer(1)) };
    let doubt = Doubt::Claimed { kind: Kind::BITS, ours: None, theirs: Some(0) };
    assert_eq!(store.reconcile(&peer(1), &theirs).expect("no fault"), Verdict::BeginAnew(doubt));
}

#[test]
fn a_peer_without_a_stock_begins_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let nothing = Verdict::BeginAnew(Doubt::Epoch { ours: None, theirs: None });
    assert_eq!(store.reconcile(&peer(1), &Statement::default()).expect("no fault"), nothing);
    assert!(store.usage().is_empty(), "who only asks costs nothing");
    store.begin(&peer(1), EPOCH).expect("begins");
    let own = store.statement(&peer(1));
    assert_eq!(store.reconcile(&peer(1), &own).expect("no fault"), Verdict::Keep(Stock::default()));
}

/// Two nodes whose stocks go on together; each step goes through both stores.
struct Two {
    dirs: [tempfile::TempDir; 2],
    stores: [CorrelationStore; 2],
}

impl Two {
    fn new() -> Self {
        let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let stores = [0, 1].map(|at: usize| filled(dirs[at].path(), 0..8));
        Self { dirs, stores }
    }

    /// Claims on both.
    fn claim(&self, numbers: &[u64]) {
        for store in &self.stores {
            claim(store, numbers).expect("claimed");
        }
    }

    /// What both come to from what both say.
    fn reconcile(&self) -> [Verdict; 2] {
        let [ours, theirs] = [0, 1].map(|at: usize| self.stores[at].statement(&peer(1)));
        let verdict = |at: usize, other: &Statement| self.stores[at].reconcile(&peer(1), other).expect("no fault");
        [verdict(0, &theirs), verdict(1, &ours)]
    }
}

#[test]
fn a_restored_snapshot_is_recognised_by_the_peers_record_on_both_sides_chk_603() {
    let mut two = Two::new();
    two.claim(&[0]);
    // A snapshot of the disk: the lock file stays as it is. The first node goes on and is set back.
    let kept = tempfile::tempdir().expect("a directory");
    copy(two.dirs[0].path(), kept.path(), "lock");
    two.claim(&[1, 2]);
    assert!(matches!(two.reconcile(), [Verdict::Keep(_), Verdict::Keep(_)]), "before, there is no doubt");
    let root = two.dirs[0].path().to_owned();
    let gone = tempfile::tempdir().expect("a directory");
    two.stores[0] = open(gone.path());
    copy(kept.path(), &root, "");
    two.stores[0] = open(&root);
    assert_eq!(ready(&two.stores[0]), [1, 2, 3, 4, 5, 6, 7], "what was used is back");
    assert_eq!(code(claim(&two.stores[0], &[1])), "CORRELATION_EPOCH", "and cannot be claimed alone");
    let doubt = |ours, theirs| Doubt::Claimed { kind: KIND, ours: Some(ours), theirs: Some(theirs) };
    let verdicts = two.reconcile();
    assert_eq!(verdicts, [Verdict::BeginAnew(doubt(0, 2)), Verdict::BeginAnew(doubt(2, 0))]);
    for store in &two.stores {
        assert_eq!(store.statement(&peer(1)), Statement::default());
        store.begin(&peer(1), LATER).expect("begins");
    }
    assert_eq!(two.reconcile(), [Verdict::Keep(Stock::default()), Verdict::Keep(Stock::default())]);
}

#[test]
fn a_snapshot_of_an_earlier_epoch_is_recognised_chk_603() {
    let mut two = Two::new();
    let kept = tempfile::tempdir().expect("a directory");
    copy(two.dirs[0].path(), kept.path(), "lock");
    for store in &two.stores {
        store.begin(&peer(1), LATER).expect("begins");
    }
    let (root, gone) = (two.dirs[0].path().to_owned(), tempfile::tempdir().expect("a directory"));
    two.stores[0] = open(gone.path());
    copy(kept.path(), &root, "");
    two.stores[0] = open(&root);
    assert_eq!(ready(&two.stores[0]).len(), 8, "what was dropped is back");
    let doubt = Doubt::Epoch { ours: Some(EPOCH), theirs: Some(LATER) };
    assert_eq!(two.reconcile()[0], Verdict::BeginAnew(doubt));
}

#[test]
fn a_copy_of_the_files_is_dropped_when_it_is_opened_chk_603() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path(), 0..3);
    let copied = tempfile::tempdir().expect("a directory");
    copy(dir.path(), copied.path(), "");
    let copied_store = open(copied.path());
    assert_eq!(copied_store.statement(&peer(1)), Statement::default());
    assert!(!epoch_dir(copied.path()).exists());
    drop(copied_store);
    drop(store);
    assert_eq!(ready(&open(dir.path())), [0, 1, 2], "the one that was copied is as it was");
    // A directory that is only moved is no copy.
    let moved = copied.path().join("moved");
    fs::rename(dir.path(), &moved).expect("moved");
    assert_eq!(ready(&open(&moved)), [0, 1, 2]);
    fs::create_dir(dir.path()).expect("made");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn two_statements_lead_both_sides_to_the_same(
        epochs in prop::array::uniform2(prop::option::of(0u8..2)),
        claimed in prop::array::uniform2(prop::collection::btree_map(0usize..2, 0u64..3, 0..2)),
        numbers in prop::array::uniform2(prop::collection::btree_map(0usize..2, prop::collection::btree_set(0u64..12, 0..6), 0..2)),
    ) {
        let kinds = [KIND, Kind::BITS];
        let [one, other] = [0, 1].map(|at: usize| {
            let claimed: BTreeMap<Kind, u64> = claimed[at].iter().map(|(&kind, &number)| (kinds[kind].clone(), number)).collect();
            let ready = numbers[at].iter().map(|(&kind, numbers)| (kinds[kind].clone(), numbers.clone())).collect::<BTreeMap<_, _>>();
            let next = ready.iter().map(|(kind, numbers)| (kind.clone(), numbers.last().map_or(0, |number| number + 1))).collect();
            Statement { epoch: epochs[at].map(|byte| Epoch::from_bytes([byte; 32])), claimed, ready, next }
        });
        match (one.shared_with(&other), other.shared_with(&one)) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(&ours, &theirs);
                prop_assert!(one.epoch.is_some() && one.epoch == other.epoch && one.claimed == other.claimed);
                for (kind, shared) in &ours.ready {
                    prop_assert!(shared.iter().all(|number| one.ready[kind].contains(number) && other.ready[kind].contains(number)));
                    prop_assert!(shared.iter().all(|number| ours.next[kind] > *number));
                }
            }
            (Err(_), Err(_)) => prop_assert!(one.epoch.is_none() || one.epoch != other.epoch || one.claimed != other.claimed),
            (ours, theirs) => prop_assert!(false, "{ours:?} and {theirs:?}"),
        }
    }
}

#[test]
fn both_peers_come_to_the_same_epoch_and_to_another_with_any_other_nonce() {
    let (one, other) = (Nonce::from_bytes([1; 16]), Nonce::from_bytes([2; 16]));
    let epoch = Epoch::agree((&peer(1), &one), (&peer(2), &other));
    assert_eq!(Epoch::agree((&peer(2), &other), (&peer(1), &one)), epoch);
    for different in [
        Epoch::agree((&peer(1), &other), (&peer(2), &one)),
        Epoch::agree((&peer(1), &one), (&peer(2), &one)),
        Epoch::agree((&peer(1), &one), (&peer(3), &other)),
    ] {
        assert_ne!(different, epoch);
    }
}

#[test]
fn every_error_names_its_place_and_the_next_step() {
    let path = Path::new("/node/correlations/x.ready");
    let errors = [
        OfflineError::io(path, "read", io::Error::other("the disk is gone")),
        OfflineError::io(path, "written", io::ErrorKind::StorageFull.into()),
        OfflineError::Sealed { path: path.into() },
        OfflineError::Locked { path: path.into() },
    ];
    let mut codes = Vec::new();
    for error in errors {
        let failure = Failure::from(error);
        assert!(failure.message.contains("/node/correlations/x.ready"), "{failure}");
        assert!(failure.next.len() > 10 && failure.step.as_deref() == Some("idle"), "{failure}");
        codes.push(failure.code.as_str().to_owned());
    }
    assert_eq!(codes, ["STORE_IO", "STORE_FULL", "CORRELATION_SEALED", "STORE_LOCKED"]);
}
