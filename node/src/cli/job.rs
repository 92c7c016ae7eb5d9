//! `tacit job`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use tacit_protocol::api::{JobDetail, ResultFormat, SubmitRequest};
use tacit_protocol::program::Program;
use tacit_protocol::{Code, Failure};
use tacit_sdk::Client;

use super::output::{self, Output};

/// How long one watch call may hang.
const WATCH: Duration = Duration::from_secs(20);

#[derive(Subcommand)]
pub(super) enum Command {
    /// Submit a program.
    Submit {
        /// The program, a JSON file.
        program: PathBuf,
        /// What the answer is for, as policies may demand.
        #[arg(long, default_value = "")]
        purpose: String,
        /// The same word again gives the same job instead of a second one.
        #[arg(long, value_name = "WORD")]
        idempotency_key: Option<String>,
        /// Wait for the answer and print it.
        #[arg(long)]
        wait: bool,
    },
    /// The jobs, newest first.
    List,
    /// One job: program, what each party learns, plan, history, and for a failure its cause and the next action.
    Show {
        /// Its id, or the start of it.
        job: String,
    },
    /// Approve a job that waits for you.
    Approve {
        /// Its id, or the start of it.
        job: String,
    },
    /// Refuse a job that waits for you.
    Refuse {
        /// Its id, or the start of it.
        job: String,
        /// Why; the analyst sees it.
        #[arg(long)]
        reason: String,
    },
    /// Cancel a job that has not released anything yet.
    Cancel {
        /// Its id, or the start of it.
        job: String,
    },
    /// The answer.
    Result {
        /// The job's id, or the start of it.
        job: String,
        /// Wait until there is one.
        #[arg(long)]
        wait: bool,
        /// As `json`, `csv`, an Arrow IPC stream (`arrow`), or one output as an array of NumPy (`npy`); by default as text.
        #[arg(long, value_name = "FORM")]
        format: Option<FormName>,
        /// This output alone.
        #[arg(long, value_name = "NAME")]
        output: Option<String>,
        /// Write it into this file; its ending says the form where --format does not.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum FormName {
    Json,
    Csv,
    Arrow,
    Npy,
}

impl From<FormName> for ResultFormat {
    fn from(name: FormName) -> Self {
        match name {
            FormName::Json => Self::Json,
            FormName::Csv => Self::Csv,
            FormName::Arrow => Self::Arrow,
            FormName::Npy => Self::Npy,
        }
    }
}

pub(super) fn run(client: &Client, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Submit { program, purpose, idempotency_key, wait } => {
            let program = Program::from_json(&super::read_file(&program)?)?;
            let job = client.submit(&SubmitRequest { program, purpose, idempotency_key })?;
            if wait {
                finish(client, &job.id)?;
                output.one(&client.result(&job.id)?, output::result);
            } else {
                output.one(&job, output::job_summary);
            }
        }
        Command::List => output.list(&client.jobs()?, output::job_table),
        Command::Show { job } => output.one(&client.job(&job)?, output::job),
        Command::Approve { job } => output.one(&client.approve(&job)?, output::job),
        Command::Refuse { job, reason } => output.one(&client.refuse(&job, &reason)?, output::job),
        Command::Cancel { job } => output.one(&client.cancel(&job)?, output::job),
        Command::Result { job, wait, format, output: part, out } => {
            if wait {
                finish(client, &job)?;
            }
            let ending = out.as_ref().and_then(|file| file.extension()?.to_str());
            let of_ending = ResultFormat::ALL.into_iter().find(|format| ending == Some(format.name()));
            match (format.map(ResultFormat::from).or(of_ending), &part, &out) {
                (None, None, None) => output.one(&client.result(&job)?, output::result),
                (format, part, out) => {
                    let bytes = client.result_as(&job, format.unwrap_or_default(), part.as_deref())?;
                    write_result(&bytes, out.as_deref(), output)?;
                }
            }
        }
    }
    Ok(())
}

/// Writes a result into a file, or to standard output as it is.
fn write_result(bytes: &[u8], file: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let wrong = |what: &str, cause: std::io::Error| {
        Failure::new(Code::new("INPUT_FILE"), format!("cannot write {what}: {cause}"), "name another file with --out.")
    };
    let Some(file) = file else {
        return std::io::stdout().write_all(bytes).map_err(|cause| wrong("to standard output", cause));
    };
    let place = file.display().to_string();
    std::fs::write(file, bytes).map_err(|cause| wrong(&place, cause))?;
    output.one(&place, |place| format!("Wrote {place}."));
    Ok(())
}

/// Waits until a job has ended; its failure, if it failed.
fn finish(client: &Client, id: &str) -> Result<JobDetail, Failure> {
    let mut job = client.job(id)?;
    loop {
        match job.summary.state.as_str() {
            "finished" => return Ok(job),
            "refused" | "failed" | "cancelled" => {
                let ended = || Failure::new(Code::new("JOB_ENDED"), format!("the job is {}", job.summary.state), "");
                return Err(job.failure.clone().unwrap_or_else(ended));
            }
            state => job = client.watch_job(id, state, WATCH)?,
        }
    }
}
