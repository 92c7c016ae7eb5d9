//! The files of one peer's live epoch.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tacit_protocol::PeerId;
use zeroize::Zeroizing;

use super::ledger::{Ledger, sync_directory};
use super::store::MAX_CHUNK_BYTES;
use super::{Epoch, Kind, OfflineError};
use crate::keys::{SEAL_OVERHEAD_BYTES, Sealer};

/// The digits of a number in a file's name.
const DIGITS: usize = 20;

/// What was just done, in the order in which it is done: tests end the process there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Put: the temporary file is there, empty.
    Created,
    /// Put: it is whole.
    Written,
    /// Put: it is on the disk.
    Synced,
    /// Put: it has its name. Claim: one chunk is marked as spent.
    Renamed,
    /// Put, claim: the names are on the disk.
    DirectorySynced,
    /// Claim, begin: the journal has it.
    Recorded,
    /// Claim: one chunk is in memory.
    Read,
    /// Claim: one file is gone. Begin: what was there before is gone.
    Removed,
}

/// Is told each step.
pub(super) type Steps<'a> = dyn FnMut(Step) + 'a;

/// What a file is, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Being written.
    Part,
    /// Whole and not used.
    Ready,
    /// Claimed. It may have been read.
    Spent,
}

impl State {
    fn ending(self) -> &'static str {
        match self {
            Self::Part => "part",
            Self::Ready => "ready",
            Self::Spent => "spent",
        }
    }
}

/// A chunk on the disk.
pub(super) struct Held {
    /// The bytes of its file.
    pub(super) bytes: u64,
    /// Whether this process wrote it or opened it once.
    pub(super) checked: bool,
}

/// The chunks of one kind.
#[derive(Default)]
pub(super) struct Row {
    pub(super) ready: BTreeMap<u64, Held>,
    /// The least number that this process has not tried to put.
    pub(super) untried: u64,
}

/// One peer's chunks.
pub(super) struct Shelf {
    pub(super) peer: PeerId,
    /// The peer's directory.
    root: PathBuf,
    pub(super) epoch: Option<Epoch>,
    /// Whether the peer has confirmed the epoch since it was last connected.
    pub(super) confirmed: bool,
    pub(super) rows: BTreeMap<Kind, Row>,
}

impl Shelf {
    /// An empty one in the store's directory.
    pub(super) fn new(store: &Path, peer: PeerId) -> Self {
        Self { peer, root: store.join(peer.to_string()), epoch: None, confirmed: false, rows: BTreeMap::new() }
    }

    /// The bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.rows.values().flat_map(|row| row.ready.values()).map(|held| held.bytes).sum()
    }

    /// How many chunks there are.
    pub(super) fn chunks(&self) -> usize {
        self.rows.values().map(|row| row.ready.len()).sum()
    }

    /// Takes a chunk off the list and says how many bytes its file has.
    pub(super) fn take(&mut self, kind: &Kind, number: u64) -> u64 {
        self.rows.get_mut(kind).and_then(|row| row.ready.remove(&number)).map_or(0, |held| held.bytes)
    }

    /// Where a chunk of the epoch lies.
    pub(super) fn path(&self, epoch: &Epoch, kind: &Kind, number: u64, state: State) -> PathBuf {
        self.directory(epoch).join(file_name(kind, number, state))
    }

    /// Where the epoch's chunks lie.
    pub(super) fn directory(&self, epoch: &Epoch) -> PathBuf {
        self.root.join(epoch.to_string())
    }

    /// Makes the epoch's directory where there is none, on disk when it returns.
    pub(super) fn make_directory(&self, epoch: &Epoch) -> Result<(), OfflineError> {
        let directory = self.directory(epoch);
        if directory.is_dir() {
            return Ok(());
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(|error| OfflineError::io(&directory, "made", error))?;
        sync_directory(&self.root)?;
        self.root.parent().map_or(Ok(()), sync_directory)
    }

    /// Removes everything but one epoch, or everything, and says what could not be removed.
    pub(super) fn remove_but(&self, kept: Option<&Epoch>) -> Result<(), OfflineError> {
        let Some(kept) = kept else { return remove_all(&self.root) };
        let kept = kept.to_string();
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| OfflineError::io(&self.root, "read", error))?,
        };
        let mut outcome = Ok(());
        for entry in entries {
            let entry = entry.map_err(|error| OfflineError::io(&self.root, "read", error))?;
            if entry.file_name() != kept.as_str() {
                outcome = outcome.and(remove_all(&entry.path()));
            }
        }
        outcome
    }

    /// Reads what a crash or a stop left of an epoch. Temporary and spent files are removed unread, as is what is no file
    /// of this store; the number of a spent file is claimed, whether its claim came to be written down or not.
    pub(super) fn load(&mut self, epoch: Epoch, ledger: &mut Ledger) -> Result<(), OfflineError> {
        self.epoch = Some(epoch);
        let directory = self.directory(&epoch);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| OfflineError::io(&directory, "read", error))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| OfflineError::io(&directory, "read", error))?;
            let path = entry.path();
            let metadata = fs::symlink_metadata(&path).map_err(|error| OfflineError::io(&path, "read", error))?;
            match parse(&entry.file_name()).filter(|_| metadata.is_file()) {
                // The number is used up before the file that says so goes.
                Some((kind, number, State::Spent)) => {
                    if ledger.highest(&self.peer, &kind).is_none_or(|highest| number > highest) {
                        ledger.claimed(self.peer, &kind, number)?;
                    }
                    remove_all(&path)?;
                }
                Some((kind, number, State::Ready)) => found.push((kind, number, metadata.len())),
                _ => remove_all(&path)?,
            }
        }
        for (kind, number, bytes) in found {
            if ledger.highest(&self.peer, &kind).is_some_and(|highest| number <= highest) {
                remove_all(&self.path(&epoch, &kind, number, State::Ready))?;
            } else {
                self.rows.entry(kind).or_default().ready.insert(number, Held { bytes, checked: false });
            }
        }
        Ok(())
    }

    /// Writes a chunk: a temporary file, synced, then its name, synced.
    pub(super) fn write(
        &self,
        epoch: &Epoch,
        kind: &Kind,
        number: u64,
        sealed: &[u8],
        step: &mut Steps<'_>,
    ) -> Result<(), OfflineError> {
        self.make_directory(epoch)?;
        let [part, ready] = [State::Part, State::Ready].map(|state| self.path(epoch, kind, number, state));
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).and_then(|mut file| {
            step(Step::Created);
            file.write_all(sealed)?;
            step(Step::Written);
            file.sync_all()?;
            step(Step::Synced);
            fs::rename(&part, &ready)
        });
        if let Err(error) = written {
            // What stays is removed when the store is opened next.
            drop(fs::remove_file(&part));
            return Err(OfflineError::io(&ready, "written", error));
        }
        step(Step::Renamed);
        if let Err(error) = sync_directory(&self.directory(epoch)) {
            drop(fs::remove_file(&ready));
            return Err(error);
        }
        step(Step::DirectorySynced);
        Ok(())
    }

    /// Opens a chunk's file.
    pub(super) fn read(
        &self,
        sealer: &Sealer,
        epoch: &Epoch,
        kind: &Kind,
        number: u64,
        state: State,
    ) -> Result<Zeroizing<Vec<u8>>, OfflineError> {
        let path = self.path(epoch, kind, number, state);
        let most = (MAX_CHUNK_BYTES + SEAL_OVERHEAD_BYTES) as u64;
        let read = File::open(&path).and_then(|file| {
            let mut sealed = Vec::with_capacity(usize::try_from(file.metadata()?.len().min(most)).unwrap_or(0));
            file.take(most + 1).read_to_end(&mut sealed)?;
            Ok(sealed)
        });
        let sealed = read.map_err(|error| OfflineError::io(&path, "read", error))?;
        if sealed.len() as u64 > most {
            return Err(OfflineError::Sealed { path });
        }
        sealer.open(&associated(&self.peer, epoch, kind, number), &sealed).map_err(|_| OfflineError::Sealed { path })
    }
}

/// What a chunk is bound to: a file that was moved or renamed has another, and does not open.
pub(super) fn associated(peer: &PeerId, epoch: &Epoch, kind: &Kind, number: u64) -> Vec<u8> {
    let parts: [&[u8]; 4] = [peer.public_key(), epoch.as_bytes(), &number.to_le_bytes(), kind.as_str().as_bytes()];
    parts.concat()
}

fn file_name(kind: &Kind, number: u64, state: State) -> String {
    format!("{kind}-{number:0DIGITS$}.{}", state.ending())
}

/// What the name of a file says, if it is one that this store gives.
fn parse(name: &OsStr) -> Option<(Kind, u64, State)> {
    let name = name.to_str()?;
    let (stem, ending) = name.rsplit_once('.')?;
    let (kind, number) = stem.rsplit_once('-')?;
    let state = [State::Part, State::Ready, State::Spent].into_iter().find(|state| state.ending() == ending)?;
    let parsed = (Kind::named(kind).ok()?, number.parse().ok()?, state);
    (file_name(&parsed.0, parsed.1, parsed.2) == name).then_some(parsed)
}

/// Removes a file, or a directory with what is in it. Links are removed, not followed.
pub(super) fn remove_all(path: &Path) -> Result<(), OfflineError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OfflineError::io(path, "removed", error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_says_kind_number_and_state_in_one_way() {
        let kind = Kind::named("a-1").expect("a name");
        for state in [State::Part, State::Ready, State::Spent] {
            for number in [0, 7, u64::MAX] {
                let name = file_name(&kind, number, state);
                assert_eq!(parse(OsStr::new(&name)), Some((kind.clone(), number, state)), "{name}");
            }
        }
        for name in [
            "a-1.ready",
            "a-00000000000000000001.done",
            "a-00000000000000000001.READY",
            "a--0000000000000000001.ready",
            "a-+0000000000000000001.ready",
            "a-99999999999999999999.ready",
            "00000000000000000001.ready",
            "-00000000000000000001.ready",
            ".ready",
        ] {
            assert_eq!(parse(OsStr::new(name)), None, "{name}");
        }
    }
}
