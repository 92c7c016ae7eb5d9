//! Runs the Python tests beside this file, on the library that cargo built with it and NumPy from the package index.
//!
//! Needs a Python of version 3.11 or later as `python3.11` or `python3`, or as `TACIT_TEST_PYTHON` names it. The
//! environment is made once, in the target directory.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HERE: &str = env!("CARGO_MANIFEST_DIR");
const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

#[test]
fn the_python_tests_pass() {
    let python = environment();
    let site = package();
    let tests = Path::new(HERE).join("tests");
    let mut pytest = Command::new(python);
    pytest.args(["-m", "pytest", "-p", "no:cacheprovider", "--color=no"]).arg(tests);
    pytest.current_dir(HERE).env("PYTHONPATH", site).env("PYTHONDONTWRITEBYTECODE", "1");
    pytest.env("HYPOTHESIS_STORAGE_DIRECTORY", Path::new(SCRATCH).join("hypothesis"));
    let output = succeeded(&mut pytest);
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

/// The interpreter of an environment with what the tests need.
fn environment() -> PathBuf {
    let pinned = Path::new(HERE).join("tests/requirements.txt");
    let wanted = fs::read_to_string(&pinned).expect("the list of packages is beside this file");
    let folder = Path::new(SCRATCH).join("python-environment");
    let (python, made) = (folder.join("bin/python"), folder.join("made-for"));
    if fs::read_to_string(&made).is_ok_and(|has| has == wanted) {
        return python;
    }
    succeeded(Command::new(interpreter()).args(["-m", "venv", "--clear"]).arg(&folder));
    succeeded(
        Command::new(&python).args(["-m", "pip", "--disable-pip-version-check", "install", "-q", "-r"]).arg(&pinned),
    );
    fs::write(made, wanted).expect("the target directory takes files");
    python
}

/// The first of the known names that is Python 3.11 or later.
fn interpreter() -> String {
    let named = std::env::var("TACIT_TEST_PYTHON").ok();
    let candidates = named.into_iter().chain(["python3.11", "python3"].map(String::from));
    let recent = |name: &String| {
        let check = "import sys; sys.exit(sys.version_info < (3, 11))";
        Command::new(name).args(["-c", check]).output().is_ok_and(|output| output.status.success())
    };
    let found = candidates.into_iter().find(recent);
    found.expect("Python 3.11 or later as python3.11 or python3, or named by TACIT_TEST_PYTHON")
}

/// A folder to import from: the package's sources with the native module, as a wheel would install them.
fn package() -> PathBuf {
    let site = Path::new(SCRATCH).join("python-site");
    let to = site.join("tacit");
    // An import of an earlier run may still have the old library open: it keeps what it has.
    let _ = fs::remove_dir_all(&to);
    copy(&Path::new(HERE).join("python/tacit"), &to);
    let built = std::env::current_exe().expect("this test has a path");
    let library = built.with_file_name(format!("{DLL_PREFIX}tacit_python{DLL_SUFFIX}"));
    fs::copy(&library, to.join("_native.abi3.so")).expect("cargo builds the library before its tests");
    site
}

/// Copies the sources of a package and of those within it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the target directory takes folders");
    for entry in fs::read_dir(from).expect("the sources are beside this folder") {
        let path = entry.expect("readable").path();
        let into = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &into);
        } else {
            fs::copy(&path, into).expect("a copy");
        }
    }
}

/// Runs a command, and shows what it wrote if it fails.
fn succeeded(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{command:?} failed ({}):\n{out}\n{err}", output.status);
    output
}
