//! `tacit policy`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tacit_protocol::api::DatasetInfo;
use tacit_protocol::api::policies::{PolicyCheck, PolicyCheckRequest, PolicyDiff, PolicyRequest, PolicyVersion};
use tacit_protocol::policy::dry_run::{AskedDataset, Question, dry_run};
use tacit_protocol::policy::quota::Remembered;
use tacit_protocol::program::Program;
use tacit_protocol::schema::TableSchema;
use tacit_protocol::terms::Venue;
use tacit_protocol::{Code, Failure, Policy};
use tacit_sdk::Client;

use super::output::{self, Output};
use super::remote::Connect;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Whether policies would allow a program: by which clause not, at which operation, and what each party would learn.
    ///
    /// Exit code 0 if it is allowed or an operator would be asked, 3 if it is forbidden. Policies of peers are judged by
    /// their owners; here their datasets are checked against what any policy would say. With --policy and --schema it
    /// needs no node.
    Check(CheckOptions),
    /// The policy of a dataset, as its file has it.
    Show {
        /// The dataset.
        name: String,
        /// The number of a version, instead of the one in force.
        #[arg(long, value_name = "N")]
        number: Option<u64>,
    },
    /// The policies that a dataset had, with who signed them and how many jobs ran under each.
    History {
        /// The dataset.
        name: String,
    },
    /// What a policy file would loosen and tighten.
    Diff {
        /// The dataset.
        name: String,
        /// The policy, a TOML file.
        file: PathBuf,
    },
    /// Put a policy file in force. One that allows more than before takes --loosen.
    Set {
        /// The dataset.
        name: String,
        /// The policy, a TOML file.
        file: PathBuf,
        /// Allow more than before in the clauses that `tacit policy diff` names.
        #[arg(long)]
        loosen: bool,
    },
}

#[derive(Args)]
pub(super) struct CheckOptions {
    /// The program, a JSON file.
    program: PathBuf,
    /// What the answer is for, as policies may demand.
    #[arg(long, default_value = "")]
    purpose: String,
    /// The organisation that would ask; by default this node's own.
    #[arg(long = "as", value_name = "ORGANISATION")]
    organisation: Option<String>,
    /// A policy to judge with instead of the one in force. The dataset may be left out where the program reads one only.
    #[arg(long = "policy", value_name = "[DATASET=]FILE")]
    policies: Vec<String>,
    /// Datasets that the node does not know, as `tacit catalogue --json` prints them. With policies, and with schemas of
    /// all datasets of the program, the check is made from these files, without a node.
    #[arg(long = "schema", value_name = "FILE")]
    schemas: Vec<PathBuf>,
}

pub(super) fn run(client: &Connect<'_>, command: Command, output: &Output) -> Result<(), Failure> {
    let read = |file: &Path| super::read_file(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    match command {
        Command::Check(options) => {
            let program = Program::from_json(&super::read_file(&options.program)?)?;
            let mut given = Vec::new();
            for file in &options.schemas {
                given.extend(schemas(file)?);
            }
            // All that is needed is in files: no node is asked.
            let known = |name: &String| given.iter().any(|info| info.name == *name);
            let check = match !options.policies.is_empty() && loaded(&program).iter().all(known) {
                true => offline(&options, &program, given)?,
                false => ask(&client()?, &options, program, given)?,
            };
            output.one(&check, report);
            if check.verdict == "forbids" {
                let message = format!("the program is forbidden by {} clauses or rules", check.refusals.len());
                let next = "each has the smallest change that would allow it above.";
                return Err(Failure::new(Code::new("POLICY_FORBIDS"), message, next));
            }
        }
        Command::Show { name, number } => output.one(&client()?.policy(&name, number)?, show),
        Command::History { name } => output.list(&client()?.policy_versions(&name)?, history),
        Command::Diff { name, file } => {
            let request = PolicyRequest { policy: read(&file)?, confirm_loosened: false };
            output.one(&client()?.policy_diff(&name, &request)?, diff);
        }
        Command::Set { name, file, loosen } => {
            let request = PolicyRequest { policy: read(&file)?, confirm_loosened: loosen };
            output.one(&client()?.set_policy(&name, &request)?, |done| format!("In force.\n{}", diff(done)));
        }
    }
    Ok(())
}

fn ask(
    client: &Client,
    options: &CheckOptions,
    program: Program,
    schemas: Vec<DatasetInfo>,
) -> Result<PolicyCheck, Failure> {
    let own = client.status()?.name;
    let drafts = drafts(options, &program)?;
    // A node has policies of its own datasets, which it knows by their short names.
    let short = |(name, text): (String, String)| {
        let short = name.strip_prefix(&format!("{own}/")).map(str::to_owned).unwrap_or(name);
        (short, text)
    };
    let request = PolicyCheckRequest {
        program,
        purpose: options.purpose.clone(),
        organisation: options.organisation.clone(),
        policies: drafts.into_iter().map(short).collect(),
        schemas,
    };
    Ok(client.policy_check(&request)?)
}

/// From files alone.
fn offline(options: &CheckOptions, program: &Program, given: Vec<DatasetInfo>) -> Result<PolicyCheck, Failure> {
    let mut policies = BTreeMap::new();
    for (name, text) in drafts(options, program)? {
        policies.insert(name, Policy::parse(&text).map_err(crate::data::DataError::from)?);
    }
    let mut known = BTreeMap::new();
    for info in given {
        let schema = TableSchema { columns: info.columns, rows: info.rows, unique_key: info.key };
        known.insert(info.name, (info.owner, schema));
    }
    let mut datasets = BTreeMap::new();
    for name in loaded(program) {
        let (owner, schema) = known.remove(&name).ok_or_else(|| {
            let message = format!("no --schema file has {name:?}");
            Failure::new(Code::new("DATASET_UNKNOWN"), message, "write it by `tacit catalogue --json`.")
        })?;
        let policy = policies.remove(&name);
        if let Some(policy) = &policy {
            policy.check_schema(&schema).map_err(crate::data::DataError::from)?;
        }
        let history = Box::new(|_: &[String]| Ok(Remembered::default()));
        datasets.insert(name, AskedDataset { owner, schema, policy, history, jobs_today: 0, jobs_running: 0 });
    }
    let mut owners = datasets.values().map(|asked| asked.owner.clone());
    // Without a word, one asks whose policy is not at hand: that of an organisation's own datasets binds it little.
    let stranger = datasets.values().find(|asked| asked.policy.is_none()).map(|asked| asked.owner.clone());
    let organisation = options.organisation.clone().or(stranger).or_else(|| owners.next_back()).unwrap_or_default();
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let question = Question {
        program,
        organisation: &organisation,
        purpose: &options.purpose,
        venue: Venue::TwoParty,
        now: u64::try_from(now).unwrap_or_default(),
        datasets,
        budget: Box::new(|_, _| Ok(())),
    };
    dry_run(&question)
}

/// The policies that are given, by the names of the program's datasets.
fn drafts(options: &CheckOptions, program: &Program) -> Result<BTreeMap<String, String>, Failure> {
    let loaded = loaded(program);
    let mut drafts = BTreeMap::new();
    for text in &options.policies {
        let (name, file) = match (text.split_once('='), loaded.as_slice()) {
            (Some((name, file)), _) => (name.to_owned(), file),
            (None, [one]) => (one.clone(), text.as_str()),
            (None, _) => {
                let message =
                    format!("{text:?} does not say whose policy it is; the program reads {}", loaded.join(", "));
                return Err(Failure::new(Code::new("USAGE_OPTION"), message, "write --policy DATASET=FILE."));
            }
        };
        if !loaded.contains(&name) {
            let message = format!("the program does not read {name:?}");
            return Err(Failure::new(Code::new("USAGE_OPTION"), message, format!("it reads {}.", loaded.join(", "))));
        }
        drafts.insert(name, String::from_utf8_lossy(&super::read_file(Path::new(file))?).into_owned());
    }
    Ok(drafts)
}

/// The datasets that a program loads, in order.
fn loaded(program: &Program) -> Vec<String> {
    let names = program.nodes.iter().filter_map(|node| match &node.op {
        tacit_protocol::program::Op::Load { dataset } => Some(dataset.clone()),
        _ => None,
    });
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// The datasets in a file: one JSON object a line.
fn schemas(file: &Path) -> Result<Vec<DatasetInfo>, Failure> {
    let bytes = super::read_file(file)?;
    let all = serde_json::Deserializer::from_slice(&bytes).into_iter::<DatasetInfo>().collect::<Result<Vec<_>, _>>();
    all.map_err(|cause| {
        let message = format!("{} is no list of datasets: {cause}", file.display());
        Failure::new(Code::new("INPUT_FILE"), message, "write it by `tacit catalogue --json`.")
    })
}

fn report(check: &PolicyCheck) -> String {
    let mut lines = vec![match check.verdict.as_str() {
        "forbids" => format!("Forbidden to {}.", check.organisation),
        "asks" => format!("Allowed to {}, if {} approves.", check.organisation, check.asks.join(" and ")),
        _ => format!("Allowed to {}.", check.organisation),
    }];
    for refusal in &check.refusals {
        lines.push(format!("\n{} by {} for {}: {}", refusal.code, refusal.clause, refusal.dataset, refusal.owner));
        if !refusal.operation.is_empty() {
            lines.push(format!("  at      {}", refusal.operation));
        }
        lines.push(format!("  cause   {}", refusal.cause));
        lines.push(format!("  change  {}", refusal.change));
    }
    if !check.binding.is_empty() {
        lines.push("\nThe strictest clauses:".into());
    }
    for clause in &check.binding {
        let of = clause.datasets.join(" and ");
        lines.push(format!("  {} is bound by {} = {} of {of}", clause.output, clause.clause, clause.value));
    }
    if !check.learned.is_empty() {
        lines.push("\nWhat each party would learn:".into());
    }
    for learned in &check.learned {
        lines.push(format!("  {}: {}", learned.party, learned.what));
    }
    for dataset in &check.judged_by_owner {
        lines.push(format!("\n{dataset} is judged by its owner's own policy too, which is not known here."));
    }
    lines.push(format!("\nprogram {}", check.code));
    lines.join("\n")
}

fn show(version: &PolicyVersion) -> String {
    format!(
        "# version {} of the policy of {}, from {}\n# digest {}\n{}",
        version.version,
        version.dataset,
        output::time(version.at),
        version.digest,
        version.text.trim_end()
    )
}

fn history(versions: &[PolicyVersion]) -> String {
    let line = |version: &PolicyVersion| {
        let signed = if version.signed { "signed by this node's chain" } else { "SIGNATURE OR CHAIN BROKEN" };
        format!(
            "{:>4}  {}  {}  {} jobs  {signed}",
            version.version,
            output::time(version.at),
            &version.digest[..16.min(version.digest.len())],
            version.jobs
        )
    };
    versions.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn diff(diff: &PolicyDiff) -> String {
    let list = |clauses: &[String]| if clauses.is_empty() { "nothing".to_owned() } else { clauses.join(", ") };
    format!("loosens   {}\ntightens  {}", list(&diff.loosened), list(&diff.tightened))
}
