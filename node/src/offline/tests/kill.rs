//! The process is killed after each step of what the store does, and the store is opened again.
//!
//! The tests run this executable again and again, with [`CHILD`] set, which only [`a_process_that_is_killed`] reads.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::*;

/// The operation, after how many steps the child is killed, and its directory, with a `|` between them.
const CHILD: &str = "TACIT_TEST_OFFLINE_CHILD";

/// The steps that the child made, one a line.
const STEPS: &str = "steps";

/// Says that the operation returned.
const RETURNED: &str = "returned";

#[test]
#[ignore = "the tests of this module run it in a process of its own"]
fn a_process_that_is_killed() {
    let said = std::env::var(CHILD).expect("the tests of this module set it");
    let mut parts = said.splitn(3, '|');
    let mut part = || parts.next().expect("three parts");
    let (operation, at, dir) = (part(), part().parse::<usize>().expect("a number"), Path::new(part()));
    let mut steps = OpenOptions::new().create(true).append(true).open(dir.join(STEPS)).expect("opens");
    let mut made = 0;
    let mut observe = |step: Step| {
        writeln!(steps, "{step:?}").expect("written");
        if made == at {
            // At once: nothing is unwound, closed or dropped. What was not synced stays in the system's cache, so that
            // this is no power cut; that syncs come in their order, the steps themselves show.
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).expect("killed");
        }
        made += 1;
    };
    let root = dir.join("correlations");
    let store = confirmed(&root);
    match operation {
        "put" => store.put_with(&peer(1), &EPOCH, &KIND, 3, &chunk(3), &mut observe).expect("put"),
        "claim" => {
            let claimed = store.claim_with(&peer(1), &EPOCH, &KIND, &[0, 1], &mut observe).expect("claimed");
            assert!(claimed.len() == 2 && *claimed[0] == chunk(0) && *claimed[1] == chunk(1));
        }
        "begin" => store.begin_with(&peer(1), LATER, &mut observe).expect("begins"),
        other => panic!("{other} is no operation"),
    }
    fs::write(dir.join(RETURNED), "").expect("written");
}

/// Runs the operation on the chunks 0 to 2 in a process that is killed after `at` further steps, and gives the steps it
/// made, and whether the operation returned.
fn run(operation: &str, at: usize, dir: &Path) -> (Vec<String>, bool) {
    let root = dir.join("correlations");
    drop(filled(&root, 0..3));
    let child = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "offline::tests::kill::a_process_that_is_killed", "--ignored", "--test-threads=1"])
        .env(CHILD, format!("{operation}|{at}|{}", dir.display()))
        .output()
        .expect("runs");
    let returned = dir.join(RETURNED).exists();
    let said = String::from_utf8_lossy(&child.stdout);
    assert_eq!(child.status.success(), returned, "{said}");
    if !returned {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.status.signal(), Some(9), "{said}");
    }
    let steps = fs::read_to_string(dir.join(STEPS)).expect("some steps");
    (steps.lines().map(str::to_owned).collect(), returned)
}

/// Kills the operation after its first step, its second and so on, until it returns, and looks at what is there after
/// each. Gives the steps it has.
fn kill_everywhere(operation: &str, look: impl Fn(&Path, &[String], bool)) -> Vec<String> {
    for at in 0..64 {
        let dir = tempfile::tempdir().expect("a directory");
        let (steps, returned) = run(operation, at, dir.path());
        assert_eq!(steps.len(), if returned { at } else { at + 1 }, "{steps:?}");
        look(&dir.path().join("correlations"), &steps, returned);
        if returned {
            return steps;
        }
    }
    panic!("{operation} does not end");
}

#[test]
fn a_put_that_is_killed_leaves_a_whole_chunk_or_none() {
    let steps = kill_everywhere("put", |root, steps, _| {
        let named = steps.iter().any(|step| step == "Renamed");
        let store = confirmed(root);
        let expected: &[u64] = if named { &[0, 1, 2, 3] } else { &[0, 1, 2] };
        assert_eq!(ready(&store), expected, "{steps:?}");
        assert_eq!(names(&epoch_dir(root)).len(), expected.len(), "{steps:?}: nothing temporary stays");
        let chunks: Vec<Vec<u8>> = expected.iter().map(|&number| chunk(number)).collect();
        assert_eq!(claim(&store, expected).expect("claimed"), chunks, "{steps:?}");
    });
    assert_eq!(steps, ["Created", "Written", "Synced", "Renamed", "DirectorySynced"]);
}

#[test]
fn a_claim_that_is_killed_leaves_a_chunk_that_was_not_read_or_none_chk_603() {
    let steps = kill_everywhere("claim", |root, steps, returned| {
        let marked = steps.iter().filter(|step| *step == "Renamed").count() as u64;
        let was_read = steps.iter().any(|step| step == "Read");
        let store = confirmed(root);
        // What was marked is gone for ever, whether it was read or not; what was not is ready and was not read.
        let left: Vec<u64> = (marked..3).collect();
        assert_eq!(ready(&store), left, "{steps:?}");
        assert_eq!(highest(&store), marked.checked_sub(1), "{steps:?}: the number of a spent file is used up");
        assert!(!(was_read || returned) || marked == 2, "{steps:?}: nothing is read before all are marked");
        for used in 0..marked {
            assert_eq!(code(claim(&store, &[used])), "CORRELATION_REUSE", "{steps:?}");
            assert_eq!(code(store.put(&peer(1), &EPOCH, &KIND, used, b"again")), "CORRELATION_REUSE", "{steps:?}");
        }
        let chunks: Vec<Vec<u8>> = left.iter().map(|&number| chunk(number)).collect();
        assert_eq!(claim(&store, &left).expect("claimed"), chunks, "{steps:?}");
        assert_eq!(names(&epoch_dir(root)), Vec::<String>::new(), "{steps:?}");
        drop(store);
        let store = confirmed(root);
        assert_eq!((ready(&store), highest(&store)), (Vec::new(), Some(2)), "{steps:?}: also after another start");
    });
    let all = ["Renamed", "Renamed", "DirectorySynced", "Recorded", "Read", "Read", "Removed", "Removed"];
    assert_eq!(steps, all);
}

#[test]
fn an_epoch_whose_beginning_is_killed_has_nothing_of_the_one_before() {
    let steps = kill_everywhere("begin", |root, steps, _| {
        let store = confirmed(root);
        assert_eq!(store.statement(&peer(1)), Statement { epoch: Some(LATER), ..Statement::default() }, "{steps:?}");
        assert!(!epoch_dir(root).exists(), "{steps:?}");
        assert_eq!(store.usage(), BTreeMap::from([(peer(1), 0)]), "{steps:?}");
    });
    assert_eq!(steps, ["Recorded", "Removed"]);
}
