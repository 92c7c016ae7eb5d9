//! Alignment of a run: which rows of each party's tables make the rows of each join, and how many there are.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use tacit_protocol::PartyId;
use tacit_protocol::program::release::ReleaseSpec;
use tacit_protocol::program::{Alignment, NodeId, Op, TypedProgram};

use super::{JobInput, Progress};
use crate::channel::Channel;
use crate::error::{Error, Result};
use crate::inputs::{Cells, JoinRows, LocalTables};
use crate::psi;

/// The rows of a run: public counts, and this party's own rows behind each join.
#[derive(Clone, Default)]
pub struct Aligned {
    sizes: BTreeMap<NodeId, u64>,
    overlap: BTreeMap<NodeId, u64>,
    rows: JoinRows,
}

impl std::fmt::Debug for Aligned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Aligned({:?}, rows <redacted>)", self.sizes)
    }
}

impl Aligned {
    /// The row count of each load and join.
    pub fn sizes(&self) -> &BTreeMap<NodeId, u64> {
        &self.sizes
    }

    /// The row count of each join.
    pub fn overlap(&self) -> BTreeMap<NodeId, u64> {
        self.overlap.clone()
    }

    pub(super) fn rows(&self) -> &JoinRows {
        &self.rows
    }

    /// Ends the run where a join has fewer rows than the owners demand (CHK-505). Both sides know the count, so both
    /// end with the same code.
    fn check_minimum(&self, release: &ReleaseSpec) -> Result<()> {
        for minimum in &release.minimum_overlap {
            let rows = self.overlap.get(&minimum.join).copied().unwrap_or(0);
            if rows < minimum.rows {
                let cause = format!("fewer than {} rows of the join {} match", minimum.rows, minimum.join);
                return Err(Error::refused("ALIGN_BELOW_MINIMUM", cause));
            }
        }
        Ok(())
    }
}

/// One side of a join: a dataset and its key column.
struct Side<'a> {
    owner: PartyId,
    dataset: &'a str,
    key: &'a str,
    rows: u64,
}

/// The joins of a program with their sides, in order.
type Joins<'a> = Vec<(NodeId, [Side<'a>; 2])>;

/// The rows of each load, and the joins.
fn tables(program: &TypedProgram) -> Result<(BTreeMap<NodeId, u64>, Joins<'_>)> {
    let nodes = &program.program().nodes;
    let (mut sizes, mut joins) = (BTreeMap::new(), Vec::new());
    for (place, node) in nodes.iter().enumerate() {
        let id = NodeId(u32::try_from(place).unwrap_or(u32::MAX));
        match &node.op {
            Op::Load { dataset } => {
                let known = program.datasets().get(dataset);
                sizes.insert(id, known.map_or(0, |dataset| dataset.schema.rows));
            }
            Op::Join { left, right, left_on, right_on, alignment: Alignment::Revealed } => {
                let (left, right) = (side(program, *left, left_on)?, side(program, *right, right_on)?);
                if left.owner == right.owner {
                    return Err(unsupported(id, "datasets of different parties only"));
                }
                joins.push((id, [left, right]));
            }
            Op::Join { .. } => return Err(unsupported(id, "with revealed alignment only")),
            _ => {}
        }
    }
    Ok((sizes, joins))
}

fn unsupported(join: NodeId, what: &str) -> Error {
    Error::refused("PROGRAM_ALIGNMENT", format!("{join}: this engine joins {what}"))
}

/// The load behind a table and its filters.
fn side<'a>(program: &'a TypedProgram, table: NodeId, key: &'a str) -> Result<Side<'a>> {
    let nodes = &program.program().nodes;
    let mut at = table;
    loop {
        match nodes.get(at.index()).map(|node| &node.op) {
            Some(Op::Filter { table, .. }) => at = *table,
            Some(Op::Load { dataset }) => {
                let Some(known) = program.datasets().get(dataset) else {
                    return Err(Error::refused("DATASET_UNKNOWN", format!("there is no dataset {dataset:?}")));
                };
                return Ok(Side { owner: known.owner, dataset, key, rows: known.schema.rows });
            }
            _ => return Err(unsupported(at, "loaded tables, and no joined ones")),
        }
    }
}

/// The keys of a side. A null key matches nothing: in its place stands a random one.
fn keys(tables: &LocalTables, side: &Side<'_>, rng: &mut dyn CryptoRng) -> Result<Vec<Vec<u8>>> {
    let column = tables.column(side.dataset, side.key);
    let Some((column, Cells::Keys(cells))) = column.map(|column| (column, &column.cells)) else {
        let cause = format!("{} has no key column {:?}", side.dataset, side.key);
        return Err(Error::refused("INPUT_SCHEMA", cause));
    };
    let mut keys = Vec::with_capacity(cells.len());
    for (place, key) in cells.iter().enumerate() {
        let valid = column.valid.as_ref().is_none_or(|valid| valid[place]);
        // A tag keeps the two kinds apart.
        let mut bytes = vec![u8::from(valid)];
        if valid {
            bytes.extend_from_slice(key);
        } else {
            let mut random = [0; 32];
            rng.fill_bytes(&mut random);
            bytes.extend_from_slice(&random);
        }
        keys.push(bytes);
    }
    Ok(keys)
}

/// Aligns every join of the program with the peer.
///
/// # Errors
/// `ALIGN_BELOW_MINIMUM` on both sides when too few rows match, `ALIGN_DUPLICATE_KEYS`, `INPUT_SCHEMA`,
/// `PROGRAM_ALIGNMENT` for joins that this engine lacks, and those of the channel.
pub fn align(
    channel: &mut dyn Channel,
    job: &JobInput<'_>,
    rng: &mut dyn CryptoRng,
    observer: &mut dyn FnMut(Progress),
) -> Result<Aligned> {
    let (sizes, joins) = tables(job.program)?;
    let mut aligned = Aligned { sizes, ..Aligned::default() };
    for (join, [left, right]) in joins {
        let (own, peer) = if left.owner == job.party { (left, right) } else { (right, left) };
        let keys = keys(job.tables, &own, rng)?;
        let session: [u8; 32] = Sha256::new()
            .chain_update(b"tacit/session/align/1")
            .chain_update(job.session)
            .chain_update(join.0.to_le_bytes())
            .finalize()
            .into();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let rows = psi::align(channel, job.party, &keys, peer.rows, &session, rng)?;
        let matched = rows.len() as u64;
        aligned.sizes.insert(join, matched);
        aligned.overlap.insert(join, matched);
        aligned.rows.insert((join, job.party), rows);
        observer(Progress::Overlap { join, rows: matched });
    }
    aligned.check_minimum(job.release)?;
    Ok(aligned)
}

/// The same with the tables of both parties in one process.
///
/// # Errors
/// As [`align`].
pub fn align_in_the_clear(program: &TypedProgram, release: &ReleaseSpec, both: &LocalTables) -> Result<Aligned> {
    let (sizes, joins) = tables(program)?;
    let mut aligned = Aligned { sizes, ..Aligned::default() };
    for (join, sides) in joins {
        let mut found: [BTreeMap<&[u8], u32>; 2] = Default::default();
        for (found, side) in found.iter_mut().zip(&sides) {
            let column = both.column(side.dataset, side.key);
            let Some((column, Cells::Keys(cells))) = column.map(|column| (column, &column.cells)) else {
                let cause = format!("{} has no key column {:?}", side.dataset, side.key);
                return Err(Error::refused("INPUT_SCHEMA", cause));
            };
            for (place, key) in cells.iter().enumerate() {
                if column.valid.as_ref().is_none_or(|valid| valid[place])
                    && found.insert(key, u32::try_from(place).unwrap_or(u32::MAX)).is_some()
                {
                    return Err(Error::refused("ALIGN_DUPLICATE_KEYS", format!("{} repeats keys", side.dataset)));
                }
            }
        }
        let [left, right] = found;
        let pairs: Vec<(u32, u32)> = left.iter().filter_map(|(key, row)| Some((*row, *right.get(key)?))).collect();
        aligned.sizes.insert(join, pairs.len() as u64);
        aligned.overlap.insert(join, pairs.len() as u64);
        aligned.rows.insert((join, sides[0].owner), pairs.iter().map(|pair| pair.0).collect());
        aligned.rows.insert((join, sides[1].owner), pairs.iter().map(|pair| pair.1).collect());
    }
    aligned.check_minimum(release)?;
    Ok(aligned)
}
