//! A small append-only journal for what may never regress: the privacy budget, revocations, used secrets, signatures.
//!
//! Every append is on disk (`fdatasync`) before it returns. It is a file of its own, outside the store, so that it
//! survives a damaged or restored store.
//!
//! *Form*: the 8 bytes `TACITJ01`, then frames: length (u32 little-endian), the first 8 bytes of SHA-256 of length and
//! payload, payload. A frame cut short by a crash can only be the last; it was never acknowledged and is cut off at
//! open. Damage anywhere else is an error.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{StoreError, lock};

const MAGIC: &[u8; 8] = b"TACITJ01";
const CHECK_BYTES: usize = 8;
const HEADER_BYTES: usize = 4 + CHECK_BYTES;

/// The most bytes of one payload.
const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// The most bytes of a journal that is read at open.
const MAX_JOURNAL_BYTES: u64 = 1 << 30;

/// Where a journal lives.
pub trait JournalFile: Send {
    /// Adds bytes at the end; after an error some may have been added.
    ///
    /// # Errors
    /// The medium's own.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything added is on the disk.
    ///
    /// # Errors
    /// The medium's own.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts everything after the first `len` bytes.
    ///
    /// # Errors
    /// The medium's own.
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

/// An open journal.
pub struct Journal {
    file: Box<dyn JournalFile>,
    len: u64,
    poisoned: Option<String>,
}

/// What opening a journal finds.
pub struct JournalStart {
    /// The journal, ready for appends.
    pub journal: Journal,
    /// The payloads, in the order of their appends.
    pub entries: Vec<Vec<u8>>,
    /// How many bytes of an unfinished append were cut off.
    pub cut_bytes: u64,
}

impl Journal {
    /// Opens the journal in a file, or makes one there, and locks it against other processes.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Corrupt`] if any but the last frame is damaged, others.
    pub fn open(path: &Path) -> Result<JournalStart, StoreError> {
        let mut file = open_private(path)?;
        if !lock::try_lock(&file)? {
            return Err(StoreError::Locked { path: path.to_owned() });
        }
        if file.metadata()?.len() > MAX_JOURNAL_BYTES {
            return Err(StoreError::Corrupt(format!("the journal {} is too long", path.display())));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let start = Self::start(Box::new(file), &bytes)?;
        // The directory entry of a new file must last as well.
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        Ok(start)
    }

    /// A journal that lives as long as the process, for simulations and tests.
    pub fn in_memory() -> Self {
        Self { file: Box::new(Volatile), len: 0, poisoned: None }
    }

    /// Continues a journal whose file holds `bytes`.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn start(mut file: Box<dyn JournalFile>, bytes: &[u8]) -> Result<JournalStart, StoreError> {
        let (entries, valid) = parse(bytes)?;
        let cut_bytes = (bytes.len() - valid) as u64;
        if cut_bytes > 0 {
            file.cut(valid as u64)?;
        }
        let mut len = valid as u64;
        if valid == 0 {
            file.append(MAGIC)?;
            len = MAGIC.len() as u64;
        }
        file.sync()?;
        Ok(JournalStart { journal: Self { file, len, poisoned: None }, entries, cut_bytes })
    }

    /// The payloads of a journal's bytes, and how many bytes they take: what follows is an append that did not end.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if any but the last frame is damaged.
    pub fn read_bytes(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, usize), StoreError> {
        parse(bytes)
    }

    /// Adds a payload. When it returns, the payload is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Full`] or others, and then the payload is not in the journal; [`StoreError::Poisoned`] if an
    /// earlier failed append could not be undone.
    pub fn append(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        if let Some(cause) = &self.poisoned {
            return Err(StoreError::Poisoned(cause.clone()));
        }
        if payload.is_empty() || payload.len() > MAX_PAYLOAD_BYTES {
            return Err(StoreError::Corrupt(format!("a journal entry of {} bytes", payload.len())));
        }
        let frame = frame(payload);
        match self.file.append(&frame).and_then(|()| self.file.sync()) {
            Ok(()) => {
                self.len += frame.len() as u64;
                Ok(())
            }
            Err(error) => {
                if let Err(second) = self.file.cut(self.len).and_then(|()| self.file.sync()) {
                    self.poisoned = Some(format!("{error}; {second}"));
                }
                Err(error.into())
            }
        }
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("payloads are at most a megabyte").to_le_bytes();
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.extend_from_slice(&len);
    frame.extend_from_slice(&checksum(&len, payload));
    frame.extend_from_slice(payload);
    frame
}

fn checksum(len: &[u8], payload: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = Sha256::new().chain_update(len).chain_update(payload).finalize();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&digest[..CHECK_BYTES]);
    check
}

/// The payloads, and how many bytes they take with the header.
fn parse(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, usize), StoreError> {
    let Some(body) = bytes.strip_prefix(MAGIC.as_slice()) else {
        // A crash may have cut even the header short.
        return if MAGIC.starts_with(bytes) || bytes.iter().all(|&byte| byte == 0) {
            Ok((Vec::new(), 0))
        } else {
            Err(StoreError::Corrupt("the file is no journal".into()))
        };
    };
    let mut entries = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        match parse_frame(rest) {
            Frame::Whole { payload, used } => {
                entries.push(payload.to_vec());
                rest = &rest[used..];
            }
            Frame::Torn => return Ok((entries, at)),
            Frame::Damaged => return Err(StoreError::Corrupt(format!("the journal is damaged at byte {at}"))),
        }
    }
    Ok((entries, bytes.len()))
}

enum Frame<'a> {
    Whole { payload: &'a [u8], used: usize },
    Torn,
    Damaged,
}

fn parse_frame(bytes: &[u8]) -> Frame<'_> {
    // File systems may leave zeros where an append was under way.
    if bytes.len() < HEADER_BYTES || bytes.iter().all(|&byte| byte == 0) {
        return Frame::Torn;
    }
    let (header, rest) = bytes.split_at(HEADER_BYTES);
    let (len_bytes, check) = header.split_at(4);
    let len = u32::from_le_bytes([len_bytes[0], len_bytes[1], len_bytes[2], len_bytes[3]]) as usize;
    if len == 0 || len > MAX_PAYLOAD_BYTES {
        return Frame::Damaged;
    }
    let Some(payload) = rest.get(..len) else { return Frame::Torn };
    if checksum(len_bytes, payload) == check {
        Frame::Whole { payload, used: HEADER_BYTES + len }
    } else if rest.len() == len {
        // The last frame: its length reached the disk, its payload did not.
        Frame::Torn
    } else {
        Frame::Damaged
    }
}

/// A file that only its owner may read.
fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl JournalFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Nowhere: for journals in memory, whose owner keeps what it appended.
struct Volatile;

impl JournalFile for Volatile {
    fn append(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn reopen(path: &Path) -> (Vec<Vec<u8>>, u64) {
        let start = Journal::open(path).expect("opens");
        (start.entries, start.cut_bytes)
    }

    fn journal_of(path: &Path, payloads: &[&[u8]]) -> Vec<u8> {
        let mut journal = Journal::open(path).expect("opens").journal;
        for payload in payloads {
            journal.append(payload).expect("appends");
        }
        std::fs::read(path).expect("reads")
    }

    #[test]
    fn keeps_what_was_appended_in_order() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("journal");
        journal_of(&path, &[b"one", b"two"]);
        journal_of(&path, &[b"three"]);
        assert_eq!(reopen(&path), (vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()], 0));
    }

    #[test]
    fn cuts_a_torn_tail_at_every_length_and_goes_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("journal");
        let whole = journal_of(&path, &[b"first", b"second"]);
        let first_end = MAGIC.len() + HEADER_BYTES + 5;
        for len in 0..whole.len() {
            std::fs::write(&path, &whole[..len]).expect("writes");
            let (entries, _) = reopen(&path);
            let expected: &[&[u8]] = if len >= first_end { &[b"first"] } else { &[] };
            assert_eq!(entries, expected, "cut to {len} bytes");
            journal_of(&path, &[b"next"]);
            assert_eq!(reopen(&path).0.last().map(Vec::as_slice), Some(b"next".as_slice()), "cut to {len} bytes");
        }
    }

    #[test]
    fn cuts_zeros_that_a_power_cut_left() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("journal");
        let mut bytes = journal_of(&path, &[b"kept"]);
        bytes.extend_from_slice(&[0; 100]);
        std::fs::write(&path, &bytes).expect("writes");
        assert_eq!(reopen(&path), (vec![b"kept".to_vec()], 100));
    }

    #[test]
    fn refuses_damage_before_the_tail() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("journal");
        let whole = journal_of(&path, &[b"first", b"second"]);
        for place in 0..MAGIC.len() + HEADER_BYTES + 5 {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x40;
            std::fs::write(&path, &bytes).expect("writes");
            // A changed length may point past the end, which looks like a torn append; the rest is an error.
            match Journal::open(&path) {
                Err(error) => assert_eq!(error.code().as_str(), "STORE_CORRUPT", "byte {place}"),
                Ok(start) => assert!((8..12).contains(&place) && start.entries.is_empty(), "byte {place}"),
            }
        }
    }

    #[test]
    fn is_open_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("journal");
        let _open = Journal::open(&path).expect("opens");
        let error = Journal::open(&path).err().expect("locked");
        assert_eq!(error.code().as_str(), "STORE_LOCKED");
    }

    /// A file on a disk with room for `room` bytes more.
    struct SmallDisk {
        bytes: Arc<Mutex<Vec<u8>>>,
        room: usize,
        cuts: bool,
    }

    impl JournalFile for SmallDisk {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            self.bytes.lock().expect("one thread").extend_from_slice(&bytes[..taken]);
            if taken < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn cut(&mut self, len: u64) -> io::Result<()> {
            if !self.cuts {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            self.bytes.lock().expect("one thread").truncate(len as usize);
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_leaves_no_half_of_an_append() {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let disk = SmallDisk { bytes: bytes.clone(), room: 60, cuts: true };
        let mut journal = Journal::start(Box::new(disk), &[]).expect("starts").journal;
        journal.append(b"fits").expect("appends");
        let error = journal.append(&[7; 100]).expect_err("no room");
        assert_eq!(error.code().as_str(), "STORE_FULL");
        let (entries, _) = parse(&bytes.lock().expect("one thread")).expect("parses");
        assert_eq!(entries, [b"fits".to_vec()]);
    }

    #[test]
    fn after_a_failure_that_cannot_be_undone_it_takes_no_more() {
        let disk = SmallDisk { bytes: Arc::default(), room: 60, cuts: false };
        let mut journal = Journal::start(Box::new(disk), &[]).expect("starts").journal;
        assert_eq!(journal.append(&[7; 100]).expect_err("no room").code().as_str(), "STORE_FULL");
        assert!(matches!(journal.append(b"x"), Err(StoreError::Poisoned(_))));
    }
}
