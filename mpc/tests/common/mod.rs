//! What the whole-engine tests share: running a program on the plain evaluator, the ring interpreter and two parties.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod columns;
pub mod cover;
pub mod draw;
pub mod explain;
pub mod generate;
pub mod release;
pub mod tables;

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_mpc::channel::{Channel, Event, Recorder, pair};
use tacit_mpc::error::Result;
use tacit_mpc::inputs::{LocalTable, LocalTables};
use tacit_mpc::lattice::Lattice;
use tacit_mpc::offline::Stock;
use tacit_mpc::ot::SoftSpoken;
use tacit_mpc::plan::Plan;
use tacit_mpc::released::ReleasedValue;
use tacit_mpc::session::{self, Aligned, JobInput, OutputShares, Prepared};
use tacit_protocol::program::plain::{PlainTable, Trace};
use tacit_protocol::program::release::{Literal, ReleaseSpec};
use tacit_protocol::program::types::Dataset;
use tacit_protocol::program::{NodeId, Op, Output, Program, TypedProgram, infer, plain};
use tacit_protocol::{Number, PartyId};

/// A program with data, ready to run in every way.
pub struct Case {
    pub datasets: BTreeMap<String, Dataset>,
    pub tables: BTreeMap<String, PlainTable>,
    pub typed: TypedProgram,
    pub release: ReleaseSpec,
}

/// What one run of two parties gave.
pub struct TwoParties {
    pub released: [Result<Vec<ReleasedValue>>; 2],
    pub events: [Vec<Event>; 2],
}

/// The bytes with which each party agrees on a plan before it runs on nothing that was made before.
pub fn agreement(plan: &Plan) -> u64 {
    // The hash, and the name of a set-up.
    let named = 32 + 16;
    if plan.wants().expect("counts").is_empty() { named } else { named + 4 }
}

impl Case {
    pub fn new(
        datasets: BTreeMap<String, Dataset>,
        tables: BTreeMap<String, PlainTable>,
        program: &Program,
        release: ReleaseSpec,
    ) -> Self {
        let typed = infer(program, &datasets).expect("a well-typed program");
        Self { datasets, tables, typed, release }
    }

    /// The same program on the same keys with other cells and nulls.
    pub fn with_other_cells(&self, seed: u64) -> Self {
        let mut draw = draw::Draw::new(seed);
        let mut tables = BTreeMap::new();
        for (name, dataset) in &self.datasets {
            let mut table = tables::table(&mut draw, &dataset.schema);
            table.columns.insert("id".into(), self.tables[name].columns["id"].clone());
            tables.insert(name.clone(), table);
        }
        Self { datasets: self.datasets.clone(), tables, typed: self.typed.clone(), release: self.release.clone() }
    }

    /// The tables of the owners named.
    pub fn local(&self, owners: &[PartyId]) -> LocalTables {
        let mut local = LocalTables::new();
        for (name, dataset) in self.datasets.iter().filter(|(_, dataset)| owners.contains(&dataset.owner)) {
            let table = LocalTable::encode(&dataset.schema, &self.tables[name]).expect("tables keep to their schema");
            local.insert(name, table);
        }
        local
    }

    pub fn plain(&self) -> std::result::Result<Trace, tacit_protocol::program::ProgramError> {
        plain::trace(&self.typed, &self.tables)
    }

    /// The row counts of the loads and joins, from the plain evaluator. A program begins with its tables.
    pub fn sizes(&self) -> BTreeMap<NodeId, u64> {
        let nodes = &self.typed.program().nodes;
        let last = nodes.iter().rposition(|node| matches!(node.op, Op::Join { .. })).expect("a join");
        let value = NodeId(last as u32 + 1);
        let outputs = vec![Output { name: "it".into(), value, receivers: Vec::new(), within: None }];
        let start = Program { nodes: nodes[..=last + 1].to_vec(), outputs, ..Program::new() };
        let typed = infer(&start, &self.datasets).expect("a column follows the last join");
        plain::trace(&typed, &self.tables).expect("tables keep to their schema").rows().clone()
    }

    pub fn clear(&self) -> Result<(Plan, Vec<ReleasedValue>)> {
        session::run_clear(&self.typed, &self.release, &self.local(&[PartyId::ZERO, PartyId::ONE]))
    }

    /// The engine between two threads, on rows that are aligned in the clear.
    pub fn two_parties(&self, seed: u64) -> TwoParties {
        let both = self.local(&[PartyId::ZERO, PartyId::ONE]);
        let aligned = session::align_in_the_clear(&self.typed, &self.release, &both).expect("aligns");
        let (zero, one) = pair();
        let (first, second) = std::thread::scope(|scope| {
            let aligned = &aligned;
            let other = scope.spawn(move || self.party(PartyId::ONE, Recorder::new(one), aligned, seed));
            let first = self.party(PartyId::ZERO, Recorder::new(zero), aligned, seed);
            (first, other.join().expect("no panic"))
        });
        TwoParties { released: [first.0, second.0], events: [first.1, second.1] }
    }

    /// The output shares of both parties.
    pub fn shares(&self, seed: u64) -> [OutputShares; 2] {
        let both = self.local(&[PartyId::ZERO, PartyId::ONE]);
        let aligned = session::align_in_the_clear(&self.typed, &self.release, &both).expect("aligns");
        let (mut zero, mut one) = pair();
        std::thread::scope(|scope| {
            let aligned = &aligned;
            let other = scope.spawn(move || self.computed(PartyId::ONE, &mut one, aligned, seed).expect("computes"));
            [self.computed(PartyId::ZERO, &mut zero, aligned, seed).expect("computes"), other.join().expect("no panic")]
        })
    }

    fn computed(
        &self,
        party: PartyId,
        channel: &mut dyn Channel,
        aligned: &Aligned,
        seed: u64,
    ) -> Result<OutputShares> {
        let tables = self.local(&[party]);
        let (program, release) = (&self.typed, &self.release);
        let job = JobInput { program, release, party, tables: &tables, profiles: &[], session: [7; 32] };
        let mut rng = ChaCha20Rng::seed_from_u64(seed.rotate_left(1) ^ u64::from(party.0));
        let correlations = SoftSpoken::establish(channel, party, [9; 32], &mut rng)?;
        let plan = Plan::lower(program, release, aligned.sizes())?;
        let lattice = Lattice::establish(channel, party, plan.key_sizes()?, &mut rng)?;
        let mut prepared = Prepared { correlations, lattice, stock: Stock::default() };
        session::execute_with(channel, &job, aligned, &mut prepared, &mut |_| ())
    }

    fn party(
        &self,
        party: PartyId,
        mut channel: Recorder<tacit_mpc::channel::MemoryChannel>,
        aligned: &Aligned,
        seed: u64,
    ) -> (Result<Vec<ReleasedValue>>, Vec<Event>) {
        let shares = self.computed(party, &mut channel, aligned, seed);
        let released = shares.and_then(|shares| shares.open(&mut channel));
        let events = channel.events().to_vec();
        (released, events)
    }
}

pub fn number(text: &str) -> Number {
    text.parse().expect("a number")
}

pub fn node_of(literal: Literal) -> NodeId {
    let (Literal::True(node) | Literal::False(node) | Literal::Valid(node) | Literal::Invalid(node)) = literal;
    node
}
