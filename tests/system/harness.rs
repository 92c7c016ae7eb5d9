//! Organisations as processes, their tables and policies, and the questions that the tests ask.

use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tacit_protocol::Failure;
use tacit_protocol::api::policies::SubmitOptions;
use tacit_protocol::api::{
    AcceptRequest, DatasetInfo, ImportRequest, InviteRequest, JobDetail, JobResult, JobSummary, SubmitRequest,
};
use tacit_protocol::program::Program;
use tacit_sdk::{Array, Client, ClientError, ProgramBuilder, Table};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// What a command printed, and its exit code.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary.
pub(crate) fn tacit(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_tacit")).args(arguments).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// An organisation: a node directory, and the process that runs it.
pub(crate) struct Organisation {
    pub(crate) name: &'static str,
    pub(crate) dir: PathBuf,
    /// The vector instructions that its next process is told to use.
    pub(crate) level: Option<&'static str>,
    /// Variables that its next process gets besides this one's.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Flags of its next `tacit node`.
    pub(crate) flags: Vec<String>,
    process: Option<Child>,
    client: Option<Client>,
}

impl Organisation {
    /// Creates a node and starts it.
    pub(crate) fn start(parent: &Path, name: &'static str) -> Self {
        Self::start_with(parent, name, "")
    }

    /// Creates a node with further lines in its configuration, and starts it.
    pub(crate) fn start_with(parent: &Path, name: &'static str, lines: &str) -> Self {
        let dir = parent.join(name);
        let init = ["--dir", path(&dir), "init", "--name", name, "--host", "127.0.0.1", "--port", "0"];
        let made = tacit(&[&init[..], &["--allow-loopback"]].concat());
        assert_eq!(made.code, 0, "{}", made.stderr);
        // A test does not wait a minute for a peer that is silent on purpose.
        let config = dir.join("node.toml");
        let text = std::fs::read_to_string(&config).expect("a configuration");
        let text = text.replace("peer_timeout_seconds = 60", "peer_timeout_seconds = 10");
        std::fs::write(&config, text + lines).expect("written");
        let mut organisation =
            Self { name, dir, level: None, environment: Vec::new(), flags: Vec::new(), process: None, client: None };
        organisation.restart();
        organisation
    }

    /// Starts the node's process, which must not run, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "{} runs", self.name);
        // An earlier process may have left its address behind.
        drop(std::fs::remove_file(self.dir.join("api.address")));
        let log = File::options().create(true).append(true).open(self.dir.join("node.log")).expect("a log file");
        let process = Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(["--dir", path(&self.dir), "node"])
            .args(&self.flags)
            .envs(self.environment.iter().cloned())
            .envs(self.level.map(|level| (tacit_simd::LEVEL_VARIABLE, level)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.process = Some(process.expect("the binary runs"));
        let client = until(&format!("{} answers", self.name), || {
            Client::of_directory(&self.dir).ok().filter(|client| client.status().is_ok())
        });
        self.client = Some(client);
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("a process");
        process.kill().expect("killed");
        process.wait().expect("reaped");
    }

    /// Asks the node to stop and waits for its process.
    pub(crate) fn stop(&mut self) {
        self.client().stop().expect("asked to stop");
        self.ends();
    }

    /// Asks the node to stop at once, whatever is under way, and waits for its process.
    pub(crate) fn stop_now(&mut self) {
        self.client().stop_now().expect("asked to stop");
        self.ends();
    }

    /// Waits until the process has ended by itself, and well.
    pub(crate) fn ends(&mut self) {
        let mut process = self.process.take().expect("a process");
        let status = until("the process ends", || process.try_wait().expect("a status"));
        assert!(status.success(), "{status}");
    }

    /// Sends a signal by its name, such as `STOP` or `CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.process.as_ref().expect("a process").id().to_string();
        let status = Command::new("kill").args([&format!("-{signal}"), &id]).status().expect("kill runs");
        assert!(status.success());
    }

    /// The memory that its process holds, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let id = self.process.as_ref().expect("a process").id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a Linux process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The processes that measure with a peer for its node.
    pub(crate) fn measuring(&self) -> Vec<u32> {
        let node = self.process.as_ref().expect("a process").id();
        let parent = |id: &u32| -> Option<u32> {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
            status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
        };
        let all = std::fs::read_dir("/proc").expect("a Linux system").flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| Self::measures(*id) && parent(id) == Some(node)).collect()
    }

    /// Whether a process is there and measures with a peer. One that ended has no command line, also where nobody has
    /// waited for it.
    pub(crate) fn measures(id: u32) -> bool {
        std::fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| line.ends_with(b"\0bench-peer\0"))
    }

    /// Limits the size of the files that the node writes, as a full disk would: the next write that goes further fails.
    pub(crate) fn limit_files(&self, bytes: u64) {
        let id = self.process.as_ref().expect("a process").id().to_string();
        let limit = format!("--fsize={bytes}:unlimited");
        let status = Command::new("prlimit").args(["--pid", &id, &limit]).status().expect("prlimit runs");
        assert!(status.success());
    }

    /// Waits until the process has ended by itself, with the exit code of a failure.
    pub(crate) fn fails_by_itself(&mut self) {
        let mut process = self.process.take().expect("a process");
        let status = until("the process ends", || process.try_wait().expect("a status"));
        assert_eq!(status.code(), Some(1), "{}: {status}", self.name);
    }

    pub(crate) fn client(&self) -> &Client {
        self.client.as_ref().expect("a running node")
    }

    /// Runs a command on this node.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        tacit(&[&["--dir", path(&self.dir)][..], arguments].concat())
    }

    /// Imports a CSV table with its key column `id`.
    pub(crate) fn import(&self, name: &str, csv: &str, policy: &str) -> Result<DatasetInfo, Failure> {
        let request = ImportRequest {
            name: name.into(),
            format: "csv".into(),
            policy: policy.into(),
            key: Some("id".into()),
            ..ImportRequest::default()
        };
        self.client().import(&request, Cursor::new(csv.to_owned())).map_err(Failure::from)
    }

    /// Submits a program.
    pub(crate) fn submit(&self, program: Program) -> Result<JobSummary, Failure> {
        let request = SubmitRequest { program, purpose: "test".into(), idempotency_key: None };
        // Tests ask the same many times, and each time for a run.
        self.client()
            .submit_with(&request, SubmitOptions { again: true, ..SubmitOptions::default() })
            .map_err(Failure::from)
    }

    /// Submits a program and waits for its end: the result, or why there is none.
    pub(crate) fn answer(&self, program: Program) -> Result<JobResult, Failure> {
        let job = self.ended(&self.submit(program)?.id);
        match job.failure {
            Some(failure) => Err(failure),
            None => Ok(self.client().result(&job.summary.id)?),
        }
    }

    /// The job once it has ended here.
    pub(crate) fn ended(&self, id: &str) -> JobDetail {
        self.in_state(id, &["finished", "refused", "failed", "cancelled"])
    }

    /// The job once it is in one of some states.
    pub(crate) fn in_state(&self, id: &str, states: &[&str]) -> JobDetail {
        until(&format!("{}: job in {states:?}", self.name), || {
            self.client().job(id).ok().filter(|job| states.contains(&job.summary.state.as_str()))
        })
    }

    /// The last lines of the node's log, for messages.
    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(self.dir.join("node.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Organisation {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}", self.name, self.log_tail());
        }
    }
}

/// A retailer and a bank, paired.
pub(crate) struct Two {
    pub(crate) maison: Organisation,
    pub(crate) banque: Organisation,
    pub(crate) dir: tempfile::TempDir,
}

impl Two {
    /// Both nodes, paired and connected, without tables.
    pub(crate) fn paired() -> Self {
        Self::paired_with("")
    }

    /// The same, the bank's node with further lines in its configuration.
    fn paired_with(lines: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let maison = Organisation::start(dir.path(), "maison");
        let banque = Organisation::start_with(dir.path(), "banque", lines);
        let request = InviteRequest { valid_seconds: Some(600), auto_confirm: true };
        let ticket = maison.client().invite(&request).expect("an invitation").ticket;
        banque.client().accept(&AcceptRequest { ticket }).expect("paired");
        let two = Self { maison, banque, dir };
        two.connected();
        two
    }

    /// Both nodes with their tables: [`CUSTOMERS`] customers and accounts, all but ten of them known to both.
    pub(crate) fn with_tables(policy: &str) -> Self {
        Self::with_tables_and(policy, "")
    }

    /// The same, the bank's node with further lines in its configuration.
    pub(crate) fn with_tables_and(policy: &str, lines: &str) -> Self {
        let two = Self::paired_with(lines);
        two.maison.import("customers", &customers(CUSTOMERS), policy).expect("imported");
        two.banque.import("accounts", &accounts(CUSTOMERS), OWN_POLICY).expect("imported");
        two
    }

    /// Waits until each sees the other.
    pub(crate) fn connected(&self) {
        for node in [&self.maison, &self.banque] {
            until(&format!("{} is connected", node.name), || {
                let peers = node.client().peers().ok()?;
                peers.iter().any(|peer| peer.connected).then_some(())
            });
        }
    }
}

/// Rows of each table in most tests.
pub(crate) const CUSTOMERS: u32 = 400;

/// The shop's table: `id, frequency, amount, age`, with a missing age in every tenth row.
pub(crate) fn customers(rows: u32) -> String {
    let row = |i: u32| {
        let age = if i % 10 == 3 { String::new() } else { (18 + i * 7 % 60).to_string() };
        format!("c{i:07},{},{}.{:02},{age}\n", i % 9, i * 37 % 9_000, i % 100)
    };
    "id,frequency,amount,age\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

/// The bank's table: `id, balance, wealth`, shifted by ten customers.
pub(crate) fn accounts(rows: u32) -> String {
    let row = |i: u32| format!("c{i:07},{}.50,{}.25\n", i * 97 % 10_000, i * 13 % 5_000);
    "id,balance,wealth\n".to_owned() + &(10..rows + 10).map(row).collect::<String>()
}

/// The shop's policy in most tests.
pub(crate) const SHOP_POLICY: &str = r#"
version = 1
[query]
organisations = ["banque"]
venues = ["two-party"]
alignment = ["revealed"]
approval = "auto"
jobs_per_day = 1000
concurrent_jobs = 64
[release]
receivers = ["banque"]
minimum_rows = 100
grid = "0.01"
subset_masks = 8
[columns.id]
uses = ["join"]
[columns.frequency]
uses = ["filter", "count", "arithmetic", "sum", "mean", "order"]
[columns.amount]
uses = ["filter", "count", "arithmetic", "sum", "mean", "order"]
[columns.age]
uses = ["filter", "count", "sum", "mean"]
"#;

/// The bank's policy for itself.
pub(crate) const OWN_POLICY: &str = r#"
version = 1
[query]
organisations = []
venues = ["two-party"]
alignment = ["revealed"]
jobs_per_day = 1000
concurrent_jobs = 64
[release]
receivers = []
[columns.id]
uses = ["join"]
[columns.balance]
uses = ["filter", "count", "arithmetic", "sum", "mean", "order"]
[columns.wealth]
uses = ["filter", "count", "arithmetic", "sum", "mean", "order"]
"#;

/// The policy of a table with an amount, for its owner alone.
pub(crate) const OWN_POLICY_OF_AMOUNTS: &str = r#"
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
uses = ["sum"]
"#;

/// A question over the joined tables.
pub(crate) fn question(ask: impl FnOnce(&ProgramBuilder, &Table)) -> Program {
    let program = ProgramBuilder::new();
    let joined = program.table("maison/customers").join(&program.table("banque/accounts"), "id");
    ask(&program, &joined);
    program.build()
}

/// How many frequent customers there are: what every test can ask.
pub(crate) fn count_question() -> Program {
    question(|program, joined| {
        let selected: Array = joined.column("frequency").gt(2) & joined.column("balance").gt(100);
        program.release("number", &selected.sum());
    })
}

/// The answer of [`count_question`], from the tables themselves.
pub(crate) fn count_answer(rows: u32) -> u32 {
    (10..rows).filter(|i| i % 9 > 2 && f64::from(i * 97 % 10_000) + 0.5 > 100.0).count() as u32
}

/// The only cell of an output, as text: its number, `suppressed` or `undefined`.
pub(crate) fn cell(result: &JobResult, output: &str) -> String {
    use tacit_protocol::api::CellValue;
    let output = result.outputs.iter().find(|value| value.name == output).expect("the output");
    match output.cells.as_slice() {
        [CellValue::Released { value }] => value.clone(),
        [CellValue::Suppressed] => "suppressed".into(),
        [CellValue::Undefined] => "undefined".into(),
        cells => panic!("{cells:?}"),
    }
}

/// Waits for something, by asking again and again.
pub(crate) fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A path as text.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

/// The failure of a call that was refused.
pub(crate) fn refusal<T>(result: Result<T, ClientError>) -> Failure {
    Failure::from(result.err().expect("a refusal"))
}
