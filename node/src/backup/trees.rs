//! All trees of the store, and what backups do with them. A test holds this against the source.

use crate::store::trees::KnownTree;
use crate::{budget, context, data, heads, jobs, keys, offline, pairing, policies, tokens};

/// Every tree that this version knows.
pub(crate) fn all() -> Vec<KnownTree> {
    let modules: [&[KnownTree]; 12] = [
        &keys::TREES,
        &pairing::TREES,
        &heads::TREES,
        &data::TREES,
        &jobs::book::TREES,
        &jobs::history::TREES,
        &jobs::approvals::TREES,
        &policies::TREES,
        &budget::TREES,
        &tokens::records::TREES,
        &context::TREES,
        &offline::reserve::TREES,
    ];
    modules.concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The names of trees in the files of a directory that are no tests.
    fn named(dir: &Path, names: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).expect("source").flatten() {
            let path = entry.path();
            if path.is_dir() {
                named(&path, names);
            } else if path.extension().is_some_and(|end| end == "rs") && path.file_stem().is_some_and(|s| s != "tests")
            {
                let text = std::fs::read_to_string(&path).expect("source");
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                for start in ["TreeName::new(\"", "> = RecordTree::new(\""] {
                    names.extend(code.split(start).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
                }
            }
        }
    }

    #[test]
    fn every_tree_in_the_source_has_its_place_in_backups() {
        let mut names = BTreeSet::new();
        named(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
        let known: BTreeSet<String> = all().iter().map(|tree| tree.name.as_str().to_owned()).collect();
        assert_eq!(known, names, "say in `backup::trees` what backups do with a new tree");
        assert_eq!(known.len(), all().len(), "a tree is listed twice");
    }
}
