//! A node that does not follow the protocol: an organisation's real key, store and ports, and whatever messages a test
//! has it send.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tacit_mpc::channel::Layered;
use tacit_mpc::channel::noise::{Deadlines, Handshake, NoiseChannel, Role, StaticKey};
use tacit_mpc::inputs::{LocalTable, LocalTables};
use tacit_mpc::offline::NoSupply;
use tacit_mpc::plan::Plan;
use tacit_mpc::session::{self, Hooks, JobInput};
use tacit_node::clock::system_rng;
use tacit_node::context::Context;
use tacit_node::daemon::{self, Listening, Opened};
use tacit_node::data_plane::{DataPlaneError, Route, Session, listening_party};
use tacit_node::jobs::negotiate::{self, Part};
use tacit_node::setup::Files;
use tacit_protocol::PartyId;
use tacit_protocol::bench::{self, BenchOffer};
use tacit_protocol::canonical::Nonce;
use tacit_protocol::codec::{decode, encode};
use tacit_protocol::contract::{ChannelOffer, Contract};
use tacit_protocol::identity::{Identity, PeerId, Signature};
use tacit_protocol::job::JobId;
use tacit_protocol::messages::{About, Acceptance, ProposalAnswer, Readiness, Request, Response};
use tacit_protocol::program::{Op, Program};
use tacit_protocol::terms::{
    JobCode, OwnedDataset, Proposal, ProposedDataset, RunLimits, TERMS_VERSION, TermsParty, Venue, in_canonical_order,
};
use tokio::runtime::Runtime;

use crate::deviating::{Deviating, Deviation};
use crate::harness::{Organisation, PATIENCE, until};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// An organisation whose node does what a test wants.
pub(crate) struct Rogue {
    runtime: Runtime,
    context: Arc<Context>,
    tasks: Option<Listening>,
    /// The peer that it deals with.
    peer: PeerId,
    name: String,
}

/// A proposal of the rogue that its peer has accepted.
pub(crate) struct Accepted {
    pub(crate) job: JobId,
    pub(crate) proposal: Proposal,
    pub(crate) acceptance: Acceptance,
    pub(crate) contract: Contract,
}

impl Rogue {
    /// Takes the place of an organisation that is paired with one other: its node stops.
    pub(crate) fn of(organisation: &mut Organisation, peer: &str) -> Self {
        organisation.stop();
        tacit_node::crypto::install();
        let runtime = Runtime::new().expect("threads");
        let Opened { context, mut requests, tasks } =
            runtime.block_on(daemon::open(&Files::of(&organisation.dir))).expect("its directory opens");
        let book = Arc::clone(&context);
        // It answers what an honest node is asked before a job; all else is met with silence.
        runtime.spawn(async move {
            let mut kept = Vec::new();
            while let Some(request) = requests.recv().await {
                let Ok(Request::Catalogue) = decode(&request.bytes) else {
                    kept.push(request.responder);
                    continue;
                };
                let asker = book.name_of(&request.peer).expect("paired");
                let entries = book.catalogue_for(&asker).expect("its store reads");
                request.responder.answer(encode(&Response::Catalogue(entries)).expect("encodes"));
            }
        });
        let id = context.peer_named(peer).expect("paired");
        Self { runtime, context, tasks: Some(tasks), peer: id, name: peer.into() }
    }

    /// Leaves the organisation's directory, so that its node can start again.
    pub(crate) fn leave(mut self) {
        let tasks = self.tasks.take().expect("it listens");
        self.runtime.block_on(tasks.stop(&self.context));
        self.context.store.flush().expect("flushed");
        let Self { runtime, context, .. } = self;
        runtime.shutdown_timeout(Duration::from_secs(5));
        drop(context);
    }

    /// Sends bytes as a message of the members' protocol.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> Result<Vec<u8>, tacit_node::network::NetworkError> {
        self.runtime.block_on(self.context.network.request(self.peer, "rogue", bytes, ANSWER))
    }

    /// Asks the peer.
    pub(crate) fn ask(&self, request: &Request) -> Response {
        let answer = self.runtime.block_on(self.context.ask(&self.peer, "rogue", request, ANSWER));
        answer.unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// The code with which the peer refuses a request.
    pub(crate) fn refusal(&self, request: &Request) -> String {
        match self.ask(request) {
            Response::Failed(failure) => failure.code.to_string(),
            Response::Proposal(answer) => match *answer {
                ProposalAnswer::Refused(failure) => failure.code.to_string(),
                answer => panic!("{answer:?}"),
            },
            answer => panic!("{answer:?}"),
        }
    }

    /// The organisation's key.
    pub(crate) fn identity(&self) -> &Identity {
        &self.context.identity
    }

    /// The organisation's signature of a contract.
    pub(crate) fn sign(&self, contract: &Contract) -> Signature {
        contract.sign(self.identity()).expect("a well-formed contract")
    }

    /// Waits until the peer, which was away, can be asked again.
    pub(crate) fn reconnect(&self) {
        until(&format!("{} answers again", self.name), || {
            drop(self.runtime.block_on(self.context.network.dial(self.peer)));
            self.runtime.block_on(self.context.ask(&self.peer, "rogue", &Request::Catalogue, ANSWER)).ok()
        });
    }

    /// An honest proposal over both organisations' tables.
    pub(crate) fn proposal(&self, program: Program) -> Proposal {
        let me = self.context.identity.peer();
        let own_name = self.context.config.name.clone();
        let catalogue = self.runtime.block_on(self.context.catalogue_of(&self.peer, &self.name)).expect("a catalogue");
        let party = |peer, organisation: &str| TermsParty { peer, organisation: organisation.into() };
        let parties = in_canonical_order(vec![party(me, &own_name), party(self.peer, &self.name)]);
        let place = |name: &str| {
            let place = parties.iter().position(|party| party.organisation == name).expect("a party");
            PartyId(u8::try_from(place).expect("two"))
        };
        let loads = program.nodes.iter().filter_map(|node| match &node.op {
            Op::Load { dataset } => Some(dataset.clone()),
            _ => None,
        });
        let loaded: BTreeSet<String> = loads.collect();
        let datasets: Vec<ProposedDataset> = loaded
            .into_iter()
            .map(|name| {
                let (owner, dataset) = name.split_once('/').expect("owner/dataset");
                let (version, schema) = if owner == own_name {
                    let data = self.context.own_data(dataset).expect("its own");
                    (data.version, data.schema)
                } else {
                    let entry = catalogue.iter().find(|entry| entry.dataset == dataset).expect("the peer's");
                    (entry.version, entry.schema.clone())
                };
                ProposedDataset { owner: place(owner), dataset: dataset.into(), version, schema, name: name.clone() }
            })
            .collect();
        let mut proposal = Proposal {
            version: TERMS_VERSION,
            nonce: Nonce::random(&mut system_rng()),
            code: JobCode::Program(program),
            proposer: place(&own_name),
            parties,
            analyst: "rogue".into(),
            datasets,
            venue: Venue::TwoParty,
            purpose: "test".into(),
            limits: RunLimits { seconds: 600, bytes: 1 << 30 },
            priority: tacit_protocol::policy::Priority::Normal,
            own: Vec::new(),
        };
        let own = proposal.datasets.iter().filter(|dataset| dataset.owner == proposal.proposer);
        proposal.own = own
            .map(|dataset| {
                let data = self.context.own_data(&dataset.dataset).expect("its own");
                OwnedDataset {
                    name: dataset.name.clone(),
                    input: data.root,
                    policy: data.policy.digest(),
                    rules: negotiate::rules(&data.policy, &proposal),
                }
            })
            .collect();
        proposal
    }

    /// Proposes a program honestly; the contract is what an honest proposer would write.
    pub(crate) fn accepted(&self, program: Program) -> Accepted {
        let proposal = self.proposal(program);
        let job = proposal.job_id().expect("well formed");
        let answer = self.ask(&Request::Propose(Box::new(proposal.clone())));
        let Response::Proposal(answer) = answer else { panic!("{answer:?}") };
        let ProposalAnswer::Accepted(acceptance) = *answer else { panic!("{answer:?}") };
        self.context.make_secrets(&job).expect("stored");
        let part = self.context.contract_part(&job, proposal.proposer).expect("stored");
        let contract = self.contract(&proposal, &acceptance, &part);
        Accepted { job, proposal, acceptance, contract }
    }

    fn contract(&self, proposal: &Proposal, acceptance: &Acceptance, part: &Part) -> Contract {
        let (terms, derived) = negotiate::complete(proposal, &acceptance.datasets)
            .map_err(|rejected| rejected.to_failure(|party| party.to_string()))
            .expect("allowed");
        let plan = Plan::lower(&derived.typed, &derived.analysis.release, &derived.typed.row_bounds()).expect("plans");
        let ring_bits = u16::try_from(plan.word_bits).expect("64 or 128");
        let now = self.context.clock.unix_seconds();
        negotiate::contract(proposal, terms, part, acceptance, ring_bits, now).expect("a contract")
    }

    /// Has an accepted proposal's contract signed by the peer.
    pub(crate) fn contracted(&self, program: Program) -> Accepted {
        let accepted = self.accepted(program);
        let answer = self.ask(&accepted.signed(&accepted.contract, self.sign(&accepted.contract)));
        assert!(matches!(answer, Response::Signed(_)), "{answer:?}");
        accepted
    }

    /// Starts a contracted job and opens the connection of its data channel; what follows is up to the test.
    pub(crate) fn started(&self, program: Program) -> (Accepted, Session) {
        let accepted = self.contracted(program);
        let digest = accepted.contract.digest();
        let answer = self.ask(&Request::Start { about: accepted.about(), contract: digest });
        assert!(matches!(answer, Response::Ready(Readiness::Ready)), "{answer:?}");
        let session = self.connect(&accepted, PATIENCE).expect("a connection");
        (accepted, session)
    }

    /// The connection of a measurement that the peer has agreed to.
    pub(crate) fn connect_bench(&self, offer: &BenchOffer, theirs: &ChannelOffer) -> Result<Session, DataPlaneError> {
        let session = bench::session([&self.identity().peer(), &self.peer], offer, theirs);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let plane = &self.context.data_plane;
        self.runtime.block_on(plane.dial(&theirs.addresses, Route(*session.as_bytes()), 0, deadline))
    }

    /// The connection of a job's data channel.
    pub(crate) fn connect(&self, accepted: &Accepted, patience: Duration) -> Result<Session, DataPlaneError> {
        let route = Route(*accepted.contract.digest().as_bytes());
        self.runtime.block_on(async {
            let deadline = tokio::time::Instant::now() + patience;
            if accepted.is_responder() {
                self.context.data_plane.accept(route, 0, deadline).await
            } else {
                let addresses = &accepted.contract.channels[accepted.proposal.proposer.other().index()].addresses;
                self.context.data_plane.dial(addresses, route, 0, deadline).await
            }
        })
    }

    /// Runs a started job as an honest node does, but for what it does to its messages; how the run ended here.
    pub(crate) fn run(&self, accepted: &Accepted, session: Session, deviation: Deviation) -> Result<(), String> {
        let honest = self.channel(accepted, session, None, None).map_err(|error| error.to_string())?;
        let mut channel = Layered::over(honest, Deviating::new(deviation));
        let (_, derived) = negotiate::complete(&accepted.proposal, &accepted.acceptance.datasets)
            .map_err(|rejected| rejected.to_failure(|party| party.to_string()).to_string())?;
        let input = JobInput {
            program: &derived.typed,
            release: &accepted.contract.terms.release,
            party: accepted.proposal.proposer,
            tables: &self.tables(&accepted.proposal),
            profiles: &accepted.contract.profiles,
            session: *accepted.contract.digest().as_bytes(),
        };
        let begun = Instant::now();
        let mut hooks = Hooks {
            observer: &mut |_| (),
            clock: &|| begun.elapsed(),
            release_barrier: &mut |_| Ok(()),
            supply: &mut NoSupply,
            set_up: &mut None,
        };
        let ran = session::run(&mut channel, &input, &mut system_rng(), &mut hooks);
        channel.layer().came_to_be();
        ran.map(drop).map_err(|error| error.to_string())
    }

    /// Its own tables of a proposal, whole.
    fn tables(&self, proposal: &Proposal) -> LocalTables {
        let mut tables = LocalTables::new();
        for dataset in proposal.datasets.iter().filter(|dataset| dataset.owner == proposal.proposer) {
            let own = proposal.own.iter().find(|own| own.name == dataset.name).expect("its part");
            let names: Vec<&str> = dataset.schema.columns.iter().map(|column| column.name.as_str()).collect();
            let columns = self.context.datasets.read(&dataset.dataset, &names, &own.input).expect("its own rows");
            let mut table = LocalTable::new(usize::try_from(dataset.schema.rows).expect("a small table"));
            for column in columns {
                let described = column.schema.clone();
                table.insert(&described, &column.into_plain()).expect("as declared");
            }
            tables.insert(dataset.name.clone(), table);
        }
        tables
    }

    /// The Noise session of a job's data channel, with a key and a prologue of choice.
    pub(crate) fn channel(
        &self,
        accepted: &Accepted,
        session: Session,
        key: Option<StaticKey>,
        prologue: Option<[u8; 32]>,
    ) -> tacit_mpc::error::Result<NoiseChannel> {
        let (me, peer) = (accepted.proposal.proposer, accepted.proposal.proposer.other());
        let (role, responder) = if accepted.is_responder() { (Role::Responder, me) } else { (Role::Initiator, peer) };
        let own = self.context.channel_key(&accepted.job).expect("stored");
        let agreed = accepted.contract.prologue(0, responder.other(), responder);
        let handshake = Handshake {
            role,
            local: key.as_ref().unwrap_or(&own),
            remote: *accepted.contract.channels[peer.index()].key.as_bytes(),
            prologue: prologue.unwrap_or(*agreed.as_bytes()),
        };
        NoiseChannel::connect(session.stream, &handshake, Deadlines { silence: ANSWER, total: PATIENCE })
    }
}

impl Accepted {
    /// The next message of the job.
    pub(crate) fn about(&self) -> About {
        About { job: self.job, sequence: 1 }
    }

    /// A contract with a signature.
    pub(crate) fn signed(&self, contract: &Contract, signature: Signature) -> Request {
        Request::Sign { about: self.about(), contract: Box::new(contract.clone()), signature }
    }

    fn is_responder(&self) -> bool {
        let offered = |party: PartyId| !self.contract.channels[party.index()].addresses.is_empty();
        listening_party(offered(PartyId::ZERO), offered(PartyId::ONE)) == self.proposal.proposer
    }
}
