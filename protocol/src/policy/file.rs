//! Reading a policy file (CHK-921).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::{
    Approval, ColumnClause, Day, POLICY_VERSION, Policy, Priority, PrivacyClause, QueryClause, ReleaseClause,
    RetentionClause, use_name,
};
use crate::canonical::Digest;
use crate::near::nearest;
use crate::privacy::Rho;
use crate::program::Alignment;
use crate::program::rules::ColumnUse;
use crate::schema::{Element, TableSchema};
use crate::terms::Venue;
use crate::{Code, Number, name};

/// The most bytes of a policy file.
const MAX_FILE_BYTES: usize = 64 * 1024;
/// The most entries of a list.
const MAX_ENTRIES: usize = 256;
/// The largest minimum of rows that can be asked for.
const MAX_MINIMUM_ROWS: u64 = 1 << 40;

/// A place in a file, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a policy file is not accepted. The code is `POLICY_PARSE`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is too large.
    #[error("a policy file has at most {MAX_FILE_BYTES} bytes")]
    TooBig,
    /// It is not TOML, or a value has another type than its key takes.
    #[error("{at}: {message}")]
    Syntax {
        /// Where.
        at: Position,
        /// What is wrong.
        message: String,
    },
    /// A key that no policy has.
    #[error("{at}: there is no key {path}{}", near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    UnknownKey {
        /// Where.
        at: Position,
        /// The key, with its section.
        path: String,
        /// A key of that section that may be meant.
        near: Option<String>,
    },
    /// A key that later versions will enforce.
    #[error("{at}: {path} is not enforced by this version, so it is refused rather than ignored")]
    Unsupported {
        /// Where.
        at: Position,
        /// The key, with its section.
        path: String,
    },
    /// A value that its key does not take.
    #[error("{at}: {path} {rule}")]
    Value {
        /// Where.
        at: Position,
        /// The key, with its section.
        path: String,
        /// What it has to be.
        rule: String,
    },
    /// A version that this node does not read.
    #[error("{at}: version {found}; this node reads version {POLICY_VERSION}")]
    Version {
        /// Where.
        at: Position,
        /// What it says.
        found: u64,
    },
    /// A column that the dataset does not have.
    #[error("columns.{column}: the dataset has no such column{}", near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    UnknownColumn {
        /// The column.
        column: String,
        /// A column of the dataset that may be meant.
        near: Option<String>,
    },
    /// Noise hides persons, and nothing says what one is (CHK-922).
    #[error(
        "privacy: the dataset has no unique key, so that nothing says which rows are of one person; import it with --key"
    )]
    Person,
    /// A use that the column's type does not have.
    #[error("columns.{column}.uses: a column of type {element} cannot be used for {column_use}")]
    Use {
        /// The column.
        column: String,
        /// Its type.
        element: String,
        /// The use.
        column_use: &'static str,
    },
}

impl PolicyError {
    /// Its stable code.
    pub fn code(&self) -> Code {
        Code::new("POLICY_PARSE")
    }
}

/// The keys of each section. `columns` has sections of its own below it.
const SECTIONS: [(&str, &[&str]); 5] = [
    (
        "query",
        &[
            "organisations",
            "purposes",
            "venues",
            "alignment",
            "approval",
            "programs",
            "expires",
            "jobs_per_day",
            "concurrent_jobs",
            "affiliates",
            "runs",
            "window_days",
            "alignments",
            "reimports",
            "priority",
        ],
    ),
    ("privacy", &["epsilon", "delta", "epsilon_total"]),
    (
        "release",
        &[
            "receivers",
            "minimum_rows",
            "grid",
            "weighted",
            "positions",
            "subset_masks",
            "thresholds",
            "dominance",
            "model",
        ],
    ),
    ("columns", &[]),
    ("retention", &["results_days"]),
];
const COLUMN_KEYS: &[&str] = &["uses", "sensitive"];
/// Keys of later versions.
const LATER: &[&str] = &["evidence", "query.evidence", "query.jurisdictions", "release.noise", "retention.inputs_days"];

#[derive(Deserialize)]
struct File {
    version: u64,
    #[serde(default)]
    query: Query,
    #[serde(default)]
    release: Release,
    privacy: Option<Privacy>,
    #[serde(default)]
    columns: BTreeMap<String, Column>,
    #[serde(default)]
    retention: Retention,
}

#[derive(Default, Deserialize)]
struct Query {
    #[serde(default)]
    organisations: Vec<String>,
    purposes: Option<Vec<String>>,
    #[serde(default)]
    venues: Vec<Venue>,
    #[serde(default)]
    alignment: Vec<Alignment>,
    #[serde(default)]
    approval: Approval,
    programs: Option<Vec<Digest>>,
    expires: Option<toml::value::Datetime>,
    jobs_per_day: Option<u32>,
    concurrent_jobs: Option<u32>,
    #[serde(default)]
    affiliates: Vec<Vec<String>>,
    runs: Option<u32>,
    window_days: Option<u32>,
    alignments: Option<u32>,
    reimports: Option<u32>,
    #[serde(default)]
    priority: Priority,
}

#[derive(Default, Deserialize)]
struct Release {
    #[serde(default)]
    receivers: Vec<String>,
    minimum_rows: Option<u64>,
    grid: Option<Number>,
    #[serde(default)]
    weighted: bool,
    #[serde(default)]
    positions: bool,
    #[serde(default)]
    subset_masks: u32,
    #[serde(default)]
    thresholds: u32,
    #[serde(default)]
    dominance: u32,
    #[serde(default)]
    model: bool,
}

#[derive(Deserialize)]
struct Privacy {
    epsilon: Number,
    delta: Option<Number>,
    epsilon_total: Option<Number>,
}

#[derive(Deserialize)]
struct Column {
    uses: Vec<ColumnUse>,
    #[serde(default)]
    sensitive: bool,
}

#[derive(Default, Deserialize)]
struct Retention {
    results_days: Option<u32>,
}

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    if text.len() > MAX_FILE_BYTES {
        return Err(PolicyError::TooBig);
    }
    let syntax = |error: toml::de::Error| {
        let at = position(text, error.span().map_or(0, |span| span.start));
        PolicyError::Syntax { at, message: error.message().to_owned() }
    };
    let document = DeTable::parse(text).map_err(syntax)?;
    let places = Places { text, root: document.get_ref() };
    places.check_keys()?;
    let file: File = toml::from_str(text).map_err(syntax)?;
    if file.version != u64::from(POLICY_VERSION) {
        return Err(PolicyError::Version { at: places.of(&["version"]), found: file.version });
    }
    Ok(Policy {
        version: POLICY_VERSION,
        query: query(file.query, &places)?,
        release: release(file.release, file.privacy.is_some(), &places)?,
        privacy: file.privacy.map(|clause| privacy(&clause, &places)).transpose()?,
        columns: file
            .columns
            .into_iter()
            .map(|(name, column)| {
                let uses = set(column.uses, &["columns", &name, "uses"], &places)?;
                Ok((name, ColumnClause { uses, sensitive: column.sensitive }))
            })
            .collect::<Result<_, PolicyError>>()?,
        retention: RetentionClause {
            results_days: within(file.retention.results_days, 30, 3_650, &["retention", "results_days"], &places)?,
        },
    })
}

fn query(query: Query, places: &Places<'_>) -> Result<QueryClause, PolicyError> {
    let purposes = match query.purposes {
        None => None,
        Some(purposes) => {
            let path = ["query", "purposes"];
            let well_formed = |text: &String| {
                (1..=crate::terms::limits::PURPOSE_CHARS).contains(&text.chars().count())
                    && !text.chars().any(name::is_forbidden)
            };
            if !purposes.iter().all(well_formed) {
                return Err(places.value(&path, "has lines of 1 to 200 characters"));
            }
            Some(set(purposes, &path, places)?)
        }
    };
    let expires = match query.expires {
        None => None,
        Some(date) => {
            let day = date
                .date
                .filter(|_| date.time.is_none() && date.offset.is_none())
                .and_then(|date| Day::from_date(date.year, date.month, date.day));
            Some(day.ok_or_else(|| places.value(&["query", "expires"], "is a day such as 2027-01-31"))?)
        }
    };
    Ok(QueryClause {
        organisations: organisations(query.organisations, &["query", "organisations"], places)?,
        purposes,
        venues: set(query.venues, &["query", "venues"], places)?,
        alignment: set(query.alignment, &["query", "alignment"], places)?,
        approval: query.approval,
        programs: query.programs.map(|programs| set(programs, &["query", "programs"], places)).transpose()?,
        expires,
        jobs_per_day: within(query.jobs_per_day, 16, 10_000, &["query", "jobs_per_day"], places)?,
        concurrent_jobs: within(query.concurrent_jobs, 1, 64, &["query", "concurrent_jobs"], places)?,
        affiliates: affiliates(query.affiliates, places)?,
        runs: within(query.runs, 100, 10_000, &["query", "runs"], places)?,
        window_days: within(query.window_days, 30, 3_650, &["query", "window_days"], places)?,
        alignments: query
            .alignments
            .map(|most| within(Some(most), 1, 1_000_000, &["query", "alignments"], places))
            .transpose()?,
        reimports: within(query.reimports, 8, 10_000, &["query", "reimports"], places)?,
        priority: query.priority,
    })
}

fn release(release: Release, noise: bool, places: &Places<'_>) -> Result<ReleaseClause, PolicyError> {
    let receivers = organisations(release.receivers, &["release", "receivers"], places)?;
    let path = ["release", "minimum_rows"];
    let minimum_rows = match release.minimum_rows {
        Some(1..) if noise => {
            return Err(places.value(
                &path,
                "has no place beside a section `privacy`: noise hides a person, a count of rows would tell",
            ));
        }
        Some(rows) if rows <= MAX_MINIMUM_ROWS => rows,
        Some(_) => return Err(places.value(&path, "is at most 2^40")),
        None if receivers.is_empty() || noise => 0,
        None => return Err(places.value(&path, "must be stated where there are receivers (0: no minimum)")),
    };
    if release.grid.is_some_and(|grid| grid <= Number::ZERO) {
        return Err(places.value(&["release", "grid"], "is larger than 0"));
    }
    if release.thresholds > 1 {
        // R12: at most one for each aggregate.
        return Err(places.value(&["release", "thresholds"], "is 0 or 1"));
    }
    if release.dominance > 100 {
        return Err(places.value(&["release", "dominance"], "is a percentage of at most 100"));
    }
    if release.dominance > 0 && noise {
        let path = ["release", "dominance"];
        return Err(
            places.value(&path, "has no place beside a section `privacy`: what is kept back would be told exactly")
        );
    }
    Ok(ReleaseClause {
        dominance: release.dominance,
        thresholds: release.thresholds,
        model: release.model,
        receivers,
        minimum_rows,
        grid: release.grid,
        weighted: release.weighted,
        positions: release.positions,
        subset_masks: release.subset_masks,
    })
}

fn privacy(clause: &Privacy, places: &Places<'_>) -> Result<PrivacyClause, PolicyError> {
    let path = |key| ["privacy", key];
    let delta = clause.delta.unwrap_or_else(default_delta);
    let check = |key: &'static str, epsilon: Number| {
        let budget = Rho::from_epsilon(epsilon.to_f64(), delta.to_f64());
        budget.map_err(|error| places.value(&path(key), format!("is no budget: {error}")))
    };
    let own = check("epsilon", clause.epsilon)?;
    if let Some(total) = clause.epsilon_total
        && check("epsilon_total", total)? < own
    {
        return Err(places.value(&path("epsilon_total"), "is less than what one organisation may learn"));
    }
    Ok(PrivacyClause { epsilon: clause.epsilon, delta, epsilon_total: clause.epsilon_total })
}

fn default_delta() -> Number {
    Number::new(1, 6).expect("a number of six digits")
}

/// Groups of organisations that share what they learn. Each has at least two, and no organisation is in two groups.
fn affiliates(groups: Vec<Vec<String>>, places: &Places<'_>) -> Result<BTreeSet<BTreeSet<String>>, PolicyError> {
    let path = ["query", "affiliates"];
    let groups: Vec<BTreeSet<String>> =
        groups.into_iter().map(|group| organisations(group, &path, places)).collect::<Result<_, _>>()?;
    if groups.iter().any(|group| group.len() < 2) {
        return Err(places.value(&path, "has groups of at least two organisations"));
    }
    let all: usize = groups.iter().map(BTreeSet::len).sum();
    if groups.iter().flatten().collect::<BTreeSet<_>>().len() < all {
        return Err(places.value(&path, "has no organisation in two groups"));
    }
    set(groups, &path, places)
}

fn organisations(names: Vec<String>, path: &[&str], places: &Places<'_>) -> Result<BTreeSet<String>, PolicyError> {
    for name in &names {
        name::check_organisation(name).map_err(|error| places.value(path, format!("names {name:?}: {error}")))?;
    }
    set(names, path, places)
}

/// The entries as a set; one that is there twice is an error, because something else was meant.
fn set<T: Ord>(entries: Vec<T>, path: &[&str], places: &Places<'_>) -> Result<BTreeSet<T>, PolicyError> {
    let length = entries.len();
    let set: BTreeSet<T> = entries.into_iter().collect();
    if length > MAX_ENTRIES {
        return Err(places.value(path, format!("has at most {MAX_ENTRIES} entries")));
    }
    if set.len() < length { Err(places.value(path, "has an entry twice")) } else { Ok(set) }
}

fn within(value: Option<u32>, default: u32, most: u32, path: &[&str], places: &Places<'_>) -> Result<u32, PolicyError> {
    match value {
        None => Ok(default),
        Some(value) if (1..=most).contains(&value) => Ok(value),
        Some(_) => Err(places.value(path, format!("is 1 to {most}"))),
    }
}

/// The keys of a file and where they stand.
struct Places<'a> {
    text: &'a str,
    root: &'a DeTable<'a>,
}

impl Places<'_> {
    /// Refuses keys that no policy has, and those that only later versions have.
    fn check_keys(&self) -> Result<(), PolicyError> {
        let sections: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).chain(["version"]).collect();
        check_table(self, self.root, "", &sections)?;
        for (section, keys) in SECTIONS {
            let Some(DeValue::Table(table)) = entry(self.root, section) else { continue };
            if section != "columns" {
                check_table(self, table, section, keys)?;
                continue;
            }
            for (name, value) in table.iter() {
                if let DeValue::Table(column) = value.get_ref() {
                    check_table(self, column, &format!("columns.{}", name.get_ref()), COLUMN_KEYS)?;
                }
            }
        }
        Ok(())
    }

    /// Where a key stands; where its section stands, if it is absent.
    fn of(&self, path: &[&str]) -> Position {
        let (mut table, mut start) = (self.root, 0);
        for step in path {
            let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == step) else { break };
            start = key.span().start;
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        position(self.text, start)
    }

    fn value(&self, path: &[&str], rule: impl Into<String>) -> PolicyError {
        PolicyError::Value { at: self.of(path), path: path.join("."), rule: rule.into() }
    }
}

fn check_table(places: &Places<'_>, table: &DeTable<'_>, section: &str, known: &[&str]) -> Result<(), PolicyError> {
    for (key, _) in table.iter() {
        let name: &str = key.get_ref();
        if known.contains(&name) {
            continue;
        }
        let at = position(places.text, key.span().start);
        let path = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        if LATER.contains(&path.as_str()) {
            return Err(PolicyError::Unsupported { at, path });
        }
        let near = nearest(name, known.iter().copied()).map(str::to_owned);
        return Err(PolicyError::UnknownKey { at, path, near });
    }
    Ok(())
}

fn entry<'a>(table: &'a DeTable<'a>, name: &str) -> Option<&'a DeValue<'a>> {
    table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value.get_ref())
}

fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

impl Policy {
    /// Whether the policy fits a dataset: it speaks of no column that the dataset does not have, and of no use that a
    /// column's type does not have.
    ///
    /// # Errors
    /// `POLICY_PARSE`, with the column that may be meant.
    pub fn check_schema(&self, schema: &TableSchema) -> Result<(), PolicyError> {
        for (column, clause) in &self.columns {
            let Some(found) = schema.column(column) else {
                let near = nearest(column, schema.columns.iter().map(|c| c.name.as_str())).map(str::to_owned);
                return Err(PolicyError::UnknownColumn { column: column.clone(), near });
            };
            let is_key = found.element == Element::Key;
            if let Some(wrong) = clause.uses.iter().find(|&&u| is_key && u != ColumnUse::Join) {
                let element = found.element.name();
                return Err(PolicyError::Use { column: column.clone(), element, column_use: use_name(*wrong) });
            }
        }
        if self.privacy.is_some() && schema.unique_key.is_none() {
            return Err(PolicyError::Person);
        }
        Ok(())
    }
}
