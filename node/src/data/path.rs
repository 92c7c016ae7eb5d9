//! Which files may be imported.

use std::path::{Path, PathBuf};

use super::DataError;

/// The real path of a file, if it is inside one of the roots (CHK-904). Links are followed before the check, so none
/// leads out. Relative paths count from the first root.
///
/// # Errors
/// [`DataError::Path`] for a path outside the roots or one that is not there: the answer is the same for both.
pub fn resolve_import_path(roots: &[PathBuf], path: &Path) -> Result<PathBuf, DataError> {
    let outside = || DataError::Path { path: path.to_owned() };
    let first = roots.first().ok_or_else(outside)?;
    let real = first.join(path).canonicalize().map_err(|_| outside())?;
    let inside = roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| real.starts_with(root));
    if inside && real.is_file() { Ok(real) } else { Err(outside()) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn no_path_or_link_leads_out_of_the_roots() {
        let dir = tempfile::tempdir().expect("a directory");
        let (root, other) = (dir.path().join("root"), dir.path().join("other"));
        std::fs::create_dir(&root).expect("creates");
        std::fs::create_dir(&other).expect("creates");
        std::fs::write(root.join("in.csv"), "x").expect("writes");
        std::fs::write(other.join("out.csv"), "x").expect("writes");
        std::os::unix::fs::symlink(other.join("out.csv"), root.join("link.csv")).expect("links");
        std::os::unix::fs::symlink(&other, root.join("door")).expect("links");
        let roots = [root.clone()];
        assert!(resolve_import_path(&roots, Path::new("in.csv")).is_ok());
        assert!(resolve_import_path(&roots, &root.join("in.csv")).is_ok());
        let refused = ["link.csv", "door/out.csv", "../other/out.csv", "nothing.csv", ".", "/etc/passwd"];
        for path in refused {
            let error = resolve_import_path(&roots, Path::new(path)).expect_err(path);
            assert_eq!(error.code().as_str(), "API_PATH", "{path}");
        }
        assert!(resolve_import_path(&[], &root.join("in.csv")).is_err());
    }
}
