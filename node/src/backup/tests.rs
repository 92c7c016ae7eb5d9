use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand_core::SeedableRng;
use tacit_protocol::Failure;
use tacit_protocol::job::JobId;
use tacit_protocol::log::LogKind;

use super::*;
use crate::budget::{Budget, Charge};
use crate::clock::{Clock, ManualClock};
use crate::config::InitOptions;
use crate::data::{Datasets, ExportFormat, Format, Import, ImportOptions, PolicyFile};
use crate::fsck;
use crate::jobs::history::{self, Histories};
use crate::keys::NodeKey;
use crate::log::Log;
use crate::setup::{self, Files};
use crate::store::{SledStore, Store, TreeName};
use crate::{context, pairing, tokens};

const POLICY: &str = r#"
version = 1
[query]
organisations = []
venues = ["two-party"]
alignment = ["revealed"]
[release]
receivers = []
[columns.id]
uses = ["join"]
[columns.amount]
uses = ["filter", "count", "sum"]
"#;

const SECRETS: TreeName = TreeName::new("job-secrets");
const OUTPUTS: TreeName = TreeName::new("job-outputs");
const PASSPHRASE: &str = "correct horse battery";
/// When nodes are restored, Unix seconds.
const RESTORED: u64 = 2_000;

fn rng() -> rand_chacha::ChaCha20Rng {
    rand_chacha::ChaCha20Rng::seed_from_u64(77)
}

/// A stopped node with a dataset.
pub(crate) struct Stopped {
    parent: tempfile::TempDir,
    pub(crate) files: Files,
    pub(crate) key: NodeKey,
    peer: String,
}

impl Stopped {
    pub(crate) fn new(rows: u32) -> Self {
        let parent = tempfile::tempdir().expect("a directory");
        let files = Files::of(&parent.path().join("maison"));
        let host = std::net::Ipv4Addr::LOCALHOST.into();
        let options = InitOptions { name: "maison".into(), host, port: 7700, allow_loopback: true };
        let peer = setup::init(&files.dir, &options).expect("a node").peer_id;
        let key = NodeKey::read_file(&files.key()).expect("a key");
        // A running node has one from its start on.
        drop(crate::store::Journal::open(&files.peers()).expect("a journal"));
        let stopped = Self { parent, files, key, peer };
        stopped.import(rows);
        stopped
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(SledStore::open(&self.files.store()).expect("opens"))
    }

    fn import(&self, rows: u32) {
        let path = self.parent.path().join("rows.csv");
        let csv: String = (0..rows).map(|i| format!("k{i},{}.25\n", i % 700)).collect();
        std::fs::write(&path, format!("id,amount\n{csv}")).expect("written");
        let options = ImportOptions::from_request(Some("id".into()), &std::collections::BTreeMap::new(), false);
        let import = Import {
            name: "rows".into(),
            path,
            format: Format::Csv,
            options: options.expect("options"),
            policy: PolicyFile::new(POLICY).expect("a policy"),
            now: 5,
        };
        let store = self.store();
        Datasets::unswept(store.clone(), &self.key).import(&import, &mut rng()).expect("imported");
        store.flush().expect("flushed");
    }

    /// Puts a record into every tree in which something is sealed and that has none.
    pub(crate) fn seal_everything(&self) {
        let store = self.store();
        let parts = tokens::Parts {
            store: store.clone(),
            clock: Arc::new(ManualClock::at(5_000)),
            log: Arc::new(Log::in_memory()),
            sealer: self.key.sealer(tokens::records::PURPOSE),
            node: self.peer.clone(),
            local_file: self.parent.path().join("api.token"),
        };
        drop(tokens::Tokens::open(parts, &self.files.tokens()).expect("the first key"));
        let sealer = self.key.sealer(pairing::PURPOSE);
        let invited = pairing::one_of_each(self.peer.parse().expect("a PeerId"), &sealer, &mut rng());
        store.apply(&invited).expect("put");
        for (tree, purpose) in [(SECRETS, context::SECRET_PURPOSE), (OUTPUTS, context::OUTPUT_PURPOSE)] {
            store.put(tree, b"job", &self.key.sealer(purpose).seal(b"job", b"secret", &mut rng())).expect("put");
        }
        store.flush().expect("flushed");
    }

    fn backup(&self, sealing: &Sealing<'_>) -> Vec<u8> {
        self.try_backup(sealing).expect("written")
    }

    fn try_backup(&self, sealing: &Sealing<'_>) -> Result<Vec<u8>, BackupError> {
        let store = self.store();
        let datasets = Datasets::unswept(store.clone(), &self.key);
        let peer = self.peer.clone();
        let source =
            Source { name: "maison", peer, files: &self.files, store: &store, datasets: &datasets, now: 1_000 };
        let mut out = Vec::new();
        write(&source, sealing, &mut out, &mut rng())?;
        Ok(out)
    }

    fn by_key(&self) -> Vec<u8> {
        self.backup(&Sealing::KeyFile(&self.key))
    }

    fn restored(&self, bytes: &[u8], name: &str) -> (PathBuf, Result<RestoreReport, BackupError>) {
        self.restored_by(bytes, name, &Opening::KeyFile(self.key.clone()))
    }

    fn restored_by(
        &self,
        mut bytes: &[u8],
        name: &str,
        opening: &Opening,
    ) -> (PathBuf, Result<RestoreReport, BackupError>) {
        let dir = self.parent.path().join(name);
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(RESTORED * 1_000));
        let report = restore(&mut bytes, opening, &dir, clock);
        (dir, report)
    }
}

fn code<T>(result: Result<T, BackupError>) -> String {
    Failure::from(result.err().expect("a refusal")).code.to_string()
}

fn rows_of(dir: &Path, key: &NodeKey) -> Vec<u8> {
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&Files::of(dir).store()).expect("opens"));
    let mut csv = Vec::new();
    Datasets::unswept(store, key).export("rows", ExportFormat::Csv, &mut csv).expect("exported");
    csv
}

fn bad(dir: &Path) -> Vec<String> {
    let findings = fsck::run(dir, false).expect("looked at");
    let failed = fsck::verdict(&findings).is_err();
    let bad: Vec<String> =
        fsck::table(&findings).lines().filter(|line| line.starts_with("BAD")).map(str::to_owned).collect();
    assert_eq!(failed, !bad.is_empty());
    bad
}

#[test]
fn a_restored_node_has_what_the_backup_had_and_no_secret_that_may_be_used_once() {
    let node = Stopped::new(9_000);
    {
        let store = node.store();
        store.put(SECRETS, b"job", b"secret").expect("put");
        store.put(OUTPUTS, b"jobs", b"share").expect("put");
        store.put(OUTPUTS, b"jobr", b"result").expect("put");
        store.flush().expect("flushed");
        Log::open(&node.files.log()).expect("opens").append(9, LogKind::Dataset, &"imported").expect("appended");
    }
    let bytes = node.by_key();
    assert!(!bytes.windows(6).any(|window| window == b"k8999," || window == b"amount"), "rows and names are sealed");
    let (dir, report) = node.restored(&bytes, "new");
    let report = report.expect("restored");
    assert_eq!((report.peer_id.as_str(), report.datasets, report.log_entries), (node.peer.as_str(), 1, 2));
    assert_eq!(rows_of(&dir, &node.key), rows_of(&node.files.dir, &node.key));
    assert_eq!(rows_of(&dir, &node.key), std::fs::read(node.parent.path().join("rows.csv")).expect("read"));
    let store = SledStore::open(&Files::of(&dir).store()).expect("opens");
    assert_eq!(store.get(OUTPUTS, b"jobr").expect("read").as_deref(), Some(b"result".as_slice()));
    assert_eq!(store.get(OUTPUTS, b"jobs").expect("read"), None);
    assert_eq!(store.get(SECRETS, b"job").expect("read"), None);
    drop(store);
    let log = Log::open(&Files::of(&dir).log()).expect("whole");
    assert!(log.entries_after(2, 9)[0].body.contains("restored from a backup"));
    drop(log);
    assert_eq!(bad(&dir), [""; 0]);
    let again = node.restored(&bytes, "new").1;
    assert_eq!(code(again), "USAGE_DIR");
}

#[test]
fn jobs_under_way_at_a_backup_have_told_all_in_the_restored_node_chk_213() {
    let (node, job) = (Stopped::new(10), JobId::from_bytes([1; 32]));
    let proposal = {
        let store = node.store();
        let proposal = history::tests::reserve_in(&Histories::new(store.clone()), job);
        store.flush().expect("flushed");
        proposal
    };
    let (dir, report) = node.restored(&node.by_key(), "new");
    report.expect("restored");
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&Files::of(&dir).store()).expect("opens"));
    assert_eq!(history::tests::told_after_all(&Histories::new(store), job, &proposal, RESTORED), 1);
}

#[test]
fn a_restored_budget_is_in_doubt_also_if_nothing_was_charged_before_the_backup_chk_931() {
    let node = Stopped::new(10);
    let (dir, report) = node.restored(&node.by_key(), "new");
    report.expect("restored");
    let files = Files::of(&dir);
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&files.store()).expect("opens"));
    let open = || {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(RESTORED * 1_000));
        Budget::open(&files.budget(), store.clone(), clock).expect("opens")
    };
    assert!(open().doubt().expect("a doubt").contains("restored from a backup"));
    open().grant(Charge::none(), "more").expect("written");
    assert!(open().doubt().is_some(), "a grant settles nothing");
    open().confirm(&[], "restored").expect("confirmed");
    assert_eq!(open().doubt(), None);
}

#[test]
fn a_node_whose_configuration_needs_its_environment_is_restored_and_told_of_it() {
    let node = Stopped::new(10);
    let text = std::fs::read_to_string(node.files.config()).expect("read");
    std::fs::write(node.files.config(), text.replace("name = ", "# by the environment: name = ")).expect("written");
    let (_, report) = node.restored(&node.by_key(), "new");
    let report = report.expect("restored");
    assert_eq!(report.name, "maison");
    assert!(report.configuration.expect("a line").contains("name"));
}

#[test]
fn a_store_that_no_restore_would_take_is_not_backed_up() {
    let node = Stopped::new(10);
    let put = |tree: &'static str, key: &[u8], value: &[u8]| {
        let store = node.store();
        store.put(TreeName::new(tree), key, value).expect("put");
        store.flush().expect("flushed");
    };
    put("jobs", b"no job", &[1, 2, 3]);
    let failure = Failure::from(node.try_backup(&Sealing::KeyFile(&node.key)).expect_err("a refusal"));
    assert!(failure.message.contains("jobs") && failure.message.contains("no job"), "{failure}");
    assert!(failure.next.contains("tacit fsck"), "{failure}");
    node.store().delete(TreeName::new("jobs"), b"no job").expect("deleted");
    node.by_key();
}

#[test]
fn a_passphrase_opens_a_backup_without_the_key_file_and_another_does_not() {
    let node = Stopped::new(10);
    let bytes = node.backup(&Sealing::Passphrase(PASSPHRASE, &node.key));
    let by = |text: &str| Opening::Passphrase(text.to_owned().into());
    assert_eq!(code(node.restored_by(&bytes, "a", &by("wrong horse battery")).1), "BACKUP_KEY");
    assert_eq!(code(node.restored(&bytes, "b").1), "BACKUP_FORM");
    let (dir, report) = node.restored_by(&bytes, "c", &by(PASSPHRASE));
    report.expect("restored");
    assert_eq!(NodeKey::read_file(&Files::of(&dir).key()).expect("a key").expose(), node.key.expose());
    let other = Opening::KeyFile(NodeKey::generate(&mut rng()));
    assert_eq!(code(node.restored_by(&node.by_key(), "d", &other).1), "BACKUP_KEY");
    let short = lock::check("too short").expect_err("a refusal");
    assert_eq!(Failure::from(short).code.as_str(), "USAGE_PASSPHRASE");
}

#[test]
fn a_flipped_bit_or_a_missing_end_is_found_and_nothing_is_left_behind() {
    let node = Stopped::new(300);
    let bytes = node.by_key();
    let mut at = 0;
    while at < bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        let (dir, refused) = node.restored(&altered, "altered");
        let refused = code(refused);
        assert!(refused.starts_with("BACKUP_"), "byte {at}: {refused}");
        assert!(!dir.exists(), "byte {at}");
        let cut = code(node.restored(&bytes[..at], "cut").1);
        assert!(cut == "BACKUP_TORN" || cut == "BACKUP_FORM" && at < 600, "cut to {at}: {cut}");
        at += if at < 64 { 9 } else { bytes.len() / 23 };
    }
    let mut longer = bytes;
    longer.push(0);
    assert_eq!(code(node.restored(&longer, "longer").1), "BACKUP_DAMAGED");
    let left: Vec<_> = std::fs::read_dir(node.parent.path()).expect("read").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn fsck_finds_a_changed_row_a_damaged_record_and_a_changed_log() {
    let node = Stopped::new(2_000);
    assert_eq!(bad(&node.files.dir), [""; 0]);
    let chunks = TreeName::new("dataset-chunks");
    {
        let store = node.store();
        let (key, mut value) = store.scan(chunks, b"", None, 1).expect("read").remove(0);
        value[40] ^= 1;
        store.put(chunks, &key, &value).expect("put");
        store.put(TreeName::new("jobs"), b"no job", &[1, 2, 3]).expect("put");
        store.flush().expect("flushed");
        let mut log = std::fs::read(node.files.log()).expect("read");
        log[30] ^= 1;
        log.push(7);
        std::fs::write(node.files.log(), log).expect("written");
    }
    let bad = bad(&node.files.dir).join("\n");
    for what in ["dataset rows", "tree jobs", "log "] {
        assert!(bad.contains(what), "{what}: {bad}");
    }
}

#[test]
fn fsck_repairs_nothing_but_rows_that_no_dataset_names() {
    let node = Stopped::new(2_000);
    let chunks = TreeName::new("dataset-chunks");
    let count = || node.store().scan(chunks, b"", None, 999).expect("read").len();
    let before = count();
    node.store().put(chunks, &[7; 24], b"orphan").expect("put");
    let loose = fsck::table(&fsck::run(&node.files.dir, false).expect("looked at"));
    assert!(loose.contains("loose     chunks"), "{loose}");
    assert_eq!(count(), before + 1);
    let repaired = fsck::table(&fsck::run(&node.files.dir, true).expect("looked at"));
    assert!(repaired.contains("repaired  chunks"), "{repaired}");
    assert_eq!(count(), before);
    assert_eq!(bad(&node.files.dir), [""; 0]);
}

#[test]
fn fsck_of_a_directory_that_is_open_or_none_says_so() {
    let node = Stopped::new(10);
    let held = node.store();
    let failure = fsck::run(&node.files.dir, false).expect_err("a refusal");
    assert_eq!(failure.code.as_str(), "STORE_LOCKED", "{failure}");
    drop(held);
    let none = fsck::run(node.parent.path(), false).expect_err("a refusal");
    assert_eq!(none.code.as_str(), "API_NO_NODE");
}
