//! An organisation of the demo: a node directory and the process that runs it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tacit_protocol::api::{ImportRequest, JobDetail};
use tacit_protocol::{Code, Failure};
use tacit_sdk::Client;

use crate::config::InitOptions;
use crate::setup;

/// How long a node may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// An organisation whose node runs.
pub(super) struct Organisation {
    name: String,
    dir: PathBuf,
    client: Client,
    process: Child,
}

impl Organisation {
    /// Creates the node in a new directory and starts it.
    pub(super) fn start(name: &str, dir: &Path) -> Result<Self, Failure> {
        let loopback = std::net::Ipv4Addr::LOCALHOST.into();
        setup::init(dir, &InitOptions { name: name.into(), host: loopback, port: 0, allow_loopback: true })?;
        let failure = |cause: std::io::Error| {
            Failure::new(
                Code::new("DEMO_PROCESS"),
                format!("the node of {name}: {cause}"),
                "see its log in the directory.",
            )
        };
        let program = std::env::current_exe().map_err(failure)?;
        let log = File::create(dir.join("node.log")).map_err(failure)?;
        let process = Command::new(program)
            .arg("--dir")
            .arg(dir)
            .arg("node")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(failure)?;
        // The client is made once the node has written its address and token.
        let mut process = Guard(Some(process));
        let client = wait_until_ready(dir, &mut process)?;
        let process = process.0.take().expect("the guard holds the process");
        Ok(Self { name: name.into(), dir: dir.into(), client, process })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Imports a CSV file.
    pub(super) fn import(&self, file: &Path, name: &str, key: &str, policy: &Path) -> Result<(), Failure> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|cause| super::file_failure(&path.display().to_string(), &cause))
        };
        let data = File::open(file).map_err(|cause| super::file_failure(&file.display().to_string(), &cause))?;
        let request = ImportRequest {
            name: name.into(),
            format: "csv".into(),
            policy: read(policy)?,
            key: Some(key.into()),
            ..ImportRequest::default()
        };
        self.client.import(&request, data)?;
        Ok(())
    }

    /// Asks the node to stop and waits until its process has ended.
    pub(super) fn stop(&mut self) -> Result<(), Failure> {
        self.client.stop()?;
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.process.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let message = format!("the node of {} does not stop", self.name);
                let next = format!("see {}", self.dir.join("node.log").display());
                return Err(Failure::new(Code::new("DEMO_PROCESS"), message, next));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Organisation {
    fn drop(&mut self) {
        // Stopped already, or left behind by a failure.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Ends the process unless it is taken out.
struct Guard(Option<Child>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(process) = &mut self.0 {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

fn wait_until_ready(dir: &Path, process: &mut Guard) -> Result<Client, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(client) = Client::of_directory(dir)
            && client.status().is_ok()
        {
            return Ok(client);
        }
        let ended = process.0.as_mut().is_none_or(|process| !matches!(process.try_wait(), Ok(None)));
        if ended || Instant::now() > deadline {
            let text = std::fs::read_to_string(dir.join("node.log")).unwrap_or_default();
            let last = text.lines().last().unwrap_or("it said nothing").to_owned();
            return Err(Failure::new(
                Code::new("DEMO_PROCESS"),
                format!("the node did not start: {last}"),
                "see node.log.",
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How a job has ended, if it has.
pub(super) fn ended(job: &JobDetail) -> Option<Result<(), Failure>> {
    match job.summary.state.as_str() {
        "finished" => Some(Ok(())),
        state @ ("refused" | "failed" | "cancelled") => {
            let unknown = || Failure::new(Code::new("JOB_ENDED"), format!("the job is {state}"), "");
            Some(Err(job.failure.clone().unwrap_or_else(unknown)))
        }
        _ => None,
    }
}

/// Waits until a job has ended at a node; its failure, if it failed.
pub(super) fn finished(client: &Client, id: &str) -> Result<JobDetail, Failure> {
    let mut job = client.job(id)?;
    loop {
        if let Some(ended) = ended(&job) {
            return ended.map(|()| job);
        }
        let state = job.summary.state.clone();
        job = client.watch_job(id, &state, Duration::from_secs(20))?;
    }
}
