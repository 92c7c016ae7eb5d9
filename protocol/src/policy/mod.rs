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
//! | `privacy.epsilon` | noise in place of a minimum of rows: the most that one organisation may ever learn of a person | error where there is a section `privacy` |
//! | `privacy.delta` | the chance at which that bound may fail, above 0 and at most 0.001 | 0.000001 |
//! | `privacy.epsilon_total` | the most that all organisations together may learn | no bound beside those of each |
//! | `query.affiliates` | groups of organisations that share what they learn; each receiver stands for its group | none |
//! | `query.runs` | the most runs that one approval may be for, 1 to 10,000 | 100 |
//! | `query.window_days` | how long jobs are judged together with later ones, 1 to 3,650 | 30 |
//! | `query.alignments` | jobs of one organisation that align rows with the dataset's, within the window | as many as `jobs_per_day` lets through |
//! | `query.reimports` | versions within the window: of one organisation's datasets that are joined with this one, and of this one that exact sums are told of, 1 to 10,000 | 8 |
//! | `query.priority` | the highest priority that others' jobs may have: `low`, `normal`, `high` | `high` |
//! | `release.receivers` | who may receive outputs, beside the owner | nobody |
//! | `release.minimum_rows` | rows behind each released value; 0: no minimum | error where there are receivers, unless there is a section `privacy`, beside which it has no place |
//! | `release.grid` | released values are multiples of this | no rounding |
//! | `release.weighted` | whether a receiver's numbers may weight rows (rule R6) | false |
//! | `release.positions` | whether rows may be picked by public position (rule R2) | false |
//! | `release.subset_masks` | subsets that a receiver may choose by secret columns within the window (rule R6) | 0 |
//! | `release.thresholds` | comparisons of aggregates of the same columns within the window, 0 or 1 (rule R12) | 0 |
//! | `release.dominance` | what remains of a sum without its two largest parts, in percent of the largest, at least; 0 to 100 (rule R10) | 0 |
//! | `release.model` | whether a loop may carry what depends on rows, as a model's weights do; the operator is asked (rule R13) | false |
//! | `columns.NAME.uses` | `join`, `filter`, `arithmetic`, `sum`, `mean`, `count`, `order` | none: the column may not be used |
//! | `columns.NAME.sensitive` | whether "all" and "none" are hidden too (rule R5) | false |
//! | `retention.results_days` | how long this node keeps results of jobs, 1 to 3,650 | 30 |

mod change;
mod check;
pub mod dry_run;
mod file;
pub mod quota;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use check::Query;
pub use file::{PolicyError, Position};

use crate::canonical::{Digest, digest};
use crate::privacy::Rho;
use crate::program::Alignment;
use crate::program::rules::{ColumnRules, ColumnUse, DatasetRules, is_zero};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    privacy: Option<PrivacyClause>,
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
    /// Groups of organisations that share what they learn.
    pub affiliates: BTreeSet<BTreeSet<String>>,
    /// The most runs that one approval may be for.
    pub runs: u32,
    /// How long jobs are judged together with later ones.
    pub window_days: u32,
    /// Jobs of one organisation within the window that align rows with the dataset's.
    pub alignments: Option<u32>,
    /// Versions within the window: of one organisation's datasets that are joined with this one, and of this one that exact
    /// sums are told of.
    pub reimports: u32,
    /// The highest priority that others' jobs may have.
    pub priority: Priority,
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
    /// Subsets that a receiver may choose by secret columns within the window.
    pub subset_masks: u32,
    /// Comparisons of aggregates of the same columns within the window.
    pub thresholds: u32,
    /// What remains of a sum without its two largest parts, in percent of the largest; 0: anything. Policies that do not
    /// ask for it keep their digest.
    #[serde(skip_serializing_if = "is_zero")]
    pub dominance: u32,
    /// Whether a loop may carry what depends on rows.
    pub model: bool,
}

/// What may be learned of one person, in place of a minimum of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PrivacyClause {
    /// The most that one organisation may ever learn, as the epsilon of differential privacy.
    pub epsilon: Number,
    /// The delta of both bounds.
    pub delta: Number,
    /// The most that all organisations together may learn; none: each its own part.
    pub epsilon_total: Option<Number>,
}

impl PrivacyClause {
    /// What one organisation may learn, as an amount that adds up.
    pub fn cap(&self) -> Rho {
        self.rho(self.epsilon)
    }

    /// What all organisations together may learn; none: no bound beside their own.
    pub fn total(&self) -> Option<Rho> {
        self.epsilon_total.map(|epsilon| self.rho(epsilon))
    }

    fn rho(&self, epsilon: Number) -> Rho {
        Rho::from_epsilon(epsilon.to_f64(), self.delta.to_f64()).expect("checked when the policy was read")
    }
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

/// Which of the jobs that wait for a place runs first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    bincode::Encode,
    bincode::Decode,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After all others.
    Low,
    /// In the order in which they came.
    Normal,
    /// Before all others. A policy without a word lets others' jobs have it.
    #[default]
    High,
}

impl Priority {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
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

    /// What may be learned of one person, where noise hides the rest.
    pub fn privacy(&self) -> Option<PrivacyClause> {
        self.privacy
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
        let named = self.release.receivers.iter().filter(|name| self.may_receive(name));
        DatasetRules {
            receivers: named.filter_map(|name| resolve(name)).collect(),
            alignments: self.query.alignment.clone(),
            minimum_rows: self.release.minimum_rows,
            grid: self.release.grid,
            weighted: self.release.weighted,
            positions: self.release.positions,
            subset_masks: self.release.subset_masks,
            noise: self.privacy.is_some(),
            thresholds: self.release.thresholds,
            dominance: self.release.dominance,
            model: self.release.model,
            columns: self.columns.iter().map(|(name, clause)| (name.clone(), column(clause))).collect(),
            history: Vec::new(),
        }
    }

    /// An organisation and those that share what they learn with it, as this policy declares them (CHK-210).
    pub fn affiliates_of<'a>(&'a self, organisation: &'a str) -> BTreeSet<&'a str> {
        let group = self.query.affiliates.iter().find(|group| group.contains(organisation));
        let others = group.into_iter().flatten().map(String::as_str);
        others.chain([organisation]).collect()
    }

    /// Whether an organisation may receive: it and all that it shares with are named.
    pub fn may_receive(&self, organisation: &str) -> bool {
        self.affiliates_of(organisation).into_iter().all(|name| self.release.receivers.contains(name))
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
        if release.dominance > 0 {
            text += &format!(", no sum that all but {} percent of its largest part can be told of", release.dominance);
        }
        if let Some(privacy) = self.privacy {
            text += &format!(
                ", with noise that hides any one person: epsilon {} for each organisation at a delta of {}",
                privacy.epsilon, privacy.delta
            );
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::digest_bytes;
    use crate::fixtures::{self, NOW, POLICY};
    use crate::schema::TableSchema;

    fn policy() -> Policy {
        Policy::parse(POLICY).expect("a policy")
    }

    /// The policy with one line replaced.
    fn with(line: &str, replacement: &str) -> Result<Policy, PolicyError> {
        assert!(POLICY.contains(line), "{line}");
        Policy::parse(&POLICY.replacen(line, replacement, 1))
    }

    fn error(line: &str, replacement: &str) -> String {
        let error = with(line, replacement).expect_err("refused");
        assert_eq!(error.code().as_str(), "POLICY_PARSE");
        error.to_string()
    }

    fn query<'a>() -> Query<'a> {
        Query {
            dataset: "maison/customers",
            owner: PartyId::ONE,
            querier: Some("Banque"),
            purpose: "marketing study",
            venue: Venue::TwoParty,
            alignments: &[Alignment::Revealed],
            code: digest_bytes("test", b"program"),
            now: NOW,
            jobs_today: 0,
            jobs_running: 0,
        }
    }

    /// Code and clause of the only refusal.
    fn refusal(policy: &Policy, query: &Query<'_>) -> (String, String) {
        let refusals = policy.check_query(query);
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert!(!refusals[0].cause.is_empty() && !refusals[0].change.is_empty());
        assert_eq!((refusals[0].owner, refusals[0].dataset.as_str()), (query.owner, query.dataset));
        (refusals[0].code.to_string(), refusals[0].clause.clone())
    }

    #[test]
    fn the_file_says_what_the_rules_hold() {
        let rules = policy().rules(|name| (name == "Banque").then_some(PartyId::ZERO));
        assert_eq!(rules.receivers, [PartyId::ZERO].into());
        assert_eq!(rules.alignments, [Alignment::Revealed].into());
        assert_eq!((rules.minimum_rows, rules.subset_masks), (100, 8));
        assert_eq!(rules.grid, Some("0.01".parse().expect("a number")));
        assert!(!rules.weighted && !rules.positions);
        assert_eq!(rules.columns["frequency"].uses, [ColumnUse::Filter].into());
        assert!(rules.columns["frequency"].sensitive && !rules.columns["customer"].sensitive);
        assert_eq!(policy().retention().results_days, 7);
    }

    #[test]
    fn an_empty_policy_denies_everything() {
        let policy = Policy::parse("version = 1").expect("a policy");
        let rules = policy.rules(|_| Some(PartyId::ZERO));
        assert_eq!(rules, DatasetRules::default());
        assert_eq!(policy.query().approval, Approval::Ask);
        assert!(!policy.is_visible_to("Banque", NOW));
        let codes: Vec<String> = policy.check_query(&query()).iter().map(|r| r.code.to_string()).collect();
        assert_eq!(codes, ["POLICY_QUERIER", "POLICY_VENUE", "POLICY_ALIGNMENT"]);
    }

    #[test]
    fn unknown_keys_are_refused_with_the_key_that_was_meant_chk_921() {
        assert_eq!(
            error("organisations =", "organizations ="),
            "line 5, column 1: there is no key query.organizations; did you mean organisations?"
        );
        assert_eq!(error("[release]", "[relase]"), "line 13, column 2: there is no key relase; did you mean release?");
        assert_eq!(
            error("sensitive = true", "  sensitiv = true"),
            "line 24, column 3: there is no key columns.frequency.sensitiv; did you mean sensitive?"
        );
        assert_eq!(error("version = 1", "version = 1\nbudget = 3"), "line 3, column 1: there is no key budget");
    }

    #[test]
    fn what_is_not_enforced_is_refused_and_not_ignored() {
        for (line, key, path) in [
            ("[query]", "[query]\nevidence = [\"sev-snp\"]", "query.evidence"),
            ("[query]", "[query]\njurisdictions = [\"CH\"]", "query.jurisdictions"),
            ("[release]", "[release]\nnoise = \"laplace\"", "release.noise"),
            ("results_days", "inputs_days = 3\nresults_days", "retention.inputs_days"),
        ] {
            match with(line, key) {
                Err(PolicyError::Unsupported { path: found, at }) => assert!(found == path && at.line > 1, "{found}"),
                other => panic!("{path}: {other:?}"),
            }
        }
    }

    #[test]
    fn dominance_is_a_percentage_that_is_loosened_by_a_smaller_one() {
        let of = |percent: u32| with("[release]", &format!("[release]\ndominance = {percent}")).expect("a policy");
        assert_eq!((of(20).release().dominance, of(20).rules(|_| None).dominance), (20, 20));
        assert_eq!(of(20).loosened_by(&of(19)), ["release.dominance"]);
        assert_eq!(of(19).loosened_by(&of(20)), [""; 0]);
        assert!(of(20).summary().contains("20 percent"), "{}", of(20).summary());
        assert!(error("[release]", "[release]\ndominance = 101").contains("release.dominance"));
        let noisy = POLICY.replacen("minimum_rows = 100", "dominance = 20", 1);
        let noisy = noisy.replacen("[retention]", "[privacy]\nepsilon = 3\n[retention]", 1);
        assert!(Policy::parse(&noisy).expect_err("refused").to_string().contains("release.dominance"));
    }

    #[test]
    fn noise_has_a_budget_and_no_minimum_of_rows_beside_it() {
        let noisy = |privacy: &str| {
            let file = POLICY.replacen("minimum_rows = 100", "", 1);
            Policy::parse(&file.replacen("[retention]", &format!("[privacy]\n{privacy}\n[retention]"), 1))
        };
        let policy = noisy("epsilon = 3").expect("a policy");
        let privacy = policy.privacy().expect("a section");
        assert_eq!((privacy.delta.to_string().as_str(), privacy.total()), ("0.000001", None));
        assert!((privacy.cap().to_f64() - 0.18).abs() < 0.02, "{}", privacy.cap());
        let rules = policy.rules(|_| None);
        assert!(rules.noise && rules.minimum_rows == 0);
        assert!(policy.summary().contains("epsilon 3 for each organisation"), "{}", policy.summary());
        let both = with("[retention]", "[privacy]\nepsilon = 3\n[retention]").expect_err("refused");
        assert!(both.to_string().contains("release.minimum_rows has no place beside"), "{both}");
        for (privacy, words) in [
            ("", "missing field `epsilon`"),
            ("epsilon = 0", "privacy.epsilon is no budget"),
            ("epsilon = \"0.5\"\ndelta = \"0.1\"", "privacy.epsilon is no budget"),
            ("epsilon = 3\nepsilon_total = 2", "privacy.epsilon_total is less than"),
            ("epsilon = 3\nepsilom_total = 4", "did you mean epsilon_total?"),
        ] {
            let error = noisy(privacy).expect_err("refused").to_string();
            assert!(error.contains(words), "{privacy}: {error}");
        }
        let keyless = TableSchema { unique_key: None, ..fixtures::schema() };
        assert_eq!(policy.check_schema(&keyless), Err(PolicyError::Person));
        let total = noisy("epsilon = 3\nepsilon_total = 5").expect("a policy");
        assert!(total.privacy().and_then(|p| p.total()) > Some(privacy.cap()));
        assert_eq!(total.loosened_by(&policy), ["privacy.epsilon_total"]);
        assert_eq!(policy.loosened_by(&noisy("epsilon = 4").expect("a policy")), ["privacy.epsilon"]);
        assert_eq!(policy.loosened_by(&noisy("epsilon = 2").expect("a policy")), Vec::<String>::new());
        let exact = with("= 100", "= 0").expect("a policy");
        assert_eq!(policy.loosened_by(&exact), ["privacy"]);
    }

    #[test]
    fn errors_say_where_they_are() {
        for (line, replacement, place, words) in [
            ("version = 1", "version = 2", "line 2, column 1", "reads version 1"),
            ("version = 1", "", "line 1, column 1", "missing field `version`"),
            ("version = 1", "version = ", "line 2, column 1", ""),
            ("\"auto\"", "\"maybe\"", "line 9, column 12", "unknown variant `maybe`"),
            ("[\"two-party\"]", "[\"cloud\"]", "line 7, column 11", "unknown variant `cloud`"),
            ("jobs_per_day = 20", "jobs_per_day = 0", "line 11, column 1", "is 1 to 10000"),
            ("jobs_per_day = 20", "jobs_per_day = -1", "line 11, column 16", ""),
            ("2028-02-29", "2027-02-29", "line 10", ""),
            ("2028-02-29", "2028-02-29T10:00:00", "line 10, column 1", "is a day"),
            ("\"Assurance\"", "\"Banque\"", "line 5, column 1", "has an entry twice"),
            ("\"Assurance\"", "\"a/b\"", "line 5, column 1", "names \"a/b\""),
            ("minimum_rows = 100\n", "", "line 13, column 2", "must be stated"),
            ("minimum_rows = 100", "minimum_rows = 1.5", "line 15", ""),
            ("grid = \"0.01\"", "grid = \"0\"", "line 16, column 1", "is larger than 0"),
            ("grid = \"0.01\"", "grid = \"1e3\"", "line 16, column 8", "is not a decimal number"),
            ("grid = \"0.01\"", "grid = 0.01", "line 16, column 8", ""),
            ("[\"filter\"]", "[\"filtre\"]", "line 23", "unknown variant `filtre`"),
            ("[\"filter\"]", "[\"filter\", \"filter\"]", "line 23, column 1", "has an entry twice"),
            ("[\"marketing study\"]", "[\"\"]", "line 6, column 1", "lines of 1 to 200"),
            ("results_days = 7", "results_days = 4000", "line 27, column 1", "is 1 to 3650"),
        ] {
            let message = error(line, replacement);
            assert!(message.starts_with(place) && message.contains(words), "{replacement}: {message}");
        }
        assert_eq!(Policy::parse(&" ".repeat(64 * 1024 + 1)), Err(PolicyError::TooBig));
    }

    #[test]
    fn the_digest_is_of_the_meaning() {
        let same = format!("# a comment\n{}", POLICY.replace(" = ", "="));
        assert_eq!(Policy::parse(&same).expect("a policy").digest(), policy().digest());
        for (line, replacement) in
            [("= 100", "= 99"), ("\"auto\"", "\"ask\""), ("sensitive = true", ""), ("results_days = 7", "")]
        {
            assert_ne!(with(line, replacement).expect("a policy").digest(), policy().digest(), "{line}");
        }
    }

    #[test]
    fn each_clause_refuses_by_its_name_chk_204_chk_210_chk_211() {
        let policy = policy();
        assert_eq!(policy.check_query(&query()), vec![]);
        let refused = |change: fn(&mut Query<'static>)| {
            let mut asked = query();
            change(&mut asked);
            let (code, clause) = refusal(&policy, &asked);
            format!("{code} {clause}")
        };
        assert_eq!(refused(|q| q.querier = Some("banque")), "POLICY_QUERIER query.organisations");
        assert_eq!(refused(|q| q.purpose = ""), "POLICY_PURPOSE query.purposes");
        assert_eq!(refused(|q| q.venue = Venue::Cvm), "POLICY_VENUE query.venues");
        assert_eq!(refused(|q| q.alignments = &[Alignment::Private]), "POLICY_ALIGNMENT query.alignment");
        assert_eq!(refused(|q| q.jobs_today = 20), "POLICY_RATE query.jobs_per_day");
        assert_eq!(refused(|q| q.jobs_running = 1), "POLICY_RATE query.concurrent_jobs");
        let end = Day::from_date(2028, 2, 29).expect("a day").starts();
        let mut last = Query { now: end - 1, ..query() };
        assert_eq!(policy.check_query(&last), vec![]);
        last.now = end;
        assert_eq!(refusal(&policy, &last), ("POLICY_EXPIRED".into(), "query.expires".into()));
        assert!(policy.is_visible_to("Banque", end - 1) && !policy.is_visible_to("Banque", end));
    }

    #[test]
    fn only_approved_programs_run_where_there_is_a_list_chk_211() {
        let approved = query().code;
        let line = "approval = \"auto\"";
        let policy = with(line, &format!("{line}\nprograms = [\"{approved}\"]")).expect("a policy");
        assert_eq!(policy.check_query(&query()), vec![]);
        let other = Query { code: digest_bytes("test", b"other"), ..query() };
        assert_eq!(refusal(&policy, &other), ("POLICY_PROGRAM".into(), "query.programs".into()));
        let change = &policy.check_query(&other)[0].change;
        assert!(change.contains(&other.code.to_string()), "{change}");
        assert!(with(line, &format!("{line}\nprograms = []")).expect("a policy").check_query(&query()).len() == 1);
    }

    #[test]
    fn the_owner_needs_no_permission_of_its_own_to_ask() {
        let own = Query { querier: None, purpose: "", jobs_today: 1_000, ..query() };
        assert_eq!(policy().check_query(&own), vec![]);
        let own = Query { venue: Venue::Cvm, ..own };
        assert_eq!(refusal(&policy(), &own).0, "POLICY_VENUE");
    }

    #[test]
    fn a_policy_speaks_only_of_columns_that_exist() {
        let schema = fixtures::schema();
        assert_eq!(policy().check_schema(&schema), Ok(()));
        let misspelt = with("[columns.frequency]", "[columns.freqency]").expect("a policy");
        let error = misspelt.check_schema(&schema).expect_err("refused");
        let message = "columns.freqency: the dataset has no such column; did you mean frequency?";
        assert_eq!(error.to_string(), message);
        let summed = with("[\"join\"]", "[\"join\", \"sum\"]").expect("a policy");
        assert!(matches!(summed.check_schema(&schema), Err(PolicyError::Use { .. })));
        let empty = TableSchema { columns: vec![], ..schema };
        assert!(matches!(policy().check_schema(&empty), Err(PolicyError::UnknownColumn { near: None, .. })));
    }

    #[test]
    fn a_peer_reads_nothing_of_other_peers() {
        let policy = policy();
        assert!(policy.summary().contains("Assurance") && policy.summary().contains("at least 100 rows"));
        let summary = policy.summary_for("Banque");
        assert!(!summary.contains("Assurance") && summary.contains("queried by: you"), "{summary}");
        assert!(policy.summary_for("Assurance").contains("Outputs may go to: not you"));
        let rules = serde_json::to_string(&policy.rules(|_| None)).expect("json");
        assert!(!rules.contains("Banque") && !rules.contains("Assurance"), "{rules}");
    }

    #[test]
    fn loosening_is_told_clause_by_clause_chk_921() {
        assert_eq!(policy().loosened_by(&policy()), Vec::<String>::new());
        for (line, replacement, clause) in [
            ("[\"Banque\", \"Assurance\"]", "[\"Banque\", \"Assurance\", \"Other\"]", "query.organisations"),
            ("purposes = [\"marketing study\"]", "", "query.purposes"),
            ("[\"marketing study\"]", "[\"marketing study\", \"other\"]", "query.purposes"),
            ("[\"two-party\"]", "[\"two-party\", \"cvm\"]", "query.venues"),
            ("[\"revealed\"]", "[\"private\"]", "query.alignment"),
            ("2028-02-29", "2028-03-01", "query.expires"),
            ("expires = 2028-02-29", "", "query.expires"),
            ("= 20\n", "= 21\n", "query.jobs_per_day"),
            ("= 20\n", "= 20\nconcurrent_jobs = 2\n", "query.concurrent_jobs"),
            ("receivers = [\"Banque\"]", "receivers = [\"Assurance\"]", "release.receivers"),
            ("= 100", "= 99", "release.minimum_rows"),
            ("grid = \"0.01\"", "", "release.grid"),
            ("\"0.01\"", "\"0.015\"", "release.grid"),
            ("= 8", "= 9", "release.subset_masks"),
            ("= 8", "= 8\nweighted = true", "release.weighted"),
            ("= 8", "= 8\npositions = true", "release.positions"),
            ("[\"filter\"]", "[\"filter\", \"sum\"]", "columns.frequency.uses"),
            ("sensitive = true", "", "columns.frequency.sensitive"),
            ("[retention]", "[columns.amount]\nuses = [\"sum\"]\n[retention]", "columns.amount.uses"),
            ("= 7", "= 8", "retention.results_days"),
        ] {
            let looser = with(line, replacement).expect("a policy");
            assert_eq!(policy().loosened_by(&looser), [clause], "{replacement}");
        }
        let auto = with("\"auto\"", "\"ask\"").expect("a policy");
        assert_eq!(auto.loosened_by(&policy()), ["query.approval"]);
        for (line, replacement) in [
            ("\"auto\"", "\"ask\""),
            ("= 100", "= 101"),
            ("\"0.01\"", "\"0.1\""),
            ("[\"filter\"]", "[]"),
            ("\"auto\"", "\"auto\"\nprograms = []"),
        ] {
            let tighter = with(line, replacement).expect("a policy");
            assert_eq!(policy().loosened_by(&tighter), Vec::<String>::new(), "{replacement}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (date, days) in
            [((1970, 1, 1), 0), ((2000, 2, 29), 11_016), ((2027, 1, 31), 20_849), ((9999, 12, 31), 2_932_896)]
        {
            let day = Day::from_date(date.0, date.1, date.2).expect("a day");
            assert_eq!(day.starts(), days * 86_400, "{date:?}");
            assert_eq!(day.to_string(), format!("{:04}-{:02}-{:02}", date.0, date.1, date.2));
        }
        for date in [(1969, 12, 31), (2027, 2, 29), (2100, 2, 29), (2027, 4, 31), (2027, 13, 1), (2027, 1, 0)] {
            assert_eq!(Day::from_date(date.0, date.1, date.2), None, "{date:?}");
        }
    }
}
