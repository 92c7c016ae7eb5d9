//! `tacit node`: the daemon, from an opened directory to a graceful stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tacit_protocol::canonical::Nonce;
use tacit_protocol::identity::Identity;
use tacit_protocol::{Code, Failure};
use tacit_sdk::client::{ADDRESS_FILE, TOKEN_FILE};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::clock::{Clock, SystemClock, system_rng};
use crate::config::layers::Layers;
use crate::config::{Config, DataTransport};
use crate::context::{Context, Parts};
use crate::data::Datasets;
use crate::data_plane::{DataPlane, DataPlaneLimits};
use crate::heads::{Heads, OwnLedger};
use crate::keys::{IdentitySeed, NodeKey};
use crate::log::Log;
use crate::network::hello::NodeGreeter;
use crate::network::{self, AddressPolicy, InboundRequest, NetworkConfig, transport};
use crate::node::{Node, off_reactor};
use crate::offline::{CorrelationStore, Limits, OfflineError};
use crate::pairing::{self, Pairing};
use crate::private_file;
use crate::setup::Files;
use crate::store::{Journal, SledStore, Store};
use crate::tokens::{self, Tokens};
use crate::{api, crypto, reseal, telemetry};

/// How long a graceful stop may take before the process ends anyway.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Runs the node in a directory, its configuration under some layers, until it is told to stop by a signal or by `tacit stop`.
///
/// # Errors
/// What kept it from starting.
pub fn run(dir: &Path, layers: &Layers) -> Result<(), Failure> {
    // What is wrong with the configuration is told when the directory is opened.
    let configured = Config::load(dir, layers).map(|config| config.log_format).unwrap_or_default();
    telemetry::begin(telemetry::format(configured)?);
    crypto::install();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|cause| {
        Failure::new(Code::new("NODE_START"), format!("no threads: {cause}"), "check the limits of the system.")
    })?;
    let ran = runtime.block_on(serve(dir, layers));
    runtime.shutdown_timeout(Duration::from_secs(2));
    ran
}

async fn serve(dir: &Path, layers: &Layers) -> Result<(), Failure> {
    let files = Files::of(dir);
    let Opened { context, requests, tasks } = open_as(&files, Config::load(dir, layers)?).await?;
    let stop = CancellationToken::new();
    let tokens = Arc::new(open_tokens(&context, &files)?);
    let node = Node::new(context.clone(), files, stop.clone());
    node.start(requests).await?;

    let listening = api::listen(&context.config, dir).await?;
    let address = listening.local_address;
    tokens.issue_local()?;
    private_file::replace(&dir.join(ADDRESS_FILE), &address.to_string())?;
    tracing::info!(
        instructions = tacit_simd::Level::detect().name(), api = %address, data = %context.data_plane.local_address(), "node of {} ready", context.config.name
    );

    let served = {
        let (context, node, tokens, stop) = (context.clone(), node.clone(), tokens.clone(), stop.clone());
        let started = context.clock.unix_seconds();
        async move { api::serve(listening, node, tokens, &context.config, started, stop).await }
    };
    let api = tokio::spawn(served);
    let renewal = tokio::spawn(renew_token(tokens, stop.clone()));
    let mut signals = Signals::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = signals.next() => {
                // The first drains; a second ends at once.
                if !node.begin_drain() {
                    tracing::warn!("asked to stop again: jobs under way are interrupted");
                    stop.cancel();
                }
            }
        }
    }
    tracing::info!("stopping");
    let stopped = tokio::time::timeout(STOP_PATIENCE, async {
        node.join().await;
        drop(api.await);
        drop(renewal.await);
        tasks.stop(&context).await;
    });
    if stopped.await.is_err() {
        tracing::warn!("some tasks did not end in time; their jobs go on at the next start");
    }
    context.store.flush()?;
    drop(std::fs::remove_file(dir.join(ADDRESS_FILE)));
    tracing::info!("stopped");
    Ok(())
}

/// A node's directory, opened: its parts work and its ports listen, and nobody answers its peers yet.
pub struct Opened {
    /// What the parts of the node share.
    pub context: Arc<Context>,
    /// What peers ask.
    pub requests: mpsc::Receiver<InboundRequest>,
    /// What listens.
    pub tasks: Listening,
}

/// The task of the control plane; the data plane keeps its own.
pub struct Listening {
    network: JoinHandle<()>,
}

impl Listening {
    /// Closes both planes.
    pub async fn stop(self, context: &Context) {
        context.data_plane.stop().await;
        drop(context.network.stop().await);
        drop(self.network.await);
    }
}

/// Opens a node's directory.
///
/// # Errors
/// `USAGE_CONFIG`, what is wrong with the store or the journals, or a port that is taken.
pub async fn open(files: &Files) -> Result<Opened, Failure> {
    open_as(files, Config::read(&files.dir)?).await
}

/// Opens a node's directory under a configuration.
async fn open_as(files: &Files, config: Config) -> Result<Opened, Failure> {
    let opening = reseal::finish(files)?;
    let node_key = NodeKey::read_file(&files.key())?;
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&files.store())?);
    drop(opening);
    let identity = Identity::from_seed(IdentitySeed::load(&*store, &node_key)?.expose());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log = Arc::new(Log::open(&files.log())?);
    let datasets = Datasets::open(store.clone(), &node_key)?;
    let pairing = Arc::new(Pairing::open(
        identity.clone(),
        config.name.clone(),
        config.allow_loopback,
        clock.clone(),
        store.clone(),
        Journal::open(&files.peers())?,
        node_key.sealer(pairing::PURPOSE),
        Box::new(system_rng()),
    )?);

    let addresses = AddressPolicy { allow_local: config.allow_loopback };
    let keypair = identity.to_libp2p();
    let paired = pairing.clone();
    let budget = Arc::new(Budget::open(&files.budget(), store.clone(), clock.clone())?);
    let keys = [vec![identity.peer()], pairing.own_earlier_keys()].concat();
    let own = OwnLedger { budget: budget.clone(), keys };
    let heads = Heads::open(move |peer| paired.organisation_of(peer), log.clone(), clock.clone(), store.clone(), own)?;
    let epoch = Nonce::random(&mut system_rng());
    let greeter = NodeGreeter::new(config.name.clone(), epoch, clock.clone(), heads.clone())
        .with_relays(config.relay.via.clone(), config.relay.serve.clone());
    let settings = NetworkConfig {
        addresses,
        announced: config.announced_addresses()?,
        relay: config.relay.limits(),
        bulk_over_relay: config.relay.bulk,
        ..NetworkConfig::default()
    };
    let network = network::spawn(
        &keypair,
        transport::tcp_and_quic(&keypair)?,
        settings,
        Arc::new(greeter),
        Box::new(system_rng()),
    )?;
    let (handle, requests, network_task) = network.into_parts();
    pairing.restore(&handle).await?;
    for address in config.listen_addresses()? {
        handle.listen(address).await?;
    }
    let mut data_plane = DataPlane::start(config.data_listen, DataPlaneLimits::default(), addresses).await?;
    data_plane.open_streams(&handle);
    if config.data_transports.contains(&DataTransport::Quic) {
        data_plane.open_quic(&keypair)?;
    }

    let correlations = open_correlations(files, &config, &node_key, &pairing);
    let context = Arc::new(Context::new(Parts {
        config,
        identity,
        node_key,
        store,
        clock,
        network: handle,
        data_plane,
        datasets,
        pairing,
        log,
        budget,
        heads,
        correlations,
    }));
    Ok(Opened { context, requests, tasks: Listening { network: network_task } })
}

/// The store of what is made in advance. A node does without it where it cannot be opened.
fn open_correlations(
    files: &Files,
    config: &Config,
    node_key: &NodeKey,
    pairing: &Pairing,
) -> Option<CorrelationStore> {
    if !config.idle.enabled {
        return None;
    }
    let limits = Limits::of_peer(config.idle.disk);
    let opened = CorrelationStore::open(&files.correlations(), node_key, limits, Box::new(system_rng()));
    let opened = opened.and_then(|store| {
        store.retain_peers(&|peer| pairing.organisation_of(peer).is_some())?;
        Ok(store)
    });
    let told = |error: &OfflineError| tracing::warn!(code = %error.code(), "nothing is made in advance: {error}. {}", error.next_step());
    opened.inspect_err(told).ok()
}

fn open_tokens(context: &Context, files: &Files) -> Result<Tokens, Failure> {
    let parts = tokens::Parts {
        store: context.store.clone(),
        clock: context.clock.clone(),
        log: context.log.clone(),
        sealer: context.token_keys.clone(),
        node: context.identity.peer().to_string(),
        local_file: files.dir.join(TOKEN_FILE),
    };
    Tokens::open(parts, &files.tokens())
}

/// Writes a fresh token before the old one ends, which the clock says and no timer: that stands still while a machine sleeps.
async fn renew_token(tokens: Arc<Tokens>, stop: CancellationToken) {
    const EVERY: Duration = Duration::from_secs(60);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let tokens = Arc::clone(&tokens);
        let renewed = off_reactor(move || tokens.renew_local()).await;
        if let Err(failure) = renewed.flatten() {
            tracing::error!(code = %failure.code, "the API token was not renewed: {failure}");
        }
    }
}

/// The signals that ask the process to stop.
struct Signals(Option<(Signal, Signal)>);

impl Signals {
    fn new() -> Self {
        let heard = signal(SignalKind::terminate()).and_then(|one| Ok((one, signal(SignalKind::interrupt())?)));
        if heard.is_err() {
            tracing::error!("signals cannot be heard; stop the node with `tacit stop`");
        }
        Self(heard.ok())
    }

    async fn next(&mut self) {
        let Some((terminate, interrupt)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
