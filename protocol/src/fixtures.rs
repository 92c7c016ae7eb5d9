//! A small job that the tests of this crate share.

use crate::canonical::{Nonce, digest, digest_bytes};
use crate::contract::{CONTRACT_VERSION, ChannelKey, ChannelOffer, Contract, Profile, SignedContract, Suite};
use crate::identity::Identity;
use crate::policy::Policy;
use crate::program::disclosure::{Fact, Learned};
use crate::program::release::{Gate, GateRule, Literal, ReleaseSpec, ReleasedOutput};
use crate::program::{Alignment, Binary, Dim, Node, NodeId, Op, Output, Program, Reduction};
use crate::receipt::{OutputStatus, PartyAccount, ResultOpening};
use crate::schema::{ColumnSchema, Element, Range, TableSchema};
use crate::terms::{
    JobCode, OwnedDataset, Proposal, ProposedDataset, Receiver, RunLimits, TERMS_VERSION, Terms, TermsDataset,
    TermsParty, Venue, in_canonical_order, schema_digest,
};
use crate::{Digest, Number, PartyId};

pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) const POLICY: &str = r#"
version = 1

[query]
organisations = ["Banque", "Assurance"]
purposes = ["marketing study"]
venues = ["two-party"]
alignment = ["revealed"]
approval = "auto"
expires = 2028-02-29
jobs_per_day = 20

[release]
receivers = ["Banque"]
minimum_rows = 100
grid = "0.01"
subset_masks = 8

[columns.customer]
uses = ["join"]

[columns.frequency]
uses = ["filter"]
sensitive = true

[retention]
results_days = 7
"#;

/// The nodes in canonical order, with their organisations.
pub(crate) fn nodes() -> [(Identity, &'static str); 2] {
    let mut nodes = [(Identity::from_seed(&[1; 32]), "Maison"), (Identity::from_seed(&[2; 32]), "Banque")];
    nodes.sort_by_key(|(identity, _)| identity.peer());
    nodes
}

pub(crate) fn party(organisation: &str) -> PartyId {
    let place = nodes().iter().position(|(_, name)| *name == organisation).expect("a party");
    PartyId(u8::try_from(place).expect("two parties"))
}

pub(crate) fn schema() -> TableSchema {
    let range = Range { lo: Number::ZERO, hi: Number::from(1_000) };
    TableSchema {
        columns: vec![
            ColumnSchema { name: "customer".into(), element: Element::Key, range: None, nullable: false },
            ColumnSchema { name: "frequency".into(), element: Element::Int64, range: Some(range), nullable: true },
        ],
        rows: 5_000,
        unique_key: Some("customer".into()),
    }
}

pub(crate) fn program() -> Program {
    let mut program = Program::new();
    let left = program.push(Op::Load { dataset: "banque/accounts".into() });
    let right = program.push(Op::Load { dataset: "maison/customers".into() });
    let (left_on, right_on) = ("customer".to_owned(), "customer".to_owned());
    let joined = program.push(Op::Join { left, right, left_on, right_on, alignment: Alignment::Revealed });
    let frequency = program.push(Op::Column { table: joined, column: "frequency".into() });
    let two = Number::from(2);
    let shape = vec![Dim::rows_of(joined)];
    let threshold = program.push(Op::Full { element: Element::Int64, shape, value: two });
    let mask = program.push(Op::Binary { function: Binary::Greater, left: frequency, right: threshold });
    program.nodes.push(Node {
        op: Op::Reduce { function: Reduction::Sum, value: mask, axes: vec![], keep_dims: false, mask: None },
        name: Some("number".into()),
    });
    let output = Output { name: "number".into(), value: NodeId(6), receivers: vec![], within: None };
    program.outputs.push(output);
    program
}

pub(crate) fn proposal() -> Proposal {
    let dataset = |owner: &str, dataset: &str| ProposedDataset {
        name: format!("{}/{dataset}", owner.to_lowercase()),
        owner: party(owner),
        dataset: dataset.into(),
        version: 3,
        schema: schema(),
    };
    Proposal {
        version: TERMS_VERSION,
        nonce: Nonce::from_bytes([7; 16]),
        code: JobCode::Program(program()),
        parties: in_canonical_order(
            nodes().map(|(identity, name)| TermsParty { peer: identity.peer(), organisation: name.into() }).to_vec(),
        ),
        proposer: party("Banque"),
        analyst: "ada".into(),
        datasets: vec![dataset("Banque", "accounts"), dataset("Maison", "customers")],
        venue: Venue::TwoParty,
        purpose: "marketing study".into(),
        limits: RunLimits { seconds: 3_600, bytes: 1 << 30 },
        priority: crate::policy::Priority::Normal,
        own: vec![owned("banque/accounts")],
    }
}

pub(crate) fn owned(name: &str) -> OwnedDataset {
    let policy = Policy::parse(POLICY).expect("a policy");
    OwnedDataset {
        name: name.into(),
        input: digest("test/input", name),
        policy: policy.digest(),
        rules: policy.rules(|organisation| nodes().iter().any(|n| n.1 == organisation).then(|| party(organisation))),
    }
}

pub(crate) fn terms() -> Terms {
    let proposal = proposal();
    let datasets = proposal
        .datasets
        .iter()
        .map(|dataset| {
            let OwnedDataset { name, input, policy, rules } = owned(&dataset.name);
            TermsDataset {
                name,
                owner: dataset.owner,
                dataset: dataset.dataset.clone(),
                version: dataset.version,
                schema: schema_digest(&dataset.schema),
                rows: dataset.schema.rows,
                input,
                policy,
                rules,
            }
        })
        .collect();
    let gate = Gate { rows_of: NodeId(2), support: vec![vec![Literal::True(NodeId(5))]], rule: GateRule::AtLeast(100) };
    let receiver = party("Banque");
    let output = ReleasedOutput {
        name: "number".into(),
        value: NodeId(6),
        receivers: vec![receiver],
        gates: vec![gate],
        grid: None,
        noise: Vec::new(),
        dominance: Vec::new(),
    };
    let learned = |party: PartyId| {
        let value = Fact::Value { output: "number".into(), grid: None };
        Learned { party, facts: if party == receiver { vec![value] } else { vec![] } }
    };
    Terms {
        version: TERMS_VERSION,
        code: proposal.code,
        parties: proposal.parties,
        proposer: proposal.proposer,
        analyst: proposal.analyst,
        datasets,
        release: ReleaseSpec { outputs: vec![output], minimum_overlap: vec![] },
        receivers: vec![Receiver::Party(receiver)],
        venue: proposal.venue,
        purpose: proposal.purpose,
        disclosures: vec![learned(PartyId::ZERO), learned(PartyId::ONE)],
        limits: proposal.limits,
    }
}

pub(crate) fn contract() -> Contract {
    let (terms, proposal) = (terms(), proposal());
    let offer = |n: u8| ChannelOffer {
        key: ChannelKey::from_bytes([n; 32]),
        addresses: vec![format!("/ip4/203.0.113.{n}/tcp/4002")],
    };
    Contract {
        version: CONTRACT_VERSION,
        terms_digest: terms.digest(),
        job: proposal.job_id().expect("a job id"),
        terms,
        nonce: proposal.nonce,
        start_by: NOW + 600,
        deadline: NOW + 4_200,
        profiles: vec![Profile { core_speed: 9, round_trip: 10, bandwidth: 27 }; 2],
        planner_version: 1,
        suite: Suite::CURRENT,
        ring_bits: 64,
        channels: vec![offer(1), offer(2)],
        evidence: vec![None, None],
    }
}

pub(crate) fn signed_contract() -> SignedContract {
    let contract = contract();
    let signatures = nodes().iter().map(|(identity, _)| contract.sign(identity).expect("a party")).collect();
    SignedContract { contract, signatures }
}

pub(crate) fn opening() -> ResultOpening {
    ResultOpening {
        job: contract().job,
        output: "number".into(),
        status: OutputStatus::Released,
        value: "1234".into(),
        salt: crate::canonical::Salt::from_bytes([5; 32]),
    }
}

pub(crate) fn accounts() -> Vec<PartyAccount> {
    let account = |place: u8| PartyAccount {
        sent: 1_000,
        received: 1_000,
        rounds: 12,
        started: NOW + u64::from(place),
        ended: NOW + 60 + u64::from(place),
        software: "tacit 0.1.0".into(),
        results: vec![(PartyId(place) == party("Banque")).then(|| opening().commitment())],
        log: crate::log::EMPTY,
        budget: None,
    };
    vec![account(0), account(1)]
}

/// Some digest.
pub(crate) fn any_digest() -> Digest {
    digest_bytes("test", b"any")
}
