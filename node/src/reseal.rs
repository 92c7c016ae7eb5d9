//! A new key file: everything that the old one sealed is sealed again (`tacit key seal --new`).
//!
//! *Order*: a whole new store and a new key file are made in `reseal/` beside the old ones, and synced; a mark is written and
//! synced; then both are moved into their places, and the old ones removed. Before the mark a crash leaves the old key,
//! after it the next start finishes the move ([`finish`]). Correlations are sealed too, and simply made anew.
//! *Exclusion*: whoever opens the directory holds it ([`hold`]) from before it reads the key file until it has the store, and
//! a reseal to its end: nobody goes on with a store or a key that is on its way out.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rand_core::CryptoRng;
use serde_json::json;
use tacit_protocol::log::LogKind;
use tacit_protocol::{Code, Failure};

use crate::backup::trees;
use crate::clock::Clock;
use crate::keys::{IdentitySeed, KeyError, NodeKey};
use crate::log::Log;
use crate::setup::Files;
use crate::store::lock::try_lock;
use crate::store::trees::{Care, Sealed};
use crate::store::{SledStore, Store};

/// Entries read at a time.
const PAGE: usize = 64;

/// The old key and the new one.
pub(crate) struct Reseal<'a> {
    old: &'a NodeKey,
    new: &'a NodeKey,
    rng: Mutex<&'a mut dyn CryptoRng>,
}

impl Reseal<'_> {
    /// Opens something with the old key and seals it with the new one.
    ///
    /// # Errors
    /// [`KeyError::Sealed`] if it does not open.
    pub(crate) fn again(&self, purpose: &'static str, associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let opened = self.old.sealer(purpose).open(associated, sealed)?;
        let mut rng = self.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(self.new.sealer(purpose).seal(associated, &opened, &mut **rng))
    }
}

/// The places of what is made beside.
struct Beside {
    dir: PathBuf,
    store: PathBuf,
    key: PathBuf,
    /// Everything in the directory is whole.
    mark: PathBuf,
    /// The old store, until it is removed.
    old: PathBuf,
}

impl Beside {
    fn of(files: &Files) -> Self {
        let dir = files.dir.join("reseal");
        let place = |name| dir.join(name);
        Self { store: place("store"), key: place("node.key"), mark: place("whole"), old: place("old-store"), dir }
    }
}

/// The directory, held against others that open it or seal it again.
#[must_use]
pub struct Opening {
    _lock: File,
}

/// Holds a directory until this is dropped.
///
/// # Errors
/// `STORE_LOCKED` while another process opens it or seals it again, `KEY_FILE`.
pub(crate) fn hold(files: &Files) -> Result<Opening, Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = files.opening();
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(&path);
    // One that another user made, such as root, is locked as well by who can read it: the directory itself is private.
    let lock = opened.or_else(|_| File::open(&path)).map_err(|cause| failed(&path, &cause))?;
    if try_lock(&lock).map_err(|cause| failed(&path, &cause))? {
        return Ok(Opening { _lock: lock });
    }
    let message = format!("another process opens {} or seals it again", files.dir.display());
    Err(Failure::new(Code::new("STORE_LOCKED"), message, "wait until it has ended and run the command again."))
}

/// Whether a reseal has begun and not ended.
pub(crate) fn is_open(files: &Files) -> bool {
    Beside::of(files).dir.exists()
}

/// Seals the store of a stopped node by a new key file. How many values were sealed again.
///
/// # Errors
/// `STORE_LOCKED` while the node runs, `KEY_SEALED` if something does not open, a fault of the disk. The node has its old
/// key then.
pub fn run(files: &Files, clock: &dyn Clock, rng: &mut dyn CryptoRng) -> Result<u64, Failure> {
    run_until(files, clock, rng, Stage::End)
}

/// Where a run ends, to test what a crash there leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Copied,
    Marked,
    StoreAside,
    StoreMoved,
    KeyMoved,
    End,
}

fn run_until(files: &Files, clock: &dyn Clock, rng: &mut dyn CryptoRng, stage: Stage) -> Result<u64, Failure> {
    let _opening = finish(files)?;
    let beside = Beside::of(files);
    let key = NodeKey::read_file(&files.key())?;
    let store = SledStore::open(&files.store())?;
    IdentitySeed::load(&store, &key)?;
    fs::create_dir(&beside.dir).map_err(|cause| failed(&beside.dir, &cause))?;
    let new = NodeKey::create_file(&beside.key, rng)?;
    let values = {
        let fresh = SledStore::open(&beside.store)?;
        let values = copy(&store, &fresh, &Reseal { old: &key, new: &new, rng: Mutex::new(rng) })?;
        fresh.flush()?;
        values
    };
    let body = json!({ "text": "the store was sealed again by a new key file", "values": values });
    Log::open(&files.log())?.append(clock.unix_seconds(), LogKind::Operation, &body)?;
    drop(store);
    if stage == Stage::Copied {
        return Ok(values);
    }
    File::create(&beside.mark).and_then(|mark| mark.sync_all()).map_err(|cause| failed(&beside.mark, &cause))?;
    sync(&beside.dir)?;
    sync(&files.dir)?;
    finish_until(files, stage)?;
    Ok(values)
}

/// Finishes what a crash interrupted: the new key if everything was whole, otherwise the old one. The directory is held
/// until what this gives is dropped.
///
/// # Errors
/// `API_NO_NODE`, as [`hold`], and the disk's own.
pub fn finish(files: &Files) -> Result<Opening, Failure> {
    files.check_node()?;
    let opening = hold(files)?;
    finish_until(files, Stage::End)?;
    Ok(opening)
}

fn finish_until(files: &Files, stage: Stage) -> Result<(), Failure> {
    let beside = Beside::of(files);
    if !beside.dir.exists() {
        return Ok(());
    }
    if beside.mark.exists() && stage > Stage::Marked {
        // Each step is done once and in this order; what is done shows in what is there.
        if beside.store.exists() {
            if files.store().exists() && !beside.old.exists() {
                rename(&files.store(), &beside.old)?;
            }
            if stage == Stage::StoreAside {
                return Ok(());
            }
            rename(&beside.store, &files.store())?;
            sync(&files.dir)?;
        }
        if stage == Stage::StoreMoved {
            return Ok(());
        }
        if beside.key.exists() {
            rename(&beside.key, &files.key())?;
            sync(&files.dir)?;
        }
        if stage == Stage::KeyMoved {
            return Ok(());
        }
        let correlations = files.correlations();
        if correlations.exists() {
            fs::remove_dir_all(&correlations).map_err(|cause| failed(&correlations, &cause))?;
        }
    } else if stage == Stage::Marked {
        return Ok(());
    }
    fs::remove_dir_all(&beside.dir).map_err(|cause| failed(&beside.dir, &cause))?;
    sync(&files.dir)
}

/// Copies every tree, and seals again what is sealed.
fn copy(store: &SledStore, fresh: &SledStore, reseal: &Reseal<'_>) -> Result<u64, Failure> {
    let known = trees::all();
    for name in store.tree_names()? {
        if !known.iter().any(|tree| tree.name.as_str() == name) {
            let message = format!("the store has a tree {name:?} that this version does not know");
            return Err(Failure::new(Code::new("STORE_VERSION"), message, "use the version of tacit that made it."));
        }
    }
    let live = crate::data::live_chunks(store)?;
    let mut values = 0;
    for tree in known {
        let mut from = Vec::new();
        loop {
            let page = store.scan(tree.name, &from, None, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            for (key, value) in &page {
                // Rows that no dataset names are left behind; they may be of an import that broke off.
                if matches!(tree.care, Care::Rows) && !live(key) {
                    continue;
                }
                let again = match tree.sealed {
                    Sealed::Nothing => value.clone(),
                    Sealed::Whole(purpose) => reseal.again(purpose, key, value)?,
                    Sealed::Inside(again) => again(reseal, key, value)?,
                };
                values += u64::from(!matches!(tree.sealed, Sealed::Nothing));
                fresh.put(tree.name, key, &again)?;
            }
        }
    }
    Ok(values)
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to).map_err(|cause| failed(from, &cause))
}

fn sync(dir: &Path) -> Result<(), Failure> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|cause| failed(dir, &cause))
}

fn failed(path: &Path, cause: &io::Error) -> Failure {
    let message = format!("{}: {cause}", path.display());
    Failure::new(Code::new("KEY_FILE"), message, "check permissions and free space, and run the command again.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::tests::Stopped;
    use crate::clock::ManualClock;
    use crate::fsck;

    fn rng() -> rand_chacha::ChaCha20Rng {
        use rand_core::SeedableRng;
        rand_chacha::ChaCha20Rng::seed_from_u64(5)
    }

    fn is_whole(files: &Files) {
        let findings = fsck::run(&files.dir, false).expect("looked at");
        assert!(fsck::verdict(&findings).is_ok(), "{}", fsck::table(&findings));
    }

    /// A check says what was interrupted and what to do, and calls nothing damaged.
    fn is_called_interrupted(files: &Files) {
        let findings = fsck::run(&files.dir, true).expect("looked at");
        let table = fsck::table(&findings);
        assert!(fsck::verdict(&findings).is_ok() && findings.len() == 1, "{table}");
        assert!(table.contains("Start the node") && !table.contains("backup"), "{table}");
    }

    /// Every tree with something sealed in it has a record here, and each opens with a key.
    fn opens_everything(files: &Files, key: &NodeKey) {
        let store = SledStore::open(&files.store()).expect("opens");
        let mut rng = rng();
        let reseal = Reseal { old: key, new: key, rng: Mutex::new(&mut rng) };
        for tree in trees::all() {
            let mut records = 0;
            let opened = store.for_each(tree.name, b"", &mut |place, value| {
                records += 1;
                let opened = match tree.sealed {
                    Sealed::Nothing => Ok(Vec::new()),
                    Sealed::Whole(purpose) => reseal.again(purpose, place, value).map_err(Failure::from),
                    Sealed::Inside(again) => again(&reseal, place, value),
                };
                opened.unwrap_or_else(|failure| panic!("{}: {failure}", tree.name.as_str()));
                Ok(())
            });
            opened.expect("read");
            assert!(records > 0 || matches!(tree.sealed, Sealed::Nothing), "{} is empty", tree.name.as_str());
        }
    }

    #[test]
    fn a_directory_without_a_node_is_left_as_it_is() {
        let empty = tempfile::tempdir().expect("a directory");
        let failure = run(&Files::of(empty.path()), &ManualClock::at(9_000), &mut rng()).expect_err("a refusal");
        assert_eq!(failure.code.as_str(), "API_NO_NODE");
        assert_eq!(fs::read_dir(empty.path()).expect("read").count(), 0);
    }

    #[test]
    fn nobody_opens_a_directory_that_is_being_sealed_again() {
        let node = Stopped::new(10);
        let held = hold(&node.files).expect("held");
        let refused = [
            finish(&node.files).map(drop),
            run(&node.files, &ManualClock::at(9_000), &mut rng()).map(drop),
            fsck::run(&node.files.dir, false).map(drop),
        ];
        for refused in refused {
            assert_eq!(refused.expect_err("a refusal").code.as_str(), "STORE_LOCKED");
        }
        drop(held);
        run(&node.files, &ManualClock::at(9_000), &mut rng()).expect("sealed");
        is_whole(&node.files);
    }

    #[test]
    fn a_crash_at_any_point_leaves_the_old_key_or_the_new_one_with_all_that_it_opens() {
        for stage in [Stage::Copied, Stage::Marked, Stage::StoreAside, Stage::StoreMoved, Stage::KeyMoved, Stage::End] {
            let node = Stopped::new(700);
            let old = *node.key.expose();
            node.seal_everything();
            run_until(&node.files, &ManualClock::at(9_000), &mut rng(), stage).expect("sealed");
            if stage != Stage::End {
                is_called_interrupted(&node.files);
            }
            drop(finish(&node.files).expect("finished"));
            let now = NodeKey::read_file(&node.files.key()).expect("a key");
            assert_eq!(*now.expose() == old, stage == Stage::Copied, "{stage:?}");
            is_whole(&node.files);
            opens_everything(&node.files, &now);
            assert!(!Beside::of(&node.files).dir.exists(), "{stage:?}");
        }
    }

    #[test]
    fn a_store_that_does_not_open_with_the_key_file_is_left_as_it_is() {
        let node = Stopped::new(10);
        std::fs::remove_file(node.files.key()).expect("removed");
        NodeKey::create_file(&node.files.key(), &mut rng()).expect("another key");
        let failure = run(&node.files, &ManualClock::at(9_000), &mut rng()).expect_err("a refusal");
        assert_eq!(failure.code.as_str(), "KEY_SEALED");
        node.key.write_file(&node.files.dir.join("old")).expect("written");
        std::fs::rename(node.files.dir.join("old"), node.files.key()).expect("put back");
        is_whole(&node.files);
    }
}
