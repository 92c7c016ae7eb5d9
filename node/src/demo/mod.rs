//! `tacit demo`: a retailer and a private bank, two processes on this machine, answer one joint question.
//!
//! Everything is real: each organisation has its own key, store, policies and sockets; they pair by ticket, negotiate,
//! align their customers and compute on shares. The tables are made here, so the answers can be checked against plain
//! arithmetic, and with `--keep` by hand.

mod organisation;
mod story;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use tacit_protocol::api::{CellValue, JobDetail, JobResult, SubmitRequest};
use tacit_protocol::program::Program;
use tacit_protocol::receipt::{SignedReceipt, verify};
use tacit_protocol::{Code, Failure};
use tacit_sdk::ProgramBuilder;

use crate::generator::{DemoTables, PlainAnswer};
use organisation::Organisation;
use story::Story;

/// The retailer's name.
const MAISON: &str = "maison";
/// The bank's name.
const BANQUE: &str = "banque";

/// The options of `tacit demo`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Rows of each table; 60 % of the customers are in both.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    rows: u32,
    /// The seed of the tables.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the two node directories, the tables as CSV and the receipts in this new directory.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// What the demo prints with `--json`.
#[derive(Debug, Serialize)]
struct Report {
    /// The answers of the job.
    result: Answers,
    /// The same in plain arithmetic.
    plain: Answers,
    /// Rows of each table.
    rows: u64,
    /// Customers in both.
    overlap: u64,
    /// From submission to result.
    seconds: f64,
    /// Payload bytes over the data plane, from the retailer and from the bank.
    bytes: [u64; 2],
    /// Rounds.
    rounds: u64,
    /// The receipt files.
    receipts: [String; 2],
}

/// The three answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Answers {
    number: f64,
    cost: f64,
    average: f64,
}

/// Runs the demo.
///
/// # Errors
/// Whatever went wrong first; both nodes are stopped then.
pub fn run(options: &Options, json: bool) -> Result<(), Failure> {
    let story = Story::new(json);
    let report = match &options.keep {
        Some(dir) => {
            std::fs::create_dir(dir).map_err(|cause| file_failure(&dir.display().to_string(), &cause))?;
            play(options, dir, &story)?
        }
        None => {
            let failed = |cause: std::io::Error| file_failure("a temporary directory", &cause);
            let scratch = tempfile::Builder::new().prefix("tacit-demo-").tempdir().map_err(failed)?;
            let report = play(options, scratch.path(), &story)?;
            leave_receipts(&scratch.keep(), &report).map_err(failed)?;
            report
        }
    };
    if json {
        println!("{}", serde_json::to_string(&report).expect("a report serialises"));
    } else if options.keep.is_none() {
        story.say("(The nodes and tables are deleted now; --keep DIR keeps them too.)");
    }
    Ok(())
}

/// Deletes all of the demo's directory but the receipts, which the reader may want to verify.
fn leave_receipts(dir: &Path, report: &Report) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else if !report.receipts.iter().any(|receipt| Path::new(receipt) == path) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn play(options: &Options, dir: &Path, story: &Story) -> Result<Report, Failure> {
    let rows = options.rows;
    let plain = story.step(&format!("making two tables of {rows} rows"), || make_tables(dir, rows, options.seed))?;
    let [mut maison, mut banque] = story.step("starting two organisations, a process each", || {
        let start = |name| Organisation::start(name, &dir.join(name));
        Ok([start(MAISON)?, start(BANQUE)?])
    })?;
    story.step("pairing them by ticket", || pair(&maison, &banque))?;
    story.step("importing the tables under each owner's policy", || {
        let policy = |name| dir.join(format!("{name}.policy.toml"));
        maison.import(&dir.join("customers.csv"), "customers", "customer_id", &policy(MAISON))?;
        banque.import(&dir.join("accounts.csv"), "accounts", "customer_id", &policy(BANQUE))
    })?;

    let started = Instant::now();
    let program = question();
    write(&dir.join("program.json"), program.to_json().as_bytes())?;
    let request = SubmitRequest { program, purpose: "demonstration".into(), idempotency_key: None };
    let submitted = banque.client().submit(&request)?;
    let job = story.watch(banque.client(), &submitted.id)?;
    let result = answers(&banque.client().result(&job.summary.id)?)?;
    let seconds = started.elapsed().as_secs_f64();

    let receipts = story.step("verifying both receipts", || {
        let other = organisation::finished(maison.client(), &job.summary.id)?;
        Ok([receipt(&maison, &other.summary.id, dir)?, receipt(&banque, &job.summary.id, dir)?])
    })?;
    let run = job.run.clone().unwrap_or_default();
    let report = Report {
        result,
        plain: Answers {
            number: plain.number as f64,
            cost: plain.cost.to_f64(),
            average: plain.average().unwrap_or(f64::NAN),
        },
        rows: rows.into(),
        overlap: run.overlap.unwrap_or(0),
        seconds,
        bytes: [run.bytes_received, run.bytes_sent],
        rounds: run.rounds,
        receipts: receipts.map(|path| path.display().to_string()),
    };
    maison.stop()?;
    banque.stop()?;
    tell(story, &report, &job);
    Ok(report)
}

/// The question of the bank's analyst: of the customers who shop often and spend much, and have much on their account,
/// how many are there, and what do they keep in wealth management, in all and on average?
fn question() -> Program {
    let program = ProgramBuilder::new();
    let customers = program.table(&format!("{MAISON}/customers"));
    let accounts = program.table(&format!("{BANQUE}/accounts"));
    let people = customers.join(&accounts, "customer_id");
    let frequency = people.column("purchase_frequency");
    let amount = people.column("purchase_amount");
    let balance = people.column("account_balance");
    let wealth = people.column("wealth_management_amount");
    let cond = (frequency.gt(2) & amount.gt(5_000) & balance.gt(5_000_000)).named("cond");
    program.release("number", &cond.sum());
    program.release("cost", &cond.choose(&wealth, 0).sum());
    program.release("average", &wealth.mean_where(&cond));
    program.build()
}

/// Writes the tables and policies; the plain answer.
fn make_tables(dir: &Path, rows: u32, seed: u64) -> Result<PlainAnswer, Failure> {
    let tables = DemoTables::generate(seed, rows);
    tables.write_csv(dir).map_err(|cause| file_failure("the tables", &cause))?;
    write(&dir.join(format!("{MAISON}.policy.toml")), include_bytes!("maison.policy.toml"))?;
    write(&dir.join(format!("{BANQUE}.policy.toml")), include_bytes!("banque.policy.toml"))?;
    Ok(tables.plain_answer())
}

fn pair(maison: &Organisation, banque: &Organisation) -> Result<(), Failure> {
    let request = tacit_protocol::api::InviteRequest { valid_seconds: Some(600), auto_confirm: true };
    let invitation = maison.client().invite(&request)?;
    banque.client().accept(&tacit_protocol::api::AcceptRequest { ticket: invitation.ticket })?;
    Ok(())
}

/// Fetches a party's receipt, writes it beside its node and verifies it as a stranger would: from the file alone.
fn receipt(of: &Organisation, job: &str, dir: &Path) -> Result<PathBuf, Failure> {
    let path = dir.join(format!("{}.receipt.json", of.name()));
    let receipt = of.client().receipt(job)?;
    write(&path, serde_json::to_string_pretty(&receipt).expect("JSON").as_bytes())?;
    let file = std::fs::read(&path).map_err(|cause| file_failure(&path.display().to_string(), &cause))?;
    let report = SignedReceipt::from_json(&file).and_then(|receipt| verify(&receipt));
    let report = report.map_err(|error| {
        Failure::new(error.code(), format!("the receipt of {}: {error}", of.name()), "this is a bug: please report it.")
    })?;
    if report.settled {
        return Ok(path);
    }
    let message = format!("the receipt of {} lacks a signature", of.name());
    Err(Failure::new(Code::new("RECEIPT_MISSING"), message, "this is a bug: please report it."))
}

fn answers(result: &JobResult) -> Result<Answers, Failure> {
    let number = |name: &str| {
        let output = result.outputs.iter().find(|output| output.name == name);
        match output.map(|output| output.cells.as_slice()) {
            Some([CellValue::Released { value }]) => value.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| {
            let message = format!("the output {name:?} was not released");
            Failure::new(Code::new("DEMO_RESULT"), message, "try another --seed or more --rows.")
        })
    };
    Ok(Answers { number: number("number")?, cost: number("cost")?, average: number("average")? })
}

fn tell(story: &Story, report: &Report, job: &JobDetail) {
    let Report { result, plain, .. } = report;
    story.say("");
    story.say("                          joint answer        plain arithmetic");
    story.say(&format!("  number of clients  {:>17}  {:>22}", result.number, plain.number));
    story.say(&format!("  their wealth       {:>17.2}  {:>22.2}", result.cost, plain.cost));
    story.say(&format!("  on average         {:>17.2}  {:>22.6}", result.average, plain.average));
    story.say("");
    story.say(&format!("  rows {} each, {} in both", report.rows, report.overlap));
    let [from_maison, from_banque] = report.bytes;
    story.say(&format!(
        "  {:.2} s; {from_maison} bytes from {MAISON}, {from_banque} from {BANQUE}; {} rounds",
        report.seconds, report.rounds
    ));
    story.say("\nWhat each party learned");
    job.learned.iter().for_each(|learned| story.say(&format!("  {}: {}", learned.party, learned.what)));
    story.say("\nReceipts, verified from the files alone (tacit receipt verify FILE)");
    report.receipts.iter().for_each(|path| story.say(&format!("  {path}")));
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|cause| file_failure(&path.display().to_string(), &cause))
}

fn file_failure(path: &str, cause: &std::io::Error) -> Failure {
    Failure::new(Code::new("INPUT_FILE"), format!("{path}: {cause}"), "give --keep a new directory with enough space.")
}
