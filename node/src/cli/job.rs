//! `tacit job`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use tacit_protocol::api::{JobDetail, SubmitRequest};
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
    },
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
        Command::Result { job, wait } => {
            if wait {
                finish(client, &job)?;
            }
            output.one(&client.result(&job)?, output::result);
        }
    }
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
