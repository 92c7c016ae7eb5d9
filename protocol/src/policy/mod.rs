//! Policies: what an owner allows others to do with a dataset. One TOML file a dataset; what it does not say is denied.
//!
//! *Source*: design §4.6; CHK-209 to CHK-211, CHK-921.
//! *Security*: an unknown key is an error, so that a typing error never opens data. A key that a later version will
//! enforce is an error here too: nothing is accepted and then ignored. The digest is over the meaning of the file, not
//! its layout or comments.
//! *Shapes and units*:
//!
//! | key | meaning | when absent |
//! | --- | --- | --- |
//! | `version` | 1 | error |
//! | `query.organisations` | who may query, by the names under which they are paired | nobody but the owner |
//! | `query.purposes` | the purposes that may be stated | any |
//! | `query.venues` | `two-party`, `cvm` | none |
//! | `query.alignment` | `revealed`, `private` | no joins |
//! | `query.approval` | `auto` or `ask` | `ask` |
//! | `query.programs` | digests of the only programs that may run | any program within the rules |
//! | `query.expires` | the first day (UTC) on which the policy is no longer in force | never |
//! | `query.jobs_per_day` | jobs of one organisation in 24 hours, 1 to 10,000 | 16 |
//! | `query.concurrent_jobs` | jobs on this dataset at a time, 1 to 64 | 1 |
//! | `release.receivers` | who may receive outputs, beside the owner | nobody |
//! | `release.minimum_rows` | rows behind each released value; 0: no minimum | error where there are receivers |
//! | `release.grid` | released values are multiples of this | no rounding |
//! | `release.weighted` | whether a receiver's numbers may weight rows (rule R6) | false |
//! | `release.positions` | whether rows may be picked by public position (rule R2) | false |
//! | `release.subset_masks` | subsets that a receiver may choose by secret columns in a job (rule R6) | 0 |
//! | `columns.NAME.uses` | `join`, `filter`, `arithmetic`, `sum`, `mean`, `count`, `order` | none: the column may not be used |
//! | `columns.NAME.sensitive` | whether "all" and "none" are hidden too (rule R5) | false |
//! | `retention.results_days` | how long this node keeps results of jobs, 1 to 3,650 | 30 |

mod check;
mod file;
mod near;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use check::Query;
pub use file::{PolicyError, Position};

use crate::canonical::{Digest, digest};
use crate::program::Alignment;
use crate::program::rules::{ColumnRules, ColumnUse, DatasetRules};
use crate::terms::Venue;
use crate::{Number, PartyId};

/// The version of policy files that this crate reads.
pub const POLICY_VERSION: u16 = 1;

/// A policy that was parsed and checked. Only [`Policy::parse`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Policy {
    version: u16,
    query: QueryClause,
    release: ReleaseClause,
    columns: BTreeMap<String, ColumnClause>,
    retention: RetentionClause,
}

/// Who may query, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueryClause {
    /// Who may query.
    pub organisations: BTreeSet<String>,
    /// The purposes that may be stated; none: any.
    pub purposes: Option<BTreeSet<String>>,
    /// Where jobs may run.
    pub venues: BTreeSet<Venue>,
    /// How rows may be aligned.
    pub alignment: BTreeSet<Alignment>,
    /// Who says yes.
    pub approval: Approval,
    /// The only programs that may run; none: any.
    pub programs: Option<BTreeSet<Digest>>,
    /// The first day on which the policy is no longer in force.
    pub expires: Option<Day>,
    /// Jobs of one organisation in 24 hours.
    pub jobs_per_day: u32,
    /// Jobs on the dataset at a time.
    pub concurrent_jobs: u32,
}

/// What may be released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleaseClause {
    /// Who may receive outputs, beside the owner.
    pub receivers: BTreeSet<String>,
    /// Rows behind each released value.
    pub minimum_rows: u64,
    /// Released values are multiples of this.
    pub grid: Option<Number>,
    /// Whether a receiver's numbers may weight rows.
    pub weighted: bool,
    /// Whether rows may be picked by public position.
    pub positions: bool,
    /// Subsets that a receiver may choose by secret columns in a job.
    pub subset_masks: u32,
}

/// What may be done with a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnClause {
    /// The allowed uses.
    pub uses: BTreeSet<ColumnUse>,
    /// Whether "all" and "none" are hidden too.
    pub sensitive: bool,
}

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RetentionClause {
    /// Results of jobs, in days.
    pub results_days: u32,
}

/// Who says yes to a job that the policy allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Nobody: what is allowed runs.
    Auto,
    /// The owner's operator.
    #[default]
    Ask,
}

/// A day, as days since 1970-01-01 (UTC); in JSON and on screen `2027-01-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    /// A day of the calendar, if there is such a day.
    pub fn from_date(year: u16, month: u8, day: u8) -> Option<Self> {
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
            return None;
        }
        let date = Self(days_from_civil(i64::from(year), i64::from(month), i64::from(day)));
        (date.to_date() == (i64::from(year), i64::from(month), i64::from(day))).then_some(date)
    }

    /// Its first second, in Unix time.
    pub fn starts(self) -> u64 {
        u64::try_from(self.0 * 86_400).unwrap_or_default()
    }

    /// Year, month and day.
    fn to_date(self) -> (i64, i64, i64) {
        // The civil calendar by eras of 400 years that begin on 1 March.
        let days = self.0 + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        (year_of_era + era * 400 + i64::from(month <= 2), month, day)
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.to_date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// `POLICY_PARSE`, with line and column where the file has the fault.
    pub fn parse(toml: &str) -> Result<Self, PolicyError> {
        file::parse(toml)
    }

    /// The digest of its meaning.
    pub fn digest(&self) -> Digest {
        digest("tacit/policy/1", self)
    }

    /// Who may query, and how.
    pub fn query(&self) -> &QueryClause {
        &self.query
    }

    /// What may be released.
    pub fn release(&self) -> &ReleaseClause {
        &self.release
    }

    /// What may be done with each column.
    pub fn columns(&self) -> &BTreeMap<String, ColumnClause> {
        &self.columns
    }

    /// How long things are kept.
    pub fn retention(&self) -> RetentionClause {
        self.retention
    }

    /// What the analyses of programs need: organisations resolved to the parties of a job. Organisations that are no
    /// party are left out, so a job carries nothing of whom else the owner deals with.
    pub fn rules(&self, resolve: impl Fn(&str) -> Option<PartyId>) -> DatasetRules {
        let column = |clause: &ColumnClause| ColumnRules { uses: clause.uses.clone(), sensitive: clause.sensitive };
        DatasetRules {
            receivers: self.release.receivers.iter().filter_map(|name| resolve(name)).collect(),
            alignments: self.query.alignment.clone(),
            minimum_rows: self.release.minimum_rows,
            grid: self.release.grid,
            weighted: self.release.weighted,
            positions: self.release.positions,
            subset_masks: self.release.subset_masks,
            columns: self.columns.iter().map(|(name, clause)| (name.clone(), column(clause))).collect(),
        }
    }

    /// The policy in a paragraph, for its owner.
    pub fn summary(&self) -> String {
        let organisations: Vec<&str> = self.query.organisations.iter().map(String::as_str).collect();
        let receivers: Vec<&str> = self.release.receivers.iter().map(String::as_str).collect();
        self.describe(&list(&organisations, "nobody but the owner"), &list(&receivers, "nobody but the owner"))
    }

    /// The policy in a paragraph as one organisation may see it: nothing of whom else the owner deals with.
    pub fn summary_for(&self, organisation: &str) -> String {
        let yes = |set: &BTreeSet<String>| if set.contains(organisation) { "you" } else { "not you" };
        self.describe(yes(&self.query.organisations), yes(&self.release.receivers))
    }

    fn describe(&self, queriers: &str, receivers: &str) -> String {
        let Self { query, release, columns, .. } = self;
        let venues: Vec<String> = query.venues.iter().map(ToString::to_string).collect();
        let alignment: Vec<&str> = query.alignment.iter().map(|a| alignment_name(*a)).collect();
        let mut text = format!("May be queried by: {queriers}; venues: {}; ", list(&venues, "none"));
        text += &format!("alignment of rows: {}. ", list(&alignment, "none"));
        if let Some(purposes) = &query.purposes {
            let purposes: Vec<&str> = purposes.iter().map(String::as_str).collect();
            text += &format!("Purposes: {}. ", list(&purposes, "none"));
        }
        text += match query.approval {
            Approval::Auto => "Allowed jobs run at once. ",
            Approval::Ask => "An operator approves each job. ",
        };
        if let Some(programs) = &query.programs {
            text += &format!("Only {} approved programs may run. ", programs.len());
        }
        text += &format!("Outputs may go to: {receivers}");
        if release.minimum_rows > 1 {
            text += &format!(", each from at least {} rows", release.minimum_rows);
        }
        if let Some(grid) = release.grid {
            text += &format!(", rounded to multiples of {grid}");
        }
        let columns: Vec<String> = columns
            .iter()
            .map(|(name, clause)| {
                let uses: Vec<&str> = clause.uses.iter().map(|u| use_name(*u)).collect();
                format!("{name} ({})", list(&uses, "no use"))
            })
            .collect();
        text += &format!(". Columns: {}.", list(&columns, "none"));
        if let Some(day) = query.expires {
            text += &format!(" Not in force from {day} on.");
        }
        text
    }
}

fn list<T: AsRef<str>>(items: &[T], none: &str) -> String {
    if items.is_empty() {
        return none.to_owned();
    }
    items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

pub(crate) fn alignment_name(alignment: Alignment) -> &'static str {
    match alignment {
        Alignment::Revealed => "revealed",
        Alignment::Private => "private",
    }
}

pub(crate) fn use_name(column_use: ColumnUse) -> &'static str {
    match column_use {
        ColumnUse::Join => "join",
        ColumnUse::Filter => "filter",
        ColumnUse::Arithmetic => "arithmetic",
        ColumnUse::Sum => "sum",
        ColumnUse::Mean => "mean",
        ColumnUse::Count => "count",
        ColumnUse::Order => "order",
    }
}
