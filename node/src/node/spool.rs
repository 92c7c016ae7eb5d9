//! What is sent as a file: written whole to the disk first, so that whoever reads it slowly holds up nothing but a place.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use tacit_protocol::{Code, Failure};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::off_reactor;

/// Exports and backups that are made or sent at a time (CHK-904). Each takes as much of the disk as it has bytes.
const MOST: usize = 2;

/// The places for files that are sent.
pub(super) struct Spools {
    dir: PathBuf,
    places: Arc<Semaphore>,
}

/// What was written to a file of no name, to be read from its beginning, and its place. Both are given up when it is
/// dropped.
pub struct Spooled {
    pub(crate) file: File,
    _place: OwnedSemaphorePermit,
}

impl Spools {
    /// Those in a directory.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, places: Arc::new(Semaphore::new(MOST)) }
    }

    /// Writes to a file that has no name.
    ///
    /// # Errors
    /// `API_BUSY` if there is no place, `BACKUP_FILE`, what `write` fails with.
    pub(super) async fn write(
        &self,
        write: impl FnOnce(&mut File) -> Result<(), Failure> + Send + 'static,
    ) -> Result<Spooled, Failure> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = format!("{MOST} backups or exports are under way");
            Failure::new(Code::new("API_BUSY"), message, "ask again when one of them has ended.")
        })?;
        let dir = self.dir.clone();
        off_reactor(move || {
            let mut file = tempfile::tempfile_in(dir).map_err(|cause| failed(&cause))?;
            write(&mut file)?;
            file.seek(SeekFrom::Start(0)).map_err(|cause| failed(&cause))?;
            Ok(Spooled { file, _place: place })
        })
        .await?
    }
}

fn failed(cause: &std::io::Error) -> Failure {
    let message = format!("a file cannot be made in the node's directory: {cause}");
    Failure::new(Code::new("BACKUP_FILE"), message, "check path, permissions and free space.")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[tokio::test]
    async fn chk_904_so_many_files_are_sent_at_a_time_and_none_is_left_behind() {
        let dir = tempfile::tempdir().expect("a directory");
        let spools = Spools::new(dir.path().into());
        let write = || spools.write(|file| file.write_all(b"rows").map_err(|cause| failed(&cause)));
        let mut held = Vec::new();
        for _ in 0..MOST {
            held.push(write().await.expect("a place"));
        }
        assert_eq!(write().await.err().expect("no place").code.as_str(), "API_BUSY");
        let mut text = String::new();
        held.remove(0).file.read_to_string(&mut text).expect("read");
        assert_eq!(text, "rows");
        let refused = spools.write(|_| Err(Failure::new(Code::new("LOG_EXPORT"), "no", ""))).await;
        assert_eq!(refused.err().expect("its failure").code.as_str(), "LOG_EXPORT");
        drop(write().await.expect("the place is free again"));
        assert_eq!(std::fs::read_dir(dir.path()).expect("read").count(), 0, "the files have no names");
    }
}
