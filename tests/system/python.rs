//! A Python environment for tests that use what only Python has. It is made once, in the target directory; where it
//! cannot be made, such as without a package index, the test says NOT CHECKED.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The directory of its programs; none if it cannot be made.
pub(crate) fn environment() -> Option<&'static Path> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match MADE.get_or_init(make) {
        Ok(programs) => Some(programs),
        Err(cause) => {
            println!("NOT CHECKED: no Python environment: {cause}");
            None
        }
    }
}

fn make() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("system-python");
    let (programs, made) = (folder.join("bin"), folder.join("made-for"));
    if fs::read_to_string(&made).is_ok_and(|has| has == REQUIREMENTS) {
        return Ok(programs);
    }
    run(Command::new(interpreter()?).args(["-m", "venv", "--clear"]).arg(&folder))?;
    let wanted = folder.join("requirements.txt");
    fs::write(&wanted, REQUIREMENTS).map_err(|cause| cause.to_string())?;
    let pip = ["-m", "pip", "--disable-pip-version-check", "install", "-q", "--only-binary", ":all:", "-r"];
    run(Command::new(programs.join("python")).args(pip).arg(&wanted))?;
    fs::write(made, REQUIREMENTS).map_err(|cause| cause.to_string())?;
    Ok(programs)
}

/// The first of the known names that is Python 3.11 or later.
fn interpreter() -> Result<String, String> {
    let named = std::env::var("TACIT_TEST_PYTHON").ok();
    let recent = |name: &String| {
        let check = "import sys; sys.exit(sys.version_info < (3, 11))";
        Command::new(name).args(["-c", check]).output().is_ok_and(|output| output.status.success())
    };
    let found = named.into_iter().chain(["python3.11", "python3"].map(String::from)).find(recent);
    found.ok_or_else(|| "no Python 3.11 or later as python3.11 or python3, or in TACIT_TEST_PYTHON".into())
}

/// Runs a command; what it wrote if it fails.
pub(crate) fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|cause| format!("{command:?}: {cause}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    Err(format!("{command:?} failed ({}):\n{out}\n{err}", output.status))
}
