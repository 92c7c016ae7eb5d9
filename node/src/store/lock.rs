//! Locks on files that one process at a time may have open.

use std::fs::{File, TryLockError};
use std::io;
use std::time::{Duration, Instant};

/// How long a lock that another has is waited for. A process that was just started has the open files of the one that
/// started it, and their locks, until its program runs; one that was killed keeps them until the system has put it away.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// What `attempt` gives, tried again for a second as long as its error is that of a lock.
pub(crate) fn patiently<T, E>(
    is_locked: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(error) if is_locked(&error) && start.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
}

/// Locks a file, or says that another has it.
///
/// # Errors
/// The file system's.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    match patiently(|error| matches!(error, TryLockError::WouldBlock), || file.try_lock()) {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_a_lock_that_is_given_up_and_no_longer_than_a_second_for_another() {
        let dir = tempfile::tempdir().expect("a directory");
        let open = || File::create(dir.path().join("lock")).expect("opens");
        let held = open();
        assert!(try_lock(&held).expect("locks"));
        assert!(!try_lock(&open()).expect("no fault"), "another has it");
        let freed = std::thread::spawn(move || {
            std::thread::sleep(PAUSE * 5);
            drop(held);
        });
        assert!(try_lock(&open()).expect("locks"), "it was given up");
        freed.join().expect("ends");
    }
}
