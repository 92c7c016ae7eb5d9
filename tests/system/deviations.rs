//! A paired peer that does not follow the protocol, against the real node: every deviation is answered with its code,
//! ends at most its own job, and costs the honest side nothing.

use std::time::Duration;

use tacit_mpc::channel::Channel;
use tacit_mpc::channel::noise::StaticKey;
use tacit_node::clock::system_rng;
use tacit_protocol::canonical::{Digest, Nonce};
use tacit_protocol::codec::{decode, encode};
use tacit_protocol::contract::Contract;
use tacit_protocol::job::{JobId, JobState};
use tacit_protocol::messages::{About, JobStatus, PeerText, Readiness, Request, Response};

use crate::deviating::{Act, Deviation};
use crate::harness::{CUSTOMERS, SHOP_POLICY, Two, cell, count_answer, count_question};
use crate::rogue::{Accepted, Rogue};

/// The shop's honest node, and a bank that does what a test wants.
fn against_a_rogue() -> (Two, Rogue) {
    let mut two = Two::with_tables(SHOP_POLICY);
    let rogue = Rogue::of(&mut two.banque, "maison");
    (two, rogue)
}

/// The bank follows the protocol again, and is served as ever.
fn honest_again(mut two: Two, rogue: Rogue) {
    rogue.leave();
    two.banque.restart();
    two.connected();
    let result = two.banque.answer(count_question()).expect("an answer");
    assert_eq!(cell(&result, "number"), count_answer(CUSTOMERS).to_string());
}

/// The state of a job at the shop.
fn state(two: &Two, job: &JobId) -> String {
    two.maison.client().job(&job.to_string()).expect("known").summary.state
}

#[test]
fn chk_302_a_contract_with_any_byte_changed_is_not_signed() {
    let (two, rogue) = against_a_rogue();
    let accepted = rogue.accepted(count_question());
    let honest = encode(&accepted.contract).expect("encodes");
    let mut meaningful = 0;
    // A stride that is prime to the sizes of fields, so that all kinds of them are met; few enough for the peer's pace.
    for at in (0..honest.len()).step_by(23) {
        let mut altered = honest.clone();
        altered[at] ^= 1;
        let Ok(altered) = decode::<Contract>(&altered) else { continue };
        if is_a_choice(&accepted, &altered) {
            continue;
        }
        let Ok(signature) = altered.sign(rogue.identity()) else { continue };
        let code = rogue.refusal(&accepted.signed(&altered, signature));
        assert!(code.starts_with("CONTRACT_") || code.starts_with("PROGRAM_"), "byte {at}: {code}");
        meaningful += 1;
    }
    assert!(meaningful > 20, "{meaningful} changed contracts could be read");
    assert_eq!(state(&two, &accepted.job), "negotiating");

    // CHK-305: the signature of another contract, or of nobody.
    let mut other = accepted.contract.clone();
    other.deadline += 1;
    for signature in [rogue.sign(&other), tacit_protocol::identity::Signature::from_bytes([7; 64])] {
        let code = rogue.refusal(&accepted.signed(&accepted.contract, signature));
        assert_eq!(code, "CONTRACT_SIGNATURE");
    }

    // CHK-304: the honest one is signed, once and for ever.
    let request = accepted.signed(&accepted.contract, rogue.sign(&accepted.contract));
    let Response::Signed(signature) = rogue.ask(&request) else { panic!("not signed") };
    accepted.contract.verify(accepted.proposal.proposer.other(), &signature).expect("the shop's signature");
    assert_eq!(rogue.ask(&request), Response::Signed(signature));
    let double = accepted.signed(&other, rogue.sign(&other));
    assert_eq!(rogue.refusal(&double), "CONTRACT_DOUBLE");
    honest_again(two, rogue);
}

/// Whether a contract differs in nothing but what its proposer may say: its own profile and channel.
fn is_a_choice(accepted: &Accepted, altered: &Contract) -> bool {
    let (honest, own) = (&accepted.contract, accepted.proposal.proposer.index());
    let mut same = altered.clone();
    if altered.profiles.len() == honest.profiles.len() && altered.channels.len() == honest.channels.len() {
        same.profiles[own] = honest.profiles[own];
        same.channels[own] = honest.channels[own].clone();
    }
    same == *honest
}

#[test]
fn chk_201_to_203_wrong_and_repeated_messages_are_refused_and_change_nothing() {
    let (two, rogue) = against_a_rogue();
    let jobs = || two.maison.client().jobs().expect("jobs").len();
    let before = jobs();

    // No message at all, and ones cut short, prolonged or of an unknown kind.
    let honest = encode(&Request::Catalogue).expect("encodes");
    let proposal = rogue.proposal(count_question());
    let whole = encode(&Request::Propose(Box::new(proposal.clone()))).expect("encodes");
    let longer: Vec<u8> = honest.iter().copied().chain([0]).collect();
    for wrong in [vec![], vec![0xff; 300], whole[..whole.len() / 2].to_vec(), longer, vec![200; 1]] {
        let answer = rogue.send(wrong.clone()).ok().map(|bytes| decode::<Response>(&bytes).expect("an answer"));
        assert!(matches!(answer, None | Some(Response::Failed(_))), "{wrong:?}: {answer:?}");
    }
    assert!(rogue.send(vec![0; 1 << 20]).is_err(), "over the limit of a message");
    assert_eq!(jobs(), before);

    // The same proposal again has the same answer; another one under its name is refused.
    let first = rogue.ask(&Request::Propose(Box::new(proposal.clone())));
    assert!(matches!(first, Response::Proposal(_)), "{first:?}");
    assert_eq!(rogue.ask(&Request::Propose(Box::new(proposal.clone()))), first);
    let mut other = proposal.clone();
    other.purpose = "something else".into();
    assert_eq!(other.job_id().expect("an id"), proposal.job_id().expect("an id"));
    assert_eq!(rogue.refusal(&Request::Propose(Box::new(other))), "PROPOSAL_REPLAY");
    assert_eq!(jobs(), before + 1);

    // In another's name, for data that has changed, for data that is not there.
    let refused = |change: fn(&mut tacit_protocol::terms::Proposal)| {
        let mut proposal = proposal.clone();
        proposal.nonce = Nonce::random(&mut system_rng());
        change(&mut proposal);
        rogue.refusal(&Request::Propose(Box::new(proposal)))
    };
    assert_eq!(refused(|proposal| proposal.proposer = proposal.proposer.other()), "PROPOSAL_SIGNATURE");
    assert_eq!(refused(|proposal| theirs(proposal).version += 1), "DATASET_STALE");
    assert_eq!(refused(|proposal| theirs(proposal).schema.rows -= 1), "DATASET_STALE");
    assert_eq!(refused(|proposal| theirs(proposal).dataset = "nothing".into()), "CONTRACT_FIELD");
    assert_eq!(refused(|proposal| proposal.version += 1), "TERMS_VERSION");
    assert_eq!(jobs_open(&two), 1, "refused proposals leave no open job");

    // CHK-216, CHK-307: what may not be said of a job, or of one that is not there.
    let nobody = JobId::from_bytes([9; 32]);
    let about = |job| About { job, sequence: 1 };
    let unknown = Request::Start { about: about(nobody), contract: Digest::from_bytes([1; 32]) };
    assert_eq!(rogue.refusal(&unknown), "JOB_UNKNOWN");
    let job = proposal.job_id().expect("an id");
    let early = Request::Start { about: about(job), contract: Digest::from_bytes([1; 32]) };
    assert!(rogue.refusal(&early).starts_with("STATE_"), "no contract yet");
    let status = JobStatus { state: JobState::Finished, step: None, failure: None };
    rogue.ask(&Request::Status { about: about(job), status });
    assert_eq!(state(&two, &job), "negotiating", "a peer's word does not finish a job");
    let reason = PeerText::new("\u{202e}<b>called off</b>\u{1b}[2J");
    rogue.ask(&Request::Cancel { about: about(job), reason });
    let shown = two.maison.cli(&["job", "show", &job.to_string()]);
    assert!(shown.stdout.contains("called off") && !shown.stdout.contains('\u{1b}'), "{}", shown.stdout);
    honest_again(two, rogue);
}

/// The shop's dataset in a proposal.
fn theirs(proposal: &mut tacit_protocol::terms::Proposal) -> &mut tacit_protocol::terms::ProposedDataset {
    let proposer = proposal.proposer;
    proposal.datasets.iter_mut().find(|dataset| dataset.owner != proposer).expect("the shop's")
}

fn jobs_open(two: &Two) -> usize {
    let ended = ["refused", "failed", "cancelled", "finished"];
    let jobs = two.maison.client().jobs().expect("jobs");
    jobs.iter().filter(|job| !ended.contains(&job.state.as_str())).count()
}

/// How the shop's run ends under a deviation: its code, and that it says the step and releases nothing.
fn ends(two: &Two, job: &JobId) -> String {
    let ended = two.maison.ended(&job.to_string());
    assert_eq!(ended.summary.state, "failed", "{:?}", ended.failure);
    assert!(ended.rerun.is_none(), "an owner repeats nothing");
    let failure = ended.failure.expect("why");
    assert!(failure.party.is_some() && failure.step.is_some() && !failure.next.is_empty(), "{failure:?}");
    failure.code.to_string()
}

#[test]
fn chk_401_a_channel_with_another_key_or_for_another_job_is_not_opened() {
    let (two, rogue) = against_a_rogue();
    let (other, _) = rogue.started(count_question());
    let foreign = other.contract.prologue(0, other.proposal.proposer, other.proposal.proposer.other());
    let (other_key, other_job) = (StaticKey::generate(&mut system_rng()), *foreign.as_bytes());
    let cases = [
        (Some(other_key), None, &["CHANNEL_KEY"][..]),
        // Attack 40: whose side finds it first depends on who dialled.
        (None, Some(other_job), &["CHANNEL_BINDING", "CHANNEL_CLOSED"][..]),
    ];
    for (key, prologue, codes) in cases {
        let (accepted, session) = rogue.started(count_question());
        drop(rogue.channel(&accepted, session, key, prologue));
        let code = ends(&two, &accepted.job);
        assert!(codes.contains(&code.as_str()), "{code}");
    }
    honest_again(two, rogue);
}

#[test]
fn chk_402_nobody_gets_a_lane_of_a_job_that_is_not_theirs_or_not_started() {
    let (two, rogue) = against_a_rogue();
    let accepted = rogue.contracted(count_question());
    // Connects to the data port without having started: nobody answers, and the contract stands.
    assert!(rogue.connect(&accepted, Duration::from_secs(6)).is_err(), "no lane");
    assert_eq!(state(&two, &accepted.job), "contracted");
    let digest = accepted.contract.digest();
    let other = Request::Start { about: accepted.about(), contract: Digest::from_bytes([3; 32]) };
    assert_eq!(rogue.refusal(&other), "CONTRACT_MISMATCH");
    let start = Request::Start { about: accepted.about(), contract: digest };
    assert_eq!(rogue.ask(&start), Response::Ready(Readiness::Ready));
    honest_again(two, rogue);
}

#[test]
fn a_peer_that_deviates_in_a_run_ends_it_with_the_code_of_its_deviation() {
    let (two, rogue) = against_a_rogue();
    let cases: &[(&str, usize, Act, &str)] = &[
        // CHK-502
        ("alignment", 0, Act::Replace(flip), "ALIGN_SIZE"),
        ("alignment", 1, Act::Replace(|bytes| bytes[..32].fill(0)), "ALIGN_POINT"),
        ("alignment", 1, Act::Replace(|bytes| bytes[..32].fill(0xff)), "ALIGN_POINT"),
        ("alignment", 1, Act::Replace(|bytes| bytes.copy_within(..32, 32)), "ALIGN_REPEAT"),
        ("alignment", 2, Act::Replace(|bytes| bytes.copy_within(..16, 16)), "ALIGN_REPEAT"),
        ("plan", 0, Act::Replace(flip), "PLAN_MISMATCH"),
        // CHK-601
        ("OT set-up", 0, Act::Replace(|bytes| bytes.fill(0xff)), "PROTOCOL_POINT"),
        ("OT set-up", 2, Act::Replace(|bytes| bytes.iter_mut().for_each(|byte| *byte ^= 1)), "PROTOCOL_OT_CHECK"),
        // CHK-404: a peer that sends more than the plan knows.
        ("alignment", 0, Act::Append(1), "ALIGN_POINT"),
        // CHK-307
        ("alignment", 1, Act::FallSilent, "PEER_TIMEOUT"),
        ("OT set-up", 2, Act::FallSilent, "PEER_TIMEOUT"),
        ("alignment", 1, Act::Leave, "CHANNEL_TRUNCATED"),
        ("OT set-up", 2, Act::Leave, "CHANNEL_TRUNCATED"),
    ];
    for &(step, message, act, code) in cases {
        let (accepted, session) = rogue.started(count_question());
        let ended = rogue.run(&accepted, session, Deviation { step, message, act });
        assert!(ended.is_err(), "{step} {message}: a run that the peer broke off");
        assert_eq!(ends(&two, &accepted.job), code, "{step} {message}: {ended:?}");
    }
    honest_again(two, rogue);
}

fn flip(bytes: &mut [u8]) {
    bytes[0] ^= 1;
}

#[test]
fn a_peer_that_sends_without_end_is_held_to_what_the_run_expects() {
    let (two, rogue) = against_a_rogue();
    let (accepted, session) = rogue.started(count_question());
    let mut channel = rogue.channel(&accepted, session, None, None).expect("a channel");
    channel.enter("flood");
    let before = two.maison.resident_kib();
    // Attack 42: as much as the channel takes, 1 GiB at most, of what is no alignment.
    let mut sent = 0_u64;
    for _ in 0..1024 {
        if channel.send(&[0x55; 1 << 20]).and_then(|()| channel.flush()).is_err() {
            break;
        }
        sent += 1 << 20;
    }
    assert!(sent < 1 << 30, "it was cut off");
    assert_eq!(ends(&two, &accepted.job), "ALIGN_SIZE");
    // What may wait in the queue of a channel, and the room of the allocator.
    assert!(two.maison.resident_kib() < before + (400 << 10), "bounded memory");
    honest_again(two, rogue);
}

/// Kills the shop's node while the bank's next message is awaited, and goes on.
fn goes_on_after_a_kill(until: fn(&Rogue) -> Accepted, then: fn(&Rogue, &Accepted)) {
    let (mut two, rogue) = against_a_rogue();
    let accepted = until(&rogue);
    let before = state(&two, &accepted.job);
    two.maison.kill();
    two.maison.restart();
    assert_eq!(state(&two, &accepted.job), before, "as it was");
    rogue.reconnect();
    then(&rogue, &accepted);
    honest_again(two, rogue);
}

#[test]
fn an_owner_that_is_killed_while_it_negotiates_signs_the_contract_afterwards() {
    goes_on_after_a_kill(
        |rogue| rogue.accepted(count_question()),
        |rogue, accepted| {
            let request = accepted.signed(&accepted.contract, rogue.sign(&accepted.contract));
            assert!(matches!(rogue.ask(&request), Response::Signed(_)));
        },
    );
}

#[test]
fn an_owner_that_is_killed_with_a_contract_starts_the_job_afterwards() {
    goes_on_after_a_kill(
        |rogue| rogue.contracted(count_question()),
        |rogue, accepted| {
            let start = Request::Start { about: accepted.about(), contract: accepted.contract.digest() };
            assert_eq!(rogue.ask(&start), Response::Ready(Readiness::Ready));
        },
    );
}

#[test]
fn a_proposer_that_is_killed_while_it_negotiates_asks_again() {
    let mut two = Two::with_tables(SHOP_POLICY);
    // The shop's node takes messages and answers none.
    let rogue = Rogue::of(&mut two.maison, "banque");
    rogue.reconnect();
    let job = two.banque.submit(count_question()).expect("submitted");
    two.banque.in_state(&job.id, &["negotiating"]);
    two.banque.kill();
    rogue.leave();
    two.maison.restart();
    two.banque.restart();
    let ended = two.banque.ended(&job.id);
    assert_eq!(ended.summary.state, "finished", "{:?}", ended.failure);
}
