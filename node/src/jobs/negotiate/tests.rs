//! A shop owns customers, a bank asks about them: what each derives, and what the shop refuses.

use std::collections::BTreeMap;

use tacit_protocol::canonical::{Nonce, digest_bytes};
use tacit_protocol::contract::{ChannelKey, Contract};
use tacit_protocol::identity::Identity;
use tacit_protocol::schema::{ColumnSchema, Element, Range};
use tacit_protocol::terms::{JobCode, ProposedDataset, RunLimits, TermsParty, Venue, in_canonical_order};
use tacit_sdk::ProgramBuilder;

use super::super::record::{JobRecord, Role};
use super::*;
use tacit_protocol::job::JobState;

pub(in crate::jobs) const NOW: u64 = 1_800_000_000;
pub(in crate::jobs) const SHOP: &str = r#"
version = 1
[query]
organisations = ["banque"]
venues = ["two-party"]
alignment = ["revealed"]
[release]
receivers = ["banque"]
minimum_rows = 100
grid = "0.01"
subset_masks = 8
[columns.id]
uses = ["join"]
[columns.frequency]
uses = ["filter", "count"]
"#;
pub(in crate::jobs) const BANK: &str = r#"
version = 1
[query]
organisations = []
venues = ["two-party"]
alignment = ["revealed"]
[release]
receivers = []
[columns.id]
uses = ["join"]
[columns.balance]
uses = ["filter", "count"]
"#;

pub(in crate::jobs) fn identity(name: &str) -> Identity {
    Identity::from_seed(&[name.len() as u8 + name.as_bytes()[0]; 32])
}

fn schema(column: &str) -> TableSchema {
    let number = |value: i64| value.into();
    let key = ColumnSchema { name: "id".into(), element: Element::Key, range: None, nullable: false };
    let range = Some(Range { lo: number(0), hi: number(1_000) });
    let column = ColumnSchema { name: column.into(), element: Element::Int64, range, nullable: false };
    TableSchema { columns: vec![key, column], rows: 5_000, unique_key: Some("id".into()) }
}

pub(in crate::jobs) fn data(policy: &str, column: &str) -> OwnData {
    let root = digest_bytes("test", column.as_bytes());
    OwnData {
        version: 3,
        lineage: [1; 16],
        schema: schema(column),
        root,
        policy: Policy::parse(policy).expect("a policy"),
    }
}

/// What a node knows: its own dataset, under its name.
pub(in crate::jobs) fn knowledge<'a>(me: &str, own: &'a BTreeMap<&str, OwnData>) -> Knowledge<'a> {
    Knowledge {
        me: identity(me).peer(),
        own: Box::new(|name| Ok(own.get(name).cloned())),
        name_of: Box::new(|peer| {
            ["maison", "banque"].into_iter().find(|name| identity(name).peer() == *peer).map(str::to_owned)
        }),
        usage: Box::new(|_, _, _| Usage::default()),
        budget: Box::new(|_, _, _| Ok(())),
        history: Box::new(|_, _, _| Ok(Remembered::default())),
        now: NOW,
    }
}

fn shop() -> BTreeMap<&'static str, OwnData> {
    BTreeMap::from([("customers", data(SHOP, "frequency"))])
}

fn bank() -> BTreeMap<&'static str, OwnData> {
    BTreeMap::from([("accounts", data(BANK, "balance"))])
}

/// The bank asks the shop for one number.
pub(in crate::jobs) fn proposal() -> Proposal {
    let program = ProgramBuilder::new();
    let joined = program.table("maison/customers").join(&program.table("banque/accounts"), "id");
    let selected = joined.column("frequency").gt(2) & joined.column("balance").gt(100);
    program.release("number", &selected.sum());

    let parties =
        ["maison", "banque"].map(|name| TermsParty { peer: identity(name).peer(), organisation: name.into() });
    let parties = in_canonical_order(parties.to_vec());
    let place = |name: &str| {
        let place = parties.iter().position(|party| party.organisation == name).expect("a party");
        PartyId(u8::try_from(place).expect("two parties"))
    };
    let dataset = |owner: &str, dataset: &str, column: &str| ProposedDataset {
        name: format!("{owner}/{dataset}"),
        owner: place(owner),
        dataset: dataset.into(),
        version: 3,
        schema: schema(column),
    };
    let datasets = vec![dataset("banque", "accounts", "balance"), dataset("maison", "customers", "frequency")];
    let proposer = place("banque");
    let mut proposal = Proposal {
        version: TERMS_VERSION,
        nonce: Nonce::from_bytes([7; 16]),
        code: JobCode::Program(program.build()),
        parties,
        proposer,
        analyst: "operator".into(),
        datasets,
        venue: Venue::TwoParty,
        purpose: String::new(),
        limits: RunLimits { seconds: 600, bytes: 1 << 30 },
        priority: tacit_protocol::policy::Priority::Normal,
        own: Vec::new(),
    };
    proposal.own = vec![part(&proposal, "banque/accounts", &bank()["accounts"])];
    proposal
}

fn part(proposal: &Proposal, name: &str, data: &OwnData) -> OwnedDataset {
    let rules = rules(&data.policy, proposal);
    OwnedDataset { name: name.into(), input: data.root, policy: data.policy.digest(), rules }
}

fn refusal(proposal: &Proposal, own: &BTreeMap<&str, OwnData>) -> Failure {
    let rejected = review(proposal, &knowledge("maison", own)).expect_err("a refusal");
    rejected.to_failure(|party| party.to_string())
}

fn code(proposal: &Proposal, own: &BTreeMap<&str, OwnData>) -> String {
    refusal(proposal, own).code.to_string()
}

#[test]
fn the_owner_derives_what_each_party_learns_and_its_own_gate() {
    let review = review(&proposal(), &knowledge("maison", &shop())).expect("allowed");
    let derived = review.derived.expect("the owner knows all rules");
    assert_eq!(derived.analysis.release.minimum_overlap[0].rows, 100);
    assert!(!derived.analysis.release.outputs[0].gates.is_empty());
    assert!(review.ask, "an operator is asked unless the policy says `auto`");
}

#[test]
fn a_job_takes_no_array_that_is_handed_in() {
    let mut proposal = proposal();
    let JobCode::Program(program) = &mut proposal.code else { panic!("a program") };
    program.push(tacit_protocol::program::Op::Input {
        from: tacit_protocol::program::InputSource::Party(PartyId::ZERO),
        element: Element::Int64,
        shape: vec![3],
        lo: 0.into(),
        hi: 1.into(),
    });
    let refused = typed(&proposal).expect_err("a job reads datasets");
    assert_eq!(refused.code.as_str(), "PROGRAM_INPUT");
    assert!(refused.message.contains("handed in") && refused.next.contains("direct session"), "{refused:?}");
    // The owner refuses it too, whatever its proposer did.
    assert_eq!(code(&proposal, &shop()), "PROGRAM_INPUT");
}

/// Attack 33 of the security note.
#[test]
fn chk_205_a_forbidden_dataset_is_answered_like_one_that_is_not_there() {
    let hidden = SHOP.replace(r#"["banque"]"#, "[]");
    let hidden = BTreeMap::from([("customers", data(&hidden, "frequency"))]);
    assert_eq!(refusal(&proposal(), &hidden), refusal(&proposal(), &BTreeMap::new()));
    assert_eq!(code(&proposal(), &hidden), "DATASET_UNKNOWN");
}

#[test]
fn chk_206_another_version_or_schema_is_stale() {
    let mut other = shop();
    other.get_mut("customers").expect("there").version = 4;
    assert_eq!(code(&proposal(), &other), "DATASET_STALE");
    let mut widened = proposal();
    widened.datasets[1].schema.columns[1].range = Some(Range { lo: 0.into(), hi: 10.into() });
    assert_eq!(code(&widened, &shop()), "DATASET_STALE", "CHK-208: ranges are the owner's");
}

#[test]
fn chk_108_an_organisation_goes_by_the_name_under_which_it_is_paired() {
    let mut renamed = proposal();
    let bank = renamed.proposer.index();
    renamed.parties[bank].organisation = "assurance".into();
    assert_eq!(code(&renamed, &shop()), "PEER_NAME");
}

#[test]
fn chk_211_limits_count_the_jobs_of_the_asker() {
    let limited = SHOP.replace("[release]", "jobs_per_day = 2\nconcurrent_jobs = 3\n[release]");
    let own = BTreeMap::from([("customers", data(&limited, "frequency"))]);
    let clauses = |usage: Usage| {
        let job = proposal().job_id().ok();
        let asked = move |dataset: &str, peer: &PeerId, except: Option<JobId>| {
            assert_eq!((dataset, peer, except), ("maison/customers", &identity("banque").peer(), job));
            usage
        };
        let known = Knowledge { usage: Box::new(asked), ..knowledge("maison", &own) };
        match review(&proposal(), &known) {
            Ok(_) => Vec::new(),
            Err(Rejected::Forbidden(refusals)) => {
                assert!(refusals.iter().all(|refusal| refusal.code.as_str() == "POLICY_RATE"), "{refusals:?}");
                refusals.into_iter().map(|refusal| refusal.clause).collect::<Vec<_>>()
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    assert!(clauses(Usage { today: 1, running: 2 }).is_empty());
    let refused = clauses(Usage { today: 2, running: 2 });
    assert!(refused.len() == 1 && refused[0].contains("jobs_per_day"), "{refused:?}");
    let refused = clauses(Usage { today: 1, running: 3 });
    assert!(refused.len() == 1 && refused[0].contains("concurrent_jobs"), "{refused:?}");
}

#[test]
fn a_dataset_whose_rows_are_not_aligned_is_not_judged_as_if_they_were() {
    let mut proposal = proposal();
    assert_eq!(alignments_of(&proposal, "maison/customers"), [Alignment::Revealed]);
    let program = ProgramBuilder::new();
    let joined = program.table("maison/customers").join(&program.table("banque/accounts"), "id");
    program.release("number", &joined.column("frequency").gt(2).sum());
    program.release("stores", &program.table("maison/stores").column("size").gt(2).sum());
    proposal.code = JobCode::Program(program.build());
    let stores = ProposedDataset {
        name: "maison/stores".into(),
        dataset: "stores".into(),
        schema: schema("size"),
        ..proposal.datasets[1].clone()
    };
    proposal.datasets.push(stores);
    for (name, aligned) in [("maison/stores", vec![]), ("banque/accounts", vec![Alignment::Revealed])] {
        assert_eq!(alignments_of(&proposal, name), aligned, "{name}");
    }
}

#[test]
fn how_many_others_use_a_dataset_is_told_to_nobody_who_is_refused_anyway_chk_214() {
    let own = shop();
    let mut busy = knowledge("maison", &own);
    busy.usage = Box::new(|_, _, _| Usage { today: 1_000_000, running: 1_000_000 });
    let Err(Rejected::Forbidden(refusals)) = review(&proposal(), &busy) else { panic!("refused") };
    let clauses: Vec<&str> = refusals.iter().map(|refusal| refusal.clause.as_str()).collect();
    assert_eq!(clauses, ["query.jobs_per_day"]);
}

#[test]
fn attack_39_chk_306_what_was_signed_is_superseded_by_a_stricter_policy_or_another_version() {
    let (contract, proposal, _) = contracted();
    assert!(still_allowed(&proposal, &contract, &knowledge("maison", &shop())).is_ok());
    let stricter = BTreeMap::from([("customers", data(&SHOP.replace(r#"["filter", "count"]"#, "[]"), "frequency"))]);
    let mut newer = shop();
    newer.get_mut("customers").expect("there").version = 4;
    // Still allowed as such, and with another gate than the contract's.
    let gated =
        BTreeMap::from([("customers", data(&SHOP.replace("minimum_rows = 100", "minimum_rows = 150"), "frequency"))]);
    for (own, cause) in [
        (stricter, "POLICY_"),
        (gated, "POLICY_CHANGED"),
        (newer, "DATASET_STALE"),
        (BTreeMap::new(), "DATASET_UNKNOWN"),
    ] {
        let refused = still_allowed(&proposal, &contract, &knowledge("maison", &own)).expect_err("superseded");
        let (failure, told) = *refused;
        assert_eq!((failure.code.as_str(), told.code.as_str()), ("CONTRACT_SUPERSEDED", "CONTRACT_SUPERSEDED"));
        assert!(failure.message.contains(cause) && told.message.to_string().contains(cause), "{failure}");
        assert_eq!(failure.party.as_deref(), Some("maison"));
        assert!(!failure.next.is_empty(), "{failure}");
    }
}

/// The record of a job that finished at a time, for the tests of other modules.
pub(crate) fn finished_job(at: u64) -> JobRecord {
    let proposal = proposal();
    let (id, party) = (proposal.job_id().expect("an id"), proposal.proposer);
    let mut job = JobRecord::new(id, Role::Proposer, party, identity("maison").peer(), proposal, at - 10);
    for state in [JobState::Negotiating, JobState::Contracted, JobState::Aligning, JobState::Executing] {
        job.enter(state, at - 5, "").expect("legal");
    }
    job.enter(JobState::Releasing, at - 1, "").expect("legal");
    job.enter(JobState::Finished, at, "").expect("legal");
    job
}

/// A contract as the bank writes it, with what the shop accepted.
fn contracted() -> (Contract, Proposal, Acceptance) {
    let proposal = proposal();
    let datasets = vec![part(&proposal, "maison/customers", &shop()["customers"])];
    let (terms, _) = complete(&proposal, &datasets).expect("terms");
    let side = |party: PartyId| Part {
        party,
        profile: Profile { core_speed: 10, round_trip: 10, bandwidth: 27 },
        channel: ChannelOffer {
            key: ChannelKey::from_bytes([party.0 + 1; 32]),
            addresses: vec!["/ip4/192.0.2.1/tcp/7701".into()],
        },
    };
    let owner = side(proposal.proposer.other());
    let acceptance = Acceptance {
        proposal: proposal.digest(),
        datasets,
        disclosures: terms.disclosures.clone(),
        profile: owner.profile,
        channel: owner.channel,
        planner_versions: vec![PLANNER_VERSION],
        valid_until: NOW + 600,
    };
    let contract = contract(&proposal, terms, &side(proposal.proposer), &acceptance, 64, NOW).expect("a contract");
    (contract, proposal, acceptance)
}

fn checked(contract: &Contract, proposal: &Proposal, acceptance: &Acceptance) -> Result<(), String> {
    let own = proposal.proposer.other();
    check_contract(contract, proposal, acceptance, own, 64, NOW).map_err(|failure| failure.code.to_string())
}

#[test]
fn the_owner_accepts_the_contract_that_follows_from_its_own_derivation() {
    let (contract, proposal, acceptance) = contracted();
    assert_eq!(checked(&contract, &proposal, &acceptance), Ok(()));
}

#[test]
fn chk_302_a_contract_that_differs_in_any_field_is_refused() {
    type Change = fn(&mut Contract);
    let owner = |contract: &Contract| contract.terms.proposer.other().index();
    assert_eq!(owner(&contracted().0), contracted().1.proposer.other().index());
    let changes: [(&str, Change); 11] = [
        ("the purpose", |c| c.terms.purpose = "another".into()),
        ("the minimum", |c| c.terms.release.minimum_overlap[0].rows = 1),
        ("the gates", |c| c.terms.release.outputs[0].gates.clear()),
        ("the receivers", |c| c.terms.release.outputs[0].receivers.push(c.terms.proposer.other())),
        ("the list of what is learned", |c| c.terms.disclosures[0].facts.clear()),
        ("the rules", |c| c.terms.datasets[1].rules.minimum_rows = 1),
        ("the input", |c| c.terms.datasets[1].input = c.terms.datasets[0].input),
        ("the nonce", |c| c.nonce = Nonce::from_bytes([9; 16])),
        ("the owner's key", |c| c.channels[c.terms.proposer.other().index()].key = ChannelKey::from_bytes([9; 32])),
        ("the owner's profile", |c| c.profiles[c.terms.proposer.other().index()].core_speed = 1),
        ("the ring", |c| c.ring_bits = 128),
    ];
    for (what, change) in changes {
        let (mut contract, proposal, acceptance) = contracted();
        change(&mut contract);
        // A forger keeps what follows from the terms consistent.
        contract.terms_digest = contract.terms.digest();
        let refused = checked(&contract, &proposal, &acceptance).expect_err(what);
        assert!(refused.starts_with("CONTRACT_"), "{what}: {refused}");
    }
}

#[test]
fn chk_303_and_305_a_weak_suite_and_a_late_start_are_refused() {
    let (mut contract, proposal, acceptance) = contracted();
    contract.suite.ot_check = false;
    assert_eq!(checked(&contract, &proposal, &acceptance), Err("CONTRACT_SUITE".into()));
    let (contract, proposal, acceptance) = contracted();
    let late = contract.start_by + 1;
    let own = proposal.proposer.other();
    let refused = check_contract(&contract, &proposal, &acceptance, own, 64, late).expect_err("too late");
    assert_eq!(refused.code.as_str(), "CONTRACT_EXPIRED");
}
