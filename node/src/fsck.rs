//! `tacit fsck`: whether the directory of a stopped node is whole.
//!
//! Nothing is changed but what `--repair` says: chunks that no dataset names are removed, as every start of a node does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tacit_protocol::identity::Identity;
use tacit_protocol::{Code, Failure};

use crate::backup::trees;
use crate::config::Config;
use crate::data::Datasets;
use crate::jobs::book::check_records;
use crate::keys::{IdentitySeed, NodeKey};
use crate::log::check_file;
use crate::reseal;
use crate::setup::Files;
use crate::store::{Journal, SledStore, Store};

/// Entries of a tree read at a time.
const PAGE: usize = 64;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    check: String,
    /// What came of it.
    verdict: Verdict,
    /// The particulars; of damage, with what to do.
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// It is whole.
    Good,
    /// It is of no use and does no harm.
    Loose,
    /// It was removed.
    Repaired,
    /// It is damaged.
    Bad,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, check: impl Into<String>, verdict: Verdict, text: impl Into<String>) {
        self.0.push(Finding { check: check.into(), verdict, text: text.into() });
    }

    fn judge<T>(
        &mut self,
        check: impl Into<String>,
        looked: Result<T, Failure>,
        good: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match looked {
            Ok(found) => {
                let text = good(&found);
                self.add(check, Verdict::Good, text);
                Some(found)
            }
            Err(failure) => {
                self.add(check, Verdict::Bad, failure.to_string());
                None
            }
        }
    }
}

/// Looks at everything in a directory.
///
/// # Errors
/// There is no node, or a process has it open: nothing can be said then.
pub(crate) fn run(dir: &Path, repair: bool) -> Result<Vec<Finding>, Failure> {
    let files = Files::of(dir);
    let mut found = Findings(Vec::new());
    files.check_node()?;
    let _opening = reseal::hold(&files)?;
    if reseal::is_open(&files) {
        // Until it is finished, store and key file need not belong together.
        let text = "a change of the key file was interrupted. Start the node, which finishes it, or run \
                    `tacit key seal --new` again; then look again";
        found.add("key file", Verdict::Loose, text);
        return Ok(found.0);
    }
    found.judge("configuration", Config::read(dir), |config| format!("of {}", config.name));
    let key = found.judge("key file", NodeKey::read_file(&files.key()).map_err(Failure::from), |_| "a key".into());
    found.judge("log", check_file(&files.log()), |entries| format!("{entries} entries in one chain"));
    for path in journals(&files) {
        let name = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
        found.judge(name, journal(&path), |(entries, cut)| match cut {
            0 => format!("{entries} entries"),
            cut => {
                format!("{entries} entries; {cut} bytes of an append that did not end are cut off at the next start")
            }
        });
    }
    if !files.store().exists() {
        found.add("store", Verdict::Bad, "it is not there. Restore the directory from a backup.");
        return Ok(found.0);
    }
    match SledStore::open(&files.store()) {
        Ok(store) => look_into(Arc::new(store), key, repair, &mut found)?,
        Err(error @ crate::store::StoreError::Locked { .. }) => {
            let next = "stop the node first: `tacit stop`. A running node is checked as it runs.";
            return Err(Failure::new(error.code(), error.to_string(), next));
        }
        Err(error) => found.add("store", Verdict::Bad, Failure::from(error).to_string()),
    }
    Ok(found.0)
}

fn look_into(store: Arc<SledStore>, key: Option<NodeKey>, repair: bool, found: &mut Findings) -> Result<(), Failure> {
    let known = trees::all();
    for name in store.tree_names()? {
        if !known.iter().any(|tree| tree.name.as_str() == name) {
            found.add(format!("tree {name}"), Verdict::Loose, "this version does not know it; it is in no backup");
        }
    }
    for tree in &known {
        let (mut entries, mut bad, mut first) = (0_u64, 0_u64, String::new());
        let mut from = Vec::new();
        loop {
            let page = store.scan(tree.name, &from, None, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            for (key, value) in &page {
                entries += 1;
                if let Err(error) = (tree.check)(key, value) {
                    bad += 1;
                    first = if first.is_empty() { error.to_string() } else { first };
                }
            }
        }
        match bad {
            0 => found.add(format!("tree {}", tree.name.as_str()), Verdict::Good, format!("{entries} entries")),
            bad => {
                let text =
                    format!("{bad} of {entries} entries do not read: {first}. Restore the directory from a backup.");
                found.add(format!("tree {}", tree.name.as_str()), Verdict::Bad, text);
            }
        }
    }
    let store: Arc<dyn Store> = store;
    let jobs = check_records(store.as_ref());
    found.judge("jobs", jobs, |jobs| format!("{jobs} records with legal histories"));
    let Some(key) = key else { return Ok(()) };
    let identity = IdentitySeed::load(store.as_ref(), &key).map_err(Failure::from);
    found.judge("identity", identity, |seed| Identity::from_seed(seed.expose()).peer().to_string());
    let datasets = Datasets::unswept(Arc::clone(&store), &key);
    // A record that does not read is among the trees.
    for record in datasets.list().unwrap_or_default() {
        let verified = datasets.verify(&record).map_err(Failure::from);
        found.judge(format!("dataset {}", record.name), verified, |()| {
            format!("version {}, {} rows, as committed to", record.version, record.schema.rows)
        });
    }
    let Ok(orphans) = datasets.orphans() else { return Ok(()) };
    match (orphans.len(), repair) {
        (0, _) => {}
        (count, false) => {
            let text = format!("{count} imports that no dataset names; --repair, or the next start, removes them");
            found.add("chunks", Verdict::Loose, text);
        }
        (count, true) => {
            datasets.sweep()?;
            store.flush()?;
            found.add("chunks", Verdict::Repaired, format!("{count} imports that no dataset names were removed"));
        }
    }
    Ok(())
}

/// The journals of a node, but for its log.
fn journals(files: &Files) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in [files.dir.clone(), files.correlations()] {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        found.extend(
            entries.filter(|path| path.extension().is_some_and(|end| end == "journal") && *path != files.log()),
        );
    }
    found.sort();
    found
}

/// How many entries a journal has, and how many bytes follow them.
fn journal(path: &Path) -> Result<(usize, usize), Failure> {
    let bytes = std::fs::read(path).map_err(crate::store::StoreError::from)?;
    let (entries, whole) = Journal::read_bytes(&bytes)?;
    Ok((entries.len(), bytes.len().saturating_sub(whole)))
}

/// The findings as text.
pub(crate) fn table(findings: &[Finding]) -> String {
    let word = |verdict| match verdict {
        Verdict::Good => "good",
        Verdict::Loose => "loose",
        Verdict::Repaired => "repaired",
        Verdict::Bad => "BAD",
    };
    let line = |finding: &Finding| format!("{:9} {:24} {}", word(finding.verdict), finding.check, finding.text);
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The verdict on all of them.
///
/// # Errors
/// `FSCK_DAMAGED` if something is damaged.
pub(crate) fn verdict(findings: &[Finding]) -> Result<(), Failure> {
    let bad = findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
    if bad == 0 {
        return Ok(());
    }
    let next = "keep the directory as it is, restore a backup beside it, and report what happened before.";
    Err(Failure::new(Code::new("FSCK_DAMAGED"), format!("{bad} things are damaged"), next))
}
