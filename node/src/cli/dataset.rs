//! `tacit dataset`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tacit_protocol::api::policies::DatasetLearned;
use tacit_protocol::api::{ColumnOverride, ImportRequest};
use tacit_protocol::{Code, Failure};
use tacit_sdk::Client;

use super::output::{self, Output};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Import a CSV or Parquet file as a dataset, or as the next version of one.
    Add(AddOptions),
    /// This node's datasets.
    List,
    /// What organisations have learned from a dataset so far, and what they were refused.
    Learned {
        /// Its name.
        name: String,
    },
    /// Write a dataset's rows to a file: CSV or Parquet as `add` reads them, or Arrow. It is logged.
    Export {
        /// Its name.
        name: String,
        /// The file, `.csv`, `.parquet` or `.arrow`. It must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Remove a dataset from the store and the catalogue.
    Remove {
        /// Its name.
        name: String,
    },
}

#[derive(Args)]
pub(super) struct AddOptions {
    /// The file, `.csv` or `.parquet`.
    file: PathBuf,
    /// Its policy, a TOML file. Without one nothing would be allowed.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The dataset's name; by default the file's.
    #[arg(long)]
    name: Option<String>,
    /// The key column: the identifier of the person or thing behind a row, unique.
    #[arg(long, value_name = "COLUMN")]
    key: Option<String>,
    /// The type of a column instead of the inferred one: bool, int64, decimal(2), float64, date, category, key.
    #[arg(long = "type", value_name = "COLUMN=TYPE")]
    types: Vec<String>,
    /// The declared range of a column. Without it: the next powers of ten around the values.
    #[arg(long = "range", value_name = "COLUMN=LO..HI")]
    ranges: Vec<String>,
    /// Move values outside a declared range to its end instead of refusing the file.
    #[arg(long)]
    clamp: bool,
}

pub(super) fn run(client: &Client, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Add(options) => {
            let file = File::open(&options.file).map_err(|cause| {
                let message = format!("cannot read {}: {cause}", options.file.display());
                Failure::new(Code::new("INPUT_FILE"), message, "check the path and its permissions.")
            })?;
            output.one(&client.import(&request(&options)?, file)?, output::dataset);
        }
        Command::List => output.list(&client.datasets()?, output::dataset_table),
        Command::Learned { name } => output.one(&client.dataset_learned(&name)?, learned),
        Command::Export { name, out } => export(client, &name, &out, output)?,
        Command::Remove { name } => client.remove_dataset(&name)?,
    }
    Ok(())
}

fn learned(page: &DatasetLearned) -> String {
    let mut lines = vec![format!("What organisations have learned from {} so far", page.dataset)];
    if page.organisations.is_empty() {
        lines.push("Nobody has asked anything of it.".into());
    }
    for of in &page.organisations {
        let (jobs, refused) = (of.jobs.len(), of.refused.len());
        lines.push(format!("\n{}: {jobs} jobs released, {refused} refused, {} others", of.organisation, of.others));
        for job in &of.jobs {
            let policy = job.policy_version.map_or_else(|| job.policy.clone(), |version| format!("version {version}"));
            let purpose = if job.purpose.is_empty() { "no purpose".into() } else { format!("{:?}", job.purpose) };
            let (id, at) = (job.id.get(..12).unwrap_or(&job.id), output::time(job.at));
            lines
                .push(format!("  {id}  {at}  version {}, policy {policy}, {} for {purpose}", job.version, job.analyst));
            for one in &job.outputs {
                let rows = match one.minimum_rows {
                    0 => "no minimum of rows".to_owned(),
                    rows => format!("from at least {rows} rows, else suppressed"),
                };
                let grid = one.grid.as_ref().map_or_else(String::new, |grid| format!(", to the nearest {grid}"));
                lines.push(format!("    {} to {}: {rows}{grid}", one.output, one.receivers.join(", ")));
            }
            lines.extend(job.facts.iter().map(|fact| format!("    learned {fact}")));
        }
        for job in &of.refused {
            let clause = job.clause.as_ref().map_or_else(String::new, |clause| format!(" by {clause}"));
            let (id, at) = (job.id.get(..12).unwrap_or(&job.id), output::time(job.at));
            lines.push(format!("  {id}  {at}  refused: {}{clause}", job.code));
        }
    }
    lines.join("\n")
}

fn export(client: &Client, name: &str, out: &Path, output: &Output) -> Result<(), Failure> {
    let end = out.extension().and_then(|end| end.to_str()).unwrap_or_default().to_lowercase();
    if !["csv", "parquet", "arrow"].contains(&end.as_str()) {
        let message = format!("{} is none of .csv, .parquet and .arrow", out.display());
        return Err(Failure::new(Code::new("INPUT_FORMAT"), message, "name the file so that it ends in its format."));
    }
    let failed = |cause: std::io::Error| {
        Failure::new(Code::new("EXPORT_WRITE"), format!("{}: {cause}", out.display()), "name another file.")
    };
    let mut file = File::create_new(out).map_err(failed)?;
    let written = client.export_dataset(name, &end, &mut file).map_err(Failure::from);
    if let Err(failure) = written.and_then(|()| file.sync_all().map_err(failed)) {
        drop(std::fs::remove_file(out));
        return Err(failure);
    }
    output.one(&out.display().to_string(), |file| format!("Wrote {file}."));
    Ok(())
}

fn request(options: &AddOptions) -> Result<ImportRequest, Failure> {
    let part = |part: Option<&std::ffi::OsStr>| part.and_then(|part| part.to_str()).map(str::to_lowercase);
    let format = match part(options.file.extension()).as_deref() {
        Some("parquet") => "parquet",
        Some("csv") => "csv",
        _ => {
            let message = format!("{} is neither .csv nor .parquet", options.file.display());
            return Err(Failure::new(Code::new("INPUT_FORMAT"), message, "rename or convert the file."));
        }
    };
    let name = options.name.clone().or_else(|| part(options.file.file_stem())).unwrap_or_default();
    let policy = String::from_utf8_lossy(&super::read_file(&options.policy)?).into_owned();

    let mut columns: BTreeMap<String, ColumnOverride> = BTreeMap::new();
    for text in &options.types {
        let (column, element) = split(text, "=", "--type COLUMN=TYPE")?;
        columns.entry(column.into()).or_default().element = Some(element.into());
    }
    for text in &options.ranges {
        let (column, range) = split(text, "=", "--range COLUMN=LO..HI")?;
        let (lo, hi) = split(range, "..", "--range COLUMN=LO..HI")?;
        let entry = columns.entry(column.into()).or_default();
        (entry.lo, entry.hi) = (Some(lo.into()), Some(hi.into()));
    }
    Ok(ImportRequest { name, format: format.into(), policy, key: options.key.clone(), columns, clamp: options.clamp })
}

fn split<'a>(text: &'a str, separator: &str, form: &str) -> Result<(&'a str, &'a str), Failure> {
    text.split_once(separator).ok_or_else(|| {
        Failure::new(
            Code::new("USAGE_OPTION"),
            format!("{text:?} is not of the form {form}"),
            "see `tacit dataset add --help`.",
        )
    })
}
