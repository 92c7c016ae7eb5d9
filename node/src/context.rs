//! What the parts of a running node share: its identity, store, clock, network and datasets.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bincode::{Decode, Encode};
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde_json::json;
use tacit_mpc::channel::noise::StaticKey;
use tacit_protocol::address::MAX_ADDRESSES;
use tacit_protocol::codec::{decode, encode};
use tacit_protocol::contract::{ChannelKey, ChannelOffer, Contract};
use tacit_protocol::identity::{Identity, PeerId};
use tacit_protocol::job::JobId;
use tacit_protocol::log::LogKind;
use tacit_protocol::messages::{CatalogueEntry, PeerText, Request, Response};
use tacit_protocol::privacy::{BudgetHead, Rho};
use tacit_protocol::program::release::ReleaseSpec;
use tacit_protocol::terms::{Proposal, TermsParty};
use tacit_protocol::{Code, Failure, PartyId};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::budget::{self, Budget, Charge};
use crate::clock::{Clock, system_rng};
use crate::config::{Config, DataTransport};
use crate::data::Datasets;
use crate::data_plane::DataPlane;
use crate::drain::Drain;
use crate::heads::Heads;
use crate::jobs::history::{self, Asked, Histories};
use crate::jobs::is_of_the_disk;
use crate::jobs::negotiate::{HistoryOf, Knowledge, OwnData, Part, Remembered, Usage, UsageOf};
use crate::jobs::record::JobRecord;
use crate::keys::{NodeKey, Sealer};
use crate::log::Log;
use crate::network::{AddressPolicy, NetworkHandle, is_relayed};
use crate::offline::CorrelationStore;
use crate::offline::reserve::Reserve;
use crate::pairing::Pairing;
use crate::peers::PeerState;
use crate::rejections::Rejections;
use crate::store::trees::{Care, KnownTree, Sealed};
use crate::store::{Record, Store, TreeName};
use crate::tokens;

/// What the secrets of jobs are sealed for, and what they give.
pub(crate) const SECRET_PURPOSE: &str = "job-secret";
pub(crate) const OUTPUT_PURPOSE: &str = "job-output";

/// Sealed secrets of jobs that are under way.
const JOB_SECRETS: TreeName = TreeName::new("job-secrets");
/// Sealed output shares and results of jobs.
const JOB_OUTPUTS: TreeName = TreeName::new("job-outputs");
/// The trees of what jobs leave: secrets and shares of outputs are of one run and in no backup, results are.
pub(crate) const TREES: [KnownTree; 2] = [
    KnownTree::of_bytes(JOB_SECRETS, Care::Never).sealed(Sealed::Whole(SECRET_PURPOSE)),
    KnownTree::of_bytes(JOB_OUTPUTS, Care::Some(is_result)).sealed(Sealed::Whole(OUTPUT_PURPOSE)),
];
/// The first and the longest wait before a peer that is asked too much is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long a peer may take to answer a question about its catalogue.
const CATALOGUE_TIMEOUT: Duration = Duration::from_secs(20);

/// What the parts of a node share.
pub struct Context {
    /// The configuration.
    pub config: Config,
    /// The node's key.
    pub identity: Identity,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The control plane.
    pub network: NetworkHandle,
    /// The data plane.
    pub data_plane: DataPlane,
    /// The datasets.
    pub datasets: Datasets,
    /// The peers.
    pub pairing: Arc<Pairing>,
    /// The log.
    pub log: Arc<Log>,
    /// The privacy budgets.
    pub budget: Arc<Budget>,
    /// What earlier jobs told of the datasets.
    pub(crate) histories: Histories,
    /// What came of greetings.
    pub heads: Arc<Heads>,
    /// Whether the node is about to stop.
    pub drain: Drain,
    /// What was made with peers in advance; none where the operator has turned that off.
    pub(crate) reserve: Option<Arc<Reserve>>,
    /// Refused messages of peers, counted where they are many.
    rejections: Rejections,
    /// The key that seals what is stored.
    pub(crate) node_key: NodeKey,
    /// Seals the secrets of jobs.
    secrets: Sealer,
    /// Seals the outputs of jobs.
    outputs: Sealer,
    /// Seals the keys of tokens.
    pub(crate) token_keys: Sealer,
}

/// The secrets of a job, kept sealed and deleted when it ends.
#[derive(Encode, Decode, Zeroize, ZeroizeOnDrop)]
struct JobSecrets {
    /// The static key of its data channel.
    channel: [u8; 32],
}

impl Record for JobSecrets {
    const NAME: &'static str = "job secret";
    const VERSION: u8 = 1;
}

/// The parts from which a [`Context`] is made.
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// The node's key.
    pub identity: Identity,
    /// The key that seals what is stored.
    pub node_key: NodeKey,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The control plane.
    pub network: NetworkHandle,
    /// The data plane.
    pub data_plane: DataPlane,
    /// The datasets.
    pub datasets: Datasets,
    /// The peers.
    pub pairing: Arc<Pairing>,
    /// The log.
    pub log: Arc<Log>,
    /// The privacy budgets.
    pub budget: Arc<Budget>,
    /// What came of greetings.
    pub heads: Arc<Heads>,
    /// Where correlations are kept; none where nothing is made in advance.
    pub correlations: Option<CorrelationStore>,
}

impl Context {
    /// The context of these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            config,
            identity,
            node_key,
            store,
            clock,
            network,
            data_plane,
            datasets,
            pairing,
            log,
            budget,
            heads,
            ..
        } = parts;
        let of_store = |kept| Arc::new(Reserve::new(kept, store.clone(), clock.clone(), config.idle.disk));
        let reserve = parts.correlations.map(of_store);
        let (secrets, outputs) = (node_key.sealer(SECRET_PURPOSE), node_key.sealer(OUTPUT_PURPOSE));
        let token_keys = node_key.sealer(tokens::records::PURPOSE);
        let rejections = Rejections::default();
        let histories = Histories::new(store.clone());
        Self {
            config,
            identity,
            store,
            clock,
            network,
            data_plane,
            datasets,
            pairing,
            log,
            budget,
            histories,
            heads,
            drain: Drain::default(),
            reserve,
            rejections,
            node_key,
            secrets,
            outputs,
            token_keys,
        }
    }

    /// Asks a paired peer, and again after a while where it says that it is asked too much (CHK-114).
    ///
    /// # Errors
    /// The peer cannot be reached, does not answer in time, or answers with what is no message.
    pub async fn ask(
        &self,
        peer: &PeerId,
        step: &'static str,
        request: &Request,
        timeout: Duration,
    ) -> Result<Response, Failure> {
        let bytes = encode(request).map_err(|error| {
            Failure::new(Code::new("PROPOSAL_TOO_BIG"), error.to_string(), "make the program smaller.").at_step(step)
        })?;
        let until = Instant::now() + timeout;
        let mut pause = BUSY_PAUSE;
        let answer = loop {
            match self.network.request(*peer, step, bytes.clone(), timeout).await {
                Err(busy) if busy.code().as_str() == "PEER_RATE" && Instant::now() + pause < until => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                answered => break answered?,
            }
        };
        decode(&answer).map_err(|error| {
            let next = "bring both nodes to one version.";
            Failure::new(Code::new("PEER_ANSWER"), format!("the answer is no message: {error}"), next).at_step(step)
        })
    }

    /// What a peer offers to this organisation.
    ///
    /// # Errors
    /// As [`Context::ask`]; the failure names the peer.
    pub async fn catalogue_of(&self, peer: &PeerId, name: &str) -> Result<Vec<CatalogueEntry>, Failure> {
        let answer = self.ask(peer, "catalogue", &Request::Catalogue, CATALOGUE_TIMEOUT).await;
        match answer.map_err(|failure| failure.by_party(name))? {
            Response::Catalogue(entries) => Ok(entries),
            Response::Failed(failure) => Err(failure.to_failure(name).at_step("catalogue")),
            _ => Err(Failure::new(
                Code::new("PEER_ANSWER"),
                "the answer is no catalogue",
                "bring both nodes to one version.",
            )
            .by_party(name)
            .at_step("catalogue")),
        }
    }

    /// The catalogue as a peer may see it (CHK-205).
    ///
    /// # Errors
    /// A fault of the store.
    pub fn catalogue_for(&self, organisation: &str) -> Result<Vec<CatalogueEntry>, Failure> {
        let mut entries = Vec::new();
        for record in self.datasets.list()? {
            let policy = record.policy.policy()?;
            if policy.is_visible_to(organisation, self.clock.unix_seconds()) {
                entries.push(CatalogueEntry {
                    dataset: record.name,
                    version: record.version,
                    schema: record.schema,
                    policy: PeerText::new(policy.summary_for(organisation)),
                });
            }
        }
        Ok(entries)
    }

    /// A dataset of this node, as negotiations see it; none where there is none, or its record does not read.
    pub fn own_data(&self, name: &str) -> Option<OwnData> {
        self.own_dataset(name).ok().flatten()
    }

    /// The same, telling a disk that failed from a dataset that is not there: a node that stops must not deny its data.
    ///
    /// # Errors
    /// `STORE_FULL` or `STORE_IO`.
    pub fn own_dataset(&self, name: &str) -> Result<Option<OwnData>, Failure> {
        let read = || -> Result<OwnData, Failure> {
            let record = self.datasets.dataset(name)?;
            let policy = record.policy.policy()?;
            Ok(OwnData {
                version: record.version,
                lineage: record.lineage,
                schema: record.schema,
                root: record.root,
                policy,
            })
        };
        match read() {
            Ok(data) => Ok(Some(data)),
            Err(failure) if is_of_the_disk(&failure.code) => Err(failure),
            Err(_) => Ok(None),
        }
    }

    /// The paired peers and the names of their organisations.
    pub fn paired(&self) -> Vec<(PeerId, String)> {
        let paired = self.pairing.peers().into_iter().filter(|peer| peer.state == PeerState::Paired);
        paired.map(|peer| (peer.peer, peer.organisation)).collect()
    }

    /// The peer of an organisation's name.
    pub fn peer_named(&self, name: &str) -> Option<PeerId> {
        self.paired().into_iter().find(|(_, known)| known == name).map(|(peer, _)| peer)
    }

    /// The name of an organisation by its peer id, this node's own included.
    pub fn name_of(&self, peer: &PeerId) -> Option<String> {
        if *peer == self.identity.peer() {
            return Some(self.config.name.clone());
        }
        self.pairing.organisation_of(peer)
    }

    /// The name under which a peer is or was paired, or this node's own: what a peer was told, its organisation knows for
    /// good.
    pub fn known_as(&self, peer: &PeerId) -> Option<String> {
        let was_paired = |state| matches!(state, PeerState::Paired | PeerState::Renewing | PeerState::Revoked);
        let known = self.pairing.peer(peer).filter(|known| was_paired(known.state)).map(|known| known.organisation);
        self.name_of(peer).or(known)
    }

    /// What negotiations know of this node where the limits on the number of jobs were judged before.
    pub fn knowledge(&self) -> Knowledge<'_> {
        self.knowledge_with(Box::new(|_, _, _| Usage::default()))
    }

    /// What negotiations know of this node, with what counts against its policies' limits.
    pub fn knowledge_with<'a>(&'a self, usage: Box<UsageOf<'a>>) -> Knowledge<'a> {
        Knowledge {
            me: self.identity.peer(),
            own: Box::new(|name| self.own_dataset(name)),
            name_of: Box::new(|peer| self.name_of(peer)),
            usage,
            budget: Box::new(|proposal, release, party| {
                let charges = self.charges(proposal, release, party)?;
                self.budget.check(proposal.job_id().ok(), &charges)
            }),
            history: Box::new(|_, data, proposal| self.remembered(data, proposal)),
            now: self.clock.unix_seconds(),
        }
    }

    /// What a release costs this node's datasets, by the accounts of its budgets.
    ///
    /// # Errors
    /// `DATASET_STALE` if a dataset is gone or demands no noise any more, a fault of the store.
    pub fn charges(&self, proposal: &Proposal, release: &ReleaseSpec, party: PartyId) -> Result<Vec<Charge>, Failure> {
        let account = |((name, receiver), rho): ((String, PartyId), Rho)| {
            let stale = || {
                let message = format!("{name} does not release with noise any more");
                Failure::new(Code::new("DATASET_STALE"), message, "look at `tacit catalogue` and submit the job again.")
            };
            let dataset = proposal.datasets.iter().find(|dataset| dataset.name == name).ok_or_else(stale)?;
            let organisation = proposal.parties.get(receiver.index()).ok_or_else(stale)?;
            let record = self.datasets.dataset(&dataset.dataset)?;
            let clause = record.policy.policy()?.privacy().ok_or_else(stale)?;
            let account = Charge::of_account(record.lineage, &record.name, &organisation.organisation, &clause);
            Ok(Charge { rho, ..account })
        };
        budget::charges(release, party).into_iter().map(account).collect()
    }

    /// Remembers how far this node has seen a peer's budget ledger, to tell it should it forget (CHK-931).
    ///
    /// # Errors
    /// A fault of the store.
    pub fn witness_budget(&self, peer: &PeerId, head: &BudgetHead) -> Result<(), Failure> {
        if !head.is_of(peer) {
            let message = "the head of the peer's budget ledger is not signed by the peer";
            return Err(Failure::new(Code::new("RECEIPT_FIELD"), message, "ask the peer's operator."));
        }
        Ok(budget::witness(&*self.store, peer, head)?)
    }

    /// The same where a job was judged with its history when it was agreed to: later ones are judged with it, not it
    /// with them.
    pub(crate) fn knowledge_as_agreed(&self, contract: &Contract) -> Knowledge<'_> {
        let agreed: Vec<_> =
            contract.terms.datasets.iter().map(|d| (d.name.clone(), d.rules.history.clone())).collect();
        let history: Box<HistoryOf<'_>> = Box::new(move |name, _, _| {
            let told = agreed.iter().find(|(known, _)| known == name).map(|(_, told)| told.clone());
            Ok(Remembered { told: told.unwrap_or_default(), ..Remembered::default() })
        });
        Knowledge { history, ..self.knowledge() }
    }

    /// What is remembered of earlier jobs for a dataset of this node and a proposal.
    ///
    /// # Errors
    /// A fault of the store.
    pub(crate) fn remembered(&self, data: &OwnData, proposal: &Proposal) -> Result<Remembered, Failure> {
        let parties = history::parties(proposal);
        let keys_of = |peer: &PeerId| self.pairing.keys_of(peer);
        let name_of = |peer: &PeerId| self.known_as(peer);
        let asked = Asked {
            lineage: data.lineage,
            version: data.version,
            policy: &data.policy,
            parties: &parties,
            job: proposal.job_id().ok(),
            keys_of: &keys_of,
            name_of: &name_of,
            now: self.clock.unix_seconds(),
        };
        let TermsParty { peer, .. } = &proposal.parties[proposal.proposer.index()];
        let brings = proposal.datasets.iter().filter(|dataset| dataset.owner == proposal.proposer);
        let brings = brings.map(|dataset| (dataset.dataset.clone(), dataset.version)).collect();
        self.histories.remembered(&asked, Some(peer), brings)
    }

    /// Makes the secrets of a new job, unless it has them.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn make_secrets(&self, job: &JobId) -> Result<(), Failure> {
        if self.store.get(JOB_SECRETS, job.as_bytes())?.is_some() {
            return Ok(());
        }
        let secrets = JobSecrets { channel: **StaticKey::generate(&mut system_rng()).secret() };
        let sealed = self.secrets.seal(job.as_bytes(), &secrets.to_bytes(), &mut system_rng());
        self.store.put(JOB_SECRETS, job.as_bytes(), &sealed)?;
        Ok(self.store.flush()?)
    }

    /// The static key of a job's data channel.
    ///
    /// # Errors
    /// `STORE_RECORD` if the job has none, or a fault of the store.
    pub fn channel_key(&self, job: &JobId) -> Result<StaticKey, Failure> {
        let sealed = self.store.get(JOB_SECRETS, job.as_bytes())?.ok_or_else(|| {
            let message = format!("the secrets of job {} are gone", job.short());
            Failure::new(Code::new("STORE_RECORD"), message, "submit the job again.")
        })?;
        let opened = self.secrets.open(job.as_bytes(), &sealed)?;
        let secrets = JobSecrets::from_bytes(&opened)?;
        Ok(StaticKey::from_secret(Zeroizing::new(secrets.channel)))
    }

    /// Deletes the secrets of a job that has ended.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn forget_secrets(&self, job: &JobId) -> Result<(), Failure> {
        Ok(self.store.delete(JOB_SECRETS, job.as_bytes())?)
    }

    /// This node's entries in the contract of a job.
    ///
    /// # Errors
    /// As [`Context::channel_key`].
    pub fn contract_part(&self, job: &JobId, party: PartyId) -> Result<Part, Failure> {
        let key = ChannelKey::from_bytes(self.channel_key(job)?.public());
        Ok(Part {
            party,
            profile: self.config.profile(),
            channel: ChannelOffer { key, addresses: self.data_addresses() },
        })
    }

    /// Where peers reach this node's control plane, as multiaddresses: what an invitation carries.
    pub fn addresses(&self) -> Vec<String> {
        let listening = self.network.listen_addresses().borrow().clone();
        let heard = listening.iter().filter(|address| self.is_announced(address));
        let (over_relays, own): (Vec<_>, Vec<_>) = heard.partition(|address| is_relayed(address));
        let text = |addresses: Vec<&Multiaddr>| addresses.into_iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut addresses = if self.config.announce.is_empty() { text(own) } else { self.config.announce.clone() };
        // A relay is for those who reach none of the others; there is room for two places at least.
        let over_relays = text(over_relays);
        addresses.truncate(MAX_ADDRESSES - over_relays.len().min(2));
        addresses.extend(over_relays);
        addresses.truncate(MAX_ADDRESSES);
        addresses
    }

    /// A key that is made for one session with a peer besides jobs, and the offer of a channel on it.
    pub(crate) fn new_channel(&self) -> (StaticKey, ChannelOffer) {
        let key = StaticKey::generate(&mut system_rng());
        let offer = ChannelOffer { key: ChannelKey::from_bytes(key.public()), addresses: self.data_addresses() };
        (key, offer)
    }

    /// Where peers reach this node's data plane, as multiaddresses.
    pub fn data_addresses(&self) -> Vec<String> {
        if let Some(announced) = &self.config.data_announce {
            let quic = announced.replacen("/tcp/", "/udp/", 1) + "/quic-v1";
            return self.in_order_of_transports(vec![(announced.clone(), quic)]);
        }
        let port = self.data_plane.local_address().port();
        let configured = self.config.data_listen.ip();
        let mut hosts = Vec::new();
        if configured.is_unspecified() {
            // Listens on every interface: those that the control plane has found.
            let listening = self.network.listen_addresses().borrow().clone();
            for address in listening.iter().filter(|a| self.is_announced(a) && !is_relayed(a)) {
                hosts.extend(address.iter().find_map(|part| match part {
                    Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
                    Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
                    _ => None,
                }));
            }
        } else {
            hosts.push(configured);
        }
        hosts.sort();
        hosts.dedup();
        let address = |ip: IpAddr| {
            let host = if ip.is_ipv4() { format!("/ip4/{ip}") } else { format!("/ip6/{ip}") };
            (format!("{host}/tcp/{port}"), format!("{host}/udp/{port}/quic-v1"))
        };
        self.in_order_of_transports(hosts.into_iter().map(address).collect())
    }

    /// The TCP and the QUIC address of each host, in the order in which peers are to try them.
    fn in_order_of_transports(&self, hosts: Vec<(String, String)>) -> Vec<String> {
        let transports = &self.config.data_transports;
        let room = MAX_ADDRESSES / transports.len().max(1);
        let hosts = &hosts[..hosts.len().min(room)];
        let of = |transport: &DataTransport| match transport {
            DataTransport::Tcp => hosts.iter().map(|(tcp, _)| tcp.clone()).collect::<Vec<_>>(),
            DataTransport::Quic => hosts.iter().map(|(_, quic)| quic.clone()).collect(),
        };
        transports.iter().flat_map(of).collect()
    }

    /// Whether an address is of use to others (CHK-109).
    fn is_announced(&self, address: &Multiaddr) -> bool {
        AddressPolicy { allow_local: self.config.allow_loopback }.permits(address)
    }

    /// Stores something sealed that a job gave: an output share or a result.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn store_output(&self, job: &JobId, kind: OutputKind, bytes: &[u8]) -> Result<(), Failure> {
        let key = output_key(job, kind);
        self.store.put(JOB_OUTPUTS, &key, &self.outputs.seal(&key, bytes, &mut system_rng()))?;
        Ok(self.store.flush()?)
    }

    /// What [`Context::store_output`] stored.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn output(&self, job: &JobId, kind: OutputKind) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let key = output_key(job, kind);
        match self.store.get(JOB_OUTPUTS, &key)? {
            Some(sealed) => Ok(Some(self.outputs.open(&key, &sealed)?)),
            None => Ok(None),
        }
    }

    /// Deletes a stored output.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn forget_output(&self, job: &JobId, kind: OutputKind) -> Result<(), Failure> {
        Ok(self.store.delete(JOB_OUTPUTS, &output_key(job, kind))?)
    }

    /// Writes an event of a job into the log, before it takes effect (CHK-811).
    ///
    /// # Errors
    /// A fault of the log's file.
    pub fn log_job(&self, job: &JobRecord, kind: LogKind, what: &str, code: Option<&str>) -> Result<(), Failure> {
        let mut body = json!({ "job": job.id, "peer": job.peer, "organisation": job.peer_name(), "text": what });
        if let Some(code) = code {
            body["code"] = code.into();
        }
        // What it is for is part of what was asked, and so of what the log says was asked.
        if kind == LogKind::Proposal && !job.proposal.purpose.is_empty() {
            body["purpose"] = job.proposal.purpose.as_str().into();
        }
        self.log(kind, &body)
    }

    /// Notes a message of a peer that was refused: in the log, or, beyond some in an hour, by counting it. It is refused
    /// all the same if the log takes no entry.
    pub fn log_rejected(&self, peer: &PeerId, code: &Code, what: &str) {
        let now = self.clock.unix_seconds();
        let entries = self.rejections.note(peer, code, what, now);
        self.log_rejections(&entries, now);
    }

    /// Writes the counts of refused messages whose hour is over, or all of them.
    pub fn log_counted_rejections(&self, all: bool) {
        let now = self.clock.unix_seconds();
        self.log_rejections(&self.rejections.take_counts(now, all), now);
    }

    fn log_rejections(&self, entries: &[serde_json::Value], now: u64) {
        for entry in entries {
            if let Err(fault) = self.log.append(now, LogKind::Rejected, entry) {
                tracing::error!(code = %fault.code(), "a refused message is not in the log: {fault}");
            }
        }
    }

    /// Writes an event into the log. `body` holds no cell values and no constants of others.
    ///
    /// # Errors
    /// A fault of the log's file.
    pub fn log(&self, kind: LogKind, body: &serde_json::Value) -> Result<(), Failure> {
        self.log.append(self.clock.unix_seconds(), kind, body)?;
        Ok(())
    }
}

/// What a job leaves in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// This node's share of the outputs, until the job is settled.
    Share,
    /// The released values that this node received.
    Result,
}

fn is_result(key: &[u8]) -> bool {
    key.last() == Some(&b'r')
}

fn output_key(job: &JobId, kind: OutputKind) -> Vec<u8> {
    let mut key = job.as_bytes().to_vec();
    key.push(match kind {
        OutputKind::Share => b's',
        OutputKind::Result => b'r',
    });
    key
}
