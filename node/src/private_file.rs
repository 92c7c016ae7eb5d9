//! Files that only their owner may read.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tacit_protocol::{Code, Failure};

/// Writes a line into a file, mode 0600, in place of what was there, all at once.
///
/// # Errors
/// `NODE_START` with the file and the cause.
pub(crate) fn replace(path: &Path, line: &str) -> Result<(), Failure> {
    let fresh = path.with_extension("new");
    // One that an earlier process left behind may have another mode.
    drop(std::fs::remove_file(&fresh));
    let written = write(&fresh, line).and_then(|()| std::fs::rename(&fresh, path));
    written.map_err(|cause| {
        let message = format!("{}: {cause}", path.display());
        Failure::new(Code::new("NODE_START"), message, "check the directory's permissions.")
    })
}

/// Writes a line into a new file, mode 0600.
///
/// # Errors
/// `INPUT_FILE` if there is a file already, or it cannot be written.
pub(crate) fn create(path: &Path, line: &str) -> Result<(), Failure> {
    write(path, line).map_err(|cause| {
        let message = format!("cannot make {}: {cause}", path.display());
        Failure::new(Code::new("INPUT_FILE"), message, "name a file that is not there yet, in a directory that is.")
    })
}

fn write(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_private_and_made_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("token");
        create(&path, "one").expect("made");
        assert_eq!(create(&path, "two").expect_err("there").code.as_str(), "INPUT_FILE");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        replace(&path, "three").expect("replaced");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "three\n");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
