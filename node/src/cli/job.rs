//! `tacit job`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use tacit_protocol::api::policies::{ApproveRequest, SubmitOptions};
use tacit_protocol::api::{JobDetail, ResultFormat, SubmitRequest};
use tacit_protocol::policy::{Day, Priority};
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
        /// Run it although the same question has a stored answer, which is given otherwise.
        #[arg(long)]
        again: bool,
        /// Which of the jobs that wait for their turn goes first, as far as the owners let it.
        #[arg(long, value_enum, default_value = "normal")]
        priority: Waiting,
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
    /// Approve a job that waits for you: once, or its terms for further runs.
    ///
    /// Further runs are of the same program on the same versions of the same datasets, for the same organisation,
    /// receivers and purpose, as long as the policies are the same. See `tacit approval list`.
    Approve {
        /// Its id, or the start of it.
        job: String,
        /// How many runs it is for, this one included, as far as `query.runs` of the policies allows.
        #[arg(long, value_name = "N")]
        runs: Option<u32>,
        /// The first day (UTC, 2027-01-31) on which no further run may begin.
        #[arg(long, value_name = "DAY")]
        until: Option<String>,
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

/// A priority, as an option.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Waiting {
    Low,
    Normal,
    High,
}

impl From<Waiting> for Priority {
    fn from(waiting: Waiting) -> Self {
        match waiting {
            Waiting::Low => Self::Low,
            Waiting::Normal => Self::Normal,
            Waiting::High => Self::High,
        }
    }
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
        Command::Submit { program, purpose, idempotency_key, again, priority, wait } => {
            let program = Program::from_json(&super::read_file(&program)?)?;
            let job = client.submit_with(
                &SubmitRequest { program, purpose, idempotency_key },
                SubmitOptions { again, priority: priority.into() },
            )?;
            if wait {
                finish(client, &job.id)?;
                output.one(&client.result(&job.id)?, output::result);
            } else {
                output.one(&job, output::job_summary);
            }
        }
        Command::List => output.list(&client.jobs()?, output::job_table),
        Command::Show { job } => output.one(&client.job(&job)?, output::job),
        Command::Approve { job, runs, until } => {
            let until = until.as_deref().map(day).transpose()?;
            output.one(&client.approve_for(&job, &ApproveRequest { runs, until })?, output::job);
        }
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

/// The first second of a day.
fn day(text: &str) -> Result<u64, Failure> {
    let usage = || {
        let message = format!("{text:?} is no day");
        Failure::new(Code::new("USAGE_OPTION"), message, "write it as 2027-01-31.")
    };
    let mut parts = text.splitn(3, '-').map(str::parse::<u16>);
    let mut next = || parts.next().and_then(Result::ok).ok_or_else(usage);
    let (year, month, day) = (next()?, next()?, next()?);
    let narrow = |part: u16| u8::try_from(part).map_err(|_| usage());
    Ok(Day::from_date(year, narrow(month)?, narrow(day)?).ok_or_else(usage)?.starts())
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
